"""The IM MCU: the chats of all conferences of this process.

Who may take part is the focus's decision, who then calls `admit`; from there on the chat runs
between the participants' dialogs and this table. One law: what was answered 202 reaches
every participant who is connected exactly once, or its sender is told who did not get it.

Spec: [MS-CONFIM] 3.1. Client: protocol notes, "conferences" §5.
"""

from collections.abc import Mapping
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.facts import EndpointGone, FlowClosed
from lyncpy.contracts.mcu import Failure, FailureKind, IFocusEars, IMcu, Participant
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Request, Response, new_tag, response_to
from lyncpy.sip.sdp import media_of
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.chat import NO_DIALOG, Chat
from lyncpy.workloads.im.legs import SipLeg
from lyncpy.workloads.im.places import Place, Places
from lyncpy.workloads.im.room import LEFT, LOST, Bounds, Seat
from lyncpy.workloads.im.settings import Settings

APP: Final = "app:conf:chat"
"""What the URI of a conference's chat says after `opaque=`."""

ACK_S: Final = 32.0
"""64*T1: a dialog whose 200 nobody acknowledges is ended (RFC 3261 §13.3.1.4)."""

WRONG_TYPE: Final = Diagnostics(4013, "Content-type does not match the expected content-type")
OVERLOADED: Final = Diagnostics(17000, "Server overloaded")
ALLOWED: Final = "ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, OPTIONS, UPDATE"

_DESCRIPTIONS: Final = frozenset({bodies.SDP, bodies.ALTERNATIVE, "multipart/mixed"})


