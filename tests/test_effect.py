"""``policy effect``: numbers by hand on a small platform, the same as a naive recount over worlds, and what a person is told."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import worlds
from aboveboard import choice, effect, judgement, mainjob
from aboveboard.choice import Event, Facts
from aboveboard.cli import doors, effecttext
from aboveboard.effect import Count, Effect, Tally
from aboveboard.engine import Engine
from aboveboard.errors import PolicyError, SourceError
from aboveboard.gate import Gate, Job
from aboveboard.judgement import Judgement, as_record
from aboveboard.policy import Citation, Clause, Period, Policy, PolicyVersion, timeline
from aboveboard.reasons import Outcome
from aboveboard.record import Part, Party, Record
from aboveboard.regime import Regimes
from aboveboard.relate import relate
from aboveboard.sources import from_records

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent / "shared" / "data"))

BEGAN = datetime(2023, 10, 1, tzinfo=UTC)
"""When the new version begins."""
NOW = datetime(2023, 12, 1, tzinfo=UTC)
GENERATIVE = "train_ai_system.generative"
SILENT = "# Reef\n\nWe learn from shells.\n"
CLAIMING = "# Reef\n\nThe latest version of this policy governs.\n"

SERVICE = Clause(
    "service", "permit", ("service.operation",), ("user.content",), "private", ("controller",), "contract",
    Citation((), "we run it"),
)  # fmt: skip
TRAIN = Clause(
    "train", "permit", (GENERATIVE,), ("user.content.public",), "public", ("controller",), "legitimate_interest",
    Citation((), "we learn"), control="training",
)  # fmt: skip


def version(name: str, begins: datetime, *clauses: Clause, **more: Any) -> PolicyVersion:
    announced = begins - timedelta(days=30)
    return replace(PolicyVersion("reef", name, begins, announced, "UTC", name, "IE", clauses), **more)


def policy(*later: Clause, earlier: tuple[Clause, ...] = (SERVICE,), **more: Any) -> Policy:
    return timeline([version("a", datetime(2020, 1, 1, tzinfo=UTC), *earlier), version("b", BEGAN, *later, **more)])


def post(id: str, subject: str, day: datetime, **more: Any) -> Record:
    content = {"content": "a bird on a wire", "audience_at": "public", "audience_now": "public"} | more.pop("main", {})
    return Record(id, "post", subject, created_at=day, collected_at=day, main=Part(**content), **more)


def said(subject: str, kind: str, **more: Any) -> Event:
    at = more.pop("at", BEGAN - timedelta(days=20))
    return Event(subject=subject, type=kind, recorded_at=at, effective_at=at, **more)


def facts(*people: str) -> list[Facts]:
    return [Facts(subject=p, state="active", protected=False, age_band="adult", residency="IE") for p in people]


@dataclass(frozen=True)
class Ready:
    """What ``effect`` needs of a prepared workspace, without the workspace."""

    workspace: Any
    engine: Engine
    related: Any
    bound: Gate
    limit: int | None = None
    sources: tuple[str, ...] = ()

    def gate(self) -> Gate:
        return self.bound

    @property
    def judgement(self) -> Judgement:
        return Judgement(self.engine, self.related, self.bound)


def ready(folder: Path, gate: Gate, *sources: list[Record]) -> Any:
    engine = Engine(threads=1)
    staged = [from_records(rows, folder / f"s{n}", name=f"s{n}") for n, rows in enumerate(sources)]
    return Ready(SimpleNamespace(policy=gate.policy), engine, relate(staged, folder, engine), gate)


def gate(law: Policy, events: list[Event], *people: str, now: datetime = NOW) -> Gate:
    return Gate(law, choice.people(events, facts(*people)), Job(GENERATIVE), now, Regimes(regions={"IE": "notice"}))


def the_cell(found: Effect, who: str = "platform", purpose: str = GENERATIVE) -> effect.Cell:
    [answer] = [a for a in found.answers[who] if a.scope.purpose == purpose]
    [cell] = answer.cells
    return cell


# --- by hand ----------------------------------------------------------------------------------------------------


def reef() -> list[Record]:
    """Ann wrote 12 posts before the new version began and 20 after, Bob 5 before, Cat 3 before; one has no time.

    Every fourth post of Ann's is seen by her followers only. The newest post is of 20 November.
    """
    old = [post(f"ann-{n}", "ann", datetime(2023, 5, 1 + n, tzinfo=UTC)) for n in range(12)]
    new = [post(f"ann-new-{n}", "ann", datetime(2023, 11, 1 + n, tzinfo=UTC)) for n in range(20)]
    shown = {"audience_at": "followers", "audience_now": "followers"}
    ann = [post(r.id, "ann", r.collected_at, main=shown) if n % 4 == 3 else r for n, r in enumerate([*old, *new])]  # type: ignore[arg-type]
    bob = [post(f"bob-{n}", "bob", datetime(2023, 6, 1 + n, tzinfo=UTC)) for n in range(5)]
    cat = [post(f"cat-{n}", "cat", datetime(2023, 6, 1 + n, tzinfo=UTC)) for n in range(3)]
    return [*ann, *bob, *cat, replace(post("undated", "ann", NOW), collected_at=None)]


BOB_SAYS_NO = said("bob", "refused")
CAT_SAYS_YES = said("cat", "given", past_from=datetime(2020, 1, 1, tzinfo=UTC))
"""After the announcement, and naming older data."""


@pytest.mark.parametrize("text", [SILENT, CLAIMING])
def test_three_numbers_by_hand(tmp_path: Path, text: str) -> None:
    """Older: of Ann's 12 posts 9 are public, Bob said no to all 5, Cat said yes to all 3.

    The text's reading reaches 9 + 3, the declared rule only Cat's 3. Since it began: 15 of Ann's 20 are public. The
    window is the 90 days up to 20 November and holds those 20.
    """
    law = policy(SERVICE, TRAIN)
    made = effect.effect(
        ready(tmp_path, gate(law, [BOB_SAYS_NO, CAT_SAYS_YES], "ann", "bob", "cat"), reef()), "a", "b", text,
        purposes=[GENERATIVE],
    )  # fmt: skip
    claimed = text == CLAIMING
    cell = the_cell(made)
    assert cell.categories == ("user.content.public",)
    assert cell.tally == Tally(
        older=20, since=20, undated=1, sampled=20, rule=Count(newly=3), so_far=Count(newly=15), pace=Count(newly=15),
        read=Count(newly=12) if claimed else Count(newly=3),
    )  # fmt: skip
    assert made.claim.answer == ("claimed" if claimed else "silent")
    [document] = made.as_json()["platform"][0]["categories"]
    assert document["declared_rule"] == {"newly": 3, "no_longer": 0, "other_parts": 0, "of": 20}
    assert document["new"]["a_month"] == {"newly": 5.0, "no_longer": 0.0, "other_parts": 0.0}  # 15 in 90 days
    if claimed:
        assert document["if_text_reaches_older"]["newly"] == 12
    else:
        # INVARIANT: no number assumes a reach that the platform does not claim.
        assert document["if_text_reaches_older"] is None
        assert "no number, see above" in effecttext.sentences(made)


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (SILENT, "notice"),
        (CLAIMING + "Changes are not retroactive.\n", "reconsent"),
        (CLAIMING, "none"),
        (None, "notice"),
    ],
)
def test_where_the_reach_is_not_claimed_there_is_no_number(tmp_path: Path, text: str | None, declared: str) -> None:
    law = policy(SERVICE, TRAIN, retroactive=declared)
    made = effect.effect(ready(tmp_path, gate(law, [], "ann", "bob", "cat"), reef()), "a", "b", text)
    documents = [cell for answer in made.as_json()["platform"] for cell in answer["categories"]]
    assert documents
    assert all(one["if_text_reaches_older"] is None for one in documents)
    for line in effecttext.sentences(made).splitlines():
        if line.strip().startswith("(a)"):
            assert not any(map(str.isdigit, line)), line


def test_the_declared_rule_of_notice_reaches_who_was_told_in_time(tmp_path: Path) -> None:
    """Ann was shown the very text and said nothing for 30 days; Bob was not told; Cat was told and refused."""
    law = policy(SERVICE, TRAIN, retroactive="notice")
    told = BEGAN - timedelta(days=30)
    events = [said(p, "notice_shown", notice="b", at=told) for p in ("ann", "cat")] + [said("cat", "refused")]
    made = effect.effect(
        ready(tmp_path, gate(law, events, "ann", "bob", "cat"), reef()), "a", "b", SILENT, purposes=[GENERATIVE]
    )
    assert the_cell(made).tally.rule == Count(newly=9)


def test_narrowing_is_counted_too_and_always_reaches_older_records(tmp_path: Path) -> None:
    law = policy(SERVICE, earlier=(SERVICE, TRAIN))
    made = effect.effect(ready(tmp_path, gate(law, [BOB_SAYS_NO], "ann", "bob", "cat"), reef()), "a", "b", SILENT)
    cell = the_cell(made)
    assert cell.tally.rule == Count(no_longer=9 + 3)
    assert (cell.tally.so_far, cell.tally.pace) == (Count(no_longer=15), Count(no_longer=15))
    assert the_cell(made, purpose="service.operation").moves is False


def test_a_record_that_stays_used_with_other_parts_is_said_apart(tmp_path: Path) -> None:
    """A photo may be used from the new version on; the post that carries it was used before."""
    photo = Part("media", ("user.content.self_image",), place="field", content="birds.jpg")
    pictures = replace(TRAIN, id="pictures", categories=("user.content.self_image",))
    law = policy(SERVICE, TRAIN, pictures, earlier=(SERVICE, TRAIN))
    day = BEGAN + timedelta(days=9)
    rows = [post("before", "ann", day - timedelta(days=99), parts=(photo,)), post("after", "ann", day, parts=(photo,))]
    made = effect.effect(ready(tmp_path, gate(law, [], "ann"), rows), "a", "b", SILENT, purposes=[GENERATIVE])
    tally = the_cell(made).tally
    assert (tally.rule, tally.so_far) == (Count(), Count(other_parts=1))


def test_as_many_parts_but_others_are_other_parts(tmp_path: Path) -> None:
    photo = Part("media", ("user.content.self_image",), place="field", content="birds.jpg")
    title = Part("field", ("user.contact.url",), place="field", content="reef.example")
    pictures = replace(TRAIN, id="pictures", categories=("user.content.self_image",))
    links = replace(TRAIN, id="links", categories=("user.contact.url",))
    law = policy(SERVICE, TRAIN, links, earlier=(SERVICE, TRAIN, pictures, links))
    both = post("both", "ann", BEGAN + timedelta(days=9), parts=(photo, title))
    one = effect.effect(ready(tmp_path / "1", gate(law, [], "ann"), [both]), "a", "b", SILENT, purposes=[GENERATIVE])
    assert the_cell(one).tally.so_far == Count(other_parts=1)
    law = policy(SERVICE, TRAIN, links, earlier=(SERVICE, TRAIN, pictures))
    two = effect.effect(ready(tmp_path / "2", gate(law, [], "ann"), [both]), "a", "b", SILENT, purposes=[GENERATIVE])
    assert the_cell(two).tally.so_far == Count(other_parts=1)  # the photo goes and the link stays, once the other way


def test_the_text_never_reaches_less_than_the_declared_rule(tmp_path: Path) -> None:
    """Both versions train, and where Ann lives silence counts after notice: what was told of long ago still counts."""
    law = policy(SERVICE, TRAIN, earlier=(SERVICE, TRAIN), notice_window=Period(days=300))
    bound = replace(gate(law, [], "ann", "bob", "cat"), regimes=Regimes(regions={"IE": "eu"}))
    made = effect.effect(ready(tmp_path, bound, reef()), "a", "b", CLAIMING, purposes=[GENERATIVE])
    tally = the_cell(made).tally
    assert (made.claim.answer, tally.rule, tally.read) == ("claimed", Count(), Count())


def test_a_version_that_is_still_to_come_is_asked_as_of_its_beginning(tmp_path: Path) -> None:
    """Nobody's records are in it yet; the pace says what is to come, and there is time to say no."""
    now = datetime(2023, 9, 15, tzinfo=UTC)
    rows = [post(f"p{n}", "ann", datetime(2023, 6, 1, tzinfo=UTC) + timedelta(days=n)) for n in range(100)]
    made = effect.effect(ready(tmp_path, gate(policy(SERVICE, TRAIN), [], "ann", now=now), rows), "a", "b", SILENT)
    assert (made.as_of, made.now) == (BEGAN, now)
    tally = the_cell(made).tally
    assert (tally.older, tally.since, tally.sampled) == (100, 0, 91)  # both ends of the 90 days
    assert (tally.rule, tally.pace) == (Count(), Count(newly=91))
    [answer] = [a for a in made.answers["platform"] if a.scope.purpose == GENERATIVE]
    assert answer.ways[0].by == BEGAN
    assert "It comes into force" in effecttext.sentences(made)


