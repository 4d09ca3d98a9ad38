"""Worlds: a gate with a few hundred resolved records, their people and events, made from one seed.

Most things in a world are harmless and a few are not, so that every outcome occurs: a suite that refuses everything
proves nothing. The same seed gives the same world, forever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aboveboard import casefile, choice, suppression, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.gate import Gate, Job, Licence
from aboveboard.policy import (
    Citation,
    Clause,
    Commitment,
    Condition,
    Embargo,
    Period,
    Policy,
    PolicyVersion,
    Retention,
    timeline,
)
from aboveboard.reasons import BY_CODE
from aboveboard.record import Part, Party, Record, Signal
from aboveboard.regime import STANDARD, Regime, Regimes
from aboveboard.suppression import Suppressions

START = datetime(2019, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 6, 1, tzinfo=UTC)
EDGES = [datetime(year, month, 1, tzinfo=UTC) for year in range(2019, 2026) for month in (1, 5, 9)]
"""A few shared instants, so that ties and boundaries happen all the time."""
CATEGORIES = (
    "user.content.public", "user.content.private", "user.content", "user.content.self_image", "user.telemetry",
    "user.employment.history", "user.job_title", "user.biometric.face_template", "user.biometric.voice",
    "user.authorization.biometric", "user.location.precise", "user.location", "user.government_id",
    "user.demographic.political_opinion", "user.health_and_medical", "user.social.contacts", "user.behavior",
    "user.communication.message.content", "user.communication.message.metadata",
    "user.communication.encrypted.metadata", "user.authorization.credentials", "user.communication",
)  # fmt: skip
SENSITIVE = (
    "user.biometric", "user.biometric.face_template", "user.authorization.biometric", "user.location.precise",
    "user.government_id", "user.demographic.political_opinion", "user.health_and_medical",
)  # fmt: skip
"""What needs a yes that names it."""
HOMES = ("IE", "DE", "FR", "US-TX", "US", "BR", "JP", "GB", "KR")
PURPOSES = vocabulary.leaves(vocabulary.PURPOSES)
RECIPIENTS = ("controller", "controller", "controller", "controller", "processor:p", "affiliate:a", "third_party:x")
SIGNALS = tuple(code for code in BY_CODE if code.startswith("signal."))
TEXTS = (
    "good morning", "h\u00e9llo w\u00f6rld \U0001f426", "\u5317\u4eac\u306e\u9ce5 chirp",
    "\u0645\u0631\u062d\u0628\u0627 birds", "...", "", " \u200b ", "@ann hi", "a", "e\u0301\u0301 zalgo",
    "\U0001f1ee\U0001f1ea flag", "x" * 40,
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """One gate and the records judged under it."""

    seed: int
    gate: Gate
    records: tuple[Record, ...]


def make(seed: int, records: int = 350, people: int = 60) -> World:
    """The world of a seed."""
    rng = random.Random(seed)
    subjects = [f"u:{n}" for n in range(people)]
    job = _job(rng)
    widened = _maybe(rng, 0.25)
    policy = _widened_policy(rng, job) if widened else _policy(rng, job)
    as_of = rng.choice([NOW, NOW, datetime(2025, 2, 28, 12, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)])
    facts = [row for subject in subjects for row in _facts(rng, subject)]
    events = [event for subject in subjects for event in _events(rng, subject, job, policy)]
    if widened:
        events += [_told_or_asked(rng, subject, job, policy) for subject in subjects if _maybe(rng, 0.7)]
    regimes, licences = _regimes(rng), _licences(rng, job)
    drawn = random.Random(f"erased {seed}")
    erased = _erased(drawn, subjects)
    events += [event for subject in subjects for event in _asked_and_undone(drawn, subject)]
    named = [
        (e.subject, e.category) for e in events if e.type in choice.GRANTS and choice.is_explicit(e) and e.category
    ]
    made = tuple(_record(rng, n, subjects, named, job, policy, as_of) for n in range(records))
    by_name = random.Random(f"{seed} by name")
    events += _taken_out(by_name, made, job, policy)
    gate = Gate(
        policy, choice.people(events, facts, erased), job, as_of, regimes, licences,
        undertakings=tuple(_undertakings(by_name, job)),
        listed=frozenset((one.source, one.id) for one in made if _maybe(by_name, 0.004)),
    )  # fmt: skip
    return World(seed, gate, made)


def _taken_out(rng: random.Random, records: Sequence[Record], job: Job, policy: Policy) -> list[Event]:
    """Some people take some records out: their own, or one that is not theirs, which says nothing."""
    chosen = [record for record in records if _maybe(rng, 0.02)]
    return [
        replace(
            _event(rng, record.subject, job, policy), type="record_withdrawn",
            value=choice.record_key(record.source, rng.choice([record.id] * 8 + ["r0"])),
        )
        for record in chosen if record.subject is not None
    ]  # fmt: skip


def _undertakings(rng: random.Random, job: Job) -> list[Embargo]:
    if not _maybe(rng, 0.1):
        return []
    first, last = sorted((_moment(rng), _moment(rng)))
    return [
        Embargo(
            "u", rng.choice([(job.purpose,), (job.purpose.split(".")[0],), ("security",)]),
            rng.choice([(), ("EU",), ("US", "JP")]), "the platform", first, last if _maybe(rng, 0.7) else None,
            rng.choice([(), (), ("controller",), (job.recipient,)]), rng.choice([(), (), ("post",), ("reply", "quote")]),
            rng.choice([(), (), ("user.content",), ("user.behavior", "user.location")]),
        )
    ]  # fmt: skip


def _erased(rng: random.Random, subjects: Sequence[str]) -> Suppressions:
    """Now and then some people were erased, and of them only a hash is left. Drawn apart from everything else."""
    return suppression.of(casefile.NO_KEY, rng.sample(subjects, 2) if _maybe(rng, 0.2) else ())


def _asked_and_undone(rng: random.Random, subject: str) -> list[Event]:
    """Now and then somebody asked to be erased, and they or somebody else took it back, before or after."""
    if not _maybe(rng, 0.03):
        return []
    asked, undone = rng.sample(EDGES, 2) if _maybe(rng, 0.9) else [EDGES[3]] * 2
    return [
        Event(subject=subject, type="suppressed", recorded_at=asked, effective_at=asked, position=rng.randrange(10**6)),
        Event(subject=subject, type="unsuppressed", recorded_at=undone, effective_at=undone, verified=_maybe(rng, 0.6),
              position=rng.randrange(10**6),
              actor=rng.choice(["subject", "subject", "stranger"])),
    ]  # fmt: skip


def _maybe(rng: random.Random, share: float) -> bool:
    return rng.random() < share


def _moment(rng: random.Random) -> datetime:
    if _maybe(rng, 0.5):
        return rng.choice(EDGES) + timedelta(microseconds=rng.choice([-1, 0, 0, 0, 1]))
    return START + timedelta(seconds=rng.randrange(int((NOW - START).total_seconds())))


def _job(rng: random.Random) -> Job:
    purpose = rng.choice(["train_ai_system.generative"] * 4 + list(PURPOSES))
    return Job(
        purpose,
        rng.choice(RECIPIENTS),
        "m",
        rng.choice([None, None, "a", "b"]),
        rng.choice(["strict", "strict", "strict", "notice", "notice", "eu", "research"]),
    )


def _regimes(rng: random.Random) -> Regimes:
    names = ["notice", "notice", "strict", "research"]
    if _maybe(rng, 0.3):
        names += ["eu", "opt_in", "own"]
    missing = 0.1 if _maybe(rng, 0.2) else 0.0
    regions = {home: rng.choice(names) for home in HOMES if not _maybe(rng, missing)}
    if _maybe(rng, 0.2):
        regions["EU"] = rng.choice(names)
    own = Regime("own", rng.choice(["allow", "after_notice", "refuse"]), rng.choice(["allow", "refuse"]), "hold")
    return Regimes({**STANDARD, "own": own}, regions)


def _licences(rng: random.Random, job: Job) -> dict[str, Licence]:
    def one(name: str) -> Licence:
        return Licence(
            name,
            (job.purpose,) if _maybe(rng, 0.7) else ("analyse",),
            (job.recipient,) if _maybe(rng, 0.8) else ("processor:other",),
            _moment(rng) if _maybe(rng, 0.3) else None,
            _moment(rng) if _maybe(rng, 0.3) else None,
            _maybe(rng, 0.7),
            (job.purpose,) if _maybe(rng, 0.1) else (),
        )

    return {name: one(name) for name in ("l1", "l2", "l3")}


def _policy(rng: random.Random, job: Job) -> Policy:
    starts = sorted(rng.sample(EDGES[:-6], rng.choice([1, 2, 2, 3])))
    if _maybe(rng, 0.7):
        starts[0] = EDGES[0]
    versions = [_version(rng, n, at, job, len(starts)) for n, at in enumerate(starts)]
    return timeline(_ended(rng, version, after) for version, after in zip(versions, [*starts[1:], NOW], strict=True))


def _ended(rng: random.Random, version: PolicyVersion, after: datetime) -> PolicyVersion:
    """Now and then a version ends before the next one begins, and nothing is in force in between."""
    if not _maybe(rng, 0.02 if after == NOW else 0.08):
        return version
    gap = rng.choice([timedelta(0), timedelta(days=20), timedelta(days=60)])
    return replace(version, effective_to=after - gap)


def _widened_policy(rng: random.Random, job: Job) -> Policy:
    """Training comes in, or is widened, with the second version: most records are older, some people were told, some
    said yes."""
    now = replace(_plain_clause(rng, job), basis=rng.choice(["legitimate_interest"] * 4 + ["contract"]))
    before = replace(
        _version(rng, 0, EDGES[0], job, 9), clauses=_narrower(rng, now), embargoes=(), commitments=(), effective_to=None
    )
    after = replace(
        _version(rng, 1, EDGES[12], job, 2), clauses=(now,), embargoes=(), establishment="IE", effective_to=None,
        retroactive=rng.choice(["reconsent", "notice", "notice", "none"]),
    )  # fmt: skip
    return timeline([before, after])


def _narrower(rng: random.Random, clause: Clause) -> tuple[Clause, ...]:
    """What stood there before: nothing, or less than now."""
    less: dict[str, object] = rng.choice(
        [
            {"recipients": ("affiliate:other",)}, {"audience": "public"}, {"basis": "consent"},
            {"when": Condition("eq", "record.kind", ("post",))}, {"open_ended": True}, {"uses": ("elsewhere",)},
            {"open_ended": True, "closed_by": "someone", "closed_at": NOW - timedelta(days=100)},
        ]
    )  # fmt: skip
    return () if _maybe(rng, 0.5) else (replace(clause, id="narrow", **less),)  # type: ignore[arg-type]


def _told_or_asked(rng: random.Random, subject: str, job: Job, policy: Policy) -> Event:
    version = policy.versions[-1]
    said = version.announced_at + timedelta(days=rng.choice([0, 1, 1, 2, 300]))
    return Event(
        subject=subject, type=rng.choice(["renewed", "given", "notice_shown", "notice_shown"]), recorded_at=said,
        effective_at=said, past_from=rng.choice([START, START, None]), notice=version.text_sha256, method="portal",
        **_scope(rng, job, 0.4),
    )  # fmt: skip


def _scope(rng: random.Random, job: Job, explicit: float) -> dict[str, Any]:
    """What a yes is about: everything, or now and then one sensitive kind of data and this job's purpose."""
    if not _maybe(rng, explicit):
        return {}
    purpose = rng.choice([job.purpose, job.purpose, job.purpose.split(".")[0], "security"])
    return {"category": rng.choice(SENSITIVE), "purpose": purpose}


