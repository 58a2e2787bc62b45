"""What a workload answers over HTTP, and for whom. Values only; nobody here knows a socket.

A workload offers resources; the site (`workloads/web`) finds the one that was asked for,
learns who asks and finishes the answer; `wire/http.py` carries both.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from zope.interface import Interface

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

    host: str = ""
    """Answers only under this name, lower case; "": under every name."""


class IPasswords(Interface):
    """Whether a password is somebody's."""

    def check(login: str, password: str) -> Awaitable[object]:
        """Give the `Aor` whose login and password these are, or a `Denied` (contracts.authenticator).

        A wrong name takes as long as a wrong password. Nobody counts tries here.
        """
