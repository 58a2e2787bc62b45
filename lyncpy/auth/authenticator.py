"""NTLM handshakes on SIP ([MS-SIPAE] 3.3.5)."""

from zope.interface import implementer

from lyncpy.auth.association import Association, SignatureParameters, nonces
from lyncpy.auth.ntlm import macs, read_authenticate, write_challenge
from lyncpy.auth.proofs import NtlmProofs, PendingChallenges, server_names
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Identity, device_of
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason, IAuthenticator
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request


@implementer(IAuthenticator)
class NtlmAuthenticator:
    """Runs the two steps of NTLM on SIP: an empty token asks for a challenge, the next one answers it.

    Each challenge belongs to one flow and is good for one answer.

    Args:
        server_name: The name that clients know this server by; its host part of NetBIOS too.
        domain: The SIP domain.
        timers: Gives the time: a client's clock is compared with it.
    """

    scheme = "NTLM"

    def __init__(
        self,
        people: IPeople,
        secrets: ISecrets,
        settings: Settings,
        server_name: str,
        domain: str,
        timers: ITimers,
    ) -> None:
        self._proofs = NtlmProofs(people, secrets, settings, timers)
        self._nonces = nonces()
        self._settings = settings
        self._timers = timers
        self._target = settings.target_name or server_name
        self._names = server_names(settings, server_name, domain)
        self._pending = PendingChallenges(settings)
        self._parameters = f'targetname="{self._target}", realm="{settings.realm}", version={settings.version}'

    def __len__(self) -> int:
        """Give the number of challenges that wait for their answer."""
        return len(self._pending)

    def initial(self) -> str:
        """Give the value of the first WWW-Authenticate header."""
        return f"{self.scheme} {self._parameters}"

    def drop_handshake(self, flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""
        self._pending.drop(flow)

    async def step(
        self, flow: str, request: Request, credentials: str, now: float
    ) -> Challenge | AuthenticationDenied | Association:
        """Process the client's next token for this flow.

        Args:
            credentials: The whole header value, its scheme included.
        """
        try:
            _, given = parse_auth(credentials)
        except RemoteProtocolError as error:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=error.reason)
        if given.get("realm") != self._settings.realm or given.get("targetname") != self._target:
            # Left over from another server: begin anew. Spec: [MS-SIPAE] 3.3.5.
            self.drop_handshake(flow)
            return Challenge(self.initial())
        token = given.get("gssapi-data")
        if token is None:
            # A signature of an association that is no more; the client begins anew when told so.
            return Challenge(self.initial())
        # An empty token asks for the server's challenge.
        if not token:
            return self._challenge(flow, now)
        pending = self._pending.take(flow, now)
        if pending is None or given.get("opaque", "") != pending.opaque:
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE)
        try:
            message = read_authenticate(token)
            version = self._version(given)
            identity = Identity(aor_of(request.from_.uri), device_of(request)[0], self.scheme)
        except RemoteProtocolError as error:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=error.reason)
        proved = await self._proofs.prove(message, pending.challenge, identity.aor)
        if isinstance(proved, AuthenticationDenied):
            return proved
        return self._associate(request, given, identity, proved.session_key, pending.opaque, version, now)

    def _challenge(self, flow: str, now: float) -> Challenge:
        pending = self._pending.make(flow, now)
        data = write_challenge(
            pending.challenge, self._names, self._timers.wall() if self._settings.challenge_time else None
        )
        return Challenge(f'{self.scheme} opaque="{pending.opaque}", gssapi-data="{data}", {self._parameters}')

    def _version(self, given: dict[str, str]) -> int:
        """Give the version that the client chose: it says none for 2, and never more than was offered."""
        text = given.get("version", "2")
        if text not in ("2", "3", "4") or not self._settings.minimum_version <= int(text) <= self._settings.version:
            raise RemoteProtocolError(f"signatures of version {text[:8]!r} are not offered")
        return int(text)

    def _associate(
        self,
        request: Request,
        given: dict[str, str],
        identity: Identity,
        exported: bytes,
        opaque: str,
        version: int,
        now: float,
    ) -> Association | AuthenticationDenied:
        client, server = macs(exported)
        association = Association(
            identity,
            now + self._settings.lifetime_s,
            client=client,
            server=server,
            parameters=SignatureParameters(opaque, self._settings.realm, self._target, version),
            nonces=self._nonces,
        )
        # Version 4 signs this request already. One that does not is let in: it could as well have said version 3.
        if "response" in given and association.verify(request, now) is not None:
            return AuthenticationDenied(
                DenialReason.MALFORMED, aor=identity.aor, detail="the signature of the last REGISTER does not hold"
            )
        return association
