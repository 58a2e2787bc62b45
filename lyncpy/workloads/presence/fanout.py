"""Facts → notifications to watchers: one body for each audience.

Changes of one user are gathered for a moment, so that a burst becomes one notification of
the latest state. Watchers are told what is new in their audience; the user's own endpoints,
by `roaming`, every category that was touched, whole.

Two things are told later. Changes of an endpoint that publishes too fast are gathered for
longer. And a watcher whose connection is full is told the latest state when it has drained.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.facts import BoardChanged, EndpointGone
from lyncpy.contracts.meter import LATENCIES_S, IMeter
from lyncpy.contracts.names import Aor, Epid, bare
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.feed import RETRY_S, Feed, FeedSource
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.core.spawn import spawn
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.board_table import BoardTable
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat
from lyncpy.workloads.presence.model.audience import NOBODY, Audience, concerns, differs, is_blocked
from lyncpy.workloads.presence.model.board import Board, compare
from lyncpy.workloads.presence.model.traffic import Traffic
from lyncpy.workloads.presence.presentities import Presentities, Views
from lyncpy.workloads.presence.roaming import Roaming
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.watcher_index import BEHIND, WatcherIndex


@dataclass(slots=True)
class GatheredChanges:
    """The changes of a board since its watchers were told last."""

    first: int
    """Serial number of the first change."""

    shown: dict[tuple[str, int], int]
    """(category, container) → serial number of the last change there."""

    furnished: set[tuple[str, int]]
    by: set[Epid]

    @classmethod
    def from_fact(cls, fact: BoardChanged) -> "GatheredChanges":
        """Make the changes of one fact."""
        shown = dict.fromkeys(fact.shown, fact.serial)
        return cls(fact.serial, shown, set(fact.furnished), set() if fact.by is None else {fact.by})

    def add(self, later: "GatheredChanges") -> None:
        """Add later changes."""
        self.shown.update(later.shown)
        self.furnished |= later.furnished
        self.by |= later.by


class PresenceFanout(FeedSource[Aor, GatheredChanges, frozenset[str]]):
    """Tells watchers what has changed on boards.

    Attributes:
        feed: Tells watchers; it is to hear of connections. A watcher whose connection is full is owed the
            names of the categories in which there is news.
    """

    log = Logger()

    def __init__(
        self,
        presentities: Presentities,
        watchers: WatcherIndex,
        roaming: Roaming,
        traffic: Traffic,
        notifier: Notifier,
        settings: Settings,
        timers: ITimers,
        meter: IMeter,
    ) -> None:
        """Create the fan-out with nothing to tell.

        Args:
            presentities: The boards, and what each audience sees of them.
            watchers: Who watches whom.
            roaming: Tells the changes of a board to its owner's endpoints.
            traffic: Counts what endpoints publish.
            notifier: Sends notifications.
            settings: How long changes are gathered.
            timers: The clock.
            meter: Shows how long telling takes.
        """
        self._boards = presentities.boards
        self._watchers = watchers
        self._views = presentities.views
        self._roaming = roaming
        self._people = presentities.people
        self._timers = timers
        self._gather_s = settings.gather_ms / 1000
        self._limited_gather_s = max(settings.limited_gather_ms / 1000, self._gather_s)
        self._traffic = traffic
        self._fanout_seconds = meter.histogram(
            "lyncpy_presence_fanout_seconds",
            "Seconds in which all watchers of a board were told a change.",
            LATENCIES_S,
        )
        self.feed: Final[Feed[Aor, GatheredChanges, frozenset[str]]] = Feed(self, notifier, timers, self._told)

    def board_changed(self, fact: BoardChanged) -> None:
        """Gather a change; the first of a burst sets the time, so that a stream of changes delays nothing for ever.

        The changes of a device within the limit do not wait for those of one beyond it. One that was made at another
        server is told here once it was read: how a board in memory differs, and of any other what was told.
        """
        if fact.node != self._boards.telling.node:
            if self._boards.mending.heard(fact):
                return
            fact = self._boards.telling.numbered(fact)
        wait_s = self._gather_s or None
        if fact.by is not None and not self._traffic.published(fact.aor, fact.by, self._timers.now()):
            wait_s = self._limited_gather_s
            self._boards.telling.note(fact.aor, partial(_too_fast, fact.by, fact.aor, wait_s))
        if fact.aor in self._watchers:
            self.feed.changed(fact.aor, GatheredChanges.from_fact(fact), wait_s)
        self._roaming.changed(fact, wait_s)

    def compare(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        """Tell a watcher how boards differ from those of its first document; before that, nothing else about them.

        Args:
            subscription: The watcher's; it is registered already.
            shown: The boards that the document was written of; None: it says that there is no such user.
        """
        for aor in shown:
            self._watchers.watchers_of(aor)[subscription].since = BEHIND
        self._timers.later(0.0, lambda: self._begin_comparing(subscription, shown))

    def endpoint_gone(self, fact: EndpointGone) -> None:
        """Forget how much the endpoint published; the board table removes what it published."""
        self._traffic.forget(fact.aor, fact.epid)

    def _told(self, aor: Aor, changes: GatheredChanges, watchers: int, seconds: float) -> None:
        if watchers:
            self._fanout_seconds.observe(seconds)
        self._traffic.caused(aor, changes.by, watchers, self._timers.now())

    def _begin_comparing(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        spawn(self._compare(subscription, shown), self.log, "comparing what a watcher was shown")

    async def _compare(self, subscription: Subscription, shown: Mapping[Aor, Board | None]) -> None:
        left = dict(shown)
        while left:
            aor, before = next(iter(left.items()))
            exists = self._people.person(aor) is not None
            try:
                board = await self._boards.latest(aor) if exists else before
            except StoreUnavailable:
                self._timers.later(RETRY_S, lambda: self._begin_comparing(subscription, left))
                return
            del left[aor]
            watch = self._watchers.watchers_of(aor).get(subscription)
            if watch is None:
                continue
            # What was changed before this turn is on the board; of what is changed later, the watcher hears as others do.
            watch.since = self._boards.telling.serial
            if board is not None:
                self.feed.owe(subscription, aor, _differing(before or board, board, watch.seen_by))

    # --- as its feed asks

    def subscriptions(self, key: Aor) -> Collection[Subscription]:
        """Give the subscriptions of a person's watchers."""
        return self._watchers.watchers_of(key).keys()

    def joined(self, earlier: GatheredChanges, later: GatheredChanges) -> GatheredChanges:
        """Add the later changes to the earlier ones."""
        earlier.add(later)
        return earlier

    def update(self, key: Aor, changes: GatheredChanges | None) -> "_WatchedBoard | None":
        """Give a board that is in memory, with its changes; None: it is to be loaded."""
        board = self._boards.peek(key)
        return None if board is None else self._seen(board, changes)

    async def load(self, key: Aor, changes: GatheredChanges | None) -> "_WatchedBoard":
        """Load a board that has left the memory, with its changes."""
        return self._seen(await self._boards.latest(key), changes)

    def _seen(self, board: Board, changes: GatheredChanges | None) -> "_WatchedBoard":
        exists = self._people.person(board.aor) is not None
        return _WatchedBoard(board, changes, self._watchers, self._views, self._boards, exists=exists)


