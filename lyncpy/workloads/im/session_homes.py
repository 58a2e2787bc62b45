"""Sessions whose home is lost: the node that has the callee goes on with them, and with their call detail records.

The home of a session is the node to which its INVITE came, that of the caller's connection. Where the callee is connected to another
one, the home leaves the session there as it is, and again when its counts are written down. What is lost with the
home are the messages that were counted since.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, NodeLost
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import FlowName, NodeName, aor_of, epid_of, node_of
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.core.deposits import Deposits
from lyncpy.core.homes import ONCE
from lyncpy.core.platform import Platform
from lyncpy.core.relay import NodeGone, NodeUnreachable, Relay
from lyncpy.core.router import home_of
from lyncpy.core.spawn import spawn
from lyncpy.sip.message import Response
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import MessageCounts, Session, SessionState, Side
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.termination import SessionTermination

PREFIX: Final = "session "

UNSEEN: Final = 10_000
"""More requests than one side sends between two times at which a session is left: what the server sends in its place has to have
a higher number."""


class SessionSuccessor:
    """Goes on with sessions of lost nodes. The other end of `SessionDeposits`.

    Args:
        platform: Who is signed in where, and the clocks.
        deposits: Has what was left with this node.
        sessions: Those of this node.
        termination: Ends those whose caller was lost with their node.
    """

    log = Logger()

    def __init__(
        self, platform: Platform, deposits: Deposits, sessions: Sessions, termination: SessionTermination
    ) -> None:
        self._node = platform.node
        self._locator = platform.locator
        self._timers = platform.timers
        self._deposits = deposits
        self._sessions = sessions
        self._termination = termination

    async def node_lost(self, fact: NodeLost) -> None:
        """Go on with the sessions that a lost node has left here."""
        for key in self._deposits.homes():
            for one in self._deposits.kept(key) if key.startswith(PREFIX) else ():
                session = read_session(one.said, fact.node, self._timers.now())
                if session is not None:
                    self._deposits.withdraw(one.key, one.name, one.flow)
                    await self._go_on(replace(session, record=replace(session.record, node=self._node)))

    async def _go_on(self, session: Session) -> None:
        caller = session.caller
        try:
            self._sessions.add_session(session)
        except Refused as error:
            self.log.debug("{call_id} is not gone on with: {reason}", call_id=session.record.call_id, reason=str(error))
            return
        self._sessions.update(session)
        with suppress(StoreUnavailable):
            if not any(one.epid == caller.epid for one in await self._locator.endpoints(caller.aor)):
                reason = EndpointGoneReason.CONNECTION_LOST
                gone = EndpointGone(caller.aor, caller.epid, FlowName(""), reason, last=False)
                await self._termination.endpoint_gone(gone)


class LostHomes:
    """Takes requests in dialogs whose home is lost to the node that goes on with them: that of the device at the other end.

    Who called is back at a third node, say: their session goes on where the callee's device is connected, and nowhere else.

    Args:
        node: This one.
        relay: Takes them there.
    """

    def __init__(self, node: NodeName, relay: Relay) -> None:
        self._node = node
        self._relay = relay

    async def answer(self, arrival: Arrival, device: Endpoint) -> Response | None:
        """Have the node of the device at the other end answer a request whose dialog has no record here; None: this node does.

        Raises:
            NodeGone: That node is lost, too, and it is not known whether it has seen the request.
            Refused: As it answers, or it cannot be brought there.
        """
        home, there = home_of(arrival.request), node_of(device.flow)
        is_from_here = node_of(arrival.flow) == self._node
        if home is None or self._node in (home, there) or not is_from_here:
            return None
        try:
            return await self._relay.ask(there, arrival)
        except NodeUnreachable:
            return None
        except NodeGone:
            if arrival.request.method in ONCE:
                raise
            return None


class SessionDeposits:
    """Leaves sessions with the nodes of their callees, for as long as they last.

    Args:
        platform: Who is signed in where.
        deposits: Leaves them there.
    """

    log = Logger()

    def __init__(self, platform: Platform, deposits: Deposits) -> None:
        self._node = platform.node
        self._is_alone = platform.nodes.is_alone
        self._locator = platform.locator
        self._deposits = deposits
        self._left: dict[str, FlowName | None] = {}
        """Sessions that last, and where each was left; None: nowhere yet."""

    def deposit(self, session: Session) -> None:
        """Leave a session as it is now with the node of its callee, if that is another one."""
        if self._is_alone or not session.answered:
            return
        self._left.setdefault(session.record.session_id, None)
        spawn(self._leave(session), self.log, "leaving a session with its callee's server")

    def over(self, session: Session) -> None:
        """Leave a session no longer."""
        name = session.record.session_id
        flow = self._left.pop(name, None)
        if flow is not None:
            self._deposits.withdraw(PREFIX + name, name, flow)

    async def _leave(self, session: Session) -> None:
        callee, name = session.callee, session.record.session_id
        with suppress(StoreUnavailable):
            endpoints = await self._locator.endpoints(callee.aor)
            flow = next((one.flow for one in endpoints if one.epid == callee.epid), None)
            # It may have ended meanwhile.
            if flow is not None and node_of(flow) != self._node and name in self._left:
                self._left[name] = flow
                self._deposits.leave(Deposit(PREFIX + name, name, flow, callee.aor, write_session(session), b""))


def write_session(session: Session) -> Mapping[str, Any]:
    """Write a session in JSON's values."""
    sides = {
        side: {"aor": one.aor, "epid": one.epid.written, "tag": one.tag, "cseq": one.cseq}
        for side, one in (("caller", session.caller), ("callee", session.callee))
    }
    said = {"idle_s": session.idle_s, "despite": session.is_despite}
    return {"record": asdict(rules.recorded(session)), **sides, **said}


def read_session(said: Mapping[str, Any], node: NodeName, now: float) -> Session | None:
    """Read what `write_session` has written of a session of a node; None: it is another's, or of another version."""
    try:
        names = {field.name for field in fields(SessionRecord)}
        record = SessionRecord(**{name: value for name, value in said["record"].items() if name in names})
        caller, callee = (
            Side(aor_of(one["aor"]), epid_of(one["epid"]), one["tag"], one["cseq"] + UNSEEN)
            for one in (said["caller"], said["callee"])
        )
        idle_s, is_despite = float(said["idle_s"]), said["despite"] is True
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if record.node != node or record.ended_at is not None:
        return None
    counts = MessageCounts(record.user1_messages, record.user2_messages, record.messages_failed)
    return Session(record, caller, callee, now, idle_s, SessionState.ESTABLISHED, is_despite, counts=counts)
