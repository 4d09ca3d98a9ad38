"""Notices to recipients: whoever received a release is told which of its rows they must not keep, until they answer.

A notice is one removal list for one recipient. It follows from what the ledger holds (deliveries and lists), so none is ever
forgotten; tries and answers are added behind it. A notice may arrive more than once, whatever we are killed at, and never
twice under another id: that makes it once for whoever looks. Nothing is sent but to what the workspace names. Specification:
docs/formats/removal.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from aboveboard import disk, removal, vocabulary
from aboveboard.errors import NoticeError, VerificationError
from aboveboard.ledger.notices import Answered, Attempt, Cut, Delivery, Outbox, Removal
from aboveboard.note import Signer, VerifierKey
from aboveboard.removal import MOST, NONE, RemovalList

WAIT, GIVE_UP = timedelta(hours=6), timedelta(days=30)
"""How long rows wait for others to go into one list, and after how long nobody tries any more."""
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
"""Between two tries: twice as long each time, up to this."""
LONGEST_ANSWER = 64 * 1024
TYPE = "application/vnd.aboveboard.removal"
SUFFIX, ANSWER_SUFFIX = ".removal", ".ack"
LOCAL = ("127.0.0.1", "::1", "localhost")
"""Hosts that may be told without TLS: nothing leaves the machine."""


class Commit(Protocol):
    """A transaction that holds the ledger (``Ledger.committing``)."""

    @property
    def outbox(self) -> Outbox:
        """What is added to it is there with the end of the transaction, or never was."""


class Ledger(Protocol):
    """Whoever keeps the outbox."""

    def committing(self) -> AbstractContextManager[Commit]:
        """One transaction; what is added in it is durable when the context ends, or was never there."""

    def outbox(self) -> AbstractContextManager[Outbox]:
        """The outbox as it is now, to be read."""


@dataclass(frozen=True)
class Recipient:
    """Who may receive releases, under a name of the vocabulary, and how they are told: by ``webhook`` or into a ``folder``.

    ``secret`` signs what is sent to a webhook; with a ``key`` only answers that it signed count.
    """

    name: str
    webhook: str | None = None
    folder: Path | None = None
    secret: bytes = field(default=b"", repr=False)
    key: VerifierKey | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How long rows wait for others to go into one list, after how long nobody tries again, and how long a try may take."""

    wait: timedelta = WAIT
    give_up: timedelta = GIVE_UP
    timeout: timedelta = timedelta(seconds=10)


PACE = Pace()


# --- into the outbox ----------------------------------------------------------------------------------------------


def enqueue(commit: Commit, releases: Iterable[str], leaves: bytes, at: datetime, due: datetime) -> int:
    """Have whoever received one of ``releases`` told to remove these rows until ``due``; returns how many rows.

    ``leaves``: 32 bytes each, in any order, as they stand in ``removed.bin`` or in tombstones. Call it in the transaction that
    decides the removal: then both happen or neither. ``releases`` are the one that is superseded and those that it
    superseded: who still has an older copy holds the same rows. No reason is kept.
    """
    ascending = removal.leaves_of(leaves)
    if ascending:
        with disk.step("removals"):
            for release in dict.fromkeys(releases):
                commit.outbox.remove(release, b"".join(ascending), at, due)
    return len(ascending)


def deliver(ledger: Ledger, release: str, asked: str, recipient: str, at: datetime) -> bool:
    """Record that a recipient receives a release that was judged for ``asked``; says whether that is new.

    Rows that were removed from it before are told to them as to everybody else. Raises NoticeError for a recipient whom
    the judgement did not ask about.
    """
    if not vocabulary.recipient_covers(asked, vocabulary.recipient(recipient)):
        raise NoticeError(
            f"the release was judged for `{asked}`, and `{recipient}` is somebody else", release=release,
            hint="build a release for that recipient: each choice and clause is asked again",
        )  # fmt: skip
    with disk.step("delivery"), ledger.committing() as commit:
        return commit.outbox.deliver(release, recipient, at)


# --- lists --------------------------------------------------------------------------------------------------------


