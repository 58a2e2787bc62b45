"""The port of the site on which operators show a certificate of their own, in place of a ticket."""

from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from lyncpy.contracts.file_stamp import Stamp, stamp_of
from lyncpy.contracts.regular_file import read_regular
from lyncpy.wire.certificate import Certificate, CertificateUnusable
from lyncpy.wire.http import HttpFactory, HttpStream
from lyncpy.wire.pem_words import instead

_NAME_CHARS: Final = 100
_LIST: Final = b"-----BEGIN X509 CRL-----"

Trusted = tuple[list[x509.Certificate], list[x509.CertificateRevocationList]]
"""Authorities, and their revocation lists."""


class OperatorsAuthority:
    """Gives the context of connections on which a certificate is asked for; one that does not hold ends the handshake.

    Args:
        certificate: The site's own, which is replaced while the server runs.
        file: The authority's certificates, and its revocation lists if it has any (PEM); read now, and again when it has changed.

    Raises:
        CertificateUnusable: With a sentence that names the setting.
    """

    log = Logger()

    def __init__(self, certificate: Certificate, file: Path) -> None:
        self._certificate = certificate
        self._file = file
        self.stamp: Stamp = self.seen()
        self._trusted, self._revoked = self.read()
        self._of: SSL.Context | None = None
        self._context: SSL.Context | None = None

    def seen(self) -> Stamp:
        """Look at the file, without reading it; may be done in a thread."""
        return stamp_of([self._file])

    def read(self) -> Trusted:
        """Read the file; nothing changes. It may be done in a thread.

        Raises:
            CertificateUnusable: With a sentence that names the setting.
        """
        return read_authority(self._file)

    def adopt(self, found: Trusted, stamp: Stamp) -> None:
        """Ask for certificates of these authorities from the next connection on; nobody goes on with a ticket of before."""
        self._trusted, self._revoked = found
        self.stamp = stamp
        self._context = None
        self.log.info("[web] operators_authority was read again: operators may show certificates of it")

    def context(self) -> SSL.Context:
        """Give the context of a new connection."""
        now = self._certificate.context
        if self._context is None or self._of is not now:
            self._of, self._context = now, self._made()
        return self._context

    def _made(self) -> SSL.Context:
        context = self._certificate.another_context()
        store = context.get_cert_store()
        assert store is not None  # each context has one
        for one in self._trusted:
            store.add_cert(crypto.X509.from_cryptography(one))
            context.add_client_ca(one)
        for each in self._revoked:
            store.add_crl(each)
        if self._revoked:
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
        # Who has none comes in by a ticket; of one that is shown OpenSSL looks at issuer, dates and purpose.
        context.set_verify(SSL.VERIFY_PEER)
        context.set_session_id(b"lyncpy operators")
        return context


def read_authority(file: Path) -> Trusted:
    """Read certificates and revocation lists.

    Raises:
        CertificateUnusable: There is no certificate in the file, or it cannot be read.
    """
    what = f"[web] operators_authority: {file}"
    try:
        content = read_regular(file)
        trusted = x509.load_pem_x509_certificates(content)
        lists = [x509.load_pem_x509_crl(_LIST + part) for part in content.split(_LIST)[1:]]
    except OSError as error:
        raise CertificateUnusable(f"{what} cannot be read: {error.strerror}") from None
    except ValueError:
        told = instead(content, of_key=False)
        raise CertificateUnusable(f"{what} has no certificates, or lists, that can be read (PEM){told}") from None
    return trusted, lists


def issues(certificate: x509.Certificate) -> bool:
    """Tell whether it is an authority's."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version == x509.Version.v1


class OperatorsHttpFactory(Factory):
    """The connections of that port; they count among all others of the site."""

    noisy = False

    def __init__(self, site: HttpFactory) -> None:
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> Any:  # Any: a protocol that Twisted's own type cannot name
        """Give a new connection its stream; None closes it."""
        return self._site.stream(addr, is_secure=True, kind=OperatorStream)


class OperatorStream(HttpStream):
    """A connection on which a certificate may have been shown."""

    def certificate(self) -> str:
        """Give whose certificate it is, as that says; "": none was shown."""
        tls = self.transport.tls
        shown = None if tls is None else tls.get_peer_certificate(as_cryptography=True)
        return "" if shown is None else holder_of(shown)


def holder_of(certificate: x509.Certificate) -> str:
    """Give the name of a certificate's holder: the common name, else the whole subject, else its digits."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return (name.strip() or f"serial number {certificate.serial_number:x}")[:_NAME_CHARS]
