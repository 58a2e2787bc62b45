"""The table of boards: memory first, the store behind, one writer of a board at a time.

A board is in memory from the first time that it is asked for. Boards of people who
are signed out leave it when there are too many.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from twisted.logger import Logger

from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.facts import AccessChanged, BoardChanged, EndpointGone, PersonChanged
from lyncpy.contracts.names import Aor, Epid, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Refused, StoreUnavailable, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.platform import Platform
from lyncpy.core.slices import next_turn
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import Decision, Entry, VersionedTable
from lyncpy.workloads.presence.bodies.board_record import read_named, write_record
from lyncpy.workloads.presence.model.board import (
    Board,
    BoardDelta,
    Outcome,
    Published,
    StaleVersions,
    ahead_s,
    carry,
    deadline,
    expire,
    leave,
    publish,
    publish_directory_facts,
)
from lyncpy.workloads.presence.model.levels import again, privatise, still_shown
from lyncpy.workloads.presence.model.naming import BoardNames, is_concerned, noted, readdress
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import directory_publications
from lyncpy.workloads.presence.model.tables import ExpiryCause, InstanceKey, Publication

_KIND: Final = "board"
_SEARCHED: Final = 64
"""Boards that are searched for one to remove; more would make every read of the store slow when nobody is signed out."""

_LOOKED_AT: Final = 500
"""Boards that are searched for changed addresses in one turn of the reactor."""

_AGAIN_S: Final = 30.0
"""Seconds after which what failed, because the store did, is tried again."""

_REFUSED_BOUND: Final = 10_000
"""Endpoints whose last publication was stale; one that is forgotten only gets another fault."""

_STEP_LEAST_S: Final = 1.0
"""A wall clock that is set by less is one that NTP keeps right: the boards' times stay as they are."""

STEPPED_AT_ONCE: Final = 200
"""Boards whose deadlines are set anew in one turn of the reactor."""

Decide = Callable[[Board, float], Outcome]
"""Board and wall-clock seconds → the outcome of a change. Pure; called again when another writer was first."""


class _Change(NamedTuple):
    """A changed board, how it differs from the one before, and the endpoint that asked for it."""

    board: Board
    changes: BoardDelta
    by: Epid | None


@dataclass(frozen=True, slots=True)
class BoardState:
    """A board, with what belongs to it beside its content."""

    board: Board
    names: BoardNames = field(default_factory=BoardNames)
    last_active: float | None = None
    """When the user was last active, as the store has it (wall-clock seconds)."""

    stepped: float = 0.0
    """By how many seconds the wall clock had been set since the start, when the board's times were right."""


class ClockSteps:
    """Keeps lifetimes and the order of publications as they were when the wall clock is set.

    A board is adjusted when it is changed next. One with a deadline is looked at soon after the step,
    because its deadline was computed by the clock as it was.

    Args:
        timers: The clocks; they tell of steps.
        with_deadline: Gives the addresses whose boards have a deadline.
        due: Is called with each of these addresses, to look at the board anew.
    """

    def __init__(self, timers: ITimers, with_deadline: Callable[[], Iterable[Aor]], due: Callable[[Aor], None]) -> None:
        self._timers = timers
        self._with_deadline = with_deadline
        self._due = due
        self._began = timers.steady()
        self._waiting: deque[Aor] = deque()
        timers.on_step(self._on_step)

    def stepped(self) -> float:
        """Give the seconds by which the wall clock has been set since the start; board times are kept with it."""
        return self._timers.wall() - self._timers.steady()

    def set_by(self, stepped: float) -> float:
        """Give the seconds by which the clock was set since a board's times were right; 0 for what NTP does.

        Args:
            stepped: What `stepped` gave then.
        """
        by_s = self.stepped() - stepped
        return by_s if abs(by_s) >= _STEP_LEAST_S else 0.0

    def as_read(self, board: Board) -> Board:
        """Give a board from the store; the times of one that was written before the clock was set back are moved.

        Its newest publication then counts as of the start of this process: nothing lives for longer than was granted.
        """
        if ahead_s(board, self._timers.wall()) <= 0:
            return board
        return carry(board, -ahead_s(board, self._began + self.stepped()))

    def _on_step(self, _: float) -> None:
        idle = not self._waiting
        self._waiting.extend(self._with_deadline())
        if idle:
            self._some()

    def _some(self) -> None:
        for _ in range(min(STEPPED_AT_ONCE, len(self._waiting))):
            self._due(self._waiting.popleft())
        if self._waiting:
            self._timers.later(0.0, self._some)


