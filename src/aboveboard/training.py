"""Records what is trained on what: orders, runs, checkpoints and models, as statements in the log and rows of the ledger.

Everything goes through ``record``: lines that name things and what they were made from, entered in one transaction or not at
all, the same again being once. An order is kept, so that whose rows a model saw can be told later. Specification:
docs/formats/lineage.md.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import disk, lineage, paths, reading, release, writing
from aboveboard.errors import LineageError, unknown_term
from aboveboard.ledger.lineage import Alias, State
from aboveboard.lineage import Arrow, Graph, Node
from aboveboard.mainjob import Clock, now
from aboveboard.proof import Entry
from aboveboard.removal import leaves_of
from aboveboard.statement import Due
from aboveboard.statementproof import StatementProof
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.ledger.releases import Commit

ORDERS = "lineage"
"""The folder of the private part in which orders are kept, each under its SHA-256."""
_COPIED = ".order"
COLUMNS = {"position": "BIGINT", "shard": "INTEGER", "step": "BIGINT", "com": "BLOB"}
_ANY = ("kind", "id", "digest", "from", "hyperparameters", "environment")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "order": (*_ANY, "files", "positions", "seed", "shard_map"),
    "run": (*_ANY, "started", "finished", "checkpoints"),
    "checkpoint": (*_ANY, "shard", "step", "prev"),
    "model": (*_ANY, "ours", "source", "licence"),
    "alias": ("kind", "id", "model"),
    "state": ("kind", "model", "state", "by"),
}
"""What a line of each kind may say."""
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a line became: its id, its kind, the SHA-256 of its statement where it has one, and whether it is new."""

    id: str
    kind: str
    statement: str | None = None
    new: bool = True

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "kind": self.kind, "statement": self.statement, "new": self.new}


@dataclass(frozen=True, slots=True)
class _Draft:
    """One thing on its way in: the node with its arrows and its statement, or an alias or a state and nothing else."""

    node: Node | None = None
    arrows: tuple[Arrow, ...] = ()
    due: Due | None = None
    alias: Alias | None = None
    state: State | None = None

    def recorded(self, new: bool) -> Recorded:
        if self.node is not None:
            return Recorded(self.node.id, self.node.kind, self.node.statement, new)
        if self.alias is not None:
            return Recorded(self.alias.alias, "alias", None, new)
        assert self.state is not None  # noqa: S101 - a draft is one of the three
        return Recorded(self.state.model, "state", self.due.digest if self.due is not None else None, new)


# --- lines --------------------------------------------------------------------------------------------------------


def record(ws: Workspace, lines: Sequence[Line], *, clock: Clock = now) -> list[Recorded]:
    """Record lines, in an order in which each stands behind what it was made from; all of them or none.

    Raises LineageError for a line that cannot be meant, names what is not there, says something else of a known id, or
    leads in a circle, and for words that are the id of a person.
    """
    at = clock()
    drafts = _Drafts(ws, at).made(_sorted(lines))
    for one in drafts:
        if one.due is not None:
            ws.evidence.put(one.due.document)
    with disk.step("lineage"), ws.ledger.committing() as commit:
        found = [one.recorded(_enter(commit, one, at)) for one in drafts]
        Graph(commit.lineage.arrows())
    ws.evidence.follow()
    return found


def read(path: Path) -> list[Line]:
    """The lines of a file of JSON objects; raises LineageError with the number of the one that is none."""
    found: list[Line] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                found.append(_object(line, number))
    return found


def _object(line: bytes, number: int) -> Line:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise LineageError("a line is no JSON object", line=number, hint="one object a line: docs/formats/lineage.md")
    return said


def _sorted(lines: Sequence[Line]) -> list[Line]:
    """Each line behind those it names; names, last of all. A circle among them is refused."""
    by_id: dict[str, Line] = {}
    for said in lines:
        kind = said.get("kind")
        if kind not in FIELDS:
            raise unknown_term("kind of line", kind, FIELDS)
        for name in said:
            if name not in FIELDS[str(kind)]:
                raise unknown_term(f"field of a line of kind `{kind}`", name, FIELDS[str(kind)])
        if (
            kind not in ("alias", "state")
            and isinstance(said.get("id"), str)
            and by_id.setdefault(said["id"], said) != said
        ):
            raise LineageError(f"`{said['id']}` is said twice, and differently", hint="an id is one thing")
    graph = Graph(Arrow(name, parent, "") for name, said in by_id.items() for parent, _ in _named(said))
    depth: dict[str, int] = {}
    for name in graph.ordered():
        depth[name] = 1 + max((depth[one.parent] for one in graph.parents[name]), default=0)
    last = {"alias": 1, "state": 2}
    return sorted(lines, key=lambda one: (last.get(one["kind"], 0), depth.get(str(one.get("id")), len(depth) + 1)))


