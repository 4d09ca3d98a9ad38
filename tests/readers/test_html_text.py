"""HTML as text: what it shows, where its links stand, and that no fragment makes it crash or crawl."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard.sources.html_text import LONGEST, MOST_BROKEN, shown
from aboveboard.sources.values import Unreadable

TEXTS = {
    "<p>one</p><p>two</p>": "one\n\ntwo",
    "<p>one<br>two<br />three</p>": "one\ntwo\nthree",
    "a <b>b</b>  c\n d": "a b c d",
    "<p> left </p> <p>right</p>": "left\n\nright",
    "&lt;b&gt; &amp; &#x1F600; caf&eacute;": "<b> & \N{GRINNING FACE} café",
    "1 < 2 <3 you": "1 < 2 <3 you",
    "<ul><li>x</li><li>y</li></ul>z": "x\ny\n\nz",
    "<pre>\n  a\n\n  b\n</pre>c": "  a\n\n  b\n\nc",
    "a<script>x()</script><style>p{}</style>b": "ab",
    "<span class='invisible'>https://www.</span><span class='ellipsis'>a.example/b</span><span class='invisible'>c</span>":
        "https://www.a.example/bc",
    "<p>open <b>and <i>never</b> closed": "open and never closed",
    "</p></div>nothing was open": "nothing was open",
    "": "",
    "<p></p><br>": "",
}  # fmt: skip


@pytest.mark.parametrize(("html", "text"), TEXTS.items())
def test_what_a_fragment_shows(html: str, text: str) -> None:
    assert shown(html).text == text


def test_links_stand_where_they_say() -> None:
    page = shown(
        '<p>\U0001f600 <span class="h-card"><a href="https://a.example/@anna" class="u-url mention">@<span>anna</span>'
        '</a></span>, see <a href="https://b.example/?x=1&amp;y=2"> that  page </a></p><p><a href="/empty"></a></p>'
    )
    assert page.text == "\U0001f600 @anna, see that page"
    found = [(page.text[one.start : one.end], one.href) for one in page.links]
    assert found == [("@anna", "https://a.example/@anna"), ("that page", "https://b.example/?x=1&y=2")]
    assert "mention" in page.links[0].classes


def test_the_fallback_of_a_quote_is_found() -> None:
    page = shown('<p class="quote-inline">RE: <a href="https://a.example/1">https://a.example/1</a></p><p>mine</p>')
    [quote] = page.quotes
    assert page.text[quote.start : quote.end] == "RE: https://a.example/1"
    assert page.text.endswith("\n\nmine")


@given(st.text(alphabet=st.sampled_from("<>&;=\"'/!?-[] \nabp\u00e9\U0001f600"), max_size=80))
def test_nothing_crashes_it(html: str) -> None:
    try:
        page = shown(html)
    except Unreadable:
        return
    assert all(0 <= one.start < one.end <= len(page.text) for one in (*page.links, *page.quotes))
    assert page.text == page.text.strip(" \n")


@pytest.mark.parametrize("unit", ["<", '<a "', "<!--", "<?", "</", '<a b="', "<![x", "<a b=\"x\" c='>'", "<!-- > "])
def test_what_the_standard_parser_crawls_over_is_refused_at_once(unit: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unreadable):
        shown(unit * (LONGEST // len(unit)))
    assert time.monotonic() - started < 2


def test_a_few_lone_brackets_are_fine_and_length_is_bounded() -> None:
    assert shown("<3 " * (MOST_BROKEN // 2)).text.startswith("<3 <3")
    with pytest.raises(Unreadable):
        shown("x" * (LONGEST + 1))


@pytest.mark.parametrize(
    "html", ["&#" + "9" * 5_000 + ";", "<p>&#" + "9" * 5_000, "<a href='&#" + "1" * 5_000 + ";'>x</a>"]
)
def test_a_reference_to_a_character_of_thousands_of_digits_is_refused(html: str) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        shown(html)
