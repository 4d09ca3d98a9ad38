"""Commits to every released record, and states to every account what of theirs is in a release.

``settle_accounts`` gives each account in scope its release key, ``commit`` makes the commitments of one judged shard with
what opens them, ``map_subjects`` makes the subject map from all of them. The bytes are those of ``descriptor`` and
``subjectmap``, which a test holds it to; what opens a commitment lies in the private part and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aboveboard import descriptor, disk, explanation, manifest, merkle, steps, subjectmap, writing
from aboveboard.choice import Snapshot
from aboveboard.engine import Engine, Session, erased_in, people_tables
from aboveboard.errors import EngineError
from aboveboard.plan import text, texts
from aboveboard.reasons import OWN, masks
from aboveboard.record import PART_FIELDS
from aboveboard.vocabulary import ROLES_WITHOUT_VETO

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OPENINGS = "openings"
ACCOUNTS = "accounts.parquet"
WITHHELD = "withheld"
"""The folder of the openings with the records that stayed out though nothing of their own kept them out. A later release,
in which the person says no, has to find out which of them that no keeps out: or the number would tell what others chose."""
SALTS = "salts.bin"
"""Where buckets of a map were taken over from an earlier release: the salt of each bucket, 32 bytes, by prefix."""
BATCH = 8_192


class SubjectKeys(Protocol):
    """Whoever keeps a key for every person (``ledger.Ledger``)."""

    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        """``subject`` and ``key`` (32 bytes) for each ``subject``, made where there is none yet; durable on return."""


class Settled:
    """For a process of its own: everybody has a key already."""

    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        raise NotImplementedError("the accounts of a release are settled before its shards are handed out")


# --- accounts -----------------------------------------------------------------------------------------------------


def settle_accounts(
    engine: Engine, snapshot: Snapshot, authors: str, keys: SubjectKeys, release_salt: bytes, folder: Path
) -> None:
    """Write who is in scope, each with the release key and the digest of what is known: ``accounts.parquet``.

    In scope is everybody a record is by or about (``authors``, a subquery with the column ``subject``), everybody who
    ever said anything, and everybody of whom something is attested.
    """
    with engine.connect() as con:
        settle_known(con, snapshot, authors)
        keep_people(con, folder)
        known = con.sql("SELECT subject FROM scope ORDER BY subject").to_arrow_table()
        con.register("_keys", keys.subject_keys(known))
        con.execute("SET VARIABLE release_salt = ?", [release_salt])
        writing.copy_rows(con, _ACCOUNTS, folder / ACCOUNTS)
        disk.settle(folder / ACCOUNTS)


def settle_known(con: duckdb.DuckDBPyConnection, snapshot: Snapshot, authors: str) -> None:
    """Make the tables ``events``, ``facts``, and ``known``: everybody in scope with the digest of what is known of them.

    Where there are ``authors`` beside those who said something or of whom something is attested, they are a subquery.
    """
    for name, table in zip(("events", "facts"), people_tables(snapshot), strict=True):
        con.register(f"_{name}", table)
        con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM _{name}")
        con.unregister(f"_{name}")
    # Who was erased is nobody's account any more: no key is made for them, and nothing is stated of them.
    gone = "SELECT NULL AS subject WHERE FALSE"
    if snapshot.suppressions:
        con.execute(f"CREATE TEMP TABLE named AS {_NAMED.format(authors=authors)}")
        erased = erased_in(con, "named", snapshot.suppressions)
        con.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::VARCHAR[]) AS subject", [erased])
        gone = "FROM gone"
        for name in ("events", "facts"):
            con.execute(f"DELETE FROM {name} WHERE subject IN ({gone})")
    con.execute(_SCOPE.format(authors=authors, gone=gone))
    con.execute(_KNOWN.format(event=_struct(con, "events", _EVENT), account=_struct(con, "facts", _ACCOUNT)))


def keep_people(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the tables ``events`` and ``facts``, as the people that a release was judged by."""
    for name in ("events", "facts"):
        writing.copy_rows(con, f"SELECT * FROM {name}", folder / f"{name}.parquet")
        disk.settle(folder / f"{name}.parquet")


def accounts(folder: Path) -> str:
    """The accounts of a release as a relation. ``row_key`` opens the row of the map; it is the release key unless a later
    release sealed that row anew."""
    kept = f"read_parquet({text(str(folder / ACCOUNTS))})"
    either = f"SELECT * FROM {kept} UNION ALL BY NAME SELECT NULL::BLOB AS row_key WHERE FALSE"
    return f"(SELECT * REPLACE (coalesce(row_key, release_key) AS row_key) FROM ({either}))"


