"""Account facts: read whole or not at all, and found again by subject."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard import account, vocabulary
from aboveboard.choice import Facts
from aboveboard.errors import SourceError, VocabularyError
from aboveboard.sources import facts
from aboveboard.sources.facts import FactsTable
from aboveboard.sources.staged import schema

MAY = datetime(2023, 5, 1, tzinfo=UTC)
JUNE = datetime(2023, 6, 1, tzinfo=UTC)
ANN = [
    Facts(subject="u:ann", state="active", age_band="adult", residency="DE", evidence="signup"),
    Facts(
        subject="u:ann",
        valid_from=MAY,
        state="active",
        protected=True,
        residency="US-TX",
        last_interaction=MAY,
    ),
]
BOB = [Facts(subject="u:bob", valid_from=JUNE, state="suspended")]


def written(tmp_path, text, name="accounts.csv"):
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / name


def test_facts_come_back_as_values(tmp_path):
    for table in (FactsTable.of([*BOB, *reversed(ANN)]), round_trip(FactsTable.of(ANN + BOB), tmp_path)):
        assert table.rows == 3
        assert table.facts_of("u:ann") == ANN
        assert table.facts_of("u:bob") == BOB
        assert table.facts_of("u:") == table.facts_of("u:zoe") == table.facts_of("") == []
        assert table.table().schema.equals(schema(facts.COLUMNS))


def round_trip(table, tmp_path):
    always = datetime(1, 1, 1)  # noqa: DTZ001 - how a file says what a value says by None
    rows = [{**row, "valid_from": row["valid_from"] or always} for row in table.table().to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.table().schema), tmp_path / "facts.parquet")
    return facts.read(tmp_path / "facts.parquet")


def test_no_facts_at_all():
    empty = FactsTable.empty()
    assert (empty.rows, empty.facts_of("u:ann"), len(empty.digest)) == (0, [], 64)
    assert empty.table().schema.equals(schema(facts.COLUMNS))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_every_format_gives_the_same_facts(tmp_path, name):
    rows = [
        {"subject": "u:1", "valid_from": "2023-05-01T00:00:00Z", "state": "active", "protected": "true"},
        {"subject": "u:2", "valid_from": "0001-01-01", "state": None, "protected": None},
    ]
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    elif name == "a.csv":
        written(
            tmp_path,
            "subject,valid_from,state,protected\nu:1,2023-05-01T00:00:00Z,active,true\nu:2,0001-01-01,,\n",
            name,
        )
    else:
        lines = "\n".join(map(json.dumps, rows))
        written(tmp_path, lines if name == "a.jsonl" else json.dumps(rows), name)
    table = facts.read(tmp_path / name)
    assert table.facts_of("u:1") == [Facts(subject="u:1", valid_from=MAY, state="active", protected=True)]
    assert table.facts_of("u:2") == [Facts(subject="u:2")]


def test_a_column_that_is_missing_is_unknown_for_everybody(tmp_path):
    (row,) = facts.read(written(tmp_path, "subject,valid_from\nu:1,2023-05-01\n")).facts_of("u:1")
    assert row == Facts(subject="u:1", valid_from=MAY)


@pytest.mark.parametrize(
    "text",
    [
        "subject,state\nu:1,active\nu:2,active\n",
        "subject,valid_from,state\nu:1,,active\nu:2,,active\nu:3,2023-05-01,active\n",
    ],
)
def test_a_row_without_a_date_is_never_read_as_always(tmp_path, text):
    with pytest.raises(SourceError, match="2 rows have no `valid_from`") as error:
        facts.read(written(tmp_path, text))
    assert error.value.hint == "write the date from which it is known; 0001-01-01 means always"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_the_first_day_of_all_means_always_in_every_zone(tmp_path, zone):
    written(tmp_path, "subject,valid_from\nu:1,0001-01-01\nu:2,0001-01-03\n")
    where = written(tmp_path, f'[facts]\npath = "accounts.csv"\nzone = "{zone}"\n', "facts.toml")
    table = facts.read(where)
    assert table.facts_of("u:1") == [Facts(subject="u:1")]
    assert table.facts_of("u:2")[0].valid_from is not None


def test_facts_under_other_names_and_in_another_zone(tmp_path):
    written(tmp_path, "id,observed,mode\n1,2023-04-30 20:00:00,locked\n1,2023-06-01,open\n2,2023-06-01,odd\n")
    where = written(
        tmp_path,
        """
        [facts]
        path = "accounts.csv"
        zone = "America/New_York"
        [facts.columns]
        subject = "'u:' || id"
        valid_from = "observed"
        protected = "CASE mode WHEN 'locked' THEN true WHEN 'open' THEN false END"
        evidence = "'account service'"
        """,
        "facts.toml",
    )
    table = facts.read(where)
    first, second = table.facts_of("u:1")
    assert (first.valid_from, first.protected, first.evidence) == (MAY, True, "account service")
    assert (second.valid_from, second.protected) == (datetime(2023, 6, 1, 4, tzinfo=UTC), False)
    assert table.facts_of("u:2")[0].protected is None


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("subject,state\nu:1,activ\nu:2,activ\nu:3,active\n", "unknown state `activ` in 2 rows", "active"),
        ("subject,age_band\nu:1,adults\n", "unknown age band `adults` in 1 rows", "adult"),
        ("subject,residency\nu:1,UK\n", "unknown residency `UK` in 1 rows", ""),
        ("subject,state\n,active\n", "1 rows name no subject", ""),
        ("state\nactive\n", "1 rows name no subject", ""),
        ("subject,state\nu:1\n", "1 rows are malformed", "milder"),
        ("subject,valid_from\nu:1,SECRET\n", "1 rows have a `valid_from` that cannot be computed", ""),
        ("subject,protected\nu:1,maybe\n", "1 rows have a `protected` that cannot be computed", ""),
    ],
)
def test_a_fact_that_cannot_be_read_is_never_skipped(tmp_path, text, says, hint):
    with pytest.raises(SourceError, match=says) as error:
        facts.read(written(tmp_path, text))
    assert hint in error.value.hint
    assert "SECRET" not in str(error.value) + error.value.hint


def test_mistakes_in_the_mapping_are_named(tmp_path):
    written(tmp_path, "id\n1\n")
    cases = {
        '[facts]\npath = "accounts.csv"\n[facts.columns]\nsubjct = "id"': (VocabularyError, "subjct"),
        '[facts]\npath = "accounts.csv"\n[facts.columns]\nsubject = "ident"': (
            SourceError,
            "`subject` cannot be",
        ),
        '[facts]\npath = "accounts.csv"\nzone = "Europe/Berlim"': (VocabularyError, "Berlim"),
        "[fact]": (SourceError, "without .facts"),
    }
    for text, (kind, says) in cases.items():
        with pytest.raises(kind, match=says):
            facts.read(written(tmp_path, text, "facts.toml"))


def test_the_digest_is_of_what_was_read(tmp_path):
    said = "subject,valid_from,state\nu:1,2023-05-01,{}\n".format
    one = facts.read(written(tmp_path, said("active"))).digest
    assert facts.read(written(tmp_path, said("active"))).digest == one
    assert facts.read(written(tmp_path, said("deleted"))).digest != one
    assert FactsTable.of(ANN + BOB).digest == FactsTable.of(BOB + ANN).digest != FactsTable.empty().digest


def test_rows_that_disagree_at_one_instant_both_stay_and_the_strictest_counts(tmp_path):
    rows = "subject,valid_from,state,protected\nu:1,2023-05-01T00:00:00Z,active,false\n"
    table = facts.read(written(tmp_path, rows + "u:1,2023-05-01T00:00:00Z,suspended,true\n"))
    found = table.facts_of("u:1")
    assert len(found) == 2
    standing = account.standing(found, [], JUNE, JUNE)
    assert (standing.state, standing.protected) == ("suspended", True)


SUBJECTS = st.sampled_from(["u:1", "u:10", "u:2", "é", "z", "😀", "\uffff", "U:1", " "])


@given(st.lists(st.builds(Facts, subject=SUBJECTS, state=st.sampled_from([None, *vocabulary.ACCOUNT_STATES]))))
def test_everyone_is_found_again_whatever_they_are_called(rows):
    table = FactsTable.of(rows)
    for subject in {row.subject for row in rows}:
        wanted = [row for row in rows if row.subject == subject]
        assert sorted(table.facts_of(subject), key=str) == sorted(wanted, key=str)


@given(
    st.sampled_from([None, MAY, JUNE]),
    st.sampled_from([*vocabulary.ACCOUNT_STATES, None, "asleep"]),
    st.sampled_from([None, True, False]),
    st.sampled_from([*vocabulary.AGE_BANDS, None, "40"]),
    st.sampled_from(["DE", "US-TX", "nowhere", None]),
    st.sampled_from([None, MAY]),
)
def test_one_observation_says_what_the_same_said_twice_says(begun, state, protected, age, home, seen):
    row = Facts(
        subject="u:ann", valid_from=begun, state=state, protected=protected, age_band=age, residency=home, last_interaction=seen
    )  # fmt: skip
    spans = account.timeline([row], [], MAY)
    assert spans == account.timeline([row, row], [], MAY)
    assert len(spans) == (begun != JUNE)


@pytest.mark.parametrize("rows", [1, 2])
def test_moments_that_are_equal_are_one_whatever_calendar_they_come_in(rows: int) -> None:
    """Months are counted from the last interaction, and half a day of another calendar can be a day more or less of them."""
    there = datetime(2023, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=14)))
    said = [
        Facts(subject="u:ann", state="active", last_interaction=moment) for moment in (there, there.astimezone(UTC))
    ]
    for row in said:
        [span] = account.timeline([row] * rows, [], there + timedelta(days=1))
        assert str(span.last_interaction) == "2023-02-28 10:30:00+00:00"
