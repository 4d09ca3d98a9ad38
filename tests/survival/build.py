"""Builds a release of a small workspace in a process of its own, and dies where it is told to.

``python build.py WORKSPACE [STEP WHEN HOW]``: at the write called STEP, ``before`` it happens or ``after``, end at
once (``die``), as if the power went. Without them it prints the names of the writes it makes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aboveboard import disk, mainjob
from aboveboard.errors import AboveboardError
from aboveboard.workspace import open_workspace, read_job


def main(folder: Path, step: str = "", when: str = "", how: str = "") -> None:
    seen: dict[str, None] = {}

    def watch(moment: str, name: str) -> None:
        seen[name] = None
        if how == "die" and (moment, name) == (when, step):
            os._exit(9)

    disk.watcher.set(watch)
    ws = open_workspace(folder)
    try:
        mainjob.build(ws, read_job(folder / "job.toml"))
    except AboveboardError as error:
        print(error)
        raise SystemExit(1) from None
    finally:
        ws.ledger.close()
    print("\n".join(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
