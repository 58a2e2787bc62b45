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

from lyncpy.contracts.archive import ConversationEvent, EntryKind, IGapFile, LedgerLine
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.core.group_commit import GroupCommit, GroupCommitTerms
from lyncpy.core.timestamps import moment
from lyncpy.workloads.archive.model import ChainPoint

FORM: Final = 1

WAITING_BOUND: Final = 100_000
"""Changes that wait for the file at once: as many as messages may wait for the archive."""


@dataclass(frozen=True, slots=True)
class UncertainWrite:
    """A write whose result is unknown."""

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

    doubt: UncertainWrite | None = None


class Gaps:
    """The gap, in memory and on the disk; many changes of a moment are one write.

    Attributes:
        gap: As it is in memory.
        attempt: The write to the chain that is under way, and how many of the gap are not missing if it is done.

    Args:
        file: Where it is kept.
        timers: The deadlines.
        meter: Shows what waits for the file.
        answer_s: Seconds that the file may take; then what waits for it does not pass.
    """

    log = Logger()

    def __init__(self, file: IGapFile, timers: ITimers, meter: IMeter, *, answer_s: float) -> None:
        self._file = file
        self.gap = Gap()
        self.attempt: UncertainWrite | None = None
        self._saved = Gap()
        self._done: UncertainWrite | None = None
        """The write that was found done last."""
        terms: GroupCommitTerms[None] = GroupCommitTerms(
            "the archive's gap file", Shares(WAITING_BOUND, {}, {TOTAL: "archive.gap_waiting"}), answer_s=answer_s
        )
        self._queue: GroupCommit[None, None] = GroupCommit("archive_gap", self._commit, terms, timers, meter)

    async def open(self) -> None:
        """Read the gap that another start of the server has left in the file."""
        try:
            text = await self._file.read()
            self.gap = self._saved = _read(text) if text else Gap()
        except (OSError, ValueError) as error:
            self.log.error("it is not known whether messages passed unarchived before: {reason}", reason=str(error))

    async def close(self, within_s: float) -> None:
        """Wait until all is on the disk, or cannot be."""
        await self._queue.close(within_s)

    def lost(self, at: float, *, in_doubt: bool) -> "Deferred[None]":
        """Count a message that is about to pass; durable when this fires.

        Fails with StoreUnavailable, and the message must not pass.

        Args:
            at: When it was said; wall clock.
            in_doubt: Whether it is in the write under way, which may be done all the same.
        """
        before = self.gap
        doubt = before.doubt
        attempt = self.attempt if in_doubt else None
        if attempt is not None:
            doubt = self.attempt = replace(attempt, count=attempt.count + 1)
        since = min(at, before.since) if before.count else at
        self.gap = Gap(before.count + 1, since, max(before.until, at), doubt)
        return self._save().addErrback(self._not_passed, attempt)

    def doubted(self, after: ChainPoint, count: int) -> "Deferred[None]":
        """Note that a write about so many lost messages begins; durable when this fires. Fails with StoreUnavailable."""
        self.gap = replace(self.gap, doubt=UncertainWrite(after.serial, after.digest.hex(), count))
        return self._save()

    def settle(self, *, done: bool) -> None:
        """Settle the write in doubt: it was done, or was not."""
        doubt = self.gap.doubt
        if doubt is None:
            return
        if done:
            self._done = doubt
        left = self.gap.count - doubt.count if done else self.gap.count
        self.gap = replace(self.gap, count=left, doubt=None) if left > 0 else Gap()
        # What is there says the same, with a doubt.
        _ = self._save().addErrback(lambda failure: failure.trap(StoreUnavailable))

    def resolve(self, lines: Sequence[LedgerLine]) -> None:
        """Settle a doubt by the entry that the chain has in its place, if it has one."""
        doubt = self.gap.doubt
        if doubt is not None:
            self.settle(done=any(line.serial == doubt.serial and line.digest.hex() == doubt.digest for line in lines))

    def _not_passed(self, failure: Failure, attempt: UncertainWrite | None) -> Failure:
        """Undo a count that could not be written to the file: that message does not pass."""
        if _is_same(attempt, self._done):
            return failure  # it is in the chain, and is not counted any more
        self.attempt = _one_less(self.attempt, attempt)
        doubt = _one_less(self.gap.doubt, attempt)
        self.gap = replace(self.gap, count=max(0, self.gap.count - 1), doubt=doubt)
        return failure

    def _save(self) -> "Deferred[None]":
        return self._queue.add(None)

    def _commit(self, changes: Sequence[None]) -> "Deferred[Sequence[None]]":
        return Deferred.fromCoroutine(self._write(changes))

    async def _write(self, changes: Sequence[None]) -> Sequence[None]:
        gap = self.gap
        if gap != self._saved:
            try:
                await self._file.write(_written(gap))
            except OSError as error:
                raise StoreUnavailable(f"the archive's gap file cannot be written: {error}") from error
            self._saved = gap
        return changes


def told(at: float, gap: Gap) -> ConversationEvent:
    """Make the entry that tells of lost messages."""
    text = f"{gap.count} messages were passed on from {moment(gap.since)} to {moment(gap.until)}, and are not archived"
    return ConversationEvent(
        at, "", EntryKind.LOST, Aor(""), (), content_type="text/plain; charset=utf-8", body=text.encode()
    )


def holds_gap(content: bytes) -> bool:
    """Tell whether the content of a gap file tells of anything; what cannot be read may."""
    try:
        return bool(content) and _read(content) != Gap()
    except ValueError:
        return True


def _is_same(one: UncertainWrite | None, other: UncertainWrite | None) -> bool:
    """Tell whether two doubts are about one write."""
    return one is not None and other is not None and (one.serial, one.digest) == (other.serial, other.digest)


def _one_less(doubt: UncertainWrite | None, attempt: UncertainWrite | None) -> UncertainWrite | None:
    """Subtract a message from a doubt, if the doubt is about the write that it was in."""
    if doubt is None or not _is_same(doubt, attempt):
        return doubt
    return replace(doubt, count=max(0, doubt.count - 1))


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
            None if doubt is None else UncertainWrite(int(doubt["serial"]), str(doubt["digest"]), int(doubt["count"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the archive's gap file is not readable: {error}") from None
