"""Whoever checks a release finds every change in it: a flipped bit by the step that covers it, a lie that was signed by
what it contradicts. Nothing that is said meanwhile holds anybody's words.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import liar
import small
from aboveboard import mainjob, manifest, merkle, note, proving, subjectmap, succession, verification
from aboveboard.cli import doors
from aboveboard.errors import ReleaseError, VerificationError
from aboveboard.log import Log, Reader
from aboveboard.note import COSIGNATURE, Signer, VerifierKey
from aboveboard.proof import Entry, Trust
from aboveboard.recordproof import RecordProof
from aboveboard.verification import Known
from aboveboard.workspace import open_workspace, read_job, replace_log_key
from liar import Lie

FLIPS = 60 if os.environ.get("CI") else 12
ORIGIN = "platform.example/log"
WITNESS = Signer("witness.example/1", b"w" * 32, COSIGNATURE)
OTHER = Signer(ORIGIN, b"o" * 32)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform of twelve people and a hundred posts, with one release."""
    folder = small.make(tmp_path_factory.mktemp("proven") / "platform")
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return folder


@pytest.fixture(scope="module")
def signer(platform: Path) -> Signer:
    return open_workspace(platform).signer("log")


@pytest.fixture(scope="module")
def original(platform: Path) -> Path:
    [public] = platform.glob("releases/*")
    return public


@pytest.fixture
def public(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "release"))


@pytest.fixture(scope="module")
def record(platform: Path, original: Path) -> bytes:
    ws = open_workspace(platform)
    return proving.prove(original, ws.private / original.name, "p7").data()


def failing(path: Path, known: Known | None = None) -> str:
    """The step at which a check fails."""
    with pytest.raises(VerificationError) as caught:
        verification.verify(path, known)
    told = f"{caught.value} {caught.value.hint} {caught.value.as_json()}"
    assert "bird" not in told  # which every post of the platform says
    assert caught.value.exit_code == 5
    return str(caught.value.context["step"])


# --- what holds ---------------------------------------------------------------------------------------------------


def test_a_release_holds_step_by_step(original: Path) -> None:
    told: list[verification.Step] = []
    report = verification.verify(original, tell=told.append)
    assert tuple(told) == report.steps
    assert [(step.number, step.name, step.done) for step in report.steps] == [
        (1, "statement", True), (2, "files", True), (3, "tombstones", True), (4, "trees", True), (5, "rows", True),
        (6, "subject map", True), (7, "checkpoint", True), (8, "entries", True), (9, "statements", True),
        (10, "history", False),
    ]  # fmt: skip
    assert "99 rows recomputed" in report.steps[4].says or "100 rows recomputed" in report.steps[4].says
    assert {verification.COVERS, verification.KEY_CAME, verification.ALONE, verification.NOT_COMPARED} <= set(
        report.not_proven
    )


def test_an_honest_forger_changes_nothing(public: Path, signer: Signer) -> None:
    """What the liar of these tests signs holds where it changed nothing: so what fails below fails by the lie."""
    liar.lie(public, signer, lambda _: None)
    assert len(verification.verify(public).steps) == 10


def test_a_release_of_several_shards_buckets_and_withdrawn_rows_holds(public: Path, signer: Signer) -> None:
    liar.lie(public, signer, several)
    report = verification.verify(public)
    assert "in 3 shards" in report.steps[3].says
    assert report.steps[2].says == "2 rows withdrawn before the release was committed"
    assert "in 4 buckets" in report.steps[5].says


def several(lie: Lie) -> None:
    """Three shards of seven, four buckets, two tombstones."""
    rows = lie.rows()
    lie.lay({1: rows[:300:3], 2: rows[1::3], 6: rows[2::3]}, bits=3, group=10)
    lie.withdraw([manifest.leaf(rows[4]), manifest.leaf(rows[50])])
    [held] = [path.read_bytes() for path in lie.public.glob("subjects/0*.bin")]
    found = [held[at : at + subjectmap.WIDTH] for at in range(0, len(held), subjectmap.WIDTH)]
    lie.map([bucket for _, bucket in subjectmap.buckets(found, 2)])


# --- one bit ------------------------------------------------------------------------------------------------------

STEPS = {
    "data": {"2 files"}, "rows": {"2 files"}, "README.md": {"2 files"}, "croissant.json": {"2 files"},
    "tombstones.json": {"2 files"}, "top.bin": {"2 files"}, "00000.bin": {"6 subject map"},
    "checkpoint": {"7 checkpoint"}, "log.vkey": {"7 checkpoint"}, "json": {"8 entries"}, "tlog-proof": {"8 entries"},
    "manifest.json": {"1 statement", "2 files", "4 trees", "6 subject map", "7 checkpoint", "8 entries"},
}  # fmt: skip
"""Which step notices a change in which file, by its name, its ending or its folder."""


