"""One tenant: an opened workspace and what the portal keeps beside it. Every query goes through one of these.

INVARIANT: nothing here reaches another workspace. A platform with several tenants mounts one portal for each, and a
principal of another tenant is a stranger.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard.errors import AboveboardError
from aboveboard.portal import published
from aboveboard.portal.looks import Looks
from aboveboard.portal.numbers import Numbers

if TYPE_CHECKING:
    from aboveboard.policy import PolicyVersion
    from aboveboard.portal.published import Published
    from aboveboard.workspace import JobFile, Workspace

_LOG = logging.getLogger("aboveboard.portal")
Stamps = Mapping[str, tuple[int, int, int] | None]


@dataclass(frozen=True, eq=False)
class Tenant:
    """A workspace as its files were at one moment; what is heavy is opened at first use and kept."""

    ws: Workspace
    name: str = ""

    @property
    def title(self) -> str:
        """What the platform calls itself."""
        return self.ws.name

    def now(self) -> datetime:
        """This moment. A ledger whose clock runs ahead of ours has events from "later": they count, a no above all."""
        return max(filter(None, (datetime.now(UTC), self.ws.ledger.last_recorded_at())))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of every policy version, by its name."""
        from aboveboard.policies import read_policy

        return read_policy(self.ws.policy_folder)[1]

    @property
    def versions(self) -> Sequence[PolicyVersion]:
        return self.ws.policy.versions

    def releases(self) -> Sequence[Published]:
        """The published releases, oldest first, read from the ledger each time."""
        return published.releases(self.ws)

    @cached_property
    def jobs(self) -> Sequence[JobFile]:
        """The uses that stand in ``jobs/``; one that cannot be read is the engineers' affair (`aboveboard doctor`)."""
        from aboveboard.workspace import read_job

        found = []
        for path in sorted((self.ws.folder / "jobs").glob("*.toml")):
            try:
                found.append(read_job(path))
            except AboveboardError:
                continue
        return found

    @cached_property
    def looks(self) -> Looks:
        """Who looked at whose data, and why."""
        self.ws.private.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Looks(self.ws.private / "looks.db")

    @cached_property
    def numbers(self) -> Numbers:
        """What a policy version does to one person, counted beside the requests."""
        return Numbers(self.ws)


class Following:
    """A tenant that follows its files: whoever writes a policy version, a job, facts or settings need not restart anything.

    Every request asks once and keeps what it got. Files that do not hold together (one may be half written) change nothing:
    what held before goes on to hold, so that a no is heard, and the log says so once.
    """

    def __init__(self, ws: Workspace, name: str = "") -> None:
        self.name, self._lock = name, threading.Lock()
        self._found, self._seen = Tenant(ws, name), _stamps(ws)

    @property
    def seen(self) -> Tenant:
        """The tenant as its files were when somebody last asked."""
        return self._found

    def now(self) -> Tenant:
        """The tenant as its files are now. Costs a look at each file's time and size; readers of one process take turns
        only while files are read anew."""
        stamps = _stamps(self._found.ws)
        if stamps != self._seen:
            with self._lock:
                if stamps != self._seen:
                    self._read(stamps)
        return self._found

    def _read(self, stamps: Stamps) -> None:
        self._seen = stamps
        try:
            found = Tenant(self._found.ws.reread(), self.name)
            _ = found.ws.policy, found.ws.facts, found.texts  # read whole before anybody is answered from it
        except AboveboardError as error:
            _LOG.error("what changed in the workspace cannot be read, and what held before still holds: %s", error)
            return
        self._found = found


def _stamps(ws: Workspace) -> Stamps:
    """Time and size of each file that is followed; a file that is gone has none."""
    return {str(file): _stamp(file) for file in ws.followed}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
