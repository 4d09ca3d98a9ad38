"""A release: what is in it, what must never be, and that nothing half done is ever seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from aboveboard import choice, mainjob, manifest, release
from aboveboard.choice import Event
from aboveboard.demo import make
from aboveboard.demo.tour import import_choices_of
from aboveboard.errors import ReleaseError
from aboveboard.gate import Gate, Job
from aboveboard.manifest import Governed, Shard
from aboveboard.policy import Citation, Clause, PolicyVersion, timeline
from aboveboard.reasons import BY_CODE, BY_ID, OUTCOMES
from aboveboard.record import Part, Party, Record
from aboveboard.workspace import Workspace, open_workspace, read_job

NOW = datetime(2025, 1, 1, tzinfo=UTC)
CANARY = "Between you and me:"


def _released(public: Path) -> list[dict[str, object]]:
    return [row for file in sorted((public / "data").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def _decisions(private: Path) -> list[dict[str, object]]:
    files = str(private / "decisions" / "*.parquet")
    found = duckdb.execute("SELECT * FROM read_parquet(?)", [files])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


# --- what is in it ------------------------------------------------------------------------------------------------


def test_every_row_of_every_source_is_decided_or_quarantined(birdsite) -> None:
    made = birdsite.release
    assert made.governed.records + made.governed.quarantined == 7170
    assert len(_decisions(made.private)) == made.governed.records
    keys = {(row["source"], row["ordinal"]) for row in _decisions(made.private)}
    assert len(keys) == made.governed.records


def test_the_yield_is_neither_nothing_nor_everything(birdsite) -> None:
    counts = birdsite.release.counts
    share = (counts["permit"] + counts["redact"]) / birdsite.release.governed.records
    assert 0.20 <= share <= 0.60
    assert counts["hold"] > 100


def test_released_rows_are_the_permitted_and_redacted_ones(birdsite) -> None:
    made = birdsite.release
    rows = _released(made.public)
    assert len(rows) == made.governed.released == made.counts["permit"] + made.counts["redact"]
    assert set(rows[0]) == set(manifest.RELEASED_COLUMNS)


def test_the_digest_of_the_rows_can_be_recomputed_from_the_rows(birdsite) -> None:
    import hashlib

    hashes = sorted(hashlib.sha256(manifest.row_bytes(row)).digest() for row in _released(birdsite.release.public))
    statement = json.loads((birdsite.release.public / "manifest.json").read_bytes())
    assert statement["predicate"]["rows_digest"] == manifest.rows_digest(hashes)


def test_files_are_named_by_what_is_in_them(birdsite) -> None:
    import hashlib

    statement = json.loads((birdsite.release.public / "manifest.json").read_bytes())
    for subject in statement["subject"]:
        found = hashlib.sha256((birdsite.release.public / subject["name"]).read_bytes()).hexdigest()
        assert found == subject["digest"]["sha256"] == Path(subject["name"]).stem


def test_mentions_never_leave_by_name(birdsite) -> None:
    handles = [
        handle.removeprefix("@")
        for (handle,) in duckdb.execute(
            "SELECT handle FROM read_parquet(?)", [str(birdsite.ws.folder / "data" / "accounts.parquet")]
        ).fetchall()
    ]
    texts = [str(row["text"]) for row in _released(birdsite.release.public)]
    assert any("@someone" in text for text in texts)
    assert not [handle for handle in handles if any(f"@{handle}" in text for text in texts)]


# --- what must never be in it -------------------------------------------------------------------------------------


def test_messages_never_reach_any_output(birdsite) -> None:
    """The canary of law 9: every direct message of birdsite opens with the same words."""
    source = (birdsite.ws.folder / "data" / "messages.jsonl").read_text(encoding="utf-8")
    assert CANARY in source
    assert not [row for row in _released(birdsite.release.public) if CANARY in repr(row)]
    assert not [row for row in _decisions(birdsite.release.private) if CANARY in repr(row)]
    quarantine = birdsite.release.private / "quarantine"
    assert not [t for f in quarantine.glob("*.parquet") for t in pq.read_table(f).to_pylist() if CANARY in repr(t)]


def test_the_public_part_tells_nothing_of_what_was_refused(birdsite) -> None:
    made = birdsite.release
    public = b"".join(p.read_bytes() for p in made.public.rglob("*") if p.is_file() and p.suffix != ".parquet")
    written = public.decode("utf-8") + repr(_released(made.public))
    refused = [row for row in _decisions(made.private) if OUTCOMES[row["outcome"]] in ("refuse", "hold")]
    assert not [row["record_id"] for row in refused if f"{row['record_id']}" in written and len(row["record_id"]) > 8]
    assert not [code for code in BY_CODE if code in written]
    plain = public.decode("utf-8").replace(",", "")
    for count in (made.counts["refuse"], made.counts["hold"], made.governed.records):
        assert not re.search(rf"(?<![0-9a-z.:]){count}(?![0-9a-z])", plain)
    assert made.governed.source_digest not in written


def test_the_private_part_is_for_its_owner_only(birdsite) -> None:
    assert birdsite.release.private.stat().st_mode & 0o077 == 0
    assert birdsite.ws.private.stat().st_mode & 0o077 == 0
    assert birdsite.release.private not in birdsite.release.public.parents


def test_decisions_hold_no_text(birdsite) -> None:
    [row, *_] = _decisions(birdsite.release.private)
    assert not {"text", "cuts", "parts", "content"} & set(row)


def test_scratch_is_gone_after_a_build(birdsite) -> None:
    assert not list(birdsite.ws.private.glob("scratch-*"))
    assert not list(birdsite.ws.releases.glob(".staging-*"))


# --- the same again, and after a no -------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Workspace, Path]]:
    make(tmp_path / "birdsite")
    ws = open_workspace(tmp_path / "birdsite")
    import_choices_of(ws)
    yield ws, tmp_path / "birdsite" / "jobs" / "feed-writer.toml"
    ws.ledger.close()


def test_built_again_the_rows_are_the_same_and_a_no_takes_a_person_out(own: tuple[Workspace, Path]) -> None:
    ws, job = own
    ticks = iter(datetime(2026, 1, 1, 0, 0, n, tzinfo=UTC) for n in range(9))
    first = mainjob.build(ws, read_job(job), clock=lambda: next(ticks))
    again = mainjob.build(ws, read_job(job), clock=lambda: next(ticks))
    assert again.governed.rows_digest == first.governed.rows_digest
    assert [s.sha256 for s in again.governed.shards] == [s.sha256 for s in first.governed.shards]

    subject, theirs = _somebody_released(ws, first)
    moment = datetime.now(UTC)
    ws.ledger.append(
        Event(subject=subject, type="refused", recorded_at=moment, effective_at=moment, purpose="train_ai_system")
    )
    after = mainjob.build(ws, read_job(job), clock=lambda: datetime.now(UTC))
    outcomes = {row["record_id"]: OUTCOMES[row["outcome"]] for row in _decisions(after.private)}
    assert theirs
    assert {outcomes[record] for record in theirs} == {"refuse"}
    assert after.governed.released < first.governed.released


def _somebody_released(ws: Workspace, made: release.Release) -> tuple[str, set[str]]:
    permitted = {r["record_id"] for r in _decisions(made.private) if r["outcome"] in (0, 1) and r["source"] == "posts"}
    rows = duckdb.execute(
        "SELECT 'u:' || writer, chirp_id FROM read_parquet(?)", [str(ws.folder / "data" / "posts.parquet")]
    ).fetchall()
    by_subject: dict[str, set[str]] = {}
    for subject, record in rows:
        if record in permitted:
            by_subject.setdefault(subject, set()).add(record)
    return max(by_subject.items(), key=lambda item: len(item[1]))


# --- build, with a judge of our own ---------------------------------------------------------------------------------


def _gate(position: int = 0, uses: tuple[str, ...] = (), use: str | None = None) -> Gate:
    clause = Clause(
        "t", "permit", ("train_ai_system.generative",), ("user.content.public",), "public", ("controller",),
        "legitimate_interest", Citation((), "q"), uses=uses,
    )  # fmt: skip
    version = PolicyVersion("p", "v", NOW, NOW, "UTC", "x", "IE", (clause,))
    people = replace(choice.people(), position=position)
    return Gate(timeline([version]), people, Job("train_ai_system.generative", model="m", use=use), NOW)


class _Judge:
    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during

    def write(self, data: Path, private: Path, progress: object = None) -> Governed:
        data.mkdir(parents=True)
        (data / "x.parquet").write_bytes(b"rows")
        self.during()
        return Governed((Shard("data/x.parquet", "00", 1),), "ab" * 32, (), 1, 0, "cd" * 32)


class _Ledger:
    def __init__(self) -> None:
        self.closing = 0
        self.position = 0

    @contextmanager
    def holding(self) -> Iterator[int]:
        yield self.position

    def closing_between(self, after: int, upto: int) -> int:
        return self.closing if after < upto else 0


def _build(tmp_path: Path, judge: _Judge, ledger: _Ledger, gate: Callable[[], Gate] = _gate) -> release.Release:
    return release.build(
        lambda _: judge, gate, ledger, to=tmp_path / "releases", private=tmp_path / "private", environment={}
    )


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def burn() -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        _build(tmp_path, _Judge(burn), _Ledger())
    assert release.published(tmp_path / "releases") == []
    assert list((tmp_path / "releases").iterdir()) == []
    assert list((tmp_path / "private").iterdir()) == []


def test_a_build_that_was_killed_is_invisible_and_cleared_away(tmp_path: Path) -> None:
    import subprocess
    import sys

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for folder in ("releases", "private"):
        left = tmp_path / folder / f".staging-{dead.pid}-00"
        left.mkdir(parents=True)
        (left / "manifest.json").write_text("{}")
    assert release.published(tmp_path / "releases") == []
    made = _build(tmp_path, _Judge(), _Ledger())
    assert [p.name for p in (tmp_path / "releases").iterdir()] == [made.id]
    assert [p.name for p in (tmp_path / "private").iterdir()] == [made.id]
    assert not (made.public / "private").exists()


def test_a_no_during_the_build_is_heard(tmp_path: Path) -> None:
    """Case 25: said while the build runs, before it is published."""
    ledger = _Ledger()
    seen: list[int] = []

    def gate() -> Gate:
        seen.append(ledger.position)
        return _gate(ledger.position)

    def say_no_once() -> None:
        if ledger.position == 0:
            ledger.position, ledger.closing = 1, 1

    made = _build(tmp_path, _Judge(say_no_once), ledger, gate)
    assert seen == [0, 1]
    assert made.manifest.position == 1
    assert len(release.published(tmp_path / "releases")) == 1


def test_people_who_never_stop_choosing_end_the_build_with_nothing_published(tmp_path: Path) -> None:
    ledger = _Ledger()

    def say_no() -> None:
        ledger.position, ledger.closing = ledger.position + 1, 1

    with pytest.raises(ReleaseError, match="kept changing"):
        _build(tmp_path, _Judge(say_no), ledger, lambda: _gate(0))
    assert release.published(tmp_path / "releases") == []


def test_a_use_that_no_clause_covers_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="covers the use `spam`") as raised:
        _build(tmp_path, _Judge(), _Ledger(), lambda: _gate(uses=("summaries",), use="spam"))
    assert "summaries" in raised.value.hint


def test_the_same_release_is_not_published_twice(tmp_path: Path) -> None:
    _build(tmp_path, _Judge(), _Ledger())
    with pytest.raises(ReleaseError, match="already there"):
        _build(tmp_path, _Judge(), _Ledger())


def test_evidence_left_by_a_build_that_died_between_the_renames_is_replaced(tmp_path: Path) -> None:
    made = _build(tmp_path, _Judge(), _Ledger())
    import shutil

    shutil.rmtree(made.public)
    again = _build(tmp_path, _Judge(), _Ledger())
    assert again.public.is_dir()
    assert again.private.is_dir()


def test_row_bytes_tell_null_from_empty_and_one_field_from_the_next() -> None:
    rows = [
        {"text": None, "language": "en", "kind": "post", "parts": None},
        {"text": "", "language": "en", "kind": "post", "parts": None},
        {"text": "", "language": "en", "kind": "post", "parts": []},
        {"text": "e", "language": "n", "kind": "post", "parts": []},
        {"text": "", "language": "en", "kind": "post", "parts": [{"kind": "card", "content": None}]},
    ]
    assert len({manifest.row_bytes(row) for row in rows}) == len(rows)


def test_audit_counts_what_a_build_counts_and_writes_nothing(birdsite) -> None:
    before = sorted(birdsite.ws.releases.iterdir())
    with mainjob.prepared(birdsite.ws, read_job(birdsite.job)) as ready:
        tallies, losses = ready.judge(ready.gate(birdsite.release.manifest.as_of)).audit()
    assert sorted(birdsite.ws.releases.iterdir()) == before
    assert set(tallies) == set(birdsite.release.governed.tallies)
    by_reason = {loss.reason: loss for loss in losses}
    assert by_reason["policy.widened_not_reconsented"].alone > 0
    assert all(loss.alone <= loss.against for loss in losses)
    assert BY_ID[601].code in by_reason


# --- canaries (law 9) -------------------------------------------------------------------------------------------------

MARK = "CANARY-"


def _canaries() -> list[Record]:
    """Records and parts that must never come out, each with a mark of its own; and one that must."""

    def one(id: str, **more: object) -> Record:
        main = Part(content=f"{MARK}{id} words", **more.pop("main", {}))  # type: ignore[arg-type]
        return Record(id, subject=str(more.pop("subject", "ann")), collected_at=NOW, created_at=NOW, main=main, **more)  # type: ignore[arg-type]

    def hidden(id: str, **part: object) -> Record:
        return one(id, main={}, parts=(Part("field", content=f"{MARK}{id} part", **part),))  # type: ignore[arg-type]

    return [
        Record("open", subject="ann", collected_at=NOW, created_at=NOW, main=Part(content="plain words")),
        one("message", kind="message"),
        one("labelled-message", main={"categories": ("user.communication.message.content",)}),
        one("key", main={"categories": ("user.authorization.credentials",)}),
        one("template", kind="template", main={"categories": ("user.biometric.face_template",)}),
        one("minor", subject="kid"),
        one("deleted", lifecycle="deleted"),
        one("unknown", main={"audience_now": None}),
        replace(hidden("x", categories=("user.communication.message.content",)), main=Part(content="plain")),
        replace(hidden("y", categories=("user.biometric.voice",)), main=Part(content="plain")),
        replace(hidden("z", categories=("user.authorization.password",)), main=Part(content="plain")),
        replace(hidden("kid", parties=(Party("kid", "depicted"),)), main=Part(content="plain")),
    ]  # fmt: skip


def test_canaries_never_come_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture
) -> None:
    from aboveboard.engine import Engine
    from aboveboard.judgement import Judgement
    from aboveboard.regime import Regimes
    from aboveboard.relate import relate
    from aboveboard.sources import from_records

    facts = [
        choice.Facts(subject=s, state="active", protected=False, age_band=age, residency="IE")
        for s, age in (("ann", "adult"), ("kid", "13_17"))
    ]
    gate = replace(_gate(), snapshot=choice.people(facts=facts), regimes=Regimes(regions={"IE": "notice"}))
    engine = Engine(threads=1)
    judgement = Judgement(engine, relate([from_records(_canaries(), tmp_path / "in")], tmp_path / "in", engine), gate)
    governed = judgement.write(tmp_path / "data", tmp_path / "private")
    rows = [row for file in (tmp_path / "data").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert governed.released == len(rows) == 5
    written = b"".join(
        p.read_bytes() for p in (*tmp_path.glob("data/*"), *tmp_path.glob("private/**/*")) if p.is_file()
    )
    seen = (
        repr(rows)
        + repr(_decisions(tmp_path / "private"))
        + repr(judgement.audit())
        + repr(list(judgement.show_steps()))
    )
    assert MARK not in seen
    assert MARK.encode() not in written
    assert MARK not in caplog.text + "".join(capsys.readouterr())


def test_a_build_needs_no_network(own: tuple[Workspace, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ws, job = own
    assert mainjob.build(ws, read_job(job), limit=200).governed.records > 0
