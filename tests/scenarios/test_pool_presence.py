"""Presence in a pool: what a device publishes at one server is seen at all, whoever is first, and whatever fails."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lyncpy.contracts.facts import EndpointGone, EndpointGoneReason, Fact
from lyncpy.contracts.names import Aor, Epid, FlowName, NodeName
from tests.kit.actors import Actor
from tests.kit.pool import Pool
from tests.kit.results import answer_of
from tests.kit.stage import Stage

DEAD_S = 7.5
"""After which the others know that a server is dead: a lease, and half of one."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers that run."""
    with Pool.opened() as pool:
        yield pool


def test_a_watcher_at_another_server_sees_what_is_published(pool: Pool) -> None:
    """Alice is signed in at one server; Bob, who watches her at the other, sees each change."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    assert bob.hears(alice).availability == "available"
    for number, word in ((6500, "busy"), (9500, "do not disturb"), (3500, "available")):
        assert alice.publishes(number).status == 200
        pool.passes(1)
        assert bob.hears(alice).availability == word
    alice.publishes(note="in the library")
    pool.passes(1)
    assert bob.hears(alice).note == "in the library"


def test_who_comes_later_sees_what_was_published_before(pool: Pool) -> None:
    """And so does a server that was started since."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    alice.publishes(6500)
    third = pool.joins()
    for server, user in ((second, "bob"), (third, "carol")):
        (watcher,) = server.sign_in(user)
        watcher.watches(alice)
        assert watcher.hears(alice).availability == "busy"


def test_a_block_counts_at_every_server(pool: Pool) -> None:
    """Bob is blocked at one server, and sees Alice offline at the other, at once and for good; then the block is lifted."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    alice.blocks(bob)
    pool.passes(1)
    assert bob.hears(alice).availability == "offline"
    alice.publishes(6500)
    pool.passes(1)
    assert bob.hears(alice).availability == "offline"
    alice.allows(bob, container=300)
    pool.passes(1)
    assert bob.hears(alice).availability == "busy"


def test_two_devices_at_two_servers_are_one_person(pool: Pool) -> None:
    """Both publish at the same moment, and both count: Alice is at the computer that she is at."""
    first, second = pool
    (office,), (home,), (bob,) = first.sign_in("alice"), second.sign_in("alice"), second.sign_in("bob")
    bob.watches(office)
    with office.in_one_breath(), home.in_one_breath():
        exchanges = [office.publishes(note="in the office"), home.publishes(3500, machine=15500)]
    pool.passes(2)
    assert [one.status for one in exchanges] == [200, 200]
    assert bob.hears(office).availability == "available"
    assert bob.hears(office).note == "in the office"
    assert home.own.number() == office.own.number() == 3500


def test_who_publishes_the_same_at_once_is_told_to_look_again(pool: Pool) -> None:
    """The state that a person chose is one for all devices: of two that choose at once one is told of the other's choice."""
    first, second = pool
    (office,), (home,), (bob,) = first.sign_in("alice"), second.sign_in("alice"), second.sign_in("bob")
    bob.watches(office)
    pool.passes(2)
    with office.in_one_breath(), home.in_one_breath():
        exchanges = [office.publishes(6500), home.publishes(9500)]
    pool.passes(2)
    assert sorted(one.status for one in exchanges) == [200, 409]
    word = "busy" if exchanges[0].status == 200 else "do not disturb"
    assert bob.hears(office).availability == word
    assert home.publishes(12500).status == 200
    pool.passes(2)
    assert bob.hears(office).availability == "be right back"


