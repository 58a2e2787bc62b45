"""Feeds, whatever happens in whatever order: everybody who is there in the end was told the latest, in order, once."""

from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.names import FlowName
from lyncpy.core.feed import RETRY_S, Feed
from tests.kit.feeds import Desk, Subscriber
from tests.kit.gatehouse import timers_of
from tests.kit.results import begun
from tests.kit.soak import many

KEYS = st.sampled_from(["a", "b", "c"])
FLOWS = st.sampled_from(["v", "w", "x", "y"])
SIGHTS = st.sampled_from("12")
FIELDS = st.sampled_from(["all", "only-1", "only-2"])
DELAYS = st.sampled_from([0.0, 1.0, 5.0])


class Feeds(RuleBasedStateMachine):
    """Three things and four connections; what is in memory, what the store does and who reads is left to chance."""

    def __init__(self) -> None:
        """Begin with nobody."""
        super().__init__()
        self.clock = Clock()
        self.desk = Desk(self.clock)
        notifier: Any = self.desk  # Any: it is as much of a Notifier as a feed needs
        self.feed: Feed[str, frozenset[str], frozenset[str]] = Feed(
            self.desk, notifier, timers_of(self.clock), self.was_told
        )
        self.serial = 0
        self.everybody: list[Any] = []
        self.noted: dict[Subscriber, int] = defaultdict(int)
        self.gathered: dict[str, set[str]] = defaultdict(set)
        self.missing: dict[tuple[Subscriber, str], set[str]] = defaultdict(set)
        """What each subscriber has to hear yet of each thing: each change has a field of its own."""

        self.known: dict[tuple[Subscriber, str], set[str]] = defaultdict(set)
        """What was changed, but not told, when it subscribed: it knows it, and hears of it with what is gathered, or not."""

    def was_told(self, key: str, changes: frozenset[str], _: int, __: float) -> None:
        """Note that a change was told to whoever can be told."""
        assert changes <= self.gathered[key]
        self.gathered[key] -= changes

    def of(self, flow: str) -> list[Any]:
        """Give who is subscribed over a connection."""
        return [one for one in self.everybody if one.flow == flow and not one.ended]

    @rule(key=KEYS, flow=FLOWS, sight=SIGHTS, more=st.booleans(), late=st.booleans())
    def subscribes(self, key: str, flow: str, sight: str, more: bool, late: bool) -> None:
        """Somebody subscribes to a thing, or to one more, and is told it now, or as soon as may be."""
        own = [one for one in self.of(flow) if one not in self.desk.subscriptions(key)]
        if more and own:
            subscriber = own[0]
            self.desk.follow(subscriber, key)
        else:
            subscriber = self.desk.subscribe(key, flow, sight)
            self.everybody.append(subscriber)
        self.known[subscriber, key] |= self.gathered[key]
        if late:
            self.serial += 1
            self.feed.owe(subscriber, key, frozenset({f"whole-{self.serial}"}))
            self.missing[subscriber, key].add(f"whole-{self.serial}")

    @rule(key=KEYS, field=FIELDS, delay_s=DELAYS)
    def changes(self, key: str, field: str, delay_s: float) -> None:
        """A thing changes."""
        self.serial += 1
        name = f"{field}-{self.serial}"
        self.gathered[key].add(name)
        self.feed.changed(key, self.desk.change(key, name), delay_s)
        for subscriber in self.desk.subscriptions(key):
            if self.desk.sees(subscriber, name):
                self.missing[subscriber, key].add(name)

    @rule(flow=FLOWS)
    def fills(self, flow: str) -> None:
        """A connection is not read any more."""
        self.desk.full.add(FlowName(flow))

    @rule(flow=FLOWS, room_for=st.sampled_from([None, None, 1, 2]))
    def drains(self, flow: str, room_for: int | None) -> None:
        """It is read again, for good or until it is full again."""
        self.desk.full.discard(FlowName(flow))
        self.desk.room_for[FlowName(flow)] = room_for
        begun(self.feed.flow_drained(FlowDrained(FlowName(flow))))

    @rule(flow=FLOWS, noticed=st.booleans())
    def is_lost(self, flow: str, noticed: bool) -> None:
        """A connection is lost; mostly everybody hears of it, sometimes the first notification that cannot be sent does."""
        if not noticed:
            self.desk.gone.add(FlowName(flow))
            return
        for subscriber in self.everybody:
            if subscriber.flow == flow:
                self.desk.end(subscriber)
                subscriber.lost = True
        self.desk.full.discard(FlowName(flow))
        self.desk.gone.discard(FlowName(flow))
        self.feed.flow_closed(FlowClosed(FlowName(flow), "gone"))

    @rule(flow=FLOWS)
    def ends(self, flow: str) -> None:
        """A subscription ends."""
        for subscriber in self.of(flow)[:1]:
            self.desk.end(subscriber)

    @rule(key=KEYS)
    def leaves_memory(self, key: str) -> None:
        """A thing has to be read."""
        self.desk.away.add(key)

    @rule(works=st.booleans())
    def is_read(self, works: bool) -> None:
        """The store answers, or fails."""
        for key in "abc":
            (self.desk.arrives if works else self.desk.fails)(key)

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0, RETRY_S]))
    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.clock.pump([seconds, *[0.0] * 5])

    @invariant()
    def each_hears_in_order_and_once(self) -> None:
        """Versions grow, and of each change nobody hears twice."""
        for subscriber in self.everybody:
            for key in "abc":
                versions = [version for name, version, _ in subscriber.told if name == key]
                assert versions == sorted(versions)
            for key, _, fields in subscriber.told[self.noted[subscriber] :]:
                names, missing, known = set(fields.split()), self.missing[subscriber, key], self.known[subscriber, key]
                assert names
                assert names <= missing | known
                missing -= names
                known -= names
            self.noted[subscriber] = len(subscriber.told)

    @invariant()
    def only_names_are_owed(self) -> None:
        """One for each subscriber and thing, however much is changed."""
        assert self.feed.owed_count <= len([pair for pair in self.known if not pair[0].lost])

    def teardown(self) -> None:
        """In the end everybody reads and the store works: nothing is missing, and nothing is left to do."""
        self.desk.room_for.clear()
        for flow in tuple(self.desk.full):
            self.drains(flow, None)
        for _ in range(20):
            for key in "abc":
                self.desk.arrives(key)
            self.passes(RETRY_S)
        self.each_hears_in_order_and_once()
        left = {pair: missing for pair, missing in self.missing.items() if missing and not pair[0].ended}
        assert left == {}
        assert self.feed.owed_count == 0
        assert not self.clock.getDelayedCalls()


TestFeeds = Feeds.TestCase
TestFeeds.settings = settings(max_examples=many(100), stateful_step_count=40)
