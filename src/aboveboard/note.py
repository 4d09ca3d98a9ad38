"""Signed notes: a text, and under it who vouches for it, in the C2SP form that logs and their witnesses share.

Two kinds of signatures: Ed25519 over the text (0x01), and the cosignature of a witness over the text and a time (0x04).
Lines of keys that are not known are ignored, as the specification asks; a line that is no signature line is an error;
one signature of a known key that does not hold makes the whole note false. Base64 has one spelling here, so that no
bit of a note can change unnoticed. Specification: docs/formats/log.md, "Notes".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from aboveboard.errors import LogError, VerificationError

ED25519 = 0x01
COSIGNATURE = 0x04
LARGEST = 1_000_000
"""Bytes in a note, and ..."""
MOST_SIGNATURES = 100
"""... signature lines under it: more is refused before anything is computed."""
LATEST = 2**63 - 1
_LINE = "\u2014 "


@dataclass(frozen=True)
class VerifierKey:
    """A public key that vouches under a name: the Ed25519 key (32 bytes) and which kind of signature it makes."""

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise VerificationError(f"`{self.name}` cannot name a key", hint="no spaces and no plus, and not empty")
        if self.kind not in (ED25519, COSIGNATURE) or len(self.public) != 32:
            raise VerificationError(f"the key of `{self.name}` is of a kind that is not known here")

    @cached_property
    def id(self) -> bytes:
        """The four bytes that stand before each of its signatures."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """``name+id+key``, as everybody writes it who trusts it."""
        return f"{self.name}+{self.id.hex()}+{_coded(bytes([self.kind]) + self.public)}"

    @staticmethod
    def parse(text: str) -> VerifierKey:
        """The key written as ``name+id+key``; raises VerificationError for anything else."""
        name, _, rest = text.partition("+")
        mark, _, coded = rest.partition("+")
        blob = decoded(coded)
        if not re.fullmatch(r"[0-9a-f]{8}", mark) or blob is None or len(blob) < 2:
            raise VerificationError("a verifier key cannot be read", hint="it is written as name+id+key on one line")
        found = VerifierKey(name, blob[1:], blob[0])
        if found.id.hex() != mark:
            raise VerificationError(f"the verifier key of `{name}` does not have the id that it says it has")
        return found

    def verify(self, text: bytes, signature: bytes) -> int | None:
        """That ``signature`` is this key's over ``text``; the time of a cosignature, in seconds since 1970.

        Raises VerificationError where it is not.
        """
        if self.kind == COSIGNATURE:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if time > LATEST:
                raise VerificationError(f"the cosignature of `{self.name}` is of no possible time")
            self._verify(_cosigned(time, text), signature)
            return time
        self._verify(text, signature)
        return None

    def _verify(self, message: bytes, signature: bytes) -> None:
        from cryptography.exceptions import InvalidSignature

        try:
            self._curve_point.verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"the signature of `{self.name}` does not hold") from error

    @cached_property
    def _curve_point(self) -> Any:
        # At first use: loading it costs milliseconds that a command which checks nothing should not wait for.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.public)


@dataclass(frozen=True)
class Signer:
    """A private key under a name: 32 secret bytes, which ``repr`` does not show."""

    name: str
    secret: bytes = field(repr=False)
    kind: int = ED25519

    @cached_property
    def key(self) -> VerifierKey:
        """What others need to check what it signs."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, public, self.kind)

    @cached_property
    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.secret)

    def sign(self, text: str, time: int | None = None) -> Signature:
        """Its signature over a text; a cosignature says at what ``time`` (seconds since 1970) it was made."""
        if (self.kind == COSIGNATURE) != (time is not None):
            raise ValueError("a cosignature has a time, and no other signature has one")
        message = text.encode()
        if time is None:
            return Signature(self.name, self.key.id, bytes(self._private.sign(message)))
        return Signature(
            self.name, self.key.id, time.to_bytes(8, "big") + bytes(self._private.sign(_cosigned(time, message)))
        )

    def written(self) -> str:
        """The private key as one line, in the form that the programs of Go's checksum database write."""
        return f"PRIVATE+KEY+{self.name}+{self.key.id.hex()}+{_coded(bytes([self.kind]) + self.secret)}"

    @staticmethod
    def parse(text: str) -> Signer:
        """The private key in one line (see ``written``); raises LogError, which never shows what was read."""
        parts = text.split("+", 4)
        blob = decoded(parts[4]) if len(parts) == 5 else None
        if blob is None or len(blob) != 33 or parts[:2] != ["PRIVATE", "KEY"] or not is_name(parts[2]):
            raise LogError("a private key cannot be read", hint="`aboveboard log key` writes one")
        found = Signer(parts[2], blob[1:], blob[0])
        if found.key.id.hex() != parts[3]:
            raise LogError("a private key does not have the id that it says it has", hint="bring back a backup")
        return found


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, the id of the key, and the signature itself (not checked)."""

    name: str
    id: bytes
    blob: bytes

    def __str__(self) -> str:
        return f"{_LINE}{self.name} {_coded(self.id + self.blob)}\n"

    @staticmethod
    def parse(line: str) -> Signature:
        name, _, coded = line.removeprefix(_LINE).partition(" ")
        blob = decoded(coded)
        if not line.startswith(_LINE) or not is_name(name) or blob is None or len(blob) < 5:
            raise VerificationError("a signature line of the note cannot be read")
        return Signature(name, blob[:4], blob[4:])


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who vouches for a note, and when where it says so: a signature that was checked."""

    key: VerifierKey
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A text (each line ends in a newline) and the signature lines under it. Nothing is checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    def data(self) -> bytes:
        """The note as it is kept and sent."""
        return f"{self.text}\n{''.join(map(str, self.signatures))}".encode()

    @staticmethod
    def parse(data: bytes) -> Note:
        """The note in these bytes; raises VerificationError where they are none."""
        if len(data) > LARGEST:
            raise VerificationError(f"the note is larger than {LARGEST:,} bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise VerificationError("the note is not UTF-8") from error
        if any(letter < " " and letter != "\n" for letter in whole):
            raise VerificationError("the note holds control characters")
        text, blank, under = whole.rpartition("\n\n")
        if not blank or not under.endswith("\n"):
            raise VerificationError(
                "the note has no signatures", hint="a blank line stands between text and signatures"
            )
        lines = under[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise VerificationError(f"the note has more than {MOST_SIGNATURES} signatures")
        return Note(f"{text}\n", tuple(map(Signature.parse, lines)))

    def verify(self, keys: Iterable[VerifierKey]) -> list[Vouched]:
        """Who of these keys vouches for the note, in the order of its lines, each once.

        Raises VerificationError where none does, and where one line of one of them does not hold.
        """
        known = {(key.name, key.id): key for key in keys}
        found: dict[VerifierKey, Vouched] = {}
        for line in self.signatures:
            if key := known.get((line.name, line.id)):
                found.setdefault(key, Vouched(key, key.verify(self.text.encode(), line.blob)))
        if not found:
            raise VerificationError("nobody who is trusted here signed the note")
        return list(found.values())


def signed(text: str, signatures: Sequence[Signature]) -> bytes:
    """A note of a text and its signatures; raises ValueError for a text that cannot be one."""
    made = Note(text, tuple(signatures)).data()
    if not text.endswith("\n") or Note.parse(made).text != text:
        raise ValueError("the text of a note ends in a newline and holds no control character")
    return made


def is_name(name: str) -> bool:
    """Whether this can name a key: not empty, no white space of any script, no plus, nothing that does not print."""
    return bool(name) and "+" not in name and not any(letter.isspace() or letter < " " for letter in name)


def decoded(coded: str) -> bytes | None:
    """Bytes in base64, in the one spelling that they have; None for everything else."""
    try:
        found = base64.b64decode(coded, validate=True)
    except ValueError:
        return None
    # Two unused bits of a last letter decode to nothing: whoever flips them must not go unnoticed.
    return found if _coded(found) == coded else None


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _cosigned(time: int, text: bytes) -> bytes:
    """What a witness signs: a header, its time, and the text."""
    return b"cosignature/v1\ntime %d\n" % time + text
