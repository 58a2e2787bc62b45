"""One connection's reading side: bytes → messages → the request pipeline, with time limits and bounds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IConsumer, IHandshakeListener, IPushProducer, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.flows import ISink
from lyncpy.contracts.networks import Relays
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.turns import TALK
from lyncpy.sip.decoder import Decoder, DecoderLimits, Garbled, Item, Ping
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.interned import interned
from lyncpy.sip.message import Request
from lyncpy.wire.flows import Flow, Flows, WritingSide
from lyncpy.wire.proxy import ProxyHeader, read_preamble
from lyncpy.wire.settings import Settings
from lyncpy.wire.tapping import closed, opened, received
from lyncpy.wire.tls import TlsConnection, TlsFailed

AT_ONCE: Final = 8
"""Messages of one connection that are handed over in one turn of the reactor: whoever sends many at once waits behind
those who send one. A record of TLS may have a hundred."""

_PROXY_WORD: Final = b"PROXY "


@implementer(IHandshakeListener)
class SipStream(Protocol):
    """A client's connection, from its acceptance to its end.

    It becomes a flow, with a name, once the TLS handshake is done (at once without TLS).
    Messages are handed over in the order they came, each from this turn of the reactor,
    unless the request pipeline holds the flow; then the rest waits here and nothing more is read.
    """

    log = Logger()

    def __init__(self, factory: "SipFactory", peer: str, port: int, *, is_relayed: bool) -> None:
        self.peer = peer
        self._port = port
        self.is_relayed = is_relayed
        self.preamble = ProxyHeader() if is_relayed and factory.relays.send_proxy else None
        """A relay's PROXY header, until it is whole; where there is TLS, its transport reads it."""
        self._factory = factory
        self._flows = factory.flows
        self._timers = factory.timers
        self._settings = factory.settings
        self._decoder = Decoder(factory.stranger_limits)
        self._is_stranger = True
        self._left: list[Item] = []
        """What was read but not handed over, while the flow is held."""
        self._flow: Flow | None = None
        self._first_word = b""
        self._paused = False
        self._timer: ITimer | None = None
        self._tls: TlsConnection | None = None

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Count the connection; without TLS it is a flow at once."""
        self._flows.places.entered(self)
        if self._factory.secure or self.preamble is not None:
            self._timer = self._timers.later(self._settings.handshake_s, self._on_slow_handshake)
        else:
            self._become_ready("")

    def handshakeCompleted(self) -> None:
        """Name the flow, which is ready now with TLS."""
        tls = self.transport
        self._tls = tls if isinstance(tls, TlsConnection) else None
        self._become_ready("TLS" if self._tls is None else interned(self._tls.security))

    def relayed(self, address: str, port: int) -> bool:
        """Note the client that a relay names ("": the relay itself); False: that address has no room."""
        self.preamble = None
        if not address:
            return True
        self._port = port
        return self._flows.places.move_to(self, address)

    def dataReceived(self, data: bytes) -> None:
        """Decode bytes, and hand over the messages that are whole."""
        if self.preamble is not None and not self._factory.secure:
            rest = read_preamble(self, self.preamble, data, self._outlet.abortConnection)
            if rest is None:
                return
            self._become_ready("")
            data = rest
            if not data:
                return
        flow = self._flow
        if flow is None or flow.closing is not None:
            return
        flow.heard = self._timers.now()
        flow.bytes_in += len(data)
        self._flows.bytes_in += len(data)
        items, self._left = self._left, []
        if self._is_stranger and not flow.messages_in and not self._first_word:
            self._first_word = data[: len(_PROXY_WORD)]
        try:  # noqa: SIM105 - whatever comes passes here, and a context manager costs more than the rest of this method
            items += self._decoder.feed(data)
        except RemoteProtocolError:
            pass  # `_hand_over` asks for it when all that came before was handed over
        if self._is_stranger:
            self._flows.places.holds(self, self._decoder.buffered)
        self._hand_over(flow, items)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 - Twisted's signature
        """Stop counting the connection and tell the request pipeline."""
        self._stop_timer()
        self._left.clear()
        flow, self._flow = self._flow, None
        if flow is None:
            self._say_why_it_failed(reason)
        else:
            self._flows.remove(flow)
            flow.closing = flow.closing or _words(reason)
            self.log.debug(
                "{flow} from {address} closed: {reason}", flow=flow.name, address=self.peer, reason=flow.closing
            )
            if self._flows.tap is not None:
                self._flows.tap(closed(flow, flow.closing))
            self._tell(flow, self._factory.sink.closed, flow.closing)
        self._flows.connection_ended(self)

    # What the flow calls.

    @property
    def here(self) -> tuple[str, int]:
        """Give address and port of this end."""
        host = cast(ITransport, self.transport).getHost()
        return str(getattr(host, "host", "")).removeprefix("::ffff:"), int(getattr(host, "port", 0))

    def pause(self) -> None:
        """Read nothing, hand over nothing."""
        self._paused = True
        self._producer.pauseProducing()

    def resume(self) -> None:
        """Read again, in a later turn: the caller is in the middle of its own work."""
        self._flows.soon(self._go_on)

    def drained(self) -> None:
        """Tell the request pipeline that the flow has room again."""
        if self._flow is not None:
            self._tell(self._flow, self._factory.sink.drained)

    def disconnect(self, reason: str) -> None:
        """Close; at once if the connection is not ready."""
        if self._flow is not None:
            self._flows.close_flow(self._flow.name, reason)
        else:
            self._outlet.abortConnection()

    def abort(self, reason: str) -> None:
        """Close the connection at once; unsent bytes are lost."""
        self.log.debug("{address} cut: {reason}", address=self.peer, reason=reason)
        if self._flow is not None:
            self._flows.abort(self._flow.name, reason)
        else:
            self._outlet.abortConnection()

    def trust(self, *, known: bool) -> None:
        """Note that somebody has signed in on it, or may not any more: the bound on a message changes."""
        self._is_stranger = not known
        self._decoder.bound(self._factory.limits if known else self._factory.stranger_limits)

    # How it is done.

    def malformed(self, reason: str) -> None:
        """Log that a relay's header is malformed: an operator has to know."""
        self.log.warn(
            "connection from relay {address} cut: {reason} ([sip] relays, relays_send_proxy)",
            address=self.peer,
            reason=reason,
        )
        self._outlet.abortConnection()

    def _become_ready(self, security: str) -> None:
        self._stop_timer()
        flow = self._flow = self._flows.ready(self, self._outlet, security, self._port)
        cast(IConsumer, self.transport).registerProducer(flow, streaming=True)
        self._timer = self._timers.later(self._settings.idle_s, self._look_at_the_clock)
        self.log.debug(
            "{flow} from {address} opened, {security}", flow=flow.name, address=self.peer, security=security or "TCP"
        )
        if self._flows.tap is not None:
            self._flows.tap(opened(flow))
        self._tell(flow, self._factory.sink.opened, self.peer, self._factory.secure)

    def _hand_over(self, flow: Flow, items: list[Item]) -> None:
        """Hand the decoded messages to the request pipeline; all that it sends at once leaves at the end, one write to each."""
        others_flush, flow.flush_comes = flow.flush_comes, True
        within, self._flows.flush_comes = self._flows.flush_comes, True
        if len(items) > AT_ONCE:  # a record may have thousands of keep-alives, which are no work
            items = [item for item in items if not isinstance(item, Ping)]
        for position, item in enumerate(items):
            if self._paused or position == AT_ONCE:
                self._left = items[position:]
                break
            if flow.closing is not None:
                break
            self._give(flow, item)
        if self._left and not self._paused:
            self.pause()
            self.resume()  # in a later turn
        flow.flush_comes = others_flush
        if flow.closing is None:
            lost = self._decoder.lost
            if lost is not None and not self._left:
                self._give_up(flow, lost)
            else:
                flow.flush()
        self._flows.flush_comes = within
        # What is for others leaves now, too: at the end of the turn it would wait for all who are read after this one.
        if not within and self._flows.unflushed:
            self._flows.flush()

    def _give(self, flow: Flow, item: Item) -> None:
        if isinstance(item, Ping):
            return
        tap = self._flows.tap
        if tap is not None:
            tap(received(flow, item))
        flow.messages_in += 1
        self._flows.messages_in += 1
        if isinstance(item, Garbled):
            self.log.debug("{flow} sent what cannot be read: {reason}", flow=flow.name, reason=item.reason)
            if item.request is not None:
                item.request.mark(flow.origin)
            self._tell(flow, self._factory.sink.garbled, item.request, item.status, item.reason)
        else:
            talks = True
            if isinstance(item, Request):
                item.mark(flow.origin)
                talks = item.method in TALK
            if self._tls is not None:
                self._tls.talks = talks and not self._is_stranger
            try:
                self._factory.sink.arrived(flow.name, item)
            except Exception:  # noqa: BLE001 - as in `_tell`, which costs each message a call
                self._failed_to_hear(flow)

    def _tell(self, flow: Flow, hear: Callable[..., None], *what: object) -> None:
        try:
            hear(flow.name, *what)
        except Exception:  # noqa: BLE001 - one message that meets a bug must not take its connection with it
            self._failed_to_hear(flow)

    def _failed_to_hear(self, flow: Flow) -> None:
        self.log.failure("{flow}: the hall failed to hear", flow=flow.name)

    def _say_why_it_failed(self, reason: Failure) -> None:
        """Log why TLS refused a client; a client that only connects and leaves is not logged."""
        if isinstance(reason.value, TlsFailed):
            self.log.info("{address} turned away: {reason}", address=self.peer, reason=reason.value.reason)
        else:
            self.log.debug("{address} left before its connection was ready", address=self.peer)

    def _give_up(self, flow: Flow, lost: RemoteProtocolError) -> None:
        """Close: nobody can tell where the next message begins.

        A message that could be answered has been. What is no SIP gets a line that a
        human at the other end may read.
        """
        hint = "" if self._first_word != _PROXY_WORD else "; a PROXY header is taken from [sip] relays alone"
        self.log.info(
            "{flow} from {address} closed: {reason}{hint}",
            flow=flow.name,
            address=self.peer,
            reason=lost.reason,
            hint=hint,
        )
        if not flow.messages_in:
            self._flows.send_raw(flow.name, f"SIP/2.0 400 {lost.reason}\r\nContent-Length: 0\r\n\r\n".encode())
        self._flows.close_flow(flow.name, lost.reason)

    def _go_on(self) -> None:
        flow = self._flow
        if flow is None or flow.closing is not None or flow.is_paused or not self._paused:
            return
        self._paused = False
        items, self._left = self._left, []
        self._hand_over(flow, items)
        if not self._paused:
            self._producer.resumeProducing()

    def _on_slow_handshake(self) -> None:
        self.log.info("connection from {address} cut: its TLS handshake takes too long", address=self.peer)
        self._flows.places.too_late("sip.handshake_s")
        self._outlet.abortConnection()

    def _look_at_the_clock(self) -> None:
        """Check the time limits; the one timer is set anew when it fires and not at every message."""
        flow = self._flow
        if flow is None:
            return
        left = flow.heard + self._settings.idle_s - self._timers.now()
        if left > 0:
            self._timer = self._timers.later(left, self._look_at_the_clock)
        else:
            self._flows.places.too_late("sip.idle_s")
            self._flows.close_flow(flow.name, "silent for too long")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _outlet(self) -> WritingSide:
        return cast(WritingSide, self.transport)

    @property
    def _producer(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)