def steps_of(name: str) -> set[str]:
    path = Path(name)
    [found] = [STEPS[one] for one in (path.name, path.suffix[1:], path.parts[0]) if one in STEPS][:1]
    return found


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flipped(data: bytes, place: int) -> bytes:
    at, bit = divmod(place, 8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def test_a_flipped_bit_in_any_file_fails_at_the_step_that_covers_it(public: Path) -> None:
    draw, names = random.Random(11), files_of(public)
    assert len(names) >= 18
    for name in names:
        whole = (public / name).read_bytes()
        for place in {0, 8 * len(whole) - 1, *(draw.randrange(8 * len(whole)) for _ in range(FLIPS))}:
            (public / name).write_bytes(flipped(whole, place))
            assert failing(public) in steps_of(name), (name, place)
        (public / name).write_bytes(whole)
    verification.verify(public)


@pytest.mark.parametrize("how", ["missing", "empty", "longer", "a folder"])
def test_a_file_that_is_missing_empty_or_longer_fails(public: Path, how: str) -> None:
    for name in files_of(public):
        path, whole = public / name, (public / name).read_bytes()
        spoil(path, how)
        step = failing(public)
        assert step in steps_of(name) or name == "manifest.json", (name, step)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(whole)


def spoil(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(b"" if how == "empty" else whole + b"\n")


@pytest.mark.parametrize(
    "name",
    ["data/0.parquet", "more.json", ".hidden", "proof/more.json", "rows/00000/2", "subjects/00001.bin", "new/deep/x"],
)
def test_a_file_that_nothing_vouches_for_fails(public: Path, name: str) -> None:
    (public / name).parent.mkdir(parents=True, exist_ok=True)
    (public / name).write_bytes(b"x")
    assert failing(public) == "2 files"


def test_a_link_is_no_file_of_a_release(public: Path, tmp_path: Path) -> None:
    (public / "README.md").rename(tmp_path / "README.md")
    (public / "README.md").symlink_to(tmp_path / "README.md")
    assert failing(public) == "2 files"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_in_the_proof_of_a_record_fails(
    record: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    path.write_bytes(flipped(record, data.draw(st.integers(0, 8 * len(record) - 1))))
    assert failing(path)


# --- what was signed, and is a lie --------------------------------------------------------------------------------


def swap(one: str, other: str) -> Callable[[Lie], None]:
    def change(lie: Lie) -> None:
        a, b = lie.order.index(one), lie.order.index(other)
        lie.order[a], lie.order[b] = other, one

    return change


def say(path: str, value: Any) -> Callable[[Lie], None]:
    """Put another value into the statement of the release, or with ``name:`` into one logged before it."""

    def change(lie: Lie) -> None:
        name, _, inside = path.rpartition(":")
        found: Any = lie.documents[name] if name else lie.said
        *way, last = [int(word) if word.isdigit() else word for word in inside.split("/")]
        for word in way:
            found = found[word]
        assert found[last] != value
        found[last] = value

    return change


def other_words(lie: Lie) -> None:
    """The data file has other words than the trees: somebody's row was rewritten after it was hashed."""
    [shard] = lie.predicate["layout"]["shards"]
    rows = pq.read_table(lie.public / shard["file"])
    texts = rows["text"].to_pylist()
    changed = rows.set_column(0, "text", [["another", *texts[1:]]])
    pq.write_table(changed, lie.public / shard["file"])


def more_columns(lie: Lie) -> None:
    """A column that no hash covers: the author of each row, say."""
    [shard] = lie.predicate["layout"]["shards"]
    rows = pq.read_table(lie.public / shard["file"])
    pq.write_table(rows.append_column("who", [["u1"] * len(rows)]), lie.public / shard["file"])


def more_rows(lie: Lie) -> None:
    [shard] = lie.predicate["layout"]["shards"]
    rows = pq.read_table(lie.public / shard["file"])
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 3)]), lie.public / shard["file"])


def fewer_rows(lie: Lie) -> None:
    [shard] = lie.predicate["layout"]["shards"]
    pq.write_table(pq.read_table(lie.public / shard["file"]).slice(0, 90), lie.public / shard["file"])


def other_order(lie: Lie) -> None:
    tile = lie.public / manifest.tile_name(0, 0)
    leaves = tile.read_bytes()
    tile.write_bytes(leaves[32:64] + leaves[:32] + leaves[64:])


def bucket(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Lie], None]:
    def changed(lie: Lie) -> None:
        [held] = [path.read_bytes() for path in lie.public.glob("subjects/0*.bin")]
        found = [held[at : at + subjectmap.WIDTH] for at in range(0, len(held), subjectmap.WIDTH)]
        lie.map([b"".join(change(found))])

    return changed


def strange_bucket(lie: Lie) -> None:
    several(lie)
    buckets = [path.read_bytes() for path in sorted(lie.public.glob("subjects/0*.bin"))]
    lie.map([buckets[1], buckets[0], *buckets[2:]])


