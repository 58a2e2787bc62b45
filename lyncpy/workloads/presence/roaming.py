"""Notifications to a user's own endpoints: of their board, access levels, watchers and delegates.

Each endpoint is told what it has not heard yet, and each question ("X added you") once, until
one endpoint answers it; then the others are told to withdraw it. A client from before 2007
hears of watchers by `presence.wpending`. Spec: [MS-PRES] 3.4, roaming-self.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from sys import getsizeof
from typing import Any, Final, NamedTuple

from lyncpy.contracts.bounded_cache import BoundedCache
from lyncpy.contracts.facts import BoardChanged
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.timers import ITimers
from lyncpy.core.feed import Feed, FeedSource
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.board_table import BoardTable
from lyncpy.workloads.presence.bodies.categories import ROAMING_SELF, write_categories, write_own
from lyncpy.workloads.presence.bodies.legacy import write_pending
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import EXTERNAL, Relation, Subscriber

WRITTEN_BYTES: Final = 2_097_152
"""Of boards whose categories are kept as they were written last: a hundred. They are told within a moment, and not needed then."""

_NOTHING: Final = frozenset[str]()
_NOBODY: Final = frozenset[Aor]()

SELF_EVENT: Final = "vnd-microsoft-roaming-self"
PENDING_EVENT: Final = "presence.wpending"
PENDING_TYPE: Final = "text/xml+msrtc.wpending"


class OwnCategories:
    """The categories of boards as their users' endpoints read them: written once for an answer and for who is told."""

    def __init__(self) -> None:
        self._kept: BoundedCache[Aor, tuple[Board, dict[str, str]]] = BoundedCache(
            WRITTEN_BYTES,
            # What is written stands on the board, too, which may be another one by now.
            lambda _, kept: 1_024 + 2 * sum(map(getsizeof, kept[1].values())),
        )

    def write(self, board: Board, names: Set[str]) -> Mapping[str, str]:
        """Give categories of a board: see `write_categories`."""
        kept = self._kept.get(board.aor)
        if kept is None or kept[0] is not board:
            kept = (board, {})
        texts = kept[1]
        missing = names - texts.keys()
        if missing:
            texts.update(write_categories(board, missing))
            self._kept.put(board.aor, kept)
        return {name: texts[name] for name in names}


@dataclass(slots=True)
class OwnBoardNews:
    """The changes of a board since its owner's endpoints were told last."""

    touched: dict[Epid | None, set[str]] = field(default_factory=dict)
    state: bool = False
    containers: set[int] = field(default_factory=set)
    subscribers: bool = False
    delegates: bool = False

    @classmethod
    def from_fact(cls, fact: BoardChanged) -> "OwnBoardNews":
        """Make the news of one change."""
        return cls(
            {fact.by: set(fact.categories)},
            state=any(category == "state" and container >= EXTERNAL for category, container in fact.shown),
            containers=set(fact.members),
            subscribers=fact.subscribers,
            delegates=fact.delegates,
        )

    def categories_for(self, epid: Epid) -> frozenset[str]:
        """Give the categories with news for an endpoint; the answer to its own publication told it the rest.

        The aggregate state is told to the publisher too: a client shows its own state by it,
        and takes it from a notification only.
        """
        news: set[str] = set().union(*[names for by, names in self.touched.items() if by != epid])
        return frozenset(news | {"state"} if self.state else news)

    def joined(self, later: "OwnBoardNews") -> "OwnBoardNews":
        """Give these news and later ones together, as a copy."""
        touched = {
            by: {*self.touched.get(by, ()), *later.touched.get(by, ())} for by in {*self.touched, *later.touched}
        }
        return OwnBoardNews(
            touched,
            state=self.state or later.state,
            containers=self.containers | later.containers,
            subscribers=self.subscribers or later.subscribers,
            delegates=self.delegates or later.delegates,
        )


@dataclass(slots=True)
class RoamingRequest:
    """The parts that an endpoint asked for, and the watchers about whom it was prompted."""

    asked: frozenset[str]
    prompted: frozenset[Aor] = frozenset()


