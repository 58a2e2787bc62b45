"""Until when: attributes that say when an account begins, ends, or needs another password. Pure.

A *deadline* is `attribute:form`, or a sum, `shadowLastChange+shadowMax:lastday`. The forms:

| Form | The value is | Never |
|---|---|---|
| `filetime` | a number of 100 ns since 1601, UTC ([MS-DTYP] 2.3.3) | 0, and 2^63-1 ([MS-ADA1] accountExpires) |
| `days` | days since 1970, each from midnight UTC (shadow(5)) | below 0 |
| `lastday` | days since 1970, each to its end, as PAM counts a password's (shadow(5)) | below 0, 99999 and more; a sum that begins with 0 |
| `seconds` | seconds since 1970 | below 0, 2^31-1 and more; 0 where it would end something |
| `time` | GeneralizedTime (RFC 4517 §3.3.13) | 1970-01-01 and 1601-01-01 |
| `age` | GeneralizedTime, and seconds that are added | as of `time`; an age of 0, below 0, 2^31-1 and more |

A value that is empty says nothing. One that cannot be read is an error: whoever asks has to
decide what it takes away.
"""

import enum
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lyncpy.contracts.directory import Moment
from lyncpy.sip.text import shown


class TimeForm(enum.StrEnum):
    """How a value says a time; see the table above."""

    FILETIME = "filetime"
    DAYS = "days"
    LASTDAY = "lastday"
    SECONDS = "seconds"
    TIME = "time"
    AGE = "age"


_DEADLINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9.;-]*(?:\+[A-Za-z][A-Za-z0-9.;-]*)*):([a-z]+)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_TIME: Final = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})?)?(?:[.,][0-9]{1,9})?(?:Z|([+-])([0-9]{2})([0-9]{2})?)"
)
_1601_S: Final = 11_644_473_600
_SECONDS_NEVER: Final = 2**31 - 1
_DAY_S: Final = 86_400
_NEVER: Final = {
    TimeForm.FILETIME: 2**63 - 1,
    # What tools write for a password that does not age.
    TimeForm.LASTDAY: 99_999,
    TimeForm.SECONDS: _SECONDS_NEVER,
}
"""The number from which on a value of this form says never."""

_UNITS_S: Final = {TimeForm.DAYS: _DAY_S, TimeForm.LASTDAY: _DAY_S, TimeForm.SECONDS: 1}
"""The seconds that a number of this form counts, from 1970 on."""

_LAST_S: Final = 253_402_300_800
"""The year 10000: nobody's account ends later."""


class UnreadableTime(Exception):
    """A value is none of its form; the text says so, for an operator."""


@dataclass(frozen=True, slots=True)
class TimeAttribute:
    """Where a moment comes from."""

    names: tuple[str, ...]
    """Attributes, as written; several are added."""

    form: TimeForm
    zero_is_never: bool

    @property
    def text(self) -> str:
        """Give the attributes as an operator wrote them."""
        return "+".join(self.names)

    def moments(self, raw: Mapping[str, Sequence[bytes]]) -> list[Moment]:
        """Give the moments that an entry names; none when an attribute is absent, or says never.

        Raises:
            Unreadable: A value is none of its form.
        """
        several = [raw.get(name.lower(), ()) for name in self.names]
        if len(several) == 1:
            found = [self._second(self.names[0], value) for value in several[0]]
        elif all(several):
            found = [self._sum([values[0] for values in several])]
        else:
            found = []
        extra_s = _DAY_S if self.form is TimeForm.LASTDAY else 0
        ends = [at + extra_s for at in found if at is not None]
        return [Moment(at, self.text) for at in ends if at < _LAST_S]

    def _sum(self, values: Sequence[bytes]) -> float | None:
        # All are read: one that cannot be is told even where another says never.
        parts = [self._second(name, value) for name, value in zip(self.names, values, strict=True)]
        if None in parts or (self.form is TimeForm.LASTDAY and parts[0] == 0):
            # Spec: shadow(5): a last change of 0 is a demand of its own, from which no age is counted.
            return None
        return sum(part for part in parts if part is not None)

    def _second(self, name: str, value: bytes) -> float | None:
        text = value.decode("ascii", "replace").strip()
        if not text:
            return None
        form = self.form
        # An age is a sum: the first attribute is the time, the others are seconds that are added.
        if form is TimeForm.AGE:
            form = TimeForm.TIME if name == self.names[0] else TimeForm.SECONDS
        if form is TimeForm.TIME:
            at = _read_time(text)
        elif _NUMBER.fullmatch(text):
            at = _from_number(int(text), form)
        else:
            at = None
        if at is None:
            what = "number of seconds" if self.form is TimeForm.AGE and form is TimeForm.SECONDS else form
            raise UnreadableTime(f'its attribute "{name}" cannot be read: "{shown(text, 40)}" is no {what}')
        if at < 0 or (at == 0 and self._zero_says_never(form)):
            return None
        return at

    def _zero_says_never(self, form: TimeForm) -> bool:
        """Tell whether the zero of a form is what tools write for none; the first day of 1970 is a day."""
        return (
            form is TimeForm.TIME
            or self.form is TimeForm.AGE
            or (self.zero_is_never and form not in (TimeForm.DAYS, TimeForm.LASTDAY))
        )


def deadline(text: str, *, zero_is_never: bool) -> TimeAttribute | None:
    """Read `attribute:form`; None for text that is something else.

    Raises:
        ValueError: A form that there is not.
    """
    found = _DEADLINE.fullmatch(text.strip())
    if found is None:
        return None
    if found[2] not in tuple(TimeForm):
        raise ValueError(f'"{shown(text)}" has no form that is known: write attribute:{"|".join(TimeForm)}')
    names = tuple(found[1].split("+"))
    return TimeAttribute(names, TimeForm(found[2]), zero_is_never)


def deadlines(texts: Iterable[str]) -> tuple[TimeAttribute, ...]:
    """Parse several deadlines.

    Raises:
        ValueError: With what is wrong with the first that is none.
    """
    found = []
    for text in texts:
        one = deadline(text, zero_is_never=True)
        if one is None:
            raise ValueError(f'"{shown(text)}" is not a time: write attribute:{"|".join(TimeForm)}')
        found.append(one)
    return tuple(found)


def _from_number(number: int, form: TimeForm) -> float:
    """Give seconds since 1970; below 0 for never."""
    if number >= _NEVER.get(form, math.inf):
        return -1.0
    if form is TimeForm.FILETIME:
        return max(0.5, number / 1e7 - _1601_S) if number > 0 else -1.0
    return float(number * _UNITS_S[form])


def _read_time(text: str) -> float | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        year, month, day, hour = (int(found[number]) for number in range(1, 5))
        if year == 0:
            return 0.5  # before all times, as ppolicy writes it
        at = datetime(year, month, day, hour, int(found[5] or 0), min(int(found[6] or 0), 59), tzinfo=UTC)
        if found[7]:
            away = timedelta(hours=int(found[8]), minutes=int(found[9] or 0))
            at = at - away if found[7] == "+" else at + away
        # The zero of a clock, 1970 or 1601, is what tools write for none; any other time before 1970 is long past.
        return max(0.5, at.timestamp()) if at.timestamp() not in (0.0, -_1601_S) else 0.0
    except (ValueError, OverflowError):
        return None
