"""Did the rules and the words move together? What changed between two versions in ``policy.toml``, held against what
changed in ``text.md``: what stands on both sides, and what moved alone.

Nothing is guessed away: a change of the rules is with a change of the words when its quote stands in it, when it stands in
the section it cites, or when both name the same things; each pair says which. What remains is listed with quotes, and
with what could be written on the other side. Specification: docs/formats/drift.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from aboveboard import vocabulary, wording
from aboveboard.comparison import Change, Comparison, compare, lexicon
from aboveboard.policy import Citation, Clause, PolicyVersion
from aboveboard.reach import of_older_data, reaching_words
from aboveboard.wording import Finding, plain

GENERIC = frozenset({"user", "user.content", "service.operation", "service", "third_party_sharing"})
"""Words so broad that sharing one says nothing about two changes being the same."""
NEAR = 3
"""How many sentences are proposed at most where words are missing."""
ENOUGH_WORDS = 0.8
"""The share of a cited quote's words that a changed passage must hold to count as the place of the quote."""


# --- what is found ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One change in the rules: a clause that came or went, or one field of one.

    ``subject`` names it (``clause training``, ``retention``, ``retroactive``), ``field`` is empty where the whole came or
    went. ``categories``, ``purposes`` and ``recipients`` are what the change is about; ``quotes`` what it cites, old and
    new; ``aspects`` are those of a comparison.
    """

    kind: str
    direction: str
    subject: str
    field: str = ""
    before: str = ""
    after: str = ""
    clause: str | None = None
    aspects: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    old: Citation | None = None
    new: Citation | None = None

    @property
    def sentence(self) -> str:
        """The change in words."""
        if not self.field:
            return f"{self.subject} {self.kind}"
        return f"{self.subject}: `{self.field}` {self.before or 'nothing'} -> {self.after or 'nothing'}"


_TERMS = ("period", "deadline", "notice_window")
"""Fields of the rules that are terms of time."""


@dataclass(frozen=True, slots=True)
class Together:
    """A change of the rules and one of the words that belong together, and by what: quote, section, terms or aspect."""

    rules: RuleChange
    words: Change
    by: str

    @property
    def apart(self) -> bool:
        """Whether one field of a rule and its own words go opposite ways. Of a clause that came as a whole some words
        widen and some narrow, and both are right."""
        if not self.rules.field or self.by not in ("quote", "terms", "aspect") or self.words.kind != "changed":
            return False
        return {self.rules.direction, self.words.direction} == {"widens", "narrows"}

    @property
    def same_term(self) -> bool | None:
        """Whether both set the same term: three years became five in both. None where one of them sets no other term."""
        rule, words = lexicon.lengths(self.rules.after), lexicon.lengths(self.words.new_quote)
        was = lexicon.lengths(self.words.old_quote)
        told = [days for days in words if not any(lexicon.same_length(days, other) for other in was)]
        sets_one = self.rules.field in _TERMS or self.rules.aspects == ("retention",)
        if not sets_one or not rule or not told:
            return None
        return any(lexicon.same_length(rule[0], days) for days in words)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of the text that could be cited, under its headings, and the line it stands on."""

    heading: tuple[str, ...]
    quote: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A clause that could carry words that moved alone; what only a person can decide is left open in ``decide``."""

    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    citation: Candidate
    decide: tuple[str, ...] = ("effect", "audience", "recipients", "basis", "control")

    def __str__(self) -> str:
        named = "".join(
            f", {what} = [{', '.join(keys)}]"
            for what, keys in (("purposes", self.purposes), ("categories", self.categories))
            if keys
        )
        return f"a clause that cites it{named}; {', '.join(self.decide)} are for you to decide"


@dataclass(frozen=True, slots=True)
class RulesAlone:
    """A change of the rules that no changed words go with. ``stood`` : what it cites stood in the older text already."""

    change: RuleChange
    stood: bool
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class WordsAlone:
    """A change of the words that no changed rule goes with. ``carried``: clauses that said so before and still do."""

    change: Change
    carried: tuple[str, ...]
    proposal: Proposal | None
    line: int | None


@dataclass(frozen=True)
class Drift:
    """What moved between two versions. Where the texts could not be compared ``problems`` says why, and nothing else
    is claimed."""

    old: PolicyVersion
    new: PolicyVersion
    together: tuple[Together, ...] = ()
    rules_alone: tuple[RulesAlone, ...] = ()
    words_alone: tuple[WordsAlone, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def apart(self) -> tuple[Together, ...]:
        """Pairs of which one side widens and the other narrows, where nothing goes the same way."""
        return tuple(
            pair
            for pair in self.together
            if pair.apart and not any(p.rules == pair.rules and not p.apart for p in self.together)
        )

    @property
    def other_terms(self) -> tuple[Together, ...]:
        """Pairs in which a rule and the words set different terms, where no words set the rule's."""
        return tuple(
            pair
            for pair in self.together
            if pair.same_term is False and not any(p.rules == pair.rules and p.same_term for p in self.together)
        )

    def findings(self) -> list[Finding]:
        """The same as findings of ``policy check``."""
        return [
            *_problems(self),
            *map(self._rules, self.rules_alone),
            *map(self._words, self.words_alone),
            *map(self._apart, self.apart),
            *map(self._other_term, self.other_terms),
        ]

    def as_json(self) -> dict[str, Any]:
        """The document of docs/formats/drift.md."""
        return {
            "old": self.old.version,
            "new": self.new.version,
            "problems": list(self.problems),
            "together": [
                {
                    "by": p.by,
                    "apart": p.apart,
                    "same_term": p.same_term,
                    "rules": _told(p.rules),
                    "words": _words_of(p.words),
                }
                for p in self.together
            ],
            "rules_alone": [
                {**_told(one.change), "cited_words_stood": one.stood, "candidates": [asdict(c) for c in one.candidates]}
                for one in self.rules_alone
            ],
            "words_alone": [
                {
                    **_words_of(one.change),
                    "line": one.line,
                    "carried_by": list(one.carried),
                    "proposal": asdict(one.proposal) if one.proposal else None,
                }
                for one in self.words_alone
            ],
        }

    def _says(self, rule: str, sentence: str, hint: str, clause: str | None = None, line: int | None = None) -> Finding:
        file = self.new.path if line is None else re.sub(r"policy\.toml$", "text.md", self.new.path)
        return Finding(rule, wording.RULES[rule][0], sentence, hint, self.new.version, clause, line, file)

    def _rules(self, one: RulesAlone) -> Finding:
        quote = f", and the words it cites stood in {self.old.version} already" if one.stood else ""
        if one.candidates:
            near = "; ".join(f"line {c.line}: {wording.cut(c.quote)}" for c in one.candidates)
            hint = f"what comes nearest in the text: {near}"
        else:
            hint = "no sentence of the text says it: write the words, or take the change back"
        sentence = f"the rules moved and no words did: {one.change.sentence} ({one.change.direction}){quote}"
        return self._says("rules-moved-alone", sentence, hint, one.change.clause)

    def _words(self, one: WordsAlone) -> Finding:
        change = one.change
        quote = wording.cut(plain(change.new_quote or change.old_quote))
        sentence = f"the words moved and no rule did: {change.kind} ({change.direction}) `{quote}`"
        if one.carried:
            names = ", ".join(f"`{name}`" for name in one.carried)
            hint = f"{names} said so before: cite these words there, or say what is new"
        elif change.kind == "removed":
            hint = "read whether a clause still rests on what is gone"
        else:
            hint = str(one.proposal) if one.proposal else "read whether a rule has to carry it"
        return self._says("words-moved-alone", sentence, hint, None, one.line)

    def _apart(self, pair: Together) -> Finding:
        quote = wording.cut(plain(pair.words.new_quote or pair.words.old_quote))
        sides = f"{pair.rules.sentence} ({pair.rules.direction}), `{quote}` ({pair.words.direction})"
        sentence = f"the rules and the words moved apart: {sides}"
        return self._says("moved-apart", sentence, "one of the two says the opposite of the other", pair.rules.clause)

    def _other_term(self, pair: Together) -> Finding:
        quote = wording.cut(plain(pair.words.new_quote))
        sentence = f"the rules and the words set different terms: {pair.rules.sentence}, and `{quote}`"
        hint = "write the same term in both: people are told the one, and the other is applied"
        return self._says("other-term", sentence, hint, pair.rules.clause, None)


