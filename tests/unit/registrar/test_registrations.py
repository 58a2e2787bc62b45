"""Who is signed in where, when the store or the news of others fail."""

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.facts import EndpointArrived, EndpointGone, EndpointGoneReason, NodeLost
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, FlowName, NodeName, Version, epid_of, instance_of
from lyncpy.contracts.nodes import NodeLease
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.node_lease import OnlyNode
from lyncpy.core.timers import Timers
from lyncpy.workloads.registrar.endpoint_record import RecordUnreadable, read_record, write_record
from lyncpy.workloads.registrar.endpoint_records import ASKED_MOST, KIND
from lyncpy.workloads.registrar.registrations import LEFT_S, RETRY_S, Registrations
from tests.kit.fakes import awaited
from tests.kit.leases import MemoryLeases, NodesOfStore
from tests.kit.results import answer_of, result_of

ALICE = Aor("sip:alice@example.com")
NODE = NodeName("n1")


class FragileRecordStore(MemoryRecordStore):
    """Volatile records that cannot be had, or are lost, when a test says so."""

    def __init__(self, wall: Any) -> None:
        super().__init__(wall)
        self.is_away = False
        self.reads = 0
        self._hear: list[Any] = []

    def read(self, kind: str, key: str) -> Any:
        self.reads += 1
        return fail(StoreUnavailable("away")) if self.is_away else super().read(kind, key)

    def write(self, kind: str, key: str, value: Any, expected: Version, expires: float | None = None) -> Any:
        return fail(StoreUnavailable("away")) if self.is_away else super().write(kind, key, value, expected, expires)

    def on_loss(self, hear: Any) -> None:
        self._hear.append(hear)

    def lose(self) -> None:
        """Lose every record, and say so."""
        for record in result_of(awaited(self.scan(KIND))):
            result_of(awaited(self.remove(KIND, record.key, record.version)))
        for hear in self._hear:
            hear()


class Neighbours(OnlyNode):
    """A node that has one living neighbour."""

    def __init__(self) -> None:
        super().__init__(NODE, MemoryLeases(NodesOfStore(lambda: 0.0)), "here")
        self.lost: tuple[NodeLease, ...] = ()

    def gone(self) -> tuple[NodeLease, ...]:
        return self.lost

    async def find_dead(self, names: Collection[NodeName]) -> frozenset[NodeName]:
        return frozenset(names) - {NODE, NodeName("n2")}


class Scene:
    """The registrations of one node, and those of another one in the store."""

    def __init__(self, nodes: "Neighbours | None" = None) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1000.0 + self.clock.seconds())
        self.bus = MemoryBus(NODE, self.clock)
        self.store = self.make_store()
        self.registrations = Registrations(NODE, self.store, self.bus, self.timers, nodes or Neighbours())
        self.registrations.open()
        self.facts: list[Any] = []
        self.bus.listen(EndpointArrived, self.facts.append)
        self.bus.listen(EndpointGone, self.facts.append)

    def make_store(self) -> FragileRecordStore:
        """Give where the records are."""
        return FragileRecordStore(self.timers.steady)

    def endpoint(self, epid: str = "a1", flow: str = "n1/1", expires_s: float = 600.0) -> Endpoint:
        """Give a device of Alice."""
        now = self.timers.now()
        return Endpoint(
            aor=ALICE,
            epid=epid_of(epid),
            instance=instance_of("0e324752-e1ab-56eb-8f4a-267c85a97459"),
            gruu="sip:alice@example.com;opaque=user:epid:x;gruu",
            contact="sip:10.0.0.1:5061",
            flow=FlowName(flow),
            user_agent="Purple",
            since=now,
            expires=now + expires_s,
            address="10.0.0.1",
        )

    def recorded(self) -> list[str]:
        """Give the flows that the record has."""
        record = result_of(awaited(self.store.read(KIND, ALICE)))
        return [] if record is None else [one.flow for one in read_record(ALICE, record.value, 0.0)]

    def others_write(self, *endpoints: Endpoint) -> Version:
        """Have another node write the record."""
        record = result_of(awaited(self.store.read(KIND, ALICE)))
        value = write_record(endpoints, self.timers.steady() - self.timers.now())
        version: Version = result_of(
            awaited(self.store.write(KIND, ALICE, value, Version(0) if record is None else record.version))
        )
        return version

    def flows(self) -> list[str]:
        """Give where Alice is, as others are told."""
        return [one.flow for one in result_of(awaited(self.registrations.endpoints(ALICE)))]

    def turn(self, seconds: float = 0.0) -> list[str]:
        """Let time pass; give what was told."""
        for part in (seconds, 0.0, 0.0, 0.0):
            self.clock.advance(part)
        facts, self.facts[:] = list(self.facts), []
        return [f"{one.reason.value} {one.last}" if isinstance(one, EndpointGone) else "arrived" for one in facts]


