"""What others can make this server complain of as often as they like is logged once in a while."""

from typing import Final

from lyncpy.contracts.timers import ITimers

COMPLAINTS_S: Final = 60.0
"""Between two lines in the log about one thing: a flood must not fill it."""


class Complaint:
    """One thing that is complained of, however often it happens.

    Args:
        timers: When a line may follow the last one.

    Attributes:
        total: How often it has happened.
    """

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._untold = 0
        self._told_at = float("-inf")
        self.total = 0

    def happened(self, times: int = 1) -> int:
        """Count it; give how often it has happened since the last line, when there may be one now, else 0."""
        self.total += times
        self._untold += times
        now = self._timers.now()
        if now < self._told_at + COMPLAINTS_S:
            return 0
        untold, self._untold, self._told_at = self._untold, 0, now
        return untold
