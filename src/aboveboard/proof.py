"""Checkpoints, tiles and proofs of a log in the C2SP text forms, and the trust that says whose word counts.

A checkpoint is a note of a log's name, size and root; a proof of an entry carries the checkpoint it leads to, so that
it can be checked with nothing but the keys one trusts. Whom one trusts is a ``Trust``: a text of logs, witnesses and
how many of them. Specification: docs/formats/log.md, "Checkpoints", "Tiles", "Proofs", "Trust".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import rfc8785

from aboveboard import merkle, note
from aboveboard.errors import LogError, VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.note import COSIGNATURE, ED25519, Note, VerifierKey, Vouched

PROOF = "c2sp.org/tlog-proof@v1"
TILE = 256
"""Hashes in a full tile, entries in a full bundle."""
LARGEST_ENTRY = 8 * 1024
LONGEST_PROOF = 63
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"


# --- entries ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log: the type of a statement, when it was logged, the statement's SHA-256 and its bytes' number.

    ``at`` is an RFC 3339 time in UTC, such as ``2026-01-31T12:00:00Z``; ``digest`` is hexadecimal.
    """

    type: str
    at: str
    digest: str
    size: int

    def __post_init__(self) -> None:
        if (
            not re.fullmatch(r"[a-z][a-z0-9-]*/v[1-9][0-9]*", self.type)
            or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", self.at)
            or not re.fullmatch(r"[0-9a-f]{64}", self.digest)
            or type(self.size) is not int
            or not 0 <= self.size <= 2**53 - 1
        ):
            raise LogError("an entry of a log does not hold together", hint="docs/formats/log.md, Entries")

    def data(self) -> bytes:
        """The entry as it is hashed: canonical JSON (RFC 8785)."""
        return rfc8785.dumps({"t": self.type, "at": self.at, "digest": self.digest, "size": self.size})

    @staticmethod
    def parse(data: bytes) -> Entry:
        """The entry in these bytes; raises VerificationError for any other bytes, however near."""
        try:
            said = json.loads(data[: LARGEST_ENTRY + 1])
            found = Entry(said["t"], said["at"], said["digest"], said["size"])
        except (ValueError, KeyError, TypeError, LogError) as error:
            raise VerificationError("an entry of the log cannot be read") from error
        if found.data() != data:
            raise VerificationError("an entry of the log is not in its one form")
        return found


