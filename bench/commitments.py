"""What a subject map costs, and what one person reads of it.

``python bench/commitments.py [--accounts 1000000] [--rows 2000000] [--repeat 3] [--json]`` makes up openings of so many
accounts and rows, makes the map of them in a process of its own, round after round, and prints medians: CPU seconds (user
and system), seconds, peak memory, and the bytes that a person's check reads. Files go below TMPDIR, about 300 bytes an
account and 100 a row.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

KEY = bytes(range(32))


def prepare(folder: Path, accounts: int, rows: int) -> None:
    """Openings as ``commitments`` leaves them, as far as the map reads them; most people have few rows."""
    import duckdb

    records = folder / "openings" / "records"
    records.mkdir(parents=True)
    (folder / "decisions").mkdir()
    with duckdb.connect() as con:
        con.execute(
            "COPY (SELECT 'u:' || i AS subject, unhex(sha256('k' || i)) AS release_key, sha256('p' || i) AS person"
            f" FROM range({accounts}) AS r(i)) TO '{folder}/openings/accounts.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        con.execute(
            f"COPY (SELECT 'u:' || (hash(i) % {accounts}) AS account, unhex(sha256('l' || i)) AS leaf, i % 20 = 0 AS shared,"
            f" unhex(sha256('c' || i)) AS com FROM range({rows}) AS r(i))"
            f" TO '{records}/00000.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def run(private: str, out: str, threads: int, memory: str) -> dict[str, float]:
    """One map, measured in this process."""
    from aboveboard import commitments, subjectmap
    from aboveboard.engine import Engine

    before, began = os.times(), time.monotonic()
    made = commitments.map_subjects(Engine(threads, memory), Path(private), Path(out), KEY, b"s" * 32)
    after, seconds = os.times(), time.monotonic() - began
    largest = max(path.stat().st_size for path in Path(out).iterdir() if path.name != "top.bin")
    return {
        "cpu_s": after.user + after.system - before.user - before.system,
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "person_reads_kb": (largest + 32 * made.bits) / 1000,
        "map_mb": made.accounts * subjectmap.WIDTH / 1e6,
        "buckets": 1 << made.bits,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--accounts", type=int, default=1_000_000)
    asked.add_argument("--rows", type=int, default=2_000_000)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--threads", type=int, default=2)
    asked.add_argument("--memory", default="400MB")
    asked.add_argument("--json", action="store_true")
    said = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepare(Path(scratch) / "private", said.accounts, said.rows)
        found = []
        for turn in range(said.repeat):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                place = str(Path(scratch) / f"map-{turn}")
                found.append(pool.apply(run, (f"{scratch}/private", place, said.threads, said.memory)))
    medians = {name: round(statistics.median(one[name] for one in found), 2) for name in found[0]}
    if said.json:
        print(json.dumps({"accounts": said.accounts, "rows": said.rows, **medians}))
        return
    print(f"{said.accounts:,} accounts, {said.rows:,} rows, median of {said.repeat}")
    for name, value in medians.items():
        print(f"  {name:16} {value:>12,.2f}")


if __name__ == "__main__":
    main()
