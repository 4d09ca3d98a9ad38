"""Small readings that exports share: text in any Unicode encoding, JSON that loses nothing, ids, server times.

All are pure. What cannot be read raises ``Unreadable`` with a reason that holds nothing of the value.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

SAFE = 2**53
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
X_EPOCH_MS = 1_288_834_974_657
X_LAST_COUNTER = 29_700_859_247
"""Post ids up to here were plain counters and carry no time (docs/formats/source.md)."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Unreadable(ValueError):
    """A value that is not what it has to be. ``reason`` may be shown: it never holds anything of the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def text_of(data: bytes) -> str:
    """Bytes as text: UTF-8, or UTF-16 and UTF-32 where a byte order mark says so. Line ends stay as they are."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    return _decoded(data, "utf-8")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable(f"the bytes are no {encoding.upper()}") from None


def json_of(text: str, *, joined: frozenset[str] = frozenset()) -> Any:
    """JSON as Python values; a key that stands twice is refused, but for lists under a key of ``joined``.

    NaN and infinities are refused, and so is nesting that no export has.
    """
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, joined), parse_constant=_no_constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError):
        raise Unreadable("the text is no JSON") from None


def _no_constant(_name: str) -> Any:
    raise Unreadable("a number that JSON does not know")


def _object(pairs: list[tuple[str, Any]], joined: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
        elif key in joined and isinstance(value, list) and isinstance(found[key], list):
            found[key] = [*found[key], *value]
        else:
            raise Unreadable("a key stands twice in one object")
    return found


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """An object of JSON, or Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is no object")
    return value


def text_id(value: object, what: str) -> str:
    """A stable id as text. A number beyond 2**53 has lost its last digits somewhere, so it is refused."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        raise Unreadable(f"{what} is no id")
    if isinstance(value, int):
        if abs(value) > SAFE:
            raise Unreadable(f"{what} is a number beyond 2^53: it may have been rounded")
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise Unreadable(f"{what} is no id")
    return value.strip()


def snowflake_time(id: str) -> datetime | None:
    """When X's server made an id; None for the plain counters from before 2010-11-04 and for no number."""
    if not (id.isascii() and id.isdigit()) or int(id) <= X_LAST_COUNTER or int(id) >= 2**63:
        return None
    return EPOCH + timedelta(milliseconds=(int(id) >> 22) + X_EPOCH_MS)


def twitter_time(said: object) -> datetime | None:
    """``Wed Nov 02 12:00:00 +0000 2022`` as a moment, whatever the locale; None for anything else."""
    words = said.split() if isinstance(said, str) else []
    if len(words) != 6 or words[1] not in _MONTHS:
        return None
    try:
        return datetime.fromisoformat(
            f"{words[5]}-{_MONTHS.index(words[1]) + 1:02d}-{int(words[2]):02d}T{words[3]}{words[4]}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso_time(said: object) -> datetime | None:
    """An ISO 8601 moment that names its offset; None for anything else, a time without a zone included."""
    if not isinstance(said, str):
        return None
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
