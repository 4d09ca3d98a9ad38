"""The fold of ``aboveboard.choice`` once more, for a whole ledger at a time, in SQL.

For every scope and subject it lays the collection times out in disjoint ``[from, to)`` intervals and says
which choice is in force in each, so that an engine judges a record by one range join. It equals
``choice.fold`` and ``choice.join`` for every collection time; the tests hold it to that. Which event reaches
which label is asked of ``choice.reaches`` itself, once for every distinct kind of event, so no rule of scope
is written twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aboveboard.choice import CLOSE_ONLY, DENIED, DENIES, GRANTS, METHOD_ACTORS, STATES, Event, is_explicit, reaches

if TYPE_CHECKING:
    import duckdb

UNKNOWN_FROM = datetime(1, 1, 1)  # noqa: DTZ001 - DuckDB's TIMESTAMP is naive, and ours are all UTC
"""Stands for an unknown collection time: ``[UNKNOWN_FROM, KNOWN_FROM)`` carries the answer for it."""
KNOWN_FROM = datetime(1, 1, 2)  # noqa: DTZ001 - as above
FOREVER = datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - as above

_SPEAKING = (*sorted(GRANTS), *sorted(DENIES), "expired")
_CLOSE_ONLY = tuple(sorted(CLOSE_ONLY))


@dataclass(frozen=True, slots=True)
class Scope:
    """Category labels that are asked about together, for one leaf purpose and one recipient.

    ``explicit``: no yes counts but those that name a purpose and a sensitive kind of data (``choice.explicit``).
    """

    id: int
    labels: tuple[str, ...]
    purpose: str
    recipient: str
    explicit: bool = False


def quoted(identifier: str) -> str:
    """A name as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def flatten(con: duckdb.DuckDBPyConnection, events_relation: str, scopes: Sequence[Scope], as_of: datetime) -> None:
    """Make the temporary tables that say what is in force at ``as_of``, from the events of a relation.

    ``choices_in_force(scope_id, subject, collected_from, collected_to, state, past, since, method)``: a
    missing row means silent. ``contracts_in_force(scope_id, subject)``, ``notices_shown(subject, notice,
    shown_at)`` and ``suppressed(subject)``: a row means yes. Times are naive UTC timestamps.
    """
    events = quoted(events_relation)
    now = as_of.astimezone(UTC).replace(tzinfo=None)
    con.execute(_OUTPUT)
    kinds = _kinds(con, events)
    _lay_out_pieces(con, events, now)
    _answer_scopes(con, scopes, kinds)
    _find_contracts(con, events, scopes, kinds, now)
    con.execute(_NOTICES_SHOWN.format(events=events, close_only=_CLOSE_ONLY), {"now": now})
    con.execute(_SUPPRESSED.format(events=events, close_only=_CLOSE_ONLY), {"now": now})
    con.execute(_CLEAN_UP)


_OUTPUT = """
CREATE OR REPLACE TEMP TABLE choices_in_force (
  scope_id INTEGER, subject VARCHAR, collected_from TIMESTAMP, collected_to TIMESTAMP,
  state VARCHAR, past BOOLEAN, since TIMESTAMP, method VARCHAR);
CREATE OR REPLACE TEMP TABLE contracts_in_force (scope_id INTEGER, subject VARCHAR);
"""

_NOTICES_SHOWN = """
CREATE OR REPLACE TEMP TABLE notices_shown AS
SELECT subject, notice, min(counts_from) AS shown_at
  FROM (SELECT *, CASE WHEN effective_verified THEN effective_at
                       ELSE greatest(effective_at, recorded_at) END AS counts_from
          FROM {events} WHERE type = 'notice_shown' AND actor NOT IN {close_only})
 WHERE verified AND notice IS NOT NULL AND counts_from <= $now AND recorded_at <= $now
 GROUP BY subject, notice
"""

_SUPPRESSED = """
CREATE OR REPLACE TEMP TABLE suppressed AS
SELECT subject FROM (
  SELECT subject,
         max(recorded_at) FILTER (type = 'suppressed') AS asked,
         max(recorded_at) FILTER (type = 'unsuppressed' AND verified AND actor NOT IN {close_only}) AS undone
    FROM {events} WHERE type IN ('suppressed', 'unsuppressed') AND recorded_at <= $now GROUP BY subject)
 WHERE asked IS NOT NULL AND (undone IS NULL OR asked >= undone)
"""

_CLEAN_UP = """
DROP TABLE flatten_kinds; DROP TABLE flatten_subjects; DROP TABLE flatten_methods; DROP TABLE flatten_pieces;
"""


# Kinds: what distinguishes events as far as their reach goes.

