"""Executes the erasures of a small workspace that are due in two days, in a process of its own, and dies where told to.

``python erase.py WORKSPACE [STEP WHEN HOW]``, as ``build.py``.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aboveboard import disk, erasing
from aboveboard.workspace import open_workspace


def main(folder: Path, step: str = "", when: str = "", how: str = "") -> None:
    seen: dict[str, None] = {}

    def watch(moment: str, name: str) -> None:
        seen[name] = None
        if how == "die" and (moment, name) == (when, step):
            os._exit(9)

    ws = open_workspace(folder)
    assert ws.evidence.origin
    disk.watcher.set(watch)
    erasing.execute_due(ws, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    ws.ledger.close()
    print("\n".join(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
