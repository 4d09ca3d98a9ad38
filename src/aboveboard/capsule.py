"""A capsule: all that one person can check of one release, in one file, without asking anybody.

It opens the person's row of the subject map and the descriptors of their rows in this release and in no other: whoever
demands to see it learns no lasting key. ``check`` holds it against the public files, step by step; what cannot be proven
(why something stayed out) is in it as the platform's word and is called so. Of records with other people in them nothing
is told but that they have: whatever those people chose. Specification: docs/formats/capsule.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from aboveboard import descriptor, manifest, merkle, subjectmap
from aboveboard.descriptor import Descriptor
from aboveboard.errors import VerificationError
from aboveboard.manifest import COVERS
from aboveboard.reasons import OTHER_PEOPLE

KIND = "aboveboard/capsule/v1"
NOTHING = (
    "the platform states, signed, that nothing under this account is in release {release}; only an auditor's recomputation "
    "shows that the list is complete"
)
SOME = (
    "the platform states, signed, that {rows} under this account and no other person's {verb} in release {release}; only an "
    "auditor's recomputation shows that the list is complete"
)
SHARED = "{records} under this account {contain}; whether {they} in the release is told to nobody, whatever those people chose"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the release that holds rows of this person: its number, its rows, the root over them and the path from
    there to the root over all files, with the place of the file among them."""

    key: int
    rows: int
    root: str
    place: int
    files: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """One released row, with what it was: ``place`` in its file and the path to that file's root."""

    descriptor: Descriptor
    row: Row
    file: int
    place: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unproven:
    """A record of this person alone that stayed out, and why: the platform's word."""

    source: str
    record: str
    outcome: str
    decisive: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capsule:
    """What one person can check of one release. Digests, keys, rows' paths, events and accounts are hexadecimal."""

    release: str
    manifest_sha256: str
    index: str
    row_key: str
    records_key: str
    prefix: int
    bucket_sha256: str
    bucket_path: tuple[str, ...]
    as_of: str
    position: int
    events: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    records: tuple[Opened, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    unproven: tuple[Unproven, ...] = field(default_factory=tuple)

    def document(self) -> bytes:
        """The capsule as canonical JSON (RFC 8785)."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        plain |= {
            "kind": KIND,
            "files": [{name: getattr(one, name) for name in one.__slots__} for one in self.files],
            "records": [_opened(one) for one in self.records],
            "unproven": [{name: getattr(one, name) for name in one.__slots__} for one in self.unproven],
            "shared": [{"source": source, "record": record, "says": OTHER_PEOPLE} for source, record in self.shared],
        }
        return rfc8785.dumps(_lists(plain))

    @staticmethod
    def parse(data: bytes) -> Capsule:
        """The capsule in a file; raises VerificationError where it is none."""
        try:
            said = _said(data)
            said["files"] = tuple(File(**{**one, "path": tuple(one["path"])}) for one in said["files"])
            said["records"] = tuple(_open(one) for one in said["records"])
            said["unproven"] = tuple(Unproven(**{**one, "reasons": tuple(one["reasons"])}) for one in said["unproven"])
            said["shared"] = tuple((one["source"], one["record"]) for one in said["shared"])
            lists = {name: tuple(said[name]) for name in ("bucket_path", "events", "account")}
            return Capsule(**{**said, **lists})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise VerificationError("this is no capsule, or it is damaged", hint="ask for it again") from error


def _said(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    if found.pop("kind") != KIND:
        raise ValueError(KIND)
    return found


def _opened(one: Opened) -> dict[str, Any]:
    row = {**one.row, "nonce": one.row["nonce"].hex()}
    said = descriptor.as_mapping(one.descriptor)
    return {"descriptor": said, "row": row, "file": one.file, "place": one.place, "path": one.path}


def _open(said: Mapping[str, Any]) -> Opened:
    row = {**said["row"], "nonce": bytes.fromhex(said["row"]["nonce"])}
    if set(row) != set(manifest.RELEASED_COLUMNS):
        raise ValueError("row")
    return Opened(descriptor.from_mapping(said["descriptor"]), row, said["file"], said["place"], tuple(said["path"]))


def _lists(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, Mapping):
        return {name: _lists(one) for name, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, (tuple, list)) else value


# --- checking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """What holds of a capsule, step by step, and what it comes to in one sentence each."""

    steps: tuple[str, ...]
    says: tuple[str, ...]
    rows: int
    withdrawn: int


def check(capsule: Capsule, statement: bytes, bucket: bytes, tombstones: bytes) -> Checked:
    """Hold a capsule against a release: its manifest, the bucket of the person, its tombstones, all as bytes.

    That the manifest is the one in the log is another check (``verification``). Raises VerificationError for the first
    step that fails.
    """
    said = _predicate(capsule, statement)
    steps = [
        _stepped("manifest", lambda: _moment(capsule, said)),
        _stepped("tombstones", lambda: _tombstones(statement, tombstones)),
    ]
    state = _Release(said, frozenset(json.loads(tombstones)["tombstones"]))
    stated: list[subjectmap.Stated] = []
    for name, step in (
        ("bucket", lambda: _bucket(capsule, state, bucket)),
        ("row of the map", lambda: _row(capsule, state, bucket, stated)),
        ("choices", lambda: _person(capsule, stated[0])),
        ("commitments", lambda: _commitments(capsule, stated[0])),
        ("rows", lambda: _rows(capsule, state)),
        ("records with other people", lambda: _shared(capsule, stated[0])),
    ):
        steps.append(_stepped(name, step))
    withdrawn = sum(one.descriptor.row in state.gone for one in capsule.records)
    return Checked(tuple(steps), tuple(_says(capsule, stated[0], withdrawn)), len(capsule.records), withdrawn)


def _stepped(name: str, step: Callable[[], str]) -> str:
    """A step; whatever it cannot make sense of is evidence that does not hold, and never a crash."""
    try:
        return step()
    except VerificationError as error:
        raise VerificationError(error.sentence, hint=error.hint, **{**error.context, "step": name}) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise VerificationError("the capsule does not hold together", hint="ask for it again", step=name) from error


@dataclass(frozen=True, slots=True)
class _Release:
    """What a manifest says, as far as a capsule is held against it."""

    said: Mapping[str, Any]
    gone: frozenset[str]

    @property
    def bits(self) -> int:
        found = int(self.said["subjects"]["bits"])
        if not 0 <= found <= subjectmap.MAX_BITS:
            raise VerificationError("the subject map has an impossible number of buckets", hint="get the release again")
        return found

    @property
    def subjects_root(self) -> bytes:
        return bytes.fromhex(self.said["subjects"]["root"])

    @property
    def rows_root(self) -> bytes:
        return bytes.fromhex(self.said["rows_root"])


def _predicate(capsule: Capsule, statement: bytes) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(statement)["predicate"]
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError("the manifest cannot be read", hint="get the release again", step="manifest") from error
    if hashlib.sha256(statement).hexdigest() != capsule.manifest_sha256 or found.get("id") != capsule.release:
        raise VerificationError(
            f"the capsule is of another release, `{capsule.release}`",
            hint="name the folder of that one",
            step="manifest",
        )
    if found.get("subjects") is None:
        raise VerificationError("the release has no subject map", step="manifest")
    return found


def _moment(capsule: Capsule, said: Mapping[str, Any]) -> str:
    if (capsule.as_of, capsule.position) != (said["as_of"], said["ledger"]["judged"]):
        raise VerificationError("the capsule and the manifest speak of different moments", hint="ask for it again")
    return f"the capsule speaks of this release, {capsule.release}"


def _tombstones(statement: bytes, tombstones: bytes) -> str:
    named = {one["name"]: one["digest"]["sha256"] for one in json.loads(statement)["subject"]}
    if named[manifest.TOMBSTONES] != hashlib.sha256(tombstones).hexdigest():
        raise VerificationError("the tombstones are not those of the manifest", hint="get the release again")
    return "the list of withdrawn rows is the one that the manifest names"


def _bucket(capsule: Capsule, state: _Release, bucket: bytes) -> str:
    digest = hashlib.sha256(bucket).digest()
    if digest.hex() != capsule.bucket_sha256:
        raise VerificationError("the bucket of the map is not the one the capsule was made from", hint="get it again")
    path = [bytes.fromhex(one) for one in capsule.bucket_path]
    merkle.verify_inclusion(merkle.leaf_hash(digest), capsule.prefix, 1 << state.bits, path, state.subjects_root)
    return f"bucket {capsule.prefix} of {1 << state.bits} is in the subject map of the manifest"


def _row(capsule: Capsule, state: _Release, bucket: bytes, stated: list[subjectmap.Stated]) -> str:
    index = bytes.fromhex(capsule.index)
    if subjectmap.prefix_of(index, state.bits) != capsule.prefix:
        raise VerificationError("the account does not belong into this bucket")
    row = subjectmap.found(bucket, index, state.bits)
    stated.append(subjectmap.opened(bytes.fromhex(capsule.row_key), row))
    return "the account stands in the map exactly once, and its row opens"


def _person(capsule: Capsule, stated: subjectmap.Stated) -> str:
    # INVARIANT: one event an item. Cut elsewhere, the same bytes would show events that nobody judged by: a receipt could
    # be kept by the words inside of another event.
    whole = [*((one, descriptor.EVENT_FIELDS) for one in capsule.events),
             *((one, descriptor.ACCOUNT_FIELDS) for one in capsule.account)]  # fmt: skip
    if any(len(_fields(one)) != len(names) for one, names in whole):
        raise VerificationError("an event in the capsule is not one", hint="ask for it again")
    said, known = (b"".join(bytes.fromhex(one) for one in ones) for ones in (capsule.events, capsule.account))
    if descriptor.person_digest(descriptor.net(said) + descriptor.net(known)) != stated.person:
        raise VerificationError("the choices in the capsule are not those that the map commits to")
    return f"{_many(len(capsule.events), 'event')} of this account counted when the release was judged"


def _commitments(capsule: Capsule, stated: subjectmap.Stated) -> str:
    if stated.rows != len(capsule.records):
        raise VerificationError(f"the map states {stated.rows} rows and the capsule opens {len(capsule.records)}")
    key = bytes.fromhex(capsule.records_key)
    coms = [
        descriptor.commitment(descriptor.salt_of(key, bytes.fromhex(one.descriptor.row)), one.descriptor.document())
        for one in capsule.records
    ]
    if descriptor.records_root(coms) != stated.records:
        raise VerificationError("the descriptors in the capsule are not those that the map commits to")
    return f"{_many(len(coms), 'descriptor')} in the capsule: all that the map commits to for this account"


def _rows(capsule: Capsule, state: _Release) -> str:
    files = {one.key: one for one in capsule.files}
    for one in files.values():
        leaf = manifest.shard_leaf(one.key, one.rows, bytes.fromhex(one.root))
        path = [bytes.fromhex(step) for step in one.path]
        merkle.verify_inclusion(leaf, one.place, one.files, path, state.rows_root)
    for opened in capsule.records:
        leaf, file = manifest.leaf(opened.row), files[opened.file]
        if leaf.hex() != opened.descriptor.row:
            raise VerificationError("a row is not the one that its descriptor is of")
        path = [bytes.fromhex(step) for step in opened.path]
        merkle.verify_inclusion(leaf, opened.place, file.rows, path, bytes.fromhex(file.root))
    return f"{_many(len(capsule.records), 'row')} in the capsule, each proven to be in the release, word for word"


def _shared(capsule: Capsule, stated: subjectmap.Stated) -> str:
    if len(capsule.shared) != stated.shared:
        raise VerificationError(
            f"the map states {stated.shared} such records and the capsule names {len(capsule.shared)}"
        )
    return f"{_many(len(capsule.shared), 'record')} of this account with other people in it, as the map states"


def _says(capsule: Capsule, stated: subjectmap.Stated, withdrawn: int) -> list[str]:
    rows, shared = _many(stated.rows, "row"), _many(stated.shared, "record")
    verb = "is" if stated.rows == 1 else "are"
    said = []
    if stated.rows:
        said.append(SOME.format(rows=rows, verb=verb, release=capsule.release))
    elif not stated.shared:
        said.append(NOTHING.format(release=capsule.release))
    else:
        said.append(SOME.format(rows="no row", verb="is", release=capsule.release))
    if withdrawn:
        said.append(
            f"{_many(withdrawn, 'row')} of these must not be used any more: withdrawn before the release was out"
        )
    if stated.shared:
        several = stated.shared > 1
        contain = OTHER_PEOPLE.replace("contains", "contain") if several else OTHER_PEOPLE
        said.append(SHARED.format(records=shared, contain=contain, they="they are" if several else "it is"))
    if capsule.unproven:
        said.append(
            f"{_many(len(capsule.unproven), 'record')} left out, with reasons, by the platform's word: unproven"
        )
    return [*said, COVERS]


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def choices(capsule: Capsule) -> Sequence[Mapping[str, str | None]]:
    """The events in a capsule, readable: field by field, as text."""
    return [dict(zip(descriptor.EVENT_FIELDS, map(_readable, _fields(one)), strict=True)) for one in capsule.events]


def _fields(item: str) -> list[bytes]:
    return descriptor.fields(bytes.fromhex(item))


def _readable(netstring: bytes) -> str | None:
    found = descriptor.inside(netstring)
    return None if found is None else found.decode()
