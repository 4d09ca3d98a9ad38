"""The log on a disk: tiles, bundles of entries, statements under their hash, and one signed checkpoint over them all.

An append stores entries and tiles under names that no checkpoint has named yet, then writes the signed checkpoint beside
the one in force, then renames it: one head at any time, and whatever it is killed at, the same size always has the same
root. What was stored for an append that never signed is nobody's and is written over by the next one. Nothing is signed
over tiles that disagree with the last checkpoint. Specification: docs/formats/log.md, "A log on disk".
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aboveboard import disk, merkle, note, proof, succession
from aboveboard.errors import LogError, VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.note import Note, Signer, VerifierKey
from aboveboard.proof import TILE, Checkpoint, Entry, Growth, Inclusion, Trust

CHECKPOINT = "checkpoint"
NEXT = ".next"
"""A signed checkpoint on its way to being the one in force: whoever finds it finishes that."""
LOCK = ".lock"
OBJECTS = "objects"


def keys_of(folder: Path) -> succession.Keys:
    """The keys that a log itself names, followed from its first entry on; its checkpoint is signed by the one in force.

    Just after that one was replaced, the one before may still have signed. Whether the log is the right one is for the
    caller to know, by the recovery key it names.
    """
    signed = Note.parse(checkpoint_of(folder))
    reader, statements = Reader(folder, Checkpoint.parse(signed.text)), []
    for index, data in enumerate(reader.entries()):
        entry = Entry.parse(data)
        if entry.type == succession.TYPE:
            reader.verify(index, data)
            statements.append(_statement(folder, entry))
    found = succession.follow(statements)
    signed.verify([found.log, *found.before[-1:]])
    return found


def _statement(folder: Path, entry: Entry) -> bytes:
    path = folder / OBJECTS / entry.digest
    statement = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(statement).hexdigest() != entry.digest:
        raise VerificationError("a statement that was logged is lost or another one", file=path)
    return statement


def checkpoint_of(folder: Path) -> bytes:
    """The signed checkpoint in a folder; raises LogError where there is none. Nothing is checked."""
    try:
        return (folder / CHECKPOINT).read_bytes()
    except FileNotFoundError as error:
        raise LogError("there is no log", file=folder, hint="`aboveboard log checkpoint` begins one") from error


class Reader:
    """A log as anybody can read it who has its files: everything is checked against one checkpoint before it is handed on.

    ``at`` is a checkpoint that the caller has checked (``Trust.judge``). Raises VerificationError for tiles and entries
    that do not lead to it. Keeps the tiles it has read.
    """

    def __init__(self, folder: Path, at: Checkpoint) -> None:
        self.folder = folder
        self.at = at
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree, from the tile that holds it or what it is made of. Not checked by itself."""
        up = level % 8
        begin = index << up
        tile = self._tile(level // 8, begin // TILE)
        row = tile[begin % TILE * WIDTH : (begin % TILE + (1 << up)) * WIDTH]
        if len(row) != WIDTH << up:
            raise VerificationError("a tile of the log is too short", level=level // 8, tile=begin // TILE)
        return merkle.root_of(row)

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            width = min(TILE, (self.at.size >> 8 * level) - index * TILE)
            self._tiles[level, index] = self._read(
                [proof.tile_path(level, index, width), proof.tile_path(level, index)], width * WIDTH
            )
        return self._tiles[level, index]

    def _read(self, paths: Sequence[str], most: int | None = None) -> bytes:
        """The first of these files that is there: a partial one may be gone once the full one is there."""
        for path in paths:
            try:
                return (self.folder / path).read_bytes()[:most]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise VerificationError("a file of the log cannot be read", file=self.folder / path) from error
        raise VerificationError("a file of the log is missing", file=self.folder / paths[0])

    def bundle(self, index: int) -> list[bytes]:
        """The entries ``[256 index, 256 index + 256)`` as far as the checkpoint goes. Not checked by itself."""
        width = min(TILE, self.at.size - index * TILE)
        found = proof.unbundled(self._read([proof.bundle_path(index, width), proof.bundle_path(index)]))[:width]
        if len(found) != width:
            raise VerificationError("a bundle of entries is too short", bundle=index)
        return found

    def entry(self, index: int) -> bytes:
        """The bytes of an entry, which the checkpoint covers."""
        if not 0 <= index < self.at.size:
            raise LogError(f"the log has no entry {index}", hint=f"it has {self.at.size:,}, counted from 0")
        found = self.bundle(index // TILE)[index % TILE]
        self.verify(index, found)
        return found

    def verify(self, index: int, entry: bytes) -> None:
        """That the checkpoint covers these bytes at this place."""
        merkle.verify_inclusion(merkle.leaf_hash(entry), index, self.at.size, self.inclusion(index), self.at.root)

    def entries(self) -> Iterator[bytes]:
        """Every entry from the first on, as stored: ``audit`` is what checks them all."""
        for index in range(-(-self.at.size // TILE)):
            yield from self.bundle(index)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The path from an entry to the root of the first ``size`` entries (all)."""
        upto = self.at.size if size is None else size
        if not 0 <= index < upto <= self.at.size:
            raise LogError(
                f"the log has no entry {index} below {upto}", hint=f"it has {self.at.size:,}, counted from 0"
            )
        path = merkle.inclusion(index, upto, self.node)
        merkle.verify_inclusion(self.node(0, index), index, upto, path, self.root_at(upto))
        return path

    def consistency(self, before: int, after: int | None = None) -> list[bytes]:
        """The proof that the log of ``after`` entries (all) begins with that of ``before``."""
        upto = self.at.size if after is None else after
        if not 0 <= before <= upto <= self.at.size:
            raise LogError(f"the log of size {upto} has none of size {before}", hint=f"it has {self.at.size:,} entries")
        path = merkle.consistency(before, upto, self.node)
        merkle.verify_consistency(before, upto, path, merkle.root_at(before, self.node), self.root_at(upto))
        return path

    def root_at(self, size: int) -> bytes:
        """The root that the log had at this size; for the size of the checkpoint it has to be the checkpoint's."""
        found = merkle.root_at(size, self.node)
        if size == self.at.size and found != self.at.root:
            raise VerificationError("the tiles of the log disagree with its checkpoint", file=self.folder, size=size)
        return found

    def verify_edge(self) -> None:
        """That the last tile of each level and the last entries lead to the checkpoint: what the next append builds on."""
        self.root_at(self.at.size)
        if last := self.at.size % TILE:
            index = self.at.size // TILE
            if b"".join(map(merkle.leaf_hash, self.bundle(index))) != self._tile(0, index)[: last * WIDTH]:
                raise VerificationError("the entries of the log disagree with its tiles", bundle=index)


@dataclass(frozen=True, slots=True)
class Draft:
    """An append that is stored and not signed yet: where its entries will stand, and the checkpoint over them."""

    indices: range
    checkpoint: Checkpoint
    files: tuple[str, ...] = field(default=(), repr=False)


class Log:
    """A log that one can append to: the folder, and the key that signs its checkpoints, named as the log (its origin).

    While that key is being replaced, ``also`` are others that sign beside it, ``accepts`` those that may have signed.
    Durable when a call returns. Appends of several processes wait for each other (``flock``); readers never wait.
    """

    def __init__(
        self, folder: Path, signer: Signer, also: Sequence[Signer] = (), accepts: Sequence[VerifierKey] = ()
    ) -> None:
        self.folder = folder
        self.signer = signer
        self.also = also
        self.accepts = (signer.key, *(one.key for one in also), *accepts)

    @classmethod
    def open(cls, folder: Path, signer: Signer) -> Log:
        """The log in a folder; raises LogError where there is none, VerificationError where another key signed it."""
        log = cls(folder, signer)
        log.head()
        return log

    @classmethod
    def make(cls, folder: Path, signer: Signer) -> Log:
        """The log in a folder, empty where there was none; never one in place of a log that lost its checkpoint."""
        log = cls(folder, signer)
        disk.folders(folder)
        with disk.locked(folder / LOCK):
            if not (folder / CHECKPOINT).exists():
                log._begin()
        log.head()
        return log

    def checkpoint(self) -> bytes:
        """The signed checkpoint in force, with the cosignatures that were merged into it."""
        return checkpoint_of(self.folder)

    def head(self) -> Checkpoint:
        """What the checkpoint in force says, signed by our key."""
        return self._own(self.checkpoint())

    def reader(self) -> Reader:
        """The log as it now is."""
        return Reader(self.folder, self.head())

    def inclusion(self, index: int, extra: bytes | None = None, signed: bytes | None = None) -> Inclusion:
        """The proof of one entry, to be kept by whoever it is about; under the checkpoint in force unless one is given."""
        signed = self.checkpoint() if signed is None else signed
        reader = Reader(self.folder, self._own(signed))
        return Inclusion(index, tuple(reader.inclusion(index)), signed, extra)

    def consistency(self, before: int) -> Growth:
        """The proof that the log in force begins with the one of ``before`` entries: what a witness is sent."""
        signed = self.checkpoint()
        reader = Reader(self.folder, self._own(signed))
        return Growth(before, tuple(reader.consistency(before)), signed)

    def find(self, digest: str) -> int | None:
        """Where the first entry with the digest of a statement stands. Reads every entry: meant for recovery."""
        for index, data in enumerate(self.reader().entries()):
            if Entry.parse(data).digest == digest:
                return index
        return None

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, statement: bytes) -> str:
        """Keep a statement under its hash, which is returned (SHA-256, hexadecimal). Twice is once; a damaged one is mended."""
        digest = hashlib.sha256(statement).hexdigest()
        path = self.folder / OBJECTS / digest
        disk.folders(path.parent)
        # A lock of its own: a statement may be kept while an append is prepared, which holds the other.
        with disk.locked(path.parent / LOCK):
            if not path.is_file() or path.read_bytes() != statement:
                with disk.step("log object"):
                    disk.place(path, statement)
        return digest

    def statement(self, digest: str) -> bytes:
        """A statement that was kept, by its SHA-256; raises LogError where it is not there, or not what it was."""
        path = self.folder / OBJECTS / digest
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = b""
        if hashlib.sha256(found).hexdigest() != digest:
            raise LogError(
                "a statement of the log is lost or damaged", file=path,
                hint="`aboveboard log restore COPY` takes it from a copy of log/, or from a release that came with it",
            )  # fmt: skip
        return found

    def append(self, entries: Sequence[bytes], expected_size: int) -> range:
        """Append entries to a log of ``expected_size``, sign the new checkpoint, and say where they stand.

        The same entries at the same place twice are once, so whoever was killed calls it again. Raises LogError where
        the log has moved on by other entries, and VerificationError where what is stored disagrees with its checkpoint.
        """
        with self.prepared(entries, expected_size) as draft:
            return draft.indices

    @contextmanager
    def prepared(self, entries: Sequence[bytes], expected_size: int) -> Iterator[Draft]:
        """As ``append``, signed when the context ends without an error: what happens inside happens before the log knows.

        The log is held meanwhile. What is stored for a draft that is never signed counts for nothing.
        """
        for entry in entries:
            Entry.parse(entry)
        disk.folders(self.folder)
        with disk.locked(self.folder / LOCK):
            self._finish()
            head = self.head()
            if head.size != expected_size:
                yield self._again(head, entries, expected_size)
                return
            draft = self._stored(head, entries)
            yield draft
            if entries:
                self._sign(draft)

    def sign_again(self) -> None:
        """Sign the log as it is, where the checkpoint in force was signed by another key that is accepted."""
        with disk.locked(self.folder / LOCK):
            self._finish()
            if not any((one.name, one.id) == (self.signer.name, self.signer.key.id) for one in self._lines()):
                head = self.head()
                Reader(self.folder, head).verify_edge()
                self._sign(Draft(range(head.size, head.size), head))

    def _lines(self) -> Sequence[note.Signature]:
        return Note.parse(self.checkpoint()).signatures

    def merge(self, cosigned: bytes, trust: Trust) -> list[str]:
        """Take the cosignatures of witnesses whom one trusts into the checkpoint; the names of those it now has.

        Raises LogError for a checkpoint that is not the one in force: a witness signs one size and no other.
        """
        theirs = Note.parse(cosigned)
        with disk.locked(self.folder / LOCK):
            self._finish()
            ours = Note.parse(self.checkpoint())
            if theirs.text != ours.text:
                raise LogError("the cosigned checkpoint is not the one in force", hint="let the witness see it again")
            known = {(key.name, key.id) for key in trust.witnesses.values()}
            others = [line for line in theirs.signatures if (line.name, line.id) in known]
            replaced = {(line.name, line.id) for line in others}
            kept = [line for line in ours.signatures if (line.name, line.id) not in replaced]
            data = note.signed(ours.text, [*kept, *others])
            vouched = Note.parse(data).verify([self.signer.key, *trust.witnesses.values()])
            with disk.step("log checkpoint"):
                disk.place(self.folder / CHECKPOINT, data)
        return [one.key.name for one in vouched if one.key != self.signer.key]

    def _own(self, signed: bytes) -> Checkpoint:
        found = Note.parse(signed)
        try:
            found.verify(self.accepts)
        except VerificationError as error:
            raise VerificationError(
                f"the checkpoint of the log is not ours: {error.sentence}", file=self.folder / CHECKPOINT,
                hint="bring back the key that signed it, or the checkpoint, from your backup",
            ) from error  # fmt: skip
        checkpoint = Checkpoint.parse(found.text)
        if checkpoint.origin != self.signer.name:
            raise VerificationError(f"the checkpoint is of another log, `{checkpoint.origin}`", file=self.folder)
        return checkpoint

    def _begin(self) -> None:
        """Sign the empty log, where nothing says that there ever was another one."""
        if (self.folder / "tile").exists():
            raise VerificationError(
                "the log has tiles and no checkpoint", file=self.folder,
                hint="bring the checkpoint back from your backup, or take log/ away and `aboveboard log restore COPY`: a second "
                "log under one name would be a fork",
            )  # fmt: skip
        if not (self.folder / NEXT).exists():
            self._sign(Draft(range(0), Checkpoint(self.signer.name, 0, merkle.EMPTY)))
        self._finish()

    def _finish(self) -> None:
        """Put the signed checkpoint in force that somebody could not.

        INVARIANT: it was written after everything it covers was durable, and nothing else is signed while it is there.
        """
        path = self.folder / NEXT
        if not path.exists():
            return
        found = self._own(path.read_bytes())
        Reader(self.folder, found).verify_edge()
        if (self.folder / CHECKPOINT).exists():
            before = self.head()
            reader = Reader(self.folder, found)
            steps = merkle.consistency(before.size, found.size, reader.node)
            merkle.verify_consistency(before.size, found.size, steps, before.root, found.root)
        self._enforce()

    def _again(self, head: Checkpoint, entries: Sequence[bytes], expected_size: int) -> Draft:
        """The place of entries that are in the log already, just where they were to go."""
        indices = range(expected_size, expected_size + len(entries))
        reader = Reader(self.folder, head)
        if not entries or indices.stop > head.size or any(
            reader.entry(index) != entry for index, entry in zip(indices, entries, strict=True)
        ):  # fmt: skip
            raise LogError(
                f"the log has moved on: it has {head.size} entries, not {expected_size}",
                hint="look again, and then append",
            )
        return Draft(indices, head)

    def _stored(self, head: Checkpoint, entries: Sequence[bytes]) -> Draft:
        """Store entries and tiles behind the head, where no checkpoint looks yet."""
        reader = Reader(self.folder, head)
        reader.verify_edge()
        grown = merkle.Range(head.size, merkle.peaks_of(head.size, reader.node))
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        for leaf in leaves:
            grown.append(leaf)
        files = {**_bundles(reader, entries), **_tiles(reader, leaves)}
        for name, data in files.items():
            with disk.step("log entries" if name.startswith("tile/entries") else "log tile"):
                disk.place(self.folder / name, data)
        size = head.size + len(entries)
        return Draft(range(head.size, size), Checkpoint(head.origin, size, grown.root()), tuple(files))

    def _sign(self, draft: Draft) -> None:
        """Sign what is stored and put it in force.

        The signed checkpoint is durable beside the one in force before anybody can see it: otherwise a crash could
        take back what a reader has seen, and the next append would sign a fork.
        """
        text = draft.checkpoint.text()
        with disk.step("log next"):
            disk.place(self.folder / NEXT, note.signed(text, [one.sign(text) for one in (self.signer, *self.also)]))
        self._enforce()
        for name in draft.files:
            if "." not in name:
                shutil.rmtree(self.folder / f"{name}.p", ignore_errors=True)

    def _enforce(self) -> None:
        with disk.step("log checkpoint"):
            (self.folder / NEXT).replace(self.folder / CHECKPOINT)
            disk.settle(self.folder)


def _bundles(reader: Reader, entries: Sequence[bytes]) -> dict[str, bytes]:
    """The bundles that change or come when entries are appended."""
    first = reader.at.size // TILE
    whole = [*(reader.bundle(first) if reader.at.size % TILE else []), *entries]
    parts = [whole[at : at + TILE] for at in range(0, len(whole), TILE)]
    return {proof.bundle_path(first + n, len(part)): proof.bundle(part) for n, part in enumerate(parts)}


def _tiles(reader: Reader, leaves: Sequence[bytes]) -> dict[str, bytes]:
    """The tiles that change or come when leaves are appended, level by level: a tile that fills is a hash above it."""
    files: dict[str, bytes] = {}
    level, size, fresh = 0, reader.at.size, list(leaves)
    while fresh:
        first = size // TILE
        row = (reader._tile(level, first) if size % TILE else b"") + b"".join(fresh)
        parts = [row[at : at + TILE * WIDTH] for at in range(0, len(row), TILE * WIDTH)]
        files |= {proof.tile_path(level, first + n, len(part) // WIDTH): part for n, part in enumerate(parts)}
        fresh = [merkle.root_of(part) for part in parts if len(part) == TILE * WIDTH]
        level, size = level + 1, size // TILE
    return files


# --- looking at all of it -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audit:
    """What a log holds, by type of entry, and everything in it that is not as it should be."""

    checkpoint: Checkpoint
    types: dict[str, int]
    problems: tuple[str, ...]


def audit(folder: Path, signed: bytes, keys: Sequence[VerifierKey]) -> Audit:
    """Compute a log again from its entries: checkpoint, tiles, bundles, and the statements that the entries name.

    Needs nothing but the files and the keys of the log. Raises VerificationError where the checkpoint itself cannot be
    relied on; all else is told together.
    """
    found = Note.parse(signed)
    found.verify(keys)
    at = Checkpoint.parse(found.text)
    reader, types, problems, leaves = Reader(folder, at), Counter[str](), list[str](), list[bytes]()
    named: list[bytes] = []
    try:
        for index, data in enumerate(reader.entries()):
            leaves.append(merkle.leaf_hash(data))
            problems += _problems_of(folder, index, data, types, named)
    except VerificationError as error:
        return Audit(at, dict(types), (*problems, str(error)))
    if merkle.root_of(leaves) != at.root:
        problems.append(f"the {at.size:,} entries lead to another root than the checkpoint's")
    problems += _wrong_tiles(folder, at.size, leaves)
    problems += _wrong_keys(named, found)
    return Audit(at, dict(types), tuple(problems))


def _problems_of(folder: Path, index: int, data: bytes, types: Counter[str], named: list[bytes]) -> Iterator[str]:
    try:
        entry = Entry.parse(data)
    except VerificationError as error:
        yield f"entry {index}: {error.sentence}"
        return
    types[entry.type] += 1
    path = folder / OBJECTS / entry.digest
    if not path.is_file():
        yield f"entry {index}: its statement is not in {OBJECTS}/"
        return
    statement = path.read_bytes()
    if hashlib.sha256(statement).hexdigest() != entry.digest or len(statement) != entry.size:
        yield f"entry {index}: its statement is not the one that was logged"
    elif entry.type == succession.TYPE:
        named.append(statement)


def _wrong_keys(named: Sequence[bytes], signed: Note) -> Iterator[str]:
    """Where the log names its keys, its checkpoint has to be signed by the one in force."""
    if not named:
        return
    try:
        signed.verify([succession.follow(named).log])
    except VerificationError as error:
        yield f"the keys of the log: {error.sentence}"


def _wrong_tiles(folder: Path, size: int, leaves: Sequence[bytes]) -> Iterator[str]:
    """Every stored tile that is not what the entries make, also older partial ones that somebody may still ask for."""
    every = merkle.levels(leaves)
    for level, index, width in proof.tiles(size):
        right = every[8 * level][index * TILE * WIDTH : (index * TILE + width) * WIDTH]
        stored = [(folder / proof.tile_path(level, index, width), width)]
        older = folder / f"{proof.tile_path(level, index)}.p"
        stored += [(path, int(path.name)) for path in older.glob("*") if path.name.isdigit() and int(path.name) < width]
        for path, wide in stored:
            if not path.is_file() or path.read_bytes() != right[: wide * WIDTH]:
                yield f"{path.relative_to(folder)} is missing or not what the entries make"
