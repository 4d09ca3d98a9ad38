"""Fixtures that several rooms share: one birdsite, built once a session, that tests only read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aboveboard.release import Release
from aboveboard.workspace import Workspace


@dataclass(frozen=True)
class Built:
    """A birdsite with its choices in the ledger and one release. Read it; to change one, make your own."""

    ws: Workspace
    job: Path
    release: Release


@pytest.fixture(scope="session")
def birdsite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    from aboveboard import mainjob
    from aboveboard.demo import make
    from aboveboard.demo.tour import import_choices_of
    from aboveboard.workspace import open_workspace, read_job

    folder = tmp_path_factory.mktemp("platform") / "birdsite"
    make(folder)
    ws = open_workspace(folder)
    import_choices_of(ws)
    job = folder / "jobs" / "feed-writer.toml"
    yield Built(ws, job, mainjob.build(ws, read_job(job)))
    ws.ledger.close()
