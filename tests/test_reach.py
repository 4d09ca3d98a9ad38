"""What a text claims about older data, the policies that are compared, which uses are asked for, what can be done."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aboveboard import reach
from aboveboard.errors import PolicyError
from aboveboard.policy import Citation, Clause, Commitment, Embargo, Policy, PolicyVersion, timeline
from aboveboard.reach import Scope

DATA = (
    Path(os.environ.get("ABOVEBOARD_DATA", Path(__file__).parent.parent.parent / "shared" / "data")) / "policies" / "x"
)
needs_data = pytest.mark.skipif(not DATA.exists(), reason="no real policies in ABOVEBOARD_DATA")
FIRST, SECOND, THIRD = (datetime(year, 1, 1, tzinfo=UTC) for year in (2022, 2023, 2024))

TRAIN = Clause(
    "train", "permit", ("train_ai_system.generative",), ("user.content.public",), "public", ("controller",),
    "legitimate_interest", Citation((), "we learn"), control="training",
)  # fmt: skip


def version(name: str, begins: datetime, *clauses: Clause, **more: object) -> PolicyVersion:
    made = PolicyVersion("reef", name, begins, begins - timedelta(days=30), "UTC", name, "IE", clauses)
    return replace(made, **more)  # type: ignore[arg-type]


# --- claims -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        "The most recent version of this statement governs how we handle your shells.",
        "The latest version will govern.",
        "This policy applies to all existing content as well.",
        "These changes also cover your earlier posts.",
        "We may use your posts, regardless of when they were shared.",
        "We learn from shells no matter when you posted them.",
        "Posts you shared before this date are included too.",
        "We train on photos, including photos you uploaded in the past.",
        "This change applies retroactively.",
        "This policy also applies to information we collected before its effective date.",
        "The new terms cover photos that you have uploaded prior to today.",
    ],
)
def test_a_text_that_claims_to_reach_older_data(sentence: str) -> None:
    assert reach.reaching_words(f"# Reef\n\n{sentence} Other words.\n") == ((sentence,), ())


@pytest.mark.parametrize(
    "sentence",
    [
        "Changes are not retroactive.",
        "We won't apply changes retroactively to you.",
        "A new text does not apply to earlier posts.",
        "Posts made under an older text stay under it.",
        "Shells that were collected before this date remain governed by the text of then.",
        "This version applies only to content posted after 1 May.",
        "It only affects photos uploaded from that day on.",
        "The version in force when a post was shared governs it.",
    ],
)
def test_a_text_that_spares_older_data(sentence: str) -> None:
    assert reach.reaching_words(f"# Reef\n\n{sentence}\n") == ((), (sentence,))


@pytest.mark.parametrize(
    "sentence",
    [
        "You can download the current version of the app.",
        "We keep posts you already shared until you delete them.",
        "Before you post, read our rules.",
        "Our government relations team publishes a report.",
        "We collect information you provide when you sign up.",
        "You may delete content you posted in the past.",
        "This policy applies to the information we collect.",
        "We may share earlier drafts with you.",
        "An existing account can be closed at any time.",
        "If we make retroactive changes, we will ask for your consent.",
        "Whether a change is retroactive is said in its notice.",
        "Fees may be charged retroactively.",
        "We will notify you before this policy changes.",
    ],
)
def test_a_text_that_says_nothing_about_older_data(sentence: str) -> None:
    assert reach.reaching_words(f"# Reef\n\n{sentence}\n") == ((), ())


CLAIMS = "The latest version of this policy governs.\n"
DENIES = "Changes are not retroactive.\n"


@pytest.mark.parametrize(
    ("text", "declared", "answer"),
    [
        (CLAIMS, "reconsent", "claimed"),
        (CLAIMS, "notice", "claimed"),
        (CLAIMS, "none", "contradictory"),
        (CLAIMS + DENIES, "reconsent", "contradictory"),
        (DENIES, "reconsent", "denied"),
        (DENIES, "notice", "denied"),
        ("We like shells.\n", "notice", "silent"),
        (None, "notice", "silent"),
    ],
)
def test_only_an_uncontradicted_text_claims(text: str | None, declared: str, answer: str) -> None:
    found = reach.claim(version("b", SECOND, TRAIN, retroactive=declared), text)
    assert found.answer == answer
    assert found.declared == declared
    assert found.sentence


def test_a_contradiction_is_a_finding_with_both_sides() -> None:
    both = version("b", SECOND, TRAIN)
    [found] = reach.check(both, CLAIMS + DENIES)
    assert (found.rule, found.severity, found.version) == ("reach-contradicted", "warning", "b")
    assert CLAIMS.strip() in found.sentence
    assert DENIES.strip() in found.sentence
    [found] = reach.check(replace(both, retroactive="none"), CLAIMS)
    assert "the rules declare `none`" in found.sentence
    assert reach.check(both, CLAIMS) == reach.check(both, DENIES) == reach.check(both, None) == []


@needs_data
def test_every_recorded_privacy_policy_of_x_claims_that_the_current_version_governs() -> None:
    """The fact of the real case: the privacy policy says that it governs, the terms say that changes are not retroactive."""
    for path in sorted((DATA / "privacy-policy").glob("*.md")):
        reaching, denying = reach.reaching_words(path.read_text("utf-8"))
        assert len(reaching) in (1, 2), path.name  # two where one page holds the coming and the current policy
        assert "most current version" in reaching[0].lower()
        assert denying == ()
    for path in sorted((DATA / "terms-of-service").glob("*.md")):
        _, denying = reach.reaching_words(path.read_text("utf-8"))
        assert any("retroactive" in quote for quote in denying), path.name


# --- the policies that are compared ------------------------------------------------------------------------------


def three() -> Policy:
    promise = Commitment("shore", SECOND, ("train_ai_system",), "a notice", audience="public")
    court = Embargo("court", ("train_ai_system",), ("EEA",), "a court")
    return timeline(
        [
            version("a", FIRST, effective_to=SECOND - timedelta(days=3)),
            version("b", SECOND, TRAIN, commitments=(promise,), embargoes=(court,)),
            version("c", THIRD, TRAIN, effective_to=THIRD + timedelta(days=9)),
        ]
    )


def test_upto_leaves_out_what_comes_later_and_stays_in_force() -> None:
    policy = three()
    assert reach.upto(policy, policy.version("b")).names == ("a", "b")
    last = reach.upto(policy, policy.version("c"))
    assert last.names == ("a", "b", "c")
    assert last.versions[0].effective_to is not None  # a gap that was there stays
    assert last.in_force(THIRD + timedelta(days=900)) == last.versions[-1]


def test_as_read_the_new_version_was_always_there_and_every_promise_binds() -> None:
    policy = three()
    read = reach.as_read(policy, policy.version("c"), THIRD)
    assert read.in_force(datetime(1999, 1, 1, tzinfo=UTC)) == read.versions[0]
    assert read.names == ("c",)
    assert [c.id for c in read.promises(THIRD)] == ["shore"]
    assert [e.id for e in read.embargoes] == ["court"]


def test_versions_in_the_wrong_order_and_unknown_ones_are_refused() -> None:
    with pytest.raises(PolicyError, match="does not come before"):
        reach.ordered(three(), "b", "a")
    with pytest.raises(PolicyError, match="does not come before"):
        reach.ordered(three(), "b", "b")
    with pytest.raises(PolicyError, match="no version `z`"):
        reach.ordered(three(), "a", "z")


# --- which uses --------------------------------------------------------------------------------------------------


def test_every_use_that_either_version_names_is_asked_for() -> None:
    share = replace(
        TRAIN, id="share", purposes=("employment",), recipients=("controller", "third_party:*", "affiliate:atoll")
    )
    fitted = replace(TRAIN, uses=("replies", "threads"))
    found = reach.scopes(version("a", FIRST, share), version("b", SECOND, fitted))
    assert found == (
        Scope("train_ai_system.generative", "controller", "replies"),
        Scope("train_ai_system.generative", "controller", "threads"),
        *(
            Scope(purpose, recipient)
            for purpose in (
                "employment.recommend_jobs",
                "employment.share_on_application",
                "employment.candidate_search",
            )
            for recipient in ("controller", "affiliate:atoll", "third_party:any")
        ),
    )


def test_a_clause_for_any_use_is_asked_for_without_one_too() -> None:
    found = reach.scopes(version("a", FIRST, TRAIN), version("b", SECOND, replace(TRAIN, uses=("replies",))))
    assert [scope.use for scope in found] == [None, "replies"]


def test_purposes_and_recipients_can_be_named() -> None:
    a, b = version("a", FIRST), version("b", SECOND, TRAIN)
    assert reach.scopes(a, b, ["train_ai_system"], ["processor:p"]) == tuple(
        Scope(f"train_ai_system.{kind}", "processor:p") for kind in ("generative", "discriminative", "search_ranking")
    )
    assert reach.scopes(a, a) == ()
    with pytest.raises(Exception, match="unknown purpose"):
        reach.scopes(a, b, ["train_ai"])


# --- what can be done --------------------------------------------------------------------------------------------


def done(
    clause: Clause, now: datetime, claimed: bool = False, **more: object
) -> list[tuple[str, str, datetime | None]]:
    found = reach.ways(
        version("a", FIRST), version("b", SECOND, clause, **more), Scope("train_ai_system.generative"), claimed, now
    )
    return [(way.about, way.do, way.by) for way in found]


BEFORE, LATER = SECOND - timedelta(days=1), SECOND + timedelta(days=1)


def test_who_says_no_before_it_begins_is_never_in() -> None:
    assert done(TRAIN, BEFORE)[0] == ("new", "no", SECOND)
    assert done(TRAIN, LATER)[0] == ("new", "no", None)


def test_consent_and_contract_without_a_choice() -> None:
    assert done(replace(TRAIN, basis="consent"), BEFORE)[0] == ("new", "nothing", None)
    assert done(replace(TRAIN, basis="contract", control=None), BEFORE)[0] == ("new", "nothing", None)


@pytest.mark.parametrize(
    ("declared", "older"),
    [("none", "nothing"), ("reconsent", "nothing"), ("notice", "no")],
)
def test_older_records_by_the_declared_rule(declared: str, older: str) -> None:
    assert done(TRAIN, LATER, retroactive=declared)[1:] == [("older", older, None)]


def test_the_window_of_a_notice_is_counted_from_the_announcement() -> None:
    """Announced 30 days before it begins, with a window of 60: the first are due 30 days after."""
    from aboveboard.policy import Period

    found = done(TRAIN, LATER, retroactive="notice", notice_window=Period(days=60))
    assert found[1] == ("older", "no", SECOND + timedelta(days=30))


def test_where_the_text_claims_more_a_no_keeps_older_records_out_too() -> None:
    assert done(TRAIN, BEFORE, claimed=True)[-1] == ("older", "no", SECOND)


def test_older_records_keep_what_the_older_version_allowed() -> None:
    scope, asks = Scope("train_ai_system.generative"), replace(TRAIN, basis="consent")
    [_, fresh] = reach.ways(version("a", FIRST), version("b", SECOND, TRAIN), scope, False, LATER)
    [_, loosened] = reach.ways(version("a", FIRST, asks), version("b", SECOND, TRAIN), scope, False, LATER)
    assert fresh.sentence.startswith("older records: they stay out unless")
    assert loosened.sentence.startswith("older records: what the older version did not allow stays out unless")


def test_a_way_names_the_data_of_its_clause() -> None:
    scope = Scope("train_ai_system.generative")
    [way, *_] = reach.ways(version("a", FIRST), version("b", SECOND, TRAIN), scope, False, LATER)
    assert (way.clause, way.categories, way.control) == ("train", ("user.content.public",), "training")
    assert reach.ways(version("a", FIRST), version("b", SECOND, TRAIN), Scope("use.rag"), False, LATER) == ()


def test_nothing_is_said_of_a_clause_that_stays_as_it_was() -> None:
    renamed = replace(TRAIN, id="other", citation=Citation(("5",), "other words"))
    scope = Scope("train_ai_system.generative")
    assert reach.ways(version("a", FIRST, TRAIN), version("b", SECOND, renamed), scope, True, LATER) == ()
