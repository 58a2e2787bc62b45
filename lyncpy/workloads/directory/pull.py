"""Pulls: when people and groups are read, and what becomes of the answer.

At start, at an interval, and on command; never two at once. A directory that cannot be
read changes nothing: who is known stays known, it is logged once, and tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IDirectory, Person, Pull, Skipped, judged, objection_to
from lyncpy.contracts.facts import GroupsChanged, PersonChanged, SecretChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import DirectoryUnavailable, WorldUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.kept import Kept, State, chunks
from lyncpy.workloads.directory.model import (
    Changes,
    GroupChanges,
    Limits,
    compare,
    compare_groups,
    group_refusal,
    refusal,
)
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.settings import Settings

START_WAIT_S: Final = 1.5
"""How long a start waits for the first pull when people are known already; a frozen directory must not delay it."""

STEP_S: Final = 60.0
"""A clock that is set by less is covered by what every pull reads again."""

NAMED_MOST: Final = 20
"""Skipped entries that one pull names in the log; all are in `directory skipped`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pull did, or would do."""

    changes: Changes
    groups: GroupChanges
    complete: bool
    """Whether everything was read."""

    took_s: float
    refused: str = ""
    """Why nothing was done; "" when it was."""


class Pulls:
    """Keeps the tables of people and groups like the directory."""

    log = Logger()

    def __init__(
        self,
        directory: IDirectory,
        kept: Kept,
        people: People,
        groups: Groups,
        bus: IBus,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Take the directory, the store, the tables and whom to tell; nothing happens before `open`."""
        self._directory = directory
        self._kept = kept
        self._people = people
        self._groups = groups
        self._bus = bus
        self._settings = settings
        self._timers = timers
        self._lock = DeferredLock()
        self._timer: ITimer | None = None
        self._closed = False
        self._full_due = 0.0
        """Monotonic seconds at which everything is read again."""
        self.state = State()
        self.failure = ""
        """Why the directory cannot be read now; "" when the last try succeeded."""

        self.failing_since = 0.0
        """Wall-clock seconds."""

        self.refused = ""
        """Why the last pull was not carried out."""

    @property
    def is_running(self) -> bool:
        """Whether a pull is under way."""
        return self._lock.locked

    async def open(self) -> None:
        """Know everybody again, and pull.

        Raises:
            DirectoryUnavailable: The directory cannot be read and nobody is known from before.
        """
        for person in await self._kept.people():
            self._show(person)
        for group in await self._kept.groups():
            self._groups.keep(group)
        self.state = await self._kept.state()
        self._full_due = self._timers.now() + self._full_left_s()
        self._timers.on_step(self._on_step)
        if len(self._people) and self.state.url == self._settings.url:
            await self._within(START_WAIT_S, Deferred.fromCoroutine(self._scheduled()))
            return
        outcome = await self.pull()
        if outcome.refused:
            raise DirectoryUnavailable(
                f'people came from "{self.state.url}" so far; of "{self._settings.url}": {outcome.refused}'
            )
        if not len(self._people):
            self.log.warn(
                "the directory {url} gives nobody; see `directory skipped`, and [directory] bases and filters",
                url=self._settings.url,
            )
        self._arm()

    async def close(self) -> None:
        """Stop; a pull under way ends first, without what it has not read yet."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._directory.close()
        await self._lock.acquire()
        self._lock.release()

    async def pull(self, *, dry_run: bool = False, force: bool = False, full: bool = False) -> Outcome:
        """Read the directory and carry out what it says; wait for a pull under way first.

        Args:
            dry_run: Only find out what would be done.
            force: Carry it out even if it removes very many.
            full: Read everything, also when less would do.

        Raises:
            DirectoryUnavailable: It cannot be read; nothing was changed.
            StoreUnavailable: What it says cannot be kept; the rest is done by the next pull.
        """
        await self._lock.acquire()
        try:
            began = self._timers.now()
            changes, groups, answer = await self._ask("" if full else self._cookie())
            refused = "" if force else self._refusal(changes, groups)
            if not dry_run:
                if refused:
                    self._refuse(refused)
                else:
                    await self._carry_out(changes, groups, answer)
                    self.refused = ""
            self._recovered()
            return Outcome(changes, groups, answer.complete, self._timers.now() - began, refused)
        except WorldUnavailable as error:
            self._failed(str(error))
            raise
        finally:
            self._lock.release()

    # --- asking

    def _cookie(self) -> str:
        """Give the cookie, or "" when it is time to read everything."""
        state = self.state
        due = self._timers.now() >= self._full_due
        return "" if due or state.url != self._settings.url else state.cookie

    def _full_left_s(self) -> float:
        """Give the seconds until everything is read again, at a start: only the wall clock knows how long we were off."""
        age_s = self._timers.wall() - self.state.full_at
        # A pull in the future: the clock was set back since, and its age is unknown.
        return self._settings.full_interval_s - age_s if age_s >= 0 else 0.0

    def _on_step(self, by_s: float) -> None:
        """Have the next pull read everything: a directory on this host dates its changes by the same clock."""
        if abs(by_s) >= STEP_S:
            self._full_due = self._timers.now()

    async def _ask(self, cookie: str) -> tuple[Changes, GroupChanges, Pull]:
        answer = await self._directory.pull(cookie)
        changes, groups = self._compared(answer)
        if changes.incomplete or groups.incomplete:
            answer = await self._directory.pull("")
            changes, groups = self._compared(answer)
        return changes, groups, answer

    def _compared(self, answer: Pull) -> tuple[Changes, GroupChanges]:
        people = self._people.table()
        return (
            compare(people, self.state.skipped, answer),
            compare_groups(self._groups.table(), people.values(), self.state.skipped, answer),
        )

    def _refusal(self, changes: Changes, groups: GroupChanges) -> str:
        """Say why this is not to be believed, or give ""."""
        settings = self._settings
        if self.state.url != settings.url:
            # Other people are what an operator wants who names another directory; nobody is not.
            lost_all = len(changes.removed) == len(self._people) > 0 and not changes.added
            return (
                "it has nobody who could be used: correct bases, filters and address ([directory])" if lost_all else ""
            )
        limits = Limits(settings.removal_share, settings.removal_minimum)
        return refusal(changes, len(self._people), limits) or group_refusal(groups, len(self._groups), limits)

    # --- carrying out

    async def _carry_out(self, changes: Changes, groups: GroupChanges, answer: Pull) -> None:
        """Keep, then show, then tell: what is told is durable. Those who lose something come first."""
        news = [one for one in changes.skipped if one not in frozenset(self.state.skipped)]
        for chunk in chunks(changes.removed):
            await self._kept.drop(chunk)
            for person in chunk:
                self._people.drop(person.aor)
                self._groups.forget(person.aor)
                self._bus.tell(PersonChanged(person.aor, None))
        disabled = frozenset(person.aor for person in changes.disabled)
        for chunk in chunks(
            (*changes.disabled, *(one for one in changes.changed if one.aor not in disabled), *changes.added)
        ):
            await self._kept.keep(chunk)
            for person in chunk:
                former, shown = self._people.person(person.aor), self._show(person)
                self._bus.tell(PersonChanged(person.aor, shown))
                if former is not None and former.nt_hash is not None and person.nt_hash is None:
                    # What was proven with a password that the directory took back holds no longer.
                    self._bus.tell(SecretChanged(person.aor))
        await self._regroup(groups)
        await self._note(changes, answer)
        if not (changes.is_empty and groups.is_empty):
            self.log.info(
                "pulled {url}: {added} added, {changed} changed, {removed} removed, {unchanged} unchanged, {skipped} skipped; "
                "groups: {groups_added} added, {groups_changed} changed, {groups_removed} removed",
                url=self._settings.url,
                added=len(changes.added),
                changed=len(changes.changed),
                removed=len(changes.removed),
                unchanged=changes.unchanged,
                skipped=len(changes.skipped),
                groups_added=len(groups.added),
                groups_changed=len(groups.changed),
                groups_removed=len(groups.removed),
            )
        self._name(news)

    async def _regroup(self, changes: GroupChanges) -> None:
        """Do the same with groups; one fact tells of all that one chunk touches."""
        for chunk in chunks(changes.removed):
            await self._kept.drop_groups(chunk)
            touched = self._groups.around(group.key for group in chunk)
            for group in chunk:
                self._groups.drop(group.key)
            self._bus.tell(GroupsChanged(touched))
        for chunk in chunks((*changes.changed, *changes.added)):
            await self._kept.keep_groups(chunk)
            # Who held a group under its old name held it until now; who holds it under its new one does from now on.
            touched = self._groups.around(group.key for group in chunk)
            for group in chunk:
                self._groups.keep(group)
            self._bus.tell(GroupsChanged(touched | self._groups.around(group.key for group in chunk)))

    def rejudge(self, aors: Sequence[Aor]) -> None:
        """Show people as they are now whose time may have begun or ended. Nothing is kept: the dates are."""
        for aor in aors:
            former, wall = self._people.person(aor), self._timers.wall()
            if former is not None and judged(former, wall) is not former:
                person, objection = self._show(former), objection_to(former, wall)
                self.log.info("{aor} {what}", aor=aor, what="may sign in now" if objection is None else objection.words)
                self._bus.tell(PersonChanged(aor, person))

    def _show(self, person: Person) -> Person:
        """Take somebody into the tables as they are by the clock: it may have gone on since the directory was read."""
        person = judged(person, self._timers.wall())
        self._people.keep(person)
        self._groups.know(person)
        return person

    async def _note(self, changes: Changes, answer: Pull) -> None:
        """Remember where pulls stand; the store is spared when an incremental pull found nothing new."""
        at = self._timers.wall()
        if answer.complete:
            self._full_due = self._timers.now() + self._settings.full_interval_s
        before = self.state
        self.state = State(
            url=self._settings.url,
            cookie=answer.cookie,
            pulled_at=at,
            full_at=at if answer.complete else before.full_at,
            skipped=changes.skipped,
        )
        if replace(self.state, pulled_at=before.pulled_at) != before:
            await self._kept.keep_state(self.state)

    def _name(self, news: Sequence[Skipped]) -> None:
        for one in news[:NAMED_MOST]:
            self.log.warn("skipped {source}: {reason}", source=one.source, reason=one.reason)
        if len(news) > NAMED_MOST:
            self.log.warn("{count} more entries were skipped; see `directory skipped`", count=len(news) - NAMED_MOST)

    # --- what the schedule knows

    def _refuse(self, reason: str) -> None:
        if self.refused != reason:
            self.log.warn(
                "the pull of {url} was refused: {reason}; `directory pull --dry-run` shows more, `directory pull --force` does it",
                url=self._settings.url,
                reason=reason,
            )
        self.refused = reason

    def _recovered(self) -> None:
        if self.failure:
            self.log.info("the directory can be read again: {url}", url=self._settings.url)
        self.failure = ""

    def _failed(self, reason: str) -> None:
        if self._closed:
            return
        if not self.failure:
            self.failing_since = self._timers.wall()
            self.log.warn("no pull now, {count} people stay known: {reason}", count=len(self._people), reason=reason)
        self.failure = reason

    async def _scheduled(self) -> None:
        try:
            await self.pull()
        except WorldUnavailable:
            # Noted by `pull`; the next try is armed below.
            self.log.debug("the pull will be tried again")
        finally:
            self._arm()

    def _arm(self) -> None:
        if self._closed:
            return
        settings = self._settings
        delay = min(settings.retry_s, settings.interval_s) if self.failure else settings.interval_s
        self._timer = self._timers.later(delay, self._due)

    def _due(self) -> None:
        _ = Deferred.fromCoroutine(self._scheduled()).addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        self.log.failure("a pull failed for a reason of our own", failure=failure)

    async def _within(self, limit_s: float, work: Deferred[None]) -> None:
        """Wait for work that goes on by itself, but only so long."""
        enough: Deferred[None] = Deferred()

        def end(result: object = None) -> None:
            if not enough.called:
                enough.callback(None)

        _ = work.addErrback(self._broken).addBoth(end)
        timer = self._timers.later(limit_s, end)
        await enough
        timer.cancel()
