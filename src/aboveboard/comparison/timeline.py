"""The entries of a history as text and as one page of HTML, one entry at a time, so that length costs no memory. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from datetime import datetime

from aboveboard.comparison import page
from aboveboard.comparison.changes import Change
from aboveboard.comparison.history import EVENT, KINDS, RECAPTURED, Entry
from aboveboard.comparison.report import summary

SHOWN = 4
"""Changes that the text of an event names; the JSON document and the page have all."""


def as_text(document: str, entry: Entry) -> str:
    """One entry in a few lines."""
    lines = [f"{_day(entry.recorded_at)}  {entry.kind:<11} {entry.sentence}"]
    if entry.kind == EVENT:
        lines.append(f"            recorded {_day(entry.recorded_at)}; {_times(entry)}")
        if entry.comparison is not None:
            lines.append(f"            {summary(entry.comparison)}")
            lines += [f"            {_line(change)}" for change in _gravest(entry.comparison.changes)]
    lines.append(f"            {document}, version {entry.id}" + (f", {entry.link}" if entry.link else ""))
    return "\n".join(lines)


def _times(entry: Entry) -> str:
    told = f"in force {entry.effective} by its own words" if entry.effective else "without a date of its own"
    told += f"; announced {_day(entry.announced_at)}" if entry.announced_at else ""
    return told if entry.confirmed else f"{told}; not confirmed by a later version"


def _day(when: datetime) -> str:
    return when.date().isoformat()


def _gravest(changes: Iterable[Change]) -> list[Change]:
    order = {"widens": 1, "unclear": 2, "narrows": 3, "editorial": 4}
    ranked = sorted(changes, key=lambda change: 0 if change.alert else order[change.direction])
    return [change for change in ranked if change.alert or change.direction != "editorial"][:SHOWN]


def _line(change: Change) -> str:
    alert = "PROMISE VANISHED: " if change.alert else ""
    quote = change.new_quote or change.old_quote
    marks = change.new_marks if change.new_quote else change.old_marks
    words = quote[marks[0][0] : marks[-1][1]] if marks else quote
    cut = words if len(words) <= 100 else words[:100].rsplit(" ", 1)[0] + " ..."
    return f"{alert}{change.direction}, {change.kind}: {cut}"


def html_opening(title: str) -> Iterator[str]:
    """What stands above the entries of a page."""
    yield from page.opening(title)
    yield f"<h1>{html.escape(title)}</h1>"
    yield "<p>One entry for every real change of the text in force, and for what looked like one and was none:</p><dl>"
    yield "".join(f"<dt>{kind}</dt><dd>{html.escape(says)}</dd>" for kind, says in KINDS.items())
    yield "</dl>"


def html_entry(document: str, entry: Entry, number: int) -> Iterator[str]:
    """One entry, with its changes side by side behind a summary that opens."""
    day = _day(entry.recorded_at)
    alert = ' class="alert"' if entry.comparison is not None and entry.comparison.alerts else ""
    yield f'<article id="e{number}"{alert}><h2><time datetime="{entry.recorded_at.isoformat()}">{day}</time> {entry.kind}</h2>'
    yield f"<p>{html.escape(_opened(entry.sentence))}.</p>"
    if entry.kind == EVENT:
        yield f'<p class="soft">{html.escape(_opened(_times(entry)))}.</p>'
    yield f'<p class="soft">{_source(document, entry)}</p>'
    if entry.kind in (EVENT, RECAPTURED) and entry.comparison is not None:
        yield f"<details><summary>{html.escape(summary(entry.comparison))}</summary>"
        yield from page.changes(entry.comparison.changes, level=3, prefix=f"e{number}c")
        yield from page.suspected(entry.comparison.suspected, level=3, prefix=f"e{number}s")
        yield "</details>"
    yield "</article>"


def _opened(sentence: str) -> str:
    """A sentence as it begins on a page."""
    return sentence[:1].upper() + sentence[1:]


def _source(document: str, entry: Entry) -> str:
    where = html.escape(f"{document}, version {entry.id}")
    return f'<a href="{html.escape(entry.link)}">{where}</a>' if entry.link else where
