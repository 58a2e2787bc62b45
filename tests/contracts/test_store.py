"""The promise IStore, beyond its records, on every implementation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.contracts.store import IStore
from tests.kit.cellars import KINDS, Cellar, opened


@pytest.fixture(params=KINDS)
def cellar(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cellar]:
    """One implementation, open and empty."""
    with opened(request.param, tmp_path) as cellar:
        yield cellar


def test_is_what_it_says(cellar: Cellar) -> None:
    """The implementation declares the promise."""
    assert IStore.providedBy(cellar.store)


def test_replays_a_journal_oldest_first(cellar: Cellar) -> None:
    """The lines of a span come in the order of their time, then of their coming; each has its own serial."""
    for at, entry in ((20.0, b"b"), (10.0, b"a"), (20.0, b"c"), (30.0, b"d")):
        cellar.wait(cellar.store.append("calls", entry, at))

    lines = cellar.wait(cellar.store.replay("calls", 0.0, 100.0, 10))

    assert [(line.at, line.entry) for line in lines] == [(10.0, b"a"), (20.0, b"b"), (20.0, b"c"), (30.0, b"d")]
    assert len({line.serial for line in lines}) == 4


def test_replay_begins_with_since_and_ends_before_until(cellar: Cellar) -> None:
    """`since` belongs to the span, `until` does not; other journals have their own lines."""
    for at in (10.0, 20.0, 30.0):
        cellar.wait(cellar.store.append("calls", b"x", at))
    cellar.wait(cellar.store.append("other", b"x", 20.0))
    assert [line.at for line in cellar.wait(cellar.store.replay("calls", 10.0, 30.0, 10))] == [10.0, 20.0]


@pytest.mark.parametrize(("limit", "expected"), [(2, [b"3", b"4"]), (0, [])])
def test_replay_gives_the_newest_lines(cellar: Cellar, limit: int, expected: list[bytes]) -> None:
    """When more fit, the newest are given, oldest first."""
    for n in range(5):
        cellar.wait(cellar.store.append("calls", b"%d" % n, float(n)))
    assert [line.entry for line in cellar.wait(cellar.store.replay("calls", 0, 9, limit))] == expected
