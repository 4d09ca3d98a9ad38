"""The ledger keeps what it was told, in order, for good; its SQL fold says what the readable fold says."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aboveboard import choice, vocabulary
from aboveboard.account import is_suppressed, standing
from aboveboard.choice import (
    ACTORS,
    SENSITIVE,
    TYPES,
    Choice,
    Event,
    Facts,
    Snapshot,
    contract_excludes,
    explicit,
    fold,
    is_explicit,
    join,
    notice_at,
    sensitive,
)
from aboveboard.errors import AboveboardError, LedgerError, VocabularyError
from aboveboard.gate import EXPLICIT
from aboveboard.ledger import Appended, Ledger, Scope, flatten
from aboveboard.ledger.columns import columns_of
from aboveboard.ledger.events import CONTENT, FIELDS, OPTIONAL, row_of
from aboveboard.ledger.flatten import FOREVER, KNOWN_FROM, UNKNOWN_FROM
from aboveboard.ledger.snapshot import BLOCK

T0 = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    """A clock that a test turns by hand."""

    def __init__(self, now: datetime = T0) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "choices.db", clock) as opened:
        yield opened


def said(type: str = "withdrawn", subject: str = "u:1", **fields: Any) -> Event:
    fields.setdefault("effective_at", T0 - DAY)
    return Event(subject=subject, type=type, recorded_at=fields["effective_at"], **fields)


# Appending


def test_append_gives_position_and_stamps_the_moment(ledger: Ledger, clock: Clock) -> None:
    first = ledger.append(said(purpose="train_ai_system"))
    clock.now += DAY
    second = ledger.append(said("given", subject="u:2"))
    assert (first.position, first.recorded_at) == (1, T0)
    assert (second.position, second.recorded_at) == (2, T0 + DAY)
    assert second.counts_from == T0 + DAY  # a backdated yes counts from when it was recorded
    assert ledger.head() == 2


def test_every_field_survives(ledger: Ledger) -> None:
    event = said(
        "given", category="user.content.public", purpose="train_ai_system.generative",
        recipient="affiliate:x",
        past_from=T0 - 9 * DAY, past_to=T0 - 8 * DAY, expires_at=T0 + DAY, verified=False,
        effective_verified=True, actor="parent", method="zwölf \x00 \U0001f426", notice="ab" * 32,
        language="de", value="", external_id="x-1",
    )  # fmt: skip
    stored = ledger.append(event)
    assert stored == replace(event, position=1, recorded_at=T0)
    assert ledger.events_of("u:1") == [stored]
    (row,) = ledger.snapshot().events_table().to_pylist()
    assert row == {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in ((name, getattr(stored, name)) for name in FIELDS)
    }


def test_same_statement_twice_is_one_event(ledger: Ledger, clock: Clock) -> None:
    event = said(external_id="portal-7")
    first = ledger.append(event)
    clock.now += DAY
    assert ledger.append(replace(event, recorded_at=T0 + 9 * DAY)) == first
    assert ledger.head() == 1


def test_another_statement_under_a_known_id_is_an_error_that_names_it(ledger: Ledger) -> None:
    ledger.append(said(external_id="portal-7"))
    with pytest.raises(LedgerError, match="portal-7"):
        ledger.append(said("given", external_id="portal-7"))
    assert ledger.head() == 1


@pytest.mark.parametrize("name", [name for name in CONTENT if name not in ("external_id",)])
def test_every_field_of_content_makes_another_statement(ledger: Ledger, name: str) -> None:
    other = {
        "subject": "u:9", "type": "refused", "category": "user.location", "purpose": "analyse",
        "recipient": "controller",
        "past_from": T0, "past_to": T0, "effective_at": T0, "expires_at": T0, "verified": False,
        "effective_verified": True, "actor": "parent", "method": "phone", "notice": "n", "language": "en",
        "vocabulary": 7, "value": "v",
    }[name]  # fmt: skip
    ledger.append(said(external_id="a"))
    with pytest.raises(LedgerError):
        ledger.append(replace(said(external_id="a"), **{name: other}))


def test_events_without_external_id_are_never_merged(ledger: Ledger) -> None:
    ledger.append(said())
    ledger.append(said())
    assert ledger.head() == 2


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (said("alowed"), VocabularyError),
        (said("given", actor="tenant_admin"), LedgerError),
        (said(subject=""), LedgerError),
        (said(effective_at=datetime(2024, 1, 1)), LedgerError),  # noqa: DTZ001
        (said(past_from=T0, past_to=datetime(2024, 1, 1)), AboveboardError),  # noqa: DTZ001
        (said(method="\ud800"), LedgerError),
        (said(subject=7), LedgerError),  # type: ignore[arg-type]
    ],
)
def test_what_may_not_stand_in_a_ledger_leaves_nothing(ledger: Ledger, event: Event, error: type[Exception]) -> None:
    with pytest.raises(error):
        ledger.append(event)
    assert ledger.head() == 0


VALUES = {
    "age_changed": "adult", "moved": "US-TX", "record_withdrawn": "posts/1", **dict.fromkeys(choice.RECORD_TYPES, "r1")
}  # fmt: skip


@pytest.mark.parametrize("actor", ["tenant_admin", "stranger"])
@pytest.mark.parametrize("kind", TYPES)
def test_who_may_only_close_opens_nothing(ledger: Ledger, kind: str, actor: str) -> None:
    event = said(kind, actor=actor, value=VALUES.get(kind))
    if kind not in choice.OPENING:
        assert ledger.append(event).position == 1
        return
    with pytest.raises(LedgerError, match=f"`{actor}` cannot record `{kind}`") as caught:
        ledger.append(event)
    assert caught.value.hint
    assert ledger.append(replace(event, actor="operator")).position == 1


@pytest.mark.parametrize(("method", "whose"), [("estate", "estate"), ("parental", "parent")])
@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("kind", ["given", "withdrawn"])
def test_only_an_estate_speaks_as_one_and_only_a_parent_as_one(
    ledger: Ledger, method: str, whose: str, actor: str, kind: str
) -> None:
    event = said(kind, actor=actor, method=method)
    if actor == whose:
        assert ledger.append(event).method == method
        return
    with pytest.raises(LedgerError) as caught:
        ledger.append(event)
    assert caught.value.hint


@pytest.mark.parametrize("actor", ["tenant_admin", "stranger"])
def test_nobody_hears_an_opening_of_who_may_only_close(actor: str) -> None:
    """A ledger that somebody else wrote to may hold what ours refuses."""
    facts = Facts(subject="u:1", state="active", age_band="13_17", residency="DE")
    own = [said("deleted", effective_at=T0 - 3 * DAY)]
    own += [said(kind, actor=actor, value=VALUES.get(kind)) for kind in ("restored", "age_changed", "moved")]
    own.append(said("notice_shown", actor=actor, notice="n1"))
    found = standing([facts], own, T0, T0)
    assert (found.state, found.age, found.residency) == ("deleted", "13_17", "DE")
    assert notice_at(own, ["n1"], T0) is None
    heard = [replace(event, actor="operator") for event in own]
    found = standing([facts], heard, T0, T0)
    assert (found.state, found.age, found.residency) == ("active", "adult", "US-TX")
    assert notice_at(heard, ["n1"], T0) is not None
    assert standing([facts], [said("deleted", actor=actor)], T0, T0).state == "deleted"


@pytest.mark.parametrize(
    ("method", "actor", "counted"),
    [
        ("estate", "subject", ""),
        ("parental", "estate", ""),
        ("estate", "estate", "estate"),
        ("portal", "subject", "portal"),
    ],
)
def test_a_method_of_somebody_else_counts_as_none(method: str, actor: str, counted: str) -> None:
    event = said("given", method=method, actor=actor)
    found = fold([event], "user.content.public", "train_ai_system.generative", "controller", T0, T0)
    assert (found.state, found.method) == ("given", counted)


@pytest.mark.parametrize(
    ("category", "purpose", "expected"),
    [
        ("user.biometric", "security", True),
        ("user.biometric.voice", "security.identification", True),
        ("user.authorization.biometric", "security", True),
        ("user.demographic.religious_belief", "analyse.tdm", True),
        ("user.demographic", "analyse.tdm", False),
        ("user.location", "analyse.tdm", False),
        ("user.biometric", None, False),
        (None, "security", False),
        ("user", "security", False),
        (None, None, False),
    ],
)
def test_a_yes_is_explicit_where_it_names_both(category: str | None, purpose: str | None, expected: bool) -> None:
    event = said("given", category=category, purpose=purpose)
    assert is_explicit(event) is expected
    assert explicit([event]) == ((event,) if expected else ())
    no = replace(event, type="withdrawn")
    assert explicit([no]) == (no,)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("user.content.public",), ()),
        (("user.content.public", "user.biometric.voice"), ("user.biometric.voice",)),
        (("user.location",), ("user.location.precise",)),
        (("user.biometric",), ("user.biometric", "user.biometric.health")),
        (("user.authorization",), ("user.authorization.biometric",)),
    ],
)
def test_what_has_to_be_named_is_the_narrower_of_label_and_root(labels: tuple[str, ...], expected: Any) -> None:
    assert sensitive(labels) == expected


def test_the_sensitive_kinds_are_those_that_the_gate_asks_about() -> None:
    assert {*SENSITIVE} == {*vocabulary.BIOMETRIC, *EXPLICIT}
    assert all(bool(sensitive([label])) == vocabulary.touches([label], SENSITIVE) for label in vocabulary.CATEGORIES)


def test_a_clock_that_runs_backwards_does_not_take_the_ledger_along(ledger: Ledger, clock: Clock) -> None:
    ledger.append(said())
    clock.now -= DAY
    assert ledger.append(said()).recorded_at == T0


def test_speakers_and_those_whose_words_run_out(ledger: Ledger) -> None:
    for n, kind in enumerate(("given", "withdrawn", "renewed")):
        ledger.append(replace(said(kind), subject=f"u:{n}"))
    ledger.append(replace(said("given", expires_at=T0 + DAY), subject="u:7"))
    assert ledger.speakers(0, 4) == ["u:0", "u:1", "u:2", "u:7"]
    assert ledger.speakers(1, 3) == ["u:1", "u:2"]
    assert ledger.speakers(4, 4) == []
    assert ledger.expiring(T0, T0 + DAY) == ["u:7"]
    assert ledger.expiring(T0 + DAY, T0 + 2 * DAY) == ledger.expiring(T0, T0) == []


def test_a_commit_holds_the_ledger_and_enters_a_release_once(ledger: Ledger) -> None:
    ledger.append(said())
    entry = {"id": "r", "position": 1, "as_of": "t", "manifest_sha256": "00", "staged": "a", "public": "releases",
             "bits": 0, "keys": "{}"}  # fmt: skip
    with ledger.committing() as commit:
        assert commit.head == 1
        commit.enter(entry)
    assert ledger.releases() == [entry]
    with pytest.raises(LedgerError, match="committed once"), ledger.committing() as commit:
        commit.enter(entry)


def test_a_commit_that_fails_enters_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        names = ("id", "as_of", "manifest_sha256", "staged", "public", "keys")
        with ledger.committing() as commit:
            commit.enter({**dict.fromkeys(names, "r"), "position": 0, "bits": 0})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert ledger.releases() == []


# Bulk


def test_append_many_is_idempotent_and_counts(ledger: Ledger) -> None:
    batches = [[said(subject=f"u:{i}", external_id=f"x{i}") for i in range(k, k + 10)] for k in (0, 10, 5)]
    assert ledger.append_many(batches) == Appended(added=20, already=10, head=20)
    assert ledger.append_many(batches[:1]) == Appended(added=0, already=10, head=20)


def test_a_failing_batch_leaves_nothing_and_keeps_the_ones_before(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="x1"):
        ledger.append_many([[said(external_id="x1")], [said(external_id="x2"), said("given", external_id="x1")]])
    assert ledger.head() == 1


def test_history_keeps_its_recorded_at_in_order(ledger: Ledger) -> None:
    log = [replace(said(), recorded_at=T0 - days * DAY) for days in (1, 9, 5)]
    ledger.append_many([log], keep_recorded_at=True)
    assert [e.recorded_at for e in ledger.events_of("u:1")] == [T0 - 9 * DAY, T0 - 5 * DAY, T0 - DAY]
    ledger.append_many([[replace(said(), recorded_at=T0 - 7 * DAY)]], keep_recorded_at=True)
    assert ledger.events_of("u:1")[-1].recorded_at == T0 - DAY  # raised: no position is recorded before its neighbour
    with pytest.raises(LedgerError, match="yet to come"):
        ledger.append_many([[replace(said(), recorded_at=T0 + DAY)]], keep_recorded_at=True)


NULLABLE = {
    "external_id": "", "category": "user.content", "purpose": "train_ai_system", "recipient": "controller",
    "past_from": T0 - 9 * DAY, "past_to": T0 - 8 * DAY, "expires_at": T0 + DAY, "notice": "0", "language": "",
    "value": "0",
}  # fmt: skip


def test_a_batch_keeps_what_is_missing_apart_from_what_is_empty(ledger: Ledger) -> None:
    """Nulls are bound as values of another kind: nothing that may be said must be read as one."""
    assert NULLABLE.keys() == OPTIONAL
    whole = said(**NULLABLE)
    batch = [whole, *(replace(whole, **{"external_id": f"without {name}", name: None}) for name in NULLABLE)]
    batch += [said(external_id="0", expires_at=datetime(1970, 1, 1, tzinfo=UTC)), said()]
    ledger.append_many([batch])
    stored = [replace(event, position=0, recorded_at=T0) for event in ledger.events_of("u:1")]
    assert stored == [replace(event, recorded_at=T0) for event in batch]


def test_columns_are_looked_for_again_once_the_ledger_has_moved_on(ledger: Ledger) -> None:
    columns = columns_of([row_of(said(external_id=f"x{i}")) for i in range(3)])
    ledger.append(said(external_id="x1"))
    assert ledger.add_columns(columns, keep_recorded_at=False, new_at=0) == 2
    assert [event.external_id for event in ledger.events_of("u:1")] == ["x1", "x0", "x2"]
    other = columns_of([row_of(said("given", external_id="new")), row_of(said("given", external_id="x0"))])
    with pytest.raises(LedgerError, match="x0"):
        ledger.add_columns(other, keep_recorded_at=False, new_at=0)
    with pytest.raises(LedgerError) as caught:  # and the file refuses it where somebody claims to have looked
        ledger.add_columns(other, keep_recorded_at=False, new_at=3)
    assert "u:1" not in str(caught.value)
    assert ledger.head() == 3


# The file


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET type = 'given'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        "INSERT OR REPLACE INTO events SELECT position + 1, {rest} FROM events",
        "INSERT INTO events SELECT position + 2, NULL, {others} FROM events",
    ],
)
def test_the_file_itself_refuses_change(ledger: Ledger, tmp_path: Path, statement: str) -> None:
    ledger.append(said(external_id="x"))
    names = list(FIELDS)
    raw = sqlite3.connect(tmp_path / "choices.db")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(statement.format(rest=", ".join(names[1:]), others=", ".join(names[2:])))
    raw.close()
    assert [e.type for e in ledger.events_of("u:1")] == ["withdrawn"]


def test_the_file_refuses_a_recorded_at_that_runs_backwards(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(said())
    raw = sqlite3.connect(tmp_path / "choices.db")
    row = list(row_of(replace(said(), position=2, recorded_at=T0 - DAY)))
    with pytest.raises(sqlite3.IntegrityError, match="recorded_at"):
        raw.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", row)
    raw.close()


def test_the_file_is_strict_and_in_write_ahead_mode(ledger: Ledger, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "choices.db")
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert raw.execute("SELECT strict FROM pragma_table_list WHERE name = 'events'").fetchone() == (1,)
    assert [r[1] for r in raw.execute("PRAGMA table_info(events)")] == list(FIELDS)
    raw.close()


@pytest.mark.parametrize("where", ["{}/new.db", "sqlite:///{}/new.db"])
def test_a_new_file_is_its_owners_alone(tmp_path: Path, where: str) -> None:
    with Ledger.open(where.format(tmp_path)) as ledger:
        ledger.append(said())
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("new.db*")}
    assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), "0o600")


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "choices.db").close()
    (tmp_path / "choices.db").chmod(0o640)
    Ledger.open(tmp_path / "choices.db").close()
    assert (tmp_path / "choices.db").stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone.db").symlink_to(tmp_path / "nowhere" / "choices.db")
    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger.open(tmp_path / "gone.db")


def test_reopening_keeps_everything(tmp_path: Path) -> None:
    for expected in (1, 2):
        with Ledger.open(f"sqlite:///{tmp_path}/choices.db") as ledger:
            assert ledger.append(said()).position == expected


def test_a_ledger_of_a_newer_version_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "choices.db")
    raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError, match="newer"):
        Ledger.open(tmp_path / "choices.db")


@pytest.mark.parametrize("where", ["missing/choices.db", "postgresql://host/db"])
def test_a_place_without_a_ledger_is_said(tmp_path: Path, where: str) -> None:
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / where if "://" not in where else where)


def test_a_file_that_is_no_ledger_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be looked at as one" * 40)
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "notes.txt")


def test_many_writers_leave_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "choices.db"
    Ledger.open(path).close()
    program = (
        "import sys; from datetime import UTC, datetime\n"
        "from aboveboard.ledger import Ledger; from aboveboard.choice import Event\n"
        "with Ledger.open(sys.argv[1]) as ledger:\n"
        "    for i in range(40):\n"
        "        now = datetime(2024, 1, 1, tzinfo=UTC)\n"
        "        ledger.append(Event(subject='u:1', type='refused', recorded_at=now, effective_at=now))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with Ledger.open(path) as ledger:
        assert [e.position for e in ledger.events_of("u:1")] == list(range(1, 121))


def test_errors_never_carry_the_values_of_a_statement(ledger: Ledger, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "choices.db")
    raw.execute("DROP TABLE events")
    raw.close()
    with pytest.raises(LedgerError) as caught:
        ledger.append(said(subject="somebody-in-particular"))
    assert "somebody" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_importing_the_ledger_loads_no_engine() -> None:
    program = "import sys, aboveboard.ledger; assert not {'duckdb', 'pyarrow', 'alembic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# Snapshots


class _Facts:
    def facts_of(self, subject: str) -> Sequence[Facts]:
        return (Facts(subject=subject, state="active"),)


def test_a_snapshot_stays_where_it_was_made(ledger: Ledger) -> None:
    ledger.append(said())
    snapshot: Snapshot = ledger.snapshot(_Facts())
    ledger.append(said("given"))
    assert [e.position for e in snapshot.events_of("u:1")] == [1]
    assert snapshot.facts_of("u:1")[0].state == "active"
    assert ledger.snapshot().facts_of("u:1") == ()
    assert [e.position for e in ledger.events_of("u:1", upto=1)] == [1]


def test_snapshots_at_a_position(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.append(said())
    assert ledger.snapshot(position=2).events_table().num_rows == 2
    assert ledger.snapshot(position=0).events_table().num_rows == 0
    for position in (-1, 4):
        with pytest.raises(LedgerError, match="no position"):
            ledger.snapshot(position=position)


def _by_hand(events: Sequence[Event], block: int = BLOCK) -> str:
    """The digest as docs/formats/event.md spells it out."""
    whole = hashlib.sha256(b"aboveboard.ledger.v1\n")
    for start in range(0, len(events), block):
        rows = [row_of(event) for event in events[start : start + block]]
        part = hashlib.sha256()
        for (_, kind), column in zip(FIELDS.items(), zip(*rows, strict=True), strict=True):
            if kind == "text":
                texts = [None if value is None else value.encode() for value in column]
                part.update(b"".join(struct.pack("<q", -1 if t is None else len(t)) for t in texts))
                part.update(b"".join(t or b"" for t in texts))
            else:
                part.update(b"".join(struct.pack("<q", -(2**63) if v is None else v) for v in column))
        whole.update(part.digest())
    return whole.hexdigest()


def test_the_digest_is_what_the_page_says(ledger: Ledger) -> None:
    assert ledger.snapshot().digest == _by_hand([])
    stored = [
        ledger.append(said(subject=f"ü{i}", purpose="analyse" if i % 2 else None, language="" if i else None))
        for i in range(5)
    ]
    assert ledger.snapshot().digest == _by_hand(stored)
    assert ledger.snapshot(position=3).digest == _by_hand(stored[:3])
    snapshot = ledger.snapshot()
    snapshot.events_table()
    assert snapshot.digest == _by_hand(stored)


def test_the_digest_crosses_blocks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aboveboard.ledger.snapshot.BLOCK", 1_024)
    ledger.append_many([[said(subject=f"u:{i}") for i in range(1_027)]])
    stored = [replace(said(subject=f"u:{i}"), recorded_at=T0, position=i + 1) for i in range(1_027)]
    assert ledger.snapshot().digest == _by_hand(stored, block=1_024)


# The second fold

LABELS = (
    "user.content.public",
    "user.content",
    "user.content.private",
    "user.biometric.face_template",
    "user.newer",
)
PURPOSES = ("train_ai_system.generative", "employment.recommend_jobs")
RECIPIENTS = ("controller", "processor:p", "affiliate:a", "third_party:t")
SCOPES = tuple(
    Scope(i, labels, purpose, recipient, *explicitly)
    for i, (labels, purpose, recipient, *explicitly) in enumerate(
        [
            (LABELS[:1], PURPOSES[0], "controller"),
            (LABELS[:2], PURPOSES[0], "controller"),
            (LABELS[:4], PURPOSES[0], "controller"),
            ((LABELS[0], LABELS[3]), PURPOSES[1], "processor:p"),
            (LABELS[3:4], PURPOSES[0], "affiliate:a"),
            (LABELS[2:4], PURPOSES[1], "third_party:t"),
            (("user.location", "user.newer"), PURPOSES[0], "controller"),
            (LABELS[:2], PURPOSES[0], "affiliate:b"),
            (LABELS[3:4], PURPOSES[0], "controller", True),
            ((LABELS[3], "user.location.precise"), PURPOSES[0], "processor:p", True),
        ]
    )
)
AS_OF = T0

hours = st.integers(-4, 3).map(lambda k: T0 + k * DAY)  # few moments, so that ties are common
optional_hours = st.one_of(st.none(), st.none(), st.none(), hours)
notices = st.sampled_from([None, "n1", "n2"])
events_said = st.builds(
    Event,
    subject=st.just("u:1"),
    type=st.sampled_from(
        ["given"] * 5 + ["renewed", "refused", "withdrawn", "objected", "expired"] * 2
        + ["contract_bound", "notice_shown", "suppressed", "unsuppressed", "moved"]
    ),
    recorded_at=hours,
    effective_at=hours,
    category=st.sampled_from(
        [None] * 4
        + ["user", "user.content", "user.content.public", "user.biometric", "user.location.precise", "user.newer"]
    ),
    purpose=st.sampled_from([None, None, None, None, "train_ai_system", *PURPOSES]),
    recipient=st.sampled_from(
        [None] * 6 + ["controller", "affiliate", "processor:p", "affiliate:a", "third_party:*"]
    ),
    past_from=optional_hours,
    past_to=optional_hours,
    expires_at=optional_hours,
    verified=st.sampled_from([True, True, False]),
    effective_verified=st.booleans(),
    actor=st.sampled_from(["subject"] * 4 + list(ACTORS)),
    method=st.sampled_from(["", "portal", "Portal", "parental", "estate", "é", "z", "\U0001f426", "\uffee"]),
    notice=notices,
    vocabulary=st.sampled_from([1, 2]),
)  # fmt: skip


@pytest.fixture(autouse=True)
def newer_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A category that came with a later vocabulary: a yes of version 1 must not reach it."""
    term = vocabulary.Term("user.newer", "newer", since=2)
    monkeypatch.setattr(vocabulary, "CATEGORIES", {**vocabulary.CATEGORIES, "user.newer": term})


