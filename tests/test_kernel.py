"""The compiled kernel gives what its twins give, byte for byte, and is not there where it cannot be trusted to."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernel_sane
import worlds
from aboveboard import commitments, descriptor, intake, judgement, kernel, keys, manifest, merkle, steps, writing
from aboveboard.engine import Engine, hashing, make
from aboveboard.errors import EngineError, VerificationError
from aboveboard.judgement import Judgement
from aboveboard.kernel import hashes, library
from aboveboard.keys import Keys
from aboveboard.relate import relate
from aboveboard.sources import resolved_table
from aboveboard.sources.staged import from_records
from aboveboard.verification.rows import leaves_of
from test_commitments import ODD

ROOT = Path(__file__).resolve().parent.parent
STRICT = ("-Werror", "-Wconversion", "-Wshadow", "-Wpointer-arith", "-Wstrict-prototypes")
SANE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(to: Path, *flags: str) -> Path:
    made, why = builder().compiled(to, flags)
    if made is None and "no C compiler" in why:
        pytest.skip(why)
    assert made is not None, why
    return made


@pytest.mark.skipif("CI" not in os.environ, reason="the twins do the same where nothing could be compiled")
def test_it_is_in_use_where_all_is_tested() -> None:
    """Or every other test would have tried the twins."""
    assert os.environ.get(library.OFF) == "0" or library.standing() == "compiled, in use"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> library.Library:
    """A library made of these sources, whatever lies beside them."""
    found = library.load(str(build(tmp_path_factory.mktemp("kernel") / library.NAME, *STRICT)))
    assert isinstance(found, library.Library), found
    return found


@pytest.fixture
def used(compiled: library.Library, monkeypatch: pytest.MonkeyPatch) -> library.Library:
    monkeypatch.setattr(library, "_once", lambda: compiled)
    return compiled


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_once", lambda: "not here")


@pytest.mark.parametrize("check", kernel_sane.CHECKS, ids=lambda check: check.__name__)
def test_it_does_as_its_twins(
    used: library.Library, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "FEW", 0)
    check()


# --- trees --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300))
@settings(max_examples=30)
def test_a_tree_is_the_same_with_it_and_without(compiled: library.Library, size: int) -> None:
    leaves = [merkle.leaf_hash(str(n).encode()) for n in range(size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_once", lambda: compiled)
        made = merkle.levels(leaves)
        patch.setattr(library, "_once", lambda: "not here")
        assert made == merkle.levels(leaves)


# --- rows of a release ------------------------------------------------------------------------------------------

PARTS = pa.list_(pa.struct({"kind": pa.string(), "content": pa.string()}))
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "source": NAME, "record_id": NAME, "text": TEXT, "language": TEXT, "kind": TEXT,
            "parts": st.none() | st.lists(st.fixed_dictionaries({"kind": TEXT, "content": TEXT}), max_size=3),
        }
    ),
    max_size=20,
)  # fmt: skip
COLUMNS = pa.schema(
    [*((name, pa.string()) for name in ("source", "record_id", "text", "language", "kind")), ("parts", PARTS)]
)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_rows_are_placed_and_hashed_as_the_steps_say(compiled: library.Library, made_up: list[dict[str, Any]]) -> None:
    key = bytes(range(32))
    with Engine(threads=1).connect() as con, pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_once", lambda: compiled)
        con.execute("SET VARIABLE order_key = ?", [key.hex()])
        con.register("_placed", pa.Table.from_pylist(made_up, COLUMNS))
        con.execute("CREATE TABLE placed AS SELECT row_number() OVER () AS ordinal, * FROM _placed")
        found = {}
        assert hashing(con, "row_hashes", writing.row_hashes(key), writing._HASHED_FROM, writing._HASHED)
        for room in ("hash", "hash_compiled"):
            for step in steps.read(room):
                make(con, step.name, step.sql, step.kind)
            table = con.sql("SELECT * FROM hashed ORDER BY ordinal").to_arrow_table()
            found[room] = table.select(sorted(table.column_names)).to_pylist()
    assert found["hash"] == found["hash_compiled"]
    assert [row["leaf"] for row in found["hash"]] == [manifest.leaf(row) for row in found["hash"]]


MOMENT = st.datetimes(timezones=st.just(UTC))
RECEIPTS = st.lists(st.fixed_dictionaries({"source": NAME, "record_id": NAME, "collected_at": MOMENT}), max_size=10)
RECEIVED = pa.schema([("source", pa.string()), ("record_id", pa.string()), ("collected_at", pa.timestamp("us"))])


@given(RECEIPTS, st.binary(min_size=32, max_size=32))
@settings(max_examples=40, deadline=None)
def test_receipts_have_the_leaf_that_sql_and_python_make(
    compiled: library.Library, made_up: list[dict[str, Any]], key: bytes
) -> None:
    found = []
    for used in (compiled, "not here"):
        with Engine(threads=1).connect() as con, pytest.MonkeyPatch.context() as patch:
            patch.setattr(library, "_once", lambda used=used: used)
            con.register("kept", pa.Table.from_pylist(made_up, RECEIVED))
            made = con.sql(f"SELECT {intake._leaf(con, key)} AS leaf FROM kept ORDER BY leaf").fetchall()
            found.append(b"".join(leaf for (leaf,) in made))
    readable = [intake.leaf(key, r["source"], r["record_id"], r["collected_at"]) for r in made_up]
    assert found == [b"".join(sorted(readable))] * 2


def test_facts_are_those_of_the_readable_form(used: library.Library) -> None:
    """Whatever is not known of a record, and whatever its parts are: also what no release would hold."""
    records = [*worlds.make(1).records, *ODD]
    [batch] = resolved_table([replace(one, ordinal=n) for n, one in enumerate(records)]).combine_chunks().to_batches()
    told, bare = commitments._wordless(batch["parts"])
    facts = [told if name == "parts" else batch[name] for name in descriptor.FACTS]
    found = kernel.digests(commitments.COMMITMENT[:1], facts)
    assert found == b"".join(bytes.fromhex(descriptor.facts_digest(record)) for record in records)
    kept = [None if parts is None else [part["content"] for part in parts] for parts in bare.to_pylist()]
    assert kept == [
        None if one.parts is None else [None if part.content is None else "" for part in one.parts] for one in records
    ]


class People:
    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        names = subjects["subject"].to_pylist()
        held = [hashlib.sha256(name.encode()).digest() for name in names]
        return pa.table({"subject": names, "key": pa.array(held, pa.binary())})


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_a_release_is_the_same_with_it_and_without(
    compiled: library.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Every public file to the byte, and every row that opens it."""
    monkeypatch.setattr(judgement.secrets, "token_bytes", lambda size: b"s" * size)
    world, engine = worlds.make(seed), Engine(threads=2)
    related = relate([from_records(world.records, tmp_path / "in")], tmp_path, engine)
    secrets = Keys(Path(), {name: name.encode().ljust(32, b"k") for name in keys.KINDS})
    judged = Judgement(engine, related, world.gate, keys=secrets, people=People())
    found = []
    for name, loaded in (("with", compiled), ("without", "not here")):
        monkeypatch.setattr(library, "_once", lambda loaded=loaded: loaded)
        made = judged.write(tmp_path / name / "public", tmp_path / name / "private")
        assert made.released > 20
        openings = tmp_path / name / "private" / "openings"
        tables = {path.relative_to(openings): pq.read_table(path) for path in openings.rglob("*.parquet")}
        public = {path.name: path.read_bytes() for path in (tmp_path / name / "public").rglob("*") if path.is_file()}
        found.append((public, tables))
    (public, tables), (public_without, tables_without) = found
    assert public == public_without
    assert tables.keys() == tables_without.keys()
    for path, table in tables.items():
        assert table.schema.names == tables_without[path].schema.names
        assert table.to_pylist() == tables_without[path].to_pylist()


