"""Keys made in a thread that is there no longer than that takes."""

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred

from lyncpy.backends.key_pairs import KeyPairs
from lyncpy.backends.threads import Threads
from tests.kit.threads import PATIENCE_S, ThreadPump


def test_each_key_is_another() -> None:
    """Of 2048 bits; the event loop goes on meanwhile."""
    pump = ThreadPump()
    pairs = KeyPairs(Threads(pump, "keys of a test"))
    keys = [pump.run(Deferred.fromCoroutine(pairs.new_key())) for _ in range(2)]
    assert {key.key_size for key in keys} == {2048}
    assert keys[0].private_numbers() != keys[1].private_numbers()
    for thread in threading.enumerate():
        if thread.name == "keys of a test":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_who_has_their_key_does_not_wait_for_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the event loop: the next key may take seconds."""
    pump = ThreadPump()
    pairs = KeyPairs(Threads(pump, "keys of a test"))
    go_on = threading.Event()
    real, made = rsa.generate_private_key, iter((None, go_on))

    def generate(exponent: int, bits: int) -> rsa.RSAPrivateKey:
        held = next(made)
        assert held is None or held.wait(PATIENCE_S)
        return real(exponent, bits)

    monkeypatch.setattr(rsa, "generate_private_key", generate)
    first, second = (Deferred.fromCoroutine(pairs.new_key()) for _ in range(2))
    assert pump.run(first)
    go_on.set()
    assert pump.run(second)
