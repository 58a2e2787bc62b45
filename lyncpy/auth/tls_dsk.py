"""TLS-DSK handshakes on SIP: a certificate that we have issued, in place of a password ([MS-SIPAE] 3.2.5.1, 3.3.5).

The client begins; TLS goes to and fro in the tokens of REGISTER and 401 (`inner_tls.py`), and what follows from it
signs the REGISTER without a token that ends the handshake. Its certificate is judged twice, when its key is
proved and at the end: what is revoked in between opens nothing.
"""

from dataclasses import dataclass, field
from secrets import token_hex
from typing import Final

from twisted.logger import Logger

from lyncpy.auth.association import Association
from lyncpy.auth.inner_contexts import InnerContexts
from lyncpy.auth.inner_tls import InnerKeys, InnerTls, InnerTlsFailed, KeyedHash
from lyncpy.auth.objections import refusal_of
from lyncpy.auth.offer import AgreedKeys, OfferedScheme, SchemeOffer
from lyncpy.auth.pending import PendingPerConnection
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.certificates import IClientCertificates, StandingCertificate
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Request


@dataclass(eq=False, slots=True)
class PendingHandshake:
    """A handshake under way."""

    opaque: str = field(default_factory=lambda: token_hex(4).upper())
    tls: InnerTls | None = None
    """None before it begins, and after it has given keys."""

    keys: InnerKeys | None = None


_WERE_THEIRS: Final = (
    DenialReason.REVOKED_CERTIFICATE,
    DenialReason.EXPIRED_CERTIFICATE,
    DenialReason.OUTDATED_CERTIFICATE,
)
"""Who proved the key of a certificate that was theirs is told first what is wrong with their account."""


class TlsDskAuthenticator(OfferedScheme):
    """Runs the steps of TLS-DSK on SIP.

    Args:
        certificates: Knows who has which.
        contexts: Of the server's side of a handshake.
        server_name: The name that clients know this server by.
        provisioning_url: Where clients get their certificates.
    """

    log = Logger()

    def __init__(
        self,
        people: IPeople,
        certificates: IClientCertificates,
        contexts: InnerContexts,
        settings: Settings,
        server_name: str,
        provisioning_url: str,
        timers: ITimers,
    ) -> None:
        target = settings.target_name or server_name
        super().__init__(SchemeOffer("TLS-DSK", target, settings, f', sts-uri="{provisioning_url}"'))
        self._people = people
        self._certificates = certificates
        self._contexts = contexts
        self._lifetime_s = settings.lifetime_s
        self._timers = timers
        self._pending = PendingPerConnection[PendingHandshake](
            "auth.handshakes", settings.handshakes, settings.challenge_lifetime_s
        )

    def __len__(self) -> int:
        """Give the number of handshakes under way."""
        return len(self._pending)

    def drop_handshake(self, flow: str) -> None:
        """Drop a handshake under way; unknown flows are ignored."""
        self._pending.drop(flow)

    async def _take(self, arrival: Arrival, given: dict[str, str]) -> Challenge | AuthenticationDenied | Association:
        flow, request, now = arrival.flow, arrival.request, arrival.at
        token, opaque = given.get("gssapi-data", ""), given.get("opaque", "")
        # The first word of TLS is the client's, so an empty token asks for nothing: it is like none.
        if token:
            return await self._take_token(flow, request, token, opaque, now)
        return await self._finish(flow, request, given, opaque, now)

    async def _take_token(
        self, flow: str, request: Request, token: str, opaque: str, now: float
    ) -> Challenge | AuthenticationDenied:
        """Take a token: the first begins a handshake, the next ones name it."""
        aor = self._offer.identity(request).aor
        if opaque:
            pending = self._named(flow, opaque, now)
        else:
            pending = self._pending.begin(flow, PendingHandshake(), now)
            context = await self._contexts.current()
            pending.tls = InnerTls(context)
        if pending is None or pending.tls is None or self._pending.get(flow, now) is not pending:
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE)
        try:
            answer, keys = pending.tls.receive(token)
        except InnerTlsFailed as failed:
            self.drop_handshake(flow)
            return AuthenticationDenied(DenialReason.HANDSHAKE_FAILED, detail=str(failed))
        if keys is not None:
            pending.tls, pending.keys = None, keys
            judged = await self._judge(keys, aor)
            if isinstance(judged, AuthenticationDenied):
                self.drop_handshake(flow)
                return judged
        return self._offer.challenge(pending.opaque, answer)

    async def _finish(
        self, flow: str, request: Request, given: dict[str, str], opaque: str, now: float
    ) -> Challenge | AuthenticationDenied | Association:
        """Take the signature that shows that the client has the keys too."""
        pending = self._named(flow, opaque, now)
        if pending is None or pending.keys is None or "response" not in given:
            # A signature of an association that is no more; the client begins anew when told so.
            return self._offer.initial()
        self.drop_handshake(flow)
        identity, version = self._offer.identity(request), self._offer.version(given)
        judged = await self._judge(pending.keys, identity.aor)
        if isinstance(judged, AuthenticationDenied):
            return judged
        keys = AgreedKeys(
            client=KeyedHash(pending.keys.client),
            server=KeyedHash(pending.keys.server),
            opaque=pending.opaque,
            expires=now + min(self._lifetime_s, judged.until - self._timers.wall()),
            credential=judged.digest,
        )
        self.log.debug("{aor} proves a certificate by {agreed}", aor=identity.aor, agreed=pending.keys.agreed)
        return self._offer.associate(request, given, identity, keys, version, now)

    def _named(self, flow: str, opaque: str, now: float) -> PendingHandshake | None:
        """Give the handshake that a connection has under way by this name."""
        pending = self._pending.get(flow, now)
        return pending if pending is not None and pending.opaque == opaque else None

    async def _judge(self, keys: InnerKeys, aor: Aor) -> StandingCertificate | AuthenticationDenied:
        """Say whether this user may sign in with the certificate whose key the client has proved."""
        judged = await self._certificates.judge(keys.certificate, aor)
        if isinstance(judged, AuthenticationDenied) and judged.reason not in _WERE_THEIRS:
            return judged
        person = self._people.person(aor)
        if person is None:
            return AuthenticationDenied(DenialReason.UNKNOWN_USER)
        return refusal_of(person, self._timers.wall()) or judged
