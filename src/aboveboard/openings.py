"""Opens the private part of a release: the people as they were known, the accounts, and every released record again.

What ``commitments`` wrote, as the values that ``gate.decide`` and ``descriptor`` take. An auditor who is handed the
folder reads it with nothing else. Nothing here is for the public.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import descriptor, paths, writing
from aboveboard.choice import Event, Facts, People
from aboveboard.commitments import ACCOUNTS, OPENINGS
from aboveboard.commitments import accounts as accounts_of
from aboveboard.descriptor import Descriptor
from aboveboard.errors import ReleaseError
from aboveboard.judgement import as_record
from aboveboard.record import Record

if TYPE_CHECKING:
    import duckdb


ERASED, REDUCED = "erased.parquet", "reduced.parquet"
"""Beside the records, where somebody was erased: the leaf and the commitment of every row that nothing opens any more; and
of rows of others they had a part in, the leaf and the digest of the facts as they were."""


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
    reduced: bool = False
    """Somebody who was erased had a part in it: its facts are not whole any more, and it cannot be judged again."""

    @property
    def account(self) -> str:
        """Whose row it is."""
        return str(self.record.subject)


@dataclass(frozen=True, slots=True)
class Account:
    """One account in scope: what opens its row, and the digest of what is known of the person."""

    subject: str
    release_key: bytes
    """What salts the commitments of its rows."""
    row_key: bytes
    """What opens its row of the map: the same, unless a later release sealed that row anew."""
    person: str


def account(private: Path, subject: str) -> Account:
    """One account; raises ReleaseError where it was not in scope."""
    found = _rows(private, ACCOUNTS, "WHERE subject = ?", [subject])
    if not found:
        raise ReleaseError(
            f"`{subject}` is no account that this release speaks of", hint="check the stable account id (not a handle)"
        )
    return _account(found[0])


def accounts(private: Path) -> Iterator[Account]:
    """Every account in scope."""
    return (_account(row) for row in _stream(private, ACCOUNTS, "ORDER BY subject"))


def _account(row: Mapping[str, Any]) -> Account:
    return Account(row["subject"], row["release_key"], row["row_key"], row["person"])


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
    before = reduced(private)
    for row in _stream(private, "records", where, values):
        yield opening(row, known[row["account"]], before.get(row["leaf"]))


def judged_at(private: Path, leaves: Sequence[bytes]) -> Iterator[tuple[bytes, Record, tuple[int, ...]]]:
    """The records of some released rows, as they can be judged again: each with its leaf, and with the places (from 0) of the
    parts that were removed from it."""
    for row in _stream(private, "records", "WHERE leaf IN (SELECT unnest(?))", [list(leaves)]):
        yield bytes(row["leaf"]), judged(row), tuple(place - 1 for place in row["removed"] or ())


def reduced(private: Path) -> Mapping[bytes, bytes]:
    """Of each row in which somebody who was erased had a part, by its leaf: the digest of its facts as they were."""
    return dict(_listed(private, REDUCED, "leaf, facts"))


def shredded(private: Path) -> Sequence[tuple[bytes, bytes, bool]]:
    """The rows that nothing opens any more, because whose they were was erased: leaf, commitment, and whether it was shared."""
    return _listed(private, ERASED, "leaf, com, shared")


def _listed(private: Path, name: str, columns: str) -> list[Any]:
    if not (private / OPENINGS / name).is_file():
        return []
    return [tuple(row.values()) for row in _rows(private, name, "ORDER BY leaf", [], columns)]


def opening(row: Mapping[str, Any], person: str, before: bytes | None = None) -> Opening:
    """A row of the openings, with the digest of what is known of its person, as a value; ``before``: of its facts as they
    were before somebody in it was erased."""
    record = as_record({**row, "text": row["shape"]})
    digest = descriptor.facts_digest(record) if before is None else before.hex()
    described = Descriptor(
        source=record.source, record=record.id, kind=record.kind, row=row["leaf"].hex(),
        collected_under=row["policy_at_collection"], judged_under=row["policy_now"], clause=row["clause"],
        facts=digest, person=person, created=record.created_at, collected=record.collected_at,
    )  # fmt: skip
    removed = tuple(row["removed"] or ())
    return Opening(
        record, described, row["leaf"], row["com"], row["shared"], row["outcome"], removed, before is not None
    )


def with_words(opening: Opening, words: str | None) -> Record:
    """The record as it can be judged again: with these words where their shape is not kept apart.

    A judgement asks of words only whether they say anything, and where the spans in them stand.
    """
    record = opening.record
    if record.main.content is not None or record.parts:
        return record
    return replace(record, main=replace(record.main, content=words))


def judged(row: Mapping[str, Any]) -> Record:
    """The record of a row of the openings as it is judged again, whose words say something where no shape is kept."""
    record = as_record({**row, "text": row["shape"]})
    if record.main.content is not None or record.parts:
        return record
    # INVARIANT: a row without parts that says nothing is never released (gate 12), and what stayed out is asked for no more
    # than reasons of its own, of which that is none.
    return replace(record, main=replace(record.main, content="x"))


def _rows(private: Path, files: str, clause: str, values: list[Any], columns: str = "*") -> list[dict[str, Any]]:
    return list(_stream(private, files, clause, values, columns))


def _stream(
    private: Path, files: str, clause: str, values: list[Any] | None = None, columns: str = "*"
) -> Iterator[dict[str, Any]]:
    import duckdb

    folder = private / OPENINGS
    relation = _relation(private, files)
    if relation is None:
        return
    con: duckdb.DuckDBPyConnection
    with duckdb.connect() as con:
        try:
            found = con.execute(f"SELECT {columns} FROM {relation} {clause}", values or [])
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


def _relation(private: Path, files: str) -> str | None:
    """What is asked for as a relation; None for the records of a release that has none."""
    folder = private / OPENINGS
    if not (folder / ACCOUNTS).is_file() or (files != "records" and not (folder / files).is_file()):
        raise ReleaseError("the release has no openings", folder=folder, hint="it was built before there were any")
    if files == "records":
        return writing.opened(private)
    return accounts_of(folder) if files == ACCOUNTS else paths.parquet(folder / files)


def _aware(row: Mapping[str, Any], kind: type) -> dict[str, Any]:
    named = {one.name for one in fields(kind)}
    return {n: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for n, v in row.items() if n in named}
