"""Proving the password anew on a living connection, which clients do before eight hours are over."""

import pytest

from tests.kit.ntlm_client import NtlmClient
from tests.kit.stage import Stage


@pytest.mark.parametrize("moment", [1, 2])
def test_nothing_said_meanwhile_is_lost(stage: Stage, moment: int) -> None:
    """Bob speaks while Alice's client has thrown its keys away: his message arrives, and he learns that it did."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = bob.talks_to(alice)
    alice.sip.keys.restart()
    for number, step in enumerate(alice.sip.registering(), 1):
        assert step.status in (401, 200)
        if number == moment:
            said = talk.says(f"after step {number}")
    stage.passes(1)
    assert said is not None
    assert said.status == 200
    assert len(alice.texts) == 1


def test_what_the_others_do_meanwhile_is_heard(stage: Stage) -> None:
    """A change of presence between two steps reaches the client, signed so that it believes it."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    alice.sip.keys.restart()
    for _ in alice.sip.registering():
        bob.publishes(note=f"step at {stage.clock.seconds()}")
    assert alice.hears(bob).note == bob.own.note()


def test_subscriptions_and_conversations_go_on(stage: Stage) -> None:
    """The new keys change nothing else: the same endpoint, the same dialogs, in both directions."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    talk, other = alice.talks_to(bob)
    stage.passes(7000)
    alice.sip.register()
    bob.sip.register()

    alice.sip.keys.restart()
    register = alice.sip.register()

    assert register.answer.headers.get("presence-state") == 'register-action="refreshed"'
    assert talk.says("still here?").status == 200
    assert other.says("yes").status == 200
    alice.publishes(6500)
    assert bob.hears(alice).availability == "busy"


def test_a_client_that_never_finishes_hears_the_rest_as_before(stage: Stage) -> None:
    """Messages wait for the second handshake, but not for ever: what waited is sent after ten seconds."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = bob.talks_to(alice)
    alice.sip.keys.restart()
    steps = alice.sip.registering()
    next(steps)
    next(steps)
    alice.sip.keys = NtlmClient(
        "alice@example.com", "forgotten", wall=stage.wall
    )  # it checks nothing, and signs nothing
    said = talk.says("hello?")
    assert alice.texts == []
    stage.passes(11)
    assert [text.words for text in alice.texts] == ["hello?"]
    stage.passes(30)
    assert said.status == 408  # what it answered could not be believed


def test_keys_end_after_eight_hours(stage: Stage) -> None:
    """A client that goes on with old keys is refused until it proves its password anew."""
    alice, bob = stage.sign_in("alice", "bob")
    for _ in range(4):
        stage.passes(7000)
        alice.sip.register()
        bob.sip.register()
    stage.passes(900)
    assert alice.pages(bob, "too late").status == 403

    alice.sip.keys.restart()
    assert alice.sip.register().status == 200
    bob.sip.keys.restart()
    assert bob.sip.register().status == 200
    assert alice.pages(bob, "in time").status == 200
