"""The portal: people see both policies, choose, see what of theirs was used and why, and take it out.

Runs by itself (``aboveboard serve``) or inside a host application: ``portal.app(workspace, authenticate=...)`` is an ASGI
application for any path. Loaded at first use; needs the extra ``[portal]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aboveboard.portal.principal import Principal
    from aboveboard.portal.serving import app

__all__ = ["Principal", "app"]

_ROOMS = {"Principal": "principal", "app": "serving"}


def __getattr__(name: str) -> object:
    """The public name, from its room."""
    from importlib import import_module

    if name not in _ROOMS:
        raise AttributeError(f"module `aboveboard.portal` has no attribute `{name}`")
    return getattr(import_module(f"aboveboard.portal.{_ROOMS[name]}"), name)
