"""RSA keys, made in a thread."""

from cryptography.hazmat.primitives.asymmetric import rsa
from zope.interface import implementer

from lyncpy.backends.threads import Threads
from lyncpy.contracts.seals import IKeyPairs


@implementer(IKeyPairs)
class KeyPairs:
    """Makes keys one after the other; its thread lives no longer than that takes."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def new_key(self) -> rsa.RSAPrivateKey:
        """Make a key."""
        try:
            return await self._threads.call_in_thread(_new_key)
        finally:
            # It ends by itself, after the keys that others wait for.
            _ = self._threads.stop()


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)
