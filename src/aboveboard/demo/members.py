"""Birdsite's invented members: where they live, what becomes of their accounts, and what they said.

Two tables of stories drive it, one of lives (what the platform attests, row by row over time), one of choices
(what people said, when, and when the platform heard it). A story is written once and dealt to a few members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from aboveboard.demo import words

Row = dict[str, Any]

FIRST_NUMBER = 101
"""Three digits each, so that subjects read ``u:101`` to ``u:400``."""

HOMES: Sequence[tuple[str | None, int, tuple[str, ...]]] = (
    ("IE", 58, ("en", "en", "en", "ga")),
    ("US-TX", 58, ("en", "en", "es", "zh", "ko")),
    ("JP", 46, ("ja",)),
    ("BR", 44, ("pt",)),
    ("FR", 40, ("fr", "fr", "ar")),
    ("DE", 30, ("de", "de", "en")),
    ("CA", 6, ("en", "fr")),
    ("MA", 5, ("ar",)),
    ("TW", 4, ("zh",)),
    ("KR", 3, ("ko",)),
    (None, 6, ("en",)),
)
"""Residency, how many members live there, and the languages they write."""

Turns = tuple[tuple[str, Mapping[str, object]], ...]

PLAIN: Mapping[str, object] = {"state": "active", "protected": False, "age_band": "adult"}
LIVES: Mapping[str, tuple[int, Mapping[str, object], Turns]] = {
    "goes_protected": (5, {}, (("2024-02-10", {"protected": True}),)),
    "opens_up": (3, {"protected": True}, (("2023-12-05", {"protected": False}),)),
    "hidden": (2, {"protected": True}, ()),
    "protection_unknown": (2, {"protected": None}, ()),
    "moves_to_texas": (4, {"residency": "DE"}, (("2023-11-20", {"residency": "US-TX"}),)),
    "moves_to_dublin": (4, {"residency": "BR"}, (("2024-01-15", {"residency": "IE"}),)),
    "comes_of_age": (5, {"age_band": "13_17"}, (("2024-01-08", {"age_band": "adult"}),)),
    "teenager": (5, {"age_band": "13_17"}, ()),
    "child": (3, {"age_band": "under_13"}, ()),
    "age_unknown": (5, {"age_band": None}, ()),
    "age_learned": (3, {"age_band": None}, (("2023-10-20", {"age_band": "adult"}),)),
    "suspended": (4, {}, (("2024-03-01", {"state": "suspended"}),)),
    "reinstated": (3, {}, (("2023-12-10", {"state": "suspended"}), ("2024-01-20", {"state": "active"}))),
    "deactivated": (4, {}, (("2024-05-02", {"state": "deactivated"}),)),
    "takes_a_break": (3, {}, (("2023-11-02", {"state": "deactivated"}), ("2024-01-04", {"state": "active"}))),
    "closes": (3, {}, (("2024-04-11", {"state": "deleted"}),)),
    "memorial": (2, {}, (("2024-02-18", {"state": "memorial"}),)),
    "long_gone": (3, {"last_interaction": datetime(2020, 12, 1, tzinfo=UTC)}, ()),
}
"""Life: how many members lead it, how it begins where that is not ``PLAIN``, and its turns."""

Said = tuple[str, str, str, Mapping[str, str]]
"""An answer, the switch it is about, the day it was said, and whatever else its row holds."""

OLDER = {"older_from": "2023-05-18T00:00:00+01:00", "older_until": "2023-09-29T00:00:00+01:00"}
TRAINING = "ai-training"
LETTER = {"heard_at": "2024-03-02T11:30:00Z", "papers": "y", "via": "post"}
"""Written, and dated by its postmark, before it was taken back; opened after."""
STRANGER = {"who": "someone", "checked": "n", "via": "mail"}
BROWSER = {"outside": "third parties", "via": "browser signal"}
EMPLOYER = {"who": "workspace admin", "via": "contract"}
CHOICES: Mapping[str, tuple[int, tuple[Said, ...]]] = {
    "says_no": (9, (("no", TRAINING, "2023-10-12", {}),)),
    "says_no_early": (4, (("no", TRAINING, "2023-09-04", {}),)),
    "takes_it_back": (7, (("yes", TRAINING, "2023-10-01", {}), ("takes back", TRAINING, "2024-02-01", {}))),
    "objects": (5, (("objects", TRAINING, "2023-11-15", {}),)),
    "all_off": (3, (("no", "everything", "2023-12-20", {}),)),
    "yes_older_too": (40, (("yes", TRAINING, "2023-10-03", OLDER),)),
    "yes_from_now": (8, (("yes", TRAINING, "2023-10-03", {}),)),
    "yes_again": (12, (("yes", TRAINING, "2023-10-05", {}), ("yes again", TRAINING, "2024-03-01", OLDER))),
    "ran_out": (5, (("yes", TRAINING, "2023-10-09", {"ends_on": "2024-10-09"}),)),
    "no_then_yes": (4, (("no", TRAINING, "2023-09-29", {}), ("yes", TRAINING, "2024-01-20", {}))),
    "backdated_yes": (2, (("yes", TRAINING, "2023-05-20", {"heard_at": "2023-10-08T09:00:00Z"}),)),
    "letter_late": (2, (("takes back", TRAINING, "2024-02-14", {}), ("yes", TRAINING, "2024-01-30", LETTER))),
    "strangers_request": (3, (("no", TRAINING, "2024-01-09", STRANGER),)),
    "workspace_rule": (5, (("organisation", TRAINING, "2023-09-20", EMPLOYER),)),
    "no_sale": (20, (("no", "everything", "2023-10-02", BROWSER),)),
}  # fmt: skip
"""Choice story: how many members it is dealt to, and what they said in which order."""

GERMAN_YES: Said = ("yes", TRAINING, "2023-10-01", {})
CHILD_SERVICE: Said = ("yes", "running birdsite", "2023-06-01", {"who": "parent", "via": "parental"})
CHILD_TRAINING: Said = ("yes", TRAINING, "2023-10-06", {"who": "parent", "via": "parental"})
ESTATE_YES: Said = ("yes", TRAINING, "2024-03-10", {"who": "estate", "via": "estate"})
JOB_SWITCHES = ("jobs-recommend", "jobs-share", "jobs-candidates", "work-advertising")

NOTICE_FROM, NOTICE_DAYS = datetime(2023, 8, 30, 9, tzinfo=UTC), 12
"""The new text was shown to members when they next came by, within this many days."""
LAST_LOOK = datetime(2024, 7, 1, tzinfo=UTC)
"""When the platform's account tables were last written out."""


