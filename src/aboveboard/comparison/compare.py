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

Names = Sequence[tuple[str, str]]
Changes = tuple[Change, ...]


def compare(old: str, new: str, *, names: Names = (), captured: bool = True) -> Comparison:
    """What changed from ``old`` to ``new``, each change typed, and what was suspicious.

    The texts may be Markdown, HTML or plain. ``names`` are renames known beforehand (old, new). Of a page that holds
    the coming policy and the current one, the coming one is compared. ``captured`` says that the texts were saved from
    pages, which loses and adds what no policy did; what its own house wrote down was not. Never raises for what a text
    says: where one is no policy (an error page, three words) ``problems`` says so and ``changes`` is empty.
    """
    one, other = read(old, "old"), read(new, "new")
    problems = (*one.problems, *other.problems)
    if not problems:
        problems = tuple(suspicion.of_both(one.part.clauses, other.part.clauses))
    if problems:
        return Comparison(problems=problems, effective_old=one.effective, effective_new=other.effective)
    return compare_parts(one, other, names, captured=captured)


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


def unread(source: str) -> str:
    """The language of a text that the rules do not read, by its name where it is known; nothing where it is English."""
    return suspicion.unread(read(source, "new").part.clauses)


def compare_parts(one: Reading, other: Reading, names: Names = (), *, captured: bool = True) -> Comparison:
    """Two texts that are policies, compared."""
    same_date = one.effective is not None and one.effective == other.effective
    old, new = one.part.clauses, other.part.clauses
    if [(s.tokens, s.lead) for s in old] == [(s.tokens, s.lead) for s in new]:
        return _told(one, other, list(suspicion.of_language(old, new)), (), (), ())
    lost = list(suspicion.captures(old, new, same_date)) if captured else []
    doubtful = {id(s) for side in (old, new) for s in suspicion.foreign(side)}
    doubtful |= {id(old[at]) for found in lost for at in found.old} | {
        id(new[at]) for found in lost for at in found.new
    }
    unread = tuple(suspicion.of_language(old, new))
    a, b, learned = renames.sides(old, new, names, learn=not unread)
    found = list(_all_changes(a, b, frozenset(doubtful)))
    certain, suspected = (tuple(once([side[n] for side in found])) for n in (0, 1))
    return _told(one, other, [*unread, *(loss.note for loss in lost)], certain, suspected, learned)


def _told(
    one: Reading, other: Reading, lost: Sequence[Note], found: Changes, suspected: Changes, learned: tuple[Rename, ...]
) -> Comparison:
    notes = (*one.notes, *other.notes, *lost, *_about_dates(one, other, bool(found)))
    return Comparison(found, learned, notes, (), one.effective, other.effective, suspected)


def _about_dates(one: Reading, other: Reading, changed: bool) -> Iterator[Note]:
    if one.effective != other.effective:
        yield Note(
            "effective-date", f"the date of the text went from {one.effective or 'none'} to {other.effective or 'none'}"
        )
    rest = [[day for day in reading.part.dates.told if day != reading.effective] for reading in (one, other)]
    if one.part.role == other.part.role and set(rest[0]) != set(rest[1]):
        dates = " to ".join(", ".join(reading.part.dates.told) or "none" for reading in (one, other))
        yield Note("dates", f"the dates that the text tells went from {dates}")
    if changed and one.effective is not None and one.effective == other.effective:
        yield Note("silent-edit", f"the text changed and its date, {one.effective}, did not")


def _all_changes(a: Side, b: Side, doubtful: frozenset[int]) -> Iterator[tuple[list[Change], list[Change]]]:
    """For each regional variant its changes, and what may be no change because a capture made it."""
    for old, new in _facing(parts.variants(a.sentences), parts.variants(b.sentences)):
        one, other = _narrowed(a, old), _narrowed(b, new)
        facing = meaning.prepared(one, a), meaning.prepared(other, b)
        typed = [Placed(c, group) for group in alignment.align(one, other) for c in meaning.typed(*facing, group)]
        region = new.region or old.region
        told = ([p for p in typed if _is_doubtful(p, one, other, doubtful) is doubt] for doubt in (False, True))
        certain, suspected = (
            [replace(c, regions=(region,) if region else ()) for c in folded(placed, one.sentences, other.sentences)]
            for placed in told
        )
        yield certain, suspected


def _is_doubtful(placed: Placed, old: Side, new: Side, doubtful: frozenset[int]) -> bool:
    """INVARIANT: a capture only loses or only adds. What was reworded, or stands outside of what it took, is a change."""
    here = [*(old.sentences[i] for i in placed.group.old), *(new.sentences[j] for j in placed.group.new)]
    return placed.change.kind != "changed" and all(id(sentence) in doubtful for sentence in here)


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
