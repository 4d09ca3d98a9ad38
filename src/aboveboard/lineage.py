"""Lineage: which order, run, checkpoint and model was made from what, as statements and as a graph that is only added to.

An arrow leads from what was made to what it was made from. ``Graph`` answers "everything developed in whole or in part from
that" by following all arrows; there is no arrow whose part is too small to count. Statements name no person and no record.
What they say is the platform's word: nothing can show that a model saw nothing else. Specification: docs/formats/lineage.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import rfc8785

from aboveboard.errors import LineageError, unknown_term
from aboveboard.manifest import STATEMENT, told
from aboveboard.statement import BASE, Due

ORDER, RUN, MODEL = "training-order/v1", "training-run/v1", "model/v1"
STATEMENTS = (ORDER, RUN, MODEL)
WORD = "what a model was trained on is the platform's word: nothing can show that it saw nothing else"
"""What everything says that speaks of lineage."""
KINDS = ("release", "order", "run", "checkpoint", "model", "alias")
RELATIONS = {
    "orders": "an order lists rows of it",
    "trained": "trained on it, or made by it",
    "base": "training began with it",
    "saved": "saved during it",
    "finetune": "trained further",
    "adapter": "weights beside it",
    "merge": "merged from it and others",
    "quantized": "with coarser weights",
    "distill": "taught by it",
    "supersedes": "takes its place, without some of its rows",
    "derived": "made from its rows",
    "deployed": "answers under this name",
}
"""How one thing was made from another: the words of model cards, and those of training. ``supersedes`` and ``derived`` are of
releases, ``deployed`` of aliases."""
OF_MODELS = ("finetune", "adapter", "merge", "quantized", "distill", "base")
STATES = ("retrained", "retired")
"""What ends the flag of a model: another one took its place, or nobody uses it any more."""
LONGEST_ID = 200
MOST_SAID = 64 * 1024
"""Bytes of hyper-parameters or of an environment in one statement."""


# --- what is there ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrow:
    """``child`` was made from ``parent``, ``how`` (one of ``RELATIONS``)."""

    child: str
    parent: str
    how: str


@dataclass(frozen=True, slots=True)
class Node:
    """One thing: ``id``, which of ``KINDS``, the SHA-256 of what it is (weights, order, state), when it was recorded.

    ``statement`` is the SHA-256 of what the log holds of it, if anything; ``said`` is everything else that was told.
    """

    id: str
    kind: str
    digest: str
    at: datetime
    statement: str | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether this platform made it; of what others made we know what they say."""
        return bool(self.said.get("ours", True))


def name_of(text: str) -> str:
    """A name of something, or LineageError: what can be typed, shown on a line and put into a path of a report."""
    if not 0 < len(text) <= LONGEST_ID or not text.isprintable() or text != text.strip():
        raise LineageError(
            f"`{text[:40]}` cannot be a name", hint=f"1 to {LONGEST_ID} letters that can be seen, on one line"
        )
    return text


def digest_of(text: str) -> str:
    """The hexadecimal SHA-256 in ``sha256:<hex>``, or LineageError."""
    kind, _, value = text.partition(":")
    if kind != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise LineageError(f"`{text[:80]}` is no digest", hint="write sha256: and 64 hexadecimal digits")
    return value


def relation(how: str, parent: Node) -> str:
    """How something was made from ``parent``; raises where that cannot be said of it."""
    if how not in RELATIONS:
        raise unknown_term("relation", how, RELATIONS)
    if (how in OF_MODELS) != (parent.kind == "model"):
        fitting = ", ".join(OF_MODELS) if parent.kind == "model" else "trained"
        raise LineageError(f"`{how}` is not said of the {parent.kind} `{parent.id}`", hint=f"say how: {fitting}")
    return how


# --- the graph ----------------------------------------------------------------------------------------------------


class Graph:
    """All arrows, to be followed both ways; raises LineageError where they lead back to where they began."""

    def __init__(self, arrows: Iterable[Arrow]) -> None:
        self.parents: defaultdict[str, list[Arrow]] = defaultdict(list)
        self.children: defaultdict[str, list[Arrow]] = defaultdict(list)
        for one in arrows:
            self.parents[one.child].append(one)
            self.children[one.parent].append(one)
        self.ordered()

    def below(self, *roots: str) -> dict[str, Arrow]:
        """Everything made in whole or in part from ``roots``, nearest first, each with the arrow by which it was reached."""
        found: dict[str, Arrow] = {}
        at = list(roots)
        while at:
            nearer = [arrow for name in at for arrow in self.children[name] if arrow.child not in roots]
            at = [one.child for one in nearer if found.setdefault(one.child, one) is one]
        return found

    def above(self, *roots: str) -> set[str]:
        """Everything that ``roots`` were made from."""
        found, at = set[str](), list(roots)
        while at:
            at = [one.parent for name in at for one in self.parents[name] if one.parent not in found]
            found.update(at)
        return found

    def ordered(self) -> list[str]:
        """Every name, what something was made from before it. Raises LineageError with the circle where there is one."""
        left = {name: len(arrows) for name, arrows in self.parents.items() if arrows}
        ready = sorted({*self.children, *self.parents} - set(left))
        found: list[str] = []
        while ready:
            found.append(name := ready.pop())
            for one in self.children[name]:
                left[one.child] -= 1
                if not left[one.child]:
                    ready.append(one.child)
        if stuck := {name for name, count in left.items() if count}:
            raise LineageError(
                f"lineage leads in a circle: {' < '.join(self._circle(stuck))}",
                hint="nothing is made from what was made from it: take one of these arrows out",
            )
        return found

    def _circle(self, stuck: set[str]) -> list[str]:
        path = [min(stuck)]
        while path.count(path[-1]) == 1:
            path.append(min(one.parent for one in self.parents[path[-1]] if one.parent in stuck))
        return path[path.index(path[-1]) :]