def strange_top(lie: Lie) -> None:
    top = lie.public / "subjects" / "top.bin"
    top.write_bytes(top.read_bytes() * 2)


def unlogged_intake(lie: Lie) -> None:
    lie.order.remove("intake")
    del lie.documents["intake"]


def of_another_type(lie: Lie) -> None:
    lie.types["keys"] = "audit/v1"


def hidden(*names: str) -> Callable[[Lie], None]:
    return lambda lie: lie.hide.update(names)


def at_last(path: str, value: Any) -> Callable[[Lie], None]:
    """As ``say``, of something that would otherwise be put right when the files are named."""
    return lambda lie: setattr(lie, "last", lambda: say(path, value)(lie))


def spaced(lie: Lie) -> None:
    lie.dump = lambda said: json.dumps(said, indent=1).encode()


def odd_shards(change: Callable[[list[Any], dict[str, Any]], object]) -> Callable[[Lie], None]:
    def changed(lie: Lie) -> None:
        several(lie)
        layout = lie.predicate["layout"]
        lie.last = lambda: change(layout["shards"], layout)

    return changed


def twice(lie: Lie) -> None:
    lie.last = lambda: lie.said["subject"].append(lie.said["subject"][0])


def strange_file(lie: Lie) -> None:
    (lie.public / "more.bin").write_bytes(b"x")


def strange_data(lie: Lie) -> None:
    """A data file that is in no shard, and so under no tree."""
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (lie.public / f"data/{digest}.parquet").write_bytes(b"x")


def more_tiles(lie: Lie) -> None:
    (lie.public / "rows/00000/2").write_bytes(b"x" * 32)


def wrong_tile(lie: Lie) -> None:
    several(lie)
    rows = [{**row, "text": f"{row['text']} {n}"} for n in range(3) for row in lie.rows()]
    lie.withdraw([])
    lie.lay({0: rows}, bits=0)
    (lie.public / "rows/00000/1").write_bytes(b"x" * 32)


def other_root(lie: Lie) -> None:
    said = {**lie.predicate["subjects"], "root": "00" * 32}
    lie.predicate["subjects"] = lie.documents["choice-epoch"]["predicate"]["subjects"] = said


def disordered_tombstones(lie: Lie) -> None:
    leaves = sorted((manifest.leaf(row).hex() for row in lie.rows()[:3]), reverse=True)
    (lie.public / "tombstones.json").write_bytes(manifest.rfc8785.dumps({"tombstones": leaves}))


LIES: dict[str, tuple[str, Callable[[Lie], None]]] = {
    "the words of a row": ("5 rows", other_words),
    "a column that nothing covers": ("5 rows", more_columns),
    "more rows than hashes": ("5 rows", more_rows),
    "fewer rows than hashes": ("5 rows", fewer_rows),
    "hashes in another order": ("4 trees", other_order),
    "another root of the rows": ("4 trees", say("predicate/rows_root", "00" * 32)),
    "another number of rows": ("4 trees", say("predicate/counts/rows", {"about": 2_000_000})),
    "a withdrawn row that is none": ("4 trees", lambda lie: lie.withdraw([b"x" * 32])),
    "tombstones out of order": ("3 tombstones", disordered_tombstones),
    "tombstones left out": ("1 statement", hidden("tombstones.json")),
    "tiles left out": ("2 files", hidden("rows/00000/0")),
    "a statement in another form": ("1 statement", spaced),
    "another file digest": ("1 statement", at_last("predicate/file_digest", "00" * 32)),
    "shards in another order": ("1 statement", odd_shards(lambda shards, _: shards.reverse())),
    "a shard twice": ("1 statement", odd_shards(lambda shards, _: shards.append(shards[-1]))),
    "a shard beyond the layout": ("1 statement", odd_shards(lambda _, layout: layout.update(bits=2))),
    "a digest that is none": ("1 statement", at_last("subject/0/digest/sha256", "FF" * 32)),
    "a number that is none": ("1 statement", at_last("predicate/layout/bits", True)),
    "a file twice": ("1 statement", twice),
    "a file that no release has": ("1 statement", strange_file),
    "a data file in no shard": ("1 statement", strange_data),
    "a level of hashes too many": ("4 trees", more_tiles),
    "another hash above the rows": ("4 trees", wrong_tile),
    "another digest of a shard": ("4 trees", say("predicate/layout/shards/0/rows_digest", "00" * 32)),
    "another rows digest": ("1 statement", say("predicate/rows_digest", "00" * 32)),
    "another type": ("1 statement", say("predicateType", "https://aboveboard.dev/release/v9")),
    "a row of the map twice": ("6 subject map", bucket(lambda rows: [rows[0], *rows])),
    "the map out of order": ("6 subject map", bucket(lambda rows: [rows[1], rows[0], *rows[2:]])),
    "a torn row of the map": ("6 subject map", bucket(lambda rows: [*rows, b"\xff" * 40])),
    "more buckets than there can be": ("2 files", lambda lie: lie.predicate["subjects"].update(bits=21)),
    "another root of the map": ("6 subject map", other_root),
    "rows in another bucket": ("6 subject map", strange_bucket),
    "a top of another size": ("6 subject map", strange_top),
    "another scheme": ("6 subject map", say("predicate/subjects/scheme", "vrf-v1")),
    "another log": ("7 checkpoint", say("predicate/log/origin", "other.example/log")),
    "policy before keys": ("8 entries", swap("keys", "policy-2020-01-01")),
    "choices before policy": ("8 entries", swap("choice-epoch", "policy-2020-01-01")),
    "release before choices": ("8 entries", swap("choice-epoch", "release")),
    "another place in the log": ("8 entries", at_last("predicate/log/index", 77)),
    "an entry of another type": ("8 entries", of_another_type),
    "other words of the policy": ("9 statements", say("predicate/policy/versions/0/text_sha256", "00" * 32)),
    "another beginning": (
        "9 statements",
        say("predicate/policy/versions/0/effective_from", "2019-01-01T00:00:00+00:00"),
    ),
    "another policy": ("9 statements", say("predicate/policy/name", "large")),
    "another map in the log": ("9 statements", say("choice-epoch:predicate/subjects/root", "00" * 32)),
    "choices of another position": ("9 statements", say("choice-epoch:predicate/position", 77)),
    "choices of another time": ("9 statements", say("choice-epoch:predicate/at", "2020-01-01T00:00:00Z")),
    "a position that is none": ("9 statements", say("predicate/ledger/position", -1)),
    "a key that was never logged": ("9 statements", say("keys:predicate/log", str(OTHER.key))),
    "another index scheme": ("9 statements", say("keys:predicate/index/scheme", "vrf-v1")),
    "an intake without a root": ("9 statements", say("intake:predicate/root", "")),
    "a version of no policy": ("1 statement", say("_type", "https://in-toto.io/Statement/v0")),
}
"""What is said, and the step that finds it out."""


