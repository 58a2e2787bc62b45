"""How full each table of the server is: one mechanism for all, so that a new one has its meters by itself.

`tables.toml` has every table and its bound in words. Here they are found where they are, by walking over the parts of the server
from its assembly: through what objects keep under their names, never through what is in a table, of which there may be much.
"""

import re
import sys
import tomllib
import types
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.app.config import Sections
from lyncpy.app.limits import LimitMeters
from lyncpy.app.table_sizes import entry_bytes
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn

WALK_S: Final = 600.0
"""After so long what is found is looked for anew, when somebody reads the meters: a connection that is made anew has other tables."""

WALK_PIECE: Final = 100
PARTS_MOST: Final = 300
"""Of a collection of parts, no more are looked at: beyond that it is no part of the server's making."""

_FILE: Final = (Path(__file__).parent / "tables.toml").read_bytes().decode()
_SETTING: Final = re.compile(r"\[(\w+)\] ([a-z_0-9]+(?:, [a-z_0-9]+)*)")
_CONSTANT: Final = re.compile(r"\b[A-Z][A-Z_]{3,}[A-Z]\b")
_FORGETS: Final = re.compile(r"\bgoes\b|\bforgets\b|each for a|found anew|written anew|constant of bytes")
_PLAIN: Final = (int, str, bytes, float, type(None), type)

FORGETS: Final = "forgets"
REFUSES: Final = "refuses"


@cache
def bounds() -> Mapping[str, str]:
    """Give the bound of each table, in words: "core.gate.Gate._flows" has "one for each connection: [sip] connections"."""
    found = tomllib.loads(_FILE)
    return {name: words for name, words in found.items() if isinstance(words, str)}


def bound_of(name: str, sections: Sections) -> float | None:
    """Give the bound of a table as a number; None: it is none of entries, or is not one number."""
    words = bounds()[name]
    named: list[tuple[str, object]] = [
        (key, getattr(getattr(sections, section), key, None))
        for section, keys in _SETTING.findall(words)
        for key in keys.split(", ")
    ]
    module = sys.modules.get(f"lyncpy.{name.rsplit('.', 2)[0]}")
    named += [(one, getattr(module, one, None)) for one in _CONSTANT.findall(words)]
    counts = {
        key: float(value)
        for key, value in named
        if isinstance(value, int) and not isinstance(value, bool) and not re.search("_s$|bytes", key.lower())
    }
    # A share is no bound of the whole, where that is named.
    whole = {key: value for key, value in counts.items() if "_per_" not in key} or counts
    return max(whole.values(), default=None)


def when_full(name: str) -> str:
    """Say whether a full table refuses what is new, or forgets what is old."""
    return FORGETS if _FORGETS.search(bounds()[name]) else REFUSES


@dataclass(frozen=True, slots=True)
class TableInUse:
    """A table where it is: what keeps it, and under which name."""

    name: str
    owner: Any  # Any: an object of any of our classes
    attribute: str

    @property
    def kept(self) -> object:
        """The table itself."""
        return getattr(self.owner, self.attribute, ())

    def __len__(self) -> int:
        """Count its entries."""
        kept = self.kept
        return len(kept) if isinstance(kept, Sized) else 0


def walk(roots: Iterable[Any]) -> Generator[int, None, list[TableInUse | Limit]]:  # Any: as of Table's owner
    """Find the tables and bounds of what is reached from some objects; gives way after each `WALK_PIECE` of them."""
    names, seen, found = bounds(), set[int](), list[TableInUse | Limit]()
    waiting: list[Any] = list(roots)
    while waiting:
        one = waiting.pop()
        if isinstance(one, _PLAIN) or id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) % WALK_PIECE == 0:
            yield WALK_PIECE
        if isinstance(one, Limit):
            found.append(one)
            continue
        if not type(one).__module__.startswith("lyncpy."):
            waiting += _parts(one)
            continue
        kind: Any = type(one)  # a class can be a key, which its type does not say
        for attribute, value in _attributes(one):
            name = next((name for name in _names(kind, attribute) if name in names), None)
            if name is not None:
                found.append(TableInUse(name, one, attribute))
            if name is None or type(value).__module__.startswith("lyncpy."):
                waiting.append(value)
    return found


@cache
def _names(kind: type, attribute: str) -> tuple[str, ...]:
    return tuple(f"{cls.__module__.removeprefix('lyncpy.')}.{cls.__qualname__}.{attribute}" for cls in kind.__mro__)


@cache
def _slots(kind: type) -> tuple[str, ...]:
    found: list[str] = []
    for cls in kind.__mro__:
        slots = cls.__dict__.get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in found if not name.startswith("__"))


