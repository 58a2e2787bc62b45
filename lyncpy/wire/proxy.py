"""The PROXY header: a relay's first bytes, which tell for whom a connection is. Pure.

Versions 1 (a line of text) and 2 (binary) of the protocol of HAProxy. It is read byte by
byte as far as it certainly reaches, because what follows (TLS) is read by somebody else.
It is believed from relays that a setting names, and from nobody else.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_WORD: Final = b"PROXY "
_SHORTEST: Final = len("PROXY UNKNOWN\r\n")
_LONGEST: Final = 107
"""Of version 1, its line end included (section 2.1)."""

_BINARY_HEAD: Final = 16
_BINARY_LONGEST: Final = 2048
"""Of what follows the head of version 2: addresses, and details that nobody here reads."""

_LOCAL, _PROXY = 0x20, 0x21
_FAMILIES: Final = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
"""Family and transport (TCP) → family, bytes of an address."""


class Malformed(ValueError):
    """What a relay sent is no PROXY header."""


class ProxyHeader:
    """One header on its way in."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.address: str | None = None
        """The client's address once the header is whole; "": the relay speaks for itself (a check of its own)."""

        self.port = 0
        """And port; 0 while nobody has told it."""

    @property
    def wants(self) -> int:
        """Give the number of bytes that certainly belong to the header still; 0: it is whole."""
        if self.address is not None:
            return 0
        data = self._data
        if len(data) < _SHORTEST:
            return _SHORTEST - len(data)
        if data.startswith(SIGNATURE):
            if len(data) < _BINARY_HEAD:
                return _BINARY_HEAD - len(data)
            return _BINARY_HEAD + int.from_bytes(data[14:16]) - len(data)
        return 1 if data.endswith(b"\r") else 2

    def feed(self, data: bytes) -> None:
        """Read at most `wants` bytes of the header.

        Raises:
            Malformed: It is no PROXY header.
        """
        self._data += data
        begun = bytes(self._data)
        if begun.startswith(SIGNATURE):
            self._read_binary(begun)
        elif begun.startswith(_WORD):
            self._read_line(begun)
        elif not (SIGNATURE.startswith(begun) or _WORD.startswith(begun)):
            raise Malformed("no PROXY header")

    def read_header(self, data: bytes) -> bytes:
        """Read what of the header is there; give the bytes that follow it.

        Raises:
            Malformed: It is no PROXY header.
        """
        while self.wants and data:
            part, data = data[: self.wants], data[self.wants :]
            self.feed(part)
        return data

    def _read_line(self, data: bytes) -> None:
        if data.endswith(b"\r\n"):
            self.address, self.port = _of_line(data[:-2])
        elif b"\n" in data or len(data) >= _LONGEST:
            raise Malformed("its line does not end")

    def _read_binary(self, data: bytes) -> None:
        if len(data) < _BINARY_HEAD:
            return
        command, family, length = data[12], data[13], int.from_bytes(data[14:16])
        # The PROXY protocol, version 2 (section 2.2): the high half of this byte is the version, the low one the command.
        if command not in (_LOCAL, _PROXY):
            raise Malformed("version or command is unknown")
        if length > _BINARY_LONGEST:
            raise Malformed("it is too long")
        if len(data) < _BINARY_HEAD + length:
            return
        # The relay's own health check: there is no client, and what follows is skipped.
        if command == _LOCAL:
            self.address = ""
            return
        known = _FAMILIES.get(family)
        if known is None:
            raise Malformed("only TCP over IPv4 and IPv6 is relayed here")
        kind, size = known
        # Two addresses and two ports; more may follow, which is skipped.
        if length < 2 * size + 4:
            raise Malformed("its addresses are cut off")
        self.address = _plain(socket.inet_ntop(kind, data[_BINARY_HEAD : _BINARY_HEAD + size]))
        at = _BINARY_HEAD + 2 * size
        self.port = int.from_bytes(data[at : at + 2])


class Relayed(Protocol):
    """The protocol of a connection that begins with a PROXY header."""

    preamble: ProxyHeader | None

    def relayed(self, address: str, port: int) -> bool:
        """Note the whole header; False: there is no room for its client."""

    def malformed(self, reason: str) -> None:
        """End a connection without such a header."""


def read_preamble(connection: Relayed, preamble: ProxyHeader, data: bytes, abort: Callable[[], None]) -> bytes | None:
    """Read a relay's header on a connection without TLS, and tell the connection for whom it is.

    Args:
        abort: Ends a connection that has no room.

    Returns:
        The bytes that follow; None: it is not whole yet, or the connection ends.
    """
    try:
        data = preamble.read_header(data)
    except Malformed as error:
        connection.malformed(str(error))
        return None
    if preamble.address is None:
        return None
    if not connection.relayed(preamble.address, preamble.port):
        abort()
        return None
    return data


def _of_line(line: bytes) -> tuple[str, int]:
    words = line.split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return "", 0
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise Malformed("it has not the six words of version 1")
    try:
        source, target = (ip_address(word.decode("ascii")) for word in words[2:4])
        ports = [int(word) for word in words[4:6] if word.isdigit() and len(word) <= 5]
    except ValueError:
        raise Malformed("its addresses cannot be read") from None
    version = 4 if words[1] == b"TCP4" else 6
    if (source.version, target.version) != (version, version) or len(ports) != 2 or max(ports) > 65535:
        raise Malformed("its addresses cannot be read")
    if b"%" in line:
        # Python takes any text for the zone of an IPv6 address; the protocol knows none (section 2.1).
        raise Malformed("its addresses have a zone")
    return _plain(str(source)), ports[0]


def _plain(address: str) -> str:
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(found if mapped is None else mapped)
