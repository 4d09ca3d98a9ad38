"""A workspace: one folder that says where a platform's policy, choices, facts and tables are.

This is the wiring: it reads ``aboveboard.toml``, opens things when they are first needed, and has no verbs of its
own. Paths in the file are relative to the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aboveboard import regime, suppression, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.engine import Engine
from aboveboard.errors import AboveboardError, WorkspaceError, unknown_term
from aboveboard.gate import Job, Licence
from aboveboard.note import Signer
from aboveboard.policy import Embargo, Policy, region
from aboveboard.regime import Regime, Regimes
from aboveboard.suppression import Suppressions

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard import succession
    from aboveboard.evidence import Evidence
    from aboveboard.keys import Keys
    from aboveboard.ledger import Ledger, LedgerSnapshot
    from aboveboard.log import Log
    from aboveboard.note import Signer
    from aboveboard.notices import Pace, Recipient
    from aboveboard.proof import Trust
    from aboveboard.retraction import Question
    from aboveboard.sources.facts import FactsTable
    from aboveboard.streams import Stream

FILE = "aboveboard.toml"
_KEYS = {
    "workspace": ("name",),
    "policy": ("folder",),
    "ledger": ("url",),
    "facts": ("path",),
    "engine": ("threads", "memory"),
    "log": ("origin", "trust"),
    "notices": ("wait_hours", "give_up_days", "timeout_seconds"),
    "portal": ("contact", "authority", "url"),
}
_TABLES = {
    "workspace", "policy", "ledger", "log", "facts", "sources", "regions", "regime", "licence", "engine", "recipients", "notices",
    "portal", "streams",
}  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one position together with the facts: what the gate and the engine need to know of people."""

    ledger: LedgerSnapshot
    facts: FactsTable
    strangers_upto: int | None = None
    """Up to where what strangers ask for is heard (None: all of it)."""

    @property
    def position(self) -> int:
        return self.ledger.position

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the ledger and of the facts."""
        return hashlib.sha256(bytes.fromhex(self.ledger.digest) + bytes.fromhex(self.facts.digest)).hexdigest()

    def events_of(self, subject: str) -> Sequence[Event]:
        return [one for one in self.ledger.events_of(subject) if not self._strangers(one)]

    def _strangers(self, event: Event) -> bool:
        behind = self.strangers_upto is not None and event.position > self.strangers_upto
        return behind and event.actor == "stranger" and not event.verified

    def facts_of(self, subject: str) -> Sequence[Facts]:
        return self.facts.facts_of(subject)

    def events_table(self) -> pa.Table:
        import pyarrow.compute as pc

        found = self.ledger.events_table()
        if self.strangers_upto is None:
            return found
        asked = pc.and_(pc.equal(found["actor"], "stranger"), pc.invert(found["verified"]))
        return found.filter(pc.invert(pc.and_(asked, pc.greater(found["position"], self.strangers_upto))))

    def facts_table(self) -> pa.Table:
        return self.facts.table()

    @property
    def suppressions(self) -> Suppressions:
        return self.ledger.suppressions


class Retracted(NamedTuple):
    """A withdrawal by question: its number, the question, and the SHA-256 of the list of its records."""

    number: int
    question: Question
    listed: str | None


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

    def reread(self) -> Workspace:
        """This workspace as its files are now. A ledger that is open goes along, unless the file names another by now.

        Raises WorkspaceError where the file does not hold together any more.
        """
        found = open_workspace(self.folder)
        if "ledger" in vars(self) and found._ledger == self._ledger:
            vars(found)["ledger"] = self.ledger
        return found

    @property
    def followed(self) -> Sequence[Path]:
        """The files in which a person changes what holds here: settings, policies, jobs, and the table of facts."""
        named = self._table("policy").get("folder")
        policies = (
            [self.folder / str(named)] if named else [self.folder / "policies", *(self.folder / "policies").glob("*")]
        )
        versions = [file for folder in policies for file in folder.glob("*/*")]
        facts = [self._path("facts", "path", "facts.parquet")] if "facts" in self.settings else []
        return [self.folder / FILE, *versions, *(self.folder / "jobs").glob("*.toml"), *facts]

    @cached_property
    def policy(self) -> Policy:
        """The platform's policy: every version in its folder."""
        from aboveboard.policies import read_policy

        return read_policy(self.policy_folder)[0]

    @property
    def policy_folder(self) -> Path:
        from aboveboard.policies import policy_folders

        found = policy_folders(self.folder)
        if len(found) > 1:
            names = ", ".join(folder.name for folder in found)
            raise WorkspaceError(f"several policies: {names}", hint='name one: [policy] folder = "policies/NAME"')
        return found[0]

    @cached_property
    def ledger(self) -> Ledger:
        """The choice ledger; made and migrated when it is not there yet."""
        from aboveboard.ledger import Ledger

        return Ledger.open(self._ledger if "://" in self._ledger else self.folder / self._ledger)

    @property
    def has_ledger(self) -> bool:
        """Whether a ledger is there already; opening makes one."""
        return "://" in self._ledger or (self.folder / self._ledger).exists()

    @property
    def _ledger(self) -> str:
        return str(self._table("ledger").get("url", "ledger.db"))

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

    def snapshot(
        self, position: int | None = None, facts: FactsTable | None = None, strangers_upto: int | None = None
    ) -> Snapshot:
        """The people at a position of the ledger (its head, if none is given); of what strangers asked for that nobody has
        verified, only what stands up to ``strangers_upto``."""
        known = self.facts if facts is None else facts
        found = self.ledger.snapshot(facts=known, position=position, suppressions=self.suppressions())
        return Snapshot(found, known, strangers_upto)

    def suppressions(self) -> Suppressions:
        """Who was erased here, as it stands now. Raises WorkspaceError where the key that tells them apart is lost or is
        another one: then nobody can say whose data must not come back, and nothing is judged."""
        listed = self.ledger.suppressed()
        if not listed:
            return suppression.NONE
        keys = self.keys
        if set(listed.values()) != {keys.fingerprint("suppression")}:
            raise WorkspaceError(
                "the key `suppression` is not the one with which erased people are remembered", file=keys.folder,
                hint="bring the old one back from your backup: without it their no would be forgotten",
            )  # fmt: skip
        return Suppressions(frozenset(listed), keys.secret("suppression"))

    def gone(self) -> Suppressions:
        """Who was erased: of who only asked for it, something may still be here, and more may be said."""
        hashes = self.ledger.gone()
        return Suppressions(hashes, self.suppressions().key) if hashes else suppression.NONE

    @cached_property
    def sources(self) -> Mapping[str, Path]:
        """The maps of the platform's tables, by name."""
        return {name: self.folder / str(path) for name, path in self._table("sources").items()}

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """The compliance streams of this workspace, by name; their keys are read where they are used."""
        from aboveboard.streams import stream

        return {name: stream(name, table, self.folder) for name, table in self._table("streams").items()}

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

    @cached_property
    def recipients(self) -> Mapping[str, Recipient]:
        """Who may receive releases, by their names in the vocabulary, and how they are told what to remove."""
        return {name: self._recipient(name, table) for name, table in self._table("recipients").items()}

    def _recipient(self, name: str, table: Mapping[str, Any]) -> Recipient:
        from aboveboard.note import VerifierKey
        from aboveboard.notices import Recipient, refuse_address

        known = ("webhook", "folder", "secret", "key")
        if vocabulary.recipient(name) == "controller" or name.endswith(":*"):
            raise WorkspaceError(
                f"`{name}` is no recipient that could be told", file=self.folder / FILE,
                hint="name somebody else than yourself, such as processor:ID",
            )  # fmt: skip
        if not isinstance(table, Mapping) or ("webhook" in table) == ("folder" in table):
            raise WorkspaceError(
                f"`{name}` has no address, or two",
                file=self.folder / FILE,
                hint="write `webhook` and `secret`, or `folder`",
            )
        for key in table:
            if key not in known:
                raise unknown_term(f"key of recipient `{name}`", key, known)
        webhook, folder = table.get("webhook"), table.get("folder")
        if webhook is not None and (why := refuse_address(str(webhook))):
            raise WorkspaceError(f"nothing can be sent to `{name}`: {why}", file=self.folder / FILE)
        secret = b"" if webhook is None else self._shared_secret(name, table.get("secret"))
        theirs = VerifierKey.parse(str(table["key"])) if "key" in table else None
        return Recipient(name, webhook, None if folder is None else self.folder / str(folder), secret, theirs)

    def _shared_secret(self, name: str, file: object) -> bytes:
        """The bytes that a webhook is signed with: 24 to 64 of them, in a file (hexadecimal) that only its owner reads."""
        path = self.folder / str(file or "")
        try:
            mode, secret = path.stat().st_mode & 0o077, bytes.fromhex(path.read_text("utf-8").strip())
        except (OSError, ValueError):
            mode, secret = 0, b""
        if mode or not 24 <= len(secret) <= 64:
            raise WorkspaceError(
                f"the secret of `{name}` cannot be used", file=path,
                hint="name a file that only its owner reads, with 24 to 64 random bytes in hexadecimal: openssl rand -hex 32",
            )  # fmt: skip
        return secret

    @property
    def pace(self) -> Pace:
        """When notices to recipients are made and sent ([notices])."""
        from aboveboard.notices import Pace

        settings = self._table("notices")
        for name, value in settings.items():
            if type(value) is not int or not (0 if name == "wait_hours" else 1) <= value <= 3_650:
                raise self._setting(name, value, "a whole number")
        return Pace(
            timedelta(hours=settings.get("wait_hours", 6)), timedelta(days=settings.get("give_up_days", 30)),
            timedelta(seconds=settings.get("timeout_seconds", 10)),
        )  # fmt: skip

    @property
    def engine(self) -> Engine:
        """How much of the machine a judgement may take ([engine] threads, memory)."""
        settings = self._table("engine")
        threads, memory = settings.get("threads", Engine().threads), settings.get("memory", Engine().memory)
        if type(threads) is not int or threads < 1:
            raise self._setting("threads", threads, "a whole number of at least 1")
        if not isinstance(memory, str) or not re.fullmatch(r"[0-9]+ ?[KMGT]i?B", memory):
            raise self._setting("memory", memory, "a size such as 2GB")
        return Engine(threads=threads, memory=memory)

    def _setting(self, name: str, value: object, wanted: str) -> WorkspaceError:
        return WorkspaceError(f"`{name}` is `{value}`", file=self.folder / FILE, hint=f"write {wanted}")

    @property
    def keys_folder(self) -> Path:
        return self.folder / "keys"

    @cached_property
    def keys(self) -> Keys:
        """The keys of this workspace; raises WorkspaceError where they are not whole."""
        from aboveboard import keys

        return keys.read(self.keys_folder)

    @property
    def log_folder(self) -> Path:
        return self.folder / "log"

    @property
    def origin(self) -> str:
        """The name of the log: a URL without its scheme. Once it has begun, it cannot be another one: a workspace that says
        none keeps the name with which its log began, wherever the folder is moved."""
        from aboveboard.log import checkpoint_of
        from aboveboard.note import is_name

        if "origin" not in self._table("log") and self.has_log:
            return checkpoint_of(self.log_folder).decode("utf-8", "replace").partition("\n")[0]
        name = re.sub(r"[\s+]+", "-", self.name)
        origin = self._table("log").get("origin", f"{name}/log")
        if not isinstance(origin, str) or not is_name(origin):
            raise self._setting("origin", origin, "the URL of the log without its scheme, such as example.org/log")
        return origin

    def signer(self, name: str) -> Signer:
        """The key that signs checkpoints (``log``) or receipts (``receipt``), under the name that others know it by."""
        return self.keys.signer(name, self.origin if name == "log" else f"{self.origin}/{name}s")

    def receipt(self, event: Event) -> bytes:
        """The signed receipt of a recorded event; makes a key for its subject where there is none.

        Raises LogError where the log holds what the ledger does not: a ledger from a backup gives positions once more, and
        two receipts for one position would be evidence against the platform.
        """
        from aboveboard import receipt, subjectmap
        from aboveboard.assertion import Assertion
        from aboveboard.evidence import refuse_other
        from aboveboard.log import Log

        if self.has_log:
            refuse_other(self.ledger, Log.open(self.log_folder, self.signer("log")).reader())
        held = self.ledger.assertion(event.position)
        signed_by = None if held is None else Assertion.of(json.loads(held))
        index = subjectmap.index_of(self.keys.secret("index"), event.subject)
        made = receipt.of(event, self.ledger.made_key(event.subject), index, self.origin, signed_by)
        return made.sign(self.signer("receipt"))

    @cached_property
    def evidence(self) -> Evidence:
        """The log with the ledger that gives its entries their places; begun, with the statement of the platform's keys
        as its first entry, where there is none yet."""
        from aboveboard.evidence import Evidence
        from aboveboard.log import Log
        from aboveboard.succession import genesis

        named = genesis(self.keys.named(self.origin))  # first: a log without keys to name would be in the way of them
        found = Evidence(self.ledger, Log.make(self.log_folder, self.signer("log")), lambda: self.policy)
        found.begin(named, datetime.now(UTC))
        return found

    @property
    def log(self) -> Log:
        """The log on the disk, brought to what the ledger says."""
        return self.evidence.log

    @property
    def has_log(self) -> bool:
        """Whether the log has begun; opening begins it."""
        return (self.log_folder / "checkpoint").exists()

    @property
    def trust(self) -> Trust:
        """Whose word about a log counts here: our log, and the witnesses of the file that [log] names (none)."""
        from aboveboard.proof import Trust

        if "trust" in self._table("log"):
            path = self._path("log", "trust", "log.trust")
            try:
                return Trust.parse(path.read_bytes())
            except OSError as error:
                raise WorkspaceError("the trust in the log cannot be read", file=path, hint="check the path") from error
        return Trust((self.signer("log").key,))

    def undertakings(self, as_of: datetime | None = None) -> tuple[Embargo, ...]:
        """What withdrawals by question undertook, until a moment (all of them, if none is given)."""
        return tuple(
            one.question.undertaking(f"withdrawal-{one.number}")
            for one in self._retracted(as_of)
            if not one.question.names_records
        )

    def listed(self, job: Job, as_of: datetime | None = None) -> Container[tuple[str, str]]:
        """The records that withdrawals by question took out of a job one by one, until a moment.

        Raises LedgerError where a list of them is lost: nothing can be judged then.
        """
        from aboveboard.ledger.listed import listed

        asked = [one for one in self._retracted(as_of) if one.listed is not None]
        concerned = [o for o in asked if o.question.undertaking("").concerns(job.purpose, job.recipient)]
        return listed(self.retractions, [str(one.listed) for one in concerned])

    def _retracted(self, as_of: datetime | None) -> list[Retracted]:
        from aboveboard import retraction

        return [
            Retracted(one.number, retraction.parse(one.question), one.listed)
            for one in self.ledger.retractions()
            if as_of is None or one.recorded_at <= as_of
        ]

    @property
    def retractions(self) -> Path:
        """Where the lists of records lie that were taken out one by one."""
        return self.private / "retractions"

    @property
    def told(self) -> Mapping[str, str]:
        """What [portal] tells people: whom to write to (``contact``), where to complain (``authority``), and the ``url`` at which
        they reach it."""
        return {name: str(said) for name, said in self._table("portal").items()}

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
    for name, table in settings.items():
        if name not in _TABLES:
            raise unknown_term(f"table in {FILE}", name, _TABLES)
        for key in table if isinstance(table, Mapping) and name in _KEYS else ():
            if key not in _KEYS[name]:
                raise unknown_term(f"key of [{name}] in {FILE}", key, _KEYS[name])
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
        if not isinstance(model, Mapping):
            raise WorkspaceError("`model` is a table", hint="write it as [model] with name and use")
        for key in model:
            if key not in ("name", "use"):
                raise unknown_term("key of [model]", key, ("name", "use"))
        job = Job(
            purpose or str(table.get("purpose", "")),
            str(table.get("recipient", "controller")),
            str(model.get("name", "")),
            model.get("use"),
            str(table.get("regime", "strict")),
        )
        sources = _names(table.get("sources", []))
    except AboveboardError as error:
        raise WorkspaceError(error.sentence, hint=error.hint, file=path) from error
    return JobFile(job, sources, path)


