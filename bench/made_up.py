"""A platform that the bench makes up: posts, account facts, choices, the rules they are under, and a map to read them.

Everything comes from hashes of counters and streams through DuckDB, so that any number of rows is the same on every
machine and needs no memory. A tenth of the texts are in other scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard.choice import Event, Facts, People, people
from aboveboard.policy import Policy, parse, timeline
from aboveboard.suppression import NONE, Suppressions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
DECLARED = datetime(2021, 1, 1, tzinfo=UTC)
"""When training came into the policy: older posts are under a version that does not name it."""
TRIGGERS = 0.3
"""How many posts hold something that looks like an identifier; most of it is a mention."""

RULES = """
policy = "bench"
version = "{version}"
effective_from = {version}
zone = "UTC"
text_sha256 = "none"
establishment = "IE"

[[clause]]
id = "operation"
effect = "permit"
purposes = ["service.operation"]
categories = ["user.content"]
audience = "private"
recipients = ["controller"]
basis = "contract"
citation = {{ quote = "q" }}
{more}
"""
TRAINING = """
[[clause]]
id = "training"
effect = "permit"
purposes = ["train_ai_system.generative"]
categories = ["user.content.public"]
audience = "public"
recipients = ["controller"]
basis = "legitimate_interest"
control = "ai-training"
citation = { quote = "q" }
"""
MAP = """
name = "posts"
origin = "first_party"
[table]
path = "posts.parquet"
zone = "UTC"
[columns]
record_id = "id"
subject = "author"
kind = "'post'"
text = "text"
language = "lang"
created_at = "written_at"
collected_at = "received_at"
collected_evidence = "'server log'"
audience = "visibility"
audience_evidence = "'column visibility'"
lifecycle = "state"
categories = "'user.content.public'"
[[parts]]
when = "geo IS NOT NULL"
kind = "'geotag'"
categories = "['user.location.precise']"
content = "geo"
[[parts]]
when = "mentioned IS NOT NULL"
kind = "'mention'"
categories = "'user.account.username'"
parties = "{subject: mentioned, role: 'mentioned'}"
place = "'span'"
start = "mention_from"
end = "mention_to"
"""

# --- what lies in files -----------------------------------------------------------------------------------------

_POSTS = """
SELECT
  id, author, body || coalesce(' ' || said || ' and more', '') AS text, lang, received_at, received_at AS written_at,
  visibility, state, geo,
  CASE WHEN known THEN 'u:' || friend END AS mentioned,
  CASE WHEN known THEN length(body)::INTEGER + 1 END AS mention_from,
  CASE WHEN known THEN length(body)::INTEGER + 1 + length(said)::INTEGER END AS mention_to
FROM (
  SELECT
    *,
    draw < {named} AS known,
    CASE WHEN draw < {plain} OR kind < 60 THEN '@bird_' || friend
         WHEN kind < 70 THEN 'bird' || friend || '@example.com'
         WHEN kind < 76 THEN '+1 202 555 0' || (100 + friend % 900)
         WHEN kind < 80 THEN '192.0.2.' || friend % 256
         WHEN kind < 90 THEN 'https://example.com/status/17000000000000' || (100 + friend % 900)
         ELSE '2024-05-12 10:30:' || (10 + friend % 50) END AS carried,
    CASE WHEN draw < {any} THEN carried END AS said
  FROM (
    SELECT
      (1700000000000000000 + i)::VARCHAR AS id,
      'u:' || (hash(i) % {people}) AS author,
      CASE WHEN hash(i, 1) % 10 = 0
           THEN ['北京的鸟 ', 'مرحبا بالطيور ', '🐦🐦 '][1 + (hash(i, 2) % 3)::INT]
           ELSE repeat(['a small bird sat on ', 'what a morning over ', 'nobody reads this '][1 + (hash(i, 3) % 3)::INT],
                       1 + (hash(i, 4) % 6)::INT) END || i % 100000 AS body,
      ['en', 'de', 'ja', 'ar'][1 + (hash(i, 5) % 4)::INT] AS lang,
      TIMESTAMP '2019-01-01' + to_seconds((hash(i, 6) % 190000000)::INT) AS received_at,
      CASE WHEN hash(i, 7) % 20 < 17 THEN 'public' WHEN hash(i, 7) % 20 < 19 THEN 'followers' END AS visibility,
      CASE WHEN hash(i, 8) % 50 = 0 THEN 'deleted' ELSE 'published' END AS state,
      CASE WHEN hash(i, 9) % 50 = 0 THEN '53.3,-6.2' END AS geo,
      (hash(i, 10) % 1000)::INT AS draw,
      (hash(i, 11) % 100)::INT AS kind,
      hash(i, 12) % {people} AS friend
    FROM range({rows}) t(i)
  )
)
"""
"""``draw`` says what a post carries: first mentions of people the platform names (parts), then whatever looks like it."""
_FACTS = """
SELECT 'u:' || i AS subject, TIMESTAMP '2010-01-01' AS valid_from, 'active' AS state, hash(i, 1) % 15 = 0 AS protected,
  CASE WHEN hash(i, 2) % 30 = 0 THEN '13_17' ELSE 'adult' END AS age_band,
  ['IE', 'DE', 'US-TX', 'BR', 'JP'][1 + (hash(i, 3) % 5)::INT] AS residency,
  NULL::TIMESTAMP AS last_interaction, '' AS evidence
