"""TLS as a client begins it, with Python's own `ssl`."""

import socket
import ssl
from typing import Any


def secured(context: ssl.SSLContext, raw: socket.socket, name: str) -> ssl.SSLSocket:
    """Begin TLS with a server of this name; when that fails the connection is closed.

    `ssl` leaves that to the garbage collector, with a warning, when the server has reset the connection before.
    """
    made: list[ssl.SSLSocket] = []

    class Remembered(ssl.SSLSocket):
        def __new__(cls, *args: Any, **named: Any) -> "Remembered":  # Any: those of a socket
            made.append(super().__new__(cls, *args, **named))
            return made[-1]  # type: ignore[return-value]  # it is one

    context.sslsocket_class = Remembered
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        for one in made:
            one.close()
        raise
