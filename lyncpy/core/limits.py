"""How much is let through: a token bucket, and patience with failed sign-ins.

Both are pure: time is an argument, tables are bounded and forget the oldest.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol


class Bucket:
    """A token bucket: `burst` at once, `rate` a second in the long run. One per flow, so it is small."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        """Begin full."""
        self._level = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float) -> float:
        """Take one token; give 0, or the seconds after which there will be one."""
        level = min(burst, self._level + max(0.0, now - self._at) * rate)
        self._at = now
        if level >= 1.0:
            self._level = level - 1.0
            return 0.0
        self._level = level
        return (1.0 - level) / rate


class TryRules(Protocol):
    """What `Throttle` is told by the settings of sign-in."""

    @property
    def tries_window_s(self) -> float:
        """Seconds after which failures are forgotten."""

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
    failures: int
    last: float
    until: float = 0.0


class Throttle:
    """Failed tries by name (a user, an address), and for how long a name is refused because of them.

    The first `allowed` failures cost nothing. From then on each failure refuses the name for
    a while, at first for `tries_delay_s`, then for twice that, and so on. Tries that are
    refused do not count, or a client that repeats itself would never be let in again.
    """

    def __init__(self, rules: TryRules, allowed: int) -> None:
        """Take how many failures are free for each name of this throttle."""
        self._rules = rules
        self._allowed = allowed
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        """Give the number of names remembered."""
        return len(self._tries)

    def wait(self, name: str, now: float) -> float:
        """Give the seconds for which this name is still refused; 0: it may try."""
        tries = self._current(name, now)
        return max(0.0, tries.until - now) if tries is not None else 0.0

    def failures(self, name: str, now: float) -> int:
        """Give the number of failures that still count."""
        tries = self._current(name, now)
        return tries.failures if tries is not None else 0

    def failed(self, name: str, now: float) -> None:
        """Count a failure."""
        tries = self._current(name, now)
        if tries is None:
            while len(self._tries) >= self._rules.tries_remembered:
                self._tries.popitem(last=False)
            tries = self._tries[name] = _Tries(0, now)
        tries.failures += 1
        tries.last = now
        self._tries.move_to_end(name)
        excess = tries.failures - self._allowed
        if excess >= 0:
            # The exponent is capped where no setting can tell the difference, lest the number overflow.
            delay = self._rules.tries_delay_s * 2.0 ** min(excess, 32)
            tries.until = now + min(delay, self._rules.tries_delay_maximum_s)

    def forgive(self, name: str) -> None:
        """Forget a name's failures: it has proved itself."""
        self._tries.pop(name, None)

    def _current(self, name: str, now: float) -> _Tries | None:
        tries = self._tries.get(name)
        if tries is not None and now - tries.last >= self._rules.tries_window_s and now >= tries.until:
            del self._tries[name]
            return None
        return tries
