"""Gateways of a play: servers of others, and the network to them, which may lose what is sent."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from zope.interface import implementer

from lyncpy.contracts.peers import IPeerWire, PeerListener, PeerPlace, PeerUnreachable
from lyncpy.sip.decoder import Decoder
from lyncpy.sip.dialog import Dialog, DialogState
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Message, Request, Response, new_branch, new_call_id, new_tag, response_to

SDP: Final = ("Content-Type", "application/sdp")
ANSWER: Final = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def through_the_wire(message: Message) -> Message:
    """Give a message as it is read at the other end."""
    [read] = Decoder().feed(encode(message))
    if not isinstance(read, Request | Response):
        raise AssertionError(f"it cannot be read: {read}")
    return read


@implementer(IPeerWire)
class MemoryPeers:
    """The network between a server and its gateways; whoever stands at no place answers nothing.

    Attributes:
        names: Addresses by name; a name that is not there has none.
        gateways: By their addresses.
        lose: How many of the next messages are lost, of datagrams.
        sent: All that the server has sent.
    """

    def __init__(self, clock: Any) -> None:
        """Begin with nobody."""
        self._clock = clock
        self._listener: PeerListener | None = None
        self.names: dict[str, str] = {}
        self.gateways: dict[str, FakeGateway] = {}
        self.lose = 0
        self.sent: list[Message] = []
        self.trouble = ""
        self.ports: list[int] = []

    def gateway(self, address: str, port: int = 5060, transport: str = "udp") -> "FakeGateway":
        """Put up a gateway."""
        made = self.gateways[address] = FakeGateway(self, PeerPlace(transport, address, port))
        return made

    def hear_with(self, listener: PeerListener) -> None:
        """Set who hears: the server that runs."""
        self._listener = listener

    def send(self, place: PeerPlace, message: Message) -> None:
        """Carry a message to a gateway, in a later turn."""
        read = through_the_wire(message)
        self.sent.append(read)
        there = self.gateways.get(place.address)
        if there is None or there.is_gone:
            if place.is_reliable:
                self._clock.callLater(0, self._lost, place)
            return
        if self.lose and not place.is_reliable:
            self.lose -= 1
            return
        self._clock.callLater(0, there.hears, read)

    def _lost(self, place: PeerPlace) -> None:
        if self._listener is not None:
            self._listener.lost(place, "connection refused")

    def arrives(self, message: Message, place: PeerPlace) -> None:
        """Carry a message to the server, in a later turn; from whom it does not know, nothing arrives."""
        read = through_the_wire(message)
        self._clock.callLater(0, self._arrives, read, place)

    def _arrives(self, message: Message, place: PeerPlace) -> None:
        if self._listener is not None and self._listener.is_known(place.address):
            self._listener.arrived(message, place)

    def close_place(self, place: PeerPlace) -> None:
        """Close a connection, of which there are none here."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Give the address of a name, or an address itself."""
        if host.replace(".", "").isdigit():
            return (host,)
        if host not in self.names:
            raise PeerUnreachable(f'the name "{host}" has no address')
        return (self.names[host],)

    async def listen(self, port: int, address: str) -> None:
        """Note which port is open."""
        if self.trouble:
            raise PeerUnreachable(self.trouble)
        self.ports.append(port)

    async def close(self) -> None:
        """Close nothing."""


