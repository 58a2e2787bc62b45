"""A device that cannot be reached any more, though its connection looks as ever, is found out in about a minute."""

from tests.kit.actors import Actor
from tests.kit.stage import Stage


def hangs(actor: Actor) -> None:
    """A device's machine sleeps, or a relay keeps half a connection: nothing comes of it any more, and nothing ends."""
    actor.sip.write = lambda message, *, signed=True: None  # type: ignore[method-assign]  # it says nothing any more
    actor.sip.keeps_alive = False
    assert actor.sip.line is not None
    actor.sip.line.send = lambda data: None  # type: ignore[method-assign]  # in case one is under way


def test_a_device_that_fell_silent_is_gone_after_a_minute(stage: Stage) -> None:
    """Alice sees that Bob is offline, and who writes to him hears at once that he is not there."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.publishes(3500)
    alice.watches(bob)
    assert alice.hears(bob).availability == "available"
    hangs(bob)
    stage.passes(75)
    assert alice.hears(bob).availability == "offline"
    assert alice.pages(bob, "there?").status in (404, 480)


def test_a_message_that_was_not_answered_makes_a_device_doubtful_at_once(stage: Stage) -> None:
    """It is asked whether it is there, and taken for gone when it is not; the next message goes to the other device."""
    alice, desk = stage.sign_in("alice", "bob")
    hangs(desk)
    (phone,) = stage.sign_in("bob")
    lost = alice.sip.begin(alice.sip.request("MESSAGE", bob_of(desk), [("Content-Type", "text/plain")], b"lost?"))
    stage.passes(60)
    assert not lost.is_pending
    assert len(stage.ground.registrations.all_endpoints()) == 2
    assert alice.pages(phone, "found").status == 200
    assert phone.texts[-1].words == "found"


def bob_of(actor: Actor) -> str:
    """Give the address of one device."""
    return actor.sip.gruu


def test_a_device_that_is_idle_and_well_stays(stage: Stage) -> None:
    """Keep-alives for an hour, and not one question."""
    (alice,) = stage.sign_in("alice")
    stage.passes(3_600)
    assert alice.sip.is_connected
    assert "OPTIONS" not in [request.method for request in alice.sip.heard]


def test_a_device_that_sends_no_keep_alives_and_answers_stays(stage: Stage) -> None:
    """It broke its promise, and is there all the same."""
    (alice,) = stage.sign_in("alice")
    alice.sip.keeps_alive = False
    stage.passes(600)
    assert alice.sip.is_connected
    assert "OPTIONS" in [request.method for request in alice.sip.heard]
