"""A platform's own list of choices comes in whole: each row imported, there already, or listed with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import suppression
from aboveboard.choice import RECORD_TYPES, TYPES, Event, fold
from aboveboard.cli.choice import choice
from aboveboard.errors import AboveboardError, LedgerError, SourceError, VocabularyError, WorkspaceError
from aboveboard.ledger import ImportReport, Ledger, import_choices, periods, read_map
from aboveboard.ledger.choice_map import ChoiceMap, parse_map
from aboveboard.ledger.events import FIELDS
from aboveboard.ledger.importing import REASONS

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
COLUMNS = {
    "external_id": "id", "subject": "who", "type": "what", "category": "about", "purpose": "purpose",
    "effective_at": '"when"', "expires_at": "until", "method": "'settings'",
}  # fmt: skip
MAP = ChoiceMap(columns=COLUMNS, zone="Europe/Berlin", types={"opt_out": "withdrawn", "opt_in": "given"})
HEADER = "id,who,what,about,purpose,when,until"
GOOD = "e1,u1,opt_out,user.content,train_ai_system,2024-05-01T10:00:00,"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", lambda: NOW) as opened:
        yield opened


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, header: str = HEADER, name: str = "choices.csv") -> Path:
        (tmp_path / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return tmp_path / name

    return write


def mapped(**columns: str) -> ChoiceMap:
    return replace(MAP, columns={**COLUMNS, **columns})


def totals(report: ImportReport) -> tuple[int, int, int]:
    left_out = sum(report.quarantined.values())
    assert report.rows == report.imported + report.already + left_out
    return report.imported, report.already, left_out


# What comes in


def test_a_row_becomes_the_event_it_says(ledger: Ledger, csv: Callable[..., Path]) -> None:
    file = csv("e7,u1,opt_in,user.content,train_ai_system.generative,2024-05-01T10:00:00,P12M")
    assert totals(import_choices(ledger, file, MAP)) == (1, 0, 0)
    assert ledger.events_of("u1") == [
        Event(
            position=1, external_id="e7", subject="u1", type="given", category="user.content",
            purpose="train_ai_system.generative", method="settings",
            effective_at=datetime(2024, 5, 1, 8, tzinfo=UTC), recorded_at=NOW,
            expires_at=datetime(2025, 5, 1, 8, tzinfo=UTC),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2024-05-01", datetime(2024, 4, 30, 22, tzinfo=UTC)),
        ("2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01 10:00:00.25+05:30", datetime(2024, 5, 1, 4, 30, 0, 250_000, tzinfo=UTC)),
        ("2024-01-01 00:00:00", datetime(2023, 12, 31, 23, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_read_in_the_zone_of_the_map(
    ledger: Ledger, csv: Callable[..., Path], said: str, meant: datetime
) -> None:
    import_choices(ledger, csv(f"e1,u1,opt_out,,,{said},"), MAP)
    assert ledger.events_of("u1")[0].effective_at == meant


def test_every_format_gives_the_same_events(ledger: Ledger, csv: Callable[..., Path], tmp_path: Path) -> None:
    rows = [
        GOOD,
        "e2,ü2,opt_in,*,analyse.tdm,2024-05-02T10:00:00+00:00,P1Y",
        'e3,"u,3",objected,,,2024-05-03,',
    ]
    file = csv(*rows)
    for kind in ("jsonl", "parquet"):
        options = "(FORMAT json)" if kind == "jsonl" else "(FORMAT parquet)"
        copy = f"COPY (FROM read_csv('{file}', all_varchar = true)) TO '{tmp_path}/choices.{kind}' {options}"
        duckdb.execute(copy)
    events = []
    for kind in ("csv", "jsonl", "parquet"):
        with Ledger.open(tmp_path / f"{kind}.db", lambda: NOW) as one:
            assert totals(import_choices(one, tmp_path / f"choices.{kind}", MAP)) == (3, 0, 0)
            events.append(one.snapshot().events_table().to_pylist())
    assert events[0] == events[1] == events[2]


def test_typed_columns_of_parquet_are_moments_of_their_own(ledger: Ledger, tmp_path: Path) -> None:
    duckdb.execute(
        f"""COPY (SELECT 'u1' AS who, 'withdrawn' AS what, TIMESTAMP '2024-05-01 10:00:00' AS local,
                         epoch_ms(1714557600000) AS utc, 1714557600 AS seconds, true AS checked)
            TO '{tmp_path}/c.parquet' (FORMAT parquet)"""
    )
    base = {"subject": "who", "type": "what", "verified": "checked"}
    for sql in ("local", "to_timestamp(seconds)", "utc AT TIME ZONE 'UTC'", "local::VARCHAR"):
        columns = {**base, "effective_at": sql, "external_id": f"'{len(sql)}'"}
        import_choices(ledger, tmp_path / "c.parquet", replace(MAP, columns=columns))
    hours = [event.effective_at.hour for event in ledger.events_of("u1")]
    assert hours == [8, 10, 10, 8]
    seconds = replace(MAP, columns={**base, "effective_at": "seconds"})
    with pytest.raises(SourceError, match="number, not a moment"):
        import_choices(ledger, tmp_path / "c.parquet", seconds)


def test_all_of_a_scope_is_said_with_a_star(ledger: Ledger, csv: Callable[..., Path]) -> None:
    report = import_choices(
        ledger,
        csv("e1,u1,opt_in,*,*,2024-05-01,", "e2,u1,opt_in,,*,2024-05-01,", "e3,u1,opt_out,,,2024-05-01,"),
        MAP,
    )
    assert report.quarantined == {"scope_blank": 1}  # a blank must not widen a yes; a no it may
    assert [(e.type, e.category, e.purpose) for e in ledger.events_of("u1")] == [
        ("given", None, None),
        ("withdrawn", None, None),
    ]


@pytest.mark.parametrize(("kind", "verified"), [("withdrawn", True), ("given", False), ("notice_shown", False)])
def test_a_blank_flag_reads_towards_the_stricter(
    ledger: Ledger, csv: Callable[..., Path], kind: str, verified: bool
) -> None:
    import_choices(ledger, csv(f"e1,u1,{kind},*,*,2024-05-01,"), mapped(verified="nullif('', '')"))
    assert ledger.events_of("u1")[0].verified is verified


# What stays out

ROWS = {
    "subject_blank": "x, ,opt_out,,,2024-05-01,",
    "subject_rounded": "x,1.2345E+18,opt_out,,,2024-05-01,",
    "type_blank": "x,u2,,,,2024-05-01,",
    "type_unknown": "x,u2,opt_uot,,,2024-05-01,",
    "category_unknown": "x,u2,opt_out,user.contnet,,2024-05-01,",
    "purpose_unknown": "x,u2,opt_out,,training,2024-05-01,",
    "scope_blank": "x,u2,opt_in,user.content,,2024-05-01,",
    "effective_at_unreadable": "x,u2,opt_out,,,yesterday,",
    "expires_at_unreadable": "x,u2,opt_in,*,*,2024-05-01,P1X",
    "unreadable": "x,u2,opt_out",
}
COLUMNS_WITH = {
    "recipient_unknown": ("recipient", "'everybody'"),
    "actor_unknown": ("actor", "'neighbour'"),
    "actor_cannot_open": ("actor", "'tenant_admin'"),
    "method_not_of_actor": ("method", "' parental '"),
    "recorded_at_unreadable": ("recorded_at", "'once'"),
    "recorded_in_future": ("recorded_at", "'2024-06-01T12:00:01Z'"),
    "past_unreadable": ("past_from", "'the beginning'"),
    "flag_unreadable": ("verified", "'perhaps'"),
    "vocabulary_unreadable": ("vocabulary", "'99'"),
}


@pytest.mark.parametrize("reason", ROWS)
def test_a_row_that_cannot_be_imported_is_listed(
    ledger: Ledger, csv: Callable[..., Path], tmp_path: Path, reason: str
) -> None:
    report = import_choices(ledger, csv(GOOD, ROWS[reason]), MAP, quarantine=tmp_path / "left")
    assert totals(report) == (1, 0, 1)
    assert report.quarantined == {reason: 1}
    assert report.quarantine_file is not None
    (line,) = report.quarantine_file.read_text().splitlines()
    where = {"line": 3} if reason == "unreadable" else {"row": 2}
    assert json.loads(line) == {**where, "reason": reason, "says": REASONS[reason]}


@pytest.mark.parametrize("reason", COLUMNS_WITH)
def test_a_field_that_cannot_be_imported_is_listed(ledger: Ledger, csv: Callable[..., Path], reason: str) -> None:
    name, sql = COLUMNS_WITH[reason]
    report = import_choices(ledger, csv("e1,u1,opt_in,*,*,2024-05-01,"), mapped(**{name: sql}))
    assert report.quarantined == {reason: 1}


def test_values_and_windows_are_checked(ledger: Ledger, csv: Callable[..., Path]) -> None:
    rows = ["e1,u1,moved,*,*,2024-05-01,", "e2,u1,opt_out,,,2024-05-01,"]
    columns = {"value": "'Atlantis'", "past_from": "'2024-02-01'", "past_to": "'2024-01-01'"}
    report = import_choices(ledger, csv(*rows), mapped(**columns))
    assert report.quarantined == {"value_unknown": 1, "past_reversed": 1}


def test_who_may_only_close_imports_nothing_that_opens(ledger: Ledger, csv: Callable[..., Path]) -> None:
    kinds = ["restored", "moved", "notice_shown", "deleted", "opt_out", "opt_in"]
    rows = [f"e{i},u1,{kind},*,*,2024-05-01," for i, kind in enumerate(kinds)]
    for actor in ("tenant_admin", "stranger"):
        columns = {"actor": f"'{actor}'", "value": "'DE'", "external_id": f"'{actor}' || id"}
        report = import_choices(ledger, csv(*rows), mapped(**columns))
        assert report.quarantined == {"actor_cannot_open": 4}
    assert {event.type for event in ledger.events_of("u1")} == {"deleted", "withdrawn"}


def test_a_method_of_somebody_else_is_listed_and_their_own_is_kept(ledger: Ledger, csv: Callable[..., Path]) -> None:
    said = ["parent,parental", "estate,estate", "subject,parental", "parent,estate", ",estate", "parent,by phone"]
    rows = [f"e{i},u1,opt_out,2024-05-01,{one}" for i, one in enumerate(said)]
    columns = {
        "external_id": "id", "subject": "who", "type": "what", "effective_at": '"when"', "actor": "actor",
        "method": "method",
    }  # fmt: skip
    file = csv(*rows, header="id,who,what,when,actor,method")
    report = import_choices(ledger, file, replace(MAP, columns=columns))
    assert report.quarantined == {"method_not_of_actor": 3}
    assert [event.method for event in ledger.events_of("u1")] == ["parental", "estate", "by phone"]


def test_every_reason_is_tested() -> None:
    elsewhere = {"subject_erased", "value_unknown", "past_reversed", "external_id_taken", "external_id_conflict"}
    assert set(REASONS) == {*ROWS, *COLUMNS_WITH, *elsewhere}


def test_malformed_lines_of_jsonl_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    good = {
        "id": "e1",
        "who": "u1",
        "what": "opt_out",
        "about": None,
        "purpose": "",
        "when": "2024-05-01",
        "until": None,
    }
    (tmp_path / "c.jsonl").write_text("\n".join([json.dumps(good), "", "{", "[1]", "7", json.dumps(good)]))
    assert import_choices(ledger, tmp_path / "c.jsonl", MAP) == ImportReport(
        rows=5, imported=1, already=1, quarantined={"unreadable": 3}
    )


def test_nested_json_is_reached_by_the_map(ledger: Ledger, tmp_path: Path) -> None:
    row = {"user": {"id": "12345678901234567"}, "scope": {"a.b": ["analyse.tdm"]}}
    (tmp_path / "c.jsonl").write_text(json.dumps(row))
    columns = {
        "subject": "\"user\"->>'id'", "type": "'refused'", "effective_at": "'2024-05-01'",
        "purpose": "scope->>'$.\"a.b\"[0]'",
    }  # fmt: skip
    import_choices(ledger, tmp_path / "c.jsonl", ChoiceMap(columns=columns, zone="UTC"), ids_verified=True)
    assert ledger.events_of("12345678901234567")[0].purpose == "analyse.tdm"


# Again and again


def test_the_same_file_twice_changes_nothing(ledger: Ledger, csv: Callable[..., Path]) -> None:
    rows = [GOOD, "e2,u2,opt_in,*,*,2024-05-02,P1M", ROWS["type_unknown"]]
    first = import_choices(ledger, csv(*rows), MAP)
    assert totals(first) == (2, 0, 1)
    assert totals(import_choices(ledger, csv(*rows), MAP)) == (0, 2, 1)
    more = [*rows, "e3,u3,opt_out,,,2024-05-03,"]
    assert totals(import_choices(ledger, csv(*more), MAP)) == (1, 2, 1)
    assert ledger.head() == 3


def test_without_an_external_id_the_content_tells(ledger: Ledger, csv: Callable[..., Path]) -> None:
    columns = {name: sql for name, sql in COLUMNS.items() if name != "external_id"}
    rows = [GOOD, GOOD, GOOD.replace("u1", "u2")]
    assert totals(import_choices(ledger, csv(*rows), replace(MAP, columns=columns))) == (2, 1, 0)
    assert totals(import_choices(ledger, csv(*rows[::-1]), replace(MAP, columns=columns))) == (0, 3, 0)
    assert str(ledger.events_of("u1")[0].external_id).startswith("content:")


def test_two_statements_under_one_id_are_both_left_out(ledger: Ledger, csv: Callable[..., Path]) -> None:
    report = import_choices(ledger, csv(GOOD, GOOD.replace("opt_out", "objected"), "e2,u2,opt_out,,,2024-05-01,"), MAP)
    assert report.quarantined == {"external_id_conflict": 2}
    assert ledger.head() == 1


def test_another_statement_than_the_ledgers_is_left_out(ledger: Ledger, csv: Callable[..., Path]) -> None:
    import_choices(ledger, csv(GOOD), MAP)
    report = import_choices(ledger, csv(GOOD.replace("opt_out", "objected"), GOOD), MAP)
    assert (totals(report), report.quarantined) == ((0, 1, 1), {"external_id_taken": 1})


def test_a_dry_run_counts_the_same_and_writes_nothing(ledger: Ledger, csv: Callable[..., Path], tmp_path: Path) -> None:
    file = csv(GOOD, GOOD, *ROWS.values(), "e2,u1,opt_in,*,*,2024-05-01,")
    dry = import_choices(ledger, file, MAP, dry_run=True, quarantine=tmp_path / "left")
    assert (ledger.head(), (tmp_path / "left").exists()) == (0, False)
    wet = import_choices(ledger, file, MAP, quarantine=tmp_path / "left")
    assert replace(wet, dry_run=True, quarantine_file=None) == dry
    assert totals(wet) == (2, 1, len(ROWS))


def test_an_import_goes_in_chunks_and_says_how_far_it_is(
    ledger: Ledger, csv: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aboveboard.ledger.importing.CHUNK", 4)
    heard: list[tuple[int, int]] = []
    file = csv(*(f"e{i},u{i},opt_out,,,2024-05-01," for i in range(10)))
    report = import_choices(ledger, file, MAP, progress=lambda done, total: heard.append((done, total)))
    assert totals(report) == (10, 0, 0)
    assert heard == [(4, 10), (8, 10), (10, 10)]


def test_somebody_else_may_write_meanwhile(
    ledger: Ledger, csv: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aboveboard.ledger.importing.CHUNK", 1)
    file = csv(*(f"e{i},u{i},opt_out,,,2024-05-01," for i in range(3)))
    both = [lambda: import_choices(ledger, file, MAP)]  # the second import runs inside the first
    report = import_choices(ledger, file, MAP, progress=lambda *_: both.pop()() if both else None)
    assert (totals(report), ledger.head()) == ((1, 2, 0), 3)


# When it was recorded


def test_a_platforms_own_log_keeps_when_it_was_recorded(ledger: Ledger, csv: Callable[..., Path]) -> None:
    rows = ["e1,u1,opt_in,*,*,2023-05-01,", "e2,u1,opt_out,,,2023-03-01,", "e3,u1,opt_out,,,,"]
    log = mapped(recorded_at='"when"', effective_at="coalesce(\"when\", '2024-01-01')")
    assert totals(import_choices(ledger, csv(*rows), log)) == (3, 0, 0)
    found = [(e.external_id, e.recorded_at.year) for e in ledger.events_of("u1")]
    assert found == [("e2", 2023), ("e1", 2023), ("e3", 2024)]  # what carries no time is recorded now


def test_a_log_older_than_the_ledger_counts_as_recorded_with_its_last(ledger: Ledger, csv: Callable[..., Path]) -> None:
    ledger.append(Event(subject="u0", type="refused", recorded_at=NOW, effective_at=NOW))
    report = import_choices(ledger, csv("e1,u1,opt_in,*,*,2023-05-01,"), mapped(recorded_at='"when"'))
    assert report.raised == 1
    assert ledger.events_of("u1")[0].counts_from == NOW


# Ids

LONG = 1_234_567_890_123_456_789


def ids(csv: Callable[..., Path], numbers: Sequence[int], prefix: str = "") -> Path:
    return csv(*(f"e{i},{prefix}{number},opt_out,,,2024-05-01," for i, number in enumerate(numbers)))


@pytest.mark.parametrize("prefix", ["", "u:"])
def test_a_list_of_rounded_ids_is_refused(ledger: Ledger, csv: Callable[..., Path], prefix: str) -> None:
    exact = [LONG + 1_000_003 * i for i in range(20)]
    import_choices(ledger, ids(csv, exact, prefix), MAP)
    rounded = ids(csv, [int(float(number)) for number in exact], prefix)
    with pytest.raises(SourceError, match="look rounded"):
        import_choices(ledger, rounded, MAP, ids_verified=True)
    assert ledger.head() == 20


def test_few_long_ids_need_somebody_who_vouches(ledger: Ledger, csv: Callable[..., Path], tmp_path: Path) -> None:
    file = ids(csv, [LONG, LONG + 2])
    with pytest.raises(SourceError, match="too few"):
        import_choices(ledger, file, MAP)
    known = csv(str(LONG), str(LONG + 2), header="account", name="known.csv")
    assert import_choices(ledger, file, MAP, known=known, known_column="account").strangers == 0
    assert totals(import_choices(ledger, file, MAP, ids_verified=True)) == (0, 2, 0)


@pytest.mark.parametrize("where", ['{"who": %d}', '{"a": {"who" : %d}}'])
def test_a_json_number_beyond_exact_is_refused_always(ledger: Ledger, tmp_path: Path, where: str) -> None:
    columns = {"subject": "coalesce(who, a->>'who')", "type": "'refused'", "effective_at": "'2024-05-01'"}
    choice_map = ChoiceMap(columns=columns, zone="UTC")
    other = '{"who": null, "a": {}}\n'
    (tmp_path / "c.jsonl").write_text(other + where % LONG)
    with pytest.raises(SourceError, match="beyond 2\\^53"):
        import_choices(ledger, tmp_path / "c.jsonl", choice_map, ids_verified=True)
    (tmp_path / "c.jsonl").write_text(other + where % 2**53)
    assert import_choices(ledger, tmp_path / "c.jsonl", choice_map).imported == 1


def test_floating_point_ids_are_refused(ledger: Ledger, csv: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="floating-point"):
        import_choices(ledger, csv(GOOD), mapped(subject="1.5::DOUBLE"))


def test_strangers_are_counted_and_kept(ledger: Ledger, csv: Callable[..., Path]) -> None:
    known = csv("u1", header="subject", name="known.csv")
    report = import_choices(
        ledger, csv(GOOD, "e2,u2,opt_out,,,2024-05-01,", "e3,u2,objected,,,2024-05-01,"), MAP, known=known
    )
    assert (report.strangers, report.strangers_rows, ledger.head()) == (1, 2, 3)


# Faults


def test_an_expression_sees_the_rows_and_nothing_else(ledger: Ledger, csv: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(SourceError):
        import_choices(ledger, csv(GOOD), mapped(subject=f"(SELECT content FROM read_text('{tmp_path}/secret.txt'))"))


@pytest.mark.parametrize("sql", ["nobody", "who +", "who::INTEGER"])
def test_errors_of_the_map_name_it_and_never_a_row(ledger: Ledger, csv: Callable[..., Path], sql: str) -> None:
    with pytest.raises(SourceError) as caught:
        import_choices(ledger, csv(GOOD), mapped(subject=sql))
    assert "u1" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["gone.csv", "ledger.db", "choices.xlsx", "empty.parquet"])
def test_a_file_that_cannot_be_read_is_said(ledger: Ledger, tmp_path: Path, name: str) -> None:
    if name != "gone.csv":
        (tmp_path / name).touch()
    with pytest.raises(AboveboardError):
        import_choices(ledger, tmp_path / name, MAP)


VALID = """
zone = "UTC"
[columns]
subject = "id"
type = "what"
effective_at = "t"
"""


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("zone = ", LedgerError, "TOML"),
        (VALID.replace('zone = "UTC"', ""), LedgerError, "zone"),
        (VALID.replace("UTC", "Mars/Base"), LedgerError, "Mars/Base"),
        (VALID.replace('subject = "id"', ""), LedgerError, "subject"),
        (VALID + 'positon = "1"', VocabularyError, "positon"),
        (VALID + 'method = ""', LedgerError, "expression"),
        (VALID + '[types]\nyes = "granted"', VocabularyError, "granted"),
        (VALID + "[more]", VocabularyError, "more"),
        ('format = "xml"' + VALID, VocabularyError, "xml"),
        ('delimiter = "||"' + VALID, LedgerError, "delimiter"),
    ],
)
def test_a_map_that_does_not_hold_together_is_said(
    text: str, error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        parse_map(text.encode())
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(LedgerError, match=r"map\.toml"):
        read_map(tmp_path / "map.toml")


def test_a_map_says_how_to_read_the_file(ledger: Ledger, tmp_path: Path) -> None:
    choice_map = parse_map(('format = "csv"\ndelimiter = ";"' + VALID).encode())
    (tmp_path / "export.txt").write_text("id;what;t\nu1;refused;2024-05-01\n")
    assert import_choices(ledger, tmp_path / "export.txt", choice_map).imported == 1


# Periods


@pytest.mark.parametrize(
    ("start", "period", "zone", "end"),
    [
        ("2024-02-29T12:00+00:00", "P1Y", "UTC", "2025-02-28T12:00+00:00"),
        ("2024-01-31T12:00+00:00", "P1M", "UTC", "2024-02-29T12:00+00:00"),
        ("2024-03-01T12:00+01:00", "P1M", "Europe/Berlin", "2024-04-01T12:00+02:00"),
        ("2024-01-01T00:00+00:00", "P1Y2M1W3D", "UTC", "2025-03-11T00:00+00:00"),
        ("2023-12-31T23:30+00:00", "P2M", "Asia/Tokyo", "2024-02-29T23:30+00:00"),
    ],
)
def test_periods_follow_the_calendar(start: str, period: str, zone: str, end: str) -> None:
    found = periods.after(datetime.fromisoformat(start), period, periods.zone(zone))
    assert found == datetime.fromisoformat(end)


@pytest.mark.parametrize("period", ["P", "12M", "P1.5Y", "PT1H", "P-1M", "P9999Y"])
def test_what_is_no_period_is_said(period: str) -> None:
    with pytest.raises(LedgerError):
        periods.after(NOW, period, periods.zone("UTC"))


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(lambda t: t.replace(hour=12)),  # noqa: DTZ001
            st.builds("P{}Y{}M{}W{}D".format, *[st.integers(0, 40)] * 4),
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_an_import_counts_periods_as_the_command_does(drawn: list[tuple[datetime, str]]) -> None:
    from aboveboard.ledger.importing import _expiry

    con = duckdb.connect()
    con.execute("SET TimeZone = 'Europe/Berlin'")
    row = '(SELECT $1::TIMESTAMP AS effective_at, $2 AS "said expires_at")'
    sql = f"SELECT {_expiry('VARCHAR', 'Europe/Berlin')} FROM {row}"
    for start, period in drawn:
        expected = periods.after(start.replace(tzinfo=UTC), period, periods.zone("Europe/Berlin"))
        assert con.execute(sql, [start, period]).fetchall() == [(expected.replace(tzinfo=None),)]


# The command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def unsigned(_event: Event) -> bytes:
        raise WorkspaceError("the workspace has no keys")  # a choice is recorded all the same

    def opened(_folder: str) -> Any:
        ledger = Ledger.open(tmp_path / "ledger.db", lambda: NOW)
        return SimpleNamespace(ledger=ledger, receipt=unsigned, gone=lambda: suppression.NONE)

    monkeypatch.setattr("aboveboard.workspace.open_workspace", opened)
    return lambda *words: CliRunner().invoke(choice, [str(word) for word in words])


def test_record_prints_a_receipt(run: Callable[..., Result]) -> None:
    words = (
        "record",
        "u1",
        "given",
        "--category",
        "user.content",
        "--purpose",
        "train_ai_system",
        "--expires",
        "P12M",
    )
    result = run(*words, "--effective", "2024-05-01T10:00", "--zone", "Europe/Berlin", "--external-id", "a")
    assert result.exit_code == 0, result.output
    assert "yes to what someone made, for: train models" in result.output
    assert "counts from  2024-06-01 12:00:00 UTC" in result.output  # not from a month before it was recorded
    assert "holds until  2025-05-01 08:00:00 UTC" in result.output
    again = json.loads(run(*words, "--effective", "2024-05-01T08:00Z", "--external-id", "a", "--json").stdout)
    assert (again["position"], again["already_there"]) == (1, True)


def test_every_type_prints_as_a_sentence(run: Callable[..., Result]) -> None:
    values = {"age_changed": "adult", "moved": "DE", "record_withdrawn": "posts/1", **dict.fromkeys(RECORD_TYPES, "1")}
    for type in TYPES:
        extra = ("--value", values[type]) if type in values else ()
        assert run("record", "u1", type, *extra).exit_code == 0
    shown = run("show", "u1")
    assert shown.exit_code == 0
    assert len([line for line in shown.output.splitlines() if "2024-06-01" in line]) > len(TYPES)


def test_show_says_what_is_in_force(run: Callable[..., Result]) -> None:
    run("record", "u1", "refused", "--purpose", "train_ai_system")
    run("record", "u1", "given", "--purpose", "employment.recommend_jobs")
    found = json.loads(run("show", "u1", "--json").output)["choices"]
    assert found["train_ai_system.generative"]["state"] == "refused"
    assert found["employment.recommend_jobs"]["state"] == "given"
    assert found["analyse.tdm"]["state"] == "silent"
    prose = run("show", "u1", "--purpose", "train_ai_system").output
    assert prose.count("said no since 2024-06-01 12:00:00 UTC (event 1)") == 3
    assert json.loads(run("show", "u1", "--at", "2024-05-01", "--json").output)["events"] == []


def test_unverified_and_older_data_are_said(run: Callable[..., Result]) -> None:
    assert "not verified yet" in run("record", "u1", "refused", "--unverified").output
    assert "held" in run("show", "u1", "--purpose", "analyse.tdm").output
    run("record", "u2", "given", "--past-from", "2020-01-01", "--past-to", "2030-01-01")
    assert "with data from 2020-01-01 00:00:00 UTC until 2030" in run("show", "u2").output
    assert "for this older data too" in run("show", "u2", "--purpose", "analyse").output


@pytest.mark.parametrize(
    "words",
    [
        ("record", "u1", "alowed"),
        ("record", "u1", "given", "--purpose", "training"),
        ("record", "u1", "given", "--actor", "tenant_admin"),
        ("record", "u1", "given", "--expires", "P1X"),
        ("record", "u1", "given", "--zone", "Mars/Base"),
        ("show", "u1", "--category", "user.contnet"),
    ],
)
def test_what_cannot_be_recorded_is_an_error_of_ours(run: Callable[..., Result], words: Sequence[str]) -> None:
    assert isinstance(run(*words).exception, AboveboardError)


def test_a_time_that_is_none_is_wrong_usage(run: Callable[..., Result]) -> None:
    assert run("record", "u1", "given", "--effective", "soon").exit_code == 2
    assert run("show", "u1", "--at", "soon").exit_code == 2


def test_import_prints_counts_and_ends_with_one_when_rows_stay_out(
    run: Callable[..., Result], csv: Callable[..., Path], tmp_path: Path
) -> None:
    columns = "\n".join(f"{name} = {json.dumps(sql)}" for name, sql in COLUMNS.items())
    (tmp_path / "map.toml").write_text(f'zone = "UTC"\n[columns]\n{columns}\n[types]\nopt_out = "withdrawn"\n')
    words = ("import", csv(GOOD), "--map", tmp_path / "map.toml")
    dry = run(*words, "--dry-run")
    assert (dry.exit_code, dry.stdout.splitlines()) == (
        0,
        ["1 rows: 1 would be imported, 0 were there already, 0 would be quarantined"],
    )
    assert json.loads(run(*words, "--json").stdout)["imported"] == 1
    words = ("import", csv(GOOD, ROWS["type_unknown"]), *words[2:])
    result = run(*words, "--quarantine", tmp_path / "left", "--known", csv("u9", header="subject", name="k.csv"))
    assert result.exit_code == 1
    assert "2 rows: 0 imported, 1 were there already, 1 quarantined" in result.stdout
    assert "type_unknown" in result.stdout
    assert "1 subjects are no known account" in result.stdout


def test_the_command_works_on_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "aboveboard.toml").write_text("")
    result = CliRunner().invoke(choice, ["record", "u1", "refused", "-w", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "ledger.db").is_file()
    assert timedelta(0) <= datetime.now(UTC) - _first(tmp_path).recorded_at < timedelta(minutes=5)


def _first(folder: Path) -> Event:
    with Ledger.open(folder / "ledger.db") as ledger:
        return ledger.events_of("u1")[0]


# The page docs/formats/event.md

MOMENTS = tuple(name for name, kind in FIELDS.items() if kind == "moment")
PAGE = (Path(__file__).parent.parent / "docs" / "formats" / "event.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The code block of this name."""
    return re.search(rf"^```\w+ {re.escape(name)}\n(.*?)^```", PAGE, re.M | re.S)[1]  # type: ignore[index]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_worked_example_is_true() -> None:
    said = [
        Event(**{"subject": "u", **{k: day(v) if k in MOMENTS else v for k, v in event.items()}})
        for event in json.loads(block("events.json"))
    ]
    table = PAGE[PAGE.index("| category | purpose | collected") :].split("\n\n")[0]
    rows = [[cell.strip("` ") for cell in line.split("|")[1:6]] for line in table.splitlines()[2:]]
    assert len(rows) == 11
    for category, purpose, collected, asked, answer in rows:
        at = None if collected == "unknown" else day(collected)
        assert fold(said, category, purpose, "controller", at, day(asked)).state == answer


def test_the_example_of_an_import_runs(ledger: Ledger, tmp_path: Path) -> None:
    for name in ("choices.csv", "choices.toml"):
        (tmp_path / name).write_text(block(name), encoding="utf-8")
    report = import_choices(ledger, tmp_path / "choices.csv", read_map(tmp_path / "choices.toml"))
    assert (totals(report), report.quarantined) == ((2, 0, 1), {"type_unknown": 1})
    assert ledger.events_of("u:7")[0].expires_at == datetime(2026, 3, 10, 9, tzinfo=UTC)


def test_the_page_names_every_field_and_reason() -> None:
    for word in (*FIELDS, *TYPES, *REASONS):
        assert f"`{word}`" in PAGE, word
