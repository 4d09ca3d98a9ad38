"""Charts as inline SVG, drawn on the server: no script, no style, a title for whoever hears the page.

Each stands beside a table that holds the same numbers; shapes differ by pattern as well as by colour.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 600, 28


def bar(title: str, parts: Sequence[tuple[str, int, str]]) -> Markup:
    """One bar of several parts, each ``(label, number, class)``; a part that is there is never too thin to be seen."""
    total = sum(number for _, number, _ in parts)
    if not total:
        return Markup("")
    drawn, at = [], 0.0
    for label, number, kind in parts:
        wide = WIDTH * number / total
        if number:
            shape = Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}</title></rect>')
            drawn.append(shape.format(kind, at, max(wide - 2, 2.0), HEIGHT, f"{label}: {number:,}"))
        at += wide
    svg = Markup('<svg class="bar" viewBox="0 0 {} {}" role="img" preserveAspectRatio="none" aria-label="{}">{}</svg>')
    return svg.format(WIDTH, HEIGHT, title, Markup("").join(drawn))


def columns(title: str, numbers: Sequence[tuple[str, int]]) -> Markup:
    """Columns side by side, ``(label, number)`` each, as high as their numbers."""
    most = max((number for _, number in numbers), default=0)
    if not most:
        return Markup("")
    step, high = WIDTH / len(numbers), 120
    wide = min(step * 0.7, 64)
    drawn = []
    for place, (label, number) in enumerate(numbers):
        tall = max(high * number / most, 1.0)
        shape = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"><title>{}</title></rect>')
        drawn.append(shape.format(place * step + (step - wide) / 2, high - tall, wide, tall, f"{label}: {number:,}"))
    svg = Markup('<svg class="columns" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return svg.format(WIDTH, high + 1, title, Markup("").join(drawn))