@pytest.fixture
def scene() -> Iterator[Scene]:
    """One node."""
    scene = Scene()
    yield scene
    scene.registrations.close()


def test_whoever_is_signed_in_is_in_the_store_and_answered_from_memory(scene: Scene) -> None:
    """One read when somebody comes, and none for those who ask then."""
    scene.registrations.own.register(scene.endpoint(), None)
    assert (scene.recorded(), scene.turn()) == (["n1/1"], ["arrived"])
    reads = scene.store.reads
    assert [scene.flows() for _ in range(3)] == [["n1/1"]] * 3
    assert scene.store.reads == reads
    assert scene.registrations.remove(scene.endpoint(), EndpointGoneReason.SIGNED_OUT)
    assert (scene.recorded(), scene.turn()) == ([], ["signed out True"])
    assert not scene.registrations.remove(scene.endpoint(), EndpointGoneReason.SIGNED_OUT)


def test_what_cannot_be_written_is_told_and_written_later(scene: Scene) -> None:
    """People who are connected go on; whoever is asked for and not known is not said to be away."""
    scene.store.is_away = True
    with pytest.raises(StoreUnavailable):
        scene.flows()
    scene.registrations.own.register(scene.endpoint(), None)
    assert (scene.turn(), scene.flows()) == (["arrived"], ["n1/1"])
    scene.store.is_away = False
    assert scene.recorded() == []
    assert scene.turn(RETRY_S) == []
    assert scene.recorded() == ["n1/1"]


def test_that_nothing_can_be_written_is_said_once(scene: Scene) -> None:
    """When it begins and when it is over, however many users there are, and however often it is tried."""
    scene.registrations.own.register(scene.endpoint(), None)
    with capturedLogs() as logged:
        scene.store.is_away = True
        for number in range(3):
            scene.registrations.own.register(scene.endpoint(f"b{number}", f"n1/{number + 2}"), None)
            scene.turn(RETRY_S)
        scene.store.is_away = False
        scene.turn(RETRY_S)
        scene.turn(RETRY_S)
    said = [str(event["log_format"]) for event in logged if "written down" in str(event.get("log_format"))]
    assert ["again" in text and "tried" not in text for text in said] == [False, True]


def test_what_the_store_has_lost_is_written_again(scene: Scene) -> None:
    """It says so; or a record is not there though nobody has removed it."""
    scene.registrations.own.register(scene.endpoint(), None)
    scene.store.lose()
    assert scene.recorded() == ["n1/1"]
    record = result_of(awaited(scene.store.read(KIND, ALICE)))
    result_of(awaited(scene.store.remove(KIND, ALICE, record.version)))
    result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert (scene.recorded(), scene.turn()) == (["n1/1"], ["arrived"])


def test_a_renewed_endpoint_is_written_down_before_its_record_ends(scene: Scene) -> None:
    """Not each time that it is renewed: only when the record would end before the endpoint."""
    scene.registrations.own.register(scene.endpoint(), None)
    first = result_of(awaited(scene.store.read(KIND, ALICE)))
    scene.registrations.renewed(scene.endpoint())
    assert result_of(awaited(scene.store.read(KIND, ALICE))) == first
    scene.registrations.own.register(scene.endpoint(expires_s=LEFT_S), None)
    scene.registrations.renewed(scene.endpoint(expires_s=LEFT_S))
    later = result_of(awaited(scene.store.read(KIND, ALICE)))
    assert later.version > first.version
    assert later.expires > first.expires + LEFT_S / 2


