"""Which sentences of two texts are the same, which were changed, and which stand in one text only.

Sentences are matched wherever they stand, so that renumbering, moved blocks and split or merged paragraphs change
nothing. What is left is paired by the words it shares, rare words counting more, and by its neighbours. The result
is symmetric: ``align(b, a)`` is ``align(a, b)`` with its sides exchanged. Pure.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from itertools import pairwise
from math import log

from aboveboard.comparison.text import HEADING, ITEM, ROW, Sentence, title

Key = tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """The sentences of one text, with the key that each is compared by."""

    sentences: tuple[Sentence, ...]
    keys: tuple[Key, ...]

    @cached_property
    def known(self) -> frozenset[Key]:
        return frozenset(self.keys)

    def beside(self, at: int, step: int) -> Key:
        """The key of a neighbour, or nothing at the ends."""
        return self.keys[at + step] if 0 <= at + step < len(self.keys) else ()


@dataclass(frozen=True, slots=True)
class Group:
    """Sentences that stand for each other, by index: one or more on each side, or none on one side."""

    old: tuple[int, ...]
    new: tuple[int, ...]


def align(old: Side, new: Side) -> tuple[Group, ...]:
    """Every group that is not word for word the same on both sides, in the order of the new text."""
    swapped = new.keys < old.keys  # ties are broken the same way whichever text is called the old one
    groups = _groups(new, old) if swapped else _groups(old, new)
    facing = [Group(g.new, g.old) for g in groups] if swapped else groups
    return tuple(sorted(facing, key=lambda g: _place(g, old, new)))


def pairs(old: Side, new: Side) -> tuple[Group, ...]:
    """Sentences that are versions of each other, one to one: enough to learn names from."""
    left, right = _different(old, new), _different(new, old)
    if not left or not right:
        return ()
    return tuple(Group((i,), (j,)) for i, j in _paired(old, left, new, right, _weights(old, left, new, right)))


def _place(group: Group, old: Side, new: Side) -> tuple[float, int]:
    if group.new:
        return group.new[0] / max(1, len(new.keys)), 1
    return group.old[0] / max(1, len(old.keys)), 0


def _groups(a: Side, b: Side) -> list[Group]:
    fixed = _turned_in_place(a, b)
    here, there = {i for i, _ in fixed}, {j for _, j in fixed}
    lost = [Group((i,), ()) for i in _said_less(a, b) if i not in here]
    lost += [Group((), (j,)) for j in _said_less(b, a) if j not in there]
    return [Group((i,), (j,)) for i, j in fixed] + lost + _found(a, here, b, there)


def _found(a: Side, here: set[int], b: Side, there: set[int]) -> list[Group]:
    """The groups among sentences that the other text does not have, without those already paired."""
    left = [i for i in _different(a, b) if i not in here and not _held(a, i, b)]
    right = [j for j in _different(b, a) if j not in there and not _held(b, j, a)]
    if not left and not right:
        return []
    weights = _weights(a, left, b, right)
    pairs = _paired(a, left, b, right, weights)
    pairs += _titles_in_place(a, [i for i in left if i not in dict(pairs)], b, _without(right, pairs))
    olds: dict[int, set[int]] = {i: {j} for i, j in pairs}
    return _joined(a, left, b, right, olds, weights)


def _without(right: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[int]:
    used = {j for _, j in pairs}
    return [j for j in right if j not in used]


def _titles_in_place(a: Side, left: Sequence[int], b: Side, right: Sequence[int]) -> list[tuple[int, int]]:
    """Headings above the same sentence: one became the other, whatever words they share."""
    below = {b.beside(j, 1): j for j in reversed(right) if b.sentences[j].kind == HEADING and b.beside(j, 1)}
    found = {}
    for i in left:
        j = below.get(a.beside(i, 1)) if a.sentences[i].kind == HEADING else None
        if j is not None and j not in found:
            found[j] = i
    return [(i, j) for j, i in found.items()]


# --- the same words, wherever they stand --------------------------------------------------------------------------


def _different(side: Side, other: Side) -> list[int]:
    """Sentences whose words do not stand in the other text, or stand in a list there that means something else."""
    contexts = defaultdict(set)
    for sentence, key in zip(other.sentences, other.keys, strict=True):
        contexts[key].add(_bearing(sentence))
    found: dict[Key, int] = {}
    for at, (sentence, key) in enumerate(zip(side.sentences, side.keys, strict=True)):
        if key not in contexts or not _bears(_bearing(sentence), contexts[key]):
            found.setdefault(key, at)  # a page that says the same seven times says it once
    return list(found.values())


_VERBS = (
    ("collect", r"\bcollect|\breceive|\bobtain|\bgather"), ("share", r"\bshar|\bdisclos|\bsell|\btransfer"),
    ("use", r"\buse\b|\buses\b|\bprocess"), ("keep", r"\bkeep|\bretain|\bstore"), ("not", r"\bnot\b|\bnever\b|n't\b"),
)  # fmt: skip


def _bearing(sentence: Sentence) -> frozenset[str]:
    """What the words that lead into a list make of its items; nothing outside lists."""
    if sentence.kind not in (ITEM, ROW) or not sentence.lead:
        return frozenset()
    return _verbs(sentence.lead)


@lru_cache(maxsize=1 << 12)
def _verbs(lead: str) -> frozenset[str]:
    return frozenset(name for name, pattern in _VERBS if re.search(pattern, lead.lower()))


def _bears(here: frozenset[str], there: set[frozenset[str]]) -> bool:
    """An item may move between lists, but not from what is shared to what is not."""
    return any(not here or not other or (("not" in here) == ("not" in other) and bool(here & other)) for other in there)


# --- the same words about something else --------------------------------------------------------------------------

ALIKE = 0.6
"""The least share of words that makes a sentence another version of the one that stood in its place."""
_REFERS_BACK = frozenset("this these that those it its they them their such".split())


def _turned_in_place(a: Side, b: Side) -> list[tuple[int, int]]:
    """Sentences that became another one in their place, though the words of one or both stand elsewhere as well.

    "We keep it for 30 days." says something else of the letters than of the visits: where two such sentences trade
    places, or one takes the words of the other, every sentence is known and something changed all the same.
    """
    found = []
    for i, j in _same_places(a, b):
        one, other = a.keys[i], b.keys[j]
        if one == other or (one not in b.known and other not in a.known) or not _alike(one, other):
            continue
        if one not in _section(b, j) and other not in _section(a, i):
            found.append((i, j))
    return found


def _same_places(a: Side, b: Side) -> Iterator[tuple[int, int]]:
    """The sentences right behind one that stands once in either text, and belongs to them."""
    once_a, once_b = _standing_once(a), _standing_once(b)
    for key in sorted(once_a.keys() & once_b.keys()):
        i, j = once_a[key] + 1, once_b[key] + 1
        if _goes_on(a, i) and _goes_on(b, j) and a.sentences[i].kind == b.sentences[j].kind:
            yield i, j


def _goes_on(side: Side, at: int) -> bool:
    """Whether a sentence goes on with the one before it: in its paragraph, or under the same heading."""
    if at >= len(side.keys) or side.sentences[at].kind == HEADING:
        return False
    return bool(side.sentences[at].path) or side.sentences[at].block == side.sentences[at - 1].block


def _standing_once(side: Side) -> dict[Key, int]:
    times = Counter(side.keys)
    return {key: at for at, key in enumerate(side.keys) if times[key] == 1}


def _alike(one: Key, other: Key) -> bool:
    common = sum((Counter(one) & Counter(other)).values())
    return 2 * common >= ALIKE * (len(one) + len(other))


def _section(side: Side, at: int) -> set[Key]:
    """What stands under the same heading; without headings, in the same list or paragraph."""
    here = side.sentences[at]
    return {
        key
        for s, key in zip(side.sentences, side.keys, strict=True)
        if (s.path == here.path if here.path else s.block == here.block or bool(s.lead and s.lead == here.lead))
    }


def _said_less(side: Side, other: Side) -> list[int]:
    """Sentences that refer back, are said of several things, and of one of them no longer: "We do not sell it.".

    What they referred to has to stand in the other text, once, with neither of them behind it in its section.
    """
    once, theirs = _standing_once(side), _standing_once(other)
    said, kept = _said_of(side), _said_of(other)
    found = []
    for key, subjects in sorted(said.items()):
        if key not in other.known or len(subjects) < 2 or len(kept.get(key, ())) >= len(subjects):
            continue
        gone = [k for k in subjects if k in once and k in theirs and key not in _section(other, theirs[k])]
        found += [once[k] + 1 for k in sorted(gone, key=lambda k: once[k])]
    return found


def _said_of(side: Side) -> dict[Key, set[Key]]:
    """What stands right before each sentence that refers back."""
    found: dict[Key, set[Key]] = defaultdict(set)
    for at, key in enumerate(side.keys):
        if at and len(key) >= 3 and not _REFERS_BACK.isdisjoint(key) and side.sentences[at].kind != HEADING:
            found[key].add(side.keys[at - 1])
    return found


# --- sentences within others --------------------------------------------------------------------------------------

_NEGATIONS = frozenset({"not", "no", "never", "nor", "neither", "none", "without", "cannot"})
_CONDITIONS = frozenset("unless if except only when where until after before consent permission agree ask".split())
"""A longer sentence that has one of these more says less than the sentence that it holds."""


def _held(side: Side, at: int, other: Side) -> bool:
    """Whether a sentence stands, whole and unbroken, in a longer one that both texts have."""
    key = side.keys[at]
    if len(key) < 8:
        return False
    return any(
        found in side.known and (_NEGATIONS | _CONDITIONS).isdisjoint(set(found) - set(key))
        for found in _holders(other).holding(key)
    )


class _Holders:
    """Finds the sentences that hold a run of tokens, by the rarest pair of neighbours in it."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = sorted(set(keys))
        self.index: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, key in enumerate(self.keys):
            for pair in set(pairwise(key)):
                self.index[pair].append(number)

    def holding(self, run: Key) -> Iterator[Key]:
        pairs = list(pairwise(run))
        if any(pair not in self.index for pair in pairs):
            return
        for number in min((self.index[pair] for pair in pairs), key=len):
            key = self.keys[number]
            if len(key) > len(run) and any(key[n : n + len(run)] == run for n in range(len(key) - len(run) + 1)):
                yield key


