"""A mapping as steps of SQL, each a view with a name that reads aloud.

``raw`` (the files' rows, made in ``files``), ``row`` (what holds a record), ``mapped`` (every expression in
its box) and ``staged`` (the canonical columns, with the reason to quarantine a row beside them).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from typing import Any

import duckdb

from aboveboard import record
from aboveboard.errors import SourceError
from aboveboard.sources import expressions as sql
from aboveboard.sources import files, mapping, session
from aboveboard.sources.mapping import Mapping, PartRule
from aboveboard.sources.session import identifier, literal

SETS = ("categories", "labels", "parties", "signals", "derived_from")
KINDS = {**record.OWN, **record.LINKS}


def make(con: Any, said: Mapping) -> files.Opened:
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


IN_MEMORY = 8 << 20
"""Bytes of joined files up to which a join certainly stays in memory."""


def order(said: Mapping) -> str:
    """Rows come in the order of the files by themselves, until a join is so large that it spills to disk."""
    joined = sum(path.stat().st_size for one in said.joins for path in one.input.paths)
    return "ORDER BY __file, __row, __pos" if joined > IN_MEMORY else ""


def _joined_table(con: Any, one: mapping.Join) -> None:
    """A joined table is held in memory and must be whole: a row missing from it would be a fact missing
    silently.
    """
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
    box = sql.boxed(f"(\n{said.each}\n)")
    con.execute(f"""
        CREATE TEMP VIEW holders AS
        SELECT __file, __row, holder,
            CASE WHEN __fault IS NULL AND box IS NULL THEN '`each` cannot be computed' ELSE __fault END AS __fault,
            CASE WHEN __fault IS NOT NULL OR box IS NULL THEN [NULL] ELSE coalesce({listed}, []) END AS elements
        FROM (SELECT __file, __row, __fault, file_row AS holder, {box} AS box FROM raw AS file_row)""")
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
        raise SourceError(
            "`each` gives no rows with fields", hint=f"it gives {found}", mapping=said.path.name
        ) from error


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
    """The parts of one rule as a list of ``{w, f}``: whether the part is there, and its fields if it is."""
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
    """``staged``: the canonical columns with defaults, and beside them why a row goes to quarantine."""
    columns = {column: f"{identifier(column)}.v" for column in said.columns}
    values = {**_defaults(said), **columns}
    values |= {column: sql.as_set(value) for column, value in columns.items() if column in SETS}
    values |= _integrity(columns)
    canonical = ", ".join(
        f"CAST({values.get(column, 'NULL')} AS {kind}) AS {identifier(column)}"
        for column, kind in {**record.OWN, **record.LINKS}.items()
    )
    places = ", ".join((*files.PLACE[:2], "__pos", "__len"))
    return f"""
        CREATE TEMP VIEW staged AS
        SELECT * REPLACE ({_reason_of_parts(said)} AS __reason) FROM (
            SELECT * EXCLUDE (found_parts), CAST({_composed(said)} AS {record.PARTS}) AS parts FROM (
                SELECT {places}, {_reason(said)} AS __reason, {canonical}, {_found_parts(said)} AS found_parts
                FROM mapped))"""


def _defaults(said: Mapping) -> dict[str, str]:
    """What a column is when nothing is mapped: unknown, except where leaving it out is a statement of its
    own.
    """
    return {
        "source": literal(said.name),
        "origin": literal(said.origin),
        "integrity": "'none'",
        "labels": "[]",
        "parties": "[]",
        "signals": "[]",
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
    boxes = {column: column for column in said.columns}
    boxes |= {f"part_{number}": f"parts[{number + 1}]" for number in range(len(said.parts))}
    cases += [
        f"WHEN {identifier(box)} IS NULL THEN '`{name}` cannot be computed from this row'"
        for box, name in boxes.items()
    ]
    cases.append("WHEN record_id.v IS NULL OR trim(record_id.v) = '' THEN '`record_id` is missing'")
    return f"CASE {' '.join(cases)} END"


def _reason_of_parts(said: Mapping) -> str:
    """As ``_reason``, for what only the composed parts show: a field with a place in the text is none (``record.Part``).

    Asked only where a rule maps both: otherwise no part can say so.
    """
    if not any("place" in rule.fields and {"start", "end"} & rule.fields.keys() for rule in said.parts):
        return "__reason"
    wrong = 'p.place = \'field\' AND (p."start" IS NOT NULL OR p."end" IS NOT NULL)'
    found = f"len(list_filter(parts, LAMBDA p: {wrong})) > 0"
    return f"coalesce(__reason, CASE WHEN {found} THEN 'a part in a field has a start or an end in the text' END)"


# --- parts --------------------------------------------------------------------------------------------------


def _found_parts(said: Mapping) -> str:
    """A struct of what the rules found; they are composed one level up, where the main part's columns have
    names.
    """
    found = {f"part_{number}": f"part_{number}.v" for number in range(len(said.parts))}
    return sql.struct(found) if found else "NULL"


def _composed(said: Mapping) -> str:
    """All parts in one list, in the order of the rules. NULL as soon as one rule cannot tell which parts
    there are.
    """
    if not said.parts:
        return "[]"
    found = [f"found_parts.part_{number}" for number in range(len(said.parts))]
    lists = [_composed_rule(rule, one) for rule, one in zip(said.parts, found, strict=True)]
    unknown = " OR ".join(f"{one} IS NULL OR len(list_filter({one}, LAMBDA p: p.w IS NULL)) > 0" for one in found)
    return f"CASE WHEN NOT ({unknown}) THEN flatten([{', '.join(lists)}]) END"


def _composed_rule(rule: PartRule, found: str) -> str:
    here = {name: f"p.f.{identifier(name)}" for name in rule.fields}
    fields = {name: here.get(name, _part_default(name, rule)) for name in record.PART_FIELDS}
    fields |= {name: sql.as_set(here[name]) for name in SETS if name in here}
    typed = {name: f"CAST({value} AS {record.PART_FIELDS[name]})" for name, value in fields.items()}
    return f"list_transform(list_filter({found}, LAMBDA p: p.w), LAMBDA p: {sql.struct(typed)})"


def _part_default(name: str, rule: PartRule) -> str:
    """As ``_defaults``; a part is seen by whom its record is seen by, and media may show somebody unknown."""
    kind = "p.f.kind"
    return {
        "labels": f"CASE {kind} WHEN 'media' THEN ['unidentified_person'] WHEN {kind} THEN [] END",
        "audience_at": "audience_at",
        "audience_now": "audience_now",
        "parties": "[]",
        "signals": "[]",
        "source_state": f"CASE WHEN {kind} NOT IN ('quote', 'parent_quote') THEN 'own' END",
        "place": _place(rule),
    }.get(name, "NULL")


def _place(rule: PartRule) -> str:
    """Where a part lies that nobody placed: beside the text, unless it may be a piece of the text.

    INVARIANT: what may lie in the text is never called a field, or the text would go out with the part in it.
    """
    if "start" in rule.fields or "end" in rule.fields:
        return "NULL"
    return "CASE WHEN p.f.kind NOT IN ('mention', 'quote', 'parent_quote') THEN 'field' END"
