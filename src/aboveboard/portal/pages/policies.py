"""M2, Policies: every version with the digest of its words, one beside another, and what a change does to whoever reads it.

Everybody may read this; the numbers are a member's own, and are counted beside the request (``numbers``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from aboveboard import vocabulary
from aboveboard.comparison import Comparison, compare
from aboveboard.policy import PolicyVersion
from aboveboard.portal.asking import Asked, NotThere, Page
from aboveboard.portal.numbers import Question
from aboveboard.portal.pages import shared

_HEADING = re.compile(r"(#{1,4})\s+(.*)")


def listed(asked: Asked) -> Page:
    """Every version that was announced, the newest first, each with the one before it to compare with."""
    known = announced(asked)
    pairs = zip(known, [None, *known], strict=False)
    versions = [{**_version(asked, one), "before": before and before.version} for one, before in pairs]
    return Page("policies.html", {"policy": asked.tenant.ws.policy.name, "versions": versions[::-1]})


def text(asked: Asked) -> Page:
    """The words of one version, as people were shown them."""
    version = _named(asked, asked.path["version"])
    words = asked.tenant.texts.get(version.version, "")
    return Page("policy.html", {**_version(asked, version), "text": words, "blocks": list(blocks(words))})


def side_by_side(asked: Asked) -> Page:
    """Two versions, clause by clause, the gravest change first; and for a member what it does to their data."""
    known = announced(asked)
    if len(known) < 2:
        return Page("compare.html", {"old": None, "new": None, "comparison": None, "effect": None, "versions": []})
    old = _named(asked, asked.one("a") or known[-2].version)
    new = _named(asked, asked.one("b") or known[-1].version)
    found = compared(asked.tenant.texts.get(old.version, ""), asked.tenant.texts.get(new.version, ""))
    effect = _effect(asked, old, new) if asked.principal is not None else None
    told = found.as_json()
    for change in told["changes"]:
        change["for_you"] = _for_you(change, effect)
    return Page(
        "compare.html",
        {
            "old": _version(asked, old), "new": _version(asked, new), "comparison": told, "effect": effect,
            "versions": [version.version for version in known],
        },
    )  # fmt: skip


def announced(asked: Asked) -> Sequence[PolicyVersion]:
    """The versions that people may know of, oldest first."""
    return [version for version in asked.tenant.versions if version.announced_at <= asked.now]


@lru_cache(maxsize=64)
def compared(old: str, new: str) -> Comparison:
    return compare(old, new)


def _named(asked: Asked, name: str) -> PolicyVersion:
    found = [version for version in announced(asked) if version.version == name]
    if not found:
        raise NotThere
    return found[0]


def _version(asked: Asked, version: PolicyVersion) -> dict[str, Any]:
    current = asked.tenant.ws.policy.in_force(asked.now)
    state = "past" if version.effective_from <= asked.now else "coming"
    return {
        "version": version.version, "effective_from": shared.local(version, version.effective_from),
        "announced_at": shared.local(version, version.announced_at), "text_sha256": version.text_sha256,
        "state": "in_force" if version is current else state, "older_data": version.retroactive,
        "notice_window": version.notice_window.says,
        "effective_to": version.effective_to and shared.local(version, version.effective_to),
    }  # fmt: skip


# --- for you ------------------------------------------------------------------------------------------------------


def _effect(asked: Asked, old: PolicyVersion, new: PolicyVersion) -> dict[str, Any] | None:
    """Three numbers a use: older data if the text reaches it, older data under the declared rule, new data a month."""
    if asked.tenant.ws.policy.names.index(old.version) >= asked.tenant.ws.policy.names.index(new.version):
        return {"state": "not_in_order", "uses": [], "claim": None, "untold": 0}
    said = max((event.position for event in asked.tenant.ws.ledger.events_of(asked.subject)), default=0)
    question = Question(asked.subject, old.version, new.version, said, asked.now.date().isoformat())
    state, found = asked.tenant.numbers.of(question)
    if found is None:
        return {"state": state, "uses": [], "claim": None, "untold": 0}
    return {
        "state": state,
        "claim": found["older_data"],
        "untold": found["untold"],
        "stale": found["pace"]["stale"],
        "uses": [_use(answer) for answer in found.get("author", ())],
    }


def _use(answer: Mapping[str, Any]) -> dict[str, Any]:
    cells = answer["categories"]
    reached = [cell["if_text_reaches_older"] for cell in cells if cell["if_text_reaches_older"] is not None]
    paced = [cell["new"]["a_month"] for cell in cells if cell["new"]["a_month"] is not None]
    return {
        "purpose": answer["purpose"], "recipient": answer["recipient"], "use": answer["use"],
        "if_text_reaches_older": _sum(reached) if reached else None,
        "declared_rule": _sum(cell["declared_rule"] for cell in cells),
        "new_so_far": _sum(cell["new"]["so_far"] for cell in cells),
        "new_a_month": {name: round(sum(one[name] for one in paced), 1) for name in ("newly", "no_longer")} if paced else None,
    }  # fmt: skip


def _sum(counts: Any) -> dict[str, int]:
    counted = list(counts)
    return {name: sum(one[name] for one in counted) for name in ("newly", "no_longer", "of")}


def _for_you(change: Mapping[str, Any], effect: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What the uses that a change is about do to this member's data; nothing where the change names no purpose."""
    if effect is None or effect["state"] != "counted":
        return []
    found: dict[str, dict[str, Any]] = {}
    for use in effect["uses"]:
        if any(vocabulary.covers(named, use["purpose"]) for named in change["purposes"]):
            told = _moved(use)
            best = found.setdefault(use["purpose"], told)  # of several uses of one purpose, the one that moves most
            found[use["purpose"]] = max(best, told, key=lambda one: one["older"] + one["new"] + one["no_longer"])
    return [one for one in found.values() if one["older"] or one["new"] or one["no_longer"]]


def _moved(use: Mapping[str, Any]) -> dict[str, Any]:
    rule, since = use["declared_rule"], use["new_so_far"]
    return {"purpose": use["purpose"], "older": rule["newly"], "new": since["newly"],
            "no_longer": rule["no_longer"] + since["no_longer"]}  # fmt: skip


# --- the words ----------------------------------------------------------------------------------------------------


def blocks(words: str) -> Iterator[dict[str, Any]]:
    """A text as headings (their level) and paragraphs (level 0), in order; nothing in it is read as markup of a page."""
    for paragraph in re.split(r"\n\s*\n", words):
        found = _HEADING.fullmatch(paragraph.strip())
        if found:
            yield {"level": len(found[1]), "text": found[2]}
        elif paragraph.strip():
            yield {"level": 0, "text": " ".join(paragraph.split())}


def segments(quote: str, marks: Sequence[Sequence[int]]) -> list[tuple[str, bool]]:
    """A quote cut at its marks: each piece with whether it changed."""
    pieces, shown = [], 0
    for start, end in marks:
        pieces += [(quote[shown:start], False), (quote[start:end], True)]
        shown = end
    return [(words, changed) for words, changed in (*pieces, (quote[shown:], False)) if words]
