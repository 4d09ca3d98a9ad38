"""Policy as code: versions in force one after the other, each a set of clauses that cite the words people read.

Promises: a grant must be spelled out in the closed vocabulary; an open-ended category grants nothing unless
somebody closed it; every rule is data that prints itself. ``parse`` turns the bytes of one ``policy.toml`` (and
the text beside it) into a :class:`PolicyVersion`; nothing here opens a file. Specification:
docs/formats/policy.md.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aboveboard import vocabulary
from aboveboard.errors import AboveboardError, PolicyError, unknown_term

_T = TypeVar("_T")

FIELDS: Mapping[str, tuple[str, ...] | None] = {
    "subject.age_band": vocabulary.AGE_BANDS,
    "subject.residency": None,
    "record.kind": vocabulary.KINDS,
    "record.origin": vocabulary.ORIGINS,
    "record.source": None,
    "record.language": None,
    "part.kind": vocabulary.PART_KINDS,
}
"""What a condition may ask about, and the closed set its values come from. ``subject`` is the primary subject, now."""

RETROACTIVE = ("none", "reconsent", "notice")
INTAKE = ("stop",)
RELEASES = ("withdraw", "keep")
MODELS = ("flag", "retrain", "none")
RECIPIENTS = ("notify", "none")


# --- conditions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """A closed tree of ``all``, ``any``, ``not`` over ``eq``, ``in``, ``lt``, ``le``, ``exists``; Kleene logic.

    A leaf asks about one of ``FIELDS``. An unknown field makes the leaf unknown (None); ``exists`` is true of a
    known one and never false, because an unknown fact may well be there.
    """

    op: str
    field: str = ""
    value: tuple[str, ...] = ()
    children: tuple[Condition, ...] = ()

    def evaluate(self, facts: Mapping[str, str | None]) -> bool | None:
        """True, False, or None when a fact that matters is unknown."""
        if self.op == "not":
            inner = self.children[0].evaluate(facts)
            return None if inner is None else not inner
        if self.op in ("all", "any"):
            return _kleene(self.op, [child.evaluate(facts) for child in self.children])
        known = facts[self.field]
        if known is None:  # for `exists` too: what nobody knows may well be there
            return None
        if self.op == "exists":
            return True
        if self.field == "subject.residency":
            return _resides(known, self.value)
        if self.op in ("eq", "in"):
            return known in self.value
        order = FIELDS[self.field] or ()
        left, right = order.index(known), order.index(self.value[0])
        return left < right if self.op == "lt" else left <= right

    def __str__(self) -> str:
        if self.op == "not":
            return f"not ({self.children[0]})"
        if self.op in ("all", "any"):
            return f" {'and' if self.op == 'all' else 'or'} ".join(f"({child})" for child in self.children)
        words = {"eq": "is", "in": "is one of", "lt": "is below", "le": "is at most", "exists": "is known"}
        return " ".join(filter(None, [self.field, words[self.op], ", ".join(self.value)]))


def _resides(known: str, regions: Sequence[str]) -> bool | None:
    """Whether somebody lives in one of these regions; unknown where the residency is too coarse to tell."""
    if any(vocabulary.in_region(known, region) for region in regions):
        return True
    return None if any(vocabulary.may_be_in(known, region) for region in regions) else False


def _kleene(op: str, values: Sequence[bool | None]) -> bool | None:
    decisive = op == "any"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def condition(tree: object) -> Condition:
    """The condition of a TOML tree such as ``{ all = [{ eq = ["subject.age_band", "adult"] }] }``."""
    if not isinstance(tree, Mapping) or len(tree) != 1:
        raise PolicyError(f"a condition is a table with one key, not `{tree}`", hint="for example { eq = [field, v] }")
    [(op, body)] = tree.items()
    if op in ("all", "any"):
        if not isinstance(body, list) or not body:
            raise PolicyError(f"`{op}` takes a list of conditions")
        return Condition(op, children=tuple(condition(child) for child in body))
    if op == "not":
        return Condition(op, children=(condition(body),))
    if op not in ("eq", "in", "lt", "le", "exists"):
        raise unknown_term("condition", op, ("all", "any", "not", "eq", "in", "lt", "le", "exists"))
    return _leaf(op, body)


def _leaf(op: str, body: object) -> Condition:
    parts = [body] if op == "exists" else body
    if not isinstance(parts, list) or len(parts) != (1 if op == "exists" else 2):
        raise PolicyError(f"`{op}` takes a field{'' if op == 'exists' else ' and a value'}, not `{body}`")
    name = vocabulary.member("condition field", str(parts[0]), FIELDS)
    raw = parts[1:] if op != "in" else parts[1]
    if not isinstance(raw, list) or not all(isinstance(v, str) for v in raw) or (op == "in" and not raw):
        raise PolicyError(f"`{op}` on {name} takes text{' in a list' if op == 'in' else ''}, not `{body}`")
    if (closed := FIELDS[name]) is not None:
        for value in raw:
            vocabulary.member(name, value, closed)
    if name == "subject.residency":
        for value in raw:
            region(value)
    if op in ("lt", "le") and name != "subject.age_band":
        raise PolicyError(f"`{op}` needs a field with an order, and {name} has none", hint="use `eq` or `in`")
    return Condition(op, name, tuple(raw))


# --- the nouns --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a rule stands in the words people were shown: heading path and a verbatim quote."""

    heading: tuple[str, ...]
    quote: str

    def __str__(self) -> str:
        return f'{" > ".join(self.heading)}: "{self.quote}"'


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule. A permit covers a part when it covers the purpose and *all* of the part's categories; a deny when
    it covers the purpose and *any* of them. ``audience`` is the most private audience it reaches."""

    id: str
    effect: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    audience: str
    recipients: tuple[str, ...]
    basis: str
    citation: Citation
    control: str | None = None
    uses: tuple[str, ...] = ()
    when: Condition | None = None
    open_ended: bool = False
    closed_by: str | None = None
    closed_at: datetime | None = None

    @property
    def ambiguous(self) -> bool:
        """An open-ended category that nobody closed: it can hold a record, never release one."""
        return self.open_ended and self.closed_by is None

    def ambiguous_at(self, moment: datetime) -> bool:
        """The same at a moment: what somebody will close later is still open."""
        return self.ambiguous or (self.open_ended and self.closed_at is not None and self.closed_at > moment)

    def declares(self, purpose: str, vocabulary_version: int, use: str | None = None) -> bool:
        """Whether it is about ``purpose``, and, where it names uses, about this one: a job that names none has none."""
        if self.effect == "deny":
            return vocabulary.covered_by(self.purposes, purpose)
        named = vocabulary.grants(self.purposes, purpose, vocabulary.PURPOSES, vocabulary_version)
        return named and (not self.uses or use in self.uses)

    def reaches(self, categories: Iterable[str], vocabulary_version: int) -> bool:
        """Whether it is about data with these labels: all of them for a permit, any for a deny."""
        if self.effect == "deny":
            return any(vocabulary.covered_by(self.categories, c) for c in categories)
        return all(vocabulary.grants(self.categories, c, vocabulary.CATEGORIES, vocabulary_version) for c in categories)


@dataclass(frozen=True, slots=True)
class Commitment:
    """A public promise: it can only narrow. It binds from its date and for older data; taking it back
    (``until``) is a widening, so what was collected before stays bound."""

    id: str
    starts: datetime
    purposes: tuple[str, ...]
    source: str
    until: datetime | None = None
    audience: str | None = None
    deny_categories: tuple[str, ...] = ()

    def binds(self, collected_at: datetime | None, now: datetime) -> bool:
        if self.starts > now:
            return False
        return self.until is None or self.until > now or collected_at is None or collected_at < self.until


@dataclass(frozen=True, slots=True)
class Embargo:
    """An undertaking that takes data out of a use (court, regulator, the platform itself): of people in some regions, of
    some kinds and categories, for some recipients, from a window of collection. What is empty means all.
    """

    id: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]
    source: str
    collected_from: datetime | None = None
    collected_to: datetime | None = None
    recipients: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def concerns(self, purpose: str, recipient: str) -> bool:
        """Whether it is about a use for this purpose by this recipient."""
        named = not self.recipients or any(vocabulary.recipient_covers(one, recipient) for one in self.recipients)
        return named and vocabulary.covered_by(self.purposes, purpose)

    def of_kind(self, kind: str | None) -> bool:
        """Whether it may be about records of this kind; an unknown one may be any."""
        return not self.kinds or kind not in vocabulary.KINDS or kind in self.kinds

    def of_categories(self, labels: Sequence[str | None]) -> bool:
        """Whether it is about data with these labels."""
        return not self.categories or vocabulary.touches(labels, self.categories)

    def spans(self, collected_at: datetime | None) -> bool:
        """Whether the window may hold that moment; an unknown moment may."""
        if collected_at is None:
            return True
        return (self.collected_from is None or self.collected_from <= collected_at) and (
            self.collected_to is None or collected_at < self.collected_to
        )


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A choice that the text names and that is not ours to carry out (a browser's settings, a court), and why."""

    quote: str
    why: str


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a category is kept, counted from collection or from the last interaction."""

    categories: tuple[str, ...]
    period: Period
    since: str = "collected"


@dataclass(frozen=True, slots=True)
class Period:
    """An ISO 8601 period of calendar months and days, such as ``P12M`` or ``P30D``."""

    months: int = 0
    days: int = 0

    def after(self, moment: datetime) -> datetime:
        """The moment one period later; the day is cut to the length of the month (Jan 31 + P1M = end of Feb)."""
        month = moment.year * 12 + moment.month - 1 + self.months
        year, month = month // 12, month % 12 + 1
        if year > _LAST_YEAR:  # later than any calendar: never
            return datetime.max.replace(tzinfo=UTC)
        day = min(moment.day, _days_in(year, month))
        return moment.replace(year=year, month=month, day=day) + timedelta(days=min(self.days, 300_000))

    @property
    def says(self) -> str:
        """The period in words: ``3 years``, ``1 year and 6 months``."""
        years, months = divmod(self.months, 12)
        counted = [(years, "year"), (months, "month"), (self.days, "day")]
        *first, last = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in counted if n] or ["no time"]
        return f"{', '.join(first)} and {last}" if first else last

    def __str__(self) -> str:
        return "P" + (f"{self.months}M" if self.months else "") + (f"{self.days}D" if self.days else "")


_LAST_YEAR = 9000


def _days_in(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


@dataclass(frozen=True, slots=True)
class OnWithdrawal:
    """What a "no" does, shown to the person before they choose."""

    intake: str = "stop"
    releases: str = "withdraw"
    deadline: Period = Period(days=1)
    models: str = "flag"
    recipients: str = "notify"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version: the rules and the digest of the words they cite. Times are aware, in UTC."""

    policy: str
    version: str
    effective_from: datetime
    announced_at: datetime
    zone: str
    text_sha256: str
    establishment: str | None
    clauses: tuple[Clause, ...]
    effective_to: datetime | None = None
    retroactive: str = "reconsent"
    notice_window: Period = Period(days=30)
    vocabulary: int = vocabulary.VERSION
    commitments: tuple[Commitment, ...] = ()
    embargoes: tuple[Embargo, ...] = ()
    retentions: tuple[Retention, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    on_withdrawal: OnWithdrawal = OnWithdrawal()
    path: str = ""

    def clauses_for(self, purpose: str, categories: Sequence[str], use: str | None = None) -> tuple[Clause, ...]:
        """The clauses, permits and denies, that are about this purpose and these labels."""
        return tuple(
            clause
            for clause in self.clauses
            if clause.declares(purpose, self.vocabulary, use) and clause.reaches(categories, self.vocabulary)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The versions of one policy in the order they came into force, and every promise made in any of them."""

    name: str
    versions: tuple[PolicyVersion, ...]

    def in_force(self, moment: datetime | None) -> PolicyVersion | None:
        """The version in force at a moment, by ``effective_from`` (never by announcement); None before the first."""
        if moment is None:
            return None
        started = [v for v in self.versions if v.effective_from <= moment]
        if not started or (started[-1].effective_to is not None and started[-1].effective_to <= moment):
            return None
        return started[-1]

    def version(self, name: str) -> PolicyVersion:
        """The version of this name, or PolicyError naming those there are."""
        for version in self.versions:
            if version.version == name:
                return version
        raise PolicyError(f"no version `{name}` of policy `{self.name}`", hint="versions: " + ", ".join(self.names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(version.version for version in self.versions)

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """Every promise of every version, once."""
        return tuple(dict.fromkeys(c for version in self.versions for c in version.commitments))

    def promises(self, as_of: datetime) -> tuple[Commitment, ...]:
        """Every promise as it stands at a moment. A later version that leaves one out does not take it back.

        INVARIANT: taking back is a widening. It is heard only from a version in force, and ends the promise no
        earlier than that version came into force; what was collected before stays bound.
        """
        found: dict[tuple[object, ...], Commitment] = {}
        for version in self.versions:
            for promise in version.commitments:
                key = (promise.id, promise.starts, promise.purposes, promise.audience, promise.deny_categories)
                first = found.get(key)
                if first is None:
                    found[key] = promise
                elif version.effective_from <= as_of:
                    until = promise.until and max(promise.until, version.effective_from)
                    found[key] = replace(first, until=until)
        return tuple(found.values())

    @property
    def embargoes(self) -> tuple[Embargo, ...]:
        """Every undertaking of every version, once."""
        return tuple(dict.fromkeys(e for version in self.versions for e in version.embargoes))


def timeline(versions: Iterable[PolicyVersion]) -> Policy:
    """The policy these versions make; raises PolicyError where two are in force at once or names differ."""
    ordered = tuple(sorted(versions, key=lambda v: v.effective_from))
    if not ordered:
        raise PolicyError("no policy version found", hint="expected POLICY/DATE/policy.toml beside text.md")
    for earlier, later in pairwise(ordered):
        if earlier.policy != later.policy:
            raise PolicyError(
                f"versions of two policies, `{earlier.policy}` and `{later.policy}`, in one folder",
                file=later.path, hint="give each policy a folder of its own",
            )  # fmt: skip
        if earlier.effective_from == later.effective_from:
            raise PolicyError(
                f"versions `{earlier.version}` and `{later.version}` come into force at the same moment",
                file=later.path, hint="nobody could say which of them a record falls under; change one date",
            )  # fmt: skip
        if earlier.effective_to is not None and earlier.effective_to > later.effective_from:
            raise PolicyError(
                f"version `{earlier.version}` is still in force when `{later.version}` begins",
                file=earlier.path, hint="drop `effective_to`: the next version ends this one",
            )  # fmt: skip
    return Policy(ordered[0].policy, ordered)


def gaps(policy: Policy) -> list[tuple[PolicyVersion, PolicyVersion]]:
    """Pairs of neighbours between which no version is in force."""
    pairs = pairwise(policy.versions)
    return [(a, b) for a, b in pairs if a.effective_to is not None and a.effective_to < b.effective_from]


# --- reading ----------------------------------------------------------------------------------------------------

_VERSION_KEYS = {
    "policy", "version", "effective_from", "effective_to", "zone", "announced_at", "text_sha256", "retroactive",
    "establishment", "notice_window", "vocabulary", "on_withdrawal", "clause", "commitment", "embargo", "retention", "elsewhere",
}  # fmt: skip
_CLAUSE_KEYS = {
    "id", "effect", "purposes", "categories", "closed_by", "open_ended", "audience", "recipients", "basis", "control",
    "uses", "when", "citation",
}  # fmt: skip


def parse(rules: bytes, path: str = "policy.toml", text: bytes | None = None) -> PolicyVersion:
    """One version from the bytes of its ``policy.toml``; ``text`` is the ``text.md`` beside it, when at hand.

    Raises PolicyError naming file and clause for syntax, an unknown term (with near misses), a missing field, or
    a text whose SHA-256 is not the one the rules were written for.
    """
    try:
        table = tomllib.loads(rules.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"not valid TOML: {error}", file=path) from error
    try:
        version = _version(_Table(table, path), path)
    except AboveboardError as error:
        raise _as_policy_error(error, path) from error
    if text is not None and (found := hashlib.sha256(text).hexdigest()) != version.text_sha256:
        raise PolicyError(
            "the text is not the one these rules were written for",
            file=path, hint=f"the text has text_sha256 = \"{found}\": read what changed, then update the rules",
        )  # fmt: skip
    return version


def _as_policy_error(error: AboveboardError, path: str) -> PolicyError:
    return PolicyError(error.sentence, hint=error.hint, **{"file": path, **error.context})


class _Table:
    """A TOML table that is read key by key; every complaint names the key and, inside a clause, the clause."""

    def __init__(self, table: Mapping[str, Any], path: str, where: str = "") -> None:
        self.table, self.path, self.where = table, path, where

    def refuse_unknown(self, known: Iterable[str]) -> None:
        for key in self.table:
            if key not in known:
                raise self._at(unknown_term("key", key, known))

    def _at(self, error: AboveboardError) -> PolicyError:
        return PolicyError(error.sentence, hint=error.hint, clause=self.where or None, **error.context)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or not value:
            raise PolicyError(f"`{key}` is missing or not text", clause=self.where or None)
        return value

    def maybe(self, key: str) -> str | None:
        return self.text(key) if key in self.table else None

    def one_of(self, key: str, known: Iterable[str], default: str | None = None) -> str:
        return self._checked(self.text(key, default), lambda v: vocabulary.member(key, v, known))

    def many(
        self, key: str, check: Callable[[str], str] | None = None, default: list[str] | None = None
    ) -> tuple[str, ...]:
        values = self.table.get(key, default)
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise PolicyError(f"`{key}` is missing or not a list of text", clause=self.where or None)
        return tuple(self._checked(value, check or str) for value in values)

    def some(self, key: str, check: Callable[[str], str]) -> tuple[str, ...]:
        if not (values := self.many(key, check)):
            raise PolicyError(f"`{key}` is empty", clause=self.where or None, hint="a rule names what it is about")
        return values

    def flag(self, key: str) -> bool:
        if not isinstance(value := self.table.get(key, False), bool):
            raise PolicyError(f"`{key}` is true or false, not `{value}`", clause=self.where or None)
        return value

    def moment(self, key: str, zone: ZoneInfo, default: datetime | None = None) -> datetime:
        if (found := self.maybe_moment(key, zone)) is not None:
            return found
        if default is None:
            raise PolicyError(f"`{key}` is missing", clause=self.where or None, hint=f"for example {key} = 2023-09-29")
        return default

    def maybe_moment(self, key: str, zone: ZoneInfo) -> datetime | None:
        if key not in self.table:
            return None
        value = self.table[key]
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), zone).astimezone(UTC)
        raise PolicyError(f"`{key}` is a date or a time, not `{value}`", clause=self.where or None)

    def period(self, key: str, default: str | None = None) -> Period:
        return self._checked(self.text(key, default), period)

    def tables(self, key: str, what: str) -> list[_Table]:
        rows = self.table.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PolicyError(f"`{key}` is written as [[{key}]]")
        return [_Table(row, self.path, f"{what}{row.get('id', n + 1)}") for n, row in enumerate(rows)]

    def sub(self, key: str) -> _Table:
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            raise PolicyError(f"`{key}` is a table", clause=self.where or None)
        return _Table(value, self.path, self.where)

    def _checked(self, value: str, check: Callable[[str], _T]) -> _T:
        try:
            return check(value)
        except AboveboardError as error:
            raise self._at(error) from error


def period(text: str) -> Period:
    """``P30D``, ``P12M``, ``P1Y6M``; raises PolicyError otherwise."""
    found = re.fullmatch(r"P(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?", text)
    if found is None or not any(found.groups()):
        raise PolicyError(f"`{text}` is not a period", hint="for example P30D, P12M, P1Y")
    years, months, weeks, days = (int(group or 0) for group in found.groups())
    return Period(years * 12 + months, weeks * 7 + days)


def _version(top: _Table, path: str) -> PolicyVersion:
    top.refuse_unknown(_VERSION_KEYS)
    zone = _zone(top.text("zone", "UTC"))
    effective = top.moment("effective_from", zone)
    clauses = tuple(_clause(row, zone) for row in top.tables("clause", ""))
    _refuse_twice([clause.id for clause in clauses])
    return PolicyVersion(
        policy=top.text("policy"),
        version=_name(top.text("version")),
        effective_from=effective,
        effective_to=top.maybe_moment("effective_to", zone),
        announced_at=top.moment("announced_at", zone, effective),
        zone=zone.key,
        text_sha256=top.text("text_sha256"),
        establishment=_establishment(top.maybe("establishment")),
        retroactive=top.one_of("retroactive", RETROACTIVE, "reconsent"),
        notice_window=top.period("notice_window", "P30D"),
        vocabulary=_vocabulary(top.table.get("vocabulary", vocabulary.VERSION)),
        clauses=clauses,
        commitments=tuple(_commitment(row, zone) for row in top.tables("commitment", "commitment ")),
        embargoes=tuple(_embargo(row, zone) for row in top.tables("embargo", "embargo ")),
        retentions=tuple(_retention(row) for row in top.tables("retention", "retention ")),
        elsewhere=tuple(_elsewhere(row) for row in top.tables("elsewhere", "elsewhere ")),
        on_withdrawal=_on_withdrawal(top.sub("on_withdrawal")),
        path=path,
    )


def _name(version: str) -> str:
    """A version's name: it is part of the name of a file in every release (``proof/policy-<version>.json``)."""
    if not version.isprintable() or any(mark in version for mark in "/\\") or len(version.encode()) > 200:
        raise PolicyError(
            f"`{version[:60]}` cannot be the name of a version",
            hint="at most 200 bytes in UTF-8 that can be printed, without / and \\; the date on which it begins is a good one",
        )
    return version


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise PolicyError(f"unknown time zone `{name}`", hint="an IANA name such as Europe/Dublin") from error


def _establishment(code: str | None) -> str | None:
    if code is not None and vocabulary.known_residency(code) is None:
        raise PolicyError(f"unknown establishment `{code}`", hint="an ISO 3166-1 country such as IE, or leave it out")
    return code


def _vocabulary(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value <= vocabulary.VERSION:
        raise PolicyError(f"vocabulary `{value}` is not known here", hint=f"versions 1 to {vocabulary.VERSION}")
    return value


def _refuse_twice(ids: Sequence[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise PolicyError(f"two clauses are called `{name}`", clause=name, hint="a reason must name one clause")


def _clause(row: _Table, zone: ZoneInfo) -> Clause:
    row.refuse_unknown(_CLAUSE_KEYS)
    closed = row.sub("closed_by")
    citation = row.sub("citation")
    closed.refuse_unknown(("who", "at"))
    citation.refuse_unknown(("heading", "quote"))
    effect = row.one_of("effect", ("permit", "deny"))
    permit = effect == "permit"
    return Clause(
        id=row.text("id"),
        effect=effect,
        purposes=row.some("purposes", vocabulary.purpose),
        categories=row.some("categories", vocabulary.category),
        audience=row.one_of("audience", vocabulary.AUDIENCES, None if permit else "private"),
        recipients=row.some("recipients", vocabulary.recipient) if permit else row.many("recipients", default=[]),
        basis=row.one_of("basis", vocabulary.BASES, None if permit else "legal_obligation"),
        control=row.maybe("control"),
        uses=row.many("uses", default=[]),
        when=_when(row),
        open_ended=row.flag("open_ended"),
        closed_by=closed.text("who") if closed.table else None,
        closed_at=closed.moment("at", zone) if closed.table else None,
        citation=Citation(citation.many("heading", default=[]), citation.text("quote")),
    )


def _when(row: _Table) -> Condition | None:
    if "when" not in row.table:
        return None
    try:
        return condition(row.table["when"])
    except AboveboardError as error:
        raise PolicyError(error.sentence, hint=error.hint, clause=row.where) from error


def _commitment(row: _Table, zone: ZoneInfo) -> Commitment:
    row.refuse_unknown({"id", "from", "until", "purposes", "audience", "deny_categories", "source"})
    return Commitment(
        id=row.text("id"),
        starts=row.moment("from", zone),
        until=row.maybe_moment("until", zone),
        purposes=row.some("purposes", vocabulary.purpose),
        audience=row.one_of("audience", vocabulary.AUDIENCES) if "audience" in row.table else None,
        deny_categories=row.many("deny_categories", vocabulary.category, []),
        source=row.text("source"),
    )


def _embargo(row: _Table, zone: ZoneInfo) -> Embargo:
    row.refuse_unknown({"id", "purposes", "regions", "collected_from", "collected_to", "source", "recipients", "kinds",
                        "categories"})  # fmt: skip
    return Embargo(
        id=row.text("id"),
        purposes=row.some("purposes", vocabulary.purpose),
        regions=row.many("regions", region, []),
        collected_from=row.maybe_moment("collected_from", zone),
        collected_to=row.maybe_moment("collected_to", zone),
        source=row.text("source"),
        recipients=row.many("recipients", vocabulary.recipient, []),
        kinds=row.many("kinds", _kind, []),
        categories=row.many("categories", vocabulary.category, []),
    )


def undertaking(said: Mapping[str, Any], zone: str = "UTC") -> Embargo:
    """An undertaking from a table, as it stands in a policy file; raises PolicyError or VocabularyError."""
    return _embargo(_Table(said, "", f"undertaking {said.get('id', '')}"), ZoneInfo(zone))


def _kind(word: str) -> str:
    return vocabulary.member("kind of record", word, vocabulary.KINDS)


def region(code: str) -> str:
    """A country, a country with subdivision, ``EU`` or ``EEA``; raises VocabularyError otherwise."""
    if code not in vocabulary.REGION_GROUPS and vocabulary.known_residency(code) is None:
        raise unknown_term("region", code, [*vocabulary.REGION_GROUPS, *vocabulary.COUNTRIES])
    return code


def _retention(row: _Table) -> Retention:
    row.refuse_unknown({"categories", "period", "since"})
    return Retention(
        categories=row.some("categories", vocabulary.category),
        period=row.period("period"),
        since=row.one_of("since", ("collected", "last_interaction"), "collected"),
    )


def _elsewhere(row: _Table) -> Elsewhere:
    row.refuse_unknown({"quote", "why"})
    return Elsewhere(row.text("quote"), row.text("why"))


def _on_withdrawal(row: _Table) -> OnWithdrawal:
    row.refuse_unknown({"intake", "releases", "deadline", "models", "recipients"})
    return OnWithdrawal(
        intake=row.one_of("intake", INTAKE, "stop"),
        releases=row.one_of("releases", RELEASES, "withdraw"),
        deadline=row.period("deadline", "P1D"),
        models=row.one_of("models", MODELS, "flag"),
        recipients=row.one_of("recipients", RECIPIENTS, "notify"),
    )
