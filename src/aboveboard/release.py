"""A release: judged at the ledger's head, staged where nobody looks, then published whole.

``build`` promises that an unfinished release is invisible, that a no said while it was being built is heard before
it is published, and that the public part is made from what may be public and from nothing else. It declares what it
needs of the world (`Judge`, `Ledger`); the wiring hands it in.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from aboveboard import vocabulary
from aboveboard.errors import ReleaseError
from aboveboard.gate import Gate
from aboveboard.manifest import Governed, Manifest, salted
from aboveboard.policy import PolicyVersion
from aboveboard.reasons import Outcome

ATTEMPTS = 3
STAGING = ".staging"
NAME_LETTERS = 60
"""How much of a model's name goes into the id of a release: file systems take 255 bytes a name."""
Progress = Callable[[int, int], None]


class Judge(Protocol):
    """Whoever judges all records under a gate and writes them. The same inputs give the same files."""

    def write(self, data: Path, private: Path, progress: Progress | None = None) -> Governed:
        """Released rows into ``data``, decisions into ``private``; both durable when it returns."""


class Ledger(Protocol):
    """The ledger as a release sees it; positions only grow."""

    def holding(self) -> AbstractContextManager[int]:
        """The position of the newest event, with nothing appended until the context ends."""

    def closing_between(self, after: int, upto: int) -> int:
        """How many of the events behind ``after`` may take something out of a release."""


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
    sources: Sequence[str] = (),
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Release:
    """Judge at the head of the ledger and publish into ``to``; ``private`` is made with mode 0700.

    ``gate()`` binds the gate to the present moment and the ledger's head. When a closing event (a no, a deletion)
    arrives during the build, everything is judged again, ``ATTEMPTS`` times at most. ``sources`` are the names of
    those that the judge judges, for the statement. Raises ReleaseError with nothing published.
    """
    with in_plain_words():
        for _ in range(ATTEMPTS):
            bound = gate()
            _refuse_hopeless(bound)
            staged = _stage(judge(bound), bound, to, private, environment, sources, notes, progress)
            made = _publish_unless_closed(staged, bound.snapshot.position, ledger, to, private)
            if made is not None:
                return made
    raise ReleaseError(
        "people kept changing their choices while the release was being built",
        hint="build again; nothing was published",
    )


@contextmanager
def in_plain_words() -> Iterator[None]:
    """What the machine refuses (a full disk, a folder that is not ours) as a ReleaseError.

    Only the system's own words are passed on: a message of DuckDB may quote what somebody wrote.
    """
    import duckdb

    try:
        yield
    except OSError as error:
        words = (error.strerror or type(error).__name__).lower()
        raise ReleaseError(
            f"the file system refused: {words}", file=error.filename,
            hint="make room, or name a folder that can be written to; then try again",
        ) from error  # fmt: skip
    except duckdb.Error as error:
        raise ReleaseError(
            f"DuckDB failed: {type(error).__name__}",
            hint="make room on the disk, or give [engine] more memory; then try again",
        ) from None


@dataclass(frozen=True, slots=True)
class _Staged:
    """A release that nobody sees yet. Its private part never lies in the folder that is handed on."""

    public: Path
    private: Path
    manifest: Manifest
    governed: Governed

    @property
    def id(self) -> str:
        return self.manifest.id


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


def _stage(
    judge: Judge,
    gate: Gate,
    to: Path,
    private: Path,
    environment: Mapping[str, str],
    sources: Sequence[str],
    notes: Sequence[str],
    progress: Progress | None,
) -> _Staged:
    name = f"{STAGING}-{os.getpid()}-{secrets.token_hex(8)}"
    public, hidden = to / name, private / name
    private.mkdir(parents=True, exist_ok=True, mode=0o700)
    to.mkdir(parents=True, exist_ok=True)
    for left in (*unfinished(to), *unfinished(private)):
        shutil.rmtree(left, ignore_errors=True)
    try:
        hidden.mkdir(mode=0o700)
        public.mkdir()
        governed = judge.write(public / "data", hidden, progress)
        manifest = _manifest(gate, governed, environment, _salt(hidden), sources, notes)
        _write_public(public, manifest)
        _write_private(hidden, manifest, governed)
    except BaseException:
        shutil.rmtree(public, ignore_errors=True)
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return _Staged(public, hidden, manifest, governed)


def unfinished(folder: Path) -> list[Path]:
    """What builds left here that died before they published: never visible as a release."""
    found = folder.glob(f"{STAGING}-*-*") if folder.is_dir() else ()
    return [path for path in found if not alive(path.name.split("-")[1])]


