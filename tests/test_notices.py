"""Recipients are told what to remove: at least once on the wire, once by its id, by a deadline, and never forgotten."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

import small
from aboveboard import cleaning, disk, mainjob, manifest, notices, reading, release, removal
from aboveboard.cli import doors
from aboveboard.errors import LedgerError, NoticeError, ReleaseError, VerificationError, WorkspaceError
from aboveboard.ledger import Ledger
from aboveboard.note import Signer
from aboveboard.notices import Notice, Pace, Recipient, Reply
from aboveboard.removal import Answer, RemovalList
from aboveboard.workspace import Workspace, open_workspace, read_job

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "formats" / "removal.md"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SIGNER = Signer("birdsite/log/receipts", bytes(range(32)))
THEIRS = Signer("trainer.example/acks", bytes(range(1, 33)))
TRAINER, PARTNER = "processor:trainer", "processor:partner"
SECRET = b"\x07" * 32


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"row %d" % number).digest()


def leaves(*numbers: int) -> bytes:
    return b"".join(map(leaf, numbers))


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", clock) as found:
        yield found


def put(
    ledger: Ledger, at: datetime, *numbers: int, releases: Sequence[str] = ("r1",), within: timedelta = DAY
) -> None:
    with ledger.committing() as commit:
        notices.enqueue(commit, releases, leaves(*numbers), at, at + within)


def cut(ledger: Ledger, at: datetime, wait: timedelta = timedelta()) -> list[Any]:
    return notices.cut(ledger, "birdsite/log", SIGNER, at, wait)


class Post:
    """A road that does what it is told, in turn, and remembers what was carried."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.carried = list(replies), list[tuple[str, str, bytes]]()

    def __call__(self, to: Recipient, notice: Notice, document: bytes, now: datetime, timeout: timedelta) -> Reply:
        self.carried.append((to.name, notice.id, document))
        return self.replies.pop(0) if self.replies else Reply(True, "status 200")


def send(ledger: Ledger, clock: Clock, post: Post, *names: str, **more: Any) -> notices.Sent:
    known = {name: Recipient(name, webhook="https://x.example/hook") for name in names or (TRAINER, PARTNER)}
    return notices.send(ledger, known, clock, lambda: 0.0, carry=post, **more)


# --- lists ----------------------------------------------------------------------------------------------------------


def test_what_waits_for_a_release_goes_into_one_list_whatever_caused_it(ledger: Ledger) -> None:
    put(ledger, NOON, 3, 1)
    put(ledger, NOON + timedelta(hours=1), 2, 1)
    put(ledger, NOON + timedelta(hours=1), 9, releases=["r2"])
    made = cut(ledger, NOON + timedelta(hours=2))
    assert [(one.release, one.number, one.rows) for one in made] == [("r1", 1, 3), ("r2", 1, 1)]
    with ledger.outbox() as outbox:
        found = removal.verified(outbox.document("r1", 1), SIGNER.key)
    assert found.leaves == b"".join(sorted(map(leaf, (1, 2, 3))))
    assert (found.before, found.by) == (removal.NONE, NOON + DAY)
    assert cut(ledger, NOON + DAY) == []


def test_a_list_waits_for_others_but_never_longer_than_half_its_time(ledger: Ledger) -> None:
    put(ledger, NOON, 1)
    put(ledger, NOON, 2, releases=["r2"], within=timedelta(hours=2))
    assert cut(ledger, NOON + timedelta(minutes=59), timedelta(hours=6)) == []
    assert [one.release for one in cut(ledger, NOON + timedelta(hours=1), timedelta(hours=6))] == ["r2"]
    assert cut(ledger, NOON + timedelta(hours=5), timedelta(hours=6)) == []
    assert [one.release for one in cut(ledger, NOON + timedelta(hours=6), timedelta(hours=6))] == ["r1"]


def test_lists_name_the_one_before_and_no_row_twice(ledger: Ledger) -> None:
    put(ledger, NOON, 1, 2)
    [first] = cut(ledger, NOON)
    put(ledger, NOON, 2, 3)
    [second] = cut(ledger, NOON)
    with ledger.outbox() as outbox:
        found = removal.verified(outbox.document("r1", 2), SIGNER.key)
    assert (found.number, found.before, found.leaves) == (2, first.digest, leaf(3))
    assert second.digest == hashlib.sha256(found.sign(SIGNER)).hexdigest()


