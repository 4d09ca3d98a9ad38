"""A platform of twelve people and a hundred posts, one of them malformed, with its keys and its log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aboveboard import workspace
from aboveboard.workspace import open_workspace

VERSION = """
policy = "small"
version = "2020-01-01"
effective_from = 2020-01-01
zone = "UTC"
establishment = "IE"
text_sha256 = "{digest}"
[[clause]]
id = "training"
effect = "permit"
purposes = ["train_ai_system.generative"]
categories = ["user.content.public"]
audience = "public"
recipients = ["controller"]
basis = "legitimate_interest"
control = "ai-training"
citation = {{ quote = "We train models unless you say no." }}
"""
TEXT = "We train models unless you say no.\n"
SETTINGS = """
[policy]
folder = "policies/small"
[facts]
path = "facts.parquet"
[sources]
posts = "posts.toml"
[regions]
IE = "notice"
[engine]
threads = 1
"""
MAP = """
name = "posts"
origin = "first_party"
[table]
path = "posts.jsonl"
[columns]
record_id = "id"
subject = "who"
kind = "'post'"
text = "words"
created_at = "epoch_seconds(seconds)"
collected_at = "epoch_seconds(seconds)"
collected_evidence = "'server log'"
audience = "'public'"
audience_evidence = "'column'"
lifecycle = "'published'"
categories = "'user.content.public'"
[quarantine]
max_share = 0.5
"""


Bend = Callable[[list[dict[str, Any]]], object]


def make(folder: Path, posts: Bend = list, people: Bend = list) -> Path:
    """The platform in a folder; ``posts`` and ``people`` may bend its rows."""
    version = folder / "policies" / "small" / "2020-01-01"
    version.mkdir(parents=True)
    (version / "policy.toml").write_text(VERSION.format(digest=hashlib.sha256(TEXT.encode()).hexdigest()))
    (version / "text.md").write_text(TEXT)
    (folder / "aboveboard.toml").write_text(SETTINGS)
    (folder / "posts.toml").write_text(MAP)
    (folder / "job.toml").write_text('purpose = "train_ai_system.generative"\n')
    rows = [
        {"id": f"p{n}", "who": f"u{n % 12}", "words": f"a bird of number {n}", "seconds": 1_600_000_000 + n}
        for n in range(100)
    ]
    posts(rows)
    (folder / "posts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows) + "{torn\n")
    known = [{"subject": f"u{n}", "state": "active", "protected": False, "age_band": "adult", "residency": "IE",
               "evidence": "made up"} for n in range(12)]  # fmt: skip
    people(known)
    since = pa.array([datetime(1990, 1, 1)] * len(known), pa.timestamp("us"))  # noqa: DTZ001 - tables hold naive UTC
    pq.write_table(pa.Table.from_pylist(known).append_column("valid_from", since), folder / "facts.parquet")
    (folder / "private").mkdir(mode=0o700)
    workspace.make_keys(folder)
    ws = open_workspace(folder)
    assert ws.evidence.origin  # the log is there, empty: its later writes are the ones that a build makes
    ws.ledger.close()
    return folder
