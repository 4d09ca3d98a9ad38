"""The ledger: what people said, kept as events that are only ever added to.

``Ledger`` opens, appends and reads; ``LedgerSnapshot`` is the ledger fixed at one position; ``flatten`` is
the fold of ``aboveboard.choice`` once more, in SQL, for a whole ledger at a time; ``import_choices`` takes
over a platform's own list. Specification: docs/formats/event.md.
"""

from __future__ import annotations

from aboveboard.ledger.choice_map import ChoiceMap, read_map
from aboveboard.ledger.flatten import Scope, flatten
from aboveboard.ledger.importing import ImportReport, import_choices
from aboveboard.ledger.ledger import Appended, Ledger
from aboveboard.ledger.snapshot import LedgerSnapshot

__all__ = [
    "Appended", "ChoiceMap", "ImportReport", "Ledger", "LedgerSnapshot", "Scope", "flatten", "import_choices",
    "read_map",
]  # fmt: skip
