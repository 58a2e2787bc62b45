"""A copy of a database as it is at one moment, while it is worked with: what a backup has in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.snapshot import snapshot
from tests.contracts.test_copying import NONE, House
from tests.kit.cellars import in_postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A database that is open, with something in it."""
    with ExitStack() as ending:
        settings = ending.enter_context(in_postgresql(tmp_path)) if request.param == "postgresql" else {}
        house = House(tmp_path / "from", settings)
        house.open()
        house.fill()
        yield house
        house.close()


def test_a_snapshot_is_taken_while_it_is_worked_with(house: House, tmp_path: Path) -> None:
    """Of either kind, in a file that only its owner can read and any server with the same key can work with."""
    file = tmp_path / "snapshot.db"
    snapshot(Settings(**house.settings), house.home, file)
    assert file.stat().st_mode & 0o777 == 0o600
    taken = House(tmp_path, {"url": f"sqlite:///{file}"})
    taken.open()
    assert taken.content() == house.content()
    house.pump.run(house.store.write("board", "later", b"since", NONE))
    assert taken.content() != house.content()
    taken.close()
