"""The ledger: what people said, kept as events that are only ever added to.

``Ledger`` opens, appends and reads; ``LedgerSnapshot`` is the ledger fixed at one position; ``flatten`` is
the fold of ``aboveboard.choice`` once more, in SQL, for a whole ledger at a time; ``import_choices`` takes
over a platform's own list. Specification: docs/formats/event.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aboveboard.ledger.flatten import Scope, flatten

if TYPE_CHECKING:
    from aboveboard.ledger.choice_map import ChoiceMap, read_map
    from aboveboard.ledger.importing import ImportReport, import_choices
    from aboveboard.ledger.ledger import Appended, Ledger
    from aboveboard.ledger.snapshot import LedgerSnapshot

__all__ = [
    "Appended", "ChoiceMap", "ImportReport", "Ledger", "LedgerSnapshot", "Scope", "flatten", "import_choices",
    "read_map",
]  # fmt: skip

_ROOMS = {
    "choice_map": ("ChoiceMap", "read_map"),
    "importing": ("ImportReport", "import_choices"),
    "ledger": ("Appended", "Ledger"),
    "snapshot": ("LedgerSnapshot",),
}
"""What needs a database loads at first use: a judgement folds choices without one."""


def __getattr__(name: str) -> object:
    """A public name, from its room."""
    room = next((room for room, names in _ROOMS.items() if name in names), None)
    if room is None:
        raise AttributeError(f"module `aboveboard.ledger` has no attribute `{name}`")
    return getattr(import_module(f"aboveboard.ledger.{room}"), name)
