"""What a release costs: every stage of it, and other people's tools, beside a plain DuckDB copy in the same run.

``python bench/release.py [--rows 2000000] [--repeat 3] [--json] [--only NAME ...]`` makes a platform up, runs each
measure in a process of its own, round after round, and prints medians: CPU seconds (user and system, child processes
included), seconds, rows a second, peak memory of the largest process, and CPU a row against two copies. Imports, and what
a job prepares once, stand outside the clock.

There are two yardsticks. ``copy`` reads the posts and writes their text, language, kind and geotag to Parquet with zstd:
what a release holds of them. ``copy-table`` writes every column of the posts: what passing the whole table on costs.
Peers are no dependencies: ``pip install datatrove==0.10.0 cedarpy``; without them their rows say why they are not
there. Files go below TMPDIR, about 200 bytes a row; no text is printed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_up
import peers

if TYPE_CHECKING:
    from aboveboard.gate import Gate
    from aboveboard.judgement import Judgement
    from aboveboard.record import Record
    from aboveboard.relate import Related
    from aboveboard.sources import Staged

DECISIONS = 20_000
"""How many records are decided one by one."""
STARTS = 5
"""How often a process is started to see how long that takes; the median counts."""
COMPARED = {"datatrove": "source-order", "datatrove-scrub": "release", "cedarpy": "decide"}
"""Which of our measures does the work of a peer."""

YARDSTICKS = {"copy": "x copy", "copy-table": "x table"}
"""What every other measure is told beside, and the heading of how many times its CPU a row they take."""

Run = Callable[[], int]
"""The measured part; gives the number of rows it went through."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every process of one run shares."""

    folder: Path
    rows: int
    threads: int
    memory: str
    named: float
    peer_rows: int
    accounts: int = 0
    """How many people; 0: one for every twenty posts."""


# --- the measures -----------------------------------------------------------------------------------------------


def copy(at: Setting, out: Path) -> Run:
    """A plain DuckDB COPY of what a release holds."""
    return _copied(at, out, f"SELECT text, lang AS language, 'post' AS kind, geo AS parts FROM {_posts(at)}")


def copy_table(at: Setting, out: Path) -> Run:
    """The same of all columns of the posts."""
    return _copied(at, out, f"FROM {_posts(at)}")


def _posts(at: Setting) -> str:
    return f"'{at.folder}/posts.parquet'"


def _copied(at: Setting, out: Path, query: str) -> Run:
    import duckdb

    con = duckdb.connect()
    con.execute(f"SET threads = {at.threads}")
    return lambda: int(
        con.execute(f"COPY ({query}) TO '{out}/copy.parquet' (FORMAT parquet, COMPRESSION zstd)").fetchall()[0][0]
    )


def stage(at: Setting, out: Path) -> Run:
    """The table read through its map into shards."""
    from aboveboard.sources import table

    return lambda: table.read(at.folder / "posts.toml").stage(out / "staged").rows


def relate(at: Setting, out: Path) -> Run:
    """All records related to each other."""
    from aboveboard.relate import relate

    staged = _staged(at)
    return lambda: relate([staged], out, _engine(at)).rows


def judge(at: Setting, out: Path) -> Run:
    """Every record judged; nothing written."""
    judgement = _judgement(at)
    return lambda: sum(session.count("decisions") for session in judgement._sessions())


def source_order(at: Setting, out: Path) -> Run:
    """Judge, and write released rows and decisions in source order: the filter, without layout, hashes or scrubbing."""
    from aboveboard import commitments, writing
    from aboveboard import judgement as judging
    from aboveboard.keys import read

    judgement = _judgement(at)
    pseudonym = read(at.folder / "keys").secret("pseudonym")

    def run() -> int:
        rows = 0
        for shard, session in enumerate(judgement._sessions()):
            session.load("redacted_texts", writing._redacted(session.con, pseudonym))
            session.run("write")
            released = "SELECT text, language, kind, parts FROM released ORDER BY ordinal"
            writing.copy_rows(session.con, released, out / f"data-{shard:05d}.parquet")
            commitments.find_company(session)
            writing.keep(session.con, judging._DECISIONS, out, "decisions", ("record_id", "ordinal", "collected_at"))
            rows += session.count("decisions")
        return rows

    return run


