"""What a workspace lacks, and what is late in it: each thing a release needs is opened once, and what goes wrong is said with
its hint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aboveboard import evidence, kernel, keys, restoring, withdrawal
from aboveboard.errors import AboveboardError, LogError, SourceError
from aboveboard.log import OBJECTS, Log
from aboveboard.mainjob import leftovers
from aboveboard.proof import Entry
from aboveboard.release import unfinished
from aboveboard.workspace import Workspace, read_job


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: fine or not, what was seen, what to do."""

    about: str
    fine: bool
    seen: str
    hint: str = ""

    def as_json(self) -> dict[str, object]:
        return {"about": self.about, "fine": self.fine, "seen": self.seen, "hint": self.hint}

    def __str__(self) -> str:
        mark = "ok     " if self.fine else "PROBLEM"
        return f"{mark} {self.about}: {self.seen}" + (f"\n        hint: {self.hint}" if self.hint else "")


def examine(ws: Workspace) -> list[Finding]:
    """Look at everything; one problem never hides another."""
    return [
        _look(
            "policy",
            lambda: f"{len(ws.policy.versions)} versions of `{ws.policy.name}`: {', '.join(ws.policy.names)}",
        ),
        _look("ledger", lambda: _ledger(ws)),
        _look(
            "facts",
            lambda: f"{ws.facts.rows:,} rows" if "facts" in ws.settings else "none named: ages unknown",
        ),
        _look("regimes", lambda: f"{len(ws.regimes.regions)} regions have a regime of their own"),
        _look("licences", lambda: f"{len(ws.licences)} on file"),
        *_sources(ws),
        *_jobs(ws),
        *_keys(ws),
        _recovery(ws),
        _look("log", lambda: _log(ws)),
        _private(ws),
        *_unfinished(ws),
        *_late(ws),
        Finding("kernel", True, kernel.standing()),  # without it the same comes out, more slowly: no problem
    ]


def _look(about: str, seen: Callable[[], str]) -> Finding:
    try:
        return Finding(about, True, seen())
    except AboveboardError as error:
        return Finding(about, False, str(error), error.hint)


def _ledger(ws: Workspace) -> str:
    """Looking must not make one: a ledger that is not there yet has no choice in it."""
    return f"{ws.ledger.head():,} events" if ws.has_ledger else "not made yet: nobody made a choice"


def _sources(ws: Workspace) -> Iterator[Finding]:
    if not ws.sources:
        yield Finding("sources", False, "none", "add a [sources] table to aboveboard.toml")
    for name, path in ws.sources.items():
        yield _look(f"source {name}", partial(_source, path))


def _source(path: Path) -> str:
    from aboveboard.sources import opening

    source = opening.read(path)
    if missing := [file for file in source.files if not file.exists()]:
        raise SourceError("a file is not there", file=missing[0], hint="check `path` in the map")
    return f"{len(source.files)} files, {source.origin}"


def _jobs(ws: Workspace) -> Iterator[Finding]:
    for path in sorted((ws.folder / "jobs").glob("*.toml")):
        yield _look(f"job {path.stem}", partial(_job, path))


def _job(path: Path) -> str:
    return read_job(path).job.purpose


def _keys(ws: Workspace) -> Iterator[Finding]:
    problems = keys.problems(ws.keys_folder)
    for problem in problems:
        yield Finding("keys", False, str(problem), problem.hint)
    if not problems:
        yield Finding("keys", True, f"{len(keys.KINDS)} whole, for their owner only")


def _recovery(ws: Workspace) -> Finding:
    """Whoever has the log key and this one too can sign anything: they belong on different machines."""
    beside = ws.keys_folder.parent / keys.RECOVERY
    try:
        keys.recovery(ws.keys_folder)
    except AboveboardError as error:
        return Finding("recovery key", False, str(error), error.hint)
    if not beside.exists():
        return Finding("recovery key", True, "not here, as it should be")
    if beside.stat().st_mode & 0o077:
        return Finding("recovery key", False, "others can read it", f"chmod 600 {beside}")
    return Finding("recovery key", True, "still lies here", f"move {beside} to where nobody reaches it from here")


def _log(ws: Workspace) -> str:
    """The checkpoint is ours, what the next append builds on leads to it, and its last entry is the ledger's; `log audit`
    looks at all of it."""
    if not ws.has_log:
        return "not begun yet"
    reader = Log.open(ws.log_folder, ws.keys.signer("log", ws.origin)).reader()
    reader.verify_edge()
    if ws.has_ledger:
        evidence.refuse_other(ws.ledger, reader)
        _refuse_missing(ws)
    elif reader.at.size:
        raise LogError("the log has entries and the ledger is gone", file=ws.log_folder, hint="bring the ledger back")
    return f"{reader.at.size:,} entries under the checkpoint"


def _refuse_missing(ws: Workspace) -> None:
    """What no ledger has: without the statements that entries name, nothing can be proven and nothing is built."""
    entries = [Entry.parse(one.data) for one in ws.ledger.entries()]
    if lost := restoring.missing(ws.log_folder, entries):
        raise LogError(
            f"the statements of {len(lost):,} of {len(entries):,} entries are lost or damaged", file=ws.log_folder / OBJECTS,
            hint="`aboveboard log restore COPY` takes them from a copy of log/",
        )  # fmt: skip


def _private(ws: Workspace) -> Finding:
    folder = ws.private
    if not folder.exists():
        return Finding("private folder", True, "not made yet")
    mode = folder.stat().st_mode & 0o777
    fine = mode & 0o077 == 0
    return Finding("private folder", fine, f"mode {mode:04o}", "" if fine else f"run: chmod 700 {folder}")


def _unfinished(ws: Workspace) -> Iterator[Finding]:
    found = [*leftovers(ws.private), *unfinished(ws.private)]
    left = [folder for folder in found if folder.exists()]
    if left:
        committed = {str(entry["staged"]) for entry in ws.ledger.releases()} if ws.has_ledger else set()
        waiting = [folder for folder in left if folder.name in committed]
        if waiting:
            yield Finding("committed", False, "a release that is not published yet", "run `aboveboard release resume`")
        if dead := [folder for folder in left if folder not in waiting]:
            yield Finding(
                "leftovers", False, f"{len(dead)} folders of builds that died", "the next build clears them away"
            )


def _late(ws: Workspace) -> Iterator[Finding]:
    """What somebody is owed: open is fine, overdue is not."""
    if not ws.has_ledger:
        return
    try:
        found = withdrawal.late(ws)
    except AboveboardError as error:
        yield Finding("withdrawals", False, str(error), error.hint)
        return
    for one in found:
        yield Finding(one.about, not one.overdue, one.seen, f"run: {one.run}" if one.overdue else "")
