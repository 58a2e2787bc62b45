"""What carries a probe's bytes to a server in memory."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from lyncpy.app.probe_command import HTTPS_PORT
from lyncpy.app.probes import advice
from tests.kit.network import Line, Refused
from tests.kit.stage import Stage
from tests.kit.web import Web

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


class SiteChannel:
    """A connection to the site of a server on a stage, for one request."""

    def __init__(self, stage: Stage, place: str) -> None:
        """Connect."""
        self.place = place
        self.here = ("192.0.2.50", 50_000)
        self.came: list[bytes] = []
        self._web = Web(stage)

    def send(self, data: bytes) -> None:
        """Ask; the answer is there at once, and the connection ends."""
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        fields = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in fields}
        answer = self._web.send(method, f"https://{self.place}{path}", headers, body)
        kind = answer.headers["content-type"]
        said = f"HTTP/1.1 {answer.status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
        self.came += [said.encode() + answer.body, b""]

    def close(self) -> None:
        """End it."""


class StageNetwork:
    """Connects probes to a server on a stage, and to its site at HTTPS_PORT; time passes while they wait.

    Attributes:
        certificate_s: None: no certificate was seen.
        places: Where connections were made to, in order.
        spoil: What becomes of bytes on their way to the probe.
    """

    def __init__(self, stage: Stage, *others: Stage) -> None:
        """Take the server, and those of its pool that have names of their own."""
        self.certificate_s: float | None = None
        self.places: list[str] = []
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._stage = stage
        self._others = others

    def connect(
        self, host: str, port: int, step: Callable[[str], AbstractContextManager[None]], name: str = ""
    ) -> StageChannel | SiteChannel:
        """Connect, whatever the host is where none of the others has its name."""
        place = f"{host}:{port}"
        self.places.append(place)
        stage = next((one for one in self._others if one.ground.places.address == place), self._stage)
        with step("tcp"):
            if port == HTTPS_PORT:
                return SiteChannel(stage, place)
            try:
                return StageChannel(stage, place)
            except Refused:
                raise advice.no_connection(f"{host}:{port}", ConnectionRefusedError(111, "refused")) from None

    def wait(
        self, channels: Sequence[StageChannel | SiteChannel], seconds: float
    ) -> Sequence[tuple[StageChannel | SiteChannel, bytes]]:
        """Give what has come, and let time pass where nothing has."""
        if not any(one.came for one in channels):
            self._stage.passes(TURN_S)
        found: list[tuple[StageChannel | SiteChannel, bytes]] = []
        for one in channels:
            if one.came:
                found.append((one, self.spoil(one.came.pop(0))))
        return found
