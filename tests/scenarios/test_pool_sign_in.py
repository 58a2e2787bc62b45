"""Who is signed in where, in a pool: every server knows it, whichever server somebody comes to."""

from collections.abc import Iterator
from typing import Any

import pytest

from lyncpy.contracts.facts import EndpointArrived, EndpointGone, Fact
from tests.kit.actors import Actor
from tests.kit.pool import Pool
from tests.kit.stage import Stage

SWEEP_S = 31.0
"""Within which a sweep comes."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened() as pool:
        yield pool


def signed_in(server: Stage, user: str) -> list[str]:
    """Give the nodes where somebody is signed in, as one server says."""
    return [str(row[6]).partition("/")[0] for row in server.shell(f"endpoints {user}@example.com").rows]


def told(server: Stage) -> list[str]:
    """Write down what a server hears of endpoints."""
    heard: list[str] = []

    def hear(fact: Any) -> None:
        what = "arrived" if isinstance(fact, EndpointArrived) else f"{fact.reason.value}{', last' * fact.last}"
        heard.append(f"{fact.aor[4:].partition('@')[0]} {what}")

    for kind in (EndpointArrived, EndpointGone):
        server.ground.platform.bus.listen(kind, hear)
    return heard


def talk(one: Actor, other: Actor) -> None:
    """Have two people talk: an invitation, messages both ways, and its end."""
    mine, theirs = one.talks_to(other)
    assert mine.says("hello").status == 200
    assert theirs.says("hello yourself").status == 200
    assert [text.body for text in theirs.texts] == [b"hello"]
    assert [text.body for text in mine.texts] == [b"hello yourself"]
    theirs.hangs_up()
    assert mine.is_over


def test_people_at_two_servers_talk(pool: Pool) -> None:
    """Alice is at the first server and Bob at the second: invitation, messages both ways, and the end."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    talk(alice, bob)
    talk(bob, alice)
    pool.passes(40)
    assert [server.tables()["sessions"] for server in pool] == [0, 0]
    assert {(record.user1, record.user2, record.ended_by) for record in first.sessions()} == {
        (alice.aor, bob.aor, "user2"),
        (bob.aor, alice.aor, "user2"),
    }


def test_a_message_without_a_conversation_finds_its_way(pool: Pool) -> None:
    """To whoever is at another server, and to nobody when nobody is there."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    assert alice.pages(bob, "hello").status == 200
    assert [text.body for text in bob.texts] == [b"hello"]
    assert alice.pages("sip:carol@example.com", "hello").status == 480


def test_two_messages_at_once_ask_once_where_somebody_is(pool: Pool) -> None:
    """Nobody at the first server knew of Carol; both who write to her in the same moment reach her."""
    first, second = pool
    alice, bob = first.sign_in("alice", "bob")
    (carol,) = second.sign_in("carol")
    with alice.in_one_breath(), bob.in_one_breath():
        asked = [one.pages(carol, f"from {one.aor}") for one in (alice, bob)]
        assert all(one.is_pending for one in asked)
    pool.passes(1)
    assert [one.status for one in asked] == [200, 200]
    assert {text.body.decode() for text in carol.texts} == {f"from {one.aor}" for one in (alice, bob)}


def test_every_server_knows_where_somebody_is(pool: Pool) -> None:
    """One device at each; when one signs out the other stays, and the last of them is told to be the last."""
    first, second = pool
    heard = told(first)
    (phone,), (laptop,) = first.sign_in("alice"), second.sign_in("alice")
    for server in pool:
        assert signed_in(server, "alice") == [first.node, second.node]
    laptop.signs_out()
    for server in pool:
        assert signed_in(server, "alice") == [first.node]
    phone.signs_out()
    for server in pool:
        assert signed_in(server, "alice") == []
    assert heard == ["alice arrived", "alice arrived", "alice signed out", "alice signed out, last"]


def test_a_call_rings_at_both_servers(pool: Pool) -> None:
    """Bob has a device at each; the one that accepts has the call, and the other stops to ring."""
    first, second = pool
    (alice,), (here,), (there,) = first.sign_in("alice"), first.sign_in("bob"), second.sign_in("bob")
    here.lets_it_ring()
    there.lets_it_ring()
    call = alice.invites(here)
    pool.passes(1)
    assert [len(device.talks) for device in (here, there)] == [1, 1]
    there.talks[-1].accepts()
    pool.passes(1)
    assert call.is_answered
    assert here.talks[-1].is_over
    assert call.says("hello").status == 200
    assert [text.body for text in there.texts] == [b"hello"]


def test_a_call_is_cancelled_at_the_other_server(pool: Pool) -> None:
    """The caller gives up while it rings."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.lets_it_ring()
    call = alice.invites(bob)
    pool.passes(1)
    call.cancels()
    pool.passes(1)
    assert bob.talks[-1].is_over
    assert [server.tables()["requests sent"] for server in pool] in ([0, 0], [1, 0])


