"""What this node has subscribed to of the facts of others: of some kinds all, of others those about the keys it cares for.

Each key is a subscription of its own, up to a bound. Beyond it the keys that are added share one for a 1,024th of all keys, so
that a node that cares for very many hears more than it asked for, and drops it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.backends.nats.encoding import key_subject, kind_pattern, share_of, share_pattern
from lyncpy.backends.nats.link import Hear
from lyncpy.contracts.bus import Interest
from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.facts import Fact
from lyncpy.contracts.timers import ITimers

SETTLED_S: Final = 1.0
"""Until all servers of a cluster know what was subscribed."""

MISSED_S: Final = 5.0
"""From one time to the next that something may be missed of new keys, at least: where they come all the time, looking at what
others wrote for each of them would never end."""

NONE: Final = 0
"""In place of a subscription's number: a key is heard with its share, or the kind as a whole."""


class Carrier(Protocol):
    """Whatever carries subscriptions: `NatsLink`."""

    def subscribe(self, pattern: str, hear: Hear, /) -> int:
        """Hear what matches a pattern; give the number of the subscription."""

    def unsubscribe(self, number: int, /) -> None:
        """Hear it no more."""


class _OfKind:
    """What is wanted of one kind of fact."""

    def __init__(self, kind: type[Fact]) -> None:
        self.kind = kind
        self.listeners = 0
        """Those who hear all of it."""

        self.whole = NONE
        self.wanted: dict[str, int] = {}
        """Key → how many want it."""

        self.shares: dict[str, dict[str, int]] = {}
        """Share → its keys, each with the number of its subscription."""

        self.wide: dict[str, int] = {}
        """Shares that are heard as a whole, each with the number of its subscription."""


class FactSubscriptions:
    """Keeps the subscriptions of a node as narrow as what it is interested in.

    Args:
        prefix: What subjects begin with.
        most: Keys with a subscription of their own.
        link: Carries them.
        hear: Is called with what comes.
        timers: The clock.
        missed: Is called with kinds of facts a moment after keys were added to them: what was told of these before all servers
            of the cluster knew of it is lost.
    """

    log = Logger()

    def __init__(
        self,
        prefix: str,
        most: int,
        link: Carrier,
        hear: Hear,
        timers: ITimers,
        missed: Callable[[frozenset[type[Fact]]], None],
    ) -> None:
        self._prefix = prefix
        self._most = most
        self._link = link
        self._hear = hear
        self._kinds: dict[type[Fact], _OfKind] = {}
        self._narrow = 0
        self._timers = timers
        self._missed = missed
        self._new: set[type[Fact]] = set()
        self._missed_at = float("-inf")
        self._too_many = Complaint(timers)

    @property
    def keys_count(self) -> int:
        """Give the number of keys that are subscribed to one by one."""
        return self._narrow

    @property
    def shares_count(self) -> int:
        """Give the number of shares that are subscribed to as a whole, in place of single keys."""
        return sum(len(of.wide) for of in self._kinds.values())

    def whole_kinds(self) -> Sequence[type[Fact]]:
        """Give the kinds of which all is heard: of these, each that does not come is lost."""
        return [kind for kind, of in self._kinds.items() if of.whole]

    def is_whole(self, kind: type[Fact]) -> bool:
        """Tell whether all facts of a kind are heard."""
        of = self._kinds.get(kind)
        return of is not None and of.whole != NONE

    def begin(self, kind: type[Fact], about: Sequence[Interest]) -> Callable[[], None]:
        """Subscribe for one who listens; give what ends it."""
        of = self._kinds.setdefault(kind, _OfKind(kind))
        if not about:
            self._hear_all(of)
            return lambda: self._hear_all_no_more(of)

        want, want_no_more = partial(self._want, of), partial(self._want_no_more, of)
        ends = [one.observe(want, want_no_more) for one in about]
        for key in (key for one in about for key in one):
            want(key)

        def end() -> None:
            for stop in ends:
                stop()
            for key in (key for one in about for key in one):
                want_no_more(key)

        return end

    # --- all of a kind

    def _hear_all(self, of: _OfKind) -> None:
        of.listeners += 1
        if of.listeners > 1:
            return
        of.whole = self._link.subscribe(kind_pattern(self._prefix, of.kind), self._hear)
        for share in tuple(of.shares):
            self._drop(of, share)

    def _hear_all_no_more(self, of: _OfKind) -> None:
        of.listeners -= 1
        if of.listeners:
            return
        whole, of.whole = of.whole, NONE
        for key in of.wanted:
            self._hear_key(of, key)
        self._link.unsubscribe(whole)

    # --- single keys

    def _want(self, of: _OfKind, key: str) -> None:
        wanted = of.wanted.get(key, 0)
        of.wanted[key] = wanted + 1
        if not wanted and not of.whole:
            self._hear_key(of, key)

    def _want_no_more(self, of: _OfKind, key: str) -> None:
        wanted = of.wanted.pop(key) - 1
        if wanted:
            of.wanted[key] = wanted
        elif not of.whole:
            self._hear_key_no_more(of, key)

    def _hear_key(self, of: _OfKind, key: str) -> None:
        share = share_of(key)
        keys = of.shares.setdefault(share, {})
        if share not in of.wide and self._narrow >= self._most:
            self._widen(of, share, keys)
        keys[key] = NONE if share in of.wide else self._subscribe(of, key)

    def _hear_key_no_more(self, of: _OfKind, key: str) -> None:
        share = share_of(key)
        keys = of.shares[share]
        self._unsubscribe(keys.pop(key))
        if not keys:
            self._drop(of, share)
        elif share in of.wide and self._narrow + len(keys) <= self._most // 2:
            # Well below the bound, lest it go to and fro.
            for one in keys:
                keys[one] = self._subscribe(of, one)
            self._link.unsubscribe(of.wide.pop(share))

    def _subscribe(self, of: _OfKind, key: str) -> int:
        self._narrow += 1
        if not self._new:
            rest_s = self._missed_at + MISSED_S - self._timers.now()
            self._timers.later(max(SETTLED_S, rest_s), self._settled)
        self._new.add(of.kind)
        return self._link.subscribe(key_subject(self._prefix, of.kind, key), self._hear)

    def _settled(self) -> None:
        kinds, self._new = frozenset(self._new), set()
        self._missed_at = self._timers.now()
        self._missed(kinds)

    def _unsubscribe(self, number: int) -> None:
        if number:
            self._narrow -= 1
            self._link.unsubscribe(number)

    # --- shares

    def _widen(self, of: _OfKind, share: str, keys: dict[str, int]) -> None:
        # Before the others end: what comes meanwhile comes twice, and is heard once.
        of.wide[share] = self._link.subscribe(share_pattern(self._prefix, of.kind, share), self._hear)
        for key, number in keys.items():
            self._unsubscribe(number)
            keys[key] = NONE
        if self._too_many.happened():
            self.log.warn(
                "[bus] subscriptions = {most} are not enough for all whom this server shows: of {shares} shares of 1,024"
                " it hears everybody's news",
                most=self._most,
                shares=self.shares_count,
            )

    def _drop(self, of: _OfKind, share: str) -> None:
        """Hear a share no more, nor any key of it."""
        for number in of.shares.pop(share).values():
            self._unsubscribe(number)
        if share in of.wide:
            self._link.unsubscribe(of.wide.pop(share))
