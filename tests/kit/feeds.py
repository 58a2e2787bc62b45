"""What stands on both sides of a feed: things that change, and subscribers that note what they were told."""

from collections import defaultdict
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.feed import FeedSource
from lyncpy.sip.subscription import Document


@dataclass(eq=False)
class Subscriber:
    """Who stands for a subscription, and what it was told: things, their versions, and the fields that were new."""

    flow: FlowName
    view: str
    """"1" and "2" see a thing each in its way; to "-" nothing is news, and to "0" nothing is said."""

    told: list[tuple[str, int, str]] = field(default_factory=list)
    ended: bool = False
    lost: bool = False
    """Whether its connection is gone, and everybody knows."""


@dataclass
class Sheet:
    """A thing as it is now. Implements `lyncpy.core.feed.Update`."""

    desk: "Desk"
    key: str
    fields: frozenset[str]
    written: set[Hashable] = field(default_factory=set)
    version: int = 0

    def is_current(self) -> bool:
        """Tell whether the thing was not changed again."""
        return self.version == self.desk.versions[self.key]

    def news_for(self, subscription: Any, owed: frozenset[str] | None) -> frozenset[str] | None:
        """Give the fields that a subscriber has not heard of."""
        if subscription not in self.desk.subscriptions(self.key) or subscription.view == "-":
            return None
        seen = frozenset(name for name in self.fields if self.desk.sees(subscription, name))
        return seen | (owed or frozenset())

    def audience_of(self, subscription: Any, news: frozenset[str]) -> Hashable:
        """Give what decides how a document looks; nobody of sight 0 is in any audience."""
        return None if subscription.view == "0" else (subscription.view, news)

    def write_document(self, audience: tuple[str, frozenset[str]]) -> Document | None:
        """Write version and fields, once for each audience; of what cannot be seen, nothing."""
        assert audience not in self.written
        self.written.add(audience)
        if audience[1] == {"invisible"}:
            return None
        self.desk.written += 1
        return Document(self.key, f"{self.desk.versions[self.key]}:{' '.join(sorted(audience[1]))}".encode())


class Desk(FeedSource[str, frozenset[str], frozenset[str]]):
    """Things, their subscribers and the connections. A `FeedSource`, and what a feed needs of a `Notifier`.

    Attributes:
        versions: How often each thing was changed.
        away: Things that are not in memory; the test lets them arrive, or fails.
        reading: Reads under way.
        full: Connections that are.
        room_for: How many documents a connection takes before it is full; None: all.
        gone: Connections whose end nobody has heard of yet.
        written: How many documents were.
        tell_s: Seconds that telling one subscriber takes.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing."""
        self.clock = clock
        self.versions: dict[str, int] = defaultdict(int)
        self.away: set[str] = set()
        self.reading: list[tuple[str, Deferred[None]]] = []
        self.full: set[FlowName] = set()
        self.room_for: dict[FlowName, int | None] = {}
        self.gone: set[FlowName] = set()
        self.written = 0
        self.tell_s = 0.0
        self._subscribers: dict[str, list[Any]] = defaultdict(list)

    # --- what happens

    def subscribe(self, key: str, flow: str, view: str = "1") -> Any:  # Any: it stands for a Subscription
        """Have somebody subscribe to a thing, over a connection."""
        subscriber = Subscriber(FlowName(flow), view)
        self.follow(subscriber, key)
        return subscriber

    def follow(self, subscriber: Any, key: str) -> None:
        """Have a subscription be about one thing more."""
        self._subscribers[key].append(subscriber)

    def end(self, subscriber: Any) -> None:
        """End a subscription."""
        subscriber.ended = True
        for row in self._subscribers.values():
            if subscriber in row:
                row.remove(subscriber)

    def change(self, key: str, *fields: str) -> frozenset[str]:
        """Change fields of a thing; give them."""
        self.versions[key] += 1
        return frozenset(fields)

    def sees(self, subscriber: Any, name: str) -> bool:
        """Tell whether a subscriber may see a field: one that is only-1 is for sight 1, and 0 sees all."""
        return not name.startswith("only-") or subscriber.view in (name[5], "0")

    def arrives(self, key: str) -> None:
        """Bring a thing into memory, and whoever waited for it goes on."""
        self.away.discard(key)
        for waiting in self._waiting(key):
            waiting.callback(None)

    def fails(self, key: str) -> None:
        """Fail the reads of a thing."""
        for waiting in self._waiting(key):
            waiting.errback(StoreUnavailable("broken"))

    def _waiting(self, key: str) -> list[Deferred[None]]:
        waiting = [one for name, one in self.reading if name == key]
        self.reading = [(name, one) for name, one in self.reading if name != key]
        return waiting

    # --- a source

    def subscriptions(self, key: str) -> Collection[Any]:
        """Give the subscribers of a thing."""
        return self._subscribers[key]

    def joined(self, earlier: frozenset[str], later: frozenset[str]) -> frozenset[str]:
        """Give all fields."""
        return earlier | later

    def update(self, key: str, changes: frozenset[str] | None) -> Sheet | None:
        """Give a thing that is in memory."""
        return None if key in self.away else Sheet(self, key, changes or frozenset(), version=self.versions[key])

    async def load(self, key: str, changes: frozenset[str] | None) -> Sheet:
        """Give a thing when the test has it arrive."""
        waiting: Deferred[None] = Deferred()
        self.reading.append((key, waiting))
        await waiting
        return Sheet(self, key, changes or frozenset(), version=self.versions[key])

    # --- a notifier

    def is_full(self, subscription: Any) -> bool:
        """Tell whether the test says so, or there was no more room."""
        if self.room_for.get(subscription.flow) == 0:
            self.full.add(subscription.flow)
        return subscription.flow in self.full

    def notify(self, subscription: Any, document: Document) -> None:
        """Have a subscriber note what it was told."""
        # The clock goes on, and calls nobody: the reactor is busy.
        self.clock.rightNow += self.tell_s
        if subscription.flow in self.gone:
            self.end(subscription)
            return
        assert not subscription.ended
        assert not self.is_full(subscription)
        version, fields = document.body.decode().split(":")
        subscription.told.append((document.content_type, int(version), fields))
        left = self.room_for.get(subscription.flow)
        if left is not None:
            self.room_for[subscription.flow] = left - 1
