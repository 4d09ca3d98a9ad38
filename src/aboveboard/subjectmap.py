"""The subject map of a release: where each person, and nobody else, finds what the platform states about them.

Every account has one row of the same size, in the release or not, said no or not, among rows that belong to nobody.
Rows stand by a keyed index in bucket files; the root over the buckets' digests is in the manifest. Whoever holds the
release key of an account opens its row, and the row binds the key: nobody can be shown another. Pure but for the cipher,
which is loaded at first use. Specification: docs/formats/map.md.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from aboveboard import kernel, merkle
from aboveboard.errors import VerificationError

SCHEME = "hmac-v1"
INDEX, COMMIT, PLAIN, TAG = 32, 32, 80, 16
WIDTH = INDEX + COMMIT + PLAIN + TAG
"""Bytes in a row."""
FULL = 1_024
"""Most rows in a bucket, on average; at least half as many where there are several buckets."""
DUMMIES = 512
"""Rows come in whole multiples of at least so many; half of it belongs to nobody, and more."""
MAX_BITS = 20
_DUMMY = b"\xffaboveboard/dummy/v1\x00"  # 0xff is in no UTF-8 text, so it is nobody's account
_ENCRYPT, _COMMIT = b"aboveboard/map-encrypt/v1\x00", b"aboveboard/map-commit/v1\x00"
_ZEROS = bytes(12)
_NOISE = b"aboveboard/map-noise/v1\x00"
STATED = struct.Struct(">QQ32s32s")
"""What a row states, packed: rows, shared, records, person."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the platform states of one account in one release.

    ``rows``: released rows by this person alone. ``shared``: records of theirs with other people in them that nothing of
    their own keeps out. ``records``: the root over the descriptors' commitments of ``rows``. ``person``: the digest of
    their choices and of what is attested of the account.
    """

    rows: int
    shared: int
    records: bytes
    person: bytes

    def pack(self) -> bytes:
        return STATED.pack(self.rows, self.shared, self.records, self.person)


def index_of(key: bytes, subject: str) -> bytes:
    """Where an account stands in every map of a platform: HMAC-SHA-256(k_index, account id)."""
    return hmac.digest(key, subject.encode(), "sha256")


# --- rows -------------------------------------------------------------------------------------------------------


def seal(release_key: bytes, index: bytes, stated: Stated) -> bytes:
    """A row: index, commitment to the key, and what is stated, encrypted. The key is used for this row alone."""
    return sealed(derived(release_key), index, stated.pack())


Derived = tuple[bytes, bytes]
"""What a release key gives: the key that encrypts the row, and what binds the row to the release key."""


def derived(release_key: bytes) -> Derived:
    """``DERIVED`` of one key; the compiled kernel makes it of many."""
    return encryption_key(release_key), _bound(release_key)


def sealed(keys: Derived, index: bytes, plain: bytes) -> bytes:
    """A row of what is packed already."""
    # INVARIANT: a nonce of zeros is sound because no key ever encrypts twice: it is of one account in one release.
    cipher = _cipher()(keys[0])
    return index + keys[1] + bytes(cipher.encrypt(_ZEROS, plain, index))


@cache
def _cipher() -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305


def encryption_key(release_key: bytes) -> bytes:
    """What encrypts a row, derived from the release key of its account."""
    return hashlib.sha256(_ENCRYPT + release_key).digest()


def opened(release_key: bytes, row: bytes) -> Stated:
    """What a row states; raises VerificationError where the key is not its own or the row was changed."""
    from cryptography.exceptions import InvalidTag

    index, bound, cipher = row[:INDEX], row[INDEX : INDEX + COMMIT], row[INDEX + COMMIT :]
    if bound != _bound(release_key):
        raise VerificationError("the row of the map is bound to another key", hint="ask for a capsule of this release")
    try:
        plain = _cipher()(encryption_key(release_key)).decrypt(_ZEROS, cipher, index)
    except InvalidTag:
        raise VerificationError("the row of the map was changed", hint="get the release again") from None
    return Stated(*STATED.unpack(plain))


def _bound(release_key: bytes) -> bytes:
    return hashlib.sha256(_COMMIT + release_key).digest()


DERIVED: kernel.Recipe = ((_ENCRYPT, kernel.Raw(0)), (_COMMIT, kernel.Raw(0)))
"""``derived`` as the kernel takes it."""


# --- rows that belong to nobody ---------------------------------------------------------------------------------


def dummies(accounts: int) -> int:
    """How many rows belong to nobody: they fill up to a whole number of steps, a step being a sixteenth of the next power
    of two and at least ``DUMMIES``. So a map tells the number of accounts to within a step, and half a step is nobody's."""
    step = max(DUMMIES, (1 << accounts.bit_length()) // 16)
    return -(accounts + step // 2) % step + step // 2


def dummy(key: bytes, release_salt: bytes, number: int) -> bytes:
    """One of them: it stands at the same place in every map, and its contents are noise."""
    return noise(key, release_salt, dummy_index(key, number))


def noise(key: bytes, release_salt: bytes, index: bytes) -> bytes:
    """A row that belongs to nobody, at its index."""
    return index + hashlib.shake_256(_NOISE + key + release_salt + index).digest(WIDTH - INDEX)


def dummy_index(key: bytes, number: int) -> bytes:
    """Where one of them stands in every map of a platform."""
    return hmac.digest(key, _DUMMY + number.to_bytes(8, "big"), "sha256")


# --- buckets ----------------------------------------------------------------------------------------------------


def bits_for(rows: int) -> int:
    """How many bits of the index name a bucket, so that one holds 512 to 1,024 rows on average."""
    bits = 0
    while rows > FULL << bits and bits < MAX_BITS:
        bits += 1
    return bits


def prefix_of(index: bytes, bits: int) -> int:
    """The bucket of an index."""
    return int.from_bytes(index[:4], "big") >> (32 - bits)


def bucket_name(prefix: int) -> str:
    """The file of a bucket."""
    return f"{prefix:05x}.bin"


def buckets(rows: Iterable[bytes], bits: int) -> Iterator[tuple[int, bytes]]:
    """Rows ascending by index, as buckets by prefix; every prefix comes, also with no row."""
    prefix, held = 0, bytearray()
    below = _end_of(prefix, bits)
    for row in rows:
        while row >= below:
            yield prefix, bytes(held)
            prefix, held = prefix + 1, bytearray()
            below = _end_of(prefix, bits)
        held += row
    for last in range(prefix, 1 << bits):
        yield last, bytes(held)
        held = bytearray()


def _end_of(prefix: int, bits: int) -> bytes:
    """What every index of a bucket is below, byte by byte."""
    end = prefix + 1 << 32 - bits
    return end.to_bytes(4, "big") if end < 1 << 32 else b"\xff" * (WIDTH + 1)


def root(digests: Sequence[bytes]) -> bytes:
    """The root of a map: the tree (RFC 6962) over the SHA-256 of its buckets, by prefix."""
    return merkle.root_of([merkle.leaf_hash(one) for one in digests])


def found(bucket: bytes, index: bytes, bits: int) -> bytes:
    """The row of an index; raises VerificationError where a bucket does not hold together or has it not exactly once."""
    if len(bucket) % WIDTH:
        raise VerificationError("a bucket of the map has a torn row", hint="get the release again")
    rows = [bucket[at : at + WIDTH] for at in range(0, len(bucket), WIDTH)]
    indexes = [row[:INDEX] for row in rows]
    if any(one >= after for one, after in pairwise(indexes)):
        raise VerificationError("a bucket of the map is out of order", hint="the map hides or repeats somebody")
    if {prefix_of(one, bits) for one in indexes} - {prefix_of(index, bits)}:
        raise VerificationError("a bucket of the map holds rows of another", hint="the map hides or repeats somebody")
    if index not in indexes:
        raise VerificationError("the account is not in the map", hint="the platform left it out, or it is a newer one")
    return rows[indexes.index(index)]
