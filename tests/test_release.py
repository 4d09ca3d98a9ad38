"""A release: what is in it, what must never be, and that nothing half done is ever seen."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import choice, disk, identifiers, intake, keys, layout, mainjob, manifest, reading, release, writing
from aboveboard.choice import Event
from aboveboard.demo import make
from aboveboard.demo.tour import import_choices_of
from aboveboard.engine import Engine
from aboveboard.errors import EngineError, LedgerError, ReleaseError, SourceError
from aboveboard.gate import Gate, Job, Licence
from aboveboard.judgement import Judgement
from aboveboard.keys import Keys
from aboveboard.layout import Layout
from aboveboard.manifest import Governed, Shard
from aboveboard.policy import Citation, Clause, PolicyVersion, timeline
from aboveboard.reasons import BY_CODE, BY_ID, OUTCOMES
from aboveboard.record import Part, Party, Record
from aboveboard.regime import Regimes
from aboveboard.relate import relate
from aboveboard.sources import Staged, from_records
from aboveboard.suppression import NONE
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
    public = birdsite.release.public
    predicate = json.loads((public / "manifest.json").read_bytes())["predicate"]
    shards = []
    for said in predicate["layout"]["shards"]:
        rows = pq.read_table(public / said["file"]).to_pylist()
        digest = manifest.shard_digest(manifest.leaf(row) for row in rows)
        assert digest == said["rows_digest"]
        shards.append(Shard(said["key"], said["file"], "", len(rows), digest))
    assert predicate["rows_digest"] == manifest.rows_digest(shards)


def test_files_are_named_by_what_is_in_them(birdsite) -> None:
    statement = json.loads((birdsite.release.public / "manifest.json").read_bytes())
    for subject in statement["subject"]:
        found = hashlib.sha256((birdsite.release.public / subject["name"]).read_bytes()).hexdigest()
        assert found == subject["digest"]["sha256"]
        assert not subject["name"].startswith("data/") or found == Path(subject["name"]).stem
    bound = {subject["name"] for subject in statement["subject"]}
    public = birdsite.release.public
    there = {path.relative_to(public).as_posix() for path in public.rglob("*") if path.is_file()}
    proofs = {name for name in there if name.startswith("proof/")}  # made after the statement: the log speaks of it
    buckets = {
        name for name in there if name.startswith("subjects/") and name != "subjects/top.bin"
    }  # bound by top.bin
    top = (public / "subjects" / "top.bin").read_bytes()
    assert [hashlib.sha256((public / name).read_bytes()).digest() for name in sorted(buckets)] == [
        top[at : at + 32] for at in range(0, len(top), 32)
    ]
    assert there - proofs - buckets == bound | {"manifest.json"}


def test_mentions_never_leave_by_name(birdsite) -> None:
    handles = [
        handle.removeprefix("@")
        for (handle,) in duckdb.execute(
            "SELECT handle FROM read_parquet(?)", [str(birdsite.ws.folder / "data" / "accounts.parquet")]
        ).fetchall()
    ]
    texts = [str(row["text"]) for row in _released(birdsite.release.public)]
    assert any(re.search("@u_[a-z2-7]{16}", text) for text in texts)
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
    files = [p for p in made.public.rglob("*") if p.is_file() and p.suffix != ".parquet"]
    hashes = [p for p in files if p.suffix == ".bin" or "rows" in p.parts]  # hashes and what is encrypted
    public = b"".join(p.read_bytes() for p in files if p not in hashes)
    written = (
        public.decode("utf-8")
        + b"".join(p.read_bytes() for p in hashes).decode("latin-1")
        + repr(_released(made.public))
    )
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
        self.folded: list[tuple[int, tuple[str, ...]]] = []

    def write(self, public: Path, private: Path, progress: object = None) -> Governed:
        data = public / "data"
        data.mkdir(parents=True)
        (data / "x.parquet").write_bytes(b"rows")
        self.during()
        return Governed(
            (Shard(0, "data/x.parquet", hashlib.sha256(b"rows").hexdigest(), 1, "ef" * 32),),
            "ab" * 32,
            (),
            1,
            0,
            "cd" * 32,
        )

    def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> list[bytes]:
        self.folded.append((gate.snapshot.position, tuple(subjects)))
        self.during()
        return [bytes([gate.snapshot.position]) * 32]

    def involved(self, subjects: Sequence[str], private: Path) -> list[bytes]:
        self.folded.append((-1, tuple(subjects)))
        return [b"i" * 32]


class _Count(int):
    """A number that a ledger is asked for, and a transaction has."""

    def __call__(self) -> int:
        return self


class _Ledger:
    """A ledger in memory: whoever speaks says no, and a commit is lost where its transaction fails."""

    def __init__(self) -> None:
        self.held = False
        self.said: list[str] = []
        self.runs_out: dict[str, datetime] = {}
        self.entries: list[Mapping[str, str | int]] = []
        self.taken_out = _Count()

    @property
    def head(self) -> int:
        return len(self.said)

    @property
    def retracted(self) -> _Count:
        return self.taken_out

    @contextmanager
    def committing(self) -> Iterator[_Ledger]:
        before, self.held = len(self.entries), True
        try:
            yield self
        except BaseException:
            del self.entries[before:]
            raise
        finally:
            self.held = False

    def enter(self, release: Mapping[str, str | int]) -> None:
        self.entries.append(release)

    def releases(self) -> Sequence[Mapping[str, str | int]]:
        return tuple(self.entries)

    def speakers(self, after: int, upto: int, *, strangers: bool = True) -> list[str]:
        return sorted(set(self.said[after:upto]))

    def expiring(self, after: datetime, upto: datetime) -> list[str]:
        return [who for who, moment in self.runs_out.items() if after < moment <= upto]


def _build(
    tmp_path: Path, judge: _Judge, ledger: _Ledger, gate: Callable[[], Gate] = _gate, **more: Any
) -> release.Release:
    return release.build(
        lambda _: judge, gate, ledger, to=tmp_path / "releases", private=tmp_path / "private", environment={}, **more
    )


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def burn() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "part.partial")

    with pytest.raises(ReleaseError, match="refused: no space left on device") as raised:
        _build(tmp_path, _Judge(burn), _Ledger())
    assert raised.value.context["file"] == "part.partial"
    _nothing_in(tmp_path)


def _nothing_in(tmp_path: Path) -> None:
    assert release.published(tmp_path / "releases") == []
    assert list((tmp_path / "releases").iterdir()) == []
    assert list((tmp_path / "private").iterdir()) == []


def test_an_error_of_duckdb_is_told_by_its_name_only(tmp_path: Path) -> None:
    """Its message may quote what somebody wrote."""

    def burn() -> None:
        duckdb.execute("SELECT CAST('my secret words' AS INTEGER)")

    with pytest.raises(ReleaseError, match="DuckDB failed: ConversionException") as raised:
        _build(tmp_path, _Judge(burn), _Ledger())
    assert "secret" not in repr(raised.value.as_json()) + str(raised.value.__cause__)
    _nothing_in(tmp_path)


def test_an_error_of_duckdb_that_comes_through_arrow_is_not_told(tmp_path: Path) -> None:
    def burn() -> None:
        with duckdb.connect() as con:
            words = "SELECT if(i < 50_000, '1', 'my secret words') AS word FROM range(60_000) t(i)"
            con.sql(f"SELECT CAST(word AS INTEGER) AS n FROM ({words})").to_arrow_reader(1_000).read_all()

    with pytest.raises(ReleaseError, match="DuckDB failed while it was read from") as raised:
        _build(tmp_path, _Judge(burn), _Ledger())
    assert "secret" not in repr(raised.value.as_json()) + str(raised.value.__cause__)
    _nothing_in(tmp_path)


def test_an_error_of_arrow_is_told_by_its_name_only(tmp_path: Path) -> None:
    """Its message may too, and it may be a private file that is damaged."""

    def burn() -> None:
        pa.array(["my secret words"]).cast(pa.int64())

    with pytest.raises(ReleaseError, match="Arrow failed: ArrowInvalid") as raised:
        _build(tmp_path, _Judge(burn), _Ledger())
    assert "secret" not in repr(raised.value.as_json()) + str(raised.value.__cause__)
    _nothing_in(tmp_path)


def test_a_copy_that_fails_does_not_quote_a_row(tmp_path: Path) -> None:
    with duckdb.connect() as con, pytest.raises(EngineError, match="failed: ConversionException") as raised:
        writing.copy(
            con, "SELECT CAST(word AS INTEGER) AS n FROM (VALUES ('my secret words')) AS t(word)", tmp_path, "data"
        )
    assert "secret" not in str(raised.value) + str(raised.value.__cause__)


def test_rows_that_arrow_writes_do_not_quote_one_either(tmp_path: Path) -> None:
    words = "SELECT if(i < 50_000, '1', 'my secret words') AS word FROM range(60_000) t(i)"
    with duckdb.connect() as con, pytest.raises(EngineError, match="failed: ") as raised:
        writing.keep(con, f"SELECT CAST(word AS INTEGER) AS n FROM ({words})", tmp_path, "decisions")
    assert "secret" not in str(raised.value) + str(raised.value.__cause__)
    assert not list(tmp_path.glob("*.parquet"))


def test_rows_that_arrow_writes_are_the_rows(tmp_path: Path) -> None:
    lists = "CASE WHEN i % 3 > 0 THEN [i, i + 1] END AS some, 'a'::ENUM('a', 'b') AS which"
    query = f"SELECT i AS n, 'p' || i AS id, {lists} FROM range(300_000) t(i)"
    with duckdb.connect() as con:
        writing.keep(con, query, tmp_path, "decisions", ("n", "id"))
        [path] = tmp_path.iterdir()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        assert con.sql(f"FROM '{path}' EXCEPT ALL {query}").fetchall() == []
        assert con.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(300_000,)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_a_public_file_has_the_same_bytes_however_its_rows_came(pieces: list[int], size: int) -> None:
    """And row groups of one size, which tell nothing of how many rows were read at a time or left."""
    count = sum(pieces)
    rows = pa.table({
        "text": [None if n % 5 == 4 else f"words {n * n}" for n in range(count)],
        "language": ["en" if n % 3 else None for n in range(count)],
        "kind": ["post"] * count,
        "parts": [[{"kind": "quote", "content": f"said {n}"}] * (n % 3) for n in range(count)],
        "nonce": [bytes([n]) * 16 for n in range(count)],
        "person": range(count),
    }, schema=pa.schema([
        ("text", pa.string()), ("language", pa.dictionary(pa.int32(), pa.string())), ("kind", pa.string()),
        ("parts", pa.list_(pa.struct([("kind", pa.string()), ("content", pa.string())]))), ("nonce", pa.binary()),
        ("person", pa.uint64()),
    ]))  # fmt: skip
    begins = list(accumulate(pieces, initial=0))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(writing, "ROW_GROUP", size)
        name, sha256 = writing._keep_rows([rows], Path(folder))
        apart = (rows.slice(begin, some) for begin, some in zip(begins, pieces, strict=False))
        assert writing._keep_rows(apart, Path(folder)) == (name, sha256)
        file = pq.ParquetFile(Path(folder) / name)
        groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        assert groups == [size] * (count // size) + [count % size] * bool(count % size)
        assert file.read().to_pylist() == rows.drop_columns(["person"]).to_pylist()
        assert hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest() == sha256


def test_the_footer_of_a_public_file_holds_no_words(tmp_path: Path) -> None:
    """Limits of a column are values of it. Of what somebody wrote none are kept."""
    rows = pa.table({
        "text": ["private words"], "language": ["en"], "kind": ["post"], "nonce": [b"n" * 16],
        "parts": pa.array([[{"kind": "quote", "content": "words of others"}]]),
    })  # fmt: skip
    name, _ = writing._keep_rows([rows], tmp_path)
    columns = pq.read_metadata(tmp_path / name).row_group(0)
    limits = {columns.column(at).path_in_schema: columns.column(at).is_stats_set for at in range(columns.num_columns)}
    assert [name for name, kept in limits.items() if kept] == ["language", "kind"]


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "releases").write_text("not a folder")
    with pytest.raises(ReleaseError, match="the file system refused: file exists"):
        _build(tmp_path, _Judge(), _Ledger())
    assert list((tmp_path / "private").iterdir()) == []


def test_a_ledger_that_fails_while_we_publish_leaves_nothing_staged(tmp_path: Path) -> None:
    class Broken(_Ledger):
        def enter(self, release: Mapping[str, str | int]) -> None:
            raise LedgerError("the ledger is gone")

    with pytest.raises(LedgerError):
        _build(tmp_path, _Judge(), Broken())
    _nothing_in(tmp_path)


def test_a_rename_that_fails_after_the_commit_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, ledger = Path.rename, _Ledger()

    def refuse(path: Path, target: Path) -> Path:
        if target.parent.name == "releases":
            raise OSError(errno.EDQUOT, "Disk quota exceeded", str(target))
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(ReleaseError, match="quota"):
            _build(tmp_path, _Judge(), ledger)
    assert release.published(tmp_path / "releases") == []
    assert len(ledger.releases()) == 1
    [name] = release.finish(ledger, tmp_path / "private")
    assert [path.name for path in release.published(tmp_path / "releases")] == [name]
    assert release.finish(ledger, tmp_path / "private") == []


def test_the_name_of_a_model_is_cut_in_the_id() -> None:
    assert release.release_id(NOW, "m" * 300, "ab" * 32) == f"2025-01-01T000000Z-{'m' * 60}-abababab"
    assert release.release_id(NOW, "m" * 59 + " writer", "ab" * 32) == f"2025-01-01T000000Z-{'m' * 59}-abababab"


def test_a_build_that_was_killed_is_invisible_and_cleared_away(tmp_path: Path) -> None:
    for folder in ("releases", "private"):
        left = tmp_path / folder / ".staging-00"
        left.mkdir(parents=True)
        (left / "manifest.json").write_text("{}")
    (tmp_path / "private" / ".staging-00" / release.PUBLIC).write_text(str(tmp_path / "releases"))
    (tmp_path / "private" / ".staging-00.lock").write_text("")
    assert release.published(tmp_path / "releases") == []
    made = _build(tmp_path, _Judge(), _Ledger())
    assert [p.name for p in (tmp_path / "releases").iterdir()] == [made.id]
    assert [p.name for p in (tmp_path / "private").iterdir()] == [made.id]
    assert not (made.public / "private").exists()


def test_what_a_living_build_has_staged_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    with disk.leased(tmp_path / "private", release.STAGING) as theirs:
        theirs.mkdir()
        made = _build(tmp_path, _Judge(), _Ledger())
        assert theirs.is_dir()
        assert made.public.is_dir()


def test_what_another_workspace_has_staged_in_the_same_folder_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "releases" / ".staging-theirs"
    theirs.mkdir(parents=True)
    _build(tmp_path, _Judge(), _Ledger())
    assert theirs.is_dir()


def test_a_lease_that_somebody_takes_after_all_is_respected(tmp_path: Path) -> None:
    """Seen as abandoned a moment before its owner sits down: whoever clears up takes the lease first, or nothing."""
    with disk.leased(tmp_path, "x") as folder:
        folder.mkdir()
        disk.clear(folder)
        assert folder.is_dir()
        with disk.taken(folder) as ours:
            assert not ours
    disk.clear(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_that_was_moved_finishes_what_it_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, here, there = _Ledger(), tmp_path / "here", tmp_path / "there"
    with monkeypatch.context() as patched:
        patched.setattr(release, "_publish", _no_power)
        with pytest.raises(KeyboardInterrupt):
            _build(here, _Judge(), ledger)
    here.rename(there)
    [name] = release.finish(ledger, there / "private")
    assert (there / "releases" / name / "manifest.json").is_file()


def _no_power(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["data", "private"])
def test_a_damaged_staging_is_never_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    ledger = _Ledger()
    with monkeypatch.context() as patched:
        patched.setattr(release, "_publish", _no_power)
        with pytest.raises(KeyboardInterrupt):
            _build(tmp_path, _Judge(), ledger)
    [shown] = (tmp_path / "releases").glob(".staging-*")
    if what == "data":
        (shown / "data" / "x.parquet").write_bytes(b"other rows")
    else:
        shutil.rmtree(tmp_path / "private" / shown.name)
    with pytest.raises(ReleaseError, match="not the one that was committed"):
        release.finish(ledger, tmp_path / "private")
    assert release.published(tmp_path / "releases") == []


def test_other_keys_than_before_build_nothing(tmp_path: Path) -> None:
    ledger = _Ledger()
    _build(tmp_path, _Judge(), ledger, keys={"shard": "aa"})
    with pytest.raises(ReleaseError, match="other ones than those of the releases before"):
        _build(tmp_path, _Judge(), ledger, keys={"shard": "bb"})


def test_words_that_run_out_during_the_build_are_heard(tmp_path: Path) -> None:
    ledger, judge = _Ledger(), _Judge()
    ledger.runs_out = {"u:1": NOW + timedelta(minutes=5), "u:2": NOW + timedelta(days=1)}
    moments = iter((NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=1)))
    _build(tmp_path, judge, ledger, lambda: replace(_gate(), as_of=next(moments)))
    assert judge.folded == [(0, ("u:1",))]


def test_a_licence_that_ends_during_the_build_stops_it(tmp_path: Path) -> None:
    licence = Licence("l", ("train_ai_system",), valid_to=NOW + timedelta(minutes=5))
    moments = iter((NOW, NOW + timedelta(hours=1)))
    with pytest.raises(ReleaseError, match="licence began or ended"):
        _build(tmp_path, _Judge(), _Ledger(), lambda: replace(_gate(), as_of=next(moments), licences={"l": licence}))
    _nothing_in(tmp_path)


def _late(ledger: _Ledger) -> Callable[[], Gate]:
    return lambda: _gate(ledger.head)


def test_a_no_during_the_build_is_heard(tmp_path: Path) -> None:
    """Case 25: said while the build runs, before it is committed. Its rows leave by the list of tombstones."""
    ledger = _Ledger()

    def say_no_once() -> None:
        if not ledger.said:
            ledger.said.append("u:1")

    judge = _Judge(say_no_once)
    made = _build(tmp_path, judge, ledger, _late(ledger))
    assert judge.folded == [(1, ("u:1",))]
    assert (made.manifest.judged, made.manifest.position) == (0, 1)
    assert json.loads((made.public / "tombstones.json").read_bytes()) == {"tombstones": ["01" * 32]}


def test_people_who_never_stop_choosing_cannot_starve_publishing(tmp_path: Path) -> None:
    ledger = _Ledger()
    judge = _Judge(lambda: ledger.held or ledger.said.append(f"u:{ledger.head}"))  # type: ignore[func-returns-value]
    made = _build(tmp_path, judge, ledger, _late(ledger))
    heard = {subject for _, subjects in judge.folded for subject in subjects}
    assert heard >= {f"u:{n}" for n in range(made.manifest.position)}
    assert [position for position, _ in judge.folded].count(-1) == 1
    assert len(judge.folded) == release.ROUNDS + 1


def test_a_use_that_no_clause_covers_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="covers the use `spam`") as raised:
        _build(tmp_path, _Judge(), _Ledger(), lambda: _gate(uses=("summaries",), use="spam"))
    assert "summaries" in raised.value.hint


def test_two_releases_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    ledger = _Ledger()
    first, second = _build(tmp_path, _Judge(), ledger), _build(tmp_path, _Judge(), ledger)
    assert second.id == f"{first.id}-2" != first.id
    assert [entry["id"] for entry in ledger.releases()] == [first.id, second.id]
    assert [path.name for path in release.published(tmp_path / "releases")] == [first.id, second.id]


def test_evidence_that_is_already_there_is_never_replaced(tmp_path: Path) -> None:
    """It may belong to a release in another folder: without it nobody can say why somebody was in it."""
    made = _build(tmp_path, _Judge(), _Ledger())
    salt = (made.private / "salt").read_bytes()
    made.public.rename(tmp_path / "handed-on")
    again = _build(tmp_path, _Judge(), _Ledger())
    assert again.id == f"{made.id}-2"
    assert (made.private / "salt").read_bytes() == salt
    assert {path.name for path in (tmp_path / "private").iterdir()} == {made.id, again.id}


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


# --- files and shards, sources and limits ------------------------------------------------------------------------------


KEYS = Keys(Path(), {name: name.encode().ljust(32, b"k") for name in keys.KINDS})


def _judged(sources: list[Staged], folder: Path, people: Sequence[str] = ("ann",), **more: object) -> Judgement:
    """These sources under a gate that permits what adults made public; ann is one, kid is not."""
    facts = [
        choice.Facts(subject=s, state="active", protected=False, age_band=age, residency="IE")
        for s, age in (*((one, "adult") for one in people), ("kid", "13_17"))
    ]
    gate = replace(_gate(), snapshot=choice.people(facts=facts), regimes=Regimes(regions={"IE": "notice"}))
    engine = Engine(threads=2)
    return Judgement(engine, relate(sources, folder, engine), gate, keys=KEYS, **more)  # type: ignore[arg-type]


def _posts(n: int) -> list[Record]:
    """Posts of an adult; of the first half, every other one is a minor's."""
    return [
        Record(str(i), subject="kid" if i < n / 2 and i % 2 else "ann", collected_at=NOW, created_at=NOW,
               main=Part(content=f"the bird of number {i % (n - 9)}"))
        for i in range(n)
    ]  # fmt: skip