Told = Callable[[Removal], timedelta | None]
"""Whether anybody is to be told of a removal: None where not, else how much later its deadline is because they came later."""


def cut(
    ledger: Ledger, origin: str, signer: Signer, now: datetime, wait: timedelta = WAIT,
    told: Told = lambda _: timedelta(),
) -> list[Cut]:  # fmt: skip
    """Make the lists that are due: of each release whose oldest removal waited as long, or as long as half its time.

    Everything that waits for a release goes in together, whatever caused it. All recipients get the same bytes. What nobody is
    ``told`` of stays where it is, and goes into a list once somebody is.
    """
    made: list[Cut] = []
    with ledger.outbox() as outbox:
        ready = [release for release in outbox.waiting() if _is_ready(outbox, release, now, wait, told)]
    if ready:
        with disk.step("removal list"), ledger.committing() as commit:
            for release in sorted(ready):
                made += _cut(commit.outbox, origin, release, signer, now, told)
    return made


def unlisted(ledger: Ledger, told: Told) -> list[Removal]:
    """What waits for a list, of which somebody is to be told, with the deadline that is theirs."""
    with ledger.outbox() as outbox:
        return [one for name in outbox.waiting() for one in _moved(outbox.removals(name, _reached(outbox, name)), told)]


def _is_ready(outbox: Outbox, release: str, now: datetime, wait: timedelta, told: Told) -> bool:
    waiting = _moved(outbox.removals(release, _reached(outbox, release)), told)
    if not waiting:
        return False
    at, due = min(one.at for one in waiting), min(one.due for one in waiting)
    return now >= at + min(wait, (due - at) / 2)


def _reached(outbox: Outbox, release: str) -> int:
    """Up to which removal the lists of a release reach."""
    return max((one.upto for one in outbox.cuts() if one.release == release), default=0)


def _moved(removals: Iterable[Removal], told: Told) -> list[Removal]:
    """Those that somebody is told of, with the deadline that is theirs."""
    late = ((one, told(one)) for one in removals)
    return [replace(one, due=one.due + more) for one, more in late if more is not None]


def _cut(outbox: Outbox, origin: str, release: str, signer: Signer, now: datetime, told: Told) -> list[Cut]:
    """INVARIANT: called in the transaction that it writes in, so that no number is given twice."""
    before = [one for one in outbox.cuts() if one.release == release]
    upto = max((one.upto for one in before), default=0)
    every = _moved(outbox.removals(release), told)
    known = {leaf for one in every if one.number <= upto for leaf in removal.leaves_of(one.leaves)}
    new = [one for one in every if one.number > upto]
    if not new:
        return []  # somebody else made the list meanwhile
    leaves = sorted({leaf for one in new for leaf in removal.leaves_of(one.leaves)} - known)
    made: list[Cut] = []
    for first in range(0, max(len(leaves), 1), MOST):
        part = leaves[first : first + MOST]
        last = before[-1].digest if before else NONE
        made.append(_list(outbox, origin, release, len(before) + 1, last, part, new, signer, now))
        before.append(made[-1])
    return made


def _list(
    outbox: Outbox, origin: str, release: str, number: int, before: str, leaves: Sequence[bytes],
    new: Sequence[Removal], signer: Signer, now: datetime,
) -> Cut:  # fmt: skip
    due = min(one.due for one in new)
    said = RemovalList(origin, release, number, before, now, due, b"".join(leaves))
    document = said.sign(signer)
    made = Cut(
        release, number, hashlib.sha256(document).hexdigest(), max(one.number for one in new), len(leaves), now, due
    )
    outbox.cut(made, document)
    return made


