"""Devices go from one server of a pool to another: to be together, or because theirs is full or leaves."""

from collections.abc import Iterator

import pytest

from tests.kit.actors import Actor
from tests.kit.pool import Pool
from tests.kit.stage import Stage

NAMED = {"name": "fe#.example.com", "drain_s": 2.0}


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers, each with a name of its own, that have heard of each other."""
    with Pool.opened(pool=NAMED) as pool:
        pool.passes(4)
        yield pool


def device(server: Stage, user: str, epid: str = "") -> Actor:
    """Give a device that has not signed in; the same one again, where its epid is given."""
    return server.actor(user, **({"epid": epid} if epid else {}))


def sent_on(pool: Pool, actor: Actor) -> Stage:
    """Have a device try to sign in, and give the server that it is sent on to."""
    answer = actor.sip.register().answer
    assert answer.status == 301, answer.status
    return pool.server_at(answer.headers.get("Contact") or "")


def comes(pool: Pool, server: Stage, user: str, epid: str = "") -> tuple[Stage, Actor]:
    """Have a device sign in wherever it is sent, as clients do; give where that was."""
    for _ in range(5):
        actor = device(server, user, epid)
        answer = actor.sip.register().answer
        if answer.status == 200:
            actor.asks_at_sign_in()
            return server, actor
        assert answer.status == 301, answer.status
        server, epid = pool.server_at(answer.headers.get("Contact") or ""), actor.sip.epid
    raise AssertionError("it is sent round in circles")


def said(one: Actor, other: Actor, text: str) -> bool:
    """Send a message; tell whether it was delivered as its answer says."""
    before = len(other.texts)
    status = one.pages(other, text).status
    assert (len(other.texts) > before) == (status == 200)
    return status == 200


# --- together


def test_a_users_devices_are_brought_together(pool: Pool) -> None:
    """The second device comes to another server than the first, and is sent on to that one."""
    first, second = pool
    comes(pool, first, "alice")
    assert comes(pool, second, "alice")[0] is first
    # Somebody else stays where they are.
    assert comes(pool, second, "bob")[0] is second
    assert len(first.shell("endpoints alice@example.com").rows) == 2


def test_who_comes_back_in_spite_of_it_is_served(pool: Pool) -> None:
    """A client that does not follow, or cannot reach the other's name, signs in where it is; a minute later it may be sent on again."""
    first, second = pool
    comes(pool, first, "alice")
    phone = device(second, "alice")
    assert sent_on(pool, phone) is first
    assert phone.sip.register().status == 200
    pool.passes(1)
    phone.signs_out()
    pool.passes(61)
    assert sent_on(pool, device(second, "alice", phone.sip.epid)) is first


def test_a_device_that_moves_is_not_sent_after_itself(pool: Pool) -> None:
    """Where it was signed in before is no other device."""
    first, second = pool
    _, phone = comes(pool, first, "alice")
    assert comes(pool, second, "alice", phone.sip.epid)[0] is second


def test_it_can_be_switched_off() -> None:
    """Then everybody stays where they come to."""
    with Pool.opened(pool={**NAMED, "bring_together": False}) as pool:
        first, second = pool
        pool.passes(1)
        comes(pool, first, "alice")
        assert comes(pool, second, "alice")[0] is second


def test_servers_without_names_send_nobody_on() -> None:
    """Nobody could follow."""
    with Pool.opened() as pool:
        first, second = pool
        pool.passes(1)
        comes(pool, first, "alice")
        assert comes(pool, second, "alice")[0] is second


def test_a_full_server_names_another(pool: Pool) -> None:
    """And refuses who comes back to it, for it has no room."""
    with Pool.opened(pool=NAMED, registrar={"endpoints_total": 1}) as pool:
        first, second = pool
        pool.passes(4)
        comes(pool, first, "alice")
        where, _ = comes(pool, first, "bob")
        assert where is second
        pool.passes(6)
        # Both are full, and say so.
        assert device(first, "carol").sip.register().status == 503


def test_a_name_that_several_processes_have_sends_nobody_round(pool: Pool) -> None:
    """Two processes of one machine have its name, and whoever is sent there comes to either of them: both serve them."""
    with Pool.opened(2, pool={**NAMED, "name": "fe1.example.com"}) as pool:
        one, other = pool
        pool.servers.append(Stage(pool.deployment, pool={**NAMED, "name": "fe2.example.com"}))
        elsewhere = pool.servers[-1]
        pool.passes(4)
        comes(pool, one, "alice")
        # At the process beside it there is no name by which the first could be reached.
        assert comes(pool, other, "alice")[0] is other
        for lands_at in (one, other):
            tablet = device(elsewhere, "alice")
            assert tablet.sip.register().answer.headers.get("Contact") == "<sip:fe1.example.com:5061;transport=tls>"
            assert device(lands_at, "alice", tablet.sip.epid).sip.register().status == 200
        # One of the two leaves: the other one is nobody's refuge by a name that is its own, too.
        one.inside.drain.begin()
        pool.passes(1)
        assert comes(pool, one, "bob")[0] is elsewhere


