"""The subject map of a rewritten release: buckets in which nothing changed keep their bytes, all others are sealed anew.

A bucket in which one row changes is sealed anew whole, every row of it under a key of its own for this release: of whoever
keeps both maps nobody learns more than that somebody among the hundreds in it said something. Rows of people who stay as
they are keep what they state, opened with their old key and sealed with the new one. What salts their commitments stays.
``commitments.map_subjects`` makes the same map from the openings, which an auditor does. Specification: docs/formats/map.md.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import commitments, descriptor, disk, manifest, merkle, reasons, subjectmap, writing
from aboveboard.errors import ReleaseError
from aboveboard.merkle import WIDTH

if TYPE_CHECKING:
    import duckdb

BATCH = 8_192


@dataclass(frozen=True)
class Sealing:
    """How the map is sealed: with which salt, into how many buckets, which of them anew, and the salt of each; how many
    accounts and strangers are in it; and what the release before stated of its map."""

    salt: bytes
    bits: int
    anew: frozenset[int]
    salts: bytes
    accounts: int
    strangers: int
    said: Mapping[str, Any]
    counts: Mapping[str, Any]

    def salt_of(self, index: bytes) -> bytes:
        return self.salts[32 * subjectmap.prefix_of(index, self.bits) :][:32]


def settle(
    con: duckdb.DuckDBPyConnection, opened: Path, said: Mapping[str, Any], counts: Mapping[str, Any], index_key: bytes,
    people: commitments.SubjectKeys,
) -> Sealing:  # fmt: skip
    """The table ``keyed``: every account with its place and its keys in this release.

    It reads ``was`` (the accounts before), ``known`` (those now) and ``fresh`` (whose row says something else).
    """
    salt = secrets.token_bytes(32)
    _place(con, index_key, people)
    [(accounts,)] = con.execute("SELECT count(*) FROM placed").fetchall()
    strangers = subjectmap.dummies(accounts)
    bits = subjectmap.bits_for(accounts + strangers)
    anew = _anew(con, said, counts, index_key, bits, strangers)
    con.execute("SET VARIABLE release_salt = ?", [salt])
    con.execute("CREATE TEMP TABLE anew_buckets AS SELECT unnest(?::BIGINT[]) AS bucket", [sorted(anew)])
    con.execute(_KEYED.format(down=32 - bits))
    before = commitments.salts_of(opened.parent, int(said["bits"]), bytes.fromhex(said["salt"]))
    salts = b"".join(salt if one in anew else before((one << 32 - bits).to_bytes(4, "big")) for one in range(1 << bits))
    return Sealing(salt, bits, frozenset(anew), salts, accounts, strangers, said, counts)


def _place(con: duckdb.DuckDBPyConnection, index_key: bytes, people: commitments.SubjectKeys) -> None:
    """The table ``placed``: everybody who has a key, with their place. Whose key was deleted is in no map any more."""
    new = con.sql("SELECT subject FROM known ANTI JOIN was USING (subject) ORDER BY subject").to_arrow_table()
    con.register("_keys", people.subject_keys(new))
    keyed = writing.keyed_subject(con, "index", index_key)
    con.execute(
        f"CREATE TEMP TABLE placed AS SELECT subject, person, key, {keyed} AS place FROM known JOIN _keys USING (subject)"
    )
    con.unregister("_keys")


def _anew(
    con: duckdb.DuckDBPyConnection, said: Mapping[str, Any], counts: Mapping[str, Any], index_key: bytes, bits: int,
    strangers: int,
) -> set[int]:  # fmt: skip
    """The buckets that are sealed anew."""
    [(was,)] = con.execute("SELECT count(*) FROM was").fetchall()
    if bits != said["bits"] or was != counts["accounts"]:
        return set(range(1 << bits))  # there are more buckets, or somebody was erased from who knows which of them
    keyed = writing.keyed_subject(con, "index", index_key)
    found = con.execute(
        "SELECT place FROM placed SEMI JOIN fresh USING (subject)"
        f" UNION ALL SELECT {keyed} FROM (SELECT subject FROM was ANTI JOIN placed USING (subject))"
    ).fetchall()
    before = subjectmap.dummies(was)
    places = [bytes.fromhex(place) for (place,) in found]
    places += [subjectmap.dummy_index(index_key, n) for n in range(min(before, strangers), max(before, strangers))]
    return {subjectmap.prefix_of(place, bits) for place in places}


_KEYED = """
CREATE TEMP TABLE keyed AS
SELECT
  subject, person, unhex(place) AS place, bucket, fresh, row_key AS was_key,
  CASE WHEN fresh THEN sealed ELSE release_key END AS release_key,
  CASE WHEN fresh OR bucket IN (FROM anew_buckets) THEN sealed ELSE row_key END AS row_key
