"""The engine: DuckDB in process, judging shards by named SQL steps. It promises what ``gate.decide`` decides.

``Engine.sit`` compiles a gate once (people, choices, policy as small sorted tables); the session then judges shard
after shard, each source row ending in exactly one decision. One connection, one thread of control, nothing shared:
shards are independent, so whoever hands them out may run as many sessions as there are cores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from aboveboard import choice, kernel, steps
from aboveboard.errors import EngineError
from aboveboard.gate import Gate
from aboveboard.plan import CHOICE_BITS, SET_BITS, Plan, Row, moment, texts
from aboveboard.suppression import ERASED, SPELT, Suppressions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Tables(Protocol):
    """A snapshot that hands its people over whole. Both tables are fixed at the snapshot's position."""

    def events_table(self) -> pa.Table:
        """The events up to the position: the fields of ``choice.Event``, moments as naive UTC timestamps."""

    def facts_table(self) -> pa.Table:
        """The facts: the fields of ``choice.Facts``, moments as naive UTC timestamps."""


class Listed(Protocol):
    """Records named one by one that are too many to hold: ``Gate.listed``, as the engine takes it."""

    def query(self) -> str:
        """SQL that gives the distinct ``source`` and ``record_id`` of them."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How much of this machine a judgement may take. ``scratch`` is where DuckDB may spill."""

    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: str = "2GB"
    scratch: Path | None = None

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A private in-memory database that never reaches for the network."""
        import duckdb

        con = duckdb.connect(":memory:")
        con.execute("SET autoinstall_known_extensions = false")
        con.execute("SET autoload_known_extensions = false")
        con.execute("SET TimeZone = 'UTC'") if _has_icu(con) else None
        con.execute("SET preserve_insertion_order = true")
        con.execute(f"SET threads = {int(self.threads)}")
        con.execute("SET memory_limit = ?", [self.memory])
        for threshold in ("allocator_flush_threshold", "allocator_bulk_deallocation_flush_threshold"):
            # What a query gave back would else stay with the process; giving back less at a time costs a sixth of the CPU.
            con.execute(f"SET {threshold} = '16MB'")
        if self.scratch is not None:
            con.execute("SET temp_directory = ?", [str(self.scratch.absolute())])
        for macro in _MACROS:
            con.execute(f"CREATE MACRO {macro}")
        return con

    def share(self, workers: int) -> Engine:
        """What each of so many has that work side by side: one thread, and an equal part of the memory."""
        return replace(self, threads=1, memory=_share(self.memory, workers))

    def sit(self, gate: Gate, sets: Sequence[Sequence[str | None]], erased: Sequence[str]) -> Session:
        """A session that judges under this gate; ``sets`` are the distinct lists of labels that occur, ``erased`` those
        of the people who occur that were erased (``erased_in``)."""
        return Session(self.connect(), gate, sets, erased)

    def judge_table(self, records: pa.Table, gate: Gate) -> pa.Table:
        """The decisions of one resolved table (``record.RESOLVED_COLUMNS``), in its order."""
        with self.connect() as con:
            con.register("records", records)
            sets, erased = label_sets(con, "records"), erased_in(con, "records", gate.snapshot.suppressions)
        with self.sit(gate, sets, erased) as session:
            session.con.register("records", records)
            session.judge()
            return session.con.sql("SELECT * FROM decisions ORDER BY ordinal").to_arrow_table()


def _share(memory: str, workers: int) -> str:
    """An equal part of a size such as ``2GB``, of at least 200 MB."""
    number, unit = re.fullmatch(r"([0-9]+) ?([KMGT]i?B)", memory).groups()  # type: ignore[union-attr]
    return f"{max(int(int(number) * _MEGABYTES[unit[0]]) // workers, 200)}MB"


_MEGABYTES = {"K": 0.001, "M": 1, "G": 1_000, "T": 1_000_000}


class Session(AbstractContextManager["Session"]):
    """One connection with one gate compiled into it. Give it a relation ``records`` and call ``judge``."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        gate: Gate,
        sets: Sequence[Sequence[str | None]],
        erased: Sequence[str],
    ) -> None:
        self.con, self.gate, self.erased = con, gate, erased
        self.fragments: dict[str, str] = {}
        con.execute(f"SET disabled_optimizers = '{_NOT_WORTH}'")
        self._people(sets)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.con.close()

    def judge(self, composed: str = "records") -> None:
        """Judge the relation ``records``; leaves the table ``decisions``, one row a row of it. ``composed`` is a relation with
        the lists of at least those of them whose lists are not all empty: often it can be read for less."""
        self.forget()  # two shards at a time would take twice the memory
        self.fragments = {**self.fragments, "composed": composed}
        self.run("shard")
        rows, decided = (self.count(table) for table in ("records", "decisions"))
        if rows != decided:  # INVARIANT: every source row exactly once (law 7)
            raise EngineError(f"{rows} records came in and {decided} decisions came out", hint="please report this")

    def settle(self) -> None:
        """Let go of the tables that only led to what judging reads; they grow with the people, not with a shard."""
        for step in steps.read("people"):
            if step.name not in _JUDGED_BY:
                self.con.execute(f"DROP {step.kind} IF EXISTS {step.name}")
        for table in ("events", "facts"):
            self.con.execute(f"DROP TABLE IF EXISTS {table}")

    def forget(self, but: Sequence[str] = ()) -> None:
        """Let go of what is known of the shard at hand, but for some of its steps and the tables that these look into."""
        kept = {*but, *(table for step in but for table in _LOOKED_INTO.get(step, ()))}
        for step in (
            room
            for name in ("commit", "hash", "lay", "write", "company", "shard")
            for room in reversed(steps.read(name))
        ):
            if step.name not in kept:
                self.con.execute(f"DROP {step.kind} IF EXISTS {step.name}")
        give_back()

    def drop(self, *tables: str) -> None:
        """Let go of tables of the shard at hand."""
        for table in tables:
            self.con.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """For rows that are wide: those of the first table of a query come as they stand there, and are joined to what is
        narrow as it is written, one thread long. Nothing has to hold or to sort them. Where what is narrow does not fit into
        memory, they come in parts and out of line, and none is missing: nothing may rest on their order."""
        [(threads,)] = self.con.execute("SELECT current_setting('threads')").fetchall()
        self.con.execute("SET threads = 1")
        self.con.execute(f"SET disabled_optimizers = '{_NOT_WORTH},join_order,build_side_probe_side'")
        try:
            yield
        finally:
            self.con.execute(f"SET disabled_optimizers = '{_NOT_WORTH}'")
            self.con.execute(f"SET threads = {threads}")

    def _people(self, sets: Sequence[Sequence[str | None]]) -> None:
        """Everything about accounts and choices that does not depend on a record."""
        for name, table in zip(("events", "facts"), people_tables(self.gate.snapshot), strict=True):
            self.load(name, table)
        self.plan = Plan(self.gate, sets, self._homes(), self._names())
        for name, value in self.plan.variables().items():
            self.con.execute(f"SET VARIABLE {name} = ?", [value])
        for kind, named in _NAMED.items():
            self.con.execute(f"CREATE TYPE {kind} AS ENUM (SELECT unnest(list_distinct(list_append({named}, ''))))")
        self.fragments = dict(self.plan.fragments())
        for name, schema in _SMALL.items():
            self.load(name, _rows(getattr(self.plan, name)(), schema))
        self._choices()
        self.run("people")
        self._check_room()

    def _check_room(self) -> None:
        """INVARIANT: a number must fit where it stands, or one case would be read as another.

        The others (of standings, of marks) stand at the upper end, where DuckDB itself refuses what is too large.
        """
        if len(self.plan.sets) >= (1 << SET_BITS) - 1:
            raise EngineError("there are too many different lists of categories", hint="map them to fewer")
        if self.count("choices_known") >= 1 << CHOICE_BITS:
            raise EngineError(
                "people said more different things than one judgement can hold apart",
                hint="retire versions that no record falls under any more",
            )

    def _choices(self) -> None:
        from aboveboard.ledger.flatten import Scope, flatten

        elsewhere = self.plan.elsewhere()
        asked = [*self.plan.scopes(), *(scope for _, scope in elsewhere)]
        scopes = [Scope(s.id, s.labels, s.purpose, s.recipient, s.explicit) for s in asked]
        flatten(self.con, "events", scopes, self.gate.as_of)
        # Of those who were erased the ledger has no event any more: their hashes say so instead. Nobody is in it twice,
        # or their records would be.
        self.con.execute(
            "INSERT INTO suppressed SELECT unnest(?::VARCHAR[]) EXCEPT FROM suppressed", [list(self.erased)]
        )
        self.load("elsewhere", _rows([{"scope_id": s.id, "set_id": n} for n, s in elsewhere], _ELSEWHERE))
        self.make("consents_elsewhere", _CONSENTS_ELSEWHERE)
        digest = self.gate.now.text_sha256 if self.gate.now else ""
        self.make(
            "notices_now",
            f"SELECT subject, min(shown_at) AS shown_at FROM notices_shown WHERE notice IN {texts([digest])} GROUP BY ALL",
        )

    def _names(self) -> bool:
        """The tables ``records_taken`` (by their person) and ``records_listed`` (by an undertaking); whether there are any."""
        self.load("taken_scopes", _rows(self._taken_scopes(), _TAKEN_SCOPES))
        self.make("records_taken", _TAKEN.format(as_of=moment(self.gate.as_of)))
        listed = self.gate.listed
        if isinstance(listed, frozenset):
            self.load("names_listed", _rows([{"source": s, "record_id": r} for s, r in listed], _LISTED))
        else:
            named: Listed = listed  # type: ignore[assignment]
            self.make("names_listed", named.query())
        # A record whose source nobody knows may be one of them.
        self.make("records_listed", "FROM names_listed UNION SELECT '' AS source, record_id FROM names_listed")
        return any(self.count(table) for table in ("records_taken", "records_listed"))

    def _taken_scopes(self) -> Iterator[Row]:
        """The scopes in which somebody took a record out, where they cover this use: by the rule that ``decide`` asks."""
        job, at = self.gate.job, self.gate.as_of
        asked = "SELECT DISTINCT purpose, recipient FROM events WHERE type = 'record_withdrawn'"
        for purpose, recipient in self.con.execute(asked).fetchall():
            said = choice.Event(
                subject="",
                type="record_withdrawn",
                recorded_at=at,
                effective_at=at,
                purpose=purpose,
                recipient=recipient,
            )
            if choice.takes_out(said, job.purpose, job.recipient):
                yield {"purpose": purpose, "recipient": recipient}

    def _homes(self) -> list[str]:
        found = self.con.execute(
            "SELECT DISTINCT residency FROM facts WHERE residency IS NOT NULL"
            " UNION SELECT DISTINCT value FROM events WHERE type = 'moved' AND value IS NOT NULL"
        ).fetchall()
        return sorted(home for (home,) in found)

    def run(self, room: str) -> None:
        """Run the steps of a room; each leaves a table of its name."""
        for step in steps.read(room):
            self.make(step.name, steps.fill(step.sql, self.fragments), step.kind)

    def make(self, name: str, sql: str, kind: str = "TABLE") -> None:
        make(self.con, name, sql, kind)

    def load(self, name: str, table: pa.Table) -> None:
        """Make a table of the session from an Arrow table."""
        self.con.register("_incoming", table)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _incoming")
        self.con.unregister("_incoming")

    def count(self, table: str) -> int:
        """How many rows a table of the session has."""
        return int(self.con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


_MACROS = (
    # Whether a text says anything. Its first letter mostly answers; only where it is blank, all of it is looked at.
    "says(x) AS CASE WHEN x IS NULL OR x = '' THEN FALSE"
    " WHEN unicode(x) BETWEEN 97 AND 122 OR unicode(x) BETWEEN 48 AND 57 OR unicode(x) BETWEEN 65 AND 90"
    " OR unicode(x) BETWEEN 12353 AND 65000 THEN TRUE"
    " WHEN NOT contains(getvariable('blank'), left(x, 1)) THEN TRUE"
    " WHEN NOT contains(getvariable('blank'), left(ltrim(x), 1)) THEN TRUE"
    " ELSE ltrim(x, getvariable('blank')) <> '' END",
    # A NULL condition never sets a reason: what is unknown has to be asked for by name.
    "flag(cond, bits) AS CASE WHEN cond THEN bits ELSE 0::UBIGINT END",
    # The netstring of a text, or a dash where there is none (docs/formats/manifest.md).
    "net(x) AS CASE WHEN x IS NULL THEN '-' ELSE strlen(x)::VARCHAR || ':' || x || ',' END",
)


_NAMED = {
    "clause_named": "getvariable('clause_ids')",
    "version_named": "list_append(getvariable('version_names'), getvariable('version_name_now'))",
}
"""Names of which a gate knows all there are: as what they are they are joined, sorted and written for less than as texts."""


_JUDGED_BY = frozenset({"standings_known", "people_in_force", "choices_known", "answers_in_force"})
"""The steps of ``people`` that the steps of a shard read."""


_NOT_WORTH = "common_subexpressions"
"""Looking for what two expressions share costs more than it saves: the long ones judge few rows, the cases."""
_LOOKED_INTO: Mapping[str, Sequence[str]] = {
    "situations": ("mains", "composites"),
    "decisions": ("decided", "endings", "mains"),
}
"""The tables that a step of a shard looks into that is a view."""


def give_back() -> None:
    """Hand what is free back to the system: allocators keep what was let go of, and a process looks as large as it ever was."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim``, which only glibc has."""
    try:
        import ctypes

        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return found


def make(con: duckdb.DuckDBPyConnection, name: str, sql: str, kind: str = "TABLE") -> None:
    """Run one named step (see ``perform``); it leaves a table or a view of its name."""
    perform(con, name, f"CREATE OR REPLACE TEMP {kind} {name} AS {sql}")


def perform(con: duckdb.DuckDBPyConnection, name: str, statement: str) -> None:
    """Run what belongs to a step. An EngineError names it; whatever DuckDB raises may quote a value, so it is not passed on."""
    import duckdb

    try:
        con.execute(statement)
    except duckdb.Error as error:
        raise EngineError(
            f"the step `{name}` failed: {type(error).__name__}",
            hint="give [engine] more memory where it ran out; otherwise please report the step",
        ) from _without_data(error)


def label_sets(con: duckdb.DuckDBPyConnection, relation: str, composed: str | None = None) -> list[list[str | None]]:
    """The distinct lists of category labels in a relation of records, of main parts and others alike; ``composed``: where the
    other parts can be read for less."""
    found = con.execute(
        f"SELECT DISTINCT categories FROM {relation} WHERE categories IS NOT NULL"
        f" UNION SELECT DISTINCT p.categories FROM (SELECT unnest(parts) AS p FROM {composed or relation} WHERE len(parts) > 0)"
        " WHERE p.categories IS NOT NULL"
    ).fetchall()
    return sorted((labels for (labels,) in found), key=lambda labels: [label or "" for label in labels])


def erased_in(con: duckdb.DuckDBPyConnection, relation: str, suppressions: Suppressions) -> list[str]:
    """Who is named in a relation of records and was erased: everybody is hashed once, and nobody where nobody was."""
    if not suppressions:
        return []
    hashed = keyed(con, "suppression", suppressions.key, _SPELT)
    found = con.execute(_ERASED_IN.format(relation=relation, hashed=hashed), [sorted(suppressions.hashes)]).fetchall()
    return [subject for (subject,) in found]


def keyed(con: duckdb.DuckDBPyConnection, name: str, key: bytes, expression: str) -> str:
    """HMAC-SHA-256 of an expression under a key, in hexadecimal, as an expression; the key goes into variables of the
    connection that ``name`` names."""
    secret = key.ljust(64, b"\x00")
    for side, pad in (("inner", 0x36), ("outer", 0x5C)):
        con.execute(f"SET VARIABLE {name}_{side} = ?", [bytes(byte ^ pad for byte in secret)])
    inner = f"sha256(getvariable('{name}_inner') || encode({expression}))"
    return f"sha256(getvariable('{name}_outer') || unhex({inner}))"


def hashing(
    con: duckdb.DuckDBPyConnection, name: str, recipe: kernel.Recipe, columns: Sequence[str], cuts: Mapping[str, slice]
) -> bool:
    """Give a connection a function of some columns, by their types, that hashes rows by the compiled kernel: a struct of slices
    of the hashes of a recipe, one behind another. False where there is no kernel. Close the connection when it is done."""
    from duckdb.func import ARROW, SPECIAL

    if not kernel.there():
        return False

    def hashed(*given: Any) -> Any:  # duckdb evaluates annotations, and pyarrow is not imported here
        import pyarrow as pa

        arrays = [one.chunk(0) if one.num_chunks == 1 else one.combine_chunks() for one in given]
        found = kernel.digests(recipe, arrays, len(recipe))
        if found is None:
            raise EngineError(f"`{name}` got what it does not know", hint=f"set {kernel.OFF}=0, and please report this")
        wide = pa.binary(kernel.HASH * len(recipe))
        whole = pa.Array.from_buffers(wide, len(arrays[0]), [None, pa.py_buffer(found)])
        return pa.StructArray.from_arrays([_sliced(whole, cut) for cut in cuts.values()], list(cuts))

    names = [Parameter(f"c{at}", Parameter.POSITIONAL_ONLY) for at in range(len(columns))]
    hashed.__signature__ = Signature(names)  # type: ignore[attr-defined]  # duckdb counts them
    made = f"STRUCT({', '.join(f'{one} BLOB' for one in cuts)})"
    if con.execute("SELECT count(*) FROM duckdb_functions() WHERE function_name = ?", [name]).fetchall() != [(0,)]:
        con.remove_function(name)  # it may have been of another key
    con.create_function(name, hashed, list(columns), made, type=ARROW, null_handling=SPECIAL)
    return True


def _sliced(whole: pa.Array, cut: slice) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_slice(whole, cut.start, cut.stop).cast(pa.binary())


_SPELT = SPELT.format(x="subject")
_ERASED_IN = f"""
WITH named AS (
  SELECT DISTINCT unnest(list_concat(
    [subject],
    list_transform(parties, lambda p: p.subject),
    flatten(list_transform(parts, lambda p: list_transform(p.parties, lambda q: q.subject)))
  )) AS subject
  FROM {{relation}}
),
hashes AS (SELECT unnest(?::VARCHAR[]) AS hash)
SELECT subject FROM named
WHERE CASE WHEN starts_with(subject, '{ERASED}') THEN substr(subject, {len(ERASED) + 1}) ELSE {{hashed}} END
  IN (SELECT hash FROM hashes)
ORDER BY subject
"""


def people_tables(snapshot: choice.Snapshot) -> tuple[pa.Table, pa.Table]:
    """The events and facts of a snapshot as tables."""
    if isinstance(snapshot, choice.People):
        return _events(snapshot), _facts(snapshot)
    tables: Tables = snapshot  # type: ignore[assignment]
    return tables.events_table(), tables.facts_table()


@dataclass(frozen=True, slots=True)
class KeptPeople:
    """A snapshot that lies in two files, for a process of its own: it hands its people over whole, and only so."""

    position: int
    folder: Path
    suppressions: Suppressions

    def events_table(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "events")

    def facts_table(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "facts")

    def events_of(self, subject: str) -> Sequence[choice.Event]:
        raise NotImplementedError("a kept snapshot is read whole")

    def facts_of(self, subject: str) -> Sequence[choice.Facts]:
        raise NotImplementedError("a kept snapshot is read whole")


@contextmanager
def kept_people(snapshot: choice.Snapshot, folder: Path) -> Iterator[KeptPeople]:
    """The snapshot as files below ``folder``, which are gone afterwards."""
    import pyarrow.parquet as pq

    with TemporaryDirectory(dir=folder, prefix="people-") as kept:
        for name, table in zip(("events", "facts"), people_tables(snapshot), strict=True):
            pq.write_table(table, Path(kept) / name, compression="zstd")
        yield KeptPeople(snapshot.position, Path(kept), snapshot.suppressions)


def _events(people: choice.People) -> pa.Table:
    from aboveboard.ledger.events import FIELDS

    kinds = {"int": "BIGINT", "text": "VARCHAR", "moment": "TIMESTAMP", "flag": "BOOLEAN"}
    rows = (
        {name: _plain(getattr(event, name)) for name in FIELDS} for events in people.events.values() for event in events
    )
    return _rows(rows, {name: kinds[kind] for name, kind in FIELDS.items()})


_FACTS = {
    "subject": "VARCHAR", "valid_from": "TIMESTAMP", "state": "VARCHAR", "protected": "BOOLEAN",
    "age_band": "VARCHAR", "residency": "VARCHAR", "last_interaction": "TIMESTAMP", "evidence": "VARCHAR",
}  # fmt: skip


def _facts(people: choice.People) -> pa.Table:
    rows = ({name: _plain(getattr(one, name)) for name in _FACTS} for facts in people.facts.values() for one in facts)
    return _rows(rows, _FACTS)


def _plain(value: Any) -> Any:
    from datetime import datetime

    from aboveboard.plan import naive

    return naive(value) if isinstance(value, datetime) else value


def _rows(rows: Iterable[Mapping[str, Any]], schema: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    kinds: dict[str, Any] = {
        "VARCHAR": pa.string(), "INTEGER": pa.int32(), "BIGINT": pa.int64(), "UBIGINT": pa.uint64(),
        "BOOLEAN": pa.bool_(), "TIMESTAMP": pa.timestamp("us"), "VARCHAR[]": pa.list_(pa.string()),
        "TIMESTAMP[]": pa.list_(pa.timestamp("us")),
        "BOOLEAN[]": pa.list_(pa.bool_()),
    }  # fmt: skip
    return pa.Table.from_pylist(list(rows), schema=pa.schema([(n, kinds[k]) for n, k in schema.items()]))


_SMALL: Mapping[str, Mapping[str, str]] = {
    "category_sets": {
        "set_id": "INTEGER", "categories": "VARCHAR[]", "known": "BOOLEAN", "set_lo": "UBIGINT", "set_hi": "UBIGINT",
        "explicit_lo": "UBIGINT", "biometric": "BOOLEAN", "sensitive": "BOOLEAN", "job_scope": "INTEGER",
        "share_scope": "INTEGER", "explicit_scope": "INTEGER", "declared_since": "TIMESTAMP[]",
        "window_elapsed": "BOOLEAN[]", "serves_other_purposes": "BOOLEAN", "promised": "UBIGINT",
        "ever_retained": "UBIGINT",
    },
    "terms": {
        "set_id": "INTEGER", "version": "INTEGER", "permits": "UBIGINT", "denies": "UBIGINT", "retentions": "UBIGINT",
    },
    "regions": {
        "residency": "VARCHAR", "us": "BOOLEAN", "silence_opt_out": "INTEGER", "unlisted": "INTEGER",
        "signal_unknown": "INTEGER", "unknown_residency": "INTEGER",
    },
    "licences": {"licence": "VARCHAR", "against": "UBIGINT"},
}  # fmt: skip
_TAKEN_SCOPES = {"purpose": "VARCHAR", "recipient": "VARCHAR"}
_LISTED = {"source": "VARCHAR", "record_id": "VARCHAR"}
_TAKEN = """
SELECT subject, record, CASE WHEN bool_or(verified) THEN 2 ELSE 1 END AS taken_out
FROM (
  SELECT e.subject, e.verified, unnest([e.value, substr(e.value, instr(e.value, '/'))]) AS record
  FROM events AS e
  JOIN taken_scopes AS s
    ON s.purpose IS NOT DISTINCT FROM e.purpose AND s.recipient IS NOT DISTINCT FROM e.recipient
  WHERE e.type = 'record_withdrawn' AND e.recorded_at <= {as_of}
)
GROUP BY subject, record
"""
"""``choice.takes_out`` for everybody."""
_ELSEWHERE = {"scope_id": "INTEGER", "set_id": "INTEGER"}

_CONSENTS_ELSEWHERE = """
SELECT set_id, subject, min(collected_from) AS collected_from, max(collected_to) AS collected_to
FROM (
  SELECT *, sum(starts) OVER (PARTITION BY set_id, subject ORDER BY collected_from, collected_to) AS island
  FROM (
    SELECT
      e.set_id, c.subject, c.collected_from, c.collected_to,
      CASE WHEN c.collected_from <= max(c.collected_to) OVER (
        PARTITION BY e.set_id, c.subject ORDER BY c.collected_from, c.collected_to
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS starts
    FROM choices_in_force AS c JOIN elsewhere AS e USING (scope_id)
    WHERE c.state = 'given'
  )
)
GROUP BY set_id, subject, island
"""
"""Where a yes for some other purpose is in force: intervals of several purposes, merged so that they are disjoint."""


def _has_icu(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT count(*) FROM duckdb_settings() WHERE name = 'TimeZone'").fetchall()[0][0])


_DATALESS = ("BinderException", "CatalogException", "ParserException", "OutOfMemoryException", "IOException")
"""Errors that speak of the query or the machine. The others may quote a value, which may be somebody's words."""


def _without_data(error: Exception) -> EngineError:
    """The cause with what may be told of it."""
    kind = type(error).__name__
    return EngineError(f"{kind}: {error}" if kind in _DATALESS else kind)
