"""The public pages: what a platform did, in counts that give nobody away; release cards; checking a receipt or a proof; what
crawlers are told; and a way in for people who have no account.

Nothing here is about one person: small counts are only called small, and what somebody sends to be checked is not kept.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aboveboard import vocabulary
from aboveboard.choice import DENIES, GRANTS, Event
from aboveboard.errors import AboveboardError, VerificationError
from aboveboard.manifest import FEW, told
from aboveboard.portal.asking import Asked, Given, Moved, NotThere, Page, Unfit
from aboveboard.portal.pages import policies
from aboveboard.portal.published import Published
from aboveboard.release import NOTES

if TYPE_CHECKING:
    from aboveboard.portal.tenant import Tenant
    from aboveboard.proof import Trust

STRANGERS = timedelta(days=7)
"""How long a stranger's request holds training by itself, at the least; whose account it is, only they can say."""
_AGAIN = timedelta(days=1)
"""What a hold lasts beyond that: within it a further request finds as much as it asks for, and writes nothing."""
UNKNOWN = None


def transparency(asked: Asked) -> Page:
    """Versions, releases, what people chose for each purpose, and how soon a no was heard."""
    releases = asked.releases
    head = asked.tenant.ws.ledger.head()
    return Page(
        "transparency.html",
        {
            "policy": asked.tenant.ws.policy.name,
            "versions": [policies._version(asked, one) for one in reversed(policies.announced(asked))],
            "releases": [_card(one) for one in reversed(releases)],
            "choices": _choices(asked.tenant, head),
            "latency": _latency(asked.tenant, head, tuple((one.position, one.as_of) for one in releases)),
            "few": FEW,
            "log": _log(asked),
        },
    )


def _log(asked: Asked) -> dict[str, Any] | None:
    """The log's name and key, by which everybody checks; None where it has not begun."""
    ws = asked.tenant.ws
    if not ws.has_log:
        return None
    from aboveboard.log import checkpoint_of, keys_of

    return {
        "origin": ws.origin,
        "key": str(keys_of(ws.log_folder).log),
        "checkpoint": checkpoint_of(ws.log_folder).decode(),
    }


@lru_cache(maxsize=8)
def _choices(tenant: Tenant, head: int) -> list[dict[str, Any]]:
    """How many people last said yes, and no, about each purpose: rounded, and few only called few."""
    last: dict[tuple[str, str], str] = {}
    table = tenant.ws.ledger.snapshot(position=head).events_table().select(["subject", "type", "purpose"])
    for subject, kind, purpose in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if kind in GRANTS or kind in DENIES:
            last[subject, purpose or ""] = "yes" if kind in GRANTS else "no"
    counted: dict[str, dict[str, int]] = {}
    for (_, purpose), answer in last.items():
        counted.setdefault(purpose, {"yes": 0, "no": 0})[answer] += 1
    return [
        {"purpose": purpose or None, "yes": told(found["yes"]), "no": told(found["no"])}
        for purpose, found in sorted(counted.items())
        if sum(found.values()) >= FEW
    ]


@lru_cache(maxsize=8)
def _latency(tenant: Tenant, head: int, releases: tuple[tuple[int, Any], ...]) -> dict[str, Any] | None:
    """How long a no took until a release had heard it, in hours, of those that came when something was out already; None
    while too few were heard."""
    first = releases[0][0] if releases else head
    table = tenant.ws.ledger.snapshot(position=head).events_table().select(["position", "type", "recorded_at"])
    waits = []
    for position, kind, recorded in zip(*(column.to_pylist() for column in table.columns), strict=True):
        heard = next((moment for reached, moment in releases if reached >= position), None)
        if kind in DENIES and heard is not None and position > first:
            waits.append((heard.replace(tzinfo=None) - recorded.replace(tzinfo=None)).total_seconds() / 3600)
    if len(waits) < FEW:
        return None
    return {
        "noes": told(len(waits)),
        "median_hours": round(statistics.median(waits), 1),
        "longest_hours": round(max(waits), 1),
    }


# --- releases -----------------------------------------------------------------------------------------------------


def releases(asked: Asked) -> Page:
    """A card for each release, the newest first."""
    return Page("releases.html", {"releases": [_card(one) for one in reversed(asked.releases)]})


