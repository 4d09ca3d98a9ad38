"""Commits to every released record, and states to every account what of theirs is in a release.

``settle_accounts`` gives each account in scope its release key, ``commit`` makes the commitments of one judged shard with
what opens them, ``map_subjects`` makes the subject map from all of them. The bytes are those of ``descriptor`` and
``subjectmap``, which a test holds it to; what opens a commitment lies in the private part and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aboveboard import descriptor, disk, explanation, kernel, manifest, merkle, paths, steps, subjectmap, writing
from aboveboard.choice import Snapshot
from aboveboard.engine import Engine, Session, erased_in, people_tables
from aboveboard.errors import EngineError
from aboveboard.kernel import HASH
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
GROUP = 16_384
"""Rows of openings in a row group: what is not written yet lies in memory, and whoever looks for some rows reads less."""


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
    kept = paths.parquet(folder / ACCOUNTS)
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
    session.con.execute(f"CREATE OR REPLACE TEMP TABLE openers AS SELECT * FROM {paths.parquet(folder / ACCOUNTS)}")


def find_company(session: Session) -> None:
    """After ``judge``: which records of the shard somebody else is in, as the table ``peopled``."""
    _run(session, "company")


def commit(session: Session, file: Path) -> None:
    """After ``find_company`` and ``writing.lay``: write what opens the commitments of the shard's released rows."""
    compiled = kernel.there()
    told_from = ("hashed", "composites" if compiled else "situations", "peopled")
    session.forget(but=(*told_from, "decided", "endings"))  # what follows needs the room
    _keep_withheld(session, file.parent.parent / WITHHELD / file.name)
    session.forget(but=told_from)
    committed = _open_compiled(session, file) if compiled else _open(session, file)
    if session.count("hashed") != committed:  # INVARIANT: no row goes out that nobody can open
        raise EngineError(f"other rows were laid than {committed} that were committed to", hint="please report this")
    disk.settle(file)


def _open(session: Session, file: Path) -> int:
    """Commit to the rows of the shard in SQL, and write what opens the commitments; returns how many."""
    _run(session, "commit")
    session.load("shapes", _shapes(session.con))
    session.load("committed", _committed(session.con))
    session.forget(but=("hashed", "composites"))  # of the shard only what the openings are told from
    with session.in_line():
        return writing.copy_rows(session.con, _OPENED, file, GROUP, writing.QUICK)


def _open_compiled(session: Session, file: Path) -> int:
    """The same in one reading, where the kernel makes the commitments from what is being written."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    try:
        with session.in_line():
            reader = session.con.sql(_OPENED_COMPILED).to_arrow_reader(GROUP)
            packed = [name for name in _opened_schema(reader.schema).names if name not in _ALL_DIFFER]
            writing_to = pq.ParquetWriter(
                file, _opened_schema(reader.schema), compression="zstd", compression_level=1, use_dictionary=packed
            )
            with reader, writing_to as writer:  # nothing may be open where threads are given back
                for batch in reader:
                    writer.write_batch(_opened(batch, writer.schema), row_group_size=GROUP)
                    rows += len(batch)
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # its message may quote a row
        raise EngineError(
            f"writing `openings` failed: {type(error).__name__}",
            hint="make room on the disk, or give [engine] more memory",
        ) from None
    return rows


_ALL_DIFFER = ("leaf", "com", "record_id", "ordinal", "created_at")
"""Columns in which hardly a value comes twice: a dictionary of them would be looked for in vain."""


def _opened_schema(read: pa.Schema) -> pa.Schema:
    """The columns of openings, from those of what they are made from."""
    import pyarrow as pa

    kinds = {"com": pa.binary(), "shape": pa.string()}
    read_names = [name for name in read.names if name not in ("release_key", "person", "text", "parts")]
    names = [*read_names[:3], "com", *read_names[3:], "parts", "shape"]
    return pa.schema([(name, kinds[name] if name in kinds else read.field(name).type) for name in names])


def _opened(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of openings: without the words of parts and texts, with what commits to them."""
    import pyarrow as pa

    told, bare = _wordless(batch["parts"])
    facts = [told if name == "parts" else batch[name] for name in descriptor.FACTS]
    found = kernel.digests(COMMITMENT, [*facts, *(batch[name] for name in _MORE)])
    if found is None:
        raise EngineError("a row cannot be committed to", hint=f"set {kernel.OFF}=0, and please report this")
    com = pa.Array.from_buffers(pa.binary(HASH), len(batch), [None, pa.py_buffer(found)]).cast(pa.binary())
    shapes = [None if said is None else descriptor.shape(said) for said in batch["text"].to_pylist()]
    made = {"com": com, "shape": pa.array(shapes, pa.string()), "parts": bare}
    return pa.record_batch([made[name] if name in made else batch[name] for name in schema.names], schema)


