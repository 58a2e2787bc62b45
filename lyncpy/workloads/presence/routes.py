"""Answers about a user's own board: publishing, access levels, watchers and delegates."""

from collections.abc import Callable, Mapping
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.refusal import EXPECTED_FAILURE, Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.presence.board_table import BoardTable
from lyncpy.workloads.presence.bodies.categories import FAULT_TYPE, ROAMING_SELF, write_fault, write_own
from lyncpy.workloads.presence.bodies.publications import (
    read_publish,
    read_roaming_list,
    read_set_delegates,
    read_set_members,
    read_set_subscriber,
)
from lyncpy.workloads.presence.model.board import Board, Outcome, PublicationDenied, Published, StaleVersions
from lyncpy.workloads.presence.model.levels import RelationOf, acknowledge, set_delegates, set_members
from lyncpy.workloads.presence.model.tables import CATEGORIES, Denial
from lyncpy.workloads.presence.roaming import PENDING_EVENT, SELF_EVENT, Roaming
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.subscriptions import Grants

PUBLISH_TYPE: Final = "application/msrtc-category-publish+xml"
MEMBERS_TYPE: Final = "application/msrtc-setcontainermembers+xml"
SUBSCRIBER_TYPE: Final = "application/msrtc-presence-setsubscriber+xml"
DELEGATES_TYPE: Final = "application/msrtc-setdelegates+xml"

_DENIALS: Final[Mapping[Denial, tuple[int, Diagnostics]]] = {
    Denial.READ_ONLY: (403, Diagnostics(2003, "Category publication failed - Cannot overwrite read only publication")),
    Denial.TOO_MANY_PUBLICATIONS: (413, Diagnostics(2010, "Category size limit exceeded")),
    Denial.BOARD_FULL: (413, Diagnostics(2010, "Category size limit exceeded")),
    Denial.TOO_LONG: (413, Diagnostics(2010, "Category size limit exceeded")),
    Denial.TOO_MANY_CONTAINERS: (413, Diagnostics(2006, "Container member limit exceeded")),
    Denial.TOO_MANY_MEMBERS: (413, Diagnostics(2006, "Container member limit exceeded")),
    Denial.TOO_MANY_DELEGATES: (413, Diagnostics(2006, "Container member limit exceeded")),
    Denial.NO_SUBSCRIBER: (400, Diagnostics(2000, "Prompted subscriber does not exist")),
}

_NOT_YOURS: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")
_NO_SUBSCRIBER: Final = Diagnostics(2004, "Subscriber is not authorized to subscribe")
_PUBLICATION_STALE: Final = Diagnostics(EXPECTED_FAILURE + 409, "Publication version is out of date")
_DELEGATES_STALE: Final = Diagnostics(2141, "Delegate version is out of date")


