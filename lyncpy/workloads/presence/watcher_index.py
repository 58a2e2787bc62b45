"""The watchers of each person, and what they were shown.

A subscription to `presence` watches many people; its `data` maps each to a `WatchedPerson`. Here
the same is kept the other way round, because a change asks for the watchers of one.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lyncpy.contracts.bus import Interest
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.shares import TOTAL, Owners, Shares
from lyncpy.core.notifier import Subscription
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat
from lyncpy.workloads.presence.model.audience import NOBODY, Audience, audience
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Container, Relation

EVENT: Final = "presence"

_LIMIT: Final = Diagnostics(2012, "Category subscription limit exceeded")


class WatchedPerson(NamedTuple):
    """What a subscription asks for about one person; of most people the same, and then this is one value."""

    categories: frozenset[str]
    """The categories of all actions together."""

    actions: tuple[tuple[str, frozenset[str]], ...] = ()
    """(id, categories) of the actions of batches that ask for the person, the newest last; each ends for itself."""

    form: PresenceFormat = PresenceFormat.CATEGORIES

    uri: str | None = None
    """The person's address, as the client wrote it; None: in its normal form."""


WatchedPeople = Mapping[Aor, WatchedPerson]


class SeenBoard(NamedTuple):
    """A person's board, with the audience to which a watcher belongs."""

    board: Board
    seen_by: Audience


BEHIND: Final = sys.maxsize


@dataclass(slots=True)
class Watch:
    """What one subscription watches of one person, and the audience in which the watcher was told last."""

    asked: WatchedPerson
    seen_by: Audience | None = None
    """The audience; None: the watcher was told that there is no such user."""

    since: int = -1
    """Serial number of the last change of boards that the watcher's first document shows already; `BEHIND`: the
    document was outdated when it was sent, and until the difference is told, nothing else is."""

    _containers: Mapping[int, Container] | None = None

    def audience(self, board: Board, watcher: Aor, relation: Callable[[Aor], Relation]) -> Audience:
        """Give the watcher's audience now; it is computed anew only when the board's containers are another mapping."""
        if self.seen_by is None or self._containers is not board.containers:
            self.show(SeenBoard(board, audience(board, watcher, relation(watcher))), self.since)
        assert self.seen_by is not None  # `show` sets it
        return self.seen_by

    def show(self, seen: SeenBoard, serial: int) -> None:
        """Note what the watcher is being shown, and the number of the last change of boards that it shows."""
        self.seen_by, self._containers, self.since = seen.seen_by, seen.board.containers, serial

    def lose(self) -> Audience:
        """Give the audience for an address that is no user's any more: nothing that was left behind is seen."""
        self.seen_by, self._containers = NOBODY, None
        return self.seen_by


class WatcherIndex:
    """The index. Bounded by the pairs of a subscription and a watched person."""

    def __init__(self, relation: Callable[[Aor], Relation], *, total: int, per_user: int, per_device: int) -> None:
        """Create an index in which nobody is watched.

        Args:
            relation: Gives the relation of a watcher to the enterprise.
            total: Pairs in the index.
            per_user: Pairs of one watcher.
            per_device: Pairs of one endpoint of a watcher.
        """
        self._watched: dict[Aor, dict[Subscription, Watch]] = {}
        self.shown: Final = Interest()
        """Who is watched."""

        self.relation: Final = relation
        self._shares = Shares(
            total,
            {"device": per_device, "user": per_user},
            {
                TOTAL: "presence.watchings_total",
                "device": "presence.watchings_per_device",
                "user": "presence.watchings_per_user",
            },
        )

    def __len__(self) -> int:
        """Give the number of pairs."""
        return len(self._shares)

    def __contains__(self, aor: object) -> bool:
        return aor in self._watched

    def __iter__(self) -> Iterator[Aor]:
        return iter(tuple(self._watched))

    def watchers_of(self, aor: Aor) -> Mapping[Subscription, Watch]:
        """Map the subscriptions that watch a person to what they watch of them."""
        return self._watched.get(aor, {})

    def is_watched_by(self, aor: Aor, watcher: Aor) -> bool:
        """Tell whether any endpoint of a watcher watches a person."""
        return any(one.watcher == watcher for one in self._watched.get(aor, ()))

    def require_room(self, watcher: Aor, epid: Epid, more: int) -> None:
        """Refuse pairs for which there is no room.

        Args:
            watcher: The watcher's address.
            epid: The watcher's endpoint.
            more: The number of pairs; none or fewer than before always fit.

        Raises:
            Refused: 413, when they exceed the share of this endpoint or this watcher; 503, when the table is full.
        """
        excess = self._shares.excess(_owners(watcher, epid), more) if more > 0 else ""
        if excess == TOTAL:
            raise Refused(503, _LIMIT, headers=[("Retry-After", "60")])
        if excess:
            raise Refused(413, _LIMIT)

    def watch(
        self, subscription: Subscription, watched_people: WatchedPeople, shown: Mapping[Aor, SeenBoard], serial: int
    ) -> None:
        """Replace the people whom a subscription watches.

        Args:
            subscription: The subscription; its `data` becomes `watched_people`.
            watched_people: All whom it watches from now on.
            shown: The boards of which the watcher is being told now.
            serial: Number of the last change of boards that these boards show.
        """
        before: WatchedPeople = subscription.data or {}
        for aor in before.keys() - watched_people.keys():
            self._remove(subscription, aor)
        for aor, asked in watched_people.items():
            row = self._watched.get(aor)
            if row is None:
                row = self._watched[aor] = {}
                self.shown.add(aor)
            watch, seen = row.get(subscription), shown.get(aor)
            if watch is None:
                row[subscription] = (
                    Watch(asked) if seen is None else Watch(asked, seen.seen_by, serial, seen.board.containers)
                )
                continue
            watch.asked = asked
            if seen is not None:
                watch.show(seen, serial)
        subscription.data = watched_people
        more = len(watched_people) - sum(aor in watched_people for aor in before)
        if more:
            self._shares.add(_owners(subscription.watcher, subscription.epid), more)

    def forget(self, subscription: Subscription) -> None:
        """Remove a subscription that has ended."""
        for aor in subscription.data or {}:
            self._remove(subscription, aor)
        subscription.data = {}

    def _remove(self, subscription: Subscription, aor: Aor) -> None:
        row = self._watched.get(aor)
        if row is not None and row.pop(subscription, None) is not None:
            self._shares.release(_owners(subscription.watcher, subscription.epid))
            if not row:
                del self._watched[aor]
                self.shown.discard(aor)


def _owners(watcher: Aor, epid: Epid) -> Owners:
    return {"device": (watcher, epid), "user": watcher}
