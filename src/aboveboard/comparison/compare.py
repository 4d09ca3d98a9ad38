"""Two texts in, a comparison out: read, look for what is wrong, learn renames, align, type, fold.

The order of the steps is that of docs/formats/comparison.md. Pure: the same texts give the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

from aboveboard.comparison import alignment, meaning, renames, text
from aboveboard.comparison.changes import Comparison


def compare(old: str, new: str, *, names: Sequence[tuple[str, str]] = ()) -> Comparison:
    """What changed from ``old`` to ``new``, each change typed, and what was suspicious.

    The texts may be Markdown, HTML or plain. ``names`` are renames known beforehand (old, new). Never raises for what
    a text says: where a text is none (an error page, three words) ``problems`` says so and ``changes`` is empty.
    """
    olds, news = text.read(old), text.read(new)
    a, b, learned = renames.sides(olds, news, names)
    found = [change for group in alignment.align(a, b) for change in meaning.typed(a, b, group)]
    return Comparison(changes=tuple(found), renames=learned)