def _version(rng: random.Random, number: int, at: datetime, job: Job, count: int) -> PolicyVersion:
    clauses = [_clause(rng, n, job) for n in range(rng.choice([0, 1, 2]))]
    if _maybe(rng, 0.95 if number == count - 1 else 0.6):
        clauses.append(_plain_clause(rng, job))
    if _maybe(rng, 0.15):
        clauses.append(_forbidding_clause(rng, job))
    return PolicyVersion(
        "world", f"v{number}", at, at - timedelta(days=rng.choice([0, 30])), "UTC", f"text{number}",
        rng.choice(["IE"] * 6 + ["US", None]), tuple(clauses),
        retroactive=rng.choice(["reconsent", "none", "notice", "notice", "notice"]),
        notice_window=Period(days=rng.choice([30, 30, 30, 4000])),
        commitments=tuple(_commitments(rng, job)),
        embargoes=tuple(_embargoes(rng, job)),
        retentions=tuple(_retentions(rng)),
    )  # fmt: skip


def _plain_clause(rng: random.Random, job: Job) -> Clause:
    """The clause that a platform would write so that something can be released at all."""
    return Clause(
        "plain", "permit", (job.purpose,),
        ("user.content", "user.telemetry", *(SENSITIVE if _maybe(rng, 0.6) else ())),
        "public" if job.trains else rng.choice(["public", "followers", "private"]),
        (job.recipient,) if _maybe(rng, 0.9) else ("controller",),
        rng.choice(["legitimate_interest"] * 7 + ["contract", "consent"]), Citation((), "q"),
        open_ended=(left_open := _maybe(rng, 0.04)),
        closed_by="someone" if left_open else None,
        closed_at=NOW - timedelta(days=rng.choice([2000, 2000, 120, -1])) if left_open else None,
    )  # fmt: skip


