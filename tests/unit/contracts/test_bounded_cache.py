"""What is kept to spare work takes no more memory than it may, whoever fills it with what."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from sys import getsizeof

import pytest

from lyncpy.contracts.bounded_cache import LARGEST_SHARE, BoundedCache, Remembered, held_bytes

BOUND = 100 * LARGEST_SHARE


def cache() -> BoundedCache[str, bytes]:
    """A cache of bytes."""
    return BoundedCache(BOUND, lambda _, value: len(value))


def test_the_oldest_go_when_there_is_no_room() -> None:
    """Those that were kept again are young."""
    kept = cache()
    for number in range(LARGEST_SHARE):
        kept.put(str(number), b"x" * 100)
    kept.put("0", b"y" * 100)
    assert (len(kept), kept.bytes_used) == (LARGEST_SHARE, BOUND)
    kept.put("new", b"z")
    assert kept.bytes_used <= BOUND
    assert "1" not in kept
    assert (kept["0"], kept["new"]) == (b"y" * 100, b"z")


def test_what_is_very_large_is_not_kept() -> None:
    """Nor what it was before."""
    kept = cache()
    kept.put("one", b"x" * 100)
    kept.put("one", b"x" * 101)
    assert (len(kept), kept.bytes_used) == (0, 0)


def test_what_is_forgotten_takes_nothing() -> None:
    """Twice is as once."""
    kept = cache()
    kept.put("one", b"x")
    kept.put("one", b"xx")
    assert kept.bytes_used == 2
    kept.forget("one")
    kept.forget("one")
    assert (len(kept), kept.bytes_used) == (0, 0)


def test_very_many_large_ones_stay_within_the_bound() -> None:
    """Whatever comes."""
    kept = cache()
    for number in range(10_000):
        kept.put(str(number), b"x" * (number % 120))
        assert kept.bytes_used <= BOUND
    assert kept.bytes_used == sum(map(len, kept.values()))
    assert len(kept) > LARGEST_SHARE // 2


def test_what_was_made_is_remembered() -> None:
    """An error is raised anew each time, and what is very large made anew."""
    asked: list[str] = []

    def made(text: str) -> int:
        asked.append(text)
        return int(text)

    remembered = Remembered(made, 1_024 * LARGEST_SHARE)
    long = "1" * 1_024
    assert [remembered["1"], remembered["1"], remembered[long], remembered[long]] == [1, 1, int(long), int(long)]
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            remembered["x"]
    assert asked == ["1", long, long, "x", "x"]


class Kind(Enum):
    """Of an entry."""

    ONE = 1


@dataclass(frozen=True, slots=True)
class Card:
    """A value with a long text two steps inside."""

    text: str
    rows: tuple[tuple[str, bytes], ...] = ()


@pytest.mark.parametrize(
    ("made", "times"),
    [
        (lambda key: key[0], 1),
        (lambda key: Card(key[0]), 1),
        (lambda key: Card("", (("x", key[0].encode()),)), 2),
        (lambda key: frozenset({key[0] + "y"}), 2),
        (lambda key: {"x": [key[0] + "y"]}, 2),
        (lambda key: {key[0] + "y": "x"}, 2),
    ],
)
def test_nothing_that_is_kept_is_left_out_of_its_size(made: Callable[[tuple[str, Kind]], object], times: int) -> None:
    """Neither of a key nor of a value, however deep it stands there; what is there twice counts once."""
    remembered = Remembered(made, 10_000 * LARGEST_SHARE)
    for number in range(200):
        assert remembered[f"{number:04000}", Kind.ONE]
    assert times * 4_000 * len(remembered) <= remembered.bytes_used <= remembered.bytes_most
    assert len(remembered) * times > LARGEST_SHARE // 2
    assert remembered["x" * (9_000 // times + 1_000), Kind.ONE]
    assert ("x" * (9_000 // times + 1_000), Kind.ONE) not in remembered


def test_what_all_share_is_nobodys() -> None:
    """Classes and enumerated values are there without any entry."""
    assert held_bytes(Card("one"), Kind.ONE) < 400
    assert held_bytes("one", "one") == held_bytes("one") == getsizeof("one")
