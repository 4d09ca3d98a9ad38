"""The log from the command line: begin it, prove an entry, let a second machine witness it, audit a copy of it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import small
from aboveboard import disk, keys, mainjob, succession
from aboveboard.cli import doors
from aboveboard.ledger import Ledger
from aboveboard.log import Log
from aboveboard.note import Signer, VerifierKey
from aboveboard.proof import Entry, Inclusion, Trust
from aboveboard.statement import Due
from aboveboard.workspace import open_workspace, read_job

HERE = Path(__file__).resolve().parent
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def ran(*args: object, code: int = 0) -> Result:
    found = CliRunner().invoke(doors, [str(one) for one in args])
    assert found.exit_code == code, found.output
    return found


def document(*args: object, code: int = 0) -> dict[str, object]:
    told: dict[str, object] = json.loads(ran(*args, "--json", code=code).stdout)
    return told


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    ran("init", tmp_path / "bird site", "--name", "bird site+")
    return tmp_path / "bird site"


def logged(folder: Path, count: int) -> None:
    ws = open_workspace(folder)
    for n in range(count):
        ws.evidence.enter(Due("audit/v1", b'{"n":%d,"after":%d}' % (n, len(ws.ledger.entries())), "audit"), MOMENT)
    ws.evidence.follow()
    ws.ledger.close()


# --- beginning ----------------------------------------------------------------------------------------------------


def test_the_first_entry_names_the_keys(fresh: Path) -> None:
    assert not (fresh / "log").exists()
    told = document("log", "checkpoint", "-w", fresh)
    assert (told["origin"], told["size"], told["cosigners"]) == ("bird-site-/log", 1, {})
    assert ran("log", "checkpoint", "-w", fresh).stdout == told["checkpoint"]
    made = open_workspace(fresh)
    entry = Entry.parse(made.log.reader().entry(0))
    said = (fresh / "log" / "objects" / entry.digest).read_bytes()
    named = succession.follow([said])
    assert entry.type == "key/v1"
    assert named == made.keys.named("bird-site-/log")
    assert str(named.recovery) == (fresh / "keys" / "recovery.pub").read_text().strip()
    for secret in ("log", "receipt", "index"):
        assert made.keys.secret(secret).hex() not in said.decode()


def test_the_recovery_key_is_written_apart(fresh: Path) -> None:
    assert stat.S_IMODE((fresh / "recovery.key").stat().st_mode) == 0o600
    found = {f["about"]: f for f in json.loads(ran("doctor", "-w", fresh, "--json").stdout)}
    assert found["recovery key"]["fine"]
    assert "nobody reaches it" in found["recovery key"]["hint"]
    assert found["log"]["seen"] == "not begun yet"
    (fresh / "recovery.key").chmod(0o644)
    assert "others can read it" in ran("doctor", "-w", fresh, code=3).stdout
    (fresh / "recovery.key").unlink()
    assert "not here, as it should be" in ran("doctor", "-w", fresh).stdout


def test_doctor_holds_the_log_against_the_ledger(fresh: Path) -> None:
    """A ledger that was lost, or brought back from before its last entries, is found before the next build is."""
    assert ran("log", "checkpoint", "-w", fresh)
    assert "1 entries under the checkpoint" in ran("doctor", "-w", fresh).stdout
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (fresh / name).unlink(missing_ok=True)
    assert "the ledger is gone" in ran("doctor", "-w", fresh, code=3).stdout
    Ledger.open(fresh / "ledger.db").close()
    assert "the ledger knows fewer" in ran("doctor", "-w", fresh, code=3).stdout


def test_a_workspace_from_before_gets_its_recovery_key(fresh: Path) -> None:
    (fresh / "keys" / "recovery.pub").unlink()
    (fresh / "recovery.key").unlink()
    before = {path.name: path.read_bytes() for path in (fresh / "keys").iterdir()}
    told = ran("log", "checkpoint", "-w", fresh, code=1)
    assert "hint: `aboveboard init --keys`" in told.stderr
    assert not (fresh / "log").exists()
    assert "Move" in ran("init", fresh, "--keys").stdout
    after = {path.name: path.read_bytes() for path in (fresh / "keys").iterdir()}
    assert {name: data for name, data in after.items() if name != "recovery.pub"} == before
    assert "there are keys already" in ran("init", fresh, "--keys", code=1).stderr
    document("log", "checkpoint", "-w", fresh)


def test_keys_are_never_made_anew_where_a_log_was_signed(fresh: Path) -> None:
    document("log", "checkpoint", "-w", fresh)
    shutil.rmtree(fresh / "keys")
    assert "the log was signed with other keys" in ran("init", fresh, "--keys", code=1).stderr


def test_a_log_keeps_its_name(fresh: Path) -> None:
    document("log", "checkpoint", "-w", fresh)
    settings = fresh / "aboveboard.toml"
    settings.write_text(settings.read_text() + '\n[log]\norigin = "elsewhere.example/log"\n')
    assert "is not ours" in ran("log", "checkpoint", "-w", fresh, code=5).stderr
    settings.write_text(settings.read_text().replace("elsewhere.example/log", "else where"))
    assert "the URL of the log without its scheme" in ran("log", "checkpoint", "-w", fresh, code=1).stderr


# --- proving ------------------------------------------------------------------------------------------------------


def test_a_proof_needs_nothing_but_a_key(fresh: Path, tmp_path: Path) -> None:
    logged(fresh, 3)
    told = document("log", "prove", 2, "-w", fresh)
    trust = Trust.parse(f"log {open_workspace(fresh).keys.signer('log', 'bird-site-/log').key}\nquorum none".encode())
    proof = Inclusion.parse(str(told["proof"]).encode())
    assert proof.verify(str(told["entry"]).encode(), trust).checkpoint.size == 4
    ran("log", "prove", 2, "-w", fresh, "--to", tmp_path / "proof")
    assert (tmp_path / "proof").read_text() == told["proof"] == ran("log", "prove", 2, "-w", fresh).stdout
    assert "the log has no entry 9" in ran("log", "prove", 9, "-w", fresh, code=1).stderr
    assert "none of size 9" in ran("log", "prove", "--since", 9, "-w", fresh, code=1).stderr
    ran("log", "prove", "-w", fresh, code=2)
    ran("log", "prove", 1, "--since", 1, "-w", fresh, code=2)


# --- witnessing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def second(tmp_path: Path) -> dict[str, Path]:
    """What a second machine has: a key, and a place for its state."""
    told = document("log", "key", "witness.example/1", tmp_path / "w.key")
    (tmp_path / "w.pub").write_text(str(told["key"]))
    assert stat.S_IMODE((tmp_path / "w.key").stat().st_mode) == 0o600
    assert "there is a file already" in ran("log", "key", "x", tmp_path / "w.key", code=1).stderr
    return {"key": tmp_path / "w.key", "state": tmp_path / "state", "pub": tmp_path / "w.pub"}


def test_a_second_machine_witnesses_and_the_quorum_counts(fresh: Path, second: dict[str, Path], tmp_path: Path) -> None:
    logged(fresh, 2)
    key = str(open_workspace(fresh).keys.signer("log", "bird-site-/log").key)
    (fresh / "log.trust").write_text(f"log {key}\nwitness w {second['pub'].read_text()}\nquorum w\n")
    settings = fresh / "aboveboard.toml"
    settings.write_text(settings.read_text() + '\n[log]\ntrust = "log.trust"\n')
    asked = ran("log", "checkpoint", "-w", fresh, code=3)
    assert "lacks cosignatures" in asked.stderr
    how = ("--key", second["key"], "--state", second["state"], "--to", tmp_path / "cosigned")
    assert "is not watched here" in ran("log", "witness", fresh / "log", *how, code=1).stderr
    ran("log", "witness", fresh / "log", *how, "--watch", key)
    told = document("log", "checkpoint", "-w", fresh, "--cosigned", tmp_path / "cosigned")
    assert list(told["cosigners"]) == ["w"]  # type: ignore[call-overload]
    assert "cosigned by w" in ran("log", "audit", "-w", fresh).stdout
    logged(fresh, 1)
    assert (
        "not the one in force"
        in ran("log", "checkpoint", "-w", fresh, "--cosigned", tmp_path / "cosigned", code=1).stderr
    )
    ran("log", "prove", "--since", 3, "-w", fresh, "--to", tmp_path / "sent")
    found = document("log", "witness", tmp_path / "sent", *how)
    assert (found["before"], found["size"]) == (3, 4)
    document("log", "checkpoint", "-w", fresh, "--cosigned", tmp_path / "cosigned")
    ran("log", "audit", "--log", fresh / "log", "--trust", fresh / "log.trust")
    assert VerifierKey.parse(second["pub"].read_text()).name == "witness.example/1"


def test_a_rollback_ends_with_5_and_leaves_evidence(fresh: Path, second: dict[str, Path], tmp_path: Path) -> None:
    logged(fresh, 2)
    shutil.copytree(fresh / "log", tmp_path / "old")
    logged(fresh, 2)
    key = str(open_workspace(fresh).keys.signer("log", "bird-site-/log").key)
    how = ("--key", second["key"], "--state", second["state"], "--watch", key)
    ran("log", "witness", fresh / "log", *how)
    told = ran("log", "witness", tmp_path / "old", *how, code=5).stderr
    assert "the log went back" in told
    [kept] = second["state"].glob("*/evidence/*")
    assert str(kept) in told
    second["key"].chmod(0o644)
    assert "others can read the private key" in ran("log", "witness", fresh / "log", *how, code=1).stderr


# --- auditing -----------------------------------------------------------------------------------------------------


def test_an_audit_computes_all_of_it_again(fresh: Path) -> None:
    logged(fresh, 5)
    told = document("log", "audit", "-w", fresh)
    assert (told["size"], told["entries"], told["problems"]) == (6, {"key/v1": 1, "audit/v1": 5}, [])
    assert "different histories" in ran("log", "audit", "-w", fresh).stdout
    [path] = [p for p in (fresh / "log" / "objects").iterdir() if p.read_bytes() == b'{"n":3,"after":4}']
    path.write_bytes(b'{"n":4,"after":4}')
    assert "FALSE: entry 4: its statement" in ran("log", "audit", "-w", fresh, code=5).stdout
    assert document("log", "audit", "-w", fresh, code=5)["problems"]
    assert "statements of 1 of 6 entries are lost or damaged" in ran("doctor", "-w", fresh, code=3).stdout
    (fresh / "log" / "tile" / "0" / "000.p" / "6").unlink()
    assert "is missing" in ran("doctor", "-w", fresh, code=3).stdout
    ran("log", "audit", "--log", fresh / "log", code=2)


def test_a_thief_of_the_log_key_cannot_name_another_key(fresh: Path) -> None:
    ws = open_workspace(fresh)
    old = ws.log.signer
    said = succession.rotation(old.key, VerifierKey(old.name, b"t" * 32), old)
    ws.evidence.enter(Due("key/v1", said, "keys"), MOMENT)
    ws.evidence.follow()
    assert "the keys of the log: nobody who is trusted" in ran("log", "audit", "-w", fresh, code=5).stdout


# --- replacing the key --------------------------------------------------------------------------------------------


def vkey(folder: Path) -> str:
    return str(open_workspace(folder).keys.signer("log", "bird-site-/log").key)


def test_a_new_key_takes_the_place_of_the_old_one(fresh: Path, tmp_path: Path) -> None:
    ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)
    logged(fresh, 2)
    old = vkey(fresh)
    (tmp_path / "old.trust").write_text(f"log {old}\nquorum none\n")
    told = document("log", "rotate", "--recovery", fresh / "recovery.key", "-w", fresh)
    assert told == {"key": vkey(fresh), "before": [old]}
    assert vkey(fresh) != old
    assert not (fresh / "keys" / "log.key.next").exists()
    # Who trusts the old key can still read the checkpoint that replaces it, and nothing after it.
    ran("log", "audit", "--log", fresh / "log", "--trust", tmp_path / "old.trust")
    logged(fresh, 1)
    ran("log", "audit", "--log", fresh / "log", "--trust", tmp_path / "old.trust", code=5)
    assert document("log", "audit", "-w", fresh)["entries"] == {
        "key/v1": 2, "policy/v1": 1, "choice-epoch/v1": 1, "intake/v1": 1, "release/v1": 1, "audit/v1": 3,
    }  # fmt: skip
    assert "6 entries" not in ran("doctor", "-w", fresh).stdout
    ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)


def test_a_lost_key_is_replaced_too(fresh: Path) -> None:
    logged(fresh, 2)
    (fresh / "keys" / "log.key").unlink()
    ran("log", "checkpoint", "-w", fresh, code=1)
    document("log", "rotate", "--recovery", fresh / "recovery.key", "-w", fresh)
    assert document("log", "audit", "-w", fresh)["problems"] == []


def test_another_recovery_key_replaces_nothing(fresh: Path, tmp_path: Path) -> None:
    logged(fresh, 1)
    before = (fresh / "log" / "checkpoint").read_bytes()
    (tmp_path / "r.key").write_text(Signer("recovery", b"x" * 32).written())
    (tmp_path / "r.key").chmod(0o600)
    assert (
        "not the one that the log names"
        in ran("log", "rotate", "--recovery", tmp_path / "r.key", "-w", fresh, code=1).stderr
    )
    assert (fresh / "log" / "checkpoint").read_bytes() == before


@pytest.mark.parametrize("lost", [False, True])
def test_a_replacement_survives_whatever_it_is_killed_at(fresh: Path, tmp_path: Path, lost: bool) -> None:
    """Every file it writes fails, before and after; then it is run again."""
    logged(fresh, 1)
    place, at = disk.place, 0
    while True:
        folder = Path(shutil.copytree(fresh, tmp_path / f"copy{at}"))
        if lost:
            (folder / "keys" / "log.key").unlink()
        left = [at]

        def failing(path: Path, data: bytes, *, mode: int = 0o644, left: list[int] = left) -> None:
            for write in (False, True):
                if left[0] == 0:
                    left[0] = -1
                    raise OSError(28, "No space left on device")
                left[0] -= 1
                if not write:
                    place(path, data, mode=mode)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(disk, "place", failing)
            found = CliRunner().invoke(
                doors, ["log", "rotate", "--recovery", str(folder / "recovery.key"), "-w", str(folder)]
            )
        if found.exit_code == 0:
            break
        document("log", "rotate", "--recovery", folder / "recovery.key", "-w", folder)
        told = document("log", "audit", "-w", folder)
        assert told["problems"] == []
        assert told["entries"] == {"key/v1": 2, "audit/v1": 1}
        at += 1
    assert at >= 14


# --- what it needs ------------------------------------------------------------------------------------------------

BARE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"duckdb", "pyarrow", "sqlalchemy", "alembic", "rich", "numpy", "tzdata"}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from aboveboard.cli import main
main(sys.argv[1:])
"""