# --- the pace ---------------------------------------------------------------------------------------------------


def test_a_source_that_does_not_reach_back_and_a_handful_of_records_have_no_pace(tmp_path: Path) -> None:
    law = policy(SERVICE, TRAIN)
    young = [post(f"y{n}", "ann", NOW - timedelta(days=n)) for n in range(60)]
    made = effect.effect(ready(tmp_path / "y", gate(law, [], "ann"), young), "a", "b", SILENT)
    cell = the_cell(made)
    assert (cell.paced, cell.tally.unpaced, cell.tally.sampled) == ("a source reaches back too short a time", 60, 0)
    few = [post("long ago", "ann", NOW - timedelta(days=900)), *young[:9]]
    made = effect.effect(ready(tmp_path / "f", gate(law, [], "ann"), few), "a", "b", SILENT)
    assert the_cell(made).paced == "fewer than 10 records in the window"
    [document] = next(a for a in made.as_json()["platform"] if a["purpose"] == GENERATIVE)["categories"]
    assert document["new"]["a_month"] is None
    assert "unknown: 9 of the 10 records that a pace needs" in effecttext.sentences(made)


def test_every_source_has_a_window_of_its_own_and_no_time_of_the_future_counts(tmp_path: Path) -> None:
    law = policy(SERVICE, TRAIN)
    early = [post(f"e{n}", "ann", datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=n)) for n in range(200)]
    late = [post(f"l{n}", "ann", NOW - timedelta(days=n)) for n in range(200)] + [
        post("wrong clock", "ann", NOW + timedelta(days=999))
    ]
    made = effect.effect(ready(tmp_path, gate(law, [], "ann"), early, late), "a", "b", SILENT)
    assert [w.newest for w in made.windows] == [early[-1].collected_at, NOW]
    assert the_cell(made).tally.sampled == 91 + 91
    assert not made.stale
    made = effect.effect(ready(tmp_path / "old", gate(law, [], "ann"), early), "a", "b", SILENT)
    assert made.stale
    assert "that is the pace of then, not of today" in effecttext.sentences(made)