@pytest.mark.parametrize(("step", "change"), LIES.values(), ids=LIES)
def test_a_signed_lie_fails_by_what_it_contradicts(
    public: Path, signer: Signer, step: str, change: Callable[[Lie], None]
) -> None:
    liar.lie(public, signer, change)
    assert failing(public) == step


def test_an_intake_may_be_missing_where_nothing_new_was_received(public: Path, signer: Signer) -> None:
    liar.lie(public, signer, unlogged_intake)
    verification.verify(public)


@pytest.mark.parametrize("name", ["keys", "policy-2020-01-01", "choice-epoch"])
def test_an_entry_that_is_not_there_fails(public: Path, signer: Signer, name: str) -> None:
    liar.lie(public, signer, lambda lie: lie.order.remove(name))
    assert failing(public) == "2 files"


def test_a_release_in_no_log_fails(public: Path) -> None:
    said = json.loads((public / "manifest.json").read_bytes())
    said["predicate"]["log"] = None
    (public / "manifest.json").write_bytes(manifest.rfc8785.dumps(said))
    shutil.rmtree(public / "proof")
    assert failing(public) == "1 statement"
    with pytest.raises(VerificationError, match="entered in no log"):
        verification.verify(public)


# --- keys, witnesses, histories -----------------------------------------------------------------------------------


def test_a_key_from_elsewhere_has_to_be_the_one_that_signed(original: Path, signer: Signer) -> None:
    right = verification.verify(original, Known(Trust((signer.key,))))
    assert verification.KEY_CAME not in right.not_proven
    assert failing(original, Known(Trust((OTHER.key,)))) == "7 checkpoint"
    assert failing(original, Known(Trust((Signer("other.example/log", b"o" * 32).key,)))) == "7 checkpoint"


def test_a_key_beside_a_release_that_did_not_sign_fails(public: Path, signer: Signer) -> None:
    (public / "proof" / "log.vkey").write_text(f"{OTHER.key}\n")
    assert failing(public, Known(Trust((signer.key,)))) == "7 checkpoint"


def test_a_release_signed_with_another_key_holds_only_for_who_takes_its_word(public: Path, signer: Signer) -> None:
    other = Signer(signer.name, b"o" * 32)
    liar.lie(public, other, say("keys:predicate/log", str(other.key)))
    assert verification.KEY_CAME in verification.verify(public).not_proven
    assert failing(public, Known(Trust((signer.key,)))) == "7 checkpoint"


RECOVERY = Signer(f"{ORIGIN}/recovery", b"r" * 32)