_KINDS = """
CREATE OR REPLACE TEMP TABLE flatten_kinds AS
SELECT (row_number() OVER ())::INTEGER AS kind, *
  FROM (SELECT DISTINCT type, category, purpose, recipient, vocabulary FROM {events} WHERE type IN {types})
"""

_OF_KIND = """flatten_kinds k ON k.type = e.type AND k.vocabulary = e.vocabulary
  AND k.category IS NOT DISTINCT FROM e.category AND k.purpose IS NOT DISTINCT FROM e.purpose
  AND k.recipient IS NOT DISTINCT FROM e.recipient"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _kinds(con: duckdb.DuckDBPyConnection, events: str) -> Mapping[int, Event]:
    """An event of every kind, to ask ``choice.reaches`` about."""
    con.execute(_KINDS.format(events=events, types=(*_SPEAKING, "contract_bound")))
    rows = con.execute("SELECT kind, type, category, purpose, recipient, vocabulary FROM flatten_kinds").fetchall()
    return {
        kind: Event(
            subject="", type=type_, category=category, purpose=purpose, recipient=recipient,
            vocabulary=vocabulary, recorded_at=_EPOCH, effective_at=_EPOCH,
        )
        for kind, type_, category, purpose, recipient, vocabulary in rows
    }  # fmt: skip


def _reaching(kinds: Mapping[int, Event], label: str, scope: Scope) -> frozenset[int]:
    return frozenset(
        kind
        for kind, event in kinds.items()
        if reaches(event, label, scope.purpose, scope.recipient)
        and (not scope.explicit or event.type not in GRANTS or is_explicit(event))
    )


# Pieces: the stretches of collection time that each event speaks about, with its place in the order of the
# fold.
#
# INVARIANT: `place` orders as `choice._Piece.order` does: (counts_from, strictness, past, method). It packs
# them into one number, so that "the newest, and the stricter of two at one instant" is max(place):
#   ((microseconds since 0001-01-01) * 16 + strictness * 2 + past) * 2^32 + rank of the method, in byte order.

_SUBJECTS = """
CREATE OR REPLACE TEMP TABLE flatten_subjects AS
SELECT subject, (row_number() OVER ())::INTEGER AS n
  FROM (SELECT DISTINCT subject FROM {events} WHERE type IN {types})
"""

_METHODS = """
CREATE OR REPLACE TEMP TABLE flatten_methods AS
SELECT method, (row_number() OVER (ORDER BY method))::INTEGER AS m
  FROM (SELECT '' AS method UNION SELECT DISTINCT method FROM {events})
