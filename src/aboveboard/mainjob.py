"""The main job: point at a workspace, get a release with a reason for every record.

Stage the sources, relate their records, judge them at the head of the ledger, publish. This is where the hands are
introduced to the acts; the command line and the library both come in here.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from aboveboard import auditing, disk, editions, intake, openings, reading, release, rewriting, statement
from aboveboard.choice import RECORD, RECORD_GONE, Event, takes_out
from aboveboard.engine import Engine, Listed
from aboveboard.errors import ReleaseError, SourceError, WorkspaceError, unknown_term
from aboveboard.gate import Gate, Job
from aboveboard.judgement import Judgement
from aboveboard.keys import KINDS, Keys
from aboveboard.layout import MAX_BITS
from aboveboard.manifest import salted
from aboveboard.relate import Overheard, Related, relate
from aboveboard.rewriting import Rewriting
from aboveboard.sources import Staged, opening
from aboveboard.sources.facts import FactsTable
from aboveboard.sources.staged import told_events
from aboveboard.workspace import JobFile, Workspace

Clock = Callable[[], datetime]
Note = Callable[[str], None]
"""Told, in one sentence, what a person has to know beside the result."""
Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how far it is, and of how many (None: nobody knows)."""


@dataclass(frozen=True)
class Prepared:
    """All sources staged and related, ready to be judged under a gate bound to any moment."""

    workspace: Workspace
    job: Job
    related: Related
    facts: FactsTable
    clock: Clock
    engine: Engine
    limit: int | None = None
    sources: tuple[str, ...] = ()
    """Which sources are judged (none named: all)."""
    keys: Keys | None = None
    """What a release is laid out with; looking and counting need none."""
    workers: int = 1

    def gate(self, as_of: datetime | None = None) -> Gate:
        """The gate at the head of the ledger, now (or, for audits and explanations, at an earlier moment)."""
        ws = self.workspace
        snapshot, asked = ws.snapshot(facts=self.facts), as_of
        if as_of is None:
            # A ledger whose clock runs ahead of ours has events from "later": they count, a no above all.
            as_of = max(filter(None, (self.clock(), ws.ledger.last_recorded_at())))
        said = [one for one in ws.ledger.taken_out(snapshot.position) if one.recorded_at <= as_of]
        listed = editions.with_edits(self.engine, self.related, self.job, said, ws.listed(self.job, asked))
        return Gate(
            ws.policy,
            snapshot,
            self.job,
            as_of,
            ws.regimes,
            ws.licences,
            undertakings=ws.undertakings(asked),
            listed=listed,
        )

    def judge(self, gate: Gate) -> Judgement:
        related = self._related(gate)
        if self.keys is None:
            return Judgement(self.engine, related, gate, self.limit, self.sources)
        most = bits_of(self.workspace.ledger.releases())
        return Judgement(
            self.engine, related, gate, self.limit, self.sources, self.keys, most, self.workers,
            self.workspace.ledger, self.workspace.private,
        )  # fmt: skip

    def _related(self, gate: Gate) -> Related:
        """The records as they stand at the gate's position: what was said of a record since they were related counts."""
        known, asked = self.related.position, gate.snapshot.position
        if not any(one.startswith(RECORD) for one in self.workspace.ledger.speakers(known, asked)):
            return self.related
        return relate(self.related.sources, self.related.relations.parent, self.engine, gate.snapshot)

    @property
    def judged(self) -> list[str]:
        """The names of the sources that are judged, in their order."""
        return [s.name for s in self.related.sources if not self.sources or s.name in self.sources]


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def prepared(
    ws: Workspace,
    job: JobFile,
    *,
    sources: Sequence[str] = (),
    facts: Path | None = None,
    limit: int | None = None,
    strict_files: bool = False,
    clock: Clock = now,
    progress: Progress | None = None,
    keys: Keys | None = None,
    workers: int = 1,
    note: Note | None = None,
) -> Iterator[Prepared]:
    """Stage and relate all sources in a private folder, which is gone afterwards.

    ``sources`` (or those of the job) only choose what is judged: an edit or a deletion in another one still counts.
    ``strict_files`` stops at files of exports that no reader knows.
    """
    chosen = _chosen(ws, sources or job.sources)
    known = ws.facts_at(facts) if facts is not None else ws.facts
    with related(ws, strict_files=strict_files, progress=progress) as (found, engine):
        for name, heard in found.overheard.items():
            if note is not None and (heard.closes or heard.lifts):
                note(_overheard(name, heard))
        yield Prepared(ws, job.job, found, known, clock, engine, limit, chosen, keys, workers)


