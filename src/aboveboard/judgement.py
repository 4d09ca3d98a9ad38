"""A judgement of whole sources: every shard judged under one gate, counted, sampled, written.

Nothing happens until it is asked for. What is written is content-addressed Parquet: released rows for the public
part, decisions (ids and reasons, never text) for the private one. Public files are cut over all released rows, by
their hashes: the same inputs give the same files whatever the shards were, and no file tells what a shard lost.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import manifest, reasons, steps
from aboveboard.engine import Engine, Session
from aboveboard.errors import EngineError
from aboveboard.gate import Decision, Gate
from aboveboard.plan import text
from aboveboard.reasons import BY_ID, OUTCOMES, Effect
from aboveboard.record import PART_FIELDS, Part, Party, Record, Signal
from aboveboard.relate import Related, resolved
from aboveboard.sources import Staged
from aboveboard.steps import Step

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int, int], None]
"""Told how many records of how many are judged."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Sources under a gate; every method runs the engine over all shards (or as many as it needs)."""

    engine: Engine
    related: Related
    gate: Gate
    limit: int | None = None
    """Judge only the first rows of each source. All were related: an edit further down still supersedes."""
    sources: tuple[str, ...] = ()
    """Judge only these (none named: all). All were related: an edit in another source still supersedes."""

    @property
    def judged(self) -> tuple[Staged, ...]:
        """The sources whose records are judged and counted, in order."""
        return tuple(s for s in self.related.sources if not self.sources or s.name in self.sources)

    def sample(self, n: int) -> list[Decision]:
        """The first ``n`` decisions, in source order: look before you build."""
        found: list[Decision] = []
        for session in self._sessions():
            found += [_decision(row) for row in _dicts(session.con, f"SELECT * FROM decisions LIMIT {n - len(found)}")]
            if len(found) >= n:
                break
        return found

    def find(self, record_id: str) -> list[Record]:
        """The resolved records with this id (several where a source repeats it), in source order."""
        found: list[Record] = []
        with self.engine.connect() as con:
            for rows in self._resolved(con):
                chosen = f"SELECT * FROM {rows} WHERE record_id = {text(record_id)} ORDER BY ordinal"
                found += [as_record(row) for row in _dicts(con, chosen)]
        return found

    def show_steps(self, rows: int = 5) -> Iterator[tuple[Step, int, list[str], list[tuple[Any, ...]]]]:
        """Judge the first shard and give each step: its table's rows, columns and first rows (never a text)."""
        with self.engine.sit(self.gate, self.related.sets) as session:
            for _ in self._shards(session, limit=1):
                for step in (*steps.read("people"), *steps.read("shard")):
                    columns = _showable(session.con, step.name)
                    chosen = ", ".join(f'"{column}"' for column in columns)
                    [(count,)] = session.con.execute(f"SELECT count(*) FROM {step.name}").fetchall()
                    first = session.con.execute(f"SELECT {chosen} FROM {step.name} LIMIT {rows}").fetchall()
                    yield step, count, columns, first

    def audit(self, progress: Progress | None = None) -> tuple[list[manifest.Tally], list[manifest.Loss]]:
        """Counts per outcome and decisive reason, and what each rule costs; writes nothing."""
        tallies: Counter[tuple[str, str, str]] = Counter()
        losses: Counter[tuple[str, str]] = Counter()
        for session in self._sessions(progress):
            _count(session.con, tallies)
            _weigh(session.con, losses)
        return _tallies(tallies), _losses(losses)

    def write(self, data: Path, private: Path, progress: Progress | None = None) -> manifest.Governed:
        """Released rows into ``data``, decisions into ``private/decisions``; returns what came out."""
        decisions, parts = private / "decisions", private / "parts"
        for folder in (data, decisions, parts):
            folder.mkdir(parents=True, exist_ok=True)
        self._keep_quarantine(private / "quarantine")
        tallies: Counter[tuple[str, str, str]] = Counter()
        try:
            for n, session in enumerate(self._sessions(progress)):
                session.release()
                _count(session.con, tallies)
                _copy(session.con, _DECISIONS, decisions)
                _copy_rows(session.con, _PART, parts / f"{n:05d}.parquet", _PART_GROUP)
            shards = self._cut(parts, data)
        finally:
            shutil.rmtree(parts, ignore_errors=True)  # they hold text
        for folder in (data, decisions, private / "quarantine"):
            settle(folder)
        return manifest.Governed(
            shards=tuple(sorted(shards, key=lambda s: s.name)),
            rows_digest=self._rows_digest(decisions),
            tallies=tuple(_tallies(tallies)),
            records=sum(tallies.values()),
            quarantined=sum(source.quarantined for source in self.judged),
            source_digest=_source_digest(self.related),
        )

    def _cut(self, parts: Path, data: Path) -> list[manifest.Shard]:
        """The public files, over all released rows: a file a shard of the source would tell what that shard lost.

        File k of n holds the rows whose first two hash bytes lie in the k-th of n equal ranges; one range is sorted at
        a time, and what does not fit into memory spills.
        """
        if not any(parts.iterdir()):
            return []
        with self.engine.connect() as con:
            # INVARIANT: the same rows, the same bytes. What DuckDB knows of the parts must not shape what it writes.
            con.execute("SET disabled_optimizers = 'statistics_propagation,compressed_materialization'")
            con.execute(f"CREATE TEMP VIEW parts AS SELECT * FROM read_parquet({_listed(parts)})")
            [(rows,)] = con.execute("SELECT count(*) FROM parts").fetchall()
            made = (_copy(con, _RELEASED.format(within=within), data) for within in _ranges(-(-rows // FILE_ROWS)))
            return [shard for shard in made if shard is not None]

    def _keep_quarantine(self, folder: Path) -> None:
        """What could not be read stays with the release: where it stood and why, never what it said."""
        folder.mkdir(parents=True, exist_ok=True)
        for source in self.judged:
            if source.quarantined:
                kept = folder / f"{source.name}.parquet"
                shutil.copyfile(source.quarantine, kept)
                settle(kept)

    def _sessions(self, progress: Progress | None = None) -> Iterator[Session]:
        """The session after each shard that it judged."""
        with self.engine.sit(self.gate, self.related.sets) as session:
            done, total = 0, sum(source.rows for source in self.judged)
            for rows in self._shards(session):
                done += rows
                if progress is not None:
                    progress(done, total)
                yield session

    def _shards(self, session: Session, limit: int | None = None) -> Iterator[int]:
        for _ in self._resolved(session.con, limit):
            session.judge()
            yield int(session.con.execute("SELECT count(*) FROM decisions").fetchall()[0][0])

    def _resolved(self, con: duckdb.DuckDBPyConnection, limit: int | None = None) -> Iterator[str]:
        """Each shard with its relations, as the table ``records``."""
        con.execute(
            f"CREATE TEMP TABLE all_relations AS SELECT * FROM read_parquet({text(str(self.related.relations))})"
        )
        chosen = [(source, shard) for source in self.judged for shard in source.shards]
        for source, shard in chosen[:limit]:
            con.execute(f"CREATE OR REPLACE TEMP VIEW staged AS SELECT * FROM read_parquet({text(str(shard))})")
            con.execute(
                f"CREATE OR REPLACE TEMP VIEW relations AS SELECT * FROM all_relations WHERE source = {text(source.name)}"
            )
            first = "" if self.limit is None else f" WHERE s.ordinal < {int(self.limit)}"
            con.execute(f"CREATE OR REPLACE TEMP TABLE records AS {resolved('staged', 'relations')}{first}")
            yield "records"

    def _rows_digest(self, decisions: Path) -> str:
        if not any(decisions.iterdir()):
            return manifest.rows_digest([])
        with self.engine.connect() as con:
            found = con.execute(
                f"SELECT row_sha256 FROM read_parquet({_listed(decisions)}) WHERE row_sha256 IS NOT NULL"
                " ORDER BY row_sha256"
            )
            return manifest.rows_digest(row for block in iter(lambda: found.fetchmany(65_536), []) for (row,) in block)


FILE_ROWS = 1_000_000
"""About how many rows a public file holds."""
_PART = "SELECT text, language, kind, parts, row_sha256 FROM hashed ORDER BY row_sha256"
_PART_GROUP = 8_192
"""Small row groups, sorted by hash: to read one range of hashes, the others need not be read."""
_RELEASED = "SELECT text, language, kind, parts FROM parts WHERE {within} ORDER BY row_sha256"
_DECISIONS = """
SELECT d.* EXCLUDE (ordinal, cuts), d.ordinal, h.row_sha256
FROM decisions AS d LEFT JOIN hashed AS h USING (ordinal)
ORDER BY d.source, d.ordinal
"""


def _ranges(n: int) -> Iterator[str]:
    """Conditions that part the hashes into ``n`` equal ranges of their first two bytes."""
    edges = [-(-k * 65_536 // n) for k in range(n)]
    for k, edge in enumerate(edges):
        upper = f" AND row_sha256 < unhex('{edges[k + 1]:04x}')" if k + 1 < n else ""
        yield f"row_sha256 >= unhex('{edge:04x}'){upper}"


def _listed(folder: Path) -> str:
    """The Parquet files of a folder as a list in SQL."""
    return f"[{', '.join(text(str(file)) for file in sorted(folder.glob('*.parquet')))}]"


def _copy_rows(con: duckdb.DuckDBPyConnection, query: str, path: Path, group: int = 122_880) -> int:
    """The rows of a query as a Parquet file; an EngineError does not say what DuckDB says, which may quote a row."""
    import duckdb

    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group}"
    try:
        [(rows,)] = con.execute(f"COPY ({query}) TO {text(str(path))} ({options})").fetchall()
    except duckdb.Error as error:
        raise EngineError(
            f"writing `{path.parent.name}` failed: {type(error).__name__}",
            hint="make room on the disk, or give [engine] more memory",
        ) from None
    return int(rows)


def _copy(con: duckdb.DuckDBPyConnection, query: str, folder: Path) -> manifest.Shard | None:
    """The rows of a query as one Parquet file named by its own SHA-256; no file where there is no row."""
    partial = folder / "part.partial"
    rows = _copy_rows(con, query, partial)
    if not rows:
        partial.unlink()
        return None
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    partial.rename(folder / f"{digest}.parquet")
    return manifest.Shard(f"data/{digest}.parquet", digest, rows)


def settle(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _count(con: duckdb.DuckDBPyConnection, into: Counter[tuple[str, str, str]]) -> None:
    for outcome, decisive, source, records in con.execute(
        "SELECT outcome, decisive, source, count(*) FROM decisions GROUP BY ALL"
    ).fetchall():
        into[OUTCOMES[outcome], BY_ID[decisive].code, source] += records


def _weigh(con: duckdb.DuckDBPyConnection, into: Counter[tuple[str, str]]) -> None:
    """For each combination of reasons: which rules it stands for, and which one alone keeps the record out."""
    for lo, hi, decisive, records in con.execute(
        "SELECT reasons_lo, reasons_hi, decisive, count(*) FROM decisions WHERE outcome > 1 GROUP BY ALL"
    ).fetchall():
        against = [c for c in reasons.codes(lo, hi) if c in _AGAINST]
        against = [c for c in against if c not in _ECHOES] or against
        into[BY_ID[decisive].code, "decisive"] += records
        for code in against:
            into[code, "against"] += records
            into[code, "alone"] += records if len(against) == 1 else 0


_AGAINST = {r.code for r in BY_ID.values() if r.effect in (Effect.DENY, Effect.UNKNOWN, Effect.BY_REGIME)}


_ECHOES = frozenset(
    {"allow.none", "subj.objected", "subj.consent_refused", "subj.consent_withdrawn", "vis.public_after_collection",
     "policy.category_purpose_mismatch"}
)  # fmt: skip
"""Reasons that only come with another one and say more about it: a rule's cost is counted once."""


def _tallies(found: Counter[tuple[str, str, str]]) -> list[manifest.Tally]:
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [manifest.Tally(outcome, decisive, source, n) for (outcome, decisive, source), n in ordered]


def _losses(found: Counter[tuple[str, str]]) -> list[manifest.Loss]:
    names = {code for code, _ in found}
    losses = [manifest.Loss(c, found[c, "against"], found[c, "decisive"], found[c, "alone"]) for c in names]
    return sorted(losses, key=lambda loss: (-loss.alone, -loss.against, loss.reason))


def _dicts(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _decision(row: dict[str, Any]) -> Decision:
    """A row of ``decisions`` as the value that ``decide`` gives."""
    return Decision(
        row["record_id"],
        OUTCOMES[row["outcome"]],
        BY_ID[row["decisive"]],
        reasons.codes(row["reasons_lo"], row["reasons_hi"]),
        reasons.codes(row["part_reasons_lo"], row["part_reasons_hi"]),
        tuple(place - 1 for place in row["removed"] or ()),
        row["clause"],
        row["policy_at_collection"],
        row["policy_now"],
    )


def as_record(row: Mapping[str, Any]) -> Record:
    """A resolved row as the value that ``decide`` judges."""
    own = {name: row[name] for name in ("kind", "subject", "source", "ordinal", "language", "origin", "licence", "upstream",
           "lifecycle", "integrity", "duplicate", "edition", "collected_evidence", "audience_evidence")}  # fmt: skip
    parts = row["parts"]
    return Record(
        id=row["record_id"],
        created_at=_aware(row["created_at"]),
        collected_at=_aware(row["collected_at"]),
        main=_part({**row, "kind": "main", "content": row["text"], "place": "field", "start": None, "end": None}),
        parts=None if parts is None else tuple(_part(part or {}) for part in parts),
        **own,
    )


def _part(row: Mapping[str, Any]) -> Part:
    fields = {name: row.get(name) for name in PART_FIELDS}
    for name, kind in (("parties", Party), ("signals", Signal)):
        listed = row.get(name)
        # A null in the list is somebody, or something, that nobody knows.
        fields[name] = None if listed is None else tuple(kind(**one) if one else kind(None, None) for one in listed)
    return Part(**fields)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _showable(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a step without those that hold what people wrote: ``--show-steps`` never prints them."""
    names = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall()]
    return [name for name in names if name not in ("text", "parts", "content")]


def _source_digest(related: Related) -> str:
    lines = sorted(f"{source.name}\0{source.digest}\n" for source in related.sources)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
