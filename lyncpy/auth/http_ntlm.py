"""NTLM over HTTP: the steps of a handshake on one connection (RFC 4559 §4, [MS-NTHT])."""

from zope.interface import implementer

from lyncpy.auth.ntlm import OFFERED_ALONE, is_negotiate, read_authenticate, write_challenge
from lyncpy.auth.proofs import NtlmProofs, PendingChallenges, server_names
from lyncpy.auth.settings import Settings
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.http import INtlmHandshakes
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers


@implementer(INtlmHandshakes)
class NtlmHandshakes:
    """Answers NEGOTIATE messages with challenges, and verifies what comes back; no keys remain of it.

    Args:
        server_name: The name that clients know this server by.
        domain: The SIP domain.
    """

    def __init__(
        self, people: IPeople, secrets: ISecrets, settings: Settings, server_name: str, domain: str, timers: ITimers
    ) -> None:
        self._proofs = NtlmProofs(people, secrets, settings, timers)
        self._pending = PendingChallenges(settings)
        self._settings = settings
        self._names = server_names(settings, server_name, domain)
        self._timers = timers

    def challenge(self, connection: str, token: str) -> str | None:
        """Give the CHALLENGE that answers a NEGOTIATE message; None for an answer to one."""
        if not is_negotiate(token):
            return None
        pending = self._pending.make(connection, self._timers.now())
        wall = self._timers.wall() if self._settings.challenge_time else None
        return write_challenge(pending.challenge, self._names, wall, OFFERED_ALONE)

    def account(self, token: str) -> tuple[str, str]:
        """Give domain and user that an answer names."""
        message = read_authenticate(token, OFFERED_ALONE)
        return message.domain, message.user

    async def check(self, connection: str, token: str) -> Aor | AuthenticationDenied:
        """Give who an answer proves to be there."""
        message = read_authenticate(token, OFFERED_ALONE)
        pending = self._pending.take(connection, self._timers.now())
        if pending is None:
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE, message.account)
        proved = await self._proofs.prove(message, pending.challenge)
        return proved if isinstance(proved, AuthenticationDenied) else proved.aor

    def drop(self, connection: str) -> None:
        """Drop the handshake of a connection that is over."""
        self._pending.drop(connection)
