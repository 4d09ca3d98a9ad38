"""A policy text as blocks and sentences, whatever it was written in: Markdown, HTML or plain text.

What a reader does not see changes nothing here: marks, link targets, heading style, numbering, white space,
ligatures, invisible characters. What a reader sees stays, word for word, with its place, so that a change can be
quoted and marked. Two sentences with the same ``tokens`` say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from aboveboard.comparison import markup
from aboveboard.wording import plain

HEADING, PARAGRAPH, ITEM, ROW, LINK = "heading", "paragraph", "item", "row", "link"
PLAIN_LEVEL, BOLD_LEVEL = 9, 8
"""Headings without marks of their own rank below those with marks."""
LONG_ROW = 60
"""A row of a table with more words than this is read sentence by sentence, each under its first cell."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its words as read, its tokens with their spans, and where it stands.

    ``lead`` is what leads into the list it is an item of. ``path`` are the headings above it, the outermost first.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    kind: str = PARAGRAPH
    lead: str = ""
    path: tuple[str, ...] = ()
    block: int = 0
    level: int = 0


Sentences = tuple[Sentence, ...]


def read(text: str) -> Sentences:
    """Every sentence of a text, headings among them, in order. Pure: the same text gives the same sentences."""
    return tuple(_placed(_blocks(markup.lines(text))))


# --- blocks -----------------------------------------------------------------------------------------------------

_ITEM = re.compile(r"\s*(?:[-*+•·▪‣–]|\\?[-*+]|[0-9]{1,2}\\?[.)])\s+(?=\S)")
_RULE = re.compile(r"[\s|:=_*+-]*")
Block = tuple[str, int, str]


