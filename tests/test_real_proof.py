"""The proof on real posts: congress, under the synthetic policy of ``test_real_judgement``, with invented facts.

Everybody's capsule holds, an auditor finds all of it true, ``verify`` finds nothing false, and no capsule names another
account.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aboveboard import capsules, checking, mainjob, openings, verification
from aboveboard.capsule import NOTHING
from aboveboard.cli import doors
from aboveboard.workspace import read_job
from test_real_judgement import facts, needs_data, workspace


@needs_data
def test_real_posts_are_proven_to_everybody(tmp_path: Path) -> None:
    ws = workspace(tmp_path, "congress", listed=False)
    made = mainjob.build(ws, read_job(tmp_path / "job.toml"), facts=facts(tmp_path, ws, "congress"))
    assert made.governed.released > 100
    report = verification.verify(made.public)
    assert [step.name for step in report.steps if not step.done] == ["history"]
    steps = list(mainjob.auditor(ws, made.public).steps())
    assert f"{made.governed.released:,} records judged again" in steps[2]
    people = [account.subject for account in openings.accounts(made.private)]
    rows, without = 0, 0
    for subject in people[::25]:
        capsule = capsules.make(made.public, made.private, subject, ws.keys)
        found = checking.held(capsule, made.public)
        rows += found.rows
        without += NOTHING.format(release=made.id) in found.says
        others = {f'"{one}"' for one in people if one != subject}
        assert not [one for one in others if one in capsule.document().decode()]
    assert rows
    file = tmp_path / "one.capsule"
    someone = next(one.account for one in openings.records(made.private) if not one.shared)
    ran = CliRunner().invoke(doors, ["capsule", "make", someone, made.id, "-w", str(tmp_path), "-o", str(file)])
    assert ran.exit_code == 0, ran.output
    checked = CliRunner().invoke(doors, ["check-me", str(file), str(made.public), "--json"])
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["rows"]
    ws.ledger.close()


@needs_data
@pytest.mark.parametrize("file", ["tombstones.json", "subjects/top.bin", "rows/00000/0", "proof/checkpoint"])
def test_a_flipped_bit_in_real_files_is_found(tmp_path: Path, file: str) -> None:
    from aboveboard.errors import VerificationError

    ws = workspace(tmp_path, "congress", listed=False)
    made = mainjob.build(ws, read_job(tmp_path / "job.toml"), facts=facts(tmp_path, ws, "congress"))
    data = bytearray((made.public / file).read_bytes())
    data[len(data) // 2] ^= 1
    (made.public / file).write_bytes(bytes(data))
    with pytest.raises(VerificationError) as raised:
        verification.verify(made.public)
    assert raised.value.context["step"]
    ws.ledger.close()
