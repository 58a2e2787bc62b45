"""Many callers' items made durable together."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from zope.interface import Interface

Commit: TypeAlias = Callable[[Sequence[Any]], Deferred[Sequence[Any]]]  # Any: items and results are the user's
"""Makes items durable, all or none, and gives a result for each. A result that is a Failure fails its item's caller, and no other.

Fails with StoreUnavailable when the world fails (disk, lock, connection). Whatever else it fails with is
the fault of one of the items.
"""


class IGroupCommit(Interface):
    """A queue in front of a commit: items that come during a commit share the next one."""

    def add(item: Any, *, size: int = 1, owners: Mapping[str, Any] | None = None) -> Deferred[Any]:
        """Queue an item; its result comes when it is durable.

        A caller that is cancelled does not take the item back: it may become durable or not.
        Fails with StoreUnavailable when the queue is closed or full, or the world fails; and with
        whatever the commit raises when this item is at fault.
        """

    def add_unawaited(item: Any, key: Hashable) -> bool:
        """Queue an item for which no caller waits; it is tried again until it is durable.

        One with the same key that still waits is not committed any more. Gives whether it was taken.
        """

    def items() -> Sequence[Any]:
        """Give the items that are not durable yet."""

    def close(within_s: float) -> Awaitable[int]:
        """Refuse new items and commit those that wait; give the number that is not durable after so many seconds.

        Their callers are refused. May be called twice.
        """

    def __len__() -> int:
        """Give the number of items that are not durable yet, those of a commit under way among them."""


Queues: TypeAlias = Callable[[str, Commit, Callable[[str], None]], IGroupCommit]
"""Gives a queue: its name for meters, its commit, and what hears why commits fail ("" when they work again)."""