def _named(said: Line) -> list[tuple[str, str | None]]:
    """What a line says it was made from, each with how."""
    listed = said.get("from", [])
    if not isinstance(listed, list):
        raise LineageError("`from` is no list", hint='write it as "from": [{"id": "...", "how": "finetune"}]')
    found: list[tuple[str, str | None]] = []
    for one in listed:
        name, how = (one.get("id"), one.get("how")) if isinstance(one, dict) else (one, None)
        if not isinstance(name, str) or not (how is None or isinstance(how, str)):
            raise LineageError("`from` names nothing", hint='write it as "from": [{"id": "...", "how": "finetune"}]')
        found.append((name, how))
    return found


# --- drafts -------------------------------------------------------------------------------------------------------


class _Drafts:
    """Lines as they become things, each with what stands already and what stands before it."""

    def __init__(self, ws: Workspace, at: datetime) -> None:
        self.ws, self.at = ws, at
        self.releases = {str(one["id"]): str(one["manifest_sha256"]) for one in ws.ledger.releases()}
        with ws.ledger.lineage() as held:
            self.known = {one.id: one for one in held.nodes()}
        for name, digest in self.releases.items():
            self.known[name] = Node(name, "release", digest, at)

    def made(self, lines: Iterable[Line]) -> list[_Draft]:
        makers = {"alias": self._alias, "state": self._state}
        drafts = []
        for said in lines:
            draft = makers.get(said["kind"], self._thing)(said)
            if draft.node is not None:
                self.known.setdefault(draft.node.id, draft.node)
            drafts.append(draft)
        self._refuse_people(drafts)
        return drafts

    def _thing(self, said: Line) -> _Draft:
        kind, parents = said["kind"], [self._parent(said["kind"], *one) for one in _named(said)]
        more = {name: value for name, value in said.items() if name not in ("kind", "id", "digest", "from")}
        _refuse_large(more)
        digest = lineage.digest_of(str(said["digest"])) if "digest" in said else ""
        name = lineage.name_of(str(said["id"])) if "id" in said else ""
        due = _MAKERS[kind](name, digest, parents, more, self) if kind in _MAKERS else None
        name = name or f"{kind}-{due.digest[:16] if due is not None else digest[:16]}"
        if name in self.releases:
            raise LineageError(f"`{name}` is the id of a release", hint="give it another name")
        node = Node(name, kind, digest or (due.digest if due else ""), self.at, due.digest if due else None, more)
        return _Draft(node, tuple(Arrow(name, one.id, how) for one, how in parents), due)

    def _parent(self, kind: str, name: str, how: str | None) -> tuple[Node, str]:
        found = self.get(name)
        if found.kind not in _MADE_FROM[kind]:
            wanted = " or ".join(_MADE_FROM[kind])
            raise LineageError(f"a {kind} is not made from the {found.kind} `{name}`", hint=f"name a {wanted}")
        if how is None and found.kind == "model" and kind == "model":
            raise LineageError(
                f"how was it made from the model `{name}`?", hint=f"say one of {', '.join(lineage.OF_MODELS)}"
            )
        usual = "base" if found.kind == "model" else {"order": "orders", "checkpoint": "saved"}.get(kind, "trained")
        return found, usual if how in (None, usual) else lineage.relation(how or "", found)

    def get(self, name: str) -> Node:
        """What is known by this id; raises LineageError where nothing is."""
        if name not in self.known:
            raise LineageError(
                f"nothing is recorded as `{name}`", hint="`aboveboard lineage list` and `release list` name what is"
            )
        return self.known[name]

    def model(self, name: object) -> Node:
        found = self.get(str(name))
        if found.kind != "model":
            raise LineageError(f"`{name}` is no model", hint=f"it is a {found.kind}")
        return found

    def _alias(self, said: Line) -> _Draft:
        to = None if said.get("model") is None else self.model(said["model"]).id
        return _Draft(alias=Alias(lineage.name_of(str(said.get("id", ""))), to, self.at))

    def _state(self, said: Line) -> _Draft:
        model, state = self.model(said.get("model")), said.get("state")
        if state not in lineage.STATES:
            raise unknown_term("state of a model", state, lineage.STATES)
        by = None if said.get("by") is None else self.model(said["by"])
        if (state == "retrained") != (by is not None) or by == model:
            raise LineageError(
                "a retrained model is one that another took the place of", hint="name the new one, or say retired"
            )
        due = lineage.state(model.id, model.digest, str(state), {"id": by.id, "sha256": by.digest} if by else None)
        return _Draft(state=State(model.id, str(state), by.id if by else None, self.at), due=due)

    def _refuse_people(self, drafts: Sequence[_Draft]) -> None:
        """INVARIANT: no statement names a person: what goes into the log can never leave it."""
        words = {word for one in drafts if one.due for word in lineage.words_in(json.loads(one.due.document))}
        with self.ws.ledger.lineage() as held:
            if found := held.people(words):
                raise LineageError(
                    f"{len(found)} of the words to be stated are ids of people",
                    hint="a statement names no person: take them out",
                )


