"""The moments at which somebody's time begins or ends: they pass though nothing in the directory changes.

Such a moment is a date that somebody wrote down, so the wall clock is asked. It is asked again when
it was stepped, and at least every `CHECK_S` of the monotonic one: forwards or backwards, everybody is
as that clock says within a minute.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.directory import IDirectory, IPeople, Person, Pull, judged
from lyncpy.contracts.facts import PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline

CHECK_S: Final = 60.0
"""The longest time without a look at the wall clock while somebody's moment is still to come, or has been."""


@implementer(IDirectory)
class ExpiringDirectory:
    """A directory whose people are enabled only between their account's beginning and end.

    Args:
        directory: Gives people as they are stored.
        timers: The wall clock.
        overdue_ends: Whether who must change the password is signed out.
    """

    def __init__(self, directory: IDirectory, timers: ITimers, *, overdue_ends: bool) -> None:
        self._directory = directory
        self._overdue_ends = overdue_ends
        self._timers = timers

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read it; see the promise."""
        answer: Pull = await self._directory.pull(cookie, counting=counting)
        wall = self._timers.wall()
        return replace(
            answer, people=tuple(judged(person, wall, overdue_ends=self._overdue_ends) for person in answer.people)
        )

    def close(self) -> Awaitable[None]:
        """Close it; see the promise."""
        closed: Awaitable[None] = self._directory.close()
        return closed


class AccountDeadlines:
    """Wakes when a moment of a person passes; bounded by the people there are, who have three moments each at most.

    Args:
        people: Everybody.
        rejudge: Called with those whose moment has come or, when a clock was set back, has not.
        timers: The deadline, and the wall clock.
    """

    def __init__(self, people: IPeople, rejudge: Callable[[Sequence[Aor]], None], timers: ITimers) -> None:
        self._people = people
        self._rejudge = rejudge
        self._timers = timers
        self._moments: list[tuple[float, Aor]] = []
        self._new: list[tuple[float, Aor]] = []
        self._seen = 0.0
        self._next_look = Deadline(timers, self._look)
        self._due: deque[Aor] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._moments) + len(self._new)

    def open(self) -> None:
        """Judge everybody by the wall clock, and set the first deadline."""
        self._seen = self._timers.wall()
        self._begin_again(self._people.everybody())
        self._arm()
        self._timers.on_step(self._stepped)

    def close(self) -> None:
        """Stop the deadlines."""
        self._closed = True
        self._next_look.clear()

    def person_changed(self, fact: PersonChanged) -> None:
        """Add the moments of these people; old ones are dropped when they come."""
        found = _moments_of(self._people.person(fact.aor))
        if found and not self._closed:
            self._new += found
            self._arm()

    def _begin_again(self, people: Iterable[Person]) -> None:
        self._new.clear()
        self._moments = sorted(moment for person in people for moment in _moments_of(person))

    def _settle(self) -> None:
        """Sort the times that were added lately in among the others; count all anew when too many are of no use."""
        if len(self._moments) + len(self._new) > 1000 + 4 * len(self._people.everybody()):
            self._begin_again(self._people.everybody())
        elif self._new:
            self._moments += self._new
            self._new.clear()
            self._moments.sort()

    def _stepped(self, _: float) -> None:
        if not self._closed:
            self._look()

    def _arm(self) -> None:
        self._next_look.clear()
        if self._closed or not (self._moments or self._new):
            return
        nearest = min((at for at, _ in self._new), default=float("inf"))
        following = bisect_right(self._moments, (self._seen, _LAST))
        if following < len(self._moments):
            nearest = min(nearest, self._moments[following][0])
        delay_s = min(CHECK_S, max(0.0, nearest - self._timers.wall()))
        self._next_look.set(delay_s)

    def _look(self) -> None:
        """Judge the people with a time between the last look and this one, whichever way the clock went."""
        self._settle()
        wall = self._timers.wall()
        low, high = sorted((self._seen, wall))
        self._seen = wall
        start, end = (bisect_right(self._moments, (at, _LAST)) for at in (low, high))
        is_at_it = bool(self._due)
        self._due += dict.fromkeys(aor for _, aor in self._moments[start:end])
        if self._due and not is_at_it:
            self._go_on()
        self._arm()

    def _go_on(self) -> None:
        """Judge some; when a thousand contracts end at one midnight, others get their turn between."""
        some = tuple(islice(self._due, AT_ONCE))
        for _ in some:
            self._due.popleft()
        if self._due and not self._closed:
            self._timers.later(PAUSE_S, self._go_on)
        self._rejudge(some)


AT_ONCE: Final = 100
"""People who are judged before anybody else's turn."""

PAUSE_S: Final = 0.01

_LAST: Final = Aor("\U0010ffff")
"""Behind all addresses."""


def _moments_of(person: Person | None) -> list[tuple[float, Aor]]:
    if person is None:
        return []
    moments = (person.begins, person.until, person.must_change)
    return [(moment.at, person.aor) for moment in moments if moment is not None]
