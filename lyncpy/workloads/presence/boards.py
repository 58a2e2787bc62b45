"""The table of boards: memory first, the store behind, one writer of a board at a time.

A board is in memory from the first time that somebody asks for it. Those of people who
are signed out leave it when there are too many.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import BoardChanged
from lyncpy.contracts.names import Aor, Epid, Version, bare
from lyncpy.contracts.owners import AddressOwners, IOwners, OwnerId
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.store import Conflict, IStore
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.homes import Homes
from lyncpy.core.slices import next_turn
from lyncpy.workloads.presence.board import (
    Board,
    Changes,
    Outcome,
    Published,
    deadline,
    elapse,
    furnish,
    leave,
)
from lyncpy.workloads.presence.carrying import Carrier
from lyncpy.workloads.presence.levels import again, privatise
from lyncpy.workloads.presence.model import Ending
from lyncpy.workloads.presence.naming import Names, is_concerned, noted, readdress
from lyncpy.workloads.presence.publisher import made_for
from lyncpy.workloads.presence.quotas import Quotas
from lyncpy.workloads.presence.records import read_named, write_record

_KIND: Final = "board"
_TRIES: Final = 3
_SEARCHED: Final = 64
"""Boards looked at for one to let go; more would make every cold read slow when nobody is signed out."""

_LOOKED_AT: Final = 500
"""Boards looked at in one turn of the reactor for people with other addresses."""

_AGAIN_S: Final = 30.0
"""When the store failed while something lapsed."""

Decide = Callable[[Board, float], Outcome]
"""Board and wall-clock seconds → what becomes of it. Pure; called again when another writer was first."""


@dataclass(slots=True)
class _Kept:
    board: Board
    record: Version
    """Of what is in the store."""

    owner: OwnerId
    """Whose it is; who else has the address later has another."""

    names: Names = field(default_factory=Names)

    last_active: float | None = None
    """When the user was active last, as the store has it."""

    timer: ITimer | None = None
    stepped: float = 0.0
    """By how much the wall clock that the board's times are of has been set since the start."""

    def carry(self, carrier: Carrier) -> None:
        """Take along what is on the board when the wall clock was set."""
        self.board = carrier.carried(self.board, self.stepped)
        self.stepped = carrier.stepped()

    @property
    def is_idle(self) -> bool:
        """Tell whether the store could give all of it again, and nothing on it is going to end."""
        return self.timer is None and not any(
            not one.made and Ending.LAST in one.endings for one in self.board.instances.values()
        )


class _Memory:
    """The boards in memory: of each address, that of who has it."""

    def __init__(self, owners: IOwners, most: int) -> None:
        """Hold none; past `most`, those of people who are signed out are let go."""
        self._owners = owners
        self._most = most
        self.kept: dict[Aor, _Kept] = {}
        self.left: dict[Aor, frozenset[tuple[str, int]]] = {}
        """What watchers were shown of who had an address before; until they are told of who has it now."""

    def mine(self, aor: Aor) -> _Kept | None:
        """Give what is in memory of who has an address now; of who had it before, nothing is given."""
        kept = self.kept.get(aor)
        return kept if kept is not None and kept.owner == self._owners.owner(aor) else None

    def evict(self, aor: Aor) -> None:
        """Forget what is in memory of who had an address before."""
        kept = self.kept.pop(aor, None)
        if kept is None:
            return
        if kept.timer is not None:
            kept.timer.cancel()
        self.left[aor] = self.left.get(aor, frozenset()) | kept.board.places.keys()

    def gone(self, board: Board, _: float) -> Published:
        """Have written when somebody who has gone was active last, if the store has another time."""
        if board.last_active == self.kept[board.aor].last_active:
            return Published(board, Changes())
        return Published(replace(board), Changes(durable=True))

    def let_go(self) -> None:
        """Forget the board that was used longest ago, if there are too many."""
        for aor in tuple(self.kept)[:_SEARCHED] if len(self.kept) > self._most else ():
            kept = self.kept.pop(aor)
            if kept.is_idle:
                return
            self.kept[aor] = kept


@implementer(IContacts)
class NoContacts:
    """Where nobody keeps contacts."""

    async def of(self, owner: Aor) -> frozenset[Aor]:
        """Give nobody."""
        return frozenset()


