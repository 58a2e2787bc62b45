"""Values encrypted for the store, and keys made."""

from collections.abc import Awaitable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from zope.interface import Interface


class Seals(Protocol):
    """Encrypts values; one that is sealed about a name is not unsealed about another."""

    def seal(self, plain: bytes, about: str = "") -> bytes:
        """Encrypt a secret."""

    def unseal(self, sealed: bytes, about: str = "") -> bytes:
        """Decrypt a secret; raises StoreUnavailable if it was sealed with another key or about something else."""


class IKeyPairs(Interface):
    """Makes RSA keys, which takes up to seconds."""

    def new_key() -> Awaitable[RSAPrivateKey]:
        """Give a new private key of 2048 bits; the event loop goes on meanwhile."""
