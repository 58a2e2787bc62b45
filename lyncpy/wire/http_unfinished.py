"""Requests that are not whole yet: what all of them together may hold, and whose goes when that is too much."""

from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.strangers import StrangersByNetwork
from lyncpy.contracts.timers import ITimers

_TOLD_EVERY_S: Final = 60.0


class PartialLine:
    """The pieces of a line that is not whole yet, joined once: whoever joins with each piece does it for each byte that drips."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece."""
        if piece:
            self._pieces.append(piece)
            self.size += len(piece)

    def pop_all(self) -> bytes:
        """Give all of them joined, and keep none."""
        whole, self._pieces, self.size = b"".join(self._pieces), [], 0
        return whole


class UnfinishedRequest(Protocol):
    """A connection on which a request is not whole yet."""

    peer: str

    def __hash__(self) -> int: ...

    def abort(self) -> None:
        """Close it at once."""


class UnfinishedRequests:
    """Counts what requests hold until they are whole.

    Where that is too much the network with the most of them loses its oldest, so that who sends many and ends none
    loses their own.

    Args:
        most: Bytes of all of them.
    """

    log = Logger()

    def __init__(self, most: int, meter: IMeter, timers: ITimers) -> None:
        self._most = most
        self._timers = timers
        self._sizes: dict[UnfinishedRequest, int] = {}
        self._by_network: StrangersByNetwork[UnfinishedRequest] = StrangersByNetwork()
        self._bytes = self._closed = 0
        self._limit = Limit("web.unfinished_bytes", most, lambda: self._bytes)
        self._told = float("-inf")
        meter.gauge(
            "lyncpy_wire_http_unfinished_bytes", "Bytes of requests that are not whole yet.", lambda: float(self._bytes)
        )
        meter.total(
            "lyncpy_wire_http_unfinished_closed_total",
            "Connections closed because all unfinished requests together were too large.",
            lambda: self._closed,
        )

    def holds(self, request: UnfinishedRequest, size: int) -> None:
        """Note how many bytes a request has by now; 0: it is whole, or over."""
        before = self._sizes.get(request, 0)
        if size == before:
            return
        self._bytes += size - before
        if not size:
            del self._sizes[request]
            self._by_network.remove(request)
            return
        self._sizes[request] = size
        if not before:
            self._by_network.add(request, network_of(request.peer))
        while self._bytes > self._most:
            self._close(self._by_network.first_to_go())

    def _close(self, request: UnfinishedRequest | None) -> None:
        assert request is not None  # who holds bytes is there
        self.holds(request, 0)
        request.abort()
        self._closed += 1
        self._limit.hit()
        now = self._timers.now()
        if now - self._told >= _TOLD_EVERY_S:
            self._told = now
            self.log.warn(
                "unfinished requests of browsers are cut, {count} in all, the last of {address}: all together are larger"
                " than [web] unfinished_bytes",
                count=self._closed,
                address=request.peer,
            )