# --- where it is not used -----------------------------------------------------------------------------------------


def test_without_it_nothing_is_answered(absent: None) -> None:
    assert kernel.above(bytes(640)) is None
    assert kernel.standing() == "not in use: not here"


def test_it_says_that_it_is_there(used: library.Library) -> None:
    assert kernel.standing() == "compiled, in use"
    assert len(kernel.above(bytes(640)) or b"") == 320


def test_it_is_turned_off_by_the_environment() -> None:
    code = "from aboveboard import kernel; print(kernel.standing(), kernel.above(bytes(640)))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), kernel.OFF: "0"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout == "not in use: ABOVEBOARD_KERNEL=0 None\n"


def test_a_library_that_is_not_there_is_not_used(tmp_path: Path) -> None:
    assert library.load(str(tmp_path / library.NAME)) == "it was not compiled when this was installed"


def test_a_library_that_is_none_is_not_used(tmp_path: Path) -> None:
    (tmp_path / library.NAME).write_bytes(b"\x7fELF and no more")
    assert "cannot be loaded" in str(library.load(str(tmp_path / library.NAME)))


def test_a_library_of_other_sources_is_not_used(compiled: library.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "sources", lambda: "0" * 64)
    assert library.load(compiled.path) == "it was compiled from other sources than these"