FROM (
  SELECT
    p.*, w.release_key, w.row_key, f.subject IS NOT NULL AS fresh,
    CASE WHEN {down} = 32 THEN 0 ELSE CAST('0x' || substr(p.place, 1, 8) AS UBIGINT) >> {down} END::BIGINT AS bucket,
    unhex(sha256('aboveboard/release-key/v1\\x00'::BLOB || p.key || getvariable('release_salt'))) AS sealed
  FROM placed AS p LEFT JOIN was AS w USING (subject) LEFT JOIN fresh AS f USING (subject)
)
"""


def keep_accounts(con: duckdb.DuckDBPyConnection, sealing: Sealing, folder: Path) -> None:
    """Write the accounts of the release and the salts of its buckets into its openings."""
    kept = folder / commitments.ACCOUNTS
    writing.copy_rows(con, "SELECT subject, release_key, person, row_key FROM keyed ORDER BY subject", kept)
    disk.settle(kept)
    disk.write(folder / commitments.SALTS, sealing.salts, mode=0o600)


def reseal(
    con: duckdb.DuckDBPyConnection, sealing: Sealing, before: Path, private: Path, folder: Path, index_key: bytes
) -> manifest.Map:
    """Write the map into ``folder``, from the one ``before`` it; the rows that stay are those of ``private``."""
    top = (before / Path(manifest.MAP_TOP).name).read_bytes()
    digests = [top[at : at + WIDTH] for at in range(0, len(top), WIDTH)] if sealing.bits == sealing.said["bits"] else []
    digests = digests or [b""] * (1 << sealing.bits)
    with disk.step("subjects"):
        for bucket in set(range(1 << sealing.bits)) - sealing.anew:
            name = subjectmap.bucket_name(bucket)
            disk.link(before / name, folder / name)
        for bucket, rows in _buckets(con, sealing, before, index_key):
            disk.write(folder / subjectmap.bucket_name(bucket), rows)
            digests[bucket] = hashlib.sha256(rows).digest()
        top = b"".join(digests)
        disk.write(folder / Path(manifest.MAP_TOP).name, top)
        disk.settle(folder)
    return _stated_of(con, sealing, private, digests, top)


def _buckets(
    con: duckdb.DuckDBPyConnection, sealing: Sealing, before: Path, index_key: bytes
) -> Iterator[tuple[int, bytes]]:
    """The buckets that are sealed anew, ascending."""
    nobody: dict[int, list[bytes]] = defaultdict(list)
    for number in range(sealing.strangers):
        place = subjectmap.dummy_index(index_key, number)
        if (bucket := subjectmap.prefix_of(place, sealing.bits)) in sealing.anew:
            nobody[bucket].append(subjectmap.noise(index_key, sealing.salt, place))
    groups = groupby(_sealed(con, _Rows(before, int(sealing.said["bits"]))), key=lambda one: one[0])
    ahead = next(groups, None)
    for bucket in sorted(sealing.anew):
        rows = nobody[bucket]
        if ahead is not None and ahead[0] == bucket:
            rows += [row for _, row in ahead[1]]
            ahead = next(groups, None)
        yield bucket, b"".join(sorted(rows))


def _sealed(con: duckdb.DuckDBPyConnection, before: _Rows) -> Iterator[tuple[int, bytes]]:
    """The rows of accounts in these buckets, in their order, each with its bucket."""
    now, less = _stated_anew(con), _less(con)
    found = con.execute(_ORDERED)
    while block := found.fetchmany(BATCH):
        for subject, bucket, place, fresh, person, was_key, key in block:
            stated = None if was_key is None else subjectmap.opened(was_key, before.row(place))
            if fresh or stated is None:
                rows, root = now.get(subject, (0, merkle.EMPTY))
                shared = (0 if stated is None else stated.shared) - less[subject]
                stated = subjectmap.Stated(rows, shared, root, bytes.fromhex(person))
            yield bucket, subjectmap.seal(key, place, stated)


_ORDERED = """
SELECT subject, bucket, place, fresh, person, was_key, row_key FROM keyed
WHERE bucket IN (FROM anew_buckets) ORDER BY place
"""


def _stated_anew(con: duckdb.DuckDBPyConnection) -> Mapping[str, tuple[int, bytes]]:
    """Of everybody whose row says something else: how many rows are theirs alone, and the root over them."""
    found = con.execute(_ALONE).fetchall()
    return {subject: (len(coms), descriptor.sorted_root(b"".join(coms))) for subject, coms in found}


_ALONE = """
SELECT m.account, list(a.com ORDER BY a.com) FROM moved AS m JOIN anew AS a USING (leaf)
WHERE NOT m.leaves AND NOT m.shared AND m.account IN (SELECT subject FROM fresh) GROUP BY m.account
"""


def _less(con: duckdb.DuckDBPyConnection) -> Counter[str]:
    """How many records with other people in them something of a person's own keeps out now and did not before."""
    lo, hi = reasons.masks(reasons.OWN)
    return Counter(dict(con.execute(_KEPT_OUT.format(lo=lo, hi=hi)).fetchall()))


