"""Brand and product nouns that another name replaced, learned from the two texts themselves.

A service that calls itself something else says nothing new in all the sentences that name it. What may be learned
is narrow, and everything learned is listed: never the name of a company with its legal form, never a number, a
negation, a word that policies decide with, never a name that data goes to. A rename has to be complete (the old name
is gone) and consistent (always the same new one).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aboveboard.comparison import alignment, lexicon
from aboveboard.comparison.alignment import Key, Side
from aboveboard.comparison.changes import Rename
from aboveboard.comparison.text import Sentence, Sentences

LONGEST = 3
"""Words in a name, at most."""
TWICE = 2
"""A name has to be replaced in this many different sentences."""

SHOUTED = 3
"""Letters in a word of capitals that may still be a name of its own."""

Names = Mapping[Key, Key]
"""From a run of tokens to the one token that stands for it in both texts."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One name that stood where another stands now."""

    old: Key
    new: Key
    old_shown: str
    new_shown: str


def sides(
    old: Sentences, new: Sentences, names: Sequence[tuple[str, str]] = (), *, learn: bool = True
) -> tuple[Side, Side, tuple[Rename, ...]]:
    """Both texts ready to be aligned, and the renames that were learned or given (``names``: old, new).

    Where the words that decide are not known, as in another language, nothing may be learned (``learn``).
    """
    plain_old, plain_new = Side(old, tuple(s.tokens for s in old)), Side(new, tuple(s.tokens for s in new))
    given = {(_key(a), _key(b)): (a, b) for a, b in names if _key(a) and _key(b)}
    learned = _learned(plain_old, plain_new) if learn else {}
    pairs = {**learned, **given}
    if not pairs:
        return plain_old, plain_new, ()
    renames = tuple(
        Rename(shown_old, shown_new, _times(a, plain_old), _times(b, plain_new))
        for (a, b), (shown_old, shown_new) in sorted(pairs.items())
    )
    table = _table(pairs)
    return _renamed(plain_old, table), _renamed(plain_new, table), renames


def _key(name: str) -> Key:
    from aboveboard.comparison.text import sentence

    return sentence(name).tokens


def _table(pairs: Mapping[tuple[Key, Key], object]) -> Names:
    """One token for each set of names that stand for each other."""
    standing: dict[Key, Key] = {}
    for a, b in sorted(pairs):
        one = min(standing.get(a, a), standing.get(b, b), a, b)
        for name in (a, b, standing.get(a, a), standing.get(b, b)):
            standing[name] = one
    return {name: ("name:" + "_".join(_root(one, standing)),) for name, one in standing.items()}


def _root(one: Key, standing: Mapping[Key, Key]) -> Key:
    while standing.get(one, one) != one:
        one = standing[one]
    return one


def _renamed(side: Side, table: Names) -> Side:
    longest = max(map(len, table))
    by_first = {name[0] for name in table}
    keys = tuple(
        _key_of(s.text, s.spans, key, table, longest) if not by_first.isdisjoint(key) else key
        for s, key in zip(side.sentences, side.keys, strict=True)
    )
    return Side(side.sentences, keys)


def _key_of(text: str, spans: Sequence[tuple[int, int]], key: Key, table: Names, longest: int) -> Key:
    """The key with every name replaced, padded so that tokens keep their places; names of companies stay."""
    company = lexicon.company_spans(text)
    found = list(key)
    at = 0
    while at < len(key):
        width = next((n for n in range(longest, 0, -1) if key[at : at + n] in table), 0)
        if width and not any(a <= spans[at][0] < b for a, b in company):
            found[at : at + width] = [*table[key[at : at + width]], *[""] * (width - 1)]
        at += max(1, width)
    return tuple(found)


# --- learning -----------------------------------------------------------------------------------------------------


def _learned(old: Side, new: Side) -> dict[tuple[Key, Key], tuple[str, str]]:
    seen = _replacements(old, new)
    votes = Counter((s.old, s.new) for s in seen)
    ways = Counter((s.old, s.new, s.old_shown, s.new_shown) for s in seen)
    shown = {way[:2]: way[2:] for way, _ in sorted(ways.items(), key=lambda w: (w[1], w[0]))}
    found: dict[tuple[Key, Key], tuple[str, str]] = {}
    for (a, b), times in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if times < TWICE or any(a == x or b == y for x, y in found):
            continue
        rivals = sum(n for (x, y), n in votes.items() if (x == a) != (y == b))
        if times <= rivals or not _complete(a, b, old, new):
            continue
        if _brand(a, b, old, new) or _product(a, b, old, new):
            found[a, b] = shown[a, b]
    return found | _derived(found, votes, shown)


def _replacements(old: Side, new: Side) -> list[_Seen]:
    """Every short run of words that stands where another stood, in sentences that are otherwise alike."""
    found = []
    for group in alignment.pairs(old, new):
        a, b = old.sentences[group.old[0]], new.sentences[group.new[0]]
        for hunk in alignment.hunks(a.tokens, b.tokens):
            here, there = _name_at(a, hunk.old), _name_at(b, hunk.new)
            if here is not None and there is not None:
                found.append(_Seen(a.tokens[slice(*hunk.old)], b.tokens[slice(*hunk.new)], here, there))
    return found


