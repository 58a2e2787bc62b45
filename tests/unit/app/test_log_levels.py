"""An operator has the log say more while they look for something, and it is as before afterwards."""

import io

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher, textFileLogObserver

from lyncpy.app.log import quieten
from lyncpy.app.log_levels import LogCommands, LogLevels, rooms
from lyncpy.contracts.workload import CommandCall, CommandFailed, Table
from lyncpy.core.timers import Timers
from tests.kit.results import answer_of


class Desk:
    """A log, and an operator."""

    def __init__(self) -> None:
        """Begin as with `[log] level = "info"`."""
        self.clock = Clock()
        self.out = io.StringIO()
        self.levels = LogLevels("info")
        publisher = LogPublisher(textFileLogObserver(self.out))
        quieten(self.levels.predicate, publisher)
        self.im = Logger(namespace="lyncpy.workloads.im.chat", observer=publisher)
        self.core = Logger(namespace="lyncpy.core.gate", observer=publisher)
        self.commands = LogCommands(self.levels, Timers(self.clock, lambda: 1_000_000.0 + self.clock.seconds()))

    def level(self, level: str, room: str = "", **flags: str) -> Table:
        """Choose a level."""
        args = {"level": level, **({"room": room} if room else {})}
        return answer_of(self.commands.change(CommandCall(args, flags, "anna")))

    def heard(self) -> list[str]:
        """Say something of each importance in two rooms, and give what was written."""
        self.out.seek(0)
        self.out.truncate()
        for room, name in ((self.im, "im"), (self.core, "core")):
            room.debug(f"{name} debugs")
            room.info(f"{name} informs")
            room.warn(f"{name} warns")
        return [" ".join(line.split()[-2:]) for line in self.out.getvalue().splitlines()]


ALWAYS = ["im informs", "im warns", "core informs", "core warns"]


def test_one_room_tells_more_for_a_time() -> None:
    """The others do not, and after the time it is as before."""
    desk = Desk()
    table = desk.level("debug", "im", **{"for": "10m"})
    assert table.rows == [("all", "info", "[log] level", None), ("im", "debug", "anna", "1970-01-12T13:56:40Z")]
    assert desk.heard() == ["im debugs", *ALWAYS]
    assert desk.levels.states() == (("log level of im", "debug until 1970-01-12T13:56:40Z"),)
    desk.clock.advance(600)
    assert desk.heard() == ALWAYS
    assert desk.levels.states() == ()


def test_everything_tells_less_until_somebody_says_otherwise() -> None:
    """A room that was chosen by itself keeps its own level."""
    desk = Desk()
    desk.level("warn")
    desk.level("info", "im")
    assert desk.heard() == ["im informs", "im warns", "core warns"]
    assert desk.levels.states()[0] == ("log level", "warn until the next start")
    desk.level("usual")
    assert desk.heard() == ALWAYS


def test_a_later_choice_counts_and_the_time_of_the_one_before_does_not() -> None:
    """What was to end in ten minutes lasts as long as was said last."""
    desk = Desk()
    desk.level("debug", "im", **{"for": "10m"})
    desk.level("debug", "im")
    desk.clock.advance(3_600)
    assert desk.heard() == ["im debugs", *ALWAYS]


@pytest.mark.parametrize(
    ("level", "room", "span", "said"),
    [
        ("loud", "", "", "is no level"),
        ("debug", "kitchen", "", "has no part"),
        ("debug", "im", "soon", "takes a span"),
        ("debug", "im", "8d", "at most 7d"),
    ],
)
def test_what_does_not_exist_is_said(level: str, room: str, span: str, said: str) -> None:
    """And nothing changes."""
    desk = Desk()
    with pytest.raises(CommandFailed, match=said):
        desk.level(level, room, **({"for": span} if span else {}))
    assert desk.heard() == ALWAYS


def test_each_room_is_a_package_of_the_server() -> None:
    """The names that a JSON log has for them."""
    found = rooms()
    assert found["im"] == "lyncpy.workloads.im"
    assert found["wire"] == "lyncpy.wire"
    assert "workloads" not in found
