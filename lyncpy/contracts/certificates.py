"""Certificates that this server has issued to people: whose they are, and whether they stand."""

from collections.abc import Awaitable
from dataclasses import dataclass

from zope.interface import Interface

from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class StandingCertificate:
    """A certificate with which somebody may sign in."""

    digest: str
    """SHA-256 of its DER, in hexadecimal digits; names it in `CertificatesRevoked`."""

    until: float
    """Its end: seconds since the epoch."""


class IClientCertificates(Interface):
    """Knows the certificates of people."""

    def judge(certificate: bytes, aor: Aor) -> Awaitable[StandingCertificate | AuthenticationDenied]:
        """Say whether a certificate (DER) is one that this user has and that stands now; else why not.

        Whoever asks has seen a proof of its key.
        """
