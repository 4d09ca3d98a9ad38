"""Refuses lists of ids that a JSON reader has rounded, because they name other people.

A whole number beyond 2^53 does not survive JavaScript. A JSON number of that size is always refused; a text
may have been rounded before it became text, which shows only in a list: by chance about one id in 256 is one
that rounding leaves as it is. Counted on real exports: 1,875 of 4,205 ids in one published response were
wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aboveboard.errors import SourceError
from aboveboard.ledger.choice_file import EXACT, json_numbers_beyond_exact

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

ENOUGH = 8
"""From this many long ids on, the list speaks for itself."""
SUSPICIOUS = 0.2
"""More than this share of ids that rounding would leave as they are: the list was rounded."""

_LONG_IDS = """
SELECT count(*), count(*) FILTER (id::DOUBLE::HUGEINT = id), count(*) FILTER (NOT known)
  FROM (SELECT DISTINCT subject, {known} AS known,
               regexp_extract(subject, '([0-9]{{16,37}})$', 1)::HUGEINT AS id
          FROM stated WHERE regexp_matches(subject, '(^|[^0-9])[0-9]{{16,37}}$'))
 WHERE id > $exact
"""


def refuse_rounded_numbers(con: Connection, expressions: dict[str, str]) -> None:
    """Raises SourceError where a JSON number beyond 2^53 serves as an id."""
    for name, expression in expressions.items():
        rows = json_numbers_beyond_exact(con, expression)
        if rows:
            raise SourceError(
                f"`{name}` is read from JSON numbers beyond 2^53 in {rows} rows: such ids arrive rounded",
                hint="export ids as strings",
            )


def refuse_rounded_texts(con: Connection, *, ids_verified: bool, has_known: bool) -> None:
    """Raises SourceError where subjects look rounded, or are too few to tell and nobody vouches for them."""
    known = "subject IN (SELECT id FROM known)" if has_known else "false"
    long, unmoved, strangers = con.execute(_LONG_IDS.format(known=known), {"exact": EXACT}).fetchall()[0]
    if long >= ENOUGH and unmoved > SUSPICIOUS * long:
        raise SourceError(
            f"{unmoved} of {long} long ids look rounded (by chance it would be about {max(1, long // 256)})",
            hint="export ids as strings, straight from the database; a spreadsheet or JavaScript rounds them",
        )
    if 0 < long < ENOUGH and strangers and not ids_verified:
        raise SourceError(
            f"{long} long ids are too few to tell whether they were rounded",
            hint="compare them with the database and say --ids-verified, or give the accounts with --known",
        )
