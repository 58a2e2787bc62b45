"""The conference event package: the watchers of a meeting's roster, and the meeting as each was shown it last.

Changes are gathered for a moment, so that two hundred people who join together are not
forty thousand notifications; then each watcher is sent the difference between the meeting as it was
shown and as it is, written once for all who were shown the same. A watcher whose connection is full
is sent it when there is room again, however much has changed meanwhile: the meeting as it was shown
is kept until then, and the versions of the watcher's documents have no gap.

Spec: RFC 4575; [MS-CONFBAS] 3.4. Client: it never refreshes, applies every document in the
order of its coming, and unsubscribes in a new dialog.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.core.feed import Feed, FeedSource
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document, SubscriptionTerms
from lyncpy.workloads.conferencing.bodies.conference_info import (
    INFO_TYPE,
    RosterAudience,
    RosterBody,
    audience_of,
    delta,
    full,
)
from lyncpy.workloads.conferencing.model.attendees import Meeting, departed_attendee

EVENT: Final = "conference"

WATCH_S: Final = 86_400
"""Seconds that a subscription to a roster lasts. Client: it never refreshes; the end of its endpoint ends it."""

TERMS: Final = SubscriptionTerms(WATCH_S, 60, WATCH_S)

GATHERED: Final = 50
"""Watchers above which changes are gathered for longer, in proportion: the cost of a thousand who join together
then grows with their number, not with its square, and no client is notified every few milliseconds."""


@dataclass(slots=True)
class _Shown:
    """The state that a watcher was shown last."""

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
        forgotten: Callable[[Subscription], None],
    ) -> None:
        """Begin without watchers.

        Args:
            meeting: Returns the meeting as it is now.
            feed: Sends the notifications; its source is a `RosterSource`.
            notifier: Ends subscriptions.
            gather_s: Seconds that changes are gathered while there are few watchers.
            forgotten: Called with each subscription that has ended.
        """
        self._meeting = meeting
        self._feed = feed
        self._notifier = notifier
        self._gather_s = gather_s
        self._forgotten = forgotten
        self._shown: dict[Subscription, _Shown] = {}

    def __len__(self) -> int:
        return len(self._shown)

    def document_for(self, user: Aor, version: int = 1) -> Document | None:
        """Write everything that somebody may see now; None: they are not in the meeting.

        `version` is 1 but for a subscription that goes on.
        """
        meeting = self._meeting()
        audience = audience_of(meeting, user)
        return None if audience is None else Document(INFO_TYPE, full(meeting, audience).at(version))

    def next_version(self, subscription: Subscription) -> int:
        """Return the version of a subscription's next document. Spec: RFC 4575 §5.1, it grows by one."""
        shown = self._shown.get(subscription)
        return 1 if shown is None else shown.version + 1

    def watch(self, subscription: Subscription, version: int = 1) -> None:
        """Note that a new or refreshed subscription was sent a full document in this turn."""
        meeting = self._meeting()
        audience = audience_of(meeting, subscription.watcher)
        if audience is not None:
            self._shown[subscription] = _Shown(version, audience, meeting)

    def go_on(self, subscription: Subscription, version: int, departed: Sequence[Aor]) -> None:
        """Send a full document in a subscription that another node has had, and then who is no more in it.

        Client: it takes somebody who is missing in a full document for still there.

        Args:
            subscription: The subscription.
            version: Of the document; beyond all that it can have been sent.
            departed: Those who were in the meeting.
        """
        document, meeting = self.document_for(subscription.watcher, version), self._meeting()
        audience = audience_of(meeting, subscription.watcher)
        if document is None or audience is None:
            return
        self._notifier.notify(subscription, document)
        gone = {user: departed_attendee(user) for user in departed if user not in meeting.attendees}
        self._shown[subscription] = _Shown(version, audience, replace(meeting, attendees={**gone, **meeting.attendees}))
        self.changed()

    def forget(self, subscription: Subscription) -> None:
        """Remove a subscription that has ended."""
        if self._shown.pop(subscription, None) is not None:
            self._forgotten(subscription)

    def end_subscriptions(self, user: Aor, epid: Epid, reason: str) -> None:
        """End the subscriptions of one device; `reason` is that of Subscription-State."""
        for subscription in [one for one in self._shown if (one.watcher, one.epid) == (user, epid)]:
            self._notifier.end_subscription(subscription, reason)

    def abandon(self) -> None:
        """Forget all subscriptions, with which another node goes on."""
        self._feed.drop_thing(self)
        for subscription in tuple(self._shown):
            self._notifier.end_subscription(subscription, "another server goes on with it", is_told=False)

    def end_all(self, reason: str) -> None:
        """End all subscriptions."""
        self._feed.drop_thing(self)
        for subscription in tuple(self._shown):
            self._notifier.end_subscription(subscription, reason)

    def changed(self) -> None:
        """Have all watchers notified soon of changes in the meeting."""
        if self._shown:
            crowd = max(1.0, len(self._shown) / GATHERED)
            self._feed.changed(self, None, self._gather_s * crowd)

    def watchers(self) -> Collection[Subscription]:
        """Return the subscriptions."""
        return self._shown.keys()

    def update(self) -> "_Difference":
        """Return the difference between the meeting as it is now and as each watcher was shown it."""
        return _Difference(self._meeting, self._shown)


class RosterSource(FeedSource[RosterFeed, None, RosterAudience]):
    """Rosters as a source of their feed. They are in memory; what is owed to a watcher is the name of an audience."""

    def subscriptions(self, key: RosterFeed) -> Collection[Subscription]:
        """Return the subscriptions to a meeting's roster."""
        return key.watchers()

    def update(self, key: RosterFeed, changes: None) -> "_Difference":
        """Return what has changed in a meeting for each of its watchers."""
        return key.update()


class _Difference:
    """The difference between a meeting as it is now and as each watcher was shown it."""

    def __init__(self, meeting: Callable[[], Meeting], shown: dict[Subscription, _Shown]) -> None:
        self._present = meeting
        self._meeting = meeting()
        self._shown = shown
        self._bodies: dict[tuple[int, RosterAudience, RosterAudience], RosterBody | None] = {}

    def is_current(self) -> bool:
        return self._present() is self._meeting

    def news_for(self, subscription: Subscription, owed: RosterAudience | None) -> RosterAudience | None:
        shown = self._shown.get(subscription)
        if shown is None or shown.meeting is self._meeting:
            return None
        # None: the user has left, which the end of the subscription says.
        return audience_of(self._meeting, subscription.watcher)

    def audience_of(
        self, subscription: Subscription, news: RosterAudience
    ) -> tuple[tuple[int, RosterAudience, RosterAudience], int] | None:
        shown = self._shown[subscription]
        # All who were last shown the same meeting, as the same audience, need the same document: mostly all of them.
        # Meetings compare field by field; the identity is quick, and another meeting ends this update.
        key = (id(shown.meeting), shown.audience, news)
        if key not in self._bodies:
            self._bodies[key] = delta(shown.meeting, shown.audience, self._meeting, news)
        shown.meeting, shown.audience = self._meeting, news
        # Versions count documents (RFC 4575 §5.1): where there is nothing to tell, none is used up.
        if self._bodies[key] is None:
            return None
        shown.version += 1
        return key, shown.version

    def write_document(self, audience: Any) -> Document | None:  # Any: see `Update`
        key, version = audience
        body = self._bodies[key]
        return None if body is None else Document(INFO_TYPE, body.at(version))
