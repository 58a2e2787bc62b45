"""NTLM over HTTP: the steps of a handshake on one connection (RFC 4559 §4, [MS-NTHT]).

No signature proves here that who sends an answer has made it, as one does over SIP from version 4 on: somebody to whom a
client proves its password elsewhere could pass our challenge on, and bring the answer here. Windows therefore writes to whom it
speaks into what it proves (MsvAvTargetName, [MS-NLMP] 2.2.2.1), and a proof for somebody else is refused.
Clients that write nothing, as pidgin-sipe, are let in: for them TLS has to tell the servers apart.
"""

from urllib.parse import urlsplit

from zope.interface import implementer

from lyncpy.auth.addressee import Addressee
from lyncpy.auth.ntlm import OFFERED_ALONE, is_negotiate, read_authenticate, write_challenge
from lyncpy.auth.proofs import NtlmProofs, new_challenge, pending_challenges, server_names
from lyncpy.auth.settings import Settings
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.http import INtlmHandshakes
from lyncpy.contracts.kerberos import HTTP_SERVICE
from lyncpy.contracts.names import Aor
from lyncpy.contracts.ntlm import INtlmVerifier
from lyncpy.contracts.timers import ITimers


@implementer(INtlmHandshakes)
class NtlmHandshakes:
    """Answers NEGOTIATE messages with challenges, and verifies what comes back; no keys remain of it.

    Args:
        server_name: The name that clients know this server by.
        domain: The SIP domain.
        site: The address of the site; "" when it is the server's name.
        verifier: A domain that knows passwords which are not known here; None: nobody does.
    """

    def __init__(
        self,
        people: IPeople,
        secrets: ISecrets,
        settings: Settings,
        server_name: str,
        domain: str,
        site: str,
        timers: ITimers,
        verifier: INtlmVerifier | None,
    ) -> None:
        names = (server_name, urlsplit(site).hostname or "", *settings.web_names)
        meant = Addressee(HTTP_SERVICE, names, is_told=False)
        self._proofs = NtlmProofs(people, secrets, settings, meant, timers, verifier)
        self._pending = pending_challenges(settings)
        self._settings = settings
        self._names = server_names(settings, server_name, domain)
        self._timers = timers

    def challenge(self, connection: str, token: str) -> str | None:
        """Give the CHALLENGE that answers a NEGOTIATE message; None for an answer to one."""
        if not is_negotiate(token):
            return None
        pending = self._pending.begin(connection, new_challenge(), self._timers.now())
        wall = self._timers.wall() if self._settings.challenge_time else None
        return write_challenge(pending.challenge, self._names, wall, OFFERED_ALONE)

    def account(self, token: str) -> tuple[str, str]:
        """Give domain and user that an answer names."""
        message = read_authenticate(token, OFFERED_ALONE)
        return message.domain, message.user

    async def check(self, connection: str, token: str, peer: str) -> Aor | AuthenticationDenied:
        """Give who an answer proves to be there."""
        message = read_authenticate(token, OFFERED_ALONE)
        pending = self._pending.pop(connection, self._timers.now())
        if pending is None:
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE, message.account)
        proved = await self._proofs.prove(message, pending.challenge, peer)
        return proved if isinstance(proved, AuthenticationDenied) else proved.aor

    def drop(self, connection: str) -> None:
        """Drop the handshake of a connection that is over."""
        self._pending.drop(connection)
