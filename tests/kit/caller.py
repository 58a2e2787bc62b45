"""A client by hand on a real socket: it signs in, signs what it sends, and sends whatever bytes a test wants.

It blocks, always with a time limit. What it hears is read by the server's own decoder, and
every signature of the server is checked; a test that reads an answer knows that it is one.
"""

import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex
from typing import ClassVar, Final, Self

from lyncpy.sip.decoder import Decoder, DecoderLimits, Garbled, Ping
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Request, Response, new_branch, response_to
from tests.kit.kerberos_client import KerberosKeys
from tests.kit.ntlm_client import NtlmClient, challenge_of
from tests.kit.tls_client import secured

PATIENCE_S: Final = 10.0

Heard = Request | Response


class Silence(AssertionError):
    """Nothing came in time."""


class Gone(AssertionError):
    """The server has closed the connection."""


class NotSignedIn(AssertionError):
    """A sign-in was answered with something else than 200."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"sign-in failed: {response}")
        self.response: Final = response


class Line:
    """One connection: bytes out, messages in."""

    _all: ClassVar[set["Line"]] = set()

    def __init__(self, port: int, *, ca: Path | None = None) -> None:
        """Connect to 127.0.0.1; with an authority's certificate, by TLS."""
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = plain
        if ca is not None:
            self.socket = secured(ssl.create_default_context(cafile=str(ca)), plain, "127.0.0.1")
        Line._all.add(self)
        self._decoder = Decoder(DecoderLimits(head_bytes=262_144, headers=1_000, body_bytes=16_777_216))
        self._waiting: deque[Heard] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        Line._all.discard(self)
        self.socket.close()

    @classmethod
    def close_all(cls) -> None:
        """Hang up everywhere: after a test, however it ended."""
        for line in tuple(cls._all):
            line.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; the server may have hung up."""
        try:
            self.socket.settimeout(PATIENCE_S)
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone(str(error)) from None

    def hear(self, timeout_s: float = PATIENCE_S) -> Heard:
        """Give the next message.

        Raises:
            Silence: None came in time.
            Gone: The server hung up.
        """
        until = time.monotonic() + timeout_s
        while not self._waiting:
            self.socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError):
                raise Silence(f"nothing within {timeout_s} s") from None
            except (ConnectionError, ssl.SSLError) as error:
                raise Gone(str(error)) from None
            if not data:
                raise Gone("closed by the server")
            for item in self._decoder.feed(data):
                assert not isinstance(item, Garbled), f"the server sent nonsense: {item}"
                if not isinstance(item, Ping):
                    self._waiting.append(item)
        return self._waiting.popleft()

    def is_closed(self, within_s: float = PATIENCE_S) -> bool:
        """Tell whether the server hangs up within some time; what it still says is not read."""
        until = time.monotonic() + within_s
        with contextlib.suppress(Silence):
            try:
                while True:
                    self.hear(max(0.001, until - time.monotonic()))
            except Gone:
                return True
        return False


class Caller:
    """One device of one user, or a stranger until it signs in."""

    def __init__(
        self,
        line: Line,
        address: str,
        password: str = "",
        *,
        epid: str = "",
        version: int = 4,
        keys: KerberosKeys | None = None,
    ) -> None:
        self.line = line
        self.aor = f"sip:{address}"
        self.epid = epid or token_hex(6)
        self.contact = f"<{self.aor};opaque=user:epid:{self.epid};gruu>"
        self.keys = keys or NtlmClient(address, password, version=version, wall=time.time)
        self.heard: deque[Heard] = deque()
        """What came while something else was awaited, in order."""
        self._count = 0

    def request(
        self,
        method: str,
        uri: str = "",
        *,
        to: str = "",
        from_: str = "",
        call_id: str = "",
        cseq: int = 0,
        headers: Iterable[tuple[str, str]] = (),
        content_type: str = "",
        body: bytes = b"",
    ) -> Request:
        """Write a request, unsigned; to the user himself, unless it says otherwise."""
        self._count += 1
        fields = [
            ("Via", f"SIP/2.0/TCP 127.0.0.1:5;branch={new_branch()}"),
            ("From", from_ or f"<{self.aor}>;tag={token_hex(5)};epid={self.epid}"),
            ("To", to or f"<{uri or self.aor}>"),
            ("Call-ID", call_id or token_hex(12)),
            ("CSeq", f"{cseq or self._count} {method}"),
            ("Max-Forwards", "70"),
            ("Contact", self.contact),
            *headers,
        ]
        if content_type:
            fields.append(("Content-Type", content_type))
        return Request(method, uri or self.aor, Headers(fields), body)

    def register(self, expires_s: int = 3600) -> Request:
        """Write a REGISTER, unsigned."""
        return self.request(
            "REGISTER",
            self.aor.replace(self.aor.partition("@")[0] + "@", "sip:"),
            to=f"<{self.aor}>",
            headers=[("Supported", "gruu-10, msrtc-event-categories"), ("Expires", str(expires_s))],
        )

    def sign_in(self) -> Self:
        """Go through the handshake; the 200 has to be signed."""
        self.line.send(encode(self.register()))
        for _ in range(self.keys.steps):
            refused = self._final()
            assert refused.status == 401, f"no challenge: {refused}"
            self.line.send(encode(self.keys.answer(self.register(), challenge_of(refused, self.keys.scheme))))
        accepted = self._final()
        if accepted.status != 200:
            raise NotSignedIn(accepted)
        return self

    def _final(self) -> Response:
        while True:
            message = self.hear()
            if isinstance(message, Response) and message.status >= 200:
                return message

    def hear(self, timeout_s: float = PATIENCE_S) -> Heard:
        """Give the next message from the line, its signature checked."""
        message = self.line.hear(timeout_s)
        if self.keys.ready and not (isinstance(message, Response) and message.status == 401):
            assert self.keys.verify(message), f"the server's signature does not hold: {message}"
        return message

    def send(self, message: Request | Response) -> None:
        """Sign and send."""
        self.line.send(encode(self._signed(message)))

    def _signed(self, message: Request | Response) -> Request | Response:
        if not self.keys.ready:
            return message
        if isinstance(message, Request):
            return self.keys.sign(message)
        return self.keys.sign(message)  # the same, but for another kind, as its type has it

    def ask(self, request: Request, timeout_s: float = PATIENCE_S) -> Response:
        """Sign and send a request, and give its final answer; what else comes meanwhile is kept in `heard`."""
        self.send(request)
        return self.answer_to(request, timeout_s)

    def answer_to(self, request: Request, timeout_s: float = PATIENCE_S) -> Response:
        """Wait for the final answer to a request that was sent."""

        def is_answer(message: Heard) -> bool:
            if not isinstance(message, Response) or message.status < 200:
                return False
            return (message.headers.get("Call-ID"), message.headers.get("CSeq")) == (
                request.headers.get("Call-ID"),
                request.headers.get("CSeq"),
            )

        found = self.await_(is_answer, timeout_s)
        assert isinstance(found, Response)
        return found

    def await_request(self, method: str, timeout_s: float = PATIENCE_S) -> Request:
        """Wait for a request of the server, or of somebody behind it."""
        found = self.await_(lambda message: isinstance(message, Request) and message.method == method, timeout_s)
        assert isinstance(found, Request)
        return found

    def await_(self, is_wanted: Callable[[Heard], bool], timeout_s: float = PATIENCE_S) -> Heard:
        """Wait for a message; others are kept."""
        for message in self.heard:
            if is_wanted(message):
                self.heard.remove(message)
                return message
        until = time.monotonic() + timeout_s
        while True:
            message = self.hear(max(0.001, until - time.monotonic()))
            if is_wanted(message):
                return message
            self.heard.append(message)

    def answer(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Answer a request."""
        fields = [("Contact", self.contact), *headers]
        response = response_to(request, status, headers=fields, body=body, to_tag=tag or None)
        self.send(response)
        return response

    def is_well(self) -> bool:
        """Tell whether this connection still works: a signed question gets its signed answer."""
        domain = self.aor.partition("@")[2]
        return self.ask(self.request("OPTIONS", f"sip:{domain}")).status == 200
