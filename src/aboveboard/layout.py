"""Where a released row stands: in which file, at which place in it, with which nonce. Pure, and stable for good.

A person's rows stand in one file of a release, chosen by a keyed hash of the person, so that taking somebody out
touches one file. Inside, rows stand in an order that only the key explains. Nothing here depends on what else is in
the release: a file that nobody left or joined has the same bytes in the next one (docs/formats/manifest.md).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

SUBJECTS = 500
"""A file must hold at least about so many people: a file narrows an author down to them."""
ROWS = 65_536
"""Files of fewer rows than this cost more than they save."""
MAX_BITS = 12
ORDER_HEX, NONCE_HEX = 16, 32
"""How many hexadecimal digits of a row's place are its order, and how many after them its nonce."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``2**bits`` files, the same for every release of a lineage."""

    bits: int

    def shard_of(self, key: bytes, subject: str) -> int:
        """The file in which a subject's rows stand: the first bits of HMAC-SHA-256(k_shard, subject)."""
        first = int.from_bytes(hmac.digest(key, subject.encode(), "sha256")[:4], "big")
        return first >> (32 - self.bits)


def fitting(subjects: int, rows: int) -> Layout:
    """The layout for so many people and rows: as many files as leave enough of both in each."""
    most = min(subjects // SUBJECTS, rows // ROWS)
    return Layout(min(max(most, 1).bit_length() - 1, MAX_BITS))


def place(key: bytes, source: str, record_id: str) -> str:
    """The place of a record: 64 hexadecimal digits of SHA-256 over the key in hexadecimal and two netstrings.

    A keyed hash whose output is never shown whole (8 bytes order rows, 16 are the nonce), so it needs no outer hash
    against extension; one hash instead of HMAC's two is a third of the cost of a release (docs/adr/0010).
    """
    return hashlib.sha256(key.hex().encode() + _net(source) + _net(record_id)).hexdigest()


def nonce(place: str) -> bytes:
    """The 16 random-looking bytes that stand beside a row, so that nobody can guess a row from its hash."""
    return bytes.fromhex(place[ORDER_HEX : ORDER_HEX + NONCE_HEX])


def _net(value: str) -> bytes:
    data = value.encode()
    return str(len(data)).encode() + b":" + data + b","
