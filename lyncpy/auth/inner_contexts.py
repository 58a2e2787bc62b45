"""Which certificates the server shows within SIP: that of its connections, and one with an RSA key where that has none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.defer import DeferredLock
from zope.interface import implementer

from lyncpy.auth.inner_tls import inner_context
from lyncpy.contracts.seals import IKeyPairs
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.tls import ServerCredentials
from lyncpy.contracts.workload import IUnit

_LASTS: Final = timedelta(days=3_650)
_EARLY: Final = timedelta(days=1)
_COMMON_NAME_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class _OwnCredentials:
    """A certificate that nobody else has signed."""

    certificate: x509.Certificate
    private_key: RSAPrivateKey
    chain: Sequence[x509.Certificate] = ()
    also: Sequence[ServerCredentials] = ()


@implementer(IUnit)
class InnerContexts:
    """Gives the context for a new handshake within SIP; it follows the server's certificate when that is replaced.

    There are clients that can only use an RSA key, and look at nothing else in the certificate that has it. For
    them a server with another kind of key makes one. All of it is made when the server opens, so that no client's
    handshake is charged with it.

    Args:
        credentials: Gives the certificate of the server's connections.
        key_pairs: Makes a key where that one is not RSA.
        server_name: The name in a certificate of our own.
    """

    name = "handshakes"

    def __init__(
        self, credentials: Callable[[], ServerCredentials], key_pairs: IKeyPairs, server_name: str, timers: ITimers
    ) -> None:
        self._credentials = credentials
        self._key_pairs = key_pairs
        self._server_name = server_name
        self._timers = timers
        self._making = DeferredLock()
        self._made: tuple[ServerCredentials, SSL.Context] | None = None
        self._own: _OwnCredentials | None = None

    async def open(self) -> None:
        """Make what a handshake needs."""
        await self.current()

    async def close(self) -> None:
        """Do nothing: a context ends with its last handshake."""

    async def current(self) -> SSL.Context:
        """Give it; many may ask at once."""
        if self._made is not None and self._made[0] is self._credentials():
            return self._made[1]
        await self._making.acquire()
        try:
            credentials = self._credentials()
            if self._made is None or self._made[0] is not credentials:
                shown: list[ServerCredentials] = [credentials]
                if not isinstance(credentials.private_key, RSAPrivateKey):
                    shown.append(await self._self_made())
                self._made = credentials, inner_context(shown)
            return self._made[1]
        finally:
            self._making.release()

    async def _self_made(self) -> ServerCredentials:
        if self._own is None:
            key = await self._key_pairs.new_key()
            self._own = _OwnCredentials(_certificate(key, self._server_name, self._timers.wall()), key)
        return self._own


def _certificate(key: RSAPrivateKey, server_name: str, wall: float) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server_name[:_COMMON_NAME_LONGEST])])
    now = datetime.fromtimestamp(int(wall), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + _LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