_MADE_FROM = {
    "order": ("release", "model"),
    "run": ("order", "release", "model"),
    "checkpoint": ("run",),
    "model": ("run", "checkpoint", "release", "model"),
}


def _refuse_large(more: Mapping[str, Any]) -> None:
    for name in ("hyperparameters", "environment"):
        value = more.get(name, {})
        if not isinstance(value, Mapping) or len(json.dumps(value)) > lineage.MOST_SAID:
            raise LineageError(f"`{name}` is no JSON object of at most {lineage.MOST_SAID:,} bytes")


Parents = Sequence[tuple[Node, str]]


def _order(name: str, digest: str, parents: Parents, more: Mapping[str, Any], _: _Drafts) -> Due:
    releases = [one for one, _ in parents if one.kind == "release"]
    files = more.get("files") or ({"order.parquet": f"sha256:{digest}"} if digest else {})
    positions = more.get("positions", 0)
    if len(releases) != 1 or not files or type(positions) is not int or positions < 0:
        raise LineageError(
            "an order is of one release, with its file", hint="docs/formats/lineage.md, training-order/v1"
        )
    named = {"id": name} if name else {}
    said = {key: value for key, value in more.items() if key not in ("files", "positions")}
    began = [_told(one, how) for one, how in parents if one.kind == "model"]
    digests = {file: lineage.digest_of(str(value)) for file, value in files.items()}
    return lineage.order(releases[0].id, releases[0].digest, digests, positions, {**named, **said, "base": began})


def _run(name: str, digest: str, parents: Parents, more: Mapping[str, Any], _: _Drafts) -> Due:
    if not any(one.kind in ("order", "release") for one, _ in parents):
        raise LineageError("a run follows an order, or trains on a release", hint="name one in `from`")
    named = {"id": name} if name else {}
    state = {"state": f"sha256:{digest}"} if digest else {}
    return lineage.run([_told(*one) for one in parents], {}, {**named, **state, **more})


def _model(name: str, digest: str, parents: Parents, more: Mapping[str, Any], _: _Drafts) -> Due:
    ours = more.get("ours", True)
    if not name or not digest:
        raise LineageError("a model has a name and a digest", hint="sha256: over its weights, as they are served")
    if type(ours) is not bool or (ours and not parents) or (not ours and parents):
        raise LineageError(
            f"`{name}` is made from something, or it is not ours",
            hint="name what in `from`, or say that others made it",
        )
    return lineage.model(name, digest, [_told(*one) for one in parents], {**more, "ours": ours})


def _told(node: Node, how: str) -> Mapping[str, Any]:
    return {"id": node.id, "kind": node.kind, "how": how, "sha256": node.digest}


_MAKERS = {"order": _order, "run": _run, "model": _model}


def _enter(commit: Commit, draft: _Draft, at: datetime) -> bool:
    """Enter one draft; says whether it is new. INVARIANT: with its statement, in one transaction."""
    new = _added(commit, draft)
    if draft.due is not None and commit.logged(draft.due.digest) is None:
        commit.log(draft.due.entry(at))
    return new


def _added(commit: Commit, draft: _Draft) -> bool:
    if draft.node is not None:
        return _added_node(commit, draft.node, draft.arrows)
    if draft.alias is not None:
        held = [one.model for one in commit.lineage.aliases() if one.alias == draft.alias.alias]
        if held[-1:] != [draft.alias.model]:
            commit.lineage.point(draft.alias)
            return True
        return False
    assert draft.state is not None  # noqa: S101 - a draft is one of the three
    before = commit.lineage.states().get(draft.state.model)
    if before is not None and (before.state, before.by) == (draft.state.state, draft.state.by):
        return False
    if before is not None and before.state == "retired":
        raise LineageError(
            f"`{draft.state.model}` was retired", hint="a model that is used again is another model: name it anew"
        )
    commit.lineage.end(draft.state)
    return True