def release(asked: Asked) -> Page:
    """One card, with the summary of training content (AI Act) and the twelve items (California AB 2013)."""
    found = next((one for one in asked.releases if one.id == asked.path["release"]), None)
    if found is None:
        raise NotThere
    return Page(
        "release.html", {**_card(found), **_digests(found), "summary": _summary(found, asked), "items": _twelve(found)}
    )


def _card(found: Published) -> dict[str, Any]:
    said = found.said
    return {
        **found.document(), "use": said["job"]["use"], "rows": said["counts"]["rows"], "kinds": said["counts"]["kinds"],
        "languages": said["counts"]["languages"], "versions": [one["version"] for one in said["policy"]["versions"]],
    }  # fmt: skip


def _digests(found: Published) -> dict[str, Any]:
    said = found.said
    return {"rows_digest": said["rows_digest"], "rows_root": said["rows_root"], "log": said["log"], "notes": said["notes"],
            "manifest_sha256": hashlib.sha256((found.public / "manifest.json").read_bytes()).hexdigest()}  # fmt: skip


def _summary(found: Published, asked: Asked) -> list[dict[str, Any]]:
    """The template of the summary of training content (AI Act art. 53(1)(d)), as far as the manifest fills it."""
    said = found.said
    values: Sequence[Any] = (
        asked.tenant.title, said["job"]["model"] or UNKNOWN, ["text"], said["counts"]["rows"],
        sorted(said["counts"]["languages"]), found.as_of.date().isoformat(), UNKNOWN, UNKNOWN, UNKNOWN,
        "what members of this platform made", UNKNOWN,
        "preference signals are read, and only ever remove (docs/reasons.md)",
        "what is labelled illegal is never used (floor.illegal_content)",
    )  # fmt: skip
    return [{"name": name, "value": value} for name, value in zip(SUMMARY, values, strict=True)]


SUMMARY = (
    "provider", "model", "modalities", "size, rows", "languages", "latest date of data", "public datasets",
    "licensed from third parties", "crawled", "user data", "synthetic", "reservations of rights",
    "removal of illegal content",
)  # fmt: skip


def _twelve(found: Published) -> list[dict[str, Any]]:
    """The items of California Civil Code 3111 (AB 2013), in its order; what the manifest does not say is unknown."""
    said = found.said
    named = said["job"]["sources"]
    personal = "members' posts, without direct identifiers of known shape; it may hold what people tell of themselves"
    values: Sequence[Any] = (
        {"sources": named, "owner": "members of this platform"},
        f"to {vocabulary.PURPOSES[said['job']['purpose']].says}",
        said["counts"]["rows"],
        {"kinds": sorted(said["counts"]["kinds"]), "columns": sorted(said["columns"])},
        UNKNOWN,
        UNKNOWN,
        personal,
        UNKNOWN,
        [note for note in said["notes"] if note == NOTES[0]] or UNKNOWN,
        UNKNOWN,
        found.as_of.date().isoformat(),
        UNKNOWN,
    )
    return [{"name": name, "value": value} for name, value in zip(TWELVE, values, strict=True)]


TWELVE = (
    "sources or owners", "how it furthers the purpose", "number of data points", "types of data points",
    "protected by copyright, trademark or patent, or public domain", "purchased or licensed",
    "personal information", "aggregate consumer information", "cleaning or processing, and why",
    "period of collection, and whether it goes on", "first used", "synthetic data",
)  # fmt: skip


# --- checking -----------------------------------------------------------------------------------------------------


def verify_form(asked: Asked) -> Page:  # noqa: ARG001 - as every page is asked
    """Where somebody can have a receipt or a proof checked; the command checks it without us."""
    return Page("verify.html", {"report": None, "refused": None, "failed": None})


def verify(asked: Asked) -> Page:
    """Check what was sent, and keep nothing of it. A capsule is turned away: it tells what is in it to whoever sees it."""
    data = asked.files.get("file") or (asked.said("text") or "").encode()
    if not data.strip():
        raise Unfit("there is nothing to check", hint="choose a file, or paste what it holds")
    from aboveboard.verification import Known, kind_of
    from aboveboard.verification import verify as check

    with TemporaryDirectory(prefix="aboveboard-") as folder:
        file = Path(folder) / "sent"
        file.write_bytes(data.replace(b"\r\n", b"\n"))
        try:
            kind = kind_of(file)
            if kind == "capsule":
                return Page("verify.html", {"report": None, "refused": "capsule", "failed": None}, 422)
            report = check(file, Known(_trust(asked, kind)))
        except VerificationError as error:
            failed = {"sentence": error.sentence, "step": error.context.get("step"), "hint": error.hint}
            return Page("verify.html", {"report": None, "refused": None, "failed": failed}, 422)
        except (
            AboveboardError,
            ValueError,
            OSError,
            RecursionError,
        ):  # the last: brackets within brackets, without end
            failed = {"sentence": "nothing here is known that could be verified", "step": None, "hint": ""}
            return Page("verify.html", {"report": None, "refused": None, "failed": failed}, 422)
    return Page("verify.html", {"report": report.as_json(), "refused": None, "failed": None})


