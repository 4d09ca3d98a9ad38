"""Calendar periods such as ``P12M``: how long a choice lasts, counted as a calendar counts.

A period is a number of years, months, weeks and days (ISO 8601, no time part). It is added to the wall clock
of a zone, and a month that is too short ends the period on its last day: a year from 29 February is 28
February.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aboveboard.errors import LedgerError

PATTERN = r"^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,4})D)?$"
"""Years, months, weeks, days; at least one. Read the same way by Python here and by DuckDB in an import."""


def zone(name: str) -> ZoneInfo:
    """The time zone of this name, or LedgerError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LedgerError(f"unknown time zone `{name}`", hint="a name such as Europe/Berlin or UTC") from None


def after(start: datetime, period: str, where: ZoneInfo) -> datetime:
    """The moment that lies ``period`` after ``start`` on the calendar and clocks of ``where``."""
    found = re.match(PATTERN, period)
    if found is None or not any(found.groups()):
        raise LedgerError(f"`{period}` is no period", hint="such as P12M, P1Y6M, P2W or P30D")
    years, months, weeks, days = (int(group or 0) for group in found.groups())
    try:
        local = _months_later(start.astimezone(where).replace(tzinfo=None), 12 * years + months)
        return (local + timedelta(days=7 * weeks + days)).replace(tzinfo=where).astimezone(UTC)
    except (OverflowError, ValueError):
        raise LedgerError(f"`{period}` ends after the year 9999", hint="leave the expiry out instead") from None


def _months_later(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, calendar.monthrange(year, month + 1)[1]))
