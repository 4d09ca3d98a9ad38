"""``aboveboard demo``: a seeded platform, its first release, three records explained, and where to look next."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="birdsite")
@click.option("--seed", type=int, default=20230929, show_default=True, help="Another seed makes another birdsite.")
@json_option
def demo(folder: Path, seed: int, as_json: bool) -> None:
    """Make birdsite, an invented platform, in FOLDER, and build a training set from it."""
    from aboveboard import mainjob
    from aboveboard.demo import make
    from aboveboard.demo.tour import Tour, import_choices_of, stops
    from aboveboard.workspace import open_workspace, read_job

    with shown(quiet=as_json) as told:
        summary = make(folder, seed)
        ws = open_workspace(folder)
        heard = import_choices_of(ws)
        job = read_job(folder / "jobs" / "feed-writer.toml")
        made = mainjob.build(ws, job, progress=told)
        with mainjob.prepared(ws, job) as ready:
            gate = ready.gate(made.manifest.as_of)
            explained = stops(ready, gate, made)
    tour = Tour(folder, summary, heard, made, explained, _command())
    emit(tour.as_json(), as_json, tour.prose)


def _command() -> str:
    """``aboveboard`` where the shell finds it; else the path that was called, as in a fresh virtual environment."""
    called = Path(sys.argv[0])
    if shutil.which("aboveboard") or called.name != "aboveboard":
        return "aboveboard"
    return os.path.relpath(called)
