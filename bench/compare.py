"""Prints how the comparison does on real policies: the cases checked by hand, our labels, noise, combined pages, time.

    python bench/compare.py [--held-out]      # the held-out pairs are looked at only when asked for

The texts lie in ABOVEBOARD_DATA/policies and are not part of the project.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "comparison"))
import measure


def main() -> None:
    print("cases checked by hand")
    for case in measure.cases():
        told(measure.of_case(case), "" if case["exhaustive"] else "  (not exhaustive)")
    for held_out in (False, True):
        if held_out and "--held-out" not in sys.argv:
            continue
        print("our labels" + (", held out" if held_out else ""))
        scores = [told(measure.of_pair(pair)) for pair in measure.labels() if pair["held_out"] is held_out]
        total(scores)


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


if __name__ == "__main__":
    begun = time.perf_counter()
    main()
    print(f"{time.perf_counter() - begun:.1f} s")
