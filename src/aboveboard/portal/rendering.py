"""Pages as HTML: templates that escape everything, one environment for each language, URLs below wherever we are mounted.

A template sees the document of its page and the chrome around it, and nothing else; an undefined name is an error and never
an empty place. No template holds a script or a style of its own: the Content-Security-Policy would refuse it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aboveboard import vocabulary
from aboveboard.comparison.meaning import RULES
from aboveboard.portal import charts
from aboveboard.portal.pages.policies import segments
from aboveboard.portal.words import Words

STATIC = Path(__file__).parent / "static"


def html(template: str, document: Mapping[str, Any], chrome: Mapping[str, Any], words: Words, root: str) -> str:
    """A page; ``root`` is the path under which we are mounted."""
    return environment(words.tag).get_template(template).render(page=document, url=_urls(root), **chrome)


@lru_cache(maxsize=64)
def environment(tag: str) -> Environment:
    """The templates in one language."""
    from aboveboard.portal.words import words as words_of

    words = words_of(tag)
    made = Environment(
        loader=PackageLoader("aboveboard.portal"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, extensions=["jinja2.ext.i18n"], auto_reload=False,
    )  # fmt: skip
    made.install_gettext_callables(words.catalogue.gettext, words.catalogue.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"words": words, "bar": charts.bar, "columns": charts.columns}
    made.filters |= {
        "day": lambda moment: _time(moment, words.day(moment)),
        "moment": lambda moment: _time(moment, words.moment(moment)),
        "number": words.number,
        "segments": segments,
        "why_changed": lambda change: _ruled(words, change["rule"], change["why"]),
        "told_numbers": _numbers,
        "rows_of": lambda cards: [(words.day(one["as_of"]), one["rows"].get("about", 0)) for one in cards],
        "purpose": lambda key: _said(words, vocabulary.PURPOSES, key),
        "category": lambda key: _said(words, vocabulary.CATEGORIES, key),
        "basis": lambda key: _said(words, vocabulary.BASES, key),
    }
    return made


def _time(moment: str | None, written: str) -> Markup:
    """A moment for people and for programs; apart from the words around it, which may run the other way."""
    return Markup('<time dir="auto" datetime="{}">{}</time>').format(moment, written) if moment else Markup("")


def _said(words: Words, terms: Mapping[str, vocabulary.Term], key: str) -> str:
    """A term in the language of the page; a key that the vocabulary does not know is shown as it is."""
    return words(terms[key].says) if key in terms else key


def _ruled(words: Words, rule: str, why: str) -> str:
    """Why a change was typed so: its rule in the language of the page, and the words of the policy as they stand."""
    said = RULES.get(rule, why)
    return words(said).capitalize() + why.removeprefix(said)


def _numbers(told: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Rounded counts as a chart draws them; what is only called small is drawn as nothing."""
    return [(name, count.get("about", 0)) for name, count in told.items()]


def _urls(root: str) -> Any:
    """Makes the URL of a path of the portal, with a query where one is given (None: left out)."""

    def url(path: str, **query: object) -> str:
        wanted = {name: value for name, value in query.items() if value is not None}
        return f"{root}{path}" + (f"?{urlencode(wanted, doseq=True)}" if wanted else "")

    return url


@lru_cache(maxsize=16)
def stamp(name: str) -> str:
    """The digest of a static file, by which its URL changes when it does."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
