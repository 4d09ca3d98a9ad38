"""What every source leaves behind: Parquet shards of the one record schema, and a quarantine beside them.

The Arrow schemas are made here from the plain definitions in ``record``. Records that are already values can
be written as a shard, or turned into the resolved table that the engine judges, without any source file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import record
from aboveboard.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.compliance import Overheard

QUARANTINE_COLUMNS = {"source": "VARCHAR", "file": "VARCHAR", "row": "BIGINT", "reason": "VARCHAR"}
"""Where a row stood that could not be read, and why; never what it said."""


REFUSED_COLUMNS = {"source": "VARCHAR", "file": "VARCHAR", "kind": "VARCHAR", "reason": "VARCHAR"}
"""Files of an export that were not read: of a kind that never is, and why, or of no known kind (both empty)."""


TOLD_COLUMNS = {
    "digest": "VARCHAR", "event": "VARCHAR", "type": "VARCHAR", "subject": "VARCHAR", "at": "TIMESTAMP", "value": "VARCHAR",
}  # fmt: skip
"""What events among the payloads say, a row for each thing: as ``compliance.Told`` has it, with the event and its digest."""


BESIDE_COLUMNS = {
    name: record.SOURCE_COLUMNS[name]
    for name in ("ordinal", "source", "subject", "created_at", "collected_at", "labels", "signals", "parties", "parts")
}
"""What lies beside a shard once more: of those of its records of which not every list is empty, the lists, and what tells
when and whose they are. Lists are slow to read, and most records have nothing in them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of an export that was not read. ``kind`` is empty where nobody knows what it is."""

    source: str
    file: str
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Staged:
    """A source as it was read: ``rows`` in ``shards`` and ``quarantined`` rows make every row of ``files``.

    Shards hold exactly ``record.SOURCE_COLUMNS``; ``ordinal`` counts the rows of the source from 0 and
    ascends from shard to shard. Beside a shard there may be its lists (``BESIDE_COLUMNS``). ``digest`` is SHA-256 over
    the names and contents of the files that were read.
    """

    name: str
    origin: str
    shards: tuple[Path, ...]
    quarantine: Path
    rows: int
    quarantined: int
    digest: str
    files: tuple[Path, ...] = ()
    refused: tuple[Refused, ...] = ()
    """Files of an export that were not read, each by its name."""
    told: Path | None = None
    """What events among the payloads say happened afterwards (``TOLD_COLUMNS``); None where there are none."""


def schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of columns that are given with their DuckDB types."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type that DuckDB exports for one of the types in ``record``; times are naive UTC."""
    import pyarrow as pa

    plain = {
        "VARCHAR": pa.string,
        "BIGINT": pa.int64,
        "INTEGER": pa.int32,
        "BOOLEAN": pa.bool_,
        "TIMESTAMP": lambda: pa.timestamp("us"),
    }
    structs = {
        record.PARTY: {"subject": "VARCHAR", "role": "VARCHAR"},
        record.SIGNAL: {"code": "VARCHAR", "purpose": "VARCHAR"},
        record.PARTS.removesuffix("[]"): record.PART_FIELDS,
    }
    if kind.endswith("[]"):
        return pa.list_(arrow_type(kind.removesuffix("[]")))
    if kind in structs:
        return pa.struct([(name, arrow_type(inner)) for name, inner in structs[kind].items()])
    return plain[kind]()


def resolved_table(records: Sequence[record.Record]) -> pa.Table:
    """Records as the table that the engine judges: ``record.RESOLVED_COLUMNS``, the main part as columns."""
    return _table([_flat(one) for one in records], record.RESOLVED_COLUMNS)


def from_records(
    records: Sequence[record.Record], folder: Path, *, name: str = "records", origin: str = "first_party"
) -> Staged:
    """Records as a staged source of one shard, numbered in the order given; what relates them is left out."""
    numbered = [{**_flat(one), "ordinal": ordinal, "source": name} for ordinal, one in enumerate(records)]
    folder.mkdir(parents=True, exist_ok=True)
    beside_path(shard_path(folder, 0)).unlink(missing_ok=True)
    shard = write_shard(_table(numbered, record.SOURCE_COLUMNS), shard_path(folder, 0))
    quarantine = write_quarantine([], folder)
    digest = hashlib.sha256(shard.read_bytes()).hexdigest()
    return Staged(name, origin, (shard,), quarantine, len(numbered), 0, digest)