@dataclass(frozen=True, slots=True)
class Member:
    """One invented person: a number, a handle, a home and the two stories dealt to them."""

    number: int
    handle: str
    home: str | None
    languages: tuple[str, ...]
    joined: datetime
    life: str
    choice: str
    keen: int
    """How often they post, compared with others; 0 for those who left long ago."""


def members(rng: Random) -> list[Member]:
    """Everybody on birdsite, by number."""
    homes = [(home, languages) for home, count, languages in HOMES for _ in range(count)]
    rng.shuffle(homes)
    lives = _dealt(rng, {life: count for life, (count, _, _) in LIVES.items()}, len(homes))
    choices = _dealt(rng, {story: count for story, (count, _) in CHOICES.items()}, len(homes))
    names = words.handles(rng, len(homes))
    dealt = zip(homes, lives, choices, names, strict=True)
    return [
        Member(number, name, _home(home, life), speaks, _joined(rng), life, choice, _keen(rng, life))
        for number, ((home, speaks), life, choice, name) in enumerate(dealt, FIRST_NUMBER)
    ]


def subject(number: int) -> str:
    """The stable id of a member, as every map writes it."""
    return f"u:{number}"


def _dealt(rng: Random, counts: Mapping[str, int], total: int) -> list[str]:
    """Each story as often as its count says, the rest plain, in random order."""
    hand = [story for story, count in counts.items() for _ in range(count)]
    hand += ["plain"] * (total - len(hand))
    rng.shuffle(hand)
    return hand


def _home(home: str | None, life: str) -> str | None:
    """A life that begins somewhere else begins there."""
    begins = LIVES[life][1].get("residency", home) if life in LIVES else home
    return None if begins is None else str(begins)


def _joined(rng: Random) -> datetime:
    return datetime(2021, 1, 10, tzinfo=UTC) + timedelta(minutes=rng.randint(0, 2 * 365 * 24 * 60))


def _keen(rng: Random, life: str) -> int:
    return 0 if life == "long_gone" else rng.choice((1, 1, 2, 2, 2, 3, 3, 4))


# --- what the platform attests ------------------------------------------------------------------------------


def accounts(people: Iterable[Member]) -> list[Row]:
    """The platform's own account table: one row a member, as of today."""
    return [
        {
            "member": one.number,
            "handle": one.handle,
            "opened": one.joined,
            "country": one.home,
            "interface_languages": list(dict.fromkeys(one.languages)),
        }
        for one in people
    ]


def facts(rng: Random, people: Iterable[Member]) -> list[Row]:
    """What is attested of each account, one row from each moment on which something changed."""
    return [row for one in people for row in _facts(rng, one)]


