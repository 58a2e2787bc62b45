"""TLS over the socket itself: a transport for the reactor, without memory BIOs in between.

Twisted's own TLS runs OpenSSL on two memory buffers above a TCP transport. Here OpenSSL
reads and writes the socket, which saves a copy each way, two system calls to the poller
and more than half of the time of a message. To its protocol it is the same `ITransport`.

What is asked of whoever uses it: a bound on the time of the handshake and of closing,
because a transport cannot know how long is too long (`abortConnection` ends both).
"""

import struct
from collections.abc import Callable, Iterable
from socket import AF_INET6, IPPROTO_TCP, SHUT_RDWR, SHUT_WR, SO_KEEPALIVE, SO_LINGER, SOL_SOCKET, TCP_NODELAY, socket
from typing import Any, Final, Protocol, cast

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IProtocol, IPushProducer, ITCPTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.networks import network_of
from lyncpy.contracts.tls import reason_of
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.polling import log_context_of
from lyncpy.wire.proxy import Malformed, ProxyHeader, Relayed

RECORD: Final = 16_384
"""The most a TLS record carries (RFC 8446 §5.1). Reading this much leaves nothing behind inside of OpenSSL, so that the
poller always knows whether there is more; writing this much is one record."""

WRITE_AT_ONCE: Final = 8 * RECORD
"""Bytes written for one connection before others have their turn."""

FULL: Final = 65_536
"""Unsent bytes above which the producer is paused."""

NOTHING: Final = b""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing discards what is unsent and resets the connection."""

_SSL_WRITE: Final[Any] = getattr(Binding.lib, "SSL_write", None)  # Any: a function of cffi
_SSL_READ: Final[Any] = getattr(Binding.lib, "SSL_read", None)  # Any: as above
_RESUMED: Final[Any] = getattr(Binding.lib, "SSL_session_reused", None)  # Any: as above
_INBOX: Final[Any] = Binding.ffi.new("char[]", RECORD)  # Any: memory of cffi; what is read is copied out at once
_UNPACK: Final[Callable[[Any, int], bytes]] = Binding.ffi.unpack  # Any: as above; it copies

Ended = ConnectionDone | ConnectionLost
"""What the reactor is told when a connection is over."""


class TlsServer(Protocol):
    """What a connection needs of the port that has accepted it."""

    context: Callable[[], SSL.Context]
    """Gives the context of a new connection."""

    handshakes: Handshakes
    """Whose turn it is to shake hands."""


class TlsFailed(ConnectionLost):
    """The TLS of a connection ended with an error; `reason` is OpenSSL's, for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@implementer(ITCPTransport)
