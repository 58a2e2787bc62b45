"""The house: opened in order, closed in reverse, and never half open."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, capturedLogs
from zope.interface import implementer

from lyncpy.contracts.workload import IUnit, Unfinished
from lyncpy.core.unit import HouseService, UnitFailed, UnitGroup
from tests.kit.results import result_of, started


@implementer(IUnit)
class Room:
    """A unit that writes down what happens to it."""

    def __init__(self, name: str, diary: list[str], opens: Deferred[None], closes: Deferred[None]) -> None:
        self.name = name
        self._diary = diary
        self._opens = opens
        self._closes = closes

    async def open(self) -> None:
        """Be ready when told."""
        self._diary.append(f"opening {self.name}")
        await self._opens
        self._diary.append(f"opened {self.name}")

    def close(self) -> Awaitable[None]:
        """Be gone when told."""
        self._diary.append(f"closing {self.name}")
        return self._closes


class Broken(Exception):
    """Something an operator can act on."""


Build = Callable[..., UnitGroup]


@pytest.fixture
def diary() -> list[str]:
    """What happened, in order."""
    return []


@pytest.fixture
def clock() -> Clock:
    """Time that a test moves."""
    return Clock()


@pytest.fixture
def build(diary: list[str], clock: Clock) -> Build:
    """Build a house of rooms; `opens` and `closes` say when or how, by name."""

    def build(*names: str, opens: dict[str, Deferred[None]] = {}, closes: dict[str, Deferred[None]] = {}) -> UnitGroup:  # noqa: B006 - never changed
        rooms = [Room(name, diary, opens.get(name, succeed(None)), closes.get(name, succeed(None))) for name in names]
        return UnitGroup(rooms, clock, close_timeout_s=5)

    return build


@pytest.fixture
def events() -> Iterator[Sequence[LogEvent]]:
    """What is logged while the test runs."""
    with capturedLogs() as found:
        yield found


def test_opens_in_order_and_closes_in_reverse(build: Build, diary: list[str]) -> None:
    """What a unit relies on is there before it and outlives it."""
    house = build("store", "hall")
    result_of(house.open())
    result_of(house.close())
    assert diary == ["opening store", "opened store", "opening hall", "opened hall", "closing hall", "closing store"]


def test_waits_for_each_unit(build: Build, diary: list[str]) -> None:
    """The hall is not opened before the store is ready."""
    ready: Deferred[None] = Deferred()
    opening = started(build("store", "hall", opens={"store": ready}).open())
    assert diary == ["opening store"]
    ready.callback(None)
    assert opening.called
    assert diary[-1] == "opened hall"


def test_a_failure_closes_what_is_open_and_names_the_unit(build: Build, diary: list[str]) -> None:
    """When the directory cannot be opened nothing stays open, and the operator reads why."""
    broken: Deferred[None] = Deferred()
    broken.errback(Broken("no such host"))
    house = build("store", "directory", "wire", opens={"directory": broken})
    with pytest.raises(UnitFailed, match=r"^directory: no such host$") as caught:
        result_of(house.open())
    assert isinstance(caught.value.__cause__, Broken)
    assert diary == ["opening store", "opened store", "opening directory", "closing directory", "closing store"]


def test_a_unit_that_fails_to_close_does_not_keep_the_others(
    build: Build, diary: list[str], events: Sequence[LogEvent]
) -> None:
    """A failing close is logged with its unit; all others are closed."""
    broken: Deferred[None] = Deferred()
    broken.errback(Broken("stuck"))
    house = build("store", "hall", closes={"hall": broken})
    result_of(house.open())
    result_of(house.close())
    assert diary[-2:] == ["closing hall", "closing store"]
    [event] = [event for event in events if event["log_level"] is LogLevel.critical]
    assert (event["unit"], event["log_failure"].type) == ("hall", Broken)


def test_a_unit_that_does_not_close_is_left_behind(build: Build, diary: list[str], clock: Clock) -> None:
    """Stopping the server takes a bounded time, whatever hangs."""
    house = build("store", "hall", closes={"hall": Deferred()})
    result_of(house.open())
    closing = started(house.close())
    assert not closing.called
    clock.advance(5)
    assert closing.called
    assert diary[-1] == "closing store"


def test_closing_twice_closes_once(build: Build, diary: list[str]) -> None:
    """A house that is closed has nothing left to close."""
    house = build("store")
    result_of(house.open())
    result_of(house.close())
    result_of(house.close())
    assert diary.count("closing store") == 1


def _service(
    house: UnitGroup, end: Callable[[int], None] = lambda _: None, told: list[str] | None = None
) -> HouseService:
    """A service of this house; `told` has what it said of itself."""
    words = [] if told is None else told
    return HouseService(
        house,
        end,
        on_start=lambda: words.append("begins"),
        on_ready=lambda: words.append("ready"),
        on_failed=lambda reason: words.append(f"failed: {reason}"),
    )


def test_the_service_says_when_it_is_ready(build: Build) -> None:
    """That it begins is told before anything is open; readiness once, after the last unit is."""
    ready: Deferred[None] = Deferred()
    told: list[str] = []
    house = build("wire", opens={"wire": ready})
    service = _service(house, told=told)
    service.startService()
    assert told == ["begins"]
    ready.callback(None)
    assert told == ["begins", "ready"]


def test_the_service_ends_the_process_when_a_unit_fails(build: Build, events: Sequence[LogEvent]) -> None:
    """A server that cannot start says why in one sentence and ends with status 1."""
    broken: Deferred[None] = Deferred()
    broken.errback(Broken("port 5061 is taken"))
    statuses: list[int] = []
    told: list[str] = []
    service = _service(build("wire", opens={"wire": broken}), statuses.append, told)
    service.startService()
    assert (statuses, told) == ([1], ["begins", "failed: wire: port 5061 is taken"])
    [event] = [event for event in events if event["log_level"] is LogLevel.critical]
    assert event["log_format"].format(**event) == "lyncpy cannot start: wire: port 5061 is taken"
    assert "log_failure" not in event
    result_of(_wait(service.stopService()))


def test_the_service_ends_with_1_when_something_was_left_undone(build: Build, events: Sequence[LogEvent]) -> None:
    """Who supervises the process learns that its end was not in order; the log says what is lost, without a traceback."""
    lost: Deferred[None] = Deferred()
    lost.errback(Unfinished("3 call records are not written"))
    statuses: list[int] = []
    service = _service(build("wire", "records", closes={"records": lost}), statuses.append)
    service.startService()
    result_of(_wait(service.stopService()))
    assert statuses == [1]
    [event] = [event for event in events if event["log_level"] is LogLevel.error]
    assert "3 call records are not written" in event["log_format"].format(**event)
    assert "log_failure" not in event


def test_stopping_the_service_waits_for_the_house(build: Build, diary: list[str]) -> None:
    """The process does not end before everything is closed."""
    gone: Deferred[None] = Deferred()
    service = _service(build("wire", closes={"wire": gone}))
    service.startService()
    stopping = service.stopService()
    assert diary[-1] == "closing wire"
    assert not stopping.called
    gone.callback(None)
    assert stopping.called


def test_stopping_while_opening_gives_up_and_closes(build: Build, diary: list[str], events: Sequence[LogEvent]) -> None:
    """Ctrl-C during a slow start closes what was open and complains about nothing."""
    statuses: list[int] = []
    service = _service(build("store", "directory", opens={"directory": Deferred()}), statuses.append)
    service.startService()
    stopping = service.stopService()
    assert stopping.called
    assert diary[-2:] == ["closing directory", "closing store"]
    assert statuses == []
    assert not [event for event in events if event["log_level"] is LogLevel.critical]


def test_a_failed_start_ends_a_real_process_with_status_1() -> None:
    """Whoever supervises the server learns from its exit status that it could not start."""
    program = (
        "import sys; from twisted.internet import reactor; from lyncpy.core.unit import ender;"
        "print('last words'); ender(reactor)(1); reactor.run()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (1, "last words\n")


async def _wait(awaitable: Awaitable[None]) -> None:
    await awaitable
