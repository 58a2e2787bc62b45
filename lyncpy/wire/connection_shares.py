"""The bounds on connections, each counted from its acceptance to its end; strangers have bounds of their own.

A stranger is a connection on which nobody has signed in: in the TLS handshake, silent, or
asking. Whoever comes is let in and the oldest stranger makes room (`contracts/strangers.py`);
a connection is refused only where nobody is left to make room. From where users have signed in
before, as many may come as there may be connections of one address: a whole company comes back at
once when its network does. What strangers have sent of
messages that are not whole is bounded for all of them together.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.strangers import Strangers
from lyncpy.contracts.timers import ITimers
from lyncpy.wire.memory import MemoryTrimmer
from lyncpy.wire.settings import Settings

KNOWN_NETWORKS: Final = 65_536
"""Networks from which somebody has signed in; some 8 MB when full."""

COMING_AT_ONCE: Final = 250
"""Connections from known networks on which nobody has signed in yet, above which others are accepted slowly: so many
sign in within five seconds, long before any of them loses patience."""

CONNECTIONS: Final = "sip.connections"
OF_ADDRESS: Final = "sip.connections_per_address"

MADE_ROOM: Final = "makes room: nobody has signed in on it, and others want to"


class ReadingSide(Protocol):
    """The reading side of a connection."""

    peer: str

    is_relayed: bool
    """It comes through a relay, whose own address says nothing about its user."""

    def __hash__(self) -> int: ...

    @property
    def here(self) -> tuple[str, int]:
        """Give address and port of this end."""

    def pause(self) -> None:
        """Read nothing, hand over nothing."""

    def resume(self) -> None:
        """Read again."""

    def disconnect(self, reason: str) -> None:
        """Close; at once if the connection was not ready."""

    def abort(self, reason: str) -> None:
        """Close the connection at once; unsent bytes are lost."""

    def trust(self, *, known: bool) -> None:
        """Note that somebody has signed in on it, or may not any more: the bound on a message changes."""

    def drained(self) -> None:
        """Tell that a flow which was full is not any more."""


class ConnectionShares:
    """Every connection of the SIP listeners.

    Args:
        settings: The bounds of all connections.
        timers: The clock of complaints.
        meter: Counts.
        strangers_total: Connections on which nobody has signed in.
        strangers_per_address: The same, from one address.
    """

    log = Logger()

    def __init__(
        self, settings: Settings, timers: ITimers, meter: IMeter, *, strangers_total: int, strangers_per_address: int
    ) -> None:
        self._settings = settings
        self._timers = timers
        self.connections = settings.connections
        """How many there may be; fewer than the setting says where the system allows fewer open files."""

        self._strangers_total = strangers_total
        self._strangers_per_address = strangers_per_address
        self._memory = MemoryTrimmer(timers.later)
        self._inlets: set[ReadingSide] = set()
        self._addresses: Counter[str] = Counter()
        self._strangers: Strangers[ReadingSide] = Strangers(remembered=KNOWN_NETWORKS)
        self._buffers: OrderedDict[ReadingSide, int] = OrderedDict()
        """Strangers with a message that is not whole, the oldest first → its bytes so far."""

        self._buffered = 0
        self._limits = {one.name: one for one in self._bounds()}
        self._refused, self._made_room = Complaint(timers), Complaint(timers)
        meter.gauge("lyncpy_wire_connections_count", "Connections, ready or not.", lambda: len(self._inlets))
        meter.total(
            "lyncpy_wire_refused_connections_total", "Connections refused at a bound.", lambda: self._refused.total
        )
        meter.gauge(
            "lyncpy_wire_strangers_count", "Connections on which nobody has signed in.", lambda: len(self._strangers)
        )
        meter.gauge("lyncpy_wire_strangers_bytes", "Bytes of strangers' unfinished messages.", lambda: self._buffered)
        meter.total(
            "lyncpy_wire_made_room_connections_total",
            "Strangers that made room for others.",
            lambda: self._made_room.total,
        )

    def _bounds(self) -> Iterator[Limit]:
        settings, strangers = self._settings, self._strangers
        yield Limit(CONNECTIONS, lambda: self.connections, lambda: len(self._inlets))
        yield Limit(OF_ADDRESS, settings.connections_per_address, lambda: max(self._addresses.values(), default=0))
        yield Limit("limits.unauthenticated_total", self._strangers_total, lambda: len(strangers))
        yield Limit("limits.unauthenticated_per_address", self._strangers_per_address, lambda: strangers.crowd)
        yield Limit("sip.handshake_s", settings.handshake_s)
        yield Limit("sip.idle_s", settings.idle_s)
        yield Limit("sip.strangers_bytes", settings.strangers_bytes, lambda: self._buffered)

    def __len__(self) -> int:
        return len(self._inlets)

    def all_connections(self) -> tuple[ReadingSide, ...]:
        """Give all connections, in no order."""
        return tuple(self._inlets)

    def is_busy(self) -> bool:
        """Tell whether so many are on their way in from known networks that others had better wait in the kernel.

        Strangers from elsewhere do not count: a flood of them must not keep users out.
        """
        return self._strangers.friends >= COMING_AT_ONCE

    def know(self, address: str) -> None:
        """Remember that users sign in from this address: what bounds strangers of one address does not bind them."""
        self._strangers.know(address)

    def admits(self, peer: str, *, is_relayed: bool) -> bool:
        """Make room for one more connection from an address; False: no stranger is left that could be closed.

        A relay's address is not counted: it is that of everybody.
        """
        bound = "" if is_relayed else self._room_at(peer)
        if not bound and len(self._inlets) >= self.connections:
            self._limits[CONNECTIONS].hit()
            bound = "" if self._make_room(self._strangers.first_to_go()) else "[sip] connections"
        if bound:
            self._complain(peer, bound)
        return not bound

    def entered(self, inlet: ReadingSide) -> None:
        """Count a connection that was accepted, as a stranger's."""
        self._inlets.add(inlet)
        self._memory.counted(len(self._inlets))
        if inlet.is_relayed:
            self._strangers.know(inlet.peer)
        else:
            self._addresses[network_of(inlet.peer)] += 1
        self._strangers.add(inlet, inlet.peer)
        self._bound_strangers(inlet)

    def move_to(self, inlet: ReadingSide, peer: str) -> bool:
        """Count a relayed connection for the client that its relay names; False: that address has no room."""
        bound = self._room_at(peer)
        if bound:
            self._complain(peer, bound)
            return False
        inlet.peer, inlet.is_relayed = peer, False
        self._addresses[network_of(peer)] += 1
        self._strangers.add(inlet, peer)
        self._bound_strangers(inlet)
        return True

    def vouched(self, inlet: ReadingSide) -> None:
        """Note that somebody has signed in on a connection: it is not closed for others any more."""
        self._strangers.remove(inlet)
        self._forget_buffer(inlet)
        if not inlet.is_relayed:
            self._strangers.know(inlet.peer)

    def doubted(self, inlet: ReadingSide) -> None:
        """Note that the user of a connection may not be signed in any more: it is a stranger again."""
        if inlet in self._inlets:
            self._strangers.add(inlet, inlet.peer)

    def too_late(self, bound: str) -> None:
        """Count a connection that is closed because a time has run out."""
        self._limits[bound].hit()

    def is_stranger(self, inlet: ReadingSide) -> bool:
        """Tell whether nobody has signed in on a connection."""
        return inlet in self._strangers

    def holds(self, inlet: ReadingSide, size_bytes: int) -> None:
        """Count the bytes of a stranger's unfinished message; of too many, the oldest connections are closed."""
        before = self._buffers.get(inlet, 0)
        if size_bytes == before:
            return
        if not size_bytes:
            self._forget_buffer(inlet)
            return
        self._buffers[inlet] = size_bytes
        self._buffered += size_bytes - before
        while self._buffered > self._settings.strangers_bytes and self._buffers:
            self._limits["sip.strangers_bytes"].hit()
            self._make_room(next(iter(self._buffers)))

    def connection_ended(self, inlet: ReadingSide) -> None:
        """Stop counting a connection that is over."""
        self._forget_buffer(inlet)
        self._strangers.remove(inlet)
        if inlet not in self._inlets:
            return
        self._inlets.discard(inlet)
        self._memory.counted(len(self._inlets))
        if not inlet.is_relayed:
            network = network_of(inlet.peer)
            self._addresses[network] -= 1
            if not self._addresses[network]:
                del self._addresses[network]

    # --- inside

    def _room_at(self, peer: str) -> str:
        """Make room among the connections of one address; give the setting that forbids it, or ""."""
        if self._addresses[network_of(peer)] < self._settings.connections_per_address:
            return ""
        self._limits[OF_ADDRESS].hit()
        return "" if self._make_room(self._strangers.eldest(peer)) else "[sip] connections_per_address"

    def _bound_strangers(self, inlet: ReadingSide) -> None:
        if not inlet.is_relayed and self._strangers.count_unknown(inlet.peer) > self._strangers_per_address:
            self._limits["limits.unauthenticated_per_address"].hit()
            self._make_room(self._strangers.eldest(inlet.peer))
        # A bound of strangers that is not below that of all would leave no reserve to those who are known.
        if len(self._strangers) > min(self._strangers_total, max(1, self.connections * 3 // 4)):
            self._limits["limits.unauthenticated_total"].hit()
            self._make_room(self._strangers.first_to_go())

    def _make_room(self, stranger: ReadingSide | None) -> bool:
        if stranger is None:
            return False
        # Its place is free at once; its socket in the next turn.
        self.connection_ended(stranger)
        stranger.abort(MADE_ROOM)
        if self._made_room.happened():
            self.log.warn(
                "strangers make room for others: {address} was cut, {count} connections in all ({bound})",
                address=stranger.peer,
                count=self._made_room.total,
                bound="[limits] unauthenticated_total, unauthenticated_per_address, [sip] connections, strangers_bytes",
            )
        return True

    def _complain(self, peer: str, bound: str) -> None:
        if count := self._refused.happened():
            self.log.warn(
                "connection from {address} refused, {count} since the last such line: {bound} is reached",
                address=peer,
                count=count,
                bound=bound,
            )

    def _forget_buffer(self, inlet: ReadingSide) -> None:
        self._buffered -= self._buffers.pop(inlet, 0)