@implementer(IMcu)
class Mcu:
    """The chats, and the dialogs that lead to them."""

    kind = "chat"
    log = Logger()

    def __init__(self, outbound: IOutbound, archiving: Archiving, settings: Settings, timers: ITimers) -> None:
        """Begin without a chat; `listen` gives it the focus."""
        self._outbound = outbound
        self._archiving = archiving
        self._settings = settings
        self._timers = timers
        self._bounds = Bounds(
            settings.chat_window, settings.chat_waiting, settings.chat_waiting_bytes, settings.chat_silences
        )
        self._ears: IFocusEars | None = None
        self._chats: dict[str, Chat] = {}
        self._places = Places(settings.chat_legs_total, settings.chat_legs_per_user)

    def __len__(self) -> int:
        """Give the number of participants, each device counted."""
        return len(self._places)

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes: everything within dialogs but INVITE, which comes by way of the focus."""
        answers = {
            "ACK": self._acknowledged,
            "BYE": self._left,
            "INFO": self._typing,
            "MESSAGE": self._said,
            "OPTIONS": self._asked,
            "UPDATE": self._refreshed,
        }
        return tuple(Route(method, answer, app=APP) for method, answer in answers.items())

    # --- the promise

    def listen(self, ears: IFocusEars) -> None:
        """Tell this focus from now on who has left."""
        self._ears = ears

    async def admit(self, participant: Participant, arrival: Arrival) -> Response:
        """Answer the INVITE of somebody whom the focus lets in; give the 200. See the promise."""
        request = arrival.request
        if request.to.tag is not None:
            return await self._refreshed(arrival)
        _check_offer(request)
        dialog, accepted = Dialog.from_request(request, new_tag()), bodies.accept_types(request.body)
        leg = SipLeg(self._outbound, dialog, arrival.flow, accepted, self._settings.chat_answer_s)
        for former in self._seats(participant.conference, participant.user, participant.epid):
            self._drop(self._places.of(former))
        if self._places.is_full(participant.user):
            raise Refused(503, OVERLOADED, headers=[("Retry-After", "60")])
        chat = self._chats.get(participant.conference)
        if chat is None:
            chat = Chat(participant.conference, self._bounds, self._archiving, self._timers, self._over)
            self._chats[participant.conference] = chat
        place = Place(chat, participant, leg, request.to.uri)
        self._places.add(place)
        chat.room.join(place.seat)
        place.ack = self._timers.later(ACK_S, lambda: self._give_up(place))
        return _accepting(place, request)

    def dismiss(self, conference: str, user: Aor, epid: Epid | None, reason: str) -> None:
        """End the legs of a user, or of one of his devices. See the promise."""
        for seat in self._seats(conference, user, epid):
            self._send_away(seat, reason)

    def close(self, conference: str, reason: str) -> None:
        """End the medium of a conference for everybody. See the promise."""
        for seat in self._seats(conference):
            self._send_away(seat, reason)
        self._chats.pop(conference, None)

    def counts(self, conference: str) -> Mapping[Aor, int]:
        """Give how many messages each user has sent. See the promise."""
        chat = self._chats.get(conference)
        return {} if chat is None else dict(chat.room.counts)

    def stop(self) -> None:
        """Forget everything, for an orderly end of the server.

        Nobody is told BYE: a client takes it for the end of the conference, where without it
        it comes back by itself when the server has started again.
        """
        for place in self._places.all():
            place.cancel_ack()
            self._places.remove(place)
        self._chats.clear()

    # --- what happens outside

    async def flow_closed(self, fact: FlowClosed) -> None:
        """A connection is gone, and with it who was there by it."""
        for place in self._places.on_flow(fact.flow):
            if place.seat.is_here:  # the focus may have ended more of them at the end of the first
                self._lose(place, "connection lost")

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """A device has signed out, or was signed out."""
        endpoint = fact.endpoint
        for place in self._places.on_flow(endpoint.flow):
            who = place.seat.participant
            if place.seat.is_here and (who.user, who.epid) == (endpoint.aor, endpoint.epid):
                self._lose(place, fact.reason)

    # --- within dialogs

    async def _said(self, arrival: Arrival) -> Response:
        """Take a message: it is acknowledged when it is archived, if it is to be, and on its way to all.

        Raises:
            Refused: 481, not his dialog; 503, it cannot be archived.
            RemoteProtocolError: 400, no media type, or alternatives that cannot be read.

        Spec: [MS-CONFIM] 3.1.5: 202 with a Message-Id. Client: it takes any 2xx.
        """
        place, request = self._spoken_in(arrival), arrival.request
        content_type = request.headers.get("Content-Type") or ""
        bodies.check_shown(content_type, request.body)
        number = await place.chat.say(place.seat, place.line, content_type, request.body)
        return response_to(request, 202, headers=[("Message-Id", str(number))])

    async def _typing(self, arrival: Arrival) -> Response:
        """Show the others that somebody types.

        Spec: [MS-CONFIM] 3.1.5. Client: it answers 200 and shows nothing.
        """
        place, request = self._spoken_in(arrival), arrival.request
        if request.content_type != bodies.TYPING:
            raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.TYPING)])
        bodies.check_typing(request.body)
        place.chat.types(place.seat, request.body)
        return response_to(request, 200)

    async def _left(self, arrival: Arrival) -> Response:
        """A participant leaves."""
        self._lose(self._spoken_in(arrival), "bye", LEFT)
        return response_to(arrival.request, 200)

    async def _acknowledged(self, arrival: Arrival) -> None:
        """The 200 has arrived: what was said since goes to him now."""
        place = self._places.find(arrival.request)
        if place is not None and place.is_of(arrival):
            place.complete()

    async def _refreshed(self, arrival: Arrival) -> Response:
        """Answer UPDATE and INVITE within a dialog: it goes on, and what he can show may be new (RFC 3261 §14)."""
        request = arrival.request
        if request.body:
            _check_offer(request)
        place = self._spoken_in(arrival)
        if not request.body:
            return response_to(request, 200, headers=[_contact(place)])
        place.leg.accepted = bodies.accept_types(request.body)
        return _accepting(place, request)

    async def _asked(self, arrival: Arrival) -> Response:
        """Answer OPTIONS: the dialog is alive, or 481."""
        self._spoken_in(arrival)
        return response_to(arrival.request, 200)

    def _spoken_in(self, arrival: Arrival) -> Place:
        """Find the place whose dialog a request belongs to; only its own participant may speak in it.

        Raises:
            Refused: 481.
            RemoteProtocolError: 500, an old CSeq.
        """
        place = self._places.find(arrival.request)
        if place is None or not place.is_of(arrival):
            raise Refused(481, NO_DIALOG)
        before = place.leg.flow
        place.leg.receive(arrival.request, arrival.flow)
        if arrival.flow != before:
            self._places.moved(place, before)
        place.complete()
        return place

    # --- coming and going

    def _seats(self, conference: str, user: Aor | None = None, epid: Epid | None = None) -> tuple[Seat, ...]:
        chat = self._chats.get(conference)
        if chat is None:
            return ()
        return chat.room.seats() if user is None else chat.room.of(user, epid)

    def _over(self, seat: Seat, kind: FailureKind) -> None:
        place = self._places.of(seat)
        if kind is FailureKind.SILENT:
            self._give_up(place)
        else:
            self._lose(place, "connection lost")

    def _drop(self, place: Place, why: Failure = LEFT) -> None:
        """Take a place away; nobody is told but the senders of what waited for it."""
        place.cancel_ack()
        self._places.remove(place)
        place.chat.leave(place.seat, why)

    def _send_away(self, seat: Seat, reason: str) -> None:
        """End a leg because the focus wants it."""
        if seat.is_here:
            self._drop(self._places.of(seat))
            seat.leg.end(reason)

    def _give_up(self, place: Place) -> None:
        """End a leg that takes nothing any more."""
        self._drop(place)
        place.leg.end("no answer")
        self._tell_left(place, "no answer")

    def _lose(self, place: Place, reason: str, why: Failure = LOST) -> None:
        """Note that a leg is over by its participant's own doing."""
        self._drop(place, why)
        self._tell_left(place, reason)

    def _tell_left(self, place: Place, reason: str) -> None:
        who = place.seat.participant
        self.log.debug(
            "{aor} left the chat of {conference}: {reason}", aor=who.user, conference=who.conference, reason=reason
        )
        if self._ears is not None:
            self._ears.left(who, reason)


def _accepting(place: Place, request: Request) -> Response:
    return response_to(
        request,
        200,
        to_tag=place.name[1],
        headers=[_contact(place), ("Allow", ALLOWED)],
        content_type=bodies.SDP,
        body=bodies.describe(place.uri),
    )


def _contact(place: Place) -> tuple[str, str]:
    return "Contact", f"<{place.uri}>;isfocus"


def _check_offer(request: Request) -> None:
    """See that a session description offers messages.

    Raises:
        Refused: 415, no session description; 488, none that offers messages.
    """
    if request.content_type not in _DESCRIPTIONS:
        raise Refused(415, WRONG_TYPE, headers=[("Accept", bodies.SDP)])
    if "im" not in media_of(request.body):
        raise Refused(488)
