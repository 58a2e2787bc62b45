"""What the entries of a table take of the memory, about: the oldest of them, with all that nobody else holds.

Who holds an object CPython counts. What few hold is the entry's own; what many hold, as an address that is interned, a setting or
another part of the server, would not go with it.
"""

import gc
import sys
from collections import deque
from collections.abc import Collection, Generator, Mapping
from itertools import islice
from typing import Any, Final

SAMPLED: Final = 8
"""Entries that are looked at."""

PARTS_MOST: Final = 500
"""Objects of one entry that are looked at."""

HOLDERS_MOST: Final = 3
"""Whose an object may be beside an entry, so that it is still the entry's own: a table has an index or two."""

_LOOK: Final = 3
"""References that the look itself has, one of them to an entry alone."""

_COLLECTIONS: Final = (dict, list, tuple, set, frozenset, deque)


def entry_bytes(table: Collection[Any]) -> Generator[int, None, float]:  # Any: whatever is in a table
    """Give the bytes that an entry of a table takes, its share of the table itself included; gives way after each entry."""
    if not table:
        return 0.0
    taken = 0
    # At once: what is in it changes between two turns.
    some = list(islice(table.items() if isinstance(table, Mapping) else ((one,) for one in table), SAMPLED))
    for one in some:
        taken += _own(one)
        yield PARTS_MOST
    return taken / len(some) + sys.getsizeof(table, 0) / max(len(table), 1)


def _own(entry: tuple[Any, ...]) -> int:  # Any: as above
    """Give the bytes of an entry: of its key, if it has one, and its value."""
    seen, waiting, taken = set[int](), list(entry), 0
    while waiting and len(seen) < PARTS_MOST:
        one = waiting.pop()
        if id(one) in seen or sys.getrefcount(one) > HOLDERS_MOST + _LOOK:
            continue
        seen.add(id(one))
        taken += sys.getsizeof(one, 0)
        if not isinstance(one, _COLLECTIONS) or len(one) <= PARTS_MOST:
            waiting += gc.get_referents(one)
    return taken
