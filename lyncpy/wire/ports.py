"""Listening ports, without TLS and with it."""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError
from twisted.internet.fdesc import setNonBlocking
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.tcp import Port
from twisted.logger import Logger

from lyncpy.contracts.listening import ListeningPlace
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.polling import log_context_of
from lyncpy.wire.tls import TlsConnection

BACKLOG: Final = 4096
"""Connections that the kernel keeps while we are busy: after a network came back, everybody calls at once.
Of more than net.core.somaxconn it keeps as many as that says."""

ACCEPTED_AT_ONCE: Final = 16
"""Connections accepted in one turn: each costs a tenth of a millisecond, and strangers that were closed for them
give their files back in the next."""

PASSED_BY_S: Final = 0.1
"""After how long a port that leaves whoever comes to others looks whether it still does."""

SLOWLY_S: Final = 0.02
"""Seconds between two of whom are accepted slowly; fifty a second get in, whatever else there is."""

LOGGED: Final = Logger().failureHandler("a connection could not be begun")

_IPV4: Final = 2
"""Parts of such an address; one of IPv6 has four, of which the last is the scope."""

_SCOPE: Final = 3
_NUMERIC: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class CannotOpen(Exception):
    """A port cannot be opened; the sentence names the setting and what to do."""


P = TypeVar("P", bound=Port)

Handed = Mapping[str, int]
"""Listening sockets that this process was started with: the setting of the port → the number of its file."""


def opened(place: ListeningPlace, make: Callable[[str], P], handed: Handed) -> P:
    """Open a port.

    Args:
        place: Where.
        make: Gives the port at an address, not open yet.
        handed: What is open already.

    Raises:
        CannotOpen: It cannot be.
    """
    descriptor = handed.get(place.setting)
    if descriptor is not None:
        return adopted(descriptor, make)
    for host in place.hosts:
        port = make(host)
        try:
            port.startListening()
        except CannotListenError as error:
            code = getattr(error.socketError, "errno", None)
            if place.goes_on(host, code):
                continue
            raise CannotOpen(place.objection(code, error.socketError)) from error
        return port
    raise AssertionError("the last address is not gone on from")


def adopted(descriptor: int, make: Callable[[str], P]) -> P:
    """Open a port on a listening socket of this process, which stays open beside it."""
    listening = socket.socket(fileno=os.dup(descriptor))
    port = make(listening.getsockname()[0])
    # As `adoptStreamPort` does it, for classes of Twisted's alone.
    port._preexistingSocket = listening
    port.startListening()
    return port


def listening_socket(place: ListeningPlace) -> socket.socket:
    """Open a listening socket that is handed down to other processes.

    Raises:
        CannotOpen: It cannot be.
    """
    for host in place.hosts:
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, place.port))
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            if place.goes_on(host, error.errno):
                continue
            raise CannotOpen(place.objection(error.errno, error.strerror)) from error
        setNonBlocking(listening.fileno())
        return listening
    raise AssertionError("the last address is not gone on from")


