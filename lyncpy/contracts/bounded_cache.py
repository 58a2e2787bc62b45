"""What is kept to spare work, within a bound of bytes: entries are large and small, and users choose which. Pure."""

from collections.abc import Callable
from enum import Enum
from gc import get_referents
from itertools import islice
from sys import getsizeof
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

LARGEST_SHARE: Final = 32
"""An entry that takes more than one in so many bytes of the bound is not kept: it would drive out too many others."""

LEAVING_SHARE: Final = 8
"""One in so many entries goes at once: to look for the oldest of a table costs a walk over the places of those who went."""

PLACE_BYTES: Final = 256
"""What an entry takes in the tables themselves: its two places, and its size."""


def held_bytes(*roots: object) -> int:
    """Give the bytes of some values with all that they are made of: each object once, but no classes and no enumerated values."""
    seen: set[int] = set()
    total = 0
    level = list(roots)
    while level:
        fresh = []
        for one in level:
            if id(one) not in seen and not isinstance(one, (type, Enum)):
                seen.add(id(one))
                total += getsizeof(one)
                fresh.append(one)
        level = get_referents(*fresh)
        for one in fresh:
            if isinstance(one, dict):
                level += one  # of those that are all text, no key is given: none could be in a circle
    return total


class BoundedCache(dict[K, V]):
    """Entries within a bound of bytes; when it is reached, those that were kept longest ago go.

    Args:
        bytes_most: Of all entries together.
        size: Gives the bytes that a key and its value take, about.
    """

    __slots__ = ("_size", "_sizes", "bytes_most", "bytes_used")

    def __init__(self, bytes_most: int, size: Callable[[K, V], int]) -> None:
        super().__init__()
        self.bytes_most = bytes_most
        self.bytes_used = 0
        self._size = size
        self._sizes: dict[K, int] = {}

    def put(self, key: K, value: V) -> None:
        """Keep an entry, as the latest, in the place of its former self if there is one; not if it is very large."""
        if key in self:
            self.forget(key)
        size = self._size(key, value)
        if size <= self.bytes_most // LARGEST_SHARE:
            self[key] = value
            self._sizes[key] = size
            self.bytes_used += size
            if self.bytes_used > self.bytes_most:
                self._make_room()

    def forget(self, key: K) -> None:
        """Forget an entry, if it is there."""
        self.pop(key, None)
        self.bytes_used -= self._sizes.pop(key, 0)

    def _make_room(self) -> None:
        while self.bytes_used > self.bytes_most:
            for key in tuple(islice(self, 1 + len(self) // LEAVING_SHARE)):
                self.forget(key)


class Remembered(BoundedCache[K, V]):
    """What a pure function has made of its latest arguments: `remembered[key]` is made where it is not there.

    To look up what is there costs no call. What is given is shared, and must not be changed. An entry is measured with
    all that its key and its value are made of: whoever writes a table can leave nothing out of its size that a user chooses.

    Args:
        make: The function, from values to values; what it raises is raised, and nothing kept.
        bytes_most: Of all entries together.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V], bytes_most: int) -> None:
        super().__init__(bytes_most, _entry_bytes)
        self._make = make

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        self.put(key, value)
        return value


def _entry_bytes(key: object, value: object) -> int:
    return PLACE_BYTES + held_bytes(key, value)
