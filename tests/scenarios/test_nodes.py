"""Two servers on one store: one is killed, frozen, or cut off from it, and what becomes of what it had."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.directory import Group
from lyncpy.contracts.facts import Fact, NodeLost
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.nodes import DUTIES, Duty
from lyncpy.contracts.records import SessionRecord
from tests.kit.memory import MemoryRecords
from tests.kit.pool import Pool
from tests.kit.results import answer_of, result_of, started
from tests.kit.stage import DOMAIN, Stage

LEASE_S = 5.0
DEAD_S = LEASE_S * 1.5


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened() as pool:
        yield pool


def duties_of(server: Stage) -> int:
    """Count the duties of a server."""
    return sum(server.ground.platform.nodes.has_duty(duty) for duty in Duty)


def open_sessions(pool: Pool) -> Sequence[SessionRecord]:
    """Give the records of sessions that have not ended."""
    found: Sequence[SessionRecord] = answer_of(pool.deployment.records.sessions(open_only=True))
    return found


def talk(server: Stage, one: str, other: str) -> None:
    """Have two people begin to talk."""
    caller, callee = server.sign_in(one, other)
    caller.talks_to(callee)
    server.passes(2)


def test_each_duty_is_one_servers(pool: Pool) -> None:
    """The first one's, who says so, and the second hears of the same."""
    first, second = pool
    pool.passes(30)
    assert (duties_of(first), duties_of(second)) == (len(Duty), 0)
    for server in pool:
        table = server.shell("nodes")
        assert {str(row[0]): row[3] for row in table.rows} == {
            first.node: " ".join(sorted(duty.value for duty in Duty)),
            second.node: "",
        }


def test_what_a_dead_server_left_open_is_ended(pool: Pool) -> None:
    """Its sessions and nobody else's; the other says that it is dead, and has its duties."""
    first, second = pool
    talk(first, "alice", "bob")
    talk(second, "carol", "dave")
    assert len(open_sessions(pool)) == 2
    first.kill()
    pool.passes(DEAD_S)
    assert [one.node for one in open_sessions(pool)] == [second.node]
    assert [row[2] for row in second.shell("nodes").rows] == ["held", "dead"]
    assert duties_of(second) == len(Duty)
    first.start()
    pool.passes(DEAD_S)
    assert [one.node for one in open_sessions(pool)] == [second.node]
    assert (duties_of(first), duties_of(second)) == (0, len(Duty))


def test_what_cannot_be_ended_at_once_is_ended_later(pool: Pool) -> None:
    """The database takes nothing at the moment when a server is found to be dead."""
    first, second = pool
    talk(first, "alice", "bob")
    first.kill()
    second.disk.broken = True
    pool.passes(DEAD_S)
    assert len(open_sessions(pool)) == 1
    second.disk.broken = False
    pool.passes(5)
    assert open_sessions(pool) == ()


@pytest.mark.parametrize(("unit", "end"), [("im", "close_open_sessions"), ("conferencing", "close_open_conferences")])
def test_who_is_lost_while_another_starts_is_not_missed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, unit: str, end: str
) -> None:
    """What it left was not there yet when that was looked for: it is looked for again."""
    first, _ = pool
    starting = first.unit(unit)
    result_of(starting.close())
    looks: list[Deferred[int]] = []

    def slowly(self: MemoryRecords, at: float) -> Deferred[int]:
        looks.append(Deferred())
        return looks[-1]

    monkeypatch.setattr(MemoryRecords, end, slowly)
    opening = started(starting.open())
    first.bus.tell_here(NodeLost(NodeName("n9")))
    first.passes(1)
    for look in looks:
        look.callback(0)
    first.passes(1)
    answer_of(opening)
    assert len(looks) == 2


def test_a_server_that_starts_ends_what_its_dead_self_left(pool: Pool) -> None:
    """Also when nobody else was there to do so."""
    first, second = pool
    talk(first, "alice", "bob")
    second.stop()
    first.kill()
    first.start()
    assert len(open_sessions(pool)) == 1  # it is not known dead yet
    pool.passes(DEAD_S)
    assert open_sessions(pool) == ()


def test_who_sleeps_too_long_writes_nothing_and_begins_anew(pool: Pool) -> None:
    """What it was asked while it slept is refused by the store; its clients are cut off, and come back to whoever they find."""
    first, second = pool
    pool.expect("is known dead to the others")
    (alice,) = first.sign_in("alice")
    first.freeze()
    pool.passes(30)
    # The other has written by now that she is gone.
    before = dict(pool.deployment.store.kept)
    assert duties_of(second) == len(Duty)
    with alice.in_one_breath():
        exchange = alice.adds("bob@example.com", 1)
    first.thaw()
    pool.passes(1)
    assert first.is_fenced
    assert exchange.is_pending or exchange.status == 503
    assert not alice.sip.is_connected
    assert dict(pool.deployment.store.kept) == before
    name = first.node
    first.start()
    pool.passes(DEAD_S)
    assert first.node != name
    assert (duties_of(first), duties_of(second)) == (0, len(Duty))
    second.sign_in("alice")
    assert second.tables()["connections"] == 1


def test_a_short_sleep_is_nothing(pool: Pool) -> None:
    """Who is signed in stays, and the duties, too."""
    first, _ = pool
    first.sign_in("alice")
    first.freeze()
    pool.passes(LEASE_S / 2)
    first.thaw()
    pool.passes(30)
    assert not first.is_fenced
    assert duties_of(first) == len(Duty)
    assert first.tables()["connections"] == 1


