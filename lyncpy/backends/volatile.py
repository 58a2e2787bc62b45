"""Volatile records of a single process: in memory, and gone with it, as its deployment is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from lyncpy.backends.text import require_key
from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, IVolatileStore, Mark, Record, Written

_NONE_YET: Final = Version(0)


@dataclass(slots=True)
class _Kept:
    """One record, with its value as it was given."""

    value: bytes | Callable[[], bytes]
    version: Version
    expires: float | None
    change: int = 0
    """The number of its last change among all of the kind."""


@dataclass(slots=True)
class _Kind:
    """All records of a kind."""

    floor: Version = _NONE_YET
    """The highest version of a key of which nothing is left: a new key begins above it, so that none is given twice."""

    changes: int = 0
    records: dict[str, _Kept] = field(default_factory=dict)
    """In the order in which they were changed."""

    removed: dict[str, tuple[int, float]] = field(default_factory=dict)
    """The number of the change that removed a record, and when that was; in this order."""

    def changed(self, key: str, kept: _Kept) -> None:
        """Put a record behind all others."""
        self.changes += 1
        kept.change = self.changes
        self.records.pop(key, None)
        self.records[key] = kept
        self.removed.pop(key, None)

    def forget(self, key: str, at: float) -> None:
        """Remove a record."""
        self.floor = max(self.floor, self.records.pop(key).version)
        self.changes += 1
        self.removed[key] = self.changes, at


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
        if kept is None or of is None:
            require_key(kind, key)
            of = of or self._kinds.setdefault(kind, _Kind())
            kept = _Kept(value, of.floor, expires)
        kept.value, kept.expires = value, expires
        of.changed(key, kept)
        version = kept.version = Version(kept.version + 1)
        return succeed(version)

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove the record if its version is still `expected`; else fail with Conflict."""
        of = self._kinds.get(kind)
        kept = None if of is None else of.records.get(key)
        if expected != self._version(kept):
            return fail(_conflict(kind, key, expected))
        if of is not None and kept is not None:
            of.forget(key, self._wall())
        return succeed(None)

    def written(self, kind: str, since: Mark | None, limit: int) -> Deferred[Written]:
        """Give which records of a kind were written or removed since a mark; None: give the mark of now."""
        of = self._kinds.get(kind) or _Kind()
        now = Mark(of.changes)
        if since is None or since.change > of.changes:
            return succeed(Written(now, is_known=since is None))
        # The newest first, as far back as the mark.
        last = takewhile(
            lambda one: one[0] > since.change, ((of.records[key].change, key) for key in reversed(of.records))
        )
        gone = takewhile(lambda one: one[0] > since.change, ((of.removed[key][0], key) for key in reversed(of.removed)))
        found = sorted((*last, *gone))
        told = tuple((key, Version(self._version(of.records.get(key)))) for _, key in found[:limit])
        is_all = len(found) <= limit
        return succeed(Written(now if is_all else Mark(found[limit - 1][0]), told, is_all=is_all))

    def on_loss(self, hear: Callable[[], None]) -> None:
        """Do nothing: whoever could hear of a loss is lost, too."""

    def purge(self, before: float) -> Deferred[int]:
        """Forget what was removed or has expired by then; give the number of records."""
        total = 0
        for of in self._kinds.values():
            over = [key for key, kept in of.records.items() if kept.expires is not None and kept.expires <= before]
            for key in over:
                of.forget(key, before)
            gone = [key for key, (_, at) in of.removed.items() if at <= before]
            for key in gone:
                del of.removed[key]
            total += len(gone)
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
