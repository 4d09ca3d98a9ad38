"""The language of a page: what is asked for, what there is, and how days and numbers are written."""

from __future__ import annotations

import gettext
import io
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from tests.portal.conftest import Made

from aboveboard import reasons, vocabulary
from aboveboard.portal import catalogue, published, rendering, ways, words
from aboveboard.portal.pages import public
from aboveboard.portal.ways import Way


@pytest.mark.parametrize(
    ("locale", "accepted", "tag"),
    [
        (None, "", "en"),
        (None, "ar-XB", "ar-XB"),
        (None, "xx, ar-XB;q=0.5, en;q=0.4", "ar-XB"),
        (None, "en-US,ar-XB;q=0.9", "en"),
        ("ar-XB", "en", "ar-XB"),
        (None, "../../etc, ;q=, en;q=x,\u0000", "en"),
        (None, "ar-XB;q=0", "en"),
    ],
)
def test_the_first_language_that_there_is(locale: str | None, accepted: str, tag: str) -> None:
    assert words.chosen(locale, accepted).tag == tag


def test_days_are_those_of_the_zone_they_were_announced_in() -> None:
    english = words.words("en")
    assert english.day("2023-09-29T00:00:00+01:00") == "29 September 2023"
    assert english.moment("2023-09-29T00:00:00+00:00") == "29 September 2023, 00:00 UTC"
    assert english.number(1234567) == "1,234,567"


def test_the_pseudo_language_marks_and_turns_and_keeps_places() -> None:
    pseudo = words.words("ar-XB")
    assert pseudo.direction == "rtl"
    assert pseudo("Signed receipt %(number)s", number=7) == "\u202e\u27e6Signed receipt 7\u27e7\u202c"
    assert pseudo("what nobody wrote") == "what nobody wrote"
    assert "days" not in pseudo.catalogue.ngettext(*DAYS, 1)
    assert "days" in pseudo.catalogue.ngettext(*DAYS, 2)


DAYS = ("Version %(version)s begins in %(num)s day.", "Version %(version)s begins in %(num)s days.")


def test_the_catalogues_are_those_of_the_pages_as_they_are() -> None:
    """Compared message by message: their files name the version of the tool that made them."""
    made = catalogue.files()
    assert catalogue.TEMPLATE.read_bytes() == made[catalogue.TEMPLATE], "run `make messages`"
    kept, new = (gettext.GNUTranslations(io.BytesIO(data))._catalog for data in  # type: ignore[attr-defined]
                 (catalogue.COMPILED.read_bytes(), made[catalogue.COMPILED]))  # fmt: skip
    kept.pop(""), new.pop("")
    assert kept == new, "run `make messages`"
    assert len(kept) > 500
    assert kept.keys() >= {*vocabulary.KINDS, *(one.sentence for one in reasons.BY_ID.values())}


class Missing(gettext.NullTranslations):
    """Keeps what no catalogue has."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def gettext(self, message: str) -> str:
        self.asked.add(message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1)


def test_every_sentence_of_every_page_is_in_the_catalogue(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Missing()
    monkeypatch.setattr(words.words("ar-XB").catalogue, "_fallback", missing)
    here = platform()
    [release] = published.releases(here.ws)
    client = here.client("u1", x_locale="ar-XB", x_roles="member privacy_engineer")
    for step in ("before", "after"):
        for way in (*ways.WAYS, Way("/openapi", "", public.bots)):
            if not way.changes and not way.gives:
                named = {"release": release.id, "number": "1", "version": "2020-01-01"}
                assert client.get(way.path.format(**named)).status_code == 200
        for path in ("/used?state=unused", "/used?state=shared", "/no/such/page", "/withdrawals?closed=1"):
            client.get(path)
        for path, data in (
            ("/withdraw", {}),
            ("/verify", {"text": "no proof"}),
            ("/explain", {"record": "p1"}),
            ("/off", {}),
        ):
            client.post(path, data=data)
        seen = client.post("/explain", data={"record": "p13", "purpose": "a test of words"}).headers["location"]
        assert client.get(seen).status_code == 200
        client.post("/withdraw/item", data={"release": release.id, "number": "1"})
        here.build() if step == "before" else None
    assert client.get("/", headers={"x-auth-time": "2020-01-01T00:00:00+00:00"}).status_code == 200
    assert client.get("/records/export", headers={"x-auth-time": "2020-01-01T00:00:00+00:00"}).status_code == 403
    assert here.client(x_locale="ar-XB").get("/", headers={"accept-language": "ar-XB"}).status_code == 401
    assert missing.asked == set()


def test_a_catalogue_beside_it_is_found_without_a_line_of_code(
    platform: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    german = Catalog(locale="de", domain="portal")
    german.add("Your data", "Deine Daten")
    with (folder / "portal.mo").open("wb") as file:
        write_mo(file, german)
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    for kept in (words.words, words._has, rendering.environment):
        kept.cache_clear()
    try:
        page = platform(build=False).client("u1", accept_language="de-AT, de;q=0.9, en;q=0.5").get("/")
        assert "<h1>Deine Daten</h1>" in page.text
        assert "Everything off" in page.text  # what it lacks is said in English
        assert (page.headers["content-language"], 'dir="ltr"' in page.text) == ("de-AT", True)
    finally:
        for kept in (words.words, words._has, rendering.environment):
            kept.cache_clear()


def test_a_page_is_in_the_language_of_its_principal(platform: Made) -> None:
    page = platform(build=False).client("u1", x_locale="ar-XB").get("/")
    assert 'dir="rtl"' in page.text
    assert page.headers["content-language"] == "ar-XB"


def test_everything_that_is_shown_is_escaped(platform: Made) -> None:
    def sly(rows: list[dict[str, object]]) -> None:
        rows[1]["words"] = "<script>alert(1)</script><b>bold"
        rows[13]["id"] = '"><img src=x onerror=alert(1)>'

    page = platform(posts=sly).client("u1").get("/used").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
