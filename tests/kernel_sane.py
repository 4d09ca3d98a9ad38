"""Calls the kernel with made-up input, in a process whose library was built with sanitizers (``test_kernel``)."""

from __future__ import annotations

import random
import struct
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import kernel_texts
from aboveboard import identifiers, kernel, merkle, suppression
from aboveboard.kernel import hashes, library, rows
from aboveboard.scrub import scrub
from kernel_texts import by_rules, compare, text


def run(path: str) -> None:
    """Every comparison with its twin, by the library at this path."""
    found = library.load(path)
    assert isinstance(found, library.Library), found
    library._once = lambda: found  # type: ignore[assignment]
    hashes.FEW = 0
    for check in CHECKS:
        check()
    print("clean")


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=20 * 32))
def trees(level: bytes) -> None:
    assert kernel.above(level) == merkle._above(level)
    tree = merkle.Range()
    for at in range(0, len(level) // 32 * 32, 32):
        tree.append(level[at : at + 32])
    assert kernel.root(level) == (tree.root() if tree.size else None)


# --- rows of columns ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(["", "x" * 5_000, "é" * 3_000])
STRUCT = pa.struct({"kind": pa.string(), "said": pa.bool_(), "to": pa.list_(pa.string())})
STRUCTS = st.fixed_dictionaries(
    {
        "kind": st.none() | TEXT,
        "said": st.none() | st.booleans(),
        "to": st.none() | st.lists(st.none() | TEXT, max_size=3),
    }
)
INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENT = st.datetimes()  # naive, as DuckDB's are: in UTC
SHAPES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), TEXT), (pa.large_string(), TEXT), (pa.binary(), st.binary(max_size=70)),
    (pa.binary(16), st.binary(min_size=16, max_size=16)), (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), INT64), (pa.bool_(), st.booleans()), (pa.timestamp("us"), MOMENT), (pa.null(), st.none()),
    (pa.list_(pa.string()), st.lists(st.none() | TEXT, max_size=4)), (STRUCT, STRUCTS),
    (pa.large_list(pa.int64()), st.lists(st.none() | INT64, max_size=4)),
    (pa.list_(STRUCT), st.lists(STRUCTS, max_size=3)),
    (pa.list_(pa.list_(STRUCT)), st.lists(st.none() | st.lists(STRUCTS, max_size=2), max_size=3)),
]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[pa.Array], list[list[Any]]]:
    """Columns, each after some rows that are not of it, and their values; the first is never null."""
    count, before = draw(st.integers(0, 6)), draw(st.integers(0, 9))
    shapes = [(pa.binary(), st.binary(max_size=200)), *draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4))]
    columns, values = [], []
    for at, (kind, of) in enumerate(shapes):
        # Of a struct that is null nothing says what it would be: the kernel leaves that to its twin (see below).
        one = of if at == 0 or pa.types.is_struct(kind) else st.none() | of
        drawn = draw(st.lists(one, min_size=before + count, max_size=before + count))
        columns.append(pa.array(drawn, kind).slice(before))
        values.append(columns[-1].to_pylist())
    return columns, values


def recipe(columns: int) -> rows.Recipe:
    nets = tuple(kernel.Net(at) for at in range(columns))
    first = (b"begins" * 11, b"with", kernel.Raw(0), *nets, b"x" * 3_000)
    return first, (kernel.Hex(0), kernel.Digest(0, 3, 19), *nets), (b"\x00", kernel.DigestHex(1), kernel.DigestHex(0))


@settings(max_examples=150, deadline=None, database=None)
@given(tables())
def columns_are_told_alike(table: tuple[list[pa.Array], list[list[Any]]]) -> None:
    columns, values = table
    made = kernel.digests(recipe(len(columns)), columns, 3)
    assert made == rows.told(recipe(len(columns)), values, 3)
    assert kernel.digests(recipe(len(columns)), columns) == b"".join(
        made[at : at + 32] for at in range(64, len(made), 96)
    )


def what_has_no_form_is_declined() -> None:
    one = ((kernel.Net(0),),)
    assert kernel.digests(one, [pa.array([None], STRUCT)]) is None
    assert kernel.digests(one, [pa.array([[None]], pa.list_(STRUCT))]) is None
    assert kernel.digests(((kernel.Raw(0),),), [pa.array([None, b"x"], pa.binary())]) is None
    assert kernel.digests(((kernel.Hex(0),),), [pa.array([1], pa.int64())]) is None
    assert kernel.digests(one, [pa.array([1.5])]) is None
    assert kernel.digests(one, [pa.array([1], pa.timestamp("s"))]) is None
    assert kernel.digests(((kernel.Digest(0),),), [pa.array([1])]) is None  # a hash takes in those before it
    assert kernel.digests(((kernel.Net(0),), (kernel.Digest(0, 30, 33),)), [pa.array([1])]) is None
    assert kernel.digests((*one, *one, *one, *one, *one), [pa.array([1])]) is None
    assert kernel.digests(one, [pa.array([1, 2]), pa.array([1])]) is None  # columns of one length
    assert kernel.digests(one, [pa.array([1])], 2) is None