def test_who_says_yes_now_counts_for_what_is_to_come(tmp_path: Path) -> None:
    """A yes of last week does not reach the posts of the window, and does reach those of next week."""
    law = policy(SERVICE, replace(TRAIN, basis="consent"))
    rows = [post(f"p{n}", "ann", NOW - timedelta(days=8 + n)) for n in range(120)]
    yes = said("ann", "given", at=NOW - timedelta(days=7))
    made = effect.effect(ready(tmp_path, gate(law, [yes], "ann"), rows), "a", "b", SILENT)
    tally = the_cell(made).tally
    assert (tally.so_far, tally.pace) == (Count(), Count(newly=91))


def test_who_came_of_age_meanwhile_counts_as_an_adult_for_what_is_to_come(tmp_path: Path) -> None:
    """What Ann wrote as a minor stays out for good; what she will write does not."""
    rows = [post(f"p{n}", "ann", NOW - timedelta(days=9 + n)) for n in range(120)]
    law, [adult] = policy(SERVICE, TRAIN), facts("ann")
    minor = replace(adult, age_band="13_17")
    grown = choice.people([], [minor, replace(adult, valid_from=NOW - timedelta(days=5))])
    made = effect.effect(ready(tmp_path, replace(gate(law, []), snapshot=grown), rows), "a", "b", SILENT)
    tally = the_cell(made).tally
    assert (tally.so_far, tally.pace) == (Count(), Count(newly=91))