def _wordless(parts: pa.ListArray) -> tuple[pa.ListArray, pa.ListArray]:
    """Parts as they are told, with a flag in the place of their words, and as they are kept, with empty words."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = parts.values
    said = values.field("content").is_valid()
    bare = pc.if_else(said, "", pa.scalar(None, pa.string()))
    names = [one.name for one in values.type]

    def again(content: pa.Array) -> pa.ListArray:
        fields = [content if name == "content" else values.field(name) for name in names]
        held = pa.StructArray.from_arrays(fields, names, mask=values.is_null())
        return pa.ListArray.from_arrays(parts.offsets, held, mask=parts.is_null())

    return again(said), again(bare)


def _keep_withheld(session: Session, file: Path) -> None:
    """Write the same of what stayed out because of others."""
    lo, hi = masks(OWN)
    with session.in_line():
        writing.copy_rows(session.con, _OPENED_TOO.format(lo=lo, hi=hi), file, GROUP, writing.QUICK)
    disk.settle(file)


def _run(session: Session, room: str) -> None:
    for step in steps.read(room):
        session.make(step.name, steps.fill(step.sql, _FRAGMENTS), step.kind)


def _shapes(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Of texts with other parts in them, only which letters are blank: enough to find the spans and judge again."""
    import pyarrow as pa

    rows = con.execute(_WITH_PARTS).fetchall()
    shapes = [None if said is None else descriptor.shape(said) for _, said in rows]
    return pa.table({"ordinal": pa.array([at for at, _ in rows], pa.int64()), "shape": pa.array(shapes, pa.string())})


_WITH_PARTS = """
SELECT ordinal, text FROM records
SEMI JOIN (SELECT ordinal FROM situations SEMI JOIN hashed USING (ordinal) WHERE len(parts) > 0) USING (ordinal)
"""


