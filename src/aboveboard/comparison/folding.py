"""Changes that are one to a reader: a label with what stands behind it, statements in a row, the items of one list.

Folding joins quotes and never drops one. Only neighbours are joined, and only what says the same kind of thing: each
change that widens or narrows by itself is a decision for somebody. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aboveboard.comparison import lexicon
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


def folded(found: Sequence[Placed], old: Sentences, new: Sentences) -> list[Change]:
    """The changes, neighbours joined that are one to a reader, in the order of the new text.

    What came and what went are joined each in its own text, so that the texts may trade places.
    """
    came = _runs([p for p in found if p.change.kind == "added"], new, added=True)
    gone = _runs([p for p in found if p.change.kind == "removed"], old, added=False)
    rest = [p for p in found if p.change.kind == "changed"]
    told = _paragraphs(rest, [*came, *gone], old, new)
    told = [p for p in told if not _says_nothing(p, old, new)]
    return [p.change for p in sorted(told, key=lambda p: _place(p, len(old), len(new)))]


def _place(placed: Placed, old: int, new: int) -> tuple[float, int]:
    group = placed.group
    return (group.new[0] / max(1, new), 1) if group.new else (group.old[0] / max(1, old), 0)


def _runs(found: Sequence[Placed], side: Sentences, *, added: bool) -> list[Placed]:
    """Neighbours of one text that belong together, joined."""
    told: list[Placed] = []
    for placed in sorted(found, key=lambda p: p.group.new if added else p.group.old):
        if told and _belongs(told[-1], placed, side, added=added):
            told[-1] = _joined(told[-1], placed, labels=all(is_label(side[i]) for i in _at(told[-1], added=added)))
        else:
            told.append(placed)
    return told


def _at(placed: Placed, *, added: bool) -> tuple[int, ...]:
    return placed.group.new if added else placed.group.old


def _says_nothing(placed: Placed, old: Sentences, new: Sentences) -> bool:
    """Headings and bare links that came or went without a sentence, and name nothing that matters."""
    here = [*(old[i] for i in placed.group.old), *(new[j] for j in placed.group.new)]
    lone = placed.change.kind != "changed" and placed.change.rule == "statement"
    return lone and all(s.kind in (HEADING, LINK) and not (s.kind == HEADING and _names_something(s)) for s in here)


_DENIES = frozenset({"not", "no", "never", "nor", "neither", "none", "without"})


def _names_something(heading: Sentence) -> bool:
    """Whether a heading for itself says a number, a negation, a company, a kind of data, a use or who receives it."""
    words = heading.text
    told = {*lexicon.categories(words), *lexicon.purposes(words), *lexicon.recipients(words)} - _BROAD
    figures = any(token[:1].isdigit() for token in heading.tokens)
    return bool(told) or figures or not _DENIES.isdisjoint(heading.tokens) or bool(lexicon.company_spans(words))


_BROAD = frozenset({"user", "service.operation"})


def is_label(sentence: Sentence) -> bool:
    """Whether a sentence only names what follows: a heading, or a few words that open a paragraph."""
    if sentence.kind in (HEADING, LINK):
        return True
    return len(sentence.tokens) <= LABEL and (not sentence.lead or sentence.text.endswith(":"))


def _belongs(one: Placed, other: Placed, side: Sentences, *, added: bool) -> bool:
    before, after = _at(one, added=added), _at(other, added=added)
    if after[0] != before[-1] + 1:
        return False
    last, following = side[before[-1]], side[after[0]]
    if all(is_label(side[i]) for i in before):
        return True
    if one.change.direction != other.change.direction or is_label(following):
        return False
    if one.change.direction == "editorial" or one.change.rule == other.change.rule == "language":
        return last.path == following.path
    listed = bool(following.lead) and following.lead in (last.lead, last.text)
    return listed and one.change.rule == other.change.rule


def _paragraphs(changed: Sequence[Placed], lone: Sequence[Placed], old: Sentences, new: Sentences) -> list[Placed]:
    """A paragraph that reads differently in two places, neither of which matters, is one change."""
    quiet = [at for at, placed in enumerate(changed) if placed.change.direction == "editorial"]
    told, left = list(changed), []
    for other in lone:
        added = other.change.kind == "added"
        here, side = _at(other, added=added), new if added else old
        beside = [at for at in quiet if _touches(_at(changed[at], added=added), here, side)]
        if other.change.direction == "editorial" and beside:
            at = min(beside, key=lambda n: _at(changed[n], added=added))  # the one before rather than the one behind
            told[at] = _joined(told[at], other, labels=False)
        else:
            left.append(other)
    return [*told, *left]


def _touches(one: tuple[int, ...], other: tuple[int, ...], side: Sentences) -> bool:
    """Whether they stand side by side in one paragraph."""
    beside = other[0] == one[-1] + 1 or other[-1] == one[0] - 1
    return beside and side[one[0]].block == side[other[0]].block == side[other[-1]].block


def _joined(one: Placed, other: Placed, *, labels: bool) -> Placed:
    """Two changes as one; behind labels the other decides what it is."""
    first = other.change if labels else one.change
    greater = other.change if _says_more(other.change, first) else first
    a, b = (other.change, one.change) if _before(other.group, one.group) else (one.change, other.change)
    change = replace(
        first,
        rule=greater.rule,
        why=greater.why,
        aspects=tuple(name for name in ASPECTS if name in (*a.aspects, *b.aspects)),
        categories=tuple(sorted({*a.categories, *b.categories})),
        purposes=tuple(sorted({*a.purposes, *b.purposes})),
        recipients=tuple(dict.fromkeys([*a.recipients, *b.recipients])),
        old_quote=f"{a.old_quote} {b.old_quote}".strip(),
        new_quote=f"{a.new_quote} {b.new_quote}".strip(),
        alert=a.alert or b.alert,
        old_marks=_both_marks(a.old_marks, b.old_marks, a.old_quote),
        new_marks=_both_marks(a.new_marks, b.new_marks, a.new_quote),
    )
    group = Group(tuple(sorted({*one.group.old, *other.group.old})), tuple(sorted({*one.group.new, *other.group.new})))
    return Placed(change, group)


def _says_more(one: Change, other: Change) -> bool:
    """Whether more words of a change came and went: what is told as one is told by its greater part."""
    if one.direction != "editorial" or one.kind == other.kind:
        return False
    return _moved(one) > _moved(other)


def _moved(change: Change) -> int:
    return sum(end - start for start, end in (*change.old_marks, *change.new_marks))


def _before(one: Group, other: Group) -> bool:
    """Whether one stands before the other, in whichever text holds both."""
    return one.new < other.new if one.new and other.new else one.old < other.old


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
