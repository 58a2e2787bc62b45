"""A node that does not reach the store, while others do: they take it for dead, and its clients go to them.

By itself it would not know: nothing says that it is not the store that is away, for all alike. Then nobody is taken for dead, and who
is signed in goes on with what is in memory. So it asks the others when its lease may have run out: one that has taken it for dead says
so, and one that has not is no better off. Where none is heard, over the bus, who were there when the store was
last reached, it is this node that is cut off, from the store and the bus.

Its clients lose their connections, come back by themselves, and find another node; here nobody can sign in without the store.
"""

from math import isinf
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import BusTimeout, IBus
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.questions import AmIDead, NodeStanding
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn

ASKED_S: Final = 0.5
"""From asking the others to asking them again."""

ANSWER_S: Final = 2.0
"""How long they have to answer."""

UNHEARD_S: Final = 2.5
"""How long all others have to be silent."""

ASKED_MOST: Final = 20
"""Other nodes that are asked: one that answers is enough."""

NEVER: Final = float("-inf")

CLOSED_AT_ONCE: Final = 100
"""Connections that are closed in one turn of the reactor."""


@implementer(IUnit)
class CutOff:
    """Closes the connections of this node's clients while it is cut off and others are not.

    Args:
        nodes: This one, its lease, and the others.
        bus: Asks the others.
        flows: The connections.
        timers: When to look.
    """

    name = "cut off"
    log = Logger()

    def __init__(self, nodes: INodes, bus: IBus, flows: IFlows, timers: ITimers) -> None:
        self._nodes = nodes
        self._bus = bus
        self._flows = flows
        self._timers = timers
        self._next = Deadline(timers, self._look)
        self._asked_at = NEVER
        """When the others were asked first, since the lease was surely held."""

        self._heard_at = NEVER
        """When one of them has answered last."""

        self._is_dead = False
        """Whether one has said so."""

        self._is_cut = self._is_closed = False
        bus.answer(AmIDead, self._answer)

    async def open(self) -> None:
        """Look when the lease may have run out, if there is one."""
        if not isinf(self._nodes.lapsed_s()):
            self._wait()

    async def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._next.clear()

    def conditions(self) -> tuple[Reason, ...]:
        """Say that this node is cut off."""
        if not self._is_cut:
            return ()
        return (
            Reason(
                "nodes",
                "this server does not reach PostgreSQL, and others do not wait for it: its clients are sent away, to find another",
                good=False,
                remedy="have the network between this machine and the PostgreSQL server ([store] url) work again",
                key="cut off",
            ),
        )

    def _wait(self) -> None:
        """Look again when the lease may have run out, or soon where it may have already."""
        if not self._is_closed:
            self._next.set(max(ASKED_S, -self._nodes.lapsed_s()))

    def _look(self) -> None:
        now = self._timers.now()
        if self._nodes.lapsed_s() < 0.0:
            if self._is_cut:
                self.log.info("this server reaches the store again, and takes clients")
            self._asked_at, self._is_dead, self._is_cut = NEVER, False, False
        elif self._asked_at == NEVER:
            self._asked_at = now
            self._ask_all()
        elif self._is_dead or self._is_unheard():
            self._cut()
        else:
            self._ask_all()
        self._wait()

    def _ask_all(self) -> None:
        for one in self._nodes.others()[:ASKED_MOST]:
            spawn(self._ask(one.name), self.log, "asking whether this server is known dead")

    async def _ask(self, node: NodeName) -> None:
        try:
            standing: NodeStanding = await self._bus.ask(node, AmIDead(self._nodes.node), ANSWER_S)
        except BusTimeout:
            return
        self._heard_at = self._timers.now()
        if standing.is_dead and not self._is_dead and not self._is_closed:
            self._is_dead = True
            self._next.set(0.0)

    async def _answer(self, question: AmIDead) -> NodeStanding:
        return NodeStanding(any(one.name == question.node for one in self._nodes.gone()))

    def _is_unheard(self) -> bool:
        """Tell whether none of the others has answered for a while, where there are any."""
        since = max(self._heard_at, self._asked_at)
        return bool(self._nodes.others()) and self._timers.now() - since >= UNHEARD_S

    def _cut(self) -> None:
        """Close all connections; whoever comes meanwhile is closed the next time."""
        if not self._is_cut:
            self._is_cut = True
            self.log.error("this server is cut off from the store and others are not: its clients have to find another")
        spawn(self._close_all(), self.log, "closing the connections of a server that is cut off")

    async def _close_all(self) -> None:
        slices = Slices(self._timers, CLOSED_AT_ONCE)
        for flow in self._flows.names():
            await slices.spend()
            if self._is_closed:
                return
            self._flows.close_flow(flow, "this server is cut off")
