"""Exports made up in memory, read by a reader and judged under an open-handed gate: for tests of every reader.

``read`` stages files and hands back rows, quarantine and refused files. ``judged`` says what becomes of each record
when everything that no export can say (who is an adult, where, active, open) is in favour: so whatever is then not
released was kept back by what the export itself says.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aboveboard.choice import Event, Facts, people
from aboveboard.engine import Engine
from aboveboard.gate import Decision, Gate, Job, decide
from aboveboard.judgement import Judgement
from aboveboard.policy import Citation, Clause, Policy, PolicyVersion
from aboveboard.regime import STANDARD, Regimes
from aboveboard.relate import relate
from aboveboard.sources import Staged, opening

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reading:
    """What came of reading an export."""

    staged: Staged
    rows: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]

    @property
    def refused(self) -> dict[str, str]:
        """Files that were not read: name to the kind's reason, '' where the kind is unknown."""
        return {one.file: one.reason for one in self.staged.refused}

    def by_id(self, record_id: str) -> dict[str, Any]:
        [found] = [row for row in self.rows if row["record_id"] == record_id]
        return found


def read(
    folder: Path, reader: str, files: Mapping[str, bytes | str], *, form: str = "folder", **settings: Any
) -> Reading:
    """Stage an export of these files (``form``: folder, zip, tar.gz) and read back what was staged."""
    path = pack(folder / "export", files, form)
    return read_at(folder, reader, path, **settings)


def read_at(folder: Path, reader: str, path: Path | Sequence[Path], **settings: Any) -> Reading:
    """Stage what lies at a path, or at several."""
    paths = [str(path)] if isinstance(path, Path) else [str(one) for one in path]
    quarantine = {"keep_going": settings.pop("keep_going", True)}
    said = {
        "name": settings.pop("name", "export"),
        "origin": settings.pop("origin", "first_party"),
        "reader": reader,
        "quarantine": quarantine,
    }
    source = opening.export({**said, "export": {"path": paths, **settings}}, folder / "export.toml")
    staged = source.stage(folder / "staged")
    rows = [row for shard in staged.shards for row in pq.read_table(shard).to_pylist()]
    return Reading(staged, rows, pq.read_table(staged.quarantine).to_pylist())


def pack(path: Path, files: Mapping[str, bytes | str], form: str = "folder") -> Path:
    """Write these files as a folder or an archive; returns where it lies."""
    contents = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    if form == "folder":
        for name, data in contents.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path
    target = path.with_suffix("." + form)
    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        return target
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    target.write_bytes(gzip.compress(held.getvalue(), mtime=0))
    return target


def judged(
    reading: Reading,
    folder: Path,
    *,
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    events: Sequence[Event] = (),
) -> dict[str, Decision]:
    """The decision on every record, all accounts adult, active, open and in Ireland; ``facts`` changes some of them.

    The engine judges, ``decide`` judges too, and both have to agree.
    """
    subjects = {row["subject"] for row in reading.rows} | {
        party["subject"]
        for row in reading.rows
        for parties in (row["parties"], *(part["parties"] for part in row["parts"] or ()))
        for party in parties or ()
    }
    usual = {"state": "active", "protected": False, "age_band": "adult", "residency": "IE"}
    known = [Facts(subject=one, **{**usual, **(facts or {}).get(one, {})}) for one in sorted(filter(None, subjects))]
    gate = Gate(policy(), people(events, known), JOB, NOW, REGIMES)
    engine = Engine(threads=1)
    judgement = Judgement(engine, relate([reading.staged], folder, engine), gate)
    decisions = judgement.sample(len(reading.rows) + 1)
    for decision in decisions:
        assert decision in [decide(record, gate) for record in judgement.find(decision.record_id)]
    return {decision.record_id: decision for decision in decisions}


JOB = Job("train_ai_system.generative")
REGIMES = Regimes(dict(STANDARD), {"IE": "notice"})


def policy() -> Policy:
    """One version from the beginning on that allows training on what is public."""
    clause = Clause(
        id="training", effect="permit", purposes=("train_ai_system.generative",), categories=("user.content.public",),
        audience="public", recipients=("controller",), basis="legitimate_interest", control="ai-training",
        citation=Citation((), "We train models on public posts unless you say no."),
    )  # fmt: skip
    version = PolicyVersion(
        policy="open", version="v0", effective_from=BEGINNING, announced_at=BEGINNING, text_sha256="0" * 64,
        zone="UTC", establishment="IE", clauses=(clause,),
    )  # fmt: skip
    return Policy("open", (version,))