def _problems(drift: Drift) -> list[Finding]:
    hint = "nothing is said about what moved between these two versions"
    return [
        drift._says("texts-not-compared", f"against {drift.old.version}: {problem}", hint) for problem in drift.problems
    ]


def _told(change: RuleChange) -> dict[str, Any]:
    return {**asdict(change), "sentence": change.sentence}


def _words_of(change: Change) -> dict[str, Any]:
    return {
        name: getattr(change, name)
        for name in ("kind", "direction", "aspects", "categories", "purposes", "recipients", "old_quote", "new_quote",
                     "heading_old", "heading_new", "clause", "rule", "why")
    }  # fmt: skip


# --- the judgement ----------------------------------------------------------------------------------------------


def drift(old: PolicyVersion, old_text: str, new: PolicyVersion, new_text: str) -> Drift:
    """What moved between two versions, in the rules and in the words, and what moved alone."""
    compared = Comparison() if old_text == new_text else compare(old_text, new_text, captured=False)
    if compared.problems:
        return Drift(old, new, problems=tuple(note.sentence for note in compared.problems))
    rules = rule_changes(old, new)
    # A sentence that came or went may be what a rule cites, whatever its direction; only rewording says nothing new.
    words = [change for change in compared.changes if change.direction != "editorial" or change.kind != "changed"]
    telling = [change for change in words if change.direction != "editorial"]
    texts = _Texts(old_text, new_text)
    together = [
        Together(rule, change, by) for rule in rules for change in words if (by := belongs(rule, change)) is not None
    ]
    return Drift(
        old,
        new,
        tuple(together),
        tuple(
            _rules_alone(rule, texts)
            for rule in rules
            if not any(p.rules is rule for p in together) and not texts.moved(rule)
        ),
        tuple(
            _words_alone(change, old, new, texts) for change in telling if not any(p.words is change for p in together)
        ),
    )


