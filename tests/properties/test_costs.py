"""What messages cost: those that were too dear once are played again, made longer.

A case grows until it is four times, and sixteen times as long; its work may grow as it does, and
by far not by its square. Nothing says how fast it has to be: times are compared with one another,
and where little is done at all, nothing is.
"""

from collections.abc import Iterator
from functools import partial
from random import Random

import pytest

from tests.kit.growth import Growth, Specimen
from tests.kit.hunt import ALLOWED, Case, hunt, kept, steepness
from tests.kit.readers import READERS
from tests.kit.roads import ROADS, Scene

CASES = dict(kept())


@pytest.mark.parametrize("name", CASES)
def test_what_was_too_dear_is_so_no_more(name: str) -> None:
    """Found by `scripts/fuzz`, or by somebody who meant no good."""
    assert steepness(CASES[name]) <= ALLOWED


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_its_own_text(name: str) -> None:
    """A reader that says no to what grows there would prove little."""
    text, reader = READERS[name]
    reader(text)


def test_every_road_is_open() -> None:
    """Each message is sent, and the server has nothing to complain of."""
    scene = Scene()
    for name in ROADS:
        specimen = scene.specimen(name)
        assert specimen.head or specimen.body
    assert not scene.stage.complaints
    scene.close()


def test_a_square_is_found() -> None:
    """The meter sees what is not in proportion, and lets pass what is."""
    letters = Growth("body", 0, "a", numbered=False)
    square = Case("reader", "square", Specimen("", "a"), (letters,))
    line = Case("reader", "line", Specimen("", "a"), (letters,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(READERS, "square", ("a", lambda text: [text.count("b") for _ in range(len(text) // 4)]))
        patch.setitem(READERS, "line", ("a", lambda text: [hash((one, "a")) for one in text * 4]))
        assert steepness(square) > ALLOWED
        assert steepness(line) <= ALLOWED


def _is_over(turns: Iterator[int]) -> bool:
    return next(turns, None) is None


def test_a_short_hunt_finds_nothing() -> None:
    """A taste of `scripts/fuzz`, the same each time: readers first, then a few roads."""
    for only, tries in (("reader", 60), ("road", 6)):
        turns = iter(range(tries))
        found = hunt(Random(8), partial(_is_over, turns), only, told=lambda line: None)
        assert found.tries == tries
        assert [(steep, case.name, case.growths) for steep, case in found.steep] == []
        assert [(error, case.name, case.growths) for error, case in found.errors] == []
