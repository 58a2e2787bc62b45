"""TLS within SIP: the handshake of TLS-DSK over memory, with the old versions that clients of Lync's time speak.

Nothing is encrypted with it: both sides prove their keys, agree on a secret, and sign with what follows from it.
So it is the one place where TLS 1.0 and SHA-1 are let in, at OpenSSL's security level 0, whatever `[sip] tls_minimum`
says of connections: the context is of its own, and no socket ever has it.

- Versions 1.0 to 1.2. TLS 1.3 derives other keys from the same words, and no client of TLS-DSK speaks it.
- Suites whose MAC is SHA-1, since signatures are made with the hash of the suite's MAC. Those with RC4, which
  Windows XP alone has nothing newer than, are no part of OpenSSL any more: such a client signs in by NTLM.
- A client that can use an RSA key alone is shown one, whatever the certificate of connections has.
- No tickets, no sessions that are resumed, no second handshake, no compression.

Spec: [MS-SIPAE] 3.2.5.1; RFC 2246, 4346, 5246; RFC 5216 §2.3, whose key block this is.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from lyncpy.auth.signing import same_digits
from lyncpy.contracts.tls import ServerCredentials, reason_of
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError

SUITES: Final = (
    b"ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:AES128-SHA:AES256-SHA"
    b":@SECLEVEL=0"
)

FLIGHT_BYTES: Final = 12_288
"""Of one token. A client's longest has its certificate, of which ours have a thousand bytes, and two signatures of its key."""

_ANSWER_BYTES: Final = 32_768
"""Of the server's longest flight, which has its certificate and those of its issuers."""

FLIGHTS: Final = 6
"""Tokens of one handshake. It takes two; a client may cut one into pieces."""

CLIENT_KEY_BITS: Final = range(1024, 8193)
"""Of the RSA keys that are certified here; others are refused before anything is computed with them."""

_EXPONENT: Final = 0x1_0000_0000
"""Public exponents are below: with one as long as the key a signature is as dear to verify as to make."""

_HANDSHAKE: Final = 22
_HEAD_BYTES: Final = 5
_RECORD_BYTES: Final = 16_384

_LABEL: Final = b"client EAP encryption"
_KEY_BLOCK: Final = 128
_CLIENT_KEY: Final = slice(64, 96)
_SERVER_KEY: Final = slice(96, 128)


class InnerTlsFailed(Exception):
    """The handshake is over; the text says why, for an operator."""


@dataclass(frozen=True, slots=True)
class InnerKeys:
    """What a handshake leaves behind."""

    certificate: bytes = field(repr=False)
    """The client's, in DER; it has proved that it has the key."""

    client: bytes = field(repr=False)
    """The key of the client's signatures."""

    server: bytes = field(repr=False)
    """The key of ours."""

    agreed: str
    """Version and suite, for the log."""


class KeyedHash:
    """Signs with HMAC-SHA1, the MAC of every suite that is offered."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hex(self, text: bytes) -> str:
        """Give a text's signature, in upper-case hexadecimal digits."""
        return hmac.digest(self._key, text, "sha1").hex().upper()

    def holds(self, text: bytes, signature: str) -> bool:
        """Tell whether hexadecimal digits of either case are the signature of a text."""
        return same_digits(self.hex(text), signature)


def inner_context(credentials: Sequence[ServerCredentials]) -> SSL.Context:
    """Make the context of handshakes within SIP.

    Args:
        credentials: The certificates that the server may show, at most one for each kind of key; the issuers are the first one's.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(SUITES)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    for one in credentials:
        context.use_certificate(one.certificate)
        context.use_privatekey(one.private_key)
        context.check_privatekey()
    for issuer in credentials[0].chain:
        context.add_extra_chain_cert(issuer)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _is_acceptable)
    return context


def _is_acceptable(connection: SSL.Connection, certificate: object, error: int, depth: int, ok: int) -> bool:
    """Look at a client's certificate before its key is used: its kind and cost. Whose it is, the records say, later.

    Certificates of issuers are not wanted: verifying them would be work for whoever sends them. OpenSSL asks again for each
    thing that it dislikes; the first answer is remembered.
    """
    if depth:
        return False
    known = connection.get_app_data()
    if known is None:
        known = _has_usable_key(certificate)
        connection.set_app_data(known)
    return bool(known)


def _has_usable_key(certificate: Any) -> bool:  # Any: OpenSSL.crypto.X509, which is on its way out
    try:
        key = certificate.to_cryptography().public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return isinstance(key, rsa.RSAPublicKey) and key.key_size in CLIENT_KEY_BITS and key.public_numbers().e < _EXPONENT


class InnerTls:
    """One handshake, from the client's first token on."""

    __slots__ = ("_connection", "_flights")

    def __init__(self, context: SSL.Context) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._flights = 0

    def receive(self, token: str) -> tuple[str, InnerKeys | None]:
        """Process the client's next token; give ours ("" when more of the client's has to come), and at the end the keys.

        Args:
            token: In base64.

        Raises:
            InnerTlsFailed: It is over.
        """
        self._flights += 1
        if self._flights > FLIGHTS:
            raise InnerTlsFailed("the handshake has too many steps")
        try:
            data = read_base64(token, FLIGHT_BYTES // 3 * 4, "the token")
        except RemoteProtocolError as error:
            raise InnerTlsFailed(error.reason) from None
        try:
            self._connection.bio_write(data)
            self._connection.do_handshake()
        except SSL.WantReadError:
            return self._ours(), None
        except SSL.Error as error:
            raise InnerTlsFailed(reason_of(error) or "TLS ended") from None
        return self._ours(), self._keys()

    def _ours(self) -> str:
        try:
            return base64.b64encode(joined(self._connection.bio_read(_ANSWER_BYTES))).decode()
        except SSL.WantReadError:
            return ""

    def _keys(self) -> InnerKeys:
        connection = self._connection
        certificate = connection.get_peer_certificate(as_cryptography=True)
        assert isinstance(certificate, x509.Certificate)  # the context insists on it
        client, server = signing_keys(connection)
        agreed = f"{connection.get_protocol_version_name()} {connection.get_cipher_name()}"
        return InnerKeys(certificate.public_bytes(Encoding.DER), client, server, agreed)


def signing_keys(connection: SSL.Connection) -> tuple[bytes, bytes]:
    """Give the keys with which client and server sign, which follow from a handshake that is over; both sides have the same."""
    block = connection.export_keying_material(_LABEL, _KEY_BLOCK)
    return block[_CLIENT_KEY], block[_SERVER_KEY]


def joined(flight: bytes) -> bytes:
    """Put the messages of a handshake that follow one another into one record, which TLS leaves to the sender (RFC 2246 §6.2.1).

    OpenSSL begins a record with each; pidgin-sipe reads the first record of a flight and misses the rest of what it
    needs. Proofs are of messages, so nothing that is proved changes.
    """
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(flight):
        head, start = flight[at : at + _HEAD_BYTES - 2], at + _HEAD_BYTES
        at = start + int.from_bytes(flight[start - 2 : start], "big")
        content = flight[start:at]
        if (
            found
            and head[0] == _HANDSHAKE
            and found[-1][0] == head
            and len(found[-1][1]) + len(content) <= _RECORD_BYTES
        ):
            content = found.pop()[1] + content
        found.append((head, content))
    return b"".join(head + len(content).to_bytes(2, "big") + content for head, content in found)