def alive(pid: str) -> bool:
    """Whether a process of this number runs; a folder that carries the number of a dead one is a leftover."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _salt(private: Path) -> bytes:
    salt = secrets.token_bytes(32)
    _write(private / "salt", salt)
    return salt


def _manifest(
    gate: Gate,
    governed: Governed,
    environment: Mapping[str, str],
    salt: bytes,
    sources: Sequence[str],
    notes: Sequence[str],
) -> Manifest:
    return Manifest(
        id=release_id(gate.as_of, gate.job.model or gate.job.purpose, governed.rows_digest),
        as_of=gate.as_of,
        job={
            "purpose": gate.job.purpose,
            "recipient": gate.job.recipient,
            "regime": gate.job.regime,
            "model": gate.job.model,
            "use": gate.job.use,
            "sources": list(sources),
        },
        policy={"name": gate.policy.name, "versions": [_version(v) for v in gate.policy.versions]},
        position=gate.snapshot.position,
        people_digest=salted(salt, str(getattr(gate.snapshot, "digest", "") or "00")),
        shards=governed.shards,
        rows_digest=governed.rows_digest,
        source_digest=salted(salt, governed.source_digest),
        environment=environment,
        notes=(*notes, *NOTES),
    )


NOTES = (
    "Parts and fields that are denied were removed; free text was not searched for personal data.",
    "This statement is not signed yet. It covers what was built here; it cannot show that nothing else was trained on.",
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


def _write_public(folder: Path, manifest: Manifest) -> None:
    _write(folder / "manifest.json", manifest.statement())
    _write(folder / "README.md", _readme(manifest).encode("utf-8"))


def _readme(manifest: Manifest) -> str:
    job, versions = manifest.job, manifest.policy["versions"]
    rows = sum(shard.rows for shard in manifest.shards)
    listed = "\n".join(f"- `{v['version']}`, in force from {v['effective_from'][:10]}" for v in versions)
    notes = "\n".join(f"- {note}" for note in manifest.notes)
    return f"""# Release {manifest.id}

{rows:,} rows for `{job["purpose"]}` by `{job["recipient"]}`{f", to train `{job['model']}`" if job["model"] else ""}
{f"(declared use: {job['use']})" if job["use"] else ""}, judged on {manifest.as_of:%Y-%m-%d at %H:%M UTC} under the
regime `{job["regime"]}` and every choice recorded until then.

Policy `{manifest.policy["name"]}`:

{listed}

Read it with anything that reads Parquet: `data/*.parquet`, columns {", ".join(f"`{c}`" for c in _columns())}.
Rows digest: `{manifest.rows_digest}`.

{notes}
"""


def _columns() -> Sequence[str]:
    from aboveboard.manifest import RELEASED_COLUMNS

    return list(RELEASED_COLUMNS)


def _write_private(folder: Path, manifest: Manifest, governed: Governed) -> None:
    """What only the platform and its auditors see: exact counts, and the digests without salt."""
    document = {
        "release": manifest.id,
        "records": governed.records,
        "quarantined": governed.quarantined,
        "source_digest": governed.source_digest,
        "tallies": [asdict(tally) for tally in governed.tallies],
    }
    _write(folder / "exact-counts.json", json.dumps(document, indent=2).encode("utf-8"))


def _write(path: Path, data: bytes) -> None:
    """Write once, and have it on the disk before going on."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish_unless_closed(staged: _Staged, position: int, ledger: Ledger, to: Path, private: Path) -> Release | None:
    """The release, or None where somebody said no meanwhile. Whatever happens, nothing stays staged."""
    try:
        # INVARIANT: a no that was recorded before this moment is heard; nothing is recorded while we publish.
        with ledger.holding() as head:
            return None if ledger.closing_between(position, head) else _publish(staged, to, private)
    finally:
        _drop(staged)


def _publish(staged: _Staged, to: Path, private: Path) -> Release:
    """Private part first, then the public one: what is visible always has its evidence behind it.

    Evidence that is already there is never touched: the same private folder may serve several public ones.
    """
    hidden, shown = private / staged.id, to / staged.id
    for there in (shown, hidden):
        if there.exists():
            raise ReleaseError(
                f"a release `{staged.id}` is already there", folder=there,
                hint="build again in a second; if the ledger's clock runs ahead, wait until it has passed",
            )  # fmt: skip
    staged.private.rename(hidden)
    _settle(private)
    try:
        staged.public.rename(shown)
    except OSError:
        hidden.rename(staged.private)  # nobody saw it: it goes with the rest of what was staged
        raise
    _settle(to)
    return Release(staged.id, shown, hidden, staged.manifest, staged.governed)


def _settle(folder: Path) -> None:
    """Have the renames themselves on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop(staged: _Staged) -> None:
    shutil.rmtree(staged.public, ignore_errors=True)
    shutil.rmtree(staged.private, ignore_errors=True)


def published(folder: Path) -> list[Path]:
    """The published releases in a folder, oldest first; what is being staged is not among them."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if (p / "manifest.json").is_file() and not p.name.startswith("."))
