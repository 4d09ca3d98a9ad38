"""A release: judged at the ledger's head, staged where nobody looks, committed with the last choices, then published.

``build`` promises that an unfinished release is invisible, that a no said before the commit is heard (its rows leave
by a list of tombstones, so a steady stream of them cannot starve publishing), and that the public part is made from
what may be public and from nothing else. Whatever it is killed at, ``finish`` publishes what was committed and the next
build clears away what was not. It declares what it needs of the world (`Judge`, `Ledger`); the wiring hands it in.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from aboveboard import croissant, disk, layout, reading, vocabulary
from aboveboard import statement as saying
from aboveboard.errors import ReleaseError
from aboveboard.gate import Gate
from aboveboard.manifest import COVERS, RELEASED_COLUMNS, TOMBSTONES, Governed, Manifest, Tombstones, salted, told
from aboveboard.policy import PolicyVersion
from aboveboard.reasons import Outcome
from aboveboard.statement import Due

ROUNDS = 3
"""How often late choices are folded in before the ledger is held; what comes after is folded while it is."""
STAGING = ".staging"
PUBLIC = "public"
"""The note in the private part of a staged release that says in which folder its public part is staged."""
NAME_LETTERS = 60
"""How much of a model's name goes into the id of a release: file systems take 255 bytes a name."""
TWINS = 1000
"""How many releases of one name are looked for before the clock is thought to stand still."""
Progress = Callable[[int, int], None]
Closing = Callable[[Any, Manifest, str, bytes], None]
"""Called with the transaction, the manifest that it commits, the SHA-256 of its statement, and the leaves of the rows that
left: those of the release before that are not in it, and those that its tombstones name."""


class Judge(Protocol):
    """Whoever judges all records under a gate and writes them. The same inputs and keys give the same files."""

    def write(self, public: Path, private: Path, progress: Progress | None = None) -> Governed:
        """Released rows, their trees and the subject map into ``public``, decisions and what opens the rest into
        ``private``; both durable when it returns."""

    def involved(self, subjects: Sequence[str], private: Path) -> Sequence[bytes]:
        """The leaves of the rows it wrote in which these people have a part. Quick: the ledger is held meanwhile."""

    def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> Sequence[bytes]:
        """Those of them that may not go out, as they are, under this gate."""


class Considered(Protocol):
    """What a rewriting comes to before anything is written."""

    @property
    def leaving(self) -> int:
        """How many rows may not stay."""


class Rewriter(Judge, Protocol):
    """Whoever writes a published release once more without what may no longer go out. ``write`` is as that of a judge."""

    def considered(self, progress: Progress | None = None) -> Considered:
        """What leaves, found out once and kept; writes nothing."""


class Commit(Protocol):
    """A transaction that holds the ledger: nobody records anything until it ends."""

    def superseded_by(self, release: str) -> str | None:
        """The release that took the place of one; None while it stands."""

    def retire(self, release: str, superseded_by: str, retired_at: str) -> None:
        """Say, with the end of the transaction, that the release which it enters takes the place of one; twice is an error."""

    @property
    def head(self) -> int:
        """The position of the newest event."""

    @property
    def retracted(self) -> int:
        """How many withdrawals by question were carried out."""

    def enter(self, release: Mapping[str, str | int]) -> None:
        """Commit a release with the end of the transaction; the same id twice is an error."""

    def logged(self, digest: str) -> int | None:
        """Where the statement with this SHA-256 stands in the log; None where it is not in it."""

    def log(self, entry: bytes) -> int:
        """Put an entry behind the last one of the log with the end of the transaction; returns its place."""

    @property
    def size(self) -> int:
        """The place of the next entry of the log."""


class Ledger(Protocol):
    """The ledger as a release sees it; positions only grow."""

    def committing(self) -> AbstractContextManager[Commit]:
        """One transaction; what is entered in it is durable when the context ends, or was never there."""

    def releases(self) -> Sequence[Mapping[str, str | int]]:
        """Every committed release, oldest first."""

    def retracted(self) -> int:
        """How many withdrawals by question were carried out."""

    def speakers(self, after: int, upto: int, *, strangers: bool = True) -> Sequence[str]:
        """Who recorded anything behind ``after``, up to ``upto``: even a yes may close what another yes opened. Without
        ``strangers`` what they say and nobody has verified is left out."""

    def expiring(self, after: datetime, upto: datetime) -> Sequence[str]:
        """Whose recorded words run out in ``(after, upto]``."""


