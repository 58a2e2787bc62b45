"""Requests of one connection begin in the order in which they came, and none is left behind, however room and turns fall."""

from typing import Any, Final
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lyncpy.contracts.names import FlowName
from lyncpy.core import lanes
from lyncpy.core.intake import INVITE_WAIT_S, Intake
from lyncpy.core.lanes import lane_of
from lyncpy.core.request_shares import Queue
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.transaction import Key
from tests.kit.gatehouse import RecordedFlows, timers_of
from tests.kit.meters import MemoryMeter

FLOWS: Final = tuple(FlowName(f"flow {number}") for number in range(3))
OWNERS: Final = ("alice", "bob")
METHODS: Final = ("SUBSCRIBE", "MESSAGE", "PUBLISH", "INVITE", "SUBSCRIBE")

_ARRIVES: Final = st.tuples(st.just("arrives"), st.sampled_from(FLOWS), st.sampled_from(METHODS), st.integers(1, 4))
_ENDS: Final = st.tuples(st.just("ends"), st.integers(0, 3))
_PASSES: Final = st.tuples(st.just("time passes"), st.sampled_from([0.0, 0.0, 0.0, 0.02, INVITE_WAIT_S]))
_RARE: Final = st.one_of(
    st.tuples(st.just("comes again"), st.sampled_from(FLOWS), st.integers(0, 7)),
    st.tuples(st.just("is withdrawn"), st.sampled_from(FLOWS), st.integers(0, 7)),
    st.tuples(st.just("signs in"), st.sampled_from(FLOWS), st.sampled_from(OWNERS)),
    st.tuples(st.just("closes"), st.sampled_from(FLOWS)),
)
STEPS: Final = st.lists(st.one_of(_ARRIVES, _ENDS, _PASSES, _ARRIVES, _ENDS, _PASSES, _RARE), min_size=12, max_size=40)

LIMITS: Final = st.fixed_dictionaries(
    {
        "pending_per_flow": st.integers(1, 4),
        "pending_per_user": st.integers(1, 5),
        "pending_total": st.integers(1, 4),
        "requests_per_s": st.sampled_from([50.0, 10_000.0]),
        "requests_burst": st.sampled_from([10.0, 1_000.0]),
    }
)

TICKS: Final = st.sampled_from([0.0, 0.0005, 0.002, 0.006])
"""How long whatever looks at the clock takes: so not all that waits in a lane has its turn at once."""


class SlowClock(Clock):
    """A clock that goes on by itself each time that somebody looks at it."""

    tick_s = 0.0

    def seconds(self) -> float:
        """Give the time, and go on."""
        self.rightNow += self.tick_s
        return float(self.rightNow)


