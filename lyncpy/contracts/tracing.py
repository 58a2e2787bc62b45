"""Where traces are kept, and where their messages are sent."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from zope.interface import Interface


@dataclass(frozen=True, slots=True)
class TraceFile:
    """One file of a trace."""

    name: str
    size: int
    """Bytes."""

    written: float
    """Seconds since the epoch, by the file system's clock."""

    head: bytes
    """Its first line."""


class ITraceFiles(Interface):
    """The folder of this process's traces: only the server's own user can read it."""

    def create(name: str, head: bytes) -> Awaitable[None]:
        """Make a new file; raises OSError, also where there is one of this name."""

    def append(name: str, data: bytes) -> Awaitable[None]:
        """Add to a file. Raises OSError."""

    def read(name: str) -> Awaitable[bytes]:
        """Give what a file has; raises OSError where there is none."""

    def files() -> Awaitable[Sequence[TraceFile]]:
        """Give the files there are, the oldest first."""

    def remove(name: str) -> Awaitable[None]:
        """Remove a file; one that is not there is none."""

    def export(name: str, data: bytes) -> Awaitable[str]:
        """Write a file for an operator, beside the traces; give where it is. Raises OSError."""


class IHomer(Interface):
    """A Homer server, to which packets of HEP are sent."""

    def send(packet: bytes) -> bool:
        """Send a packet, or have it wait for its turn; False: too much waits, and it is lost. Never fails, never waits."""

    def trouble() -> str:
        """Say why nothing reaches the server now; "": it does, or it is not known that it does not."""
