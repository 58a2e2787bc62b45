"""SIGTERM: what is under way gets its answer, what is new is told to come again, and records are whole."""

from twisted.internet.defer import Deferred

from lyncpy.core.unit import UnitGroup
from tests.kit.actors import Actor
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage


def ends(stage: Stage) -> "Deferred[bool]":
    """Begin the end of the server as SIGTERM does; its doors are closed already."""
    stage.network.close()
    house: UnitGroup = stage.house
    return Deferred.fromCoroutine(house.close())


def asked(alice: Actor, bob: Actor) -> Exchange:
    """Have Alice ask Bob for a session of messages."""
    exchange = alice.invites(bob).exchange
    assert exchange is not None
    return exchange


def test_a_message_under_way_is_answered_before_the_end(stage: Stage) -> None:
    """Bob's device takes its time: Alice hears that he takes her invitation, and only then the connections end."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_slow(2.0)
    under_way = asked(alice, bob)
    assert under_way.is_pending
    closing = ends(stage)
    stage.passes(1)
    assert under_way.is_pending
    assert alice.sip.is_connected
    stage.passes(2)
    assert under_way.status == 200
    stage.passes(10)
    assert closing.called
    assert not alice.sip.is_connected


def test_what_is_new_is_told_to_come_again(stage: Stage) -> None:
    """503 with Retry-After, while the others' answers are waited for."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_slow(2.0)
    under_way = asked(alice, bob)
    _ = ends(stage)
    stage.passes(0.1)
    refused = alice.pages(bob, "second")
    assert refused.status == 503
    assert int(refused.answer.headers.get("Retry-After") or "0") > 0
    stage.passes(3)
    assert under_way.status == 200


def test_who_never_answers_does_not_hold_up_the_end(stage: Stage) -> None:
    """After [limits] drain_s what is left is refused with 503, and the server ends."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_silent()
    under_way = asked(alice, bob)
    closing = ends(stage)
    stage.passes(4)
    assert under_way.is_pending
    stage.passes(2)
    assert under_way.status == 503
    stage.passes(10)
    assert closing.called


def test_a_second_signal_ends_the_waiting(stage: Stage) -> None:
    """An impatient operator waits for nobody; what is under way is refused all the same."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_silent()
    under_way = asked(alice, bob)
    _ = ends(stage)
    stage.passes(0.5)
    stage.entrance.draining.hasten()
    stage.passes(0.5)
    assert under_way.status == 503


def test_sessions_of_messages_are_left_and_their_records_are_whole(stage: Stage) -> None:
    """Both clients get a BYE: their next message opens another session, with the next server."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    closing = ends(stage)
    stage.passes(10)
    assert closing.called
    assert hers.is_over
    assert his.is_over
    (record,) = stage.sessions("alice")
    assert (record.ended_by, record.end_reason) == ("server", "restart")
