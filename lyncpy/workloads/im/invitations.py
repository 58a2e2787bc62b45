"""Invitations to conferences: an INVITE whose dialog ends with its answer.

The invited client accepts at once and joins the focus by a dialog of its own; no session comes of
it, and real clients never send a BYE for it. So only the way of the ACK, and of the BYE that other
clients send, is kept, for `LINGER_S`.

A user's devices all accept. The first 2xx is the answer, the other devices get CANCEL, and
devices that accept all the same get ACK and BYE. A device that has accepted joins nevertheless, and
may: a conference takes every device of a user.

A directory group is invited by inviting its members, each with an INVITE of their own.

Spec: [MS-CONFBAS] 3.2; spec notes, "conferencing" §9. Client: protocol notes, "conferences" §6.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IGroups
from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.privacy import OFFLINE
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable, translated
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.forward import ForkResult, Forward, best
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Request, Response, new_call_id, new_tag, response_to
from lyncpy.workloads.im.delivery import Delivery
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.parties import UNKNOWN
from lyncpy.workloads.im.session_limits import SessionLimits

LINGER_S: Final = 32.0
"""64*T1 in seconds: how long an ACK or a BYE for an accepted invitation is still passed on."""

BYE_S: Final = 10.0

MembersOf = Callable[[Aor], Sequence[Aor]]
"""Returns the members of a directory group, groups within it resolved; empty: the address is no group's."""


