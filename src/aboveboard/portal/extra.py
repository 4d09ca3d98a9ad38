"""Says which extra to install where a library of the portal is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aboveboard.errors import AboveboardError

LIBRARIES = ("starlette", "jinja2", "uvicorn", "babel", "python_multipart")
PASSKEYS = "webauthn"


@contextmanager
def needed() -> Iterator[None]:
    """Imports in here need the extra ``[portal]``, or ``[passkeys]``; raises AboveboardError with what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in (*LIBRARIES, PASSKEYS):
            raise
        extra = "passkeys" if missing == PASSKEYS else "portal"
        raise AboveboardError(
            f"the portal needs `{error.name}`, which is not installed", hint=f"pip install 'aboveboard[{extra}]'"
        ) from error
