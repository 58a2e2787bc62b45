"""Who is cut off from the store while others are not has their clients go there."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.bus import BusTimeout, IBus
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.nodes import INodes, NodeLease
from lyncpy.contracts.questions import AmIDead, NodeStanding
from lyncpy.core.cut_off import ASKED_S, UNHEARD_S, CutOff
from lyncpy.core.timers import Timers
from tests.kit.logs import overheard
from tests.kit.results import answer_of, result_of

LEASE_S = 5.0
OTHER = NodeLease(NodeName("n2"), 2, "elsewhere", is_connected=True, left_s=LEASE_S, is_ended=False)


@dataclass
class Scene:
    """A node, and another that answers or not; all that this one asks of others is in here."""

    clock: Clock = field(default_factory=Clock)
    node = NodeName("n1")
    is_doubted: bool = False
    renewed_at: float = 0.0
    answers: bool = True
    lease_s: float = LEASE_S
    there: tuple[NodeLease, ...] = (OTHER,)
    called: int = 0
    ends: bool = False
    """Whether it is closed as soon as it has closed a connection."""

    open_: list[FlowName] = field(default_factory=lambda: [FlowName(f"n1/{number}") for number in range(250)])

    def __post_init__(self) -> None:
        """Build the node's part."""
        nodes, bus, flows = cast("INodes", self), cast("IBus", self), cast("IFlows", self)
        self.cut_off = CutOff(nodes, bus, flows, Timers(self.clock, self.clock.seconds))

    def others(self) -> tuple[NodeLease, ...]:
        """Give the other node."""
        return self.there

    def lapsed_s(self) -> float:
        """Tell for how long the lease may have been over."""
        return self.clock.seconds() - self.renewed_at - self.lease_s

    def gone(self) -> tuple[NodeLease, ...]:
        """Give who is known dead to this one."""
        return (replace(OTHER, name=NodeName("n9")),)

    def answer(self, kind: type[AmIDead], give: Callable[[AmIDead], Awaitable[NodeStanding]]) -> None:
        """Answer others."""
        self.give = give

    async def ask(self, node: NodeName, question: AmIDead, timeout: float) -> NodeStanding:
        """Ask it."""
        self.called += 1
        if not self.answers:
            raise BusTimeout
        return NodeStanding(self.is_doubted)

    def names(self) -> tuple[FlowName, ...]:
        """Give the connections."""
        return tuple(self.open_)

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Close one."""
        self.open_.remove(flow)
        if self.ends:
            close(self)

    def passes(self, seconds: float, *, reaches: bool = False) -> None:
        """Let time pass, with the store in reach or not."""
        for _ in range(int(seconds * 10)):
            if reaches:
                self.renewed_at = self.clock.seconds()
            self.clock.advance(0.1)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Give a node that has just joined."""
    scene = Scene()
    with overheard():
        run(scene)
        yield scene


def run(scene: Scene) -> None:
    """Open it."""
    result_of(scene.cut_off.open())


def close(scene: Scene) -> None:
    """Close it."""
    result_of(scene.cut_off.close())


def test_who_reaches_the_store_calls_nobody(scene: Scene) -> None:
    """And nobody's connection is closed."""
    scene.passes(60, reaches=True)
    assert (scene.called, len(scene.open_), scene.cut_off.conditions()) == (0, 250, ())


def test_a_store_that_is_away_for_all_moves_nobody(scene: Scene) -> None:
    """The other says that it is there, and not that this one is dead."""
    scene.passes(60)
    assert scene.called > 10
    assert len(scene.open_) == 250


def test_who_is_known_dead_to_others_lets_its_clients_go(scene: Scene) -> None:
    """Once the lease may have run out, and those who come meanwhile, too; until it reaches the store again."""
    scene.passes(LEASE_S - 1)
    scene.is_doubted = True
    scene.passes(0.5)
    assert len(scene.open_) == 250
    scene.passes(4 * ASKED_S)
    assert not scene.open_
    (reason,) = scene.cut_off.conditions()
    assert reason.remedy
    scene.open_.append(FlowName("n1/late"))
    scene.passes(2 * ASKED_S)
    assert not scene.open_
    scene.is_doubted = False
    scene.passes(10, reaches=True)
    scene.open_.append(FlowName("n1/back"))
    scene.passes(10, reaches=True)
    assert (scene.open_, scene.cut_off.conditions()) == ([FlowName("n1/back")], ())


def test_who_hears_nobody_over_the_bus_either_is_cut_off(scene: Scene) -> None:
    """Though some have answered at first; but not where nobody else was there."""
    scene.passes(LEASE_S + 3 * ASKED_S)
    assert len(scene.open_) == 250
    scene.answers = False
    scene.passes(UNHEARD_S + 2 * ASKED_S)
    assert not scene.open_
    alone = Scene(answers=False, there=())
    run(alone)
    alone.passes(60)
    assert len(alone.open_) == 250


def test_who_is_alone_with_a_store_looks_at_nothing() -> None:
    """There is nobody whom clients could go to, and no lease."""
    scene = Scene(answers=False, lease_s=float("inf"))
    run(scene)
    assert not scene.clock.getDelayedCalls()


def test_whoever_asks_hears_whether_they_are_known_dead(scene: Scene) -> None:
    """By those that have seen it."""
    for name, is_dead in (("n9", True), ("n2", False)):
        assert answer_of(scene.give(AmIDead(NodeName(name)))) == NodeStanding(is_dead)


def test_nothing_is_closed_after_the_end(scene: Scene) -> None:
    """The end closes all connections itself, in order."""
    scene.is_doubted = scene.ends = True
    scene.passes(60)
    assert len(scene.open_) == 249
    assert not scene.clock.getDelayedCalls()