# --- leaving


def test_a_server_leaves_and_nobody_is_lost(pool: Pool) -> None:
    """Its devices lose their connections one after the other, come back and are sent on; when none is left it ends."""
    first, second = pool
    users = ("alice", "bob", "carol", "dave", "erin")
    devices = {user: comes(pool, first, user)[1] for user in users}
    pool.passes(1)
    assert second.shell(f"drain {first.node}").note.startswith("it leaves")
    connected = []
    for _ in range(50):
        pool.passes(0.1)
        connected.append(sum(one.sip.is_connected for one in devices.values()))
        for user, one in devices.items():
            if not one.sip.is_connected:
                where, devices[user] = comes(pool, first, user, one.sip.epid)
                assert where is second
    assert connected[0] == 5, "others hear of it first"
    assert min(connected) >= 3, "not all at once"
    assert first.wants_to_end
    first.stop()
    pool.passes(10)
    assert len(second.shell("endpoints").rows) == 5
    assert said(devices["alice"], devices["bob"], "still here")


def test_a_leaving_server_says_so(pool: Pool) -> None:
    """In `nodes` of every server, and among what is wrong with it."""
    first, second = pool
    comes(pool, first, "alice")
    second.shell("drain fe1.example.com")
    pool.passes(0.2)
    for server in pool:
        (row,) = [row for row in server.shell("nodes").rows if row[0] == first.node]
        assert row[8:11] == ("fe1.example.com:5061", "0 of 1 moved", "")
    assert any("this server leaves" in str(row) for row in first.shell("conditions").rows)
    pool.passes(5)
    assert first.wants_to_end


def test_who_signs_in_at_a_server_that_leaves_and_has_no_other_to_name_is_told_when_to_come_again() -> None:
    """503 with Retry-After: DNS leads to others, too."""
    with Pool.opened(pool={"drain_s": 600.0}) as pool:
        first, _second = pool
        pool.passes(1)
        first.sign_in("alice")
        first.shell(f"drain {first.node}")
        answer = device(first, "bob").sip.register().answer
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "15")
        pool.passes(5)
        assert first.wants_to_end


def test_a_device_that_renews_itself_moves_without_a_gap(pool: Pool) -> None:
    """It is told by the answer to its REGISTER, and signed in at the other before its old connection ends."""
    first, second = pool
    _, alice = comes(pool, first, "alice")
    first.shell(f"drain {first.node}")
    assert sent_on(pool, alice) is second
    assert comes(pool, second, "alice", alice.sip.epid)[0] is second


@pytest.mark.parametrize("renews", [False, True])
def test_whoever_is_moved_is_not_seen_offline(pool: Pool, renews: bool) -> None:
    """Whether their connection is closed or they are told at their next REGISTER: watchers see what they chose until they choose again."""
    first, second = pool
    (bob,) = second.sign_in("bob")
    _, alice = comes(pool, first, "alice")
    bob.watches(alice)
    alice.publishes(6500)
    pool.passes(1)
    seen = {bob.hears(alice).availability}
    first.shell(f"drain {first.node}")
    if renews:
        assert sent_on(pool, alice) is second
    while alice.sip.is_connected and not renews:
        seen.add(bob.hears(alice).availability)
    moved = device(second, "alice", alice.sip.epid)
    # A client takes a moment to come back, and another one to publish.
    for _ in range(3):
        seen.add(bob.hears(alice).availability)
    assert moved.sip.register().status == 200
    for _ in range(3):
        seen.add(bob.hears(alice).availability)
    assert seen == {"busy"}
    moved.asks_at_sign_in()
    pool.passes(30)
    assert bob.hears(alice).availability == "available"


def test_whoever_is_moved_and_does_not_come_back_is_offline(pool: Pool) -> None:
    """After some seconds: then it was no move."""
    first, second = pool
    (bob,) = second.sign_in("bob")
    _, alice = comes(pool, first, "alice")
    bob.watches(alice)
    alice.publishes(6500)
    first.shell(f"drain {first.node}")
    pool.passes(1)
    assert not alice.sip.is_connected
    assert bob.hears(alice).availability == "busy"
    pool.passes(10)
    assert bob.hears(alice).availability == "offline"
    assert second.shell("endpoints alice@example.com").rows == []


def test_what_a_moved_device_does_not_publish_again_is_taken_off(pool: Pool) -> None:
    """It is signed in at another server, and says nothing there."""
    first, second = pool
    (bob,) = second.sign_in("bob")
    _, alice = comes(pool, first, "alice")
    bob.watches(alice)
    alice.publishes(6500)
    assert device(second, "alice", alice.sip.epid).sip.register().status == 200
    pool.passes(1)
    assert bob.hears(alice).availability == "busy"
    pool.passes(10)
    assert bob.hears(alice).availability != "busy"


