"""How well and how fast identifiers are found: recall and precision a kind, ours beside Presidio's, and time a post.

Run `python bench/scrub.py` (`--json` for one JSON object). It reads tests/scrub/labelled.jsonl and, where
ABOVEBOARD_DATA has it, pii/generated_small.json. Presidio is measured where it is installed, pattern recognisers only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

from aboveboard.identifiers import KINDS, Span, find
from aboveboard.scrub import scrub

ROOT = Path(__file__).parent.parent
LABELLED = ROOT / "tests" / "scrub" / "labelled.jsonl"
DATA = Path(os.environ.get("ABOVEBOARD_DATA", ROOT.parent / "shared" / "data"))
GENERATED = DATA / "pii" / "generated_small.json"
THEIR_KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "IP_ADDRESS": "ip",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
}
"""Presidio's names for our kinds, in its results and in generated_small.json; it has none for mentions."""
RUNS = 3
Finder = Callable[[str], list[Span]]


@dataclass(frozen=True)
class Item:
    """One text, and the spans that a reader sees in it."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Score:
    """For one kind: how many stand in the texts, how many of them were found, and how many were found that do not."""

    there: int
    found: int
    wrong: int

    @property
    def recall(self) -> float | None:
        return self.found / self.there if self.there else None

    @property
    def precision(self) -> float | None:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None


def labelled(path: Path = LABELLED) -> list[Item]:
    """Our own list: one JSON object a line, spans in code points."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Item(row["text"], tuple(Span(s["start"], s["end"], s["kind"]) for s in row["spans"])) for row in rows]


