"""What servers tell each other of boards: told, heard, and made good where the store was away."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from twisted.logger import Logger

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import AccessChanged, BoardChanged, NodeLost
from lyncpy.contracts.names import Aor, Epid, NodeName, Version
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import NONE_YET, Decision, Entry, VersionedTable
from lyncpy.workloads.presence.board_cache import BoardCache, RestingBoard
from lyncpy.workloads.presence.board_form import BoardState
from lyncpy.workloads.presence.model.board import Board, BoardDelta, compare

AGAIN_S: Final = 30.0
"""Seconds after which what failed, because the store did, is tried again."""

LOOKED_AT: Final = 500
"""Boards that are looked at in one turn of the reactor."""

WRITTEN_EACH_SECOND: Final = 1000
"""Boards that are written again when all volatile records were lost; other writes go between them."""

_NOTHING: Final = BoardDelta()


class BoardNews(NamedTuple):
    """A changed board, how it differs from the one before, and the endpoint that asked for it."""

    board: Board
    changes: BoardDelta
    by: Epid | None


class BoardTelling:
    """Tells changes of boards: all servers of what was changed here, and this one of what was changed elsewhere.

    Args:
        node: This process.
        bus: Where they are told.
        kept: The boards in memory.
    """

    def __init__(self, node: NodeName, bus: IBus, kept: Mapping[Aor, Entry[BoardState]]) -> None:
        self.node: Final = node
        self._bus = bus
        self._kept = kept
        self.serial = 0
        """The number of changes that were told so far; whatever is on a board now came with one of them."""

    def tell(self, news: BoardNews) -> None:
        """Tell of a change that was made here; others only if they can read it, for each makes the rest by itself."""
        if news.changes.durable or news.changes.volatile:
            self._bus.tell(self._fact(news))
        else:
            self._bus.tell_here(self._fact(news))
        if news.changes.members:
            self._bus.tell_here(AccessChanged(news.board.aor))

    def tell_read(self, before: BoardState, after: BoardState, by: Epid | None = None) -> None:
        """Tell this server of a change that another one has made, and told the others.

        Args:
            before: The board as it was known here.
            after: The board now.
            by: The endpoint that has published; None: it is not known, or others may have, too.
        """
        changes = compare(before.board, after.board)
        if changes == _NOTHING:
            return
        # One that is at this server has not heard of what others have changed meanwhile.
        by = None if by is None or after.homes.get(by) == self.node else by
        self._bus.tell_here(self._fact(BoardNews(after.board, changes, by)))
        if changes.members:
            self._bus.tell_here(AccessChanged(after.board.aor))

    def tell_all(self, board: Board, places: frozenset[tuple[str, int]]) -> None:
        """Tell this server that anything may be new on a board, and in these places that had something on it."""
        shown = places | board.places.keys()
        touched = frozenset(category for category, _ in shown)
        self._bus.tell_here(self._fact(BoardNews(board, BoardDelta(touched, shown), None)))

    def note(self, aor: Aor, words: Callable[[], str]) -> None:
        """Tell whoever traces a user what became of a change of theirs, here."""
        self._bus.note(words, aor)

    def numbered(self, fact: BoardChanged) -> BoardChanged:
        """Give what another server has told of a board that is not in memory, with a number among the changes told here."""
        self.serial += 1
        if fact.members:
            self._bus.tell_here(AccessChanged(fact.aor))
        return replace(fact, serial=self.serial)

    def _fact(self, news: BoardNews) -> BoardChanged:
        self.serial += 1
        board, now, by = news
        entry = self._kept.get(board.aor)
        return BoardChanged(
            board.aor, board.version, now.touched, by, now.shown, now.furnished, now.members, now.subscribers,
            now.delegates, self.serial, self.node, *((entry.version, entry.volatile) if entry else ()),
        )  # fmt: skip


class BoardChanges(Protocol):
    """What is changed on boards that others have changed, or left; whoever asks for a change holds the board."""

    async def read(self, aor: Aor) -> Board:
        """Give a user's board, from the store if need be."""

    async def privatise_if_asked(self, aor: Aor) -> None:
        """Apply the user's contact list, as far as it makes a difference."""

    async def take_off(self, aor: Aor, epid: Epid, *, last: bool) -> None:
        """Remove what an endpoint has published, and with the last one what ends with it."""

    async def reprivate(self, aor: Aor) -> None:
        """Apply the user's contact list anew; nobody holds the board."""


