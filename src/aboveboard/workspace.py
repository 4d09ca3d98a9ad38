"""A workspace: one folder that says where a platform's policy, choices, facts and tables are.

This is the wiring: it reads ``aboveboard.toml``, opens things when they are first needed, and has no verbs of its
own. Paths in the file are relative to the folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import regime, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.engine import Engine
from aboveboard.errors import AboveboardError, WorkspaceError, unknown_term
from aboveboard.gate import Job, Licence
from aboveboard.policy import Policy, region
from aboveboard.regime import Regime, Regimes

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.ledger import Ledger, LedgerSnapshot
    from aboveboard.sources.facts import FactsTable

FILE = "aboveboard.toml"
_TABLES = {"workspace", "policy", "ledger", "facts", "sources", "regions", "regime", "licence", "engine"}


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one position together with the facts: what the gate and the engine need to know of people."""

    ledger: LedgerSnapshot
    facts: FactsTable

    @property
    def position(self) -> int:
        return self.ledger.position

    @property
    def digest(self) -> str:
        return self.ledger.digest

    def events_of(self, subject: str) -> Sequence[Event]:
        return self.ledger.events_of(subject)

    def facts_of(self, subject: str) -> Sequence[Facts]:
        return self.facts.facts_of(subject)

    def events_table(self) -> pa.Table:
        return self.ledger.events_table()

    def facts_table(self) -> pa.Table:
        return self.facts.table()


@dataclass(frozen=True)
class JobFile:
    """One use, as written in a file: the job, and the sources it is asked of (none named: all)."""

    job: Job
    sources: tuple[str, ...] = ()
    path: Path | None = None


@dataclass(frozen=True)
class Workspace:
    """An opened workspace. Everything heavy is opened at first use and then kept."""

    folder: Path
    settings: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return str(self._table("workspace").get("name", self.folder.resolve().name))

    @cached_property
    def policy(self) -> Policy:
        """The platform's policy: every version in its folder."""
        from aboveboard.policies import read_policy

        return read_policy(self.policy_folder)[0]

    @property
    def policy_folder(self) -> Path:
        from aboveboard.policies import policy_folders

        return policy_folders(self.folder)[0]

    @cached_property
    def ledger(self) -> Ledger:
        """The choice ledger; made and migrated when it is not there yet."""
        from aboveboard.ledger import Ledger

        url = str(self._table("ledger").get("url", "ledger.db"))
        return Ledger.open(url if "://" in url else self.folder / url)

    @cached_property
    def facts(self) -> FactsTable:
        """What the platform attests about accounts; empty where the workspace names none."""
        return self.facts_at(None)

    def facts_at(self, path: Path | None) -> FactsTable:
        """The facts of a file given by hand, or those the workspace names."""
        from aboveboard.sources import facts

        if path is None and "facts" not in self.settings:
            return facts.FactsTable.empty()
        return facts.read(path if path is not None else self._path("facts", "path", "facts.parquet"))

    def snapshot(self, position: int | None = None, facts: FactsTable | None = None) -> Snapshot:
        """The people at a position of the ledger (its head, if none is given)."""
        known = self.facts if facts is None else facts
        return Snapshot(self.ledger.snapshot(facts=known, position=position), known)

    @cached_property
    def sources(self) -> Mapping[str, Path]:
        """The maps of the platform's tables, by name."""
        return {name: self.folder / str(path) for name, path in self._table("sources").items()}

    @cached_property
    def regimes(self) -> Regimes:
        """The regimes of this workspace: the standard ones, its own, and which region has which."""
        tables: dict[str, Regime] = dict(regime.STANDARD)
        for name, cells in self._table("regime").items():
            tables[name] = regime.parse(name, cells)
        regions = {region(code): str(name) for code, name in self._table("regions").items()}
        found = Regimes(tables, regions)
        for name in regions.values():
            found.named(name)
        return found

    @cached_property
    def licences(self) -> Mapping[str, Licence]:
        """The licences on file, by id."""
        return {name: _licence(name, table) for name, table in self._table("licence").items()}

    @property
    def engine(self) -> Engine:
        settings = self._table("engine")
        chosen = {key: settings[key] for key in ("threads", "memory") if key in settings}
        return Engine(**chosen)

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    @property
    def private(self) -> Path:
        return self.folder / "private"

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self.settings.get(name, {})
        if not isinstance(table, Mapping):
            raise WorkspaceError(f"`{name}` is a table", file=self.folder / FILE, hint=f"write it as [{name}]")
        return table

    def _path(self, table: str, key: str, default: str) -> Path:
        return self.folder / str(self._table(table).get(key, default))


def open_workspace(folder: Path | str) -> Workspace:
    """The workspace in a folder; raises WorkspaceError where there is none or its file does not hold together."""
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise WorkspaceError(f"no {FILE} in `{folder}`", hint="run `aboveboard init` there, or name the folder with -w")
    settings = _toml(path)
    for name in settings:
        if name not in _TABLES:
            raise unknown_term(f"table in {FILE}", name, _TABLES)
    return Workspace(folder, settings)


def read_job(path: Path | str, purpose: str | None = None) -> JobFile:
    """The job in a file; raises WorkspaceError naming the file for anything it cannot mean."""
    path = Path(path)
    table = _toml(path)
    known = {"purpose", "recipient", "regime", "sources", "model"}
    try:
        for key in table:
            if key not in known:
                raise unknown_term("key of a job", key, known)
        model = table.get("model", {})
        job = Job(
            purpose or str(table.get("purpose", "")),
            str(table.get("recipient", "controller")),
            str(model.get("name", "")),
            model.get("use"),
            str(table.get("regime", "strict")),
        )
    except AboveboardError as error:
        raise WorkspaceError(error.sentence, hint=error.hint, file=path) from error
    return JobFile(job, tuple(table.get("sources", ())), path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorkspaceError("the file is not there", file=path, hint="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise WorkspaceError(f"cannot read it as TOML: {error}", file=path) from error


def _licence(name: str, table: Mapping[str, Any]) -> Licence:
    known = {"purposes", "recipients", "valid_from", "valid_to", "acquired", "forbids"}
    for key in table:
        if key not in known:
            raise unknown_term(f"key of licence `{name}`", key, known)
    return Licence(
        name,
        tuple(vocabulary.purpose(p) for p in table.get("purposes", ())),
        tuple(vocabulary.recipient(r) for r in table.get("recipients", ("controller",))),
        _moment(name, table.get("valid_from")),
        _moment(name, table.get("valid_to")),
        bool(table.get("acquired", True)),
        tuple(vocabulary.purpose(p) for p in table.get("forbids", ())),
    )


def _moment(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        try:
            value = datetime.combine(value, datetime.min.time())
        except TypeError as error:
            raise WorkspaceError(f"a date of licence `{name}` is not a date", hint="for example 2026-12-31") from error
    found: datetime = value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def create(folder: Path, name: str | None = None) -> list[Path]:
    """Make a workspace with everything a first build needs; raises WorkspaceError rather than overwrite a file."""
    from aboveboard import template

    chosen = name or folder.resolve().name
    files = template.files(chosen)
    for relative in files:
        if (folder / relative).exists():
            raise WorkspaceError(f"`{folder / relative}` is already there", hint="choose an empty folder")
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (folder / "private").mkdir(mode=0o700, exist_ok=True)
    return [folder / relative for relative in files]
