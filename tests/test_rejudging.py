"""Rows of openings are judged again by the engine as ``gate.decide`` judges them: one by one, or each case once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import worlds
from aboveboard import descriptor, mainjob, openings, rejudging, rewriting
from aboveboard.demo import make
from aboveboard.demo.tour import import_choices_of
from aboveboard.engine import Engine
from aboveboard.judgement import _decision
from aboveboard.record import Record
from aboveboard.sources.staged import resolved_table
from aboveboard.workspace import open_workspace, read_job


def openings_of(records: list[Record]) -> pa.Table:
    """The records as openings keep them: of words only the shape, and that only where there are other parts."""
    table = resolved_table(records)
    shapes = [None if one.text is None or not one.parts else descriptor.shape(one.text) for one in records]
    table = table.drop_columns(["text"]).append_column("shape", pa.array(shapes, pa.string()))
    return table.append_column("place", pa.array(range(len(records)), pa.int64()))


@pytest.mark.parametrize("seed", range(10))
def test_openings_are_judged_as_decide_judges_them(seed: int, tmp_path: Path) -> None:
    """Whoever is in a row, whatever the rules, with undertakings, lists and erased people."""
    world = worlds.make(seed)
    rows = openings_of(list(world.records))
    expected = [world.gate.decide(openings.judged(row)) for row in rows.to_pylist()]
    pq.write_table(rows, tmp_path / "rows.parquet")
    relation = f"read_parquet('{tmp_path / 'rows.parquet'}')"
    with rejudging.sitting(Engine(threads=1), world.gate, relation) as session:
        found = rejudging.judge(session, rows).to_arrow_table().to_pylist()
    decided = {row["place"]: _decision(row) for row in found}
    assert [decided[place] for place in range(len(expected))] == expected
    assert len({one.outcome for one in expected}) > 2


@pytest.fixture(scope="module")
def other_rules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A release of the birdsite, and a policy that changed since: it allows training on nothing but posts."""
    folder = tmp_path_factory.mktemp("rules") / "birdsite"
    make(folder)
    ws = open_workspace(folder)
    import_choices_of(ws)
    made = mainjob.build(ws, read_job(folder / "jobs" / "feed-writer.toml"))
    ws.ledger.close()
    policy = folder / "policies" / "birdsite" / "2023-09-29" / "policy.toml"
    said = policy.read_text()
    policy.write_text(
        said.replace('control = "ai-training"', 'control = "ai-training"\nwhen = { eq = ["record.kind", "post"] }')
    )
    assert policy.read_text() != said
    ws = open_workspace(folder)
    yield ws, made
    ws.ledger.close()


def looked_at(ws: Any, made: Any, few: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a rewriting finds out, where more rows of a file than ``few`` are judged by the engine."""
    from contextlib import ExitStack

    monkeypatch.setattr(rewriting, "FEW", few)
    with ExitStack() as stack:
        hand, gate, _ = mainjob.rewriting_of(ws, made.public, stack, clock=lambda: made.manifest.as_of)
        rewriter = hand(gate())
        considered = rewriter.considered()
        tables = [
            rewriter.con.sql(f"FROM {name} ORDER BY source, ordinal").fetchall() for name in ("moved", "out", "stays")
        ]
        return considered, tables, rewriter.left


def test_a_rewriting_by_the_engine_is_one_by_decide(other_rules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, made = other_rules
    by_engine, by_decide = (looked_at(ws, made, few, monkeypatch) for few in (0, 10**9))
    assert by_engine == by_decide
    considered, (moved, out, _), _ = by_engine
    assert considered.rules
    assert 0 < considered.leaving < considered.rows
    assert considered.judged > considered.rows
    assert moved
    assert out
