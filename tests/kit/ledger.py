"""ILedger in memory: the promise that a database keeps, until the process ends."""

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from lyncpy.contracts.archive import Addition, ChainEnds, ChainPosition, EntryFilter, ILedger, LedgerLine, Place
from lyncpy.contracts.store import Conflict


@implementer(ILedger)
class MemoryLedger:
    """Lines by serial.

    Attributes:
        lines: What a test may spoil, as somebody may who can write to a database.
        places: The index.
        start, end: The marks.
    """

    def __init__(self) -> None:
        self.lines: dict[int, LedgerLine] = {}
        self.places: set[Place] = set()
        self.start: ChainPosition | None = None
        self.end: ChainPosition | None = None

    def ends(self) -> Deferred[ChainEnds | None]:
        """Give the two ends."""
        if self.start is None or self.end is None:
            return succeed(None)
        return succeed(ChainEnds(self.start, self.end, max(self.lines, default=0)))

    def begin_chain(self, start: ChainPosition, end: ChainPosition) -> Deferred[None]:
        """Begin an empty chain with these ends."""
        if self.start is not None or self.end is not None:
            return fail(Conflict("the archive has begun already"))
        self.start, self.end = start, end
        return succeed(None)

    def append(
        self, lines: Sequence[LedgerLine], places: Collection[Place], end: ChainPosition, expected: ChainPosition
    ) -> Deferred[None]:
        """Add lines and their places in the index, and move the end."""
        is_there = bool(lines) and max(self.lines, default=0) >= lines[0].serial
        if is_there or not _is_same(self.end, expected):
            return fail(Conflict("the end of the archive is another"))
        self.lines.update({line.serial: line for line in lines})
        self.places.update(places)
        self.end = end
        return succeed(None)

    def append_behind(
        self, build: Callable[[ChainPosition], Addition | None], places: Collection[Place]
    ) -> Deferred[ChainPosition]:
        """Add lines behind the end, wherever that is."""
        if self.end is None:
            return fail(Conflict("the archive has not begun"))
        added = build(self.end)
        if added is None:
            return fail(Conflict("nothing was to be written"))
        return self.append(added.lines, places, added.end, self.end).addCallback(lambda _: added.end)

    def read_after(self, after: int, limit: int) -> Deferred[Sequence[LedgerLine]]:
        """Give the first lines behind this serial, in order."""
        return self.search(EntryFilter(after=after, since=float("-inf"), until=float("inf")), limit)

    def search(self, wanted: EntryFilter, limit: int, *, newest: bool = False) -> Deferred[Sequence[LedgerLine]]:
        """Give the first lines that are wanted, in order; with `newest` the last ones, the last first."""
        found = [
            self.lines[serial]
            for serial in sorted(self.lines, reverse=newest)
            if wanted.after < serial < wanted.before
            and wanted.since <= self.lines[serial].at < wanted.until
            and wanted.conversation in ("", self.lines[serial].conversation)
            and (
                not wanted.people or any((one, self.lines[serial].conversation) in self.places for one in wanted.people)
            )
        ]
        return succeed(tuple(found[:limit]))

    def conversations(self, people: Collection[str], after: str, limit: int) -> Deferred[Sequence[str]]:
        """Give index names of conversations that one of these took part in, each once, in order, behind this one."""
        return succeed(tuple(sorted({c for p, c in self.places if p in people and c > after})[:limit]))

    def misplaced(self, places: Collection[Place]) -> Deferred[Collection[Place]]:
        """Give those of these places that the index lacks."""
        return succeed(frozenset(places) - self.places)

    def remove_until(self, start: ChainPosition, expected: ChainPosition) -> Deferred[None]:
        """Remove lines up to this mark, and the places of conversations that have none left, and move the start."""
        if not _is_same(self.start, expected):
            return fail(Conflict("the start of the archive is another"))
        touched = {line.conversation for serial, line in self.lines.items() if serial <= start.serial}
        self.lines = {serial: line for serial, line in self.lines.items() if serial > start.serial}
        gone = touched - {line.conversation for line in self.lines.values()}
        self.places = {place for place in self.places if place[1] not in gone}
        self.start = start
        return succeed(None)


def _is_same(mark: ChainPosition | None, expected: ChainPosition) -> bool:
    return mark is not None and (mark.serial, mark.digest) == (expected.serial, expected.digest)
