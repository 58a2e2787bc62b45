"""Promises kept in memory that fail, or take their time, when a test says so."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from lyncpy.contracts.names import Version
from lyncpy.contracts.nodes import Fenced
from lyncpy.contracts.records import (
    ALWAYS,
    AuditRecord,
    CallRecord,
    ConferenceRecord,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecords,
    McuJoinRecord,
    MessageCountRecord,
    SessionRecord,
)
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore, JournalEntry, Mark, Record, Written
from tests.kit.memory import MemoryRecords, MemoryStore

T = TypeVar("T")


class Fragility:
    """What may be wrong with a disk.

    Attributes:
        broken: Every call fails, and nothing is written.
        calls: How often something was asked of it.
        is_over: Whether the lease of the process is over, so that nothing that it writes is taken.
    """

    def __init__(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Begin in good health."""
        self.is_over = is_over
        self.broken = False
        self.calls = 0
        self._slow = False
        self._waiting: list[Callable[[], None]] = []
        self._lost: list[Callable[[], None]] = []

    def slow_down(self) -> None:
        """Let everything wait from now on, in order, until `catch_up`."""
        self._slow = True

    def catch_up(self) -> None:
        """Do what waits, and be quick again."""
        self._slow = False
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()

    def lose(self) -> None:
        """Never do what waits, as when who asked for it is dead, and be quick again."""
        self._slow = False
        # Kept, and so never collected: the end of a coroutine would wake what is dead.
        self._lost += self._waiting
        self._waiting = []

    def do_one(self) -> None:
        """Do the first that waits, and go on being slow."""
        self._waiting.pop(0)()

    def __len__(self) -> int:
        """Give the number of calls that wait."""
        return len(self._waiting)

    def run(self, work: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Do it now, later or not at all."""
        self.calls += 1
        if self.broken:
            return fail(StoreUnavailable("the disk is broken"))
        if not self._slow:
            return work()
        result: Deferred[T] = Deferred()
        self._waiting.append(lambda: self._do(work, result))
        return result

    def run_write(self, work: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Do what writes, unless the lease of the process is over by then."""

        def fenced() -> Deferred[T]:
            return fail(Fenced("the lease of this node is over")) if self.is_over() else work()

        return self.run(fenced)

    def _do(self, work: Callable[[], Deferred[T]], result: Deferred[T]) -> None:
        if self.broken:
            result.errback(StoreUnavailable("the disk is broken"))
        else:
            _ = work().addCallbacks(result.callback, result.errback)


@implementer(IStore)
class FragileStore:
    """A store in memory on a fragile disk."""

    def __init__(self, inner: MemoryStore, disk: Fragility) -> None:
        """Take what really keeps."""
        self._inner = inner
        self._disk = disk

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record."""
        return self._disk.run(lambda: self._inner.read(kind, key))

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind."""
        return self._disk.run(lambda: self._inner.scan(kind, prefix))

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Replace a record."""
        return self._disk.run_write(lambda: self._inner.write(kind, key, value, expected, expires))

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove a record."""
        return self._disk.run_write(lambda: self._inner.remove(kind, key, expected))

    def written(self, kind: str, since: Mark | None, limit: int) -> Deferred[Written]:
        """Give what was written."""
        return self._disk.run(lambda: self._inner.written(kind, since, limit))

    def append(self, journal: str, entry: bytes, at: float) -> Deferred[None]:
        """Add a line."""
        return self._disk.run_write(lambda: self._inner.append(journal, entry, at))

    def replay(self, journal: str, since: float, until: float, limit: int) -> Deferred[Sequence[JournalEntry]]:
        """Give lines."""
        return self._disk.run(lambda: self._inner.replay(journal, since, until, limit))


@implementer(IRecords)
class FragileRecords:
    """Records in memory on a fragile disk."""

    def __init__(self, inner: MemoryRecords, disk: Fragility) -> None:
        """Take what really keeps."""
        self._inner = inner
        self._disk = disk

    def upsert(self, rows: Sequence[CallRecord]) -> Deferred[None]:
        """Insert or replace rows."""
        return self._disk.run_write(lambda: self._inner.upsert(rows))

    def sessions(
        self,
        user: str = "",
        since: float = 0.0,
        limit: int = 100,
        *,
        open_only: bool = False,
        until: float = ALWAYS,
    ) -> Deferred[Sequence[SessionRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.sessions(user, since, limit, open_only=open_only, until=until))

    def close_open_sessions(self, at: float) -> Deferred[int]:
        """End what dead nodes left."""
        return self._disk.run_write(lambda: self._inner.close_open_sessions(at))

    def conferences(
        self, user: str = "", uri: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Deferred[Sequence[ConferenceRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.conferences(user, uri, since, limit, open_only=open_only))

    def conference_sessions(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[ConferenceSessionRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.conference_sessions(user, instance, since, limit, until=until))

    def focus_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[FocusJoinRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.focus_joins(user, instance, since, limit, until=until))

    def mcu_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[McuJoinRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.mcu_joins(user, instance, since, limit))

    def message_counts(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[MessageCountRecord]]:
        """Give rows."""
        return self._disk.run(lambda: self._inner.message_counts(user, instance, since, limit))

    def close_open_conferences(self, at: float) -> Deferred[int]:
        """End what dead nodes left."""
        return self._disk.run_write(lambda: self._inner.close_open_conferences(at))

    def audit(self, record: AuditRecord) -> Deferred[None]:
        """Append."""
        return self._disk.run_write(lambda: self._inner.audit(record))

    def audited(self, since: float = 0.0, limit: int = 100) -> Deferred[Sequence[AuditRecord]]:
        """Give audit rows."""
        return self._disk.run(lambda: self._inner.audited(since, limit))

    def purge(self, before: float) -> Deferred[int]:
        """Remove old rows."""
        return self._disk.run_write(lambda: self._inner.purge(before))


async def awaited(work: Awaitable[Any]) -> Any:  # Any: whatever the promise gives
    """Make a coroutine of any awaitable."""
    return await work
