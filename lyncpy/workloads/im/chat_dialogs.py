"""The road by which SIP clients come into chats: a dialog each with the IM MCU.

The focus sees the INVITE and lets somebody in; everything else in the dialog comes here. It makes
the leg of each (`legs.py`), and speaks for them to the MCU.

Spec: [MS-CONFIM] 3.1. Client: protocol notes, "conferences" §5.
"""

from collections.abc import Sequence
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.facts import EndpointGone, FlowClosed
from lyncpy.contracts.mcu import IMcu, IParticipation, ISipAccess, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import Route
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Request, Response, new_tag, response_to
from lyncpy.sip.sdp import media_of
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.chat import NO_DIALOG
from lyncpy.workloads.im.legs import SipLeg
from lyncpy.workloads.im.settings import Settings

APP: Final = "app:conf:chat"
"""What the URI of a conference's chat says after `opaque=`."""

ACK_S: Final = 32.0
"""64*T1: a dialog whose 200 nobody acknowledges is ended (RFC 3261 §13.3.1.4)."""

WRONG_TYPE: Final = Diagnostics(4013, "Content-type does not match the expected content-type")
ALLOWED: Final = "ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, OPTIONS, UPDATE"

_DESCRIPTIONS: Final = frozenset({bodies.SDP, bodies.ALTERNATIVE, "multipart/mixed"})

Name = tuple[str, str]
"""Call-ID and our tag."""


class ChatDialog:
    """The dialog of somebody who is in a chat."""

    __slots__ = ("ack", "epid", "leg", "participation", "uri", "user")

    def __init__(
        self, user: Aor, epid: Epid, leg: SipLeg, participation: IParticipation, uri: str, ack: ITimer
    ) -> None:
        """Keep what it is.

        Args:
            user, epid: Who may speak in it.
            uri: Of the chat, as they spell it.
            ack: Runs until the 200 is acknowledged.
        """
        self.user: Final = user
        self.epid: Final = epid
        self.leg: Final = leg
        self.participation: Final = participation
        self.uri: Final = uri
        self.ack: ITimer | None = ack

    def complete(self) -> None:
        """Note that they have their 200: what was said since they joined goes to them now."""
        if self.ack is not None:
            self.stop_waiting()
            self.participation.joined()

    def stop_waiting(self) -> None:
        """Wait for the ACK no more."""
        if self.ack is not None:
            self.ack.cancel()
            self.ack = None


