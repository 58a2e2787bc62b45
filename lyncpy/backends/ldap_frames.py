"""What an LDAP server sends, message by message, and no more than may come.

ldap3 reads four kilobytes at a time and copies all that it has at each, so that a long message
costs the square of its length, and it stops at no length. Under it stands this: whole messages,
each read once, with a bound for one and for all that are kept together.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

_SEQUENCE: Final = 0x30
"""What every LDAPMessage begins with (RFC 4511 §4.2, BER)."""

_LONG: Final = 0x80
_LENGTH_BYTES: Final = 4
"""More bytes of a length than that are no message that anybody could take."""

_CHUNK: Final = 262_144


class TooMuch(OSError):
    """More came than may."""


class Frames:
    """A socket from which each read gives one whole message; all else is the socket's own.

    Args:
        sock: TCP or TLS, with its time limit.
        entry_bytes: The longest message: it holds one entry.
        pull_bytes: All messages together, until `count_each`.
        refuse: Told which setting stands in the way, before the read fails.
    """

    def __init__(
        self, sock: socket.socket, *, entry_bytes: int, pull_bytes: int, refuse: Callable[[str], None]
    ) -> None:
        self.sock: Final = sock
        self._entry_bytes = entry_bytes
        self._pull_bytes = pull_bytes
        self._refuse = refuse
        self._taken = 0
        self._counts_each = False

    def __getattr__(self, name: str) -> Any:  # Any: whatever the socket has
        return getattr(self.sock, name)

    def count_each(self) -> None:
        """Count each message by itself from now on: whoever reads them keeps none."""
        self._counts_each = True

    def recv(self, _size: int) -> bytes:
        """Receive one whole message; or the bytes so far where the connection ends, or where they are no LDAP."""
        data = self._exactly(2)
        # Spec: RFC 4511 §4.1.1: each message is a SEQUENCE. Other bytes are given as they are: the library refuses them.
        if len(data) < 2 or data[0] != _SEQUENCE:
            return data
        length = data[1]
        # The low bits say how many bytes the length has; 0 is the indefinite form, which LDAP forbids (RFC 4511 §5.1).
        if length & _LONG:
            size = length & ~_LONG
            if not 0 < size <= _LENGTH_BYTES:
                return data
            more = self._exactly(size)
            data += more
            if len(more) < size:
                return data
            length = int.from_bytes(more, "big")
        self._taken = length if self._counts_each else self._taken + length
        if length > self._entry_bytes:
            self._stop("entry_bytes")
        if self._taken > self._pull_bytes:
            self._stop("pull_bytes")
        return data + self._exactly(length)

    def _stop(self, setting: str) -> None:
        self._refuse(setting)
        raise TooMuch(setting)

    def _exactly(self, count: int) -> bytes:
        """Read so many bytes, fewer at the end of the connection."""
        data = bytearray()
        while len(data) < count:
            piece = self.sock.recv(min(count - len(data), _CHUNK))
            if not piece:
                break
            data += piece
        return bytes(data)
