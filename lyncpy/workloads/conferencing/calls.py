"""Calling people into a meeting: a presenter has the focus invite somebody in the presenter's name.

That takes as long as the invited user hesitates, so the command is answered "pending" at once, and
its final response follows in an INFO within the presenter's dialog. Whoever accepts joins on
their own, as with every invitation; the dialog of the INVITE ends with its answer.

Spec: [MS-CONFBAS] 2.2.3.15; spec notes, "conferencing" §7 (the final response by INFO), §9.
"""

from collections.abc import Mapping
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.privacy import IPrivacy, may_reach
from lyncpy.contracts.refusal import Refused, WorldUnavailable
from lyncpy.core.forward import ForkResult, RingTimes
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import quote
from lyncpy.sip.markup import escape
from lyncpy.sip.message import Headers, Request, Response, new_call_id, new_tag
from lyncpy.workloads.conferencing.attachments import SipAttachment
from lyncpy.workloads.conferencing.bodies.c3p import AddUser, C3pCommand, write_added
from lyncpy.workloads.conferencing.focus import Focus
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes, called_words
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.admission import FocusAction
from lyncpy.workloads.conferencing.model.attendees import Meeting, MeetingChange, MeetingEnded
from lyncpy.workloads.conferencing.model.conference import C3pReason, ConferenceDenied, ConferenceRole
from lyncpy.workloads.conferencing.refusals import C3pRefusals

INVITATION: Final = "application/ms-conf-invite+xml"

PATIENCE: Final = RingTimes(32.0, 180.0)
"""Seconds until a silent device has timed out, and one that rings."""

BYE_S: Final = 10.0
TOTAL: Final = 1000
"""Calls under way at once, at most."""

_UNKNOWN: Final = ConferenceDenied(C3pReason.USER_DOES_NOT_EXIST)
_SILENT: Final = ConferenceDenied(C3pReason.USER_NOT_ANSWERED)
_REASONS: Final[Mapping[int, C3pReason]] = {
    404: C3pReason.USER_DOES_NOT_EXIST,
    408: C3pReason.USER_NOT_ANSWERED,
    430: C3pReason.USER_NOT_ANSWERED,
    480: C3pReason.USER_NOT_ANSWERED,
    486: C3pReason.USER_BUSY,
    487: C3pReason.USER_NOT_ANSWERED,
    600: C3pReason.USER_BUSY,
}
"""The reason for each status of a refusal; every other status means USER_DECLINED."""


