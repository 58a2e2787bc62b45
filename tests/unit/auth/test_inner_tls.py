"""TLS within SIP: the versions and suites of real clients, keys by the book, and what is turned away."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from lyncpy.auth.inner_tls import (
    FLIGHT_BYTES,
    FLIGHTS,
    InnerKeys,
    InnerTls,
    InnerTlsFailed,
    KeyedHash,
    inner_context,
    joined,
)
from tests.kit.certificates import Issued, authority, issue
from tests.kit.inner_tls import Shown, foreign_client
from tests.kit.key_pairs import key_of
from tests.kit.tls_dsk_client import HandTls, prf, records, signature_keys

TODAY = datetime(2026, 7, 20, tzinfo=UTC)
SERVER = Shown(issue("fe1.contoso.test", today=TODAY, key=key_of("server")))


ALICE = issue("alice", today=TODAY, key=key_of("alice"))
"""A client's certificate; who issued it is nothing to TLS."""


def certificate_of(key: Issued) -> bytes:
    """Give a certificate in DER."""
    return key.certificate.public_bytes(Encoding.DER)


def hand(**how: object) -> HandTls:
    """Give the handshake of a client like pidgin-sipe."""
    return HandTls(certificate_of(ALICE), key_of("alice"), **how)  # type: ignore[arg-type]


def server() -> InnerTls:
    """Give the server's side of one handshake."""
    return InnerTls(inner_context([SERVER]))


def said(side: InnerTls, data: bytes) -> tuple[bytes, InnerKeys | None]:
    """Hand over a flight, and give what comes back."""
    answer, keys = side.receive(base64.b64encode(data).decode())
    return base64.b64decode(answer), keys


def failure(side: InnerTls, token: str) -> str:
    """Give why a token ends the handshake."""
    with pytest.raises(InnerTlsFailed) as caught:
        side.receive(token)
    return str(caught.value)


def text(data: bytes) -> str:
    """Write a token."""
    return base64.b64encode(data).decode()


def test_the_kits_own_arithmetic_is_that_of_the_book() -> None:
    """The vector was made with another implementation, from the formulas of RFC 2246 §5 and RFC 5216 §2.3."""
    premaster = bytes.fromhex("0301") + bytes(range(46))
    master = prf(premaster, b"master secret", b"\x11" * 32 + b"\x22" * 32, 48)
    assert master.hex() == (
        "2741f8b4f932f80333f17386c4891bb509585383c3722c2476c7ea54333df568b097a22f746f307766a4ea9c508a2eb0"
    )
    client, theirs = signature_keys(master, b"\x11" * 32, b"\x22" * 32)
    assert client.hex() == "2b0b2ad76a83d3063cabfdf0538202e81895d04fce472dd4cd640b53df0c23ab"
    assert theirs.hex() == "166de930974981198ea4d5781655efd1c362e8ccfeab7f6848aa22780e5b971f"
    words = (
        b"<TLS-DSK><58332a54><1><SIP Communications Service><fe1.contoso.test><callid1><6><REGISTER>"
        b"<sip:alice@contoso.test><479544621><sip:alice@contoso.test><><><><>"
    )
    assert KeyedHash(client).hex(words) == "8C0AA56E036301A2491FD5B69F9B513565A6406C"
    assert KeyedHash(client).holds(words, "8c0aa56e036301a2491fd5b69f9b513565a6406c")
    assert not KeyedHash(client).holds(words, "8C0AA56E036301A2491FD5B69F9B513565A6406")
    assert not KeyedHash(client).holds(words, "\udce4")


@pytest.mark.parametrize("suites", [(0x0004, 0x0005, 0x002F, 0x0035, 0x0003), (0x002F,), (0x0035,)])
def test_a_client_by_hand_gets_the_same_keys(suites: tuple[int, ...]) -> None:
    """TLS 1.0 without extensions, each message of the server's flight whole within its record; both proofs hold."""
    client, side = hand(suites=suites), server()
    flight, keys = said(side, client.hello())
    assert keys is None
    assert [kind for kind, _ in records(flight)] == [22], "pidgin-sipe looks for all of it in the first record"
    last, keys = said(side, client.prove(flight))
    client.check(last)
    assert keys is not None
    assert (keys.client, keys.server) == client.keys
    assert keys.certificate == certificate_of(ALICE)
    assert keys.agreed.startswith("TLSv1 AES")


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION])
@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA"])
def test_a_foreign_client_gets_the_same_keys(version: int, suite: str) -> None:
    """Each version and suite that Windows' clients may choose; the exporter of each is the key block."""
    client, side = foreign_client(ALICE, version, suite), server()
    flight, _ = said(side, client.step(b""))
    last, keys = said(side, client.step(flight))
    client.step(last)
    assert keys is not None
    assert (keys.client, keys.server) == client.keys
    assert keys.agreed.endswith(suite)


def test_records_are_joined_as_far_as_they_may() -> None:
    """Handshake messages alone, of one version, up to the longest that a record may be."""
    big = bytes([22, 3, 1]) + (16_000).to_bytes(2, "big") + bytes(16_000)
    small, other, changes = bytes([22, 3, 1, 0, 1, 7]), bytes([22, 3, 3, 0, 1, 7]), bytes([20, 3, 1, 0, 1, 1])
    assert joined(small + small + other) == bytes([22, 3, 1, 0, 2, 7, 7]) + other
    assert joined(changes + changes + small) == changes + changes + small
    assert joined(big + big) == big + big
    assert joined(b"") == b""


