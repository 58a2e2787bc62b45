"""Single turns of the reactor, where a test has work take time."""

from typing import Any

from twisted.internet.task import Clock


def turn(clock: Clock) -> None:
    """Call what is due now, and nothing that is scheduled meanwhile, as a reactor does in one turn.

    `clock.advance` goes on until nothing is due. Work that takes time adds it to `clock.rightNow`.
    """
    calls: list[Any] = [call for call in clock.getDelayedCalls() if call.getTime() <= clock.seconds()]
    for call in calls:
        clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)