@implementer(ISipAccess)
class ChatDialogs:
    """The dialogs of all participants who came by SIP; the MCU has the bound of them.

    Attributes:
        mcu: Where they lead.
    """

    def __init__(self, mcu: IMcu, outbound: IOutbound, settings: Settings, timers: ITimers) -> None:
        """Begin without a dialog."""
        self.mcu = mcu
        self._outbound = outbound
        self._answer_s = settings.chat_answer_s
        self._timers = timers
        self._dialogs: dict[Name, ChatDialog] = {}
        self._on_flow: dict[FlowName, set[ChatDialog]] = {}

    def __len__(self) -> int:
        """Give the number of dialogs."""
        return len(self._dialogs)

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes: everything within dialogs but INVITE, which comes by way of the focus."""
        answers = {
            "ACK": self._acknowledged,
            "BYE": self._left,
            "INFO": self._typing,
            "MESSAGE": self._said,
            "OPTIONS": self._asked,
            "UPDATE": self.refresh,
        }
        return tuple(Route(method, answer, app=APP) for method, answer in answers.items())

    async def admit(self, participant: Participant, arrival: Arrival) -> Response:
        """Answer the INVITE of somebody whom the focus lets in; give the 200. See the promise."""
        request = arrival.request
        _check_offer(request)
        made = Dialog.from_request(request, new_tag())
        name: Name = (made.call_id, made.local_tag)
        leg = SipLeg(
            self._outbound,
            made,
            arrival.flow,
            bodies.accept_types(request.body),
            self._answer_s,
            lambda: self._forget(name),
        )
        participation = self.mcu.admit(participant, leg)
        ack = self._timers.later(ACK_S, lambda: self._give_up(dialog))
        dialog = ChatDialog(participant.user, participant.epid, leg, participation, request.to.uri, ack)
        self._dialogs[name] = dialog
        self._on_flow.setdefault(leg.flow, set()).add(dialog)
        return _accepting(dialog, request)

    # --- what happens outside

    async def flow_closed(self, fact: FlowClosed) -> None:
        """A connection is gone, and with it who was there by it."""
        for dialog in self._using(fact.flow):
            dialog.participation.lost("connection lost")

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """A device has signed out, or was signed out."""
        endpoint = fact.endpoint
        for dialog in self._using(endpoint.flow):
            if (dialog.user, dialog.epid) == (endpoint.aor, endpoint.epid):
                dialog.participation.lost(fact.reason)

    # --- within dialogs

    async def _said(self, arrival: Arrival) -> Response:
        """Take a message: it is acknowledged when it is archived, if it is to be, and on its way to all.

        Raises:
            Refused: 481, not their dialog; 503, it cannot be archived.
            RemoteProtocolError: 400, no media type, or alternatives that cannot be read.

        Spec: [MS-CONFIM] 3.1.5: 202 with a Message-Id. Client: it takes any 2xx.
        """
        dialog, request = self._spoken_in(arrival), arrival.request
        content_type = request.headers.get("Content-Type") or ""
        bodies.check_shown(content_type, request.body)
        number = await dialog.participation.say(content_type, request.body)
        return response_to(request, 202, headers=[("Message-Id", str(number))])

    async def _typing(self, arrival: Arrival) -> Response:
        """Show the others that somebody types.

        Spec: [MS-CONFIM] 3.1.5. Client: it answers 200 and shows nothing.
        """
        dialog, request = self._spoken_in(arrival), arrival.request
        if request.content_type != bodies.TYPING:
            raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.TYPING)])
        bodies.check_typing(request.body)
        dialog.participation.types(request.body)
        return response_to(request, 200)

    async def _left(self, arrival: Arrival) -> Response:
        """A participant leaves."""
        self._spoken_in(arrival).participation.leave("bye")
        return response_to(arrival.request, 200)

    async def _acknowledged(self, arrival: Arrival) -> None:
        """The 200 has arrived: what was said since goes to them now."""
        dialog = self._find(arrival)
        if dialog is not None:
            dialog.complete()

    async def refresh(self, arrival: Arrival) -> Response:
        """Answer UPDATE and INVITE within a dialog: it goes on, and what they can show may be new (RFC 3261 §14)."""
        request = arrival.request
        if request.body:
            _check_offer(request)
        dialog = self._spoken_in(arrival)
        if not request.body:
            return response_to(request, 200, headers=[_contact(dialog)])
        dialog.leg.accepted = bodies.accept_types(request.body)
        return _accepting(dialog, request)

    async def _asked(self, arrival: Arrival) -> Response:
        """Answer OPTIONS: the dialog is alive, or 481."""
        self._spoken_in(arrival)
        return response_to(arrival.request, 200)

    # --- the table

    def _using(self, flow: FlowName) -> Sequence[ChatDialog]:
        return tuple(self._on_flow.get(flow, ()))

    def _find(self, arrival: Arrival) -> ChatDialog | None:
        """Find the dialog that a request belongs to; None: there is none, or it is another's than its sender's."""
        request, sender = arrival.request, arrival.sender
        dialog = self._dialogs.get((request.call_id, request.to.tag or ""))
        is_theirs = dialog is not None and (dialog.user, dialog.epid) == (sender.aor, sender.epid)
        return dialog if is_theirs else None

    def _spoken_in(self, arrival: Arrival) -> ChatDialog:
        """Find the dialog that a request belongs to; only its own participant may speak in it.

        Raises:
            Refused: 481.
            RemoteProtocolError: 500, an old CSeq.
        """
        dialog = self._find(arrival)
        if dialog is None:
            raise Refused(481, NO_DIALOG)
        before = dialog.leg.flow
        dialog.leg.receive(arrival.request, arrival.flow)
        if arrival.flow != before:
            self._off(dialog, before)
            self._on_flow.setdefault(arrival.flow, set()).add(dialog)
        dialog.complete()
        return dialog

    def _give_up(self, dialog: ChatDialog) -> None:
        """End a dialog whose 200 nobody has acknowledged."""
        dialog.participation.leave("no answer")
        dialog.leg.bye("no answer")

    def _forget(self, name: Name) -> None:
        """Take a dialog out that the MCU has let go of."""
        dialog = self._dialogs.pop(name)
        dialog.stop_waiting()
        self._off(dialog, dialog.leg.flow)

    def _off(self, dialog: ChatDialog, flow: FlowName) -> None:
        here = self._on_flow[flow]
        here.discard(dialog)
        if not here:
            del self._on_flow[flow]


def _accepting(dialog: ChatDialog, request: Request) -> Response:
    return response_to(
        request,
        200,
        to_tag=dialog.leg.dialog.local_tag,
        headers=[_contact(dialog), ("Allow", ALLOWED)],
        content_type=bodies.SDP,
        body=bodies.describe(dialog.uri),
    )


def _contact(dialog: ChatDialog) -> tuple[str, str]:
    return "Contact", f"<{dialog.uri}>;isfocus"


def _check_offer(request: Request) -> None:
    """See that a session description offers messages.

    Raises:
        Refused: 415, no session description; 488, none that offers messages.
    """
    if request.content_type not in _DESCRIPTIONS:
        raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.SDP)])
    if "im" not in media_of(request.body):
        raise Refused(488)
