"""Inside a host: Starlette and FastAPI, with and without a name, under any path. No cookie, no lifespan, every link inside."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.portal.conftest import Made

ROOTS = ("", "/privacy", "/a/b")


def hosts(app: Any, root: str) -> list[Any]:
    """The portal in every kind of host."""
    fastapi = pytest.importorskip("fastapi", reason="the host application FastAPI is not installed")
    found = [Starlette(routes=[Mount(root or "/", app)]), Starlette(routes=[Mount(root or "/", app, name="privacy")])]
    for name in (None, "privacy"):
        host = fastapi.FastAPI()
        host.mount(root or "/", app, name=name)
        found.append(host)
    return found


@pytest.mark.parametrize("root", ROOTS)
def test_every_link_and_form_stays_inside(platform: Made, root: str) -> None:
    here = platform()
    for host in hosts(here.app, root):
        client = TestClient(host, headers={"accept": "text/html", "x-subject": "u1"}, follow_redirects=False)
        page = client.get(f"{root}/")
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
        links = re.findall(r'(?:href|action)="([^"#]+)"', page.text)
        assert links
        for link in links:
            assert link.startswith(f"{root}/"), link
            if "/off" not in link and "/notice" not in link:
                assert client.get(link).status_code == 200, link
        sent = client.post(f"{root}/off")
        assert sent.headers["location"].startswith(f"{root}/?")
        assert client.get(sent.headers["location"]).status_code == 200


def test_behind_a_proxy_that_takes_a_path_away(platform: Made) -> None:
    here = platform()
    client = TestClient(here.app, headers={"accept": "text/html", "x-subject": "u1"}, root_path="/privacy")
    page = client.get("/privacy/choices")
    assert page.status_code == 200
    assert 'action="/privacy/choices"' in page.text
    assert client.get("/privacy/choices.json").json()["purposes"]
