"""A comparison as one page of HTML that needs nothing else: no script, no font, no picture, nothing fetched.

What is gone stands in ``del``, what is new in ``ins``, and both say so to whoever cannot see colours. The page prints,
follows a dark setting, and stands in one column where the screen is narrow. Every word of a policy is escaped. Pure.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from aboveboard.comparison.changes import DIRECTIONS, Change, Comparison
from aboveboard.comparison.report import SUSPECTED, TITLES, about_of, summary

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #5a5a5a; --line: #c9c9c9; --card: #f6f6f4;
  --gone: #ffd9d6; --gone-ink: #7a0c06; --came: #d3f0d6; --came-ink: #0b4a16; --alert: #8f0f07; --link: #0a4a9f; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e9e9e6; --paper: #161616; --soft: #b5b5b0; --line: #4a4a48;
  --card: #212120; --gone: #53211e; --gone-ink: #ffcfca; --came: #1d4023; --came-ink: #cdf3d2; --alert: #ff9a90;
  --link: #9cc4ff; } }
* { box-sizing: border-box; }
body { font: 1rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 76rem; padding: 1.5rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
a { color: var(--link); }
p, ul { margin: .4rem 0; }
.lead { font-size: 1.1rem; }
.soft, dt { color: var(--soft); }
article { border: 1px solid var(--line); border-left: .35rem solid var(--line); border-radius: .3rem; background: var(--card);
  padding: .9rem 1rem; margin: 0 0 1rem; break-inside: avoid; }
article > :first-child { margin-top: 0; }
dl + article { margin-top: 1.2rem; }
article.alert { border-left-color: var(--alert); }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.sides > div { min-width: 0; }
.sides h4 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: 0 0 .2rem; }
blockquote { margin: 0; }
del { background: var(--gone); color: var(--gone-ink); }
ins { background: var(--came); color: var(--came-ink); text-decoration-thickness: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .7rem 0 0; font-size: .9rem; }
dd { margin: 0; }
code { font-size: .9em; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 46rem) { .sides { grid-template-columns: 1fr; } body { padding: 1rem; } }
@page { margin: 15mm; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } article { background: none; }
  article:has(article) { break-inside: auto; } summary { list-style: none; break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  h2, h3 { break-after: avoid; } a { color: inherit; text-decoration: none; } }
"""


def as_html(found: Comparison, title: str, old_name: str = "before", new_name: str = "after") -> str:
    """The whole comparison as one page."""
    body = [f"<h1>{_(title)}</h1>", f'<p class="lead">{_(_lead(found))}</p>', *_preface(found, old_name, new_name)]
    return document(title, [*body, *changes(found.changes), *suspected(found.suspected)])


def document(title: str, body: Iterable[str]) -> str:
    """A page around its body."""
    return "\n".join([*opening(title), *body, *CLOSING])


def opening(title: str) -> list[str]:
    """Everything above the body of a page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
    ]


CLOSING = ("</main>", "</body>", "</html>", "")


def _lead(found: Comparison) -> str:
    return "Nothing was compared." if found.problems else summary(found)


def _preface(found: Comparison, old_name: str, new_name: str) -> Iterator[str]:
    if found.problems:
        yield _list(note.sentence for note in found.problems)
        return
    dates = f"{found.effective_old or 'no date'} to {found.effective_new or 'no date'}"
    yield f'<p class="soft">{_(old_name)} and {_(new_name)}; in force by their own words: {_(dates)}.</p>'
    told = [note.sentence for note in found.notes if note.code != "effective-date"]
    told += [
        f"{r.old} is called {r.new} now ({r.times_old} and {r.times_new} times) and was read as the same name"
        for r in found.renames
    ]
    if told:
        yield _list(f"{sentence}." for sentence in told)
    if found.changes:
        yield (
            '<p class="soft">A change <em>widens</em> where more may happen to data, and <em>narrows</em> where less may, or '
            "where people may do less. The rules decide that by the words alone; every change says which rule.</p>"
        )


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_(item)}</li>" for item in items) + "</ul>"


def changes(found: Sequence[Change], level: int = 2, prefix: str = "c") -> Iterator[str]:
    """The changes under their titles, the gravest first."""
    alerts = [c for c in found if c.alert]
    groups = [("A promise vanished", alerts)]
    for way in sorted(DIRECTIONS, key=list(TITLES).index):
        groups.append((TITLES[way].capitalize(), [c for c in found if c.direction == way and not c.alert]))
    number = 0
    for title, group in groups:
        if group:
            yield f"<section><h{level}>{_(title)} ({len(group)})</h{level}>"
            for change in group:
                number += 1
                yield one(change, number, level + 1, prefix)
            yield "</section>"


def suspected(found: Sequence[Change], level: int = 2, prefix: str = "s") -> Iterator[str]:
    """What a capture may have made, under a title of its own."""
    if found:
        yield f"<section><h{level}>{SUSPECTED.capitalize()} ({len(found)})</h{level}>"
        yield from (one(change, number, level + 1, prefix) for number, change in enumerate(found, 1))
        yield "</section>"


def one(change: Change, number: int, level: int = 3, prefix: str = "c") -> str:
    """One change, both sides beside each other."""
    where = " > ".join((change.heading_new or change.heading_old)[-2:]) or "at the beginning"
    name = f"{prefix}{number}"
    alert = ' class="alert"' if change.alert else ""
    return "\n".join(
        [
            f'<article id="{name}"{alert} aria-labelledby="{name}-t">',
            f'<h{level} id="{name}-t">{number}. {_(change.kind.capitalize())}, {_(change.direction)}: {_(where)}</h{level}>',
            '<div class="sides">',
            _side("Before", change.old_quote, change.old_marks, "del"),
            _side("After", change.new_quote, change.new_marks, "ins"),
            "</div>",
            _terms(change),
            "</article>",
        ]
    )


def _side(title: str, quote: str, marks: Sequence[tuple[int, int]], tag: str) -> str:
    words = f"<blockquote>{marked(quote, marks, tag)}</blockquote>" if quote else '<p class="soft">not there</p>'
    return f"<div><h4>{title}</h4>{words}</div>"


def marked(quote: str, marks: Sequence[tuple[int, int]], tag: str) -> str:
    """A quote with its changed words in ``ins`` or ``del``, told to screen readers too."""
    says = {"del": "removed: ", "ins": "added: "}[tag]
    pieces, shown = [], 0
    for start, end in marks:
        words = f'<span class="unseen">[{says}</span>{_(quote[start:end])}<span class="unseen">]</span>'
        pieces += [_(quote[shown:start]), f"<{tag}>{words}</{tag}>"]
        shown = end
    return "".join([*pieces, _(quote[shown:])])


def _terms(change: Change) -> str:
    rows = [("why", f"{change.why}"), ("about", about_of(change)), ("in", "; ".join(change.regions))]
    rows.append(("rule", f"{change.rule}, clause {change.clause}"))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{_(words)}</dd>" for name, words in rows if words) + "</dl>"


def _(words: str) -> str:
    return html.escape(words)
