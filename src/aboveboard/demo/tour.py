"""What the demo shows once birdsite stands: counts, three records explained, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard.demo.birdsite import Summary
from aboveboard.explanation import Explanation, explain

if TYPE_CHECKING:
    from aboveboard.gate import Gate
    from aboveboard.mainjob import Prepared
    from aboveboard.release import Release
    from aboveboard.workspace import Workspace

STORIES = (
    ("allow.policy_clause", "A chirp that went in"),
    ("policy.widened_not_reconsented", "A chirp from before the policy changed"),
    ("subj.opted_out", "A chirp by somebody who said no"),
)
"""The decisive reasons whose first record is explained, and what to call it."""


def import_choices_of(ws: Workspace) -> int:
    """Record birdsite's list of choices in its ledger; returns how many events the ledger holds."""
    from aboveboard.ledger.choice_map import read_map
    from aboveboard.ledger.importing import import_choices

    import_choices(
        ws.ledger, ws.folder / "data" / "choices.csv", read_map(ws.folder / "choices.toml"), ids_verified=True
    )
    return ws.ledger.head()


def stops(ready: Prepared, gate: Gate, made: Release) -> list[tuple[str, Explanation]]:
    """One record for each story, found in the private decisions of the release."""
    judgement = ready.judge(gate)
    found = [(title, _telling(made.private, code)) for code, title in STORIES]
    return [(title, explain(judgement.find(one)[0], gate)) for title, one in found if one is not None]


def _telling(private: Path, code: str) -> str | None:
    """The record that shows a reason best: decided by it, with the fewest other reasons."""
    import duckdb

    from aboveboard.reasons import reason
    from aboveboard.writing import listed

    rows = duckdb.execute(
        f"SELECT record_id FROM {listed(private / 'decisions')} WHERE decisive = ? AND source = 'posts'"
        " ORDER BY policy_at_collection IS NULL, bit_count(reasons_lo) + bit_count(reasons_hi) + bit_count(part_reasons_lo)"
        " + bit_count(part_reasons_hi), ordinal LIMIT 1",
        [reason(code).id],
    ).fetchall()
    return rows[0][0] if rows else None


@dataclass(frozen=True)
class Tour:
    """Everything the demo has to say."""

    folder: Path
    summary: Summary
    choices: int
    release: Release
    explained: Sequence[tuple[str, Explanation]]
    command: str = "aboveboard"
    """How to call us from where the person stands."""

    def as_json(self) -> dict[str, Any]:
        return {
            "workspace": str(self.folder),
            "records": self.summary.records,
            "members": self.summary.members,
            "choices": self.choices,
            "release": self.release.as_json(),
            "explained": [explanation.as_json() for _, explanation in self.explained],
        }

    def prose(self) -> str:
        from aboveboard.cli import prose

        made = self.release
        lines = [
            f"birdsite stands in {self.folder}/: {self.summary.members} members, {self.summary.records:,} records,"
            f" {self.choices} choices in the ledger.",
            "Asked of every record: may it train `feed-writer`, today, under every choice people made?",
            "",
            *prose.outcomes(made.counts),
            "",
            *prose.whys(made.governed.tallies, most=10),
            "",
        ]
        for title, explanation in self.explained:
            lines += [f"--- {title} ---", explanation.prose(), ""]
        return "\n".join([*lines, *self._next()])

    def _next(self) -> list[str]:
        w = f"-w {self.folder}"
        record = self.explained[-1][1].record.id if self.explained else "RECORD"
        subject = self.explained[0][1].record.subject if self.explained else "u:1"
        return [
            f"The release: {self.release.public}",
            f"  {self.release.governed.released:,} rows; nothing in it tells who was left out, or why.",
            f"Decisions, private: {self.release.private}",
            "",
            "Next:",
            f"  {self.command} explain {record} {w}",
            f"  {self.command} choice record {subject} refused --purpose train_ai_system {w}     # say no for somebody",
            f"  {self.command} release build {self.folder}/jobs/feed-writer.toml {w}    # and see their chirps leave",
            f"  {self.command} release build {self.folder}/jobs/feed-writer.toml --audit {w}",
            f"  {self.command} policy compare 2023-05-18 2023-09-29 {w}",
            f"  {self.command} policy effect 2023-05-18 2023-09-29 --subject {subject} {w}",
            "",
            "What everybody else sees, and can check without asking:",
            f"  {self.command} verify {self.release.public}",
            f"  {self.command} capsule make {subject} {self.release.id} -o mine.capsule {w}    # for one person",
            f"  {self.command} check-me mine.capsule {self.release.public}",
            f"  {self.command} release audit latest {w}    # an auditor's recomputation of all of it",
            f"  {self.command} serve {self.folder}    # the portal, on this machine (pip install 'aboveboard[portal]')",
        ]
