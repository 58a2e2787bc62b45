"""What provisioning answers over SIP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.facts import PoliciesChanged
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Provision, Route
from lyncpy.core.notifier import Key, Notifier, Subscription
from lyncpy.core.slices import Slices
from lyncpy.sip.message import Response
from lyncpy.sip.subscription import Document, SubscriptionTerms
from lyncpy.workloads.provisioning.bodies import GROUPS_TYPE, OLD_TYPE, read_groups, write_groups, write_old
from lyncpy.workloads.provisioning.settings import Settings

EVENT: Final = "vnd-microsoft-provisioning-v2"
OLD_EVENT: Final = "vnd-microsoft-provisioning"

_SHORTEST_S: Final = 300
_LONGEST_S: Final = 86_400


AT_ONCE: Final = 20
"""Documents that are written anew in one turn of the reactor, about a millisecond."""


@dataclass(frozen=True, slots=True)
class ProvisionsTold:
    """What a client has asked for, and what it was told."""

    asked: tuple[str, ...] | None
    """Names of groups; None: all."""

    body: int
    """The hash of the document."""


class Routes:
    """Answers what clients ask for at sign-in, from what all workloads offer, and tells those who stay what has changed."""

    def __init__(
        self, provisions: Sequence[Provision], notifier: Notifier, settings: Settings, timers: ITimers
    ) -> None:
        self._provisions = provisions
        self._notifier = notifier
        self._settings = settings
        self._timers = timers
        self._staying: dict[Key, Subscription] = {}
        self._is_wanted = self._is_telling = False

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (
            Route("SUBSCRIBE", self.groups, event=EVENT),
            Route("SUBSCRIBE", self.old, event=OLD_EVENT),
        )

    async def groups(self, arrival: Arrival) -> Response:
        """Answer the groups asked for; with `Expires: 0` that is all, else the client stays to hear of changes.

        Spec: [MS-SIPREGE] 3.6.
        """
        _own(arrival)
        held = self._notifier.continued(arrival)
        request = arrival.request
        asked = read_groups(request.body)
        if asked is None and held is not None:
            asked = held.data.asked  # a refresh without a body keeps the question
        body = write_groups(asked, self._provisions, arrival.sender.aor)
        subscription, response = self._accept(arrival, EVENT, Document(GROUPS_TYPE, body))
        if subscription is not None:
            subscription.data = ProvisionsTold(asked, hash(body))
            subscription.on_end = self._ended
            self._staying[subscription.key] = subscription
        return response

    def _ended(self, subscription: Subscription) -> None:
        self._staying.pop(subscription.key, None)

    async def policies_changed(self, fact: PoliciesChanged) -> None:
        """Tell clients that are signed in what is another now; while they are told, one more change is looked at after it."""
        self._is_wanted = True
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._is_wanted:
                self._is_wanted = False
                await self._tell_all()
        finally:
            self._is_telling = False

    async def _tell_all(self) -> None:
        slices = Slices(self._timers, AT_ONCE)
        for subscription in tuple(self._staying.values()):
            told: ProvisionsTold = subscription.data
            body = write_groups(told.asked, self._provisions, subscription.watcher)
            if hash(body) != told.body and subscription.key in self._staying:
                subscription.data = ProvisionsTold(told.asked, hash(body))
                self._notifier.notify(subscription, Document(GROUPS_TYPE, body))
            await slices.spend()

    async def old(self, arrival: Arrival) -> Response:
        """Answer a client of 2005."""
        _own(arrival)
        return self._accept(arrival, OLD_EVENT, Document(OLD_TYPE, write_old(arrival.sender.aor)))[1]

    def _accept(self, arrival: Arrival, event: str, document: Document) -> tuple[Subscription | None, Response]:
        return self._notifier.accept(
            arrival, event, SubscriptionTerms(self._settings.expires_s, _SHORTEST_S, _LONGEST_S), document
        )


def _own(arrival: Arrival) -> None:
    """Refuse a subscription for another user: each may ask for their own settings."""
    if aor_of(arrival.request.to.uri) != arrival.sender.aor:
        raise Refused(403, Diagnostics(2004, "Subscriber is not authorized to subscribe"))
