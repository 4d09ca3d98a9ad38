"""Other people's tools at the same work: datatrove at the filter, Cedar at the single decision.

They are no dependencies of aboveboard. ``pip install datatrove==0.10.0 cedarpy`` makes these measures run; without
them, each is skipped and says so. Where there was a choice, theirs is the quicker one: only the columns that they need
are in their table, policies and people are parsed beforehand, and Cedar is asked in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from made_up import DECLARED

from aboveboard.choice import People
from aboveboard.record import Record

NEEDED = {"datatrove": "datatrove==0.10.0", "datatrove-scrub": "datatrove==0.10.0", "cedarpy": "cedarpy"}
"""The measures, and what to install for each."""

# Facts and choices lie on the member, what is known of the post in the context. It knows no versions, parts or
# reasons for what is unknown: fewer rules than ours, never more.
CEDAR = f"""
permit (principal, action == Action::"train", resource)
when {{ context.audience == "public" && context.lifecycle == "published" && context.received >= {int(DECLARED.timestamp())} }};
forbid (principal, action, resource) when {{ principal.choice == "no" }};
forbid (principal, action, resource) when {{ principal.protected }};
forbid (principal, action, resource) when {{ principal.state != "active" }};
forbid (principal, action, resource) when {{ principal.age_band != "adult" }};
"""


def missing(measure: str) -> str | None:
    """Why a measure cannot run here, in a sentence."""
    package = NEEDED.get(measure)
    name = package.partition("==")[0] if package else ""
    return None if not name or find_spec(name) else f"{name} is not installed here: pip install {package}"


# --- datatrove --------------------------------------------------------------------------------------------------


def prepare(folder: Path, rows: int) -> None:
    """The first posts once more, with no other columns than datatrove needs: it reads every column there is."""
    import duckdb

    (folder / "peer").mkdir()
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT id, text, lang, author, visibility, state FROM '{folder}/posts.parquet' LIMIT {rows})"
            f" TO '{folder}/peer/posts.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def filtered(folder: Path, out: Path, *, scrub: bool) -> Callable[[], int]:
    """Drop the posts of who opted out and what is not public; ``scrub``: also replace e-mail and IP addresses."""
    import pyarrow.parquet as pq
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    opted_out = frozenset(pq.read_table(folder / "opted-out.parquet")["subject"].to_pylist())

    def stays(post: Any) -> bool:
        said = post.metadata
        return said["visibility"] == "public" and said["state"] == "published" and said["author"] not in opted_out

    def released(_: Any, post: Any) -> dict[str, Any]:
        return {"text": post.text, "language": post.metadata["lang"], "kind": "post"}

    executor = LocalPipelineExecutor(
        pipeline=[
            ParquetReader(str(folder / "peer")),
            LambdaFilter(stays),
            *([PIIFormatter()] if scrub else []),
            ParquetWriter(str(out / "data"), compression="zstd", adapter=released),
        ],
        tasks=1,
        logging_dir=str(out / "logs"),
    )

    def run() -> int:
        executor.run()
        return int(pq.read_metadata(folder / "peer" / "posts.parquet").num_rows)

    return run


# --- Cedar ------------------------------------------------------------------------------------------------------


def authorised(records: Sequence[Record], people: People) -> Callable[[], int]:
    """Ask Cedar about every record, in one batch, with policies and people parsed once."""
    import json

    import cedarpy

    policies = cedarpy.PolicySet.from_str(CEDAR)
    entities = cedarpy.Entities.from_json_str(json.dumps([_member(people, subject) for subject in people.facts]))
    requests = [_request(record) for record in records]

    def run() -> int:
        answers = cedarpy.is_authorized_batch(requests, policies, entities)
        if any(answer.diagnostics.errors for answer in answers):
            raise RuntimeError("Cedar could not evaluate the policy")
        return len(answers)

    return run


def _member(people: People, subject: str) -> dict[str, Any]:
    facts = people.facts_of(subject)[-1]
    said = max(people.events_of(subject), key=lambda event: event.effective_at, default=None)
    choice = "no" if said is not None and said.type in ("refused", "withdrawn") else "none"
    known = {"choice": choice, "protected": facts.protected, "state": facts.state, "age_band": facts.age_band}
    return {"uid": {"type": "Member", "id": subject}, "attrs": known, "parents": []}


def _request(record: Record) -> dict[str, Any]:
    received = int(record.collected_at.timestamp()) if record.collected_at else 0
    return {
        "principal": {"type": "Member", "id": record.subject},
        "action": 'Action::"train"',
        "resource": {"type": "Post", "id": record.id},
        "context": {
            "audience": record.main.audience_now or "unknown",
            "lifecycle": record.lifecycle or "unknown",
            "received": received,
        },
    }
