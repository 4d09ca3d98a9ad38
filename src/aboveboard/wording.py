"""Do the rules say what the words say? The checks between a policy's clauses and the text people were shown.

Every rule has a stable id, listed in ``RULES``; words that make a grant vague or name a choice are data, in
``VAGUE`` and ``CHOICES``. Nothing here repairs or guesses: a finding says where, what and what to do.
Specification: docs/formats/policy.md.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aboveboard import vocabulary
from aboveboard.errors import AboveboardError
from aboveboard.policy import Clause, Policy, PolicyVersion, gaps

ERROR, WARNING = "error", "warning"

RULES: Mapping[str, tuple[str, str]] = {
    "unreadable": (ERROR, "a file is missing, is not valid TOML, or holds a word or a key that is not known"),
    "text-changed": (ERROR, "`text_sha256` is not the digest of the `text.md` beside the rules"),
    "version-twice": (ERROR, "two folders hold a version of the same name"),
    "versions-overlap": (ERROR, "two versions are in force at the same moment, or belong to two policies"),
    "versions-gap": (ERROR, "no version is in force between two that follow each other"),
    "dates-backwards": (ERROR, "a version, promise or undertaking ends before it begins"),
    "announced-after-effect": (ERROR, "a version was announced only after it came into force"),
    "text-missing": (ERROR, "there is no text for a version, so nothing it cites can be read"),
    "cites-nothing": (ERROR, "a clause quotes less than two words"),
    "heading-missing": (WARNING, "a clause names no heading although the text has headings"),
    "heading-not-in-text": (ERROR, "the heading path of a clause is not in the text"),
    "quote-not-in-text": (ERROR, "the quote of a clause is not in the text, word for word"),
    "quote-not-under-heading": (ERROR, "the quote does not stand under the heading that the clause names"),
    "open-tail": (ERROR, "the quote of a permit leaves a list open (reported once `closed_by` is given)"),
    "vague-category": (ERROR, "the quote of a permit names no particular data (reported once closed)"),
    "vague-purpose": (ERROR, "the quote of a permit names no particular purpose (reported once closed)"),
    "open-ended-not-closed": (ERROR, "a clause is `open_ended` and nobody closed it: it releases nothing"),
    "basis-needs-control": (
        ERROR,
        "a permit by consent or legitimate interest has no control to say no with",
    ),
    "special-needs-consent": (
        ERROR,
        "a permit reaches special or biometric data, and its basis is not consent",
    ),
    "choice-without-control": (ERROR, "the text names a choice where no clause with a control is cited"),
    "training-beyond-public": (WARNING, "a training clause names an audience that the gate will not reach"),
    "employment-wrong-purpose": (WARNING, "a permit names working life for a purpose it may never serve"),
    "biometric-one-tree": (WARNING, "a deny or a promise names only one of the two biometric categories"),
    "rules-moved-alone": (WARNING, "a rule changed between two versions, and no words of the text with it"),
    "words-moved-alone": (WARNING, "words of the text changed between two versions, and no rule with them"),
    "moved-apart": (WARNING, "a rule and the words that it belongs to moved in opposite directions"),
    "other-term": (WARNING, "a rule and the words that it belongs to set different terms of time"),
    "reach-contradicted": (
        WARNING,
        "the text says that it reaches older data, and that it does not, or the rules say `none`",
    ),
    "texts-not-compared": (WARNING, "two texts cannot be compared, so nothing is said about what moved"),
    "text-unread": (WARNING, "the text is in a language whose words the checks do not read"),
}
"""Every check: its severity and what it finds. An error refuses the policy, a warning reports."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold. ``line`` is a line of ``file``, counted from 1, or None."""

    rule: str
    severity: str
    sentence: str
    hint: str = ""
    version: str = ""
    clause: str | None = None
    line: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words, as a pattern over normalised lower-case text, and the rule they set off."""

    pattern: str
    rule: str

    def find(self, text: str) -> str | None:
        """The words found; a choice that its half sentence denies ("there is no way to opt out") is none."""
        for found in re.finditer(self.pattern, text):
            before = re.split(r"[,;:(]", text[: found.start()])[-1][-30:]
            denied = re.search(_NEGATED, before) and not re.match(_TURNS, found.group())
            if self.rule != "choice-without-control" or not denied:
                return found.group().strip()
        return None


# --- the word lists -----------------------------------------------------------------------------------------

_NEGATED = r"\b(?:not|no|never|cannot|nobody|without)\b|n't"
_TURNS = r"(?:unless|until|if|when|once|after|with|without)\b"
"""What makes a denial before it a choice: "we do not share it unless you agree"."""
_DATA = r"(?:information|data|content|details|materials)"
_THINGS = r"(?:services?|products?|experiences?|offerings?|platforms?|features?|technolog(?:y|ies)|business)"
_WE_HOLD = r"(?:we|they) (?:may )?(?:collect|have|hold|receive|obtain|gather|process)"


def _phrases(rule: str, *patterns: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(pattern, rule) for pattern in patterns)


VAGUE: tuple[Phrase, ...] = (
    *_phrases(
        "open-tail",
        r"\band so (?:on|forth)\b",
        r"\betc\b\.?|\bet cetera\b",
        r"\band (?:much |many |lots )?more(?=\s*(?:$|[.,;:)\"']))",
        r"\band (?:things |such )?(?:like that|the like)\b",
        r"\b(?:among|amongst) (?:other things|other purposes|others)\b|\binter alia\b",
        r"\bincluding,? (?:but|without) (?:being )?(?:not )?limit(?:ed to|ation|ing)\b",
        r"\bwithout limitation\b",
        r"\b(?:such as|for example|for instance|e\.g\.) [^.;]*\b(?:and|or) (?:more|others)\b",
        r"\.\.\.$",
    ),
    *_phrases(
        "vague-category",
        rf"\b(?:related|similar|associated|relevant) {_DATA}\b",
        rf"\b(?:other|additional|certain|various|any|further) (?:\w+ of )?(?:personal )?{_DATA}\b",
        rf"\b{_DATA} (?:that )?{_WE_HOLD}\b",
        rf"\b(?:your|their|all) (?:personal )?{_DATA}\b",
        r"\b(?:and|or) (?:other )?similar (?:technologies|identifiers|items|things)\b",
    ),
    *_phrases(
        "vague-purpose",
        r"\b(?:improv|enhanc|optimi[sz]|personali[sz]|develop)\w*(?:,? (?:and )?\w+)? "
        rf"(?:our|the|your|these|its) (?:\w+ )?{_THINGS}\b",
        r"\bfor (?:any |all |our )?(?:other|various|related|similar|business|commercial|legitimate|"
        r"additional|certain|internal)(?: \w+)? purposes?\b",
        r"\b(?:permitted|allowed|authori[sz]ed) (?:by|under) (?:\w+ ){0,2}laws?\b",
        r"\bas (?:needed|necessary|appropriate|otherwise described)\b(?! (?:for|to)\b)",
        r"\bas we (?:\w+ )?(?:see|think|deem|consider)(?: it)? (?:fit|necessary|appropriate)\b",
        r"\bat our (?:sole |own )?discretion\b",
        r"\bin connection with (?:our|the|these) (?:\w+ )?(?:services?|business)\b",
        r"\bour (?:legitimate )?(?:business )?(?:interests|needs)\b",
    ),
)
"""What makes a grant vague. Only the quoted words of permit clauses are read for these."""

_MAY = (
    r"\byou(?: (?:also|always|still|then))? (?:can(?!'t)|may|could|are (?:free|able|entitled) to|"
    r"have (?:the|a) (?:right|choice|option|ability)(?: not)? (?:to|of))\b"
)
_NEAR = r"(?:(?!\b(?:we|they|not|never|no|browser|device)\b)[^.;]){0,80}?\b"
"""From "you can" to the verb: not over another actor, a negation, or somebody's own machine."""
_START = r"(?:^|[,:;] (?:please )?|\bplease )"
_YOU_MAY = _MAY + _NEAR
_GO_TO = r"(?:in|through|via|under|using|by|to|on|with|visit|adjust|chang|manag|updat|check|review)(?:e|ing)?"
_NOT_OURS = r"(?!(?:\w+ ){0,2}(?:browser|device|phone|computer|operating)\b)"
_NO_TERMS = r"(?! to (?:be (?:\w+ )?bound|(?:these|this|our|the) ))"
"""Agreeing to the terms of a service as a whole is no choice about data."""

