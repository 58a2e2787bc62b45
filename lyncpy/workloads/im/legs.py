"""The legs of SIP clients in a chat: a dialog each.

A message is written once for all who can show the same types; a leg adds the headers of its
dialog. The dialog is the one that the participant's INVITE made, so that each of its requests
has the Call-ID by which a client knows the conference.
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
"""Seconds that the answer to a sign of typing is waited for."""

BYE_S: Final = 10.0
"""Seconds that the answer to a BYE is waited for."""

SILENT: Final = DeliveryFailure(FailureKind.SILENT, 408, '6001;reason="Request Timeout";component="ImMcu"')
NOT_SHOWABLE: Final = DeliveryFailure(FailureKind.REFUSED, 415)

NO_MORE: Final = Headers()

REPORT_LINES: Final = lines_of(Headers((("Content-Type", IMDN_TYPE),)))

_GONE: Final = 481
"""The client has lost the dialog (RFC 5057 §5.1); 408 and 480 may be about the one message."""

_DIAGNOSTICS: Final = ("ms-client-diagnostics", "ms-diagnostics", "ms-diagnostics-public")


@dataclass(frozen=True, slots=True)
class MessageForm:
    """The part of a message that is sent to all who can show the same types."""

    lines: str
    """Header lines, each with its CRLF."""

    body: bytes


@implementer(ILeg)
class SipLeg:
    """A participant's SIP dialog with the MCU.

    Attributes:
        dialog: The dialog that their INVITE made.
        flow: The connection that they use.
        accepted: The media types that they can show; empty: they do not say.
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
        """Attach a client.

        Args:
            accepted: The media types that they can show; empty: they do not say.
            answer_s: Seconds that they may take to answer a message.
            on_end: Called when the MCU has ended this leg.
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
        """The device's own address: its Contact."""
        return self.dialog.target

    def deliver(self, message: IMessage, hear: Hear) -> None:
        """Send a message as MESSAGE, and call `hear` with what the client answers."""
        form = self._form(message)
        if form is None:
            hear(NOT_SHOWABLE)
            return
        prepared = Prepared(self._template, self.dialog.take_seq(), form.body, form.lines)
        self._outbound.send_prepared(self.flow, prepared, partial(_heard, hear), timeout=self._answer_s)

    def probe(self, hear: Hear) -> None:
        """Ask by OPTIONS whether the client is there: whatever it says, it has read all that was sent to it before."""
        prepared = Prepared(Template(self.dialog.outline("OPTIONS", NO_MORE)), self.dialog.take_seq(), b"")
        self._outbound.send_prepared(self.flow, prepared, partial(_heard_of, hear), timeout=self._answer_s)

    def types(self, author: Aor, body: bytes) -> None:
        """Send the sign of typing as INFO."""
        self._start("INFO", _said_by(author, bodies.TYPING), body, TYPING_S)

    def report(self, number: int, failed: Sequence[tuple[str, DeliveryFailure]]) -> None:
        """Send the report about a message as BENOTIFY, which has no answer."""
        if self._reports is None:
            self._reports = Template(self.dialog.outline("BENOTIFY", NO_MORE))
        prepared = Prepared(self._reports, self.dialog.take_seq(), write_report(number, failed), REPORT_LINES)
        try:
            self._outbound.send_unanswered(self.flow, prepared)
        except FlowGone:
            return

    def hang_up(self, reason: str | None) -> None:
        """Forget the dialog, and send BYE unless the reason is None."""
        self._on_end()
        if reason is not None:
            self.bye(reason)

    def bye(self, reason: str) -> None:
        """Send BYE with a reason. Client: it shows "You have been disconnected from this conference"."""
        self._start("BYE", Headers((("Reason", f"SIP;cause=200;text={quote(reason)}"),)), b"", BYE_S)

    def receive(self, request: Request, flow: FlowName) -> None:
        """Check a request within the dialog, and use the connection that it came by from now on.

        Raises:
            RemoteProtocolError: See `Dialog.receive`.
        """
        self.dialog.receive(request)
        self.flow = flow
        if request.method in TARGET_REFRESH:
            self._template = self._shared()
            self._reports = None

    def _shared(self) -> Template:
        """Write the lines that all messages in the dialog share, until its remote target changes."""
        return Template(self.dialog.outline("MESSAGE", NO_MORE))

    def _start(self, method: str, headers: Headers, body: bytes, timeout: float) -> None:
        self._outbound.send_request(self.flow, self.dialog.next_request(method, headers, body), timeout=timeout)

    def _form(self, message: IMessage) -> MessageForm | None:
        """Return a message as it is written for all who can show the same types; None: they can show none of it."""
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
        except (
            RemoteProtocolError,
            LocalProtocolError,
        ):  # the media type of a part cannot be read, or is no single line
            return None


def _heard(hear: Hear, response: Response, *, local: bool) -> None:
    hear(failure_of(response, local=local))


def _heard_of(hear: Hear, response: Response, *, local: bool) -> None:
    failure = failure_of(response, local=local)
    is_there = failure is not None and failure.kind is FailureKind.REFUSED and not local
    hear(None if is_there else failure)


def failure_of(response: Response, *, local: bool) -> DeliveryFailure | None:
    """Return the failure that the final response to a copy means; None: it has arrived.

    Args:
        local: The response was made here, because the client did not answer or its connection is gone.
    """
    status = response.status
    if 200 <= status < 300:
        return None
    # Made here: no client said so. 430 is a connection that is gone, 408 a device that did not answer in time.
    if local:
        return LOST if status == 430 else SILENT if status == 408 else DeliveryFailure(FailureKind.REFUSED, status)
    text = next((found for name in _DIAGNOSTICS if (found := response.headers.get(name)) is not None), "")
    return DeliveryFailure(FailureKind.LOST if status == _GONE else FailureKind.REFUSED, status, text)


def _said_by(author: Aor, content_type: str) -> Headers:
    # Client: without Ms-Sender the text is lost, since From is the conference's.
    return Headers((("Ms-Sender", f"<{author}>"), ("Content-Type", content_type)))
