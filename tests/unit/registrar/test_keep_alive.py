"""When it is looked at who is silent: only while somebody has promised to say something."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from lyncpy.contracts.names import FlowName
from lyncpy.core.timers import Timers
from lyncpy.workloads.registrar.keep_alive import LOOK_S, KeepAliveWatch
from tests.kit.gatehouse import timers_of
from tests.kit.turns import turn

FLOW = FlowName("n1/1")


class Flows:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def silent(self, since: float) -> tuple[FlowName, ...]:
        """Nobody is silent."""
        self.asked += 1
        return ()


def test_silence_is_looked_for_while_somebody_has_promised_keep_alives() -> None:
    """An idle server is not woken up for clients that promised nothing, or are gone."""
    clock, flows = Clock(), Flows()
    timers = Timers(cast(Any, clock), lambda: 1_700_000_000.0 + clock.seconds())
    watch = KeepAliveWatch(cast(Any, None), cast(Any, None), cast(Any, flows), timers, keep_alive_s=60.0)

    clock.pump([LOOK_S] * 4)
    assert flows.asked == 0
    watch.promised(FLOW)
    clock.pump([LOOK_S + 0.1] * 4)
    looked = flows.asked
    assert looked >= 3
    watch.unwatch(FLOW)
    clock.pump([LOOK_S + 0.1] * 4)
    assert flows.asked <= looked + 1, "the look that was due already, and no further one"


class Asleep:
    """Connections, all of which fell silent together, and what they are asked."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.clock = clock
        self.names = [FlowName(f"n1/{number}") for number in range(count)]
        self.asked: list[FlowName] = []
        self.looks = 0

    def silent(self, since: float) -> list[FlowName]:
        """All of them are."""
        return self.names

    def is_silent(self, flow: FlowName, since: float) -> bool:
        """Count the questions."""
        self.looks += 1
        return flow not in self.asked

    def on(self, flow: FlowName) -> list[Any]:
        """Give the endpoint of a connection."""
        return [SimpleNamespace(aor="sip:alice@example.com", contact="sip:192.0.2.1", gruu="")]

    def send_request(self, flow: FlowName, request: object, *, timeout: float) -> Any:
        """Be asked: that takes a tenth of a millisecond, and is answered at once."""
        self.clock.rightNow += 0.0001
        self.asked.append(flow)
        return SimpleNamespace(final=succeed(None))


def test_a_thousand_that_fall_silent_together_are_asked_in_slices_and_looked_at_once_each() -> None:
    """As when their network fails: others are answered in between, and the work grows with their number alone."""
    clock = Clock()
    flows = Asleep(clock, 1000)
    watch = KeepAliveWatch(cast(Any, flows), cast(Any, flows), cast(Any, flows), timers_of(clock), keep_alive_s=60.0)
    for flow in flows.names:
        watch.promised(flow)
    clock.rightNow += LOOK_S + 1.0
    asked = []
    while len(flows.asked) < 1000:
        turn(clock)
        asked.append(len(flows.asked))
    assert max(after - before for before, after in pairwise([0, *asked])) <= 50
    assert flows.looks == 2 * 1000, "once before it is asked, and once when it has answered"
    assert flows.asked == flows.names
    watch.close()
