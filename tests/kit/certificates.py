"""A throwaway authority and what it issues: small keys, quickly made, worth nothing outside of a test."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TODAY = datetime(2030, 1, 15, 12, tzinfo=UTC)
"""The day of tests that have a clock of their own."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        """The key in PEM."""
        hiding = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hiding)


@cache
def authority(name: str = "Test Authority") -> Issued:
    """Make the authority that clients of a test trust; one per process and name."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Issued(_sign(name, key, None, name, usage=None, days=(-3650, 3650), authority=True), key)


def issue(
    *names: str,
    days: tuple[float, float] = (-30, 365),
    today: datetime = TODAY,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    key: Key | None = None,
    by: Issued | None = None,
    subject: str | None = None,
) -> Issued:
    """Issue a server's certificate for names and addresses; `days` are its begin and end, counted from `today`.

    Its subject is the first of the names unless another one is given; "" is none.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    issuer = by or authority()
    called = (names[0] if names else "nobody") if subject is None else subject
    return Issued(_sign(called, key, issuer, *names, usage=usage, days=days, today=today), key)


def revocation_list(by: Issued, *revoked: Issued, days: tuple[float, float] = (-1, 365)) -> bytes:
    """Write the list (PEM) with which an authority revokes certificates; `days` are its begin and end, counted from now."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.subject)
    builder = builder.last_update(now + timedelta(days=days[0])).next_update(now + timedelta(days=days[1]))
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def put(folder: Path, issued: Issued, *issuers: Issued) -> None:
    """Write certificate and key where the settings look for them by default."""
    (folder / "server.pem").write_bytes(b"".join([issued.pem, *(issuer.pem for issuer in issuers)]))
    (folder / "server.key").write_bytes(issued.key_pem())


def put_both(folder: Path, *issued: Issued) -> None:
    """Write certificates of two kinds of key with their keys, as `put` does with one, and their issuer."""
    (folder / "server.pem").write_bytes(b"".join([*(one.pem for one in issued), authority().pem]))
    (folder / "server.key").write_bytes(b"".join(one.key_pem() for one in issued))


def _sign(
    subject: str,
    key: Key,
    issuer: Issued | None,
    *names: str,
    usage: x509.ObjectIdentifier | None,
    days: tuple[float, float],
    today: datetime = TODAY,
    authority: bool = False,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names and not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(text) for text in names]), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
