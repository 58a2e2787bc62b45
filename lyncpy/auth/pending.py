"""What is under way on connections between two steps of a handshake: the same for every scheme."""

from collections import OrderedDict
from typing import Generic, TypeVar

from lyncpy.contracts.limit import Limit

T = TypeVar("T")

_LOOKED_AT = 2
"""Of the oldest, for each that begins: more than one, so that those whose time is over become fewer."""


class PendingPerConnection(Generic[T]):
    """One for each connection, in time; beyond the bound the oldest of all is forgotten.

    Args:
        name: What operators call the bound: "section.key".
        most: How many there may be at once.
        lifetime_s: Seconds after which one is over.
    """

    def __init__(self, name: str, most: int, lifetime_s: float) -> None:
        self._most = most
        self._lifetime_s = lifetime_s
        # Of a plain dict the first is found by going through the places of all that were deleted before it.
        self._of: OrderedDict[str, tuple[float, T]] = OrderedDict()
        """Until when, and what; the oldest is the first."""

        self._limit = Limit(name, most, lambda: len(self._of))

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._of)

    def begin(self, connection: str, pending: T, now: float) -> T:
        """Keep what has begun, in place of the connection's last one; give it."""
        self.drop(connection)
        for _ in range(min(_LOOKED_AT, len(self._of))):
            until, _pending = self._of[next(iter(self._of))]
            if now < until and len(self._of) < self._most:
                break
            self._limit.hit(now < until)
            self._of.popitem(last=False)
        self._of[connection] = now + self._lifetime_s, pending
        return pending

    def get(self, connection: str, now: float) -> T | None:
        """Give what a connection has under way."""
        until, pending = self._of.get(connection, (now, None))
        return pending if now < until else None

    def pop(self, connection: str, now: float) -> T | None:
        """Give what a connection has under way, this once."""
        pending = self.get(connection, now)
        self.drop(connection)
        return pending

    def drop(self, connection: str) -> None:
        """Forget what a connection has under way, if anything."""
        self._of.pop(connection, None)