def test_a_library_that_hashes_otherwise_is_not_used(
    compiled: library.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = library._sha

    def swapped() -> Any:
        import _hashlib
        import ctypes

        made = real()
        crypto = ctypes.CDLL(_hashlib.__file__)
        for at, name in enumerate(("SHA224_Init", "SHA224_Update", "SHA224_Final")):
            made[at] = ctypes.cast(getattr(crypto, name), ctypes.c_void_p).value
        return made

    monkeypatch.setattr(library, "_sha", swapped)
    assert library.load(compiled.path) == "it hashes otherwise than Python does"


def test_where_openssl_has_no_such_functions_it_is_not_used(
    compiled: library.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Any:
        raise AttributeError("SHA256_Init")

    monkeypatch.setattr(library, "_sha", none)
    assert "cannot be loaded" in str(library.load(compiled.path))


def test_a_libcrypto_that_ends_the_process_is_not_opened(
    compiled: library.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS, where Python's own is built in."""
    import _hashlib

    monkeypatch.setattr("_hashlib.__file__", None) if hasattr(_hashlib, "__file__") else None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "cannot be loaded" in str(library.load(compiled.path))


def test_a_python_without_ctypes_does_without_it() -> None:
    code = """
import sys
sys.modules["ctypes"] = None
from aboveboard import kernel, merkle, suppression
told = suppression.of(b"k", ["ann"]).among([b"ann", b"bob"]), kernel.listed_in_page(kernel.KeyedList(b"", b""), b"", 0)
print(kernel.there(), merkle.root_of(bytes(640)).hex() != "", *told)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert found.stdout == "False True {b'ann'} None\n", found.stderr[-2_000:]


def test_no_room_is_made_for_values_that_a_page_cannot_hold(used: library.Library) -> None:
    asked = kernel.KeyedList.of(bytes(64), bytes(64), [])
    assert kernel.listed_in_page(asked, bytes(8), 2) is not None
    assert kernel.listed_in_page(asked, bytes(8), 3) is None
    assert kernel.listed_in_page(asked, bytes(8), 2**62) is None


LOST = {"nonce": [None], "text": [7], "parts": [[None]]}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", [*LOST, "no text"])
def test_what_is_no_released_row_is_refused_alike(
    compiled: library.Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: bool, name: str
) -> None:
    monkeypatch.setattr(library, "_once", lambda: compiled if kept else "not here")
    part = pa.struct([("kind", pa.string()), ("content", pa.string())])
    row = {
        "nonce": pa.array([bytes(16)], pa.binary()), "text": pa.array(["a wren"]), "language": pa.array(["en"]),
        "kind": pa.array(["post"]), "parts": pa.array([[]], pa.list_(part)),
    }  # fmt: skip
    assert len(manifest.leaves(pa.record_batch(row))) == 32
    if name == "no text":
        held = pa.array([b"a wren\xff"], pa.binary()).buffers()
        row["text"] = pa.Array.from_buffers(pa.string(), 1, held)
    else:
        row[name] = pa.array(LOST[name], None if name == "text" else row[name].type)
    with pytest.raises(ValueError, match=r"no released row|UTF8") as refused:
        manifest.leaves(pa.record_batch(row))
    assert "wren" not in str(refused.value)
    pq.write_table(pa.table({name: row[name] for name in manifest.RELEASED_COLUMNS}), tmp_path / "rows.parquet")
    with pytest.raises(VerificationError, match="cannot be read"):
        list(leaves_of(tmp_path / "rows.parquet"))


def test_a_full_disk_is_told_as_without_it(
    used: library.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "Error writing bytes to file")

    world, engine = worlds.make(0), Engine(threads=1)
    related = relate([from_records(world.records, tmp_path / "in")], tmp_path, engine)
    secrets = Keys(Path(), {name: name.encode().ljust(32, b"k") for name in keys.KINDS})
    judged = Judgement(engine, related, world.gate, keys=secrets, people=People())
    monkeypatch.setattr(commitments, "_opened", full)
    with pytest.raises(EngineError, match="writing `openings` failed: OSError"):
        judged.write(tmp_path / "public", tmp_path / "private")


def test_a_changed_source_changes_the_digest(tmp_path: Path) -> None:
    shutil.copytree(library.FOLDER, tmp_path / "kernel")
    assert library.sources(str(tmp_path / "kernel")) == library.sources()
    with (tmp_path / "kernel" / "tree.c").open("a") as file:
        file.write("\n")
    assert library.sources(str(tmp_path / "kernel")) != library.sources()


# --- how it is built ----------------------------------------------------------------------------------------------


class App:
    def __init__(self) -> None:
        self.said: list[str] = []

    def display_warning(self, message: str) -> None:
        self.said.append(message)


def hooked(monkeypatch: pytest.MonkeyPatch, compiled: tuple[Path | None, str]) -> tuple[dict[str, Any], list[str]]:
    pytest.importorskip("hatchling")
    module, app = builder(), App()
    monkeypatch.setattr(module, "compiled", lambda: compiled)
    hook = module.CompiledKernel.__new__(module.CompiledKernel)
    monkeypatch.setattr(module.CompiledKernel, "app", app, raising=False)
    data: dict[str, Any] = {"artifacts": [], "pure_python": True}
    hook.initialize("standard", data)
    return data, app.said


def test_a_wheel_with_it_is_for_its_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    data, said = hooked(monkeypatch, (Path(library.FOLDER) / library.NAME, ""))
    assert data["artifacts"] == [f"src/aboveboard/kernel/{library.NAME}"]
    assert data["pure_python"] is False
    assert data["tag"].startswith("py3-none-")
    assert not data["tag"].endswith("any")
    assert said == []


def test_a_wheel_without_it_is_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    data, said = hooked(monkeypatch, (None, "no C compiler was found"))
    assert data == {"artifacts": [], "pure_python": True}
    assert said == [
        "aboveboard is installed without its compiled kernel (no C compiler was found); it does the same, slower"
    ]


def test_without_a_compiler_it_is_not_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert builder().compiled(tmp_path / library.NAME) == (None, "no C compiler was found")


def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path) -> None:
    made, why = builder().compiled(tmp_path / library.NAME, ("--no-such-flag",))
    if "no C compiler" in why:
        pytest.skip(why)
    assert made is None
    assert "failed" in why
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_cannot_be_run_leaves_the_package_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cc").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    made, why = builder().compiled(tmp_path / library.NAME)
    assert (made, "failed: " in why) == (None, True)
    assert [one.name for one in tmp_path.iterdir()] == ["cc"]


def test_the_wheel_holds_the_library(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build(tmp_path / library.NAME)
    project = tmp_path / "project"
    shutil.copytree(
        ROOT / "src" / "aboveboard" / "kernel", project / "src" / "aboveboard" / "kernel",
        ignore=shutil.ignore_patterns("libaboveboard*"),
    )  # fmt: skip
    shutil.copy(ROOT / "src" / "aboveboard" / "__init__.py", project / "src" / "aboveboard")
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, project)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = (tmp_path / "dist").glob("*.whl")
    assert "-py3-none-any" not in wheel.name
    assert f"aboveboard/kernel/{library.NAME}" in zipfile.ZipFile(wheel).namelist()


def test_a_wheel_for_all_holds_no_library_that_lay_there(tmp_path: Path) -> None:
    """Not even where nothing says what git ignores, as in an unpacked archive."""
    pytest.importorskip("hatchling")
    room = tmp_path / "project" / "src" / "aboveboard" / "kernel"
    shutil.copytree(ROOT / "src" / "aboveboard" / "kernel", room, ignore=shutil.ignore_patterns("libaboveboard*"))
    for name in (library.NAME, f"{library.NAME}.12"):
        (room / name).write_bytes(b"of another build")
    shutil.copy(ROOT / "src" / "aboveboard" / "__init__.py", room.parent)
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, tmp_path / "project")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / "dist")]
    env = {**os.environ, "PATH": str(tmp_path), "CC": ""}
    done = subprocess.run(command, cwd=tmp_path / "project", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel], [source] = ((tmp_path / "dist").glob(name) for name in ("*.whl", "*.tar.gz"))
    assert "-py3-none-any" in wheel.name
    with tarfile.open(source) as told:
        held = {*zipfile.ZipFile(wheel).namelist(), *told.getnames()}
    assert "aboveboard/kernel/kernel.h" in held
    assert not [name for name in held if library.NAME in name]


# --- under the sanitizers -----------------------------------------------------------------------------------------


def test_it_reads_and_writes_nothing_that_it_was_not_given(tmp_path: Path) -> None:
    """The comparisons of this file once more, in a process of its own, with the library built so that a read or a write
    beside what it was given ends the process."""
    made, why = builder().compiled(tmp_path / library.NAME, SANE)
    if made is None:
        pytest.skip(f"no sanitizers here: {why}")
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    found = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    if not Path(found.stdout.strip()).is_file():
        pytest.skip("no libasan to load first")
    env = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        "LD_PRELOAD": found.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        "PYTHONMALLOC": "malloc",
    }  # fmt: skip
    code = f"import kernel_sane; kernel_sane.run({str(made)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert done.stdout.endswith("clean\n")
