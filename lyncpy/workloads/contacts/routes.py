"""Answers over SIP: the subscription to a user's own contact list, and the SOAP requests that change it."""

from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Operation, Route
from lyncpy.core.notifier import Notifier
from lyncpy.sip.markup import Element
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.soap import SOAP_TYPE, write_soap_fault
from lyncpy.sip.subscription import Document, SubscriptionTerms
from lyncpy.workloads.contacts.bodies import (
    ACL_TYPE,
    CONTACTS_TYPE,
    EMPTY_ACL,
    OPERATIONS,
    read_change,
    write_answer,
    write_list,
)
from lyncpy.workloads.contacts.fanout import EVENT, ContactFanout, ContactListState
from lyncpy.workloads.contacts.lists import ChangeDeclined, Lists
from lyncpy.workloads.contacts.model import AddGroup, ContactDenial
from lyncpy.workloads.contacts.settings import Settings

ACL_EVENT: Final = "vnd-microsoft-roaming-acl"

KEEPS_GROUPS: Final = "Sipe/"
"""In the User-Agent of clients that `ContactListState.keeps_groups` is about."""

_ANSWERS: Final[Mapping[ContactDenial, tuple[int, Diagnostics]]] = {
    ContactDenial.CONTACT_UNKNOWN: (404, Diagnostics(2001, "Contact does not exist")),
    ContactDenial.GROUP_UNKNOWN: (404, Diagnostics(2002, "Group does not exist")),
    ContactDenial.CONTACTS_FULL: (413, Diagnostics(2007, "Contact limit exceeded")),
    ContactDenial.LIST_TOO_LARGE: (413, Diagnostics(2007, "Contact limit exceeded")),
    ContactDenial.GROUPS_FULL: (413, Diagnostics(2008, "Group limit exceeded")),
    ContactDenial.EXTENSION_TOO_LARGE: (413, Diagnostics(2009, "Contact extension too large")),
    ContactDenial.NAME_TAKEN: (409, Diagnostics(2015, "Duplicate group name")),
    ContactDenial.GROUP_NOT_EMPTY: (409, Diagnostics(4000, "Group is not empty")),
    ContactDenial.GROUP_FIXED: (403, Diagnostics(4000, "The default group cannot be changed or deleted")),
    ContactDenial.GROUP_GENERATED: (403, Diagnostics(4000, "The group is made from the directory")),
    ContactDenial.CONTACT_GENERATED: (403, Diagnostics(4000, "The contact is in the list by the directory")),
}

_NO_SUBSCRIBER: Final = Diagnostics(2004, "Subscriber is not authorized to subscribe")
_NOT_YOU: Final = Diagnostics(4004, "Credentials provided are not authorized to act as specified from URI")


class Routes:
    """Answers requests about the sender's own contact list; nobody reads another's."""

    def __init__(self, lists: Lists, fanout: ContactFanout, notifier: Notifier, settings: Settings) -> None:
        self._lists = lists
        self._fanout = fanout
        self._notifier = notifier
        self._settings = settings

    def rows(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("SUBSCRIBE", self.subscribe, event=EVENT),
            Route("SUBSCRIBE", self.rights, event=ACL_EVENT),
        )

    def operations(self) -> Mapping[str, Operation]:
        """Give the SOAP operations that change a list."""
        return dict.fromkeys(OPERATIONS, self.change)

    async def subscribe(self, arrival: Arrival) -> Response:
        """Answer with the user's whole list, and notify of every change of it from then on.

        The list is held meanwhile: a change that comes between reading and subscribing would
        never reach this device.
        """
        aor = _own(arrival, _NO_SUBSCRIBER)
        if arrival.request.expires == 0 and self._notifier.continued(arrival) is not None:
            return self._accept(arrival, EVENT, None, None)
        async with self._lists.hold(aor):
            contacts = await self._lists.arrived(aor)
            document = Document(CONTACTS_TYPE, write_list(contacts))
            keeps_groups = KEEPS_GROUPS in (arrival.request.headers.get("User-Agent") or "")
            try:
                return self._accept(arrival, EVENT, document, ContactListState(contacts.delta_num, keeps_groups))
            finally:
                self._forget_if_gone(aor)

    async def rights(self, arrival: Arrival) -> Response:
        """Answer a client from before 2007 that asks for its list of rights."""
        _own(arrival, _NO_SUBSCRIBER)
        return self._accept(arrival, ACL_EVENT, Document(ACL_TYPE, EMPTY_ACL), None)

    async def change(self, arrival: Arrival, operation: Element) -> Response:
        """Change the sender's list; the change is durable before the 200.

        Raises:
            Refused: 403, 404, 409 or 413 with a SOAP fault, for each reason of a denial.

        Spec: [MS-SIP] 3.7.4.3. Client: only addGroup's answer is looked at, a failure not at
        all; so after a refusal the client is told how the list really is.
        """
        change = read_change(operation)
        aor = _own(arrival, _NOT_YOU)
        try:
            decided = await self._lists.change(aor, change, arrival.sender.epid)
        except ChangeDeclined as declined:
            self._fanout.correct(aor, arrival.sender.epid, *declined.amends)
            raise _refusal(*_ANSWERS[declined.no]) from declined
        if decided.correction is not None:
            self._fanout.correct(aor, arrival.sender.epid, decided.correction)
        if not isinstance(change, AddGroup):
            return response_to(arrival.request, 200)
        return response_to(arrival.request, 200, content_type=SOAP_TYPE, body=write_answer(decided.delta))

    def _forget_if_gone(self, aor: Aor) -> None:
        """Forget a user who has no device left that shows their list."""
        if not self._notifier.subscriptions_of(EVENT, aor):
            self._lists.left(aor)

    def _accept(
        self, arrival: Arrival, event: str, document: Document | None, held: ContactListState | None
    ) -> Response:
        subscription, response = self._notifier.accept(
            arrival,
            event,
            SubscriptionTerms(
                self._settings.expires_s, self._settings.expires_minimum_s, self._settings.expires_maximum_s
            ),
            document,
            on_end=None if held is None else lambda ended: self._forget_if_gone(ended.watcher),
        )
        if subscription is not None and held is not None:
            subscription.data = held
        return response


def _own(arrival: Arrival, diagnostics: Diagnostics) -> Aor:
    """Give the sender's address, if the request is about their own list.

    Raises:
        Refused: 403 with these diagnostics, if it is about another's.
    """
    aor = arrival.sender.aor
    target = arrival.request.target
    about_other = target.user is not None and aor_of(target.aor) != aor
    if about_other or aor_of(arrival.request.to.uri) != aor:
        raise Refused(403, diagnostics)
    return aor


def _refusal(status: int, diagnostics: Diagnostics) -> Refused:
    fault = write_soap_fault("Client.BadCall", diagnostics.reason)
    return Refused(status, diagnostics, content_type=SOAP_TYPE, body=fault)
