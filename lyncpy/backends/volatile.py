"""Volatile records of a single process: in memory, and gone with it, as its deployment is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from lyncpy.backends.text import require_key
from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, IVolatileStore, Record

_NONE_YET: Final = Version(0)


@dataclass(slots=True)
class _Kept:
    """One record, with its value as it was given."""

    value: bytes | Callable[[], bytes]
    version: Version
    expires: float | None


@dataclass(slots=True)
class _Kind:
    """All records of a kind."""

    floor: Version = _NONE_YET
    """The highest version of a key of which nothing is left: a new key begins above it, so that none is given twice."""

    records: dict[str, _Kept] = field(default_factory=dict)

    def forget(self, key: str) -> None:
        """Remove a record."""
        self.floor = max(self.floor, self.records.pop(key).version)


@implementer(IVolatileStore)
class MemoryRecordStore:
    """Versioned records in memory. Values are made into bytes when they are first read: in one process hardly ever.

    Args:
        wall: The clock of `expires`, in seconds since 1970; one that does not step.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._kinds: dict[str, _Kind] = {}

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record, or None; an expired one is none."""
        of = self._kinds.get(kind)
        return succeed(None if of is None else self._living(key, of.records.get(key)))

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind whose key begins so, by key."""
        of = self._kinds.get(kind)
        kept = () if of is None else sorted(key for key in of.records if key.startswith(prefix))
        found = (self._living(key, of.records[key]) for key in kept if of is not None)
        return succeed(tuple(record for record in found if record is not None))

    def write(
        self,
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        expires: float | None = None,
    ) -> Deferred[Version]:
        """Replace the record if its version is still `expected`; give the new version, or fail with Conflict."""
        of = self._kinds.get(kind)
        kept = None if of is None else of.records.get(key)
        if expected != self._version(kept):
            return fail(_conflict(kind, key, expected))
        if kept is None:
            require_key(kind, key)
            of = of or self._kinds.setdefault(kind, _Kind())
            kept = of.records[key] = _Kept(value, of.floor, expires)
        kept.value, kept.expires = value, expires
        version = kept.version = Version(kept.version + 1)
        return succeed(version)

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove the record if its version is still `expected`; else fail with Conflict."""
        of = self._kinds.get(kind)
        kept = None if of is None else of.records.get(key)
        if expected != self._version(kept):
            return fail(_conflict(kind, key, expected))
        if of is not None and kept is not None:
            of.forget(key)
        return succeed(None)

    def on_loss(self, hear: Callable[[], None]) -> None:
        """Do nothing: whoever could hear of a loss is lost, too."""

    def purge(self, before: float) -> Deferred[int]:
        """Forget what has expired by then; give the number of records."""
        total = 0
        for of in self._kinds.values():
            over = [key for key, kept in of.records.items() if kept.expires is not None and kept.expires <= before]
            for key in over:
                of.forget(key)
            total += len(over)
        return succeed(total)

    def _version(self, kept: _Kept | None) -> int:
        """Give the version of a record as callers see it."""
        if kept is None or (kept.expires is not None and kept.expires <= self._wall()):
            return 0
        return kept.version

    def _living(self, key: str, kept: _Kept | None) -> Record | None:
        if kept is None or not self._version(kept):
            return None
        if not isinstance(kept.value, bytes):
            kept.value = kept.value()
        return Record(key, kept.value, kept.version, kept.expires)


def _conflict(kind: str, key: str, expected: Version) -> Conflict:
    return Conflict(f"{kind[:80]} {key[:80]!r} is not at version {expected}")
