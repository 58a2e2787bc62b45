"""One node of several leaves in order: it takes nobody any more, its devices go elsewhere evenly, then what is its alone, and it ends.

A device is moved by the end of its connection: clients that lose it come back by themselves, and find another node by DNS, or are
sent on by 301 from here. Those that are told that they are signed out do not all come back. A connection on which something is
under way waits a little, so that what was asked is answered.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.questions import DrainAnswer, DrainNode
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.node_places import NodePlaces
from lyncpy.core.spawn import spawn

MOVED: Final = "this server leaves"
"""Why a connection was closed whose client is to find another node."""

TURN_S: Final = 0.1
"""From one few connections that are closed to the next."""

LEAST_PER_S: Final = 20.0
"""Connections that are closed in a second where there are few: a sign-in costs another node some milliseconds."""

QUIET_S: Final = 0.1
"""How long nothing must have come over a connection that is closed."""

BUSY_S: Final = 10.0
"""How long one on which something is under way is waited for; a call may ring for longer."""

ANSWER_S: Final = 2.0
"""How much longer one is waited for whose client waits for an answer."""

HEARD_S: Final = 0.5
"""How long others have to hear that this node leaves, before anybody who has lost their connection comes to them."""

LINGER_S: Final = 3.0
"""How long this node stays after the last connection is closed, to send on who comes back to it first: a client may know no other."""

HAND_OVER_S: Final = 15.0
"""That handing over what this node has alone may take."""

HandOver = Callable[[], Awaitable[None]]
"""Gives to whoever is asked next what this node has alone."""


class DrainState(NamedTuple):
    """How far a node is that leaves."""

    is_leaving: bool
    moved: int
    to_move: int


class DrainedConnections(NamedTuple):
    """The connections, and what tells whether something is under way on one."""

    flows: IFlows
    is_asked: Callable[[FlowName], bool]
    """Whether its client waits for an answer."""

    is_asking: Callable[[FlowName], bool]
    """Whether its client is asked something."""


@implementer(IUnit)
class NodeDrain:
    """Has this node leave.

    Args:
        nodes: Who else is there.
        places: Tells them.
        traffic: The connections, and what is under way on them.
        bus: Brings the wish from other nodes.
        timers: The pace.
        drain_s: Seconds in which all connections are closed.
        hand_over: What is to be done when nobody is signed in here any more, in this order.
        end: Ends this process in order.
    """

    name = "node drain"
    log = Logger()

    def __init__(
        self,
        nodes: INodes,
        places: NodePlaces,
        traffic: DrainedConnections,
        bus: IBus,
        timers: ITimers,
        *,
        drain_s: float,
        hand_over: Sequence[HandOver],
        end: Callable[[], None],
    ) -> None:
        self._nodes = nodes
        self._places = places
        self._flows = traffic.flows
        self._traffic = traffic
        self._timers = timers
        self.drain_s: Final = drain_s
        self._hand_over = tuple(hand_over)
        self._end = end
        self._left: deque[tuple[FlowName, float]] = deque()
        """Connections that are to be closed, and from when on they are closed whatever is under way."""

        self._per_s = 0.0
        self._due = 0.0
        """How many of them are to be closed by now."""

        self._looked = 0.0
        self._moved = 0
        self._next = Deadline(timers, self._turn)
        self._is_last = self._lingers = False
        self._late = Deadline(timers, self._give_up_waiting)
        bus.answer(DrainNode, self._asked)

    def __len__(self) -> int:
        """Give the number of connections that are to be closed."""
        return len(self._left)

    async def open(self) -> None:
        """Do nothing: nobody leaves."""

    async def close(self) -> None:
        """Close no connections any more: the end closes all."""
        self._next.clear()
        self._late.clear()

    @property
    def departure(self) -> DrainState:
        """How far it is."""
        return DrainState(self._places.is_leaving, self._moved, len(self._left))

    def objection(self) -> str:
        """Give why this node had better stay; "" where it may leave."""
        if not any(self._places.stays(one.name) for one in self._nodes.others()):
            return "there is no other server that its users could go to; stop it, as systemctl stop does, or start another first"
        return ""

    def begin(self) -> None:
        """Begin to leave; nothing is done where that has begun already."""
        if self._places.is_leaving:
            return
        flows = self._flows.names()
        self._moved, self._is_last, self._lingers = 0, False, bool(flows)
        self._per_s = max(LEAST_PER_S, len(flows) / max(self.drain_s, TURN_S))
        self._due, self._looked = 0.0, self._timers.now() + HEARD_S
        until = self._looked + self.drain_s + BUSY_S
        self._left = deque((flow, until) for flow in flows)
        self.log.info(
            "this server leaves: {count} connections are closed within {seconds} s",
            count=len(flows),
            seconds=self.drain_s,
        )
        self._places.leave(leaving=True)
        self._next.set(HEARD_S)

    def cancel(self) -> bool:
        """Stay after all; False: it is too late."""
        if self._is_last:
            return False
        if self._places.is_leaving:
            self.log.info("this server stays")
            self._left.clear()
            self._next.clear()
            self._places.leave(leaving=False)
        return True

    def conditions(self) -> Sequence[Reason]:
        """Say that this node leaves."""
        if not self._places.is_leaving:
            return ()
        count = self._moved + len(self._left)
        return (
            Reason(
                "nodes",
                f"this server leaves: {self._moved} of {count} connections are closed, for their clients to go to others",
                good=False,
                remedy="nothing: it ends by itself; `drain NODE --cancel` has it stay",
                key="leaving",
            ),
        )

    async def _asked(self, question: DrainNode) -> DrainAnswer:
        if question.is_cancelled:
            return DrainAnswer("" if self.cancel() else "it is too late: it ends now")
        objection = self.objection()
        if not objection:
            self.begin()
        return DrainAnswer(objection)

    # --- moving

    def _turn(self) -> None:
        """Close as many connections as are due, those first on which nothing is under way."""
        now = self._timers.now()
        if self.objection():
            # All others leave as well, as when their machine is shut down: nobody would take whoever is moved.
            self._left.clear()
        self._due += (now - self._looked) * self._per_s
        self._looked = now
        for _ in range(len(self._left)):
            if self._due < 1.0:
                break
            flow, until = self._left.popleft()
            if self._is_busy(flow, now, until):
                self._left.append((flow, min(until, now + BUSY_S)))
                continue
            self._flows.close_flow(flow, MOVED)
            self._moved += 1
            self._due -= 1.0
        # What could not be closed is not made up for at once.
        self._due = min(self._due, 1.0)
        if self._left:
            self._next.set(TURN_S)
        elif self._lingers and self._places.refuge():
            self._lingers = False
            self._next.set(LINGER_S)
        else:
            self._is_last = True
            self._late.set(HAND_OVER_S)
            spawn(self._finish(), self.log, "leaving")

    def _is_busy(self, flow: FlowName, now: float, until: float) -> bool:
        if not self._flows.peer(flow):
            return False
        if self._traffic.is_asked(flow):
            # The end of the connection of whoever is slow brings the answer of those who wait.
            return now < until + ANSWER_S
        return now < until and (self._traffic.is_asking(flow) or not self._flows.is_silent(flow, now - QUIET_S))

    async def _finish(self) -> None:
        for hand_over in self._hand_over:
            try:
                await hand_over()
            except WorldUnavailable as error:
                # Others take it over when this node is gone.
                self.log.warn("not handed over: {reason}", reason=str(error))
        self._stop()

    def _stop(self) -> None:
        if self._late.is_set:
            self._late.clear()
            self.log.info("{count} connections were closed; this server ends", count=self._moved)
            self._end()

    def _give_up_waiting(self) -> None:
        self.log.warn("not all was handed over in {seconds} s; others take it over", seconds=HAND_OVER_S)
        self._late.set(HAND_OVER_S)
        self._stop()