def test_presence_goes_on_while_the_database_is_away(pool: Pool) -> None:
    """Who is here sees what is published here; the others see it once the database is there again."""
    first, second = pool
    (alice,), (carol,), (bob,) = first.sign_in("alice"), first.sign_in("carol"), second.sign_in("bob")
    for watcher in (bob, carol):
        watcher.watches(alice)
    first.disk.broken = True
    epid = int(alice.sip.epid[:8], 16) >> 4 | 0x30000000
    away = '<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" manual="false" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="machineState"><availability>15500</availability></state>'
    answer = alice.publishes_raw(*((("state", epid, container), "endpoint", away) for container in (2, 3)))
    pool.passes(2)
    assert answer.status == 200
    assert (carol.hears(alice).availability, bob.hears(alice).availability) == ("away", "available")
    first.disk.broken = False
    pool.passes(61)
    assert bob.hears(alice).availability == "away"


def test_presence_is_written_again_when_it_was_lost(pool: Pool) -> None:
    """The database has died and come back: nobody seems to be offline, and who comes then sees the same."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    alice.publishes(6500)
    pool.passes(1)
    pool.deployment.volatile.are_lost()
    pool.passes(1)
    assert bob.hears(alice).availability == "busy"
    third = pool.joins()
    (carol,) = third.sign_in("carol")
    carol.watches(alice)
    assert carol.hears(alice).availability == "busy"
    alice.publishes(3500)
    pool.passes(1)
    assert [one.hears(alice).availability for one in (bob, carol)] == ["available", "available"]


def test_one_publication_is_one_message_between_servers(pool: Pool) -> None:
    """Whoever reads it again tells nobody but those who are here."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    pool.passes(2)
    told: list[str] = []

    def passes(sender: NodeName, receiver: NodeName, said: object) -> bool:
        told.append(type(said).__name__)
        return False

    pool.hub.loses = passes
    alice.publishes(6500)
    pool.passes(2)
    assert bob.hears(alice).availability == "busy"
    assert told == ["BoardChanged"]


def test_a_clock_that_is_ahead_makes_nothing_older(pool: Pool) -> None:
    """A server that runs for hours reads what another wrote a blink ahead of it, and writes it again."""
    first, second = pool
    pool.passes(7200)
    first.step(0.05)
    (office,), (home,) = first.sign_in("alice"), second.sign_in("alice")
    (bob,), (carol,) = second.sign_in("bob"), first.sign_in("carol")
    bob.watches(office)
    carol.watches(office)
    assert office.publishes(note="back in an hour", lasts_s=3600).status == 200
    pool.passes(0.5)
    assert bob.hears(office).note == "back in an hour"
    assert home.publishes(note="for friends", container=400).status == 200
    pool.passes(60)
    assert [one.hears(office).note for one in (bob, carol)] == ["back in an hour"] * 2


def test_clocks_a_minute_apart_do_no_harm_however_often_they_write_in_turn(pool: Pool) -> None:
    """Each server reads and writes what the other has written; what was published before is not older by that."""
    first, second = pool
    first.step(30)
    second.step(-30)
    (office,), (home,), (bob,) = first.sign_in("alice"), second.sign_in("alice"), second.sign_in("bob")
    bob.watches(office)
    office.publishes(note="in the library", container=200, lasts_s=3600)
    for number in range(40):
        assert office.publishes(note=f"office {number}", container=300).status == 200
        pool.passes(25)
        assert home.publishes(note=f"home {number}", container=400).status == 200
        pool.passes(25)
    assert bob.hears(office).note == "in the library"


def test_what_was_taken_off_while_the_database_was_away_stays_off(pool: Pool) -> None:
    """Alice goes out of reach at one server, and meanwhile another of their devices publishes at another one."""
    first, second = pool
    (office,), (home,), (bob,) = first.sign_in("alice"), second.sign_in("alice"), second.sign_in("bob")
    bob.watches(office)
    home.publishes(3500, machine=15500)
    office.publishes_raw(*office.status(3500, 3500)[:3])
    pool.passes(1)
    assert bob.hears(office).availability == "available"
    first.disk.broken = True
    office.signs_out()
    pool.passes(1)
    home.publishes_raw(*home.status(3500, 15500)[:3])
    pool.passes(1)
    first.disk.broken = False
    pool.passes(61)
    assert bob.hears(office).availability == "away"
    [record] = [one for one in answer_of(pool.deployment.volatile.store.scan("board")) if one.key.startswith("alice")]
    assert json.loads(record.value)["homes"] == {home.sip.epid: "n2"}


