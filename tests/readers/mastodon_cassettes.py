"""Unwraps recorded exchanges with a Mastodon server (YAML around JSON, some of it gzip) into the statuses they held.

For tests only: the product reads what a server hands out, not how a test suite recorded it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def statuses(folder: Path) -> list[dict[str, Any]]:
    """Every status in every answer, wherever it is nested, in order of file and place."""
    return [found for path in sorted(folder.glob("*.yaml")) for answer in _answers(path) for found in _inside(answer)]


def _answers(path: Path) -> Iterator[Any]:
    yaml = pytest.importorskip("yaml")
    with path.open("rb") as file:
        tape = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for one in tape.get("interactions", ()):
        body = one["response"]["body"].get("string") or b""
        yield from _parsed(body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body)
    for connection in tape.get("connections", ()):
        for one in connection["interactions"]:
            yield from _parsed((one.get("receive") or {}).get("payload", "").encode())


def _parsed(body: bytes) -> Iterator[Any]:
    """A body as JSON, or each event of a stream."""
    text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
    for said in [text, *(line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: "))]:
        try:
            yield json.loads(said)
        except ValueError:
            continue


def _inside(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if {"visibility", "account", "uri"} <= set(value):
            yield value
        for one in value.values():
            yield from _inside(one)
    elif isinstance(value, list):
        for one in value:
            yield from _inside(one)
