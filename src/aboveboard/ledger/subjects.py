"""A key for every person: 32 random bytes, made at the first choice or the first release, never replaced.

What a release says of a person opens with a key made from theirs. To delete it is to shred what it opens here, so it is
kept apart from the events, which nobody can delete.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    import pyarrow as pa

BYTES = 32
_PAGE = 65_536


def make(connection: Connection, subjects: pa.Table) -> None:
    """A key for each ``subject`` of a table that has none yet."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = _subjects(connection)
    asked = subjects["subject"].combine_chunks().cast(pa.string())
    new = asked.filter(pc.invert(pc.is_in(asked, value_set=known)))
    cursor = connection.connection.cursor()
    for begin in range(0, len(new), _PAGE):
        page = new.slice(begin, _PAGE).to_pylist()
        random = secrets.token_bytes(BYTES * len(page))
        keys = (random[at : at + BYTES] for at in range(0, len(random), BYTES))
        cursor.executemany("INSERT INTO subject_keys VALUES (?, ?)", list(zip(page, keys, strict=True)))


def made(connection: Connection, subject: str) -> bytes:
    """The key of one person, made where there is none."""
    cursor = connection.connection.cursor()
    cursor.execute("INSERT OR IGNORE INTO subject_keys VALUES (?, ?)", [subject, secrets.token_bytes(BYTES)])
    [key] = cursor.execute("SELECT key FROM subject_keys WHERE subject = ?", [subject]).fetchone()
    return bytes(key)


def read(connection: Connection) -> pa.Table:
    """``subject`` and ``key`` of everybody."""
    import pyarrow as pa

    cursor = connection.connection.cursor()
    found = cursor.execute("SELECT subject, key FROM subject_keys ORDER BY subject")
    schema = pa.schema([("subject", pa.string()), ("key", pa.binary())])
    batches = []
    while page := found.fetchmany(_PAGE):
        columns = [pa.array(values, field.type) for values, field in zip(zip(*page, strict=True), schema, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))
    return pa.Table.from_batches(batches, schema=schema)


def one(connection: Connection, subject: str) -> bytes | None:
    """The key of one person; None where there is none, or none any more."""
    cursor = connection.connection.cursor()
    found = cursor.execute("SELECT key FROM subject_keys WHERE subject = ?", [subject]).fetchone()
    return None if found is None else bytes(found[0])


def _subjects(connection: Connection) -> pa.Array:
    import pyarrow as pa

    cursor = connection.connection.cursor()
    found = cursor.execute("SELECT subject FROM subject_keys")
    pages = [pa.array([name for (name,) in page], pa.string()) for page in iter(lambda: found.fetchmany(_PAGE), [])]
    return pa.concat_arrays(pages) if pages else pa.array([], pa.string())
