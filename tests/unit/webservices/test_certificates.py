"""Keys that clients want to have certified, and what is issued."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.webservices.model.certificates import (
    REQUEST_CHARACTERS,
    Authority,
    certificate_ends,
    is_issued_by,
    issue,
    new_authority,
    read_certificate,
    read_key_request,
)
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from tests.kit.enrollment import key_request, sha1_key_request
from tests.kit.key_pairs import key_of

NOW = 1_700_000_000.0


def _text(der: bytes) -> str:
    return base64.encodebytes(der).decode().replace("\n", "\r\n")


def _foreign(*names: x509.GeneralName, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Write a certificate of somebody else."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    public = (key or key_of("mallory")).public_key()
    moment = datetime.fromtimestamp(NOW, UTC)
    builder = x509.CertificateBuilder(name, name, public, 1, moment, moment + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key_of("mallory"), hashes.SHA256()).public_bytes(Encoding.DER)


NAMELESS = {"x400Address": bytes.fromhex("3004a3023000"), "ediPartyName": bytes.fromhex("3007a505a1030c0178")}
"""Alternative names of the two kinds that the library cannot read (RFC 5280 §4.2.1.6), in DER."""


def _with_names(names: bytes) -> bytes:
    """Write a certificate of somebody else whose alternative names are these, in DER."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    moment = datetime.fromtimestamp(NOW, UTC)
    builder = x509.CertificateBuilder(name, name, key_of("mallory").public_key(), 1, moment, moment)
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), names)
    signed = builder.add_extension(extension, critical=False).sign(key_of("mallory"), hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def _refusal(text: str) -> str:
    with pytest.raises(ServiceRefused) as refused:
        read_key_request(text)
    assert (refused.value.code, refused.value.error_id) == ("s:Client", 0)
    return refused.value.reason


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_a_request_is_read(digest: hashes.HashAlgorithm) -> None:
    """Its key is known by what it is, whatever name stands in it."""
    alice = read_key_request(_text(key_request(key_of("alice"), "anybody", digest)))
    assert alice.key == key_of("alice").public_key()
    assert alice.digest == read_key_request(_text(sha1_key_request(key_of("alice"), "else"))).digest
    assert alice.digest != read_key_request(_text(key_request(key_of("bob")))).digest


def test_a_request_whose_signature_does_not_hold_is_refused() -> None:
    """With SHA-1 as with SHA-256: nobody has another's key certified."""
    for request in (key_request(key_of("alice")), sha1_key_request(key_of("alice"), "alice")):
        assert "does not hold" in _refusal(_text(request[:-1] + bytes([request[-1] ^ 1])))


def test_a_request_is_of_an_rsa_key_of_a_size_that_is_offered() -> None:
    """Nothing else is used by clients, old ones included."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    other = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
    assert "RSA key of 1024 to 8192 bits" in _refusal(_text(other))
    assert read_key_request(_text(key_request(key_of("old", 1024)))).key.key_size == 1024


@pytest.mark.parametrize("names", NAMELESS.values(), ids=NAMELESS)
def test_the_names_in_a_request_are_of_no_consequence(names: bytes) -> None:
    """Of whatever kind they are: what is certified is the key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), names)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(extension, critical=False)
    request = builder.sign(key_of("alice"), hashes.SHA256()).public_bytes(Encoding.DER)
    assert read_key_request(_text(request)).key == key_of("alice").public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "TUlJ",
        _text(b"\x30\x03\x02\x01\x00"),
        _text(key_request(key_of("alice")).replace(b"\x02\x01\x00", b"\x02\x01\x2f", 1)),
    ],
)
def test_what_is_no_request_is_said_so(text: str) -> None:
    """In words for whoever wrote the client."""
    assert "no certificate request" in _refusal(text)
    assert "no base64" in _refusal(f"{text}!")
    assert "no base64" in _refusal(f"é{text}")


def test_a_request_that_is_too_long_is_not_read() -> None:
    """Nobody has that much to say."""
    assert "too long" in _refusal("A" * (REQUEST_CHARACTERS + 1))


def test_a_request_that_is_signed_with_another_digest_is_refused() -> None:
    """MD5 proves nothing any more, not even that somebody has a key."""
    request = sha1_key_request(key_of("alice"), "alice")
    oid = bytes.fromhex("06092a864886f70d0101")
    assert "not offered" in _refusal(_text(request.replace(oid + b"\x05", oid + b"\x04")))