def laid_out(at: Setting, out: Path) -> Run:
    """``Judgement.write`` with the text kernel taken out: every text comes back as it is."""
    from aboveboard import scrub

    scrub.scrub = lambda column, key: (column, {})  # type: ignore[assignment]
    return release(at, out)


def release(at: Setting, out: Path, workers: int = 1) -> Run:
    """``Judgement.write`` as it is: judged, redacted, scrubbed, laid out, hashed, with decisions and index."""
    judgement = _written(at, out, workers)
    return lambda: judgement.write(out / "public", out / "private").records


def committed(at: Setting, out: Path) -> Run:
    """The same with commitments, openings and the subject map: all that a release holds before the log."""
    from dataclasses import replace

    from aboveboard.ledger import Ledger

    judgement = replace(_written(at, out, 1), people=Ledger.open(out / "ledger.db"))
    return lambda: judgement.write(out / "public", out / "private").records


def workers_2(at: Setting, out: Path) -> Run:
    """The same by two processes."""
    return release(at, out, workers=2)


def decide(at: Setting, out: Path) -> Run:
    """``gate.decide`` on resolved records, one by one."""
    from dataclasses import replace

    records, people = _asked(at)
    gate = replace(_gate(at), snapshot=people)
    return lambda: sum(1 for record in records if gate.decide(record).codes)


def datatrove(at: Setting, out: Path) -> Run:
    """datatrove: drop who opted out and what is not public."""
    return peers.filtered(at.folder, out, scrub=False)


def datatrove_scrub(at: Setting, out: Path) -> Run:
    """datatrove: the same, and its formatter for e-mail and IP addresses."""
    return peers.filtered(at.folder, out, scrub=True)


def cedarpy(at: Setting, out: Path) -> Run:
    """Cedar: the same few rules, asked in one batch."""
    return peers.authorised(*_asked(at))


MEASURES: Mapping[str, Callable[[Setting, Path], Run]] = {
    "copy": copy,
    "copy-table": copy_table,
    "stage": stage,
    "relate": relate,
    "judge": judge,
    "source-order": source_order,
    "laid-out": laid_out,
    "release": release,
    "committed": committed,
    "workers-2": workers_2,
    "decide": decide,
    "datatrove": datatrove,
    "datatrove-scrub": datatrove_scrub,
    "cedarpy": cedarpy,
}
COMMANDS = {"import": ("-c", "import aboveboard"), "help": ("-m", "aboveboard", "--help")}
"""Measures of a process from its start to its end."""


# --- what they work with ----------------------------------------------------------------------------------------


def _engine(at: Setting) -> Any:
    from aboveboard.engine import Engine

    return Engine(threads=at.threads, memory=at.memory, scratch=at.folder / "scratch")


def _staged(at: Setting) -> Staged:
    from aboveboard.sources import Staged

    folder = at.folder / "staged"
    shards = tuple(sorted(folder.glob("part-*.parquet")))
    return Staged("posts", "first_party", shards, folder / "quarantine.parquet", at.rows, 0, "00" * 32)


def _related(at: Setting) -> Related:
    from aboveboard.relate import Related

    sets = (("user.account.username",), ("user.content.public",), ("user.location.precise",))
    return Related((_staged(at),), at.folder / "relations.parquet", sets)


def _gate(at: Setting) -> Gate:
    from aboveboard.gate import Gate, Job
    from aboveboard.regime import Regimes

    regimes = Regimes(regions=dict.fromkeys(["EU", "US", "BR", "JP"], "notice"))
    people: Any = made_up.Kept(at.folder)
    return Gate(made_up.policy(), people, Job("train_ai_system.generative"), made_up.AS_OF, regimes)


def _judgement(at: Setting) -> Judgement:
    from aboveboard.judgement import Judgement

    return Judgement(_engine(at), _related(at), _gate(at))


