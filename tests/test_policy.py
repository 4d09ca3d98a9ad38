"""Policies as they are read: parse, timeline, conditions, periods, promises; and the specification page beside them."""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard import policy as policy_module
from aboveboard import vocabulary
from aboveboard.errors import PolicyError, VocabularyError
from aboveboard.policy import (
    FIELDS,
    Citation,
    Clause,
    Commitment,
    Condition,
    Embargo,
    Period,
    Policy,
    PolicyVersion,
    condition,
    gaps,
    parse,
    period,
    timeline,
)

PAGE = Path(__file__).parent.parent / "docs" / "formats" / "policy.md"
TEXT = b"# Terms\n\nWe run the service with your posts.\n"
HEAD = f"""\
policy = "reef"
version = "1"
effective_from = 2023-09-29T00:00:00
zone = "Europe/Dublin"
text_sha256 = "{hashlib.sha256(TEXT).hexdigest()}"
"""
CLAUSE = """
[[clause]]
id = "run"
effect = "permit"
purposes = ["service.operation"]
categories = ["user.content"]
audience = "private"
recipients = ["controller"]
basis = "contract"
citation = { heading = ["Terms"], quote = "We run the service with your posts" }
"""


def read(toml: str, text: bytes | None = None) -> PolicyVersion:
    return parse(toml.encode(), "reef/1/policy.toml", text)


def refused(toml: str) -> PolicyError:
    with pytest.raises(PolicyError) as raised:
        read(toml)
    assert raised.value.context["file"] == "reef/1/policy.toml"
    return raised.value


def version(name: str, begins: str, ends: str | None = None, policy: str = "reef", **more: object) -> PolicyVersion:
    at = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    until = datetime.fromisoformat(ends).replace(tzinfo=UTC) if ends else None
    return PolicyVersion(policy, name, at, at, "UTC", "0", None, (), effective_to=until, **more)  # type: ignore[arg-type]


# --- parse --------------------------------------------------------------------------------------------------------


def test_a_version_is_read_with_its_defaults() -> None:
    found = read(HEAD + CLAUSE, TEXT)
    assert (found.policy, found.version, found.zone) == ("reef", "1", "Europe/Dublin")
    assert found.announced_at == found.effective_from
    assert (found.retroactive, found.notice_window, found.establishment) == ("reconsent", Period(days=30), None)
    assert found.vocabulary == vocabulary.VERSION
    assert found.on_withdrawal == policy_module.OnWithdrawal()
    assert [clause.id for clause in found.clauses] == ["run"]


def test_the_text_must_be_the_one_the_rules_were_written_for() -> None:
    with pytest.raises(PolicyError, match="not the one these rules") as raised:
        read(HEAD + CLAUSE, TEXT + b" ")
    assert hashlib.sha256(TEXT + b" ").hexdigest() in raised.value.hint


@pytest.mark.parametrize("key", ["policy", "version", "effective_from", "text_sha256"])
def test_what_a_version_cannot_do_without(key: str) -> None:
    error = refused(re.sub(rf"^{key} = .*\n", "", HEAD, flags=re.M))
    assert f"`{key}` is missing" in error.sentence


@pytest.mark.parametrize(
    "key", ["id", "effect", "purposes", "categories", "audience", "recipients", "basis", "citation"]
)
def test_what_a_permit_cannot_do_without(key: str) -> None:
    error = refused(HEAD + re.sub(rf"^{key} = .*\n", "", CLAUSE, flags=re.M))
    assert "missing" in error.sentence


def test_a_deny_needs_neither_audience_nor_recipients_nor_basis() -> None:
    short = re.sub(r"^(audience|recipients|basis) = .*\n", "", CLAUSE, flags=re.M)
    [clause] = read(HEAD + short.replace('"permit"', '"deny"')).clauses
    assert (clause.audience, clause.recipients, clause.basis) == ("private", (), "legal_obligation")


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ('"service.operation"', '"service.operations"', "service.operation"),
        ('"user.content"', '"user.contents"', "user.content"),
        ('"private"', '"privat"', "private"),
        ('"contract"', '"contracts"', "contract"),
        ('"permit"', '"permits"', "permit"),
        ('"controller"', '"controler"', "controller"),
        ("audience =", "audiences =", "audience"),
        ('zone = "Europe/Dublin"', 'zoned = "Europe/Dublin"', "zone"),
    ],
)
def test_an_unknown_term_is_refused_with_near_misses(old: str, new: str, near: str) -> None:
    error = refused((HEAD + CLAUSE).replace(old, new))
    assert error.sentence.startswith("unknown ")
    assert f"`{near}`" in error.hint


