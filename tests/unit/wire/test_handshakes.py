"""Handshakes share a few milliseconds of each turn of the reactor, and network addresses take turns."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.core.timers import Timers
from lyncpy.wire.handshakes import Handshakes
from tests.kit.meters import MemoryMeter
from tests.kit.turns import turn


class Door:
    """A door at which each step takes a millisecond."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.clock = Clock()
        self.meter = MemoryMeter()
        self.handshakes = Handshakes(Timers(self.clock, lambda: 0.0), self.meter)
        self.done: list[str] = []

    def comes(self, network: str, *names: str) -> None:
        """Have connections of a network wait for their turn."""
        for name in names:
            self.handshakes.put(network, lambda name=name: self.step(name))  # type: ignore[misc]  # bound at once

    def step(self, name: str) -> None:
        """Take a step."""
        self.clock.rightNow += 0.0005
        assert name != "!", "a fault"
        self.done.append(name)

    def turn(self) -> str:
        """Have one turn of the reactor pass; give who was served."""
        before = len(self.done)
        turn(self.clock)
        return "".join(self.done[before:])


@pytest.fixture
def door() -> Door:
    """A door."""
    return Door()


def test_two_or_three_are_served_in_a_turn(door: Door) -> None:
    """In the order in which they came; who comes meanwhile waits behind them."""
    door.comes("192.0.2.1", *"abcde")
    assert door.meter.gauges["lyncpy_wire_handshakes_waiting_count"]() == 5
    assert door.turn() == "ab"
    door.comes("192.0.2.1", "f")
    assert [door.turn() for _ in range(3)] == ["cd", "ef", ""]
    assert (len(door.handshakes), door.clock.getDelayedCalls()) == (0, [])


def test_a_flood_from_one_address_is_a_queue_of_its_own(door: Door) -> None:
    """Somebody else is served after one of them."""
    door.comes("192.0.2.1", *"aaaaaaaa")
    door.comes("192.0.2.2", "b")
    assert door.turn() == "ab"


def test_a_fault_in_one_step_stops_nobody_else(door: Door) -> None:
    """The next is served in the next turn."""
    door.comes("192.0.2.1", "!", "a")
    with capturedLogs() as logged:
        door.turn()
    assert [event["log_level"].name for event in logged] == ["critical"]
    assert door.turn() == "a"


def test_what_comes_one_by_one_does_not_wait(door: Door) -> None:
    """As long as it takes a part of the time and no more, and nobody waits."""
    begun = ""
    while (since := door.handshakes.begin_at_once()) is not None:
        door.step("a")
        door.handshakes.begun_at_once(since)
        begun += "a"
    assert begun == "aaaa"
    door.clock.advance(0.01)
    assert door.handshakes.begin_at_once() is not None
    door.comes("192.0.2.1", "b")
    assert door.handshakes.begin_at_once() is None, "b waits"
    assert door.turn() == "b"
