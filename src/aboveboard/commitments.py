"""Commits to every released record, and states to every account what of theirs is in a release.

``settle_accounts`` gives each account in scope its release key, ``commit`` makes the commitments of one judged shard with
what opens them, ``map_subjects`` makes the subject map from all of them. The bytes are those of ``descriptor`` and
``subjectmap``, which a test holds it to; what opens a commitment lies in the private part and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aboveboard import descriptor, disk, explanation, manifest, merkle, steps, subjectmap, writing
from aboveboard.choice import Snapshot
from aboveboard.engine import Engine, Session, people_tables
from aboveboard.errors import EngineError
from aboveboard.plan import text, texts
from aboveboard.reasons import OWN, masks
from aboveboard.record import PART_FIELDS
from aboveboard.vocabulary import ROLES_WITHOUT_VETO

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OPENINGS = "openings"
ACCOUNTS = "accounts.parquet"
BATCH = 8_192


class SubjectKeys(Protocol):
    """Whoever keeps a key for every person (``ledger.Ledger``)."""

    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        """``subject`` and ``key`` (32 bytes) for each ``subject``, made where there is none yet; durable on return."""


class Settled:
    """For a process of its own: everybody has a key already."""

    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        raise NotImplementedError("the accounts of a release are settled before its shards are handed out")


# --- accounts -----------------------------------------------------------------------------------------------------


def settle_accounts(
    engine: Engine, snapshot: Snapshot, authors: str, keys: SubjectKeys, release_salt: bytes, folder: Path
) -> None:
    """Write who is in scope, each with the release key and the digest of what is known: ``accounts.parquet``.

    In scope is everybody a record is by or about (``authors``, a subquery with the column ``subject``), everybody who
    ever said anything, and everybody of whom something is attested.
    """
    with engine.connect() as con:
        for name, table in zip(("events", "facts"), people_tables(snapshot), strict=True):
            con.register(f"_{name}", table)
            con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM _{name}")
            con.unregister(f"_{name}")
        for name in ("events", "facts"):
            writing.copy_rows(con, f"SELECT * FROM {name}", folder / f"{name}.parquet")
            disk.settle(folder / f"{name}.parquet")
        con.execute(_SCOPE.format(authors=authors))
        known = con.sql("SELECT subject FROM scope ORDER BY subject").to_arrow_table()
        con.register("_keys", keys.subject_keys(known))
        con.execute("SET VARIABLE release_salt = ?", [release_salt])
        con.execute(_KNOWN.format(event=_struct(con, "events", _EVENT), account=_struct(con, "facts", _ACCOUNT)))
        writing.copy_rows(con, _ACCOUNTS, folder / ACCOUNTS)
        disk.settle(folder / ACCOUNTS)


_SCOPE = """
CREATE TEMP TABLE scope AS
SELECT DISTINCT subject
FROM (SELECT subject FROM ({authors}) UNION ALL SELECT subject FROM events UNION ALL SELECT subject FROM facts)
WHERE subject IS NOT NULL
"""
_KNOWN = """
CREATE TEMP TABLE known AS
SELECT
  s.subject,
  sha256('aboveboard/person/v1\\x00'::BLOB || encode(net(coalesce(e.said, '')) || net(coalesce(f.attested, ''))))
    AS person
FROM scope AS s
LEFT JOIN (SELECT subject, string_agg({event}, '' ORDER BY position) AS said FROM events GROUP BY subject) AS e
  USING (subject)
LEFT JOIN (
  SELECT subject, string_agg(one, '' ORDER BY encode(one)) AS attested
  FROM (SELECT subject, {account} AS one FROM facts) GROUP BY subject
) AS f USING (subject)
"""
_ACCOUNTS = """
SELECT subject, unhex(sha256('aboveboard/release-key/v1\\x00'::BLOB || key || getvariable('release_salt'))) AS release_key,
  person
