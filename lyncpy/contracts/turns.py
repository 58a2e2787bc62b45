"""What waits in turn, so that whoever puts in much waits behind themselves. Pure."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

TALK: Final = frozenset({"MESSAGE", "INVITE", "ACK", "BYE", "CANCEL", "INFO", "PRACK", "UPDATE", "REFER", "NOTIFY"})
"""The methods of people who talk, in a call or in words: they come before all others, from the socket on."""


class FairQueue(Generic[T]):
    """Items by owner; owners take turns. Bounded by whoever puts items in."""

    __slots__ = ("_count", "_owners")

    def __init__(self) -> None:
        self._owners: dict[Hashable, deque[T]] = {}
        """Whose turn it is first."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def heads(self) -> Iterator[T]:
        """Give the oldest item of each owner."""
        return (items[0] for items in self._owners.values())

    def put(self, owner: Hashable, item: T) -> None:
        """Add an item behind the others of its owner."""
        self._owners.setdefault(owner, deque()).append(item)
        self._count += 1

    def take(self) -> T:
        """Remove the oldest item of the owner whose turn it is, who goes behind all others."""
        owner = next(iter(self._owners))
        items = self._owners.pop(owner)
        item = items.popleft()
        if items:
            self._owners[owner] = items
        self._count -= 1
        return item