CON = duckdb.connect(config={"threads": 2})


def table_of(events: Sequence[Event]) -> pa.Table:
    kinds = {"int": pa.int64(), "text": pa.string(), "moment": pa.timestamp("us"), "flag": pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in FIELDS.items()])
    return pa.Table.from_pylist([{name: _naive(getattr(e, name)) for name in FIELDS} for e in events], schema=schema)


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def flattened(events: Sequence[Event], scopes: Sequence[Scope] = SCOPES) -> dict[tuple[int, str], list[Any]]:
    CON.register("said", table_of(events))
    flatten(CON, "said", scopes, AS_OF)
    rows: dict[tuple[int, str], list[Any]] = {}
    for scope, subject, *rest in CON.execute("FROM choices_in_force ORDER BY ALL").fetchall():
        rows.setdefault((scope, subject), []).append(rest)
    return rows


def answer(intervals: Sequence[Any], collected_at: datetime | None) -> Choice:
    at = UNKNOWN_FROM if collected_at is None else collected_at.replace(tzinfo=None)
    found = [row for row in intervals if row[0] <= at < row[1]]
    assert len(found) <= 1
    if not found:
        return Choice()
    _, _, state, past, since, method = found[0]
    return Choice(state, past, since and since.replace(tzinfo=UTC), method)


