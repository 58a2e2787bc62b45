"""The endpoints of a user."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from zope.interface import Attribute, Interface

from lyncpy.contracts.bus import Interest
from lyncpy.contracts.names import Aor, Epid, FlowName, Instance
from lyncpy.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One signed-in device of a user."""

    aor: Aor
    epid: Epid
    instance: Instance
    """The UUID of +sip.instance."""

    gruu: str
    """`sip:user@domain;opaque=user:epid:…;gruu`."""

    contact: str
    """The Contact URI as the client sent it: Request-URI of what is sent to it outside a dialog."""

    flow: FlowName
    user_agent: str
    since: float
    """Monotonic seconds of the first registration."""

    expires: float
    """Monotonic seconds at which the binding lapses."""

    address: str
    """The remote address."""


class ILocator(Interface):
    """Which endpoints a user has now, at any node. Memory first: an answer waits for one read of the store where nothing is known here.

    What waits for it may raise StoreUnavailable.
    """

    known_of: Interest = Attribute(
        "Of whom it is known here who is signed in: all who are at this node, and those who were asked for lately."
    )

    def endpoints(aor: Aor) -> Awaitable[Sequence[Endpoint]]:
        """Give the user's endpoints, oldest first; empty when they are signed out or unknown."""

    def by_uri(uri: Uri) -> Awaitable[Endpoint | None]:
        """Give the endpoint that a GRUU names; parameter order does not matter."""

    def all_endpoints() -> Sequence[Endpoint]:
        """Give every endpoint of this node, for an operator."""
