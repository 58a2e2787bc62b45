"""`[pool] processes`: a parent without duties, which opens the ports, starts the processes, and replaces those that end.

The listening sockets are handed down, and all processes accept from the same queue. So a process that dies takes nobody with it who
was not accepted yet (with a socket of its own for each, SO_REUSEPORT, the kernel would reset those in its queue), one that is busy or
frozen accepts nobody, and the others do; a port below 1024 is opened once, before twistd gives up its rights, and who
replaces a process needs none.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.app.config import Config
from lyncpy.app.pool_settings import own_file
from lyncpy.app.process import (
    FIRST_PORT,
    HEARD,
    SAID,
    VARIABLE,
    HandedDown,
    line,
    own_settings,
    split,
    told_processes,
    written,
)
from lyncpy.app.supervision import (
    Effects,
    EndAll,
    EndProcess,
    KillProcess,
    SayReady,
    SayTrouble,
    StartProcess,
    Supervision,
)
from lyncpy.contracts.listening import ListeningPlace
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Runner
from lyncpy.wire.ports import CannotOpen, listening_socket

END_S: Final = 80.0
"""Seconds that processes have to end in order, all together; systemd ends what takes longer than its unit's TimeoutStopSec, 120."""

RUN: Final = "from twisted.scripts.twistd import run; run()"
"""What a process runs: twistd, from wherever Python finds Twisted, and nothing of the folder that it stands in (-P)."""


