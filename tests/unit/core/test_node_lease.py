"""Nodes of one store, on a clock of the test's: who is there, who is dead, and whose the duties are."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import DUTIES, Duty, INodes, NodeLease
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.node_lease import LeasedNode, OnlyNode
from lyncpy.core.timers import Timers
from tests.kit.fakes import Fragility
from tests.kit.leases import FragileLeases, NodesOfStore, only_node
from tests.kit.logs import overheard
from tests.kit.results import answer_of, result_of, started

LEASE_S = 6.0


class Server:
    """One node, with a clock of its own: it may be frozen while time passes for the others."""

    def __init__(self, pool: "Pool", name: str, *, is_connected: bool) -> None:
        self.clock, self.disk = Clock(), Fragility()
        self.begun_anew = 0
        self.lost: list[str] = []
        bus = MemoryBus(NodeName(name), self.clock)
        bus.listen(NodeLost, self._hear)
        self.leases = FragileLeases(pool.shared, self.disk)
        self.nodes = LeasedNode(
            NodeName(name),
            self.leases,
            f"host of {name}",
            bus=bus,
            timers=Timers(self.clock, lambda: 0.0),
            lease_s=LEASE_S,
            is_connected=is_connected,
            begin_anew=self._begin_anew,
        )
        self.opening = started(self.nodes.open())

    def _hear(self, fact: NodeLost) -> None:
        # Whoever hears of it has to know whose the duties are by now.
        self.lost.append(fact.node + ("!" if self.nodes.has_duty(Duty.LEAVINGS) else ""))

    def _begin_anew(self) -> None:
        self.begun_anew += 1

    @property
    def others(self) -> list[str]:
        """Give the names of those who are there."""
        return [one.name for one in self.nodes.others()]


class Pool:
    """Nodes of one store."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shared = NodesOfStore(self.clock.seconds)
        self.servers: dict[str, Server] = {}

    def start(self, name: str, *, is_connected: bool = True) -> Server:
        """Start a node."""
        server = self.servers[name] = Server(self, name, is_connected=is_connected)
        return server

    def passes(self, seconds: float, *, frozen: Sequence[str] = ()) -> None:
        """Let time pass for the store and for all who are not frozen."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            for name, server in self.servers.items():
                if name not in frozen:
                    server.clock.advance(0.1)
                    server.clock.advance(0)

    def wakes(self, name: str, seconds: float) -> None:
        """Let somebody find out that so much time has passed."""
        self.servers[name].clock.advance(seconds)
        self.servers[name].clock.advance(0)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """An empty one."""
    yield Pool()


def test_who_is_there_stays(pool: Pool) -> None:
    """However long: leases are renewed in time, and each duty is one node's."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(60)
    assert (a.others, b.others) == (["b"], ["a"])
    assert (a.nodes.epoch, b.nodes.epoch) == (1, 2)
    assert all(a.nodes.has_duty(duty) and not b.nodes.has_duty(duty) for duty in Duty)
    assert (a.lost, b.lost) == ([], [])


def test_who_is_killed_is_dead_for_all(pool: Pool) -> None:
    """Within the length of a lease and some; each finds out by itself, and one of them has the duties by then."""
    pool.start("a")
    b, c = pool.start("b"), pool.start("c")
    pool.passes(5)
    del pool.servers["a"]
    pool.passes(LEASE_S * 0.7)
    assert b.others == ["a", "c"]
    pool.passes(LEASE_S * 0.7)
    assert b.others == ["c"]
    assert c.others == ["b"]
    assert sorted(b.lost + c.lost) == ["a", "a!"]
    assert sum(one.nodes.has_duty(Duty.RETENTION) for one in (b, c)) == 1
    assert [one.name for one in b.nodes.gone()] == ["a"]
    homes = result_of(b.nodes.all_homes(DUTIES))
    assert {one.epoch for one in homes} == {2}


