"""Deadlines: of a thing that sets its own, of many things by their keys, and of a machine that names the next one.

`ITimers` calls once and forgets. What is to be done at a time that moves, or that passes without
being needed, is set here: there is one timer for it, or none.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from lyncpy.contracts.timers import ITimer, ITimers

K = TypeVar("K", bound=Hashable)


class Deadline:
    """One deadline, at which a function is called.

    Args:
        timers: The clock.
        call: What to do; it may set the deadline again.
    """

    __slots__ = ("_call", "_timer", "_timers")

    def __init__(self, timers: ITimers, call: Callable[[], None]) -> None:
        self._timers = timers
        self._call = call
        self._timer: ITimer | None = None

    @property
    def is_set(self) -> bool:
        """Whether the time is still to come."""
        return self._timer is not None

    def set(self, delay_s: float) -> None:
        """Call after so many seconds, and not at the time that was set before."""
        self.clear()
        self._timer = self._timers.later(delay_s, self._due)

    def set_first(self, delay_s: float) -> None:
        """Call after so many seconds, unless a time is set already."""
        if self._timer is None:
            self._timer = self._timers.later(delay_s, self._due)

    def clear(self) -> None:
        """Cancel the call; may be called at any time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self._call()


class _Due(Generic[K]):
    """What the clock calls for one key: a third of what a `partial` takes, and there are some for each device."""

    __slots__ = ("_call", "_key")

    def __init__(self, call: Callable[[K], None], key: K) -> None:
        self._call = call
        self._key = key

    def __call__(self) -> None:
        self._call(self._key)


class Deadlines(Generic[K]):
    """Deadlines by key, one for each key; bounded by the owner of the keys.

    Args:
        timers: The clock.
        call: What to do about a thing.
    """

    def __init__(self, timers: ITimers, call: Callable[[K], None]) -> None:
        self._timers = timers
        self._call = call
        self._timer_of: dict[K, ITimer] = {}
        self._is_due = self._due  # bound once, for there are as many timers as there are devices, and more

    def __len__(self) -> int:
        return len(self._timer_of)

    def __contains__(self, key: K) -> bool:
        return key in self._timer_of

    def keys(self) -> list[K]:
        """Give the keys that have a deadline."""
        return list(self._timer_of)

    def set(self, key: K, delay_s: float | None) -> None:
        """Call after so many seconds, and not at the time that was set before; None: not at all."""
        timer = self._timer_of.pop(key, None)
        if timer is not None:
            timer.cancel()
        if delay_s is not None:
            self._timer_of[key] = self._timers.later(delay_s, _Due(self._is_due, key))

    def set_first(self, key: K, delay_s: float) -> None:
        """Call after so many seconds, unless a time is set already."""
        if key not in self._timer_of:
            self._timer_of[key] = self._timers.later(delay_s, _Due(self._is_due, key))

    def clear(self, key: K) -> None:
        """Cancel the call; may be called at any time."""
        timer = self._timer_of.pop(key, None)
        if timer is not None:
            timer.cancel()

    def clear_all(self) -> None:
        """Call about nothing any more."""
        for key in self.keys():
            self.clear(key)

    def _due(self, key: K) -> None:
        del self._timer_of[key]
        self._call(key)


class StateMachine(Protocol):
    """A state machine with deadlines, as those of `sip.transaction`. Pure: `now` is an argument."""

    def deadline(self) -> float | None:
        """Give when the state ends by itself, in monotonic seconds; None: never."""

    def expire(self, now: float) -> Any:  # Any: each machine's own effects
        """Process the deadline that was reached; give the effects."""


class Runner:
    """What performs a machine's effects. The machine's deadline is met, and no other.

    To inherit from: a transaction is short, and an object more for each would be felt.

    Attributes:
        _machine: The machine.
        _timers: The clock.
    """

    __slots__ = ("_deadline", "_machine", "_timer", "_timers")

    def __init__(self, machine: StateMachine, timers: ITimers) -> None:
        self._machine: Any = machine  # Any: the inheritor's kind of machine
        self._timers = timers
        self._timer: ITimer | None = None
        self._deadline: float | None = None

    def perform(self, effects: Any) -> None:  # Any: the machine's own
        """Perform effects of the machine, those of a deadline among them; calls `watch`."""
        raise NotImplementedError

    def watch(self) -> None:
        """Set the timer to the machine's deadline; to be called whenever the machine may have moved."""
        deadline = self._machine.deadline()
        if deadline == self._deadline:
            return
        self._deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._timers.later(deadline - self._timers.now(), partial(self._expire, deadline))

    def stop(self) -> None:
        """Cancel the timer: the machine is not run any more. May be called at any time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, at: float) -> None:
        # `now` may be a hair before the deadline that was met: sums of floats are not exact.
        self.perform(self._machine.expire(max(at, self._timers.now())))
