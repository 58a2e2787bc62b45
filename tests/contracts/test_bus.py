"""The promise IBus within one node, on every implementation; what nodes tell and ask each other is in test_bus_nodes.py."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs

from lyncpy.backends import bus as backend
from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts import bus as questions
from lyncpy.contracts.bus import BusTimeout, IBus
from lyncpy.contracts.facts import Fact, FlowClosed
from lyncpy.contracts.names import FlowName, NodeName
from lyncpy.core.timers import Timers
from tests.kit.meters import MemoryMeter
from tests.kit.results import started
from tests.kit.turns import turn

HERE = NodeName("here")


@dataclass(frozen=True, slots=True)
class Question(questions.Question):
    """How is it?"""

    answer_type: ClassVar[type[Any]] = str
    text: str = "how"


def closed(name: str) -> FlowClosed:
    """A fact that is easily told from others."""
    return FlowClosed(FlowName(name), "")


class TurnClock(Clock):
    """A clock on which a call for "now" waits for the next turn, as it does in a reactor."""

    TURN_S = 2.0**-20

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        """Call in a later turn."""
        return super().callLater(max(delay, self.TURN_S), callable, *args, **kwargs)

    def turn(self) -> None:
        """Let one reactor turn pass."""
        self.advance(self.TURN_S)


class Stage:
    """A bus and its clock, and a listener that writes down what it hears."""

    def __init__(self, kind: str) -> None:
        self.clock = TurnClock()
        self.bus = MemoryBus(HERE, self.clock) if kind == "memory" else self._alone()
        self.heard: list[str] = []

    def _alone(self) -> NatsBus:
        """Give a bus that no NATS server takes: within the node nobody notices."""
        timers = Timers(self.clock, lambda: 0.0)
        return NatsBus(HERE, Settings(url="nats://127.0.0.1"), Path(), self.clock, timers, MemoryMeter())

    async def hear(self, fact: FlowClosed) -> None:
        """Write down."""
        self.heard.append(fact.flow)

    def turn(self, turns: int = 1) -> None:
        """Let reactor turns pass."""
        for _ in range(turns):
            self.clock.turn()


@pytest.fixture(params=["memory", "nats"])
def scene(request: pytest.FixtureRequest) -> Stage:
    """A bus without listeners."""
    return Stage(request.param)


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """What is logged meanwhile."""
    with capturedLogs() as events:
        yield events


def test_is_what_it_says(scene: Stage) -> None:
    """The implementation declares the promise."""
    assert IBus.providedBy(scene.bus)


def test_a_fact_is_heard_in_a_later_turn(scene: Stage) -> None:
    """Who tells has gone on before anybody hears, also in the same process."""
    scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.tell(closed("1"))
    assert scene.heard == []
    scene.turn()
    assert scene.heard == ["1"]


def test_facts_are_heard_in_order_by_all(scene: Stage) -> None:
    """Each listener hears every fact once, in the order in which they were told."""
    other: list[str] = []

    async def hear_too(fact: FlowClosed) -> None:
        other.append(fact.flow)

    scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.listen(FlowClosed, hear_too)
    for n in range(5):
        scene.bus.tell(closed(str(n)))
    scene.turn()
    assert scene.heard == other == ["0", "1", "2", "3", "4"]


def test_who_has_nothing_to_wait_for_hears_the_same(scene: Stage, logged: Sequence[LogEvent]) -> None:
    """A plain function hears in order beside one that waits; it stays when it fails, and hears no more when it stops."""
    heard: list[str] = []

    def hear(fact: FlowClosed) -> None:
        heard.append(fact.flow)
        if fact.flow == "1":
            scene.bus.tell(closed("told while it hears"))
            raise ZeroDivisionError
        if fact.flow == "2":
            listening.stop()

    listening = scene.bus.listen(FlowClosed, hear)
    scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.tell(closed("1"))
    scene.turn()
    assert (heard, [event["fact"] for event in logged if "hear" in event]) == (["1"], ["FlowClosed"])
    scene.turn()
    scene.bus.tell(closed("2"))
    scene.bus.tell(closed("3"))
    scene.turn(2)
    assert heard == ["1", "told while it hears", "2"]
    assert scene.heard == [*heard, "3"]


def test_only_facts_of_exactly_this_kind_are_heard(scene: Stage) -> None:
    """A listener for all facts hears none of the particular ones."""
    scene.bus.listen(Fact, scene.hear)  # type: ignore[arg-type]  # it hears nothing at all
    scene.bus.tell(closed("1"))
    scene.turn()
    assert scene.heard == []


def test_a_slow_listener_hears_one_fact_at_a_time(scene: Stage) -> None:
    """The next fact waits until the listener has ended with the one before; other listeners do not."""
    gates: list[Deferred[None]] = []

    async def hear_slowly(fact: FlowClosed) -> None:
        gates.append(Deferred())
        await gates[-1]

    scene.bus.listen(FlowClosed, hear_slowly)
    scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.tell(closed("1"))
    scene.bus.tell(closed("2"))
    scene.turn(3)
    assert (len(gates), scene.heard) == (1, ["1", "2"])

    gates[0].callback(None)
    scene.turn()
    assert len(gates) == 2


def test_a_listener_that_fails_stays(scene: Stage, logged: Sequence[LogEvent]) -> None:
    """Its failure is in the log, and it hears the next fact."""

    async def fail_first(fact: FlowClosed) -> None:
        if fact.flow == "1":
            raise ZeroDivisionError
        await scene.hear(fact)

    scene.bus.listen(FlowClosed, fail_first)
    scene.bus.tell(closed("1"))
    scene.bus.tell(closed("2"))
    scene.turn()
    assert scene.heard == ["2"]
    assert [event["log_failure"].type for event in logged if "log_failure" in event] == [ZeroDivisionError]


def test_a_fact_told_while_hearing_waits_for_its_turn(scene: Stage) -> None:
    """Two listeners that answer each other do not keep the reactor for themselves."""

    async def tell_again(fact: FlowClosed) -> None:
        await scene.hear(fact)
        scene.bus.tell(closed(fact.flow + "!"))

    scene.bus.listen(FlowClosed, tell_again)
    scene.bus.tell(closed("1"))
    scene.turn()
    assert scene.heard == ["1"]
    scene.turn(2)
    assert scene.heard == ["1", "1!", "1!!"]


def test_who_stops_listening_hears_no_more(scene: Stage) -> None:
    """Also not what was told before; stopping twice is no error."""
    listening = scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.tell(closed("1"))
    listening.stop()
    listening.stop()
    scene.bus.tell(closed("2"))
    scene.turn(2)
    assert scene.heard == []


def test_a_listener_may_stop_while_it_hears(scene: Stage) -> None:
    """The first fact is enough for it."""

    async def once(fact: FlowClosed) -> None:
        await scene.hear(fact)
        listening.stop()

    listening = scene.bus.listen(FlowClosed, once)
    scene.bus.tell(closed("1"))
    scene.bus.tell(closed("2"))
    scene.turn(2)
    assert scene.heard == ["1"]


def test_who_listens_later_hears_what_is_told_later(scene: Stage) -> None:
    """A fact is for those who listen when it is told."""
    scene.bus.tell(closed("1"))
    scene.bus.listen(FlowClosed, scene.hear)
    scene.turn()
    scene.bus.tell(closed("2"))
    scene.turn()
    assert scene.heard == ["2"]


def test_a_listener_that_never_ends_does_not_fill_the_memory(
    scene: Stage, monkeypatch: pytest.MonkeyPatch, logged: Sequence[LogEvent]
) -> None:
    """Past a bound its facts are lost, which is logged once."""
    monkeypatch.setattr(backend, "BEHIND_BOUND", 3)

    async def never_end(fact: FlowClosed) -> None:
        await Deferred()

    scene.bus.listen(FlowClosed, never_end)
    scene.bus.tell(closed("1"))
    scene.turn()
    for _ in range(9):
        scene.bus.tell(closed("2"))
    assert len(scene.bus) == 3
    assert [event["count"] for event in logged if "is lost" in str(event.get("log_format"))] == [3]


def test_nothing_is_written_for_others_while_none_can_hear_it(logged: Sequence[LogEvent]) -> None:
    """A fact that is told without a NATS server is counted: one too large for a message is not even looked at."""
    scene = Stage("nats")
    assert isinstance(scene.bus, NatsBus)
    scene.bus.listen(FlowClosed, scene.hear)
    scene.bus.tell(FlowClosed(FlowName("1"), "x" * 500_000))
    scene.turn()
    assert (scene.heard, scene.bus.untold()) == (["1"], 1)
    assert [event for event in logged if "not told" in str(event.get("log_format"))] == []


def test_facts_of_other_nodes_wait_within_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes, for all listeners together; what this node tells itself is heard beside them, in order."""
    monkeypatch.setattr(backend, "FAR_BYTES", 1_000)
    scene = Stage("memory")
    bus = scene.bus
    assert isinstance(bus, MemoryBus)
    bus.listen(FlowClosed, scene.hear)
    assert bus.tell_from_afar(closed("1"), 600)
    assert not bus.tell_from_afar(closed("2"), 600)
    bus.tell(closed("3"))
    assert bus.tell_from_afar(closed("4"), 400)
    scene.turn()
    assert scene.heard == ["1", "3", "4"]
    # Whatever was heard makes room; so does what nobody will hear.
    listening = bus.listen(FlowClosed, scene.hear)
    assert bus.tell_from_afar(closed("5"), 500)
    assert not bus.tell_from_afar(closed("6"), 1)
    listening.stop()
    assert bus.tell_from_afar(closed("7"), 500)
    scene.turn()
    assert scene.heard[3:] == ["5", "7"]


