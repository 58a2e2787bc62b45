"""What every play stands on."""

from collections.abc import Iterator

import pytest

from tests.kit.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that runs; whatever it logs as an error fails the play."""
    with Stage.opened() as stage:
        yield stage
