"""The sockets of probes: each wait has an end."""

import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from lyncpy.app.probes import advice
from lyncpy.app.probes.outcome import ProbeFailed, ProbeStatus

READ_BYTES: Final = 65_536


class Channel(Protocol):
    """A connection to the server, as a device has it."""

    place: str
    """Where the server is, for people."""

    here: tuple[str, int]
    """Address and port of this end."""

    def send(self, data: bytes) -> None:
        """Send bytes. Raises ProbeFailed."""

    def close(self) -> None:
        """End it."""


class ProbeNetwork(Protocol):
    """What connects devices to a server."""

    certificate_s: float | None
    """Seconds until the certificate ends that was shown last."""

    def connect(
        self, host: str, port: int, step: Callable[[str], Any], name: str = ""
    ) -> Channel:  # Any: a context manager
        """Connect; `step` is entered for each part of it, by name.

        Args:
            host: Where.
            port: Where.
            step: Measures.
            name: That the certificate has to have, if that is another one than the probe was told.

        Raises:
            ProbeFailed: With the step at which it failed.
        """

    def wait(
        self, channels: Sequence[Any], seconds: float
    ) -> Sequence[tuple[Any, bytes]]:  # Any: a Channel of this network
        """Wait until something comes, at most so long; no bytes: a connection has ended."""


class SocketChannel:
    """A connection with TLS."""

    def __init__(self, line: ssl.SSLSocket, place: str) -> None:
        self.line: Final = line
        self.place = place
        self.here: tuple[str, int] = line.getsockname()[:2]

    def send(self, data: bytes) -> None:
        """Send bytes, within the time that its socket has. Raises ProbeFailed."""
        try:
            self.line.sendall(data)
        except OSError:
            raise advice.closed(self.place) from None

    def close(self) -> None:
        """End it."""
        self.line.close()


class SocketNetwork:
    """Connections with TLS, whose certificate is checked.

    Args:
        timeout_s: Of each wait.
        authority: The file of the authorities that are trusted; None: those of the system.
        name: That the certificate has to have; "": the host's.
        wall: The clock.
    """

    def __init__(self, timeout_s: float, authority: Path | None, name: str, wall: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._name = name
        self._wall = wall
        self.context: Final = _trusting(authority)
        self.certificate_s: float | None = None

    def connect(
        self, host: str, port: int, step: Callable[[str], Any], name: str = ""
    ) -> SocketChannel:  # Any: as above
        """Connect to the first address of a host that answers. Raises ProbeFailed."""
        place = f"{host}:{port}"
        with step("dns"):
            addresses = self._addresses(host, port)
        with step("tcp"):
            raw = self._opened(addresses, place)
        with step("tls"):
            try:
                line = self.context.wrap_socket(raw, server_hostname=name or self._name or host)
            except OSError as error:
                raw.close()
                raise advice.no_tls(place, error) from None
            self.certificate_s = self._seconds_left(line)
        return SocketChannel(line, place)

    def wait(self, channels: Sequence[SocketChannel], seconds: float) -> Sequence[tuple[SocketChannel, bytes]]:
        """Wait until something comes, at most so long; no bytes: a connection has ended."""
        ready = [one for one in channels if one.line.pending()]
        if not ready:
            lines, _, _ = select.select([one.line for one in channels], [], [], max(seconds, 0.0))
            ready = [one for one in channels if one.line in lines]
        found = []
        for one in ready:
            try:
                found.append((one, one.line.recv(READ_BYTES)))
            except ssl.SSLWantReadError:
                continue
            except OSError:
                found.append((one, b""))
        return found

    def _addresses(self, host: str, port: int) -> Sequence[Any]:  # Any: what getaddrinfo gives
        """Resolve a name, in a thread: the system has no limit of ours."""
        found: list[Any] = []

        def resolve() -> None:
            try:
                found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as error:
                found.append(error)
            except UnicodeError:
                found.append(OSError(0, "it is no name"))

        thread = threading.Thread(target=resolve, daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not found:
            raise advice.no_name(host, OSError(0, "the name server does not answer"))
        if isinstance(found[0], OSError):
            raise advice.no_name(host, found[0])
        return found

    def _opened(self, addresses: Sequence[Any], place: str) -> socket.socket:  # Any: as above
        trouble = OSError(0, "there is no address")
        for family, kind, protocol, _, address in addresses:
            raw = socket.socket(family, kind, protocol)
            raw.settimeout(self._timeout_s)
            try:
                raw.connect(address)
            except OSError as error:
                raw.close()
                trouble = error
                continue
            return raw
        raise advice.no_connection(place, trouble)

    def _seconds_left(self, line: ssl.SSLSocket) -> float | None:
        ends = (line.getpeercert() or {}).get("notAfter")
        if not isinstance(ends, str):
            return None
        at = datetime.strptime(ends, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        return at.timestamp() - self._wall()


def _trusting(authority: Path | None) -> ssl.SSLContext:
    """Give a context that checks certificates. Raises ProbeFailed."""
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as error:
        why = f"--ca {authority} cannot be used: {error.strerror or error}"
        raise ProbeFailed(why, "name a file with certificates in PEM", ProbeStatus.UNKNOWN) from None
    # Certificates of a company's own authority may lack what newer versions of Python insist on.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context
