"""A reactor turned by hand, and a TLS client cut into bytes: sockets without ports and without waiting."""

import select
import socket
import ssl
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.kit.certificates import authority


class Pump(Clock):
    """As much of a reactor as a descriptor needs: who is ready is asked with `turn`."""

    def __init__(self) -> None:
        """Begin with nobody to watch."""
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        """Watch for bytes to read."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Watch no more."""
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        """Watch for room to write."""
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Watch no more."""
        self.writers.discard(writer)

    def turn(self, times: int = 1) -> None:
        """Do once what each ready descriptor has to do, and what is due."""
        for _ in range(times):
            readable, writable, _broken = select.select(list(self.readers), list(self.writers), [], 0)
            for descriptor in {*readable, *writable}:
                # As the poller does: both halves, unless the first ended the connection.
                if descriptor in readable and self._ended(descriptor, descriptor.doRead):
                    continue
                if descriptor in writable and descriptor.fileno() >= 0:
                    self._ended(descriptor, descriptor.doWrite)
            self.advance(0)

    def is_busy(self) -> bool:
        """Whether some descriptor could do something now: a reactor with this for long would be spinning."""
        return any(select.select(list(self.readers), list(self.writers), [], 0)[:2])

    def _ended(self, descriptor: Any, do: Callable[[], Exception | None]) -> bool:
        why = do()
        if why is not None:
            self.readers.discard(descriptor)
            self.writers.discard(descriptor)
            descriptor.connectionLost(Failure(why))
        return why is not None


class TlsClient:
    """The other end: Python's own TLS over memory, so that every byte can be held back."""

    def __init__(self, sock: socket.socket, *, version: ssl.TLSVersion | None = None) -> None:
        """Speak TLS over a connected socket; `version` allows no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=authority().pem.decode())
        # The clock of the tests stands in 2030.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version is not None:
            context.minimum_version = context.maximum_version = version
        sock.setblocking(False)
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="sip.example.com")
        self.shaken = False

    def shake(self) -> bool:
        """Go on with the handshake as far as it goes; what is to be sent waits for `pending`."""
        self._fetch()
        try:
            self._tls.do_handshake()
            self.shaken = True
        except ssl.SSLWantReadError:
            pass
        return self.shaken

    def write(self, data: bytes) -> None:
        """Encrypt; what is to be sent waits for `pending`."""
        self._tls.write(data)

    def pending(self) -> bytes:
        """Take the bytes that should be sent."""
        return self._out.read()

    def send(self, data: bytes = b"") -> None:
        """Encrypt and send at once."""
        if data:
            self.write(data)
        if pending := self.pending():
            self.sock.sendall(pending)

    def read(self) -> bytes:
        """Give what has come; b"" when there is nothing now."""
        self._fetch()
        came = []
        try:
            while data := self._tls.read(65536):
                came.append(data)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return b"".join(came)

    def fetch_once(self, size: int) -> None:
        """Take a few raw bytes from the socket: a client that reads slowly."""
        try:
            data = self.sock.recv(size)
        except (BlockingIOError, ConnectionResetError):
            return
        if data:
            self._in.write(data)

    def say_goodbye(self) -> bool:
        """Send the close alert; True when the server's has come."""
        self._fetch()
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self.send()
            return False
        self.send()
        return True

    def is_ended(self) -> bool:
        """Whether the server has closed the stream, with nothing left to read."""
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def _fetch(self) -> None:
        while True:
            try:
                data = self.sock.recv(65536)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            self._in.write(data)