def test_more_rows_than_one_list_takes_are_several_lists(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST", 4)
    put(ledger, NOON, *range(10))
    made = cut(ledger, NOON)
    assert [(one.number, one.rows) for one in made] == [(1, 4), (2, 4), (3, 2)]
    assert cut(ledger, NOON) == []


def test_two_who_make_lists_at_once_make_one(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ledger, NOON, 1)
    mine, raced = notices._cut, list[Any]()

    def overtaken(outbox: Any, *more: Any) -> list[Any]:
        if not raced:  # the other one came first, in the moment before the ledger was held
            raced.append(mine(outbox, *more))
        return mine(outbox, *more)

    monkeypatch.setattr(notices, "_cut", overtaken)
    assert cut(ledger, NOON) == []
    assert [one.rows for one in raced[0]] == [1]
    with ledger.outbox() as outbox:
        assert len(outbox.cuts()) == 1


def test_rows_that_were_listed_before_make_a_list_of_none(ledger: Ledger) -> None:
    put(ledger, NOON, 1)
    cut(ledger, NOON)
    put(ledger, NOON, 1)
    assert [one.rows for one in cut(ledger, NOON)] == [0]
    with ledger.outbox() as outbox:
        assert removal.verified(outbox.document("r1", 2), SIGNER.key).leaves == b""
    assert cut(ledger, NOON) == []


def test_rows_that_are_torn_are_refused_and_none_are_nothing(ledger: Ledger) -> None:
    with pytest.raises(VerificationError, match="no whole number"), ledger.committing() as commit:
        notices.enqueue(commit, ["r1"], b"x" * 33, NOON, NOON)
    with ledger.committing() as commit:
        assert notices.enqueue(commit, ["r1"], b"", NOON, NOON) == 0
    assert cut(ledger, NOON) == []


def test_a_removal_stands_or_falls_with_the_transaction_that_decides_it(ledger: Ledger) -> None:
    with pytest.raises(LedgerError), ledger.committing() as commit:
        notices.enqueue(commit, ["r1", None], leaf(1), NOON, NOON)  # type: ignore[list-item]
    assert cut(ledger, NOON) == []


TABLES = (
    "deliveries", "removals", "removal_lists", "notice_attempts", "notice_answers",
    "lineage", "lineage_edges", "lineage_states", "lineage_aliases",
)  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET at = 0", "DELETE FROM {}", "INSERT OR REPLACE INTO {} SELECT * FROM {}"]
)
def test_the_tables_are_only_ever_added_to(ledger: Ledger, table: str, change: str) -> None:
    from aboveboard.ledger.lineage import Alias, State
    from aboveboard.ledger.notices import Answered
    from aboveboard.lineage import Arrow, Node

    with ledger.committing() as commit:
        commit.outbox.deliver("r1", TRAINER, NOON)
        commit.lineage.add(Node("m", "model", "00", NOON), [Arrow("m", "r1", "trained")])
        commit.lineage.end(State("m", "retired", None, NOON))
        commit.lineage.point(Alias("a", "m", NOON))
        commit.outbox.answer(Answered("n", NOON, "plain", b""))
    put(ledger, NOON, 1)
    cut(ledger, NOON)
    send(ledger, lambda: NOON, Post())  # type: ignore[arg-type]
    said = change.format(table, table).replace("SET at", "SET how" if table == "lineage_edges" else "SET at")
    with pytest.raises(LedgerError, match="only ever added to"), ledger.committing() as commit:
        commit.connection.execute(text(said))


# --- notices --------------------------------------------------------------------------------------------------------


def delivered(ledger: Ledger, at: datetime = NOON, *names: str) -> None:
    for name in names or (TRAINER,):
        notices.deliver(ledger, "r1", "controller", name, at)


def statuses(ledger: Ledger, at: datetime) -> list[str]:
    return [one.status(at) for one in notices.board(ledger)]


def test_from_pending_to_acknowledged(ledger: Ledger, clock: Clock) -> None:
    delivered(ledger)
    put(ledger, NOON, 1)
    [made] = cut(ledger, NOON)
    assert statuses(ledger, NOON) == ["pending"]
    post = Post()
    assert len(send(ledger, clock, post).arrived) == 1
    assert statuses(ledger, NOON + DAY) == ["sent"]
    assert statuses(ledger, NOON + DAY + timedelta(microseconds=1)) == ["overdue"]
    [notice] = notices.board(ledger)
    answer = Answer(made.digest, TRAINER, NOON, 1)
    assert notices.acknowledge(ledger, notice, answer.data(), None, NOON + DAY * 2) == "plain"
    assert statuses(ledger, NOON + DAY * 3) == ["acknowledged"]
    assert send(ledger, clock, post).arrived == ()
    assert len(post.carried) == 1


