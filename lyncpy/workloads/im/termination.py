"""Ends the sessions of endpoints that vanished or signed out without a BYE, and those with people who are blocked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.facts import AccessChanged, EndpointGone
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.privacy import IPrivacy, has_blocked
from lyncpy.contracts.timers import ITimers
from lyncpy.core.forward import Forward
from lyncpy.sip.message import Headers, Request
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndedBy, EndReason, Session, Side
from lyncpy.workloads.im.sessions import Sessions

BYE_S: Final = 10.0
"""Seconds that the remaining side may take to answer."""


class CancelsInvitations(Protocol):
    """Has the invitations that nobody has answered."""

    def cancel_invitations(self, aor: Aor, epid: Epid) -> None:
        """Cancel those of an endpoint."""

    def cancel_session(self, session: Session) -> None:
        """Cancel that of a session."""


@dataclass(frozen=True, slots=True)
class ToldOfEnd:
    """What a side of a session was told of its end."""

    side: Side
    what: str
    """"BYE", "487", "CANCEL"; "": its device is gone."""


class SessionTermination:
    """Sends BYE to the other side of each session of an endpoint that is gone.

    So the next message opens a new session and is either delivered or refused at once,
    instead of being sent in a dialog with no device at its end.
    """

    log = Logger()

    def __init__(
        self,
        locator: ILocator,
        privacy: IPrivacy,
        outbound: IOutbound,
        forward: Forward,
        sessions: Sessions,
        invitations: CancelsInvitations,
        timers: ITimers,
    ) -> None:
        """Begin without sessions to end.

        Args:
            invitations: Cancels those that nobody has answered.
        """
        self._invitations = invitations
        self._locator = locator
        self._privacy = privacy
        self._outbound = outbound
        self._forward = forward
        self._sessions = sessions
        self._timers = timers

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """End the sessions and unanswered invitations of an endpoint that is gone."""
        self._invitations.cancel_invitations(fact.aor, fact.epid)
        for session in self._sessions.sessions_of(fact.aor, fact.epid):
            gone = session.caller if _is(session.caller, fact) else session.callee
            ended = rules.ended(session, session.ender(gone), fact.reason, self._timers.wall())
            self._sessions.end_session(ended)
            # Who rings still has no dialog to end: cancelling the invitation has told their devices.
            if session.answered:
                await self._tell(session, gone)

    async def access_changed(self, fact: AccessChanged) -> None:
        """End the sessions of a user with people whom they have blocked, as if either's device were gone.

        To the blocked person it must look like a sign-out: a BYE, and then there is no such dialog; their
        unanswered requests to the user, as a call that rings, fail as if the user's devices were gone, and these
        get a CANCEL. A session that the user has invited them to, unanswered still or begun after the block, goes
        on, both ways, until it ends by itself: the user asked for it.

        Spec: [MS-PRES] 3.5 has the containers that block; what becomes of sessions under way no document says.
        """
        blocked: dict[Aor, bool] = {}
        for session in self._sessions.sessions_of(fact.aor):
            is_caller = session.caller.aor == fact.aor
            other = session.callee if is_caller else session.caller
            # Sessions begun despite the block go on; a call of the other that rings is parted below, with its fork.
            if (is_caller and session.is_despite) or not (is_caller or session.answered):
                continue
            if other.aor not in blocked:
                blocked[other.aor] = await has_blocked(self._privacy, fact.aor, other.aor)
            # While it was read who is blocked, the session may have ended or been answered.
            current = self._sessions.current(session)
            if blocked[other.aor] and current is not None:
                await self._part(current, is_caller=is_caller)
        # Requests of others that wait for an answer of this user's devices.
        for sender in self._forward.waiting(fact.aor) - {fact.aor}:
            if sender not in blocked:
                blocked[sender] = await has_blocked(self._privacy, fact.aor, sender)
        self._forward.part(fact.aor, {other for other, is_blocked in blocked.items() if is_blocked})

    async def _part(self, session: Session, *, is_caller: bool) -> None:
        """End a session with a blocked person; the user's own invitation that still rings goes on."""
        if session.answered:
            by = EndedBy.CALLER if is_caller else EndedBy.CALLEE
            self._sessions.end_session(rules.ended(session, by, EndReason.BLOCKED, self._timers.wall()))
            await self._tell(session, session.caller if is_caller else session.callee)
            await self._tell(session, session.callee if is_caller else session.caller)
        elif is_caller:
            self._sessions.update_unrecorded(replace(session, is_despite=True))

    async def operator_ends(self, session: Session) -> Sequence[ToldOfEnd]:
        """End a session, one that rings too, and give who is told what; nobody where it has ended meanwhile."""
        if not session.answered:
            self._invitations.cancel_session(session)
            return (ToldOfEnd(session.caller, "487"), ToldOfEnd(session.callee, "CANCEL"))
        sides = (session.caller, session.callee)
        # Asked before anything is done: without the store nothing is.
        devices = [await self._device(side) for side in sides]
        current = self._sessions.current(session)
        if current is None:
            return ()
        self._sessions.hang_up(rules.ended(current, EndedBy.SERVER, EndReason.OPERATOR, self._timers.wall()))
        for side, device in zip(sides, devices, strict=True):
            if device is not None:
                self._outbound.send_request(device.flow, bye(current, current.other(side), device), timeout=BYE_S)
        return [ToldOfEnd(side, "" if device is None else "BYE") for side, device in zip(sides, devices, strict=True)]

    async def _device(self, side: Side) -> Endpoint | None:
        return next((one for one in await self._locator.endpoints(side.aor) if one.epid == side.epid), None)

    async def server_ends(self) -> None:
        """Send BYE in the dialogs that end with this server, without waiting for answers.

        Only in those of instant messages alone: clients open another with the next message. A call
        goes on without the server, and clients return to a conference by themselves.
        """
        for session in self._sessions.all_sessions():
            if session.answered and session.record.media == "im":
                await self._tell(session, session.caller)
                await self._tell(session, session.callee)

    async def _tell(self, session: Session, gone: Side) -> None:
        peer = await self._device(session.other(gone))
        if peer is not None:
            self._outbound.send_request(peer.flow, bye(session, gone, peer), timeout=BYE_S)


def _is(side: Side, gone: EndpointGone) -> bool:
    return (side.aor, side.epid) == (gone.aor, gone.epid)


def bye(session: Session, gone: Side, peer: Endpoint) -> Request:
    """Write the BYE of the vanished endpoint `gone` to the device `peer` (RFC 3261 §15.1.1)."""
    left = session.other(gone)
    headers = (
        ("From", f"<{gone.aor}>;tag={gone.tag};epid={gone.epid.written}"),
        ("To", f"<{left.aor}>;tag={left.tag};epid={left.epid.written}"),
        ("Call-ID", session.record.call_id),
        ("CSeq", f"{gone.cseq + 1} BYE"),
        ("Max-Forwards", "70"),
    )
    return Request("BYE", peer.contact, Headers(headers))
