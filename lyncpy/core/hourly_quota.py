"""What grows on disk, by whom: a share of an hour for each owner, and texts that have a bound.

What clients cause to be written down is bounded twice: how often, by a bucket for each owner,
and how long each text may be that a client wrote itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, Final, TypeVar, get_args

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.records import CallRecord
from lyncpy.core.limits import Bucket

LETTERS: Final = 255
"""Of each text in a record that a client wrote; a Call-ID may have thirty thousand."""

OWNERS: Final = 50_000
"""Owners that are counted at once; who has not caused anything for longest is forgotten, and begins anew."""

HOUR_S: Final = 3600.0

TOLD_EACH: Final = 1000
"""Left out, for one line of the log: a flood must not fill the log either."""

Record = TypeVar("Record", bound=CallRecord)


class HourlyQuota:
    """How much each owner may still cause in this hour.

    Args:
        name: What operators call it; "section.key" of a setting.
        per_hour: Of one owner, in whatever is counted.
        now: A monotonic clock.
        told: Hears whose share is used up and how often that was so in all, at the first and each thousandth time.
    """

    def __init__(
        self, name: str, per_hour: float, now: Callable[[], float], told: Callable[[Hashable, int], None]
    ) -> None:
        self._per_hour = per_hour
        self._now = now
        self._told = told
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()
        self._limit = Limit(name, per_hour, self._most_used)

    def _most_used(self) -> float:
        now, rate = self._now(), self._per_hour / HOUR_S
        return max((one.used(rate, self._per_hour, now) for one in self._buckets.values()), default=0.0)

    @property
    def left_out(self) -> int:
        """How often an owner's share was used up."""
        return self._limit.reached

    def spend(self, owner: Hashable, amount: float = 1.0) -> bool:
        """Use up part of an owner's share; False, and nothing is used, when less is left."""
        now = self._now()
        bucket = self._buckets.pop(owner, None) or Bucket(self._per_hour, now)
        self._buckets[owner] = bucket
        if len(self._buckets) > OWNERS:
            self._buckets.popitem(last=False)
        if bucket.take_tokens(self._per_hour / HOUR_S, self._per_hour, now, amount) == 0.0:
            return True
        self._limit.hit()
        if self.left_out % TOLD_EACH == 1:
            self._told(owner, self.left_out)
        return False


_TEXTS: Final[Mapping[type, Callable[[CallRecord], tuple[str, ...]]]] = {
    kind: attrgetter(*(one.name for one in fields(kind) if one.type is str)) for kind in get_args(CallRecord)
}
"""What gets all texts of a record at once: one is looked through with each message that it counts."""


def cut(record: Record) -> Record:
    """Cut the texts of a record to `LETTERS`."""
    if max(map(len, _TEXTS[type(record)](record))) <= LETTERS:
        return record
    long: dict[str, Any] = {  # Any: each of its own field
        one.name: text[:LETTERS]
        for one in fields(record)
        if isinstance(text := getattr(record, one.name), str) and len(text) > LETTERS
    }
    return replace(record, **long)