def test_a_flight_may_come_in_pieces() -> None:
    """A client may cut what it says; it is answered with an empty token until all is there."""
    client, side = hand(), server()
    flight, _ = said(side, client.hello())
    whole = client.prove(flight)
    assert said(side, whole[:700]) == (b"", None)
    last, keys = said(side, whole[700:])
    client.check(last)
    assert keys is not None


def test_a_server_without_an_rsa_key_shows_two_certificates() -> None:
    """Who knows RSA alone is shown that one, others that of the server's connections."""
    own = Shown(issue("fe1.contoso.test", today=TODAY, key=ec.generate_private_key(ec.SECP256R1())))
    context = inner_context([own, SERVER])
    client, side = hand(), InnerTls(context)
    said(side, client.prove(said(side, client.hello())[0]))
    other, side = foreign_client(ALICE, SSL.TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA"), InnerTls(context)
    last, _ = said(side, other.step(said(side, other.step(b""))[0]))
    other.step(last)
    assert other.server == own.certificate


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"suites": (0x0004, 0x0005, 0x0003)}, "no shared cipher"),
        ({"suites": (0x002F,), "version": b"\x03\x00"}, "version too low"),
        ({"suites": (0x0001, 0x0002)}, "no shared cipher"),
    ],
    ids=["RC4 alone", "SSL 3.0", "no encryption"],
)
def test_what_is_too_old_is_turned_away(how: dict[str, object], reason: str) -> None:
    """In the words of OpenSSL."""
    assert failure(server(), text(hand(**how).hello())) == reason


def test_a_client_that_was_made_to_choose_less_is_found_out() -> None:
    """Somebody on the way has taken the better suite out of the first word: the proofs are of what was said."""
    client, side = hand(suites=(0x0035, 0x002F)), server()
    hello = client.hello()
    assert hello.count(b"\0\x35\0\x2f") == 1
    flight, _ = said(side, hello.replace(b"\0\x35\0\x2f", b"\0\x2f\0\x2f"))
    assert failure(side, text(client.prove(flight))) in ("bad signature", "digest check failed")


def test_who_has_no_certificate_is_turned_away() -> None:
    """There is no other proof."""
    client, side = HandTls(None, key_of("alice")), server()
    assert "did not return a certificate" in failure(side, text(client.prove(said(side, client.hello())[0])))


def test_a_certificate_without_its_key_is_turned_away() -> None:
    """Certificates are no secret."""
    client, side = HandTls(certificate_of(ALICE), key_of("mallory")), server()
    assert failure(side, text(client.prove(said(side, client.hello())[0])))


def _odd(exponent: int, number: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, number).public_key()


MODULUS = key_of("alice").public_key().public_numbers().n


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        _odd((1 << 2000) + 1, MODULUS),
        _odd(65537, (1 << 9000) + 1),
        _odd(65537, (1 << 1000) + 1),
    ],
    ids=["elliptic", "exponent", "long", "short"],
)
def test_a_key_of_another_kind_is_turned_away(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> None:
    """None such was certified; nothing is computed with it, whose cost would be for the client to choose."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key).serial_number(1)
    builder = builder.not_valid_before(TODAY).not_valid_after(TODAY + timedelta(days=9000))
    strange = builder.sign(key_of("alice"), hashes.SHA256()).public_bytes(Encoding.DER)
    client, side = HandTls(strange, key_of("alice")), server()
    assert failure(side, text(client.prove(said(side, client.hello())[0]))) == "certificate verify failed"


def test_a_certificate_of_a_version_that_does_not_exist_is_turned_away() -> None:
    """OpenSSL lets such pass."""
    strange = certificate_of(ALICE).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x2f", 1)
    client, side = HandTls(strange, key_of("alice")), server()
    assert failure(side, text(client.prove(said(side, client.hello())[0]))) == "certificate verify failed"


def test_the_issuers_of_the_servers_certificate_are_shown() -> None:
    """As they are on connections; a client may know the first of them alone."""
    above = authority()
    shown = Shown(SERVER.issued, (above.certificate,))
    client, side = foreign_client(ALICE, SSL.TLS1_2_VERSION, "AES128-SHA"), InnerTls(inner_context([shown]))
    client.step(said(side, client.step(b""))[0])
    assert client.chain == [SERVER.certificate, above.certificate]


def test_a_chain_is_turned_away() -> None:
    """Verifying it would be work for whoever sends it."""
    above = authority("Somebody Else")
    chained = issue("alice", today=TODAY, key=key_of("alice"), by=above)
    client, side = foreign_client(chained, SSL.TLS1_2_VERSION, "AES128-SHA", chain=[above]), server()
    flight, _ = said(side, client.step(b""))
    assert failure(side, text(client.step(flight))) == "certificate verify failed"


def test_a_handshake_that_is_played_again_opens_nothing() -> None:
    """The server's random numbers are others."""
    client, side = hand(), server()
    hello = client.hello()
    whole = client.prove(said(side, hello)[0])
    said(side, whole)
    again = server()
    said(again, hello)
    assert failure(again, text(whole))


def test_what_is_too_much_or_no_token_ends_the_handshake() -> None:
    """Before OpenSSL sees it."""
    assert failure(server(), "x" * (FLIGHT_BYTES // 3 * 4 + 1)) == "the token is too long"
    assert failure(server(), "no base64!") == "the token is no base64"
    assert failure(server(), text(b"GET / HTTP/1.0\r\n\r\n"))
    side = server()
    hello = hand().hello()
    for at in range(FLIGHTS):
        side.receive(text(hello[at : at + 1]))
    assert failure(side, text(hello[FLIGHTS:])) == "the handshake has too many steps"