def _overheard(source: str, found: Overheard) -> str:
    lifting = f"; {found.lifts:,} more lift a restriction, which is not heard" if found.lifts else ""
    return (
        f"nobody vouches for {found.closes:,} compliance events among the payloads of `{source}`: they close doors for its own"
        f" records in this build, and nowhere else{lifting}. To have them count everywhere: "
        f"`aboveboard compliance extract {source} --to events.jsonl`, then sign and import that file"
    )


def extracted(ws: Workspace, source: str) -> list[str]:
    """The compliance events among the payloads of a source, each once as JSON in their order; writes nothing that stays."""
    [name] = _chosen(ws, [source])
    with scratch_folder(ws.private) as scratch, release.in_plain_words():
        staged = _stage(name, ws.sources[name], scratch / name, False, None)
        return [] if staged.told is None else told_events(staged.told)


@contextmanager
def related(
    ws: Workspace, *, strict_files: bool = False, progress: Progress | None = None
) -> Iterator[tuple[Related, Engine]]:
    """All sources staged and related, and the engine that may spill beside them; gone with the end of the context."""
    with scratch_folder(ws.private) as scratch:
        engine = spilling(ws, scratch)
        with release.in_plain_words():
            staged = [_stage(name, path, scratch / name, strict_files, progress) for name, path in ws.sources.items()]
            if progress is not None:
                progress("relating records", 0, None)
            found = relate(staged, scratch, engine, ws.snapshot() if ws.has_ledger else None)
        yield found, engine


def spilling(ws: Workspace, scratch: Path) -> Engine:
    """The engine of a workspace. Spilling belongs where scratch belongs: it holds what people wrote."""
    return replace(ws.engine, scratch=scratch / "spill")


def build(
    ws: Workspace,
    job: JobFile,
    *,
    sources: Sequence[str] = (),
    facts: Path | None = None,
    to: Path | None = None,
    limit: int | None = None,
    strict_files: bool = False,
    workers: int = 1,
    clock: Clock = now,
    progress: Progress | None = None,
    note: Note | None = None,
) -> release.Release:
    """Build and publish the release of a job; see ``release.build`` for what is promised.

    ``workers`` processes judge and write, and give the same bytes as one.
    """
    intake.refuse_lost(ws.private, kept(ws))
    with prepared(
        ws, job, sources=sources, facts=facts, limit=limit, strict_files=strict_files, clock=clock, progress=progress,
        keys=ws.keys, workers=workers, note=note,
    ) as ready:  # fmt: skip
        told = None if progress is None else lambda done, total: progress("judging records", done, total)
        return release.build(
            ready.judge,
            ready.gate,
            ws.ledger,
            to=to or ws.releases,
            private=ws.private,
            environment=environment(),
            bound=bound(ws),
            keys=lasting_keys(ws),
            log=ws.evidence,
            sources=ready.judged,
            notes=() if limit is None else (f"Only the first {limit:,} rows of each source were judged.",),
            progress=told,
        )


def rewriting_of(
    ws: Workspace,
    public: Path,
    stack: ExitStack,
    *,
    facts: Path | None = None,
    clock: Clock = now,
    asked: Sequence[bytes] | None = None,
) -> tuple[Callable[[Gate], Rewriting], Callable[[], Gate], release.Predecessor]:
    """What rewrites a published release under a gate, the gate at the head of the ledger, and what it takes the place of.

    The hand is let go of at the end of the ``stack``, and so is the folder in which it spills.
    """
    found = rewriting.before(public, ws.private / public.name)
    job = job_of(found.said)
    known = ws.facts_at(facts) if facts is not None else ws.facts
    engine = spilling(ws, stack.enter_context(scratch_folder(ws.private)))

    heard = _built_at(ws, found)

    def gate() -> Gate:
        as_of = max(filter(None, (clock(), ws.ledger.last_recorded_at())))
        # INVARIANT: nothing leaves what stands because a stranger asked: they could ask it of anybody.
        return Gate(
            ws.policy, ws.snapshot(facts=known, strangers_upto=heard), job, as_of, ws.regimes, ws.licences,
            undertakings=ws.undertakings(), listed=ws.listed(job),
        )  # fmt: skip

    def hand(at: Gate) -> Rewriting:
        why = _other_rules(ws, found, at) or _questions_since(ws, found, asked)
        gone = rewriting.gone(engine, found.private, _records_gone(ws, found))
        gone |= rewriting.edits(engine, found.private, _taken_out(ws, at), cast("Listed", at.listed or None))
        return stack.enter_context(Rewriting(found, at, engine, ws.keys, ws.ledger, why, asked or (), gone))

    said = found.said
    return hand, gate, release.Predecessor(said["id"], found.sha256, said["job"]["sources"], said["notes"])