CHOICES: tuple[Phrase, ...] = _phrases(
    "choice-without-control",
    _YOU_MAY + r"opt(?:ing)?[- ](?:out|in)\b",
    r"\b(?:to|(?:unless|if|when|once) you(?: \w+)?) opt[- ](?:out|in)\b",
    _START + r"opt[- ]out\b",
    _YOU_MAY + r"object\b",
    r"(?<!reserve the )(?<!reserves the )\bright to (?:\w+ (?:or|and) )?object\b",
    r"\b(?:withdraw|revoke)(?:ing)? (?:or \w+ )?(?:your |this |that |the |any )?(?:consent|permission)\b",
    _YOU_MAY + r"(?:turn|switch)(?:ing)? (?:\w+ ){0,4}?(?:off|on)\b",
    _START + r"(?:turn|switch) (?:\w+ ){0,2}?off\b",
    _YOU_MAY + r"(?:disable|unsubscribe|decline|refuse|say no|revoke|stop us|restrict|limit)\b",
    _START + r"unsubscribe\b",
    rf"\b{_GO_TO} your {_NOT_OURS}(?:\w+ (?:(?:and|&) )?){{0,3}}(?:settings|preferences|choices)\b",
    _YOU_MAY + r"(?:control|choose|decide),? (?:whether|how|which|what|who|if|not to)\b",
    r"\b(?:lets?|allows?|enables?|helps?) you (?:to )?(?:control|choose|decide|limit)\b",
    _YOU_MAY + r"(?:ask|tell|request|instruct)(?: us)? (?:not to|to stop|that we (?:stop|do not))\b",
    r"\bif you (?:do not|don't|would rather not|prefer not to) (?:want|like|wish|consent)\b" + _NO_TERMS,
    r"\b(?:with(?:out)?|based on|subject to|ask(?:ing)? for|give us|provide us(?: with)?) your (?:\w+ )?"
    r"(?:consent|permission)\b",
    r"\byour choice (?:whether|if)\b|\bup to you whether\b",
    r"\bwe (?:offer|give|provide) (?:you )?(?:\w+ ){0,2}(?:choices|controls|options)\b",
    r"\b(?:adjust|chang|manag|updat)(?:e|ing)? (?:this|these|those|the) (?:\w+ )?settings?\b",
    r"\b(?:if|when|once|after|until|unless) you (?:\w+ )?(?:agree|consent|object|say (?:yes|no)|switch|turn|"
    r"give us (?:your )?(?:permission|consent)|tell us not)\b" + _NO_TERMS,
    r"\b(?:has|have) (?:its|their|a|an) (?:own )?(?:switch|switches|toggle|toggles)\b",
)
"""What in a text names a choice. Every sentence outside headings is read for these."""