FROM known JOIN _keys USING (subject) ORDER BY subject
"""
_EVENT, _ACCOUNT = descriptor.EVENT_FIELDS, descriptor.ACCOUNT_FIELDS


def _struct(con: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> str:
    """The netstring of the netstrings of some columns of a table, each by its type."""
    kinds = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall()}
    return _once(", ".join(_net(_column(table, name), kinds[name]) for name in fields))


# --- one judged shard ---------------------------------------------------------------------------------------------


def sit(session: Session, folder: Path) -> None:
    """Give a session the accounts of its release."""
    session.con.execute(
        f"CREATE OR REPLACE TEMP TABLE openers AS SELECT * FROM read_parquet({text(str(folder / ACCOUNTS))})"
    )


def find_company(session: Session) -> None:
    """After ``judge``: which records of the shard somebody else is in, as the table ``peopled``."""
    _run(session, "company")


def commit(session: Session, file: Path) -> None:
    """After ``writing.lay``: write what opens the commitments of the shard's released rows."""
    _run(session, "commit")
    shapes = _shapes(session.con)
    written = _write(session.con, shapes, file)
    if (hashed := session.count("hashed")) != written:  # INVARIANT: no row goes out that nobody can open
        raise EngineError(f"{hashed} rows were laid and {written} were committed to", hint="please report this")
    disk.settle(file)


def _run(session: Session, room: str) -> None:
    for step in steps.read(room):
        session.make(step.name, steps.fill(step.sql, _FRAGMENTS), step.kind)


def _shapes(con: duckdb.DuckDBPyConnection) -> Mapping[int, str | None]:
    """Of texts with other parts in them, only which letters are blank: enough to find the spans and judge again."""
    asked = "SELECT ordinal, text FROM parts_told JOIN (SELECT ordinal, text FROM records) USING (ordinal)"
    rows = con.execute(asked).fetchall()
    return {ordinal: None if said is None else descriptor.shape(said) for ordinal, said in rows}


def _write(con: duckdb.DuckDBPyConnection, shapes: Mapping[int, str | None], file: Path) -> int:
    """Commit to the rows some thousands at a time and write them with what opens them; returns how many there were."""
    import duckdb
    import pyarrow.parquet as pq

    schema, rows = _opening_schema(), 0
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=_REPEATED) as openings:
        try:
            for batch in con.sql(_DESCRIBED).to_arrow_reader(BATCH):
                openings.write_batch(_opened(batch, shapes, schema))
                rows += len(batch)
        except duckdb.Error as error:  # its message may quote a row
            raise EngineError(
                f"committing failed: {type(error).__name__}", hint="give [engine] more memory, or make room on the disk"
            ) from None
    return rows


_DESCRIBED = """
SELECT
  ordinal, subject AS account, leaf, shared, clause, policy_at_collection, policy_now, removed, outcome, facts,
  salted, head, tail
FROM described
"""
_REPEATED = ["account", "clause", "policy_at_collection", "policy_now", "outcome"]
"""What is written as a dictionary: of all else hardly any value comes twice."""


def _opening_schema() -> pa.Schema:
    """What an auditor needs to open a commitment and to judge again: facts, and of the words only their shape."""
    import pyarrow as pa

    texts = ("account", "clause", "policy_at_collection", "policy_now", "shape")
    return pa.schema({
        "ordinal": pa.int64(), "leaf": pa.binary(), "com": pa.binary(), "facts": pa.binary(), "shared": pa.bool_(),
        "outcome": pa.int8(), "removed": pa.list_(pa.int32()), **dict.fromkeys(texts, pa.string()),
    })  # fmt: skip


