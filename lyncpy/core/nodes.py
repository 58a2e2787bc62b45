"""The servers of a deployment, for an operator: each says itself how it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred

from lyncpy import __version__
from lyncpy.contracts.bus import BusTimeout, IBus, OtherNode
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import DUTIES, INodes, NodeLease
from lyncpy.contracts.questions import HowIsNode, NodeState
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, ShellCommand, Table

ANSWER_S: Final = 2.0
"""That another server has to say how it is."""

ASKED_MOST: Final = 100
"""Servers that one command asks, all at once; of the rest it says when they were heard."""


class Nodes:
    """`nodes`, and what this node says to others who use it.

    Args:
        nodes: This one, and those that work with the same store.
        bus: Knows the others, and asks them.
        locator: Who is signed in here.
        timers: Since when.
    """

    def __init__(self, nodes: INodes, bus: IBus, locator: ILocator, timers: ITimers) -> None:
        self._nodes = nodes
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
        """Ask each node that is there how it is, this one first; say of each what the store says, and of those that are gone that they are."""
        heard = {one.name: one for one in self._bus.others()}
        leased = {one.name: one for one in self._nodes.others()}
        names = [self._nodes.node, *sorted({*heard, *leased})]
        # A server that is frozen takes all its time; many of them take it together.
        asking = [Deferred.fromCoroutine(self._state(name)) for name in names[: ASKED_MOST + 1]]
        try:
            answers = [await one for one in asking]
        finally:
            # Whoever breaks the command off waits for none of them.
            for one in asking:
                _ = one.addErrback(lambda _: None)
                one.cancel()
        answers += [_Answer(None, "not asked: there are too many")] * (len(names) - len(answers))
        duties = await self._duties()
        rows = [
            (
                name,
                _heard(heard.get(name), is_this=name == self._nodes.node),
                _lease(leased.get(name), is_this=name == self._nodes.node),
                " ".join(duties.get(name, ())),
                0 if name not in heard else heard[name].lost,
                *answer.columns(),
            )
            for name, answer in zip(names, answers, strict=True)
        ]
        rows += [
            (one.name, "", "dead", "", None, None, None, None, f"it ran at {one.place}") for one in self._nodes.gone()
        ]
        columns = ("node", "heard", "lease", "duties", "lost facts", "version", "up, s", "endpoints", "trouble")
        return Table(columns, rows)

    async def _duties(self) -> Mapping[str, list[str]]:
        """Give the duties of each node, as far as the store says."""
        duties: dict[str, list[str]] = {}
        try:
            for home in await self._nodes.all_homes(DUTIES):
                duties.setdefault(home.node, []).append(home.key.removeprefix(DUTIES))
        except StoreUnavailable:
            return {}
        return duties

    async def _state(self, node: NodeName) -> "_Answer":
        try:
            return _Answer(await self._bus.ask(node, HowIsNode(), ANSWER_S), "")
        except BusTimeout as error:
            return _Answer(None, str(error))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a node says of itself, or why it does not."""

    state: NodeState | None
    trouble: str

    def columns(self) -> tuple[object, ...]:
        state = self.state
        if state is None:
            return (None, None, None, self.trouble)
        return (state.version, state.up_s, state.endpoints, "")


def _heard(other: OtherNode | None, *, is_this: bool) -> str:
    if is_this:
        return "this one"
    return "not lately" if other is None else f"{other.heard_s:.1f} s ago"


def _lease(lease: NodeLease | None, *, is_this: bool) -> str:
    """Say how long a lease lasts; who has none is of another deployment, or its lease has just begun."""
    if lease is None:
        return "held" if is_this else "none"
    return f"{lease.left_s:.1f} s" if lease.left_s > 0.0 else f"ran out {-lease.left_s:.1f} s ago"
