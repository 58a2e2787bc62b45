"""Reloading by signal: once for all signals of a moment."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.app import tap
from lyncpy.app.config import check
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.timers import Timers
from tests.kit.directory import Inline
from tests.kit.results import result_of


class Pulls:
    """A directory that is pulled when a test says so."""

    def __init__(self) -> None:
        self.under_way: list[Deferred[None]] = []

    async def pull(self) -> None:
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
        """What is wrong with what was read."""
        config = check(Path("/nowhere/lyncpy.toml"), {"sip": {"domain": "example.com"}})
        monkeypatch.setattr(tap, "load", lambda file, overrides: self.read(config))
        self.reloader = tap.Reloader(config, [], Inline(), lambda fresh: self.found)
        timers = Timers(self.clock, lambda: 0.0)
        tables = SimpleNamespace(policies=SimpleNamespace(adopt=lambda policies: False))
        inside = SimpleNamespace(
            ground=SimpleNamespace(timers=timers, tables=tables),
            workloads=SimpleNamespace(directory=SimpleNamespace(pulls=self.pulls)),
        )
        built: Any = SimpleNamespace(  # Any: a house that has only what is asked here
            inside=inside, listener=SimpleNamespace(reload=lambda: ())
        )
        self.reloader.built = built

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
    assert house.reads == 2
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
