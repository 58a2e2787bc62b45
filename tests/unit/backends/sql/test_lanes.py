"""Jobs done by a thread, many at a trip."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import capturedLogs

from lyncpy.backends.sql import lanes
from lyncpy.backends.sql.lanes import Job, Lane
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.meters import MemoryMeter
from tests.kit.threads import ThreadPump

NOTHING = cast(Connection, None)


class Desk:
    """A lane whose trips are written down and may be made to fail."""

    def __init__(self, waiting_max: int = 100) -> None:
        self.pump = ThreadPump()
        self.meter = MemoryMeter()
        self.trips: list[int] = []
        self.fault: Callable[[Sequence[Job[Any]]], Exception | None] = lambda jobs: None
        self.lane = Lane("write", self.trip, waiting_max, self.meter, self.pump)
        self.lane.open()

    def trip(self, jobs: Sequence[Job[Any]]) -> list[Any]:
        """Do jobs as a database does."""
        self.trips.append(len(jobs))
        error = self.fault(jobs)
        if error is not None:
            raise error
        return [job(NOTHING) for job in jobs]

    def do(self, *results: object) -> list[Deferred[object]]:
        """Queue jobs that give these results."""
        return [self.lane.do(lambda _, result=result: result) for result in results]  # type: ignore[misc]


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An open lane."""
    desk = Desk()
    yield desk
    desk.pump.run(desk.lane.close())


def test_what_queues_during_a_trip_shares_the_next_one(desk: Desk) -> None:
    """Ten jobs at once take two trips: the first goes alone, at once."""
    assert desk.pump.run(gatherResults(desk.do(*range(10)))) == list(range(10))
    assert desk.trips == [1, 9]
    assert desk.meter.count("lyncpy_store_write_trips") == 2


def test_a_trip_has_its_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More jobs than a trip takes wait for the one after."""
    monkeypatch.setattr(lanes, "GROUP", 4)
    desk.pump.run(gatherResults(desk.do(*range(10))))
    assert desk.trips == [1, 4, 4, 1]


def test_one_job_at_fault_spoils_no_other(desk: Desk) -> None:
    """A trip that fails for a job's fault is done again job by job, in order; only that one fails."""
    order: list[int] = []
    desk.fault = lambda jobs: IntegrityError("", {}, Exception()) if bad in jobs else None

    def bad(_: Connection) -> None:
        raise AssertionError

    first = desk.lane.do(lambda _: order.append(0))
    group = [desk.lane.do(lambda _: order.append(1)), desk.lane.do(bad), desk.lane.do(lambda _: order.append(2))]
    last = group[0].addCallback(lambda _: desk.lane.do(lambda _: order.append(3)))
    desk.pump.run(gatherResults([first, group[2], last]))
    with pytest.raises(IntegrityError):
        desk.pump.run(group[1])
    assert order == [0, 1, 2, 3]


def test_a_failing_world_fails_every_job_of_the_trip(desk: Desk) -> None:
    """A full disk: each caller hears StoreUnavailable, the log hears of it once, and of its end."""
    desk.fault = lambda jobs: OperationalError("insert …", {"secret": "x"}, Exception("disk is full"))
    with capturedLogs() as events:
        for call in [*desk.do(1, 2), *desk.do(3)]:
            with pytest.raises(StoreUnavailable, match="disk is full"):
                desk.pump.run(call)
        desk.fault = lambda jobs: None
        assert desk.pump.run(desk.do(4)[0]) == 4
    assert [event["log_level"].name for event in events] == ["error", "info"]
    assert str(events[0]["cause"]) == "disk is full"
    assert desk.meter.count("lyncpy_store_write_failures") == 2


def test_a_bug_of_one_job_is_its_callers(desk: Desk) -> None:
    """A job that raises gives its error to who asked."""
    with pytest.raises(ZeroDivisionError):
        desk.pump.run(desk.lane.do(lambda _: 1 // 0))


def test_too_many_that_wait_are_refused() -> None:
    """The queue is bounded; who comes too late hears it at once, the others are served."""
    desk = Desk(waiting_max=2)
    calls = desk.do(*range(4))
    with pytest.raises(StoreUnavailable, match="too many"):
        desk.pump.run(calls[3])
    assert desk.meter.gauges["lyncpy_store_write_waiting"]() == 2
    assert desk.pump.run(gatherResults(calls[:3])) == [0, 1, 2]
    desk.pump.run(desk.lane.close())


def test_closing_does_what_waits() -> None:
    """What was asked before is done; what is asked after is refused."""
    desk = Desk()
    calls = desk.do(*range(5))
    closing = desk.lane.close()
    desk.pump.run(closing)
    assert [call.result for call in calls] == list(range(5))
    with pytest.raises(StoreUnavailable, match="closed"):
        desk.pump.run(desk.do(1)[0])
    desk.pump.run(desk.lane.close())


def test_a_caller_that_is_cancelled_disturbs_nobody(desk: Desk) -> None:
    """Its job may be done or not; the others are."""
    calls = desk.do(*range(3))
    calls[1].cancel()
    with pytest.raises(CancelledError):
        desk.pump.run(calls[1])
    assert desk.pump.run(calls[2]) == 2
