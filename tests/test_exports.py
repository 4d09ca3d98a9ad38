"""What all readers share: containers that are opened safely, values that lose nothing, rows that add up."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exports
from aboveboard.errors import AboveboardError, SourceError
from aboveboard.sources import container, opening, reader, values
from aboveboard.sources.reader import Export, FileKind, Row

# --- containers ---------------------------------------------------------------------------------------------------


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def refused(path: Path, match: str) -> None:
    def look() -> None:
        with container.opened(path) as found:
            for name in found.names:
                found.read(name)

    with pytest.raises(SourceError, match=match):
        look()


@pytest.mark.parametrize("form", ["folder", "zip", "tar.gz"])
def test_all_forms_give_the_same_files(tmp_path: Path, form: str) -> None:
    files = {"a.json": b"1", "data/b.json": b"22", "data/c/d.json": b""}
    with container.opened(exports.pack(tmp_path / "export", files, form)) as found:
        assert {name: found.read(name) for name in found.names} == files


@pytest.mark.parametrize("name", ["../up.json", "/etc/passwd", "a/../../b", "a\\b.json", "C:/x", "c:x"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "x.zip", (name, b"1")), "leads out")
    refused(tarred(tmp_path / "x.tar.gz", tarfile.TarInfo(name)), "leads out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.linkname = kind, "/etc/passwd"
    refused(tarred(tmp_path / "x.tar.gz", member), "a link or a device")


def test_a_link_that_leads_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "secret.json").write_text("1")
    (tmp_path / "export" / "posts.json").symlink_to(tmp_path / "secret.json")
    refused(tmp_path / "export", "leads out")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "x.zip", ("a", b"1"), ("a", b"2"))
    refused(path, "a name twice")
    refused(tarred(tmp_path / "x.tar.gz", tarfile.TarInfo("a"), tarfile.TarInfo("./a")), "a name twice")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "x.zip", ("a", bytes(4 << 20))), "out of all proportion")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MEMBER_BYTES", 10)
    for form in ("folder", "zip", "tar.gz"):
        refused(exports.pack(tmp_path / form / "export", {"a": bytes(11)}, form), "at most|11 bytes")


@pytest.mark.parametrize("twin", ["./data/a.js", "data//a.js", "data/./a.js", "././data/a.js"])
def test_a_name_written_in_two_ways_is_one_name(tmp_path: Path, twin: str) -> None:
    refused(zipped(tmp_path / "x.zip", ("data/a.js", b"1"), (twin, b"1")), "a name twice")
    refused(tarred(tmp_path / "x.tar.gz", tarfile.TarInfo("data/a.js"), tarfile.TarInfo(twin)), "a name twice")
    with container.opened(zipped(tmp_path / "y.zip", (twin, b"1"))) as found:
        assert (found.names, found.read("data/a.js")) == (["data/a.js"], b"1")


def _put(folder: Path, kind: str) -> None:
    """Something that is no file of the export, among its files."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.json").write_text("1")
    odd = folder / "data" / "odd.json"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"folder": folder / "data", "nothing": folder / "gone", "itself": odd, "out": "/dev"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "itself", "out"])
def test_what_is_no_file_in_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    _put(tmp_path / "export", kind)
    refused(tmp_path / "export", r"a link, pipe or device in the export \(file odd\.json\)")


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "itself", "out"])
def test_a_read_stops_at_what_is_no_file(tmp_path: Path, kind: str) -> None:
    _put(tmp_path / "export", kind)
    with pytest.raises(SourceError, match="a link, pipe or device"):
        exports.read_at(tmp_path, "lines", tmp_path / "export")


def test_a_link_to_a_file_of_the_export_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    with container.opened(tmp_path) as found:
        assert [found.read(name) for name in found.names] == [b"1", b"1"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "export" / "closed").mkdir(parents=True)
    scandir = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused(tmp_path / "export", r"cannot be read \(file closed\)")


def test_names_that_are_no_text_are_refused_and_not_repeated(tmp_path: Path) -> None:
    raw = b"caf\xe9-anna.json"
    (tmp_path / "export").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "export") + b"/" + raw)).write_text("1")
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(os.fsdecode(raw)))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)).write_text("1")
    for path in (tmp_path / "export", tmp_path / "x.tar", Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw))):
        with pytest.raises(SourceError, match="no UTF-8") as raised, container.opened(path) as found:
            assert found.names == []
        assert "anna" not in str(raised.value)
        str(raised.value).encode()


def test_a_zip_whose_names_are_no_utf8_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("\u00e9\u00e9.json", b"1"))
    path.write_bytes(path.read_bytes().replace("\u00e9\u00e9".encode(), b"\xff\xff\xff\xff"))
    refused(path, "damaged")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("x")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    refused(tmp_path / "x.zip", "a link or a device")


def test_a_folder_that_holds_bytes_is_no_folder(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("a.jsonX", b"1"))
    path.write_bytes(path.read_bytes().replace(b"a.jsonX", b"a.json/"))
    refused(path, "a link or a device")


