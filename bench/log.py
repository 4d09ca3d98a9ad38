"""How quick the log is: the tree over many leaves, proofs made from tiles and checked, appends; medians of three.

Run `python bench/log.py [--leaves N] [--entries N] [--json]`. Figures depend on the machine: they are printed, never tested.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from aboveboard import merkle
from aboveboard.log import Log, audit
from aboveboard.note import COSIGNATURE, Signer
from aboveboard.proof import Entry, Inclusion, Trust

RUNS = 3
TIMES = 200
SIGNER = Signer("bench.example/log", bytes(range(32)))
WITNESSES = [Signer(f"witness.example/{n}", bytes([n]) * 32, COSIGNATURE) for n in range(3)]


def entry(number: int) -> bytes:
    return Entry("release/v1", "2026-01-01T00:00:00Z", sha256(b"%d" % number).hexdigest(), 10).data()


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds, median of three."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return median(found)


def plain(leaves: int) -> None:
    """As many hashes as a tree has, and nothing else: what hashlib takes in this interpreter."""
    data = b"\x01" * 65
    for _ in range(leaves):
        sha256(data).digest()


def trees(leaves: int) -> dict[str, float]:
    data = b"".join(sha256(b"%d" % n).digest() for n in range(leaves))
    tree, hashes = seconds(lambda: merkle.root_of(data)), seconds(lambda: plain(leaves))
    return {"tree, s a million leaves": tree / leaves * 1e6, "tree, times plain hashing": tree / hashes}


def proofs(folder: Path, entries: int) -> dict[str, float]:
    log = Log.make(folder, SIGNER)
    began = time.process_time()
    log.append([entry(n) for n in range(entries)], 0)
    took = time.process_time() - began
    data = log.inclusion(entries // 3).data()
    text = log.head().text()
    lines = [SIGNER.sign(text), *(one.sign(text, 1_770_000_000) for one in WITNESSES)]
    cosigned = len(data) + sum(len(str(line).encode()) for line in lines[1:])
    trust, wanted = Trust((SIGNER.key,)), entry(entries // 3)

    def check() -> None:
        for _ in range(TIMES):
            Inclusion.parse(data).verify(wanted, trust)

    def make() -> None:
        for n in range(TIMES):
            log.inclusion((entries // 3 + 7919 * n) % entries)

    return {
        "append at once, us an entry": took / entries * 1e6,
        "inclusion checked with its signature, ms": seconds(check) / TIMES * 1e3,
        "inclusion made from tiles, ms": seconds(make) / TIMES * 1e3,
        "inclusion, bytes": float(len(data)),
        "inclusion with three cosignatures, bytes": float(cosigned),
        "audit without statements, us an entry": seconds(lambda: audit(folder, log.checkpoint(), [SIGNER.key]))
        / entries
        * 1e6,
        "append of one, durable, ms of wall clock": one_by_one(log),
    }


def one_by_one(log: Log) -> float:
    found = []
    for n in range(20):
        began = time.perf_counter()
        log.append([entry(n)], log.head().size)
        found.append(time.perf_counter() - began)
    return median(found) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = {**trees(asked.leaves), **proofs(Path(folder) / "log", asked.entries)}
    found["memory, MB at most"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{value:12,.3f}  {name}")


if __name__ == "__main__":
    main()
