"""One tenant: an opened workspace and what the portal keeps beside it. Every query goes through one of these.

INVARIANT: nothing here reaches another workspace. A platform with several tenants mounts one portal for each, and a
principal of another tenant is a stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from aboveboard.portal import published
from aboveboard.portal.looks import Looks
from aboveboard.portal.numbers import Numbers

if TYPE_CHECKING:
    from aboveboard.policy import PolicyVersion
    from aboveboard.portal.published import Published
    from aboveboard.workspace import JobFile, Workspace


@dataclass(frozen=True, eq=False)
class Tenant:
    """A workspace as the portal shows it; what is heavy is opened at first use and kept."""

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
        """The published releases, oldest first."""
        return published.releases(self.ws)

    @cached_property
    def jobs(self) -> Sequence[JobFile]:
        """The uses that stand in ``jobs/``; one that cannot be read is the engineers' affair (`aboveboard doctor`)."""
        from aboveboard.errors import AboveboardError
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
