"""What a change means: its kind, its direction, what it is about, and the name of the rule that says so.

The rules are listed in ``RULES``, in the order in which they are asked; the first that holds types the change. They
read the frame of a sentence (frames.py) and the words that came and went (lexicon.py). Every rule turns round with
the texts: what widens from old to new narrows from new to old. Specification: docs/formats/comparison.md.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from aboveboard.comparison import alignment, frames, lexicon, suspicion
from aboveboard.comparison.alignment import Group, Key, Side
from aboveboard.comparison.changes import ASPECTS, Change
from aboveboard.comparison.folding import is_label
from aboveboard.comparison.frames import CHOICE, FORBIDDEN, GRANT, KEPT, PROMISE, STATEMENT, WEIGHT
from aboveboard.comparison.text import HEADING, ITEM, LINK, Sentence, title

WIDENS, NARROWS, EDITORIAL, UNCLEAR = "widens", "narrows", "editorial", "unclear"

RULES: Mapping[str, str] = {
    "promise-gone": "a promise is no longer made",
    "promise-made": "a promise is made",
    "choice-gone": "a choice or a right is no longer offered",
    "choice-offered": "a choice or a right is offered",
    "prohibition-made": "something is forbidden to people, or a right of theirs is waived",
    "prohibition-gone": "a prohibition or a waiver is gone",
    "grant-made": "something is allowed to be done with data that was not said before",
    "grant-gone": "something that was allowed to be done with data is no longer said",
    "language": "it is said in a language that the rules do not read",
    "reaches-back": "it says whether data from before is reached",
    "longer": "data is kept longer, or a term for people is shorter",
    "shorter": "data is kept for less time, or a term for people is longer",
    "negation": "a negation came or went",
    "more-in-grant": "words were added to what may be done with data",
    "less-in-grant": "words were taken out of what may be done with data",
    "more-in-limit": "words were added to a promise, a choice or a prohibition",
    "less-in-limit": "words were taken out of a promise, a choice or a prohibition",
    "permission": "a permission inside a prohibition, a duty or a promise came or went",
    "condition": "a condition came or went",
    "qualifier": "a word that makes fewer of what follows it came or went",
    "extent": "a word for how much was replaced by another",
    "choice-dearer": "a choice or a right costs more, or is harder to use",
    "choice-easier": "a choice or a right costs less, or is easier to use",
    "opposite": "a word was replaced by its opposite",
    "operation": "something else is done with data",
    "company": "a company is named that was not named, or no longer",
    "name": "something else is named, or a heading names what it did not name",
    "address": "an address changed",
    "number": "a number or a date changed",
    "example": "an example was replaced, added or dropped",
    "product-gone": "the sentence is about a product that the other text does not name at all",
    "data-words": "words about data were replaced by other words",
    "right": "a right or a choice is told, or told otherwise, and whether it is less or more has to be read",
    "data-told": "something is told about data, and whether it is less or more has to be read",
    "denial": "the service says that it does not do something, in words that the rules do not know",
    "statement": "something is told that neither allows nor limits anything",
    "wording": "the wording changed",
    "order": "the same words stand in another order",
}
"""Every rule by its name, with what it says."""


@dataclass(frozen=True, slots=True)
class Text:
    """One side as the rules need it: its sentences, what the service calls itself, every word, what headings are numbered.

    ``common`` are the words that are written small somewhere: whatever else a heading capitalises, those are no names.
    ``named`` are all words that are written large. ``unread`` is its language where the rules do not read it.
    """

    side: Side
    names: tuple[str, ...]
    words: frozenset[str]
    numbers: Mapping[str, Key]
    common: frozenset[str]
    named: frozenset[str]
    unread: str = ""


def prepared(side: Side, whole: Side) -> Text:
    """A side with what is asked of it again and again. ``whole`` is the text that it is a part of."""
    words = frozenset(t for s in whole.sentences for t in s.tokens)
    common = frozenset().union(*(_written_small(s.text) for s in whole.sentences))
    named = frozenset().union(*(_written_large(s.text) for s in whole.sentences))
    return Text(
        side,
        lexicon.own_names(whole.sentences),
        words,
        _numbers_of(whole),
        common,
        named,
        suspicion.unread(whole.sentences),
    )


@lru_cache(maxsize=1 << 14)
def _written_small(words: str) -> frozenset[str]:
    return frozenset(re.findall(r"\b[a-z][a-z'-]+", words))


def _numbers_of(side: Side) -> Mapping[str, Key]:
    """The words of the heading that bears each number; the first where two do."""
    found: dict[str, Key] = {}
    for sentence, key in zip(side.sentences, side.keys, strict=True):
        number = re.match(r"\W*(?:section |article )?(\d+(?:\.\d+)*)", sentence.text, re.IGNORECASE)
        if sentence.kind == HEADING and number:
            found.setdefault(number[1], key)
    return found


@lru_cache(maxsize=1 << 14)
def _written_large(words: str) -> frozenset[str]:
    return frozenset(re.findall(r"\b[A-Z][\w&-]+", words))


# --- one group, typed -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule said: its name and the direction; ``words`` are what it rests on."""

    rule: str
    direction: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One side of a group: its sentences as one, with tokens, spans in ``text`` and the frame; ``spoken`` says "we"."""

    sentences: tuple[Sentence, ...]
    key: Key
    text: str
    spans: tuple[tuple[int, int], ...]
    frame: str
    common: frozenset[str]
    spoken: str
    unread: str

    @property
    def is_heading(self) -> bool:
        return all(s.kind == HEADING for s in self.sentences)

    @property
    def path(self) -> tuple[str, ...]:
        return self.sentences[0].path if self.sentences else ()

    def shown(self, start: int, end: int) -> str:
        """The words of a range of tokens, as they are read."""
        return self.text[self.spans[start][0] : self.spans[end - 1][1]] if start < end else ""


def part(text: Text, at: Sequence[int]) -> Part:
    """The sentences of a group on one side, put one after the other."""
    sentences = tuple(text.side.sentences[i] for i in at)
    words, key, spans = "", [], []
    for i, sentence in zip(at, sentences, strict=True):
        offset = len(words) + bool(words)
        words = f"{words} {sentence.text}".strip()
        for token, (start, end) in zip(text.side.keys[i], sentence.spans, strict=True):
            if token:
                key.append(token)
                spans.append((start + offset, end + offset))
    spoken, frame = frames.as_we(words, text.names), _frame(sentences, text.names)
    return Part(sentences, tuple(key), words, tuple(spans), frame, text.common, spoken, text.unread)


def _frame(sentences: Sequence[Sentence], names: Sequence[str]) -> str:
    found = [frames.frame(s, names) for s in sentences]
    order = (PROMISE, FORBIDDEN, GRANT, CHOICE, KEPT, STATEMENT)
    return min(found, key=order.index) if found else STATEMENT


def typed(old: Text, new: Text, group: Group) -> Iterator[Change]:
    """The changes that a group is: none where only silent words differ, two where it goes both ways."""
    a, b = part(old, group.old), part(new, group.new)
    if not a.key or not b.key:
        yield from _alone(a, b, old, new)
        return
    unread = _unread(a, b)
    found = [
        h
        for h in alignment.hunks(a.key, b.key)
        if unread or not (_silent(a.key[slice(*h.old)], b.key[slice(*h.new)], old, new) or _title_above(a, b, h))
    ]
    elsewhere = None if unread else _other_place(a, b)
    if elsewhere is not None:
        yield _change("changed", elsewhere, a, b, ())
        return
    if not found:
        return
    for verdict, marked in _verdicts(a, b, found):
        yield _change("changed", verdict, a, b, marked)


def _title_above(a: Part, b: Part, hunk: alignment.Hunk) -> bool:
    """Whether the words that open a sentence on one side are the heading above it on the other: its line was lost."""
    for side, span, other, there in ((b, hunk.new, a, hunk.old), (a, hunk.old, b, hunk.new)):
        if span[0] == 0 < span[1] and there[0] == there[1] and other.path and not other.is_heading:
            opening = title(side.shown(*span))
            if opening == title(other.path[-1]):
                return True
    return False


def _other_place(a: Part, b: Part) -> Verdict | None:
    """The same words in another list: what was shared, or not, is not, or is."""
    if a.key != b.key or WEIGHT[a.frame] == WEIGHT[b.frame]:
        return None
    if WEIGHT[b.frame] > WEIGHT[a.frame]:
        return Verdict(_ALONE[a.frame][1] if WEIGHT[a.frame] < 0 else "grant-made", WIDENS)
    return Verdict(_ALONE[b.frame][0] if WEIGHT[b.frame] < 0 else "grant-gone", NARROWS)


def _change(kind: str, verdict: Verdict, a: Part, b: Part, marked: Sequence[alignment.Hunk]) -> Change:
    gone = " ".join(a.shown(*h.old) for h in marked) if marked else ""
    came = " ".join(b.shown(*h.new) for h in marked) if marked else ""
    words = f"{gone} {came}".strip() if kind == "changed" else a.text or b.text
    around = f"{a.text} {b.text}"
    read = verdict.rule != "language"  # INVARIANT: of what the rules do not read nothing is said but that it changed
    weighs = (
        read and verdict.direction != EDITORIAL and verdict.rule != "extent"
    )  # what only reads otherwise is about nothing
    return Change(
        kind=kind,
        direction=verdict.direction,
        aspects=_aspects(verdict, a, b, words) if read else (),
        categories=(lexicon.categories(words) if read else ()) or (lexicon.categories(around) if weighs else ()),
        purposes=(lexicon.purposes(words) if read else ()) or (lexicon.purposes(around) if weighs else ()),
        recipients=lexicon.recipients(words) if read else (),
        old_quote=a.text,
        new_quote=b.text,
        heading_old=a.path,
        heading_new=b.path,
        clause=clause(a.key, b.key),
        rule=verdict.rule,
        why=_why(verdict),
        alert=verdict.rule == "promise-gone" and a.frame == PROMISE,
        old_marks=_marks(a, [h.old for h in marked]) if kind == "changed" else ((0, len(a.text)),) if a.text else (),
        new_marks=_marks(b, [h.new for h in marked]) if kind == "changed" else ((0, len(b.text)),) if b.text else (),
    )


def _why(verdict: Verdict) -> str:
    words = verdict.words if len(verdict.words) <= 160 else verdict.words[:160].rsplit(" ", 1)[0] + " ..."
    return RULES[verdict.rule] + (f": `{words}`" if words else "")


def _marks(side: Part, ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple((side.spans[i][0], side.spans[j - 1][1]) for i, j in ranges if i < j)


def clause(old: Key, new: Key) -> str:
    """The identity of a clause: a digest of the words it had, or has where it had none."""
    return hashlib.sha256(" ".join(old or new).encode()).hexdigest()[:16]


# --- what the change is about -----------------------------------------------------------------------------------

_REGION = re.compile(
    r"\b(?:european|eu|eea|efta|united kingdom|uk|switzerland|swiss|california|ccpa|texas|virginia|brazil|lgpd|"
    r"india|canada|"
    r"australia|japan|korea|designated countries|gdpr|united states|regions?|countries)\b", re.I,
)  # fmt: skip
_KEEPING = re.compile(
    r"\b(?:retain|retention|keep|kept|stor(?:e|ed|ing)|delet\w+|eras\w+|destroy\w*|purg(?:e|es|ed)|wip(?:e|es|ed)|"
    r"hold on to|anonymi[sz]\w+|de-?identif\w+)\b",
    re.I,
)
_COLLECTING = re.compile(r"\b(?:collect\w*|receiv\w*|obtain\w*|gather\w*|infer\w*|record(?:ed|ing)?)\b", re.I)
_USING = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|process\w*|analy[sz]\w*|train\w*|personali[sz]\w*|improv\w*|licen[sc]\w*)\b", re.I
)
BACK = re.compile(
    r"retroactiv|regardless of when|previously (?:posted|collected|provided|shared|submitted)|(?:posted|collected|"
    r"provided|shared) before(?! \w+ing\b)|"
    r"before (?:the|this) (?:effective|change|update|policy)|already (?:collected|posted|shared|provided)|most "
    r"current version (?:of[^.]{0,40})?(?:will )?governs?|"
    r"existing (?:content|data|information|posts)|past (?:content|posts|data)|"
    r"(?:gave|given|posted|shared|provided|uploaded|submitted|collected|received)(?: (?:to )?us)? (?:earlier|previously|"
    r"in the past)", re.I,
)  # fmt: skip
_DENIED_REACH = re.compile(r"(?:\b(?:not|never)\b|n't\b)(?! (?:only|limited)\b)[^.;]{0,45}$", re.I)


_TAKEN = re.compile(
    r"\b(?:collected|posted|shared|provided|gave|given|uploaded|submitted|received|created|made|wrote|written|sent|stored|held|"
    r"data|information|content|posts|messages|photos)\b",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"\b(?:notif(?:y|ies|ied)|inform|tell|told|announced?|let you know|notice|e-?mail you|post (?:it|them|a|the)|(?:re)?view|"
    r"delete|close)\b",
    re.IGNORECASE,
)


def _back(words: str) -> re.Match[str] | None:
    """The first words about data from before."""
    return next((found for found in BACK.finditer(words) if not _of_a_notice(words, found)), None)


def _of_a_notice(words: str, said: re.Match[str]) -> bool:
    """Whether "before the change" says when people are told, or can act, and not which data is reached."""
    ahead = words[: said.start()]
    return said[0].lower().startswith("before") and (not _TAKEN.search(ahead) or _NOTICE.search(ahead) is not None)


def _reach(side: Part) -> tuple[bool | None, str]:
    """Whether it says that data from before is reached (True) or is not (False), and by which words."""
    said = _back(side.text)
    if said is None:
        return None, ""
    return not (side.frame == PROMISE or _DENIED_REACH.search(side.text[: said.start()])), said[0]


def _aspects(verdict: Verdict, a: Part, b: Part, words: str) -> tuple[str, ...]:
    around = f"{a.text} {b.text}"
    lead = " ".join(s.lead for s in (*a.sentences, *b.sentences)) + " ".join(a.path[-1:] + b.path[-1:])
    told = f"{words} {lead if not (_COLLECTING.search(around) or _USING.search(around)) else around}"
    has = {
        "promise": PROMISE in (a.frame, b.frame) or KEPT in (a.frame, b.frame) or verdict.rule == "denial",
        "choice": CHOICE in (a.frame, b.frame)
        or verdict.rule in ("choice-gone", "choice-offered", "right")
        or bool(_CONDITION.search(words)),
        "retroactivity": verdict.rule == "reaches-back" or _back(words) is not None,
        "recipient": lexicon.is_sharing(around) and bool(lexicon.recipients(words)),
        "collection": bool(_COLLECTING.search(told)),
        "use": bool(_USING.search(told)),
        "purpose": bool(set(lexicon.purposes(words)) - {"third_party_sharing"}),
        "retention": bool(_KEEPING.search(words))
        or (verdict.rule in ("longer", "shorter") and bool(_KEEPING.search(around))),
        "region": bool(_REGION.search(words)),
    }
    return tuple(aspect for aspect in ASPECTS if has[aspect])


# --- a sentence that stands in one text only ----------------------------------------------------------------------

_ALONE = {
    PROMISE: ("promise-made", "promise-gone"), KEPT: ("promise-made", "promise-gone"),
    CHOICE: ("choice-offered", "choice-gone"), FORBIDDEN: ("prohibition-made", "prohibition-gone"),
    GRANT: ("grant-made", "grant-gone"), STATEMENT: ("statement", "statement"),
}  # fmt: skip


def _alone(a: Part, b: Part, old: Text, new: Text) -> Iterator[Change]:
    here, other = (b, old) if b.key else (a, new)
    kind = "added" if b.key else "removed"
    yield _change(kind, _lone_verdict(here, kind == "added", other), a, b, ())


def _lone_verdict(here: Part, added: bool, other: Text) -> Verdict:
    if unread := _unread(here):
        return Verdict("language", UNCLEAR, unread)
    reaches, words = _reach(here)
    if reaches is not None:
        return Verdict("reaches-back", _turned(WIDENS if reaches else NARROWS, added), words)
    if lexicon.is_sharing(here.text) and _headed(here, (0, len(here.key)), here) - other.named:
        return Verdict("name", UNCLEAR, here.text)
    if all(_only_names(s) for s in here.sentences) and frames.frame_of(here.text) in (STATEMENT, GRANT):
        return Verdict("statement", EDITORIAL)
    if here.frame in (CHOICE, STATEMENT, KEPT) and _unknown_product(here, other):
        return Verdict("product-gone", EDITORIAL)
    weight = WEIGHT[here.frame]
    if weight == 0 and (held := _to_be_read(here)):
        return held
    direction = EDITORIAL if weight == 0 else _turned(WIDENS if weight > 0 else NARROWS, added)
    return Verdict(_ALONE[here.frame][0 if added else 1], direction)


def _only_names(sentence: Sentence) -> bool:
    """Whether a sentence is a label. "We sell your letters." and an entry "to train our models" are as short, and none."""
    if not is_label(sentence) or sentence.kind in (HEADING, LINK):
        return is_label(sentence)
    listed = sentence.kind == ITEM and not sentence.text.endswith(":")
    named = listed and (lexicon.purposes(sentence.text) or lexicon.categories(sentence.text))
    return not named and not _WHOLE.search(sentence.text)


_WHOLE = re.compile(
    r"^(?!(?:how|what|why|when|where|who|which)\b)(?=.*\b(?:we|they|us|are|is|may|will|can)\b).*[.!]$", re.IGNORECASE
)
"""A whole sentence, however short, in which somebody does something."""


def _to_be_read(side: Part) -> Verdict | None:
    """A statement that names a right of people, or denies something of the service: nobody calls that wording."""
    if side.frame != STATEMENT:
        return None
    if words := frames.denial(side.spoken):
        return Verdict("denial", UNCLEAR, words)
    if words := frames.right(side.text):
        return Verdict("right", UNCLEAR, words)
    return Verdict("data-told", UNCLEAR) if _tells_of_data(side) else None


_TELLS_OTHERWISE = re.compile(
    r"^(?:you|your use|please|for (?:more|further)|to (?:learn|find|read)|learn|find|see|read|this|these|the following|how|what|"
    r"why|which|where|when|if|for example|e\.g)\b|[?:;]$|\b(?:policy|terms|section|page) (?:describes?|explains?|covers|applies|"
    r"sets out)\b|\b(?:you|users|members) (?:\w+ )?(?:are (?:solely )?responsible|must|agree|acknowledge)\b|"
    r"\b(?:learn|read|find out) more\b",
    re.IGNORECASE,
)
"""A sentence that points somewhere, opens a list, gives an example, or tells people what they are to do."""


_TELLS = re.compile(
    r"\bby default\b|\btrain(?:s|ed|ing)\b|\b(?:is|are|stays?|remains?)(?: [\w-]+){0,2}? (?:[\w-]*encrypted|"
    r"deleted|erased|anonymi[sz]ed|"
    r"shared|sold|public|private|visible|in (?:our|the) backups?)\b|\bno (?:\w+ ){0,2}(?:data|information|messages) leaves?\b",
    re.IGNORECASE,
)


def _tells_of_data(side: Part) -> bool:
    """Whether a whole sentence tells what is done with data, in words that no rule weighs: "Posts are public by default."."""
    found = _TELLS.search(side.text) is not None and side.text.endswith((".", "!"))
    return found and not _TELLS_OTHERWISE.search(side.text)


def _unread(*sides: Part) -> str:
    """The language of a side that the rules do not read, or nothing."""
    whole = {side.unread for side in sides} - {""}
    said = {suspicion.spoken(s) or "English" for side in sides for s in side.sentences}
    return next(iter(sorted(whole or said - {"English"})), "")


def _turned(direction: str, forward: bool) -> str:
    return direction if forward else {WIDENS: NARROWS, NARROWS: WIDENS}.get(direction, direction)


def _unknown_product(here: Part, other: Text) -> bool:
    """Whether the sentence begins by naming a place or product that the other text never names."""
    found = re.match(r"(?:On|In|For|If you use|When you use|With|Through) (?:the |our )?([A-Z]\w+)\b", here.text)
    return found is not None and found[1].casefold() not in other.words and found[1] not in lexicon.NOT_NAMES


# --- a sentence that says something else now ----------------------------------------------------------------------

_CONDITION = re.compile(
    r"\b(?:with(?:out)? your (?:\w+ )?(?:consent|permission)|your (?:\w+ )?consent|consent|opt[- ](?:in|out)|"
    r"opted|(?:if|when|once|after|until) you (?:\w+ )?(?:choose|agree|opt|allow|enable|consent|ask|request|permit)|"
    r"subject to (?:your )?(?:settings|choices)|depending on your (?:settings|preferences)|unless|except|only|"
    r"solely|where (?:legally )?(?:required|permitted|allowed|applicable|needed)|"
    r"if required|as required by|to the extent|in (?:some|certain) (?:cases|circumstances|situations|instances)|generally|"
    r"typically|(?<!not )limited to|where possible|reasonable|permission)\b",
    re.I,
)  # fmt: skip
_EXTENTS = {
    **dict.fromkeys(("all", "any", "every", "entire", "whole"), 5), **dict.fromkeys(("most", "much", "many"), 4),
    **dict.fromkeys(("some", "certain", "various", "several"), 3), **dict.fromkeys(("limited", "few", "select", "minimal"), 2),
    **dict.fromkeys(("none",), 1),
}  # fmt: skip
_NEGATIONS = frozenset({"not", "no", "never", "nor", "neither", "none", "without", "cannot"})
_SILENT = frozenset(
    {
        "a",
        "an",
        "the",
        "that",
        "and",
        "also",
        "then",
        "please",
        "is",
        "are",
        "of",
        "to",
        "our",
        "your",
        "this",
        "these",
        "such",
        "",
    }
)
_WHOSE = frozenset({"our", "your"})
"""Whose something is: one may come or go unheard, and does not stand for the other."""
_WEAK = frozenset(
    """a an the that and or also then please is are be of to our your this these such in on at by for from with as it its we us
    you they them their which who may will can do so if when including include includes here more information about need
    i e g eg ie""".split()
)
"""Words that carry no meaning of their own in what came or went."""


def _silent(gone: Key, came: Key, old: Text, new: Text) -> bool:
    """Whether a hunk says nothing: articles, the same word otherwise spelled or divided, a cross-reference."""
    if set(gone) | set(came) <= _SILENT:
        whose, now = _WHOSE.intersection(gone), _WHOSE.intersection(came)
        return not whose or not now or whose == now
    if gone and came and (_spelled(gone) == _spelled(came) or _misspelled(gone, came, old, new)):
        return True
    return len(gone) == len(came) == 1 and _renumbered(gone[0], came[0], old, new)


def _renumbered(gone: str, came: str, old: Text, new: Text) -> bool:
    """Whether a cross-reference has another number because its section has, and for no other reason."""
    if not (gone.startswith("ref:") and came.startswith("ref:")):
        return False
    title = old.numbers.get(gone.removeprefix("ref:"))
    return title is not None and title == new.numbers.get(came.removeprefix("ref:"))


def _misspelled(gone: Key, came: Key, old: Text, new: Text) -> bool:
    """A slip put right, or made: a long word that stands in both texts, and one like it that stands nowhere else."""
    if len(gone) != 1 or len(came) != 1:
        return False
    known = [word for word in (gone[0], came[0]) if word in old.words and word in new.words]
    slip = {gone[0], came[0]} - set(known)
    if len(known) != 1 or len(slip) != 1 or min(map(len, (gone[0], came[0]))) < 8:
        return False
    (right,), (wrong,) = known, slip
    apart = SequenceMatcher(None, right, wrong, autojunk=False).ratio()
    return apart >= 0.88 and right[:3] == wrong[:3] and right[-2:] == wrong[-2:] and not wrong.startswith(right)


def _spelled(key: Key) -> str:
    return re.sub(r"is(?=e|ing|ation)", "iz", re.sub(r"our\b", "or", "".join(key)))


def _verdicts(a: Part, b: Part, found: Sequence[alignment.Hunk]) -> Iterator[tuple[Verdict, Sequence[alignment.Hunk]]]:
    """What the rules say of a changed sentence: one verdict, or one for each way it goes."""
    whole = _whole_verdict(a, b, found)
    if whole is not None:
        yield whole, found
        return
    spoken = [(_hunk_verdict(a, b, hunk), hunk) for hunk in found]
    decided = any(verdict.direction in (WIDENS, NARROWS) for verdict, _ in spoken)
    # INVARIANT: no word that came or went is left unmarked, whatever it says and whatever stands beside it
    quiet = [(verdict, hunk) for verdict, hunk in spoken if verdict.direction == EDITORIAL]
    for way in (WIDENS, NARROWS, UNCLEAR):  # INVARIANT: a name or a number beside what widens is told for itself
        here = [(verdict, hunk) for verdict, hunk in spoken if verdict.direction == way]
        if here and (decided or way != UNCLEAR):
            strongest = min((v for v, _ in here), key=lambda v: _RANK[v.rule])
            here = sorted([*here, *quiet], key=lambda one: (one[1].old, one[1].new))
            yield Verdict(strongest.rule, way, " / ".join(v.words for v, _ in here if v.words)), [h for _, h in here]
    if not decided:
        order = sorted(spoken, key=lambda one: (one[0].direction != UNCLEAR, _RANK[one[0].rule]))
        verdict = order[0][0]
        yield Verdict(verdict.rule, verdict.direction, "; ".join(v.words for v, _ in spoken[:3] if v.words)), found


_RANK = {rule: number for number, rule in enumerate(RULES)}


def _whole_verdict(a: Part, b: Part, found: Sequence[alignment.Hunk]) -> Verdict | None:
    """What holds of the sentence as a whole: other frames, a negation, reach into the past, the same words."""
    if unread := _unread(a, b):
        return Verdict("language", UNCLEAR, unread)
    gone = [t for h in found for t in a.key[slice(*h.old)]]
    came = [t for h in found for t in b.key[slice(*h.new)]]
    if sorted(gone) == sorted(came):
        careful = _NEGATIONS.isdisjoint(gone) and not any(map(_counts, gone))
        return Verdict("order", EDITORIAL if careful else UNCLEAR)
    (before, was), (after, now) = _reach(a), _reach(b)
    if before != after:
        wider = after if after is not None else not before
        return Verdict("reaches-back", WIDENS if wider else NARROWS, now or was)
    if WEIGHT[a.frame] != WEIGHT[b.frame]:
        return _other_frame(a, b, found)
    if _negated(a, [h.old for h in found]) != _negated(b, [h.new for h in found]):
        return Verdict("negation", UNCLEAR, _words(a, b, found))
    return None


_DENIES = re.compile(
    r"\b(?:not|no|never|nor|neither|none|cannot)\b(?! limited to| only\b| reason\b| later than)|"
    r"n't\b|\bwithout\b(?! limitation| prejudice)"
)


def _negated(side: Part, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether any of these words denies; "not limited to" and "for no reason" deny nothing."""
    for start, end in ranges:
        if start < end:
            first, last = side.spans[start][0], side.spans[end - 1][1]
            if any(first <= found.start() < last for found in _DENIES.finditer(side.text.lower())):
                return True
    return False


