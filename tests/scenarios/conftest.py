"""What every play stands on."""

from collections.abc import Iterator

import pytest

from tests.kit.soak import BRIEF
from tests.kit.stage import Stage

STEPS = (-3600.0, 3600.0, 900.0, -900.0, 7200.0, -3600.0, -3600.0)
"""By how much the clock of the server's host is set, in turn, in the middle of each time that passes."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every play twice: with a host whose clock runs, and with one whose clock is set all the time.

    Once only where a play reads times as they were written down, which are the host's, and
    where it is the crowd that takes a minute; or if few examples are asked for.
    """
    once = BRIEF or metafunc.definition.get_closest_marker("steady_clock") is not None
    metafunc.parametrize("host_clock", ["steady"] if once else ["steady", "stepped"], indirect=True)


@pytest.fixture(autouse=True)
def host_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the clock of the server's host set all the time, or not."""
    if request.param == "stepped":
        monkeypatch.setattr(Stage, "steps", STEPS)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that runs; whatever it logs as an error fails the play."""
    with Stage.opened() as stage:
        yield stage
