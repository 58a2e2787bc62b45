"""Two servers on one database, and a bus between them that loses what it likes: how long what is lost can be believed."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.facts import BoardChanged, ContactsChanged, NodeReported
from lyncpy.contracts.names import NodeName
from tests.kit.actors import Actor
from tests.kit.pool import Pool

SWEEP_S = 20.0


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened(store={"sweep_s": SWEEP_S}) as pool:
        yield pool


def at_both(pool: Pool, user: str) -> tuple[Actor, Actor]:
    """Sign somebody in at each server, with a device of its own."""
    first, second = pool
    (here,), (there,) = first.sign_in(user), second.sign_in(user)
    return here, there


def test_a_list_is_told_to_devices_at_all_servers(pool: Pool) -> None:
    """Each device hears of what another one has changed at another server, and may change it further."""
    here, there = at_both(pool, "alice")
    assert here.adds("sip:bob@example.com").status == 200
    pool.passes(1)
    assert "sip:bob@example.com" in there.contacts.people
    assert there.adds("sip:carol@example.com").status == 200
    pool.passes(1)
    assert (
        here.contacts.people.keys() == there.contacts.people.keys() >= {"sip:bob@example.com", "sip:carol@example.com"}
    )
    assert here.removes("sip:carol@example.com").status == 200
    pool.passes(1)
    assert "sip:carol@example.com" not in there.contacts.people


def test_a_change_that_is_lost_on_the_bus_is_found(pool: Pool) -> None:
    """Within the time of a sweep, and without that anybody asks."""
    here, there = at_both(pool, "alice")
    # The other server has the list in memory, as its device has changed it.
    assert there.adds("sip:dave@example.com").status == 200
    pool.passes(1)
    pool.hub.loses = lambda sender, receiver, said: isinstance(said, ContactsChanged)
    assert here.adds("sip:bob@example.com").status == 200
    pool.passes(1)
    assert "sip:bob@example.com" not in there.contacts.people
    pool.passes(SWEEP_S + 1)
    assert there.contacts.people.keys() >= {"sip:bob@example.com", "sip:dave@example.com"}
    assert there.adds("sip:carol@example.com").status == 200


def test_a_publication_that_is_lost_on_the_bus_is_found(pool: Pool) -> None:
    """Wrong presence is shown for no longer than a sweep takes; so with a block, which is durable, and not volatile."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    pool.hub.loses = lambda sender, receiver, said: True
    alice.publishes(6500)
    pool.passes(SWEEP_S / 2)
    assert bob.hears(alice).availability == "available"
    pool.passes(SWEEP_S / 2 + 1)
    assert bob.hears(alice).availability == "busy"
    alice.blocks(bob)
    pool.passes(SWEEP_S + 1)
    assert bob.hears(alice).availability == "offline"


def test_one_message_for_each_server_that_shows_somebody(pool: Pool) -> None:
    """A publication is told to the server of a watcher, once; to one that shows her nobody, nothing is told."""
    first, second = pool
    third = pool.joins()
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    third.sign_in("carol")
    bob.watches(alice)
    pool.passes(5)
    crossed: list[tuple[NodeName, object]] = []

    def loses(sender: NodeName, receiver: NodeName, said: object) -> bool:
        # How each server is they tell every few seconds, whatever happens.
        if not isinstance(said, NodeReported):
            crossed.append((receiver, said))
        return False

    pool.hub.loses = loses
    for number in (6500, 9500, 3500):
        alice.publishes(number)
        pool.passes(1)
    boards = [receiver for receiver, said in crossed if isinstance(said, BoardChanged)]
    assert boards == [second.node] * 3
    # Nor is anything else told of it.
    assert len(crossed) == 3
    crossed.clear()
    alice.adds("sip:dave@example.com")
    pool.passes(1)
    assert {receiver for receiver, _ in crossed} == {second.node}


def test_who_was_removed_from_a_list_sees_no_more_though_nobody_heard_of_it() -> None:
    """In privacy mode contacts alone see her: at a server that lost the news of the list, too, after a sweep."""
    with Pool.opened(store={"sweep_s": SWEEP_S}, policies={"privacy_mode": True}) as pool:
        first, second = pool
        (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
        alice.adds(bob.aor)
        bob.watches(alice)
        alice.publishes(6500)
        pool.passes(1)
        assert bob.hears(alice).availability == "busy"
        pool.hub.loses = lambda sender, receiver, said: isinstance(said, ContactsChanged)
        assert alice.removes(bob.aor).status == 200
        pool.passes(1)
        assert bob.hears(alice).availability == "busy"
        pool.passes(SWEEP_S + 1)
        assert bob.hears(alice).availability == "offline"