# --- what changed in the rules -----------------------------------------------------------------------------------


def rule_changes(old: PolicyVersion, new: PolicyVersion) -> tuple[RuleChange, ...]:
    """What the newer rules say otherwise. A clause that only cites other words, or is called otherwise, is no change.

    Promises and undertakings are left out: each names a source of its own, outside the text.
    """
    return (*_clauses(old, new), *_retentions(old, new), *_withdrawal(old, new), *_settings(old, new))


def _clauses(old: PolicyVersion, new: PolicyVersion) -> Iterator[RuleChange]:
    before, after = {c.id: c for c in old.clauses}, {c.id: c for c in new.clauses}
    for name in [name for name in before if name in after]:
        if _bare(before[name]) == _bare(after[name]):
            del before[name], after[name]
    for name, clause in list(after.items()):  # the same under another name
        twin = next((n for n, other in before.items() if n not in after and _bare(other) == _bare(clause)), None)
        if twin is not None:
            del before[twin], after[name]
    for name in dict.fromkeys([*before, *after]):
        if name not in before:
            yield _whole("added", after[name])
        elif name not in after:
            yield _whole("removed", before[name])
        else:
            yield from _fields(before[name], after[name])


def _bare(clause: Clause) -> Clause:
    """What a clause does, whatever it is called, cites, and in which order it lists things.

    Who closed open words, and when, is about the rules alone: no text says it.
    """
    return replace(
        clause, id="", citation=Citation((), ""), closed_by=None, closed_at=None,
        purposes=tuple(sorted(clause.purposes)), categories=tuple(sorted(clause.categories)),
        recipients=tuple(sorted(clause.recipients)), uses=tuple(sorted(clause.uses)),
    )  # fmt: skip


