"""Makes the proof of one released record, through the private index of its release.

The index says where the record's row stands; of the public part only its row group and, for each level of tiles, the
hashes around it are read, however many rows there are. A proof is checked against the row before it is handed out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aboveboard import manifest, merkle
from aboveboard.errors import ReleaseError, VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.proof import TILE, Entry, Inclusion
from aboveboard.recordproof import RecordProof
from aboveboard.writing import DECISIONS, LATER


@dataclass(frozen=True, slots=True)
class Place:
    """Where a released row stands: the number of its file, its place in it from 0, and its leaf."""

    shard: int
    index: int
    leaf: bytes


def prove(public: Path, private: Path, record: str, source: str | None = None) -> RecordProof:
    """The proof that a record (its id) is in a release; ``private`` is the private part of that release.

    Raises ReleaseError where it is not in it or the folders do not hold together.
    """
    return proof_at(public, find(private, record, source))


def find(private: Path, record: str, source: str | None = None) -> Place:
    """Where the row of a record stands; raises ReleaseError where it is not released, or two sources have that id."""
    decisions, index = (sorted((private / name).glob("*.parquet")) for name in ("decisions", "index"))
    if not decisions or not index:
        raise ReleaseError("the private part of the release is not there", folder=private, hint="bring it back")
    with _whole(private):
        decided = [at for at in _released(private, record, decisions) if source in (None, at[0])]
        named, ordinal = _only(sorted(decided), record)
        standing = _rows_with("ordinal", ordinal, index, ("source", "leaf"))
        places = [Place(int(file.stem), at, row["leaf"]) for (file, at), row in standing if row["source"] == named]
    if len(places) != 1:
        raise ReleaseError(f"the index of the release does not hold `{record}`", folder=private, hint="bring it back")
    return places[0]


def _released(private: Path, record: str, decisions: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """The source and ordinal of each row of that id that is released; where a rewriting decided anew, that counts."""
    later = private / LATER / DECISIONS
    outcomes: dict[tuple[str, int], int] = {}
    for file in (*decisions, *([later] if later.is_file() else [])):  # INVARIANT: what was decided later comes last
        for _, row in _rows_with("record_id", record, [file], ("source", "ordinal", "outcome")):
            outcomes[row["source"], row["ordinal"]] = row["outcome"]
    return (at for at, outcome in outcomes.items() if outcome < RELEASED)


RELEASED = 2
"""Outcomes below this one let a record out (``reasons.OUTCOMES``)."""


@contextmanager
def _whole(private: Path) -> Iterator[None]:
    """A damaged table as an error that says so; what Arrow says may quote a value."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.lib.ArrowException, LookupError, ValueError) as error:
        raise ReleaseError(
            f"the private part of the release cannot be read: {type(error).__name__}", folder=private,
            hint="bring it back",
        ) from None  # fmt: skip


