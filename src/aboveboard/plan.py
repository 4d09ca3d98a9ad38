"""A gate compiled: the constants, the small tables and the SQL fragments that turn the steps into its judgement.

Everything that does not depend on the single record is decided here, once, by the same functions that ``decide``
uses: which clauses speak about which data, what each region's regime says, which promises bind. Clauses, promises
and retention rules become bits, so that a step compares masks where ``decide`` compares objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aboveboard import choice, packed, vocabulary
from aboveboard.errors import EngineError
from aboveboard.gate import EXPLICIT, FLOOR, SHARING, THREE_YEARS, Gate, licence_codes
from aboveboard.packed import Field
from aboveboard.paths import quoted
from aboveboard.policy import Clause, Condition, Embargo, Period, PolicyVersion
from aboveboard.reasons import BY_CODE, HIGH, LOW, Effect, masks
from aboveboard.redaction import BLANK
from aboveboard.regime import QUESTIONS, Regime, strictest
from aboveboard.steps import bit

UNDATED = datetime(1, 1, 1, tzinfo=UTC)
"""The instant that stands for an unknown collection time; everything known is later."""
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
FOREVER = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

CHOICE_BITS = 11
"""Room for the number of a choice among a person's numbers."""
SET_BITS = 24
"""Room for the number of a list of labels among a part's."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """A question to the choices: data with these labels, one purpose, one recipient (shape of ``ledger.Scope``)."""

    id: int
    labels: tuple[str, ...]
    purpose: str
    recipient: str
    explicit: bool = False


@dataclass(frozen=True)
class Plan:
    """What the engine needs to run the steps for one gate. ``fragments`` depend on the gate alone; the rows of the
    small tables also on the kinds of data (``sets``) and the places (``homes``) that occur."""

    gate: Gate
    sets: Sequence[Sequence[str | None]]
    homes: Sequence[str]
    names_records: bool = True
    """Whether any record was taken out by its name."""
    bits: Bits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", Bits(self.gate))

    # --- the small tables ---

    def category_sets(self) -> list[Row]:
        """One row a distinct list of labels: what it is, and what that means whoever it is about."""
        return [self._set(number, labels) for number, labels in enumerate(self.sets)]

    def _set(self, number: int, labels: Sequence[str | None]) -> Row:
        known = _known_labels(labels)
        lo, hi = masks(self._kind_codes(labels))
        explicit, _ = masks(code for root, code in EXPLICIT.items() if vocabulary.touches(labels, [root]))
        ranks = range(len(vocabulary.AUDIENCES))
        since = [self.gate.declared_since(known, rank) if known else None for rank in ranks]
        return {
            "set_id": number,
            "categories": list(labels),
            "known": known is not None,
            "set_lo": lo,
            "set_hi": hi,
            "explicit_lo": explicit,
            "biometric": vocabulary.touches(labels, vocabulary.BIOMETRIC),
            "sensitive": vocabulary.touches(labels, choice.SENSITIVE),
            "job_scope": number if known else None,
            "share_scope": self._share(number) if known else None,
            "explicit_scope": self._explicit(number) if known and choice.sensitive(known) else None,
            "declared_since": [naive(moment) for moment in since],
            "window_elapsed": [bool(known and self.gate.window_elapsed(known, rank)) for rank in ranks],
            "serves_other_purposes": bool(known and self.gate.serves_other_purposes(known)),
            "promised": self.bits.promised(labels),
            "ever_retained": self.bits.ever_retained(labels),
        }

    def _kind_codes(self, labels: Sequence[str | None]) -> set[str]:
        """The reasons that lie in the labels alone: the floor, and kinds of data with rules of their own."""
        job = self.gate.job
        codes = {code for root, code in FLOOR.items() if vocabulary.touches(labels, [root])}
        if vocabulary.touches(labels, vocabulary.EMPLOYMENT) and not vocabulary.covered_by(
            vocabulary.EMPLOYMENT_PURPOSES, job.purpose
        ):
            codes.add("cat.employment_wrong_purpose")
        if vocabulary.touches(labels, ["user.social.contacts"]):
            codes.add("cat.contact_list")
        if job.trains and vocabulary.touches(labels, ["user.behavior"]):
            codes.add("cat.interaction_private_context")
        if job.recipient_kind == "third_party" and vocabulary.touches(labels, vocabulary.BIOMETRIC):
            codes.add("rcpt.sale_prohibited")
        return codes

    def terms(self) -> list[Row]:
        """What each version says of each kind of data: clauses that permit, clauses that deny, retention rules."""
        return [
            {
                "set_id": number,
                "version": place,
                "permits": self.bits.clauses(version, _known_labels(labels), "permit"),
                "denies": self.bits.clauses(version, _known_labels(labels), "deny"),
                "retentions": self.bits.retained(version, labels),
            }
            for number, labels in enumerate(self.sets)
            for place, version in enumerate(self.gate.policy.versions)
        ]

    def regions(self) -> list[Row]:
        """What the regime of each place says; unknown places are not here."""
        rows: list[Row] = []
        for home in dict.fromkeys(self.homes):
            if vocabulary.known_residency(home) is not None:
                table = self.gate.regimes.at(home)
                rows.append({"residency": home, "us": vocabulary.in_region(home, "US"), **_cells(table)})
        return rows

    def licences(self) -> list[Row]:
        """What stands in each licence against this job (a mask of gate 8; 0: it covers the job)."""
        return [
            {"licence": one.id, "against": masks(licence_codes(one, self.gate))[1]}
            for one in self.gate.licences.values()
        ]

    def scopes(self) -> list[Scope]:
        """The questions to the choices: the job's own, whether a yes is explicit where the data needs that, and
        sale-or-share where a third party asks."""
        job = self.gate.job
        known = [(number, labels) for number, raw in enumerate(self.sets) if (labels := _known_labels(raw))]
        asked = [Scope(number, labels, job.purpose, job.recipient) for number, labels in known]
        for number, labels in known:
            if needed := choice.sensitive(labels):
                asked.append(Scope(self._explicit(number), needed, job.purpose, job.recipient, explicit=True))
        if job.recipient_kind == "third_party":
            asked += [Scope(self._share(number), labels, SHARING, job.recipient) for number, labels in known]
        return asked

    def _share(self, number: int) -> int:
        return len(self.sets) + number

    def _explicit(self, number: int) -> int:
        return 2 * len(self.sets) + number

    def elsewhere(self) -> list[tuple[int, Scope]]:
        """For biometric data, the questions about every other purpose, each with the set it belongs to."""
        job, first = self.gate.job, 3 * len(self.sets)
        others = [p for p in vocabulary.leaves(vocabulary.PURPOSES) if p != job.purpose]
        biometric = [
            (number, labels)
            for number, raw in enumerate(self.sets)
            if (labels := _known_labels(raw)) and vocabulary.touches(labels, vocabulary.BIOMETRIC)
        ]
        pairs = [(number, labels, purpose) for number, labels in biometric for purpose in others]
        return [
            (number, Scope(first + place, choice.sensitive(labels), purpose, job.recipient, explicit=True))
            for place, (number, labels, purpose) in enumerate(pairs)
        ]

    # --- constants and fragments ---

    def variables(self) -> Mapping[str, Any]:
        """The values that the steps read by name."""
        versions = self.gate.policy.versions
        now = self.gate.now
        return {
            "as_of": naive(self.gate.as_of),
            "undated": naive(UNDATED),
            "beginning": naive(BEGINNING),
            "forever": naive(FOREVER),
            "blank": BLANK,
            "low_ids": [reason.id for reason in LOW],
            "high_ids": [reason.id for reason in HIGH],
            "clause_ids": self.bits.clause_ids(),
            "version_names": [version.version for version in versions],
            "version_now": versions.index(now) if now else -1,
            "version_name_now": now.version if now else None,
        }

    def fragments(self) -> Mapping[str, str]:
        """The pieces of SQL that only this gate knows."""
        gate, bits = self.gate, self.bits
        now = gate.now
        # An establishment unknown, or no policy in force, reads the strictest table, as an unknown region does.
        base = strictest([gate.regimes.named(gate.job.regime), gate.regimes.at(gate.establishment)])
        return {
            **_EFFECTS,
            **_CLOSED_SETS,
            **{f"base.{question}": str(cell) for question, cell in _base(base).items()},
            **{f"any.{question}": str(cell) for question, cell in _base(gate.regimes.strictest()).items()},
            "counts_from": COUNTS_FROM,
            "trains": _bool(gate.job.trains),
            "version_exists": _bool(now is not None),
            "version_then": self._version_then(),
            "never_reaches_back": _bool(now is None or now.retroactive == "none"),
            "notice_road": _bool(self.notice_road),
            "told_until": interval("last_told", now.notice_window if now else Period(days=30)),
            "holds": bits.when(True),
            "perhaps": bits.when(None),
            "denies": bits.denied_when(True),
            "perhaps_denies": bits.denied_when(None),
            "bits.interest": ubigint(bits.based("legitimate_interest")),
            "bits.names": ubigint(bits.names),
            "cap": self._cap(),
            "widest.candidates_now": bits.widest("candidates_now"),
            "widest.candidates_then": bits.widest("candidates_then_"),
            "needed": _needed(),
            "rank_at": _rank("audience_at"),
            "rank_now": _rank("audience_now"),
            "promise_narrows": self._promise_narrows(),
            "not_named": self._not_named(),
            "retention_hi": self._retention()[0],
            "retention_lo": self._retention()[1],
            "carrying_now": self.carrying_now,
            "carried.candidates_now": self._carried("candidates_now"),
            "carried.candidates_then": self._carried("candidates_then"),
            "carried.then_alone": self._carried("candidates_then_", self._stands("0"), self._reaching()),
            "stands": self._stands("road"),
            "reaching": self._reaching(),
            "is_signal": _IS_SIGNAL,
            "signal_speaks": self._signal_speaks(),
            "signal_bit": _SIGNAL_BIT,
            "collected_key": _COLLECTED_KEY,
            "by_name": _LISTED if self.names_records else "FALSE AS listed, 0 AS taken_out",
            "by_name_joins": _LISTED_JOINS if self.names_records else "",
            "situation": packed.pack(self._situation()),
            "situation_told": packed.told(self._situation(), "situation"),
            "words": packed.pack(_traits(), _traits()[:5]),
            "numbers": packed.pack(_traits(), _traits()[5:]),
            "traits_told": packed.told(_traits(), "traits"),
            "person": packed.pack(self._person()),
            "in_doubt": texts(sorted(vocabulary.ROLES_IN_DOUBT)),
            "person_joins": self._person_joins(),
            "person_told": packed.told(self._person(), "person"),
            "person_known": _PERSON_KNOWN,
            "person_columns": self._person_columns(),
            "interaction_passed": self._interaction_passed(),
            "told_passed": self._told_passed(),
            "said": self._said(),
            "person_lo": self._person_lo(),
            "person_hi": self._person_hi(),
        }

    @property
    def notice_road(self) -> bool:
        """Whether the policy declares the road of notice and the establishment does not close it (rule 2)."""
        gate = self.gate
        home = gate.establishment
        return bool(gate.now and gate.now.retroactive == "notice" and home and not vocabulary.in_region(home, "US"))

    @property
    def shares(self) -> bool:
        return self.gate.job.recipient_kind == "third_party"

    @property
    def asks_explicitly(self) -> bool:
        return any(scope.explicit for scope in self.scopes())

    @property
    def carrying_now(self) -> str:
        """Today's clauses that carry a part by themselves, as a mask: the one that is cited is among them."""
        mask = f"candidates_now & holds & {ubigint(self.bits.names)} & reaching & {self._based('stands')}"
        return f"CASE WHEN {_WITHIN} THEN {mask} ELSE 0::UBIGINT END"

    def _based(self, stands: str) -> str:
        """The clauses whose basis holds for the primary subject: all after a yes, after silence those that stand."""
        every = ubigint(2**64 - 1)
        return f"(CASE choice WHEN 'given' THEN {every} WHEN 'silent' THEN {stands} ELSE 0::UBIGINT END)"

    def _version_then(self) -> str:
        versions = self.gate.policy.versions
        cases = []
        for place, version in enumerate(versions):
            after = [v.effective_from for v in versions[place + 1 : place + 2]]
            until = min([*after, *([version.effective_to] if version.effective_to else [])], default=None)
            upto = f" AND collected < {moment(until)}" if until else ""
            cases.append(f"WHEN collected >= {moment(version.effective_from)}{upto} THEN {place}")
        return f"CASE {' '.join(cases)} END"

    def _cap(self) -> str:
        """The audience that promises leave, and the fixed rule that training reaches the public only."""
        fixed = vocabulary.AUDIENCES.index("public" if self.gate.job.trains else "private")
        promised = [
            f"CASE WHEN {binds} THEN {vocabulary.AUDIENCES.index(promise.audience)} END"
            for _, promise, binds in self.bits.promises("collected")
            if promise.audience is not None
        ]
        return f"least({', '.join([str(fixed), *promised])})" if promised else str(fixed)

    def _promise_narrows(self) -> str:
        tests = []
        for place, promise, binds in self.bits.promises("collected"):
            denied = f"coalesce(promised, 0::UBIGINT) & {ubigint(1 << place)} <> 0"
            limit = vocabulary.AUDIENCES.index(promise.audience or "private")
            tests.append(f"({binds} AND ({denied} OR coalesce(greatest(rank_at, rank_now) > {limit}, FALSE)))")
        return f"(candidates_now <> 0 OR NOT first_party) AND ({' OR '.join(tests)})" if tests else "FALSE"

    def _not_named(self) -> str:
        kind = self.gate.job.recipient_kind
        return bit(f"rcpt.{kind}_not_named") if kind in ("affiliate", "third_party") else ubigint(0)

    def _embargo(self) -> str:
        """Undertakings about such data, and about where a person lived when it was collected, or lives now."""
        cases = [
            f"CASE WHEN NOT ({self._about(embargo)}) THEN 0::UBIGINT"
            f" WHEN {_bool(not embargo.regions)} THEN @rights.retracted"
            f" WHEN coalesce(residency_at IN {homes}, FALSE) OR coalesce(residency IN {homes}, FALSE) THEN @jur.region_embargo"
            f" WHEN coalesce(residency_at IN {coarse}, TRUE) OR coalesce(residency IN {coarse}, TRUE)"
            " THEN @jur.residency_unknown ELSE 0::UBIGINT END"
            for embargo in self.gate.embargoes
            for homes, coarse in [self._homes_in(embargo.regions)]
        ]
        return " | ".join(cases) or ubigint(0)

    def _about(self, embargo: Embargo) -> str:
        """Whether an undertaking is about a case: its time of collection, the kind of record, the labels of the part."""
        tests = [f"({_spans(embargo)})"]
        if embargo.kinds:
            tests.append(f"coalesce(kind IN {texts(embargo.kinds)}, TRUE)")
        if embargo.categories:
            touched = [str(n) for n, labels in enumerate(self.sets) if embargo.of_categories(labels)]
            tests.append(f"coalesce(set_id IN ({', '.join(touched) or 'NULL'}), FALSE)")
        return " AND ".join(tests)

    def _homes_in(self, regions: Sequence[str]) -> tuple[str, str]:
        """The residencies that lie in these regions, and those too coarse to tell, as lists for IN."""
        places = [home for home in self.homes if vocabulary.known_residency(home)]
        inside = [h for h in places if any(vocabulary.in_region(h, region) for region in regions)]
        coarse = [h for h in places if any(vocabulary.may_be_in(h, region) for region in regions)]
        return texts(inside), texts([home for home in coarse if home not in inside] or ["-"])

    def _retention(self) -> tuple[str, str]:
        """What has outlived its time, and what may have because nobody knows when its time began."""
        pieces: list[str] = []
        undated: list[str] = []
        for place, rule in enumerate(self.bits.retentions):
            start = "collected" if rule.since == "collected" else "last_interaction"
            applies = f"retentions & {ubigint(1 << place)} <> 0"
            over = f"{interval(start, rule.period)} <= getvariable('as_of')"
            pieces.append(f"flag({applies} AND {over}, @ret.expired)")
            if rule.since == "last_interaction":
                pieces.append(f"flag({applies} AND last_interaction IS NULL, @ret.last_interaction_unknown)")
            else:
                undated.append(f"flag({applies} AND collected IS NULL, @policy.collection_time_missing)")
        return " | ".join(pieces) or ubigint(0), " | ".join(undated) or ubigint(0)

    def _carried(self, candidates: str, stands: str = "stands", reaching: str = "reaching") -> str:
        """Whether one clause by itself carries the part: condition, audience, recipient and basis together."""
        names = ubigint(self.bits.names)
        return f"({_WITHIN} AND ({candidates} & holds & {names} & {reaching} & {self._based(stands)}) <> 0)"

    def _reaching(self) -> str:
        return self.bits.reaching("greatest(rank_at, rank_now)")

    def _stands(self, road: str) -> str:
        """The clauses that stand when nothing was said: the opt-out ones where the regime lets them."""
        interest, legal = self.bits.based("legitimate_interest"), self.bits.based("legal_obligation")
        opt_out = interest | self.bits.based("contract")
        quiet = "(silence = 0 OR (silence = 1 AND coalesce(window_elapsed, FALSE)))"
        by_notice = f"CASE WHEN {quiet} THEN {ubigint(interest)} ELSE 0::UBIGINT END"
        usual = f"{ubigint(legal)} | CASE WHEN {quiet} THEN {ubigint(opt_out)} ELSE 0::UBIGINT END"
        return f"CASE WHEN {road} = 2 THEN {by_notice} ELSE {usual} END"

    def _signal_speaks(self) -> str:
        speaks = [p for p in vocabulary.PURPOSES if vocabulary.covers(p, self.gate.job.purpose)]
        return f"({_IS_SIGNAL}) AND (s.purpose IS NULL OR s.purpose IN {texts(speaks)})"

    # --- what makes two parts one case ---

    def _situation(self) -> list[Field]:
        """What a record is as a whole, and between which of the moments that matter it was collected."""
        return [
            packed.one_of("kind", "kind", literals(vocabulary.KINDS)),
            packed.one_of("origin", "origin", literals(vocabulary.ORIGINS)),
            packed.one_of("upstream", "upstream", literals(vocabulary.UPSTREAMS)),
            packed.one_of("lifecycle", "lifecycle", literals(vocabulary.LIFECYCLES)),
            packed.one_of("integrity", "integrity", literals(vocabulary.INTEGRITIES)),
            packed.one_of("duplicate", "duplicate", literals(vocabulary.DUPLICATES)),
            packed.one_of("edition", "edition", literals(vocabulary.EDITIONS)),
            packed.whether("has_subject", "subject IS NOT NULL"),
            packed.whether("parts_known", "parts_known"),
            packed.whether("listed", "listed"),
            Field("taken_out", "taken_out", 2),
            packed.among("licence", "licence", literals(self.gate.licences)),
            *self._asked(),
            self._era(),
        ]

    def _asked(self) -> list[Field]:
        """Fields of open lists that conditions of the policy ask about; nothing asks about the others."""
        conditions = [c.when for v in self.gate.policy.versions for c in v.clauses if c.when is not None]
        leaves = [leaf for condition in conditions for leaf in _leaves(condition)]
        return [
            packed.among(name, column, literals(w for leaf in leaves if leaf.field == asked for w in leaf.value))
            if any(leaf.field == asked for leaf in leaves)
            else Field(name, "0", 0, "CAST(NULL AS VARCHAR)")
            for name, column, asked in (
                ("source", "nullif(source, '')", "record.source"),
                ("language", "language", "record.language"),
            )
        ]

    def _era(self) -> Field:
        """How many of the moments that matter to some rule had passed at collection; 0: nobody knows.

        INVARIANT: each test stays true once it is, so that equal counts mean equal answers to every one of them.
        """
        moments: list[datetime | None] = [
            m for v in self.gate.policy.versions for m in (v.effective_from, v.effective_to)
        ]
        moments += [promise.until for promise in self.gate.commitments]
        moments += [m for e in self.gate.embargoes for m in (e.collected_from, e.collected_to)]
        tests = [f"collected >= {moment(m)}" for m in sorted({m for m in moments if m is not None})]
        rules = [rule for rule in self.bits.retentions if rule.since == "collected"]
        tests += [f"{interval('collected', rule.period)} > getvariable('as_of')" for rule in rules]
        number = f"CASE WHEN collected IS NULL THEN 0 ELSE {_passed(tests)} END"
        return Field("era", number, (len(tests) + 1).bit_length())

    def _person(self) -> list[Field]:
        """How somebody stands and what they said, as the numbers of the tables that know it."""
        when_made = f"""CASE WHEN NOT {_bool(self.gate.job.age_gated)} THEN 0 ELSE
      CASE WHEN sf.minor_until IS NULL THEN 0 WHEN u.made_at < sf.minor_until OR u.collected < sf.minor_until THEN 2
           WHEN u.made_at IS NULL THEN 1 ELSE 0 END
      | CASE WHEN sf.age_gap_until IS NOT NULL AND (u.made_at IS NULL OR u.made_at < sf.age_gap_until) THEN 1 ELSE 0 END
      END"""
        return [
            packed.whether("doubtful", "u.doubtful"),
            packed.whether("consented_elsewhere", "e.subject IS NOT NULL" if self.elsewhere() else "FALSE"),
            packed.whether("contract_excludes", "k.subject IS NOT NULL"),
            Field("shared", "coalesce(sh.choice, 0)" if self.shares else "0", CHOICE_BITS),
            Field("explicit", "coalesce(x.choice, 0)" if self.asks_explicitly else "0", CHOICE_BITS),
            Field("answer", "coalesce(c.choice, 0)", CHOICE_BITS),
            Field("when_made", when_made, 2),
            Field("standing", "coalesce(sf.standing, 0)", packed.ROOM - 3 * CHOICE_BITS - 5),
        ]

    def _person_joins(self) -> str:
        """Where these numbers are looked up, for somebody at the time of collection."""
        joins = [
            _during("people_in_force", "sf", ""),
            _during("answers_in_force", "c", "c.scope_id = u.job_scope AND "),
            "LEFT JOIN contracts_in_force AS k ON k.scope_id = u.job_scope AND k.subject = u.subject",
        ]
        if self.asks_explicitly:
            joins.append(_during("answers_in_force", "x", "x.scope_id = u.explicit_scope AND "))
        if self.shares:
            joins.append(_during("answers_in_force", "sh", "sh.scope_id = u.share_scope AND "))
        if self.elsewhere():
            joins.append(_during("consents_elsewhere", "e", "e.set_id = u.set_id AND "))
        return "\n".join(joins)

    def _person_columns(self) -> str:
        """How a person stands; somebody nobody knows anything about has every fact unknown."""
        told = "sf.shown_at" if self.notice_road else "CAST(NULL AS TIMESTAMP)"
        here = _base(
            strictest([self.gate.regimes.named(self.gate.job.regime), self.gate.regimes.at(self.gate.establishment)])
        )
        lost = _base(self.gate.regimes.strictest())
        unknown = {q: max(here[q], lost[q]) for q in here}
        renewed = _RENEWED.format("c")
        if self.asks_explicitly:
            renewed += f" AND (NOT u.sensitive OR {_RENEWED.format('x')})"
        return f"""
  coalesce(sf.state, 1) AS state,
  coalesce(sf.lifted_between, FALSE) AS lifted_between,
  coalesce(sf.state_gap_between, TRUE) AS state_gap,
  coalesce(sf.protected_at, 1) AS protected_at,
  coalesce(sf.protected, 1) AS protected,
  coalesce(sf.protected_between, FALSE) AS protected_between,
  coalesce(sf.protected_gap_between, TRUE) AS protected_gap,
  coalesce(sf.age_at, 1) AS age_at,
  coalesce(sf.age, 1) AS age,
  u.when_made & 2 <> 0 AS minor_when_made,
  u.when_made & 1 <> 0 AS age_unknown_when_made,
  sf.residency_at,
  sf.residency,
  CASE WHEN sf.last_interaction <= getvariable('as_of') THEN sf.last_interaction END AS last_interaction,
  coalesce(sf.silence, {unknown["silence_opt_out"]}) AS silence,
  coalesce(sf.unlisted, {unknown["unlisted"]}) AS unlisted,
  coalesce(sf.signals, {unknown["signal_unknown"]}) AS signals_cell,
  coalesce(sf.residency_holds, {_bool(here["unknown_residency"] == 1)}) AS residency_holds,
  coalesce(sf.suppressed, FALSE) AS suppressed,
  coalesce(c.state, 'silent') AS choice,
  c.method,
  coalesce(x.state = 'given', FALSE) AS said_explicitly,
  coalesce(sh.state, 'silent') AS sharing,
  coalesce(sf.protected_at = 0 AND sf.protected = 0 AND NOT sf.protected_between AND NOT sf.protected_gap_between, FALSE)
    AS open_throughout,
  coalesce({renewed}, FALSE) AS renewed,
  CASE WHEN coalesce(sf.abroad, FALSE) AND sf.age_at = 0 AND sf.age = 0 AND NOT coalesce(u.sensitive, TRUE)
        AND coalesce(c.state, 'silent') IN ('silent', 'given') THEN {told} END AS told_at"""

    def _interaction_passed(self) -> str:
        """The same as an era for the last interaction of an account."""
        periods = [THREE_YEARS, *(rule.period for rule in self.bits.retentions if rule.since == "last_interaction")]
        tests = [f"{interval('f.last_interaction', period)} > getvariable('as_of')" for period in periods]
        return f"CASE WHEN f.last_interaction <= getvariable('as_of') THEN {_passed(tests)} ELSE 0 END"

    def _told_passed(self) -> str:
        """Whether somebody was told, and whether their time to say no is over."""
        if not self.notice_road or self.gate.now is None:
            return "0"
        over = interval("n.shown_at", self.gate.now.notice_window)
        return f"CASE WHEN n.shown_at IS NULL THEN 0 WHEN {over} > getvariable('as_of') THEN 2 ELSE 1 END"

    def _said(self) -> str:
        """A choice without whose it is: since when matters only to a yes about older data, beside an announcement."""
        since = {m for row in self.category_sets() for m in row["declared_since"] if m is not None}
        tests = [f"since >= {moment(m.replace(tzinfo=UTC))}" for m in sorted(since)]
        return (
            "{'state': state, 'past': past, 'method': CASE WHEN method IN ('parental', 'estate') THEN method END,"
            f" 'since': CASE WHEN past THEN {_passed(tests)} END}}"
        )

    def _person_lo(self) -> str:
        return """
    CASE WHEN state = 3 AND choice = 'given' AND method = 'estate' THEN 0::UBIGINT
         ELSE CASE state WHEN 1 THEN @life.account_state_unknown WHEN 2 THEN @life.account_deactivated
                         WHEN 3 THEN @life.account_memorial WHEN 4 THEN @life.account_suspended
                         WHEN 5 THEN @life.account_deleted ELSE 0::UBIGINT END END
    | flag(state_gap, @life.account_state_unknown)
    | flag(lifted_between AND state < 3, @life.restored_unconfirmed)
    | CASE WHEN reach < 3 THEN
        CASE WHEN protected_at = 2 OR protected = 2 THEN @vis.account_protected
             WHEN protected_between THEN @life.restored_unconfirmed ELSE 0::UBIGINT END
        | flag((collected IS NOT NULL AND protected_at = 1) OR protected = 1 OR protected_gap, @vis.audience_unknown)
      ELSE 0::UBIGINT END
    | CASE WHEN known AND NOT said_explicitly THEN
        explicit_lo
        | CASE WHEN NOT biometric THEN 0::UBIGINT
               WHEN consented_elsewhere THEN @cat.biometric_wrong_purpose ELSE @cat.biometric_no_consent END
      ELSE 0::UBIGINT END
    | """ + " | ".join(
            f"flag(known AND choice = 'silent' AND {self._unanswered(c)} AND {self._waiting(c)}, @policy.notice_window_open)"
            for c in ("candidates_now", "candidates_then")
        )

    def _unanswered(self, candidates: str) -> str:
        return f"{candidates} <> 0 AND ({candidates} & stands) = 0"

    def _waiting(self, candidates: str) -> str:
        opt_out = self.bits.based("legitimate_interest") | self.bits.based("contract")
        return f"(silence = 1 AND {candidates} & {ubigint(opt_out)} <> 0)"

    def _person_hi(self) -> str:
        gated = _bool(self.gate.job.age_gated)
        over = f"{interval('last_interaction', THREE_YEARS)} <= getvariable('as_of')"
        silent = " | ".join(
            f"flag(known AND choice = 'silent' AND {self._unanswered(c)} AND NOT {self._waiting(c)},"
            " @jur.profile_requires_opt_in)"
            for c in ("candidates_now", "candidates_then")
        )
        return f"""
    CASE WHEN {gated} THEN
      flag(age = 3 AND NOT (choice = 'given' AND coalesce(method = 'parental', FALSE)), @age.under_13_no_parental)
      | flag(age >= 2, @age.minor_policy)
      | flag(age = 1 OR (collected IS NOT NULL AND age_at = 1), @age.age_unknown)
      | flag(age_at >= 2, @age.was_minor_at_creation)
      | flag(minor_when_made, @age.was_minor_at_creation)
      | flag(age_unknown_when_made, @age.age_unknown)
    ELSE 0::UBIGINT END
    | flag(residency_holds, @jur.residency_unknown)
    | {self._embargo()}
    | flag(suppressed, @subj.suppressed_identity)
    | CASE choice WHEN 'refused' THEN @subj.opted_out | @subj.consent_refused
                  WHEN 'withdrawn' THEN @subj.opted_out | @subj.consent_withdrawn
                  WHEN 'objected' THEN @subj.opted_out | @subj.objected
                  WHEN 'expired' THEN @subj.consent_expired
                  WHEN 'unknown' THEN @subj.consent_unknown ELSE 0::UBIGINT END
    | flag(sharing IN ('refused', 'withdrawn', 'objected'), @subj.sale_or_share_opted_out)
    | flag(sharing = 'expired', @subj.consent_expired)
    | flag(sharing = 'unknown', @subj.consent_unknown)
    | flag(contract_excludes, @subj.contract_excludes)
    | {silent}
    | flag(known AND biometric AND last_interaction IS NULL, @ret.last_interaction_unknown)
    | flag(known AND biometric AND {over}, @ret.last_interaction_3y)"""


