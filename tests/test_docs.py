"""The docs say what the code does: generated pages are current, examples run or parse, links lead somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from aboveboard import capsule, descriptor, layout, manifest, reasons, regime, subjectmap, vocabulary, workspace
from aboveboard.choice import Event, Facts
from aboveboard.reasons import OTHER_PEOPLE
from aboveboard.record import Part, Record

if TYPE_CHECKING:
    from tests.conftest import Built

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FORMATS = sorted((DOCS / "formats").glob("*.md"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language, each with what its fence says of it."""
    return re.findall(rf"^```{language}\b[ ]*([^\n]*)\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


# --- generated pages --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["reasons.md", "cli.md"])
def test_generated_pages_are_current(generator: ModuleType, page: str) -> None:
    assert text(f"docs/{page}") == generator.pages()[page], "run `python docs/generate.py`"


def test_every_reason_is_documented_where_it_says() -> None:
    found = text("docs/reasons.md")
    for reason in reasons.BY_ID.values():
        page, _, anchor = reason.anchor.partition("#")
        assert page == "docs/reasons.md"
        assert f'<a id="{anchor}"></a>`{reason.code}`' in found


def test_every_command_and_error_is_documented(generator: ModuleType) -> None:
    found = text("docs/cli.md")
    commands = [command for command, _ in generator.walk()]
    assert len(commands) >= 10
    assert all(f"## {command}\n" in found for command in commands)
    errors = {error.__name__ for error in generator.error_classes()}
    assert {"AboveboardError", "VocabularyError", "PolicyError", "SourceError", "LedgerError"} <= errors
    assert all(f"| `{error}` |" in found for error in errors)


def test_every_command_says_what_it_does(generator: ModuleType) -> None:
    for command, found in generator.walk():
        assert found.help, command
        assert all(p.help for p in found.params if p.param_type_name == "option"), command


# --- settings ---------------------------------------------------------------------------------------------------


def settings() -> Iterator[tuple[str, str]]:
    """Every table and key that ``workspace`` reads, found in its source."""
    source = inspect.getsource(workspace)
    yield from ((table, "") for table in workspace._TABLES)
    yield from re.findall(r'_table\("(\w+)"\)\.get\("(\w+)"', source)
    yield from re.findall(r'_path\("(\w+)", "(\w+)"', source)
    yield from (("regime", question) for question in regime.QUESTIONS)
    yield from (("licence", key) for key in _known(source, "known = "))
    yield from (("engine", key) for key in ("threads", "memory"))


def _known(source: str, mark: str) -> list[str]:
    """The keys of the last set in the source that is written ``known = {...}``."""
    return re.findall(r'"(\w+)"', source.rsplit(mark, 1)[1].partition("}")[0])


def test_every_setting_is_documented() -> None:
    rows = [line for line in text("docs/operating.md").splitlines() if line.startswith("| `[")]
    found = list(settings())
    assert ("licence", "acquired") in found
    assert ("ledger", "url") in found
    for table, key in found:
        assert any(re.match(rf"\| `\[{table}[.\]]", row) and f"`{key}" in row for row in rows), (table, key)


def test_every_key_of_a_job_is_documented() -> None:
    paragraph = next(p for p in text("docs/operating.md").split("\n\n") if p.startswith("A job file"))
    source = inspect.getsource(workspace.read_job)
    for key in _known(source, "known = "):
        assert f"`{key}`" in paragraph or f"`[{key}]`" in paragraph, key


# --- the readme -------------------------------------------------------------------------------------------------


def test_the_readme_code_runs(
    birdsite: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(birdsite.ws.folder, tmp_path / "birdsite")
    monkeypatch.chdir(tmp_path)
    [(_, code)] = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102 - running it is the test
    said = capsys.readouterr().out
    assert "\nrefuse\n" in said
    assert "It may be used. The reason:" in said
    assert found["release"].public.is_dir()
    assert found["release"].counts["permit"] < birdsite.release.counts["permit"]


def test_the_readme_shows_what_the_demo_prints(birdsite: Built) -> None:
    from aboveboard import mainjob
    from aboveboard.cli import prose
    from aboveboard.demo.tour import stops
    from aboveboard.workspace import read_job

    with mainjob.prepared(birdsite.ws, read_job(birdsite.job)) as ready:
        told = stops(ready, ready.gate(birdsite.release.manifest.as_of), birdsite.release)
    made = birdsite.release
    printed = [*prose.outcomes(made.counts), *prose.whys(made.governed.tallies, most=99)]
    printed += [line for title, one in told for line in (f"--- {title} ---", *one.prose().splitlines())]
    [(_, excerpt)] = blocks("README.md", "text")
    known = {numberless(line) for line in printed}
    shown = excerpt.split("\n\n", 1)[1]
    assert all(numberless(line) in known for line in shown.splitlines() if line), shown
    source = inspect.getsource(importlib.import_module("aboveboard.demo.tour"))
    assert all(word in source for word in ("birdsite stands in", "Asked of every record: may it train"))


def numberless(line: str) -> str:
    """A line without its numbers and spaces: counts depend on the day on which they are made."""
    return re.sub(r"[\d.,%\s]+", " ", line).strip()


def test_the_readme_names_the_two_commands() -> None:
    found, makefile = text("README.md"), text("Makefile")
    for target in ("demo", "test"):
        assert f"make {target}" in found
        assert f"\n{target}: " in makefile


# --- links and manners ------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """What a link into a page may end in: its headings as GitHub names them, and explicit ids."""
    page = path.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#{1,6} (.+)$", prose, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r'<a id="([^"]+)"', page))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    page = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = (path.parent / file).resolve() if file else path
        assert where.exists(), target
        assert not anchor or anchor in anchors(where), target


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_hold_no_machine_paths(path: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:work|home|tmp|root|opt|Users)/", path.read_text(encoding="utf-8"))


def test_every_page_is_in_the_index() -> None:
    index = text("docs/README.md")
    for path in sorted(DOCS.rglob("*.md")):
        inside = path.relative_to(DOCS).as_posix()
        assert inside == "README.md" or f"]({inside})" in index, inside


def test_adrs_have_their_three_sections_and_numbers_without_gaps() -> None:
    found = sorted((DOCS / "adr").glob("*.md"))
    assert [path.name[:4] for path in found] == [f"{n:04d}" for n in range(1, len(found) + 1)]
    for path in found:
        page = path.read_text(encoding="utf-8")
        assert page.startswith(f"# {path.name[:4]} ")
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Context", "Decision", "Consequences"], path.name


def test_codes_that_pages_name_exist() -> None:
    gates = "|".join(sorted({code.partition(".")[0] for code in reasons.BY_CODE}))
    for path in PAGES:
        for code in re.findall(rf"`((?:{gates})\.[a-z0-9_]+)`", path.read_text(encoding="utf-8")):
            assert code in reasons.BY_CODE or code.startswith("policy.toml"), (name(path), code)


# --- formats ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMATS, ids=name)
def test_examples_parse(path: Path) -> None:
    for said, example in blocks(name(path), "json"):
        lines = example.splitlines() if said.endswith(".jsonl") else [example]
        assert [json.loads(line) for line in lines if line.strip()]
    for _, example in blocks(name(path), "toml"):
        assert tomllib.loads(example)


def example(said: str) -> Any:
    return json.loads(dict(blocks("docs/formats/manifest.md", "json"))[said])


def test_canonical_rows_are_as_specified() -> None:
    rows, leaves = example("rows.json"), []
    for one in rows:
        assert manifest.row_bytes(one["row"]) == one["bytes"].encode()
        leaves.append(manifest.leaf({**one["row"], "nonce": bytes.fromhex(one["nonce"])}))
        assert leaves[-1].hex() == one["leaf"]
    page, digest = text("docs/formats/manifest.md"), manifest.shard_digest(leaves)
    assert f"`{digest}`" in page
    assert f"`{manifest.rows_digest([manifest.Shard(5, '', '', 3, digest)])}`" in page
    assert f"`{manifest.rows_digest([])}`" in page


def test_places_are_as_specified() -> None:
    page, key = text("docs/formats/manifest.md"), bytes(range(32))
    files = [layout.Layout(bits).shard_of(key, "u:42") for bits in (0, 3, 7)]
    assert "stands in file {} of 1, file {} of 8, file {} of 128".format(*files) in " ".join(page.split())
    row = manifest.row_bytes(example("rows.json")[0]["row"])
    place = layout.place(key, "posts", "1593767953706921985", row)
    assert f"`{place}`" in page
    assert f"`{layout.nonce(place).hex()}`" in page
    said = f"at most {layout.MAX_BITS}, with rows of at least {layout.SUBJECTS} people in every file and {layout.ROWS:,} rows"
    assert said in " ".join(page.split())


_RELEASED = """
SELECT ?::VARCHAR AS text, ?::VARCHAR AS language, ?::VARCHAR AS kind,
  from_json(?, '[{"kind": "VARCHAR", "content": "VARCHAR"}]') AS parts,
  'posts' AS source, '7' AS record_id, 'u:42' AS subject
"""


def test_the_engine_makes_the_same_bytes() -> None:
    from aboveboard import steps
    from aboveboard.engine import Engine

    with Engine(threads=1).connect() as con:
        for one in example("rows.json"):
            row = {key: value for key, value in one["row"].items() if key != "parts"}
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE released AS {_RELEASED}",
                [*row.values(), json.dumps(one["row"]["parts"])],
            )
            con.execute("SET VARIABLE order_key = ?", [bytes(range(32)).hex()])
            con.execute("CREATE OR REPLACE TEMP TABLE scrubbed AS FROM released")
            con.execute("CREATE OR REPLACE TEMP TABLE homes AS SELECT 'u:42' AS subject, 0 AS shard")
            for step in (*steps.read("lay")[1:], *steps.read("hash")):
                con.execute(f"CREATE OR REPLACE TEMP TABLE {step.name} AS {step.sql}")
            [(nonce, leaf)] = con.execute("SELECT nonce, leaf FROM hashed").fetchall()
            row_bytes = manifest.row_bytes(one["row"])
            assert nonce == layout.nonce(layout.place(bytes(range(32)), "posts", "7", row_bytes))
            assert leaf == manifest.leaf({**one["row"], "nonce": nonce})


def described(page: str, said: str) -> Any:
    """A named example of another page."""
    return json.loads(dict(blocks(f"docs/formats/{page}.md", "json"))[said])


def test_descriptors_and_maps_are_as_specified() -> None:
    at = datetime(2023, 11, 5, 9, tzinfo=UTC)
    record = Record(
        "1593767953706921985", kind="reply", subject="u:42", source="posts", language="en", created_at=at,
        collected_at=at.replace(microsecond=250), collected_evidence="id issued by the server",
        audience_evidence="column", parts=(Part("geotag", categories=("user.location",), content="a harbour"),),
    )  # fmt: skip
    said = datetime(2023, 10, 3, tzinfo=UTC)
    event = Event(
        subject="u:42", type="given", recorded_at=said, effective_at=said, category="user.content.public",
        purpose="train_ai_system", position=357, external_id="choice-357", method="portal",
    )  # fmt: skip
    account = Facts(
        subject="u:42", state="active", protected=False, age_band="adult", residency="IE", evidence="sign-up"
    )
    shown = described("descriptor", "facts.json")
    assert descriptor.facts(record).decode() == shown["facts"]
    assert descriptor.facts_digest(record) == shown["sha256"]
    known = described("descriptor", "person.json")
    person = descriptor.person_digest(descriptor.person([event], [account]))
    assert descriptor.event_bytes(event).decode() == known["event"]
    assert descriptor.account_bytes(account).decode() == known["account"]
    assert person.hex() == known["digest"]
    row = {"text": "hello @u_mfrggzdfmztwq2lk", "language": "en", "kind": "reply", "parts": [], "nonce": bytes(16)}
    made = descriptor.Descriptor(
        "posts", record.id, "reply", manifest.leaf(row).hex(), "2023-09-29", "2023-09-29", "training",
        shown["sha256"], person.hex(), record.created_at, record.collected_at,
    )  # fmt: skip
    lines, key = described("descriptor", "descriptor.json"), descriptor.release_key(bytes(range(32)), bytes(32))
    salt = descriptor.salt_of(key, manifest.leaf(row))
    com = descriptor.commitment(salt, made.document())
    found = {
        "document": made.document().decode(),
        "release_key": key.hex(),
        "salt": salt.hex(),
        "commitment": com.hex(),
    }
    assert {**found, "records_root": descriptor.records_root([com]).hex()} == lines
    placed, index = described("map", "map.json"), subjectmap.index_of(bytes(range(32)), "u:42")
    stated = subjectmap.Stated(1, 0, bytes.fromhex(lines["records_root"]), person)
    assert (index.hex(), stated.pack().hex()) == (placed["index"], placed["plain"])
    assert subjectmap.encryption_key(key).hex() == placed["encryption_key"]
    assert subjectmap.seal(key, index, stated).hex() == placed["row"]
    assert f"`{manifest.shard_leaf(5, 3, bytes(32)).hex()}`" in text("docs/formats/manifest.md")


def test_the_words_of_a_capsule_are_those_of_its_page() -> None:
    page = " ".join(text("docs/formats/capsule.md").split())
    assert capsule.NOTHING.format(release="R") in page
    assert capsule.SOME.format(rows="N rows", verb="are", release="R") in page
    assert capsule.COVERS in page
    assert OTHER_PEOPLE in page


def test_digests_are_as_specified() -> None:
    page = text("docs/formats/manifest.md")
    shards = [manifest.Shard(0, f"data/{pair}.parquet", pair * 32, 1, "") for pair in ("bb", "aa")]
    assert f"`{manifest.file_digest(shards)}`" in page
    assert f"`{manifest.salted(bytes(32), '00' * 32)}`" in page


def test_the_statement_has_the_fields_of_the_example(birdsite: Built) -> None:
    shown = example("manifest.json")
    at = datetime(2024, 1, 31, tzinfo=UTC)
    nothing = manifest.Governed((), "", (), 0, 0, "")
    empty = manifest.Manifest("id", at, {}, {}, 0, 0, "", nothing, "", {})
    assert fields(shown) == fields(json.loads(empty.statement()))
    found = json.loads((birdsite.release.public / "manifest.json").read_bytes())
    assert fields(shown) == fields(found)
    for inner in ("job", "ledger", "columns", "environment", "bound", "counts", "layout"):
        assert set(shown["predicate"][inner]) == set(found["predicate"][inner]), inner
    assert set(shown["predicate"]["policy"]["versions"][0]) == set(found["predicate"]["policy"]["versions"][0])


def fields(statement: Mapping[str, Any]) -> set[str]:
    return {*statement, *(f"predicate.{key}" for key in statement["predicate"])}


@pytest.mark.parametrize("library", ["duckdb", "polars", "datasets", "mlcroissant"])
def test_the_tour_reads_a_release_with_everybodys_tools(
    birdsite: Built, library: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip(library)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = dict(blocks("docs/tour.md", "python"))[library]
    exec(compile(code, "tour.md", "exec"), {"release": birdsite.release.public})  # noqa: S102 - our own page
    said = capsys.readouterr().out
    assert said
    assert str(birdsite.release.governed.released) in said or library != "datasets"


def test_the_tour_leaves_out_what_was_withdrawn(birdsite: Built, tmp_path: Path) -> None:
    from aboveboard import reading

    folder = tmp_path / "release"
    shutil.copytree(birdsite.release.public, folder)
    rows = list(reading.rows(folder))
    withdrawn = [
        rows[0],
        next(row for row in rows if row["parts"]),
        next(row for row in rows if not row["text"].isascii()),
    ]
    gone = {manifest.leaf(row) for row in withdrawn}
    for tombstones in (set(), gone):
        (folder / "tombstones.json").write_text(json.dumps({"tombstones": sorted(one.hex() for one in tombstones)}))
        found: dict[str, Any] = {"release": folder}
        exec(dict(blocks("docs/tour.md", "python"))["duckdb"], found)  # noqa: S102 - our own page
        nonces = {nonce for (nonce,) in found["con"].execute("SELECT nonce FROM rows").fetchall()}
        assert nonces == {row["nonce"] for row in rows if manifest.leaf(row) not in tombstones}
    for one in example("rows.json")[:2]:  # the third has no list of parts, as no released row has
        values = [*list(one["row"].values())[:3], json.dumps(one["row"]["parts"])]
        [(canonical,)] = found["con"].execute(f"SELECT canonical(r) FROM ({_RELEASED}) AS r", values).fetchall()
        assert canonical == one["bytes"]


def test_the_files_of_a_release_are_those_documented(birdsite: Built) -> None:
    import duckdb

    page, made = text("docs/formats/manifest.md"), birdsite.release
    for folder, label in ((made.public, "releases/<id>"), (made.private, "private/<id>")):
        for path in folder.rglob("*"):
            if path.is_file():
                inside = re.sub(r"[0-9a-f]{64}", "<sha256>", path.relative_to(folder).as_posix())
                inside = re.sub(r"^index/\d+", "index/<file>", inside)
                inside = re.sub(r"^people/\d+", "people/<n>", inside)
                inside = re.sub(r"^rows/\d+/\d+", "rows/<file>/<n>", inside)
                inside = re.sub(r"^(subjects|proof|openings)/.*?(\.bin|)$", r"\1/*\2", inside)
                inside = re.sub(r"^quarantine/\w+", "quarantine/<source>", inside)
                assert f"\n{label}/{inside} " in page, inside
    columns = duckdb.execute("DESCRIBE FROM read_parquet(?)", [str(made.private / "decisions" / "*.parquet")])
    assert all(f"`{column}`" in page for column, *_ in columns.fetchall())
    counts = json.loads((made.private / "exact-counts.json").read_text(encoding="utf-8"))
    assert all(f"`{key}`" in page for key in (*counts, *counts["tallies"][0]))


# --- glossary ---------------------------------------------------------------------------------------------------

CORE = ("vocabulary", "policy", "choice", "account", "record", "gate", "release", "manifest", "reasons", "regime")


@pytest.mark.parametrize("room", CORE)
def test_every_class_of_the_core_is_in_the_glossary(room: str) -> None:
    module = importlib.import_module(f"aboveboard.{room}")
    found = text("docs/glossary.md")
    for noun, one in inspect.getmembers(module, inspect.isclass):
        if one.__module__ == module.__name__ and not noun.startswith("_"):
            assert re.search(rf"`(?:\w+\.)?{noun}`", found), noun


def test_every_word_of_the_vocabulary_is_in_the_glossary() -> None:
    found = text("docs/glossary.md")
    for terms in (vocabulary.CATEGORIES, vocabulary.PURPOSES, vocabulary.BASES):
        for term in terms.values():
            origin = "ours" if term.ours else "same"
            assert f"| `{term.key}` | {term.says} | {origin} | {term.dpv} |" in found, term.key
