"""The conference event package: who watches the roster of a meeting, and what each was shown last.

What happened is gathered for a moment, so that two hundred people who join together are not
forty thousand notifications; then each watcher hears the difference between what they were
shown and what there is now, written once for all who were shown the same. A watcher whose
connection is full hears it when there is room again, however much has happened meanwhile: what
they were shown is kept until then, and the versions of their documents have no gap.

Spec: RFC 4575; [MS-CONFBAS] 3.4. Client: it never refreshes, applies every document in the
order of its coming, and unsubscribes in a new dialog.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.core.feed import Feed, FeedSource
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.conferencing.bodies.conference_info import (
    INFO_TYPE,
    RosterAudience,
    RosterBody,
    audience_of,
    delta,
    full,
)
from lyncpy.workloads.conferencing.model.attendees import Meeting

EVENT: Final = "conference"

GATHERED: Final = 50
"""Watchers above which changes are gathered for longer, in proportion: what a thousand who join together
cost then grows with their number, not with its square, and none of them hears of it every few milliseconds."""


@dataclass(slots=True)
class _Shown:
    """What a watcher knows."""

    version: int
    audience: RosterAudience
    meeting: Meeting


class RosterFeed:
    """The watchers of one meeting."""

    def __init__(
        self,
        meeting: Callable[[], Meeting],
        feed: Feed["RosterFeed", None, RosterAudience],
        notifier: Notifier,
        gather_s: float,
    ) -> None:
        """Begin without watchers.

        Args:
            meeting: Gives the meeting as it is now.
            feed: Tells; its source is a `RosterSource`.
            notifier: Ends subscriptions.
            gather_s: How long changes are gathered while few watch.
        """
        self._meeting = meeting
        self._feed = feed
        self._notifier = notifier
        self._gather_s = gather_s
        self._shown: dict[Subscription, _Shown] = {}

    def __len__(self) -> int:
        return len(self._shown)

    def document_for(self, user: Aor, version: int = 1) -> Document | None:
        """Write all that somebody may see now; None: nothing. `version` is 1 but for a subscription that goes on."""
        meeting = self._meeting()
        audience = audience_of(meeting, user)
        return None if audience is None else Document(INFO_TYPE, full(meeting, audience).at(version))

    def next_version(self, subscription: Subscription) -> int:
        """Give the version of the next document of a subscription. Spec: RFC 4575 §5.1, it grows by one."""
        shown = self._shown.get(subscription)
        return 1 if shown is None else shown.version + 1

    def watch(self, subscription: Subscription, version: int = 1) -> None:
        """Remember that a subscription was told all there is in this turn: a new one, or a refresh."""
        meeting = self._meeting()
        audience = audience_of(meeting, subscription.watcher)
        if audience is not None:
            self._shown[subscription] = _Shown(version, audience, meeting)

    def forget(self, subscription: Subscription) -> None:
        """A subscription is over."""
        self._shown.pop(subscription, None)

    def end_subscriptions(self, user: Aor, epid: Epid, reason: str) -> None:
        """End what one device watches."""
        for subscription in [one for one in self._shown if (one.watcher, one.epid) == (user, epid)]:
            self._notifier.end_subscription(subscription, reason)

    def end_all(self, reason: str) -> None:
        """End all."""
        self._feed.forget(self)
        for subscription in tuple(self._shown):
            self._notifier.end_subscription(subscription, reason)

    def changed(self) -> None:
        """Have everybody told soon."""
        if self._shown:
            crowd = max(1.0, len(self._shown) / GATHERED)
            self._feed.changed(self, None, self._gather_s * crowd)

    def watchers(self) -> Collection[Subscription]:
        """Give the subscriptions."""
        return self._shown.keys()

    def update(self) -> "_Difference":
        """Give the meeting as it is now, and what each watcher was shown."""
        return _Difference(self._meeting(), self._shown)


class RosterSource(FeedSource[RosterFeed, None, RosterAudience]):
    """Rosters as their feed asks for them. All of them are in memory; what is owed is no more than the name of an audience."""

    def subscriptions(self, key: RosterFeed) -> Collection[Subscription]:
        """Give who watches a meeting."""
        return key.watchers()

    def update(self, key: RosterFeed, changes: None) -> "_Difference":
        """Give what is new in a meeting to each of its watchers."""
        return key.update()


class _Difference:
    """Between a meeting as it is now and what each watcher was shown."""

    def __init__(self, meeting: Meeting, shown: dict[Subscription, _Shown]) -> None:
        self._meeting = meeting
        self._shown = shown
        self._bodies: dict[tuple[int, RosterAudience, RosterAudience], RosterBody | None] = {}

    def news_for(self, subscription: Subscription, owed: RosterAudience | None) -> RosterAudience | None:
        shown = self._shown.get(subscription)
        if shown is None or shown.meeting is self._meeting:
            return None
        return audience_of(self._meeting, subscription.watcher)  # whose user is gone is told so by its end

    def audience_of(
        self, subscription: Subscription, news: RosterAudience
    ) -> tuple[tuple[int, RosterAudience, RosterAudience], int] | None:
        shown = self._shown[subscription]
        key = (id(shown.meeting), shown.audience, news)
        if key not in self._bodies:
            self._bodies[key] = delta(shown.meeting, shown.audience, self._meeting, news)
        shown.meeting, shown.audience = self._meeting, news
        if self._bodies[key] is None:
            return None
        shown.version += 1
        return key, shown.version

    def write(self, audience: Any) -> Document | None:  # Any: see `Update`
        key, version = audience
        body = self._bodies[key]
        return None if body is None else Document(INFO_TYPE, body.at(version))
