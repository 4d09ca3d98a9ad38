"""Checks what a platform hands out, with nothing but its files: a release, a proof, a checkpoint, a receipt.

Numbered steps, each of which says what it checked or raises VerificationError with its number and name; at the end stands
what all of that does not prove. Needs no database, no engine and no trust in whoever made the files: where pyarrow is
not installed it says that the rows were not recomputed. No text of anybody is in what it says.
Specification: docs/formats/proof.md, whose numbers are those of the steps.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import count, pairwise, takewhile
from pathlib import Path
from typing import Any, Protocol

import rfc8785

from aboveboard import manifest, merkle, recordproof, statement, subjectmap, succession
from aboveboard.certificate import Certificate
from aboveboard.errors import AboveboardError, VerificationError
from aboveboard.manifest import CHECKPOINT, COVERS, LOG_KEY, MAP_TOP, TOMBSTONES, Shard
from aboveboard.merkle import WIDTH
from aboveboard.note import ED25519, VerifierKey
from aboveboard.proof import Checkpoint, Entry, Inclusion, Seen, Trust
from aboveboard.recordproof import RecordProof
from aboveboard.statementproof import StatementProof

BATCH = 16_384
_BESIDE = ("README.md", "croissant.json", TOMBSTONES)

# --- what is known, what is said ----------------------------------------------------------------------------------


class History(Protocol):
    """The tiles of a log below one checkpoint (``log.Reader``)."""

    def consistency(self, before: int) -> Sequence[bytes]:
        """The proof that the log begins with its first ``before`` entries."""


@dataclass(frozen=True)
class Known:
    """What whoever checks has from elsewhere: the more of it, the more is proven.

    ``trust``: whose word counts; without one the key that came with the files is taken, and that is said.
    ``remembered``: the signed checkpoint of this log that was seen last. ``history`` opens the tiles of a copy of the log
    at a checkpoint, ``published`` is the signed checkpoint of that copy. ``later`` are folders of later releases, and
    ``releases`` the statements of releases that the copy of the log holds below a checkpoint, each with its place: one of
    them may say that it took the place of another.
    """

    trust: Trust | None = None
    remembered: bytes | None = None
    published: bytes | None = None
    history: Callable[[Checkpoint], History] | None = None
    later: Sequence[Path] = ()
    beside: Sequence[Path] = ()
    """Folders of the releases that a certificate names."""
    releases: Callable[[Checkpoint], Iterable[tuple[int, bytes]]] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step and what it checked; not ``done`` where it could not be taken, and why."""

    number: int
    name: str
    says: str
    done: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked: of which ``kind``, called what, step by step; who cosigned; and what is not proven.

    ``newest`` is the newest signed checkpoint that was checked: what to remember for the next time. ``superseded_by`` is the
    release that took the place of this one, where that is known.
    """

    kind: str
    name: str
    steps: tuple[Step, ...]
    not_proven: tuple[str, ...]
    seen: Seen | None = None
    newest: bytes | None = None
    superseded_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "verified": True,
            "kind": self.kind,
            "name": self.name,
            "steps": [{"step": s.number, "name": s.name, "says": s.says, "done": s.done} for s in self.steps],
            "checkpoint": seen and _told(seen.checkpoint),
            "key": seen and str(seen.log),
            "cosigners": [{"name": name, "time": one.time} for name, one in seen.cosigners.items()] if seen else [],
            "not_proven": list(self.not_proven),
            "superseded_by": self.superseded_by,
        }


def _told(at: Checkpoint) -> Mapping[str, Any]:
    return {"origin": at.origin, "size": at.size, "root": at.root.hex()}


CHOICES = "choices without a person's signature are the platform's word, a yes as much as a no"
RECEIVED = "when a record was received (collected_at) is the platform's word up to the day on which the log took it in (intake)"
JUDGED = "that each row may be used is the platform's judgement, until an auditor makes it again from the openings"
MAPPED = "what the subject map states of a person only that person can read, and only an auditor can tell that it is complete"
KEY_CAME = "the key came with the release: compare it with the one the platform publishes"
ALONE = "nobody cosigned: different people may have been shown different histories"
NOT_RECOMPUTED = (
    "rows not recomputed: pyarrow is not installed, so the data files are only known to be those of the statement"
)
WHOSE = "a row carries no id: that it is of the record and of the person it is said to be of is the platform's word"
WITHDRAWN = "that the row was not withdrawn before the release was committed: tombstones.json of the release says"
ATTESTED = (
    "that what is stated is true: it is the platform's word, and the log shows only that it was said, and by when"
)
LATER = "that nothing was stated later that changes it"
LATEST = "that this is the newest checkpoint: whoever shows it may hold back a newer one"
STANDS = (
    "that no later release took the place of this one: give later ones (--later), or the log and its objects (--log)"
)
ALL_OF_IT = "that everything withdrawn has left: a person checks their own row (check-me), an auditor all of it"
NOT_SCANNED = "what the releases hold: give both (--release BEFORE --release AFTER), and every row is read"
NOT_COMPARED = "that the log only grew since you looked last: nothing was remembered (--remember)"


@dataclass
class _Walk:
    """The steps that were taken; each is told as soon as it is."""

    tell: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)

    def take(self, name: str, check: Callable[[], str]) -> None:
        """Take the next step; whatever goes wrong in it is a VerificationError that names it."""
        number = len(self.steps) + 1
        with _failing(f"{number} {name}"):
            self._told(Step(number, name, check()))

    def skip(self, name: str, why: str) -> None:
        self._told(Step(len(self.steps) + 1, name, why, done=False))

    def _told(self, step: Step) -> None:
        self.steps.append(step)
        self.tell(step)


@contextmanager
def _failing(step: str) -> Iterator[None]:
    """Files come from whoever is being checked: whatever is wrong with them is a proof that is false, in our words."""
    try:
        yield
    except AboveboardError as error:
        context = {name: value for name, value in error.context.items() if name != "step"}
        raise VerificationError(error.sentence, hint=error.hint, step=step, **context) from error
    except FileNotFoundError as error:
        raise VerificationError("a file is missing", step=step, file=error.filename, hint="get it again") from error
    except OSError as error:
        raise VerificationError("a file cannot be read", step=step, file=error.filename) from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise VerificationError(
            "what is written there does not hold together", step=step, hint="get it again"
        ) from None


# --- the one way in -----------------------------------------------------------------------------------------------


def silent(step: Step) -> None:
    """Told of every step, and says nothing."""


def verify(path: Path | str, known: Known | None = None, tell: Callable[[Step], None] = silent) -> Report:
    """Check what stands at a path, recognised by what it holds; ``tell`` is told every step that held.

    Raises VerificationError, with the step that failed, for everything that is not as it says.
    """
    path, walk = Path(path), _Walk(tell)
    known = Known() if known is None else known
    with _failing("0 kind"):
        kind = kind_of(path)
    return _CHECKS[kind](path, known, walk)


def kind_of(path: Path) -> str:
    """``release``, ``record``, ``statement``, ``receipt``, ``checkpoint`` or ``capsule``; VerificationError for others."""
    if path.is_dir():
        if (path / "manifest.json").is_file():
            return "release"
        raise VerificationError("the folder is no release: it has no manifest.json", hint=_KINDS)
    with path.open("rb") as file:
        begin = file.read(200)
    if begin.startswith(b"{"):
        return _kind_of_json(path)
    if begin.startswith(b"aboveboard.dev/receipt/"):
        return "receipt"
    lines = begin.split(b"\n")
    if len(lines) > 2 and lines[1].isdigit():
        return "checkpoint"
    raise VerificationError("nothing here is known that could be verified", hint=_KINDS)


_KINDS = (
    "a release is a folder; the proof of a record or a statement, a receipt, a certificate and a checkpoint are files"
)


def _kind_of_json(path: Path) -> str:
    """By a value at the top that says so, whatever its name: this is a signpost, and the check itself reads strictly."""
    if path.stat().st_size > recordproof.LONGEST:
        raise VerificationError("the file is too large for a proof", hint=_KINDS)
    said = json.loads(path.read_bytes())
    for value in filter(lambda one: isinstance(one, str), said.values()):
        word = value.removeprefix("https://").removeprefix("aboveboard.dev/").removeprefix("aboveboard/")
        for name, kind in _FORMATS.items():
            if word.startswith(name):
                return kind
    raise VerificationError("nothing here is known that could be verified", hint=_KINDS)


_FORMATS = {
    "record-proof/": "record", "statement-proof/": "statement", "receipt/": "receipt", "capsule/": "capsule",
    "certificate/": "certificate",
}  # fmt: skip


# --- the statement of a release -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """What the statement of a release says, once it holds together by itself: its bytes, files, shards, predicate."""

    data: bytes
    files: Mapping[str, str]
    shards: tuple[Shard, ...]
    predicate: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.predicate["id"])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def map(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.predicate["subjects"]
        return found

    @property
    def supersedes(self) -> Mapping[str, str] | None:
        """The release that it takes the place of."""
        found: Mapping[str, str] | None = self.predicate.get("supersedes")
        if found is not None and (set(found) != {"release", "manifest_sha256"} or not _hex(found["manifest_sha256"])):
            raise VerificationError("the statement does not say which release it takes the place of")
        return found

    @property
    def log(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.predicate["log"]
        if found is None:
            raise VerificationError(
                "the release was entered in no log, so nobody but the platform vouches for it",
                hint="ask for one that was",
            )
        return found


def _read_statement(data: bytes, type_: str) -> Mapping[str, Any]:
    """An in-toto statement in its one form; raises VerificationError for any other bytes."""
    found: Mapping[str, Any] = json.loads(data)
    if rfc8785.dumps(found) != data:
        raise VerificationError("a statement is not in its one form (RFC 8785)", hint="get it again")
    if found["_type"] != manifest.STATEMENT or found["predicateType"] != type_:
        raise VerificationError(f"a statement is not of the type {type_}", hint="a newer aboveboard may know it")
    return found


def _said(data: bytes) -> _Said:
    """The statement of a release. Whoever reads on may rely on names, numbers and digests being what they should be."""
    whole = _read_statement(data, manifest.RELEASE)
    named, predicate = whole["subject"], whole["predicate"]
    files = {one["name"]: _hex(one["digest"]["sha256"]) for one in named}
    shards = tuple(_shard(one, files) for one in predicate["layout"]["shards"])
    said = _Said(data, files, shards, predicate)
    keys = [shard.key for shard in shards]
    if (
        len(files) != len(named)
        or keys != sorted(set(keys))
        or any(k >> _count(predicate["layout"]["bits"]) for k in keys)
    ):
        raise VerificationError("the statement names a file twice, or its layout does not hold together")
    _refuse_odd_names(said)
    if predicate["file_digest"] != manifest.file_digest(shards):
        raise VerificationError("file_digest is not the digest of the data files")
    if not said.name.endswith(f"-{_hex(predicate['rows_digest'])[:8]}"):
        raise VerificationError("the id of the release is not of these rows")
    return said


def _shard(said: Mapping[str, Any], files: Mapping[str, str]) -> Shard:
    name, key = said["file"], _count(said["key"])
    return Shard(key, name, files[name], 0, _hex(said["rows_digest"]), _hex(said["root"]))


def _refuse_odd_names(said: _Said) -> None:
    """Data files are named by their digest; beside them stand tiles, the map, and what describes the release."""
    expected = {*_BESIDE, *(f"data/{shard.sha256}.parquet" for shard in said.shards)}
    expected |= {MAP_TOP} if said.map is not None else set()
    levels = {manifest.tile_name(shard.key, level) for shard in said.shards for level in range(8)}
    odd = {shard.name for shard in said.shards} - expected | set(said.files) - expected - levels
    if odd or not expected <= set(said.files):
        raise VerificationError("the statement names other files than a release has", hint="docs/formats/proof.md")


def _hex(value: str) -> str:
    if len(bytes.fromhex(value)) != WIDTH or value != value.lower() or len(value) != 2 * WIDTH:
        raise VerificationError("a digest is not 64 hexadecimal digits")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise VerificationError("a number is not one")
    return value


# --- a release ----------------------------------------------------------------------------------------------------


def _check_release(folder: Path, known: Known, walk: _Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a release", step by step."""
    found = _Release(folder, known)
    walk.take("statement", found.statement)
    walk.take("files", found.files)
    walk.take("tombstones", found.tombstones)
    walk.take("trees", found.trees)
    recomputed = find_spec("pyarrow") is not None
    walk.take("rows", found.rows) if recomputed else walk.skip("rows", "rows not recomputed: pyarrow is not installed")
    walk.take("subject map", found.subjects)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entries", found.entries)
    walk.take("statements", found.statements)
    newest = _compare(walk, found.seen, found.signed, (*found.trust.logs, *found.keys.before), known)
    if known.later or known.releases:
        walk.take("superseded", found.superseded)
    more = (JUDGED, CHOICES, RECEIVED, *([MAPPED] if found.said.map else []), *([] if recomputed else [NOT_RECOMPUTED]))
    more = (*more, *([] if found.newer else [STANDS]))
    return Report(
        "release",
        found.said.name,
        tuple(walk.steps),
        _not_proven(found.seen, known, more),
        found.seen,
        newest,
        found.newer,
    )


