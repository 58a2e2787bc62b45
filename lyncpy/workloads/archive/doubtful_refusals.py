"""Messages that were refused although the write that they were in may have been done: then the archive has to say so.

Who sends is told after a while that nothing could be archived, and nothing is delivered; the disk may have taken the entry all
the same, later or before it failed. An entry that stands in the archive by itself says that the message went its way.
"""

from collections.abc import Sequence

from lyncpy.contracts.archive import ConversationEvent, LedgerLine
from lyncpy.workloads.archive.gaps import UncertainWrite


class DoubtfulRefusals:
    """The refused messages of the last write of which nobody knows whether it was done. Of a server that is killed nothing is left."""

    def __init__(self) -> None:
        self._write: UncertainWrite | None = None
        self._refused: list[ConversationEvent] = []

    @property
    def serial(self) -> int | None:
        """Give which entry that write would have made the last one; None: there is no doubt."""
        return None if self._write is None else self._write.serial

    def add(self, write: UncertainWrite, said: ConversationEvent) -> None:
        """Note that a message was refused that is in this write."""
        if self._write is None or (self._write.serial, self._write.digest) != (write.serial, write.digest):
            self._write, self._refused = write, []
        self._refused.append(said)

    def settled(self, found: Sequence[LedgerLine]) -> Sequence[ConversationEvent]:
        """Settle the doubt by the entry that the chain has in its place, if it has one; give the messages that are in the archive."""
        write, refused = self._write, self._refused
        self._write, self._refused = None, []
        if write is None:
            return ()
        is_done = any(line.serial == write.serial and line.digest.hex() == write.digest for line in found)
        return refused if is_done else ()