class Log(Protocol):
    """The log in which a release is entered: it follows what the ledger committed, and never runs ahead of it."""

    @property
    def origin(self) -> str:
        """The name of the log."""

    def due(self) -> Sequence[Due]:
        """What has to stand in the log before a release can: keys and policy versions, in their order."""

    def put(self, document: bytes) -> None:
        """Keep a statement under its digest; durable when it returns. Twice is once."""

    def publish(self, public: Path, places: Mapping[str, int]) -> None:
        """Bring the log on the disk to what the ledger says, and write the proofs of these entries into a release.

        Durable when it returns; the same call again gives the same, or the proofs under a later checkpoint.
        """


@dataclass(frozen=True, slots=True)
class Release:
    """A published release: where its public and its private part are, and the exact counts (private)."""

    id: str
    public: Path
    private: Path
    manifest: Manifest
    governed: Governed

    @property
    def counts(self) -> Mapping[str, int]:
        """Records by outcome, exactly; never part of the public folder."""
        found = {outcome.value: 0 for outcome in Outcome}
        for tally in self.governed.tallies:
            found[tally.outcome] += tally.records
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "release": self.id,
            "public": str(self.public),
            "private": str(self.private),
            "records": self.governed.records,
            "released": self.governed.released,
            "quarantined": self.governed.quarantined,
            "outcomes": dict(self.counts),
            "tallies": [asdict(tally) for tally in self.governed.tallies],
            "rows_digest": self.governed.rows_digest,
        }


