"""Reads a platform's own list of choices into the ledger: millions of rows, each one accounted for.

Rows of the file = imported + already there + quarantined, always; a quarantined row has a number and a
reason, never its content. A dry run does everything but write. What a word, a scope or a yes may be is asked
of ``choice.validate`` once for every distinct combination in the file. Specification: docs/formats/event.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import paths, vocabulary
from aboveboard.choice import DENIES, GRANTS, METHOD_ACTORS, TYPES, Event, validate
from aboveboard.errors import AboveboardError, LedgerError, SourceError
from aboveboard.ledger import choice_file, ids, periods
from aboveboard.ledger.choice_file import literal
from aboveboard.ledger.choice_map import COLUMNS, ChoiceMap
from aboveboard.ledger.events import CONTENT, FIELDS, micros
from aboveboard.ledger.flatten import quoted
from aboveboard.ledger.ledger import Ledger
from aboveboard.suppression import NONE, Suppressions

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

CHUNK = 50_000
"""Rows of one transaction."""

REASONS: Mapping[str, str] = {
    "unreadable": "the row has the wrong number of columns, or is no JSON object or no UTF-8",
    "subject_blank": "nobody is named",
    "subject_rounded": "the id is in scientific notation: a spreadsheet rounded it",
    "subject_erased": "the person was erased here, and nothing of theirs comes back",
    "type_blank": "nothing says what was said",
    "type_unknown": "a word for the type that neither [types] nor the vocabulary knows",
    "category_unknown": "a category outside the vocabulary",
    "purpose_unknown": "a purpose outside the vocabulary",
    "recipient_unknown": "a recipient that is none of controller, processor, affiliate, third_party",
    "actor_unknown": "an actor outside the vocabulary",
    "actor_cannot_open": "an administrator or a stranger may only record what closes",
    "method_not_of_actor": "the method `estate` is only the estate's, and `parental` only a parent's",
    "value_unknown": "an age band or a residency outside the vocabulary",
    "scope_blank": "a yes with a blank category, purpose or recipient; `*` says all of them",
    "effective_at_unreadable": "no moment at which it was said, or none that can be read",
    "recorded_at_unreadable": "the moment of recording cannot be read",
    "recorded_in_future": "recorded at a moment that is yet to come",
    "past_unreadable": "the window of past data cannot be read",
    "past_reversed": "the window of past data ends before it begins",
    "expires_at_unreadable": "neither a moment nor a period such as P12M",
    "flag_unreadable": "verified or effective_verified is neither true nor false",
    "vocabulary_unreadable": "the vocabulary version is no number that we know",
    "external_id_taken": "the ledger holds another statement under this external id",
    "external_id_conflict": "the file holds two statements under this external id",
}
"""Why a row may be quarantined; the first that applies, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or under a dry run would do. ``strangers``: subjects that are no known account."""

    rows: int
    imported: int
    already: int
    quarantined: Mapping[str, int] = field(default_factory=dict)
    strangers: int | None = None
    strangers_rows: int | None = None
    raised: int = 0
    dry_run: bool = False
    quarantine_file: Path | None = None


def import_choices(
    ledger: Ledger,
    path: Path,
    choice_map: ChoiceMap,
    *,
    dry_run: bool = False,
    quarantine: Path | None = None,
    ids_verified: bool = False,
    known: Path | None = None,
    known_column: str = "subject",
    gone: Suppressions = NONE,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import the choices in ``path``; ``progress`` hears of rows written and rows to write, ``gone`` says who was erased.

    Idempotent by external id (or by content, where the map gives none): a broken-off import is simply run
    again. Raises SourceError where the whole file must be refused, LedgerError where the ledger cannot take
    it.
    """
    files = [path] if known is None else [path, known]
    with choice_file.engine(files, choice_map.zone) as con:
        choice_file.read(con, path, choice_map)
        if known is not None:
            _read_known(con, known, known_column)
        _state(con, path, choice_map)
        with _rows_unquoted(path):
            _refuse_rounded_ids(con, path, choice_map, ids_verified=ids_verified, has_known=known is not None)
            _find_erased(con, gone)
            _judge(con, choice_map, ledger.now())
        head = _find_there(con, ledger)
        con.execute(_FATES.format(statement=_statement({name: name for name in _SAID})))
        report = _report(con, ledger, choice_map, dry_run=dry_run, has_known=known is not None)
        if dry_run:
            return report
        if quarantine is not None and report.quarantined:
            report = replace(report, quarantine_file=_write_quarantine(con, path, quarantine))
        added = _write(con, ledger, head, report.imported, "recorded_at" in choice_map.columns, progress)
        return replace(report, imported=added, already=report.already + report.imported - added)


