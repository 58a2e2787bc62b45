"""Proving who sends, and proving to a client that it is we who answer ([MS-SIPAE])."""

from collections.abc import Awaitable
from dataclasses import dataclass

from zope.interface import Attribute, Interface

from lyncpy.contracts.arrival import Identity
from lyncpy.contracts.names import Aor
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Challenge:
    """The client has to go on: 401 with this WWW-Authenticate value."""

    value: str


@dataclass(frozen=True, slots=True)
class Denied:
    """The handshake failed."""

    reason: str
    """For the operator: one of "unknown user", "disabled", "expired", "not yet valid", "must change password", "no password set", "wrong password", "clock skew",
    "malformed", "expired challenge", "not this user"."""

    account: str = ""
    """Whom the client claimed to be; for the operator and for throttling."""

    aor: Aor | None = None
    """Whose account that is, if anybody's."""

    detail: str = ""
    """More words for the operator."""


class IAssociation(Interface):
    """A security association: one client, one connection, one lifetime."""

    identity: Identity = Attribute("Who is at the other end.")
    expires: float = Attribute("Monotonic seconds; after it nothing verifies.")

    def verify(message: Request | Response, now: float) -> str | None:
        """Check a message of the client; None when it holds, else why it does not ("replayed", "bad signature", "unsigned", "expired")."""

    def sign(message: Request | Response) -> tuple[str, str]:
        """Give the header (name, value) that signs this message as it will leave."""

    def seal(prepared: Prepared) -> None:
        """Sign a prepared request: fill in its signature."""


class IAuthenticator(Interface):
    """One scheme: NTLM, Kerberos, TLS-DSK."""

    scheme: str = Attribute("The word that its header values begin with.")

    def initial() -> str:
        """Give the value of the first WWW-Authenticate header."""

    def step(
        flow: str, request: Request, credentials: str, now: float
    ) -> Awaitable["Challenge | Denied | IAssociation"]:
        """Take the client's next token for this flow; give the next challenge, a denial or the finished association.

        `credentials` is the whole header value, its scheme included. The association is for
        the user in From. What is wrong besides the password is told only to who knows it.
        """

    def forget(flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""
