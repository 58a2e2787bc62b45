"""The stage with several servers: what they have in common, and how each of them ends, stands still or is cut off."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.facts import Fact, NodeReported, PoliciesChanged
from tests.kit.pool import Pool
from tests.kit.stage import Stage


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened() as pool:
        yield pool


def ears(server: Stage) -> list[Fact]:
    """Hear of policies at a server."""
    heard: list[Fact] = []
    server.ground.platform.bus.listen(PoliciesChanged, heard.append)
    return heard


def test_each_server_has_clients_of_its_own_and_all_have_one_database(pool: Pool) -> None:
    """Alice is signed in at the first server, Bob at the second; who they are is in the one store."""
    first, second = pool
    first.sign_in("alice")
    second.sign_in("bob")
    assert [first.tables()["connections"], second.tables()["connections"]] == [1, 1]
    assert first.store is second.store
    assert len({server.node for server in pool}) == 2


def test_facts_and_questions_go_from_one_to_the_other(pool: Pool) -> None:
    """What is told at one is heard at both; each answers the other."""
    first, second = pool
    heard = [ears(server) for server in pool]
    first.ground.platform.bus.tell(PoliciesChanged())
    pool.settle()
    assert heard == [[PoliciesChanged()], [PoliciesChanged()]]
    second.sign_in("bob")
    assert [row[0] for row in first.shell("nodes").rows] == [first.node, second.node]
    assert [(row[7], row[8]) for row in first.shell("nodes").rows] == [(0, ""), (1, "")]


def test_what_nobody_shows_elsewhere_is_heard_nowhere_else() -> None:
    """Alice signs in, publishes, makes a conference and signs out; no other server has a user or a meeting that it concerns."""
    with Pool.opened(3) as pool:
        first, second, _ = pool
        second.sign_in("bob")
        pool.passes(10)
        carried: list[str] = []

        def note(sender: object, receiver: object, said: object) -> bool:
            if isinstance(said, Fact) and not isinstance(said, NodeReported):
                carried.append(type(said).__name__)
            return False

        pool.hub.loses = note
        (alice,) = first.sign_in("alice")
        alice.publishes(6500)
        alice.meets()
        pool.passes(2)
        alice.signs_out()
        pool.passes(2)
        assert carried == []


def test_the_bus_may_delay_and_lose(pool: Pool) -> None:
    """A fact takes its time, is lost, or does not get through to who is cut off; at home it is always heard."""
    first, second = pool
    heard = [ears(server) for server in pool]
    bus = first.ground.platform.bus
    pool.hub.delay_s = 2.0
    bus.tell(PoliciesChanged())
    pool.passes(1)
    assert list(map(len, heard)) == [1, 0]
    pool.passes(1)
    assert list(map(len, heard)) == [1, 1]
    pool.hub.loses = lambda sender, receiver, said: receiver == second.node
    bus.tell(PoliciesChanged())
    pool.passes(3)
    assert list(map(len, heard)) == [2, 1]
    pool.hub.loses = lambda sender, receiver, said: False
    pool.hub.cut(second.node)
    bus.tell(PoliciesChanged())
    pool.passes(3)
    assert (list(map(len, heard)), bus.others()) == ([3, 1], ())
    pool.hub.mend(second.node)
    bus.tell(PoliciesChanged())
    pool.passes(3)
    assert list(map(len, heard)) == [4, 2]


def test_one_dies_and_the_other_goes_on(pool: Pool) -> None:
    """Nothing happens at the dead one any more; it is not there, and its successor has another name."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    (bob,) = second.sign_in("bob")
    dead = second.node
    second.kill()
    pool.passes(5)
    assert not bob.sip.is_connected
    pool.passes(5)
    assert alice.publishes(3500).status == 200
    assert [row[0] for row in first.shell("nodes").rows if row[2] != "dead"] == [first.node]
    second.start()
    assert second.node != dead
    second.sign_in("bob")
    assert second.tables()["connections"] == 1


def test_one_stands_still_and_goes_on(pool: Pool) -> None:
    """A server that is frozen answers nobody, and does what was due when it goes on."""
    first, second = pool
    (bob,) = second.sign_in("bob")
    heard = ears(second)
    second.freeze()
    first.ground.platform.bus.tell(PoliciesChanged())
    with bob.in_one_breath():
        exchange = bob.publishes(6500)
    pool.passes(3)  # not long enough for the others to take it for dead
    assert (heard, exchange.is_pending) == ([], True)
    second.thaw()
    pool.passes(1)
    assert (heard, exchange.status) == ([PoliciesChanged()], 200)


def test_one_more_joins(pool: Pool) -> None:
    """A server that comes later serves as the others do."""
    third = pool.joins()
    third.sign_in("carol")
    assert third.tables()["connections"] == 1