def test_sources_judged_together_count_as_each_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source starts counting at nothing: gathered, their ordinals are told apart, and so are what stands in."""
    sources = [[replace(r, source=f"s{n}") for r in reef()[n::3]] for n in range(3)]
    prepared = ready(tmp_path, gate(policy(SERVICE, TRAIN), [BOB_SAYS_NO], "ann", "bob", "cat"), *sources)
    assert [len(places) for places in prepared.judgement.gatherings] == [3]
    together = effect.effect(prepared, "a", "b", CLAIMING)
    monkeypatch.setattr(judgement, "GATHERED", 1)
    assert [len(places) for places in prepared.judgement.gatherings] == [1, 1, 1]
    alone = effect.effect(prepared, "a", "b", CLAIMING)
    assert together.answers == alone.answers
    assert the_cell(together).tally.older == 20


# --- the same as a naive recount ----------------------------------------------------------------------------------


SEEDS = range(24 if os.environ.get("CI") else 6)


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_equal_a_naive_recount(tmp_path: Path, seed: int) -> None:
    seeds = (number for number in range(seed * 40, seed * 40 + 40) if versions_of(number) > 1)
    world = worlds.make(next(seeds), records=250)
    text = (CLAIMING, CLAIMING, SILENT)[seed % 3]
    law = world.gate.policy
    old, new = law.versions[-2:]
    prepared = ready(tmp_path, world.gate, list(world.records))
    made = effect.effect(
        prepared, old.version, new.version, text,
        purposes=[world.gate.job.purpose], recipients=[world.gate.job.recipient],
    )  # fmt: skip
    for answer in made.answers["platform"]:
        found = {cell.categories: cell.tally for cell in answer.cells}
        job = replace(world.gate.job, use=answer.scope.use)
        assert found == recount(prepared, job, old, new, made.claim.answer == "claimed")


def versions_of(seed: int) -> int:
    return len(worlds.make(seed, records=0).gate.policy.versions)


def recount(prepared: Ready, job: Job, old: PolicyVersion, new: PolicyVersion, claimed: bool) -> dict[Any, Tally]:
    """The same, record by record with ``decide``, written down as the page says it."""
    bound, law = prepared.bound, prepared.bound.policy
    as_of = max(bound.as_of, new.effective_from)
    versions = [v for v in law.versions if v.effective_from <= new.effective_from]
    versions[-1] = replace(versions[-1], effective_to=None)
    older = [v for v in law.versions if v.effective_from <= old.effective_from]
    older[-1] = replace(older[-1], effective_to=None)
    known = Policy(law.name, tuple(versions))
    alone = replace(
        versions[-1], effective_from=datetime(1900, 1, 1, tzinfo=UTC), commitments=known.promises(as_of),
        embargoes=known.embargoes,
    )  # fmt: skip
    gates = {
        name: replace(bound, policy=p, job=job, as_of=as_of)
        for name, p in (("was", Policy(law.name, tuple(older))), ("now", known), ("read", Policy(law.name, (alone,))))
    }
    with prepared.engine.connect() as con:
        records = []
        for view in prepared.judgement.records(con):
            rows = con.sql(f"SELECT * FROM {view} ORDER BY ordinal").to_arrow_table().to_pylist()
            records += [as_record(row) for row in rows]
    times = [r.collected_at for r in records if r.collected_at is not None and r.collected_at <= bound.as_of]
    window = (max(times) - timedelta(days=90), max(times))
    paced = min(times) <= window[0]
    found: dict[Any, Tally] = {}
    for record in records:
        tally = naive(record, gates, as_of, new.effective_from, claimed, paced)
        if paced and record.collected_at is not None and window[0] <= record.collected_at <= window[1]:
            coming = replace(record, collected_at=as_of, created_at=record.created_at and as_of)
            tally += Tally(sampled=1, pace=moved(*(gates[g].decide(coming) for g in ("was", "now"))))
        labels = record.main.categories
        key = None if labels is None else tuple(sorted({c for c in labels if c is not None}))
        found[key] = found.get(key, Tally()) + tally
    return found


def naive(
    record: Record, gates: dict[str, Gate], as_of: datetime, begins: datetime, claimed: bool, paced: bool
) -> Tally:
    was, becomes, read = (gates[g].decide(record) for g in ("was", "now", "read"))
    unpaced = 0 if paced else 1
    if record.collected_at is None or record.collected_at > as_of:
        return Tally(undated=1, unpaced=unpaced)
    if record.collected_at >= begins:
        return Tally(since=1, unpaced=unpaced, so_far=moved(was, becomes))
    reads = read if claimed and not used(becomes) else becomes
    return Tally(older=1, unpaced=unpaced, rule=moved(was, becomes), read=moved(was, reads))


def used(decision: Any) -> bool:
    return decision.outcome in (Outcome.PERMIT, Outcome.REDACT)


def moved(was: Any, becomes: Any) -> Count:
    if used(was) and used(becomes):
        return Count(other_parts=int(was.removed != becomes.removed))
    return Count(int(used(becomes) and not used(was)), int(used(was) and not used(becomes)))


def test_the_worlds_of_the_recount_are_live(tmp_path: Path) -> None:
    """Every number that is compared above is more than nothing somewhere, or agreeing would mean little."""
    seen: Counter[str] = Counter()
    for seed in range(40):
        world = worlds.make(seed, records=80)
        if len(world.gate.policy.versions) < 2:
            continue
        old, new = world.gate.policy.versions[-2:]
        prepared = ready(tmp_path / str(seed), world.gate, list(world.records))
        for tally in recount(prepared, world.gate.job, old, new, True).values():
            for name in ("read", "rule", "so_far", "pace"):
                count: Count = getattr(tally, name)
                seen.update({f"{name}.{f}": getattr(count, f) for f in ("newly", "no_longer", "other_parts")})
    assert all(
        seen[f"{name}.{field}"] for name in ("read", "rule", "so_far", "pace") for field in ("newly", "no_longer")
    )
    assert sum(seen[f"{name}.other_parts"] for name in ("read", "rule", "so_far", "pace"))
    assert seen["read.newly"] > seen["rule.newly"]


# --- one person -------------------------------------------------------------------------------------------------


QUOTE = Part(
    "quote", ("user.content.public",), audience_at="public", audience_now="public",
    parties=(Party("ann", "quoted_author"),), place="span", start=0, end=6, source_state=None,
)  # fmt: skip


def quoting(id: str, subject: str, day: datetime, **more: Any) -> Record:
    return post(id, subject, day, parts=(replace(QUOTE, **more),))


def test_a_person_reads_their_own_numbers(tmp_path: Path) -> None:
    law = policy(SERVICE, TRAIN)
    quotes = [quoting(f"q{n}", "bob", datetime(2023, 7, 1 + n, tzinfo=UTC)) for n in range(4)]
    prepared = ready(tmp_path, gate(law, [CAT_SAYS_YES], "ann", "bob", "cat"), [*reef(), *quotes])
    ann = effect.effect(prepared, "a", "b", CLAIMING, subject="ann", purposes=[GENERATIVE])
    assert set(ann.answers) == {"author", "other_person"}
    assert the_cell(ann, "author").tally == Tally(
        older=12, since=20, undated=1, sampled=20, read=Count(newly=9), so_far=Count(newly=15), pace=Count(newly=15)
    )
    assert the_cell(ann, "other_person").tally == Tally(older=4, read=Count(newly=4))
    cat = effect.effect(prepared, "a", "b", CLAIMING, subject="cat", purposes=[GENERATIVE])
    assert the_cell(cat, "author").tally == Tally(older=3, read=Count(newly=3), rule=Count(newly=3))
    assert cat.answers["other_person"][0].cells == ()
    with pytest.raises(SourceError, match="no record by or about `nobody`"):
        effect.effect(prepared, "a", "b", CLAIMING, subject="nobody")


def test_where_nobody_else_is_in_a_record_the_platform_is_the_sum_of_its_authors(tmp_path: Path) -> None:
    law = policy(SERVICE, TRAIN)
    prepared = ready(tmp_path, gate(law, [BOB_SAYS_NO, CAT_SAYS_YES], "ann", "bob", "cat"), reef())
    whole = the_cell(effect.effect(prepared, "a", "b", CLAIMING, purposes=[GENERATIVE])).tally
    people = [
        the_cell(effect.effect(prepared, "a", "b", CLAIMING, purposes=[GENERATIVE], subject=s), "author").tally
        for s in ("ann", "bob", "cat")
    ]
    assert people[0] + people[1] + people[2] == whole


@pytest.mark.parametrize(
    "event",
    [
        said("bob", "refused"), said("bob", "given", past_from=datetime(2020, 1, 1, tzinfo=UTC)), said("bob", "deleted"),
        said("bob", "age_changed", value="13_17"), said("bob", "objected", purpose="train_ai_system"),
    ],
    ids=lambda event: event.type,
)  # fmt: skip
def test_flip_what_another_person_chose_and_not_a_byte_changes(tmp_path: Path, event: Event) -> None:
    """Bob quotes Ann, Ann quotes Bob: whatever Bob says, Ann reads the same."""
    day = datetime(2023, 7, 1, tzinfo=UTC)
    hers = replace(QUOTE, parties=(Party("bob", "quoted_author"),))
    rows = [
        *(quoting(f"q{n}", "bob", day + timedelta(days=n)) for n in range(140)),
        *(post(f"a{n}", "ann", day + timedelta(days=n), parts=(hers,)) for n in range(140)),
        post("both", "bob", day, main={"parties": (Party("ann", "depicted"),)}),
    ]

    def read(events: list[Event], folder: str, everybody: bool = False) -> str:
        prepared = ready(tmp_path / folder, gate(policy(SERVICE, TRAIN), events, "ann", "bob"), rows)
        subject, purposes = (None, [GENERATIVE]) if everybody else ("ann", [])
        made = effect.effect(prepared, "a", "b", CLAIMING, subject=subject, purposes=purposes)
        return json.dumps(made.as_json()) + effecttext.sentences(made)

    assert read([], "silent") == read([event], "said")
    # ... while for the platform it does matter.
    assert read([], "silent-all", everybody=True) != read([event], "said-all", everybody=True)


def test_what_others_show_to_few_is_not_counted_towards_a_person(tmp_path: Path) -> None:
    day = datetime(2023, 7, 1, tzinfo=UTC)
    rows = [
        quoting("open", "bob", day),
        quoting("hidden", "bob", day, audience_now="followers"),
        quoting(
            "message", "bob", day, audience_at="private", audience_now="private", parties=(Party("ann", "recipient"),)
        ),
        quoting("mention", "bob", day, kind="mention", parties=(Party("ann", "mentioned"),)),
    ]
    prepared = ready(tmp_path, gate(policy(SERVICE, TRAIN), [], "ann", "bob"), rows)
    made = effect.effect(prepared, "a", "b", CLAIMING, subject="ann", purposes=[GENERATIVE])
    # The message is known to her and reached by nothing; a mention is always replaced.
    assert the_cell(made, "other_person").tally == Tally(older=3, read=Count(newly=1), unpaced=3)


def test_what_was_made_of_several_peoples_records_is_not_told(tmp_path: Path) -> None:
    both = post("summary", "ann", BEGAN - timedelta(days=9), main={"parties": (Party("bob", "quoted_author"),)})
    rows = [replace(both, kind="derived"), post("own", "ann", BEGAN - timedelta(days=8))]
    prepared = ready(tmp_path, gate(policy(SERVICE, TRAIN), [], "ann", "bob"), rows)
    made = effect.effect(prepared, "a", "b", CLAIMING, subject="ann", purposes=[GENERATIVE])
    assert (made.untold, the_cell(made, "author").tally.older) == (1, 1)
    assert "1 record was made of several people's" in effecttext.sentences(made)


# --- the command ------------------------------------------------------------------------------------------------


def ran(*args: object, code: int = 0) -> Any:
    result = CliRunner().invoke(doors, ["policy", "effect", *map(str, args)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


OLD, NEW = "2023-05-18", "2023-09-29"
TRAINING = ("--purpose", GENERATIVE)


def test_birdsite_what_is_used_is_what_the_release_holds(birdsite: Any) -> None:
    """Nothing could be trained on before, so what moves is what the demo's release took, older and since."""
    w = birdsite.ws.folder
    document = json.loads(ran(OLD, NEW, "-w", w, *TRAINING, "--json").stdout)
    one = next(a for a in document["platform"] if a["use"] == "suggest-replies")
    moved = sum(c["declared_rule"]["newly"] + c["new"]["so_far"]["newly"] for c in one["categories"])
    counts = birdsite.release.counts
    assert moved == counts["permit"] + counts["redact"]
    assert document["older_data"]["answer"] == "denied"
    assert "Chirps that were written under an older text stay under it." in document["older_data"]["denying"]
    assert all(c["if_text_reaches_older"] is None for c in one["categories"])
    assert document["pace"]["stale"] is True
    assert {s["source"] for s in document["pace"]["sources"]} == set(birdsite.ws.sources)