def test_an_unknown_term_names_its_clause() -> None:
    assert refused(HEAD + CLAUSE.replace("service.operation", "service.x")).context["clause"] == "run"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("policy = ", "not valid TOML"),
        (HEAD + CLAUSE + CLAUSE, "two clauses are called `run`"),
        (HEAD + CLAUSE.replace('["user.content"]', "[]"), "`categories` is empty"),
        (HEAD + CLAUSE.replace('["user.content"]', '"user.content"'), "not a list of text"),
        (HEAD + CLAUSE.replace('quote = "We run the service with your posts"', 'quote = ""'), "`quote` is missing"),
        (HEAD + CLAUSE + "open_ended = 1\n", "`open_ended` is true or false"),
        (HEAD + CLAUSE + "closed_by = { who = 'ann' }\n", "`at` is missing"),
        (HEAD + CLAUSE + "closed_by = { who = 'ann', at = 2023-01-01, why = 'x' }\n", "unknown key `why`"),
        (HEAD + CLAUSE.replace("quote =", "page = 3, quote ="), "unknown key `page`"),
        (HEAD + CLAUSE + "when = { not = { eq = ['subject.residency', 'UE'] } }\n", "unknown region `UE`"),
        (HEAD + CLAUSE + "when = { eq = ['subject.age', 'adult'] }\n", "unknown condition field"),
        (HEAD + "vocabulary = 99\n", "vocabulary `99` is not known"),
        (HEAD + "establishment = 'Ireland'\n", "unknown establishment"),
        (HEAD + "retroactive = 'always'\n", "unknown retroactive"),
        (HEAD + "notice_window = '30 days'\n", "is not a period"),
        (HEAD + "announced_at = 'yesterday'\n", "is a date or a time"),
        (HEAD.replace("Europe/Dublin", "Europe/Dublib"), "unknown time zone"),
        (HEAD.replace('version = "1"', 'version = "../2024"'), "cannot be the name of a version"),
        (HEAD + "clause = 1\n", "written as [[clause]]"),
        (HEAD + "[on_withdrawal]\nintake = 'go on'\n", "unknown intake"),
        (HEAD + "[[retention]]\ncategories = ['user']\nperiod = 'P0X'\n", "is not a period"),
        (HEAD + "[[commitment]]\nid = 'c'\nfrom = 2023-01-01\npurposes = []\nsource = 's'\n", "`purposes` is empty"),
        (HEAD + "[[embargo]]\nid = 'e'\npurposes = ['service']\nregions = ['Mars']\nsource = 's'\n", "unknown region"),
    ],
)
def test_what_is_refused(toml: str, says: str) -> None:
    assert says in refused(toml).sentence


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(PolicyError, match="not valid TOML"):
        parse(b"\xff\xfe", "p.toml")


