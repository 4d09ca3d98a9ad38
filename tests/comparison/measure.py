"""How well a comparison does against what people found: the measure, and where the real texts lie.

A reported change matches an expected one when its quote holds at least 60 % of the expected quote's words and kind and
direction agree. One expected change may match at most two reported ones. Directions written in prose are reduced to
their first word; what neither widens nor narrows counts as editorial.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aboveboard.comparison import Change, Comparison, compare
from aboveboard.wording import plain

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent.parent / "shared" / "data"))
POLICIES = DATA / "policies"
ENOUGH = 0.6


def words(quote: str | None) -> list[str]:
    return re.findall(r"[^\W_]+", plain(quote or "").lower())


def share(expected: str | None, reported: str) -> float:
    """The share of the expected quote's words that the reported quote holds; 1 where nothing is expected."""
    wanted, there = words(expected), words(reported)
    return sum(word in there for word in wanted) / len(wanted) if wanted else 1.0


def reduced(direction: str) -> str:
    first = re.split(r"[\s,(]", direction)[0]
    return first if first in ("widens", "narrows", "unclear") else "editorial"


@dataclass(frozen=True)
class Expected:
    """One change that people found."""

    kind: str
    direction: str
    old: str | None
    new: str | None

    def quoted_by(self, change: Change) -> bool:
        return bool(words(self.old) or words(self.new)) and (
            share(self.old, change.old_quote) >= ENOUGH and share(self.new, change.new_quote) >= ENOUGH
        )

    def matched_by(self, change: Change) -> bool:
        return self.quoted_by(change) and (self.kind, self.direction) == (change.kind, change.direction)


@dataclass(frozen=True)
class Score:
    """What came out for one case: found of expected, how many were reported, what should not have been."""

    name: str
    expected: int
    found: int
    reported: int
    missed: tuple[str, ...]
    forbidden: tuple[str, ...]
    other_way: tuple[str, ...] = ()

    @property
    def recall(self) -> float:
        return self.found / self.expected if self.expected else 1.0

    @property
    def ratio(self) -> float:
        return self.reported / self.expected if self.expected else float(self.reported)


def score(name: str, found: Comparison, expected: Sequence[Expected], forbidden: Sequence[str] = ()) -> Score:
    missed, other_way = [], []
    for one in expected:
        quoting = [c for c in found.changes if one.quoted_by(c)]
        if any(one.matched_by(c) for c in quoting):
            continue
        label = f"{one.kind} {one.direction}: {(one.new or one.old or '')[:90]}"
        missed.append(label)
        other_way += [f"{label} -> {c.kind} {c.direction} [{c.rule}]" for c in quoting[:1]]
    hits = [f for f in forbidden for c in found.changes if c.kind != "removed" and _told_as_new(f, c)]
    return Score(
        name,
        len(expected),
        len(expected) - len(missed),
        len(found.changes),
        tuple(missed),
        tuple(hits),
        tuple(other_way),
    )


def _told_as_new(quote: str, change: Change) -> bool:
    """Whether the words that a change marks as new hold most of a quote that was there before."""
    marked = " ".join(change.new_quote[a:b] for a, b in change.new_marks)
    return share(quote, marked) >= ENOUGH and " ".join(words(quote)[:4]) in " ".join(words(marked))


def cases() -> list[Mapping[str, Any]]:
    return list(json.loads((POLICIES / "expected-changes.json").read_text("utf-8"))["cases"])


def of_case(case: Mapping[str, Any]) -> Score:
    expected = [
        Expected(
            "changed" if s["kind"] == "moved" else s["kind"],
            reduced(s["direction"]),
            s["quote_before"],
            s["quote_after"],
        )
        for s in case["substantive"]
    ]
    return score(case["id"], compared(case["before"], case["after"]), expected, case["must_not_be_reported_as_new"])


def compared(before: str, after: str) -> Comparison:
    return compare((POLICIES / before).read_text("utf-8"), (POLICIES / after).read_text("utf-8"))


def labels() -> list[Mapping[str, Any]]:
    return list(tomllib.loads((HERE / "labels.toml").read_text("utf-8"))["pair"])


def of_pair(pair: Mapping[str, Any]) -> Score:
    expected = [Expected(one["kind"], one["direction"], one.get("old"), one.get("new")) for one in pair["label"]]
    folder = f"pairs/{pair['folder']}"
    return score(pair["folder"], compared(f"{folder}/before.md", f"{folder}/after.md"), expected)
