"""Sign-in: the handshake and what follows it."""

from tests.kit.stage import Stage


def test_three_registers_sign_in(stage: Stage) -> None:
    """A client is challenged twice, proves its password, and is in."""
    alice = stage.actor("alice")
    steps = [exchange.status for exchange in alice.sip.registering()]
    assert steps == [401, 401, 200]
    assert alice.sip.gruu.startswith("sip:alice@example.com;opaque=user:epid:")


def test_everything_that_a_client_asks_at_sign_in_is_answered(stage: Stage) -> None:
    """Contacts, settings, own data, presence, meetings, chat rooms and the first publication: nothing stalls."""
    alice = stage.actor("alice")
    asked = alice.signs_in()
    assert {name: exchange.status for name, exchange in asked.items()} == {}
