"""How SIP clients are attached to a chat: by a dialog each.

A message is written once for all who can show the same of it; a leg adds what its dialog has of
its own. The dialog is the one that the participant's INVITE made, so that each of its
requests has the Call-ID by which a client knows the conference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, Hear, ILeg, IMessage
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.sip.dialog import TARGET_REFRESH, Dialog
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.headers import quote
from lyncpy.sip.message import Headers, Request, Response
from lyncpy.sip.prepared import Prepared, Template, lines_of
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.bodies import IMDN_TYPE, write_report
from lyncpy.workloads.im.model.room import LOST

TYPING_S: Final = 5.0
"""How long the sign of typing is of interest, and its answer with it."""

BYE_S: Final = 10.0
"""How long the answer to a BYE is waited for."""

SILENT: Final = DeliveryFailure(FailureKind.SILENT, 408, '6001;reason="Request Timeout";component="ImMcu"')
NOT_FOR_HIM: Final = DeliveryFailure(FailureKind.REFUSED, 415)

NO_MORE: Final = Headers()

REPORT_LINES: Final = lines_of(Headers((("Content-Type", IMDN_TYPE),)))

_GONE: Final = 481
"""The client knows the dialog no more (RFC 5057 §5.1); 408 and 480 may be about the one message."""

_DIAGNOSTICS: Final = ("ms-client-diagnostics", "ms-diagnostics", "ms-diagnostics-public")


@dataclass(frozen=True, slots=True)
class MessageForm:
    """What is sent of a message to all who can show the same types."""

    lines: str
    """Header lines, each with its end."""

    body: bytes


@implementer(ILeg)
class SipLeg:
    """A participant's SIP dialog with the MCU.

    Attributes:
        dialog: Made by their INVITE.
        flow: The connection that they use.
        accepted: Media types that they can show; empty: they do not say.
    """

    def __init__(
        self,
        outbound: IOutbound,
        dialog: Dialog,
        flow: FlowName,
        accepted: frozenset[str],
        answer_s: float,
        on_end: Callable[[], None],
    ) -> None:
        """Attach somebody.

        Args:
            answer_s: How long they may take to answer a message, in seconds.
            on_end: Called when the MCU lets go of this leg.
        """
        self.dialog: Final = dialog
        self.flow = flow
        self.accepted = accepted
        self._outbound = outbound
        self._answer_s = answer_s
        self._on_end = on_end
        self._template = self._shared()
        self._reports: Template | None = None

    @property
    def address(self) -> str:
        """The device's own address, which it gave as Contact."""
        return self.dialog.target

    def deliver(self, message: IMessage, hear: Hear) -> None:
        """Send it as a MESSAGE, and tell what the client answers."""
        form = self._form(message)
        if form is None:
            hear(NOT_FOR_HIM)
            return
        prepared = Prepared(self._template, self.dialog.take_seq(), form.body, form.lines)
        self._outbound.send_mass_request(self.flow, prepared, partial(_heard, hear), timeout=self._answer_s)

    def types(self, author: Aor, body: bytes) -> None:
        """Send the sign of typing."""
        self._start("INFO", _said_by(author, bodies.TYPING), body, TYPING_S)

    def report(self, number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Send the report, which has no answer."""
        if self._reports is None:
            self._reports = Template(self.dialog.outline("BENOTIFY", NO_MORE))
        prepared = Prepared(self._reports, self.dialog.take_seq(), write_report(number, failed), REPORT_LINES)
        try:
            self._outbound.send_unanswered(self.flow, prepared)
        except FlowGone:
            return

    def hang_up(self, reason: str | None) -> None:
        """Forget the dialog, and send BYE if there is a reason to be told."""
        self._on_end()
        if reason is not None:
            self.bye(reason)

    def bye(self, reason: str) -> None:
        """Send BYE. Client: "You have been disconnected from this conference"."""
        self._start("BYE", Headers((("Reason", f"SIP;cause=200;text={quote(reason)}"),)), b"", BYE_S)

    def receive(self, request: Request, flow: FlowName) -> None:
        """Check a request of his within the dialog; from now on he is where it came from.

        Raises:
            RemoteProtocolError: See `Dialog.receive`.
        """
        self.dialog.receive(request)
        self.flow = flow
        if request.method in TARGET_REFRESH:
            self._template = self._shared()
            self._reports = None

    def _shared(self) -> Template:
        """Write what all messages to him share, as long as his address is the same."""
        return Template(self.dialog.outline("MESSAGE", NO_MORE))

    def _start(self, method: str, headers: Headers, body: bytes, timeout: float) -> None:
        self._outbound.send_request(self.flow, self.dialog.next_request(method, headers, body), timeout=timeout)

    def _form(self, message: IMessage) -> MessageForm | None:
        """Write the message for everybody who can show what they can, unless that has been done."""
        forms = message.forms
        if self.accepted not in forms:
            forms[self.accepted] = self._written(message)
        form = forms[self.accepted]
        return form if isinstance(form, MessageForm) else None

    def _written(self, message: IMessage) -> MessageForm | None:
        try:
            shown = bodies.shown_as(message.content_type, message.body, self.accepted)
            if shown is None:
                return None
            return MessageForm(lines_of(_said_by(message.author, shown[0])), shown[1])
        except (RemoteProtocolError, LocalProtocolError):  # the media type of a part is none, or is more than a line
            return None


def _heard(hear: Hear, response: Response, *, local: bool) -> None:
    hear(failure_of(response, local=local))


def failure_of(response: Response, *, local: bool) -> DeliveryFailure | None:
    """Say what the final response to a copy means; None: he has it."""
    status = response.status
    if 200 <= status < 300:
        return None
    if local:
        return LOST if status == 430 else SILENT if status == 408 else DeliveryFailure(FailureKind.REFUSED, status)
    text = next((found for name in _DIAGNOSTICS if (found := response.headers.get(name)) is not None), "")
    return DeliveryFailure(FailureKind.LOST if status == _GONE else FailureKind.REFUSED, status, text)


def _said_by(author: Aor, content_type: str) -> Headers:
    # Client: without Ms-Sender the text is lost, since From is the conference's.
    return Headers((("Ms-Sender", f"<{author}>"), ("Content-Type", content_type)))
