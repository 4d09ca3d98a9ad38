"""A policy version in sentences a lawyer can read, and as one JSON document with the same content.

Nothing is left out and nothing softened: what a clause grants, to whom, on what basis, and which words it cites.
Every promise of every version is told, because a promise binds older data too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aboveboard import vocabulary
from aboveboard.policy import Clause, Commitment, Embargo, Policy, PolicyVersion, Retention

AUDIENCE = {
    "public": "what everyone can see",
    "unlisted": "what everyone with the address can see",
    "logged_in": "what signed-in people can see",
    "followers": "what followers can see",
    "group": "what a group can see",
    "circle": "what a chosen circle can see",
    "private": "everything, private data included",
}
"""The data that a clause of this audience reaches."""
RECIPIENT = {
    "controller": "the platform itself with whoever works on its instructions",
    "processor": "a company that works on the platform's instructions",
    "affiliate": "an affiliated company",
    "third_party": "another company",
}
RETROACTIVE = {
    "none": "This version never reaches data collected under an older one.",
    "reconsent": "Data collected under an older version is reached only where everybody concerned says yes by name.",
    "notice": "Data collected under an older version is reached by a yes that names it or, where the law lets it, "
    "after a proven notice and {window} without objection.",
}
RELEASES = {
    "withdraw": "releases that hold the data are replaced within {deadline}",
    "keep": "releases made before are kept",
}
MODELS = {
    "flag": "models trained on it are marked",
    "retrain": "models trained on it are trained again without it",
    "none": "models trained on it stay as they are",
}
RECIPIENTS = {"notify": "whoever received it is told", "none": "whoever received it is not told"}
SINCE = {"collected": "after it was collected", "last_interaction": "after the last interaction"}


def sentences(policy: Policy, version: PolicyVersion, following: PolicyVersion | None) -> str:
    """The whole version as prose, clause by clause."""
    blocks = [_opening(version, following)]
    blocks += [_clause(clause, version.zone) for clause in version.clauses] or [
        "It allows nothing: there is no clause."
    ]
    blocks += [_promise(promise, version.zone) for promise in policy.commitments]
    blocks += [_undertaking(undertaking, version.zone) for undertaking in policy.embargoes]
    blocks += [_retention(rule) for rule in version.retentions]
    blocks += [_withdrawal(version)]
    return "\n\n".join(blocks)


def _opening(version: PolicyVersion, following: PolicyVersion | None) -> str:
    at = version.zone
    ends = f", until {moment(version.effective_to, at)}" if version.effective_to else ""
    where = f", established in {version.establishment}" if version.establishment else ", establishment not stated"
    retroactive = RETROACTIVE[version.retroactive].format(window=version.notice_window.says)
    lines = [
        f"Policy {version.policy}, version {version.version}{where}.",
        f"In force from {moment(version.effective_from, at)}{ends}; announced on {moment(version.announced_at, at)}.",
        retroactive,
    ]
    if following is not None:
        lines.append(announced(following))
    return "\n".join(lines)


def announced(following: PolicyVersion) -> str:
    """The sentence about the version that comes next."""
    begins = moment(following.effective_from, following.zone)
    told = moment(following.announced_at, following.zone)
    return f"Next: version {following.version} comes into force on {begins}; it was announced on {told}."


def _clause(clause: Clause, zone: str) -> str:
    verb = "permits" if clause.effect == "permit" else "forbids"
    lines = [f"Clause {clause.id} {verb} to {_all(_says(clause.purposes, vocabulary.PURPOSES))}"]
    lines.append(f"with: {_all(_says(clause.categories, vocabulary.CATEGORIES))}.")
    if clause.effect == "permit":
        lines += _grant(clause, zone)
    if clause.control:
        lines.append(f"Choice: people decide with `{clause.control}`.")
    if clause.when is not None:
        lines.append(f"Condition: {clause.when}.")
    lines.append(f"It cites {clause.citation}")
    return "\n  ".join(lines)


def _grant(clause: Clause, zone: str) -> list[str]:
    """What only a permit has: audience, recipients, basis, uses, and who closed open words."""
    lines = [f"It reaches {AUDIENCE[clause.audience]}. Recipients: {_all(map(_recipient, clause.recipients))}."]
    lines.append(f"Basis: {clause.basis.replace('_', ' ')}, {vocabulary.BASES[clause.basis].says}.")
    if clause.uses:
        lines.append(f"Only for: {_all(clause.uses)}.")
    if clause.ambiguous:
        lines.append("Its words are open and nobody closed them: it releases nothing.")
    elif clause.closed_by:
        on = f" on {moment(clause.closed_at, zone)}" if clause.closed_at else ""
        lines.append(f"Its open words mean these data and no others, as decided by {clause.closed_by}{on}.")
        if clause.open_ended and clause.closed_at:
            lines.append("Before that it releases nothing.")
    return lines


def _promise(promise: Commitment, zone: str) -> str:
    until = f" until {moment(promise.until, zone)}" if promise.until else ""
    limits = [f"only {AUDIENCE[promise.audience]}"] if promise.audience else []
    if promise.deny_categories:
        limits.append(f"never {_all(_says(promise.deny_categories, vocabulary.CATEGORIES))}")
    return "\n  ".join(
        [
            f"Promise {promise.id} binds from {moment(promise.starts, zone)}{until}, and older data too.",
            f"To {_all(_says(promise.purposes, vocabulary.PURPOSES))}: {'; '.join(limits) or 'no limit is named'}.",
            f"Source: {promise.source}",
        ]
    )


def _undertaking(undertaking: Embargo, zone: str) -> str:
    window = []
    if undertaking.collected_from:
        window.append(f"from {moment(undertaking.collected_from, zone)}")
    if undertaking.collected_to:
        window.append(f"before {moment(undertaking.collected_to, zone)}")
    return "\n  ".join(
        [
            f"Undertaking {undertaking.id}: {_taken_out(undertaking)},",
            f"collected {' '.join(window) or 'at any time'},",
            f"is not used to {_all(_says(undertaking.purposes, vocabulary.PURPOSES))}"
            f"{f' by {_all(undertaking.recipients)}' if undertaking.recipients else ''}.",
            f"Source: {undertaking.source}",
        ]
    )


def _taken_out(undertaking: Embargo) -> str:
    """What an undertaking is about, in words: what it leaves open means all."""
    what = _all(_says(undertaking.categories, vocabulary.CATEGORIES)) if undertaking.categories else "data"
    of = f" in records of kind {_all(undertaking.kinds)}" if undertaking.kinds else ""
    return f"{what}{of} of {f'people in {_all(undertaking.regions)}' if undertaking.regions else 'everybody'}"


def _retention(rule: Retention) -> str:
    kept = _all(_says(rule.categories, vocabulary.CATEGORIES))
    return f"Kept for {rule.period.says} {SINCE[rule.since]}: {kept}."


def _withdrawal(version: PolicyVersion) -> str:
    does = version.on_withdrawal
    releases = RELEASES[does.releases].format(deadline=does.deadline.says)
    done = [releases, MODELS[does.models], RECIPIENTS[does.recipients]]
    return f"When somebody says no: intake stops at once, {_all(done)}."


def _says(keys: Iterable[str], terms: Any) -> list[str]:
    return [f"{terms[key].says} ({key})" for key in keys]


def _recipient(key: str) -> str:
    kind, _, ident = key.partition(":")
    return RECIPIENT[kind] if not ident else f"{RECIPIENT[kind]} ({'any' if ident == '*' else ident})"


def _all(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def moment(at: datetime, zone: str) -> str:
    """A moment on the clocks of the policy's zone; midnight is a date."""
    local = at.astimezone(ZoneInfo(zone))
    clock = "" if (local.hour, local.minute, local.second) == (0, 0, 0) else f" at {local:%H:%M:%S}"
    return f"{local.day} {local:%B %Y}{clock} ({zone})"