def test_who_was_frozen_begins_anew(pool: Pool) -> None:
    """It has no duty from the moment at which its lease may have run out, and is told by the store that it is dead."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    pool.passes(30, frozen=["a"])
    assert b.lost == ["a!"]
    assert a.begun_anew == 0
    pool.wakes("a", 30)
    assert not a.nodes.has_duty(Duty.LEAVINGS)
    assert a.begun_anew == 1
    pool.passes(30)
    assert a.begun_anew == 1


def test_who_slept_for_too_long_does_not_hold_its_lease(pool: Pool) -> None:
    """Until the store says that it does; and whoever is told by others that it is dead asks the store at once."""
    a = pool.start("a")
    pool.passes(5)
    assert a.nodes.is_held()
    held: list[bool] = []
    a.clock.callLater(LEASE_S / 8, lambda: held.append(a.nodes.is_held()))
    pool.passes(LEASE_S * 1.1, frozen=["a"])
    pool.wakes("a", LEASE_S * 1.1)
    assert (held, a.nodes.is_held()) == ([False], True)
    b = pool.start("b")
    pool.passes(5)
    a.nodes.doubt()
    a.nodes.doubt()
    assert not a.nodes.is_held()
    pool.passes(0.2)
    assert a.nodes.is_held()
    pool.passes(30, frozen=["a"])
    a.nodes.doubt()
    pool.wakes("a", 0.0)
    assert (a.begun_anew, a.nodes.is_held(), b.lost) == (1, False, ["a!"])
    a.nodes.doubt()


def test_while_the_store_is_away_nobody_is_taken_for_dead(pool: Pool) -> None:
    """So whoever cannot renew the lease goes on; whoever is alone always does."""
    a = pool.start("a")
    a.disk.broken = True
    pool.passes(60)
    assert a.nodes.is_held()
    only = only_node()
    only.doubt()
    assert only.is_held()


def test_a_short_freeze_is_nothing(pool: Pool) -> None:
    """Nobody has said that it is dead, and it goes on as it was."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    pool.passes(LEASE_S * 0.6, frozen=["a"])
    pool.wakes("a", LEASE_S * 0.6)
    pool.passes(20)
    assert (a.begun_anew, b.lost, a.nodes.has_duty(Duty.LEAVINGS)) == (0, [], True)


def test_a_lone_freeze_is_nothing(pool: Pool) -> None:
    """Whatever its length: there is nobody who would have ended it."""
    a = pool.start("a")
    pool.passes(60, frozen=["a"])
    pool.wakes("a", 60)
    pool.passes(5)
    assert (a.begun_anew, a.nodes.has_duty(Duty.LEAVINGS)) == (0, True)


def test_a_store_that_was_away_ends_nobody(pool: Pool) -> None:
    """All leases have run out when it comes back, and whoever renews first gives the others their time."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    a.disk.broken = b.disk.broken = True
    pool.passes(60)
    assert not a.nodes.has_duty(Duty.LEAVINGS)
    assert [one.concern for one in a.nodes.conditions()] == ["nodes"]
    assert "take it for dead: the disk is broken" in a.nodes.conditions()[0].finding
    b.disk.broken = False
    pool.passes(1.5)
    a.disk.broken = False
    pool.passes(20)
    assert (a.lost, b.lost, a.begun_anew, b.begun_anew) == ([], [], 0, 0)
    assert a.nodes.has_duty(Duty.LEAVINGS)
    assert not a.nodes.conditions()


def test_who_alone_cannot_reach_the_store_is_dead(pool: Pool) -> None:
    """The others see that nothing comes of it though the store works."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    a.disk.broken = True
    pool.passes(15)
    assert b.lost == ["a!"]
    assert a.begun_anew == 0
    a.disk.broken = False
    pool.passes(3)
    assert a.begun_anew == 1