def members_in(groups: IGroups, limit: int) -> MembersOf:
    """Return a function that finds members in the directory; of more than `limit`, the inviter not counted, not all."""

    def members_of(aor: Aor) -> Sequence[Aor]:
        group = groups.by_address(aor)
        return () if group is None else groups.members(group.key, limit + 2)

    return members_of


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An invitation that was accepted at most `LINGER_S` ago."""

    inviter: Aor
    to_tag: str
    endpoint: Endpoint | None
    """The endpoint that accepted it; None for a group, whose members were acknowledged here."""


class Invitations:
    """Passes on invitations, and their ACK and BYE; bounded in total and per inviter, as sessions are."""

    log = Logger()

    def __init__(
        self,
        forward: Forward,
        delivery: Delivery,
        outbound: IOutbound,
        members_of: MembersOf,
        limits: SessionLimits,
        most_members: int,
        timers: ITimers,
    ) -> None:
        """Begin without invitations.

        Args:
            forward: Passes on the ACK, and the BYE of other clients.
            delivery: Passes on the INVITE to each user.
            outbound: Ends the dialogs with members of a group.
            members_of: Returns the members of a group.
            limits: How many there may be, and of one user.
            most_members: Of a group, `[im] group_members`.
        """
        self._forward = forward
        self._delivery = delivery
        self._outbound = outbound
        self._members_of = members_of
        self._accepted: dict[tuple[str, str], _Accepted] = {}
        self._of: Counter[Aor] = Counter()
        self._limits = limits
        self._most_members = most_members
        limits.bound(self, self._of)
        self._lingering: Deadlines[tuple[str, str]] = Deadlines(timers, self._forget)

    def __len__(self) -> int:
        """Return the number of invitations under way and accepted at most `LINGER_S` ago."""
        return self._of.total()

    async def offer(self, arrival: Arrival) -> Response:
        """Invite a user, or the members of a group; return the best of their answers.

        Raises:
            Refused: 403 (4008), the group is too large; 404 and 480, see `Parties.reachable`; 482, the
                same INVITE was accepted already; 503, too many at once.
        """
        inviter = arrival.sender.aor
        if _name(arrival.request) in self._accepted:
            raise Refused(482)
        self._limits.check(len(self), self._of[inviter])
        arrival.provisional(response_to(arrival.request, 100))
        self._of[inviter] += 1
        kept = False
        try:
            members = self._members_of(aor_of(arrival.request.target.aor))
            outcome = await (
                self._invite_all(arrival, members) if members else self._delivery.invite_to_conference(arrival)
            )
            if outcome.response.status < 300:
                self._keep(arrival, outcome)
                kept = True
            return outcome.response
        finally:
            if not kept:
                self._less(inviter)

    def acknowledge(self, arrival: Arrival) -> bool:
        """Pass an ACK on, if it belongs to an invitation; tell whether it does."""
        accepted = self._find(arrival)
        if accepted is not None and accepted.endpoint is not None:
            self._forward.pass_ack(arrival, accepted.endpoint)
        return accepted is not None

    async def pass_bye(self, arrival: Arrival) -> Response | None:
        """Pass a BYE on, if it belongs to an invitation; None: it does not."""
        accepted = self._find(arrival)
        if accepted is None:
            return None
        self._forget(_name(arrival.request))
        if accepted.endpoint is not None:
            outcome = await self._forward.pass_on(arrival, accepted.endpoint, BYE_S)
            if outcome.endpoint is not None:
                return outcome.response
        return response_to(arrival.request, 200)

    # --- many

    async def _invite_all(self, arrival: Arrival, members: Sequence[Aor]) -> ForkResult:
        """Invite each member for the inviter: accepted when the first accepts, refused when the last has refused.

        The inviter's client knows one INVITE, and a 2xx ends the transaction (RFC 3261 §13.2.2.4): so the
        first 2xx is the answer, and of refusals the best is chosen only when all are there (§16.7). Members that
        accept later have joined the conference all the same.
        """
        request = arrival.request
        # The inviter is a member, too, and has joined already; groups within groups name people twice.
        others = [aor for aor in dict.fromkeys(members) if aor != arrival.sender.aor]
        if len(others) > self._most_members:
            raise Refused(403, Diagnostics(4008, f"A group of more than {self._most_members} members"))
        if not others:
            raise Refused(480, OFFLINE)
        answers: list[ForkResult] = []
        decided: Deferred[ForkResult] = Deferred()

        async def invite(member: Aor) -> None:
            outcome = await self._invite_member(arrival, member)
            answers.append(outcome)
            if decided.called:  # an earlier member's 2xx is the answer
                return
            if outcome.response.status < 300:
                accepted = response_to(request, 200, headers=[("Contact", f"<{request.uri}>")])
                decided.callback(ForkResult(accepted, None))
            elif len(answers) == len(others):
                decided.callback(_for_all(request, answers))

        for member in others:
            spawn(invite(member), self.log, "inviting a member of a group")
        return await decided

    async def _invite_member(self, arrival: Arrival, member: Aor) -> ForkResult:
        """Send a member an INVITE in the inviter's name, and end its dialog as soon as it is accepted."""
        request = _addressed(arrival.request, member)
        own = Arrival(request, arrival.flow, arrival.peer, arrival.at, arrival.who)
        arrival.on_cancel(own.cancel)
        try:
            outcome = await self._delivery.invite_to_conference(own)
        except (Refused, WorldUnavailable) as error:
            return ForkResult(translated(error).response(request), None)
        if outcome.response.status < 300 and outcome.endpoint is not None:
            self._complete(request, outcome.response, outcome.endpoint)
        return outcome

    def _complete(self, request: Request, response: Response, endpoint: Endpoint) -> None:
        """Acknowledge an INVITE that a member accepted, and end its dialog: the inviter's client knows of one dialog only."""
        try:
            dialog = Dialog.from_response(request, response.edited(drop=["Record-Route"]))
            self._outbound.send_unanswered(endpoint.flow, dialog.ack(request).edited(uri=endpoint.contact))
            bye = dialog.next_request("BYE").edited(uri=endpoint.contact)
            self._outbound.send_request(endpoint.flow, bye, timeout=BYE_S)
        except FlowGone:
            return
        except RemoteProtocolError as error:  # a 2xx that makes no dialog; then there is none to end
            self.log.debug("{flow} accepted in vain: {reason}", flow=endpoint.flow, reason=error.reason)

    # --- what was accepted

    def _keep(self, arrival: Arrival, outcome: ForkResult) -> None:
        name = _name(arrival.request)
        self._accepted[name] = _Accepted(arrival.sender.aor, outcome.response.to.tag or "", outcome.endpoint)
        self._lingering.set(name, LINGER_S)

    def _find(self, arrival: Arrival) -> _Accepted | None:
        accepted = self._accepted.get(_name(arrival.request))
        if accepted is None or accepted.inviter != arrival.sender.aor:
            return None
        return accepted if accepted.to_tag == (arrival.request.to.tag or "") else None

    def _forget(self, name: tuple[str, str]) -> None:
        self._lingering.clear(name)
        self._less(self._accepted.pop(name).inviter)

    def _less(self, inviter: Aor) -> None:
        self._of[inviter] -= 1
        if not self._of[inviter]:
            del self._of[inviter]


def _name(request: Request) -> tuple[str, str]:
    return request.call_id, request.from_.tag or ""


def _addressed(request: Request, member: Aor) -> Request:
    """Write the INVITE that goes to a member: the inviter's, in a dialog of its own."""
    before, _, _ = (request.headers.get("From") or "").partition(">")
    epid = request.from_.params.get("epid")
    from_ = f"{before}>;tag={new_tag()}" + (f";epid={epid}" if epid else "")
    put = [("From", from_), ("To", f"<{member}>"), ("Call-ID", new_call_id()), ("CSeq", "1 INVITE")]
    return request.edited(uri=member, drop=["Via", "Route"], put=put)


def _for_all(request: Request, answers: Sequence[ForkResult]) -> ForkResult:
    """Return the group's answer to its members' refusals: the best of them (RFC 3261 §16.7, step 6)."""
    found = best(answers)
    if found.response.status == 404:  # one unknown member does not make the group unknown
        return ForkResult(Refused(480, OFFLINE).response(request), None)
    number = rules.diagnostic_id(found.response)
    known = UNKNOWN if number == UNKNOWN.error_id else OFFLINE
    diagnostics = None if number is None else replace(known, error_id=number)
    return ForkResult(Refused(found.response.status, diagnostics).response(request), None)
