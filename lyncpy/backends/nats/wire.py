"""The socket of one connection to a NATS server: carries out what its session says, and keeps what the server does not take."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol as SocketProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.nats.address import ServerAddress
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.frames import ReceivedMessage, ServerInfo
from lyncpy.backends.nats.session import (
    BecomeReady,
    Close,
    Deliver,
    Effect,
    Leave,
    NatsSession,
    NoteAnswered,
    NoteCluster,
    NoteComplaint,
    Send,
    StartTls,
)


class Holder(Protocol):
    """Whoever keeps a connection up."""

    def ready(self, wire: "Wire", info: ServerInfo, *, is_vouched: bool) -> None:
        """The server has taken us; `is_vouched`: nobody on the way could have said what it says of its cluster."""

    def cluster(self, wire: "Wire", info: ServerInfo, *, is_vouched: bool) -> None:
        """The cluster has changed, or the server is about to end."""

    def deliver(self, delivery: ReceivedMessage) -> None:
        """A message has come."""

    def complaint(self, wire: "Wire", text: str) -> None:
        """The server refuses something, and goes on or ends."""

    def answered(self) -> None:
        """The server has answered a PING."""

    def lost(self, wire: "Wire", reason: str) -> None:
        """The connection has ended."""


@implementer(IHandshakeListener, IPushProducer)
class Wire(SocketProtocol):
    """One connection.

    Args:
        holder: Hears of it.
        place: Where the server is.
        session: What is said.
        tls: Makes what checks the server, where TLS begins.
        pending_bytes: What may wait for the server.
    """

    def __init__(
        self,
        holder: Holder,
        place: ServerAddress,
        session: NatsSession,
        tls: Callable[[], CheckedServer],
        pending_bytes: int,
    ) -> None:
        self.place = place
        self.connecting: Deferred[Any] | None = None  # Any: the protocol, which is this one
        self.reason = ""
        """Why it ends, where we know better than the socket."""

        self.was_ready = False
        self._session = session
        self._holder = holder
        self._make_tls = tls
        self._tls: CheckedServer | None = None
        self._pending_bytes = pending_bytes
        self._is_full = self._is_leaving = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._last_words = ""

    # --- what the link says

    @property
    def is_ready(self) -> bool:
        """Whether something can be published."""
        return self._session.is_ready and not self._is_leaving

    def has_room(self, size: int, *, is_repeated: bool = False) -> bool:
        """Tell whether so many bytes more may wait for the server; what is said again when it is lost has half of the room."""
        most = self._pending_bytes // 2 if is_repeated else self._pending_bytes
        return not self._is_full or self._waiting_bytes + size <= most

    def send(self, data: bytes) -> None:
        """Write bytes, or keep them until the server has taken what was written."""
        if self._is_full:
            self._waiting.append(data)
            self._waiting_bytes += len(data)
        else:
            cast(ITCPTransport, self.transport).write(data)

    def probe(self) -> None:
        """Ask whether the server is there."""
        self._perform(self._session.probe())

    def leave(self) -> None:
        """Disconnect in order, when the server has read what was sent."""
        if self.transport is None:
            self.abort()
            return
        if self._is_leaving:
            return
        self._is_leaving = True
        last = self._session.leave()
        if last:
            self.send(last)
        else:
            self._disconnect()

    def _disconnect(self) -> None:
        transport = cast(Any, self.transport)  # Any: of several interfaces
        # A transport that has a producer waits for its end before it closes.
        transport.unregisterProducer()
        self._is_full = False
        self._write_waiting()
        transport.loseConnection()

    def abort(self) -> None:
        """Disconnect at once, or stop connecting."""
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()
        elif self.connecting is not None:
            self.connecting.cancel()

    # --- what the session says

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Deliver):
                self._holder.deliver(effect.delivery)
            elif isinstance(effect, Send):
                if not self.has_room(len(effect.data)):
                    self._end("it asks, and takes no answers")
                    return
                self.send(effect.data)
            elif isinstance(effect, StartTls):
                self._start_tls()
            elif isinstance(effect, Leave):
                self._disconnect()
            elif isinstance(effect, Close):
                self._end(effect.reason)
            else:
                self._note(effect)

    def _note(self, effect: BecomeReady | NoteCluster | NoteAnswered | NoteComplaint) -> None:
        if isinstance(effect, BecomeReady):
            self.was_ready = True
            self._holder.ready(self, effect.info, is_vouched=effect.is_vouched)
        elif isinstance(effect, NoteCluster):
            # Before we are ready nobody could have put it there: the session takes nothing that came before TLS.
            self._holder.cluster(self, effect.info, is_vouched=True)
        elif isinstance(effect, NoteAnswered):
            self._holder.answered()
        else:
            self._holder.complaint(self, effect.text)
            # Of what we may not do it says so, and goes on.
            if not effect.text.startswith("Permissions Violation"):
                self._last_words = effect.text

    def _start_tls(self) -> None:
        try:
            self._tls = self._make_tls()
        except AuthoritiesUnusable as error:
            self._end(str(error))
            return
        cast(Any, self.transport).startTLS(self._tls)  # Any: ITLSTransport does not say that it can

    def _end(self, reason: str) -> None:
        self.reason = reason
        self.abort()

    # --- what Twisted says

    def connectionMade(self) -> None:
        """Wait for the server's first word, or begin TLS."""
        transport = cast(Any, self.transport)  # Any: of several interfaces
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        transport.registerProducer(self, streaming=True)
        self._perform(self._session.begin())

    def handshakeCompleted(self) -> None:
        """Go on over TLS: the certificate was checked in the handshake."""
        self._perform(self._session.secured())

    def dataReceived(self, data: bytes) -> None:
        """Read; what the server said against us before has not ended the connection."""
        self._last_words = ""
        self._perform(self._session.received(data))

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # the default is for nobody
        """Tell the link."""
        objection = self._tls.objection if self._tls is not None else ""
        self._holder.lost(self, self.reason or objection or self._last_words or reason.getErrorMessage())

    def pauseProducing(self) -> None:
        """Keep what is sent: the server does not take it fast enough."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Write what was kept, until it is too much again."""
        self._is_full = False
        self._write_waiting()

    def stopProducing(self) -> None:
        """Nothing more can be written."""

    def _write_waiting(self) -> None:
        # The transport says within a write that it is full.
        while self._waiting and not self._is_full:
            data = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            cast(ITCPTransport, self.transport).write(data)