class FakeGateway:
    """A gateway that does what the test says.

    Attributes:
        answers: What it answers to a method; None: nothing. OPTIONS are answered, INVITE waits for the test.
        heard: All requests but OPTIONS, in order; those that come again, too.
        finals: The answers to what it has asked.
        dialog: The last one.
    """

    def __init__(self, wire: MemoryPeers, place: PeerPlace) -> None:
        """Take a place in the network."""
        self._wire = wire
        self.place = place
        self.is_gone = False
        self.answers: dict[str, Callable[[Request], Response | None]] = {
            "OPTIONS": lambda request: response_to(request, 200),
            "INVITE": lambda request: None,
            "ACK": lambda request: None,
        }
        self.heard: list[Request] = []
        self.finals: list[Response] = []
        self.provisionals: list[Response] = []
        self.dialog: Dialog | None = None
        self.tag = new_tag()
        self.asked_last: Request | None = None
        self.invited: Request | None = None
        """The last call of its own."""

    @property
    def contact(self) -> tuple[str, str]:
        """Give its Contact header."""
        return "Contact", f"<sip:gw@{self.place.address}:{self.place.port}>"

    @property
    def methods(self) -> list[str]:
        """Give what it was asked."""
        return [one.method for one in self.heard]

    def last(self, method: str) -> Request:
        """Give the last request of a method."""
        return next(one for one in reversed(self.heard) if one.method == method)

    def hears(self, message: Message) -> None:
        """Hear a message."""
        if self.is_gone:
            return
        if isinstance(message, Response):
            (self.finals if message.status >= 200 else self.provisionals).append(message)
            if self.invited is not None and message.call_id == self.invited.call_id and 200 <= message.status < 300:
                self._accepted(self.invited, message)
            return
        if message.method != "OPTIONS":
            self.heard.append(message)
        answer = self.answers.get(message.method, self._usual)(message)
        if answer is not None:
            self.replies(answer)

    def _accepted(self, invite: Request, response: Response) -> None:
        """Acknowledge that a call of its own was taken, each time that it is told so."""
        if response.cseq.method == "INVITE" and response.cseq.number == invite.cseq.number:
            if self.dialog is None or self.dialog.call_id != invite.call_id:
                self.dialog = Dialog.from_response(invite, response)
            self._sends(self.dialog.ack(invite))

    def _usual(self, request: Request) -> Response:
        fields = [self.contact, *([SDP] if request.body else [])]
        return response_to(request, 200, headers=fields, body=ANSWER if request.body else b"")

    def replies(self, response: Response) -> None:
        """Send an answer."""
        self._wire.arrives(response, self.place)

    def says(self, status: int, fields: Sequence[tuple[str, str]] = (), *, body: bytes = b"", tag: str = "") -> None:
        """Answer the last INVITE."""
        invite = self.last("INVITE")
        if 100 < status < 300:
            state = DialogState.EARLY if status < 200 else DialogState.CONFIRMED
            if self.dialog is None or self.dialog.call_id != invite.call_id:
                self.dialog = Dialog.from_request(invite, self.tag, state=state)
            self.dialog.state = state
        own = [self.contact] if 100 < status < 300 else []
        fields = [*own, *fields, *([SDP] if body else [])]
        self.replies(response_to(invite, status, to_tag=tag or self.tag, headers=fields, body=body))

    def asks(self, method: str, fields: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """Ask something in the call."""
        if self.dialog is None:
            raise AssertionError("there is no call")
        request = self.dialog.next_request(method, [self.contact, *fields, *([SDP] if body else [])], body)
        return self._sends(request)

    def acknowledges(self) -> None:
        """Acknowledge the answer to what it has asked last."""
        if self.dialog is None or self.asked_last is None:
            raise AssertionError("nothing was asked")
        self._sends(self.dialog.ack(self.asked_last))

    def calls(self, uri: str, caller: str = "+493012345", fields: Sequence[tuple[str, str]] = ()) -> Request:
        """Call somebody in the house."""
        invite = Request(
            "INVITE",
            uri,
            Headers(
                [
                    ("Max-Forwards", "70"),
                    ("From", f'"Mallory" <sip:{caller}@{self.place.address};user=phone>;tag={new_tag()}'),
                    ("To", f"<{uri}>"),
                    ("Call-ID", new_call_id()),
                    ("CSeq", "1 INVITE"),
                    self.contact,
                    *fields,
                    SDP,
                ]
            ),
            ANSWER,
        )
        self.invited = self._sends(invite)
        return self.invited

    def cancels(self, invite: Request) -> None:
        """Cancel a call of its own."""
        same = ("Via", "Max-Forwards", "From", "To", "Call-ID")
        headers = [(name, value) for name, value in invite.headers if name in same]
        cancel = Request("CANCEL", invite.uri, Headers([*headers, ("CSeq", f"{invite.cseq.number} CANCEL")]))
        self._wire.arrives(cancel, self.place)

    def _sends(self, request: Request) -> Request:
        via = f"SIP/2.0/{self.place.transport.upper()} {self.place.address}:{self.place.port};branch={new_branch()}"
        sent = request.edited(first=[("Via", via)])
        if request.method != "ACK":
            self.asked_last = sent
        self._wire.arrives(sent, self.place)
        return sent