def _whole(kind: str, clause: Clause) -> RuleChange:
    opens = (clause.effect == "permit") == (kind == "added")
    aspects = ("use", "purpose", "collection", *(("choice",) if clause.control else ()), "recipient")
    return RuleChange(
        kind, "widens" if opens else "narrows", f"clause {clause.id}", "", "", "", clause.id, aspects, clause.categories,
        clause.purposes, clause.recipients, clause.citation if kind == "removed" else None,
        clause.citation if kind == "added" else None,
    )  # fmt: skip


FIELD_ASPECTS = {
    "effect": ("use", "purpose", "promise"),
    "purposes": ("purpose", "use"),
    "categories": ("collection", "use", "purpose"),
    "recipients": ("recipient", "use"),
    "audience": ("use", "collection", "recipient", "promise"),
    "basis": ("choice", "promise"),
    "control": ("choice", "promise"),
    "uses": ("use", "purpose"),
    "when": ("use", "collection", "region", "choice"),
    "open_ended": ("collection", "use", "purpose"),
}
"""Which aspects of the words a field of a clause belongs to."""
_WEAKER = ("consent", "legitimate_interest", "contract", "legal_obligation")
"""Bases by how much a person has to say, most first."""


def _fields(before: Clause, after: Clause) -> Iterator[RuleChange]:
    one, other = _bare(before), _bare(after)
    for name, aspects in FIELD_ASPECTS.items():
        was, becomes = getattr(one, name), getattr(other, name)
        if was == becomes:
            continue
        moved = tuple(sorted(set(was) ^ set(becomes))) if isinstance(was, tuple) else ()
        yield RuleChange(
            "changed", _direction(name, one, other), f"clause {after.id}", name, _shown(was), _shown(becomes), after.id,
            aspects,
            moved if name == "categories" else after.categories,
            moved if name == "purposes" else after.purposes,
            moved if name == "recipients" else after.recipients,
            before.citation, after.citation,
        )  # fmt: skip


def _direction(name: str, was: Clause, becomes: Clause) -> str:
    """Which way a field moves; a deny goes the other way round."""
    way = _field_direction(name, was, becomes)
    turned = {"widens": "narrows", "narrows": "widens"}
    return turned.get(way, way) if was.effect == becomes.effect == "deny" else way


def _field_direction(name: str, was: Clause, becomes: Clause) -> str:
    one, other = getattr(was, name), getattr(becomes, name)
    if name == "effect":
        return "widens" if other == "permit" else "narrows"
    if name in ("purposes", "categories", "recipients"):
        return _more(set(one), set(other))
    if name == "uses":  # naming none is every use
        return "widens" if not other else "narrows" if not one else _more(set(one), set(other))
    if name == "audience":
        ranks = [vocabulary.AUDIENCES.index(audience) for audience in (one, other)]
        return "widens" if ranks[1] > ranks[0] else "narrows"
    if name == "basis":
        return "widens" if _WEAKER.index(other) > _WEAKER.index(one) else "narrows"
    if name in ("control", "when") and (one is None) != (other is None):
        return "widens" if other is None else "narrows"
    return "unclear"


