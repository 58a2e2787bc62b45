"""What carries a probe's bytes to a server in memory."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from lyncpy.app.probes import advice
from tests.kit.network import Line, Refused
from tests.kit.stage import Stage

TURN_S = 0.05
"""What passes while a probe waits."""


class StageChannel:
    """A connection to a server on a stage."""

    def __init__(self, stage: Stage, place: str) -> None:
        """Connect."""
        self.place = place
        self.came: list[bytes] = []
        self.line: Line = stage.network.connect("192.0.2.50", self.came.append, lambda: self.came.append(b""))
        self.here = (self.line.peer.host, self.line.peer.port)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.line.send(data)

    def close(self) -> None:
        """End it."""
        self.line.hang_up()


class StageNetwork:
    """Connects probes to a server on a stage; time passes while they wait.

    Attributes:
        certificate_s: None: no certificate was seen.
        spoil: What becomes of bytes on their way to the probe.
    """

    def __init__(self, stage: Stage) -> None:
        """Take the server."""
        self.certificate_s: float | None = None
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._stage = stage

    def connect(self, host: str, port: int, step: Callable[[str], AbstractContextManager[None]]) -> StageChannel:
        """Connect, whatever the host is."""
        with step("tcp"):
            try:
                return StageChannel(self._stage, f"{host}:{port}")
            except Refused:
                raise advice.no_connection(f"{host}:{port}", ConnectionRefusedError(111, "refused")) from None

    def wait(self, channels: Sequence[StageChannel], seconds: float) -> Sequence[tuple[StageChannel, bytes]]:
        """Give what has come, and let time pass where nothing has."""
        if not any(one.came for one in channels):
            self._stage.passes(TURN_S)
        found = []
        for one in channels:
            found += [(one, self.spoil(data)) for data in one.came]
            one.came.clear()
        return found
