"""What it costs to take people out of a published release, beside building it and beside a plain copy of the touched files.

``python bench/rewrite.py [--rows 1000000] [--people 100] [--bits 8 11] [--folder KEPT] [--json]`` makes a platform up, builds a
release of its posts in 2^bits files (the layout is set by hand: a platform of this size would have fewer), lets so many people
say no, and rewrites it. CPU seconds, user and system, by stage; bytes of the files that are written anew; and the copy: DuckDB
reads the touched files and writes them again with the same compression, nothing else. Files go below TMPDIR, or into a folder
that is kept: another layout, or bench/withdrawal.py, then begins with what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import made_up
from release import Setting, _engine, _gate, _written, prepare, warm


def busy() -> float:
    return sum(os.times()[:4])


class Clock:
    """CPU seconds by the name of what they went into."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Any:
        began = busy()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + busy() - began

    def watch(self, where: Any, function: str, name: str) -> None:
        """Count what a function of ours takes, as part of what calls it."""
        was: Callable[..., Any] = getattr(where, function)

        def timed(*args: Any, **more: Any) -> Any:
            with self.of(name):
                return was(*args, **more)

        setattr(where, function, timed)


@dataclass(frozen=True, slots=True)
class Built:
    """A release that stands: its folders, its released rows, and the CPU seconds that the build took."""

    public: Path
    private: Path
    rows: int
    cpu: float


def built(at: Setting, out: Path, bits: int, workers: int) -> Built:
    """A release in 2^bits files, below ``out``; the layout takes what it is told. One that stands there is not built again."""
    from aboveboard import layout, release
    from aboveboard.ledger import Ledger

    told = out / "built.json"
    if told.is_file():
        said = json.loads(told.read_text())
        return Built(Path(said["public"]), Path(said["private"]), said["rows"], said["cpu"])
    out.mkdir()
    layout.SUBJECTS, layout.ROWS = 1, 1
    with Ledger.open(out / "ledger.db") as ledger:
        judgement = replace(_written(at, out, workers), people=ledger, most=bits, seen=None)
        began = busy()
        made = release.build(
            lambda _: judgement,
            lambda: judgement.gate,
            ledger,
            to=out / "releases",
            private=out / "private",
            environment={},
        )
        found = Built(made.public, made.private, made.governed.released, busy() - began)
    told.write_text(json.dumps(asdict(found), default=str))
    return found


def withdrawn(at: Setting, made: Any, count: int) -> Any:
    """The gate a day later, when so many people with rows in the release have said no."""
    import duckdb

    from aboveboard import writing
    from aboveboard.choice import Event

    def some(query: str) -> list[str]:
        return [subject for (subject,) in duckdb.execute(query, {"those": subjects}).fetchall()]

    asked = f"SELECT DISTINCT account FROM {writing.opened(made.private)} ORDER BY hash(account) LIMIT {count}"
    subjects = [subject for (subject,) in duckdb.sql(asked).fetchall()]
    near = some(_NEAR.format(people=writing.listed(made.private / "people")))
    when, kept = made_up.AS_OF + timedelta(hours=1), made_up.Kept(at.folder)
    [head] = some(f"SELECT max(position) FROM '{at.folder}/events.parquet' WHERE len($those) > 0")
    said = tuple(
        Event(subject=subject, type="refused", recorded_at=when, effective_at=when, position=head + number)
        for number, subject in enumerate(subjects, 1)
    )
    later = made_up.Later(kept, said, made_up.people_of(at.folder, near))
    return replace(_gate(at), snapshot=later, as_of=made_up.AS_OF + timedelta(days=1))


_NEAR = """
SELECT DISTINCT subject FROM {people} WHERE (source, ordinal) IN (
  SELECT (source, ordinal) FROM {people} WHERE subject IN (SELECT unnest($those)))
"""
"""Everybody who has a part in a row in which one of these people has a part: of nobody else is anything asked."""


def copied(files: list[Path], out: Path) -> float:
    """CPU seconds of reading files with DuckDB and writing them again."""
    import duckdb

    out.mkdir()
    with duckdb.connect() as con:
        con.execute("SET threads = 1")
        began = busy()
        for file in files:
            con.execute(f"COPY (FROM read_parquet('{file}')) TO '{out}/{file.name}' (FORMAT parquet, COMPRESSION zstd)")
        return busy() - began


