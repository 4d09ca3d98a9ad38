"""What looking for what must be gone costs: MB of files a second of CPU, by kind of file and by what is sought.

Run `python bench/purge.py [--rows N] [--erased N] [--json]`. The files are made up: released rows and private openings as
DuckDB writes them, tiles, and a ledger. Each is read twice; the second time counts, so the disk does not. Figures depend
on the machine: they are printed, never tested.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from aboveboard import suppression
from aboveboard.scanning import Sought, scan

KEY = bytes(range(32))
_ROWS = """
SELECT 'The harbour was quiet this morning, and number ' || n || ' of the gulls said ' || md5(n::VARCHAR) || ' again' AS text,
  'en' AS language, 'post' AS kind, []::STRUCT(kind VARCHAR, content VARCHAR)[] AS parts,
  unhex(md5('nonce' || n)) AS nonce
FROM range({rows}) AS t(n)
"""
_OPENINGS = """
SELECT 'u:' || hash(n // 20) AS account, unhex(sha256('leaf' || n)) AS leaf, FALSE AS shared, unhex(sha256('com' || n)) AS com,
  'training' AS clause, n AS ordinal, 'p' || n AS record_id, 'posts' AS source, 'u:' || hash(n // 20) AS subject,
  [{{'subject': 'u:' || hash(n // 7), 'role': 'mentioned'}}] AS parties
FROM range({rows}) AS t(n)
"""


def make(folder: Path, rows: int) -> dict[str, Path]:
    """The files, by their kind."""
    found = {name: folder / name for name in ("data", "openings", "rows", "ledger")}
    for path in found.values():
        path.mkdir()
    with duckdb.connect() as con:
        for name, query in (("data", _ROWS), ("openings", _OPENINGS)):
            con.execute(
                f"COPY ({query.format(rows=rows)}) TO '{found[name]}/0.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )
        leaves = con.execute(f"SELECT unhex(sha256('leaf' || n)) FROM range({rows}) AS t(n)").fetchnumpy()
    (found["rows"] / "0").mkdir()
    (found["rows"] / "0" / "0").write_bytes(b"".join(bytes(leaf) for column in leaves.values() for leaf in column))
    with sqlite3.connect(found["ledger"] / "ledger.db") as con:
        con.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, external_id TEXT, subject TEXT, type TEXT)")
        con.executemany(
            "INSERT INTO events VALUES (?, ?, ?, 'given')",
            ((n, f"portal-{n}", f"u:{n // 3}") for n in range(rows // 4)),
        )
    return found


def measured(path: Path, sought: Sought) -> tuple[float, float, float]:
    """MB of a path, CPU seconds and seconds of the clock, of the second of two readings."""
    read(path, sought)
    return read(path, sought)


def read(path: Path, sought: Sought) -> tuple[float, float, float]:
    """One reading, which knows nothing of what an earlier one asked of the list."""
    fresh = replace(sought, passed=set())
    cpu, began = time.process_time(), time.perf_counter()
    made = scan([path], lambda _file: fresh)
    spent, took = time.process_time() - cpu, time.perf_counter() - began
    assert not made.found, made.found[:3]
    assert not made.unread, made.unread[:3]
    return made.bytes / 1e6, spent, took


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--erased", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    gone = [f"gone:{n}" for n in range(asked.erased)]
    kinds = {
        "one name": Sought(names=("gone:1",)),
        "ten names": Sought(names=tuple(f"gone:{n}" for n in range(10))),
        "the list": Sought(suppressions=suppression.of(KEY, gone)),
        "removed rows": Sought(leaves=frozenset(suppression.hashed(KEY, one).encode()[:32] for one in gone)),
    }
    kinds["all of them"] = Sought(("gone:1",), kinds["the list"].suppressions, kinds["removed rows"].leaves)
    found = []
    with TemporaryDirectory() as folder:
        for room, path in {**make(Path(folder), asked.rows), "everything": Path(folder)}.items():
            for name, sought in kinds.items():
                size, cpu, took = measured(path, sought)
                found.append({"files": room, "sought": name, "mb": size, "cpu_s": cpu, "s": took, "mb_per_s": size / took,
                              "mb_per_cpu_s": size / cpu})  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        print(json.dumps({"rows": asked.rows, "peak_mb": peak, "figures": found}, indent=2))
        return
    for one in found:
        print(f"{one['files']:>11} {one['sought']:>13} {one['mb']:7.1f} MB {one['cpu_s']:6.2f} CPU s"
              f" {one['mb_per_s']:8.0f} MB/s {one['mb_per_cpu_s']:8.0f} MB/CPU s")  # fmt: skip
    print(f"peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