_SCOPE = """
CREATE TEMP TABLE scope AS
SELECT DISTINCT subject
FROM (SELECT subject FROM ({authors}) UNION ALL SELECT subject FROM events UNION ALL SELECT subject FROM facts)
WHERE subject IS NOT NULL AND subject NOT IN ({gone})
"""
_NAMED = """
SELECT DISTINCT subject, NULL::STRUCT(subject VARCHAR)[] AS parties, NULL::STRUCT(parties STRUCT(subject VARCHAR)[])[] AS parts
FROM (SELECT subject FROM ({authors}) UNION ALL SELECT subject FROM events UNION ALL SELECT subject FROM facts)
"""
_KNOWN = """
CREATE TEMP TABLE known AS
SELECT
  s.subject,
  sha256('aboveboard/person/v1\\x00'::BLOB || encode(net(coalesce(e.said, '')) || net(coalesce(f.attested, ''))))
    AS person
FROM scope AS s
LEFT JOIN (SELECT subject, string_agg({event}, '' ORDER BY position) AS said FROM events GROUP BY subject) AS e
  USING (subject)
LEFT JOIN (
  SELECT subject, string_agg(one, '' ORDER BY encode(one)) AS attested
  FROM (SELECT subject, {account} AS one FROM facts) GROUP BY subject
) AS f USING (subject)
"""
_ACCOUNTS = """
SELECT subject, unhex(sha256('aboveboard/release-key/v1\\x00'::BLOB || key || getvariable('release_salt'))) AS release_key,
  person
FROM known JOIN _keys USING (subject) ORDER BY subject
"""
_EVENT, _ACCOUNT = descriptor.EVENT_FIELDS, descriptor.ACCOUNT_FIELDS


def _struct(con: duckdb.DuckDBPyConnection, table: str, fields: Sequence[str]) -> str:
    """The netstring of the netstrings of some columns of a table, each by its type."""
    kinds = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall()}
    return _once(", ".join(_net(_column(table, name), kinds[name]) for name in fields))


# --- one judged shard ---------------------------------------------------------------------------------------------


def sit(session: Session, folder: Path) -> None:
    """Give a session the accounts of its release."""
    session.con.execute(
        f"CREATE OR REPLACE TEMP TABLE openers AS SELECT * FROM read_parquet({text(str(folder / ACCOUNTS))})"
    )


def commit(session: Session, file: Path) -> None:
    """After ``writing.lay``: write what opens the commitments of the shard's released rows."""
    session.load("shapes", _shapes(session.con))
    for step in steps.read("commit"):
        session.make(step.name, steps.fill(step.sql, _FRAGMENTS), step.kind)
    hashed, committed = (session.count(table) for table in ("hashed", "committed"))
    if hashed != committed:  # INVARIANT: no row goes out that nobody can open
        raise EngineError(f"{hashed} rows were laid and {committed} were committed to", hint="please report this")
    writing.copy_rows(session.con, _OPENINGS, file)
    disk.settle(file)
    kept = file.parent.parent / WITHHELD / file.name
    lo, hi = masks(OWN)
    writing.copy_rows(session.con, _OPENED_TOO.format(lo=lo, hi=hi), kept)
    disk.settle(kept)


