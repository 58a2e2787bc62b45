"""How the processes of one machine are kept running: which is started when, and what is said of one that ended. Pure.

The first process begins alone: tables of the database, keys and whatever else is made once are there when the others begin. Where
not even that one becomes ready, all ends: its settings keep any server from starting. From then on a process that
ends is replaced, at once as long as it has served for a while.
"""

import enum
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STEADY_S: Final = 30.0
"""Seconds of service after which a process counts as one that works: it is replaced at once when it ends."""

REST_S: Final = 1.0
REST_MOST_S: Final = 60.0
"""From the second time in a row that a process ends too early, seconds before the next try: twice as many each time, at most so many."""

SAID_CHARS: Final = 500
"""Of what a process says last, as much as is repeated."""


class ProcessState(enum.Enum):
    """What a process does; the values are words for operators."""

    IDLE = "not started yet"
    STARTING = "is starting"
    RUNNING = "runs"
    RESTING = "waits for its next start"
    ENDING = "is ending"
    TERMINATED = "has ended"


class ProcessEvent(enum.Enum):
    """What happens to a process."""

    START = "start"
    READY = "ready"
    ANEW = "begins anew"
    DIED = "died"
    END = "end"


PROCESS: Final[Mapping[ProcessState, Mapping[ProcessEvent, ProcessState]]] = {
    ProcessState.IDLE: {ProcessEvent.START: ProcessState.STARTING, ProcessEvent.END: ProcessState.TERMINATED},
    ProcessState.STARTING: {
        ProcessEvent.READY: ProcessState.RUNNING,
        ProcessEvent.ANEW: ProcessState.STARTING,
        ProcessEvent.DIED: ProcessState.RESTING,
        ProcessEvent.END: ProcessState.ENDING,
    },
    ProcessState.RUNNING: {
        # Known dead to others, it has replaced itself by a new one of the same number.
        ProcessEvent.ANEW: ProcessState.STARTING,
        ProcessEvent.DIED: ProcessState.RESTING,
        ProcessEvent.END: ProcessState.ENDING,
    },
    ProcessState.RESTING: {ProcessEvent.START: ProcessState.STARTING, ProcessEvent.END: ProcessState.TERMINATED},
    ProcessState.ENDING: {ProcessEvent.DIED: ProcessState.TERMINATED},
    ProcessState.TERMINATED: {},
}


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """A process, as the others of its machine and operators are told of it."""

    number: int
    """From 1 on; whoever replaces a process has its number."""

    state: ProcessState
    node: str
    """The name under which other servers know it; "" before it has said so."""

    pid: int
    """0 while there is none."""

    starts: int
    failures: int
    """How often in a row it has ended too early."""

    trouble: str
    """How it ended the last time, in words; "" when it never did."""


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start a process with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class EndProcess:
    """Ask a process to end in order; asked again, it is to wait for nobody."""

    number: int
    hastens: bool = False


@dataclass(frozen=True, slots=True)
class KillProcess:
    """End a process at once."""

    number: int


@dataclass(frozen=True, slots=True)
class SayTrouble:
    """Log how a process ended, and what becomes of it."""

    sentence: str


@dataclass(frozen=True, slots=True)
class SayReady:
    """Say that all serve; once."""


@dataclass(frozen=True, slots=True)
class EndAll:
    """No process is left: end with this status."""

    status: int


Effect = StartProcess | EndProcess | KillProcess | SayTrouble | SayReady | EndAll
Effects = Sequence[Effect]


@dataclass(slots=True)
class _Process:
    number: int
    state: ProcessState = ProcessState.IDLE
    node: str = ""
    pid: int = 0
    starts: int = 0
    failures: int = 0
    trouble: str = ""
    said: str = ""
    until: float | None = None
    """When it is started, or killed."""

    ready_at: float | None = None

    def move(self, event: ProcessEvent) -> bool:
        after = PROCESS[self.state].get(event)
        if after is None:
            return False
        self.state = after
        return True


def rest_s(failures: int) -> float:
    """Give the seconds before the next start of a process that has ended too early so often in a row: none at the first time."""
    return 0.0 if failures <= 1 else min(REST_S * 2.0 ** min(failures - 2, 16), REST_MOST_S)