class Bits:
    """Clauses, promises and retention rules as bits. The clauses of today's version come first, in its order, so
    that the lowest bit of a mask is the clause that ``decide`` names."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        versions = sorted(gate.policy.versions, key=lambda v: v is not gate.now)
        own = [c for v in versions for c in v.clauses if c.declares(gate.job.purpose, v.vocabulary, gate.job.use)]
        self._permits = list(dict.fromkeys(_shape(c, gate.as_of) for c in own if c.effect == "permit"))
        self._denies = list(dict.fromkeys(_shape(c, gate.as_of) for c in own if c.effect == "deny"))
        self.retentions = list(dict.fromkeys(rule for v in gate.policy.versions for rule in v.retentions))
        if max(len(self._permits), len(self._denies), len(self.retentions), len(gate.commitments)) > 64:
            raise EngineError(
                f"the policy has more than 64 different rules about `{gate.job.purpose}`",
                hint="retire versions that no record falls under any more",
            )

    def clause_ids(self) -> list[str]:
        return [shape[0] for shape in self._permits]

    def clauses(self, version: PolicyVersion, labels: Sequence[str] | None, effect: str) -> int:
        """The clauses of a version, of one effect, that speak about data with these labels."""
        if labels is None:
            return 0
        order = self._permits if effect == "permit" else self._denies
        mine = {_shape(c, self.gate.as_of) for c in self.gate.clauses(version, tuple(labels)) if c.effect == effect}
        return _mask(order, lambda shape: shape in mine)

    def retained(self, version: PolicyVersion, labels: Sequence[str | None]) -> int:
        mine = {rule for rule in version.retentions if vocabulary.touches(labels, rule.categories)}
        return _mask(self.retentions, lambda rule: rule in mine)

    def ever_retained(self, labels: Sequence[str | None]) -> int:
        return _mask(self.retentions, lambda rule: vocabulary.touches(labels, rule.categories))

    def promised(self, labels: Sequence[str | None]) -> int:
        return _mask(self.gate.commitments, lambda promise: vocabulary.touches(labels, promise.deny_categories))

    def promises(self, collected: str) -> Iterable[tuple[int, Any, str]]:
        """Each promise that may bind, with the test whether it binds a record."""
        for place, promise in enumerate(self.gate.commitments):
            if promise.starts > self.gate.as_of:
                continue
            ended = promise.until is not None and promise.until <= self.gate.as_of
            since = f"({collected} IS NULL OR {collected} < {moment(promise.until)})" if ended else "TRUE"
            yield place, promise, since

    @property
    def names(self) -> int:
        """The clauses that name the job's recipient."""
        recipient = self.gate.job.recipient
        return _mask(self._permits, lambda s: any(vocabulary.recipient_covers(n, recipient) for n in s[2]))

    def based(self, basis: str) -> int:
        return _mask(self._permits, lambda shape: shape[3] == basis)

    def reaching(self, rank: str) -> str:
        """The clauses that reach data of this audience, as a CASE over its rank."""
        cases = [
            f"WHEN {n} THEN {ubigint(_mask(self._permits, lambda s, n=n: vocabulary.AUDIENCES.index(s[1]) >= n))}"
            for n in range(len(vocabulary.AUDIENCES))
        ]
        return f"CASE {rank} {' '.join(cases)} ELSE 0::UBIGINT END"

    def widest(self, candidates: str) -> str:
        """The most private audience that one of these clauses reaches."""
        cases = []
        for rank in reversed(range(len(vocabulary.AUDIENCES))):
            if mask := _mask(self._permits, lambda s, r=rank: vocabulary.AUDIENCES.index(s[1]) == r):
                cases.append(f"WHEN {candidates} & {ubigint(mask)} <> 0 THEN {rank}")
        return f"CASE {' '.join(cases)} END" if cases else "NULL"

    def when(self, holds: bool | None) -> str:
        """The permits whose condition holds (True) or may hold (None), as an expression over a part."""
        return _when([(shape[4], shape[5]) for shape in self._permits], holds)

    def denied_when(self, holds: bool | None) -> str:
        return _when([(shape[4], False) for shape in self._denies], holds)


