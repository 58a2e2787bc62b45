"""Two things happen at once to several servers: nobody loses what they were told is done, and all is as it should be afterwards."""

from collections.abc import Iterator

import pytest

from tests.kit.meetings import Seat
from tests.kit.phones import Callee, Caller
from tests.kit.pool import Pool

LEASE_S = 5.0
KNOWN_DEAD_S = 2 * LEASE_S
OFFER = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Three servers that run."""
    with Pool.opened(3) as pool:
        yield pool


def hears_once(pool: Pool, speaker: Seat, listener: Seat, words: str) -> None:
    """Have one say something that another hears once."""
    listener.texts.clear()
    exchange = speaker.says(words)
    pool.passes(1)
    assert exchange.status == 202
    assert [text for _, text in listener.texts] == [words]


def test_two_servers_leave_at_once(pool: Pool) -> None:
    """The meeting goes to the third, though one of those that leave might have taken it."""
    first, second, third = pool
    alice, bob, carol, dave = (*first.sign_in("alice"), *second.sign_in("bob"), *third.sign_in("carol", "dave"))
    seat = alice.meets()
    bob.joins(seat.focus)
    staying, other = carol.joins(seat.focus), dave.joins(seat.focus)
    pool.passes(1)
    third.shell(f"drain {first.node}")
    third.shell(f"drain {second.node}")
    for _ in range(120):
        pool.passes(0.5)
        if first.wants_to_end and second.wants_to_end:
            break
    assert first.wants_to_end
    assert second.wants_to_end
    first.stop()
    second.stop()
    pool.passes(2)
    assert staying.who_chats() == ["carol", "dave"]
    hears_once(pool, staying, other, "we two")


def test_who_is_to_take_a_meeting_over_sleeps(pool: Pool) -> None:
    """A server leaves, and the one that it offers its meeting to is frozen: those elsewhere go on, and it wakes to nothing stale."""
    first, second, third = pool
    alice, bob, dave, carol = (*first.sign_in("alice"), *second.sign_in("bob", "dave"), *third.sign_in("carol"))
    seat = alice.meets()
    for who in (bob, dave):
        who.joins(seat.focus)
    staying = carol.joins(seat.focus)
    pool.passes(1)
    pool.expect("is known dead to the others", "is cut off from the store", "its lease has run out", "not handed over")
    third.shell(f"drain {first.node}")
    second.freeze()
    for _ in range(200):
        pool.passes(0.5)
        if first.wants_to_end:
            break
    assert first.wants_to_end
    first.stop()
    pool.passes(30)
    (erin,) = third.sign_in("erin")
    other = erin.joins(seat.focus)
    pool.passes(1)
    assert staying.who_chats() == ["carol", "erin"]
    hears_once(pool, other, staying, "without them")
    second.thaw()
    pool.passes(2)
    assert second.is_fenced
    hears_once(pool, staying, other, "still here")


def test_a_call_outlives_the_restart_of_every_other_server(pool: Pool) -> None:
    """Alice and Bob talk while the third server is replaced, then one that is new is added: their call is theirs to end."""
    first, second, third = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    caller, callee = Caller(alice), Callee(bob)
    exchange = caller.calls(bob)
    pool.passes(1)
    callee.says(200, body=OFFER)
    pool.passes(1)
    assert exchange.status == 200
    first.shell(f"drain {third.node}")
    pool.passes(10)
    assert third.wants_to_end
    third.stop()
    pool.joins()
    pool.passes(KNOWN_DEAD_S)
    assert callee.sends("UPDATE", body=OFFER).status == 200
    assert caller.sends("BYE").status == 200
    pool.passes(1)
    assert callee.methods[-1] == "BYE"
    assert [server.tables()["sessions"] for server in (first, second)] == [0, 0]


def test_a_list_is_changed_on_both_sides_of_a_cut(pool: Pool) -> None:
    """Alice has devices at two servers that do not hear each other: neither change is lost, and both devices show both."""
    first, second, _ = pool
    (desk,), (mobile,) = first.sign_in("alice"), second.sign_in("alice")
    pool.hub.cut(second.node)
    assert desk.adds("sip:bob@example.com").status == 200
    pool.passes(1)
    # It knows the list as it was: it is refused, is told what there is now, and tries again as clients do.
    answer = mobile.adds("sip:carol@example.com")
    for _ in range(3):
        if answer.status == 200:
            break
        pool.passes(61)
        answer = mobile.adds("sip:carol@example.com")
    assert answer.status == 200
    pool.hub.mend(second.node)
    pool.passes(61)
    assert set(desk.contacts.people) == set(mobile.contacts.people) == {"sip:bob@example.com", "sip:carol@example.com"}


def test_a_server_leaves_while_the_database_is_away(pool: Pool) -> None:
    """It ends all the same, and what it could not hand over is taken over when the database is there again."""
    first, second, third = pool
    alice, bob, carol = (*first.sign_in("alice"), *second.sign_in("bob"), *third.sign_in("carol"))
    seat = alice.meets()
    one, other = bob.joins(seat.focus), carol.joins(seat.focus)
    pool.passes(1)
    pool.expect("not handed over", "cannot be gone on with", "the others wait", "cannot be renewed", "the store")
    second.shell(f"drain {first.node}")
    for server in pool:
        server.disk.broken = True
    for _ in range(120):
        pool.passes(0.5)
        if first.wants_to_end:
            break
    assert first.wants_to_end
    first.stop()
    for server in pool:
        server.disk.broken = False
    pool.passes(6 * LEASE_S)
    assert one.who_chats() == other.who_chats() == ["bob", "carol"]
    hears_once(pool, one, other, "after all")
