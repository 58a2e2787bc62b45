"""Requests for another user: invitations, and everything within their dialogs.

Here it is decided what a request is; `delivery.py` passes it on.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.refusal import NO_DIALOG, Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.core.forward import ForkResult, Forward, OnEarly
from lyncpy.core.router import FORWARD
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.delivery import Delivery
from lyncpy.workloads.im.dialogs import DialogDirection, Dialogs
from lyncpy.workloads.im.invitations import Invitations
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndReason, Session, Side
from lyncpy.workloads.im.session_homes import LostHomes
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings

NO_SERVICE: Final = Diagnostics(4007, "Resource is unknown in this deployment")

CHAT_PROBE: Final = "ocschat"
"""COMPAT pidgin-sipe 1.25: every sign-in looks for persistent chat under this name; that is no session to record."""

OUT_OF_DIALOG: Final = frozenset({"INVITE", "MESSAGE", "OPTIONS"})
"""What a user may send to another without a dialog.

NOTIFY and BENOTIFY are not among them: real clients believe any notification by its Event
alone, so one that a user could address to another would forge contacts or sign them out.
"""

WITHIN_DIALOG: Final = frozenset({"BYE", "INFO", "INVITE", "MESSAGE", "OPTIONS", "PRACK", "REFER", "UPDATE"})
"""What participants may send each other besides ACK and the NOTIFY that a REFER asks for; the same holds here."""

RECORDED: Final = frozenset({"INVITE", "MESSAGE"})
"""The methods that begin the record anew of a dialog that is in no table: no other is counted there."""

EARLY_END_S: Final = 1.0
"""Seconds that a device whose early dialog was ended by BYE may take to answer its INVITE, before it gets CANCEL."""


@dataclass(eq=False, slots=True)
class _Ringing:
    """An invitation without an answer."""

    arrival: Arrival
    branches: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What cancels the INVITE to each device that has answered provisionally, by its To tag."""


