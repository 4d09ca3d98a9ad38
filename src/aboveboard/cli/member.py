"""``aboveboard member``: invite people to the portal of a workspace, and take away what they sign in with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.cli.shared import emit, json_option, workspace_option
from aboveboard.portal.principal import MEMBER, ROLES

if TYPE_CHECKING:
    from aboveboard.portal.signin.store import Store
    from aboveboard.workspace import Workspace

PORT = 8470
"""Where `aboveboard serve` listens if it is not told otherwise."""


@click.group()
def member() -> None:
    """Invite people to the portal of a workspace, and take away what they sign in with."""


@member.command("invite")
@click.argument("subject")
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), default=(MEMBER,), show_default=True,
    help="What they may see; give it again for several. The account has these roles afterwards, and no others.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True,
    help="The port of `aboveboard serve`; `[portal] url` goes before it.",
)  # fmt: skip
@workspace_option
@json_option
def invite(subject: str, roles: tuple[str, ...], port: int, workspace: str, as_json: bool) -> None:
    """Invite whoever SUBJECT is, by its account id, to make a passkey: a link that works once, for 24 hours.

    The link is shown now and kept nowhere: send it to them, and to nobody else, the way that the platform knows them.
    Whoever opens it can sign in as SUBJECT. An earlier invitation of SUBJECT opens nothing any more.
    """
    from aboveboard.errors import AboveboardError
    from aboveboard.portal.signin import codes, passkeys
    from aboveboard.portal.signin.site import site

    if not subject.strip():
        raise AboveboardError("an invitation is for an account", hint="give the account id that the ledger uses")
    ws, store, now = _opened(workspace)
    where = site(url_of(ws, port))
    with store.writing() as con:
        code = codes.invite(con, subject, roles, now)
        known = len(passkeys.of(con, subject))
    link, ends = where.url(f"/invite/{code}"), (now + codes.LASTS).isoformat(timespec="minutes")
    told = {"subject": subject, "roles": sorted(roles), "link": link, "expires_at": ends, "passkeys": known}
    more = (
        f"\nThis account has {known} passkeys already; the link adds one." if known else _unheard_of(ws, subject, roles)
    )
    emit(told, as_json, lambda: f"{link}\nFor {subject}, once, until {ends}. It is shown only now.{more}")


@member.command("revoke")
@click.argument("subject")
@workspace_option
@json_option
def revoke(subject: str, workspace: str, as_json: bool) -> None:
    """Take away every passkey, code and session of SUBJECT. What they chose stays. A new invitation lets them in again."""
    from aboveboard.portal.signin import passkeys

    _, store, _ = _opened(workspace)
    with store.writing() as con:
        count = passkeys.forget(con, subject)
    emit({"subject": subject, "passkeys": count}, as_json, lambda: f"{count} passkeys of {subject} taken away.")


def _unheard_of(ws: Workspace, subject: str, roles: tuple[str, ...]) -> str:
    """A word of care where an account id may be mistyped: its owner would find empty pages. It is no error, because a platform
    need not attest anything."""
    if MEMBER not in roles or ws.facts.facts_of(subject) or (ws.has_ledger and ws.ledger.events_of(subject)):
        return ""
    return f"\nNeither the facts nor the ledger know `{subject}`: is it the account id?"


def url_of(ws: Workspace, port: int = PORT) -> str:
    """Where people reach the portal: as the settings say, else on this machine."""
    return ws.told.get("url") or f"http://localhost:{port}"


def _opened(workspace: str) -> tuple[Workspace, Store, datetime]:
    from aboveboard.portal.signin.store import store_of
    from aboveboard.portal.tenant import Tenant
    from aboveboard.workspace import open_workspace

    ws = open_workspace(Path(workspace))
    return ws, store_of(ws), Tenant(ws).now()
