"""Which models are flagged, since when, and on which grounds: worked out from what the ledger, the log and the rules hold.

A model is flagged when a row that it saw may not go out any more: somebody said no or was erased, a yes or a licence ran out,
the rules are others, or something else is attested of somebody. What would leave a release is what a dry run of its rewriting
says, so only what changed is judged again; since when is found by judging those rows at the moments at which something began
or ended. Nothing is stored: a flag cannot be lost. Specification: docs/lineage.md, "Flags".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aboveboard import affected, mainjob, openings, rejudging, release, rewriting, suppression
from aboveboard.affected import Affected, Descent, Made, Saw, Touch
from aboveboard.choice import RECORD_GONE, Event, Facts, Snapshot
from aboveboard.errors import ReleaseError
from aboveboard.gate import THREE_YEARS, Gate
from aboveboard.lineage import Node
from aboveboard.removal import leaves_of
from aboveboard.statement import POLICY
from aboveboard.suppression import ERASED, Suppressions
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.record import Record
    from aboveboard.rewriting import Rewriting

GROUNDS = {
    "withdrawn": "somebody said no or was erased, or a record was taken away",
    "expired": "a yes, a licence or a period of keeping ran out",
    "rules": "a policy, a promise or a regime does not allow it any more",
    "facts": "something else is attested of somebody in it",
}
"""Why a row that a model saw may not go out any more."""


class Since(NamedTuple):
    """From when on a row may not go out, and on which ground. At one moment the ground that comes first is told."""

    at: datetime
    ground: str


# --- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A model as it stands: in use, flagged since what it saw may not go out any more, or ended by ``retrained``/``retired``.

    ``grounds`` says since when for each ground. ``policy`` is what the policy in force at the first of these moments does with
    models (``flag``, ``retrain``, ``none``); ``due`` is when it has to be done by, where it is retraining.
    """

    model: Node
    state: str
    saw: Saw
    grounds: Mapping[str, datetime] = field(default_factory=dict)
    policy: str = "none"
    due: datetime | None = None
    aliases: tuple[str, ...] = ()
    by: str | None = None

    @property
    def flagged(self) -> bool:
        return self.state == "in use" and bool(self.saw) and self.policy != "none"

    def overdue(self, now: datetime) -> bool:
        return self.flagged and self.due is not None and now > self.due

    def as_json(self, now: datetime) -> dict[str, Any]:
        return {
            "model": self.model.id, "digest": f"sha256:{self.model.digest}", "ours": self.model.ours, "state": self.state,
            "replaced_by": self.by, "flagged": self.flagged, "since": self.saw.since.isoformat() if self.saw else None,
            "grounds": {ground: at.isoformat() for ground, at in self.grounds.items()},
            "releases": sorted(self.saw.releases), "positions": self.saw.positions, "exact": self.saw.exact,
            "policy": self.policy if self.saw else None, "due": self.due and self.due.isoformat(), "overdue": self.overdue(now),
            "aliases": list(self.aliases), "statement": self.model.statement,
        }  # fmt: skip


def standings(ws: Workspace, *, at: datetime | None = None) -> list[Standing]:
    """Every model with its flag, as the ledger, the rules and the lineage have it at a moment (now)."""
    known, moment = affected.descent(ws), at or datetime.now(UTC)
    named = {one for model in known.models for one in known.graph.above(model.id) if one in known.releases}
    touched = {name: _Release(ws, known, name, moment).touched() for name in sorted(named)}
    saw = {
        ground: known.saw({name: one[ground] for name, one in touched.items() if ground in one}) for ground in GROUNDS
    }
    return [_standing(ws, known, one, {g: saw[g][one.id] for g in GROUNDS if one.id in saw[g]}) for one in known.models]