_Shape = tuple[str, str, tuple[str, ...], str, Condition | None, bool]


def _shape(clause: Clause, as_of: datetime) -> _Shape:
    """What makes two clauses of different versions the same to the judgement, and the name that is printed."""
    open_still = clause.ambiguous_at(as_of)
    return (clause.id, clause.audience, clause.recipients, clause.basis, clause.when, open_still)


def _when(clauses: Sequence[tuple[Condition | None, bool]], holds: bool | None) -> str:
    fixed = 0
    cases = []
    for place, (condition, ambiguous) in enumerate(clauses):
        one = 1 << place
        if condition is None:
            fixed |= one if ambiguous == (holds is None) else 0
            continue
        test = condition_sql(condition)
        if holds is True and not ambiguous:
            cases.append(f"flag({test}, {ubigint(one)})")
        elif holds is None:
            cases.append(f"flag(({test}) IS NULL{f' OR ({test})' if ambiguous else ''}, {ubigint(one)})")
    return "(" + " | ".join([ubigint(fixed), *cases]) + ")"


_FACTS = {
    "subject.age_band": "CASE age WHEN 0 THEN 'adult' WHEN 2 THEN '13_17' WHEN 3 THEN 'under_13' END",
    "subject.residency": "residency",
    "record.kind": "CASE WHEN kind IN {{kinds}} THEN kind END",
    "record.origin": "CASE WHEN origin IN {{origins}} THEN origin END",
    "record.source": "nullif(source, '')",
    "record.language": "language",
    "part.kind": "CASE WHEN part_kind IN {{part_kinds}} THEN part_kind END",
}