def test_a_witness_and_an_audit_need_no_engine_and_no_database(fresh: Path, second: dict[str, Path]) -> None:
    logged(fresh, 2)
    made = Log.open(fresh / "log", open_workspace(fresh).keys.signer("log", "bird-site-/log"))
    (fresh / "log.trust").write_text(f"log {made.signer.key}\nquorum none\n")
    env = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    for args in (
        (
            "log",
            "witness",
            fresh / "log",
            "--key",
            second["key"],
            "--state",
            second["state"],
            "--watch",
            made.signer.key,
        ),
        ("log", "audit", "--log", fresh / "log", "--trust", fresh / "log.trust"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", BARE, *map(str, args)], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


# --- a log that was lost ------------------------------------------------------------------------------------------


def statements(folder: Path) -> list[Path]:
    return [path for path in (folder / "log" / "objects").iterdir() if len(path.name) == 64]


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("opened_meanwhile", [False, True])
def test_a_lost_log_comes_back_whole(fresh: Path, tmp_path: Path, opened_meanwhile: bool) -> None:
    logged(fresh, 3)
    before = files(fresh / "log")
    copy = Path(shutil.move(fresh / "log", tmp_path / "copy"))
    if opened_meanwhile:
        ran("log", "checkpoint", "-w", fresh)
        assert "statements of 4 of 4 entries are lost or damaged" in ran("doctor", "-w", fresh, code=3).stdout
    told = document("log", "restore", copy, "-w", fresh)
    assert (told["statements"], told["missing"], told["size"]) == (4, [], 4)
    assert {n: d for n, d in files(fresh / "log").items() if ".p/" not in n} == {
        n: d for n, d in before.items() if ".p/" not in n
    }
    assert "4 entries under the checkpoint" in ran("doctor", "-w", fresh).stdout
    assert document("log", "restore", copy, "-w", fresh)["statements"] == 0
    assert ran("log", "audit", "-w", fresh)


def test_what_an_older_copy_does_not_have_is_said(fresh: Path, tmp_path: Path) -> None:
    logged(fresh, 2)
    old = Path(shutil.copytree(fresh / "log", tmp_path / "old"))
    logged(fresh, 2)
    new = Path(shutil.move(fresh / "log", tmp_path / "new"))
    told = document("log", "restore", old, "-w", fresh, code=1)
    assert (told["statements"], told["missing"], told["size"]) == (3, [3, 4], 5)
    assert "STILL MISSING: the statements of 2 entries (3, 4" in ran("log", "restore", old, "-w", fresh, code=1).stdout
    damaged = next(path for path in statements(fresh) if path.read_bytes() == b'{"n":0,"after":1}')
    damaged.write_bytes(b"{}")
    assert document("log", "restore", new, "-w", fresh)["missing"] == []
    assert damaged.read_bytes() == b'{"n":0,"after":1}'


def test_cosignatures_come_back_with_the_checkpoint_they_stand_under(fresh: Path, tmp_path: Path) -> None:
    logged(fresh, 2)
    key = document("log", "key", "witness.example", tmp_path / "key")["key"]
    watched = str(open_workspace(fresh).signer("log").key)
    (fresh / "log.trust").write_text(f"log {watched}\nwitness w {key}\nquorum w\n")
    settings = fresh / "aboveboard.toml"
    settings.write_text(f'{settings.read_text()}\n[log]\ntrust = "log.trust"\n')
    shown = [
        "--key",
        tmp_path / "key",
        "--state",
        tmp_path / "state",
        "--watch",
        watched,
        "--to",
        tmp_path / "cosigned",
    ]
    ran("log", "witness", fresh / "log", *shown)
    ran("log", "checkpoint", "--cosigned", tmp_path / "cosigned", "-w", fresh)
    copy = Path(shutil.move(fresh / "log", tmp_path / "copy"))
    assert document("log", "restore", copy, "-w", fresh)["cosigned"] == ["witness.example"]
    assert ran("log", "checkpoint", "-w", fresh).stdout.encode() == (copy / "checkpoint").read_bytes()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("statement", "STILL MISSING"),
        ("signature", "does not hold"),
        ("another", "signed by another key"),
        ("ledger", "the ledger knows 2"),
    ],
)
def test_nothing_of_a_copy_is_believed(fresh: Path, tmp_path: Path, harm: str, says: str) -> None:
    logged(fresh, 1)
    ledger = {path: path.read_bytes() for path in fresh.glob("ledger.db*")}
    logged(fresh, 1)
    copy = Path(shutil.move(fresh / "log", tmp_path / "copy"))
    if harm == "statement":
        [path] = [path for path in (copy / "objects").iterdir() if b'"n":0,"after":2' in path.read_bytes()]
        path.write_bytes(path.read_bytes().replace(b":0", b":1"))
    elif harm == "signature":
        text = (copy / "checkpoint").read_bytes()
        (copy / "checkpoint").write_bytes(text.replace(b"\n3\n", b"\n2\n"))
    elif harm == "another":
        shutil.rmtree(fresh / "keys")
        (fresh / "recovery.key").unlink()
        keys.make(fresh / "keys")
    else:
        for path in fresh.glob("ledger.db*"):
            path.unlink()
        for path, data in ledger.items():
            path.write_bytes(data)
    found = CliRunner().invoke(doors, ["log", "restore", str(copy), "-w", str(fresh)])
    assert found.exit_code in (1, 5), found.output
    assert says in found.output
    if harm != "statement":
        assert not (fresh / "log").exists()


def test_a_release_gives_the_statements_it_stands_on(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "platform")
    ws = open_workspace(folder)
    made = mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    shutil.rmtree(folder / "log")
    assert "log restore" in ran("release", "build", folder / "job.toml", "-w", folder, code=1).stderr
    assert document("log", "restore", made.public, "-w", folder)["missing"] == []
    ran("release", "build", folder / "job.toml", "-w", folder)
    ran("log", "audit", "-w", folder)
