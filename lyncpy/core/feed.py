"""A feed: the subscribers of many things, each told what is new as fast as it reads.

Changes of a thing are gathered for a moment, so that a burst becomes one document of the latest
state. A document is written once for each audience: all subscribers that are to be told the same.
Many subscribers are told in several turns of the reactor, so that others are answered in between; who
is told last is told the state of that moment.
A subscriber whose connection is full is told nothing; what it is owed is kept as a name, and when
the connection has drained it is told the latest state. A connection that is gone is owed nothing.

Not here: who subscribes to what, what concerns a subscriber, and what a document says. Whoever has
a feed knows that: its `FeedSource`.
"""

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.logger import Logger

from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.core.slices import PIECE_S
from lyncpy.core.spawn import spawn
from lyncpy.sip.subscription import Document

K = TypeVar("K", bound=Hashable)
"""The name of a thing that has subscribers."""

C = TypeVar("C")
"""What was changed on a thing."""

N = TypeVar("N")
"""What of that is news to one subscriber: names, not texts, for it is kept while a connection is full."""

RETRY_S: Final = 30.0
"""When the store failed while somebody was to be told."""

AT_ONCE: Final = 32
"""Subscribers told before the clock is looked at: some are told in less than a hundredth of a millisecond, and a
user's own devices are told in one turn."""

_UNWRITTEN: Final = Document("", b"")
"""Of an audience for which nothing has been written yet."""


class Update(Protocol[N]):
    """A thing as it is now, with what was changed on it. It lasts until the subscribers are told, or the thing has changed again."""

    def is_current(self) -> bool:
        """Tell whether the thing is still as this has it; asked in each further turn in which subscribers are told."""

    def news_for(self, subscription: Subscription, owed: N | None) -> N | None:
        """Give the news of the change to a subscriber; None or a false value: there is none, or it subscribes no more.

        Args:
            subscription: The subscriber. It may be told now, or owed what this gives.
            owed: What was news to it earlier and was not told, for it is to be told together; None: nothing.
        """

    def audience_of(self, subscription: Subscription, news: N) -> Hashable:
        """Give the audience to which a subscriber belongs, for which `write_document` writes; None: tell it nothing.

        The subscriber is told what is written for the audience in this turn, and counts as told from now on.
        """

    def write_document(self, audience: Any) -> Document | None:  # Any: what `audience_of` gave
        """Write the document for an audience; called once for each. None: tell it nothing."""