def _holders(side: Side) -> _Holders:
    found = side.__dict__.get("_holders")
    if found is None:
        found = side.__dict__["_holders"] = _Holders(side.keys)
    return found


# --- pairs --------------------------------------------------------------------------------------------------------

Weights = Mapping[str, float]
LEAST, LEAST_IN_PLACE = 0.5, 0.25
"""The least share of words, weighted, that makes two sentences versions of each other; less suffices in its place."""


def _weights(a: Side, left: Sequence[int], b: Side, right: Sequence[int]) -> Weights:
    """How much a word of these sentences says: the rarer in both texts together, the more."""
    wanted = {t for i in left for t in a.keys[i]} | {t for j in right for t in b.keys[j]}
    seen = Counter(token for key in (*a.keys, *b.keys) for token in wanted.intersection(key))
    total = len(a.keys) + len(b.keys)
    return {token: log(1 + total / count) for token, count in seen.items()}


def _size(key: Sequence[str], weights: Weights) -> float:
    return sum(weights[token] for token in key)


def _paired(a: Side, left: list[int], b: Side, right: list[int], weights: Weights) -> list[tuple[int, int]]:
    """Pairs of one sentence each, the most alike first."""
    ranked = sorted(_scored(a, left, b, right, weights), key=lambda found: (-found[0], found[1:]))
    used_a: set[int] = set()
    used_b: set[int] = set()
    pairs = []
    for _, i, j in ranked:
        if i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            pairs.append((i, j))
    return pairs