def _standing(ws: Workspace, known: Descent, model: Node, by_ground: Mapping[str, Saw]) -> Standing:
    saw, grounds = Saw(), {ground: one.since for ground, one in by_ground.items()}
    for one in by_ground.values():
        saw = saw.and_(one)
    state, aliases, ended = affected.state_of(known, model.id), known.answering(model.id), known.states.get(model.id)
    by = None if ended is None else ended.by
    version = ws.policy.in_force(saw.since) if saw else None
    if version is None:
        return Standing(model, state, saw, grounds, "flag" if saw else "none", None, aliases, by)
    does = version.on_withdrawal
    due = does.deadline.after(saw.since) if does.models == "retrain" else None
    return Standing(model, state, saw, grounds, does.models, due, aliases, by)


def told_of(ws: Workspace, found: Affected, *, at: datetime | None = None) -> Affected:
    """The same with the grounds on which each of its models is flagged."""
    flagged = _flagged(ws, at) if found.models else {}
    return replace(found, models=tuple(replace(one, grounds=flagged.get(one.model, {})) for one in found.models))


def told_below(ws: Workspace, found: Sequence[Made], *, at: datetime | None = None) -> list[Made]:
    """The same with the grounds on which each of its models is flagged."""
    flagged = _flagged(ws, at) if any(one.node.kind == "model" for one in found) else {}
    return [replace(one, grounds=flagged.get(one.node.id, {})) for one in found]


def _flagged(ws: Workspace, at: datetime | None) -> Mapping[str, Mapping[str, datetime]]:
    return {one.model.id: one.grounds for one in standings(ws, at=at) if one.flagged}


# --- one release ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Release:
    """One release that something was trained on, looked at from a moment."""

    ws: Workspace
    known: Descent
    name: str
    now: datetime

    @property
    def entry(self) -> Mapping[str, Any]:
        return self.known.releases[self.name]

    def touched(self) -> Mapping[str, Touch]:
        """For each ground the rows that may not go out on it, each since when. A row has one ground: the first."""
        listed = self._listed()
        try:
            leaving = self._leaving(listed)
        except ReleaseError:
            return self._uncertain(listed)
        for leaf, at in listed.items():
            leaving[leaf] = min(
                leaving.get(leaf, Since(at, "withdrawn")), Since(at, "withdrawn"), key=lambda one: one.at
            )
        found: dict[str, dict[bytes, datetime]] = {}
        for leaf, since in leaving.items():
            found.setdefault(since.ground, {})[leaf] = since.at
        return {ground: Touch(leaves) for ground, leaves in found.items()}

    def _listed(self) -> Mapping[bytes, datetime]:
        """The rows that are on a removal list, each with when it came there first."""
        listed: dict[bytes, datetime] = {}
        with self.ws.ledger.outbox() as outbox:
            for one in outbox.removals(self.name):
                for leaf in leaves_of(one.leaves):
                    listed[leaf] = min(listed.get(leaf, one.at), one.at)
        return {leaf: listed[leaf] for leaf in affected.held(self.ws, self.entry, list(listed))} if listed else {}

    def _uncertain(self, listed: Mapping[bytes, datetime]) -> Mapping[str, Touch]:
        """What is left to say where the private part is gone: anybody who spoke since may have had a part in it."""
        spoke = self._spoke
        if not spoke:
            return {"withdrawn": Touch(listed)} if listed else {}
        return {"withdrawn": Touch(None, min([*spoke.values(), *listed.values()]), certain=False)}

    @cached_property
    def _spoke(self) -> Mapping[str, datetime]:
        with self.ws.ledger.lineage() as held:
            return dict(held.spoke(int(self.entry["position"])))

    def _leaving(self, listed: Mapping[bytes, datetime]) -> dict[bytes, Since]:
        """The rows that a rewriting would take out, each since when and why."""
        public, _ = release.places(self.entry, self.ws.private)
        with ExitStack() as stack, release.in_plain_words():
            hand, gate, _ = mainjob.rewriting_of(self.ws, public, stack, clock=lambda: self.now)
            rewriter = hand(gate())
            if not rewriter.considered().leaving:
                return {}
            dated = _Dated(self.ws, rewriter, self._gone(rewriter))
            return dated.of(self._orphaned(rewriter, listed))

    def _gone(self, rewriter: Rewriting) -> Mapping[bytes, datetime]:
        """The rows whose record was taken away, each with when."""
        said = self.ws.ledger.withdrawing(int(rewriter.before.said["ledger"]["judged"]))
        when: dict[str, datetime] = {}
        for event in said:
            if event.type in RECORD_GONE:
                when.setdefault(str(event.value), event.recorded_at)
        found: dict[bytes, datetime] = {}
        for record, leaf in rewriting.gone_for(rewriter.engine, rewriter.before.private, when):
            found[leaf] = min(found.get(leaf, when[record]), when[record])
        return found

    def _orphaned(self, rewriter: Rewriting, listed: Mapping[bytes, datetime]) -> dict[bytes, Since]:
        """The rows that nobody can open any more, since somebody was erased; nothing says any more since which of them."""
        erased = min((at for who, at in self._spoke.items() if who.startswith(ERASED)), default=self.now)
        found = rewriter.con.execute("SELECT leaf FROM orphans").fetchall()
        return {bytes(leaf): Since(listed.get(bytes(leaf), erased), "withdrawn") for (leaf,) in found}


