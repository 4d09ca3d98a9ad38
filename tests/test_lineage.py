"""What was trained on what: recorded once, in the log and the ledger together; who saw whom is told exactly where it can be."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import small
from aboveboard import affected, disk, flags, lineage, mainjob, notices, release, training, verification
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import AboveboardError, LineageError, ReleaseError, VerificationError
from aboveboard.lineage import Arrow, Checkpoint, Graph
from aboveboard.log import audit
from aboveboard.proof import Trust
from aboveboard.workspace import Workspace, open_workspace, read_job

if TYPE_CHECKING:
    from tests.conftest import Built

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "formats" / "lineage.md"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sha(word: str) -> str:
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


# --- the graph ------------------------------------------------------------------------------------------------------


def arrows(*pairs: str) -> list[Arrow]:
    return [Arrow(*pair.split("<")[::-1], "trained") for pair in pairs]


def test_everything_below_and_above() -> None:
    graph = Graph(arrows("r<o", "o<run", "run<m", "m<n", "x<n", "n<z", "r<r2"))
    assert set(graph.below("r")) == {"o", "run", "m", "n", "z", "r2"}
    assert list(graph.below("m")) == ["n", "z"]
    assert graph.below("z") == {}
    assert graph.above("n") == {"m", "run", "o", "r", "x"}


def test_a_circle_is_named() -> None:
    with pytest.raises(LineageError, match="a < c < b < a"):
        Graph(arrows("a<b", "b<c", "c<a", "c<d"))
    with pytest.raises(LineageError, match="a < a"):
        Graph(arrows("a<a"))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
@settings(max_examples=200, deadline=None)
def test_following_all_arrows_is_the_transitive_closure(pairs: Sequence[tuple[int, int]]) -> None:
    """Against a closure made by squaring: of graphs without circles, made so by letting arrows lead from low to high."""
    edges = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    graph = Graph(Arrow(str(high), str(low), "") for low, high in edges)
    reach = set(edges)
    while more := {(a, d) for a, b in reach for c, d in reach if b == c} - reach:
        reach |= more
    for name in map(str, range(9)):
        assert set(graph.below(name)) == {str(b) for a, b in reach if str(a) == name}
        assert graph.above(name) == {str(a) for a, b in reach if str(b) == name}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_graph_is_refused_where_something_reaches_itself_and_nowhere_else(pairs: Sequence[tuple[int, int]]) -> None:
    reach = set(pairs)
    while more := {(a, d) for a, b in reach for c, d in reach if b == c} - reach:
        reach |= more
    circles = any(a == b for a, b in reach)
    try:
        order = Graph([Arrow(str(b), str(a), "") for a, b in set(pairs)]).ordered()
        assert not circles
        assert all(order.index(str(a)) < order.index(str(b)) for a, b in pairs)
    except LineageError:
        assert circles


# --- checkpoints ----------------------------------------------------------------------------------------------------


def chain(*places: tuple[int, int]) -> list[Checkpoint]:
    made: list[Checkpoint] = []
    for shard, step in places:
        state = sha(f"{shard}/{step}").removeprefix("sha256:")
        made.append(Checkpoint(shard, step, state, made[-1].digest if made else None))
    return made


def test_checkpoints_name_the_line_before() -> None:
    made = chain((0, 500), (0, 1000), (1, 500))
    assert list(lineage.checkpoints(one.line for one in made)) == made
    spaced = [json.dumps(json.loads(one.line), indent=None, separators=(" ,  ", " : ")) for one in made]
    assert list(lineage.checkpoints(spaced)) == made


BENT = {
    "one is missing": lambda c: [c[0], c[2]],
    "two are swapped": lambda c: [c[1], c[0], c[2]],
    "a state is another": lambda c: [c[0], replace(c[1], state="0" * 64), c[2]],
    "a step goes back": lambda c: [*c, replace(c[1], prev=c[2].digest)],
    "the first names one": lambda c: c[1:],
}


@pytest.mark.parametrize("bent", BENT)
def test_a_chain_that_was_bent_is_refused_with_its_line(bent: str) -> None:
    made = BENT[bent](chain((0, 500), (0, 1000), (1, 500)))
    with pytest.raises(LineageError, match=r"line \d"):
        list(lineage.checkpoints(one.line for one in made))


@pytest.mark.parametrize(
    "line", ["", "[]", '{"shard":0}', '{"shard":true,"step":1,"state":"sha256:00","prev":null}', "{", '"x"', "null",
             '{"shard":0,"step":1.5,"state":"' + sha("x") + '","prev":null}',
             '{"shard":0,"step":-1,"state":"' + sha("x") + '","prev":null}',
             '{"shard":0,"step":1,"state":"' + sha("x") + '","prev":null,"who":"u1"}'],
)  # fmt: skip
def test_lines_that_are_no_checkpoint(line: str) -> None:
    with pytest.raises(LineageError, match="line 1"):
        list(lineage.checkpoints([line]))


# --- a platform -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("lineage") / "platform")
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "platform"))


@pytest.fixture
def ws(folder: Path) -> Any:
    found = open_workspace(folder)
    yield found
    found.ledger.close()


def name_of(folder: Path) -> str:
    return release.published(folder / "releases")[0].name


def rows(folder: Path) -> list[Mapping[str, Any]]:
    """Every released row of the first release, with whose it is and its commitment, in the order of the records."""
    found = [row for file in sorted((folder / "private" / name_of(folder) / "openings" / "records").glob("*.parquet"))
             for row in pq.read_table(file, columns=["account", "com", "leaf", "record_id"]).to_pylist()]  # fmt: skip
    return sorted(found, key=lambda row: int(row["record_id"][1:]))


def write_order(file: Path, coms: Sequence[bytes | None], shards: int = 1, per_step: int = 10) -> Path:
    """An order that deals rows out to shards in turn, some to a step."""
    table = pa.table({
        "position": pa.array(range(len(coms)), pa.int64()),
        "shard": pa.array([n % shards for n in range(len(coms))], pa.int32()),
        "step": pa.array([n // shards // per_step for n in range(len(coms))], pa.int64()),
        "com": pa.array(coms, pa.binary()),
    })  # fmt: skip
    pq.write_table(table, file)
    return file


def line(kind: str, **said: Any) -> dict[str, Any]:
    return {"kind": kind, **{name.rstrip("_"): value for name, value in said.items()}}


def trained(ws: Workspace, tmp_path: Path, *, only: Sequence[str] = ()) -> None:
    """An order over the rows of some people (or all), two shards, a run with checkpoints, and models made from them."""
    mine = [row["com"] for row in rows(ws.folder) if not only or row["account"] in only]
    made = training.order(ws, name_of(ws.folder), [write_order(tmp_path / "o.parquet", mine, 2, 5)], {"id": "order"})
    assert made.new
    training.record(ws, [line("run", id="run", from_=["order"])])
    for shard in (0, 1):
        for step in (0, 1, 2):
            training.saved(ws, "run", shard, step, sha(f"{shard}/{step}").removeprefix("sha256:"))
    training.record(ws, [
        line("model", id="whole", digest=sha("whole"), from_=["run"]),
        line("model", id="early", digest=sha("early"), from_=["run/0/0"]),
        line("model", id="child", digest=sha("child"), from_=[{"id": "whole", "how": "finetune"}]),
        line("alias", id="feed", model="child"),
    ])  # fmt: skip


def statements(ws: Workspace, kind: str) -> list[Any]:
    found = audit(ws.log_folder, ws.log.checkpoint(), [ws.signer("log").key])
    assert not found.problems
    return [json.loads(ws.log.statement(one.digest)) for one in ws.ledger.entries_of(kind)]


def test_what_is_recorded_stands_in_the_log_and_in_the_ledger(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    [order], [run], models = (statements(ws, kind) for kind in lineage.STATEMENTS)
    assert order["predicate"]["release"] == name_of(ws.folder)
    assert order["predicate"]["positions"] == {"about": 100}
    assert order["subject"][0]["digest"]["sha256"] == hashlib.sha256((tmp_path / "o.parquet").read_bytes()).hexdigest()
    assert run["predicate"]["from"][0]["id"] == "order"
    assert [one["subject"][0]["name"] for one in models] == ["whole", "early", "child"]
    assert models[2]["predicate"]["from"] == [
        {"id": "whole", "kind": "model", "how": "finetune", "sha256": sha("whole").removeprefix("sha256:")}
    ]
    people = {f"u{n}" for n in range(12)}
    for one in (order, run, *models):
        assert not people & set(lineage.words_in(one))


def test_the_same_again_is_once(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    entries = len(ws.ledger.entries())
    made = training.order(ws, name_of(ws.folder), [tmp_path / "o.parquet"], {"id": "order"})
    again = training.record(ws, [line("run", id="run", from_=["order"]), line("alias", id="feed", model="child"),
                                 line("model", id="whole", digest=sha("whole"), from_=["run"])])  # fmt: skip
    assert not any(one.new for one in (made, *again))
    assert not training.saved(ws, "run", 0, 1, sha("0/1").removeprefix("sha256:")).new
    assert len(ws.ledger.entries()) == entries


def test_checkpoints_recorded_one_by_one_are_the_chain_of_the_file(ws: Workspace, tmp_path: Path) -> None:
    training.record(ws, [line("run", id="run", from_=[name_of(ws.folder)])])
    made = chain((0, 1), (0, 2), (1, 1))
    for one in made[:2]:
        training.saved(ws, "run", one.shard, one.step, one.state)
    file = tmp_path / "checkpoints.jsonl"
    file.write_bytes(b"".join(one.line + b"\n" for one in made))
    assert [one.new for one in training.checkpoints(ws, "run", file)] == [False, False, True]
    with pytest.raises(LineageError, match="not behind"):
        training.saved(ws, "run", 0, 0, made[0].state)


WRONG = {
    "a known name that says something else": (line("model", id="whole", digest=sha("x"), from_=["run"]), "something else"),
    "from nothing that is there": (line("model", id="m", digest=sha("x"), from_=["rum"]), "nothing is recorded as `rum`"),
    "from nothing": (line("model", id="m", digest=sha("x")), "made from something"),
    "from itself": (line("model", id="m", digest=sha("x"), from_=[{"id": "m", "how": "merge"}]), "m < m"),
    "a model, and not how": (line("model", id="m", digest=sha("x"), from_=["whole"]), "how was it made"),
    "how, of a run": (line("model", id="m", digest=sha("x"), from_=[{"id": "run", "how": "merge"}]), "not said of the run"),
    "no known how": (line("model", id="m", digest=sha("x"), from_=[{"id": "whole", "how": "magic"}]), "unknown relation"),
    "no digest": (line("model", id="m", digest="abc", from_=["run"]), "no digest"),
    "no name": (line("model", digest=sha("x"), from_=["run"]), "a name and a digest"),
    "a name that cannot be shown": (line("model", id="a\x1b[2J", digest=sha("x"), from_=["run"]), "cannot be a name"),
    "a kind that is none": (line("modell", id="m"), "unknown kind"),
    "a field that is none": (line("model", id="m", digest=sha("x"), form=["run"]), "unknown field"),
    "others made it, from ours": (line("model", id="m", digest=sha("x"), from_=["run"], ours=False), "not ours"),
    "an alias of a run": (line("alias", id="a", model="run"), "no model"),
    "retrained by nobody": (line("state", model="whole", state="retrained"), "took the place of"),
    "retrained by itself": (line("state", model="whole", state="retrained", by="whole"), "took the place of"),
    "no such state": (line("state", model="whole", state="gone"), "unknown state"),
    "a run that follows nothing": (line("run", from_=["whole"]), "follows an order"),
    "a checkpoint of a model": (line("checkpoint", id="c", from_=["whole"], shard=0, step=0, prev=None), "not made from"),
    "the id of a person": (line("run", from_=["order"], environment={"node": "u3"}), "ids of people"),
    "the id of a person as a name": (line("model", id="u3", digest=sha("x"), from_=["run"]), "ids of people"),
    "a number without a form": (line("run", from_=["order"], hyperparameters={"rate": float("nan")}), "canonical JSON"),
    "hyperparameters that are a list": (line("run", from_=["order"], hyperparameters=[1]), "no JSON object"),
    "too much": (line("run", from_=["order"], hyperparameters={"x": "y" * 70_000}), "no JSON object of at most"),
}  # fmt: skip


def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    with ws.ledger.lineage() as held:
        before = (held.nodes(), held.arrows(), held.states(), held.aliases(), ws.ledger.entries())
    for why, (said, match) in WRONG.items():
        fine = line("model", id="fine", digest=sha("fine"), from_=["run"])
        with pytest.raises(AboveboardError) as raised:
            training.record(ws, [fine, said])
        assert match in str(raised.value), why
    with ws.ledger.lineage() as held:
        assert (held.nodes(), held.arrows(), held.states(), held.aliases(), ws.ledger.entries()) == before


def test_the_id_of_a_release_names_nothing_else(ws: Workspace) -> None:
    name = name_of(ws.folder)
    training.record(ws, [line("run", id="run", from_=[name])])
    with pytest.raises(LineageError, match="id of a release"):
        training.record(ws, [line("model", id=name, digest=sha("x"), from_=["run"])])


# --- orders ---------------------------------------------------------------------------------------------------------


def test_an_order_is_kept_as_it_was(ws: Workspace, tmp_path: Path) -> None:
    file = write_order(tmp_path / "o.parquet", [rows(ws.folder)[0]["com"], None])
    training.order(ws, name_of(ws.folder), [file], {})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"changed")
    [kept] = (ws.private / "lineage").iterdir()
    assert (kept.stem, kept.stat().st_mode & 0o777) == (digest, 0o600)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest


def columns(**changed: Any) -> pa.Table:
    return pa.table({"position": [0, 1], "shard": [0, 0], "step": [0, 0], "com": [b"\x00" * 32] * 2, **changed})


ORDERS = {
    "a row of no such release": (columns(), "2 positions of the order are rows of no such release"),
    "a place twice": (columns(position=[1, 1], com=pa.nulls(2, pa.binary())), "1 are distinct"),
    "a step before the first": (columns(step=[0, -1], com=pa.nulls(2, pa.binary())), "1 cannot be"),
    "a place that is not said": (columns(shard=[0, None], com=pa.nulls(2, pa.binary())), "1 cannot be"),
    "a com that is too short": (columns(com=[b"x", None]), "1 cannot be"),
    "other columns": (pa.table({"who": ["u1"]}), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("why", ORDERS)
def test_what_is_no_order_of_the_release(ws: Workspace, tmp_path: Path, why: str) -> None:
    table, match = ORDERS[why]
    pq.write_table(table, tmp_path / "o.parquet")
    with pytest.raises(LineageError, match=match) as raised:
        training.order(ws, name_of(ws.folder), [tmp_path / "o.parquet"], {})
    assert "u1" not in str(raised.value)
    assert not list((ws.private / "lineage").iterdir())


def test_an_order_over_rows_that_were_withdrawn_is_refused(ws: Workspace, tmp_path: Path) -> None:
    first, second, *rest = rows(ws.folder)
    with ws.ledger.committing() as commit:
        notices.enqueue(commit, [name_of(ws.folder)], first["leaf"], NOON, NOON)
    file = write_order(tmp_path / "o.parquet", [row["com"] for row in (first, *rest)])
    with pytest.raises(LineageError, match="1 positions of the order are rows that were withdrawn"):
        training.order(ws, name_of(ws.folder), [file], {})
    tombstones = ws.folder / "releases" / name_of(ws.folder) / "tombstones.json"
    tombstones.write_text(json.dumps({"tombstones": [second["leaf"].hex()]}))
    with pytest.raises(LineageError, match="2 positions"):
        training.order(ws, name_of(ws.folder), [write_order(file, [first["com"], second["com"]])], {})
    assert training.order(ws, name_of(ws.folder), [write_order(file, [None, *(row["com"] for row in rest)])], {}).new


def test_orders_of_nothing(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "o.parquet").write_bytes(b"PAR1")
    with pytest.raises(LineageError, match="cannot be read"):
        training.order(ws, name_of(ws.folder), [tmp_path / "o.parquet"], {})
    with pytest.raises(LineageError, match="not there"):
        training.order(ws, name_of(ws.folder), [tmp_path / "p.parquet"], {})
    with pytest.raises(LineageError, match="nothing here opens"):
        training.order(ws, "2020", [tmp_path / "o.parquet"], {})


# --- affected -------------------------------------------------------------------------------------------------------


def saw(found: affected.Affected) -> dict[str, tuple[int, bool]]:
    return {one.model: (one.saw.positions, one.saw.exact) for one in found.models}


def test_models_saw_whom_their_order_lists_up_to_their_step(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    listed = rows(ws.folder)
    for subject in ("u0", "u5", "u11"):
        places = [n for n, row in enumerate(listed) if row["account"] == subject]
        early = [n for n in places if n % 2 == 0 and n // 2 // 5 == 0]
        found = affected.by_subject(ws, subject)
        assert found.rows == {name_of(ws.folder): len(places)}
        expected = {"whole": (len(places), True), "child": (len(places), True)}
        assert saw(found) == expected | ({"early": (len(early), True)} if early else {})
    assert saw(affected.by_subject(ws, "u1")) == {"whole": (9, True), "child": (9, True)}  # odd places: the other shard
    assert affected.by_subject(ws, "nobody").as_json()["releases"] == []


def test_who_is_in_the_release_and_not_in_the_order_was_not_seen(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path, only=["u2"])
    found = affected.by_subject(ws, "u1")
    assert (found.rows[name_of(ws.folder)], saw(found)) == (9, {})
    assert set(saw(affected.by_subject(ws, "u2"))) == {"whole", "child", "early"}


def test_without_an_order_it_is_by_release_and_that_is_said(ws: Workspace, tmp_path: Path) -> None:
    training.record(ws, [line("model", id="m", digest=sha("m"), from_=[name_of(ws.folder)])])
    assert saw(affected.by_subject(ws, "u1")) == {"m": (0, False)}
    assert saw(affected.by_release(ws, name_of(ws.folder))) == {"m": (0, True)}
    trained(ws, tmp_path)
    for file in (ws.private / "lineage").iterdir():
        file.unlink()  # an order that is gone tells nothing: everybody in the release may have been seen
    assert saw(affected.by_subject(ws, "u1"))["early"] == (0, False)


def test_everybody_with_a_part_in_a_row_is_affected_whatever_their_role(birdsite: Built) -> None:
    """Against the private tables read whole: people who only wrote what was quoted, or were mentioned, count too."""
    private = birdsite.release.private
    tables = {name: pa.concat_tables([pq.read_table(file) for file in sorted((private / name).glob("*.parquet"))])
              for name in ("index", "people")}  # fmt: skip
    opened = [
        pq.read_table(file, columns=["account", "leaf"])
        for file in (private / "openings" / "records").glob("*.parquet")
    ]
    theirs = {(row["leaf"], row["account"]) for row in pa.concat_tables(opened).to_pylist()}
    leaf = {(row["source"], row["ordinal"]): row["leaf"] for row in tables["index"].to_pylist()}
    parts: dict[str, set[bytes]] = {}
    for row in tables["people"].to_pylist():
        parts.setdefault(row["subject"], set()).add(leaf[row["source"], row["ordinal"]])
    others = [who for who, held in sorted(parts.items()) if any((one, who) not in theirs for one in held)]
    assert len(others) > 3
    for who in others[:5]:
        assert affected.by_subject(birdsite.ws, who).rows == {birdsite.release.id: len(parts[who])}


def test_a_record_a_release_an_event_and_rows(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    name = name_of(ws.folder)
    found = affected.by_record(ws, "p7")
    assert (found.rows, saw(found)) == ({name: 1}, {"whole": (1, True), "child": (1, True)})
    assert affected.by_record(ws, "p7", "posts").rows == {name: 1}
    assert affected.by_record(ws, "p7", "likes").rows == {}
    assert affected.by_record(ws, "p999").rows == {}
    assert affected.by_release(ws, name).rows == {name: None}
    with pytest.raises(ReleaseError, match="no release"):
        affected.by_release(ws, "2020")
    at = datetime.now(UTC)
    event = ws.ledger.append(Event(subject="u3", type="refused", recorded_at=at, effective_at=at))
    assert affected.by_withdrawal(ws, event.position).rows == {name: 9}
    with pytest.raises(LineageError, match="no event"):
        affected.by_withdrawal(ws, 99)
    leaf = rows(ws.folder)[0]["leaf"]
    assert saw(affected.by_rows(ws, {name: leaf})) == {"whole": (1, True), "child": (1, True), "early": (1, True)}


def test_a_release_built_after_the_no_is_not_affected_by_it(ws: Workspace) -> None:
    at = datetime.now(UTC)
    event = ws.ledger.append(Event(subject="u3", type="refused", recorded_at=at, effective_at=at))
    made = mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=lambda: at + timedelta(minutes=1))
    assert made.id not in affected.by_withdrawal(ws, event.position).rows
    assert made.id not in affected.by_subject(ws, "u3").rows
    assert made.id in affected.by_subject(ws, "u4").rows


def test_a_release_whose_private_part_is_gone_may_hold_anybody(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    shutil.rmtree(ws.private / name_of(ws.folder))
    found = affected.by_subject(ws, "nobody")
    assert found.rows == {name_of(ws.folder): None}
    assert saw(found)["early"] == (0, False)


def test_recipients_are_named(ws: Workspace) -> None:
    notices.deliver(ws.ledger, name_of(ws.folder), "controller", "processor:x", NOON)
    assert affected.by_subject(ws, "u1").recipients == {name_of(ws.folder): ["processor:x"]}


# --- downstream -----------------------------------------------------------------------------------------------------


def test_everything_developed_in_whole_or_in_part(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    training.record(ws, [
        line("model", id="theirs", digest=sha("theirs"), ours=False, source="https://models.example/theirs"),
        line("model", id="mix", digest=sha("mix"), from_=[{"id": "early", "how": "merge"}, {"id": "theirs", "how": "merge"}]),
        line("run", id="run2", from_=[name_of(ws.folder), "mix"]),
        line("model", id="last", digest=sha("last"), from_=["run2"]),
        line("alias", id="feed", model="last"),
    ])  # fmt: skip
    below = {one.node.id.removeprefix("alias:") for one in affected.downstream(ws, name_of(ws.folder))}
    saved = {f"run/{shard}/{step}" for shard in (0, 1) for step in (0, 1, 2)}
    assert below == {"order", "run", "whole", "early", "child", "feed", "mix", "run2", "last", *saved}
    assert {one.node.id for one in affected.downstream(ws, "theirs")} == {"mix", "run2", "last", "alias:feed"}
    assert {one.node.id for one in affected.downstream(ws, "run/0/0")} == {"early", "mix", "run2", "last", "alias:feed"}
    assert affected.downstream(ws, "last")[0].as_json()["state"] == "leads to it"
    assert [one.as_json() for one in affected.downstream(ws, "child")] == [
        {
            "id": "feed",
            "kind": "alias",
            "how": "deployed",
            "from": "child",
            "digest": None,
            "state": "led to it",
            "ours": True,
            "grounds": {},
        }
    ]
    with pytest.raises(LineageError, match="nothing is recorded"):
        affected.downstream(ws, "nothing")


def test_a_release_that_took_anothers_place_was_developed_from_it(ws: Workspace) -> None:
    first = name_of(ws.folder)
    second = mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=lambda: datetime.now(UTC) + timedelta(minutes=1))
    path = second.public / "manifest.json"
    said = json.loads(path.read_bytes())
    said["predicate"]["supersedes"] = {"release": first, "manifest_sha256": "0" * 64}
    path.write_bytes(json.dumps(said).encode())
    training.record(ws, [line("model", id="m", digest=sha("m"), from_=[second.id])])
    assert [one.node.id for one in affected.downstream(ws, first)] == [second.id, "m"]
    at = rows(ws.folder)[0]["leaf"]
    assert saw(affected.by_rows(ws, {first: at})) == {}  # it was trained on the rows of the other one


# --- flags ----------------------------------------------------------------------------------------------------------


def standing(ws: Workspace, name: str, at: datetime | None = None) -> flags.Standing:
    [found] = [one for one in flags.standings(ws, at=at) if one.model.id == name]
    return found


def says_no(ws: Workspace, subject: str, purpose: str | None = None) -> Event:
    at = datetime.now(UTC)
    return ws.ledger.append(Event(subject=subject, type="refused", recorded_at=at, effective_at=at, purpose=purpose))


def test_a_model_is_flagged_since_a_no_touched_what_it_saw(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    assert not any(one.flagged for one in flags.standings(ws))
    event = says_no(ws, "u1")
    assert [one.flagged for one in (standing(ws, n) for n in ("whole", "child", "early"))] == [True, True, False]
    found = standing(ws, "whole")
    assert (found.saw.since, found.saw.positions, found.saw.exact, found.policy) == (event.recorded_at, 9, True, "flag")
    says_no(ws, "u2")
    assert standing(ws, "whole").saw.since == event.recorded_at
    assert standing(ws, "early").flagged


def test_a_no_to_something_else_flags_nothing(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    says_no(ws, "u1", "advertising.relevance")
    assert not any(one.flagged for one in flags.standings(ws))


def test_rows_in_the_outbox_flag_whoever_saw_them(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    leaf = rows(ws.folder)[1]["leaf"]
    with ws.ledger.committing() as commit:
        notices.enqueue(commit, [name_of(ws.folder)], leaf, NOON, NOON)
    assert {one.model.id: one.flagged for one in flags.standings(ws)} == {
        "whole": True,
        "child": True,
        "early": False,
    }
    assert standing(ws, "whole").saw.since == NOON


def shredded(ws: Workspace, account: str) -> bytes:
    """Take what opens somebody's rows away, as an erasure does; returns their leaves."""
    private, gone = ws.private / name_of(ws.folder), b""
    for file in (private / "openings" / "records").glob("*.parquet"):
        table = pq.read_table(file)
        theirs = pc.equal(table["account"], account)
        gone += b"".join(table.filter(theirs)["leaf"].to_pylist())
        pq.write_table(table.filter(pc.invert(theirs)), file)
    for file in (private / "index").glob("*.parquet"):
        table = pq.read_table(file)
        theirs = pc.is_in(table["leaf"], value_set=pa.array([gone[n : n + 32] for n in range(0, len(gone), 32)]))
        pq.write_table(table.filter(pc.invert(theirs)), file)
    return gone