def test_a_certificate_is_for_the_address_and_good_for_signing_in_alone() -> None:
    """Its issuer's signature holds; it begins a little before now."""
    authority = new_authority(key_of("authority"), NOW)
    assert authority.until == NOW + 10 * 365 * 86_400
    assert authority.name.startswith("CN=lyncpy people ")
    assert "PRIVATE" not in repr(authority)
    request = read_key_request(_text(key_request(key_of("alice"), "mallory")))
    certified = issue(authority, request, Aor("sip:alice@example.test"), OwnerId("ä#1/2"), NOW, NOW + 86_400)
    certificate = x509.load_der_x509_certificate(certified.der)
    certificate.verify_directly_issued_by(authority.certificate)
    authority.certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "CN=alice@example.test"
    assert certificate.public_key() == key_of("alice").public_key()
    assert certificate.not_valid_before_utc.timestamp() == NOW - 3_600
    assert certificate.not_valid_after_utc.timestamp() == NOW + 86_400
    assert certified.digest == certificate.fingerprint(hashes.SHA256()).hex()
    assert f"{certificate.serial_number:040x}".startswith(certified.serial)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


def test_a_certificate_tells_in_whose_record_it_is() -> None:
    """Whatever the owner is called; what it says is not believed yet."""
    authority = new_authority(key_of("authority"), NOW)
    request = read_key_request(_text(key_request(key_of("alice"))))
    certified = issue(authority, request, Aor("sip:alice@example.test"), OwnerId("ä#1/%2"), NOW, NOW + 86_400)
    shown = read_certificate(_text(certified.der))
    assert (shown.digest, shown.owner) == (certified.digest, OwnerId("ä#1/%2"))
    assert shown.key == key_of("alice").public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "AAAA",
        _text(key_request(key_of("alice"))),
        _text(new_authority(key_of("authority"), NOW).certificate.public_bytes(Encoding.DER)),
        _text(_foreign(x509.DNSName("alice"))),
        _text(
            _foreign(
                x509.UniformResourceIdentifier("urn:lyncpy:owner:1"),
                x509.UniformResourceIdentifier("urn:lyncpy:owner:2"),
            )
        ),
        _text(
            _foreign(x509.UniformResourceIdentifier("urn:lyncpy:owner:1"), key=ec.generate_private_key(ec.SECP256R1()))
        ),
        "é",
        "A" * (REQUEST_CHARACTERS + 1),
        _text(
            _foreign(x509.UniformResourceIdentifier("urn:lyncpy:owner:1")).replace(
                b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x2f", 1
            )
        ),
        *(_text(_with_names(names)) for names in NAMELESS.values()),
    ],
)
def test_what_is_no_certificate_of_ours_is_refused(text: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(ServiceRefused, match="certificate"):
        read_certificate(text)


def test_an_authority_knows_what_it_has_signed() -> None:
    """By its own key, not by its name, which anybody may write; and when that ends."""
    authority = new_authority(key_of("authority"), NOW)
    request = read_key_request(_text(key_request(key_of("alice"))))
    ours = issue(authority, request, Aor("sip:alice@example.test"), OwnerId("1"), NOW, NOW + 86_400)
    namesake = Authority(key_of("mallory"), authority.certificate)
    theirs = issue(namesake, request, Aor("sip:alice@example.test"), OwnerId("1"), NOW, NOW + 86_400)
    assert is_issued_by(authority, ours.der)
    assert not is_issued_by(authority, theirs.der)
    assert not is_issued_by(new_authority(key_of("authority"), NOW), ours.der)
    assert certificate_ends(ours.der) == NOW + 86_400


def test_an_address_that_is_too_long_for_a_name_is_cut() -> None:
    """The record knows whose it is."""
    authority = new_authority(key_of("authority"), NOW)
    request = read_key_request(_text(key_request(key_of("alice"))))
    certified = issue(authority, request, Aor(f"sip:{'a' * 60}@example.test"), OwnerId("1"), NOW, NOW + 1)
    assert x509.load_der_x509_certificate(certified.der).subject.rfc4514_string() == f"CN={'a' * 60}@exa"