def _more(was: set[str], becomes: set[str]) -> str:
    return "widens" if was < becomes else "narrows" if becomes < was else "unclear"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def _retentions(old: PolicyVersion, new: PolicyVersion) -> Iterator[RuleChange]:
    before = {(rule.categories, rule.since): rule for rule in old.retentions}
    after = {(rule.categories, rule.since): rule for rule in new.retentions}
    for key in dict.fromkeys([*before, *after]):
        was, becomes = before.get(key), after.get(key)
        if was == becomes:
            continue
        kind = "changed" if was and becomes else "added" if becomes else "removed"
        longer = was and becomes and (becomes.period.months, becomes.period.days) > (was.period.months, was.period.days)
        yield RuleChange(
            kind, "widens" if longer or not becomes else "narrows", f"retention of {', '.join(key[0])}",
            "period" if was and becomes else "", was.period.says if was else "", becomes.period.says if becomes else "", None,
            ("retention",), key[0],
        )  # fmt: skip


def _withdrawal(old: PolicyVersion, new: PolicyVersion) -> Iterator[RuleChange]:
    for name in ("releases", "deadline", "models", "recipients"):
        was, becomes = getattr(old.on_withdrawal, name), getattr(new.on_withdrawal, name)
        if was != becomes:
            before, after = (one.says if name == "deadline" else one for one in (was, becomes))
            yield RuleChange(
                "changed", "unclear", "on_withdrawal", name, before, after, None, ("choice", "retention", "promise")
            )


def _settings(old: PolicyVersion, new: PolicyVersion) -> Iterator[RuleChange]:
    reach = ("none", "reconsent", "notice")
    if old.retroactive != new.retroactive:
        wider = reach.index(new.retroactive) > reach.index(old.retroactive)
        yield RuleChange(
            "changed", "widens" if wider else "narrows", "the version", "retroactive", old.retroactive, new.retroactive, None,
            ("retroactivity",),
        )  # fmt: skip
    if old.notice_window != new.notice_window:
        yield RuleChange(
            "changed", "unclear", "the version", "notice_window", old.notice_window.says, new.notice_window.says, None,
            ("retroactivity", "choice"),
        )  # fmt: skip
    if old.establishment != new.establishment:
        yield RuleChange(
            "changed", "unclear", "the version", "establishment", old.establishment or "", new.establishment or "", None,
            ("recipient", "region"),
        )  # fmt: skip


# --- what belongs together ----------------------------------------------------------------------------------------


