"""What compliance streams say, and what follows: one table for X, atproto and ActivityPub.

A platform tells those who hold its data what happened to accounts and records afterwards: deleted, protected,
suspended, withheld, edited, and back again. ``TABLE`` says of each event what the ledger then records, what that does
to older and to newer records, and what is left of it where the event only lies among the payloads of a source; ``read``
turns one event into what is recorded. Pure: no I/O, no clock.
Specification: docs/formats/compliance.md, whose table is made from this one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aboveboard import choice
from aboveboard.errors import SourceError

KINDS = ("x", "atproto", "activitypub")
EVERYWHERE = frozenset({"XX", "XY"})
"""Country codes of X that mean all of them: worldwide, and for copyright."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one event of one stream means. ``types`` are event types of the ledger; none: it is only counted.

    ``reason`` is what stands against an older record from then on (empty: nothing).
    """

    kind: str
    event: str
    about: str
    types: tuple[str, ...]
    reason: str
    older: str
    newer: str

    @property
    def lifts(self) -> bool:
        """Whether all it can say opens a door."""
        return bool(self.types) and choice.OPENING.issuperset(self.types)

    @property
    def overheard(self) -> str:
        """What follows where the event lies in a payload, for which nobody vouches (``OVERHEARD`` says where it does)."""
        if self.kind not in OVERHEARD or not self.types:
            return "nothing"
        if self.about == "record":
            return "held" if self.lifts else "the same"
        return "nothing: it lifts" if self.lifts else "the same, until its lifting is imported"


OVERHEARD = frozenset({"x", "activitypub"})
"""Streams whose events readers find among the payloads of a source. INVARIANT: there an event says something of what came
with it, which is this source's own word, and of nothing else; and nothing that lifts is heard."""

_LATER = "judged on their own"
_WAIT = "held: made before the restriction was lifted"
_ALL = "out, for good"


