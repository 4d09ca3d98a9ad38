"""Case files: small situations with the judgement they must get, so that people test their own policies.

A file names a policy, a moment, a job and people, and then one situation after the other; whatever a
situation does not say is harmless. A word outside the closed sets is an error with near misses, never a
silent pass, and *unknown* is a word. Specification: docs/formats/case.md; ``parse`` opens nothing: it
is given a reader.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime, time
from typing import Any, cast

from aboveboard import choice, policy, reasons, record, regime, suppression, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.errors import AboveboardError, PolicyError, unknown_term
from aboveboard.gate import Decision, Gate, Job, Licence
from aboveboard.reasons import Outcome

UNKNOWN = "unknown"
"""TOML has no null, so a fact that nobody knows is written as this word; in JSON, null says the same."""

NO_KEY = bytes(32)
"""What the erased people of a case file are hashed with: they are named in it, so there is nothing to hide."""
Read = Callable[[str], bytes]
"""Gives the bytes of a policy file named in a case file; the name is relative to the case file."""


class CaseError(AboveboardError):
    """A case file that cannot be read: syntax, an unknown key or word, a case without an expectation."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What a case demands. A field that is None is left open; a set of codes that is given is exact."""

    outcome: str
    decisive: str | None = None
    codes: frozenset[str] | None = None
    part_codes: frozenset[str] | None = None
    removed: tuple[int, ...] | None = None
    withdraws: bool | None = None
    clause: str | None = None
    policy_at_collection: str | None = None
    policy_now: str | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that came out differently."""

    name: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A case that failed: its name, what was decided, and everything that differs from the expectation."""

    case: str
    decision: Decision
    wrong: tuple[Wrong, ...]

    def lines(self) -> list[str]:
        """The difference as a person reads it; every code comes with its sentence."""
        return [line for wrong in self.wrong for line in _told(wrong)]

    def as_json(self) -> dict[str, object]:
        return {wrong.name: {"expected": _plain(wrong.expected), "got": _plain(wrong.got)} for wrong in self.wrong}


@dataclass(frozen=True)
class Case:
    """One situation: a record under a gate, and what must be decided."""

    name: str
    gate: Gate
    record: record.Record
    expect: Expect

    def run(self) -> Difference | None:
        """Judge the record; None when the expectation holds."""
        return self.compare(self.gate.decide(self.record))

    def compare(self, decision: Decision) -> Difference | None:
        """Hold a decision, from ``decide`` or from an engine, against the expectation."""
        wrong = tuple(_differences(self.expect, decision))
        return Difference(self.name, decision, wrong) if wrong else None


@dataclass(frozen=True)
class CaseFile:
    """The cases of one file, in its order."""

    path: str
    about: str
    cases: tuple[Case, ...]


def withdraws(decision: Decision) -> bool:
    """Whether a reason on the record or on one of its parts also takes data out of earlier releases."""
    return any(reason.withdraws for reason in decision.reasons)


def expectation(decision: Decision) -> Expect:
    """The complete expectation that exactly this decision meets."""
    return Expect(
        decision.outcome.value, decision.decisive.code, decision.codes, decision.part_codes, decision.removed,
        withdraws(decision), decision.clause, decision.policy_at_collection, decision.policy_now,
    )  # fmt: skip


# --- comparing ----------------------------------------------------------------------------------------------


def _differences(expect: Expect, decision: Decision) -> Iterable[Wrong]:
    got = expectation(decision)
    for each in fields(Expect):
        wanted, found = getattr(expect, each.name), getattr(got, each.name)
        if wanted is not None and wanted != found:
            yield Wrong(each.name, wanted, found)


def _told(wrong: Wrong) -> list[str]:
    if isinstance(wrong.expected, frozenset):
        where = "" if wrong.name == "codes" else " on the parts"
        missing = [f"missing{where}: {_said(code)}" for code in _sorted(wrong.expected - wrong.got)]
        return missing + [f"unexpected{where}: {_said(code)}" for code in _sorted(wrong.got - wrong.expected)]
    if wrong.name == "decisive":
        return [f"expected decisive {_said(wrong.expected)}", f"     got decisive {_said(wrong.got)}"]
    return [f"expected {wrong.name} {_shown(wrong.expected)}, got {_shown(wrong.got)}"]