@implementer(IPolicies)
class OnePolicy:
    """Where users do not differ."""

    def __init__(self, policy: Policy) -> None:
        """Take everybody's policy."""
        self._policy = policy

    def of(self, aor: Aor) -> Policy:
        """Give it."""
        return self._policy


class Boards:
    """Every board of this process. Changes are told on the bus when they are durable."""

    log = Logger()

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        people: IPeople,
        homes: Homes,
        timers: ITimers,
        *,
        in_memory: int,
        contacts: IContacts | None = None,
        policies: IPolicies | None = None,
        quotas: Quotas | None = None,
        owners: IOwners | None = None,
    ) -> None:
        """Begin with nothing in memory."""
        self._store = store
        self._bus = bus
        self._people = people
        self._contacts: IContacts = contacts or NoContacts()
        self._policies: IPolicies = policies or OnePolicy(Policy())
        self._quotas = quotas or Quotas()
        self._homes = homes
        self._timers = timers
        self._owners: IOwners = AddressOwners() if owners is None else owners
        self._memory = memory = _Memory(self._owners, in_memory)
        self._carrier = Carrier(
            timers, lambda: [aor for aor, kept in memory.kept.items() if kept.timer is not None], self._due
        )

    def __len__(self) -> int:
        return len(self._memory.kept)

    def peek(self, aor: Aor) -> Board | None:
        """Give a board that is in memory."""
        kept = self._memory.mine(aor)
        return None if kept is None else kept.board

    def has_to_tell(self, aor: Aor) -> bool:
        """Tell whether there is anything in memory that was published under an address, by whomever."""
        return aor in self._memory.kept or aor in self._memory.left

    async def read(self, aor: Aor) -> Board:
        """Give a user's board; who never published has an empty one. Only ask for people who exist."""
        kept = self._memory.mine(aor)
        if kept is None:
            async with self._homes.hold(_KIND, aor):
                kept = await self._load(aor)
        return kept.board

    async def change(self, aor: Aor, decide: Decide, by: Epid | None = None) -> Outcome:
        """Change a board: decide, write what is durable, keep, tell.

        Raises:
            Refused: 503, when other writers were first three times, or too many wait.
            StoreUnavailable: Nothing was changed.
        """
        async with self._homes.hold(_KIND, aor):
            return await self._changed(aor, decide, by)

    async def depart(self, aor: Aor, epid: Epid, *, last: bool) -> None:
        """Take off what an endpoint published that is gone.

        With the last one goes into the store since when nobody is active; a restart tells it on, as of those who
        block. Nobody was promised it: where the store fails, the next start knows an earlier time, or none.
        """
        # A board that is not in memory holds nothing of an endpoint. But one that is being written may soon.
        async with self._homes.hold(_KIND, aor, must=True):
            if self._memory.mine(aor) is None:
                return
            await self._changed(aor, lambda board, now: leave(board, epid, now, last=last), None)
            if not last:
                return
            try:
                await self._changed(aor, self._memory.gone, None)
            except (Refused, StoreUnavailable) as failure:
                self.log.debug("when {aor} was active last is not written: {reason}", aor=aor, reason=str(failure))

    async def refurnish(self, aor: Aor) -> None:
        """Publish anew what the directory knows of who has an address; all of theirs, if another had it."""
        async with self._homes.hold(_KIND, aor):
            made = made_for(self._people.person(aor))
            if self._memory.mine(aor) is None:
                # As it was read, without cards: what is on them now counts as new.
                self._memory.evict(aor)
                self._keep(aor, await self._stored(aor))
            await self._changed(aor, lambda board, now: furnish(board, made, now), None)
            left = self._memory.left.pop(aor, None)
            if left is not None:
                board = self._memory.kept[aor].board
                shown = left | board.places.keys()
                touched = frozenset(category for category, _ in shown)
                self._bus.tell(BoardChanged(aor, board.version, touched, None, shown=shown))

    async def readdress(self, aors: frozenset[Aor]) -> None:
        """Name people by the addresses that they have now, on every board in memory; some of these are others' now."""
        texts = frozenset(map(bare, aors))
        for start in range(0, len(self._memory.kept), _LOOKED_AT):
            for aor in tuple(self._memory.kept)[start : start + _LOOKED_AT]:
                kept = self._memory.mine(aor)
                if kept is not None and is_concerned(kept.board, kept.names, aors, texts):
                    await self._readdress(aor)
            await next_turn(self._timers)

    async def _readdress(self, aor: Aor) -> None:
        async with self._homes.hold(_KIND, aor, must=True):
            kept = self._memory.mine(aor)
            if kept is None:
                return

            def decide(board: Board, now: float) -> Published:
                published, names = readdress(board, kept.names, self._owners, now)
                kept.names = names
                return published

            try:
                await self._changed(aor, decide, None)
            except StoreUnavailable as failure:
                # Nobody sees more meanwhile than they may: it counts here, and is written with the next change.
                self.log.warn("new addresses on the board of {aor} are not written: {reason}", aor=aor, reason=failure)
                published = decide(kept.board, self._timers.wall())
                kept.board = published.board
                self._tell(published, None)
            if _asks_contacts(kept.board, self._policies):
                await self._privatise(aor)

    async def reprivate(self, aor: Aor) -> None:
        """Apply anew whom a user has as contacts, and whether only they may see him.

        A board that is not in memory is read with what holds then; one that is being read may have asked before.
        """
        async with self._homes.hold(_KIND, aor, must=True):
            kept = self._memory.mine(aor)
            if kept is not None and _asks_contacts(kept.board, self._policies):
                await self._privatise(aor)

    async def reprivate_all(self) -> None:
        """Apply policies that were read anew."""
        for aor in tuple(self._memory.kept):
            await self.reprivate(aor)

    def close(self) -> None:
        """Let no more deadlines come."""
        for kept in self._memory.kept.values():
            if kept.timer is not None:
                kept.timer.cancel()
                kept.timer = None

    # --- inside; whoever calls holds the board

    async def _changed(self, aor: Aor, decide: Decide, by: Epid | None) -> Outcome:
        kept = await self._load(aor)
        for _ in range(_TRIES):
            kept.carry(self._carrier)
            outcome = decide(kept.board, self._timers.wall())
            if not isinstance(outcome, Published) or outcome.board is kept.board:
                return outcome
            if outcome.changes.durable:
                names = _noted(kept, outcome.board, self._owners)
                if not kept.owner:
                    raise Refused(404, Diagnostics(1003, "User does not exist"))
                record = write_record(outcome.board, names)
                try:
                    kept.record = await self._store.write(_KIND, kept.owner, record, kept.record)
                    kept.names, kept.last_active = names, outcome.board.last_active
                except Conflict:
                    self.log.debug("another process was first to change the board of {aor}", aor=aor)
                    await self._reread(aor, kept)
                    continue
            wished = kept.board.wants_privacy
            kept.board = outcome.board
            self._keep(aor, kept)
            self._tell(outcome, by)
            if outcome.board.wants_privacy != wished:
                await self._privatise(aor)
            return outcome
        raise Refused(503, Diagnostics(1, "Too many changes at once"), headers=[("Retry-After", "5")])

    async def _load(self, aor: Aor) -> _Kept:
        kept = self._memory.mine(aor)
        if kept is None:
            self._memory.evict(aor)
            kept = await self._stored(aor)
            now = self._timers.wall()
            kept.board = furnish(kept.board, made_for(self._people.person(aor)), now).board
            if _asks_contacts(kept.board, self._policies):
                contacts = await self._contacts.of(aor)
                kept.board = _privatised(kept.board, contacts, now, self._quotas, self._policies).board
            self._keep(aor, kept)
            self._memory.let_go()
        return kept

    async def _stored(self, aor: Aor) -> _Kept:
        owner = self._owners.owner(aor)
        record = await self._store.read(_KIND, owner) if owner else None
        if record is None:
            return _Kept(Board(aor), Version(0), owner, stepped=self._carrier.stepped())
        board, names = read_named(aor, record.value, self._owners)
        now = self._timers.wall()
        published, names = readdress(self._carrier.as_read(board), names, self._owners, now)
        board = again(elapse(published.board, now).board, now)
        active, stepped = board.last_active, self._carrier.stepped()
        return _Kept(board, record.version, owner, names, active, stepped=stepped)

    async def _reread(self, aor: Aor, kept: _Kept) -> None:
        """Take over what another process has written; what belongs to endpoints of this one stays."""
        stored = await self._stored(aor)
        kept.carry(self._carrier)
        mine = {key: one for key, one in kept.board.instances.items() if not one.is_durable}
        theirs = {key: one for key, one in stored.board.instances.items() if one.is_durable}
        newest = max(kept.board.version, stored.board.version)
        kept.board = replace(
            stored.board,
            version=newest,
            instances={**mine, **theirs},
            last_active=kept.board.last_active,
            private_to=kept.board.private_to,
        )
        kept.record, kept.names, kept.stepped = stored.record, stored.names, stored.stepped
        kept.last_active = stored.last_active

    def _tell(self, published: Published, by: Epid | None) -> None:
        board, changes = published.board, published.changes
        self._bus.tell(
            BoardChanged(
                board.aor,
                board.version,
                changes.touched,
                by,
                shown=changes.shown,
                furnished=changes.furnished,
                members=changes.members,
                subscribers=changes.subscribers,
                delegates=changes.delegates,
            )
        )

    async def _privatise(self, aor: Aor) -> None:
        """Apply the contact list. What of it cannot be written now is written later, but nobody sees more meanwhile."""
        contacts: frozenset[Aor] | None = None
        try:
            contacts = await self._contacts.of(aor)
            if self._memory.mine(aor) is not None:
                await self._changed(
                    aor, lambda board, now: _privatised(board, contacts, now, self._quotas, self._policies), None
                )
        except StoreUnavailable as failure:
            self.log.warn("the contacts of {aor} do not count yet: {reason}", aor=aor, reason=str(failure))
            self._timers.later(_AGAIN_S, lambda: self._later(self.reprivate(aor), aor))
            if self._memory.mine(aor) is not None:
                await self._changed(
                    aor,
                    lambda board, now: _privatised(
                        board, _still_shown(board, contacts), now, self._quotas, self._policies
                    ),
                    None,
                )

    def _keep(self, aor: Aor, kept: _Kept) -> None:
        """Put a board into memory, as the one that was used last."""
        self._memory.kept.pop(aor, None)
        self._memory.kept[aor] = kept
        self._wind(aor, kept)

    def _wind(self, aor: Aor, kept: _Kept) -> None:
        if kept.timer is not None:
            kept.timer.cancel()
        now = self._timers.wall()
        at = deadline(kept.board, now)
        kept.timer = None if at is None else self._timers.later(max(at - now, 0.0), lambda: self._due(aor))

    def _due(self, aor: Aor) -> None:
        """Something on a board ends, or a meeting begins, or the clock was set."""
        self._later(self._elapse(aor), aor)

    def _later(self, work: Coroutine[Deferred[object], object, None], aor: Aor) -> None:
        _ = Deferred.fromCoroutine(work).addErrback(self._put_off, aor)

    async def _elapse(self, aor: Aor) -> None:
        if self._memory.mine(aor) is None:
            return
        await self.change(aor, elapse)
        kept = self._memory.mine(aor)
        if kept is not None:
            self._wind(aor, kept)  # a meeting that changes nothing also has an end

    def _put_off(self, failure: Failure, aor: Aor) -> None:
        self.log.warn("what lapsed on the board of {aor} stays for now: {reason}", aor=aor, reason=str(failure.value))
        kept = self._memory.kept.get(aor)
        if kept is not None:
            kept.timer = self._timers.later(_AGAIN_S, lambda: self._due(aor))


