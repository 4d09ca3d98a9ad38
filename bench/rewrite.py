"""What it costs to take people out of a published release, beside building it and beside a plain copy of the touched files.

``python bench/rewrite.py [--rows 1000000] [--people 100] [--bits 8 11] [--json]`` makes a platform up, builds a release of its
posts in 2^bits files (the layout is set by hand: a platform of this size would have fewer), lets so many people say no, and
rewrites it. CPU seconds, user and system, by stage; bytes of the files that are written anew; and the copy: DuckDB reads the
touched files and writes them again with the same compression, nothing else. Files go below TMPDIR.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
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


def built(at: Setting, out: Path, bits: int, ledger: Any) -> tuple[Any, float]:
    """A release in 2^bits files; the layout takes what it is told."""
    from aboveboard import layout, release

    layout.SUBJECTS, layout.ROWS = 1, 1
    judgement = replace(_written(at, out, 1), people=ledger, most=bits, seen=None)
    began = busy()
    made = release.build(
        lambda _: judgement,
        lambda: judgement.gate,
        ledger,
        to=out / "releases",
        private=out / "private",
        environment={},
    )
    return made, busy() - began


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
SELECT DISTINCT subject FROM read_parquet({people}) WHERE (source, ordinal) IN (
  SELECT (source, ordinal) FROM read_parquet({people}) WHERE subject IN (SELECT unnest($those)))
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


def measured(at: Setting, bits: int, count: int) -> Mapping[str, float]:
    """One layout: build, withdraw, rewrite, copy."""
    from aboveboard import commitments, resealing, rewriting
    from aboveboard.keys import read
    from aboveboard.ledger import Ledger

    out = at.folder / f"bits-{bits}"
    out.mkdir()
    ledger, clock = Ledger.open(out / "ledger.db"), Clock()
    made, build = built(at, out, bits, ledger)
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
        anew = [path for path in public.rglob("*") if path.is_file() and path.stat().st_nlink == 1]
    whole = [path for path in made.public.rglob("*") if path.is_file()]
    copy = copied(touched, out / "copy")
    ledger.close()
    stages = {f"CPU s: {name}": value for name, value in clock.spent.items()}
    return {
        "files": len(before.shards), "released rows": found.rows, "rows that left": found.leaving, "touched files": found.files,
        "MB of the touched files": found.bytes / 1e6, "MB of the public part": sum(p.stat().st_size for p in whole) / 1e6,
        "MB written anew": sum(p.stat().st_size for p in anew) / 1e6, "CPU s: a full build": build, "CPU s: the rewriting": spent,
        "CPU s: finding out what leaves": judging, **stages, "CPU s: a copy of the touched files": copy,
        "rewriting, share of a build": spent / build, "touched files against their copy": clock.spent["touched files"] / copy,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 11])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        at = Setting(**json.loads(said.one))
        warm()
        print(json.dumps(measured(replace(at, folder=Path(at.folder)), said.bits[0], said.people)))
        return
    with tempfile.TemporaryDirectory() as folder:
        at = Setting(Path(folder), said.rows, said.threads, said.memory, 0.1, 1_000)
        prepare(at)
        told = json.dumps({**{name: getattr(at, name) for name in at.__dataclass_fields__}, "folder": folder})
        found = {}
        for bits in said.bits:  # each in a process of its own
            command = [sys.executable, __file__, "--one", told, "--bits", str(bits), "--people", str(said.people)]
            found[bits] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if said.json:
        print(json.dumps({"rows": said.rows, "people": said.people, "layouts": found}))
        return
    for bits, figures in found.items():
        print(f"{said.rows:,} posts, {said.people:,} people withdrawn, 2^{bits} files")
        for name, value in figures.items():
            print(f"  {name:<40} {value:>14,.3f}")


if __name__ == "__main__":
    main()
