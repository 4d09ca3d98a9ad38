"""Who was erased here and must not come back: a list of keyed hashes, so that no name has to be kept to keep a no.

``Suppressions`` answers for one identifier; ``SPELT`` is the same spelling rule as an SQL expression, which a test holds it
to. The hash is HMAC-SHA-256 under the key ``suppression``: without that key nothing can be asked, and whoever has it can
only test identifiers that they already know. Specification: docs/erasure.md, "The suppression list".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from aboveboard import kernel

ERASED = "erased:"
"""What stands where an identifier stood, followed by its hash in hexadecimal."""
WORDS = 64
"""So many words of the name of a file are looked at."""
_ACCT = "acct:"
_CAPITALS, _SMALL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_LOWER = str.maketrans(_CAPITALS, _SMALL)


@dataclass(frozen=True, slots=True)
class Suppressions:
    """The hashes of all identifiers of erased people (hexadecimal), and the key they were made with."""

    hashes: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def holds(self, identifier: str | None) -> bool:
        """Whether this is an identifier of somebody who was erased, or what stands in its place."""
        if identifier is None or not self.hashes:
            return False
        if identifier.startswith(ERASED):
            return identifier.removeprefix(ERASED) in self.hashes
        return hashed(self.key, identifier) in self.hashes

    def among(self, written: Iterable[bytes], longest: int = kernel.ANY) -> set[bytes]:
        """Those of many identifiers (UTF-8) that are on the list, but for those of more bytes than ``longest``. What stands in
        the place of one is looked at like any other.

        Asked by the compiled kernel, where there is one.
        """
        values = written if isinstance(written, list) else list(written)
        found = kernel.listed(self.asked(), values, longest)
        if found is None:
            return self._among(one for one in values if len(one) <= longest)
        return {values[at] for at in found.listed} | self._among(values[at] for at in found.ask)

    def asked(self) -> kernel.KeyedList:
        """The list as the kernel takes it."""
        return _keyed_list(self)

    def _among(self, written: Iterable[bytes]) -> set[bytes]:
        """HMAC is two hashes, and they begin alike whatever is hashed: begun once and copied they take half the time."""
        inner, outer = (hashlib.sha256(pad).copy for pad in pads(self.key))
        found = set()
        for one in written:
            first, second = inner(), outer()
            first.update(one if one.isascii() and b"@" not in one else _spelt(one))
            second.update(first.digest())
            if second.hexdigest() in self.hashes:
                found.add(one)
        return found

    def within(self, name: str | None) -> bool:
        """Whether the name of a file carries such an identifier: all of it, or some of its words with what joins them."""
        if not name or not self.hashes:
            return False
        words = list(re.finditer(r"[^\W_]+", name))[:WORDS]
        spans = {name[a.start() - lead : b.end()] for n, a in enumerate(words) for b in words[n:] for lead in (0, 1)}
        return any(self.holds(one) for one in {name, *spans} if one)


NONE = Suppressions()


@lru_cache(maxsize=4)
def _keyed_list(those: Suppressions) -> kernel.KeyedList:
    hashes = [bytes.fromhex(one) for one in those.hashes]
    return kernel.KeyedList.of(*pads(those.key), hashes)


def of(key: bytes, identifiers: Iterable[str]) -> Suppressions:
    """The list of these identifiers."""
    return Suppressions(frozenset(hashed(key, one) for one in identifiers), key)


def hashed(key: bytes, identifier: str) -> str:
    """The hash of an identifier, however it is spelt (64 hexadecimal digits)."""
    return hmac.digest(key, spelt(identifier).encode("utf-8", "surrogatepass"), "sha256").hex()


def pads(key: bytes) -> tuple[bytes, bytes]:
    """What the inner and the outer hash of HMAC-SHA-256 under a key begin with (RFC 2104)."""
    return _padded(key, 0x36), _padded(key, 0x5C)


def _padded(key: bytes, byte: int) -> bytes:
    short = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    return bytes(one ^ byte for one in short.ljust(_BLOCK, b"\x00"))


_BLOCK = 64


def _spelt(written: bytes) -> bytes:
    return spelt(written.decode("utf-8", "replace")).encode("utf-8", "surrogatepass")


def in_its_place(key: bytes, identifier: str) -> str:
    """What stands where the identifier stood."""
    return ERASED + hashed(key, identifier)


def readings(identifier: str) -> tuple[str, ...]:
    """An identifier as it was given, and as readers of exports would give it, where that is something else.

    X's enterprise streams write an account with a prefix and its other forms without (``sources.x_api_activity``); blanks
    around an id are nobody's. What no reader brings to one id stays another identifier.
    """
    plain = identifier.strip()
    bare = re.fullmatch(r"id:twitter\.com:([0-9]+)", plain)
    return tuple(dict.fromkeys((identifier, plain, bare[1] if bare else plain)))


def spelt(identifier: str) -> str:
    """An identifier in the one spelling that is hashed.

    An account id is what it is, to the letter. With an ``@`` in it, it is a handle or an address, which are the same in
    capitals (ASCII only: other alphabets have no one rule), with ``acct:`` and with a leading ``@`` before another one.
    """
    if "@" not in identifier:
        return identifier
    plain = identifier.translate(_LOWER).removeprefix(_ACCT)
    return plain[1:] if plain.startswith("@") and "@" in plain[1:] else plain


_PLAIN = (
    f"CASE WHEN starts_with(translate({{x}}, '{_CAPITALS}', '{_SMALL}'), '{_ACCT}')"
    f" THEN substr(translate({{x}}, '{_CAPITALS}', '{_SMALL}'), {len(_ACCT) + 1})"
    f" ELSE translate({{x}}, '{_CAPITALS}', '{_SMALL}') END"
)
SPELT = (
    "CASE WHEN NOT contains({x}, '@') THEN {x}"
    f" WHEN starts_with({_PLAIN}, '@') AND contains(substr({_PLAIN}, 2), '@') THEN substr({_PLAIN}, 2)"
    f" ELSE {_PLAIN} END"
)
"""``spelt`` of the expression ``{x}``, for DuckDB."""