def considered(
    ws: Workspace, public: Path, *, facts: Path | None = None, clock: Clock = now, progress: Progress | None = None
) -> rewriting.Considered:
    """What a rewriting of a published release would come to; writes nothing that stays."""
    with ExitStack() as stack, release.in_plain_words():
        hand, gate, _ = rewriting_of(ws, public, stack, facts=facts, clock=clock)
        return hand(gate()).considered(_judging(progress))


def rewrite(
    ws: Workspace,
    public: Path,
    *,
    facts: Path | None = None,
    to: Path | None = None,
    clock: Clock = now,
    closing: release.Closing | None = None,
    asked: Sequence[bytes] | None = None,
    progress: Progress | None = None,
) -> release.Release | None:
    """Publish a release again without what may no longer go out, beside it or in ``to``; None where nothing has to leave.

    See ``release.rewrite`` for what is promised. ``asked``: the leaves that withdrawals by question since are about, where
    they are known; otherwise all of it is judged again.
    """
    with ExitStack() as stack:
        hand, gate, predecessor = rewriting_of(ws, public, stack, facts=facts, clock=clock, asked=asked)
        return release.rewrite(
            hand,
            predecessor,
            gate,
            ws.ledger,
            to=to or public.parent,
            private=ws.private,
            environment=environment(),
            bound=bound(ws),
            keys=lasting_keys(ws),
            log=ws.evidence,
            closing=closing,
            progress=_judging(progress),
        )


def _built_at(ws: Workspace, found: rewriting.Before) -> int:
    """The position at which the release was built that this one came from, however often it was rewritten since."""
    before = {str(one["superseded_by"]): str(one["release"]) for one in ws.ledger.retirements()}
    name = str(found.said["id"])
    while name in before:
        name = before[name]
    known = {str(one["id"]): int(one["position"]) for one in ws.ledger.releases()}
    return known.get(name, int(found.said["ledger"]["judged"]))


def _records_gone(ws: Workspace, found: rewriting.Before) -> set[str]:
    """The ids of records that were deleted, taken down, withheld or replaced since a release was judged, as far as somebody has
    verified that."""
    said = (one for one in ws.ledger.withdrawing(int(found.said["ledger"]["judged"])) if _counts(one))
    return {str(event.value) for event in said if event.type in RECORD_GONE}


def _counts(event: Event) -> bool:
    """Whether a word reaches what stands: not that of a stranger which nobody has verified."""
    return event.verified or event.actor != "stranger"


def _taken_out(ws: Workspace, gate: Gate) -> set[tuple[str | None, str]]:
    """Who took which record out of a use, by its id."""
    said = (one for one in ws.ledger.taken_out(gate.snapshot.position) if one.recorded_at <= gate.as_of)
    said = (one for one in said if _counts(one))
    taken = (one for one in said if takes_out(one, gate.job.purpose, gate.job.recipient))
    return {(one.subject, (one.value or "").partition("/")[2]) for one in taken}


def _questions_since(ws: Workspace, found: rewriting.Before, asked: Sequence[bytes] | None) -> str:
    """The same where something was withdrawn by question since, and nobody says which rows it is about."""
    then = datetime.fromisoformat(found.said["as_of"])
    since = any(one.recorded_at > then for one in ws.ledger.retractions())
    return "records were withdrawn by question" if since and asked is None else ""