def test_facts_of_other_nodes_are_bounded_in_number_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a listener that is behind does not get takes no room."""
    monkeypatch.setattr(backend, "BEHIND_BOUND", 1)
    monkeypatch.setattr(backend, "FAR_BYTES", 1_000)
    scene = Stage("memory")
    bus = scene.bus
    assert isinstance(bus, MemoryBus)
    bus.listen(FlowClosed, scene.hear)
    with capturedLogs():
        assert [bus.tell_from_afar(closed(name), 400) for name in "1234"] == [True, False, False, False]
    scene.turn()
    assert bus.tell_from_afar(closed("5"), 1_000)


def test_thousands_of_facts_are_heard_in_several_turns(scene: Stage) -> None:
    """As when a network is lost: in order, and with others' turns in between."""

    async def slowly(fact: FlowClosed) -> None:
        scene.clock.rightNow += 0.0004
        scene.heard.append(fact.flow)

    scene.bus.listen(FlowClosed, slowly)
    for number in range(8):
        scene.bus.tell(closed(str(number)))
    heard = []
    for _ in range(3):
        scene.clock.rightNow += scene.clock.TURN_S
        turn(scene.clock)
        heard.append("".join(scene.heard))
    assert heard == ["012", "012345", "01234567"]
    assert len(scene.bus) == 0


