"""What a judgement costs: stage, relate, judge, judge and write, beside a plain DuckDB copy of the same columns.

``python bench/judge.py [--rows 2000000] [--repeat 3]`` generates a platform, runs each measure in a process of its
own, takes medians and prints CPU seconds, rows a second, peak memory and the ratio to the copy.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AS_OF = "2025-06-01T00:00:00+00:00"
MEASURES = ("copy", "stage", "relate", "judge", "write")

RULES = """
policy = "bench"
version = "{version}"
effective_from = {effective}
zone = "UTC"
text_sha256 = "none"
establishment = "IE"

[[clause]]
id = "operation"
effect = "permit"
purposes = ["service.operation"]
categories = ["user.content"]
audience = "private"
recipients = ["controller"]
basis = "contract"
citation = {{ quote = "q" }}
{more}
"""
TRAINING = """
[[clause]]
id = "training"
effect = "permit"
purposes = ["train_ai_system.generative"]
categories = ["user.content.public"]
audience = "public"
recipients = ["controller"]
basis = "legitimate_interest"
control = "ai-training"
citation = { quote = "q" }
"""
MAP = """
name = "posts"
origin = "first_party"
[table]
path = "posts.parquet"
zone = "UTC"
[columns]
record_id = "id"
subject = "author"
kind = "'post'"
text = "text"
language = "lang"
created_at = "written_at"
collected_at = "received_at"
collected_evidence = "'server log'"
audience = "visibility"
audience_evidence = "'column visibility'"
lifecycle = "state"
categories = "'user.content.public'"
[[parts]]
when = "geo IS NOT NULL"
kind = "'geotag'"
categories = "['user.location.precise']"
content = "geo"
"""
MENTIONS = """
[[parts]]
when = "mentioned IS NOT NULL"
kind = "'mention'"
categories = "'user.content.public'"
parties = "{subject: mentioned, role: 'mentioned'}"
place = "'span'"
start = "0"
end = "4"
"""
"""With ``--people`` two of five posts begin with the name of somebody else, who may say no."""


def generate(folder: Path, rows: int, mentions: bool = False) -> None:
    """Posts, facts and choices of a platform with one account for every twenty posts, from hashes of counters."""
    import duckdb

    con = duckdb.connect()
    people = max(rows // 20, 100)
    con.execute(f"""
COPY (
  SELECT (1700000000000000000 + i)::VARCHAR AS id, 'u:' || (hash(i) % {people}) AS author,
    CASE WHEN hash(i, 1) % 10 = 0
         THEN ['北京的鸟 ' || i, 'مرحبا بالطيور ' || i, '🐦🐦 ' || i][1 + (hash(i, 2) % 3)::INT]
         ELSE repeat(['a small bird sat on ', 'what a morning over ', 'nobody reads this '][1 + (hash(i, 3) % 3)::INT],
                     1 + (hash(i, 4) % 6)::INT) || i END AS text,
    ['en', 'de', 'ja', 'ar'][1 + (hash(i, 5) % 4)::INT] AS lang,
    TIMESTAMP '2019-01-01' + to_seconds((hash(i, 6) % 190000000)::INT) AS received_at, received_at AS written_at,
    CASE WHEN hash(i, 7) % 20 < 17 THEN 'public' WHEN hash(i, 7) % 20 < 19 THEN 'followers' END AS visibility,
    CASE WHEN hash(i, 8) % 50 = 0 THEN 'deleted' ELSE 'published' END AS state,
    CASE WHEN hash(i, 9) % 50 = 0 THEN '53.3,-6.2' END AS geo,
    CASE WHEN {mentions} AND hash(i, 10) % 5 < 2 THEN 'u:' || (hash(i, 11) % {people}) END AS mentioned
  FROM range({rows}) t(i)
) TO '{folder}/posts.parquet' (FORMAT parquet, COMPRESSION zstd)""")
    con.execute(f"""
COPY (
  SELECT 'u:' || i AS subject, TIMESTAMP '2010-01-01' AS valid_from, 'active' AS state, hash(i, 1) % 15 = 0 AS protected,
    CASE WHEN hash(i, 2) % 30 = 0 THEN '13_17' ELSE 'adult' END AS age_band,
    ['IE', 'DE', 'US-TX', 'BR', 'JP'][1 + (hash(i, 3) % 5)::INT] AS residency
  FROM range({people}) t(i)
) TO '{folder}/facts.parquet' (FORMAT parquet)""")
    con.execute(f"""
