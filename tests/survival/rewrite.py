"""Rewrites the newest release of a small workspace in a process of its own, and dies where it is told to.

``python rewrite.py WORKSPACE [STEP WHEN]``: at the write called STEP, ``before`` it happens or ``after``, end at once, as if
the power went. Without them it prints the names of the writes it makes.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aboveboard import disk, mainjob
from aboveboard.errors import AboveboardError
from aboveboard.workspace import open_workspace


def main(folder: Path, step: str = "", when: str = "") -> None:
    seen: dict[str, None] = {}

    def watch(moment: str, name: str) -> None:
        seen[name] = None
        if step and (moment, name) == (when, step):
            os._exit(9)

    ws = open_workspace(folder)
    disk.watcher.set(watch)
    [standing] = ws.ledger.live_releases()
    try:
        mainjob.rewrite(
            ws, folder / "releases" / str(standing["id"]), clock=lambda: datetime.now(UTC) + timedelta(seconds=30)
        )
    except AboveboardError as error:
        print(error)
        raise SystemExit(1) from None
    finally:
        ws.ledger.close()
    print("\n".join(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