class ChildProtocol(ProcessProtocol):
    """The parent's end of the line to one process."""

    def __init__(self, number: int, children: "Children") -> None:
        self.number: Final = number
        self._children = children
        self._buffer = b""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Hear what it says."""
        told, self._buffer = split(self._buffer + data)
        for one in told:
            self._children.heard(self.number, one)

    def processEnded(self, reason: Failure) -> None:
        """Hear that it has ended."""
        value = reason.value
        status, by = (value.exitCode, value.signal) if isinstance(value, ProcessTerminated) else (0, None)
        self._children.ended(self.number, status, by)

    def say(self, data: bytes) -> None:
        """Say something to it, if it still listens."""
        transport: Any = self.transport  # Any: IProcessTransport, which may be gone
        if transport is not None and HEARD in getattr(transport, "pipes", {}):
            transport.writeToChild(HEARD, data)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessExitedAlready):
            if self.transport is not None:
                self.transport.signalProcess("KILL")


class Children(Runner):
    """The processes, as the supervision wants them.

    Args:
        supervision: Its rules.
        timers: The clock.
        commands: With what each process is started, by its number.
        reactor: Starts them.
        on_ready: Called once, when all serve.
        on_end: Called when none is left, with the status.
    """

    log = Logger()

    def __init__(
        self,
        supervision: Supervision,
        timers: ITimers,
        commands: Mapping[int, Sequence[str]],
        reactor: Any,  # Any: a reactor is several interfaces
        on_ready: Any,  # Any: called with nothing
        on_end: Any,  # Any: called with a status
    ) -> None:
        super().__init__(supervision, timers)
        self._supervision = supervision
        self._commands = commands
        self._reactor = reactor
        self._on_ready = on_ready
        self._on_end = on_end
        self._ports: Mapping[str, socket.socket] = {}
        self._children: dict[int, ChildProtocol] = {}

    def begin(self, ports: Mapping[str, socket.socket]) -> None:
        """Start the first."""
        self._ports = ports
        self.perform(self._supervision.begin())

    def shut_down(self) -> None:
        """End all in order; called again: wait for nobody."""
        self.perform(self._supervision.shut_down(self._timers.now()))

    def reload(self) -> None:
        """Have each read the configuration again."""
        for child in self._children.values():
            child.say(line(do="reload"))

    def heard(self, number: int, told: Mapping[str, Any]) -> None:  # Any: what a key says
        """Hear what a process says."""
        if "node" in told:
            self.perform(self._supervision.named(number, str(told["node"])))
        if "failed" in told:
            self.perform(self._supervision.failed(number, str(told["failed"])))
        if told.get("ready"):
            self.log.info("process {process} serves", process=number)
            self.perform(self._supervision.ready(number, self._timers.now()))
        if told.get("end") and not self._supervision.is_ending:
            self.log.info("all processes end, as an operator has asked process {process}", process=number)
            self.shut_down()

    def ended(self, number: int, status: int | None, by_signal: int | None) -> None:
        """Hear that a process has ended."""
        self._children.pop(number, None)
        self.perform(self._supervision.died(number, self._timers.now(), status, by_signal))

    def perform(self, effects: Effects) -> None:
        """Do what the supervision wants, and tell all how all are."""
        for effect in effects:
            match effect:
                case StartProcess(number):
                    self._start(number)
                case EndProcess(number, hastens):
                    self._say(number, line(do="hasten" if hastens else "end"))
                case KillProcess(number):
                    self._children[number].kill()
                case SayTrouble(sentence):
                    self.log.error("{sentence}", sentence=sentence)
                case SayReady():
                    self._on_ready()
                case EndAll(status):
                    self.stop()
                    self._on_end(status)
                    return
        told = told_processes(self._supervision.facts())
        for child in self._children.values():
            child.say(told)
        self.watch()

    def _say(self, number: int, data: bytes) -> None:
        child = self._children.get(number)
        if child is not None:
            child.say(data)

    def _start(self, number: int) -> None:
        ports = {setting: FIRST_PORT + index for index, setting in enumerate(self._ports)}
        given = HandedDown(number, len(self._commands), ports)
        files: dict[int, int | str] = {0: 0, 1: 1, 2: 2, HEARD: "w", SAID: "r"}
        files |= {FIRST_PORT + index: one.fileno() for index, one in enumerate(self._ports.values())}
        child = self._children[number] = ChildProtocol(number, self)
        words = [sys.executable, "-P", "-c", RUN, *self._commands[number]]
        environment = {**os.environ, VARIABLE: written(given)}
        started = self._reactor.spawnProcess(child, sys.executable, words, environment, childFDs=files)
        self._supervision.started(number, started.pid)
        self.log.info(
            "process {process} of {count} is started, pid {pid}", process=number, count=given.count, pid=started.pid
        )


class ParentService(Service):
    """The parent as twistd sees it: it opens the ports with the rights that it was started with, and ends with its last process.

    Args:
        places: Where to listen.
        children: The processes.
        on_start: Called before anything is opened.
    """

    log = Logger()

    def __init__(
        self, places: Sequence[ListeningPlace], children: Children, on_start: Any
    ) -> None:  # Any: called with nothing
        self._places = places
        self._children = children
        self._on_start = on_start
        self._ports: dict[str, socket.socket] = {}
        self._over: Deferred[None] = Deferred()
        self._is_over = False

    def privilegedStartService(self) -> None:
        """Open the ports, while twistd has not given up its rights yet."""
        try:
            self._ports = {place.setting: listening_socket(place) for place in self._places}
        except CannotOpen as error:
            sys.stderr.write(f"lyncpy cannot start:\n{error}\n")
            raise SystemExit(1) from None

    def startService(self) -> None:
        """Start the processes."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted's service module has no types
        self._on_start()
        self._children.begin(self._ports)

    def stopService(self) -> Deferred[None]:
        """End all processes; fires when the last is gone."""
        super().stopService()  # type: ignore[no-untyped-call]  # as above
        if not self._is_over:
            self._children.shut_down()
        return self._over

    def over(self) -> None:
        """Note that no process is left."""
        if not self._is_over:
            self._is_over = True
            for port in self._ports.values():
                port.close()
            self._over.callback(None)


def commands(config: Config, overrides: Sequence[str], twistd: Mapping[str, Any]) -> Mapping[int, Sequence[str]]:
    """Give what each process is started with, behind Python's own words.

    Args:
        config: The settings.
        overrides: Settings of the command line.
        twistd: The options of the twistd that runs the parent: where its log goes, the processes' goes too.
    """
    found = {}
    for number in range(1, config.sections.pool.processes + 1):
        sets = [word for one in (*overrides, *own_settings(config, number)) for word in ("--set", one)]
        words = [*_log_words(twistd, number), "lyncpy", "--config", str(config.file), *sets]
        found[number] = ["--nodaemon", "--pidfile=", *words]
    return found


def _log_words(twistd: Mapping[str, Any], number: int) -> Sequence[str]:  # Any: values of options
    """Give the words that say where a process's log goes: a file that twistd renames when it is long has one writer."""
    words = [f"--logger={twistd['logger']}"] if twistd.get("logger") else []
    if twistd.get("syslog"):
        return [*words, "--syslog", f"--prefix={twistd.get('prefix', 'twisted')}-{number}"]
    file = twistd.get("logfile") or ("" if twistd.get("nodaemon") else "twistd.log")
    return [*words, f"--logfile={own_file(file, number)}"] if file and file != "-" else words