class BoardMending:
    """Has boards in memory be what their records say, and the records what the boards say, once the store is there again.

    Args:
        table: The boards.
        kept: Those in memory.
        timers: The clock.
        telling: Tells what could not be told before it was written.
        changes: Makes them.
    """

    log = Logger()

    def __init__(
        self,
        table: VersionedTable[Aor, BoardState],
        kept: Mapping[Aor, Entry[BoardState]],
        timers: ITimers,
        telling: BoardTelling,
        changes: BoardChanges,
    ) -> None:
        self._table = table
        self._kept = kept
        self._timers = timers
        self._telling = telling
        self._changes = changes
        self._behind: Deadlines[Aor] = Deadlines(timers, self._mend)

    def heard(self, fact: BoardChanged) -> bool:
        """Read a board again that another server has changed, if it is in memory, or about to be; tell whether it is."""
        is_here = fact.aor in self._kept or self._table.is_held(fact.aor)
        if is_here:
            spawn(self._read_again(fact), self.log, "reading a board that another server has changed")
        return is_here

    async def renew(self, aor: Aor) -> None:
        """Read a board again of which another server has told nothing; raises StoreUnavailable."""
        async with self._table.hold(aor, must=True):
            if await self._table.refresh(aor):
                await self._changes.privatise_if_asked(aor)

    async def found(self, aor: Aor, places: frozenset[tuple[str, int]]) -> None:
        """Read a watched board that is not in memory, and has changed unheard; raises StoreUnavailable.

        Args:
            aor: Its user's address.
            places: Category and container of what was on it before, as far as is known.
        """
        self._telling.tell_all(await self._changes.read(aor), places)

    def lost(self) -> None:
        """Write all volatile records again: there are none any more."""
        self._table.lost(tuple(self._kept))
        # Each server writes what it has: the first one of them all of a board, the others what the first did not have.
        for number, aor in enumerate(self._behind.keys()):
            self._behind.set(aor, number / WRITTEN_EACH_SECOND)

    async def node_lost(self, fact: NodeLost) -> None:
        """Take off all boards in memory what was published at a node that is dead; all others do, and who writes first is enough."""
        slices = Slices(self._timers, LOOKED_AT)
        for aor, entry in tuple(self._kept.items()):
            await slices.spend()
            if fact.node in entry.value.homes.values():
                spawn(self._take_off(aor, fact.node), self.log, "taking what a dead node has published off a board")

    def tidy(self, aor: Aor) -> None:
        """Write the volatile record of a board again, from which something was left out when it was read."""
        spawn(self._tidy(aor), self.log, "writing a board without what dead nodes have published")

    def late(self, aor: Aor) -> None:
        """Note that a board differs from its records, as far as is known."""
        self._behind.set_first(aor, AGAIN_S)

    def later(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:  # Any: a coroutine's own
        """Do something that could not be done, when the store may be there again."""
        self._timers.later(AGAIN_S, lambda: spawn(work(), self.log, name))

    def close(self) -> None:
        """Clear all deadlines."""
        self._behind.clear_all()

    async def _read_again(self, fact: BoardChanged) -> None:
        aor = fact.aor
        async with self._table.hold(aor, must=True):
            try:
                tell = partial(self._telling.tell_read, by=fact.by)
                if await self._table.refresh(aor, (fact.record, fact.volatile), tell):
                    await self._changes.privatise_if_asked(aor)
            except StoreUnavailable:
                self.late(aor)

    async def _take_off(self, aor: Aor, node: NodeName) -> None:
        async with self._table.hold(aor, must=True):
            state = self._table.peek(aor)
            homes = {} if state is None else state.homes
            is_last = all(home == node for home in homes.values())
            for epid in [epid for epid, home in homes.items() if home == node]:
                await self._changes.take_off(aor, epid, last=is_last)

    async def _tidy(self, aor: Aor) -> None:
        def written(state: BoardState) -> Decision[BoardState, None]:
            news = BoardNews(state.board, BoardDelta(volatile=True), None)
            return Decision(None, replace(state), is_durable=False, is_volatile=True, news=(news,))

        async with self._table.hold(aor, must=True):
            if self._table.peek(aor) is not None:
                await self._table.change(aor, written)

    def _mend(self, aor: Aor) -> None:
        spawn(self._mended(aor), self.log, "comparing a board with its records")

    async def _mended(self, aor: Aor) -> None:
        """Write what could not be written, and read what could not be read."""
        async with self._table.hold(aor, must=True):
            written = await self._table.rewrite(aor)
            try:
                await self._table.refresh(aor)
            except StoreUnavailable:
                self.late(aor)
                return
            state = self._table.peek(aor)
            if written and state is not None:
                self._telling.tell(BoardNews(state.board, BoardDelta(volatile=True), None))
            await self._changes.privatise_if_asked(aor)


class ListsApplied:
    """The contact lists by which boards in memory are shown, for the sweep of lists: a board says not which one it was made with.

    Args:
        owners: Gives whose list is under which address.
        kept: The boards in memory.
        asks: Tells whether its user's list makes a difference to a board.
        changes: Applies lists.
    """

    def __init__(
        self,
        owners: IOwners,
        kept: Mapping[Aor, Entry[BoardState]],
        asks: Callable[[Board], bool],
        changes: BoardChanges,
    ) -> None:
        self._owners = owners
        self._kept = kept
        self._asks = asks
        self._changes = changes

    def held(self) -> Iterable[str]:
        """Give the records of lists that make a difference."""
        return [entry.record for entry in self._kept.values() if entry.record and self._asks(entry.value.board)]

    def version_of(self, key: str) -> Version | None:
        """Give 0 for a list that is applied whenever it was written; None: nobody here cares."""
        aor = self._owners.address(OwnerId(key))
        entry = None if aor is None else self._kept.get(aor)
        return NONE_YET if entry is not None and self._asks(entry.value.board) else None

    async def renew(self, key: str) -> None:
        """Apply a list anew, and tell whoever sees more or less by it."""
        aor = self._owners.address(OwnerId(key))
        if aor is not None:
            await self._changes.reprivate(aor)


class WatchedAddresses(Protocol):
    """The addresses that have a watcher."""

    def __iter__(self) -> Iterator[Aor]: ...

    def __contains__(self, aor: object, /) -> bool: ...


class BoardsHeld:
    """The boards that are in memory, or watched, for the sweep of one of the two records that each has.

    Args:
        owners: Gives whose board is under which address.
        memory: The boards in memory, and what is known of others.
        watched: The addresses that have a watcher.
        version: Gives that of the record.
        mending: Reads boards.
    """

    def __init__(
        self,
        owners: IOwners,
        memory: BoardCache,
        watched: WatchedAddresses,
        version: Callable[[Entry[BoardState] | RestingBoard], Version],
        mending: BoardMending,
    ) -> None:
        self._owners = owners
        self._memory = memory
        self._watched = watched
        self._version = version
        self._mending = mending

    def held(self) -> Iterable[str]:
        """Give the records of boards that are in memory, or watched."""
        kept = self._memory.kept
        resting = [self._owners.owner(aor) for aor in self._watched if aor not in kept]
        return filter(None, [*(entry.record for entry in kept.values()), *resting])

    def version_of(self, key: str) -> Version | None:
        """Give the version of a record as it was read last; 0: of a watched board of which that is not known; None: of no other."""
        aor = self._owners.address(OwnerId(key))
        if aor is None:
            return None
        known = self._memory.kept.get(aor) or (self._memory.resting.get(aor) if aor in self._watched else None)
        if known is None:
            return NONE_YET if aor in self._watched else None
        return None if known.record != key else self._version(known)

    async def renew(self, key: str) -> None:
        """Read a board again, and tell its watchers."""
        aor = self._owners.address(OwnerId(key))
        if aor is None:
            return
        if aor in self._memory.kept:
            await self._mending.renew(aor)
        elif aor in self._watched:
            resting = self._memory.resting.get(aor)
            await self._mending.found(aor, resting.places if resting is not None else frozenset())
