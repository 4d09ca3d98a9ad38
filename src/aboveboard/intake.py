"""When each record was first received: remembered from release to release, so that no later load moves it.

A platform that loads old data again under a new date would bring it under a newer policy. So every release keeps, in its
private part, the first moment of collection of the first-party records that no release before had seen; and a record that
now claims a later one stops the build. The root over them is logged, by each release and day by day (`aboveboard log
intake`): until then that moment is the platform's own word. A memory that was logged and is gone stops the build too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard import disk, kernel, merkle, paths, writing
from aboveboard.descriptor import net
from aboveboard.engine import Engine, erased_in, hashing
from aboveboard.errors import SourceError
from aboveboard.kernel import HASH
from aboveboard.manifest import Received
from aboveboard.relate import Related
from aboveboard.suppression import Suppressions

if TYPE_CHECKING:
    import duckdb

FILE = "first-seen.parquet"

_OWN = """
SELECT record_id, min(source) AS source, min(collected_at) AS collected_at FROM {shards}
WHERE origin = 'first_party' AND collected_at IS NOT NULL AND coalesce(subject NOT IN (SELECT subject FROM gone), TRUE)
GROUP BY record_id
"""
"""Of who was erased nothing is remembered, not even that a record was here."""
_LATER = """
SELECT count(*), min(o.source), min(o.record_id) FROM own AS o JOIN seen AS s USING (record_id)
WHERE o.collected_at > s.collected_at
"""
_NEW = "SELECT * FROM own ANTI JOIN seen USING (record_id) ORDER BY record_id"


def refuse_redated(engine: Engine, related: Related, private: Path, gone: Suppressions) -> None:
    """Raises SourceError where a first-party record claims to be received later than an earlier release saw it."""
    with engine.connect() as con:
        if not _views(con, related, private, gone):
            return
        [(count, source, record_id)] = con.execute(_LATER).fetchall()
    if count:
        raise SourceError(
            f"{count:,} records were received earlier than they now say, such as `{record_id}`", source=source,
            hint="collected_at is the first receipt and never moves: map the column that keeps it",
        )  # fmt: skip


def refuse_lost(private: Path, kept: Mapping[str, str]) -> None:
    """Raises SourceError where a memory that the log speaks of is gone: records it held could come again under new dates.

    ``kept`` are folders in ``private`` by the names that were logged, each with what it was called while it was staged.
    """
    for name, staged in kept.items():
        # Staged first: whoever publishes it meanwhile renames it, and then it is there under its name.
        if not any((private / folder / FILE).is_file() for folder in (staged, name)):
            raise SourceError(
                f"the log says that `{name}` remembers what was received first, and that memory is lost",
                file=private / name / FILE,
                hint="bring the file back from your backup: without it old data could be loaded again under a newer date",
            )


def remember(
    engine: Engine, related: Related, private: Path, into: Path, key: bytes, gone: Suppressions
) -> Received | None:
    """Keep, in the private part of a release, the first receipt of every record that is new; returns what can be said of
    them in public, if there are any. ``key`` hides their ids (``leaf``); of who was erased (``gone``) nothing is kept."""
    with engine.connect() as con:
        query = _NEW if _views(con, related, private, gone) else "FROM own ORDER BY record_id"
        with disk.step("first-seen"):
            writing.copy_rows(con, query, into / FILE, compression=writing.QUICK)
            disk.settle(into / FILE)
        kept = paths.parquet(into / FILE)
        query = f"SELECT {_leaf(con, key)} AS leaf FROM {kept} ORDER BY leaf"
        leaves = con.sql(query).to_arrow_reader(writing.HASHES)
        root, count = merkle.root_over(writing.joined(batch["leaf"]) for batch in leaves)
        [(first, last)] = con.execute(f"SELECT min(collected_at), max(collected_at) FROM {kept}").fetchall()
    if not count:
        return None
    return Received(root.hex(), count, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))


def leaf(key: bytes, source: str, record_id: str, collected: datetime) -> bytes:
    """The leaf of one receipt: SHA-256 over 0x00, the keyed id of the record, and the moment in microseconds since 1970."""
    named = hashlib.sha256(key.hex().encode() + net(source) + net(record_id)).digest()
    return merkle.leaf_hash(named + net(collected))


def _leaf(con: duckdb.DuckDBPyConnection, key: bytes) -> str:
    """The same of a row as an expression; the key goes into a function, or a variable, of the connection."""
    kinds, cut = ["VARCHAR", "VARCHAR", "TIMESTAMP"], {"leaf": slice(HASH, 2 * HASH)}
    if hashing(con, "receipt_leaf", receipts(key), kinds, cut):
        return "receipt_leaf(source, record_id, collected_at).leaf"
    con.execute("SET VARIABLE uid_key = ?", [key.hex()])
    return _LEAF


def receipts(key: bytes) -> kernel.Recipe:
    """``leaf`` of the columns source, id and moment, as the compiled kernel makes it."""
    named: tuple[kernel.Step, ...] = (key.hex().encode(), kernel.Net(0), kernel.Net(1))
    return named, (b"\x00", kernel.Digest(0), kernel.Net(2))


_LEAF = """unhex(sha256(
  '\x00'::BLOB || unhex(sha256(getvariable('uid_key') || net(source) || net(record_id)))
  || encode(net(epoch_us(collected_at)::VARCHAR))))"""
"""The same in SQL."""


def _views(con: duckdb.DuckDBPyConnection, related: Related, private: Path, gone: Suppressions) -> bool:
    """Make the views ``own`` and, where there was a release before, ``seen``; says whether there was."""
    shards = paths.parquet(shard for _, shard in related.shards)
    erased = erased_in(con, shards, gone) if related.shards else []
    con.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::VARCHAR[]) AS subject", [erased])
    con.execute(f"CREATE TEMP VIEW own AS {_OWN.format(shards=shards)}")
    kept = sorted(path for path in private.glob(f"*/{FILE}") if not path.parent.name.startswith("."))
    if kept:
        con.execute(
            "CREATE TEMP VIEW seen AS SELECT record_id, min(collected_at) AS collected_at"
            f" FROM {paths.parquet(kept)} GROUP BY ALL"
        )
    return bool(kept)
