"""Any table as records: files in, a mapping of SQL expressions, staged shards and a quarantine out.

The steps are views with names: ``raw`` (the files' rows), ``row`` (what holds a record), ``mapped`` (every
expression in its box) and ``staged`` (the canonical columns). Rows stream through them in the order of the files,
and at the end every row read is either staged or in quarantine with a reason. Specification: docs/formats/source.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aboveboard import reasons, record, vocabulary
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources import expressions as sql
from aboveboard.sources import files, mapping, session
from aboveboard.sources.mapping import Mapping, PartRule
from aboveboard.sources.session import identifier, literal
from aboveboard.sources.staged import Staged, schema, shard_path, write_quarantine

Progress = Callable[[int, int | None], None]

SETS = ("categories", "labels", "parties", "signals", "derived_from")
KINDS = {**record.OWN, **record.LINKS}
GROUP = 32_768
"""Rows of one Parquet row group; a shard is written group by group."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table and its mapping. Nothing is loaded until it is staged."""

    mapping: Mapping

    @property
    def name(self) -> str:
        return self.mapping.name

    @property
    def origin(self) -> str:
        return self.mapping.origin

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read: the table's, then those of joined tables."""
        return tuple(path for one in self.mapping.inputs for path in one.paths)

    def stage(
        self,
        folder: Path,
        *,
        rows_per_shard: int = 262_144,
        limit: int | None = None,
        keep_going: bool = False,
        progress: Progress | None = None,
    ) -> Staged:
        """Reads the table into shards under ``folder``, in order; raises SourceError when rows cannot be trusted.

        ``progress`` is called with the rows done and, where the format tells, their total. ``keep_going`` lets a
        read end although more rows than allowed are malformed.
        """
        return _stage(self.mapping, folder, rows_per_shard, limit, keep_going, progress or (lambda _done, _total: None))


def read(path: str | Path, *, overrides: Map[str, Any] | None = None) -> TableSource:
    """The source that a mapping file describes; ``overrides`` replace values of the mapping, such as paths."""
    where = Path(path)
    return TableSource(mapping.parse(mapping.merged(mapping.load(where), overrides), where))


# --- staging -----------------------------------------------------------------------------------------------------


def _stage(
    said: Mapping, folder: Path, rows_per_shard: int, limit: int | None, keep_going: bool, progress: Progress
) -> Staged:
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("part-*.parquet"):
        stale.unlink()
    digest = files.digest(said.inputs)
    shards = _Shards(folder, rows_per_shard)
    count = _Count(said)
    try:
        opened = _stream(said, folder, limit, count, shards, progress)
        shards.close()
        quarantine = write_quarantine(count.quarantine, folder)
        _judge(said, opened, count, whole=limit is None, keep_going=keep_going or said.keep_going)
    except BaseException:
        shards.discard()  # half a source must not look like one
        raise
    return Staged(
        said.name, said.origin, tuple(shards.paths), quarantine, count.staged, len(count.quarantine), digest,
        tuple(path for one in said.inputs for path in one.paths),
    )  # fmt: skip


def _stream(
    said: Mapping, folder: Path, limit: int | None, count: _Count, shards: _Shards, progress: Progress
) -> files.Opened:
    con = session.connect(folder / "spill")
    opened = files.Opened()
    try:
        opened = _views(con, said)
        for batch in con.sql("SELECT * FROM staged").to_arrow_reader(GROUP):
            good = count.take(batch, limit)
            shards.write(good)
            progress(count.staged + len(count.quarantine), opened.total)
            if count.ordinal == limit:
                break
    except (duckdb.Error, pa.ArrowException) as error:
        raise opened.failure or session.failed(error, "the table cannot be read", source=said.name) from error
    finally:
        con.close()
    return opened