def test_birdsite_in_sentences(birdsite: Any) -> None:
    said = ran(OLD, NEW, "-w", birdsite.ws.folder, "--purpose", "employment.recommend_jobs").stdout
    assert "what version 2023-09-29 changes against 2023-05-18" in said
    assert "no number, see above" in said
    assert "say no with `jobs-recommend` at any time" in said
    assert not list((birdsite.ws.folder / "private").glob("scratch*"))


def test_birdsite_towards_one_member(birdsite: Any) -> None:
    said = ran(OLD, NEW, "-w", birdsite.ws.folder, "--subject", "u:165", *TRAINING).stdout
    assert "Records of which `u:165` is the author" in said
    assert "newly used" in said
    assert "`u:165` in other people's records" in said


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ((NEW, OLD), "does not come before"),
        ((OLD, "2024-01-01"), "no version `2024-01-01`"),
        ((OLD, NEW, "--purpose", "train_ai"), "unknown purpose `train_ai`"),
        ((OLD, NEW, "--recipient", "everyone"), "unknown recipient"),
        ((OLD, NEW, "--regime", "lax"), "unknown regime"),
        ((OLD, NEW, "--source", "chirps"), "unknown source"),
        ((OLD, NEW, *TRAINING, "--subject", "165"), "no record by or about `165`"),
    ],
)
def test_what_cannot_be_meant_is_refused(birdsite: Any, args: tuple[str, ...], hint: str) -> None:
    result = CliRunner().invoke(doors, ["policy", "effect", *args, "-w", str(birdsite.ws.folder)])
    assert result.exit_code in (1, 4), result.output
    assert hint in result.stderr


