"""``aboveboard policy test``: people's own cases, each judged and held against what it demands.

A case that comes out differently is told in sentences and ends the command with 3. With ``--engine`` the SQL engine
judges the same cases too, and where it disagrees with ``decide`` that is a failure of ours, said as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard import casefile, choice, reasons, suppression
from aboveboard.casefile import Case, CaseError, CaseFile, Difference
from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option
from aboveboard.errors import PolicyError
from aboveboard.gate import Decision, Gate

if TYPE_CHECKING:
    from aboveboard.record import Part, Record


@dataclass(frozen=True, slots=True)
class Result:
    """One case judged: how it differs from its expectation, and how the engine differs from ``decide``."""

    file: str
    case: str
    decision: Decision
    wrong: Difference | None
    engine: Difference | None

    @property
    def ok(self) -> bool:
        return self.wrong is None and self.engine is None


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@workspace_option
@click.option("--engine", "with_engine", is_flag=True, help="Judge with the SQL engine too, and compare.")
@json_option
def test(files: Sequence[Path], workspace: str, with_engine: bool, as_json: bool) -> None:
    """Judge the cases in FILES and say where they come out differently. Ends with 3 when one does.

    FILES are case files or folders of them; without any, `cases/` of the workspace is meant.
    """
    read = [read_file(path) for path in _found(files or [Path(workspace) / "cases"])]
    results = run([(one.path, case) for one in read for case in one.cases], with_engine)
    emit(_document(results), as_json, lambda: _prose(results))
    if not all(result.ok for result in results):
        ask_exit(3)


def read_file(path: Path) -> CaseFile:
    """The case file at this path; the policies it names are looked for beside it."""
    return casefile.parse(path.read_bytes(), str(path), lambda name: _beside(path, name))


def run(cases: Sequence[tuple[str, Case]], with_engine: bool) -> list[Result]:
    """Every case judged, in order; ``cases`` are pairs of file and case."""
    decisions = [case.gate.decide(case.record) for _, case in cases]
    judged = by_engine([case for _, case in cases]) if with_engine else decisions
    return [
        Result(file, case.name, decided, case.compare(decided), _disagreement(case, decided, other))
        for (file, case), decided, other in zip(cases, decisions, judged, strict=True)
    ]


def by_engine(cases: Sequence[Case]) -> list[Decision]:
    """What the engine decides of every case. Cases under one gate are judged in one run, their people kept apart."""
    alike: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        alike.setdefault(_same_but_people(case.gate), []).append(place)
    decided: dict[int, Decision] = {}
    for places in alike.values():
        apart = [_renamed(cases[place], f"{place}/") for place in places]
        people = choice.people(
            [event for case in apart for event in _all(case.gate, "events")],
            [row for case in apart for row in _all(case.gate, "facts")],
            suppression.of(casefile.NO_KEY, [name for case in apart for name in _erased(case)]),
        )
        gate = replace(apart[0].gate, snapshot=people)
        decided |= zip(places, engine_decisions(gate, [case.record for case in apart]), strict=True)
    return [decided[place]._replace(record_id=case.record.id) for place, case in enumerate(cases)]


def engine_decisions(gate: Gate, records: Sequence[Record]) -> list[Decision]:
    """The engine's decisions of these records under one gate, in their order."""
    from aboveboard.engine import Engine
    from aboveboard.sources import resolved_table

    numbered = [replace(one, ordinal=place) for place, one in enumerate(records)]
    rows = Engine(threads=1).judge_table(resolved_table(numbered), gate).to_pylist()
    return [_decision(row) for row in rows]


# --- finding files ------------------------------------------------------------------------------------------


def _found(paths: Iterable[Path]) -> list[Path]:
    found = []
    for path in paths:
        inside = sorted([*path.glob("*.toml"), *path.glob("*.json")]) if path.is_dir() else [path]
        if not inside or not inside[0].is_file():
            raise CaseError(f"no case files in `{path}`", hint="docs/formats/case.md shows how to write one")
        found += inside
    return found


def _beside(path: Path, name: str) -> bytes:
    try:
        return (path.parent / name).read_bytes()
    except OSError as error:
        raise PolicyError(
            f"the policy `{name}` cannot be read: {error.strerror}",
            file=path,
            hint="the name is relative to the case file",
        ) from error


