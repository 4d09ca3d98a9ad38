"""Regimes: named tables that say what silence and missing facts mean, one cell a question.

A judgement reads the *strictest* cell, question by question, of the job's regime and of the regimes of the
person's residency at collection, the residency now, and the platform's establishment. No cell may map an
unknown audience, subject or age to "allow"; those are not even questions here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from aboveboard import vocabulary
from aboveboard.errors import PolicyError, unknown_term

ALLOW, AFTER_NOTICE, HOLD, REFUSE = "allow", "after_notice", "hold", "refuse"
CELLS = (ALLOW, AFTER_NOTICE, HOLD, REFUSE)
"""Mildest first: the position is the strictness."""
STRICTEST = "strictest"


@dataclass(frozen=True, slots=True)
class Regime:
    """One table. The cells that are the same in every regime are in ``FIXED`` and cannot be set."""

    name: str
    silence_opt_out: str = ALLOW
    """No choice made, under a clause that gives an opt-out (basis legitimate interest or contract)."""
    unlisted: str = REFUSE
    """Kept off public timelines, where the clause reaches the public only."""
    signal_unknown: str = ALLOW
    """A preference signal that cannot be read or contradicts itself."""
    unknown_residency: str = STRICTEST
    """Residency unknown: read the strictest cell of every regime in use, or hold."""


QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "silence_opt_out": (ALLOW, AFTER_NOTICE, REFUSE),
    "unlisted": (ALLOW, REFUSE),
    "signal_unknown": (ALLOW, HOLD),
    "unknown_residency": (STRICTEST, HOLD),
}
"""The questions a regime answers and the answers it may give, mildest first."""

FIXED: Mapping[str, str] = {
    "silence, basis consent": REFUSE,
    "collection time missing": HOLD,
    "unknown age": HOLD,
    "unknown audience or subject": HOLD,
    "`indexable:false`, `!no-unauthenticated`": REFUSE,
    "unknown faces in media": HOLD,
    "past data under a widened clause": REFUSE,
}

STANDARD: Mapping[str, Regime] = {
    regime.name: regime
    for regime in (
        Regime("strict"),
        Regime("notice", unlisted=ALLOW),
        Regime("eu", silence_opt_out=AFTER_NOTICE, signal_unknown=HOLD, unknown_residency=HOLD),
        Regime("research"),
        Regime("opt_in", silence_opt_out=REFUSE, signal_unknown=HOLD),
    )
}
"""The regimes that ship. ``opt_in`` is for regions where nothing is used without a yes."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """Which regime holds where: a table by name, and the regime of each region that has one."""

    tables: Mapping[str, Regime] = field(default_factory=lambda: STANDARD)
    regions: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Regime:
        if name not in self.tables:
            raise unknown_term("regime", name, self.tables)
        return self.tables[name]

    def at(self, residency: str | None) -> Regime:
        """The regime where somebody lives; the strictest table where that is unknown or named nowhere.

        Somebody known to live in ``US`` may live in ``US-TX``, so its table counts too.

        The most particular region that names the place wins: ``US-TX`` before ``US``, ``DE`` before ``EU``.
        """
        found = [region for region in self.regions if residency and vocabulary.in_region(residency, region)]
        if not found:
            return self.strictest()
        particular = min(found, key=lambda region: (region in vocabulary.REGION_GROUPS, -len(region), region))
        finer = [region for region in self.regions if residency and vocabulary.may_be_in(residency, region)]
        own = self.named(self.regions[particular])
        return strictest([own, *(self.named(self.regions[region]) for region in finer)]) if finer else own

    def strictest(self) -> Regime:
        """Cell by cell the strictest of every regime in use here (what an unknown region gets)."""
        in_use = {*self.regions.values(), "strict", "notice", "eu", "research"} & set(self.tables)
        joined = strictest(self.tables[name] for name in sorted(in_use))
        # An unknown region must not decide by itself that unknown regions hold; the *known* regimes do.
        return Regime("strictest", joined.silence_opt_out, joined.unlisted, joined.signal_unknown, STRICTEST)


def strictest(regimes: Iterable[Regime]) -> Regime:
    """The cell-wise maximum. Commutative, associative, idempotent, with ``STANDARD`` cells at most refused."""
    tables = list(regimes)
    cells = {
        question: max((getattr(table, question) for table in tables), key=answers.index)
        for question, answers in QUESTIONS.items()
    }
    return Regime("strictest", **cells)


def parse(name: str, table: Mapping[str, object]) -> Regime:
    """A regime from ``[regime.NAME]`` of a workspace; raises PolicyError for a cell it may not have."""
    known = {f.name for f in fields(Regime)} - {"name"}
    for question, answer in table.items():
        if question not in known:
            raise unknown_term("regime question", question, known)
        if answer not in QUESTIONS[question]:
            raise PolicyError(
                f"regime `{name}` answers `{question}` with `{answer}`",
                hint=f"allowed answers: {', '.join(QUESTIONS[question])}",
            )
    return Regime(name, **{key: str(value) for key, value in table.items()})
