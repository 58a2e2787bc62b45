"""What a home leaves with the node of each client that takes part, for whoever is the home next.

A dialog with a home ends with it for nobody but those who are connected there: the node that has the client's connection keeps
what another one needs to go on with the dialog, for as long as the connection lasts. It is in memory alone, where the client is;
when both are lost there is nothing to be gone on with.

Whoever becomes a home asks all nodes that are there for what was left with them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.facts import FlowClosed
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import FlowName, NodeName, node_of
from lyncpy.contracts.nodes import INodes
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadline
from lyncpy.core.node_channel import NodeChannels

DEPOSITS_MOST: Final = 200_000
"""That one node keeps: some for each connection, and each with a request or so."""

EACH_MOST: Final = 640
"""That are kept for one connection: dialogs, and what waits for a device that does not keep up with a chat."""

PATIENCE_S: Final = 12.0
"""How long others may take to say what was left with them; who is dead is known to be so before."""


class _Gathering:
    """What is awaited from others."""

    def __init__(self, nodes: set[NodeName]) -> None:
        self.nodes = nodes
        self.found: list[Deposit] = []
        self.all: Deferred[None] = Deferred()

    def has(self, node: NodeName) -> None:
        """Await nothing more of a node."""
        self.nodes.discard(node)
        if not self.nodes:
            self.end()

    def end(self) -> None:
        """Await nothing more."""
        if not self.all.called:
            self.all.callback(None)


@implementer(IUnit)
class Deposits:
    """What was left with this node, and what this node leaves with others.

    Args:
        nodes: The others. Where there can be none, nothing is left with anybody.
        channels: Carry it.
        flows: Whose connections are here.
        bus: Tells which are closed.
        timers: How long others are waited for.
    """

    name = "deposits"
    log = Logger()

    def __init__(self, nodes: INodes, channels: NodeChannels, flows: IFlows, bus: IBus, timers: ITimers) -> None:
        self._nodes = nodes
        self._channels = channels
        self._flows = flows
        self._bus = bus
        self._timers = timers
        self._kept: dict[str, dict[str, Deposit]] = {}
        self._on_flow: dict[FlowName, dict[tuple[str, str], None]] = {}
        self._theirs: Counter[str] = Counter()
        """How many there are of each owner."""

        self._count = 0
        self._gathering: dict[int, _Gathering] = {}
        self._numbers = count(1)
        self._listening: IListening | None = None
        self._on_offer: Callable[[str], None] = _passed_over
        channels.hear("deposit", self._left)
        channels.hear("withdraw", self._withdrawn)
        channels.hear("gather", self._asked)
        channels.hear("deposited", self._found)
        channels.hear("gathered", self._gathered)
        channels.hear("take home", self._offered)
        channels.on_lost(self._node_lost)

    def __len__(self) -> int:
        """Give the number of deposits that are kept here."""
        return self._count

    async def open(self) -> None:
        """Begin to hear of connections that are closed."""
        self._listening = self._bus.listen(FlowClosed, self._flow_closed)

    async def close(self) -> None:
        """Hear no more."""
        if self._listening is not None:
            self._listening.stop()

    def homes(self) -> Sequence[str]:
        """Give the keys of homes that have left something with this node."""
        return tuple(self._kept)

    def kept(self, key: str) -> Sequence[Deposit]:
        """Give what a home has left with this node."""
        return tuple(self._kept.get(key, {}).values())

    def has_any_of(self, owner: str) -> bool:
        """Tell whether any home has left something of somebody with this node."""
        return owner in self._theirs

    # --- for homes

    def leave(self, deposit: Deposit) -> None:
        """Leave something with the node of a client, in the place of what was left there under this name."""
        if self._nodes.is_alone:
            return
        node = node_of(deposit.flow)
        if node == self._nodes.node:
            self._keep(deposit)
            return
        if not self._channels.send(node, "deposit", deposit.data, **_told(deposit)):
            self.log.debug("{node} keeps nothing for {key}", node=node, key=deposit.key)

    def withdraw(self, key: str, name: str, flow: FlowName) -> None:
        """Have what was left under a name be kept no more."""
        if self._nodes.is_alone:
            return
        node = node_of(flow)
        if node == self._nodes.node:
            self._drop(key, name)
        else:
            self._channels.send(node, "withdraw", key=key, name=name)

    async def gather(self, key: str) -> Sequence[Deposit]:
        """Give all that was left for a home with the nodes that are there; those who say nothing for long are not waited for."""
        gathering, number = _Gathering({one.name for one in self._nodes.others()}), next(self._numbers)
        self._gathering[number] = gathering
        patience = Deadline(self._timers, gathering.end)
        try:
            for node in tuple(gathering.nodes):
                if not self._channels.send(node, "gather", id=number, key=key):
                    gathering.has(node)
            if gathering.nodes:
                patience.set(PATIENCE_S)
                await gathering.all
        finally:
            patience.clear()
            del self._gathering[number]
        return (*self.kept(key), *gathering.found)

    def offer(self, key: str, node: NodeName) -> None:
        """Have a node take a home that was given up, of which something was left there; any other may as well."""
        self._channels.send(node, "take home", key=key)

    def on_offer(self, hear: Callable[[str], None]) -> None:
        """Call a function with the key of each home that this node is to take."""
        self._on_offer = hear

    # --- what others say

    def _offered(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        self._on_offer(str(said.get("key")))

    def _left(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        deposit = _read(said, data)
        if deposit is not None and node_of(deposit.flow) == self._nodes.node:
            self._keep(deposit)

    def _withdrawn(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        self._drop(str(said.get("key")), str(said.get("name")))

    def _asked(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        number = said.get("id")
        for one in self.kept(str(said.get("key"))):
            if not self._channels.send(node, "deposited", one.data, id=number, **_told(one)):
                self.log.warn("{node} has not got what was left here for {key}", node=node, key=one.key)
        self._channels.send(node, "gathered", id=number)

    def _found(self, node: NodeName, said: Mapping[str, Any], data: bytes) -> None:
        gathering, deposit = self._of(node, said), _read(said, data)
        if gathering is not None and deposit is not None and node_of(deposit.flow) == node:
            gathering.found.append(deposit)

    def _gathered(self, node: NodeName, said: Mapping[str, Any], _: bytes) -> None:
        gathering = self._of(node, said)
        if gathering is not None:
            gathering.has(node)

    def _of(self, node: NodeName, said: Mapping[str, Any]) -> _Gathering | None:
        """Give what is awaited of a node."""
        number = said.get("id")
        gathering = self._gathering.get(number) if type(number) is int else None
        return gathering if gathering is not None and node in gathering.nodes else None

    def _node_lost(self, node: NodeName) -> None:
        for gathering in tuple(self._gathering.values()):
            gathering.has(node)

    # --- what is kept

    def _keep(self, deposit: Deposit) -> None:
        """Keep something for as long as the connection lasts."""
        if not self._flows.peer(deposit.flow):
            return
        self._drop(deposit.key, deposit.name)
        here = self._on_flow.setdefault(deposit.flow, {})
        if len(here) >= EACH_MOST or self._count >= DEPOSITS_MOST:
            if not here:
                del self._on_flow[deposit.flow]
            self.log.debug("nothing more is kept for {flow}", flow=deposit.flow)
            return
        here[deposit.key, deposit.name] = None
        self._kept.setdefault(deposit.key, {})[deposit.name] = deposit
        self._theirs[deposit.owner] += 1
        self._count += 1

    def _drop(self, key: str, name: str) -> None:
        theirs = self._kept.get(key, {})
        found = theirs.pop(name, None)
        if found is None:
            return
        self._count -= 1
        self._theirs[found.owner] -= 1
        if not self._theirs[found.owner]:
            del self._theirs[found.owner]
        if not theirs:
            del self._kept[key]
        here = self._on_flow[found.flow]
        del here[key, name]
        if not here:
            del self._on_flow[found.flow]

    def _flow_closed(self, fact: FlowClosed) -> None:
        for key, name in tuple(self._on_flow.get(fact.flow, ())):
            self._drop(key, name)


def _passed_over(key: str) -> None:
    """Nobody here takes homes."""


def _told(deposit: Deposit) -> dict[str, Any]:  # Any: values of JSON
    """Give what one node tells another of a deposit."""
    names = {"key": deposit.key, "name": deposit.name, "flow": deposit.flow, "owner": deposit.owner}
    return {**names, "said": deposit.said}


def _read(said: Mapping[str, Any], data: bytes) -> Deposit | None:
    """Read a deposit; None: it is none."""
    texts, more = [said.get(name) for name in ("key", "name", "flow", "owner")], said.get("said")
    if not all(isinstance(text, str) for text in texts) or not isinstance(more, dict):
        return None
    key, name, flow, owner = map(str, texts)
    return Deposit(key, name, FlowName(flow), owner, more, data)
