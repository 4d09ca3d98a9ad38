"""A witness cosigns what has only grown, and keeps the evidence of everything else. Keys follow each other likewise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aboveboard import disk, note, succession
from aboveboard.errors import LogError, VerificationError
from aboveboard.log import Log
from aboveboard.note import COSIGNATURE, Note, Signer
from aboveboard.proof import Checkpoint, Growth, Trust
from aboveboard.witness import Witness
from test_log import SIGNER, entries, entry, grown

WITNESS = Signer("witness.example/1", b"w" * 32, COSIGNATURE)
TRUST = Trust.parse(f"log {SIGNER.key}\nwitness w {WITNESS.key}\nquorum w\n".encode())
NOW = 1_770_000_000


@pytest.fixture
def made(tmp_path: Path) -> Log:
    return grown(tmp_path / "log", 5)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    one = Witness(tmp_path / "state", WITNESS)
    one.watch(SIGNER.key)
    return one


def evidence(witness: Witness) -> list[Path]:
    return sorted(witness.folder.glob("*/evidence/*"))


# --- what grows is cosigned ---------------------------------------------------------------------------------------


def test_a_log_that_grows_is_cosigned_each_time(made: Log, witness: Witness) -> None:
    assert witness.cosign_log(made.folder, NOW).before == 0
    made.append(entries(5, 300), 5)
    found = witness.cosign_log(made.folder, NOW + 1)
    assert (found.before, found.checkpoint) == (5, made.head())
    made.merge(found.data, TRUST)
    seen = TRUST.verify(made.checkpoint())
    assert [one.time for one in seen.cosigners.values()] == [NOW + 1]
    assert witness.cosign_log(made.folder, NOW + 2).before == 300
    assert evidence(witness) == []


def test_a_proof_on_its_own_serves_as_well_as_the_folder(made: Log, witness: Witness) -> None:
    witness.cosign(Growth.parse(made.consistency(0).data()), NOW)
    made.append(entries(5, 9), 5)
    found = witness.cosign(Growth.parse(made.consistency(5).data()), NOW)
    assert TRUST.verify(found.data).checkpoint == made.head()
    with pytest.raises(LogError, match="begins at 5, and the last size seen here is 9") as raised:
        witness.cosign(made.consistency(5), NOW)
    assert "--since 9" in raised.value.hint


def test_only_the_logs_own_line_and_the_witness_stand_under_what_it_gives_back(made: Log, witness: Witness) -> None:
    text = Note.parse(made.checkpoint()).text
    crowd = [note.Signature("x.example", b"1234", b"anything"), SIGNER.sign(text)]
    sent = Growth(0, (), note.signed(text, crowd))
    found = Note.parse(witness.cosign(sent, NOW).data)
    assert [line.name for line in found.signatures] == [SIGNER.name, WITNESS.name]


# --- what does not is kept as evidence ----------------------------------------------------------------------------


def forked(made: Log, tmp_path: Path, size: int) -> Log:
    """Another log under the same name and key: it shares three entries with the first."""
    other = Log.make(tmp_path / "fork", SIGNER)
    other.append(entries(0, 3), 0)
    other.append([entry(n, ',"fork":1') for n in range(3, size)], 3)
    return other


@pytest.mark.parametrize("size", [4, 5, 9])
def test_a_fork_or_a_rollback_is_refused_and_both_checkpoints_are_kept(
    made: Log, witness: Witness, tmp_path: Path, size: int
) -> None:
    first = witness.cosign_log(made.folder, NOW)
    other = forked(made, tmp_path, size)
    with pytest.raises(VerificationError) as raised:
        witness.cosign_log(other.folder, NOW)
    [kept] = evidence(witness)
    assert raised.value.context["evidence"] == kept
    assert (kept / "shown").read_bytes() == other.checkpoint()
    assert (kept / "before").read_bytes() == first.data
    for name in ("shown", "before"):
        assert Note.parse((kept / name).read_bytes()).verify([SIGNER.key])
    assert witness.cosign_log(made.folder, NOW).checkpoint == made.head()


def test_a_forged_proof_is_refused(made: Log, witness: Witness, tmp_path: Path) -> None:
    witness.cosign_log(made.folder, NOW)
    other = forked(made, tmp_path, 9)
    with pytest.raises(VerificationError, match="does not begin with the smaller one"):
        witness.cosign(other.consistency(5), NOW)
    with pytest.raises(VerificationError, match="is empty"):
        witness.cosign(Growth(5, (), other.checkpoint()), NOW)
    with pytest.raises(LogError, match="the last size seen here is 5"):
        witness.cosign(Growth(0, (), other.checkpoint()), NOW)


def test_tiles_that_do_not_lead_to_the_checkpoint_are_refused(made: Log, witness: Witness) -> None:
    witness.cosign_log(made.folder, NOW)
    made.append(entries(5, 8), 5)
    path = made.folder / "tile/0/000.p/8"
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationError):
        witness.cosign_log(made.folder, NOW)
    assert len(evidence(witness)) == 1


def test_what_is_not_signed_by_the_log_is_not_looked_at(made: Log, witness: Witness) -> None:
    witness.cosign_log(made.folder, NOW)
    made_up = Checkpoint(SIGNER.name, 2, bytes(32))
    false = Signer(SIGNER.name, b"k" * 32)
    with pytest.raises(VerificationError, match="nobody who is trusted"):
        witness.cosign(Growth(5, (), note.signed(made_up.text(), [false.sign(made_up.text())])), NOW)
    assert evidence(witness) == []


def test_logs_that_are_not_watched_and_keys_that_do_not_fit(made: Log, witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is not watched here"):
        Witness(tmp_path / "other", WITNESS).cosign_log(made.folder, NOW)
    with pytest.raises(LogError, match="watched here under another key"):
        witness.watch(Signer(SIGNER.name, b"k" * 32).key)
    with pytest.raises(LogError, match="not one that signs a log"):
        witness.watch(WITNESS.key)
    with pytest.raises(LogError, match="other signatures than a witness"):
        Witness(tmp_path, SIGNER)
    witness.watch(SIGNER.key)


def test_the_state_is_written_before_the_cosignature_leaves(
    made: Log, witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(disk, "place", full)
        with pytest.raises(OSError, match="No space"):
            witness.cosign_log(made.folder, NOW)
    assert witness.cosign_log(forked(made, tmp_path, 9).folder, NOW).before == 0
    with pytest.raises(VerificationError):
        witness.cosign_log(made.folder, NOW)


def test_a_state_that_somebody_wrote_is_not_believed(made: Log, witness: Witness) -> None:
    witness.cosign_log(made.folder, NOW)
    [path] = witness.folder.glob("*/checkpoint")
    older = Checkpoint(SIGNER.name, 1, bytes(32)).text()
    path.write_bytes(note.signed(older, [SIGNER.sign(older)]))
    with pytest.raises(VerificationError, match="nobody who is trusted"):
        witness.cosign_log(made.folder, NOW)


# --- keys ---------------------------------------------------------------------------------------------------------

RECOVERY = Signer("recovery", b"r" * 32)
NEW = Signer(SIGNER.name, b"n" * 32)
NAMED = succession.Keys(SIGNER.key, Signer("receipts", b"p" * 32).key, RECOVERY.key, succession.commitment(b"i" * 32))


def test_the_recovery_key_and_no_other_replaces_the_key_of_a_log() -> None:
    first, second = succession.genesis(NAMED), succession.rotation(SIGNER.key, NEW.key, RECOVERY)
    assert succession.follow([first]) == NAMED
    found = succession.follow([first, second])
    assert (found.log, found.before) == (NEW.key, (SIGNER.key,))
    again = succession.rotation(NEW.key, SIGNER.key, RECOVERY)
    assert succession.follow([first, second, again]).log == SIGNER.key
    for thief in (SIGNER, Signer("recovery", b"x" * 32)):
        with pytest.raises(VerificationError, match="nobody who is trusted"):
            succession.follow([first, succession.rotation(SIGNER.key, NEW.key, thief)])
    with pytest.raises(VerificationError, match="replaced that was not in force"):
        succession.follow([first, second, second])
    elsewhere = Signer("other.example/log", b"n" * 32)
    with pytest.raises(VerificationError, match="of another log"):
        succession.follow([first, succession.rotation(SIGNER.key, elsewhere.key, RECOVERY)])


@pytest.mark.parametrize(
    "data", [[], [b"{}"], [b"[]"], [b"\xff"], [succession.rotation(SIGNER.key, NEW.key, RECOVERY)]]
)
def test_a_log_begins_with_its_keys(data: list[bytes]) -> None:
    with pytest.raises(VerificationError):
        succession.follow(data)


def test_no_bit_of_a_rotation_can_change() -> None:
    first, second = succession.genesis(NAMED), succession.rotation(SIGNER.key, NEW.key, RECOVERY)
    begin = second.index(b'"predicate":')
    end = second.index(b'"predicateType"')
    for at in range(begin, end):
        for bit in (1, 4, 32):
            damaged = bytearray(second)
            damaged[at] ^= bit
            try:
                found = json.loads(damaged)["predicate"]
            except (ValueError, KeyError):
                continue
            if found != json.loads(second)["predicate"]:
                with pytest.raises(VerificationError):
                    succession.follow([first, bytes(damaged)])
