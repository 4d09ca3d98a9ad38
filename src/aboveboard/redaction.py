"""What a denied part takes with it: spans cut out of the text, and whether anything is left.

Positions are code points of the text as offered. Plain functions on text; no engine's regular expression or
case folding ever decides what is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]

MARK = "\N{HORIZONTAL ELLIPSIS}"
"""What stands where a span was removed."""
MENTION = "@someone"
"""What stands for a person's name in a text."""

BLANK = (
    "".join(chr(c) for c in range(0x21))
    + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x7f\x85\xa0\xad\u1680"
    + "".join(chr(c) for c in (*range(0x2000, 0x2010), 0x2026, 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF))
)
"""Code points that mean nothing by themselves: white space, joiners, ASCII punctuation. A closed list, because
character classes differ between engines and between their versions."""


def fits(text: str | None, start: int | None, end: int | None) -> bool:
    """Whether a span stands inside the text."""
    return text is not None and start is not None and end is not None and 0 <= start < end <= len(text)


def says(text: str | None, removed: Sequence[Span]) -> bool:
    """Whether any meaningful code point is left of ``text`` once these spans are gone."""
    if not removed:
        return bool(text and text.lstrip(BLANK))
    return any(piece.strip(BLANK) for piece in _between(text or "", _merged(removed)))


def redact(text: str, removed: Sequence[tuple[int, int, str]]) -> str:
    """``text`` with each ``(start, end, replacement)`` cut out; where spans overlap the first replacement stands.

    Spans that overlap become one hole, so that nothing of a nested span survives its parent.
    """
    out: list[str] = []
    at = 0
    for start, end, replacement in sorted(removed):
        if start >= at:
            out += [text[at:start], replacement]
        at = max(at, end)
    return "".join([*out, text[at:]])


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _between(text: str, holes: Sequence[Span]) -> Iterable[str]:
    at = 0
    for start, end in holes:
        yield text[at:start]
        at = end
    yield text[at:]
