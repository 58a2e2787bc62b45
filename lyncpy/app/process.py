"""One of several processes of a machine, on its side of the line to its parent: what it was handed down, and what the two say.

The line is a pair of pipes with a JSON object in ASCII a line. A process says `node` (the name under which other servers
know it), `ready`, `failed` (why it cannot start) and `end` (an operator wants all to end). Its parent says `do` ("end", "hasten",
"reload") and `processes`, how all of them are, whenever that has changed. When its parent is gone, a process ends in order.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.fdesc import readFromFD, setNonBlocking
from twisted.logger import Logger

from lyncpy.app.config import Config
from lyncpy.app.pool_settings import own_file
from lyncpy.app.supervision import ProcessFacts, ProcessState
from lyncpy.contracts.workload import Reason
from lyncpy.workloads.monitoring.siblings import Sibling

VARIABLE: Final = "LYNCPY_PROCESS"
"""The variable of the environment in which a process finds what it was handed down."""

HEARD: Final = 3
SAID: Final = 4
FIRST_PORT: Final = 5
"""The numbers of the files of a process: what its parent says, what it says itself, and from here on the listening sockets."""

LINE_BYTES: Final = 262_144
"""The longest line: how 64 processes are, each with what it said last."""


@dataclass(frozen=True, slots=True)
class HandedDown:
    """What a process was given by its parent."""

    number: int
    count: int
    ports: Mapping[str, int]
    """The listening sockets: setting of the port → number of the file."""


def handed_down(environment: Mapping[str, str]) -> HandedDown | None:
    """Read what this process was given; None: it has no parent of ours, and opens its ports itself."""
    text = environment.get(VARIABLE)
    return None if text is None else HandedDown(**json.loads(text))


def written(given: HandedDown) -> str:
    """Write what a process is given, for its environment."""
    return json.dumps(asdict(given))


def own_settings(config: Config, number: int) -> Sequence[str]:
    """Give the settings in which a process differs from the others: of files that one alone may have.

    The first has the gap file of a server with one process, so that what stands there is taken up, and its socket.
    """
    sections = config.sections
    files = {
        "archive.gap_file": sections.archive.gap_file,
        "admin.socket": sections.admin.socket,
        "tracing.folder": sections.tracing.folder,
    }
    files = {**(files if number > 1 else {}), "log.json_file": sections.log.json_file}
    return [f"{setting}={own_file(file, number)}" for setting, file in files.items() if file]


def split(buffer: bytes) -> tuple[Sequence[dict[str, Any]], bytes]:  # Any: what a key says
    """Give the objects of the whole lines, and what is left; what is no object is passed over."""
    *lines, rest = buffer.split(b"\n")
    found = []
    for line in lines:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                found.append(told)
    return found, rest if len(rest) <= LINE_BYTES else b""


def line(**told: object) -> bytes:
    """Write one line."""
    return json.dumps(told).encode() + b"\n"


class ParentLine(FileDescriptor):
    """A process's end of the line to its parent.

    Args:
        given: What it was handed down.
        reactor: Reads.
        commands: What to do at each word of `do`.
    """

    log = Logger()

    def __init__(
        self,
        given: HandedDown,
        reactor: Any,  # Any: a reactor is several interfaces
        commands: Mapping[str, Callable[[], None]],
    ) -> None:
        super().__init__(reactor)
        self.given: Final = given
        self._commands = commands
        self._buffer = b""
        self._processes: Sequence[ProcessFacts] = ()

    def processes(self) -> Sequence[ProcessFacts]:
        """Give all processes of this machine, as the parent has said last."""
        return self._processes

    def absent(self) -> Sequence[str]:
        """Give a sentence about each process that does not serve."""
        running = ProcessState.RUNNING
        return [
            f"process {one.number} {one.state.value}{f'; the last one {one.trouble}' if one.trouble else ''}"
            for one in self._processes
            if one.state is not running
        ]

    def siblings(self) -> Sequence[Sibling]:
        """Give all processes of this machine, this one too."""
        return [Sibling(one.number, one.node, one.starts, one.state.value) for one in self._processes]

    def conditions(self) -> Sequence[Reason]:
        """Say which processes have ended and do not serve again yet."""
        return [
            Reason(
                "processes",
                f"process {one.number} {one.state.value}: the last one {one.trouble}",
                good=False,
                remedy="see its lines in the log; it is started again by itself",
                key=f"process {one.number}",
            )
            for one in self._processes
            if one.trouble and one.state in (ProcessState.STARTING, ProcessState.RESTING)
        ]

    def begin(self) -> None:
        """Hear from now on."""
        setNonBlocking(HEARD)
        self.startReading()  # type: ignore[no-untyped-call]  # as above

    def fileno(self) -> int:
        """Give what is read."""
        return HEARD

    def doRead(self) -> Any:  # Any: an exception, which ends the reading
        """Read what the parent says."""
        return readFromFD(HEARD, self._heard)

    def connectionLost(self, reason: Any) -> None:  # Any: a Failure
        """End in order: who has started this process cannot end it any more."""
        self.stopReading()  # type: ignore[no-untyped-call]  # as above
        # At its own end the reactor says so to all who read.
        if reason.check(ConnectionDone):
            self.log.error("the parent process is gone; this one ends")
            self._commands["end"]()

    def _heard(self, data: bytes) -> None:
        told, self._buffer = split(self._buffer + data)
        for one in told:
            if "processes" in one:
                self._processes = [ProcessFacts(**{**p, "state": ProcessState(p["state"])}) for p in one["processes"]]
            command = self._commands.get(one.get("do", ""))
            if command is not None:
                command()


def say(**told: object) -> None:
    """Say something to the parent of this process, which may be gone."""
    # Some hundred bytes in all: they never wait for room in the pipe.
    with suppress(OSError):
        os.write(SAID, line(**told))


def told_processes(facts: Sequence[ProcessFacts]) -> bytes:
    """Write the line that tells a process how all are."""
    return line(processes=[{**asdict(one), "state": one.state.value} for one in facts])