# 1. Known accounts


def _read_known(con: Connection, path: Path, column: str) -> None:
    """Make the table ``known`` with the ids of the accounts that exist."""
    import duckdb

    readers = {".csv": ("read_csv", "all_varchar = true", "header = true"), ".parquet": ("read_parquet",)}
    reader, *options = readers.get(path.suffix.lower(), ("read_json", "format = 'newline_delimited'"))
    source = paths.scan(reader, path, *options)
    try:
        con.execute(f"CREATE TABLE known AS SELECT DISTINCT {quoted(column)}::VARCHAR AS id FROM {source}")
    except duckdb.Error:
        raise SourceError(
            f"cannot read the known accounts from the column `{column}`",
            hint="a CSV, Parquet or JSONL file; name the column with --known-column", file=path,
        ) from None  # fmt: skip


# 2. What the rows state: the expressions of the map, read as what each field holds

_PERIOD = """TRY((effective_at AT TIME ZONE 'UTC' AT TIME ZONE {zone}
  + to_months((12 * coalesce(nullif(regexp_extract({text}, {pattern}, 1), ''), '0')::INTEGER
                  + coalesce(nullif(regexp_extract({text}, {pattern}, 2), ''), '0')::INTEGER))
  + to_days((7 * coalesce(nullif(regexp_extract({text}, {pattern}, 3), ''), '0')::INTEGER
               + coalesce(nullif(regexp_extract({text}, {pattern}, 4), ''), '0')::INTEGER)))
  AT TIME ZONE {zone} AT TIME ZONE 'UTC')"""
_MOMENTS = tuple(name for name in COLUMNS if FIELDS[name] == "moment")
_TEXT_TYPES = ("VARCHAR", "JSON")


def _state(con: Connection, path: Path, choice_map: ChoiceMap) -> None:
    """Make the view ``stated``: per row, the text of every field that the map gives, and its moments in UTC."""
    kinds = {name: _kind(con, path, name, sql) for name, sql in choice_map.columns.items()}
    parts = [f"({sql}) AS {quoted('said ' + name)}" for name, sql in choice_map.columns.items()]
    fields = [_field(name, kinds.get(name), choice_map.zone) for name in COLUMNS if name != "expires_at"]
    said = f'SELECT "aboveboard row" AS row, {", ".join(parts)} FROM file_rows'
    typed = f"SELECT *, {', '.join(fields)} FROM ({said})"
    expiry = _expiry(kinds.get("expires_at"), choice_map.zone)
    con.execute("CREATE TABLE words (said VARCHAR, type VARCHAR)")
    if choice_map.types:
        con.executemany("INSERT INTO words VALUES (?, ?)", list(choice_map.types.items()))
    con.execute(
        f"CREATE VIEW stated AS SELECT t.* REPLACE (coalesce(words.type, t.type) AS type), {expiry}"
        f" FROM ({typed}) t LEFT JOIN words ON words.said = t.type"
    )


