"""What is kept to spare work takes no more memory than it may, whoever fills it with what."""

import pytest

from lyncpy.contracts.bounded_cache import LARGEST_SHARE, BoundedCache, Remembered

BOUND = 100 * LARGEST_SHARE


def cache() -> BoundedCache[str, bytes]:
    """A cache of bytes."""
    return BoundedCache(BOUND, lambda _, value: len(value))


def test_the_oldest_go_when_there_is_no_room() -> None:
    """Those that were kept again are young."""
    kept = cache()
    for number in range(LARGEST_SHARE):
        kept.keep(str(number), b"x" * 100)
    kept.keep("0", b"y" * 100)
    assert (len(kept), kept.bytes_used) == (LARGEST_SHARE, BOUND)
    kept.keep("new", b"z")
    assert kept.bytes_used <= BOUND
    assert "1" not in kept
    assert (kept["0"], kept["new"]) == (b"y" * 100, b"z")


def test_what_is_very_large_is_not_kept() -> None:
    """Nor what it was before."""
    kept = cache()
    kept.keep("one", b"x" * 100)
    kept.keep("one", b"x" * 101)
    assert (len(kept), kept.bytes_used) == (0, 0)


def test_what_is_forgotten_takes_nothing() -> None:
    """Twice is as once."""
    kept = cache()
    kept.keep("one", b"x")
    kept.keep("one", b"xx")
    assert kept.bytes_used == 2
    kept.forget("one")
    kept.forget("one")
    assert (len(kept), kept.bytes_used) == (0, 0)


def test_very_many_large_ones_stay_within_the_bound() -> None:
    """Whatever comes."""
    kept = cache()
    for number in range(10_000):
        kept.keep(str(number), b"x" * (number % 120))
        assert kept.bytes_used <= BOUND
    assert kept.bytes_used == sum(map(len, kept.values()))
    assert len(kept) > LARGEST_SHARE // 2


def test_what_was_made_is_remembered() -> None:
    """An error is raised anew each time, and what is very large made anew."""
    asked: list[str] = []

    def made(text: str) -> int:
        asked.append(text)
        return int(text)

    remembered = Remembered(made, BOUND, lambda text, _: len(text))
    long = "1" * 101
    assert [remembered["1"], remembered["1"], remembered[long], remembered[long]] == [1, 1, int(long), int(long)]
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            remembered["x"]
    assert asked == ["1", long, long, "x", "x"]