class SipFactory(Factory):
    """Makes a protocol for every connection within the bounds.

    Args:
        flows: The table of connections.
        sink: Receives the messages.
        settings: The section [sip].
        timers: The deadlines.
        secure: Whether the transport does TLS.
    """

    noisy = False

    def __init__(self, flows: Flows, sink: ISink, settings: Settings, timers: ITimers, *, secure: bool) -> None:
        self.flows = flows
        self.sink = sink
        self.settings = settings
        self.timers = timers
        self.secure = secure
        self.limits = DecoderLimits(
            line_bytes=settings.line_bytes,
            head_bytes=settings.head_bytes,
            headers=settings.headers,
            body_bytes=settings.body_bytes,
        )
        self.stranger_limits = replace(self.limits, body_bytes=min(settings.stranger_body_bytes, settings.body_bytes))
        self.relays = Relays(settings.relays, send_proxy=settings.relays_send_proxy)

    def buildProtocol(self, addr: IAddress | None) -> SipStream | None:
        """Give a stream, or None to have the connection closed."""
        # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
        peer = str(getattr(addr, "host", "")).removeprefix("::ffff:")
        is_relayed = peer in self.relays
        if not self.flows.places.admits(peer, is_relayed=is_relayed):
            return None
        return SipStream(self, peer, int(getattr(addr, "port", 0)), is_relayed=is_relayed)


def _words(reason: Failure) -> str:
    """Say why a connection ended."""
    if isinstance(reason.value, TlsFailed):
        return reason.value.reason
    return "closed by the client" if reason.check(ConnectionDone) else "connection lost"
