"""A withdrawal by question: everything that a description fits is taken out of a use, for good.

A question is kept as it was asked, in canonical JSON, so that whoever confirms it confirms these very bytes. Where it
asks for a window of *processing* it is about what earlier releases hold, so it is answered once, record by record;
elsewhere it binds as an undertaking does, and holds for what is collected later too.
Specification: docs/withdrawal.md, "By question".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import rfc8785

from aboveboard import policy, vocabulary
from aboveboard.errors import LedgerError, VocabularyError, unknown_term
from aboveboard.policy import Embargo

_MOMENTS = ("collected_from", "collected_to", "processed_from", "processed_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is taken out, of which use, and on whose word. What is empty means all; windows are half open, times aware.

    ``records`` are names of single records, ``source/id``. Raises VocabularyError for a word that is none, LedgerError
    for a question that cannot be meant.
    """

    reference: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    collected_from: datetime | None = None
    collected_to: datetime | None = None
    processed_from: datetime | None = None
    processed_to: datetime | None = None
    records: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.reference.strip():
            raise LedgerError("a withdrawal by question names its reason", hint="a court, an authority, an undertaking")
        if not self.purposes:
            raise LedgerError(
                "a withdrawal by question names a purpose", hint="train_ai_system takes out of all training"
            )
        for name, check in _CHECKS.items():
            for word in getattr(self, name):
                check(word)
        for begins, ends in (("collected_from", "collected_to"), ("processed_from", "processed_to")):
            first, last = getattr(self, begins), getattr(self, ends)
            if first is not None and last is not None and first >= last:
                raise LedgerError(f"`{ends}` is not later than `{begins}`", hint="the end itself is outside the window")
        for record in self.records:
            if "/" not in record:
                raise LedgerError(f"`{record}` names no record", hint="the name of its source, a slash, its id there")

    @property
    def names_records(self) -> bool:
        """Whether it is answered once, record by record, and says nothing of what is collected later."""
        return bool(self.records or self.processed_from or self.processed_to)

    def undertaking(self, id: str) -> Embargo:
        """The description as an undertaking: what it says of a record, whenever the record was processed."""
        return Embargo(
            id, self.purposes, self.regions, self.reference, self.collected_from, self.collected_to, self.recipients,
            self.kinds, self.categories,
        )  # fmt: skip

    def processed(self, as_of: datetime) -> bool:
        """Whether a release that was judged at that moment lies in the window of processing."""
        begun = self.processed_from is None or self.processed_from <= as_of
        return begun and (self.processed_to is None or as_of < self.processed_to)

    def document(self) -> Mapping[str, Any]:
        """Everything it says, and nothing that it does not."""
        said = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: _plain(value) for name, value in said if value not in ((), None)}

    @property
    def digest(self) -> str:
        """SHA-256 of the document in canonical JSON, hexadecimal."""
        return hashlib.sha256(rfc8785.dumps(dict(self.document()))).hexdigest()

    @property
    def says(self) -> str:
        """The question in words."""
        what = ", ".join(vocabulary.CATEGORIES[one].says for one in self.categories) or "everything"
        told = [
            f"{len(self.records)} named records" if self.records else what,
            f"in {', '.join(self.kinds)}" if self.kinds else "",
            f"of people in {', '.join(self.regions)}" if self.regions else "",
            _window("collected", self.collected_from, self.collected_to),
            _window("processed", self.processed_from, self.processed_to),
            f"for {', '.join(self.purposes)}",
            f"by {', '.join(self.recipients)}" if self.recipients else "",
        ]
        return " ".join(filter(None, told))


_CHECKS = {
    "purposes": vocabulary.purpose,
    "recipients": vocabulary.recipient,
    "regions": policy.region,
    "kinds": lambda word: vocabulary.member("kind of record", word, vocabulary.KINDS),
    "categories": vocabulary.category,
}


def parse(said: Mapping[str, Any]) -> Question:
    """The question of a document; raises LedgerError for one that is none."""
    known = {one.name for one in fields(Question)}
    for name in said:
        if name not in known:
            raise unknown_term("key of a question", name, known)
    try:
        return Question(**{name: _read(name, value) for name, value in said.items()})
    except (TypeError, ValueError, VocabularyError) as error:
        raise LedgerError(
            f"a question that cannot be read: {error}", hint="was it written by a newer version?"
        ) from error


def _read(name: str, value: Any) -> Any:
    if name in _MOMENTS:
        return datetime.fromisoformat(value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return list(value) if isinstance(value, tuple) else value


def _window(what: str, begins: datetime | None, ends: datetime | None) -> str:
    told = [
        f"from {begins.astimezone(UTC):%Y-%m-%d %H:%M}" if begins else "",
        f"before {ends.astimezone(UTC):%Y-%m-%d %H:%M}" if ends else "",
    ]
    return " ".join(filter(None, (what, *told))) if begins or ends else ""