def _judging(progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress("rewriting", done, total)


def _other_rules(ws: Workspace, found: rewriting.Before, gate: Gate) -> str:
    """Why every row has to be judged again: rules that are not those of the release. Empty where they are the same."""
    said, salt = found.said, (found.private / "salt").read_bytes()
    if said["bound"] != {name: salted(salt, digest) for name, digest in bound(ws).items()}:
        return "a regime, a region or a licence is another one"
    if said["log"] is None:
        return "the release was entered in no log, so nothing says which rules it was judged by"
    places = {name: place for name, place in said["log"]["before"].items() if name.startswith("policy-")}
    logged = {name: ws.ledger.entries(place)[0].digest for name, place in places.items()}
    if logged != {due.name: due.digest for due in ws.evidence.due() if due.name.startswith("policy-")}:
        return "the policy, or the code that reads it, is another one"
    if release.calendar_turned(replace(gate, as_of=datetime.fromisoformat(said["as_of"])), gate):
        return "a policy version, a promise or a licence began or ended"
    return ""


def lasting_keys(ws: Workspace) -> Mapping[str, str]:
    """The fingerprints of the keys that releases depend on."""
    return {name: ws.keys.fingerprint(name) for name, kind in KINDS.items() if kind.lasting}


def job_of(said: Mapping[str, Any]) -> Job:
    """The job that a release names in its statement."""
    asked = said["job"]
    return Job(asked["purpose"], asked["recipient"], asked["model"], asked["use"], asked["regime"])


def auditor(
    ws: Workspace, public: Path, *, sample: int | None = None, progress: Progress | None = None
) -> auditing.Audit:
    """The recomputation of a published release, under the gate it was judged under and with the people of its openings."""
    private = ws.private / public.name
    said = reading.checked(public)["predicate"]
    moment = datetime.fromisoformat(said["as_of"])
    job = job_of(said)
    gate = Gate(
        ws.policy, openings.people(private), job, moment, ws.regimes, ws.licences,
        undertakings=ws.undertakings(moment), listed=ws.listed(job, moment),
    )  # fmt: skip
    return auditing.Audit(public, private, gate, ws.keys.secret("index"), ws.engine, sample, progress)


def keys_of(ws: Workspace, name: str) -> Keys:
    """The keys of a workspace, if they are those that a release was laid out with; raises ReleaseError where they are not."""
    entered = [entry for entry in ws.ledger.releases() if entry["id"] == name]
    before = json.loads(str(entered[0]["keys"])) if entered else {}
    other = [
        key for key, kind in KINDS.items() if kind.lasting and before.get(key, "") not in ("", ws.keys.fingerprint(key))
    ]
    if other:
        raise ReleaseError(
            f"the release was laid out with other keys than those in keys/: {', '.join(other)}", folder=ws.keys_folder,
            hint="bring the keys of that release back from your backup, or work in the workspace that built it",
        )  # fmt: skip
    return ws.keys


def kept(ws: Workspace) -> Mapping[str, str]:
    """Where the log says that first receipts are remembered: folders of the private part, and how each was staged."""
    staged = {str(entry["id"]): str(entry["staged"]) for entry in ws.ledger.releases()}
    said = [json.loads(ws.evidence.log.statement(entry.digest)) for entry in ws.ledger.entries_of(statement.INTAKE)]
    names = [str(one["predicate"]["kept"]) for one in said]
    return {name: staged.get(name, name) for name in names}


def environment() -> Mapping[str, str]:
    """What the bytes of the files may depend on; ``rows_digest`` does not."""
    import duckdb
    import pyarrow as pa

    from aboveboard import __version__

    versions = {"aboveboard": __version__, "duckdb": duckdb.__version__, "pyarrow": pa.__version__}
    return {**versions, "python": platform.python_version()}


def bound(ws: Workspace) -> Mapping[str, str]:
    """Digests of what a judgement depends on beside policy, people and records."""
    regimes = {"tables": {n: asdict(t) for n, t in ws.regimes.tables.items()}, "regions": dict(ws.regimes.regions)}
    licences = {name: asdict(licence) for name, licence in ws.licences.items()}
    told = {"regimes": regimes, "licences": licences}
    return {n: hashlib.sha256(json.dumps(v, sort_keys=True, default=str).encode()).hexdigest() for n, v in told.items()}


def bits_of(releases: Sequence[Mapping[str, str | int]]) -> int:
    """The layout of a workspace is the finest it ever had: files keep their bytes. Without one it is free to choose."""
    return max((int(entry["bits"]) for entry in releases), default=0) or MAX_BITS


def _chosen(ws: Workspace, names: Sequence[str]) -> tuple[str, ...]:
    if not ws.sources:
        raise WorkspaceError("the workspace names no source", hint='add a [sources] table: name = "path/to/map.toml"')
    for name in names:
        if name not in ws.sources:
            raise unknown_term("source", name, ws.sources)
    return tuple(names)


def _stage(name: str, path: Path, folder: Path, strict_files: bool, progress: Progress | None) -> Staged:
    source = opening.read(path, strict_files=strict_files)
    if source.name != name:
        raise SourceError(
            f"the map calls itself `{source.name}` and the workspace calls it `{name}`", file=path,
            hint="give both the same name: decisions name their source",
        )  # fmt: skip
    told = None if progress is None else lambda done, total: progress(f"reading {name}", done, total)
    return source.stage(folder, progress=told)


@contextmanager
def scratch_folder(private: Path) -> Iterator[Path]:
    """A folder that only we can read, for what must not stay; leftovers of builds that died are cleared away."""
    with release.in_plain_words():
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in leftovers(private):
            disk.clear(left)
    with disk.leased(private, SCRATCH) as folder:
        with release.in_plain_words():
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


SCRATCH = "scratch"


def leftovers(private: Path) -> list[Path]:
    """Scratch folders whose process is gone: they hold text that was being judged."""
    return disk.abandoned(private, SCRATCH)