def moments(events: Sequence[Event]) -> list[datetime | None]:
    near = {KNOWN_FROM.replace(tzinfo=UTC), FOREVER.replace(tzinfo=UTC) - timedelta(microseconds=1), AS_OF}
    for event in events:
        for edge in (event.past_from, event.past_to, event.effective_at, event.recorded_at):
            if edge is not None:
                near |= {edge + timedelta(microseconds=step) for step in (-1, 0, 1)}
    return [None, *sorted(near)]


WINDOW = {"past_from": T0 - 9 * DAY, "past_to": T0 + 9 * DAY, "effective_verified": True}
HARD = (  # found by mutants of the SQL that chance let live
    [said("withdrawn"), said("refused", verified=False, effective_at=T0)],
    [said("given", effective_at=T0), said("refused", verified=False, effective_at=T0)],
    [said("given", category="user.content"), said("refused", past_from=T0 - 3 * DAY, past_to=T0)],
    [
        said("refused", effective_at=T0 - 5 * DAY, **WINDOW),
        said("given", effective_at=T0 - 2 * DAY, effective_verified=True),
    ],
    [
        said("given", category="user.content", effective_at=T0 - 2 * DAY, **WINDOW),
        said("given", category="user.biometric", effective_at=T0 - 3 * DAY, effective_verified=True, method="a"),
    ],
    [said("notice_shown", notice="n1", verified=False), said("notice_shown", notice="n2", effective_at=T0 + DAY)],
    [said("contract_bound"), said("contract_bound", expires_at=T0), said("suppressed")],
    [said("notice_shown", notice="n1", actor="stranger"), said("notice_shown", notice="n2", actor="operator")],
    [said("given", method="estate", **WINDOW), said("refused", method="parental", category="user.biometric")],
    [said("given", method="parental", actor="parent", **WINDOW), said("given", method="estate", **WINDOW)],
)


