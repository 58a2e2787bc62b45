"""One connection to any server of a NATS cluster, kept up: made again elsewhere when it is lost, with what was subscribed.

Nothing waits for it. What is published while there is none is lost, and whoever published is told so.
"""

import secrets
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IHandshakeListener, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.nats import frames
from lyncpy.backends.nats.address import BusAddress, Place, bus_of, place_of
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import Credentials, NkeyUnusable, read_nkey
from lyncpy.backends.nats.frames import Delivery
from lyncpy.backends.nats.session import (
    BecomeReady,
    Close,
    Deliver,
    Effect,
    NoteAnswered,
    NoteCluster,
    NoteComplaint,
    Send,
    Session,
    SessionTerms,
    StartTls,
)
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.timers import ITimer, ITimers

CONNECT_S: Final = 5.0
"""From the first packet until a server has taken us; then another one is tried."""

PAUSE_S: Final = 0.1
PAUSE_MOST_S: Final = 5.0
"""Between two tries of all servers: twice as long each time, and by chance up to half of it less, lest all come back at once."""

PROBE_S: Final = 10.0
"""From one PING to the next; a server that answers none is left after three times as long."""

COMPLAINTS_S: Final = 60.0
"""Between two lines in the log about what a server refuses."""

CLOSE_S: Final = 2.0
"""That the last words may take to leave."""

Hear = Callable[[Delivery], None]


