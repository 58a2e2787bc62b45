"""One client of the benchmark: signs in, asks, answers, and checks every signature it gets."""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.interfaces import IHandshakeListener, IReactorSSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, CertificateOptions
from twisted.python.failure import Failure
from zope.interface import implementer

from bench import words
from bench.people import DOMAIN, PASSWORD, user
from bench.server import Server
from lyncpy.sip.decoder import Decoder, DecoderLimits
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Request, Response, response_to
from tests.kit.ntlm_client import NtlmClient, challenge_of

AGENT: Final = "UCCAPI/15.0.4481.1000 OC/15.0.4481.1000 (Microsoft Lync)"
CONVERSATION: Final = "m=message 5060 sip null\r\na=accept-types:text/plain\r\n"
LONGEST: Final = 4_194_304
"""Bytes of the longest body: the roster of a thousand people has most of a mebibyte."""

_SILENT: Final = frozenset({"ACK", "BENOTIFY"})


class Unexpected(Exception):
    """The server did not do what the load needs."""


@implementer(IHandshakeListener)
class Device(Protocol):
    """A user's endpoint on a connection of its own.

    Attributes:
        notified: Called with each notification.
        told: Called with each MESSAGE.
        held: Signed answers to MESSAGE that wait for `release`; None: each is given at once.
    """

    def __init__(self, number: int) -> None:
        """Take the number of the user."""
        self.uri: Final = f"sip:{user(number)}@{DOMAIN}"
        self.epid: Final = f"{number:012x}"
        self.machine: Final = 0x30000000 | number
        self.notified: Callable[[Request], None] = _ignore
        self.told: Callable[[Request], None] = _ignore
        self.held: list[bytes] | None = None
        self.ready: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self._ntlm = NtlmClient(f"{user(number)}@{DOMAIN}", PASSWORD, wall=time.time)
        self._decoder = Decoder(DecoderLimits(body_bytes=LONGEST))
        self._asked: dict[tuple[str, str], Deferred[Response]] = {}
        self._version = 0
        self._contact = f"<{self.uri};opaque=user:epid:{self.epid};gruu>"

    # What Twisted calls.

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        # An answer and then a request on one connection would wait 40 ms for each other otherwise.
        tcp: Any = self.transport  # Any: a TLS transport, of which Twisted has no type
        tcp.setTcpNoDelay(True)
        self.ready.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Answer, count, and give answers to who waits for them."""
        for item in self._decoder.feed(data):
            if not isinstance(item, Request | Response):
                raise Unexpected(f"the server sent {item!r}")
            if self._ntlm.ready and not self._ntlm.verify(item):
                raise Unexpected(f"a signature does not hold: {encode(item)!r}")
            if isinstance(item, Request):
                self._hear(item)
            else:
                waiting = self._asked if item.status >= 200 else {}
                if (asked := waiting.pop(_key(item), None)) is not None:
                    asked.callback(item)

    def connectionLost(self, reason: Failure = Failure(Unexpected("lost"))) -> None:  # noqa: B008 - Twisted's signature
        """Fail whoever waits."""
        for asked in self._asked.values():
            asked.errback(reason)
        self.lost.callback(None)

    # What loads do.

    async def register(self) -> None:
        """Prove the password and become an endpoint: three REGISTERs."""
        call_id = secrets.token_hex(16)
        first = self._register(call_id, 1)
        answer = await self._send(first, 401)
        second = self._ntlm.answer(self._register(call_id, 2), challenge_of(answer))
        answer = await self._send(second, 401)
        await self._send(self._ntlm.answer(self._register(call_id, 3), challenge_of(answer)), 200)

    async def settle(self, watched: Iterable[str]) -> None:
        """Do what follows a client's sign-in: its four subscriptions and its first publication."""
        bodies = ("vnd-microsoft-provisioning-v2", words.PROVISIONING), ("vnd-microsoft-roaming-contacts", "")
        for event, body in (*bodies, ("vnd-microsoft-roaming-self", words.ROAMING)):
            await self.subscribe(event, body)
        await self.subscribe("presence", words.watch(self.uri, watched))
        await self.publish(3500)

    async def subscribe(self, event: str, body: str) -> None:
        """Subscribe to an event of one's own."""
        kind = words.EVENTS[event]
        lines = [
            ("Event", event),
            ("Accept", f"{kind}, application/msrtc-event-categories+xml, multipart/related"),
            *(("Supported", way) for way in ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")),
            ("Proxy-Require", "ms-benotify"),
        ]
        await self.ask(self.request("SUBSCRIBE", self.uri, lines, body, kind if body else ""))

    async def publish(self, availability: int) -> None:
        """Publish the user's state, at first with the device."""
        first = self._version == 0
        body = words.publish(self.uri, self.machine, availability, self._version, device=first)
        await self.ask(self.request("SERVICE", self.uri, (), body, words.PUBLISH_TYPE))
        self._version += 1

    async def ask(self, request: Request) -> Response:
        """Send a request and give its 200."""
        return await self._send(self._ntlm.sign(request), 200)

    async def invite(self, other: "Device") -> Callable[[str], Request]:
        """Begin a session with somebody; gives what writes messages in it."""
        invite = self.request("INVITE", other.uri, (), CONVERSATION, "application/sdp")
        answer = await self.ask(invite)
        to, routes = answer.headers.get("To") or "", answer.headers.get_all("Record-Route")
        target = answer.headers.get("Contact") or ""
        uri = target.partition("<")[2].partition(">")[0]
        count = invite.cseq.number

        def within(method: str, number: int, body: str = "") -> Request:
            kept = invite.edited(
                drop=["Content-Type", "Contact"],
                put=[("To", to), ("CSeq", f"{number} {method}")],
                last=[*(("Route", route) for route in routes), *([("Content-Type", "text/plain")] if body else ())],
            )
            return Request(method, uri, kept.headers, body.encode())

        def say(text: str) -> Request:
            nonlocal count
            count += 1
            return within("MESSAGE", count, text)

        self._write(self._ntlm.sign(within("ACK", count)))
        return say

    async def begin(self, uri: str, body: str, kind: str) -> Dialog:
        """Begin a dialog with a service of the server."""
        invite = self.request("INVITE", uri, [("Supported", "ms-sender, timer")], body, kind)
        dialog = Dialog.from_response(invite, await self.ask(invite))
        self._write(self._ntlm.sign(self._from_here(dialog.ack(invite))))
        return dialog

    async def within(self, dialog: Dialog, method: str, body: str = "", kind: str = "", status: int = 200) -> Response:
        """Send a request in such a dialog, and give its answer, which has this status."""
        request = dialog.next_request(method, (), body.encode(), kind or None)
        return await self._send(self._ntlm.sign(self._from_here(request)), status)

    def release(self, most: int | None = None) -> int:
        """Give the answers that were held, or so many of them; tell how many were given. Each is a record of its own."""
        held = self.held or []
        given, self.held = held[:most], held[most:] if most is not None else []
        for answer in given:
            if self.transport is not None:
                self.transport.write(answer)
        return len(given)

    def _from_here(self, request: Request) -> Request:
        return request.edited(first=[("Via", "SIP/2.0/TLS 127.0.0.1:40000")], last=[("User-Agent", AGENT)])

    @property
    def has_published(self) -> bool:
        """Whether the user's state was published."""
        return self._version > 0

    def leave(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.loseConnection()

    def request(
        self, method: str, uri: str, lines: Iterable[tuple[str, str]], body: str = "", kind: str = "", number: int = 1
    ) -> Request:
        """Write a request that begins a dialog, or needs none."""
        headers = [
            ("Via", "SIP/2.0/TLS 127.0.0.1:40000"),
            ("Max-Forwards", "70"),
            ("From", f"<{self.uri}>;tag={secrets.token_hex(5)};epid={self.epid}"),
            ("To", f"<{uri}>"),
            ("Call-ID", secrets.token_hex(16)),
            ("CSeq", f"{number} {method}"),
            ("Contact", self._contact),
            ("User-Agent", AGENT),
            *lines,
        ]
        if kind:
            headers.append(("Content-Type", kind))
        return Request(method, uri, Headers(headers), body.encode())

    # How it is done.

    def _register(self, call_id: str, number: int) -> Request:
        lines = [
            ("Event", "registration"),
            ("Supported", "gruu-10, adhoclist, msrtc-event-categories"),
            ("ms-keep-alive", "UAC;hop-hop=yes"),
        ]
        contact = f'<sip:127.0.0.1:40000;transport=tls>;proxy=replace;+sip.instance="<urn:uuid:{self._uuid}>"'
        request = self.request("REGISTER", f"sip:{DOMAIN}", lines, number=number)
        return request.edited(put=[("To", f"<{self.uri}>"), ("Contact", contact), ("Call-ID", call_id)])

    @property
    def _uuid(self) -> str:
        return f"4b1682a8-f968-5701-83fc-{self.epid}"

    def _hear(self, request: Request) -> None:
        if request.method not in _SILENT:
            kind = "application/sdp" if request.method == "INVITE" else None
            answer = response_to(
                request,
                200,
                to_tag="b0b",
                headers=[("Contact", self._contact), ("User-Agent", AGENT)],
                content_type=kind,
                body=CONVERSATION.encode() if kind else b"",
            )
            routes = [("Record-Route", route) for route in request.headers.get_all("Record-Route")]
            if request.method == "MESSAGE" and self.held is not None:
                self.held.append(encode(self._ntlm.sign(answer)))
            else:
                self._write(self._ntlm.sign(answer.edited(last=routes)))
        if request.method == "MESSAGE":
            self.told(request)
        elif request.method in ("BENOTIFY", "NOTIFY"):
            self.notified(request)

    async def _send(self, request: Request, status: int) -> Response:
        asked: Deferred[Response] = Deferred()
        self._asked[_key(request)] = asked
        self._write(request)
        answer = await asked
        if answer.status != status:
            raise Unexpected(f"{request.method} was answered with {encode(answer)!r}")
        return answer

    def _write(self, message: Request | Response) -> None:
        if self.transport is not None:
            self.transport.write(encode(message))


async def connect(reactor: IReactorSSL, server: Server, number: int) -> Device:
    """Open a connection for a user, its TLS handshake done."""
    authority = Certificate.loadPEM((server.home / "ca.pem").read_bytes())
    options = CertificateOptions(trustRoot=authority)
    factory = Factory.forProtocol(lambda: Device(number))
    device = await SSL4ClientEndpoint(reactor, "127.0.0.1", server.port, options).connect(factory)
    assert isinstance(device, Device), "the factory makes no other"
    await device.ready
    return device


def _key(message: Request | Response) -> tuple[str, str]:
    return message.call_id, str(message.cseq)


def _ignore(request: Request) -> None:
    pass