class _Texts:
    """Both texts cut at their headings, the sentences of the newer one, and what both say of older data."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = wording.sections(old), wording.sections(new)
        self.said = [(part, sentence) for part in self.new for sentence in wording.sentences(part)]
        before = of_older_data(sentence for part in self.old for sentence in wording.sentences(part))
        self.reach = before, of_older_data(sentence for _, sentence in self.said)

    def stood(self, quote: str) -> bool:
        return any(plain(quote) in part.words.text for part in self.old)

    def line(self, quote: str) -> int | None:
        wanted = plain(quote)
        lines = (p.words.line_at(at) for p in self.new if wanted and (at := p.words.text.find(wanted)) >= 0)
        return next(lines, None)

    def moved(self, rule: RuleChange) -> bool:
        """Whether what the texts say of older data moved with the rule about it, however the sentences were compared."""
        return rule.field == "retroactive" and self.reach[0] != self.reach[1]


def belongs(rule: RuleChange, change: Change) -> str | None:
    """By what a change of the rules and one of the words are the same, or None.

    ``quote``: the words hold what the rule cites; ``section``: they stand in the section it cites; ``terms``: both name the
    same things; ``promise``: a general promise is gone and the rule widens; ``aspect``: rules that cite nothing.
    """
    if rule.field and change.aspects and not set(rule.aspects) & set(change.aspects):
        return None
    if _holds(change.new_quote, rule.new) or _holds(change.old_quote, rule.old):
        return "quote"
    if rule.clause is None:
        return "aspect" if _same_aspect(rule, change) else None
    if not rule.field and _in_section(rule, change):
        return "section"
    if rule.direction == "widens" and _is_general_promise(change):
        return "promise"
    return "terms" if change.direction != "editorial" and _same_terms(rule, change) else None


def _is_general_promise(change: Change) -> bool:
    """Whether a promise vanished that names nothing in particular: "we do not use it for anything else"."""
    gone = "promise" in change.aspects and change.kind != "added" and change.direction == "widens"
    return gone and not (set(change.purposes) | set(change.categories)) - GENERIC


def _holds(passage: str, cited: Citation | None) -> bool:
    """Whether a changed passage holds the cited words, or nearly: renaming may have changed one or two of them."""
    if cited is None or not passage:
        return False
    quote, said = plain(cited.quote).lower(), plain(passage).lower()
    words = re.findall(r"\w+", quote)
    shared = [word for word in words if re.search(rf"\b{re.escape(word)}\b", said)]
    return quote in said or said in quote or (len(words) >= 4 and len(shared) >= ENOUGH_WORDS * len(words))


def _in_section(rule: RuleChange, change: Change) -> bool:
    """Whether the words stand in the section that the clause cites, and are about it or about nothing in particular."""
    pairs = ((rule.new, change.heading_new), (rule.old, change.heading_old))
    there = any(
        cited is not None and path and cited.heading and wording.under(cited.heading, path) for cited, path in pairs
    )
    specific = set(change.purposes) - GENERIC
    return there and (not specific or _related(specific, rule.purposes))


def _same_terms(rule: RuleChange, change: Change) -> bool:
    """Whether both name the same purposes and, where both name data, related data; or the same data and no purposes."""
    purposes, categories = set(change.purposes) - GENERIC, set(change.categories) - GENERIC
    data = _related(categories, set(rule.categories) - GENERIC)
    if rule.field == "recipients":
        return bool(change.recipients) and any(_is_called(r, change.recipients) for r in rule.recipients)
    if purposes:
        return _related(purposes, set(rule.purposes) - GENERIC) and (data or not categories)
    return data


def _related(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether any two are the same word of the vocabulary, or one stands below the other."""
    others = tuple(others)
    return any(vocabulary.covers(a, b) or vocabulary.covers(b, a) for a in some for b in others)


_KINDS = {
    "affiliate": ("affiliate", "subsidiar", "group", "related compan"),
    "third_party": (
        "third",
        "partner",
        "employer",
        "advertis",
        "collaborator",
        "researcher",
        "vendor",
        "broker",
        "provider",
    ),
    "processor": ("processor", "service provider", "vendor", "contractor"),
    "controller": ("controller",),
}


def _is_called(recipient: str, names: Sequence[str]) -> bool:
    """Whether the words name a recipient of the rules, by its own name or by what such a one is called."""
    kind, _, ident = recipient.partition(":")
    called = (*_KINDS.get(kind, ()), *([ident.lower()] if ident not in ("", "*") else []))
    return any(word in name.lower() for name in names for word in called)


_ESTABLISHED = re.compile(
    r"\b(?:controller|responsible for|Ltd|Limited|Inc|GmbH|Company|incorporated|headquarter)", re.IGNORECASE
)
_KEEPING = re.compile(
    r"\b(?:retain|retention|delet|destroy|eras)|\b(?:keep|kept|stored?)\b[^.;]{0,60}\b(?:for|until|days?|months?|years?|long|after)\b",
    re.IGNORECASE,
)
_SAYING_NO = re.compile(
    r"\b(?:withdraw|opt(?:ing)?[- ]out|object|say no|switch\w* off|turn\w* off|delet|revok)", re.IGNORECASE
)


def _same_aspect(rule: RuleChange, change: Change) -> bool:
    """Rules that cite no words: retention, withdrawal, what the version sets."""
    said = f"{change.new_quote} {change.old_quote}"
    if rule.subject == "on_withdrawal":
        return bool(_SAYING_NO.search(said))
    if rule.field == "establishment":
        return bool(_ESTABLISHED.search(said))
    if rule.field == "retroactive":
        return "retroactivity" in change.aspects or any(
            any(reaching_words(q)) for q in (change.new_quote, change.old_quote)
        )
    data = set(change.categories) - GENERIC
    kept = "retention" in change.aspects or _KEEPING.search(said) is not None
    return kept and (not data or not rule.categories or _related(data, rule.categories))


