"""What a withdrawal costs before anything is rewritten: who is touched, and what a question is about.

``python bench/withdrawal.py [--rows 1000000] [--people 10000] [--folder KEPT] [--json]`` makes a platform up and builds a release
of its posts. Then: the leaves of every row in which 10,000 people have a part (what a tombstone is), by the clock; and a
question about a country, looked through the openings of the whole release, beside judging the same records once from their
sources and writing nothing; and all rows of the release judged again, as where the rules changed. CPU seconds, user and
system. Files go below TMPDIR, or into a folder that is kept, also by bench/rewrite.py.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
from release import Setting, _engine, _gate, _written, warm
from rewrite import arguments, built, busy, platform, withdrawn


def measured(at: Setting, bits: int, count: int, workers: int) -> Mapping[str, float]:
    """Build, then ask."""
    from aboveboard import rewriting, writing
    from aboveboard.keys import read
    from aboveboard.policy import Embargo
    from aboveboard.rejudging import looked_through
    from aboveboard.withdrawal.matching import Opened

    made, gate, out = (
        built(at, at.folder / f"bits-{bits}", bits, workers),
        _gate(at),
        Path(tempfile.mkdtemp(dir=at.folder)),
    )
    asked = f"SELECT DISTINCT account FROM {writing.opened(made.private)} ORDER BY hash(account) LIMIT {count}"
    people = [subject for (subject,) in duckdb.sql(asked).fetchall()]
    before = rewriting.before(made.public, made.private)
    nobody: Any = None  # no key of anybody is asked for
    with rewriting.Rewriting(before, gate, _engine(at), read(at.folder / "keys"), nobody) as hand:
        clock, began = time.perf_counter(), busy()
        leaves = hand.involved(people, made.private)
        touching, touched = time.perf_counter() - clock, busy() - began
    undertaking = Embargo("asked", (gate.job.purpose,), ("US",), "a court")
    asking = replace(gate, snapshot=Opened(made.private, gate.snapshot.position), undertakings=(undertaking,))
    began = busy()
    found = sum(len(rows) for rows in looked_through(_engine(at), made.private, asking))
    question = busy() - began
    began = busy()
    replace(_written(at, out, 1), people=None, keys=None).audit()
    judging = busy() - began
    with rewriting.Rewriting(
        before, withdrawn(at, made, 1), _engine(at), read(at.folder / "keys"), nobody, "other rules"
    ) as hand:
        began = busy()
        again = hand.considered().judged
        anew = busy() - began
    shutil.rmtree(out)
    return {
        "released rows": made.rows, "CPU s: a full build": made.cpu,
        "people": len(people), "rows they are in": len(leaves),
        "s: finding the rows of these people": touching, "CPU s: finding them": touched, "rows a question is about": found,
        "CPU s: a question": question, "CPU s: judging all records once": judging,
        "a question, in judgements": question / judging, "records judged again": again,
        "CPU s: judging all again, other rules": anew, "judging all again, in judgements": anew / judging,
    }  # fmt: skip


def main() -> None:
    parser = arguments(__doc__, 1_000_000, 10_000)
    parser.add_argument("--bits", type=int, default=4, help="the release has 2^bits files")
    said = parser.parse_args()
    with platform(said) as at:
        warm()
        found = measured(at, said.bits, said.people, said.workers)
    if said.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<40} {value:>14,.3f}")


if __name__ == "__main__":
    main()