def condition_sql(condition: Condition) -> str:
    """A condition as an SQL expression: SQL's three-valued logic is Kleene's, which is the one we mean."""
    if condition.op == "not":
        return f"NOT ({condition_sql(condition.children[0])})"
    if condition.op in ("all", "any"):
        word = " AND " if condition.op == "all" else " OR "
        return "(" + word.join(f"({condition_sql(child)})" for child in condition.children) + ")"
    fact = f"({_FACTS[condition.field]})"
    if condition.op == "exists":
        return f"nullif({fact} IS NOT NULL, FALSE)"
    if condition.field == "subject.residency":
        return _resides_sql(condition.value)
    if condition.op in ("eq", "in"):
        return f"{fact} IN {texts(condition.value)}"
    order = vocabulary.AGE_BANDS.index(condition.value[0]) + (condition.op == "le")
    place = "CASE age WHEN 0 THEN 2 WHEN 2 THEN 1 WHEN 3 THEN 0 END"
    return f"({place}) < {order}"


def _resides_sql(regions: Sequence[str]) -> str:
    """Whether ``residency`` lies in one of these regions; NULL where it is too coarse to tell."""
    countries = {c for region in regions for c in vocabulary.REGION_GROUPS.get(region, {region})}
    coarse = {region.partition("-")[0] for region in regions if "-" in region}
    inside = f"residency IN {texts(sorted(countries))} OR split_part(residency, '-', 1) IN {texts(sorted(countries))}"
    return f"CASE WHEN {inside} THEN TRUE WHEN residency IS NULL OR residency IN {texts(sorted(coarse))} THEN NULL ELSE FALSE END"


