"""Whose account somebody means: a no that is recorded under another spelling of an account reaches nothing of theirs.

An account is named by its stable id, to the letter, and nothing here decides otherwise. Where nobody knows what was given, the
accounts that are known (facts, ledger, releases) are looked through for one that is spelt otherwise: a handle, an address, the
page of a person. One is taken, and the dry run says so; of several none is, because a no for somebody else is no small thing.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from aboveboard import writing
from aboveboard.choice import RECORD
from aboveboard.errors import LedgerError
from aboveboard.suppression import ERASED
from aboveboard.withdrawal.planning import remembered
from aboveboard.workspace import Workspace

SHOWN = 5
"""Accounts that a hint names, at most."""
_PAGE = re.compile(
    r"https?://(?:www\.)?([^/?#]+)/(?:(?:users?|u|profile|actors?)/|@)([^/?#@]+)(?:@([^/?#@]+))?/?(?:[?#].*)?"
)


@dataclass(frozen=True, slots=True)
class Named:
    """The account that is meant, what was given, and whether anybody here knows such an account."""

    subject: str
    given: str
    known: bool

    @property
    def says(self) -> str:
        """What a person has to be told before they confirm; empty where it is as they said."""
        if self.subject != self.given:
            return f"`{self.given}` is taken as the account `{self.subject}`"
        if not self.known:
            return (
                f"nobody knows an account `{self.given}`: neither ledger nor facts nor a release names it. It counts for what may"
                " come; if somebody known is meant, name their stable account id"
            )
        return ""


def plain(given: str) -> str:
    """A handle, an address or the page of a person in one spelling, by which they are held against each other."""
    said = unicodedata.normalize("NFKC", given).strip().casefold()
    page = _PAGE.fullmatch(said)
    if page is not None:
        host, name, home = page.groups()
        return f"{name}@{home or host}"
    return said.removeprefix("acct:").removeprefix("@")


def spelt_otherwise(given: str, accounts: Iterable[str]) -> list[str]:
    """Those of these accounts that may be meant: the same in one spelling, or by a bare ``@name`` whoever has that name."""
    asked = plain(given)
    bare = "@" not in asked and unicodedata.normalize("NFKC", given).strip().startswith("@")
    found = set()
    for account in accounts:
        spelt = plain(account)
        if spelt == asked or (bare and spelt.partition("@")[0] == asked):
            found.add(account)
    return sorted(found)


def named(ws: Workspace, given: str) -> Named:
    """Whose account is meant. Raises LedgerError where several may be."""
    if _is_known(ws, given):
        return Named(given, given, True)
    found = spelt_otherwise(given, _accounts(ws))
    if len(found) > 1:
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        raise LedgerError(
            f"`{given}` may be any of {len(found):,} accounts",
            hint=f"name one by its id: {', '.join(found[:SHOWN])}{more}",
        )
    return Named(found[0], given, True) if found else Named(given, given, False)


def _is_known(ws: Workspace, subject: str) -> bool:
    return bool(
        ws.ledger.events_of(subject) or ws.facts.facts_of(subject) or _in_releases(ws, "WHERE subject = ?", [subject])
    )


def _accounts(ws: Workspace) -> set[str]:
    """Everybody whom facts, ledger or releases name; who was erased has no name any more."""
    said = {one for one in ws.ledger.speakers(0, ws.ledger.head()) if not one.startswith((RECORD, ERASED))}
    attested = {str(one) for one in ws.facts.table()["subject"].to_pylist()}
    return {one for one in said | attested | _in_releases(ws, "", []) if not one.startswith(ERASED)}


def _in_releases(ws: Workspace, which: str, values: list[str]) -> set[str]:
    found = set[str]()
    for one in remembered(ws):
        people = writing.listed(one.private / "people")
        if people:
            with ws.engine.connect() as con:
                asked = con.execute(f"SELECT DISTINCT subject FROM {people} {which}", values).fetchall()
                found |= {str(name) for (name,) in asked if name is not None}
    return found


def record_says(ws: Workspace, subject: str, record: str) -> str:
    """What somebody who takes a record (``source/id``) out has to be told before they confirm; empty where it is as they said."""
    source, _, id = record.partition("/")
    if source not in ws.sources:
        near = difflib.get_close_matches(source, sorted(ws.sources), n=3, cutoff=0.5)
        meant = f": did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else ""
        return f"no source here is called `{source}`{meant or '. It counts for what may come'}"
    by = _whose(ws, source, id)
    if not by:
        return f"no release here ever judged a record `{record}`. It counts for what may come"
    if subject not in by:
        return (
            f"`{record}` is not by `{subject}`, as far as releases know: only whoever it is by takes a record out. Who is quoted"
            " or shown in it says no without --record"
        )
    return ""


def _whose(ws: Workspace, source: str, id: str) -> set[str]:
    """By whom a record is, in the decisions of every release that is here."""
    found = set[str]()
    for one in remembered(ws):
        decisions = writing.decided(one.private)
        if decisions is not None:
            with ws.engine.connect() as con:
                asked = f"SELECT DISTINCT subject FROM {decisions} WHERE source = ? AND record_id = ?"
                found |= {str(who) for (who,) in con.execute(asked, [source, id]).fetchall()}
    return found
