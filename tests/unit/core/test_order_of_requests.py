"""Requests of one connection begin in the order in which they came, also when they wait for their turn more than once."""

import pytest

from lyncpy.contracts.names import FlowName
from lyncpy.core import lanes
from lyncpy.core.intake import Intake
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Request
from lyncpy.sip.transaction import Key
from tests.kit.meters import MemoryMeter
from tests.kit.turns import turn
from tests.unit.core.test_transactions import ALICE, BOB, Hall, burst, numbers, request


def test_what_left_the_lanes_and_came_back_has_its_place_behind_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three step back out of the lanes, and there is room again before the lanes' next turn: where they stood counts no more."""
    monkeypatch.setattr(lanes, "AT_ONCE_S", 0.0)
    monkeypatch.setattr(lanes, "TURN_S", 0.0)  # one in each turn
    hall = Hall(pending_per_flow=2)
    burst(hall, ALICE, 3, "SUBSCRIBE")
    burst(hall, ALICE, 2, "MESSAGE", start=11)
    turn(hall.clock)
    for number in range(5):
        hall.desk.answer(200, number)
        for _ in range(4):
            turn(hall.clock)
    assert (numbers(hall), hall.heard()) == ([11, 12, 1, 2, 3], [200] * 5)
    assert hall.is_empty()


def test_who_signs_in_does_not_overtake_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in the lanes under the name of strangers begins before what comes under the user's own."""
    monkeypatch.setattr(lanes, "AT_ONCE_S", 0.0)
    begun: list[int] = []

    def begins(flow: FlowName, key: Key, said: Request) -> None:
        begun.append(said.cseq.number)

    hall = Hall()
    intake = Intake(hall.flows, begins, begins, Settings(), hall.timers, MemoryMeter())
    queue = intake.opened(ALICE, "strangers")
    for number in range(1, 4):
        intake.admit_or_queue(queue, (str(number), "", ""), request("SUBSCRIBE", cseq=f"{number} SUBSCRIBE"))
        if number == 2:
            intake.belongs(queue, "alice")
    hall.clock.pump([0.0] * 3)
    assert begun == [1, 2, 3]


def test_room_that_a_lost_connection_had_not_taken_is_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice was given it and waits for the turn of her kind; her connection is lost, and Bob goes on."""
    monkeypatch.setattr(lanes, "AT_ONCE_S", 0.0)
    hall = Hall(pending_total=1)
    carol = FlowName("carol")
    hall.sink.opened(carol, "10.0.0.3", False)
    burst(hall, carol, 1, start=1)
    burst(hall, ALICE, 1, "SUBSCRIBE", start=2)
    burst(hall, BOB, 1, "SUBSCRIBE", start=3)
    hall.desk.answer(200, 0)
    hall.sink.closed(ALICE, "lost")
    hall.clock.pump([0.0] * 3)
    assert numbers(hall) == [1, 3]


def test_calls_of_one_connection_ring_in_the_order_in_which_they_came() -> None:
    """A third call comes when the first has room, but waits its turn by the rate."""
    hall = Hall(pending_per_user=1, requests_burst=10, requests_per_s=1)
    bob = FlowName("bob's other")
    hall.sink.opened(bob, "10.0.0.1", False)
    burst(hall, bob, 1, "INVITE", start=1)
    burst(hall, ALICE, 1, "INVITE", start=2)
    hall.desk.answer(486, 0)
    burst(hall, ALICE, 1, "INVITE", start=3)
    for number in (1, 2):
        hall.clock.advance(1.0)
        hall.desk.answer(486, number)
    assert numbers(hall) == [1, 2, 3]


def test_who_is_too_fast_to_take_the_room_holds_up_nobody() -> None:
    """It is Alice's turn, but she has begun as many as she may in a second; Bob is next."""
    hall = Hall(pending_total=1, requests_burst=10, requests_per_s=1)
    for number in range(10):
        burst(hall, ALICE, 1, start=number)
        hall.desk.answer(200)
    hall.sink.opened(FlowName("carol"), "10.0.0.3", False)
    burst(hall, FlowName("carol"), 1, start=10)
    burst(hall, ALICE, 1, start=11)
    burst(hall, BOB, 1, start=12)
    hall.desk.answer(200)
    assert numbers(hall)[10:] == [10, 12]