def _rows_with(
    column: str, value: str | int, files: Sequence[Path], others: Sequence[str]
) -> Iterator[tuple[tuple[Path, int], Mapping[str, Any]]]:
    """Where in which file a column has a value, with other columns there. Only row groups whose limits hold the value are
    read, and of those the column; this is quicker than starting a database."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for file in files:
        with pq.ParquetFile(file) as data:
            begin = 0
            for group in range(data.num_row_groups):
                if _may_hold(data.metadata.row_group(group), data.schema.names.index(column), value):
                    found = pc.indices_nonzero(
                        pc.equal(data.read_row_group(group, [column])[column], value)
                    ).to_pylist()
                    rows = data.read_row_group(group, [*others]).take(found).to_pylist() if found else []
                    yield from (((file, begin + at), row) for at, row in zip(found, rows, strict=True))
                begin += data.metadata.row_group(group).num_rows


def _may_hold(group: Any, column: int, value: str | int) -> bool:
    """Whether a column of a row group may hold a value, by its limits."""
    limits = group.column(column).statistics
    return limits is None or not limits.has_min_max or limits.min <= value <= limits.max


def _only(found: Sequence[tuple[str, int]], record: str) -> tuple[str, int]:
    if not found:
        raise ReleaseError(f"no record `{record}` is in the release", hint="`aboveboard explain` says why")
    if len(found) > 1:
        sources = ", ".join(name for name, _ in found)
        raise ReleaseError(f"several records are called `{record}`: {sources}", hint="name one with --source")
    return found[0]


def proof_at(public: Path, place: Place) -> RecordProof:
    """The proof of the row at a place. Reads its row group, and of each level of tiles what lies around it."""
    try:
        statement = (public / "manifest.json").read_bytes()
        said = json.loads(statement)["predicate"]
        made = _made(public, place, statement, said)
        _refuse_other(made, place, said)
    except (OSError, ValueError, LookupError, TypeError, VerificationError) as error:
        raise ReleaseError("the release is damaged", folder=public, hint="`aboveboard verify` says where") from error
    return made


def _made(public: Path, place: Place, statement: bytes, said: Mapping[str, Any]) -> RecordProof:
    shards = said["layout"]["shards"]
    [name] = [one["file"] for one in shards if one["key"] == place.shard]
    row, rows = row_at(public / name, place.index), rows_in(public, place.shard)
    [path] = paths_of(public, place.shard, [place.index])
    logged = Inclusion.parse((public / manifest.proof_name("release")).read_bytes())
    return RecordProof(
        manifest=statement,
        key=(public / manifest.LOG_KEY).read_text("utf-8").removesuffix("\n"),
        inclusion=replace(logged, extra=None),
        at=Entry.parse(logged.extra or b"").at,
        row={name: row[name] for name in ("text", "language", "kind", "parts")},
        nonce=row["nonce"],
        shard=place.shard,
        rows=rows,
        index=place.index,
        path=path,
        shard_path=shard_path(public, place.shard, shards),
    )


def _refuse_other(made: RecordProof, place: Place, said: Mapping[str, Any]) -> None:
    """INVARIANT: a proof that its own check refuses, or of another row than the index names, is never handed out."""
    roots = {one["key"]: bytes.fromhex(one["root"]) for one in said["layout"]["shards"]}
    made.verify_row(roots[place.shard])
    made.verify_shard(roots[place.shard], sorted(roots), bytes.fromhex(said["rows_root"]))
    if manifest.leaf({**made.row, "nonce": made.nonce}) != place.leaf:
        raise VerificationError("the index names another row")


def row_at(file: Path, index: int) -> Mapping[str, Any]:
    """The released row at a place of a data file; only its row group is read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as data:
        for group in range(data.num_row_groups):
            rows = data.metadata.row_group(group).num_rows
            if index < rows:
                found: Mapping[str, Any] = data.read_row_group(group).slice(index, 1).to_pylist()[0]
                return found
            index -= rows
    raise LookupError("the file has fewer rows")


def rows_in(public: Path, shard: int) -> int:
    """How many rows a file has, by the size of the hashes of its leaves."""
    return (public / manifest.tile_name(shard, 0)).stat().st_size // WIDTH


def paths_of(public: Path, shard: int, places: Sequence[int]) -> list[tuple[bytes, ...]]:
    """The paths from rows, by their places, to the root of their file, from the tiles around them."""
    tiles, rows = _Tiles(public, shard), rows_in(public, shard)
    return [tuple(merkle.inclusion(place, rows, tiles.node)) for place in places]


class _Tiles:
    """The stored hashes of one file's tree, 256 at a time, and no more of them than are asked for."""

    def __init__(self, public: Path, shard: int) -> None:
        self.public, self.shard = public, shard
        self.read: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        up = level % merkle.TILE_HEIGHT
        begin = index << up
        tile = self._tile(level // merkle.TILE_HEIGHT, begin // TILE)
        return merkle.root_of(tile[begin % TILE * WIDTH : (begin % TILE + (1 << up)) * WIDTH])

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self.read:
            with (self.public / manifest.tile_name(self.shard, level)).open("rb", buffering=0) as file:
                file.seek(number * TILE * WIDTH)
                self.read[level, number] = file.read(TILE * WIDTH)
        return self.read[level, number]


def shard_path(public: Path, shard: int, shards: Sequence[Mapping[str, Any]]) -> tuple[bytes, ...]:
    """The path from a file to the root over all files, which stand in it by their numbers."""
    roots = {one["key"]: bytes.fromhex(one["root"]) for one in shards}
    keys = sorted(roots)
    leaves = [manifest.shard_leaf(key, rows_in(public, key), roots[key]) for key in keys]
    return tuple(merkle.inclusion(keys.index(shard), len(keys), merkle.node_of(leaves)))


def withdrawn(public: Path, made: RecordProof) -> bool:
    """Whether the row must not be used any more; raises ReleaseError where the list is not the one that was committed."""
    data = (public / manifest.TOMBSTONES).read_bytes()
    named = {one["name"]: one["digest"]["sha256"] for one in json.loads(made.manifest)["subject"]}
    if hashlib.sha256(data).hexdigest() != named[manifest.TOMBSTONES]:
        raise ReleaseError("a file of a release is another one", file=public / manifest.TOMBSTONES, hint="get it again")
    leaf = manifest.leaf({**made.row, "nonce": made.nonce})
    return leaf.hex() in json.loads(data)["tombstones"]
