"""A small platform with two releases, its portal, and somebody who signs in by a header: no test has a browser's session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the portal needs the extra [portal]")

from starlette.requests import Request
from starlette.testclient import TestClient
from tests import small

from aboveboard import mainjob, portal
from aboveboard.portal.guard import Rate
from aboveboard.portal.principal import ROLES, Principal
from aboveboard.workspace import Workspace, open_workspace, read_job


async def by_header(request: Request) -> Principal | None:
    """Whoever the header names. Only tests do that."""
    said = request.headers.get("x-subject")
    if said is None:
        return None
    roles = frozenset(request.headers.get("x-roles", "member").split())
    assert roles <= set(ROLES)
    locale, aged = request.headers.get("x-locale"), request.headers.get("x-auth-time")
    proven = datetime.fromisoformat(aged) if aged else datetime.now(UTC)
    return Principal(said, request.headers.get("x-tenant", ""), roles, proven, locale)


@dataclass(frozen=True)
class Platform:
    """A workspace with a release, and its portal."""

    ws: Workspace
    app: Any

    def client(self, subject: str | None = None, **headers: str) -> TestClient:
        """Somebody's browser; nobody's where no subject is named. Headers by name, with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        signed = {} if subject is None else {"x-subject": subject}
        return TestClient(self.app, headers={"accept": "text/html", **signed, **named}, follow_redirects=False)

    def build(self) -> str:
        """Another release; its id."""
        return mainjob.build(self.ws, read_job(self.ws.folder / "job.toml")).id


Made = Callable[..., Platform]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small platform with one release, built once; tests work on copies."""
    folder = small.make(tmp_path_factory.mktemp("portal") / "small")
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return folder


@pytest.fixture
def platform(tmp_path: Path, built: Path) -> Iterator[Made]:
    """Makes platforms; what is given bends their posts."""
    made: list[Platform] = []

    def make(name: str = "here", posts: small.Bend | None = None, build: bool = True, **settings: Any) -> Platform:
        folder, ready = tmp_path / name, build and posts is None
        if ready:
            shutil.copytree(built, folder)
        else:
            small.make(folder, posts=posts or list)
        ws = open_workspace(folder)
        rate = settings.pop("rate", Rate(100_000))
        one = Platform(ws, portal.app(ws, by_header, rate=rate, **settings))
        made.append(one)
        if build and not ready:
            one.build()
        return one

    yield make
    for one in made:
        one.ws.ledger.close()
