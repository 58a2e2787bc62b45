"""Certificates of people: a client's request checked, and what is issued for it. Pure.

The server is an authority of its own for these; nobody else has to trust it, and no client checks the chain. A
certificate is good here because its digest is in its owner's record (`issued.py`), not because of who signed it.

Spec: [MS-OCAUTHWS] 3.1; RFC 2986; RFC 5280.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted

REQUEST_CHARACTERS: Final = 32_768
"""Of the longest PKCS#10 in base64; one for a key of 4096 bits has some 2,500."""

KEY_BITS: Final = range(1024, 8193)
"""Of clients' RSA keys. Lync takes up to 16384, whose every use would cost the server milliseconds."""

AUTHORITY_S: Final = 10 * 365 * 86_400.0
EARLY_S: Final = 3_600.0
"""By so much a certificate begins before it is issued: clocks differ."""

_HASHES: Final = (hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512)
"""What clients sign a request with; SHA-1 too ([MS-OCAUTHWS] 3.1), since it proves here that somebody has a key and no more."""

_COMMON_NAME_LONGEST: Final = 64
_FOREIGN: Final = "this is no certificate of this server"
_OWNED: Final = "urn:lyncpy:owner:"
"""Begins the name in a certificate that says in whose record it is."""

_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,  # a name of a kind that the library does not know (RFC 5280 §4.2.1.6)
)
"""What the library raises about what a stranger has written; not all of it has an ancestor below Exception."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What issues certificates."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """Its name, as certificates have it for their issuer."""
        return self.certificate.subject.rfc4514_string()

    @property
    def until(self) -> float:
        """When it ends: seconds since the epoch."""
        return self.certificate.not_valid_after_utc.timestamp()


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate that was issued."""

    der: bytes
    digest: str
    """SHA-256 of it, in hexadecimal digits."""

    serial: str
    """The first 16 hexadecimal digits of its serial number."""


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key that a client wants to have certified."""

    key: rsa.RSAPublicKey
    digest: str
    """Names the key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits."""


def read_key_request(text: str) -> KeyRequest:
    """Read a PKCS#10 in base64 and verify that whoever wrote it has the key. The names in it are not looked at.

    Raises:
        ServiceRefused: With a reason.
    """
    try:
        request = x509.load_der_x509_csr(read_base64(text, REQUEST_CHARACTERS, "the certificate request"))
        key, used = request.public_key(), request.signature_hash_algorithm
    except RemoteProtocolError as error:
        raise _bad(error.reason) from None
    except _UNREADABLE:
        raise _bad("this is no certificate request (PKCS#10 in base64)") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in KEY_BITS:
        raise _bad(f"the key to certify has to be an RSA key of {KEY_BITS[0]} to {KEY_BITS[-1]} bits")
    if not isinstance(used, _HASHES):
        raise _bad("the certificate request is signed with a digest that is not offered")
    try:
        # By hand: the library's own check calls every SHA-1 signature invalid.
        key.verify(request.signature, request.tbs_certrequest_bytes, padding.PKCS1v15(), used)
    except (InvalidSignature, UnsupportedAlgorithm):
        raise _bad("the signature of the certificate request does not hold") from None
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyRequest(key, sha256(public).hexdigest())


def _bad(reason: str) -> ServiceRefused:
    return ServiceRefused("s:Client", reason)


def new_authority(key: rsa.RSAPrivateKey, now: float) -> Authority:
    """Make an authority of a key.

    Args:
        now: Seconds since the epoch.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lyncpy people {secrets.token_hex(4)}")])
    builder = _builder(name, name, key.public_key(), now, now + AUTHORITY_S)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def issue(authority: Authority, request: KeyRequest, aor: Aor, owner: OwnerId, now: float, until: float) -> Certified:
    """Issue a certificate for somebody's key. Its name is the address, whatever the request says.

    Args:
        owner: Whose it is, by whatever address; found again in it by `read_certificate`.
        now, until: Seconds since the epoch.
    """
    # X.520 bounds the common name; who has a longer address is named by its beginning, and known by the record.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, bare(aor)[:_COMMON_NAME_LONGEST])])
    issuer = authority.certificate.subject
    builder = _builder(subject, issuer, request.key, now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    whose = x509.UniformResourceIdentifier(_OWNED + quote(owner, safe=""))
    builder = builder.add_extension(x509.SubjectAlternativeName([whose]), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    der = certificate.public_bytes(Encoding.DER)
    return Certified(der, sha256(der).hexdigest(), f"{certificate.serial_number:040x}"[:16])


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate that somebody shows; nothing of it is believed yet."""

    digest: str
    owner: OwnerId
    """Whose record to look into."""

    key: rsa.RSAPublicKey


def read_certificate(text: str) -> ShownCertificate:
    """Read a certificate in base64.

    Raises:
        ServiceRefused: It is none of ours.
    """
    try:
        return read_certificate_der(read_base64(text, REQUEST_CHARACTERS, "the certificate"))
    except RemoteProtocolError:
        raise untrusted(_FOREIGN) from None


def read_certificate_der(der: bytes) -> ShownCertificate:
    """Read a certificate in DER.

    Raises:
        ServiceRefused: It is none of ours.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _UNREADABLE:
        raise untrusted(_FOREIGN) from None
    owned = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(_OWNED)]
    if len(owned) != 1 or not isinstance(key, rsa.RSAPublicKey):
        raise untrusted(_FOREIGN)
    return ShownCertificate(sha256(der).hexdigest(), OwnerId(unquote(owned[0].removeprefix(_OWNED))), key)


def certificate_ends(der: bytes) -> float:
    """Give the end of a certificate that was read: seconds since the epoch."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


def is_issued_by(authority: Authority, der: bytes) -> bool:
    """Tell whether an authority has signed a certificate."""
    try:
        x509.load_der_x509_certificate(der).verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, now: float, until: float
) -> x509.CertificateBuilder:
    def moment(at: float) -> datetime:
        return datetime.fromtimestamp(int(at), UTC)

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(now) - timedelta(seconds=EARLY_S))
        .not_valid_after(moment(until))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