@contextmanager
def _rows_unquoted(path: Path) -> Iterator[None]:
    """Tells that an expression of the map failed on a row, without DuckDB's message, which quotes the row."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise SourceError(
            "an expression of the map fails on a row", hint="use try_cast where a value may not fit",
            file=path, kind=type(error).__name__,
        ) from None  # fmt: skip


def _kind(con: Connection, path: Path, name: str, sql: str) -> str:
    """The SQL type of an expression of the map; SourceError where it has none that fits the field."""
    import duckdb

    try:
        kind = str(con.execute(f"DESCRIBE SELECT ({sql}) AS x FROM file_rows").fetchall()[0][1])
    except duckdb.Error:
        columns = [row[0] for row in con.execute("DESCRIBE file_rows").fetchall()[1:]]
        raise SourceError(
            f"the map's `{name}` cannot be read: {sql}",
            hint=f"the file has {', '.join(columns[:20])}",
            file=path,
        ) from None
    if name in _MOMENTS and not (kind in _TEXT_TYPES or kind.startswith(("TIMESTAMP", "DATE")) or kind == '"NULL"'):
        raise SourceError(
            f"the map's `{name}` is a number, not a moment", hint="to_timestamp(seconds) makes one", file=path
        )
    if name in ("subject", "external_id") and kind in ("DOUBLE", "FLOAT"):
        raise SourceError(
            f"the map's `{name}` is floating-point: ids arrive rounded",
            hint="export ids as strings",
            file=path,
        )
    return kind


def _field(name: str, kind: str | None, zone: str) -> str:
    """One column of ``stated``: NULL where the file says nothing, or nothing that can be read."""
    said = quoted("said " + name)
    if kind is None:
        return f"{_default(name)} AS {name}"
    if FIELDS[name] == "moment":
        return f"{_moment(said, kind, zone)} AS {name}"
    if FIELDS[name] == "flag":
        return f"try_cast({said} AS BOOLEAN) AS {name}"
    if FIELDS[name] == "int":
        return f"try_cast({said} AS BIGINT) AS {name}"
    return f"nullif(trim({said}::VARCHAR), '') AS {name}"


def _default(name: str) -> str:
    """What ``choice.Event`` takes for a field that nobody gave; the ledger says when it was recorded."""
    default = getattr(_PROBE, name) if name not in ("subject", "type", "effective_at", "recorded_at") else None
    if isinstance(default, str):
        return literal(default)
    kinds = {"moment": "TIMESTAMP", "text": "VARCHAR", "flag": "BOOLEAN", "int": "BIGINT"}
    return f"{'NULL' if default is None else default}::{kinds[FIELDS[name]]}"


def _moment(said: str, kind: str, zone: str) -> str:
    """An instant as naive UTC: what carries no zone of its own is in the zone of the map."""
    if kind in _TEXT_TYPES or "TIME ZONE" in kind:
        return f"(try_cast({said} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    return f"(try_cast({said} AS TIMESTAMP) AT TIME ZONE {literal(zone)} AT TIME ZONE 'UTC')"


def _expiry(kind: str | None, zone: str) -> str:
    said = quoted("said expires_at")
    if kind not in _TEXT_TYPES:
        return _field("expires_at", kind, zone)
    text, pattern = f"trim({said}::VARCHAR)", literal(periods.PATTERN)
    period = _PERIOD.format(text=text, pattern=pattern, zone=literal(zone))
    is_period = f"regexp_matches({text}, {pattern}) AND {text} <> 'P'"
    return f"CASE WHEN {is_period} THEN {period} ELSE {_moment(said, str(kind), zone)} END AS expires_at"


def _refuse_rounded_ids(
    con: Connection, path: Path, choice_map: ChoiceMap, *, ids_verified: bool, has_known: bool
) -> None:
    if choice_map.format_of(path) == "jsonl":
        named = {name: choice_map.columns[name] for name in ("subject", "external_id") if name in choice_map.columns}
        ids.refuse_rounded_numbers(con, named)
    ids.refuse_rounded_texts(con, ids_verified=ids_verified, has_known=has_known)


# 3. Why a row cannot be imported

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE = Event(subject="probe", type="withdrawn", recorded_at=_BEGINNING, effective_at=_BEGINNING)
_SCOPE = ("category", "purpose", "recipient")
_COMBINED = ("type", *_SCOPE, "actor", "method", "vocabulary", "value")
_STRICT = (*sorted(DENIES), "expired", "deleted", "suppressed", "contract_bound")
"""Where nobody says whether these are verified, they are: that is the stricter reading."""


_SETTLED = """
CREATE TABLE settled AS
SELECT row, reason, coalesce(external_id, 'content:' || left({statement}, 32)) AS external_id {given}
  FROM (SELECT {stored}, {reason} AS reason
          FROM (SELECT * REPLACE ({combination}), value AS given_value, method AS given_method FROM stated) s
          JOIN combined c ON {alike} LEFT JOIN combinations USING (n))
