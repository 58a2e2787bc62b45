"""What a NATS server says first: an operator's look at the bus, before a start. Blocks."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lyncpy.backends.nats.address import Place
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import SecretUnusable, read_credentials
from lyncpy.backends.nats.frames import Frame, FrameDecoder, Garbled, ServerInfo
from lyncpy.backends.nats.settings import Settings

ANSWER_S: Final = 3.0
"""That the first word may take, as a whole."""


class ProbeFailed(Exception):
    """It does not answer as it has to; the sentence says why."""


def first_word(place: Place) -> ServerInfo:
    """Connect, and give the INFO of a server; nothing is said to it.

    Raises:
        ProbeFailed: There is none, or it is no NATS server.
    """
    decoder = FrameDecoder()
    found: Sequence[Frame] = ()
    try:
        with socket.create_connection((place.host, place.port), ANSWER_S) as connection, _within(ANSWER_S, connection):
            while not found and (data := connection.recv(4096)):
                found = decoder.feed(data)
    except OSError as error:
        raise ProbeFailed(error.strerror or "it says nothing") from None
    if not found:
        raise ProbeFailed("it says nothing")
    first = found[0]
    if not isinstance(first, ServerInfo):
        raise ProbeFailed(first.reason if isinstance(first, Garbled) else "it does not begin with INFO")
    return first


@contextlib.contextmanager
def _within(limit_s: float, connection: socket.socket) -> Iterator[None]:
    """Break a connection off after a time: the timeout of a socket begins anew with each byte."""

    def end() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_s, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def objection_to_files(settings: Settings, home: Path) -> str:
    """Say what is wrong with the files that [bus] names; "" when nothing is."""
    try:
        read_credentials("", settings, home)
        if settings.ca_file:
            CheckedServer(["localhost"], home / settings.ca_file)
    except (SecretUnusable, AuthoritiesUnusable) as error:
        return str(error)
    return ""
