"""What nodes send one another arrives in order and complete, whatever the bus does, or its loss is told."""

from collections.abc import Iterator, Mapping
from itertools import count
from random import Random
from typing import Any

import pytest

from lyncpy.contracts.bus import SENT_MOST
from lyncpy.contracts.names import NodeName
from lyncpy.core.node_channel import (
    DEAD_MOST,
    GIVE_UP_S,
    NODES_MOST,
    NodeChannels,
)
from lyncpy.core.timers import Timers
from lyncpy.core.under_way import SHARES, UNDER_WAY_BYTES, UNDER_WAY_BYTES_ALL
from tests.kit.clocks import Clocks
from tests.kit.hub import Hub

HERE, THERE = NodeName("here"), NodeName("there")


class Pair:
    """Two nodes; each writes down what it hears of the other, and whom it gives up."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.hub = Hub()
        self.heard: dict[NodeName, list[tuple[int, bytes]]] = {HERE: [], THERE: []}
        self.lost: dict[NodeName, list[NodeName]] = {HERE: [], THERE: []}
        self.living = {HERE, THERE}
        self.channels = {node: self._node(node) for node in (HERE, THERE)}
        self.here, self.there = self.channels[HERE], self.channels[THERE]

    def _node(self, node: NodeName) -> NodeChannels:
        clock = self.clocks.new()
        channels = NodeChannels(
            self.hub.bus(node, clock), Timers(clock, clock.seconds), lambda name: name in self.living
        )

        def hear(sender: NodeName, said: Mapping[str, Any], body: bytes) -> None:
            assert sender != node
            self.heard[node].append((said["number"], body))

        channels.hear("said", hear)
        channels.on_lost(self.lost[node].append)
        return channels

    def say(self, *numbers: int) -> None:
        """Send from here."""
        for number in numbers:
            assert self.here.send(THERE, "said", f"body {number}".encode(), number=number)

    def numbers(self, node: NodeName = THERE) -> list[int]:
        """Give what was heard."""
        assert all(body == f"body {number}".encode() for number, body in self.heard[node])
        return [number for number, _ in self.heard[node]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two nodes; at the end neither owes the other anything."""
    pair = Pair()
    yield pair
    pair.hub.loses = lambda sender, receiver, said: False
    pair.clocks.passes(120)
    assert (len(pair.here), len(pair.there)) == (0, 0)


def test_messages_arrive_in_order_and_once(pair: Pair) -> None:
    """Those of both sides, with their bytes."""
    pair.say(*range(10))
    assert pair.there.send(HERE, "said", b"body 77", number=77)
    pair.clocks.settle()
    assert (pair.numbers(), pair.numbers(HERE)) == ([*range(10)], [77])


@pytest.mark.parametrize("every", [2, 3, 5, 7])
def test_what_the_bus_loses_and_repeats_arrives_all_the_same(pair: Pair, every: int) -> None:
    """A gap is seen by the next message, or by nothing being heard; copies are dropped."""
    chance = Random(10 * every)
    pair.hub.loses = lambda sender, receiver, said: chance.random() < 1 / every
    pair.hub.copies = 2
    pair.hub.delay_s = 0.01
    for start in range(0, 60, 6):
        pair.say(*range(start, start + 6))
        pair.clocks.passes(0.1)
    pair.clocks.passes(60)
    assert pair.numbers() == [*range(60)]
    assert pair.lost == {HERE: [], THERE: []}


def test_a_gap_is_mended_at_once(pair: Pair) -> None:
    """Who misses a message asks for it with the next one, and does not wait for the other side's patience."""
    places = count()
    pair.hub.loses = lambda sender, receiver, said: sender == HERE and next(places) == 0
    pair.say(1, 2, 3)
    pair.clocks.settle()
    assert pair.numbers() == [1, 2, 3]


def test_a_short_cut_is_survived(pair: Pair) -> None:
    """What is said while there is no bus arrives when there is one again."""
    pair.say(1)
    pair.clocks.settle()
    pair.clocks.passes(0.1)
    pair.hub.cut(HERE)
    pair.say(2, 3)
    pair.clocks.passes(GIVE_UP_S - 5)
    assert pair.numbers() == [1]
    pair.hub.mend(HERE)
    pair.clocks.passes(5)
    assert pair.numbers() == [1, 2, 3]
    assert pair.lost == {HERE: [], THERE: []}


