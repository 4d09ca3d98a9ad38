"""Signed notes, checkpoints, proofs and trust: published vectors, and texts that bear no change."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import merkle, note, proof
from aboveboard.errors import LogError, VerificationError
from aboveboard.note import COSIGNATURE, Note, Signature, Signer, VerifierKey
from aboveboard.proof import Checkpoint, Entry, Growth, Inclusion, Trust

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent / "shared" / "data")) / "vectors"
needs_vectors = pytest.mark.skipif(not DATA.exists(), reason="no vectors in ABOVEBOARD_DATA")

LOG = Signer("birdsite.example/log", bytes(range(32)))
WITNESSES = [Signer(f"witness.example/{n}", bytes([n]) * 32, COSIGNATURE) for n in (1, 2, 3)]
ENTRIES = [Entry("release/v1", f"2026-01-0{n + 1}T00:00:00Z", f"{n}" * 64, n).data() for n in range(5)]
HASHES = [merkle.leaf_hash(entry) for entry in ENTRIES]
CHECKPOINT = Checkpoint(LOG.name, len(ENTRIES), merkle.root_of(HASHES))
TRUSTED = "\n".join(
    [
        "# two of three",
        f"log {LOG.key} https://birdsite.example/log",
        *(f"witness w{n}\t{one.key}" for n, one in enumerate(WITNESSES, 1)),
        " group some 2 w1 w2 w3 ",
        "quorum some",
        "",
    ]
).encode()


def vector(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((DATA / name).read_bytes())
    return found


def cosigned(*witnesses: int, signer: Signer = LOG, checkpoint: Checkpoint = CHECKPOINT) -> bytes:
    text = checkpoint.text()
    lines = [signer.sign(text), *(WITNESSES[n].sign(text, 1_770_000_000 + n) for n in witnesses)]
    return note.signed(text, lines)


# --- published vectors --------------------------------------------------------------------------------------------


@needs_vectors
def test_the_note_of_the_specification() -> None:
    known = vector("c2sp/signed-note-and-tiles.json")
    key = VerifierKey.parse(str(known["vkey"]))
    found = Note.parse(str(known["signed_note"]).encode())
    assert [one.key for one in found.verify([key])] == [key]
    assert found.text == "This is an example message.\n"
    assert str(key) == known["vkey"]
    assert found.data().decode() == known["signed_note"]


@needs_vectors
def test_the_note_of_go() -> None:
    known = vector("golang-note-tlog/note.json")
    signer = Signer.parse(str(known["skey"]))
    text = str(known["text"])
    assert str(signer.key) == known["vkey"]
    assert note.signed(text, [signer.sign(text)]).decode() == known["signed"]
    assert signer.written() == known["skey"]
    second = known["second_signer"]
    assert isinstance(second, dict)
    other = Signer(second["name"], bytes.fromhex(second["seed"]))
    assert str(other.sign(text)) == second["line"]


@needs_vectors
def test_no_part_of_a_key_is_a_key_and_no_neighbour_of_it() -> None:
    known = vector("golang-note-tlog/note.json")
    key = str(known["vkey"])
    mangled = [key[:at] for at in range(len(key))] + [key[at:] for at in range(1, len(key))]
    mangled += [key[:at] + chr(ord(key[at]) + 1) + key[at + 1 :] for at in range(len(key))]
    for text in [*mangled, *map(str, known["bad_vkeys"])]:  # type: ignore[call-overload]
        with pytest.raises(VerificationError):
            VerifierKey.parse(text)


@needs_vectors
def test_paths_and_numbers_of_tiles() -> None:
    known = vector("c2sp/signed-note-and-tiles.json")["tlog_tiles"]
    assert isinstance(known, dict)
    for index, path in known["index_path"].items():
        assert proof.tile_path(0, int(index)) == f"tile/0/{path}"
        assert proof.bundle_path(int(index), 7) == f"tile/entries/{path}.p/7"
    for size in (70000, 256):
        told = {}
        for level, _, width in proof.tiles(size):
            if width == proof.TILE:
                told[f"full_L{level}"] = told.get(f"full_L{level}", 0) + 1
            else:
                told[f"partial_L{level}_width"] = width
        assert told == known[f"tree_size_{size}"]


@needs_vectors
def test_the_examples_whose_keys_nobody_published_are_read() -> None:
    known = vector("c2sp/parse-only-examples.json")
    for name in ("checkpoint", "cosigned_checkpoint"):
        found = Note.parse(str(known[name]).encode())
        checkpoint = Checkpoint.parse(found.text)
        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.text() == found.text
        assert found.data().decode() == known[name]
    sent = Growth.parse(str(known["add_checkpoint_request"]).encode())
    assert (sent.before, len(sent.path)) == (20852014, 4)
    assert sent.data().decode() == known["add_checkpoint_request"]
    keys = iter([LOG.key, *(Signer(f"w{n}", bytes([n] * 32), COSIGNATURE).key for n in range(6))])
    lines = [
        line.replace("<vkey>", str(next(keys))) if "<vkey>" in line else line
        for line in str(known["policy_example"]).split("\n")
    ]
    trust = Trust.parse("\n".join(lines).encode())
    assert trust.quorum == "X-and-Y"
    assert trust.groups["X-witnesses"] == (2, ("X1", "X2", "X3"))
    assert trust.groups["Y-witnesses"][0] == 1
    assert trust.groups["X-and-Y"][0] == 2


# --- notes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\xff\n\n", "not UTF-8"),
        (b"a\tb\n\n\xe2\x80\x94 n AAAAAAA=\n", "control characters"),
        (b"text\n", "no signatures"),
        (b"text\n\n", "no signatures|cannot be read"),
        ("text\n\n— name AAAAAAA=".encode(), "no signatures"),
        ("text\n\n— name AAAAAA==\n".encode(), "cannot be read"),
        ("text\n\n— name AAAAAAB=\n".encode(), "cannot be read"),
        ("text\n\n— name AAAA\n".encode(), "cannot be read"),
        ("text\n\n— na+me AAAAAAA=\n".encode(), "cannot be read"),
        ("text\n\n— na\u2003me AAAAAAA=\n".encode(), "cannot be read"),
        ("text\n\n—  AAAAAAA=\n".encode(), "cannot be read"),
        (b"text\n\n- name AAAAAAA=\n", "cannot be read"),
        (b"text\n\nmore\n", "cannot be read"),
        (b"text\n\n" + "— name AAAAAAA=\n".encode() * 101, "more than 100 signatures"),
        (b"t" * 1_000_001, "larger than"),
    ],
)  # fmt: skip
def test_what_is_no_note(data: bytes, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        Note.parse(data)


def test_a_text_may_hold_blank_lines() -> None:
    text = "one\n\ntwo\n"
    found = Note.parse(note.signed(text, [LOG.sign(text)]))
    assert found.text == text
    assert found.verify([LOG.key])


@pytest.mark.parametrize("text", ["no newline", "tab\there\n", ""])
def test_what_cannot_be_signed(text: str) -> None:
    with pytest.raises((ValueError, VerificationError)):
        note.signed(text, [LOG.sign(text)])


def test_unknown_lines_are_ignored_wherever_they_stand() -> None:
    text = CHECKPOINT.text()
    mine = LOG.sign(text)
    strangers = [
        Signature("somebody.example", b"1234", b"anything"),
        Signature(LOG.name, b"1234", b"the same name, another key"),
        Signature("somebody.example", LOG.key.id, b"the same id, another name"),
    ]
    for at in range(4):
        found = Note.parse(note.signed(text, [*strangers[:at], mine, *strangers[at:]]))
        assert [one.key for one in found.verify([LOG.key])] == [LOG.key]
    with pytest.raises(VerificationError, match="nobody who is trusted here"):
        Note.parse(note.signed(text, strangers)).verify([LOG.key])


def test_one_false_line_of_a_known_key_makes_the_note_false() -> None:
    text = CHECKPOINT.text()
    false = Signature(LOG.name, LOG.key.id, bytes(64))
    for lines in ([LOG.sign(text), false], [false, LOG.sign(text)]):
        with pytest.raises(VerificationError, match=f"signature of `{LOG.name}` does not hold"):
            Note.parse(note.signed(text, lines)).verify([LOG.key])


def test_a_cosignature_says_when() -> None:
    found = Note.parse(cosigned(0)).verify([WITNESSES[0].key])
    assert [one.time for one in found] == [1_770_000_000]
    text = CHECKPOINT.text()
    late = Signature(WITNESSES[0].name, WITNESSES[0].key.id, b"\xff" * 72)
    with pytest.raises(VerificationError, match="of no possible time"):
        Note.parse(note.signed(text, [late])).verify([WITNESSES[0].key])
    with pytest.raises(ValueError, match="has a time"):
        WITNESSES[0].sign(text)
    with pytest.raises(ValueError, match="no other signature has one"):
        LOG.sign(text, 1)


def test_a_signature_is_of_one_kind_only() -> None:
    """The same key as a log's and as a witness's: neither signature passes for the other."""
    text = CHECKPOINT.text()
    other = Signer(LOG.name, LOG.secret, COSIGNATURE)
    moved = Signature(other.name, other.key.id, LOG.sign(text).blob)
    with pytest.raises(VerificationError):
        Note.parse(note.signed(text, [moved])).verify([other.key, LOG.key])


def test_a_private_key_is_never_shown() -> None:
    assert LOG.secret.hex() not in repr(LOG)
    assert base64.b64encode(LOG.secret).decode() not in repr(LOG)
    written = LOG.written()
    assert Signer.parse(written) == LOG
    for damaged in (written[:-1], written.replace("PRIVATE", "PUBLIC"), written[:-2] + "AA", ""):
        with pytest.raises(LogError) as raised:
            Signer.parse(damaged)
        assert written[-20:-4] not in str(raised.value) + raised.value.hint


# --- checkpoints, entries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "\n1\nROOT\n", "a\n01\nROOT\n", "a\n-1\nROOT\n", "a\n1\nAAAA\n", "a\n1\nROOT", "a\n1\nROOT\n\n",
     "a\n1\nROOT\n\nx\n", "a\n٣\nROOT\n"],
)  # fmt: skip
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(VerificationError, match="no checkpoint"):
        Checkpoint.parse(text.replace("ROOT", base64.b64encode(bytes(32)).decode()))


def test_extensions_are_kept() -> None:
    made = Checkpoint("a", 0, merkle.EMPTY, ("more", "and more"))
    assert Checkpoint.parse(made.text()) == made


def test_an_entry_has_one_form() -> None:
    entry = Entry("release/v1", "2026-01-31T12:00:00Z", "ab" * 32, 17)
    assert entry.data() == (
        b'{"at":"2026-01-31T12:00:00Z","digest":"' + b"ab" * 32 + b'","size":17,"t":"release/v1"}'
    )  # fmt: skip
    assert Entry.parse(entry.data()) == entry
    for data in (b" " + entry.data(), entry.data()[:-1] + b',"x":1}', b"[]", b"1", b"{", b"\xff", b"x" * 9000):
        with pytest.raises(VerificationError):
            Entry.parse(data)
    for bad in (("Release", entry.at, entry.digest, 1), ("a/v1", "now", entry.digest, 1), ("a/v1", entry.at, "ab", 1),
                ("a/v1", entry.at, entry.digest, -1), ("a/v1", entry.at, entry.digest, True)):  # fmt: skip
        with pytest.raises(LogError):
            Entry(*bad)


# --- trust -----------------------------------------------------------------------------------------------------


def test_two_of_three_have_to_cosign() -> None:
    trust = Trust.parse(TRUSTED)
    seen = trust.verify(cosigned(0, 2))
    assert seen.checkpoint == CHECKPOINT
    assert list(seen.cosigners) == ["w1", "w3"]
    assert seen.log == LOG.key
    for few in ((), (0,), (2,)):
        with pytest.raises(VerificationError, match="lacks cosignatures") as raised:
            trust.verify(cosigned(*few))
        assert "different histories" in raised.value.hint
    assert Trust.parse(TRUSTED.replace(b"quorum some", b"quorum none")).verify(cosigned()).cosigners == {}
    assert Trust.parse(TRUSTED.replace(b"quorum some", b"quorum w2")).verify(cosigned(1))


def test_one_witness_counts_once() -> None:
    text = CHECKPOINT.text()
    twice = note.signed(text, [LOG.sign(text), WITNESSES[0].sign(text, 1), WITNESSES[0].sign(text, 2)])
    with pytest.raises(VerificationError, match="lacks cosignatures"):
        Trust.parse(TRUSTED).verify(twice)


def test_a_log_signs_for_itself_only() -> None:
    elsewhere = Checkpoint("other.example/log", CHECKPOINT.size, CHECKPOINT.root)
    with pytest.raises(VerificationError, match="not signed by a log that is trusted here"):
        Trust.parse(TRUSTED).verify(cosigned(0, 1, checkpoint=elsewhere))
    with pytest.raises(VerificationError, match="not signed by a log"):
        Trust.parse(TRUSTED).verify(note.signed(CHECKPOINT.text(), [WITNESSES[0].sign(CHECKPOINT.text(), 1)]))


@pytest.mark.parametrize(
    "lines",
    [
        "", "quorum none\nquorum none", "quorum nobody", "witness w KEY", "log LOG\nlog LOG\nquorum none",
        "witness w LOG\nquorum w", "log W1\nquorum none", "witness none W1\nquorum none",
        "witness a W1\nwitness b W1\nquorum a", "witness a W1\nwitness a W2\nquorum a",
        "witness a W1\ngroup g 2 a\nquorum g", "witness a W1\ngroup g 0 a\nquorum g", "witness a W1\ngroup g x a\nquorum g",
        "witness a W1\ngroup g any\nquorum g", "group g any a\nwitness a W1\nquorum g",
        "witness a W1\ngroup g any a\ngroup h any a\nquorum g", "witness a W1\ngroup g all a a\nquorum g",
        "witness a W1\ngroup a any a\nquorum a", "group g any g\nquorum g", "friend a W1\nquorum none", "quorum none x",
        "witness a W1\r\nquorum a", "log LOG url more\nquorum none", "witness a W1\ngroup g 01 a\nquorum g",
    ],
)  # fmt: skip
def test_what_says_whom_to_trust_in_no_way(lines: str) -> None:
    known = {"LOG": LOG, "W1": WITNESSES[0], "W2": WITNESSES[1]}
    for name, signer in known.items():
        lines = lines.replace(name, str(signer.key))
    with pytest.raises(LogError):
        Trust.parse(lines.encode())


# --- proofs -------------------------------------------------------------------------------------------------------


def proven(index: int = 3, extra: bytes | None = None) -> Inclusion:
    path = merkle.inclusion(index, len(HASHES), merkle.node_of(HASHES))
    return Inclusion(index, tuple(path), cosigned(0, 1, 2), extra)


def test_a_proof_says_it_all() -> None:
    for extra in (None, b"", b"more"):
        for index, entry in enumerate(ENTRIES):
            made = proven(index, extra)
            read = Inclusion.parse(made.data())
            assert read == made
            assert read.verify(entry, Trust.parse(TRUSTED)).checkpoint == CHECKPOINT
            assert len(made.data()) < 2048


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.replace(b"tlog-proof@v1", b"tlog-proof@v2"), lambda d: d.replace(b"index 3", b"index 03"),
        lambda d: d.replace(b"index 3\n", b""), lambda d: d.replace(b"index 3\n", b"index 3\nAAAA\n"),
        lambda d: d.replace(b"index 3\n", b"extra !\nindex 3\n"), lambda d: d.replace(b"\n\n", b"\n"), lambda _: b"",
        lambda d: d.replace(b"index 3\n", b"index 3\n" + b"A" * 43 + b"=\n" * 1 + (b"A" * 43 + b"=\n") * 63),
    ],
)  # fmt: skip
def test_what_is_no_proof(spoil: object) -> None:
    with pytest.raises(VerificationError):
        Inclusion.parse(spoil(proven().data()))  # type: ignore[operator]


WHOLE = proven().data()
GROWTH = Growth(2, tuple(merkle.consistency(2, 5, merkle.node_of(HASHES))), cosigned())


@settings(max_examples=400, deadline=None)
@given(bit=st.integers(0, len(WHOLE) * 8 - 1))
def test_no_bit_of_a_proof_can_change_when_all_signatures_count(bit: int) -> None:
    trust = Trust.parse(TRUSTED.replace(b"some 2", b"some all"))
    damaged = bytearray(WHOLE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        Inclusion.parse(bytes(damaged)).verify(ENTRIES[3], trust)


@settings(max_examples=100, deadline=None)
@given(bit=st.integers(0, len(ENTRIES[3]) * 8 - 1))
def test_no_bit_of_an_entry_can_change(bit: int) -> None:
    damaged = bytearray(ENTRIES[3])
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        proven().verify(bytes(damaged), Trust.parse(TRUSTED))


@settings(max_examples=100, deadline=None)
@given(
    name=st.text(min_size=1, max_size=12).filter(note.is_name), blob=st.binary(min_size=1, max_size=80),
    mark=st.binary(min_size=4, max_size=4), at=st.integers(0, 3),
)  # fmt: skip
def test_whatever_else_stands_under_a_note_is_ignored(name: str, blob: bytes, mark: bytes, at: int) -> None:
    found = Note.parse(cosigned(0, 1))
    lines = [*found.signatures[:at], Signature(name, mark, blob), *found.signatures[at:]]
    seen = Trust.parse(TRUSTED).verify(note.signed(found.text, lines))
    assert list(seen.cosigners) == ["w1", "w2"]


def test_what_a_witness_is_sent_reads_back() -> None:
    assert Growth.parse(GROWTH.data()) == GROWTH
    for spoil in ((b"old 2", b"old 02"), (b"old", b"new"), (b"\n\n", b"\n")):
        with pytest.raises(VerificationError):
            Growth.parse(GROWTH.data().replace(*spoil))


# --- tiles --------------------------------------------------------------------------------------------------------


def test_bundles_read_back_and_are_never_cut() -> None:
    data = proof.bundle(ENTRIES)
    assert proof.unbundled(data) == ENTRIES
    assert proof.unbundled(b"") == []
    for at in range(1, len(data)):
        if at not in (ends := {len(proof.bundle(ENTRIES[:n])) for n in range(6)}):
            with pytest.raises(VerificationError, match="cut off"):
                proof.unbundled(data[:at])
    assert len(ends) == 6


# --- what checking needs ------------------------------------------------------------------------------------------


def test_checking_needs_no_engine_no_database_and_no_library_before_it_checks() -> None:
    code = "import aboveboard.note, aboveboard.proof, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert not loaded & {"cryptography", "duckdb", "pyarrow", "sqlalchemy", "click", "rich", "pathlib"}


# --- the page -----------------------------------------------------------------------------------------------------

PAGE = (HERE.parent / "docs" / "formats" / "log.md").read_text(encoding="utf-8")


def shown(label: str) -> str:
    [found] = re.findall(rf"^```text {label}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_page_shows_what_is_made() -> None:
    witness = Signer("witness.example/1", bytes(range(32, 64)), COSIGNATURE)
    logged = [Entry("release/v1", f"2026-01-0{n + 1}T00:00:00Z", f"{n}" * 64, n).data() for n in range(3)]
    hashes = [merkle.leaf_hash(entry) for entry in logged]
    node, at = merkle.node_of(hashes), Checkpoint(LOG.name, 3, merkle.root_of(hashes))
    mine, theirs = LOG.sign(at.text()), witness.sign(at.text(), 1_770_000_000)
    both = note.signed(at.text(), [mine, theirs])
    assert shown("entry") == logged[2].decode() + "\n"
    assert shown("key") == f"{LOG.key}\n"
    assert shown("checkpoint") == both.decode()
    proven = Inclusion(2, tuple(merkle.inclusion(2, 3, node)), both)
    assert shown("proof") == proven.data().decode()
    grown = Growth(1, tuple(merkle.consistency(1, 3, node)), note.signed(at.text(), [mine]))
    assert shown("growth") == grown.data().decode()
    trust = Trust.parse(shown("trust").encode())
    assert list(proven.verify(logged[2], trust).cosigners) == ["w"]
    assert f"`{hashes[2].hex()}`" in PAGE
    assert f"`{merkle.EMPTY.hex()}`" in PAGE
    assert f"`{proof.tile_path(0, 1234067).removeprefix('tile/0/')}`" in PAGE
    assert f"{note.LARGEST:,} bytes" in PAGE
    assert f"At most {note.MOST_SIGNATURES} lines" in PAGE
    assert f"{proof.LARGEST_ENTRY // 1024} KiB" in PAGE