FROM range({people}) t(i)
"""
_EVENTS = """
SELECT i AS position, NULL::VARCHAR AS external_id, 'u:' || (hash(i) % {people}) AS subject,
  ['refused', 'withdrawn', 'given', 'renewed'][1 + (hash(i, 1) % 4)::INT] AS type,
  NULL::VARCHAR AS category, 'train_ai_system' AS purpose, NULL::VARCHAR AS recipient,
  CASE WHEN hash(i, 2) % 2 = 0 THEN TIMESTAMP '2015-01-01' END AS past_from, NULL::TIMESTAMP AS past_to,
  TIMESTAMP '2023-01-01' + to_seconds((hash(i, 3) % 60000000)::INT) AS effective_at, effective_at AS recorded_at,
  NULL::TIMESTAMP AS expires_at, TRUE AS verified, FALSE AS effective_verified, 'subject' AS actor, '' AS method,
  NULL::VARCHAR AS notice, NULL::VARCHAR AS language, 1::BIGINT AS vocabulary, NULL::VARCHAR AS value
FROM range(1, {people} // 4) t(i)
"""
_OPTED_OUT = """
SELECT subject FROM (
  SELECT subject, type, row_number() OVER (PARTITION BY subject ORDER BY effective_at DESC, position DESC) AS nth
  FROM '{folder}/events.parquet')
WHERE nth = 1 AND type IN ('refused', 'withdrawn')
"""


def generate(folder: Path, rows: int, named: float, accounts: int = 0) -> None:
    """Write the platform into a folder. ``named`` is the share of posts that mention somebody the platform names; there is
    an account for every twenty posts where nothing else is said."""
    import duckdb

    accounts = accounts or max(rows // 20, 100)
    carrying = {"named": round(named * 1000), "plain": round(named * 1000), "any": round(max(TRIGGERS, named) * 1000)}
    with duckdb.connect(config={"memory_limit": "1GB"}) as con:
        for name, query in {
            "posts": _POSTS.format(rows=rows, people=accounts, **carrying),
            "facts": _FACTS.format(people=accounts),
            "events": _EVENTS.format(people=accounts),
            "opted-out": _OPTED_OUT.format(folder=folder),
        }.items():
            con.execute(f"COPY ({query}) TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    (folder / "posts.toml").write_text(MAP, encoding="utf-8")


# --- what a gate needs ------------------------------------------------------------------------------------------


def policy() -> Policy:
    """Two versions; training is named since the second."""
    versions = (("2018-01-01", ""), (f"{DECLARED:%Y-%m-%d}", TRAINING))
    return timeline([parse(RULES.format(version=version, more=more).encode()) for version, more in versions])


@dataclass(frozen=True, slots=True)
class Kept:
    """The people as a snapshot that is read whole: the ledger's own cost is measured by bench/ledger.py."""

    folder: Path
    position: int = 1
    suppressions: Suppressions = NONE

    def events_table(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "events.parquet")

    def facts_table(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "facts.parquet")


@dataclass(frozen=True, slots=True)
class Later:
    """The same people after some of them said no. They are handed over whole, as a ledger does; one by one only those that
    somebody will ask about, or a million people would have to be values first."""

    before: Kept
    said: tuple[Event, ...]
    asked: People
    suppressions: Suppressions = NONE

    @property
    def position(self) -> int:
        return max(event.position for event in self.said)

    def events_table(self) -> pa.Table:
        import pyarrow as pa

        was = self.before.events_table()
        rows = [{name: getattr(event, name) for name in was.column_names} for event in self.said]
        for row in rows:
            row.update({name: _utc(value) for name, value in row.items()})
        return pa.concat_tables([was, pa.Table.from_pylist(rows, was.schema)])

    def facts_table(self) -> pa.Table:
        return self.before.facts_table()

    def events_of(self, subject: str) -> Sequence[Event]:
        mine = [event for event in self.said if event.subject == subject]
        return [*self.asked.events_of(subject), *mine]

    def facts_of(self, subject: str) -> Sequence[Facts]:
        return self.asked.facts_of(subject)


def people_of(folder: Path, subjects: list[str]) -> People:
    """These people as values, for ``gate.decide``."""
    events = [Event(**row) for row in _rows(folder / "events.parquet", subjects)]
    return people(events, [Facts(**row) for row in _rows(folder / "facts.parquet", subjects)])


def _rows(file: Path, subjects: list[str]) -> list[dict[str, Any]]:
    import duckdb

    with duckdb.connect() as con:
        found = con.execute(f"SELECT * FROM '{file}' WHERE subject IN (SELECT unnest(?))", [subjects])
        names = [column[0] for column in found.description]
        return [{name: _aware(value) for name, value in zip(names, row, strict=True)} for row in found.fetchall()]


def _utc(value: Any) -> Any:
    """A moment as the files hold it."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
