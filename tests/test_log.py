"""The log on a disk: what it stores is what the specification says, and nothing that happens to it makes a fork."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from aboveboard import disk, log, merkle, note, proof
from aboveboard.errors import LogError, VerificationError
from aboveboard.log import Log, Reader
from aboveboard.note import COSIGNATURE, Note, Signer
from aboveboard.proof import Checkpoint, Entry, Trust

HERE = Path(__file__).resolve().parent
KILLS = 40 if os.environ.get("CI") else 6
SIGNER = Signer("birdsite.example/log", bytes(range(32)))
WITNESS = Signer("witness.example/1", b"w" * 32, COSIGNATURE)
TRUST = Trust.parse(f"log {SIGNER.key}\nwitness w {WITNESS.key}\nquorum none\n".encode())
WRITES = ("log object", "log entries", "log tile", "log next", "log checkpoint")
"""Every write of an append, in the order in which it first happens."""


def statement(number: int, more: str = "") -> bytes:
    return b'{"number":%d%s}' % (number, more.encode())


def entry(number: int, more: str = "") -> bytes:
    said = statement(number, more)
    return Entry("release/v1", "2026-01-01T00:00:00Z", hashlib.sha256(said).hexdigest(), len(said)).data()


def entries(begin: int, end: int) -> list[bytes]:
    return [entry(n) for n in range(begin, end)]


def grown(folder: Path, size: int, *, step: int = 10_000) -> Log:
    """A log of this size, with its statements, appended to by steps."""
    made = Log.make(folder, SIGNER)
    for begin in range(0, size, step):
        end = min(size, begin + step)
        made.append(entries(begin, end), begin)
    (folder / log.OBJECTS).mkdir(exist_ok=True)
    for n in range(size):
        (folder / log.OBJECTS / hashlib.sha256(statement(n)).hexdigest()).write_bytes(statement(n))
    return made


@pytest.fixture
def small(tmp_path: Path) -> Log:
    return grown(tmp_path / "log", 7, step=3)


def whole(made: Log) -> Checkpoint:
    """The head of a log in which everything is as it should be."""
    found = log.audit(made.folder, made.checkpoint(), [SIGNER.key])
    assert found.problems == ()
    return found.checkpoint


# --- what is stored -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 700])
@pytest.mark.parametrize("step", [97, 10_000])
def test_a_log_of_any_size_has_its_tiles_and_proves_its_entries(tmp_path: Path, size: int, step: int) -> None:
    made = grown(tmp_path / "log", size, step=step)
    assert whole(made) == Checkpoint(SIGNER.name, size, merkle.root_of([merkle.leaf_hash(e) for e in entries(0, size)]))
    for level, index, width in proof.tiles(size):
        assert (made.folder / proof.tile_path(level, index, width)).stat().st_size == width * 32
    for index in {0, 1, size // 2, 255, 256, size - 1} & set(range(size)):
        assert made.reader().entry(index) == entry(index)
        assert made.inclusion(index).verify(entry(index), TRUST).checkpoint == made.head()
        with pytest.raises(VerificationError):
            made.inclusion(index).verify(entry(index + 1), TRUST)
    for before in {0, 1, size // 2, 256, size} & set(range(size + 1)):
        sent, old = made.consistency(before), merkle.root_of([merkle.leaf_hash(e) for e in entries(0, before)])
        merkle.verify_consistency(before, size, sent.path, old, made.head().root)
    assert made.find(hashlib.sha256(statement(size - 1)).hexdigest()) == (size - 1 if size else None)


def test_partial_tiles_go_when_the_full_one_is_there_and_old_sizes_are_still_proved(tmp_path: Path) -> None:
    made = grown(tmp_path / "log", 250)
    before = made.head()
    made.append(entries(250, 260), 250)
    assert not (made.folder / "tile/0/000.p").exists()
    assert not (made.folder / "tile/entries/000.p").exists()
    old = Reader(made.folder, before)
    assert old.entry(249) == entry(249)
    merkle.verify_inclusion(merkle.leaf_hash(entry(3)), 3, 250, old.inclusion(3), before.root)


def test_levels_above_the_first_are_written_too(tmp_path: Path) -> None:
    """65,600 entries reach the third level of tiles; the entries are made quickly, the hashing is all real."""
    size = 256 * 256 + 64
    made = Log.make(tmp_path / "log", SIGNER)
    made.append(entries(0, size - 3), 0)
    made.append(entries(size - 3, size), size - 3)
    assert (made.folder / "tile/2/000.p/1").read_bytes() == merkle.root_of((made.folder / "tile/1/000").read_bytes())
    assert (made.folder / "tile/0/256.p/64").stat().st_size == 64 * 32
    assert made.inclusion(5).verify(entry(5), TRUST).checkpoint.size == size


# --- appending ----------------------------------------------------------------------------------------------------


def test_an_append_says_where_and_twice_is_once(small: Log) -> None:
    assert small.append(entries(7, 9), 7) == range(7, 9)
    assert small.append(entries(7, 9), 7) == range(7, 9)
    assert small.append(entries(7, 8), 7) == range(7, 8)
    assert small.head().size == 9
    assert small.append([], 9) == range(9, 9)


def test_a_log_that_moved_on_is_not_appended_to(small: Log) -> None:
    before = small.checkpoint()
    for others, expected in ((entries(9, 10), 5), ([entry(6, ',"x":1')], 6), (entries(8, 9), 8), ([], 5)):
        with pytest.raises(LogError, match="the log has moved on"):
            small.append(others, expected)
    assert small.checkpoint() == before
    whole(small)


def test_what_is_no_entry_is_not_appended(small: Log) -> None:
    for other in (b"{}", b"", entry(7) + b" ", b'{"t":"x"}'):
        with pytest.raises(VerificationError):
            small.append([other], 7)
    assert whole(small).size == 7


def test_a_draft_is_signed_when_its_context_ends_and_not_when_it_fails(small: Log) -> None:
    with pytest.raises(ZeroDivisionError), small.prepared(entries(7, 9), 7) as draft:
        _fail_at(draft)
    assert whole(small).size == 7
    with small.prepared([entry(7, ',"x":1')], 7) as draft:
        assert small.head().size == 7
        small.put(statement(7, ',"x":1'))
    assert small.head() == draft.checkpoint
    whole(small)


def _fail_at(draft: log.Draft) -> None:
    assert draft.indices == range(7, 9)
    raise ZeroDivisionError


def test_statements_are_kept_once_under_their_hash(small: Log) -> None:
    digest = small.put(b"something said")
    assert (small.folder / log.OBJECTS / digest).read_bytes() == b"something said"
    written: list[str] = []
    token = disk.watcher.set(lambda _, name: written.append(name))
    try:
        assert small.put(b"something said") == digest
    finally:
        disk.watcher.reset(token)
    assert written == []


def test_there_is_one_log_under_a_name(small: Log, tmp_path: Path) -> None:
    assert Log.make(small.folder, SIGNER).head().size == 7
    with pytest.raises(LogError, match="there is no log"):
        Log.open(tmp_path / "nowhere", SIGNER)
    for other in (Signer(SIGNER.name, b"k" * 32), Signer("other.example/log", SIGNER.secret)):
        with pytest.raises(VerificationError, match="is not ours"):
            Log.open(small.folder, other)
    (small.folder / "checkpoint").unlink()
    with pytest.raises(VerificationError, match="tiles and no checkpoint"):
        Log.make(small.folder, SIGNER)


def test_what_cannot_be_asked(small: Log) -> None:
    for ask in (lambda: small.inclusion(7), lambda: small.inclusion(-1), lambda: small.consistency(8),
                lambda: small.reader().entry(7), lambda: small.reader().inclusion(3, 3)):  # fmt: skip
        with pytest.raises(LogError, match="has no"):
            ask()


# --- files that somebody changed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tile/0/000.p/7", "tile/entries/000.p/7"])
def test_nothing_is_signed_over_what_disagrees_with_the_checkpoint(small: Log, path: str) -> None:
    data = bytearray((small.folder / path).read_bytes())
    data[-5] ^= 1
    (small.folder / path).write_bytes(data)
    before = small.checkpoint()
    with pytest.raises(VerificationError, match="disagree"):
        small.append(entries(7, 8), 7)
    (small.folder / path).unlink()
    with pytest.raises(VerificationError, match="is missing"):
        small.append(entries(7, 8), 7)
    assert small.checkpoint() == before


def test_a_checkpoint_that_was_changed_is_not_ours(small: Log) -> None:
    data = bytearray(small.checkpoint())
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 4
        (small.folder / "checkpoint").write_bytes(damaged)
        with pytest.raises(VerificationError):
            small.append(entries(7, 8), 7)


def test_an_older_checkpoint_put_back_cannot_be_grown_into_a_fork_of_what_it_was(small: Log) -> None:
    """A backup of the checkpoint alone: the tiles still stand, so the same entries give the same roots."""
    old = small.checkpoint()
    small.append(entries(7, 9), 7)
    newer = small.head()
    (small.folder / "checkpoint").write_bytes(old)
    small.append(entries(7, 9), 7)
    assert small.head() == newer


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("tile/0/000", "tile/0/000 is missing or not"),
        ("tile/0/001.p/44", "tile/0/001.p/44 is missing or not"),
        ("tile/0/001.p/1", "tile/0/001.p/1 is missing or not"),
        ("tile/1/000.p/1", "tile/1/000.p/1 is missing or not"),
        ("tile/entries/000", "entries lead to another root|is not in its one form|cannot be read|cut off|too short"),
        ("objects", "its statement is not the one that was logged"),
    ],
)  # fmt: skip
def test_an_audit_sees_every_changed_file(tmp_path: Path, path: str, match: str) -> None:
    made = grown(tmp_path / "log", 257)
    made.append(entries(257, 300), 257)
    for n in range(257, 300):
        made.put(statement(n))
    whole(made)
    target = made.folder / path
    if target.is_dir():
        target = sorted(target.glob("[0-9a-f]*"))[5]
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    found = log.audit(made.folder, made.checkpoint(), [SIGNER.key])
    assert any(re.search(match, problem) for problem in found.problems), found.problems
    target.unlink()
    # An older partial tile may go: everything that the checkpoint needs may not.
    gone = log.audit(made.folder, made.checkpoint(), [SIGNER.key]).problems
    assert bool(gone) == (path != "tile/0/001.p/1")


def test_an_audit_knows_whose_checkpoint_it_is(small: Log) -> None:
    with pytest.raises(VerificationError, match="nobody who is trusted"):
        log.audit(small.folder, small.checkpoint(), [Signer("x", b"k" * 32).key])


def test_a_reader_hands_on_nothing_that_does_not_lead_to_its_checkpoint(tmp_path: Path) -> None:
    made = grown(tmp_path / "log", 300)
    for path in ("tile/0/000", "tile/entries/000"):
        right = (made.folder / path).read_bytes()
        damaged = bytearray(right)
        damaged[40] ^= 1
        (made.folder / path).write_bytes(damaged)
        with pytest.raises(VerificationError):
            made.reader().entry(1 if path == "tile/0/000" else 0)
        (made.folder / path).write_bytes(right)
    assert made.reader().entry(1) == entry(1)


# --- cosignatures -------------------------------------------------------------------------------------------------


def test_cosignatures_are_taken_in_and_replaced_by_newer_ones(small: Log) -> None:
    text = Note.parse(small.checkpoint()).text
    for moment in (1, 2):
        cosigned = note.signed(text, [SIGNER.sign(text), WITNESS.sign(text, moment)])
        assert small.merge(cosigned, TRUST) == [WITNESS.name]
        assert [one.time for one in TRUST.verify(small.checkpoint()).cosigners.values()] == [moment]
    assert len(Note.parse(small.checkpoint()).signatures) == 2
    whole(small)


def test_only_known_and_true_cosignatures_of_this_checkpoint_are_taken_in(small: Log) -> None:
    text, before = Note.parse(small.checkpoint()).text, small.checkpoint()
    stranger = Signer("stranger.example", b"s" * 32, COSIGNATURE)
    assert small.merge(note.signed(text, [SIGNER.sign(text), stranger.sign(text, 1)]), TRUST) == []
    false = note.Signature(WITNESS.name, WITNESS.key.id, bytes(72))
    with pytest.raises(VerificationError, match="does not hold"):
        small.merge(note.signed(text, [SIGNER.sign(text), false]), TRUST)
    assert small.checkpoint() == before
    small.append(entries(7, 8), 7)
    with pytest.raises(LogError, match="not the one in force"):
        small.merge(note.signed(text, [SIGNER.sign(text), WITNESS.sign(text, 1)]), TRUST)


# --- whatever happens, no fork --------------------------------------------------------------------------------------


class Heads:
    """Every checkpoint that was ever signed in a folder, seen after every write: one root a size, for good."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roots: dict[int, bytes] = {}

    def look(self) -> None:
        for name in (log.CHECKPOINT, log.NEXT):
            try:
                data = (self.folder / name).read_bytes()
            except FileNotFoundError:
                continue
            found = Checkpoint.parse(Note.parse(data).text)
            assert self.roots.setdefault(found.size, found.root) == found.root, f"a fork at {found.size}"


