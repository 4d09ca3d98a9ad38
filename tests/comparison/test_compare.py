"""Two texts compared: what must be found, what must never be reported, and what bad input gets."""

from __future__ import annotations

from aboveboard.comparison import Change, compare

OLD = """Chirper Privacy Policy
======================

1\\. What we collect
--------------------

We collect the address from which you connect and the pages that you open. When you write a chirp, we keep it.

### 1.1 Messages

We do not read the private messages that you send to other people. You can delete your account at any time.
"""
NEW = """# Chirper Privacy Policy

**1. Messages**

You can delete your account at any time.

**2. What we collect**

When you write a chirp, we keep it. We collect the address from which you connect and the pages that you open.

We may use your chirps to train machine learning models.
"""


def only(changes: tuple[Change, ...], kind: str) -> Change:
    [found] = [change for change in changes if change.kind == kind]
    return found


def test_moved_and_renumbered_paragraphs_are_no_change() -> None:
    found = compare(OLD, NEW)
    assert sorted(change.kind for change in found.changes) == ["added", "removed"]
    assert (
        only(found.changes, "removed").old_quote == "We do not read the private messages that you send to other people."
    )
    assert only(found.changes, "added").new_quote == "We may use your chirps to train machine learning models."


def test_a_text_and_itself() -> None:
    assert compare(OLD, OLD).changes == ()
    assert compare(NEW, NEW).renames == ()
