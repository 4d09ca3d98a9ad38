"""The commitments that SQL makes are those of ``descriptor`` and ``subjectmap``, on worlds and on a whole release; and
nothing that a person is told depends on what another chose.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

import worlds
from aboveboard import choice, commitments, descriptor, reasons, redaction, steps, subjectmap, suppression, writing
from aboveboard.casefile import NO_KEY
from aboveboard.choice import Event, Facts
from aboveboard.engine import Engine
from aboveboard.errors import VerificationError
from aboveboard.explanation import has_others
from aboveboard.gate import Gate
from aboveboard.reasons import Outcome
from aboveboard.record import Part, Party, Record, Signal
from aboveboard.sources import resolved_table

WORLDS = 60 if os.environ.get("CI") else 12

ODD = (
    Record("1", parts=None, subject=None, language=None, collected_at=None, created_at=None, licence="l:ü"),
    Record("2", main=Part(parties=None, labels=None, categories=None, signals=None, source_state=None)),
    Record("3", parts=(Part(kind=None, parties=(Party(None, None),), signals=(Signal(None),), place=None, start=3, end=9,
                            content="x"),)),
    Record("4,5:", kind="post\nrow 3:", parts=(Part(kind="geotag", labels=("a", None), categories=()),)),
    Record("6", main=Part(parties=(Party("u", "exporter"),))),
    Record("7", main=Part(parties=(Party("u", None),))),
    Record("8", main=Part(labels=("unidentified_person",))),
    Record("9", kind="repost"), Record("10", kind=None),
    Record("11", parts=(Part(kind="mention", parties=()),)),
)  # fmt: skip


def told_by_sql(records: Sequence[Record]) -> list[tuple[bytes, bool]]:
    with Engine(threads=1).connect() as con:
        con.register("records", resolved_table([replace(r, ordinal=n) for n, r in enumerate(records)]))
        bare = " AND ".join(f"len({name}) = 0" for name in ("labels", "signals", "parties", "parts"))
        con.execute(f"CREATE VIEW situations AS SELECT *, NOT coalesce({bare}, FALSE) AS composed FROM records")
        con.execute(
            "CREATE VIEW hashed AS SELECT *, ''::BLOB AS leaf, '' AS clause, '' AS policy_at_collection, '' AS policy_now,"
            " NULL AS removed, 0 AS outcome FROM records"
        )
        for step in (*steps.read("company"), *steps.read("commit")[:3]):
            con.execute(f"CREATE {step.kind} {step.name} AS {steps.fill(step.sql, commitments._FRAGMENTS)}")
        return con.execute("SELECT encode(facts), shared FROM facts_told ORDER BY ordinal").fetchall()


@pytest.mark.parametrize("seed", range(WORLDS))
def test_facts_and_company_in_sql_are_those_of_the_readable_form(seed: int) -> None:
    records = [*worlds.make(seed).records, *ODD]
    expected = [(descriptor.facts(record), has_others(record)) for record in records]
    assert told_by_sql(records) == expected


@pytest.mark.parametrize(
    "text", ["", "a b\tc\n", "\u3042\u3000\u3044 x", "caf\u00e9 \u00a0au lait", "\U0001f600 \u200b!", "\x1c\x85"]
)
def test_a_shape_keeps_length_and_blanks_and_nothing_else(text: str) -> None:
    expected = "".join(" " if letter in redaction.BLANK else "x" for letter in text)
    assert descriptor.shape(text) == expected


def test_hashes_of_a_slice_are_those_of_its_rows() -> None:
    hashes = [bytes([n]) * 32 for n in range(8)]
    column = pa.array(hashes, pa.binary())
    chunked = pa.chunked_array([column.slice(1, 2), column.slice(0, 0), column.slice(5, 3)])
    assert writing.joined(column.slice(2, 3)) == b"".join(hashes[2:5])
    assert writing.joined(chunked) == b"".join([*hashes[1:3], *hashes[5:]])
    assert writing.joined(column.slice(8)) == writing.joined(pa.chunked_array([], pa.binary())) == b""


def test_rows_come_in_line_and_the_settings_are_put_back() -> None:
    world = worlds.make(0)
    settings = "SELECT current_setting('threads'), current_setting('disabled_optimizers')"
    with Engine(threads=2).sit(world.gate, [], ()) as session:
        before = session.con.execute(settings).fetchall()
        session.con.execute("CREATE TEMP TABLE wide AS SELECT (i * 7919) % 500_009 AS n FROM range(500_000) AS r(i)")
        session.con.execute("CREATE TEMP TABLE narrow AS SELECT n FROM wide WHERE n % 3 = 0 ORDER BY n")
        with session.in_line():
            said = session.con.execute("SELECT w.n FROM wide AS w JOIN narrow AS x ON x.n = w.n").fetchall()
            stands = session.con.execute("SELECT n FROM wide WHERE n % 3 = 0").fetchall()
        with pytest.raises(duckdb.Error), session.in_line():
            session.con.execute("SELECT error('as a full disk would')")
        assert said == stands
        assert session.con.execute(settings).fetchall() == before


def test_facts_that_differ_are_told_apart() -> None:
    plain = Record("1", subject="u1", parts=(Part(kind="geotag"),))
    others = [
        replace(plain, subject="u2"), replace(plain, kind="reply"), replace(plain, parts=()), replace(plain, parts=None),
        replace(plain, parts=(Part(kind="geotag", content="here"),)), replace(plain, language=""),
        replace(plain, main=replace(plain.main, audience_now="private")), replace(plain, origin="crawled"),
        replace(plain, main=replace(plain.main, parties=(Party("a", "author"),))),
        replace(plain, created_at=datetime(2020, 1, 1, 0, 0, 0, 1, UTC)),
    ]  # fmt: skip
    assert len({descriptor.facts(record) for record in (plain, *others)}) == 1 + len(others)
    words = replace(plain, main=replace(plain.main, content="other words"))
    assert descriptor.facts(words) == descriptor.facts(plain)


class Keys:
    def subject_keys(self, subjects: pa.Table) -> pa.Table:
        names = subjects["subject"].to_pylist()
        return pa.table({"subject": names, "key": pa.array([key_of(name) for name in names], pa.binary())})


def key_of(subject: str) -> bytes:
    return random.Random(subject).randbytes(32)


@pytest.mark.parametrize("seed", range(0, WORLDS, 3))
def test_people_in_sql_are_those_of_the_readable_form(seed: int, tmp_path) -> None:
    import pyarrow.parquet as pq

    world = worlds.make(seed)
    people = world.gate.snapshot
    salt = bytes(range(32))
    commitments.settle_accounts(
        Engine(threads=1), people, "SELECT 'nobody said' AS subject UNION ALL SELECT NULL", Keys(), salt, tmp_path
    )
    rows = {row["subject"]: row for row in pq.read_table(tmp_path / commitments.ACCOUNTS).to_pylist()}
    known_here = {subject for subject in (*people.events, *people.facts) if not people.suppressions.holds(subject)}
    assert set(rows) == {*known_here, "nobody said"}
    for subject, row in rows.items():
        known = descriptor.person(people.events_of(subject), people.facts_of(subject))
        assert row["person"] == descriptor.person_digest(known).hex()
        assert row["release_key"] == descriptor.release_key(key_of(subject), salt)


# --- the map ------------------------------------------------------------------------------------------------------

KEY = bytes(range(32))
STATED = subjectmap.Stated(3, 1, b"r" * 32, b"p" * 32)


def test_a_row_opens_with_its_own_key_and_with_no_other() -> None:
    index = subjectmap.index_of(KEY, "u:42")
    row = subjectmap.seal(b"k" * 32, index, STATED)
    assert len(row) == subjectmap.WIDTH
    assert subjectmap.opened(b"k" * 32, row) == STATED
    with pytest.raises(VerificationError, match="another key"):
        subjectmap.opened(b"x" * 32, row)
    for at in range(len(row)):
        bent = bytearray(row)
        bent[at] ^= 1
        with pytest.raises(VerificationError):
            subjectmap.opened(b"k" * 32, bytes(bent))


@pytest.mark.parametrize("accounts", [0, 1, 600, 5_000])
def test_everybody_is_found_once_in_the_bucket_of_their_prefix(accounts: int) -> None:
    indexes = [subjectmap.index_of(KEY, f"u{n}") for n in range(accounts)]
    extra = subjectmap.dummies(accounts)
    rows = [subjectmap.seal(b"k" * 32, index, STATED) for index in indexes]
    rows += [subjectmap.dummy(KEY, b"s" * 32, n) for n in range(extra)]
    bits = subjectmap.bits_for(len(rows))
    made = list(subjectmap.buckets(sorted(rows), bits))
    assert [prefix for prefix, _ in made] == list(range(1 << bits))
    assert sum(len(held) for _, held in made) == len(rows) * subjectmap.WIDTH
    assert bits == 0 or all(256 * subjectmap.WIDTH <= len(held) <= 1_250 * subjectmap.WIDTH for _, held in made)
    for index in indexes[:50]:
        bucket = made[subjectmap.prefix_of(index, bits)][1]
        assert subjectmap.opened(b"k" * 32, subjectmap.found(bucket, index, bits)) == STATED


def test_a_bucket_that_hides_repeats_or_borrows_is_refused() -> None:
    indexes = sorted(subjectmap.index_of(KEY, f"u{n}") for n in range(4_000))
    rows = [subjectmap.seal(b"k" * 32, index, STATED) for index in indexes]
    bits = subjectmap.bits_for(len(rows))
    bucket = dict(subjectmap.buckets(rows, bits))[0]
    index, width = indexes[1], subjectmap.WIDTH
    subjectmap.found(bucket, index, bits)
    bad = {
        "torn": bucket[:-1],
        "out of order": bucket[:width] * 2 + bucket[width:],
        "not in the map": bucket[:width] + bucket[2 * width :],
        "of another": bucket + rows[-1],
    }
    for match, data in bad.items():
        with pytest.raises(VerificationError, match=match):
            subjectmap.found(data, index, bits)


def test_rows_that_belong_to_nobody_look_like_rows_and_stay_where_they_are() -> None:
    one, other = (subjectmap.dummy(KEY, salt * 32, 7) for salt in (b"a", b"b"))
    assert len(one) == subjectmap.WIDTH
    assert one[:32] == other[:32]
    assert one[32:] != other[32:]


@pytest.mark.parametrize("begin", [0, 1, 250, 8_000, 1_000_000])
def test_how_many_rows_there_are_tells_the_number_of_accounts_only_roughly(begin: int) -> None:
    sizes: dict[int, int] = {}
    for accounts in range(begin, begin + 5_000):
        extra = subjectmap.dummies(accounts)
        step = max(512, (1 << accounts.bit_length()) // 16)
        assert step // 2 <= extra < step // 2 + step
        sizes[accounts + extra] = sizes.get(accounts + extra, 0) + 1
    assert len(sizes) <= 5_000 // 512 + 2


# --- what a person is told -----------------------------------------------------------------------------------------


def told(gate: Gate, records: Sequence[Record], subject: str) -> list[object]:
    """What the map and a capsule rest on for one person: the decisions of what is theirs alone, and which of their
    records others may keep out."""
    found: list[object] = []
    for record in records:
        if record.subject == subject:
            decision = gate.decide(record)
            if not has_others(record):
                found.append(decision)
            elif decision.outcome in (Outcome.PERMIT, Outcome.REDACT) or not decision.codes & reasons.OWN:
                found.append(record.id)
    return found


@pytest.mark.parametrize("seed", range(WORLDS))
def test_what_a_person_is_told_does_not_depend_on_what_others_chose(seed: int) -> None:
    world = worlds.make(seed)
    gate, people = world.gate, world.gate.snapshot
    subjects = sorted({record.subject for record in world.records if record.subject})
    rng = random.Random(seed)
    for subject in rng.sample(subjects, min(6, len(subjects))):
        flipped = choice.People(
            {s: said if s == subject else [*said, *_flip(s, gate)] for s, said in people.events.items()},
            {s: known if s == subject else [_other(one) for one in known] for s, known in people.facts.items()},
            people.position,
            suppression.of(NO_KEY, [s for s in subjects if people.suppressions.holds(s) == (s == subject)]),
        )
        after = replace(gate, snapshot=flipped)
        assert told(after, world.records, subject) == told(gate, world.records, subject)


def _flip(subject: str, gate: Gate) -> list[Event]:
    kind = "withdrawn" if len(subject) % 2 else "given"
    at = gate.as_of
    return [
        Event(subject=subject, type=kind, recorded_at=at, effective_at=at, past_from=datetime(1990, 1, 1, tzinfo=UTC))
    ]


def _other(one: Facts) -> Facts:
    return replace(one, state="suspended" if one.state == "active" else "active", age_band="child", residency="US-TX")