def test_two_versions_without_a_clause(tmp_path: Path) -> None:
    prepared = ready(tmp_path, gate(policy(earlier=()), [], "ann"), reef())
    with pytest.raises(PolicyError, match="neither version has a clause"):
        effect.effect(prepared, "a", "b", SILENT)


# --- real posts, under a stated synthetic policy ------------------------------------------------------------------


@pytest.mark.skipif(not (DATA / "x-api-v1-congress").exists(), reason="no real data in ABOVEBOARD_DATA")
def test_real_posts_of_members_of_congress(tmp_path: Path) -> None:
    """One latest post an account: what moves since the training clause began is what a release takes of that time."""
    import test_real_judgement as real

    ws = real.workspace(tmp_path, "congress", listed=False)
    given = real.facts(tmp_path, ws, "congress")
    job = real.read_job(tmp_path / "job.toml")
    with mainjob.prepared(ws, job, facts=given) as prepared:
        first, second = ws.policy.names
        made = effect.effect(prepared, first, second, real.TEXT, purposes=[GENERATIVE])
        tallies, _ = prepared.judge(prepared.gate()).audit()
    ws.ledger.close()
    release = sum(t.records for t in tallies if t.outcome in ("permit", "redact"))
    cells = [cell for answer in made.answers["platform"] for cell in answer.cells]
    assert sum(c.tally.rule.newly + c.tally.so_far.newly for c in cells) == release > 200
    assert sum(c.tally.rule.newly for c in cells) == 0  # nobody said yes to anything
    assert sum(c.tally.older + c.tally.since + c.tally.undated for c in cells) == 1057
    print(effecttext.sentences(made))
