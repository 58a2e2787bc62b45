"""A directory on the wire that says what a test wants, byte by byte (RFC 4511)."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PAGED: Final = b"1.2.840.113556.1.4.319"
BIND: Final = 0x60
BOUND: Final = 0x61
SEARCHED: Final = 0x65


def ber(tag: int, content: bytes) -> bytes:
    """Write one value, with a length of four bytes."""
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content


def message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    """Write an LDAPMessage (RFC 4511 §4.1.1)."""
    return ber(0x30, ber(2, number.to_bytes(4, "big")) + operation + controls)


def entry(number: int, dn: str, name: str, *values: bytes) -> bytes:
    """Write a SearchResultEntry with one attribute."""
    attribute = ber(0x30, ber(4, name.encode()) + ber(0x31, b"".join(ber(4, value) for value in values)))
    return message(number, ber(0x64, ber(4, dn.encode()) + ber(0x30, attribute)))


def done(
    number: int, cookie: bytes = b"", code: int = 0, tag: int = SEARCHED, more: bytes = b"", told: str = ""
) -> bytes:
    """Write the end of a search, with the cookie of the next page, or of a bind; `told` is what the server says of it."""
    value = ber(0x30, ber(2, b"\0") + ber(4, cookie))
    controls = ber(0xA0, ber(0x30, ber(4, PAGED) + ber(4, value))) if tag == SEARCHED else b""
    return message(number, ber(tag, ber(10, bytes((code,))) + ber(4, b"") + ber(4, told.encode()) + more), controls)


def request(data: bytes) -> tuple[int, int]:
    """Read the number of a message and what it asks for; its length may be written in any way."""
    start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    end = start + 2 + data[start + 1]
    return int.from_bytes(data[start + 2 : end], "big"), data[end]


Answers = Callable[[int, int], Iterator[bytes]]
"""Message number and how many searches came before → what is sent."""


@contextmanager
def server(answers: Answers, bound: Callable[[int], bytes] = lambda number: done(number, tag=BOUND)) -> Iterator[str]:
    """A directory that answers searches so; give its URL.

    Args:
        answers: To searches.
        bound: To a bind, by the number of its message; everybody is let in unless it says something else.
    """
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        sock, _ = listening.accept()
        with sock:
            sock.settimeout(20)
            count = -1
            try:
                while data := sock.recv(65_536):
                    number, operation = request(data)  # one short one at a time
                    if operation == BIND:
                        sock.sendall(bound(number))
                        continue
                    count += 1
                    for piece in answers(number, count):
                        sock.sendall(piece)
            except OSError:
                pass  # the client has had enough

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()
        thread.join(20)