def generated(path: Path = GENERATED) -> list[Item]:
    """Presidio's list of made-up sentences; labels outside our kinds are left out."""
    return [
        Item(
            row["full_text"],
            tuple(
                Span(s["start_position"], s["end_position"], THEIR_KINDS[s["entity_type"]])
                for s in row["spans"]
                if s["entity_type"] in THEIR_KINDS
            ),
        )
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def scores(items: Iterable[Item], finder: Finder, exact: bool = True) -> dict[str, Score]:
    """By kind. Exact: a span counts when both ends are right; else when half of it at least is covered."""
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for item in items:
        got = finder(item.text)
        there.update(span.kind for span in item.spans)
        found.update(span.kind for span in item.spans if any(_same(span, other, exact) for other in got))
        wrong.update(span.kind for span in got if not any(_same(other, span, exact) for other in item.spans))
    return {kind: Score(there[kind], found[kind], wrong[kind]) for kind in KINDS if there[kind] or wrong[kind]}


def _same(there: Span, got: Span, exact: bool) -> bool:
    if exact or there.kind != got.kind:
        return there == got
    return 2 * (min(there.end, got.end) - max(there.start, got.start)) >= there.end - there.start


def presidio() -> Finder | None:
    """Presidio's pattern recognisers at their own settings, or None where it is not installed."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        return None
    logging.disable(logging.WARNING)
    os.environ.setdefault("TLDEXTRACT_CACHE", str(Path("/tmp/tldextract")))  # noqa: S108
    import presidio_analyzer.predefined_recognizers as theirs
    import tldextract

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())  # never the network
    tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR
    recognisers = [
        theirs.EmailRecognizer(),
        theirs.PhoneRecognizer(),
        theirs.IpRecognizer(),
        theirs.CreditCardRecognizer(),
        theirs.IbanRecognizer(),
    ]
    return lambda text: _theirs(recognisers, text)


def _theirs(recognisers: list[Any], text: str) -> list[Span]:
    found = [r for each in recognisers for r in each.analyze(text, each.supported_entities, None) or () if r.score > 0]
    spans = {Span(r.start, r.end, THEIR_KINDS[r.entity_type]) for r in found}
    return [s for s in spans if not any(o != s and o.kind == s.kind and _within(s, o) for o in spans)]


def _within(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


# --- speed ------------------------------------------------------------------------------------------------------

PLAIN = """the a of to and in that is was for on with as at by from people time day work game music film city rain coffee
    morning tonight really never always maybe friend love hate think know going back new old big small first last 2024
    3 10 50% $20 version update code why how what this week year team train song book read watch""".split()
FAR = (
    "今日はいい天気ですね。散歩に行きました。 新しい映画を見た、とても面白かった。 صباح الخير يا أصدقائي كيف حالكم اليوم "
    "오늘 날씨가 정말 좋네요 😂😂 🎉🎉🎉 Сегодня хорошая погода आज मौसम अच्छा है ❤️ 👩‍👩‍👧"
).split()
CARRIERS = ("@{w}{n}", "@{w}_{w}", "{w}.{w}{n}@example.com", "+1 202 555 0{n3}", "(202) 555-0{n3}", "10:30:15 {n3}",
            "192.0.2.{n}", "https://example.com/status/17000000000000{n3}", "2024-05-{d} 12:30", "@{w}@social.example",
            "4111 1111 1111 1111", "order 415555{n3}4")  # fmt: skip


def posts(count: int, seed: int = 7) -> list[str]:
    """Made-up posts of about 120 characters: a tenth in other scripts, about three in ten with some trigger."""
    draw = random.Random(seed)  # noqa: S311 - made-up data
    return [_post(draw) for _ in range(count)]


def _post(draw: random.Random) -> str:
    words = [draw.choice(PLAIN) for _ in range(draw.randrange(8, 36))]
    if draw.random() < 0.1:
        words = [draw.choice(FAR) for _ in range(draw.randrange(4, 14))]
    if draw.random() < 0.3:
        for _ in range(draw.choice((1, 1, 1, 2))):
            carrier = draw.choice(CARRIERS[:2]) if draw.random() < 0.6 else draw.choice(CARRIERS)
            fill = {"w": draw.choice(PLAIN[:40]), "n": draw.randrange(1, 99), "n3": draw.randrange(100, 999), "d": 12}
            words.insert(draw.randrange(len(words) + 1), carrier.format(**fill))
    return " ".join(words)


def timed(run: Callable[[], object]) -> float:
    """Median CPU seconds of a few runs."""
    taken = []
    for _ in range(RUNS):
        begun = time.process_time()
        run()
        taken.append(time.process_time() - begun)
    return median(taken)


def speed(count: int, finder: Finder | None) -> dict[str, float]:
    """CPU microseconds a post: our column, our function alone, and Presidio on a few of the posts."""
    made = posts(count)
    column = pa.array(made)
    few = made[:500]
    told = {
        "scrub a column": timed(lambda: scrub(column, b"bench")) / count * 1e6,
        "find in a str": timed(lambda: [find(text) for text in made[:20_000]]) / min(count, 20_000) * 1e6,
    }
    if finder is not None:
        told["presidio"] = timed(lambda: [finder(text) for text in few]) / len(few) * 1e6
    return told


def table(name: str, ours: dict[str, Score], theirs: dict[str, Score] | None) -> Iterable[str]:
    yield f"{name:<28} {'there':>5}  {'recall':>6} {'precision':>9}   {'presidio recall':>15} {'precision':>9}"
    for kind, score in ours.items():
        other = (theirs or {}).get(kind)
        shown = [score.recall, score.precision, *((other.recall, other.precision) if other else (None, None))]
        a, b, c, d = ("-" if value is None else f"{value:.3f}" for value in shown)
        yield f"  {kind:<26} {score.there:>5}  {a:>6} {b:>9}   {c:>15} {d:>9}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=200_000, help="how many made-up posts to time")
    parser.add_argument("--exact", action="store_true", help="count only spans whose both ends are right")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    chosen = parser.parse_args(arguments)
    finder = presidio()
    lists = {"labelled": labelled()} | ({"generated_small": generated()} if GENERATED.exists() else {})
    told = {
        name: (scores(items, find, chosen.exact), scores(items, finder, chosen.exact) if finder else None)
        for name, items in lists.items()
    }
    taken = speed(chosen.posts, finder)
    if chosen.json:
        print(json.dumps({"scores": {name: _plain(*both) for name, both in told.items()}, "microseconds": taken}))
        return
    for name, both in told.items():
        print("\n".join(table(name, *both)))
    for name, value in taken.items():
        print(f"{name:<28} {value:8.2f} CPU us a post")


def _plain(ours: dict[str, Score], theirs: dict[str, Score] | None) -> dict[str, Any]:
    both = {"ours": ours, "presidio": theirs or {}}
    return {
        who: {kind: {"there": s.there, "recall": s.recall, "precision": s.precision} for kind, s in of.items()}
        for who, of in both.items()
    }


if __name__ == "__main__":
    main(sys.argv[1:])
