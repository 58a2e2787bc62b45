"""RSA keys for tests, made once: each takes long."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.seals import IKeyPairs


@cache
def key_of(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Give the key of somebody, the same each time."""
    return rsa.generate_private_key(65537, bits)


@implementer(IKeyPairs)
class SameKey:
    """Gives one key, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.waits: Deferred[None] | None = None
        """What making a key takes."""

    async def new_key(self) -> rsa.RSAPrivateKey:
        """Give it."""
        self.asked += 1
        if self.waits is not None:
            await self.waits
        return key_of("authority")
