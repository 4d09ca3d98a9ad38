"""The checks between rules and words: every rule fires where it should and nowhere else; the word lists by vectors."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard import wording
from aboveboard.policy import Citation, Clause, Commitment, Elsewhere, Embargo, PolicyVersion, timeline
from aboveboard.wording import ERROR, RULES, WARNING, Finding, check, choice_words, plain, sections, vague_words

PAGE = Path(__file__).parent.parent / "docs" / "formats" / "policy.md"
DATA = Path(os.environ.get("ABOVEBOARD_DATA", Path(__file__).parents[2] / "shared" / "data")) / "policies"
AT = datetime(2023, 9, 29, tzinfo=UTC)
TEXT = """\
# Reef terms

Welcome to the reef.

## 1. What we keep

We keep the shells that
you *lay out* for [everyone](https://reef.example/all "all").

### 1.1 Fins

- measured fins, and
- counted scales.

## 2. Training

Our models learn from public shells.
You can opt out whenever you like.
"""
KEEP = Citation(("1. What we keep",), "We keep the shells that you lay out for everyone")
TRAIN = Citation(("Training",), "Our models learn from public shells")


def clause(name: str = "train", citation: Citation = TRAIN, **more: object) -> Clause:
    given = {
        "effect": "permit", "purposes": ("train_ai_system.generative",), "categories": ("user.content.public",),
        "audience": "public", "recipients": ("controller",), "basis": "legitimate_interest", "control": "training",
        **more,
    }  # fmt: skip
    return Clause(name, citation=citation, **given)  # type: ignore[arg-type]


def version(*clauses: Clause, name: str = "v1", **more: object) -> PolicyVersion:
    given = {"effective_from": AT, "announced_at": AT - timedelta(days=30), "establishment": "IE", **more}
    return PolicyVersion("reef", name, zone="UTC", text_sha256="0", clauses=clauses, path="reef/v1/policy.toml",
                         **given)  # type: ignore[arg-type]  # fmt: skip


def found(*clauses: Clause, text: str = TEXT, **more: object) -> list[Finding]:
    return check(timeline([version(*clauses, **more)]), {"v1": text})


def rules(findings: Sequence[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


# --- the rules ----------------------------------------------------------------------------------------------------


def test_a_policy_that_says_what_the_text_says_has_no_finding() -> None:
    assert found(clause(), clause("keep", KEEP, control="keep")) == []


def test_every_finding_is_one_of_the_listed_rules_and_the_page_lists_them_all() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.*) \|$", PAGE.read_text("utf-8"), flags=re.M)
    assert {rule: (severity, says) for rule, severity, says in listed} == dict(RULES)
    written = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', Path(wording.__file__).read_text("utf-8")))
    assert {rule for rule in written if "-" in rule} <= set(RULES)


def test_a_quote_is_found_through_line_breaks_markdown_and_typography() -> None:
    text = "# A\n\n“We\u00a0keep *ﬁns*”, that\u00ad is:\n\n* one\\_two [fin](http://x.example/(a)) and\u2060 tail\n"
    quote = '"We keep fins", that is: one_two fin and tail'
    assert found(clause(citation=Citation(("A",), quote)), text=text) == []


@pytest.mark.parametrize("quote", ["we keep the shells", "We keep the shell that", "We keep shells that you lay out"])
def test_a_quote_that_is_not_verbatim_names_the_nearest_sentence(quote: str) -> None:
    [missing] = [f for f in found(clause(citation=Citation(KEEP.heading, quote))) if f.rule == "quote-not-in-text"]
    assert (missing.severity, missing.clause, missing.line) == (ERROR, "train", 7)
    assert (missing.file, "you lay out for everyone" in missing.hint) == ("reef/v1/text.md", True)


def test_a_quote_from_nowhere_names_no_sentence() -> None:
    [missing] = [f for f in found(clause(citation=Citation(("Reef",), "quite other xyz"))) if "quote" in f.rule]
    assert (missing.line, missing.hint) == (None, "copy the words from text.md")


@pytest.mark.parametrize(
    ("heading", "rule"),
    [
        (("Reef terms", "Training"), None),
        (("2.",), None),
        (("Training",), None),
        (("1. What we keep",), "quote-not-under-heading"),
        (("1. What we kept",), "heading-not-in-text"),
        (("Training", "Reef terms"), "heading-not-in-text"),
        (("Train",), "heading-not-in-text"),
        ((), "heading-missing"),
    ],
)  # fmt: skip
def test_the_heading_path(heading: tuple[str, ...], rule: str | None) -> None:
    named = rules(found(clause(citation=replace(TRAIN, heading=heading))))
    assert (rule in named) if rule else not [r for r in named if "heading" in r]


def test_a_missing_heading_has_near_misses() -> None:
    [missing] = [f for f in found(clause(citation=replace(TRAIN, heading=("2. Trainings",)))) if "heading" in f.rule]
    assert "`2. Training`" in missing.hint


@pytest.mark.parametrize("quote", ["...", "the", " -- ", "fins"])
def test_a_clause_that_cites_nothing(quote: str) -> None:
    assert "cites-nothing" in rules(found(clause(citation=Citation((), quote))))


def test_a_version_without_its_text() -> None:
    assert rules(check(timeline([version(clause())]), {})) == ["text-missing"]


@pytest.mark.parametrize(
    ("more", "rule", "severity"),
    [
        ({"open_ended": True}, "open-ended-not-closed", ERROR),
        ({"control": None}, "basis-needs-control", ERROR),
        ({"control": None, "basis": "consent"}, "basis-needs-control", ERROR),
        ({"categories": ("user.biometric.voice",)}, "special-needs-consent", ERROR),
        ({"categories": ("user.demographic",), "basis": "contract"}, "special-needs-consent", ERROR),
        ({"audience": "followers"}, "training-beyond-public", WARNING),
        ({"categories": ("user.employment.skills",)}, "employment-wrong-purpose", WARNING),
        ({"effect": "deny", "categories": ("user.biometric",)}, "biometric-one-tree", WARNING),
    ],
)
def test_rules_about_one_clause(more: dict[str, object], rule: str, severity: str) -> None:
    assert [(f.rule, f.severity) for f in found(clause(**more), clause("bound"))] == [(rule, severity)]


@pytest.mark.parametrize(
    "more",
    [
        {"open_ended": True, "closed_by": "ann"},
        {"control": None, "basis": "contract"},
        {"categories": ("user.biometric", "user.authorization.biometric"), "basis": "consent"},
        {"categories": ("user.employment",), "purposes": ("employment.recommend_jobs",), "audience": "private"},
        {"effect": "deny", "control": None, "categories": ("user.biometric", "user.authorization.biometric")},
        {"effect": "deny", "categories": ("user.biometric.voice",)},
        {"effect": "deny", "categories": ("user.health_and_medical",), "basis": "legal_obligation"},
    ],
)
def test_clauses_that_are_fine(more: dict[str, object]) -> None:
    assert found(clause(**more), clause("bound")) == []


def test_a_promise_about_one_biometric_tree() -> None:
    promise = Commitment("p", AT, ("train_ai_system",), "s", deny_categories=("user.authorization.biometric",))
    [half] = found(clause(), commitments=(promise,))
    assert (half.rule, half.hint, half.clause) == ("biometric-one-tree", "add `user.biometric`", None)


def test_dates_that_run_backwards() -> None:
    promise = Commitment("p", AT, ("train_ai_system",), "s", until=AT - timedelta(days=1))
    window = Embargo("e", ("train_ai_system",), ("EU",), "s", AT, AT)
    findings = found(clause(), effective_to=AT, commitments=(promise,), embargoes=(window,))
    assert rules(findings) == ["dates-backwards"] * 3


def test_a_version_announced_after_it_took_effect() -> None:
    assert rules(found(clause(), announced_at=AT + timedelta(seconds=1))) == ["announced-after-effect"]
    assert found(clause(), announced_at=AT) == []


def test_a_gap_between_versions() -> None:
    first = version(clause(), effective_to=AT + timedelta(days=1))
    later = version(clause(), name="v2", effective_from=AT + timedelta(days=2))
    [gap] = check(timeline([first, later]), {"v1": TEXT, "v2": TEXT})
    assert (gap.rule, gap.version) == ("versions-gap", "v1")


# --- vague words --------------------------------------------------------------------------------------------------

VAGUE = [
    ("We use your name, your picture and so on", "open-tail"),
    ("likes, votes, follows etc. to rank posts", "open-tail"),
    ("shells, fins and more", "open-tail"),
    ("including but not limited to messages", "open-tail"),
    ("including, without limitation, the fins you count", "open-tail"),
    ("posts, among other things, train the model", "open-tail"),
    ("pages such as profiles and others", "open-tail"),
    ("posts, pictures and the like", "open-tail"),
    ("your posts and related information", "vague-category"),
    ("certain other information about the device", "vague-category"),
    ("We may use the information we collect", "vague-category"),
    ("various types of data reach the model", "vague-category"),
    ("We analyse your personal data", "vague-category"),
    ("cookies and similar technologies", "vague-category"),
    ("any content on the reef", "vague-category"),
    ("the data that we hold about the reef", "vague-category"),
    ("we learn from posts to improve our services", "vague-purpose"),
    ("to enhance and personalise your experience", "vague-purpose"),
    ("posts are read for other purposes", "vague-purpose"),
    ("for our legitimate business purposes", "vague-purpose"),
    ("as permitted by applicable law", "vague-purpose"),
    ("we share posts as we see fit", "vague-purpose"),
    ("we share posts at our sole discretion", "vague-purpose"),
    ("we use posts as necessary", "vague-purpose"),
]
CLEAR = [
    "We train our own models on public posts",
    "We show more relevant advertising by your work history",
    "We keep the e-mail address you sign in with",
    "Posts and more than ten pictures are stored",
    "We keep your date of birth until you close the account",
    "as required by law",
    "The information desk is open on Mondays",
    "We improve the spelling of your posts",
    "We develop models that sort posts by language",
    "as necessary for the delivery of the parcel",
    "We read messages for spam filtering purposes",
    "The model learns from likes and votes",
]


@pytest.mark.parametrize(("quote", "rule"), VAGUE)
def test_vague_words(quote: str, rule: str) -> None:
    assert rule in vague_words(quote)


@pytest.mark.parametrize("quote", CLEAR)
def test_clear_words(quote: str) -> None:
    assert vague_words(quote) == {}


@pytest.mark.parametrize(("closed_by", "severity"), [(None, ERROR), ("ann@reef.example", WARNING)])
def test_vague_words_refuse_until_somebody_closes_them(closed_by: str | None, severity: str) -> None:
    text = "# A\n\nWe learn\nfrom posts and so on.\n"
    [vague] = found(clause(citation=Citation(("A",), "from posts and so on"), closed_by=closed_by), text=text)
    assert (vague.rule, vague.severity, vague.line) == ("open-tail", severity, 4)


def test_a_deny_may_be_vague() -> None:
    text = "# A\n\nWe never sell posts and so on.\n"
    assert found(clause(citation=Citation(("A",), "never sell posts and so on"), effect="deny"), text=text) == []


# --- choices ------------------------------------------------------------------------------------------------------

CHOICES = [
    "You can opt out at any time.",
    "You may opt-out of the weekly letter.",
    "We learn from shells unless you opt out.",
    "To opt out, write to the reef keeper.",
    "You may object to this.",
    "You have the right to withdraw or decline your consent.",
    "If you do not want this, switch off Training.",
    "You can turn it off on the page of choices.",
    "Adjust this in your account settings.",
    "Subject to your settings, shells are shown to others.",
    "You can control whether others find you.",
    "The page lets you choose who sees a shell.",
    "You can ask us to stop.",
    "Only with your explicit consent do we measure fins.",
    "We do not share shells without your permission.",
    "We never share it unless you agree.",
    "You can unsubscribe from letters.",
    "It is your choice whether to show your age.",
    "We offer you choices about letters.",
    "Each of them has its own switch.",
    "We will ask for your consent first.",
]
NO_CHOICE = [
    "You cannot opt out of service messages.",
    "You can't turn this off.",
    "There is no way to opt out.",
    "We may turn off your account.",
    "You may not object to a moderation decision.",
    "The reef reserves the right to object.",
    "By using the reef you agree to these terms.",
    "You may use it if you agree to be bound by the terms.",
    "You can lay out shells and follow others.",
    "We control whether a shell is shown.",
    "The settings of the server are kept for a week.",
    "You can configure your browser to refuse cookies.",
    "The language is set in your browser settings.",
    "You choose the shells that you lay out.",
    "Employees decide what is removed.",
]


@pytest.mark.parametrize("sentence", CHOICES)
def test_sentences_that_name_a_choice(sentence: str) -> None:
    assert choice_words(sentence)


@pytest.mark.parametrize("sentence", NO_CHOICE)
def test_sentences_that_name_none(sentence: str) -> None:
    assert choice_words(sentence) is None


def test_a_choice_is_bound_only_by_a_clause_with_a_control_in_its_section() -> None:
    away = clause("keep", KEEP)
    assert found(clause()) == []
    [unbound] = found(away)
    assert (unbound.rule, unbound.line, unbound.severity) == ("choice-without-control", 18, ERROR)
    assert unbound.file == "reef/v1/text.md"
    assert "choice-without-control" in rules(found(away, clause(control=None, basis="contract")))


def test_items_of_a_list_carry_what_leads_into_it() -> None:
    text = "# A\n\nYou can:\n\n* read shells\n* opt out of training\n\nOnly that.\n"
    assert [f.line for f in found(text=text)] == [6]


def test_a_list_is_reported_once_when_its_lead_names_the_choice() -> None:
    text = "# A\n\nYou can opt out of:\n\n* letters\n* training\n"
    assert [f.line for f in found(text=text)] == [3]


# --- reading the text ---------------------------------------------------------------------------------------------


def test_headings_of_every_kind() -> None:
    text = "Reef\n====\n\n**1\\. Fins**\n\n### 1.1 Long ones\n\n**We said it loudly, so listen.**\n\nNotes\n---\n\nx\n"
    assert [part.path for part in sections(text)] == [
        ("Reef",), ("Reef", "1. Fins"), ("Reef", "1. Fins", "1.1 Long ones"), ("Reef", "Notes"),
    ]  # fmt: skip


def test_a_table_is_no_heading() -> None:
    assert [part.path for part in sections("| a | b |\n|---|---|\n| c | d |\n")] == [()]
    assert plain("| a | b |\n|---|---|\n| c | d |") == "a b c d"


@given(st.text())
def test_normalising_twice_changes_nothing_that_matters(text: str) -> None:
    assert plain(text).split() == plain(text).strip().split()
    assert "\n" not in plain(text)


@given(st.text(alphabet="ab .*_#-=\n|[]()\ue000\u00ad“é"))
def test_every_line_of_a_text_is_in_exactly_one_section(text: str) -> None:
    lines = [number for part in sections(text) for number, _ in (*part.heading, *part.body)]
    assert lines == list(range(1, len(text.split("\n")) + 1))


@given(st.lists(st.text(alphabet="abc*[]() \ue000"), min_size=1))
def test_words_know_their_lines(lines: list[str]) -> None:
    [*parts] = sections("\n".join([*lines, "needle"]))
    where = [p.words.line_at(p.words.text.find("needle")) for p in parts if "needle" in p.words.text]
    assert where == [len(lines) + 1]


# --- real texts ---------------------------------------------------------------------------------------------------

REAL = sorted(DATA.glob("pairs/*/after.md")) + sorted(DATA.glob("x/privacy-policy/*.md"))


@pytest.mark.skipif(not REAL, reason="the real policy texts are not here")
@pytest.mark.parametrize("file", REAL, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_sentence_of_a_real_text_can_be_cited(file: Path) -> None:
    text = file.read_text("utf-8")
    parts = sections(text)
    for part in parts:
        for sentence in list(wording.sentences(part))[:5]:
            assert plain(sentence.shown) in part.words.text
            assert sentence.line is not None


@pytest.mark.skipif(not REAL, reason="the real policy texts are not here")
def test_choices_are_named_by_few_sentences_of_real_texts() -> None:
    """Between one in a hundred and one in seven: the list is neither blind nor triggered by everything."""
    for file in (f for f in REAL if "_pp_" in f.parent.name):
        named = [choice_words(s.text) for part in sections(file.read_text("utf-8")) for s in wording.sentences(part)]
        assert 0.01 < sum(map(bool, named)) / len(named) < 0.15


def test_a_choice_that_somebody_else_carries_out_is_said_and_not_asked_for() -> None:
    text = "# Policy\n\nYou can opt out in the settings of your browser.\n"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    version = PolicyVersion("p", "v", start, start, "UTC", "x", None, ())
    told = replace(version, elsewhere=(Elsewhere("in the settings of your browser", "the browser"),))
    rules = [[found.rule for found in check(timeline([v]), {"v": text})] for v in (version, told)]
    assert "choice-without-control" in rules[0]
    assert "choice-without-control" not in rules[1]