def test_a_sweep_finds_what_nobody_told(scene: Scene) -> None:
    """Who has come or gone at another node is told here alone; an endpoint of this one that is not there any more has to leave."""
    scene.registrations.own.register(scene.endpoint(), None)
    scene.turn()
    assert list(scene.registrations.records.held()) == [ALICE]
    version = scene.others_write(scene.endpoint(), scene.endpoint("b2", "n2/7"))
    assert scene.registrations.records.version_of(ALICE) != version
    result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert scene.registrations.records.version_of(ALICE) == version
    assert (scene.turn(), sorted(scene.flows())) == (["arrived"], ["n1/1", "n2/7"])
    scene.others_write(scene.endpoint())
    result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert (scene.turn(), scene.flows()) == (["connection lost False"], ["n1/1"])
    scene.others_write(scene.endpoint("a1", "n2/8"))
    result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert scene.turn() == ["replaced False", "arrived"]


def test_a_node_that_is_dead_has_nobody(scene: Scene) -> None:
    """Known from the store when its record is read first, or told; whoever writes the record next tells so."""
    scene.others_write(scene.endpoint("b2", "dead/7"))
    assert scene.flows() == []
    scene.bus.tell(NodeLost(NodeName("dead")))
    assert scene.turn() == ["connection lost True"]
    assert scene.recorded() == []
    assert scene.turn(60.0) == []


def test_who_was_lost_while_this_node_was_starting_has_nobody() -> None:
    """The duty may have been taken before this listened: that the node is lost is told once."""
    nodes = Neighbours()
    scene = Scene(nodes)
    scene.registrations.close()
    scene.others_write(scene.endpoint("b2", "dead/7"))
    nodes.lost = (NodeLease(NodeName("dead"), 1, "there", is_connected=True, left_s=-1.0, is_ended=True),)
    scene.registrations.open()
    assert scene.turn() == ["connection lost True"]
    assert scene.recorded() == []
    scene.registrations.close()


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"v":2,"endpoints":[]}', b'{"v":1,"endpoints":[{"epid":"a"}]}'])
def test_a_record_of_tomorrow_says_nothing(scene: Scene, value: bytes) -> None:
    """It is not read, and whoever signs in writes it anew."""
    with pytest.raises(RecordUnreadable):
        read_record(ALICE, value, 0.0)
    result_of(awaited(scene.store.write(KIND, ALICE, value, Version(0))))
    assert scene.flows() == []
    scene.registrations.own.register(scene.endpoint(), None)
    assert scene.recorded() == ["n1/1"]


def test_an_endpoint_is_read_as_it_was_written(scene: Scene) -> None:
    """Its times mean the same at another node, whatever its monotonic clock says."""
    endpoint = scene.endpoint("AbC")
    (read,) = read_record(ALICE, write_record([endpoint], 1000.0), 400.0)
    assert (read.since, read.expires) == (endpoint.since + 600.0, endpoint.expires + 600.0)
    assert (read.epid.written, read.flow, read.contact) == ("AbC", endpoint.flow, endpoint.contact)


class SlowRecordStore(FragileRecordStore):
    """Volatile records as those of a database: each answer comes when a test lets it."""

    def __init__(self, wall: Any) -> None:
        super().__init__(wall)
        self.is_slow = False
        self._late: list[Any] = []

    def read(self, kind: str, key: str) -> Any:
        return self._later(super().read(kind, key))

    def write(self, kind: str, key: str, value: Any, expected: Version, expires: float | None = None) -> Any:
        return self._later(super().write(kind, key, value, expected, expires))

    def _later(self, done: Any) -> Any:
        if not self.is_slow:
            return done
        late: Deferred[Any] = Deferred()
        self._late.append(lambda: done.addBoth(late.callback))
        return late

    def answer_one(self) -> None:
        """Have the first answer come."""
        self._late.pop(0)()

    def answer_all(self) -> None:
        """Have all answers come, those to what is asked then, too."""
        while self._late:
            self.answer_one()
        self.is_slow = False


class SlowScene(Scene):
    """A node whose store may take its time."""

    store: SlowRecordStore

    def make_store(self) -> SlowRecordStore:
        return SlowRecordStore(self.timers.steady)

    def begin_flows(self) -> Deferred[Any]:
        """Ask where Alice is."""
        self.store.is_slow = True
        return Deferred.fromCoroutine(self.registrations.endpoints(ALICE))