class TlsConnection(FileDescriptor):
    """A server's side of one TLS connection.

    OpenSSL may need to write in order to read and to read in order to write; `_read_blocked`
    and `_write_blocked` say what each waits for, and `_watch` tells the reactor. Bytes go out
    at once where the socket takes them: the reactor is only asked for what is left.

    Args:
        skt: An accepted socket, as `twisted.internet.tcp.Port` gives it.
    """

    # There is one for each device: with these in a dictionary it would have more names than dictionaries of one class can share.
    __slots__ = (
        "_aborted", "_chunk", "_failed", "_handshakes", "_lingering", "_paused", "_peer", "_reactor", "_read_blocked", "_shaken",
        "_socket", "_tls", "_unsent", "_waiting", "_waits_its_turn", "_watched", "_write_blocked", "log_context", "protocol", "talks",
    )  # fmt: skip

    def __init__(
        self,
        skt: socket,
        protocol: IProtocol,
        client: tuple[Any, ...],  # Any: an address of the socket module
        server: TlsServer,
        sessionno: int,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
    ) -> None:
        # First, because it may fail; then nothing has been registered with the reactor yet.
        self._tls: SSL.Connection | None = SSL.Connection(server.context(), skt)
        self._tls.set_accept_state()
        super().__init__(reactor)
        skt.setblocking(False)  # noqa: FBT003 - the socket's signature
        self._socket = skt
        self._peer = client
        self._reactor = reactor
        self._handshakes = server.handshakes
        self.talks = False
        """Whether the last that came is of people who talk: then this is read before others, see `with_known_contexts`."""
        self._shaken = False
        self._waits_its_turn = False  # the next step of the handshake is queued; until then nothing is read
        self._paused = False
        self._lingering = False
        self._aborted = False
        self._watched = False, False  # what the reactor waits for: reading, writing
        self._read_blocked = False  # reading, or the handshake, waits until the socket can be written
        self._write_blocked: type[SSL.Error] | None = None
        """What the last write waits for: WantReadError, WantWriteError, or nothing."""
        self._chunk: bytes | memoryview = (
            NOTHING  # begun; after WantWrite OpenSSL insists on seeing the same bytes again
        )
        self._waiting: list[bytes] = []
        self._unsent = 0
        self._failed: Ended | None = None
        self.protocol: IProtocol | None = protocol
        self.log_context: Final = log_context_of(self.logPrefix())  # see `with_known_contexts`
        self.connected = 1
        self._watch()

    @property
    def security(self) -> str:
        """The version and the cipher, for an operator; "" before the handshake and after the end."""
        if self._tls is None or not self._shaken:
            return ""
        resumed = ", resumed" if _RESUMED is not None and _RESUMED(getattr(self._tls, "_ssl", None)) else ""
        return f"{self._tls.get_protocol_version_name()} {self._tls.get_cipher_name()}{resumed}"

    @property
    def tls(self) -> SSL.Connection | None:
        """OpenSSL's connection, for what it knows of the client; None before the handshake and after the end."""
        return self._tls if self._shaken else None

    # What the protocol calls.

    def write(self, data: bytes) -> None:
        """Send what the socket takes now, and keep the rest."""
        if not data or not self.connected or self.disconnecting or self._aborted:
            return
        if self._unsent or not self._shaken:
            self._waiting.append(data)
            self._unsent += len(data)
        else:
            # pyOpenSSL's `send` looks for errors also where there are none, which is a sixth of its time; a fan-out
            # consists of these writes. OpenSSL gives the reason of a failure again when `_push` asks again, which
            # also writes where one of the names is not there: neither is promised.
            ssl = getattr(self._tls, "_ssl", None)
            if (
                ssl is not None
                and _SSL_WRITE is not None
                and len(data) <= RECORD
                and _SSL_WRITE(ssl, data, len(data)) == len(data)
            ):
                return
            self._chunk = data
            self._unsent = len(data)
            self._push()
            if not self._unsent:
                return
            self._watch()
        if self._unsent > FULL and self.producer is not None and self.streamingProducer and not self.producerPaused:
            self.producerPaused = True
            cast(IPushProducer, self.producer).pauseProducing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(iovec))

    def pauseProducing(self) -> None:
        """Read no more until told to."""
        self._paused = True
        self._watch()

    def resumeProducing(self) -> None:
        """Read from the socket again."""
        self._paused = False
        self._watch()

    def loseConnection(self, _connDone: Failure | None = None) -> None:
        """Send the remaining bytes, send close_notify, wait for the peer's and close. Nothing more is read."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._watch()

    def loseWriteConnection(self) -> None:
        """Close as `loseConnection` does: SIP has no use for half of a TLS connection."""
        self.loseConnection()

    def abortConnection(self) -> None:
        """Reset the connection; unsent bytes are lost. The protocol hears of it in a later turn."""
        if self.connected and not self._aborted:
            self._aborted = True
            self._watch()
            self._reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address of our end."""
        return self._address(self._socket.getsockname())

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the client's address, also after the end."""
        return self._address(self._peer)

    def getTcpNoDelay(self) -> bool:
        """Tell whether small writes leave at once."""
        return bool(self._socket.getsockopt(IPPROTO_TCP, TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Make small writes leave at once, or wait for more."""
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, enabled)

    def getHandle(self) -> socket:
        """Give the socket, for its options alone."""
        return self._socket

    def getTcpKeepAlive(self) -> bool:
        """Tell whether the kernel probes a silent peer."""
        return bool(self._socket.getsockopt(SOL_SOCKET, SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Make the kernel probe a silent peer, or not."""
        self._socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, enabled)

    def startWriting(self) -> None:
        """Say anew what is waited for; Twisted asks so when a producer ends while the connection is being closed."""
        self._watch()

    # What the reactor calls.

    def fileno(self) -> int:
        """Give the socket's number; -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Give what Twisted writes before its own log lines about this connection."""
        return type(self.protocol).__name__

    def doRead(self) -> Ended | None:
        """Read one record; the reactor comes back at once if there are more."""
        if self._aborted:
            return None
        if self._lingering:
            return self._discard()
        if not self._shaken:
            return self._shake_in_turn()
        if self._write_blocked is SSL.WantReadError:
            return self.doWrite()
        return self._read()

    def doWrite(self) -> Ended | None:
        """Send more bytes, and go on with the handshake, a read or the close that had to wait for that."""
        if self._aborted or self._failed is not None:
            return self._failed
        if not self._shaken:
            return CONNECTION_DONE if self.disconnecting else self._shake_in_turn()
        if self._read_blocked:  # TLS had to send before it could read on
            self._read_blocked = False
            ended = None if self.disconnecting else self._read()
            if ended is not None:
                return ended
        self._push()
        if not self._unsent:
            if self.disconnecting:
                return self._say_goodbye()
            if self.producer is not None and (self.producerPaused or not self.streamingProducer):
                self.producerPaused = False
                cast(IPushProducer, self.producer).resumeProducing()
        self._watch()
        return self._failed

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol, once."""
        if not self.connected:
            return
        # OpenSSL first: once the socket is closed, its number may be another connection's.
        self._tls = None
        FileDescriptor.connectionLost(self, reason)
        self._waiting.clear()
        self._chunk = NOTHING
        self._unsent = 0
        try:
            if self._aborted:
                self._socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
            else:
                self._socket.shutdown(SHUT_RDWR)
        except OSError:
            pass  # the peer was first
        self._socket.close()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    # How it is done.

    def _watch(self) -> None:
        """Tell the reactor whether to wait for reading, writing or both."""
        if not self.connected:
            return
        if self._aborted:
            read = write = False
        elif self._lingering:
            read, write = True, False
        elif not self._shaken:
            write = bool(self.disconnecting) or (self._read_blocked and not self._waits_its_turn)
            read = not (write or self._waits_its_turn)
        else:
            write_needs_read = self._write_blocked is SSL.WantReadError
            write = not write_needs_read and (self._unsent > 0 or bool(self.disconnecting) or self._read_blocked)
            read = write_needs_read or not (self._paused or self.disconnecting or self._read_blocked)
        if self._watched != (read, write):
            self._watched = read, write
            self._tell_reactor(read=read, write=write)

    def _tell_reactor(self, *, read: bool, write: bool) -> None:
        (self._reactor.addReader if read else self._reactor.removeReader)(self)
        (self._reactor.addWriter if write else self._reactor.removeWriter)(self)

    def _read_preamble(self, preamble: ProxyHeader) -> Ended | None:
        """Read a relay's header, and not a byte of the handshake behind it.

        There is always one more read after it: the reactor comes back as long as the socket has bytes.
        """
        protocol = cast(Relayed, self.protocol)
        try:
            while preamble.wants:  # never a byte more: the rest is the handshake's
                data = self._socket.recv(preamble.wants)
                if not data:
                    return CONNECTION_LOST
                preamble.feed(data)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        except Malformed as error:
            protocol.malformed(str(error))
            return None
        if not protocol.relayed(preamble.address or "", preamble.port):
            self.abortConnection()
        return None

    def _shake_in_turn(self) -> Ended | None:
        """Take the next step of the handshake, which has come, or queue it behind those of others."""
        preamble: ProxyHeader | None = getattr(self.protocol, "preamble", None)
        if preamble is not None:
            return self._read_preamble(preamble)
        since = self._handshakes.begin_at_once()
        if since is not None:
            ended = self._shake()
            self._handshakes.begun_at_once(since)
            return ended
        self._waits_its_turn = True
        self._watch()
        # A relay's client counts as who it is.
        peer: str = getattr(self.protocol, "peer", self._peer[0])
        self._handshakes.put(network_of(peer), self._on_turn)
        return None

    def _on_turn(self) -> None:
        self._waits_its_turn = False
        if not self.connected or self._aborted or self.disconnecting:
            return
        ended = self._shake()
        if ended is not None:  # the reactor does so with what `doRead` gives
            self.connectionLost(Failure(ended))

    def _shake(self) -> Ended | None:
        self._read_blocked = False
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            pass  # the reactor calls again when there are bytes
        except SSL.WantWriteError:
            self._read_blocked = True
        except SSL.Error as error:
            return _ended(error)
        else:
            self._shaken = True
            if IHandshakeListener.providedBy(self.protocol):
                cast(IHandshakeListener, self.protocol).handshakeCompleted()
            if self._unsent and not self._aborted:
                self._push()
        self._watch()
        return None

    def _read(self) -> Ended | None:
        # pyOpenSSL's `recv` makes and clears 16 KiB for each record, which is more than most of them have, and looks for
        # errors where there are none. If there is no whole one nothing has happened, and `recv` hears why.
        ssl = getattr(self._tls, "_ssl", None)
        size: int = _SSL_READ(ssl, _INBOX, RECORD) if ssl is not None and _SSL_READ is not None else 0
        try:
            data = _UNPACK(_INBOX, size) if size > 0 else self._connection.recv(RECORD)
        except SSL.WantReadError:
            return None
        except SSL.WantWriteError:
            self._read_blocked = True
            self._watch()
            return None
        except SSL.ZeroReturnError:
            return self._hear_goodbye()
        except SSL.Error as error:
            return _ended(error)
        assert self.protocol is not None, "the reactor never calls a connection that was lost"
        self.protocol.dataReceived(data)
        return None

    def _push(self) -> None:
        """Send until nothing is left, the socket is full, or others should have their turn.

        An error is kept for `doWrite` to return: `write` is called from the middle of the
        protocol's own work, where the connection must not vanish.
        """
        send = self._connection.send
        self._write_blocked = None
        enough = self._unsent - WRITE_AT_ONCE
        try:
            while self._unsent > max(enough, 0):
                if not self._chunk:
                    self._chunk = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
                    self._waiting.clear()
                # Most writes are one record, and gone at once: these are not cut into views.
                rest = self._chunk if len(self._chunk) <= RECORD else memoryview(self._chunk)
                sent = send(rest[:RECORD])
                self._chunk = NOTHING if sent == len(rest) else memoryview(rest)[sent:]
                self._unsent -= sent
        except (SSL.WantReadError, SSL.WantWriteError) as blocked:
            self._write_blocked = type(blocked)
        except SSL.Error as error:
            self._failed = _ended(error)

    def _say_goodbye(self) -> Ended | None:
        """Send the close alert and the end of the stream, then wait for the peer's.

        Closing with unread bytes in the socket would make the kernel send a reset, which can
        destroy our last answer on its way.

        Spec: RFC 8446 §6.1.
        """
        try:
            both = self._connection.shutdown()
        except SSL.WantWriteError:
            self._watch()
            return None
        except SSL.Error:
            return CONNECTION_DONE
        if both:
            return CONNECTION_DONE
        try:
            self._socket.shutdown(SHUT_WR)
        except OSError:
            return CONNECTION_DONE
        self._lingering = True
        self._watch()
        return None

    def _hear_goodbye(self) -> Ended | None:
        """Send what is left and finish: the peer has ended its side, and could not ask for an answer."""
        self.disconnecting = True
        self._watch()
        return None if self._unsent else self._say_goodbye()

    def _discard(self) -> Ended | None:
        try:
            return None if self._socket.recv(4 * RECORD) else CONNECTION_DONE
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_DONE

    def _address(self, address: tuple[Any, ...]) -> IPv4Address | IPv6Address:
        if self._socket.family == AF_INET6:
            return IPv6Address("TCP", *address)
        return IPv4Address("TCP", *address)

    @property
    def _connection(self) -> SSL.Connection:
        assert self._tls is not None, "the reactor never calls a connection that was lost"
        return self._tls


def _ended(error: SSL.Error) -> Ended:
    """Give what became of a connection, from OpenSSL's error."""
    reason = "" if isinstance(error, SSL.SysCallError) else reason_of(error)
    # A reset, or an end without a goodbye: SIP frames its messages itself, so nothing was cut unnoticed.
    return CONNECTION_LOST if reason in ("", "unexpected eof while reading") else TlsFailed(f"TLS: {reason}")