class Desk:
    """An intake, and what has become of each request that came to it."""

    def __init__(self, limits: dict[str, Any], *, tick_s: float) -> None:
        """Open the connections."""
        self.clock = SlowClock()
        self.clock.tick_s = tick_s
        self.intake = Intake(
            RecordedFlows(),
            self.begins,
            self.refuses,
            Settings(**limits),
            timers_of(self.clock),
            MemoryMeter(),
        )
        self.queues: dict[FlowName, Queue] = {flow: self.intake.opened(flow, "strangers") for flow in FLOWS}
        self.came: dict[FlowName, list[tuple[Key, Request]]] = {flow: [] for flow in FLOWS}
        self.begun: dict[FlowName, list[int]] = {flow: [] for flow in FLOWS}
        self.gone: dict[FlowName, set[int]] = {flow: set() for flow in FLOWS}
        """Numbers of those that were refused or withdrawn."""
        self.under_way: list[tuple[FlowName, Request]] = []
        self.closed: set[FlowName] = set()

    def begins(self, flow: FlowName, key: Key, request: Request) -> None:
        """Begin a request, which takes its time."""
        number = request.cseq.number
        assert number not in self.begun[flow], "a request begins twice"
        assert number not in self.gone[flow]
        self.intake.begun(self.queues[flow], request)
        self.begun[flow].append(number)
        self.under_way.append((flow, request))

    def refuses(self, flow: FlowName, key: Key, request: Request) -> None:
        """Refuse an INVITE that found no room."""
        assert request.method == "INVITE"
        self.gone[flow].add(request.cseq.number)

    def arrives(self, flow: FlowName, method: str, count: int) -> None:
        """Have requests come on a connection that is open."""
        for _ in range(count if flow not in self.closed else 0):
            number = len(self.came[flow])
            headers = Headers([("CSeq", f"{number} {method}"), ("Call-ID", flow)])
            said = ((flow, str(number), method), Request(method, "sip:bob@example.com", headers))
            self.came[flow].append(said)
            self.intake.admit_or_queue(self.queues[flow], *said)

    def comes_again(self, flow: FlowName, number: int) -> None:
        """Repeat a request that waits: of one that has begun it is the transaction that hears."""
        if flow not in self.closed and number in self.waiting(flow):
            self.intake.admit_or_queue(self.queues[flow], *self.came[flow][number])

    def is_withdrawn(self, flow: FlowName, number: int) -> None:
        """Cancel an INVITE that waits."""
        if number in self.waiting(flow) and self.came[flow][number][1].method == "INVITE":
            assert self.intake.withdraw(self.queues[flow], self.came[flow][number][0]) is not None
            self.gone[flow].add(number)

    def ends(self, number: int) -> None:
        """Answer a request that is under way."""
        if self.under_way:
            flow, request = self.under_way.pop(number % len(self.under_way))
            self.intake.served(self.queues[flow], request)

    def signs_in(self, flow: FlowName, owner: str) -> None:
        """Have a connection be somebody's from now on."""
        if flow not in self.closed:
            self.intake.belongs(self.queues[flow], owner)

    def closes(self, flow: FlowName) -> None:
        """Lose a connection; what is under way goes on."""
        if flow not in self.closed:
            self.gone[flow].update(self.waiting(flow))
            self.closed.add(flow)
            self.intake.closed(self.queues[flow])

    def time_passes(self, seconds: float) -> None:
        """Have some time pass, and one thing happen that is due then, as between what a reactor reads."""
        self.clock.rightNow += seconds
        due: list[Any] = [call for call in self.clock.getDelayedCalls() if call.getTime() <= self.clock.seconds()]
        for call in due[:1]:
            self.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def waiting(self, flow: FlowName) -> set[int]:
        """Give the numbers of those that have not begun and are not gone."""
        return set(range(len(self.came[flow]))) - set(self.begun[flow]) - self.gone[flow]

    def finish(self) -> None:
        """Answer all that is under way and let time pass, until nothing happens any more."""
        for _ in range(2_000):
            if not self.under_way and not self.clock.getDelayedCalls():
                return
            self.ends(0)
            self.time_passes(0.01)
        raise AssertionError("it goes on for ever")

    def is_in_order(self, flow: FlowName) -> bool:
        """Whether nothing began before what it must not overtake."""
        begun = [self.came[flow][number][1] for number in self.begun[flow]]
        return all(
            may_overtake(later, earlier)
            for place, later in enumerate(begun)
            for earlier in begun[place + 1 :]
            if earlier.cseq.number < later.cseq.number
        )


def may_overtake(later: Request, earlier: Request) -> bool:
    """Tell whether one that came later may begin before one that came earlier: people who talk, and other kinds.

    An INVITE steps aside while as many ring as may, for everything but another INVITE.
    """
    if "INVITE" in (later.method, earlier.method):
        return later.method != earlier.method
    if earlier.method == "MESSAGE":
        return False
    return later.method == "MESSAGE" or lane_of(later) is not lane_of(earlier)


@settings(max_examples=200, deadline=None)
@given(STEPS, LIMITS, TICKS, st.sampled_from([0.0, lanes.AT_ONCE_S]))
def test_none_overtakes_another_and_none_is_left(
    steps: list[tuple[str, *tuple[object, ...]]], limits: dict[str, Any], tick_s: float, at_once_s: float
) -> None:
    """Each begins once, in the order of those of its kind on its connection; only INVITEs are refused."""
    with patch.object(lanes, "AT_ONCE_S", at_once_s):
        desk = Desk(limits, tick_s=tick_s)
    for what, *arguments in steps:
        getattr(desk, what.replace(" ", "_"))(*arguments)
    desk.finish()
    for flow in FLOWS:
        assert desk.waiting(flow) == set(), "left behind"
        assert desk.is_in_order(flow), desk.begun[flow]
    assert desk.intake.pending == 0
    assert sum(len(queue) for queue in desk.queues.values()) == 0
