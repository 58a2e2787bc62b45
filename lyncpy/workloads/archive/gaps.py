"""What passed unarchived: counted on the disk before it passes, and told in the chain as soon as that can be written.

The disk may be full, and the database with it. The count is kept in a small file of its own whose
room was taken at the first start, so that it can be written then, too.

It must be right at every moment at which the process may be killed. A write of which nobody knows
whether it was done (a disk that did not answer in time, a process that was killed) leaves a *doubt*
behind: which entry it would have made the last one, and how many messages are not lost if it did.
The chain itself answers that.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.archive import IGapFile, Line
from lyncpy.core.begin import begin
from lyncpy.workloads.archive.model import Point

FORM: Final = 1


@dataclass(frozen=True, slots=True)
class Doubt:
    """A write of which it is not known whether it was done."""

    serial: int
    digest: str
    """Of the entry that it would have made the last one; hexadecimal."""

    count: int
    """Messages of the gap that are not missing if it was done: they are in it, or it tells of them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that were passed on, and of which the chain says nothing yet."""

    count: int = 0
    since: float = 0.0
    until: float = 0.0
    """Wall clock of the first and of the last of them; 0 when there is none."""

    doubt: Doubt | None = None


class Gaps:
    """The gap, in memory and on the disk; many changes of a moment are one write."""

    log = Logger()

    def __init__(self, file: IGapFile) -> None:
        """Take where it is kept."""
        self._file = file
        self.gap = Gap()
        self._saved = Gap()
        self._waiting: list[Deferred[None]] = []
        self._busy = False

    async def open(self) -> None:
        """Read what another start of the server has left."""
        try:
            text = await self._file.read()
            self.gap = self._saved = _read(text) if text else Gap()
        except (OSError, ValueError) as error:
            self.log.error("it is not known whether messages passed unarchived before: {reason}", reason=str(error))

    def lost(self, ats: Sequence[float], doubt: Doubt | None) -> "Deferred[None]":
        """Count messages that are about to pass; durable when this fires. Fails with OSError, and they must not pass.

        Args:
            ats: When they were said.
            doubt: A write that may have been done all the same.
        """
        before = self.gap
        since = min(ats) if not before.count else min(before.since, *ats)
        self.gap = Gap(before.count + len(ats), since, max(before.until, *ats), doubt or before.doubt)
        doubted = self.gap.doubt
        return self._save().addErrback(lambda failure: self._undo(failure, len(ats), before, doubted))

    def doubted(self, after: Point, count: int) -> "Deferred[None]":
        """Note that a write begins that would tell of so many; durable when this fires. Fails with OSError."""
        self.gap = replace(self.gap, doubt=Doubt(after.serial, after.digest.hex(), count))
        return self._save()

    def settle(self, *, done: bool) -> None:
        """Take it that the write in doubt was done, or was not."""
        doubt = self.gap.doubt
        if doubt is None:
            return
        left = self.gap.count - doubt.count if done else self.gap.count
        self.gap = replace(self.gap, count=left, doubt=None) if left > 0 else Gap()
        _ = self._save().addErrback(lambda failure: failure.trap(OSError))  # what is there says the same, with a doubt

    def resolve(self, lines: Sequence[Line]) -> None:
        """Settle a doubt by the entry that the chain has in its place, if it has one."""
        doubt = self.gap.doubt
        if doubt is not None:
            self.settle(done=any(line.serial == doubt.serial and line.digest.hex() == doubt.digest for line in lines))

    async def drained(self) -> None:
        """Wait until all is on the disk, or cannot be."""
        if self._busy:
            done: Deferred[None] = Deferred()
            self._waiting.append(done.addErrback(lambda failure: failure.trap(OSError) and None))
            await done

    def _undo(self, failure: Failure, count: int, before: Gap, doubt: Doubt | None) -> Failure:
        """Take back what could not be noted: those messages do not pass."""
        now = self.gap
        if doubt is not None and doubt != before.doubt and now.doubt == doubt:
            self.gap = replace(now, count=max(0, now.count - count), doubt=before.doubt)
        else:
            self.gap = replace(now, count=max(0, now.count - count))
        return failure

    def _save(self) -> "Deferred[None]":
        saved: Deferred[None] = Deferred()
        self._waiting.append(saved)
        if not self._busy:
            self._busy = True
            begin(self._write(), self.log, "noting what passed unarchived")
        return saved

    async def _write(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                gap, error = self.gap, None
                try:
                    if gap != self._saved:
                        await self._file.write(_written(gap))
                        self._saved = gap
                except OSError as failed:
                    error = failed
                for saved in waiting:
                    saved.callback(None) if error is None else saved.errback(OSError(str(error)))
        finally:
            self._busy = False


def _written(gap: Gap) -> bytes:
    return json.dumps({"form": FORM, **asdict(gap)}, separators=(",", ":")).encode()


def _read(text: bytes) -> Gap:
    """Read a gap back; ValueError when it is none."""
    try:
        found = json.loads(text)
        doubt = found["doubt"]
        return Gap(
            int(found["count"]),
            float(found["since"]),
            float(found["until"]),
            None if doubt is None else Doubt(int(doubt["serial"]), str(doubt["digest"]), int(doubt["count"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the archive's gap file is not readable: {error}") from None