@pytest.mark.parametrize("name", ["x.zip", "x.ZIP", "export"])
def test_the_head_of_a_zip_is_a_damaged_zip(tmp_path: Path, name: str) -> None:
    whole = zipped(tmp_path / "whole.zip", ("a", os.urandom(4_000)), ("b", b"2"))
    (tmp_path / name).write_bytes(whole.read_bytes()[:200])
    refused(tmp_path / name, "damaged")


def test_a_tar_that_was_cut_between_two_files_is_damaged(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in ("a", "b"):
            archive.addfile(tarfile.TarInfo(name))
    whole = (tmp_path / "x.tar").read_bytes()
    for damage in (whole[:512], whole[:700], whole[:512] + b"x" * 512 + whole[1024:]):
        (tmp_path / "x.tar").write_bytes(damage)
        refused(tmp_path / "x.tar", "damaged")


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _archives() -> dict[str, bytes]:
    """Archives of three files in every form, as bytes."""
    found = {}
    for method in METHODS:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as archive:
            for n in range(3):
                archive.writestr(f"d/{n}.json", b"words" * 50)
        found[f"{method}.zip"] = held.getvalue()
    for packed in ("", "gz", "bz2", "xz"):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode=f"w:{packed}") as archive:
            for n in range(3):
                member = tarfile.TarInfo(f"d/{n}.json")
                member.size = 600
                archive.addfile(member, io.BytesIO(b"w" * 600))
        found[f"x.tar.{packed}".strip(".")] = held.getvalue()
    return found


ARCHIVES = _archives()


@pytest.mark.parametrize("name", ARCHIVES)
def test_damage_anywhere_is_an_error_and_never_fewer_files(tmp_path: Path, name: str) -> None:
    rng, whole = random.Random(name), ARCHIVES[name]
    for turn in range(60):
        data = bytearray(whole[: rng.randrange(len(whole))] if turn % 3 == 0 else whole)
        for _ in range(rng.randint(1, 5) if turn % 3 else 0):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / name).write_bytes(data)
        try:
            with container.opened(tmp_path / name) as found:
                assert len([found.read(one) for one in found.names]) == 3
        except SourceError:
            continue


def test_an_error_of_a_reader_is_not_one_of_the_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("a", b"1"))
    with pytest.raises(ValueError, match="of the reader"), container.opened(path):
        raise ValueError("of the reader")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar", "x.zip"])
def test_a_broken_archive_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive")
    refused(tmp_path / name, "damaged")


def test_a_zip_that_was_cut_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("a", os.urandom(4_000)), ("b", os.urandom(4_000)))
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    refused(path, "damaged")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    refused(tmp_path / "gone.zip", "not there")


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_in_any_unicode(encoding: str) -> None:
    assert values.text_of("ein Vögel 🐦\r\n".encode(encoding)) == "ein Vögel 🐦\r\n"


def test_bytes_that_are_no_text_are_told_without_them() -> None:
    with pytest.raises(values.Unreadable, match=r"^the bytes are no UTF-8$"):
        values.text_of(b"secret \xff")


@pytest.mark.parametrize("text", ["{", "[1,]", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 200_000, "secret"])
def test_json_that_is_none_is_told_without_it(text: str) -> None:
    with pytest.raises(values.Unreadable) as raised:
        values.json_of(text)
    assert "secret" not in str(raised.value)


def test_only_lists_under_named_keys_are_joined() -> None:
    assert values.json_of('{"i": [1], "i": [2]}', joined=frozenset({"i"})) == {"i": [1, 2]}
    with pytest.raises(values.Unreadable, match="twice"):
        values.json_of('{"i": [1], "i": 2}', joined=frozenset({"i"}))


@pytest.mark.parametrize(("value", "id"), [("12", "12"), (12, "12"), (2**53, str(2**53)), (" a ", "a")])
def test_ids_are_text(value: object, id: str) -> None:
    assert values.text_id(value, "id") == id


@pytest.mark.parametrize("value", [2**53 + 1, 1.5, True, None, "", " ", [], {}])
def test_what_may_have_been_rounded_is_no_id(value: object) -> None:
    with pytest.raises(values.Unreadable):
        values.text_id(value, "id")


def test_times_of_servers_and_clients() -> None:
    assert values.snowflake_time("1593767953706921985") == datetime(2022, 11, 19, 0, 47, 45, 597_000, UTC)
    assert values.snowflake_time("29700859247") is None
    assert values.snowflake_time("²") is None
    assert values.twitter_time("Wed Nov 02 12:00:00 +0000 2022") == datetime(2022, 11, 2, 12, tzinfo=UTC)
    assert values.twitter_time("Wed Nov 32 12:00:00 +0000 2022") is None
    assert values.iso_time("2022-11-02T12:00:00.000Z") == datetime(2022, 11, 2, 12, tzinfo=UTC)
    assert values.iso_time("2022-11-02T12:00:00") is None


