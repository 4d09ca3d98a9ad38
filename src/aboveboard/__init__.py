"""aboveboard: may this record be used, for this purpose, now? With a reason for every record, in or out.

The public face is the names in ``__all__``. Each is loaded at first use from the room it lives in, so that
``import aboveboard`` stays quick and needs no engine and no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aboveboard.choice import Event, Facts, people
    from aboveboard.errors import AboveboardError
    from aboveboard.explanation import explain
    from aboveboard.gate import Decision, Gate, Job, decide
    from aboveboard.mainjob import build, prepared
    from aboveboard.record import Part, Record
    from aboveboard.workspace import open_workspace as open
    from aboveboard.workspace import read_job

__version__ = "0.1.0"

__all__ = [
    "AboveboardError", "Decision", "Event", "Facts", "Gate", "Job", "Part", "Record",
    "build", "decide", "explain", "open", "people", "prepared", "read_job",
]  # fmt: skip

_ROOMS = {
    "choice": ("Event", "Facts", "people"),
    "errors": ("AboveboardError",),
    "explanation": ("explain",),
    "gate": ("Decision", "Gate", "Job", "decide"),
    "mainjob": ("build", "prepared"),
    "record": ("Part", "Record"),
    "workspace": ("open_workspace", "read_job"),
}
_CALLED = {"open": "open_workspace"}
"""A name that says enough after ``aboveboard.`` and too little in a room."""


def __getattr__(name: str) -> object:
    """The public name, from its room."""
    inside = _CALLED.get(name, name)
    room = next((room for room, names in _ROOMS.items() if inside in names and name in __all__), None)
    if room is None:
        raise AttributeError(f"module `aboveboard` has no attribute `{name}`")
    return getattr(import_module(f"aboveboard.{room}"), inside)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
