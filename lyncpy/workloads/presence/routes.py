"""What presence answers over SIP: publishing, access levels, and the subscriptions to boards."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, Epid, aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.audience import audience
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.bodies import (
    BATCH_TYPE,
    DEFAULT_CATEGORIES,
    Action,
    Resource,
    read_batch,
    read_publish,
    read_roaming_list,
    read_set_members,
    read_set_subscribers,
)
from lyncpy.workloads.presence.documents import (
    CATEGORIES_TYPE,
    FAULT_TYPE,
    ROAMING_SELF,
    write_fault,
    write_list,
    write_own,
    write_unknown,
)
from lyncpy.workloads.presence.fanout import SELF_EVENT
from lyncpy.workloads.presence.model import (
    CATEGORIES,
    Board,
    Denial,
    Denied,
    Key,
    Outcome,
    Published,
    Stale,
    acknowledge,
    publish,
    set_members,
)
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.watchers import EVENT, Views, Watchers, Wish, Wishes

PUBLISH_TYPE: Final = "application/msrtc-category-publish+xml"
MEMBERS_TYPE: Final = "application/msrtc-setcontainermembers+xml"
SUBSCRIBER_TYPE: Final = "application/msrtc-presence-setsubscriber+xml"

_SPREAD: Final = 6
"""A granted lifetime differs from the setting by up to this fraction of it."""

_INSISTING_BOUND: Final = 10_000
"""Endpoints whose last publication was stale; one that is forgotten only gets another fault."""

_DENIALS: Final[Mapping[Denial, tuple[int, Diagnostics]]] = {
    Denial.READ_ONLY: (403, Diagnostics(2003, "Category publication failed - Cannot overwrite read only publication")),
    Denial.TOO_MANY_PUBLICATIONS: (413, Diagnostics(2010, "Category size limit exceeded")),
    Denial.TOO_LONG: (413, Diagnostics(2010, "Category size limit exceeded")),
    Denial.TOO_MANY_CONTAINERS: (413, Diagnostics(2006, "Container member limit exceeded")),
    Denial.TOO_MANY_MEMBERS: (413, Diagnostics(2006, "Container member limit exceeded")),
    Denial.NO_SUBSCRIBER: (400, Diagnostics(2000, "Prompted subscriber does not exist")),
}

_NOT_YOURS: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")
_NO_SUBSCRIBER: Final = Diagnostics(2004, "Subscriber is not authorized to subscribe")


class Routes:
    """A user publishes on his own board only, and watches whomever he likes: what he sees is decided by audiences."""

    def __init__(
        self,
        boards: Boards,
        watchers: Watchers,
        views: Views,
        notifier: Notifier,
        locator: ILocator,
        people: IPeople,
        settings: Settings,
    ) -> None:
        """Take the tables, who sends, and who knows people and their endpoints."""
        self._boards = boards
        self._watchers = watchers
        self._views = views
        self._notifier = notifier
        self._locator = locator
        self._people = people
        self._settings = settings
        self._quotas = settings.quotas()
        self._categories = CATEGORIES.union(settings.categories)
        self._insisting: dict[tuple[Aor, Epid], Mapping[Key | int, int]] = {}

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (
            Route("SERVICE", self.publish, content=PUBLISH_TYPE),
            Route("SERVICE", self.set_members, content=MEMBERS_TYPE),
            Route("SERVICE", self.set_subscribers, content=SUBSCRIBER_TYPE),
            Route("SUBSCRIBE", self.roaming_self, event=SELF_EVENT),
            Route("SUBSCRIBE", self.presence, event=EVENT),
        )

    # --- changing one's own board

    async def publish(self, arrival: Arrival) -> Response:
        """Publish on the sender's board; the answer lists every touched category, whole.

        Raises:
            Refused: 403 for another's board or without being signed in, 400 for a category
                that is none, 409 with a fault for stale versions, 413 for quotas.

        Spec: [MS-PRES] 3.5. Client: protocol notes, "presence" §5.
        """
        aor, epid = _own(arrival, _NOT_YOURS), arrival.sender.epid
        owner, publications = read_publish(arrival.request.body)
        if owner != aor:
            raise Refused(403, _NOT_YOURS)
        names = {one.key.category for one in publications}
        if not names <= self._categories:
            raise Refused(400, Diagnostics(2003, "Category publication failed - Unknown category"))
        # What an endpoint publishes ends with it. One that is gone already would never be heard of again. From
        # here to the board's queue nothing waits, so its end can only come behind this in the queue.
        if all(endpoint.epid != epid for endpoint in await self._locator.endpoints(aor)):
            raise Refused(403, _NOT_YOURS)
        insisted = self._insisting.pop((aor, epid), None)
        outcome = await self._boards.change(
            aor, lambda board, now: publish(board, publications, epid, now, self._quotas, insisted), epid
        )
        if isinstance(outcome, Stale):
            if len(self._insisting) >= _INSISTING_BOUND:
                del self._insisting[next(iter(self._insisting))]
            self._insisting[aor, epid] = {one.key: one.version for one in outcome.faults}
        board = _allowed(outcome).board
        body = write_own(board, categories=names, containers=())
        return response_to(arrival.request, 200, content_type=ROAMING_SELF, body=body)

    async def set_members(self, arrival: Arrival) -> Response:
        """Change who belongs to the sender's containers. His endpoints learn of it by notification.

        Spec: [MS-PRES] 3.6. Client: it does not look at the answer.
        """
        aor = _own(arrival, _NOT_YOURS)
        wishes = read_set_members(arrival.request.body)
        outcome = await self._boards.change(
            aor, lambda board, now: set_members(board, wishes, now, self._quotas), arrival.sender.epid
        )
        _allowed(outcome)
        return response_to(arrival.request, 200)

    async def set_subscribers(self, arrival: Arrival) -> Response:
        """Take note that the user knows who watches him."""
        aor = _own(arrival, _NOT_YOURS)
        known = read_set_subscribers(arrival.request.body)
        _allowed(await self._boards.change(aor, lambda board, now: acknowledge(board, known, now), arrival.sender.epid))
        return response_to(arrival.request, 200)

    # --- watching

    async def roaming_self(self, arrival: Arrival) -> Response:
        """Give a user his own board, and every change of it from here on.

        Spec: [MS-PRES] 3.4. Client: it publishes nothing before it has read this.
        """
        aor = _own(arrival, _NO_SUBSCRIBER)
        document, asked = None, frozenset[str]()
        if not self._is_end(arrival):
            asked = read_roaming_list(arrival.request.body)
            board = await self._boards.read(aor)
            body = write_own(
                board,
                categories=None if "categories" in asked else (),
                containers=None if "containers" in asked else (),
                subscribers="subscribers" in asked,
            )
            document = Document(ROAMING_SELF, body)
        return self._accept(arrival, SELF_EVENT, document, asked)[1]

    async def presence(self, arrival: Arrival) -> Response:
        """Give what the sender may see of people, and what changes of it from here on.

        The first SUBSCRIBE of a dialog defines whom it watches; later ones add, take away or
        ask again. Without a batch it watches whom it is addressed to. People who do not
        exist are offline: one of them must not cost the watcher all the others.

        Spec: [MS-PRES] 3.4; [MS-SIP] batched subscriptions. Client: protocol notes,
        "presence" §6.1.
        """
        if self._is_end(arrival):
            return self._accept(arrival, EVENT, None, {})[1]
        batch = self._batch(arrival)
        named = {one.aor for action in batch or () for one in action.resources}
        found = self._notifier.find(arrival)
        if not batch and found is not None:
            named = set(found.data)
        boards = {aor: await self._boards.read(aor) for aor in sorted(named) if self._people.person(aor) is not None}

        # Nothing waits from here: what changes after these views were written is told to the new subscription.
        boards = {aor: self._boards.peek(aor) or board for aor, board in boards.items()}
        found = self._notifier.find(arrival)
        before: Wishes = found.data if found is not None else {}
        wishes, told = _combined(before, batch)
        if len(wishes) > self._settings.resources_per_subscription:
            raise Refused(413, Diagnostics(2012, "Category subscription limit exceeded"))
        self._watchers.require_room(len(wishes) - len(before))
        document = self._document(arrival, {aor: wishes[aor] for aor in told}, boards)
        subscription, response = self._accept(arrival, EVENT, document, {})
        if subscription is not None:
            self._watchers.watch(subscription, wishes, boards)
        return response

    def _batch(self, arrival: Arrival) -> Sequence[Action]:
        """Give what a SUBSCRIBE asks for; empty: a refresh that changes nothing."""
        request = arrival.request
        if request.body.strip():
            if request.content_type != BATCH_TYPE:
                raise Refused(415, headers=[("Accept", BATCH_TYPE)])
            return read_batch(request.body)
        if self._notifier.find(arrival) is not None:
            return ()
        if not _takes_categories(request):
            # A watcher from before 2007 understands no categories.
            raise Refused(
                421,
                Diagnostics(2013, "msrtc-event-categories extension required", public=True),
                headers=[("Require", "msrtc-event-categories")],
            )
        uri = request.to.uri
        return (Action("", True, (Resource(uri, aor_of(uri)),), DEFAULT_CATEGORIES),)  # noqa: FBT003 - a field

    def _document(self, arrival: Arrival, told: Wishes, boards: Mapping[Aor, Board]) -> Document | None:
        """Write a part for everybody who was named: the client refreshes only whom it found here."""
        watcher = arrival.sender.aor
        views = {wish.uri: self._view(watcher, wish, boards.get(aor)) for aor, wish in told.items()}
        if not views:
            return None
        if arrival.request.body or len(views) > 1:
            return Document(*write_list(watcher, views))
        return Document(CATEGORIES_TYPE, next(iter(views.values())))

    def _view(self, watcher: Aor, wish: Wish, board: Board | None) -> bytes:
        if board is None:
            return write_unknown(wish.uri, wish.categories)
        return self._views.of(board, audience(board, watcher), wish.categories)

    def _is_end(self, arrival: Arrival) -> bool:
        return arrival.request.expires == 0 and self._notifier.find(arrival) is not None

    def _accept(
        self, arrival: Arrival, event: str, document: Document | None, data: object
    ) -> tuple[Subscription | None, Response]:
        settings = self._settings
        # Clients that signed in together, after a restart, would refresh together for ever.
        spread = settings.expires_s // _SPREAD
        varied = settings.expires_s - spread + secrets.randbelow(2 * spread + 1)
        return self._notifier.accept(
            arrival,
            event=event,
            default_s=min(max(varied, settings.expires_minimum_s), settings.expires_maximum_s),
            minimum_s=settings.expires_minimum_s,
            maximum_s=settings.expires_maximum_s,
            document=document,
            data=data,
            on_end=self._watchers.forget if event == EVENT else None,
        )


def _combined(before: Wishes, batch: Sequence[Action]) -> tuple[Wishes, Sequence[Aor]]:
    """Apply a batch to what a subscription watches; give all that it watches now, and whom to tell of.

    Spec: [MS-SIP] batched subscriptions: whom a later batch does not name, stays.
    """
    if not batch:
        return before, tuple(before)
    wishes = dict(before)
    told: dict[Aor, None] = {}
    for action in batch:
        if action.subscribes:
            for one in action.resources:
                wishes[one.aor] = Wish(one.uri, action.categories, action.id)
                told[one.aor] = None
            continue
        ended = [one.aor for one in action.resources] or [a for a, wish in wishes.items() if wish.action == action.id]
        for aor in ended:
            wishes.pop(aor, None)
            told.pop(aor, None)
    return wishes, tuple(told)


def _own(arrival: Arrival, no: Diagnostics) -> Aor:
    """Give the sender's address, if he asks about himself."""
    aor = arrival.sender.aor
    if aor_of(arrival.request.to.uri) != aor:
        raise Refused(403, no)
    return aor


def _allowed(outcome: Outcome) -> Published:
    if isinstance(outcome, Stale):
        # No number of [MS-OCER] says this; clients read the fault.
        raise Refused(409, content_type=FAULT_TYPE, body=write_fault(outcome))
    if isinstance(outcome, Denied):
        status, diagnostics = _DENIALS[outcome.denial]
        raise Refused(status, diagnostics)
    return outcome


def _takes_categories(request: Request) -> bool:
    accepted = ",".join(request.headers.all("Accept")).lower()
    return not accepted or CATEGORIES_TYPE in accepted or "*/*" in accepted
