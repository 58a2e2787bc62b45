"""The folder of traces and a Homer server, in memory; both can be broken."""

from collections.abc import Callable, Sequence

from zope.interface import implementer

from lyncpy.contracts.tracing import IHomer, ITraceFiles, TraceFile


@implementer(ITraceFiles)
class MemoryTraceFiles:
    """Files by name; `broken` has the next change fail, as a full disk does.

    Args:
        wall: The clock of the file system.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        """Begin empty."""
        self._wall = wall
        self.content: dict[str, bytes] = {}
        self.exported: dict[str, bytes] = {}
        self._written: dict[str, float] = {}
        self.broken = False

    async def create(self, name: str, head: bytes) -> None:
        """Make a file."""
        self._check()
        if name in self.content:
            raise FileExistsError(17, "File exists")
        self.content[name] = head
        self._written[name] = self._wall()

    async def append(self, name: str, data: bytes) -> None:
        """Add to it."""
        self._check()
        self.content[name] += data
        self._written[name] = self._wall()

    async def read(self, name: str) -> bytes:
        """Give it."""
        if name not in self.content:
            raise FileNotFoundError(name)
        return self.content[name]

    async def files(self) -> Sequence[TraceFile]:
        """List them."""
        found = [
            TraceFile(name, len(data), self._written[name], data.partition(b"\n")[0])
            for name, data in self.content.items()
        ]
        return sorted(found, key=lambda one: one.written)

    async def remove(self, name: str) -> None:
        """Remove it."""
        self.content.pop(name, None)

    async def export(self, name: str, data: bytes) -> str:
        """Keep what an operator wants."""
        self._check()
        self.exported[name] = data
        return f"/traces/{name}"

    def _check(self) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")


@implementer(IHomer)
class MemoryHomer:
    """Keeps packets; `full` has it take none."""

    def __init__(self) -> None:
        """Begin with none."""
        self.packets: list[bytes] = []
        self.full = False

    def send(self, packet: bytes) -> bool:
        """Keep it."""
        if not self.full:
            self.packets.append(packet)
        return not self.full

    def trouble(self) -> str:
        """Say nothing."""
        return ""
