"""Pulls: when people and groups are read, and what becomes of the answer.

At start, at an interval, and on command; never two at once. A directory that cannot be
read changes nothing: who is known stays known, it is logged once, and tried again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import Group, IDirectory, Person, Skipped
from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import bare
from lyncpy.contracts.nodes import Duty, INodes
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.refusal import DirectoryUnavailable, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.workloads.directory.answers import DirectoryAnswers, PullAnswer, PullQuestion
from lyncpy.workloads.directory.change_applier import NAMED_MOST, ChangeApplier
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.changes import GroupChanges, PullChanges, in_order, successors
from lyncpy.workloads.directory.model.places import Places, renamed, text_of
from lyncpy.workloads.directory.model.removals import RemovalLimits, reasons_still, silent_of, withheld_still
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.records import DirectoryRecords, PullState, chunks
from lyncpy.workloads.directory.settings import Settings

T = TypeVar("T")

START_WAIT_S: Final = 1.5
"""How long a start waits for the first pull when people are known already; a frozen directory must not delay it."""

STEP_S: Final = 60.0
"""A clock that is set by less is covered by what every pull reads again."""


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull did, or would do."""

    changes: PullChanges
    groups: GroupChanges
    complete: bool
    """Whether everything was read."""

    took_s: float
    refused: str = ""
    """Why nothing was done; "" when it was."""

    withheld: str = ""
    """Why people or groups are not removed who are gone; "" when none are held back. All else was done."""

    unread: tuple[str, ...] = ()
    """As of the answer."""

    silent: frozenset[str] = frozenset()
    """The names of the directories of which it was not found out who is gone."""


@dataclass(frozen=True, slots=True)
class PeopleSource:
    """Where people come from."""

    directory: IDirectory
    places: Places
    """The directory, or all that it is made of; of others nobody is known yet."""


NOTHING: Final = PullResult(PullChanges((), (), (), 0, (), ()), GroupChanges(), complete=False, took_s=0.0)
"""Of a pull that another node does."""


