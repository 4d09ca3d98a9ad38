"""What the files of an X archive are made of: a JavaScript assignment, escaped texts, entities that count them.

All are pure. An archive is JavaScript, and most of it is JSON too; the one thing beyond JSON that is understood is a
comma after the last element. A span is believed only where the text at it says what the entity says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aboveboard.errors import SourceError
from aboveboard.sources.values import Unreadable, json_of, text_of

CONFIG = "manifest"
"""The name under which the manifest's variable is known here."""

_ASSIGNMENT = re.compile(r"\s*window\.(?:YTD\.([A-Za-z0-9_]+)\.part[0-9]+|__THAR_CONFIG)\s*=")
_SPACE = " \t\r\n"
_STRING_OR_COMMA = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+\\?(?:"|\Z)|,(?=[ \t\r\n]*[\]}])', re.DOTALL)


def assigned(data: bytes, file: str) -> tuple[str, Any]:
    """The variable a file assigns and the value. Raises SourceError with file and line, never with what it says."""
    try:
        text = text_of(data)
    except Unreadable as error:
        raise _broken(error.reason, file) from None
    found = _ASSIGNMENT.match(text)
    if found is None:
        raise _broken("it assigns nothing to `window.YTD`", file)
    body = text[found.end() :].strip(_SPACE).removesuffix(";")
    try:
        return found[1] or CONFIG, _unicode(script(body), body)
    except Unreadable as error:
        line = _line(body)
        raise _broken(error.reason, file, line and line + text.count("\n", 0, _begin(text, found.end()))) from None


def _begin(text: str, at: int) -> int:
    """Where the value begins, so that lines can be counted from there."""
    return at + len(text[at:]) - len(text[at:].lstrip(_SPACE))


def _broken(reason: str, file: str, line: int | None = None) -> SourceError:
    return SourceError(
        f"a file of the archive cannot be read: {reason}", hint="download the archive again", file=file, line=line
    )


def _line(body: str) -> int | None:
    """The line in which JSON ends to be JSON, once the commas that are allowed are gone."""
    try:
        json.loads(without_trailing_commas(body))
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        return None
    return None


def script(text: str) -> Any:
    """A literal of JavaScript that is JSON but for commas after a last element."""
    try:
        return json_of(text)
    except Unreadable:
        return json_of(without_trailing_commas(text))


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read, and why."""

    reason: str


_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Only written like this can half a surrogate pair come in; nearly no file has any."""


def _unicode(value: Any, body: str) -> Any:
    """The value, its rows with half a surrogate pair broken: that is no Unicode, and no table can hold it."""
    if not isinstance(value, list) or not _HALF.search(body):
        return value
    return [row if _whole(row) else Broken("a text is no Unicode") for row in value]


def _whole(row: Any) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def without_trailing_commas(text: str) -> str:
    """The text without each comma that stands between a value and a closing bracket, outside strings.

    Whole strings are matched first, so a comma in one is never seen. A comma after an opening bracket or another
    comma is a hole of a JavaScript array and not a trailing comma: it stays, and is no JSON.
    """
    return _STRING_OR_COMMA.sub(_kept, text)


def _kept(found: re.Match[str]) -> str:
    if found[0] != ",":
        return found[0]
    at = found.start() - 1
    while at >= 0 and found.string[at] in _SPACE:
        at -= 1
    return "," if at < 0 or found.string[at] in "[{,:" else ""


_ESCAPE = re.compile("&(amp|lt|gt);")
_MEANING = {"amp": "&", "lt": "<", "gt": ">"}


def plain(text: str) -> str:
    """A text as its author wrote it: the exact inverse of X's escaping of ``&``, ``<`` and ``>``, each once."""
    return _ESCAPE.sub(lambda found: _MEANING[found[1]], text)


def as_it_is(text: str) -> str:
    """For texts that X does not escape (long texts, articles)."""
    return text


Span = tuple[int, int]


def span(text: str, indices: object, says: str | None, undo: Callable[[str], str] = plain) -> Span | None:
    """Where an entity stands in the text once ``undo`` has been applied to it; None unless it ``says`` this there.

    Indices count code points of the escaped text; some years of the platform counted UTF-16 units, so both are tried.
    """
    counted = _pair(indices)
    if counted is None or says is None:
        return None
    return _said(text, counted, says, undo) or _said(text, tuple(_of_utf16(text, at) for at in counted), says, undo)


def _said(text: str, counted: tuple[int, ...], says: str, undo: Callable[[str], str]) -> Span | None:
    start, end = counted
    if not start < end <= len(text) or not _same(undo(text[start:end]), says):
        return None
    first = len(undo(text[:start]))
    return first, first + len(undo(text[start:end]))


def _same(found: str, says: str) -> bool:
    return found.replace("\N{FULLWIDTH COMMERCIAL AT}", "@").casefold() == says.casefold()


def _pair(indices: object) -> Span | None:
    if not isinstance(indices, list) or len(indices) != 2:
        return None
    start, end = number(indices[0]), number(indices[1])
    return None if start is None or end is None else (start, end)


def number(said: object) -> int | None:
    """A count below a thousand million, as a number or (as archives write it) as text."""
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 10**9:
        return said
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= 9:
        return int(said)
    return None


def _of_utf16(text: str, units: int) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "replace"))


_LINK = "https://t.co/"
_NAMES_AT_START = re.compile(r"(?:@\w{1,20}\s+)+")
SUREST = 40
"""Fewer code points in common than these may be chance."""


def cut(text: str) -> str | None:
    """What stands before the ellipsis of a text that X cut off; None where it did not."""
    body = text.rstrip()
    while (at := body.rfind(_LINK)) >= 0 and body[at + len(_LINK) :].isalnum():
        body = body[:at].rstrip()
    return body.removesuffix("\N{HORIZONTAL ELLIPSIS}").rstrip() if body.endswith("\N{HORIZONTAL ELLIPSIS}") else None


def continues(full: str, body: str) -> bool:
    """Whether a long text is what was cut off, with or without the names a reply begins with."""
    bare = _NAMES_AT_START.sub("", body, count=1) if _NAMES_AT_START.match(body) else body
    return any(len(one) >= SUREST and full.lstrip().startswith(one) for one in (body, bare))