def crowds(server: Stage) -> None:
    """Have the boards of all who are signed out leave the memory of a server, because those of others are read."""
    boards = server.unit("presence").boards
    for number in range(200):
        answer_of(boards.read(Aor(f"sip:crowd{number}@contoso.test")))


@pytest.fixture
def small() -> Iterator[Pool]:
    """Two servers that keep few boards in memory."""
    with Pool.opened(presence={"boards_in_memory": 100}) as pool:
        yield pool


def test_who_is_not_in_memory_is_watched_too(small: Pool) -> None:
    """Bob's server has forgotten Alice's board, who is signed out; then Alice comes, at another one."""
    first, second = small
    (bob,) = second.sign_in("bob")
    bob.watches(first.actor("alice"))
    crowds(second)
    (alice,) = first.sign_in("alice")
    assert second.unit("presence").boards.peek(Aor(alice.aor)) is not None
    small.passes(1)
    assert bob.hears(alice).availability == "available"


def test_a_lost_change_of_a_board_that_is_not_in_memory_is_found(small: Pool) -> None:
    """The bus has said nothing of it; the sweep tells of it once."""
    first, second = small
    (bob,), (alice,) = second.sign_in("bob"), first.sign_in("alice")
    alice.publishes(note="soon back")
    bob.watches(alice)
    alice.signs_out()
    small.passes(2)
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("offline", "soon back")
    small.passes(61)
    crowds(second)
    assert second.unit("presence").boards.peek(Aor(alice.aor)) is None
    small.hub.loses = lambda sender, receiver, said: type(said).__name__ == "BoardChanged"
    (again,) = first.sign_in("alice")
    again.publishes(6500, note="")
    small.passes(1)
    assert bob.hears(alice).availability == "offline"
    small.passes(61)
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("busy", "")


def breaks_when_told(server: Stage, kind: type[Fact]) -> None:
    """Have a server lose its database at the moment in which it tells a fact of a kind."""
    tell = server.bus.tell

    def told(fact: Fact) -> None:
        server.disk.broken = server.disk.broken or isinstance(fact, kind)
        tell(fact)

    server.bus.tell = told  # type: ignore[method-assign]  # a play may