# --- checkpoints --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one shard of a run after one step: ``state`` is the SHA-256 over it, ``prev`` that of the line before."""

    shard: int
    step: int
    state: str
    prev: str | None

    @property
    def line(self) -> bytes:
        """The line in its one form (canonical JSON)."""
        state = f"sha256:{self.state}"
        return rfc8785.dumps({"shard": self.shard, "step": self.step, "state": state, "prev": self.prev})

    @property
    def digest(self) -> str:
        """What the next line names."""
        return hashlib.sha256(self.line).hexdigest()


def checkpoints(lines: Iterable[bytes | str], prev: str | None = None) -> Iterator[Checkpoint]:
    """The checkpoints in these lines of JSON, behind one whose digest is ``prev``.

    Raises LineageError with the number of the line that does not follow the one before, or goes back in its shard.
    """
    steps: dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        found = _checkpoint(line, number)
        if found.prev != prev:
            raise LineageError("a checkpoint does not name the line before it", line=number,
                               hint="`prev` is the SHA-256 of the line before in canonical JSON, null in the first")  # fmt: skip
        if found.step <= steps.get(found.shard, -1):
            raise LineageError("a checkpoint is not behind the one before it in its shard", line=number)
        steps[found.shard], prev = found.step, found.digest
        yield found


def _checkpoint(line: bytes | str, number: int) -> Checkpoint:
    try:
        said = json.loads(line)
        shard, step, prev = said["shard"], said["step"], said["prev"]
        found = Checkpoint(shard, step, digest_of(str(said["state"])), prev)
    except (ValueError, LookupError, TypeError, LineageError):
        raise _unreadable(number) from None
    counts = type(shard) is int and type(step) is int and min(shard, step) >= 0
    named = prev is None or (isinstance(prev, str) and re.fullmatch(r"[0-9a-f]{64}", prev))
    if not counts or not named or set(said) != {"shard", "step", "state", "prev"}:
        raise _unreadable(number)
    return found


def _unreadable(number: int) -> LineageError:
    return LineageError(
        "a line of checkpoints cannot be read", line=number,
        hint='each is one JSON object: {"shard": 0, "step": 500, "state": "sha256:...", "prev": null}',
    )  # fmt: skip


# --- statements ---------------------------------------------------------------------------------------------------


def order(release: str, release_sha256: str, files: Mapping[str, str], positions: int, more: Mapping[str, Any]) -> Due:
    """That rows of a release will be trained on in this order. ``files`` by name and SHA-256; ``more``: seed, shard_map,
    hyperparameters, environment, base. Entered before the training begins: the time of the entry proves it."""
    said = {"release": release, "release_sha256": release_sha256, "positions": told(positions), **more}
    return _due(ORDER, said, files, "training-order")


def run(made_from: Sequence[Mapping[str, Any]], files: Mapping[str, str], more: Mapping[str, Any]) -> Due:
    """That a training ran. ``made_from``: what it followed and began with; ``more``: started, finished, environment,
    hyperparameters, checkpoints (how many, and the digest of the last line)."""
    return _due(RUN, {"from": [dict(one) for one in made_from], **more}, files, "training-run")


def model(name: str, digest: str, made_from: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> Due:
    """That a model is these bytes and was made from that; of a model that others made, that it is theirs."""
    return _due(MODEL, {"from": [dict(one) for one in made_from], **more}, {name: digest}, "model")


def state(name: str, digest: str, now: str, by: Mapping[str, str] | None) -> Due:
    """That a model was retired, or that one that was trained again took its place (``by``: its id and SHA-256)."""
    return _due(MODEL, {"state": now, "by": by and dict(by)}, {name: digest}, "model")


def _due(kind: str, said: Mapping[str, Any], files: Mapping[str, str], name: str) -> Due:
    subject = [{"name": n, "digest": {"sha256": d}} for n, d in sorted(files.items())]
    document: dict[str, Any] = {
        "_type": STATEMENT,
        "predicateType": BASE + kind,
        "subject": subject,
        "predicate": dict(said),
    }
    try:
        return Due(kind, rfc8785.dumps(document), name)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise LineageError("what is said of the training has no canonical JSON",
                           hint="numbers are finite and whole ones below 2^53; write larger ones as text") from error  # fmt: skip


def words_in(said: object) -> Iterator[str]:
    """Every text in a JSON value, names of fields too: what has to be looked at before it is stated in public."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping):
        for name, value in said.items():
            yield str(name)
            yield from words_in(value)
    elif isinstance(said, Sequence):
        for value in said:
            yield from words_in(value)
