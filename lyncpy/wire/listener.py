"""The ports: opened last, closed first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.tcp import Port
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.flows import ISink
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.wire.certificate import Certificate
from lyncpy.wire.files import ConnectionLimits, OpenFiles
from lyncpy.wire.flows import Flows
from lyncpy.wire.ports import CannotOpen, Handed, PlainPort, TlsPort, opened, quick_and_watched
from lyncpy.wire.settings import Settings
from lyncpy.wire.stream import SipFactory


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port that is open."""

    kind: str
    """"tls" or "tcp"."""

    host: str
    port: int


@implementer(IUnit)
class Connections:
    """Closes every connection at shutdown.

    It stands below the workloads, so that they end what they have under way while its
    participants are still there: a session that the server ends was not lost by a user.
    """

    name = "connections"

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    async def open(self) -> None:
        """Do nothing: connections come by themselves."""

    async def close(self) -> None:
        """Close every connection; `close_s` bounds it."""
        await self._flows.close_all("the server stops")


@implementer(IUnit)
class Listener:
    """Opens the ports that the settings name and hands connections to the streams.

    Args:
        reactor: Listens and tells the time; the one thing here that needs a real one.
        certificate: None only when `tls_port` is 0.
        files: Shares the open files that the system allows; others ask it after this one was opened.
        handed: Ports that are open already: other processes accept from them, too.

    Attributes:
        passes_by: Whether whoever comes to one of those is left to the others.
    """

    name = "wire"
    log = Logger()

    def __init__(
        self,
        reactor: Any,  # Any: a reactor is several interfaces at once, which no type can say
        flows: Flows,
        sink: ISink,
        certificate: Certificate | None,
        settings: Settings,
        timers: ITimers,
        files: OpenFiles,
        handed: Handed,
    ) -> None:
        self._reactor = reactor
        self._handed = handed
        self.passes_by: Callable[[], bool] = lambda: False
        self._files = files
        self.granted = ConnectionLimits(settings.connections, 0)
        """How many connections the listeners may have, once this one was opened."""

        self._flows = flows
        self._sink = sink
        self._certificate = certificate
        self._settings = settings
        self._timers = timers
        self._ports: list[tuple[str, Port]] = []

    @property
    def doors(self) -> tuple[OpenPort, ...]:
        """The open ports, as they really are."""
        return tuple(OpenPort(kind, port.getHost().host, port.getHost().port) for kind, port in self._ports)

    async def open(self) -> None:
        """Open the ports.

        Raises:
            CannotOpen: One of them cannot be opened.
        """
        settings = self._settings
        self.granted = self._files.claim()
        self._flows.places.connections = self.granted.sip
        for place in settings.places:
            kind = place.key.removesuffix("_port")
            port = opened(place, partial(self._port, kind, place.port), self._handed)
            if place.setting in self._handed:
                port.passes_by = lambda: self.passes_by()
            self._ports.append((kind, port))
        if not self._ports:
            raise CannotOpen("[sip] tls_port and tcp_port are both 0, so nobody could connect; set tls_port = 5061")
        for door in self.doors:
            self.log.info("listening on {host} port {port} ({kind})", host=door.host, port=door.port, kind=door.kind)

    async def close(self) -> None:
        """Accept nobody any more; who is connected stays so until `Connections` are closed."""
        ports, self._ports = self._ports, []
        for _, port in ports:
            await maybeDeferred(port.stopListening)

    def reload(self) -> tuple[str, ...]:
        """Read certificate and key again, for the connections to come.

        Returns:
            Sentences about what clients may dislike.

        Raises:
            CertificateUnusable: Nothing has changed.
        """
        return self._certificate.reload() if self._certificate is not None else ()

    def _port(self, kind: str, number: int, host: str) -> PlainPort:
        factory = SipFactory(self._flows, self._sink, self._settings, self._timers, secure=kind == "tls")
        is_busy = self._flows.places.is_busy
        prepare = quick_and_watched(self._settings.dead_s)
        if kind == "tcp":
            return PlainPort(number, factory, is_busy, interface=host, reactor=self._reactor, prepare=prepare)
        certificate = self._certificate
        if certificate is None:
            raise CannotOpen("[sip] certificate: the TLS port needs one")
        return TlsPort(
            number,
            factory,
            lambda: certificate.context,
            self._flows.handshakes,
            is_busy,
            interface=host,
            reactor=self._reactor,
            prepare=prepare,
        )