# --- the engine ---------------------------------------------------------------------------------------------


def _same_but_people(gate: Gate) -> str:
    """What two gates have to share so that one engine run can judge under both; people are kept apart by name."""
    named = sorted(gate.listed) if isinstance(gate.listed, frozenset) else gate.listed
    rules = (gate.policy, gate.job, gate.as_of, gate.regimes, sorted(gate.licences.items()))
    return repr((*rules, gate.undertakings, named))


def _renamed(case: Case, prefix: str) -> Case:
    """The case with ``prefix`` before the name of everybody in it."""
    people = choice.people(
        [replace(event, subject=prefix + event.subject) for event in _all(case.gate, "events")],
        [replace(row, subject=prefix + row.subject) for row in _all(case.gate, "facts")],
        suppression.of(casefile.NO_KEY, [prefix + name for name in _erased(case)]),
    )
    return replace(case, gate=replace(case.gate, snapshot=people), record=_with_names(case.record, prefix))


def _erased(case: Case) -> list[str]:
    """Those whom the record names and who were erased."""
    parts = [case.record.main, *(case.record.parts or ())]
    named = {case.record.subject, *(party.subject for part in parts for party in part.parties or ())}
    return [name for name in named if name is not None and case.gate.snapshot.suppressions.holds(name)]


def _all(gate: Gate, what: str) -> list[Any]:
    by_subject: Mapping[str, Sequence[Any]] = getattr(gate.snapshot, what)
    return [row for rows in by_subject.values() for row in rows]


def _with_names(record: Record, prefix: str) -> Record:
    parts = None if record.parts is None else tuple(_part(part, prefix) for part in record.parts)
    return replace(record, subject=_name(record.subject, prefix), main=_part(record.main, prefix), parts=parts)


def _part(part: Part, prefix: str) -> Part:
    if part.parties is None:
        return part
    return replace(part, parties=tuple(replace(p, subject=_name(p.subject, prefix)) for p in part.parties))


def _name(subject: str | None, prefix: str) -> str | None:
    return None if subject is None else prefix + subject


def _decision(row: Mapping[str, Any]) -> Decision:
    """A row of the engine's ``decisions`` as the value that ``decide`` gives."""
    return Decision(
        row["record_id"],
        reasons.OUTCOMES[row["outcome"]],
        reasons.BY_ID[row["decisive"]],
        reasons.codes(row["reasons_lo"], row["reasons_hi"]),
        reasons.codes(row["part_reasons_lo"], row["part_reasons_hi"]),
        tuple(place - 1 for place in row["removed"] or ()),
        row["clause"],
        row["policy_at_collection"],
        row["policy_now"],
    )


def _disagreement(case: Case, decided: Decision, other: Decision) -> Difference | None:
    if other == decided:
        return None
    return replace(case, expect=casefile.expectation(decided)).compare(other)


# --- telling ------------------------------------------------------------------------------------------------


def _document(results: Sequence[Result]) -> dict[str, object]:
    return {
        "cases": [_row(result) for result in results],
        "passed": sum(result.ok for result in results),
        "failed": sum(not result.ok for result in results),
    }


def _row(result: Result) -> dict[str, object]:
    decided = result.decision
    return {
        "file": result.file,
        "case": result.case,
        "ok": result.ok,
        "outcome": decided.outcome.value,
        "decisive": decided.decisive.code,
        "reasons": [reason.code for reason in decided.reasons],
        "differences": result.wrong.as_json() if result.wrong else {},
        "engine": result.engine.as_json() if result.engine else {},
    }


def _prose(results: Sequence[Result]) -> str:
    failed = sum(not result.ok for result in results)
    lines = [line for result in results for line in _lines(result)]
    cases = f"{len(results)} case{'' if len(results) == 1 else 's'}"
    return "\n".join([*lines, "", f"{cases}, {failed} failed" if failed else f"{cases}, all as expected"])


def _lines(result: Result) -> list[str]:
    lines = [f"{'ok    ' if result.ok else 'FAILED'}  {result.case}"]
    if not result.ok:
        lines[0] += f"  ({result.file})"
    lines += [f"        {line}" for line in (result.wrong.lines() if result.wrong else [])]
    if result.engine:
        lines.append("        the engine disagrees with the reference judgement; please report this:")
        lines += [f"          {line}" for line in result.engine.lines()]
    return lines
