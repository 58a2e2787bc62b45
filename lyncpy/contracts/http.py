"""What a workload answers over HTTP, and for whom. Values only; nobody here knows a socket.

A workload offers resources; the site (`workloads/web`) finds the one that was asked for,
learns who asks and finishes the answer; `wire/http.py` carries both.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from zope.interface import Interface

from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.names import Aor


class HttpReaderKind(enum.Enum):
    """How a reader over HTTP is authenticated."""

    ANONYMOUS = "anonymous"
    SIGNED_IN = "signed-in"
    """A user who proved their password."""

    NAMED = "named"
    """A program that showed a token which an administrator gave it."""


@dataclass(frozen=True, slots=True)
class HttpReader:
    """Who asks."""

    kind: HttpReaderKind
    aor: Aor | None = None
    """As whom they are judged; None for an anonymous one."""

    name: str = ""
    """The name of the token, for an operator."""

    proof: str = ""
    """The WWW-Authenticate of the answer, by which this server proves itself to the reader; "": they did not ask."""

    password: str = field(default="", repr=False)
    """The right one, which they have sent; "": they proved themselves otherwise."""


ANYBODY: Final = HttpReader(HttpReaderKind.ANONYMOUS)
GET: Final = ("GET",)


@dataclass(frozen=True, slots=True)
class HttpAsked:
    """One request, whole and within its bounds."""

    method: str
    """In capitals. A resource that answers GET is never asked HEAD: the site makes that of it."""

    host: str
    """The Host that the client meant, lower case, without a port; "" when it said none."""

    path: str
    """Begins with a slash; percent-encoding undone, no query."""

    query: Mapping[str, str] = field(default_factory=dict)
    """The first value of each name; an empty one too."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case; several of one name are joined with commas. May hold credentials: never logged."""

    body: bytes = field(default=b"", repr=False)
    peer: str = ""
    """The client's network address, without a port."""

    connection: str = ""
    """Names the connection, for as long as this process runs: all requests that come over it have the same."""

    is_secure: bool = True
    """Whether it came by TLS."""

    certificate: str = ""
    """Whose certificate the connection has shown, which an authority of the operators has issued; "": none."""

    reader: HttpReader = ANYBODY


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; the site adds the headers that every answer has."""

    status: int
    content_type: str = ""
    """With its charset; "" when there is no body."""

    body: bytes = field(default=b"", repr=False)
    etag: str = ""
    """A strong validator without its quotes: equal exactly when the bytes are equal; "": none."""

    cache: str = "no-store"
    """The Cache-Control."""

    headers: tuple[tuple[str, str], ...] = ()
    refused: str = ""
    """Why, in the word of a protocol that has its own; one of a few, and never the client's. "": the status says it, or it is no refusal."""


HttpRefusal = Callable[[str, int, str], HttpAnswer]
"""Writes that nothing is given, in the form of an address: its path, the status, a sentence ("": the status says all)."""


def plain(_path: str, status: int, sentence: str) -> HttpAnswer:
    """Write a refusal as text, for people."""
    text = f"{status} {phrase_of(status)}\n"
    text += f"{sentence[:1].upper()}{sentence[1:]}.\n" if sentence else ""
    return HttpAnswer(status, "text/plain; charset=utf-8", text.encode())


def phrase_of(status: int) -> str:
    """Give what HTTP calls a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class HttpRefused(Exception):
    """A request refused over HTTP, with a sentence that the client may read."""

    def __init__(self, status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


@dataclass(frozen=True, slots=True)
class HttpResource:
    """A path, or all paths below it, and the function that answers there.

    The longest path that fits wins, and of two that are the same the one with a host. `answer` may
    raise HttpRefused, RemoteProtocolError (400) or WorldUnavailable (503).
    """

    path: str
    """One path, or with a slash at its end everything that begins with it."""

    answer: Callable[[HttpAsked], Awaitable[HttpAnswer]]
    methods: tuple[str, ...] = GET
    readers: frozenset[HttpReaderKind] = frozenset({HttpReaderKind.ANONYMOUS})
    """Who may ask; not empty."""

    refusal: HttpRefusal = plain
    """How all that is not answered there is told, by whomever: the resource, the site, or the wire, for which a request is too large."""

    host: str = ""
    """Answers only under this name, lower case; "": under every name."""

    is_plain: bool = False
    """Whether it is there without TLS as well; nobody is asked for credentials there."""

    handshakes: bool = False
    """Whether users may prove their password by NTLM as well as by Basic. All steps of that come over one connection of the
    client's own, so pages for browsers, which may come through a proxy, do without it."""


class IPasswords(Interface):
    """Whether a password is somebody's."""

    def check(login: str, password: str, peer: str) -> Awaitable[Aor | AuthenticationDenied]:
        """Give whose login and password these are, which come from this network address.

        A wrong name takes as long as a wrong password. Nobody counts tries here.
        """


class INtlmHandshakes(Interface):
    """Passwords proved by NTLM over HTTP ([MS-NTHT]): a NEGOTIATE message, a challenge, its answer, all on one connection.

    An answer is good for the request that brings it, and for no later one. Nobody counts tries here.
    """

    def challenge(connection: str, token: str) -> str | None:
        """Give the CHALLENGE (base64) that answers a NEGOTIATE message; None when the token is an answer to one.

        Raises:
            RemoteProtocolError: It is too long, or no base64.
        """

    def account(token: str) -> tuple[str, str]:
        """Give domain ("" if none) and user that an answer names.

        Raises:
            RemoteProtocolError: It is no answer that can be read.
        """

    def check(connection: str, token: str, peer: str) -> Awaitable[Aor | AuthenticationDenied]:
        """Give the address of the person whose password an answer proves.

        A wrong name takes as long as a wrong password. A challenge can be answered once.

        Args:
            peer: The network address that sends it.

        Raises:
            RemoteProtocolError: It is no answer that can be read.
        """

    def drop(connection: str) -> None:
        """Drop the handshake of a connection that is over, if there was one."""


@dataclass(frozen=True, slots=True)
class TicketProof:
    """Somebody has shown a ticket that holds."""

    aor: Aor
    principal: str
    """As the KDC wrote it, for an operator."""

    reply: str
    """The token that proves this server to them, in base64; "": they did not ask."""


class ITicketHandshakes(Interface):
    """Tickets of Kerberos shown over HTTP (RFC 4559). Nobody counts tries here."""

    def check(token: str, peer: str) -> Awaitable[object]:
        """Give the `TicketProof` of a token (base64), or an `AuthenticationDenied`. Each is good once.

        Args:
            peer: The network address that shows it.

        Raises:
            RemoteProtocolError: It is too long, or no base64.
        """
