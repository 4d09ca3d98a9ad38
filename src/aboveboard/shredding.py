"""Takes one person out of the private part of a release, and leaves it whole for everybody else.

What opens their rows goes, and so do the decisions, the people and index entries that name them; where they have a part in
another person's record, a hash stands in their place and the digest that the commitment binds is kept, so that the other
person's capsule still opens it. What was shredded is listed by its leaf and its commitment, which nothing opens any more:
an auditor counts it, and a rewriter takes the rows out. Files are replaced one by one and whole, and the same call again
goes on where it was killed. Specification: docs/erasure.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard import descriptor, disk, intake, openings, paths, writing
from aboveboard.commitments import ACCOUNTS, OPENINGS, WITHHELD
from aboveboard.engine import Engine
from aboveboard.openings import ERASED, REDUCED
from aboveboard.plan import text, texts
from aboveboard.record import PART_FIELDS, PARTY
from aboveboard.writing import DECISIONS, LATER, OPENED

if TYPE_CHECKING:
    import duckdb

LINKS = "links"
COUNTS = "exact-counts.json"
NEW = ".erasing"
"""What the file that is to take another's place is called meanwhile, behind that one's name."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What of some identifiers is in one private part: whether they are accounts of it, their released rows, rows of
    others they have a part in, decisions about their records, and what was known of them."""

    accounts: int = 0
    openings: int = 0
    of_others: int = 0
    decisions: int = 0
    known: int = 0

    def __bool__(self) -> bool:
        return any((self.accounts, self.openings, self.of_others, self.decisions, self.known))


def touched(engine: Engine, private: Path, names: Sequence[str]) -> Touched:
    """What there is of these identifiers in the private part of a release. Changes nothing."""
    with engine.connect() as con:
        opened = private / OPENINGS
        known = sum(_count(con, [opened / f"{kind}.parquet"], _named("subject", names)) for kind in ("events", "facts"))
        return Touched(
            _count(con, [opened / ACCOUNTS], _named("subject", names)),
            _count(con, _files(opened / "records"), _own(names)),
            _count(con, _files(opened / "records"), f"NOT {_own(names)} AND {_part_of(names)}"),
            _count(con, _files(private / "decisions"), _named("subject", names)),
            known,
        )


def records_of(engine: Engine, private: Path, names: Sequence[str]) -> list[str]:
    """The ids of the records of these people, as the decisions of a release name them."""
    files = _files(private / "decisions")
    if not files:
        return []
    with engine.connect() as con:
        asked = (
            f"SELECT DISTINCT record_id FROM {_read(files)} WHERE {_named('subject', names)} AND record_id IS NOT NULL"
        )
        return sorted(record for (record,) in con.execute(asked).fetchall())


def forget_receipts(engine: Engine, folders: Sequence[Path], records: Sequence[str]) -> None:
    """Take these records out of the memory of first receipts, in every folder that has one."""
    with engine.connect() as con:
        for folder in folders:
            file = folder / intake.FILE
            if file.is_file():
                _filter(con, file, f"record_id NOT IN {_among(con, records)}", "erase first-seen")


def forget_attested(engine: Engine, files: Sequence[Path], names: Sequence[str]) -> None:
    """Take these people out of tables that say what was attested of whom."""
    with engine.connect() as con:
        for file in files:
            _filter(con, file, f"NOT {_named('subject', names)}", "erase epoch facts")


def shred(engine: Engine, private: Path, places: Mapping[str, str]) -> None:
    """Take these people out of the private part of one release; ``places`` says what stands in the place of each.

    Listed first, taken out afterwards, accounts last: whatever it is killed at, the next call finds who is left.
    """
    names, opened = sorted(places), private / OPENINGS
    with engine.connect() as con:
        _list_shredded(con, private, names)
        _list_reduced(con, private, names)
        for file in _files(private / "people"):
            _rewrite(con, file, _PEOPLE.format(**_sql(places, opened)), "subject", names, "erase people")
        for file in _files(private / "index"):
            _unplace(con, file, opened)
        for file in [*_rows_of(private), *_files(opened / WITHHELD), *_there(private / LATER / OPENED)]:
            _rewrite_records(con, file, places)
        for file in _files(private / LINKS):
            _unlink(con, file, private, names)
        for file in [*_files(private / "decisions"), *_there(private / LATER / DECISIONS)]:
            _filter(con, file, f"NOT {_named('subject', names)}", "erase decisions")
        for file in _files(private / "quarantine"):
            _unname(con, file, names)
        _unname_counts(private / COUNTS, names)
        for name in ("events.parquet", "facts.parquet", ACCOUNTS):
            if (opened / name).is_file():
                _filter(con, opened / name, f"NOT {_named('subject', names)}", f"erase {Path(name).stem}")


def remains(private: Path) -> Iterator[Path]:
    """Files that were to take another's place when somebody was killed: nobody reads them."""
    return private.rglob(f"*{NEW}")