class _BoardCache:
    """The boards in memory, by the address of their owner, each with its next deadline."""

    def __init__(self, owners: IOwners, most: int, timers: ITimers, due: Callable[[Aor], None]) -> None:
        """Create an empty cache.

        Args:
            owners: Gives the owner of an address.
            most: Boards in memory; of more, those of people who are signed out are let go.
            timers: The clock.
            due: Is called with the address of a board whose deadline is reached.
        """
        self._owners = owners
        self._most = most
        self._timers = timers
        self.deadlines: Deadlines[Aor] = Deadlines(timers, due)
        self.kept: dict[Aor, Entry[BoardState]] = {}
        self.left: dict[Aor, frozenset[tuple[str, int]]] = {}
        """Category and container of all that watchers were shown under an address, until they see its present owner."""

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
        self.kept.pop(key, None)
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
            self.left[key] = self.left.get(key, frozenset()) | kept.value.board.places.keys()

    def let_go(self) -> None:
        """Remove the board that was used longest ago, if there are too many."""
        for aor in tuple(self.kept)[:_SEARCHED] if len(self.kept) > self._most else ():
            kept = self.kept.pop(aor)
            if aor not in self.deadlines and _is_idle(kept.value.board):
                return
            self.kept[aor] = kept


def _is_idle(board: Board) -> bool:
    """Tell whether everything on a board can be read from the store again."""
    return not any(not one.made and ExpiryCause.LAST in one.endings for one in board.instances.values())


class _Form:
    """The form of boards in the store."""

    def __init__(self, owners: IOwners, steps: ClockSteps, timers: ITimers) -> None:
        self._owners = owners
        self._steps = steps
        self._timers = timers

    def record_key(self, key: Aor) -> str:
        """Give the key of a board's record: the owner of the address."""
        return self._owners.owner(key)

    def unpack(self, key: Aor, value: bytes | None) -> BoardState:
        """Read a board as it is now: with the present addresses of people, and without what has expired."""
        stepped = self._steps.stepped()
        if value is None:
            return BoardState(Board(key), stepped=stepped)
        board, names = read_named(key, value, self._owners)
        now = self._timers.wall()
        published, names = readdress(self._steps.as_read(board), names.since(now), self._owners, now)
        board = again(expire(published.board, now).board, now)
        return BoardState(board, names, board.last_active, stepped)

    def pack(self, value: BoardState) -> bytes:
        """Write the durable part of a board."""
        return write_record(value.board, value.names)

    def merged(self, mine: BoardState, theirs: BoardState) -> BoardState:
        """Give the board that another process has written, with what endpoints of this process have published."""
        here = self.carried(mine).board
        endpoints = {key: one for key, one in here.instances.items() if not one.is_durable}
        durable = {key: one for key, one in theirs.board.instances.items() if one.is_durable}
        board = replace(
            theirs.board,
            version=max(here.version, theirs.board.version),
            instances={**endpoints, **durable},
            last_active=here.last_active,
            private_to=here.private_to,
        )
        return replace(theirs, board=board)

    def carried(self, state: BoardState) -> BoardState:
        """Give a state with the times of the board adjusted, if the wall clock was set since they were right."""
        by_s = self._steps.set_by(state.stepped)
        if not by_s:
            return state
        return BoardState(carry(state.board, by_s), state.names.carried(by_s), state.last_active, state.stepped + by_s)

    def noted(self, state: BoardState, board: Board) -> BoardNames:
        """Give the owners of the addresses on a changed board."""
        before = state.board
        if (
            board.containers is before.containers
            and board.subscribers is before.subscribers
            and board.delegates is before.delegates
        ):
            return state.names
        return noted(state.names, board, self._owners)


