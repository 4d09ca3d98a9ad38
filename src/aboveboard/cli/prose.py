"""How results read to a person: counts, reasons, what rules cost, the steps of a judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aboveboard.reasons import BY_CODE, Outcome

if TYPE_CHECKING:
    from aboveboard.difference import Difference
    from aboveboard.manifest import Loss, Tally
    from aboveboard.release import Release


def built(made: Release) -> str:
    """A built release in a few lines."""
    lines = [f"Release {made.id}", *outcomes(made.counts), *whys(made.governed.tallies)]
    if made.governed.quarantined:
        lines.append(f"  {made.governed.quarantined:,} rows could not be read: {made.private / 'quarantine'}")
    unknown = [one for one in made.governed.refused if not one["kind"]]
    if unknown:
        lines.append(f"  {len(unknown):,} files of no known kind were not read, such as `{unknown[0]['file']}`")
    if made.manifest.tombstones.leaves:
        lines.append(f"  {len(made.manifest.tombstones.leaves):,} rows were withdrawn meanwhile: tombstones.json")
    lines += [
        f"Released rows: {made.governed.released:,} in {made.public}",
        f"Decisions (private): {made.private}",
    ]
    return "\n".join(lines)


def outcomes(counts: Mapping[str, int]) -> list[str]:
    """How many records each outcome took, and the yield."""
    total = sum(counts.values()) or 1
    used = counts.get("permit", 0) + counts.get("redact", 0)
    rows = [*counts.items(), ("yield", used)]
    return [f"  {name:<8}{n:>12,}  {n / total:>6.1%}" for name, n in rows]


def whys(tallies: Sequence[Tally], most: int = 12) -> list[str]:
    """The commonest decisive reasons, over all sources."""
    found: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        found[tally.outcome, tally.decisive] += tally.records
    lines = [
        f"  {n:>10,}  {outcome:<7} {code}: {BY_CODE[code].sentence}" for (outcome, code), n in found.most_common(most)
    ]
    rest = len(found) - most
    return ["Why:", *lines, *([f"  ... and {rest} more reasons"] if rest > 0 else [])]


def audited(tallies: Sequence[Tally], losses: Sequence[Loss]) -> str:
    """Counts, and what each rule costs."""
    counts = {outcome.value: 0 for outcome in Outcome}
    for tally in tallies:
        counts[tally.outcome] += tally.records
    rows = [f"  {loss.against:>14,} {loss.decisive:>10,} {loss.alone:>10,}  {loss.reason}" for loss in losses]
    return "\n".join(
        [
            "Audit: nothing was written.",
            *outcomes(counts),
            *whys(tallies),
            "",
            "What each rule costs (alone: records that only this rule keeps out):",
            f"  {'stands against':>14} {'decides':>10} {'alone':>10}  rule",
            *rows,
        ]
    )


def step(document: Mapping[str, Any]) -> str:
    """One step of the judgement: its name, what it says, its columns and first rows."""
    first = "\n".join(f"    {row}" for row in document["first"])
    columns = ", ".join(document["columns"])
    return f"{document['step']}: {document['rows']:,} rows\n  {document['says']}\n  {columns}\n{first}"


def count(told: Mapping[str, int]) -> str:
    """A public count in a word."""
    return f"about {told['about']:,}" if "about" in told else f"below {told['below']}"


def compared(found: Difference) -> str:
    """What changed between two releases."""
    lines = [
        f"From {found.before}",
        f"to   {found.after}",
        f"  rows   {found.stayed:>10,} stayed  {found.left:>10,} left  {found.came:>10,} came",
        f"  files  {found.files_same:>10,} the same  {found.files_changed:>8,} changed  {found.files_gone:,} gone"
        f"  {found.files_new:,} new",
        *(f"  {name}: {before} -> {after}" for name, (before, after) in found.settings.items()),
    ]
    if found.moves:
        lines += ["Records whose outcome or reason changed:"]
        lines += [f"  {move.records:>10,}  {_side(move.before, move.because)} -> {_side(move.after, move.why)}"
                  for move in found.moves]  # fmt: skip
    return "\n".join(lines)


def _side(outcome: str | None, reason: str | None) -> str:
    return "(not there)" if outcome is None else f"{outcome} ({reason})"
