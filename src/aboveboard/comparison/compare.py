"""Two texts in, a comparison out: read, look for what is wrong, take the part that will hold, align, type, fold.

The order of the steps is that of docs/formats/comparison.md. Pure: the same texts give the same comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from aboveboard.comparison import alignment, meaning, parts, renames, suspicion, text
from aboveboard.comparison.alignment import Side
from aboveboard.comparison.changes import Change, Comparison, Note, Rename
from aboveboard.comparison.folding import Placed, folded, once
from aboveboard.comparison.parts import ONLY, Part, Variant
from aboveboard.comparison.text import Sentences

Names = Sequence[tuple[str, str]]


def compare(old: str, new: str, *, names: Names = ()) -> Comparison:
    """What changed from ``old`` to ``new``, each change typed, and what was suspicious.

    The texts may be Markdown, HTML or plain. ``names`` are renames known beforehand (old, new). Of a page that holds
    the coming policy and the current one, the coming one is compared. Never raises for what a text says: where one is
    no policy (an error page, three words) ``problems`` says so and ``changes`` is empty.
    """
    one, other = read(old, "old"), read(new, "new")
    problems = (*one.problems, *other.problems)
    if not problems:
        problems = tuple(suspicion.of_both(one.part.clauses, other.part.clauses))
    if problems:
        return Comparison(problems=problems, effective_old=one.effective, effective_new=other.effective)
    return compare_parts(one, other, names)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it was read: the part that will hold, every part, what is to be known of it, what stops it."""

    part: Part
    parts: tuple[Part, ...]
    notes: tuple[Note, ...]
    problems: tuple[Note, ...]

    @property
    def effective(self) -> str | None:
        """The date from which the part holds, as the text says."""
        return self.part.effective


@lru_cache(maxsize=8)
def read(source: str, side: str) -> Reading:
    """A text, read and looked at. The last few are kept, because a history compares each version twice."""
    problems = tuple(suspicion.of_raw(source, side))
    sentences = () if problems else text.read(source)
    problems = problems or tuple(suspicion.of_words(sentences, side))
    found = parts.split(sentences)
    part = parts.governing(found)
    notes = [*suspicion.layout(source, side), *suspicion.notes(part, side)] if not problems else []
    if part.role != ONLY:
        notes.insert(
            0,
            Note(
                "combined",
                f"the {side} text holds the coming policy and the current one: the coming one is compared",
                side,
            ),
        )
    return Reading(part, found, tuple(notes), problems)


def compare_parts(one: Reading, other: Reading, names: Names = ()) -> Comparison:
    """Two texts that are policies, compared."""
    same_date = one.effective is not None and one.effective == other.effective
    old, new, notes = _without_losses(
        suspicion.spoken(one.part.clauses), suspicion.spoken(other.part.clauses), same_date
    )
    changes, learned = _changes(old, new, names)
    notes = [*one.notes, *other.notes, *notes, *_about_dates(one, other, bool(changes))]
    return Comparison(changes, learned, tuple(notes), (), one.effective, other.effective)


def _changes(old: Sentences, new: Sentences, names: Names) -> tuple[tuple[Change, ...], tuple[Rename, ...]]:
    if [(s.tokens, s.lead) for s in old] == [(s.tokens, s.lead) for s in new]:
        return (), ()
    a, b, learned = renames.sides(old, new, names)
    return tuple(_all_changes(a, b)), learned


def _without_losses(old: Sentences, new: Sentences, same_date: bool) -> tuple[Sentences, Sentences, list[Note]]:
    found = list(suspicion.captures(old, new, same_date))
    gone_old = frozenset().union(*(lost.old for lost in found)) if found else frozenset()
    gone_new = frozenset().union(*(lost.new for lost in found)) if found else frozenset()
    left = tuple(s for at, s in enumerate(old) if at not in gone_old)
    right = tuple(s for at, s in enumerate(new) if at not in gone_new)
    return left, right, [lost.note for lost in found]


def _about_dates(one: Reading, other: Reading, changed: bool) -> Iterator[Note]:
    if one.effective != other.effective:
        yield Note(
            "effective-date", f"the date of the text went from {one.effective or 'none'} to {other.effective or 'none'}"
        )
    elif one.part.role == other.part.role and set(one.part.dates.told) != set(other.part.dates.told):
        dates = " to ".join(", ".join(reading.part.dates.told) or "none" for reading in (one, other))
        yield Note("dates", f"the dates that the text tells went from {dates}")
    if changed and one.effective is not None and one.effective == other.effective:
        yield Note("silent-edit", f"the text changed and its date, {one.effective}, did not")


def _all_changes(a: Side, b: Side) -> Iterator[Change]:
    """The changes of all regional variants, each told once with the regions it stands in."""
    pairs = _facing(parts.variants(a.sentences), parts.variants(b.sentences))
    found: list[list[Change]] = []
    for old, new in pairs:
        one, other = _narrowed(a, old), _narrowed(b, new)
        facing = meaning.prepared(one, a), meaning.prepared(other, b)
        region = new.region or old.region
        typed = [Placed(c, group) for group in alignment.align(one, other) for c in meaning.typed(*facing, group)]
        told = folded(typed, one.sentences, other.sentences)
        found.append([replace(change, regions=(region,) if region else ()) for change in told])
    yield from once(found)


def _facing(old: Sequence[Variant], new: Sequence[Variant]) -> list[tuple[Variant, Variant]]:
    """Variants of the same region side by side; whole texts where they do not fit each other."""
    if [len(v.region) > 0 for v in old] != [len(v.region) > 0 for v in new]:
        whole = [Variant("", tuple(s for v in side for s in v.sentences)) for side in (old, new)]
        return [(whole[0], whole[1])]
    return list(zip(old, new, strict=True))


def _narrowed(side: Side, variant: Variant) -> Side:
    """The part of a side that a variant is. Sentences are told apart by identity: variants repeat each other's words."""
    wanted = {id(s) for s in variant.sentences}
    chosen = [(s, key) for s, key in zip(side.sentences, side.keys, strict=True) if id(s) in wanted]
    return Side(tuple(s for s, _ in chosen), tuple(key for _, key in chosen))