# --- lists --------------------------------------------------------------------------------------------------------


def _list_shredded(con: duckdb.DuckDBPyConnection, private: Path, names: Sequence[str]) -> None:
    """Put what opens the rows of these people on the list of what nothing opens any more."""
    held = writing.opened(private)  # without what left by a rewriting: that is in no file of this release
    if held is not None and _count_in(con, held, _own(names)):
        new = f"SELECT leaf, com, shared FROM {held} WHERE {_own(names)}"
        _add(con, private / OPENINGS / ERASED, new, "erase list")


def _list_reduced(con: duckdb.DuckDBPyConnection, private: Path, names: Sequence[str]) -> None:
    """Keep, of the rows of others in which these people have a part, the digest of the facts as they were."""
    import pyarrow as pa

    held = writing.opened(private)
    theirs = f"NOT {_own(names)} AND {_part_of(names)}"
    if held is not None and _count_in(con, held, theirs):
        kept = openings.reduced(private)
        found = con.execute(f"SELECT DISTINCT account, leaf FROM {held} WHERE {theirs}").fetchall()
        leaves = {bytes(leaf) for _, leaf in found} - kept.keys()
        accounts = sorted({account for account, _ in found})
        told = [
            (one.leaf, bytes.fromhex(descriptor.facts_digest(one.record)))
            for account in accounts for one in openings.records(private, account) if one.leaf in leaves
        ]  # fmt: skip
        table = pa.table({"leaf": pa.array([one for one, _ in told], pa.binary()),
                          "facts": pa.array([one for _, one in told], pa.binary())})  # fmt: skip
        con.register("_told", table)
        _add(con, private / OPENINGS / REDUCED, "SELECT * FROM _told", "erase digests")
        con.unregister("_told")


def _add(con: duckdb.DuckDBPyConnection, file: Path, new: str, step: str) -> None:
    """Put rows on a list that is sorted by leaf and holds each row once."""
    old = f"SELECT * FROM {_read([file])} UNION " if file.is_file() else ""
    with disk.step(step):
        _replace(con, file, f"{old}({new}) ORDER BY leaf")


# --- files --------------------------------------------------------------------------------------------------------

_PEOPLE = """
SELECT {in_place} AS subject, source, ordinal FROM {file} AS p
WHERE NOT ({named} AND EXISTS (
  SELECT 1 FROM {records} AS r WHERE r.source = p.source AND r.ordinal = p.ordinal AND r.account = p.subject))
ORDER BY subject, ordinal
"""
"""Their own rows go; of rows of others, a hash says that somebody who was erased has a part in them."""
_UNPLACED = """
SELECT CASE WHEN gone THEN NULL ELSE source END AS source, CASE WHEN gone THEN NULL ELSE ordinal END AS ordinal, leaf
FROM (SELECT *, leaf IN (SELECT leaf FROM {erased}) AS gone FROM {file})
"""
"""A row keeps its place in its file, or the places of all others would be wrong; where it came from is not said."""


def _sql(places: Mapping[str, str], opened: Path) -> Mapping[str, str]:
    files = _rows_of(opened.parent)
    records = (
        _read(files) if files else "(SELECT ''::VARCHAR AS source, 0 AS ordinal, ''::VARCHAR AS account WHERE FALSE)"
    )
    names = sorted(places)
    return {"in_place": _in_place("subject", places), "named": _named("subject", names), "records": records,
            "file": "{file}"}  # fmt: skip


def _unplace(con: duckdb.DuckDBPyConnection, file: Path, opened: Path) -> None:
    if not (opened / ERASED).is_file():
        return
    erased = _read([opened / ERASED])
    if _count(con, [file], f"ordinal IS NOT NULL AND leaf IN (SELECT leaf FROM {erased})"):
        with disk.step("erase index"):
            _replace(con, file, _UNPLACED.format(erased=erased, file=_read([file])))


def _rewrite_records(con: duckdb.DuckDBPyConnection, file: Path, places: Mapping[str, str]) -> None:
    names = sorted(places)
    if _count(con, [file], f"{_own(names)} OR {_part_of(names)}"):
        party = {"subject": _in_place("p.subject", places)}
        parties = _each("{x}", "p", _packed("p", _fields(PARTY), party))
        part = {"parties": parties.format(x="q.parties")}
        parts = _each("parts", "q", _packed("q", list(PART_FIELDS), part))
        with disk.step("erase records"):
            _replace(
                con, file,
                f"SELECT * REPLACE ({parties.format(x='parties')} AS parties, {parts} AS parts)"
                f" FROM {_read([file])} WHERE NOT {_own(names)}",
            )  # fmt: skip


def _unlink(con: duckdb.DuckDBPyConnection, file: Path, private: Path, names: Sequence[str]) -> None:
    """Take out what stands in which record of theirs; which those are the decisions say, so they go later. Who repeats their
    words has them as a party, and is kept out by that."""
    decisions = _files(private / "decisions")
    if decisions:
        theirs = f"SELECT record_id FROM {_read(decisions)} WHERE {_named('subject', names)} AND record_id IS NOT NULL"
        _filter(con, file, f"origin IS NULL OR origin NOT IN ({theirs})", "erase links")