# --- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "written", "utc"),
    [
        ("Europe/Dublin", "2023-09-29T00:00:00", "2023-09-28T23:00:00"),
        ("Europe/Dublin", "2023-12-29T00:00:00", "2023-12-29T00:00:00"),
        ("Europe/Dublin", "2023-09-29", "2023-09-28T23:00:00"),
        ("Europe/Berlin", "2023-03-26T02:30:00", "2023-03-26T01:30:00"),  # does not exist: the offset before counts
        ("Europe/Berlin", "2023-10-29T02:30:00", "2023-10-29T00:30:00"),  # exists twice: the first one counts
        ("Asia/Kathmandu", "2023-01-01", "2022-12-31T18:15:00"),
        ("Europe/Dublin", "2023-09-29T00:00:00-07:00", "2023-09-29T07:00:00"),  # an offset beats the zone
    ],
)
def test_times_are_read_on_the_clocks_of_the_zone(zone: str, written: str, utc: str) -> None:
    toml = HEAD.replace("Europe/Dublin", zone).replace("2023-09-29T00:00:00", written)
    assert read(toml).effective_from == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_the_version_in_force_goes_by_its_effect_and_not_by_its_announcement() -> None:
    two = timeline([version("b", "2023-09-29"), version("a", "2023-05-18")])
    edge = datetime(2023, 9, 29, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    assert two.names == ("a", "b")
    assert two.in_force(None) is None
    assert two.in_force(two.versions[0].effective_from - tick) is None
    assert [v.version for v in map(two.in_force, (edge - tick, edge)) if v] == ["a", "b"]


def test_a_version_that_ended_is_not_in_force() -> None:
    ended = timeline([version("a", "2023-01-01", "2023-06-01"), version("b", "2023-07-01")])
    assert ended.in_force(datetime(2023, 5, 31, 23, 59, tzinfo=UTC)) == ended.versions[0]
    assert ended.in_force(datetime(2023, 6, 1, tzinfo=UTC)) is None
    assert [(a.version, b.version) for a, b in gaps(ended)] == [("a", "b")]


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ([], "no policy version"),
        ([version("a", "2023-01-01"), version("b", "2023-01-01")], "at the same moment"),
        ([version("a", "2023-01-01", "2023-07-02"), version("b", "2023-07-01")], "still in force"),
        ([version("a", "2023-01-01"), version("b", "2023-07-01", policy="atoll")], "two policies"),
    ],
)
def test_a_timeline_that_does_not_hold_together(versions: list[PolicyVersion], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        timeline(versions)


def test_a_version_by_name() -> None:
    one = timeline([version("a", "2023-01-01")])
    assert one.version("a") == one.versions[0]
    with pytest.raises(PolicyError, match="no version `b`"):
        one.version("b")


# --- periods ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("P1M", "2023-01-31", "2023-02-28"),
        ("P1M", "2024-01-31", "2024-02-29"),
        ("P12M", "2024-02-29", "2025-02-28"),
        ("P1Y", "2023-12-31", "2024-12-31"),
        ("P13M", "2022-12-15", "2024-01-15"),
        ("P2W", "2023-02-20", "2023-03-06"),
        ("P1M1D", "2023-01-31", "2023-03-01"),
        ("P30D", "2024-02-01", "2024-03-02"),
        ("P11M", "2023-01-30", "2023-12-30"),
    ],
)
def test_periods_are_calendar_periods(text: str, start: str, end: str) -> None:
    at = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert period(text).after(at) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "P", "30D", "P-1D", "P1D2M", "PT1H", "P1.5D", "p30d", "P30D "])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(PolicyError, match="is not a period"):
        period(text)


EARLIEST, LATEST = datetime(1990, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001  hypothesis adds the zone itself


@given(st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)), st.integers(0, 60), st.integers(0, 400))
def test_a_period_lands_in_the_right_month_and_never_goes_back(at: datetime, months: int, days: int) -> None:
    landed = Period(months).after(at)
    assert (landed.year * 12 + landed.month) - (at.year * 12 + at.month) == months
    assert landed.day == at.day or (landed.day < at.day and (landed + timedelta(days=1)).day == 1)
    assert Period(months, days).after(at) == landed + timedelta(days=days)


@given(st.integers(0, 60), st.integers(0, 400))
def test_a_period_is_read_as_it_prints_itself(months: int, days: int) -> None:
    if months or days:
        assert period(str(Period(months, days))) == Period(months, days)


# --- conditions ---------------------------------------------------------------------------------------------------

FACTS = st.fixed_dictionaries(
    {
        name: st.none() | (st.sampled_from(values) if values else st.sampled_from("abc"))
        for name, values in FIELDS.items()
    }
)
LEAVES = st.one_of(
    st.sampled_from([{op: ["subject.age_band", band]} for op in ("eq", "lt", "le") for band in vocabulary.AGE_BANDS]),
    st.sampled_from([{"exists": name} for name in FIELDS]),
    st.lists(st.sampled_from("abc"), min_size=1).map(lambda values: {"in": ["record.source", values]}),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"all": many}),
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"any": many}),
        inner.map(lambda one: {"not": one}),
    ),
)


@given(TREES, TREES, FACTS)
def test_conditions_follow_de_morgan(one: object, two: object, facts: dict[str, str | None]) -> None:
    left = condition({"not": {"all": [one, two]}})
    right = condition({"any": [{"not": one}, {"not": two}]})
    assert left.evaluate(facts) is right.evaluate(facts)
    assert condition({"not": {"not": one}}).evaluate(facts) is condition(one).evaluate(facts)


