"""What a NATS server says first: an operator's look at the bus, before a start. Blocks."""

import socket
from collections.abc import Sequence
from pathlib import Path

from lyncpy.backends.nats.address import Place
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import NkeyUnusable, read_nkey
from lyncpy.backends.nats.frames import Frame, FrameDecoder, Garbled, ServerInfo
from lyncpy.backends.nats.settings import Settings

ANSWER_S = 3.0


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
        with socket.create_connection((place.host, place.port), ANSWER_S) as connection:
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


def objection_to_files(settings: Settings, home: Path) -> str:
    """Say what is wrong with the files that [bus] names; "" when nothing is."""
    try:
        if settings.password_file:
            (home / settings.password_file).read_text("utf-8-sig")
        if settings.nkey_file:
            read_nkey((home / settings.nkey_file).read_text("utf-8-sig"))
        if settings.ca_file:
            CheckedServer("localhost", home / settings.ca_file)
    except (OSError, UnicodeDecodeError, NkeyUnusable, AuthoritiesUnusable) as error:
        return str(error)
    return ""
