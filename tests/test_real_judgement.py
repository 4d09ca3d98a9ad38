"""The main job on real tables, under a stated synthetic policy: bare, and with facts of our own.

Nothing in these exports says who is of age, where they live or whether an account is protected, so a bare run has to
hold or refuse nearly everything; with a facts table (invented: every account adult, in Ireland, open) it releases.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from aboveboard import mainjob
from aboveboard.release import Release
from aboveboard.workspace import Workspace, make_keys, open_workspace, read_job

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "reddit-top").exists(), reason="no real data in ABOVEBOARD_DATA")

TEXT = "# Policy\n\nWe run the service. We train models on public posts unless you opt out.\n"
VERSION = """
policy = "synthetic"
version = "{start}"
effective_from = {start}
zone = "UTC"
establishment = "IE"
text_sha256 = "{digest}"
[[clause]]
id = "operation"
effect = "permit"
purposes = ["service.operation"]
categories = ["user.content"]
audience = "private"
recipients = ["controller"]
basis = "contract"
citation = {{ quote = "We run the service." }}
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
citation = { quote = "We train models on public posts unless you opt out." }
"""
SETTINGS = """
[policy]
folder = "policies/synthetic"
[sources]
{name} = "{name}.toml"
[regions]
IE = "notice"
"""
LISTED = """
audience = "'public'"
audience_evidence = "'listed on a page that everybody could open'"
"""
"""The Reddit files say nothing of an audience. For the run with facts we state one, as an operator would."""
PLATFORMS = {"congress": ("2006-03-21", "2017-06-01"), "reddit": ("2005-06-01", "2012-01-01")}
"""When the synthetic policy of each platform began, and from when on it covers training."""


def workspace(folder: Path, name: str, listed: bool) -> Workspace:
    """A workspace over the real table, as if the platform that made it were asking: first-party data."""
    before, training = PLATFORMS[name]
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    for start, more in ((before, ""), (training, TRAINING)):
        version = folder / "policies" / "synthetic" / start
        version.mkdir(parents=True)
        (version / "policy.toml").write_text(VERSION.format(start=start, digest=digest) + more)
        (version / "text.md").write_text(TEXT)
    text = (HERE / "maps" / f"{name}.toml").read_text().replace("DATA/", f"{DATA}/")
    text = text.replace('origin = "licensed"', 'origin = "first_party"').replace(
        'origin = "crawled"', 'origin = "first_party"'
    )
    if listed:
        text += LISTED
    (folder / f"{name}.toml").write_text(text)
    (folder / "aboveboard.toml").write_text(SETTINGS.format(name=name))
    (folder / "job.toml").write_text('purpose = "train_ai_system.generative"\n')
    make_keys(folder)
    return open_workspace(folder)


def facts(folder: Path, ws: Workspace, name: str) -> Path:
    """Facts of our own: every author an adult in Ireland whose account is active and, where nothing says else, open."""
    from aboveboard.sources import table

    staged = table.read(ws.sources[name]).stage(folder / "for-facts")
    shards = [str(shard) for shard in staged.shards]
    path = folder / "facts.parquet"
    duckdb.execute(
        f"""COPY (SELECT DISTINCT subject, TIMESTAMP '2000-01-01' AS valid_from, 'active' AS state, FALSE AS protected,
        'adult' AS age_band, 'IE' AS residency, 'invented for a test' AS evidence
        FROM read_parquet({shards}) WHERE subject IS NOT NULL) TO '{path}' (FORMAT parquet)"""
    )
    return path


def run(folder: Path, name: str, with_facts: bool) -> Release:
    ws = workspace(folder, name, listed=with_facts and name == "reddit")
    given = facts(folder, ws, name) if with_facts else None
    made = mainjob.build(ws, read_job(folder / "job.toml"), facts=given)
    ws.ledger.close()
    for tally in made.governed.tallies:
        print(name, "facts" if with_facts else "bare", tally.outcome, tally.decisive, tally.records)
    return made


@needs_data
@pytest.mark.parametrize(("name", "rows", "torn"), [("congress", 1057, 0), ("reddit", None, 1)])
def test_a_bare_run_releases_nothing_and_says_why(tmp_path: Path, name: str, rows: int | None, torn: int) -> None:
    made = run(tmp_path, name, with_facts=False)
    assert made.governed.released == 0
    assert made.governed.quarantined == torn
    assert rows is None or made.governed.records == rows
    decisive = Counter({tally.decisive: tally.records for tally in made.governed.tallies})
    assert decisive["life.account_state_unknown"] + decisive["vis.audience_unknown"] > 0


@needs_data
@pytest.mark.parametrize("name", ["congress", "reddit"])
def test_with_facts_posts_are_released_whole_or_without_their_mentions(tmp_path: Path, name: str) -> None:
    made = run(tmp_path, name, with_facts=True)
    [*files] = sorted((made.public / "data").glob("*.parquet"))
    texts = [row["text"] for file in files for row in pq.read_table(file).to_pylist()]
    if name == "congress":
        assert made.counts["permit"] > 100
        assert made.counts["redact"] > 100
        assert made.counts["hold"] > 200  # above all reposts of somebody the response does not name
        assert not [text for text in texts if text.startswith("RT @")]
        assert sum("@u_" in text for text in texts) > 100
    else:
        assert made.counts["permit"] > 1_000
        assert made.counts["permit"] + made.counts["refuse"] == made.governed.records