@given(TREES, FACTS)
def test_the_order_of_children_does_not_matter(tree: object, facts: dict[str, str | None]) -> None:
    for op in ("all", "any"):
        there = condition({op: [tree, {"exists": "record.kind"}]}).evaluate(facts)
        assert there is condition({op: [{"exists": "record.kind"}, tree]}).evaluate(facts)


@given(TREES, FACTS, FACTS)
def test_a_missing_fact_never_decides(
    tree: dict[str, object], facts: dict[str, str | None], more: dict[str, str | None]
) -> None:
    """What is true or false while facts are unknown stays so whatever they turn out to be."""
    if "exists" in str(tree):
        return  # `exists` is the one leaf that asks whether something is known
    known = {name: more[name] if value is None else value for name, value in facts.items()}
    if (early := condition(tree).evaluate(facts)) is not None:
        assert condition(tree).evaluate(known) is early


@given(TREES)
def test_a_condition_prints_itself(tree: object) -> None:
    assert str(condition(tree)).count("(") == str(condition(tree)).count(")")


@pytest.mark.parametrize(
    ("tree", "facts", "holds"),
    [
        ({"lt": ["subject.age_band", "adult"]}, {"subject.age_band": "13_17"}, True),
        ({"lt": ["subject.age_band", "adult"]}, {"subject.age_band": "adult"}, False),
        ({"le": ["subject.age_band", "13_17"]}, {"subject.age_band": "13_17"}, True),
        ({"le": ["subject.age_band", "13_17"]}, {"subject.age_band": None}, None),
        ({"in": ["record.kind", ["post", "reply"]]}, {"record.kind": "reply"}, True),
        ({"exists": "subject.residency"}, {"subject.residency": None}, None),
        ({"not": {"exists": "subject.residency"}}, {"subject.residency": None}, None),
        ({"eq": ["subject.residency", "US"]}, {"subject.residency": "US-TX"}, True),
        ({"eq": ["subject.residency", "EU"]}, {"subject.residency": "DE"}, True),
        ({"not": {"eq": ["subject.residency", "US-TX"]}}, {"subject.residency": "US"}, None),
        ({"in": ["subject.residency", ["DE", "US-TX"]]}, {"subject.residency": "FR"}, False),
        ({"not": {"eq": ["record.language", "en"]}}, {"record.language": None}, None),
    ],
)
def test_what_a_condition_answers(tree: object, facts: dict[str, str | None], holds: bool | None) -> None:
    assert condition(tree).evaluate(facts) is holds


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"eq": ["record.kind", "post"], "exists": "record.kind"}, [], "adult", {"all": []}, {"all": {}},
        {"eq": ["record.kind"]}, {"eq": ["record.kind", 1]}, {"in": ["record.kind", []]}, {"exists": []},
        {"in": ["record.kind", "post"]}, {"lt": ["record.kind", "post"]}, {"eq": ["record.kind", "posts"]},
        {"matches": ["record.source", "x"]}, {"eq": ["record.text", "x"]}, {"gt": ["subject.age_band", "adult"]},
    ],
)  # fmt: skip
def test_what_is_no_condition(tree: object) -> None:
    with pytest.raises((PolicyError, VocabularyError)):
        condition(tree)


# --- clauses, promises, undertakings ------------------------------------------------------------------------------


def clause(effect: str = "permit", **more: object) -> Clause:
    given = {"purposes": ("train_ai_system",), "categories": ("user.content",), **more}
    return Clause("c", effect, audience="public", recipients=("controller",), basis="consent",
                  citation=Citation((), "q"), **given)  # type: ignore[arg-type]  # fmt: skip


def test_a_grant_needs_all_categories_and_a_deny_any() -> None:
    both = ["user.content.public", "user.location"]
    assert not clause().reaches(both, 1)
    assert clause("deny").reaches(both, 1)


def test_a_grant_on_a_parent_covers_only_words_that_existed(monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"train_ai_system.dreaming": vocabulary.Term("train_ai_system.dreaming", "dream", since=2)}
    monkeypatch.setattr(vocabulary, "PURPOSES", {**vocabulary.PURPOSES, **late})
    assert clause().declares("train_ai_system.generative", 1)
    assert not clause().declares("train_ai_system.dreaming", 1)
    assert clause().declares("train_ai_system.dreaming", 2)
    assert clause("deny").declares("train_ai_system.dreaming", 1)