# --- words and literals -------------------------------------------------------------------------------------------


def _known_labels(labels: Sequence[str | None]) -> tuple[str, ...] | None:
    known = [label for label in labels if label is not None and label in vocabulary.CATEGORIES]
    return tuple(sorted(set(known))) if known and len(known) == len(labels) else None


def _base(table: Regime) -> dict[str, int]:
    return {question: answers.index(getattr(table, question)) for question, answers in QUESTIONS.items()}


def _cells(table: Regime) -> Row:
    return dict(_base(table))


def _mask(things: Sequence[Any], is_one: Any) -> int:
    return sum(1 << place for place, thing in enumerate(things) if is_one(thing))


def _traits() -> list[Field]:
    """What a part is: its kind, whose eyes it was for, where its words come from; its labels and other people."""
    return [
        packed.whether("main", "part = 0"),
        packed.one_of("part_kind", "part_kind", literals(vocabulary.PART_KINDS)),
        packed.one_of("audience_at", "audience_at", literals(vocabulary.AUDIENCES)),
        packed.one_of("audience_now", "audience_now", literals(vocabulary.AUDIENCES)),
        packed.one_of("source_state", "source_state", literals(vocabulary.SOURCE_STATES)),
        packed.whether("unnamed", "u.unnamed"),
        Field("set_number", "coalesce(u.set_id + 1, 0)", SET_BITS),
        Field("mark", "u.mark", packed.ROOM - SET_BITS - 14),
    ]


