"""The dialogs of SIP clients with the IM MCU, one for each device in a chat.

The focus sees the INVITE and admits its sender; all further requests in the dialog come here. The
dialog is the leg (`legs.py`) by which the MCU reaches the client.

Spec: [MS-CONFIM] 3.1. Client: protocol notes, "conferences" §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.bus import SharedInterest
from lyncpy.contracts.facts import EndpointGone, FlowClosed
from lyncpy.contracts.mcu import IMcu, IParticipation, ISipAccess, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import NO_DIALOG, Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Request, Response, new_tag, response_to
from lyncpy.sip.sdp import media_of
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.legs import SipLeg
from lyncpy.workloads.im.settings import Settings

APP: Final = "app:conf:chat"
"""The beginning of `opaque` in the URI of a conference's chat."""

WRONG_TYPE: Final = Diagnostics(4013, "Content-type does not match the expected content-type")
ALLOWED: Final = "ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, OPTIONS, UPDATE"

_DESCRIPTIONS: Final = frozenset({bodies.SDP, bodies.ALTERNATIVE, "multipart/mixed"})

Name = tuple[str, str]
"""Call-ID and our tag."""


@dataclass(frozen=True, slots=True, eq=False)
class ChatDialog:
    """The dialog of a device in a chat."""

    user: Aor
    epid: Epid
    """The device whose requests belong to it."""

    leg: SipLeg
    participation: IParticipation
    uri: str
    """The URI of the chat as the client spells it."""


@implementer(ISipAccess)
class ChatDialogs:
    """The dialogs of all SIP clients in chats; their number is bounded by the MCU.

    Attributes:
        mcu: The MCU to which they lead.
        people: Whose they are: of their devices it is to be heard when they are gone.
    """

    def __init__(self, mcu: IMcu, outbound: IOutbound, settings: Settings) -> None:
        self.mcu = mcu
        self._outbound = outbound
        self._answer_s = settings.chat_answer_s
        self._dialogs: dict[Name, ChatDialog] = {}
        self._on_flow: dict[FlowName, set[ChatDialog]] = {}
        self.people: Final = SharedInterest()

    def __len__(self) -> int:
        """Return the number of dialogs."""
        return len(self._dialogs)

    def rows(self) -> tuple[Route, ...]:
        """Return the table of routes: all requests within dialogs but INVITE, which the focus receives."""
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
        """Answer the INVITE of somebody whom the focus admits; return the 200. See the promise."""
        _check_offer(arrival.request)
        dialog = self._begin(participant, arrival, Dialog.from_request(arrival.request, new_tag()))
        return _accepting(dialog, arrival.request)

    def go_on(self, participant: Participant, arrival: Arrival, tag: str, seq: int) -> None:
        """Go on with the dialog of somebody whom another node had let in. See the promise."""
        made = Dialog.from_request(arrival.request, tag)
        made.local_seq = seq
        self._begin(participant, arrival, made).participation.joined()

    def _begin(self, participant: Participant, arrival: Arrival, made: Dialog) -> ChatDialog:
        request = arrival.request
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
        dialog = ChatDialog(participant.user, participant.epid, leg, participation, request.to.uri)
        self._dialogs[name] = dialog
        self.people.add(dialog.user)
        self._on_flow.setdefault(leg.flow, set()).add(dialog)
        return dialog

    # --- facts

    def flow_closed(self, fact: FlowClosed) -> None:
        """End the participation of all who used a connection that has closed."""
        for dialog in self._using(fact.flow):
            dialog.participation.lost("connection lost")

    def endpoint_gone(self, fact: EndpointGone) -> None:
        """End the participation of a device that has signed out, or was signed out."""
        for dialog in self._using(fact.flow):
            if (dialog.user, dialog.epid) == (fact.aor, fact.epid):
                dialog.participation.lost(fact.reason.value)

    # --- within dialogs

    async def _said(self, arrival: Arrival) -> Response:
        """Send a message to all; it is acknowledged when it is archived, if it is to be, and on its way.

        Raises:
            Refused: 481, it is not the sender's dialog; 503, it cannot be archived.
            RemoteProtocolError: 400, no media type, or alternatives that cannot be read.

        Spec: [MS-CONFIM] 3.1.5: 202 with a Message-Id. Client: it takes any 2xx.
        """
        dialog, request = self._require(arrival), arrival.request
        content_type = request.headers.get("Content-Type") or ""
        bodies.check_shown(content_type, request.body)
        number = await dialog.participation.say(content_type, request.body)
        return response_to(request, 202, headers=[("Message-Id", str(number))])

    async def _typing(self, arrival: Arrival) -> Response:
        """Show the others that somebody is typing.

        Raises:
            Refused: 415, the body is of another type; 481, it is not the sender's dialog.
            RemoteProtocolError: 400, it is no sign of typing.

        Spec: [MS-CONFIM] 3.1.5. Client: it answers 200 and shows nothing.
        """
        dialog, request = self._require(arrival), arrival.request
        if request.content_type != bodies.TYPING:
            raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.TYPING)])
        bodies.check_typing(request.body)
        dialog.participation.types(request.body)
        return response_to(request, 200)

    async def _left(self, arrival: Arrival) -> Response:
        """End the participation: the client sent BYE."""
        self._require(arrival).participation.leave("bye")
        return response_to(arrival.request, 200)

    async def _acknowledged(self, arrival: Arrival) -> None:
        """Note the ACK: messages that were sent since the 200 are delivered now."""
        dialog = self._find(arrival)
        if dialog is not None:
            dialog.participation.joined()

    async def refresh(self, arrival: Arrival) -> Response:
        """Answer UPDATE and INVITE within a dialog: an offer may change the types that they can show (RFC 3261 §14)."""
        request = arrival.request
        if request.body:
            _check_offer(request)
        dialog = self._require(arrival)
        if not request.body:
            return response_to(request, 200, headers=[_contact(dialog)])
        dialog.leg.accepted = bodies.accept_types(request.body)
        return _accepting(dialog, request)

    async def _asked(self, arrival: Arrival) -> Response:
        """Answer OPTIONS with 200, or 481 where there is no such dialog."""
        self._require(arrival)
        return response_to(arrival.request, 200)

    # --- the table

    def _using(self, flow: FlowName) -> Sequence[ChatDialog]:
        return tuple(self._on_flow.get(flow, ()))

    def _find(self, arrival: Arrival) -> ChatDialog | None:
        """Find the dialog that a request belongs to; None: there is none, or it is not the sender's."""
        request, sender = arrival.request, arrival.sender
        dialog = self._dialogs.get((request.call_id, request.to.tag or ""))
        is_theirs = dialog is not None and (dialog.user, dialog.epid) == (sender.aor, sender.epid)
        return dialog if is_theirs else None

    def _require(self, arrival: Arrival) -> ChatDialog:
        """Find the dialog that a request belongs to; only its own participant may send in it.

        Any request shows that the client has its 200, also one that overtakes the ACK.

        Raises:
            Refused: 481, there is no such dialog, or it is another's.
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
        dialog.participation.joined()
        return dialog

    def _forget(self, name: Name) -> None:
        """Remove a dialog whose leg the MCU has ended."""
        dialog = self._dialogs.pop(name)
        self.people.discard(dialog.user)
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
    """Check that a session description offers messages.

    Raises:
        Refused: 415, no session description; 488, none that offers messages.
    """
    if request.content_type not in _DESCRIPTIONS:
        raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.SDP)])
    if "im" not in media_of(request.body):
        raise Refused(488)
