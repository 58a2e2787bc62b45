"""The servers of a deployment, for an operator: each says itself how it is, and leaves when it is told to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage
from typing import Final

from twisted.internet.defer import Deferred

from lyncpy import __version__
from lyncpy.contracts.answers import form
from lyncpy.contracts.bus import BusTimeout, IBus, OtherNode
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import DUTIES, INodes, NodeLease
from lyncpy.contracts.questions import DrainAnswer, DrainNode, HowIsNode, NodeState
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, OperatorRole, ShellCommand, Table
from lyncpy.core.node_drain import DrainState
from lyncpy.core.node_places import NodePlaces, is_at

ANSWER_S: Final = 2.0
"""That another server has to say how it is."""

ASKED_MOST: Final = 100
"""Servers that one command asks, all at once; of the rest it says when they were heard."""


class Nodes:
    """`nodes` and `drain`, and what this node says to others who use them.

    Args:
        nodes: This one, and those that work with the same store.
        bus: Knows the others, and asks them.
        locator: Who is signed in here.
        timers: Since when.
        places: Under which names they are reached.
        departure: Gives how far this node is if it leaves.
        place: Where this one runs, for operators.
    """

    def __init__(
        self,
        nodes: INodes,
        bus: IBus,
        locator: ILocator,
        timers: ITimers,
        places: NodePlaces,
        departure: Callable[[], DrainState],
        place: str,
    ) -> None:
        self._places = places
        self._departure = departure
        self._place = place
        self._asked_at, self._used_s = timers.now(), 0.0
        self._load_percent = 0
        self._nodes = nodes
        self._bus = bus
        self._locator = locator
        self._timers = timers
        self._since = timers.now()
        bus.answer(HowIsNode, self._how)

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell command."""
        return (
            ShellCommand(
                "nodes",
                "The servers of this deployment, as each says it is.",
                self.nodes,
                form=form(
                    "node heard lease duties lost_facts:number? version? up_s:number? endpoints:number? name? leaving? trouble? load_percent:number? place?"
                ),
            ),
            ShellCommand(
                "drain",
                "Have a server leave: nobody signs in there any more, its devices go to the others evenly, and it ends.",
                self.drain,
                args=(Arg("node", "its node, or its own name, as `nodes` shows them", choices=self._names),),
                flags=(Flag("cancel", "have it stay after all"),),
                role=OperatorRole.OPERATOR,
                form=form("node"),
            ),
        )

    async def _how(self, question: HowIsNode) -> NodeState:
        up_s = int(self._timers.now() - self._since)
        leaves = self._departure()
        return NodeState(
            __version__,
            up_s,
            len(self._locator.all_endpoints()),
            self._places.address,
            *leaves,
            self._load(),
            self._place,
        )

    def _names(self) -> list[str]:
        return sorted({*self._known(), *self._places.addresses()})

    def _known(self) -> set[NodeName]:
        leased, heard = self._nodes.others(), self._bus.others()
        return {self._nodes.node, *(one.name for one in leased), *(one.name for one in heard)}

    async def _named(self, name: str) -> NodeName:
        """Give the node of which an operator speaks.

        Raises:
            CommandFailed: There is none, or there are several.
        """
        known = self._known()
        found = [NodeName(name)] if name in known else self._places.nodes_at(name) or await self._at(name, known)
        if len(found) != 1:
            several = f"several servers are at {name!r}: {', '.join(found)}; name one of them"
            raise CommandFailed(several if found else f"there is no server {name!r}; see: nodes")
        return found[0]

    async def _at(self, name: str, known: Iterable[NodeName]) -> list[NodeName]:
        """Ask the nodes that are not followed here which of them is at a host."""
        asked = [node for node in known if not self._places.follows(node)]
        answers = await self._states(asked[:ASKED_MOST])
        at = {node: answer.state.address for node, answer in zip(asked, answers, strict=False) if answer.state}
        return [node for node, address in at.items() if is_at(name, address)]

    async def drain(self, asked: CommandCall) -> Table:
        """Have a node leave, or stay after all.

        Raises:
            CommandFailed: It does not, or does not answer.
        """
        node, is_cancelled = await self._named(asked.args["node"]), "cancel" in asked.flags
        try:
            answer: DrainAnswer = await self._bus.ask(node, DrainNode(is_cancelled), ANSWER_S)
        except BusTimeout as error:
            raise CommandFailed(f"{node} does not answer, and may not have heard it: {error}") from None
        if answer.objection:
            raise CommandFailed(f"{node}: {answer.objection}")
        note = "it stays" if is_cancelled else "it leaves; `nodes` shows how far it is, and that it is gone"
        return Table(("node",), [(node,)], note=note)

    def _load(self) -> int:
        """Give the percentage of a processor that this process has used since it was asked last; as before within a second."""
        used = getrusage(RUSAGE_SELF)
        now, used_s = self._timers.now(), used.ru_utime + used.ru_stime
        if now - self._asked_at >= 1.0:
            self._load_percent = round(100.0 * (used_s - self._used_s) / (now - self._asked_at))
            self._asked_at, self._used_s = now, used_s
        return self._load_percent

    async def nodes(self, asked: CommandCall) -> Table:
        """Ask each node that is there how it is, this one first; say of each what the store says, and of those that are gone that they are."""
        heard = {one.name: one for one in self._bus.others()}
        leased = {one.name: one for one in self._nodes.others()}
        names = [self._nodes.node, *sorted({*heard, *leased})]
        answers = await self._states(names[: ASKED_MOST + 1])
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
            (one.name, "", "dead", "", None, None, None, None, None, "", f"it ran at {one.place}", None, "")
            for one in self._nodes.gone()
        ]
        columns = (
            *("node", "heard", "lease", "duties", "lost_facts", "version", "up_s", "endpoints"),
            *("name", "leaving", "trouble", "load_percent", "place"),
        )
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

    async def _states(self, names: Iterable[NodeName]) -> list["_Answer"]:
        """Ask nodes how they are; one that is frozen takes all its time, and many of them take it together."""
        asking = [Deferred.fromCoroutine(self._state(name)) for name in names]
        try:
            return [await one for one in asking]
        finally:
            # Whoever breaks the command off waits for none of them.
            for one in asking:
                _ = one.addErrback(lambda _: None)
                one.cancel()

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
            return (None, None, None, None, "", self.trouble, None, "")
        leaving = f"{state.moved} of {state.moved + state.to_move} moved" if state.is_leaving else ""
        return (state.version, state.up_s, state.endpoints, state.address, leaving, "", state.load_percent, state.place)


def _heard(other: OtherNode | None, *, is_this: bool) -> str:
    if is_this:
        return "this one"
    return "not lately" if other is None else f"{other.heard_s:.1f} s ago"


def _lease(lease: NodeLease | None, *, is_this: bool) -> str:
    """Say how long a lease lasts; who has none is of another deployment, or its lease has just begun."""
    if lease is None:
        return "held" if is_this else "none"
    return f"{lease.left_s:.1f} s" if lease.left_s > 0.0 else f"ran out {-lease.left_s:.1f} s ago"
