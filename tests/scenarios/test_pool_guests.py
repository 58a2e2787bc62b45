"""Guests of a conference whose server is lost: they come back with their link, by any other server, as they came first."""

from collections.abc import Iterator

import pytest

from tests.kit.meetings import Seat, code_of
from tests.kit.pool import Pool
from tests.kit.stage import Stage
from tests.scenarios.test_pool_conferences import KNOWN_DEAD_S, talk_of


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Three servers that run."""
    with Pool.opened(3) as pool:
        yield pool


def meeting_of(pool: Pool, host: int = 0) -> tuple[Seat, Seat, Seat]:
    """Alice holds a meeting at one server, Bob is in it by the second, and Gary, a guest, by the third."""
    alice, bob = pool.servers[host].sign_in("alice")[0], pool.servers[1].sign_in("bob")[0]
    first = alice.meets(policy="anonymous")
    seats = first, bob.joins(first.focus), pool.servers[2].guest("Gary").joins(first.focus)
    pool.passes(1)
    return seats


def comes_back(server: Stage, lost: Seat) -> Seat:
    """Have a guest come by another server with the link, under a name that their client makes up."""
    return server.guest("Gary").joins(lost.focus)


def test_a_guest_whose_server_dies_comes_back_with_the_link(pool: Pool) -> None:
    """At once, as somebody new; who they were is in the roster until their server is known to be dead, and no longer."""
    _, bob, gary = meeting_of(pool)
    pool.servers[2].kill()
    back = comes_back(pool.servers[1], gary)
    talk_of(pool, back, "here I am", bob)
    talk_of(pool, bob, "there you are", back)
    pool.passes(KNOWN_DEAD_S)
    assert back.roster == bob.roster
    assert sorted(back.who_chats()) == sorted(["alice", "bob", back.client.user])


def test_a_guest_comes_back_under_the_same_name(pool: Pool) -> None:
    """As soon as it is known that their server is lost: until then somebody else could have taken it from them."""
    alice, bob, gary = meeting_of(pool)
    name = gary.client.user
    pool.servers[2].kill()
    back = pool.servers[1].guest("Gary", user=name).seat(gary.focus)
    early = back.knocks()
    assert (early.status, early.answer.headers.get("Retry-After")) == (503, "5")
    pool.passes(KNOWN_DEAD_S)
    assert code_of(back.joins().answer) == "success"
    talk_of(pool, back, "here I am", alice)
    assert bob.roster == back.roster
    assert sorted(bob.who_chats()) == sorted(["alice", "bob", name])


def test_a_guest_comes_back_where_the_server_ran_the_meeting_as_well(pool: Pool) -> None:
    """Whoever is asked first goes on with it: the guest finds those who were at living servers, and the chat."""
    _, bob, gary = meeting_of(pool, host=2)
    pool.servers[2].kill()
    back = pool.servers[0].guest("Gary").seat(gary.focus)
    knocking = back.knocks()
    pool.passes(KNOWN_DEAD_S)
    assert code_of(knocking.answer) == "success"
    back.watches()
    back.joins_chat()
    pool.passes(1)
    assert sorted(back.who_chats()) == sorted(["bob", back.client.user])
    talk_of(pool, back, "here I am", bob)


def test_a_guest_has_to_be_let_in_again_where_the_door_is_closed(pool: Pool) -> None:
    """Anybody who knows the link could say that they are the one who was inside; a presenter decides, as at the first time."""
    alice, bob, gary = meeting_of(pool)
    assert code_of(alice.locks().answer) == "success"
    pool.servers[2].kill()
    pool.passes(KNOWN_DEAD_S)
    guest = pool.servers[1].guest("Gary", user=gary.client.user)
    back = guest.joins(gary.focus, lobby_capable=True)
    pool.passes(1)
    assert back.who_chats() == []
    alice.decides_on(guest.aor)
    pool.passes(1)
    back.joins_chat()
    talk_of(pool, back, "here I am", bob)


def test_nobody_takes_a_guests_name_by_another_server(pool: Pool) -> None:
    """It is in every roster, and the link is known to many: who comes with it elsewhere becomes no device of the guest."""
    alice, _, gary = meeting_of(pool)
    thief = pool.servers[1].guest("Gary", user=gary.client.user)
    refused = thief.seat(gary.focus).knocks()
    assert refused.status == 503
    thief.is_cut_off()
    # With the guest's own device, if that could be known, there are the roster and the chat to ask for.
    double = pool.servers[1].guest("Gary", user=gary.client.user, epid=gary.client.epid).seat(gary.focus)
    double.chat_uri = gary.chat_uri
    assert double.watches().status == 503
    double.joins_chat()
    pool.passes(1)
    assert double.chat is not None
    assert not double.chat.is_answered
    talk_of(pool, gary, "it is me", alice)
    assert alice.says("for Gary").status == 202
    pool.passes(1)
    assert (gary.texts, double.texts) == ([("alice", "for Gary")], [])
