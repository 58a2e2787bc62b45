"""How much an object holds, without knowing what its tables are called."""

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from typing import Any

from lyncpy.contracts.meter import ICounter

_TABLES = (MutableMapping, MutableSequence, MutableSet)


def held(thing: object, *parts: str) -> Mapping[str, int]:
    """Count the entries of each table of an object, its own and those of its Shares and Deadlines.

    Whoever compares what is held before and after sees everything that was left behind, also in a table that was
    added since the test was written. Empty tables are left out.

    Args:
        thing: Any object.
        parts: Names of classes; what it has of these is counted, too.
    """
    found: dict[str, int] = {}
    for name, value in _attributes(thing):
        if isinstance(value, _TABLES):
            found[name] = _entries(value)
        elif type(value).__name__ in ("Deadlines", "Shares", *parts):
            found |= {f"{name}.{inner}": count for inner, count in held(value, *parts).items()}
    return {name: count for name, count in found.items() if count}


def _entries(table: Any) -> int:  # Any: one of _TABLES
    """Count entries; of a table of tables those that are in them, and one for each that was left empty.

    A table's counters by kind are always there, and those of meters hold nothing.
    """
    values = table.values() if isinstance(table, MutableMapping) else ()
    if values and all(isinstance(one, _TABLES) for one in values):
        return sum(len(one) or not isinstance(one, Counter) for one in values)
    return sum(not ICounter.providedBy(one) for one in values) if values else len(table)


def _attributes(thing: object) -> Iterator[tuple[str, Any]]:  # Any: whatever it has
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(thing, name):
                yield name, getattr(thing, name)
