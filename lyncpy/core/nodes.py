"""The servers of a deployment, for an operator: each says itself how it is."""

from typing import Final

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
"""Servers that one command asks, one after the other; of the rest it says when they were heard."""


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
        rows = [await self._row(self._node, "this one", 0)]
        others = self._bus.others()
        for number, other in enumerate(others):
            heard = f"{other.heard_s:.1f} s ago"
            rows.append(
                await self._row(other.name, heard, other.lost)
                if number < ASKED_MOST
                else _unasked(other, heard, "not asked: there are too many")
            )
        columns = ("node", "heard", "lost facts", "version", "up, s", "endpoints", "trouble")
        return Table(columns, rows)

    async def _row(self, node: NodeName, heard: str, lost: int) -> tuple[object, ...]:
        try:
            state: NodeState = await self._bus.ask(node, HowIsNode(), ANSWER_S)
        except BusTimeout as error:
            return (node, heard, lost, None, None, None, str(error))
        return (node, heard, lost, state.version, state.up_s, state.endpoints, "")


def _unasked(other: OtherNode, heard: str, why: str) -> tuple[object, ...]:
    return (other.name, heard, other.lost, None, None, None, why)
