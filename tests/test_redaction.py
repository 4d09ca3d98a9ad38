"""Spans cut out of a text, by code points, and what is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard.redaction import BLANK, fits, redact, says

TEXTS = st.text(max_size=30)


@pytest.mark.parametrize(
    ("text", "cuts", "expected"),
    [
        ("hello @ann and @bob", [(6, 10, "@someone"), (15, 19, "@someone")], "hello @someone and @someone"),
        ("\U0001f426 @ann", [(2, 6, "@someone")], "\U0001f426 @someone"),
        ("abcdef", [(1, 4, "…"), (2, 3, "@someone")], "a…ef"),
        ("abcdef", [(0, 6, "…")], "…"),
        ("abcdef", [], "abcdef"),
        ("aabb", [(0, 2, "1"), (2, 4, "2")], "12"),
        ("abcdef", [(1, 3, "…"), (2, 5, "@someone")], "a…f"),
    ],
)
def test_redact(text: str, cuts: list[tuple[int, int, str]], expected: str) -> None:
    assert redact(text, cuts) == expected


@given(TEXTS, st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=4))
def test_nothing_of_a_removed_span_survives(text: str, spans: list[tuple[int, int]]) -> None:
    cuts = [(s, s + n) for s, n in spans if fits(text, s, s + n)]
    out = redact(text, [(s, e, "") for s, e in cuts])
    gone = {i for s, e in cuts for i in range(s, e)}
    assert out == "".join(c for i, c in enumerate(text) if i not in gone)
    assert says(text, cuts) == any(c not in BLANK for i, c in enumerate(text) if i not in gone)


@pytest.mark.parametrize(
    ("text", "span", "inside"),
    [("abc", (0, 3), True), ("abc", (0, 4), False), ("abc", (1, 1), False), ("abc", (-1, 2), False), (None, (0, 1), False),
     ("abc", (None, 2), False)],
)  # fmt: skip
def test_fits(text: str | None, span: tuple[int | None, int | None], inside: bool) -> None:
    assert fits(text, *span) is inside


def test_the_blank_list_is_white_space_joiners_and_ascii_punctuation() -> None:
    assert {" ", "\n", "\u200b", "\ufeff", "\u3000", ".", "@", "\N{HORIZONTAL ELLIPSIS}"} <= set(BLANK)
    assert not set("aé0北🐦ا") & set(BLANK)