"""


def _find_erased(con: Connection, gone: Suppressions) -> None:
    """Make the table ``erased`` of the subjects of the file who were erased: an import brings nobody back."""
    asked = con.execute("SELECT DISTINCT subject FROM stated WHERE subject IS NOT NULL").fetchall() if gone else []
    found = [subject for (subject,) in asked if gone.holds(subject)]
    con.execute("CREATE TABLE erased AS SELECT unnest(?::VARCHAR[]) AS subject", [found])


def _judge(con: Connection, choice_map: ChoiceMap, now: datetime) -> None:
    """Make ``named_rows``: the fields as they will be stored, and the reason why a row will not be, or NULL.

    What the map does not give is the same in every row, and is not kept a million times.
    """
    combination = ", ".join(_combined(name) for name in _COMBINED)
    _refuse_combinations(con, combination)
    given = [name for name in COLUMNS if name in choice_map.columns and name != "external_id"]
    settled = _SETTLED.format(
        given="".join(f", {name}" for name in given),
        statement=_statement({name: name for name in _SAID}),
        stored=_stored(),
        reason=_reason(choice_map),
        combination=combination,
        alike=" AND ".join(f"c.{name} IS NOT DISTINCT FROM s.{name}" for name in _COMBINED),
    )
    con.execute(settled, {"now": now.astimezone(UTC).replace(tzinfo=None)})
    constant = [f"{_constant(name)} AS {name}" for name in COLUMNS if name not in (*given, "external_id")]
    con.execute(f"CREATE VIEW named_rows AS SELECT *, {', '.join(constant) or 'NULL'} FROM settled")


def _constant(name: str) -> str:
    return "0" if name == "recorded_at" else f"({_default(name)})" + ("::INTEGER" if FIELDS[name] == "flag" else "")


def _refuse_combinations(con: Connection, combination: str) -> None:
    """Make ``combined``, the distinct combinations of words, and ``combinations``: why some may not be."""
    con.execute("CREATE TABLE combinations (n INTEGER, refusal VARCHAR)")
    con.execute(
        f"CREATE TABLE combined AS SELECT *, (row_number() OVER ())::INTEGER AS n"
        f" FROM (SELECT DISTINCT {combination} FROM stated)"
    )
    found = [(n, _refusal(*said)) for *said, n in con.execute("FROM combined").fetchall()]
    refused = [(n, refusal) for n, refusal in found if refusal is not None]
    if refused:
        _fill(con, "combinations", ("n", "refusal"), refused)


def _combined(name: str) -> str:
    """A scope of `*` is all of it; a value or a method is looked at only where not everything may stand there."""
    if name in _SCOPE:
        return f"nullif({name}, '*') AS {name}"
    if name == "value":
        named = "CASE WHEN type = 'record_withdrawn' AND contains(value, '/') THEN '/' END"
        return f"CASE WHEN type IN ('age_changed', 'moved') THEN value ELSE {named} END AS value"
    if name == "method":
        return f"CASE WHEN method IN {tuple(METHOD_ACTORS)} THEN method END AS method"
    return f"{name} AS {name}"


def _refusal(type: str | None, *said: Any) -> str | None:
    """The reason why ``choice.validate`` would refuse an event of this combination, or None."""
    category, purpose, recipient, actor, method, version, value = said
    if type is None:
        return "type_blank"
    if version is None or not 1 <= version <= vocabulary.VERSION:
        return "vocabulary_unreadable"
    about = {"category": category, "purpose": purpose, "recipient": recipient, "actor": actor or "subject"}
    for name, term in about.items():
        if not _stands(replace(_PROBE, **{name: term})):
            return f"{name}_unknown"
    whole = replace(_PROBE, type=type, value=value, method=method or "", **about)
    if _stands(whole):
        return None
    if type not in TYPES:
        return "type_unknown"
    if whole.overreaches:
        return "actor_cannot_open"
    return "method_not_of_actor" if whole.counted_method != whole.method else "value_unknown"


def _stands(event: Event) -> bool:
    try:
        validate(event)
    except AboveboardError:
        return False
    return True


def _reason(choice_map: ChoiceMap) -> str:
    """The first reason that applies to a row, as one CASE in the order of ``REASONS``."""
    given = choice_map.columns
    named = [name for name in _SCOPE if name in given]
    blank = " OR ".join(f"nullif(trim({quoted('said ' + name)}::VARCHAR), '') IS NULL" for name in named) or "false"
    flags = [_unread(name) for name in ("verified", "effective_verified") if name in given]
    past = [_unread(name) for name in ("past_from", "past_to") if name in given]
    tests = {
        "subject_blank": "subject IS NULL",
        "subject_rounded": r"regexp_full_match(subject, '[0-9]+([.,][0-9]+)?[eE][+]?[0-9]+')",
        "subject_erased": "subject IN (SELECT subject FROM erased)",
        "refusal": "refusal IS NOT NULL",
        "scope_blank": f"s.type IN {tuple(sorted(GRANTS))} AND ({blank})",
        "effective_at_unreadable": f"NOT coalesce({_in_range('effective_at')}, false)",
        "recorded_at_unreadable": _unread("recorded_at") if "recorded_at" in given else "false",
        "recorded_in_future": "recorded_at > $now",
        "past_unreadable": " OR ".join(past) or "false",
        "past_reversed": "past_from >= past_to",
        "expires_at_unreadable": _unread("expires_at") if "expires_at" in given else "false",
        "flag_unreadable": " OR ".join(flags) or "false",
    }
    whens = [f"WHEN {test} THEN {'refusal' if name == 'refusal' else literal(name)}" for name, test in tests.items()]
    return "CASE " + " ".join(whens) + " END"


def _unread(name: str) -> str:
    """Something is said, and it cannot be read."""
    said = f"nullif(trim({quoted('said ' + name)}::VARCHAR), '') IS NOT NULL"
    read = _in_range(name) if FIELDS[name] == "moment" else f"{name} IS NOT NULL"
    return f"({said} AND NOT coalesce({read}, false))"


def _in_range(name: str) -> str:
    """DuckDB knows moments that Python does not: infinity, and years before 1 and after 9999."""
    return f"{name} BETWEEN TIMESTAMP '0001-01-02' AND TIMESTAMP '9999-12-30'"


def _stored() -> str:
    """The columns of an event, times in microseconds, flags filled in towards the stricter reading."""
    columns = ["row"]
    for name in COLUMNS:
        sql = {
            "verified": f"coalesce(verified, s.type IN {_STRICT})",
            "effective_verified": "coalesce(effective_verified, false)",
            "recorded_at": "coalesce(recorded_at, $now)",
            "method": "coalesce(given_method, '')",
            "actor": "coalesce(s.actor, 'subject')",
            "value": "given_value",
        }.get(name, f"s.{name}")
        wrapped = {
            "moment": f"CASE WHEN isfinite({sql}) THEN epoch_us({sql}) END",
            "flag": f"({sql})::INTEGER",
        }
        columns.append(f"{wrapped.get(FIELDS[name], sql)} AS {name}")
    return ", ".join(columns)


# 4. What is there already

_FATES = """
CREATE TABLE fates AS
WITH repeated AS (
  SELECT external_id, min(row) AS first_row
    FROM settled WHERE reason IS NULL GROUP BY external_id HAVING count(*) > 1
),
contested AS (
  SELECT external_id
    FROM (SELECT external_id, {statement} AS statement
            FROM (SELECT * FROM named_rows SEMI JOIN repeated USING (external_id)) WHERE reason IS NULL)
   GROUP BY external_id HAVING min(statement) <> max(statement)
),
taken AS (
  SELECT row, {statement} = stands AS same_statement
    FROM (SELECT n.*, t.statement AS stands FROM named_rows n JOIN there t USING (external_id))
)
SELECT s.row,
       CASE WHEN s.reason IS NOT NULL THEN s.reason
            WHEN t.same_statement THEN NULL
            WHEN t.row IS NOT NULL THEN 'external_id_taken'
            WHEN c.external_id IS NOT NULL THEN 'external_id_conflict' END AS reason,
       s.reason IS NULL AND t.row IS NULL AND c.external_id IS NULL
         AND s.row = coalesce(r.first_row, s.row) AS fresh
  FROM settled s LEFT JOIN repeated r USING (external_id) LEFT JOIN contested c USING (external_id)
  LEFT JOIN taken t ON t.row = s.row