# --- reading the text ---------------------------------------------------------------------------------------

_MARK = "\ue000"
"""Stands before every line while a block is normalised, so that words can be traced back to their line."""
_STRAIGHT = str.maketrans("‘’‚“”„‐", "'''\"\"\"-")
_LINK = (r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:[^()\s]|\([^()\s]*\))*(?:[ \t]+\"[^\"\n]*\")?\)", r"\1")
_MARKDOWN = (
    _LINK,
    _LINK,  # twice: a picture may stand in a link
    (r"</?[A-Za-z][^>\n]*>", " "),
    (r"(?<!\\)(?:\*\*|__|`|(?<![\w*])[*_](?=\S)|(?<=\S)[*_](?![\w*]))", ""),
    (r"\\([^A-Za-z0-9\s])", r"\1"),  # last: what was escaped is no mark
)
_NUMBER = r"(?:section |article |§ ?)?([0-9]+(?:\.[0-9]+)*)[.)]?(?=\s)"


def plain(text: str) -> str:
    """The words as they are read, in one line: no Markdown, no invisible characters, NFKC, straight quotes.

    Letters, their case and punctuation stay. Quote and text both go through here: it says what "verbatim" is.
    """
    return _plain("\n".join(_unmarked(line) for line in text.translate({ord(_MARK): None}).split("\n")))


