"""Versioned records, durable or volatile, and journals."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from zope.interface import Interface

from lyncpy.contracts.names import Version

REMOVED_S: Final = 3600.0
"""For how long it is told that a record was removed; whoever has not asked for longer reads all anew."""


class Conflict(Exception):
    """Another writer was first; read again and decide again."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored value."""

    key: str
    value: bytes
    version: Version
    expires: float | None = None
    """Wall-clock seconds since the epoch, or None: kept until removed."""


class Mark(NamedTuple):
    """How far what was written was looked through: up to a change, and of those that it has with others to a key."""

    change: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written since a mark."""

    mark: Mark
    """Where to go on; it means nothing in another store, nor for another kind."""

    versions: Sequence[tuple[str, Version]] = ()
    """Key and version of each record, the newest alone, oldest change first; 0: it is not there any more."""

    is_all: bool = True
    """Whether there was nothing more by then."""

    following: int = 0
    """Above the mark's change: what was written up to there cannot be told yet, for something older is still being written."""

    is_known: bool = True
    """Whether it is known at all: not, where the mark is of a store that was there before. Then anything may be new."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of a journal."""

    serial: int
    at: float
    """Wall-clock seconds since the epoch."""

    entry: bytes


class IRecordStore(Interface):
    """Versioned records: keys are text, values bytes. What is written in one process is read in all.

    Every method may raise StoreUnavailable; then nothing was written, unless the connection to the store was lost, or it said
    nothing for too long, while it was making a write durable: nobody knows of that one before it is read again. Who tries once
    more with the version of before is told Conflict if it was written. Methods may be called from the reactor's thread only and
    never block it. Writes are done in calling order.
    """

    def read(kind: str, key: str) -> Awaitable[Record | None]:
        """Read one record; None if there is none, or it has expired."""

    def scan(kind: str, prefix: str = "") -> Awaitable[Sequence[Record]]:
        """Give all records of a kind whose key begins so, by key."""

    def write(kind: str, key: str, value: bytes, expected: Version, expires: float | None = None) -> Awaitable[Version]:
        """Replace the record if its version is still `expected` (0: there is none); give the new version.

        Versions of a key grow by one and never repeat, also across a removal.

        Raises:
            Conflict: It is not; nothing was written.
        """

    def remove(kind: str, key: str, expected: Version) -> Awaitable[None]:
        """Remove the record if its version is still `expected`; else raise Conflict. None there and 0 expected: nothing happens."""

    def written(kind: str, since: Mark | None, limit: int) -> Awaitable[Written]:
        """Give which records of a kind were written or removed since a mark, in any process; None: give the mark of now.

        What was removed is known for `REMOVED_S`, what has expired is not told. What is written while this is under way
        may come with the next call; nothing is ever left out.
        """


class IStore(IRecordStore):
    """What is durable, in two shapes and no more: versioned records, and journals.

    What a method has answered is durable: it survives `kill -9` and a power cut. A kind's first key begins at version 1.
    """

    def append(journal: str, entry: bytes, at: float) -> Awaitable[None]:
        """Add a line to a journal."""

    def replay(journal: str, since: float, until: float, limit: int) -> Awaitable[Sequence[JournalEntry]]:
        """Give the newest `limit` lines with `since` <= at < `until`, oldest first."""


class IVolatileStore(IRecordStore):
    """Records that are lost with the deployment, and not with one of its processes: who is signed in, and what their devices say.

    A version is also not given again after a loss: what was decided before it is not written after it.
    """

    def write(
        kind: str, key: str, value: bytes | Callable[[], bytes], expected: Version, expires: float | None = None
    ) -> Awaitable[Version]:
        """Replace the record as every store does.

        Args:
            kind: Of the record.
            key: Its own.
            value: The bytes, or what makes them: always the same ones, however late. Where no other process can
                read them, it may never be asked.
            expected: The version that the record is to have; 0: none.
            expires: As `Record.expires`.
        """

    def on_loss(hear: Callable[[], None]) -> None:
        """Call `hear` each time that all records were lost, before any answer of the store that has lost them.

        Whoever has what a record said writes it again, as one that is not there.
        """


class IBothRecords(Interface):
    """The durable and the volatile record of one kind and key together, where one database has both."""

    def read_both(kind: str, key: str) -> Awaitable[tuple[Record | None, Record | None]]:
        """Read the durable record of a kind and key, and then the volatile one, as both are at one moment."""

    def write_both(
        kind: str,
        key: str,
        value: bytes | Callable[[], bytes],
        expected: Version,
        durable: bytes,
        durable_expected: Version,
    ) -> Awaitable[tuple[Version, Version]]:
        """Replace a record and the durable one of the same kind and key, both or none; give the new versions of both.

        To be called for records that are there.

        Raises:
            Conflict: One of them has another version; nothing was written.
        """


def both_of(store: IVolatileStore) -> IBothRecords | None:
    """Give a store of volatile records as one that has the durable ones too; None: it has not."""
    return store if IBothRecords.providedBy(store) else None
