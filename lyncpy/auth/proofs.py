"""Challenges under way, and what their answers prove: the same for NTLM over SIP and over HTTP.

An answer is compared with the NT hash that is kept here, as a password that comes by Basic is: where that fits nobody else
is asked. Otherwise the domain is, if this computer has joined one (`INtlmVerifier`).
"""

from dataclasses import dataclass
from secrets import token_bytes, token_hex

from lyncpy.auth.addressee import Addressee
from lyncpy.auth.ntlm import Authenticate, ServerNames, exchanged_key, exported_key
from lyncpy.auth.objections import denial_of, refusal_of
from lyncpy.auth.passwords import secret_of, still_there, unasked_of
from lyncpy.auth.pending import PendingPerConnection
from lyncpy.auth.settings import Settings
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.directory import IPeople, ISecrets, Person, SignInObjection
from lyncpy.contracts.names import Aor
from lyncpy.contracts.ntlm import INtlmVerifier, NtlmResponse
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers


def server_names(settings: Settings, server_name: str, domain: str) -> ServerNames:
    """Give the names by which this server calls itself in a challenge.

    Args:
        server_name: The name that clients know this server by; its host part of NetBIOS too.
        domain: The SIP domain.
    """
    return ServerNames(
        netbios_domain=settings.netbios_domain or domain.partition(".")[0].upper()[:15],
        netbios_computer=settings.netbios_computer or server_name.partition(".")[0].upper()[:15],
        dns_domain=domain,
        dns_computer=server_name,
    )


@dataclass(frozen=True, slots=True)
class PendingChallenge:
    """A challenge that waits for its answer."""

    challenge: bytes
    opaque: str
    """Names the association that comes of it; over HTTP there is none."""


def pending_challenges(settings: Settings) -> PendingPerConnection[PendingChallenge]:
    """Give the table of one protocol's challenges; take each once, for it is good for one answer."""
    return PendingPerConnection("auth.challenges", settings.challenges, settings.challenge_lifetime_s)


def new_challenge() -> PendingChallenge:
    """Make a challenge."""
    return PendingChallenge(token_bytes(8), token_hex(4).upper())


@dataclass(frozen=True, slots=True)
class NtlmProof:
    """Somebody has proved their password."""

    aor: Aor
    session_key: bytes
    """The exported session key; empty where the client was not asked for one."""


class NtlmProofs:
    """Verifies answers to challenges against the NT hashes of people, or has their domain do so.

    Args:
        meant: The service that they have to be for, if they say for which.
        domain: Knows passwords that are not known here; None: nobody does.
    """

    def __init__(
        self,
        people: IPeople,
        secrets: ISecrets,
        settings: Settings,
        meant: Addressee,
        timers: ITimers,
        domain: INtlmVerifier | None,
    ) -> None:
        self._people = people
        self._secrets = secrets
        self._settings = settings
        self._meant = meant
        self._timers = timers
        self._domain = domain

    async def prove(
        self, message: Authenticate, challenge: bytes, peer: str, aor: Aor | None = None
    ) -> NtlmProof | AuthenticationDenied:
        """Give who an answer proves to be there.

        Whatever else is wrong is said only to who knows the password.

        Args:
            peer: The network address that it comes from.
            aor: Who they said they are beside it; None: nothing.
        """
        proved = await self._proved(message, challenge, peer)
        if isinstance(proved, AuthenticationDenied):
            return proved
        person, key = proved
        return self._objection(message, person, aor) or NtlmProof(person.aor, key)

    async def _proved(
        self, message: Authenticate, challenge: bytes, peer: str
    ) -> tuple[Person, bytes] | AuthenticationDenied:
        """Give whose password is proved, and the exported session key."""
        named = self._people.by_login(message.domain, message.user)
        person, secret = await secret_of(self._people, self._secrets, named, message.account)
        key = exported_key(message, challenge, secret)
        if isinstance(person, AuthenticationDenied):
            denied = person
        elif key is None:
            denied = AuthenticationDenied(DenialReason.WRONG_PASSWORD, message.account, person.aor)
        else:
            return person, key
        if self._domain is None:
            return denied
        given = NtlmResponse(message.domain, message.user, challenge, message.proof + message.blob)
        try:
            verdict = await self._domain.verify(named, given, peer)
        except DirectoryUnavailable as error:
            return AuthenticationDenied(unasked_of(person), message.account, denied.aor, detail=str(error))
        holder = still_there(self._people, named)
        if holder is None:
            return AuthenticationDenied(DenialReason.UNKNOWN_USER, message.account)
        if isinstance(verdict, SignInObjection):
            return denial_of(verdict, holder, message.account)
        return denied if verdict is None else (holder, exchanged_key(verdict, message))

    def _objection(self, message: Authenticate, person: Person, aor: Aor | None) -> AuthenticationDenied | None:
        if aor is not None and person.aor != aor:
            return AuthenticationDenied(
                DenialReason.NOT_THIS_USER, message.account, person.aor, detail=f"signed in as {aor}"
            )
        refusal = refusal_of(person, self._timers.wall(), message.account)
        if refusal is not None:
            return refusal
        # A client is wrong that differs from this host's clock as it is and as it was before somebody set it:
        # when the server's own clock is set to a wrong time, clients that are right still get in.
        skew = min((message.at - self._timers.wall(), message.at - self._timers.steady()), key=abs)
        if abs(skew) > self._settings.skew_s:
            way = "ahead" if skew > 0 else "behind"
            return AuthenticationDenied(
                DenialReason.CLOCK_SKEW, message.account, person.aor, detail=f"its clock is {abs(skew):.0f} s {way}"
            )
        other = self._meant.other_in(message.targets)
        if other:
            return AuthenticationDenied(
                DenialReason.OTHER_SERVER, message.account, person.aor, detail=f"made for {other[:200]}"
            )
        return None
