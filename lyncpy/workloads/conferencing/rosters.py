"""The conference event package: who watches the roster of a meeting, and what each was shown last.

What happened is gathered for a moment, so that two hundred people who join together are not
forty thousand notifications; then each watcher hears the difference between what he was
shown and what there is now, written once for all who were shown the same.

Spec: RFC 4575; [MS-CONFBAS] 3.4. Client: it never refreshes, applies every document in the
order of its coming, and unsubscribes in a new dialog.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.conferencing.documents import INFO_TYPE, Audience, Sheet, audience_of, delta, full
from lyncpy.workloads.conferencing.roster import Meeting

EVENT: Final = "conference"

GATHERED: Final = 50
"""Watchers above which changes are gathered for longer, in proportion: what a thousand who join together
cost then grows with their number, not with its square, and none of them hears of it every few milliseconds."""


@dataclass(slots=True)
class _Shown:
    """What a watcher knows."""

    version: int
    audience: Audience
    meeting: Meeting


class Rosters:
    """The watchers of one meeting."""

    def __init__(self, meeting: Callable[[], Meeting], notifier: Notifier, timers: ITimers, gather_s: float) -> None:
        """Take who tells what the meeting is now."""
        self._meeting = meeting
        self._notifier = notifier
        self._timers = timers
        self._gather_s = gather_s
        self._shown: dict[Subscription, _Shown] = {}
        self._timer: ITimer | None = None

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

    def end(self, user: Aor, epid: Epid, reason: str) -> None:
        """End what one device watches."""
        for subscription in [one for one in self._shown if (one.watcher, one.epid) == (user, epid)]:
            self._notifier.end(subscription, reason)

    def close(self, reason: str) -> None:
        """Tell what there is to tell, and end all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for subscription in tuple(self._shown):
            self._notifier.end(subscription, reason)

    def changed(self) -> None:
        """Have everybody told soon."""
        if self._timer is None and self._shown:
            crowd = max(1.0, len(self._shown) / GATHERED)
            self._timer = self._timers.later(self._gather_s * crowd, self._tell)

    def _tell(self) -> None:
        self._timer = None
        meeting = self._meeting()
        sheets: dict[tuple[int, Audience, Audience], Sheet | None] = {}
        documents: dict[tuple[int, Audience, Audience, int], Document] = {}
        # A notification that cannot be sent ends its subscription.
        for subscription, shown in tuple(self._shown.items()):
            audience = audience_of(meeting, subscription.watcher)
            if audience is None or shown.meeting is meeting:
                continue  # who is gone is told so by the end of his subscription
            key = (id(shown.meeting), shown.audience, audience)
            if key not in sheets:
                sheets[key] = delta(shown.meeting, shown.audience, meeting, audience)
            sheet = sheets[key]
            shown.meeting, shown.audience = meeting, audience
            if sheet is None:
                continue
            shown.version += 1
            document = documents.get((*key, shown.version))
            if document is None:
                document = documents[*key, shown.version] = Document(INFO_TYPE, sheet.at(shown.version))
            self._notifier.notify(subscription, document)