class Supervision:
    """Which process of a machine is started, ended and killed when.

    Args:
        count: How many there are to be, at least one.
        end_s: Seconds that all may take to end in order.
    """

    def __init__(self, count: int, end_s: float) -> None:
        self._of = {number: _Process(number) for number in range(1, count + 1)}
        self._end_s = end_s
        self._is_ending = False
        self._was_ready = False
        self._said_ready = False
        self._status = 0

    # --- what is known

    @property
    def is_ending(self) -> bool:
        """Whether no process is started any more."""
        return self._is_ending

    def facts(self) -> Sequence[ProcessFacts]:
        """Give the processes, by their numbers."""
        return tuple(
            ProcessFacts(one.number, one.state, one.node, one.pid, one.starts, one.failures, one.trouble)
            for one in self._of.values()
        )

    def deadline(self) -> float | None:
        """Give when something is to be done next, in monotonic seconds."""
        return min((one.until for one in self._of.values() if one.until is not None), default=None)

    # --- what happens

    def begin(self) -> Effects:
        """Start the first."""
        return self._start(self._of[1])

    def started(self, number: int, pid: int) -> None:
        """Note the id of a process that was started."""
        self._of[number].pid = pid

    def named(self, number: int, node: str) -> Effects:
        """Note the name that a process has given itself; a second one within its life is that of one that has begun anew."""
        one = self._of[number]
        if one.node and one.node != node:
            one.move(ProcessEvent.ANEW)
            one.trouble, one.ready_at = "was known dead to the others, and began anew", None
        one.node, one.said = node, ""
        return ()

    def failed(self, number: int, why: str) -> Effects:
        """Note what a process says of why it cannot start."""
        self._of[number].said = why[:SAID_CHARS]
        return ()

    def ready(self, number: int, now: float) -> Effects:
        """Note that a process serves; the others begin behind the first."""
        one = self._of[number]
        if not one.move(ProcessEvent.READY):
            return ()
        one.ready_at = now
        effects: list[Effect] = []
        if not self._was_ready:
            self._was_ready = True
            for other in self._of.values():
                if other.state is ProcessState.IDLE:
                    effects += self._start(other)
        if not self._said_ready and all(other.state is ProcessState.RUNNING for other in self._of.values()):
            self._said_ready = True
            effects.append(SayReady())
        return effects

    def died(self, number: int, now: float, status: int | None, by_signal: int | None) -> Effects:
        """Note the end of a process, by a status or by a signal; have it replaced, unless all are ending."""
        one = self._of[number]
        lived_s = None if one.ready_at is None else now - one.ready_at
        was_ending = one.state is ProcessState.ENDING
        one.move(ProcessEvent.DIED)
        told = f"process {number}{f' (node {one.node}, pid {one.pid})' if one.node else f' (pid {one.pid})'}"
        how = _how(status, by_signal, one.said)
        one.node, one.pid, one.ready_at, one.until = "", 0, None, None
        if was_ending:
            return self._ended(told, how, in_order=status == 0)
        one.trouble = how
        if not self._was_ready:
            self._is_ending, self._status = True, status or 1
            return [SayTrouble(f"{told} {how}; without the first process there is none"), *self._stop(now)]
        steady = lived_s is not None and lived_s >= STEADY_S
        one.failures = 1 if steady else one.failures + 1
        rest = rest_s(one.failures)
        when = "at its start" if lived_s is None else f"after {lived_s:.0f} s of service"
        row = f", the {one.failures}th time in a row before it has served for {STEADY_S:g} s" if rest else ""
        sentence = f"{told} {how} {when}{row}; it is replaced {f'in {rest:g} s' if rest else 'at once'}"
        if not rest:
            return [SayTrouble(sentence), *self._start(one)]
        one.until = now + rest
        return [SayTrouble(sentence)]

    def shut_down(self, now: float) -> Effects:
        """End all in order; called again: at once, whatever is under way."""
        if self._is_ending:
            ending = (one for one in self._of.values() if one.state is ProcessState.ENDING)
            return [EndProcess(one.number, hastens=True) for one in ending]
        self._is_ending = True
        return self._stop(now)

    def expire(self, now: float) -> Effects:
        """Start what has rested, and kill what does not end."""
        effects: list[Effect] = []
        for one in self._of.values():
            if one.until is None or one.until > now:
                continue
            one.until = None
            if one.state is ProcessState.ENDING:
                effects += [SayTrouble(f"process {one.number} does not end, and is killed"), KillProcess(one.number)]
            else:
                effects += self._start(one)
        return effects

    # --- within

    def _start(self, one: _Process) -> Effects:
        one.move(ProcessEvent.START)
        one.starts += 1
        one.said, one.until = "", None
        return [StartProcess(one.number)]

    def _stop(self, now: float) -> Effects:
        effects: list[Effect] = []
        for one in self._of.values():
            one.until = None
            if one.move(ProcessEvent.END) and one.state is ProcessState.ENDING:
                one.until = now + self._end_s
                effects.append(EndProcess(one.number))
        return effects or [*self._over()]

    def _ended(self, told: str, how: str, *, in_order: bool) -> Effects:
        if in_order:
            return self._over()
        self._status = 1
        return [SayTrouble(f"the end is not in order: {told} {how}"), *self._over()]

    def _over(self) -> Effects:
        done = all(one.state in (ProcessState.TERMINATED, ProcessState.RESTING) for one in self._of.values())
        return [EndAll(self._status)] if done else ()


def _how(status: int | None, by_signal: int | None, said: str) -> str:
    """Say how a process ended, in words that follow its name."""
    if by_signal is not None:
        try:
            name = f" ({signal.Signals(by_signal).name})"
        except ValueError:
            name = ""
        return f"was ended by signal {by_signal}{name}"
    why = f": {said}" if said else ""
    return f"ended with status {status}{why}"
