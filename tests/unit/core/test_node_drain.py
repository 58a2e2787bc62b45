"""A node leaves: its connections are closed evenly, what is under way first waited for."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.questions import DrainAnswer, DrainNode
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.node_drain import ANSWER_S, BUSY_S, HAND_OVER_S, HEARD_S, DrainedConnections, NodeDrain
from lyncpy.core.node_places import NodePlaces
from lyncpy.core.timers import Timers
from tests.kit.flows import StillFlows
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.results import result_of, started
from tests.unit.core.test_node_places import HERE, TwoNodes


class Connections(StillFlows):
    """Connections that are closed when that is asked."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = [FlowName(f"here/{number}") for number in range(count)]
        self.loud: set[str] = set()

    def names(self) -> tuple[FlowName, ...]:
        """Give those that are there."""
        return tuple(self.left)

    def peer(self, flow: FlowName) -> str:
        """Give where they come from."""
        return "192.0.2.1" if flow in self.left else ""

    def is_silent(self, flow: FlowName, since: float) -> bool:
        """Tell whether nothing comes."""
        return flow not in self.loud

    def close_flow(self, flow: FlowName, reason: str) -> None:
        """Close one."""
        self.left.remove(flow)


class Scene:
    """A node with connections."""

    def __init__(self, count: int, drain_s: float = 10.0) -> None:
        self.clock = Clock()
        bus = MemoryBus(HERE, self.clock)
        self.bus = bus
        timers = Timers(self.clock, lambda: 0.0)
        nodes = TwoNodes(HERE, MemoryLeases(NodesOfStore(lambda: 0.0)), "host one")
        self.places = NodePlaces(nodes, "", bus, timers, int, 10)
        self.flows = Connections(count)
        self.asked: set[str] = set()
        self.asking: set[str] = set()
        self.ended = 0
        self.handed_over: Deferred[None] = Deferred()
        self.drain = NodeDrain(
            nodes,
            self.places,
            DrainedConnections(self.flows, self.asked.__contains__, self.asking.__contains__),
            bus,
            timers,
            drain_s=drain_s,
            hand_over=(lambda: self.handed_over,),
            end=self._end,
        )
        result_of(self.drain.open())

    def _end(self) -> None:
        self.ended += 1

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds * 20)):
            self.clock.advance(0.05)


def test_connections_are_closed_evenly_within_the_time() -> None:
    """A thousand in ten seconds: as many in each of them; then what is alone here is handed over, then it ends."""
    scene = Scene(1_000)
    scene.drain.begin()
    scene.drain.begin()
    scene.passes(HEARD_S)
    for second in range(1, 10):
        scene.passes(1.0)
        assert 1_000 - len(scene.flows.left) == pytest.approx(100 * second, abs=20)
    scene.passes(1.5)
    assert (len(scene.flows.left), scene.ended) == (0, 0)
    assert not scene.drain.cancel(), "it is too late"
    scene.handed_over.callback(None)
    assert scene.ended == 1
    assert scene.drain.departure == (True, 1_000, 0)


def test_few_connections_are_closed_sooner() -> None:
    """Nobody has to wait for a minute because of two of them; nor for none at all."""
    for count in (0, 2):
        scene = Scene(count, drain_s=60.0)
        scene.handed_over.callback(None)
        scene.drain.begin()
        scene.passes(1.0)
        assert (scene.flows.left, scene.ended) == ([], 1)


def test_what_is_under_way_is_waited_for() -> None:
    """Who asks or is asked something keeps their connection for a while, who waits for an answer a little longer; whoever is gone meanwhile counts as moved."""
    scene = Scene(5)
    scene.handed_over.callback(None)
    asked, asking, loud, gone, other = (FlowName(f"here/{number}") for number in range(5))
    scene.asked.add(asked)
    scene.asking.add(asking)
    scene.flows.loud.add(loud)
    scene.flows.left.remove(gone)
    scene.flows.left.append(gone)
    scene.drain.begin()
    scene.passes(HEARD_S + 2.0)
    assert set(scene.flows.left) == {asked, asking, loud}
    scene.flows.loud.clear()
    scene.passes(0.5)
    assert set(scene.flows.left) == {asked, asking}
    scene.passes(BUSY_S - 2.0)
    assert scene.flows.left == [asked]
    scene.passes(ANSWER_S)
    assert scene.flows.left == []
    assert other not in scene.flows.left


def test_it_ends_though_handing_over_hangs_or_fails() -> None:
    """Others take over what was not handed over."""
    hanging = Scene(0)
    hanging.drain.begin()
    hanging.passes(HEARD_S + HAND_OVER_S + 1.0)
    assert hanging.ended == 1
    hanging.handed_over.callback(None)
    assert hanging.ended == 1
    failing = Scene(0)
    failing.drain.begin()
    failing.passes(1.0)
    failing.handed_over.errback(StoreUnavailable("away"))
    assert failing.ended == 1


def test_it_is_asked_over_the_bus() -> None:
    """It says why it does not, and stays where that is wanted."""
    scene = Scene(1)
    clock = scene.clock

    async def ask(question: DrainNode) -> DrainAnswer:
        answer: DrainAnswer = await scene.bus.ask(NodeName("here"), question, 1.0)
        return answer

    asking = started(ask(DrainNode()))
    clock.advance(0)
    answers: list[DrainAnswer] = []
    _ = asking.addCallback(answers.append)
    assert answers == [DrainAnswer()]
    assert "0 of 1" in scene.drain.conditions()[0].finding
    _ = started(ask(DrainNode(is_cancelled=True))).addCallback(answers.append)
    clock.advance(0)
    assert answers[1:] == [DrainAnswer()]
    assert scene.drain.conditions() == ()
    scene.passes(30)
    assert scene.ended == 0
    scene.places.leave(leaving=False)
    result_of(scene.drain.close())
