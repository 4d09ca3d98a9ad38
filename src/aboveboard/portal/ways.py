"""Every page of the portal: its path, who may ask, what may be sent with it, and the function that answers.

A path is a noun. ``roles`` empty means everybody. What is not in this list is not served, and a field that is not in it is
not read: the menu, the router and the description for programs (``openapi``) are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aboveboard.portal import items
from aboveboard.portal.asking import Answer, Asked
from aboveboard.portal.pages import choices, engineer, overview, policies, public, records, used, withdraw
from aboveboard.portal.principal import AUDITOR, ENGINEER, MEMBER


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a query or of a form. ``values`` are all it may say, where it may not say anything; ``many``: it may be there
    several times; ``begins``: every field is meant whose name begins with this one; ``file``: it may be a file."""

    name: str
    means: str
    values: tuple[str, ...] = ()
    many: bool = False
    begins: bool = False
    file: bool = False

    def is_called(self, name: str) -> bool:
        """Whether a field of this name is this one."""
        return name.startswith(self.name) if self.begins else name == self.name


@dataclass(frozen=True, slots=True)
class Way:
    """One page. ``menu`` is the group of the menu it stands in, None where it is reached from another page. ``shows`` names
    what its document holds (with ``?`` where not always), or ``gives`` the media types of a file. ``also`` are statuses that
    do not follow from the rest: 403 where a proof of who asks has to be fresh, 404 for what may not be there."""

    path: str
    title: str
    page: Callable[[Asked], Answer]
    roles: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET",)
    menu: str | None = None
    query: tuple[Field, ...] = ()
    form: tuple[Field, ...] = ()
    shows: str = ""
    gives: tuple[str, ...] = ()
    also: tuple[int, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it is sent to, rather than read."""
        return self.methods != ("GET",)


_DONE = (
    Field("done", "what was just recorded, for the status region"),
    Field("position", "the positions of what was just recorded", many=True),
)
_ITEMS = (
    Field("state", "which tab", items.STATES),
    Field("source", "only items of this source"),
    Field("reason", "only items that this reason decided"),
)
_CHOICES = (
    Field("choice:", "the answer to a switch, by its key", choices.ANSWERS, begins=True),
    Field("older:", "that a yes to a switch, by its key, is meant for older data too", begins=True),
    Field(
        "seen", "where the ledger stood for this person when the page was made: a yes that it showed is not said again"
    ),
)
_MEMBER = (MEMBER,)
MEMBERS = (
    Way("/", "Your data", overview.show, _MEMBER, menu="member", query=_DONE,
        shows="policy upcoming banner release listing off purposes gpc done"),
    Way("/off", "Your data", overview.turn_off, _MEMBER, ("POST",)),
    Way("/notice", "Your data", overview.acknowledge, _MEMBER, ("POST",),
        form=(Field("version", "the version whose notice was seen"),)),
    Way("/choices", "Choices", choices.show, _MEMBER, menu="member", query=_DONE,
        shows="policy upcoming purposes fixed floor gpc seen done"),
    Way("/choices", "Choices", choices.save, _MEMBER, ("POST",), form=_CHOICES),
    Way("/used", "What was used", used.show, _MEMBER, menu="member",
        query=(Field("release", "which training set; the newest that stands, if none is named"), *_ITEMS,
               Field("after", "the number behind which the page begins")),
        shows="release releases listing counts? wanted? sources? reasons? total? items? after? next? latest? stands? "
        "fixed_reasons?",
        also=(404,)),
    Way("/used/{release}/capsule", "Capsule", used.capsule, _MEMBER, gives=("application/json",), also=(403,)),
    Way("/used/{release}/export.{kind}", "Export", used.export, _MEMBER, query=_ITEMS,
        gives=("application/jsonl", "text/csv"), also=(403,)),
    Way("/used/{release}/{number}", "What was used", used.one, _MEMBER, query=_DONE,
        shows="release item reasons proof other_people taken_out certificate done"),
    Way("/used/{release}/{number}/proof.json", "Proof", used.proof, _MEMBER, gives=("application/json",), also=(403,)),
    Way("/withdraw", "Withdraw", withdraw.show, _MEMBER, menu="member", query=_DONE,
        shows="purposes everything does timeline delivered models listing erasure done"),
    Way("/withdraw", "Withdraw", withdraw.stop, _MEMBER, ("POST",),
        form=(Field("purpose", "what to stop: a purpose, or `everything`"),)),
    Way("/withdraw/item", "Withdraw", withdraw.take_out, _MEMBER, ("POST",),
        form=(Field("release", "the training set"), Field("number", "the number of the item in it"))),
    Way("/withdraw/keep", "Withdraw", withdraw.keep, _MEMBER, ("POST",), also=(403,)),
    Way("/withdraw/certificates/{release}", "Certificate", withdraw.certificate, _MEMBER, gives=("application/json",)),
    Way("/records", "My records", records.show, _MEMBER, menu="member", query=_DONE,
        shows="events looks key contact authority subject done"),
    Way("/records/receipts/{position}", "Receipt", records.receipt, _MEMBER, gives=("text/plain",)),
    Way("/records/export", "Export", records.export, _MEMBER, gives=("application/jsonl",), also=(403,)),
)  # fmt: skip
_WORKERS = (ENGINEER, AUDITOR)
ENGINEERS = (
    Way("/explain", "Explain a record", engineer.explain_form, (ENGINEER,), menu="work",
        query=(Field("look", "the number of a look that was written down"), Field("missing", "that no such record is there")),
        shows="look trace missing least"),
    Way("/explain", "Explain a record", engineer.explain, (ENGINEER,), ("POST",),
        form=(Field("record", "the id of the record"), Field("purpose", "why it is looked at: its person reads it"))),
    Way("/withdrawals", "Noes and deadlines", engineer.withdrawals, _WORKERS, menu="work",
        query=(Field("closed", "1: those that are done too", ("1",)),),
        shows="deadline closed open overdue in_all withdrawals"),
    Way("/audit", "Audit log", engineer.audit, _WORKERS, menu="work", shows="log entries entries_in_all looks recent"),
    Way("/audit/export", "Export", engineer.export, _WORKERS, gives=("application/jsonl",)),
)  # fmt: skip
PUBLIC = (
    Way("/transparency", "Transparency", public.transparency, menu="public",
        shows="policy versions releases choices latency few log"),
    Way("/policies", "Policies", policies.listed, menu="public", shows="policy versions"),
    Way("/policies/compare", "Policies compared", policies.side_by_side, also=(404,),
        query=(Field("a", "the older version"), Field("b", "the newer version")),
        shows="old new comparison effect versions"),
    Way("/policies/{version}", "Policy", policies.text,
        shows="version effective_from announced_at text_sha256 state older_data notice_window effective_to text blocks"),
    Way("/releases", "Training sets", public.releases, menu="public", shows="releases"),
    Way("/releases/{release}", "Training set", public.release,
        shows="id as_of purpose recipient model superseded_by use rows kinds languages versions rows_digest rows_root log "
        "notes manifest_sha256 summary items"),
    Way("/verify", "Verify", public.verify_form, menu="public", shows="report refused failed"),
    Way("/verify", "Verify", public.verify, methods=("POST",), shows="report refused failed", also=(422,),
        form=(Field("file", "a receipt, a proof or a checkpoint", file=True), Field("text", "the same as text"))),
    Way("/bots", "For crawlers", public.bots, menu="public", shows="robots usage reasons"),
    Way("/robots.txt", "robots.txt", public.robots, gives=("text/plain",)),
    Way("/not-a-member", "I am not a member", public.outsiders, menu="public", shows="sent contact days",
        query=(Field("done", "that something was sent"),)),
    Way("/not-a-member", "I am not a member", public.ask_as_outsider, methods=("POST",),
        form=(Field("account", "the id of the account, letter for letter"),)),
)  # fmt: skip
WAYS = (*MEMBERS, *ENGINEERS, *PUBLIC)
WRONG = Way("", "Not here", lambda asked: overview.show(asked))
_FREE = ("/off", "/choices", "/withdraw", "/notice")
_FREE_BELOW = ("/withdraw/", "/static/")
"""Where people say no, and what a page is drawn with."""


def is_free(path: str) -> bool:
    """Whether a path is never limited."""
    return path in _FREE or path.startswith(_FREE_BELOW)


def menu(roles: frozenset[str], more: Sequence[Way] = ()) -> Mapping[str, Sequence[Way]]:
    """What somebody with these roles finds in the menu, by group; ``more`` are pages that this portal has besides."""
    found: dict[str, list[Way]] = {}
    for way in (*WAYS, *more):
        if way.menu is not None and (not way.roles or not roles.isdisjoint(way.roles)):
            found.setdefault(way.menu, []).append(way)
    return found