@pytest.fixture
def failing(small: Log) -> Iterator[object]:
    heads = Heads(small.folder)

    def fail(step: str, when: str) -> None:
        def watch(moment: str, name: str) -> None:
            heads.look()
            if (moment, name) == (when, step):
                raise OSError(28, "No space left on device", name)

        disk.watcher.set(watch)

    token = disk.watcher.set(None)
    yield fail
    disk.watcher.reset(token)
    heads.look()


def test_the_table_of_writes_is_whole(small: Log) -> None:
    seen: dict[str, None] = {}
    token = disk.watcher.set(lambda _, name: seen.setdefault(name))
    small.put(statement(7))
    small.append(entries(7, 8), 7)
    disk.watcher.reset(token)
    assert tuple(seen) == WRITES


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
@pytest.mark.parametrize("count", [1, 300])
def test_a_write_that_fails(small: Log, failing: object, step: str, when: str, count: int) -> None:
    """Then the same append again is the append, and another one instead is either refused or the only one."""
    failing(step, when)  # type: ignore[operator]
    with pytest.raises(OSError, match="No space left"):
        _put_and_append(small, count)
    failing("", "")  # type: ignore[operator]
    signed = (step, when) in (("log next", "after"), ("log checkpoint", "before"), ("log checkpoint", "after"))
    other = [entry(7, ',"other":true')]
    small.put(statement(7, ',"other":true'))
    if signed:
        with pytest.raises(LogError, match="moved on"):
            small.append(other, 7)
    copy = Log(Path(shutil.copytree(small.folder, small.folder.with_name(f"copy-{step}-{when}"))), SIGNER)
    if not signed:
        small.append(other, 7)
        assert whole(small).size == 8
    _put_and_append(copy, count)
    assert whole(copy).size == 7 + count
    assert copy.append(entries(7, 7 + count), 7) == range(7, 7 + count)