def _forbidding_clause(rng: random.Random, job: Job) -> Clause:
    """Takes back a part of what another clause allows."""
    field, value = rng.choice([("record.kind", "article"), ("part.kind", "media"), ("record.language", "ja")])
    plain, known = Condition("eq", field, (value,)), Condition("exists", "record.language")
    return Clause(
        "forbids", "deny", (job.purpose,), ("user.content",), "private", (), "legal_obligation", Citation((), "q"),
        when=known if _maybe(rng, 0.1) else plain,
    )  # fmt: skip


def _clause(rng: random.Random, number: int, job: Job) -> Clause:
    family = job.purpose.split(".")[0]
    return Clause(
        f"c{number}",
        "deny" if _maybe(rng, 0.06) else "permit",
        (rng.choice([job.purpose, job.purpose, family, "service.operation", "security.safety"]),),
        tuple(rng.sample(["user.content.public", "user.content", "user.biometric", "user.authorization.biometric",
                          "user.employment", "user.job_title", "user.telemetry", "user.location", "user",
                          "user.behavior", "user.demographic"], rng.choice([1, 2, 3]))),
        rng.choice(vocabulary.AUDIENCES),
        tuple(rng.sample(["controller", "affiliate:a", "affiliate:*", "third_party:x", "third_party:y"], 2)),
        rng.choice(list(vocabulary.BASES)),
        Citation((), "q"),
        uses=("a",) if _maybe(rng, 0.1) else (),
        when=_condition(rng, 2) if _maybe(rng, 0.3) else None,
        open_ended=_maybe(rng, 0.1),
        closed_by="someone" if (closed := _maybe(rng, 0.7)) else None,
        closed_at=_moment(rng) if closed else None,
    )  # fmt: skip