class _WatchedBoard:
    """A board with its changes, as its watchers see it.

    Args:
        board: The board.
        changes: The changes; None: there are none.
        watchers: Who watches whom.
        views: The documents of what each audience sees.
        boards: The table of the boards.
        exists: Whether the address is a user's: of an address that nobody has, nothing is seen.
    """

    __slots__ = ("_board", "_boards", "_changes", "_concerned", "_exists", "_news", "_relation", "_views", "_watches")

    def __init__(
        self,
        board: Board,
        changes: GatheredChanges | None,
        watchers: WatcherIndex,
        views: Views,
        boards: BoardTable,
        *,
        exists: bool,
    ) -> None:
        self._board = board
        self._boards = boards
        self._changes = changes
        self._watches = watchers.watchers_of(board.aor)
        self._relation = watchers.relation
        self._views = views
        self._exists = exists
        self._concerned: dict[Audience, frozenset[str]] = {}
        self._news: dict[tuple[Audience, frozenset[str]], frozenset[str]] = {}
        """(audience, categories watched) → the categories with news; most watchers share one row."""

    def is_current(self) -> bool:
        """Tell whether the board is the one that is in memory."""
        return self._boards.peek(self._board.aor) is self._board

    def news_for(self, subscription: Subscription, owed: frozenset[str] | None) -> frozenset[str] | None:
        """Give the categories in which there is news for a watcher; None: the watcher is told nothing now."""
        watch = self._watches.get(subscription)
        if watch is None or watch.since == BEHIND:
            return None
        before = watch.seen_by
        seen_by = watch.audience(self._board, subscription.watcher, self._relation) if self._exists else watch.lose()
        if before == seen_by:
            changes = self._changes
            # Only of a watcher who is owed nothing, and was told before the first change, the news is the audience's.
            if owed is not None or changes is None or watch.since >= changes.first:
                return self._new_to(seen_by, watch.since, owed) & watch.asked.categories
            key = (seen_by, watch.asked.categories)
            news = self._news.get(key)
            if news is None:
                news = self._news[key] = self._new_to(seen_by, watch.since, None) & watch.asked.categories
            return news
        if before is not None and (is_blocked(seen_by) or is_blocked(before)) and NOBODY not in (before, seen_by):
            # As for a sign-out, or for who comes again: what looks different, and what was new on the level before.
            # Nothing if nothing does.
            different = differs(self._board, before, seen_by, watch.asked.categories)
            return different | (self._new_to(before, watch.since, owed) & watch.asked.categories)
        return watch.asked.categories  # another level: everything may look different

    def audience_of(
        self, subscription: Subscription, news: frozenset[str]
    ) -> tuple[Audience | None, frozenset[str], PresenceFormat]:
        """Give the audience of a watcher, the categories with news, and the format of the document."""
        watch = self._watches[subscription]
        return watch.seen_by, news, watch.asked.form

    def write_document(self, audience: Any) -> Document:  # Any: see `Update`
        """Give the document for an audience, written once for all watchers in it."""
        return self._views.document_for(self._board, *audience)

    def _new_to(self, seen_by: Audience, since: int, owed: frozenset[str] | None) -> frozenset[str]:
        """Give the categories with news for an audience, computed once for each, and those that a watcher is owed.

        Args:
            seen_by: The audience.
            since: Serial number of the last change of which the watcher need not be told.
            owed: The categories that the watcher is owed.
        """
        changes = self._changes
        if changes is None:
            return owed or frozenset()
        if since >= changes.first:  # whoever began to watch meanwhile, and was shown some of it
            new = {place for place, serial in changes.shown.items() if serial > since}
            return concerns(self._board, new, seen_by, changes.furnished & new) | (owed or frozenset())
        found = self._concerned.get(seen_by)
        if found is None:
            found = concerns(self._board, changes.shown, seen_by, changes.furnished)
            self._concerned[seen_by] = found
        return found if owed is None else found | owed


def _differing(shown: Board, board: Board, seen_by: Audience | None) -> frozenset[str]:
    """Give the categories of which a board shows an audience something else than an earlier board did.

    None for a watcher who was told that there is no such user: everything is told to them anyway.
    """
    if seen_by is None:
        return frozenset()
    changes = compare(shown, board)
    return concerns(board, changes.shown, seen_by, changes.furnished)


def _too_fast(by: Epid, aor: Aor, wait_s: float) -> str:
    return f"device {by.written} of {bare(aor)} publishes too fast: others hear of it every {wait_s:g} s"
