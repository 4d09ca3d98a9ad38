"""Makes capsules from both parts of a release: what one person is told, and what they can hold it against.

It reads the person's own openings and decisions, one file of rows and one bucket of the map; never anything of anybody
else. A capsule is checked before it is handed over: what would not hold is an error here and no surprise there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import checking, descriptor, manifest, merkle, openings, proving, reasons, subjectmap, writing
from aboveboard.capsule import Capsule, File, Opened, Unproven
from aboveboard.errors import ReleaseError
from aboveboard.keys import Keys
from aboveboard.layout import Layout
from aboveboard.reasons import OUTCOMES

if TYPE_CHECKING:
    import pyarrow as pa


def make(public: Path, private: Path, subject: str, keys: Keys) -> Capsule:
    """The capsule of one person for one release.

    Raises ReleaseError where the account is not in scope, the release has no map, or a part of it is not there.
    """
    try:
        return _made(public, private, subject, keys)
    except (OSError, LookupError) as error:
        raise ReleaseError(
            "the release is not whole, or it was laid out with other keys", folder=private,
            hint="bring its private part and the keys back from your backup",
        ) from error  # fmt: skip


def _made(public: Path, private: Path, subject: str, keys: Keys) -> Capsule:
    statement = (public / "manifest.json").read_bytes()
    said = json.loads(statement)["predicate"]
    if said.get("subjects") is None:
        raise ReleaseError("the release has no subject map", folder=public, hint="it was built before there were any")
    account = openings.account(private, subject)
    index = subjectmap.index_of(keys.secret("index"), subject)
    bits = int(said["subjects"]["bits"])
    prefix = subjectmap.prefix_of(index, bits)
    digests = (public / manifest.MAP_TOP).read_bytes()
    leaves = [merkle.leaf_hash(digests[at : at + 32]) for at in range(0, len(digests), 32)]
    people = openings.people(private, subject)
    key = Layout(int(said["layout"]["bits"])).shard_of(keys.secret("shard"), subject)
    records, files = _opened(public, private, said, subject, key)
    shared, unproven = _told(private, subject)
    made = Capsule(
        release=said["id"],
        manifest_sha256=hashlib.sha256(statement).hexdigest(),
        index=index.hex(),
        row_key=account.row_key.hex(),
        records_key=account.release_key.hex(),
        prefix=prefix,
        bucket_sha256=digests[32 * prefix : 32 * prefix + 32].hex(),
        bucket_path=tuple(one.hex() for one in merkle.inclusion(prefix, 1 << bits, merkle.node_of(leaves))),
        as_of=said["as_of"],
        position=said["ledger"]["judged"],
        events=tuple(descriptor.event_bytes(one).hex() for one in people.events_of(subject)),
        account=tuple(sorted(descriptor.account_bytes(one).hex() for one in people.facts_of(subject))),
        files=files,
        records=records,
        shared=shared,
        unproven=unproven,
    )
    checking.held(made, public)
    return made


def _opened(
    public: Path, private: Path, said: Mapping[str, Any], subject: str, key: int
) -> tuple[tuple[Opened, ...], tuple[File, ...]]:
    """The rows of one person, all of which stand in one file."""
    found = [one for one in openings.records(private, subject) if not one.shared]
    if not found:
        return (), ()
    places = _places(private, key, [one.leaf for one in found])
    words = dict(zip(places, _words(public, said, key, places), strict=True))
    opened = (
        Opened(one.descriptor, words[place], key, place, tuple(step.hex() for step in path))
        for one, place, path in zip(found, places, proving.paths_of(public, key, places), strict=True)
    )
    return tuple(sorted(opened, key=lambda one: one.place)), (_file(public, said["layout"]["shards"], key),)


def _file(public: Path, shards: Sequence[Mapping[str, Any]], key: int) -> File:
    """A file of the release with its path to the root over all files."""
    keys = sorted(one["key"] for one in shards)
    [root] = [one["root"] for one in shards if one["key"] == key]
    path = tuple(step.hex() for step in proving.shard_path(public, key, shards))
    return File(key, proving.rows_in(public, key), root, keys.index(key), len(keys), path)


def _places(private: Path, key: int, leaves: Sequence[bytes]) -> list[int]:
    """Where rows stand in their file: the index has their leaves in its order."""
    import pyarrow.parquet as pq

    kept = pq.read_table(private / "index" / f"{key:05d}.parquet", columns=["leaf"])["leaf"].to_pylist()
    wanted = set(leaves)
    found = {leaf: place for place, leaf in enumerate(kept) if leaf in wanted}
    return [found[leaf] for leaf in leaves]


def _words(public: Path, said: Mapping[str, Any], key: int, places: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    """The rows at these places of a file, in their order here; only the row groups that hold them are read."""
    import pyarrow.parquet as pq

    [name] = [one["file"] for one in said["layout"]["shards"] if one["key"] == key]
    found: dict[int, Mapping[str, Any]] = {}
    with pq.ParquetFile(public / name) as file:
        begin = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            inside = [place for place in places if begin <= place < begin + rows]
            if inside:
                table: pa.Table = file.read_row_group(group)
                taken = table.take([place - begin for place in inside]).to_pylist()
                found.update(zip(inside, taken, strict=True))
            begin += rows
    return (found[place] for place in places)


def _told(private: Path, subject: str) -> tuple[tuple[tuple[str, str], ...], tuple[Unproven, ...]]:
    """The records of one person that others are in too, and those of theirs alone that stayed out."""
    import duckdb

    lo, hi = reasons.masks(reasons.OWN)
    with duckdb.connect() as con:
        decisions = writing.decided(private)
        if decisions is None:
            return (), ()
        rows = con.execute(_DECIDED.format(decisions=decisions), [subject]).fetchall()
    shared, unproven = [], []
    for source, record, outcome, decisive, low, high, others in rows:
        if others:
            if outcome < 2 or not (low & lo or high & hi):
                shared.append((source, record))
        elif outcome >= 2:
            codes = tuple(sorted(reasons.codes(low, high)))
            unproven.append(Unproven(source, record, OUTCOMES[outcome].value, reasons.BY_ID[decisive].code, codes))
    return tuple(shared), tuple(unproven)


_DECIDED = """
SELECT source, record_id, outcome, decisive, reasons_lo, reasons_hi, shared
FROM {decisions} WHERE subject = ? ORDER BY source, ordinal
"""