class BoardTable:
    """All boards of this process. Their changes are told on the bus once they are durable."""

    log = Logger()

    def __init__(
        self,
        platform: Platform,
        contacts: IContacts,
        watched: Container[Aor],
        quotas: Quotas,
        *,
        in_memory: int,
    ) -> None:
        """Create the table with no board in memory.

        Args:
            platform: The server's; boards are kept in its store, and changes are told on its bus.
            contacts: Everybody's contact lists.
            watched: The addresses that have a watcher.
            quotas: The bounds of one board.
            in_memory: Boards that are held in memory; of more, those of people who are signed out are let go.
        """
        timers = platform.timers
        self._bus = platform.bus
        self.serial = 0
        """The number of changes that were told so far; whatever is on a board now came with one of them."""

        self._people = platform.people
        self._contacts = contacts
        self._watched = watched
        self._policies = platform.policies
        self._quotas = quotas
        self._timers = timers
        self._owners = platform.owners
        self._refused: dict[tuple[Aor, Epid], Mapping[InstanceKey | int, int]] = {}
        """Endpoint → the stale versions for which its last publication was refused."""

        self._privacy_retries: Deadlines[Aor] = Deadlines(timers, self._privacy_due)
        self._memory = memory = _BoardCache(self._owners, in_memory, timers, self._due)
        self.peek_all: Final = memory.boards
        self._form = _Form(self._owners, ClockSteps(timers, memory.deadlines.keys, self._due), timers)
        self._table: VersionedTable[Aor, BoardState] = VersionedTable(
            _KIND,
            self._form,
            memory,
            store=platform.store,
            writers=platform.writers,
            tell=self._tell,
            complete=self._completed,
        )

    def __len__(self) -> int:
        return len(self._memory.kept)

    def peek(self, aor: Aor) -> Board | None:
        """Give a board that is in memory; None: it is not."""
        state = self._table.peek(aor)
        return None if state is None else state.board

    async def read(self, aor: Aor) -> Board:
        """Give a user's board, an empty one for a user who never published. To be asked for existing people only."""
        board = self.peek(aor)
        if board is None:
            async with self._table.hold(aor):
                board = (await self._load(aor)).board
        return board

    async def latest(self, aor: Aor) -> Board:
        """Give a user's board as it is when this returns, whatever changed it meanwhile."""
        board = self.peek(aor)
        while board is None:
            serial = self.serial
            found = await self.read(aor)
            board = self.peek(aor) or (found if self.serial == serial else None)
        return board

    async def change(self, aor: Aor, decide: Decide, by: Epid | None = None) -> Outcome:
        """Change a board: decide, write the durable part, keep it in memory, tell the change.

        Args:
            aor: The address of the board's user.
            decide: Gives the outcome for a board.
            by: The endpoint that asks for the change; None: no endpoint does.

        Raises:
            Refused: 503, when other writers were first three times, or too many wait.
            StoreUnavailable: Nothing was changed.
        """
        async with self._table.hold(aor):
            return await self._changed(aor, decide, by)

    async def publish(
        self, aor: Aor, publications: Sequence[Publication], by: Epid, admit: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Change a board by the publications of one of its user's endpoints.

        The stale versions of a refused publication are remembered until the endpoint publishes again: see
        `model.board.publish`.

        Args:
            aor: The address of the board's user.
            publications: In document order.
            by: The publishing endpoint.
            admit: Raises `Refused` for an endpoint that is not signed in. It is called while nobody else changes
                the board, so the end of an endpoint that it has found signed in comes after the change.

        Raises:
            Refused: By `admit`; and as `change`.
            StoreUnavailable: Nothing was changed.
        """
        refused = self._refused.pop((aor, by), None)
        async with self._table.hold(aor):
            await admit()
            outcome = await self._changed(
                aor, lambda board, now: publish(board, publications, by, now, self._quotas, refused), by
            )
        if isinstance(outcome, StaleVersions):
            if len(self._refused) >= _REFUSED_BOUND:
                del self._refused[next(iter(self._refused))]
            self._refused[aor, by] = {one.key: one.version for one in outcome.faults if one.key is not None}
        return outcome

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """Remove the publications of an endpoint that has signed out or was lost.

        After the last endpoint of a user the time of their last activity is written to the store, so that a
        restart shows it to those whom they have blocked. No acknowledgement promised it: when the store fails,
        the next start has an earlier time, or none.
        """
        aor, epid, last = fact.aor, fact.epid, fact.last
        # A board that is not in memory holds nothing of an endpoint. But one that is being written may soon.
        async with self._table.hold(aor, must=True):
            if self.peek(aor) is None:
                return
            await self._changed(aor, lambda board, now: leave(board, epid, now, last=last), None)
            state = self._table.peek(aor)
            if not last or state is None or state.board.last_active == state.last_active:
                return
            try:
                await self._changed(aor, lambda board, _: Published(replace(board), BoardDelta(durable=True)), None)
            except (Refused, StoreUnavailable) as failure:
                self.log.debug("when {aor} was active last is not written: {reason}", aor=aor, reason=str(failure))

    async def person_changed(self, fact: PersonChanged) -> None:
        """Publish anew what the directory knows of a person; if another had the address before, all that is on the board.

        Nothing is to be done for an address that has no watcher and of which nothing is in memory.
        """
        aor = fact.aor
        if not (aor in self._memory.kept or aor in self._memory.left or aor in self._watched):
            return
        async with self._table.hold(aor):
            made = directory_publications(self._people.person(aor))
            if self.peek(aor) is None:
                # As it was read, without cards: what is on them now counts as new.
                await self._table.reload(aor)
            outcome = await self._changed(aor, lambda board, now: publish_directory_facts(board, made, now), None)
            left = self._memory.left.pop(aor, None)
            if left is not None and isinstance(outcome, Published):
                board = outcome.board
                shown = left | board.places.keys()
                touched = frozenset(category for category, _ in shown)
                self._tell(_Change(board, BoardDelta(touched, shown), None))

    async def readdress(self, aors: frozenset[Aor]) -> None:
        """Replace addresses on all boards in memory by those that their owners have now.

        Args:
            aors: The addresses that have another owner, or whose owner has another address.
        """
        texts = frozenset(map(bare, aors))
        for start in range(0, len(self._memory.kept), _LOOKED_AT):
            for aor in tuple(self._memory.kept)[start : start + _LOOKED_AT]:
                state = self._table.peek(aor)
                if state is not None and is_concerned(state.board, state.names, aors, texts):
                    await self._readdress(aor)
            await next_turn(self._timers)

    async def _readdress(self, aor: Aor) -> None:
        def decide(state: BoardState) -> Decision[BoardState, None]:
            published, names = readdress(state.board, state.names, self._owners, self._timers.wall())
            after = replace(state, board=published.board, names=names)
            return Decision(None, after, is_durable=published.changes.durable, news=_news(published, None, state))

        async with self._table.hold(aor, must=True):
            if self.peek(aor) is None:
                return
            try:
                await self._table.change(aor, lambda state: decide(self._form.carried(state)))
            except StoreUnavailable as failure:
                # Nobody sees more meanwhile than they may: it counts here, and is written with the next change.
                self.log.warn("new addresses on the board of {aor} are not written: {reason}", aor=aor, reason=failure)
                await self._table.change(aor, lambda state: replace(decide(state), is_durable=False))
            await self._privatise_if_asked(aor)

    async def reprivate(self, aor: Aor) -> None:
        """Apply a user's contact list and privacy mode to their board anew.

        A board that is not in memory is read with the present list; one that is being read may have seen the former.
        """
        async with self._table.hold(aor, must=True):
            await self._privatise_if_asked(aor)

    async def reprivate_all(self) -> None:
        """Apply policies that have changed to all boards in memory."""
        for aor in tuple(self._memory.kept):
            await self.reprivate(aor)

    def close(self) -> None:
        """Clear all deadlines."""
        self._memory.deadlines.clear_all()
        self._privacy_retries.clear_all()

    # --- inside; whoever calls holds the board

    def _tell(self, change: _Change) -> None:
        self.serial += 1
        board, now, by = change
        self._bus.tell(BoardChanged(
            board.aor, board.version, now.touched, by, now.shown, now.furnished, now.members, now.subscribers,
            now.delegates, self.serial,
        ))  # fmt: skip
        if now.members:
            self._bus.tell(AccessChanged(board.aor))

    async def _changed(self, aor: Aor, decide: Decide, by: Epid | None) -> Outcome:
        def decided(before: BoardState) -> Decision[BoardState, tuple[Outcome, bool]]:
            state = self._form.carried(before)
            outcome = decide(state.board, self._timers.wall())
            if not isinstance(outcome, Published) or outcome.board is state.board:
                return Decision((outcome, False), state, is_durable=False)
            board, durable = outcome.board, outcome.changes.durable
            names, last_active = state.names, state.last_active
            if durable:
                names, last_active = self._form.noted(state, board), board.last_active
            wished = board.wants_privacy != state.board.wants_privacy
            after = BoardState(board, names, last_active, state.stepped)
            return Decision((outcome, wished), after, is_durable=durable, news=_news(outcome, by, state))

        outcome, wished = await self._table.change(aor, decided)
        self._memory.let_go()
        if wished:
            await self._privatise(aor)
        return outcome

    async def _load(self, aor: Aor) -> BoardState:
        state = await self._table.load(aor)
        self._memory.let_go()
        return state

    async def _completed(self, aor: Aor, state: BoardState) -> BoardState:
        """Add to a board that has been read what the directory knows, and apply privacy mode."""
        now = self._timers.wall()
        board = publish_directory_facts(state.board, directory_publications(self._people.person(aor)), now).board
        if _asks_contacts(board, self._policies):
            board = _privatised(board, await self._contacts.contacts_of(aor), now, self._quotas, self._policies).board
        return replace(state, board=board)

    async def _privatise_if_asked(self, aor: Aor) -> None:
        board = self.peek(aor)
        if board is not None and _asks_contacts(board, self._policies):
            await self._privatise(aor)

    async def _privatise(self, aor: Aor) -> None:
        """Apply the contact list. What cannot be written is written later; until then nobody sees more."""
        contacts: frozenset[Aor] | None = None
        try:
            contacts = await self._contacts.contacts_of(aor)
            if self.peek(aor) is not None:
                await self._changed(
                    aor, lambda board, now: _privatised(board, contacts, now, self._quotas, self._policies), None
                )
        except StoreUnavailable as failure:
            self.log.warn("the contacts of {aor} do not count yet: {reason}", aor=aor, reason=str(failure))
            self._privacy_retries.set_first(aor, _AGAIN_S)
            if self.peek(aor) is not None:
                await self._changed(
                    aor,
                    lambda board, now: _privatised(
                        board, still_shown(board, contacts), now, self._quotas, self._policies
                    ),
                    None,
                )

    def _due(self, aor: Aor) -> None:
        spawn(self._expire(aor), self.log, "removing what has expired from a board")

    async def _expire(self, aor: Aor) -> None:
        """Remove what has expired, begin and end meetings; when the store fails, try again later."""
        if self.peek(aor) is None:
            return
        try:
            await self.change(aor, expire)
        except (Refused, WorldUnavailable) as failure:
            self.log.warn("what lapsed on the board of {aor} stays for now: {reason}", aor=aor, reason=str(failure))
            if aor in self._memory.kept:
                self._memory.deadlines.set(aor, _AGAIN_S)
            return
        if self.peek(aor) is not None:
            self._memory.set_deadline(aor)  # a meeting that changes nothing also has an end

    def _privacy_due(self, aor: Aor) -> None:
        spawn(self._privatise_again(aor), self.log, "applying a contact list to a board")

    async def _privatise_again(self, aor: Aor) -> None:
        try:
            await self.reprivate(aor)
        except (Refused, WorldUnavailable):
            self._privacy_retries.set_first(aor, _AGAIN_S)


def _news(published: Published, by: Epid | None, before: BoardState) -> Sequence[_Change]:
    """Give the change that is to be told; none when nothing has changed."""
    return () if published.board is before.board else (_Change(published.board, published.changes, by),)


def _privatised(board: Board, contacts: frozenset[Aor], now: float, quotas: Quotas, policies: IPolicies) -> Published:
    return privatise(board, contacts, now, quotas, private=policies.policy_of(board.aor).privacy_mode)


def _asks_contacts(board: Board, policies: IPolicies) -> bool:
    """Tell whether a user's contact list makes a difference to their board."""
    return (
        board.private_to is not None
        or board.wants_privacy
        or policies.policy_of(board.aor).privacy_mode
        or any(not one.acknowledged for one in board.subscribers)
    )
