"""The text of an HTML fragment as a reader sees it, with where its links and its quote fallback stand in it.

Built on the standard ``html.parser``: tags go, character references are resolved, white space collapses, blocks and
``<br>`` become line ends. Positions are code points of the text that comes out. What browsers never show (scripts,
styles) is dropped; what Mastodon only hides to shorten a link (``class="invisible"``) is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice

from aboveboard.sources.values import Unreadable

LONGEST = 1 << 18
MOST_BROKEN = 100
"""Longer or more broken fragments are refused: over a tag that never ends the standard parser reads all that follows,
and the next one again (CVE-2025-6069). No post is as long."""

BLOCKS = {
    **dict.fromkeys(("p", "blockquote", "ul", "ol", "pre", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr"), 2),
    **dict.fromkeys(("div", "li", "tr", "dt", "dd", "section", "article", "header", "footer", "figure"), 1),
}
"""How many line ends part a block from what stands around it."""
UNSEEN = frozenset({"script", "style", "template", "noscript", "head", "title"})
VOID = frozenset({"br", "hr", "img", "wbr", "input", "meta", "link", "area", "base", "col", "embed", "source", "track"})

_TAG = re.compile(r"""</?[a-zA-Z][^<>"']*+(?:(?:"[^"<>]*+"|'[^'<>]*+')[^<>"']*+)*+>|<""")
_SPACE = re.compile(r"[ \t\r\n\f]+")


@dataclass(slots=True)
class Marked:
    """An element of interest: its address where it is a link, its classes, and the span of what it shows.

    ``start`` is below zero while it shows nothing.
    """

    href: str | None
    classes: frozenset[str]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A text and its links, in order; ``quotes`` are elements of class ``quote-inline`` (FEP-044f)."""

    text: str
    links: Sequence[Marked] = ()
    quotes: Sequence[Marked] = ()


def shown(html: str) -> Shown:
    """What a fragment shows. Raises Unreadable where it is too long or no parser can make sense of it."""
    if len(html) > LONGEST or _broken(html):
        raise Unreadable("the HTML is too long or too broken")
    page = _Page()
    try:
        page.feed(html)
        page.close()
    except (AssertionError, RecursionError, ValueError, OverflowError):
        # the standard parser gives up on some declarations, and on references to a character of thousands of digits
        raise Unreadable("the HTML cannot be read") from None
    return page.finished()


def _broken(html: str) -> bool:
    """Whether there are many tags that do not end as tags should: quotes that stay open, comments, lone brackets."""
    lone = (tag for tag in _TAG.finditer(html) if tag[0] == "<")
    return next(islice(lone, MOST_BROKEN, None), None) is not None


@dataclass(slots=True)
class _Open:
    """An element that has not ended yet."""

    tag: str
    marked: Marked | None = None


@dataclass
class _Page(HTMLParser):
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    line_ends: int = 0
    space: bool = False
    open: list[_Open] = field(default_factory=list)
    depth: Counter[str] = field(default_factory=Counter)
    waiting: list[Marked] = field(default_factory=list)
    links: list[Marked] = field(default_factory=list)
    quotes: list[Marked] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def finished(self) -> Shown:
        self._close(len(self.open))
        by_place = [sorted((one for one in found if one.start >= 0), key=_place) for found in (self.links, self.quotes)]
        return Shown("".join(self.pieces), by_place[0], by_place[1])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.line_ends += 1
        self._part(tag)
        if tag not in VOID:
            self.open.append(_Open(tag, self._marked(tag, dict(attrs))))
            self.depth[tag] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # HTML knows no self-closing tags but void ones

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        if not self.depth[tag]:
            return
        inner = next(i for i, one in enumerate(reversed(self.open)) if one.tag == tag)
        self._close(inner + 1)

    def handle_data(self, data: str) -> None:
        if any(self.depth[tag] for tag in UNSEEN):
            return
        if self.depth["pre"]:
            self._as_it_stands(data)
            return
        words = _SPACE.sub(" ", data)
        self.space = self.space or words.startswith(" ")
        if words.strip(" "):
            self._show(words.strip(" "))
            self.space = words.endswith(" ")

    def _as_it_stands(self, data: str) -> None:
        words = data.strip("\n")
        self.line_ends = max(self.line_ends, len(data) - len(data.lstrip("\n")))
        if words:
            self._show(words)
            self.line_ends = len(data) - len(data.rstrip("\n"))

    def _marked(self, tag: str, attrs: dict[str, str | None]) -> Marked | None:
        classes = frozenset((attrs.get("class") or "").split())
        marked = Marked(attrs.get("href"), classes, -1, -1)
        if tag == "a":
            self.links.append(marked)
        elif "quote-inline" in classes:
            self.quotes.append(marked)
        else:
            return None
        self.waiting.append(marked)
        return marked

    def _part(self, tag: str) -> None:
        self.line_ends = max(self.line_ends, BLOCKS.get(tag, 0))

    def _show(self, words: str) -> None:
        """Writes what parts these words from those before, then the words."""
        if self.length and self.line_ends:
            self._write("\n" * self.line_ends)
        elif self.length and self.space:
            self._write(" ")
        for one in self.waiting:
            one.start = self.length if one.end < 0 else -1
        self.waiting.clear()
        self._write(words)
        self.line_ends, self.space = 0, False

    def _write(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)

    def _close(self, count: int) -> None:
        for _ in range(count):
            one = self.open.pop()
            self.depth[one.tag] -= 1
            if one.marked is not None:
                one.marked.end = self.length


def _place(one: Marked) -> tuple[int, int]:
    return one.start, one.end
