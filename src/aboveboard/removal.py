"""Removal lists, which tell whoever received a release which of its rows they must not keep, and what they answer.

A list names rows by the hashes of their leaves and gives no reason: rows that were withdrawn, erased or corrected stand in one
list. It is one file, a signed note with the hashes behind it, and names the list before it, so that one that was lost on the
way is missed. An answer (acknowledgement) is a text that may be signed. Specification: docs/formats/removal.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aboveboard.errors import VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.note import Note, Signer, VerifierKey, signed
from aboveboard.statement import moment

HEADER = "aboveboard.dev/removal/v1"
ANSWER = "aboveboard.dev/removal-ack/v1"
NONE = "none"
"""What stands for the list before the first one."""
MOST = 1_000_000
"""Rows in one list: a file of 32 MB can still be sent, kept in memory and checked; more rows take more lists."""
_LONGEST_HEAD = 4_096
_FIELDS = ("origin", "release", "number", "before", "at", "by", "rows", "sha256")
_ANSWERED = ("list", "by", "at", "rows")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


# --- the rows -----------------------------------------------------------------------------------------------------


def leaves_of(data: bytes) -> tuple[bytes, ...]:
    """The leaves (32 bytes each, one behind another), ascending and each once; raises VerificationError for a torn one."""
    if len(data) % WIDTH:
        raise VerificationError(f"{len(data):,} bytes are no whole number of leaves", hint="a leaf has 32 bytes")
    return tuple(sorted({data[at : at + WIDTH] for at in range(0, len(data), WIDTH)}))


# --- a list -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemovalList:
    """The list of a ``number`` (from 1) for one release of the log ``origin``, made ``at`` a moment.

    ``by`` is when whoever holds a copy must have removed the rows and said so; ``before`` is the SHA-256 of the list before
    it, or ``none``; ``leaves`` are ascending, 32 bytes each, one behind another.
    """

    origin: str
    release: str
    number: int
    before: str
    at: datetime
    by: datetime
    leaves: bytes

    @property
    def rows(self) -> int:
        return len(self.leaves) // WIDTH

    def text(self) -> str:
        """What is signed."""
        said = (
            self.origin, self.release, self.number, self.before, moment(self.at), moment(self.by), self.rows,
            hashlib.sha256(self.leaves).hexdigest(),
        )  # fmt: skip
        return "".join(
            f"{line}\n" for line in (HEADER, *(f"{name} {value}" for name, value in zip(_FIELDS, said, strict=True)))
        )

    def sign(self, signer: Signer) -> bytes:
        """The list as one file: the note, then the leaves."""
        return signed(self.text(), [signer.sign(self.text())]) + self.leaves


def parse(data: bytes) -> tuple[RemovalList, Note]:
    """The list in these bytes and the note it stands in, whose signature is not checked yet.

    Raises VerificationError for any other bytes, however near.
    """
    head = data[:_LONGEST_HEAD].partition(b"\n\n")[0]
    said = _lines(head + b"\n", HEADER, _FIELDS, "removal list")
    width = WIDTH * _count(said["rows"])
    if width > MOST * WIDTH or width > len(data):
        raise VerificationError("the removal list has another length than it says", hint="get it again")
    written = Note.parse(data[: len(data) - width])
    found = RemovalList(
        said["origin"], said["release"], _count(said["number"]), _before(said["before"]), _moment(said["at"]),
        _moment(said["by"]), data[len(data) - width :],
    )  # fmt: skip
    if found.text() != written.text or b"".join(leaves_of(found.leaves)) != found.leaves:
        raise VerificationError("the removal list is not in its one form", hint="get it again")
    return found, written


def verified(data: bytes, key: VerifierKey) -> RemovalList:
    """The list, once this key vouches for it; raises VerificationError where it does not."""
    found, written = parse(data)
    written.verify([key])
    return found


# --- an answer ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """That ``by`` has removed what the list of this SHA-256 names; ``rows`` of them were in their copy."""

    list: str
    by: str
    at: datetime
    rows: int

    def text(self) -> str:
        said = (self.list, self.by, moment(self.at), self.rows)
        return "".join(
            f"{line}\n" for line in (ANSWER, *(f"{name} {value}" for name, value in zip(_ANSWERED, said, strict=True)))
        )

    def data(self, signer: Signer | None = None) -> bytes:
        """The answer as it is sent: the plain text, or a signed note."""
        return self.text().encode() if signer is None else signed(self.text(), [signer.sign(self.text())])


def is_answer(data: bytes) -> bool:
    """Whether this calls itself an answer; whether it is one, ``answered`` says."""
    return data.startswith(f"{ANSWER}\n".encode())


def answered(data: bytes, key: VerifierKey | None = None) -> Answer:
    """The answer in these bytes. With a ``key`` only one that this key signed counts, without one a signature is not looked at.

    Raises VerificationError for anything else.
    """
    said = _lines(data[:_LONGEST_HEAD].partition(b"\n\n")[0].rstrip(b"\n") + b"\n", ANSWER, _ANSWERED, "answer")
    if not _DIGEST.fullmatch(said["list"]):
        raise VerificationError("the answer names no list", hint="docs/formats/removal.md")
    found = Answer(said["list"], said["by"], _moment(said["at"]), _count(said["rows"]))
    written = None if data == found.text().encode() else Note.parse(data)
    if written is not None and written.text != found.text():
        raise VerificationError("the answer is not in its one form", hint="docs/formats/removal.md")
    if key is not None:
        if written is None:
            raise VerificationError("the answer is not signed", hint=f"it has to be signed by {key.name}")
        written.verify([key])
    return found


# --- lines --------------------------------------------------------------------------------------------------------


def _lines(head: bytes, first: str, names: Sequence[str], what: str) -> Mapping[str, str]:
    """The values of the lines below the first one, by name; they have their one order."""
    try:
        lines = head.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise VerificationError(f"the {what} is not UTF-8", hint="get it again") from error
    found = dict(zip(names, (line.partition(" ") for line in lines[1:]), strict=False))
    if lines[0] != first or len(lines) != len(names) + 1 or any(name != one[0] for name, one in found.items()):
        raise VerificationError(f"this is no {what}", hint="docs/formats/removal.md")
    return {name: value for name, (_, _, value) in found.items()}


def _count(said: str) -> int:
    if not _NUMBER.fullmatch(said):
        raise VerificationError(f"`{said[:20]}` is no count", hint="docs/formats/removal.md")
    return int(said)


def _before(said: str) -> str:
    if said != NONE and not _DIGEST.fullmatch(said):
        raise VerificationError("the list does not name the one before it", hint="docs/formats/removal.md")
    return said


def _moment(said: str) -> datetime:
    try:
        found = datetime.fromisoformat(said)
        same = moment(found) == said
    except ValueError:
        same = False
    if not same:
        raise VerificationError(f"`{said[:40]}` is no moment", hint="docs/formats/removal.md")
    return found