def _shapes(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Of texts with other parts in them, only which letters are blank: enough to find the spans and judge again."""
    import pyarrow as pa

    asked = "SELECT h.ordinal, r.text FROM hashed AS h JOIN records AS r USING (ordinal) WHERE len(r.parts) > 0"
    rows = con.execute(asked).fetchall()
    shapes = [None if said is None else descriptor.shape(said) for _, said in rows]
    return pa.table({"ordinal": pa.array([at for at, _ in rows], pa.int64()), "shape": pa.array(shapes, pa.string())})


def _column(of: str, name: str) -> str:
    return f'{of}."{name}"'


def _net(expression: str, kind: str) -> str:
    """``descriptor.net`` of a column, by its type."""
    if kind.endswith("[]"):
        told = _net("x", kind.removesuffix("[]"))
        listed = f"coalesce(array_to_string(list_transform({expression}, lambda x: {told}), ''), '')"
        return _listed(expression, listed)
    if kind.startswith("STRUCT"):
        inner = [name.split()[0].strip('"') for name in kind.removeprefix("STRUCT(").removesuffix(")").split(", ")]
        return _once(", ".join(f"net({_column(expression, name)})" for name in inner))
    written = {"TIMESTAMP": "epoch_us({})::VARCHAR", "BIGINT": "{}::VARCHAR", "INTEGER": "{}::VARCHAR",
               "BOOLEAN": "({})::INTEGER::VARCHAR"}  # fmt: skip
    return f"net({written.get(kind, '{}').format(expression)})"


def _facts() -> str:
    """``descriptor.facts`` of the row ``r`` of ``records``, with its row ``t`` of ``parts_told``."""
    told = (PARTS if name == "parts" else _net(_column("r", name), kind) for name, kind in descriptor.FACTS.items())
    return f"concat({', '.join(told)})"


PARTS = "CASE WHEN r.parts IS NULL THEN '-' WHEN len(r.parts) = 0 THEN '0:,' ELSE net(t.told) END"


def _part() -> str:
    """A part ``p`` without its words: of those only whether there are any."""
    names = ("kind", "categories", "labels", "audience_at", "audience_now", "parties", "signals", "source_state",
             "place", "start", "end")  # fmt: skip
    told = [_net(_column("p", name), PART_FIELDS[name]) for name in names]
    told.append("net(CASE WHEN p.content IS NULL THEN '0' ELSE '1' END)")
    return f"concat({', '.join(told)})"


def _listed(expression: str, told: str) -> str:
    """The netstring of a list, whose items are told one behind another."""
    return f"CASE WHEN {expression} IS NULL THEN '-' WHEN len({expression}) = 0 THEN '0:,' ELSE {_once(told)} END"


def _once(told: str) -> str:
    """The netstring of something long: bound first, because a macro writes it out wherever it is used, and netstrings in
    netstrings would be made nine times, and twenty-seven."""
    return f"list_transform([concat({told})], lambda y: net(y))[1]"


def _others() -> str:
    """``explanation.has_others`` of the row ``r`` of ``records``."""
    main, part = _others_in("r", "'main'"), _others_in("p", "p.kind")
    quoting = f"coalesce(r.kind IN {texts(sorted(explanation.QUOTING_KINDS))}, FALSE)"
    inside = f"(len(r.parts) > 0 AND len(list_filter(r.parts, lambda p: {part})) > 0)"  # most have none: nothing is looked at
    return f"(r.parts IS NULL OR {quoting} OR {main} OR {inside})"


def _others_in(of: str, kind: str) -> str:
    free = " AND ".join(f"x.role IS DISTINCT FROM {text(role)}" for role in sorted(ROLES_WITHOUT_VETO))
    about = f"[{', '.join(map(text, sorted(explanation.ABOUT_OTHERS)))}]"
    return (
        f"({of}.parties IS NULL OR (len({of}.parties) > 0 AND len(list_filter({of}.parties, lambda x: {free})) > 0)"
        f" OR coalesce({kind} IN {texts(sorted(explanation.QUOTING))}, FALSE)"
        f" OR {of}.source_state IS DISTINCT FROM 'own'"
        f" OR (coalesce(len({of}.labels), 0) > 0 AND list_has_any({of}.labels, {about})))"
    )


OTHERS = _others()
"""Whether a row ``r`` of ``records`` has other people in it."""
_FRAGMENTS = {"facts": _facts(), "part": _part(), "others": OTHERS}
_NO_WORDS = "CASE WHEN p.content IS NULL THEN NULL ELSE '' END"
_BARE_FIELDS = {name: _NO_WORDS if name == "content" else _column("p", name) for name in PART_FIELDS}
_BARE_PART = ", ".join(f'"{name}" := {field}' for name, field in _BARE_FIELDS.items())
_COLUMNS = ", ".join(_column("r", name) for name in descriptor.FACTS if name != "parts")
_OPENINGS = f"""
SELECT
  c.subject AS account, c.leaf, c.shared, c.com, d.clause, d.policy_at_collection, d.policy_now, d.removed, d.outcome,
  r.ordinal, {_COLUMNS},
  list_transform(r.parts, lambda p: struct_pack({_BARE_PART})) AS parts,
  s.shape
FROM committed AS c
JOIN decisions AS d USING (ordinal)
JOIN records AS r USING (ordinal)
LEFT JOIN shapes AS s USING (ordinal)
ORDER BY c.ordinal
"""
_EVERYBODY = (
    "list_concat(list_transform(r.parties, lambda p: p.subject),"
    " flatten(list_transform(r.parts, lambda p: list_transform(p.parties, lambda q: q.subject))))"
)
_OPENED_TOO = f"""
SELECT
  r.subject AS account, r.ordinal, {_COLUMNS},
  list_transform(r.parts, lambda p: struct_pack({_BARE_PART})) AS parts
FROM decisions AS d
JOIN records AS r USING (ordinal)
WHERE d.outcome > 1 AND r.subject IS NOT NULL AND (d.reasons_lo & {{lo}}) = 0 AND (d.reasons_hi & {{hi}}) = 0 AND {OTHERS}
  AND NOT list_has_any({_EVERYBODY}, (SELECT coalesce(list(subject), []) FROM suppressed))
ORDER BY r.ordinal
"""
"""What an auditor needs to open a commitment and to judge again: facts, and of the words only their shape. Not where
somebody who was erased has a part: nobody is to be named again who is on that list."""


# --- all of them --------------------------------------------------------------------------------------------------


def map_subjects(
    engine: Engine, private: Path, folder: Path, index_key: bytes, release_salt: bytes, erased: int = 0
) -> manifest.Map:
    """Write the subject map of a release into ``folder``; memory stays flat in the number of accounts.

    Made again after somebody was erased (``erased`` accounts), their rows are not in it: the others are where they were.
    """
    folder.mkdir()
    with engine.connect() as con:
        _stated(con, private)
        accounts = _indexed(con, private, index_key)
        accounts += erased
        extra = subjectmap.dummies(accounts)
        bits = subjectmap.bits_for(accounts + extra)
        _strangers(con, index_key, salts_of(private, bits, release_salt), range(extra))
        digests = [_bucket(folder, prefix, rows) for prefix, rows in subjectmap.buckets(_rows(con), bits)]
        top = b"".join(digests)
        with disk.step("subjects"):
            disk.write(folder / "top.bin", top)
            disk.settle(folder)
        [(alone, shared)] = con.execute(
            "SELECT count(*) FILTER (NOT shared), count(*) FILTER (shared) FROM openings"
        ).fetchall()
        coms = con.sql("SELECT com FROM openings WHERE shared ORDER BY com").to_arrow_table()["com"]
    return manifest.Map(
        salt=release_salt.hex(),
        bits=bits,
        top_sha256=hashlib.sha256(top).hexdigest(),
        root=subjectmap.root(digests).hex(),
        shared_root=descriptor.sorted_root(writing.joined(coms)).hex(),
        accounts=accounts,
        alone=alone,
        shared=shared,
    )


def _bucket(folder: Path, prefix: int, rows: bytes) -> bytes:
    (folder / subjectmap.bucket_name(prefix)).write_bytes(rows)
    disk.settle(folder / subjectmap.bucket_name(prefix))
    return hashlib.sha256(rows).digest()


def _stated(con: duckdb.DuckDBPyConnection, private: Path) -> None:
    """The table ``stated``: for each account its rows and their root; and ``withheld``, the records that others may keep
    out. Most people have one row: its leaf is the root, and Python never sees it."""
    opened = writing.opened(private) or f"({_EMPTY})"
    gone = private / OPENINGS / "erased.parquet"
    shredded = (
        f" UNION ALL SELECT NULL, leaf, shared, com FROM read_parquet({text(str(gone))})" if gone.is_file() else ""
    )
    con.execute(f"CREATE TEMP VIEW openings AS SELECT account, leaf, shared, com FROM {opened}{shredded}")
    con.execute(_LEAVES_OF_EACH)
    con.execute(_STATED_ALONE)
    asked = con.cursor()  # reads while the connection writes
    found = asked.execute("SELECT subject, rows, leaves FROM leaves_of_each WHERE rows > 1")
    for block in iter(lambda: found.fetchmany(BATCH), []):
        con.register("_stated", _rooted(block))
        con.execute("INSERT INTO stated SELECT * FROM _stated")
        con.unregister("_stated")
    decisions, (lo, hi) = writing.decided(private), masks(OWN)
    con.execute(_NONE_WITHHELD if decisions is None else _WITHHELD.format(decisions=decisions, lo=lo, hi=hi))


def _rooted(block: Sequence[tuple[str, int, Sequence[bytes]]]) -> pa.Table:
    import pyarrow as pa

    roots = [merkle.node_hash(*leaves) if rows == 2 else merkle.root_of(leaves) for _, rows, leaves in block]
    return pa.table({
        "subject": pa.array([subject for subject, _, _ in block], pa.string()),
        "rows": pa.array([rows for _, rows, _ in block], pa.int64()),
        "records": pa.array(roots, pa.binary()),
    })  # fmt: skip


_EMPTY = "SELECT ''::VARCHAR AS account, ''::BLOB AS leaf, FALSE AS shared, ''::BLOB AS com WHERE FALSE"
_LEAVES_OF_EACH = """
CREATE TABLE leaves_of_each AS
SELECT account AS subject, count(*) AS rows, list(unhex(sha256('\x00'::BLOB || com)) ORDER BY com) AS leaves
FROM openings WHERE NOT shared AND account IS NOT NULL GROUP BY account
"""
"""``descriptor.records_root`` up to its leaves, which stand in the order of the commitments."""
_STATED_ALONE = """
CREATE TABLE stated AS SELECT subject, rows, leaves[1] AS records FROM leaves_of_each WHERE rows = 1
"""
_NONE_WITHHELD = "CREATE TEMP TABLE withheld AS SELECT ''::VARCHAR AS subject, 0::BIGINT AS records WHERE FALSE"
_WITHHELD = """
CREATE TEMP TABLE withheld AS
SELECT subject, count(*) AS records FROM {decisions}
WHERE shared AND subject IS NOT NULL AND (outcome < 2 OR (reasons_lo & {lo}) = 0 AND (reasons_hi & {hi}) = 0)
GROUP BY subject
"""
"""Records with other people in them that nothing of their own keeps out: the count depends on this person alone."""


def _indexed(con: duckdb.DuckDBPyConnection, private: Path, key: bytes) -> int:
    """The table ``accounts``: everybody in scope with what their row needs; returns how many."""
    keyed = writing.keyed_subject(con, "index", key)
    con.execute(_INDEXED.format(accounts=accounts(private / OPENINGS), keyed=keyed))
    [(count,)] = con.execute("SELECT count(*) FROM accounts").fetchall()
    return int(count)


_INDEXED = """
CREATE TABLE accounts AS
SELECT
  unhex({keyed}) AS place,
  unhex(sha256('aboveboard/map-encrypt/v1\x00'::BLOB || row_key)) AS encrypting,
  unhex(sha256('aboveboard/map-commit/v1\x00'::BLOB || row_key)) AS bound,
  coalesce(s.rows, 0) AS rows, coalesce(w.records, 0) AS withheld, s.records, unhex(a.person) AS person
FROM {accounts} AS a
LEFT JOIN stated AS s USING (subject)
LEFT JOIN withheld AS w USING (subject)
"""
"""``subjectmap.index_of`` and the keys of each row."""


SaltOf = Callable[[bytes], bytes]
"""The salt of the bucket in which an index stands."""


def salts_of(private: Path, bits: int, release_salt: bytes) -> SaltOf:
    """The salts of a map: that of its release, but for buckets that it took over from an earlier one."""
    kept = private / OPENINGS / SALTS
    if not kept.is_file():
        return lambda _: release_salt
    salts = kept.read_bytes()
    return lambda index: salts[32 * subjectmap.prefix_of(index, bits) :][:32]


def _strangers(con: duckdb.DuckDBPyConnection, key: bytes, salt_of: SaltOf, numbers: Iterable[int]) -> None:
    """The table ``strangers``: rows that belong to nobody."""
    import pyarrow as pa

    places = (subjectmap.dummy_index(key, number) for number in numbers)
    rows = [subjectmap.noise(key, salt_of(place), place) for place in places]
    con.register("_strangers", pa.table({"place": [row[: subjectmap.INDEX] for row in rows], "row": rows}))
    con.execute("CREATE TABLE strangers AS SELECT * FROM _strangers")
    con.unregister("_strangers")


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[bytes]:
    """Every row of the map, in its order."""
    pack, sealed, nothing = subjectmap.STATED.pack, subjectmap.sealed, merkle.EMPTY
    found = con.execute(_ORDERED)
    for block in iter(lambda: found.fetchmany(BATCH), []):
        for place, encrypting, bound, rows, withheld, records, person, ready in block:
            if ready is not None:
                yield ready
            else:
                yield sealed(encrypting, bound, place, pack(rows, withheld, records or nothing, person))


_ORDERED = """
SELECT *, NULL AS row FROM accounts
UNION ALL BY NAME SELECT place, row FROM strangers
ORDER BY place
"""