@pytest.fixture
def slow() -> Iterator[SlowScene]:
    """One node."""
    scene = SlowScene()
    yield scene
    scene.registrations.close()


def test_who_asks_while_a_record_is_read_gets_what_is_found(slow: SlowScene) -> None:
    """One read for all of them, and one refusal when there is nothing to be had."""
    slow.others_write(slow.endpoint("b2", "n2/7"))
    reads = slow.store.reads
    asked = [slow.begin_flows() for _ in range(3)]
    slow.store.answer_all()
    assert [[one.flow for one in answer_of(each)] for each in asked] == [["n2/7"]] * 3
    assert slow.store.reads == reads + 1
    slow.registrations.records.expire(ALICE)
    slow.store.is_away = True
    asked = [slow.begin_flows() for _ in range(2)]
    slow.store.answer_all()
    for each in asked:
        with pytest.raises(StoreUnavailable, match="away"):
            answer_of(each)


def test_what_changes_while_it_is_read_is_read_once_more(slow: SlowScene) -> None:
    """Also for those who asked before that."""
    first = slow.others_write(slow.endpoint("b2", "n2/7"))
    asked = [slow.begin_flows() for _ in range(2)]
    slow.store.is_slow = False
    second = slow.others_write(slow.endpoint("b2", "n2/8"))
    assert second > first
    slow.registrations.records.heard(EndpointArrived(ALICE, epid_of("b2"), FlowName("n2/8"), second))
    slow.store.answer_all()
    assert [[one.flow for one in answer_of(each)] for each in asked] == [["n2/8"]] * 2


def test_what_others_tell_while_a_record_is_written_counts(slow: SlowScene) -> None:
    """Their next version may be told before the store's answer to our own gets here."""
    slow.registrations.own.register(slow.endpoint(), None)
    slow.turn()
    slow.store.is_slow = True
    slow.registrations.own.register(slow.endpoint("c3", "n1/2"), None)
    slow.store.is_slow = False
    version = slow.others_write(slow.endpoint(), slow.endpoint("c3", "n1/2"), slow.endpoint("b2", "n2/7"))
    slow.registrations.records.heard(EndpointArrived(ALICE, epid_of("b2"), FlowName("n2/7"), version))
    slow.store.answer_all()
    assert sorted(slow.flows()) == ["n1/1", "n1/2", "n2/7"]


def test_whoever_has_moved_to_another_server_leaves_nothing_here(scene: Scene) -> None:
    """They are one of those who were asked for, of whom there are so many at most."""

    def leave(fact: EndpointGone) -> None:
        scene.registrations.drop(fact.aor, fact.epid, fact.flow)

    scene.bus.listen(EndpointGone, leave)
    scene.registrations.own.register(scene.endpoint(), None)
    scene.turn()
    version = scene.others_write(scene.endpoint("a1", "n2/8"))
    scene.bus.tell(EndpointGone(ALICE, epid_of("a1"), FlowName("n1/1"), EndpointGoneReason.REPLACED, False, version))
    scene.turn()
    assert (scene.flows(), scene.registrations.records.recorded) == (["n2/8"], {})
    for number in range(ASKED_MOST):
        scene.registrations.records.note(Aor(f"sip:visitor{number}@example.com"))
    assert ALICE not in scene.registrations.known_of
    assert not list(scene.registrations.records.held())


@pytest.mark.parametrize("is_here", [True, False])
def test_a_sweep_that_fails_finds_it_the_next_time(scene: Scene, is_here: bool) -> None:
    """Nobody is said to be gone because the store is away, and who is gone is told when it is back."""
    scene.others_write(scene.endpoint("b2", "n2/7"))
    if is_here:
        scene.registrations.own.register(scene.endpoint(), None)
    assert "n2/7" in scene.flows()
    scene.turn()
    scene.others_write(*([scene.endpoint()] if is_here else []))
    scene.store.is_away = True
    with pytest.raises(StoreUnavailable):
        result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert scene.turn() == []
    scene.store.is_away = False
    assert scene.registrations.records.version_of(ALICE) is not None
    result_of(awaited(scene.registrations.records.renew(ALICE)))
    assert scene.turn() == [f"connection lost {not is_here}"]