def _condition(rng: random.Random, depth: int) -> Condition:
    op = (
        rng.choice(["all", "any", "not", "eq", "in", "lt", "le", "exists", "eq"]) if depth else rng.choice(["eq", "in"])
    )
    if op in ("all", "any"):
        return Condition(op, children=tuple(_condition(rng, depth - 1) for _ in range(2)))
    if op == "not":
        return Condition(op, children=(_condition(rng, depth - 1),))
    if op in ("lt", "le"):
        return Condition(op, "subject.age_band", (rng.choice(vocabulary.AGE_BANDS),))
    field, values = rng.choice(
        [
            ("subject.age_band", vocabulary.AGE_BANDS), ("subject.residency", HOMES),
            ("record.kind", vocabulary.KINDS[:6]), ("record.origin", vocabulary.ORIGINS),
            ("record.language", ("en", "ja")), ("part.kind", vocabulary.PART_KINDS), ("record.source", ("s", "t")),
        ]
    )  # fmt: skip
    count = {"exists": 0, "eq": 1, "in": 3}[op]
    return Condition(op, field, tuple(rng.sample(list(values), min(count, len(values)))))


def _commitments(rng: random.Random, job: Job) -> list[Commitment]:
    if not _maybe(rng, 0.3):
        return []
    until = _moment(rng) if _maybe(rng, 0.4) else None
    return [
        Commitment(
            rng.choice(["p1", "p2"]), _moment(rng), (job.purpose.split(".")[0],), "said", until,
            rng.choice([None, "public", "followers"]),
            tuple(rng.sample(["user.communication", "user.telemetry", "user.content.private"], rng.choice([0, 1]))),
        )
    ]  # fmt: skip


