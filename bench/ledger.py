"""How quick the ledger is: import, append, read, flatten; medians of three on a made-up ledger.

Run `python bench/ledger.py [--events N] [--json]`. Figures depend on the machine: they are printed, never tested.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import duckdb
import pyarrow

from aboveboard.choice import Event
from aboveboard.ledger import Ledger, Scope, flatten, import_choices
from aboveboard.ledger.choice_map import parse_map

RUNS = 3
APPENDS = 500
BATCH = 50_000
MAP = b"""
zone = "UTC"
[columns]
external_id = "id"
subject = "'u:' || member"
type = "answer"
category = "about"
purpose = "purpose"
effective_at = "said_at"
expires_at = "case when answer = 'yes' then 'P24M' end"
method = "'settings page'"
[types]
yes = "given"
no = "withdrawn"
"""
ABOUT = ("*", "user.content", "user.content.public", "user.biometric", "user.employment")
PURPOSES = ("*", "train_ai_system", "train_ai_system.generative", "advertising.relevance")
LABELS = (
    "user.content.public", "user.content.private", "user.biometric.face_template", "user.location", "user.job_title",
)  # fmt: skip
SCOPES = tuple(
    Scope(i, LABELS[: 1 + i % 2] if i < 5 else (LABELS[i % 5], LABELS[(i + 1) % 5]), PURPOSES[2], "controller")
    for i in range(10)
)
START = datetime(2023, 1, 1, tzinfo=UTC)


def write_csv(path: Path, events: int) -> None:
    """A platform's list: two thirds as many members as answers."""
    draw = random.Random(7)  # noqa: S311 - made-up data
    with path.open("w", encoding="utf-8") as out:
        out.write("id,member,answer,about,purpose,said_at\n")
        for i in range(events):
            said_at = START + timedelta(seconds=draw.randrange(40_000_000))
            member = 10**17 + 7919 * draw.randrange(events * 2 // 3)
            answer = draw.choice(("yes", "no"))
            out.write(
                f"e{i},{member},{answer},{draw.choice(ABOUT)},{draw.choice(PURPOSES)},{said_at:%Y-%m-%dT%H:%M:%SZ}\n"
            )


def timed(run: Callable[[int], object], runs: int = RUNS) -> tuple[float, float]:
    """Median seconds, by the clock and of the processor, of a few runs; ``run`` is told which one it is."""
    clock, processor = [], []
    for k in range(runs):
        begun, busy = time.perf_counter(), time.process_time()
        run(k)
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - busy)
    return median(clock), median(processor)


def events_of_batch(count: int) -> list[Event]:
    return [
        Event(subject=f"u:{i}", type="refused", purpose="train_ai_system", recorded_at=START, effective_at=START)
        for i in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, help="the same as --events")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a line a figure")
    asked = parser.parse_args()
    figures: list[dict[str, str | int | float]] = []

    def say(what: str, events: int, taken: tuple[float, float]) -> None:
        clock, processor = taken
        figures.append({"what": what, "events": events, "seconds": clock, "cpu_seconds": processor})
        if not asked.json:
            rate = f"{events / clock:>9,.0f} events/s"
            print(f"{what:<28} {events:>9,} events {clock:7.2f} s  {rate}  ({processor:.2f} CPU s)", flush=True)

    measure(asked.events if asked.count is None else asked.count, say)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"figures": figures, "peak_mb": peak}) if asked.json else f"peak memory {peak:,.0f} MB")


def measure(events: int, say: Callable[[str, int, tuple[float, float]], None]) -> None:
    """Tell every figure: what was done, with how many events, seconds by the clock and of the processor."""
    with TemporaryDirectory() as folder:
        root, choice_map = Path(folder), parse_map(MAP)
        write_csv(root / "choices.csv", events)

        def imported(k: int) -> None:
            with Ledger.open(root / f"import-{k}.db") as ledger:
                import_choices(ledger, root / "choices.csv", choice_map)

        say("import a CSV", events, timed(imported))
        with Ledger.open(root / "import-0.db") as ledger:
            again = timed(lambda _: import_choices(ledger, root / "choices.csv", choice_map), 1)
            say("import it again", events, again)
            table = ledger.snapshot().events_table()
            say("read as Arrow, with digest", events, timed(lambda _: ledger.snapshot().events_table()))
            say("flatten for 10 scopes", events, timed(lambda _: flattened(table)))
            batch = events_of_batch(APPENDS)
            say("append one at a time", APPENDS, timed(lambda _: [ledger.append(event) for event in batch]))
            batch = events_of_batch(BATCH)
            say("append in batches", BATCH, timed(lambda _: ledger.append_many([batch])))


def flattened(table: pyarrow.Table) -> None:
    with duckdb.connect(config={"memory_limit": "600MB"}) as con:
        con.register("said", table)
        flatten(con, "said", SCOPES, datetime.now(UTC) + timedelta(days=1))


if __name__ == "__main__":
    main()