def build(
    judge: Callable[[Gate], Judge],
    gate: Callable[[], Gate],
    ledger: Ledger,
    *,
    to: Path,
    private: Path,
    environment: Mapping[str, str],
    bound: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    log: Log | None = None,
    sources: Sequence[str] = (),
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Release:
    """Judge at the head of the ledger and publish into ``to``; ``private`` is made with mode 0700.

    ``gate()`` binds the gate to the present moment and the ledger's head. ``bound`` are digests of what else the
    judgement depends on (regimes, licences), ``sources`` the names of those that are judged, both for the statement;
    ``keys`` are the fingerprints of the keys, which have to be those of the releases before. ``log`` is where the release
    is entered; without one it is the platform's word and nobody can check it.
    Raises ReleaseError with nothing published.
    """
    with in_plain_words():
        to, private = to.resolve(), private.resolve()
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
        to.mkdir(parents=True, exist_ok=True)
        finish(ledger, private, log)
        _clear(ledger, private)
        _refuse_other_keys(ledger, keys or {})
        taken_out, first = ledger.retracted(), gate()
        _refuse_hopeless(first)
        with disk.leased(private, STAGING) as hidden:
            work = _Work(
                judge(first), gate, first, ledger, to / hidden.name, hidden, environment, bound or {}, keys or {}, log, sources,
                notes, taken_out,
            )  # fmt: skip
            made = _committed(work, progress)
            _publish(to, private, made.id, hidden.name, log)
        return Release(made.id, to / made.id, private / made.id, made, made.governed)


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The release that another is to take the place of: its id, the SHA-256 of its statement, the names of
    its judged sources, and its notes."""

    id: str
    manifest_sha256: str
    sources: Sequence[str]
    notes: Sequence[str]

    @property
    def named(self) -> Mapping[str, str]:
        """How a statement names it."""
        return {"release": self.id, "manifest_sha256": self.manifest_sha256}


def rewrite(
    rewriter: Callable[[Gate], Rewriter],
    predecessor: Predecessor,
    gate: Callable[[], Gate],
    ledger: Ledger,
    *,
    to: Path,
    private: Path,
    environment: Mapping[str, str],
    bound: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    log: Log | None = None,
    closing: Closing | None = None,
    progress: Progress | None = None,
) -> Release | None:
    """Publish a release again at the head of the ledger, without the rows that may no longer go out; None where all may.

    Committed and published as ``build`` does it: a no that is said meanwhile is heard, and in the same transaction the
    release before is retired, so that there is never more than one in its place. Raises ReleaseError with nothing
    published, also where somebody else rewrote it first. ``closing`` is called in the transaction, with what it commits.
    """
    with in_plain_words():
        to, private = to.resolve(), private.resolve()
        finish(ledger, private, log)
        _clear(ledger, private)
        _refuse_other_keys(ledger, keys or {})
        with ledger.committing() as commit:
            _refuse_superseded(commit, predecessor)
        taken_out, first = ledger.retracted(), gate()
        hand = rewriter(first)
        if not hand.considered(progress).leaving:
            return None
        with disk.leased(private, STAGING) as hidden:
            work = _Work(
                hand, gate, first, ledger, to / hidden.name, hidden, environment, bound or {}, keys or {}, log,
                predecessor.sources, _notes_of(predecessor), taken_out, predecessor,
                closing,
            )  # fmt: skip
            made = _committed(work, progress)
            _publish(to, private, made.id, hidden.name, log)
        return Release(made.id, to / made.id, private / made.id, made, made.governed)


def _notes_of(predecessor: Predecessor) -> Sequence[str]:
    kept = [note for note in predecessor.notes if note not in NOTES and not note.startswith((IN_PLACE, LEFT_BY_OTHERS))]
    return (f"{IN_PLACE} {predecessor.id}: the same rows but for those that may not go out any more.", *kept)


IN_PLACE = "This release takes the place of"
LEFT_BY_OTHERS = "Files that others left:"


def _of_few(governed: Governed) -> Iterator[str]:
    """What a file narrows an author down to is said where it is fewer people than every build leaves in one."""
    if governed.few:
        numbers = ", ".join(map(str, governed.few))
        yield f"{LEFT_BY_OTHERS} in {numbers} rows of fewer than {layout.SUBJECTS} people are left; the next build joins them."


def _refuse_superseded(commit: Commit, predecessor: Predecessor) -> None:
    """INVARIANT: a release is superseded once, so that there are never two heads."""
    newer = commit.superseded_by(predecessor.id)
    if newer is not None:
        raise ReleaseError(f"`{predecessor.id}` was superseded by `{newer}`", hint=f"rewrite that one: {newer}")


_ROOM = "make room on the disk, or give [engine] more memory; then try again"


@contextmanager
def in_plain_words() -> Iterator[None]:
    """What the machine refuses (a full disk, a folder that is not ours) as a ReleaseError.

    Only the system's own words are passed on: a message of DuckDB or of Arrow may quote what somebody wrote.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        if error.errno is None:  # what DuckDB says while Arrow reads from it
            raise ReleaseError("DuckDB failed while it was read from", hint=_ROOM) from None
        words = os.strerror(error.errno).lower()  # Arrow puts paths and more into its own
        raise ReleaseError(
            f"the file system refused: {words}", file=error.filename,
            hint="make room, or name a folder that can be written to; then try again",
        ) from error  # fmt: skip
    except duckdb.Error as error:
        raise ReleaseError(
            f"DuckDB failed: {type(error).__name__}",
            hint=_ROOM,
        ) from None
    except pa.ArrowException as error:
        raise ReleaseError(
            f"Arrow failed: {type(error).__name__}",
            hint="is a file of the workspace damaged? bring it back from your backup; else give [engine] more memory",
        ) from None


@dataclass(frozen=True, slots=True)
class _Work:
    """One build: who judges, under which gate, and the two folders in which it is staged."""

    judge: Judge
    gate: Callable[[], Gate]
    first: Gate
    ledger: Ledger
    shown: Path
    hidden: Path
    environment: Mapping[str, str]
    bound: Mapping[str, str]
    keys: Mapping[str, str]
    log: Log | None
    sources: Sequence[str]
    notes: Sequence[str]
    taken_out: int
    """How many withdrawals by question the first gate knows, at least."""
    predecessor: Predecessor | None = None
    """What the release takes the place of."""
    closing: Closing | None = None
    """What else belongs into the transaction that takes its place."""


def _refuse_other_keys(ledger: Ledger, keys: Mapping[str, str]) -> None:
    """With other keys nothing links to what was published, and people who were erased would be forgotten."""
    before = [json.loads(str(entry["keys"])) for entry in ledger.releases()]
    # Keys that only sign may be replaced: a release from before they were told apart names them too.
    if before and {name: before[-1].get(name) for name in keys} != dict(keys):
        raise ReleaseError(
            "the keys are other ones than those of the releases before",
            hint="bring the old ones back from your backup, or build in a workspace of its own",
        )


def _refuse_hopeless(gate: Gate) -> None:
    """A job whose declared use no clause covers is a mistake in the job, not two million refusals."""
    job, version = gate.job, gate.now
    if version is None:
        raise ReleaseError("no policy version is in force now", hint="publish one, or check `effective_from`")
    about = [c for c in version.clauses if c.effect == "permit" and vocabulary.covered_by(c.purposes, job.purpose)]
    if about and not any(not clause.uses or job.use in clause.uses for clause in about):
        named = ", ".join(sorted({use for clause in about for use in clause.uses}))
        said = f"the use `{job.use}` that the job declares" if job.use else "a job that declares no use"
        raise ReleaseError(
            f"no clause about `{job.purpose}` covers {said}", hint=f"name one under [model] as `use`: {named}"
        )


def _committed(work: _Work, progress: Progress | None) -> Manifest:
    """The manifest of the release, once it is committed; where it is not, nothing stays staged."""
    try:
        governed, salt = _stage(work, progress)
        heard, leaves = _catch_up(work)
        return _commit(work, governed, salt, heard, leaves)
    except BaseException:
        # INVARIANT: what was committed is never dropped, even where committing said that it failed.
        if not _is_committed(work):
            shutil.rmtree(work.shown, ignore_errors=True)
            shutil.rmtree(work.hidden, ignore_errors=True)
        raise


def _is_committed(work: _Work) -> bool:
    """Whether the ledger holds this build; where it cannot be asked, the next build will ask again."""
    try:
        return any(entry["staged"] == work.hidden.name for entry in work.ledger.releases())
    except Exception:
        return True


def _stage(work: _Work, progress: Progress | None) -> tuple[Governed, bytes]:
    with disk.step("staging"):
        work.hidden.mkdir(mode=0o700)
        # Whoever clears up after us finds the public part by this note: other workspaces may publish into its folder.
        disk.write(work.hidden / PUBLIC, str(work.shown.parent).encode())
        work.shown.mkdir()
    governed = work.judge.write(work.shown, work.hidden, progress)
    salt = secrets.token_bytes(32)
    with disk.step("salt"):
        disk.write(work.hidden / "salt", salt)
    return governed, salt


def _catch_up(work: _Work) -> tuple[int, set[bytes]]:
    """Fold in what was said while we were writing, before the ledger is held: up to which position, and what leaves."""
    heard, since, leaves = work.first.snapshot.position, work.first.as_of, set[bytes]()
    for _ in range(ROUNDS):
        later = work.gate()
        _refuse_other_rules(work.first, later)
        head = later.snapshot.position
        spoke = work.ledger.speakers(heard, head, strangers=work.predecessor is None)
        subjects = {*spoke, *work.ledger.expiring(since, later.as_of)}
        heard, since = head, later.as_of
        if not subjects:
            break
        leaves.update(work.judge.fold(later, sorted(subjects), work.hidden))
    return heard, leaves


def _refuse_other_rules(first: Gate, later: Gate) -> None:
    """What nobody said but the calendar: then everything has to be judged anew."""
    if calendar_turned(first, later):
        raise ReleaseError("a policy version, promise or licence began or ended during the build", hint="build again")


def calendar_turned(first: Gate, later: Gate) -> bool:
    """Whether a policy version, a promise or a licence began or ended between two moments, or a clause was closed."""
    dates = [moment for one in later.licences.values() for moment in (one.valid_from, one.valid_to)]
    dates += [version.effective_to for version in later.policy.versions]
    dates += [moment for promise in later.policy.promises(later.as_of) for moment in (promise.starts, promise.until)]
    dates += [clause.closed_at for version in later.policy.versions for clause in version.clauses]
    passed = any(moment is not None and first.as_of < moment <= later.as_of for moment in dates)
    return passed or (first.now and first.now.version) != (later.now and later.now.version)


def _commit(work: _Work, governed: Governed, salt: bytes, heard: int, leaves: set[bytes]) -> Manifest:
    """The last choices, the statement and the entry, in one transaction of the ledger."""
    with disk.step("commit"), work.ledger.committing() as commit:
        if commit.retracted != work.taken_out:
            raise ReleaseError("records were withdrawn by question during the build", hint="build again")
        # INVARIANT: a no that was recorded before this moment is heard; nothing is recorded until we are done.
        # The ledger is held, so there is no time to judge: every row of who spoke in the last moment leaves. Out of what stands
        # nothing leaves for a stranger: they could time it.
        if work.predecessor is not None:
            _refuse_superseded(commit, work.predecessor)
        subjects = work.ledger.speakers(heard, commit.head, strangers=work.predecessor is None)
        if subjects:
            leaves.update(work.judge.involved(subjects, work.hidden))
        tombstones = Tombstones(tuple(sorted(leaves)))
        manifest = _manifest(work, governed, salt, commit.head, tombstones)
        manifest = replace(manifest, id=_free(work, manifest.id))
        manifest = replace(manifest, log=_enter_due(work, commit, manifest))
        statement = _write_public(work.shown, manifest)
        _write_private(work.hidden, manifest)
        with disk.step("entry"):
            _enter_release(work, commit, statement)
            commit.enter(_entry(work, manifest, statement))
            if work.predecessor is not None:
                commit.retire(work.predecessor.id, manifest.id, manifest.as_of.isoformat())
                if work.closing is not None:
                    gone = {*_leaves_in(work.hidden / "removed.bin"), *leaves}
                    work.closing(commit, manifest, hashlib.sha256(statement).hexdigest(), b"".join(sorted(gone)))
    return manifest


def _enter_due(work: _Work, commit: Commit, manifest: Manifest) -> Mapping[str, Any] | None:
    """Enter what has to stand in the log before this release; says where all of it stands, the release too."""
    if work.log is None:
        return None
    places: dict[str, int] = {}
    for due in (*work.log.due(), *_stated(manifest)):
        work.log.put(due.document)
        found = commit.logged(due.digest)
        places[due.name] = commit.log(due.entry(work.first.as_of)) if found is None else found
    return {"origin": work.log.origin, "index": commit.size, "before": places}


def _enter_release(work: _Work, commit: Commit, statement: bytes) -> None:
    if work.log is not None:
        work.log.put(statement)
        commit.log(saying.release(statement).entry(work.first.as_of))


def _stated(manifest: Manifest) -> Iterator[Due]:
    """What a release itself brings: which choices count, and what was received that no release before had seen."""
    governed = manifest.governed
    if governed.map is not None:
        yield saying.epoch(manifest.judged, manifest.as_of, governed.map.public(), told(governed.map.accounts))
    if (received := governed.received) is not None:
        yield saying.intake(received.root, told(received.records), received.first, received.last, manifest.id)


def _entry(work: _Work, manifest: Manifest, statement: bytes) -> Mapping[str, str | int]:
    return {
        "id": manifest.id,
        "position": manifest.position,
        "as_of": manifest.as_of.isoformat(),
        "manifest_sha256": hashlib.sha256(statement).hexdigest(),
        "staged": work.hidden.name,
        "public": _told_from(work.hidden.parent, work.shown.parent),
        "bits": manifest.governed.bits,
        "keys": json.dumps(dict(work.keys), sort_keys=True),
    }


def _told_from(private: Path, public: Path) -> str:
    """Where a public folder is, so that a workspace may be moved: relative to it, where it lies inside."""
    inside = public.is_relative_to(private.parent)
    return str(public.relative_to(private.parent)) if inside else str(public)


def _free(work: _Work, name: str) -> str:
    """The name, or the next one that is free: two releases of one job may be judged in the same second.

    Evidence that is already there is never touched: the same private folder may serve several public ones, and one
    that was committed may not be published yet.
    """
    entered = {str(entry["id"]) for entry in work.ledger.releases()}
    names = (name, *(f"{name}-{number}" for number in range(2, TWINS)))
    for free in names:
        if free not in entered and not any((folder.with_name(free)).exists() for folder in (work.shown, work.hidden)):
            return free
    raise ReleaseError(f"a release `{name}` is already there", hint="does the clock stand still? build again later")


def _leaves_in(file: Path) -> Iterator[bytes]:
    data = file.read_bytes()
    return (data[at : at + 32] for at in range(0, len(data), 32))


def _manifest(work: _Work, governed: Governed, salt: bytes, head: int, tombstones: Tombstones) -> Manifest:
    gate = work.first
    return Manifest(
        id=release_id(gate.as_of, gate.job.model or gate.job.purpose, governed.rows_digest),
        as_of=gate.as_of,
        job={
            "purpose": gate.job.purpose,
            "recipient": gate.job.recipient,
            "regime": gate.job.regime,
            "model": gate.job.model,
            "use": gate.job.use,
            "sources": list(work.sources),
        },
        policy={"name": gate.policy.name, "versions": [_version(v) for v in gate.policy.versions]},
        judged=gate.snapshot.position,
        position=head,
        people_digest=salted(salt, str(getattr(gate.snapshot, "digest", "") or "00")),
        governed=governed,
        source_digest=salted(salt, governed.source_digest),
        environment=work.environment,
        bound={name: salted(salt, digest) for name, digest in work.bound.items()},
        notes=(*work.notes, *_of_few(governed), *NOTES),
        tombstones=tombstones,
        supersedes=None if work.predecessor is None else work.predecessor.named,
    )


NOTES = (
    "Parts and fields that are denied were removed; mentions became pseudonyms, and e-mail addresses, telephone, card "
    "and account numbers and IP addresses that have a known shape were masked. Names and what people tell of themselves "
    "in other words stay.",
    "Rows listed in tombstones.json must not be used: people withdrew them while the release was being written.",
    f"{COVERS[0].upper()}{COVERS[1:]}.",
)


def _version(version: PolicyVersion) -> dict[str, str]:
    return {
        "version": version.version,
        "effective_from": version.effective_from.astimezone(ZoneInfo(version.zone)).isoformat(),
        "text_sha256": version.text_sha256,
    }


def release_id(as_of: datetime, name: str, rows_digest: str) -> str:
    """A name that sorts by time and can be read: ``2024-01-31T120000Z-feed-writer-1a2b3c4d``."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
    plain = plain[:NAME_LETTERS].rstrip("-")
    return f"{as_of:%Y-%m-%dT%H%M%SZ}-{plain}-{rows_digest[:8]}"


def _write_public(folder: Path, manifest: Manifest) -> bytes:
    """Everything public beside the rows; returns the statement, which is written last and binds the rest."""
    readme, described = _readme(manifest).encode("utf-8"), croissant.document(manifest)
    beside = {"README.md": readme, "croissant.json": described}
    for name, data in {**beside, TOMBSTONES: manifest.tombstones.document()}.items():
        with disk.step(name):
            disk.write(folder / name, data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in beside.items()}
    statement = replace(manifest, described=digests).statement()
    with disk.step("manifest.json"):
        disk.write(folder / "manifest.json", statement)
        disk.settle(folder)
    return statement


def _readme(manifest: Manifest) -> str:
    job, versions = manifest.job, manifest.policy["versions"]
    rows = _words(told(manifest.governed.released))
    listed = "\n".join(f"- `{v['version']}`, in force from {v['effective_from'][:10]}" for v in versions)
    notes = "\n".join(f"- {note}" for note in manifest.notes)
    return f"""# Release {manifest.id}

{rows} rows for `{job["purpose"]}` by `{job["recipient"]}`{f", to train `{job['model']}`" if job["model"] else ""}
{f"(declared use: {job['use']})" if job["use"] else ""}, judged on {manifest.as_of:%Y-%m-%d at %H:%M UTC} under the
regime `{job["regime"]}` and every choice recorded until then.

Policy `{manifest.policy["name"]}`:

{listed}

Read it with anything that reads Parquet: `data/*.parquet`, columns {", ".join(f"`{c}`" for c in RELEASED_COLUMNS)}.
Rows digest: `{manifest.rows_digest}`.

{notes}
"""


def _words(count: Mapping[str, int]) -> str:
    """A public count in words."""
    return f"About {count['about']:,}" if "about" in count else f"Fewer than {count['below']}"


def _write_private(folder: Path, manifest: Manifest) -> None:
    """What only the platform and its auditors see: exact counts, and the digests without salt."""
    governed = manifest.governed
    document = {
        "release": manifest.id,
        "records": governed.records,
        "released": governed.released,
        "quarantined": governed.quarantined,
        "tombstones": len(manifest.tombstones.leaves),
        "accounts": governed.map and governed.map.accounts,
        "rows_of_one_person": governed.map and governed.map.alone,
        "rows_of_several": governed.map and governed.map.shared,
        "source_digest": governed.source_digest,
        "masked": dict(governed.masked),
        "kinds": dict(governed.kinds),
        "languages": dict(governed.languages),
        "shards": [asdict(shard) for shard in governed.shards],
        "tallies": [asdict(tally) for tally in governed.tallies],
        "files_not_read": [dict(one) for one in governed.refused],
    }
    with disk.step("exact-counts.json"):
        disk.write(folder / "exact-counts.json", json.dumps(document, indent=2).encode("utf-8"), mode=0o600)
        disk.settle(folder)


def _publish(to: Path, private: Path, name: str, staged: str, log: Log | None) -> None:
    """The log, the private part, then the public one: what is visible always has its evidence behind it."""
    _prove(to / staged, log)
    if not (private / name).exists():
        (private / staged / PUBLIC).unlink(missing_ok=True)
        with disk.step("publish private"):
            disk.move(private / staged, private / name)
    with disk.step("publish public"):
        disk.move(to / staged, to / name)


def _prove(public: Path, log: Log | None) -> None:
    """Write the proofs of a committed release beside it."""
    said = json.loads((public / "manifest.json").read_bytes())["predicate"]["log"]
    if said is None:
        return
    if log is None:
        raise ReleaseError("the release was entered in a log", folder=public, hint="give the log in which it stands")
    log.publish(public, {**said["before"], "release": said["index"]})


def finish(ledger: Ledger, private: Path, log: Log | None = None) -> list[str]:
    """Publish what was committed by a build that died before it could; returns the ids. Safe to call at any time.

    Raises ReleaseError where what was staged is not what was committed: nothing of it is then shown.
    """
    finished = []
    for entry in ledger.releases():
        to, name, staged = private.parent / str(entry["public"]), str(entry["id"]), str(entry["staged"])
        if (to / name).exists() or not ((to / staged).exists() or (private / staged).exists()):
            continue  # published; what became of it since is its owner's business
        with disk.taken(private / staged) as ours:
            if ours and not (to / name).exists():
                _refuse_damaged(to / staged, private, entry)
                _publish(to, private, name, staged, log)
                finished.append(name)
    return finished


def places(entry: Mapping[str, str | int], private: Path) -> tuple[Path, Path]:
    """Where the public and the private part of a committed release are, once it is published."""
    return private.parent / str(entry["public"]) / str(entry["id"]), private / str(entry["id"])


def _refuse_damaged(staged: Path, private: Path, entry: Mapping[str, str | int]) -> None:
    evidence = (private / str(entry["staged"])).exists() or (private / str(entry["id"])).exists()
    try:
        found = hashlib.sha256((staged / "manifest.json").read_bytes()).hexdigest()
        reading.checked(staged)
    except (OSError, ReleaseError):
        found = ""
    if found != entry["manifest_sha256"] or not evidence:
        raise ReleaseError(
            f"the staged release `{entry['id']}` is not the one that was committed", folder=staged,
            hint="something else wrote there: bring both staged folders back, or take them away and build again",
        )  # fmt: skip


def _clear(ledger: Ledger, private: Path) -> None:
    """Take away what builds of this workspace left that died before they committed."""
    for hidden in unfinished(private):
        with disk.taken(hidden) as ours:
            # INVARIANT: asked while we hold its lease, so it cannot be committed behind our back.
            if ours and hidden.name not in {entry["staged"] for entry in ledger.releases()}:
                note = hidden / PUBLIC
                if note.is_file():
                    shutil.rmtree(Path(note.read_text()) / hidden.name, ignore_errors=True)
                shutil.rmtree(hidden, ignore_errors=True)


def unfinished(folder: Path) -> list[Path]:
    """What builds left here that died before they published: never visible as a release."""
    return disk.abandoned(folder, STAGING)


def published(folder: Path) -> list[Path]:
    """The published releases in a folder, oldest first; what is being staged is not among them."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if (p / "manifest.json").is_file() and not p.name.startswith("."))