def _said(code: str) -> str:
    return f"{code} ({reasons.BY_CODE[code].sentence})"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _sorted(codes: Iterable[str]) -> list[str]:
    return [reason.code for reason in reasons.in_order(codes)]


def _plain(value: Any) -> object:
    if isinstance(value, frozenset):
        return _sorted(value)
    return list(value) if isinstance(value, tuple) else value


# --- reading: the file --------------------------------------------------------------------------------------

_CONTEXT = ("policy", "version", "as_of", "job", "regions", "regime", "licence", "undertaking")
"""What a case may say instead of the file: ``job`` and ``regions`` key by key, the rest as a whole."""
_FILE_KEYS = (*_CONTEXT, "about", "defaults", "facts", "events", "erased", "case")
_CASE_KEYS = (*_CONTEXT, "name", "record", "facts", "events", "erased", "listed", "expect")


def parse(content: bytes, path: str, read: Read) -> CaseFile:
    """The cases of one file; ``read`` gives the policy files it names.

    Raises PolicyError for a policy that does not hold, CaseError naming file and case for everything else.
    """
    top = _document(content, path)
    try:
        _refuse_unknown(top, _FILE_KEYS, "key")
        defaults = _Defaults.of(_table(top.get("defaults", {}), "defaults"))
        named = [(_name(row, n), row) for n, row in enumerate(_rows(top.get("case", []), "case"))]
        _refuse_twice([name for name, _ in named])
    except AboveboardError as error:
        raise _placed(error, path) from error
    policies: dict[str, policy.Policy] = {}
    cases = [_case_in(path, name, row, top, defaults, read, policies) for name, row in named]
    return CaseFile(path, str(top.get("about", "")), tuple(cases))


def _document(content: bytes, path: str) -> Mapping[str, Any]:
    try:
        text = content.decode("utf-8")
        found = json.loads(text, object_hook=_dated) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:  # both decoders and UnicodeDecodeError
        raise CaseError(f"not valid TOML or JSON: {error}", file=path) from error
    return _table(found, "case file")


def _case_in(
    path: str, name: str, row: Mapping[str, Any], top: Mapping[str, Any], defaults: _Defaults, read: Read,
    policies: dict[str, policy.Policy],
) -> Case:  # fmt: skip
    try:
        _refuse_unknown(row, _CASE_KEYS, "key")
        said = _context(top, row)
        key = repr((said.get("policy"), said.get("version")))
        if key not in policies:
            policies[key] = _policy(said, path, read)
        return _case(name, row, top, said, defaults, policies[key])
    except PolicyError:
        raise
    except AboveboardError as error:
        raise _placed(error, path, name) from error


def _case(
    name: str, row: Mapping[str, Any], top: Mapping[str, Any], said: Mapping[str, Any], defaults: _Defaults,
    rules: policy.Policy,
) -> Case:  # fmt: skip
    judged = _record({**defaults.record, **_expanded(_table(row.get("record", {}), "record"))})
    rows = [*_rows(top.get("facts", []), "facts"), *_rows(row.get("facts", []), "facts")]
    facts = [_facts({"subject": judged.subject, **defaults.facts, **one}) for one in rows]
    if defaults.facts:
        known = {one.subject for one in facts}
        facts += [_facts({**defaults.facts, "subject": s}) for s in _subjects(judged) if s not in known]
    told = [*_rows(top.get("events", []), "events"), *_rows(row.get("events", []), "events")]
    events = [_event({"subject": judged.subject, **one}) for one in told]
    gone = [*_list(_text)(top.get("erased", [])), *_list(_text)(row.get("erased", []))]
    people = choice.people(events, facts, suppression.of(NO_KEY, gone))
    gate = _gate(said, rules, people)
    if _flag(row.get("listed", False)):
        gate = replace(gate, listed=frozenset({(judged.source, judged.id)}))
    return Case(name, gate, judged, _expect(row))


