"""A reactor that starts programs which a test plays: what they are asked, what they write, and how they end."""

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure


class Program:
    """One that was started."""

    def __init__(self, protocol: ProcessProtocol, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.protocol = protocol
        self.command = command
        self.environment = environment
        self.asked: list[bytes] = []
        self.runs = True

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Be asked."""
        assert self.runs and descriptor == 0
        self.asked.append(data)

    def signalProcess(self, name: str) -> None:
        """Be killed: the end is heard of when the test says so."""
        if not self.runs:
            raise ProcessExitedAlready
        assert name == "KILL"
        self.runs = False

    def says(self, data: bytes) -> None:
        """Write."""
        self.protocol.outReceived(data)

    def complains(self, data: bytes) -> None:
        """Write where errors go."""
        self.protocol.errReceived(data)

    def ends(self, status: int = 0) -> None:
        """End, with a status."""
        self.runs = False
        self.protocol.inConnectionLost()
        self.protocol.outConnectionLost()
        self.protocol.processEnded(Failure(ProcessTerminated(status) if status else ProcessDone(0)))


class Programs:
    """Starts them.

    Attributes:
        started: In this order.
        error: Raised instead, where there is one.
    """

    def __init__(self) -> None:
        self.started: list[Program] = []
        self.error: OSError | None = None

    def spawnProcess(
        self, protocol: ProcessProtocol, executable: str, args: Sequence[str] = (), env: Any = None, **_: object
    ) -> Program:  # Any: as Twisted's
        """Start one."""
        if self.error is not None:
            raise self.error
        assert executable == args[0]
        self.started.append(Program(protocol, args, env))
        return self.started[-1]
