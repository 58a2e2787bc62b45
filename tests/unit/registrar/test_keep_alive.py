"""When it is looked at who is silent: only while somebody has promised to say something."""

from typing import Any, cast

from twisted.internet.task import Clock

from lyncpy.contracts.names import FlowName
from lyncpy.core.timers import Timers
from lyncpy.workloads.registrar.keep_alive import LOOK_S, KeepAliveWatch

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
