"""Makes birdsite: a workspace folder with policies, maps and a job, and the platform's own tables beside it.

The same seed makes the same bytes: nothing reads a clock, the environment or the network. What the tables say
is explained by the maps under ``platform/sources`` alone, as it would be for a platform of one's own.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from aboveboard.demo import members, others, posts
from aboveboard.demo.members import Row
from aboveboard.errors import WorkspaceError
from aboveboard.workspace import make_keys

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "birdsite"
SEED = 20230929
NOTICE = "policies/birdsite/2023-09-29/text.md"
"""The text that members were shown before it came into force."""

Table = tuple[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was made: the folder, and how many rows each table holds."""

    folder: Path
    seed: int
    members: int
    facts: int
    choices: int
    posts: int
    messages: int
    likes: int
    work_history: int
    face_templates: int

    @property
    def records(self) -> int:
        """The rows that a build has to judge, over all sources."""
        return self.posts + self.messages + self.likes + self.work_history + self.face_templates


def make(folder: Path, seed: int = SEED) -> Summary:
    """Write birdsite into ``folder`` and say what is there; a folder that holds something else is refused.

    Raises WorkspaceError for such a folder. Made again in the same folder, it writes the same files again and
    leaves alone what else a birdsite holds by now (ledger, releases).
    """
    _refuse_other(folder)
    template = files("aboveboard.demo") / "platform"
    _copy(template, folder)
    tables = dict(_tables(Random(seed), hashlib.sha256((folder / NOTICE).read_bytes()).hexdigest()))  # noqa: S311
    for path, rows in tables.items():
        _write(folder / path, rows)
    if not (folder / "keys").exists():
        make_keys(folder)
    counts = {Path(path).stem: len(rows) for path, rows in tables.items()}
    return Summary(folder, seed, members=counts.pop("accounts"), **counts)


def _refuse_other(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    settings = folder / "aboveboard.toml"
    said = tomllib.loads(settings.read_text("utf-8")) if settings.exists() else {}
    if said.get("workspace", {}).get("name") != NAME:
        raise WorkspaceError("the folder holds something else", hint="name an empty or a new folder", folder=folder)


def _copy(template: Traversable, folder: Path) -> None:
    """The template's files, as they were shipped (from a wheel, a checkout or an archive)."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(template.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _copy(entry, folder / entry.name)
        else:
            (folder / entry.name).write_bytes(entry.read_bytes())


def _tables(rng: Random, notice: str) -> Iterator[Table]:
    """Every table with its path. INVARIANT: this is the order of the draws; another changes every row."""
    people = members.members(rng)
    yield "data/accounts.parquet", members.accounts(people)
    yield "facts.parquet", members.facts(rng, people)
    chirps = posts.posts(rng, people)
    yield "data/posts.parquet", chirps
    yield "data/messages.jsonl", others.messages(rng, people)
    yield "data/likes.csv", others.likes(rng, people, chirps)
    yield "data/work_history.csv", (work := others.work_history(rng, people))
    yield "data/face_templates.parquet", (faces := others.face_templates(rng, people, chirps))
    handles = {one.handle: one.number for one in people}
    workers = [handles[row["handle"]] for row in work]
    yield "data/choices.csv", members.choices(rng, people, notice, [row["member"] for row in faces], workers)


# --- writing ------------------------------------------------------------------------------------------------


def _write(path: Path, rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    {".parquet": _write_parquet, ".jsonl": _write_lines, ".csv": _write_csv}[path.suffix](path, rows)


def _write_lines(path: Path, rows: Sequence[Row]) -> None:
    """The last line is cut short, as when a disk is full: a reader has to say so instead of skipping it."""
    *lines, last = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes("\n".join([*lines, last[:40]]).encode())


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: Sequence[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows), schema=_schema(path.stem)), path, compression="zstd")


COLUMNS: Mapping[str, Mapping[str, str]] = {
    "accounts": {
        "member": "number", "handle": "text", "opened": "moment", "country": "text",
        "interface_languages": "texts",
    },
    "facts": {
        "subject": "text", "valid_from": "moment", "state": "text", "protected": "flag", "age_band": "text",
        "residency": "text", "last_interaction": "moment", "evidence": "text",
    },
    "posts": {
        "chirp_id": "text", "first_version": "text", "version": "number", "writer": "number",
        "handle": "text", "type": "text", "words": "text", "lang": "text",
        "phone_clock": "text", "shown_to_first": "text", "shown_to": "text", "state": "text",
        "answers": "text", "answers_writer": "number", "answers_shown_to": "text", "echo": "stretch",
        "passes_on": "text", "passes_on_writer": "number", "passes_on_shown_to": "text",
        "passes_on_words": "text", "made_from": "texts", "names": "names", "pictures": "pictures",
        "links": "links", "spot": "spot", "no_machines": "flag",
        "words_sha256": "text",
    },
    "face_templates": {
        "template": "text", "member": "number", "measured": "moment", "portrait": "text",
        "numbers": "decimals",
    },
}  # fmt: skip
"""The columns of the Parquet tables, by the name of the file."""

SHAPES: Mapping[str, Mapping[str, str]] = {
    "stretch": {"from": "short", "to": "short"},
    "name": {"from": "short", "to": "short", "member": "number"},
    "picture": {
        "file": "text", "caption": "text", "faces": "short", "tagged": "numbers", "of_writer": "flag",
        "screenshot_of": "text",
    },
    "link": {"url": "text", "headline": "text", "content_usage": "text"},
    "spot": {"lat": "decimal", "lon": "decimal"},
}  # fmt: skip
"""What stands inside a nested column."""


def _schema(table: str) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, _type(kind)) for name, kind in COLUMNS[table].items()])


def _type(kind: str) -> pa.DataType:
    """The Arrow type of a word in ``COLUMNS``; a plural is a list."""
    import pyarrow as pa

    plain = {
        "text": pa.string(),
        "number": pa.int64(),
        "short": pa.int32(),
        "decimal": pa.float64(),
        "flag": pa.bool_(),
        "moment": pa.timestamp("us", tz="UTC"),
    }
    if kind in plain:
        return plain[kind]
    if kind in SHAPES:
        return pa.struct([(name, _type(inner)) for name, inner in SHAPES[kind].items()])
    return pa.list_(_type(kind.removesuffix("s")))
