"""What presence has to be, by its pure rules alone: the other side of a comparison with a whole server.

A `Truth` is told what clients ask for, in their order, and when endpoints and the process
come and go. It answers what each request has to get, and what each watcher may see.
Nothing here knows how the server does it: no bus, no timers, no index of watchers.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from lxml import etree

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat, person_seen, write_legacy
from lyncpy.workloads.presence.bodies.publications import read_publish
from lyncpy.workloads.presence.model.audience import audience, is_blocked, visible
from lyncpy.workloads.presence.model.board import (
    Board,
    Outcome,
    Published,
    StaleVersions,
    deadline,
    expire,
    leave,
    publish,
    publish_directory_facts,
)
from lyncpy.workloads.presence.model.levels import (
    MemberChange,
    acknowledge,
    privatise,
    set_delegates,
    set_members,
    subscribe,
    unsubscribe,
)
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import directory_publications
from lyncpy.workloads.presence.model.states import Aggregate
from lyncpy.workloads.presence.model.tables import Delegate, Denial, InstanceKey
from lyncpy.workloads.presence.model.values import write_aggregate, write_value
from tests.kit.boards import colleague, usual_quotas

View = tuple[tuple[str, str], ...]
"""(instance, canonical XML) of each publication of a category that a watcher sees."""

PROMPTED: Final = 200
REFUSED: Final = 503
_STATUSES: Final = {Denial.READ_ONLY: 403, Denial.NO_SUBSCRIBER: 400}


class Unreadable(Exception):
    """A board is not in memory, and the store does not give it."""


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """Give XML without what makes no difference."""
    return etree.tostring(etree.fromstring(text), method="c14n", exclusive=True).decode() if text else ""


OFFLINE_VIEW: Final[View] = (("0", canonical(write_aggregate(Aggregate(18500)))),)


@dataclass
class Truth:
    """Everybody's presence.

    Attributes:
        people: Who exists.
        quotas: Of each board.
        is_broken: Nothing can be written, nor read that is not in memory.
        boards: What the process knows.
        stored: What it would know after its end.
        contacts: Everybody's list.
        endpoints: Who is signed in.
    """

    people: Mapping[Aor, Person]
    quotas: Quotas = field(default_factory=usual_quotas)
    is_broken: bool = False
    boards: dict[Aor, Board] = field(default_factory=dict)
    stored: dict[Aor, Board] = field(default_factory=dict)
    contacts: dict[Aor, frozenset[Aor]] = field(default_factory=dict)
    endpoints: dict[Aor, list[Epid]] = field(default_factory=dict)
    _insisted: dict[tuple[Aor, Epid], dict[InstanceKey | int, int]] = field(default_factory=dict)
    _history: dict[Aor, list[Board]] = field(default_factory=dict)
    _since: dict[Aor, int] = field(default_factory=dict)

    # --- what watchers see

    def view(self, watcher: Aor, aor: Aor, category: str) -> View:
        """Give what somebody sees now; who was never loaded was never told of."""
        return _view(self.boards.get(aor), watcher, category)

    def legacy(self, watcher: Aor, aor: Aor, form: PresenceFormat) -> bytes:
        """Give what an old client sees now."""
        return _legacy(self.boards[aor], watcher, form)

    def views(self, watcher: Aor, aor: Aor, category: str, since: int | None = None) -> Collection[View]:
        """Give every view that was true since the last moment of rest, or since a `mark`."""
        return {_view(board, watcher, category) for board in self._window(aor, since)}

    def legacies(self, watcher: Aor, aor: Aor, form: PresenceFormat, since: int | None = None) -> Collection[bytes]:
        """Give the same for an old client."""
        return {_legacy(board, watcher, form) for board in self._window(aor, since) if board is not None}

    def mark(self, aor: Aor) -> int:
        """Give a name for now, in the history of a board."""
        return max(0, len(self._history.get(aor, ())) - 1)

    def rests(self) -> None:
        """Let what was true before now be true no longer."""
        for aor in self._history:
            self._since[aor] = self.mark(aor)

    def _window(self, aor: Aor, since: int | None) -> Collection[Board | None]:
        if aor not in self._history:
            return (None,)
        return self._history[aor][self._since.get(aor, 0) if since is None else since :]

    # --- what clients ask for

    def board(self, aor: Aor, now: float) -> Board:
        """Give a board, read if it was not yet.

        Raises:
            Unreadable: The store is broken.
        """
        if aor not in self.boards:
            if self.is_broken:
                raise Unreadable
            board = self.stored.get(aor, Board(aor))
            if aor in self.stored:
                board = expire(board, now).board
            self._put(publish_directory_facts(board, directory_publications(self.people[aor]), now).board)
            self._privatise(aor, now, write=False)
        return self.boards[aor]

    def publishes(self, aor: Aor, epid: Epid, body: bytes, now: float) -> int:
        """Give the status that a publication has to get."""
        _, wanted = read_publish(body)
        insisted = self._insisted.pop((aor, epid), None)
        stale: dict[InstanceKey | int, int] = {}

        def decide(board: Board) -> Outcome:
            outcome = publish(board, wanted, epid, now, self.quotas, insisted)
            if isinstance(outcome, StaleVersions):
                stale.update({one.key: one.version for one in outcome.faults if one.key is not None})
            return outcome

        status = self._change(aor, decide, now)
        if stale:
            self._insisted[aor, epid] = stale
        return status

    def sets_members(self, aor: Aor, wishes: Iterable[MemberChange], now: float) -> int:
        """Change levels."""
        return self._change(aor, lambda board: set_members(board, tuple(wishes), now, self.quotas, colleague), now)

    def sets_delegate(self, aor: Aor, version: int, who: Aor, adds: bool, now: float) -> int:
        """Name a delegate, or none any more."""
        add, remove = ([Delegate(who)], []) if adds else ([], [who])
        return self._change(aor, lambda board: set_delegates(board, version, add, remove, now, self.quotas), now)

    def acknowledges(self, aor: Aor, who: Aor, now: float) -> int:
        """Say that a watcher is known."""
        return self._change(aor, lambda board: acknowledge(board, (who,), now, self.quotas), now)

    def lists(self, aor: Aor, contacts: frozenset[Aor], now: float) -> None:
        """Have other contacts."""
        if contacts != self.contacts.get(aor, frozenset()):
            self.contacts[aor] = contacts
            if aor in self.boards:
                self._privatise(aor, now)

    def began(self, watcher: Aor, aor: Aor, now: float) -> None:
        """Somebody watches who did not."""
        board = self.boards[aor]
        known = aor == watcher or watcher in self.contacts.get(aor, frozenset())
        if not known and not is_blocked(audience(board, watcher)):
            self._keep(subscribe(board, watcher, self.people[watcher].display_name, now, PROMPTED), durable=True)

    def ended(self, watcher: Aor, aor: Aor, now: float) -> None:
        """Somebody watches no longer, and said so."""
        if aor != watcher:
            self._keep(unsubscribe(self.board(aor, now), watcher, now), durable=True)

    # --- what happens

    def arrives(self, aor: Aor, epid: Epid, now: float) -> None:
        """Sign an endpoint in; the same on another connection has gone before."""
        if epid in self.endpoints.setdefault(aor, []):
            self.goes(aor, epid, now)
        self.endpoints[aor].append(epid)

    def goes(self, aor: Aor, epid: Epid, now: float) -> None:
        """End an endpoint."""
        self.endpoints[aor].remove(epid)
        if aor not in self.boards:
            return
        last = not self.endpoints[aor]
        self._keep(leave(self.boards[aor], epid, now, last=last))
        stored = self.stored.get(aor)
        board = self.boards[aor]
        if last and not self.is_broken and board.last_active != (stored.last_active if stored is not None else None):
            self._store(board)

    def deadline(self, now: float) -> float | None:
        """Give the next time at which a board changes by itself."""
        found = (deadline(board, now) for board in self.boards.values())
        return min((at for at in found if at is not None), default=None)

    def elapses(self, now: float) -> None:
        """Let what is due happen."""
        for board in tuple(self.boards.values()):
            self._keep(expire(board, now))

    def dies(self) -> None:
        """End the process: what is not stored is gone, and so is every connection."""
        self.boards.clear()
        self.endpoints.clear()
        self._insisted.clear()
        self.is_broken = False

    # --- inside

    def _change(self, aor: Aor, decide: Callable[[Board], Outcome], now: float) -> int:
        try:
            board = self.board(aor, now)
        except Unreadable:
            return REFUSED
        outcome = decide(board)
        if isinstance(outcome, Published):
            if outcome.changes.durable and self.is_broken:
                return REFUSED
            self._keep(outcome)
            if outcome.board.wants_privacy != board.wants_privacy:
                self._privatise(aor, now)
            return 200
        return 409 if isinstance(outcome, StaleVersions) else _STATUSES.get(outcome.denial, 413)

    def _privatise(self, aor: Aor, now: float, *, write: bool = True) -> None:
        board = self.boards[aor]
        unasked = any(not one.acknowledged for one in board.subscribers)
        if board.private_to is not None or board.wants_privacy or unasked:
            contacts = self.contacts.get(aor, frozenset())
            changed = privatise(board, contacts, now, self.quotas, private=False)
            if write:
                self._keep(changed)
            else:
                self._put(changed.board)

    def _keep(self, published: Published | object, *, durable: bool = False) -> None:
        if not isinstance(published, Published) or published.board is self.boards.get(published.board.aor):
            return
        if published.changes.durable or durable:
            self._store(published.board)
        self._put(published.board)

    def _store(self, board: Board) -> None:
        kept = {key: one for key, one in board.instances.items() if one.is_durable}
        self.stored[board.aor] = replace(board, instances=kept, private_to=None)

    def _put(self, board: Board) -> None:
        self.boards[board.aor] = board
        self._history.setdefault(board.aor, []).append(board)


def _view(board: Board | None, watcher: Aor, category: str) -> View:
    found = () if board is None else visible(board, audience(board, watcher), category)
    rows = tuple((str(one.key.instance), canonical(write_value(one))) for one in found)
    return rows or (OFFLINE_VIEW if category == "state" else ())


def _legacy(board: Board, watcher: Aor, form: PresenceFormat) -> bytes:
    return write_legacy(person_seen(board, audience(board, watcher)), form)