def _added_node(commit: Commit, node: Node, arrows: Sequence[Arrow]) -> bool:
    held = commit.lineage.node(node.id)
    if held is None:
        commit.lineage.add(node, arrows)
        return True
    before = {one for one in commit.lineage.arrows() if one.child == node.id}
    same = (held.kind, held.digest, held.statement, held.said) == (
        node.kind,
        node.digest,
        node.statement,
        dict(node.said),
    )
    if not same or before != set(arrows):
        raise LineageError(
            f"`{node.id}` is recorded already, and says something else",
            hint="what was stated stays: give it another name",
        )
    return False


# --- orders and checkpoints ---------------------------------------------------------------------------------------


def order(ws: Workspace, release_id: str, files: Sequence[Path], more: Line, *, clock: Clock = now) -> Recorded:
    """Record the order in which rows of a release will be trained on, before they are. ``files``: Parquet with ``position``,
    ``shard``, ``step`` and ``com`` (the commitment of the row, 32 bytes; null where there is a hole).

    Each file is kept. Raises LineageError where it is no order, or names a row that is not in the release or was withdrawn.
    """
    folder = ws.private / ORDERS
    with release.in_plain_words():
        disk.folders(folder)
        with _taken(folder, files) as taken:
            positions = _positions(ws, release_id, taken)
            digests = {path.name: _sha256(kept) for path, kept in taken}
            if len(digests) != len(files):
                raise LineageError("two files of an order have one name", hint="give each a name of its own")
            for path, kept in taken:
                _keep(kept, folder / f"{digests[path.name]}.parquet")
    named = {name: f"sha256:{digest}" for name, digest in digests.items()}
    line = {
        **more,
        "kind": "order",
        "files": named,
        "positions": positions,
        "from": [release_id, *more.get("from", [])],
    }
    [done] = record(ws, [line], clock=clock)
    return done


@contextmanager
def _taken(folder: Path, files: Sequence[Path]) -> Iterator[list[tuple[Path, Path]]]:
    """Copies of files: what is looked at is what is kept, whatever happens to the files meanwhile."""
    for left in disk.abandoned(folder, _COPIED):
        disk.clear(left)
    with disk.leased(folder, _COPIED) as hidden:
        hidden.mkdir(mode=0o700)
        try:
            taken = [(path, hidden / f"{place}.parquet") for place, path in enumerate(files)]
            for path, kept in taken:
                if not path.is_file():
                    raise LineageError("the order is not there", file=path, hint="check the path")
                shutil.copyfile(path, kept)
                kept.chmod(0o600)
            yield taken
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def _keep(kept: Path, to: Path) -> None:
    with disk.step("order"):
        disk.settle(kept)
        kept.replace(to)
        disk.settle(to.parent)


def _positions(ws: Workspace, release_id: str, taken: Sequence[tuple[Path, Path]]) -> int:
    """How many positions an order has; raises LineageError where it is none, or is not of this release."""
    import duckdb

    from aboveboard.commitments import OPENINGS

    coms = writing.listed(ws.private / release_id / OPENINGS / "records")
    if not coms:
        raise LineageError(
            f"nothing here opens the rows of `{release_id}`",
            hint="check the id; an order is recorded where the release was built",
        )
    listed = paths.parquet(kept for _, kept in taken)
    asked = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in COLUMNS.items())
    with ws.engine.connect() as con:
        try:
            con.execute(f"CREATE TEMP TABLE positions AS SELECT {asked} FROM {listed}")
            [found] = con.execute(_COUNTED).fetchall()
            [(strangers,)] = con.execute(_STRANGERS.format(coms=coms)).fetchall()
            con.register("gone", _gone(ws, release_id))
            [(withdrawn,)] = con.execute(_WITHDRAWN.format(coms=coms)).fetchall()
        except duckdb.Error as error:
            raise LineageError(f"the order cannot be read: {type(error).__name__}",
                               hint=f"Parquet with the columns {', '.join(COLUMNS)}") from None  # fmt: skip
    rows, distinct, odd = found
    if distinct != rows or odd:
        raise LineageError(f"of {rows:,} positions {distinct:,} are distinct, and {odd:,} cannot be",
                           hint="each has its number, a shard and a step from 0, and a com of 32 bytes or none")  # fmt: skip
    if strangers:
        raise LineageError(f"{strangers:,} positions of the order are rows of no such release", release=release_id,
                           hint="what is not in the release may not be trained on")  # fmt: skip
    if withdrawn:
        raise LineageError(f"{withdrawn:,} positions of the order are rows that were withdrawn", release=release_id,
                           hint="leave holes there; an order of a training long ago goes in by `lineage import`")  # fmt: skip
    return int(rows)