def test_a_store_that_is_away_for_all_ends_nobody(pool: Pool) -> None:
    """However long: whoever comes back first gives the others their time."""
    first, second = pool
    pool.expect("cannot be renewed", "the disk is broken")
    talk(first, "alice", "bob")
    for server in pool:
        server.disk.broken = server.leases.broken = True
    pool.passes(120)
    second.disk.broken = second.leases.broken = False
    pool.passes(1)
    first.disk.broken = first.leases.broken = False
    pool.passes(30)
    assert not any(server.is_fenced for server in pool)
    # Nobody was better off, so that nobody was sent there.
    assert first.tables()["connections"] == 2
    assert [one.node for one in open_sessions(pool)] == [first.node]
    homes = answer_of(first.ground.platform.nodes.all_homes(DUTIES))
    assert {one.epoch for one in homes} == {1}


@pytest.mark.parametrize("hears", [True, False])
def test_who_alone_does_not_reach_the_store_sends_its_clients_away(pool: Pool, hears: bool) -> None:
    """The others take it for dead, and she is reached by those there as soon as she has found one; over the bus it hears so, or nobody."""
    first, second = pool
    pool.expect("cannot be renewed", "the disk is broken", "is cut off from the store", "is known dead to the others")
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    pool.passes(5)
    first.disk.broken = first.leases.broken = True
    if not hears:
        pool.hub.loses = lambda sender, receiver, said: True
    pool.passes(LEASE_S / 2)
    assert alice.sip.is_connected
    pool.passes(LEASE_S * 2)
    assert not alice.sip.is_connected
    assert any("does not reach PostgreSQL" in str(row) for row in first.shell("conditions").rows)
    (back,) = second.sign_in("alice")
    bob.watches(back)
    pool.passes(1)
    assert bob.hears(back).availability == "available"
    first.disk.broken = first.leases.broken = False
    pool.passes(2)
    assert first.is_fenced


def shown(server: Stage, user: str) -> str | None:
    """Give the name of somebody as a server knows them; None: it does not."""
    person = server.ground.tables.people.person(Aor(f"sip:{user}@{DOMAIN}"))
    return None if person is None else person.display_name


def test_one_pulls_the_directory_and_all_know_of_it(pool: Pool) -> None:
    """A new name, somebody new, and somebody who has left: the second server asks nobody, and knows the same a moment later."""
    first, second = pool
    _, alice = second.sign_in("mallory", "alice")
    pulled = len(first.directory.cookies)
    first.changes("bob", display_name="Bobby")
    first.changes("grace")
    first.directory.people = [one for one in first.directory.people if one.key != "key-mallory"]
    first.pulls()
    pool.passes(2)
    assert len(first.directory.cookies) == pulled + 1
    for server in pool:
        assert (shown(server, "bob"), shown(server, "grace"), shown(server, "mallory")) == ("Bobby", "Grace", None)
    assert alice.sip.is_connected
    assert second.tables()["endpoints"] == 1
    second.sets_password("grace", "her own")
    second.actor("grace", password="her own").signs_in()
    owners = [server.ground.tables.people.owners.owner(Aor(f"sip:grace@{DOMAIN}")) for server in pool]
    assert owners[0] == owners[1] != ""


def test_people_who_exchange_addresses_do_so_everywhere(pool: Pool) -> None:
    """Nobody is two people meanwhile, and what is theirs stays theirs."""
    first, second = pool
    theirs = {user: second.ground.tables.people.owners.owner(Aor(f"sip:{user}@{DOMAIN}")) for user in ("bob", "carol")}
    directory = first.directory
    bob, carol = (next(one for one in directory.people if one.key == f"key-{user}") for user in ("bob", "carol"))
    rest = [one for one in directory.people if one not in (bob, carol)]
    directory.people = [*rest, replace(bob, aor=carol.aor), replace(carol, aor=bob.aor)]
    first.pulls()
    pool.passes(2)
    for server in pool:
        owners = server.ground.tables.people.owners
        assert (owners.owner(carol.aor), owners.owner(bob.aor)) == (theirs["bob"], theirs["carol"])
        assert (shown(server, "carol"), shown(server, "bob")) == ("Bob", "Carol")


def test_groups_are_the_same_everywhere(pool: Pool) -> None:
    """One that is new, one that has changed, and one that is gone."""
    first, _ = pool
    for groups in ([Group("old", "Old"), Group("team", "Team")], [Group("team", "The Team")]):
        first.directory.groups = list(groups)
        first.pulls()
        pool.passes(2)
        for server in pool:
            assert [one.name for one in server.ground.tables.groups.all_groups()] == [one.name for one in groups]


def test_what_one_was_not_told_is_found_all_the_same(pool: Pool) -> None:
    """The bus loses every fact: a look at the store finds what is new."""
    first, _ = pool
    pool.hub.loses = lambda sender, receiver, said: isinstance(said, Fact)
    first.changes("bob", display_name="Bobby")
    first.pulls()
    pool.passes(60)
    assert [shown(server, "bob") for server in pool] == ["Bobby", "Bobby"]


def test_the_next_pulls_when_one_is_dead(pool: Pool) -> None:
    """With where pulls stand, as the dead one has left it."""
    first, second = pool
    first.pulls()
    first.kill()
    pool.passes(DEAD_S)
    second.changes("bob", display_name="Bobby")
    second.pulls()
    assert shown(second, "bob") == "Bobby"
