"""Records, journals and call detail in memory: the promises that the databases keep, until the process ends."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, assert_never

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lyncpy.backends.text import require_key, storable
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import (
    ALWAYS,
    AuditRecord,
    CallRecord,
    ConferenceRecord,
    ConferenceRow,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecords,
    McuJoinRecord,
    MessageCountRecord,
    SessionRecord,
)
from lyncpy.contracts.store import IStore, JournalEntry, Mark, Record, Written
from tests.kit.results import answer_of

InConference = TypeVar("InConference", ConferenceSessionRecord, FocusJoinRecord, McuJoinRecord, MessageCountRecord)
OfConference = TypeVar("OfConference", bound=ConferenceRow)


@implementer(IStore)
class MemoryStore:
    """Records, journals and leases that are gone with the process; the records are kept as volatile ones are.

    Args:
        wall: The clock of `expires`, in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._records = MemoryRecordStore(wall)
        self._kinds: set[str] = set()
        self._journals: dict[str, list[JournalEntry]] = {}
        self._serial = 0

    @property
    def kept(self) -> Mapping[tuple[str, str], Record]:
        """All records that live."""
        return {(kind, record.key): record for kind in self._kinds for record in answer_of(self.scan(kind))}

    @kept.setter
    def kept(self, records: Mapping[tuple[str, str], Record]) -> None:
        self._records = MemoryRecordStore(self._wall)
        for (kind, key), record in records.items():
            answer_of(self.write(kind, key, record.value, Version(0), record.expires))

    def read(self, kind: str, key: str) -> Deferred[Record | None]:
        """Give one record, or None; an expired one is none."""
        return self._records.read(kind, key)

    def scan(self, kind: str, prefix: str = "") -> Deferred[Sequence[Record]]:
        """Give all records of a kind whose key begins so, by key."""
        return self._records.scan(kind, prefix)

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Replace the record if its version is still `expected`; give the new version, or fail with Conflict."""
        self._kinds.add(kind)
        return self._records.write(kind, key, bytes(value), expected, expires)

    def remove(self, kind: str, key: str, expected: Version) -> Deferred[None]:
        """Remove the record if its version is still `expected`; else fail with Conflict."""
        return self._records.remove(kind, key, expected)

    def written(self, kind: str, since: Mark | None, limit: int) -> Deferred[Written]:
        """Give which records of a kind were written or removed since a mark."""
        return self._records.written(kind, since, limit)

    def append(self, journal: str, entry: bytes, at: float) -> Deferred[None]:
        """Add a line to a journal."""
        require_key("journal", journal)
        self._serial += 1
        self._journals.setdefault(journal, []).append(JournalEntry(self._serial, at, bytes(entry)))
        return succeed(None)

    def replay(self, journal: str, since: float, until: float, limit: int) -> Deferred[Sequence[JournalEntry]]:
        """Give the newest `limit` lines with `since` <= at < `until`, oldest first."""
        lines = [line for line in self._journals.get(journal, ()) if since <= line.at < until]
        lines.sort(key=lambda line: (line.at, line.serial))
        return succeed(tuple(lines[-limit:]) if limit else ())


@implementer(IRecords)
class MemoryRecords:
    """Call detail and audit that are gone with the process.

    Args:
        is_alive: Whether a node is not known dead.
    """

    def __init__(self, is_alive: Callable[[str], bool] = lambda node: False) -> None:
        self._is_alive = is_alive
        self._sessions: dict[str, SessionRecord] = {}
        self._conferences: dict[tuple[type, tuple[str, ...]], ConferenceRow] = {}
        self._audit: list[AuditRecord] = []

    def upsert(self, rows: Sequence[CallRecord]) -> Deferred[None]:
        """Insert or replace rows."""
        for row in map(_as_kept, rows):
            if isinstance(row, SessionRecord):
                self._sessions[row.session_id] = row
            else:
                self._conferences[type(row), row.key] = row
        return succeed(None)

    def sessions(
        self,
        user: str = "",
        since: float = 0.0,
        limit: int = 100,
        *,
        open_only: bool = False,
        until: float = ALWAYS,
    ) -> Deferred[Sequence[SessionRecord]]:
        """Give sessions, newest first; `user` is an address-of-record on either side."""
        found = [
            session
            for session in self._sessions.values()
            if since <= session.invited_at < until
            and (not user or user in (session.user1, session.user2))
            and not (open_only and session.ended_at is not None)
        ]
        found.sort(key=lambda session: (-session.invited_at, session.session_id))
        return succeed(tuple(found[:limit]))

    def close_open_sessions(self, at: float) -> Deferred[int]:
        """End every open session that a dead node left; give their number."""
        left = [one for one in self._sessions.values() if one.ended_at is None and not self._is_alive(one.node)]
        for session in left:
            self._sessions[session.session_id] = dataclasses.replace(
                session, ended_at=at, ended_by="server", end_reason="restart"
            )
        return succeed(len(left))

    def conferences(
        self, user: str = "", uri: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Deferred[Sequence[ConferenceRecord]]:
        """Give conferences, newest first: those a user organised or took part in, or of one URI."""
        joined = {
            row.instance for row in self._conferences.values() if isinstance(row, FocusJoinRecord) and row.user == user
        }
        found = [
            row
            for row in self._conferences.values()
            if isinstance(row, ConferenceRecord)
            and (not user or row.organizer == user or row.instance in joined)
            and (not uri or row.uri == uri)
            and not (open_only and row.ended_at is not None)
        ]
        return succeed(_newest(found, since, limit))

    def conference_sessions(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[ConferenceSessionRecord]]:
        """Give dialogs with focus and MCUs, newest first."""
        return succeed(_newest(self._of(ConferenceSessionRecord, user, instance), since, limit, until))

    def focus_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Deferred[Sequence[FocusJoinRecord]]:
        """Give stays in conferences, newest first."""
        return succeed(_newest(self._of(FocusJoinRecord, user, instance), since, limit, until))

    def mcu_joins(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[McuJoinRecord]]:
        """Give stays in media, newest first."""
        return succeed(_newest(self._of(McuJoinRecord, user, instance), since, limit))

    def message_counts(
        self, user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Deferred[Sequence[MessageCountRecord]]:
        """Give how many messages were sent by whom, the newest count first."""
        return succeed(_newest(self._of(MessageCountRecord, user, instance), since, limit))

    def close_open_conferences(self, at: float) -> Deferred[int]:
        """End conferences, dialogs and stays that a dead node left open; give their number."""
        closed = 0
        for name, row in self._conferences.items():
            ended = None if isinstance(row, MessageCountRecord) or self._is_alive(row.node) else _closed(row, at)
            if ended is not None:
                self._conferences[name] = ended
                closed += 1
        return succeed(closed)

    def _of(self, kind: type[InConference], user: str, instance: str) -> list[InConference]:
        rows = [row for row in self._conferences.values() if isinstance(row, kind)]
        return [row for row in rows if user in ("", row.user) and instance in ("", row.instance)]

    def audit(self, record: AuditRecord) -> Deferred[None]:
        """Append."""
        self._audit.append(_as_kept(record))
        return succeed(None)

    def audited(self, since: float = 0.0, limit: int = 100) -> Deferred[Sequence[AuditRecord]]:
        """Give audit rows, newest first."""
        found = sorted((row for row in reversed(self._audit) if row.at >= since), key=lambda row: -row.at)
        return succeed(tuple(found[:limit]))

    def purge(self, before: float) -> Deferred[int]:
        """Remove what ended before this time; give the number of rows."""
        old = [s.session_id for s in self._sessions.values() if s.ended_at is not None and s.ended_at < before]
        for session_id in old:
            del self._sessions[session_id]
        over = [
            name for name, row in self._conferences.items() if (ended := _ended(row)) is not None and ended < before
        ]
        for name in over:
            del self._conferences[name]
        return succeed(len(old) + len(over))


def _began(row: ConferenceRow) -> float:
    match row:
        case ConferenceRecord():
            return row.started_at
        case ConferenceSessionRecord():
            return row.invited_at
        case MessageCountRecord():
            return row.counted_at
        case _:
            return row.joined_at


def _ended(row: ConferenceRow) -> float | None:
    match row:
        case ConferenceRecord() | ConferenceSessionRecord():
            return row.ended_at
        case MessageCountRecord():
            return row.counted_at
        case _:
            return row.left_at


def _closed(row: ConferenceRow, at: float) -> ConferenceRow | None:
    """End a row that is open, as after a restart; None when it is over."""
    if _ended(row) is not None:
        return None
    match row:
        case ConferenceRecord():
            return dataclasses.replace(row, ended_at=at, end_reason="restart")
        case ConferenceSessionRecord():
            return dataclasses.replace(row, ended_at=at, end_reason="restart", ended_by_server=True)
        case FocusJoinRecord() | McuJoinRecord():
            return dataclasses.replace(row, left_at=at)
        case MessageCountRecord():
            return None
        case _:
            assert_never(row)


def _newest(rows: Sequence[OfConference], since: float, limit: int, until: float = ALWAYS) -> Sequence[OfConference]:
    found = sorted((row for row in rows if since <= _began(row) < until), key=lambda row: (-_began(row), row.key))
    return tuple(found[:limit])


R = TypeVar("R", bound=SessionRecord | AuditRecord | ConferenceRow)


def _as_kept(record: R) -> R:
    """Give a record as a database gives it back."""
    texts: dict[str, Any] = {  # Any: a field's own type
        name: storable(value) for name, value in dataclasses.asdict(record).items() if isinstance(value, str)
    }
    return dataclasses.replace(record, **texts)
