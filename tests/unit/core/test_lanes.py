"""People who talk come first; what else is asked has its share of the time, and each user a fair part of that."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import FlowName
from lyncpy.core.lanes import AT_ONCE_S, Lane, Lanes, lane_of
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
from tests.kit.meters import MemoryMeter
from tests.kit.turns import turn
from tests.unit.core.test_transactions import ALICE, BOB, Hall, request


class House:
    """Lanes in which each request takes a millisecond."""

    def __init__(self, each_s: float = 0.001) -> None:
        """Begin with nothing."""
        self.clock = Clock()
        self.meter = MemoryMeter()
        self.begun: list[str] = []
        self.each_s = each_s
        self.lanes: Lanes[str] = Lanes(self.begin, Timers(self.clock, lambda: 0.0), self.meter)

    def begin(self, item: str) -> None:
        """Begin a request."""
        self.clock.rightNow += self.each_s
        assert item != "!", "a fault"
        self.begun.append(item)

    def puts(self, lane: Lane, owner: str, *items: str) -> None:
        """Have requests wait."""
        for item in items:
            self.lanes.put(lane, owner, item)

    def turn(self) -> str:
        """Have one turn of the reactor pass; give what began in it."""
        before = len(self.begun)
        turn(self.clock)
        return "".join(self.begun[before:])


def test_each_turn_does_some_milliseconds_of_what_waits_presence_first() -> None:
    """Sign-ins have a part that presence cannot take, and all of it when there is no presence."""
    house = House()
    house.puts(Lane.LISTS, "alice", *"abcdefgh")
    house.puts(Lane.PRESENCE, "alice", *"ABCDEF")
    assert [house.turn() for _ in range(6)] == ["ABa", "CDb", "EFc", "def", "gh", ""]
    assert len(house.lanes) == 0


def test_presence_has_what_sign_ins_leave() -> None:
    """When none waits any more."""
    house = House()
    house.puts(Lane.LISTS, "alice", "a")
    house.puts(Lane.PRESENCE, "alice", *"ABCDEF")
    assert [house.turn() for _ in range(4)] == ["ABa", "CDE", "F", ""]


def test_one_of_each_lane_begins_however_long_it_takes() -> None:
    """A lane is never starved."""
    house = House(each_s=0.05)
    house.puts(Lane.LISTS, "alice", *"ab")
    house.puts(Lane.PRESENCE, "alice", *"ABC")
    assert [house.turn() for _ in range(4)] == ["Aa", "Bb", "C", ""]


def test_whoever_asks_for_much_waits_behind_themselves() -> None:
    """The users of a lane take turns."""
    house = House()
    house.puts(Lane.LISTS, "alice", *"aaaaaaaa")
    house.puts(Lane.LISTS, "bob", *"bb")
    house.puts(Lane.LISTS, "carol", "c")
    assert "".join(house.turn() for _ in range(4)) == "abcabaaaaaa"


def test_what_comes_begins_at_once_while_it_takes_a_part_of_the_time() -> None:
    """Beyond half of ten milliseconds it waits for its turn; and behind what waits already."""
    house = House()
    begun = 0
    while (since := house.lanes.begin_at_once()) is not None:
        house.begin("x")
        house.lanes.begun_at_once(since)
        begun += 1
    assert begun == round(AT_ONCE_S / 0.001)
    house.puts(Lane.LISTS, "alice", "a")
    house.clock.rightNow += 1.0
    assert house.lanes.begin_at_once() is None
    assert house.turn() == "a"
    assert house.lanes.begin_at_once() is not None


def test_a_fault_in_one_does_not_stop_the_others() -> None:
    """The rest begins in the next turn."""
    house = House()
    house.puts(Lane.LISTS, "alice", "!", "b")
    with capturedLogs() as logged:
        house.turn()
    assert [event["log_level"].name for event in logged] == ["critical"]
    assert house.turn() == "b"


def test_delays_are_shown() -> None:
    """As meters, and to whoever looks at the status of the server: those of the last minute, and of who waits now."""
    house = House()
    house.puts(Lane.LISTS, "alice", *"ab")
    house.clock.rightNow += 0.3
    assert house.meter.gauges["lyncpy_core_sign_in_lane_waiting_count"]() == 2
    assert house.meter.gauges["lyncpy_core_sign_in_lane_delay_seconds"]() == pytest.approx(0.3)
    house.turn()
    house.clock.advance(5.0)
    assert house.meter.gauges["lyncpy_core_sign_in_lane_delay_seconds"]() == pytest.approx(0.301, abs=0.002)
    assert house.meter.gauges["lyncpy_core_presence_lane_delay_seconds"]() == 0.0
    assert house.meter.gauges["lyncpy_core_loop_delay_seconds"]() == pytest.approx(0.3)
    assert house.lanes.states() == [
        ("longest delay of messages and calls, ms", 300),
        ("presence waiting", 0),
        ("longest delay of presence, ms", 0),
        ("sign-ins and lists waiting", 0),
        ("longest delay of sign-ins and lists, ms", 301),
    ]
    assert list(Hall().sink.states()) == [(name, 0) for name, _ in house.lanes.states()]


@pytest.mark.parametrize(
    ("method", "content_type", "lane"),
    [
        ("SERVICE", "application/msrtc-category-publish+xml", Lane.PRESENCE),
        ("SERVICE", "application/SOAP+xml", Lane.LISTS),
        ("PUBLISH", "", Lane.PRESENCE),
        ("REGISTER", "", Lane.LISTS),
        ("SUBSCRIBE", "application/msrtc-adrl-categorylist+xml", Lane.LISTS),
        ("INVENTED", "", Lane.LISTS),
    ],
)
def test_what_a_request_is_about(method: str, content_type: str, lane: Lane) -> None:
    """Is known by its method and its body."""
    lines = [("Content-Type", content_type)] if content_type else []
    assert lane_of(Request(method, "sip:example.com", Headers(lines))) is lane


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    """A server in which everything takes two and a half milliseconds: two may begin at once, then two in each turn."""
    hall = Hall()
    serve = hall.desk.serve

    async def slowly(arrival: Arrival) -> Response | None:
        hall.clock.rightNow += 0.0025
        return await serve(arrival)

    monkeypatch.setattr(hall.desk, "serve", slowly)
    return hall


def _asks(hall: Hall, flow: FlowName, *calls: str, method: str = "SUBSCRIBE") -> None:
    for call in calls:
        hall.takes(flow, request(method, call_id=call, via=f"SIP/2.0/tls 10.0.0.1;branch=z9hG4bK{call}"))


def _begun(hall: Hall) -> str:
    return "".join(arrival.request.call_id for arrival in hall.desk.arrivals)


def test_a_message_waits_for_nobody(hall: Hall) -> None:
    """However much else is asked, on this connection or on others; and the rest is begun turn by turn."""
    _asks(hall, BOB, *"abcd")
    _asks(hall, ALICE, *"xy")
    _asks(hall, ALICE, "1", method="MESSAGE")
    _asks(hall, BOB, "2", method="INVITE")
    assert _begun(hall) == "ab12"
    turn(hall.clock)
    turn(hall.clock)
    assert _begun(hall) == "ab12cxdy", "the two take turns"
    turn(hall.clock)
    assert hall.meter.count("lyncpy_core_requests_delayed_total") == 4
    assert hall.meter.gauges["lyncpy_core_requests_waiting_bytes"]() == 0


def test_one_that_comes_again_while_it_waits_for_its_lane_is_one(hall: Hall) -> None:
    """A repetition neither begins nor waits itself."""
    _asks(hall, ALICE, *"abcc")
    _asks(hall, ALICE, "c")
    hall.clock.advance(0.1)
    assert _begun(hall) == "abc"


def test_what_waits_in_a_lane_ends_with_its_connection(hall: Hall) -> None:
    """Nothing of it begins afterwards; the others' begins."""
    _asks(hall, ALICE, *"abc")
    _asks(hall, BOB, "x")
    hall.sink.closed(ALICE, "gone")
    assert hall.meter.gauges["lyncpy_core_requests_waiting_bytes"]() > 0
    hall.clock.advance(0.1)
    assert _begun(hall) == "abx"
    assert hall.meter.gauges["lyncpy_core_requests_waiting_bytes"]() == 0


def test_what_waits_in_a_lane_is_refused_at_the_end(hall: Hall) -> None:
    """As all else that waits."""
    _asks(hall, ALICE, *"abc")
    hall.sink.drain(lambda: None)
    assert hall.heard() == [503]
    hall.clock.advance(0.1)
    assert _begun(hall) == "ab"


def test_who_has_too_much_in_a_lane_is_not_read_from(hall: Hall) -> None:
    """Until half of it has begun."""
    _asks(hall, ALICE, *(f"call{number}-" for number in range(300)))
    assert hall.flows.held == {ALICE}
    for _ in range(400):
        turn(hall.clock)
    assert hall.flows.held == set()
    assert len(hall.desk.arrivals) == 256, "as many as may be under way"
    for number in range(300):
        hall.desk.answer(200, number)
        turn(hall.clock)
    hall.clock.advance(0.1)
    assert len(hall.desk.arrivals) == 300