# --- checkpoints --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one moment: its name (origin), how many entries it has, and their root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """The checkpoint in the text of a note; raises VerificationError where it is none."""
        origin, size, root, *more = [*text.removesuffix("\n").split("\n"), "", ""]
        extensions, found = tuple(more[:-2]), note.decoded(root)
        if (
            not origin or not re.fullmatch(_NUMBER, size) or found is None or len(found) != WIDTH
            or not all(extensions) or not text.endswith("\n")
        ):  # fmt: skip
            raise VerificationError("the text of the note is no checkpoint")
        return Checkpoint(origin, int(size), found, extensions)


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that was checked: what it says, the log that signed it, and its cosigners by name."""

    checkpoint: Checkpoint
    log: VerifierKey
    cosigners: Mapping[str, Vouched]


# --- trust -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trust:
    """Whose word counts: the logs one accepts, the witnesses one knows by name, and how many of whom have to cosign.

    Groups are nested data (``members`` at least ``needed`` of which have to agree); no quorum asks for no cosigner.
    """

    logs: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, VerifierKey] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str | None = None

    @staticmethod
    def parse(data: bytes) -> Trust:
        """The trust in a file (c2sp.org/tlog-policy); raises LogError with the line that it cannot mean."""
        return _TrustText().read(data)

    def verify(self, data: bytes) -> Seen:
        """That a signed checkpoint is one to rely on: signed by a log named in it, cosigned by the quorum.

        Raises VerificationError, naming what is missing.
        """
        signed = Note.parse(data)
        checkpoint = Checkpoint.parse(signed.text)
        vouched = signed.verify([*self.logs, *self.witnesses.values()])
        logs = [one.key for one in vouched if one.key in self.logs and one.key.name == checkpoint.origin]
        if not logs:
            raise VerificationError(
                f"the checkpoint of `{checkpoint.origin}` is not signed by a log that is trusted here"
            )
        by = {one.key: one for one in vouched}
        cosigners = {name: by[key] for name, key in self.witnesses.items() if key in by}
        if self.quorum is not None and not self._agree(self.quorum, set(cosigners)):
            raise VerificationError(
                f"the checkpoint of `{checkpoint.origin}` lacks cosignatures: `quorum` asks for `{self.quorum}`",
                hint="different people may have been shown different histories", cosigners=", ".join(cosigners) or "none",
            )  # fmt: skip
        return Seen(checkpoint, logs[0], cosigners)

    def _agree(self, name: str, cosigners: set[str]) -> bool:
        if name in self.witnesses:
            return name in cosigners
        needed, members = self.groups[name]
        return sum(self._agree(member, cosigners) for member in members) >= needed


class _TrustText:
    """Reads a trust file line by line; each line may only name what stands above it, so nothing can go in a circle."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.quorum: list[str] = []
        self.members: set[str] = set()

    def read(self, data: bytes) -> Trust:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise LogError("the trust in a log is not UTF-8") from error
        for number, line in enumerate(text.split("\n"), 1):
            if any(letter < " " and letter != "\t" for letter in line):
                raise self._wrong(number, "a control character")
            words = re.split(r"[ \t]+", line.strip(" \t"))
            if words[0] and not words[0].startswith("#"):
                self._take(number, words)
        if len(self.quorum) != 1:
            raise LogError("the trust in a log has one quorum line", hint="`quorum none` asks for no cosigner")
        quorum = None if self.quorum == ["none"] else self.quorum[0]
        return Trust(tuple(self.logs), self.witnesses, self.groups, quorum)

    def _take(self, number: int, words: Sequence[str]) -> None:
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self._log(number, key)
            case ["witness", name, key, *url] if len(url) <= 1:
                self._witness(number, name, key)
            case ["group", name, needed, *members] if members:
                self._group(number, name, needed, members)
            case ["quorum", name] if not self.quorum and (name == "none" or self._known(name)):
                self.quorum.append(name)
            case _:
                raise self._wrong(number, f"`{words[0]}` says nothing that can be meant here")

    def _log(self, number: int, text: str) -> None:
        key = self._key(number, text, (ED25519,))
        if key.public in [one.public for one in self.logs]:
            raise self._wrong(number, "a log is there twice")
        self.logs.append(key)

    def _witness(self, number: int, name: str, text: str) -> None:
        key = self._key(number, text, (COSIGNATURE,))
        if self._known(name) or name == "none" or key.public in [one.public for one in self.witnesses.values()]:
            raise self._wrong(number, f"the witness `{name}`, or its key, is there twice")
        self.witnesses[name] = key

    def _group(self, number: int, name: str, needed: str, members: Sequence[str]) -> None:
        if self._known(name) or name == "none":
            raise self._wrong(number, f"`{name}` is there twice")
        for member in members:
            if not self._known(member) or member in self.members:
                raise self._wrong(number, f"`{member}` is not named above, or a member already")
            self.members.add(member)
        count = {"all": str(len(members)), "any": "1"}.get(needed, needed)
        if not re.fullmatch(_NUMBER, count) or not 1 <= int(count) <= len(members):
            raise self._wrong(number, f"`{needed}` of {len(members)} cannot be")
        self.groups[name] = (int(count), tuple(members))

    def _known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _key(self, number: int, text: str, kinds: Sequence[int]) -> VerifierKey:
        try:
            key = VerifierKey.parse(text)
        except VerificationError as error:
            raise self._wrong(number, error.sentence) from error
        if key.kind not in kinds:
            raise self._wrong(number, f"the key of `{key.name}` makes other signatures than are wanted here")
        return key

    @staticmethod
    def _wrong(number: int, sentence: str) -> LogError:
        return LogError(
            f"the trust in a log cannot be read: {sentence}", line=number, hint="docs/formats/log.md, Trust"
        )


