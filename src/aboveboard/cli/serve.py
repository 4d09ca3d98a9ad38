"""``aboveboard serve``: the portal of a workspace, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from aboveboard.errors import AboveboardError


@click.command()
@click.argument(
    "workspace", default=".", envvar="ABOVEBOARD_WORKSPACE", type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8470, show_default=True, help="0 takes a free one.")
@click.option("--root-path", default="", metavar="PATH", help="The path under which a proxy passes requests on.")
def serve(workspace: Path, port: int, root_path: str) -> None:
    """Serve the portal of WORKSPACE on loopback until it is stopped.

    Only the public pages are shown to whoever is not signed in. To show it to others, put a proxy with TLS in front of it,
    or mount `aboveboard.portal.app` in your own application (docs/portal.md).
    """
    from aboveboard.portal.extra import needed

    with needed():
        import uvicorn

        from aboveboard.portal import published
        from aboveboard.portal.serving import app
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    served = app(ws)
    for release in published.releases(ws):
        if release.items.file.stat().st_size:
            click.echo(f"ready: {release.id}", err=True)
    click.echo(f"The portal of {ws.name}: http://127.0.0.1:{port}{root_path}/ (stop with Ctrl-C)", err=True)
    try:
        uvicorn.run(
            served, host="127.0.0.1", port=port, root_path=root_path, log_level="warning", access_log=False,
            server_header=False,
        )  # fmt: skip
    except SystemExit as error:  # uvicorn ends the process where the port is taken, having said so itself
        raise AboveboardError(f"the port {port} cannot be listened on", hint="name another with --port") from error