def test_a_question_is_answered(scene: Stage) -> None:
    """The node that is asked gives what its answerer gives, in a later turn."""
    scene.bus.answer(Question, reply(lambda question: question.text + " well"))
    answer = started(scene.bus.ask(HERE, Question(), 5.0))
    assert not answer.called
    scene.turn()
    assert answer.result == "how well"


@pytest.mark.parametrize("node", [HERE, NodeName("elsewhere")])
def test_a_question_that_nobody_answers_times_out(scene: Stage, node: NodeName) -> None:
    """No such node, or no answer to such a question."""
    if node != HERE:
        scene.bus.answer(Question, reply(lambda question: "never"))
    answer = started(scene.bus.ask(node, Question(), 5.0))
    scene.turn()
    assert isinstance(failure_of(answer), BusTimeout)


def test_an_answer_that_takes_too_long_is_not_waited_for(scene: Stage) -> None:
    """After its time the question fails, and the answerer is cancelled."""
    cancelled: list[object] = []
    pending: Deferred[str] = Deferred(cancelled.append)
    scene.bus.answer(Question, lambda question: pending)
    answer = started(scene.bus.ask(HERE, Question(), 5.0))
    scene.turn()
    scene.clock.advance(5.0)
    assert isinstance(failure_of(answer), BusTimeout)
    assert cancelled


def test_an_answer_that_fails_is_none(scene: Stage, logged: Sequence[LogEvent]) -> None:
    """What went wrong is in the log of who was asked; who asked is told that there is no answer."""
    scene.bus.answer(Question, reply(lambda question: 1 // 0))
    answer = started(scene.bus.ask(HERE, Question(), 5.0))
    scene.turn()
    assert isinstance(failure_of(answer), BusTimeout)
    assert [event["log_failure"].type for event in logged if "log_failure" in event] == [ZeroDivisionError]


def test_nobody_else_is_there(scene: Stage) -> None:
    """As long as no other node was heard."""
    assert list(scene.bus.others()) == []


def reply(give: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    """Make an answerer of a function."""

    async def answer(question: Any) -> Any:
        return give(question)

    return answer


def failure_of(deferred: Deferred[Any]) -> BaseException | None:
    """Give the error of a Deferred that failed."""
    errors: list[Any] = []
    _ = deferred.addErrback(errors.append)
    return errors[0].value if errors else None