# --- columns that lie about themselves ----------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, database=None)
@given(tables(), st.data())
def what_leads_outside_is_declined(table: tuple[list[pa.Array], list[list[Any]]], data: st.DataObject) -> None:
    """One number of the description is another one: whatever comes out, nothing outside of the columns was read."""
    columns, _ = table
    nodes, begins = rows._nodes(columns)
    assert nodes is not None
    fields = len(nodes) // 8
    at = data.draw(st.integers(0, fields - 1))
    if at % 11 in (2, 4, 6):  # an address: nobody can tell a wrong one from a right one
        return
    value = data.draw(st.integers(-3, 70) | INT64)
    if at % 11 in (3, 5, 7):  # the size of a buffer is true, or smaller than it is
        value = min(value, int.from_bytes(nodes[8 * at : 8 * at + 8], "little", signed=True))
    nodes[8 * at : 8 * at + 8] = value.to_bytes(8, "little", signed=True)
    with_these = rows._called(bytes(nodes), rows._steps(recipe(len(columns)), begins), len(columns[0]), 1)
    assert with_these is None or len(with_these) == 32 * len(columns[0])


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.integers(-2, 40) | INT64, min_size=2, max_size=6), st.binary(max_size=30))
def offsets_that_lead_outside_are_declined(offsets: list[int], words: bytes) -> None:
    written = bytearray(8 * len(offsets))  # Arrow itself would refuse them: they are written when it has looked
    buffer, count = pa.py_buffer(written), len(offsets) - 1
    column = pa.Array.from_buffers(pa.large_binary(), count, [None, buffer, pa.py_buffer(words)])
    numbers = pa.array(range(len(words)), pa.int32())
    items = pa.Array.from_buffers(pa.large_list(pa.int32()), count, [None, buffer], children=[numbers])
    written[:] = struct.pack(f"={len(offsets)}q", *offsets)
    fine = offsets == sorted(offsets) and offsets[0] >= 0 and offsets[-1] <= len(words)
    assert (kernel.digests(((kernel.Raw(0),),), [column]) is not None) == fine
    assert (kernel.digests(((kernel.Net(0),),), [items]) is not None) == fine


# --- a list of keyed hashes ---------------------------------------------------------------------------------------

NAMES = st.lists(
    st.sampled_from(["acct:", "ACCT:", "@", "A", "b", "é", "u:1", "x" * 127, "x" * 129, "x" * 257, ""]), max_size=4
)
KEY = bytes(range(32))


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(NAMES.map("".join) | TEXT, max_size=12), st.lists(NAMES.map("".join), max_size=8), st.integers(0, 300))
def names_are_listed_alike(asked: list[str], gone: list[str], longest: int) -> None:
    those = suppression.of(KEY, gone)
    values = [one.encode() for one in [*asked, *gone]]
    expected = {value for value in those._among(values) if len(value) <= longest}
    assert those.among(values, longest) == expected
    assert those.among(values) == those._among(values)
    column = pa.array([None, *values, None], pa.binary()).slice(1)
    page = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    there = column.drop_null().to_pylist()
    for found in (
        kernel.listed_in_column(those.asked(), column, longest), kernel.listed_in_page(those.asked(), page, len(values), longest)
    ):  # fmt: skip
        assert found is not None
        assert {there[at] for at in found.listed} <= expected <= {there[at] for at in (*found.listed, *found.ask)}


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=60), st.integers(-2, 9))
def a_page_that_says_too_much_is_declined(page: bytes, count: int) -> None:
    at, whole = 0, count >= 0
    for _ in range(count):
        length = int.from_bytes(page[at : at + 4], "little")
        whole, at = whole and at + 4 + length <= len(page), at + 4 + length
    assert (kernel.listed_in_page(suppression.of(KEY, ["a"]).asked(), page, count) is not None) == whole


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.integers(-2, 40) | INT64.map(lambda n: n % 2**31), min_size=2, max_size=6), st.binary(max_size=30))
def offsets_of_names_that_lead_outside_are_declined(offsets: list[int], words: bytes) -> None:
    written = bytearray(4 * len(offsets))
    column = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(written), pa.py_buffer(words)])
    written[:] = struct.pack(f"={len(offsets)}i", *offsets)
    fine = offsets == sorted(offsets) and offsets[0] >= 0 and offsets[-1] <= len(words)
    assert (kernel.listed_in_column(suppression.of(KEY, ["a"]).asked(), column) is not None) == fine


# --- texts --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(0, 2**32), st.integers(0, 9))
def texts_are_scrubbed_alike(seed: int, start: int) -> None:
    draw = random.Random(seed)
    made: list[str | None] = [*(text(draw) for _ in range(40)), None, ""]
    finder = kernel.finder(kernel.Tables(*identifiers.tables()))
    assert finder is not None
    compare(finder, [one for one in made if one])
    column = pa.array(made).slice(start)
    assert scrub(column, kernel_texts.KEY) == by_rules(column)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.lists(st.integers(-2, 60) | INT64, min_size=2, max_size=6))
def bytes_that_are_no_text_are_looked_at(texts: list[bytes], offsets: list[int]) -> None:
    finder = kernel.finder(kernel.Tables(*identifiers.tables()))
    assert finder is not None
    finder.search(pa.array(texts, pa.binary()).view(pa.string()))
    words = b"@anna " + b"".join(texts)
    written = bytearray(8 * len(offsets))
    column = pa.Array.from_buffers(
        pa.large_string(), len(offsets) - 1, [None, pa.py_buffer(written), pa.py_buffer(words)]
    )
    written[:] = struct.pack(f"={len(offsets)}q", *offsets)
    fine = offsets == sorted(offsets) and offsets[0] >= 0 and offsets[-1] <= len(words)
    assert (finder.search(column) is not None) == fine


CHECKS = [
    texts_are_scrubbed_alike, bytes_that_are_no_text_are_looked_at,
    trees, columns_are_told_alike, what_has_no_form_is_declined, what_leads_outside_is_declined,
    offsets_that_lead_outside_are_declined, names_are_listed_alike, a_page_that_says_too_much_is_declined,
    offsets_of_names_that_lead_outside_are_declined,
]  # fmt: skip
