"""How many bytes are under way to other nodes, and whose they are: no user and no conference leaves the others without room."""

from collections import Counter
from typing import Final

UNDER_WAY_BYTES: Final = 8_388_608
"""That one node may have under way to another; beyond that nothing more is sent to it but what is small."""

UNDER_WAY_BYTES_ALL: Final = 67_108_864
"""That one node may have under way to all others together."""

SMALL: Final = 16_384
SMALL_BYTES: Final = 1_048_576
"""Up to which size a message is small, and how many bytes of such there may be beyond: why nothing large comes is said."""

SHARES: Final = 8
"""What one user or one conference says may be one of so many parts of what is under way."""


class UnderWay:
    """The bytes that are under way to one node, or to all.

    Args:
        most: How many there may be.
    """

    __slots__ = ("_most", "_shares", "_size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._shares: Counter[str] = Counter()

    @property
    def is_half(self) -> bool:
        """Whether more than half of the room is taken."""
        return self._size > self._most // 2

    def has_room(self, size: int, share: str) -> bool:
        """Tell whether so many bytes more may be under way.

        Args:
            size: Bytes.
            share: Who says them; of whom nothing is under way, they may be all that there is room for. "": the node itself.
        """
        more = SMALL_BYTES if size <= SMALL else 0
        if self._size + size > self._most + more:
            return False
        theirs = self._shares[share] if share else 0
        return not theirs or theirs + size <= self._most // SHARES

    def add(self, size: int, share: str) -> None:
        """Count bytes that are under way, or (below 0) are no more."""
        self._size += size
        if share:
            self._shares[share] += size
            if not self._shares[share]:
                del self._shares[share]
