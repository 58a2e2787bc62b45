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
from lyncpy.auth.offer import AgreedKeys, OfferedScheme, SchemeOffer
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.certificates import IClientCertificates, StandingCertificate
from lyncpy.contracts.directory import IPeople, objection_to
from lyncpy.contracts.names import Aor
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Request


@dataclass(eq=False, slots=True)
class PendingHandshake:
    """A handshake under way."""

    until: float
    opaque: str = field(default_factory=lambda: token_hex(4).upper())
    tls: InnerTls | None = None
    """None before it begins, and after it has given keys."""

    keys: InnerKeys | None = None


class PendingHandshakes:
    """The handshakes of all connections: one each, in time; beyond the bound the oldest of all is forgotten."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of: dict[str, PendingHandshake] = {}

    def __len__(self) -> int:
        """Give the number of handshakes under way."""
        return len(self._of)

    def begin(self, flow: str, now: float) -> PendingHandshake:
        """Begin one in place of the connection's last one."""
        self.drop(flow)
        for oldest in tuple(self._of.items())[:2]:
            if now >= oldest[1].until or len(self._of) >= self._settings.handshakes:
                del self._of[oldest[0]]
        pending = self._of[flow] = PendingHandshake(now + self._settings.challenge_lifetime_s)
        return pending

    def of(self, flow: str, opaque: str, now: float) -> PendingHandshake | None:
        """Give the handshake that a connection has under way by this name."""
        pending = self._of.get(flow)
        return pending if pending is not None and now < pending.until and pending.opaque == opaque else None

    def is_current(self, flow: str, pending: PendingHandshake) -> bool:
        """Tell whether a handshake is still its connection's, after a wait."""
        return self._of.get(flow) is pending

    def drop(self, flow: str) -> None:
        """Forget the handshake of a connection, if it has one."""
        self._of.pop(flow, None)


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
        self._pending = PendingHandshakes(settings)

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
            pending = self._pending.of(flow, opaque, now)
        else:
            pending = self._pending.begin(flow, now)
            context = await self._contexts.current()
            pending.tls = InnerTls(context)
        if pending is None or pending.tls is None or not self._pending.is_current(flow, pending):
            return AuthenticationDenied(DenialReason.EXPIRED_CHALLENGE)
        try:
            answer, keys = pending.tls.take(token)
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
        pending = self._pending.of(flow, opaque, now)
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

    async def _judge(self, keys: InnerKeys, aor: Aor) -> StandingCertificate | AuthenticationDenied:
        """Say whether this user may sign in with the certificate whose key the client has proved."""
        judged = await self._certificates.judge(keys.certificate, aor)
        if isinstance(judged, AuthenticationDenied) and judged.reason not in _WERE_THEIRS:
            return judged
        person = self._people.person(aor)
        if person is None:
            return AuthenticationDenied(DenialReason.UNKNOWN_USER)
        objection = objection_to(person, self._timers.wall())
        if objection is not None:
            return AuthenticationDenied(objection.reason, aor=aor, detail=objection.words)
        return judged
