"""Lines of light Markdown out of whatever a page was saved as: HTML loses its tags, a table its layout.

Nothing is guessed: a tag that never ends costs its tag, not the words behind it. Pure, and bounded: a page longer
than ``LONGEST`` is never read (see suspicion.py), because the standard parser is quadratic over broken tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import islice

LONGEST = 3_000_000
"""Characters. The longest policies known have some 700,000; a text of this size is a wrong file."""

_TAG = re.compile(r"<(?:html|head|body|div|p|h[1-6]|ul|ol|li|section|article)\b[^<>]{0,500}>", re.IGNORECASE)
_ANY = re.compile(r"<[a-zA-Z/!?][^<>]*+>|<")
MOST_BROKEN = 200
"""Tags that never end, at most: over each of them the standard parser reads everything that follows (CVE-2025-6069)."""
_BLOCKS = frozenset(
    "p div ul ol table tr section article header main blockquote pre h1 h2 h3 h4 h5 h6 hr dl dt dd figure form".split()
)
_UNSEEN = frozenset("script style noscript template svg nav iframe button select title head".split())


def is_html(text: str) -> bool:
    """Whether a text is a page with its tags, rather than Markdown that uses one or two in a table."""
    start = text[:2000].lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<?xml")) or "<body" in start:
        return True
    written = [line for line in text[:200_000].split("\n") if line.strip()]
    tagged = sum(_TAG.search(line) is not None for line in written)
    return len(_TAG.findall(text[:200_000])) >= 3 and tagged * 3 >= len(written)


def lines(text: str) -> list[str]:
    """The lines of a text, HTML turned into Markdown."""
    if _broken(text):
        text = _without_tags(text).replace("<", " ")
    elif is_html(text):
        page = _Page()
        try:
            page.feed(_without_comments(text))
            page.close()
            text = "".join(page.pieces)
        except (AssertionError, ValueError, OverflowError, RecursionError):
            text = _without_tags(text)  # the standard parser gives up on some declarations
    else:
        text = "\n".join(line if "|" in line else _BREAK.sub("\n", line) for line in text.split("\n"))
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").split("\n")


def _broken(text: str) -> bool:
    lone = (tag for tag in _ANY.finditer(text) if tag[0] == "<")
    return next(islice(lone, MOST_BROKEN, None), None) is not None


def _without_comments(text: str) -> str:
    """A comment that never ends is left to the parser, so that it is looked for once."""
    return (
        re.sub(r"(?s)<!--.*?-->", " ", text[: text.rfind("-->") + 3]) + text[text.rfind("-->") + 3 :]
        if "-->" in text
        else text
    )


def _without_tags(text: str) -> str:
    return re.sub(r"<[a-zA-Z/!?][^<>]*+>", "\n\n", text)


_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def pieces(cell: str) -> list[str]:
    """What a cell says, cut where its lines break."""
    return [piece.strip() for piece in _BREAK.split(cell) if piece.strip()]


def rows(line: str) -> Iterator[str]:
    """The rows of a table line; a whole table on one line is cut at its rule and its empty joints."""
    if not re.search(r"\|\s*:?-{2,}:?\s*\|", line) or re.fullmatch(r"[\s|:-]+", line):
        yield line
        return
    rule = re.search(r"\|(?:\s*:?-{2,}:?\s*\|)+", line)
    columns = rule[0].count("|") - 1 if rule else 1
    cells = [cell.strip() for cell in line.split("|")]
    cells = [cell for cell in cells if cell and not re.fullmatch(r":?-{2,}:?", cell)]
    for at in range(0, len(cells), columns):
        yield " | ".join(cells[at : at + columns])


class _Page(HTMLParser):
    """Collects Markdown: headings, items, bold, rows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser gives them
        if tag in _UNSEEN:
            self.unseen += 1
        if self.unseen:
            return
        if tag in _BLOCKS:
            self.pieces.append("\n\n")
        if re.fullmatch(r"h[1-6]", tag):
            self.pieces.append("#" * int(tag[1]) + " ")
        self.pieces.append({"li": "\n* ", "br": "\n", "b": "**", "strong": "**", "td": " | ", "th": " | "}.get(tag, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _UNSEEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.unseen = max(0, self.unseen - 1)
        elif not self.unseen:
            self.pieces.append(
                "\n\n" if tag in _BLOCKS else {"li": "\n", "b": "**", "strong": "**", "tr": " |\n"}.get(tag, "")
            )

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.pieces.append(re.sub(r"\s+", " ", data))
