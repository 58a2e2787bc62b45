"""The ports of the site, with TLS and without: opened last, closed first."""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.tcp import Port
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.workload import IUnit
from lyncpy.wire.certificate import Certificate
from lyncpy.wire.handshakes import Handshakes
from lyncpy.wire.http import HttpFactory, PlainHttpFactory
from lyncpy.wire.listener import OpenPort
from lyncpy.wire.operators import OperatorsAuthority, OperatorsHttpFactory
from lyncpy.wire.ports import Handed, PlainPort, TlsPort, opened


@implementer(IUnit)
class HttpDoor:
    """Opens the port of the site, with TLS, and the one without where a setting wants it.

    Args:
        factory: Makes of each connection what reads its requests.
        certificate: Whose context each new connection takes.
        connections: Asked at `open`: how many there may be, where the system allows fewer than the setting says.
        operators: Gives the context of connections on which operators show certificates; None: there are none.
        handshakes: Of all ports.
        handed: Ports that are open already.
    """

    name = "https"
    log = Logger()

    def __init__(
        self,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
        factory: HttpFactory,
        certificate: Certificate,
        connections: Callable[[], int],
        operators: OperatorsAuthority | None,
        handshakes: Handshakes,
        handed: Handed,
    ) -> None:
        self._reactor = reactor
        self._handed = handed
        self._certificate = certificate
        self._factory = factory
        self._connections = connections
        self._operators = operators
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
        for place in bounds.places:
            kind = place.key.removesuffix("_port")
            make = {"http": self._plain, "operators": self._asking}.get(kind, self._secure)
            self._ports.append((kind, opened(place, partial(make, place.port), self._handed)))
        for door in self.doors:
            self.log.info("listening on {host} port {port} ({kind})", host=door.host, port=door.port, kind=door.kind)

    def _secure(self, number: int, interface: str) -> Port:
        return TlsPort(
            number,
            self._factory,
            lambda: self._certificate.context,
            self._handshakes,
            interface=interface,
            reactor=self._reactor,
        )

    def _asking(self, number: int, interface: str) -> Port:
        operators = self._operators
        assert operators is not None  # the port is not open without
        factory, context = OperatorsHttpFactory(self._factory), operators.context
        return TlsPort(number, factory, context, self._handshakes, interface=interface, reactor=self._reactor)

    def _plain(self, number: int, interface: str) -> Port:
        factory = PlainHttpFactory(self._factory)
        return PlainPort(number, factory, lambda: False, interface=interface, reactor=self._reactor)

    async def close(self) -> None:
        """Accept nobody any more, and end every connection."""
        ports, self._ports = self._ports, []
        for _, port in ports:
            await maybeDeferred(port.stopListening)
        await self._factory.close_all()
