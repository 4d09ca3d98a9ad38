"""What a withdrawal costs before anything is rewritten: who is touched, and what a question is about.

``python bench/withdrawal.py [--rows 1000000] [--people 10000] [--json]`` makes a platform up and builds a release of its posts.
Then: the leaves of every row in which 10,000 people have a part (what a tombstone is), by the clock; and a question about a
country, looked through the openings of the whole release, beside judging the same records once from their sources and
writing nothing; and all rows of the release judged again, as where the rules changed. CPU seconds, user and system. Files go
below TMPDIR.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
from release import Setting, _engine, _gate, _written, prepare, warm
from rewrite import built, busy, withdrawn


def measured(at: Setting, count: int) -> Mapping[str, float]:
    """Build, then ask."""
    from aboveboard import rewriting, writing
    from aboveboard.keys import read
    from aboveboard.ledger import Ledger
    from aboveboard.policy import Embargo
    from aboveboard.rejudging import looked_through
    from aboveboard.withdrawal.matching import Opened

    out = at.folder / "asked"
    out.mkdir()
    ledger, gate = Ledger.open(out / "ledger.db"), _gate(at)
    made, build = built(at, out, 4, ledger)
    asked = f"SELECT account FROM {writing.opened(made.private)} GROUP BY account ORDER BY hash(account) LIMIT {count}"
    people = [subject for (subject,) in duckdb.sql(asked).fetchall()]
    before = rewriting.before(made.public, made.private)
    with rewriting.Rewriting(before, gate, _engine(at), read(at.folder / "keys"), ledger) as hand:
        clock, began = time.perf_counter(), busy()
        leaves = hand.involved(people, made.private)
        touching, touched = time.perf_counter() - clock, busy() - began
    undertaking = Embargo("asked", (gate.job.purpose,), ("US",), "a court")
    asking = replace(gate, snapshot=Opened(made.private, gate.snapshot.position), undertakings=(undertaking,))
    began = busy()
    found = sum(len(rows) for rows in looked_through(_engine(at), made.private, asking))
    question = busy() - began
    began = busy()
    replace(_written(at, out / "again", 1), people=None, keys=None).audit()
    judging = busy() - began
    gate = withdrawn(at, made, 1)
    with rewriting.Rewriting(before, gate, _engine(at), read(at.folder / "keys"), ledger, "other rules") as hand:
        began = busy()
        again = hand.considered().judged
        anew = busy() - began
    ledger.close()
    return {
        "released rows": made.governed.released, "CPU s: a full build": build,
        "people": len(people), "rows they are in": len(leaves),
        "s: finding the rows of these people": touching, "CPU s: finding them": touched, "rows a question is about": found,
        "CPU s: a question": question, "CPU s: judging all records once": judging,
        "a question, in judgements": question / judging, "records judged again": again,
        "CPU s: judging all again, other rules": anew, "judging all again, in judgements": anew / judging,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = Setting(Path(folder), said.rows, said.threads, said.memory, 0.1, 1_000)
        prepare(at)
        warm()
        found = measured(at, said.people)
    if said.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<40} {value:>14,.3f}")


if __name__ == "__main__":
    main()