def test_rows_whose_openings_were_shredded_still_flag_by_release(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    leaves = shredded(ws, "u1")
    assert len(leaves) == 9 * 32
    with ws.ledger.committing() as commit:
        notices.enqueue(commit, [name_of(ws.folder)], leaves, NOON, NOON)
    told = {one.model.id: (one.flagged, one.saw.exact, one.saw.since) for one in flags.standings(ws)}
    assert told == dict.fromkeys(("whole", "early", "child"), (True, False, NOON))


def test_rows_that_an_older_release_does_not_hold_flag_nobody_who_saw_it(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    with ws.ledger.committing() as commit:
        notices.enqueue(commit, [name_of(ws.folder)], hashlib.sha256(b"a row of the next release").digest(), NOON, NOON)
    assert not any(one.flagged for one in flags.standings(ws))
    shutil.rmtree(ws.private / name_of(ws.folder))
    assert not any(one.flagged for one in flags.standings(ws))
    shutil.rmtree(ws.folder / "releases")  # now nothing can be told any more
    assert all(one.flagged for one in flags.standings(ws))


def test_retrained_and_retired_end_a_flag_and_are_stated(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    says_no(ws, "u0")
    assert all(one.flagged for one in flags.standings(ws))
    clean = [row["com"] for row in rows(ws.folder) if row["account"] != "u0"]
    training.order(ws, name_of(ws.folder), [write_order(tmp_path / "again.parquet", clean)], {"id": "order2"})
    training.record(ws, [
        line("run", id="run2", from_=["order2"]),
        line("model", id="whole2", digest=sha("whole2"), from_=["run2"]),
        line("state", model="whole", state="retrained", by="whole2"),
        line("state", model="early", state="retired"),
    ])  # fmt: skip
    told = {one.model.id: (one.state, one.flagged, one.by) for one in flags.standings(ws)}
    assert told == {
        "whole": ("retrained", False, "whole2"), "early": ("retired", False, None), "child": ("in use", True, None),
        "whole2": ("in use", False, None),
    }  # fmt: skip
    said = [one["predicate"] for one in statements(ws, lineage.MODEL) if "state" in one["predicate"]]
    assert [one["state"] for one in said] == ["retrained", "retired"]
    assert said[0]["by"] == {"id": "whole2", "sha256": sha("whole2").removeprefix("sha256:")}
    with pytest.raises(LineageError, match="was retired"):
        training.record(ws, [line("state", model="early", state="retrained", by="whole2")])


def with_policy(folder: Path, models: str) -> Workspace:
    path = folder / "policies" / "small" / "2020-01-01" / "policy.toml"
    path.write_text(
        path.read_text().replace("[[clause]]", f'[on_withdrawal]\nmodels = "{models}"\ndeadline = "P2D"\n[[clause]]')
    )
    return open_workspace(folder)


def test_a_policy_that_retrains_has_a_deadline_and_exit_3(folder: Path, tmp_path: Path) -> None:
    ws = with_policy(folder, "retrain")
    trained(ws, tmp_path)
    event = says_no(ws, "u1")
    due = event.recorded_at + timedelta(days=2)
    found = standing(ws, "whole", due)
    assert (found.due, found.overdue(due), found.overdue(due + timedelta(seconds=1))) == (due, False, True)
    ws.ledger.close()
    assert ran("lineage", "list", "--flagged", "-w", folder).stdout.count("FLAGGED") == 2
    assert document("lineage", "show", "early", "-w", folder)["standing"]["flagged"] is False


def test_overdue_models_are_exit_3(folder: Path, tmp_path: Path) -> None:
    ws = with_policy(folder, "retrain")
    trained(ws, tmp_path)
    with ws.ledger.committing() as commit:
        notices.enqueue(commit, [name_of(folder)], rows(folder)[1]["leaf"], NOON - timedelta(days=900), NOON)
    ws.ledger.close()
    assert "OVERDUE" in ran("lineage", "list", "-w", folder, code=3).stdout
    ran("lineage", "show", "whole", "-w", folder, code=3)
    ran("lineage", "show", "early", "-w", folder)
    ran("lineage", "retired", "whole", "-w", folder)
    ran("lineage", "retrained", "child", "--by", "early", "-w", folder)
    assert document("lineage", "list", "--flagged", "-w", folder) == []


def test_a_policy_that_says_none_flags_nothing_and_still_says_since_when(folder: Path, tmp_path: Path) -> None:
    ws = with_policy(folder, "none")
    trained(ws, tmp_path)
    event = says_no(ws, "u1")
    found = standing(ws, "whole")
    assert (found.flagged, found.saw.since, found.policy) == (False, event.recorded_at, "none")
    ws.ledger.close()


# --- the power goes -------------------------------------------------------------------------------------------------

WRITES = ("order", "log object", "lineage", "log entries", "log tile", "log next", "log checkpoint")
"""Every write from an order to its entry, in the order in which it first happens."""
DIES = """
import os, sys
sys.path.insert(0, sys.argv[4])
import test_lineage as story
from pathlib import Path
from aboveboard import disk
from aboveboard.workspace import open_workspace

def die(moment, name):
    if (moment, name) == (sys.argv[3], sys.argv[2]):
        os._exit(9)

ws = open_workspace(Path(sys.argv[1]))
ws.evidence
disk.watcher.set(die)
story.whole_story(ws)
"""


def whole_story(ws: Workspace) -> None:
    coms = [row["com"] for row in rows(ws.folder)]
    training.order(ws, name_of(ws.folder), [write_order(ws.folder / "o.parquet", coms)], {"id": "order"})
    training.record(ws, [line("run", id="run", from_=["order"]), line("model", id="m", digest=sha("m"), from_=["run"])])


def settled(ws: Workspace) -> None:
    whole_story(ws)
    assert [len(statements(ws, kind)) for kind in lineage.STATEMENTS] == [1, 1, 1]
    assert saw(affected.by_subject(ws, "u1")) == {"m": (9, True)}
    assert len(list((ws.private / "lineage").iterdir())) == 1
    assert ws.log.head().size == len(ws.ledger.entries())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_that_fails(ws: Workspace, step: str, when: str) -> None:
    seen = list[str]()

    def fail(moment: str, name: str) -> None:
        seen.append(name)
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    assert ws.evidence.origin
    token = disk.watcher.set(fail)
    try:
        with pytest.raises((OSError, AboveboardError), match=r"(?i)no space left"):
            whole_story(ws)
    finally:
        disk.watcher.reset(token)
    assert tuple(dict.fromkeys(seen)) == WRITES[: WRITES.index(step) + 1]
    settled(ws)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(folder: Path, step: str, when: str) -> None:
    command = [sys.executable, "-c", DIES, str(folder), step, when, str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr
    ws = open_workspace(folder)
    settled(ws)
    ws.ledger.close()


# --- the command line -----------------------------------------------------------------------------------------------


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: object, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


def test_a_training_by_the_command_line(folder: Path, tmp_path: Path) -> None:
    order = write_order(tmp_path / "order.parquet", [row["com"] for row in rows(folder)])
    (tmp_path / "h.json").write_text('{"rate": 0.001, "dropout": 0.1}')
    (tmp_path / "e.json").write_text('{"torch": "2.13.0+cpu", "threads": 1}')
    made = chain((0, 0), (0, 9))
    file = tmp_path / "checkpoints.jsonl"
    file.write_bytes(b"".join(one.line + b"\n" for one in made))
    where = ("-w", folder)
    ran(
        "lineage",
        "model",
        "base",
        "--external",
        "--digest",
        sha("base"),
        "--source",
        "https://models.example/b",
        *where,
    )
    [one] = document("lineage", "order", "latest", "--order", order, "--base", "base", "--seed", "0" * 64,
                     "--hyperparameters", tmp_path / "h.json", "--environment", tmp_path / "e.json", *where)  # fmt: skip
    assert one["id"].startswith("order-")
    done = document("lineage", "run", one["id"], "--checkpoints", file, "--started", "2026-01-01T00:00Z", *where)
    run = done[0]["id"]
    assert [each["id"] for each in done[1:]] == [f"{run}/0/0", f"{run}/0/9"]
    assert document("lineage", "checkpoint", run, "--step", "12", "--state", sha("c"), *where)[0]["new"]
    ran("lineage", "checkpoint", run, "--file", file, *where)
    ran("lineage", "model", "m", "--from", run, "--digest", sha("m"), *where)
    ran(
        "lineage", "model", "a", "--from", "m=adapter", "--from", "base", "--how", "merge", "--digest", sha("a"), *where
    )
    ran("lineage", "alias", "feed", "a", *where)
    told = document("affected", "--subject", "u1", *where)
    assert [one["model"] for one in told["models"]] == ["m", "a"]
    assert told["models"][1]["aliases"] == ["feed"]
    assert "platform's word" in ran("affected", "--record", "p1", *where).stdout
    assert "feed" in ran("downstream", "base", *where).stdout
    shown = document("lineage", "show", "a", *where)
    assert {(one["id"], one["how"]) for one in shown["from"]} == {("m", "adapter"), ("base", "merge")}
    assert "platform's word" in shown["word"]
    assert document("lineage", "list", "--kind", "run", *where)[0]["id"] == run
    ran("lineage", "alias", "feed", "--none", *where)
    assert document("downstream", "a", *where)[0]["state"] == "led to it"
    ran("affected", *where, code=2)
    ran("affected", "--subject", "u1", "--release", "x", *where, code=2)
    ran("lineage", "show", "nothing", *where, code=1)
    ran("lineage", "checkpoint", run, *where, code=2)


def test_an_import_is_all_of_it_or_nothing_in_any_order(folder: Path, tmp_path: Path) -> None:
    name = name_of(folder)
    lines = [
        line("alias", id="feed", model="m"),
        line("model", id="m", digest=sha("m"), from_=["r", {"id": "base", "how": "finetune"}]),
        line("run", id="r", from_=["o"]),
        line("model", id="base", digest=sha("base"), ours=False),
        line("order", id="o", digest=sha("o"), from_=[name], positions=1234),
        line("state", model="m", state="retired"),
    ]
    file = tmp_path / "lineage.jsonl"
    circle = line("model", id="base2", digest=sha("b"), from_=[{"id": "m2", "how": "merge"}])
    back = line("model", id="m2", digest=sha("b"), from_=[{"id": "base2", "how": "merge"}])
    file.write_text("".join(json.dumps(one) + "\n" for one in (*lines, circle, back)))
    assert "circle: base2 < m2 < base2" in ran("lineage", "import", file, "-w", folder, code=1).stderr
    assert document("lineage", "list", "-w", folder) == []
    file.write_text("".join(json.dumps(one) + "\n" for one in lines) + "\n")
    assert all(one["new"] for one in document("lineage", "import", file, "-w", folder))
    assert not any(one["new"] for one in document("lineage", "import", file, "-w", folder))
    assert document("lineage", "show", "m", "-w", folder)["standing"]["state"] == "retired"
    file.write_text("{\n")
    assert "line 1" in ran("lineage", "import", file, "-w", folder, code=1).stderr


def test_a_chain_of_thousands_is_followed() -> None:
    graph = Graph(Arrow(f"m{n + 1}", f"m{n}", "finetune") for n in range(5000))
    assert (len(graph.below("m0")), len(graph.above("m5000"))) == (5000, 5000)


def test_many_at_once(ws: Workspace) -> None:
    """A hundred models in one chain and a hundred beside it, said in the wrong order, in one transaction."""
    first = line("model", id="m0", digest=sha("0"), from_=[name_of(ws.folder)])
    deep = [
        line("model", id=f"m{n}", digest=sha(str(n)), from_=[{"id": f"m{n - 1}", "how": "finetune"}])
        for n in range(1, 100)
    ]
    wide = [line("model", id=f"w{n}", digest=sha(f"w{n}"), from_=[{"id": "m0", "how": "adapter"}]) for n in range(100)]
    training.record(ws, [*wide, *reversed(deep), first])
    assert len(affected.downstream(ws, "m0")) == 199
    assert len(affected.by_subject(ws, "u1").models) == 200


# --- verify ---------------------------------------------------------------------------------------------------------


def test_what_the_log_holds_of_a_model_is_verified_from_one_file_and_called_the_platforms_word(
    ws: Workspace, tmp_path: Path
) -> None:
    trained(ws, tmp_path)
    ws.ledger.close()
    proof = tmp_path / "whole.json"
    ran("lineage", "prove", "whole", "--out", proof, "-w", ws.folder)
    told = document("verify", proof, "--log", ws.folder / "log")
    assert [one["name"] for one in told["steps"]] == ["form", "statement", "checkpoint", "entry", "history"]
    assert all(one["done"] for one in told["steps"])
    assert told["name"] == f"model/v1 whole ({sha('whole').removeprefix('sha256:')})"
    assert verification.ATTESTED in told["not_proven"]
    assert "platform's word" in ran("verify", proof).stdout
    ran("lineage", "prove", "order", "--out", tmp_path / "order.json", "-w", ws.folder)
    assert "o.parquet" in ran("verify", tmp_path / "order.json").stdout
    ran("lineage", "prove", "run/0/0", "--out", tmp_path / "none.json", "-w", ws.folder, code=1)


def test_a_statement_that_was_bent_is_false(ws: Workspace, tmp_path: Path) -> None:
    trained(ws, tmp_path)
    proof, known = tmp_path / "whole.json", ws.signer("log").key
    proof.write_bytes(training.proof_of(ws, affected.descent(ws).get("whole")).data())
    trust = verification.Known(Trust((known,)))
    assert verification.verify(proof, trust).kind == "statement"
    good = proof.read_bytes()
    for before, after in (
        (b"whole", b"while"), (b'"trained', b'"tuned'), (b"model/v1", b"model/v2"), (b"index ", b"index 1"),
        (b'"at":"2', b'"at":"3'), (b"statement-proof/v1", b"statement-proof/v2"), (b'{"format"', b'{ "format"'),
        (b'"type":"model/v1"', b'"type":"release/v1"'),
    ):  # fmt: skip
        assert before in good
        proof.write_bytes(good.replace(before, after))
        with pytest.raises(VerificationError):
            verification.verify(proof, trust)
    for place in range(0, len(good), 7):
        proof.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(VerificationError):
            verification.verify(proof, trust)


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_shows_these_bytes() -> None:
    blocks = dict(re.findall(r"^```json ([^\n]+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    for name, made in examples().items():
        assert blocks[name] == f"{made.decode()}\n", name
    made = chain((0, 500), (0, 1000))
    assert blocks["checkpoints.jsonl"] == "".join(f"{one.line.decode()}\n" for one in made)
    assert f"`{made[-1].digest}`" in PAGE.read_text("utf-8")
    for kind, fields in training.FIELDS.items():
        [row] = [row for row in PAGE.read_text("utf-8").splitlines() if row.startswith(f"| `{kind}` |")]
        assert all(f"`{name}`" in row for name in fields if name not in training._ANY), kind
    for how in lineage.RELATIONS:
        assert f"`{how}`" in PAGE.read_text("utf-8")


def examples() -> Mapping[str, bytes]:
    release_id, manifest = "2024-01-31T120000Z-feed-writer-4a42f67e", "aa" * 32
    order = lineage.order(release_id, manifest, {"order.parquet": "bb" * 32}, 1787, {
        "seed": "cc" * 32, "shard_map": "dd" * 32, "hyperparameters": {"batch": 32, "context": 128},
        "environment": {"torch": "2.13.0+cpu", "threads": 1}, "base": [],
    })  # fmt: skip
    name = f"order-{order.digest[:16]}"
    run = lineage.run([{"id": name, "kind": "order", "how": "trained", "sha256": order.digest}], {}, {
        "started": "2024-02-01T08:00:00Z", "finished": "2024-02-01T09:30:00Z",
        "checkpoints": {"count": 2, "head": chain((0, 500), (0, 1000))[-1].digest},
    })  # fmt: skip
    made = [{"id": f"run-{run.digest[:16]}", "kind": "run", "how": "trained", "sha256": run.digest}]
    model = lineage.model("feed-writer-2024-02", "ee" * 32, made, {"ours": True})
    gone = lineage.state(
        "feed-writer-2024-02", "ee" * 32, "retrained", {"id": "feed-writer-2024-03", "sha256": "ff" * 32}
    )
    named = {"training-order": order, "training-run": run, "model": model, "model-retrained": gone}
    return {f"{key}.json": one.document for key, one in named.items()}