def _other_frame(a: Part, b: Part, found: Sequence[alignment.Hunk]) -> Verdict | None:
    """A sentence that became a sentence of another kind. A statement beside a grant is judged by its words."""
    if STATEMENT in (a.frame, b.frame) and GRANT in (a.frame, b.frame):
        return None
    direction = WIDENS if WEIGHT[b.frame] > WEIGHT[a.frame] else NARROWS
    if WEIGHT[a.frame] < 0 and direction == WIDENS:
        return Verdict(_ALONE[a.frame][1], direction, _words(a, b, found))
    if WEIGHT[b.frame] < 0 and direction == NARROWS:
        return Verdict(_ALONE[b.frame][0], direction, _words(a, b, found))
    return None


def _words(a: Part, b: Part, found: Sequence[alignment.Hunk]) -> str:
    return "; ".join(_said(a, b, h) for h in found[:3])


def _said(a: Part, b: Part, hunk: alignment.Hunk) -> str:
    gone, came = a.shown(*hunk.old), b.shown(*hunk.new)
    return f"{gone} -> {came}" if gone and came else came or gone


def _hunk_verdict(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict:
    """The first rule that holds of one hunk."""
    for rule in (
        _web,
        _dearer,
        _unbounded,
        _term,
        _company,
        _example,
        _name,
        _opposite,
        _qualifier,
        _extent,
        _more_meant,
        _permission,
        _condition,
        _insertion,
        _address,
        _number,
        _data_words,
        _operation,
    ):
        verdict = rule(a, b, hunk)
        if verdict is not None:
            return verdict
    read = _content(a.key[slice(*hunk.old)]) or _content(b.key[slice(*hunk.new)])
    held = (_to_be_read(a) or _to_be_read(b)) if read else None
    return Verdict(held.rule, UNCLEAR, _said(a, b, hunk)) if held else Verdict("wording", EDITORIAL, _said(a, b, hunk))


def _days(side: Part, span: tuple[int, int]) -> float | None:
    """The length of a term of time that these tokens touch; where there are none, of one that ends right before."""
    first, last = (span[0], span[1] - 1) if span[0] < span[1] else (max(0, span[0] - 1), max(0, span[0] - 1))
    start, end = side.spans[first][0], side.spans[last][1]
    return next((days for a, b, days in lexicon.terms(side.text) if a < end and b > start), None)


_BURDEN = re.compile(
    r"\b(?:fees?|charges?|costs?|pric\w+|pay|payment|euros?|dollars?|pounds?|once (?:a|per|every)|twice (?:a|per)|in writing|"
    r"by (?:\w+ )?(?:letter|post|mail|fax)|in person|notari[sz]ed)\b|[$€£] ?\d", re.I,
)  # fmt: skip
_EASE = re.compile(
    r"\bfree(?: of charge)?\b(?! to)|\b(?:no|without(?: a)?) (?:costs?|fees?|charges?)\b|\bat any time\b|\bas often as\b|"
    r"\bin (?:the|your) (?:\w+ )?settings\b|\bimmediately\b", re.I,
)  # fmt: skip
_OWN_DATA = re.compile(
    r"\b(?:access|copy|copies|export|download|delet\w+|object|opt[- ]out|withdraw\w*|correct\w*)\b", re.I
)


def _dearer(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """What a choice costs: a right that was free and has a price now is less of a right, whatever number the price is."""
    told = {a.frame, b.frame} <= {CHOICE, STATEMENT} and bool(_OWN_DATA.search(a.text) and _OWN_DATA.search(b.text))
    if not (told or (a.frame == b.frame == CHOICE)):
        return None
    before, after = _hardness(a.shown(*hunk.old)), _hardness(b.shown(*hunk.new))
    if before == after:
        return None
    dearer = after > before
    return Verdict("choice-dearer" if dearer else "choice-easier", WIDENS if dearer else NARROWS, _said(a, b, hunk))


def _hardness(words: str) -> int:
    """Positive where words make a choice harder, negative where they make it easier."""
    without = _EASE.sub(" ", words)
    return bool(_BURDEN.search(without)) - (without != words)


_LIMITS_PEOPLE = re.compile(
    r"\b(?:notice|notify|in advance|before|object|cancel|refund|respond|appeal|bring (?:a|any) claim|dispute)\b", re.I
)


_UNBOUNDED = re.compile(r"\b(?:or (?:more|longer)|at least|more than|longer than|indefinitely|forever)\b", re.I)


def _unbounded(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A term that has no end any more, or has one again: "30 days or more"."""
    gone, came = (bool(_UNBOUNDED.search(words)) for words in (a.shown(*hunk.old), b.shown(*hunk.new)))
    denied = _negated(a, [hunk.old]) or _negated(b, [hunk.new])
    if gone == came or denied or not _KEEPING.search(f"{a.text} {b.text}"):
        return None
    return Verdict("longer" if came else "shorter", WIDENS if came else NARROWS, _said(a, b, hunk))


def _term(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A term of time against another."""
    old_days, new_days = _days(a, hunk.old), _days(b, hunk.new)
    if old_days is None or new_days is None or old_days == new_days:
        return None
    longer = new_days > old_days
    both = f"{a.text} {b.text} {' '.join((*a.path[-1:], *b.path[-1:]))}"
    if not _KEEPING.search(both):
        if not _LIMITS_PEOPLE.search(both):
            return Verdict("number", UNCLEAR, _said(a, b, hunk))
        longer = not longer
    return Verdict("longer" if longer else "shorter", WIDENS if longer else NARROWS, _said(a, b, hunk))


def _company(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Companies are never renamed away: another name with its legal form is another company."""
    gone, came = _companies(a, hunk.old), _companies(b, hunk.new)
    if gone == came and _other_name(a, b, hunk):
        return Verdict("company", UNCLEAR, _said(a, b, hunk))
    if gone == came:
        return None
    grants = GRANT in (a.frame, b.frame) and lexicon.is_sharing(f"{a.text} {b.text}")
    kinds = lexicon.recipients(a.shown(*hunk.old)), lexicon.recipients(b.shown(*hunk.new))
    direction = UNCLEAR if (gone and came) or not grants else WIDENS if came else NARROWS
    if direction != UNCLEAR and set(kinds[0]) - gone and came:
        direction = NARROWS  # of a kind of recipients one is named
    elif direction != UNCLEAR and set(kinds[1]) - came and gone:
        direction = WIDENS  # one that was named is any of its kind
    return Verdict("company", direction, _said(a, b, hunk))


def _name(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A name for another, with or without a legal form: it may be who receives data, who answers for it, or where."""
    shown = [side.shown(*span) for side, span in ((a, hunk.old), (b, hunk.new))]
    places = [frozenset(map(str.lower, _REGION.findall(words))) for words in shown]
    if any(places) and places[0] != places[1] and all(p or _is_name(w) for p, w in zip(places, shown, strict=True)):
        return Verdict("name", UNCLEAR, _said(a, b, hunk))
    if all(map(_is_name, shown)) and hunk.old[0] and hunk.new[0] and not a.is_heading:
        known = a.common | b.common
        named = not any(word.lower() in known or word.isupper() for words in shown for word in _own_words(words))
        return Verdict("name", UNCLEAR, _said(a, b, hunk)) if named and not _quoted(a, hunk.old) else None
    if _begins(a, hunk.old, b) and _begins(b, hunk.new, a):
        return Verdict("name", UNCLEAR, _said(a, b, hunk))
    if _headed(a, hunk.old, b) == _headed(b, hunk.new, a):
        return None
    return Verdict("name", UNCLEAR, _said(a, b, hunk))


_ACTS = re.compile(
    r" (?:may|might|will|can|shall|must|would|is|are|was|has|have|does|do|(?!this|its|us\b)[a-z]+[a-rt-z]s|and [A-Z]\w+)\b"
)
"""What follows a name that begins a sentence: it does something."""


def _begins(side: Part, span: tuple[int, int], other: Part) -> bool:
    """Whether the first words of a sentence are a name: they do something, and no text writes them small.

    Every sentence begins with a capital, so the capital says nothing there.
    """
    words = side.shown(*span)
    if side.is_heading or span[0] or not _is_name(words) or not _ACTS.match(side.text[side.spans[span[1] - 1][1] :]):
        return False
    return not any(word.lower() in side.common | other.common for word in _own_words(words))


def _other_name(a: Part, b: Part, hunk: alignment.Hunk) -> bool:
    """One name for another where data is handed on: it may be another recipient."""
    if a.is_heading or not lexicon.is_sharing(f"{a.text} {b.text}"):
        return False
    if any(_quoted(side, span) for side, span in ((a, hunk.old), (b, hunk.new))):
        return False
    shown = a.shown(*hunk.old), b.shown(*hunk.new)
    return all(_is_name(words) for words in shown) and hunk.old[0] > 0 and hunk.new[0] > 0


_ASKS = frozenset("what how why when where who which whose whom here about more".split())


def _headed(side: Part, span: tuple[int, int], other: Part) -> frozenset[str]:
    """The names in a heading, where every word may be written large: those that no text writes small."""
    if not (side.is_heading and other.is_heading):
        return frozenset()
    large = _written_large(side.shown(*span))
    known = side.common | other.common | lexicon.DECIDING
    return frozenset(
        w for w in large if w not in lexicon.NOT_NAMES and w.lower() not in known | _ASKS and not w.isupper()
    )


def _quoted(side: Part, span: tuple[int, int]) -> bool:
    """Whether a range of tokens stands in quotation marks or is an account name: an example, and nobody's name."""
    before = side.text[: side.spans[span[0]][0]] if span[0] < span[1] else ""
    return before.endswith(('"', "@")) or before.count('"') % 2 == 1


def _is_name(words: str) -> bool:
    return bool(_own_words(words)) and all(w[0].isupper() for w in re.findall(r"[^\W_]+", words))


def _own_words(words: str) -> list[str]:
    """The words that make a name one: "Palisade" of "Palisade Data"."""
    found = re.findall(r"[^\W_]+", words)
    return [w for w in found if w.lower() not in lexicon.DECIDING and w not in lexicon.NOT_NAMES]


def _companies(side: Part, span: tuple[int, int]) -> frozenset[str]:
    if span[0] == span[1]:
        return frozenset()
    start, end = side.spans[span[0]][0], side.spans[span[1] - 1][1]
    return frozenset(side.text[i:j] for i, j in lexicon.company_spans(side.text) if i < end and j > start)


_EXAMPLE = re.compile(r"(?:e\.g\.,?|for example,?|for instance,?|such as|\blike)\s[^.;)]*$", re.I)


def _example(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Names in a list of examples, where nothing is shared: "(e.g., This or That)"."""
    if lexicon.is_sharing(f"{a.text} {b.text}"):
        return None
    sides = [(side, span) for side, span in ((a, hunk.old), (b, hunk.new)) if span[0] < span[1]]
    for side, span in sides:
        words = side.shown(*span)
        before = side.text[: side.spans[span[0]][0]]
        in_quotes = _quoted(side, span)
        names = all(w[0].isupper() or w.lower() in _WEAK for w in re.findall(r"\w+", words))
        if not (_EXAMPLE.search(before) and (names or in_quotes)):
            return None
    return Verdict("example", EDITORIAL, _said(a, b, hunk))


_QUALIFIES = (
    r"(?:aggregated?|anonymi[sz]ed|anonymous|pseudonymi[sz]ed|pseudonymous|de-?identified|hashed|encrypted|redacted|authori[sz]ed|"
    r"eligible|registered|verified|approved|selected|trusted|vetted|necessary|required|relevant|sensitive|public|private|"
    r"adult|paid|paying|identifiable|strictly|personally|(?:publicly|already|currently) available)"
)
_QUALIFIER = re.compile(
    rf"(?:(?:an?|the|and|or|only|,) )*{_QUALIFIES}(?:,? (?:(?:and|or) )?{_QUALIFIES})*(?: (?:and|or))?|"
    r"(?:that|who) (?:is|are|was|were|has been|have been|you) [^,;:]{1,60}",
    re.I,
)
"""Words in front of a noun, or right behind it, that leave fewer things of its kind."""


def _qualifier(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """What says of which things a sentence speaks: the fewer they are, the less of a grant it is, or of a promise."""
    weight = WEIGHT[a.frame] if WEIGHT[a.frame] == WEIGHT[b.frame] else 0
    gone, came = (_content(side.key[slice(*span)]) for side, span in ((a, hunk.old), (b, hunk.new)))
    if not weight or bool(gone) == bool(came):
        return None
    instead = (a.key[slice(*hunk.old)], b.key[slice(*hunk.new)])[not came]
    words = b.shown(*hunk.new) if came else a.shown(*hunk.old)
    if not {"a", "an", "the"}.issuperset(instead) or not _QUALIFIER.fullmatch(words.strip(" ,")):
        return None
    narrower = (weight > 0) == bool(came)
    return Verdict("qualifier", NARROWS if narrower else WIDENS, _said(a, b, hunk))


def _extent(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """More, or less: "much of" became "some"."""
    gone = [_EXTENTS[t] for t in a.key[slice(*hunk.old)] if t in _EXTENTS]
    came = [_EXTENTS[t] for t in b.key[slice(*hunk.new)] if t in _EXTENTS]
    rest = {*a.key[slice(*hunk.old)], *b.key[slice(*hunk.new)]} - set(_EXTENTS) - _WEAK
    if not gone or not came or max(gone) == max(came) or rest:
        return None
    more = (max(came) > max(gone)) == (WEIGHT[b.frame] >= 0)
    return Verdict("extent", WIDENS if more else NARROWS, _said(a, b, hunk))


_OPPOSITES = tuple(
    frozenset(pair.split())
    for pair in ("on off", "private public", "enabled disabled", "enable disable", "hidden visible", "automated manual",
                 "encrypted unencrypted", "anonymous identified", "human automated", "person program", "person machine",
                 "before after", "include exclude", "includes excludes", "opt-in opt-out")
)  # fmt: skip


def _opposite(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A word for its opposite, whichever of the two protects: what is switched off may be the protection."""
    gone, came = set(a.key[slice(*hunk.old)]), set(b.key[slice(*hunk.new)])
    if any(len(pair & (gone - came)) == 1 == len(pair & (came - gone)) for pair in _OPPOSITES):
        return Verdict("opposite", UNCLEAR, _said(a, b, hunk))
    return None


_OPERATIONS = tuple(
    re.compile(rf"\b(?:{words})\b", re.I)
    for words in (r"delet\w+|eras\w+|destroy\w*|purg\w+", r"keep|kept|keeps|stor(?:e[sd]?|ing)|retain\w*|archiv\w+",
                  r"sell(?:s|ing)?|sold", r"shar(?:e[sd]?|ing)|disclos\w+|transfer\w*|publish\w*", r"collect\w*|gather\w*",
                  r"anonymi[sz]\w+|de-?identif\w+", r"encrypt\w*")
)  # fmt: skip


def _operation(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """One thing that is done with data for another: deleted, and now archived."""
    gone, came = (_operations(side.shown(*span)) for side, span in ((a, hunk.old), (b, hunk.new)))
    return Verdict("operation", UNCLEAR, _said(a, b, hunk)) if gone and came and gone != came else None


def _operations(words: str) -> frozenset[int]:
    return frozenset(number for number, pattern in enumerate(_OPERATIONS) if pattern.search(words))


_PERMITTED = re.compile(r"\b(?:permissible|permitted|allowed)\b", re.I)


def _permission(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Words that permit, inside of a sentence that limits: what they take out of it is not less of a limit."""
    gone, came = (bool(_PERMITTED.search(side.shown(*span))) for side, span in ((a, hunk.old), (b, hunk.new)))
    denied = _negated(a, [hunk.old]) or _negated(b, [hunk.new])
    if gone == came or denied or not {a.frame, b.frame} <= {FORBIDDEN, KEPT, PROMISE}:
        return None
    return Verdict("permission", WIDENS if came else NARROWS, _said(a, b, hunk))


_BARE_CONDITION = re.compile(r"only|solely|unless|except|(?:.* )?(?:consent|permission)", re.I)
"""What limits even a sentence that neither allows nor promises anything: "shown to members only"."""


def _condition(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A condition makes a grant smaller, and a promise too."""
    gone, came = _CONDITION.search(a.shown(*hunk.old)), _CONDITION.search(b.shown(*hunk.new))
    weight = WEIGHT[a.frame] or WEIGHT[b.frame]
    if bool(gone) == bool(came):
        return None
    if not weight:
        found = gone or came
        bare = found is not None and _BARE_CONDITION.fullmatch(found[0])
        return Verdict("condition", UNCLEAR, _said(a, b, hunk)) if bare else None
    narrower = (weight > 0) == bool(came)
    return Verdict("condition", NARROWS if narrower else WIDENS, _said(a, b, hunk))


_ENTITLES = frozenset("have has the a any right rights to can may could are is be entitled able you".split())


def _entitles(a: Part, b: Part, hunk: alignment.Hunk) -> bool:
    """Whether a choice is given by other words: who has the right to, and who can."""
    gone, came = set(a.key[slice(*hunk.old)]), set(b.key[slice(*hunk.new)])
    return bool(gone and came) and a.frame == b.frame == CHOICE and gone | came <= _ENTITLES


def _insertion(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Words that came or went and replaced none: more of what the sentence is."""
    gone, came = _content(a.key[slice(*hunk.old)]), _content(b.key[slice(*hunk.new)])
    weight = WEIGHT[b.frame] if WEIGHT[b.frame] == WEIGHT[a.frame] else WEIGHT[a.frame] + WEIGHT[b.frame]
    if _entitles(a, b, hunk):
        return Verdict("right", UNCLEAR, _said(a, b, hunk))
    if not weight or not (gone or came) or (gone and came and not _grows(gone, came)):
        return None
    if _reworded(a, b, gone, came) or {*a.key[slice(*hunk.old)], *b.key[slice(*hunk.new)]} == _SAME:
        return None
    more = len(came) > len(gone)
    direction = WIDENS if more == (weight > 0) else NARROWS
    rule = ("more" if more else "less") + ("-in-grant" if weight > 0 else "-in-limit")
    return Verdict(rule, direction, _said(a, b, hunk))


_SAME = frozenset({"data", "information"})
"""Two words that policies use for the same thing."""


def _reworded(a: Part, b: Part, gone: Sequence[str], came: Sequence[str]) -> bool:
    """Whether what came or went stands on the other side too, at another place or in another form of the word."""
    lone, other = (came, a.key) if not gone else (gone, b.key)
    if gone and came:
        return False
    mine = Counter(_stem(token) for token in (b.key if not gone else a.key))
    theirs = Counter(_stem(token) for token in other)
    return all(theirs[_stem(token)] >= mine[_stem(token)] for token in lone)


def _stem(token: str) -> str:
    """A word without its ending, roughly: "removed" and "remove" are one."""
    short = re.sub(r"(?:ing|ed|es|s|e)$", "", token)
    return short if len(short) >= 4 else token


def _grows(gone: Sequence[str], came: Sequence[str]) -> bool:
    """Whether one side holds all that the other has, and more: "products" and "products and features"."""
    return set(gone) < set(came) or set(came) < set(gone)


_LINK = re.compile(r"(?:https?://|www\.)\S+|[\w.-]+\.[a-z]{2,}/\S*|[\w.+-]+@[\w-]+\.[\w.]+", re.IGNORECASE)


def _web(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Another address on the web, whatever words it is made of."""
    shown = [words for words in (a.shown(*hunk.old), b.shown(*hunk.new)) if words]
    if shown and all(_LINK.fullmatch(words.strip("().,; ")) for words in shown):
        return Verdict("address", EDITORIAL, _said(a, b, hunk))
    return None


_ADDRESS = re.compile(
    r"\b(?:attn|street|suite|p\.?o\.? box|road|avenue|building|floor|postfach|strasse|boulevard)\b", re.IGNORECASE
)


def _address(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Where somebody is to be written to."""
    if a.frame != STATEMENT or b.frame != STATEMENT or not (_ADDRESS.search(a.text) and _ADDRESS.search(b.text)):
        return None
    return Verdict("address", EDITORIAL, _said(a, b, hunk))


def _number(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    if not _numbers(a, b, [hunk]):
        return None
    return Verdict("number", UNCLEAR, _said(a, b, hunk))


def _numbers(a: Part, b: Part, found: Sequence[alignment.Hunk]) -> list[str]:
    return [
        token
        for h in found
        for token in (*a.key[slice(*h.old)], *b.key[slice(*h.new)])
        if _counts(token.removeprefix("ref:"))
    ]


def _counts(token: str) -> bool:
    """Whether a word is a number, written either way, or a month."""
    return token[:1].isdigit() or token in _MONTHS or token in lexicon.COUNTING


_MONTHS = frozenset("january february march april may june july august september october november december".split()) - {
    "may"
}


_GRAVE = re.compile(
    r"train_ai_system|advertising|third_party_sharing|user\.(?:biometric|authorization\.biometric|communication|"
    r"government_id|"
    r"childrens|health_and_medical|location\.precise|demographic\.(?:political|race|religious|sexual))"
)
"""What tips the balance where words were replaced by others."""


def _more_meant(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """A purpose or category more, or less, whatever condition comes with it: "including training, unless you object"."""
    if {a.frame, b.frame} - {GRANT, STATEMENT} or GRANT not in (a.frame, b.frame):
        return None
    gone, came = _meant(a.shown(*hunk.old)), _meant(b.shown(*hunk.new))
    if gone == came or not (gone < came or came < gone):
        return None
    replaced = _content(a.key[slice(*hunk.old)]) and _content(b.key[slice(*hunk.new)])
    if replaced and not any(_GRAVE.match(key) for key in gone ^ came):
        return None
    more = gone < came
    return Verdict("more-in-grant" if more else "less-in-grant", WIDENS if more else NARROWS, _said(a, b, hunk))


def _content(key: Key) -> list[str]:
    """The words of a run that carry meaning."""
    return [token for token in key if token and token not in _WEAK]


def _data_words(a: Part, b: Part, hunk: alignment.Hunk) -> Verdict | None:
    """Words about data, replaced: somebody has to read it.

    Words that the vocabulary does not know say nothing to it, and are not nothing: "likes" for "replies" is no less.
    """
    gone, came = a.shown(*hunk.old), b.shown(*hunk.new)
    weight = WEIGHT[a.frame] or WEIGHT[b.frame]
    if not weight:
        return None
    before, after = _meant(gone), _meant(came)
    if before == after:
        return None
    replaced = _content(a.key[slice(*hunk.old)]) and _content(b.key[slice(*hunk.new)])
    if (before < after or after < before) and ((before and after) or not replaced):
        direction = WIDENS if (before < after) == (weight > 0) else NARROWS
        return Verdict("data-words", direction, _said(a, b, hunk))
    return Verdict("data-words", UNCLEAR, _said(a, b, hunk))


@lru_cache(maxsize=1 << 12)
def _meant(words: str) -> frozenset[str]:
    found = {*lexicon.categories(words), *lexicon.purposes(words), *lexicon.recipients(words)}
    return frozenset(found - {"user", "service.operation"})