def _judge(said: Mapping, opened: files.Opened, count: _Count, *, whole: bool, keep_going: bool) -> None:
    """What must hold of a finished read. INVARIANT: rows read = rows staged + rows in quarantine."""
    if whole and (opened.rows != count.holders or count.elements != count.ordinal):
        raise SourceError(
            f"{opened.rows} rows were read but {count.holders} came through, with {count.ordinal} of "
            f"{count.elements} records",
            source=said.name,
        )
    count.ids.judge(said.name)
    bad = len(count.quarantine)
    if not keep_going and bad > said.max_rows and bad > said.max_share * count.ordinal:
        raise SourceError(
            f"{bad} of {count.ordinal} rows are malformed",
            hint="quarantine.parquet says which and why; raise [quarantine] max_share only if that is expected",
            source=said.name,
        )


class _Shards:
    """Writes batches into files of an exact number of rows; where batches end leaves no trace in the files."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.paths: list[Path] = []
        self.waiting: pa.Table = schema(record.SOURCE_COLUMNS).empty_table()
        self.room = 0
        self.writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.Table) -> None:
        self.waiting = pa.concat_tables([self.waiting, batch])
        while self.waiting.num_rows >= self._next():
            self._group(self._next())

    def _next(self) -> int:
        return min(GROUP, self.room or self.rows)

    def _group(self, rows: int) -> None:
        if self.writer is None:
            self.paths.append(shard_path(self.folder, len(self.paths)))
            self.writer = pq.ParquetWriter(self.paths[-1], self.waiting.schema, compression="zstd")
            self.room = self.rows
        self.writer.write_table(self.waiting.slice(0, rows), row_group_size=max(rows, 1))
        self.waiting = self.waiting.slice(rows)
        self.room -= rows
        if self.room == 0:
            self._end()

    def _end(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    def close(self) -> None:
        """Writes what is left; a source without rows still has one shard, an empty one."""
        if self.waiting.num_rows or not self.paths:
            self._group(self.waiting.num_rows)
        self._end()

    def discard(self) -> None:
        self._end()
        for path in self.paths:
            path.unlink(missing_ok=True)


class _Count:
    """Counts what comes through, parts good rows from quarantined ones and numbers both."""

    def __init__(self, said: Mapping) -> None:
        self.said = said
        self.names = said.input.names
        self.ordinal = self.holders = self.elements = self.staged = 0
        self.quarantine: list[dict[str, object]] = []
        self.ids = _Ids()
        self.last: tuple[int, int, int] | None = None

    def take(self, batch: pa.RecordBatch, limit: int | None) -> pa.Table:
        """The good rows of a batch in the canonical columns."""
        self._in_order(batch)
        first = pc.equal(batch["__pos"], 0)
        self.holders += pc.sum(first).as_py() or 0
        self.elements += pc.sum(batch["__len"].filter(first)).as_py() or 0
        rows = pa.Table.from_batches([batch.filter(pc.greater(batch["__len"], 0))])
        rows = rows.slice(0, None if limit is None else limit - self.ordinal)
        rows = rows.set_column(
            rows.schema.get_field_index("ordinal"),
            "ordinal",
            pa.array(range(self.ordinal, self.ordinal + rows.num_rows), pa.int64()),
        )
        self.ordinal += rows.num_rows
        return self._good(rows)

    def _good(self, rows: pa.Table) -> pa.Table:
        fine = pc.is_null(rows["__reason"])
        for bad in rows.filter(pc.invert(fine)).select([*files.PLACE[:2], "__reason"]).to_pylist():
            where = {"source": self.said.name, "file": self.names[bad["__file"]], "row": bad["__row"]}
            self.quarantine.append({**where, "reason": bad["__reason"]})
        rows = rows.filter(fine)
        self.staged += rows.num_rows
        self.ids.take(rows)
        good = rows.select(list(record.SOURCE_COLUMNS)).cast(schema(record.SOURCE_COLUMNS))
        _known_words(good, self.said)
        return good

    def _in_order(self, batch: pa.RecordBatch) -> None:
        """INVARIANT: places ascend strictly. A place that comes twice is a joined table that matched twice."""
        if not batch.num_rows:
            return
        places = [batch[name] for name in ("__file", "__row", "__pos")]
        if self.last is not None:
            head = [pa.array([value], column.type) for value, column in zip(self.last, places, strict=True)]
            places = [pa.concat_arrays([one, column]) for one, column in zip(head, places, strict=True)]
        if not _ascending(places):
            hint = "a joined table may match each row at most once" if self.said.joins else ""
            raise SourceError("rows came twice or out of order", hint=hint, source=self.said.name)
        self.last = tuple(column[-1].as_py() for column in places)


def _ascending(places: list[pa.Array]) -> bool:
    """Whether rows of these columns, compared from left to right, each stand after the one before."""
    after = pa.array([False] * (len(places[0]) - 1), pa.bool_())
    for column in reversed(places):
        later, earlier = column.slice(1), column.slice(0, len(column) - 1)
        after = pc.or_(pc.greater(later, earlier), pc.and_(pc.equal(later, earlier), after))
    return pc.all(after, min_count=0).as_py() is True


class _Ids:
    """Watches ids beyond 2**53 for the marks of a number that lost its last digits."""

    MOST = 100_000
    FEWEST = 8
    SHARE = 0.2

    def __init__(self) -> None:
        self.big = self.rounded = 0
        self.subjects: dict[str, bool] = {}

    def take(self, rows: pa.Table) -> None:
        digits = rows["__record_digits"]
        self.big += len(digits) - digits.null_count
        self.rounded += pc.sum(rows["__record_rounded"]).as_py() or 0
        if len(self.subjects) < self.MOST:  # a person with many records is still one id
            found = rows.select(["__subject_digits", "__subject_rounded"]).group_by("__subject_digits")
            for one in found.aggregate([("__subject_rounded", "max")]).to_pylist():
                if one["__subject_digits"] is not None:
                    self.subjects[one["__subject_digits"]] = one["__subject_rounded_max"]

    def judge(self, source: str) -> None:
        self._one(source, "record_id", self.big, self.rounded)
        self._one(source, "subject", len(self.subjects), sum(self.subjects.values()))

    def _one(self, source: str, column: str, big: int, rounded: int) -> None:
        if big >= self.FEWEST and rounded > self.SHARE * big:
            raise SourceError(
                f"the ids in `{column}` were rounded: {rounded} of {big} beyond 2^53 are what a float keeps of them",
                hint="map the text ids of the platform (`id_str`), not its numbers",
                source=source,
            )


_AUDIENCE = ("audience", vocabulary.AUDIENCES)
_OF_BOTH: Map[str, tuple[str, Collection[str]]] = {
    "audience_at": _AUDIENCE,
    "audience_now": _AUDIENCE,
    "categories": ("category", vocabulary.CATEGORIES),
    "labels": ("label", vocabulary.LABELS),
    "parties.role": ("role", vocabulary.ROLES),
    "signals.code": ("signal", frozenset(code for code in reasons.BY_CODE if code.startswith("signal."))),
    "signals.purpose": ("purpose", vocabulary.PURPOSES),
}
_OF_RECORDS = {
    **_OF_BOTH,
    "kind": ("kind", vocabulary.KINDS),
    "lifecycle": ("lifecycle", vocabulary.LIFECYCLES),
    "upstream": ("upstream", vocabulary.UPSTREAMS),
}
_OF_PARTS = {
    **_OF_BOTH,
    "kind": ("kind of part", vocabulary.PART_KINDS),
    "source_state": ("source state", vocabulary.SOURCE_STATES),
    "place": ("place", vocabulary.PLACES),
}


def _known_words(rows: pa.Table, said: Mapping) -> None:
    """An unknown word of a closed set would silently hold every row that has it, so it is an error with its name."""
    parts = pc.list_flatten(rows["parts"])
    _words(_OF_RECORDS, lambda name: rows[name], said)
    _words(_OF_PARTS, lambda name: pc.struct_field(parts, name), said)


def _words(closed: Map[str, tuple[str, Collection[str]]], column: Callable[[str], Any], said: Mapping) -> None:
    for path, (noun, known) in closed.items():
        name, _, inner = path.partition(".")
        values = column(name)
        if pa.types.is_list(values.type):
            values = pc.list_flatten(values)
        if inner:
            values = pc.struct_field(values, inner)
        for word in pc.unique(values).to_pylist():
            if word is not None and word not in known:
                near = unknown_term(noun, word, known)
                raise SourceError(near.sentence, hint=near.hint, source=said.name, column=name)


# --- the steps, as views -----------------------------------------------------------------------------------------


def _views(con: Any, said: Mapping) -> files.Opened:
    """Makes the steps in the session, up to ``staged``."""
    for one in said.joins:
        _joined_table(con, one)
    opened = files.open_raw(con, said.input)
    session.confine(con, [path for one in said.inputs for path in one.paths])
    _check(con, said)
    _row_view(con, said)
    rows = _rows(said)
    _mapped_view(con, said, rows, opened)
    con.execute(_staged_view(said))
    return opened


def _joined_table(con: Any, one: mapping.Join) -> None:
    """A joined table is held in memory and must be whole: a row missing from it would be a fact missing silently."""
    opened = files.open_raw(con, one.input, f"{one.name}_raw")
    con.execute(f"CREATE TEMP TABLE {one.name} AS SELECT * FROM {one.name}_raw")
    wrong = con.execute(f"SELECT count(*) FROM {one.name} WHERE __fault IS NOT NULL").fetchall()[0][0]
    if wrong or opened.failure:
        raise SourceError(f"the joined table has {wrong} malformed rows", join=one.name, file=one.input.names[0])
    con.execute(f"ALTER TABLE {one.name} DROP COLUMN __file")
    con.execute(f"ALTER TABLE {one.name} DROP COLUMN __row")
    con.execute(f"ALTER TABLE {one.name} DROP COLUMN __fault")


def _check(con: Any, said: Mapping) -> None:
    for column, expression in _all_expressions(said):
        sql.check(con, column, expression, said.path.name)


def _all_expressions(said: Mapping) -> Iterator[tuple[str, str]]:
    yield from said.columns.items()
    yield from ((f"joins.{one.name}.on", one.on) for one in said.joins)
    yield from [("each", said.each)] if said.each else []
    for number, rule in enumerate(said.parts, 1):
        for name, expression in {**rule.fields, "when": rule.when, "each": rule.each}.items():
            if expression is not None:
                yield f"parts[{number}].{name}", expression


def _row_view(con: Any, said: Mapping) -> None:
    """``row``: one row for each record. With ``each`` these are the elements that a file's row holds."""
    if said.each is None:
        con.execute('CREATE TEMP VIEW "row" AS SELECT 0 AS __pos, 1 AS __len, * FROM raw')
        return
    found = sql.types(con, {"each": said.each}, "FROM raw", said.path.name)["each"]
    listed = "box.v" if found.endswith("[]") else "CASE WHEN box.v IS NOT NULL THEN [box.v] ELSE [] END"
    con.execute(f"""
        CREATE TEMP VIEW holders AS
        SELECT __file, __row, holder,
            CASE WHEN __fault IS NULL AND box IS NULL THEN '`each` cannot be computed' ELSE __fault END AS __fault,
            CASE WHEN __fault IS NOT NULL OR box IS NULL THEN [NULL] ELSE coalesce({listed}, []) END AS elements
        FROM (SELECT __file, __row, __fault, file_row AS holder, {sql.boxed(f"({said.each})")} AS box
              FROM raw AS file_row)""")
    con.execute("""
        CREATE TEMP VIEW elements AS
        SELECT __file, __row, __fault, holder, len(elements) AS __len,
            unnest(range(greatest(len(elements), 1))) AS __pos,
            unnest(CASE WHEN len(elements) = 0 THEN [NULL] ELSE elements END) AS element
        FROM holders""")
    try:
        con.execute(
            'CREATE TEMP VIEW "row" AS SELECT __file, __row, __fault, __len, __pos, holder, element.* FROM elements'
        )
    except duckdb.BinderException as error:
        raise SourceError("`each` gives no rows with fields", hint=f"it gives {found}", mapping=said.path.name) from error


