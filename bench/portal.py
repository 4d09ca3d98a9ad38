"""How quick the portal answers: making the read model, first pages, pages of items, choices, and many who choose at once.

Run `python bench/portal.py [--members N] [--decisions N] [--rate N] [--seconds N] [--minutes N] [--json]`. A birdsite is built,
and its decisions are replaced by made-up ones of as many members. Requests come open-loop: one that is slow does not hold the
next back. Figures depend on the machine: they are printed, never tested. Words of items are read from birdsite's own small
data file: with larger row groups a page of items takes longer by the time to read one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import resource
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import duckdb
import uvicorn

from aboveboard import mainjob, portal
from aboveboard.demo import make
from aboveboard.portal import items, published
from aboveboard.portal.guard import Rate
from aboveboard.workspace import open_workspace, read_job

WRITERS = 20
ROW = "choice:train_ai_system.generative|user.content.public|controller"
_DECISIONS = """
COPY (
  SELECT 'posts' AS source, 'p' || i AS record_id,
    (CASE WHEN i // {members} % 4 = 0 THEN 0 ELSE 3 END)::UTINYINT AS outcome,
    (CASE WHEN i // {members} % 4 = 0 THEN 1301 ELSE 504 END)::USMALLINT AS decisive,
    0::UBIGINT AS reasons_lo, 0::UBIGINT AS reasons_hi,
    0::UBIGINT AS part_reasons_lo, 0::UBIGINT AS part_reasons_hi, NULL::BIGINT[] AS removed, 'training' AS clause,
    '2023-09-29' AS policy_at_collection, '2023-09-29' AS policy_now, i AS ordinal,
    TIMESTAMP '2023-10-01' + to_seconds(i) AS collected_at, 'm:' || (i % {members}) AS subject, i // {members} % 9 = 8 AS shared,
    'post' AS kind, ['user.content.public'] AS categories
  FROM range({decisions}) AS made(i)
) TO '{to}' (FORMAT parquet)
"""
_INDEX = """
COPY (
  SELECT 'posts' AS source, i AS ordinal, unhex(sha256(i::VARCHAR)) AS leaf
  FROM range({decisions}) AS made(i) WHERE i // {members} % 4 = 0
) TO '{to}' (FORMAT parquet)
"""


async def member(request: Any) -> portal.Principal:
    return portal.Principal(request.headers["x-subject"], auth_time=datetime.now(UTC))


def serve(folder: str, listening: socket.socket) -> None:
    """One worker: its own process with its own connection to the ledger."""
    app = portal.app(folder, member, rate=Rate(10**9))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    server.run(sockets=[listening])


def prepared(folder: Path, members: int, decisions: int) -> dict[str, float]:
    """A birdsite with a read model of that many members; how long that took."""
    make(folder)
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "jobs" / "feed-writer.toml"))
    [release] = published.releases(ws)
    for name in ("decisions", "index"):
        shutil.rmtree(release.private / name)
        (release.private / name).mkdir()
    with duckdb.connect() as con:
        con.execute(
            _DECISIONS.format(members=members, decisions=decisions, to=release.private / "decisions" / "a.parquet")
        )
        con.execute(_INDEX.format(members=members, decisions=decisions, to=release.private / "index" / "00000.parquet"))
    begun = time.perf_counter()
    file = items.made(release.public, release.private).file
    took = time.perf_counter() - begun
    ws.ledger.close()
    return {"read model, s": round(took, 1), "bytes an item": round(file.stat().st_size / decisions)}


async def open_loop(ask: Callable[[], Awaitable[int]], rate: float, seconds: float) -> dict[str, float]:
    """Ask ``rate`` times a second whatever is still under way; milliseconds, and how many did not go well."""
    took: list[float] = []
    wrong = 0

    async def one() -> None:
        nonlocal wrong
        begun = time.perf_counter()
        status = await ask()
        took.append(1000 * (time.perf_counter() - begun))
        wrong += status >= 400

    waiting = []
    for _ in range(int(rate * seconds)):
        waiting.append(asyncio.create_task(one()))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*waiting)
    took.sort()
    return {"p50 ms": round(took[len(took) // 2], 1), "p95 ms": round(took[int(len(took) * 0.95)], 1), "wrong": wrong}


class Visitors:
    """Browsers that keep their connections: as little of a client as there can be, because it shares the machine with what it
    measures."""

    def __init__(self, port: int, members: int) -> None:
        self.port, self.members = port, members
        self._draw, self._idle = random.Random(7), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()  # noqa: S311

    async def get(self, path: str) -> int:
        return await self._ask(f"GET {path} HTTP/1.1", b"")

    async def choose(self) -> int:
        """A choice of somebody: one row, yes or no."""
        body = urlencode({ROW: self._draw.choice(["yes", "no"])}).encode()
        kind = f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}"
        return await self._ask(f"POST /choices HTTP/1.1\r\n{kind}", body)

    async def _ask(self, begin: str, body: bytes) -> int:
        who = f"m:{self._draw.randrange(self.members)}"
        asked = f"{begin}\r\nhost: bench\r\naccept: text/html\r\nx-subject: {who}\r\n\r\n".encode() + body
        while self._idle:
            try:
                return await self._through(*self._idle.pop(), asked)
            except (asyncio.IncompleteReadError, ConnectionError):  # nobody used it for seconds, and it was closed
                continue
        return await self._through(*await asyncio.open_connection("127.0.0.1", self.port), asked)

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> int:
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        self._idle.append((reader, writer))
        return int(head[9:12])


async def measured(port: int, members: int, rate: float, seconds: float) -> dict[str, dict[str, float]]:
    """Each page for itself, then many who choose at once."""
    here = Visitors(port, members)
    for path in ("/", "/used") * 10:
        await here.get(path)
    found = {
        "first page": await open_loop(lambda: here.get("/"), rate, seconds),
        "page of items": await open_loop(lambda: here.get("/used"), rate, seconds),
        "a choice recorded": await open_loop(here.choose, rate, seconds),
    }
    begun = time.perf_counter()
    answers = await asyncio.gather(*(writes(here) for _ in range(WRITERS)))
    found[f"{WRITERS} writers, 10 choices each"] = {
        "s": round(time.perf_counter() - begun, 2), "wrong": sum(status >= 400 for each in answers for status in each),
    }  # fmt: skip
    return found


async def writes(here: Visitors) -> list[int]:
    """One writer: choices one after the other."""
    return [await here.choose() for _ in range(10)]


async def soaked(port: int, members: int, rate: float, minutes: float, workers: Sequence[int]) -> dict[str, Any]:
    """Everything mixed for minutes on end: how quick it stays, and the memory of each worker, sampled twelve times a minute."""
    here, draw, seen = Visitors(port, members), random.Random(11), [[resident(one)] for one in workers]  # noqa: S311

    async def one() -> int:
        return await draw.choice((lambda: here.get("/"), lambda: here.get("/used"), here.choose))()

    async def sample() -> None:
        while True:
            await asyncio.sleep(5)
            for worker, samples in zip(workers, seen, strict=True):
                samples.append(resident(worker))

    sampling = asyncio.create_task(sample())
    told = await open_loop(one, rate, minutes * 60)
    sampling.cancel()
    return {**told, "workers": [grown(samples) for samples in seen]}


def resident(worker: int) -> float:
    """Megabytes of memory that a process has (Linux, /proc)."""
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def grown(samples: Sequence[float]) -> dict[str, float]:
    """The memory of one worker: at first, after a tenth of the time, half of it and all of it, and the most, in MB."""
    places = {"first": 0, "a tenth": len(samples) // 10, "half": len(samples) // 2, "last": len(samples) - 1}
    return {**{name: round(samples[place]) for name, place in places.items()}, "most": round(max(samples))}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--members", type=int, default=20_000)
    asked.add_argument("--decisions", type=int, default=1_000_000)
    asked.add_argument("--rate", type=float, default=50)
    asked.add_argument("--seconds", type=float, default=10)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument(
        "--minutes", type=float, default=0, help="then everything mixed for so long, with the memory of each worker"
    )
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "birdsite"
        found: dict[str, Any] = {"made": prepared(folder, options.members, options.decisions)}
        listening = socket.socket()
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `aboveboard serve` does
        listening.bind(("127.0.0.1", 0))
        fork = multiprocessing.get_context("fork")
        workers = [
            fork.Process(target=serve, args=(str(folder), listening), daemon=True) for _ in range(options.workers)
        ]
        for worker in workers:
            worker.start()
        time.sleep(5)
        port = listening.getsockname()[1]
        found |= asyncio.run(measured(port, options.members, options.rate, options.seconds))
        if options.minutes:
            ids = [worker.pid or 0 for worker in workers]
            found["soak"] = asyncio.run(soaked(port, options.members, options.rate, options.minutes, ids))
        for worker in workers:
            worker.terminate()
            worker.join(30)
    found["most memory of a worker, MB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    lines = [json.dumps(found, indent=1)] if options.json else [f"{name:<28}{said}" for name, said in found.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
