"""Clears what may be cleared of what must be gone, and looks whether it is.

``clean`` writes the ledger's file anew, empties its log, and takes away what nobody holds any more: folders of builds that
died, half-written files, and, where told to, the private files of releases that another one superseded. It never touches
what belongs to a live release. ``look`` scans the files themselves (``scanning``) and changes nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aboveboard import disk, intake, mainjob, openings, release, shredding
from aboveboard.errors import ReleaseError
from aboveboard.merkle import WIDTH
from aboveboard.scanning import Found, Progress, Report, Sought, scan
from aboveboard.suppression import Suppressions
from aboveboard.workspace import Workspace

REMOVED = "removed.bin"
"""In the private part of a rewritten release: the leaves of the rows that are in the one before and not in it."""
KEPT = (intake.FILE, "exact-counts.json", REMOVED)
"""What stays of the private part of a superseded release: the memory of first receipts stops builds where it is lost."""
_PARTIAL = ("*.partial", f"*{shredding.NEW}")


@dataclass
class Cleaned:
    """What was done: whether the ledger's file was written anew, and what was taken away."""

    ledger: bool
    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)


def clean(ws: Workspace, *, superseded: bool = False) -> Cleaned:
    """Clear what may be cleared; ``superseded`` also the private files of releases that another one took the place of."""
    with release.in_plain_words():
        release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
        done = Cleaned(_tidied(ws))
        for folder in leftovers(ws):
            with disk.step("purge leftovers"):
                clear_leftover(ws, folder)
            done.folders.append(folder.name)
        for file in _partial(ws):
            with disk.step("purge files"):
                file.unlink(missing_ok=True)
            done.files.append(str(file))
        if superseded:
            for name in sorted(_superseded(ws)):
                if _cleared(ws.private / name):
                    done.superseded.append(name)
    return done


def look(
    ws: Workspace,
    paths: Sequence[Path] = (),
    subjects: Sequence[str] = (),
    texts: Sequence[bytes] = (),
    every_row: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Look for what must be gone: identifiers of who was erased (``subjects`` by name, all others by the suppression
    list), rows that were removed, texts by their SHA-256. A data file that is, to the byte, what its manifest says has the
    leaves that its tile says; with ``every_row`` its rows are hashed all the same. Without ``paths`` in everything that
    aboveboard writes here.

    Raises WorkspaceError where the key of the list is lost: then nobody can look.
    """
    wanted = _Wanted(ws, tuple(subjects), ws.gone(), frozenset(texts), every_row)
    made = scan(list(paths) or _rooms(ws), wanted.of, progress)
    if not paths:
        made.found += [Found("leftover", str(folder)) for folder in leftovers(ws)]
        made.found += [Found("leftover", str(file)) for file in _partial(ws)]
    return made


@dataclass
class _Wanted:
    """What must be gone from which file: a row only from the releases it was removed from."""

    ws: Workspace
    names: tuple[str, ...]
    gone: Suppressions
    texts: frozenset[bytes]
    every_row: bool
    made: dict[str, Sought] = field(default_factory=dict)

    def of(self, file: Path) -> Sought:
        """What must be gone from a file."""
        public = next((p for p in file.parents if (p / "manifest.json").is_file()), None)
        name = "" if public is None else public.name
        if name not in self.made:
            passed = next((one.passed for one in self.made.values()), set())
            leaves = frozenset(self._leaves(name)) if name else frozenset()
            self.made[name] = Sought(self.names, self.gone, leaves, self.texts, self.every_row, passed)
        return self.made[name]

    def _leaves(self, name: str) -> Iterator[bytes]:
        """The rows that were removed on the way to this release or from it, and those of who was erased."""
        chain = _chain(self.ws)
        for later, before in chain.items():
            file = self.ws.private / later / REMOVED
            if name in {later, *before} and file.is_file():
                data = file.read_bytes()
                yield from (data[at : at + WIDTH] for at in range(0, len(data), WIDTH))
        if (self.ws.private / name / "openings").is_dir():
            yield from (bytes(leaf) for leaf, _, _ in openings.shredded(self.ws.private / name))


def _chain(ws: Workspace) -> Mapping[str, frozenset[str]]:
    """Every published release with those that it took the place of, however long ago."""
    direct: dict[str, str] = {}
    for public in release.published(ws.releases):
        try:
            said = json.loads((public / "manifest.json").read_bytes())["predicate"].get("supersedes")
        except (OSError, ValueError, LookupError) as error:
            raise ReleaseError(
                "a release is damaged", file=public / "manifest.json", hint="`aboveboard verify` says where"
            ) from error
        if said:
            direct[public.name] = str(said["release"])
    chains = {}
    for public in release.published(ws.releases):
        before, at = list[str](), public.name
        while at in direct and direct[at] not in before:
            at = direct[at]
            before.append(at)
        chains[public.name] = frozenset(before)
    return chains


def _superseded(ws: Workspace) -> frozenset[str]:
    return frozenset(name for before in _chain(ws).values() for name in before)


def _cleared(private: Path) -> bool:
    """Take away the private files of a superseded release, but for what later builds need; whether there were any."""
    if not private.is_dir():
        return False
    gone = [one for one in sorted(private.iterdir()) if one.name not in KEPT]
    for one in gone:
        with disk.step("purge superseded"):
            shutil.rmtree(one) if one.is_dir() else one.unlink()
            disk.settle(private)
    return bool(gone)


def _tidied(ws: Workspace) -> bool:
    with disk.step("tidy ledger"):
        return ws.ledger.tidy()


def leftovers(ws: Workspace) -> list[Path]:
    """Folders of builds and readings whose process is gone and that nothing committed: they may hold text."""
    staged = {str(entry["staged"]) for entry in ws.ledger.releases()}
    left = [*mainjob.leftovers(ws.private), *release.unfinished(ws.private), *release.unfinished(ws.releases)]
    return [folder for folder in left if folder.is_dir() and folder.name not in staged]


def clear_leftover(ws: Workspace, folder: Path) -> None:
    """Take such a folder away, with the public part that was staged beside it, unless somebody holds it after all."""
    with disk.taken(ws.private / folder.name) as ours:
        # INVARIANT: asked while we hold its lease, so it cannot be committed behind our back.
        if ours and folder.name not in {entry["staged"] for entry in ws.ledger.releases()}:
            note = ws.private / folder.name / release.PUBLIC
            if note.is_file():
                shutil.rmtree(Path(note.read_text()) / folder.name, ignore_errors=True)
            shutil.rmtree(ws.private / folder.name, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def _partial(ws: Workspace) -> list[Path]:
    """Files that somebody was writing when they were killed, in parts that are published: nobody reads them."""
    folders = [path for path in ws.private.iterdir() if path.is_dir() and not path.name.startswith((".", "scratch"))]
    return sorted(file for folder in folders for pattern in _PARTIAL for file in folder.rglob(pattern))


def _rooms(ws: Workspace) -> list[Path]:
    """Everywhere aboveboard writes: not the sources, which are the platform's own."""
    ledger = ws.ledger.file
    beside = [ledger.with_name(f"{ledger.name}{end}") for end in ("", "-wal", "-journal")] if ledger else []
    return [path for path in (ws.releases, ws.private, ws.log_folder, *beside) if path.exists()]
