"""``aboveboard serve``: on loopback, nobody's data without sign-in, and a sentence where something is missing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from tests.portal.conftest import Made

import aboveboard
from aboveboard.cli import doors
from aboveboard.cli.serve import _listening
from aboveboard.errors import AboveboardError
from aboveboard.portal.extra import needed


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_only_public_pages_without_sign_in(platform: Made) -> None:
    here, port = platform(), free_port()
    env = {**os.environ, "PYTHONPATH": str(Path(aboveboard.__file__).resolve().parent.parent)}
    typed = [sys.executable, "-m", "aboveboard", "serve", str(here.ws.folder), "--port", str(port)]
    with subprocess.Popen(typed, env=env, stderr=subprocess.PIPE, text=True) as served:
        try:
            base, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    public = httpx.get(f"{base}/transparency")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            assert public.status_code == 200
            assert "server" not in public.headers
            for path in ("/", "/used", "/records", "/audit", "/explain"):
                assert (
                    httpx.get(base + path, headers={"x-subject": "u1", "authorization": "Bearer u1"}).status_code == 401
                )
        finally:
            served.terminate()
        said = served.communicate(timeout=60)[1]
    assert f"http://localhost:{port}/" in said  # a passkey belongs to a name
    assert "GET" not in said  # nobody's visits are written down


def test_no_workspace_is_a_sentence(tmp_path: Path) -> None:
    found = CliRunner().invoke(doors, ["serve", str(tmp_path)])
    assert found.exit_code == 1
    assert "no aboveboard.toml" in found.output


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(AboveboardError, match="`starlette`") as found, needed():
        raise ModuleNotFoundError("no", name="starlette.routing".partition(".")[0])
    assert "aboveboard[portal]" in found.value.hint
    with pytest.raises(ModuleNotFoundError), needed():
        raise ModuleNotFoundError("no", name="something_else")


def test_a_body_does_not_wait_for_its_headers() -> None:
    """Nagle's algorithm would hold the body of a page back until the browser has said that it has the headers: 40 ms."""
    with _listening(0) as listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as taken:
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
