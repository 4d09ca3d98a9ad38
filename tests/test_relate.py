"""What records owe to each other: edits, repeats, quotes, deleted parents, derived data (the ``relate`` cases)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aboveboard import choice
from aboveboard import relate as relate_room
from aboveboard.choice import Event, Facts
from aboveboard.engine import Engine
from aboveboard.gate import Decision, Gate, Job
from aboveboard.judgement import Judgement
from aboveboard.policy import Citation, Clause, PolicyVersion, timeline
from aboveboard.record import Part, Party, Record, Signal
from aboveboard.regime import Regimes
from aboveboard.relate import relate
from aboveboard.sources import from_records

THEN = datetime(2023, 10, 1, tzinfo=UTC)
NOW = datetime(2023, 12, 1, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cat")


def post(id: str, subject: str | None = "ann", text: str = "a bird on a wire", **more: Any) -> Record:
    return Record(id, "post", subject, created_at=THEN, collected_at=THEN, main=Part(content=text), **more)


def no(subject: str) -> Event:
    return Event(subject=subject, type="refused", recorded_at=THEN, effective_at=THEN)


def judge(tmp_path: Path, records: list[Record], links: dict[int, dict[str, Any]], *said: Event) -> list[Decision]:
    """The decisions of these records, with links (columns of ``record.LINKS``) set on some rows."""
    staged = from_records(records, tmp_path / "staged")
    [shard] = staged.shards
    table = pq.read_table(shard)
    rows = table.to_pylist()
    for place, link in links.items():
        rows[place] |= link
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard)
    engine = Engine(threads=1)
    related = relate([staged], tmp_path, engine)
    judgement = Judgement(engine, related, gate(*said))
    decided = judgement.sample(len(records))
    for place, (one, expected) in enumerate(zip(records, decided, strict=True)):
        # The engine and `decide` agree on what relate resolved.
        found = [r for r in judgement.find(one.id) if r.ordinal == place]
        assert [judgement.gate.decide(r) for r in found] == [expected]
    return decided


def gate(*said: Event) -> Gate:
    clause = Clause(
        "t", "permit", ("train_ai_system.generative",), ("user.content.public",), "public", ("controller",),
        "legitimate_interest", Citation((), "q"),
    )  # fmt: skip
    start = datetime(2023, 1, 1, tzinfo=UTC)
    version = PolicyVersion("p", "v", start, start, "UTC", "x", "IE", (clause,))
    facts = [Facts(subject=p, state="active", protected=False, age_band="adult", residency="IE") for p in PEOPLE]
    job = Job("train_ai_system.generative")
    return Gate(timeline([version]), choice.people(said, facts), job, NOW, Regimes(regions={"IE": "notice"}))


def shown(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(d.outcome.value, d.decisive.code) for d in decisions]


PERMIT = ("permit", "allow.policy_clause")
QUOTE = Part("quote", source_state=None, place="span", start=0, end=6)


def test_records_in_no_relation_stand_for_themselves(tmp_path: Path) -> None:
    assert shown(judge(tmp_path, [post("1"), post("2", "bob")], {})) == [PERMIT, PERMIT]


def test_only_the_newest_edit_is_used(tmp_path: Path) -> None:
    """Case 35: the version with the phone number is superseded."""
    links = {0: {"revision": 0}, 1: {"revision_of": "1", "revision": 1}}
    decided = judge(tmp_path, [post("1", text="call 555 0100"), post("2", text="call me")], links)
    assert shown(decided) == [("refuse", "life.superseded_edit"), PERMIT]


def test_a_deleted_newest_edit_never_revives_an_older_one(tmp_path: Path) -> None:
    links = {0: {"revision": 0}, 1: {"revision_of": "1", "revision": 1}}
    decided = judge(tmp_path, [post("1"), post("2", lifecycle="deleted")], links)
    assert shown(decided) == [("refuse", "life.superseded_edit"), ("refuse", "life.deleted_by_author")]


def test_a_deletion_that_names_no_first_version_ends_the_chain_of_its_id(tmp_path: Path) -> None:
    """Streams of deletions say an id and no more: here of an edit, and nothing of the edit may stand."""
    links = {0: {"revision": 0}, 1: {"revision_of": "1", "revision": 1}, 2: {"revision": 2**40}}
    decided = judge(tmp_path, [post("1"), post("2"), post("2", lifecycle="deleted")], links)
    assert shown(decided)[0] == ("refuse", "life.superseded_edit")
    assert {outcome for outcome, _ in shown(decided)} == {"refuse"}


def test_edits_in_an_order_that_nobody_knows_are_held(tmp_path: Path) -> None:
    decided = judge(tmp_path, [post("1"), post("2")], {1: {"revision_of": "1"}})
    assert shown(decided) == [("hold", "life.state_unknown")] * 2


def test_the_same_row_twice_is_used_once(tmp_path: Path) -> None:
    decided = judge(tmp_path, [post("1"), post("1"), post("2")], {})
    assert shown(decided) == [PERMIT, ("refuse", "integrity.duplicate_repeat"), PERMIT]


@pytest.mark.parametrize("change", [{"text": "another text"}, {"subject": "bob"}])
def test_two_contents_under_one_id_are_both_refused(tmp_path: Path, change: dict[str, str]) -> None:
    decided = judge(tmp_path, [post("1"), post("1", **change)], {})  # type: ignore[arg-type]
    assert shown(decided) == [("refuse", "integrity.duplicate_conflict")] * 2


def test_a_quoted_author_who_said_no_loses_the_quote_only(tmp_path: Path) -> None:
    """Case 12."""
    reply = post("2", "ann", "quoted words and mine", parts=(QUOTE,))
    decided = judge(tmp_path, [post("1", "bob"), reply], {1: {"quoted_id": "1"}}, no("bob"))
    assert shown(decided) == [("refuse", "subj.opted_out"), ("redact", "subj.co_subject_denied")]


def test_a_quote_of_a_deleted_parent_goes(tmp_path: Path) -> None:
    """Case 37."""
    reply = post("2", "ann", "quoted words and mine", parts=(replace(QUOTE, kind="parent_quote"),))
    decided = judge(tmp_path, [post("1", "bob", lifecycle="deleted"), reply], {1: {"parent_id": "1"}})
    assert shown(decided)[1] == ("redact", "life.deleted_by_parent")


def test_a_quote_of_a_record_that_is_not_here_goes(tmp_path: Path) -> None:
    decided = judge(tmp_path, [post("2", text="quoted words and mine", parts=(QUOTE,))], {0: {"quoted_id": "nowhere"}})
    assert shown(decided) == [("redact", "life.state_unknown")]
    assert "subj.co_subject_unknown" in decided[0].part_codes


def test_a_parent_whose_state_is_unknown_is_not_taken_for_present(tmp_path: Path) -> None:
    reply = post("2", text="quoted words and mine", parts=(QUOTE,))
    decided = judge(tmp_path, [post("1", "bob", lifecycle=None), reply], {1: {"quoted_id": "1"}})
    assert decided[1].outcome.value == "redact"


def test_a_repost_of_somebody_who_said_no_is_refused_and_the_original_too(tmp_path: Path) -> None:
    """Case 14."""
    edge = replace(post("2", "ann"), kind="repost")
    decided = judge(tmp_path, [post("1", "bob"), edge], {1: {"quoted_id": "1"}}, no("bob"))
    assert shown(decided) == [("refuse", "subj.opted_out"), ("refuse", "subj.co_subject_denied")]


def test_a_repost_by_somebody_who_said_no_leaves_the_original(tmp_path: Path) -> None:
    """Case 63: the original once, the edge never."""
    edge = replace(post("2", "ann"), kind="repost")
    decided = judge(tmp_path, [post("1", "bob"), edge], {1: {"quoted_id": "1"}}, no("ann"))
    assert shown(decided) == [PERMIT, ("refuse", "subj.opted_out")]


def test_a_repost_never_releases_the_text_a_second_time(tmp_path: Path) -> None:
    edge = replace(post("2", "ann"), kind="repost")
    decided = judge(tmp_path, [post("1", "bob"), edge], {1: {"quoted_id": "1"}})
    assert shown(decided) == [PERMIT, ("refuse", "xform.nothing_left")]


def test_a_repost_whose_author_nobody_knows_is_held(tmp_path: Path) -> None:
    edge = replace(post("2", "ann"), kind="repost", main=Part(parties=(Party(None, "quoted_author"),), content="RT"))
    assert shown(judge(tmp_path, [edge], {})) == [("hold", "subj.co_subject_unknown")]


def test_captions_of_a_post_whose_author_said_no_go_with_it(tmp_path: Path) -> None:
    """Case 67: derived text has the platform for an author, or none."""
    derived = replace(post("2", None, "a caption"), kind="derived")
    decided = judge(tmp_path, [post("1", "bob"), derived], {1: {"derived_from": ["1"]}}, no("bob"))
    assert shown(decided) == [("refuse", "subj.opted_out")] * 2


def test_derived_data_takes_the_strictest_labels_of_what_it_comes_from(tmp_path: Path) -> None:
    private = replace(post("1"), main=Part(audience_at="followers", categories=("user.location.precise",), content="x"))
    derived = replace(post("2", "ann"), kind="derived")
    decided = judge(tmp_path, [private, derived], {1: {"derived_from": ["1"]}})
    assert {"vis.followers_only", "cat.precise_location"} <= decided[1].codes


def test_a_bridged_copy_hears_the_signal_of_its_origin(tmp_path: Path) -> None:
    """Case 68."""
    origin = replace(post("1"), main=Part(signals=(Signal("signal.lexicon_deny"),), content="x"))
    decided = judge(tmp_path, [origin, post("2")], {1: {"derived_from": ["1"]}})
    assert shown(decided) == [("refuse", "signal.lexicon_deny")] * 2


def test_what_is_derived_from_older_data_is_as_old(tmp_path: Path) -> None:
    old = replace(post("1"), collected_at=datetime(2020, 1, 1, tzinfo=UTC))
    decided = judge(tmp_path, [old, post("2")], {1: {"derived_from": ["1"]}})
    assert shown(decided) == [("refuse", "policy.no_policy_for_time")] * 2


@pytest.mark.parametrize("links", [{1: {"derived_from": ["nowhere"]}}, {1: {"derived_from": ["2"]}}])
def test_an_origin_that_is_not_here_or_goes_in_a_circle_is_unknown(tmp_path: Path, links: dict[int, Any]) -> None:
    decided = judge(tmp_path, [post("1"), post("2")], links)
    assert decided[0].outcome.value == "permit"
    assert decided[1].outcome.value in ("hold", "refuse")
    assert "life.state_unknown" in decided[1].codes


def test_a_long_line_of_derivations_still_ends_at_the_no(tmp_path: Path) -> None:
    records = [post("0", "bob"), *(replace(post(str(n), None), kind="derived") for n in range(1, 9))]
    links = {n: {"derived_from": [str(n - 1)]} for n in range(1, 9)}
    assert {d.outcome.value for d in judge(tmp_path, records, links, no("bob"))} == {"refuse"}


def test_relations_reach_over_sources(tmp_path: Path) -> None:
    first = from_records([post("1", "bob")], tmp_path / "a", name="a")
    second = from_records([replace(post("2", None), kind="derived")], tmp_path / "b", name="b")
    [shard] = second.shards
    table = pq.read_table(shard)
    rows = [{**row, "derived_from": ["1"]} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard)
    engine = Engine(threads=1)
    judgement = Judgement(engine, relate([first, second], tmp_path, engine), gate(no("bob")))
    assert shown(judgement.sample(2)) == [("refuse", "subj.opted_out")] * 2


def test_a_source_without_rows_is_judged_to_nothing(tmp_path: Path) -> None:
    staged = from_records([], tmp_path / "staged")
    engine = Engine(threads=1)
    judgement = Judgement(engine, relate([staged], tmp_path, engine), gate())
    assert judgement.sample(5) == []
    assert judgement.audit() == ([], [])


def test_a_yes_said_later_than_collected_reaches_back_only_by_name() -> None:
    """A guard for the fixtures above: the gate they share is live."""
    late = replace(no("ann"), type="given", recorded_at=THEN + timedelta(days=9), effective_at=THEN)
    assert gate(late).decide(post("1")).outcome.value == "permit"


# --- what stands in a record is never more open there than where it came from ------------------------------------------

CLOSED = [
    {"main": Part(audience_at="followers", audience_now="followers", content="x")},
    {"main": Part(signals=(Signal("signal.lexicon_deny"),), content="x")},
    {"main": Part(labels=("illegal",), content="x")},
    {"main": Part(categories=("user.communication.message.content",), content="x")},
    {"main": Part(categories=("user.health_and_medical",), content="x")},
    {"kind": "message"},
    {"lifecycle": "draft"},
    {"lifecycle": "tombstoned"},
    {"lifecycle": "deleted"},
    {"lifecycle": None},
    {"integrity": "mismatch"},
    {"integrity": None},
    {"origin": "licensed"},
    {"origin": "crawled"},
    {"subject": None},
    {"subject": "bob"},
    {"parts": (Part("quote", parties=(Party("bob", "quoted_author"),), place="span", start=0, end=1),)},
    {"parts": (Part("media", categories=("user.communication.message.content",)),)},
    {"parts": None},
]


@pytest.mark.parametrize("change", CLOSED, ids=str)
def test_a_quote_is_never_more_open_than_what_it_quotes(tmp_path: Path, change: dict[str, Any]) -> None:
    reply = post("2", "ann", "quoted words and mine", parts=(QUOTE,))
    decided = judge(tmp_path, [replace(post("1", "ann"), **change), reply], {1: {"quoted_id": "1"}}, no("bob"))
    assert decided[1].outcome.value in ("redact", "hold", "refuse")
    assert decided[1].removed == (0,)


@pytest.mark.parametrize("change", [*CLOSED, {"kind": "like"}], ids=str)
def test_derived_data_is_never_more_open_than_what_it_comes_from(tmp_path: Path, change: dict[str, Any]) -> None:
    derived = replace(post("2", "ann", "a caption"), kind="derived")
    decided = judge(tmp_path, [replace(post("1", "ann"), **change), derived], {1: {"derived_from": ["1"]}}, no("bob"))
    assert decided[1].outcome.value in ("hold", "refuse")


def test_a_quote_of_a_quote_hears_everybody_in_it(tmp_path: Path) -> None:
    second = post("2", "ann", "quoted words and mine", parts=(QUOTE,))
    third = post("3", "ann", "quoted words and mine", parts=(QUOTE,))
    links = {1: {"quoted_id": "1"}, 2: {"quoted_id": "2"}}
    decided = judge(tmp_path, [post("1", "cat"), second, third], links, no("cat"))
    assert decided[2].removed == (0,)


def test_a_map_that_says_present_does_not_bring_a_deleted_parent_back(tmp_path: Path) -> None:
    reply = post("2", text="quoted words and mine", parts=(replace(QUOTE, source_state="present"),))
    decided = judge(tmp_path, [post("1", "bob", lifecycle="deleted"), reply], {1: {"quoted_id": "1"}})
    assert shown(decided)[1] == ("redact", "life.deleted_by_parent")


@pytest.mark.parametrize("derived_from", [None, []])
def test_derived_data_that_names_no_origin_is_unknown(tmp_path: Path, derived_from: list[str] | None) -> None:
    derived = replace(post("2", "ann", "a caption"), kind="derived")
    decided = judge(tmp_path, [derived], {0: {"derived_from": derived_from}})
    assert shown(decided) == [("hold", "life.state_unknown")]


def test_a_translation_is_as_old_as_the_original(tmp_path: Path) -> None:
    original = replace(post("1"), created_at=datetime(2020, 1, 1, tzinfo=UTC))
    derived = replace(post("2", "ann", "a translation"), kind="derived")
    staged = from_records([original, derived], tmp_path / "in")
    [shard] = staged.shards
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[1]["derived_from"] = ["1"]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard)
    engine = Engine(threads=1)
    [found] = Judgement(engine, relate([staged], tmp_path, engine), gate()).find("2")
    assert found.created_at == original.created_at


def test_edits_of_edits_leave_one_version(tmp_path: Path) -> None:
    links = {
        0: {"revision": 0},
        1: {"revision_of": "1", "revision": 1},
        2: {"revision_of": "2", "revision": 2},
    }
    decided = judge(tmp_path, [post("1"), post("2"), post("3")], links)
    assert shown(decided) == [("refuse", "life.superseded_edit")] * 2 + [PERMIT]


def test_two_newest_versions_are_none(tmp_path: Path) -> None:
    links = {0: {"revision": 0}, 1: {"revision_of": "1", "revision": 1}, 2: {"revision_of": "1", "revision": 1}}
    decided = judge(tmp_path, [post("1"), post("2"), post("3")], links)
    assert shown(decided) == [("refuse", "life.superseded_edit"), *[("hold", "life.state_unknown")] * 2]


def test_edits_in_a_circle_are_unknown(tmp_path: Path) -> None:
    links = {0: {"revision_of": "2", "revision": 0}, 1: {"revision_of": "1", "revision": 1}}
    decided = judge(tmp_path, [post("1"), post("2")], links)
    assert "permit" not in {d.outcome.value for d in decided[:1]}


def test_a_twin_that_links_nowhere_is_no_twin(tmp_path: Path) -> None:
    decided = judge(tmp_path, [post("0", "bob"), post("1"), post("1")], {1: {"derived_from": ["0"]}}, no("bob"))
    assert shown(decided)[1:] == [("refuse", "integrity.duplicate_conflict")] * 2


def test_slices_change_nothing_and_are_told_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records are put together at a time, the relations are the same rows in the same order."""
    shared = "the same words by two people, long enough to be a copy of each other"
    records = [
        post("1"), post("1"), post("2", "bob"), post("3", "cat", "quoted words and mine", parts=(QUOTE,)),
        post("4", "ann", shared), post("5", "bob", shared),
    ]  # fmt: skip
    staged = from_records(records, tmp_path / "staged")
    [shard] = staged.shards
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[3] |= {"quoted_id": "2"}
    rows[2] |= {"revision_of": "1", "revision": 3}
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard)
    found = []
    for number, size in enumerate(["1000", "2", "1"]):
        monkeypatch.setitem(relate_room._FRAGMENTS, "slice_rows", size)
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(pq.read_table(relate([staged], folder, Engine(threads=1)).relations))
    whole, *sliced = found
    assert len(whole) == 6
    assert whole["ordinal"].to_pylist() == sorted(whole["ordinal"].to_pylist())
    assert [one.equals(whole) for one in sliced] == [True, True]


def test_a_folder_whose_name_is_a_pattern_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "w[1]").mkdir()
    decided = judge(tmp_path / "w[1]", [post("1"), post("1")], {})
    assert shown(decided) == [PERMIT, ("refuse", "integrity.duplicate_repeat")]
