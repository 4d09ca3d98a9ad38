"""Where a released row stands: in which file, at which place in it, with which nonce. Pure, and stable for good.

A person's rows stand in one file of a release, chosen by a keyed hash of the person, so that taking somebody out
touches one file. Inside, rows stand in an order that only the key explains. Where a row stands depends on nothing else in
the release: a file that nobody left or joined has the same bytes in the next one (docs/formats/manifest.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

SUBJECTS = 500
"""Every file must hold rows of at least so many people: a file narrows an author down to them."""
ROWS = 65_536
"""Files of fewer rows than this, on average, cost more than they save."""
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


def fitting(people: Mapping[int, int], rows: int, most: int = MAX_BITS) -> Layout:
    """The most files, up to ``2**most``, that leave enough people in each and enough rows in them on average.

    ``people`` counts the people with released rows by the finest file (of ``2**MAX_BITS``) that they would stand in.
    """
    for bits in range(most, 0, -1):
        files: Counter[int] = Counter()
        for fine, count in people.items():
            files[fine >> (MAX_BITS - bits)] += count
        if rows >= ROWS << bits and min(files.values(), default=0) >= SUBJECTS and len(files) == 1 << bits:
            return Layout(bits)
    return Layout(0)


def place(key: bytes, source: str, record_id: str, row: bytes) -> str:
    """The place of a row: 64 hexadecimal digits of SHA-256 over the key in hexadecimal, two netstrings and the row.

    A keyed hash whose output is never shown whole (8 bytes order rows, 16 are the nonce), so it needs no outer hash
    against extension; one hash instead of HMAC's two is a third of the cost of a release (docs/adr/0010). The row itself
    is in it, so that a nonce does not follow a record through its edits.
    """
    return hashlib.sha256(key.hex().encode() + _net(source) + _net(record_id) + row).hexdigest()


def nonce(place: str) -> bytes:
    """The 16 random-looking bytes that stand beside a row, so that nobody can guess a row from its hash."""
    return bytes.fromhex(place[ORDER_HEX : ORDER_HEX + NONCE_HEX])


def _net(value: str) -> bytes:
    data = value.encode()
    return str(len(data)).encode() + b":" + data + b","
