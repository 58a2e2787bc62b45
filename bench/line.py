"""A client's TLS connection that costs the load generator little: the standard library's ssl, read by Twisted's reactor.

Twisted's own TLS copies each byte through a memory buffer, which costs a client as much as a message
costs the server. A load generator that is slower than what it measures measures itself.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

RECORDS_AT_ONCE: Final = 64
"""Records that are read of one connection before another one has its turn."""

_PIECE: Final = 65_536


@implementer(IReadWriteDescriptor)
class Line:
    """One connection.

    Attributes:
        heard: Called with each piece that was read.
        ended: Called once, when the connection is over.
    """

    def __init__(self, reactor: Any, connection: ssl.SSLSocket) -> None:  # Any: several interfaces at once
        """Take a connected socket whose handshake is still to be done."""
        self.heard: Callable[[bytes], None] = _ignore
        self.ended: Callable[[], None] = _nothing
        self.ready: Deferred[None] = Deferred()
        self._reactor = reactor
        self._connection = connection
        self._unwritten = b""
        self._is_ready = self._is_over = False

    def shake_hands(self) -> "Deferred[None]":
        """Begin the handshake; fires when it is done."""
        self._reactor.addReader(self)
        self._step()
        return self.ready

    def write(self, data: bytes) -> None:
        """Send, now if there is room."""
        if self._is_over:
            return
        if self._unwritten:
            self._unwritten += data
            return
        try:
            sent = self._connection.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError:
            self.connectionLost(Failure(ConnectionDone()))
            return
        if sent < len(data):
            self._unwritten = data[sent:]
            self._reactor.addWriter(self)

    @property
    def port(self) -> int:
        """Give the port on this side."""
        number: int = self._connection.getsockname()[1]
        return number

    def pause(self) -> None:
        """Read no more, as a client that hangs."""
        self._reactor.removeReader(self)

    def resume(self) -> None:
        """Read on."""
        if not self._is_over:
            self._reactor.addReader(self)

    def close(self) -> None:
        """Close the connection, without a goodbye."""
        self.connectionLost(Failure(ConnectionDone()))

    # What Twisted calls.

    def fileno(self) -> int:
        """Give the socket's number."""
        return self._connection.fileno()

    def logPrefix(self) -> str:
        """Give a name for the log."""
        return "bench"

    def doRead(self) -> Failure | None:
        """Read what is there."""
        if not self._is_ready:
            self._step()
            return None
        receive = self._connection.recv
        try:
            for _ in range(RECORDS_AT_ONCE):
                data = receive(_PIECE)
                if not data:
                    return Failure(ConnectionDone())
                self.heard(data)
                if self._is_over:
                    return None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            return Failure(ConnectionDone())
        return None

    def doWrite(self) -> Failure | None:
        """Send what found no room."""
        self._reactor.removeWriter(self)
        if not self._is_ready:
            self._step()
            return None
        data, self._unwritten = self._unwritten, b""
        if data:
            self.write(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Forget the connection."""
        if self._is_over:
            return
        self._is_over = True
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._connection.close()
        if not self._is_ready:
            self.ready.errback(reason)
        self.ended()

    def _step(self) -> None:
        try:
            self._connection.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._reactor.addWriter(self)
            return
        except OSError:
            self.connectionLost(Failure())
            return
        self._is_ready = True
        self.ready.callback(None)


def open_line(reactor: Any, port: int, context: ssl.SSLContext, name: str) -> Line:  # Any: several interfaces at once
    """Connect to a port of this machine; the handshake is still to be done.

    Args:
        name: What has to stand in the server's certificate.
    """
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setblocking(False)
    # An answer and then a request on one connection would wait 40 ms for each other otherwise.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wrapped = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=name)
    return Line(reactor, wrapped)


def _ignore(data: bytes) -> None:
    pass


def _nothing() -> None:
    pass
