"""How quick the portal answers: making the read model, first pages, pages of items, choices, and many who choose at once.

Run `python bench/portal.py [--members N] [--decisions N] [--rate N] [--seconds N] [--json]`. A birdsite is built, and its
decisions are replaced by made-up ones of as many members. Requests come open-loop: one that is slow does not hold the next
back. Figures depend on the machine: they are printed, never tested. Words of items are read from birdsite's own small data
file: with larger row groups a page of items takes longer by the time to read one.
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
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import httpx
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
  SELECT 'posts' AS source, 'p' || i AS record_id, (CASE WHEN i % 4 = 0 THEN 0 ELSE 3 END)::UTINYINT AS outcome,
    (CASE WHEN i % 4 = 0 THEN 1301 ELSE 504 END)::USMALLINT AS decisive, 0::UBIGINT AS reasons_lo, 0::UBIGINT AS reasons_hi,
    0::UBIGINT AS part_reasons_lo, 0::UBIGINT AS part_reasons_hi, NULL::BIGINT[] AS removed, 'training' AS clause,
    '2023-09-29' AS policy_at_collection, '2023-09-29' AS policy_now, i AS ordinal,
    TIMESTAMP '2023-10-01' + to_seconds(i) AS collected_at, 'm:' || (i % {members}) AS subject, i % 9 = 0 AS shared,
    'post' AS kind, ['user.content.public'] AS categories
  FROM range({decisions}) AS made(i)
) TO '{to}' (FORMAT parquet)
"""
_INDEX = """
COPY (
  SELECT 'posts' AS source, i AS ordinal, unhex(sha256(i::VARCHAR)) AS leaf FROM range(0, {decisions}, 4) AS made(i)
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
        con.execute(_INDEX.format(decisions=decisions, to=release.private / "index" / "00000.parquet"))
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


async def measured(base: str, members: int, rate: float, seconds: float) -> dict[str, dict[str, float]]:
    draw = random.Random(7)  # noqa: S311 - made-up visits
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=60) as client:

        def who() -> dict[str, str]:
            return {"x-subject": f"m:{draw.randrange(members)}", "accept": "text/html"}

        async def get(path: str) -> int:
            return (await client.get(path, headers=who())).status_code

        async def choose() -> int:
            return (await client.post("/choices", data={ROW: draw.choice(["yes", "no"])}, headers=who())).status_code

        for path in ("/", "/used") * 10:
            await get(path)
        found = {
            "first page": await open_loop(lambda: get("/"), rate, seconds),
            "page of items": await open_loop(lambda: get("/used"), rate, seconds),
            "a choice recorded": await open_loop(choose, rate, seconds),
        }
        begun = time.perf_counter()
        answers = await asyncio.gather(*(choose() for _ in range(WRITERS * 10)))
        found[f"{WRITERS * 10} choices at once"] = {
            "s": round(time.perf_counter() - begun, 2), "wrong": sum(status >= 400 for status in answers),
        }  # fmt: skip
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--members", type=int, default=20_000)
    asked.add_argument("--decisions", type=int, default=1_000_000)
    asked.add_argument("--rate", type=float, default=50)
    asked.add_argument("--seconds", type=float, default=10)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "birdsite"
        found: dict[str, Any] = {"made": prepared(folder, options.members, options.decisions)}
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        fork = multiprocessing.get_context("fork")
        workers = [
            fork.Process(target=serve, args=(str(folder), listening), daemon=True) for _ in range(options.workers)
        ]
        for worker in workers:
            worker.start()
        time.sleep(5)
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        found |= asyncio.run(measured(base, options.members, options.rate, options.seconds))
        for worker in workers:
            worker.terminate()
            worker.join(30)
    found["most memory of a worker, MB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    lines = [json.dumps(found, indent=1)] if options.json else [f"{name:<28}{said}" for name, said in found.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
