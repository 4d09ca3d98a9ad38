"""A capsule tells one person what of theirs is in a release, holds offline, fails at the right step where anything was
changed, and says nothing of anybody else; an auditor's recomputation finds what a platform bent.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import small
from aboveboard import capsule, capsules, checking, descriptor, keys, mainjob, manifest, openings, subjectmap
from aboveboard.capsule import Capsule
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import AboveboardError, ReleaseError, VerificationError
from aboveboard.reasons import OTHER_PEOPLE
from aboveboard.workspace import Workspace, open_workspace, read_job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def accounts(private: Path) -> list[str]:
    return [account.subject for account in openings.accounts(private)]


def made_for(built: Any, subject: str) -> Capsule:
    return capsules.make(built.release.public, built.release.private, subject, built.ws.keys)


def someone(built: Any, rows: int = 1) -> list[str]:
    """People with at least so many rows that are theirs alone."""
    with duckdb.connect() as con:
        files = str(built.release.private / "openings" / "records" / "*.parquet")
        asked = "SELECT account FROM read_parquet(?) WHERE NOT shared GROUP BY ALL HAVING count(*) >= ? ORDER BY 1"
        return [name for (name,) in con.execute(asked, [files, rows]).fetchall()]


# --- what it says -------------------------------------------------------------------------------------------------


def test_everybody_has_a_capsule_that_holds_and_together_they_are_the_release(birdsite) -> None:
    rows = shared = 0
    people = accounts(birdsite.release.private)
    for subject in random.Random(1).sample(people, 20):
        made = made_for(birdsite, subject)
        again = Capsule.parse(made.document())
        assert again == made
        found = checking.held(again, birdsite.release.public)
        assert len(found.steps) == 8
        assert found.rows == len(made.records)
    with duckdb.connect() as con:
        files = str(birdsite.release.private / "openings" / "records" / "*.parquet")
        [(rows, shared)] = con.execute(
            "SELECT count(*) FILTER (NOT shared), count(*) FILTER (shared) FROM read_parquet(?)", [files]
        ).fetchall()
    counts = json.loads((birdsite.release.private / "exact-counts.json").read_bytes())
    assert (counts["rows_of_one_person"], counts["rows_of_several"]) == (rows, shared)
    assert rows + shared == counts["released"]
    assert counts["accounts"] == len(people)


def test_a_stranger_is_told_nothing(birdsite) -> None:
    with pytest.raises(ReleaseError, match="`nobody` is no account"):
        made_for(birdsite, "nobody")


def test_it_holds_no_lasting_key_and_nothing_of_others(birdsite) -> None:
    subject = someone(birdsite)[0]
    data = made_for(birdsite, subject).document()
    lasting = [birdsite.ws.keys.secret(name).hex() for name in ("index", "shard", "order", "uid", "suppression")]
    lasting.append(birdsite.ws.ledger.subject_key(subject).hex())
    assert not [key for key in lasting if key.encode() in data]
    others = [s for s in accounts(birdsite.release.private) if s != subject and len(s) > 4]
    assert not [s for s in others if f'"{s}"'.encode() in data or s.encode().hex().encode() in data]


# --- what was changed ---------------------------------------------------------------------------------------------

WORD_OF_THE_PLATFORM = ("unproven", "shared")
"""What a capsule says that nothing proves: which records stayed out and why, and which have others in them."""


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves_of(one, (*path, key))
    else:
        yield path


def bent(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "x"
    digit = value[-1:] if value else "x"
    return value[:-1] + ("0" if digit != "0" else "1")


def test_whatever_is_changed_in_a_capsule_is_found(birdsite) -> None:
    subject = someone(birdsite, 3)[0]
    said = json.loads(made_for(birdsite, subject).document())
    paths = [path for path in leaves_of(said) if path[0] not in WORD_OF_THE_PLATFORM]
    assert len(paths) > 60
    for path in paths:
        other = json.loads(json.dumps(said))
        inside = other
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = bent(inside[path[-1]])
        with pytest.raises((VerificationError, ReleaseError)):  # the latter where it names a bucket that is not there
            checking.held(Capsule.parse(json.dumps(other).encode()), birdsite.release.public)


def test_what_is_left_out_of_a_capsule_is_missed(birdsite) -> None:
    subject = someone(birdsite, 3)[0]
    made = made_for(birdsite, subject)
    for name, match in (("records", "the map states"), ("events", "the choices"), ("shared", "such records")):
        short = replace(made, **{name: getattr(made, name)[1:]})
        if getattr(made, name):
            with pytest.raises(VerificationError, match=match):
                checking.held(short, birdsite.release.public)


def test_the_bytes_of_events_cannot_be_cut_elsewhere(own) -> None:
    """A no that stands inside a field of another event was not heard, whatever a capsule makes of the same bytes."""
    ws, _, _ = own
    no = Event(subject="u1", type="refused", recorded_at=NOW, effective_at=NOW, position=2)
    say(ws, "u1", "given", notice=descriptor.event_bytes(no).decode())
    made = mainjob.build(ws, read_job(ws.folder / "job.toml"))
    honest = capsules.make(made.public, made.private, "u1", ws.keys)
    [event] = (bytes.fromhex(one) for one in honest.events)
    at = event.index(descriptor.event_bytes(no))
    cut = (event[:at], event[at : at + len(descriptor.event_bytes(no))], event[at + len(descriptor.event_bytes(no)) :])
    for events in (cut, (b"".join(cut[:2]), cut[2]), (event, b"")):
        with pytest.raises(VerificationError) as told:
            checking.held(replace(honest, events=tuple(one.hex() for one in events)), made.public)
        assert told.value.context["step"] == "choices"


@pytest.mark.parametrize("prefix", [None, "x", 1.5, -1, [], "../../x"])
def test_a_bucket_that_is_no_number_is_an_error_of_ours(birdsite, prefix: Any) -> None:
    made = made_for(birdsite, someone(birdsite)[0])
    with pytest.raises((ReleaseError, VerificationError)):
        checking.held(replace(made, prefix=prefix), birdsite.release.public)


def test_what_cannot_be_made_or_written_is_said_in_words(own, tmp_path: Path) -> None:
    ws, public, private = own
    how = ["capsule", "make", "u1", public.name, "-w", str(ws.folder), "-o", str(tmp_path / "no" / "where.capsule")]
    done = CliRunner().invoke(doors, how)
    assert (done.exit_code, "the file system refused" in done.output) == (1, True)
    shutil.rmtree(private / "index")
    with pytest.raises(ReleaseError, match="not whole"):
        capsules.make(public, private, "u1", ws.keys)


@pytest.mark.parametrize(
    ("file", "step"),
    [("manifest.json", "manifest"), ("tombstones.json", "tombstones"), ("subjects/{bucket}", "bucket")],
)
def test_a_release_that_was_changed_fails_at_that_step(birdsite, tmp_path: Path, file: str, step: str) -> None:
    subject = accounts(birdsite.release.private)[0]
    made = made_for(birdsite, subject)
    public = Path(shutil.copytree(birdsite.release.public, tmp_path / "release"))
    path = public / file.format(bucket=subjectmap.bucket_name(made.prefix))
    data = path.read_bytes()
    for at in random.Random(3).sample(range(len(data)), min(40, len(data))):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(VerificationError) as raised:
            checking.held(made, public)
        assert raised.value.context["step"] == step


def test_nobody_opens_with_anothers_key(birdsite) -> None:
    one, other, *_ = someone(birdsite)
    mixed = replace(made_for(birdsite, one), row_key=made_for(birdsite, other).row_key)
    with pytest.raises(VerificationError, match="another key"):
        checking.held(mixed, birdsite.release.public)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"kind": "aboveboard/capsule/v1"}', b"[" * 100_000])
def test_what_is_no_capsule_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(VerificationError, match="no capsule"):
        Capsule.parse(data)


# --- from the command line ----------------------------------------------------------------------------------------


def test_make_and_check_from_the_command_line(birdsite, tmp_path: Path) -> None:
    subject = someone(birdsite)[0]
    file = tmp_path / "mine.capsule"
    how = ["-w", str(birdsite.ws.folder), "-o", str(file)]
    done = CliRunner().invoke(doors, ["capsule", "make", subject, "latest", *how])
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o077 == 0
    assert CliRunner().invoke(doors, ["capsule", "make", subject, "latest", *how]).exit_code == 1
    told = CliRunner().invoke(doors, ["check-me", str(file), str(birdsite.release.public)])
    assert told.exit_code == 0, told.output
    assert capsule.COVERS[1:] in told.output
    said = json.loads(CliRunner().invoke(doors, ["check-me", str(file), str(birdsite.release.public), "--json"]).stdout)
    assert said["holds"] is True
    assert said["rows"][0]["text"]
    file.write_bytes(file.read_bytes().replace(b'"position":', b'"position":9'))
    assert CliRunner().invoke(doors, ["check-me", str(file), str(birdsite.release.public)]).exit_code == 5


def test_a_receipt_that_was_not_kept_is_evidence(own, tmp_path: Path) -> None:
    """A choice is recorded and signed for; a ledger that forgot it builds a release after the promised time."""
    ws, _, _ = own
    how = ["choice", "record", "u1", "refused", "-w", str(ws.folder), "--receipt", str(tmp_path / "mine.receipt")]
    forgetful = Path(shutil.copytree(ws.folder, tmp_path / "forgetful"))
    done = CliRunner().invoke(doors, how)
    assert done.exit_code == 0, done.output
    later = datetime.now(UTC) + timedelta(days=2)
    told = []
    for folder in (ws.folder, forgetful):
        one = open_workspace(folder)
        if (
            folder == forgetful
        ):  # another keeps the platform's keys of people, as it would: only the choice is forgotten
            one.ledger.subject_keys(pa.table({"subject": ["u1"]}))
        made = mainjob.build(one, read_job(folder / "job.toml"), clock=lambda: later)
        file = tmp_path / f"{folder.name}.capsule"
        file.write_bytes(capsules.make(made.public, made.private, "u1", one.keys).document())
        one.ledger.close()
        asked = ["check-me", str(file), str(made.public), "--receipt", str(tmp_path / "mine.receipt")]
        told.append(CliRunner().invoke(doors, asked))
    kept, forgotten = told
    assert kept.exit_code == 0, kept.output
    assert "row of the map is yours" not in kept.output
    assert ": refused, about everything (event 2)" in kept.output
    assert "counted" in kept.output
    assert forgotten.exit_code == 5
    assert "left it out" in forgotten.output
    assert "together they are evidence" in forgotten.output


# --- the auditor --------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Workspace, Path, Path]]:
    """A small platform with choices and a release of it."""
    ws = open_workspace(small.make(tmp_path / "platform"))
    say(ws, "u3", "refused")
    made = mainjob.build(ws, read_job(ws.folder / "job.toml"))
    yield ws, made.public, made.private
    ws.ledger.close()


def say(ws: Workspace, subject: str, kind: str, **scope: Any) -> None:
    ws.ledger.append(Event(subject=subject, type=kind, recorded_at=NOW, effective_at=NOW, **scope))


def test_the_words_are_those_of_the_proof(own) -> None:
    """The sentences of docs/formats/capsule.md, for somebody who said no and for somebody who did not."""
    ws, public, private = own
    none, some = (checking.held(capsules.make(public, private, who, ws.keys), public).says for who in ("u3", "u1"))
    assert none[0] == (
        f"the platform states, signed, that nothing under this account is in release {public.name}; only an auditor's "
        "recomputation shows that the list is complete"
    )
    assert some[0] == (
        f"the platform states, signed, that 9 rows under this account and no other person's are in release {public.name}; "
        "only an auditor's recomputation shows that the list is complete"
    )
    assert none[-1] == some[-1] == capsule.COVERS


def test_another_accounts_capsule_is_said_to_be_possible_and_refused_with_a_receipt(own, tmp_path: Path) -> None:
    ws, public, private = own
    (tmp_path / "u3.receipt").write_bytes(ws.receipt(ws.ledger.events_of("u3")[0]))
    for who in ("u1", "u3"):
        (tmp_path / who).write_bytes(capsules.make(public, private, who, ws.keys).document())
    asked = ["check-me", str(tmp_path / "u1"), str(public)]
    assert "That the row of the map is yours is the platform's word" in CliRunner().invoke(doors, asked).output
    done = CliRunner().invoke(doors, [*asked, "--receipt", str(tmp_path / "u3.receipt")])
    assert (done.exit_code, "of another account" in done.output) == (5, True)
    asked[1] = str(tmp_path / "u3")
    assert CliRunner().invoke(doors, [*asked, "--receipt", str(tmp_path / "u3.receipt")]).exit_code == 0


def test_other_keys_than_those_of_the_release_are_named(own, tmp_path: Path) -> None:
    ws, public, _ = own
    somebody = next(iter(openings.accounts(ws.private / public.name))).subject
    shutil.rmtree(ws.keys_folder)
    keys.make(ws.keys_folder)
    args = ["capsule", "make", somebody, public.name, "-w", str(ws.folder), "-o", str(tmp_path / "made")]
    found = CliRunner().invoke(doors, args)
    assert found.exit_code == 1, found.output
    assert "laid out with other keys than those in keys/" in found.stderr
    assert "index" in found.stderr
    assert not (tmp_path / "made").exists()


def audited(ws: Workspace, public: Path) -> list[str]:
    return list(mainjob.auditor(ws, public).steps())


def test_an_auditor_finds_that_all_of_it_holds(birdsite) -> None:
    steps = audited(birdsite.ws, birdsite.release.public)
    assert len(steps) == 4
    assert f"{birdsite.release.governed.released:,} records judged again" in steps[2]


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_an_auditor_finds_what_was_bent(own) -> None:
    ws, public, private = own
    assert audited(ws, public)
    kept = {path: path.read_bytes() for path in (private / "openings").rglob("*.parquet")}
    [records] = (private / "openings" / "records").iterdir()
    other = datetime(2024, 1, 1)  # noqa: DTZ001 - tables hold naive UTC
    cases: list[tuple[Path, Callable[[dict[str, Any]], None], str]] = [
        (records, lambda row: row.update(collected_at=other), "3, records"),
        (records, lambda row: row.update(audience_at="private"), "3, records"),
        (records, lambda row: row.update(com=bytes(32)), "3, records"),
        (records, lambda row: row.update(clause="another"), "3, records"),
        (private / "openings" / "events.parquet", lambda row: row.update(type="given"), "2, people"),
        (private / "openings" / "facts.parquet", lambda row: row.update(age_band="child"), "2, people"),
        (private / "openings" / "accounts.parquet", lambda row: row.update(release_key=bytes(32)), "3, records"),
    ]
    for path, change, step in cases:
        rewrite(path, change)
        with pytest.raises(VerificationError) as raised:
            audited(ws, public)
        assert raised.value.context["step"] == step
        path.write_bytes(kept[path])
    assert audited(ws, public)


def test_an_auditor_finds_a_policy_that_was_changed_afterwards(own) -> None:
    ws, public, _ = own
    audit = mainjob.auditor(ws, public)
    version = audit.gate.policy.versions[0]
    narrower = replace(version, clauses=tuple(replace(c, id="other") for c in version.clauses))
    changed = replace(audit, gate=replace(audit.gate, policy=replace(audit.gate.policy, versions=(narrower,))))
    with pytest.raises(VerificationError, match="decided otherwise") as raised:
        list(changed.steps())
    assert raised.value.context["step"] == "3, records"


def test_an_auditor_finds_rows_that_are_no_longer_those_of_the_statement(own) -> None:
    ws, public, _ = own
    path = public / manifest.tile_name(0, 0)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(AboveboardError):
        audited(ws, public)


# --- what others choose -------------------------------------------------------------------------------------------


def built_where(folder: Path, choices: Callable[[Workspace], None], people: small.Bend = list) -> tuple[Workspace, Any]:
    """The small platform with three posts that quote and show u5, and the same keys whatever is chosen."""
    ws = open_workspace(folder)
    choices(ws)
    return ws, mainjob.build(ws, read_job(folder / "job.toml"), clock=lambda: datetime(2031, 2, 1, tzinfo=UTC))


@pytest.fixture
def quoting(tmp_path: Path) -> Path:
    def posts(rows: list[dict[str, Any]]) -> None:
        for n in (0, 12):
            rows[n] |= {"kind": "quote", "words": "so true"}
        rows[1] |= {"kind": "quote", "words": "so true", "signal": "torn"}  # a note where the regime lets it pass

    folder = small.make(tmp_path / "one", posts)
    signals = """signals = \"CASE WHEN signal IS NULL THEN []
      ELSE [{'code': 'signal.parse_error', 'purpose': 'train_ai_system'}] END\"""".replace("\n", " ")
    kind = "kind = \"coalesce(kind, 'post')\""
    parties = "parties = \"CASE WHEN kind IS NULL THEN [] ELSE [{'subject': 'u5', 'role': 'depicted'}] END\""
    (folder / "posts.toml").write_text(small.MAP.replace("kind = \"'post'\"", f"{kind}\n{signals}\n{parties}"))
    return folder


NOT_OF_ONE_PERSON = (
    "release", "manifest_sha256", "row_key", "records_key", "bucket_sha256", "bucket_path", "files", "position", "as_of",
)  # fmt: skip


def seen_by(ws: Workspace, made: Any, subject: str) -> Any:
    """What a capsule says of its person, without what it says of the release as a whole and of places in it."""
    said = json.loads(capsules.make(made.public, made.private, subject, ws.keys).document())
    for one in said["records"]:
        one.pop("place"), one.pop("path")
    return {name: value for name, value in said.items() if name not in NOT_OF_ONE_PERSON}


@pytest.mark.parametrize("kind", ["refused", "deleted", "suppressed"])
def test_another_persons_choice_changes_nothing_that_i_see(quoting: Path, tmp_path: Path, kind: str) -> None:
    other = Path(shutil.copytree(quoting, tmp_path / "two"))
    one_ws, one = built_where(quoting, lambda ws: say(ws, "u5", "given"))
    two_ws, two = built_where(other, lambda ws: say(ws, "u5", kind))
    assert one.governed.released != two.governed.released
    for subject in ("u0", "u1", "u7"):
        assert seen_by(one_ws, one, subject) == seen_by(two_ws, two, subject)
    assert seen_by(one_ws, one, "u5") != seen_by(two_ws, two, "u5")
    [first, *_] = seen_by(one_ws, one, "u0")["shared"]
    assert first["says"] == OTHER_PEOPLE
    one_ws.ledger.close()
    two_ws.ledger.close()


def test_why_somebody_is_out_shows_in_no_public_byte(quoting: Path, tmp_path: Path, monkeypatch) -> None:
    """Two platforms, the same but for the reason why u5 is out: every public file is the same, but for what is encrypted or
    salted, and that differs in content and never in size."""
    import secrets

    other = Path(shutil.copytree(quoting, tmp_path / "two"))
    made = []
    for folder, kind in ((quoting, "refused"), (other, "suppressed")):
        draw = random.Random(9)
        monkeypatch.setattr(secrets, "token_bytes", lambda n=32, draw=draw: draw.randbytes(n))
        ws, found = built_where(folder, lambda ws, kind=kind: say(ws, "u5", kind))
        made.append(
            {p.relative_to(found.public).as_posix(): p.read_bytes() for p in found.public.rglob("*") if p.is_file()}
        )
        ws.ledger.close()
    one, two = made
    assert one.keys() == two.keys()
    assert {name: len(data) for name, data in one.items()} == {name: len(data) for name, data in two.items()}
    differ = {name for name in one if one[name] != two[name]}
    assert {name for name in differ if not name.startswith("proof/")} <= {
        "manifest.json",
        "subjects/00000.bin",
        "subjects/top.bin",
    }
    before, after = (json.loads(files["manifest.json"])["predicate"] for files in made)
    assert {name for name in before if before[name] != after[name]} <= {"people_digest", "subjects", "log"}
    assert {n for n in before["subjects"] if before["subjects"][n] != after["subjects"][n]} <= {"root"}
