"""Does one thing to a small workspace that writes, in a process of its own, and dies where it is told to.

``python act.py FOLDER WHAT [STEP WHEN NTH]``: at the NTH write called STEP, ``before`` it happens or ``after``, end at once, as
if the power went. WHAT is a name of ``ACTS``; each may be run again, whatever happened to it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aboveboard import disk, erasing, purging, streams, withdrawal
from aboveboard.choice import Event
from aboveboard.retraction import Question
from aboveboard.workspace import Workspace, open_workspace

STREAM = "x"
LINES = [
    *({"user_protect": {"user": {"id": who}, "event_at": "2023-11-01T12:00:00Z"}} for who in ("u1", "u2", "u3", "u4", "u5")),
    {"delete": {"tweet": {"id": "p7"}, "event_at": "2023-11-01T12:00:00Z"}}, {"user_vanish": {}},
]  # fmt: skip
BATCH = 2
"""Events of a transaction, so that a small file has three."""
QUESTION = Question(
    reference="a court", purposes=("train_ai_system",), kinds=("post",), processed_from=datetime(2020, 1, 1, tzinfo=UTC)
)


def said(type: str = "withdrawn", **more: Any) -> Event:
    at = datetime.now(UTC)
    return Event(subject="u3", type=type, recorded_at=at, effective_at=at, **more)


def import_stream(ws: Workspace) -> None:
    streams.BATCH = BATCH
    file = ws.folder / "events.jsonl"
    report = streams.import_stream(ws.ledger, file, ws.streams[STREAM])
    streams.keep(report.quarantined, ws.folder / "left-out.jsonl")


def withdraw(ws: Workspace) -> None:
    """As ``withdraw --confirm`` does it: what was confirmed is what a dry run says, or nothing is recorded."""
    if withdrawal.plan(ws, said()).leaving:
        withdrawal.withdraw(ws, said())


def request(ws: Workspace) -> None:
    withdrawal.request(ws, "u3", method="form")


def ask(ws: Workspace) -> None:
    """Two people confirm a question that names records, one after the other."""
    plan = withdrawal.plan_question(ws, QUESTION)
    withdrawal.ask(ws, QUESTION, plan, "ann")
    withdrawal.ask(ws, QUESTION, plan, "bo")


def review(ws: Workspace) -> None:
    """Nothing has to leave by what somebody said who is already out: only that is noted."""
    withdrawal.carry_out(ws)


def certificate(ws: Workspace) -> None:
    [newest] = ws.ledger.live_releases()
    withdrawal.certificate(ws, str(newest["id"]), ws.folder / "certificate.json")


def ask_erasure(ws: Workspace) -> None:
    erasing.ask(ws, "u3", (), erasing.plan(ws, "u3").digest)


def undo_erasure(ws: Workspace) -> None:
    erasing.undo(ws, "u3")


def purge(ws: Workspace) -> None:
    purging.clean(ws, superseded=True)


ACTS: dict[str, Callable[[Workspace], None]] = {
    one.__name__: one
    for one in (import_stream, withdraw, request, ask, review, certificate, ask_erasure, undo_erasure, purge)
}


def watching(
    step: str, when: str, nth: int, happens: Callable[[], object], seen: list[str] | None = None
) -> disk.Watcher:
    left = [nth]

    def watch(moment: str, name: str) -> None:
        if seen is not None and moment == "before":
            seen.append(name)
        if (moment, name) == (when, step):
            left[0] -= 1
            if left[0] == 0:
                happens()

    return watch


def main(folder: Path, what: str, step: str = "", when: str = "", nth: str = "1") -> None:
    ws, seen = open_workspace(folder), list[str]()
    disk.watcher.set(watching(step, when, int(nth), lambda: os._exit(9), seen))
    with ws.ledger:
        ACTS[what](ws)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
