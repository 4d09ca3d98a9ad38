"""What can go wrong, said so that the reader knows what to do next.

Every error is one lower-case sentence without a final stop, a ``hint`` (what to do) and a ``context``
(file, line, clause, record id). A refusal is never an error: it is a judgement, with its reason.
No error carries a member's text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class AboveboardError(Exception):
    """Base of all errors of this package; ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(self, sentence: str, *, hint: str = "", **context: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.context: Mapping[str, object] = {k: v for k, v in context.items() if v is not None}

    def __str__(self) -> str:
        where = ", ".join(f"{name} {value}" for name, value in self.context.items())
        return self.sentence + (f" ({where})" if where else "")

    def as_json(self) -> dict[str, object]:
        """The one shape of an error under ``--json``."""
        context = {name: str(value) for name, value in self.context.items()}
        return {"error": {**context, "kind": type(self).__name__, "sentence": self.sentence, "hint": self.hint}}


class VocabularyError(AboveboardError):
    """A term that is in none of our closed sets; the hint names near misses."""


class PolicyError(AboveboardError):
    """A policy that cannot be read or does not hold together: syntax, unknown term, gap, overlap."""

    exit_code = 4


class SourceError(AboveboardError):
    """An input that cannot be read: unsupported file, wrong mapping, too many malformed rows."""


class RecordError(AboveboardError):
    """A record, or a part of one, says two things that cannot both be so."""


class LedgerError(AboveboardError):
    """A choice that cannot be recorded, or a ledger that cannot be opened."""


class EngineError(AboveboardError):
    """The engine failed; names the step and never the data."""


class ReleaseError(AboveboardError):
    """A release that cannot be built, staged, published or found."""


class LogError(AboveboardError):
    """A log that cannot be opened or appended to, or that moved on meanwhile."""


class LineageError(AboveboardError):
    """An order, run, checkpoint or model that cannot be recorded or found, or lineage that leads in a circle."""


class NoticeError(AboveboardError):
    """A recipient who cannot be told, or a notice or an answer that is not there."""


class VerificationError(AboveboardError):
    """A proof that is false, or evidence that contradicts itself; the sentence names the step that failed."""

    exit_code = 5


class WorkspaceError(AboveboardError):
    """A folder that is not a workspace, or a workspace whose settings do not hold together."""


def unknown_term(noun: str, term: object, known: Iterable[str]) -> VocabularyError:
    """The error for a term outside a closed set, with near misses: a typo must never grant or deny."""
    choices = sorted(known)
    near = difflib.get_close_matches(str(term), choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else f"known: {', '.join(choices[:12])}"
    return VocabularyError(f"unknown {noun} `{term}`", hint=hint)
