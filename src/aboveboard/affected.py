"""Which releases and models saw somebody, some record or some rows; what was made from something.

Of releases it is exact: the private index says in which rows a person has a part. Of models it is exact where their order was
recorded, up to the step of the checkpoint they were made from, and else by release, which is said. What a model saw is the
platform's word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import lineage, paths, writing
from aboveboard.commitments import OPENINGS
from aboveboard.errors import LineageError, ReleaseError
from aboveboard.lineage import Arrow, Graph, Node
from aboveboard.removal import leaves_of
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

    from aboveboard.ledger.lineage import Alias, State

ALIAS = "alias:"
"""What stands before the name of an alias in the graph, so that one may be called like a model."""
_EVER, _NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


# --- what was touched ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Touch:
    """Rows of one release, by their leaves, each since when it is touched; None stands for all of them.

    ``certain`` is False where it cannot be told any more which rows there were.
    """

    leaves: Mapping[bytes, datetime] | None
    since: datetime = _EVER
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Saw:
    """How a model saw what was touched: through which releases, at how many positions of its orders (0 where it was trained
    without one), since when they are touched, and whether that is ``exact`` or only by release."""

    releases: frozenset[str] = frozenset()
    positions: int = 0
    since: datetime = _NEVER
    exact: bool = True

    def __bool__(self) -> bool:
        return bool(self.releases)

    def and_(self, other: Saw) -> Saw:
        """Both of them."""
        if not other:
            return self
        return Saw(
            self.releases | other.releases,
            self.positions + other.positions,
            min(self.since, other.since),
            self.exact and other.exact,
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A model that saw something, as it is now: its state, the names it answers under, and whether we made it."""

    model: str
    digest: str
    saw: Saw
    state: str
    aliases: tuple[str, ...]
    grounds: Mapping[str, datetime] = field(default_factory=dict)
    """Since when it is flagged on which ground (``flags``), where that was asked."""

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model, "digest": f"sha256:{self.digest}", "releases": sorted(self.saw.releases),
            "positions": self.saw.positions, "exact": self.saw.exact, "state": self.state, "aliases": list(self.aliases),
            "grounds": {ground: at.isoformat() for ground, at in self.grounds.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Affected:
    """The releases with the number of rows (None: it cannot be told), who received them, and the models."""

    rows: Mapping[str, int | None]
    recipients: Mapping[str, Sequence[str]]
    models: tuple[Hit, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "releases": [
                {"release": name, "rows": rows, "recipients": list(self.recipients.get(name, ()))}
                for name, rows in self.rows.items()
            ],
            "models": [one.as_json() for one in self.models],
            "word": lineage.WORD,
        }


# --- the lineage of a workspace -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Descent:
    """Everything that is recorded of a workspace's models, read once."""

    ws: Workspace
    nodes: Mapping[str, Node]
    graph: Graph
    states: Mapping[str, State]
    pointed: Sequence[Alias]
    releases: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def models(self) -> list[Node]:
        return [one for one in self.nodes.values() if one.kind == "model"]

    def get(self, name: str) -> Node:
        """What is called so; raises LineageError where nothing is."""
        found = self.nodes.get(name) or self.nodes.get(f"{ALIAS}{name}")
        if found is None:
            raise LineageError(
                f"nothing is recorded as `{name}`", hint="`aboveboard lineage list` and `release list` name what is"
            )
        return found

    @cached_property
    def aliases(self) -> Mapping[str, str | None]:
        """Which model each name leads to now."""
        return {one.alias: one.model for one in self.pointed}

    def answering(self, model: str) -> tuple[str, ...]:
        """The names that lead to a model now."""
        return tuple(sorted(name for name, to in self.aliases.items() if to == model))

    def saw(self, touched: Mapping[str, Touch]) -> Mapping[str, Saw]:
        """For each model what it saw of the touched rows; models that saw nothing are not in it."""
        above = self.graph.above(*(one.id for one in self.models))
        asked = _Exposure(self, touched)
        for name in self.graph.ordered():  # what something was made from before it
            if name in self.nodes and (name in above or self.nodes[name].kind == "model"):
                asked.work_out(name)
        found = {one.id: asked.of(one.id) for one in self.models}
        return {name: saw for name, saw in found.items() if saw}


def descent(ws: Workspace) -> Descent:
    """The lineage of a workspace as it stands."""
    releases = {str(one["id"]): one for one in ws.ledger.releases()}
    with ws.ledger.lineage() as held:
        nodes, arrows, states, pointed = held.nodes(), held.arrows(), held.states(), held.aliases()
    known = {
        name: Node(name, "release", str(one["manifest_sha256"]), _moment(one["as_of"]))
        for name, one in releases.items()
    }
    known.update({one.id: one for one in nodes})
    for one in pointed:
        known.setdefault(f"{ALIAS}{one.alias}", Node(f"{ALIAS}{one.alias}", "alias", "", one.at))
    led = {Arrow(f"{ALIAS}{one.alias}", one.model, "deployed") for one in pointed if one.model is not None}
    graph = Graph([*arrows, *sorted(led, key=lambda one: (one.child, one.parent)), *_superseding(ws, releases)])
    return Descent(ws, known, graph, states, pointed, releases)


def _superseding(ws: Workspace, releases: Mapping[str, Mapping[str, Any]]) -> list[Arrow]:
    """Which release took the place of which, as their manifests say."""
    said = [(name, _predicate(ws, one).get("supersedes")) for name, one in releases.items()]
    return [Arrow(name, str(one["release"]), "supersedes") for name, one in said if isinstance(one, Mapping)]


def _predicate(ws: Workspace, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the manifest of a release says; nothing where its owner took the release away."""
    try:
        path = ws.private.parent / str(entry["public"]) / str(entry["id"]) / "manifest.json"
        found: Mapping[str, Any] = json.loads(path.read_bytes())["predicate"]
    except (OSError, ValueError, LookupError):
        return {}
    return found


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


# --- what models saw ----------------------------------------------------------------------------------------------


class _Exposure:
    """Follows models back to the rows that were touched. What a thing saw is worked out once."""

    def __init__(self, known: Descent, touched: Mapping[str, Touch]) -> None:
        self.known, self.touched = known, touched
        self.found: dict[str, Saw] = {}
        self.placed: dict[str, Mapping[tuple[int, int], tuple[int, datetime]] | None] = {}

    def of(self, name: str) -> Saw:
        """What the thing of this id saw, once it was worked out; nothing where it was made from nothing."""
        return self.found.get(name, Saw())

    def work_out(self, name: str) -> None:
        """Work out what a thing saw; what it was made from was worked out before."""
        self.found[name] = self._of(self.known.nodes[name])

    def _of(self, node: Node) -> Saw:
        if node.kind == "release":
            return self._whole(node.id)
        if node.kind == "order":
            return self._ordered(node, None)
        if node.kind == "checkpoint":
            [run] = [arrow.parent for arrow in self.known.graph.parents[node.id]]
            return self._through(run, node)
        return self._through(node.id, None)

    def _through(self, name: str, upto: Node | None) -> Saw:
        """What was seen through everything that ``name`` was made from, of orders only ``upto`` a checkpoint."""
        saw = Saw()
        for arrow in self.known.graph.parents[name]:
            parent = self.known.nodes[arrow.parent]
            saw = saw.and_(self._ordered(parent, upto) if parent.kind == "order" else self.of(parent.id))
        return saw

    def _whole(self, release: str) -> Saw:
        touch = self.touched.get(release)
        if touch is None or touch.leaves == {}:
            return Saw()
        since = min(touch.leaves.values()) if touch.leaves else touch.since
        return Saw(frozenset([release]), 0, since, exact=touch.leaves is None and touch.certain)

    def _ordered(self, order: Node, upto: Node | None) -> Saw:
        """What an order lists of the touched rows; by release where its file or what opens the rows is gone."""
        saw = Saw()
        for arrow in self.known.graph.parents[order.id]:
            parent = self.known.nodes[arrow.parent]
            saw = saw.and_(self.of(parent.id) if parent.kind != "release" else self._listed(order, parent.id, upto))
        return saw

    def _listed(self, order: Node, release: str, upto: Node | None) -> Saw:
        touch = self.touched.get(release)
        if touch is None:
            return Saw()
        key = f"{order.id}\0{release}"
        if key not in self.placed:
            self.placed[key] = _places(self.known.ws, order, release, touch)
        places = self.placed[key]
        if places is None:
            saw = self._whole(release)
            return Saw(saw.releases, 0, saw.since, exact=False)
        within = [one for place, one in places.items() if upto is None or _reached(place, upto)]
        if not within:
            return Saw()
        return Saw(frozenset([release]), sum(n for n, _ in within), min(at for _, at in within))


def _reached(place: tuple[int, int], upto: Node) -> bool:
    """Whether a position (shard, step) was trained on before a checkpoint was saved."""
    return place[0] == int(upto.said["shard"]) and place[1] <= int(upto.said["step"])


def _places(
    ws: Workspace, order: Node, release: str, touch: Touch
) -> Mapping[tuple[int, int], tuple[int, datetime]] | None:
    """Where an order lists touched rows: for each shard and step how many, and since when. None where it cannot be told."""
    import duckdb

    files = order_files(ws, order)
    opened = writing.listed(ws.private / release / OPENINGS / "records")
    if not files or not all(file.is_file() for file in files) or not opened or not touch.certain:
        return None
    with ws.engine.connect() as con:
        try:
            _load(con, touch)
            [(shredded,)] = con.execute(_SHREDDED.format(opened=opened)).fetchall()
            if shredded:
                return None
            asked = _PLACES.format(order=paths.parquet(files), opened=opened, every=touch.leaves is None)
            rows = con.execute(asked).fetchall()
        except duckdb.Error:
            return None  # a damaged file tells nothing: by release, then
    return {(shard, step): (count, at.replace(tzinfo=UTC)) for shard, step, count, at in rows}


def _load(con: duckdb.DuckDBPyConnection, touch: Touch) -> None:
    import pyarrow as pa

    leaves = touch.leaves or {}
    moments = [at.astimezone(UTC).replace(tzinfo=None) for at in leaves.values()]
    table = pa.table({"leaf": pa.array(list(leaves), pa.binary()), "at": pa.array(moments, pa.timestamp("us"))})
    con.register("_touched", table)
    con.execute("CREATE TEMP TABLE touched AS SELECT * FROM _touched")
    con.execute("SET VARIABLE since = ?", [touch.since.astimezone(UTC).replace(tzinfo=None)])


_SHREDDED = "SELECT count(*) FROM touched WHERE leaf NOT IN (SELECT leaf FROM {opened})"
"""Rows whose openings were shredded: nothing says any more where they stand in an order."""
_PLACES = """
SELECT p.shard, p.step, count(*), min(coalesce(t.at, getvariable('since')::TIMESTAMP))
FROM {order} AS p
JOIN {opened} AS o ON o.com = p.com
LEFT JOIN touched AS t ON t.leaf = o.leaf
WHERE {every} OR t.leaf IS NOT NULL
GROUP BY p.shard, p.step
"""


# --- who is asked about -------------------------------------------------------------------------------------------


def by_subject(ws: Workspace, subject: str, before: int | None = None) -> Affected:
    """The releases in which somebody has a part, whatever the role, and the models that saw it. ``before``: only releases
    that were committed before this position of the ledger."""
    touched = {
        name: _touched(ws, name, _OF_PEOPLE, [[subject]])
        for name, one in committed(ws).items()
        if before is None or int(one["position"]) < before
    }
    return _affected(ws, touched)


def by_record(ws: Workspace, record: str, source: str | None = None) -> Affected:
    """The releases that hold a record (its id), and the models that saw it."""
    asked = (_OF_RECORD, [record, source or ""])
    return _affected(ws, {name: _touched(ws, name, *asked) for name in committed(ws)})


def by_release(ws: Workspace, release: str) -> Affected:
    """A whole release, and the models that saw any row of it."""
    if release not in committed(ws):
        raise ReleaseError(f"no release `{release}`", hint="`aboveboard release list` names those there are")
    return _affected(ws, {release: Touch(None)})


def by_withdrawal(ws: Workspace, position: int) -> Affected:
    """What the event at a position of the ledger may withdraw: rows in which its person has a part, in releases that were
    committed before it; and the models that saw them. What of it has to go is for a judgement to say."""
    with ws.ledger.lineage() as held:
        subject = held.speaker(position)
    if subject is None:
        raise LineageError(f"no event at position {position}", hint=f"the head of the ledger is {ws.ledger.head()}")
    return by_subject(ws, subject, before=position)


def by_rows(ws: Workspace, rows: Mapping[str, bytes], since: datetime = _EVER) -> Affected:
    """Rows of releases by their leaves (32 bytes each, one behind another), and the models that saw them."""
    known = committed(ws)
    kept = {name: held(ws, known[name], leaves_of(leaves)) for name, leaves in rows.items() if name in known}
    return _affected(ws, {name: Touch(dict.fromkeys(leaves, since)) for name, leaves in kept.items()})


def committed(ws: Workspace) -> Mapping[str, Mapping[str, Any]]:
    return {str(one["id"]): one for one in ws.ledger.releases()}


def _affected(ws: Workspace, touched: Mapping[str, Touch]) -> Affected:
    known = descent(ws)
    touched = {name: one for name, one in touched.items() if one.leaves != {}}
    rows = {name: None if one.leaves is None else len(one.leaves) for name, one in sorted(touched.items())}
    saw = known.saw(touched)
    models = [Hit(one.id, one.digest, saw[one.id], state_of(known, one.id), known.answering(one.id))
              for one in known.models if one.id in saw]  # fmt: skip
    return Affected(rows, _recipients(ws, touched), tuple(models))


def _recipients(ws: Workspace, releases: Iterable[str]) -> Mapping[str, Sequence[str]]:
    with ws.ledger.outbox() as outbox:
        every = outbox.deliveries()
    return {name: [one.recipient for one in every if one.release == name] for name in releases}


def _touched(ws: Workspace, release: str, query: str, values: list[Any]) -> Touch:
    """The rows of a release that a query over its private index finds. A release whose private part is gone may hold some."""
    leaves = _leaves(ws, release, query, values)
    return Touch(None, certain=False) if leaves is None else Touch(dict.fromkeys((leaf for _, leaf in leaves), _EVER))


def _leaves(ws: Workspace, release: str, query: str, values: list[Any]) -> list[tuple[str, bytes]] | None:
    """Whom the query found (or nothing) with each leaf; None where the private part of the release is not there."""
    import duckdb

    private = ws.private / release
    if not all((private / name).is_dir() for name in ("index", "people", "decisions")):
        return None
    files = {name: writing.listed(private / name) for name in ("index", "people", "decisions")}
    if "" in (files["index"], files["people"], files["decisions"]):
        return []  # nothing was released
    with ws.engine.connect() as con:
        try:
            found = con.execute(query.format(**files), values).fetchall()
        except duckdb.Error as error:  # its message may quote a row
            raise ReleaseError(f"the private index cannot be read: {type(error).__name__}", folder=private,
                               hint="bring it back from a backup") from None  # fmt: skip
    return [(str(who), bytes(leaf)) for who, leaf in found]


def held(ws: Workspace, entry: Mapping[str, Any], leaves: Sequence[bytes]) -> list[bytes]:
    """Those of some leaves that are of rows of a release: by its private index, and where that was shredded by the hashes
    beside its rows; all of them where neither can be read. A list is told to who has an older release, too, which need not
    hold all of its rows."""
    found = _leaves(ws, str(entry["id"]), _OF_LEAVES, [list(leaves)])
    known = {leaf for _, leaf in found or ()}
    missing = [leaf for leaf in leaves if leaf not in known]
    if missing:
        public = ws.private.parent / str(entry["public"]) / str(entry["id"])
        if not (public / "manifest.json").is_file():
            return list(leaves)
        for tile in sorted((public / "rows").glob("*/0")):
            known.update(set(missing).intersection(leaves_of(tile.read_bytes())))
    return [leaf for leaf in leaves if leaf in known]


_OF_LEAVES = "SELECT '', leaf FROM {index} WHERE leaf IN (SELECT unnest(?))"
_OF_PEOPLE = """
SELECT p.subject, i.leaf FROM {people} AS p JOIN {index} AS i USING (source, ordinal)
WHERE p.subject IN (SELECT unnest(?))
"""
_OF_RECORD = """
SELECT '', i.leaf FROM {decisions} AS d JOIN {index} AS i USING (source, ordinal)
WHERE d.record_id = ? AND ? IN ('', d.source)
"""


# --- downstream ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """One thing that was made in whole or in part from another: the arrow by which it was reached, and what it is now."""

    node: Node
    arrow: Arrow
    state: str
    grounds: Mapping[str, datetime] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.node.id.removeprefix(ALIAS), "kind": self.node.kind, "how": self.arrow.how,
            "from": self.arrow.parent.removeprefix(ALIAS), "digest": f"sha256:{self.node.digest}" if self.node.digest else None,
            "state": self.state, "ours": self.node.ours,
            "grounds": {ground: at.isoformat() for ground, at in self.grounds.items()},
        }  # fmt: skip


def downstream(ws: Workspace, name: str) -> list[Made]:
    """Everything developed in whole or in part from something: releases, orders, runs, checkpoints, models, and the names
    that lead to them now or did before. Nearest first. Raises LineageError where nothing is called so."""
    known = descent(ws)
    found = known.graph.below(known.get(name).id)
    return [Made(known.nodes[child], arrow, _now(known, child, arrow)) for child, arrow in found.items()]


def _now(known: Descent, name: str, arrow: Arrow) -> str:
    if name.startswith(ALIAS):
        to = known.aliases.get(name.removeprefix(ALIAS))
        return "leads to it" if to == arrow.parent else "led to it"
    return state_of(known, name) if known.nodes[name].kind == "model" else ""


def state_of(known: Descent, model: str) -> str:
    """``retrained``, ``retired`` or ``in use``; whether it is flagged as well, ``flags`` says."""
    ended = known.states.get(model)
    return "in use" if ended is None else ended.state


def order_files(ws: Workspace, order: Node) -> list[Path]:
    """Where the files of an order are kept."""
    return [
        ws.private / "lineage" / f"{str(one).removeprefix('sha256:')}.parquet"
        for one in order.said.get("files", {}).values()
    ]
