"""NTLM handshakes on SIP ([MS-SIPAE] 3.3.5).

Somebody to whom a client proves its password elsewhere could pass our challenge on, and bring the answer here. They have no
keys, and so sign nothing; but a client of version 2 or 3 signs only what comes after the REGISTER with its proof, which would
be let in once. What Windows clients prove to a web or file server, they write into the proof, and such a one is refused.
Where `minimum_version` is 4 no proof is taken without a signature.
"""

from typing import Final

from lyncpy.auth.addressee import Addressee
from lyncpy.auth.association import Association
from lyncpy.auth.ntlm import macs, read_authenticate, write_challenge
from lyncpy.auth.offer import AgreedKeys, OfferedScheme, SchemeOffer
from lyncpy.auth.proofs import NtlmProofs, new_challenge, pending_challenges, server_names
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.kerberos import SIP_SERVICE
from lyncpy.contracts.ntlm import INtlmVerifier
from lyncpy.contracts.timers import ITimers

_SIGNED_AT_ONCE: Final = 4
"""The first version whose clients sign the REGISTER with their proof too."""


class NtlmAuthenticator(OfferedScheme):
    """Runs the two steps of NTLM on SIP: an empty token asks for a challenge, the next one answers it.

    Each challenge belongs to one flow and is good for one answer.

    Args:
        server_name: The name that clients know this server by; its host part of NetBIOS too.
        domain: The SIP domain.
        timers: Gives the time: a client's clock is compared with it.
        verifier: A domain that knows passwords which are not known here; None: nobody does.
    """

    def __init__(
        self,
        people: IPeople,
        secrets: ISecrets,
        settings: Settings,
        server_name: str,
        domain: str,
        timers: ITimers,
        verifier: INtlmVerifier | None,
    ) -> None:
        super().__init__(SchemeOffer("NTLM", settings.target_name or server_name, settings, ""))
        # A client writes the name that it is told in the challenge ([MS-SIPAE] 3.2.5), and whoever challenges it may name us.
        meant = Addressee(SIP_SERVICE, (server_name, settings.target_name, *settings.web_names), is_told=True)
        self._proofs = NtlmProofs(people, secrets, settings, meant, timers, verifier)
        self._settings = settings
        self._timers = timers
        self._names = server_names(settings, server_name, domain)
        self._pending = pending_challenges(settings)

    def __len__(self) -> int:
        """Give the number of challenges that wait for their answer."""
        return len(self._pending)

    def drop_handshake(self, flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""
        self._pending.drop(flow)

    async def _take(self, arrival: Arrival, given: dict[str, str]) -> Challenge | AuthenticationDenied | Association:
        flow, request, now = arrival.flow, arrival.request, arrival.at
        token = given.get("gssapi-data")
        if token is None:
            # A signature of an association that is no more; the client begins anew when told so.
            return self._offer.initial()
        # An empty token asks for the server's challenge.
        if not token:
            return self._challenge(flow, now)
        pending = self._pending.pop(flow, now)
        if pending is None or given.get("opaque", "") != pending.opaque:
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE)
        message = read_authenticate(token)
        version, identity = self._offer.version(given), self._offer.identity(request)
        proved = await self._proofs.prove(message, pending.challenge, arrival.peer, identity.aor)
        if isinstance(proved, AuthenticationDenied):
            return proved
        if version >= _SIGNED_AT_ONCE and "response" not in given:
            detail = f"the REGISTER with the proof has no signature, as version {version} wants"
            return AuthenticationDenied(DenialReason.MALFORMED, message.account, proved.aor, detail=detail)
        client, server = macs(proved.session_key)
        keys = AgreedKeys(client, server, pending.opaque, now + self._settings.lifetime_s)
        return self._offer.associate(request, given, identity, keys, version, now)

    def _challenge(self, flow: str, now: float) -> Challenge:
        pending = self._pending.begin(flow, new_challenge(), now)
        wall = self._timers.wall() if self._settings.challenge_time else None
        return self._offer.challenge(pending.opaque, write_challenge(pending.challenge, self._names, wall))
