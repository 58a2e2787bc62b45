"""The boards in memory."""

from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Final, NamedTuple

from lyncpy.contracts.bus import Interest
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.versioned import Entry
from lyncpy.workloads.presence.board_form import BoardState
from lyncpy.workloads.presence.model.board import Board, deadline
from lyncpy.workloads.presence.model.tables import ExpiryCause

_SEARCHED: Final = 64
"""Boards that are searched for one to remove; more would make every read of the store slow when nobody is signed out."""


class RestingBoard(NamedTuple):
    """What is known of a watched board that has left the memory."""

    record: str
    version: Version
    volatile: Version
    """Key of its records, and their versions when it left."""

    places: frozenset[tuple[str, int]]
    """Category and container of all that was on it."""


class BoardCache:
    """The boards in memory, by the address of their owner, each with its next deadline."""

    def __init__(
        self, owners: IOwners, most: int, timers: ITimers, due: Callable[[Aor], None], watched: Container[Aor]
    ) -> None:
        """Create an empty cache.

        Args:
            owners: Gives the owner of an address.
            most: Boards in memory; of more, those of people who are signed out are let go.
            timers: The clock.
            due: Is called with the address of a board whose deadline is reached.
            watched: The addresses that have a watcher.
        """
        self._owners = owners
        self._most = most
        self._timers = timers
        self._watched = watched
        self.deadlines: Deadlines[Aor] = Deadlines(timers, due)
        self.kept: dict[Aor, Entry[BoardState]] = {}
        self.resting: dict[Aor, RestingBoard] = {}
        """Watched boards that have left the memory lately; of another one nothing is known but that it is watched."""

        self.left: dict[Aor, frozenset[tuple[str, int]]] = {}
        """Category and container of all that watchers were shown under an address, until they see its present owner."""

        self.shown: Final = Interest()
        """Whose boards are in memory."""

    def boards(self, keys: Iterable[Aor]) -> dict[Aor, Board | None]:
        """Give the boards of the present owners of many addresses; None: one is not in memory."""
        found, owner = {key: self.kept.get(key) for key in keys}, self._owners.owner
        return {one: kept.value.board if kept and kept.record == owner(one) else None for one, kept in found.items()}

    def get(self, key: Aor) -> Entry[BoardState] | None:
        """Give the board of the present owner of an address, if it is in memory."""
        kept = self.kept.get(key)
        return kept if kept is not None and kept.record == self._owners.owner(key) else None

    def put(self, key: Aor, entry: Entry[BoardState]) -> None:
        """Put a board into memory as the last one used; that of an earlier owner of the address is discarded."""
        if self.get(key) is None:
            self.discard(key)
            self.shown.add(key)
        self.kept.pop(key, None)
        self.resting.pop(key, None)
        self.kept[key] = entry
        self.set_deadline(key)

    def set_deadline(self, key: Aor) -> None:
        """Set the deadline to the next time at which the board changes by itself."""
        now = self._timers.wall()
        at = deadline(self.kept[key].value.board, now)
        self.deadlines.set(key, None if at is None else max(at - now, 0.0))

    def discard(self, key: Aor) -> None:
        """Remove a board from memory, and note which parts of it watchers were shown."""
        self.deadlines.clear(key)
        kept = self.kept.pop(key, None)
        if kept is not None:
            self.shown.discard(key)
            self.left[key] = self.left.get(key, frozenset()) | kept.value.board.places.keys()

    def let_go(self) -> None:
        """Remove the board that was used longest ago, if there are too many."""
        for aor in tuple(islice(self.kept, _SEARCHED)) if len(self.kept) > self._most else ():
            kept = self.kept.pop(aor)
            if aor not in self.deadlines and _is_idle(kept.value.board):
                self.shown.discard(aor)
                self._rest(aor, kept)
                return
            self.kept[aor] = kept

    def _rest(self, aor: Aor, kept: Entry[BoardState]) -> None:
        if aor in self._watched:
            if len(self.resting) >= self._most:
                del self.resting[next(iter(self.resting))]
            places = frozenset(kept.value.board.places)
            self.resting[aor] = RestingBoard(kept.record, kept.version, kept.volatile, places)


def _is_idle(board: Board) -> bool:
    """Tell whether everything on a board can be read from the store again."""
    return not any(not one.made and ExpiryCause.LAST in one.endings for one in board.instances.values())
