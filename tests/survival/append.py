"""Appends to a log in a process of its own until it is killed, or dies where it is told to.

``python append.py FOLDER [STEP WHEN]``: appends batches of entries, a seeded number at a time. With a step it ends at
that write of the next append, ``before`` or ``after`` it, as if the power went.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

from aboveboard import disk
from aboveboard.log import Log
from aboveboard.note import Signer
from aboveboard.proof import Entry

SIGNER = Signer("birdsite.example/log", bytes(range(32)))


def entry(log: Log, number: int) -> bytes:
    """The entry that belongs at a place: the same in every process."""
    statement = b'{"number":%d}' % number
    return Entry("release/v1", "2026-01-01T00:00:00Z", log.put(statement), len(statement)).data()


def grow(log: Log) -> None:
    size = log.head().size
    count = Random(size).choice((1, 1, 2, 5, 300))
    log.append([entry(log, size + n) for n in range(count)], size)


def main(folder: Path, step: str = "", when: str = "") -> None:
    log = Log.open(folder, SIGNER)

    def watch(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            os._exit(9)

    if step:
        disk.watcher.set(watch)
        grow(log)
        return
    while True:
        grow(log)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
