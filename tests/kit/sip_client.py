"""The SIP of one device: a connection, sign-in, signatures, requests and their answers.

It does what a real client does where that differs from the book: requests in a dialog have
a Via without a branch, answers are matched by Call-ID and CSeq, a failed INVITE gets no
ACK, and a message of the server whose signature does not hold is the end (here: of the
test). Dialogs and what is said in them are in `talks`, who acts is in `actors`.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lyncpy.sip.decoder import Decoder, Garbled, Ping
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.headers import parse_contact_list
from lyncpy.sip.message import Headers, Request, Response, new_branch, new_call_id, new_tag, response_to
from tests.kit.network import Line, Network
from tests.kit.ntlm_client import NtlmClient, challenge_of
from tests.kit.shapes import lacks, names_of
from tests.kit.tls_dsk_client import TlsDskClient

Answer = Callable[[Request], Response | None]
"""What a device does with a request; None: it stays silent, for now."""

Fields = Iterable[tuple[str, str]]

BOUNCE_S: Final = 0.02
"""After which a client repeats what got a 401, in place of a round trip."""

KEEP_ALIVE_S: Final = 40.0

FULLY_SIGNED: Final = 4
"""The version of signatures with which recorded messages are signed."""

UNANSWERED: Final = frozenset({"ACK", "BENOTIFY"})


class Exchange:
    """A request of a device and what came back."""

    def __init__(self, request: Request, on_answer: Callable[[Response], None] | None = None) -> None:
        """Wait for the answers; `on_answer` hears the final ones."""
        self.request = request
        self.provisional: list[Response] = []
        self.finals: list[Response] = []
        self._on_answer = on_answer

    @property
    def is_pending(self) -> bool:
        """Whether the final answer is still to come."""
        return not self.finals

    @property
    def answer(self) -> Response:
        """Give the one final answer."""
        if len(self.finals) != 1:
            raise AssertionError(f"{self.request.method} has {len(self.finals)} final answers")
        return self.finals[0]

    @property
    def status(self) -> int:
        """Give the final answer's status."""
        return self.answer.status

    @property
    def diagnostics(self) -> int:
        """Give the error id of the answer's diagnostics; 0 without any."""
        text = self.answer.headers.get("ms-diagnostics") or self.answer.headers.get("ms-diagnostics-public") or "0"
        return int(text.partition(";")[0])

    def heard(self, response: Response) -> None:
        """Take an answer."""
        if response.status < 200:
            self.provisional.append(response)
            return
        self.finals.append(response)
        if self._on_answer is not None:
            self._on_answer(response)


