"""A bound as operators see it in the meters: how much of it is used, how much it is, and how often somebody came to it."""

from collections.abc import Callable
from typing import Final


class Limit:
    """One bound.

    Whoever keeps to it keeps this under a name of their own, where the meters find it (`app/limits.py`).

    Args:
        name: "section.key" of the setting; of a constant the room and what it is of.
        most: How much it is; what gives it, where that may change.
        used: Gives how much the fullest of whatever has such a bound uses of it; None: that is not known. It may take a while,
            and is asked behind what clients ask.
    """

    __slots__ = ("_most", "_used", "name", "reached")

    def __init__(self, name: str, most: float | Callable[[], float], used: Callable[[], float] | None = None) -> None:
        self.name: Final = name
        self._most = most
        self._used = used
        self.reached = 0
        """How often somebody came to it, and was refused, waits, or has lost the oldest of theirs."""

    def hit(self, times: int = 1) -> None:
        """Count that somebody came to it."""
        self.reached += times

    @property
    def most(self) -> float:
        """How much it is now."""
        return self._most() if callable(self._most) else self._most

    def used(self) -> float | None:
        """Give how much of it is used; None: that is not known."""
        return None if self._used is None else float(self._used())
