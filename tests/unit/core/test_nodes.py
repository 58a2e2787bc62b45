"""The shell's `nodes`."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from lyncpy import __version__
from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.bus import BusTimeout, OtherNode, Question
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import DUTIES, Duty, NodeLease
from lyncpy.contracts.questions import NodeState
from lyncpy.contracts.workload import CommandCall, Table
from lyncpy.core import nodes
from lyncpy.core.node_drain import DrainState
from lyncpy.core.node_lease import OnlyNode
from lyncpy.core.node_places import NodePlaces
from lyncpy.core.nodes import Nodes
from lyncpy.core.timers import Timers
from tests.kit.fakes import awaited
from tests.kit.leases import MemoryLeases, NodesOfStore, only_node
from tests.kit.presence import FewEndpoints
from tests.kit.results import result_of, started

HERE = NodeName("here")


class Deployment(MemoryBus):
    """A bus with other nodes on it."""

    def __init__(self, clock: Clock, *others: str) -> None:
        super().__init__(HERE, clock)
        self._others = tuple(OtherNode(NodeName(name), 1.25, 3) for name in others)

    def others(self) -> Sequence[OtherNode]:
        """Give them."""
        return self._others

    async def ask(self, node: NodeName | None, question: Question, timeout: float) -> Any:  # Any: as the promise
        """Answer for others: the silent one does not."""
        if node is None or node == HERE:
            return await super().ask(node, question, timeout)
        if node.startswith("frozen"):
            await deferLater(self._clock, timeout)
            raise BusTimeout(f"{node} did not answer")
        if node == "silent":
            raise BusTimeout("silent did not answer")
        return NodeState("9.9", 7, 5, load_percent=42, place="host two")


class Known(OnlyNode):
    """A node that knows of two others by their leases."""

    def others(self) -> Sequence[NodeLease]:
        """Give one that is heard and one that is not."""
        return (
            NodeLease(NodeName("there"), 2, "host two", True, 3.25, is_ended=False),
            NodeLease(NodeName("silent"), 3, "host three", True, -1.5, is_ended=False),
        )

    def gone(self) -> Sequence[NodeLease]:
        """Give one that is dead."""
        return (NodeLease(NodeName("old"), 1, "host one", True, -9.0, is_ended=False),)


def begun(clock: Clock, *others: str, known: OnlyNode | None = None) -> Deferred[Table]:
    """Begin to ask a node that has been up for a minute."""
    known = known or only_node(HERE)
    bus = Deployment(clock, *others)
    timers = Timers(clock, lambda: 0.0)
    places = NodePlaces(known, "fe1.example.test:5061", bus, timers, int, 10)
    command = Nodes(
        known,
        bus,
        FewEndpoints(),
        timers,
        places,
        lambda: DrainState(is_leaving=True, moved=3, to_move=4),
        "host (process 7)",
    )
    clock.advance(60.5)
    declared, _ = command.commands()

    async def ask() -> Table:
        return await declared.run(CommandCall({}, {}))

    return started(ask())


def rows(*others: str, known: OnlyNode | None = None) -> list[tuple[object, ...]]:
    """Give what it says by the time that one of them may take."""
    clock = Clock()
    asking = begun(clock, *others, known=known)
    clock.advance(0)
    clock.advance(nodes.ANSWER_S)
    found: list[Table] = []
    _ = asking.addCallback(found.append)
    return [tuple(row) for row in found[0].rows]


def test_a_server_that_is_alone_says_how_it_is() -> None:
    """By the same question that others would ask it."""
    (row,) = rows()
    assert row[:11] == (
        *("here", "this one", "held", "", 0, __version__, 60, 0, "fe1.example.test:5061", "3 of 7 moved", ""),
    )
    assert isinstance(row[11], int)
    assert row[12] == "host (process 7)"


def test_others_are_asked_and_one_that_does_not_answer_is_listed(monkeypatch: Any) -> None:
    """With when it was heard last, and what of it was lost; very many are not all asked."""
    monkeypatch.setattr(nodes, "ASKED_MOST", 2)
    assert rows("there", "silent", "third")[1:] == [
        ("silent", "1.2 s ago", "none", "", 3, None, None, None, None, "", "silent did not answer", None, ""),
        ("there", "1.2 s ago", "none", "", 3, "9.9", 7, 5, "", "", "", 42, "host two"),
        ("third", "1.2 s ago", "none", "", 3, None, None, None, None, "", "not asked: there are too many", None, ""),
    ]


def test_leases_duties_and_the_dead_are_listed() -> None:
    """Who has a lease and is not heard; whose duty what is, by the store; and who is gone, with its place."""
    shared = NodesOfStore(lambda: 0.0)
    others = MemoryLeases(shared)
    result_of(awaited(others.join(NodeName("there"), "host two", 9.0, is_connected=True)))
    for duty in Duty:
        result_of(awaited(others.take_homes([DUTIES + duty.value], NodeName("there"))))
    known = Known(HERE, others, "here")
    found = rows("there", known=known)
    assert [row[:4] for row in found] == [
        ("here", "this one", "held", ""),
        ("silent", "not lately", "ran out 1.5 s ago", ""),
        ("there", "1.2 s ago", "3.2 s", " ".join(sorted(duty.value for duty in Duty))),
        ("old", "", "dead", ""),
    ]
    assert found[-1][-3] == "it ran at host one"


def test_servers_that_are_frozen_are_waited_for_together() -> None:
    """One command takes as long as one of them, and they stand in the order of their names."""
    frozen = [f"frozen{number:02}" for number in range(20)]
    assert [row[0] for row in rows("there", *frozen)] == ["here", *frozen, "there"]


def test_a_command_that_is_broken_off_waits_for_nobody() -> None:
    """Its end is its own, and no question goes on."""
    clock = Clock()
    asking = begun(clock, "frozen", "there", "frozen")
    clock.advance(0)
    asking.cancel()
    errors: list[Failure] = []
    _ = asking.addErrback(errors.append)
    assert [one.type for one in errors] == [CancelledError]
    assert not clock.getDelayedCalls()
