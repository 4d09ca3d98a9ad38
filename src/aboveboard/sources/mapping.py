"""The TOML that says how a table becomes records: which files, which expression for which column, which
parts.

Only the mapping is read here, and every key of it must be known. Its format is docs/formats/source.md.
"""

from __future__ import annotations

import tomllib
import zoneinfo
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aboveboard import record, vocabulary
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources import files

MAX_SHARE = 0.001
MAX_ROWS = 10
"""A read stops above both: a share of malformed rows, and a number of them."""

AUDIENCES = ("audience_at", "audience_now")
COLUMNS = tuple(
    name
    for name in (*record.OWN, *record.LINKS)
    if name not in ("ordinal", "source", "origin", "integrity", *AUDIENCES)
)
PART_KEYS = ("when", "each", *(name for name in record.PART_FIELDS), "audience")
IDS = ("record_id", "subject", "revision_of", "parent_id", "quoted_id")
"""Columns that name a record or a person: a number that a computer may have rounded is refused in them."""
RESERVED = ("raw", "row", "holder", "item", "mapped", "staged")


@dataclass(frozen=True, slots=True)
class Join:
    """A second table whose columns the expressions may use; it must match each row at most once."""

    name: str
    input: files.Input
    on: str


@dataclass(frozen=True, slots=True)
class PartRule:
    """How parts are made: one where ``when`` holds, or one for each element of the list ``each``."""

    fields: Map[str, str]
    when: str | None = None
    each: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping as it was written: canonical columns to SQL expressions, and where the rows come from."""

    path: Path
    name: str
    origin: str
    input: files.Input
    columns: Map[str, str]
    each: str | None = None
    zone: str | None = None
    joins: tuple[Join, ...] = ()
    parts: tuple[PartRule, ...] = ()
    max_share: float = MAX_SHARE
    max_rows: int = MAX_ROWS
    keep_going: bool = False
    ids_verified: bool = False
    inputs: tuple[files.Input, ...] = field(default=())


def load(path: Path) -> dict[str, Any]:
    """The TOML as it stands."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError("the mapping cannot be read", hint=str(error.strerror), file=path.name) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError("the mapping is not TOML", hint=str(error), file=path.name) from error


def merged(said: Map[str, Any], overrides: Map[str, Any] | None) -> dict[str, Any]:
    """A mapping with some of its values replaced; tables are merged, everything else is replaced."""
    out = dict(said)
    for key, value in (overrides or {}).items():
        inner = out.get(key)
        out[key] = merged(inner, value) if isinstance(inner, Map) and isinstance(value, Map) else value
    return out


def parse(said: Map[str, Any], path: Path) -> Mapping:
    """The mapping, or an error that names the key. Files are looked for by name and not opened."""
    known("key of a mapping", said, ("name", "origin", "table", "joins", "columns", "parts", "quarantine"))
    columns = table_of(said, "columns", path)
    table = table_of(said, "table", path)
    known("key of [table]", table, (*INPUT_KEYS, "each", "zone", "ids_verified"))
    quarantine = quarantine_of(said, path)
    joins = tuple(_join(name, one, path) for name, one in table_of(said, "joins", path, {}).items())
    main = read_input(table, path)
    return Mapping(
        path=path,
        name=text_of(said, "name", path),
        origin=vocabulary.member("origin", text_of(said, "origin", path), vocabulary.ORIGINS),
        input=main,
        columns=_columns(columns, path),
        each=table.get("each"),
        zone=zone_of(table.get("zone")),
        ids_verified=table.get("ids_verified") is True,
        joins=joins,
        parts=tuple(_part(one, path) for one in said.get("parts", [])),
        inputs=(main, *(one.input for one in joins)),
        **quarantine,
    )


INPUT_KEYS = ("path", "format", "table", "delimiter", "optional")