class SipClient:
    """One device of one user.

    Attributes:
        heard: Every request of the server, in order.
        answers: What the device does with a request, by method.
        documents: Takes (event, content type, body) of every notification.
        gruu: The device's name, from the answer to REGISTER.
        is_signed_in: Whether a REGISTER was accepted.
        line: The connection; None before the first one.
        says_epid: Whether it names its epid at all.
        opaque: The `ms-opaque` of its Contact.
        registered: The Contact URI under which the server knows it; "" while it is not signed in.
        shapes: Of which kinds of recorded messages it has heard some.
        is_hurried: Whether it lets no time pass, whatever it asks for.
    """

    def __init__(
        self,
        network: Network,
        user: str,
        domain: str,
        *,
        password: str,
        number: int,
        address: str,
        passes: Callable[[float], None],
        wall: Callable[[], float],
        login: str = "",
        version: int = 4,
        epid: str = "",
        spelled: str = "",
        keys: NtlmClient | TlsDskClient | None = None,
        agent: str = "UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)",
    ) -> None:
        """Take who signs in, and from where; `number` makes the epid, `passes` lets time pass.

        `epid` is one that the device writes itself, `spelled` the user part of its address as it writes that,
        `keys` another proof than the password.
        """
        self.aor: Final = f"sip:{spelled or user}@{domain}"
        self.user: Final = user
        self.domain: Final = domain
        self.epid: Final = epid or hashlib.sha256(f"{user}/{number}".encode()).hexdigest()[:12]
        self.instance = str(uuid.uuid5(uuid.NAMESPACE_OID, self.epid))
        self.agent: Final = agent
        self.address: Final = address
        self.is_hurried = False
        self.says_epid = True
        self._passes = passes
        self.keys = keys or NtlmClient(login or f"{user}@{domain}", password, version=version, wall=wall)
        self.heard: list[Request] = []
        self.opaque = "d3470f2e1d"
        self.registered = ""
        self.shapes: set[str] = set()
        self.answers: dict[str, Answer] = {"NOTIFY": self._noted, "OPTIONS": lambda request: response_to(request, 200)}
        self.documents: Callable[[str, str, bytes], None] = lambda event, content_type, body: None
        self.gruu = ""
        self.is_signed_in = False
        self.keeps_alive = True
        """Whether it keeps the promise of keep-alives that it gives."""
        self.line: Line | None = None
        self.subscriptions: dict[str, Dialog] = {}
        self._network = network
        self._decoder = Decoder()
        self._exchanges: dict[tuple[str, int, str], Exchange] = {}
        self.registering_call_id = new_call_id()
        self._number = 0

    # --- the connection

    @property
    def is_connected(self) -> bool:
        """Whether the connection lives."""
        return self.line is not None and self.line.is_open

    def connect(self) -> Line:
        """Connect, if the device is not connected."""
        if self.line is None or not self.line.is_open:
            self._decoder = Decoder()
            self.registering_call_id, self._number = new_call_id(), 0
            self._exchanges.clear()
            self.subscriptions.clear()
            self.keys.restart()
            self.is_signed_in = False
            self.registered = ""
            self.line = self._network.connect(self.address, self._received)
            self._network.clock.callLater(KEEP_ALIVE_S, self._keep_alive, self.line)
        return self.line

    def _keep_alive(self, line: Line) -> None:
        if line.is_open and self.keeps_alive:
            line.send(b"\r\n\r\n")
            self._network.clock.callLater(KEEP_ALIVE_S, self._keep_alive, line)

    def passes(self, seconds: float) -> None:
        """Let time pass, and happen what happens meanwhile."""
        if not self.is_hurried:
            self._passes(seconds)

    def write(self, message: Request | Response, *, signed: bool = True) -> None:
        """Send a message, signed once there is something to sign with."""
        if self.is_connected:
            self.connect().send(encode(self._signed(message) if signed and self.keys.ready else message))

    def _signed(self, message: Request | Response) -> Request | Response:
        if isinstance(message, Request):
            return self.keys.sign(message)
        return self.keys.sign(message)

    def _received(self, data: bytes) -> None:
        for item in self._decoder.feed(data):
            if isinstance(item, Garbled):
                raise AssertionError(f"the server sends what cannot be read: {item.reason}")
            if isinstance(item, Ping):
                continue
            self._check(item)
            self._compare(item)
            if isinstance(item, Request):
                self._request(item)
            else:
                self._response(item)

    def _check(self, message: Request | Response) -> None:
        """Insist on the server's signature, as real clients do ([MS-SIPAE]; protocol notes, "authentication" §5.2)."""
        if not self.keys.ready:
            return
        if isinstance(message, Response):
            refused = message.cseq.method == "REGISTER" and message.status != 200
            if message.status < 200 or message.status == 401 or refused:
                return
        if not self.keys.verify(message):
            what = message.method if isinstance(message, Request) else f"{message.status} to {message.cseq.method}"
            raise AssertionError(f"invalid message signature received by {self.user}: {what}")

    def _compare(self, message: Request | Response) -> None:
        """Insist on all that recorded messages of this kind have, and on being addressed as this device has registered."""
        signed = self.keys.ready and self.keys.version >= FULLY_SIGNED
        self.shapes.update(names_of(message, signed=signed))
        what = message.method if isinstance(message, Request) else f"{message.status} to {message.cseq.method}"
        if isinstance(message, Request) and self.registered and message.uri != self.registered:
            raise AssertionError(f"{what} to {self.user} is addressed to {message.uri}, not to {self.registered}")
        if isinstance(message, Request) and not self.registered:
            return  # nobody knows how to address it
        if missing := lacks(message, signed=signed):
            raise AssertionError(f"{what} to {self.user} lacks {sorted(missing)}")

    # --- requests of this device

    def request(self, method: str, uri: str, fields: Fields = (), body: bytes = b"", *, to: str = "") -> Request:
        """Write a request outside of any dialog; `to` is the address in To where it is not `uri`."""
        lines = [
            ("From", f"<{self.aor}>;tag={new_tag()[:10]}" + (f";epid={self.epid}" if self.says_epid else "")),
            ("To", f"<{to or uri}>"),
            ("Max-Forwards", "70"),
            ("CSeq", f"1 {method}"),
            ("Call-ID", new_call_id()),
            *fields,
        ]
        return Request(method, uri, Headers(lines), body)

    def begin(
        self,
        request: Request,
        *,
        branch: bool = True,
        signed: bool = True,
        on_answer: Callable[[Response], None] | None = None,
    ) -> Exchange:
        """Send a request and wait for nothing; Via and User-Agent are added here."""
        line = self.connect()
        via = f"SIP/2.0/TLS {self.address}:{line.peer.port}" + (f";branch={new_branch()}" if branch else "")
        request = request.edited(first=[("Via", via)], last=[("User-Agent", self.agent)])
        return self.send(Exchange(request, on_answer), signed=signed)

    def send(self, exchange: Exchange, *, signed: bool = True) -> Exchange:
        """Send a request that is whole already."""
        request = exchange.request
        if request.method not in UNANSWERED:
            self._exchanges[request.call_id, request.cseq.number, request.method] = exchange
        self.write(request, signed=signed)
        return exchange

    def ask(self, request: Request, *, branch: bool = True, signed: bool = True) -> Exchange:
        """Send a request, and let happen what happens at once."""
        exchange = self.begin(request, branch=branch, signed=signed)
        self.passes(2 * self._network.latency_s)
        return exchange

    def send_raw(self, request: Request) -> Exchange:
        """Send a request exactly as it is, signature and all, and let happen what happens at once."""
        exchange = self.send(Exchange(request), signed=False)
        self.passes(0)
        return exchange

    def service(self, content_type: str, body: bytes, *, to: str = "") -> Exchange:
        """Ask the server for a service, about oneself unless `to` says otherwise."""
        fields = [("Contact", f"<{self.gruu}>"), ("Content-Type", content_type)]
        exchange = self.ask(self.request("SERVICE", to or self.aor, fields, body))
        self.passes(0.1)
        return exchange

    def _response(self, response: Response) -> None:
        cseq = response.cseq
        exchange = self._exchanges.get((response.call_id, cseq.number, cseq.method))
        if exchange is None:
            return
        if response.status == 401 and cseq.method != "REGISTER":
            self._network.clock.callLater(BOUNCE_S, lambda: self.write(exchange.request))
            return
        exchange.heard(response)

    # --- requests of the server

    def _request(self, request: Request) -> None:
        self.heard.append(request)
        if request.event == "registration-notify":
            self.registered = ""
        answer = self.answers.get(request.method)
        if request.method in UNANSWERED:
            self._noted(request)
            if answer is not None:
                answer(request)
            return
        response = answer(request) if answer is not None else response_to(request, 405)
        if response is not None:
            self.reply(response)

    def reply(self, response: Response) -> None:
        """Answer a request of the server."""
        self.write(response.edited(last=[("User-Agent", self.agent)]))

    def _noted(self, request: Request) -> Response:
        """Take a notification."""
        if request.event:
            if "terminated" in (request.headers.get("subscription-state") or ""):
                self.subscriptions.pop(request.event, None)
            if request.body:
                self.documents(request.event, request.headers.get("Content-Type") or "", request.body)
        return response_to(request, 200)

    # --- sign-in

    def registering(self, *, expires: int | None = None) -> Iterator[Exchange]:
        """Register step by step, with a handshake if there is nothing to sign with; a test may act between steps.

        Yields:
            Each REGISTER with its answer, or without one while that is still to come.
        """
        self.connect()
        if self.keys.ready:
            yield self._take(self.ask(self._register(expires)))
            return
        exchange = self.ask(self._register(expires), signed=False)
        for _ in range(self.keys.steps):
            yield exchange
            if exchange.is_pending or exchange.status != 401:
                return
            challenge = challenge_of(exchange.answer, self.keys.scheme)
            if not self.keys.goes_on(challenge):
                return
            answered = self.keys.answer(self._register(expires), challenge)
            exchange = self._take(self.ask(answered, signed=False))
        yield exchange

    def register(self, *, expires: int | None = None) -> Exchange:
        """Sign in, refresh, or sign out with `expires` 0; give the last exchange of as many as it takes."""
        *_, last = self.registering(expires=expires)
        return last

    def _register(self, expires: int | None) -> Request:
        self._number += 1
        if expires == 0:
            self.registered = ""
        port = self.connect().peer.port
        contact = (
            f"<sip:{self.address}:{port};transport=tls;ms-opaque={self.opaque}>;"
            'methods="INVITE, MESSAGE, INFO, SUBSCRIBE, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY";'
            f'proxy=replace;+sip.instance="<urn:uuid:{self.instance}>"'
        )
        fields = [
            ("Contact", contact),
            ("Supported", "gruu-10, adhoclist, msrtc-event-categories, com.microsoft.msrtc.presence"),
            ("Event", "registration"),
            ("ms-keep-alive", "UAC;hop-hop=yes"),
            *([] if expires is None else [("Expires", str(expires))]),
        ]
        request = self.request("REGISTER", f"sip:{self.domain}", fields, to=self.aor)
        return request.edited(put=[("Call-ID", self.registering_call_id), ("CSeq", f"{self._number} REGISTER")])

    def _take(self, exchange: Exchange) -> Exchange:
        if not exchange.is_pending and exchange.status == 200:
            answer = exchange.answer
            self.is_signed_in = answer.expires != 0
            self.registered = ""
            for contact in parse_contact_list(answer.headers.get("Contact") or ""):
                self.gruu = (contact.get("gruu") or "").strip('"')
                self.registered = contact.uri
        return exchange

    # --- subscriptions

    def subscribe(
        self,
        event: str,
        body: bytes = b"",
        content_type: str = "",
        *,
        fields: Fields = (),
        expires: int | None = None,
        to: str = "",
    ) -> Exchange:
        """Begin to subscribe, or go on in the subscription that there is; what the answer carries is taken."""
        lines = [
            ("Event", event),
            *(("Supported", way) for way in ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")),
            ("Proxy-Require", "ms-benotify"),
            ("Contact", f"<{self.gruu}>"),
            *fields,
            *([] if expires is None else [("Expires", str(expires))]),
            *([("Content-Type", content_type)] if body else []),
        ]
        dialog = self.subscriptions.get(event)
        if dialog is None:
            request = self.request("SUBSCRIBE", to or self.aor, lines, body)
        else:
            request = dialog.next_request("SUBSCRIBE", lines, body)
        return self.begin(
            request, branch=dialog is None, on_answer=lambda response: self._subscribed(event, request, response)
        )

    def _subscribed(self, event: str, request: Request, response: Response) -> None:
        if response.status != 200:
            return
        if "active" in (response.headers.get("subscription-state") or ""):
            self.subscriptions.setdefault(event, Dialog.from_response(request, response))
        else:
            self.subscriptions.pop(event, None)
        if response.headers.get("ms-piggyback-cseq") is not None:
            self.documents(event, response.headers.get("Content-Type") or "", response.body)
