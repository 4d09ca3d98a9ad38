"""What lies beside a shard says what the shard says: the lists of its records, of those that have anything in one.

Most records have nothing in their lists, which are slow to read; so a judgement reads them from there. Worlds hold the
records in which a list is empty, unknown or holds an unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import worlds
from aboveboard.engine import Engine
from aboveboard.errors import SourceError
from aboveboard.judgement import Judgement
from aboveboard.relate import relate
from aboveboard.sources import Staged, from_records
from aboveboard.sources.shards import Shards
from aboveboard.sources.staged import BESIDE_COLUMNS, beside_path

LISTS = ("labels", "signals", "parties", "parts")


def staged_in_small_shards(world: worlds.World, folder: Path) -> Staged:
    whole = from_records(world.records, folder / "whole", name="world")
    shards = Shards(folder, 97)
    shards.write(pq.read_table(whole.shards[0]))
    shards.close()
    return replace(whole, shards=tuple(shards.paths))


def test_beside_a_shard_are_the_lists_of_all_that_have_anything_in_one(tmp_path: Path) -> None:
    seen = set()
    shards = [s for seed in range(6) for s in staged_in_small_shards(worlds.make(seed), tmp_path / str(seed)).shards]
    for shard in shards:
        rows = pq.read_table(shard).to_pylist()
        told = [{name: row[name] for name in BESIDE_COLUMNS} for row in rows if any(row[n] != [] for n in LISTS)]
        assert pq.read_table(beside_path(shard)).to_pylist() == told
        seen |= {(name, row[name] is None) for row in told for name in LISTS if row[name] != []}
    assert seen == {(name, unknown) for name in LISTS for unknown in (True, False)}


@pytest.mark.parametrize("seed", range(4))
def test_judging_from_there_is_judging_the_shards(seed: int, tmp_path: Path) -> None:
    world, engine = worlds.make(seed), Engine(threads=1)
    staged = staged_in_small_shards(world, tmp_path)
    judged = Judgement(engine, relate([staged], tmp_path, engine), world.gate)
    from_beside = judged.sample(staged.rows)
    for shard in staged.shards:
        table = pq.read_table(shard)
        beside_path(shard).unlink()
        pq.write_table(table, shard)  # which says nothing of what lies beside it any more
    assert from_beside == judged.sample(staged.rows)
    assert len(from_beside) == staged.rows == len(world.records)
    assert len({decision.outcome for decision in from_beside}) > 2


def fewer(file: Path) -> None:
    pq.write_table(pq.read_table(file)[:-1], file)


def more(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table[:1]]), file)


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("done", [fewer, more, damaged, Path.unlink])
def test_what_is_lost_beside_a_shard_is_not_taken_as_nothing(done: Callable[[Path], object], tmp_path: Path) -> None:
    """A record that is missing there would count as one in which nobody has a part and nothing is signalled."""
    world, engine = worlds.make(1), Engine(threads=1)
    staged = staged_in_small_shards(world, tmp_path)
    related = relate([staged], tmp_path, engine)
    done(beside_path(staged.shards[-1]))
    with pytest.raises(SourceError, match="beside a shard") as found:
        Judgement(engine, related, world.gate).sample(staged.rows)
    assert found.value.context["file"] == beside_path(staged.shards[-1])
    with pytest.raises(SourceError, match="beside a shard"):
        relate([staged], tmp_path, engine)


def test_what_is_discarded_leaves_nothing_beside_it(tmp_path: Path) -> None:
    whole = from_records(worlds.make(0).records, tmp_path / "whole", name="world")
    shards = Shards(tmp_path, 97)
    shards.write(pq.read_table(whole.shards[0]))
    shards.discard()
    assert not list(tmp_path.glob("*.parquet"))