def _put_and_append(made: Log, count: int) -> None:
    for n in range(7, 7 + count):
        made.put(statement(n))
    made.append(entries(7, 7 + count), 7)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(tmp_path: Path, step: str, when: str) -> None:
    made = Log.make(tmp_path / "log", SIGNER)
    assert _append(tmp_path / "log", step, when).wait() == 9
    old = made.head().size
    assert _append(tmp_path / "log", "none", "before").wait() == 0
    assert whole(made).size > old


def test_the_first_checkpoint_survives_too(tmp_path: Path) -> None:
    for step in ("log next", "log checkpoint"):
        for when in ("before", "after"):
            folder = tmp_path / f"{step} {when}"

            def fail(moment: str, name: str, at: tuple[str, str] = (when, step)) -> None:
                if (moment, name) == at:
                    raise OSError(28, "No space left on device")

            token = disk.watcher.set(fail)
            with pytest.raises(OSError, match="No space"):
                Log.make(folder, SIGNER)
            disk.watcher.reset(token)
            assert Log.make(folder, SIGNER).head() == Checkpoint(SIGNER.name, 0, merkle.EMPTY)


def test_a_signed_checkpoint_over_tiles_that_are_not_there_is_not_put_in_force(small: Log) -> None:
    made = Checkpoint(SIGNER.name, 9, bytes(32))
    (small.folder / log.NEXT).write_bytes(note.signed(made.text(), [SIGNER.sign(made.text())]))
    with pytest.raises(VerificationError):
        small.append(entries(7, 8), 7)
    assert small.head().size == 7


