"""How much memory the entries of a table take, about."""

from collections.abc import Collection
from typing import Any

import pytest

from lyncpy.app.table_sizes import PARTS_MOST, entry_bytes


def each(table: Collection[Any]) -> float:
    """Give the bytes of an entry, however often the look gives way."""
    look = entry_bytes(table)
    while True:
        try:
            next(look)
        except StopIteration as end:
            found: float = end.value
            return found


class Slotted:
    """An entry of a class with slots."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = [bytes(5_000), bytearray(5_000)]


class Named:
    """One without."""

    def __init__(self) -> None:
        self.data = {"a": bytes(10_000)}


@pytest.mark.parametrize(
    "table",
    [
        {number: bytes(10_000) for number in range(100)},
        {f"key {number}": Slotted() for number in range(100)},
        [Named() for _ in range(100)],
        {(number, bytes(9_900)) for number in range(100)},
    ],
)
def test_all_that_is_an_entrys_own_is_counted(table: Collection[Any]) -> None:
    """Whatever it is kept in, and however deep."""
    assert 9_900 < each(table) < 11_500


def test_what_others_hold_is_not() -> None:
    """It would not go with the entry."""
    shared = bytes(1_000_000)
    assert each({number: [shared] for number in range(100)}) < 1_000


def test_an_index_takes_nothing_away() -> None:
    """What stands in two tables is the entry's in each of them."""
    table = {number: bytes(10_000) for number in range(100)}
    index = {-number: one for number, one in table.items()}
    assert each(table) > 10_000
    assert each(index) > 10_000


def test_the_look_ends() -> None:
    """In a large collection it does not look, nor in more than so many objects; in a circle once; an empty table has nothing."""
    circle: list[Any] = []
    circle.append(circle)
    assert each([circle]) < 1_000
    assert each({1: [bytes(1_000) for _ in range(PARTS_MOST + 1)]}) < 10_000
    deep: list[Any] = []
    for _ in range(10 * PARTS_MOST):
        deep = [deep, bytearray(100)]
    assert 0 < each([deep]) < PARTS_MOST * 250
    assert each(()) == 0
