"""`lyncpy doctor certificate FILE`: what the files hold, and which certificate a running server shows."""

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lyncpy.app.check import certificate_findings
from lyncpy.app.config import Config
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.listening import ListeningPlace
from lyncpy.sip.text import shown
from lyncpy.wire.certificate import CertificateUnusable, CheckedCredentials, read_credentials

TIMEOUT_S: Final = 5.0


def certificate_story(config: Config, now: datetime) -> Iterator[Finding]:
    """Show the certificates in the files, and ask the ports which of them they show."""
    sip = config.sections.sip
    credentials: CheckedCredentials | None = None
    try:
        credentials = read_credentials(sip, config.home, now)
    except CertificateUnusable as error:
        yield Finding(good=False, sentence=str(error))
    else:
        yield from _of_files(config, credentials, now)
    # Also where the files are of no use: a server that runs shows what it read before.
    web = config.sections.web.places[:1] if config.https_port else ()
    for place in (*(one for one in sip.places if one.key == "tls_port"), *web):
        yield _asked(place, credentials)


def _of_files(config: Config, credentials: CheckedCredentials, now: datetime) -> Iterator[Finding]:
    sip = config.sections.sip
    for one in (credentials, *credentials.also):
        yield Finding(good=True, sentence=f"{config.path(sip.certificate)}: {_shown(one.certificate)}")
        for issuer in one.chain:
            yield Finding(good=True, sentence=f"with it go its issuers: {_shown(issuer)}")
    yield from certificate_findings(config, now)


def key_words(key: object) -> str:
    """Say what kind of key a public key is."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA, {key.key_size} bits"
    return "EdDSA"


def subject_words(certificate: x509.Certificate) -> str:
    """Say whose a certificate is; those of ACME often have names alone."""
    return certificate.subject.rfc4514_string() or "no subject"


def _shown(certificate: x509.Certificate) -> str:
    kind = key_words(certificate.public_key())
    return (
        f"{shown(subject_words(certificate))}, issued by {shown(certificate.issuer.rfc4514_string())}, {kind},"
        f" {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC,"
        f" SHA-256 {certificate.fingerprint(hashes.SHA256()).hex()}"
    )


def _described(told: bytes | None) -> str:
    """Show a certificate that a stranger may have sent."""
    try:
        return _shown(x509.load_der_x509_certificate(told or b""))
    except ValueError:
        return "a certificate that cannot be read"


def _asked(place: ListeningPlace, credentials: CheckedCredentials | None) -> Finding:
    """Connect as a client does, and compare what is shown with the files."""
    host = place.host if place.host not in ("", "::", "0.0.0.0") else "127.0.0.1"  # noqa: S104 - where it listens
    context = ssl.create_default_context()
    # What is shown is compared byte by byte, whoever issued it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, place.port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            told = connection.getpeercert(binary_form=True)
    except OSError as error:
        said = getattr(error, "strerror", None) or str(error)
        return Finding(
            good=False, sentence=f"{place.setting}: nobody shows a certificate at {host}:{place.port} ({said})"
        )
    if credentials is None:
        return Finding(
            good=True, sentence=f"{place.setting}: what listens at {host}:{place.port} shows {_described(told)}"
        )
    if told in [one.certificate.public_bytes(Encoding.DER) for one in (credentials, *credentials.also)]:
        return Finding(good=True, sentence=f"{place.setting}: the server at {host}:{place.port} shows it")
    sentence = f"{place.setting}: what listens at {host}:{place.port} shows another one: a server takes up new files within a minute, and says in `conditions` why it does not"
    return Finding(good=False, sentence=sentence)
