"""Opens the private part of a release: the people as they were known, the accounts, and every released record again.

What ``commitments`` wrote, as the values that ``gate.decide`` and ``descriptor`` take. An auditor who is handed the
folder reads it with nothing else. Nothing here is for the public.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import descriptor
from aboveboard.choice import Event, Facts, People
from aboveboard.commitments import ACCOUNTS, OPENINGS
from aboveboard.descriptor import Descriptor
from aboveboard.errors import ReleaseError, VerificationError
from aboveboard.record import Record

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Opening:
    """One released record: the facts it was judged on, with its words or their shape, and its commitment.

    ``record.main.content`` is the shape of the text where there are other parts in it, and None elsewhere: then the released
    row has the words.
    """

    record: Record
    descriptor: Descriptor
    leaf: bytes
    com: bytes
    shared: bool
    outcome: int
    removed: tuple[int, ...]

    @property
    def account(self) -> str:
        """Whose row it is."""
        return str(self.record.subject)


@dataclass(frozen=True, slots=True)
class Account:
    """One account in scope: what opens its row, and the digest of what is known of the person."""

    subject: str
    release_key: bytes
    person: str


def account(private: Path, subject: str) -> Account:
    """One account; raises ReleaseError where it was not in scope."""
    found = _rows(private, ACCOUNTS, "WHERE subject = ?", [subject])
    if not found:
        raise ReleaseError(
            f"`{subject}` is no account that this release speaks of", hint="check the stable account id (not a handle)"
        )
    return Account(**found[0])


def accounts(private: Path) -> Iterator[Account]:
    """Every account in scope."""
    return (Account(**row) for row in _stream(private, ACCOUNTS, "ORDER BY subject"))


def people(private: Path, subject: str | None = None) -> People:
    """The people as the judgement knew them (all of them, or one)."""
    where, values = ("WHERE subject = ?", [subject]) if subject is not None else ("", [])
    events: dict[str, list[Event]] = {}
    facts: dict[str, list[Facts]] = {}
    for row in _rows(private, "events.parquet", f"{where} ORDER BY position", values):
        events.setdefault(row["subject"], []).append(Event(**_aware(row, Event)))
    for row in _rows(private, "facts.parquet", where, values):
        facts.setdefault(row["subject"], []).append(Facts(**_aware(row, Facts)))
    return People(events, facts, max((e.position for said in events.values() for e in said), default=0))


def records(private: Path, subject: str | None = None) -> Iterator[Opening]:
    """Every released record (or those of one account), in the order they were written."""
    where, values = ("WHERE account = ?", [subject]) if subject is not None else ("", [])
    known = {one.subject: one.person for one in ([account(private, subject)] if subject else accounts(private))}
    for row in _stream(private, "records/*.parquet", where, values):
        yield _opening(row, known[row["account"]])


def _opening(row: Mapping[str, Any], person: str) -> Opening:
    if "facts" not in row:
        raise ReleaseError("the openings are of an older form", hint="audit it with the version that built it")
    try:
        record = descriptor.record_of(row["facts"], row["ordinal"], row["shape"])
    except ValueError:  # its message may quote a fact
        raise VerificationError("the facts of a record cannot be read", hint="bring the openings back") from None
    described = Descriptor(
        source=record.source, record=record.id, kind=record.kind, row=row["leaf"].hex(),
        collected_under=row["policy_at_collection"], judged_under=row["policy_now"], clause=row["clause"],
        facts=hashlib.sha256(row["facts"]).hexdigest(), person=person,
        created=record.created_at, collected=record.collected_at,
    )  # fmt: skip
    removed = tuple(row["removed"] or ())
    return Opening(record, described, row["leaf"], row["com"], row["shared"], row["outcome"], removed)


def with_words(opening: Opening, words: str | None) -> Record:
    """The record as it can be judged again: with these words where their shape is not kept apart.

    A judgement asks of words only whether they say anything, and where the spans in them stand.
    """
    record = opening.record
    if record.main.content is not None or record.parts:
        return record
    return replace(record, main=replace(record.main, content=words))


def _rows(private: Path, files: str, clause: str, values: list[Any]) -> list[dict[str, Any]]:
    return list(_stream(private, files, clause, values))


def _stream(private: Path, files: str, clause: str, values: list[Any] | None = None) -> Iterator[dict[str, Any]]:
    import duckdb

    folder = private / OPENINGS
    if not any(folder.glob(files)):
        if files.startswith("records/") and folder.is_dir():
            return
        raise ReleaseError("the release has no openings", folder=folder, hint="it was built before there were any")
    con: duckdb.DuckDBPyConnection
    with duckdb.connect() as con:
        try:
            found = con.execute(f"SELECT * FROM read_parquet(?) {clause}", [str(folder / files), *(values or [])])
            names = [column[0] for column in found.description or ()]
            while block := found.fetchmany(8_192):
                for one in block:
                    yield dict(zip(names, one, strict=True))
        except duckdb.Error as error:  # its message may quote a row
            raise ReleaseError(
                f"the openings cannot be read: {type(error).__name__}",
                folder=folder,
                hint="bring them back from a backup",
            ) from None


def _aware(row: Mapping[str, Any], kind: type) -> dict[str, Any]:
    named = {one.name for one in fields(kind)}
    return {n: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for n, v in row.items() if n in named}
