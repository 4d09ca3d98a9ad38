"""Unwraps recorded HTTP exchanges (VCR cassettes of tweepy's tests) into the bodies that X answered with.

Only for tests: the product reads payloads, never recordings.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def bodies(folder: Path) -> Iterator[tuple[str, bytes]]:
    """A name for each exchange (``cassette.number``) and the body of its response, unpacked."""
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.json")]):
        for number, exchange in enumerate(_recording(path)["interactions"]):
            yield f"{path.stem}.{number}", _body(exchange["response"]["body"].get("string"))


def payloads(folder: Path) -> dict[str, bytes]:
    """The bodies that are JSON, as the files of an export."""
    return {f"{name}.json": body for name, body in bodies(folder) if is_json(body)}


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _recording(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def _body(said: str | bytes | None) -> bytes:
    body = said.encode("utf-8", "surrogatepass") if isinstance(said, str) else said or b""
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
