"""What a lost node has left open is ended by one node, as soon as that can be done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import Duty, INodes
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.leavings import LOOK_S, LOOKS, Leavings
from lyncpy.core.timers import Timers
from tests.kit.logs import overheard

LOST = NodeLost(NodeName("n9"))


@dataclass
class Scene:
    """One node, whose duty it is or not, and what it has to do then: that is counted, and fails as the store does."""

    clock: Clock = field(default_factory=Clock)
    is_mine: bool = True
    is_away: bool = False
    begun: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        """Build the node's part."""
        nodes = cast("INodes", self)
        self.leavings = Leavings(nodes, Timers(self.clock, self.clock.seconds), self.end, "ending it")

    def has_duty(self, duty: Duty) -> bool:
        """Tell whether it is this node's."""
        return self.is_mine and duty is Duty.LEAVINGS

    async def end(self) -> None:
        """End what is left."""
        self.begun += 1
        self.meanwhile()
        if self.is_away:
            raise StoreUnavailable("the database is away")

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pump([LOOK_S / 2] * int(seconds * 2 / LOOK_S))


@pytest.fixture
def scene() -> Scene:
    """Give a node whose duty it is."""
    return Scene()


def test_it_is_done_once_for_each_lost_node(scene: Scene) -> None:
    """And not again."""
    scene.leavings.node_lost(LOST)
    scene.passes(60)
    assert scene.begun == 1
    scene.leavings.node_lost(LOST)
    assert scene.begun == 2
    assert not scene.clock.getDelayedCalls()


def test_while_the_store_is_away_it_is_tried_again_and_said_once(scene: Scene) -> None:
    """However long that takes."""
    scene.is_away = True
    with overheard() as events:
        scene.leavings.node_lost(LOST)
        scene.passes(10 * LOOKS * LOOK_S)
        scene.is_away = False
        scene.passes(LOOK_S)
    tries = scene.begun
    assert tries > 5 * LOOKS
    assert [(one["what"], one["reason"]) for one in events] == [("ending it", "the database is away")]
    scene.passes(60)
    assert scene.begun == tries
    assert not scene.clock.getDelayedCalls()


def test_a_duty_that_comes_later_is_done(scene: Scene) -> None:
    """Whoever had it is lost, too; without it, nothing is looked at for good."""
    scene.is_mine = False
    scene.leavings.node_lost(LOST)
    scene.passes((LOOKS - 2) * LOOK_S)
    assert scene.begun == 0
    scene.is_mine = True
    scene.passes(LOOK_S)
    assert scene.begun == 1
    scene.is_mine = False
    scene.leavings.node_lost(LOST)
    scene.passes(2 * LOOKS * LOOK_S)
    assert scene.begun == 1
    assert not scene.clock.getDelayedCalls()


def test_a_node_that_is_lost_meanwhile_is_not_forgotten(scene: Scene) -> None:
    """What it has left may have been looked at already: it is done anew, behind the other."""

    def once() -> None:
        scene.meanwhile = lambda: None
        scene.leavings.node_lost(LOST)
        assert scene.begun == 1

    scene.meanwhile = once
    scene.leavings.node_lost(LOST)
    assert scene.begun == 2


def test_who_ends_looks_no_more(scene: Scene) -> None:
    """Another node has the duty then."""
    scene.is_away = True
    scene.leavings.node_lost(LOST)
    scene.leavings.close()
    scene.passes(60)
    assert scene.begun == 1


@pytest.mark.parametrize("is_away", [True, False])
def test_what_is_closed_while_it_is_done_does_nothing_more(scene: Scene, is_away: bool) -> None:
    """Whether the store failed it meanwhile, another node was lost, or one is lost later: whoever has the duty next does it."""
    scene.is_away = is_away

    def meanwhile() -> None:
        scene.leavings.node_lost(LOST)
        scene.leavings.close()

    scene.meanwhile = meanwhile
    with overheard():
        scene.leavings.node_lost(LOST)
        scene.leavings.node_lost(LOST)
    scene.passes(LOOK_S * LOOKS)
    assert scene.begun == 1
    assert not scene.clock.getDelayedCalls()
