"""What TLS is done with: the server's certificate, and the words of OpenSSL."""

from collections.abc import Sequence
from typing import Any, Protocol

from cryptography import x509


class ServerCredentials(Protocol):
    """A certificate with its key and the certificates of its issuers."""

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own."""

    @property
    def private_key(self) -> Any:  # Any: RSA, ECDSA or Ed25519, of which OpenSSL's binding takes each
        """Its key."""

    @property
    def chain(self) -> Sequence[x509.Certificate]:
        """Those of its issuers, the nearest first."""

    @property
    def also(self) -> "Sequence[ServerCredentials]":
        """Its like with other kinds of keys, of which clients are shown the one that they can use."""


def reason_of(error: Exception) -> str:
    """Give OpenSSL's last and most precise reason of an `SSL.Error`; "" when it was the network's and not of TLS."""
    queue = error.args[0] if error.args else ()
    if isinstance(queue, Sequence) and queue and isinstance(queue[-1], tuple):
        return str(queue[-1][-1])
    return ""