def _split(staged: Staged, rows: int) -> Staged:
    """The same source in shards of so many rows."""
    table = pq.read_table(staged.shards[0])
    shards = [staged.shards[0].parent / f"shard-{start:05d}.parquet" for start in range(0, table.num_rows, rows)]
    for n, shard in enumerate(shards):
        pq.write_table(table.slice(n * rows, rows), shard)
    return replace(staged, shards=tuple(shards))


@pytest.mark.usefixtures("few")
def test_the_files_do_not_tell_what_the_shards_were(tmp_path: Path) -> None:
    found = []
    for name, rows in (("whole", 400), ("small", 37), ("halves", 200)):
        folder = tmp_path / name
        staged = _split(from_records(_posts(400), folder / "in"), rows)
        governed = _judged([staged], folder, most=1).write(folder / "public", folder / "private")
        assert governed.released == 300
        assert [p.name for p in (folder / "private").iterdir() if p.name == "parts"] == []
        found.append(governed.shards)
    assert found[0] == found[1] == found[2]
    assert sum(shard.rows for shard in found[0]) == 300


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of few people and rows, so that a test can have several."""
    monkeypatch.setattr(layout, "SUBJECTS", 1)
    monkeypatch.setattr(layout, "ROWS", 10)


@pytest.mark.usefixtures("few")
def test_each_file_holds_its_people_in_the_order_of_the_key(tmp_path: Path) -> None:
    crowd = [f"p{n}" for n in range(40)]
    posts = [replace(one, subject=crowd[n % 40]) for n, one in enumerate(_posts(400))]
    judged = _judged([from_records(posts, tmp_path / "in")], tmp_path, people=crowd, most=2)
    governed = judged.write(tmp_path / "d", tmp_path / "p")
    assert governed.released == 400
    assert {shard.key for shard in governed.shards} == {0, 1, 2, 3}
    for shard in governed.shards:
        table = pq.read_table(tmp_path / "d" / shard.name)
        assert table.column_names == list(manifest.RELEASED_COLUMNS)
        index = pq.read_table(tmp_path / "p" / "index" / f"{shard.key:05d}.parquet").to_pylist()
        places = []
        for row, entry in zip(table.to_pylist(), index, strict=True):
            record = posts[entry["ordinal"]]
            place = layout.place(KEYS.secret("order"), "records", record.id, manifest.row_bytes(row))
            assert Layout(2).shard_of(KEYS.secret("shard"), str(record.subject)) == shard.key
            assert (row["text"], row["nonce"]) == (record.text, layout.nonce(place))
            assert entry["leaf"] == manifest.leaf(row)
            places.append(place)
        assert places == sorted(places)
        assert shard.rows_digest == manifest.shard_digest(manifest.leaf(row) for row in table.to_pylist())


@pytest.mark.usefixtures("few")
def test_a_file_nobody_left_or_joined_keeps_its_bytes(tmp_path: Path) -> None:
    crowd = [f"p{n}" for n in range(40)]
    posts = [replace(one, subject=crowd[n % 40]) for n, one in enumerate(_posts(400))]
    gone = [one for one in posts if one.subject != "p7"]
    made = []
    for name, records in (("all", posts), ("without", gone)):
        judged = _judged([from_records(records, tmp_path / name)], tmp_path / name, people=crowd, most=2)
        made.append({s.key: s.sha256 for s in judged.write(tmp_path / name / "d", tmp_path / name / "p").shards})
    touched = Layout(2).shard_of(KEYS.secret("shard"), "p7")
    assert {key for key in made[0] if made[0][key] != made[1][key]} == {touched}


@pytest.mark.usefixtures("few")
def test_several_workers_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    made = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        staged = _split(from_records(_posts(400), folder / "in"), 90)
        seen: list[tuple[int, int]] = []
        judged = _judged([staged], folder, most=1, workers=workers)
        governed = judged.write(folder / "d", folder / "p", lambda done, total: seen.append((done, total)))  # noqa: B023
        assert seen[-1] == (400, 400)
        files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("[dp]/**/*.parquet")}
        made.append((governed, files))
    assert made[0] == made[1]
    assert len(made[0][1]) > 5


def test_what_goes_wrong_in_a_worker_is_told_as_it_is(tmp_path: Path) -> None:
    staged = _split(from_records(_posts(100), tmp_path / "in"), 30)
    judged = _judged([staged], tmp_path, workers=2)
    staged.shards[2].write_bytes(b"no parquet")
    with pytest.raises(duckdb.Error):
        judged.write(tmp_path / "d", tmp_path / "p")
    assert not (tmp_path / "p" / "parts").exists()
    assert [path.name for path in (tmp_path / "p").glob("people-*")] == []


def test_identifiers_leave_text_and_what_stands_beside_it(tmp_path: Path) -> None:
    posts = [
        replace(_posts(10)[0], id="a", main=Part(content="write to ann@example.org or ask @Bo"),
                parts=(Part("card", content="call +49 30 901820 now"), Part("card", content="no number"))),
        replace(_posts(10)[0], id="b", main=Part(content="nothing here")),
    ]  # fmt: skip
    governed = _judged([from_records(posts, tmp_path / "in")], tmp_path).write(tmp_path / "d", tmp_path / "p")
    [table] = [pq.read_table(path) for path in (tmp_path / "d" / "data").iterdir()]
    rows = {row["text"]: row for row in table.to_pylist()}
    pseudonym = identifiers.replace("@Bo", KEYS.secret("pseudonym"))
    written = rows[f"write to [email] or ask {pseudonym}"]
    assert [part["content"] for part in written["parts"]] == ["call [phone] now", "no number"]
    assert "nothing here" in rows
    assert {kind: n for kind, n in governed.masked.items() if n} == {"email": 1, "mention": 1, "phone": 1}


def test_a_record_that_claims_a_later_receipt_stops_the_build(tmp_path: Path) -> None:
    posts = _posts(10)
    first = _judged([from_records(posts, tmp_path / "in")], tmp_path, seen=tmp_path / "private")
    (tmp_path / "private" / "one").mkdir(parents=True)
    first.write(tmp_path / "d", tmp_path / "private" / "one")
    moved = [replace(one, collected_at=NOW + timedelta(days=1)) if one.id == "3" else one for one in posts]
    later = _judged([from_records(moved, tmp_path / "again")], tmp_path, seen=tmp_path / "private")
    with pytest.raises(SourceError, match=r"1 records were received earlier .* such as `3`"):
        intake.refuse_redated(later.engine, later.related, tmp_path / "private", NONE)
    same = _judged([from_records(posts, tmp_path / "same")], tmp_path, seen=tmp_path / "private")
    intake.refuse_redated(same.engine, same.related, tmp_path / "private", NONE)
    (tmp_path / "private" / "two").mkdir()
    same.write(tmp_path / "d2", tmp_path / "private" / "two")
    assert pq.read_table(tmp_path / "private" / "two" / intake.FILE).num_rows == 0


def test_a_late_no_takes_the_rows_of_everybody_it_touches(tmp_path: Path) -> None:
    """Fold, with the judgement itself: bo says no while we write; ann quotes bo."""
    posts = [
        replace(_posts(10)[0], id="own", subject="bo", main=Part(content="a bird")),
        replace(_posts(10)[0], id="quoting", main=Part(content="so true: a bird"), parts=(
            Part("quote", place="span", start=9, end=15, parties=(Party("bo", "quoted_author"),), source_state="present"),)),
        replace(_posts(10)[0], id="other", main=Part(content="another bird")),
    ]  # fmt: skip
    judged = _judged([from_records(posts, tmp_path / "in")], tmp_path, people=("ann", "bo"))
    governed = judged.write(tmp_path / "d", tmp_path / "p")
    assert governed.released == 3
    no = Event(subject="bo", type="refused", recorded_at=NOW, effective_at=NOW, purpose="train_ai_system", position=1)
    facts = [one for rows in judged.gate.snapshot.facts.values() for one in rows]
    gate = replace(judged.gate, snapshot=choice.people([no], facts))
    [table] = [pq.read_table(path) for path in (tmp_path / "d" / "data").iterdir()]
    leaves = {manifest.leaf(row): row["text"] for row in table.to_pylist()}
    assert {leaves[leaf] for leaf in judged.fold(gate, ["bo"], tmp_path / "p")} == {"a bird", "so true: a bird"}
    assert judged.fold(judged.gate, ["bo"], tmp_path / "p") == []
    assert {leaves[leaf] for leaf in judged.involved(["bo"], tmp_path / "p")} == {"a bird", "so true: a bird"}
    assert judged.involved(["nobody"], tmp_path / "p") == []


def test_large_files_keep_their_bytes_whatever_stands_before_them(tmp_path: Path) -> None:
    """More rows than a row group: where a file began in a larger table must not show in it."""
    made = []
    for before in (300_000, 200_000):
        folder, engine = tmp_path / str(before), Engine(threads=1)
        for name in ("parts", "data", "index"):
            (folder / name).mkdir(parents=True)
        half = 1 << (layout.MAX_BITS - 1)
        with engine.connect() as con:
            writing.copy_rows(con, _MANY.format(before=before, half=half), folder / "parts" / "0.parquet", 8_192)
        made.append(writing.cut(engine, folder / "parts", folder, folder / "index", 1).shards)
    assert [shard.key for shard in made[0]] == [shard.key for shard in made[1]] == [0, 1]
    assert made[0][0].sha256 != made[1][0].sha256
    assert made[0][1] == made[1][1]


_MANY = """
SELECT CASE WHEN i < {before} THEN 0 ELSE {half} END AS shard,
  sha256(CASE WHEN i < {before} THEN i ELSE i - {before} + 1000000 END::VARCHAR)[1:16] AS place,
  'bird ' || (CASE WHEN i < {before} THEN i ELSE i - {before} END) AS text, 'en' AS language, 'post' AS kind,
  []::STRUCT(kind VARCHAR, content VARCHAR)[] AS parts, unhex(md5(text)) AS nonce, unhex(sha256(text)) AS leaf,
  's' AS source, i AS ordinal, hash(i % 2000) AS person
