"""Where clients reach each node, as far as it has said so."""

from collections.abc import Sequence

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.facts import NodeLost, NodeReported
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import NodeLease
from lyncpy.core import node_places
from lyncpy.core.node_lease import OnlyNode
from lyncpy.core.node_places import BELIEVED_S, REPORT_S, NodePlaces
from lyncpy.core.timers import Timers
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.results import result_of

HERE, THERE, BEYOND = NodeName("here"), NodeName("there"), NodeName("beyond")


class TwoNodes(OnlyNode):
    """A node that knows of others."""

    def others(self) -> Sequence[NodeLease]:
        """Give it."""
        names = (THERE, BEYOND, *(NodeName(f"n{number}") for number in range(7)))
        return tuple(NodeLease(name, 2, "host two", True, 3.0, is_ended=False) for name in names)


class Scene:
    """A node that listens, and what it tells."""

    def __init__(self, kind: type[OnlyNode] = OnlyNode) -> None:
        self.clock = Clock()
        self.bus = MemoryBus(HERE, self.clock)
        self.told: list[NodeReported] = []
        self.bus.listen(NodeReported, self._hear)
        nodes = kind(HERE, MemoryLeases(NodesOfStore(lambda: 0.0)), "host one")
        timers = Timers(self.clock, lambda: 0.0)
        self.endpoints = 3
        self.places = NodePlaces(nodes, "fe1.example.com:5061", self.bus, timers, lambda: self.endpoints, 4)
        result_of(self.places.open())
        self.turn()

    def _hear(self, fact: NodeReported) -> None:
        if fact.node == HERE:
            self.told.append(fact)

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.clock.advance(0)

    def hears(self, node: NodeName, address: str, endpoints: int = 0, **more: bool) -> None:
        """Have another node report."""
        self.bus.tell(NodeReported(node, address, endpoints, **{"has_room": True, **more}))
        self.turn()


def test_a_node_reports_itself_while_others_are_there() -> None:
    """How many devices it has, whether it has room, and at once that it leaves."""
    scene = Scene(TwoNodes)
    assert scene.told == [NodeReported(HERE, "fe1.example.com:5061", 3, has_room=True)]
    scene.endpoints = 4
    scene.turn(REPORT_S)
    assert not scene.told[-1].has_room
    scene.places.leave(leaving=True)
    scene.turn()
    assert [fact.is_leaving for fact in scene.told] == [False, False, True]
    assert Scene().told == [], "one that is alone tells nobody"


def test_the_emptiest_other_is_the_refuge() -> None:
    """Not one without a name, that is full, that leaves, or that has the same name; nor this one itself."""
    scene = Scene(TwoNodes)
    scene.hears(HERE, "fe9.example.com:5061")
    for number, more in enumerate(({"has_room": False}, {"is_leaving": True})):
        scene.hears(NodeName(f"n{number}"), "fe2.example.com:5061", **more)
    scene.hears(NodeName("n5"), "")
    scene.hears(NodeName("n6"), "fe1.example.com:5061")
    assert scene.places.refuge() == ""
    scene.hears(BEYOND, "fe3.example.com:5061", 9)
    scene.hears(THERE, "fe2.example.com:5061", 8)
    assert scene.places.refuge() == "fe2.example.com:5061"
    assert scene.places.open_address(BEYOND) == "fe3.example.com:5061"
    assert scene.places.open_address(NodeName("nobody")) == ""
    assert scene.places.nodes_at("FE3.example.com") == [BEYOND]
    assert scene.places.nodes_at("fe1.example.com:5061") == [HERE, "n6"]
    assert scene.places.nodes_at("") == []


def test_what_is_not_heard_any_more_does_not_count() -> None:
    """A node that is dead at once; one that is silent after some reports."""
    scene = Scene(TwoNodes)
    scene.hears(THERE, "fe2.example.com:5061")
    scene.bus.tell_here(NodeLost(THERE))
    scene.turn()
    assert scene.places.refuge() == ""
    scene.hears(BEYOND, "fe3.example.com:5061")
    scene.turn(BELIEVED_S - 0.1)
    assert scene.places.refuge() != ""
    scene.turn(REPORT_S)
    scene.turn(REPORT_S)
    assert scene.places.refuge() == ""
    assert len(scene.places) == 0


class ManyNodes(OnlyNode):
    """A node that knows of many others."""

    def others(self) -> Sequence[NodeLease]:
        """Give them."""
        return tuple(NodeLease(NodeName(name), 2, "a host", True, 3.0, is_ended=False) for name in "abcdefijklm")


def test_of_very_many_nodes_each_follows_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come next in the order of names, and those where devices are of users who come here, the last ones asked for."""
    monkeypatch.setattr(node_places, "FOLLOWED_MOST", 2)
    monkeypatch.setattr(node_places, "ASKED_MOST", 2)
    scene = Scene(ManyNodes)

    def reported() -> list[str]:
        for name in "abcdefijklm":
            scene.hears(NodeName(name), f"{name}.example.com:5061")
        return [name for name in "abcdefijklm" if scene.places.follows(NodeName(name))]

    assert reported() == ["i", "j"]
    for name in "bcd":
        assert scene.places.open_address(NodeName(name)) == ""
    assert scene.places.open_address(NodeName("nobody")) == ""
    assert reported() == ["c", "d", "i", "j"]
    assert scene.places.open_address(NodeName("c")) == "c.example.com:5061"
    scene.bus.tell_here(NodeLost(NodeName("i")))
    scene.turn()
    assert len(scene.places) == 3
    count = len(scene.told)
    result_of(scene.places.close())
    scene.turn(2 * REPORT_S)
    assert len(scene.told) == count