# --- notices ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """One list for one recipient. ``due`` is the list's own deadline, or as long after a later delivery."""

    recipient: str
    list: Cut
    created: datetime
    due: datetime
    attempts: tuple[Attempt, ...] = ()
    answer: Answered | None = None

    @property
    def id(self) -> str:
        """The same for every try, here and at the recipient (32 hexadecimal digits)."""
        return notice_id(self.list.digest, self.recipient)

    @property
    def sent(self) -> datetime | None:
        return next((one.at for one in self.attempts if one.outcome == "sent"), None)

    def status(self, now: datetime) -> str:
        """``pending`` (not sent), ``sent``, ``overdue`` (not answered in time), ``acknowledged``."""
        if self.answer is not None:
            return "acknowledged"
        if now > self.due:
            return "overdue"
        return "pending" if self.sent is None else "sent"

    def dead(self, give_up: timedelta) -> bool:
        """Whether nobody tries any more. It stays where it is, and overdue."""
        last = self.attempts[-1] if self.attempts else None
        return last is not None and self.sent is None and last.at >= self.created + give_up

    def next_try(self, give_up: timedelta) -> datetime | None:
        """When to send it; None where it was sent, answered or given up."""
        if self.sent is not None or self.answer is not None or self.dead(give_up):
            return None
        return self.attempts[-1].next_at if self.attempts and self.attempts[-1].next_at else self.created

    def as_json(self, now: datetime, give_up: timedelta = GIVE_UP) -> dict[str, object]:
        at = self.next_try(give_up)
        return {
            "notice": self.id, "recipient": self.recipient, "release": self.list.release, "list": self.list.number,
            "rows": self.list.rows, "status": self.status(now), "created": self.created.isoformat(),
            "due": self.due.isoformat(), "sent": self.sent and self.sent.isoformat(),
            "acknowledged": self.answer and self.answer.at.isoformat(), "tries": len(self.attempts),
            "next_try": at and at.isoformat(), "given_up": self.dead(give_up),
        }  # fmt: skip


def notice_id(digest: str, recipient: str) -> str:
    """The id of the notice of a list (SHA-256 of its file) to a recipient."""
    return hashlib.sha256(f"aboveboard/notice/v1\0{digest}\0{recipient}".encode()).hexdigest()[:32]


def board(ledger: Ledger) -> list[Notice]:
    """Every notice there is, by recipient, release and number."""
    with ledger.outbox() as outbox:
        tries, answers = defaultdict[str, list[Attempt]](list), {one.notice: one for one in outbox.answers()}
        for one in outbox.attempts():
            tries[one.notice].append(one)
        lists = defaultdict[str, list[Cut]](list)
        for made in outbox.cuts():
            lists[made.release].append(made)
        found = [_notice(to, made, tries, answers) for to in outbox.deliveries() for made in lists[to.release]]
    return sorted(found, key=lambda one: (one.recipient, one.list.release, one.list.number))


def _notice(to: Delivery, made: Cut, tries: Mapping[str, Sequence[Attempt]], answers: Mapping[str, Answered]) -> Notice:
    late = max(to.at - made.at, timedelta())
    name = notice_id(made.digest, to.recipient)
    return Notice(to.recipient, made, made.at + late, made.due + late, tuple(tries.get(name, ())), answers.get(name))


def one_of(notices: Iterable[Notice], name: str) -> Notice:
    """The notice whose id is or begins with ``name``; raises NoticeError where there is none or more than one."""
    found = [one for one in notices if len(name) >= 6 and one.id.startswith(name)]
    if len(found) != 1:
        raise NoticeError(f"no notice `{name}`" if not found else f"several notices begin with `{name}`",
                          hint="`aboveboard notices list` names them; six digits or more will do")  # fmt: skip
    return found[0]


# --- sending ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one try: whether it arrived, in words without anybody's own (a status, a kind of error), the answer if
    one came with it, and how long they asked us to wait."""

    arrived: bool
    said: str
    body: bytes = b""
    wait: timedelta | None = None
    reached: bool = True


Carry = Callable[[Recipient, Notice, bytes, datetime, timedelta], Reply]


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round did: the notices that arrived, failed, were answered; and those whose recipient has no address."""

    arrived: tuple[str, ...]
    failed: tuple[str, ...]
    acknowledged: tuple[str, ...]
    nowhere: tuple[str, ...]