# --- proofs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that can be kept: the place of an entry, the path to a root, and the signed checkpoint with that root.

    ``extra`` goes along unproven: whoever reads it must not rely on it.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def data(self) -> bytes:
        """The proof as a text (c2sp.org/tlog-proof@v1)."""
        extra = [] if self.extra is None else [f"extra {base64.b64encode(self.extra).decode()}"]
        lines = [PROOF, *extra, f"index {self.index}", *_lines(self.path)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint

    @staticmethod
    def parse(data: bytes) -> Inclusion:
        """The proof in these bytes; raises VerificationError where they are none."""
        head, found, checkpoint = data.partition(b"\n\n")
        lines = _ascii(head).split("\n") if len(data) <= note.LARGEST else []
        extra = note.decoded(lines.pop(1)[6:]) if len(lines) > 1 and lines[1].startswith("extra ") else None
        with_extra = head.startswith(f"{PROOF}\nextra ".encode())
        if not found or len(lines) < 2 or lines[0] != PROOF or (with_extra and extra is None):
            raise VerificationError("the proof cannot be read", hint=f"it begins with {PROOF}")
        if not re.fullmatch(f"index {_NUMBER}", lines[1]):
            raise VerificationError("the proof does not say where its entry stands")
        return Inclusion(int(lines[1][6:]), _hashes(lines[2:]), checkpoint, extra)

    def verify(self, entry: bytes, trust: Trust) -> Seen:
        """That a log which is trusted holds these bytes; raises VerificationError with the step that failed."""
        seen = trust.verify(self.checkpoint)
        at = seen.checkpoint
        merkle.verify_inclusion(merkle.leaf_hash(entry), self.index, at.size, self.path, at.root)
        return seen


@dataclass(frozen=True, slots=True)
class Growth:
    """What a witness is sent: the size it knows, why the new checkpoint follows from it, and that signed checkpoint."""

    before: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def data(self) -> bytes:
        """The text of ``add-checkpoint`` (c2sp.org/tlog-witness)."""
        lines = [f"old {self.before}", *_lines(self.path)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint

    @staticmethod
    def parse(data: bytes) -> Growth:
        """What a witness was sent; raises VerificationError where these bytes are nothing of the kind."""
        head, found, checkpoint = data.partition(b"\n\n")
        first, *rest = _ascii(head).split("\n")
        if not found or not re.fullmatch(f"old {_NUMBER}", first):
            raise VerificationError("the consistency proof cannot be read", hint="it begins with `old` and a size")
        return Growth(int(first[4:]), _hashes(rest), checkpoint)


def _lines(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    found = [note.decoded(line) for line in lines]
    hashes = tuple(one for one in found if one is not None and len(one) == WIDTH)
    if len(hashes) != len(lines) or len(lines) > LONGEST_PROOF:
        raise VerificationError("a line of the proof is no hash, or there are too many")
    return hashes


def _ascii(data: bytes) -> str:
    return data.decode("ascii", errors="replace")


# --- tiles --------------------------------------------------------------------------------------------------------


def tile_path(level: int, index: int, width: int = TILE) -> str:
    """Where the tile ``index`` of a level lies, below the log; ``width`` hashes stand in it (c2sp.org/tlog-tiles)."""
    return f"tile/{level}/{_place(index)}{_part(width)}"


def bundle_path(index: int, width: int = TILE) -> str:
    """Where the bundle ``index`` of entries lies, below the log."""
    return f"tile/entries/{_place(index)}{_part(width)}"


def _place(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def _part(width: int) -> str:
    return "" if width == TILE else f".p/{width}"


def tiles(size: int) -> list[tuple[int, int, int]]:
    """Every tile of a log of this size, as (level, index, width), the last of a level being perhaps partial."""
    found, level = [], 0
    while count := size >> 8 * level:
        found += [(level, index, TILE) for index in range(count // TILE)]
        found += [(level, count // TILE, count % TILE)] if count % TILE else []
        level += 1
    return found


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries one behind another, each after its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unbundled(data: bytes) -> list[bytes]:
    """The entries of a bundle; raises VerificationError where it ends in the middle of one."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + size]
        if at + 2 > len(data) or len(entry) != size:
            raise VerificationError("a bundle of entries is cut off")
        found.append(entry)
        at += 2 + size
    return found
