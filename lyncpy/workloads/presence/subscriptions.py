"""Answers to the SUBSCRIBEs of watchers: batches since 2007, lists and single people before.

A watcher chooses whom to watch; what they see of a person is decided by `model.audience`.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.message import Request, Response
from lyncpy.sip.subscription import Document, SubscriptionTerms
from lyncpy.workloads.presence.bodies.batches import (
    BATCH_TYPE,
    DEFAULT_CATEGORIES,
    LIST_TYPE,
    BatchAction,
    BatchResource,
    read_batch,
    read_list,
)
from lyncpy.workloads.presence.bodies.categories import write_list
from lyncpy.workloads.presence.bodies.legacy import (
    LEGACY_CATEGORIES,
    PresenceFormat,
    form_of,
)
from lyncpy.workloads.presence.fanout import PresenceFanout
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.presentities import Presentities
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.subscribers import Subscribers
from lyncpy.workloads.presence.watcher_index import EVENT, SeenBoard, WatchedPeople, WatchedPerson, WatcherIndex

_ACTIONS_BOUND: Final = 8
"""Actions that ask for one person in one dialog; of more, the oldest is forgotten."""

_POLLED: Final = 16
"""How many times longer an answer may be that no notification follows: it has to hold everything."""

_SPREAD: Final = 6
"""A granted lifetime differs from the setting, or falls short of what was asked, by up to this fraction of it."""

_LISTED: Final = (("Require", "eventlist"),)
"""Spec: RFC 4662 §4.1; by [MS-PRES] 4.4.3 notifications about a user's own data have it, too."""

_LIMIT: Final = Diagnostics(2012, "Category subscription limit exceeded")