"""
_SAID = tuple(name for name in CONTENT if name != "external_id")


def _statement(columns: Mapping[str, str]) -> str:
    """SHA-256 over the content of an event: per field its length in bytes and its text, `-` for nothing."""
    pieces = (f"coalesce(strlen({sql}::VARCHAR) || ':' || {sql}::VARCHAR, '-')" for sql in columns.values())
    return f"sha256({' || '.join(pieces)})"


def _find_there(con: Connection, ledger: Ledger) -> int:
    """Make ``there``: the statements that the ledger holds under external ids of this file. Returns its head."""
    con.execute("CREATE TABLE there (external_id VARCHAR, statement VARCHAR)")
    head = ledger.head()
    if head == 0:
        return head
    read = {"moment": "epoch_us({})", "flag": "({})::INTEGER"}
    statement = _statement({name: read.get(FIELDS[name], "{}").format(name) for name in _SAID})
    cursor = con.cursor()
    cursor.execute("SELECT DISTINCT external_id FROM settled WHERE reason IS NULL")
    while page := cursor.fetchmany(CHUNK):
        con.register("stored_page", ledger.stored([name for (name,) in page]))
        con.execute(f"INSERT INTO there SELECT external_id, {statement} FROM stored_page")
        con.unregister("stored_page")
    return head


def _fill(con: Connection, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Put rows into a DuckDB table by way of Arrow: a statement a row would take minutes."""
    import pyarrow as pa

    columns = [pa.array(list(values)) for values in zip(*rows, strict=True)]
    con.register("rows_to_fill", pa.table(columns, names=list(names)))
    con.execute(f"INSERT INTO {table} FROM rows_to_fill")
    con.unregister("rows_to_fill")