def _placed(error: AboveboardError, path: str, case: str | None = None) -> CaseError:
    return CaseError(error.sentence, hint=error.hint, **{"file": path, "case": case, **error.context})


def _name(row: Mapping[str, Any], number: int) -> str:
    if not isinstance(name := row.get("name"), str) or not name:
        raise CaseError(f"case {number + 1} has no `name`", hint="say in a few words what the situation is")
    return name


def _refuse_twice(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CaseError(f"two cases are called `{name}`", hint="a failure must name one case")


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], noun: str) -> None:
    for key in table:
        if key not in tuple(known):
            raise unknown_term(noun, key, known)


def _table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CaseError(f"`{what}` is a table, not `{value}`")
    return value


def _rows(value: object, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise CaseError(f"`{what}` is a list of tables, not `{value}`")
    return [_table(row, what) for row in value]


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What every record and every account of the file starts from."""

    record: Mapping[str, Any]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> _Defaults:
        _refuse_unknown(table, ("record", "facts"), "key of defaults")
        return cls(
            _expanded(_table(table.get("record", {}), "defaults.record")),
            _table(table.get("facts", {}), "defaults.facts"),
        )


# --- reading: the gate --------------------------------------------------------------------------------------


def _context(top: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any]:
    said = {key: row.get(key, top.get(key)) for key in _CONTEXT}
    if "policy" in row or "version" in row:  # a case with its own policy does not inherit half of another
        said |= {"policy": row.get("policy"), "version": row.get("version")}
    for key in ("job", "regions"):
        said[key] = {**_table(top.get(key, {}), key), **_table(row.get(key, {}), key)}
    return {key: value for key, value in said.items() if value is not None}


def _policy(said: Mapping[str, Any], path: str, read: Read) -> policy.Policy:
    """The policy of a case: versions from files, from tables in the case file itself, or from both."""
    names = said.get("policy", [])
    names = [names] if isinstance(names, str) else _list(_text)(names)
    versions = [policy.parse(read(name), name) for name in names]
    inline = _rows(said.get("version", []), "version")
    versions += [policy.parse(_toml(one).encode(), f"{path} [[version]] {n + 1}") for n, one in enumerate(inline)]
    return policy.timeline(versions)


def _gate(said: Mapping[str, Any], rules: policy.Policy, people: choice.People) -> Gate:
    if "as_of" not in said:
        raise CaseError("`as_of` is missing", hint="the moment of the judgement, for example 2023-12-01T00:00:00Z")
    return Gate(
        rules,
        cast("choice.Snapshot", people),
        _job(said["job"]),
        _moment(said["as_of"]),
        _regimes(said),
        _licences(said),
        tuple(policy.undertaking(one) for one in _rows(said.get("undertaking", []), "undertaking")),
    )


def _job(table: Mapping[str, Any]) -> Job:
    if "purpose" not in table:
        raise CaseError("the job has no `purpose`", hint='for example job = { purpose = "train_ai_system.generative" }')
    try:
        return Job(**_fields(table, _JOB, "job"))
    except PolicyError as error:  # a case file's mistake, not the policy's
        raise CaseError(error.sentence, hint=error.hint) from error


def _regimes(said: Mapping[str, Any]) -> regime.Regimes:
    try:
        own = {name: regime.parse(name, rows) for name, rows in _table(said.get("regime", {}), "regime").items()}
    except PolicyError as error:
        raise CaseError(error.sentence, hint=error.hint) from error
    tables = {**regime.STANDARD, **own}
    regions = {
        policy.region(place): vocabulary.member("regime", name, tables) for place, name in said["regions"].items()
    }
    vocabulary.member("regime", str(said["job"].get("regime", "strict")), tables)
    return regime.Regimes(tables, regions)


def _licences(said: Mapping[str, Any]) -> Mapping[str, Licence]:
    rows = _table(said.get("licence", {}), "licence")
    return {name: Licence(name, **_fields(_table(one, name), _LICENCE, "licence")) for name, one in rows.items()}


# --- reading: one table by its fields -----------------------------------------------------------------------

Reader = Callable[[Any], Any]


def _fields(table: Mapping[str, Any], readers: Mapping[str, Reader], what: str) -> dict[str, Any]:
    """Every key of a table through its reader; raises for a key that the table does not have."""
    _refuse_unknown(table, readers, f"{what} field")
    return {key: _field(key, value, readers[key]) for key, value in table.items()}


def _field(key: str, value: object, reader: Reader) -> Any:
    try:
        return reader(value)
    except TypeError as error:
        raise CaseError(f"`{key}` is {error}, not `{value}`") from error


def _maybe(reader: Reader) -> Reader:
    """A reader of something that may be unknown."""
    return lambda value: None if value is None or value == UNKNOWN else reader(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number")
    return value


def _moment(value: object) -> datetime:
    """A time, or a day from its midnight; without an offset both are UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise TypeError("a date or a time")


def _word(noun: str, known: Iterable[str]) -> Reader:
    closed = tuple(known)
    return lambda value: vocabulary.member(noun, _text(value), closed)


def _list(reader: Reader) -> Reader:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("a list")
        return tuple(reader(one) for one in value)

    return read


def _rows_of(make: Callable[..., Any], readers: Mapping[str, Reader], what: str) -> Reader:
    def read(value: object) -> tuple[Any, ...]:
        return tuple(make(**_fields(row, readers, what)) for row in _rows(value, what))

    return read


def _code(value: object) -> str:
    return reasons.reason(_text(value)).code


def _recipient(value: object) -> str:
    """A recipient as events name it: a kind alone means all of that kind."""
    said = _text(value)
    return said if said in vocabulary.RECIPIENT_KINDS else vocabulary.recipient(said)


def _residency(value: object) -> str:
    said = _text(value)
    if vocabulary.known_residency(said) is None:
        raise unknown_term("residency", said, vocabulary.COUNTRIES)
    return said


_purpose = _word("purpose", vocabulary.PURPOSES)
_CATEGORY = _maybe(_word("category", vocabulary.CATEGORIES))
_LABEL = _maybe(_word("label", vocabulary.LABELS))
_audience = _maybe(_word("audience", vocabulary.AUDIENCES))
_SIGNALS = tuple(code for code in reasons.BY_CODE if code.startswith("signal."))

_JOB: Mapping[str, Reader] = {
    "purpose": _purpose, "recipient": _text, "model": _text, "use": _maybe(_text), "regime": _text,
}  # fmt: skip
_LICENCE: Mapping[str, Reader] = {
    "purposes": _list(_purpose), "recipients": _list(vocabulary.recipient), "valid_from": _maybe(_moment),
    "valid_to": _maybe(_moment), "acquired": _flag, "forbids": _list(_purpose),
}  # fmt: skip
_PARTY: Mapping[str, Reader] = {"subject": _maybe(_text), "role": _maybe(_word("role", vocabulary.ROLES))}
_SIGNAL: Mapping[str, Reader] = {"code": _maybe(_word("signal", _SIGNALS)), "purpose": _purpose}
_MAIN: Mapping[str, Reader] = {
    "categories": _maybe(_list(_CATEGORY)),
    "labels": _maybe(_list(_LABEL)),
    "audience_at": _audience,
    "audience_now": _audience,
    "parties": _maybe(_rows_of(lambda subject=None, role=None: record.Party(subject, role), _PARTY, "party")),
    "signals": _maybe(_rows_of(lambda code=None, purpose=None: record.Signal(code, purpose), _SIGNAL, "signal")),
    "source_state": _maybe(_word("source state", vocabulary.SOURCE_STATES)),
}
_PART: Mapping[str, Reader] = {
    **_MAIN,
    "kind": _maybe(_word("part kind", vocabulary.PART_KINDS)),
    "place": _maybe(_word("place", vocabulary.PLACES)),
    "start": _maybe(_number),
    "end": _maybe(_number),
    "content": _maybe(_text),
}
_OWN: Mapping[str, Reader] = {
    "id": _text,
    "kind": _maybe(_word("kind", vocabulary.KINDS)),
    "subject": _maybe(_text),
    "source": _text,
    "language": _maybe(_text),
    "created_at": _maybe(_moment),
    "collected_at": _maybe(_moment),
    "origin": _maybe(_word("origin", vocabulary.ORIGINS)),
    "licence": _maybe(_text),
    "upstream": _maybe(_word("upstream", vocabulary.UPSTREAMS)),
    "lifecycle": _maybe(_word("lifecycle", vocabulary.LIFECYCLES)),
    "integrity": _maybe(_word("integrity", vocabulary.INTEGRITIES)),
    "duplicate": _maybe(_word("duplicate", vocabulary.DUPLICATES)),
    "edition": _maybe(_word("edition", vocabulary.EDITIONS)),
}
_FACTS: Mapping[str, Reader] = {
    "subject": _text,
    "valid_from": _maybe(_moment),
    "state": _maybe(_word("account state", vocabulary.ACCOUNT_STATES)),
    "protected": _maybe(_flag),
    "age_band": _maybe(_word("age band", vocabulary.AGE_BANDS)),
    "residency": _maybe(_residency),
    "last_interaction": _maybe(_moment),
}
_EVENT: Mapping[str, Reader] = {
    "subject": _text,
    "type": _word("event type", choice.TYPES),
    "recorded_at": _moment,
    "effective_at": _moment,
    "category": _word("category", vocabulary.CATEGORIES),
    "purpose": _purpose,
    "recipient": _recipient,
    "past_from": _moment,
    "past_to": _moment,
    "expires_at": _moment,
    "verified": _flag,
    "effective_verified": _flag,
    "actor": _word("actor", choice.ACTORS),
    "method": _text,
    "notice": _text,
    "language": _text,
    "vocabulary": _number,
    "value": _maybe(_text),
    "position": _number,
}
_EXPECT: Mapping[str, Reader] = {
    "outcome": _word("outcome", [outcome.value for outcome in Outcome]),
    "decisive": _code,
    "codes": lambda value: frozenset(_list(_code)(value)),
    "part_codes": lambda value: frozenset(_list(_code)(value)),
    "removed": _list(_number),
    "withdraws": _flag,
    "clause": _text,
    "policy_at_collection": _text,
    "policy_now": _text,
}


def _expanded(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table with ``audience`` written out as what it stands for: the audience then and now."""
    if "audience" not in table:
        return table
    both = {"audience_at": table["audience"], "audience_now": table["audience"]}
    return {**both, **{key: value for key, value in table.items() if key != "audience"}}


def _record(table: Mapping[str, Any]) -> record.Record:
    read = _fields(table, {**_OWN, **_MAIN, "text": _maybe(_text), "parts": _maybe(_list(_part))}, "record")
    main = {key: read.pop(key) for key in _MAIN if key in read}
    text = read.pop("text", "Good morning from the harbour")
    read.setdefault("created_at", read.get("collected_at"))
    return record.Record(**{"id": "record", **read}, main=record.Part(**main, content=text))


def _part(table: object) -> record.Part:
    said = _expanded(_table(table, "parts"))
    if "kind" not in said:
        raise CaseError("a part has no `kind`", hint=f"one of: {', '.join(vocabulary.PART_KINDS[1:])}")
    return record.Part(**_fields(said, _PART, "part"))


def _facts(table: Mapping[str, Any]) -> Facts:
    return Facts(**_fields(_about_somebody(table, "facts"), _FACTS, "facts"))


def _event(table: Mapping[str, Any]) -> Event:
    read = _fields(_about_somebody(table, "an event"), _EVENT, "event")
    for key in ("type", "recorded_at"):
        if key not in read:
            raise CaseError(f"an event has no `{key}`")
    return Event(**{"effective_at": read["recorded_at"], **read})


def _about_somebody(table: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    if table.get("subject") is None:
        raise CaseError(f"{what} without a subject", hint="name a subject here, or in the record of the case")
    return table


def _subjects(judged: record.Record) -> list[str]:
    """Everybody a record names, in order."""
    parts = [judged.main, *(judged.parts or ())]
    named = [judged.subject, *(party.subject for part in parts for party in part.parties or ())]
    return list(dict.fromkeys(subject for subject in named if subject is not None))


def _expect(row: Mapping[str, Any]) -> Expect:
    table = _table(row.get("expect", {}), "expect")
    if "outcome" not in table:
        raise CaseError("`expect` has no `outcome`", hint="permit, redact, hold or refuse")
    return Expect(**_fields(table, _EXPECT, "expect"))


_MOMENTS = frozenset(
    {
        "as_of", "collected_at", "created_at", "recorded_at", "effective_at", "past_from", "past_to",
        "expires_at", "valid_from", "valid_to", "last_interaction", "effective_from", "effective_to",
        "announced_at", "from", "until", "at", "collected_from", "collected_to",
    }
)  # fmt: skip


def _dated(table: dict[str, Any]) -> dict[str, Any]:
    """JSON has no times: where one is expected, text in ISO 8601 is one."""
    return {key: _iso(value) if key in _MOMENTS and isinstance(value, str) else value for key, value in table.items()}


def _iso(text: str) -> object:
    try:
        return date.fromisoformat(text) if len(text) == len("2023-09-29") else datetime.fromisoformat(text)
    except ValueError:
        return text


# --- writing ------------------------------------------------------------------------------------------------


def dump(
    gate: Gate, judged: record.Record, expect: Expect | None = None, *, name: str = "case", about: str = ""
) -> str:
    """A case file, in TOML, that holds this gate and this record; without ``expect``, what is decided now.

    Reading it back decides the same. A word outside the closed sets is written as unknown, which is what it
    means to the judgement; of the people, only those whom the record names are written.
    """
    wanted = expect if expect is not None else expectation(gate.decide(judged))
    people = _subjects(judged)
    case = {
        "name": name,
        "record": _record_out(judged),
        "facts": [_written(row, _FACTS) for s in people for row in gate.snapshot.facts_of(s)],
        "events": [_written(event, _EVENT) for s in people for event in gate.snapshot.events_of(s)],
        **({"listed": True} if (judged.source, judged.id) in gate.listed else {}),
        "erased": [s for s in people if gate.snapshot.suppressions.holds(s)],
        "expect": {key: _plain(value) for key, value in _said_of(wanted).items()},
    }
    return _toml(_filled({"about": about, **_gate_out(gate), "case": [_filled(case)]}))


def _filled(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in ("", [], {})}


def _gate_out(gate: Gate) -> dict[str, Any]:
    own = {n: _said_of(t) for n, t in gate.regimes.tables.items() if regime.STANDARD.get(n) != t}
    return {
        "as_of": gate.as_of,
        "job": _said_of(gate.job),
        "regions": dict(gate.regimes.regions),
        "regime": {name: {q: cell for q, cell in table.items() if q != "name"} for name, table in own.items()},
        "licence": {name: _written(one, _LICENCE) for name, one in gate.licences.items()},
        "undertaking": [_said_of(undertaking) for undertaking in gate.undertakings],
        "version": [_version_out(version) for version in gate.policy.versions],
    }


def _said_of(value: Any) -> dict[str, Any]:
    """The fields of a value that differ from what they are when nothing is said."""
    known = ((f.name, getattr(value, f.name), None if f.default is MISSING else f.default) for f in fields(value))
    return {name: found for name, found, default in known if found != default}


def _written(value: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields of one table that say something, in words that their readers take."""
    return {key: _word_out(found, readers[key]) for key, found in _said_of(value).items() if key in readers}


def _word_out(value: Any, reader: Reader) -> Any:
    shaped = list(value) if isinstance(value, tuple) else value
    try:
        return UNKNOWN if reader(shaped) is None else shaped
    except (AboveboardError, TypeError):
        return UNKNOWN


def _record_out(judged: record.Record) -> dict[str, Any]:
    return {
        **_written(judged, _OWN),
        "created_at": UNKNOWN if judged.created_at is None else judged.created_at,
        "text": judged.text or "",
        **_main_out(judged.main),
        **({"parts": _all(judged.parts, _part_out)} if judged.parts != () else {}),
    }


def _part_out(part: record.Part) -> dict[str, Any]:
    own = {key: reader for key, reader in _PART.items() if key not in _MAIN}
    return {"kind": _word_out(part.kind, _PART["kind"]), **_written(part, own), **_main_out(part)}


def _main_out(part: record.Part) -> dict[str, Any]:
    lists = {
        "categories": _all(part.categories, lambda one: _word_out(one, _CATEGORY)),
        "labels": _all(part.labels, lambda one: _word_out(one, _LABEL)),
        "parties": _all(part.parties, lambda one: _written(one, _PARTY)),
        "signals": _all(part.signals, _signal_out),
    }
    said = _said_of(part)
    words = {key: _word_out(said[key], _MAIN[key]) for key in said if key in _MAIN and key not in lists}
    return words | {key: rows for key, rows in lists.items() if key in said}


def _all(values: Sequence[Any] | None, out: Callable[[Any], Any]) -> Any:
    return UNKNOWN if values is None else [out(one) for one in values]


def _signal_out(signal: record.Signal) -> dict[str, Any]:
    # A purpose nobody knows makes the whole statement unreadable; no purpose means every one.
    if signal.purpose is not None and signal.purpose not in vocabulary.PURPOSES:
        return {"code": UNKNOWN}
    about = {"purpose": signal.purpose} if signal.purpose is not None else {}
    return {"code": _word_out(signal.code, _SIGNAL["code"]), **about}


def _version_out(version: policy.PolicyVersion) -> dict[str, Any]:
    lists = ("clauses", "commitments", "embargoes", "retentions", "on_withdrawal", "path")
    table = {key: value for key, value in _said_of(version).items() if key not in lists}
    rules = {
        "clause": [_clause_out(clause, version) for clause in version.clauses],
        "commitment": [_promise_out(promise) for promise in version.commitments],
        "embargo": [_said_of(embargo) for embargo in version.embargoes],
        "retention": [_worded(_said_of(rule)) for rule in version.retentions],
        "on_withdrawal": _worded(_said_of(version.on_withdrawal)),
    }
    return _worded(table) | _filled(rules)


def _clause_out(clause: policy.Clause, version: policy.PolicyVersion) -> dict[str, Any]:
    table = _said_of(clause) | {"citation": _said_of(clause.citation)}
    table.pop("closed_at", None)
    if clause.when is not None:
        table["when"] = _condition_out(clause.when)
    if clause.closed_by is not None:
        table["closed_by"] = {"who": clause.closed_by, "at": clause.closed_at or version.effective_from}
    return table


def _condition_out(condition: policy.Condition) -> dict[str, Any]:
    if condition.op == "not":
        return {"not": _condition_out(condition.children[0])}
    if condition.op in ("all", "any"):
        return {condition.op: [_condition_out(child) for child in condition.children]}
    if condition.op == "exists":
        return {"exists": condition.field}
    value: Any = list(condition.value) if condition.op == "in" else condition.value[0]
    return {condition.op: [condition.field, value]}


def _promise_out(promise: policy.Commitment) -> dict[str, Any]:
    table = _said_of(promise)
    return {"from": table.pop("starts"), **table}


def _worded(table: dict[str, Any]) -> dict[str, Any]:
    return {key: _period(value) if isinstance(value, policy.Period) else value for key, value in table.items()}


def _period(period: policy.Period) -> str:
    return str(period) if period != policy.Period() else "P0D"


# --- TOML out: the few shapes that case files have ----------------------------------------------------------

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_INLINE = 100
"""A table whose line would be longer than this stands under a heading of its own."""


def _toml(table: Mapping[str, Any], path: str = "") -> str:
    """A table as TOML: first what fits on a line, then the tables below it."""
    lines = {key: f"{_key(key)} = {_value(value)}" for key, value in table.items()}
    below = {key for key, value in table.items() if _is_tables(value) and len(lines[key]) > _INLINE}
    text = "".join(f"{line}\n" for key, line in lines.items() if key not in below)
    for key in [key for key in table if key in below]:
        where = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(table[key], Mapping):
            text += f"\n[{where}]\n{_toml(table[key], where)}"
        else:
            text += "".join(f"\n[[{where}]]\n{_toml(row, where)}" for row in table[key])
    return text


def _is_tables(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, Mapping) and bool(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON escapes everything that TOML wants escaped, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