def same_device(server: Stage, device: Actor) -> Actor:
    """Give the same device at another server: it calls itself as before."""
    return server.actor(device.aor[4:].partition("@")[0], epid=device.sip.epid)


def test_a_device_that_comes_to_another_server_replaces_itself(pool: Pool) -> None:
    """The old connection is told by its own server; for everybody else the device has moved, and nobody was gone."""
    first, second = pool
    (old,), (bob,) = first.sign_in("alice"), first.sign_in("bob")
    heard = told(second)
    new = same_device(second, old)
    assert new.sip.epid == old.sip.epid
    new.signs_in()
    pool.passes(5)
    assert not old.sip.is_connected
    for server in pool:
        assert signed_in(server, "alice") == [second.node]
    assert heard == ["alice replaced", "alice arrived"]
    talk(bob, new)


def test_devices_beyond_the_quota_leave_wherever_they_are(pool: Pool) -> None:
    """The oldest ones, and their server tells them."""
    with Pool.opened(registrar={"endpoints_per_user": 2}) as pool:
        first, second = pool
        (oldest,) = first.sign_in("alice")
        pool.passes(2)
        second.sign_in("alice")
        pool.passes(2)
        second.sign_in("alice")
        pool.passes(5)
        assert not oldest.sip.is_connected
        assert signed_in(first, "alice") == [second.node, second.node]


def test_an_operator_signs_somebody_out_from_any_server(pool: Pool) -> None:
    """Who is signed in at another one is told there, and it is told once that they are gone."""
    first, second = pool
    (bob,) = second.sign_in("bob")
    heard = [told(server) for server in pool]
    assert first.shell("signout bob@example.com").note == "1 signed out"
    pool.passes(5)
    assert not bob.sip.is_connected
    assert [signed_in(server, "bob") for server in pool] == [[], []]
    assert heard == [["bob signed out by operator, last"]] * 2


def test_a_server_dies_and_everybody_there_is_gone(pool: Pool) -> None:
    """Once for all: whoever asks hears so at once, one server writes it down and tells it, and who comes back is welcome."""
    with Pool.opened(3) as three:
        first, second, third = three
        (alice,), (bob, _) = first.sign_in("alice"), second.sign_in("bob", "carol")
        third.sign_in("carol")
        heard = [told(first), told(third)]
        second.kill()
        three.passes(60)
        assert [signed_in(server, "bob") for server in (first, third)] == [[], []]
        assert [signed_in(server, "carol") for server in (first, third)] == [[third.node]] * 2
        assert [sorted(one) for one in heard] == [["bob connection lost, last", "carol connection lost"]] * 2
        assert alice.pages(bob, "are you there?").status == 480
        (again,) = third.sign_in("bob")
        assert alice.pages(again, "there you are").status == 200