"""

_PIECES = """
CREATE OR REPLACE TEMP TABLE flatten_pieces AS
WITH said AS (
  SELECT k.kind, s.n, m.m, e.verified AS heard, e.past_from, e.past_to,
         (e.past_from IS NOT NULL OR e.past_to IS NOT NULL) AS windowed,
         e.type IN {grants} AS yes,
         e.type IN {grants} AND NOT e.effective_verified AND e.recorded_at > e.effective_at AS late,
         CASE WHEN late THEN e.recorded_at ELSE e.effective_at END AS counts_from,
         CASE WHEN NOT yes THEN e.type
              WHEN coalesce(e.expires_at <= $now, false) THEN 'expired' ELSE 'given' END AS state,
         NOT yes AND NOT e.verified AND coalesce(e.expires_at <= $now, false) AS lapsed,
         e.actor IN {close_only} AS not_theirs_to_give
    FROM {events} e
    JOIN {of_kind}
    JOIN flatten_subjects s ON s.subject = e.subject
    JOIN flatten_methods m ON m.method = {counted_method}
   WHERE e.type IN {types} AND e.recorded_at <= $now
),
counted AS (
  SELECT kind, n, heard, yes, windowed, counts_from,
         greatest(coalesce(past_from, $known), $known) AS window_from,
         coalesce(past_to, $forever) AS window_to,
         ((epoch_us(counts_from) + {since_year_one}) * 16
           + (list_position({states}, state) - 1) * 2)::HUGEINT * {methods} + m AS place
    FROM said
   WHERE CASE WHEN yes THEN heard AND NOT not_theirs_to_give AND counts_from <= $now ELSE NOT lapsed END
),
stretches AS (
  SELECT kind, n, heard, greatest(counts_from, $known) AS starts, $forever AS ends, place
    FROM counted WHERE yes
  UNION ALL
  SELECT kind, n, heard, window_from, window_to, place + {methods} FROM counted WHERE yes AND windowed
  UNION ALL
  SELECT kind, n, heard, $unknown, CASE WHEN windowed THEN $known ELSE $forever END, place
    FROM counted WHERE NOT yes
  UNION ALL
  SELECT kind, n, heard, window_from, window_to, place FROM counted WHERE NOT yes AND windowed
)
SELECT kind, n, heard, starts, ends, place FROM stretches WHERE starts < ends
"""

_COUNTED_METHOD = " ".join(
    (
        "CASE",
        *(f"WHEN e.method = '{m}' AND e.actor <> '{a}' THEN ''" for m, a in METHOD_ACTORS.items()),
        "ELSE e.method END",
    )
)
"""``Event.counted_method`` in SQL."""
_METHOD_ROOM = 2**32
_TIMES = {"unknown": UNKNOWN_FROM, "known": KNOWN_FROM, "forever": FOREVER}


def _lay_out_pieces(con: duckdb.DuckDBPyConnection, events: str, now: datetime) -> None:
    con.execute(_SUBJECTS.format(events=events, types=_SPEAKING))
    con.execute(_METHODS.format(events=events))
    pieces = _PIECES.format(
        events=events, of_kind=_OF_KIND, types=_SPEAKING, grants=tuple(sorted(GRANTS)), states=list(STATES),
        since_year_one=62_135_596_800_000_000, methods=_METHOD_ROOM, close_only=_CLOSE_ONLY,
        counted_method=_COUNTED_METHOD,
    )  # fmt: skip
    con.execute(pieces, {**_TIMES, "now": now})


# Answers: per subject, the fold over the pieces that reach one leaf scope. Leaf scopes that the same kinds of
# event reach have the same answers, so they are computed once.

_ANSWERS = """
CREATE OR REPLACE TEMP TABLE {answers} AS
WITH reaching AS (
  SELECT n, heard, starts, ends, max(place) AS place FROM flatten_pieces
   WHERE kind IN (SELECT unnest($kinds)) GROUP BY n, heard, starts, ends
),
about_everything AS (
  SELECT n, max(place) FILTER (heard) AS heard, max(place) FILTER (NOT heard) AS doubt
    FROM reaching WHERE starts = $unknown AND ends = $forever GROUP BY n
),
pieces AS (  -- what something newer about everything overrules need not be laid out
  SELECT r.* FROM reaching r LEFT JOIN about_everything o USING (n)
   WHERE r.place >= coalesce(CASE WHEN r.heard THEN o.heard ELSE o.doubt END, 0)
),
marks AS (  -- the moments at which an answer may change, with the open-ended pieces that begin there
  SELECT n, mark, max(heard) AS heard, max(doubt) AS doubt
    FROM (SELECT n, starts AS mark, CASE WHEN heard AND ends = $forever THEN place END AS heard,
                 CASE WHEN NOT heard AND ends = $forever THEN place END AS doubt FROM pieces
          UNION ALL
          SELECT n, ends, NULL, NULL FROM pieces WHERE ends < $forever)
   GROUP BY n, mark
),
open_ended AS (
  SELECT n, mark, lead(mark, 1, $forever) OVER later AS until,
         max(heard) OVER sofar AS heard, max(doubt) OVER sofar AS doubt
    FROM marks
  WINDOW later AS (PARTITION BY n ORDER BY mark),
         sofar AS (PARTITION BY n ORDER BY mark ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
bounded AS (
  SELECT m.n, m.mark, max(p.place) FILTER (p.heard) AS heard, max(p.place) FILTER (NOT p.heard) AS doubt
    FROM (SELECT * FROM pieces WHERE ends < $forever) p
    JOIN marks m ON m.n = p.n AND p.starts <= m.mark AND m.mark < p.ends
   GROUP BY m.n, m.mark
),
newest AS (
  SELECT o.n, o.mark, o.until, greatest(o.heard, b.heard) AS heard, greatest(o.doubt, b.doubt) AS doubt
    FROM open_ended o LEFT JOIN bounded b USING (n, mark)
),
decoded AS (
  SELECT n, mark, until, heard, doubt, (heard % {methods})::INTEGER AS m,
         (heard // {methods})::BIGINT AS heard_key, (doubt // {methods})::BIGINT AS doubt_key,
         (heard_key % 16) // 2 AS strictness
    FROM newest WHERE heard IS NOT NULL OR doubt IS NOT NULL
),
judged AS (
  SELECT *, doubt IS NOT NULL AND (heard IS NULL
              OR (strictness NOT IN {denied} AND doubt_key // 16 >= heard_key // 16)) AS doubtful
    FROM decoded
)
SELECT n, mark, until, CASE WHEN doubtful THEN {unknown} ELSE strictness END::UTINYINT AS strictness,
       NOT doubtful AND strictness = {given} AND heard_key % 2 = 1 AS past,
       CASE WHEN NOT doubtful AND strictness = {given}
            THEN make_timestamp(heard_key // 16 - {since_year_one}) END AS since,
       CASE WHEN NOT doubtful AND strictness = {given} THEN m ELSE {no_method} END AS m
  FROM judged
"""

_JOINED = """
CREATE OR REPLACE TEMP TABLE {answers} AS
WITH labels AS ({labels}),
spans AS (
  SELECT n, mark, lead(mark, 1, $forever) OVER (PARTITION BY n ORDER BY mark) AS until
    FROM (SELECT n, mark FROM labels UNION SELECT n, until FROM labels WHERE until < $forever)
),
spoken AS (
  SELECT s.n, s.mark, s.until, count(*) AS labels, max(strictness) AS strictness, bool_and(past) AS past,
         min(since) AS since, CASE WHEN min(m) = max(m) THEN min(m) ELSE {no_method} END AS m
    FROM spans s JOIN labels l ON l.n = s.n AND l.mark <= s.mark AND s.mark < l.until
   GROUP BY s.n, s.mark, s.until
)
SELECT n, mark, until, strictness, strictness = {given} AND past AS past,
       CASE WHEN strictness = {given} THEN since END AS since,
       CASE WHEN strictness = {given} THEN m ELSE {no_method} END AS m
  FROM spoken
 WHERE strictness > {given} OR labels = {count}  -- a yes only where every label has one; else they are silent
"""

_INTO_FORCE = """
INSERT INTO choices_in_force
SELECT scope_id, s.subject, mark, until, {states}[strictness + 1], past, since, m.method
  FROM {answers} JOIN flatten_subjects s USING (n) JOIN flatten_methods m USING (m),
       (SELECT unnest($scopes)::INTEGER AS scope_id)
"""

_CONSTANTS = {
    "methods": _METHOD_ROOM,
    "since_year_one": 62_135_596_800_000_000,
    "given": STATES.index("given"),
    "unknown": STATES.index("unknown"),
    "denied": tuple(STATES.index(state) for state in sorted(DENIED)),
    "no_method": 1,  # the empty method is the least in binary order
}


def _answer_scopes(con: duckdb.DuckDBPyConnection, scopes: Iterable[Scope], kinds: Mapping[int, Event]) -> None:
    """Fill ``choices_in_force``, one table of answers at a time: its memory does not grow with the scopes."""
    alike: dict[frozenset[frozenset[int]], list[int]] = {}
    for scope in scopes:
        leaves = frozenset(_reaching(kinds, label, scope) for label in scope.labels)
        alike.setdefault(leaves, []).append(scope.id)
    for leaves, ids in alike.items():
        answers = _answers_joined(con, sorted(leaves, key=sorted))
        con.execute(_INTO_FORCE.format(answers=answers, states=list(STATES)), {"scopes": ids})
        con.execute(f"DROP TABLE {answers}")


def _answers_joined(con: duckdb.DuckDBPyConnection, leaves: Sequence[frozenset[int]]) -> str:
    """The table with the answers for labels that are reached by these kinds of event."""
    tables = [_answers(con, f"flatten_answers_{i}", leaf) for i, leaf in enumerate(leaves)]
    if len(tables) == 1:
        return tables[0]
    labels = " UNION ALL ".join(f"SELECT * FROM {table}" for table in tables)
    joined = _JOINED.format(answers="flatten_joined", labels=labels, count=len(tables), **_CONSTANTS)
    con.execute(joined, {"forever": FOREVER})
    for table in tables:
        con.execute(f"DROP TABLE {table}")
    return "flatten_joined"


def _answers(con: duckdb.DuckDBPyConnection, name: str, kinds: frozenset[int]) -> str:
    values = {"kinds": sorted(kinds), "unknown": UNKNOWN_FROM, "forever": FOREVER}
    con.execute(_ANSWERS.format(answers=name, **_CONSTANTS), values)
    return name


_CONTRACTS = """
INSERT INTO contracts_in_force
SELECT DISTINCT reach.scope_id, e.subject
  FROM {events} e
  JOIN {of_kind}
  JOIN (SELECT unnest($scopes)::INTEGER AS scope_id, unnest($kinds)::INTEGER AS kind) reach USING (kind)
 WHERE e.type = 'contract_bound' AND e.recorded_at <= $now AND (e.expires_at IS NULL OR e.expires_at > $now)
"""


def _find_contracts(
    con: duckdb.DuckDBPyConnection,
    events: str,
    scopes: Iterable[Scope],
    kinds: Mapping[int, Event],
    now: datetime,
) -> None:
    contracts = {kind: event for kind, event in kinds.items() if event.type == "contract_bound"}
    reach = sorted(
        {(scope.id, kind) for scope in scopes for label in scope.labels for kind in _reaching(contracts, label, scope)}
    )
    values = {"scopes": [scope for scope, _ in reach], "kinds": [kind for _, kind in reach], "now": now}
    con.execute(_CONTRACTS.format(events=events, of_kind=_OF_KIND), values)
