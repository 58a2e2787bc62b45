"""What is wrong with the server: told once when it begins and when it ends, and shown all the while."""

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import CommandCall, Reason, Table
from lyncpy.core.conditions import EXAMINE_S, LOOK_S, WAITED_S, ConditionWatch
from lyncpy.core.timers import Timers
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter
from tests.kit.results import answer_of, result_of, started


class House:
    """Rooms that say what is wrong with them, and a machine that is examined."""

    def __init__(self, *found: Finding) -> None:
        self.clock = Clock()
        self.rooms: list[Reason] = []
        self.fault: Exception | None = None
        """With it the first room fails."""
        self.machine: list[Finding] = []
        self.examinations: list[Deferred[Sequence[Finding]]] = []
        self.meter = MemoryMeter()
        timers = Timers(self.clock, lambda: 1.7e9 + self.clock.seconds())
        rooms = [("first", self.first), ("others", lambda: self.rooms)]
        self.watch = ConditionWatch(rooms, self.examine, found, self.meter, timers)

    def first(self) -> Sequence[Reason]:
        """Have nothing to say, or fail."""
        if self.fault is not None:
            raise self.fault
        return ()

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

    def shown(self) -> Table:
        """Ask in the shell, of a machine that nothing more is wrong with."""
        (command,) = self.watch.commands()
        assert command.run == self.watch.shown
        shown = started(self.watch.shown(CommandCall({}, {})))
        self.examinations[-1].callback(self.machine)
        return answer_of(shown)

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
    # What keeps the next start from succeeding does not keep this server from its work.
    assert house.present() == [("warning", disk.sentence), ("warning", "it is dark")]
    assert len(house.watch) == 2
    gauges = house.meter.gauges
    house.rooms = [Reason("store", "it fails", good=False, grave=True)]
    house.passes(LOOK_S)
    assert (gauges["lyncpy_core_conditions_count"](), gauges["lyncpy_core_grave_conditions_count"]()) == (3, 1)
    house.rooms = []
    house.passes(LOOK_S)
    house.passes(3 * EXAMINE_S)
    (examination,) = house.examinations
    with overheard() as heard:
        examination.callback([disk, Finding(good=True, sentence="fine")])
    assert [one["finding"] for one in heard if "finding" in one] == ["it is dark"]
    assert house.present() == [("warning", disk.sentence)]
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
    assert house.shown().note == "nothing is wrong"
    house.rooms = [Reason("store", "it fails: full", good=False, remedy="make room", grave=True)]
    table = house.shown()
    assert table.rows == [("error", "store", table.rows[0][2], "it fails: full", "make room")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Reason("sip", "server1.key can be read", good=False), Reason("sip", "server2.key can be read", good=False)),
        (Reason("bus", "127.0.0.1:4222 is away", good=False), Reason("bus", "127.0.0.1:4223 is away", good=False)),
        (Reason("bus", "it is away", good=False), Reason("store", "it is away", good=False)),
        (
            Reason("directory", "it is away", good=False, key="a"),
            Reason("directory", "it is away", good=False, key="b"),
        ),
    ],
)
def test_two_things_that_are_wrong_are_two(one: Reason, other: Reason) -> None:
    """Numbers in names tell them apart, and what their room says of them."""
    house = House()
    house.rooms = [one, other]
    result_of(house.watch.open())
    assert len(house.watch) == 2


def test_what_a_room_calls_the_same_is_the_same_in_whatever_words() -> None:
    """It is shown as it is now, and told once."""
    house = House()
    house.rooms = [Reason("bus", "n1 says no", good=False, key="away")]
    result_of(house.watch.open())
    house.passes(30)
    house.rooms = [Reason("bus", "n2 is not there", good=False, key="away")]
    since = house.watch.present()[0].since
    assert house.passes(30) == []
    assert house.present() == [("warning", "n2 is not there")]
    assert house.watch.present()[0].since == since


def test_what_becomes_grave_is_told_again() -> None:
    """And nothing when it is less so."""
    house = House()
    result_of(house.watch.open())
    warned = Reason("certificate", "it ends in 0 days", good=False, key="end")
    house.rooms = [warned]
    house.passes(30)
    house.rooms = [Reason("certificate", "it ended on Monday", good=False, key="end", grave=True)]
    assert house.passes(30) == [("error", "it ended on Monday")]
    house.rooms = [warned]
    assert house.passes(30) == []


