"""TLS towards a NATS server: its certificate is checked, for its name too, before anything is said to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions, platformTrust, trustRootFromCertificates
from zope.interface import implementer

from lyncpy.backends.nats.address import ServerAddress
from lyncpy.contracts.regular_file import read_regular


class AuthoritiesUnusable(Exception):
    """The file of authorities cannot be used; the sentence says why."""


@implementer(IOpenSSLClientConnectionCreator)
class CheckedServer:
    """Makes the client's side of TLS for one server.

    Twisted's own client takes a certificate without any subjectAltName for every name, and no name with an underscore.
    So the name is checked here alone, by a callback that fails closed.

    Args:
        names: The names and addresses of which the certificate has to be for one.
        authorities: The PEM file of those that may have issued it; None: whom the system trusts.

    Raises:
        AuthoritiesUnusable: The file cannot be read, or has no certificate.
    """

    def __init__(self, names: Sequence[str], authorities: Path | None) -> None:
        trust = platformTrust() if authorities is None else trustRootFromCertificates(_read(authorities))
        self._context = CertificateOptions(trustRoot=trust).getContext()
        hosts = [ServerAddress(name.removesuffix("."), 0) for name in names]
        self._named = [one.host for one in hosts if one.is_named]
        self._ids = [DNS_ID(one.host) if one.is_named else IPAddress_ID(one.host) for one in hosts]
        self.names = " or ".join(names)
        """For whom the certificate has to be, in words."""

        self.objection = ""
        """What is wrong with the certificate, once it was shown; "" when nothing is."""

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # Any: Twisted's
        """Make the connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        if self._named:
            connection.set_tlsext_host_name(self._named[0].encode())
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._check)
        return connection

    def _check(self, connection: SSL.Connection, certificate: Any, error: int, depth: int, good: int) -> bool:
        if not good:
            self.objection = f"its certificate is not trusted: {_WORDS.get(error, f'OpenSSL says error {error}')}"
            return False
        if depth:
            return True
        if not any(_is_for(certificate, one) for one in self._ids):
            self.objection = f"its certificate is not for {self.names}"
            return False
        return True


def _is_for(certificate: Any, one: DNS_ID | IPAddress_ID) -> bool:  # Any: pyOpenSSL's
    try:
        verify_service_identity(extract_patterns(certificate.to_cryptography()), [one], [])
    except (VerificationError, CertificateError):
        return False
    return True


_WORDS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it has issued itself",
    19: "an authority that is not trusted has issued it",
    20: "an authority that is not trusted has issued it",
    21: "an authority that is not trusted has issued it",
}
"""By OpenSSL's numbers (X509_V_ERR_…)."""


def _read(file: Path) -> list[Certificate]:
    try:
        found = load_pem_x509_certificates(read_regular(file))
    except OSError as error:
        raise AuthoritiesUnusable(
            f"{file} ([bus] ca_file) cannot be read: {error.strerror}; put the authorities' certificates (PEM) there, or correct ca_file"
        ) from None
    except ValueError:
        raise AuthoritiesUnusable(
            f"{file} ([bus] ca_file) has no certificate in PEM, or one that cannot be read"
        ) from None
    return [Certificate(crypto.X509.from_cryptography(one)) for one in found]