def _gone(ws: Workspace, release_id: str) -> pa.Table:
    """The leaves of the rows of a release that nobody may use any more: its tombstones, and what is in the outbox."""
    import pyarrow as pa

    [entry] = [one for one in ws.ledger.releases() if one["id"] == release_id]
    public = ws.private.parent / str(entry["public"]) / release_id
    leaves = set(reading.withdrawn(public)) if public.is_dir() else set()
    with ws.ledger.outbox() as outbox:
        leaves.update(leaf for one in outbox.removals(release_id) for leaf in leaves_of(one.leaves))
    return pa.table({"leaf": pa.array(sorted(leaves), pa.binary())})


_WITHDRAWN = """
SELECT count(*) FROM positions WHERE com IN (SELECT com FROM {coms} SEMI JOIN gone USING (leaf))
"""
_COUNTED = """
SELECT count(*), count(DISTINCT position),
  count(*) FILTER (position IS NULL OR shard IS NULL OR step IS NULL OR position < 0 OR shard < 0 OR step < 0
    OR octet_length(com) <> 32)
FROM positions
"""
_STRANGERS = """
SELECT count(*) FROM positions WHERE com IS NOT NULL AND com NOT IN (SELECT com FROM {coms})
"""


def checkpoints(ws: Workspace, run: str, file: Path, *, clock: Clock = now) -> list[Recorded]:
    """Record the checkpoints of a run from its ``checkpoints.jsonl``; those that are there already are passed over."""
    with file.open("rb") as lines:
        found = list(lineage.checkpoints(line for line in lines if line.strip()))
    return record(ws, [checkpoint(run, one) for one in found], clock=clock)


def saved(ws: Workspace, run: str, shard: int, step: int, state: str, *, clock: Clock = now) -> Recorded:
    """Record one checkpoint of a run behind the last one that is recorded; the same again is once."""
    with ws.ledger.lineage() as held:
        ours = {arrow.child for arrow in held.arrows() if arrow.parent == run}
        nodes = [one for one in held.nodes() if one.id in ours and one.kind == "checkpoint"]
    lines = [lineage.Checkpoint(one.said["shard"], one.said["step"], one.digest, one.said["prev"]) for one in nodes]
    named = {one.prev for one in lines}
    before = next((one.prev for one in lines if (one.shard, one.step) == (shard, step)), None)
    last = next((one.digest for one in lines if one.digest not in named), None)
    there = any((one.shard, one.step) == (shard, step) for one in lines)
    if not there and any(one.shard == shard and one.step > step for one in lines):
        raise LineageError("a checkpoint is not behind the one before it in its shard", run=run)
    [done] = record(
        ws, [checkpoint(run, lineage.Checkpoint(shard, step, state, before if there else last))], clock=clock
    )
    return done


def checkpoint(run: str, one: lineage.Checkpoint) -> Line:
    """The line of a checkpoint of a run; it is called ``<run>/<shard>/<step>``."""
    return {"kind": "checkpoint", "id": f"{run}/{one.shard}/{one.step}", "digest": f"sha256:{one.state}", "from": [run],
            "shard": one.shard, "step": one.step, "prev": one.prev}  # fmt: skip


def head(file: Path) -> Mapping[str, Any]:
    """What a run states of its checkpoints: how many there are, and the digest of the last line."""
    with file.open("rb") as lines:
        found = list(lineage.checkpoints(line for line in lines if line.strip()))
    return {"count": len(found), "head": found[-1].digest if found else None}


def proof_of(ws: Workspace, node: Node) -> StatementProof:
    """What the log holds of a thing, with the proof of its entry; raises LineageError where it holds nothing."""
    places = [
        one.place for kind in lineage.STATEMENTS for one in ws.ledger.entries_of(kind) if one.digest == node.statement
    ]
    if not places:
        raise LineageError(
            f"the log holds no statement of the {node.kind} `{node.id}`", hint="name an order, a run or a model"
        )
    log, entry = ws.log, Entry.parse(ws.ledger.entries(places[0])[0].data)
    document = log.statement(entry.digest)
    return StatementProof(entry.type, document, str(log.signer.key), log.inclusion(places[0]), entry.at)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