def _leaves(condition: Condition) -> list[Condition]:
    """The questions that a condition is made of."""
    return [leaf for child in condition.children for leaf in _leaves(child)] if condition.children else [condition]


def _passed(tests: Sequence[str]) -> str:
    """How many of these tests hold, and one."""
    return " + ".join(["1", *(f"({test})::INTEGER" for test in tests)])


def _during(table: str, alias: str, also: str) -> str:
    """The row of a table of intervals that holds at a unit's time of collection."""
    return (
        f"LEFT JOIN {table} AS {alias} ON {also}{alias}.subject = u.subject"
        f" AND {alias}.collected_from <= u.collected_key AND u.collected_key < {alias}.collected_to"
    )


def _rank(column: str) -> str:
    cases = [f"WHEN '{a}' THEN {r}" for r, a in enumerate(vocabulary.AUDIENCES) if a != "unlisted"]
    return f"CASE {column} WHEN 'unlisted' THEN CASE WHEN unlisted = 0 THEN 0 ELSE 1 END {' '.join(cases)} END"


def _strict(column: str) -> str:
    """The rank of an audience, unlisted as unlisted, whatever the regime."""
    return f"CASE {column} {' '.join(f'WHEN {text(a)} THEN {r}' for r, a in enumerate(vocabulary.AUDIENCES))} END"