def _plain(text: str) -> str:
    for pattern, words in _MARKDOWN:
        text = re.sub(pattern, words, text)
    text = unicodedata.normalize("NFKC", text).translate(_STRAIGHT)
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


def _unmarked(line: str) -> str:
    """A line without what makes it a list item, a quotation, a heading or a row of a table."""
    if re.fullmatch(r"[\s|:=-]*", line):
        return ""
    return re.sub(r"^\s*(?:>\s?)*(?:[-*+]\s+|#{1,6}\s+)?", "", line).replace("|", " ")


@dataclass(frozen=True, slots=True)
class Words:
    """Normalised words, and at which offset each line of the file begins in them."""

    text: str
    offsets: tuple[int, ...]
    lines: tuple[int, ...]

    def line_at(self, offset: int) -> int | None:
        found = bisect_right(self.offsets, offset) - 1
        return self.lines[found] if found >= 0 else None


Line = tuple[int, str]


def _words(lines: Sequence[Line]) -> Words:
    marked = _plain("\n".join(_MARK + _unmarked(line.replace(_MARK, "")) for _, line in lines))
    pieces = marked.split(_MARK)[1:]
    offsets, text = [], ""
    for piece in pieces:
        offsets.append(len(text))
        text += piece if text and text[-1] != " " else piece.lstrip()
    return Words(text.strip(), tuple(offsets), tuple(number for number, _ in lines))


@dataclass(frozen=True, slots=True)
class Section:
    """What stands between two headings: the path of headings down to it, and its lines, heading first."""

    path: tuple[str, ...]
    heading: tuple[Line, ...]
    body: tuple[Line, ...]
    words: Words


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in lower case; an item of a list carries the words that lead into the list."""

    text: str
    shown: str
    line: int | None


def sections(text: str) -> tuple[Section, ...]:
    """The text cut at its headings: ``#`` to ``######``, underlined lines, and short lines wholly in bold."""
    found: list[tuple[tuple[str, ...], list[Line], list[Line]]] = [((), [], [])]
    above: list[tuple[int, tuple[str, ...]]] = []
    numbered: dict[str, tuple[str, ...]] = {}
    for lines, heading in _headings(text.split("\n")):
        if heading is None:
            found[-1][2].extend(lines)
        else:
            found.append((_path(*heading, above, numbered), lines, []))
    return tuple(
        Section(path, tuple(head), tuple(body), _words([*head, *body])) for path, head, body in found if head or body
    )