def _embargoes(rng: random.Random, job: Job) -> list[Embargo]:
    if not _maybe(rng, 0.2):
        return []
    first, last = sorted((_moment(rng), _moment(rng)))
    return [Embargo("e", (job.purpose,), tuple(rng.sample(["EU", "US", "JP", "US-TX"], 1)), "court",
                    first if _maybe(rng, 0.7) else None, last if _maybe(rng, 0.7) else None)]  # fmt: skip


def _retentions(rng: random.Random) -> list[Retention]:
    if not _maybe(rng, 0.25):
        return []
    period = rng.choice([Period(months=12), Period(months=24), Period(months=60)])
    categories = (rng.choice(["user.telemetry", "user.biometric", "user.location", "user.content"]),)
    return [Retention(categories, period, rng.choice(["collected", "last_interaction"]))]


def _facts(rng: random.Random, subject: str) -> list[Facts]:
    if _maybe(rng, 0.04):
        return []
    home = rng.choice(HOMES)
    rows = [Facts(subject=subject, valid_from=None, state="active", protected=False, age_band="adult",
                  residency=home, last_interaction=NOW - timedelta(days=rng.choice([1, 1, 1, 1500])))]  # fmt: skip
    for _ in range(rng.choice([0, 0, 0, 0, 0, 1, 1, 2])):
        rows.append(_other_facts(rng, rows[-1], home))
    if _maybe(rng, 0.1):
        rows[0] = replace(rows[0], valid_from=_moment(rng))
    return rows


def _other_facts(rng: random.Random, row: Facts, home: str) -> Facts:
    row = replace(row, valid_from=_moment(rng))
    change: Callable[[], Facts] = rng.choice(
        [
            lambda: replace(row, state=rng.choice([*vocabulary.ACCOUNT_STATES, "active", None, "gone"])),
            lambda: replace(row, protected=rng.choice([True, True, None])),
            lambda: replace(row, age_band=rng.choice(["under_13", "13_17", "13_17", None, "adult"])),
            lambda: replace(row, residency=rng.choice([*HOMES, None, "Narnia"])),
            lambda: replace(row, residency=rng.choice(HOMES)),
            lambda: replace(row, last_interaction=rng.choice([None, NOW - timedelta(days=1096)])),
            lambda: row,
        ]
    )
    return change()


