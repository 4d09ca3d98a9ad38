"""The judgement in SQL: named steps, one file each, in three rooms that run one after the other.

``relate`` looks up other records once a snapshot, ``people`` folds what is known of accounts once a gate, ``shard``
judges a shard. In a step, ``@code`` is the bit of a reason, ``{{name}}`` a fragment that ``plan`` compiled from the
gate, and everything else is plain DuckDB. ``read`` gives the steps of a room in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from aboveboard.errors import EngineError
from aboveboard.reasons import HIGH, LOW

BIT = {reason.code: bit for reasons in (LOW, HIGH) for bit, reason in enumerate(reasons)}

_CODE = re.compile(r"@([a-z]+\.[a-z0-9_]+)")
_FRAGMENT = re.compile(r"\{\{([a-z_.]+)\}\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One named table of the judgement and the query that makes it."""

    name: str
    says: str
    sql: str
    kind: str = "TABLE"
    """``VIEW`` for a step that is read once: its rows then never lie in memory (file name ``.view.sql``)."""


@cache
def read(room: str) -> tuple[Step, ...]:
    """The steps of a room (``relate``, ``people``, ``shard``) in the order they run."""
    found = sorted(
        (p for p in files(__name__).joinpath(room).iterdir() if p.name.endswith(".sql")), key=lambda p: p.name
    )
    return tuple(_step(path.name, path.read_text(encoding="utf-8")) for path in found)


def _step(file: str, text: str) -> Step:
    lines = text.splitlines()
    says = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    body = "\n".join(line for line in lines if not line.startswith("--"))
    name, _, kind = file.removesuffix(".sql").partition("_")[2].partition(".")
    return Step(name, " ".join(says), body, kind.upper() or "TABLE")


def fill(sql: str, fragments: Mapping[str, str]) -> str:
    """The query with its fragments and reason bits in place; an unknown one is an error, never an empty string."""

    def fragment(found: re.Match[str]) -> str:
        if found[1] not in fragments:
            raise EngineError(f"a step asks for the fragment `{found[1]}`, which no plan has")
        return fragments[found[1]]

    while _FRAGMENT.search(sql):
        sql = _FRAGMENT.sub(fragment, sql)
    return _CODE.sub(lambda found: bit(found[1]), sql)


def bit(code: str) -> str:
    """The bit of a reason as a literal."""
    return f"{1 << BIT[code]}::UBIGINT"
