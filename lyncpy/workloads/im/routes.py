"""What is for another user: invitations, and everything within their dialogs.

An IM is acknowledged to its sender by the receiver's own 200 and by nothing else: every
answer here is an endpoint's, or a failure.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from twisted.internet.defer import CancelledError

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable, translated
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.core.forward import Forward, Outcome, Patience
from lyncpy.core.router import FORWARD
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.workloads.im import bodies, model
from lyncpy.workloads.im.filing import Filing
from lyncpy.workloads.im.invitations import Invitations
from lyncpy.workloads.im.model import Session, Side
from lyncpy.workloads.im.parties import Parties
from lyncpy.workloads.im.recorder import Recorder
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings

NO_DIALOG: Final = Diagnostics(1004, "Route set is no longer valid")

NO_SERVICE: Final = Diagnostics(4007, "Resource is unknown in this deployment")

CHAT_PROBE: Final = "ocschat"
"""COMPAT pidgin-sipe 1.25: every sign-in looks for persistent chat under this name; that is no session to record."""

OUT_OF_DIALOG: Final = frozenset({"INVITE", "MESSAGE", "OPTIONS"})
"""What a user may send to another without a dialog.

NOTIFY and BENOTIFY are not among them: real clients believe any notification by its Event
alone, so one that a user could address to another would forge contacts or sign him out.
"""

WITHIN_DIALOG: Final = frozenset({"BYE", "INFO", "INVITE", "MESSAGE", "OPTIONS", "PRACK", "REFER", "UPDATE"})
"""What participants may send each other besides ACK and the NOTIFY that a REFER asks for; the same holds here."""

EARLY: Final = frozenset({"INFO", "MESSAGE"})
"""What the invited side may send in a dialog before it has accepted."""


class Routes:
    """Passes requests between users and keeps what their sessions did."""

    def __init__(
        self,
        forward: Forward,
        locator: ILocator,
        parties: Parties,
        invitations: Invitations,
        filing: Filing,
        sessions: Sessions,
        recorder: Recorder,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Take the promises, the table and the settings."""
        self._forward = forward
        self._locator = locator
        self._parties = parties
        self._invitations = invitations
        self._filing = filing
        self._sessions = sessions
        self._recorder = recorder
        self._timers = timers
        self._invite = Patience(settings.invite_silent_s, settings.ringing_s)
        self._message = Patience(settings.message_s, settings.message_s)
        self._ringing: dict[tuple[str, str], Arrival] = {}
        """Invitations without an answer, by Call-ID and the caller's tag; as many as sessions, at most."""

        self._first: Mapping[str, Callable[[Arrival], Awaitable[Response]]] = {
            "INVITE": self._invitation,
            "MESSAGE": self._page,
            "OPTIONS": self._question,
        }

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (Route(FORWARD, self.answer),)

    async def answer(self, arrival: Arrival) -> Response | None:
        """Answer a request for another user.

        Raises:
            Refused: 404 (unknown), 480 (offline or blocked, which look the same), 481 for a
                dialog that is over, 405 for what may not be sent without one.
        """
        request = arrival.request
        if request.method == "ACK":
            await self._acknowledge(arrival)
            return None
        if request.method == "BYE" and self._gave_up(arrival):
            return response_to(request, 200)
        if request.to.tag:
            return await self._within(arrival)
        first = self._first.get(request.method)
        if first is None:
            raise Refused(
                481 if request.method == "BYE" else 405, headers=[("Allow", ", ".join(sorted(OUT_OF_DIALOG)))]
            )
        return await first(arrival)

    def leave(self, aor: Aor, epid: Epid) -> None:
        """Give up what an endpoint that is gone has still ringing."""
        for arrival in tuple(self._ringing.values()):
            if (arrival.sender.aor, arrival.sender.epid) == (aor, epid):
                arrival.cancel()

    # --- without a dialog

    async def _invitation(self, arrival: Arrival) -> Response:
        """Ask a user for a session, or to join a conference; while it rings, it can be given up."""
        if arrival.request.target.user == CHAT_PROBE:
            raise Refused(404, NO_SERVICE)
        offer = self._invitations.offer if arrival.request.content_type == bodies.INVITATION else self._session
        name = _name(arrival.request)
        if name in self._ringing:
            raise Refused(482)
        self._ringing[name] = arrival
        try:
            return await offer(arrival)
        finally:
            del self._ringing[name]

    async def _session(self, arrival: Arrival) -> Response:
        """Offer a session to the endpoints of a user; its record begins whatever comes of it."""
        session = await self._parties.begun(arrival)
        self._sessions.add(session)
        arrival.provisional(response_to(arrival.request, 100))
        try:
            endpoints = await self._parties.reachable(arrival)
            said = self._filing.said(session, session.caller, arrival.request)
            outcome = await self._filing.passing(
                _line(arrival.request), said, lambda: self._fork(arrival, endpoints, self._invite)
            )
        except (Refused, WorldUnavailable, CancelledError) as error:
            response = translated(error).response(arrival.request)
            self._sessions.end(model.refused(session, response, self._timers.wall(), by_server=True))
            raise
        if not _is_good(outcome) or not bodies.takes_first_text(outcome.response.headers.all("Supported")):
            self._filing.undelivered(said)
        self._settle(session, outcome)
        return outcome.response

    async def _fork(self, arrival: Arrival, endpoints: Sequence[Endpoint], patience: Patience) -> Outcome:
        return await self._forward.fork(arrival, endpoints, patience)

    def _gave_up(self, arrival: Arrival) -> bool:
        """End an invitation whose caller says BYE before anybody has answered; tell whether there is one.

        Client: it sends no CANCEL, but this BYE, and mostly without a To tag (protocol notes, "other" §4.5).
        Spec: RFC 3261 §15 allows it in an early dialog.
        """
        invitation = self._ringing.get(_name(arrival.request))
        if invitation is None or invitation.flow != arrival.flow:
            return False
        invitation.cancel()
        return True

    def _settle(self, session: Session, outcome: Outcome) -> None:
        now = self._timers.wall()
        endpoint = outcome.endpoint
        # The invited side may have said something meanwhile (`_early`), and it counts.
        session = self._sessions.current(session) or session
        if 200 <= outcome.response.status < 300 and endpoint is not None:
            session = model.answered(session, outcome.response, endpoint.epid, endpoint.instance, now)
            self._sessions.change(session, at_once=True)
        else:
            self._sessions.end(model.refused(session, outcome.response, now, by_server=endpoint is None))

    async def _page(self, arrival: Arrival) -> Response:
        """Pass a message on that has no session (RFC 3428); its record is a session of one message."""
        session = await self._parties.begun(arrival)
        try:
            endpoints = await self._parties.reachable(arrival)
        except Refused as no:
            response = no.response(arrival.request)
            failed = model.refused(session, response, self._timers.wall(), by_server=True)
            self._recorder.note(failed.record, at_once=True)
            raise
        said = self._filing.said(session, session.caller, arrival.request)
        outcome = await self._filing.passing(
            _line(arrival.request), said, lambda: self._fork(arrival, endpoints, self._message)
        )
        now = self._timers.wall()
        if _is_good(outcome) and outcome.endpoint is not None:
            session = model.answered(session, outcome.response, outcome.endpoint.epid, outcome.endpoint.instance, now)
            session = model.ended(
                model.counted(session, session.caller.tag, delivered=True), "user1", "single message", now
            )
        else:
            self._filing.undelivered(said)
            session = model.counted(session, session.caller.tag, delivered=False)
            session = model.refused(session, outcome.response, now, by_server=outcome.endpoint is None)
        self._recorder.note(session.record, at_once=True)
        return outcome.response

    async def _question(self, arrival: Arrival) -> Response:
        """Pass OPTIONS on."""
        endpoints = await self._parties.reachable(arrival)
        return (await self._fork(arrival, endpoints, self._message)).response

    # --- within a dialog

    async def _within(self, arrival: Arrival) -> Response:
        request = arrival.request
        early = self._sessions.early(request, arrival.sender.aor)
        if early is not None and request.method in EARLY:
            return await self._early(arrival, early)
        if request.method == "BYE":
            response = await self._invitations.end(arrival)
            if response is not None:
                return response
        session, side = self._session_of(arrival)
        if request.method not in WITHIN_DIALOG and not model.tells_of_referral(request):
            raise Refused(405, headers=[("Allow", ", ".join(sorted(WITHIN_DIALOG)))])
        session = model.passed(session, side, request)
        self._sessions.moved(session)
        if request.method == "BYE":
            return await self._bye(arrival, session, side)
        peer = await self._peer(session, side)
        if peer is None:
            self._sessions.end(model.ended(session, "server", "connection lost", self._timers.wall()))
            raise Refused(481, NO_DIALOG)
        if request.method == "MESSAGE":
            return await self._message_to(arrival, session, side, peer)
        if request.method == "INVITE":
            arrival.provisional(response_to(request, 100))
        patience = self._invite.ringing_s if request.method == "INVITE" else self._message.silent_s
        return (await self._pass_on(arrival, peer, patience)).response

    async def _early(self, arrival: Arrival, session: Session) -> Response:
        """Pass on what the invited side says before it has answered.

        COMPAT pidgin-sipe 1.25: with a second device signed in it accepts ten seconds late, takes
        the dialog for established meanwhile, and ends it when what its user writes is refused.
        """
        side = replace(session.callee, tag=arrival.request.from_.tag or "")
        peer = await self._peer(session, side)
        if peer is None:
            raise Refused(481, NO_DIALOG)
        if arrival.request.method == "MESSAGE":
            return await self._message_to(arrival, session, side, peer)
        return (await self._pass_on(arrival, peer, self._message.silent_s)).response

    async def _message_to(self, arrival: Arrival, session: Session, side: Side, peer: Endpoint) -> Response:
        """Pass a message on: archived before, if it is to be, and counted after.

        Raises:
            Refused: 503, it is to be archived and cannot be.
        """
        said = self._filing.said(session, side, arrival.request)
        delivered = False
        try:
            outcome = await self._filing.passing(
                _line(arrival.request), said, lambda: self._pass_on(arrival, peer, self._message.silent_s)
            )
            delivered = _is_good(outcome)
        finally:
            current = self._sessions.current(session)
            if current is not None:
                self._sessions.change(model.counted(current, side.tag, delivered=delivered), at_once=False)
        if not delivered:
            self._filing.undelivered(said)
        return outcome.response

    async def _pass_on(self, arrival: Arrival, peer: Endpoint, patience_s: float) -> Outcome:
        return await self._forward.pass_on(arrival, peer, patience_s)

    async def _bye(self, arrival: Arrival, session: Session, side: Side) -> Response:
        """End a session. It is over for the sender whatever the other side makes of it."""
        by = "user1" if side.tag == session.caller.tag else "user2"
        peer = await self._peer(session, side)
        self._sessions.end(model.ended(session, by, "bye", self._timers.wall(), arrival.request))
        if peer is None:
            return response_to(arrival.request, 200)
        outcome = await self._forward.pass_on(arrival, peer, self._message.silent_s)
        return outcome.response if outcome.endpoint is not None else response_to(arrival.request, 200)

    async def _acknowledge(self, arrival: Arrival) -> None:
        if self._invitations.acknowledge(arrival):
            return
        session, side = self._session_of(arrival)
        peer = await self._peer(session, side)
        if peer is not None:
            self._forward.pass_ack(arrival, peer)

    def _session_of(self, arrival: Arrival) -> tuple[Session, Side]:
        """Find the session; only its own participants may speak in it."""
        found = self._sessions.find(arrival.request)
        if found is None or found[1].aor != arrival.sender.aor:
            raise Refused(481, NO_DIALOG)
        return found

    async def _peer(self, session: Session, side: Side) -> Endpoint | None:
        """Give the endpoint at the other end of a dialog, if it is still signed in."""
        other = session.other(side)
        for endpoint in await self._locator.endpoints(other.aor):
            if endpoint.epid == other.epid:
                return endpoint
        return None


def _name(request: Request) -> tuple[str, str]:
    return request.call_id, request.from_.tag or ""


def _line(request: Request) -> str:
    """Name who speaks within a dialog."""
    return f"{request.call_id} {request.from_.tag}"


def _is_good(outcome: Outcome) -> bool:
    return 200 <= outcome.response.status < 300
