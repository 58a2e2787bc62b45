"""A client's side of TLS-DSK on SIP: TLS 1.0 written out by hand, as pidgin-sipe has it, and signatures with its keys.

It shares nothing with the server but the text that is signed: pseudo-random function, records and proofs are
written from RFC 2246, so that what both compute alike is right. `Flight` is how a test spoils a token.
"""

import base64
import hmac
import re
import struct
from collections.abc import Callable
from hashlib import md5, sha1
from secrets import token_bytes, token_hex
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding

from lyncpy.auth.signing import signed_fields
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response

M = TypeVar("M", Request, Response)

SUITES: Final = (0x0004, 0x0005, 0x002F, 0x0035, 0x0003)
"""As pidgin-sipe offers them; of these AES alone is left in the world."""

KEY_BYTES: Final = {0x002F: 16, 0x0035: 32}
MAC_BYTES: Final = 20
BLOCK: Final = 16
TLS_1_0: Final = b"\x03\x01"

HANDSHAKE: Final = 22
CHANGE_CIPHER_SPEC: Final = 20

_PROOF: Final = re.compile(r'TLS-DSK rspauth="([0-9A-Fa-f]{40})", srand="([0-9A-F]{8})", snum="([0-9]+)", ')


def prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """Give TLS 1.0's pseudo-random bytes (RFC 2246 §5)."""
    half = (len(secret) + 1) // 2
    parts = [
        _stretched(secret[:half], label + seed, size, "md5"),
        _stretched(secret[-half:], label + seed, size, "sha1"),
    ]
    return bytes(one ^ other for one, other in zip(*parts, strict=True))


def _stretched(secret: bytes, seed: bytes, size: int, kind: str) -> bytes:
    made, state = b"", seed
    while len(made) < size:
        state = hmac.digest(secret, state, kind)
        made += hmac.digest(secret, state + seed, kind)
    return made[:size]


def signature_keys(master: bytes, client_random: bytes, server_random: bytes) -> tuple[bytes, bytes]:
    """Give the keys of the client's and the server's signatures ([MS-SIPAE] 3.2.5.1; RFC 5216 §2.3)."""
    block = prf(master, b"client EAP encryption", client_random + server_random, 128)
    return block[64:96], block[96:128]


class HandTls:
    """One handshake: `hello`, then `prove` with the server's flight, then `check` with its last words.

    Args:
        certificate: In DER; None: it says that it has none.
        key: Of the certificate, or of somebody else.
        suites: To offer.
        version: To offer.
    """

    def __init__(
        self,
        certificate: bytes | None,
        key: rsa.RSAPrivateKey,
        *,
        suites: tuple[int, ...] = SUITES,
        version: bytes = TLS_1_0,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._suites = suites
        self._version = version
        self._random = token_bytes(32)
        self._said = b""
        self._master = self._server_random = b""
        self._suite = 0
        self._block = b""
        self.shown: x509.Certificate | None = None
        """The server's certificate, as it was shown."""

    def hello(self) -> bytes:
        """Give the first flight: a ClientHello without extensions, in one record."""
        suites = b"".join(one.to_bytes(2, "big") for one in self._suites)
        body = self._version + self._random + b"\0" + _counted(suites, 2) + b"\x01\0"
        return _record(HANDSHAKE, self._message(1, body))

    def prove(self, flight: bytes) -> bytes:
        """Give the second flight: certificate, key exchange, its proof, and Finished under the new keys."""
        messages = b"".join(content for kind, content in records(flight) if kind == HANDSHAKE)
        self._said += messages
        found = dict(_messages(messages))
        assert set(found) == {2, 11, 13, 14}, "ServerHello, Certificate, CertificateRequest, ServerHelloDone"
        hello = found[2]
        assert hello[:2] == TLS_1_0, "an older or newer version was chosen than offered"
        self._server_random = hello[2:34]
        at = 35 + hello[34]
        self._suite = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(found[11][3:6], "big")
        self.shown = x509.load_der_x509_certificate(found[11][6 : 6 + size])
        server = self.shown.public_key()
        assert isinstance(server, rsa.RSAPublicKey), "real clients know RSA alone"
        premaster = TLS_1_0 + token_bytes(46)
        certificates = _counted(self._certificate, 3) if self._certificate is not None else b""
        mine = self._message(11, _counted(certificates, 3))
        mine += self._message(16, _counted(server.encrypt(premaster, padding.PKCS1v15()), 2))
        self._master = prf(premaster, b"master secret", self._random + self._server_random, 48)
        if self._certificate is not None:
            mine += self._message(15, _counted(self._verified(), 2))
        self._block = prf(self._master, b"key expansion", self._server_random + self._random, 2 * (20 + 32 + 16))
        finished = self._message(20, self._verify_data(b"client finished"))
        return _record(HANDSHAKE, mine) + _record(CHANGE_CIPHER_SPEC, b"\x01") + self._sealed(finished, ours=True)

    def check(self, flight: bytes) -> None:
        """Insist on the server's proof that it has the same keys."""
        (kind, one), (other, last) = records(flight)
        assert (kind, one, other) == (CHANGE_CIPHER_SPEC, b"\x01", HANDSHAKE)
        expected = b"\x14\0\0\x0c" + self._verify_data(b"server finished")
        assert _record(HANDSHAKE, last) == self._sealed(expected, ours=False), "the server's Finished does not hold"

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """Give the keys of the client's and the server's signatures."""
        return signature_keys(self._master, self._random, self._server_random)

    def _message(self, kind: int, body: bytes) -> bytes:
        message = bytes([kind]) + _counted(body, 3)
        self._said += message
        return message

    def _verified(self) -> bytes:
        """Sign all that was said, as PKCS #1 without the name of a digest (RFC 2246 §7.4.8)."""
        numbers, size = self._key.private_numbers(), self._key.key_size // 8
        digest = md5(self._said).digest() + sha1(self._said).digest()
        padded = b"\0\x01" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
        signed = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n)
        return signed.to_bytes(size, "big")

    def _verify_data(self, label: bytes) -> bytes:
        digest = md5(self._said).digest() + sha1(self._said).digest()
        return prf(self._master, label, digest, 12)

    def _sealed(self, message: bytes, *, ours: bool) -> bytes:
        """Encrypt the first record of a direction (RFC 2246 §6.2.3.2)."""
        size, first = KEY_BYTES[self._suite], 0 if ours else 1
        mac_key = self._block[first * MAC_BYTES :][:MAC_BYTES]
        key = self._block[2 * MAC_BYTES + first * size :][:size]
        start = self._block[2 * MAC_BYTES + 2 * size + first * BLOCK :][:BLOCK]
        mac = hmac.digest(mac_key, bytes(8) + b"\x16" + TLS_1_0 + _counted(message, 2), "sha1")
        text = message + mac
        more = BLOCK - 1 - len(text) % BLOCK
        encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
        return _record(HANDSHAKE, encryptor.update(text + bytes([more]) * (more + 1)) + encryptor.finalize())


