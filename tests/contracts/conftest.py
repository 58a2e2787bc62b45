"""Nodes of every kind, for what is promised of a bus."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.backends.nats import bus
from tests.kit.nats import NatsServer, ReactorLoop, nats
from tests.kit.nodes import KINDS, Pair, pair_of, the_proxy


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a sign of life comes late: nobody is gone because of that, unless a test says so."""
    monkeypatch.setattr(bus, "SIGNS_MISSED", 10_000)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A nats-server for all tests of a file."""
    with nats() as one:
        yield one


@pytest.fixture
def loop() -> Iterator[ReactorLoop]:
    """A reactor of its own."""
    one = ReactorLoop()
    yield one
    one.close()


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> Pair:
    """Nodes of every kind."""
    return pair_of(request.param, loop, server, tmp_path)


@pytest.fixture
def far(loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> Pair:
    """Two nodes, one of them behind a proxy that does nothing bad yet."""
    pair = pair_of("nats, behind a bad network", loop, server, tmp_path)
    proxy = the_proxy(pair)
    proxy.copies = lambda payload: 1
    return pair
