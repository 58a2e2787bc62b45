"""What is for another user: invitations, and everything within their dialogs.

An IM is acknowledged to its sender by the receiver's own 200 and by nothing else: every
answer here is an endpoint's, or a failure.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from twisted.internet.defer import CancelledError

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid, NodeName, aor_of
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable, translated
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Route
from lyncpy.core.forward import Forward, Outcome, Patience
from lyncpy.core.router import FORWARD
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.workloads.im import model
from lyncpy.workloads.im.model import Session, Side
from lyncpy.workloads.im.recorder import Recorder
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings

UNKNOWN: Final = Diagnostics(1003, "User does not exist")
OFFLINE: Final = Diagnostics(1, "User could not be reached")
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
        people: IPeople,
        privacy: IPrivacy,
        sessions: Sessions,
        recorder: Recorder,
        node: NodeName,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Take the promises, the table and the settings."""
        self._forward = forward
        self._locator = locator
        self._people = people
        self._privacy = privacy
        self._sessions = sessions
        self._recorder = recorder
        self._node = node
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
        """Offer a session to the endpoints of a user; its record begins whatever comes of it."""
        if arrival.request.target.user == CHAT_PROBE:
            raise Refused(404, NO_SERVICE)
        session = await self._begun(arrival)
        self._sessions.add(session)
        arrival.provisional(response_to(arrival.request, 100))
        name = _name(arrival.request)
        self._ringing[name] = arrival
        try:
            endpoints = await self._reachable(arrival)
            outcome = await self._forward.fork(arrival, endpoints, self._invite, self._asserted(arrival))
        except (Refused, WorldUnavailable, CancelledError) as error:
            response = translated(error).response(arrival.request)
            self._sessions.end(model.refused(session, response, self._timers.wall(), by_server=True))
            raise
        finally:
            self._ringing.pop(name, None)
        self._settle(session, outcome)
        return outcome.response

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
        session = await self._begun(arrival)
        try:
            endpoints = await self._reachable(arrival)
        except Refused as no:
            response = no.response(arrival.request)
            failed = model.refused(session, response, self._timers.wall(), by_server=True)
            self._recorder.note(failed.record, at_once=True)
            raise
        outcome = await self._forward.fork(arrival, endpoints, self._message, self._asserted(arrival))
        now = self._timers.wall()
        if 200 <= outcome.response.status < 300 and outcome.endpoint is not None:
            session = model.answered(session, outcome.response, outcome.endpoint.epid, outcome.endpoint.instance, now)
            session = model.ended(
                model.counted(session, session.caller.tag, delivered=True), "user1", "single message", now
            )
        else:
            session = model.counted(session, session.caller.tag, delivered=False)
            session = model.refused(session, outcome.response, now, by_server=outcome.endpoint is None)
        self._recorder.note(session.record, at_once=True)
        return outcome.response

    async def _question(self, arrival: Arrival) -> Response:
        """Pass OPTIONS on."""
        endpoints = await self._reachable(arrival)
        outcome = await self._forward.fork(arrival, endpoints, self._message, self._asserted(arrival))
        return outcome.response

    async def _begun(self, arrival: Arrival) -> Session:
        request, sender = arrival.request, arrival.sender
        own = [e.instance for e in await self._locator.endpoints(sender.aor) if e.epid == sender.epid]
        callee = aor_of(request.target.aor)
        record = SessionRecord(
            session_id=str(uuid.uuid4()),
            call_id=request.call_id,
            from_tag=request.from_.tag or "",
            to_tag="",
            conversation_id=request.headers.get("Ms-Conversation-ID") or "",
            user1=sender.aor,
            user2=callee,
            user1_endpoint=own[0] if own else "",
            user2_endpoint="",
            user1_client=request.headers.get("User-Agent") or "",
            user2_client="",
            media=model.media(request),
            invited_at=self._timers.wall(),
            node=self._node,
        )
        caller = Side(sender.aor, sender.epid, request.from_.tag or "", request.cseq.number)
        return Session(record, caller, Side(callee, Epid(""), ""))

    async def _reachable(self, arrival: Arrival) -> Sequence[Endpoint]:
        """Give the endpoints that a request without a dialog goes to: of the user, or the one that a GRUU names."""
        request, sender = arrival.request, arrival.sender
        target = request.target
        aor = Aor(target.aor)
        person = self._people.person(aor)
        if person is None or not person.enabled:
            raise Refused(404, UNKNOWN)
        # A blocked sender must not be able to tell that he is: he hears what he hears of somebody offline.
        if await self._privacy.is_blocked(aor, sender.aor):
            raise Refused(480, OFFLINE)
        if target.is_gruu:
            named = await self._locator.by_uri(target)
            endpoints: Sequence[Endpoint] = () if named is None else (named,)
        else:
            endpoints = await self._locator.endpoints(aor)
        others = [e for e in endpoints if e.flow != arrival.flow]
        if not others:
            raise Refused(480, OFFLINE)
        return others

    def _asserted(self, arrival: Arrival) -> str:
        """Give the P-Asserted-Identity that this server vouches for (RFC 3325)."""
        aor = arrival.sender.aor
        return asserted(self._people.person(aor), aor)

    # --- within a dialog

    async def _within(self, arrival: Arrival) -> Response:
        request = arrival.request
        early = self._sessions.early(request, arrival.sender.aor)
        if early is not None and request.method in EARLY:
            return await self._early(arrival, early)
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
        if request.method == "INVITE":
            arrival.provisional(response_to(request, 100))
        patience = self._invite.ringing_s if request.method == "INVITE" else self._message.silent_s
        outcome = await self._forward.pass_on(arrival, peer, patience, self._asserted(arrival))
        if request.method == "MESSAGE":
            current = self._sessions.current(session)
            if current is not None:
                delivered = 200 <= outcome.response.status < 300
                self._sessions.change(model.counted(current, side.tag, delivered=delivered), at_once=False)
        return outcome.response

    async def _early(self, arrival: Arrival, session: Session) -> Response:
        """Pass on what the invited side says before it has answered.

        COMPAT pidgin-sipe 1.25: with a second device signed in it accepts ten seconds late, takes
        the dialog for established meanwhile, and ends it when what its user writes is refused.
        """
        peer = await self._peer(session, session.callee)
        if peer is None:
            raise Refused(481, NO_DIALOG)
        outcome = await self._forward.pass_on(arrival, peer, self._message.silent_s, self._asserted(arrival))
        current = self._sessions.current(session)
        if arrival.request.method == "MESSAGE" and current is not None:
            delivered = 200 <= outcome.response.status < 300
            tag = arrival.request.from_.tag or ""
            self._sessions.change(model.counted(current, tag, delivered=delivered), at_once=False)
        return outcome.response

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


def asserted(person: Person | None, aor: Aor) -> str:
    """Write a P-Asserted-Identity value: the address with the directory's name, and the phone line.

    Client: it reads both from one header, separated by a comma, and signs over them.
    """
    name = "" if person is None else "".join(c for c in person.display_name if c >= " " and c != "\x7f")
    quoted = name.replace("\\", "").replace('"', "'").replace(",", " ")
    text = f'"{quoted}" <{aor}>' if quoted else f"<{aor}>"
    if person is not None and person.line.startswith("tel:"):
        text += f",<{person.line}>"
    return text