def test_a_departure_can_be_called_off(pool: Pool) -> None:
    """From any server; who has moved stays where they are, and others sign in again."""
    first, second = pool
    _, alice = comes(pool, first, "alice")
    second.shell(f"drain {first.node}")
    assert second.shell(f"drain {first.node} --cancel").note == "it stays"
    pool.passes(30)
    assert alice.sip.is_connected
    assert not first.wants_to_end
    assert comes(pool, first, "bob")[0] is first


def test_the_last_server_does_not_leave(pool: Pool) -> None:
    """Nobody would take its users; and a name that means nobody is refused."""
    first, second = pool
    first.stop()
    pool.passes(10)
    with pytest.raises(Exception, match="no other server"):
        second.shell(f"drain {second.node}")
    with pytest.raises(Exception, match="see: nodes"):
        second.shell("drain fe9.example.com")


def test_servers_that_all_leave_end_at_once() -> None:
    """As when one machine with all of them is shut down: nobody would take their devices."""
    with Pool.opened(pool={**NAMED, "drain_s": 600.0}) as pool:
        pool.passes(4)
        for server, user in zip(pool, ("alice", "bob"), strict=True):
            server.sign_in(user)
        for server in pool:
            server.inside.drain.begin()
        pool.passes(1)
        assert [server.wants_to_end for server in pool] == [True, True]


def test_what_is_under_way_is_answered_before_a_connection_ends(pool: Pool) -> None:
    """Bob is slow to answer a message; Alice's connection waits for him."""
    first, _second = pool
    _, alice = comes(pool, first, "alice")
    _, bob = comes(pool, first, "bob")
    bob.ignores_messages = True
    sending = alice.pages(bob, "are you there?")
    assert sending.is_pending
    first.shell(f"drain {first.node}")
    pool.passes(3)
    assert alice.sip.is_connected
    assert bob.sip.is_connected
    pool.passes(20)
    assert sending.status == 430
    assert first.wants_to_end


class Talkers:
    """People who talk all the time, and come back to whichever server takes them when they lose theirs."""

    def __init__(self, pool: Pool, users: tuple[str, ...]) -> None:
        self.pool = pool
        self.devices = {user: comes(pool, pool.servers[n % len(pool.servers)], user)[1] for n, user in enumerate(users)}
        self.heard: dict[str, set[bytes]] = {user: set() for user in users}
        self.acknowledged: list[tuple[str, bytes]] = []
        self.unsaid = 0
        self._number = 0

    def come_back(self) -> None:
        """Sign in again where the connection was lost; the first server that runs is asked, as DNS has them in an order."""
        for user, device in self.devices.items():
            if not device.sip.is_connected:
                self._keep(user)
                server = next(one for one in self.pool if one.is_running)
                self.devices[user] = comes(self.pool, server, user, device.sip.epid)[1]

    def talk(self) -> None:
        """Have each say something to the next; note what is answered with 200."""
        users = list(self.devices)
        for user, other in zip(users, users[1:] + users[:1], strict=True):
            self._number += 1
            text = f"message {self._number}"
            status = self.devices[user].pages(self.devices[other], text).status
            if status == 200:
                self.acknowledged.append((other, text.encode()))
            else:
                self.unsaid += 1

    def goes_on(self, seconds: float) -> None:
        """Let time pass, in which they talk."""
        for _ in range(int(seconds / 0.5)):
            self.talk()
            self.pool.passes(0.5)
            self.come_back()

    def lost(self) -> list[tuple[str, bytes]]:
        """Give what was acknowledged and not delivered."""
        for user in self.devices:
            self._keep(user)
        return [(user, text) for user, text in self.acknowledged if text not in self.heard[user]]

    def _keep(self, user: str) -> None:
        self.heard[user] |= {text.body for text in self.devices[user].texts}


def test_every_server_is_restarted_in_turn_and_no_message_is_lost() -> None:
    """Each of three leaves, ends and comes back, while people talk: whatever was answered with 200 has been delivered."""
    with Pool.opened(3, pool=NAMED) as pool:
        pool.passes(4)
        talkers = Talkers(pool, ("alice", "bob", "carol", "dave"))
        talkers.goes_on(1)
        for server in pool:
            node = server.node
            pool.servers[0].shell(f"drain {node}")
            talkers.goes_on(6)
            assert server.wants_to_end
            server.stop()
            talkers.goes_on(1)
            server.start()
            talkers.goes_on(7)
        assert talkers.lost() == []
        assert len(talkers.acknowledged) > 100
        assert talkers.unsaid < 10
        for server in pool:
            assert sum(row[3] != "" for row in server.shell("nodes").rows) == 1
