"""Conversations of actors: an INVITE, its dialog, and what is said in it, as one of the two sees it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Headers, Request, Response, new_tag, response_to
from tests.kit.sip_client import Exchange, SipClient

PLAIN: Final = "text/plain; charset=UTF-8"
TYPING_TYPE: Final = "application/xml"
TYPING: Final = b'<?xml version="1.0"?><KeyboardActivity> <status status="type" /></KeyboardActivity>'


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it was received."""

    sender: str
    """The user in From."""

    content_type: str
    body: bytes

    @property
    def words(self) -> str:
        """Give the text."""
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Manner:
    """How a device reacts to an invitation."""

    rings: bool = False
    """It says 180, and waits for its user."""

    status: int = 200
    """What it says at last; 0: nothing."""

    after_s: float = 0.0
    """When it says that. While it waits it is deaf to CANCEL, as real clients are."""


PROMPT: Final = Manner()
SILENT: Final = Manner(status=0)
RINGING: Final = Manner(rings=True, status=0)


@dataclass(eq=False)
class Talk:
    """One conversation.

    Attributes:
        peer: The other's address.
        invite: The INVITE, as it was sent or came.
        exchange: Of the caller: the INVITE and its answers.
        is_over: Whether a BYE was sent or came, or no dialog came of it.
        ended_by: The BYE that came.
    """

    client: SipClient
    peer: str
    invite: Request
    exchange: Exchange | None = None
    dialog: Dialog | None = None
    is_over: bool = False
    is_cancelled: bool = False
    ended_by: Request | None = None
    texts: list[Text] = field(default_factory=list)
    typing: int = 0
    """How often the other was seen typing."""

    _own_tag: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether there is a dialog."""
        return self.dialog is not None

    def says(self, text: str | bytes, content_type: str = PLAIN) -> Exchange:
        """Say something."""
        body = text.encode() if isinstance(text, str) else text
        return self.sends("MESSAGE", [("Contact", f"<{self.client.gruu}>")], body, content_type)

    def types(self) -> Exchange:
        """Let the other see that one types."""
        return self.sends("INFO", [], TYPING, TYPING_TYPE)

    def hangs_up(self) -> Exchange:
        """End it."""
        exchange = self.sends("BYE", [])
        self.is_over = True
        return exchange

    def sends(
        self, method: str, fields: Sequence[tuple[str, str]], body: bytes = b"", content_type: str | None = None
    ) -> Exchange:
        """Send any request in the dialog, and let happen what happens at once."""
        if self.dialog is None:
            raise AssertionError("nobody has answered")
        request = self.dialog.next_request(method, fields, body, content_type)
        return self.client.ask(request, branch=False)

    # --- the caller

    def cancels(self) -> Exchange:
        """Give up while it rings."""
        if self.exchange is None:
            raise AssertionError("only the caller can cancel")
        invite = self.exchange.request
        fields = [(name, value) for name, value in invite.headers if name in ("Via", "From", "To", "Call-ID")]
        fields += [("CSeq", f"{invite.cseq.number} CANCEL"), ("Max-Forwards", "70")]
        exchange = self.client.send(Exchange(Request("CANCEL", invite.uri, Headers(fields))))
        self.client.passes(0)
        return exchange

    def gives_up(self) -> Exchange:
        """Give up while it rings as pidgin-sipe does: BYE without a To tag, and no CANCEL."""
        if self.exchange is None:
            raise AssertionError("only the caller can give up")
        invite = self.exchange.request
        fields = [(name, value) for name, value in invite.headers if name in ("From", "To", "Call-ID")]
        fields += [("CSeq", f"{invite.cseq.number + 1} BYE"), ("Max-Forwards", "70")]
        return self.client.ask(Request("BYE", invite.uri, Headers(fields)), branch=False)

    def answered(self, response: Response) -> None:
        """Take the final answer to the INVITE: acknowledge what accepts; a failure gets no ACK of a real client."""
        if response.status != 200:
            self.is_over = True
            return
        if self.exchange is None or self.dialog is not None:
            raise AssertionError("two answers to one INVITE")
        self.dialog = Dialog.from_response(self.exchange.request, response)
        self.client.begin(self.dialog.ack(self.exchange.request), branch=False)

    # --- the callee

    def rings(self) -> None:
        """Let the caller hear it ring."""
        self.client.reply(response_to(self.invite, 180, to_tag=self._tag()))
        self.client.passes(0)

    def accepts(self) -> None:
        """Answer."""
        self._accept()
        self.client.passes(0)

    def declines(self, status: int = 603) -> None:
        """Refuse."""
        self._refuse(status)
        self.client.passes(0)

    def received(self, manner: Manner, later: Callable[[float, Callable[[], None]], object]) -> None:
        """React to the INVITE."""
        if manner.rings:
            self.client.reply(response_to(self.invite, 180, to_tag=self._tag()))
        if not manner.status:
            return
        say = self._accept if manner.status == 200 else lambda: self._refuse(manner.status)
        if manner.after_s:
            later(manner.after_s, say)
        else:
            say()

    def cancelled(self, request: Request) -> None:
        """React to CANCEL: it is answered, and so is the INVITE, with 487."""
        self.is_cancelled = True
        self.client.reply(response_to(request, 200))
        if not self.is_answered and not self.is_over:
            self._refuse(487)

    def _accept(self) -> None:
        tag = self._tag()
        fields = [("Record-Route", value) for value in self.invite.headers.get_all("Record-Route")]
        fields += [("Contact", f"<{self.client.gruu}>"), ("Supported", "com.microsoft.rtc-multiparty")]
        body = session_description(self.client)
        response = response_to(self.invite, 200, to_tag=tag, headers=fields, content_type="application/sdp", body=body)
        self.dialog = Dialog.from_request(self.invite, tag)
        self.client.reply(response)

    def _refuse(self, status: int) -> None:
        self.is_over = True
        self.client.reply(response_to(self.invite, status, to_tag=self._tag()))

    def _tag(self) -> str:
        self._own_tag = self._own_tag or new_tag()[:10]
        return self._own_tag


def session_description(client: SipClient) -> bytes:
    """Write what a client offers for messages."""
    return (
        f"v=0\r\no=- 0 0 IN IP4 {client.address}\r\ns=session\r\nc=IN IP4 {client.address}\r\nt=0 0\r\n"
        f"m=message 5060 sip {client.aor}\r\na=accept-types:text/plain text/html text/rtf multipart/alternative\r\n"
    ).encode()


def invitation(client: SipClient, peer: str, first: str | None, conversation: str) -> Request:
    """Write an INVITE; what is said first rides in a header, as [MS-SIP] ms-text-format has it."""
    fields = [
        ("Contact", f"<{client.gruu}>"),
        ("Supported", "ms-sender"),
        ("Ms-Conversation-ID", conversation),
        ("Content-Type", "application/sdp"),
    ]
    if first is not None:
        encoded = base64.b64encode(first.encode()).decode()
        fields.append(("ms-text-format", f"{PLAIN};ms-body={encoded}"))
    return client.request("INVITE", peer, fields, session_description(client))