def _trust(asked: Asked, kind: str) -> Trust:
    """Whose word counts: for a receipt the key that signs receipts, as the log names it, else that of the log."""
    from aboveboard.log import keys_of
    from aboveboard.proof import Trust

    return Trust((keys_of(asked.tenant.ws.log_folder).receipt,)) if kind == "receipt" else asked.tenant.ws.trust


# --- others -------------------------------------------------------------------------------------------------------


def bots(asked: Asked) -> Page:
    """What crawlers are told, and why it follows from the policy."""
    return Page("bots.html", {"robots": _robots(asked), "usage": usage(asked), "reasons": _why(asked)})


def robots(asked: Asked) -> Given:
    """``robots.txt``, for the host to serve at its root."""
    return Given("robots.txt", "text/plain; charset=utf-8", [_robots(asked).encode()])


def usage(asked: Asked) -> str:
    """The ``Content-Usage`` field (IETF AIPREF vocabulary and attachment, drafts): no, unless the policy in force lets
    third parties train. A yes is never stated: it would speak for every member, whatever they chose."""
    return "" if _lets_others_train(asked) else "train-ai=n"


def _lets_others_train(asked: Asked) -> bool:
    version = asked.tenant.ws.policy.in_force(asked.now)
    return version is not None and any(
        clause.effect == "permit" and vocabulary.covered_by(clause.purposes, "train_ai_system.generative")
        and any(recipient.startswith("third_party") for recipient in clause.recipients)
        for clause in version.clauses
    )  # fmt: skip


def _robots(asked: Asked) -> str:
    lines = ["User-agent: *", *([f"Content-Usage: {said}"] if (said := usage(asked)) else []), "Allow: /", ""]
    return "\n".join(lines)


def _why(asked: Asked) -> Mapping[str, Any]:
    version = asked.tenant.ws.policy.in_force(asked.now)
    return {"version": version and version.version, "third_parties_train": _lets_others_train(asked)}


def outsiders(asked: Asked) -> Page:
    """For people without an account: what can be asked for, and by which words. Nobody's face is asked for."""
    sent = asked.one("done") == "sent"
    return Page(
        "outsiders.html", {"sent": sent, "contact": asked.tenant.ws.told.get("contact"), "days": STRANGERS.days}
    )


def ask_as_outsider(asked: Asked) -> Moved:
    """Hold training for an account that somebody names, for seven days from now at the least. The answer is the same whether
    it is there or not."""
    named = (asked.said("account") or "").strip()
    if not named or len(named) > 200:
        raise Unfit("name the account in at most 200 characters", hint="its id here, letter for letter")
    event = Event(
        subject=named, type="objected", recorded_at=asked.now, effective_at=asked.now, purpose="train_ai_system",
        expires_at=asked.now + STRANGERS + _AGAIN, verified=False, actor="stranger", method="portal", language=asked.words.tag,
    )  # fmt: skip
    gone = asked.tenant.ws.gone().holds(
        named
    )  # who was erased must not come back by name, and nothing of theirs is taken
    if not gone and _is_there(asked, named) and not _is_open(asked, named):
        asked.tenant.ws.ledger.append(event)
    return Moved("/not-a-member?done=sent#status")


def _is_there(asked: Asked, named: str) -> bool:
    """Whether anything is known of an account: requests for accounts that nobody has would fill the ledger."""
    if asked.tenant.ws.facts.facts_of(named) or asked.tenant.ws.ledger.events_of(named):
        return True
    return any(sum(one.items.counts(named).values()) for one in asked.listed)


def _is_open(asked: Asked, named: str) -> bool:
    """Whether it is held for as long as somebody who asks now is told."""
    return any(
        event.actor == "stranger" and event.expires_at is not None and event.expires_at >= asked.now + STRANGERS
        for event in asked.tenant.ws.ledger.events_of(named)
    )  # fmt: skip