class Calls:
    """The calls under way; bounded, and one for each person in each meeting."""

    log = Logger()

    def __init__(
        self, platform: Platform, signaling: Signaling, privacy: IPrivacy, notes: MeetingNotes, refusals: C3pRefusals
    ) -> None:
        self._forward = signaling.forward
        self._outbound = signaling.outbound
        self._locator = platform.locator
        self._people = platform.people
        self._privacy = privacy
        self._notes = notes
        self._refusals = refusals
        self._timers = platform.timers
        self._owners = platform.owners
        self._calling: dict[tuple[str, Aor], Arrival] = {}
        """Their INVITEs, by focus URI and invited user."""

    def __len__(self) -> int:
        return len(self._calling)

    async def begin(
        self, focus: Focus, caller: SipAttachment, arrival: Arrival, command: C3pCommand, ask: AddUser
    ) -> ConferenceDenied | None:
        """Begin to call somebody.

        The checks stand in this order: each may tell the caller no more than their role allows. A person who is
        counted as invited (`call_in`) stays so although too many calls are under way: they may join by the link.

        Args:
            caller: Is sent the final response when the call is over.
            arrival: The INFO with the command.

        Returns:
            Why not; None: the call is under way.

        Spec: [MS-CONFBAS] 2.2.3.15.
        """
        if ask.target and aor_of(ask.target) != ask.user:  # a phone number, and there is no gateway
            return ConferenceDenied(C3pReason.NOT_SUPPORTED)
        # Before anybody is looked up, so that attendees do not learn who has an account.
        if not rules.may(focus.meeting, caller.user, FocusAction.ADD_USER):
            return ConferenceDenied(C3pReason.FORBIDDEN)
        person = self._people.person(ask.user)
        if person is None or not person.enabled:
            return _UNKNOWN
        # Read before anything is waited for: the address may belong to somebody else afterwards.
        owner = self._owners.owner(ask.user)
        step = await focus.change(lambda meeting: rules.call_in(meeting, caller.user, ask.user, owner))
        if isinstance(step, ConferenceDenied):
            return step
        # Two presenters may call the same person at once; their devices ring once.
        if (focus.uri, ask.user) in self._calling:
            return ConferenceDenied(C3pReason.USER_EXISTS)
        if len(self._calling) >= TOTAL:
            return ConferenceDenied(C3pReason.SERVER_BUSY)
        inviter = self._people.person(caller.user)
        request = _invitation(focus, caller.user, "" if inviter is None else inviter.display_name, ask.user)
        self._calling[focus.uri, ask.user] = own = Arrival(request, arrival.flow, arrival.peer, arrival.at, arrival.who)
        spawn(self._call(own, focus, caller, command, ask), self.log, "calling somebody into a meeting")
        return None

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Cancel the calls of a meeting that has ended; see `MeetingObserver`."""
        if isinstance(change, MeetingEnded):
            for (uri, _), own in tuple(self._calling.items()):
                if uri == after.conference.uri:
                    own.cancel()

    async def _call(self, own: Arrival, focus: Focus, caller: SipAttachment, command: C3pCommand, ask: AddUser) -> None:
        try:
            denied = await self._invite(own, caller.user, ask.user)
        except (Refused, WorldUnavailable):
            denied = ConferenceDenied(C3pReason.OTHER)
        finally:
            del self._calling[focus.uri, ask.user]
        self._notes.note(
            focus.meeting.conference.id, lambda: f"{bare(ask.user)} {called_words(denied)}", ask.user, caller.user
        )
        body = (
            write_added(command, ask, ConferenceRole.ATTENDEE)
            if denied is None
            else self._refusals.written(command, denied)
        )

        def inform() -> None:
            if focus.attachment(caller.user, caller.epid) is caller:
                caller.inform(body)

        # In a later turn: where no device is signed in, this is known before "pending" has left.
        self._timers.later(0.0, inform)

    async def _invite(self, own: Arrival, inviter: Aor, user: Aor) -> ConferenceDenied | None:
        endpoints = await self._locator.endpoints(user)
        # A blocked inviter must not be able to tell that they are: it is as if no device were signed in.
        if not endpoints or not await may_reach(self._privacy, user, inviter):
            return _SILENT
        outcome = await self._forward.fork(own, endpoints, PATIENCE)
        if outcome.response.status >= 300 or outcome.endpoint is None:
            return ConferenceDenied(_REASONS.get(outcome.response.status, C3pReason.USER_DECLINED))
        self._complete(own.request, outcome, outcome.endpoint)
        return None

    def _complete(self, request: Request, outcome: ForkResult, endpoint: Endpoint) -> None:
        """Acknowledge an accepted INVITE, and end its dialog: the invited user joins by a dialog of their own."""
        response: Response = outcome.response.edited(drop=["Record-Route"])
        try:
            dialog = Dialog.from_response(request, response)
            self._outbound.send_unanswered(endpoint.flow, dialog.ack(request).edited(uri=endpoint.contact))
            bye = dialog.next_request("BYE").edited(uri=endpoint.contact)
            self._outbound.send_request(endpoint.flow, bye, timeout=BYE_S)
        except (FlowGone, RemoteProtocolError) as error:
            self.log.debug("{flow} accepted in vain: {reason}", flow=endpoint.flow, reason=str(error))


def _invitation(focus: Focus, inviter: Aor, name: str, user: Aor) -> Request:
    """Write the INVITE as the inviter's own client would. Client: it reads the focus URI, and joins."""
    subject = escape(focus.meeting.conference.subject)
    body = (
        f'<Conferencing version="2.0"><focus-uri>{escape(focus.uri)}</focus-uri><subject>{subject}</subject>'
        '<im available="true"><first-im/></im></Conferencing>'
    )
    shown = "".join(letter for letter in name if letter >= " " and letter != "\x7f")
    from_ = f"{quote(shown)} <{inviter}>" if shown else f"<{inviter}>"
    headers = [
        ("Max-Forwards", "70"),
        ("From", f"{from_};tag={new_tag()}"),
        ("To", f"<{user}>"),
        ("Call-ID", new_call_id()),
        ("CSeq", "1 INVITE"),
        ("Contact", f"<{focus.uri}>;isfocus"),
        ("Supported", "ms-sender"),
        ("Content-Type", INVITATION),
    ]
    return Request("INVITE", user, Headers(headers), body.encode())