def _events(rng: random.Random, subject: str, job: Job, policy: Policy) -> list[Event]:
    if _maybe(rng, 0.65):
        return []
    said = [_event(rng, subject, job, policy) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
    return [replace(event, **_scope(rng, job, 0.3)) if event.type in choice.GRANTS else event for event in said]


_RESTRICTED = ["suspended", "unsuspended", "protected", "unprotected", "deactivated", "withheld"]
"""What compliance streams say of accounts; of each a little, so that a world stays live."""


def _event(rng: random.Random, subject: str, job: Job, policy: Policy) -> Event:
    kind = rng.choice(["given"] * 11 + ["renewed"] * 7 + ["notice_shown"] * 12 + list(choice.TYPES[:13]) + _RESTRICTED)
    recorded = _moment(rng)
    family = job.purpose.split(".")[0]
    past = _maybe(rng, 0.6) if kind in choice.GRANTS else _maybe(rng, 0.15)
    return Event(
        subject=subject,
        type=kind,
        recorded_at=recorded,
        effective_at=recorded if _maybe(rng, 0.6) else _moment(rng),
        category=rng.choice([None, None, None, "user.content", "user.content.public", "user.biometric", "user.behavior",
                             "user.demographic", "user.location.precise", "user"]),
        purpose=rng.choice([None, None, job.purpose, job.purpose, family, "third_party_sharing", "security.safety"]),
        recipient=rng.choice([None, None, None, "controller", job.recipient, "third_party", "affiliate"]),
        past_from=START if past and _maybe(rng, 0.7) else (_moment(rng) if past else None),
        past_to=_moment(rng) if past and _maybe(rng, 0.3) else None,
        expires_at=_moment(rng) if _maybe(rng, 0.15) else None,
        verified=not _maybe(rng, 0.12),
        effective_verified=_maybe(rng, 0.3),
        actor=rng.choice(["subject"] * 8 + ["parent", "estate", "tenant_admin", "stranger"]),
        method=rng.choice(["portal", "portal", "parental", "estate", "gpc"]),
        notice=rng.choice([v.text_sha256 for v in policy.versions]),
        value={"age_changed": rng.choice(vocabulary.AGE_BANDS), "moved": rng.choice(HOMES)}.get(kind),
        position=rng.randrange(10**6),
    )  # fmt: skip


# --- records ------------------------------------------------------------------------------------------------------


def _record(
    rng: random.Random,
    number: int,
    subjects: Sequence[str],
    named: Sequence[tuple[str, str]],
    job: Job,
    policy: Policy,
    as_of: datetime,
) -> Record:
    """A harmless record, or one of a sensitive kind that its person named; then none to three things that are not."""
    collected = _collected(rng, policy, as_of)
    subject = rng.choice(subjects)
    categories: tuple[str, ...] = (_fitting_category(rng, job),)
    if named and _maybe(rng, 0.05):
        subject, category = rng.choice(named)
        categories = ("user.content.public", category)[rng.choice([0, 1, 1]) :]
    text = rng.choice(TEXTS[:4] * 3 + TEXTS)
    record = Record(
        f"r{number}", rng.choice(["post", "reply", "quote", "article"]), subject, "s", number, "en",
        collected, collected, "server", origin="first_party", main=Part(categories=categories, content=text),
    )  # fmt: skip
    if _maybe(rng, 0.6):
        record = replace(record, parts=tuple(_part(rng, record, subjects) for _ in range(rng.choice([1, 1, 2, 3]))))
    for _ in range(rng.choice([0] * 9 + [1, 1, 1, 2])):
        record = _disturb(rng, record, subjects)
    return record


def _collected(rng: random.Random, policy: Policy, as_of: datetime) -> datetime:
    first = policy.versions[-1].effective_from
    if _maybe(rng, 0.1):  # in one of the instants at which things happen
        return rng.choice([edge for edge in EDGES if first <= edge <= as_of] or EDGES)
    if _maybe(rng, 0.8):  # under the last version, mostly
        span = max(int((as_of - first).total_seconds()), 1)
        return first + timedelta(seconds=rng.randrange(span))
    return _moment(rng)


def _fitting_category(rng: random.Random, job: Job) -> str:
    if _maybe(rng, 0.9):
        return "user.content.public" if job.trains else rng.choice(["user.content.public", "user.telemetry"])
    return rng.choice(CATEGORIES)


def _part(rng: random.Random, record: Record, subjects: Sequence[str]) -> Part:
    kind = rng.choice(["quote", "mention", "media", "card", "geotag", "field", "parent_quote"])
    text = record.text or ""
    start = rng.randrange(max(len(text), 1))
    span = (start, min(start + rng.choice([1, 2, 5]), len(text)) if _maybe(rng, 0.97) else len(text) + 2)
    inside = kind in ("quote", "mention", "parent_quote") and bool(text) and _maybe(rng, 0.7)
    return Part(
        kind,
        (rng.choice(CATEGORIES),) if _maybe(rng, 0.25) else ("user.content.public",),
        (rng.choice(vocabulary.LABELS),) if _maybe(rng, 0.12) else (),
        parties=tuple(_party(rng, subjects) for _ in range(rng.choice([0, 1, 1, 1, 2]))),
        signals=(Signal(rng.choice(SIGNALS)),) if _maybe(rng, 0.06) else (),
        source_state=rng.choice(["own", "present", "present", "deleted"]) if inside else "own",
        place="span" if inside else "field",
        start=span[0] if inside else None,
        end=span[1] if inside else None,
        content=rng.choice(["c", "c", "", None]),
    )


def _party(rng: random.Random, subjects: Sequence[str]) -> Party:
    return Party(
        rng.choice(subjects) if _maybe(rng, 0.95) else None,
        rng.choice([*vocabulary.ROLES, None, "quoted_author", "depicted", "mentioned"]),
    )


def _disturb(rng: random.Random, record: Record, subjects: Sequence[str]) -> Record:
    main = record.main
    change: Callable[[], Record] = rng.choice(
        [
            lambda: replace(record, kind=rng.choice([*vocabulary.KINDS, None, "hologram", "repost", "like", ""])),
            lambda: replace(record, subject=None),
            lambda: replace(record, created_at=rng.choice([None, _moment(rng), _moment(rng)])),
            lambda: replace(record, collected_at=rng.choice([None, NOW + timedelta(days=9), _moment(rng)])),
            lambda: replace(record, origin=rng.choice(["licensed", "licensed", "federated", "crawled", None, "found"]),
                            licence=rng.choice(["l1", "l2", "l3", "l4", None]),
                            upstream=rng.choice(["present", "present", "present", "deleted", None])),
            lambda: replace(record, lifecycle=rng.choice([*vocabulary.LIFECYCLES, None, "lost"])),
            lambda: replace(record, integrity=rng.choice([*vocabulary.INTEGRITIES, None])),
            lambda: replace(record, duplicate=rng.choice([*vocabulary.DUPLICATES, None])),
            lambda: replace(record, edition=rng.choice([*vocabulary.EDITIONS, None])),
            lambda: replace(record, language=rng.choice(["ja", None])),
            lambda: replace(record, source=rng.choice(["t", ""])),
            lambda: replace(record, parts=None),
            lambda: _main(record, categories=rng.choice([
                None, (), (None,), ("user.content.public", "user.telemetry"), ("made.up",),
                tuple(rng.sample(CATEGORIES, 2)), (rng.choice(CATEGORIES),), (rng.choice(CATEGORIES),)])),
            lambda: _main(record, labels=rng.choice([None, (rng.choice(vocabulary.LABELS),), ("odd",), (None,)])),
            lambda: _main(record, audience_at=rng.choice([*vocabulary.AUDIENCES, None, "someone"])),
            lambda: _main(record, audience_now=rng.choice([*vocabulary.AUDIENCES, None, "someone"])),
            lambda: _both(record, rng.choice(vocabulary.AUDIENCES)),
            lambda: _main(record, parties=rng.choice([None, (_party(rng, subjects),), (_party(rng, subjects),) * 2,
                                                      (_party(rng, subjects), _party(rng, subjects))])),
            lambda: _main(record, signals=rng.choice([
                None, (Signal(rng.choice(SIGNALS)),),
                (Signal(rng.choice(SIGNALS), rng.choice([*PURPOSES, None, "x"])),),
                (Signal(None),), (Signal("signal.parse_error"),), (Signal("signal.conflicting"),),
                (Signal("vis.unlisted"),), (Signal(rng.choice(SIGNALS)), Signal(rng.choice(SIGNALS)))])),
            lambda: _main(record, source_state=rng.choice([*vocabulary.SOURCE_STATES, None])),
            lambda: _main(record, content=rng.choice([*TEXTS, None])),
            lambda: replace(record, main=replace(main, content="@ann"), parts=(
                Part("mention", parties=(Party(rng.choice(subjects), "mentioned"),), place="span", start=0, end=4),)),
            lambda: _part_disturbed(rng, record),
            lambda: _part_disturbed(rng, record),
            lambda: replace(record, subject="u:stranger"),
        ]
    )  # fmt: skip
    return change()


def _main(record: Record, **changes: object) -> Record:
    return replace(record, main=replace(record.main, **changes))  # type: ignore[arg-type]


def _both(record: Record, audience: str) -> Record:
    return _main(record, audience_at=audience, audience_now=audience)


def _part_disturbed(rng: random.Random, record: Record) -> Record:
    if not record.parts:
        return record
    parts = list(record.parts)
    place = rng.randrange(len(parts))
    change: dict[str, object] = rng.choice(
        [
            {"kind": None}, {"place": None}, {"start": None}, {"end": 10_000}, {"labels": None}, {"signals": None},
            {"parties": None}, {"categories": None}, {"audience_at": None}, {"audience_now": "circle"},
            {"source_state": None}, {"signals": (Signal(rng.choice(SIGNALS)),)}, {"start": -1}, {"content": None},
        ]
    )  # fmt: skip
    if change in ({"start": -1}, {"end": 10_000}):
        change = {"place": "span", **change}  # a field has neither (``Part`` refuses it)
    parts[place] = replace(parts[place], **change)  # type: ignore[arg-type]
    return replace(record, parts=tuple(parts))
