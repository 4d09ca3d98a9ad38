"""A pool of processes on this machine, for work that is cut into pieces which need nothing of each other.

Processes are started fresh (never forked: a forked database would share its locks). Results come in the order of the
pieces. What one raises ends all; a process that dies is an error, never a missing piece.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from aboveboard.errors import EngineError

T = TypeVar("T")


def run(
    start: Callable[..., None], given: tuple[Any, ...], work: Callable[[int], T], pieces: Sequence[int], workers: int
) -> Iterator[T]:
    """``work(piece)`` for every piece, in processes that each called ``start(*given)`` first."""
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(workers, len(pieces)), context, start, given)
    try:
        yield from executor.map(work, pieces)
    except BrokenProcessPool as error:
        raise EngineError("a worker process died", hint="give it more memory, or build with fewer --workers") from error
    finally:
        executor.shutdown(cancel_futures=True)
