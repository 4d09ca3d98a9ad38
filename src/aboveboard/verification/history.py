"""One history: the checkpoint that is shown, the one remembered and that of a copy of the log are of one log that only grew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aboveboard import merkle
from aboveboard.errors import VerificationError
from aboveboard.note import ED25519, VerifierKey
from aboveboard.proof import Checkpoint, Seen, Trust
from aboveboard.verification.told import Known, Walk, many


def trust_of(text: str) -> Trust:
    """That a log with this key is relied on, and that nobody has to cosign."""
    key = VerifierKey.parse(text)
    if key.kind != ED25519:
        raise VerificationError(f"the key of `{key.name}` is no key of a log")
    return Trust((key,))


def compare(
    walk: Walk, seen: Seen, signed: bytes, logs: Sequence[VerifierKey], known: Known, current: bool = False
) -> bytes:
    """The last step: the log that was shown now has only grown since, or will have; returns the newest checkpoint."""
    if known.remembered is None and known.published is None:
        walk.skip(
            "history", "nothing to compare the log with: no checkpoint was remembered, no copy of the log was given"
        )
        return signed
    newest = [(seen.checkpoint.size, signed)]
    walk.take("history", lambda: _history(seen, logs, known, current, newest))
    return max(newest, key=lambda one: one[0])[1]


def _history(
    seen: Seen, logs: Sequence[VerifierKey], known: Known, current: bool, newest: list[tuple[int, bytes]]
) -> str:
    told = []
    for name, signed in (("remembered", known.remembered), ("of the copy of the log", known.published)):
        if signed is None:
            continue
        # The log's own signature is enough here: a quorum that is asked for today may be newer than that checkpoint.
        try:
            at = Trust(tuple(logs)).verify(signed).checkpoint
        except VerificationError as error:
            raise VerificationError(
                f"the checkpoint {name} does not hold: {error.sentence}",
                hint="if the log's key was replaced since, name the old and the new one in a file: --trust FILE",
            ) from error
        if at.origin != seen.checkpoint.origin:
            raise VerificationError(f"the checkpoint {name} is of another log, `{at.origin}`")
        if current and signed is known.remembered and at.size > seen.checkpoint.size:
            raise VerificationError(
                f"an older checkpoint ({seen.checkpoint.size}) is shown than the one {name} ({at.size})"
            )
        same_history(at, seen.checkpoint, known)
        newest.append((at.size, signed))
        told.append(f"the checkpoint {name} ({many(at.size, 'entry', 'entries')})")
    return f"one history with {' and '.join(told)}: nothing was taken back or changed"


def same_history(one: Checkpoint, other: Checkpoint, known: Known) -> None:
    """That the longer of two logs begins with the shorter; raises VerificationError where it does not or nobody shows it."""
    before, after = sorted((one, other), key=lambda at: at.size)
    path: Sequence[bytes] = ()
    if 0 < before.size < after.size:
        if known.history is None:
            raise VerificationError(
                f"nothing shows that the log of {after.size} entries continues the one of {before.size}",
                hint="give a copy of the log: --log FOLDER",
            )
        path = known.history(after).consistency(before.size)
    merkle.verify_consistency(before.size, after.size, path, before.root, after.root)


@contextmanager
def about_file(file: Path) -> Iterator[None]:
    """Say in which file it was."""
    try:
        yield
    except VerificationError as error:
        raise VerificationError(error.sentence, hint=error.hint, **{"file": file, **error.context}) from error


def signature_told(seen: Seen) -> str:
    by = ", ".join(seen.cosigners) or "nobody"
    at = seen.checkpoint
    return (
        f"`{at.origin}`, {many(at.size, 'entry', 'entries')}, signed by the key {seen.log.id.hex()}; cosigned by {by}"
    )
