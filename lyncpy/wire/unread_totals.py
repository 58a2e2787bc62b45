"""How much waits for clients that do not read."""

from typing import Generic, Protocol, TypeVar


class Debtor(Protocol):
    """A connection for which bytes wait."""

    owed: int


D = TypeVar("D", bound=Debtor)


class UnreadTotals(Generic[D]):
    """The bytes that wait for clients that do not read, all of them together."""

    def __init__(self) -> None:
        self._flows: dict[D, None] = {}
        self.total = 0

    def add_bytes(self, flow: D, size_bytes: int) -> None:
        """Count more bytes that wait for a client that does not read."""
        flow.owed += size_bytes
        self.total += size_bytes
        self._flows[flow] = None

    def remove(self, flow: D) -> None:
        """Stop counting a client that has read all of it, or is gone."""
        self.total -= flow.owed
        flow.owed = 0
        self._flows.pop(flow, None)

    def largest(self) -> D | None:
        """Give the connection that has most coming."""
        return max(self._flows, key=lambda flow: flow.owed, default=None)