def replaced(old: Signer, new: Signer, word: Signer) -> Callable[[Lie], None]:
    """The platform's key was replaced before the release, by the word of some key."""

    def change(lie: Lie) -> None:
        keys = succession.Keys(old.key, RECOVERY.key, RECOVERY.key, "00" * 32)
        lie.documents["keys"] = json.loads(succession.genesis(keys))
        lie.documents["keys-1"] = json.loads(succession.rotation(old.key, new.key, word))
        lie.types["keys-1"] = "key/v1"
        lie.order.insert(lie.order.index("choice-epoch"), "keys-1")

    return change


def test_a_key_that_was_replaced_by_the_recovery_key_is_followed(public: Path, original: Path, signer: Signer) -> None:
    new = Signer(signer.name, b"n" * 32)
    liar.lie(public, new, replaced(signer, new, RECOVERY))
    assert len(verification.verify(public).steps) == 10
    assert failing(original, Known(Trust((new.key,)))) == "7 checkpoint"


def test_a_platform_that_replaced_its_key_is_followed_from_release_to_release(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "platform")
    first, old = built(folder)
    replace_log_key(folder, Signer.parse((folder / "recovery.key").read_text().strip()), datetime.now(UTC))
    (folder / "job.toml").write_text('purpose = "train_ai_system.generative"\n[model]\nname = "second"\n')
    second, new = built(folder)
    assert old != new
    log, seen = copy_of(folder / "log"), (first / "proof/checkpoint").read_bytes()
    report = verification.verify(second, Known(remembered=seen, **log))
    assert report.steps[-1].done
    assert report.seen.log == new
    # Whoever looks at the first release again has to be told of the new key, and of the old one.
    assert failing(first, Known(remembered=report.newest, **log)) == "10 history"
    verification.verify(first, Known(Trust((old, new)), report.newest, **log))


def built(folder: Path) -> tuple[Path, VerifierKey]:
    ws = open_workspace(folder)
    made = mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return made.public, ws.signer("log").key


def test_a_key_that_was_replaced_by_anybody_else_fails(public: Path, signer: Signer) -> None:
    new = Signer(signer.name, b"n" * 32)
    liar.lie(public, new, replaced(signer, new, Signer(RECOVERY.name, b"t" * 32)))
    assert failing(public) == "9 statements"


def test_a_quorum_that_did_not_cosign_fails_and_cosigners_are_named(public: Path, signer: Signer) -> None:
    trust = Trust.parse(f"log {signer.key}\nwitness w {WITNESS.key}\nquorum w\n".encode())
    assert failing(public, Known(trust)) == "7 checkpoint"
    for path in [public / "proof/checkpoint", *public.glob("proof/*.tlog-proof")]:
        head, mark, text = path.read_bytes().rpartition(f"{signer.name}\n".encode())
        path.write_bytes(head + cosigned(mark + text))
    report = verification.verify(public, Known(trust))
    assert list(report.seen.cosigners) == ["w"]
    assert verification.ALONE not in report.not_proven
    assert "cosigned by w" in report.steps[6].says


def cosigned(signed: bytes) -> bytes:
    found = note.Note.parse(signed)
    return note.signed(found.text, [*found.signatures, WITNESS.sign(found.text, 1_800_000_000)])


@pytest.fixture
def grown(platform: Path, tmp_path: Path, signer: Signer) -> Path:
    """A copy of the platform's log that has gone on by three entries."""
    folder = Path(shutil.copytree(platform / "log", tmp_path / "log"))
    made = Log.open(folder, signer)
    made.append([Entry("audit/v1", liar.AT, f"{n:064x}", n).data() for n in range(3)], made.head().size)
    return folder


def copy_of(folder: Path) -> dict[str, Any]:
    return {"published": (folder / "checkpoint").read_bytes(), "history": partial(Reader, folder)}


def test_an_older_release_fits_a_log_that_went_on(original: Path, grown: Path) -> None:
    later = (grown / "checkpoint").read_bytes()
    report = verification.verify(original, Known(remembered=later, **copy_of(grown)))
    assert report.steps[-1].done
    assert report.newest == later
    with pytest.raises(VerificationError, match="nothing shows that the log of"):
        verification.verify(original, Known(remembered=later))


def test_another_history_fails(original: Path, public: Path, grown: Path, signer: Signer) -> None:
    size = int((grown / "checkpoint").read_bytes().split(b"\n")[1])
    for other in (size, size - 3, 2):  # of later, the same and an earlier size
        fork = liar.checkpoint(signer, [b"%d" % n for n in range(other)])
        for more in ({}, copy_of(grown)):
            assert failing(original, Known(remembered=fork, **more)) == "10 history"
    (grown / "tile/0/000.p" / str(size)).write_bytes(bytes(32 * size))
    assert failing(original, Known(**copy_of(grown))) == "10 history"


def test_the_log_of_somebody_else_is_no_history(original: Path, signer: Signer) -> None:
    foreign = liar.checkpoint(Signer("other.example/log", b"o" * 32), [b"1"])
    assert failing(original, Known(remembered=foreign)) == "10 history"