# 5. Counting, writing

_COUNTS = """
SELECT (SELECT count(*) FROM fates) + (SELECT count(*) FROM unreadable),
       (SELECT count(*) FROM fates WHERE fresh),
       (SELECT count(*) FROM fates WHERE reason IS NULL AND NOT fresh)
"""
_QUARANTINED = """
SELECT coalesce(reason, 'unreadable') AS reason, row, line
  FROM (SELECT reason, row, NULL::BIGINT AS line FROM fates WHERE reason IS NOT NULL
        UNION ALL SELECT NULL, row, line FROM unreadable)
"""
_STRANGERS = """
SELECT count(DISTINCT subject), count(*) FROM named_rows JOIN fates USING (row)
 WHERE fates.reason IS NULL AND subject NOT IN (SELECT id FROM known WHERE id IS NOT NULL)
"""
_FRESH = """
SELECT {columns} FROM named_rows n JOIN fates USING (row) WHERE fresh ORDER BY recorded_at, row
"""


def _report(con: Connection, ledger: Ledger, choice_map: ChoiceMap, *, dry_run: bool, has_known: bool) -> ImportReport:
    rows, fresh, already = con.execute(_COUNTS).fetchall()[0]
    reasons = dict(con.execute(f"SELECT reason, count(*) FROM ({_QUARANTINED}) GROUP BY reason").fetchall())
    # INVARIANT: totality. A row without a fate would be a choice that nobody hears of.
    if rows != fresh + already + sum(reasons.values()):
        raise LedgerError("the rows of the file do not add up", hint="please report this as a fault of aboveboard")
    strangers = con.execute(_STRANGERS).fetchall()[0] if has_known else (None, None)
    return ImportReport(
        rows=rows,
        imported=fresh,
        already=already,
        quarantined={reason: reasons[reason] for reason in REASONS if reason in reasons},
        strangers=strangers[0],
        strangers_rows=strangers[1],
        raised=_raised(con, ledger) if "recorded_at" in choice_map.columns else 0,
        dry_run=dry_run,
    )


def _raised(con: Connection, ledger: Ledger) -> int:
    """How many rows were recorded before the ledger's last event, and will count as recorded with it."""
    last = ledger.last_recorded_at()
    if last is None:
        return 0
    sql = "SELECT count(*) FROM named_rows JOIN fates USING (row) WHERE fresh AND recorded_at < $last"
    return int(con.execute(sql, {"last": micros(last)}).fetchall()[0][0])


def _write_quarantine(con: Connection, path: Path, folder: Path) -> Path:
    """One JSON line for every quarantined row: where it stands and why. Never what it says."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"choices-{digest}.jsonl"
    found = con.execute(f"SELECT row, line, reason FROM ({_QUARANTINED}) ORDER BY coalesce(row, line), row").fetchall()
    with target.open("w", encoding="utf-8") as out:
        for row, line, reason in found:
            where = {"row": row} if row is not None else {"line": line}
            out.write(json.dumps({**where, "reason": reason, "says": REASONS[reason]}) + "\n")
    return target


def _write(
    con: Connection,
    ledger: Ledger,
    head: int,
    total: int,
    keep: bool,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Append the fresh rows, a chunk a transaction; returns how many were not there already."""
    fresh = con.sql(_FRESH.format(columns=", ".join(f"n.{name}" for name in COLUMNS)))
    added = done = 0
    for page in fresh.to_arrow_reader(CHUNK):
        columns = {name: page.column(name).to_pylist() for name in COLUMNS}
        added += ledger.add_columns(columns, keep_recorded_at=keep, new_at=head + added)
        done += page.num_rows
        if progress is not None:
            progress(done, total)
    return added
