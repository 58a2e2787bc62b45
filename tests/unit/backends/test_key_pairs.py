"""Keys made in a thread that is there no longer than that takes."""

import threading

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from twisted.internet.defer import Deferred

from lyncpy.backends.key_pairs import KeyPairs
from lyncpy.backends.threads import Threads
from tests.kit.threads import ThreadPump


def test_each_key_is_another() -> None:
    """Of 2048 bits; the event loop goes on meanwhile."""
    pump = ThreadPump()
    pairs = KeyPairs(Threads(pump, "keys of a test"))
    keys = [load_der_private_key(pump.run(Deferred.fromCoroutine(pairs.new_key())), None) for _ in range(2)]
    sizes = {key.key_size for key in keys if isinstance(key, rsa.RSAPrivateKey)}
    assert sizes == {2048}
    numbers = [key.private_numbers() for key in keys if isinstance(key, rsa.RSAPrivateKey)]
    assert numbers[0] != numbers[1]
    assert "keys of a test" not in [thread.name for thread in threading.enumerate()]
