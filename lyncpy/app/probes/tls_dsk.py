"""TLS-DSK of a probe: a certificate in place of a password, by TLS within SIP, as clients on Windows do it ([MS-SIPAE] 3.2.5.1)."""

import base64
import binascii
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from lyncpy.app.probes.keys import SigningKeys
from lyncpy.auth.inner_tls import SUITES, KeyedHash, signing_keys
from lyncpy.auth.ntlm_client import BadChallenge
from lyncpy.contracts.tls import reason_of
from lyncpy.sip.message import Request

FLIGHT_BYTES: Final = 131_072
"""Of the longest token that is made or taken."""


class TlsDskKeys(SigningKeys):
    """A handshake with a certificate, and signatures with what follows from it.

    Args:
        certificate: That the server has issued.
        key: Its key.
    """

    scheme = "TLS-DSK"
    steps: Final = 3

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        super().__init__()
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        # As old as the handshake within SIP may be; the connection around it is another matter.
        self._context.set_min_proto_version(SSL.TLS1_VERSION)
        self._context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self._context.set_cipher_list(SUITES)
        self._context.use_certificate(certificate)
        self._context.use_privatekey(key)
        self.restart()

    def restart(self) -> None:
        """Forget the association."""
        self._tls = SSL.Connection(self._context, None)
        self._tls.set_connect_state()
        self._is_begun = False
        self._mine = KeyedHash(b"")
        self._theirs: KeyedHash | None = None

    def goes_on(self, challenge: str) -> bool:
        """Tell whether a challenge leads on: one without a token in the midst of a handshake is its end."""
        return not self._is_begun or "gssapi-data=" in challenge

    def answer(self, request: Request, challenge: str) -> Request:
        """Give the next REGISTER of the handshake; the last is signed and has no token. Raises BadChallenge."""
        given = self.begin(challenge)
        self._is_begun = True
        try:
            flight = self._step(base64.b64decode(given.get("gssapi-data", ""), validate=True))
        except binascii.Error:
            raise BadChallenge("its token is no base64") from None
        except SSL.Error as error:
            raise BadChallenge(f"TLS within SIP failed: {reason_of(error) or 'it ended'}") from None
        if flight:
            return self.shown(request, base64.b64encode(flight).decode())
        mine, theirs = signing_keys(self._tls)
        self._mine, self._theirs = KeyedHash(mine), KeyedHash(theirs)
        return self.sign(request)

    def _step(self, data: bytes) -> bytes:
        """Take what the server says, and give what is to be said; none: the handshake is over."""
        if data:
            self._tls.bio_write(data)
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return self._tls.bio_read(FLIGHT_BYTES)
        return b""

    def mac(self, text: bytes) -> str:
        """Give our signature of a text."""
        return self._mine.hex(text)

    def is_theirs(self, text: bytes, proof: str) -> bool:
        """Tell whether this is the server's signature of a text."""
        return self._theirs is not None and self._theirs.holds(text, proof)
