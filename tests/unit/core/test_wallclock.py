"""The wall clock may be set at any time; what is made of it all the same."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Record
from lyncpy.contracts.workload import IUnit
from lyncpy.core.timers import Timers
from lyncpy.core.wallclock import ABSENT_S, TRUST_S, ClockWatch, WallClock
from tests.kit.fakes import awaited
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

DAY_S = 86_400.0
NOON = 1_784_548_800.0


class Host:
    """A host whose clock can be set, and the time that passes on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.off = 0.0
        self.wallclock = WallClock(self.read, self.clock.seconds)

    def read(self) -> float:
        """Give what the host says."""
        return NOON + self.off + float(self.clock.seconds())


@pytest.mark.parametrize("by", [-60.0, -3600.0, 3600.0, 365 * DAY_S])
def test_only_the_wall_clock_steps(by: float) -> None:
    """What was three seconds ago on the steady clock stays three seconds ago."""
    host = Host()
    before = host.wallclock.steady()
    host.off = by
    host.clock.advance(3)
    assert host.wallclock.wall() == NOON + by + 3
    assert host.wallclock.steady() == before + 3


def test_a_clock_that_runs_on_has_not_been_set() -> None:
    """What NTP gains or loses bit by bit is no step, however much it comes to."""
    host = Host()
    for _ in range(100):
        host.clock.advance(60)
        host.off += 0.5
        assert host.wallclock.step() == 0.0
    host.off -= 30
    assert host.wallclock.step() == -30.0
    assert host.wallclock.step() == 0.0


def test_a_jump_ahead_is_not_past_before_it_has_lasted() -> None:
    """A year is not over because the clock says so; after some days it has to be believed."""
    host = Host()
    host.off = 365 * DAY_S
    assert host.wallclock.past() == NOON
    host.clock.advance(TRUST_S - 1)
    assert host.wallclock.past() == NOON + TRUST_S - 1
    host.clock.advance(2)
    assert host.wallclock.past() == host.read()


def test_a_clock_that_is_put_right_is_believed_again_at_once() -> None:
    """A wrong time that comes and goes is never believed, also not by adding up."""
    host = Host()
    for _ in range(10):
        host.off = 365 * DAY_S
        host.wallclock.past()
        host.clock.advance(TRUST_S / 2)
        host.off = 0.0
        assert host.wallclock.past() == host.read()


def test_a_clock_that_is_set_back_is_past() -> None:
    """Nothing is deleted too early by a time that is too early."""
    host = Host()
    host.off = -DAY_S
    assert host.wallclock.past() == host.read()


def timers_of(host: Host) -> Timers:
    """Give deadlines on a host."""
    return Timers(host.clock, host.read)


def test_a_step_is_told_soon_and_logged() -> None:
    """Whoever has to do something about it hears by how much; the log says it once."""
    host = Host()
    timers = timers_of(host)
    told: list[float] = []
    timers.on_step(told.append)
    timers.later(1, lambda: None)
    timers.later(2, lambda: None)
    host.off = -3600.0
    with capturedLogs() as events:
        host.clock.pump([1, 1])
    assert told == [-3600.0]
    assert [(event["way"], event["seconds"]) for event in events] == [("back", 3600.0)]


def watch_of(host: Host, store: MemoryStore) -> tuple[ClockWatch, Timers]:
    """Start a server on a host, which remembers in a store."""
    timers = timers_of(host)
    watch = ClockWatch(store, timers, timers.clock)
    assert verifyObject(IUnit, watch)
    result_of(watch.open())
    return watch, timers


def test_a_server_that_starts_in_a_far_future_deletes_nothing_at_first() -> None:
    """Its own note of when it ran last is what it compares with; the operator is told."""
    host, store = Host(), MemoryStore(lambda: 0.0)
    first, _ = watch_of(host, store)
    result_of(first.close())
    host.off = ABSENT_S + DAY_S
    with capturedLogs() as events:
        second, timers = watch_of(host, store)
    assert timers.past() == NOON
    assert [event["days"] for event in events] == [8]
    result_of(second.close())
    # Nor does it believe its own start in the wrong time when it starts again.
    _, timers = watch_of(host, store)
    assert timers.past() == NOON


def test_a_weekend_off_is_nothing_strange() -> None:
    """A server that was off for some days believes its host."""
    host, store = Host(), MemoryStore(lambda: 0.0)
    first, _ = watch_of(host, store)
    result_of(first.close())
    host.off = 3 * DAY_S
    with capturedLogs() as events:
        _, timers = watch_of(host, store)
    assert timers.past() == host.read()
    assert not events


def test_the_time_is_noted_while_the_server_runs() -> None:
    """A server that is killed has noted the hour."""
    host, store = Host(), MemoryStore(lambda: 0.0)
    watch_of(host, store)
    for _ in range(130):
        host.clock.advance(60)
    record: Record | None = result_of(awaited(store.read("clock", "seen")))
    assert record is not None
    assert host.read() - float(record.value) < 3700


def test_a_note_that_cannot_be_read_is_told() -> None:
    """It is somebody's hand; the host is believed then."""
    host, store = Host(), MemoryStore(lambda: 0.0)
    result_of(awaited(store.write("clock", "seen", b"yesterday", Version(0))))
    with capturedLogs() as events:
        watch, timers = watch_of(host, store)
    assert len(events) == 1
    assert timers.past() == host.read()
    result_of(watch.close())
