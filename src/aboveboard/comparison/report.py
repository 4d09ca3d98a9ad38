"""A comparison as text for a person: the gravest first, each change with what it was, what it is, and why.

Nothing of the comparison is left out but long quotes, which are cut around the words that changed; the JSON document
has them whole. Changed words stand in brackets. Pure.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from aboveboard import vocabulary
from aboveboard.comparison.changes import DIRECTIONS, Change, Comparison

WIDTH = 110
AROUND = 60
"""Characters of a quote that are shown around changed words."""
TITLES = {
    "widens": "MORE MAY HAPPEN",
    "unclear": "TO BE READ BY SOMEBODY",
    "narrows": "LESS MAY HAPPEN",
    "editorial": "WORDING",
}
SAYS = {
    "widens": ("widens", "widen"),
    "narrows": ("narrows", "narrow"),
    "editorial": ("is wording", "are wording"),
    "unclear": ("is unclear", "are unclear"),
}
SUSPECTED = "SUSPECTED OF A CAPTURE, NOT COUNTED"
"""The title above differences that may be no change of the policy."""


def as_text(found: Comparison) -> str:
    """The whole comparison, in paragraphs."""
    if found.problems:
        return "\n".join(["Nothing was compared.", *(f"  {note.sentence}" for note in found.problems)])
    return "\n".join([summary(found), *_preface(found), *_body(found)]).rstrip()


def summary(found: Comparison) -> str:
    """One sentence: how many changes, and which way they go."""
    total, apart = len(found.changes), suspicion(found)
    if not total:
        return f"No change. {apart}".strip()
    counted = [f"{n} {SAYS[way][n != 1]}" for way, n in found.counts().items() if n]
    alerts = len(found.alerts)
    told = f" {alerts} {'promise' if alerts == 1 else 'promises'} vanished." if alerts else ""
    return f"{total} {'change' if total == 1 else 'changes'}: {', '.join(counted)}.{told} {apart}".strip()


def suspicion(found: Comparison) -> str:
    """How many differences are told apart, or nothing where there are none."""
    total = len(found.suspected)
    if not total:
        return ""
    what, which = ("difference is", "it") if total == 1 else ("differences are", "them")
    return f"{total} {what} told apart: a capture may have made {which}."


def _preface(found: Comparison) -> Iterator[str]:
    if found.effective_old or found.effective_new:
        yield f"In force by their own words: {found.effective_old or 'no date'} -> {found.effective_new or 'no date'}."
    if found.renames:
        yield (
            "Read as the same name: "
            + "; ".join(f"{r} ({r.times_old} and {r.times_new} times)" for r in found.renames)
            + "."
        )
    for note in found.notes:
        if note.code != "effective-date":
            yield f"Note: {note.sentence}."


def _body(found: Comparison) -> Iterator[str]:
    number = 0
    groups: list[tuple[str, list[Change]]] = [("A PROMISE VANISHED", list(found.alerts))]
    for way in sorted(DIRECTIONS, key=list(TITLES).index):
        groups.append((TITLES[way], [c for c in found.changes if c.direction == way and not c.alert]))
    groups.append((SUSPECTED, list(found.suspected)))
    for title, changes in groups:
        if changes:
            yield f"\n{title} ({len(changes)})"
        for change in changes:
            number += 1
            yield "\n" + one(change, number)


def one(change: Change, number: int) -> str:
    """One change in a few lines. A side on which no word came or went is not told again."""
    where = " > ".join((change.heading_new or change.heading_old)[-2:]) or "at the beginning"
    lines = [_wrapped(f"{number}. ", f"{change.kind.capitalize()} under {where}")]
    if change.regions:
        lines.append(_wrapped("    ", f"in: {'; '.join(change.regions)}"))
    if change.old_quote and (change.old_marks or not change.new_marks):
        lines.append(
            _wrapped("    was: ", excerpt(change.old_quote, change.old_marks, bracketed=change.kind == "changed"))
        )
    if change.new_quote and (change.new_marks or not change.old_marks):
        lines.append(
            _wrapped("    now: ", excerpt(change.new_quote, change.new_marks, bracketed=change.kind == "changed"))
        )
    lines.append(_wrapped("    why: ", f"{change.why} [{change.rule}]"))
    about = about_of(change)
    if about:
        lines.append(_wrapped("    about: ", about))
    return "\n".join(lines)


def about_of(change: Change) -> str:
    """What the change is about, in the words of the vocabulary."""
    parts = [", ".join(change.aspects)]
    if change.categories:
        parts.append("data: " + ", ".join(vocabulary.CATEGORIES[key].says for key in change.categories))
    if change.purposes:
        parts.append("for: " + ", ".join(vocabulary.PURPOSES[key].says for key in change.purposes))
    if change.recipients:
        parts.append("names: " + ", ".join(change.recipients))
    return "; ".join(part for part in parts if part)


def excerpt(quote: str, marks: Sequence[tuple[int, int]], *, bracketed: bool) -> str:
    """A quote cut around its changed words, which stand in brackets; a short one whole."""
    if not bracketed or not marks:
        return quote if len(quote) <= 600 else quote[:600].rsplit(" ", 1)[0] + " ..."
    pieces: list[str] = []
    shown = 0
    for start, end in marks:
        begins = max(shown, _word(quote, start - AROUND, back=True))
        if begins > shown:
            pieces.append("... " if not pieces else " ... ")
        pieces += [quote[begins:start], "[", quote[start:end], "]"]
        shown = end
    until = _word(quote, shown + AROUND, back=False)
    return "".join([*pieces, quote[shown:until], " ..." if until < len(quote) else ""])


def _word(quote: str, at: int, *, back: bool) -> int:
    """A place between two words, near a character."""
    if at <= 0 or at >= len(quote):
        return max(0, min(at, len(quote)))
    found = quote.rfind(" ", 0, at) + 1 if back else quote.find(" ", at)
    return found if found >= 0 else len(quote)


def _wrapped(head: str, words: str) -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
