"""What a new version does to records, for a person to read: three labelled numbers a kind of data, and what can be done.

Nothing is added up over purposes: one record may serve several, and a sum would count it as often.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from aboveboard import vocabulary
from aboveboard.cli import policytext
from aboveboard.effect import ENOUGH, MONTH, WINDOW, Answer, Cell, Count, Effect
from aboveboard.reach import Claim, Scope

WHOSE = {
    "platform": "All records of the platform",
    "author": "Records of which `{subject}` is the author, as if nobody else were in them",
    "other_person": "`{subject}` in other people's records: their part alone, as far as it depends on them",
}
LABELS = ("(a) older, if the text reaches them", "(b) older, under the declared rule", "(c) new")
NAMED = 8
"""How many uses without any change are named."""


def sentences(effect: Effect) -> str:
    """The whole effect as prose."""
    blocks = [_opening(effect), _labels(effect)]
    for who, answers in effect.answers.items():
        blocks.append(WHOSE[who].format(subject=effect.subject) + ":")
        moving = [answer for answer in answers if any(cell.moves for cell in answer.cells)]
        blocks += [_answer(effect, same) for same in _together(moving)]
        blocks += _still([a.scope for a in answers if a not in moving])
    if effect.untold:
        blocks.append(
            f"{effect.untold:,} {'record was' if effect.untold == 1 else 'records were'} made of several people's and "
            f"{'is' if effect.untold == 1 else 'are'} not counted: nothing of that can be told without telling of others."
        )
    return "\n\n".join(blocks)


def _opening(effect: Effect) -> str:
    zone = effect.new.zone
    begins, at = (
        policytext.moment(when, zone) for when in (effect.new.effective_from, effect.as_of.replace(microsecond=0))
    )
    verb = "comes" if effect.new.effective_from > effect.now else "came"
    heard = f"up to position {effect.position} of the ledger" if effect.subject is None else "that was made"
    return (
        f"Policy {effect.policy}: what version {effect.new.version} changes against {effect.old.version}.\n"
        f"It {verb} into force on {begins}. Both are asked as of {at}, with every choice {heard} and regime {effect.regime}."
    )


def _labels(effect: Effect) -> str:
    declared = policytext.RETROACTIVE[effect.claim.declared].format(window=effect.new.notice_window.says)
    lines = [
        f"{LABELS[0]}: {effect.claim.sentence}.",
        *_quotes(effect.claim),
        f"{LABELS[1]}, `{effect.claim.declared}`: {declared}",
        f"{LABELS[2]}: records a month ({MONTH} days), by the newest {WINDOW} days of each source{_dates(effect)}.",
    ]
    return "\n".join(lines)


def _quotes(claim: Claim) -> Iterator[str]:
    for quote in claim.reaching:
        yield f'    it claims: "{quote}"'
    for quote in claim.denying:
        yield f'    it says: "{quote}"'
    if claim.answer == "contradictory" and claim.declared == "none":
        yield "    the rules declare `none`: older data are never reached"


def _dates(effect: Effect) -> str:
    ends = [window.newest for window in effect.windows if window.begins and window.newest]
    if not ends:
        return ": unknown, for no source reaches back that far"
    first, last = _day(min(ends)), _day(max(ends))
    until = f", which end on {last}" if first == last else f", which end between {first} and {last}"
    return until + (": that is the pace of then, not of today" if effect.stale else "")


def _day(when: datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def _together(answers: Iterable[Answer]) -> list[list[Answer]]:
    """Uses of one purpose and recipient with the same numbers are told once."""
    found: dict[tuple[object, ...], list[Answer]] = {}
    for answer in answers:
        key = (answer.scope.purpose, answer.scope.recipient, answer.cells, answer.ways)
        found.setdefault(key, []).append(answer)
    return list(found.values())


def _answer(effect: Effect, same: Sequence[Answer]) -> str:
    answer = same[0]
    lines = [_use(answer.scope, [a.scope.use for a in same if a.scope.use])]
    for cell in answer.cells:
        if cell.moves:
            lines += [f"  {_data(cell)}", *(f"    {line}" for line in _numbers(effect, cell))]
    moving = {name for cell in answer.cells if cell.moves for name in cell.categories or ()}
    ways = [way for way in answer.ways if any(vocabulary.covered_by(way.categories, name) for name in moving)]
    if ways:
        lines.append("  What can be done:")
        lines += dict.fromkeys(f"    - {_by(effect, way.by)}{way.sentence}" for way in ways)
    return "\n".join(lines)


def _use(scope: Scope, uses: Sequence[str]) -> str:
    named = f", for {' or '.join(f'`{use}`' for use in uses)}" if uses else ""
    return f"To {vocabulary.PURPOSES[scope.purpose].says} ({scope.purpose}), by {scope.recipient}{named}:"


def _data(cell: Cell) -> str:
    if cell.categories is None:
        return "data of unknown categories"
    says = [vocabulary.CATEGORIES[c].says if c in vocabulary.CATEGORIES else "unknown" for c in cell.categories]
    return f"{', and '.join(says)} ({', '.join(cell.categories)})"


def _numbers(effect: Effect, cell: Cell) -> Iterator[str]:
    tally = cell.tally
    claimed = effect.claim.answer == "claimed"
    yield f"{LABELS[0]:<36} {_counted(tally.read, tally.older) if claimed else 'no number, see above'}"
    yield f"{LABELS[1]:<36} {_counted(tally.rule, tally.older)}"
    so_far = f"; {_counted(tally.so_far, tally.since)} since it began" if tally.since else ""
    yield f"{LABELS[2]:<36} {_pace(cell)}{so_far}"


def _counted(count: Count, of: int) -> str:
    if not count:
        return f"none moves, of {of:,}"
    told = [
        (count.newly, "newly used"),
        (count.no_longer, "no longer used"),
        (count.other_parts, "used with other parts"),
    ]
    return ", ".join(f"{n:,} {what}" for n, what in told if n) + f", of {of:,}"


def _pace(cell: Cell) -> str:
    if cell.paced:
        least = (
            f"{cell.tally.sampled:,} of the {ENOUGH} records that a pace needs"
            if not cell.tally.unpaced
            else cell.paced
        )
        return f"unknown: {least}"
    told = [
        (cell.tally.pace.newly, "newly used"),
        (cell.tally.pace.no_longer, "no longer used"),
        (cell.tally.pace.other_parts, "used with other parts"),
    ]
    said = [f"about {cell.a_month(n):,.1f} a month {what} ({n:,} of {cell.tally.sampled:,})" for n, what in told if n]
    return ", ".join(said) or f"none moves, of {cell.tally.sampled:,} in the window"


def _by(effect: Effect, by: datetime | None) -> str:
    return f"by {policytext.moment(by, effect.new.zone)}: " if by else ""


def _still(scopes: Iterable[Scope]) -> list[str]:
    named = list(dict.fromkeys(f"{s.purpose} by {s.recipient}" for s in scopes))
    if not named:
        return []
    rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return [f"Nothing moves for: {', '.join(named[:NAMED])}{rest}."]
