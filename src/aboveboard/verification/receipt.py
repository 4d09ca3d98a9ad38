"""Checks the receipt of a choice, sentence by sentence: docs/formats/receipt.md."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

from aboveboard.errors import VerificationError
from aboveboard.manifest import COVERS
from aboveboard.verification.told import CHOICES, UNSIGNED, Known, Report, Walk, failing


def check_receipt(path: Path, known: Known, walk: Walk) -> Report:
    """What ``receipt.check`` says, sentence by sentence; the key that is trusted is the one that signs receipts."""
    keys = known.trust.logs if known.trust else ()
    with failing("1 receipt"):
        said = _receipts().check(path.read_bytes(), keys[0] if keys else None)
    for sentence in said:
        if sentence.startswith(_UNCHECKED):
            walk.skip("receipt", sentence)
        elif not sentence.startswith(_UNPROVEN):
            walk.take("receipt", partial(str, sentence))
    more = [sentence.removeprefix(_UNPROVEN) for sentence in said if sentence.startswith(_UNPROVEN)]
    # A receipt is worth nothing but its signature: anybody can write one that only reads well.
    return Report("receipt", path.name, tuple(walk.steps), (COVERS, CHOICES, *more), unchecked="" if keys else UNSIGNED)


_UNCHECKED, _UNPROVEN = "not checked: ", "not proven: "


def _receipts() -> Any:
    """The room that reads receipts: ``check(data, key)`` gives sentences or raises VerificationError."""
    try:
        return importlib.import_module("aboveboard.receipt")
    except ModuleNotFoundError as error:
        raise VerificationError("this version knows no receipts", hint="a newer aboveboard does") from error