def _append(folder: Path, *how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(HERE / "survival" / "append.py"), str(folder), *how])


def test_killed_at_any_moment(tmp_path: Path) -> None:
    made, heads, draw = Log.make(tmp_path / "log", SIGNER), Heads(tmp_path / "log"), random.Random(5)
    for _ in range(KILLS):
        process, signed = _append(tmp_path / "log"), len(heads.roots)
        while (
            len(heads.roots) == signed
        ):  # a slow machine takes its time to begin; killing it before would show nothing
            assert process.poll() is None
            heads.look()
        until = time.monotonic() + draw.uniform(0, 0.3)
        while time.monotonic() < until:
            heads.look()
        process.kill()
        process.wait()
        heads.look()
    assert _append(tmp_path / "log", "none", "before").wait() == 0
    found = whole(made)
    assert found.size > KILLS
    for index, data in enumerate(made.reader().entries()):
        assert json.loads(data)["digest"] == hashlib.sha256(b'{"number":%d}' % index).hexdigest()


def _race(folder: Path, mine: int) -> int:
    made, done = Log.open(folder, SIGNER), 0
    while done < 10:
        try:
            size = made.head().size
            made.append([entry(1000 * mine + done)], size)
            done += 1
        except LogError:
            continue
    return done


def test_two_that_append_at_once_both_get_their_places(tmp_path: Path) -> None:
    made = Log.make(tmp_path / "log", SIGNER)
    with get_context("spawn").Pool(2) as pool:
        assert pool.starmap(_race, [(tmp_path / "log", 1), (tmp_path / "log", 2)]) == [10, 10]
    assert made.head().size == 20
    assert set(made.reader().entries()) == {entry(1000 * mine + n) for mine in (1, 2) for n in range(10)}