def test_who_is_not_heard_is_given_up_and_may_come_back(pair: Pair) -> None:
    """All that was under way is lost, which is told once; the next message begins anew."""
    pair.say(1)
    pair.clocks.passes(1)
    pair.hub.cut(THERE)
    pair.say(2)
    pair.clocks.passes(GIVE_UP_S + 5)
    assert (pair.lost[HERE], len(pair.here)) == ([THERE], 0)
    pair.hub.mend(THERE)
    pair.say(3)
    pair.there.send(HERE, "said", b"body 4", number=4)
    pair.there.send(HERE, "said", b"body 5", number=5)
    pair.clocks.passes(1)
    assert (pair.numbers(), pair.numbers(HERE)) == ([1, 3], [4, 5])


def test_who_was_given_up_and_did_not_notice_goes_on(pair: Pair) -> None:
    """One side has forgotten how far the other had come; what it had then does not come again, and the rest does."""
    pair.there.send(HERE, "said", b"body 1", number=1)
    pair.clocks.passes(1)
    pair.here.forget(THERE)
    pair.there.send(HERE, "said", b"body 2", number=2)
    pair.clocks.passes(1)
    assert pair.numbers(HERE) == [1, 2]


def test_what_cannot_be_sent_is_said_at_once(pair: Pair) -> None:
    """Too much, too large, or to somebody who was never heard while there is no bus."""
    pair.hub.cut(HERE)
    assert not pair.here.send(THERE, "said", number=1)
    pair.hub.mend(HERE)
    assert not pair.here.send(THERE, "said", b"x" * SENT_MOST, number=1)
    pair.say(1)
    pair.clocks.passes(1)
    pair.hub.loses = lambda sender, receiver, said: receiver == THERE
    size = 500_000
    sent = [pair.here.send(THERE, "other", b"x" * size) for _ in range(20)]
    assert sent.count(True) == UNDER_WAY_BYTES // size
    assert sent[-1] is False


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (1, 1), (2, 3)])
def test_who_was_given_up_hears_of_it_by_what_is_said_next(pair: Pair, before: int, after: int) -> None:
    """Once, before the first message of the new run; with how much of one's own the other side had taken till then."""
    anew: list[tuple[NodeName, int, int]] = []
    pair.there.on_begun_anew(lambda node, taken: anew.append((node, taken, len(pair.heard[THERE]))))
    pair.say(1)
    for number in range(before):
        pair.there.send(HERE, "said", b"", number=number)
    pair.clocks.passes(1)
    pair.here.forget(THERE)
    for number in range(after):
        pair.there.send(HERE, "said", b"", number=number)
    pair.say(2)
    pair.clocks.passes(60)
    assert anew == [(HERE, before, 1)]
    assert pair.numbers() == [1, 2]
    assert pair.there.last_sent(HERE) == before + after


def test_who_was_given_up_hears_of_it_by_an_acknowledgement(pair: Pair) -> None:
    """The other side may have nothing to say of its own, before and after."""
    anew: list[NodeName] = []
    pair.there.on_begun_anew(lambda node, number: anew.append(node))
    pair.there.send(HERE, "said", b"body 1", number=1)
    pair.clocks.passes(1)
    pair.here.forget(THERE)
    pair.there.send(HERE, "said", b"body 2", number=2)
    pair.clocks.passes(1)
    assert (anew, pair.numbers(HERE)) == ([HERE], [1, 2])


def test_what_is_small_is_sent_though_there_is_no_room_for_more(pair: Pair) -> None:
    """That something large could not be sent can be said, and that is bounded, too."""
    pair.hub.loses = lambda sender, receiver, said: sender == HERE
    while pair.here.send(THERE, "other", b"x" * 500_000):
        pass
    while pair.here.send(THERE, "other", b"x" * 20_000):
        pass
    small = 10_000
    sent = [pair.here.send(THERE, "other", b"x" * small) for _ in range(200)]
    assert 100 <= sent.count(True) < 110
    assert sent[-1] is False


def test_nothing_is_sent_or_kept_for_a_node_that_is_not_there(pair: Pair) -> None:
    """Whoever makes names up, makes no work: not even what is under way to others is forgotten for them."""
    pair.say(1)
    for number in range(NODES_MOST + 10):
        assert not pair.here.send(NodeName(f"made up {number}"), "said", number=1)
    assert (pair.here.nodes, len(pair.here), pair.lost[HERE]) == (1, 1, [])


