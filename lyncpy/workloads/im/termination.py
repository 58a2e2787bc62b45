"""Ending the sessions of an endpoint that vanished or signed out without a BYE, and of people who are blocked now."""

from collections.abc import Callable
from dataclasses import replace

from twisted.logger import Logger

from lyncpy.contracts.facts import BoardChanged, EndpointGone
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.timers import ITimers
from lyncpy.core.forward import Forward
from lyncpy.sip.message import Headers, Request
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import Session, Side
from lyncpy.workloads.im.sessions import Sessions

BYE_S = 10.0
"""How long the remaining side may take to answer."""


class SessionTermination:
    """Hears of endpoints that are gone; the other side of each of their sessions gets a BYE.

    So the next message opens a new session and is either delivered or refused at once,
    instead of going into a dialog with nobody at its end.
    """

    log = Logger()

    def __init__(
        self,
        locator: ILocator,
        privacy: IPrivacy,
        outbound: IOutbound,
        forward: Forward,
        sessions: Sessions,
        leave: Callable[[Aor, Epid], None],
        timers: ITimers,
    ) -> None:
        """Take the table and the way to the other side; `leave` gives up what still rings."""
        self._leave = leave
        self._locator = locator
        self._privacy = privacy
        self._outbound = outbound
        self._forward = forward
        self._sessions = sessions
        self._timers = timers

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """End what the endpoint left open."""
        endpoint = fact.endpoint
        self._leave(endpoint.aor, endpoint.epid)
        for session in self._sessions.sessions_of(endpoint.aor, endpoint.epid):
            gone = session.caller if _is(session.caller, endpoint) else session.callee
            by = "user1" if gone is session.caller else "user2"
            self._sessions.end_session(rules.ended(session, by, fact.reason, self._timers.wall()))
            if session.answered:
                await self._tell(session, gone)

    async def board_changed(self, fact: BoardChanged) -> None:
        """End what somebody has open with people whom they have blocked, as if either's device were gone.

        To who is blocked it must look like a sign-out: a BYE, and then there is no such dialog; what they wait for,
        as a call that rings, fails as if the devices were gone, and these hear what they hear of a caller who gives
        up. What the user has begun with them and nobody has answered yet, or begins later, goes on, both ways, until
        it ends by itself: nobody else has asked for it.
        """
        if not fact.members:
            return
        blocked: dict[Aor, bool] = {}
        for session in self._sessions.sessions_of(fact.aor):
            is_caller = session.caller.aor == fact.aor
            other = session.callee if is_caller else session.caller
            if (is_caller and session.is_despite) or not (is_caller or session.answered):
                continue
            if other.aor not in blocked:
                blocked[other.aor] = await self._privacy.is_blocked(fact.aor, other.aor)
            current = self._sessions.current(session)
            if blocked[other.aor] and current is not None:
                await self._part(current, is_caller=is_caller)
        for sender in self._forward.waiting(fact.aor) - {fact.aor}:
            if sender not in blocked:
                blocked[sender] = await self._privacy.is_blocked(fact.aor, sender)
            if blocked[sender]:
                self._forward.part(fact.aor, sender)

    async def _part(self, session: Session, *, is_caller: bool) -> None:
        """End a session of somebody with whom they have blocked; one of their own that still rings goes on."""
        if session.answered:
            by = "user1" if is_caller else "user2"
            self._sessions.end_session(rules.ended(session, by, "blocked", self._timers.wall()))
            await self._tell(session, session.caller if is_caller else session.callee)
            await self._tell(session, session.callee if is_caller else session.caller)
        elif is_caller:
            self._sessions.moved(replace(session, is_despite=True))

    async def server_ends(self) -> None:
        """Have clients leave the dialogs that end with this server, without waiting for their answers.

        Only those of instant messages alone: their clients open another with the next message. A call
        goes on without us, and whoever is in a conference comes back to it by themselves.
        """
        for session in self._sessions.all_sessions():
            if session.answered and session.record.media == "im":
                await self._tell(session, session.caller)
                await self._tell(session, session.callee)

    async def _tell(self, session: Session, gone: Side) -> None:
        left = session.other(gone)
        for peer in await self._locator.endpoints(left.aor):
            if peer.epid == left.epid:
                self._outbound.send_request(peer.flow, bye(session, gone, peer), timeout=BYE_S)


def _is(side: Side, endpoint: Endpoint) -> bool:
    return side.aor == endpoint.aor and side.epid == endpoint.epid


def bye(session: Session, gone: Side, peer: Endpoint) -> Request:
    """Write the BYE that the vanished endpoint can no longer send itself (RFC 3261 §15.1.1)."""
    left = session.other(gone)
    headers = (
        ("From", f"<{gone.aor}>;tag={gone.tag};epid={gone.epid.written}"),
        ("To", f"<{left.aor}>;tag={left.tag};epid={left.epid.written}"),
        ("Call-ID", session.record.call_id),
        ("CSeq", f"{gone.cseq + 1} BYE"),
        ("Max-Forwards", "70"),
    )
    return Request("BYE", peer.contact, Headers(headers))
