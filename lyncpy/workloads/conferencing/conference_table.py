"""The table of conferences: the one place that writes them.

All of them are in memory, so that a join waits for nothing; each change is in the store before it
counts. There is one record for each conference, with what has to survive of its running meeting:
a process that starts anew finds who was in it, with which roles, and whether it was locked.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.facts import Fact
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.names import Aor, conference_key, kept_aor
from lyncpy.contracts.nodes import Home
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.slices import next_turn
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import Decision, Entry, VersionedTable
from lyncpy.workloads.conferencing.conference_form import pack, unpack
from lyncpy.workloads.conferencing.model.conference import (
    Active,
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceTerms,
    key_of,
    modify,
    purgeable,
    read_address,
    schedule,
)
from lyncpy.workloads.conferencing.model.identity import noted, readdressed, up_to_date
from lyncpy.workloads.conferencing.others_conferences import Hear, OthersConferences

KIND: Final = "conference"
NOBODYS: Final = Aor("sip:removed@organizer.invalid")
"""Stands for an organizer who was removed from the directory while the meeting runs; no person can have this address."""

LOOKED_AT: Final = 1000
"""Conferences looked at in one turn of the reactor for people with other addresses."""

_UNKNOWN: Final = ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)

MOVED: Final = ConferenceDenied(C3pReason.SERVER_BUSY, "Another server has gone on with this conference")
"""Nothing was remembered: the meeting is another node's by now."""

_Decision = Decision[Conference | None, Conference | ConferenceDenied]


class _ConferenceCache:
    """All conferences in memory, by key and by organizer; and the form of their records."""

    def __init__(self, owners: IOwners) -> None:
        self._owners = owners
        self.table: dict[str, Conference] = {}
        self.organizers: dict[Aor, dict[str, Conference]] = {}
        """Conferences by organizer and by id in lower case."""

        self.domains: dict[str, None] = {}
        """The domains in URIs of conferences: the present one, and those that organizers had before."""

        self._entries: dict[str, Entry[Conference | None]] = {}

    def keys(self) -> Iterable[str]:
        """Return the keys of all conferences."""
        return self._entries.keys()

    def get(self, key: str) -> Entry[Conference | None] | None:
        """Return the entry of a conference as it was read or written last."""
        return self._entries.get(key)

    def put(self, key: str, entry: Entry[Conference | None]) -> None:
        """Insert or replace a conference; remove it where the entry has no value."""
        self.discard(key)
        if entry.value is None:
            return
        # Somebody may have got another address while it was written.
        conference = readdressed(entry.value, self._owners)
        self._entries[key] = replace(entry, value=conference)
        self.domains.setdefault(conference.place.rpartition("@")[2])
        self.table[key] = conference
        # An address may belong to a removed person whose data is held, and to the person who has it now.
        theirs = self.organizers.setdefault(conference.organizer, {})
        other = theirs.get(conference_key(conference.id))
        if other is None or self.is_held(other):
            theirs[conference_key(conference.id)] = conference

    def discard(self, key: str) -> None:
        """Remove a conference, if it is here."""
        conference = self.table.pop(key, None)
        self._entries.pop(key, None)
        if conference is not None:
            theirs = self.organizers.get(conference.organizer, {})
            if theirs.get(conference_key(conference.id)) is conference:
                del theirs[conference_key(conference.id)]
            if not theirs:
                self.organizers.pop(conference.organizer, None)

    def record_key(self, key: str) -> str:
        """Return the name of a conference's record: its key."""
        return key

    def unpack(self, key: str, value: bytes | None) -> Conference | None:
        """Read a conference, with the addresses that people have now; None: there is none."""
        return None if value is None else readdressed(unpack(value, self._owners), self._owners)

    def pack(self, value: Conference | None) -> bytes | None:
        """Write a conference as it is stored; None: there is none."""
        return None if value is None else pack(value)

    def merged(self, mine: Conference | None, theirs: Conference | None) -> Conference | None:
        """Return what is stored: nothing of a conference is in memory alone."""
        return theirs

    def is_held(self, conference: Conference) -> bool:
        """Tell whether the organizer of a conference was removed from the directory, and may return."""
        owner = conference.owner
        return bool(owner) and self._owners.address(owner) != conference.organizer

    def living(self, conference: Conference | None, now: float) -> Conference | None:
        """Return a conference unless it is over for good, or its organizer was removed."""
        if conference is None or purgeable(conference, now) or self.is_held(conference):
            return None
        return conference

    def is_over(self, conference: Conference, now: float) -> bool:
        """Tell whether a conference is over for good, or its organizer's data was deleted."""
        lost = bool(conference.owner) and not self._owners.keeps(conference.owner)
        return purgeable(conference, now) or (lost and conference.active is None)