class Grants:
    """Accepts SUBSCRIBEs within the settings.

    Attributes:
        continued: `Notifier.continued`: gives the subscription that a SUBSCRIBE continues; raises `Refused` (481)
            when it continues one that does not exist.
    """

    def __init__(self, notifier: Notifier, settings: Settings) -> None:
        self.continued: Final = notifier.continued
        self._accept = notifier.accept
        self._default_s = settings.expires_s
        self._minimum_s = settings.expires_minimum_s
        self._maximum_s = settings.expires_maximum_s

    def is_end(self, arrival: Arrival) -> bool:
        """Tell whether a SUBSCRIBE ends an existing subscription.

        Raises:
            Refused: 481, when it continues one that does not exist.
        """
        return arrival.request.expires == 0 and self.continued(arrival) is not None

    def accept(
        self,
        arrival: Arrival,
        event: str,
        document: Document | None,
        data: Any = None,  # Any: each event keeps its own kind of value
        on_end: Callable[[Subscription], None] | None = None,
        *,
        in_list: bool = False,
        once: bool = False,
    ) -> tuple[Subscription | None, Response]:
        """Accept a SUBSCRIBE and answer it with a document.

        Args:
            arrival: The SUBSCRIBE.
            event: Its event package.
            document: The document for the answer; None: there is nothing to tell.
            data: The subscription's data: see `Notifier.accept`.
            on_end: Is called with the subscription when it ends.
            in_list: Whether it watches many at once; then its notifications require `eventlist` (RFC 4662 §4.1).
            once: Whether it ends with this answer.

        Returns:
            The subscription, if it continues, and the answer.

        Raises:
            Refused: As `Notifier.accept`.
        """
        # Clients that signed in together, after a restart, would refresh together for ever.
        spread = self._default_s // _SPREAD
        varied = self._default_s - spread + secrets.randbelow(2 * spread + 1)
        most = min(arrival.request.expires or self._maximum_s, self._maximum_s)
        return self._accept(
            arrival,
            event,
            SubscriptionTerms(
                default_s=min(max(varied, self._minimum_s), self._maximum_s),
                minimum_s=self._minimum_s,
                maximum_s=max(most - secrets.randbelow(most // _SPREAD + 1), self._minimum_s),
                once=once,
            ),
            document,
            data=data,
            on_end=on_end,
            shared=_LISTED if in_list else (),
        )


class PresenceSubscriptions:
    """Answers SUBSCRIBE to `presence`."""

    def __init__(
        self,
        presentities: Presentities,
        watchers: WatcherIndex,
        subscribers: Subscribers,
        fanout: PresenceFanout,
        grants: Grants,
        owners: IOwners,
        settings: Settings,
    ) -> None:
        """Create the routes.

        Args:
            presentities: Everybody who can be watched.
            watchers: The watchers of each person.
            subscribers: Notes new watchers for the people whom they watch.
            fanout: Tells later what does not fit into one answer.
            grants: Decides how long a subscription lasts.
            owners: Gives the present address for a former one.
            settings: How many people one subscription may watch, and how long an answer may be.
        """
        self._presentities = presentities
        self._people = presentities.people
        self._boards = presentities.boards
        self._watchers = watchers
        self._subscribers = subscribers
        self._fanout = fanout
        self._grants = grants
        self._owners = owners
        self._resources = settings.resources_per_subscription
        self._answer_bytes = settings.answer_bytes

    def rows(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (Route("SUBSCRIBE", self.presence, event=EVENT),)

    async def presence(self, arrival: Arrival) -> Response:
        """Answer with what the watcher may see of people, and notify them of changes from then on.

        The first SUBSCRIBE of a dialog defines whom it watches; later ones add, remove or
        ask again. Without a body it watches the person whom it is addressed to. People who do not
        exist are offline: one of them must not cost the watcher all the others.

        Raises:
            Refused: 400 for a body that cannot be read, 406 for a watcher who accepts none of
                the formats, 413 for too many people, 415, 481, 503 when the table is full.

        Spec: [MS-PRES] 3.4; [MS-SIP] batched subscriptions. Client: protocol notes,
        "presence" §6.1.
        """
        if self._grants.is_end(arrival):
            return self._grants.accept(arrival, EVENT, None)[1]
        batch, form = self._asked(arrival)
        boards, serial = await self._boards_named(arrival, batch)
        found = self._grants.continued(arrival)
        before: WatchedPeople
        before, number = ({}, 1) if found is None else (found.data, found.documents + 1)
        watched_people, told = combined(before, batch, form)
        if len(watched_people) > self._resources:
            raise Refused(413, _LIMIT)
        watcher = arrival.sender.aor
        self._watchers.require_room(watcher, arrival.sender.epid, len(watched_people) - len(before))
        # An answer that nothing follows, to a poll (RFC 6665 §4.4.3) or to a batch that only asks, has to hold all;
        # in any other, people for whom there is no room are told of in notifications.
        only_asks = found is None and bool(batch) and all(action.once for action in batch)
        is_all = only_asks or arrival.request.expires == 0
        seen = self._presentities.seen(watcher, {aor: boards[aor] for aor in told if aor in boards})
        views, late = self._views_of(told, seen, _POLLED if is_all else 1)
        if late and is_all:
            raise Refused(413, _LIMIT)
        document = self._document(arrival, views, number, whole=told.keys() >= watched_people.keys())
        subscription, response = self._grants.accept(
            arrival, EVENT, document, {}, self._watchers.forget, in_list=_is_list(arrival.request), once=only_asks
        )
        if subscription is not None:
            subscription.documents = number
            self._watchers.watch(subscription, watched_people, seen, self._boards.telling.serial)
            shown = ((aor, boards.get(aor)) for aor in told if aor in watched_people and aor not in late)
            self._compare(subscription, shown, serial)
            self._note(watcher, batch, before, watched_people, boards)
            for aor in late:
                self._fanout.feed.owe(subscription, aor, watched_people[aor].categories)
        return response

    async def _boards_named(
        self, arrival: Arrival, batch: Sequence[BatchAction]
    ) -> tuple[Mapping[Aor, Board], int | None]:
        """Read the boards of the people whom a batch names, or, without one, of those whom its dialog watches.

        Returns:
            The boards of those who exist, and the number of the last change before they were read; None: nothing was
            waited for.

        Raises:
            Refused: 413 for a batch over the bound, before anything is read: it must not cost a read for each name.
        """
        named: Collection[Aor] = {one.aor for action in batch for one in action.resources}
        if len(named) > self._resources:
            raise Refused(413, _LIMIT)
        found = self._grants.continued(arrival)
        if not batch and found is not None:
            named = found.data.keys()
        people, serial = self._people, self._boards.telling.serial
        boards = self._boards.peek_all([aor for aor in named if people.person(aor) is not None])
        missing = sorted(aor for aor, board in boards.items() if board is None)
        read = {aor: await self._boards.read(aor) for aor in missing}
        # As they are now: what takes a while to read must not make the rest old. What is changed after this, and
        # before the subscription is registered, it is told when that is done.
        if missing:
            now = self._boards.peek_all(boards)
            boards = {aor: now[aor] or board for aor, board in boards.items()}
        return {aor: board or read[aor] for aor, board in boards.items()}, serial if missing else None

    def _compare(
        self, subscription: Subscription, shown: Iterable[tuple[Aor, Board | None]], serial: int | None
    ) -> None:
        """Tell a subscription that watches people from now on where its document is outdated already.

        Args:
            subscription: The subscription.
            shown: Person in the document → the board that was read; None: there was no such user.
            serial: Number of the last change before the boards were read; None: they were read in this very turn,
                and nothing can be outdated.
        """
        if serial is None:
            return
        behind = {aor: board for aor, board in shown if self._is_behind(aor, board, serial)}
        if behind:
            self._fanout.compare(subscription, behind)

    def _is_behind(self, aor: Aor, shown: Board | None, serial: int) -> bool:
        if (shown is None) != (self._people.person(aor) is None):
            return True
        board = self._boards.peek(aor)
        if board is None:  # one that has left the memory has changed only if any has
            return shown is not None and self._boards.telling.serial != serial
        return shown is not None and board is not shown

    def _note(
        self,
        watcher: Aor,
        batch: Sequence[BatchAction],
        before: WatchedPeople,
        watched_people: WatchedPeople,
        boards: Mapping[Aor, Board],
    ) -> None:
        """Note whom a watcher has made a contact, and whom the watcher watches no longer.

        A client that watches for a while only (a contact card, the results of a search) gives no context;
        the person is not told of that. Spec: [MS-PRES] 2.2.2.6; `Subscriber` of UCMA.
        """
        asked = [one for action in batch if action.subscribes and not action.once for one in action.resources]
        contexts = {one.aor: one.context for one in asked if one.context is not None and one.aor in boards}
        self._subscribers.began(watcher, contexts)
        gone = [aor for aor in before if aor not in watched_people and not self._watchers.is_watched_by(aor, watcher)]
        if gone:
            self._subscribers.ended(watcher, gone)

    def _meant(self, uri: str) -> Aor:
        """Give the address that a watcher means; a former one is the present one, while what is sent there still arrives.

        That of a person is the very text that the directory has: the same for all who watch them.
        """
        aor = aor_of(uri)
        person = self._people.person(aor)
        return person.aor if person is not None else self._owners.led_to(aor) or aor

    def _asked(self, arrival: Arrival) -> tuple[Sequence[BatchAction], PresenceFormat]:
        """Give the actions that a SUBSCRIBE asks for, none for a refresh that changes nothing, and the format."""
        request = arrival.request
        form = form_of(request.headers.get_all("Accept"))
        if request.body.strip():
            if request.content_type == BATCH_TYPE:
                return read_batch(request.body, self._meant), PresenceFormat.CATEGORIES
            if request.content_type == LIST_TYPE:
                return read_list(request.body, self._meant), _legacy(form)
            raise Refused(415, headers=[("Accept", f"{BATCH_TYPE}, {LIST_TYPE}")])
        # A refresh without a body changes nothing; a first SUBSCRIBE without one is RFC 3856's, for one person, in
        # the best format that the watcher accepts.
        if self._grants.continued(arrival) is not None:
            return (), PresenceFormat.CATEGORIES
        if form is None:
            raise Refused(406, headers=[("Accept", ", ".join(one.value for one in PresenceFormat))])
        uri = request.to.uri
        return (BatchAction("", True, (BatchResource(uri, self._meant(uri), ""),), DEFAULT_CATEGORIES),), form  # noqa: FBT003 - a field

    def _document(
        self, arrival: Arrival, views: Mapping[str, Document], number: int, *, whole: bool
    ) -> Document | None:
        """Write a part for everybody who was named: the client refreshes only the people whom it finds in the answer.

        Args:
            arrival: The SUBSCRIBE.
            views: Address as the watcher wrote it → the document about that person.
            number: The number of the list in its subscription, from 1.
            whole: Whether these are all whom the subscription watches.
        """
        watcher = arrival.sender.aor
        if not views:
            return None
        content_type = next(iter(views.values())).content_type
        if _is_list(arrival.request) or len(views) > 1:
            bodies = {uri: view.body for uri, view in views.items()}
            return Document(*write_list(watcher, bodies, content_type, number=number, whole=whole))
        return next(iter(views.values()))

    def _views_of(
        self, told: WatchedPeople, seen: Mapping[Aor, SeenBoard], times: int
    ) -> tuple[Mapping[str, Document], Sequence[Aor]]:
        """Write what a watcher sees of each person, by address as the watcher wrote it.

        Of people for whom there is no room in one answer it says nothing yet; they are given beside it.
        """
        views: dict[str, Document] = {}
        late: list[Aor] = []
        left = self._answer_bytes * times
        written = self._presentities.document_for
        for aor, asked in told.items():
            uri, board = asked.uri or aor, seen.get(aor)
            view = written(uri, asked, board)
            if len(view.body) > left and views and aor in seen:
                late.append(aor)
                view = written(uri, asked, None)
            left -= len(view.body)
            views[uri] = view
        return views, late


def combined(
    before: WatchedPeople, batch: Sequence[BatchAction], form: PresenceFormat
) -> tuple[WatchedPeople, WatchedPeople]:
    """Apply a batch to the people whom a subscription watches.

    People whom a later batch does not name stay. Several actions may ask for one person, who is
    watched until the last of them has ended, for all categories that any of them wants.

    Args:
        before: The people whom the subscription watches.
        batch: The actions, in document order; none: a refresh, which tells of all.
        form: The format for people who are new.

    Returns:
        All whom it watches now, and those whom the answer is to tell of.

    Spec: [MS-SIP] batched subscriptions.
    """
    if not batch:
        return before, before
    watched_people = dict(before)
    told: dict[Aor, None] = {}
    asked: dict[Aor, WatchedPerson] = {}
    for action in batch:
        if not action.subscribes:
            # An end names the action's id, as it began: others may still ask for the same person.
            for aor in _ended(watched_people, action):
                told.pop(aor, None)
            continue
        usual = _watched(((action.id, action.categories),), form)
        for one in action.resources:
            uri = None if one.uri == one.aor else one.uri
            new = usual if uri is None else usual._replace(uri=uri)
            # A query is answered and leaves nothing: whoever is watched already stays watched as before.
            if action.once:
                asked[one.aor] = new
                continue
            old = watched_people.get(one.aor)
            watched_people[one.aor] = new if old is None else _watched(_begun(old, action), old.form, uri)
            told[one.aor] = None
    return watched_people, {**{aor: watched_people[aor] for aor in told}, **asked}


def _ended(watched_people: dict[Aor, WatchedPerson], action: BatchAction) -> Sequence[Aor]:
    """End what an action asked for; give those who are watched no more."""
    gone = []
    for aor in [one.aor for one in action.resources] or list(watched_people):
        old = watched_people.get(aor)
        if old is None:
            continue
        left = tuple(one for one in old.actions if one[0] != action.id)
        if left == old.actions:
            if not action.resources:
                continue
            left = ()  # named by who does not know which action began it
        if left:
            watched_people[aor] = _watched(left, old.form, old.uri)
        else:
            del watched_people[aor]
            gone.append(aor)
    return gone


def _begun(old: WatchedPerson, action: BatchAction) -> tuple[tuple[str, frozenset[str]], ...]:
    """Give the actions that ask for somebody when one more does; the same action replaces its former self."""
    kept = tuple(one for one in old.actions if one[0] != action.id)
    return (*kept, (action.id, action.categories))[-_ACTIONS_BOUND:]


def _watched(
    actions: tuple[tuple[str, frozenset[str]], ...], form: PresenceFormat, uri: str | None = None
) -> WatchedPerson:
    if form is not PresenceFormat.CATEGORIES:
        return WatchedPerson(LEGACY_CATEGORIES, actions, form, uri)
    categories = actions[0][1] if len(actions) == 1 else _union(wanted for _, wanted in actions)
    return WatchedPerson(categories, actions, form, uri)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _legacy(form: PresenceFormat | None) -> PresenceFormat:
    """Give the format for a list of a client from before 2007: its own, whatever else it accepts."""
    return form if form in (PresenceFormat.PIDF, PresenceFormat.XPIDF) else PresenceFormat.PRESENTITY


def _is_list(request: Request) -> bool:
    return request.content_type in (BATCH_TYPE, LIST_TYPE)