def test_who_receives_a_release_later_is_told_what_left_before(ledger: Ledger, clock: Clock) -> None:
    put(ledger, NOON, 1)
    cut(ledger, NOON)
    assert notices.board(ledger) == []
    delivered(ledger, NOON + DAY * 9)
    [notice] = notices.board(ledger)
    assert (notice.created, notice.due) == (NOON + DAY * 9, NOON + DAY * 10)
    assert statuses(ledger, NOON + DAY * 9) == ["pending"]


def test_a_delivery_twice_is_once_and_only_to_whom_the_judgement_asked_about(ledger: Ledger) -> None:
    assert notices.deliver(ledger, "r1", "controller", TRAINER, NOON)
    assert not notices.deliver(ledger, "r1", "controller", TRAINER, NOON + DAY)
    assert notices.deliver(ledger, "r1", "third_party:lab", "third_party:lab", NOON)
    for asked, to in (("controller", "third_party:lab"), ("controller", "affiliate:x"), (TRAINER, PARTNER)):
        with pytest.raises(NoticeError, match="somebody else"):
            notices.deliver(ledger, "r1", asked, to, NOON)


def test_tries_come_later_and_later_until_they_stop_and_the_notice_stays(ledger: Ledger, clock: Clock) -> None:
    delivered(ledger)
    put(ledger, NOON, 1)
    cut(ledger, NOON)
    post = Post(*[Reply(False, "status 500")] * 1000)
    waits: list[timedelta] = []
    pace = Pace(give_up=DAY * 2)
    while (at := notices.board(ledger)[0].next_try(pace.give_up)) is not None:
        if waits or at > clock.at:
            clock.at = at - timedelta(microseconds=1)
            send(ledger, clock, post, pace=pace)
        waits.append(at - clock.at)
        clock.at = at
        send(ledger, clock, post, pace=pace)
    gaps = [later.at - earlier.at for earlier, later in pairwise(notices.board(ledger)[0].attempts)]
    assert gaps[:4] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert gaps == sorted(gaps)
    assert max(gaps) == timedelta(hours=3)
    [notice] = notices.board(ledger)
    assert notice.dead(pace.give_up)
    assert clock.at - NOON >= DAY * 2
    assert statuses(ledger, clock.at) == ["overdue"]
    assert send(ledger, clock, Post(), pace=pace).arrived == ()
    assert send(ledger, clock, Post(), pace=pace, only=notice.id).arrived == (notice.id,)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999999])
def test_chance_spreads_tries_between_half_the_wait_and_all_of_it(chance: float) -> None:
    for tries in range(40):
        longest = min(notices.FIRST_WAIT * 2 ** min(tries, 30), notices.LONGEST_WAIT)
        assert longest / 2 <= notices._wait(tries, chance, None) <= longest
    assert notices._wait(0, chance, timedelta(hours=1)) == timedelta(hours=1)
    assert notices._wait(0, chance, timedelta(days=900)) == notices.LONGEST_WAIT


def test_one_recipient_who_cannot_be_reached_keeps_nobody_else_waiting(ledger: Ledger, clock: Clock) -> None:
    delivered(ledger, NOON, TRAINER, PARTNER)
    for number in (1, 2):
        put(ledger, NOON, number)
        cut(ledger, NOON)
    post = Post(Reply(False, "not reached: TimeoutError", reached=False))
    sent = send(ledger, clock, post)
    assert [name for name, *_ in post.carried] == [PARTNER, TRAINER, TRAINER]
    assert (len(sent.failed), len(sent.arrived)) == (1, 2)


def test_who_is_no_recipient_any_more_is_named_and_stays_open(ledger: Ledger, clock: Clock) -> None:
    delivered(ledger)
    put(ledger, NOON, 1)
    cut(ledger, NOON)
    assert len(send(ledger, clock, Post(), PARTNER).nowhere) == 1
    assert statuses(ledger, NOON + DAY * 2) == ["overdue"]


