"""How far a new version of a policy reaches: what its text claims about older data, and what people can do.

A number about older data may only be given where the platform claims to reach them, so the claim is read here from
the words people were shown and from the declared rule, each with its quote. ``before``, ``after`` and ``as_read`` are
the policies that the same gate is asked under. What is done with them is in ``effect``; docs/formats/effect.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aboveboard import vocabulary
from aboveboard.errors import PolicyError
from aboveboard.policy import Citation, Clause, Policy, PolicyVersion
from aboveboard.wording import RULES, Finding, Phrase, Sentence, cut, sections, sentences

ALWAYS = datetime(1000, 1, 1, tzinfo=UTC)
"""Earlier than anything a platform holds."""
ANYBODY = "any"
"""Who is asked for where a clause says ``third_party:*``: a company that no clause names."""


# --- what the text claims ---------------------------------------------------------------------------------------

_HELD = r"(?:information|data|content|posts?|messages|photos|pictures|videos|materials?|submissions)"
_MADE = (
    r"(?:collected|posted|shared|made|created|written|uploaded|submitted|provided|published|given|obtained|received)"
)
_NEW_TEXT = r"(?:polic(?:y|ies)|terms|statement|notice|agreement|version|text|changes?|updates?|revisions?|amendments?)"
_EARLIER = "earlier|older|previous|past|prior|existing|historical|already|before|previously"
_LATER = rf"\b{_MADE} (?:\w+ ){{0,2}}(?:after|from|since)\b"


def _phrases(rule: str, *patterns: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(pattern, rule) for pattern in patterns)


REACHING: tuple[Phrase, ...] = _phrases(
    "reaches-older-data",
    r"\b(?:most )?(?:current|recent|latest|newest) version (?:of (?:this|the|our|these) (?:\w+ ){1,4})?"
    r"(?:will |shall |always )?govern",
    rf"\b{_NEW_TEXT} (?:will |shall |also |may )*(?:appl(?:y|ies)|extends?|governs?|covers?)\b(?: \w+)? (?:to )?"
    rf"(?:all |any |the |your |our )*(?:{_EARLIER}) (?:\w+ )?{_HELD}\b",
    rf"\b(?:regardless|irrespective) of (?:when|the (?:date|time))\b[^.;]{{0,40}}\b{_MADE}\b",
    r"\b(?:no matter when|whenever)\b[^.;]{0,30}\b(?:was|were|is|are|have been|has been|you|we)\b"
    rf"[^.;]{{0,20}}\b{_MADE}\b",
    rf"\b{_HELD}\b[^.;]{{0,60}}\b(?:{_MADE} (?:\w+ ){{0,3}}(?:before|prior to)|(?:already|previously|earlier) {_MADE}|"
    rf"{_MADE} (?:in the past|previously|earlier|already))\b[^.;]{{0,80}}"
    r"\b(?:too|as well|also|(?:is|are) (?:included|covered)|equally)\b",
    rf"\b(?:includ(?:es?|ing)|as well as|and also) (?:\w+ ){{0,3}}{_HELD} (?:that )?(?:you|we|was|were|have|has)\b"
    r"[^.;]{0,40}\b(?:in the past|previously|before (?:this|the|these)|prior to|already)\b",
    rf"\b{_NEW_TEXT} (?:will |shall |also |may )*(?:appl(?:y|ies)|extends?|governs?|covers?)\b(?: also)?(?: to)? (?:\w+ ){{0,3}}?"
    rf"{_HELD} (?:(?:that|which|we|you|was|were|have|has|had|been) ){{0,4}}{_MADE} (?:before|prior to|under earlier)\b",
    r"^(?!.*\b(?:if|unless|whether|should we|in case|charge[ds]?|fees?|billed)\b).*?\b(?:retroactive|retrospective)(?:ly)?\b",
)
"""Words by which a text says that it also reaches what was collected under an older one."""

NOT_REACHING: tuple[Phrase, ...] = _phrases(
    "spares-older-data",
    r"(?:\b(?:not|never|no|without|nor|cannot|neither)\b|n't\b)[^.;]{0,50}\b(?:retroactive|retrospective)",
    r"(?:\b(?:not|never)\b|n't\b)[^.;]{0,30}\b(?:appl(?:y|ied)|extend|reach|affect|cover)\w*\b[^.;]{0,30}"
    rf"(?:\b(?:{_EARLIER})\b|\b{_MADE} before\b)",
    rf"\b(?:written|{_MADE}) (?:under|before|prior to)\b[^.;]{{0,60}}"
    r"\b(?:stays?|remains?|continues?|(?:is|are) (?:still )?(?:governed|covered))\b",
    rf"\b(?:written|{_MADE}) under (?:an?|the) (?:older|earlier|previous|former) {_NEW_TEXT}\b",
    rf"\b(?:appl(?:y|ies)|effective|takes? effect)\b[^.;]{{0,20}}\bonly (?:to|for)\b[^.;]{{0,40}}{_LATER}",
    rf"\bonly (?:appl(?:y|ies)|affects?|covers?)\b[^.;]{{0,40}}{_LATER}",
    rf"\bversion (?:\w+ )?(?:in (?:force|effect)|that applied) (?:when|at the time)\b[^.;]{{0,40}}\b{_MADE}\b",
)
"""Words by which a text says that what was collected under an older one is left alone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a platform says about older data: the sentences that claim to reach it, those that deny it, and the rule.

    ``answer`` is ``claimed``, ``denied``, ``contradictory`` or ``silent``. INVARIANT: only ``claimed`` lets anybody
    count what the text would reach: where two words of a platform contradict each other, the stricter one is read.
    """

    answer: str
    declared: str
    reaching: tuple[str, ...] = ()
    denying: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Why there is a number, or why there is none."""
        return {
            "claimed": "the text says that it reaches older data",
            "denied": "not claimed: the text leaves older data alone",
            "contradictory": "not counted: the platform contradicts itself about older data",
            "silent": "not claimed: the text does not say that it reaches older data",
        }[self.answer]