class NatsLink:
    """Publishes and subscribes, over whichever server answers.

    Args:
        node: This process, as the operator of the NATS servers sees it.
        settings: The section [bus].
        home: The folder that relative paths start from.
        reactor: Connects.
        timers: When to try again, and to ask whether a server is there.
        on_ready: Called when messages can be published again.
        on_lost: Called when they cannot any more.
    """

    log = Logger()

    def __init__(
        self,
        node: NodeName,
        settings: Settings,
        home: Path,
        reactor: Any,  # Any: a reactor is several interfaces
        timers: ITimers,
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._node = node
        self._settings = settings
        self._address: BusAddress = bus_of(settings.url)
        self._home = home
        self._reactor = reactor
        self._timers = timers
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._numbers = count(1)
        self._subscribed: dict[int, tuple[str, Hear]] = {}
        self._cluster: tuple[Place, ...] = ()
        """What a server has said of its cluster."""

        self._to_try: list[Place] = []
        self._pause_s = PAUSE_S
        self._wire: _Wire | None = None
        self._timer: ITimer | None = None
        self._closed: Deferred[None] | None = None
        self._is_closing = False
        self._first_tries: Deferred[None] | None = Deferred()
        self._server = ""
        self._trouble = "it was not tried yet"
        self._lost_at = timers.now()
        self._asked_at = 0.0
        self._complained_at = float("-inf")
        self._payload_most = 0
        self.refused = ""
        """What the server that has us has refused last."""

        self.round_trip_s = 0.0
        """From the last PING to its PONG."""

        self.connections = 0
        """How often a server has taken us."""

    # --- what it is for

    @property
    def is_ready(self) -> bool:
        """Whether what is published goes anywhere."""
        return self._wire is not None and self._wire.session.is_ready

    @property
    def server(self) -> str:
        """HOST:PORT of the server that has us; "" when none has."""
        return self._server if self.is_ready else ""

    @property
    def known(self) -> Sequence[Place]:
        """Give the servers that may be tried: those of the url, and those that one of them has told."""
        return tuple(dict.fromkeys((*self._address.places, *self._cluster)))

    @property
    def trouble(self) -> str:
        """Why no server has us; "" when one has."""
        return "" if self.is_ready else self._trouble

    def publish(self, subject: str, payload: bytes, reply: str = "") -> bool:
        """Publish a message; False: it is lost, for no server has us, or this one does not take it."""
        wire = self._wire
        if wire is None or not wire.session.is_ready or not wire.has_room(len(payload)):
            return False
        # It would end the connection for a larger one.
        if len(payload) > self._payload_most:
            return False
        wire.send(frames.publish(subject, payload, reply))
        return True

    def subscribe(self, pattern: str, hear: Hear) -> int:
        """Have `hear` called with every message that a pattern matches, from now on; it never fails. Give its number."""
        number = next(self._numbers)
        self._subscribed[number] = (pattern, hear)
        if self._wire is not None and self._wire.session.is_ready:
            self._wire.send(frames.subscribe(pattern, number))
        return number

    def unsubscribe(self, number: int) -> None:
        """Hear no more."""
        del self._subscribed[number]
        if self._wire is not None and self._wire.session.is_ready:
            self._wire.send(frames.unsubscribe(number))

    # --- its life

    async def open(self) -> None:
        """Connect; this ends when a server has taken us, or each was tried once in vain: then it goes on by itself."""
        tried = self._first_tries
        assert tried is not None
        self._try_next()
        await tried

    async def close(self) -> None:
        """Say what is still to be said, within a bound, and disconnect."""
        self._is_closing = True
        self._clear_timer()
        first, self._first_tries = self._first_tries, None
        if first is not None and not first.called:
            first.callback(None)
        if self._wire is None:
            return
        self._closed = Deferred()
        wire = self._wire
        late = self._timers.later(CLOSE_S, wire.abort)
        wire.leave()
        await self._closed
        late.cancel()

    # --- connecting

    def _try_next(self) -> None:
        """Try the next server, or all of them again after a pause."""
        if not self._to_try:
            self._to_try = secrets.SystemRandom().sample(self.known, len(self.known))
        place = self._to_try.pop()
        try:
            terms, tls = self._terms(place), self._tls(place)
        except (NkeyUnusable, AuthoritiesUnusable, OSError, UnicodeDecodeError) as error:
            self._failed(place, str(error))
            return
        wire = _Wire(self, place, Session(terms), tls, self._settings.pending_bytes)
        factory = Factory.forProtocol(lambda: wire)
        factory.noisy = False
        self._wire = wire
        self._arm(CONNECT_S, lambda: self._late(wire))
        wire.connecting = HostnameEndpoint(self._reactor, place.host, place.port, timeout=CONNECT_S).connect(factory)
        _ = wire.connecting.addErrback(lambda why: self.lost(wire, why.getErrorMessage() or repr(why.value)))

    def _terms(self, place: Place) -> SessionTerms:
        settings = self._settings
        needs_tls = self._address.needs_tls(place)
        nkey, password = None, ""
        if settings.nkey_file:
            nkey = read_nkey(_secret(self._home / settings.nkey_file))
        if settings.password_file:
            password = _secret(self._home / settings.password_file)
        credentials = Credentials(self._address.user, password, nkey)
        return SessionTerms(f"lyncpy {self._node}", credentials, needs_tls, self._address.tls == "first")

    def _tls(self, place: Place) -> CheckedServer:
        settings = self._settings
        authorities = self._home / settings.ca_file if settings.ca_file else None
        # A cluster tells addresses of its servers, and their certificates have names: those that the operator has named.
        told = place not in self._address.places and not place.is_named
        named = [one.host for one in self._address.places if one.is_named] if told else []
        return CheckedServer((named or [place.host])[0], authorities)

    def _late(self, wire: "_Wire") -> None:
        wire.reason = wire.reason or f"it has not taken us within {CONNECT_S:.0f} s"
        wire.abort()

    def _failed(self, place: Place, reason: str) -> None:
        """Try elsewhere, at once where there is another server, else after a pause."""
        self._trouble = f"{place}: {reason}"
        if self._is_closing:
            return
        if self._to_try:
            self._arm(0.0, self._try_next)
            return
        self._tried()
        pause_s, self._pause_s = self._pause_s, min(PAUSE_MOST_S, self._pause_s * 2)
        self._arm(pause_s * (1 - secrets.randbelow(500) / 1000), self._try_next)

    def _tried(self) -> None:
        first, self._first_tries = self._first_tries, None
        if first is None:
            return
        if not self.is_ready:
            self.log.error(
                "[bus] url: no NATS server takes this one: {reason}; it is tried again", reason=self._trouble
            )
        first.callback(None)

    # --- what a wire says

    def ready(self, wire: "_Wire", info: frames.ServerInfo) -> None:
        """Go on with what was subscribed."""
        if self._is_closing:
            return
        self._server, self._pause_s = str(wire.place), PAUSE_S
        self.connections += 1
        self._payload_most = info.max_payload
        self.refused = ""
        for number, (pattern, _) in self._subscribed.items():
            wire.send(frames.subscribe(pattern, number))
        self.cluster(wire, info)
        self.log.info(
            "the bus is NATS {version} at {server}, after {took_s:.1f} s",
            version=info.version,
            server=self._server,
            took_s=self._timers.now() - self._lost_at,
        )
        self._arm(PROBE_S, self._probe)
        self._on_ready()
        self._tried()

    def cluster(self, wire: "_Wire", info: frames.ServerInfo) -> None:
        """Remember where else to connect; leave a server that is about to end."""
        self._cluster = tuple(place for url in info.connect_urls if (place := place_of(url)) is not None)
        if info.is_leaving:
            wire.reason = "it is about to end"
            wire.leave()

    def deliver(self, delivery: Delivery) -> None:
        """Give a message to who subscribed; one that was on its way when they unsubscribed is dropped."""
        found = self._subscribed.get(delivery.subscription)
        if found is not None:
            found[1](delivery)

    def complaint(self, wire: "_Wire", text: str) -> None:
        """Log what the server refuses, once in a while: it says so of each message that we may not publish."""
        self.refused = text
        now = self._timers.now()
        if now >= self._complained_at + COMPLAINTS_S:
            self._complained_at = now
            self.log.warn("the NATS server {server} says: {reason}", server=str(wire.place), reason=text)

    def answered(self) -> None:
        """Note that the server is there."""
        self.round_trip_s = self._timers.now() - self._asked_at

    def lost(self, wire: "_Wire", reason: str) -> None:
        """Go elsewhere."""
        if self._wire is not wire:
            return
        was_ready, self._wire = wire.was_ready, None
        self._clear_timer()
        if was_ready:
            self._lost_at = self._timers.now()
            self._to_try = []
            if not self._is_closing:
                self.log.warn("the bus has lost {server}: {reason}", server=self._server, reason=wire.reason or reason)
            self._on_lost()
        if self._closed is not None:
            self._closed.callback(None)
        self._failed(wire.place, wire.reason or reason)

    def _probe(self) -> None:
        wire = self._wire
        if wire is not None:
            self._asked_at = self._timers.now()
            self._arm(PROBE_S, self._probe)
            wire.perform(wire.session.probe())

    def _arm(self, delay_s: float, call: Callable[[], None]) -> None:
        self._clear_timer()
        self._timer = self._timers.later(delay_s, call)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@implementer(IHandshakeListener, IPushProducer)
class _Wire(Protocol):
    """The socket of one connection; carries out what its session says."""

    def __init__(self, link: NatsLink, place: Place, session: Session, tls: CheckedServer, pending_bytes: int) -> None:
        self.place = place
        self.session = session
        self.connecting: Deferred[Any] | None = None  # Any: the protocol, which is this one
        self.reason = ""
        """Why it ends, where we know better than the socket."""

        self.was_ready = False
        self._link = link
        self._tls = tls
        self._pending_bytes = pending_bytes
        self._is_full = False
        self._unwritten = 0

    # --- what the link says

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more may wait for the server."""
        return not self._is_full or self._unwritten + size <= self._pending_bytes

    def send(self, data: bytes) -> None:
        """Write bytes."""
        if self._is_full:
            self._unwritten += len(data)
        cast(ITCPTransport, self.transport).write(data)

    def leave(self) -> None:
        """Disconnect in order."""
        if self.transport is None:
            self.abort()
        else:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Disconnect at once, or stop connecting."""
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()
        elif self.connecting is not None:
            self.connecting.cancel()

    def perform(self, effects: Sequence[Effect]) -> None:
        """Carry out what the session wants."""
        for effect in effects:
            if isinstance(effect, Deliver):
                self._link.deliver(effect.delivery)
            elif isinstance(effect, Send):
                self.send(effect.data)
            elif isinstance(effect, StartTls):
                cast(Any, self.transport).startTLS(self._tls)  # Any: ITLSTransport does not say that it can
            elif isinstance(effect, BecomeReady):
                self.was_ready = True
                self._link.ready(self, effect.info)
            elif isinstance(effect, NoteCluster):
                self._link.cluster(self, effect.info)
            elif isinstance(effect, NoteAnswered):
                self._link.answered()
            else:
                self._end(effect)

    def _end(self, effect: NoteComplaint | Close | Effect) -> None:
        if isinstance(effect, NoteComplaint):
            self._link.complaint(self, effect.text)
            # Of what we may not do it says so, and goes on; whatever else it says is its last word.
            if not effect.text.startswith("Permissions Violation"):
                self.reason = effect.text
        elif isinstance(effect, Close):
            self.reason = effect.reason
            self.abort()

    # --- what Twisted says

    def connectionMade(self) -> None:
        """Wait for the server's first word, or begin TLS."""
        transport = cast(Any, self.transport)  # Any: of several interfaces
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.registerProducer(self, streaming=True)
        self.perform(self.session.begin())

    def handshakeCompleted(self) -> None:
        """Go on over TLS: the certificate was checked in the handshake."""
        self.perform(self.session.secured())

    def dataReceived(self, data: bytes) -> None:
        """Read."""
        self.perform(self.session.received(data))

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # the default is for nobody
        """Tell the link."""
        self._link.lost(self, self._tls.objection or reason.getErrorMessage())

    def pauseProducing(self) -> None:
        """Count what is written: the server does not take it fast enough."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Go on: everything has left."""
        self._is_full, self._unwritten = False, 0

    def stopProducing(self) -> None:
        """Nothing more can be written."""


def _secret(file: Path) -> str:
    """Read a secret, for each connection: it may have been changed."""
    return file.read_text("utf-8-sig").strip("\r\n")