@pytest.mark.untraced
def test_who_is_there_is_never_forgotten_for_another(pair: Pair) -> None:
    """When there is no room for one more, one that has gone makes it; if all are there, no talk begins."""
    pair.say(1)
    others = [NodeName(f"node {number}") for number in range(NODES_MOST)]
    pair.living.update(others)
    assert [pair.here.send(node, "said", number=1) for node in others].count(True) == NODES_MOST - 1
    pair.hub.bus(others[-1], pair.clocks.new()).send(HERE, b'{"v":1,"s":1,"n":1,"f":1,"a":[0,0],"k":"said"}\n')
    pair.clocks.settle()
    assert (pair.here.nodes, pair.lost[HERE], pair.numbers()) == (NODES_MOST, [], [1])
    pair.living.discard(others[7])
    assert pair.here.send(others[-1], "said", number=1)
    assert (pair.here.nodes, pair.lost[HERE]) == (NODES_MOST, [others[7]])


def test_who_says_much_leaves_room_for_others(pair: Pair) -> None:
    """An eighth of it is for each user and each conference; whoever has nothing under way may say one thing of any size."""
    pair.hub.loses = lambda sender, receiver, said: receiver == THERE
    size = 500_000
    sent = [pair.here.send(THERE, "other", b"x" * size, share="alice") for _ in range(20)]
    assert sent == [True, True] + [False] * 18
    assert pair.here.send(THERE, "other", b"x" * 950_000, share="bob")
    assert [pair.here.send(THERE, "other", b"x" * size) for _ in range(3)] == [True] * 3
    assert not pair.here.send(THERE, "other", b"x" * 100_000, share="bob")
    pair.hub.loses = lambda sender, receiver, said: False
    pair.clocks.passes(10)
    assert len(pair.here) == 0
    pair.hub.loses = lambda sender, receiver, said: receiver == THERE
    assert [pair.here.send(THERE, "other", b"x" * size, share="alice") for _ in range(20)] == sent
    pair.here.forget(THERE)
    assert [pair.here.send(THERE, "other", b"x" * size, share="alice") for _ in range(20)] == sent


def test_who_says_much_to_all_leaves_room_for_others(pair: Pair) -> None:
    """The same holds for what is under way to all nodes together."""
    pair.hub.loses = lambda sender, receiver, said: sender == HERE
    pair.living.update(others := [NodeName(f"node {number}") for number in range(20)])
    size = 700_000
    assert all(pair.here.send(node, "said", b"", share="alice", number=1) for node in others)
    sent = [pair.here.send(node, "said", b"x" * size, share="alice", number=2) for node in others]
    assert sent.count(True) == UNDER_WAY_BYTES_ALL // SHARES // size
    assert pair.here.send(others[-1], "said", b"x" * size, share="bob", number=1)
    pair.clocks.passes(GIVE_UP_S + 10)


def test_what_many_hear_is_counted_once(pair: Pair) -> None:
    """The copies of what somebody says in a conference have one body, which is there once, and crosses once."""
    pair.hub.loses = lambda sender, receiver, said: receiver == THERE
    body = b"x" * 100_000
    assert all(pair.here.send(THERE, "other", body, share="conference", to=number) for number in range(100))
    assert not pair.here.send(THERE, "other", b"x" * 950_000, share="conference")