def _committed(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The commitment to each row, and whether anybody else is in it. What it is made from comes some thousands of rows at a
    time and never lies in a table."""
    import duckdb
    import pyarrow as pa

    try:
        batches = [_hashed(batch) for batch in con.sql("SELECT * FROM described").to_arrow_reader(BATCH)]
    except duckdb.Error as error:  # its message may quote a row
        raise EngineError(
            f"committing failed: {type(error).__name__}", hint="give [engine] more memory, or make room on the disk"
        ) from None
    schema = pa.schema({"ordinal": pa.int64(), "shared": pa.bool_(), "com": pa.binary()})
    return pa.Table.from_batches(batches, schema)


def _hashed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``descriptor.commitment`` of each row. Hashed here because OpenSSL uses what the processor has for SHA-256 and
    DuckDB does not: 4 ns a byte, which was a third of committing."""
    import pyarrow as pa

    sha256, domain = hashlib.sha256, descriptor.RECORD_DOMAIN
    columns = (batch[name].cast(pa.binary()).to_pylist() for name in ("salted", "head", "facts", "tail"))
    coms = [
        sha256(domain + sha256(salted).digest() + head + sha256(facts).hexdigest().encode() + tail).digest()
        for salted, head, facts, tail in zip(*columns, strict=True)
    ]
    return pa.record_batch(
        [batch["ordinal"], batch["shared"], pa.array(coms, pa.binary())], ["ordinal", "shared", "com"]
    )


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


HEAD = ("record_id", "source", "kind", "subject", "language", "created_at", "collected_at")
"""The facts that begin a record's: hardly two records have them all in common. ``parts`` end them, and what stands between
is told once for all records that share it (``steps/commit``)."""
LIKE = tuple(name for name in descriptor.FACTS if name not in (*HEAD, "parts"))


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


def _others_alone() -> str:
    """The same of a row whose lists are all empty."""
    quoting = f"coalesce(r.kind IN {texts(sorted(explanation.QUOTING_KINDS))}, FALSE)"
    return f"({quoting} OR r.source_state IS DISTINCT FROM 'own')"


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
_FRAGMENTS = {
    "part": _part(),
    "others": OTHERS,
    "others_alone": _others_alone(),
    "like": ", ".join(_net(_column("r", name), descriptor.FACTS[name]) for name in LIKE),
    "like_columns": ", ".join(f'"{name}"' for name in LIKE),
}
_NO_WORDS = "CASE WHEN p.content IS NULL THEN NULL ELSE '' END"
_BARE_FIELDS = {name: _NO_WORDS if name == "content" else _column("p", name) for name in PART_FIELDS}
_BARE_PART = ", ".join(f'"{name}" := {field}' for name, field in _BARE_FIELDS.items())
_LISTS = ("labels", "parties", "signals")
"""Of a record, what ``composites`` has at hand where they are not all empty: lists are slow to read from a file, and those of
its parts the more."""


def _fact(name: str) -> str:
    return f"CASE WHEN c.ordinal IS NULL THEN [] ELSE c.{name} END AS {name}" if name in _LISTS else _column("r", name)


_COLUMNS = ", ".join(_fact(name) for name in descriptor.FACTS if name != "parts")
_PARTS = f"CASE WHEN c.ordinal IS NULL THEN [] ELSE list_transform(c.parts, lambda p: struct_pack({_BARE_PART})) END AS parts"
_DECIDED = "h.clause, h.policy_at_collection, h.policy_now, h.removed, h.outcome"
_OPENED = f"""
SELECT h.subject AS account, h.leaf, m.shared, m.com, {_DECIDED}, r.ordinal, {_COLUMNS}, {_PARTS}, w.shape
FROM records AS r
JOIN hashed AS h ON h.ordinal = r.ordinal
JOIN committed AS m ON m.ordinal = r.ordinal
LEFT JOIN composites AS c ON c.ordinal = r.ordinal
LEFT JOIN shapes AS w ON w.ordinal = r.ordinal
"""
"""What an auditor needs to open a commitment and to judge again: facts, and of the words only their shape. Records come in
line (``Session.in_line``): those that owe something to others behind those that do not, both as they stand in the source."""
_MORE = ("leaf", "release_key", "person", "clause", "policy_at_collection", "policy_now")
"""What goes into a commitment beside the facts."""
_OPENED_COMPILED = f"""
SELECT
  h.subject AS account, h.leaf, o.ordinal IS NOT NULL AS shared, {_DECIDED},
  r.ordinal, {_COLUMNS},
  CASE WHEN c.ordinal IS NULL THEN [] ELSE c.parts END AS parts, CASE WHEN len(c.parts) > 0 THEN r.text END AS text,
  k.release_key, k.person
FROM records AS r
JOIN hashed AS h ON h.ordinal = r.ordinal
JOIN openers AS k ON k.subject = h.subject
LEFT JOIN composites AS c ON c.ordinal = r.ordinal
LEFT JOIN peopled AS o ON o.ordinal = r.ordinal
"""
"""What the same is made from, where the kernel makes the commitments."""


def _commitment() -> kernel.Recipe:
    """``descriptor.commitment`` of a row: its facts, its salt, and both with its lines."""
    net = {name: kernel.Net(at) for at, name in enumerate((*descriptor.FACTS, *_MORE))}
    leaf, key = (len(descriptor.FACTS) + at for at in range(2))
    facts = tuple(net[name] for name in descriptor.FACTS)
    salt = (descriptor.SALT_DOMAIN, kernel.Raw(key), kernel.Raw(leaf))
    lines: Mapping[str, kernel.Step] = {
        "source": net["source"], "record": net["record_id"], "kind": net["kind"], "row": kernel.Hex(leaf),
        "collected_under": net["policy_at_collection"], "judged_under": net["policy_now"], "clause": net["clause"],
        "facts": kernel.DigestHex(0), "person": net["person"], "created": net["created_at"], "collected": net["collected_at"],
    }  # fmt: skip
    document = (step for name, step in lines.items() for step in (f"{name} ".encode(), step, b"\n"))
    return facts, salt, (descriptor.RECORD_DOMAIN, kernel.Digest(1), *document)


COMMITMENT = _commitment()
_OPENED_TOO = f"""
SELECT
  r.subject AS account, r.ordinal, {_COLUMNS},
  {_PARTS}
FROM records AS r
SEMI JOIN (
  SELECT d.ordinal FROM decided AS d JOIN endings AS e USING (ending)
  WHERE e.outcome > 1 AND (e.reasons_lo & {{lo}}) = 0 AND (e.reasons_hi & {{hi}}) = 0
) AS d ON d.ordinal = r.ordinal
SEMI JOIN peopled AS o ON o.ordinal = r.ordinal
LEFT JOIN composites AS c ON c.ordinal = r.ordinal
WHERE r.subject IS NOT NULL
"""
"""The same of what stayed out, as far as it may have to be judged again."""


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
        coms = con.sql("SELECT com FROM openings WHERE shared ORDER BY com").to_arrow_reader(writing.HASHES)
        of_several, _ = merkle.root_over(b"".join(_leaves(batch["com"])) for batch in coms)
    return manifest.Map(
        salt=release_salt.hex(),
        bits=bits,
        top_sha256=hashlib.sha256(top).hexdigest(),
        root=subjectmap.root(digests).hex(),
        shared_root=of_several.hex(),
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
    out."""
    opened = writing.opened(private) or f"({_EMPTY})"
    gone = private / OPENINGS / "erased.parquet"
    shredded = f" UNION ALL SELECT NULL, shared, com FROM {paths.parquet(gone)}" if gone.is_file() else ""
    con.execute(f"CREATE TEMP VIEW openings AS SELECT account, shared, com FROM {opened}{shredded}")
    con.execute("CREATE TABLE stated (subject VARCHAR, rows BIGINT, records BLOB)")
    reading = con.cursor()  # reads while the connection writes
    each = _rooted(reading.sql(_OWN.format(opened=opened)))
    for block in iter(lambda: list(islice(each, BATCH)), []):
        con.register("_stated", _stated_table(block))
        con.execute("INSERT INTO stated SELECT * FROM _stated")
        con.unregister("_stated")
    decisions, (lo, hi) = writing.decided(private), masks(OWN)
    con.execute(_NONE_WITHHELD if decisions is None else _WITHHELD.format(decisions=decisions, lo=lo, hi=hi))


def _rooted(found: duckdb.DuckDBPyRelation) -> Iterator[tuple[str, int, bytes]]:
    """Each account with its rows and ``descriptor.records_root`` of them. Most people have one row or two: no tree is built."""
    batches = found.to_arrow_reader(BATCH)
    rows = chain.from_iterable(
        zip(batch["account"].to_pylist(), _leaves(batch["com"]), strict=True) for batch in batches
    )
    for account, own in groupby(rows, itemgetter(0)):
        leaves = [leaf for _, leaf in own]
        root = (
            leaves[0] if len(leaves) == 1 else merkle.node_hash(*leaves) if len(leaves) == 2 else merkle.root_of(leaves)
        )
        yield account, len(leaves), root


def _leaves(coms: pa.Array) -> list[bytes]:
    """``merkle.leaf_hash`` of each."""
    found = kernel.digests(_LEAF, [coms])
    if found is None:
        return [hashlib.sha256(b"\x00" + com).digest() for com in coms.to_pylist()]
    return [found[at : at + HASH] for at in range(0, len(found), HASH)]


_LEAF: kernel.Recipe = ((b"\x00", kernel.Raw(0)),)


def _stated_table(block: Sequence[tuple[str, int, bytes]]) -> pa.Table:
    import pyarrow as pa

    schema = {"subject": pa.string(), "rows": pa.int64(), "records": pa.binary()}
    return pa.table({n: pa.array(column, k) for (n, k), column in zip(schema.items(), zip(*block), strict=True)})  # noqa: B905


_EMPTY = "SELECT ''::VARCHAR AS account, FALSE AS shared, ''::BLOB AS com WHERE FALSE"
_OWN = "SELECT account, com FROM {opened} WHERE NOT shared AND account IS NOT NULL ORDER BY account, com"
_NONE_WITHHELD = "CREATE TEMP TABLE withheld AS SELECT ''::VARCHAR AS subject, 0::BIGINT AS records WHERE FALSE"
_WITHHELD = """
CREATE TEMP TABLE withheld AS
SELECT subject, count(*) AS records FROM {decisions}
WHERE shared AND subject IS NOT NULL AND (outcome < 2 OR (reasons_lo & {lo}) = 0 AND (reasons_hi & {hi}) = 0)
GROUP BY subject
"""
"""Records with other people in them that nothing of their own keeps out: the count depends on this person alone."""


def _indexed(con: duckdb.DuckDBPyConnection, private: Path, key: bytes) -> int:
    """The view ``accounts``: everybody in scope with what their row needs; returns how many. Read once, it is never held
    beside its order."""
    keyed, known = writing.keyed_subject(con, "index", key), accounts(private / OPENINGS)
    con.execute(_INDEXED.format(accounts=known, keyed=keyed))
    [(count,)] = con.execute(f"SELECT count(*) FROM {known}").fetchall()
    return int(count)


_INDEXED = """
CREATE TEMP VIEW accounts AS
SELECT
  unhex({keyed}) AS place, row_key AS key,
  coalesce(s.rows, 0) AS rows, coalesce(w.records, 0) AS withheld, s.records, unhex(a.person) AS person
FROM {accounts} AS a
LEFT JOIN stated AS s USING (subject)
LEFT JOIN withheld AS w USING (subject)
"""
"""``subjectmap.index_of`` of everybody, with what their row states and the key that seals it."""


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
    for batch in con.sql(_ORDERED).to_arrow_reader(BATCH):
        columns = (batch[name].to_pylist() for name in ("place", "rows", "withheld", "records", "person", "row"))
        for key, place, rows, withheld, records, person, ready in zip(_derived(batch["key"]), *columns, strict=True):
            if ready is not None:
                yield ready
            else:
                yield sealed(key, place, pack(rows, withheld, records or nothing, person))


def _derived(keys: pa.Array) -> list[subjectmap.Derived]:
    """What seals each row; those that need nothing (nobody's) have what no key would give."""
    filled = keys.fill_null(b"")
    found = kernel.digests(subjectmap.DERIVED, [filled], 2)
    if found is None:
        return [subjectmap.derived(key) for key in filled.to_pylist()]
    return [(found[at : at + HASH], found[at + HASH : at + 2 * HASH]) for at in range(0, len(found), 2 * HASH)]


_ORDERED = """
SELECT *, NULL::BLOB AS row FROM accounts
UNION ALL BY NAME SELECT place, row FROM strangers
ORDER BY place
"""
