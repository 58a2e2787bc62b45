"""Guests: who has no account may take part in a conference whose key they know ([MS-SIPAE] 3.2.4.3)."""

import enum
from dataclasses import dataclass
from typing import Final

from zope.interface import Attribute, Interface

from lyncpy.contracts.names import Aor, FlowName
from lyncpy.sip.message import Request

GUEST_DOMAIN: Final = "anonymous.invalid"
"""The domain of the address that a guest makes up; nobody has an account there."""


@dataclass(frozen=True, slots=True)
class GuestAccess:
    """The way into a conference for guests; there is one for each name that a conference could have."""

    conference: str
    """Its name, the same for the focus and all media, whether or not there is such a conference."""

    realm: str
    """The organizer's address, without a scheme: what a client shows, and binds its proof to."""

    keys: tuple[str, ...] = ()
    """Any of them opens it; none: nobody comes in, and nobody is told why."""

    is_certain: bool = True
    """Whether there is no such conference where there are no keys; False: it is being looked for in the store."""


class IGuests(Interface):
    """What the gate has to know of conferences."""

    def door(uri: str) -> GuestAccess:
        """Give how guests may come to the conference to which a Request-URI belongs.

        Raises:
            Refused: 403 with 3019 to 3022; no guest may go there.
            RemoteProtocolError: It is no URI.
        """

    def is_inside(guest: Aor) -> bool:
        """Tell whether a guest takes part in any meeting, or waits in its lobby."""


class Proof(enum.Enum):
    """What credentials are worth."""

    PROVEN = "proven"
    STALE = "stale"
    """They answer no challenge that counts here and now; the key may be right."""

    WRONG = "wrong"


class IKeyProof(Interface):
    """A scheme by which a client proves with each request that it knows a key."""

    scheme: str = Attribute("The word that its header values begin with.")

    def challenge(flow: FlowName, door: GuestAccess, now: float, *, stale: bool = False) -> str:
        """Give the value of a WWW-Authenticate header; `stale`: the client need not ask its user for another key."""

    def check(flow: FlowName, request: Request, credentials: str, door: GuestAccess, now: float) -> Proof:
        """Judge a request's credentials, the whole header value; each counts once.

        Where a challenge was answered rightly, further answers to it are held against the
        same key, also when the conference has another one since.
        """

    def drop_challenges(flow: FlowName) -> None:
        """Drop the challenges of a connection; unknown ones are ignored."""
