"""Where clients reach each node by itself, and which of them takes more devices: each says so every few seconds.

Of very many nodes each hears some: those that come after it in the order of names, and those where devices are of whose users others
sign in here. What is said of a node crosses the network to those alone.
"""

from bisect import bisect
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening, Interest
from lyncpy.contracts.facts import NodeLost, NodeReported
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import INodePlaces, INodes
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadline

REPORT_S: Final = 5.0
"""From one report of a node to the next."""

BELIEVED_S: Final = 3 * REPORT_S
"""How long a report counts."""

ANSWER_S: Final = 0.2
"""How soon a node reports that has heard of one it did not know: that one knows nobody yet."""

LOOK_S: Final = 1.0
"""How often is looked which other nodes there are."""

FOLLOWED_MOST: Final = 32
"""Nodes that are followed by themselves: enough to find an empty one among them. Where there are more, each node has others."""

ASKED_MOST: Final = 64
"""Further ones that are followed because a user's devices are there; the one asked for longest ago goes."""


class _Report(NamedTuple):
    said: NodeReported
    heard: float


@implementer(INodePlaces, IUnit)
class NodePlaces:
    """What this node tells of itself, and what it has heard of others.

    Args:
        nodes: This one, and who else works with the same store.
        address: Host and port at which clients reach this node and no other; "": there is no such name.
        bus: Tells reports.
        timers: When.
        endpoints: Gives how many devices are signed in here.
        endpoints_most: How many may be.

    Attributes:
        is_leaving: Whether this node is on its way out.
    """

    name = "node places"

    def __init__(
        self,
        nodes: INodes,
        address: str,
        bus: IBus,
        timers: ITimers,
        endpoints: Callable[[], int],
        endpoints_most: int,
    ) -> None:
        self._nodes = nodes
        self.address: Final = address
        self._bus = bus
        self._timers = timers
        self._endpoints = endpoints
        self._endpoints_most = endpoints_most
        self.is_leaving = False
        self._reports: dict[NodeName, _Report] = {}
        self._followed: Final = Interest()
        self._asked: OrderedDict[NodeName, None] = OrderedDict()
        """Those of them that were asked for."""

        self._next = Deadline(timers, self._due)
        self._looks = Deadline(timers, self._look)
        self._listening: tuple[IListening, ...] = ()

    def __len__(self) -> int:
        """Give the number of other nodes of which a report is kept."""
        return len(self._reports)

    async def open(self) -> None:
        """Begin to tell and to listen."""
        self._listening = (
            self._bus.listen(NodeReported, self._heard, self._followed),
            self._bus.listen(NodeLost, self._lost),
        )
        self._due()
        self._look()

    async def close(self) -> None:
        """Say nothing more."""
        self._next.clear()
        self._looks.clear()
        for listening in self._listening:
            listening.stop()

    # --- INodePlaces

    def open_address(self, node: NodeName) -> str:
        """Give host and port of another node that takes more devices; "" where it does not."""
        report = self._reports.get(node)
        if node not in self._followed or node in self._asked:
            self._ask(node)
        return report.said.address if report is not None and self._takes_more(report) else ""

    def refuge(self) -> str:
        """Give host and port of the other node with the fewest devices that takes more; "" where there is none."""
        fit = [report.said for report in self._reports.values() if self._takes_more(report)]
        return min(fit, key=lambda said: (said.endpoints, said.node)).address if fit else ""

    # --- for whoever has a node leave

    def addresses(self) -> list[str]:
        """Give host and port of each node that has a name of its own, this one's too."""
        known = [self.address, *(report.said.address for report in self._reports.values())]
        return [address for address in known if address]

    def nodes_at(self, name: str) -> list[NodeName]:
        """Give the nodes at a host, with or without its port."""
        said = [(self._nodes.node, self.address), *((node, one.said.address) for node, one in self._reports.items())]
        return [node for node, address in said if is_at(name, address)]

    def follows(self, node: NodeName) -> bool:
        """Tell whether it is known here where a node is: it is this one, or followed."""
        return node == self._nodes.node or node in self._reports

    def stays(self, node: NodeName) -> bool:
        """Tell whether another node is not known to be on its way out."""
        report = self._reports.get(node)
        return report is None or not report.said.is_leaving

    def leave(self, *, leaving: bool) -> None:
        """Tell that this node is on its way out, or is not any more."""
        self.is_leaving = leaving
        self._due()

    # --- telling and hearing

    def _takes_more(self, report: _Report) -> bool:
        said = report.said
        return (
            said.has_room
            and not said.is_leaving
            # Several processes on one machine may have one name: whoever is sent there may come back to this one.
            and said.address not in ("", self.address)
            and self._timers.now() - report.heard < BELIEVED_S
        )

    def _due(self) -> None:
        now = self._timers.now()
        for node in [node for node, report in self._reports.items() if now - report.heard >= BELIEVED_S]:
            del self._reports[node]
        if self._reports or self._nodes.others():
            count = self._endpoints()
            has_room = count < self._endpoints_most
            said = NodeReported(self._nodes.node, self.address, count, has_room, self.is_leaving)
            self._bus.tell(said)
        self._next.set(REPORT_S)

    def _heard(self, fact: NodeReported) -> None:
        if fact.node == self._nodes.node:
            return
        if fact.node not in self._reports:
            self._next.set(ANSWER_S)
        self._reports[fact.node] = _Report(fact, self._timers.now())

    def _lost(self, fact: NodeLost) -> None:
        self._forget(fact.node)

    # --- whom this node follows

    def _look(self) -> None:
        """Follow those who come after this one in the order of names, which is another part of all for each node."""
        own = self._nodes.node
        names = sorted({one.name for one in self._nodes.others()} - {own})
        first = bisect(names, own)
        chosen = dict.fromkeys((*names[first:], *names[:first])[:FOLLOWED_MOST])
        for node in self._followed:
            if node not in chosen and node not in self._asked:
                self._forget(NodeName(node))
        for node in chosen:
            if node not in self._followed:
                self._followed.add(node)
                # It may have begun just now, and knows nobody yet.
                self._next.set(ANSWER_S)
        self._looks.set(LOOK_S)

    def _ask(self, node: NodeName) -> None:
        """Follow a node for a while: what it says next is known here then."""
        if all(one.name != node for one in self._nodes.others()):
            return
        self._asked[node] = None
        self._asked.move_to_end(node)
        self._followed.add(node)
        if len(self._asked) > ASKED_MOST:
            self._forget(self._asked.popitem(last=False)[0])

    def _forget(self, node: NodeName) -> None:
        self._asked.pop(node, None)
        self._followed.discard(node)
        self._reports.pop(node, None)


def is_at(name: str, address: str) -> bool:
    """Tell whether an address is that of a host, which is named with or without its port."""
    return bool(name) and name.lower() in (address, address.partition(":")[0])
