"""What a proof costs: checking one with its signature, making one, its size; and checking a whole release. Medians.

Run `python bench/proof.py [--rows N] [--shards N] [--entries N] [--json]`. The release is made up, with the digests, trees
and log that a built one has. Figures depend on the machine: they are printed, never tested.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aboveboard import manifest, merkle, proving, verification
from aboveboard.log import Log
from aboveboard.manifest import Governed, Manifest, Shard
from aboveboard.note import Signer
from aboveboard.proof import Entry, Inclusion, Trust
from aboveboard.recordproof import RecordProof

TIMES = 200
SIGNER = Signer("bench.example/log", bytes(range(32)))
AT = "2026-01-31T12:00:00Z"
WORDS = "The harbour was quiet this morning and the gulls kept to the roofs, as they do before rain. Number"


def rows(shard: int, count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        nonce = hashlib.sha256(b"%d %d" % (shard, n)).digest()[:16]
        yield {"text": f"{WORDS} {n}", "language": "en", "kind": "post", "parts": [], "nonce": nonce}


SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "language": pa.string(),
        "kind": pa.string(),
        "parts": pa.list_(pa.struct({"kind": pa.string(), "content": pa.string()})),
        "nonce": pa.binary(),
    }
)


def write_shard(public: Path, private: Path, key: int, count: int) -> Shard:
    """A shard with its trees, and the private index to it."""
    made = list(rows(key, count))
    leaves = [manifest.leaf(row) for row in made]
    partial = public / "data" / "partial"
    pq.write_table(pa.Table.from_pylist(made, SCHEMA), partial, compression="zstd", row_group_size=122_880)
    sha256 = hashlib.sha256(partial.read_bytes()).hexdigest()
    partial.rename(public / "data" / f"{sha256}.parquet")
    ids = pa.table({"source": ["posts"] * count, "ordinal": range(key * count, (key + 1) * count)})
    pq.write_table(ids.append_column("leaf", [leaves]), private / "index" / f"{key:05d}.parquet")
    judged = {"record_id": [str(n) for n in ids["ordinal"].to_pylist()], "outcome": pa.array([0] * count, pa.int8())}
    pq.write_table(ids.append_column("record_id", [judged["record_id"]]).append_column("outcome", judged["outcome"]),
                   private / "decisions" / f"{key}.parquet")  # fmt: skip
    tiles, levels = [], merkle.levels(leaves)
    for place, hashes in enumerate(levels[:: merkle.TILE_HEIGHT]):
        name = manifest.tile_name(key, place)
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (public / name).write_bytes(hashes)
        tiles.append((name, hashlib.sha256(hashes).hexdigest()))
    root = merkle.root_in(levels).hex()
    digest = manifest.shard_digest([b"".join(leaves)])
    return Shard(key, f"data/{sha256}.parquet", sha256, count, digest, root, tuple(tiles))


def make(folder: Path, count: int, shards: int, entries: int) -> tuple[Path, Path]:
    """A public and a private folder, as far as proofs read them."""
    public, private = folder / "release", folder / "private"
    for one in (public / "data", public / "proof", private / "index", private / "decisions"):
        one.mkdir(parents=True)
    made = tuple(write_shard(public, private, key, count // shards) for key in range(shards))
    digest, at = manifest.rows_digest(made), datetime(2026, 1, 31, 12, tzinfo=UTC)
    governed = Governed(made, digest, (), count, 0, "00", bits=(shards - 1).bit_length())
    said = Manifest(
        f"2026-01-31T120000Z-bench-{digest[:8]}", at, {"purpose": "train_ai_system"}, {"name": "bench", "versions": []},
        0, 0, "00", governed, "00", {}, log={"origin": SIGNER.name, "index": entries - 1, "before": {"keys": 0}},
    )  # fmt: skip
    (public / "tombstones.json").write_bytes(said.tombstones.document())
    for name in ("README.md", "croissant.json"):
        (public / name).write_bytes(b"{}")
    said = replace(said, described=dict.fromkeys(("README.md", "croissant.json"), hashlib.sha256(b"{}").hexdigest()))
    (public / "manifest.json").write_bytes(said.statement())
    enter(folder / "log", public, said.statement(), entries)
    return public, private


def enter(folder: Path, public: Path, statement: bytes, entries: int) -> None:
    log = Log.make(folder, SIGNER)
    before = [Entry("audit/v1", AT, hashlib.sha256(b"%d" % n).hexdigest(), n).data() for n in range(entries - 1)]
    last = Entry("release/v1", AT, hashlib.sha256(statement).hexdigest(), len(statement)).data()
    log.append([*before, last], 0)
    (public / "proof" / "release.tlog-proof").write_bytes(log.inclusion(entries - 1, last).data())
    (public / "proof" / "log.vkey").write_text(f"{SIGNER.key}\n")


def milliseconds(work: Callable[[int], object], times: int = TIMES) -> float:
    """CPU, median over different rows."""
    found = []
    for n in range(times):
        began = time.process_time()
        work(n)
        found.append(time.process_time() - began)
    return median(found) * 1_000


def measure(folder: Path, count: int, shards: int, entries: int) -> dict[str, float]:
    public, private = make(folder, count, shards, entries)
    trust, each = Trust((SIGNER.key,)), count // shards
    place = [proving.find(private, str(n * 7_919 % (each * shards))) for n in range(3)][-1]
    proof = proving.proof_at(public, place)
    logged = Inclusion.parse((public / manifest.proof_name("release")).read_bytes())
    data, text = proof.data(), logged.data()
    (folder / "proof.json").write_bytes(data)
    there = len(json.dumps(json.loads(data)["manifest"])) + len(json.dumps(json.loads(data)["row"])) + 32

    def checked(_: int) -> None:
        found = Inclusion.parse(text)
        found.verify(found.extra or b"", trust)

    def path(n: int) -> None:
        at = n * 104_729 % each
        proving.paths_of(public, place.shard, [at])

    data_file = public / next(s["file"] for s in json.loads(proof.manifest)["predicate"]["layout"]["shards"])
    return {
        "an inclusion in the log checked, with its signature, ms": milliseconds(checked),
        "the proof of a record read and its row and shard checked, ms": milliseconds(lambda _: paths(data)),
        "verify of a record's proof, all steps, ms": milliseconds(
            lambda _: verification.verify(folder / "proof.json", verification.Known(trust)), 50
        ),
        "the path of a row made from its tiles, ms": milliseconds(path),
        "its row group read, ms": milliseconds(lambda n: proving.row_at(data_file, n * 104_729 % each), 10),
        "its place found in the private index, ms": milliseconds(
            lambda n: proving.find(private, str(n * 7_919 % (each * shards))), 10
        ),
        "the proof made from its place, all in, ms": milliseconds(lambda _: proving.proof_at(public, place), 10),
        "size of the proof, bytes": len(data),
        "of which neither row nor statement, bytes": len(data) - there,
        **whole(public, count),
    }


def paths(data: bytes) -> None:
    found = RecordProof.parse(data)
    said = json.loads(found.manifest)["predicate"]
    roots = {one["key"]: bytes.fromhex(one["root"]) for one in said["layout"]["shards"]}
    found.verify_row(roots[found.shard])
    found.verify_shard(roots[found.shard], sorted(roots), bytes.fromhex(said["rows_root"]))


def whole(public: Path, count: int) -> dict[str, float]:
    """The steps of a release that grow with its rows, in CPU seconds a million rows."""
    found = verification.Release(public, verification.Known())
    found.statement()
    found.tombstones()
    timed = {}
    for name, step in (("files", found.verify_digests), ("trees", found.trees), ("rows", found.rows)):
        began = time.process_time()
        step()
        timed[f"step {name} of a release, CPU s a million rows"] = (time.process_time() - began) / count * 1e6
    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_048_576)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--entries", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a line a figure")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        figures = measure(Path(folder), asked.rows, asked.shards, asked.entries)
    figures["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    asked_of = {"rows": asked.rows, "shards": asked.shards, "entries": asked.entries}
    if asked.json:
        print(json.dumps({**asked_of, "figures": figures}))
        return
    print(f"{asked.rows:,} rows in {asked.shards:,} shards, a log of {asked.entries:,} entries")
    for what, value in figures.items():
        print(f"{what:<66} {value:>12,.3f}")


if __name__ == "__main__":
    main()