def test_answers_that_do_not_count(ledger: Ledger) -> None:
    delivered(ledger)
    put(ledger, NOON, 1)
    [made] = cut(ledger, NOON)
    [notice] = notices.board(ledger)
    to = Recipient(TRAINER, webhook="https://x.example", key=THEIRS.key)
    good = Answer(made.digest, TRAINER, NOON, 1)
    for answer, who, why in (
        (replace(good, list="0" * 64).data(), None, NoticeError),
        (replace(good, by=PARTNER).data(), None, NoticeError),
        (good.data(), to, VerificationError),  # not signed
        (good.data(SIGNER), to, VerificationError),  # by somebody else
        (good.data(THEIRS).replace(b"rows 1", b"rows 2"), to, VerificationError),
        (b"aboveboard.dev/removal-ack/v1\nlist x\n", None, VerificationError),
        (good.data() + b"\n", None, VerificationError),
        (b"", None, VerificationError),
    ):
        with pytest.raises(why):
            notices.acknowledge(ledger, notice, answer, who, NOON)
    assert statuses(ledger, NOON) == ["pending"]
    assert notices.acknowledge(ledger, notice, good.data(THEIRS), to, NOON) == "signed"
    assert notices.acknowledge(ledger, notice, replace(good, rows=0).data(THEIRS), to, NOON + DAY) == "signed"
    [notice] = notices.board(ledger)
    assert notice.answer is not None
    assert notice.answer.document == good.data(THEIRS)  # the first one stays


# --- on the wire ----------------------------------------------------------------------------------------------------

