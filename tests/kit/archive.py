"""What an archive stands on, in memory: lines on a disk that may fail, stamps, and a folder for exports."""

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.archive import (
    Addition,
    ChainEnds,
    ChainPosition,
    EntryFilter,
    IExports,
    IGapFile,
    ILedger,
    IStamps,
    LedgerLine,
    Place,
)
from tests.kit.fakes import Fragility
from tests.kit.ledger import MemoryLedger


@implementer(ILedger)
class FragileLedger:
    """A ledger in memory on a fragile disk."""

    def __init__(self, inner: MemoryLedger, disk: Fragility) -> None:
        """Take what really keeps."""
        self._inner = inner
        self._disk = disk

    def ends(self) -> Deferred[ChainEnds | None]:
        """Give the two ends."""
        return self._disk.run(self._inner.ends)

    def begin_chain(self, start: ChainPosition, end: ChainPosition) -> Deferred[None]:
        """Begin a chain."""
        return self._disk.run_write(lambda: self._inner.begin_chain(start, end))

    def append(
        self, lines: Sequence[LedgerLine], places: Collection[Place], end: ChainPosition, expected: ChainPosition
    ) -> Deferred[None]:
        """Add lines."""
        return self._disk.run_write(lambda: self._inner.append(lines, places, end, expected))

    def append_behind(
        self, build: Callable[[ChainPosition], Addition | None], places: Collection[Place]
    ) -> Deferred[ChainPosition]:
        """Add lines behind the end."""
        return self._disk.run_write(lambda: self._inner.append_behind(build, places))

    def read_after(self, after: int, limit: int) -> Deferred[Sequence[LedgerLine]]:
        """Give lines."""
        return self._disk.run(lambda: self._inner.read_after(after, limit))

    def search(self, wanted: EntryFilter, limit: int, *, newest: bool = False) -> Deferred[Sequence[LedgerLine]]:
        """Give lines that are wanted."""
        return self._disk.run(lambda: self._inner.search(wanted, limit, newest=newest))

    def conversations(self, people: Collection[str], after: str, limit: int) -> Deferred[Sequence[str]]:
        """Give conversations of people."""
        return self._disk.run(lambda: self._inner.conversations(people, after, limit))

    def misplaced(self, places: Collection[Place]) -> Deferred[Collection[Place]]:
        """Give places that are missing."""
        return self._disk.run(lambda: self._inner.misplaced(places))

    def remove_until(self, start: ChainPosition, expected: ChainPosition) -> Deferred[None]:
        """Remove lines."""
        return self._disk.run_write(lambda: self._inner.remove_until(start, expected))


@implementer(IGapFile)
class MemoryGapFile:
    """What a gap file holds; `broken`: it cannot be written. `written` has all that it ever held, in order."""

    def __init__(self, content: bytes = b"") -> None:
        """Take what another start has left."""
        self.written = [content]
        self.broken = False

    async def read(self) -> bytes:
        """Give the newest."""
        return self.written[-1]

    async def write(self, content: bytes) -> None:
        """Replace it."""
        if self.broken:
            raise OSError("the disk is broken")
        self.written.append(content)


@implementer(IStamps)
class PlainStamps:
    """Stamps by a word that an intruder does not know."""

    def __init__(self, key: bytes = b"key") -> None:
        """Take the word."""
        self.key = key

    def stamp(self, text: bytes) -> bytes:
        """Put the word in front."""
        return self.key + b"|" + text

    def key_named(self) -> str:
        """Give a name."""
        return 'the key in "store.key" ([store] key_file)'


@implementer(IExports)
class MemoryExports:
    """Files by folder and name."""

    def __init__(self) -> None:
        """Begin with no folder."""
        self.folders: dict[str, dict[str, bytes]] = {}

    async def make_folder(self, name: str) -> str:
        """Make a folder."""
        if name in self.folders:
            raise ValueError(f'there is a "{name}" already')
        self.folders[name] = {}
        return f"/exports/{name}"

    async def write_file(self, name: str, file: str, content: bytes) -> None:
        """Write a file, or add to it."""
        folder = self.folders[name]
        folder[file] = folder.get(file, b"") + content
