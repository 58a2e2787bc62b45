"""Reloading by signal: once for all signals of a moment."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.app import tap
from lyncpy.app.config import check
from lyncpy.app.service_manager import ServiceManager
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.timers import Timers
from tests.kit.results import result_of


class Pulls:
    """A directory that is pulled when a test says so."""

    def __init__(self) -> None:
        self.under_way: list[Deferred[None]] = []

    async def pull(self, *, full: bool) -> None:
        """Wait for the test."""
        self.under_way.append(Deferred())
        await self.under_way[-1]


class House:
    """What a reload touches, a clock, and how often the configuration was read."""

    def __init__(self, monkeypatch: Any) -> None:  # Any: pytest's own
        self.clock = Clock()
        self.pulls = Pulls()
        self.reads = 0
        self.found: list[Finding] = []
        """What is wrong on this machine."""
        self.far: list[Finding] = []
        """What is wrong elsewhere."""
        self.looks = {"here": 0, "elsewhere": 0}
        self.held: dict[str, Deferred[None]] = {}
        """What does not answer until a test says so."""
        self.applied = 0
        self.looked_at: list[object] = []
        """By which settings this machine is examined from then on."""
        config = check(Path("/nowhere/lyncpy.toml"), {"sip": {"domain": "example.com"}})
        monkeypatch.setattr(tap, "load", lambda file, overrides: self.read(config))
        self.reloader = tap.Reloader(
            config,
            [],
            lambda fresh: self.look("here", self.found),
            lambda fresh: self.look("elsewhere", self.far),
            ServiceManager({}),
        )
        timers = Timers(self.clock, lambda: 0.0)
        tables = SimpleNamespace(policies=SimpleNamespace(adopt=lambda policies: False))
        inside = SimpleNamespace(
            ground=SimpleNamespace(timers=timers, tables=tables),
            workloads=SimpleNamespace(
                directory=SimpleNamespace(pulls=self.pulls), voice=SimpleNamespace(adopt=lambda settings: False)
            ),
        )
        built: Any = SimpleNamespace(  # Any: a house that has only what is asked here
            inside=inside, listener=SimpleNamespace(reload=self.apply), look_at=self.looked_at.append
        )
        self.reloader.built = built

    async def look(self, where: str, found: list[Finding]) -> list[Finding]:
        """Give what is bad, when nothing is held."""
        self.looks[where] += 1
        if where in self.held:
            await self.held[where]
        return [one for one in found if not one.good]

    def apply(self) -> tuple[str, ...]:
        """Count."""
        self.applied += 1
        return ()

    def read(self, config: object) -> object:
        """Count."""
        self.reads += 1
        return config


def test_two_hundred_signals_are_two_reloads_and_two_pulls(monkeypatch: Any) -> None:  # Any: pytest's own
    """The first counts at once, all others together some seconds later; no pull waits behind one that waits."""
    house = House(monkeypatch)
    for _ in range(200):
        house.reloader.on_signal()
        house.clock.advance(0.005)
    house.clock.pump([0.5] * 20)
    assert house.reads == len(house.looked_at) == 2
    assert len(house.pulls.under_way) == 1
    house.pulls.under_way[0].callback(None)
    house.clock.advance(0)
    assert len(house.pulls.under_way) == 2
    house.pulls.under_way[1].callback(None)
    house.clock.advance(60)
    assert (house.reads, len(house.pulls.under_way)) == (2, 2)


def test_a_later_signal_counts_again(monkeypatch: Any) -> None:  # Any: pytest's own
    """Who sends one after the other waits for each."""
    house = House(monkeypatch)
    for number in (1, 2, 3):
        house.reloader.on_signal()
        house.clock.advance(10)
        assert house.reads == number
        house.pulls.under_way[-1].callback(None)


def test_what_is_wrong_is_told_and_what_stops_a_start_is_refused(monkeypatch: Any) -> None:  # Any: pytest's own
    """All of it at once, by the sentences of `lyncpy check`; nothing of it is applied then."""
    house = House(monkeypatch)
    house.found = [Finding(good=True, sentence="fine"), Finding(good=False, sentence="the disk is full")]
    assert result_of(house.reloader.on_command())[-1] == "look at this: the disk is full"
    assert len(house.pulls.under_way) == 1
    house.found = [Finding(good=False, sentence=one, stops=True) for one in ("no key", "no certificate")]
    with pytest.raises(CommandFailed, match="nothing was changed: no key\nno certificate"):
        result_of(house.reloader.on_command())
    assert len(house.pulls.under_way) == 1


def test_a_silent_machine_elsewhere_keeps_no_certificate_from_being_taken_up(monkeypatch: Any) -> None:  # Any: as above
    """Each signal counts, and of those who ask that machine one waits at most."""
    house = House(monkeypatch)
    house.far = [Finding(good=False, sentence="it is away", stops=True)]
    house.held["elsewhere"] = Deferred()
    with capturedLogs() as heard:
        for number in range(1, 6):
            house.reloader.on_signal()
            house.clock.advance(10)
            assert house.applied == number
        assert house.looks == {"here": 5, "elsewhere": 1}
        house.held.pop("elsewhere").callback(None)
    assert house.looks == {"here": 5, "elsewhere": 2}
    said = [one["sentence"] for one in heard if "sentence" in one]
    assert said.count("look at this: it is away") == 2
    assert len([one for one in said if one.startswith("other machines are not asked")]) == 3


def test_behind_a_slow_reload_one_waits(monkeypatch: Any) -> None:  # Any: as above
    """It has read nothing yet, and reads what all want to be read."""
    house = House(monkeypatch)
    held = house.held["here"] = Deferred()
    for _ in range(5):
        house.reloader.on_signal()
        house.clock.advance(10)
    assert (house.reads, house.applied) == (1, 0)
    assert result_of(house.reloader.on_command()) == ["a reload that waits reads it as well"]
    del house.held["here"]
    held.callback(None)
    assert (house.reads, house.applied) == (2, 2)
