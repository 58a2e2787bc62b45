"""Facts → notifications: one body for each audience, whoever belongs to it.

Changes of one user are gathered for a moment, so that a burst becomes one notification of
the latest state. Watchers hear of what is new in their audience; the user's own endpoints
of every category that was touched, whole.

Two things are told later. Changes of an endpoint that publishes too fast are gathered for
longer. And a watcher whose connection is full is told the latest state when it has drained.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import BoardChanged, EndpointGone, FlowClosed, FlowDrained, PersonChanged
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.begin import begin
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.workloads.presence.audience import NOBODY, Audience, concerns, differs, is_blocked
from lyncpy.workloads.presence.board import Board, compare
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.owed import Owed
from lyncpy.workloads.presence.roaming import Roaming
from lyncpy.workloads.presence.traffic import Traffic
from lyncpy.workloads.presence.watchers import Views, Watch, Watchers

AGAIN_S: Final = 30.0
"""When the store failed while somebody was to be told."""

Concerned = Callable[[Audience, int], frozenset[str]]
"""Gives the categories of which an audience may see something new, by changes with a greater serial number than this."""


@dataclass(slots=True)
class _Gathered:
    """What was changed on a board since its watchers were told last."""

    due: float
    timer: ITimer
    shown: dict[tuple[str, int], int] = field(default_factory=dict)
    """What is new → serial number of the last change of it."""

    furnished: set[tuple[str, int]] = field(default_factory=set)
    by: set[Epid] = field(default_factory=set)
    first: int | None = None
    """Serial number of the first change."""

    def take(self, fact: BoardChanged) -> None:
        """Add one change."""
        if self.first is None:
            self.first = fact.serial
        self.shown.update(dict.fromkeys(fact.shown, fact.serial))
        self.furnished |= fact.furnished
        if fact.by is not None:
            self.by.add(fact.by)

    def concerned(self, board: Board) -> Concerned:
        """Tell audiences of the board apart, each asked about once."""
        known: dict[Audience, frozenset[str]] = {}
        first = -1 if self.first is None else self.first

        def categories(seen_by: Audience, since: int) -> frozenset[str]:
            if since >= first:  # whoever began to watch meanwhile, and was shown some of it
                new = {place for place, serial in self.shown.items() if serial > since}
                return concerns(board, new, seen_by, self.furnished & new)
            found = known.get(seen_by)
            if found is None:
                found = known[seen_by] = concerns(board, self.shown, seen_by, self.furnished)
            return found

        return categories


class Fanout:
    """Tells watchers and own endpoints."""

    log = Logger()

    def __init__(
        self,
        boards: Boards,
        watchers: Watchers,
        views: Views,
        roaming: Roaming,
        traffic: Traffic,
        notifier: Notifier,
        people: IPeople,
        timers: ITimers,
        *,
        gather_s: float,
        limited_gather_s: float,
    ) -> None:
        """Take where the truth is, who watches it, who tells its owner, who sends, and who exists."""
        self._boards = boards
        self._watchers = watchers
        self._views = views
        self._roaming = roaming
        self._notifier = notifier
        self._people = people
        self._timers = timers
        self._gather_s = gather_s
        self._limited_gather_s = max(limited_gather_s, gather_s)
        self._traffic = traffic
        self._gathered: dict[Aor, _Gathered] = {}
        self._owed = Owed()

    async def board_changed(self, fact: BoardChanged) -> None:
        """Gather a change; the first one of a burst sets the time, so that a stream of them puts nothing off for ever.

        What a device that keeps within the limit changes does not wait for one that does not.
        """
        now = self._timers.now()
        wait_s = self._gather_s
        if fact.by is not None and not self._traffic.published(fact.aor, fact.by, now):
            wait_s = self._limited_gather_s
        if fact.aor in self._watchers:
            self._gather(fact, now, wait_s)
        self._roaming.changed(fact, wait_s)

    def _gather(self, fact: BoardChanged, now: float, wait_s: float) -> None:
        gathered = self._gathered.get(fact.aor)
        if gathered is None:
            timer = self._timers.later(wait_s, lambda: self._due(fact.aor))
            gathered = self._gathered[fact.aor] = _Gathered(now + wait_s, timer)
        elif now + wait_s < gathered.due:
            gathered.timer.cancel()
            gathered.due = now + wait_s
            gathered.timer = self._timers.later(wait_s, lambda: self._due(fact.aor))
        gathered.take(fact)

    def owe(self, subscription: Subscription, aor: Aor, categories: frozenset[str]) -> None:
        """Tell a watcher of somebody later on, as fast as the watcher reads."""
        if not self._owed.owes(subscription.flow):
            self._timers.later(0.0, lambda: self._again(subscription.flow))
        self._owed.put_off(subscription, aor, categories)

    def compare(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        """Tell a watcher how people are other than its first document shows; of these, it is told nothing else before.

        Args:
            subscription: It watches them from now on.
            shown: The boards that the document was written of; None: it says that there is no such user.
        """
        for aor in shown:
            self._watchers.of(aor)[subscription].is_behind = True
        self._timers.later(0.0, lambda: self._begin_comparing(subscription, shown))

    async def flow_drained(self, fact: FlowDrained) -> None:
        """Tell a connection what it is owed."""
        await self._settle(fact.flow)

    async def flow_closed(self, fact: FlowClosed) -> None:
        """Owe nothing more to a connection that is gone."""
        self._owed.take(fact.flow)

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """End what the endpoint published."""
        self._traffic.forget(fact.endpoint.aor, fact.endpoint.epid)
        await self._boards.depart(fact.endpoint.aor, fact.endpoint.epid, last=fact.last)

    async def person_changed(self, fact: PersonChanged) -> None:
        """Publish anew what the directory knows; nothing to do for who is neither in memory nor watched."""
        if self._boards.has_to_tell(fact.aor) or fact.aor in self._watchers:
            await self._boards.refurnish(fact.aor)

    def close(self) -> None:
        """Tell nothing more."""
        for gathered in self._gathered.values():
            gathered.timer.cancel()
        self._gathered.clear()

    def _due(self, aor: Aor) -> None:
        gathered = self._gathered.pop(aor)
        board = self._boards.peek(aor)
        if board is not None:
            self._tell(board, gathered)
        else:  # let go of meanwhile
            _ = Deferred.fromCoroutine(self._read_and_tell(aor, gathered)).addErrback(self._failed, aor)

    async def _read_and_tell(self, aor: Aor, gathered: _Gathered) -> None:
        self._tell(await self._boards.latest(aor), gathered)

    def _failed(self, failure: Failure, aor: Aor) -> None:
        self.log.error("watchers of {aor} were not told: {reason}", aor=aor, reason=str(failure.value))

    def _tell(self, board: Board, gathered: _Gathered) -> None:
        concerned, told = gathered.concerned(board), 0
        # A notification that cannot be sent ends its subscription, and so changes the index.
        for subscription, watch in tuple(self._watchers.of(board.aor).items()):
            told += self._tell_watcher(board, subscription, watch, concerned)
        self._traffic.caused(board.aor, gathered.by, told, self._timers.now())

    def _tell_watcher(self, board: Board, subscription: Subscription, watch: Watch, concerned: Concerned) -> bool:
        """Tell a watcher what concerns him, now or when his connection has room; False: there is nothing."""
        if watch.is_behind:
            return False
        before = watch.seen_by
        exists = self._people.person(board.aor) is not None
        seen_by = watch.audience(board, subscription.watcher) if exists else watch.lose()
        if before == seen_by:
            categories = concerned(seen_by, watch.since) & watch.categories
        elif before is not None and (is_blocked(seen_by) or is_blocked(before)) and NOBODY not in (before, seen_by):
            # As for a sign-out, or for who comes again: what looks different, and what was new on the level before.
            # Nothing if nothing does.
            categories = concerned(before, watch.since) & watch.categories
            categories |= differs(board, before, seen_by, watch.categories)
        else:
            categories = watch.categories  # another level: everything may look different
        if not categories:
            return False
        if self._notifier.is_full(subscription):
            self._owed.put_off(subscription, board.aor, categories)
        else:
            categories |= self._owed.settle(subscription, board.aor)
            self._notifier.notify(subscription, self._views.of(board, seen_by, categories, watch.form))
        return True

    def _begin_comparing(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        begin(self._compare(subscription, shown), self.log, "comparing what a watcher was shown")

    async def _compare(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        left = dict(shown)
        while left:
            aor, before = next(iter(left.items()))
            exists = self._people.person(aor) is not None
            try:
                board = await self._boards.latest(aor) if exists else before
            except StoreUnavailable:
                self._timers.later(AGAIN_S, lambda: self._begin_comparing(subscription, left))
                return
            del left[aor]
            watch = self._watchers.of(aor).get(subscription)
            if watch is None:
                continue
            # What was changed before this turn is on the board; of what is changed later, the watcher hears as others do.
            watch.is_behind, watch.since = False, self._boards.serial
            if board is not None:
                self._tell_watcher(board, subscription, watch, partial(_differing, before or board, board))

    async def _settle(self, flow: FlowName) -> None:
        """Tell the latest state of everybody of whom a connection has not heard, as far as it has room."""
        debts = dict(self._owed.take(flow))
        while debts:
            (subscription, aor), categories = next(iter(debts.items()))
            try:
                board = await self._boards.latest(aor)
            except StoreUnavailable:
                break
            del debts[subscription, aor]
            watch = self._watchers.of(aor).get(subscription)
            if watch is not None:
                self._tell_watcher(board, subscription, watch, partial(_known, categories))
        for (subscription, aor), categories in debts.items():
            self._owed.put_off(subscription, aor, categories)
        if debts:
            self._timers.later(AGAIN_S, lambda: self._again(flow))

    def _again(self, flow: FlowName) -> None:
        begin(self.flow_drained(FlowDrained(flow)), self.log, "telling a connection what it is owed")


def _known(categories: frozenset[str], _: Audience, __: int) -> frozenset[str]:
    """Give the categories that are known to concern a watcher, whatever his audience."""
    return categories


def _differing(shown: Board, board: Board, seen_by: Audience, _: int) -> frozenset[str]:
    """Give the categories of which a board shows an audience something else than an earlier one did."""
    changes = compare(shown, board)
    return concerns(board, changes.shown, seen_by, changes.furnished)
