"""What a user's own endpoints are told: his board, his levels, who watches him, who acts for him.

Each endpoint is told what it has not heard yet, and each question ("X added you") once, until
somebody answers it; then the others are told to take it back. A client from before 2007
hears of watchers by `presence.wpending`. Spec: [MS-PRES] 3.4, roaming-self.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from lyncpy.contracts.facts import BoardChanged
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.board import Board
from lyncpy.workloads.presence.documents import ROAMING_SELF, write_own
from lyncpy.workloads.presence.legacy import write_pending
from lyncpy.workloads.presence.model import EXTERNAL, Relation, Subscriber

SELF_EVENT: Final = "vnd-microsoft-roaming-self"
PENDING_EVENT: Final = "presence.wpending"
PENDING_TYPE: Final = "text/xml+msrtc.wpending"


@dataclass(slots=True)
class News:
    """What was changed on a board since its owner's endpoints were told last."""

    touched: dict[Epid | None, set[str]] = field(default_factory=dict)
    state: bool = False
    containers: set[int] = field(default_factory=set)
    subscribers: bool = False
    delegates: bool = False

    def take(self, fact: BoardChanged) -> None:
        """Add one change."""
        self.touched.setdefault(fact.by, set()).update(fact.categories)
        self.state |= any(category == "state" and container >= EXTERNAL for category, container in fact.shown)
        self.containers |= fact.members
        self.subscribers |= fact.subscribers
        self.delegates |= fact.delegates

    def categories_for(self, epid: Epid) -> frozenset[str]:
        """Give the categories that an endpoint has not heard of: the answer to its own publication told it the rest.

        The aggregate state is told to the publisher too: a client shows its own state by it,
        and only takes it from a notification.
        """
        news = {name for by, names in self.touched.items() if by != epid for name in names}
        return frozenset(news | {"state"} if self.state else news)

    def joined(self, later: "News") -> "News":
        """Give these and later ones together, as a copy."""
        touched = {
            by: {*self.touched.get(by, ()), *later.touched.get(by, ())} for by in {*self.touched, *later.touched}
        }
        return News(
            touched,
            state=self.state or later.state,
            containers=self.containers | later.containers,
            subscribers=self.subscribers or later.subscribers,
            delegates=self.delegates or later.delegates,
        )


@dataclass(slots=True)
class Held:
    """What one of the user's endpoints asked for, and about whom it was asked."""

    asked: frozenset[str]
    prompted: frozenset[Aor] = frozenset()
    owed: News | None = None
    """What it was not told of because its connection was full."""


class Roaming:
    """Tells own endpoints."""

    def __init__(self, notifier: Notifier, relation: Callable[[Aor], Relation]) -> None:
        """Take who sends, and what a watcher is to the enterprise."""
        self._notifier = notifier
        self._relation = relation
        self._late: dict[FlowName, dict[Subscription, None]] = {}

    def is_heard(self, aor: Aor) -> bool:
        """Tell whether any endpoint of a user listens."""
        return bool(self._notifier.of(SELF_EVENT, aor) or self._notifier.of(PENDING_EVENT, aor))

    def whole(self, board: Board, asked: frozenset[str]) -> tuple[Document, Held]:
        """Give all that an endpoint asks for, and what it has heard then."""
        waiting = _waiting(board) if "subscribers" in asked else ()
        body = write_own(
            board,
            categories=None if "categories" in asked else (),
            containers=None if "containers" in asked else (),
            subscribers=self._related(waiting) if "subscribers" in asked else None,
            delegates="delegates" in asked,
        )
        return Document(ROAMING_SELF, body), Held(asked, frozenset(one.aor for one in waiting))

    def pending(self, board: Board) -> tuple[Document, Held]:
        """Give who waits to be known, for a client from before 2007."""
        waiting = _waiting(board)
        return _pending(waiting), Held(frozenset(), frozenset(one.aor for one in waiting))

    def tell(self, board: Board, news: News) -> None:
        """Tell every endpoint of a board's owner what is new to it."""
        documents: dict[object, Document] = {}  # own endpoints mostly hear the same
        for subscription in self._notifier.of(SELF_EVENT, board.aor):
            self._tell_endpoint(board, subscription, news, documents)
        if news.subscribers:
            self._tell_pending(board)

    def late(self, flow: FlowName) -> tuple[Subscription, ...]:
        """Give the subscriptions of a connection that are owed something, and forget them: each is to be told now, or put off."""
        return tuple(self._late.pop(flow, ()))

    def put_off(self, subscription: Subscription) -> None:
        """Remember that an endpoint is owed something."""
        self._late.setdefault(subscription.flow, {})[subscription] = None

    def tell_late(self, board: Board, subscription: Subscription) -> None:
        """Tell an endpoint what it is owed, as it is now; nothing happens for one that is gone or was told all meanwhile."""
        if subscription.data.owed is not None and subscription in self._notifier.of(SELF_EVENT, board.aor):
            self._tell_endpoint(board, subscription, News(), {})

    def _tell_endpoint(
        self, board: Board, subscription: Subscription, news: News, documents: dict[object, Document]
    ) -> None:
        held: Held = subscription.data
        if held.owed is not None:
            news = held.owed.joined(news)
        if self._notifier.is_full(subscription):
            held.owed = News().joined(news)
            self.put_off(subscription)
            return
        held.owed = None
        categories = news.categories_for(subscription.epid) if "categories" in held.asked else frozenset()
        containers = frozenset(news.containers) if "containers" in held.asked else frozenset()
        subscribers = self._prompts(board, held) if news.subscribers and "subscribers" in held.asked else ()
        delegates = news.delegates and "delegates" in held.asked
        if not (categories or containers or subscribers or delegates):
            return
        key = (categories, containers, subscribers, delegates)
        if key not in documents:
            body = write_own(
                board,
                categories=categories,
                containers=containers,
                subscribers=self._related(subscribers) if subscribers else None,
                delegates=delegates,
            )
            documents[key] = Document(ROAMING_SELF, body)
        self._notifier.notify(subscription, documents[key])

    def _tell_pending(self, board: Board) -> None:
        for subscription in self._notifier.of(PENDING_EVENT, board.aor):
            asked = [one for one in self._prompts(board, subscription.data) if not one.acknowledged]
            if asked:
                self._notifier.notify(subscription, _pending(asked))

    def _prompts(self, board: Board, held: Held) -> tuple[Subscriber, ...]:
        """Give whom an endpoint is to ask about, and about whom not any more; from then on it has heard that."""
        waiting = {one.aor: one for one in _waiting(board)}
        known = {one.aor: one for one in board.subscribers}
        begun = tuple(one for aor, one in waiting.items() if aor not in held.prompted)
        ended = tuple(
            replace(known.get(aor, Subscriber(aor)), acknowledged=True)
            for aor in sorted(held.prompted)
            if aor not in waiting
        )
        held.prompted = frozenset(waiting)
        return (*begun, *ended)

    def _related(self, subscribers: Iterable[Subscriber]) -> list[tuple[Subscriber, Relation]]:
        return [(one, self._relation(one.aor)) for one in subscribers]


def _waiting(board: Board) -> tuple[Subscriber, ...]:
    return tuple(one for one in board.subscribers if not one.acknowledged)


def _pending(waiting: Iterable[Subscriber]) -> Document:
    return Document(PENDING_TYPE, write_pending((one.aor, one.display_name) for one in waiting))