class Pulls:
    """Keeps the tables of people and groups up to date with the directory; the first pull is made by `open`."""

    log = Logger()

    def __init__(
        self,
        origin: PeopleSource,
        kept: DirectoryRecords,
        people: People,
        groups: Groups,
        bus: IBus,
        settings: Settings,
        timers: ITimers,
        nodes: INodes,
    ) -> None:
        """Begin with nobody.

        Args:
            nodes: Say whether pulling is this node's duty; whoever else is told to pull does so all the same.
        """
        directory, places = origin.directory, origin.places
        self._directory = directory
        self.places: Final = places
        limits = RemovalLimits(settings.removal_share, settings.removal_minimum)
        self._answers = DirectoryAnswers(directory, people, groups, limits, places, timers)
        self._kept = kept
        self._people = people
        self._groups = groups
        self.applier = ChangeApplier(kept, people, groups, bus, timers, overdue_ends=settings.must_change_signs_out)
        self.rejudge = self.applier.rejudge
        self._settings = settings
        self._timers = timers
        self._nodes = nodes
        self._has_state = True
        """Whether `state` is that of the last pull, and not of one before another node pulled."""

        self._lock = DeferredLock()
        self._next = Deadline(timers, self._due)
        self._closed = False
        self.progress = ""  # how far a pull under way is, in words
        self._full_due = 0.0
        """Monotonic seconds at which everything is read again."""
        self.state = PullState()
        self.failure = ""
        """Why the directory cannot be read now; "" when the last try succeeded."""

        self.failing_since = 0.0
        """Wall-clock seconds."""

        self.recovered_at = timers.now()
        """Monotonic seconds of the last pull that succeeded, or since when they are this node's."""

        self.unread: tuple[str, ...] = ()
        """Why some of several directories cannot be read now."""

        self.refused = ""
        """Why removals are held back; "" when none are."""

        self.withheld: tuple[Person, ...] = ()
        self.withheld_groups: tuple[Group, ...] = ()
        """Who and which groups would be removed."""

        self._doubted: tuple[Mapping[str, str], Mapping[str, str]] = {}, {}
        """Why these people and groups are not, by the names of their directories."""

        people.owners.forward_s = settings.forward_s
        people.owners.now = timers.past

    @property
    def is_running(self) -> bool:
        """Whether a pull is under way."""
        return self._lock.locked

    async def open(self) -> None:
        """Know everybody again, and pull.

        Raises:
            DirectoryUnavailable: The directory cannot be read and nobody is known from before.
        """
        self.state = await self._kept.state()
        new_names = renamed(self.state.urls, self.places.urls)
        for was, name in new_names.items():
            self.log.info('the directory "{was}" is called "{name}" now, and has the same people', was=was, name=name)
        if new_names:
            self.state = await self._kept.rename(self.state, new_names)
        for person, owner in await self._kept.people():
            self.applier.know(person, owner)
        self._people.owners.delete(self._kept.deleted)
        for group in await self._kept.groups():
            self._groups.put_group(group)
        self._full_due = self._timers.now() + self._full_left_s()
        self._timers.on_step(self._on_step)
        known = [one.id for one in self._people.owners.everybody()]
        for _, owner in await self._kept.adopt(known, self._timers.wall()):
            self._people.owners.put_owner(owner)
        if not self._nodes.has_duty(Duty.DIRECTORY):
            # Whoever has it pulls now, or has done so; what is found is heard of.
            self._has_state = False
            self._arm()
            return
        # Known people can sign in before the directory answers; of another directory nobody is known, so that is waited for.
        if len(self._people) and self.state.urls == self.places.urls:
            await self._within(START_WAIT_S, Deferred.fromCoroutine(self._scheduled()))
            return
        outcome = await self.pull()
        # Another directory with too few of the people is more likely a wrong URL than a new start.
        if outcome.refused:
            raise DirectoryUnavailable(
                f'people came from "{text_of(self.state.urls)}" so far; of "{self.places.text}": {outcome.refused}'
            )
        if not len(self._people):
            self.log.warn(
                "the directory {url} gives nobody; see `directory skipped`, and [directory] bases and filters",
                url=self.places.text,
            )
        self._arm()

    async def close(self) -> None:
        """Stop; a pull under way ends first, without what it has not read yet."""
        self._closed = True
        self._next.clear()
        await self._directory.close()
        await self._lock.acquire()
        self._lock.release()

    async def pull(
        self,
        *,
        dry_run: bool = False,
        force: bool = False,
        full: bool = False,
        same_people: bool = False,
        counting: bool | None = None,
    ) -> PullResult:
        """Read the directory and apply its changes; wait for a pull under way first.

        Args:
            dry_run: Only find out what would be done.
            force: Remove people and groups even if they are very many.
            full: Read everything, also when less would do.
            same_people: Who has an address in the directory is who had it here, though the key is another.
            counting: Whether it is found out who is gone; None: when it is its turn, or it is forced.

        Raises:
            DirectoryUnavailable: It cannot be read; nothing was changed.
            StoreUnavailable: What it says cannot be kept; the rest is done by the next pull.
        """
        await self._lock.acquire()
        self.progress = "the directory is being read"
        try:
            began = self._timers.now()
            if not self._has_state:
                # Whoever had the duty before may have been lost in the middle of something.
                for owner in await self._kept.settle():
                    self.applier.follow(owner, await self._kept.person(owner))
                self.state, self._has_state = await self._kept.state(), True
            cookie = "" if full or same_people else self._cookie()
            counting = True if force else counting
            asked = PullQuestion(cookie, force=force, same_people=same_people, counting=counting)
            found = await self._answers.found(asked, self.state)
            if not dry_run and not found.refused:
                # First: who comes back after their time finds nothing, also when this pull is the first since.
                await self.applier.delete_over(self._timers.past() - self._settings.held_s)
                await self._carry_out(found)
            self._recovered(found.answer.unread)
            took_s = self._timers.now() - began
            return PullResult(
                found.changes,
                found.groups,
                found.answer.complete,
                took_s,
                found.refused,
                found.withheld,
                found.answer.unread,
                frozenset(silent_of(found.answer, self.places.names)),
            )
        except WorldUnavailable as error:
            self._failed(str(error))
            raise
        finally:
            self.progress = ""
            self._lock.release()

    async def pull_if_mine(self, *, counting: bool) -> PullResult:
        """Pull as a directory asks for that tells of changes, if that is this node's duty; others are told the same. Raises as `pull`."""
        if self._nodes.has_duty(Duty.DIRECTORY):
            return await self.pull(counting=counting)
        self._has_state = False
        return NOTHING

    def node_lost(self, _: NodeLost) -> None:
        """Pull now, if that has become this node's duty: what the directory has told since was told to nobody whose it was."""
        if self._nodes.has_duty(Duty.DIRECTORY) and not self._has_state and not self._closed:
            spawn(self._scheduled(counting=True), self.log, "the pull of a duty that is new")

    async def follow(self, owner: OwnerId) -> None:
        """Show somebody as another node has kept them.

        Raises:
            StoreUnavailable: It cannot be read.
        """

        async def show() -> None:
            self.applier.follow(owner, await self._kept.person(owner))

        await self.alone(show)

    async def follow_group(self, key: str) -> None:
        """Show a group as another node has kept it; as of people."""

        async def show() -> None:
            self.applier.follow_group(key, await self._kept.group(key))

        await self.alone(show)

    async def delete(self, owner: OwnerId) -> None:
        """Delete all data of an owner who is held back.

        Raises:
            PersonMissing: Nobody is held back under this name.
            StoreUnavailable: Not all could be deleted.
        """
        await self.alone(lambda: self.applier.delete(self.applier.held_back(owner)))

    async def alone(self, change: Callable[[], Awaitable[T]]) -> T:
        """Carry out a change that an operator makes, or another node has made (`applier`); wait for a pull under way first."""
        await self._lock.acquire()
        try:
            return await change()
        finally:
            self._lock.release()

    # --- asking

    def _cookie(self) -> str:
        """Give the cookie, or "" when it is time to read everything."""
        state = self.state
        due = self._timers.now() >= self._full_due
        return "" if due or state.urls != self.places.urls else state.cookie

    def _full_left_s(self) -> float:
        """Give the seconds until everything is read again, at a start: only the wall clock knows how long we were off."""
        age_s = self._timers.wall() - self.state.full_at
        # A pull in the future: the clock was set back since, and its age is unknown.
        return self._settings.full_interval_s - age_s if age_s >= 0 else 0.0

    def _on_step(self, by_s: float) -> None:
        """Have the next pull read everything: a directory on this host dates its changes by the same clock."""
        if abs(by_s) >= STEP_S:
            self._full_due = self._timers.now()

    # --- carrying out

    async def _carry_out(self, found: PullAnswer) -> None:
        """Write the changes, apply them to the tables, then tell them: told changes are durable. Removals come first."""
        changes = found.changes
        known = frozenset(self.state.skipped)
        news = [one for one in changes.skipped if one not in known]
        for removed in chunks(changes.removed):
            await self.applier.remove(removed)
        disabled = frozenset(person.aor for person in changes.disabled)
        self.progress = f"{len(changes.changed)} changes and {len(changes.added)} new people are being kept"
        for chunk in chunks((*changes.disabled, *(one for one in changes.changed if one.aor not in disabled))):
            await self.applier.update_people(chunk)
        for moves in in_order(changes.moved):
            await self.applier.move(moves)
        for added in chunks(changes.added):
            await self.applier.add_people(added, first=not self.state.pulled_at)
        await self.applier.regroup(found.groups)
        self.applier.name_successors(successors(changes))
        await self._note(found)
        self._withhold(found)
        self._log(found)
        self._name(news)

    def _log(self, found: PullAnswer) -> None:
        changes, groups = found.changes, found.groups
        if changes.is_empty and groups.is_empty:
            return
        self.log.info(
            "pulled {url}: {added} added, {changed} changed, {moved} moved, {removed} removed, {unchanged} unchanged, "
            "{skipped} skipped; groups: {groups_added} added, {groups_changed} changed, {groups_removed} removed",
            url=self.places.text,
            added=len(changes.added),
            changed=len(changes.changed),
            moved=len(changes.moved),
            removed=len(changes.removed),
            unchanged=changes.unchanged,
            skipped=len(changes.skipped),
            groups_added=len(groups.added),
            groups_changed=len(groups.changed),
            groups_removed=len(groups.removed),
        )

    async def _note(self, found: PullAnswer) -> None:
        """Remember where pulls stand; the store is spared when an incremental pull found nothing new."""
        at = self._timers.wall()
        before, answer = self.state, found.answer
        if answer.complete or self._timers.now() >= self._full_due:
            self._full_due = self._timers.now() + self._settings.full_interval_s
        self.state = PullState(
            urls=dict(self.places.urls),
            # What was held back is to be told again: an increment would say it only once.
            cookie=before.cookie if found.withheld else answer.cookie,
            pulled_at=at,
            full_at=at if answer.complete else before.full_at,
            skipped=found.changes.skipped,
        )
        if replace(self.state, pulled_at=before.pulled_at) != before:
            await self._kept.keep_state(self.state)

    def _name(self, news: Sequence[Skipped]) -> None:
        for one in news[:NAMED_MOST]:
            self.log.warn("skipped {source}: {reason}", source=one.source, reason=one.reason)
        if len(news) > NAMED_MOST:
            self.log.warn("{count} more entries were skipped; see `directory skipped`", count=len(news) - NAMED_MOST)

    # --- what the schedule knows

    def _withhold(self, found: PullAnswer) -> None:
        """Note the changes that are withheld, those too of which this answer could not know; log them once."""
        answer = found.answer
        silent = silent_of(answer, self.places.names)
        withheld: tuple[Person | Group, ...] = (*self.withheld, *self.withheld_groups)
        asked = {one.key for one in withheld if self.places.directory_of(one.key) in silent}
        if asked:
            asked.difference_update(one.key for one in answer.people)
            asked.difference_update(one.key for one in answer.groups or ())

        def is_open(one: Person) -> bool:
            now = self._people.person(one.aor)
            return one.key in asked and now is not None and now.key == one.key

        def is_open_group(one: Group) -> bool:
            return one.key in asked and self._groups.group(one.key) is not None

        self.withheld = withheld_still(self.withheld, found.changes.withheld, is_open)
        self.withheld_groups = withheld_still(self.withheld_groups, found.groups.withheld, is_open_group)
        of_people, of_groups = self._doubted
        self._doubted = (
            reasons_still(of_people, found.doubts, {self.places.directory_of(one.key) for one in self.withheld}),
            reasons_still(
                of_groups, found.group_doubts, {self.places.directory_of(one.key) for one in self.withheld_groups}
            ),
        )
        refused = "; ".join(reason for reasons in self._doubted for reason in reasons.values())
        if found.withheld and self.refused != refused:
            names = ", ".join(
                (*(bare(one.aor) for one in self.withheld), *(one.name for one in self.withheld_groups))[:NAMED_MOST]
            )
            self.log.warn(
                "removals are held back, all else of the pull of {url} was carried out: {reason} ({names}); "
                "`directory pull --dry-run` shows them, `directory pull --force` carries them out",
                url=self.places.text,
                reason=refused,
                names=names,
            )
        self.refused = refused

    def _recovered(self, unread: tuple[str, ...]) -> None:
        if self.failure or (self.unread and not unread):
            self.log.info("the directory can be read again: {url}", url=self.places.text)
        is_new = bool(unread) and not self.unread
        if is_new:
            self.failing_since = self._timers.wall()
        for reason in unread if [*unread] != [*self.unread] else ():
            self.log.warn("no pull of one directory now, its people stay known: {reason}", reason=reason)
        self.failure, self.unread, self.recovered_at = "", unread, self._timers.now()
        if is_new:
            # Whoever asked for this pull: the schedule tries again sooner, and from then on by itself.
            self._arm()

    def _failed(self, reason: str) -> None:
        if self._closed:
            return
        if not self.failure:
            self.failing_since = self._timers.wall()
            self.log.warn("no pull now, {count} people stay known: {reason}", count=len(self._people), reason=reason)
        self.failure = reason

    async def _scheduled(self, *, counting: bool | None = None) -> None:
        try:
            if self._nodes.has_duty(Duty.DIRECTORY):
                await self.pull(counting=counting)
            else:
                self._has_state = False
                # Of a pull that somebody asked for here: whether the directory can be read is another's to find out.
                self.failure, self.unread, self.recovered_at = "", (), self._timers.now()
        except WorldUnavailable:
            # Noted by `pull`; the next try is armed below.
            self.log.debug("the pull will be tried again")
        finally:
            self._arm()

    def _arm(self) -> None:
        if self._closed:
            return
        settings = self._settings
        delay = min(settings.retry_s, settings.interval_s) if self.failure or self.unread else settings.interval_s
        self._next.set(delay)

    def _due(self) -> None:
        spawn(self._scheduled(), self.log, "a pull of the directory")

    async def _within(self, limit_s: float, work: Deferred[None]) -> None:
        """Wait for work that goes on by itself, but only so long."""
        enough: Deferred[None] = Deferred()

        def broken(failure: Failure) -> None:
            self.log.failure("a pull failed for a reason of our own", failure=failure)

        def end(result: object = None) -> None:
            if not enough.called:
                enough.callback(None)

        _ = work.addErrback(broken).addBoth(end)
        timer = self._timers.later(limit_s, end)
        await enough
        timer.cancel()
