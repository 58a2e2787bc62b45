"""What homes leave with the nodes of clients is found by the next home, for as long as the clients are connected."""

from collections.abc import Sequence
from typing import Any

import pytest

from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.facts import FlowClosed
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.nodes import NodeLease
from lyncpy.core.deposits import EACH_MOST, PATIENCE_S, Deposits
from lyncpy.core.node_channel import NodeChannels
from lyncpy.core.timers import Timers
from tests.kit.clocks import Clocks
from tests.kit.flows import StillFlows
from tests.kit.hub import Hub
from tests.kit.leases import only_node
from tests.kit.results import result_of, started

A, B, C = (NodeName(name) for name in "abc")
KEY = "conference 1"


class OpenFlows(StillFlows):
    """Connections that are there, but for those that a test says are not."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    def peer(self, flow: FlowName) -> str:
        """Give the address of who is there."""
        return "" if flow in self.gone else "127.0.0.1"


class FakeNodes:
    """A node that knows the two others."""

    is_alone = False

    def __init__(self, node: NodeName) -> None:
        self.node = node
        self.names = [one for one in (A, B, C) if one != node]

    def others(self) -> Sequence[NodeLease]:
        """Give them."""
        return [NodeLease(name, 1, "", is_connected=True, left_s=1.0, is_ended=False) for name in self.names]


class Three:
    """Three nodes, each with the connections of its clients."""

    def __init__(self) -> None:
        self.clocks, self.hub = Clocks(), Hub()
        self.flows: dict[NodeName, OpenFlows] = {}
        self.channels: dict[NodeName, NodeChannels] = {}
        self.buses: dict[NodeName, Any] = {}
        self.at = {node: self._node(node) for node in (A, B, C)}

    def _node(self, node: NodeName) -> Deposits:
        clock = self.clocks.new()
        timers, bus = Timers(clock, clock.seconds), self.hub.bus(node, clock)
        flows = self.flows[node] = OpenFlows()
        self.buses[node] = bus
        channels = self.channels[node] = NodeChannels(bus, timers, lambda name: True)
        nodes: Any = FakeNodes(node)
        deposits = Deposits(nodes, channels, flows, bus, timers)
        result_of(deposits.open())
        return deposits

    def leave(self, home: NodeName, *names: str, flow: str = "b/1", said: str = "") -> None:
        """Have a home leave something."""
        for name in names:
            self.at[home].leave(Deposit(KEY, name, FlowName(flow), "bob", {"said": said}, name.encode()))
        self.clocks.passes(0.2)

    def gathered(self, node: NodeName, seconds: float = 0.2) -> list[tuple[str, str]] | None:
        """Gather what was left; None: it takes longer than that."""
        found: list[Sequence[Deposit]] = []
        _ = started(self.at[node].gather(KEY)).addCallback(found.append)
        self.clocks.passes(seconds)
        return sorted((one.name, one.said["said"]) for one in found[0]) if found else None


@pytest.fixture
def three() -> Three:
    """Three nodes."""
    return Three()


def test_what_was_left_is_found_by_the_next(three: Three) -> None:
    """Whatever node has the client, also the one that asks; what was left under a name first is replaced."""
    three.leave(A, "1", "2")
    three.leave(A, "2", said="anew")
    three.leave(A, "3", flow="c/1")
    three.leave(A, "4", flow="a/1")
    assert [len(three.at[node]) for node in (A, B, C)] == [1, 2, 1]
    expected = [("1", ""), ("2", "anew"), ("3", ""), ("4", "")]
    assert [three.gathered(node) for node in (A, B, C)] == [expected] * 3
    assert three.at[B].homes() == (KEY,)


def test_what_is_withdrawn_is_not_found(three: Three) -> None:
    """Here or elsewhere; again, nothing happens."""
    three.leave(A, "1", "2")
    three.leave(A, "3", flow="a/1")
    for name, flow in (("1", "b/1"), ("3", "a/1"), ("3", "a/1")):
        three.at[A].withdraw(KEY, name, FlowName(flow))
    three.clocks.settle()
    assert three.gathered(C) == [("2", "")]


def test_it_ends_with_the_connection(three: Three) -> None:
    """Nobody goes on with a client that is not there."""
    three.leave(A, "1", "2")
    three.leave(A, "3", flow="b/2")
    three.buses[B].tell_here(FlowClosed(FlowName("b/1"), "lost"))
    three.clocks.passes(0.1)
    three.flows[B].gone.add("b/3")
    three.leave(A, "4", flow="b/3")
    assert three.gathered(A) == [("3", "")]
    assert three.at[B].has_any_of("bob")
    three.buses[B].tell_here(FlowClosed(FlowName("b/2"), "lost"))
    three.clocks.passes(0.1)
    assert not three.at[B].has_any_of("bob")
    result_of(three.at[B].close())


def test_one_connection_has_its_share(three: Three) -> None:
    """More than that is not kept for it."""
    three.leave(A, *map(str, range(EACH_MOST + 1)))
    assert len(three.at[B]) == EACH_MOST


def test_who_does_not_answer_is_not_waited_for_for_ever(three: Three) -> None:
    """Nor at all, where it is known to be lost."""
    three.leave(A, "1")
    three.hub.loses = lambda sender, receiver, said: C in (sender, receiver)
    assert three.gathered(A) is None
    three.channels[A].forget(C)
    three.clocks.passes(0.2)
    assert three.gathered(A, PATIENCE_S + 0.2) == [("1", "")]


def test_what_cannot_be_read_is_not_kept(three: Three) -> None:
    """Nor is what is for another node's connection."""
    for said in ({"key": KEY}, {"key": KEY, "name": "1", "flow": "c/1", "owner": "bob", "said": {}}):
        three.channels[A].send(B, "deposit", b"", **said)
    three.channels[A].send(B, "gathered", id=7)
    three.channels[A].send(B, "deposited", id="x")
    three.clocks.passes(0.2)
    assert len(three.at[B]) == 0


def test_alone_nothing_is_kept() -> None:
    """There is no other home."""
    three = Three()
    alone = Deposits(
        only_node("a"), three.channels[A], three.flows[A], three.buses[A], Timers(three.clocks.new(), lambda: 0.0)
    )
    alone.leave(Deposit(KEY, "1", FlowName("a/1"), "bob", {}, b""))
    alone.withdraw(KEY, "1", FlowName("a/1"))
    assert len(alone) == 0