def test_two_logs_of_one_tree_are_not_one_history(original: Path, signer: Signer) -> None:
    other = Signer("other.example/log", b"o" * 32)
    text = (original / "proof/checkpoint").read_text().split("\n\n")[0].replace(signer.name, other.name) + "\n"
    foreign = note.signed(text, [other.sign(text)])
    assert failing(original, Known(Trust((signer.key, other.key)), remembered=foreign)) == "10 history"


def test_the_key_of_a_witness_signs_no_log(public: Path) -> None:
    (public / "proof" / "log.vkey").write_text(f"{WITNESS.key}\n")
    with pytest.raises(VerificationError, match="is no key of a log"):
        verification.verify(public)


def test_proofs_that_lead_to_another_checkpoint_need_the_log(public: Path, grown: Path, signer: Signer) -> None:
    """As when the platform wrote a proof again later: it may be of the same history, and has to be shown to be."""
    place = json.loads((public / "manifest.json").read_bytes())["predicate"]["log"]["before"]["keys"]
    found = Log.open(grown, signer)
    (public / "proof/keys.tlog-proof").write_bytes(found.inclusion(place, found.reader().entry(place)).data())
    assert failing(public) == "8 entries"
    verification.verify(public, Known(**copy_of(grown)))


# --- checkpoints --------------------------------------------------------------------------------------------------


def test_a_checkpoint_holds_with_its_key_and_no_older_one_is_taken(grown: Path, original: Path, signer: Signer) -> None:
    trust = Trust((signer.key,))
    old, new = original / "proof" / "checkpoint", grown / "checkpoint"
    assert failing(new) == "1 checkpoint"  # no key
    assert verification.verify(old).name == signer.name  # the key lies beside it
    report = verification.verify(new, Known(trust, old.read_bytes(), **copy_of(grown)))
    assert report.newest == new.read_bytes()
    assert failing(new, Known(trust, old.read_bytes())) == "2 history"
    assert failing(old, Known(trust, new.read_bytes(), **copy_of(grown))) == "2 history"  # a rollback
    verification.verify(old, Known(trust, **copy_of(grown)))


# --- the proof of a record ----------------------------------------------------------------------------------------


def test_every_row_of_several_shards_has_its_proof(public: Path, signer: Signer, tmp_path: Path) -> None:
    liar.lie(public, signer, several)
    for shard in json.loads((public / "manifest.json").read_bytes())["predicate"]["layout"]["shards"]:
        rows = pq.read_table(public / shard["file"]).to_pylist()
        for index, row in enumerate(rows):
            made = proving.proof_at(public, proving.Place(shard["key"], index, manifest.leaf(row)))
            assert RecordProof.parse(made.data()) == made
            assert made.row["text"] == row["text"]
            (tmp_path / "proof.json").write_bytes(made.data())
            report = verification.verify(tmp_path / "proof.json")
        assert report.kind == "record"
        assert verification.WITHDRAWN in report.not_proven


def test_the_proof_of_a_record_has_the_fields_of_the_example(record: bytes) -> None:
    page = (Path(__file__).parent.parent / "docs/formats/proof.md").read_text("utf-8")
    shown = json.loads(page.split("```json record-proof.json\n")[1].split("```")[0])
    assert fields(shown) == fields(json.loads(record))


def fields(said: dict[str, Any]) -> set[str]:
    inner = {f"{name}.{key}" for name, value in said.items() if isinstance(value, dict) for key in value}
    return {*said, *inner}