def _counted(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _record(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + TLS_1_0 + _counted(content, 2)


def records(data: bytes) -> list[tuple[int, bytes]]:
    """Give kind and content of each record."""
    found = []
    while data:
        kind, _, size = struct.unpack_from("!BHH", data)
        found.append((kind, data[5 : 5 + size]))
        data = data[5 + size :]
    return found


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        size = int.from_bytes(data[1:4], "big")
        found.append((data[0], data[4 : 4 + size]))
        data = data[4 + size :]
    return found


class TlsDskClient:
    """One sign-in of one device with a certificate, on one connection; the face is that of `NtlmClient`.

    Attributes:
        makes: Makes each handshake; a test may give another.
        spoils: What becomes of each flight on its way.
    """

    scheme: Final = "TLS-DSK"
    steps: Final = 3
    """Answers to challenges, of one sign-in."""

    def __init__(self, certificate: x509.Certificate | None, key: rsa.RSAPrivateKey) -> None:
        der = None if certificate is None else certificate.public_bytes(Encoding.DER)
        self.makes: Callable[[], HandTls] = lambda: HandTls(der, key)
        self.spoils: Callable[[bytes], bytes] = lambda flight: flight
        self.version = 4
        self._count = 0
        self.restart()

    def restart(self) -> None:
        """Forget the association; the count goes on."""
        self._tls = self.makes()
        self._said = 0
        self._front = ""
        self._head = ""
        self._mine = self._theirs = b""

    @property
    def shown(self) -> x509.Certificate | None:
        """The server's certificate, as the last handshake has shown it."""
        return self._tls.shown

    @property
    def ready(self) -> bool:
        """Whether it signs, and insists on signatures."""
        return bool(self._theirs)

    def goes_on(self, challenge: str) -> bool:
        """Tell whether a challenge leads on; one without a token in the midst of a handshake is its end."""
        return not self._said or "gssapi-data=" in challenge

    def answer(self, request: Request, challenge: str) -> Request:
        """Give the next REGISTER of the handshake: `request` with what a WWW-Authenticate value asks for."""
        _, given = parse_auth(challenge)
        realm, target = given["realm"], given["targetname"]
        self._front = f"<{realm}><{target}>"
        named = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
        self._head = f'TLS-DSK qop="auth"{named}, realm="{realm}", targetname="{target}"'
        theirs = base64.b64decode(given.get("gssapi-data", ""), validate=True)
        self._said += 1
        if self._said == 3:
            self._tls.check(theirs)
            self._mine, self._theirs = self._tls.keys
            return self.sign(request)
        flight = self.spoils(self._tls.prove(theirs) if self._said == 2 else self._tls.hello())
        token = base64.b64encode(flight).decode()
        return request.edited(last=[("Authorization", f'{self._head}, gssapi-data="{token}", version=4')])

    def sign(self, message: M) -> M:
        """Give a request or response with its Authorization."""
        return message.edited(last=[("Authorization", self.seal(signed_fields(message, self.version)))])

    def seal(self, fields: str) -> str:
        """Give the value of Authorization that signs these fields, as `signed_fields` gives them."""
        self._count += 1
        rand = token_hex(4)
        text = f"<TLS-DSK><{rand}><{self._count}>{self._front}{fields}"
        proof = hmac.digest(self._mine, text.encode("utf-8", "surrogateescape"), "sha1").hex().upper()
        return f'{self._head}, version=4, crand="{rand}", cnum="{self._count}", response="{proof}"'

    def verify(self, message: Request | Response) -> bool:
        """Tell whether the server's signature is there and holds."""
        found = _PROOF.match(message.headers.get("Authentication-Info") or "")
        return found is not None and self.holds(found[1], found[2], found[3], signed_fields(message, self.version))

    def holds(self, proof: str, rand: str, number: str, fields: str) -> bool:
        """Tell whether the server's signature of these fields holds."""
        text = f"<TLS-DSK><{rand}><{number}>{self._front}{fields}"
        expected = hmac.digest(self._theirs, text.encode("utf-8", "surrogateescape"), "sha1").hex()
        return bool(self._theirs) and expected.upper() == proof.upper()
