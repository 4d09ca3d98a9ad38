"""Did the rules and the words move together? Small policies by hand, both ways, and real texts under rules of our own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from aboveboard import wording
from aboveboard.cli import doors
from aboveboard.comparison import Change, lexicon
from aboveboard.drift import Drift, RuleChange, belongs, drift, rule_changes
from aboveboard.policy import Citation, Clause, Condition, OnWithdrawal, Period, PolicyVersion, Retention

DATA = Path(os.environ.get("ABOVEBOARD_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
X = DATA / "policies" / "x" / "privacy-policy"
needs_data = pytest.mark.skipif(not X.exists(), reason="no real policies in ABOVEBOARD_DATA")

SERVICE = (
    "We use your posts, your messages and your account details to run the service and to show posts to their readers."
)
TRAINS = "We may use your public posts to train our artificial intelligence models."
FACES = "With your consent we collect biometric information to verify your identity."
PARTNERS = "We share your employment history with employers when you apply for a job."
KEPT = "We keep your location information for 30 days."


def text(*sentences: str, tail: str = "") -> str:
    """A policy of a few sections, each sentence a paragraph of "How we use it"."""
    used = "\n\n".join([SERVICE, *sentences])
    return (
        "# Reef privacy policy\n\n## 1. What we collect\n\nWe collect the posts you write, the pictures you add to them and "
        "the messages you send to other members of Reef. We store who may read a post beside it.\n\n"
        f"## 2. How we use it\n\n{used}\n\n"
        "## 3. Who is responsible\n\nReef is responsible for your data and can be written to at any time by letter or mail.\n"
        f"\n{tail}\n"
    )


def clause(id: str, purpose: str, category: str, quote: str, **more: object) -> Clause:
    made = Clause(
        id, "permit", (purpose,), (category,), "public", ("controller",), "legitimate_interest",
        Citation(("2. How we use it",), quote.rstrip(".")), control=id,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


RUN = clause("service", "service.operation", "user.content", SERVICE, basis="contract", control=None)
TRAIN = clause("training", "train_ai_system.generative", "user.content.public", TRAINS)
FACE = clause("faces", "security.identification", "user.biometric", FACES, basis="consent")
JOBS = clause(
    "jobs", "employment.share_on_application", "user.employment", PARTNERS, recipients=("controller", "third_party:*")
)


def version(name: str, *clauses: Clause, **more: object) -> PolicyVersion:
    at = datetime(int(name), 1, 1, tzinfo=UTC)
    made = PolicyVersion("reef", name, at, at, "UTC", "", "IE", clauses, path=f"policies/reef/{name}/policy.toml")
    return replace(made, **more)  # type: ignore[arg-type]


def between(before: tuple[tuple[Clause, ...], str], after: tuple[tuple[Clause, ...], str], **more: object) -> Drift:
    return drift(version("2022", *before[0]), before[1], version("2023", *after[0], **more), after[1])


def said(found: Drift) -> list[tuple[str, str | None]]:
    return [(finding.rule, finding.clause) for finding in found.findings()]


BEFORE = ((RUN,), text())


# --- what words name ---------------------------------------------------------------------------------------------

NAMED = {
    "measurements are no measuring": ("We keep the measurements of your feet for a year.", ()),
    "measures are no measuring": ("We take technical measures so that nothing is lost.", ()),
    "measuring": ("We measure how often a page is opened.", ("analyse",)),
    "measured": ("Opened pages are counted and measured.", ("analyse",)),
    "a marketplace": ("The marketplace is open on Sundays.", ()),
    "staff": ("We train our staff to use such systems with care.", ()),
    "models": ("We train models with what you write.", ("train_ai_system",)),
    "trained": ("What you write is used when an algorithm is trained.", ()),
    "sharing": ("We are sharing it with the people next door.", ("third_party_sharing",)),
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "purposes"), NAMED.values(), ids=NAMED)
def test_a_purpose_is_named_by_whole_words(sentence: str, purposes: tuple[str, ...]) -> None:
    assert lexicon.purposes(sentence) == purposes


@pytest.mark.parametrize("sentence", ["We store incoming calls.", "We fingerprinting.", "A racer was here.", "Ageing."])
def test_data_is_named_by_whole_words(sentence: str) -> None:
    assert lexicon.categories(sentence) == ()


# --- both moved, one moved, none moved ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "words"),
    [(TRAIN, TRAINS), (FACE, FACES), (JOBS, PARTNERS)],
    ids=["training", "faces", "jobs"],
)
def test_what_moved_on_both_sides_is_together(new: Clause, words: str) -> None:
    found = between(BEFORE, ((RUN, new), text(words)))
    assert said(found) == []
    assert (new.id, "quote") in [(pair.rules.clause, pair.by) for pair in found.together]


@pytest.mark.parametrize(
    ("new", "words"),
    [(TRAIN, TRAINS), (FACE, FACES), (JOBS, PARTNERS)],
    ids=["training", "faces", "jobs"],
)
def test_words_without_a_rule_are_listed_with_a_clause_that_could_carry_them(new: Clause, words: str) -> None:
    found = between(BEFORE, ((RUN,), text(words)))
    assert said(found) == [("words-moved-alone", None)]
    [alone] = found.words_alone
    assert alone.proposal is not None
    assert alone.line == text(words).split("\n").index(words) + 1
    assert any(p == new.purposes[0] or new.purposes[0].startswith(p) for p in alone.proposal.purposes)
    # What is proposed can be cited as it stands: the check of quotes and headings finds nothing in it.
    cited = alone.proposal.citation
    carried = replace(new, citation=Citation(cited.heading, cited.quote))
    rules = {f.rule for f in wording.check_version(version("2023", carried), text(words))}
    assert not rules & {"quote-not-in-text", "heading-not-in-text", "quote-not-under-heading", "cites-nothing"}


@pytest.mark.parametrize("new", [TRAIN, FACE, JOBS], ids=lambda c: c.id)
def test_a_rule_without_words_is_listed(new: Clause) -> None:
    found = between(BEFORE, ((RUN, new), text()))
    assert said(found) == [("rules-moved-alone", new.id)]
    [alone] = found.rules_alone
    assert (alone.change.kind, alone.change.direction, alone.stood, alone.candidates) == ("added", "widens", False, ())
    [finding] = found.findings()
    assert finding.hint == "no sentence of the text says it: write the words, or take the change back"
    assert finding.severity == "warning"


def test_a_rule_that_cites_words_which_stood_there_before_says_so_and_names_them() -> None:
    found = between(((RUN,), text(TRAINS)), ((RUN, TRAIN), text(TRAINS)))
    [alone] = found.rules_alone
    assert alone.stood
    assert [c.quote for c in alone.candidates] == [TRAINS]
    [finding] = found.findings()
    assert "stood in 2022 already" in finding.sentence
    assert TRAINS in finding.hint


def test_words_that_a_clause_carried_before_name_that_clause() -> None:
    later = "We also use posts you shared publicly to train generative models."
    found = between(((RUN, TRAIN), text(TRAINS)), ((RUN, TRAIN), text(TRAINS, later)))
    [alone] = found.words_alone
    assert alone.carried == ("training",)
    assert alone.proposal is None
    assert found.findings()[0].hint.startswith("`training` said so before")


def test_a_clause_that_hands_nothing_on_said_nothing_of_partners_before() -> None:
    later = "We share posts with advertising partners who train artificial intelligence models."
    found = between(((RUN, TRAIN), text(TRAINS)), ((RUN, TRAIN), text(TRAINS, later)))
    [alone] = found.words_alone
    assert alone.carried == ()
    assert "said so before" not in found.findings()[0].hint


def test_a_rule_that_goes_with_its_words_and_one_that_goes_alone() -> None:
    assert said(between(((RUN, TRAIN), text(TRAINS)), BEFORE)) == []
    found = between(((RUN, TRAIN), text(TRAINS)), ((RUN,), text(TRAINS)))
    assert said(found) == [("rules-moved-alone", "training")]
    assert found.rules_alone[0].change.direction == "narrows"


def test_nothing_moved_nothing_is_said() -> None:
    found = between(((RUN, TRAIN), text(TRAINS)), ((RUN, TRAIN), text(TRAINS)))
    assert (found.together, found.findings()) == ((), [])


def test_a_clause_that_is_renamed_cited_elsewhere_or_written_in_another_order_did_not_move() -> None:
    both = replace(TRAIN, purposes=("train_ai_system.generative", "use.rag"))
    other = replace(both, id="learning", purposes=both.purposes[::-1], citation=Citation(("2",), SERVICE))
    assert rule_changes(version("2022", RUN, both), version("2023", other, RUN)) == ()
    closed = replace(both, open_ended=True, closed_by="privacy@reef.example")
    assert rule_changes(version("2022", closed), version("2023", replace(closed, closed_by="law@reef.example"))) == ()


def test_rewording_without_meaning_moves_nothing() -> None:
    assert said(between(((RUN, TRAIN), text(TRAINS)), ((RUN, TRAIN), text(TRAINS.replace("We may", "We  may"))))) == []


def test_a_text_that_is_none_is_said_and_nothing_is_claimed() -> None:
    found = between(BEFORE, ((RUN, TRAIN), "404\n"))
    assert [rule for rule, _ in said(found)] == ["texts-not-compared"] * len(found.problems)
    assert found.problems
    assert (found.rules_alone, found.words_alone) == ((), ())


def test_words_too_few_to_compare_are_no_problem_while_they_stay_the_same() -> None:
    few = "We learn.\n"
    assert said(drift(version("2022", RUN), few, version("2023", RUN, TRAIN), few)) == [
        ("rules-moved-alone", "training")
    ]


# --- field by field -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "direction"),
    [
        ({"recipients": ("controller", "affiliate:atoll")}, "recipients", "widens"),
        ({"purposes": ("train_ai_system.generative", "use.rag")}, "purposes", "widens"),
        ({"categories": ("user.content",)}, "categories", "unclear"),
        ({"audience": "followers"}, "audience", "widens"),
        ({"basis": "consent"}, "basis", "narrows"),
        ({"basis": "contract"}, "basis", "widens"),
        ({"control": None}, "control", "widens"),
        ({"control": "other"}, "control", "unclear"),
        ({"uses": ("replies",)}, "uses", "narrows"),
        ({"when": Condition("eq", "subject.age_band", ("adult",))}, "when", "narrows"),
        ({"effect": "deny"}, "effect", "narrows"),
    ],
)
def test_every_field_of_a_clause_is_a_change_with_a_direction(
    change: dict[str, object], field: str, direction: str
) -> None:
    later = replace(TRAIN, **change)  # type: ignore[arg-type]
    [found] = rule_changes(version("2022", TRAIN), version("2023", later))
    assert (found.kind, found.field, found.direction, found.clause) == ("changed", field, direction, "training")
    if field != "effect":
        turned = {"widens": "narrows", "narrows": "widens"}
        [back] = rule_changes(version("2022", later), version("2023", TRAIN))
        assert back.direction == turned.get(direction, direction)


def test_a_deny_goes_the_other_way_round() -> None:
    deny = replace(TRAIN, effect="deny")
    wider = replace(deny, purposes=("train_ai_system.generative", "use.rag"))
    assert [c.direction for c in rule_changes(version("2022", deny), version("2023", wider))] == ["narrows"]
    assert [c.direction for c in rule_changes(version("2022"), version("2023", deny))] == ["narrows"]
    assert [c.direction for c in rule_changes(version("2022", deny), version("2023"))] == ["widens"]


def test_what_a_version_sets_moves_too() -> None:
    old = version("2022", retentions=(Retention(("user.location",), Period(days=30)),))
    new = version(
        "2023", retroactive="notice", notice_window=Period(days=60), establishment="US",
        on_withdrawal=OnWithdrawal(deadline=Period(days=7)),
        retentions=(Retention(("user.location",), Period(months=12)), Retention(("user.device",), Period(days=9))),
    )  # fmt: skip
    assert [c.sentence for c in rule_changes(old, new)] == [
        "retention of user.location: `period` 30 days -> 1 year",
        "retention of user.device added",
        "on_withdrawal: `deadline` 1 day -> 7 days",
        "the version: `retroactive` reconsent -> notice",
        "the version: `notice_window` 30 days -> 60 days",
        "the version: `establishment` IE -> US",
    ]


def test_a_period_of_retention_moves_with_its_words() -> None:
    rules = {days: (Retention(("user.location",), Period(days=days)),) for days in (30, 365)}
    old = version("2022", RUN, retentions=rules[30])
    longer = KEPT.replace("30 days", "365 days")
    moved = drift(old, text(KEPT), version("2023", RUN, retentions=rules[365]), text(longer))
    assert said(moved) == []
    assert [(p.rules.subject, p.by) for p in moved.together] == [("retention of user.location", "aspect")]
    rules_only = drift(old, text(KEPT), version("2023", RUN, retentions=rules[365]), text(KEPT))
    assert said(rules_only) == [("rules-moved-alone", None)]
    assert [c.quote for c in rules_only.rules_alone[0].candidates] == [KEPT]
    words_only = drift(old, text(KEPT), version("2023", RUN, retentions=rules[30]), text(longer))
    assert said(words_only) == [("words-moved-alone", None)]


def test_what_a_text_says_of_older_data_moves_with_the_declared_rule() -> None:
    old = version("2022", RUN, retroactive="none")
    claims = text(tail="The latest version of this policy governs.")
    assert said(drift(old, text(), version("2023", RUN, retroactive="notice"), claims)) == []
    assert said(drift(old, text(), version("2023", RUN, retroactive="notice"), text())) == [("rules-moved-alone", None)]


# --- what belongs together ------------------------------------------------------------------------------------------


def change(quote: str, *, kind: str = "added", direction: str = "widens", **more: object) -> Change:
    made = Change(kind, direction, ("use", "purpose"), (), (), (), "", quote, (), (), "c", "r", "w")
    return replace(made, **more)  # type: ignore[arg-type]


ADDED = RuleChange(
    "added", "widens", "clause training", clause="training", aspects=("use", "purpose"),
    categories=("user.content.public",), purposes=("train_ai_system.generative",), new=TRAIN.citation,
)  # fmt: skip
SHARED = replace(
    ADDED, kind="changed", field="recipients", aspects=("recipient", "use"), recipients=("affiliate:atoll",)
)


@pytest.mark.parametrize(
    ("rule", "words", "by"),
    [
        (ADDED, change(TRAINS), "quote"),
        (ADDED, change(TRAINS.replace("artificial", "clever")), "quote"),  # a word was renamed
        (ADDED, change("Reef keeps the lights on.", heading_new=("2. How we use it",)), "section"),
        (ADDED, change("Models learn.", purposes=("train_ai_system",)), "terms"),
        (ADDED, change("Models learn.", purposes=("train_ai_system",), categories=("user.biometric",)), None),
        (ADDED, change("We show ads.", purposes=("advertising",)), None),
        (ADDED, change("We show ads.", purposes=("advertising",), heading_new=("2. How we use it",)), None),
        (ADDED, change("We run it.", purposes=("service.operation",), categories=("user",)), None),
        (ADDED, change("", kind="removed", aspects=("promise",), old_quote="Nothing else."), "promise"),
        (replace(ADDED, direction="narrows"), change("", kind="removed", aspects=("promise",), old_quote="No."), None),
        (SHARED, change("With affiliates.", aspects=("recipient",), recipients=("affiliates",)), "terms"),
        (SHARED, change("With Atoll.", aspects=("recipient",), recipients=("Atoll Ltd.",)), "terms"),
        (SHARED, change("With brokers.", aspects=("recipient",), recipients=("data brokers",)), None),
        (SHARED, change(TRAINS, aspects=("retention",)), None),
    ],
)  # fmt: skip
def test_what_belongs_together_and_what_does_not(rule: RuleChange, words: Change, by: str | None) -> None:
    assert belongs(rule, words) == by


TERMS = {
    "the same": ("five years", Period(months=60), []),
    "the same in months": ("sixty months", Period(months=60), []),
    "another": ("five years", Period(months=48), ["other-term"]),
    "a month and thirty days": ("a month", Period(days=30), []),
    "longer and shorter": ("two years", Period(months=60), ["moved-apart", "other-term"]),
    "figures in brackets": ("five (5) years", Period(months=60), []),
    "a compound": ("three years and six months", Period(months=42), []),
}  # fmt: skip


@pytest.mark.parametrize(("words", "period", "expected"), TERMS.values(), ids=TERMS)
def test_terms_are_compared_and_not_only_their_directions(words: str, period: Period, expected: list[str]) -> None:
    """Three years became five in the words and four in the rules: both are longer, and people are told another term."""
    kept = "We keep your location information for {}."
    old = version("2022", RUN, retentions=(Retention(("user.location",), Period(months=36)),))
    new = version("2023", RUN, retentions=(Retention(("user.location",), period),))
    found = drift(old, text(kept.format("three years")), new, text(kept.format(words)))
    assert [finding.rule for finding in found.findings()] == expected
    assert all("location information" in f.sentence for f in found.findings())


def test_a_term_that_comes_is_compared_too() -> None:
    old, kept = version("2022", RUN), "We keep your location information for five years."
    for years, expected in ((5, []), (4, ["other-term"])):
        new = version("2023", RUN, retentions=(Retention(("user.location",), Period(months=12 * years)),))
        assert [f.rule for f in drift(old, text(), new, text(kept)).findings()] == expected


OFFERED = TRAINS[:-1] + ", unless you opt out in your settings."


def test_a_choice_taken_away_in_the_rules_and_offered_in_the_words_is_said_to_move_apart() -> None:
    found = between(((RUN, TRAIN), text(TRAINS)), ((RUN, replace(TRAIN, control=None)), text(OFFERED)))
    assert said(found) == [("moved-apart", "training")]
    [pair] = found.apart
    assert (pair.rules.field, pair.rules.direction, pair.words.direction) == ("control", "widens", "narrows")


def test_a_choice_that_rules_and_words_both_offer_or_both_take_away_is_together() -> None:
    without = replace(TRAIN, control=None)
    assert said(between(((RUN, without), text(TRAINS)), ((RUN, TRAIN), text(OFFERED)))) == []
    asked = TRAINS.replace("We may", "With your consent we may")
    consent = replace(TRAIN, basis="consent", citation=Citation(("2. How we use it",), asked.rstrip(".")))
    assert said(between(((RUN, consent), text(asked)), ((RUN, TRAIN), text(TRAINS)))) == []


# --- real texts, read in place, under rules of our own --------------------------------------------------------------

COLLECT, USE, SHARE = ["1. Information We Collect", "1.1"], ["2. How We Use Information", "2.1"], ["3.2"]
RULES_OF_2023 = {
    "biometric": (["security.safety", "security.security", "security.identification"], ["user.biometric"], COLLECT,
                  "Based on your consent, we may collect and use your biometric information"),
    "jobs": (["employment", "advertising.relevance"], ["user.employment"], COLLECT,
             "We may collect and use your personal information (such as your employment history"),
    "training": (["train_ai_system.generative"], ["user.content.public"], USE,
                 "We may use the information we collect and publicly available information to help train our machine learning"),
}  # fmt: skip


def real(names: tuple[str, ...], extra: tuple[Clause, ...] = ()) -> Drift:
    """From the policy of May 2023 to that of September, under these of our rules; the first has none of them."""
    old, new = (next(X.glob(f"{day}*")).read_text("utf-8") for day in ("2023-05-18", "2023-09-29"))
    clauses = tuple(
        clause(
            name,
            "",
            "",
            quote,
            purposes=tuple(purposes),
            categories=tuple(categories),
            citation=Citation(tuple(heading), quote),
        )
        for name, (purposes, categories, heading, quote) in RULES_OF_2023.items()
        if name in names
    )
    return drift(version("2022"), old, version("2023", *clauses, *extra), new)


@needs_data
def test_rules_that_follow_a_real_change_move_with_its_words() -> None:
    found = real(tuple(RULES_OF_2023))
    assert found.rules_alone == ()
    assert {(p.rules.clause, p.by) for p in found.together if p.by == "quote"} == {(n, "quote") for n in RULES_OF_2023}
    alone = [one.change.new_quote for one in found.words_alone]
    assert any("metadata related to Encrypted Messages" in quote for quote in alone)  # no rule of ours carries that
    assert not any("biometric" in quote.lower() or "train our machine" in quote for quote in alone)


@needs_data
@pytest.mark.parametrize("forgotten", list(RULES_OF_2023))
def test_a_rule_that_was_forgotten_is_proposed_with_a_quote_that_can_be_cited(forgotten: str) -> None:
    found = real(tuple(n for n in RULES_OF_2023 if n != forgotten))
    purposes, _, _, quote = RULES_OF_2023[forgotten]
    [alone] = [one for one in found.words_alone if wording.plain(quote) in wording.plain(one.change.new_quote)]
    assert alone.proposal is not None
    assert any(
        key.startswith(proposed) or proposed.startswith(key) for key in purposes for proposed in alone.proposal.purposes
    )
    new = next(X.glob("2023-09-29*")).read_text("utf-8")
    cited = clause(
        "it", purposes[0], "user", "", citation=Citation(alone.proposal.citation.heading, alone.proposal.citation.quote)
    )
    rules = {f.rule for f in wording.check_version(version("2023", cited), new)}
    assert not rules & {"quote-not-in-text", "heading-not-in-text", "quote-not-under-heading"}


@needs_data
def test_a_rule_that_no_real_words_say_is_listed() -> None:
    extra = clause("tunes", "synthesise.persona", "user.biometric.voice", "Our music learns from your voice")
    found = real(tuple(RULES_OF_2023), (extra,))
    assert [one.change.clause for one in found.rules_alone] == ["tunes"]
    assert not found.rules_alone[0].stood


@needs_data
def test_a_rule_that_cites_words_of_may_is_told_so() -> None:
    """The words about payments stood there in May already; a rule about them in September caught up, or came from nowhere."""
    quote = "we may receive information about your transaction"
    old, new = (next(X.glob(f"{day}*")).read_text("utf-8") for day in ("2023-05-18", "2023-09-29"))
    assert quote in old
    assert quote in new
    extra = clause("payments", "third_party_sharing", "user.payment", quote)
    [alone] = real(tuple(RULES_OF_2023), (extra,)).rules_alone
    assert (alone.change.clause, alone.stood) == ("payments", True)


@needs_data
def test_whatever_is_proposed_for_real_texts_can_be_cited_as_it_stands() -> None:
    """No rules at all, so all that changed with a direction moved alone; of other services too."""
    pairs = [
        (folder / "before.md", folder / "after.md") for folder in sorted((DATA / "policies" / "pairs").iterdir())[::3]
    ]
    proposed = 0
    for before, after in [(a, b) for a, b in pairs if a.exists() and b.exists()]:
        new = after.read_text("utf-8")
        found = drift(version("2022"), before.read_text("utf-8"), version("2023"), new)
        for one in (one for one in found.words_alone if one.proposal):
            assert one.proposal is not None
            cited = clause(
                "it",
                "security.safety",
                "user",
                "",
                citation=Citation(one.proposal.citation.heading, one.proposal.citation.quote),
            )
            rules = {f.rule for f in wording.check_version(version("2023", cited), new)}
            assert not rules & {"quote-not-in-text", "heading-not-in-text", "quote-not-under-heading"}, (
                before.parent.name
            )
            proposed += 1
    assert proposed > 20


# --- the command ----------------------------------------------------------------------------------------------------

CLAUSE = """
[[clause]]
id = "{id}"
effect = "permit"
purposes = ["{purpose}"]
categories = ["{category}"]
audience = "public"
recipients = ["controller"]
basis = "legitimate_interest"
control = "{id}"
citation = {{ heading = ["2. How we use it"], quote = "{quote}" }}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def made(name: str, words: str, *rules: Clause) -> Path:
        folder = tmp_path / "reef" / name
        folder.mkdir(parents=True)
        digest = hashlib.sha256(words.encode()).hexdigest()
        top = f'policy = "reef"\nversion = "{name}"\neffective_from = {name}-01-01\ntext_sha256 = "{digest}"\n'
        body = "".join(
            CLAUSE.format(id=c.id, purpose=c.purposes[0], category=c.categories[0], quote=c.citation.quote)
            for c in rules
        )
        (folder / "policy.toml").write_text(top + body, "utf-8")
        (folder / "text.md").write_text(words, "utf-8")
        return folder.parent

    return made