class ConferenceTable:
    """Every conference of this server."""

    log = Logger()

    def __init__(
        self,
        store: IStore,
        writers: KeyedLock,
        timers: ITimers,
        terms: ConferenceTerms,
        *,
        total: int,
        purge_every_s: float,
        owners: IOwners,
        tell: Callable[[Fact], None],
    ) -> None:
        """Begin without conferences; `open` reads them.

        Args:
            writers: Queues the writers of an organizer's conferences.
            terms: The limits of each conference.
            total: Conferences that are kept in all, at most.
            purge_every_s: Seconds between removals of those that are over for good.
            owners: Knows which person has which address.
            tell: Tells all processes of a change.
        """
        self._timers = timers
        self._terms = terms
        self._limit = Limit("conferencing.conferences", total, lambda: len(self._kept.table))
        self._purge_every_s = purge_every_s
        self._owners = owners
        self._kept = _ConferenceCache(self._owners)
        self._table: VersionedTable[str, Conference | None] = VersionedTable(
            KIND, self._kept, self._kept, store=store, writers=writers, tell=lambda news: self.others.tell(*news)
        )
        self.others: Final = OthersConferences(self._table, self._kept, self._tell, tell, timers)
        self._listeners: list[Hear] = []
        self._purge = Deadline(timers, self._begin_sweep)
        self._is_open = False

    def __len__(self) -> int:
        return len(self._kept.table)

    async def open(self) -> None:
        """Read all conferences, and begin to remove those that are over for good every `purge_every_s`."""
        await self._table.scan(lambda record: record.key)
        self._is_open = True
        self._purge_later()

    async def close(self) -> None:
        """Stop removing conferences."""
        self._is_open = False
        self._purge.clear()

    def listen(self, hear: Hear) -> None:
        """Call `hear` for every conference that was modified or deleted, once that is durable.

        It is given the conference before, and after; None: it was deleted.
        """
        self._listeners.append(hear)

    # -- finding ------------------------------------------------------------------------------

    def find(self, organizer: Aor, id_: str) -> Conference | None:
        """Find a conference by its organizer's present address and its id, in any case."""
        return self._kept.living(self._kept.organizers.get(organizer, {}).get(conference_key(id_)), self._timers.past())

    def at(self, uri: str) -> Conference | None:
        """Find the conference of a focus or MCU URI, its parameters in any order."""
        address = read_address(uri)
        return None if address is None else self._kept.living(self._kept.table.get(address.key), self._timers.past())

    def linked(self, place: Aor, id_: str) -> Conference | None:
        """Find the conference whose link names this address and id, whatever its organizer's address is by now.

        A link has no domain: the domain of `place` is tried first, then those of links that were made before.
        """
        user, now = place.rpartition("@")[0], self._timers.past()
        places = (place, *(kept_aor(f"{user}@{domain}") for domain in self._kept.domains))
        found = (self._kept.living(self._kept.table.get(key_of(one, id_)), now) for one in places)
        return next((one for one in found if one is not None), None)

    def conferences_of(self, organizer: Aor) -> tuple[Conference, ...]:
        """Return an organizer's conferences, the latest modified first."""
        now = self._timers.past()
        theirs = self._kept.organizers.get(organizer, {}).values()
        found = [each for each in theirs if self._kept.living(each, now) is not None]
        return tuple(sorted(found, key=lambda each: (-each.updated, each.id)))

    def active(self) -> tuple[Conference, ...]:
        """Return the conferences with a meeting that is running, or was when the process died."""
        return tuple(self.shown(each) for each in self._kept.table.values() if each.active is not None)

    def all_conferences(self) -> tuple[Conference, ...]:
        """Return every conference that is not over for good."""
        now = self._timers.past()
        return tuple(each for each in self._kept.table.values() if self._kept.living(each, now) is not None)

    # -- writing ------------------------------------------------------------------------------

    async def schedule(
        self, organizer: Aor, requested: ConferenceRequest, *, guests: bool = True
    ) -> Conference | ConferenceDenied:
        """Make a conference as it is requested; it is durable when this returns.

        Args:
            guests: Whether the organizer's policy allows guests.

        Raises:
            Refused: 503, too many of the organizer's conferences are being written, here or elsewhere.
            StoreUnavailable: Nothing was made.
        """
        async with self._table.hold(organizer):
            made = schedule(
                organizer, requested, self.conferences_of(organizer), self._terms, self._timers.wall(), guests=guests
            )
            if isinstance(made, ConferenceDenied):
                return made
            if made.key not in self._kept.table and len(self._kept.table) >= self._limit.most:
                self._limit.hit()
                self.log.warn("{count} conferences are kept, none is made any more", count=len(self._kept.table))
                return ConferenceDenied(C3pReason.SERVER_BUSY)

            def decide(before: Conference | None) -> _Decision:
                # A conference that is over for good may still be in the store under this key, and is replaced. But not
                # one of a person who had the address before: its link is in others' calendars.
                if before is not None and not purgeable(before, self._timers.past()):
                    return Decision(ConferenceDenied(C3pReason.CONFERENCE_EXISTS), before)
                # A link has no domain: one of another domain's user of this name must lead nowhere else.
                linked = self.linked(made.place, made.id)
                if linked is not None and linked.key != made.key:
                    return Decision(ConferenceDenied(C3pReason.CONFERENCE_EXISTS), before)
                new = noted(made, self._owners)
                return Decision(new, new, news=((None, new),))

            return await self._table.change(made.key, decide)

    async def modify(
        self, organizer: Aor, id_: str, requested: ConferenceRequest, *, guests: bool = True
    ) -> Conference | ConferenceDenied:
        """Change what a request names; it is durable, and listeners were called, when this returns. Raises as `schedule`."""

        def decide(old: Conference) -> Conference | ConferenceDenied:
            wall, existing = self._timers.wall(), self.conferences_of(organizer)
            return modify(old, requested, self._terms, wall, guests=guests, existing=existing)

        return await self._change(organizer, id_, decide)

    async def remember(self, key: str, active: Active | None, home: Home | None) -> Conference | ConferenceDenied:
        """Store what must survive of a running meeting, None when it has ended; durable when this returns.

        Nothing is written where nothing has changed. Listeners are not called: the focus knows. The conference is
        named by its key: a running meeting and its end are stored whatever becomes of the organizer.

        Args:
            key: Of the conference.
            active: What must survive.
            home: Of several nodes, as whose this is written; None: there is one node alone.

        Returns:
            The conference; `MOVED`, where a later home has written meanwhile: its epoch is higher.
        """

        def decide(old: Conference | None) -> _Decision:
            if old is None:
                return Decision(_UNKNOWN, None)
            if home is not None and old.epoch > home.epoch:
                return Decision(MOVED, old)
            # The meeting and this table hear one after the other that somebody has another address.
            now = None if active is None else up_to_date(active, self._owners)
            if old.active == now and (home is None or old.epoch == home.epoch):
                return Decision(old, old)
            present = readdressed(old, self._owners)
            began = now is not None and (old.active is None or old.active.instance != now.instance)
            activated = now.since if now and began else old.activated
            new = noted(replace(present, active=now, activated=activated), self._owners)
            if home is not None:
                new = replace(new, run_by=home.node, epoch=home.epoch)
            return Decision(new, new)

        conference = self._kept.table.get(key)
        if conference is None:
            return _UNKNOWN
        async with self._table.hold(conference.organizer):
            return await self._table.change(key, decide)

    async def delete(self, organizer: Aor, id_: str) -> Conference | ConferenceDenied:
        """Remove a conference for good, and call listeners; return what it was."""
        return await self._change(organizer, id_, lambda _: None)

    async def _change(
        self, organizer: Aor, id_: str, decide: Callable[[Conference], Conference | ConferenceDenied | None]
    ) -> Conference | ConferenceDenied:
        """Change a conference as `decide` says, None: remove it; return what it is then, or was."""

        def decided(old: Conference | None) -> _Decision:
            living = self._kept.living(old, self._timers.past())
            if living is None:
                return Decision(_UNKNOWN, old)
            new = decide(living)
            if isinstance(new, ConferenceDenied) or new is living:
                return Decision(new, old)
            after = None if new is None else noted(new, self._owners)
            return Decision(after or living, after, news=((living, after),))

        async with self._table.hold(organizer):
            old = await self.others.learn(organizer, id_, self.find)
            return _UNKNOWN if old is None else await self._table.change(old.key, decided)

    def _tell(self, before: Conference, after: Conference | None) -> None:
        for hear in self._listeners:
            hear(before, after)

    # -- addresses ----------------------------------------------------------------------------

    async def addresses_changed(self, aors: frozenset[Aor]) -> None:
        """Replace addresses by those that people have now; this counts at once, and is written with the next change."""
        for number, conference in enumerate(tuple(self._kept.table.values()), 1):
            if number % LOOKED_AT == 0:
                await next_turn(self._timers)
            named = (conference.organizer, *conference.meant)
            if not conference.asleep and aors.isdisjoint(named):
                continue
            async with self._table.hold(conference.organizer, must=True):
                present = self._table.peek(conference.key)
                if present is not None:
                    await self._readdress(present)

    async def _readdress(self, conference: Conference) -> None:
        """Replace addresses in memory only: records name the persons, so that what is stored stays right."""
        new = readdressed(conference, self._owners)
        await self._table.change(conference.key, lambda _: Decision(None, new, is_durable=False))
        self._tell(conference, self.shown(new))

    def shown(self, conference: Conference) -> Conference:
        """Return a conference as its meeting knows it, which goes on when its organizer was removed from the directory.

        Whoever is given the address next is not its organizer.
        """
        if not self._kept.is_held(conference):
            return conference
        return replace(conference, home=conference.place, organizer=NOBODYS)

    # -- purging ------------------------------------------------------------------------------

    async def purge(self) -> int:
        """Remove the conferences that are over for good; return their number.

        Raises:
            StoreUnavailable: The rest is still there.
            Refused: 503, too many of an organizer's conferences are being written.
        """
        removed = 0
        now = self._timers.past()
        for key in [key for key, each in self._kept.table.items() if self._kept.is_over(each, now)]:
            removed += await self._purged(key)
        return removed

    async def _purged(self, key: str) -> bool:
        conference = self._kept.table.get(key)
        if conference is None:
            return False

        def decide(present: Conference | None) -> Decision[Conference | None, bool]:
            # A conference may have been made under this key while this waited.
            if present is None or not self._kept.is_over(present, self._timers.past()):
                return Decision(result=False, value=present)
            return Decision(result=True, value=None)

        async with self._table.hold(conference.organizer):
            return await self._table.change(key, decide)

    def _purge_later(self) -> None:
        if self._is_open:
            self._purge.set(self._purge_every_s)

    def _begin_sweep(self) -> None:
        spawn(self._sweep(), self.log, "removing conferences that are over")

    async def _sweep(self) -> None:
        try:
            removed = await self.purge()
            if removed:
                self.log.info("{count} conferences that are over were removed", count=removed)
        except (StoreUnavailable, Refused) as error:
            self.log.warn("conferences that are over could not be removed: {reason}", reason=str(error))
        self._purge_later()