def test_who_leaves_is_gone_at_once(pool: Pool) -> None:
    """Nobody waits for the end of its lease; what it had is another's."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    result_of(a.nodes.close())
    pool.passes(LEASE_S / 4 + 0.2)
    assert b.lost == ["a!"]
    assert (a.begun_anew, b.others) == (0, [])


def test_leaving_a_store_that_is_away(pool: Pool) -> None:
    """Takes no longer for that, and begins nothing anew."""
    a = pool.start("a")
    pool.shared.end(NodeName("a"))
    result_of(a.nodes.close())
    pool.passes(30)
    assert a.begun_anew == 0


@pytest.mark.parametrize(
    ("first", "second", "whose"),
    [(True, False, "this one has"), (False, True, "it has"), (False, False, "this one has")],
)
def test_several_need_a_bus(pool: Pool, first: bool, second: bool, whose: str) -> None:
    """The second is refused within a moment, with what to do; the first goes on, and knows nobody of it."""
    a = pool.start("a", is_connected=first)
    pool.passes(5)
    b = pool.start("b", is_connected=second)
    pool.passes(4)
    with pytest.raises(StoreUnavailable) as refused:
        answer_of(b.opening)
    sentence = f"another server, host of a, works with this database ([store] url), and {whose} no [bus] url"
    assert sentence in str(refused.value)
    pool.passes(20)
    assert (a.others, a.begun_anew, a.nodes.has_duty(Duty.LEAVINGS)) == ([], 0, True)


def test_one_without_a_bus_takes_the_place_of_its_dead_self(pool: Pool) -> None:
    """After a crash: it waits until the lease of before has run out, and starts."""
    pool.start("a", is_connected=False)
    pool.passes(5)
    del pool.servers["a"]
    b = pool.start("b", is_connected=False)
    pool.passes(LEASE_S + 1)
    assert b.opening.called
    assert b.nodes.has_duty(Duty.LEAVINGS)
    assert b.others == []


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_lease_that_ran_out_before_this_machine_was_started_is_over(pool: Pool, is_connected: bool) -> None:
    """After all machines were off: their clocks begin at 0, and the lease ran out before that."""
    pool.start("a", is_connected=is_connected)
    pool.passes(5)
    del pool.servers["a"]
    pool.passes(60)
    b = pool.start("b", is_connected=is_connected)
    pool.passes(LEASE_S)
    assert b.opening.called
    assert (b.lost, b.others, b.nodes.has_duty(Duty.LEAVINGS)) == (["a!"], [], True)


@pytest.mark.parametrize("failing", [["end"], ["take"], ["end", "take"]])
def test_a_lost_node_is_told_of_though_the_store_fails_meanwhile(pool: Pool, failing: list[str]) -> None:
    """Once it has been ended, no later look finds that out again."""
    pool.start("a")
    b = pool.start("b")
    pool.passes(5)
    del pool.servers["a"]
    b.leases.failing.extend(failing)
    pool.passes(2 * LEASE_S)
    assert b.lost == ["a!"]
    assert [one.name for one in b.nodes.gone()] == ["a"]
    assert not b.leases.failing


def test_who_left_is_told_of_though_the_store_fails_meanwhile(pool: Pool) -> None:
    """Likewise."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)
    result_of(a.nodes.close())
    b.leases.failing.append("take")
    pool.passes(LEASE_S)
    assert b.lost == ["a!"]


def test_a_renewal_that_meets_a_bug_is_tried_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease goes on, and what failed is logged and told to operators."""
    a, b = pool.start("a"), pool.start("b")
    pool.passes(5)

    def broken(node: NodeName, seconds: float) -> Deferred[Sequence[NodeLease]]:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch, overheard() as events:
        patch.setattr(a.leases, "renew", broken)
        pool.passes(LEASE_S / 4 + 0.1)
        assert "ZeroDivisionError: a bug" in a.nodes.conditions()[0].finding
    assert [one["what"] for one in events if "log_failure" in one] == ["the renewal of the lease"]
    pool.passes(30)
    assert (a.others, b.lost, a.begun_anew) == (["b"], [], 0)
    assert not a.nodes.conditions()


def test_who_is_dead_is_asked_of_the_store(pool: Pool) -> None:
    """Also a node that was never seen here; one that has just come is none of them."""
    a = pool.start("a")
    pool.start("b")
    names = [NodeName(name) for name in ("a", "b", "old")]
    assert result_of(a.nodes.find_dead(names)) == {"old"}
    assert result_of(a.nodes.find_dead(())) == frozenset()


def test_a_home_goes_to_another_when_its_node_is_dead(pool: Pool) -> None:
    """Or has given it up."""
    a, b = pool.start("a"), pool.start("b")
    mine = result_of(a.nodes.take_home("conference 1"))
    assert result_of(b.nodes.take_home("conference 1")) == mine
    result_of(a.nodes.give_up(mine))
    theirs = result_of(b.nodes.take_home("conference 1"))
    assert (theirs.node, theirs.epoch) == ("b", 2)


@pytest.mark.parametrize("kind", [OnlyNode, LeasedNode])
def test_they_are_what_they_say(kind: Any) -> None:  # Any: a class
    """Both keep the promise."""
    assert INodes.implementedBy(kind)


def test_the_only_node_has_all() -> None:
    """Every duty and every home; whoever was before it is dead."""
    node = only_node("here")
    result_of(node.open())
    assert (node.epoch, node.others(), node.gone()) == (1, (), ())
    assert all(node.has_duty(duty) for duty in Duty)
    assert result_of(node.find_dead([NodeName("here"), NodeName("old")])) == {"old"}
    home = result_of(node.take_home("x"))
    assert result_of(node.all_homes()) == (home,)
    result_of(node.give_up(home))
    assert result_of(node.all_homes()) == ()
    result_of(node.close())