def document(policy: Policy, version: PolicyVersion, following: PolicyVersion | None) -> dict[str, object]:
    """The same content as data; times are ISO 8601 in UTC, conditions as sentences and periods as ISO 8601."""
    return {
        "policy": version.policy,
        "version": version.version,
        "effective_from": version.effective_from.isoformat(),
        "effective_to": version.effective_to.isoformat() if version.effective_to else None,
        "announced_at": version.announced_at.isoformat(),
        "zone": version.zone,
        "establishment": version.establishment,
        "text_sha256": version.text_sha256,
        "retroactive": version.retroactive,
        "notice_window": str(version.notice_window),
        "vocabulary": version.vocabulary,
        "clauses": _documents(version.clauses),
        "commitments": _documents(policy.commitments),
        "embargoes": _documents(policy.embargoes),
        "retentions": _documents(version.retentions),
        "on_withdrawal": _plain(version.on_withdrawal),
        "next": following.version if following else None,
        "file": version.path,
    }


def _documents(values: Sequence[Any]) -> list[dict[str, object]]:
    return [_plain(value) for value in values]


def _plain(value: Any) -> dict[str, object]:
    """The fields of a frozen value; a period and a condition as they print themselves."""
    fields = asdict(value)
    for name, field in ((name, getattr(value, name)) for name in fields):
        if isinstance(field, datetime):
            fields[name] = field.isoformat()
        elif field is not None and name in ("when", "period", "deadline"):
            fields[name] = str(field)
    return fields
