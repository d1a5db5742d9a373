"""Moments and days: one text form for instants, and the calendar day that the business counts by."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

# America/Bogota has kept UTC-5 without daylight saving since 1993; a fixed offset needs no time zone data in Lambda.
# A test holds it against the system's time zone database.
BOGOTA: Final = timezone(timedelta(hours=-5), "America/Bogota")

# RFC 3339's date-time with a mandatory offset; fractions beyond microseconds are cut, as datetime holds no more.
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
# The form of `to_text`: nearly all that is parsed, and parsed by every projection.
_STORED: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def to_text(instant: datetime) -> str:
    """Render an aware datetime as ``2026-11-21T03:45:00.123Z``: UTC, milliseconds, sorts as text."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def in_milliseconds(instant: datetime) -> datetime:
    """Cut an instant to what is stored of it, so that it reads back as it was."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def from_text(text: str) -> datetime:
    """Parse an RFC 3339 date-time with an offset into UTC, cut to milliseconds; raises ``ValueError`` otherwise."""
    if _STORED.fullmatch(text):
        return datetime.fromisoformat(text)
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("expected an RFC 3339 date-time with an offset, such as 2026-11-21T08:30:00-05:00")
    day, clock, fraction, offset = match.groups()
    milliseconds = (fraction or "0").ljust(3, "0")[:3]
    parsed = datetime.fromisoformat(f"{day}T{clock}.{milliseconds}000" + ("+00:00" if offset in "Zz" else offset))
    try:
        return parsed.astimezone(UTC)
    except OverflowError as error:  # year 1 or 9999 near an offset
        raise ValueError("the date-time is out of range") from error


def day_in_bogota(instant: datetime) -> date:
    """The calendar day in Colombia on which an instant falls."""
    return instant.astimezone(BOGOTA).date()


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """First instant of a Bogota day and first instant of the next one, in UTC."""
    start = datetime(day.year, day.month, day.day, tzinfo=BOGOTA)
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)
