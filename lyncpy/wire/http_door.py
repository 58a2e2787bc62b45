"""The ports of the site, with TLS and without: opened last, closed first."""

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.tcp import Port
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.workload import IUnit
from lyncpy.wire.certificate import Certificate
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.http import HttpFactory, PlainHttpFactory
from lyncpy.wire.listener import CannotOpen, OpenPort
from lyncpy.wire.ports import PlainPort, TlsPort


@implementer(IUnit)
class HttpDoor:
    """Opens the port of the site, with TLS, and the one without where a setting wants it.

    Args:
        factory: Makes of each connection what reads its requests.
        certificate: Whose context each new connection takes.
        connections: Asked at `open`: how many there may be, where the system allows fewer than the setting says.
        handshakes: Of all ports.
    """

    name = "https"
    log = Logger()

    def __init__(
        self,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
        factory: HttpFactory,
        certificate: Certificate,
        connections: Callable[[], int],
        handshakes: Handshakes,
    ) -> None:
        self._reactor = reactor
        self._certificate = certificate
        self._factory = factory
        self._connections = connections
        self._handshakes = handshakes
        self._ports: list[tuple[str, Port]] = []

    @property
    def doors(self) -> tuple[OpenPort, ...]:
        """The open ports, as they really are."""
        places = [(kind, port.getHost()) for kind, port in self._ports]
        return tuple(OpenPort(kind, host.host, host.port) for kind, host in places)

    async def open(self) -> None:
        """Open the ports.

        Raises:
            CannotOpen: With a sentence that names the setting and what to do.
        """
        bounds = self._factory.bounds
        self._factory.connections = self._connections()
        self._open("https", bounds.https_port, self._secure)
        if bounds.http_port:
            self._open("http", bounds.http_port, self._plain)
        for door in self.doors:
            self.log.info("listening on {host} port {port} ({kind})", host=door.host, port=door.port, kind=door.kind)

    def _open(self, kind: str, number: int, make: Callable[[int, str], Port]) -> None:
        # "::" takes both families where there is IPv6; where there is none, IPv4 is every address.
        host = self._factory.bounds.https_host
        hosts = (host,) if host else ("::", "0.0.0.0")  # noqa: S104 - as the setting says
        for position, interface in enumerate(hosts, 1):
            port = make(number, interface)
            try:
                port.startListening()
            except CannotListenError as error:
                code = getattr(error.socketError, "errno", None)
                if position < len(hosts) and code in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue
                raise CannotOpen(_sentence(f"{kind}_port", number, host, code, error)) from error
            self._ports.append((kind, port))
            break

    def _secure(self, number: int, interface: str) -> Port:
        return TlsPort(
            number,
            self._factory,
            lambda: self._certificate.context,
            self._handshakes,
            interface=interface,
            reactor=self._reactor,
        )

    def _plain(self, number: int, interface: str) -> Port:
        factory = PlainHttpFactory(self._factory)
        return PlainPort(number, factory, lambda: False, interface=interface, reactor=self._reactor)

    async def close(self) -> None:
        """Accept nobody any more, and end every connection."""
        ports, self._ports = self._ports, []
        for _, port in ports:
            await maybeDeferred(port.stopListening)
        await self._factory.close_all()


def _sentence(key: str, number: int, host: str, code: int | None, error: CannotListenError) -> str:
    setting = f"[web] {key}: port {number} on {host or 'all addresses'} cannot be opened"
    match code:
        case errno.EADDRINUSE:
            return f"{setting}: another program uses it; stop that program or choose another {key}"
        case errno.EACCES | errno.EPERM:
            return (
                f"{setting}: ports below 1024 need a permission; give the service CAP_NET_BIND_SERVICE"
                f" or choose a port above 1023"
            )
        case _:
            return f"{setting}: {error.socketError}; correct https_host"
