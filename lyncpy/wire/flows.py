"""The table of living connections: sending by name, bounds, counts.

What is sent to a connection within one turn of the reactor leaves in one write. A client
that does not read is first not read from either, then dropped.
"""

import enum
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.flows import FlowFacts, FlowGone, IFlows, IRemoteFlows
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.tapping import Passage, PassageKind, Tap
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.sip.encoder import encode
from lyncpy.sip.headers import Origin
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared
from lyncpy.wire.connection_shares import ConnectionShares, ReadingSide
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.settings import Settings
from lyncpy.wire.unread_totals import OF_ALL, OF_ONE, UnreadTotals

Message = Request | Response | Prepared

Seal = Callable[[FlowName, Message], Message | None]
"""Signs what leaves, once the connection has an association; None holds the message back."""


def _unsealed(flow: FlowName, message: Message) -> Message | None:
    """Sign nothing: nobody can have signed in where there is no gate yet."""
    return message


FULL: Final = 65_536
"""Bytes waiting to leave above which a connection is full: what can be said later, and better, should be."""


class WritingSide(Protocol):
    """What a flow needs of its transport."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the socket."""

    def loseConnection(self) -> None:
        """Close when all is sent."""

    def abortConnection(self) -> None:
        """Close the connection at once."""

    def unregisterProducer(self) -> None:
        """Stop pausing and resuming the flow."""


class PauseReason(enum.Flag):
    """Why a connection is not read from."""

    NOTHING = 0
    HALL = enum.auto()
    """Too many of its requests wait for their answers."""
    OUTLET = enum.auto()
    """Its client does not read."""


@implementer(IPushProducer)
class Flow:
    """One connection: its queue of bytes to send, and its counts.

    To its transport it is the producer: it is told to pause when the client does not read.
    """

    __slots__ = (
        "_chunks",
        "_holds",
        "_inlet",
        "_is_blocked",
        "_outlet",
        "_owings",
        "_put_off",
        "bytes_in",
        "bytes_out",
        "closing",
        "cut",
        "flush_comes",
        "heard",
        "kept_back",
        "messages_in",
        "messages_out",
        "name",
        "origin",
        "owed",
        "peer",
        "security",
        "since",
        "unwritten",
    )

    def __init__(
        self,
        name: FlowName,
        origin: Origin,
        security: str,
        now: float,
        inlet: ReadingSide,
        outlet: WritingSide,
        owings: "UnreadTotals[Flow]",
    ) -> None:
        self.name = name
        self.origin = origin
        self.peer = origin.address
        self.security = security
        self.since = self.heard = now
        self.closing: str | None = None
        """Why it is being closed; nothing is sent or read any more."""
        self.cut: ITimer | None = None
        """Ends a connection that takes too long to close."""
        self.flush_comes = False
        """Whoever queues need not care for the flush."""
        self.kept_back = False
        """The seal holds back what is sent."""
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = 0
        self.unwritten = 0
        self.owed = 0
        """Bytes that a client which does not read has coming, those that its transport was given included."""
        self._owings = owings
        self._put_off = False  # whether somebody waits for room
        self._chunks: list[bytes] = []
        self._holds = PauseReason.NOTHING
        self._is_blocked = False  # the same as Hold.OUTLET; flags are slow to ask, and every message asks
        self._inlet = inlet
        self._outlet = outlet

    @property
    def inlet(self) -> ReadingSide:
        """The reading side of the connection."""
        return self._inlet

    def queue(self, data: bytes) -> None:
        """Keep bytes until the flush."""
        self._chunks.append(data)
        self.unwritten += len(data)
        if self._is_blocked:
            self._owings.add_bytes(self, len(data))

    def flush(self) -> None:
        """Write all that is queued at once, unless the transport is still busy with what it has."""
        if self._chunks and not self._is_blocked:
            self._write()
        if self._put_off:
            self._put_off = False
            if not self.is_full():
                self._inlet.drained()

    def close_when_sent(self) -> None:
        """Hand everything to the transport, and have it close when all is sent."""
        if self._chunks:
            self._write()
        self._outlet.unregisterProducer()
        self._outlet.loseConnection()

    def abort(self) -> None:
        """Close at once."""
        self._chunks.clear()
        self._outlet.abortConnection()

    def is_full(self) -> bool:
        """Tell whether enough bytes wait to leave; a caller that is told so hears `drained` when there is room again."""
        if self._is_blocked or self.kept_back or self.unwritten > FULL:
            self._put_off = True
            return True
        return False

    def pause_reading(self, why: PauseReason) -> None:
        """Add a reason not to read."""
        if not self._holds:
            self._inlet.pause()
        self._holds |= why

    def resume_reading(self, why: PauseReason) -> None:
        """Remove a reason not to read; read again if it was the last."""
        if self._holds:
            self._holds &= ~why
            if not self._holds:
                self._inlet.resume()

    @property
    def is_paused(self) -> bool:
        """Tell whether there is a reason not to read."""
        return bool(self._holds)

    def pauseProducing(self) -> None:
        """Stop sending: the transport has enough."""
        if not self._is_blocked:
            self._is_blocked = True
            self._owings.add_bytes(self, self.unwritten + FULL)
        self.pause_reading(PauseReason.OUTLET)

    def resumeProducing(self) -> None:
        """Write on: the transport has sent all that it had."""
        self._is_blocked = False
        self._owings.remove(self)
        self.resume_reading(PauseReason.OUTLET)
        self.flush()

    def stopProducing(self) -> None:
        """Do nothing: the stream is told that the transport is gone."""

    def facts(self) -> FlowFacts:
        """Give the facts of the connection, for operators."""
        return FlowFacts(
            name=self.name,
            peer=self.peer,
            security=self.security,
            since=self.since,
            heard=self.heard,
            messages_in=self.messages_in,
            messages_out=self.messages_out,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            unwritten_bytes=self.unwritten,
            held=self.is_paused,
        )

    def _write(self) -> None:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.bytes_out += len(data)
        # The transport may say within this that it has enough: then all of this is what it has.
        self._outlet.write(data)
        self.unwritten = 0