def test_what_is_under_way_to_all_is_bounded(pair: Pair) -> None:
    """By bytes, those of the line counted; what is acknowledged, or given up, makes room."""
    pair.hub.loses = lambda sender, receiver, said: sender == HERE
    pair.living.update(others := [NodeName(f"node {number}") for number in range(10)])
    size = UNDER_WAY_BYTES // 16
    sent = [pair.here.send(node, "said", b"x" * (size - 1_000), words="y" * 900) for node in others for _ in range(16)]
    assert sent.count(True) == UNDER_WAY_BYTES_ALL // size
    pair.clocks.passes(GIVE_UP_S + 10)
    pair.hub.loses = lambda sender, receiver, said: False
    assert len(pair.here) == 0
    pair.say(*range(3))
    pair.clocks.passes(1)
    assert len(pair.here) == 0
    pair.hub.loses = lambda sender, receiver, said: sender == HERE
    again = [pair.here.send(node, "said", b"x" * (size - 1_000), words="y" * 900) for node in others for _ in range(16)]
    assert again == sent


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no line end",
        b"[]\n",
        b"{\n",
        b'{"v":2,"s":1,"n":1,"f":1,"a":[0,0],"k":"said"}\n',
        b'{"v":1,"s":1,"n":true,"f":1,"a":[0,0],"k":"said"}\n',
        b'{"v":1,"s":1,"n":1,"f":1,"a":[0],"k":"said"}\n',
        b'{"v":1,"s":1,"n":1,"f":1,"a":0,"k":"said"}\n',
        b'{"v":1,"s":1,"n":1,"f":1,"a":[0,0],"k":1}\n',
        b'{"v":1,"s":1,"n":1,"f":1,"a":[0,0],"k":"unknown"}\n',
        b'{"v":1,"s":1,"n":0,"f":1,"a":[9,9],"k":"taken"}\n',
    ],
)
def test_what_cannot_be_read_is_passed_over(pair: Pair, data: bytes) -> None:
    """Another version, a kind of tomorrow, or nothing at all: the talk goes on."""
    pair.hub.bus(NodeName("other"), pair.clocks.new()).send(HERE, data)
    pair.clocks.settle()
    pair.say(1)
    pair.clocks.settle()
    assert (pair.numbers(), pair.numbers(HERE)) == ([1], [])


def test_who_is_known_dead_is_not_heard_and_hears_so(pair: Pair) -> None:
    """It may only have slept: nothing that it says is taken, and it is told that it was given up."""
    told: list[bool] = []
    pair.here.on_buried(lambda: told.append(True))
    pair.say(1)
    pair.clocks.passes(1)
    pair.there.bury(HERE)
    assert pair.lost[THERE] == [HERE]
    assert not pair.there.send(HERE, "said", number=7)
    pair.say(2)
    pair.clocks.passes(1)
    assert (pair.numbers(), set(told)) == ([1], {True})
    # Beyond a number of dead the first one is forgotten; what it had under way comes again.
    for number in range(DEAD_MOST):
        pair.there.bury(NodeName(f"n{number}"))
    pair.clocks.passes(60)
    assert pair.numbers() == [1, 2]


def test_what_is_said_in_one_turn_crosses_as_one(pair: Pair) -> None:
    """However much that is; bytes that several carry do so once. What is too much for one message makes several."""
    pair.say(0)
    pair.clocks.passes(1)
    crossed: list[bytes] = []

    def note(sender: object, receiver: object, said: object) -> bool:
        assert isinstance(said, bytes)
        crossed.append(said)
        return False

    pair.hub.loses = note
    body = b"body 7" * 1_000
    for _ in range(20):
        assert pair.here.send(THERE, "said", body, number=7)
    pair.clocks.settle()
    assert pair.heard[THERE][1:] == [(7, body)] * 20
    assert [len(said) < 2 * len(body) for said in crossed] == [True]
    crossed.clear()
    for size in (400_000, 400_000, 400_000, 1):
        assert pair.here.send(THERE, "said", bytes(size), number=size)
    for number in range(1_000):
        assert pair.here.send(THERE, "said", b"", number=number)
    pair.clocks.settle()
    assert [number for number, _ in pair.heard[THERE][21:]] == [400_000, 400_000, 400_000, 1, *range(1_000)]
    assert 3 <= len(crossed) <= 6
    assert max(map(len, crossed)) <= SENT_MOST


@pytest.mark.parametrize(
    "said",
    [b'"of":[{"k":"said"}],"l":[1]', b'"of":[{"k":"said"}],"l":[]', b'"of":[{"k":1}],"l":[0]', b'"of":[{"k":"said"}],"l":[-2]', b'"of":7'],
)  # fmt: skip
def test_what_cannot_be_parted_is_passed_over(pair: Pair, said: bytes) -> None:
    """It counts as not come, and the other side says it again."""
    pair.hub.bus(NodeName("other"), pair.clocks.new()).send(
        HERE, b'{"v":1,"s":1,"n":1,"f":1,"a":[0,0],"k":"many",' + said + b"}\n"
    )
    pair.clocks.settle()
    assert pair.numbers(HERE) == []
