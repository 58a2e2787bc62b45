"""The servers of a deployment, for an operator: each says itself how it is."""

from typing import Final

from twisted.internet.defer import Deferred

from lyncpy import __version__
from lyncpy.contracts.bus import BusTimeout, IBus, OtherNode
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import HowIsNode, NodeState
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, ShellCommand, Table

ANSWER_S: Final = 2.0
"""That another server has to say how it is."""

ASKED_MOST: Final = 100
"""Servers that one command asks, all at once; of the rest it says when they were heard."""


class Nodes:
    """`nodes`, and what this node says to others who use it.

    Args:
        node: This process, and this start of it.
        bus: Knows the others, and asks them.
        locator: Who is signed in here.
        timers: Since when.
    """

    def __init__(self, node: NodeName, bus: IBus, locator: ILocator, timers: ITimers) -> None:
        self._node = node
        self._bus = bus
        self._locator = locator
        self._timers = timers
        self._since = timers.now()
        bus.answer(HowIsNode, self._how)

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell command."""
        return (ShellCommand("nodes", "The servers of this deployment, as each says it is.", self.nodes),)

    async def _how(self, question: HowIsNode) -> NodeState:
        up_s = int(self._timers.now() - self._since)
        return NodeState(__version__, up_s, len(self._locator.all_endpoints()))

    async def nodes(self, asked: CommandCall) -> Table:
        """Ask each node that is on the bus how it is, this one first."""
        others = self._bus.others()
        asked_of = [(self._node, "this one", 0)]
        asked_of += [(one.name, _heard(one), one.lost) for one in others[:ASKED_MOST]]
        # A server that is frozen takes all its time; many of them take it together.
        asking = [Deferred.fromCoroutine(self._row(*one)) for one in asked_of]
        try:
            rows = [await one for one in asking]
        finally:
            # Whoever breaks the command off waits for none of them.
            for one in asking:
                _ = one.addErrback(lambda _: None)
                one.cancel()
        rows += [_unasked(one, "not asked: there are too many") for one in others[ASKED_MOST:]]
        columns = ("node", "heard", "lost facts", "version", "up, s", "endpoints", "trouble")
        return Table(columns, rows)

    async def _row(self, node: NodeName, heard: str, lost: int) -> tuple[object, ...]:
        try:
            state: NodeState = await self._bus.ask(node, HowIsNode(), ANSWER_S)
        except BusTimeout as error:
            return (node, heard, lost, None, None, None, str(error))
        return (node, heard, lost, state.version, state.up_s, state.endpoints, "")


def _heard(other: OtherNode) -> str:
    return f"{other.heard_s:.1f} s ago"


def _unasked(other: OtherNode, why: str) -> tuple[object, ...]:
    return (other.name, _heard(other), other.lost, None, None, None, why)