def claim(version: PolicyVersion, text: str | None) -> Claim:
    """What a version and its text claim about data collected under older ones; no text claims nothing.

    The declared rule ``none`` says that nothing older is ever reached, which contradicts a text that reaches it.
    ``reconsent`` and ``notice`` say by which road: they neither make nor unmake what the text claims.
    """
    reaching, denying = reaching_words(text or "")
    if not reaching:
        answer = "denied" if denying else "silent"
    else:
        answer = "contradictory" if denying or version.retroactive == "none" else "claimed"
    return Claim(answer, version.retroactive, reaching, denying)


def check(version: PolicyVersion, text: str | None) -> list[Finding]:
    """Where a version contradicts itself about older data; for ``policy check``."""
    said = claim(version, text)
    if said.answer != "contradictory":
        return []
    against = f"`{cut(said.denying[0])}`" if said.denying else "the rules declare `none`"
    sentence = f"the text reaches older data, `{cut(said.reaching[0])}`, and yet {against}"
    hint = "say one of the two; until then nobody can be told how many records the text reaches"
    rule = "reach-contradicted"
    return [Finding(rule, RULES[rule][0], sentence, hint, version.version, None, None, version.path)]


def reaching_words(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences that claim to reach older data, and those that say the opposite, as they are written."""
    return of_older_data(sentence for part in sections(text) for sentence in sentences(part))


def of_older_data(said: Iterable[Sentence]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same of sentences that are cut already. One that has words of both sides spares older data."""
    reaching, denying = [], []
    for sentence in said:
        if any(phrase.find(sentence.text) for phrase in NOT_REACHING):
            denying.append(sentence.shown)
        elif any(phrase.find(sentence.text) for phrase in REACHING):
            reaching.append(sentence.shown)
    return tuple(dict.fromkeys(reaching)), tuple(dict.fromkeys(denying))


# --- the policies that the gate is asked under --------------------------------------------------------------------


def ordered(policy: Policy, old: str, new: str) -> tuple[PolicyVersion, PolicyVersion]:
    """The two versions; raises PolicyError where one is missing or they are in the wrong order."""
    first, second = policy.version(old), policy.version(new)
    if first.effective_from >= second.effective_from:
        raise PolicyError(
            f"version `{old}` does not come before `{new}`", hint="name the older version first, then the newer one"
        )
    return first, second


def upto(policy: Policy, version: PolicyVersion) -> Policy:
    """The policy as if this version were its last: it stays in force."""
    kept = tuple(v for v in policy.versions if v.effective_from <= version.effective_from)
    return Policy(policy.name, (*kept[:-1], replace(kept[-1], effective_to=None)))


def as_read(policy: Policy, version: PolicyVersion, as_of: datetime) -> Policy:
    """The policy as if this version had always been in force: its text read as reaching all older data.

    Nothing else is assumed. Every promise and undertaking made up to it binds, and so does everything that does not
    lie in the policy: audiences, choices, ages, the floor.
    """
    known = upto(policy, version)
    alone = replace(
        known.versions[-1], effective_from=ALWAYS, commitments=known.promises(as_of), embargoes=known.embargoes
    )
    return Policy(policy.name, (alone,))


# --- what is asked ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scope:
    """One use that the two versions speak about: a leaf purpose, a recipient and, where clauses name uses, a use."""

    purpose: str
    recipient: str = "controller"
    use: str | None = None


def scopes(
    old: PolicyVersion, new: PolicyVersion, purposes: Sequence[str] = (), recipients: Sequence[str] = ()
) -> tuple[Scope, ...]:
    """Every use that either version names, in the order of the vocabulary; or only these purposes and recipients."""
    clauses = (*old.clauses, *new.clauses)
    named = [
        p for p in vocabulary.leaves(vocabulary.PURPOSES) if any(vocabulary.covered_by(c.purposes, p) for c in clauses)
    ]
    if purposes:
        leaves = vocabulary.leaves(vocabulary.PURPOSES)
        named = [leaf for leaf in leaves if vocabulary.covered_by(map(vocabulary.purpose, purposes), leaf)]
    return tuple(
        Scope(purpose, recipient, use)
        for purpose in named
        for recipient in recipients or _recipients(clauses, purpose)
        for use in _uses(clauses, purpose, recipient)
    )


def _about(clauses: Iterable[Clause], purpose: str) -> list[Clause]:
    return [c for c in clauses if c.effect == "permit" and vocabulary.covered_by(c.purposes, purpose)]


def _recipients(clauses: Iterable[Clause], purpose: str) -> list[str]:
    named = {r.replace("*", ANYBODY) for clause in _about(clauses, purpose) for r in clause.recipients}
    return sorted(named, key=lambda r: (r != "controller", r)) or ["controller"]


def _uses(clauses: Iterable[Clause], purpose: str, recipient: str) -> list[str | None]:
    """A clause without uses is for any use, so a job that names none stands for it; one with uses needs each."""
    about = [c for c in _about(clauses, purpose) if _names(c, recipient)]
    named: list[str | None] = [*dict.fromkeys(use for clause in about for use in clause.uses)]
    return named if about and all(clause.uses for clause in about) else [None, *named]


def _names(clause: Clause, recipient: str) -> bool:
    return any(vocabulary.recipient_covers(named, recipient) for named in clause.recipients)


# --- what can be done ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """What a person can do about one clause: say ``no``, say ``yes``, or ``nothing``; ``by`` is a moment or None.

    ``about`` is ``new`` or ``older``: the records that it decides about; ``categories`` are the clause's.
    """

    about: str
    do: str
    clause: str
    categories: tuple[str, ...]
    control: str | None
    by: datetime | None
    sentence: str


def ways(old: PolicyVersion, new: PolicyVersion, scope: Scope, claimed: bool, now: datetime) -> tuple[Way, ...]:
    """What can be done about each clause that is new or changed, for this use; nothing about what stays as it was."""
    before = [clause for clause in old.clauses if _carries(clause, scope)]
    found = [c for c in new.clauses if _carries(c, scope) and _bare(c) not in map(_bare, before)]
    return tuple(
        way
        for clause in found
        for way in (_for_new(clause, new, now), *_for_older(clause, bool(before), new, claimed, now))
    )


def _carries(clause: Clause, scope: Scope) -> bool:
    """Whether a permit is about this use."""
    about = clause.effect == "permit" and vocabulary.covered_by(clause.purposes, scope.purpose)
    return about and _names(clause, scope.recipient) and (not clause.uses or scope.use in clause.uses)


def _bare(clause: Clause) -> Clause:
    """A clause without its name and its place in the text: two that are alike do the same."""
    return replace(clause, id="", citation=Citation((), ""))


def _way(clause: Clause, about: str, do: str, sentence: str, by: datetime | None = None) -> Way:
    return Way(about, do, clause.id, clause.categories, clause.control, by, sentence)


def _for_new(clause: Clause, new: PolicyVersion, now: datetime) -> Way:
    if clause.basis == "consent":
        says = f"new records stay out unless you say yes with {_switch(clause)}; a yes can be taken back at any time"
        return _way(clause, "new", "nothing", says)
    if clause.control is None:
        says = f"the policy offers no choice about `{clause.id}` (basis: {clause.basis.replace('_', ' ')})"
        return _way(clause, "new", "nothing", says)
    if new.effective_from > now:
        says = f"say no with {_switch(clause)} before it begins and no new record is ever used; later: {_after_no(new)}"
        return _way(clause, "new", "no", says, new.effective_from)
    return _way(clause, "new", "no", f"say no with {_switch(clause)} at any time: {_after_no(new)}")


def _for_older(clause: Clause, before: bool, new: PolicyVersion, claimed: bool, now: datetime) -> Iterator[Way]:
    """``before``: the older version had a clause about this use too, and what it allowed stays as it was."""
    stay = "what the older version did not allow stays" if before else "they stay"
    if new.retroactive == "none":
        yield _way(clause, "older", "nothing", f"older records: {stay} out, whatever you choose")
        return
    if new.retroactive == "notice" and clause.basis == "legitimate_interest":
        ends = new.notice_window.after(new.announced_at)
        says = (
            f"older records: say no with {_switch(clause)} within {new.notice_window.says} after you were told; "
            "a later no takes them out again"
        )
        yield _way(clause, "older", "no", says, ends if ends > now else None)
    else:
        says = f"older records: {stay} out unless you say yes by name; nothing needs to be done"
        yield _way(clause, "older", "nothing", says)
    if claimed and clause.control is not None and clause.basis != "consent":
        says = f"to be out whatever the text is read to mean, say no with {_switch(clause)}: a no reaches older records too"
        yield _way(clause, "older", "no", says, new.effective_from if new.effective_from > now else None)


def _switch(clause: Clause) -> str:
    return f"`{clause.control}`" if clause.control else "a choice that the policy does not name"


def _after_no(new: PolicyVersion) -> str:
    does = new.on_withdrawal
    releases = (
        f"releases are replaced within {does.deadline.says}" if does.releases == "withdraw" else "releases are kept"
    )
    return f"intake stops at once and {releases}"