class Roaming(FeedSource[Aor, OwnBoardNews, OwnBoardNews]):
    """Tells a user's own endpoints what has changed on their board.

    Attributes:
        feed: Tells the endpoints; it is to hear of connections. An endpoint whose connection is full is owed the
            news itself: names of categories and containers.
        categories: What was written of boards a moment ago.
    """

    def __init__(
        self, boards: BoardTable, notifier: Notifier, relation: Callable[[Aor], Relation], timers: ITimers
    ) -> None:
        """Create the notifications with nothing to tell.

        Args:
            boards: The boards.
            notifier: Has the subscriptions.
            relation: Gives the relation of a watcher to the enterprise.
            timers: The clock.
        """
        self._boards = boards
        self._notifier = notifier
        self._relation = relation
        self.categories: Final = OwnCategories()
        self.feed: Final[Feed[Aor, OwnBoardNews, OwnBoardNews]] = Feed(self, notifier, timers)

    def changed(self, fact: BoardChanged, wait_s: float | None) -> None:
        """Tell a user's endpoints of a change after `wait_s` seconds, or at once, if any has subscribed."""
        if self._notifier.subscriptions_of(SELF_EVENT, fact.aor) or self._notifier.subscriptions_of(
            PENDING_EVENT, fact.aor
        ):
            self.feed.changed(fact.aor, OwnBoardNews.from_fact(fact), wait_s)

    def whole(self, board: Board, asked: frozenset[str]) -> tuple[Document, RoamingRequest]:
        """Write all parts that an endpoint asks for; give the document, and what the endpoint has heard then."""
        waiting = _waiting(board) if "subscribers" in asked else ()
        body = write_own(
            board,
            categories=None if "categories" in asked else {},
            containers=None if "containers" in asked else (),
            subscribers=_related(waiting, self._relation) if "subscribers" in asked else None,
            delegates="delegates" in asked,
        )
        return Document(ROAMING_SELF, body), RoamingRequest(asked, _aors(waiting))

    def pending(self, board: Board) -> tuple[Document, RoamingRequest]:
        """Write the watchers who wait for an answer, for a client from before 2007."""
        waiting = _waiting(board)
        return _pending(waiting), RoamingRequest(_NOTHING, _aors(waiting))

    def was_told(self, subscription: Subscription, held: RoamingRequest) -> None:
        """Note that the answer to a SUBSCRIBE tells an endpoint all that it asked for."""
        subscription.data = held
        self.feed.was_told(subscription, subscription.watcher)

    # --- as its feed asks

    def subscriptions(self, key: Aor) -> Sequence[Subscription]:
        """Give the subscriptions of a user's own endpoints."""
        return (*self._notifier.subscriptions_of(SELF_EVENT, key), *self._notifier.subscriptions_of(PENDING_EVENT, key))

    def joined(self, earlier: OwnBoardNews, later: OwnBoardNews) -> OwnBoardNews:
        """Give both news together."""
        return earlier.joined(later)

    def update(self, key: Aor, changes: OwnBoardNews | None) -> "_OwnBoard | None":
        """Give a board that is in memory, with its news; None: it is to be loaded."""
        board = self._boards.peek(key)
        return None if board is None else self._own(board, changes)

    async def load(self, key: Aor, changes: OwnBoardNews | None) -> "_OwnBoard":
        """Load a board, with its news."""
        return self._own(await self._boards.latest(key), changes)

    def _own(self, board: Board, changes: OwnBoardNews | None) -> "_OwnBoard":
        return _OwnBoard(board, changes, self._boards, self.categories, self._relation)


class _OwnBoard:
    """A board with its news, as its owner's endpoints see it."""

    def __init__(
        self,
        board: Board,
        news: OwnBoardNews | None,
        boards: BoardTable,
        categories: OwnCategories,
        relation: Callable[[Aor], Relation],
    ) -> None:
        self._board = board
        self._news = news
        self._categories = categories
        self._relation = relation
        self._boards = boards

    def is_current(self) -> bool:
        return self._boards.peek(self._board.aor) is self._board

    def news_for(self, subscription: Subscription, owed: OwnBoardNews | None) -> OwnBoardNews | None:
        news = owed if self._news is None else self._news if owed is None else owed.joined(self._news)
        if news is None or (subscription.event == PENDING_EVENT and not news.subscribers):
            return None
        return news

    def audience_of(self, subscription: Subscription, news: OwnBoardNews) -> "_Told | tuple[Subscriber, ...] | None":
        held: RoamingRequest = subscription.data
        if subscription.event == PENDING_EVENT:
            return tuple(one for one in self._prompts(held) if not one.acknowledged) or None
        told = _Told(
            news.categories_for(subscription.epid) if "categories" in held.asked else frozenset(),
            frozenset(news.containers) if "containers" in held.asked else frozenset(),
            self._prompts(held) if news.subscribers and "subscribers" in held.asked else (),
            news.delegates and "delegates" in held.asked,
        )
        return told if any(told) else None

    def write_document(self, audience: Any) -> Document:  # Any: see `Update`
        if not isinstance(audience, _Told):
            return _pending(audience)
        body = write_own(
            self._board,
            categories=self._categories.write(self._board, audience.categories),
            containers=audience.containers,
            subscribers=_related(audience.subscribers, self._relation) if audience.subscribers else None,
            delegates=audience.delegates,
        )
        return Document(ROAMING_SELF, body)

    def _prompts(self, held: RoamingRequest) -> tuple[Subscriber, ...]:
        """Give the watchers about whom an endpoint is to prompt, and those whose prompt it is to withdraw.

        Both count as told from then on.
        """
        waiting = {one.aor: one for one in _waiting(self._board)}
        known = {one.aor: one for one in self._board.subscribers}
        begun = tuple(one for aor, one in waiting.items() if aor not in held.prompted)
        ended = tuple(
            replace(known.get(aor, Subscriber(aor)), acknowledged=True)
            for aor in sorted(held.prompted)
            if aor not in waiting
        )
        held.prompted = frozenset(waiting)
        return (*begun, *ended)


class _Told(NamedTuple):
    """What an audience of own endpoints is told; most endpoints of a user are one audience."""

    categories: frozenset[str]
    containers: frozenset[int]
    subscribers: tuple[Subscriber, ...]
    delegates: bool


def _related(
    subscribers: Iterable[Subscriber], relation: Callable[[Aor], Relation]
) -> list[tuple[Subscriber, Relation]]:
    return [(one, relation(one.aor)) for one in subscribers]


def _aors(subscribers: Sequence[Subscriber]) -> frozenset[Aor]:
    """Give their addresses; of nobody the same for all, because each device keeps it."""
    return frozenset(one.aor for one in subscribers) if subscribers else _NOBODY


def _waiting(board: Board) -> tuple[Subscriber, ...]:
    return tuple(one for one in board.subscribers if not one.acknowledged)


def _pending(waiting: Iterable[Subscriber]) -> Document:
    return Document(PENDING_TYPE, write_pending((one.aor, one.display_name) for one in waiting))
