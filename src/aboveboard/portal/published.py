"""The releases of a workspace as their members see them: what each says of itself, and what it holds of one person.

Only what the ledger committed and whose folders stand is a release; one that is still being built is invisible. A statement
is read once and kept: a release never changes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard.portal.items import Item, Items, is_made, made

if TYPE_CHECKING:
    from aboveboard.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Published:
    """One published release: its public and its private part, and the position of the ledger it has heard."""

    id: str
    as_of: datetime
    position: int
    public: Path
    private: Path
    superseded_by: str | None = None
    """The release that took its place; None while it stands."""

    @property
    def said(self) -> Mapping[str, Any]:
        """The predicate of its manifest."""
        return _said(self.public / "manifest.json")

    @property
    def job(self) -> Mapping[str, Any]:
        """What it was built for: purpose, recipient, model, use, regime."""
        found: Mapping[str, Any] = self.said["job"]
        return found

    def is_listed(self, patience: float = 0.0) -> bool:
        """Whether its items can be read. The first who asks begins to list them, and waits so many seconds for it; a large
        release takes minutes, in which nobody else waits. Raises ReleaseError where they cannot be listed."""
        if not is_made(self.private):
            _listings.make(self.public, self.private, patience)
        return is_made(self.private)

    @property
    def items(self) -> Items:
        """What it holds of each person; made at the first use."""
        return made(self.public, self.private)

    def words(self, found: Sequence[Item]) -> Mapping[int, str | None]:
        """The released text of these items by their number, as it went out. Reads the row groups that hold them."""
        import pyarrow.parquet as pq

        files = {one["key"]: self.public / one["file"] for one in self.said["layout"]["shards"]}
        told: dict[int, str | None] = {}
        for shard in {one.shard for one in found if one.shard is not None}:
            here = {one.place: one.number for one in found if one.shard == shard}
            with pq.ParquetFile(files[shard]) as file:
                told.update(_words(file, here))
        return told

    def document(self) -> dict[str, Any]:
        """What every page says of a release."""
        return {
            "id": self.id, "as_of": self.as_of.isoformat(), "purpose": self.job["purpose"],
            "recipient": self.job["recipient"], "model": self.job["model"] or None, "superseded_by": self.superseded_by,
        }  # fmt: skip


class _Listings:
    """Lists the items of releases beside the requests: one release at a time, what was asked for last first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[Path, tuple[Path, Future[Items]]] = {}
        self._works = False

    def make(self, public: Path, private: Path, patience: float) -> None:
        """Ask for a release and wait for it, unless somebody did already. Raises what making it raised."""
        with self._lock:
            first = private not in self._wanted
            _, found = self._wanted.setdefault(private, (public, Future()))
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="aboveboard-items", daemon=True).start()
        try:
            if first or found.done():
                found.result(patience)
        except TimeoutError:
            return
        finally:
            if found.done():
                with self._lock:  # whoever asks again after a failure begins anew
                    self._wanted.pop(private, None)

    def _work(self) -> None:
        while True:
            with self._lock:
                left = [(private, *said) for private, said in self._wanted.items() if not said[1].done()]
                if not left:
                    self._works = False
                    return
            private, public, found = left[-1]
            try:
                found.set_result(made(public, private))
            except Exception as error:
                found.set_exception(error)


PATIENCE = 10.0
"""Seconds that a request waits, in all, for items that it is the first to ask for: a small release needs less than one."""
_listings = _Listings()


def releases(ws: Workspace) -> Sequence[Published]:
    """The published releases, oldest first; those whose private part is not here are nobody's to be told from."""
    found, later = [], {one["release"]: one["superseded_by"] for one in ws.ledger.retirements()}
    for entry in ws.ledger.releases():
        name = str(entry["id"])
        public, private = ws.folder / str(entry["public"]) / name, ws.private / name
        if (public / "manifest.json").is_file() and (private / "decisions").is_dir():
            moment = datetime.fromisoformat(str(entry["as_of"]))
            found.append(Published(name, moment, int(entry["position"]), public, private, later.get(name)))
    return found


def line(found: Sequence[Published], of: Published) -> Sequence[Published]:
    """A release with those whose place it took and those that took its place, as far as they are here, oldest first."""
    before = {one.superseded_by: one for one in found if one.superseded_by is not None}
    after = {one.id: one for one in found}
    first = of
    while first.id in before:
        first = before[first.id]
    whole = [first]
    while (later := after.get(whole[-1].superseded_by or "")) is not None:
        whole.append(later)
    return whole


def _words(file: Any, places: Mapping[int | None, int]) -> Iterator[tuple[int, str | None]]:
    begin = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        inside = [place for place in places if place is not None and begin <= place < begin + rows]
        if inside:
            column = file.read_row_group(group, columns=["text"])["text"]
            yield from ((places[place], column[place - begin].as_py()) for place in inside)
        begin += rows


@lru_cache(maxsize=256)
def _said(file: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(file.read_bytes())["predicate"]
    return found
