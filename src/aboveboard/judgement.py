"""A judgement of whole sources: every shard judged under one gate, counted, sampled, written.

Nothing happens until it is asked for. What is written is content-addressed Parquet: released rows for the public
part (`writing` says how), decisions (ids and reasons, never text) for the private one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import disk, intake, manifest, reasons, steps, writing
from aboveboard.engine import Engine, Session
from aboveboard.errors import EngineError
from aboveboard.gate import Decision, Gate
from aboveboard.layout import Layout
from aboveboard.plan import text
from aboveboard.reasons import BY_ID, OUTCOMES, Effect, Outcome
from aboveboard.record import PART_FIELDS, Part, Party, Record, Signal
from aboveboard.relate import Related, resolved
from aboveboard.sources import Staged
from aboveboard.steps import Step

if TYPE_CHECKING:
    import duckdb

ONE_FILE = Layout(0)
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
    keys: writing.Secrets | None = None
    """What lays released rows out; a judgement that only counts needs none."""
    layout: Layout = ONE_FILE
    seen: Path | None = None
    """Where the private parts of earlier releases are, which remember when each record was first received."""

    @property
    def judged(self) -> tuple[Staged, ...]:
        """The sources whose records are judged and counted, in order."""
        return tuple(s for s in self.related.sources if not self.sources or s.name in self.sources)

    def sample(self, n: int) -> list[Decision]:
        """The first ``n`` decisions, in source order: look before you build."""
        found: list[Decision] = []
        for session in self._sessions():
            found += [
                _decision(row)
                for row in _dicts(session.con, f"SELECT * FROM decisions ORDER BY ordinal LIMIT {n - len(found)}")
            ]
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
        """Released rows into ``data``, decisions, quarantine and index into ``private``; returns what came out."""
        if self.keys is None:
            raise EngineError(
                "a judgement without keys writes nothing", hint="give Judgement the keys of the workspace"
            )
        decisions, parts, index = private / "decisions", private / "parts", private / "index"
        for folder in (data, decisions, parts, index):
            folder.mkdir(parents=True, exist_ok=True)
        self._keep_quarantine(private / "quarantine")
        tallies: Counter[tuple[str, str, str]] = Counter()
        masked: Counter[str] = Counter()
        try:
            for n, session in enumerate(self._sessions(progress)):
                masked.update(writing.lay(session, self.keys))
                _count(session.con, tallies)
                writing.copy(session.con, _DECISIONS, decisions, "decisions")
                with disk.step("part"):
                    part = parts / f"{n:05d}.parquet"
                    writing.copy_rows(session.con, writing.PART, part, writing.PART_GROUP)
            made = writing.cut(self.engine, parts, data, index)
        finally:
            shutil.rmtree(parts, ignore_errors=True)  # they hold text
        if self.seen is not None:
            intake.remember(self.engine, self.related, self.seen, private)
        for folder in (data, decisions, index, private / "quarantine", private):
            disk.settle(folder)
        return manifest.Governed(
            shards=tuple(made.shards),
            rows_digest=manifest.rows_digest(made.shards),
            tallies=tuple(_tallies(tallies)),
            records=sum(tallies.values()),
            quarantined=sum(source.quarantined for source in self.judged),
            source_digest=_source_digest(self.related),
            bits=self.layout.bits,
            kinds=dict(made.kinds),
            languages=dict(made.languages),
            masked=dict(masked),
            refused=tuple(asdict(one) for source in self.judged for one in source.refused),
        )

    def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> list[bytes]:
        """The leaves of written rows that may not go out under a later gate, as they are.

        Only records in which one of these people has a part are looked at, with ``decide`` itself. ``private`` is
        where this judgement wrote.
        """
        if not any((private / "index").iterdir()):
            return []
        found: list[bytes] = []
        with self.engine.connect() as con:
            con.execute("CREATE TEMP TABLE speakers AS SELECT unnest(?) AS subject", [list(subjects)])
            index, decisions = (writing.listed(private / name) for name in ("index", "decisions"))
            con.execute(f"CREATE TEMP TABLE written AS {_WRITTEN.format(index=index, decisions=decisions)}")
            for rows in self._resolved(con, chosen=_SPEAKERS):
                found += [bytes(row["leaf"]) for row in _dicts(con, _STANDING.format(rows=rows)) if _leaves(row, gate)]
        return found

    def _keep_quarantine(self, folder: Path) -> None:
        """What could not be read stays with the release: where it stood and why, never what it said."""
        folder.mkdir(parents=True, exist_ok=True)
        for source in self.judged:
            if source.quarantined:
                with disk.step("quarantine"):
                    kept = folder / f"{source.name}.parquet"
                    shutil.copyfile(source.quarantine, kept)
                    disk.settle(kept)

    def _sessions(self, progress: Progress | None = None) -> Iterator[Session]:
        """The session after each shard that it judged."""
        with self.engine.sit(self.gate, self.related.sets) as session:
            if self.keys is not None:
                writing.settle_people(session.con, self._subjects(), self.keys, self.layout)
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

    def _subjects(self) -> str:
        """Everybody whom a record is by, inherited or not, as a subquery."""
        shards = ", ".join(text(str(shard)) for _, shard in self.related.shards) or "''"
        relations = text(str(self.related.relations))
        return (
            f"(SELECT subject FROM read_parquet([{shards}])"
            f" UNION ALL SELECT derived.subject FROM read_parquet({relations}) WHERE derived IS NOT NULL)"
        )

    def _resolved(
        self, con: duckdb.DuckDBPyConnection, limit: int | None = None, chosen: str = "TRUE"
    ) -> Iterator[str]:
        """Each shard with its relations, as the view ``records``; ``chosen`` says which of them."""
        con.execute(
            f"CREATE TEMP TABLE all_relations AS SELECT * FROM read_parquet({text(str(self.related.relations))})"
        )
        shards = [(source, shard) for source in self.judged for shard in source.shards]
        for source, shard in shards[:limit]:
            con.execute(f"CREATE OR REPLACE TEMP VIEW staged AS SELECT * FROM read_parquet({text(str(shard))})")
            con.execute(_RELATIONS.format(source=text(source.name)))
            [(owing,)] = con.execute("SELECT count(*) FROM relations").fetchall()
            rows = resolved("staged", "relations" if owing else None)
            first = "TRUE" if self.limit is None else f"ordinal < {int(self.limit)}"
            con.execute(f"CREATE OR REPLACE TEMP VIEW records AS SELECT * FROM ({rows}) WHERE {first} AND ({chosen})")
            yield "records"


_RELATIONS = """
CREATE OR REPLACE TEMP TABLE relations AS
SELECT * FROM all_relations
WHERE source = {source} AND ordinal BETWEEN (SELECT min(ordinal) FROM staged) AND (SELECT max(ordinal) FROM staged)
"""
"""What is owed to others in one shard."""
_DECISIONS = """
SELECT d.* EXCLUDE (ordinal, cuts), d.ordinal, r.collected_at
FROM decisions AS d JOIN records AS r USING (ordinal)
ORDER BY d.source, d.ordinal
"""
_WRITTEN = """
SELECT i.source, i.ordinal, i.leaf, d.removed
FROM read_parquet({index}) AS i JOIN read_parquet({decisions}) AS d USING (source, ordinal)
"""
_STANDING = "SELECT r.*, w.leaf, w.removed FROM {rows} AS r JOIN written AS w USING (source, ordinal)"
_SPEAKERS = """
subject IN (SELECT subject FROM speakers)
  OR list_has_any(list_transform(parties, lambda p: p.subject), (SELECT list(subject) FROM speakers))
  OR list_has_any(flatten(list_transform(parts, lambda p: list_transform(p.parties, lambda q: q.subject))),
                  (SELECT list(subject) FROM speakers))
"""


def _leaves(row: Mapping[str, Any], gate: Gate) -> bool:
    """Whether a written row may not stay as it is: out, or with other parts removed than before."""
    decision = gate.decide(as_record(row))
    before = tuple(place - 1 for place in row["removed"] or ())
    return decision.outcome not in (Outcome.PERMIT, Outcome.REDACT) or decision.removed != before


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
