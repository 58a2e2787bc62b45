"""Whether a user works now, by the hours that their client has published (`WorkingHours` of the category calendarData). Pure.

Times are those of the user's place: minutes behind UTC (`Bias`), and two days of the year at which that changes.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, read_xml, text_of

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LAST: Final = 5
"""The `DayOrder` that means the last such day of a month."""

_DAY_MINUTES: Final = 1440
_LARGEST: Final = 100_000


class _NoHours(Exception):
    """The document does not tell."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the two parts of a year."""

    bias: int
    """Minutes behind the place's usual time."""

    month: int
    """When it begins; 0: never."""

    order: int
    weekday: int
    minute: int

    def begins(self, year: int) -> datetime:
        """Give when it begins in a year, by the clocks of the place (written as if they were UTC's)."""
        first, length = calendar.monthrange(year, self.month)
        day = 1 + (self.weekday - first) % 7 + 7 * (self.order - 1)
        while day > length:
            day -= 7
        return datetime(year, self.month, day, tzinfo=UTC) + timedelta(minutes=self.minute)


def is_working(document: str, at: float) -> bool:
    """Tell whether a user works at a time; who has said nothing that can be read always does.

    Args:
        document: The value of calendarData, or "".
        at: Seconds since the epoch.
    """
    if not document:
        return True
    try:
        found = list(read_xml(document.encode()).walk())
        return _is_within(found, _local_time(found, at))
    except (_NoHours, RemoteProtocolError, OverflowError, ValueError, OSError):
        return True


def _is_within(found: list[Element], now: datetime) -> bool:
    periods = [one for one in found if one.local == "WorkingPeriod"]
    if not periods:
        raise _NoHours
    minute = now.hour * 60 + now.minute
    return any(
        _DAYS[now.weekday()] in _text(one, "DayOfWeek").lower().split()
        and _number(one, "StartTimeInMinutes") <= minute < _number(one, "EndTimeInMinutes")
        for one in periods
    )


def _local_time(found: list[Element], at: float) -> datetime:
    zone = next((one for one in found if one.local == "TimeZone"), None)
    if zone is None:
        raise _NoHours
    usual = _number(zone, "Bias")
    parts = {one.local: _part(one) for one in zone if one.local in ("StandardTime", "DaylightTime")}
    by_usual = datetime.fromtimestamp(at, UTC) - timedelta(minutes=usual)
    return by_usual - timedelta(minutes=_bias(parts, by_usual))


def _bias(parts: Mapping[str, _Part], by_usual: datetime) -> int:
    """Give the minutes by which the part of the year that holds now is behind the usual time."""
    standard, daylight = parts.get("StandardTime"), parts.get("DaylightTime")
    if standard is None or daylight is None or not standard.month or not daylight.month:
        return 0 if standard is None else standard.bias
    # Each begins by the clocks that the other has kept until then.
    summer = daylight.begins(by_usual.year) + timedelta(minutes=standard.bias)
    winter = standard.begins(by_usual.year) + timedelta(minutes=daylight.bias)
    if summer <= winter:
        return daylight.bias if summer <= by_usual < winter else standard.bias
    return standard.bias if winter <= by_usual < summer else daylight.bias


def _part(element: Element) -> _Part:
    month = _number(element, "Month", 0)
    day = _text(element, "DayOfWeek").lower()
    hours, _, rest = (_text(element, "Time") or "0:0").partition(":")
    order = min(max(_number(element, "DayOrder", 1), 1), _LAST)
    if not 0 <= month <= 12 or (month and day not in _DAYS):
        raise _NoHours
    minute = (int(hours) * 60 + int(rest.partition(":")[0] or 0)) % _DAY_MINUTES
    return _Part(_number(element, "Bias", 0), month, order, _DAYS.index(day) if month else 0, minute)


def _text(element: Element, name: str) -> str:
    """Give the text of a child, by its local name."""
    return text_of(next((one for one in element if one.local == name), None)).strip()


def _number(element: Element, name: str, otherwise: int | None = None) -> int:
    text = _text(element, name)
    number = int(text) if text or otherwise is None else otherwise
    if abs(number) > _LARGEST:
        raise _NoHours
    return number
