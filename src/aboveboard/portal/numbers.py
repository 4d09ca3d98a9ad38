"""What a policy version does to one person's records, counted beside the requests and kept until they say something new.

Counting needs the sources, which take time to read: one thread stages them at the first question, answers what is asked in
its order, and lets them go when nobody has asked for a while, or after an hour. A page never waits for it: where a count is
not there yet, the page says so and asks again. The numbers are those of ``effect`` towards a person: nobody else's choice
shows in them.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aboveboard.errors import AboveboardError, SourceError

if TYPE_CHECKING:
    from aboveboard.mainjob import Prepared
    from aboveboard.workspace import Workspace

IDLE = 120.0
"""Seconds without a question after which the sources are let go: staged, they are text on the disk."""
STAGED = 3_600.0
"""Seconds after which they are read anew, however often somebody asks: people go on to post."""
KEPT = 4_096
_TICK = 0.5
WAITING = 256
"""How many people may wait for their numbers; whoever comes later is told to come back."""
_LOG = logging.getLogger("aboveboard.portal")


@dataclass(frozen=True, slots=True)
class Question:
    """Whose records, under which two versions. ``said`` is the last thing they recorded, and ``day`` the day of the question:
    either makes an old count stale."""

    subject: str
    old: str
    new: str
    said: int
    day: str = ""


@dataclass
class Numbers:
    """The counts of one workspace."""

    ws: Workspace
    _found: OrderedDict[Question, Future[dict[str, Any] | None]] = field(default_factory=OrderedDict)
    _asked: queue.Queue[Question] = field(default_factory=lambda: queue.Queue(WAITING))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _closed: bool = False

    def of(self, question: Question, patience: float = 0.3) -> tuple[str, dict[str, Any] | None]:
        """``("counted", document)``, ``("none", None)`` where the person has no record that could move, ``("counting", None)``
        while it is counted, ``("busy", None)`` where too many wait, or ``("failed", None)``. Waits ``patience`` seconds."""
        future = self._ask(question)
        if future is None:
            return "busy", None
        try:
            found = future.result(patience)
        except TimeoutError:
            return "counting", None
        except AboveboardError as error:
            _LOG.warning("numbers could not be counted: %s", type(error).__name__)
            with self._lock:
                self._found.pop(question, None)  # whoever asks again starts anew
            return "failed", None
        return ("none", None) if found is None else ("counted", found)

    def _ask(self, question: Question) -> Future[dict[str, Any] | None] | None:
        with self._lock:
            if question in self._found:
                self._found.move_to_end(question)
                return self._found[question]
            try:
                self._asked.put_nowait(question)
            except queue.Full:
                return None
            future = self._found[question] = Future()
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
            self._begin()
            return future

    def _begin(self) -> None:
        """A thread that answers, where there is none; the caller holds the lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="aboveboard-numbers", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self) -> None:
        """Stop counting and let the sources go; whoever waits is told that it failed. Returns when the thread is gone."""
        thread, self._closed = self._thread, True
        if thread is not None:
            thread.join(60)
        atexit.unregister(self.close)

    def _work(self) -> None:
        """Answer questions until nobody has asked for a while."""
        try:
            self._answer_all()
        except Exception as error:  # the sources cannot be read: everybody who waits is told so
            self._fail(error)
        with self._lock:
            self._thread = None
            waiting = not self._asked.empty()
        if waiting and not self._closed:
            self._again()

    def _again(self) -> None:
        with self._lock:
            self._begin()

    def _answer_all(self) -> None:
        from aboveboard import mainjob
        from aboveboard.gate import Job
        from aboveboard.workspace import JobFile

        with mainjob.prepared(self.ws, JobFile(Job("service.operation"))) as ready:
            idle, until = 0.0, time.monotonic() + STAGED
            while idle < IDLE and not self._closed:
                try:
                    question = self._asked.get(timeout=_TICK)
                except queue.Empty:
                    idle += _TICK
                    continue
                idle = 0.0
                self._answer(ready, question)
                if time.monotonic() >= until:
                    return

    def _answer(self, ready: Prepared, question: Question) -> None:
        future = self._found.get(question)
        if future is None or future.done():
            return
        try:
            future.set_result(self._counted(ready, question))
        except Exception as error:
            future.set_exception(_plain(error))

    def _counted(self, ready: Prepared, question: Question) -> dict[str, Any] | None:
        from aboveboard.effect import effect
        from aboveboard.policies import read_policy

        words = read_policy(self.ws.policy_folder)[1].get(question.new)
        try:
            return effect(ready, question.old, question.new, words, subject=question.subject).as_json()
        except SourceError:  # they are in no record: nothing could move
            return None

    def _fail(self, error: Exception) -> None:
        while True:
            try:
                question = self._asked.get_nowait()
            except queue.Empty:
                break
            if (future := self._found.get(question)) is not None and not future.done():
                future.set_exception(_plain(error))
        for future in list(self._found.values()):
            if not future.done():
                future.set_exception(_plain(error))


def _plain(error: Exception) -> AboveboardError:
    """Only the kind of what failed goes on: the words of a machine may quote a record."""
    if isinstance(error, AboveboardError):
        return error
    return AboveboardError(f"counting failed: {type(error).__name__}")
