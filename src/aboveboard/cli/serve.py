"""``aboveboard serve``: the portal of a workspace, on this machine."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.errors import AboveboardError

if TYPE_CHECKING:
    from aboveboard.portal.guard import Guard
    from aboveboard.portal.signin.site import Site
    from aboveboard.workspace import Workspace


@click.command()
@click.argument(
    "workspace", default=".", envvar="ABOVEBOARD_WORKSPACE", type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8470, show_default=True, help="0 takes a free one.")
@click.option("--root-path", metavar="PATH", help="The path of `[portal] url`, where a proxy does not pass it on.")
def serve(workspace: Path, port: int, root_path: str | None) -> None:
    """Serve the portal of WORKSPACE on loopback until it is stopped.

    People sign in with passkeys, which `aboveboard member invite` lets them make. Without the extra `[passkeys]` only the
    public pages are shown. To show it to others, put a proxy with TLS in front of it and say `[portal] url`, or mount
    `aboveboard.portal.app` in your own application (docs/portal.md).
    """
    from aboveboard.portal.extra import needed

    with needed():
        import uvicorn

        from aboveboard.portal import published
    from aboveboard.cli.member import url_of
    from aboveboard.portal.signin.site import site
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with _listening(port) as listening:
        where = site(url_of(ws, listening.getsockname()[1]) + ("" if ws.told.get("url") else root_path or ""))
        served = _app(ws, where)
        for release in published.releases(ws):
            if release.items.file.stat().st_size:
                click.echo(f"ready: {release.id}", err=True)
        click.echo(f"The portal of {ws.name}: {where.url('/')} (stop with Ctrl-C)", err=True)
        root = where.root if root_path is None else root_path
        config = uvicorn.Config(
            served, root_path=root, log_level="warning", access_log=False, server_header=False
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])


def _app(ws: Workspace, where: Site) -> Guard:
    """The portal with its own sign-in; the public pages alone where no passkey can be checked."""
    from aboveboard.portal import serving

    if find_spec("webauthn") is None:
        click.echo("nobody can sign in: pip install 'aboveboard[passkeys]'", err=True)
        return serving.app(ws)
    from aboveboard.portal.signin import alone

    return alone.app(ws, where)


def _listening(port: int) -> socket.socket:
    """A socket on loopback; raises AboveboardError where the port is taken."""
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise AboveboardError(f"the port {port} cannot be listened on", hint="name another with --port") from error
    # Connections inherit it. Without it the body of a page waits 40 ms for the browser to say that it has the headers: asyncio
    # sets it for sockets of its own making only.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
