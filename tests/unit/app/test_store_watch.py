"""A database that grows, and a backup that is forgotten, are told."""

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from lyncpy.app.store_watch import KIND, LAST, LOOK_S, StoreWatch, note_backup
from lyncpy.backends.settings import Settings
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.timers import Timers
from tests.kit.fakes import awaited
from tests.kit.memory import MemoryStore
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of

WALL = 1_790_000_000.0
DAY_S = 86_400.0


class House:
    """A watch over a database of any size."""

    def __init__(self, **settings: int) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: WALL + self.clock.seconds())
        self.store = MemoryStore(self.timers.steady)
        self.size, self.is_away = 1 << 20, False
        self.start(**settings)

    def start(self, **settings: int) -> None:
        """Start a server."""
        self.watch = StoreWatch(self.measure, self.store, Settings.model_validate(settings), MemoryMeter(), self.timers)
        result_of(self.watch.open())

    async def measure(self) -> int:
        """Give the size, or fail."""
        if self.is_away:
            raise StoreUnavailable("it is away")
        return self.size

    def said(self) -> list[str]:
        """Give what it says."""
        return [one.finding for one in self.watch.conditions()]


@pytest.fixture
def house() -> Iterator[House]:
    """One with a new database."""
    house = House()
    yield house
    result_of(house.watch.close())
    assert len(house.timers) == 0


def test_a_backup_is_missed_after_a_week(house: House) -> None:
    """Counted from the first start, over restarts, and then from the last one that was made."""
    assert house.said() == []
    house.clock.advance(5 * DAY_S)
    result_of(house.watch.close())
    house.start()
    assert house.said() == []
    house.clock.advance(3 * DAY_S)
    (said,) = house.said()
    assert said.startswith("no backup was made since 2026-09-21")
    result_of(note_backup(house.store, house.timers.wall()))
    house.clock.advance(LOOK_S)
    assert house.said() == []
    house.clock.advance(8 * DAY_S)
    assert house.said()[0].startswith("the last backup is of 2026-09-29")


def test_whoever_has_other_backups_is_left_alone() -> None:
    """By a setting."""
    house = House(backup_days=0)
    house.clock.advance(400 * DAY_S)
    assert house.said() == []
    result_of(house.watch.close())


def test_a_database_beyond_its_bound_is_told(house: House) -> None:
    """And is over when it has shrunk."""
    house.size = 60 << 30
    house.clock.advance(LOOK_S)
    (said,) = house.said()
    assert "the database has 61440 MiB" in said
    house.size = 1 << 20
    house.clock.advance(LOOK_S)
    assert house.said() == []


def test_a_store_that_is_away_is_asked_again(house: House) -> None:
    """Its own room says that it is away."""
    house.size, house.is_away = 60 << 30, True
    house.clock.advance(LOOK_S)
    assert house.said() == []
    house.is_away = False
    house.clock.advance(LOOK_S)
    assert len(house.said()) == 1
    assert result_of(awaited(house.store.read(KIND, LAST))) is not None
