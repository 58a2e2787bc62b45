"""The lanes of requests: people who talk, presence, sign-ins and lists.

Messages and calls are begun as they come, so that nothing else is ever before them. What else
clients ask is begun at once, too, while it takes a part of the time and no more; beyond that it
waits in its lane, and each turn of the reactor does some milliseconds of what waits: presence
first, then sign-ins and lists, each with a part that the other cannot take. So however many sign in
at once, nobody's message waits for more than a turn or two, and nobody signs in never.

Within a lane users take turns, so that whoever asks for much waits behind themselves.
"""

import enum
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import DirectWork, ITimers
from lyncpy.contracts.turns import FairQueue
from lyncpy.core.timers import RecentMaximum
from lyncpy.sip.message import Request

T = TypeVar("T")

PUBLICATION: Final = "application/msrtc-category-publish+xml"

TURN_S: Final = 0.003
"""Seconds for what is in the lanes, in one turn of the reactor, about."""

LISTS_S: Final = 0.001
"""Those of them that presence cannot take."""

AT_ONCE_S: Final = 0.005
"""Seconds of each ten milliseconds for what begins as it comes."""


class Lane(enum.Enum):
    """What a request is about. That of people who talk has no lane: it never waits in one."""

    PRESENCE = "presence"
    LISTS = "sign_in"
    """Sign-ins, subscriptions, lists, searches, and whatever else there is."""


def lane_of(request: Request) -> Lane:
    """Give the lane of a request that is not of people who talk."""
    if request.method == "PUBLISH" or (request.method == "SERVICE" and request.content_type == PUBLICATION):
        return Lane.PRESENCE
    return Lane.LISTS


class _LaneQueue(Generic[T]):
    """What waits in one lane, and for how long it has."""

    def __init__(self) -> None:
        self._items: FairQueue[tuple[float, T]] = FairQueue()
        self._waited = RecentMaximum()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, owner: Hashable, item: T, now: float) -> None:
        self._items.put(owner, (now, item))

    def take(self, now: float) -> T:
        """Take the first item of the owner whose turn it is."""
        since, item = self._items.take()
        self._waited.note(now - since, now)
        return item

    def delay_s(self, now: float) -> float:
        """Give the longest wait of the last minute, of those who wait now included."""
        waits = max((now - since for since, _ in self._items.heads()), default=0.0)
        return max(self._waited.value(now), waits)


class Lanes(Generic[T]):
    """The lanes: what is not of people who talk is begun when there is time for it.

    Bounded by whoever puts things in: `Intake` counts the bytes of what waits.

    Args:
        begin: Begins an item that has waited; of one that is void by now it does nothing.
        timers: The turns, and the clock.
        meter: Shows how much waits, and for how long.
    """

    def __init__(self, begin: Callable[[T], None], timers: ITimers, meter: IMeter) -> None:
        self._begin = begin
        self._timers = timers
        self._queues: dict[Lane, _LaneQueue[T]] = {lane: _LaneQueue() for lane in Lane}
        self._presence, self._lists = self._queues[Lane.PRESENCE], self._queues[Lane.LISTS]
        self._direct = DirectWork(AT_ONCE_S)
        self._turn_comes = False
        meter.gauge(
            "lyncpy_core_loop_delay_seconds", "Longest delay of the event loop in the last minute.", timers.delay
        )
        for lane, queue in self._queues.items():
            what = f"lyncpy_core_{lane.value}_lane"
            meter.gauge(f"{what}_waiting_count", "Requests that wait in this lane.", queue.__len__)
            meter.gauge(
                f"{what}_delay_seconds", "Longest wait in this lane in the last minute.", partial(self._delay_s, queue)
            )

    def __len__(self) -> int:
        """Give how much waits."""
        return len(self._presence) + len(self._lists)

    def _delay_s(self, queue: _LaneQueue[T]) -> float:
        return queue.delay_s(self._timers.now())

    def states(self) -> Sequence[tuple[str, object]]:
        """Give the lines of the command `status` about delays."""
        rows: list[tuple[str, object]] = [("longest delay of messages and calls, ms", _ms(self._timers.delay()))]
        for name, queue in (("presence", self._presence), ("sign-ins and lists", self._lists)):
            rows += [
                (f"{name} waiting", len(queue)),
                (f"longest delay of {name}, ms", _ms(self._delay_s(queue))),
            ]
        return rows

    def begin_at_once(self) -> float | None:
        """Give the time, if something may begin at once; None: it has to wait in its lane."""
        now = self._timers.now()
        return now if not self._turn_comes and self._direct.may_begin(now) else None

    def begun_at_once(self, since: float) -> None:
        """Count the time of what has begun at once."""
        self._direct.add(self._timers.now() - since)

    def put(self, lane: Lane, owner: Hashable, item: T) -> None:
        """Keep an item until it is its turn."""
        self._queues[lane].put(owner, item, self._timers.now())
        self._call_again()

    def _call_again(self) -> None:
        if not self._turn_comes:
            self._turn_comes = True
            self._timers.later(0.0, self._turn)

    def _turn(self) -> None:
        """Begin what waits, for some milliseconds. What is begun may put in more."""
        until = self._timers.now() + TURN_S
        try:
            self._work(self._presence, until - LISTS_S)
            self._work(self._lists, until)
            if self._timers.now() < until:
                self._work(self._presence, until)
        finally:
            self._turn_comes = False
            if len(self):
                self._call_again()

    def _work(self, queue: _LaneQueue[T], until: float) -> None:
        """Begin what waits in a lane: one at least, and others until a time."""
        now = self._timers.now()
        while queue:
            self._begin(queue.take(now))
            now = self._timers.now()
            if now >= until:
                return


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