@given(st.one_of(st.text(), st.integers(), st.none(), st.floats()))
def test_no_value_makes_a_time_function_fail(said: Any) -> None:
    for read in (values.twitter_time, values.iso_time):
        assert read(said) is None or read(said).tzinfo is not None
    assert values.snowflake_time(str(said)) is None or values.snowflake_time(str(said)).tzinfo is not None


# --- rows that add up ---------------------------------------------------------------------------------------------


class Lines:
    """A reader for tests: one record a line of `posts*.jsonl`; `ips.txt` is never read."""

    settings = ("loud",)

    def kind(self, name: str) -> FileKind | None:
        if name.endswith(".jsonl"):
            return FileKind("posts")
        return FileKind("addresses", "addresses of devices are never read") if name == "ips.txt" else None

    def rows(self, export: Export) -> Iterator[Row]:
        for name in export.names:
            for n, line in enumerate(export.read(name).decode().splitlines()):
                said = json.loads(line)
                fault = said.pop("fault", None)
                yield Row(name, n, fault=fault) if fault else Row(name, n, record=said)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_reader", lambda _name: Lines())


def post(n: int, **more: object) -> str:
    return json.dumps({"record_id": f"p{n}", "kind": "post", "subject": "u", "text": "words", **more}) + "\n"


@pytest.mark.usefixtures("lines")
def test_rows_are_records_or_quarantined_and_files_are_read_or_named(tmp_path: Path) -> None:
    files = {"posts.jsonl": post(1) + post(2, fault="torn") + post(3), "ips.txt": b"1", "new.bin": b"2"}
    found = exports.read(tmp_path, "lines", files)
    assert [(row["ordinal"], row["record_id"]) for row in found.rows] == [(0, "p1"), (2, "p3")]
    assert found.quarantine == [{"source": "export", "file": "posts.jsonl", "row": 1, "reason": "torn"}]
    assert found.refused == {"ips.txt": "addresses of devices are never read", "new.bin": ""}
    assert (found.staged.rows, found.staged.quarantined) == (2, 1)
    assert {row["origin"] for row in found.rows} == {"first_party"}


@pytest.mark.usefixtures("lines")
def test_strict_files_stops_at_what_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"1 files of a kind that is not known, such as `new\.bin`"):
        exports.read(tmp_path, "lines", {"posts.jsonl": post(1), "new.bin": b"2"}, strict_files=True)
    assert not list(tmp_path.glob("staged/part-*"))


@pytest.mark.usefixtures("lines")
def test_too_many_malformed_rows_stop_the_read(tmp_path: Path) -> None:
    files = {"posts.jsonl": "".join(post(n, fault="torn") for n in range(11))}
    with pytest.raises(SourceError, match="11 of 11 rows are malformed"):
        exports.read(tmp_path, "lines", files, keep_going=False)


@pytest.mark.usefixtures("lines")
def test_a_word_that_nobody_knows_stops_the_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unknown audience `publik`"):
        exports.read(tmp_path, "lines", {"posts.jsonl": post(1, audience_at="publik")})


@pytest.mark.usefixtures("lines")
def test_the_digest_is_of_what_was_read(tmp_path: Path) -> None:
    digests = []
    for n, files in enumerate(({"a.jsonl": post(1)}, {"a.jsonl": post(2)}, {"b.jsonl": post(1)}, {"a.jsonl": post(1)})):
        digests.append(exports.read(tmp_path / str(n), "lines", files).staged.digest)
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


@pytest.mark.usefixtures("lines")
def test_a_limit_reads_the_first_rows(tmp_path: Path) -> None:
    path = exports.pack(tmp_path / "export", {"posts.jsonl": "".join(post(n) for n in range(9))})
    said = {"name": "export", "origin": "crawled", "reader": "lines", "export": {"path": str(path)}}
    source = opening.export(said, tmp_path / "map.toml")
    assert source.stage(tmp_path / "staged", limit=4).rows == 4


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"reader": "x_arcive", "export": {"path": "x"}}, "unknown reader `x_arcive`"),
        ({"reader": "x_archive", "export": {"path": "x", "strict": True}}, "unknown key of \\[export\\] `strict`"),
        ({"reader": "x_archive", "export": {}}, "without `path`"),
        ({"reader": "x_archive", "export": {"path": "gone"}}, "an export is missing"),
        ({"reader": "x_archive"}, "without \\[export\\]"),
        ({"reader": "x_archive", "export": {"path": "x"}, "columns": {}}, "unknown key of a mapping `columns`"),
    ],
)
def test_a_map_that_does_not_hold_together_is_told(tmp_path: Path, said: dict[str, Any], match: str) -> None:
    with pytest.raises(AboveboardError, match=match):
        opening.export({"name": "n", "origin": "first_party", **said}, tmp_path / "map.toml")


def test_every_reader_is_one(tmp_path: Path) -> None:
    for name in ("x_archive", "x_api", "activitypub"):
        found: reader.Reader = opening._reader(name)
        assert found.kind("no such file.xyz") is None
        assert not set(found.settings) & set(opening.COMMON)