def send(
    ledger: Ledger,
    recipients: Mapping[str, Recipient],
    now: Callable[[], datetime],
    chance: Callable[[], float],
    *,
    pace: Pace = PACE,
    only: str | None = None,
    carry: Carry | None = None,
) -> Sent:
    """Try every notice whose time has come, and take in what was answered. ``only``: this notice, whatever its time.

    ``chance`` gives a number from 0 up to 1, which spreads the tries. A recipient who cannot be reached is not tried again in
    this round. What arrived is recorded after it did: whoever dies in between sends it again under the same id.
    """
    arrived, failed, nowhere, away = list[str](), list[str](), list[str](), set[str]()
    for notice in board(ledger):
        to, at = recipients.get(notice.recipient), notice.next_try(pace.give_up)
        if (only not in (None, notice.id)) or (only is None and (at is None or at > now())) or notice.recipient in away:
            continue
        if to is None:
            nowhere.append(notice.id)
            continue
        reply = _try(ledger, to, notice, now, chance, pace, carry or carried)
        (arrived if reply.arrived else failed).append(notice.id)
        if not reply.reached:
            away.add(notice.recipient)
    return Sent(tuple(arrived), tuple(failed), tuple(collect(ledger, recipients, now)), tuple(nowhere))


def _try(
    ledger: Ledger, to: Recipient, notice: Notice, now: Callable[[], datetime], chance: Callable[[], float], pace: Pace,
    carry: Carry,
) -> Reply:  # fmt: skip
    with ledger.outbox() as outbox:
        document = outbox.document(notice.list.release, notice.list.number)
    with disk.step("notice sent"):
        reply = carry(to, notice, document, now(), pace.timeout)
    again = None if reply.arrived else now() + _wait(len(notice.attempts), chance(), reply.wait)
    with disk.step("notice tried"), ledger.committing() as commit:
        commit.outbox.attempt(Attempt(notice.id, now(), "sent" if reply.arrived else "failed", reply.said, again))
    if reply.arrived and removal.is_answer(reply.body):
        with suppress(
            VerificationError, NoticeError
        ):  # it arrived; that its answer is none is no reason to send it again
            acknowledge(ledger, notice, reply.body, to, now())
    return reply


def _wait(tries: int, chance: float, asked: timedelta | None) -> timedelta:
    """Twice as long after each try, half of it by chance, so that many senders do not come back together."""
    longest = min(FIRST_WAIT * (1 << min(tries, 20)), LONGEST_WAIT)
    return max(longest * (0.5 + chance / 2), min(asked or timedelta(), LONGEST_WAIT))


def carried(to: Recipient, notice: Notice, document: bytes, now: datetime, timeout: timedelta) -> Reply:
    """Take a notice to where its recipient says; what goes wrong on the way is a reply that says so."""
    if to.folder is not None:
        return _placed(to.folder, notice, document)
    assert to.webhook is not None  # noqa: S101 - the workspace refuses a recipient without an address
    return _posted(to.webhook, headers(to.secret, notice.id, now, document), document, timeout)


def file_name(notice: Notice) -> str:
    """What a list is called in a folder; its answer has the same name and ends in ``.ack``."""
    return f"{notice.list.release}-{notice.list.number:06d}{SUFFIX}"


def _placed(folder: Path, notice: Notice, document: bytes) -> Reply:
    # INVARIANT: the folder is never made here. A share that is not mounted must not look like one that took the list.
    if not folder.is_dir():
        return Reply(False, "the folder is not there", reached=False)
    try:
        disk.place(folder / file_name(notice), document)
    except OSError as error:
        return Reply(False, (error.strerror or type(error).__name__).lower(), reached=False)
    return Reply(True, "in the folder")