def measured(at: Setting, bits: int, count: int, workers: int) -> Mapping[str, float]:
    """One layout: build, withdraw, rewrite, copy."""
    from aboveboard import commitments, resealing, rewriting
    from aboveboard.keys import read
    from aboveboard.ledger import Ledger

    made = built(at, at.folder / f"bits-{bits}", bits, workers)
    out = Path(tempfile.mkdtemp(dir=at.folder))
    shutil.copy(at.folder / f"bits-{bits}" / "ledger.db", out)
    ledger, clock = Ledger.open(out / "ledger.db"), Clock()
    gate, before = withdrawn(at, made, count), rewriting.before(made.public, made.private)
    clock.watch(rewriting.Rewriting, "_filtered", "touched files")
    clock.watch(rewriting.Rewriting, "_linked", "links")
    clock.watch(resealing, "reseal", "map")
    clock.watch(resealing, "settle", "places and keys")
    clock.watch(commitments, "settle_known", "who changed")
    began = busy()
    with rewriting.Rewriting(before, gate, _engine(at), read(at.folder / "keys"), ledger) as hand:
        found = hand.considered()
        judging = busy() - began
        public, private = out / "public", out / "again"
        public.mkdir(), private.mkdir()
        hand.write(public, private)
        spent, touched = busy() - began, [made.public / one.name for one in before.shards if one.key in hand.left]
        anew = [path.stat() for path in public.rglob("*") if path.is_file()]
    whole = [path for path in made.public.rglob("*") if path.is_file()]
    copy = copied(touched, out / "copy")
    ledger.close()
    shutil.rmtree(out)
    stages = {f"CPU s: {name}": value for name, value in clock.spent.items()}
    return {
        "files": len(before.shards), "released rows": found.rows, "rows that left": found.leaving, "touched files": found.files,
        "MB of the touched files": found.bytes / 1e6, "MB of the public part": sum(p.stat().st_size for p in whole) / 1e6,
        "MB written anew": sum(one.st_size for one in anew if one.st_nlink == 1) / 1e6,
        "CPU s: a full build": made.cpu, "CPU s: the rewriting": spent,
        "CPU s: finding out what leaves": judging, **stages, "CPU s: a copy of the touched files": copy,
        "rewriting, share of a build": spent / made.cpu, "touched files against their copy": clock.spent["touched files"] / copy,
    }  # fmt: skip


def arguments(about: str | None, rows: int, people: int) -> argparse.ArgumentParser:
    """What both benches of withdrawals can be told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--accounts", type=int, default=0, help="people on the platform (one for every twenty posts)")
    parser.add_argument("--people", type=int, default=people, help="how many of them say no")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that build the release; the bytes are the same"
    )
    parser.add_argument("--memory", default="1GB", help="what DuckDB may hold before it spills (1GB)")
    parser.add_argument(
        "--folder", type=Path, help="keep platform and releases here, and take them from here next time"
    )
    parser.add_argument("--json", action="store_true")
    return parser


@contextmanager
def platform(said: argparse.Namespace) -> Iterator[Setting]:
    """The platform that was asked for: made up in a folder that is gone afterwards, or in one that stays."""
    with tempfile.TemporaryDirectory() if said.folder is None else nullcontext(said.folder) as folder:
        at = Setting(Path(folder), said.rows, said.threads, said.memory, 0.1, 1_000, said.accounts)
        ready = at.folder / "ready"
        made = f"{at.rows} posts, {at.accounts} accounts"
        if not ready.is_file():
            at.folder.mkdir(parents=True, exist_ok=True)
            prepare(at)
            ready.write_text(made)
        if ready.read_text() != made:
            raise SystemExit(f"{folder} holds another platform: {ready.read_text()}")
        yield at


def main() -> None:
    parser = arguments(__doc__, 1_000_000, 100)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 11])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        at = Setting(**json.loads(said.one))
        warm()
        print(json.dumps(measured(replace(at, folder=Path(at.folder)), said.bits[0], said.people, said.workers)))
        return
    found = {}
    with platform(said) as at:
        told = json.dumps(asdict(at), default=str)
        for bits in said.bits:  # each in a process of its own
            command = [sys.executable, __file__, "--one", told, "--bits", str(bits), "--people", str(said.people)]
            command += ["--workers", str(said.workers)]
            found[bits] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    if said.json:
        print(json.dumps({"rows": said.rows, "people": said.people, "layouts": found}))
        return
    for bits, figures in found.items():
        print(f"{said.rows:,} posts, {said.people:,} people withdrawn, 2^{bits} files")
        for name, value in figures.items():
            print(f"  {name:<40} {value:>14,.3f}")


if __name__ == "__main__":
    main()