def _rows(said: Mapping) -> str:
    joins = "".join(f" LEFT JOIN {one.name} ON (\n{one.on}\n)" for one in said.joins)
    return f'FROM "row"{joins}'


def _mapped_view(con: Any, said: Mapping, rows: str, opened: files.Opened) -> None:
    """``mapped``: every expression in a box, with the type its column has; failures show as missing boxes."""
    name = said.path.name
    found = sql.types(con, said.columns, rows, name)
    boxes = {
        column: sql.boxed(sql.canonical(column, KINDS[column], expression, found[column], said.zone, name))
        for column, expression in said.columns.items()
    }
    for number, rule in enumerate(said.parts):
        boxes[f"part_{number}"] = sql.boxed(_part_list(con, said, rule, number, rows))
    boxes["unsafe"] = " OR ".join([*_unsafe(con, said, rows, opened), "false"])
    places = ", ".join(f'"row".{column}' for column in (*files.PLACE, "__pos", "__len"))
    columns = ", ".join(f"{box} AS {identifier(column)}" for column, box in boxes.items())
    con.execute(f"CREATE TEMP VIEW mapped AS SELECT {places}, {columns} {rows}")


def _unsafe(con: Any, said: Mapping, rows: str, opened: files.Opened) -> Iterator[str]:
    """Tests, one for each column that an id is made from, for numbers that may have been rounded."""
    for column in mapping.IDS:
        expression = said.columns.get(column)
        refs = sql.check(con, column, expression, said.path.name) if expression else []
        for ref in refs:
            text = ".".join(identifier(piece) for piece in ref)
            try:
                found = sql.types(con, {column: text}, rows, said.path.name)[column]
            except SourceError:  # the parameter of a lambda: not a column
                continue
            test = sql.unsafe(text, found, json_numbers=opened.numbers_unsafe)
            if test is not None:
                yield f"coalesce({test}, false)"


