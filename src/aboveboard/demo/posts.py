"""Birdsite's main table: chirps with their edits, answers, quotations and re-chirps, as platforms store them.

One row a version of a chirp, in birdsite's own words: who it was shown to first and now, what else hangs on
it (names, pictures, links, a spot on the map), and which other chirp it answers, quotes or passes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from aboveboard.demo import words
from aboveboard.demo.members import Member, Row, clock

EPOCH = datetime(2020, 2, 20, tzinfo=UTC)
"""Ids are made by the server: milliseconds since this moment, shifted left by 22 bits, plus a counter."""

BEFORE = (datetime(2023, 4, 17, tzinfo=UTC), datetime(2023, 9, 28, 23, tzinfo=UTC), 2560)
AFTER = (datetime(2023, 9, 28, 23, tzinfo=UTC), datetime(2024, 6, 28, tzinfo=UTC), 3080)
"""Before and after the policy of 29 September 2023 (midnight in Dublin is 23:00 UTC): from, to, how many."""

TYPES = {"chirp": 64, "answer": 17, "quotation": 8, "passed on": 7, "machine translation": 3}
SHOWN_TO = {
    "everyone": 928, "quiet": 16, "members": 12, "flock": 20, "nest": 9, "roost": 8, "me": 3, "layout-7": 4,
}  # fmt: skip
"""The platform's words for an audience; nobody remembers what `layout-7` meant."""
STATES = {"up": 952, "down by writer": 25, "down by moderators": 9, "back up": 6, "unsent": 8}
AUDIENCE_CHANGES = {"": 974, "narrowed": 18, "widened": 8}
EXTRAS = {"": 62, "name": 14, "picture": 12, "link": 7, "spot": 5}
PICTURES = {"scenery": 46, "portrait": 14, "tagged": 16, "crowd": 10, "not scanned": 10, "message": 4}
SITE_WISHES = {"": 60, "train-ai=y": 8, "train-ai=n": 24, "train-ai=maybe": 8}

EDITED, TAKEN_DOWN_AFTER_EDIT = 0.025, 0.12
"""The share of chirps that were edited, and of those the share whose newest version was taken down."""
COPIES, GREETINGS, ONLY_NAMES = 24, 30, 8
UNDATED, REFUSING, WRONG_CLOCKS = 12, 30, 15
REPEATED, CONFLICTING, TAMPERED = 6, 3, 4
"""How many rows of each rarer kind there are."""


def posts(rng: Random, members: Sequence[Member]) -> list[Row]:
    """Every row of the table, in the order in which the rows were written."""
    chirps: list[Row] = []
    for moment in _moments(rng):
        chirps.append(_chirp(rng, members, moment, chirps))
    _spread(rng, chirps)
    _go_round(rng, chirps, members)
    for change in (_imported, _refuse_machines):
        change(rng, chirps)
    _tell_those_who_point(chirps)
    chirps += _edits(rng, chirps)
    chirps.sort(key=lambda row: (row["phone_clock"], row["chirp_id"]))
    _sign(chirps)
    _tamper(rng, chirps)
    _set_clocks_wrong(rng, chirps)
    return _repeated(rng, chirps)


def collected_at(chirp: Row) -> datetime:
    """When the server received a chirp, read from its id as the map does."""
    return EPOCH + timedelta(milliseconds=int(chirp["chirp_id"]) >> 22)


def _moments(rng: Random) -> list[datetime]:
    drawn = [_between(rng, start, end) for start, end, count in (BEFORE, AFTER) for _ in range(count)]
    return sorted(drawn)


