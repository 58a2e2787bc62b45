"""What the settings say of the site's ports and of each connection."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.listening import ListeningPlace


class HttpBounds(Protocol):
    """The settings of the listener, and the bounds of one connection."""

    @property
    def places(self) -> Sequence[ListeningPlace]:
        """Where browsers are awaited."""

    @property
    def line_bytes(self) -> int:
        """The longest line of a head."""

    @property
    def head_bytes(self) -> int:
        """The most bytes of a head."""

    @property
    def headers(self) -> int:
        """The most lines of a head."""

    @property
    def body_bytes(self) -> int:
        """The largest body."""

    @property
    def unfinished_bytes(self) -> int:
        """The most bytes of all requests that are not whole yet."""

    @property
    def connections(self) -> int:
        """Connections at once."""

    @property
    def connections_per_address(self) -> int:
        """Connections at once from one address."""

    @property
    def request_s(self) -> int:
        """Seconds for a request to be there."""

    @property
    def answer_s(self) -> int:
        """Seconds that an answer may take."""

    @property
    def idle_s(self) -> int:
        """Seconds that a connection may wait for its next request."""

    @property
    def close_s(self) -> int:
        """Seconds that closing a connection may take."""


def place_limits(
    bounds: HttpBounds, streams: Collection[object], addresses: Mapping[str, int], connections: Callable[[], float]
) -> Mapping[str, Limit]:
    """Give the bounds on connections, by what they are of."""
    of_one = bounds.connections_per_address
    return {
        "total": Limit("web.connections", connections, lambda: len(streams)),
        "address": Limit("web.connections_per_address", of_one, lambda: max(addresses.values(), default=0)),
    }