def _written(at: Setting, out: Path, workers: int) -> Judgement:
    from dataclasses import replace

    from aboveboard.keys import read

    return replace(_judgement(at), keys=read(at.folder / "keys"), workers=workers, seen=out)


def _asked(at: Setting) -> tuple[list[Record], Any]:
    """The first resolved records, and the people in them."""
    from aboveboard.judgement import _dicts, as_record

    judgement = _judgement(at)
    with judgement.engine.connect() as con:
        rows = next(judgement.records(con, chosen=f"ordinal < {DECISIONS}"))
        records = [as_record(row) for row in _dicts(con, f"SELECT * FROM {rows} ORDER BY ordinal")]
    named = {party.subject for record in records for part in record.parts or () for party in part.parties or ()}
    named |= {record.subject for record in records}
    return records, made_up.people_of(at.folder, sorted(filter(None, named)))


def prepare(at: Setting) -> None:
    """What every measure finds: the platform, staged and related, and keys."""
    from aboveboard import keys

    made_up.generate(at.folder, at.rows, at.named, at.accounts)
    (at.folder / "scratch").mkdir()
    keys.make(at.folder / "keys")
    peers.prepare(at.folder, at.peer_rows)
    if stage(at, at.folder)() != at.rows:
        raise RuntimeError("rows were lost while staging")
    relate(at, at.folder)()


# --- one process ------------------------------------------------------------------------------------------------


def measured(name: str, at: Setting) -> dict[str, float]:
    """One measure in this process: CPU seconds, seconds, peak memory in MB, rows."""
    if name in COMMANDS:
        return started(COMMANDS[name])
    with tempfile.TemporaryDirectory(dir=at.folder) as out:
        run = MEASURES[name](at, Path(out))
        warm()
        gc.collect()  # what preparing left behind belongs to nobody's measure
        begun, busy = time.perf_counter(), busy_seconds()
        rows = run()
        wall, cpu = time.perf_counter() - begun, busy_seconds() - busy
    return {"cpu": cpu, "wall": wall, "peak_mb": peak_mb(), "rows": rows}


def warm() -> None:
    """Import what is only imported at first use, so that every measure finds it there."""
    import pyarrow as pa
    import pyarrow.parquet

    import aboveboard.engine
    import aboveboard.ledger
    import aboveboard.scrub
    import aboveboard.writing  # noqa: F401

    pa.Table.from_pylist([{"n": 1}])  # looks whether pandas is there, and then imports it


def started(arguments: tuple[str, ...]) -> dict[str, float]:
    """A process from start to end: medians of a few."""
    clock, processor = [], []
    for _ in range(STARTS):
        begun, busy = time.perf_counter(), busy_seconds()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        clock.append(time.perf_counter() - begun)
        processor.append(busy_seconds() - busy)
    return {"cpu": statistics.median(processor), "wall": statistics.median(clock), "peak_mb": peak_mb(), "rows": 1}


