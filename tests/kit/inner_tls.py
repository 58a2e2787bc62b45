"""TLS within SIP with a foreign library: a client as Windows' are, by OpenSSL."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from OpenSSL import SSL

from tests.kit.certificates import Issued, Key


@dataclass(frozen=True)
class Shown:
    """A certificate as a server shows it."""

    issued: Issued
    chain: Sequence[x509.Certificate] = ()
    also: Sequence["Shown"] = ()

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return self.issued.certificate

    @property
    def private_key(self) -> Key:
        """Its key."""
        return self.issued.key


class ForeignClient:
    """One handshake: `step` with what the server says, until it has said its last."""

    def __init__(self, context: SSL.Context) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_connect_state()

    def step(self, data: bytes) -> bytes:
        """Take what the server says, and give what is to be said."""
        if data:
            self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return self._connection.bio_read(1 << 17)
        return b""

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """Give the keys of the client's and the server's signatures."""
        block = self._connection.export_keying_material(b"client EAP encryption", 128)
        return block[64:96], block[96:128]

    @property
    def server(self) -> x509.Certificate | None:
        """Give the certificate that the server has shown."""
        return self._connection.get_peer_certificate(as_cryptography=True)

    @property
    def chain(self) -> list[x509.Certificate]:
        """Give it with those of its issuers, as far as they were shown."""
        return list(self._connection.get_peer_cert_chain(as_cryptography=True) or ())


def foreign_client(who: Issued, version: int, suite: str, *, chain: Sequence[Issued] = ()) -> ForeignClient:
    """Give a client of this version and suite alone."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(f"{suite}:@SECLEVEL=0".encode())
    context.use_certificate(who.certificate)
    context.use_privatekey(who.key)
    for one in chain:
        context.add_extra_chain_cert(one.certificate)
    return ForeignClient(context)
