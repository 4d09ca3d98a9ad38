"""Scrubbing a column: the same text as the rules give row by row, whatever the layout of the column."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import scrub as room
from aboveboard.errors import SourceError
from aboveboard.identifiers import KINDS, find, replace
from aboveboard.scrub import scrub

KEY = b"a key for tests"
LIST = (Path(__file__).parent / "scrub" / "labelled.jsonl").read_text("utf-8").splitlines()
LABELLED: list[str] = [json.loads(row)["text"] for row in LIST]
TEXTS: list[str | None] = [None, "", *LABELLED, None, "plain words", "日本語", "", None]


def expected(texts: list[str | None]) -> list[str | None]:
    return [None if text is None else replace(text, KEY) for text in texts]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_column_says_what_its_rows_say(kind: pa.DataType) -> None:
    done, counts = scrub(pa.array(TEXTS, kind), KEY)
    assert done.to_pylist() == expected(TEXTS)
    assert done.type == kind
    done.validate(full=True)
    assert counts == dict.fromkeys(KINDS, 0) | Counter(s.kind for text in LABELLED for s in find(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.sampled_from(LABELLED), max_size=30), st.integers(0, 10), st.integers(1, 9))
def test_slices_and_blocks_change_nothing(texts: list[str | None], start: int, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "BLOCK_ROWS", rows)
        patch.setattr(room, "REMEMBERED", 2)
        done, _ = scrub(pa.array(texts, pa.string()).slice(start), KEY)
    assert done.to_pylist() == expected(texts[start:])


PIECES = """@ ＠ a é 田 ー ٥ 5 55 555 123 4567 0 1 + - . ( ) : :: [ ] at (at) [at] dot （at） （＠） ａｔ com example.com RT _ tel
%40 ％４０ fe80 192.0.2.1 ０ 4111111111111111 4111 1111 DE89370400440532013000 DE89 3704 @anna anna@b.com 🐦 arroba
(arroba) 202-555-0143 2024-05-12 @u_abcdefghijklmnop [email]""".split()
PIECES += ["\u200b", "\ufe0f", "\0", "\n", "\t", *"     "]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=4))
def test_the_quick_look_misses_nothing_of_any_stage(texts: list[str]) -> None:
    done, _ = scrub(pa.array(texts, pa.string()), KEY)
    assert done.to_pylist() == expected(texts)


def test_chunks_stay_chunks() -> None:
    column = pa.chunked_array([TEXTS[:40], [], TEXTS[40:]], pa.string())
    done, _ = scrub(column, KEY)
    assert done.to_pylist() == expected(TEXTS)
    assert [len(chunk) for chunk in done.chunks] == [40, 0, len(TEXTS) - 40]


@pytest.mark.parametrize("texts", [[], [None, None], ["", ""], ["no names here", None]])
def test_a_column_with_nothing_in_it_comes_back(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    done, counts = scrub(column, KEY)
    assert done.equals(column)
    assert counts == dict.fromkeys(KINDS, 0)


def test_scrubbing_twice_is_scrubbing_once() -> None:
    once, _ = scrub(pa.array(TEXTS), KEY)
    twice, counts = scrub(once, KEY)
    assert twice.equals(once)
    assert sum(counts.values()) == 0


def test_what_a_null_hides_is_neither_read_nor_counted() -> None:
    whole = pa.array(["@anna", "@ben"])
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), *whole.buffers()[1:]])
    done, counts = scrub(hidden, KEY)
    assert done.to_pylist() == [None, replace("@ben", KEY)]
    assert counts["mention"] == 1


def test_no_text_stands_in_an_error() -> None:
    broken = pa.array([b"fine", b"@secret \xff 202-555-0143"]).cast(pa.binary()).view(pa.string())
    with pytest.raises(SourceError) as caught:
        scrub(broken, KEY)
    seen, error = "", caught.value
    while error is not None:
        seen += repr(error) + repr(vars(error)) + repr(error.args)
        error = error.__cause__ or error.__context__
    assert "secret" not in seen
    assert "0143" not in seen
    assert "row 1" in str(caught.value)


@pytest.mark.parametrize("column", [pa.array([1, 2]), pa.array([b"x"]), pa.array(["x"]).dictionary_encode()])
def test_other_columns_are_refused(column: pa.Array) -> None:
    with pytest.raises(TypeError, match="string or large_string"):
        scrub(column, KEY)


def test_a_key_is_needed() -> None:
    with pytest.raises(ValueError, match="key"):
        scrub(pa.array(["@anna"]), b"")
