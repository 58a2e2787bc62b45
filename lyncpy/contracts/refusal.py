"""A deliberate no: status, diagnostics and body ([MS-OCER])."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import SERVER, Headers, Request, Response, phrase_of, response_to
from lyncpy.sip.plain import clean

# A reason may repeat what the peer wrote; then it must not end the quotes, or the line.
_QUOTABLE: Final = {ord('"'): "'", ord("\\"): "/", **dict.fromkeys((*range(32), 127), " ")}


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """An error id that clients know, and the reason that they show.

    The reason tells a user nothing about our insides; causes go to the log.
    """

    error_id: int
    reason: str
    public: bool = False
    """True: `ms-diagnostics-public`, which may leave the enterprise."""

    def header(self) -> tuple[str, str]:
        """Give the header's name and value; the source is added when it leaves, see `explained`.

        Spec: [MS-OCER] 2.2.1.1; what may leave the enterprise names no host of it.
        """
        name = "ms-diagnostics-public" if self.public else "ms-diagnostics"
        return name, f'{self.error_id};reason="{self._quotable}"'

    def web_header(self, host: str) -> tuple[str, str]:
        """Give name and value of the header in which clients read why a web service does not let them in.

        Args:
            host: The server that says so.

        Spec: [MS-OCAUTHWS] 3.2.4.1.
        """
        return "X-Ms-diagnostics", f'{self.error_id};"{host}";"{self._quotable}";"wsse:FailedAuthentication"'

    @property
    def _quotable(self) -> str:
        return clean(self.reason).translate(_QUOTABLE)


class Refused(Exception):
    """A request is refused; `Dispatch` turns this into its one final response.

    Args:
        status: Of the response.
        diagnostics: The ms-diagnostics header, if any.
        headers: Further headers of the response.
        content_type, body: Its body, if any.
        phrase: Replaces the usual reason phrase.
    """

    def __init__(
        self,
        status: int,
        diagnostics: Diagnostics | None = None,
        *,
        headers: Sequence[tuple[str, str]] = (),
        content_type: str | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(status, diagnostics.reason if diagnostics else "")
        self.status = status
        self.diagnostics = diagnostics
        self.headers = tuple(headers)
        self.content_type = content_type
        self.body = body

    def response(self, request: Request) -> Response:
        """Give the final response to `request`."""
        headers = list(self.headers)
        if self.diagnostics is not None:
            headers.append(self.diagnostics.header())
        return response_to(request, self.status, headers=headers, content_type=self.content_type, body=self.body)


NO_DIALOG: Final = Diagnostics(1004, "Route set is no longer valid")
"""Of a 481: the dialog has ended, or is not the sender's."""

NOTHING_TO_CANCEL: Final = Diagnostics(1018, "Nothing to cancel")
"""Of a 481 to CANCEL: there is no such INVITE."""

TOO_MANY_HOPS: Final = Diagnostics(1007, "Temporarily cannot route")
"""Of a 483."""

EXPECTED_FAILURE: Final = 61_000
"""The first of the numbers that [MS-OCER] leaves to a server for failures that it has no number for."""

_UNEXPLAINED: Final[Mapping[int, Diagnostics]] = {
    500: Diagnostics(0, "Server internal error"),
    503: Diagnostics(1, "Service unavailable"),
    504: Diagnostics(1, "Service unavailable"),
}

_SERVER: Final = Headers([("Server", SERVER)])

_CHALLENGES: Final = (401, 407)
"""They are no failures, and nobody explains them unless a handshake came before that was one."""


def explained(response: Response, source: str) -> Response:
    """Return a response as it leaves this server: with a Server header, and with reason and source what we explain ourselves.

    What an endpoint answered and is only passed on is known by its not having a Server yet: an endpoint's own
    was taken away (`sip.trust`). It gets no reason, which would be another's. Not to be called twice.

    Args:
        source: This server's host name.

    Spec: [MS-OCER] 2.2.1.1.
    """
    keys = response.headers.layout.places
    if "server" not in keys:
        return response.plus(last=_SERVER)
    is_refusal = response.status >= 300 and response.status not in _CHALLENGES
    if not is_refusal and "ms-diagnostics" not in keys:
        return response
    if "ms-diagnostics-public" in keys and "ms-diagnostics" not in keys:
        return response
    said = response.headers.get("ms-diagnostics")
    if said is None:
        general = Diagnostics(EXPECTED_FAILURE + response.status, response.phrase or phrase_of(response.status))
        said = _UNEXPLAINED.get(response.status, general).header()[1]
    return response.edited(put=[("ms-diagnostics", f'{said};source="{source}"')])


class WorldUnavailable(Exception):
    """Something outside of this process failed: a store, a bus, a directory."""


class StoreUnavailable(WorldUnavailable):
    """The store cannot be read or written now."""


class DirectoryUnavailable(WorldUnavailable):
    """The directory cannot be read now; its text says what failed, for an operator."""


class NoNotices(DirectoryUnavailable):
    """The directory does not tell of changes; the text says why, and what would have it do so."""


def translated(error: Exception) -> Refused:
    """Turn any error into the refusal that its kind deserves.

    The peer's fault becomes its 4xx, the world's a 503 with Retry-After, ours a 500.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, RemoteProtocolError):
        return Refused(error.status, Diagnostics(1018, error.reason))
    if isinstance(error, WorldUnavailable):
        return Refused(503, Diagnostics(1, "Service unavailable"), headers=[("Retry-After", "30")])
    return Refused(500, Diagnostics(0, "Server internal error"))