def test_a_clause_that_names_uses_is_about_those_only() -> None:
    named = clause(uses=("replies",))
    assert named.declares("train_ai_system.generative", 1, "replies")
    assert not named.declares("train_ai_system.generative", 1, "poems")


def test_an_open_ended_clause_is_ambiguous_until_somebody_closes_it() -> None:
    assert clause(open_ended=True).ambiguous
    assert not clause(open_ended=True, closed_by="ann").ambiguous


def test_what_is_closed_later_is_open_until_then() -> None:
    at = datetime(2023, 9, 28, tzinfo=UTC)
    closed = clause(open_ended=True, closed_by="ann", closed_at=at)
    assert closed.ambiguous_at(at - timedelta(microseconds=1))
    assert not closed.ambiguous_at(at)
    assert not closed.ambiguous
    assert clause(open_ended=True).ambiguous_at(at)
    assert not clause(open_ended=True, closed_by="ann").ambiguous_at(at)
    assert not clause(closed_by="ann", closed_at=at + timedelta(days=1)).ambiguous_at(at)


def test_a_promise_binds_older_data_and_taking_it_back_is_a_widening() -> None:
    begins, ends = datetime(2023, 8, 31, tzinfo=UTC), datetime(2024, 8, 31, tzinfo=UTC)
    promise = Commitment("p", begins, ("train_ai_system",), "s", until=ends)
    old, new, now = datetime(2020, 1, 1, tzinfo=UTC), ends, datetime(2025, 1, 1, tzinfo=UTC)
    assert promise.binds(old, begins)
    assert not promise.binds(old, begins - timedelta(seconds=1))
    assert promise.binds(old, now)
    assert promise.binds(None, now)
    assert not promise.binds(new, now)


def test_a_later_version_that_leaves_a_promise_out_does_not_take_it_back() -> None:
    promise = Commitment("p", datetime(2023, 1, 1, tzinfo=UTC), ("train_ai_system",), "s")
    two = timeline([version("a", "2023-01-01", commitments=(promise,)), version("b", "2023-07-01")])
    assert two.commitments == (promise,)


def test_an_undertaking_may_span_an_unknown_moment() -> None:
    at = datetime(2024, 5, 7, tzinfo=UTC)
    window = Embargo("e", ("train_ai_system",), ("EEA",), "s", at, at + timedelta(days=86))
    assert window.spans(None)
    assert window.spans(at)
    assert not window.spans(at + timedelta(days=86))
    assert not window.spans(at - timedelta(microseconds=1))


# --- the specification page ---------------------------------------------------------------------------------------


def _tables(page: str) -> dict[str, set[str]]:
    """The first column of every table of the page, by the heading it stands under."""
    found: dict[str, set[str]] = {}
    heading = ""
    for line in page.split("\n"):
        heading = line.lstrip("# ") if line.startswith("#") else heading
        if cell := re.match(r"\| `([^`]+)` \|", line):
            found.setdefault(heading, set()).add(cell.group(1))
    return found


def test_the_page_names_every_key() -> None:
    source = Path(policy_module.__file__).read_text("utf-8")
    nested = [
        set(re.findall(r'"(\w+)"', keys)) for keys in re.findall(r"refuse_unknown\(\{(.*?)\}\)", source, re.DOTALL)
    ]
    known = [policy_module._VERSION_KEYS, policy_module._CLAUSE_KEYS, *nested]
    tables = _tables(PAGE.read_text("utf-8"))
    headings = [
        "The version",
        "`[[clause]]`",
        "`[[commitment]]`",
        "`[[embargo]]`",
        "`[[retention]]`",
        "`[[elsewhere]]`",
        "`[on_withdrawal]`",
    ]
    assert [tables[heading] for heading in headings] == known


def test_the_example_of_the_page_is_a_policy() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), flags=re.S)
    assert tomllib.loads(example)
    found = timeline([parse(example.encode(), "policy.toml")])
    assert found.in_force(datetime(2024, 1, 1, tzinfo=UTC)) == found.versions[0]


def test_the_page_names_the_condition_fields() -> None:
    assert _tables(PAGE.read_text("utf-8"))["Conditions"] == set(FIELDS)


def test_nothing_in_a_policy_can_be_changed() -> None:
    one = Policy("reef", (version("a", "2023-01-01"),))
    with pytest.raises(AttributeError):
        one.name = "other"  # type: ignore[misc]
    assert isinstance(hash(Condition("exists", "record.kind")), int)
