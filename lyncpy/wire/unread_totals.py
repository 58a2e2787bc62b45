"""How much waits for clients that do not read."""

from typing import Final, Generic, Protocol, TypeVar

from lyncpy.contracts.limit import Limit
from lyncpy.wire.settings import Settings

OF_ONE: Final = "unwritten_bytes"
OF_ALL: Final = "unwritten_total_bytes"


class Debtor(Protocol):
    """A connection for which bytes wait."""

    owed: int


D = TypeVar("D", bound=Debtor)


class UnreadTotals(Generic[D]):
    """The bytes that wait for clients that do not read, all of them together."""

    def __init__(self, settings: Settings) -> None:
        self._flows: dict[D, None] = {}
        self.total = 0
        of_one, of_all = settings.unwritten_bytes, settings.unwritten_total_bytes
        self._limits = {
            OF_ONE: Limit("sip.unwritten_bytes", of_one, lambda: max((one.owed for one in self._flows), default=0)),
            OF_ALL: Limit("sip.unwritten_total_bytes", of_all, lambda: self.total),
        }

    def overflowed(self, bound: str) -> None:
        """Count a client that came to one of the bounds."""
        self._limits[bound].hit()

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