FROM range({before} + 310000) AS t(i)
"""


def test_a_file_never_holds_too_few_people() -> None:
    """Counted by the finest file; two people say yes, and however many rows they wrote, there is one file."""
    many = dict.fromkeys(range(1 << layout.MAX_BITS), layout.SUBJECTS)
    assert layout.fitting(many, layout.ROWS << layout.MAX_BITS) == Layout(layout.MAX_BITS)
    assert layout.fitting(many, layout.ROWS << 3) == Layout(3)
    assert layout.fitting(many, layout.ROWS << 9, 5) == Layout(5)
    assert layout.fitting({**many, 7: 1}, layout.ROWS << layout.MAX_BITS) == Layout(layout.MAX_BITS - 1)
    assert layout.fitting({0: 10_000, 4_000: 2}, layout.ROWS << 9) == Layout(0)
    assert layout.fitting({}, 0) == Layout(0)


def test_nothing_released_is_no_file(tmp_path: Path) -> None:
    kids = [replace(one, subject="kid") for one in _posts(20)]
    governed = _judged([from_records(kids, tmp_path / "in")], tmp_path).write(tmp_path / "d", tmp_path / "p")
    assert (governed.shards, governed.records) == ((), 20)
    assert list((tmp_path / "d" / "data").iterdir()) == []


def test_only_the_chosen_sources_are_judged_and_counted(tmp_path: Path) -> None:
    first = replace(from_records(_posts(20), tmp_path / "a", name="a"), quarantined=3)
    second = replace(from_records(_posts(20), tmp_path / "b", name="b"), quarantined=5)
    both = _judged([first, second], tmp_path)
    one = replace(both, sources=("b",))
    governed = one.write(tmp_path / "data", tmp_path / "private")
    assert (governed.records, governed.quarantined) == (20, 5)
    assert {tally.source for tally in governed.tallies} == {"b"}
    assert [path.name for path in (tmp_path / "private" / "quarantine").iterdir()] == ["b.parquet"]
    assert governed.source_digest == both.write(tmp_path / "data2", tmp_path / "private2").source_digest
    assert {record.source for record in one.find("1")} == {"b"}


_EDITS = """name = "edits"
origin = "first_party"