def test_who_publishes_too_fast_is_gathered_for_longer_at_every_server() -> None:
    """Each counts what it hears of a device, wherever that is signed in."""
    with Pool.opened(presence={"publications_burst": 10, "publications_per_minute": 6}) as pool:
        first, second = pool
        (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
        bob.watches(alice)
        for number in range(30):
            assert alice.publishes(note=f"note {number}", container=200).status == 200
            pool.passes(0.1)
        alice.publishes(note="the last", container=200)
        pool.passes(0.5)
        assert bob.hears(alice).note != "the last"
        pool.passes(6)
        assert bob.hears(alice).note == "the last"


def gone(alice: Actor) -> EndpointGone:
    """Give the fact that Alice's only device is lost."""
    flow = FlowName("n1/1")
    return EndpointGone(Aor(alice.aor), Epid(alice.sip.epid), flow, EndpointGoneReason.CONNECTION_LOST, last=True)


def test_a_board_that_nobody_looks_at_is_mended_too(pool: Pool) -> None:
    """Also when the database is away at that moment: then a little later."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    alice.publishes(6500)
    breaks_when_told(second, EndpointGone)
    first.kill()
    pool.passes(DEAD_S)
    records = pool.deployment.volatile
    assert (second.disk.broken, len(answer_of(records.store.scan("board")))) == (True, 1)
    second.disk.broken = False
    pool.passes(31)
    assert answer_of(records.store.scan("board")) == ()


def test_who_moves_to_another_server_takes_what_they_say_along(pool: Pool) -> None:
    """The first server learns late that the device is not there any more, and takes nothing off that it has said since."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), first.sign_in("bob")
    bob.watches(alice)
    alice.publishes(3500)
    moved = second.actor("alice", number=1)
    moved.signs_in()
    assert moved.sip.epid == alice.sip.epid
    moved.publishes(6500)
    pool.passes(1)
    first.bus.tell(gone(alice))
    pool.passes(1)
    assert bob.hears(alice).availability == "busy"


def test_a_change_that_could_not_be_read_is_read_later(pool: Pool) -> None:
    """Bob's server hears that Alice has changed, and cannot look."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    second.disk.broken = True
    alice.publishes(6500)
    pool.passes(29)
    assert bob.hears(alice).availability == "available"
    pool.passes(29)
    second.disk.broken = False
    pool.passes(31)
    assert bob.hears(alice).availability == "busy"


def test_who_was_at_a_dead_server_is_offline_for_all(pool: Pool) -> None:
    """As soon as the others know that it is dead; who comes to one of them is there again, with what was chosen for good."""
    first, second = pool
    (alice,), (bob,) = first.sign_in("alice"), second.sign_in("bob")
    bob.watches(alice)
    alice.publishes(6500, note="in a meeting")
    pool.passes(1)
    first.kill()
    pool.passes(DEAD_S)
    assert bob.hears(alice).availability == "offline"
    (again,) = second.sign_in("alice")
    again.publishes(3500)
    pool.passes(1)
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("available", "in a meeting")


def test_a_device_elsewhere_keeps_its_user_there(pool: Pool) -> None:
    """Of two devices one was at the server that died: the other one's state is what counts then."""
    first, second = pool
    (office,), (home,), (bob,) = first.sign_in("alice"), second.sign_in("alice"), second.sign_in("bob")
    bob.watches(office)
    home.publishes(3500, machine=15500)
    office.publishes_raw(*office.status(3500, 3500)[:3])
    pool.passes(1)
    assert bob.hears(office).availability == "available"
    first.kill()
    pool.passes(DEAD_S)
    assert bob.hears(office).availability == "away"


def test_nobody_is_shown_by_what_a_dead_server_left(pool: Pool) -> None:
    """All servers have died at once; the next one finds what they had written, and shows nobody by it."""
    first, second = pool
    (alice,) = first.sign_in("alice")
    alice.publishes(6500)
    first.kill()
    second.kill()
    pool.passes(DEAD_S)
    third = pool.joins()
    pool.passes(DEAD_S)
    (carol,) = third.sign_in("carol")
    carol.watches(alice)
    assert carol.hears(alice).availability == "offline"
    pool.passes(1)
    keys = [record.key for record in answer_of(pool.deployment.volatile.store.scan("board"))]
    assert [key.partition("@")[0] for key in keys] == ["carol"]


def test_devices_at_five_servers_publish_at_once(pool: Pool) -> None:
    """Each change is written after the one before was seen, and nobody is told to come again."""
    servers = [*pool, *(pool.joins() for _ in range(3))]
    devices = [server.sign_in("alice")[0] for server in servers]
    pool.passes(2)
    for server in servers:
        server.disk.slow_down()
    with ExitStack() as breath:
        for device in devices:
            breath.enter_context(device.in_one_breath())
        exchanges = [device.publishes_raw(*device.status(3500, 3500)[:3]) for device in devices]
    # The database does one thing for each of them in turn, and so each but one is late, time and again.
    while any(len(server.disk) for server in servers):
        for server in servers:
            if len(server.disk):
                server.disk.do_one()
                pool.settle()
    for server in servers:
        server.disk.catch_up()
    pool.passes(2)
    assert [one.status for one in exchanges] == [200] * 5
    (bob,) = pool.joins().sign_in("bob")
    bob.watches(devices[0])
    assert bob.hears(devices[0]).availability == "available"
