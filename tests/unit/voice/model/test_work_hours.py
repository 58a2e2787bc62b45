"""Whether somebody works now, by the hours that clients publish."""

from datetime import UTC, datetime

import pytest

from lyncpy.workloads.voice.model.work_hours import is_working

WEEK = "Monday Tuesday Wednesday Thursday Friday"


def part(name: str, bias: object, month: object, order: object, day: str = "Sunday", time: str = "02:00:00") -> str:
    """Write when a part of the year begins."""
    return (
        f"<{name}><Bias>{bias}</Bias><Time>{time}</Time><DayOrder>{order}</DayOrder><Month>{month}</Month>"
        f"<DayOfWeek>{day}</DayOfWeek></{name}>"
    )


def hours(zone: str, days: str = WEEK, start: object = 480, end: object = 1020) -> str:
    """Write the document."""
    return (
        '<calendarData xmlns="http://schemas.microsoft.com/2006/09/sip/calendarData" mailboxID="bob@example.com">'
        '<WorkingHours xmlns="http://schemas.microsoft.com/exchange/services/2006/types">'
        f"{zone}<WorkingPeriodArray><WorkingPeriod><DayOfWeek>{days}</DayOfWeek><StartTimeInMinutes>{start}</StartTimeInMinutes>"
        f"<EndTimeInMinutes>{end}</EndTimeInMinutes></WorkingPeriod></WorkingPeriodArray></WorkingHours></calendarData>"
    )


def zone(bias: object, *parts: str) -> str:
    """Write the time zone."""
    return f"<TimeZone><Bias>{bias}</Bias>{''.join(parts)}</TimeZone>"


SEATTLE = zone(480, part("StandardTime", 0, 11, 1), part("DaylightTime", -60, 3, 2))
BERLIN = zone(-60, part("StandardTime", 0, 10, 5, time="03:00:00"), part("DaylightTime", -60, 3, 5))
SYDNEY = zone(-600, part("StandardTime", 0, 4, 1, time="03:00:00"), part("DaylightTime", -60, 10, 1))


@pytest.mark.parametrize(
    ("place", "at", "works"),
    [
        (SEATTLE, "2026-01-15 15:59", False),
        (SEATTLE, "2026-01-15 16:00", True),
        (SEATTLE, "2026-01-16 00:59", True),
        (SEATTLE, "2026-01-16 01:00", False),
        (SEATTLE, "2026-07-15 15:00", True),
        (SEATTLE, "2026-07-15 14:59", False),
        (SEATTLE, "2026-01-17 18:00", False),
        (BERLIN, "2026-03-27 07:00", True),
        (BERLIN, "2026-03-27 06:59", False),
        (BERLIN, "2026-03-30 06:00", True),
        (BERLIN, "2026-10-26 06:59", False),
        (SYDNEY, "2026-01-14 21:00", True),
        (SYDNEY, "2026-01-14 20:59", False),
        (SYDNEY, "2026-06-14 21:59", False),
        (SYDNEY, "2026-06-14 22:00", True),
        (zone(0), "2026-01-15 08:00", True),
        (zone(0, part("StandardTime", 60, 0, 0, "")), "2026-01-15 08:59", False),
        (zone(0, part("StandardTime", 60, 0, 0, "")), "2026-01-15 09:00", True),
    ],
)
def test_hours_are_those_of_the_users_place(place: str, at: str, works: bool) -> None:
    """In winter and in summer, north and south; a place without a summer of its own has one time."""
    moment = datetime.strptime(at, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()
    assert is_working(hours(place), moment) is works


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<calendarData",
        "<calendarData/>",
        hours(""),
        hours(zone("x")),
        hours(zone(10**7)),
        hours(zone(0), start="x"),
        hours(zone(0), start=""),
        hours(zone(0, part("StandardTime", 0, 13, 1), part("DaylightTime", 0, 3, 1))),
        hours(zone(0, part("StandardTime", 0, 11, 1, "Someday"), part("DaylightTime", 0, 3, 1))),
        f"<calendarData>{SEATTLE}</calendarData>",
    ],
)
def test_who_has_not_said_when_they_work_always_does(document: str) -> None:
    """Nor has who said it in a way that cannot be read."""
    assert is_working(document, 1_700_000_000.0)


def test_no_time_is_too_far() -> None:
    """Whatever the clock says."""
    assert is_working(hours(SEATTLE), 1e18)