def verify_entered(folder: Path, known: Known | None = None) -> tuple[Report, succession.Keys]:
    """That the statement of a release, and what it stands on, is in the log: without its files, which may be large. With
    it come the keys that the log names."""
    walk, told = _Walk(silent), known or Known()
    found = _Release(folder, told)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entries", found.entries)
    walk.take("statements", found.statements)
    newest = _compare(walk, found.seen, found.signed, (*found.trust.logs, *found.keys.before), told)
    missing = _not_proven(found.seen, told, ())
    return Report("release", found.said.name, tuple(walk.steps), missing, found.seen, newest), found.keys


def _not_proven(seen: Seen, known: Known, more: Sequence[str]) -> tuple[str, ...]:
    came = () if known.trust else (KEY_CAME,)
    alone = () if seen.cosigners else (ALONE,)
    compared = () if known.remembered or known.published else (NOT_COMPARED,)
    return (COVERS, *more, *came, *alone, *compared)


class _Release:
    """A release on its way through the steps: each leaves what the later ones rely on."""

    def __init__(self, folder: Path, known: Known) -> None:
        self.folder, self.known = folder, known
        self.said: _Said
        self.gone: frozenset[bytes]
        self.trust: Trust
        self.signed: bytes
        self.seen: Seen
        self.documents: dict[str, bytes] = {}
        self.keys: succession.Keys
        self.newer: str | None = None

    def statement(self) -> str:
        self.said = _said((self.folder / "manifest.json").read_bytes())
        told = f"{_many(len(self.said.files), 'file')}, {_many(len(self.said.shards), 'shard')}"
        place = f"; it takes the place of `{self.said.supersedes['release']}`" if self.said.supersedes else ""
        return f"manifest.json holds together: {told}{place}"

    def files(self) -> str:
        self.verify_digests()
        self._refuse_others()
        return f"each of the {_many(len(self.said.files), 'file')} has its SHA-256, and no other file is there"

    def verify_digests(self) -> None:
        for name, sha256 in self.said.files.items():
            if _sha256(self.folder / name) != sha256:
                raise VerificationError(
                    "a file is another one than the statement names", file=self.folder / name, hint="get it again"
                )

    def _refuse_others(self) -> None:
        """INVARIANT: nothing lies in a release that no later step covers: nobody vouches for a file beside it."""
        allowed = {"manifest.json", *self.said.files, *_proof_files(self.said)}
        if self.said.map is not None:
            buckets = range(1 << _bits(self.said.map))
            allowed |= {f"subjects/{subjectmap.bucket_name(prefix)}" for prefix in buckets}
        for path in self.folder.rglob("*"):
            inside = path.relative_to(self.folder).as_posix()
            if path.is_symlink() or (not path.is_dir() and inside not in allowed):
                raise VerificationError(
                    "a file is in the release that nothing vouches for", file=path, hint="take it away, or get it again"
                )

    def tombstones(self) -> str:
        data = (self.folder / TOMBSTONES).read_bytes()
        leaves = [bytes.fromhex(_hex(one)) for one in json.loads(data)["tombstones"]]
        if leaves != sorted(set(leaves)) or manifest.Tombstones(tuple(leaves)).document() != data:
            raise VerificationError("the list of withdrawn rows is not in its one form")
        self.gone = frozenset(leaves)
        return (
            f"{_many(len(leaves), 'row')} withdrawn before the release was committed"
            if leaves
            else "no row was withdrawn"
        )

    def trees(self) -> str:
        """One shard at a time: from the hashes of its rows to all hashes above them."""
        missing, shards = set(self.gone), []
        for shard in self.said.shards:
            leaves = (self.folder / manifest.tile_name(shard.key, 0)).read_bytes()
            self._verify_tree(shard, leaves)
            shards.append(replace(shard, rows=len(leaves) // WIDTH))
            missing -= {leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH)} if missing else set()
        if missing:
            raise VerificationError("a withdrawn row is in none of the shards")
        said, rows = self.said.predicate, sum(shard.rows for shard in shards)
        if said["rows_root"] != manifest.rows_root(shards) or said["rows_digest"] != manifest.rows_digest(shards):
            raise VerificationError("rows_root or rows_digest is not that of the shards")
        if said["counts"]["rows"] != manifest.told(rows):
            raise VerificationError("the statement counts another number of rows")
        return f"{_many(rows, 'row')} in {_many(len(shards), 'shard')}: the stored hashes lead to each root and to rows_root"

    def _verify_tree(self, shard: Shard, leaves: bytes) -> None:
        levels = merkle.levels(leaves)
        stored = {manifest.tile_name(shard.key, n): row for n, row in enumerate(levels[:: merkle.TILE_HEIGHT])}
        named = {name for name in self.said.files if name.startswith(f"rows/{shard.key:05d}/")}
        if not leaves or named != set(stored):
            raise VerificationError("the stored hashes of a shard are not all there", shard=shard.key)
        for name, row in stored.items():
            if (self.folder / name).read_bytes() != row:
                raise VerificationError("stored hashes do not follow from those below them", file=self.folder / name)
        if merkle.root_in(levels).hex() != shard.root or manifest.shard_digest([leaves]) != shard.rows_digest:
            raise VerificationError("the stored hashes lead to another root than the statement's", shard=shard.key)

    def rows(self) -> str:
        """Every leaf is made again from its row, and has to be the stored one at the same place."""
        done = 0
        for shard in self.said.shards:
            with (self.folder / manifest.tile_name(shard.key, 0)).open("rb") as stored:
                for leaves in _leaves(self.folder / shard.name):
                    if stored.read(len(leaves)) != leaves:
                        raise VerificationError("a row is another one than its hash", file=self.folder / shard.name)
                    done += len(leaves) // WIDTH
                if stored.read(1):
                    raise VerificationError("a data file has fewer rows than hashes", file=self.folder / shard.name)
        return (
            f"{_many(done, 'row')} recomputed from the data files: each has the hash stored for it, in the same order"
        )

    def subjects(self) -> str:
        said = self.said.map
        if said is None:
            return "the release has no subject map"
        bits, top = _bits(said), (self.folder / MAP_TOP).read_bytes()
        digests = [top[at : at + WIDTH] for at in range(0, len(top), WIDTH)]
        if len(top) != WIDTH << bits or said["scheme"] != subjectmap.SCHEME:
            raise VerificationError("the top of the subject map does not fit its buckets", file=self.folder / MAP_TOP)
        rows = sum(self._bucket(prefix, bits, digest) for prefix, digest in enumerate(digests))
        if subjectmap.root(digests).hex() != _hex(said["root"]):
            raise VerificationError("the buckets of the subject map lead to another root", file=self.folder / MAP_TOP)
        return f"{_many(rows, 'row')} in {_many(len(digests), 'bucket')}: in order, each in its bucket, under the stated root"

    def _bucket(self, prefix: int, bits: int, digest: bytes) -> int:
        path = self.folder / "subjects" / subjectmap.bucket_name(prefix)
        data = path.read_bytes()
        if hashlib.sha256(data).digest() != digest:
            raise VerificationError("a bucket of the subject map is another one", file=path, hint="get it again")
        if len(data) % subjectmap.WIDTH:
            raise VerificationError("a bucket of the subject map has a torn row", file=path)
        found = [data[at : at + subjectmap.INDEX] for at in range(0, len(data), subjectmap.WIDTH)]
        if any(one >= after for one, after in pairwise(found)):
            raise VerificationError(
                "a bucket of the subject map is out of order: it hides or repeats somebody", file=path
            )
        if found and {subjectmap.prefix_of(one, bits) for one in (found[0], found[-1])} != {prefix}:
            raise VerificationError("a bucket of the subject map holds rows of another", file=path)
        return len(found)

    def checkpoint(self) -> str:
        said, text = self.said.log, (self.folder / LOG_KEY).read_text("utf-8")
        self.trust = self.known.trust or _trust_of(text.removesuffix("\n"))
        self.signed = (self.folder / CHECKPOINT).read_bytes()
        self.seen = self.trust.verify(self.signed)
        if f"{self.seen.log}\n" != text:
            raise VerificationError("the key beside the release is not the one that signed", file=self.folder / LOG_KEY)
        if self.seen.checkpoint.origin != said["origin"]:
            raise VerificationError("the checkpoint is of another log than the statement names")
        return _signed(self.seen)

    def entries(self) -> str:
        places = {name: _count(place) for name, place in self.said.log["before"].items()}
        places["release"] = _count(self.said.log["index"])
        for name, type_ in _expected(self.said).items():
            self.documents[name] = self._entered(name, type_, places[name])
        _verify_order(places)
        return f"{_many(len(places), 'entry', 'entries')} in the log, in order: keys, policies, choices, the release"

    def _entered(self, name: str, type_: str, place: int) -> bytes:
        """The statement under this name, once the log holds an entry of its digest at the place that is said."""
        path = self.folder / manifest.proof_name(name)
        found = Inclusion.parse(path.read_bytes())
        if found.index != place or found.extra is None:
            raise VerificationError("a proof is of another entry than the statement names", file=path)
        self._same_log(found.verify(found.extra, self.trust), path)
        document = self.said.data if name == "release" else (self.folder / manifest.statement_name(name)).read_bytes()
        _verify_entry(found.extra, type_, document, path)
        return document

    def _same_log(self, seen: Seen, path: Path) -> None:
        """Proofs that were written at different times lead to different checkpoints: then those must be of one history."""
        with _about(path):
            _same_history(seen.checkpoint, self.seen.checkpoint, self.known)

    def statements(self) -> str:
        self.keys = succession.follow(self.documents[name] for name in _key_names(self.documents))
        # Just after a key was replaced, the one before may still have signed.
        if self.seen.log not in (self.keys.log, *self.keys.before[-1:]):
            raise VerificationError("the key that signed is not the one that the platform logged")
        versions = self.said.predicate["policy"]["versions"]
        for version in versions:
            self._verify_policy(version, self.documents[f"policy-{version['version']}"])
        if self.said.map is not None:
            self._verify_epoch(_predicate(self.documents["choice-epoch"], statement.EPOCH), self.said.map)
        if "intake" in self.documents:
            _hex(_predicate(self.documents["intake"], statement.INTAKE)["root"])
        told = f"{_many(len(versions), 'policy version')} and the choices up to position {self._judged:,}"
        return f"{told} are those of the statement"

    def superseded(self) -> str:
        """Whether one of the later releases, or of those that a copy of the log holds, took the place of this one."""
        for place, data in (*self._given(), *self._logged()):
            said = _said(data)
            named = said.supersedes
            if named is None or named["manifest_sha256"] != self.said.sha256 or named["release"] != self.said.name:
                continue
            if place <= _count(self.said.log["index"]) or said.log["origin"] != self.said.log["origin"]:
                raise VerificationError(
                    "a release that says it took the place of this one was logged before it, or elsewhere"
                )
            self.newer = said.name
            return f"`{said.name}` took the place of this release (entry {place:,} of the log): use that one"
        return "none of what was given took the place of this release"

    def _given(self) -> Iterator[tuple[int, bytes]]:
        """The statements of the later releases, each once the log is shown to hold it."""
        for folder in self.known.later:
            later = _Release(folder, self.known)
            later.statement()
            later.checkpoint()
            later.entries()
            if later.seen.log not in (self.seen.log, *self.trust.logs):
                raise VerificationError("a later release is in another log", folder=folder)
            yield _count(later.said.log["index"]), later.said.data

    def _logged(self) -> Iterator[tuple[int, bytes]]:
        """The statements in the copy of the log, below its checkpoint: that is of one history with ours (step 10)."""
        if self.known.releases is not None and self.known.published is not None:
            logs = (*self.trust.logs, *self.keys.before)
            yield from self.known.releases(Trust(tuple(logs)).verify(self.known.published).checkpoint)

    @property
    def _judged(self) -> int:
        ledger = self.said.predicate["ledger"]
        if _count(ledger["judged"]) > _count(ledger["position"]):
            raise VerificationError("the release was committed before it was judged")
        return int(ledger["judged"])

    def _verify_policy(self, version: Mapping[str, str], document: bytes) -> None:
        whole = _read_statement(document, statement.BASE + statement.POLICY)
        said = whole["predicate"]
        words = {one["name"]: one["digest"]["sha256"] for one in whole["subject"]}
        same = (
            said["policy"] == self.said.predicate["policy"]["name"]
            and said["version"] == version["version"]
            and _moment(said["effective_from"]) == _moment(version["effective_from"])
            and words["text.md"] == version["text_sha256"]
        )
        if not same:
            raise VerificationError("a policy version is not the one that was logged", version=version["version"])

    def _verify_epoch(self, said: Mapping[str, Any], map_: Mapping[str, Any]) -> None:
        if said["subjects"] != map_:
            raise VerificationError("the logged choices have another subject map than the release")
        if said["position"] != self._judged or _moment(said["at"]) != _moment(self.said.predicate["as_of"]):
            raise VerificationError("the logged choices are not those that the release was judged by")


def _proof_files(said: _Said) -> Iterator[str]:
    """What lies in ``proof/``: nothing where the release was entered in no log."""
    if said.predicate["log"] is None:
        return
    yield from (CHECKPOINT, LOG_KEY)
    for name in _expected(said):
        yield manifest.proof_name(name)
        if name != "release":  # its statement is manifest.json
            yield manifest.statement_name(name)


def _expected(said: _Said) -> Mapping[str, str]:
    """The entries that the statement has to name, with their types; raises VerificationError where it names others."""
    before = said.log["before"]
    keys = dict.fromkeys(_key_names(before), statement.KEY)
    policies = {f"policy-{version['version']}": statement.POLICY for version in said.predicate["policy"]["versions"]}
    epoch = {"choice-epoch": statement.EPOCH} if said.map is not None else {}
    intake = {"intake": statement.INTAKE} if "intake" in before else {}
    found = {**keys, **policies, **epoch, **intake}
    if not keys or not policies or set(found) != set(before) or any(mark in name for name in found for mark in "/\\"):
        raise VerificationError("the statement does not name the entries that come before a release")
    return {**found, "release": statement.RELEASE}


def _key_names(before: Container[str]) -> Iterator[str]:
    """``keys``, and for each key that was replaced ``keys-1``, ``keys-2`` and so on."""
    names = (f"keys-{number}" if number else "keys" for number in count())
    return takewhile(lambda name: name in before, names)


def _verify_order(places: Mapping[str, int]) -> None:
    """The log begins with the keys; policies come before the choices, and the release behind everything."""
    keys = [places[name] for name in _key_names(places)]
    policies = [place for name, place in places.items() if name.startswith("policy-")]
    epoch, release = places.get("choice-epoch", places["release"]), places["release"]
    if keys[0] != 0 or keys != sorted(keys) or not max(policies) < epoch <= release:
        raise VerificationError("the entries stand in the wrong order: keys, policies, choices, release")
    if max(places.values()) != release or len({*places.values()}) != len(places):
        raise VerificationError("the entries stand in the wrong order: the release is the last of them")


def _verify_entry(data: bytes, type_: str, document: bytes, path: Path) -> None:
    entry = Entry.parse(data)
    if entry.type != type_:
        raise VerificationError("an entry of the log is of another type", file=path)
    if (entry.digest, entry.size) != (hashlib.sha256(document).hexdigest(), len(document)):
        raise VerificationError("the statement is another one than was logged", file=path)


def _predicate(document: bytes, type_: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read_statement(document, statement.BASE + type_)["predicate"]
    return found


def _bits(said: Mapping[str, Any]) -> int:
    bits = _count(said["bits"])
    if bits > subjectmap.MAX_BITS:
        raise VerificationError("the subject map has too many buckets")
    return bits


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _leaves(file: Path) -> Iterator[bytes]:
    """The leaves of a data file, some thousands at a time, one behind another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as data:
            if data.schema_arrow.names != list(manifest.RELEASED_COLUMNS):
                raise VerificationError("a data file has other columns than a release has", file=file)
            for batch in data.iter_batches(batch_size=BATCH):
                yield b"".join([manifest.leaf(row) for row in batch.to_pylist()])
    except pa.lib.ArrowException:
        raise VerificationError("a data file cannot be read", file=file, hint="get it again") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _trust_of(text: str) -> Trust:
    """That a log with this key is relied on, and that nobody has to cosign."""
    key = VerifierKey.parse(text)
    if key.kind != ED25519:
        raise VerificationError(f"the key of `{key.name}` is no key of a log")
    return Trust((key,))


# --- one history --------------------------------------------------------------------------------------------------


def _compare(
    walk: _Walk, seen: Seen, signed: bytes, logs: Sequence[VerifierKey], known: Known, current: bool = False
) -> bytes:
    """The last step: the log that was shown now has only grown since, or will have; returns the newest checkpoint."""
    if known.remembered is None and known.published is None:
        walk.skip(
            "history", "nothing to compare the log with: no checkpoint was remembered, no copy of the log was given"
        )
        return signed
    newest = [(seen.checkpoint.size, signed)]
    walk.take("history", lambda: _history(seen, logs, known, current, newest))
    return max(newest, key=lambda one: one[0])[1]


def _history(
    seen: Seen, logs: Sequence[VerifierKey], known: Known, current: bool, newest: list[tuple[int, bytes]]
) -> str:
    told = []
    for name, signed in (("remembered", known.remembered), ("of the copy of the log", known.published)):
        if signed is None:
            continue
        # The log's own signature is enough here: a quorum that is asked for today may be newer than that checkpoint.
        try:
            at = Trust(tuple(logs)).verify(signed).checkpoint
        except VerificationError as error:
            raise VerificationError(
                f"the checkpoint {name} does not hold: {error.sentence}",
                hint="if the log's key was replaced since, name the old and the new one in a file: --trust FILE",
            ) from error
        if at.origin != seen.checkpoint.origin:
            raise VerificationError(f"the checkpoint {name} is of another log, `{at.origin}`")
        if current and signed is known.remembered and at.size > seen.checkpoint.size:
            raise VerificationError(
                f"an older checkpoint ({seen.checkpoint.size}) is shown than the one {name} ({at.size})"
            )
        _same_history(at, seen.checkpoint, known)
        newest.append((at.size, signed))
        told.append(f"the checkpoint {name} ({_many(at.size, 'entry', 'entries')})")
    return f"one history with {' and '.join(told)}: nothing was taken back or changed"


def _same_history(one: Checkpoint, other: Checkpoint, known: Known) -> None:
    """That the longer of two logs begins with the shorter; raises VerificationError where it does not or nobody shows it."""
    before, after = sorted((one, other), key=lambda at: at.size)
    path: Sequence[bytes] = ()
    if 0 < before.size < after.size:
        if known.history is None:
            raise VerificationError(
                f"nothing shows that the log of {after.size} entries continues the one of {before.size}",
                hint="give a copy of the log: --log FOLDER",
            )
        path = known.history(after).consistency(before.size)
    merkle.verify_consistency(before.size, after.size, path, before.root, after.root)


@contextmanager
def _about(file: Path) -> Iterator[None]:
    """Say in which file it was."""
    try:
        yield
    except VerificationError as error:
        raise VerificationError(error.sentence, hint=error.hint, **{"file": file, **error.context}) from error


def _signed(seen: Seen) -> str:
    by = ", ".join(seen.cosigners) or "nobody"
    at = seen.checkpoint
    return (
        f"`{at.origin}`, {_many(at.size, 'entry', 'entries')}, signed by the key {seen.log.id.hex()}; cosigned by {by}"
    )


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


# --- a record, a statement, a checkpoint, a receipt ----------------------------------------------------------------------------


def _check_record(path: Path, known: Known, walk: _Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a record"."""
    found = _Record(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("row", found.row)
    walk.take("shard", found.shard)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = _compare(walk, found.seen, found.proof.inclusion.checkpoint, found.trust.logs, known)
    empty = found.said.files[TOMBSTONES] == manifest.Tombstones().sha256
    more = (WHOSE, *(() if empty else (WITHDRAWN,)), JUDGED, CHOICES, RECEIVED)
    return Report(
        "record", found.said.name, tuple(walk.steps), _not_proven(found.seen, known, more), found.seen, newest
    )


class _Record:
    """The proof of a record on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.proof: RecordProof
        self.said: _Said
        self.trust: Trust
        self.seen: Seen

    def form(self) -> str:
        self.proof = RecordProof.parse(self.path.read_bytes())
        return "the proof is in its one form"

    def statement(self) -> str:
        self.said = _said(self.proof.manifest)
        return f"the statement of `{self.said.name}` holds together"

    def row(self) -> str:
        for shard in self.said.shards:
            if shard.key == self.proof.shard:
                self.proof.verify_row(bytes.fromhex(shard.root))
                return (
                    f"the row, hashed again, has place {self.proof.index:,} among the {self.proof.rows:,} of its shard"
                )
        raise VerificationError("the release has no shard of that number", shard=self.proof.shard)

    def shard(self) -> str:
        keys = [shard.key for shard in self.said.shards]
        root = bytes.fromhex(self.said.shards[keys.index(self.proof.shard)].root)
        self.proof.verify_shard(root, keys, bytes.fromhex(_hex(self.said.predicate["rows_root"])))
        return f"the shard is one of {len(keys):,} under rows_root"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or _trust_of(self.proof.key)
        self.seen = self.trust.verify(self.proof.inclusion.checkpoint)
        if str(self.seen.log) != self.proof.key:
            raise VerificationError("the key in the proof is not the one that signed")
        if self.seen.checkpoint.origin != self.said.log["origin"]:
            raise VerificationError("the checkpoint is of another log than the statement names")
        return _signed(self.seen)

    def entry(self) -> str:
        if self.proof.inclusion.index != _count(self.said.log["index"]):
            raise VerificationError("the proof is of another entry than the statement names")
        self.proof.inclusion.verify(self.proof.entry, self.trust)
        return f"entry {self.proof.inclusion.index:,} of the log is this statement, logged at {self.proof.at}"


def _check_statement(path: Path, known: Known, walk: _Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a statement"."""
    found = _Statement(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = _compare(walk, found.seen, found.proof.inclusion.checkpoint, found.trust.logs, known)
    more = _not_proven(found.seen, known, (ATTESTED, LATER))
    return Report("statement", found.name, tuple(walk.steps), more, found.seen, newest)


class _Statement:
    """The proof of a statement on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.proof: StatementProof
        self.trust: Trust
        self.seen: Seen
        self.name: str

    def form(self) -> str:
        self.proof = StatementProof.parse(self.path.read_bytes())
        return "the proof is in its one form"

    def statement(self) -> str:
        said = self.proof.said()
        about = [f"{one['name']} ({_hex(one['digest']['sha256'])})" for one in said["subject"]]
        self.name = f"{self.proof.type} {about[0] if about else hashlib.sha256(self.proof.statement).hexdigest()}"
        return f"a statement of the type {self.proof.type} about {', '.join(about) or 'no file'}"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or _trust_of(self.proof.key)
        self.seen = self.trust.verify(self.proof.inclusion.checkpoint)
        if str(self.seen.log) != self.proof.key:
            raise VerificationError("the key in the proof is not the one that signed")
        return _signed(self.seen)

    def entry(self) -> str:
        self.proof.inclusion.verify(self.proof.entry, self.trust)
        return f"entry {self.proof.inclusion.index:,} of the log is this statement, logged at {self.proof.at}"


def _check_checkpoint(path: Path, known: Known, walk: _Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a checkpoint"."""
    signed, found = path.read_bytes(), list[Seen]()
    trust = known.trust or _trust_beside(path)

    def judged() -> str:
        found.append(trust.verify(signed))
        return _signed(found[0])

    walk.take("checkpoint", judged)
    newest = _compare(walk, found[0], signed, trust.logs, known, current=True)
    not_proven = _not_proven(found[0], known, (LATEST,))
    return Report("checkpoint", found[0].checkpoint.origin, tuple(walk.steps), not_proven, found[0], newest)


def _trust_beside(path: Path) -> Trust:
    beside = path.with_name(Path(LOG_KEY).name)
    if not beside.is_file():
        raise VerificationError(
            "no key to check the checkpoint with", hint="give the log's key: --key", step="1 checkpoint"
        )
    with _failing("1 checkpoint"):
        return _trust_of(beside.read_text("utf-8").removesuffix("\n"))


def _check_receipt(path: Path, known: Known, walk: _Walk) -> Report:
    """What ``receipt.check`` says, sentence by sentence; the key that is trusted is the one that signs receipts."""
    keys = known.trust.logs if known.trust else ()
    with _failing("1 receipt"):
        said = _receipts().check(path.read_bytes(), keys[0] if keys else None)
    for sentence in said:
        if sentence.startswith(_UNCHECKED):
            walk.skip("receipt", sentence)
        elif not sentence.startswith(_UNPROVEN):
            walk.take("receipt", partial(str, sentence))
    more = [sentence.removeprefix(_UNPROVEN) for sentence in said if sentence.startswith(_UNPROVEN)]
    return Report("receipt", path.name, tuple(walk.steps), (COVERS, CHOICES, *more))


_UNCHECKED, _UNPROVEN = "not checked: ", "not proven: "


def _receipts() -> Any:
    """The room that reads receipts: ``check(data, key)`` gives sentences or raises VerificationError."""
    try:
        return importlib.import_module("aboveboard.receipt")
    except ModuleNotFoundError as error:
        raise VerificationError("this version knows no receipts", hint="a newer aboveboard does") from error


# --- a certificate ------------------------------------------------------------------------------------------------


def _check_certificate(path: Path, known: Known, walk: _Walk) -> Report:
    """Docs/formats/certificate.md, "What is checked"."""
    found = _Certificate(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = _compare(walk, found.seen, found.held.inclusion.checkpoint, found.trust.logs, known)
    if known.beside:
        walk.take("releases", found.releases)
    else:
        walk.skip("releases", "the releases were not given")
    outside = [f"outside of it: {one}" for one in found.held.said["outside"]]
    more = (*outside, ALL_OF_IT, *(() if known.beside else (NOT_SCANNED,)))
    name = str(found.held.said["after"]["release"])
    return Report("certificate", name, tuple(walk.steps), _not_proven(found.seen, known, more), found.seen, newest)


class _Certificate:
    """A certificate on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.held: Certificate
        self.trust: Trust
        self.seen: Seen

    def form(self) -> str:
        self.held = Certificate.parse(self.path.read_bytes())
        return "the certificate is in its one form"

    def statement(self) -> str:
        said = self.held.said
        removed = said["removed"]
        many = f"about {removed['about']:,}" if "about" in removed else f"fewer than {removed['below']}"
        return f"{many} rows of `{said['before']['release']}` are not in `{said['after']['release']}`, which took its place"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or _trust_of(self.held.key)
        self.seen = self.trust.verify(self.held.inclusion.checkpoint)
        if str(self.seen.log) != self.held.key:
            raise VerificationError("the key in the certificate is not the one that signed")
        return _signed(self.seen)

    def entry(self) -> str:
        self.held.inclusion.verify(self.held.entry, self.trust)
        if self.held.at != self.held.said["at"]:
            raise VerificationError("it was logged at another moment than the statement names")
        return f"entry {self.held.inclusion.index:,} of the log is this statement, logged at {self.held.at}"

    def releases(self) -> str:
        """Every row of both hashed again: nothing came in, and as many left as the statement says."""
        if find_spec("pyarrow") is None:
            raise VerificationError("the rows cannot be read without pyarrow", hint="pip install pyarrow")
        folders = {_said((one / "manifest.json").read_bytes()).name: one for one in self.known.beside}
        before = self._rows(folders, self.held.said["before"], usable=False)
        after = self._rows(folders, self.held.said["after"], usable=True)
        if after - before:
            raise VerificationError("the later release holds rows that the earlier one has not")
        gone, said = len(before) - len(after), self.held.said["removed"]
        if said != manifest.told(gone):
            raise VerificationError(f"{gone:,} rows left, which is not what the certificate says")
        return f"all rows of both were hashed: {len(after):,} stay, {gone:,} left, none came in"

    def _rows(self, folders: Mapping[str, Path], side: Mapping[str, str], usable: bool) -> set[bytes]:
        """The leaves of a release; ``usable``: without those that its tombstones name."""
        if side["release"] not in folders:
            raise VerificationError("a release of the certificate was not given", release=side["release"])
        folder = folders[side["release"]]
        data = (folder / "manifest.json").read_bytes()
        if hashlib.sha256(data).hexdigest() != side["manifest_sha256"]:
            raise VerificationError("the release is not the one that the certificate names", file=folder)
        said, found = _said(data), set[bytes]()
        for shard in said.shards:
            leaves = b"".join(_leaves(folder / shard.name))
            if merkle.root_of(leaves).hex() != shard.root:
                raise VerificationError("the rows of a file are not those of the statement", file=folder / shard.name)
            found.update(leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH))
        if not usable:
            return found
        if _sha256(folder / TOMBSTONES) != said.files[TOMBSTONES]:
            raise VerificationError("the tombstones are not those of the statement", file=folder / TOMBSTONES)
        gone = json.loads((folder / TOMBSTONES).read_bytes())["tombstones"]
        return found - {bytes.fromhex(one) for one in gone}


def _check_capsule(path: Path, known: Known, walk: _Walk) -> Report:  # noqa: ARG001 - as the others
    raise VerificationError("a capsule is checked against its release", hint="aboveboard check-me CAPSULE RELEASE")


_CHECKS: Mapping[str, Callable[[Path, Known, _Walk], Report]] = {
    "release": _check_release,
    "record": _check_record,
    "statement": _check_statement,
    "checkpoint": _check_checkpoint,
    "receipt": _check_receipt,
    "capsule": _check_capsule,
    "certificate": _check_certificate,
}
"""INVARIANT: every kind that ``kind_of`` names has its check here."""