# --- since when -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Dated:
    """Finds since when rows may not go out: it judges them at each moment at which something began or ended, the latest first,
    until one at which they could. What was said later than a moment is not heard at it."""

    ws: Workspace
    rewriter: Rewriting
    gone: Mapping[bytes, datetime]
    gates: dict[datetime, Gate] = field(default_factory=dict)

    @property
    def gate(self) -> Gate:
        return self.rewriter.gate

    @cached_property
    def then(self) -> datetime:
        return datetime.fromisoformat(self.rewriter.before.said["as_of"])

    def of(self, found: dict[bytes, Since]) -> dict[bytes, Since]:
        """All that leaves; ``found`` is what is known of some of it already."""
        leaving = {leaf for leaves in self.rewriter.left.values() for leaf in leaves} - self.rewriter.before.tombstones
        found |= {leaf: Since(at, "withdrawn") for leaf, at in self.gone.items() if leaf in leaving}
        by_rules = self._by_engine(sorted(leaving - found.keys())) if self.rewriter.rules else {}
        alone = leaving - found.keys() - by_rules.keys()
        touched = self._personal() & by_rules.keys()
        found |= by_rules
        found.update(self._one_by_one(sorted(alone | touched)))
        return {leaf: found[leaf] for leaf in leaving}

    def _at(self, moment: datetime) -> Gate:
        if moment not in self.gates:
            undertaken = self.ws.undertakings(moment)
            listed = self.ws.listed(self.gate.job, moment)
            heard = cast("Snapshot", _Heard(self.gate.snapshot))
            self.gates[moment] = replace(
                self.gate, snapshot=heard, as_of=moment, undertakings=undertaken, listed=listed
            )
        return self.gates[moment]

    # What begins and ends for everybody ------------------------------------------------------------------------------

    @cached_property
    def turns(self) -> Sequence[Since]:
        """The moments at which rules began or ended since, and first of all that at which others were laid down."""
        return sorted({self._first, *(one for one in self._calendar() if self._between(one.at))})

    def _between(self, moment: datetime | None) -> bool:
        return moment is not None and self.then < moment <= self.gate.as_of

    @cached_property
    def _first(self) -> Since:
        """What is so already at the moment of the release: other rules than then, or something else attested of somebody."""
        return Since(self.then, "rules" if self.rewriter.rules else "facts")

    @cached_property
    def laid_down(self) -> datetime:
        """When rules changed that reach back: as the log has it, and now where it does not have them yet."""
        entered = (json.loads(entry.data)["at"] for entry in self.ws.ledger.entries_of(POLICY))
        logged = [at for at in map(datetime.fromisoformat, entered) if self._between(at)]
        return max(logged, default=self.gate.as_of)

    def _calendar(self) -> Iterator[Since]:
        policy = self.gate.policy
        for version in policy.versions:
            ends = [clause.closed_at for clause in version.clauses]
            yield from _all((version.effective_from, version.effective_to, *ends), "rules")
        for promise in policy.promises(self.gate.as_of):
            yield from _all((promise.starts, promise.until), "rules")
        for licence in self.gate.licences.values():
            yield from _all((licence.valid_to,), "expired")
            yield from _all((licence.valid_from,), "rules")
        yield from _all((one.recorded_at for one in self.ws.ledger.retractions()), "withdrawn")

    def _by_engine(self, leaves: Sequence[bytes]) -> dict[bytes, Since]:
        """Since which of these moments rows are out; without those that were let out at the last of them."""
        found: dict[bytes, Since] = {}
        left = list(leaves)
        for turn in reversed(self.turns):
            looked = rejudging.looked_through(
                self.rewriter.engine, self.rewriter.before.private, self._at(turn.at), leaves=left
            )
            left = [leaf for rows in looked for leaf, *_ in rows]
            found.update(dict.fromkeys(left, self._told(turn)))
            if not left:
                break
        return found

    def _told(self, since: Since) -> Since:
        """Rules that reach back hold since they were laid down, and not since before."""
        return Since(self.laid_down, "rules") if since == self._first and since.ground == "rules" else since

    # What begins and ends for one person ------------------------------------------------------------------------------

    def _personal(self) -> set[bytes]:
        """The rows of people for whom something began or ended since."""
        return self.rewriter.heard_rows()

    def _one_by_one(self, leaves: Sequence[bytes]) -> Iterator[tuple[bytes, Since]]:
        for leaf, record, removed in openings.judged_at(self.rewriter.before.private, leaves):
            yield leaf, self._since(record, removed)

    def _since(self, record: Record, removed: tuple[int, ...]) -> Since:
        moments = sorted({*self.turns, *(one for one in self._of_record(record) if self._between(one.at))})
        last = moments[-1]
        for turn in reversed(moments):
            decision = self._at(turn.at).decide(record)
            if decision.outcome in rewriting.RELEASED and decision.removed == removed:
                break
            last = turn
        return self._told(last)

    def _of_record(self, record: Record) -> Iterator[Since]:
        people = {record.subject, *(one.subject for one in record.main.parties or ())}
        people |= {one.subject for part in record.parts or () for one in part.parties or ()}
        for subject in filter(None, people):
            for event in self.gate.snapshot.events_of(subject):
                yield from _of_event(event)
            for facts in self.gate.snapshot.facts_of(subject):
                yield from self._of_facts(facts)
        if record.collected_at is not None:
            kept = [rule.period for rule in self._retentions("collected")]
            yield from _all((period.after(record.collected_at) for period in kept), "expired")

    def _of_facts(self, facts: Facts) -> Iterator[Since]:
        yield from _all((facts.valid_from,), "facts")
        if facts.last_interaction is not None:
            periods = [THREE_YEARS, *(rule.period for rule in self._retentions("last_interaction"))]
            yield from _all((period.after(facts.last_interaction) for period in periods), "expired")

    def _retentions(self, since: str) -> Iterator[Any]:
        rules = (rule for version in self.gate.policy.versions for rule in version.retentions)
        return (rule for rule in rules if rule.since == since)


@dataclass(frozen=True, slots=True)
class _Heard:
    """People without the list of who was erased, which says nothing of when: the event that asked for it does."""

    known: Any

    @property
    def position(self) -> int:
        return int(self.known.position)

    @property
    def suppressions(self) -> Suppressions:
        return suppression.NONE

    def events_of(self, subject: str) -> Sequence[Event]:
        said: Sequence[Event] = self.known.events_of(subject)
        return said

    def facts_of(self, subject: str) -> Sequence[Facts]:
        found: Sequence[Facts] = self.known.facts_of(subject)
        return found

    def events_table(self) -> pa.Table:
        return self.known.events_table()

    def facts_table(self) -> pa.Table:
        return self.known.facts_table()


def _of_event(event: Event) -> Iterator[Since]:
    yield from _all((event.recorded_at, event.effective_at), "withdrawn")
    yield from _all((event.expires_at,), "expired")


def _all(moments: Iterable[datetime | None], ground: str) -> Iterator[Since]:
    return (Since(moment, ground) for moment in moments if moment is not None)
