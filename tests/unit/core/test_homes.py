"""What is asked about something is answered by its home: the node that has it, or the one that is asked first while none has."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.contracts.nodes import Home
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.core.homes import MOVED, PATIENCE_S, TAKEN_AT_ONCE, Homes
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.relay import NodeGone, NodeUnreachable
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response, response_to
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.results import result_of, started

HERE, THERE = NodeName("here"), NodeName("there")
KEY = "conference 1"


class FakeNodes:
    """This node at a store that has another one, too."""

    node = HERE
    is_alone = False

    def __init__(self) -> None:
        self.shared = NodesOfStore(lambda: 0.0)
        self.leases = {name: MemoryLeases(self.shared) for name in (HERE, THERE)}
        for name, leases in self.leases.items():
            _ = leases.join(name, "", 1.0, is_connected=True)
        self.held = True
        self.is_away = False
        self.taken = 0

    def is_held(self) -> bool:
        """As the test says."""
        return self.held

    async def take_home(self, key: str) -> Home:
        """Take it."""
        self.taken += 1
        if self.is_away:
            raise StoreUnavailable("away")
        (home,) = await self.leases[HERE].take_homes([key], HERE)
        return home

    async def take_homes(self, keys: Collection[str]) -> Sequence[Home]:
        """Take them."""
        self.taken += 1
        homes: Sequence[Home] = await self.leases[HERE].take_homes(keys, HERE)
        return homes

    async def give_up(self, home: Home) -> None:
        """Give it up."""
        if self.is_away:
            raise StoreUnavailable("away")
        await self.leases[HERE].give_up(home)

    async def forget(self, key: str) -> None:
        """Forget it."""
        await self.leases[HERE].forget(key, HERE)


class Meetings:
    """What has homes: the test says which are there, and which run."""

    app = "app:conf:"

    def __init__(self) -> None:
        self.known, self.running = {KEY}, {KEY}
        self.begun: list[Home] = []
        self.ended: list[str] = []
        self.fails: Exception | None = None

    def key_of(self, uri: str) -> str:
        """All is about one."""
        return KEY

    async def is_known(self, key: str) -> bool:
        """As the test says."""
        return key in self.known

    async def begin(self, home: Home) -> None:
        """Note it."""
        if self.fails is not None:
            raise self.fails
        self.begun.append(home)

    def home_ended(self, key: str) -> None:
        """Note it."""
        self.ended.append(key)

    def is_running(self, key: str) -> bool:
        """As the test says."""
        return key in self.running


class Scene:
    """A node, and what it has the other one answer."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 0.0)
        self.bus = MemoryBus(HERE, self.clock)
        self.nodes, self.meetings = FakeNodes(), Meetings()
        self.answers: list[Any] = []
        """What comes of asking the other node, in order: a status, None, or what is raised."""

        nodes: Any = self.nodes  # Any: a part of INodes
        self.homes = Homes(nodes, self, self.bus, self.timers, KeyedLock(self.timers), "sip:fe;opaque=state:here;lr")
        _ = started(self.homes.open())
        self.asked: list[NodeName] = []
        self.here = 0
        self.waits: Deferred[None] | None = None

    async def ask(self, node: NodeName, arrival: Arrival) -> Response | None:
        """Be the relay."""
        self.asked.append(node)
        answer = self.answers.pop(0) if self.answers else NodeUnreachable(node)
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else response_to(arrival.request, answer)

    async def answer(self, arrival: Arrival) -> Response | None:
        """Answer as the home."""
        self.here += 1
        if self.waits is not None:
            await self.waits
        return response_to(arrival.request, 200)

    def asks(self, method: str = "INVITE", node: NodeName = HERE) -> list[object]:
        """Ask, and give a list in which the answer is put."""
        lines = [("From", "<sip:a@x>;tag=1"), ("To", "<sip:b@x>"), ("Call-ID", "c"), ("CSeq", f"1 {method}")]
        request = Request(method, "sip:b@x", Headers([("Via", "SIP/2.0/TLS x;branch=z9hG4bK1"), *lines]))
        arrival = Arrival(request, FlowName(f"{node}/1"), "", 0.0)
        heard: list[object] = []
        meetings: Any = self.meetings
        _ = started(self.homes.answer(meetings, KEY, self.answer, arrival)).addCallbacks(
            lambda answer: heard.append(answer and answer.status), lambda failure: heard.append(failure.value)
        )
        return heard

    def status(self, method: str = "INVITE", node: NodeName = HERE) -> object:
        """Ask, and give the status of the answer, which is there at once."""
        (answer,) = self.asks(method, node)
        return answer.status if isinstance(answer, Refused) else answer

    def is_theirs(self) -> None:
        """Have the other node be the home."""
        _ = self.nodes.leases[THERE].take_homes([KEY], THERE)

    def loses_them(self) -> None:
        """The other node is known dead."""
        self.nodes.shared.end(THERE)
        self.bus.tell_here(NodeLost(THERE))
        self.clock.advance(0)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A node beside another one."""
    scene = Scene()
    yield scene
    _ = started(scene.homes.close())


def test_who_is_asked_first_is_the_home(scene: Scene) -> None:
    """It goes on with the thing once, and the store is asked once."""
    assert [scene.status(), scene.status()] == [200, 200]
    assert scene.meetings.begun == [Home(KEY, HERE, 1)]
    assert (scene.nodes.taken, len(scene.homes), scene.homes.mine(KEY)) == (1, 1, Home(KEY, HERE, 1))


def test_the_home_answers(scene: Scene) -> None:
    """A request about what has its home elsewhere is answered there; whose it is, is known from then on."""
    scene.is_theirs()
    scene.answers = [200, 480, None]
    assert [scene.status(), scene.status(), scene.status("ACK")] == [200, 480, None]
    assert (scene.asked, scene.here, scene.nodes.taken) == ([THERE] * 3, 0, 1)


def test_what_is_not_there_has_no_home(scene: Scene) -> None:
    """Whoever is asked says so: nothing is written for names that clients make up."""
    scene.meetings.known.clear()
    assert (scene.status(), scene.nodes.taken) == (200, 0)


def test_the_next_one_goes_on_when_the_home_is_lost(scene: Scene) -> None:
    """Also with a request that the lost one may have seen; but not with words, which others would hear twice."""
    scene.is_theirs()
    scene.answers = [200]
    scene.status()
    scene.loses_them()
    assert (scene.status(), scene.meetings.begun) == (200, [Home(KEY, HERE, 2)])


@pytest.mark.parametrize(("method", "status"), [("INVITE", 200), ("SUBSCRIBE", 200), ("MESSAGE", 504), ("INFO", 504)])
def test_who_was_asked_when_it_was_lost(scene: Scene, method: str, status: int) -> None:
    """Its sender is told that nobody knows, or another one is asked."""
    scene.is_theirs()
    scene.answers = [200, NodeGone()]
    scene.status()
    scene.nodes.shared.end(THERE)
    assert scene.status(method) == status


def test_a_request_waits_until_it_is_known_who_goes_on(scene: Scene) -> None:
    """The home cannot be reached and is not known dead: as soon as it is, this node answers."""
    scene.is_theirs()
    heard = scene.asks("MESSAGE")
    scene.clock.pump([0.5] * 5)
    assert heard == []
    scene.loses_them()
    scene.clock.pump([0.5])
    assert heard == [200]


def test_a_request_does_not_wait_for_ever(scene: Scene) -> None:
    """Its sender is told to try again."""
    scene.is_theirs()
    heard = scene.asks()
    scene.clock.pump([0.5] * int(2 * PATIENCE_S + 1))
    (refused,) = heard
    assert isinstance(refused, Refused)
    assert (refused.status, refused.headers) == (503, (("Retry-After", "5"),))


def test_who_is_the_home_no_more_says_so(scene: Scene) -> None:
    """And is not asked again before the store was."""
    scene.is_theirs()
    scene.answers = [MOVED, 200]
    assert (scene.status(), scene.nodes.taken) == (200, 2)
    scene.answers = [MOVED] * 20
    assert scene.status() == 503


def test_no_request_goes_round(scene: Scene) -> None:
    """What another node has taken here, by mistake, goes back to it."""
    scene.is_theirs()
    assert scene.status(node=THERE) == MOVED


def test_what_does_not_run_has_no_home_for_long(scene: Scene) -> None:
    """The home is given up behind the last request, and forgotten where the thing is no more."""
    scene.meetings.running.clear()
    assert (scene.status(), len(scene.homes), scene.meetings.ended) == (200, 0, [KEY])
    assert scene.nodes.shared.homes[KEY].node == ""
    scene.waits = Deferred()
    first, second = scene.asks(), scene.asks()
    scene.meetings.known.clear()
    scene.waits.callback(None)
    assert (first, second, len(scene.homes), scene.nodes.shared.homes) == ([200], [200], 0, {})


def test_what_cannot_be_given_up_stays(scene: Scene) -> None:
    """While the store is away, as it was."""
    assert scene.status() == 200
    scene.meetings.running.clear()
    scene.nodes.is_away = True
    assert scene.status() == 200
    assert len(scene.homes) == 1
    scene.nodes.is_away = False
    meetings: Any = scene.meetings
    scene.homes.release_later(meetings, KEY)
    assert len(scene.homes) == 0


def test_what_cannot_be_gone_on_with_is_free(scene: Scene) -> None:
    """Whoever asked hears why; others may be able to."""
    scene.meetings.fails = StoreUnavailable("away")
    (error,) = scene.asks()
    assert isinstance(error, StoreUnavailable)
    assert (len(scene.homes), scene.nodes.shared.homes[KEY].node) == (0, "")


def test_who_may_be_dead_does_nothing(scene: Scene) -> None:
    """Others may have gone on without it."""
    assert scene.status() == 200
    scene.nodes.held = False
    assert (scene.status("MESSAGE"), scene.here) == (503, 1)


def test_homes_of_a_lost_node_are_asked_for_together(scene: Scene) -> None:
    """One statement for many: what another node has is remembered, the rest is begun with when it is this one's turn."""
    keys = [f"conference {number}" for number in range(TAKEN_AT_ONCE + 10)]
    meetings: Any = scene.meetings  # Any: a part of IHomed
    theirs = keys[::2]
    _ = scene.nodes.leases[THERE].take_homes(theirs, THERE)
    assert sorted(result_of(scene.homes.take_all(keys))) == sorted(keys[1::2])
    assert (scene.nodes.taken, scene.meetings.begun) == (2, [])
    assert result_of(scene.homes.find(meetings, keys[1])) == HERE
    assert result_of(scene.homes.find(meetings, keys[0])) == THERE
    assert (scene.nodes.taken, [one.key for one in scene.meetings.begun]) == (3, [keys[1]])
    assert result_of(scene.homes.take_all(keys[:2])) == []
