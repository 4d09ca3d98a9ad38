"""Says which extra to install where a library of the portal is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aboveboard.errors import AboveboardError

LIBRARIES = ("starlette", "jinja2", "uvicorn", "babel", "python_multipart")


@contextmanager
def needed() -> Iterator[None]:
    """Imports in here need the extra ``[portal]``; raises AboveboardError with what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        raise AboveboardError(
            f"the portal needs `{error.name}`, which is not installed", hint="pip install 'aboveboard[portal]'"
        ) from error
