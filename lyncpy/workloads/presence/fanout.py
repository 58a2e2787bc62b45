"""Facts → notifications: one body for each audience, whoever belongs to it.

Changes of one user are gathered for a moment, so that a burst becomes one notification of
the latest state. Watchers hear of what is new in their audience; the user's own endpoints
of every category that was touched, whole.
"""

from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.facts import BoardChanged, EndpointGone, PersonChanged
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.notifier import Notifier
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.audience import Audience, concerns
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.documents import CATEGORIES_TYPE, ROAMING_SELF, write_own
from lyncpy.workloads.presence.model import EXTERNAL, Board
from lyncpy.workloads.presence.watchers import Views, Watchers

SELF_EVENT: Final = "vnd-microsoft-roaming-self"


@dataclass(slots=True)
class _Gathered:
    """What was changed on a board since its watchers were told last."""

    timer: ITimer | None = None
    touched: dict[Epid | None, set[str]] = field(default_factory=dict)
    shown: set[tuple[str, int]] = field(default_factory=set)
    members: set[int] = field(default_factory=set)

    def take(self, fact: BoardChanged) -> None:
        """Add one change."""
        self.touched.setdefault(fact.by, set()).update(fact.categories)
        self.shown |= fact.shown
        self.members |= fact.members

    def news_for(self, epid: Epid) -> frozenset[str]:
        """Give the categories that an endpoint has not heard of: the answer to its own publication told it the rest.

        The aggregate state is told to the publisher too: a client shows its own state by it,
        and only takes it from a notification.
        """
        news = {name for by, names in self.touched.items() if by != epid for name in names}
        if any(category == "state" and container >= EXTERNAL for category, container in self.shown):
            news.add("state")
        return frozenset(news)


class Fanout:
    """Tells watchers and own endpoints."""

    log = Logger()

    def __init__(
        self, boards: Boards, watchers: Watchers, views: Views, notifier: Notifier, timers: ITimers, *, gather_s: float
    ) -> None:
        """Take where the truth is, who watches it and who sends."""
        self._boards = boards
        self._watchers = watchers
        self._views = views
        self._notifier = notifier
        self._timers = timers
        self._gather_s = gather_s
        self._gathered: dict[Aor, _Gathered] = {}

    async def board_changed(self, fact: BoardChanged) -> None:
        """Gather a change; the first one of a burst sets the time."""
        if fact.aor not in self._watchers and not self._notifier.of(SELF_EVENT, fact.aor):
            return
        gathered = self._gathered.get(fact.aor)
        if gathered is None:
            gathered = self._gathered[fact.aor] = _Gathered()
            gathered.timer = self._timers.later(self._gather_s, lambda: self._due(fact.aor))
        gathered.take(fact)

    async def endpoint_gone(self, fact: EndpointGone) -> None:
        """End what the endpoint published."""
        await self._boards.depart(fact.endpoint.aor, fact.endpoint.epid, last=fact.last)

    async def person_changed(self, fact: PersonChanged) -> None:
        """Publish anew what the directory knows; nothing to do for who is neither in memory nor watched."""
        if self._boards.peek(fact.aor) is not None or fact.aor in self._watchers:
            await self._boards.refurnish(fact.aor)

    def close(self) -> None:
        """Tell nothing more."""
        for gathered in self._gathered.values():
            if gathered.timer is not None:
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
        self._tell(await self._boards.read(aor), gathered)

    def _failed(self, failure: Failure, aor: Aor) -> None:
        self.log.error("watchers of {aor} were not told: {reason}", aor=aor, reason=str(failure.value))

    def _tell(self, board: Board, gathered: _Gathered) -> None:
        self._tell_watchers(board, gathered)
        self._tell_own(board, gathered)

    def _tell_watchers(self, board: Board, gathered: _Gathered) -> None:
        news: dict[Audience, frozenset[str]] = {}
        documents: dict[tuple[Audience, frozenset[str]], Document] = {}
        # A notification that cannot be sent ends its subscription, and so changes the index.
        for subscription, watch in tuple(self._watchers.of(board.aor).items()):
            before = watch.seen_by
            seen_by = watch.audience(board, subscription.watcher)
            if before is not None and before != seen_by:
                categories = watch.categories  # another level: everything may look different
            else:
                if seen_by not in news:
                    news[seen_by] = concerns(gathered.shown, seen_by)
                categories = news[seen_by] & watch.categories
            if categories:
                key = (seen_by, categories)
                document = documents.get(key)
                if document is None:
                    view = self._views.of(board, seen_by, categories)
                    document = documents[key] = Document(CATEGORIES_TYPE, view)
                self._notifier.notify(subscription, document)

    def _tell_own(self, board: Board, gathered: _Gathered) -> None:
        documents: dict[tuple[frozenset[str], frozenset[int]], Document] = {}
        for subscription in self._notifier.of(SELF_EVENT, board.aor):
            asked: frozenset[str] = subscription.data
            categories = gathered.news_for(subscription.epid) if "categories" in asked else frozenset()
            containers = frozenset(gathered.members) if "containers" in asked else frozenset()
            if categories or containers:
                key = (categories, containers)
                if key not in documents:
                    body = write_own(board, categories=categories, containers=containers)
                    documents[key] = Document(ROAMING_SELF, body)
                self._notifier.notify(subscription, documents[key])
