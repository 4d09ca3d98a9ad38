"""Which events of which compliance stream were heard: append-only, so that nothing is heard twice and nothing replayed.

An event is remembered under its own id in the stream, or under the digest of what it says where it has none. The same id
with other contents is a conflict; what nobody verified is remembered apart, because it may come again verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from aboveboard.compliance import Heard

_KNOWN = text(
    "SELECT event, verified, digest FROM stream_events"
    " WHERE stream = :stream AND event IN (SELECT value FROM json_each(:events))"
)
_ADD = text(
    "INSERT INTO stream_events (stream, event, verified, digest, position)"
    " VALUES (:stream, :event, :verified, :digest, :position)"
)


def fates(connection: Connection, stream: str, heard: Sequence[Heard]) -> list[str]:
    """For each event whether it is ``new``, was heard ``already``, or is another one under a known id (``conflict``)."""
    known = _known(connection, stream, heard)
    found = []
    for one in heard:
        # INVARIANT: what nobody verified is in the way of nothing that somebody did.
        before = {known.get((one.event, verified)) for verified in {True, one.verified}} - {None}
        found.append("new" if not before else "already" if before == {one.digest} else "conflict")
        known.setdefault((one.event, one.verified), one.digest)
    return found


def remember(connection: Connection, stream: str, heard: Sequence[tuple[Heard, int]]) -> None:
    """Remember new events, each with the position of the first thing recorded for it."""
    rows = [
        {
            "stream": stream,
            "event": one.event,
            "verified": int(one.verified),
            "digest": one.digest,
            "position": position,
        }
        for one, position in heard
    ]
    if rows:
        connection.execute(_ADD, rows)


def _known(connection: Connection, stream: str, heard: Sequence[Heard]) -> dict[tuple[str, bool], str]:
    asked: Mapping[str, str] = {"stream": stream, "events": json.dumps([one.event for one in heard])}
    return {(event, bool(verified)): digest for event, verified, digest in connection.execute(_KNOWN, asked)}
