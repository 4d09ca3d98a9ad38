"""Orders, runs, checkpoints and models, and what each was made from: append-only, in the ledger's own database.

They are added in the transaction that enters their statement in the log. What a model is now (in use, retrained, retired) and
which model answers under which name are the last of what was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from aboveboard.ledger.events import micros, moment
from aboveboard.lineage import Arrow, Node


@dataclass(frozen=True, slots=True)
class State:
    """That a model was ``retrained`` (``by`` took its place) or ``retired``."""

    model: str
    state: str
    by: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Alias:
    """That a name led to a model from a moment on; to none where ``model`` is None."""

    alias: str
    model: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Lineage:
    """The tables in one transaction; what is added is there with its end, or never was."""

    connection: Connection

    def add(self, node: Node, arrows: Iterable[Arrow]) -> None:
        """Add one thing with what it was made from; the same id twice is an error."""
        row = {
            "id": node.id,
            "kind": node.kind,
            "digest": node.digest,
            "at": micros(node.at),
            "statement": node.statement,
        }
        self._do(
            "INSERT INTO lineage (id, kind, digest, at, statement, document)"
            " VALUES (:id, :kind, :digest, :at, :statement, :document)",
            **row, document=json.dumps(dict(node.said), sort_keys=True),
        )  # fmt: skip
        for one in arrows:
            self._do("INSERT INTO lineage_edges (child, parent, how) VALUES (:child, :parent, :how)",
                     child=one.child, parent=one.parent, how=one.how)  # fmt: skip

    def end(self, state: State) -> None:
        """Record that a model was retrained or retired."""
        row = {"model": state.model, "state": state.state, "by": state.by, "at": micros(state.at)}
        self._do('INSERT INTO lineage_states (number, model, state, "by", at) VALUES (:number, :model, :state, :by, :at)',
                 number=self._next("lineage_states"), **row)  # fmt: skip

    def point(self, alias: Alias) -> None:
        """Record to which model a name leads from now on."""
        row = {"alias": alias.alias, "model": alias.model, "at": micros(alias.at)}
        self._do("INSERT INTO lineage_aliases (number, alias, model, at) VALUES (:number, :alias, :model, :at)",
                 number=self._next("lineage_aliases"), **row)  # fmt: skip

    def node(self, name: str) -> Node | None:
        """The thing of this id; None where there is none."""
        return next(iter(self._nodes("WHERE id = :id", id=name)), None)

    def nodes(self) -> list[Node]:
        """Everything, in the order of time."""
        return self._nodes("")

    def arrows(self) -> list[Arrow]:
        """Every arrow."""
        found = self._all("SELECT child, parent, how FROM lineage_edges ORDER BY child, parent")
        return [Arrow(one["child"], one["parent"], one["how"]) for one in found]

    def states(self) -> Mapping[str, State]:
        """Of each model of which one was recorded its last state."""
        found = self._all('SELECT model, state, "by", at FROM lineage_states ORDER BY number')
        return {one["model"]: State(one["model"], one["state"], one["by"], moment(one["at"])) for one in found}

    def aliases(self) -> list[Alias]:
        """Every pointing of a name to a model, in order: the last one of a name is in force."""
        found = self._all("SELECT alias, model, at FROM lineage_aliases ORDER BY number")
        return [Alias(one["alias"], one["model"], moment(one["at"])) for one in found]

    def people(self, words: Iterable[str]) -> list[str]:
        """Those of some words that are ids of people here: they must not stand in a statement."""
        found = self._all(
            "SELECT value FROM json_each(:words) WHERE value IN (SELECT subject FROM subject_keys)"
            " OR value IN (SELECT subject FROM events)", words=json.dumps(sorted(set(words))),
        )  # fmt: skip
        return [str(one["value"]) for one in found]

    def spoke(self, after: int) -> list[tuple[str, datetime]]:
        """Who recorded anything behind a position, and when first; what only shows a notice is not counted."""
        found = self._all("SELECT subject, min(recorded_at) AS at FROM events WHERE position > :after"
                          " AND type <> 'notice_shown' GROUP BY subject ORDER BY subject", after=after)  # fmt: skip
        return [(str(one["subject"]), moment(one["at"])) for one in found]

    def speaker(self, position: int) -> str | None:
        """Who recorded the event at a position; None where there is none."""
        found = self._all("SELECT subject FROM events WHERE position = :position", position=position)
        return str(found[0]["subject"]) if found else None

    def _nodes(self, where: str, **values: Any) -> list[Node]:
        found = self._all(f"SELECT * FROM lineage {where} ORDER BY at, id", **values)
        return [
            Node(
                one["id"], one["kind"], one["digest"], moment(one["at"]), one["statement"], json.loads(one["document"])
            )
            for one in found
        ]

    def _next(self, table: str) -> int:
        return int(self.connection.execute(text(f"SELECT coalesce(max(number), 0) + 1 FROM {table}")).scalar_one())

    def _all(self, query: str, **values: Any) -> Sequence[Mapping[str, Any]]:
        return [dict(row._mapping) for row in self.connection.execute(text(query), values)]

    def _do(self, query: str, **values: Any) -> None:
        self.connection.execute(text(query), values)