_KEPT_OUT = """
SELECT account, count(*) FROM (
  SELECT account, ends, reasons_lo, reasons_hi FROM moved WHERE shared AND leaves
  UNION ALL SELECT account, ends, reasons_lo, reasons_hi FROM out ANTI JOIN was_own USING (source, ordinal)
)
WHERE ends > 1 AND ((reasons_lo & {lo}) <> 0 OR (reasons_hi & {hi}) <> 0) GROUP BY account
"""


class _Rows:
    """The rows of the map before, one bucket at a time: they are asked for by ascending index."""

    def __init__(self, folder: Path, bits: int) -> None:
        self.folder, self.bits = folder, bits
        self.bucket, self.rows = -1, dict[bytes, bytes]()

    def row(self, index: bytes) -> bytes:
        bucket = subjectmap.prefix_of(index, self.bits)
        if bucket != self.bucket:
            data = (self.folder / subjectmap.bucket_name(bucket)).read_bytes()
            cut = (data[at : at + subjectmap.WIDTH] for at in range(0, len(data), subjectmap.WIDTH))
            self.bucket, self.rows = bucket, {row[: subjectmap.INDEX]: row for row in cut}
        try:
            return self.rows[index]
        except KeyError:
            raise ReleaseError(
                "the subject map of the release before is damaged", folder=self.folder, hint="bring it back"
            ) from None


def _stated_of(
    con: duckdb.DuckDBPyConnection, sealing: Sealing, private: Path, digests: Sequence[bytes], top: bytes
) -> manifest.Map:
    """What the release says of its map. What is of several people is counted again only where something of it changed."""
    alone, shared = sealing.counts["rows_of_one_person"], sealing.counts["rows_of_several"]
    [(one, several, told)] = con.execute(
        "SELECT count(*) FILTER (leaves AND NOT shared), count(*) FILTER (leaves AND shared), count(*) FILTER (shared)"
        " FROM moved"
    ).fetchall()
    [(orphans,)] = con.execute("SELECT count(*) FROM orphans").fetchall()
    root, opened = sealing.said["shared_root"], writing.opened(private)
    if orphans:
        [(alone, shared)] = con.execute(
            f"SELECT count(*) FILTER (NOT shared), count(*) FILTER (shared) FROM {opened}"
        ).fetchall()
        one = several = 0
    if told or orphans:
        coms = con.sql(f"SELECT com FROM {opened} WHERE shared ORDER BY com").to_arrow_table()["com"]
        root = descriptor.sorted_root(writing.joined(coms)).hex()
    return manifest.Map(
        salt=sealing.salt.hex(),
        bits=sealing.bits,
        top_sha256=hashlib.sha256(top).hexdigest(),
        root=subjectmap.root(digests).hex(),
        shared_root=root,
        accounts=sealing.accounts,
        alone=alone - one,
        shared=shared - several,
    )