COPY (
  SELECT i AS position, NULL::VARCHAR AS external_id, 'u:' || (hash(i) % {people}) AS subject,
    ['refused', 'withdrawn', 'given', 'renewed'][1 + (hash(i, 1) % 4)::INT] AS type,
    NULL::VARCHAR AS category, 'train_ai_system' AS purpose, NULL::VARCHAR AS recipient,
    CASE WHEN hash(i, 2) % 2 = 0 THEN TIMESTAMP '2015-01-01' END AS past_from, NULL::TIMESTAMP AS past_to,
    TIMESTAMP '2023-01-01' + to_seconds((hash(i, 3) % 60000000)::INT) AS effective_at, effective_at AS recorded_at,
    NULL::TIMESTAMP AS expires_at, TRUE AS verified, FALSE AS effective_verified, 'subject' AS actor, '' AS method,
    NULL::VARCHAR AS notice, NULL::VARCHAR AS language, 1::BIGINT AS vocabulary, NULL::VARCHAR AS value
  FROM range(1, {people // 4}) t(i)
) TO '{folder}/events.parquet' (FORMAT parquet)""")
    (folder / "posts.toml").write_text(MAP + (MENTIONS if mentions else ""))


class Kept:
    """A snapshot whose tables lie in Parquet: the bench leaves the ledger's own cost to bench/ledger.py."""

    position = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def events_table(self) -> object:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "events.parquet")

    def facts_table(self) -> object:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(self.folder / "facts.parquet")
        table = table.append_column("last_interaction", pa.nulls(len(table), pa.timestamp("us")))
        return table.append_column("evidence", pa.nulls(len(table), pa.string()))


def measure(name: str, folder: Path, threads: int) -> dict[str, float]:
    """One measure in this process: CPU seconds, seconds, peak memory in MB, rows."""
    started, cpu = time.perf_counter(), time.process_time()
    rows = globals()[f"_{name}"](folder, threads)
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows,
    }


def _copy(folder: Path, threads: int) -> int:
    import duckdb

    con = duckdb.connect()
    con.execute(f"SET threads = {threads}")
    return int(
        con.execute(
            f"COPY (SELECT text, lang AS language, 'post' AS kind FROM '{folder}/posts.parquet')"
            f" TO '{folder}/copy.parquet' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()[0][0]
    )


def _stage(folder: Path, threads: int) -> int:
    from aboveboard.sources import table

    return table.read(folder / "posts.toml").stage(folder / "staged").rows


def _staged(folder: Path) -> object:
    from aboveboard.sources import Staged

    shards = tuple(sorted((folder / "staged").glob("part-*.parquet")))
    import pyarrow.parquet as pq

    rows = sum(pq.read_metadata(shard).num_rows for shard in shards)
    return Staged("posts", "first_party", shards, folder / "staged" / "quarantine.parquet", rows, 0, "00" * 32)


def _engine(threads: int) -> object:
    from aboveboard.engine import Engine

    return Engine(threads=threads, memory="1GB")


def _relate(folder: Path, threads: int) -> int:
    from aboveboard.relate import relate

    return relate([_staged(folder)], folder, _engine(threads)).rows  # type: ignore[list-item, arg-type]


def _judgement(folder: Path, threads: int) -> object:
    from datetime import datetime

    from aboveboard import policy
    from aboveboard.gate import Gate, Job
    from aboveboard.judgement import Judgement
    from aboveboard.regime import Regimes
    from aboveboard.relate import Related

    versions = [
        policy.parse(RULES.format(version=v, effective=v, more=more).encode())
        for v, more in (("2018-01-01", ""), ("2021-01-01", TRAINING))
    ]
    gate = Gate(
        policy.timeline(versions), Kept(folder), Job("train_ai_system.generative"),  # type: ignore[arg-type]
        datetime.fromisoformat(AS_OF), Regimes(regions=dict.fromkeys(["EU", "US", "BR", "JP"], "notice")),
    )  # fmt: skip
    sets = (("user.content.public",), ("user.location.precise",))
    related = Related((_staged(folder),), folder / "relations.parquet", sets)  # type: ignore[arg-type]
    return Judgement(_engine(threads), related, gate)  # type: ignore[arg-type]


def _judge(folder: Path, threads: int) -> int:
    return sum(1 for _ in _judgement(folder, threads)._sessions()) and _staged(folder).rows  # type: ignore[attr-defined]


class Fixed:
    """Keys of the bench: the same every time."""

    def secret(self, name: str) -> bytes:
        return hashlib.sha256(name.encode()).digest()


def _write(folder: Path, threads: int) -> int:
    judgement = dataclasses.replace(_judgement(folder, threads), keys=Fixed())  # type: ignore[type-var]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        governed = judgement.write(Path(out) / "data", Path(out) / "private")  # type: ignore[attr-defined]
    return int(governed.records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--people", action="store_true", help="40 %% of the posts mention somebody")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("MEASURE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], Path(asked.one[1]), asked.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), asked.rows, asked.people)
        report(Path(folder), asked.rows, asked.repeat, asked.threads)


def report(folder: Path, rows: int, repeat: int, threads: int) -> None:
    base = 0.0
    print(f"{rows:,} rows, {threads} threads, medians of {repeat}")
    print(f"{'measure':<8}{'CPU s':>9}{'wall s':>9}{'rows/s':>13}{'peak MB':>9}{'CPU x copy':>12}")
    for name in MEASURES:
        command = [sys.executable, __file__, "--threads", str(threads), "--one", name, str(folder)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(repeat)]
        cpu, wall, peak = (statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "peak_mb"))
        base = base or cpu
        print(f"{name:<8}{cpu:>9.2f}{wall:>9.2f}{rows / wall:>13,.0f}{peak:>9.0f}{cpu / base:>12.1f}")


if __name__ == "__main__":
    main()
