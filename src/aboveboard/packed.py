"""Several small facts in one whole number, and back: what makes two parts of records one case to the engine.

A field gives the SQL that turns a column into a small number and the SQL that tells it again. Numbers are compared and
grouped at a fraction of what it costs with words, and a word is looked at once for every distinct case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aboveboard.errors import EngineError

ROOM = 62
"""Bits of a number: what fits into a BIGINT without touching its sign."""


@dataclass(frozen=True, slots=True)
class Field:
    """One fact: its name, the SQL of its number (never NULL, from 0 up) and how many bits that needs.

    ``told`` is SQL with a place for the number, or empty where the number itself is the fact.
    """

    name: str
    number: str
    bits: int
    told: str = ""


def whether(name: str, test: str) -> Field:
    """A fact that holds or not; ``test`` is never NULL."""
    return Field(name, f"({test})::BIGINT", 1, "({} = 1)")


def one_of(name: str, column: str, words: Sequence[str]) -> Field:
    """A word of a closed list, each given as a literal; every other one, and none, is NULL again."""
    listed = f"[{', '.join(words)}]"
    return Field(name, f"coalesce(list_position({listed}, {column}), 0)", len(words).bit_length(), f"{listed}[{{}}]")


def among(name: str, column: str, words: Iterable[str]) -> Field:
    """A word of an open list of which only a few matter (literals); every other one is the same other word again."""
    mattering = list(dict.fromkeys(words))
    other = next(word for n in range(len(mattering) + 1) if (word := f"'other{n}'") not in mattering)
    listed = f"[{', '.join([other, *mattering])}]"
    place = f"coalesce(nullif(list_position({listed}, {column}), 0), 1)"
    number = f"CASE WHEN {column} IS NULL THEN 0 ELSE {place} END"
    return Field(name, number, (len(mattering) + 1).bit_length(), f"{listed}[{{}}]")


def pack(fields: Sequence[Field], chosen: Sequence[Field] | None = None) -> str:
    """The number of all fields (or of the chosen ones, in their places) as SQL; they stand in it from the lowest bit up.

    An EngineError if they do not fit.
    """
    if sum(field.bits for field in fields) > ROOM:
        raise EngineError(
            "the policy asks about too many different words or moments for one judgement",
            hint="retire versions and licences that no record falls under any more",
        )
    return (
        "("
        + " | ".join(f"(({f.number})::BIGINT << {place})" for f, place in _places(fields) if f in (chosen or fields))
        + ")"
    )


def told(fields: Sequence[Field], column: str) -> str:
    """The columns that a number was packed from, as SQL, each under its name."""
    return ",\n  ".join(f'{_field(f, place, column)} AS "{f.name}"' for f, place in _places(fields))


def _field(one: Field, place: int, column: str) -> str:
    """One fact out of a number."""
    number = f"(({column} >> {place}) & {(1 << one.bits) - 1})"
    return one.told.replace("{}", number) if one.told else number


def _places(fields: Sequence[Field]) -> list[tuple[Field, int]]:
    return [(one, sum(before.bits for before in fields[:n])) for n, one in enumerate(fields)]