def _path(
    level: int, title: str, above: list[tuple[int, tuple[str, ...]]], numbered: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The path of a heading. A number is the better witness: 2.1 stands under 2 whatever its marks."""
    while above and above[-1][0] >= level:
        above.pop()
    number = re.match(_NUMBER, title.lower())
    parent = number.group(1).rpartition(".")[0] if number else ""
    path = (*numbered.get(parent, above[-1][1] if above else ()), title)
    above.append((level, path))
    if number:
        numbered[number.group(1)] = path
    return path


def _headings(lines: Sequence[str]) -> Iterator[tuple[list[Line], tuple[int, str] | None]]:
    """Every line with its number, and level and words where it is a heading."""
    number = 0
    while number < len(lines):
        line, following = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
        alone = number == 0 or not lines[number - 1].strip()
        if alone and line.strip() and "|" not in line and re.fullmatch(r"(?:=+|--+)\s*", following):
            yield [(number + 1, line), (number + 2, "")], (1 if following[0] == "=" else 2, plain(line))
            number += 2
            continue
        yield [(number + 1, line)], _heading(line)
        number += 1


def _heading(line: str) -> tuple[int, str] | None:
    if found := re.match(r" {0,3}(#{1,6})\s+(.*?)[\s#]*$", line):
        return len(found.group(1)), plain(found.group(2))
    words = plain(line)
    if not re.fullmatch(r"\s*(?:[0-9]+[.)]\s+)?(?:\*\*(?:(?!\*\*).)+\*\*|__(?:(?!__).)+__)\W{0,2}", line):
        return None
    if words.endswith((".", "?", "!")) or len(words.split()) > 12:
        return None  # a sentence that is said loudly
    number = re.match(_NUMBER, words.lower())
    return 7 + (number.group(1).count(".") if number else 9), words


def sentences(section: Section) -> Iterator[Sentence]:
    """The sentences of a section, without its heading."""
    lead = ""
    for block in _blocks(section.body):
        words = _words(block)
        item = re.match(r"\s*(?:[-*+]|[0-9]+[.)])\s", block[0][1]) is not None
        lead = lead if item else ""
        start = 0
        for shown in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"')])\s+", words.text):
            start = words.text.index(shown, start)
            yield Sentence(f"{lead} {shown}".strip().lower(), shown, words.line_at(start))
        if not item and words.text.endswith(":") and not choice_words(words.text):
            lead = words.text[:-1]  # one that names the choice by itself is not said again with every item


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Paragraphs and items of lists."""
    block: list[Line] = []
    for number, line in lines:
        starts = not line.strip() or re.match(r"\s*(?:[-*+]|[0-9]+[.)])\s", line)
        if starts and block:
            yield block
            block = []
        if line.strip():
            block.append((number, line))
    if block:
        yield block


# --- the checks ---------------------------------------------------------------------------------------------


def check(policy: Policy, texts: Mapping[str, str]) -> list[Finding]:
    """Everything that does not hold in a policy; ``texts`` maps the name of a version to its ``text.md``."""
    found = [f for version in policy.versions for f in check_version(version, texts.get(version.version))]
    return found + check_time(policy)


def check_time(policy: Policy) -> list[Finding]:
    """What does not hold between the versions of a policy."""
    return list(_gaps(policy))


def check_version(version: PolicyVersion, text: str | None) -> list[Finding]:
    """Everything that does not hold in one version, for itself."""
    here = _Here(version)
    found = [*_dates(here), *_both_biometric_trees(here)]
    if text is None:
        return [*found, here.says("text-missing", "the version has no text", "it stands beside policy.toml")]
    parts = sections(text)
    for clause in version.clauses:
        at = _Here(version, clause)
        if clause.effect == "permit":
            found += _permit(at, clause)
        found += _citation(at, clause, parts)
    return [*found, *_choices(here, parts)]


def found_in_error(rule: str, error: AboveboardError, version: str) -> Finding:
    """The finding that says what an error says, for checks that go on after it."""
    file, clause = str(error.context.get("file", "")), error.context.get("clause")
    named = str(clause) if clause is not None else None
    return Finding(rule, RULES[rule][0], error.sentence, error.hint, version, named, None, file)


@dataclass(frozen=True, slots=True)
class _Here:
    """The version, and the clause if it is one, that findings are about."""

    version: PolicyVersion
    clause: Clause | None = None

    def says(self, rule: str, sentence: str, hint: str = "", line: int | None = None, severity: str = "") -> Finding:
        rules = self.version.path
        file = rules if line is None else re.sub(r"policy\.toml$", "text.md", rules)
        name = self.clause.id if self.clause else None
        return Finding(rule, severity or RULES[rule][0], sentence, hint, self.version.version, name, line, file)


def _gaps(policy: Policy) -> Iterator[Finding]:
    for earlier, later in gaps(policy):
        sentence = f"nothing is in force between the end of this version and `{later.version}`"
        hint = "drop `effective_to`: the next version ends this one"
        yield _Here(earlier).says("versions-gap", sentence, hint)


def _dates(here: _Here) -> Iterator[Finding]:
    version = here.version
    if version.announced_at > version.effective_from:
        yield here.says(
            "announced-after-effect",
            "the version was announced after it came into force",
            "nobody could read it in time: `announced_at` is `effective_from` at the latest",
        )
    spans = [("the version", version.effective_from, version.effective_to)]
    spans += [(f"promise `{c.id}`", c.starts, c.until) for c in version.commitments]
    spans += [
        (f"undertaking `{e.id}`", e.collected_from, e.collected_to) for e in version.embargoes if e.collected_from
    ]
    for what, begins, ends in spans:
        if ends is not None and ends <= begins:
            yield here.says("dates-backwards", f"{what} ends before it begins", "swap the two dates")


def _both_biometric_trees(here: _Here) -> Iterator[Finding]:
    """A no about biometrics has to name both trees; whoever names one kind below a tree meant that kind."""
    denied = [(_Here(here.version, c), c.categories) for c in here.version.clauses if c.effect == "deny"]
    promised = [(here, c.deny_categories) for c in here.version.commitments]
    for at, categories in [*denied, *promised]:
        named = [root for root in vocabulary.BIOMETRIC if root in categories]
        missing = [r for r in vocabulary.BIOMETRIC if not vocabulary.covered_by(categories, r)]
        if named and missing:
            yield at.says("biometric-one-tree", f"`{named[0]}` is only half of it", f"add `{missing[0]}`")


def _permit(here: _Here, clause: Clause) -> Iterator[Finding]:
    """What can be said of a permit without reading the text."""
    if clause.ambiguous:
        yield here.says(
            "open-ended-not-closed",
            "the clause is open-ended and nobody closed it",
            "say who decided which categories it means: closed_by = { who = ..., at = ... }",
        )
    if clause.basis in ("consent", "legitimate_interest") and clause.control is None:
        yield here.says(
            "basis-needs-control",
            f"the clause stands on {clause.basis} and has no control",
            'bind the choice people have: control = "..."',
        )
    yield from _reaching_too_far(here, clause)


def _reaching_too_far(here: _Here, clause: Clause) -> Iterator[Finding]:
    sensitive = (*vocabulary.SPECIAL, *vocabulary.BIOMETRIC)
    if clause.basis != "consent" and vocabulary.touches(clause.categories, sensitive):
        yield here.says(
            "special-needs-consent",
            "the clause reaches special or biometric data without consent",
            'basis = "consent", or name narrower categories',
        )
    if clause.audience != "public" and any(vocabulary.covers("train_ai_system", p) for p in clause.purposes):
        yield here.says(
            "training-beyond-public",
            f"the clause trains on what only `{clause.audience}` can see",
            "training reaches the public only, whatever a policy says",
        )
    beyond = [p for p in clause.purposes if not vocabulary.covered_by(vocabulary.EMPLOYMENT_PURPOSES, p)]
    if beyond and vocabulary.touches(clause.categories, vocabulary.EMPLOYMENT):
        yield here.says(
            "employment-wrong-purpose",
            f"the clause names working life for `{beyond[0]}`, which is refused",
            "it may only serve " + ", ".join(vocabulary.EMPLOYMENT_PURPOSES),
        )


def _citation(here: _Here, clause: Clause, parts: Sequence[Section]) -> Iterator[Finding]:
    quote = plain(clause.citation.quote)
    if len(quote.split()) < 2 and sum(map(str.isalnum, quote)) < 8:
        yield here.says("cites-nothing", f"`{quote}` cites nothing", "quote the words that grant or forbid it")
        return
    yield from _heading_named(here, clause.citation.heading, parts)
    places = list(_places(quote, parts))
    if not places:
        yield _nearest(here, quote, parts)
    elif not _cited(clause, parts) and _stands(clause.citation.heading, parts):
        part, line = places[0]
        hint = f"it is under `{' > '.join(part.path)}`" if part.path else "it is under no heading"
        yield here.says("quote-not-under-heading", "the quote stands in another section", hint, line)
    if clause.effect == "permit":
        yield from _vague(here, clause, places[0][1] if places else None)


def _heading_named(here: _Here, heading: Sequence[str], parts: Sequence[Section]) -> Iterator[Finding]:
    titles = sorted({part.path[-1] for part in parts if part.path})
    if not heading and titles:
        hint = "citation = { heading = [...], quote = ... }"
        yield here.says("heading-missing", "the clause does not say under which heading it stands", hint)
    if not _stands(heading, parts):
        missing = next((h for h in heading if not any(_is_titled(h, t) for t in titles)), heading[-1])
        near = difflib.get_close_matches(plain(missing), titles, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else "copy it from text.md"
        yield here.says("heading-not-in-text", f"no heading `{' > '.join(heading)}` in the text", hint)


def _stands(heading: Sequence[str], parts: Sequence[Section]) -> bool:
    return any(under(heading, part.path) for part in parts)


def under(heading: Sequence[str], path: Sequence[str]) -> bool:
    """Whether the named headings stand in this order on the path; others may stand between them."""
    titles = iter(path)
    return all(any(_is_titled(name, title) for title in titles) for name in heading)


def _is_titled(name: str, title: str) -> bool:
    """Whether a heading is the named one or begins with it: "2.1" names "2.1 Ads", not "2.10 Jobs". So does "Ads"."""
    wanted = re.compile(re.escape(plain(name).lower()) + r"(?!\w|\.\d)")
    titles = (title.lower(), re.sub("^" + _NUMBER, "", title.lower()).lstrip())
    return any(wanted.match(one) for one in titles)


def _places(quote: str, parts: Sequence[Section]) -> Iterator[tuple[Section, int | None]]:
    """The sections that hold the quote, and on which line; a quote that crosses a heading stands in none."""
    for part in parts:
        if (at := part.words.text.find(quote)) >= 0:
            yield part, part.words.line_at(at)


def _cited(clause: Clause, parts: Sequence[Section]) -> list[Section]:
    """The sections a clause cites: its quote stands there, under its heading."""
    found = (part for part, _ in _places(plain(clause.citation.quote), parts))
    return [part for part in found if under(clause.citation.heading, part.path)]


def _nearest(here: _Here, quote: str, parts: Sequence[Section]) -> Finding:
    """The quote is not there: name the sentence that shares most words with it."""
    wanted = _pairs(quote)
    ranked = [(len(wanted & _pairs(s.shown)) / len(wanted), s) for part in parts for s in sentences(part)]
    share, nearest = max(ranked, key=lambda pair: pair[0], default=(0.0, None))
    hint, line = "copy the words from text.md", None
    if nearest is not None and share >= 0.3:
        hint, line = f"nearest: {cut(nearest.shown)}", nearest.line
    return here.says("quote-not-in-text", f"the text does not say `{cut(quote, 60)}`", hint, line)


def _pairs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower()) or [text]
    return {(word,) for word in words} | set(pairwise(words))


def cut(text: str, limit: int = 100) -> str:
    """The first words of a text, for a message."""
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " ..."


def _vague(here: _Here, clause: Clause, line: int | None) -> Iterator[Finding]:
    """Vague words in a permit: closed by somebody they are reported, else they refuse the policy."""
    for rule, words in vague_words(clause.citation.quote).items():
        says = "the clause rests on vague words: " + ", ".join(f"`{word}`" for word in words)
        if clause.closed_by is None:
            hint = "say who decided what they mean: closed_by = { who = ..., at = ... }"
            yield here.says(rule, says, hint, line)
        else:
            hint = f"they grant nothing beyond the categories that {clause.closed_by} closed them to"
            yield here.says(rule, says, hint, line, WARNING)


def vague_words(quote: str) -> dict[str, list[str]]:
    """The vague words in a quote, by rule."""
    found: dict[str, list[str]] = {}
    text = plain(quote).lower()
    for phrase in VAGUE:
        if words := phrase.find(text):
            found.setdefault(phrase.rule, []).append(words)
    return found


def choice_words(sentence: str) -> str | None:
    """The words by which a sentence names a choice that people have, or None."""
    text = plain(sentence).lower()
    return next((words for phrase in CHOICES if (words := phrase.find(text))), None)


def _choices(here: _Here, parts: Sequence[Section]) -> Iterator[Finding]:
    """A choice the text names must be one that a control carries out, cited in the same section."""
    bound = [part for clause in here.version.clauses if clause.control for part in _cited(clause, parts)]
    for part in (part for part in parts if part not in bound):
        for sentence in sentences(part):
            elsewhere = any(plain(e.quote) in plain(sentence.text) for e in here.version.elsewhere)
            if not elsewhere and (words := choice_words(sentence.text)):
                says = f"the text names a choice that nothing carries out: `{cut(words, 60)}`"
                hint = "cite this section in the clause whose `control` it is, or say [[elsewhere]] who carries it out"
                yield here.says("choice-without-control", says, hint, sentence.line)
