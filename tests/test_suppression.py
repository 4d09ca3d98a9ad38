"""The suppression list: one spelling rule in two languages, and a hash that answers for everybody and names nobody."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exports
from aboveboard import suppression
from aboveboard.engine import keyed

KEY = bytes(range(32))
PIECES = st.lists(
    st.sampled_from(["acct:", "ACCT:", "Acct:", "@", "A", "b", "é", "Ä", "İ", "\U0001f426", ".", " ", "\x00", ""])
)


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("u:Ann", "u:Ann"),
        ("@Ann", "@ann"),
        ("Ann@Birds.example", "ann@birds.example"),
        ("@ann@birds.example", "ann@birds.example"),
        ("acct:ANN@birds.example", "ann@birds.example"),
        ("acct:ann", "acct:ann"),
        ("Ängste@birds.example", "Ängste@birds.example"),
    ],
)
def test_what_is_hashed(written: str, spelt: str) -> None:
    assert suppression.spelt(written) == spelt


@settings(deadline=None)  # it opens a database each time, which a busy machine takes its time for
@given(st.lists(PIECES.map("".join) | st.text(st.characters(codec="utf-8")), max_size=20))
def test_the_engine_spells_and_hashes_the_same(names: list[str]) -> None:
    with duckdb.connect() as con:
        hashed = keyed(con, "suppression", KEY, suppression.SPELT.format(x="subject"))
        asked = (
            f"SELECT {suppression.SPELT.format(x='subject')}, {hashed} FROM (SELECT unnest(?::VARCHAR[]) AS subject)"
        )
        found = con.execute(asked, [names]).fetchall()
    assert found == [(suppression.spelt(name), suppression.hashed(KEY, name)) for name in names]


def test_it_is_an_hmac_of_the_spelling() -> None:
    assert suppression.hashed(KEY, "@Ann") == hmac.new(KEY, b"@ann", hashlib.sha256).hexdigest()


def test_what_stands_in_its_place_is_on_the_list_too() -> None:
    listed = suppression.of(KEY, ["u:ann"])
    assert listed.holds("u:ann")
    assert listed.holds(suppression.in_its_place(KEY, "u:ann"))
    assert not listed.holds("u:bob")
    assert not listed.holds("erased:u:ann")
    assert not listed.holds(None)
    assert not suppression.NONE.holds("u:ann")


def test_the_key_is_never_shown() -> None:
    shown = repr(suppression.of(KEY, ["u:ann"]))
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown


@given(st.lists(PIECES.map("".join) | st.text(st.characters(codec="utf-8")), max_size=20), st.data())
def test_many_at_once_are_answered_as_one_by_one(names: list[str], data: st.DataObject) -> None:
    listed = suppression.of(
        data.draw(st.binary(max_size=80)), data.draw(st.lists(st.sampled_from(["@a", "b", *names])))
    )
    written = [name.encode() for name in names if not name.startswith(suppression.ERASED)]
    assert listed.among(written) == {one for one in written if listed.holds(one.decode())}


@pytest.mark.parametrize(
    ("written", "readings"),
    [
        ("u:42", ("u:42",)),
        (" 42 ", (" 42 ", "42")),
        ("id:twitter.com:42", ("id:twitter.com:42", "42")),
        ("id:twitter.com:ann", ("id:twitter.com:ann",)),
        ("xid:twitter.com:42", ("xid:twitter.com:42",)),
        ("user:42", ("user:42",)),
        ("@Ann@birds.example", ("@Ann@birds.example",)),
    ],
)
def test_what_readers_would_give(written: str, readings: tuple[str, ...]) -> None:
    assert suppression.readings(written) == readings


def x_posts(by: str) -> list[dict[str, Any]]:
    """One post of an account in each form in which X hands posts on."""
    posted, id = "2022-11-19T00:47:45.000Z", "1593767953706921985"
    return [
        {
            "objectType": "activity", "verb": "post", "id": f"tag:search.twitter.com,2005:{id}", "body": "hello",
            "actor": {"objectType": "person", "id": f"id:twitter.com:{by}"}, "postedTime": posted,
            "object": {"objectType": "note"}, "twitter_entities": {"urls": [], "user_mentions": []},
        },
        {
            "id": int(id), "id_str": id, "created_at": "Sat Nov 19 00:47:45 +0000 2022", "text": "hello",
            "user": {"id": int(by), "id_str": by, "screen_name": "ann", "protected": False}, "entities": {},
        },
        {"data": [{"id": id, "text": "hello", "author_id": by, "created_at": posted}]},
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["42", "id:twitter.com:42", "\t42\n"])
def test_however_an_account_of_x_was_named_no_form_of_x_brings_it_back(named: str, tmp_path: Path) -> None:
    listed = suppression.of(KEY, suppression.readings(named))
    for number, payload in enumerate(x_posts("42")):
        reading = exports.read(tmp_path / str(number), "x_api", {"posts.jsonl": json.dumps(payload) + "\n"})
        people = {row["subject"] for row in reading.rows if row["subject"] is not None}
        assert people == {"42"}
        assert all(map(listed.holds, people))
    assert not listed.holds("420")
