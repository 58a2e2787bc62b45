"""What provisioning answers over SIP."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Provision, Route
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.message import Response
from lyncpy.sip.subscription import Document, SubscriptionTerms
from lyncpy.workloads.provisioning.bodies import GROUPS_TYPE, OLD_TYPE, read_groups, write_groups, write_old
from lyncpy.workloads.provisioning.settings import Settings

EVENT: Final = "vnd-microsoft-provisioning-v2"
OLD_EVENT: Final = "vnd-microsoft-provisioning"

_SHORTEST_S: Final = 300
_LONGEST_S: Final = 86_400


class Routes:
    """Answers what clients ask for at sign-in, from what all workloads offer."""

    def __init__(self, provisions: Sequence[Provision], notifier: Notifier, settings: Settings) -> None:
        self._provisions = provisions
        self._notifier = notifier
        self._settings = settings

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
            asked = held.data  # a refresh without a body keeps the question
        document = Document(GROUPS_TYPE, write_groups(asked, self._provisions, arrival.sender.aor))
        subscription, response = self._accept(arrival, EVENT, document)
        if subscription is not None:
            subscription.data = asked
        return response

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