def _part_list(con: Any, said: Mapping, rule: PartRule, number: int, rows: str) -> str:
    """The parts of one rule as a list of ``{w, f}``: whether the part exists, and its fields where it does."""
    name = said.path.name
    item = "LAMBDA item: "

    def over(expression: str) -> str:
        return expression if rule.each is None else f"list_transform((\n{rule.each}\n), {item}(\n{expression}\n))"

    found = sql.types(con, {f"parts[{number + 1}].{k}": over(v) for k, v in rule.fields.items()}, rows, name)
    kinds = [kind if rule.each is None else kind.removesuffix("[]") for kind in found.values()]
    fields = {
        field: sql.canonical(column, record.PART_FIELDS[field], rule.fields[field], kind, said.zone, name)
        for field, column, kind in zip(rule.fields, found, kinds, strict=True)
    }
    when = f"(\n{rule.when or 'true'}\n)"
    one = f"struct_pack(w := {when}, f := CASE WHEN {when} THEN {sql.struct(fields)} END)"
    return f"[{one}]" if rule.each is None else over(one)


def _staged_view(said: Mapping) -> str:
    """``staged``: the canonical columns with their defaults, and beside them the reason to quarantine a row."""
    columns = {column: f"{identifier(column)}.v" for column in said.columns}
    values = {**_defaults(said), **columns}
    values |= {column: sql.as_set(value) for column, value in columns.items() if column in SETS}
    values |= _integrity(columns)
    watched = {
        "__record_digits": sql.big(values["record_id"]),
        "__subject_digits": sql.big(values["subject"]),
    }
    canonical = ", ".join(
        f"CAST({values.get(column, 'NULL')} AS {kind}) AS {identifier(column)}"
        for column, kind in {**record.OWN, **record.LINKS}.items()
    )
    digits = ", ".join(f"CAST({value} AS VARCHAR) AS {name}" for name, value in watched.items())
    parts = _parts(said)
    return f"""
        CREATE TEMP VIEW staged AS
        SELECT *, {sql.rounded("__record_digits")} AS __record_rounded,
            {sql.rounded("__subject_digits")} AS __subject_rounded
        FROM (
            SELECT * EXCLUDE (found_parts), CAST({_composed(said)} AS {record.PARTS}) AS parts FROM (
                SELECT {", ".join((*files.PLACE[:2], "__pos", "__len"))}, {_reason(said)} AS __reason,
                    {digits}, {canonical}, {parts} AS found_parts
                FROM mapped))"""