def _facts(rng: Random, one: Member) -> Iterator[Row]:
    _, begins, turns = LIVES.get(one.life, (0, {}, ()))
    now: Row = {**PLAIN, "residency": one.home, "last_interaction": one.joined, **begins}
    yield _fact(one, one.joined, now, "account opened")
    for day, change in turns:
        moment = _at(day) + timedelta(minutes=rng.randint(0, 10 * 24 * 60))
        now |= {"last_interaction": moment, **change}
        yield _fact(one, moment, now, "account log: " + ", ".join(change))
    if one.life != "long_gone":
        now["last_interaction"] = LAST_LOOK - timedelta(minutes=rng.randint(0, 60 * 24 * 60))
    yield _fact(one, LAST_LOOK, now, "account table of 1 July 2024")


def _fact(one: Member, moment: datetime, now: Row, evidence: str) -> Row:
    return {"subject": subject(one.number), "valid_from": moment, **now, "evidence": evidence}


# --- what they said -----------------------------------------------------------------------------------------


def choices(
    rng: Random, people: Sequence[Member], notice: str, faces: Iterable[int], workers: Iterable[int]
) -> list[Row]:
    """Every choice in the platform's own export, in the order in which it was heard.

    ``notice`` is the digest of the text that was shown; ``faces`` are the members whose face was measured and
    ``workers`` those with a work history: they have switches of their own.
    """
    said: list[tuple[Member, Said]] = []
    for tell in (_stories, _by_home, _by_life, _notices):
        said += [(one, line) for one in people for line in tell(rng, one)]
    known = {one.number: one for one in people}
    said += [(known[n], line) for n in dict.fromkeys(faces) for line in _face_switch(rng)]
    said += [(known[n], line) for n in dict.fromkeys(workers) for line in _job_switches(rng)]
    rows = [_said(rng, one, line, notice) for one, line in said]
    rows.sort(key=lambda row: (row["heard_at"], row["member"]))
    return [{"ref": f"choice-{n:05d}", **row} for n, row in enumerate(rows, 1)]


def _stories(_: Random, one: Member) -> Sequence[Said]:
    return CHOICES[one.choice][1] if one.choice in CHOICES else ()


def _by_home(rng: Random, one: Member) -> Sequence[Said]:
    """In Germany nothing is used without a yes; more than half of those who made no other choice gave one."""
    asked = one.home == "DE" and one.choice == "plain" and one.life in ("plain", "moves_to_texas")
    return (GERMAN_YES,) if asked and rng.random() < 0.6 else ()


def _by_life(rng: Random, one: Member) -> Sequence[Said]:
    turns = LIVES[one.life][2] if one.life in LIVES else ()
    told: dict[str, Callable[[], Sequence[Said]]] = {
        "child": lambda: (CHILD_SERVICE, CHILD_TRAINING)[: rng.randint(1, 2)],
        "memorial": lambda: (ESTATE_YES,)[: rng.randint(0, 1)],
        "closes": lambda: (("closes account", "", turns[0][0], {}),),
        "moves_to_dublin": lambda: (("moved", "", turns[0][0], {"detail": "IE"}),),
        "comes_of_age": lambda: (("birthday", "", turns[0][0], {"detail": "18"}),),
    }
    return told[one.life]() if one.life in told else ()


def _notices(rng: Random, one: Member) -> Sequence[Said]:
    """One member in eleven never opened the page, so nobody can prove that they were told."""
    if rng.random() < 1 / 11 or one.life == "long_gone":
        return ()
    seen = NOTICE_FROM + timedelta(days=rng.randint(0, NOTICE_DAYS))
    return (("saw notice", "", f"{seen:%Y-%m-%d}", {"who": "birdsite"}),)


def _face_switch(rng: Random) -> Iterator[Said]:
    mood = rng.random()
    if mood < 0.85:
        yield ("yes", "biometric", "2023-10-04", {})
    if mood < 0.12:
        yield ("takes back", "biometric", "2024-04-04", {})


def _job_switches(rng: Random) -> Iterator[Said]:
    for switch in JOB_SWITCHES:
        if rng.random() < 0.4:
            yield (rng.choice(("yes", "yes", "no")), switch, "2023-10-11", {})


def _said(rng: Random, one: Member, line: Said, notice: str) -> Row:
    answer, switch, day, more = line
    moment = _at(day) + timedelta(seconds=rng.randint(6 * 3600, 20 * 3600))
    row = {
        "member": one.number,
        "answer": answer,
        "switch": switch,
        "outside": "",
        "said_at": clock(moment),
        "heard_at": clock(moment + timedelta(seconds=2)),
        "older_from": "",
        "older_until": "",
        "ends_on": "",
        "checked": "y",
        "papers": "",
        "who": "member",
        "via": "choices page",
        "notice": notice if answer == "saw notice" else "",
        "lang": one.languages[0],
        "detail": "",
    }
    return {**row, **more}


def _at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def clock(moment: datetime) -> str:
    """A moment as birdsite's text tables write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
