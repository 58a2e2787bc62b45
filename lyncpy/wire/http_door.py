"""The port of the HTTPS site: opened last, closed first."""

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
from lyncpy.wire.http import HttpBounds, HttpFactory
from lyncpy.wire.listener import BACKLOG, CannotOpen, OpenPort
from lyncpy.wire.ports import TlsPort


@implementer(IUnit)
class HttpDoor:
    """Opens the port of the site, with TLS always.

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
        self._port: Port | None = None

    @property
    def doors(self) -> tuple[OpenPort, ...]:
        """The open port, as it really is."""
        if self._port is None:
            return ()
        host = self._port.getHost()
        return (OpenPort("https", host.host, host.port),)

    async def open(self) -> None:
        """Open the port.

        Raises:
            CannotOpen: With a sentence that names the setting and what to do.
        """
        bounds = self._factory.bounds
        self._factory.connections = self._connections()
        # "::" takes both families where there is IPv6; where there is none, IPv4 is every address.
        hosts = (bounds.https_host,) if bounds.https_host else ("::", "0.0.0.0")  # noqa: S104 - as the setting says
        for position, host in enumerate(hosts, 1):
            port = TlsPort(
                bounds.https_port,
                self._factory,
                lambda: self._certificate.context,
                self._handshakes,
                interface=host,
                backlog=BACKLOG,
                reactor=self._reactor,
            )
            try:
                port.startListening()
            except CannotListenError as error:
                code = getattr(error.socketError, "errno", None)
                if position < len(hosts) and code in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue
                raise CannotOpen(_sentence(bounds, code, error)) from error
            self._port = port
            break
        for door in self.doors:
            self.log.info("listening on {host} port {port} (https)", host=door.host, port=door.port)

    async def close(self) -> None:
        """Accept nobody any more, and end every connection."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        await self._factory.close_all()


def _sentence(bounds: HttpBounds, code: int | None, error: CannotListenError) -> str:
    setting = f"[web] https_port: port {bounds.https_port} on {bounds.https_host or 'all addresses'} cannot be opened"
    match code:
        case errno.EADDRINUSE:
            return f"{setting}: another program uses it; stop that program or choose another https_port"
        case errno.EACCES | errno.EPERM:
            return (
                f"{setting}: ports below 1024 need a permission; give the service CAP_NET_BIND_SERVICE"
                " or choose an https_port above 1023"
            )
        case _:
            return f"{setting}: {error.socketError}; correct https_host"
