"""Compliance streams: what each event means, who may send it, and that neither order nor repetition matters."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aboveboard import choice, compliance, streams
from aboveboard.account import standing
from aboveboard.choice import Event, Facts
from aboveboard.cli import doors
from aboveboard.compliance import TABLE, Unreadable
from aboveboard.engine import Engine
from aboveboard.errors import AboveboardError, SourceError, VerificationError
from aboveboard.judgement import Judgement
from aboveboard.ledger import Ledger
from aboveboard.reasons import BY_CODE
from aboveboard.record import Part, Record
from aboveboard.relate import relate
from aboveboard.sources import from_records
from aboveboard.streams import Stream, import_stream
from small import make
from test_relate import PERMIT, gate, post, shown

T = "2023-11-01T12:00:00Z"
NOW = datetime(2023, 11, 20, tzinfo=UTC)
X_EVENTS: Sequence[tuple[dict[str, Any], list[tuple[str, str | None, str | None]]]] = (
    ({"delete": {"tweet": {"id": "5", "author_id": "7"}, "event_at": T}}, [("record_deleted", "7", "5")]),
    ({"delete": {"favorite": {"tweet_id": "5", "user_id": "7"}, "event_at": T}}, [("record_deleted", "7", "like:7:5")]),
    ({"drop": {"status": {"id_str": "5", "id": 5}, "timestamp_ms": "1698840000000"}}, [("record_removed", None, "5")]),
    ({"undrop": {"tweet": {"id": "5"}, "event_at": T}}, [("record_restored", None, "5")]),
    ({"withheld": {"tweet": {"id": "5"}, "withheld_in_countries": ["DE"], "event_at": T}}, [("record_withheld", None, "5")]),
    ({"withheld": {"tweet": {"id": "5"}, "withheld_in_countries": [], "event_at": T}}, [("record_unwithheld", None, "5")]),
    ({"status_withheld": {"status": {"id_str": "5"}, "withheld_in_countries": ["XX"]}}, [("record_removed", None, "5")]),
    ({"tweet_edit": {"tweet": {"id": "9"}, "initial_tweet_id": "5", "edit_tweet_ids": ["5", "7", "9"], "event_at": T}},
     [("record_edited", None, "5"), ("record_edited", None, "7")]),
    ({"user_delete": {"user": {"id": "7"}, "event_at": T}}, [("deleted", "7", None)]),
    ({"user_undelete": {"user": {"id": "7"}, "event_at": T}}, [("restored", "7", None)]),
    ({"user_protect": {"user": {"id_str": "7"}, "event_at": T}}, [("protected", "7", None)]),
    ({"user_unprotect": {"user": {"id": "7"}, "event_at": T}}, [("unprotected", "7", None)]),
    ({"user_suspend": {"user": {"id": "7"}, "event_at": T}}, [("suspended", "7", None)]),
    ({"user_unsuspend": {"user": {"id": "7"}, "event_at": T}}, [("unsuspended", "7", None)]),
    ({"user_withheld": {"user": {"id": "7"}, "withheld_in_countries": ["fr", "DE"], "event_at": T}},
     [("withheld", "7", "DE FR")]),
    ({"user_withheld": {"user": {"id": "7"}, "withheld_in_countries": ["XX"], "event_at": T}}, [("suspended", "7", "XX")]),
    ({"scrub_geo": {"user": {"id": "7"}, "up_to_tweet_id": "5", "event_at": T}}, [("geo_scrubbed", "7", "5")]),
    ({"user_profile_modification": {"user": {"id": "7"}, "profile_field": "name", "event_at": T}}, []),
)  # fmt: skip
DID, HIM = "did:plc:aaa", "https://m.example/users/bob"
NOTE = "https://m.example/notes/1"
OTHER_EVENTS: Sequence[tuple[str, dict[str, Any], list[tuple[str, str | None, str | None]]]] = (
    ("atproto", {"kind": "account", "time_us": 1, "account": {"did": DID, "active": False, "status": "takendown", "time": T}},
     [("suspended", DID, None)]),
    ("atproto", {"kind": "account", "account": {"did": DID, "active": False, "status": "deleted", "time": T}},
     [("deleted", DID, None)]),
    ("atproto", {"kind": "account", "account": {"did": DID, "active": False, "status": "asleep", "time": T}},
     [("withheld", DID, None)]),
    ("atproto", {"$type": "com.atproto.sync.subscribeRepos#account", "did": DID, "seq": 4, "active": True, "time": T},
     [("restored", DID, None), ("unsuspended", DID, None), ("reactivated", DID, None), ("unwithheld", DID, None)]),
    ("atproto", {"$type": "#tombstone", "did": DID, "seq": 4, "time": T}, [("deleted", DID, None)]),
    ("atproto", {"kind": "identity", "identity": {"did": DID, "handle": "a.example", "seq": 3}}, []),
    ("atproto", {"kind": "commit", "did": DID, "time_us": 1698840000000000,
                 "commit": {"operation": "delete", "collection": "app.bsky.feed.post", "rkey": "3k"}},
     [("record_deleted", DID, f"at://{DID}/app.bsky.feed.post/3k")]),
    ("activitypub", {"type": "Delete", "id": "a1", "actor": HIM, "object": HIM, "published": T}, [("deleted", HIM, None)]),
    ("activitypub", {"type": "Delete", "actor": HIM, "object": {"type": "Tombstone", "id": NOTE}},
     [("record_deleted", HIM, NOTE)]),
    ("activitypub", {"type": "Update", "actor": HIM, "object": {"type": "Note", "id": NOTE, "updated": T}},
     [("record_edited", HIM, NOTE)]),
    ("activitypub", {"type": "Update", "actor": HIM, "object": {"type": "Person", "id": HIM, "suspended": True}, "published": T},
     [("suspended", HIM, None)]),
    ("activitypub", {"type": "Undo", "actor": HIM, "object": {"type": "Announce", "id": NOTE}}, [("record_deleted", HIM, NOTE)]),
    ("activitypub", {"type": "Undo", "actor": HIM, "object": {"type": "Follow", "id": NOTE}}, []),
    ("activitypub", {"type": "Create", "actor": HIM, "object": {"type": "Note", "id": NOTE}}, []),
)  # fmt: skip


def told(kind: str, event: object) -> list[tuple[str, str | None, str | None]]:
    return [(one.type, one.subject, one.value) for one in compliance.read(kind, event).told]


@pytest.mark.parametrize(("event", "expected"), X_EVENTS, ids=str)
def test_what_x_says(event: dict[str, Any], expected: list[Any]) -> None:
    assert told("x", event) == expected
    assert told("x", {"data": event}) == expected


@pytest.mark.parametrize(("kind", "event", "expected"), OTHER_EVENTS, ids=str)
def test_what_others_say(kind: str, event: dict[str, Any], expected: list[Any]) -> None:
    assert told(kind, event) == expected


def test_every_event_of_the_table_means_what_the_ledger_knows() -> None:
    for rule in TABLE:
        assert set(rule.types) <= {*choice.ACCOUNT_TYPES, *choice.RECORD_TYPES}
        assert not rule.reason or rule.reason in BY_CODE
    assert {event for body, _ in X_EVENTS for event in body} == {rule.event for rule in TABLE if rule.kind == "x"}


def test_the_page_shows_the_table() -> None:
    page = Path(__file__).parents[1] / "docs" / "formats" / "compliance.md"
    assert compliance.table() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("x", {"user_vanish": {"user": {"id": "7"}}}), ("x", {"delete": {"tweet": {}}}), ("x", []), ("x", {}),
        ("x", {"delete": {"tweet": {"id": 2**60}}}), ("x", {"withheld": {"tweet": {"id": "5"}}}),
        ("x", {"user_protect": {"user": {"id": "7"}, "event_at": "yesterday"}}),
        ("x", {"user_protect": {"user": {"id": "7"}, "event_at": "2023-11-01T12:00:00"}}),
        ("atproto", {"kind": "account", "account": {"did": DID}}), ("atproto", {"kind": "weather"}),
        ("activitypub", {"type": "Delete", "actor": HIM, "object": "https://other.example/notes/1"}),
        ("activitypub", {"type": "Delete", "object": HIM}), ("activitypub", {"type": "Delete", "actor": HIM}),
    ],
)  # fmt: skip
def test_what_nobody_can_trust_to_mean_anything(kind: str, event: object) -> None:
    with pytest.raises(Unreadable) as caught:
        compliance.read(kind, event)
    assert caught.value.hint


@pytest.mark.parametrize("line", [b"{", b"{}{}", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_event(line: bytes) -> None:
    with pytest.raises(Unreadable):
        compliance.parsed(line)


# --- files into the ledger ----------------------------------------------------------------------------------------------


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    key = tmp_path / "x.stream"
    key.write_text("11" * 32)
    key.chmod(0o600)
    return Stream("x", "x", key)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ticks = itertools.count()
    return Ledger.open(tmp_path / "ledger.db", lambda: NOW + timedelta(seconds=next(ticks)))


def write(path: Path, events: Sequence[object], stream: Stream | None) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in events))
    beside = path.with_name(path.name + ".sig")
    beside.unlink(missing_ok=True)
    if stream is not None:
        beside.write_bytes(streams.sign(path.read_bytes(), stream))
    return path


def user(event: str, who: str = "ann", at: str | None = T) -> dict[str, Any]:
    return {event: {"user": {"id": who}, **({"event_at": at} if at else {})}}


def test_every_line_is_accounted_for(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    lines = [
        user("user_protect"),
        "{",
        "",
        user("user_profile_modification"),
        user("user_protect"),
        {"user_vanish": {}},
    ]
    report = import_stream(ledger, write(tmp_path / "f", lines, stream), stream)
    assert (report.lines, report.recorded, report.already, report.nothing) == (5, 1, 1, 1)
    assert [left.line for left in report.quarantined] == [2, 6]
    assert ledger.head() == 1


def test_the_same_file_twice_is_once(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    file = write(tmp_path / "f", [body for body, _ in X_EVENTS] + [user("user_delete", at=None)], stream)
    first = import_stream(ledger, file, stream)
    head = ledger.head()
    again = import_stream(ledger, file, stream)
    assert first.recorded == again.already
    assert again.recorded == 0
    assert ledger.head() == head


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    file = write(tmp_path / "f", [user("user_protect"), "{"], stream)
    dry = import_stream(ledger, file, stream, dry_run=True)
    assert ledger.head() == 0
    assert replace(dry, dry_run=False) == import_stream(ledger, file, stream)


def test_a_changed_file_is_refused_whole(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    file = write(tmp_path / "f", [user("user_protect")], stream)
    file.write_text(file.read_text().replace("ann", "bob"))
    with pytest.raises(VerificationError):
        import_stream(ledger, file, stream)
    assert ledger.head() == 0


def test_a_signature_with_a_public_key(tmp_path: Path, ledger: Ledger) -> None:
    private = Ed25519PrivateKey.generate()
    stream = Stream("x", "x", public_key=private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    file = write(tmp_path / "f", [user("user_protect")], None)
    beside = tmp_path / "f.sig"
    beside.write_bytes(base64.b64encode(private.sign(file.read_bytes())) + b"\n")
    assert import_stream(ledger, file, stream).recorded == 1
    beside.write_bytes(base64.b64encode(private.sign(b"other")))
    with pytest.raises(VerificationError):
        import_stream(ledger, file, stream)


def test_what_nobody_signed_only_holds(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    file = write(
        tmp_path / "f", [user("user_protect"), user("user_suspend", "bob"), user("user_unsuspend", "cat")], None
    )
    with pytest.raises(SourceError, match="nobody vouches"):
        import_stream(ledger, file, stream)
    report = import_stream(ledger, file, stream, unverified=True)
    assert report.recorded == 2
    assert [left.line for left in report.quarantined] == [3]
    facts = [Facts(subject="ann", state="active", protected=False)]
    assert standing(facts, ledger.events_of("ann"), None, NOW + timedelta(days=1)).protected is None
    # What comes again signed counts in full: what nobody verified is in the way of nothing.
    assert import_stream(ledger, write(file, [user("user_protect")], stream), stream).recorded == 1
    assert standing(facts, ledger.events_of("ann"), None, NOW + timedelta(days=1)).protected is True


@pytest.mark.parametrize("at", [None, "2033-11-01T12:00:00Z"])
def test_a_lifting_without_a_time_or_to_come_lifts_nothing(
    tmp_path: Path, ledger: Ledger, stream: Stream, at: str | None
) -> None:
    report = import_stream(ledger, write(tmp_path / "f", [user("user_unprotect", at=at)], stream), stream)
    assert report.recorded == 0
    assert len(report.quarantined) == 1


def test_another_event_under_a_known_id_is_left_out(tmp_path: Path, ledger: Ledger, stream: Stream) -> None:
    events = [{"id": "e1", "data": user("user_protect")}, {"id": "e1", "data": user("user_protect", "bob")}]
    report = import_stream(ledger, write(tmp_path / "f", events, stream), stream)
    assert (report.recorded, len(report.quarantined)) == (1, 1)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, stream: Stream) -> None:
    assert stream.key is not None
    stream.key.chmod(0o644)
    with pytest.raises(AboveboardError, match="others can read"):
        streams.sign(b"", stream)


# --- what follows -------------------------------------------------------------------------------------------------------


def spoken(tmp_path: Path, stream: Stream, order: Sequence[dict[str, Any]]) -> list[Event]:
    """The events of the ledger after these were imported one by one, in this order."""
    ticks = itertools.count()
    folder = tmp_path / "-".join(str(hash(json.dumps(one)) % 9973) for one in order)
    folder.mkdir(exist_ok=True)
    with Ledger.open(folder / "ledger.db", lambda: NOW + timedelta(seconds=next(ticks))) as ledger:
        for one in order:
            import_stream(ledger, write(folder / "f", [one], stream), stream)
        names = set(ledger.speakers(0, ledger.head())) | {f"record:{n}" for n in "12"}
        return [event for name in sorted({*names, "ann", "bob"}) for event in ledger.events_of(name)]


def decided(folder: Path, records: list[Record], said: list[Event]) -> list[tuple[str, str]]:
    engine = Engine(threads=1)
    people = choice.people(said)
    related = relate([from_records(records, folder / "in")], folder, engine, people)
    judgement = Judgement(engine, related, gate(*said))
    found = judgement.sample(len(records))
    assert [judgement.gate.decide(r) for one in records for r in judgement.find(one.id)] == found
    return shown(found)


LATE = datetime(2023, 11, 10, tzinfo=UTC)


def tweet(event: str, id: str = "1", at: str = T, **more: object) -> dict[str, Any]:
    return {event: {"tweet": {"id": id}, "event_at": at, **more}}


STORIES = [
    ([tweet("delete")], [("refuse", "life.deleted_by_author"), PERMIT]),
    ([tweet("drop")], [("refuse", "life.moderated_removed"), PERMIT]),
    ([tweet("drop"), tweet("undrop", at="2023-11-05T00:00:00Z")], [("hold", "life.restored_unconfirmed"), PERMIT]),
    ([tweet("drop"), tweet("undrop", at="2023-10-20T00:00:00Z")], [("refuse", "life.moderated_removed"), PERMIT]),
    ([tweet("delete"), tweet("undrop", at="2023-11-05T00:00:00Z")], [("refuse", "life.deleted_by_author"), PERMIT]),
    ([tweet("withheld", withheld_in_countries=["DE"])], [("hold", "life.state_unknown"), PERMIT]),
    ([tweet("tweet_edit", "9", edit_tweet_ids=["1", "9"])], [("refuse", "life.superseded_edit"), PERMIT]),
    ([user("user_protect"), user("user_unprotect", at="2023-11-05T00:00:00Z")],
     [("hold", "life.restored_unconfirmed"), PERMIT]),
    ([user("user_suspend"), user("user_unsuspend", at="2023-10-20T00:00:00Z")], [("refuse", "life.account_suspended"), PERMIT]),
]  # fmt: skip


@pytest.mark.parametrize("story", range(len(STORIES)))
def test_what_follows_whatever_the_order(tmp_path: Path, stream: Stream, story: int) -> None:
    """An undrop that is older than the drop, and comes later, changes nothing."""
    events, expected = STORIES[story]
    for n, order in enumerate(itertools.permutations(events)):
        said = spoken(tmp_path, stream, [*order, order[0]])
        assert decided(tmp_path / str(n), [post("1"), post("2", "bob")], said) == expected


def test_what_was_collected_after_a_lifting_is_judged_on_its_own(tmp_path: Path, stream: Stream) -> None:
    said = spoken(tmp_path, stream, [tweet("drop"), tweet("undrop", at="2023-11-05T00:00:00Z")])
    assert decided(tmp_path, [replace(post("1"), collected_at=LATE)], said) == [PERMIT]


def test_places_go_up_to_the_post_that_is_named(tmp_path: Path, stream: Stream) -> None:
    place = Part("geotag", ("user.location.imprecise",), content="Kinsale")
    said = spoken(tmp_path, stream, [{"scrub_geo": {"user": {"id": "ann"}, "up_to_tweet_id": "9", "event_at": T}}])
    records = [post("9", parts=(place,)), post("10", parts=(place,)), post("8", "bob", parts=(place,))]
    with_places = decided(tmp_path, records, [])
    found = decided(tmp_path / "after", records, said)
    assert found[1:] == with_places[1:]
    engine = Engine(threads=1)
    related = relate([from_records(records, tmp_path / "again")], tmp_path / "again", engine, choice.people(said))
    [ninth] = Judgement(engine, related, gate()).find("9")
    assert [part.source_state for part in ninth.parts or ()] == ["deleted"]


def test_a_stream_reaches_quotes_and_copies(tmp_path: Path, stream: Stream) -> None:
    said = spoken(tmp_path, stream, [tweet("delete")])
    words = "the herons came back to the old quay this morning, all nine of them"
    first = replace(post("1", "bob"), main=Part(content=words))
    copy = replace(post("2"), main=Part(content=words), collected_at=LATE)
    assert decided(tmp_path, [first, copy], said)[1] == ("refuse", "life.deleted_by_parent")


def test_the_command(tmp_path: Path) -> None:
    key = tmp_path / "x.stream"
    key.write_text("22" * 32)
    key.chmod(0o600)
    (tmp_path / "aboveboard.toml").write_text('[streams.x]\nkind = "x"\nkey = "x.stream"\n')
    file = write(tmp_path / "events.jsonl", [user("user_protect")], None)
    ask = ["-w", str(tmp_path), "--stream", "x"]
    run = CliRunner()
    assert run.invoke(doors, ["compliance", "import", str(file), *ask]).exit_code == 1
    assert run.invoke(doors, ["compliance", "sign", str(file), *ask]).exit_code == 0
    done = run.invoke(doors, ["compliance", "import", str(file), *ask, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)[0]["recorded"] == 1
    assert "user_protect" in run.invoke(doors, ["compliance", "table"]).output


def test_events_among_payloads_are_told_taken_out_signed_and_imported(tmp_path: Path) -> None:
    """The road from what a source says to what somebody vouches for, as a person walks it."""
    home = make(tmp_path / "small")
    (home / "x.toml").write_text('name = "x"\norigin = "first_party"\nreader = "x_api"\n[export]\npath = "payloads"\n')
    settings = (
        (home / "aboveboard.toml").read_text().replace('posts = "posts.toml"', 'posts = "posts.toml"\nx = "x.toml"')
    )
    (home / "aboveboard.toml").write_text(settings + '[streams.x]\nkind = "x"\nkey = "x.stream"\n')
    (home / "x.stream").write_text("33" * 32)
    (home / "x.stream").chmod(0o600)
    (home / "payloads").mkdir()
    events = [user("user_protect", "41"), user("user_unprotect", "42"), user("user_profile_modification", "43")]
    (home / "payloads" / "e.jsonl").write_text(
        "".join(json.dumps({"data": one}) + "\n" for one in [*events, events[0]])
    )
    run, ask, file = CliRunner(), ["-w", str(home)], str(home / "events.jsonl")

    told = run.invoke(doors, ["release", "build", str(home / "job.toml"), "--audit", *ask])
    assert told.exit_code == 0, told.output
    assert "nobody vouches for 1 compliance events among the payloads of `x`" in told.output
    assert "1 more lift" in told.output
    assert "aboveboard compliance extract x --to" in told.output
    done = run.invoke(doors, ["compliance", "extract", "x", "--to", file, *ask])
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in Path(file).read_text().splitlines()] == events[:2]
    assert run.invoke(doors, ["compliance", "import", file, "--stream", "x", *ask]).exit_code == 1
    assert run.invoke(doors, ["compliance", "sign", file, "--stream", "x", *ask]).exit_code == 0
    assert run.invoke(doors, ["compliance", "import", file, "--stream", "x", *ask]).exit_code == 0
    with Ledger.open(home / "ledger.db") as ledger:
        assert [one.type for who in ("41", "42") for one in ledger.events_of(who)] == ["protected", "unprotected"]
    again = run.invoke(doors, ["release", "build", str(home / "job.toml"), "--audit", *ask])
    assert "nobody vouches" not in again.output
    assert list((home / "private").iterdir()) == []