class FeedSource(Generic[K, C, N]):
    """The base of what a feed asks about its things: subscribers, changes, documents."""

    def subscriptions(self, key: K) -> Collection[Subscription]:
        """Give the subscribers of a thing."""
        raise NotImplementedError

    def joined(self, earlier: C, later: C) -> C:
        """Merge two changes of a thing; the result may be `earlier`, with the later one added.

        Where an update finds out by comparing what is news, the later one is enough.
        """
        return later

    def update(self, key: K, changes: C | None) -> Update[N] | None:
        """Give an update of a thing as it is now; None when the thing has to be loaded first.

        Args:
            key: Of the thing.
            changes: What was changed; None when nothing was, and a subscriber is told what it is owed.
        """
        raise NotImplementedError

    async def load(self, key: K, changes: C | None) -> Update[N]:
        """Load a thing that is not in memory; give it as it is when this returns.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class _Telling(Generic[C, N]):
    """The subscribers of a thing who are still to be told of a change."""

    changes: C
    update: Update[N]
    left: dict[Subscription, None]
    written: dict[Hashable, Document | None]
    since: float
    told: int = 0


@dataclass(slots=True)
class _Gathered(Generic[C]):
    """What was changed on a thing since its subscribers were told."""

    due: float
    changes: C


class Feed(Generic[K, C, N]):
    """The feed of all things of one kind.

    A subscriber that is told what it has to know within one turn of the reactor, as by the answer to
    its SUBSCRIBE, misses no change and hears of none twice. What is changed on a thing while its
    subscribers are being told is gathered until all of them have been.

    Args:
        source: What knows the things.
        notifier: Sends, and knows which connections are full.
        timers: The clock.
        on_told: Hears of a thing, what was changed on it, to how many subscribers that was news, and in how many seconds
            they were told.
    """

    log = Logger()

    def __init__(
        self,
        source: FeedSource[K, C, N],
        notifier: Notifier,
        timers: ITimers,
        on_told: Callable[[K, C, int, float], None] | None = None,
    ) -> None:
        self._source = source
        self._notifier = notifier
        self._timers = timers
        self._on_told = on_told
        self._gathered: dict[K, _Gathered[C]] = {}
        self._due = Deadlines(timers, self._tell_gathered)
        self._tellings: dict[K, _Telling[C, N]] = {}
        self._owed: dict[FlowName, dict[tuple[Subscription, K], N]] = {}
        """The oldest first; a connection that is not read from cannot have more than it subscribed to."""

        self._again = Deadlines(timers, self._begin_telling_owed)
        self._telling: set[FlowName] = set()
        self._is_closed = False

    @property
    def gathered_count(self) -> int:
        """How many things were changed and are to be told of."""
        return len(self._gathered)

    @property
    def owed_count(self) -> int:
        """How many pairs of a subscriber and a thing wait for room in a connection."""
        return sum(map(len, self._owed.values()))

    def changed(self, key: K, changes: C, delay_s: float | None) -> None:
        """Gather a change, and tell of it after a delay at most; None: in this turn, unless others are gathered.

        The change that wants to be told first sets the time: one that comes later puts nothing off.
        """
        if self._is_closed:
            return
        gathered = self._gathered.get(key)
        if delay_s is None:
            if gathered is None:
                self.tell(key, changes)
                return
            delay_s = 0.0
        due = self._timers.now() + delay_s
        if gathered is None:
            self._gathered[key] = _Gathered(due, changes)
            self._due.set(key, delay_s)
            return
        gathered.changes = self._source.joined(gathered.changes, changes)
        if due < gathered.due:
            gathered.due = due
            self._due.set(key, delay_s)

    def tell(self, key: K, changes: C) -> None:
        """Tell the subscribers of a thing its changes: from now on, or when a full connection has drained."""
        if key in self._tellings:
            self.changed(key, changes, 0.0)
            return
        update = self._source.update(key, changes)
        if update is None:
            spawn(self._read_and_tell(key, changes), self.log, "reading what has changed")
        else:
            self._tell_all(key, changes, update)

    def owe(self, subscription: Subscription, key: K, news: N) -> None:
        """Tell a subscriber about a thing from the next turn on, as fast as it reads."""
        if subscription.flow not in self._owed:
            self._again.set(subscription.flow, 0.0)
        self._put_off(subscription, key, news)

    def was_told(self, subscription: Subscription, key: K) -> None:
        """Drop a pending update of a subscriber: an answer in this turn has the whole document."""
        if (subscription, key) in self._owed.get(subscription.flow, {}):
            self._settle(subscription, key)
        if key in self._tellings:
            self._tellings[key].left.pop(subscription, None)

    def drop_thing(self, key: K) -> None:
        """Drop the pending updates of a thing whose subscriptions have ended."""
        self._gathered.pop(key, None)
        self._due.clear(key)
        self._tellings.pop(key, None)
        for subscription, other in [pair for debts in self._owed.values() for pair in debts]:
            if other == key:
                self._settle(subscription, key)

    async def flow_drained(self, fact: FlowDrained) -> None:
        """Send the pending updates of a connection that has room again."""
        if fact.flow in self._owed:
            await self._tell_owed(fact.flow)

    def flow_closed(self, fact: FlowClosed) -> None:
        """Owe nothing more to a connection that is gone."""
        self._owed.pop(fact.flow, None)
        self._again.clear(fact.flow)

    def close(self) -> None:
        """Drop all pending updates."""
        self._is_closed = True
        self._gathered.clear()
        self._due.clear_all()
        self._tellings.clear()
        self._owed.clear()
        self._again.clear_all()

    # --- telling of a change

    def _tell_gathered(self, key: K) -> None:
        if key not in self._tellings:  # else it is told when all have heard of the change before
            self.tell(key, self._gathered.pop(key).changes)

    async def _read_and_tell(self, key: K, changes: C) -> None:
        try:
            update = await self._source.load(key, changes)
        except StoreUnavailable as error:
            self.log.error("subscribers of {key} are told later: {reason}", key=key, reason=str(error))
            self.changed(key, changes, RETRY_S)
            return
        self._tell_all(key, changes, update)

    def _tell_all(self, key: K, changes: C, update: Update[N]) -> None:
        if key in self._tellings:  # it was begun while this one was loaded
            self.changed(key, changes, 0.0)
            return
        # A copy: a notification that cannot be sent ends its subscription.
        telling = _Telling(changes, update, dict.fromkeys(self._source.subscriptions(key)), {}, self._timers.now())
        self._tellings[key] = telling
        self._tell_some(key, telling)

    def _tell_some(self, key: K, telling: _Telling[C, N]) -> None:
        """Tell subscribers for about a millisecond, and go on in a later turn if there are more."""
        goes_on = False
        try:
            goes_on = self._tell_piece(key, telling)
        finally:  # also after a fault of ours: the thing must not be without a voice for ever
            if not goes_on:
                self._tellings.pop(key, None)
        if goes_on:
            self._timers.soon(partial(self._tell_on, key, telling))
            return
        if self._on_told is not None:
            self._on_told(key, telling.changes, telling.told, self._timers.now() - telling.since)
        if key in self._gathered and key not in self._due:
            self._tell_gathered(key)

    def _tell_piece(self, key: K, telling: _Telling[C, N]) -> bool:
        """Tell some subscribers; give whether more are left."""
        until = self._timers.now() + PIECE_S
        while telling.left:
            for subscription in tuple(islice(telling.left, AT_ONCE)):
                # Before it is told: one that cannot be told is ended, and must not be met again.
                telling.left.pop(subscription, None)
                telling.told += self._tell_one(key, subscription, telling.update, telling.written)
            if self._timers.now() >= until:
                break
        return bool(telling.left)

    def _tell_on(self, key: K, telling: _Telling[C, N]) -> None:
        """Tell the next subscribers, of the thing as it is by now."""
        if self._tellings.get(key) is not telling:
            return
        if telling.update.is_current():
            self._tell_some(key, telling)
            return
        update = self._source.update(key, telling.changes)
        if update is None:
            spawn(self._load_and_tell_on(key, telling), self.log, "reading what has changed")
        else:
            self._renew(key, telling, update)

    async def _load_and_tell_on(self, key: K, telling: _Telling[C, N]) -> None:
        try:
            update = await self._source.load(key, telling.changes)
        except StoreUnavailable as error:
            self.log.error("subscribers of {key} are told later: {reason}", key=key, reason=str(error))
            if self._tellings.get(key) is telling:
                del self._tellings[key]
                self.changed(key, telling.changes, RETRY_S)
            return
        if self._tellings.get(key) is telling:
            self._renew(key, telling, update)

    def _renew(self, key: K, telling: _Telling[C, N], update: Update[N]) -> None:
        telling.update = update
        telling.written.clear()
        self._tell_some(key, telling)

    def _tell_one(
        self, key: K, subscription: Subscription, update: Update[N], written: dict[Hashable, Document | None]
    ) -> bool:
        """Tell a subscriber its news, now or when its connection has room; False: there is none."""
        owed = self._owed[subscription.flow].get((subscription, key)) if subscription.flow in self._owed else None
        news = update.news_for(subscription, owed)
        if news and self._notifier.is_full(subscription):
            self._put_off(subscription, key, news)
            return True
        # From here on it is told the latest state, in which all that it was owed is contained.
        if owed is not None:
            self._settle(subscription, key)
        if not news:
            return False
        audience = update.audience_of(subscription, news)
        # It counts as told: what is new does not concern what this audience sees.
        if audience is None:
            return True
        document = written.get(audience, _UNWRITTEN)
        if document is _UNWRITTEN:
            document = written[audience] = update.write_document(audience)
        if document is not None:
            self._notifier.notify(subscription, document)
        return True

    # --- telling what is owed

    def _put_off(self, subscription: Subscription, key: K, news: N) -> None:
        # What is owed already keeps its place in the order, however often it changes.
        self._owed.setdefault(subscription.flow, {})[subscription, key] = news

    def _settle(self, subscription: Subscription, key: K) -> None:
        debts = self._owed[subscription.flow]
        del debts[subscription, key]
        if not debts:
            del self._owed[subscription.flow]

    def _begin_telling_owed(self, flow: FlowName) -> None:
        spawn(self._tell_owed(flow), self.log, "telling a connection what it is owed")

    async def _tell_owed(self, flow: FlowName) -> None:
        """Tell the latest state of whatever a connection is owed, as far as it has room."""
        if flow in self._telling:
            return
        self._telling.add(flow)
        try:
            while flow in self._owed:
                subscription, key = next(iter(self._owed[flow]))
                if self._notifier.is_full(subscription):
                    return  # `FlowDrained` comes again
                update = self._source.update(key, None)
                if update is None:
                    update = await self._source.load(key, None)
                # While it was read its subscriber may have been told, or be gone: then nothing is news to it.
                self._tell_one(key, subscription, update, {})
        except StoreUnavailable as error:
            self.log.warn("{flow} is told later what it is owed: {reason}", flow=flow, reason=str(error))
            self._again.set(flow, RETRY_S)
        finally:
            self._telling.discard(flow)
