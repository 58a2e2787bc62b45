"""Volatile records that several servers of a play share, over connections that a play may break."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.store import Conflict, IBothRecords, IVolatileStore, Mark, Record, Written
from tests.kit.fakes import Fragility
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of

T = TypeVar("T")

BASE = 1_000_000
"""Versions between one loss and the next."""


class SharedRecords:
    """What is shared: values as bytes, as a database has them. All of them may be lost at once.

    Args:
        wall: The clock of `expires`.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.store = MemoryRecordStore(wall)
        self.base = 0
        """Above which versions are given since the last loss."""

        self.hear: list[Callable[[], None]] = []

    def are_lost(self) -> None:
        """Lose all, and have each server hear of it."""
        self.store = MemoryRecordStore(self._wall)
        self.base += BASE
        for hear in tuple(self.hear):
            hear()


@implementer(IVolatileStore)
class FragileVolatileStore:
    """One server's connection to them.

    Args:
        shared: What all share.
        disk: What keeps them, as this server has it.
        clock: Gives the server's turns: what it asks gets there in a later one, and the answer comes in one later still;
            None: at once.
        durable: The durable records of all, where both can be written at once; None: one after the other is.
    """

    def __init__(
        self,
        shared: SharedRecords,
        disk: Fragility,
        clock: IReactorTime | None = None,
        durable: MemoryStore | None = None,
    ) -> None:
        self.durable = durable
        if durable is not None:
            alsoProvides(self, IBothRecords)
        self._shared = shared
        self._disk = disk
        self._clock = clock

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record."""
        return self._run(lambda: self._shared.store.read(kind, key)).addCallback(self._shown)

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind."""
        found = self._run(lambda: self._shared.store.scan(kind, prefix))
        return found.addCallback(lambda records: tuple(map(self._shown, records)))

    def write(
        self,
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        expires: float | None = None,
    ) -> Deferred[Version]:
        """Replace a record."""
        data = value if isinstance(value, bytes) else value()

        return self._run(lambda: self._write(kind, key, data, expected, expires))

    def _write(
        self, kind: str, key: str, data: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        shared = self._shared
        if 0 < expected <= shared.base:
            return fail(Conflict(f"{kind} {key!r} was lost"))
        written = shared.store.write(kind, key, data, self._kept(expected), expires)
        return written.addCallback(lambda version: Version(version + shared.base))

    def read_both(self, kind: str, key: str) -> Deferred[tuple[Record | None, Record | None]]:
        """Read the durable record and a volatile one."""
        store = self.durable
        assert store is not None, "see IBothRecords"
        durable = answer_of(store.read(kind, key))
        return self.read(kind, key).addCallback(lambda found: (durable, found))

    def write_both(
        self,
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        durable: bytes,
        durable_expected: Version,
    ) -> Deferred[tuple[Version, Version]]:
        """Replace a record and the durable one."""
        store, data = self.durable, value if isinstance(value, bytes) else value()

        def write() -> Deferred[tuple[Version, Version]]:
            assert store is not None, "see IBothRecords"
            is_there = answer_of(store.read(kind, key))
            if is_there is None or is_there.version != durable_expected:
                return fail(Conflict(f"{kind} {key!r} is another"))
            written = self._write(kind, key, data, expected)
            return written.addCallback(lambda new: (new, answer_of(store.write(kind, key, durable, durable_expected))))

        return self._run(write)

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove a record."""

        def remove() -> Deferred[None]:
            if 0 < expected <= self._shared.base:
                return fail(Conflict(f"{kind} {key!r} was lost"))
            return self._shared.store.remove(kind, key, self._kept(expected))

        return self._run(remove)

    def written(self, kind: str, since: Mark | None, limit: int) -> Deferred[Written]:
        """Tell what was written."""
        return self._run(lambda: self._shared.store.written(kind, since, limit))

    def on_loss(self, hear: Callable[[], None]) -> None:
        """Have a server hear of a loss."""
        self._shared.hear.append(hear)

    def _run(self, work: Callable[[], Deferred[T]]) -> Deferred[T]:
        clock = self._clock
        if clock is None:
            return self._disk.run(work)
        answered: Deferred[T] = Deferred()

        def answer(result: T | Failure) -> None:
            clock.callLater(0.0, answered.callback, result)

        clock.callLater(0.0, lambda: self._disk.run(work).addBoth(answer) and None)
        return answered

    def _kept(self, version: Version) -> Version:
        return Version(version - self._shared.base if version else 0)

    def _shown(self, record: Any) -> Any:  # Any: a record, or None
        if record is None:
            return None
        return Record(record.key, record.value, Version(record.version + self._shared.base), record.expires)
