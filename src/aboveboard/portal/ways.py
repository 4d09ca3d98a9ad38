"""Every page of the portal: its path, who may ask, and the function that answers. The menu is read from the same list.

A path is a noun. ``roles`` empty means everybody. What is not in this list is not served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aboveboard.portal.asking import Answer, Asked
from aboveboard.portal.pages import choices, engineer, overview, policies, public, records, used, withdraw
from aboveboard.portal.principal import AUDITOR, ENGINEER, MEMBER


@dataclass(frozen=True, slots=True)
class Way:
    """One page. ``menu`` is the group of the menu it stands in, None where it is reached from another page."""

    path: str
    title: str
    page: Callable[[Asked], Answer]
    roles: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET",)
    menu: str | None = None


_MEMBER = (MEMBER,)
MEMBERS = (
    Way("/", "Your data", overview.show, _MEMBER, menu="member"),
    Way("/off", "Your data", overview.turn_off, _MEMBER, ("POST",)),
    Way("/notice", "Your data", overview.acknowledge, _MEMBER, ("POST",)),
    Way("/choices", "Choices", choices.show, _MEMBER, menu="member"),
    Way("/choices", "Choices", choices.save, _MEMBER, ("POST",)),
    Way("/used", "What was used", used.show, _MEMBER, menu="member"),
    Way("/used/{release}/capsule", "Capsule", used.capsule, _MEMBER),
    Way("/used/{release}/export.{kind}", "Export", used.export, _MEMBER),
    Way("/used/{release}/{number}", "What was used", used.one, _MEMBER),
    Way("/used/{release}/{number}/proof.json", "Proof", used.proof, _MEMBER),
    Way("/withdraw", "Withdraw", withdraw.show, _MEMBER, menu="member"),
    Way("/withdraw", "Withdraw", withdraw.stop, _MEMBER, ("POST",)),
    Way("/withdraw/item", "Withdraw", withdraw.take_out, _MEMBER, ("POST",)),
    Way("/withdraw/certificates/{release}", "Certificate", withdraw.certificate, _MEMBER),
    Way("/records", "My records", records.show, _MEMBER, menu="member"),
    Way("/records/receipts/{position}", "Receipt", records.receipt, _MEMBER),
    Way("/records/export", "Export", records.export, _MEMBER),
)
_WORKERS = (ENGINEER, AUDITOR)
ENGINEERS = (
    Way("/explain", "Explain a record", engineer.explain_form, (ENGINEER,), menu="work"),
    Way("/explain", "Explain a record", engineer.explain, (ENGINEER,), ("POST",)),
    Way("/withdrawals", "Noes and deadlines", engineer.withdrawals, _WORKERS, menu="work"),
    Way("/audit", "Audit log", engineer.audit, _WORKERS, menu="work"),
    Way("/audit/export", "Export", engineer.export, _WORKERS),
)
PUBLIC = (
    Way("/transparency", "Transparency", public.transparency, menu="public"),
    Way("/policies", "Policies", policies.listed, menu="public"),
    Way("/policies/compare", "Policies compared", policies.side_by_side),
    Way("/policies/{version}", "Policy", policies.text),
    Way("/releases", "Training sets", public.releases, menu="public"),
    Way("/releases/{release}", "Training set", public.release),
    Way("/verify", "Verify", public.verify_form, menu="public"),
    Way("/verify", "Verify", public.verify, methods=("POST",)),
    Way("/bots", "For crawlers", public.bots, menu="public"),
    Way("/robots.txt", "robots.txt", public.robots),
    Way("/not-a-member", "I am not a member", public.outsiders, menu="public"),
    Way("/not-a-member", "I am not a member", public.ask_as_outsider, methods=("POST",)),
)
WAYS = (*MEMBERS, *ENGINEERS, *PUBLIC)
WRONG = Way("", "Not here", lambda asked: overview.show(asked))
_FREE = ("/off", "/choices", "/withdraw", "/static/", "/notice")
"""Where people say no, and what a page is drawn with."""


def is_free(path: str) -> bool:
    """Whether a path is never limited."""
    return path.startswith(_FREE)


def menu(roles: frozenset[str], more: Sequence[Way] = ()) -> Mapping[str, Sequence[Way]]:
    """What somebody with these roles finds in the menu, by group; ``more`` are pages that this portal has besides."""
    found: dict[str, list[Way]] = {}
    for way in (*WAYS, *more):
        if way.menu is not None and (not way.roles or not roles.isdisjoint(way.roles)):
            found.setdefault(way.menu, []).append(way)
    return found
