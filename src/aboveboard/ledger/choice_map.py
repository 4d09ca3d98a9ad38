"""The map that says how a platform's own list of choices reads as events: a small TOML file.

``[columns]`` gives an SQL expression over the file's columns for each event field it can tell (a constant is
an SQL literal), ``zone`` the time zone of times that carry none, ``[types]`` what the platform's words for a
type mean. Specification: docs/formats/event.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aboveboard import vocabulary
from aboveboard.choice import TYPES
from aboveboard.errors import AboveboardError, LedgerError
from aboveboard.ledger import periods
from aboveboard.ledger.events import FIELDS

COLUMNS = tuple(name for name in FIELDS if name != "position")
REQUIRED = ("subject", "type", "effective_at")
FORMATS = ("csv", "jsonl", "parquet")

_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceMap:
    """How the rows of one kind of file read as events; ``format`` None goes by the file's suffix."""

    columns: Mapping[str, str]
    zone: str
    types: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    delimiter: str | None = None

    def format_of(self, path: Path) -> str:
        """``csv``, ``jsonl`` or ``parquet``; raises LedgerError where neither map nor suffix says."""
        found = self.format or _SUFFIXES.get(path.suffix.lower())
        if found is None:
            raise LedgerError(f"cannot tell the format of `{path.name}`", hint='say format = "csv" in the map')
        return found


def read_map(path: Path) -> ChoiceMap:
    """The map in a TOML file; every error names the file."""
    try:
        return parse_map(path.read_bytes())
    except OSError as error:
        raise LedgerError("cannot read the map", hint=error.strerror or "", file=path) from None
    except AboveboardError as error:
        raise LedgerError(error.sentence, hint=error.hint, file=path) from None


def parse_map(content: bytes) -> ChoiceMap:
    """The map that these bytes hold. An unknown key or word is an error, never ignored."""
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LedgerError(f"the map is not TOML: {error}", hint="see docs/formats/event.md") from None
    for key in document:
        vocabulary.member("key of the map", key, ("columns", "zone", "types", "format", "delimiter"))
    if "format" in document:
        vocabulary.member("format", document["format"], FORMATS)
    return ChoiceMap(
        columns=_columns(document.get("columns")),
        zone=_zone(document.get("zone")),
        types=_types(document.get("types", {})),
        format=document.get("format"),
        delimiter=_delimiter(document.get("delimiter")),
    )


def _columns(said: Any) -> Mapping[str, str]:
    if not isinstance(said, dict) or not all(isinstance(value, str) and value.strip() for value in said.values()):
        raise LedgerError("[columns] gives an SQL expression in quotes for each field", hint='subject = "user_id"')
    for name in said:
        vocabulary.member("event field", name, COLUMNS)
    missing = [name for name in REQUIRED if name not in said]
    if missing:
        raise LedgerError(f"[columns] lacks `{missing[0]}`", hint=f"every map gives {', '.join(REQUIRED)}")
    return said


def _zone(said: Any) -> str:
    if not isinstance(said, str):
        raise LedgerError("the map names no `zone`", hint='zone = "UTC", or the zone that times without one are in')
    return periods.zone(said).key


def _types(said: Any) -> Mapping[str, str]:
    if not isinstance(said, dict):
        raise LedgerError("[types] translates the platform's words", hint='opt_out = "withdrawn"')
    for meaning in said.values():
        vocabulary.member("event type", meaning, TYPES)
    return said


def _delimiter(said: Any) -> str | None:
    if said is not None and (not isinstance(said, str) or len(said) != 1):
        raise LedgerError("a delimiter is one character", hint='delimiter = ";"')
    return said