def _names(value: Any) -> tuple[str, ...]:
    """The sources of a job. A text is a sequence of letters too: it must not pass for a list."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise WorkspaceError("`sources` is not a list of names", hint='write it as a list: sources = ["posts"]')
    return tuple(value)


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
        _flag(name, table.get("acquired", True)),
        tuple(vocabulary.purpose(p) for p in table.get("forbids", ())),
    )


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WorkspaceError(f"`acquired` of licence `{name}` is `{value}`", hint="write true or false, without quotes")
    return value


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
    make_keys(folder)
    return [folder / relative for relative in files]


def make_keys(folder: Path) -> Keys:
    """Make the keys of a workspace, or the recovery key alone where only that one is missing.

    Raises WorkspaceError where there are keys, or where there were.
    """
    from aboveboard import keys

    ws = open_workspace(folder)
    if ws.keys_folder.exists() and not (ws.keys_folder / keys.RECOVERY_PUBLIC).exists() and not ws.has_log:
        keys.add_recovery(ws.keys_folder)
        return ws.keys
    if ws.has_log and not ws.keys_folder.exists():
        raise WorkspaceError(
            "the log was signed with other keys", file=ws.log_folder, hint="bring those back from your backup",
        )  # fmt: skip
    if ws.has_ledger and ws.ledger.releases():
        raise WorkspaceError(
            "releases were built here with other keys", file=folder / "keys",
            hint="bring those back from your backup: with new ones nothing links to what was published, and people who "
            "were erased would be forgotten",
        )  # fmt: skip
    return keys.make(folder / "keys")


def replace_log_key(folder: Path, recovery: Signer, now: datetime) -> succession.Keys:
    """Put a new key in the place of the one that signs the log, by the word of the recovery key; the keys now in force.

    The checkpoint that says so is signed by both while the old one is there. Killed at any moment, it is called again.
    Raises WorkspaceError for another recovery key than the log names.
    """
    from aboveboard import evidence, keys, log, statement, succession

    ws = open_workspace(folder)
    named, held = log.keys_of(ws.log_folder), keys.log_now(ws.keys_folder)
    if not recovery.key == named.recovery == keys.recovery(ws.keys_folder):
        raise WorkspaceError("the recovery key is not the one that the log names", hint="look for the right one")
    new = Signer(named.log.name, keys.next_log(ws.keys_folder))
    old = [] if held is None else [one for one in [Signer(new.name, held)] if one.key == named.log != new.key]
    made = log.Log(ws.log_folder, new, also=old, accepts=[named.log, *named.before[-1:]])
    if named.log != new.key:
        follower = evidence.Evidence(ws.ledger, made, lambda: ws.policy)
        follower.enter(statement.Due(succession.TYPE, succession.rotation(named.log, new.key, recovery), "keys"), now)
        follower.follow()
    made.sign_again()
    keys.enforce_log(ws.keys_folder)
    return log.keys_of(ws.log_folder)