class PlainPort(Port):
    """A listening port that lets others have their turn, however many want in.

    Args:
        is_busy: Whether to accept slowly: who is not accepted waits in the kernel, and has no time limit yet.
        prepare: Sets options of its socket before it listens: those of TCP are its connections' too.
    """

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        is_busy: Callable[[], bool],
        *,
        interface: str,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
        prepare: Callable[[socket.socket], None] = lambda listening: None,
    ) -> None:
        super().__init__(port, factory, BACKLOG, interface, reactor)
        self._is_busy = is_busy
        self.passes_by: Callable[[], bool] = _takes_all
        """Whether whoever comes is left to others who accept from the same queue."""

        self._prepare = prepare
        self._later = reactor.callLater
        self._expected = 1
        """How many there were the last time: whoever finds nobody has asked in vain."""

        self.log_context: Final = log_context_of(type(factory).__name__)  # see `with_known_contexts`

    def startListening(self) -> None:
        """Listen; on a socket that was handed down, if there is one."""
        if self._preexistingSocket is not None:
            self._prepare(self._preexistingSocket)
        super().startListening()

    def createInternetSocket(self) -> socket.socket:
        """Make the socket that will listen."""
        listening: socket.socket = super().createInternetSocket()  # type: ignore[no-untyped-call]  # Twisted's has no types
        self._prepare(listening)
        return listening

    def doRead(self) -> None:
        """Accept some of those who wait; the reactor comes back for the others."""
        if self.passes_by():
            self._rest(PASSED_BY_S)
            return
        is_busy = self._is_busy()
        most = 1 if is_busy else min(self._expected, ACCEPTED_AT_ONCE)
        accepted = 0
        try:
            while accepted < most:
                self._welcome(*self.socket.accept())
                accepted += 1
        except BlockingIOError:
            pass
        except OSError:
            # Twisted knows which of them pass, and keeps a file in reserve for those of who has none left.
            self.numberAccepts = 1
            super().doRead()  # type: ignore[no-untyped-call]  # as above
        self._expected = 2 * accepted if accepted == most else max(1, accepted)
        if is_busy and self.connected:
            self._rest(SLOWLY_S)

    def _welcome(
        self, accepted: socket.socket, address: tuple[Any, ...]
    ) -> None:  # Any: an address of the socket module
        """Make a connection of an accepted socket, as Twisted does."""
        protocol = None
        with LOGGED:  # whoever is next is to be accepted
            if len(address) == _IPV4:
                place: IPv4Address | IPv6Address = IPv4Address("TCP", *address)
            else:
                if address[_SCOPE]:  # only link-local addresses have one, and it belongs to the name
                    address = (socket.getnameinfo(address, _NUMERIC)[0], *address[1:])
                place = IPv6Address("TCP", *address)
            protocol = cast(IProtocolFactory, self.factory).buildProtocol(place)
            if protocol is not None:
                number, self.sessionno = self.sessionno, self.sessionno + 1
                protocol.makeConnection(self.transport(accepted, protocol, address, self, number, self.reactor))
        if protocol is None:
            accepted.close()

    def _rest(self, seconds: float) -> None:
        self.stopReading()  # type: ignore[no-untyped-call]  # as above
        self._later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self.connected and not self.disconnecting:
            self.startReading()  # type: ignore[no-untyped-call]  # as above


def _takes_all() -> bool:
    return False


class TlsPort(PlainPort):
    """A listening port whose connections are TLS from their first byte.

    Args:
        context: Gives the TLS context; asked for each connection.
        handshakes: Whose turn it is to shake hands.
        is_busy: See `PlainPort`.
    """

    talks = False
    transport = TlsConnection  # type: ignore[assignment]  # Port documents that any class with Server's arguments does
    _type = "TLS"

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        context: Callable[[], SSL.Context],
        handshakes: Handshakes,
        is_busy: Callable[[], bool] = lambda: False,
        *,
        interface: str,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
        prepare: Callable[[socket.socket], None] = lambda listening: None,
    ) -> None:
        super().__init__(port, factory, is_busy, interface=interface, reactor=reactor, prepare=prepare)
        self.context = context
        self.handshakes = handshakes


def quick_and_watched(dead_s: int) -> Callable[[socket.socket], None]:
    """Give what sets the options of a listening socket whose connections send at once, and end when their peer is gone.

    The kernel gives what is accepted the options of what listens, which spares each connection six calls. It ends one whose
    peer has not answered it for so many seconds, sending or not: without this it takes two hours to find that an idle peer
    is gone, and a quarter of one if something was sent.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", dead_s // 2),
        ("TCP_KEEPINTVL", max(1, dead_s // 6)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", dead_s * 1000),
    ):
        option = getattr(socket, name, None)  # Linux has all of them, others some
        if option is not None:
            options.append((socket.IPPROTO_TCP, option, value))

    def prepare(listening: socket.socket) -> None:
        for level, option, value in options:
            listening.setsockopt(level, option, value)

    return prepare
