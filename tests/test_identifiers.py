"""Identifiers in text: the labelled lists, X's own tables, and the laws that hold for every text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard.identifiers import KINDS, Span, find, normalised, pseudonym, replace, touched, traces

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", ROOT.parent / "shared" / "data"))
LABELLED = [json.loads(row) for row in (ROOT / "tests/scrub/labelled.jsonl").read_text("utf-8").splitlines()]
GENERATED = DATA / "pii" / "generated_small.json"
TWITTER = DATA / "twitter-text" / "extract.yml"
PAGE = ROOT / "docs" / "formats" / "scrubbing.md"
KEY = b"a key for tests"

PIECES = """@ ＠ @ ﹫ a B z é 田 に ー م ٥ 5 5 55 555 123 4567 0 00 1 + - . ( ) / : :: , ! # [ ] [email] [phone] [card] at (at)
@u_abcdefghijklmnop u_abcdefghijklmnop [at] dot dot （at） ａｔ . com example.com RT rt: _ call tel order $ % %40 ％４０ fe80 db8
192.0.2.1 4111111111111111 4111 1111 DE89370400440532013000 DE89 3704 @anna anna@b.com http:// x ext 🐦 ０ x@b.co arroba
２０２ 2024-05-12 202-555-0143""".split()
PIECES += ["\u200b", "\u200d", "\ufe0f", "\u20e3", "\0", "\n", "\t", "\ud800", "\u00a0", " ", " ", " ", " ", " ", " "]
MIXED = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
TEXTS = MIXED | st.text(max_size=40) | st.text(alphabet="@.:+-() 0123456789abcdef[]٠١２\u200d", max_size=40)


def spans_of(item: dict[str, Any]) -> set[Span]:
    return {Span(s["start"], s["end"], s["kind"]) for s in item["spans"]}


# --- lists ------------------------------------------------------------------------------------------------------

FLOORS = {"mention": 1.0, "email": 0.97, "phone": 0.97, "ip": 1.0, "card": 1.0, "iban": 1.0}


def test_the_labelled_list_is_large_and_sound() -> None:
    assert len(LABELLED) >= 170
    assert len({item["text"] for item in LABELLED}) == len(LABELLED)
    kinds = Counter(span.kind for item in LABELLED for span in spans_of(item))
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 15
    assert sum(not item["spans"] for item in LABELLED) >= 80
    assert all(0 <= s.start < s.end <= len(item["text"]) for item in LABELLED for s in spans_of(item))


@pytest.mark.parametrize("kind", KINDS)
def test_recall_and_precision_on_the_labelled_list(kind: str) -> None:
    """Exact spans, both ends; what is missed today is in the list and shows in the floor."""
    there = {(n, s) for n, item in enumerate(LABELLED) for s in spans_of(item) if s.kind == kind}
    got = {(n, s) for n, item in enumerate(LABELLED) for s in find(item["text"]) if s.kind == kind}
    assert len(there & got) / len(there) >= FLOORS[kind]
    assert not got - there


@pytest.mark.skipif(not GENERATED.exists(), reason="no pii in ABOVEBOARD_DATA")
def test_recall_and_precision_on_sentences_of_others() -> None:
    theirs = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip", "CREDIT_CARD": "card"}
    for item in json.loads(GENERATED.read_text("utf-8")):
        there = {
            Span(s["start_position"], s["end_position"], theirs[s["entity_type"]])
            for s in item["spans"]
            if s["entity_type"] in theirs
        }
        assert set(find(item["full_text"])) == there


NOT_AS_X = {
    "@aliceìnheiro something something": ["aliceìnheiro"],  # handles elsewhere have accents
    "@username email me @test@example.com": ["username", "test@example.com"],  # a fediverse handle
}


@pytest.mark.skipif(not TWITTER.exists(), reason="no twitter-text in ABOVEBOARD_DATA")
@pytest.mark.parametrize("section", ["mentions", "mentions_with_indices", "mentions_or_lists_with_indices"])
def test_mentions_are_those_of_twitter_text(section: str) -> None:
    yaml = pytest.importorskip("yaml")
    cases = yaml.safe_load(TWITTER.read_text("utf-8"))["tests"][section]
    assert len(cases) >= 3
    for case in cases:
        text, names = case["text"], [e if isinstance(e, str) else e["screen_name"] for e in case["expected"]]
        got = [text[s.start + 1 : s.end] for s in find(text) if s.kind == "mention"]
        assert got == NOT_AS_X.get(text, names), case["description"]


# --- laws -------------------------------------------------------------------------------------------------------


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_spans_stand_in_order_and_apart(text: str) -> None:
    at = 0
    for span in find(text):
        assert at <= span.start < span.end <= len(text)
        assert span.kind in KINDS
        at = span.end


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    once = replace(text, KEY)
    assert find(once) == []
    assert replace(once, KEY) == once


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_whatever_is_found_has_a_trace(text: str) -> None:
    if find(text):
        assert any(traces(text.encode("utf-8", "surrogatepass")))


@settings(max_examples=500, deadline=None)
@given(st.lists(MIXED, min_size=1, max_size=6))
def test_a_text_is_flagged_among_many_as_it_is_alone(texts: list[str]) -> None:
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = [sum(map(len, pieces[:n])) for n in range(len(pieces) + 1)]
    flags = touched(b"".join(pieces), offsets)
    assert list(flags) == [touched(piece, [0, len(piece)])[0] for piece in pieces]
    assert all(flag for flag, text in zip(flags, texts, strict=True) if find(text))


@given(st.text(alphabet=st.characters(categories=["L", "Zs", "Po"], exclude_characters="@＠﹫%"), max_size=60))
def test_words_alone_come_back_as_the_same_text(text: str) -> None:
    if not find(text):
        assert replace(text, KEY) is text


@pytest.mark.parametrize(
    "text", ["", "\ud800", "@\udfff", "@" * 5000, "1 " * 5000, "a@" * 3000, "::" * 3000, "@a" * 3000]
)
def test_any_text_is_answered(text: str) -> None:
    assert find(replace(text, KEY)) == []


def test_a_trace_is_no_answer_for_everything() -> None:
    """A superset that says yes to every text would be of no use."""
    plain = ["what a lovely day, 10 out of 10", "今日はいい天気ですね。", "the 3rd dot-com boom of 1999", "look at that :) :D",
             "50% off until 6:30", "صباح الخير", "well... 2024 was odd", "😂❤️", "C++ or Rust?"]  # fmt: skip
    assert [text for text in plain if any(traces(text.encode()))] == []


# --- pseudonyms -------------------------------------------------------------------------------------------------


def test_one_person_is_one_pseudonym_under_one_key() -> None:
    same = ["@Anna", "@anna", "＠anna", "@ＡＮＮＡ", "@an\u200bna", "@𝐀nna"]
    assert len({replace(text, KEY) for text in same}) == 1
    assert replace("@anna", KEY) != replace("@anna", b"another key")
    assert replace("@anna", KEY) != replace("@anna@social.example", KEY) != replace("@anna@other.example", KEY)
    assert re.fullmatch(r"@u_[a-z2-7]{16}", replace("@anna", KEY))


def test_the_pseudonym_is_the_one_of_the_page() -> None:
    told = hmac.new(b"a key", b"mention\0anna", hashlib.sha256).digest()[:10]
    assert pseudonym("anna", b"a key") == "@u_" + base64.b32encode(told).decode().lower()
    assert pseudonym("anna", b"an example key") == "@u_22awzfrdxg24zojk"


@pytest.mark.parametrize(
    ("handle", "expected"),
    [("Anna", "anna"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("İrem", "irem"), ("ΠΑΎΛΟΣ", "παύλοσ"),
     ("jose\u0301", "josé"), ("Anna@Social.Example", "anna@social.example"), ("user٥", "user5"), ("ﾕｰｻﾞｰ", "ユーザー")],
)  # fmt: skip
def test_normalised_handles(handle: str, expected: str) -> None:
    assert normalised(handle) == expected
    assert normalised(expected) == expected


def test_every_decimal_digit_this_python_knows_counts() -> None:
    for point in range(0x110000):
        if unicodedata.category(chr(point)) == "Nd":
            assert normalised(chr(point)) == str(unicodedata.decimal(chr(point))), hex(point)


# --- precedence and masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna@example.com", "[email]"),
        ("5551234567@example.com", "[email]"),
        ("NO9386011117947", "[iban]"),
        ("4111 1111 1111 1111", "[card]"),
        ("192.168.100.200", "[ip]"),
        ("[email] [phone]", "[email] [phone]"),
        ("call 202-555-0143, 202-555-0144", "call [phone], [phone]"),
        ("06 39 98 12 34 06 39 98 12 35", "[phone] [phone]"),
    ],
)
def test_what_stands_in_its_place(text: str, expected: str) -> None:
    assert replace(text, KEY) == expected


def test_spans_given_are_the_spans_replaced() -> None:
    text = "@anna and anna@example.com"
    assert replace(text, KEY, []) == text
    assert replace(text, KEY, [s for s in find(text) if s.kind == "email"]) == "@anna and [email]"


# --- the page ---------------------------------------------------------------------------------------------------


def examples() -> list[tuple[str, str]]:
    """The rows of the page's tables of examples: a text and what becomes of it."""
    part = PAGE.read_text("utf-8").partition("## Examples")[2]
    return re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", part, re.MULTILINE)


def test_the_page_has_examples_of_every_kind() -> None:
    assert len(examples()) >= 25
    assert all(any(f"[{kind}]" in after for _, after in examples()) for kind in KINDS if kind != "mention")


@pytest.mark.parametrize(("before", "after"), examples())
def test_the_examples_of_the_page(before: str, after: str) -> None:
    assert replace(before, b"an example key") == after
