"""Test the periods of calendar windows against the time zones themselves."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.limits.calendar import BOUNDS, UNITS, Unit, bounds, check_zone, period
from flask_irl.limits.limit import Limit, parse_limits

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"),
    # Where midnight itself is skipped or comes twice, and where a whole day was skipped.
    *("America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Atlantic/Azores", "Pacific/Apia"),
)
LATEST = datetime(2037, 1, 1, tzinfo=UTC).timestamp()


def local(micros: float, zone: str) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, ZoneInfo(zone))


def label(moment: datetime, unit: Unit) -> object:
    """Name the period of a moment, as its calendar does."""
    if unit == "month":
        return moment.year, moment.month
    return moment.date() if unit == "day" else moment.isocalendar()[:2]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", UNITS)
def test_periods_are_those_of_the_zones_own_calendar(unit: Unit, zone: str) -> None:
    draw = random.Random(f"{unit} {zone}")
    for _ in range(150):
        now = draw.uniform(0.0, LATEST)
        starts = bounds(unit, zone, now)
        assert len(starts) == BOUNDS
        assert starts[0] < starts[1] <= now * 1e6 < starts[2]
        for start, end in pairwise(starts):
            first, last = label(local(start, zone), unit), label(local(end - 1, zone), unit)
            assert first == last, (now, start, end)
            assert label(local(start - 1, zone), unit) != first
            assert period(starts, draw.uniform(start, end - 1)) == (start, end - start)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Havana", "2026-11-01", 25),
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_on_which_clocks_are_set_has_its_own_length(
    zone: str, day: str, hours: float
) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)).timestamp()
    assert period(bounds("day", zone, noon), noon * 1e6)[1] == hours * 3600e6


def test_periods_go_on_beyond_those_that_are_known() -> None:
    known = bounds("day", "UTC", 86_400.0 * 100)
    for day in (-3, 0, 98, 120, 1000):
        moment = (day + 0.25) * 86_400e6
        assert period(known, moment) == (day * 86_400e6, 86_400e6)


def test_calendar_limits_are_read_and_written_beside_others() -> None:
    limits = parse_limits("600/minute;20000/calendar-month, 5 per calendar-day|7/calendar-week")
    assert limits == (
        Limit(600, 60),
        Limit(20_000, 31 * 86_400, calendar="month"),
        Limit(5, 86_400, calendar="day"),
        Limit(7, 7 * 86_400, calendar="week"),
    )
    assert parse_limits(";".join(map(str, limits))) == limits


@pytest.mark.parametrize("text", ["5/calendar-year", "x/calendar-day", "0/calendar-day"])
def test_a_wrong_calendar_limit_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_limits(text)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "\0"])
def test_an_unknown_zone_is_refused_and_told_how_to_mend(zone: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no time zone.*Europe/Berlin.*tzdata"):
        check_zone(zone)
