"""The one record schema: what a source reads into, what the gate judges, column by column.

A record has a *main part* and any number of other parts (a quoted span, a mention, a photo, a geotag ...), each
with its own people, categories, labels and signals. Plain definitions only: the Arrow schema is made from
``COLUMNS`` where Arrow is at home. ``None`` always means *unknown*, never "no": what is known to be absent has a
word of its own (``none``, an empty list). A missing fact can therefore only ever close a door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aboveboard.errors import RecordError


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody else in a part: who, in which role (``vocabulary.ROLES``)."""

    subject: str | None
    role: str | None


@dataclass(frozen=True, slots=True)
class Signal:
    """A resolved preference signal: a ``signal.*`` reason code, and the purpose it speaks about (None = every)."""

    code: str | None
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What the gates run over: one span, field or attachment with everything that decides about it.

    ``start`` and ``end`` are code points of the record's text; they and ``place`` are meaningful for parts other
    than the main one. A field stands beside the text: one with a start or an end raises RecordError, since nobody could
    say whether its words are in the text too. ``source_state`` says whether the record that these words come from still
    stands (``own`` where they come from no other record).
    """

    kind: str | None = "main"
    categories: Sequence[str | None] | None = ("user.content.public",)
    labels: Sequence[str | None] | None = ()
    audience_at: str | None = "public"
    audience_now: str | None = "public"
    parties: Sequence[Party] | None = ()
    signals: Sequence[Signal] | None = ()
    source_state: str | None = "own"
    place: str | None = "field"
    start: int | None = None
    end: int | None = None
    content: str | None = None

    def __post_init__(self) -> None:
        if self.place == "field" and not (self.start is None and self.end is None):
            raise RecordError(
                "a part in a field of its own has a start or an end in the text",
                hint="`span` is what lies in the text, `field` what lies beside it; leave `place` out where nobody knows",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One resolved record: relations to other records already looked up, so that judging it needs nothing else.

    Times are aware datetimes (UTC, microseconds). ``subject`` is the primary subject: whoever the record is by or
    about; its choices decide the main part. ``main.content`` is the text.
    """

    id: str
    kind: str | None = "post"
    subject: str | None = None
    source: str = ""
    ordinal: int = 0
    language: str | None = None
    created_at: datetime | None = None
    collected_at: datetime | None = None
    collected_evidence: str | None = None
    audience_evidence: str | None = None
    origin: str | None = "first_party"
    licence: str | None = None
    upstream: str | None = "present"
    lifecycle: str | None = "published"
    integrity: str | None = "none"
    duplicate: str | None = "unique"
    edition: str | None = "latest"
    main: Part = field(default_factory=Part)
    parts: Sequence[Part] | None = ()

    @property
    def text(self) -> str | None:
        return self.main.content


PARTY = "STRUCT(subject VARCHAR, role VARCHAR)"
SIGNAL = "STRUCT(code VARCHAR, purpose VARCHAR)"
PART_FIELDS = {
    "kind": "VARCHAR",
    "categories": "VARCHAR[]",
    "labels": "VARCHAR[]",
    "audience_at": "VARCHAR",
    "audience_now": "VARCHAR",
    "parties": f"{PARTY}[]",
    "signals": f"{SIGNAL}[]",
    "source_state": "VARCHAR",
    "place": "VARCHAR",
    "start": "INTEGER",
    "end": "INTEGER",
    "content": "VARCHAR",
}
"""The fields of one part, with their DuckDB types. The main part has them as columns, without kind and place."""

OWN = {
    "ordinal": "BIGINT",
    "record_id": "VARCHAR",
    "source": "VARCHAR",
    "kind": "VARCHAR",
    "subject": "VARCHAR",
    "language": "VARCHAR",
    "created_at": "TIMESTAMP",
    "collected_at": "TIMESTAMP",
    "collected_evidence": "VARCHAR",
    "audience_evidence": "VARCHAR",
    "origin": "VARCHAR",
    "licence": "VARCHAR",
    "upstream": "VARCHAR",
    "lifecycle": "VARCHAR",
    "integrity": "VARCHAR",
    "text": "VARCHAR",
    "categories": "VARCHAR[]",
    "labels": "VARCHAR[]",
    "audience_at": "VARCHAR",
    "audience_now": "VARCHAR",
    "parties": f"{PARTY}[]",
    "signals": f"{SIGNAL}[]",
}
"""What a source itself can say of a record."""

LINKS = {
    "revision_of": "VARCHAR",
    "revision": "BIGINT",
    "parent_id": "VARCHAR",
    "quoted_id": "VARCHAR",
    "derived_from": "VARCHAR[]",
    "content_sha256": "VARCHAR",
}
"""What a source says about other records: read by the relate pass, never by the gate."""

RELATED = {
    "duplicate": "VARCHAR",
    "edition": "VARCHAR",
    "source_state": "VARCHAR",
}
"""What the relate pass finds out by looking at other records of the same snapshot."""

PARTS = "STRUCT(" + ", ".join(f'"{name}" {kind}' for name, kind in PART_FIELDS.items()) + ")[]"

SOURCE_COLUMNS = {**OWN, **LINKS, "parts": PARTS}
"""The columns every source yields, in this order."""
RESOLVED_COLUMNS = {**OWN, **RELATED, "parts": PARTS}
"""The columns the engine judges, in this order."""
