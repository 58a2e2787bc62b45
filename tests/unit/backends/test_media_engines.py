"""Engines behind Unix sockets: calls are begun, engines die, are silent or lie, and whoever has a call is told."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.media_engines import ANSWER_S, BEAT_S, PAUSE_S, MediaEngines
from lyncpy.backends.media_settings import Settings
from lyncpy.contracts.media import IMediaCall, IMediaEngines, IMediaListener, LegTerms, MediaUnavailable
from lyncpy.contracts.workload import IUnit
from lyncpy.core.timers import Timers
from lyncpy.media.model.desk import Desk
from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
    Codec,
    Connect,
    Declined,
    Digit,
    Ended,
    LegFigures,
    LocalLeg,
    Measured,
    Reached,
    Ready,
    RemoteLeg,
    write,
)
from tests.kit.meters import MemoryMeter
from tests.kit.results import answer_of, result_of, started

SETTINGS = Settings(engines=("a.sock", "b.sock"), client_address="192.0.2.1", gateway_address="192.0.2.2")
LEGS = (LegTerms(faces_clients=True), LegTerms(faces_clients=False))
FIGURES = (LegFigures(5, 6), LegFigures(7, 8))
FAR = RemoteLeg(Codec("PCMA", 8), -1, "192.0.2.9", 4000)


class EngineEnd:
    """The other end of a connection: an engine that does what it is asked as soon as it is heard."""

    def __init__(self, reactor: Any, number: int, calls_most: int = 5) -> None:  # Any: a reactor in memory
        self.path, factory = reactor.unixClients[number][:2]
        self.desk = Desk(Ready(1, calls_most, ("PCMA",)))
        self.questions: list[Any] = []  # Any: of each kind
        self.transport = StringTransport()
        self.declines = ""
        self._line = factory.buildProtocol(None)
        self._line.makeConnection(self.transport)
        self.says(self.desk.take())

    def says(self, data: bytes) -> None:
        """Send anything."""
        self._line.dataReceived(data)

    def works(self) -> None:
        """Carry out what has come."""
        data = self.transport.value()
        self.transport.clear()
        for asked in self.desk.hear(data):
            question = asked.question
            self.questions.append(question)
            if self.declines:
                self.desk.decline(asked, self.declines)
            elif isinstance(question, Allocate):
                local = [LocalLeg(one.address, one.lowest, one.lowest + 1) for one in question.legs]
                self.desk.allocated(question.call, Allocated(tuple(local)))
            elif isinstance(question, Connect):
                self.desk.done(asked)
            else:
                self.desk.measured(asked, Measured(FIGURES))
        self.says(self.desk.take())

    def tells(self, event: Reached | Digit | Ended) -> None:
        """Tell of an event."""
        self.desk.tell(event)
        self.says(self.desk.take())

    def dies(self) -> None:
        """Close the connection."""
        self._line.connectionLost(Failure(ConnectError()))


@implementer(IMediaListener)
class Listener:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def reached(self, leg: int) -> None:
        self.heard.append(("reached", leg))

    def dialled(self, leg: int, digit: str) -> None:
        self.heard.append(("dialled", leg, digit))

    def lost(self, reason: str) -> None:
        self.heard.append(reason)


class Room:
    """Two engines, which are there."""

    def __init__(self) -> None:
        self.reactor: Any = MemoryReactorClock()  # Any: mypy does not know it for a reactor
        self.meter = MemoryMeter()
        timers = Timers(self.reactor, lambda: 0.0)
        self.engines = MediaEngines([Path("/a.sock"), Path("/b.sock")], SETTINGS, self.reactor, timers, self.meter)
        result_of(self.engines.open())
        self.ends = [EngineEnd(self.reactor, 0), EngineEnd(self.reactor, 1)]
        self.listener = Listener()

    def begins(self) -> "Deferred[IMediaCall]":
        """Ask for a call."""
        return started(self.engines.begin(LEGS, self.listener))

    def has_begun(self) -> IMediaCall:
        """Give a call that is there, of the first engine that is free."""
        waiting = self.begins()
        for end in self.ends:
            end.works()
        return answer_of(waiting)

    def passes(self, seconds: float) -> None:
        """Have time pass in which engines are silent."""
        for _ in range(int(seconds)):
            self.reactor.advance(1.0)


@pytest.fixture
def room() -> Room:
    """Give two engines that are there."""
    return Room()


def name_of(end: EngineEnd) -> str:
    """Give the name of its only call."""
    (name,) = end.desk.calls
    return name


def test_a_call_has_legs_where_the_settings_say(room: Room) -> None:
    """One faces clients, the other gateways; it is connected, measured and ended."""
    assert IMediaEngines.providedBy(room.engines) and IUnit.providedBy(room.engines)
    call = room.has_begun()
    assert [one.address for one in call.local] == ["192.0.2.1", "192.0.2.2"]
    for ask, answer in (
        (lambda: call.connect(1, FAR), None), (lambda: call.figures(), FIGURES), (lambda: call.hang_up(), FIGURES),
    ):  # fmt: skip
        waiting = started(ask())
        room.ends[0].works()
        assert answer_of(waiting) == answer
    assert answer_of(call.hang_up()) == ()
    assert room.meter.value("lyncpy_media_calls_count") == 0


def test_what_happens_is_told(room: Room) -> None:
    """Digits, ICE, and that the engine gives it up; after that nothing, and nothing can be asked."""
    call = room.has_begun()
    name = name_of(room.ends[0])
    for event in (Reached(name, 0), Digit(name, 1, "5"), Ended(name, "no way"), Digit(name, 1, "6")):
        room.ends[0].tells(event)
    assert room.listener.heard == [("reached", 0), ("dialled", 1, "5"), "no way"]
    with pytest.raises(MediaUnavailable, match="is over"):
        answer_of(call.figures())


def test_the_engine_with_fewest_calls_has_the_next(room: Room) -> None:
    """And when one is full, or declines, the other has it."""
    room.has_begun()
    room.has_begun()
    assert [len(end.desk.calls) for end in room.ends] == [1, 1]
    room.ends[0].declines = "no ports"
    waiting = room.begins()
    room.ends[0].works()
    room.ends[1].works()
    assert answer_of(waiting) is not None
    assert [len(end.desk.calls) for end in room.ends] == [1, 2]
    room.ends[1].declines = "none here either"
    waiting = room.begins()
    room.ends[0].works()
    room.ends[1].works()
    with pytest.raises(MediaUnavailable, match="none here either"):
        answer_of(waiting)
    assert room.meter.value("lyncpy_media_refused_total") == 1


def test_the_death_of_an_engine_ends_its_calls_with_a_reason(room: Room) -> None:
    """What waits goes to another one; it is connected to again, and a condition says so meanwhile."""
    call = room.has_begun()
    room.has_begun()
    waiting = room.begins()
    room.ends[0].dies()
    assert room.listener.heard == ["the media engine at /a.sock is gone: it has closed the connection"]
    room.ends[1].works()
    assert answer_of(waiting) is not None
    with pytest.raises(MediaUnavailable):
        answer_of(call.connect(0, FAR))
    [condition] = room.engines.conditions()
    assert (condition.concern, condition.key) == ("media", "/a.sock")
    assert ("media engines", "1 of 2") in room.engines.states()
    room.passes(PAUSE_S)
    room.ends[0] = EngineEnd(room.reactor, 2)
    assert room.ends[0].path == "/a.sock"
    assert room.engines.conditions() == []
    assert room.meter.value("lyncpy_media_lost_engines_total") == 1


def test_an_engine_that_is_not_there_is_tried_again(room: Room) -> None:
    """And no call is begun, where there is none."""
    for end in room.ends:
        end.dies()
    with pytest.raises(MediaUnavailable, match="no media engine is there"):
        answer_of(room.engines.begin(LEGS, room.listener))
    room.passes(PAUSE_S)
    for number in (2, 3):
        room.reactor.unixClients[number][1].clientConnectionFailed(None, Failure(ConnectError(string="no such file")))
    assert all("no such file" in one.finding for one in room.engines.conditions())
    room.passes(PAUSE_S)
    assert len(room.reactor.unixClients) == 6


def test_an_engine_that_does_not_answer_is_given_up(room: Room) -> None:
    """It is asked every few seconds whether it lives; its calls are over when it does not say so."""
    room.has_begun()
    room.passes(BEAT_S + ANSWER_S)
    assert all(end.transport.disconnecting for end in room.ends)
    assert ["has not answered" in str(one) for one in room.listener.heard] == [True]


def test_an_engine_that_lives_stays(room: Room) -> None:
    """However long nothing is asked of it."""
    for _ in range(60):
        room.passes(1.0)
        for end in room.ends:
            end.works()
    assert room.engines.conditions() == []


@pytest.mark.parametrize("said", [b"x\n", write(99, Declined("?")), b"a" * 70_000])
def test_an_engine_that_says_what_cannot_be_is_let_go(room: Room, said: bytes) -> None:
    """With its calls: of one that is broken nobody knows where sound goes."""
    room.has_begun()
    room.ends[0].says(said)
    assert room.ends[0].transport.disconnecting
    assert ["it said what cannot be" in str(one) for one in room.listener.heard] == [True]
    room.ends[0].says(said)


def test_whoever_stops_waiting_leaves_no_call(room: Room) -> None:
    """The engine is told that it is not wanted."""
    waiting = room.begins()
    _ = waiting.addErrback(lambda _: None)
    waiting.cancel()
    room.ends[0].works()
    room.ends[0].works()
    assert room.ends[0].desk.calls == ()
    assert room.ends[1].questions == []


def test_the_end_of_the_server_is_that_of_all_calls(room: Room) -> None:
    """Nothing is tried again."""
    room.has_begun()
    result_of(room.engines.close())
    assert room.listener.heard == ["the media engine at /a.sock is gone: the server ends"]
    assert all(end.transport.disconnecting for end in room.ends)
    room.passes(60.0)
    assert len(room.reactor.unixClients) == 2
    with pytest.raises(MediaUnavailable):
        answer_of(room.engines.begin(LEGS, room.listener))


def test_a_connection_that_comes_too_late_is_let_go() -> None:
    """The server has ended meanwhile."""
    reactor: Any = MemoryReactorClock()  # Any: as above
    timers = Timers(reactor, lambda: 0.0)
    engines = MediaEngines([Path("/a.sock")], SETTINGS, reactor, timers, MemoryMeter())
    result_of(engines.open())
    result_of(engines.close())
    assert EngineEnd(reactor, 0).transport.disconnecting


def test_without_engines_nothing_is_said() -> None:
    """A server that needs none has no condition and no row, and says what is missing when it is asked."""
    reactor: Any = MemoryReactorClock()  # Any: as above
    engines = MediaEngines([], Settings(), reactor, Timers(reactor, lambda: 0.0), MemoryMeter())
    assert (engines.conditions(), engines.states()) == ([], ())
    with pytest.raises(MediaUnavailable, match=r"\[media\] engines"):
        answer_of(engines.begin(LEGS, Listener()))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"engines": "a.sock"}, "client_address is missing"),
        ({"client_address": "example.com"}, "is no address"),
        ({"port_lowest": 2000, "port_highest": 2001}, "four ports"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], why: str) -> None:
    """With the name of the setting."""
    with pytest.raises(ValueError, match=why):
        Settings(**given)


def test_engines_may_be_one_or_several() -> None:
    """As other lists of settings."""
    assert Settings(engines=["a", "b"], client_address="::1").engines == ("a", "b")  # type: ignore[arg-type] # as TOML has it
    assert Settings(engines="").engines == ()  # type: ignore[arg-type] # as TOML has it