@implementer(IFlows)
class Flows:
    """Every connection of this process, from its first byte to its last.

    Args:
        node: The first half of every flow's name.
        soon: Calls back when the work under way has come to its end, as `at_turns_end` does.
        remote: Has the connections of other nodes.
        strangers_total: Connections on which nobody has signed in.
        strangers_per_address: The same, from one address.
    """

    log = Logger()

    def __init__(
        self,
        node: NodeName,
        settings: Settings,
        timers: ITimers,
        meter: IMeter,
        soon: Callable[[Callable[[], None]], object],
        remote: IRemoteFlows,
        *,
        strangers_total: int,
        strangers_per_address: int,
    ) -> None:
        self._node = node
        self._seal: Seal = _unsealed
        self._settings = settings
        self._timers = timers
        self.soon = soon
        self._remote = remote
        self._serials = count(1)
        self._flows: dict[FlowName, Flow] = {}
        self.places = ConnectionShares(
            settings, timers, meter, strangers_total=strangers_total, strangers_per_address=strangers_per_address
        )
        self.handshakes: Final = Handshakes(timers, meter)
        """Of the connections of all ports with TLS."""
        self._owings = UnreadTotals[Flow](settings)
        self.unflushed: list[Flow] = []  # for whom something was queued in this turn
        self.flush_comes = False  # whoever reads calls `flush` at the end
        self._emptied: list[Deferred[None]] = []
        self.tap: Tap | None = None
        """Is told of each message while somebody traces: who does not, pays for one look at this."""

        self._dropped = 0
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = 0
        meter.gauge("lyncpy_wire_unread_bytes", "Bytes for clients that do not read them.", lambda: self._owings.total)
        meter.total(
            "lyncpy_wire_dropped_connections_total", "Connections of clients that did not read.", lambda: self._dropped
        )
        meter.total(
            "lyncpy_wire_received_messages_total", "Messages received since the start.", lambda: self.messages_in
        )
        meter.total("lyncpy_wire_sent_messages_total", "Messages sent since the start.", lambda: self.messages_out)
        meter.total("lyncpy_wire_received_bytes_total", "Bytes received since the start.", lambda: self.bytes_in)
        meter.total("lyncpy_wire_sent_bytes_total", "Bytes sent since the start.", lambda: self.bytes_out)

    def seal_with(self, seal: Seal) -> None:
        """Set the seal, which signs each message from now on.

        Whoever seals has to know this wire, too: it closes connections, and sends again what it held back.
        """
        self._seal = seal

    # The promise.

    def send(self, flow: FlowName, message: Message) -> None:
        """Sign, encode and queue one message; all of a reactor turn leave in one write.

        Raises:
            FlowGone: Nothing was queued.
        """
        living = self._flows.get(flow)
        if living is None:
            self._remote.send(flow, message)
            return
        sealed = self._seal(flow, message)
        # Held back until the client has its new keys, it comes again by itself.
        living.kept_back = sealed is None
        if sealed is not None:
            self._queue(living, sealed.encoded() if isinstance(sealed, Prepared) else encode(sealed))

    def is_full(self, flow: FlowName) -> bool:
        """Tell whether enough waits to leave, so that what can be said later should be; False for unknown names."""
        living = self._flows.get(flow)
        return living.is_full() if living is not None else self._remote.is_full(flow)

    def send_raw(self, flow: FlowName, data: bytes) -> None:
        """Queue bytes that are already signed and encoded. Raises FlowGone."""
        living = self._flows.get(flow)
        if living is None:
            raise FlowGone(flow)
        self._queue(living, data)

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Close a connection after what is queued was written; unknown names are ignored."""
        living = self._flows.pop(flow, None)
        if living is None:
            self._remote.close_flow(flow, reason)
        else:
            living.closing = reason
            living.cut = self._timers.later(self._settings.close_s, living.abort)
            living.close_when_sent()

    def peer(self, flow: FlowName) -> str:
        """Give the remote address (no port), or "" when the flow is gone."""
        living = self._flows.get(flow)
        return living.peer if living is not None else ""

    def tap_with(self, tap: Tap | None) -> None:
        """Tell somebody of each message from now on; None: nobody."""
        self.tap = tap

    def names(self) -> tuple[FlowName, ...]:
        """Give the flows of this process."""
        return tuple(self._flows)

    def silent(self, since: float) -> Sequence[FlowName]:
        """Give the flows from which nothing has come since then; one that is not read from cannot be heard."""
        return [flow.name for flow in self._flows.values() if flow.heard < since and not flow.is_paused]

    def is_silent(self, flow: FlowName, since: float) -> bool:
        """Tell whether nothing has come from a connection since then; False when it is held, or unknown."""
        living = self._flows.get(flow)
        return living is not None and living.heard < since and not living.is_paused

    def pause_reading(self, flow: FlowName) -> None:
        """Read nothing more from a connection, hand over nothing that was read; unknown names are ignored."""
        if (living := self._flows.get(flow)) is not None:
            living.pause_reading(PauseReason.HALL)

    def resume_reading(self, flow: FlowName) -> None:
        """Go on reading, in a later turn; may be called though nothing is held."""
        if (living := self._flows.get(flow)) is not None:
            living.resume_reading(PauseReason.HALL)

    def vouch(self, flow: FlowName, known: bool) -> None:
        """Note that somebody has signed in on a connection, or may not any more; unknown names are ignored."""
        living = self._flows.get(flow)
        if living is None:
            return
        if known:
            self.places.vouched(living.inlet)
        else:
            self.places.doubted(living.inlet)
        living.inlet.trust(known=known)

    # For the shell.

    def facts(self) -> tuple[FlowFacts, ...]:
        """Give every living connection, oldest first."""
        return tuple(flow.facts() for flow in self._flows.values())

    # For the streams.

    def abort(self, flow: FlowName, reason: str) -> None:
        """Close a connection at once; what is unsent is lost. Unknown names are ignored."""
        living = self._flows.pop(flow, None)
        if living is not None:
            living.closing = reason
            living.abort()

    def ready(self, inlet: ReadingSide, outlet: WritingSide, security: str, port: int) -> Flow:
        """Give a name to a connection that can be used."""
        serial = next(self._serials)
        name = FlowName(f"{self._node}/{serial}")
        # As others write it: a hexadecimal number, its last two digits 0.
        origin = Origin(inlet.peer, port, f"{serial << 8:X}")
        flow = Flow(name, origin, security, self._timers.now(), inlet, outlet, self._owings)
        self._flows[name] = flow
        return flow

    def remove(self, flow: Flow) -> None:
        """Remove a flow that cannot be used any more; its name means nothing from now on."""
        self._flows.pop(flow.name, None)
        self._owings.remove(flow)
        if flow.cut is not None:
            flow.cut.cancel()

    def connection_ended(self, inlet: ReadingSide) -> None:
        """Stop counting a connection that is over."""
        self.places.connection_ended(inlet)
        if not self.places:
            waiting, self._emptied = self._emptied, []
            for deferred in waiting:
                deferred.callback(None)

    # For the listener.

    async def close_all(self, reason: str) -> None:
        """Close every connection and wait until the last is gone; `close_s` bounds the wait."""
        for inlet in self.places.all_connections():
            inlet.disconnect(reason)
        if self.places:
            deferred: Deferred[None] = Deferred()
            self._emptied.append(deferred)
            await deferred

    # How it is done.

    def _queue(self, flow: Flow, data: bytes) -> None:
        # One message always has room: a client that reads is not dropped for a long contact list.
        size = len(data)
        if flow.unwritten and flow.unwritten + size > self._settings.unwritten_bytes:
            self._drop(flow, flow.unwritten, OF_ONE)
            raise FlowGone(flow.name)
        flow.queue(data)
        if self.tap is not None:
            at, ends = PassageKind.MESSAGE, ((flow.peer, flow.origin.port), flow.inlet.here)
            self.tap(Passage(at, flow.name, *ends, is_inward=False, data=data))
        flow.messages_out += 1
        self.messages_out += 1
        self.bytes_out += size
        if self._owings.total:
            while self._owings.total > self._settings.unwritten_total_bytes:
                self._drop_largest()
            if flow.closing is not None:
                raise FlowGone(flow.name)
        if not flow.flush_comes:
            flow.flush_comes = True
            self.unflushed.append(flow)
            if not self.flush_comes and len(self.unflushed) == 1:
                self.soon(self.flush)

    def flush(self) -> None:
        """Write what was queued for any connection in this turn."""
        unflushed, self.unflushed = self.unflushed, []
        for flow in unflushed:
            flow.flush_comes = False
            if flow.closing is None:
                flow.flush()

    def _drop_largest(self) -> None:
        """Drop the client for which most waits, when too much waits for all that do not read."""
        largest = self._owings.largest()
        if largest is not None:
            self._drop(largest, largest.owed, OF_ALL)

    def _drop(self, flow: Flow, count: int, bound: str) -> None:
        """Close a client that does not read: its queue would grow without end."""
        self._flows.pop(flow.name, None)
        self._owings.remove(flow)
        self._dropped += 1
        self._owings.overflowed(bound)
        flow.closing = "the client does not read"
        self.log.warn(
            "{flow} from {address} dropped: its client left {count} bytes unread ([sip] {bound})",
            flow=flow.name,
            address=flow.peer,
            count=count,
            bound=bound,
        )
        flow.abort()