def _name_at(sentence: Sentence, span: tuple[int, int]) -> str | None:
    """The words of a range of tokens as they are read, where they may be a name that is learned."""
    tokens = sentence.tokens[slice(*span)]
    if not 0 < len(tokens) <= LONGEST or any(not token.isalpha() or token in lexicon.DECIDING for token in tokens):
        return None
    start, end = sentence.spans[span[0]][0], sentence.spans[span[1] - 1][1]
    if _in(lexicon.company_spans(sentence.text), (start, end)):
        return None
    shown = sentence.text[start:end].removesuffix("'s")
    return None if shown.isupper() and len(shown) > SHOUTED else shown  # among capitals nothing shows a name


def _in(spans: Sequence[tuple[int, int]], span: tuple[int, int]) -> bool:
    return any(a <= span[0] < b for a, b in spans)


def _times(name: Key, side: Side) -> int:
    return sum(key[n : n + len(name)] == name for key in side.keys for n in range(len(key) - len(name) + 1))


def _complete(a: Key, b: Key, old: Side, new: Side) -> bool:
    """The name is gone where it was, or the other was nowhere before: a name that merely moved is none."""
    left, came = _times(a, new), _times(b, old)
    return left <= 0.1 * _times(a, old) or came <= 0.1 * _times(b, new)


def _brand(a: Key, b: Key, old: Side, new: Side) -> bool:
    """What the service calls itself: it stands in the title, or it is the commonest name of all."""
    return _is_own(a, old) and _is_own(b, new)


def _is_own(name: Key, side: Side) -> bool:
    """INVARIANT: whoever data goes to is never taken for the service, however often the text names them."""
    if _titled(name, side):
        return True
    common = lexicon.commonest_name(side.sentences)
    if common is None or name != (common.casefold(),):
        return False
    return not lexicon.goes_to(name, side.sentences) or (not _has_title(side) and _is_used(common, side))


USED = 3
"""Sentences in which people use what bears a name, at least, for it to be the service of a text without a title."""


def _is_used(name: str, side: Side) -> bool:
    """Whether people are said to use it, as they use a service: "people who use Lantern", "when you leave Lantern"."""
    wanted = re.compile(rf"\b(?:use|uses|using|visit|join|leave) {re.escape(name)}\b(?!'s)")
    return sum(wanted.search(s.text) is not None for s in side.sentences) >= USED


_TITLE = frozenset("policy policies terms notice statement agreement conditions guidelines rules".split())


def _heads(side: Side) -> list[Key]:
    return [key for s, key in zip(side.sentences[:40], side.keys[:40], strict=True) if s.kind == "heading"][:3]


def _has_title(side: Side) -> bool:
    """Whether a text says what it is; the lower policy of a page with two often does not."""
    return any(not _TITLE.isdisjoint(key) for key in _heads(side))


def _titled(name: Key, side: Side) -> bool:
    """Whether it stands in the title: the first heading, or one of the next two that names the kind of document."""
    heads = _heads(side)
    heads = [key for at, key in enumerate(heads) if not at or not _TITLE.isdisjoint(key)]
    return any(key[n : n + len(name)] == name for key in heads for n in range(len(key)))


def _product(a: Key, b: Key, old: Side, new: Side) -> bool:
    """A noun written as a name on one side and as a word on the other, which data never goes to.

    One name for another is never learned this way: it may be another company.
    """
    named = [(name, side) for name, side in ((a, old), (b, new)) if _written_as_name(name, side)]
    if len(named) != 1 or lexicon.goes_to(named[0][0], named[0][1].sentences):
        return False
    return min(_times(a, old), _times(b, new)) >= TWICE


def _written_as_name(name: Key, side: Side) -> bool:
    """Whether it is written with a capital where no sentence begins."""
    wanted = re.compile(
        r"(?<=[a-z,;(] )" + r"\s+".join(re.escape(t[0].upper()) + f"(?i:{re.escape(t[1:])})" for t in name) + r"\b"
    )
    return any(wanted.search(s.text) for s in side.sentences if s.kind != "heading")


def _derived(
    found: Mapping[tuple[Key, Key], object],
    votes: Mapping[tuple[Key, Key], int],
    shown: Mapping[tuple[Key, Key], tuple[str, str]],
) -> dict[tuple[Key, Key], tuple[str, str]]:
    """Words made from a learned one in the same way: plurals, and what stands before it ("re-")."""
    more: dict[tuple[Key, Key], tuple[str, str]] = {}
    for a, b in votes:
        if len(a) != 1 or len(b) != 1 or (a, b) in found:
            continue
        for x, y in found:
            if len(x) == len(y) == 1 and _same_making(a[0], x[0], b[0], y[0]):
                more[a, b] = shown[a, b]
    return more


def _same_making(a: str, x: str, b: str, y: str) -> bool:
    """Whether a is made from x as b is from y. The plural of both counts as the word."""
    for stem_x, stem_y in ((x, y), (x.removesuffix("s"), y.removesuffix("s"))):
        if len(stem_x) > 2 and stem_x in a and stem_y in b:
            before, _, after = a.partition(stem_x)
            if (before, after) == (b.partition(stem_y)[0], b.partition(stem_y)[2]):
                return True
    return False