def _defaults(said: Mapping) -> dict[str, str]:
    """What a column is when nothing is mapped: unknown, except where leaving it out is a statement of its own."""
    return {
        "source": literal(said.name),
        "origin": literal(said.origin),
        "integrity": "'none'",
        "labels": "[]",
        "parties": "[]",
        "signals": "[]",
        "subject": "CAST(NULL AS VARCHAR)",
    }


def _integrity(columns: Map[str, str]) -> dict[str, str]:
    if "content_sha256" not in columns:
        return {}
    text = columns.get("text", "CAST(NULL AS VARCHAR)")
    same = f"lower(trim({columns['content_sha256']})) = sha256({text})"
    return {"integrity": f"CASE WHEN {same} THEN 'match' WHEN NOT ({same}) THEN 'mismatch' END"}


def _reason(said: Mapping) -> str:
    """Why a row goes to quarantine, in words that hold nothing of the row; NULL for a good one."""
    cases = ["WHEN __fault IS NOT NULL THEN __fault", "WHEN unsafe THEN 'an id is a number beyond 2^53'"]
    cases += [
        f"WHEN {identifier(column)} IS NULL THEN '`{column}` cannot be computed from this row'"
        for column in (*said.columns, *(f"part_{number}" for number in range(len(said.parts))))
    ]
    cases.append("WHEN record_id.v IS NULL OR trim(record_id.v) = '' THEN '`record_id` is missing'")
    return f"CASE {' '.join(cases)} END"