def crowd_of(lists: Sequence[Sequence[Event]]) -> dict[str, list[Event]]:
    return {f"u:{i}": [replace(event, subject=f"u:{i}") for event in said_by] for i, said_by in enumerate(lists)}


crowds = st.lists(st.lists(events_said, min_size=1, max_size=6), max_size=25).map(crowd_of)


@given(crowds)
@settings(max_examples=50, deadline=None)
@example(crowd_of(HARD))
def test_the_sql_fold_says_what_the_readable_fold_says(crowd: dict[str, list[Event]]) -> None:
    rows = flattened([event for own in crowd.values() for event in own])
    for subject, own in crowd.items():
        asked = moments(own)
        for scope in SCOPES:  # ordinary, joined and explicit, and every moment at which an answer may change
            heard = explicit(own) if scope.explicit else own
            for at in asked:
                leaves = [fold(heard, label, scope.purpose, scope.recipient, at, AS_OF) for label in scope.labels]
                expected = join(leaves)._replace(events=())
                assert answer(rows.get((scope.id, subject), []), at) == expected


@given(crowds)
@settings(max_examples=20, deadline=None)
@example(crowd_of(HARD))
def test_contracts_notices_and_suppressions_agree(crowd: dict[str, list[Event]]) -> None:
    flattened([event for own in crowd.values() for event in own])
    contracts = set(CON.execute("FROM contracts_in_force").fetchall())
    shown = {(s, n): at.replace(tzinfo=UTC) for s, n, at in CON.execute("FROM notices_shown").fetchall()}
    suppressed = {s for (s,) in CON.execute("FROM suppressed").fetchall()}
    for subject, own in crowd.items():
        for scope in SCOPES:
            bound = any(contract_excludes(own, label, scope.purpose, scope.recipient, AS_OF) for label in scope.labels)
            assert ((scope.id, subject) in contracts) == bound
        for notice in ("n1", "n2"):
            assert shown.get((subject, notice)) == notice_at(own, [notice], AS_OF)
        assert (subject in suppressed) == is_suppressed(own, AS_OF)


def test_intervals_of_one_subject_are_disjoint_and_ordered() -> None:
    events = [said("given", effective_at=T0 - k * DAY, effective_verified=True) for k in (1, 2, 3)]
    (rows,) = flattened(events, [Scope(7, LABELS[:1], PURPOSES[0], "controller")]).values()
    assert [row[0] for row in rows[1:]] == [row[1] for row in rows[:-1]]
    assert rows[-1][1] == FOREVER


def test_somebody_who_changes_their_mind_all_day_costs_no_square() -> None:
    events = [said("given" if k % 2 else "withdrawn", effective_at=T0 - timedelta(minutes=k)) for k in range(20_000)]
    events += [said("renewed", subject="u:2", effective_at=T0 - k * DAY, effective_verified=True) for k in range(5_000)]
    rows = flattened(events, SCOPES[:3])
    assert len(rows[0, "u:2"]) == 5_000