def test_a_talk_goes_on_when_the_server_that_has_it_dies(pool: Pool) -> None:
    """Bob is at the second server, and so are both devices of the talk in the end: its record is begun anew there."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    mine, theirs = alice.talks_to(bob)
    assert mine.says("hello").status == 200
    first.kill()
    pool.passes(60)
    exchange = theirs.says("are you there?")
    pool.passes(40)
    assert exchange.status in (480, 481)


def test_the_record_of_a_talk_outlives_its_server(pool: Pool) -> None:
    """Alice's server is killed: Bob's goes on with the record, says that she was lost, and tells Bob's device."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    mine, theirs = alice.talks_to(bob)
    assert mine.says("hello").status == 200
    assert theirs.says("hello yourself").status == 200
    pool.passes(2)  # the counts are written down
    first.kill()
    pool.passes(10)
    (record,) = second.sessions()
    assert (record.node, record.ended_by, record.end_reason) == (second.node, "user1", "connection lost")
    assert (record.user1_messages, record.user2_messages) == (1, 1)
    assert theirs.ended_by is not None
    assert second.tables()["sessions"] == 0


def test_a_talk_that_ends_in_order_is_gone_on_with_by_nobody(pool: Pool) -> None:
    """Nothing of it is left at Bob's server."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    talk(alice, bob)
    pool.passes(2)
    first.kill()
    pool.passes(10)
    (record,) = second.sessions()
    assert (record.ended_by, record.end_reason) == ("user2", "bye")
    assert len(second.ground.signaling.deposits) == 0


def test_a_message_says_that_it_did_not_arrive_when_the_other_server_is_lost(pool: Pool) -> None:
    """Whoever writes to somebody at a server that has just died is told so, and not left alone."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    mine, _ = alice.talks_to(bob)
    second.kill()
    exchange = mine.says("are you there?")
    pool.passes(70)
    assert exchange.status in (408, 430, 480, 504)


def test_a_short_loss_of_the_bus_is_not_noticed_by_who_talks(pool: Pool) -> None:
    """What is said meanwhile arrives when there is a bus again."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    mine, theirs = alice.talks_to(bob)
    assert mine.says("one").status == 200
    pool.hub.cut(second.node)
    with alice.in_one_breath():
        exchange = mine.says("two")
    pool.passes(3)
    assert exchange.is_pending
    pool.hub.mend(second.node)
    pool.passes(5)
    assert exchange.status == 200
    assert [text.body for text in theirs.texts] == [b"one", b"two"]


def test_news_that_is_lost_is_found_by_the_sweep(pool: Pool) -> None:
    """Nobody tells that Bob has come, and that he has gone: who asks is told the truth soon all the same."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    assert alice.pages("sip:bob@example.com", "hello").status == 480
    pool.hub.loses = lambda sender, receiver, said: isinstance(said, Fact)
    (bob,) = second.sign_in("bob")
    pool.passes(SWEEP_S)
    assert alice.pages(bob, "hello").status == 200
    heard = told(first)
    bob.signs_out()
    pool.passes(SWEEP_S)
    assert alice.pages(bob, "hello").status == 480
    assert heard == ["bob connection lost, last"]


def test_who_guesses_at_one_server_waits_at_all(pool: Pool) -> None:
    """Neither the next server nor its site is a place to guess on; elsewhere nobody notices."""
    first, second = pool
    for server in (first, second, first, second, first):
        assert server.actor("alice", password="guess", address="203.0.113.9").sip.register().status == 401
    for server in pool:
        refused = server.actor("alice", address="203.0.113.9").sip.register()
        assert (refused.status, refused.answer.headers.get("Retry-After")) == (503, "30")
        assert server.actor("alice").sip.register().status == 200


def test_who_guesses_under_other_names_waits_at_all(pool: Pool) -> None:
    """It is the account whose password is guessed, whatever the client says who it is."""
    first, second = pool
    for _ in range(5):
        first.actor("bob", password="guess", login="alice", address="203.0.113.9").sip.register()
    assert second.actor("carol", login="alice", address="203.0.113.9").sip.register().status == 503


def test_who_has_signed_in_at_one_server_has_failed_at_none(pool: Pool) -> None:
    """Four mistakes at one, the right password at the other, four more: the right one is let in at once."""
    first, second = pool
    for server in (second, first):
        for _ in range(4):
            first.actor("alice", password="guess", address="203.0.113.9").sip.register()
        assert server.actor("alice", address="203.0.113.9").sip.register().status == 200
