"""How much is let through: a token bucket, and patience with failed sign-ins.

Both are pure: time is an argument, tables are bounded and each place has its share of them.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.strangers import StrangersByNetwork

_EXCESS: Final = 32
"""Failures beyond the free ones that are remembered of a name: the refusal has long been the longest."""


class Bucket:
    """A token bucket, full at first: `burst` at once, `rate` a second in the long run. One per flow, so it is small."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._at = now

    def take_tokens(self, rate: float, burst: float, now: float, amount: float = 1.0) -> float:
        """Take tokens from the bucket; give 0, or the seconds until it has as many."""
        level = min(burst, self._level + max(0.0, now - self._at) * rate)
        self._at = now
        if level >= amount:
            self._level = level - amount
            return 0.0
        self._level = level
        return (amount - level) / rate

    def used(self, rate: float, burst: float, now: float) -> float:
        """Give how many tokens are taken and have not come back."""
        return burst - min(burst, self._level + max(0.0, now - self._at) * rate)


class TryRules(Protocol):
    """What `Throttle` is told by the settings of sign-in."""

    @property
    def tries_window_s(self) -> float:
        """Seconds after which a failure is forgotten."""

    @property
    def tries_delay_s(self) -> float:
        """Seconds of the first refusal; each further failure doubles it."""

    @property
    def tries_delay_maximum_s(self) -> float:
        """Seconds of the longest refusal."""

    @property
    def tries_remembered(self) -> int:
        """Names remembered at once."""


@dataclass(slots=True)
class _Tries:
    times: list[float]
    until: float = 0.0


class Throttle:
    """Failed tries by name in a sliding window, and the time for which a name is refused because of them.

    The first `allowed` failures of a window cost nothing. From then on each failure refuses the
    name for a while, at first for `tries_delay_s`, then for twice that, and so on. Each is
    forgotten by itself, a window after it happened, so that one now and then never adds up. Tries
    that are refused do not count, or a client that repeats itself would never be let in again.

    So many names are remembered. Of more, one is forgotten of the place from which most of them
    come, so that a flood of names forgets its own.

    Args:
        allowed: How many failures are free for each name of this throttle.
        name: What operators call that bound; "section.key" of a setting.
        most: How many names are remembered at least, whatever the settings say.
    """

    def __init__(self, rules: TryRules, allowed: int, name: str, *, most: Callable[[], int] = lambda: 0) -> None:
        self._rules = rules
        self._allowed = allowed
        self._most = most
        self._tries: dict[Hashable, _Tries] = {}
        self._crowd: StrangersByNetwork[Hashable] = StrangersByNetwork()
        self._limits = (
            Limit(name, allowed, lambda: max((len(one.times) for one in self._tries.values()), default=0)),
            Limit("auth.tries_remembered", rules.tries_remembered, lambda: len(self._tries)),
        )

    def __len__(self) -> int:
        """Give the number of names remembered."""
        return len(self._tries)

    def __contains__(self, name: object) -> bool:
        """Tell whether failures of a name are remembered; of any other nothing has to be waited for."""
        return name in self._tries

    def wait(self, name: Hashable, now: float, *, allowed: int | None = None) -> float:
        """Give the seconds for which this name is still refused; 0: it may try.

        Args:
            allowed: Failures that are free for this once, where that is fewer than usual.
        """
        tries = self._current(name, now)
        if tries is None:
            return 0.0
        until = tries.until
        if allowed is not None and len(tries.times) >= allowed:
            until = max(until, tries.times[-1] + self._delay_s(len(tries.times), allowed))
        return max(0.0, until - now)

    def failures(self, name: Hashable, now: float) -> int:
        """Give the number of failures that still count."""
        tries = self._current(name, now)
        return len(tries.times) if tries is not None else 0

    def relief_s(self, name: Hashable, now: float) -> float:
        """Give the seconds after which fewer failures of a name count than are free; 0: now."""
        tries = self._current(name, now)
        if tries is None or len(tries.times) < self._allowed:
            return 0.0
        return tries.times[-self._allowed] + self._rules.tries_window_s - now

    def count_failure(self, name: Hashable, now: float, place: str = "") -> None:
        """Count a failure, made from this place."""
        tries = self._current(name, now)
        if tries is None:
            while len(self._tries) >= self._rules.tries_remembered and len(self._tries) >= self._most():
                self._limits[1].hit()
                self._forget(self._crowd.first_to_go())
            tries = self._tries[name] = _Tries([])
        tries.times.append(now)
        # More than free ones come slowly, so this many tell of any excess that matters.
        if len(tries.times) > self._allowed + _EXCESS:
            del tries.times[0]
        if len(tries.times) >= self._allowed:
            self._limits[0].hit()
        self._crowd.add(name, place)
        tries.until = self._until(tries)

    def spare(self, name: Hashable, count: int = 1) -> None:
        """Count the latest so many failures of a name no more: they were none, or are forgiven."""
        tries = self._tries.get(name)
        if tries is None or count <= 0:
            return
        del tries.times[-count:]
        if tries.times:
            tries.until = self._until(tries)
        else:
            self._forget(name)

    def forgive(self, name: Hashable) -> int:
        """Forget a name's failures, for it has proved itself; give how many were remembered."""
        tries = self._tries.get(name)
        if tries is None:
            return 0
        self._forget(name)
        return len(tries.times)

    def names(self) -> tuple[Hashable, ...]:
        """Give every name that is remembered. For operators."""
        return tuple(self._tries)

    def _forget(self, name: Hashable) -> None:
        self._crowd.remove(name)
        del self._tries[name]

    def _until(self, tries: _Tries) -> float:
        if len(tries.times) < self._allowed:
            return 0.0
        return tries.times[-1] + self._delay_s(len(tries.times), self._allowed)

    def _delay_s(self, failures: int, allowed: int) -> float:
        # The exponent is capped where no setting can tell the difference, lest the number overflow.
        delay = self._rules.tries_delay_s * 2.0 ** min(failures - allowed, 32)
        return min(delay, self._rules.tries_delay_maximum_s)

    def _current(self, name: Hashable, now: float) -> _Tries | None:
        tries = self._tries.get(name)
        if tries is None:
            return None
        before = now - self._rules.tries_window_s
        while tries.times and tries.times[0] <= before:
            del tries.times[0]
        if not tries.times and now >= tries.until:
            self._forget(name)
            return None
        return tries