def _rules(kind: str, *rows: tuple[str, str, tuple[str, ...], str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(kind, *row) for row in rows)


TABLE: tuple[Rule, ...] = (
    *_rules(
        "x",
        ("delete", "record", ("record_deleted",), "life.deleted_by_author", _ALL, _ALL),
        ("drop", "record", ("record_removed",), "life.moderated_removed", "out until put back", "out until put back"),
        ("undrop", "record", ("record_restored",), "life.restored_unconfirmed", _WAIT, _LATER),
        ("withheld", "record", ("record_withheld", "record_unwithheld", "record_removed"), "life.state_unknown",
         "held everywhere: no regime says yet who may read what some countries may not", "held likewise"),
        ("status_withheld", "record", ("record_withheld", "record_unwithheld", "record_removed"), "life.state_unknown",
         "held everywhere, as `withheld`", "held likewise"),
        ("tweet_edit", "record", ("record_edited",), "life.superseded_edit",
         "older versions are out", "the newest stands"),
        ("user_delete", "account", ("deleted",), "life.account_deleted", "out", "out until restored"),
        ("user_undelete", "account", ("restored",), "life.restored_unconfirmed", _WAIT, _LATER),
        ("user_protect", "account", ("protected",), "vis.account_protected", "out", "out until unprotected"),
        ("user_unprotect", "account", ("unprotected",), "life.restored_unconfirmed", _WAIT, _LATER),
        ("user_suspend", "account", ("suspended",), "life.account_suspended", "out", "out until unsuspended"),
        ("user_unsuspend", "account", ("unsuspended",), "life.restored_unconfirmed", _WAIT, _LATER),
        ("user_withheld", "account", ("withheld", "unwithheld", "suspended"), "life.account_state_unknown",
         "held everywhere, as `withheld`", "held until withheld nowhere"),
        ("scrub_geo", "account", ("geo_scrubbed",), "life.deleted_by_parent",
         "lose their places, up to the post that is named", _LATER),
        ("user_profile_modification", "account", (), "", "nothing", "nothing"),
    ),
    *_rules(
        "atproto",
        ("account deleted", "account", ("deleted",), "life.account_deleted", "out", "out until active"),
        ("account takendown", "account", ("suspended",), "life.account_suspended", "out", "out until active"),
        ("account suspended", "account", ("suspended",), "life.account_suspended", "out", "out until active"),
        ("account deactivated", "account", ("deactivated",), "life.account_deactivated",
         "held while it lasts", "held while it lasts"),
        ("account (any other status, or none)", "account", ("withheld",), "life.account_state_unknown",
         "held: a word nobody knows", "held until active"),
        ("account active", "account", ("restored", "unsuspended", "reactivated", "unwithheld"), "life.restored_unconfirmed",
         "held, where they were out; after a pause of one's own as before", _LATER),
        ("tombstone", "account", ("deleted",), "life.account_deleted", "out", "out until active"),
        ("commit delete", "record", ("record_deleted",), "life.deleted_by_author", _ALL, _ALL),
        ("commit update", "record", ("record_edited",), "life.superseded_edit",
         "older versions are out", "the newest stands"),
        ("commit create", "record", (), "", "nothing", "nothing"),
        ("identity", "account", (), "", "nothing: a handle decides nothing", "nothing"),
    ),
    *_rules(
        "activitypub",
        ("Delete (of oneself)", "account", ("deleted",), "life.account_deleted", "out", "out until restored"),
        ("Delete (of an object)", "record", ("record_deleted",), "life.deleted_by_author", _ALL, _ALL),
        ("Update (of an object)", "record", ("record_edited",), "life.superseded_edit",
         "older versions are out", "the newest stands"),
        ("Update (of oneself)", "account", ("suspended", "unsuspended"), "life.account_suspended",
         "out where it says `suspended`; held where it says so no longer", "out while suspended"),
        ("Undo (Announce, Like)", "record", ("record_deleted",), "life.deleted_by_author", _ALL, _ALL),
        ("Undo (Delete)", "record or account", ("record_restored", "restored"), "life.restored_unconfirmed",
         "held; a record that was deleted stays out", _LATER),
        ("Undo (of anything else)", "-", (), "", "nothing", "nothing"),
        ("any other activity", "-", (), "", "nothing", "nothing"),
    ),
)  # fmt: skip
"""Every event there is. For X an event of another name is a fault; so is whatever is no event at all."""

RULES: Mapping[tuple[str, str], Rule] = {(rule.kind, rule.event): rule for rule in TABLE}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing an event says, as the ledger records it; ``at`` None: it does not say when.

    ``subject`` is an account as the stream names it, or None; ``value`` the id of a record, or what else the type asks.
    """

    type: str
    subject: str | None
    at: datetime | None
    value: str | None = None

    @property
    def lifts(self) -> bool:
        return self.type in choice.OPENING


@dataclass(frozen=True, slots=True)
class Line:
    """One event: which rule it falls under, its own id in the stream where it has one, and what it says."""

    rule: Rule
    id: str | None
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Overheard:
    """An event that a reader found among payloads: as JSON, its ``digest``, and what it says."""

    event: str
    digest: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as the ledger takes it: its id in the stream, the SHA-256 of what it says, and what is recorded for it."""

    event: str
    digest: str
    verified: bool
    recorded: tuple[choice.Event, ...]


class Unreadable(SourceError):
    """An event that nobody can read. Its sentence says what is wrong and its hint what to do, never what the event says."""


def read(kind: str, event: object) -> Line:
    """What one event of a stream of this kind says; raises Unreadable for one that cannot be trusted to mean anything."""
    if not isinstance(event, dict):
        raise Unreadable("it is no JSON object", hint="one event a line")
    return {"x": _x, "atproto": _atproto, "activitypub": _activitypub}[kind](event)


def overheard(kind: str, event: Mapping[str, object], who: str | None, rule: Rule | None = None) -> Overheard:
    """One event among payloads. Where nobody can read more of it than the account ``who``, it closes as its kind does
    (``rule``; events of X are named by their only key)."""
    rule = RULES[kind, next(iter(event))] if rule is None else rule
    try:
        told = read(kind, event).told
    except Unreadable:
        closes = who is not None and rule.about == "account" and rule.types and not rule.lifts
        told = (Told(rule.types[0], who, None),) if closes else ()
    return Overheard(_canonical(event), digest(event), told)


def digest(event: object) -> str:
    """SHA-256 of what an event says, whatever the order of its keys."""
    return hashlib.sha256(_canonical(event).encode()).hexdigest()


def _canonical(event: object) -> str:
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


# --- X ----------------------------------------------------------------------------------------------------------

_Body = Mapping[str, object]


def _x(event: _Body) -> Line:
    body = event.get("data", event)
    if not isinstance(body, dict) or len(body) != 1:
        raise Unreadable(
            "it is no compliance event", hint="an object of one key, such as `delete`, alone or below `data`"
        )
    [(name, said)] = body.items()
    rule = RULES.get(("x", str(name)))
    if rule is None or not isinstance(said, dict):
        raise Unreadable(
            "it is an event of no known name", hint="docs/formats/compliance.md lists them; update aboveboard"
        )
    return Line(rule, _id_or_none(event.get("id")), tuple(_of_x(rule, said)))


def _of_x(rule: Rule, said: _Body) -> Iterator[Told]:
    at = _x_time(said)
    if rule.event == "tweet_edit":
        yield from (Told("record_edited", None, at, older) for older in _older(said))
    elif rule.event == "delete" and "favorite" in said:
        like = _inner(said, "favorite")
        who = _id(like, "user_id")
        yield Told("record_deleted", who, at, f"like:{who}:{_id(like, 'tweet_id', 'id')}")
    elif rule.about == "record":
        post = _inner(said, "tweet", "status")
        author = _id_or_none(post.get("author_id")) or _id_or_none(post.get("user_id"))
        yield Told(_withheld(rule, said), author, at, _id(post, "id_str", "id"))
    elif rule.types:
        who = _id(_inner(said, "user"), "id_str", "id", "user_id")
        value = (
            _upto(said) if rule.event == "scrub_geo" else _countries(said) if rule.event == "user_withheld" else None
        )
        yield Told(_withheld(rule, said), who, at, value or None)


def _withheld(rule: Rule, said: _Body) -> str:
    """Of an event with a list of countries: withheld in some, in none any more, or everywhere."""
    if len(rule.types) == 1:
        return rule.types[0]
    some, none, everywhere = rule.types
    found = _countries(said)
    return none if not found else everywhere if EVERYWHERE & set(found.split()) else some


def _countries(said: _Body) -> str:
    found = said.get("withheld_in_countries")
    if not isinstance(found, list) or not all(isinstance(one, str) and one.isalpha() for one in found):
        raise Unreadable(
            "nobody can read in which countries it is withheld", hint="a list of country codes; an empty one lifts"
        )
    return " ".join(sorted(one.upper() for one in found))


def _upto(said: _Body) -> str | None:
    return _id_or_none(said.get("up_to_tweet_id", said.get("up_to_status_id_str", said.get("up_to_status_id"))))


def _older(said: _Body) -> Sequence[str]:
    """The ids of the versions that an edit replaced."""
    listed = said.get("edit_tweet_ids")
    newest = _id(_inner(said, "tweet"), "id")
    ids = [_id({"id": one}, "id") for one in listed] if isinstance(listed, list) else []
    ids = ids or [one for one in (_id_or_none(said.get("initial_tweet_id")), newest) if one is not None]
    if len(ids) < 2 or ids[-1] != newest or len(set(ids)) != len(ids):
        raise Unreadable("the versions of the edit do not add up", hint="all ids of the edit, the newest last")
    return ids[:-1]


def _x_time(said: _Body) -> datetime | None:
    stamp = said.get("timestamp_ms", said.get("timestampMs"))
    return _epoch(stamp, 1_000) if stamp is not None else _moment(said.get("event_at"))


# --- atproto ----------------------------------------------------------------------------------------------------

_STATUS = {"deleted": "deleted", "takendown": "suspended", "suspended": "suspended", "deactivated": "deactivated"}


def _atproto(event: _Body) -> Line:
    """An event of the firehose (``$type``) or of Jetstream (``kind``)."""
    kind = str(event.get("$type", event.get("kind", ""))).rpartition("#")[2]
    received = event.get("time_us")
    at = _epoch(received, 1_000_000) if received is not None else _moment(event.get("time"))
    if kind == "account":
        return _account(_inner(event, "account"), at)
    if kind == "tombstone":
        body = _inner(event, "tombstone")
        return Line(RULES["atproto", "tombstone"], _sequence(body), (Told("deleted", _id(body, "did"), at),))
    if kind == "identity":
        return Line(RULES["atproto", "identity"], _sequence(_inner(event, "identity")), ())
    if kind == "commit":
        return _commit(event, at)
    raise Unreadable(
        "it is no event of atproto", hint="account, tombstone, identity or commit, as Jetstream gives them"
    )


def _account(body: _Body, at: datetime | None) -> Line:
    who, active, status = _id(body, "did"), body.get("active"), body.get("status")
    at = _moment(body.get("time")) or at
    if active is True:
        rule = RULES["atproto", "account active"]
        return Line(rule, _sequence(body), tuple(Told(one, who, at) for one in rule.types))
    if active is not False:
        raise Unreadable("an account that is neither active nor not", hint="`active` is true or false")
    rule = RULES.get(("atproto", f"account {status}"), RULES["atproto", "account (any other status, or none)"])
    return Line(rule, _sequence(body), (Told(_STATUS.get(str(status), "withheld"), who, at),))


def _commit(event: _Body, at: datetime | None) -> Line:
    body = _inner(event, "commit")
    who, done = _id(event, "did", "repo"), str(body.get("operation"))
    rule = RULES.get(("atproto", f"commit {done}"))
    if rule is None:
        raise Unreadable(
            "a commit that does nothing known", hint="create, update or delete of one record, as Jetstream gives it"
        )
    record = f"at://{who}/{_id(body, 'collection')}/{_id(body, 'rkey')}"
    return Line(rule, None, tuple(Told(one, who, at, record) for one in rule.types))


def _sequence(body: _Body) -> str | None:
    found = body.get("seq")
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else None


# --- ActivityPub ------------------------------------------------------------------------------------------------

_ACTORS = ("Person", "Service", "Group", "Organization", "Application")


def _activitypub(event: _Body) -> Line:
    done, actor = event.get("type"), _address(event.get("actor"))
    if not isinstance(done, str) or actor is None:
        raise Unreadable("it is no activity of anybody", hint="an ActivityStreams object with `type` and `actor`")
    at, id = _moment(event.get("published")) or _moment(event.get("updated")), _address(event.get("id"))
    thing = event.get("object")
    if done == "Undo":
        return _undone(actor, thing, at, id)
    if done not in ("Delete", "Update"):
        return Line(RULES["activitypub", "any other activity"], id, ())
    about = _own(actor, thing)
    if done == "Delete":
        rule = RULES["activitypub", "Delete (of oneself)" if about == actor else "Delete (of an object)"]
        return Line(rule, id, (_deleted(actor, about, at),))
    if about != actor:
        at = at or (_moment(thing.get("updated")) if isinstance(thing, dict) else None)
        return Line(RULES["activitypub", "Update (of an object)"], id, (Told("record_edited", actor, at, about),))
    suspended = thing.get("suspended") if isinstance(thing, dict) else None
    told = () if suspended is None else (Told("suspended" if suspended else "unsuspended", actor, at),)
    return Line(RULES["activitypub", "Update (of oneself)"], id, told)


def _undone(actor: str, thing: object, at: datetime | None, id: str | None) -> Line:
    kind = thing.get("type") if isinstance(thing, dict) else None
    if kind == "Delete" and isinstance(thing, dict):
        about = _own(actor, thing.get("object"))
        told = Told("restored", actor, at) if about == actor else Told("record_restored", actor, at, about)
        return Line(RULES["activitypub", "Undo (Delete)"], id, (told,))
    if kind in ("Announce", "Like") or isinstance(thing, str):
        return Line(RULES["activitypub", "Undo (Announce, Like)"], id, (_deleted(actor, _own(actor, thing), at),))
    return Line(RULES["activitypub", "Undo (of anything else)"], id, ())


def _deleted(actor: str, about: str, at: datetime | None) -> Told:
    return Told("deleted", actor, at) if about == actor else Told("record_deleted", actor, at, about)


def _own(actor: str, thing: object) -> str:
    """The address of what an activity is about. INVARIANT: nobody speaks of what lies on another server."""
    about = _address(thing)
    if about is None:
        raise Unreadable("an activity about nothing", hint="`object` is an address or an object with an `id`")
    if _server(about) != _server(actor):
        raise Unreadable("somebody speaks of what is another server's", hint="take it from the server whose it is")
    return about


def _server(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].lower()


def _address(thing: object) -> str | None:
    found = thing.get("id") if isinstance(thing, dict) else thing
    return found if isinstance(found, str) and found else None


# --- values -----------------------------------------------------------------------------------------------------

EXACT = 1 << 53


def _inner(said: _Body, *names: str) -> _Body:
    found = next((said[name] for name in names if name in said), said)
    if not isinstance(found, dict):
        raise Unreadable("it does not say what it is about", hint=f"an object `{names[0]}` with an id")
    return found


def _id(said: _Body, *names: str) -> str:
    found = next((said[name] for name in names if said.get(name) is not None), None)
    id = _id_or_none(found)
    if id is None:
        raise Unreadable("it does not say what it is about", hint=f"`{names[0]}` is missing")
    return id


def _id_or_none(found: object) -> str | None:
    if isinstance(found, bool) or found is None or found == "":
        return None
    if isinstance(found, int) and abs(found) < EXACT:
        return str(found)
    if isinstance(found, str):
        return found
    raise Unreadable(
        "an id that is a JSON number beyond 2^53, or no id", hint="have ids sent as texts: numbers arrive rounded"
    )


def _epoch(value: object, unit: int) -> datetime:
    try:
        seconds, rest = divmod(int(str(value)), unit)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1_000_000 // unit)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable("nobody can read when it happened", hint="a whole number since 1970") from error


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Unreadable("nobody can read when it happened", hint="such as 2024-05-01T12:00:00Z") from error
    if found.tzinfo is None:
        raise Unreadable("it happened in no time zone", hint="such as 2024-05-01T12:00:00Z")
    return found.astimezone(UTC)


def parsed(line: bytes) -> object:
    """The JSON of one line; raises Unreadable. A key that stands twice could be read in two ways, so it is not read."""
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("it is no JSON", hint="one whole JSON object a line, in UTF-8") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("it holds a key twice", hint="send each key once")
    return found


def _no_number(_word: str) -> object:
    raise Unreadable("it is no JSON", hint="NaN and Infinity are no numbers")


def table() -> str:
    """The table as Markdown, as docs/formats/compliance.md shows it."""
    lines = [
        "| stream | event | what the ledger records | reason | older records | newer records | in a payload |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in TABLE:
        types = ", ".join(f"`{one}`" for one in rule.types) or "nothing"
        reason = f"`{rule.reason}`" if rule.reason else ""
        lines.append(
            f"| {rule.kind} | `{rule.event}` | {types} | {reason} | {rule.older} | {rule.newer} | {rule.overheard} |"
        )
    return "\n".join(lines)