def _scored(a: Side, left: list[int], b: Side, right: list[int], weights: Weights) -> Iterator[tuple[float, int, int]]:
    """Every pair that is alike enough, with how alike it is (rounded, so that ties are ties on both sides)."""
    counts = {j: Counter(b.keys[j]) for j in right}
    sizes = {j: _size(b.keys[j], weights) for j in right}
    postings: dict[str, list[int]] = defaultdict(list)
    for j in right:
        for token in counts[j]:
            postings[token].append(j)
    for i in left:
        here, size = Counter(a.keys[i]), _size(a.keys[i], weights)
        for j in sorted(_candidates(here, postings, len(right))):
            there = counts[j]
            common = sum(min(n, there[t]) * weights[t] for t, n in here.items() if t in there)
            alike = 2 * common / (size + sizes[j])
            if alike < LEAST_IN_PLACE:
                continue
            near = _near(a, i, b, j)
            if alike >= LEAST or near >= 2:
                yield round(alike + 0.08 * near, 6), i, j


def _candidates(here: Mapping[str, int], postings: Mapping[str, list[int]], total: int) -> set[int]:
    """Sentences that share a rare word with this one, or any word where none is rare."""
    found = sorted((len(postings[t]), t) for t in here if t in postings)
    rare = [t for n, t in found if n <= max(40, total // 20)] or [t for _, t in found[:2]]
    return {j for t in rare for j in postings[t]}


def _near(a: Side, i: int, b: Side, j: int) -> int:
    """How many of the neighbours and the heading are the same on both sides."""
    same = sum(bool(a.beside(i, step)) and a.beside(i, step) == b.beside(j, step) for step in (-1, 1))
    return same + (same < 2 and _under(a.sentences[i]) == _under(b.sentences[j]))


def _under(sentence: Sentence) -> Key:
    return title(sentence.path[-1]) if sentence.path else ()


# --- split and merged sentences -----------------------------------------------------------------------------------

INSIDE = 0.72
"""The share of a sentence's words, weighted, that another must have dropped or gained for the two to be one."""


def _joined(
    a: Side, left: list[int], b: Side, right: list[int], pairs: dict[int, set[int]], weights: Weights
) -> list[Group]:
    """Groups: pairs, with the sentences that were split off one of theirs, and what stands alone."""
    groups = [_Pair(a, b, i, j) for i, js in sorted(pairs.items()) for j in js]
    paired_a, paired_b = {g.old[0] for g in groups}, {g.new[0] for g in groups}
    alone_a, alone_b = [i for i in left if i not in paired_a], [j for j in right if j not in paired_b]
    gone = _spare(groups, lambda g: g.gone)
    split = {j for j in alone_b if (g := _whole(gone, b.keys[j], weights, lambda g: g.gone)) and g.take_new(b, j)}
    came = _spare(groups, lambda g: g.came)
    merged = {i for i in alone_a if (g := _whole(came, a.keys[i], weights, lambda g: g.came)) and g.take_old(a, i)}
    lone = [Group((i,), ()) for i in alone_a if i not in merged] + [Group((), (j,)) for j in alone_b if j not in split]
    return [Group(tuple(sorted(g.old)), tuple(sorted(g.new))) for g in groups] + lone


class _Pair:
    """A pair that may take in more sentences, with the words that only one of its sides has."""

    def __init__(self, a: Side, b: Side, i: int, j: int) -> None:
        self.old, self.new = [i], [j]
        self.gone = Counter(a.keys[i]) - Counter(b.keys[j])
        self.came = Counter(b.keys[j]) - Counter(a.keys[i])

    def take_new(self, b: Side, j: int) -> bool:
        self.new.append(j)
        self.gone -= Counter(b.keys[j])
        return True

    def take_old(self, a: Side, i: int) -> bool:
        self.old.append(i)
        self.came -= Counter(a.keys[i])
        return True


def _spare(groups: Sequence[_Pair], words: Callable[[_Pair], Counter[str]]) -> Mapping[str, list[_Pair]]:
    """The pairs that have a word on one side only, by that word."""
    found: dict[str, list[_Pair]] = defaultdict(list)
    for group in groups:
        for token in words(group):
            found[token].append(group)
    return found


_UNITS = frozenset("hour hours day days week weeks month months year years percent".split())


def _whole(
    index: Mapping[str, list[_Pair]], key: Key, weights: Weights, words: Callable[[_Pair], Counter[str]]
) -> _Pair | None:
    """The pair whose one side holds what a lone sentence says, and whose other side does not."""
    said = tuple(token for token in key if not token[:1].isdigit() and token not in _UNITS)
    size = _size(said, weights)  # a figure may be another one, and is then what changed
    if len(said) < 4 or not size:
        return None
    wanted = Counter(said)
    shared: dict[int, float] = defaultdict(float)
    found: dict[int, _Pair] = {}
    for token, times in wanted.items():
        for group in index.get(token, ()):
            shared[group.old[0]] += min(times, words(group)[token]) * weights[token]
            found[group.old[0]] = group
    best = max(sorted(shared), key=lambda at: shared[at], default=None)
    return found[best] if best is not None and shared[best] > INSIDE * size else None


# --- the words that differ within a group -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hunk:
    """Tokens that stand on one side only, as ranges over the tokens of the group's sides."""

    old: tuple[int, int]
    new: tuple[int, int]


def hunks(old: Key, new: Key) -> tuple[Hunk, ...]:
    """What differs between two runs of tokens. The same hunks, exchanged, when the runs are."""
    swapped = new < old
    a, b = (new, old) if swapped else (old, new)
    found = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    found_hunks = [Hunk((i, j), (k, m)) for tag, i, j, k, m in found if tag != "equal"]
    return tuple(Hunk(h.new, h.old) if swapped else h for h in found_hunks)