def read_input(said: Map[str, Any], path: Path) -> files.Input:
    """The files that a table of the mapping names."""
    patterns = said.get("path")
    if isinstance(patterns, str):
        patterns = [patterns]
    if not patterns:
        raise SourceError("a table without `path`", hint="a file, a glob or a list of them", mapping=path.name)
    paths = files.find(patterns, path.parent)
    formats = {files.format_of(one, said.get("format")) for one in paths}
    if len(formats) > 1:
        raise SourceError("files of several formats in one table", hint=", ".join(sorted(formats)), mapping=path.name)
    tab = paths[0].name.lower().partition(".")[2].startswith("tsv")
    delimiter = said.get("delimiter", "\t" if tab else ",")
    return files.Input(paths, formats.pop(), said.get("table"), delimiter, said.get("optional", {}))


def _columns(said: Map[str, Any], path: Path) -> dict[str, str]:
    known("column", said, (*COLUMNS, *AUDIENCES, "audience"))
    columns = _expressions(said, path)
    if "record_id" not in columns:
        raise SourceError("no `record_id` is mapped", hint="every record needs a stable id", mapping=path.name)
    if "collected_at" in columns and "collected_evidence" not in columns:
        raise SourceError(
            "`collected_at` without `collected_evidence`",
            hint="say who attests the moment, such as \"'server log'\"; a client's own clock does not count",
            mapping=path.name,
        )
    return _audiences(columns, path)


def _part(said: Map[str, Any], path: Path) -> PartRule:
    known("key of [[parts]]", said, PART_KEYS)
    fields = _audiences(_expressions(said, path), path)
    when, each = fields.pop("when", None), fields.pop("each", None)
    if "kind" not in fields:
        raise SourceError("parts without `kind`", hint=f"one of {', '.join(vocabulary.PART_KINDS)}", mapping=path.name)
    return PartRule(fields, when, each)


def _audiences(columns: dict[str, str], path: Path) -> dict[str, str]:
    """``audience`` says both: that it was so when collected, and that it still is."""
    both = columns.pop("audience", None)
    if both is None:
        return columns
    if any(name in columns for name in AUDIENCES):
        raise SourceError("`audience` beside `audience_at` or `audience_now`", hint="give either", mapping=path.name)
    return {**columns, **dict.fromkeys(AUDIENCES, both)}


def _join(name: str, said: Map[str, Any], path: Path) -> Join:
    if not name.isidentifier() or name.lower() in RESERVED:
        raise SourceError(f"a joined table cannot be called `{name}`", hint="a plain name", mapping=path.name)
    known("key of [joins]", said, (*INPUT_KEYS, "on"))
    return Join(name, read_input(said, path), text_of(said, "on", path))


def quarantine_of(said: Map[str, Any], path: Path) -> dict[str, Any]:
    table = table_of(said, "quarantine", path, {})
    known("key of [quarantine]", table, ("max_share", "max_rows", "keep_going"))
    return dict(table)


def _expressions(said: Map[str, Any], path: Path) -> dict[str, str]:
    for key, value in said.items():
        if not isinstance(value, str) or not value.strip():
            raise SourceError(
                f"`{key}` is not an SQL expression",
                hint="write it as a string; text constants as \"'post'\"",
                mapping=path.name,
            )
    return dict(said)


def zone_of(name: str | None) -> str | None:
    """The name of a time zone, or an error that knows what it may have meant."""
    if name is not None and name not in zoneinfo.available_timezones():
        raise unknown_term("time zone", name, zoneinfo.available_timezones())
    return name


def table_of(said: Map[str, Any], key: str, path: Path, default: Map[str, Any] | None = None) -> Map[str, Any]:
    table = said.get(key, default)
    if not isinstance(table, Map):
        raise SourceError(f"a mapping without [{key}]", hint="see docs/formats/source.md", mapping=path.name)
    return table


def text_of(said: Map[str, Any], key: str, path: Path) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value:
        raise SourceError(f"a mapping without `{key}`", hint="see docs/formats/source.md", mapping=path.name)
    return value


def known(noun: str, said: Iterable[str], words: Sequence[str]) -> None:
    """Raises for the first key that is not one of ``words``."""
    for key in said:
        if key not in words:
            raise unknown_term(noun, key, words)
