"""Birdsite's smaller tables: direct messages, likes, work histories, face templates, each as its team has it.

None of it may end in a training release, each for a reason of its own: a build has to find out and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from aboveboard.demo import words
from aboveboard.demo.members import Member, Row, clock
from aboveboard.demo.posts import collected_at

MESSAGES, LIKES, WORKERS, FACES = 400, 800, 70, 60
START, END = datetime(2023, 3, 6, tzinfo=UTC), datetime(2024, 6, 28, tzinfo=UTC)
WHISPER = "Between you and me:"
"""Every direct message begins like this and no chirp does, so that a leak is easy to look for."""
FACE_NUMBERS = 8


def messages(rng: Random, members: Sequence[Member]) -> list[Row]:
    """Direct messages; of the end-to-end encrypted ones the platform holds the envelope only."""
    return [_message(rng, members, n) for n in range(1, MESSAGES + 1)]


def _message(rng: Random, members: Sequence[Member], number: int) -> Row:
    sender, *receivers = rng.sample(members, rng.choice((2, 2, 2, 3)))
    sealed = rng.random() < 0.1
    return {
        "message": f"m-{number:05}",
        "from": sender.number,
        "to": [one.number for one in receivers],
        "received": clock(_moment(rng)),
        "sealed": sealed,
        "words": None if sealed else f"{WHISPER} {words.sentence(rng, rng.choice(sender.languages))}",
    }


def likes(rng: Random, members: Sequence[Member], chirps: Sequence[Row]) -> list[Row]:
    """Who liked which chirp, a little after it was written."""
    dated = [chirp for chirp in chirps if chirp["chirp_id"].isdigit() and chirp["state"] == "up"]
    return [_like(rng, members, rng.choice(dated), number) for number in range(1, LIKES + 1)]


def _like(rng: Random, members: Sequence[Member], chirp: Row, number: int) -> Row:
    moment = collected_at(chirp) + timedelta(seconds=rng.randint(5, 200_000))
    return {
        "like": f"l-{number:05}",
        "member": rng.choice(members).number,
        "chirp": chirp["chirp_id"],
        "writer": chirp["writer"],
        "received": clock(moment),
    }


def work_history(rng: Random, members: Sequence[Member]) -> list[Row]:
    """What members say of their working life. The careers team knows members by handle only."""
    workers = rng.sample(members, WORKERS)
    rows = [row for one in workers for row in _jobs(rng, one)]
    return [{"line": f"w-{number:04}", **row} for number, row in enumerate(rows, 1)]


def _jobs(rng: Random, one: Member) -> list[Row]:
    saved = _moment(rng)
    years = sorted(rng.sample(range(2006, 2024), rng.choice((2, 3, 3, 4))))
    return [
        {
            "handle": one.handle,
            "employer": rng.choice(words.EMPLOYERS),
            "title": rng.choice(words.TITLES),
            "since": f"{start}-{rng.randint(1, 12):02}",
            "until": f"{end}-01",
            "shown_to": rng.choice(("employers", "me", "everyone")),
            "saved": clock(saved),
        }
        for start, end in pairwise(years)
    ]


def face_templates(rng: Random, members: Sequence[Member], chirps: Sequence[Row]) -> list[Row]:
    """Measurements of faces, some of them taken from a portrait that was posted for everyone."""
    showing = [row for row in chirps if any(picture["of_writer"] for picture in row["pictures"])]
    portraits = {row["writer"]: row["chirp_id"] for row in showing}
    gone = [one for one in members if one.life == "long_gone"]
    chosen = gone + rng.sample([one for one in members if one not in gone], FACES - len(gone))
    return [_template(rng, one, portraits.get(one.number), number) for number, one in enumerate(chosen, 1)]


def _template(rng: Random, one: Member, portrait: str | None, number: int) -> Row:
    taken = datetime(2020, 11, 2, tzinfo=UTC) if one.life == "long_gone" else _moment(rng)
    return {
        "template": f"f-{number:03}",
        "member": one.number,
        "measured": taken,
        "portrait": portrait,
        "numbers": [round(rng.uniform(-1, 1), 4) for _ in range(FACE_NUMBERS)],
    }


def _moment(rng: Random) -> datetime:
    return START + timedelta(seconds=rng.randrange(int((END - START).total_seconds())))