LONGEST_HEADING = 60
"""Words; a line with more is a page that lost its lines, whatever it begins with."""


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Kind, level and raw words of every block."""
    waiting: list[str] = []
    kind = PARAGRAPH
    for line in lines:
        if waiting and kind == PARAGRAPH and len(waiting) == 1 and re.fullmatch(r"\s{0,3}(?:={2,}|-{2,})\s*", line):
            yield HEADING, 1 if "=" in line else 2, waiting.pop()
            continue
        fresh = (
            not line.strip() or line.lstrip().startswith("|") or _ITEM.match(line) or re.match(r" {0,3}#{1,6}\s", line)
        )
        if fresh and waiting:
            yield _closed(kind, waiting)
            waiting, kind = [], PARAGRAPH
        if _RULE.fullmatch(line):
            continue
        mark = re.match(r" {0,3}(#{1,6})\s+(.*?)[\s#]*$", line)
        if mark and len(mark[2].split()) <= LONGEST_HEADING:
            yield HEADING, len(mark[1]), mark[2]
        elif line.count("|") >= 2:
            yield from ((ROW, 0, row) for row in markup.rows(line))
        else:
            if not waiting:
                kind = ITEM if _ITEM.match(line) else PARAGRAPH
            waiting.append(line)
    if waiting:
        yield _closed(kind, waiting)


def _closed(kind: str, lines: Sequence[str]) -> Block:
    return _block(kind, "\n".join(lines), len(lines))


@lru_cache(maxsize=1 << 15)
def _block(kind: str, raw: str, lines: int) -> Block:
    if _ONLY_LINK.fullmatch(raw):
        return LINK, 0, raw
    level = _quiet_heading(raw) if lines <= 2 else 0
    return (HEADING, level, raw) if level else (kind, 0, raw)


_ONLY_LINK = re.compile(r"[\s*_•-]*!?\[[^\[\]]{0,100}\]\([^()\n]*\)[\s*_.]*")
"""A block that is nothing but a link leads somewhere and says nothing."""


def _quiet_heading(raw: str) -> int:
    """The level of a heading that is only bold, only capitals or only numbered; 0 where it is none."""
    words = plain(_ITEM.sub("", raw) if _is_bold(_ITEM.sub("", raw)) else raw)
    numbered = re.match(r"(?:section |article )?\d{1,2}(?:\.\d{1,2})*[.)]?\s+[A-Z]", words, re.IGNORECASE)
    if not words or words.endswith((";", ":", ",", "!")) or len(words.split()) > 14:
        return 0
    if words.endswith(".") and not (numbered and _is_bold(raw)):
        return 0
    if _is_bold(raw) or _is_bold(_ITEM.sub("", raw)):
        return BOLD_LEVEL
    capitals = words.isupper() and len(words.split()) >= 2
    return PLAIN_LEVEL if capitals or (numbered and words[-1].isalnum() and len(words.split()) <= 10) else 0


def _is_bold(raw: str) -> bool:
    inner = re.sub(r"^\[|\]\([^()\n]*\)$", "", raw.strip())
    return re.fullmatch(r"\W{0,3}(?:\*\*(?:(?!\*\*)[\s\S])+\*\*|__(?:(?!__)[\s\S])+__)\W{0,3}", inner) is not None


# --- sentences --------------------------------------------------------------------------------------------------


def _placed(blocks: Iterable[Block]) -> Iterator[Sentence]:
    """The sentences of the blocks, each under its headings and behind the words that lead into its list."""
    above: list[tuple[int, str]] = []
    lead = ""
    for number, (kind, level, raw) in enumerate(blocks):
        shown = _sentences(kind, raw)
        if kind == HEADING and shown:
            while above and above[-1][0] >= level:
                above.pop()
            above.append((level, " ".join(s.text for s in shown)))
        path = tuple(title for _, title in above)
        lead = lead if kind in (ITEM, ROW) else ""
        before = ""
        for one in shown:
            carried = before if before and not lead and _CARRIES_ON.match(one.text) else lead
            yield replace(one, path=path, lead=one.lead or carried, block=number, level=level)
            before = before if carried == before and before else one.text
        if shown and shown[-1].text.endswith(":"):
            lead = shown[-1].text


_CARRIES_ON = re.compile(
    r"(?:this|these|that|it|such|they|examples?)(?: \w+){0,2}? (?:also )?(?:may |can |might )?(?:includes?|means?|"
    r"are)\b|for (?:example|instance)\b",
    re.IGNORECASE,
)
"""A sentence that only goes on with the one before it: what that one says leads into this one."""


@lru_cache(maxsize=1 << 15)
def _sentences(kind: str, raw: str) -> Sentences:
    """The sentences of one block. Cached, because most blocks of a history stay as they are."""
    if kind == ROW:
        return tuple(_row(raw))
    words = plain(raw)
    start = _numbering(words, heading=kind == HEADING) if kind != ITEM else _numbering(words, heading=False)
    if kind == HEADING:
        return tuple(s for s in (sentence(words, kind, start),) if s.tokens)
    pieces = split(words, start)
    return tuple(s for s in (sentence(piece, kind) for piece in pieces) if s.tokens)


def _row(raw: str) -> Iterator[Sentence]:
    """A short row is one sentence, because a cell says nothing without its row; a long one is read cell by cell."""
    cells = [[plain(_ITEM.sub("", piece)) for piece in markup.pieces(cell)] for cell in raw.split("|")]
    cells = [[words for words in cell if words and not _RULE.fullmatch(words)] for cell in cells]
    cells = [cell for cell in cells if cell]
    whole = " | ".join(" ".join(cell) for cell in cells)
    if len(whole.split()) <= LONG_ROW:
        yield from (s for s in (sentence(whole, ROW),) if s.tokens)
        return
    for cell in cells:
        said = [sentence(words, ROW) for piece in cell for words in split(piece)]
        yield from (replace(s, lead=cells[0][0]) for s in said if s.tokens)


_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|inc|corp|ltd|co|no|nos|art|arts|sec|mr|mrs|ms|dr|vs|v|u\.s|u\.k|e\.u|p\.o|st|approx|"
    r"cf)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9\u00c0-\u024f\u0400-\u04ff])|(?<=[。！？])")


_MONTH = re.compile(r"(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)\b")
"""What goes on behind a number with a full stop: "1. März"."""


def split(words: str, start: int = 0) -> tuple[str, ...]:
    """A paragraph cut into sentences; abbreviations and initials end none."""
    found, begins = [], start
    for end in _END.finditer(words, start):
        before = words[begins : end.start()].rstrip("\"')]")
        if _ABBREVIATED.search(before[-12:]) and not re.search(r"\b(?:inc|corp|ltd|etc)\.$", before[-6:], re.I):
            continue
        if re.search(r"\b\d{1,2}\.$", before[-4:]) and _MONTH.match(words, end.end()):
            continue
        legal = re.search(r"\b(?:inc|corp|ltd|etc)\.$", before[-6:], re.I)
        if legal and not re.match(r"[\"'(\[]*(?:We|You|The|If|This|It|In|For|When)\b", words[end.end() :]):
            continue
        found.append(words[begins : end.end()].strip())
        begins = end.end()
    found.append(words[begins:].strip())
    return tuple(piece for piece in found if piece)


_UNITS = r"(?!(?:days?|weeks?|months?|years?|hours?|minutes?|percent|million|billion)\b)"
_NUMBER = re.compile(
    r"(?:(?:section|article|part|chapter)\s+|§\s*)?(?:\d{1,2}(?:\.\d{1,2})+\.?\s+(?=[A-Z\"'(])|\d{1,3}[.):]\s+|"
    r"\(?(?:[a-z]|[ivx]{1,5})[.)]\s+|[A-HJ-Z]\.\s+|[IVX]{1,5}[.)]\s+|[•·▪‣]\s*)",
)
_BARE = re.compile(
    rf"(?:(?:Section|Article|Part|Chapter)\s+[0-9IVX.]+\s*[:.–-]?\s+|\d{{1,2}}(?:\.\d{{1,2}})*\s+{_UNITS}(?=[A-Z]))",
    re.I,
)


def _numbering(words: str, *, heading: bool) -> int:
    """Where the words begin behind a number or letter that only counts: "2.1", "(a)", "IV."."""
    found = _NUMBER.match(words) or (_BARE.match(words) if heading else None)
    return found.end() if found and found.end() < len(words) else 0


@lru_cache(maxsize=1 << 13)
def title(words: str) -> tuple[str, ...]:
    """What a heading says without its number."""
    return sentence(words, HEADING, _numbering(words, heading=True)).tokens


# --- tokens -----------------------------------------------------------------------------------------------------

_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Scripts that put no spaces between words: every character is a token, so that sentences can be aligned."""
_TOKEN = re.compile(
    r"https?://[^\s)>\]\"]+|www\.[^\s)>\]\"]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|"
    r"[^\W_]+(?:\.[^\W\d_]{2,})+(?=[/\s.,;:)]|$)(?:/[^\s)>\]\"]*)?"
    rf"|\d+(?:[.,]\d+)*|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+(?:'[^\W\d_{_UNSPACED}]+)*|[^\W_]+|[$€£¥%]"
)
_SHORT = {
    "cannot": ("can", "not"), "can't": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not"),
    "let's": ("let", "us"), "it's": ("it", "is"), "that's": ("that", "is"), "what's": ("what", "is"),
    "here's": ("here", "is"), "there's": ("there", "is"), "who's": ("who", "is"), "i'm": ("i", "am"),
}  # fmt: skip
_ENDINGS = (("n't", "not"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would"))
_REFERS = frozenset({"section", "sections", "paragraph", "paragraphs", "clause", "clauses"})


def sentence(words: str, kind: str = PARAGRAPH, start: int = 0) -> Sentence:
    """A sentence and its tokens; what stands before ``start`` is shown and says nothing."""
    tokens: list[str] = []
    spans: list[tuple[int, int]] = []
    refers = False
    for found in _TOKEN.finditer(words, start):
        parts = _parts(found[0])
        refers = tokens[-1] in _REFERS or (refers and tokens[-1][:4] in ("ref:", "and", "or")) if tokens else False
        if refers and found[0][0].isdigit():
            parts = ("ref:" + found[0],)
        tokens += parts
        spans += [found.span()] * len(parts)
    return Sentence(words, tuple(tokens), tuple(spans), kind)


@lru_cache(maxsize=1 << 15)
def _parts(word: str) -> tuple[str, ...]:
    low = word.casefold()
    if low in _SHORT:
        return _SHORT[low]
    if "://" in low or low.startswith("www.") or ("." in low and "@" not in low and not low[0].isdigit()):
        return tuple(re.split(r"[./]", re.sub(r"^\w+://|^www\.", "", low).partition("/")[0].rstrip(".")))
    for ending, full in _ENDINGS:
        if low.endswith(ending) and len(low) > len(ending):
            return low[: -len(ending)], full
    return (re.sub(r"'s$|'$", "", low),)