def test_a_room_that_fails_keeps_no_server_from_its_start() -> None:
    """The others are heard; the traceback is logged once."""
    house = House()
    house.rooms = [Reason("bus", "it is away", good=False)]
    house.fault = RuntimeError("a bug")
    with capturedLogs() as heard:
        result_of(house.watch.open())
        house.clock.pump([LOOK_S] * 6)
    assert len([one for one in heard if "log_failure" in one]) == 1
    cannot = "cannot be asked: internal error, see the log"
    assert house.present() == [("warning", cannot), ("warning", "it is away")]
    house.fault = StoreUnavailable("no disk")
    house.passes(LOOK_S)
    assert house.present()[0] == ("warning", "not known now: no disk")
    house.fault = None
    assert house.passes(LOOK_S) == [("info", "not known now: no disk")]


def test_an_examination_that_fails_is_told_once_and_what_was_found_is_not_over() -> None:
    """For nobody could look; the next one may."""
    disk = Finding(good=False, sentence="[store] url: room for 5 MiB: make room")
    house = House(disk)
    result_of(house.watch.open())
    with capturedLogs() as heard:
        for _ in range(3):
            house.clock.advance(EXAMINE_S)
            house.examinations[-1].errback(RuntimeError("a bug"))
    assert len([one for one in heard if "log_failure" in one]) == 1
    assert [one.concern for one in house.watch.now()] == ["store", "machine"]
    house.clock.advance(EXAMINE_S)
    house.examinations[-1].callback([])
    assert house.present() == []


def test_an_examination_that_ends_after_the_close_begins_no_look() -> None:
    """What is closed has no deadline."""
    house = House()
    result_of(house.watch.open())
    house.clock.advance(EXAMINE_S)
    result_of(house.watch.close())
    house.examinations[-1].callback([Finding(good=False, sentence="late")])
    house.rooms = [Reason("bus", "it is away", good=False)]
    assert house.passes(60) == []
    assert house.present() == []


def test_who_asks_has_this_machine_examined() -> None:
    """What was mended a moment ago is not shown as wrong for five minutes."""
    house = House(Finding(good=False, sentence="[store] key_file: others can read it"))
    result_of(house.watch.open())
    shown = started(house.watch.shown(CommandCall({}, {})))
    house.examinations[-1].callback([])
    table = answer_of(shown)
    assert (table.rows, table.note) == ([], "nothing is wrong")
    house.passes(WAITED_S * 2)
    result_of(house.watch.close())


def test_nobody_waits_for_long() -> None:
    """A disk that hangs is told by what is not known; who asks as well meanwhile waits for nothing."""
    house = House(Finding(good=False, sentence="[store] url: room for 5 MiB"))
    result_of(house.watch.open())
    shown = started(house.watch.shown(CommandCall({}, {})))
    other = result_of(house.watch.shown(CommandCall({}, {})))
    assert "ask again" in other.note
    assert not shown.called
    house.clock.advance(WAITED_S)
    assert answer_of(shown).note == other.note
    assert len(house.examinations) == 1
    house.examinations[-1].callback([])
    assert house.present() == []


def test_who_waits_is_answered_at_the_close() -> None:
    """With what is known."""
    house = House()
    result_of(house.watch.open())
    shown = started(house.watch.shown(CommandCall({}, {})))
    result_of(house.watch.close())
    assert "ask again" in answer_of(shown).note
    assert "ask again" in result_of(house.watch.shown(CommandCall({}, {}))).note


def test_an_examination_behind_one_under_way_follows_it() -> None:
    """A reload brings settings that it has not looked at."""
    house = House()
    result_of(house.watch.open())
    house.watch.examine()
    house.watch.examine()
    house.watch.examine()
    assert len(house.examinations) == 1
    house.examinations[0].callback([])
    assert len(house.examinations) == 2
    house.examinations[1].callback([])
    assert len(house.examinations) == 2
    result_of(house.watch.close())
