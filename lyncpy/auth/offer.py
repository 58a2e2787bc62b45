"""What one scheme offers, and what every scheme does alike: its challenges written, credentials read, keys made an association.

A scheme is an `OfferedScheme` that adds what its own tokens mean. Which schemes there are,
and in which order clients are told of them, assembly says (`app/schemes.py`).

Spec: [MS-SIPAE] 2.2.1, 3.3.5.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from zope.interface import implementer

from lyncpy.auth.association import Association, SignatureParameters, Signer, Verifier, nonces
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival, Identity, device_of
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason, IAuthenticator
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request


@dataclass(frozen=True, slots=True)
class AgreedKeys:
    """What a handshake has agreed on."""

    client: Verifier = field(repr=False)
    """Verifies the client's signatures."""

    server: Signer = field(repr=False)
    """Makes ours."""

    opaque: str
    """Names the association towards the client."""

    expires: float
    """Monotonic seconds; after it nothing verifies."""

    is_told: bool = True
    """Whether the client has heard `opaque`."""

    proof: str = field(default="", repr=False)
    """See `Association`."""

    credential: str = ""
    """See `IAssociation`."""


class SchemeOffer:
    """The challenges of one scheme, and the answers to them.

    Args:
        scheme: The word that its header values begin with.
        target: The name by which clients know what they prove themselves to.
        settings: The section's.
        more: Further parameters of the first challenge, each with a comma before it; "" when there are none.
    """

    def __init__(self, scheme: str, target: str, settings: Settings, more: str) -> None:
        self.scheme = scheme
        self._target = target
        self._settings = settings
        self._nonces = nonces()
        self._parameters = f'targetname="{target}", realm="{settings.realm}", version={settings.version}'
        self._initial = f"{scheme} {self._parameters}{more}"

    def initial(self) -> Challenge:
        """Give the first challenge."""
        return Challenge(self._initial)

    def challenge(self, opaque: str, token: str) -> Challenge:
        """Give a challenge with a token, in base64."""
        return Challenge(f'{self.scheme} opaque="{opaque}", gssapi-data="{token}", {self._parameters}')

    def read(self, credentials: str) -> dict[str, str] | AuthenticationDenied | None:
        """Read credentials; None: they are left over from another server, and the client has to begin anew.

        Args:
            credentials: The whole header value, its scheme included.

        Spec: [MS-SIPAE] 3.3.5.
        """
        try:
            _, given = parse_auth(credentials)
        except RemoteProtocolError as error:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=error.reason)
        if given.get("realm") != self._settings.realm or given.get("targetname") != self._target:
            return None
        return given

    def identity(self, request: Request) -> Identity:
        """Give who a REGISTER is from, if they are who they say.

        Raises:
            RemoteProtocolError: From or Contact cannot be read.
        """
        return Identity(aor_of(request.from_.uri), device_of(request)[0], self.scheme)

    def version(self, given: dict[str, str]) -> int:
        """Give the version that the client chose: it says none for 2, and never more than was offered.

        Raises:
            RemoteProtocolError: It is none of them.
        """
        text = given.get("version", "2")
        if text not in ("2", "3", "4") or not self._settings.minimum_version <= int(text) <= self._settings.version:
            raise RemoteProtocolError(f"signatures of version {text[:8]!r} are not offered")
        return int(text)

    def associate(
        self,
        request: Request,
        given: dict[str, str],
        identity: Identity,
        keys: AgreedKeys,
        version: int,
        now: float,
    ) -> Association | AuthenticationDenied:
        """Make the association of a handshake that this REGISTER ends; its signature has to hold, if it has one.

        Args:
            given: The parameters of its credentials.
            version: Of signatures, see `version`.
        """
        association = Association(
            identity,
            keys.expires,
            keys.credential,
            client=keys.client,
            server=keys.server,
            parameters=SignatureParameters(keys.opaque, self._settings.realm, self._target, version, keys.is_told),
            nonces=self._nonces,
            proof=keys.proof,
        )
        # Version 4 signs this request already; a scheme whose proofs could be passed on demands that it does.
        if "response" in given and association.verify(request, now) is not None:
            return _unsigned(identity.aor)
        return association


@implementer(IAuthenticator)
class OfferedScheme(ABC):
    """One scheme on SIP: whatever comes is read, and what it is in the scheme's own terms `_take` says.

    Args:
        offer: Its challenges.
    """

    def __init__(self, offer: SchemeOffer) -> None:
        self.scheme = offer.scheme
        self._offer = offer

    def initial(self) -> str:
        """Give the value of the first WWW-Authenticate header."""
        return self._offer.initial().value

    @abstractmethod
    def drop_handshake(self, flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""

    async def step(self, arrival: Arrival, credentials: str) -> Challenge | AuthenticationDenied | Association:
        """Process what the client says next on this flow; see the promise."""
        given = self._offer.read(credentials)
        if isinstance(given, AuthenticationDenied):
            return given
        if given is None:
            self.drop_handshake(arrival.flow)
            return self._offer.initial()
        try:
            return await self._take(arrival, given)
        except RemoteProtocolError as error:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=error.reason)

    @abstractmethod
    async def _take(self, arrival: Arrival, given: dict[str, str]) -> Challenge | AuthenticationDenied | Association:
        """Process the parameters of credentials.

        Raises:
            RemoteProtocolError: They, or the request's own headers, cannot be read.
        """


def _unsigned(aor: Aor) -> AuthenticationDenied:
    return AuthenticationDenied(
        DenialReason.MALFORMED, aor=aor, detail="the signature of the last REGISTER does not hold"
    )