def _needed() -> str:
    """The rank of the narrower audience (``greatest`` would pass over a NULL); an unknown one holds anyway."""
    then, now = _strict("audience_at"), _strict("audience_now")
    return f"CASE WHEN {then} >= {now} THEN {then} WHEN {now} > {then} THEN {now} ELSE 0 END"


def _spans(embargo: Embargo) -> str:
    tests = [f"collected >= {moment(embargo.collected_from)}"] if embargo.collected_from else []
    tests += [f"collected < {moment(embargo.collected_to)}"] if embargo.collected_to else []
    return f"collected IS NULL OR ({' AND '.join(tests)})" if tests else "TRUE"


def interval(start: str, period: Period) -> str:
    """A calendar period after a moment: months first, cut to the length of the month, then days."""
    return f"({start} + to_months({period.months}) + to_days({period.days}))"


def naive(moment: datetime | None) -> datetime | None:
    """The form that tables hold: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def moment(value: datetime | None) -> str:
    known = naive(value)
    return "CAST(NULL AS TIMESTAMP)" if known is None else f"TIMESTAMP '{known.isoformat(sep=' ')}'"


def ubigint(value: int) -> str:
    return f"{value}::UBIGINT"


def text(value: str) -> str:
    """A text as a literal."""
    return quoted(value)


def texts(values: Iterable[str]) -> str:
    """A list for IN. An empty one is ``(NULL)``, which nothing is in, because ``x IN ()`` is no SQL."""
    return "(" + (", ".join(map(text, values)) or "NULL") + ")"


def literals(values: Iterable[str]) -> list[str]:
    return [text(value) for value in values]


def _bool(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _effect(*effects: Effect) -> tuple[int, int]:
    return masks(code for code, reason in BY_CODE.items() if reason.effect in effects)


COUNTS_FROM = """greatest(getvariable('beginning'),
       CASE WHEN type IN ('refused', 'withdrawn', 'objected', 'expired') OR effective_verified
            THEN effective_at ELSE greatest(effective_at, recorded_at) END)"""
"""When an event counts from: ``choice.Event.counts_from`` in SQL."""

_RENEWED = "({0}.state = 'given' AND {0}.past AND {0}.since >= u.declared_since)"
"""Whether a choice in force is a yes to older data, given since the unbroken run of versions was announced."""

_LISTED = "l.record_id IS NOT NULL AS listed, coalesce(t.taken_out, 0) AS taken_out"
_LISTED_JOINS = """
  LEFT JOIN records_listed AS l ON l.source = r.source AND l.record_id = r.record_id
  LEFT JOIN records_taken AS t ON t.subject = r.subject AND t.record = r.source || '/' || r.record_id"""
"""Records that an undertaking or their person names one by one; mostly there are none, and nothing is looked up."""
_PERSON_KNOWN = """LEFT JOIN standings_known AS sf ON sf.standing = u.standing
LEFT JOIN choices_known AS c ON c.choice = u.answer
LEFT JOIN choices_known AS x ON x.choice = u.explicit
LEFT JOIN choices_known AS sh ON sh.choice = u.shared"""
"""What the numbers of a person stand for."""
_WITHIN = "rank_at IS NOT NULL AND rank_now IS NOT NULL AND greatest(rank_at, rank_now) <= cap"
_COLLECTED_KEY = (
    "CASE WHEN collected IS NULL THEN getvariable('undated') ELSE greatest(collected, getvariable('beginning')) END"
)
"""The time of collection as intervals hold it."""

_EFFECTS = {
    "deny_lo": ubigint(_effect(Effect.DENY)[0]),
    "deny_hi": ubigint(_effect(Effect.DENY)[1]),
    "unknown_lo": ubigint(_effect(Effect.UNKNOWN)[0]),
    "unknown_hi": ubigint(_effect(Effect.UNKNOWN)[1]),
    "by_regime_hi": ubigint(_effect(Effect.BY_REGIME)[1]),
    "ground_hi": ubigint(_effect(Effect.GROUND)[1]),
}
_CLOSED_SETS = {
    "kinds": texts(vocabulary.KINDS),
    "interaction_kinds": texts(sorted(vocabulary.INTERACTION_KINDS)),
    "lifecycles": texts(vocabulary.LIFECYCLES),
    "origins": texts(vocabulary.ORIGINS),
    "labels": texts(vocabulary.LABELS),
    "part_kinds": texts(vocabulary.PART_KINDS),
    "restricts": texts(sorted(choice.RESTRICTS)),
    "lifts": texts(choice.LIFTS),
}
_SIGNALS = [code for code in BY_CODE if code.startswith("signal.")]
_IS_SIGNAL = (
    f"coalesce(s.code IN {texts(_SIGNALS)}, FALSE) AND (s.purpose IS NULL OR s.purpose IN {texts(vocabulary.PURPOSES)})"
)
_SIGNAL_BIT = f"CASE s.code {' '.join(f'WHEN {text(code)} THEN {bit(code)}' for code in _SIGNALS)} ELSE 0::UBIGINT END"
