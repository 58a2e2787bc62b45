"""The table of boards: memory first, the store behind, one writer of a board at a time.

A board is in memory from the first time that it is asked for. Boards of people who
are signed out leave it when there are too many.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.contacts import CONTACTS, IContacts
from lyncpy.contracts.facts import BoardChanged, ContactsChanged, EndpointGone, PersonChanged
from lyncpy.contracts.names import Aor, Epid, bare, node_of
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Refused, StoreUnavailable, WorldUnavailable
from lyncpy.contracts.store import both_of
from lyncpy.core.deadline import Deadlines
from lyncpy.core.platform import Platform
from lyncpy.core.slices import next_turn
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import Decision, VersionedTable, VolatilePart
from lyncpy.workloads.presence.board_cache import BoardCache
from lyncpy.workloads.presence.board_form import BoardForm, BoardState, ClockSteps, homes_after
from lyncpy.workloads.presence.board_news import (
    AGAIN_S,
    BoardMending,
    BoardNews,
    BoardsHeld,
    BoardTelling,
    ListsApplied,
    WatchedAddresses,
)
from lyncpy.workloads.presence.model.board import (
    Board,
    BoardDelta,
    Outcome,
    Published,
    StaleVersions,
    expire,
    leave,
    publish,
    publish_directory_facts,
)
from lyncpy.workloads.presence.model.levels import privatise, still_shown
from lyncpy.workloads.presence.model.naming import is_concerned, readdress
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import directory_publications
from lyncpy.workloads.presence.model.tables import InstanceKey, Publication

KIND: Final = "board"
_LOOKED_AT: Final = 500
"""Boards that are searched for changed addresses in one turn of the reactor."""

_REFUSED_BOUND: Final = 10_000
"""Endpoints whose last publication was stale; one that is forgotten only gets another fault."""

Decide = Callable[[Board, float], Outcome]
"""Board and wall-clock seconds → the outcome of a change. Pure; called again when another writer was first."""


class BoardTable:
    """All boards of this process. Their changes are told on the bus once they are durable."""

    log = Logger()

    def __init__(
        self,
        platform: Platform,
        contacts: IContacts,
        watched: WatchedAddresses,
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
        self._people = platform.people
        self._contacts = contacts
        self._watched = watched
        self._policies = platform.policies
        self._quotas = quotas
        self._timers = timers
        self._owners = platform.owners
        self._nodes = platform.nodes
        self._refused: dict[tuple[Aor, Epid], Mapping[InstanceKey | int, int]] = {}
        """Endpoint → the stale versions for which its last publication was refused."""

        self._privacy_retries: Deadlines[Aor] = Deadlines(
            timers, lambda aor: spawn(self._privatise_again(aor), self.log, "applying a contact list to a board")
        )
        self._memory = memory = BoardCache(self._owners, in_memory, timers, self._due, watched)
        self.peek_all: Final = memory.boards
        self.shown: Final = memory.shown
        self._form = BoardForm(
            platform.node,
            self._owners,
            ClockSteps(timers, memory.deadlines.keys, self._due),
            timers,
            lambda: [one.name for one in self._nodes.gone()],
        )
        self.telling: Final = BoardTelling(platform.node, platform.bus, memory.kept)
        self._table: VersionedTable[Aor, BoardState] = VersionedTable(
            KIND,
            self._form,
            memory,
            store=platform.store,
            writers=platform.writers,
            tell=self.telling.tell,
            complete=self._completed,
            volatile=VolatilePart(
                platform.volatile,
                both_of(platform.volatile),
                self._form,
                lambda aor: self.mending.late(aor),
                self.telling.tell_read,
            ),
        )
        self.mending: Final = BoardMending(self._table, memory.kept, timers, self.telling, self)
        platform.volatile.on_loss(self.mending.lost)
        for store, version in ((platform.store, attrgetter("version")), (platform.volatile, attrgetter("volatile"))):
            held = BoardsHeld(self._owners, memory, watched, version, self.mending)
            platform.sweep.cover(store, KIND, held, BoardChanged)
        applied = ListsApplied(self._owners, memory.kept, lambda board: _asks_contacts(board, self._policies), self)
        platform.sweep.cover(platform.store, CONTACTS, applied, ContactsChanged)

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
            serial = self.telling.serial
            found = await self.read(aor)
            board = self.peek(aor) or (found if self.telling.serial == serial else None)
        return board

    async def change(self, aor: Aor, decide: Decide, by: Epid | None = None) -> Outcome:
        """Change a board: decide, write the durable part, keep it in memory, tell the change.

        Args:
            aor: The address of the board's user.
            decide: Gives the outcome for a board.
            by: The endpoint that asks for the change; None: no endpoint does.

        Raises:
            Refused: 503, when other writers were first time and again, or too many wait.
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

        The server that it was signed in at does; where that one is dead, whoever finds out.

        After the last endpoint of a user the time of their last activity is written to the store, so that a
        restart shows it to those whom they have blocked. No acknowledgement promised it: when the store fails,
        the next start has an earlier time, or none.
        """
        aor, epid, last, node = fact.aor, fact.epid, fact.last, node_of(fact.flow)
        if any(one.name == node for one in self._nodes.others()):
            return
        async with self._table.hold(aor, must=True):
            try:
                # A board that is not in memory, and without such a record, holds nothing of an endpoint.
                if self.peek(aor) is None and not await self._table.has_volatile(aor):
                    return
                await self._load(aor)
            except StoreUnavailable as failure:
                self.log.debug(
                    "{epid} of {aor} is not taken off the board yet: {reason}", epid=epid, aor=aor, reason=failure
                )
                self.mending.later(partial(self.endpoint_gone, fact), "taking a lost endpoint off a board")
                return
            state = self._table.peek(aor)
            if state is not None and state.homes.get(epid, node) != node:
                return  # it is signed in elsewhere by now, and has published there
            await self.take_off(aor, epid, last=last)
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
                await self._table.reload(aor, self._guarded)
            outcome = await self._changed(aor, lambda board, now: publish_directory_facts(board, made, now), None)
            left = self._memory.left.pop(aor, None)
            if left is not None and isinstance(outcome, Published):
                self.telling.tell_all(outcome.board, left)

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
            await self.privatise_if_asked(aor)

    async def reprivate(self, aor: Aor) -> None:
        """Apply a user's contact list and privacy mode to their board anew.

        A board that is not in memory is read with the present list; one that is being read may have seen the former.
        """
        async with self._table.hold(aor, must=True):
            await self.privatise_if_asked(aor)

    async def reprivate_all(self) -> None:
        """Apply policies that have changed to all boards in memory."""
        for aor in tuple(self._memory.kept):
            await self.reprivate(aor)

    def close(self) -> None:
        """Clear all deadlines."""
        self._memory.deadlines.clear_all()
        self._privacy_retries.clear_all()
        self.mending.close()

    # --- inside; whoever calls holds the board

    async def _changed(self, aor: Aor, decide: Decide, by: Epid | None, gone: Epid | None = None) -> Outcome:
        wished = (state := self._table.peek(aor)) is not None and state.board.wants_privacy

        def decided(before: BoardState) -> Decision[BoardState, Outcome]:
            state = self._form.carried(before)
            outcome = decide(state.board, self._timers.wall())
            if not isinstance(outcome, Published) or outcome.board is state.board:
                return Decision(outcome, state, is_durable=False)
            board, changes = outcome.board, outcome.changes
            names, last_active = state.names, state.last_active
            if changes.durable:
                names, last_active = self._form.noted(state, board), board.last_active
            after = BoardState(
                board, names, last_active, state.stepped, homes_after(state.homes, self.telling.node, by, gone)
            )
            return Decision(outcome, after, changes.durable, changes.volatile, _news(outcome, by, state))

        outcome = await self._table.change(aor, decided)
        self._memory.let_go()
        state = self._table.peek(aor)
        if state is not None and state.board.wants_privacy != wished:
            await self._privatise(aor)
        return outcome

    async def _load(self, aor: Aor) -> BoardState:
        state = await self._table.load(aor)
        self._memory.let_go()
        return state

    async def _completed(self, aor: Aor, state: BoardState) -> BoardState:
        """Add to a board that has been read what the directory knows, and apply privacy mode."""
        guarded = await self._guarded(aor, state)
        made = directory_publications(self._people.person(aor))
        return replace(guarded, board=publish_directory_facts(guarded.board, made, self._timers.wall()).board)

    async def _guarded(self, aor: Aor, state: BoardState) -> BoardState:
        """Take from a board that has been read what nobody may see, by privacy mode or because its node is dead."""
        now = self._timers.wall()
        board = await self._living(state, now)
        if _asks_contacts(board, self._policies):
            board = _privatised(board, await self._contacts.contacts_of(aor), now, self._quotas, self._policies).board
        return replace(state, board=board)

    async def _living(self, state: BoardState, now: float) -> Board:
        """Give a board that has been read without what was published at nodes that are dead; nobody may have taken it off yet."""
        board, homes = state.board, state.homes
        named = frozenset(homes.values()) - {self.telling.node} - {one.name for one in self._nodes.others()}
        dead = await self._nodes.find_dead(named) if named else frozenset()
        for epid in [epid for epid, home in homes.items() if home in dead]:
            board = leave(board, epid, now, last=dead.issuperset(homes.values())).board
        if board is not state.board:
            self.mending.tidy(board.aor)
        return board

    async def take_off(self, aor: Aor, epid: Epid, *, last: bool) -> None:
        """Remove what an endpoint has published, and with the last one what ends with it; the caller holds the board."""
        await self._changed(aor, lambda board, now: leave(board, epid, now, last=last), None, gone=epid)

    async def privatise_if_asked(self, aor: Aor) -> None:
        """Apply the user's contact list, as far as it makes a difference; the caller holds the board."""
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
            self._privacy_retries.set_first(aor, AGAIN_S)
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
                self._memory.deadlines.set(aor, AGAIN_S)
            return
        if self.peek(aor) is not None:
            self._memory.set_deadline(aor)  # a meeting that changes nothing also has an end

    async def _privatise_again(self, aor: Aor) -> None:
        try:
            await self.reprivate(aor)
        except (Refused, WorldUnavailable):
            self._privacy_retries.set_first(aor, AGAIN_S)


def _news(published: Published, by: Epid | None, before: BoardState) -> Sequence[BoardNews]:
    """Give the change that is to be told; none when nothing has changed."""
    return () if published.board is before.board else (BoardNews(published.board, published.changes, by),)


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
