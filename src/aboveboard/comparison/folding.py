"""Changes that are one to a reader: a label with what stands behind it, statements in a row, the items of one list.

Folding joins quotes and never drops one. Only neighbours are joined, and only what says the same kind of thing: each
change that widens or narrows by itself is a decision for somebody. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aboveboard.comparison.alignment import Group
from aboveboard.comparison.changes import ASPECTS, Change
from aboveboard.comparison.text import HEADING, LINK, Sentence, Sentences

LABEL = 5
"""Tokens in the label that opens a paragraph ("Biometric information."), at most."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A change and where it stands in its texts."""

    change: Change
    group: Group


def folded(found: Sequence[Placed], old: Sentences, new: Sentences) -> Iterator[Change]:
    """The changes, neighbours joined that are one to a reader."""
    waiting: Placed | None = None
    for placed in found:
        if waiting is not None and _belongs(waiting, placed, old, new):
            waiting = _joined(waiting, placed, old, new)
            continue
        if waiting is not None and not _says_nothing(waiting, old, new):
            yield waiting.change
        waiting = placed
    if waiting is not None and not _says_nothing(waiting, old, new):
        yield waiting.change


def _says_nothing(placed: Placed, old: Sentences, new: Sentences) -> bool:
    """Headings and bare links that came or went without a sentence."""
    here = [*(old[i] for i in placed.group.old), *(new[j] for j in placed.group.new)]
    lone = placed.change.kind != "changed" and placed.change.rule == "statement"
    return lone and all(s.kind in (HEADING, LINK) for s in here)


def is_label(sentence: Sentence) -> bool:
    """Whether a sentence only names what follows: a heading, or a few words that open a paragraph."""
    return sentence.kind in (HEADING, LINK) or (len(sentence.tokens) <= LABEL and not sentence.lead)


def _belongs(one: Placed, other: Placed, old: Sentences, new: Sentences) -> bool:
    if _same_paragraph(one, other, old, new):
        return True
    if one.change.kind != other.change.kind or one.change.kind == "changed":
        return False
    (before, after), side = _sides(one, other), (new if one.change.kind == "added" else old)
    if after[0] != before[-1] + 1:
        return False
    first, last, following = [side[i] for i in before], side[before[-1]], side[after[0]]
    if all(is_label(s) for s in first):
        return True
    if one.change.direction != other.change.direction:
        return False
    if is_label(following):
        return False
    if one.change.direction == "editorial":
        return last.path == following.path
    listed = bool(following.lead) and following.lead in (last.lead, last.text)
    return listed and one.change.rule == other.change.rule


def _same_paragraph(one: Placed, other: Placed, old: Sentences, new: Sentences) -> bool:
    """Whether a paragraph reads differently in two places and neither matters: one is changed, the other beside it."""
    kinds = {one.change.kind, other.change.kind}
    if len(kinds) != 2 or "changed" not in kinds or {one.change.direction, other.change.direction} != {"editorial"}:
        return False
    side, before, after = (
        (new, one.group.new, other.group.new) if "added" in kinds else (old, one.group.old, other.group.old)
    )
    return bool(before and after) and after[0] == before[-1] + 1 and side[before[-1]].block == side[after[0]].block


def _sides(one: Placed, other: Placed) -> tuple[tuple[int, ...], tuple[int, ...]]:
    added = one.change.kind == "added"
    return (one.group.new, other.group.new) if added else (one.group.old, other.group.old)


def _joined(one: Placed, other: Placed, old: Sentences, new: Sentences) -> Placed:
    (before, _), side = _sides(one, other), (new if one.change.kind == "added" else old)
    a, b = one.change, other.change
    labels = a.kind == b.kind and all(is_label(side[i]) for i in before)
    first = b if labels or b.kind == "changed" else a
    quote_old, quote_new = f"{a.old_quote} {b.old_quote}".strip(), f"{a.new_quote} {b.new_quote}".strip()
    change = replace(
        first,
        aspects=tuple(name for name in ASPECTS if name in (*a.aspects, *b.aspects)),
        categories=tuple(sorted({*a.categories, *b.categories})),
        purposes=tuple(sorted({*a.purposes, *b.purposes})),
        recipients=tuple(dict.fromkeys([*a.recipients, *b.recipients])),
        old_quote=quote_old,
        new_quote=quote_new,
        alert=a.alert or b.alert,
        old_marks=_both_marks(a.old_marks, b.old_marks, a.old_quote),
        new_marks=_both_marks(a.new_marks, b.new_marks, a.new_quote),
    )
    return Placed(change, Group((*one.group.old, *other.group.old), (*one.group.new, *other.group.new)))


def _both_marks(
    first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...], quote: str
) -> tuple[tuple[int, int], ...]:
    moved = len(quote) + 1 if quote else 0
    return (*first, *((start + moved, end + moved) for start, end in second))


def once(variants: Sequence[Sequence[Change]]) -> Iterator[Change]:
    """The same change of several regional variants told once, with its regions."""
    found: dict[tuple[str, ...], Change] = {}
    for changes in variants:
        for change in changes:
            key = change.kind, change.direction, change.rule, change.old_quote, change.new_quote
            if key in found:
                regions = tuple(dict.fromkeys([*found[key].regions, *change.regions]))
                found[key] = replace(found[key], regions=regions)
            else:
                found[key] = change
    yield from found.values()