def test_check_lists_what_moved_alone_and_still_holds_together(write: Callable[..., Path]) -> None:
    folder = write("2022", text())
    write("2023", text(TRAINS))
    write("2024", text(TRAINS), TRAIN)
    result = CliRunner().invoke(doors, ["policy", "check", str(folder)])
    assert result.exit_code == 0, result.output
    assert "the words moved and no rule did: added (widens)" in result.stdout
    assert "the rules moved and no words did: clause training added (widens)" in result.stdout
    assert "the policy holds together (0 errors, 2 warnings)" in result.stdout
    document = json.loads(CliRunner().invoke(doors, ["policy", "check", str(folder), "--json"]).stdout)
    assert [f["rule"] for f in document["findings"]] == ["words-moved-alone", "rules-moved-alone"]
    assert [(m["old"], m["new"], len(m["rules_alone"]), len(m["words_alone"])) for m in document["moved"]] == [
        ("2022", "2023", 0, 1),
        ("2023", "2024", 1, 0),
    ]
    [alone] = document["moved"][0]["words_alone"]
    assert alone["proposal"]["citation"]["quote"] == TRAINS
    assert document["moved"][1]["rules_alone"][0]["cited_words_stood"] is True


def test_a_version_that_cannot_be_read_is_passed_over_and_said_by_the_other_checks(write: Callable[..., Path]) -> None:
    folder = write("2022", text())
    write("2023", text(TRAINS), TRAIN)
    (folder / "2022" / "text.md").write_text("other words")
    result = CliRunner().invoke(doors, ["policy", "check", str(folder), "--json"])
    assert result.exit_code == 4
    assert json.loads(result.stdout)["moved"] == []


def test_birdsite_moved_its_rules_and_its_words_together() -> None:
    folder = Path(__file__).parent.parent / "src" / "aboveboard" / "demo" / "platform" / "policies" / "birdsite"
    document = json.loads(CliRunner().invoke(doors, ["policy", "check", str(folder), "--json"]).stdout)
    [moved] = document["moved"]
    assert (moved["rules_alone"], moved["words_alone"]) == ([], [])
    quoted = {pair["rules"]["clause"] for pair in moved["together"] if pair["by"] == "quote"}
    assert quoted >= {
        "safety",
        "training",
        "biometric",
        "jobs-recommend",
        "jobs-share",
        "jobs-candidates",
        "work-advertising",
    }