# --- what moved alone ---------------------------------------------------------------------------------------------


def _rules_alone(rule: RuleChange, texts: _Texts) -> RulesAlone:
    cited = rule.new
    stood = cited is not None and texts.stood(cited.quote)
    return RulesAlone(rule, stood, () if rule.kind == "removed" else tuple(candidates(rule, texts.said)))


def candidates(rule: RuleChange, said: Iterable[tuple[wording.Section, wording.Sentence]]) -> list[Candidate]:
    """The sentences of a text that name most of what a rule is about: its purposes, its data, who receives it."""
    ranked: list[tuple[int, Candidate]] = []
    for part, sentence in said:
        if score := _score(rule, sentence.text):
            ranked.append((score, Candidate(part.path, sentence.shown, sentence.line)))
    ranked.sort(key=lambda pair: -pair[0])
    best = ranked[0][0] if ranked else 0
    return [candidate for score, candidate in ranked if score == best][:NEAR]


def _score(rule: RuleChange, sentence: str) -> int:
    """Two for the purpose, one for the data, one for the recipient; nothing without what the change is about."""
    purposes = _related(set(lexicon.purposes(sentence)) - GENERIC, set(rule.purposes) - GENERIC)
    data = _related(set(lexicon.categories(sentence)) - GENERIC, set(rule.categories) - GENERIC)
    named = any(_is_called(r, lexicon.recipients(sentence)) for r in rule.recipients if r != "controller")
    needed = {"recipients": named, "categories": data}.get(rule.field, purposes if rule.purposes else data)
    if rule.clause is None and rule.aspects != ("retention",):
        return 0
    if rule.aspects == ("retention",):
        needed = data and _KEEPING.search(sentence) is not None
    return 2 * purposes + data + named if needed else 0


def _words_alone(change: Change, old: PolicyVersion, new: PolicyVersion, texts: _Texts) -> WordsAlone:
    kept = {c.id for c in old.clauses}
    carried = tuple(c.id for c in new.clauses if c.id in kept and change.kind != "removed" and _carries(c, change))
    return WordsAlone(change, carried, None if carried else _proposal(change, texts), texts.line(change.new_quote))


def _carries(clause: Clause, change: Change) -> bool:
    purposes, data = set(change.purposes) - GENERIC, set(change.categories) - GENERIC
    named = bool(purposes) and all(
        any(vocabulary.covers(p, key) or vocabulary.covers(key, p) for p in clause.purposes) for key in purposes
    )
    handed_on = bool(change.recipients) and "third_party_sharing" in change.purposes
    kept_inside = set(clause.recipients) == {"controller"}
    return named and (not data or _related(data, clause.categories)) and not (handed_on and kept_inside)


def _proposal(change: Change, texts: _Texts) -> Proposal | None:
    """A clause for words that came: only where they name a purpose, and where the quote can be cited as it stands."""
    purposes = tuple(p for p in change.purposes if p not in GENERIC)
    if change.kind == "removed" or not purposes or change.direction == "narrows":
        return None
    found = _citable(change.new_quote, texts)
    return None if found is None else Proposal(purposes, tuple(c for c in change.categories if c != "user"), found)


def _citable(quote: str, texts: _Texts) -> Candidate | None:
    """The passage as a citation: one sentence where it has several, under its headings, word for word."""
    passage = plain(quote)
    for part, sentence in texts.said:
        shown = sentence.shown
        if shown and (shown in passage or passage in shown) and lexicon.purposes(shown):
            # A heading with marks left in it cannot be named as it stands; a citation may leave one out.
            return Candidate(tuple(h for h in part.path if plain(h) == h), shown, sentence.line)
    return None
