"""The compiled text kernel gives the spans and the text of the rules in Python, whatever the text; and may decline."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aboveboard import identifiers, kernel
from aboveboard import scrub as room
from aboveboard.identifiers import ALL_STAGES, pseudonym, tables, touched
from aboveboard.kernel import library
from aboveboard.scrub import scrub
from kernel_texts import KEY, ODD, SAYING, account, by_rules, compare, text
from test_kernel import STRICT, build

LABELLED = [
    json.loads(row)["text"]
    for row in (Path(__file__).parent / "scrub" / "labelled.jsonl").read_text("utf-8").splitlines()
]
DATA = Path(os.environ.get("ABOVEBOARD_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="module", autouse=True)
def finder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kernel.Finder]:
    """What finds identifiers by a library made of these sources; used by all that is called meanwhile."""
    found = library.load(str(build(tmp_path_factory.mktemp("kernel") / library.NAME, *STRICT)))
    assert isinstance(found, library.Library), found
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_once", lambda: found)
        made = kernel.finder(kernel.Tables(*tables()))
        assert made is not None
        yield made


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_texts_that_are_made_to_be_difficult(finder: kernel.Finder, seed: int) -> None:
    draw = random.Random(seed)
    compare(finder, [text(draw) for _ in range(100)])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=40) | st.lists(st.sampled_from(ODD), max_size=12).map("".join), max_size=8))
@example(["@RT@7xさん.., ("])
@example(["＠は@u_abcdefghijklmnopanna…: 52"])
@example(["ａｔ60896.AO6748C2968429z485A101B93 ", "D\u200bE89370400440532013000"])
@example(["", "0123456", "1......", "a@b.co" * 20, "\0@anna\0"])
def test_any_text(finder: kernel.Finder, texts: list[str]) -> None:
    compare(finder, texts)


def test_most_texts_are_not_declined(finder: kernel.Finder) -> None:
    draw = random.Random(11)
    ascii_only = [made for made in (text(draw) for _ in range(4_000)) if made.isascii()]
    assert compare(finder, ascii_only) > 0.85 * len(ascii_only)
    ordinary = [
        "@anna こんにちは",
        "2024年5月12日に@hanakoさんと",
        "that’s what @ben said",
        "calling 202-555-0143 — now",
    ]
    assert compare(finder, ordinary) >= 3


@pytest.mark.parametrize("number", ["5550143", "202-555-0143", "4155550132", "+1 202 555 0143", "17 000 1234"])
def test_every_word_that_says_what_a_number_is(finder: kernel.Finder, number: str) -> None:
    begun = [
        word + link for word in SAYING for link in (" ", ": ", "", " no ", " number is ", " me at ", " it's on: +")
    ]
    marked = [word.replace("e", "é", 1) + " " for word in SAYING]
    compare(finder, [f"{before}{word}{number}" for word in begun + marked for before in ("", "a ", "pre", "my ", "7")])


def test_every_code_of_a_country_and_every_length(finder: kernel.Finder) -> None:
    compare(finder, [f"+{code} {'2' * size}" for code in range(1, 1000) for size in range(4, 16)])
    compare(
        finder, [f"+{code} 0{'2' * size} and 011{code}2{'3' * size}" for code in range(1, 1000) for size in (5, 7, 9)]
    )


def test_every_country_of_accounts(finder: kernel.Finder) -> None:
    draw = random.Random(5)
    around = [(before, after) for before in ("", "to ", "x") for after in ("", " now", "9")]
    compare(finder, [f"{before}{account(draw)}{after}" for before, after in around for _ in range(300)])


def test_every_character_of_its_own(finder: kernel.Finder) -> None:
    """Beside a mention, within an address, between digits: each code point that some table knows, and some that none does."""
    points = [
        *map(ord, identifiers._FOLD),
        *identifiers._points(identifiers._UNSEEN),
        0x30FC,
        0x3B1,
        0x301,
        0x4E2D,
        0x1F600,
    ]
    for c in map(chr, points):
        compare(
            finder,
            [
                f"{c}@anna",
                f"@anna{c}",
                f"a{c}@b.com",
                f"a@b{c}.com",
                f"555{c}01432",
                f"{c}E89370400440532013000 D{c}89370400440532013000",
                f"tel{c} 555 0143{c}",
                f"(at{c})",
            ],
        )


@pytest.mark.parametrize("name", ["generated_small.json"])
def test_sentences_of_others(finder: kernel.Finder, name: str) -> None:
    path = DATA / "pii" / name
    if not path.exists():
        pytest.skip("the sentences are not here")
    texts = [row["full_text"] for row in json.loads(path.read_text("utf-8"))]
    assert compare(finder, texts) > 0.9 * len(texts)


def test_the_labelled_list(finder: kernel.Finder) -> None:
    assert compare(finder, LABELLED) > 0.6 * len(LABELLED)


# --- columns ------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.none() | st.sampled_from([*LABELLED, "", "plain", "日本語"]), max_size=40), st.integers(0, 20),
    st.sampled_from([pa.string(), pa.large_string()]), st.integers(0, 2**32), st.integers(1, 9),
)  # fmt: skip
def test_a_column_is_rewritten_as_the_rules_do(
    texts: list[str | None], start: int, kind: pa.DataType, seed: int, rows: int
) -> None:
    draw = random.Random(seed)
    column = pa.array([*texts, text(draw), text(draw), None, text(draw)], kind).slice(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "BLOCK_ROWS", rows)
        done, counts = scrub(column, KEY)
    done.validate(full=True)
    assert (done, counts) == by_rules(column)


def test_a_pseudonym_is_that_of_the_page_under_keys_of_every_length() -> None:
    for size in (1, 32, 63, 64, 65, 200):
        key = bytes(range(size))
        handles = ["Anna", "a" * 500, "Kai@Mastodon.example", "x.y-Z_9"]
        done, counts = scrub(pa.array([f"hi @{handle}!" for handle in handles]), key)
        assert done.to_pylist() == [f"hi {pseudonym(handle.lower(), key)}!" for handle in handles]
        assert counts["mention"] == 4


def test_a_column_without_room_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.kernel import text as module

    column = pa.array(["@a @b @c", "no one", "@d @e @f @g @h", "@i", None, "202-555-0143 @j"])
    wanted = by_rules(column)
    for space in (1, 2, 3, 4, 7):
        monkeypatch.setattr(module, "ROOM", space)
        assert scrub(column, KEY) == wanted


def test_a_text_that_is_too_long_is_left_to_the_rules(finder: kernel.Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    column = pa.array(["word " * 20_000 + "@anna", "@ben"])
    found = finder.search(column)
    assert found is not None
    assert [bool(left) for left in found.stages] == [True, False]
    assert scrub(column, KEY) == by_rules(column)


@pytest.mark.parametrize(
    "broken", [b"@anna \xff", b"@anna \xed\xa0\x80", b"@anna \xc0\xaf", b"@anna \xf4\x90\x80\x80", b"@a \xe3\x81"]
)
def test_what_is_not_utf8_is_declined(finder: kernel.Finder, broken: bytes) -> None:
    column = pa.array([b"fine", broken]).cast(pa.binary()).view(pa.string())
    found = finder.search(column)
    assert found is not None
    assert found.stages[1]
    with pytest.raises(room.SourceError, match="row 1"):
        scrub(column, KEY)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"@anna", b"at\xff)", b"\xf0\x9d\x9f", b"5550143"]), max_size=6)
)
def test_traces_in_bytes_that_are_no_text(finder: kernel.Finder, rows: list[bytes]) -> None:
    offsets = [0]
    for one in rows:
        offsets.append(offsets[-1] + len(one))
    column = pa.array(rows, pa.binary()).view(pa.string())
    if rows and column.buffers()[2]:
        assert finder.touched(column) == bytes(touched(b"".join(rows), offsets))


@pytest.mark.parametrize("ends", [[0, 3, 2], [0, -5, 2], [0, 99, 3]])
def test_offsets_that_lead_astray_are_declined(finder: kernel.Finder, ends: list[int]) -> None:
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    column = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"@an")])
    assert finder.search(column) is None
    assert finder.touched(column) is None


def test_without_the_kernel_the_rules_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = scrub(pa.array(LABELLED), KEY)
    monkeypatch.setattr(library, "_once", lambda: "not here")
    assert kernel.finder(kernel.Tables(*tables())) is None
    assert scrub(pa.array(LABELLED), KEY) == wanted


def test_far_at_signs_ask_for_every_stage(finder: kernel.Finder) -> None:
    assert finder.touched(pa.array(["＠anna", "٥"])) == bytes([ALL_STAGES, ALL_STAGES])
