"""A trace begins: what it hears before its file is there, and what becomes of it when it is stopped by then."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.names import Aor, FlowName, NodeName
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.tapping import Passage, PassageKind, Tap
from lyncpy.contracts.tracing import TraceFile
from lyncpy.contracts.workload import CommandFailed
from lyncpy.workloads.tracing.model.target import TraceTarget, TraceTargetKind
from lyncpy.workloads.tracing.recorder import Recorder, Sources, TraceOrder
from lyncpy.workloads.tracing.retention import TraceRetention
from lyncpy.workloads.tracing.settings import Settings
from tests.kit.flows import StillFlows
from tests.kit.gatehouse import timers_of
from tests.kit.results import result_of, started
from tests.kit.trace_files import MemoryHomer, MemoryTraceFiles
from tests.kit.traces import request

NODE = NodeName("n1")


class SlowFiles(MemoryTraceFiles):
    """A folder on a slow disk: it is listed, and files in it grow, when `gate` fires."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.gate: Deferred[None] | None = None

    async def append(self, name: str, data: bytes) -> None:
        """Add to one, in its time."""
        if self.gate is not None:
            await self.gate
        await super().append(name, data)

    async def files(self) -> list[TraceFile]:
        """List them, in their time."""
        if self.gate is not None:
            await self.gate
        return [*await super().files()]


class TappedFlows(StillFlows):
    """Connections that tell who traces."""

    tap: Tap | None = None

    def tap_with(self, tap: Tap | None) -> None:
        """Note who is told."""
        self.tap = tap


@implementer(IPolicies)
class SamePolicy:
    """The same for everybody."""

    def policy_of(self, aor: Aor) -> Policy:
        """Give it."""
        return Policy()


class Desk:
    """A recorder, and what it stands on."""

    def __init__(self) -> None:
        clock = Clock()
        timers = timers_of(clock)
        self.clock, self.files, settings = clock, SlowFiles(), Settings()
        self.flows = TappedFlows()
        self.recorder = Recorder(
            NODE,
            Sources(self.flows, MemoryBus(NODE, clock), SamePolicy()),
            self.files,
            MemoryHomer(),
            TraceRetention(self.files, settings, timers),
            settings,
            timers,
        )

    def hears(self) -> None:
        """Have a message of Alice pass."""
        assert self.flows.tap is not None
        client, server = ("192.0.2.1", 50_000), ("192.0.2.9", 5061)
        self.flows.tap(Passage(PassageKind.MESSAGE, FlowName("n1/1"), client, server, data=request("MESSAGE").encode()))

    def passes(self) -> None:
        """Let the time pass after which what was gathered is written."""
        self.clock.pump([0.1] * 10)


def order(name: str) -> TraceOrder:
    """Give an order to trace Alice."""
    return TraceOrder(name, TraceTarget(TraceTargetKind.USER, "sip:alice@example.com"), f"operator of {name}", 600.0)


@pytest.fixture
def desk() -> Desk:
    """Give a recorder with one trace that runs, and a disk that is slow from now on."""
    desk = Desk()
    result_of(desk.recorder.start(order("first")))
    desk.files.gate = Deferred()
    return desk


def test_what_comes_before_the_file_is_there_stands_behind_its_head(desk: Desk) -> None:
    """Another trace runs already, so that messages are heard at once; the disk takes longer than they are gathered."""
    beginning = started(desk.recorder.start(order("second")))
    desk.hears()
    desk.passes()
    assert "second" not in desk.files.content
    assert desk.files.gate is not None
    desk.files.gate.callback(None)
    assert beginning.called
    desk.passes()
    head, message = desk.files.content["second"].splitlines()
    assert b'"trace": "second"' in head and b"MESSAGE sip:alice@example.com" in message
    assert set(desk.recorder.running) == {"first", "second"}


def test_one_that_is_stopped_before_its_file_is_there_says_so_in_it(desk: Desk) -> None:
    """It runs no more, and nothing of it is left behind."""
    beginning = started(desk.recorder.start(order("second")))
    assert desk.recorder.stop("second", "by an operator")
    assert desk.files.gate is not None
    desk.files.gate.callback(None)
    assert beginning.called
    assert desk.files.content["second"].endswith(b'"text": "the trace has ended: by an operator"}\n')
    assert set(desk.recorder.running) == {"first"}


def test_one_that_is_stopped_and_cannot_be_written_is_refused_all_the_same(desk: Desk) -> None:
    """In a sentence; the other goes on."""
    beginning = started(desk.recorder.start(order("second")))
    desk.recorder.stop("second", "by an operator")
    desk.files.broken = True
    assert desk.files.gate is not None
    desk.files.gate.callback(None)
    refused = beginning.result
    assert refused.check(CommandFailed), refused  # type: ignore[attr-defined]  # a Failure
    _ = beginning.addErrback(lambda _: None)
    assert set(desk.recorder.running) == {"first"}


def test_one_that_has_just_ended_is_read_when_its_last_line_is_written(desk: Desk) -> None:
    """Whoever stops one may export it at once, and has all of it; who waits no longer keeps nobody else waiting."""
    assert desk.recorder.stop("first", "by an operator")
    impatient, patient = (started(desk.recorder.flushed("first")) for _ in range(2))
    _ = impatient.addErrback(lambda _: None)
    impatient.cancel()
    assert not patient.called
    assert b"has ended" not in desk.files.content["first"]
    assert desk.files.gate is not None
    desk.files.gate.callback(None)
    assert patient.called
    assert desk.files.content["first"].endswith(b'"text": "the trace has ended: by an operator"}\n')
    result_of(desk.recorder.flushed("first"))  # nothing of it is left