def shard_path(folder: Path, index: int) -> Path:
    """Where the shard with this index stands."""
    return folder / f"part-{index:05d}.parquet"


def beside_path(shard: Path) -> Path:
    """Where the lists of a shard stand, where they were kept beside it."""
    return shard.with_name(f"beside-{shard.name}")


COMPOSED = b"aboveboard.composed"
"""In the metadata of a shard: how many of its records lie beside it too."""


def beside_of(shard: Path) -> Path | None:
    """What lies beside a shard, held against what the shard says lies there; None where it says nothing.

    Raises SourceError where it is missing or has another number of records. INVARIANT: a record that is not beside its shard
    counts as one in which nothing is listed, which is the permissive side; so none may be lost between staging and judging.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    beside = beside_path(shard)
    try:
        said = (pq.read_metadata(shard).metadata or {}).get(COMPOSED)
        if said is None:
            return None
        found = pq.read_metadata(beside).num_rows
    except (OSError, pa.ArrowException):  # whose messages may quote what is in a footer
        raise SourceError("what lies beside a shard is missing or damaged", file=beside, hint=_STAGE_AGAIN) from None
    if found != int(said):
        sentence = f"{found:,} records lie beside a shard that has {int(said):,} with lists"
        raise SourceError(sentence, file=beside, hint=_STAGE_AGAIN)
    return beside


_STAGE_AGAIN = "build again: staging writes both; if it comes again, the disk loses data"


def clear(folder: Path) -> None:
    """Take away what an earlier staging left."""
    for kind in ("part", "beside"):
        for stale in folder.glob(f"{kind}-*.parquet"):
            stale.unlink()


def write_shard(table: pa.Table, path: Path) -> Path:
    """Writes one Parquet file, compressed with zstd, and hands its path back."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd")
    return path


def write_quarantine(rows: Iterable[Mapping[str, object]], folder: Path) -> Path:
    """Writes the rows that could not be read; the file is there even when there are none."""
    return write_shard(_table(rows, QUARANTINE_COLUMNS), folder / "quarantine.parquet")


def write_refused(files: Iterable[Refused], folder: Path) -> Path:
    """Writes the names of the files that were not read; the file is there even when there are none."""
    return write_shard(_table((asdict(one) for one in files), REFUSED_COLUMNS), folder / "refused.parquet")


def write_told(found: Iterable[Overheard], folder: Path) -> Path | None:
    """Writes what events among the payloads say, each event once; None and no file where none says anything."""
    once = {one.digest: one for one in found}
    rows = [
        {**asdict(told), "at": naive(told.at), "digest": one.digest, "event": one.event}
        for one in once.values()
        for told in one.told
    ]
    return write_shard(_table(rows, TOLD_COLUMNS), folder / "told.parquet") if rows else None


def told_events(path: Path) -> list[str]:
    """The events that ``write_told`` kept, each once as JSON in the order they came."""
    import pyarrow.parquet as pq

    return list(dict.fromkeys(pq.read_table(path, columns=["event"])["event"].to_pylist()))


def naive(moment: datetime | None) -> datetime | None:
    """An aware moment as naive UTC, the only form of time in tables; a naive one is an error."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise SourceError("a time without a zone", hint="give aware datetimes")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _flat(one: record.Record) -> dict[str, Any]:
    """A record as one row: its fields, its main part as columns, its other parts as a list."""
    main = asdict(one.main)
    own = {name: getattr(one, name) for name in (*record.OWN, *record.RELATED) if hasattr(one, name)}
    return {
        **own,
        **{name: main[name] for name in main if name in record.RESOLVED_COLUMNS and name != "kind"},
        "record_id": one.id,
        "created_at": naive(one.created_at),
        "collected_at": naive(one.collected_at),
        "parts": None if one.parts is None else [asdict(part) for part in one.parts],
    }


def _table(rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    wanted = [{name: row.get(name) for name in columns} for row in rows]
    return pa.Table.from_pylist(wanted, schema=schema(columns))
