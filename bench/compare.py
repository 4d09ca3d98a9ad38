"""Prints how comparisons do: cases checked by hand, our labels, noise, combined pages, and what they cost.

    python bench/compare.py [--held-out] [--versions 4000]

Held-out pairs are looked at only when asked for. The texts lie in ABOVEBOARD_DATA/policies and are not part of the
project; without them only the costs are measured, over an invented policy.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.comparison import made_history, measure

from aboveboard.comparison import compare
from aboveboard.comparison.compare import compare_parts, read
from aboveboard.comparison.history import EVENT, Entry, History, Version
from aboveboard.recorded import Source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="also the pairs that no rule was written with in mind")
    parser.add_argument("--versions", type=int, default=4_000, help="versions of the invented history")
    asked = parser.parse_args()
    if measure.POLICIES.is_dir():
        agreement(asked.held_out)
        noise()
        combined()
    else:
        print("no policies in ABOVEBOARD_DATA: only costs are measured")
    two_texts()
    a_history(asked.versions)


def agreement(held_out: bool) -> None:
    print("cases checked by hand")
    for case in measure.cases():
        told(measure.of_case(case), "" if case["exhaustive"] else "  (not exhaustive)")
    for which in (False, True) if held_out else (False,):
        print("our labels" + (", held out" if which else ""))
        total([told(measure.of_pair(pair)) for pair in measure.labels() if pair["held_out"] is which])


def told(score: measure.Score, more: str = "") -> measure.Score:
    print(
        f"  {score.name:<44} recall {score.recall:5.2f} ({score.found}/{score.expected})  reported {score.reported:>4}"
        f"  ratio {score.ratio:5.2f}  forbidden {len(score.forbidden)}{more}"
    )
    for line in (*score.missed, *score.other_way, *score.forbidden):
        print(f"      {line}")
    return score


def total(scores: Iterable[measure.Score]) -> None:
    found, expected = map(sum, zip(*((s.found, s.expected) for s in scores), strict=True))
    print(f"  together: {found}/{expected} = {found / expected:.2f}")


def noise() -> None:
    print("noise (a flip before an announcement ends in the one change that came into force)")
    for folder in sorted((measure.POLICIES / "noise").iterdir()):
        found = entries(Source(folder))
        changes = sum(entry.kind == EVENT for entry in found)
        print(f"  {folder.name:<44} changes {changes}  entries {', '.join(entry.kind for entry in found)}")


def entries(source: Source) -> list[Entry]:
    one, found = History(), []
    for version in source.versions():
        found += one.add(Version(version.id, version.recorded_at, version.text or "", version.link, version.technical))
    return [*found, *one.finish()]


def combined() -> None:
    print("combined pages: the coming text against the later one in force")
    listed = json.loads((measure.POLICIES / "manifest.json").read_text("utf-8"))["combined_documents"]
    for path in (measure.POLICIES / one["file"] for one in listed):
        if not path.exists():
            print(f"  {path.parent.name}/{path.name}: not there")
            continue
        page = read(path.read_text("utf-8"), "new")
        later = (read(p.read_text("utf-8"), "new") for p in sorted(path.parent.glob("*.md")) if p.name > path.name)
        held = next((r for r in later if r.part.role == "only" and r.effective == page.effective), None)
        differs = "never in force" if held is None else f"{len(compare_parts(page, held).changes)} changes"
        print(
            f"  {path.parent.name}/{path.name:<28} {' + '.join(part.role for part in page.parts)}, {page.effective}: {differs}"
        )


def two_texts() -> None:
    one, other = (
        text for _, text, _ in list(made_history.versions(2 * made_history.REAL, words=5_000))[:: made_history.REAL]
    )
    seconds = []
    for number in range(5):
        begun = time.process_time()
        compare(one + "\n" * number, other + "\n" * number)
        seconds.append(time.process_time() - begun)
    print(
        f"two versions of an invented policy of 5,000 words: {seconds[0]:.2f} s the first time, {min(seconds):.2f} s again"
    )


def a_history(versions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        real = made_history.repository(Path(folder) / "versions", versions)
        begun, cpu = time.perf_counter(), time.process_time()
        found = sum(entry.kind == EVENT for entry in entries(Source(Path(folder) / "versions")))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{versions:,} versions of it in git: {time.perf_counter() - begun:.0f} s ({time.process_time() - cpu:.0f} s CPU), "
        f"{found} of {real} changes found, {memory:.0f} MB at most"
    )


if __name__ == "__main__":
    main()