def _noted(kept: _Kept, board: Board, owners: IOwners) -> Names:
    """Give whom the names on a changed board mean."""
    before = kept.board
    if (
        board.containers is before.containers
        and board.subscribers is before.subscribers
        and board.delegates is before.delegates
    ):
        return kept.names
    return noted(kept.names, board, owners)


def _privatised(board: Board, contacts: frozenset[Aor], now: float, quotas: Quotas, policies: IPolicies) -> Published:
    return privatise(board, contacts, now, quotas, private=policies.of(board.aor).privacy_mode)


def _asks_contacts(board: Board, policies: IPolicies) -> bool:
    """Tell whether a user's contact list makes a difference to his board."""
    return (
        board.private_to is not None
        or board.wants_privacy
        or policies.of(board.aor).privacy_mode
        or any(not one.acknowledged for one in board.subscribers)
    )


def _still_shown(board: Board, contacts: frozenset[Aor] | None) -> frozenset[Aor]:
    """Give to whom a private board was shown before, as far as they are known still to be contacts; None: that is not known.

    Who waits for an answer of the user is left out: to answer it would have to be written.
    """
    shown = board.private_to or frozenset()
    waiting = {one.aor for one in board.subscribers if not one.acknowledged}
    return (shown if contacts is None else shown & contacts) - waiting