def _unname(con: duckdb.DuckDBPyConnection, file: Path, names: Sequence[str]) -> None:
    """Take a person's name out of the names of files that were not read."""
    found = " OR ".join(f"contains(file, {text(name)})" for name in names)
    if _count(con, [file], found):
        with disk.step("erase quarantine"):
            _replace(
                con, file, f"SELECT * REPLACE (CASE WHEN {found} THEN NULL ELSE file END AS file) FROM {_read([file])}"
            )


def _unname_counts(file: Path, names: Sequence[str]) -> None:
    """The same in the list of files that nobody could read."""
    said = json.loads(file.read_bytes()) if file.is_file() else {}
    carrying = [one for one in said.get("files_not_read", ()) if any(name in one["file"] for name in names)]
    if carrying:
        for one in carrying:
            one["file"] = ""
        with disk.step("erase counts"):
            disk.place(file, json.dumps(said, indent=2).encode(), mode=0o600)


def _rewrite(
    con: duckdb.DuckDBPyConnection, file: Path, query: str, column: str, names: Sequence[str], step: str
) -> None:
    if _count(con, [file], _named(column, names)):
        with disk.step(step):
            _replace(con, file, query.format(file=_read([file])))


def _filter(con: duckdb.DuckDBPyConnection, file: Path, stays: str, step: str) -> None:
    """Keep only some rows of a file, in their order; a file of which all stay is not touched."""
    if _count(con, [file], f"({stays}) IS NOT TRUE"):
        with disk.step(step):
            _replace(con, file, f"SELECT * FROM {_read([file])} WHERE {stays}")


def _replace(con: duckdb.DuckDBPyConnection, file: Path, query: str) -> None:
    """Put the rows of a query in the place of a file: a reader sees the one or the other."""
    new = file.with_name(f".{file.name}{NEW}")
    new.unlink(missing_ok=True)
    writing.copy_rows(con, query, new)
    disk.settle(new)
    os.chmod(new, file.stat().st_mode & 0o777 if file.exists() else 0o600)
    new.replace(file)
    disk.settle(file.parent)


# --- expressions --------------------------------------------------------------------------------------------------


def _named(column: str, names: Sequence[str]) -> str:
    return f"coalesce({column} IN {texts(names)}, FALSE)"


def _own(names: Sequence[str]) -> str:
    return f"({_named('account', names)} OR {_named('subject', names)})"


def _part_of(names: Sequence[str]) -> str:
    """Whether one of them has a part in a row, whatever the role."""
    some = "len(list_filter({x}, lambda p: " + _named("p.subject", names) + ")) > 0"
    return (
        f"(coalesce({some.format(x='parties')}, FALSE)"
        f" OR coalesce(len(list_filter(parts, lambda q: {some.format(x='q.parties')})) > 0, FALSE))"
    )


def _in_place(column: str, places: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {text(name)} THEN {text(gone)}" for name, gone in sorted(places.items()))
    return f"CASE {column} {cases} ELSE {column} END"


def _each(of: str, name: str, made: str) -> str:
    return f"list_transform({of}, lambda {name}: {made})"


def _packed(of: str, fields: Sequence[str], made: Mapping[str, str]) -> str:
    told = ", ".join(f'"{field}" := {made.get(field, f"""{of}."{field}" """)}' for field in fields)
    return f"CASE WHEN {of} IS NULL THEN NULL ELSE struct_pack({told}) END"


def _fields(struct: str) -> list[str]:
    inner = struct.removeprefix("STRUCT(").removesuffix(")")
    return [one.split()[0].strip('"') for one in inner.split(", ")]


def _among(con: duckdb.DuckDBPyConnection, values: Sequence[str]) -> str:
    """Many values as a subquery."""
    con.execute("CREATE OR REPLACE TEMP TABLE among AS SELECT unnest(?::VARCHAR[]) AS value", [list(values)])
    return "(SELECT value FROM among)"


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _there(file: Path) -> list[Path]:
    return [file] if file.is_file() else []


def _rows_of(private: Path) -> list[Path]:
    """The openings of released records, and of those that stayed out."""
    return [*_files(private / OPENINGS / "records"), *_files(private / OPENINGS / WITHHELD)]


def _read(files: Sequence[Path]) -> str:
    return paths.parquet(files, "union_by_name")


def _count(con: duckdb.DuckDBPyConnection, files: Sequence[Path], where: str) -> int:
    there = [file for file in files if file.is_file()]
    if not there:
        return 0
    return _count_in(con, _read(there), where)


def _count_in(con: duckdb.DuckDBPyConnection, relation: str, where: str) -> int:
    [(count,)] = con.execute(f"SELECT count(*) FROM {relation} WHERE {where}").fetchall()
    return int(count)