def _opened(batch: pa.RecordBatch, shapes: Mapping[int, str | None], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    made = {name: batch[name] for name in schema.names if name in batch.schema.names}
    made["com"] = pa.array(_commitments(batch), pa.binary())
    made["shape"] = pa.array([shapes.get(ordinal) for ordinal in batch["ordinal"].to_pylist()], pa.string())
    return pa.record_batch([made[name].cast(schema.field(name).type) for name in schema.names], schema)


def _commitments(batch: pa.RecordBatch) -> list[bytes]:
    """``descriptor.commitment`` of each row. Hashed here because OpenSSL uses what the processor has for SHA-256 and
    DuckDB does not: 4 ns a byte, which was a third of committing."""
    import pyarrow as pa

    sha256, domain = hashlib.sha256, descriptor.RECORD_DOMAIN
    columns = (batch[name].cast(pa.binary()).to_pylist() for name in ("salted", "head", "facts", "tail"))
    return [
        sha256(domain + sha256(salted).digest() + head + sha256(facts).hexdigest().encode() + tail).digest()
        for salted, head, facts, tail in zip(*columns, strict=True)
    ]


def _column(of: str, name: str) -> str:
    return f'{of}."{name}"'


def _net(expression: str, kind: str) -> str:
    """``descriptor.net`` of a column, by its type."""
    if kind.endswith("[]"):
        told = _net("x", kind.removesuffix("[]"))
        listed = f"coalesce(array_to_string(list_transform({expression}, lambda x: {told}), ''), '')"
        return _listed(expression, listed)
    if kind.startswith("STRUCT"):
        inner = [name.split()[0].strip('"') for name in kind.removeprefix("STRUCT(").removesuffix(")").split(", ")]
        return _once(", ".join(f"net({_column(expression, name)})" for name in inner))
    written = {"TIMESTAMP": "epoch_us({})::VARCHAR", "BIGINT": "{}::VARCHAR", "INTEGER": "{}::VARCHAR",
               "BOOLEAN": "({})::INTEGER::VARCHAR"}  # fmt: skip
    return f"net({written.get(kind, '{}').format(expression)})"


HEAD = ("record_id", "source", "kind", "subject", "language", "created_at", "collected_at")
"""The facts that begin a record's: hardly two records have them all in common. ``parts`` end them, and what stands between
is told once for all records that share it (``steps/commit``)."""
LIKE = tuple(name for name in descriptor.FACTS if name not in (*HEAD, "parts"))


def _part() -> str:
    """A part ``p`` without its words: of those only whether there are any."""
    names = ("kind", "categories", "labels", "audience_at", "audience_now", "parties", "signals", "source_state",
             "place", "start", "end")  # fmt: skip
    told = [_net(_column("p", name), PART_FIELDS[name]) for name in names]
    told.append("net(CASE WHEN p.content IS NULL THEN '0' ELSE '1' END)")
    return f"concat({', '.join(told)})"


def _listed(expression: str, told: str) -> str:
    """The netstring of a list, whose items are told one behind another."""
    return f"CASE WHEN {expression} IS NULL THEN '-' WHEN len({expression}) = 0 THEN '0:,' ELSE {_once(told)} END"


def _once(told: str) -> str:
    """The netstring of something long: bound first, because a macro writes it out wherever it is used, and netstrings in
    netstrings would be made nine times, and twenty-seven."""
    return f"list_transform([concat({told})], lambda y: net(y))[1]"


def _others() -> str:
    """``explanation.has_others`` of the row ``r`` of ``records``."""
    main, part = _others_in("r", "'main'"), _others_in("p", "p.kind")
    quoting = f"coalesce(r.kind IN {texts(sorted(explanation.QUOTING_KINDS))}, FALSE)"
    inside = f"(len(r.parts) > 0 AND len(list_filter(r.parts, lambda p: {part})) > 0)"  # most have none: nothing is looked at
    return f"(r.parts IS NULL OR {quoting} OR {main} OR {inside})"


def _others_in(of: str, kind: str) -> str:
    free = " AND ".join(f"x.role IS DISTINCT FROM {text(role)}" for role in sorted(ROLES_WITHOUT_VETO))
    about = f"[{', '.join(map(text, sorted(explanation.ABOUT_OTHERS)))}]"
    return (
        f"({of}.parties IS NULL OR (len({of}.parties) > 0 AND len(list_filter({of}.parties, lambda x: {free})) > 0)"
        f" OR coalesce({kind} IN {texts(sorted(explanation.QUOTING))}, FALSE)"
        f" OR {of}.source_state IS DISTINCT FROM 'own'"
        f" OR (coalesce(len({of}.labels), 0) > 0 AND list_has_any({of}.labels, {about})))"
    )


OTHERS = _others()
"""Whether a row ``r`` of ``records`` has other people in it."""
_FRAGMENTS = {
    "part": _part(),
    "others": OTHERS,
    "like": ", ".join(_net(_column("r", name), descriptor.FACTS[name]) for name in LIKE),
    "like_columns": ", ".join(f'"{name}"' for name in LIKE),
}


# --- all of them --------------------------------------------------------------------------------------------------


def map_subjects(engine: Engine, private: Path, folder: Path, index_key: bytes, release_salt: bytes) -> manifest.Map:
    """Write the subject map of a release into ``folder``; memory stays flat in the number of accounts."""
    folder.mkdir()
    with engine.connect() as con:
        _stated(con, private)
        accounts = _indexed(con, private, index_key)
        extra = _strangers(con, index_key, release_salt, subjectmap.dummies(accounts))
        bits = subjectmap.bits_for(accounts + extra)
        digests = [_bucket(folder, prefix, rows) for prefix, rows in subjectmap.buckets(_rows(con), bits)]
        top = b"".join(digests)
        with disk.step("subjects"):
            disk.write(folder / "top.bin", top)
            disk.settle(folder)
        [(alone, shared)] = con.execute(
            "SELECT count(*) FILTER (NOT shared), count(*) FILTER (shared) FROM openings"
        ).fetchall()
        coms = con.sql("SELECT com FROM openings WHERE shared ORDER BY com").to_arrow_table()["com"]
    return manifest.Map(
        salt=release_salt.hex(),
        bits=bits,
        top_sha256=hashlib.sha256(top).hexdigest(),
        root=subjectmap.root(digests).hex(),
        shared_root=descriptor.sorted_root(writing.joined(coms)).hex(),
        accounts=accounts,
        alone=alone,
        shared=shared,
    )


def _bucket(folder: Path, prefix: int, rows: bytes) -> bytes:
    (folder / subjectmap.bucket_name(prefix)).write_bytes(rows)
    disk.settle(folder / subjectmap.bucket_name(prefix))
    return hashlib.sha256(rows).digest()


def _stated(con: duckdb.DuckDBPyConnection, private: Path) -> None:
    """The table ``stated``: for each account its rows and their root; and ``withheld``, the records that others may keep
    out."""
    files = writing.listed(private / OPENINGS / "records")
    con.execute(f"CREATE TEMP VIEW openings AS SELECT account, shared, com FROM {_read(files, _EMPTY)}")
    con.execute("CREATE TABLE stated (subject VARCHAR, rows BIGINT, records BLOB)")
    reading = con.cursor()  # reads while the connection writes
    each = _rooted(reading.sql(_OWN.format(files=_read(files, _EMPTY))))
    for block in iter(lambda: list(islice(each, BATCH)), []):
        con.register("_stated", _stated_table(block))
        con.execute("INSERT INTO stated SELECT * FROM _stated")
        con.unregister("_stated")
    decisions, (lo, hi) = writing.listed(private / "decisions"), masks(OWN)
    con.execute(_NONE_WITHHELD if decisions == "[]" else _WITHHELD.format(decisions=decisions, lo=lo, hi=hi))


def _rooted(found: duckdb.DuckDBPyRelation) -> Iterator[tuple[str, int, bytes]]:
    """Each account with its rows and ``descriptor.records_root`` of them. Most people have one row or two: no tree is built,
    and leaves are hashed where they stand (``merkle.leaf_hash``), because this is done once for every row."""
    sha256 = hashlib.sha256
    batches = found.to_arrow_reader(BATCH)
    rows = chain.from_iterable(zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches)
    for account, own in groupby(rows, itemgetter(0)):
        leaves = [sha256(b"\x00" + com).digest() for _, com in own]
        root = (
            leaves[0] if len(leaves) == 1 else merkle.node_hash(*leaves) if len(leaves) == 2 else merkle.root_of(leaves)
        )
        yield account, len(leaves), root


def _stated_table(block: Sequence[tuple[str, int, bytes]]) -> pa.Table:
    import pyarrow as pa

    schema = {"subject": pa.string(), "rows": pa.int64(), "records": pa.binary()}
    return pa.table({n: pa.array(column, k) for (n, k), column in zip(schema.items(), zip(*block), strict=True)})  # noqa: B905


def _read(files: str, empty: str) -> str:
    return f"read_parquet({files})" if files != "[]" else f"({empty})"


_EMPTY = "SELECT ''::VARCHAR AS account, FALSE AS shared, ''::BLOB AS com WHERE FALSE"
_OWN = "SELECT account, com FROM {files} WHERE NOT shared ORDER BY account, com"
_NONE_WITHHELD = "CREATE TEMP TABLE withheld AS SELECT ''::VARCHAR AS subject, 0::BIGINT AS records WHERE FALSE"
_WITHHELD = """
CREATE TEMP TABLE withheld AS
SELECT subject, count(*) AS records FROM read_parquet({decisions})
WHERE shared AND subject IS NOT NULL AND (outcome < 2 OR (reasons_lo & {lo}) = 0 AND (reasons_hi & {hi}) = 0)
GROUP BY subject
"""
"""Records with other people in them that nothing of their own keeps out: the count depends on this person alone."""


def _indexed(con: duckdb.DuckDBPyConnection, private: Path, key: bytes) -> int:
    """The table ``accounts``: everybody in scope with what their row needs; returns how many."""
    keyed = writing.keyed_subject(con, "index", key)
    con.execute(_INDEXED.format(accounts=text(str(private / OPENINGS / ACCOUNTS)), keyed=keyed))
    [(count,)] = con.execute("SELECT count(*) FROM accounts").fetchall()
    return int(count)


_INDEXED = """
CREATE TABLE accounts AS
SELECT
  unhex({keyed}) AS place, release_key,
  coalesce(s.rows, 0) AS rows, coalesce(w.records, 0) AS withheld, s.records, unhex(a.person) AS person
FROM read_parquet({accounts}) AS a
LEFT JOIN stated AS s USING (subject)
LEFT JOIN withheld AS w USING (subject)
"""
"""``subjectmap.index_of`` of everybody, with what their row states and the key that seals it."""


def _strangers(con: duckdb.DuckDBPyConnection, key: bytes, release_salt: bytes, count: int) -> int:
    """The table ``strangers``: rows that belong to nobody; returns how many."""
    import pyarrow as pa

    rows = [subjectmap.dummy(key, release_salt, number) for number in range(count)]
    con.register("_strangers", pa.table({"place": [row[: subjectmap.INDEX] for row in rows], "row": rows}))
    con.execute("CREATE TABLE strangers AS SELECT * FROM _strangers")
    con.unregister("_strangers")
    return count


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[bytes]:
    """Every row of the map, in its order."""
    pack, sealed, nothing = subjectmap.STATED.pack, subjectmap.sealed, merkle.EMPTY
    for batch in con.sql(_ORDERED).to_arrow_reader(BATCH):
        columns = (batch[name].to_pylist() for name in ("place", "key", "rows", "withheld", "records", "person", "row"))
        for place, key, rows, withheld, records, person, ready in zip(*columns, strict=True):
            if ready is not None:
                yield ready
            else:
                yield sealed(key, place, pack(rows, withheld, records or nothing, person))


_ORDERED = """
SELECT * RENAME (release_key AS key), NULL::BLOB AS row FROM accounts
UNION ALL BY NAME SELECT place, row FROM strangers
ORDER BY place
"""