Does = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    """A recipient on this machine: what it does with each request, in turn, and the requests it saw."""

    def __init__(self) -> None:
        self.does: list[Does] = []
        self.seen: list[tuple[dict[str, str], bytes, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.seen.append(({k.lower(): v for k, v in self.headers.items()}, body, self.path))
                (outer.does.pop(0) if outer.does else ok)(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def answers(status: int, body: bytes = b"", **headers: str) -> Does:
    def does(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return does


ok = answers(200)


def drips(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """A byte now and then: no single read takes too long."""
    for letter in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 500:
        try:
            handler.wfile.write(bytes([letter]))
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def hangs_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()


def over_http(ledger: Ledger, clock: Clock, server: Server, **more: Any) -> notices.Sent:
    to = Recipient(TRAINER, webhook=server.url, secret=SECRET, **more)
    return notices.send(ledger, {TRAINER: to}, clock, lambda: 0.0, pace=Pace(timeout=timedelta(seconds=1)))


@pytest.fixture
def waiting(ledger: Ledger) -> Notice:
    delivered(ledger)
    put(ledger, NOON, 1, 2)
    cut(ledger, NOON)
    [found] = notices.board(ledger)
    return found


def test_a_webhook_is_signed_as_standard_webhooks_are(
    ledger: Ledger, clock: Clock, server: Server, waiting: Notice
) -> None:
    over_http(ledger, clock, server)
    [(headers, body, path)] = server.seen
    assert path == "/hook?key=1"
    assert hashlib.sha256(body).hexdigest() == waiting.list.digest
    signed = f"{waiting.id}.{int(NOON.timestamp())}.".encode() + body
    mark = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mark}"
    assert headers["webhook-id"] == headers["idempotency-key"] == waiting.id
    assert headers["content-type"] == notices.TYPE


def sleeps(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    time.sleep(3)
    handler.connection.close()


FAILING = {
    "sleeps": (sleeps, "not reached: "),
    "an error of theirs": (answers(500, b"who is u3?"), "status 500"),
    "not found": (answers(404), "status 404"),
    "somewhere else": (answers(302, location="http://127.0.0.1:1/"), "status 302"),
    "hangs up": (hangs_up, "not reached: RemoteDisconnected"),
    "drips": (drips, "not reached: "),
}


@pytest.mark.parametrize("fault", FAILING)
def test_what_fails_is_tried_again_under_the_same_id(
    ledger: Ledger, clock: Clock, server: Server, waiting: Notice, fault: str
) -> None:
    does, said = FAILING[fault]
    server.does = [does]
    began = time.monotonic()
    assert over_http(ledger, clock, server).failed == (waiting.id,)
    assert time.monotonic() - began < 5
    assert over_http(ledger, clock, server).failed == ()  # not yet
    clock.at += timedelta(seconds=31)
    assert over_http(ledger, clock, server).arrived == (waiting.id,)
    assert len({headers["webhook-id"] for headers, *_ in server.seen}) == 1
    [notice] = notices.board(ledger)
    assert [one.outcome for one in notice.attempts] == ["failed", "sent"]
    assert notice.attempts[0].said.startswith(said)


def test_nobody_listens(ledger: Ledger, clock: Clock, server: Server, waiting: Notice) -> None:
    server.server.shutdown()
    server.server.server_close()
    assert over_http(ledger, clock, server).failed == (waiting.id,)
    [notice] = notices.board(ledger)
    assert notice.attempts[0].said == "not reached: ConnectionRefusedError"


def test_a_recipient_who_asks_for_time_gets_it(ledger: Ledger, clock: Clock, server: Server, waiting: Notice) -> None:
    server.does = [answers(429, retry_after="3600")]
    over_http(ledger, clock, server)
    assert notices.board(ledger)[0].next_try(DAY) == NOON + timedelta(hours=1)


@pytest.mark.parametrize(("key", "how"), [(None, "plain"), (THEIRS.key, "signed")])
def test_an_answer_may_come_with_the_reply(
    ledger: Ledger, clock: Clock, server: Server, waiting: Notice, key: Any, how: str
) -> None:
    answer = Answer(waiting.list.digest, TRAINER, NOON, 2)
    server.does = [answers(200, answer.data(THEIRS if key else None))]
    over_http(ledger, clock, server, key=key)
    [notice] = notices.board(ledger)
    assert notice.answer is not None
    assert notice.answer.how == how


@pytest.mark.parametrize(
    "body",
    [b"thanks", b"aboveboard.dev/removal-ack/v1\nrubbish", Answer("0" * 64, TRAINER, NOON, 2).data(), b"\xff" * 99],
)
def test_a_reply_that_is_no_answer_leaves_it_sent(
    ledger: Ledger, clock: Clock, server: Server, waiting: Notice, body: bytes
) -> None:
    server.does = [answers(200, body)]
    assert over_http(ledger, clock, server).arrived == (waiting.id,)
    assert statuses(ledger, NOON) == ["sent"]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://trainer.example/hook", True), ("http://127.0.0.1:8080/x", True), ("http://localhost/x", True),
        ("http://trainer.example/hook", False), ("ftp://trainer.example", False), ("https://", False),
        ("https://name:word@trainer.example/", False), ("file:///etc/passwd", False), ("https://x:99999/", False),
    ],
)  # fmt: skip
def test_addresses(url: str, fine: bool) -> None:
    assert (notices.refuse_address(url) is None) == fine


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_folder_gets_the_list_and_gives_the_answer(
    ledger: Ledger, clock: Clock, waiting: Notice, tmp_path: Path
) -> None:
    folder = tmp_path / "share"
    to = {TRAINER: Recipient(TRAINER, folder=folder)}
    sent = notices.send(ledger, to, clock, lambda: 0.0)
    assert sent.failed == (waiting.id,)  # a share that is not mounted is not made
    assert not folder.exists()
    folder.mkdir()
    clock.at += timedelta(minutes=1)
    assert notices.send(ledger, to, clock, lambda: 0.0).arrived == (waiting.id,)
    [file] = folder.iterdir()
    assert removal.verified(file.read_bytes(), SIGNER.key).leaves == b"".join(sorted([leaf(1), leaf(2)]))
    file.with_suffix(".ack").write_bytes(b"no answer")
    assert notices.send(ledger, to, clock, lambda: 0.0).acknowledged == ()
    file.with_suffix(".ack").write_bytes(Answer(waiting.list.digest, TRAINER, NOON, 0).data())
    assert notices.send(ledger, to, clock, lambda: 0.0).acknowledged == (waiting.id,)


# --- the power goes -------------------------------------------------------------------------------------------------

WRITES = ("delivery", "removals", "removal list", "notice sent", "notice tried", "notice answered")
"""Every write from a delivery to an answer, in order."""


def whole_story(ledger: Ledger, folder: Path, at: datetime) -> None:
    """Deliver, remove, list, send, take the answer in; whatever is there already is not done again."""
    delivered(ledger, NOON)
    with ledger.outbox() as outbox:
        there = bool(outbox.removals())
    if not there:
        put(ledger, NOON, 1, 2)
    cut(ledger, at)
    folder.mkdir(exist_ok=True)
    to = {TRAINER: Recipient(TRAINER, folder=folder)}
    notices.send(ledger, to, lambda: at, lambda: 0.0)
    for file in folder.glob("*.removal"):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        file.with_suffix(".ack").write_bytes(Answer(digest, TRAINER, NOON, 2).data())
    notices.collect(ledger, to, lambda: at)


def settled(ledger: Ledger, folder: Path) -> None:
    whole_story(ledger, folder, NOON + timedelta(hours=1))
    [notice] = notices.board(ledger)
    assert (notice.status(NOON + DAY * 9), notice.list.rows, notice.list.number) == ("acknowledged", 2, 1)
    [file] = folder.glob("*.removal")
    assert removal.verified(file.read_bytes(), SIGNER.key).rows == 2
    with ledger.outbox() as outbox:
        assert len(outbox.removals()) == len(outbox.cuts()) == len(outbox.deliveries()) == len(outbox.answers()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_that_fails(ledger: Ledger, tmp_path: Path, step: str, when: str) -> None:
    seen = list[str]()

    def fail(moment: str, name: str) -> None:
        seen.append(name)
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    token = disk.watcher.set(fail)
    try:
        with pytest.raises(OSError, match="No space left"):
            whole_story(ledger, tmp_path / "share", NOON)
    finally:
        disk.watcher.reset(token)
    assert tuple(dict.fromkeys(seen)) == WRITES[: WRITES.index(step) + 1]
    settled(ledger, tmp_path / "share")


DIES = """
import os, sys
sys.path.insert(0, sys.argv[5])
import test_notices as story
from pathlib import Path
from aboveboard import disk
from aboveboard.ledger import Ledger

def die(moment, name):
    if (moment, name) == (sys.argv[3], sys.argv[2]):
        os._exit(9)

disk.watcher.set(die)
folder = Path(sys.argv[1])
with Ledger.open(folder / "ledger.db") as ledger:
    story.whole_story(ledger, folder / "share", story.NOON)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(tmp_path: Path, step: str, when: str) -> None:
    command = [sys.executable, "-c", DIES, str(tmp_path), step, when, "", str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        settled(ledger, tmp_path / "share")


def test_killed_after_it_arrived_it_is_sent_again_and_is_one_notice(
    ledger: Ledger, clock: Clock, server: Server, waiting: Notice
) -> None:
    def fail(moment: str, name: str) -> None:
        if (moment, name) == ("after", "notice sent"):
            raise KeyboardInterrupt

    token = disk.watcher.set(fail)
    try:
        with pytest.raises(KeyboardInterrupt):
            over_http(ledger, clock, server)
    finally:
        disk.watcher.reset(token)
    over_http(ledger, clock, server)
    assert [headers["webhook-id"] for headers, *_ in server.seen] == [waiting.id] * 2
    assert len({body for _, body, _ in server.seen}) == 1
    assert [one.outcome for one in notices.board(ledger)[0].attempts] == ["sent"]


# --- the file -------------------------------------------------------------------------------------------------------


def example() -> RemovalList:
    return RemovalList("birdsite/log", "2024-01-31T120000Z-feed-writer-4a42f67e", 1, removal.NONE, NOON, NOON + DAY,
                       b"".join(sorted([leaf(1), leaf(2)])))  # fmt: skip


def test_the_page_shows_these_bytes() -> None:
    blocks = dict(re.findall(r"^```text ([^\n]+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    data = example().sign(SIGNER)
    assert blocks["note"] == data[:-64].decode()
    assert blocks["leaves"] == f"{data[-64:-32].hex()}\n{data[-32:].hex()}\n"
    assert f"`{hashlib.sha256(data).hexdigest()}`" in PAGE.read_text("utf-8")
    answer = Answer(hashlib.sha256(data).hexdigest(), TRAINER, NOON + timedelta(hours=3), 2)
    assert blocks["answer"] == answer.data(THEIRS).decode()
    assert str(SIGNER.key) in PAGE.read_text("utf-8")
    assert str(THEIRS.key) in PAGE.read_text("utf-8")
    mark = notices.headers(SECRET, notices.notice_id(hashlib.sha256(data).hexdigest(), TRAINER), NOON, data)
    said = "".join(f"{name}: {value}\n" for name, value in mark.items())
    assert blocks["headers"] == said
    assert SECRET.hex() in PAGE.read_text("utf-8")


def test_every_other_byte_is_refused() -> None:
    data = example().sign(SIGNER)
    assert removal.verified(data, SIGNER.key) == example()
    for at in range(len(data)):
        for bit in (1, 128):
            bent = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            with pytest.raises(VerificationError):
                removal.verified(bent, SIGNER.key)
    for bent in (data[:-1], data + b"x", data[32:], b"", data[:-32], data.replace(b"rows 2", b"rows 999999999")):
        with pytest.raises(VerificationError):
            removal.verified(bent, SIGNER.key)


def test_leaves_stand_ascending_and_once() -> None:
    wrong = replace(example(), leaves=b"".join(sorted([leaf(1), leaf(2)], reverse=True)))
    with pytest.raises(VerificationError, match="one form"):
        removal.parse(wrong.sign(SIGNER))
    with pytest.raises(VerificationError, match="one form"):
        removal.parse(replace(example(), leaves=leaf(1) * 2).sign(SIGNER))


# --- a platform and a recipient -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("notices") / "platform")
    with (folder / "aboveboard.toml").open("a") as file:
        file.write(f'[recipients."{TRAINER}"]\nfolder = "trainer"\n[notices]\nwait_hours = 0\n')
    (folder / "trainer").mkdir()
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return folder


@pytest.fixture
def platform(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "platform"))


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: object, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


def rows_of(folder: Path) -> list[Any]:
    return [row for file in sorted((folder / "data").iterdir()) for row in pq.read_table(file).to_pylist()]


def removed_from(platform: Path, name: str, rows: Sequence[Any], within: timedelta = DAY) -> None:
    at = datetime.now(UTC)
    ws: Workspace = open_workspace(platform)
    with ws.ledger, ws.ledger.committing() as commit:
        notices.enqueue(commit, [name], b"".join(map(manifest.leaf, rows)), at, at + within)


def test_a_platform_tells_a_recipient_who_cleans_a_copy_and_answers(platform: Path, tmp_path: Path) -> None:
    [public] = release.published(platform / "releases")
    told = document("release", "deliver", "latest", "--to", TRAINER, "-w", platform)
    assert told == {"release": public.name, "recipient": TRAINER, "new": True, "lists": 0}
    copy = Path(shutil.copytree(public, tmp_path / "copy"))
    every = rows_of(copy)
    removed_from(platform, public.name, every[:5])
    assert document("notices", "list", "-w", platform) == []
    sent = document("notices", "send", "-w", platform)
    assert (sent["lists"][0]["rows"], len(sent["sent"]), sent["overdue"]) == (5, 1, [])
    [file] = (platform / "trainer").iterdir()

    answer = file.with_suffix(".ack")
    [done] = document("release", "apply-removals", copy, file, "--answer", answer, "--as", TRAINER)
    assert (done["removed"], done["left"], done["follows"]) == (5, len(every) - 5, True)
    assert rows_of(copy) == every[5:]
    [again] = document("release", "apply-removals", copy, file)
    assert (again["removed"], again["left"]) == (0, len(every) - 5)
    assert rows_of(public) == every  # only the copy was touched

    assert len(document("notices", "send", "-w", platform)["acknowledged"]) == 1
    [notice] = document("notices", "list", "-w", platform)
    assert notice["status"] == "acknowledged"
    assert document("notices", "list", "--open", "-w", platform) == []
    shown = document("notices", "show", notice["notice"][:8], "-w", platform)
    assert [one["outcome"] for one in shown["attempts"]] == ["sent"]
    assert shown["answered"] == "plain"


def test_overdue_is_exit_3_and_an_answer_by_hand_ends_it(platform: Path) -> None:
    [public] = release.published(platform / "releases")
    ran("release", "deliver", public.name, "--to", TRAINER, "-w", platform)
    removed_from(platform, public.name, rows_of(public)[:1], within=timedelta(0))
    ran("notices", "send", "-w", platform, code=3)
    [notice] = document("notices", "list", "-w", platform, code=3)
    assert notice["status"] == "overdue"
    assert "overdue" in ran("notices", "list", "-w", platform, code=3).stdout
    ran("notices", "show", notice["notice"], "-w", platform, code=3)
    ran("notices", "ack", notice["notice"], "-w", platform, code=2)
    ran("notices", "ack", notice["notice"], "--by-hand", "-w", platform)
    assert document("notices", "list", "-w", platform)[0]["status"] == "acknowledged"
    ran("notices", "show", "ffffff", "-w", platform, code=1)


def test_what_is_no_recipient_or_no_release(platform: Path) -> None:
    ran("release", "deliver", "latest", "--to", "processor:traner", "-w", platform, code=1)
    ran("release", "deliver", "2020", "--to", TRAINER, "-w", platform, code=1)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ('[recipients."trainer"]\nfolder = "x"', "unknown recipient"),
        ('[recipients."controller"]\nfolder = "x"', "no recipient that could be told"),
        ('[recipients."processor:*"]\nfolder = "x"', "no recipient that could be told"),
        ('[recipients."processor:a"]\n', "no address, or two"),
        ('[recipients."processor:a"]\nfolder = "x"\nwebhook = "https://a.example"', "no address, or two"),
        ('[recipients."processor:a"]\nwebhook = "http://a.example"\nsecret = "s"', "https"),
        ('[recipients."processor:a"]\nwebhook = "https://a.example"', "secret"),
        ('[recipients."processor:a"]\nfolder = "x"\nfoldr = "y"', "unknown key"),
        ('[recipients."processor:a"]\nfolder = "x"\nkey = "y"', "verifier key"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path: Path, settings: str, why: str) -> None:
    (tmp_path / "aboveboard.toml").write_text(settings)
    with pytest.raises(Exception, match=why) as raised:
        _ = open_workspace(tmp_path).recipients
    assert raised.type.__module__ == "aboveboard.errors"


def test_the_secret_of_a_webhook_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "aboveboard.toml"
    file.write_text('[recipients."processor:a"]\nwebhook = "https://a.example/x"\nsecret = "a.secret"')
    (tmp_path / "a.secret").write_text("07" * 32 + "\n")
    with pytest.raises(WorkspaceError, match="secret"):
        _ = open_workspace(tmp_path).recipients
    os.chmod(tmp_path / "a.secret", 0o600)
    found = open_workspace(tmp_path).recipients["processor:a"]
    assert found.secret == SECRET
    assert "0707" not in repr(found)
    assert "\\x07" not in repr(found)


@pytest.mark.parametrize("value", ['"6"', "-1", "1.5", "true"])
def test_paces_that_cannot_be_meant(tmp_path: Path, value: str) -> None:
    (tmp_path / "aboveboard.toml").write_text(f"[notices]\nwait_hours = {value}")
    with pytest.raises(WorkspaceError, match="wait_hours"):
        _ = open_workspace(tmp_path).pace


# --- copies ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    [public] = release.published(template / "releases")
    return Path(shutil.copytree(public, tmp_path / "copy"))


def listed(template: Path, copy: Path, rows: Sequence[Any], number: int = 1, before: str = removal.NONE) -> bytes:
    ws = open_workspace(template)
    name = json.loads((copy / "manifest.json").read_bytes())["predicate"]["id"]
    gone = b"".join(sorted(map(manifest.leaf, rows)))
    return RemovalList(ws.origin, name, number, before, NOON, NOON + DAY, gone).sign(ws.signer("receipt"))


def test_the_key_came_with_the_release_or_is_given(template: Path, copy: Path) -> None:
    data = listed(template, copy, rows_of(copy)[:2])
    with pytest.raises(VerificationError):
        cleaning.apply(copy, data, SIGNER.key)
    (copy / "proof" / "keys.json").rename(copy / "keys.json")
    with pytest.raises(VerificationError, match="no key"):
        cleaning.apply(copy, data)
    (copy / "keys.json").rename(copy / "proof" / "keys.json")
    assert cleaning.apply(copy, data).removed == 2


def test_every_row_may_leave_and_the_rest_is_as_it_was(template: Path, copy: Path) -> None:
    every = rows_of(copy)
    assert cleaning.apply(copy, listed(template, copy, every)).left == 0
    assert rows_of(copy) == []
    assert pq.read_schema(next((copy / "data").iterdir())).names == list(manifest.RELEASED_COLUMNS)
    with pytest.raises(ReleaseError, match="another one"):
        reading.checked(copy)  # what is left is not what was published, and nobody takes it for that


def test_a_list_that_was_lost_on_the_way_is_missed(template: Path, copy: Path, tmp_path: Path) -> None:
    every = rows_of(copy)
    first = listed(template, copy, every[:1])
    second = listed(template, copy, every[1:2], 2, hashlib.sha256(first).hexdigest())
    one, two = tmp_path / "1.removal", tmp_path / "2.removal"
    one.write_bytes(first)
    two.write_bytes(second)
    assert "ask for it" in ran("release", "apply-removals", copy, two, code=3).stderr
    done = document("release", "apply-removals", copy, two, one)
    assert [(d["list"], d["removed"], d["follows"]) for d in done] == [(1, 1, True), (2, 0, True)]
    assert rows_of(copy) == every[2:]


def test_lists_of_other_releases_and_damaged_copies(template: Path, copy: Path) -> None:
    said = json.loads((copy / "manifest.json").read_bytes())
    data = listed(template, copy, rows_of(copy)[:2])
    said["predicate"]["id"] = "another"
    (copy / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(ReleaseError, match="this is `another`"):
        cleaning.apply(copy, data)
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(ReleaseError, match="no copy of a release"):
        cleaning.apply(copy, data)


def test_a_file_that_is_no_parquet_is_named_and_quotes_nobody(template: Path, copy: Path) -> None:
    data = listed(template, copy, rows_of(copy)[:2])
    [file] = (copy / "data").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ReleaseError, match="damaged") as raised:
        cleaning.apply(copy, data)
    assert "bird" not in str(raised.value)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["cleaned file", "cleaned by"])
def test_cleaning_that_is_interrupted_is_run_again(template: Path, copy: Path, step: str, when: str) -> None:
    every = rows_of(copy)
    data = listed(template, copy, every[:3])

    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    token = disk.watcher.set(fail)
    try:
        with pytest.raises(OSError, match="No space left"):
            cleaning.apply(copy, data)
    finally:
        disk.watcher.reset(token)
    assert rows_of(copy) in (every, every[3:])
    cleaning.apply(copy, data)
    assert rows_of(copy) == every[3:]
    assert not list((copy / "data").glob(".*"))