def _attributes(one: Any) -> Iterator[tuple[str, object]]:  # Any: as above
    yield from getattr(one, "__dict__", {}).items()
    kind: Any = type(one)
    for name in _slots(kind):
        value = getattr(one, name, None)
        if value is not None:
            yield name, value


def _parts(one: object) -> Sequence[object]:
    """Give what a thing that is none of ours holds of ours: a method its object, a call its arguments, a collection its members."""
    if isinstance(one, types.MethodType):
        return (one.__self__,)
    if isinstance(one, partial):
        return (one.func, *one.args, *one.keywords.values())
    if isinstance(one, types.FunctionType):
        return tuple(cell.cell_contents for cell in one.__closure__ or () if _is_full(cell))
    return _members(one)


def _members(one: object) -> Sequence[object]:
    if isinstance(one, dict) and len(one) <= PARTS_MOST:
        return tuple(one.values())
    if isinstance(one, tuple | list | frozenset | set) and len(one) <= PARTS_MOST:
        return tuple(one)
    return ()


def _is_full(cell: "types.CellType") -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


class TableMeters:
    """The meters of all tables.

    They are looked for, behind what clients ask, when somebody reads the meters for the first time, who sees none of them.

    Args:
        sections: The settings, which bound them.
        meter: Shows them.
        timers: The clock.
    """

    log = Logger()

    def __init__(self, sections: Sections, meter: IMeter, timers: ITimers) -> None:
        self._sections = sections
        self._timers = timers
        self._roots: Sequence[object] = ()
        self._tables: Sequence[TableInUse] = ()
        self._bounds_of: Mapping[tuple[str, ...], float] = {}
        self._bytes_each: Mapping[str, float] = {}
        self._walked_at: float | None = None
        self._limits = LimitMeters(meter, timers)
        meter.labelled_gauge(
            "lyncpy_app_table_entries_count",
            "Entries of a table, of all of its kind together; what each is bound by is listed below.",
            ("table",),
            self._entries,
        )
        meter.labelled_gauge(
            "lyncpy_app_table_bytes",
            "Memory that the entries of a table take, of all of its kind, about: the oldest few, with what nobody else holds, stand for all.",
            ("table",),
            lambda: {label: count * self._bytes_each.get(label[0], 0.0) for label, count in self._entries().items()},
        )
        meter.labelled_gauge(
            "lyncpy_app_table_fullest_count",
            "Entries of the fullest table of its kind.",
            ("table",),
            self._fullest,
        )
        meter.labelled_gauge(
            "lyncpy_app_table_bound_count",
            "Entries that a table may have, where that is one number, and whether a full one refuses or forgets.",
            ("table", "when_full"),
            self._bounds,
        )

    def look_at(self, *roots: object) -> None:
        """Say from where the parts of the server are reached."""
        self._roots = roots

    def _known(self) -> Sequence[TableInUse]:
        now = self._timers.now()
        if self._walked_at is None or now - self._walked_at > WALK_S:
            self._walked_at = now
            spawn(self._walk(), self.log, "looking for tables")
        return self._tables

    async def _walk(self) -> None:
        slices = Slices(self._timers, WALK_PIECE)
        both = await slices.carry_out(walk(self._roots))
        found = [one for one in both if isinstance(one, TableInUse)]
        bounds_of: dict[tuple[str, ...], float] = {}
        for name in {one.name for one in found}:
            bound = bound_of(name, self._sections)
            if bound is not None:
                bounds_of[shown(name), when_full(name)] = bound
            await slices.spend()
        each = {}
        for name, table in fullest_of(found).items():
            if isinstance(table.kept, Collection):
                each[shown(name)] = await slices.carry_out(entry_bytes(table.kept))
        self._tables, self._bounds_of, self._bytes_each = found, bounds_of, each
        await self._limits.know([one for one in both if isinstance(one, Limit)])

    def _entries(self) -> Mapping[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for one in self._known():
            label = (shown(one.name),)
            found[label] = found.get(label, 0.0) + len(one)
        return found

    def _fullest(self) -> Mapping[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for one in self._known():
            label = (shown(one.name),)
            found[label] = max(found.get(label, 0.0), len(one))
        return found

    def _bounds(self) -> Mapping[tuple[str, ...], float]:
        return self._bounds_of


def fullest_of(tables: Iterable[TableInUse]) -> Mapping[str, TableInUse]:
    """Give of each kind of tables, by its name, the one that has most entries."""
    found: dict[str, TableInUse] = {}
    for one in tables:
        if one.name not in found or len(one) > len(found[one.name]):
            found[one.name] = one
    return found


def shown(name: str) -> str:
    """Write a table's name for people: "core.gate.Gate.flows"."""
    place, _, attribute = name.rpartition(".")
    return f"{place}.{attribute.lstrip('_')}"
