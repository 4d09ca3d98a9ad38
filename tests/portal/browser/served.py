"""A portal on a free port of this machine, in a thread, and the browser that looks at it: Debian's Chromium by Playwright."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

CHROMIUM = os.environ.get("ABOVEBOARD_CHROMIUM", "") or shutil.which("chromium") or ""
"""Where the browser is; empty where there is none."""


def bound() -> socket.socket:
    """A free port of this machine: whoever signs in with a passkey has to know the address first."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening


@contextmanager
def served(app: Any, listening: socket.socket | None = None) -> Iterator[str]:
    """The address under which an application is served until the context ends; on a port that is bound already, or any."""
    import uvicorn

    listening = listening or bound()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


@cache
def playing() -> Any:
    """What drives browsers, started once: a process can have no two of it."""
    from playwright.sync_api import sync_playwright

    started = sync_playwright().start()
    atexit.register(started.stop)
    return started


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser without a window. In a container it has no sandbox of its own: it sees our pages only."""
    browser = playing().chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()
