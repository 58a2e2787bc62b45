"""What is wrong with the server: told once when it begins and when it ends, and shown all the while."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.finding import Finding
from lyncpy.contracts.workload import CommandCall, Reason
from lyncpy.core.conditions import EXAMINE_S, LOOK_S, ConditionWatch
from lyncpy.core.timers import Timers
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter
from tests.kit.results import answer_of, result_of


class House:
    """Rooms that say what is wrong with them, and a machine that is examined."""

    def __init__(self, *found: Finding) -> None:
        self.clock = Clock()
        self.rooms: list[Reason] = []
        self.machine: list[Finding] = []
        self.examinations: list[Deferred[Sequence[Finding]]] = []
        self.meter = MemoryMeter()
        timers = Timers(self.clock, lambda: 1.7e9 + self.clock.seconds())
        self.watch = ConditionWatch(lambda: self.rooms, self.examine, found, self.meter, timers)

    async def examine(self) -> Sequence[Finding]:
        """Wait for the test."""
        self.examinations.append(Deferred())
        return await self.examinations[-1]

    def passes(self, seconds: float) -> list[tuple[str, str]]:
        """Let time pass; give what is logged: how grave, and what."""
        with overheard() as heard:
            self.clock.pump([LOOK_S] * int(seconds / LOOK_S))
        return [
            (one["log_level"].name, str(one.get("sentence") or one.get("finding")))
            for one in heard
            if one["log_namespace"].endswith("ConditionWatch")
        ]

    def present(self) -> list[tuple[str, str]]:
        """Give what is wrong."""
        return [(one.severity, one.sentence) for one in self.watch.present()]


def test_what_begins_and_what_ends_is_told_once() -> None:
    """Its numbers may change meanwhile."""
    house = House()
    result_of(house.watch.open())
    assert house.passes(60) == []
    house.rooms = [Reason("bus", "no server takes this one: try 1", good=False, remedy="see [bus] url")]
    assert house.passes(30) == [("warn", "no server takes this one: try 1; see [bus] url")]
    house.rooms = [Reason("bus", "no server takes this one: try 2", good=False, remedy="see [bus] url")]
    assert house.passes(30) == []
    assert house.present() == [("warning", "no server takes this one: try 2; see [bus] url")]
    house.rooms = []
    assert house.passes(30) == [("info", "no server takes this one: try 2")]
    assert house.present() == []
    result_of(house.watch.close())
    house.rooms = [Reason("bus", "again", good=False)]
    assert house.passes(60) == []


def test_what_was_wrong_at_the_start_is_told_then() -> None:
    """And is examined again, one examination at a time."""
    disk = Finding(good=False, sentence="[store] url: room for 5 MiB: make room")
    house = House(disk, Finding(good=False, sentence="it is dark", stops=True))
    with overheard() as heard:
        result_of(house.watch.open())
    assert [one["concern"] for one in heard if "concern" in one] == ["store", "server"]
    assert house.present() == [("error", "it is dark"), ("warning", disk.sentence)]
    assert len(house.watch) == 2
    gauges = house.meter.gauges
    assert (gauges["lyncpy_core_conditions_count"](), gauges["lyncpy_core_grave_conditions_count"]()) == (2, 1)
    house.passes(3 * EXAMINE_S)
    (examination,) = house.examinations
    with overheard() as heard:
        examination.callback([disk, Finding(good=True, sentence="fine")])
    assert [one["finding"] for one in heard if "finding" in one] == ["it is dark"]
    assert [one.finding for one in house.watch.examined()] == [disk.sentence]
    house.passes(EXAMINE_S)
    assert len(house.examinations) == 2


def test_what_a_room_says_counts_before_an_examination_of_the_same() -> None:
    """It has the remedy apart."""
    house = House(Finding(good=False, sentence="[sip] certificate ends in 4 days"))
    house.rooms = [Reason("certificate", "[sip] certificate ends in 4 days", good=False, remedy="renew it")]
    result_of(house.watch.open())
    assert house.present() == [("warning", "[sip] certificate ends in 4 days; renew it")]


def test_the_shell_shows_them() -> None:
    """As they are now, not as they were at the last look."""
    house = House()
    (command,) = house.watch.commands()
    assert answer_of(command.run(CommandCall({}, {}))).note == "nothing is wrong"
    house.rooms = [Reason("store", "it fails: full", good=False, remedy="make room", grave=True)]
    table = answer_of(command.run(CommandCall({}, {})))
    assert table.rows == [("error", "store", table.rows[0][2], "it fails: full", "make room")]