def _between(rng: Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(milliseconds=rng.randrange(int((end - start).total_seconds() * 1000)))


# --- one chirp ----------------------------------------------------------------------------------------------


def _chirp(rng: Random, members: Sequence[Member], moment: datetime, earlier: Sequence[Row]) -> Row:
    writer = rng.choices(members, [one.keen for one in members])[0]
    row = _blank(rng, writer, moment)
    row["words"] = words.sentence(rng, row["lang"])
    if earlier:
        _WRITE[_drawn(rng, TYPES)](rng, row, earlier[-400:])
    if row["type"] != "passed on":
        _EXTRA[_drawn(rng, EXTRAS)](rng, row, members)
    return row


def _blank(rng: Random, writer: Member, moment: datetime) -> Row:
    shown_first = _drawn(rng, SHOWN_TO)
    return {
        "chirp_id": _id(rng, moment),
        "first_version": None,
        "version": 0,
        "writer": writer.number,
        "handle": writer.handle,
        "type": "chirp",
        "words": "",
        "lang": rng.choice(writer.languages),
        "phone_clock": clock(moment - timedelta(seconds=rng.randint(0, 40))),
        "shown_to_first": shown_first,
        "shown_to": shown_first,
        "state": _drawn(rng, STATES),
        "answers": None,
        "answers_writer": None,
        "answers_shown_to": None,
        "echo": None,
        "passes_on": None,
        "passes_on_writer": None,
        "passes_on_shown_to": None,
        "passes_on_words": None,
        "made_from": [],
        "names": [],
        "pictures": [],
        "links": [],
        "spot": None,
        "no_machines": False,
        "words_sha256": None,
    }


def _id(rng: Random, moment: datetime) -> str:
    milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
    return str(milliseconds << 22 | rng.getrandbits(22))


def _drawn(rng: Random, shares: Mapping[str, int]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


# --- the types of a chirp -----------------------------------------------------------------------------------


def _plain(_: Random, row: Row, __: Sequence[Row]) -> None:
    row["type"] = "chirp"


def _answer(rng: Random, row: Row, earlier: Sequence[Row]) -> None:
    """An answer; one in four repeats the words it answers in front of its own."""
    parent = _seen(rng, earlier)
    row |= {"type": "answer", "answers": parent["chirp_id"], "answers_writer": parent["writer"]}
    if rng.random() < 0.25:
        echo = f"» {parent['words']} «"
        # The names in the repeated words are names here too, two code points further on.
        named = [{**name, "from": name["from"] + 2, "to": name["to"] + 2} for name in parent["names"]]
        row |= {"words": f"{echo} {row['words']}", "echo": {"from": 0, "to": len(echo)}, "names": named}


def _quotation(rng: Random, row: Row, earlier: Sequence[Row]) -> None:
    quoted = _seen(rng, earlier)
    row |= {"type": "quotation", **_passed(quoted)}


def _pass_on(rng: Random, row: Row, earlier: Sequence[Row]) -> None:
    """No words of one's own: the edge between a member and a chirp."""
    original = _seen(rng, earlier)
    row |= {"type": "passed on", "words": "", "lang": original["lang"], **_passed(original)}


def _translation(rng: Random, row: Row, earlier: Sequence[Row]) -> None:
    """Made by birdsite out of a member's chirp: it stays that member's, and leaves with the original."""
    original = _seen(rng, earlier)
    language = "en" if original["lang"] != "en" else "de"
    row |= {"type": "machine translation", "writer": original["writer"], "handle": original["handle"]}
    row |= {"lang": language, "words": words.sentence(rng, language), "made_from": [original["chirp_id"]]}


def _seen(rng: Random, earlier: Sequence[Row]) -> Row:
    """A recent chirp that everyone could see and that has words of its own."""
    worded = [row for row in earlier if row["type"] in ("chirp", "answer") and row["state"] != "unsent"]
    return rng.choice([row for row in worded if row["shown_to_first"] == "everyone"] or earlier)


def _passed(original: Row) -> Row:
    return {
        "passes_on": original["chirp_id"],
        "passes_on_writer": original["writer"],
        "passes_on_words": original["words"],
    }


_WRITE: Mapping[str, Callable[[Random, Row, Sequence[Row]], None]] = {
    "chirp": _plain,
    "answer": _answer,
    "quotation": _quotation,
    "passed on": _pass_on,
    "machine translation": _translation,
}


# --- what hangs on a chirp ----------------------------------------------------------------------------------


def _nothing(_: Random, __: Row, ___: Sequence[Member]) -> None:
    """Most chirps are words only."""


def _name(rng: Random, row: Row, members: Sequence[Member]) -> None:
    """Mentions, with where they stand: in code points of the words, so emoji and scripts shift nothing."""
    for one in rng.sample(members, rng.choice((1, 1, 1, 2))):
        start = len(row["words"]) + 1
        row["words"] += f" @{one.handle}"
        row["names"].append({"from": start, "to": len(row["words"]), "member": one.number})


def _picture(rng: Random, row: Row, members: Sequence[Member]) -> None:
    kind = _drawn(rng, PICTURES)
    shown = {"portrait": 1, "tagged": 2, "crowd": 5, "not scanned": None}.get(kind, 0)
    tagged = [row["writer"]] if kind == "portrait" else []
    if kind in ("tagged", "crowd"):
        tagged = [one.number for one in rng.sample(members, 2)]
    scene = rng.choice(words.SCENES if kind in ("scenery", "not scanned") else words.PORTRAITS)
    row["pictures"].append(
        {
            "file": f"{row['chirp_id']}.jpg",
            "caption": "what she wrote to me" if kind == "message" else scene,
            "faces": shown,
            "tagged": tagged,
            "of_writer": kind == "portrait",
            "screenshot_of": "messages" if kind == "message" else None,
        }
    )


def _link(rng: Random, row: Row, _: Sequence[Member]) -> None:
    """A card with the words of somebody else's page, and what that page says about training."""
    site, wish = rng.choice(words.SITES), _drawn(rng, SITE_WISHES)
    url, headline = f"https://{site}/{rng.randint(1000, 9999)}", words.sentence(rng, "en")
    row["links"].append({"url": url, "headline": headline, "content_usage": wish})


def _spot(rng: Random, row: Row, _: Sequence[Member]) -> None:
    row["spot"] = {"lat": round(rng.uniform(-60, 70), 6), "lon": round(rng.uniform(-180, 180), 6)}


_EXTRA: Mapping[str, Callable[[Random, Row, Sequence[Member]], None]] = {
    "": _nothing,
    "name": _name,
    "picture": _picture,
    "link": _link,
    "spot": _spot,
}


# --- what happens to chirps afterwards ----------------------------------------------------------------------


def _spread(rng: Random, chirps: Sequence[Row]) -> None:
    """Audiences change: narrowing reaches what was collected before, widening only what comes after."""
    for row in chirps:
        change = _drawn(rng, AUDIENCE_CHANGES)
        if change == "narrowed":
            row["shown_to"] = rng.choice(("flock", "members", "me"))
        elif change == "widened":
            row |= {"shown_to_first": "flock", "shown_to": "everyone"}
        if row["state"] == "unsent":
            row |= {"shown_to_first": "me", "shown_to": "me"}


def _tell_those_who_point(chirps: Sequence[Row]) -> None:
    """Rows that repeat another chirp's words know who may see that chirp today."""
    shown_to = {row["chirp_id"]: row["shown_to"] for row in chirps}
    for row in chirps:
        for link in ("answers", "passes_on"):
            row[f"{link}_shown_to"] = shown_to.get(row[link])


def _go_round(rng: Random, chirps: Sequence[Row], members: Sequence[Member]) -> None:
    """A chain letter copied word for word, a greeting that everyone says, and chirps that only name."""
    drawn = rng.sample([row for row in _alone(chirps) if not row["names"]], COPIES + GREETINGS + ONLY_NAMES)
    copies, greetings, names = drawn[:COPIES], drawn[COPIES:-ONLY_NAMES], drawn[-ONLY_NAMES:]
    for text, rows in ((words.CHAIN_LETTER, copies), (words.SMALL_TALK, greetings)):
        for row in rows:
            row |= {"words": text, "lang": "en"}
    _by_somebody_who_says_no(min(copies, key=lambda row: int(row["chirp_id"])), members)
    for row in names:
        _only_name(row, rng.choice(members))


def _by_somebody_who_says_no(first: Row, members: Sequence[Member]) -> None:
    """Whoever wrote the chain letter first does not want it used.

    The copies do not follow today: the rule that a no reaches verbatim copies comes with withdrawal.
    """
    writer = next(one for one in members if one.choice == "says_no" and one.life == "plain")
    first |= {"writer": writer.number, "handle": writer.handle, "state": "up"}
    first |= dict.fromkeys(("shown_to_first", "shown_to"), "everyone")


def _only_name(row: Row, other: Member) -> None:
    name = f"@{other.handle}"
    row |= {"words": name, "names": [{"from": 0, "to": len(name), "member": other.number}]}
    row |= {"pictures": [], "links": [], "spot": None}


def _imported(rng: Random, chirps: Sequence[Row]) -> None:
    """Rows of an import whose ids were given by hand: nobody knows when a server received them."""
    for number, row in enumerate(rng.sample(_alone(chirps), UNDATED), 1):
        row["chirp_id"] = f"import-{number:03}"


def _refuse_machines(rng: Random, chirps: Sequence[Row]) -> None:
    """Chirps on which the writer put the platform's own mark against machines."""
    for row in rng.sample(_plain_ones(chirps), REFUSING):
        row["no_machines"] = True


def _plain_ones(chirps: Sequence[Row]) -> list[Row]:
    return [row for row in chirps if row["type"] == "chirp"]


def _alone(chirps: Sequence[Row]) -> list[Row]:
    """Chirps that no other row points at or repeats the words of, so that they may still be changed."""
    linked = {row[link] for row in chirps for link in ("answers", "passes_on")}
    linked |= {source for row in chirps for source in row["made_from"]}
    return [row for row in _own_words(chirps) if row["chirp_id"] not in linked]


def _own_words(chirps: Sequence[Row]) -> list[Row]:
    """Chirps with a server's id whose words nobody else says on purpose."""
    dated = [row for row in _plain_ones(chirps) if row["chirp_id"].isdigit()]
    return [row for row in dated if row["words"] not in (words.CHAIN_LETTER, words.SMALL_TALK)]


def _edits(rng: Random, chirps: Sequence[Row]) -> list[Row]:
    """Newer versions of some chirps, each a row of its own that points at the first."""
    return [newer for row in _own_words(chirps) if rng.random() < EDITED for newer in _versions(rng, row)]


def _versions(rng: Random, first: Row) -> list[Row]:
    moment, versions = collected_at(first), []
    for version in range(1, rng.choice((1, 1, 2, 3)) + 1):
        moment += timedelta(seconds=rng.randint(20, 3000))
        newer = {"chirp_id": _id(rng, moment), "first_version": first["chirp_id"], "version": version}
        newer |= {"words": words.sentence(rng, first["lang"]), "names": [], "phone_clock": clock(moment)}
        versions.append({**first, **newer})
    if rng.random() < TAKEN_DOWN_AFTER_EDIT:
        versions[-1]["state"] = "down by writer"
    return versions


def _sign(chirps: Sequence[Row]) -> None:
    """The digest that the server kept of the words it received."""
    for row in chirps:
        shown = row["passes_on_words"] if row["type"] == "passed on" else row["words"]
        row["words_sha256"] = hashlib.sha256(shown.encode()).hexdigest()


def _tamper(rng: Random, chirps: Sequence[Row]) -> None:
    """A few rows whose words changed after they were signed, and nobody knows why."""
    for row in rng.sample([row for row in _alone(chirps) if row["version"] == 0], TAMPERED):
        row["words"] += " (sic)"


def _set_clocks_wrong(rng: Random, chirps: Sequence[Row]) -> None:
    """Phones whose clock is years off: what a client says about time never counts."""
    for row in rng.sample(_plain_ones(chirps), WRONG_CLOCKS):
        row["phone_clock"] = rng.choice(("2004", "2020", "2032")) + row["phone_clock"][4:]


def _repeated(rng: Random, chirps: Sequence[Row]) -> list[Row]:
    """The loader ran twice one night: some rows stand twice, and of a few the two do not agree."""
    twice = rng.sample([row for row in _plain_ones(chirps) if row["version"] == 0], REPEATED + CONFLICTING)
    again = [dict(row) for row in twice]
    for row in again[REPEATED:]:
        row |= {"words": words.sentence(rng, "en"), "names": []}
    _sign(again)
    return [*chirps, *again]