def headers(secret: bytes, notice: str, now: datetime, document: bytes) -> Mapping[str, str]:
    """What goes with a webhook, in the form of Standard Webhooks: the id is the same for each try, the signature is
    HMAC-SHA-256 over id, time and body."""
    at = str(int(now.timestamp()))
    signature = hmac.new(secret, f"{notice}.{at}.".encode() + document, hashlib.sha256).digest()
    return {
        "content-type": TYPE, "webhook-id": notice, "idempotency-key": notice, "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }  # fmt: skip


def _posted(url: str, with_: Mapping[str, str], document: bytes, timeout: timedelta) -> Reply:
    """POST to exactly this address: no redirect is followed, no proxy is used, and the whole of it ends in time."""
    asked = urlsplit(url)
    kind = http.client.HTTPSConnection if asked.scheme == "https" else http.client.HTTPConnection
    connection = kind(asked.hostname or "", asked.port, timeout=timeout.total_seconds())
    late = threading.Event()
    stop = threading.Timer(timeout.total_seconds(), _hang_up, [connection, late])
    try:
        stop.start()
        connection.request(
            "POST", (asked.path or "/") + (f"?{asked.query}" if asked.query else ""), document, dict(with_)
        )
        found = connection.getresponse()
        body = found.read(LONGEST_ANSWER)
        wait = _seconds(found.getheader("retry-after"))
        if late.is_set():  # what was cut off reads like a short reply
            return Reply(False, "not reached: it took too long", reached=False)
        return Reply(200 <= found.status < 300, f"status {found.status}", body, wait)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(False, f"not reached: {type(error).__name__}", reached=False)
    finally:
        stop.cancel()
        connection.close()


def _hang_up(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """A server that sends a byte now and then would hold the round for ever: a timeout of each read does not end it."""
    late.set()
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _seconds(said: str | None) -> timedelta | None:
    return timedelta(seconds=min(int(said), 10**6)) if said is not None and said.isascii() and said.isdigit() else None


# --- answers ------------------------------------------------------------------------------------------------------


def acknowledge(ledger: Ledger, notice: Notice, document: bytes, to: Recipient | None, now: datetime) -> str:
    """Take an answer in: ``signed`` by the recipient's key, or ``plain`` where they have none; returns which.

    Raises VerificationError or NoticeError for one that does not count. A later answer changes nothing.
    """
    key = to.key if to is not None else None
    said = removal.answered(document, key)
    if said.list != notice.list.digest or said.by != notice.recipient:
        raise NoticeError("the answer is to another list, or from somebody else", notice=notice.id,
                          hint="`list` is the SHA-256 of the file, `by` the recipient's name here")  # fmt: skip
    return _answered(ledger, notice, "plain" if key is None else "signed", document, now)


def confirm(ledger: Ledger, notice: Notice, now: datetime) -> str:
    """Record that a recipient answered by another way (a letter, a call), on the word of whoever runs this."""
    return _answered(ledger, notice, "operator", b"", now)


def _answered(ledger: Ledger, notice: Notice, how: str, document: bytes, now: datetime) -> str:
    with disk.step("notice answered"), ledger.committing() as commit:
        commit.outbox.answer(Answered(notice.id, now, how, document))
    return how


def collect(ledger: Ledger, recipients: Mapping[str, Recipient], now: Callable[[], datetime]) -> list[str]:
    """Take in the answers that lie in the folders of recipients; returns the ids of their notices. One that does not hold is
    left where it lies, and its notice stays open."""
    found = []
    for notice in board(ledger):
        to = recipients.get(notice.recipient)
        if notice.answer is None and to is not None and to.folder is not None:
            file = (to.folder / file_name(notice)).with_suffix(ANSWER_SUFFIX)
            document = _lying(file)
            with suppress(VerificationError, NoticeError):
                if document is not None:
                    acknowledge(ledger, notice, document, to, now())
                    found.append(notice.id)
    return found


def _lying(file: Path) -> bytes | None:
    """What lies in a file of a recipient's folder; None where nothing does, or nothing that could be an answer."""
    try:
        return file.read_bytes() if file.stat().st_size <= LONGEST_ANSWER else None
    except OSError:
        return None


def refuse_address(webhook: str) -> str | None:
    """Why nothing may be sent to this address; None where it may."""
    try:
        asked = urlsplit(webhook)
        port = asked.port
    except ValueError:
        return "it is no URL"
    if asked.username or asked.password or asked.fragment or port == 0:
        return "it holds a name, a password or a fragment"
    if asked.scheme == "https" and asked.hostname:
        return None
    if asked.scheme == "http" and asked.hostname in LOCAL:
        return None
    return "it has to begin with https://"