class Routes:
    """Passes requests between users, and updates the records of their sessions."""

    log = Logger()

    def __init__(
        self,
        forward: Forward,
        delivery: Delivery,
        dialogs: Dialogs,
        invitations: Invitations,
        sessions: Sessions,
        lost_homes: LostHomes,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Begin without unanswered invitations.

        Args:
            forward: Passes on requests that are neither archived nor counted.
            delivery: Passes on all others.
            dialogs: Finds the device that a request within a dialog is for.
            invitations: Passes on invitations to conferences.
            sessions: The records of the dialogs under way.
            lost_homes: Takes requests to the node that goes on with a dialog of which nothing is known here.
        """
        self._forward = forward
        self._delivery = delivery
        self._dialogs = dialogs
        self._invitations = invitations
        self._sessions = sessions
        self._lost_homes = lost_homes
        self._timers = timers
        self._answer_s = settings.message_s
        self._ringing: dict[tuple[str, str], _Ringing] = {}
        """Invitations without an answer, by Call-ID and the caller's tag; as many as sessions, at most."""

        self._first: Mapping[str, Callable[[Arrival], Coroutine[Any, Any, Response]]] = {
            "INVITE": self._invitation,
            "MESSAGE": self._page,
            "OPTIONS": self._question,
        }

    def rows(self) -> tuple[Route, ...]:
        """Return the table of routes."""
        return (Route(FORWARD, self.answer),)

    def answer(self, arrival: Arrival) -> Coroutine[Any, Any, Response | None]:
        """Answer a request for another user.

        Raises:
            Refused: 404 (unknown), 480 (offline or blocked, which look the same), 481 for a
                dialog that is over, 405 for what may not be sent without one.
        """
        request = arrival.request
        if request.method == "ACK":
            return self._acknowledge(arrival)
        if request.to.tag:
            return self._within(arrival)
        if request.method == "BYE":
            return self._untagged_bye(arrival)
        first = self._first.get(request.method)
        if first is None:
            raise Refused(405, headers=[("Allow", ", ".join(sorted(OUT_OF_DIALOG)))])
        return first(arrival)

    def cancel_invitations(self, aor: Aor, epid: Epid) -> None:
        """Cancel the unanswered invitations of an endpoint that has signed out or vanished."""
        for ringing in tuple(self._ringing.values()):
            sender = ringing.arrival.sender
            if (sender.aor, sender.epid) == (aor, epid):
                ringing.arrival.cancel()

    def cancel_session(self, session: Session) -> None:
        """Cancel the invitation to a session that nobody has accepted: its caller gets 487, devices that ring a CANCEL."""
        ringing = self._ringing.get((session.record.call_id, session.caller.tag))
        if ringing is not None:
            ringing.arrival.cancel()

    # --- without a dialog

    async def _invitation(self, arrival: Arrival) -> Response:
        """Pass an invitation on, to a session or a conference; while it is unanswered, it can be cancelled."""
        if arrival.request.target.user == CHAT_PROBE:
            raise Refused(404, NO_SERVICE)
        offer = self._invitations.offer if arrival.request.content_type == bodies.INVITATION else self._session
        name = _name(arrival.request)
        if name in self._ringing:
            raise Refused(482)
        self._ringing[name] = _Ringing(arrival)
        try:
            return await offer(arrival)
        finally:
            del self._ringing[name]

    async def _session(self, arrival: Arrival) -> Response:
        """Pass an invitation to a session on to the endpoints of a user, or out of the house."""
        outward = self._delivery.outward(arrival)
        if outward is not None:
            return await outward
        return (await self._delivery.invite(arrival, partial(self._on_early, arrival))).response

    def _on_early(self, arrival: Arrival, session: Session) -> OnEarly:
        """Return what notes the early dialogs of an invitation, and how to cancel each of them."""
        branches = self._ringing[_name(arrival.request)].branches

        def on_early(tag: str, endpoint: Endpoint, give_up: Callable[[], None]) -> None:
            current = self._sessions.current(session)
            if current is not None:
                self._sessions.update_unrecorded(rules.heard_early(current, Side(endpoint.aor, endpoint.epid, tag)))
            if len(branches) < rules.EARLY_MAXIMUM:
                branches.setdefault(tag, give_up)

        return on_early

    async def _page(self, arrival: Arrival) -> Response:
        return (await self._delivery.page(arrival)).response

    async def _question(self, arrival: Arrival) -> Response:
        return (await self._delivery.question(arrival)).response

    # --- within a dialog

    async def _within(self, arrival: Arrival) -> Response:
        """Pass on a request within a dialog.

        Raises:
            Refused: 405, the method is none of those within dialogs; 481, see `Dialogs.direction`; and as `Delivery` does.

        Spec: RFC 3261 §12.2.
        """
        request = arrival.request
        if request.method not in WITHIN_DIALOG and not rules.tells_of_referral(request):
            raise Refused(405, headers=[("Allow", ", ".join(sorted(WITHIN_DIALOG)))])
        # An invitation to a conference has no record in the table of sessions.
        if request.method == "BYE":
            response = await self._invitations.pass_bye(arrival)
            if response is not None:
                return response
        direction = await self._dialogs.direction(arrival)
        if not direction.is_known and direction.endpoint is not None:
            response = await self._lost_homes.answer(arrival, direction.endpoint)
            if response is not None:
                return response
        self._note(arrival, direction)
        # A BYE ends the session also where the device at the other end is gone; all others are refused then.
        if request.method == "BYE":
            return await self._bye(arrival, direction)
        if direction.endpoint is None:
            raise Refused(481, NO_DIALOG)
        if request.method == "MESSAGE":
            return (await self._delivery.message(arrival, direction, direction.endpoint)).response
        if request.method == "INVITE":
            return (await self._delivery.reinvite(arrival, direction, direction.endpoint)).response
        return (await self._pass_on(arrival, direction, direction.endpoint)).response

    def _note(self, arrival: Arrival, direction: DialogDirection) -> None:
        """Update the record for a request in its dialog; the dialog goes on even where no record may be begun."""
        if direction.is_known:
            rules.note_sent(direction.side, arrival.request)
        elif arrival.request.method in RECORDED:
            try:
                self._sessions.add_session(direction.session)
            except Refused as no:
                self.log.debug(
                    "a conversation of {aor} goes on without a record: {reason}", aor=direction.side.aor, reason=str(no)
                )

    async def _acknowledge(self, arrival: Arrival) -> None:
        if self._invitations.acknowledge(arrival):
            return
        direction = await self._dialogs.direction(arrival)
        if direction.endpoint is not None:
            self._forward.pass_ack(arrival, direction.endpoint, call_id=direction.call_id)

    # --- the end

    async def _bye(self, arrival: Arrival, direction: DialogDirection) -> Response:
        """End a session. For the sender it has ended whatever the other side answers (RFC 3261 §15)."""
        if direction.is_known and not direction.session.answered:
            return await self._early_bye(arrival, direction)
        self._end(arrival, direction)
        return await self._pass_bye(arrival, direction)

    def _end(self, arrival: Arrival, direction: DialogDirection) -> None:
        if direction.is_known:
            session, by = direction.session, direction.session.ender(direction.side)
            self._sessions.hang_up(rules.ended(session, by, EndReason.BYE, self._timers.wall(), arrival.request))

    async def _early_bye(self, arrival: Arrival, direction: DialogDirection) -> Response:
        """End the early dialog with one device, or one of which the caller does not know that it is early.

        The other devices go on ringing. A device that does not refuse its INVITE by itself gets CANCEL.
        What a callee's BYE means for the INVITE is told by its answer to that.

        Spec: RFC 3261 §15, §15.1.2.
        """
        if direction.side.tag == direction.session.caller.tag:
            ringing = self._ringing.get(_name(arrival.request))
            give_up = ringing.branches.get(arrival.request.to.tag or "") if ringing is not None else None
            if ringing is not None and give_up is None:  # no known device has this tag: the whole invitation is meant
                ringing.arrival.cancel()
                return response_to(arrival.request, 200)
            if give_up is not None:
                self._timers.later(EARLY_END_S, give_up)
        return await self._pass_bye(arrival, direction)

    async def _untagged_bye(self, arrival: Arrival) -> Response:
        """End an invitation that its caller has heard no answer to.

        COMPAT pidgin-sipe 1.25: it sends no CANCEL, but this BYE. It sends the same when an
        invitation of the other side has crossed its own: it accepts that one, and so does the other
        client with its own. Each then sends in the dialog that the other has given up, and shows
        what it receives. So neither session is ended: both dialogs are in use.

        Spec: RFC 3261 §15 allows BYE in an early dialog.
        """
        request = arrival.request
        session = self._sessions.find_begun(request, arrival.sender.aor)
        if session is not None and self._sessions.is_crossing(session):
            return response_to(request, 200)
        ringing = self._ringing.get(_name(request))
        if ringing is not None and ringing.arrival.flow == arrival.flow:
            ringing.arrival.cancel()
            return response_to(request, 200)
        if session is None or not session.answered:
            raise Refused(481, NO_DIALOG)
        # The BYE has crossed the answer: for the callee, the dialog has the callee's tag.
        callee = session.callee
        tagged = request.edited(put=[("To", f"{request.headers.get('To')};tag={callee.tag}")])
        own = Arrival(tagged, arrival.flow, arrival.peer, arrival.at, arrival.who)
        direction = DialogDirection(session, session.caller, await self._dialogs.device(callee))
        self._end(own, direction)
        return await self._pass_bye(own, direction)

    async def _pass_bye(self, arrival: Arrival, direction: DialogDirection) -> Response:
        if direction.endpoint is not None:
            outcome = await self._pass_on(arrival, direction, direction.endpoint)
            if outcome.endpoint is not None:
                return outcome.response
        return response_to(arrival.request, 200)

    async def _pass_on(self, arrival: Arrival, direction: DialogDirection, peer: Endpoint) -> ForkResult:
        return await self._forward.pass_on(arrival, peer, self._answer_s, call_id=direction.call_id)


def _name(request: Request) -> tuple[str, str]:
    return request.call_id, request.from_.tag or ""