def busy_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def peak_mb() -> float:
    """Peak memory of this process or of its largest child."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


# --- all of them ------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--one"]:
        alone(*arguments[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="how many posts (2000000)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; medians of them are told (3)")
    parser.add_argument("--threads", type=int, default=2, help="of DuckDB, in our measures and in the copy (2)")
    parser.add_argument("--memory", default="1GB", help="what DuckDB may hold before it spills (1GB)")
    parser.add_argument("--people", type=float, default=0.1, help="share of posts that mention a named person (0.1)")
    parser.add_argument("--peer-rows", type=int, default=500_000, help="rows for datatrove; ratios are a row (500000)")
    parser.add_argument("--only", nargs="+", choices=[*MEASURES, *COMMANDS], metavar="NAME", help="only these measures")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    asked = parser.parse_args(arguments)
    names = [name for name in (*MEASURES, *COMMANDS) if name in (asked.only or (name,))]
    if any(name in MEASURES for name in names):  # all are told beside them
        names = [*YARDSTICKS, *(name for name in names if name not in YARDSTICKS)]
    with tempfile.TemporaryDirectory(prefix="aboveboard-bench-") as folder:
        peer_rows = min(asked.peer_rows, asked.rows)
        at = Setting(Path(folder), asked.rows, asked.threads, asked.memory, asked.people, peer_rows)
        told = report(at, names, asked.repeat)
    print(json.dumps(told) if asked.json else "\n".join(table(told)))


def alone(name: str, setting: str) -> None:
    """In a process of its own: prepare, or measure and print what was measured."""
    given = json.loads(setting)
    at = Setting(**{**given, "folder": Path(given["folder"])})
    if name == "prepare":
        prepare(at)
    else:
        print(json.dumps(measured(name, at)))


def report(at: Setting, names: list[str], repeat: int) -> dict[str, Any]:
    """Run everything, round after round, so that a slow moment of the machine meets all measures alike."""
    skipped = {name: why for name in names if (why := peers.missing(name)) is not None}
    if any(name in MEASURES for name in names):
        in_a_process("prepare", at)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names if name not in skipped}
    for number in range(repeat):
        for name, done in runs.items():
            progress(f"round {number + 1} of {repeat}: {name}")
            done.append(json.loads(in_a_process(name, at)))
    progress("")
    figures = {name: median(done) for name, done in runs.items()}
    for name, figure in figures.items():
        if name in MEASURES:
            figure["ratio"] = figure["us_a_row"] / figures["copy"]["us_a_row"]
            figure["ratio_table"] = figure["us_a_row"] / figures["copy-table"]["us_a_row"]
    setting = {key: value for key, value in asdict(at).items() if key != "folder"}
    versions: dict[str, Any] = {
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "cores": os.cpu_count(),
    }
    return {
        "setting": {**setting, "repeat": repeat, **versions},
        "measures": figures,
        "compared": dict(compared(figures)),
        "skipped": skipped,
    }


def progress(said: str) -> None:
    """What is being measured, on a screen."""
    if sys.stderr.isatty():
        print(f"\r{said:<50}\r", end="", file=sys.stderr, flush=True)


def in_a_process(name: str, at: Setting) -> str:
    """Run a measure alone. INVARIANT: this process stays small, for a child's peak memory begins with its parent's."""
    setting = json.dumps({**asdict(at), "folder": str(at.folder)})
    done = subprocess.run([sys.executable, __file__, "--one", name, setting], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return done.stdout.splitlines()[-1] if done.stdout else ""


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    found = {key: statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "peak_mb", "rows")}
    return {**found, "rows_a_second": found["rows"] / found["wall"], "us_a_row": found["cpu"] / found["rows"] * 1e6}


def compared(figures: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    """How many times more CPU a peer takes a row than our measure that does its work."""
    for peer, ours in COMPARED.items():
        if peer in figures and ours in figures:
            yield f"{peer} / {ours}", figures[peer]["us_a_row"] / figures[ours]["us_a_row"]


def table(told: Mapping[str, Any]) -> Iterator[str]:
    yield ", ".join(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in
                    told["setting"].items())  # fmt: skip
    yield (
        f"{'measure':<17}{'rows':>12}{'CPU s':>9}{'wall s':>9}{'rows/s':>13}{'CPU us/row':>12}{'peak MB':>9}"
        + "".join(f"{heading:>9}" for heading in YARDSTICKS.values())
    )
    for name, found in told["measures"].items():
        yield _line(name, found)
    for name, times in told["compared"].items():
        yield f"{name}: {times:.1f} times the CPU a row"
    for name, why in told["skipped"].items():
        yield f"{name} was not measured: {why}"


def _line(name: str, found: Mapping[str, float]) -> str:
    taken = f"{found['cpu']:>9.2f}{found['wall']:>9.2f}"
    if name in COMMANDS:
        return f"{name:<17}{'':>12}{taken}{'':>25}{found['peak_mb']:>9.0f}"
    rate = f"{found['rows_a_second']:>13,.0f}{found['us_a_row']:>12.2f}"
    ratios = f"{found['ratio']:>9.2f}{found['ratio_table']:>9.2f}"
    return f"{name:<17}{found['rows']:>12,.0f}{taken}{rate}{found['peak_mb']:>9.0f}{ratios}"


if __name__ == "__main__":
    main(sys.argv[1:])
