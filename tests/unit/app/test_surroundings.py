"""What a process of several knows of those beside it."""

from collections.abc import Sequence
from typing import Any

import pytest

from lyncpy.app.process import HandedDown, ParentLine
from lyncpy.app.supervision import ProcessFacts, ProcessState
from lyncpy.app.surroundings import ALONE, Surroundings


class Line(ParentLine):
    """A line on which its parent has said how all are."""

    def __init__(self, *processes: ProcessFacts) -> None:
        """Be the first of them."""
        super().__init__(HandedDown(1, len(processes), {"sip.tls_port": 5}), None, {})
        self._said = processes

    def processes(self) -> Sequence[ProcessFacts]:
        """Give them."""
        return self._said


class Places:
    """Where the node "a" is, which leaves, and so does "c"."""

    is_leaving = True

    def stays(self, node: str) -> bool:
        """Tell whether one stays."""
        return node != "c"


def process(number: int, node: str, state: ProcessState = ProcessState.RUNNING) -> ProcessFacts:
    """Give a process."""
    return ProcessFacts(number, state, node, 100 + number, 1, 0, "")


@pytest.mark.parametrize(
    ("others", "takes_them"),
    [
        ([process(2, "b")], True),
        ([process(2, "c"), process(3, "b")], True),
        ([process(2, "c")], False),
        ([process(2, "b", ProcessState.STARTING)], False),
        ([], False),
    ],
)
def test_who_comes_is_left_to_processes_that_stay(others: Sequence[ProcessFacts], takes_them: bool) -> None:
    """Where a process leaves that has the same ports as they; if none stays, it sends on whoever comes."""
    places: Any = Places()
    beside = Surroundings(parent=Line(process(1, "a"), *others))
    assert beside.has_others(places) is takes_them
    places.is_leaving = False
    assert not beside.has_others(places)
    assert not ALONE.has_others(Places())  # type: ignore[arg-type]  # it is as good as one