def test_the_page_names_every_step(original: Path, record: bytes, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs/formats/proof.md").read_text("utf-8")
    (tmp_path / "proof.json").write_bytes(record)
    for path in (original, tmp_path / "proof.json"):
        for step in verification.verify(path).steps:
            assert f"\n| {step.number} | {step.name} |" in page


def test_a_proof_of_another_row_is_not_handed_out(original: Path) -> None:
    for place in (proving.Place(0, 3, b"x" * 32), proving.Place(0, 10_000, b"x" * 32), proving.Place(9, 0, b"x" * 32)):
        with pytest.raises(ReleaseError, match="damaged"):
            proving.proof_at(original, place)


def test_a_record_that_is_not_released_has_no_proof(platform: Path, original: Path) -> None:
    ws = open_workspace(platform)
    private = ws.private / original.name
    with pytest.raises(ReleaseError, match="no record `p1000`"):
        proving.prove(original, private, "p1000")
    with pytest.raises(ReleaseError, match="no record `p7`"):
        proving.prove(original, private, "p7", "messages")
    with pytest.raises(ReleaseError, match="private part"):
        proving.prove(original, private / "nowhere", "p7")


def test_making_a_proof_reads_few_hashes(public: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are: at most two tiles of each level."""
    rows = 70_000

    def large(lie: Lie) -> None:
        row = lie.rows()[0]
        lie.lay({0: [{**row, "text": str(n)} for n in range(rows)]}, bits=0)

    liar.lie(public, signer, large)
    read: list[int] = []
    whole = proving._Tiles._tile

    def counted(self: proving._Tiles, level: int, number: int) -> bytes:
        fresh = (level, number) not in self.read
        found = whole(self, level, number)
        read.extend([len(found)] * fresh)
        return found

    monkeypatch.setattr(proving._Tiles, "_tile", counted)
    for index in (0, 255, 256, 40_000, 65_535, 65_536, rows - 1):
        read.clear()
        [path] = proving.paths_of(public, 0, [index])
        leaves = (public / manifest.tile_name(0, 0)).read_bytes()
        root = merkle.root_of(leaves)
        merkle.verify_inclusion(leaves[32 * index : 32 * index + 32], index, rows, path, root)
        assert len(read) <= 6, index
        assert sum(read) <= 6 * 8_192


def test_a_proof_of_a_record_with_another_row_fails(record: bytes, tmp_path: Path) -> None:
    for name, value, step in (
        ("row", {"kind": "post", "language": None, "parts": [], "text": "another"}, "3 row"),
        ("nonce", "00" * 16, "3 row"),
    ):
        said = {**json.loads(record), name: value}
        (tmp_path / "proof.json").write_bytes(manifest.rfc8785.dumps(said))
        assert failing(tmp_path / "proof.json") == step


def test_a_proof_of_a_record_from_another_log_fails(record: bytes, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_bytes(record)
    assert failing(tmp_path / "proof.json", Known(Trust((OTHER.key,)))) == "5 checkpoint"
    for key, step in ((str(OTHER.key), "5 checkpoint"), ("", "5 checkpoint")):
        said = json.loads(record)
        said["log"]["key"] = key
        (tmp_path / "proof.json").write_bytes(manifest.rfc8785.dumps(said))
        assert failing(tmp_path / "proof.json") == step


def test_the_key_in_a_proof_has_to_be_the_one_that_signed(record: bytes, tmp_path: Path, signer: Signer) -> None:
    said = json.loads(record)
    said["log"]["key"] = str(OTHER.key)
    (tmp_path / "proof.json").write_bytes(manifest.rfc8785.dumps(said))
    assert failing(tmp_path / "proof.json", Known(Trust((signer.key,)))) == "5 checkpoint"


@pytest.mark.parametrize(
    ("what", "value", "step"),
    [("predicate/log/origin", "other.example/log", "5 checkpoint"), ("predicate/log/index", 77, "6 entry")],
)
def test_a_proof_of_another_place_than_its_statement_names_fails(
    public: Path, signer: Signer, tmp_path: Path, what: str, value: Any, step: str
) -> None:
    liar.lie(public, signer, at_last(what, value))
    [shard] = json.loads((public / "manifest.json").read_bytes())["predicate"]["layout"]["shards"]
    row = pq.read_table(public / shard["file"]).slice(3, 1).to_pylist()[0]
    made = proving.proof_at(public, proving.Place(0, 3, manifest.leaf(row)))
    (tmp_path / "proof.json").write_bytes(made.data())
    assert failing(tmp_path / "proof.json") == step


# --- kinds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b"a bird", b'{"a":' * 100_000, b'{"format":"x"}'])
def test_what_is_nothing_of_ours_fails(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing").write_bytes(content)
    assert failing(tmp_path / "thing") == "0 kind"
    assert failing(tmp_path) == "0 kind"


def test_a_capsule_is_sent_to_its_own_check(tmp_path: Path) -> None:
    (tmp_path / "capsule").write_bytes(b'{"format":"aboveboard/capsule/v1"}')
    with pytest.raises(VerificationError) as caught:
        verification.verify(tmp_path / "capsule")
    assert "check-me" in caught.value.hint


RECEIPT = b"aboveboard.dev/receipt/v1\n{}\n\n"


def test_a_receipt_is_handed_to_the_room_that_reads_receipts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signer: Signer
) -> None:
    (tmp_path / "receipt").write_bytes(RECEIPT)
    asked: list[Any] = []

    def check(data: bytes, key: Any) -> list[str]:
        asked.append((data, key))
        if key == OTHER.key:
            raise VerificationError("the signature does not hold")
        return ["a receipt", "not checked: who signed it", "not proven: that it was heard"]

    monkeypatch.setattr(verification.receipt, "_receipts", lambda: SimpleNamespace(check=check))
    report = verification.verify(tmp_path / "receipt")
    assert [(step.says, step.done) for step in report.steps] == [
        ("a receipt", True),
        ("not checked: who signed it", False),
    ]
    assert "that it was heard" in report.not_proven
    assert (report.unchecked, report.as_json()["verified"]) == (verification.UNSIGNED, False)
    said = run("verify", tmp_path / "receipt", code=1)
    assert "NOT VERIFIED" in said
    assert "Everything above holds" not in said
    assert failing(tmp_path / "receipt", Known(Trust((OTHER.key,)))) == "1 receipt"
    assert asked == [(RECEIPT, None), (RECEIPT, None), (RECEIPT, OTHER.key)]


# --- the command --------------------------------------------------------------------------------------------------


def run(*args: object, code: int = 0) -> str:
    found = CliRunner().invoke(doors, [str(arg) for arg in args])
    assert found.exit_code == code, found.output + repr(found.exception)
    return found.output


def test_the_command_says_what_was_checked_and_what_is_not_proven(original: Path, signer: Signer) -> None:
    said = run("verify", original)
    for line in (
        "1  statement",
        "10  history",
        "(not taken)",
        "Cosigned by nobody",
        "Not proven:",
        verification.COVERS,
    ):
        assert line in said
    document = json.loads(run("verify", original, "--key", signer.key, "--json"))
    assert list(document) == [
        "verified",
        "kind",
        "name",
        "steps",
        "checkpoint",
        "key",
        "cosigners",
        "not_proven",
        "superseded_by",
    ]
    assert document["verified"] is True
    assert [step["step"] for step in document["steps"]] == list(range(1, 11))


def test_the_command_names_the_step_that_failed(public: Path) -> None:
    (public / "README.md").write_text("\x1b[31mother")
    said = run("verify", public, code=5)
    assert "1  statement" in said
    assert "2 files" in said
    assert "Not proven" not in said
    document = json.loads(run("verify", public, "--json", code=5))
    assert document["error"]["step"] == "2 files"


def test_what_a_release_says_cannot_move_the_cursor(public: Path, signer: Signer) -> None:
    liar.lie(public, signer, lambda lie: lie.predicate.update(id=f"\x1b[2J-{lie.predicate['rows_digest'][:8]}"))
    assert "\x1b" not in run("verify", public)
    (public / "\x1b[2J.md").write_text("x")
    assert "\x1b" not in run("verify", public, code=5)


def test_the_command_remembers_only_what_held(
    public: Path, platform: Path, grown: Path, tmp_path: Path, signer: Signer
) -> None:
    kept = tmp_path / "state" / "seen"
    whole = (public / "README.md").read_bytes()
    (public / "README.md").write_text("other")
    run("verify", public, "--remember", kept, code=5)
    assert not kept.exists()
    (public / "README.md").write_bytes(whole)
    run("verify", public, "--remember", kept)
    assert kept.read_bytes() == (public / "proof/checkpoint").read_bytes()
    run("verify", public, "--remember", kept)
    run("verify", grown / "checkpoint", "--key", signer.key, "--remember", kept, code=5)  # nothing shows that it grew
    assert kept.read_bytes() == (public / "proof/checkpoint").read_bytes()
    run("verify", grown / "checkpoint", "--key", signer.key, "--remember", kept, "--log", grown)
    assert kept.read_bytes() == (grown / "checkpoint").read_bytes()
    run("verify", public, "--remember", kept, code=5)
    run("verify", public, "--remember", kept, "--log", grown)
    assert kept.read_bytes() == (grown / "checkpoint").read_bytes()  # never an older one
    run("verify", public / "proof/checkpoint", "--remember", kept, "--log", grown, code=5)


def test_keys_and_trust_are_given_by_hand(original: Path, tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "key").write_text(f"{signer.key}\n")
    (tmp_path / "trust").write_text(f"log {signer.key}\nquorum none\n")
    (tmp_path / "strict").write_text(f"log {signer.key}\nwitness w {WITNESS.key}\nquorum w\n")
    run("verify", original, "--key", tmp_path / "key")
    run("verify", original, "--trust", tmp_path / "trust")
    run("verify", original, "--trust", tmp_path / "strict", code=5)
    run("verify", original, "--key", OTHER.key, code=5)
    run("verify", original, "--key", "nonsense", code=5)
    run("verify", original, "--key", signer.key, "--trust", tmp_path / "trust", code=2)
    run("verify", original, "--log", tmp_path, code=2)
    run("verify", tmp_path / "nowhere", code=2)


def test_a_record_is_proven_by_command(platform: Path, original: Path, tmp_path: Path) -> None:
    out = tmp_path / "p7.json"
    said = run("release", "prove", "p7", "--release", original.name, "--out", out, "-w", platform)
    assert "The proof is in" in said
    assert "a record of the release" in run("verify", out)
    assert json.loads(run("release", "prove", "p7", "--release", original.name, "-w", platform)) == json.loads(
        out.read_bytes()
    )
    run(
        "release", "prove", "p7", "--release", original.name, "--out", out, "-w", platform, code=1
    )  # it is there already
    assert "bird" not in said