class Routes:
    """Answers requests about the sender's own board; nobody changes or reads another's."""

    def __init__(
        self,
        boards: BoardTable,
        roaming: Roaming,
        grants: Grants,
        locator: ILocator,
        relation: RelationOf,
        settings: Settings,
    ) -> None:
        self._boards = boards
        self._roaming = roaming
        self._grants = grants
        self._locator = locator
        self._relation = relation
        self._quotas = settings.quotas()
        self._categories = frozenset(CATEGORIES).union(settings.categories)

    def rows(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("SERVICE", self.publish, content=PUBLISH_TYPE),
            Route("SERVICE", self.set_members, content=MEMBERS_TYPE),
            Route("SERVICE", self.set_subscribers, content=SUBSCRIBER_TYPE),
            Route("SERVICE", self.set_delegates, content=DELEGATES_TYPE),
            Route("SUBSCRIBE", self.roaming_self, event=SELF_EVENT),
            Route("SUBSCRIBE", self.pending, event=PENDING_EVENT),
        )

    # --- changing one's own board

    async def publish(self, arrival: Arrival) -> Response:
        """Publish on the sender's board; the answer lists every touched category, whole.

        Raises:
            Refused: 403 for another's board or without being signed in, 400 for an unknown
                category, 409 with a fault for stale versions, 413 for quotas.

        Spec: [MS-PRES] 3.5. Client: protocol notes, "presence" §5.
        """
        aor, epid = _own(arrival, _NOT_YOURS), arrival.sender.epid
        owner, publications = read_publish(arrival.request.body)
        if owner != aor:
            raise Refused(403, _NOT_YOURS)
        names = {one.key.category for one in publications}
        if not names <= self._categories:
            raise Refused(400, Diagnostics(2003, "Category publication failed - Unknown category"))

        async def admit() -> None:
            # What an endpoint publishes ends with it. One that is gone already would never be heard of again.
            if all(endpoint.epid != epid for endpoint in await self._locator.endpoints(aor)):
                raise Refused(403, _NOT_YOURS)

        published = _allowed(await self._boards.publish(aor, publications, epid, admit))
        # What the server made of it, too: no notification tells a publisher what its own publication touched.
        written = self._roaming.categories.write(published.board, names | published.changes.touched)
        body = write_own(published.board, categories=written, containers=())
        return response_to(arrival.request, 200, content_type=ROAMING_SELF, body=body)

    async def set_members(self, arrival: Arrival) -> Response:
        """Change the members of the sender's containers; their endpoints are notified.

        Spec: [MS-PRES] 3.6. Client: it does not look at the answer.
        """
        aor = _own(arrival, _NOT_YOURS)
        changes = read_set_members(arrival.request.body)
        await self._change(
            arrival, aor, lambda board, now: set_members(board, changes, now, self._quotas, self._relation)
        )
        return response_to(arrival.request, 200)

    async def set_subscribers(self, arrival: Arrival) -> Response:
        """Mark a watcher as known to the sender; their other endpoints are told to withdraw the question.

        Raises:
            Refused: 400 for a body that cannot be read, and for somebody who is no subscriber.

        Spec: [MS-PRES] 3.5.5.5.
        """
        aor = _own(arrival, _NOT_YOURS)
        known = read_set_subscriber(arrival.request.body)
        await self._change(arrival, aor, lambda board, now: acknowledge(board, (known,), now, self._quotas))
        return response_to(arrival.request, 200)

    async def set_delegates(self, arrival: Arrival) -> Response:
        """Change the sender's delegates; their endpoints are notified.

        Raises:
            Refused: 400 for a body that cannot be read, 409 for a version that is out of date.

        Spec: [MS-PRES] 2.2.2.10.2.
        """
        aor = _own(arrival, _NOT_YOURS)
        version, add, remove = read_set_delegates(arrival.request.body)
        outcome = await self._boards.change(
            aor, lambda board, now: set_delegates(board, version, add, remove, now, self._quotas), arrival.sender.epid
        )
        _allowed(outcome, _DELEGATES_STALE)
        return response_to(arrival.request, 200)

    async def _change(self, arrival: Arrival, aor: Aor, decide: Callable[[Board, float], Outcome]) -> Board:
        """Change the sender's board.

        Raises:
            Refused: The change is stale or denied.
        """
        return _allowed(await self._boards.change(aor, decide, arrival.sender.epid)).board

    # --- reading it

    async def roaming_self(self, arrival: Arrival) -> Response:
        """Answer with the sender's own board, and notify of every change of it from then on.

        Spec: [MS-PRES] 3.4. Client: it publishes nothing before it has read this.
        """
        aor = _own(arrival, _NO_SUBSCRIBER)
        if self._grants.is_end(arrival):
            return self._grants.accept(arrival, SELF_EVENT, None)[1]
        known = self._grants.continued(arrival)
        if known is not None and not arrival.request.body.strip():
            asked = known.data.asked  # a refresh that says nothing new
        else:
            asked = read_roaming_list(arrival.request.body)
        document, held = self._roaming.whole(await self._boards.read(aor), asked)
        subscription, response = self._grants.accept(arrival, SELF_EVENT, document, held, in_list=True)
        if subscription is not None:
            self._roaming.was_told(subscription, held)
        return response

    async def pending(self, arrival: Arrival) -> Response:
        """Answer a client from before 2007 with the watchers who wait for an answer, and notify of new ones.

        Client: protocol notes, "presence" §1.1.
        """
        aor = _own(arrival, _NO_SUBSCRIBER)
        if self._grants.is_end(arrival):
            return self._grants.accept(arrival, PENDING_EVENT, None)[1]
        document, held = self._roaming.pending(await self._boards.read(aor))
        subscription, response = self._grants.accept(arrival, PENDING_EVENT, document, held)
        if subscription is not None:
            self._roaming.was_told(subscription, held)
        return response


def _own(arrival: Arrival, no: Diagnostics) -> Aor:
    """Give the sender's address, if the request is about their own board.

    Raises:
        Refused: 403 with these diagnostics, if it is about another's.
    """
    aor = arrival.sender.aor
    if aor_of(arrival.request.to.uri) != aor:
        raise Refused(403, no)
    return aor


def _allowed(outcome: Outcome, stale: Diagnostics | None = None) -> Published:
    if isinstance(outcome, StaleVersions):
        # No number of [MS-OCER] but that of delegates says this; clients read the fault.
        raise Refused(409, stale or _PUBLICATION_STALE, content_type=FAULT_TYPE, body=write_fault(outcome))
    if isinstance(outcome, PublicationDenied):
        status, diagnostics = _DENIALS[outcome.denial]
        raise Refused(status, diagnostics)
    return outcome