[table]
path = "../data/edits.csv"

[columns]
record_id = "id"
kind = "'post'"
subject = "writer"
text = "words"
revision_of = "first"
revision = "version"
"""


def _add_edit_of(ws: Workspace, record: str) -> None:
    """A further source, which holds a newer version of one record."""
    settings = ws.folder / "aboveboard.toml"
    settings.write_text(settings.read_text().replace("[sources]", '[sources]\nedits = "sources/edits.toml"'))
    (ws.folder / "sources" / "edits.toml").write_text(_EDITS)
    (ws.folder / "data" / "edits.csv").write_text(
        f"id,writer,words,first,version\nnewer,u:1,other words,{record},999\n"
    )


def test_an_edit_in_another_source_supersedes(own: tuple[Workspace, Path]) -> None:
    """Asked for one source only: what another one says of its records still counts."""
    ws, job = own
    record = _somebody_released(ws, mainjob.build(ws, read_job(job), sources=("posts",)))[1].pop()
    _add_edit_of(ws, record)
    after = mainjob.build(open_workspace(ws.folder), read_job(job), sources=("posts",))
    [decision] = [row for row in _decisions(after.private) if row["record_id"] == record]
    assert OUTCOMES[decision["outcome"]] in ("refuse", "hold")
    assert {row["source"] for row in _decisions(after.private)} == {"posts"}
    assert _job_of(after)["sources"] == ["posts"]


def _job_of(made: release.Release) -> dict[str, object]:
    found: dict[str, object] = json.loads((made.public / "manifest.json").read_bytes())["predicate"]["job"]
    return found


def test_the_manifest_names_the_sources_that_were_judged(birdsite) -> None:
    assert _job_of(birdsite.release)["sources"] == list(birdsite.ws.sources)


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
    judged = _judged([from_records(_canaries(), tmp_path / "in")], tmp_path / "in")
    governed = judged.write(tmp_path / "data", tmp_path / "private")
    rows = [row for file in (tmp_path / "data" / "data").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert governed.released == len(rows) == 5
    written = b"".join(
        p.read_bytes() for p in (*tmp_path.glob("data/*"), *tmp_path.glob("private/**/*")) if p.is_file()
    )
    seen = repr(rows) + repr(_decisions(tmp_path / "private")) + repr(judged.audit()) + repr(list(judged.show_steps()))
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


# --- reading ------------------------------------------------------------------------------------------------------------


def test_an_export_leaves_out_what_was_withdrawn(tmp_path: Path) -> None:
    judged = _judged([from_records(_posts(40), tmp_path / "in")], tmp_path)
    withdrawn: list[bytes] = []

    class Folding:
        def write(self, public: Path, private: Path, progress: object = None) -> Governed:
            governed = judged.write(public, private)
            [file] = (public / "data").iterdir()
            withdrawn.append(manifest.leaf(pq.read_table(file).to_pylist()[3]))
            return governed

        def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> list[bytes]:
            return withdrawn

        def involved(self, subjects: Sequence[str], private: Path) -> list[bytes]:
            return []

    ledger = _Ledger()
    ledger.said.append("ann")
    heads = iter((0, 1, 1, 1))
    made = release.build(
        lambda _: Folding(), lambda: _gate(next(heads)), ledger,
        to=tmp_path / "releases", private=tmp_path / "private", environment={},
    )  # fmt: skip
    written = reading.export(made.public, tmp_path / "rows.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert written == len(lines) == made.governed.released - 1
    assert set(lines[0]) == {"text", "language", "kind", "parts"}
    with pytest.raises(ReleaseError, match="already there"):
        reading.export(made.public, tmp_path / "rows.jsonl")


@pytest.mark.parametrize("name", ["tombstones.json", "data", "manifest.json"])
def test_a_release_that_was_changed_is_not_read(tmp_path: Path, name: str) -> None:
    judged = _judged([from_records(_posts(40), tmp_path / "in")], tmp_path)
    made = release.build(
        lambda _: judged, _gate, _Ledger(), to=tmp_path / "releases", private=tmp_path / "private", environment={}
    )
    path = next((made.public / "data").iterdir()) if name == "data" else made.public / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReleaseError, match=r"is another one|is damaged"):
        next(reading.rows(made.public))
