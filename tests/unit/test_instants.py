"""Instants as text, and the calendar day in Bogota."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.instants import BOGOTA, day_bounds, day_in_bogota, from_text, to_text

instants = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.datetimes(datetime(1994, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_fixed_offset_is_what_the_time_zone_database_says(instant: datetime) -> None:
    zone = ZoneInfo("America/Bogota")
    assert instant.astimezone(zone).utcoffset() == BOGOTA.utcoffset(None)
    assert day_in_bogota(instant) == instant.astimezone(zone).date()


@given(instants)
def test_an_instant_reads_back_to_the_millisecond(instant: datetime) -> None:
    text = to_text(instant)
    assert len(text) == 24
    assert from_text(text) == instant.replace(microsecond=instant.microsecond // 1000 * 1000)


@given(instants, instants)
def test_texts_sort_as_their_instants(one: datetime, other: datetime) -> None:
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (to_text(one) < to_text(other)) == (one < other)


@given(st.dates(date(2000, 1, 1), date(2199, 12, 30)))
def test_a_day_is_24_hours_between_its_bounds(day: date) -> None:
    first, after = day_bounds(day)
    assert after - first == timedelta(days=1)
    assert day_in_bogota(first) == day_in_bogota(after - timedelta(milliseconds=1)) == day
    assert day_in_bogota(after) == day + timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T17:00:00",
        "2026-11-21T17:00Z",
        "2026-11-21T25:00:00Z",
        " 2026-11-21T17:00:00Z",
        "x",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_text(text)
