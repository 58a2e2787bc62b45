"""Proving who sends, and proving to a client that it is we who answer ([MS-SIPAE])."""

import enum
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from zope.interface import Attribute, Interface

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.names import Aor
from lyncpy.sip.message import Request, Response
from lyncpy.sip.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Challenge:
    """The client has to go on: 401 with this WWW-Authenticate value."""

    value: str


CERTIFICATES: Final = "tls-dsk"
"""The scheme, in lower case, for which clients get a certificate elsewhere first ([MS-SIPAE] 3.2.5.1)."""


class DenialReason(enum.StrEnum):
    """Why somebody may not sign in; the values are the words that an operator reads."""

    UNKNOWN_USER = "unknown user"
    DISABLED = "disabled"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    MUST_CHANGE_PASSWORD = "must change password"  # noqa: S105 - words, no password
    PASSWORD_EXPIRED = "password expired"  # noqa: S105 - words, no password
    LOCKED = "locked"
    RESTRICTED = "not allowed now or here"
    DIRECTORY_UNAVAILABLE = "directory unavailable"
    NOT_THE_KEPT_ONE = "not the password kept here, directory unavailable"
    NO_PASSWORD_SET = "no password set"  # noqa: S105 - words, no password
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - words, no password
    CLOCK_SKEW = "clock skew"
    MALFORMED = "malformed"
    EXPIRED_CHALLENGE = "expired challenge"
    OTHER_SERVER = "proof for another server"
    NOT_THIS_USER = "not this user"
    UNKNOWN_PRINCIPAL = "unknown principal"
    TICKET_EXPIRED = "ticket expired"
    TICKET_REPLAYED = "ticket replayed"
    WRONG_SERVICE = "ticket for another service"
    WRONG_KEY_VERSION = "wrong key version"
    BAD_TICKET = "ticket does not decrypt"
    NO_KEYTAB = "keytab unusable"
    TOO_MANY_TICKETS = "too many tickets at once"
    HANDSHAKE_FAILED = "TLS handshake failed"
    UNKNOWN_CERTIFICATE = "certificate not issued here"
    REVOKED_CERTIFICATE = "certificate revoked"
    EXPIRED_CERTIFICATE = "certificate expired"
    OUTDATED_CERTIFICATE = "password changed since the certificate was issued"


@dataclass(frozen=True, slots=True)
class AuthenticationDenied:
    """The handshake failed."""

    reason: DenialReason
    """For the operator; a client is told less."""

    account: str = ""
    """Whom the client claimed to be; for the operator and for throttling."""

    aor: Aor | None = None
    """Whose account that is, if anybody's."""

    detail: str = ""
    """More words for the operator."""

    unproven: bool = False
    """Whether it would be so with a wrong password too: it may be a guess, and is no stranger's business."""


class Invalid(enum.StrEnum):
    """Why the signature of a message does not hold; the values are the words that an operator reads."""

    EXPIRED = "expired"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad signature"
    REPLAYED = "replayed"
    REVOKED = "revoked"


class IAssociation(Interface):
    """A security association: one client, one connection, one lifetime."""

    identity: Identity = Attribute("Who is at the other end.")
    expires: float = Attribute("Monotonic seconds; after it nothing verifies.")
    credential: str = Attribute("Names what opened it, where that can be revoked by itself; else an empty text.")
    owes_proof: bool = Attribute(
        "Whether the client waits for a token that proves us: the answer to its REGISTER brings it, signed, before all else."
    )

    def verify(message: Request | Response, now: float) -> Invalid | None:
        """Check a message of the client; None when it holds, else why it does not."""

    def sign(message: Request | Response) -> tuple[str, str]:
        """Give the header (name, value) that signs this message as it will leave; an owed proof is in that of the first response."""

    def seal(prepared: Prepared) -> None:
        """Sign a prepared request: fill in its signature."""


class IAuthenticator(Interface):
    """One scheme: NTLM, Kerberos, TLS-DSK."""

    scheme: str = Attribute("The word that its header values begin with.")

    def initial() -> str:
        """Give the value of the first WWW-Authenticate header."""

    def step(arrival: Arrival, credentials: str) -> Awaitable["Challenge | AuthenticationDenied | IAssociation"]:
        """Process the client's next token on this flow; give the next challenge, a denial or the finished association.

        `credentials` is the whole header value, its scheme included. The association is for
        the user in From. What is wrong besides the password is told only to who knows it.
        """

    def drop_handshake(flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""