# --- parts -------------------------------------------------------------------------------------------------------


def _parts(said: Mapping) -> str:
    """A struct of what the rules found; they are composed one level up, where the main part's columns have names."""
    found = {f"part_{number}": f"part_{number}.v" for number in range(len(said.parts))}
    return sql.struct(found) if found else "NULL"


def _composed(said: Mapping) -> str:
    """All parts in one list, in the order of the rules. NULL as soon as one rule cannot tell which parts there are."""
    if not said.parts:
        return "[]"
    lists = [_composed_rule(rule, f"found_parts.part_{number}") for number, rule in enumerate(said.parts)]
    unknown = " OR ".join(
        f"found_parts.part_{number} IS NULL OR len(list_filter(found_parts.part_{number}, LAMBDA p: p.w IS NULL)) > 0"
        for number in range(len(said.parts))
    )
    return f"CASE WHEN NOT ({unknown}) THEN flatten([{', '.join(lists)}]) END"


def _composed_rule(rule: PartRule, found: str) -> str:
    here = {name: f'p.f.{identifier(name)}' for name in rule.fields}
    fields = {name: here.get(name, _part_default(name)) for name in record.PART_FIELDS}
    fields |= {name: sql.as_set(here[name]) for name in SETS if name in here}
    typed = {name: f"CAST({value} AS {record.PART_FIELDS[name]})" for name, value in fields.items()}
    return f"list_transform(list_filter({found}, LAMBDA p: p.w), LAMBDA p: {sql.struct(typed)})"


def _part_default(name: str) -> str:
    """As ``_defaults``; a part is seen by whom its record is seen by, and media may show somebody unknown."""
    kind = "p.f.kind"
    return {
        "labels": f"CASE WHEN {kind} = 'media' THEN ['unidentified_person'] WHEN {kind} IS NOT NULL THEN [] END",
        "audience_at": "audience_at",
        "audience_now": "audience_now",
        "parties": "[]",
        "signals": "[]",
        "source_state": f"CASE WHEN {kind} NOT IN ('quote', 'parent_quote') THEN 'own' END",
        "place": "'field'",
    }.get(name, "NULL")


