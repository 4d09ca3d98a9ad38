"""The judgement: may this record be used, for this purpose, by this recipient, now?

``decide`` is a pure function and the readable specification; the engine compiles the same rules to SQL and has to
agree with it on every input. All gates are evaluated, in order, over every part; any deny refuses a part, else
any unknown holds it, else it needs a ground. A missing fact is None and can only ever close a door. The steps are
explained in docs/how-it-decides.md, under the same numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

from aboveboard import choice, redaction, vocabulary
from aboveboard.account import LIFTED, Standing, is_suppressed, stood, timeline
from aboveboard.choice import Choice, Event, Snapshot
from aboveboard.errors import PolicyError
from aboveboard.policy import Clause, Commitment, Embargo, Period, Policy, PolicyVersion
from aboveboard.reasons import BY_CODE, Effect, Outcome, Reason, in_order, masks
from aboveboard.record import Part, Party, Record, Signal
from aboveboard.regime import AFTER_NOTICE, ALLOW, HOLD, Regime, Regimes, strictest

Answer = TypeVar("Answer")

RANK = {audience: rank for rank, audience in enumerate(vocabulary.AUDIENCES)}
PUBLIC, UNLISTED, FOLLOWERS, PRIVATE = (RANK[a] for a in ("public", "unlisted", "followers", "private"))
KEPT = 1 << 16
"""How many accounts, and how many distinct questions of each sort, a gate keeps the answers to."""
THREE_YEARS = Period(months=36)
SHARING = "third_party_sharing"

FLOOR = {
    "user.communication.message.content": "floor.direct_message",
    "user.communication.message.metadata": "floor.message_metadata",
    "user.communication.encrypted.metadata": "floor.encrypted_metadata",
    "user.authorization.credentials": "floor.credential",
    "user.authorization.password": "floor.credential",
}
"""Categories that no policy, consent or operator can release."""
LABELLED = {
    "illegal": "floor.illegal_content",
    "legal_hold_only": "floor.legal_hold_only",
    "permissioned_space": "vis.permissioned_space",
    "purpose_fulfilled": "ret.purpose_fulfilled",
    "quote_authorisation_revoked": "subj.quote_authorisation_revoked",
    "unidentified_person": "subj.co_subject_unknown",
}
"""What a label on a part says by itself."""
EXPLICIT = {
    "user.location.precise": "cat.precise_location",
    "user.government_id": "cat.government_id",
    **dict.fromkeys(vocabulary.SPECIAL, "cat.special_no_explicit_consent"),
}
"""Categories that, like biometrics, need the person's explicit yes: one that names them and this purpose."""
NARROW = {
    "unlisted": "vis.unlisted",
    "logged_in": "vis.logged_in_only",
    "followers": "vis.followers_only",
    "group": "vis.circle_or_list",
    "circle": "vis.circle_or_list",
}
"""The reason for an audience narrower than the clause reaches; ``private`` has one that depends on when."""
ACCOUNT = {
    None: "life.account_state_unknown",
    "deactivated": "life.account_deactivated",
    "memorial": "life.account_memorial",
    "suspended": "life.account_suspended",
    "deleted": "life.account_deleted",
}
SAID_NO = {
    "refused": "subj.consent_refused",
    "withdrawn": "subj.consent_withdrawn",
    "objected": "subj.objected",
}
UNSURE = {
    "expired": "subj.consent_expired",
    "unknown": "subj.consent_unknown",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One use: one leaf purpose, one recipient, one model and what it is for. Two purposes are two jobs."""

    purpose: str
    recipient: str = "controller"
    model: str = ""
    use: str | None = None
    regime: str = "strict"

    def __post_init__(self) -> None:
        vocabulary.purpose(self.purpose)
        vocabulary.recipient(self.recipient)
        if self.purpose not in vocabulary.leaves(vocabulary.PURPOSES):
            raise PolicyError(
                f"a job has one purpose, and `{self.purpose}` is a family of them",
                hint="one of: " + ", ".join(p for p in vocabulary.PURPOSES if vocabulary.covers(self.purpose, p)),
            )
        if self.recipient.endswith(":*"):
            raise PolicyError(f"a job has one recipient, and `{self.recipient}` is many", hint="name it")

    @property
    def recipient_kind(self) -> str:
        return self.recipient.partition(":")[0]

    @property
    def trains(self) -> bool:
        return vocabulary.covers("train_ai_system", self.purpose)

    @property
    def age_gated(self) -> bool:
        return vocabulary.covered_by(vocabulary.AGE_GATED, self.purpose)


@dataclass(frozen=True, slots=True)
class Licence:
    """What a licensor allows: purposes, recipients, from when until when; None of a time means no limit."""

    id: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...] = ("controller",)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    acquired: bool = True
    forbids: tuple[str, ...] = ()


def _asked_once(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """A question to a gate that does not depend on the record: it answers once for the same words."""

    @wraps(question)
    def ask(gate: Gate, *words: Any) -> Answer:
        answers, asked = gate._answers, (question.__name__, *words)
        if asked not in answers:
            answers[asked] = question(gate, *words)
        found: Answer = answers[asked]
        return found

    return ask


@dataclass(frozen=True)
class Gate:
    """Policy, people, job and moment bound into one value: everything a judgement depends on but the record."""

    policy: Policy
    snapshot: Snapshot
    job: Job
    as_of: datetime
    regimes: Regimes = field(default_factory=Regimes)
    licences: Mapping[str, Licence] = field(default_factory=dict)
    undertakings: tuple[Embargo, ...] = ()
    """What was undertaken outside the policy: by a withdrawal of everything that a question describes."""
    listed: Container[tuple[str, str]] = frozenset()
    """Records, by source and id, that an undertaking names one by one."""

    @cached_property
    def _answers(self) -> dict[tuple[Any, ...], Any]:
        return {}

    @cached_property
    def now(self) -> PolicyVersion | None:
        """The policy version in force at the moment of judgement."""
        return self.policy.in_force(self.as_of)

    @cached_property
    def commitments(self) -> tuple[Commitment, ...]:
        """The promises that speak about this job's purpose."""
        return tuple(c for c in self.policy.promises(self.as_of) if vocabulary.covered_by(c.purposes, self.job.purpose))

    @cached_property
    def embargoes(self) -> tuple[Embargo, ...]:
        """The undertakings, of the policy and outside it, that speak about this job."""
        known = (*self.policy.embargoes, *self.undertakings)
        return tuple(e for e in known if e.concerns(self.job.purpose, self.job.recipient))

    def names_one(self, record: Record) -> bool:
        """Whether an undertaking names this record; where nobody knows its source, one of that id in any."""
        if record.source or not isinstance(self.listed, frozenset):
            return (record.source, record.id) in self.listed
        return any(named == record.id for _, named in self.listed)

    def decide(self, record: Record) -> Decision:
        """The judgement of one record; see :func:`decide`."""
        return decide(record, self)

    def then(self, collected: datetime | None) -> _Then:
        """The rules of a time of collection, made once for each stretch in which they do not change."""
        place = None if collected is None else bisect_right(self._turns, collected)
        if place not in self._thens:
            self._thens[place] = _Then(self, collected)
        return self._thens[place]

    @cached_property
    def _thens(self) -> dict[int | None, _Then]:
        return {}

    @cached_property
    def _turns(self) -> Sequence[datetime]:
        """The moments at which the rules of a time of collection turn."""
        moments = [m for v in self.policy.versions for m in (v.effective_from, v.effective_to)]
        moments += [promise.until for promise in self.commitments]
        moments += [m for embargo in self.embargoes for m in (embargo.collected_from, embargo.collected_to)]
        return sorted({moment for moment in moments if moment is not None})

    @cached_property
    def _account_of(self) -> Callable[[str | None], _Account]:
        return lru_cache(maxsize=KEPT)(lambda subject: _Account(self, subject))

    @cached_property
    def _person(self) -> Callable[[Standing], _Person]:
        return lru_cache(maxsize=KEPT)(lambda standing: _Person(self, standing))

    # What follows is asked by values one by one: a question gets its name only where it was not asked before.

    @cached_property
    def _said(self) -> Callable[..., _Said]:
        """One object for all who said the same: the fields of it are what is asked."""
        return lru_cache(maxsize=KEPT)(_Said)

    @cached_property
    def _record_form(self) -> Callable[..., _RecordForm]:
        return lru_cache(maxsize=KEPT)(lambda *words: _RecordForm(_RecordWords(*words), self))

    @cached_property
    def _part_form(self) -> Callable[..., _PartForm]:
        return lru_cache(maxsize=KEPT)(lambda *words: _PartForm(_PartWords(*words), self))

    @cached_property
    def _answer(self) -> Callable[..., _Judged]:
        return lru_cache(maxsize=KEPT)(lambda *question: _View(self, _Question(*question)).judged())

    def regime_of(self, person: Standing) -> tuple[Regime, bool]:
        """The strictest table that applies to a person, and whether an unknown residency holds under it."""
        return self._regime_between(person.residency_at, person.residency)

    @_asked_once
    def _regime_between(self, then: str | None, now: str | None) -> tuple[Regime, bool]:
        known = [self.regimes.named(self.job.regime), self.regimes.at(self.establishment)]
        known += [self.regimes.at(home) for home in (then, now) if home is not None]
        unknown = then is None or now is None
        table = strictest([*known, self.regimes.strictest()] if unknown else known)
        return table, unknown and table.unknown_residency == HOLD

    @property
    def establishment(self) -> str | None:
        return self.now.establishment if self.now else None

    @_asked_once
    def declared_since(self, categories: tuple[str, ...], needed: int, opt_out: bool = False) -> datetime | None:
        """When the unbroken run of versions began, up to today's, that allow this use of such data: announced when.

        ``needed`` is the rank of the data's audience. INVARIANT: a yes, or a silence, older than this was about
        something else; so versions count only where they name this purpose, this recipient and an audience this
        private, forbid none of it, follow each other without a gap and, for silence, leave a way to say no.
        """
        since, begins = None, None
        for version in reversed([v for v in self.policy.versions if v.effective_from <= self.as_of]):
            gap = begins is not None and version.effective_to is not None and version.effective_to < begins
            clauses = self.clauses(version, categories)
            allowed = any(self._allows(clause, needed, opt_out) for clause in clauses)
            if gap or not allowed or any(c.effect == "deny" and c.when is None for c in clauses):
                break
            since, begins = version.announced_at, version.effective_from
        return since

    def _allows(self, clause: Clause, needed: int, opt_out: bool) -> bool:
        if clause.effect != "permit" or clause.ambiguous_at(self.as_of) or (opt_out and not is_opt_out(clause)):
            return False
        return self.names(clause) and RANK[clause.audience] >= needed

    @_asked_once
    def window_elapsed(self, categories: tuple[str, ...], needed: int) -> bool:
        """Whether people had their time to say no since a clause with an opt-out was announced."""
        since = self.declared_since(categories, needed, True)
        return bool(since and self.now and self.now.notice_window.after(since) <= self.as_of)

    def names(self, clause: Clause) -> bool:
        """Whether a clause names the job's recipient."""
        return self._named_in(clause.recipients)

    @_asked_once
    def _named_in(self, recipients: tuple[str, ...]) -> bool:
        return any(vocabulary.recipient_covers(named, self.job.recipient) for named in recipients)

    @_asked_once
    def serves_other_purposes(self, categories: tuple[str, ...]) -> bool:
        """Whether today's policy names this data for a purpose beyond running the service."""
        return self.now is not None and any(
            clause.effect == "permit"
            and clause.reaches(categories, self.now.vocabulary)
            and not all(vocabulary.covers("service", purpose) for purpose in clause.purposes)
            for clause in self.now.clauses
        )

    def clauses(self, version: PolicyVersion, categories: tuple[str, ...]) -> tuple[Clause, ...]:
        """What a version of the policy says of this job and such data."""
        return self._clauses(version.effective_from, version.version, categories)

    @_asked_once
    def _clauses(self, begins: datetime, name: str, categories: tuple[str, ...]) -> tuple[Clause, ...]:
        return self._versions[begins, name].clauses_for(self.job.purpose, categories, self.job.use)

    @cached_property
    def _versions(self) -> Mapping[tuple[datetime, str], PolicyVersion]:
        return {(version.effective_from, version.version): version for version in self.policy.versions}


class Decision(NamedTuple):
    """What was decided, and every reason. ``codes`` stand on the main part, ``part_codes`` on the others.

    ``removed`` are the positions, in ``record.parts``, of the parts that must go. A tuple, because every record has one.
    """

    record_id: str
    outcome: Outcome
    decisive: Reason
    codes: frozenset[str]
    part_codes: frozenset[str] = frozenset()
    removed: tuple[int, ...] = ()
    clause: str | None = None
    policy_at_collection: str | None = None
    policy_now: str | None = None

    @property
    def reasons(self) -> list[Reason]:
        """All reasons, main part first, each by gate and rank."""
        return in_order(self.codes) + in_order(self.part_codes - self.codes)

    @property
    def masks(self) -> tuple[int, int, int, int]:
        """``reasons_lo, reasons_hi, part_reasons_lo, part_reasons_hi`` as decisions are stored."""
        return (*masks(self.codes), *masks(self.part_codes))


def decide(record: Record, gate: Gate) -> Decision:
    """The judgement of one resolved record. Pure: no I/O, no clock, no randomness; never raises on a record."""
    case = _Case(record, gate)
    main = case.judged(record.main, is_main=True)
    part_codes, removed = _others(case, record.parts) if record.parts else (NOTHING, ())
    codes = main.codes
    if not main.against and (left := _obligations(record, removed)):
        codes |= left
    codes, outcome, reason = _ended(codes, part_codes, bool(removed), case.holds_signals)
    return Decision(
        record.id,
        outcome,
        reason,
        codes,
        part_codes,
        removed,
        main.cited,
        case.then.version.version if case.then.version else None,
        gate.now.version if gate.now else None,
    )


def _others(case: _Case, parts: Sequence[Part]) -> tuple[frozenset[str], tuple[int, ...]]:
    """The reasons of the parts beside the main one, and the positions of those that must go."""
    judged = [case.judged(part, is_main=False) for part in parts]
    codes = NOTHING.union(*[_or_none(part.codes, part.against) for part in judged])
    return codes, tuple([i for i, part in enumerate(judged) if part.against or not _having(part.codes, Effect.GROUND)])


@lru_cache(maxsize=KEPT)
def _ended(
    codes: frozenset[str], part_codes: frozenset[str], redacted: bool, holds_signals: bool
) -> tuple[frozenset[str], Outcome, Reason]:
    """How a record with these reasons ends: with every reason, the outcome, and the one that decides."""
    codes = _or_none(codes, _stands_against(codes, holds_signals))
    outcome = _outcome(codes, redacted, holds_signals)
    return codes, outcome, decisive(outcome, codes, part_codes, holds_signals)


def decisive(outcome: Outcome, codes: frozenset[str], part_codes: frozenset[str], holds_signals: bool) -> Reason:
    """The lowest reason among those whose effect produced the outcome."""
    producing = {
        Outcome.REFUSE: _having(codes, Effect.DENY),
        Outcome.HOLD: _unknowns(codes, holds_signals),
        Outcome.REDACT: _having(part_codes, Effect.DENY) | _unknowns(part_codes, holds_signals),
        Outcome.PERMIT: _having(codes, Effect.GROUND),
    }[outcome]
    return min((BY_CODE[code] for code in producing), key=lambda reason: reason.id)


def _outcome(codes: frozenset[str], redacted: bool, holds_signals: bool) -> Outcome:
    if _having(codes, Effect.DENY):
        return Outcome.REFUSE
    if _unknowns(codes, holds_signals):
        return Outcome.HOLD
    return Outcome.REDACT if redacted else Outcome.PERMIT


def _or_none(codes: frozenset[str], against: bool) -> frozenset[str]:
    """INVARIANT: default deny. What nothing stands against still needs a ground."""
    return codes if against or _having(codes, Effect.GROUND) else codes | {"allow.none"}


def _having(codes: frozenset[str], effect: Effect) -> frozenset[str]:
    return codes & _OF_EFFECT[effect]


_OF_EFFECT = {e: frozenset(code for code, reason in BY_CODE.items() if reason.effect is e) for e in Effect}


def _unknowns(codes: frozenset[str], holds_signals: bool) -> frozenset[str]:
    by_regime = _having(codes, Effect.BY_REGIME) if holds_signals else frozenset()
    return _having(codes, Effect.UNKNOWN) | by_regime


def _stands_against(codes: frozenset[str], holds_signals: bool) -> bool:
    return bool(_having(codes, Effect.DENY) or _unknowns(codes, holds_signals))


# --- the circumstances of a record, of a person, of a part ------------------------------------------------------
#
# A part is judged by five things and nothing else of the record: what is said of the record and of the part in words,
# the rules of the time of collection, the people, and the reasons that compare exact moments. INVARIANT: each is one
# object for all records that no rule can tell apart, so the same question comes again and is answered once a gate.


class _RecordWords(NamedTuple):
    """Everything that is said of a record in words, and whether somebody and its parts are known."""

    kind: str | None
    origin: str | None
    source: str
    language: str | None
    licence: str | None
    upstream: str | None
    lifecycle: str | None
    integrity: str | None
    duplicate: str | None
    edition: str | None
    has_subject: bool
    has_parts: bool
    listed: bool
    taken_out: bool | None
    """Whether its person took this very record out; None: somebody says that they did."""


class _RecordForm:
    """What these words mean to a gate; ``codes`` are the reasons that lie in the record as a whole."""

    def __init__(self, words: _RecordWords, gate: Gate) -> None:
        self.words = words
        self.first_party = words.origin == "first_party"
        self.under_licence = _under_licence(words)
        rights = frozenset(_rights(words, gate))
        self.licensed = self.under_licence and not rights
        self.codes = _record_codes(words) | rights


class _PartWords(NamedTuple):
    """Everything that is said of a part in words, and whether somebody in it is unknown."""

    is_main: bool
    kind: str | None
    categories: tuple[str | None, ...] | None
    labels: tuple[str | None, ...] | None
    audience_at: str | None
    audience_now: str | None
    signals: tuple[Signal, ...] | None
    source_state: str | None
    unnamed: bool


class _PartForm:
    """What these words mean to a gate; ``codes`` are the reasons that lie in the words alone: gates 0, 1, 2, 4, 9, 12."""

    def __init__(self, words: _PartWords, gate: Gate) -> None:
        self.words, self._gate = words, gate
        self.categories = _labels(words.categories, vocabulary.CATEGORIES)
        self.biometric = self.touches(*vocabulary.BIOMETRIC)
        self.sensitive = choice.sensitive(self.categories or ())
        # The rank of the narrower audience, unlisted as unlisted; an unknown one holds by itself.
        known = [RANK[a] for a in (words.audience_at, words.audience_now) if a in RANK]
        self.needed = max(known) if len(known) == 2 else PUBLIC
        rules = (self._integrity, self._floor, self._lifecycle, self._category, self._signals, self._mention)
        self.codes = frozenset(code for rule in rules for code in rule())

    def touches(self, *roots: str) -> bool:
        return vocabulary.touches(self.words.categories or (), roots)

    # 0 ----------------------------------------------------------------------------------------------------------

    def _integrity(self) -> Iterable[str]:
        words = self.words
        if self.categories is None or _labels(words.labels, vocabulary.LABELS, empty=True) is None:
            yield "integrity.schema_unknown"
        if words.signals is None or any(not _is_signal(s) for s in words.signals):
            yield "integrity.schema_unknown"
        if not words.is_main and words.kind not in vocabulary.PART_KINDS:
            yield "integrity.schema_unknown"

    # 1 ----------------------------------------------------------------------------------------------------------

    def _floor(self) -> Iterable[str]:
        yield from (code for root, code in FLOOR.items() if self.touches(root))
        yield from (LABELLED[label] for label in self.words.labels or () if label in LABELLED)

    # 2 ----------------------------------------------------------------------------------------------------------

    def _lifecycle(self) -> Iterable[str]:
        if self.words.source_state == "deleted":
            yield "life.deleted_by_parent"
        elif self.words.source_state not in vocabulary.SOURCE_STATES:
            yield "life.state_unknown"

    # 4 ----------------------------------------------------------------------------------------------------------

    def _category(self) -> Iterable[str]:
        job = self._gate.job
        if self.touches(*vocabulary.EMPLOYMENT) and not vocabulary.covered_by(
            vocabulary.EMPLOYMENT_PURPOSES, job.purpose
        ):
            yield "cat.employment_wrong_purpose"
        if self.touches("user.social.contacts"):
            yield "cat.contact_list"
        if job.trains and self.touches("user.behavior"):
            yield "cat.interaction_private_context"

    # 9 ----------------------------------------------------------------------------------------------------------

    def _signals(self) -> Iterable[str]:
        for signal in self.words.signals or ():
            about = signal.purpose is None or vocabulary.covers(signal.purpose, self._gate.job.purpose)
            if _is_signal(signal) and about and signal.code is not None:
                yield signal.code

    # 12 ---------------------------------------------------------------------------------------------------------

    def _mention(self) -> Iterable[str]:
        # Every mention goes: leaving some standing would tell who said no.
        if self.words.kind == "mention":
            yield "xform.mention_pseudonymised"


class _Then:
    """The rules at a time of collection: the version in force, and the promises and undertakings that reach so far."""

    def __init__(self, gate: Gate, collected: datetime | None) -> None:
        self.known = collected is not None
        self.version = gate.policy.in_force(collected)
        self.promises = [c for c in gate.commitments if c.binds(collected, gate.as_of)]
        self.embargoes = [e for e in gate.embargoes if e.spans(collected)]
        # With no time of collection any version may have been in force, and its retention may have run out.
        versions = (self.version, gate.now) if self.known else gate.policy.versions
        self.retentions = [rule for version in versions if version for rule in version.retentions]
        # The audience that promises leave, and the fixed rule that training reaches the public only.
        promised = [RANK[c.audience] for c in self.promises if c.audience is not None]
        self.cap = min([PUBLIC if gate.job.trains else PRIVATE, *promised])


class _Person:
    """How somebody stands: one for all who stand alike."""

    def __init__(self, gate: Gate, standing: Standing) -> None:
        self.standing = standing
        self.regime, self.residency_holds = gate.regime_of(standing)
        changed = standing.minor_until is not None or standing.age_gap_until is not None
        self.age_changed = changed and gate.job.age_gated


class _Said(NamedTuple):
    """What somebody said about data of one form, as far as any rule asks for it."""

    state: str = "silent"
    method: str = ""
    renewed: bool = False
    """They said yes to older data since the clause was declared; explicitly, where the data needs that."""
    sharing: str = "silent"
    """What is in force about sale or sharing, where a third party asks."""
    excluded: bool = False
    """A contract of their organisation says no."""
    explicit: bool = False
    """An explicit yes for this very purpose is in force, where the data needs one."""
    elsewhere: bool = False
    """One for some other purpose is."""
    told: datetime | None = None
    """When they were first told of today's version, where the road of notice asks for it."""


SILENT = _Said()


NONE_TAKEN: Mapping[str, bool] = {}
NOTHING_TOLD: Sequence[Event] = ()
EARLIEST = datetime.min.replace(tzinfo=UTC)


class _Account(dict[int | None, "_Stance"]):
    """What was said by and of one subject, from the beginning until now, and from it how they stand in each stretch of it.

    Between two of its ``_turns`` nothing about it changes with the time of collection: an observation of the account
    counts from its moment on, a choice from when it counts, a window from its beginning until its end. So each stretch
    is judged by its beginning, once.
    """

    __slots__ = ("_spans", "_suppressed", "_taken", "_turns", "choices", "gate", "happened", "last_interaction")

    def __init__(self, gate: Gate, subject: str | None) -> None:
        self.gate = gate
        events = gate.snapshot.events_of(subject) if subject is not None else ()
        facts = gate.snapshot.facts_of(subject) if subject is not None else ()
        # Of most people nothing is told but what they chose, and then there is nothing else to look through.
        self.happened = [event for event in events if event.type not in choice.CHOICES] or NOTHING_TOLD
        self.choices = [e for e in events if e.type in choice.CHOICES] if self.happened else events
        self._spans = timeline(facts, self.happened, gate.as_of)
        self._suppressed = is_suppressed(self.happened, gate.as_of) or gate.snapshot.suppressions.holds(subject)
        self.last_interaction = self._spans[-1].last_interaction if self._spans else None
        moments = [span.start for span in self._spans]
        moments += [m for e in self.choices for m in (e.counts_from, e.past_from, e.past_to) if m is not None]
        self._turns = tuple(sorted(moments))
        self._taken = self._takes_out() if self.happened else NONE_TAKEN

    def at(self, collected: datetime | None) -> _Stance:
        """How the subject stands for what was collected then."""
        return self[None if collected is None else bisect_right(self._turns, collected)]

    def __missing__(self, stretch: int | None) -> _Stance:
        begins = None if stretch is None else self._turns[stretch - 1] if stretch else EARLIEST
        person = self.gate._person(stood(self._spans, self._suppressed, begins))
        self[stretch] = stance = _Stance(self, person, begins)
        return stance

    def _takes_out(self) -> Mapping[str, bool]:
        """The records that the subject took out of such a use, by key, and whether somebody has verified that."""
        gate, job, taken = self.gate, self.gate.job, dict[str, bool]()
        for event in self.happened:
            if choice.takes_out(event, job.purpose, job.recipient) and event.recorded_at <= gate.as_of:
                for record in choice.named_by(event):
                    taken[record] = event.verified or taken.get(record, False)
        return taken or NONE_TAKEN

    def took_out(self, record: Record) -> bool | None:
        """Whether the subject took this record out of such a use; None where nobody has verified that they did."""
        if not self._taken:
            return False
        found = self._taken.get(choice.record_key(record.source, record.id))
        return False if found is None else found or None


_PURPOSES = vocabulary.leaves(vocabulary.PURPOSES)


class _Stance(dict["_PartForm", _Said]):
    """One subject for one stretch of collection times: how the account stands, and what was said about data of each form.

    What was said is listened to when it is first asked for. There is one of these for most records, so it is one object.
    """

    __slots__ = ("_collected", "account", "person")

    def __init__(self, account: _Account, person: _Person, collected: datetime | None) -> None:
        self.account, self.person, self._collected = account, person, collected

    def __missing__(self, part: _PartForm) -> _Said:
        if not (self.account.choices or self.account.happened) or not part.categories:
            return SILENT
        self[part] = said = self._hear(part, part.categories)
        return said

    def _hear(self, part: _PartForm, categories: Sequence[str]) -> _Said:
        gate = self.account.gate
        job, choices = gate.job, self.account.choices
        said = self._choice(choices, categories, job.purpose)
        explicit = self._explicit(part, job.purpose)
        return gate._said(
            said.state,
            said.method,
            self._renewed([said, explicit] if part.sensitive else [said], part),
            self._choice(choices, categories, SHARING).state if job.recipient_kind == "third_party" else "silent",
            bool(self.account.happened) and self._excluded(categories),
            explicit.state == "given",
            part.biometric and explicit.state != "given" and self._elsewhere(part),
            self._told() if self.account.happened else None,
        )

    def _choice(self, choices: Sequence[Event], categories: Sequence[str], purpose: str) -> Choice:
        recipient, as_of = self.account.gate.job.recipient, self.account.gate.as_of
        return choice.join([choice.fold(choices, c, purpose, recipient, self._collected, as_of) for c in categories])

    def _explicit(self, part: _PartForm, purpose: str) -> Choice:
        """The choice in force about what is sensitive in such data, when no yes is heard but the explicit ones."""
        if not part.sensitive:
            return choice.SILENCE
        return self._choice(choice.explicit(self.account.choices), part.sensitive, purpose)

    def _elsewhere(self, part: _PartForm) -> bool:
        others = (p for p in _PURPOSES if p != self.account.gate.job.purpose)
        return any(self._explicit(part, purpose).state == "given" for purpose in others)

    def _renewed(self, asked: Sequence[Choice], part: _PartForm) -> bool:
        if not all(c.state == "given" and c.past for c in asked):
            return False
        since = self.account.gate.declared_since(part.categories or (), part.needed)
        return since is not None and all(c.since is not None and c.since >= since for c in asked)

    def _excluded(self, categories: Sequence[str]) -> bool:
        """Whether a contract of their organisation says no."""
        job, as_of, happened = self.account.gate.job, self.account.gate.as_of, self.account.happened
        return any(choice.contract_excludes(happened, c, job.purpose, job.recipient, as_of) for c in categories)

    def _told(self) -> datetime | None:
        gate = self.account.gate
        if gate.now is None or gate.now.retroactive != "notice":
            return None
        return choice.notice_at(self.account.happened, [gate.now.text_sha256], gate.as_of)


class _Seen(NamedTuple):
    """Somebody as a part of some form sees them; ``codes`` are the reasons that compare exact moments of both.

    ``doubtful``: nobody knows whether they have a part in it at all.
    """

    person: _Person
    said: _Said
    codes: frozenset[str]
    doubtful: bool = False


class _Question(NamedTuple):
    """What the judgement of a part depends on, all of it."""

    record: _RecordForm
    then: _Then
    primary: _Seen
    part: _PartForm
    others: tuple[_Seen, ...]


class _Judged(NamedTuple):
    """The answer for one part: every reason that stands on it, and whether any stands against it."""

    codes: frozenset[str]
    against: bool
    cited: str | None

    def and_also(self, codes: frozenset[str], holds_signals: bool) -> _Judged:
        """The same with more reasons."""
        codes |= self.codes
        return _Judged(codes, _stands_against(codes, holds_signals), self.cited)


NOTHING: frozenset[str] = frozenset()


class _Case:
    """One record: what is the same for each of its parts, and the parts under all gates."""

    __slots__ = ("collected", "form", "gate", "holds_signals", "primary", "record", "then")

    def __init__(self, record: Record, gate: Gate) -> None:
        self.record, self.gate = record, gate
        collected = record.collected_at
        # A collection time after the moment of judgement is no collection time.
        self.collected = collected if collected is not None and collected <= gate.as_of else None
        self.then = gate.then(self.collected)
        self.primary = gate._account_of(record.subject).at(self.collected)
        self.holds_signals = self.primary.person.regime.signal_unknown == HOLD
        self.form = gate._record_form(
            record.kind, record.origin, record.source, record.language, record.licence, record.upstream,
            record.lifecycle, record.integrity, record.duplicate, record.edition,
            record.subject is not None, record.parts is not None,
            gate.names_one(record), self.primary.account.took_out(record),
        )  # fmt: skip

    def judged(self, part: Part, is_main: bool) -> _Judged:
        """A part under all gates."""
        parties = [p for p in part.parties if p.role not in vocabulary.ROLES_WITHOUT_VETO] if part.parties else ()
        form = self.gate._part_form(
            is_main, part.kind, _listed(part.categories), _listed(part.labels), part.audience_at,
            part.audience_now, _listed(part.signals), part.source_state,
            part.parties is None or any(p.subject is None for p in parties),
        )  # fmt: skip
        others = tuple([self._other(p, p.subject, form) for p in parties if p.subject is not None]) if parties else ()
        found = self.gate._answer(self.form, self.then, self._seen(self.primary, form), form, others)
        expired = self.then.retentions and frozenset(self._retention(form))
        return found.and_also(expired, self.holds_signals) if expired else found

    def _other(self, party: Party, subject: str, part: _PartForm) -> _Seen:
        """Somebody else in this part."""
        stance = self.gate._account_of(subject).at(self.collected)
        return self._seen(stance, part, party.role in vocabulary.ROLES_IN_DOUBT)

    def _seen(self, stance: _Stance, part: _PartForm, doubtful: bool = False) -> _Seen:
        codes = NOTHING
        if stance.person.age_changed or part.biometric:
            interaction = stance.account.last_interaction
            found = [*self._age_when_made(stance.person), *self._biometric_retention(interaction, part)]
            codes = frozenset(found) if found else NOTHING
        return _Seen(stance.person, stance[part], codes, doubtful)

    def _age_when_made(self, person: _Person) -> Iterable[str]:
        """What was made before it was collected may have been made by a minor; an unknown time may be such a time."""
        if not person.age_changed:
            return
        known, made = person.standing, self.record.created_at
        if made is not None and made > (self.collected or self.gate.as_of):  # a clock that cannot be right says nothing
            made = None
        if known.minor_until is not None:
            if any(moment is not None and moment < known.minor_until for moment in (made, self.collected)):
                yield "age.was_minor_at_creation"
            elif made is None:
                yield "age.age_unknown"
        if known.age_gap_until is not None and (made is None or made < known.age_gap_until):
            yield "age.age_unknown"

    def _biometric_retention(self, interaction: datetime | None, part: _PartForm) -> Iterable[str]:
        if not part.biometric or part.categories is None:
            return
        if interaction is None or interaction > self.gate.as_of:
            yield "ret.last_interaction_unknown"
        elif THREE_YEARS.after(interaction) <= self.gate.as_of:
            yield "ret.last_interaction_3y"

    # 11 ---------------------------------------------------------------------------------------------------------

    def _retention(self, part: _PartForm) -> Iterable[str]:
        interaction = self.primary.account.last_interaction
        if interaction is not None and interaction > self.gate.as_of:
            interaction = None
        for rule in self.then.retentions:
            if not part.touches(*rule.categories):
                continue
            start = self.collected if rule.since == "collected" else interaction
            if start is not None and rule.period.after(start) <= self.gate.as_of:
                yield "ret.expired"
            elif start is None:
                unknown = {
                    "collected": "policy.collection_time_missing",
                    "last_interaction": "ret.last_interaction_unknown",
                }
                yield unknown[rule.since]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the policy says of one part: the clauses that may carry it, in each version that has to."""

    codes: frozenset[str] = frozenset()
    candidates: tuple[tuple[tuple[Clause, bool | None], ...], ...] = ()
    """For each version whose consent is needed, its clauses for this data and whether their condition holds."""
    lifted: str | None = None
    """The ground that lets a widened clause reach this older data, if there is one."""
    reach: int = PRIVATE
    """The rank of the most private audience that may be used."""
    window_elapsed: bool = False


class _View:
    """One part under all gates, but for what has expired."""

    def __init__(self, gate: Gate, question: _Question) -> None:
        self.gate = gate
        self.record, self.then, self.primary, self.part, self.others = question
        self.people = [self.primary, *self.others]
        self.categories = self.part.categories
        self.rank_at, self.rank_now = map(self._openness, (self.part.words.audience_at, self.part.words.audience_now))
        self.terms = self._terms()

    def judged(self) -> _Judged:
        is_main = self.part.words.is_main
        codes = self.part.codes.union(
            self.record.codes if is_main else NOTHING, self._visibility(), self._undated(), self._category(),
            self.terms.codes, self._commitments(), self._person(self.primary), self._other_people(), self._recipient(),
            self._ground(),
        )  # fmt: skip
        holds_signals = self.primary.person.regime.signal_unknown == HOLD
        return _Judged(codes, _stands_against(codes, holds_signals), self._cited() if is_main else None)

    @cached_property
    def facts(self) -> Mapping[str, str | None]:
        """The fields a condition may ask about."""
        record, part, person = self.record.words, self.part.words, self.primary.person.standing
        return {
            "subject.age_band": person.age,
            "subject.residency": person.residency,
            "record.kind": _known(record.kind, vocabulary.KINDS),
            "record.origin": _known(record.origin, vocabulary.ORIGINS),
            "record.source": record.source or None,
            "record.language": record.language,
            "part.kind": "main" if part.is_main else _known(part.kind, vocabulary.PART_KINDS),
        }

    # 3 ----------------------------------------------------------------------------------------------------------

    def _visibility(self) -> Iterable[str]:
        reach, then, now = self.terms.reach, self.rank_at, self.rank_now
        if then is None or now is None:
            yield "vis.audience_unknown"
        if then is not None and then > reach:
            yield NARROW.get(vocabulary.AUDIENCES[then], "vis.not_public_at_collection")
            if now is not None and now <= reach:
                yield "vis.public_after_collection"
        elif now is not None and now > reach:
            yield "vis.not_public_now"
            if (narrow := NARROW.get(vocabulary.AUDIENCES[now])) is not None:
                yield narrow

    def _openness(self, audience: str | None) -> int | None:
        """The rank of an audience; unlisted counts as public where the regime says so; unknown has no rank."""
        rank = RANK.get(audience) if audience is not None else None
        return PUBLIC if rank == UNLISTED and self.primary.person.regime.unlisted == ALLOW else rank

    # 4 ----------------------------------------------------------------------------------------------------------

    def _category(self) -> Iterable[str]:
        interaction = self.part.words.is_main and self.record.words.kind in vocabulary.INTERACTION_KINDS
        if self.gate.job.trains and interaction:
            yield "cat.interaction_private_context"

    # 5 ----------------------------------------------------------------------------------------------------------

    def _terms(self) -> _Terms:
        """Which clauses may carry this part: version at collection INTERSECT version now, unless lifted."""
        gate, at = self.gate, self.then.version
        nothing = PUBLIC if gate.job.trains or not self.record.first_party else PRIVATE
        if self.categories is None:
            return _Terms(reach=nothing)
        if not self.record.first_party:
            return _Terms(frozenset(self._denied_now()), reach=nothing)
        if gate.now is None:
            return _Terms(frozenset({"policy.no_policy_for_time"}), reach=nothing)
        since = gate.declared_since(self.categories, self.part.needed)
        elapsed = gate.window_elapsed(self.categories, self.part.needed)
        declared_now, now = self._declared(gate.now)
        if at is None:
            missing = {"policy.no_policy_for_time"} if self.then.known else set()
            return self._reaching(missing | self._against(None, declared_now), (now,), None, elapsed)
        declared_then, then = self._declared(at)
        lifted, widened = None, set[str]()
        if declared_now is True and not (declared_then is True and self._suffices(then, elapsed)):
            lifted, widened = self._lift(gate.now, now, since)
        if lifted:
            return self._reaching(set(), (now,), lifted, elapsed)
        codes = self._against(declared_then, declared_now) or (widened if declared_then is False else set())
        return self._reaching(codes, (now, then), None, elapsed)

    def _suffices(self, then: Sequence[tuple[Clause, bool | None]], elapsed: bool) -> bool:
        """Whether the version of then carries the part by itself, so that no widening has to be lifted.

        INVARIANT: it must not stand in the way of what today's version alone would release, or taking a clause out
        of an old version could open (law 3); a protected account is in the way of a clause for the public.
        """
        reach = min(max((RANK[c.audience] for c, _ in then), default=PUBLIC), self.then.cap)
        unhindered = reach >= FOLLOWERS or all(seen.person.standing.open_throughout for seen in self.people)
        return unhindered and self._carried(then, None, elapsed)

    def _denied_now(self) -> Iterable[str]:
        """What today's policy forbids it forbids of everybody's data; what it permits needs a licence elsewhere."""
        clauses = self.gate.clauses(self.gate.now, self.categories or ()) if self.gate.now else ()
        denied = [c.when is None or c.when.evaluate(self.facts) for c in clauses if c.effect == "deny"]
        if True in denied:
            yield "policy.purpose_not_declared_now"
        elif None in denied:
            yield "policy.clause_ambiguous"

    def _undated(self) -> Iterable[str]:
        if not self.then.known:
            yield "policy.collection_time_missing"

    def _declared(self, version: PolicyVersion) -> tuple[bool | None, tuple[tuple[Clause, bool | None], ...]]:
        """Whether a version declares this purpose for this data, and by which clauses. A deny clause takes back."""
        clauses = [
            (clause, True if clause.when is None else clause.when.evaluate(self.facts))
            for clause in self.gate.clauses(version, self.categories or ())
        ]
        denied = [holds for clause, holds in clauses if clause.effect == "deny"]
        permits = tuple(
            (clause, None if holds and clause.ambiguous_at(self.gate.as_of) else holds)
            for clause, holds in clauses
            if clause.effect == "permit" and holds is not False
        )
        if True in denied or not permits:
            return False, ()
        certain = any(holds for _, holds in permits) and None not in denied
        return (True if certain else None), permits

    def _against(self, then: bool | None, now: bool | None) -> set[str]:
        """The reasons of two answers to "does the policy declare this purpose for this data?"."""
        if self.then.version is None:
            return {
                True: set(),
                None: {"policy.clause_ambiguous"},
                False: {"policy.purpose_not_declared_now"},
            }[now]
        if then is None or now is None:
            return {"policy.clause_ambiguous"}
        if then and not now:
            return {"policy.purpose_not_declared_now"}
        if not then and not now:
            mismatch = (
                {"policy.category_purpose_mismatch"}
                if self.gate.serves_other_purposes(self.categories or ())
                else set()
            )
            return {"policy.purpose_not_declared_at_collection"} | mismatch
        return set()

    def _lift(
        self, version: PolicyVersion, now: Sequence[tuple[Clause, bool | None]], since: datetime | None
    ) -> tuple[str | None, set[str]]:
        """Whether a widened clause reaches this older data: by a yes of everybody that names it, or by notice."""
        if version.retroactive == "none" or self.part.words.unnamed or since is None:
            return None, {"policy.widened_not_reconsented"}
        if all(seen.said.renewed for seen in self.people):
            return "allow.renewed_consent", set()
        if version.retroactive != "notice" or not any(c.basis == "legitimate_interest" for c, _ in now):
            return None, {"policy.widened_not_reconsented"}
        shown = [self._notice(seen) for seen in self.people]
        if None in shown:
            return None, {"policy.widened_not_reconsented"}
        if any(version.notice_window.after(at) > self.gate.as_of for at in shown if at is not None):
            return None, {"policy.notice_window_open"}
        return "allow.notice_elapsed", set()

    def _notice(self, seen: _Seen) -> datetime | None:
        """When the person was provably told, if the road of notice is open to them at all (rule 2)."""
        known = seen.person.standing
        homes = (known.residency_at, known.residency, self.gate.establishment)
        abroad = all(home is not None and not vocabulary.in_region(home, "US") for home in homes)
        adult = known.age_at == "adult" and known.age == "adult"
        sensitive = self.part.touches(*choice.SENSITIVE)
        if not (abroad and adult and seen.said.state in ("silent", "given")) or sensitive:
            return None
        return seen.said.told

    def _reaching(
        self,
        codes: set[str],
        candidates: tuple[tuple[tuple[Clause, bool | None], ...], ...],
        lifted: str | None,
        elapsed: bool,
    ) -> _Terms:
        """The terms with the audience they reach: the narrowest of the versions, each its most private clause."""
        carrying = tuple(clauses for clauses in candidates if clauses)
        ranks = [max(RANK[c.audience] for c, _ in clauses) for clauses in carrying]
        reach = min([*ranks, self.then.cap]) if carrying or self.gate.job.trains else PRIVATE
        return _Terms(frozenset(codes), candidates, lifted, reach, elapsed)

    def _commitments(self) -> Iterable[str]:
        if self.record.first_party and not (self.terms.candidates and self.terms.candidates[0]):
            return
        for promise in self.then.promises:
            limit = PRIVATE if promise.audience is None else RANK[promise.audience]
            wider = any(rank is not None and rank > limit for rank in (self.rank_at, self.rank_now))
            if wider or self.part.touches(*promise.deny_categories):
                yield "policy.commitment_narrows"

    # 6, 7 and what of 2, 3, 4 and 11 is about a person ------------------------------------------------------------

    def _person(self, seen: _Seen) -> Iterable[str]:
        """Every reason that lies in one person: account, choice, age, law, and consent that the data needs."""
        known = seen.person.standing
        yield from seen.codes
        yield from self._account(seen)
        yield from self._age(seen)
        if seen.person.residency_holds:
            yield "jur.residency_unknown"
        yield from self._embargo(known)
        if known.suppressed:
            yield "subj.suppressed_identity"
        if self.categories is not None:
            yield from self._choice(seen)

    def _account(self, seen: _Seen) -> Iterable[str]:
        known = seen.person.standing
        state = known.state
        estate = state == "memorial" and seen.said.state == "given" and seen.said.method == "estate"
        if state in ACCOUNT and not estate:
            yield ACCOUNT[state]
        if known.state_gap_between:
            yield "life.account_state_unknown"
        if known.lifted_between and state not in LIFTED:
            yield "life.restored_unconfirmed"
        if self.terms.reach >= FOLLOWERS:
            return
        protected = known.protected_at is True or known.protected is True
        if protected:
            yield "vis.account_protected"
        elif known.protected_between:
            yield "life.restored_unconfirmed"
        gap = self.then.known and known.protected_at is None
        if gap or known.protected is None or known.protected_gap_between:
            yield "vis.audience_unknown"

    def _choice(self, seen: _Seen) -> Iterable[str]:
        said = seen.said
        if said.state in choice.DENIED:
            yield from ("subj.opted_out", SAID_NO[said.state])
        if said.sharing in choice.DENIED:
            yield "subj.sale_or_share_opted_out"
        for state in (said.state, said.sharing):
            if state in UNSURE:
                yield UNSURE[state]
        if said.excluded:
            yield "subj.contract_excludes"
        yield from self._explicit(said)
        if said.state == "silent":
            yield from self._silence(seen.person.regime)

    def _explicit(self, said: _Said) -> Iterable[str]:
        """Data that needs an explicit yes, where none is in force for this very purpose."""
        if not self.part.sensitive or said.explicit:
            return
        if self.part.biometric:
            yield "cat.biometric_wrong_purpose" if said.elsewhere else "cat.biometric_no_consent"
        yield from (code for root, code in EXPLICIT.items() if self.part.touches(root))

    def _silence(self, regime: Regime) -> Iterable[str]:
        """No choice made: what the bases of the clauses and the regime make of it."""
        for clauses in self.terms.candidates:
            terms = self.terms
            stands = (self._stands_on_silence(c, regime, terms.lifted, terms.window_elapsed) for c, _ in clauses)
            if not clauses or any(stands):
                continue
            waiting = regime.silence_opt_out == AFTER_NOTICE and any(is_opt_out(clause) for clause, _ in clauses)
            yield "policy.notice_window_open" if waiting else "jur.profile_requires_opt_in"

    def _stands_on_silence(self, clause: Clause, regime: Regime, lifted: str | None, elapsed: bool) -> bool:
        if lifted == "allow.notice_elapsed" and clause.basis != "legitimate_interest":
            return False
        if clause.basis == "legal_obligation":
            return True
        cell = regime.silence_opt_out
        return is_opt_out(clause) and (cell == ALLOW or (cell == AFTER_NOTICE and elapsed))

    def _age(self, seen: _Seen) -> Iterable[str]:
        known = seen.person.standing
        if not self.gate.job.age_gated:
            return
        if known.age == "under_13" and not (seen.said.state == "given" and seen.said.method == "parental"):
            yield "age.under_13_no_parental"
        if known.age in ("under_13", "13_17"):
            yield "age.minor_policy"
        if known.age is None or (self.then.known and known.age_at is None):
            yield "age.age_unknown"
        if known.age_at in ("under_13", "13_17"):
            yield "age.was_minor_at_creation"

    def _embargo(self, known: Standing) -> Iterable[str]:
        """Undertakings about such data, and about where the person lived when it was collected, or lives now."""
        homes = (known.residency_at, known.residency)
        for embargo in self.then.embargoes:
            if not (
                embargo.of_kind(self.record.words.kind) and embargo.of_categories(self.part.words.categories or ())
            ):
                continue
            if not embargo.regions:
                yield "rights.retracted"
            elif any(vocabulary.in_region(home, region) for home in homes if home for region in embargo.regions):
                yield "jur.region_embargo"
            elif any(h is None or any(vocabulary.may_be_in(h, r) for r in embargo.regions) for h in homes):
                yield "jur.residency_unknown"

    def _other_people(self) -> Iterable[str]:
        """Whatever stands against another person's part in it is one word, so that nothing about them is told."""
        if self.part.words.unnamed:
            yield "subj.co_subject_unknown"
        for seen in self.others:
            effects = {BY_CODE[code].effect for code in self._person(seen)}
            if Effect.DENY in effects and not seen.doubtful:
                yield "subj.co_subject_denied"
            if Effect.UNKNOWN in effects or (Effect.DENY in effects and seen.doubtful):
                yield "subj.co_subject_unknown"

    # 10 ---------------------------------------------------------------------------------------------------------

    def _recipient(self) -> Iterable[str]:
        job = self.gate.job
        kind = job.recipient_kind
        for clauses in self.terms.candidates:
            if clauses and kind in ("affiliate", "third_party") and not any(self.gate.names(c) for c, _ in clauses):
                yield f"rcpt.{kind}_not_named"
        if kind == "third_party" and self.part.biometric:
            yield "rcpt.sale_prohibited"

    # ground -----------------------------------------------------------------------------------------------------

    def _ground(self) -> Iterable[str]:
        if not self.record.first_party:
            if self.record.licensed:
                yield "allow.licence"
            elif self.record.words.origin in vocabulary.ORIGINS and not self.record.under_licence:
                yield "allow.none"
        elif self.categories is not None and self.terms.candidates and self._ground_holds():
            given = self.primary.said.state == "given"
            yield self.terms.lifted or ("allow.explicit_consent" if given else "allow.policy_clause")

    def _cited(self) -> str | None:
        """Today's clause that carries the part; where none does, the first that speaks about it."""
        now = self.terms.candidates[0] if self.terms.candidates else ()
        terms = self.terms
        carrying = [c for c, holds in now if self._carried([(c, holds)], terms.lifted, terms.window_elapsed)]
        return next((clause.id for clause in (*carrying, *(c for c, _ in now))), None)

    def _ground_holds(self) -> bool:
        terms = self.terms
        return all(self._carried(clauses, terms.lifted, terms.window_elapsed) for clauses in terms.candidates)

    def _carried(self, clauses: Sequence[tuple[Clause, bool | None]], lifted: str | None, elapsed: bool) -> bool:
        """Whether one clause by itself carries the part: condition, audience, recipient and basis together."""
        return any(
            holds is True and self._within(clause) and self.gate.names(clause) and self._based(clause, lifted, elapsed)
            for clause, holds in clauses
        )

    def _within(self, clause: Clause) -> bool:
        limit = min(RANK[clause.audience], self.then.cap)
        return all(rank is not None and rank <= limit for rank in (self.rank_at, self.rank_now))

    def _based(self, clause: Clause, lifted: str | None, elapsed: bool) -> bool:
        regime, said = self.primary.person.regime, self.primary.said
        silent = said.state == "silent" and self._stands_on_silence(clause, regime, lifted, elapsed)
        return said.state == "given" or silent


def _record_codes(record: _RecordWords) -> frozenset[str]:
    """The reasons that lie in the record as a whole, but for its licence: gates 0, 1, 2, 4, 6 and 8."""
    found = {
        *_one(record.integrity, vocabulary.INTEGRITIES, "integrity.schema_unknown", mismatch="integrity.hash_mismatch"),
        *_one(record.duplicate, vocabulary.DUPLICATES, "integrity.schema_unknown",
              conflict="integrity.duplicate_conflict", repeat="integrity.duplicate_repeat"),
        *_one(record.edition, vocabulary.EDITIONS, "life.state_unknown",
              superseded="life.superseded_edit", deleted="life.deleted_by_author"),
        *_one(record.lifecycle, vocabulary.LIFECYCLES, "life.state_unknown", deleted="life.deleted_by_author",
              removed="life.moderated_removed", draft="life.draft", restored="life.restored_unconfirmed"),
        *_one(record.kind, vocabulary.KINDS, "integrity.schema_unknown", message="floor.direct_message"),
        *_one(record.origin, vocabulary.ORIGINS, "floor.provenance_unknown"),
    }  # fmt: skip
    if not record.has_subject:
        found.add("integrity.subject_unresolved")
    if not record.has_parts:
        found.add("integrity.schema_unknown")
    if record.listed:
        found.add("rights.retracted")
    if record.taken_out is not False:
        found.add("life.taken_out" if record.taken_out else "subj.consent_unknown")
    return frozenset(found)


def _one(value: str | None, closed: Sequence[str], unknown: str, **denied: str) -> Iterable[str]:
    """The reason of a field with a closed set of values: ``unknown`` for a value outside it."""
    if value not in closed:
        yield unknown
    elif value in denied:
        yield denied[value]


def _rights(record: _RecordWords, gate: Gate) -> Iterable[str]:
    """Gate 8: what came from elsewhere needs a licence that covers purpose, recipient and date."""
    if not _under_licence(record):
        return
    yield from _one(record.upstream, vocabulary.UPSTREAMS, "life.state_unknown", deleted="rights.upstream_deleted")
    licence = gate.licences.get(record.licence) if record.licence is not None else None
    if licence is None:
        yield "rights.licence_missing"
        return
    yield from licence_codes(licence, gate)


def licence_codes(licence: Licence, gate: Gate) -> Iterable[str]:
    """What in a licence stands against a job; nothing where it covers purpose, recipient and date."""
    job = gate.job
    if not _in_time(licence, gate.as_of):
        yield "rights.licence_expired"
    if not vocabulary.covered_by(licence.purposes, job.purpose):
        yield "rights.licence_purpose"
    if not licence.acquired:
        yield "rights.licence_not_acquired"
    recipient = any(vocabulary.recipient_covers(named, job.recipient) for named in licence.recipients)
    if not recipient or vocabulary.covered_by(licence.forbids, job.purpose):
        yield "rights.contract_forbids"


def _under_licence(record: _RecordWords) -> bool:
    elsewhere = record.origin in vocabulary.ORIGINS and record.origin != "first_party"
    return record.origin == "licensed" or (elsewhere and record.licence is not None)


def _in_time(licence: Licence, as_of: datetime) -> bool:
    begun = licence.valid_from is None or licence.valid_from <= as_of
    return begun and (licence.valid_to is None or as_of < licence.valid_to)


def _obligations(record: Record, removed: Sequence[int]) -> frozenset[str]:
    """Gate 12, once nothing else stands against the record: can the denied parts go, and is anything left?"""
    if not removed and record.kind != "repost" and redaction.says(record.text, ()):
        return NOTHING
    parts = list(record.parts or ())
    going = [parts[i] for i in removed]
    spans = [p for p in going if p.place == "span"]
    if any(not _found(p, record.text) for p in going):
        return frozenset({"xform.redaction_incomplete"})
    if record.kind == "repost":  # an edge never releases the text: the original does, once
        return frozenset({"xform.nothing_left"})
    kept = [p for i, p in enumerate(parts) if i not in removed and p.place == "field" and p.content]
    cut = [(p.start, p.end) for p in spans if p.start is not None and p.end is not None]
    if not kept and not redaction.says(record.text, cut):
        return frozenset({"xform.nothing_left"})
    return frozenset()


def _found(part: Part, text: str | None) -> bool:
    """Whether a part that has to go can be found: a span inside the text, or a field that claims no place in it."""
    if part.place == "span":
        return redaction.fits(text, part.start, part.end)
    return part.place == "field" and part.start is None and part.end is None


def is_opt_out(clause: Clause) -> bool:
    return clause.basis in ("legitimate_interest", "contract")


def _is_signal(signal: Signal) -> bool:
    code = signal.code or ""
    about = signal.purpose is None or signal.purpose in vocabulary.PURPOSES
    return about and code.startswith("signal.") and code in BY_CODE


def _listed(values: Sequence[Answer] | None) -> tuple[Answer, ...] | None:
    return None if values is None else tuple(values)


def _labels(
    values: Sequence[str | None] | None, closed: Container[str | None], empty: bool = False
) -> tuple[str, ...] | None:
    """The values if all are known words (and, unless ``empty`` is fine, there is one), else None."""
    if values is None or (not values and not empty) or any(value not in closed for value in values):
        return None
    return tuple(sorted({value for value in values if value is not None}))


def _known(value: str | None, closed: Sequence[str]) -> str | None:
    return value if value in closed else None
