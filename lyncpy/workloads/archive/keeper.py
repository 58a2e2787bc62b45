"""The one writer of the chain: many entries in one write, each durable before its speaker is answered."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.archive import (
    ChainEnds,
    ChainPosition,
    ConversationEvent,
    EntryKind,
    IArchive,
    ILedger,
    IStamps,
)
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.shares import Shares
from lyncpy.contracts.store import Conflict
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import Unfinished
from lyncpy.core.group_commit import CommitInDoubt, GroupCommit, GroupCommitTerms
from lyncpy.core.tasks import Task
from lyncpy.core.timestamps import moment
from lyncpy.core.versioned import uncontended
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.doubtful_refusals import DoubtfulRefusals
from lyncpy.workloads.archive.gaps import Gap, Gaps, UncertainWrite
from lyncpy.workloads.archive.model import ChainPoint, ConversationIndex
from lyncpy.workloads.archive.settings import Settings

GROUP: Final = 500
"""Entries of one write at most: bounds how long the first of them waits for the last."""

SENDERS: Final = 4
"""Of `waiting_bytes` a sender has this part: whoever writes very much while the disk is slow keeps out no other."""

CONVERSATIONS: Final = 2000
"""Conversations whose people are remembered to be in the index."""

ENTRY_BYTES: Final = 400
"""What an entry takes in memory beside its body and its recipients, about."""

RECIPIENT_BYTES: Final = 40
"""What each of those takes."""

AGAIN_S: Final = 30.0
"""When it is tried again to tell in the chain what is missing, if nobody says anything before."""

GAP_CLOSE_S: Final = 1.0
"""What the gap file may take at an orderly end."""

Entry = ConversationEvent | None
"""What is written: something that was said; None: only what is missing, if that is not told yet."""


@dataclass(slots=True)
class Counts:
    """What this start of the server did."""

    kept: int = 0
    refused: int = 0
    lost: int = 0
    """Passed on without being archived."""

    told: int = 0
    """Of those, and of what passed before the start: told in the chain."""

    trouble: str = ""
    """Why the last write failed; "" when it did not."""

    trouble_since: float = 0.0
    """Wall clock."""


@implementer(IArchive)
class Keeper:
    """Writes the chain. What waits is bounded in bytes and in time.

    Args:
        ledger: Where lines go.
        stamps: What vouches for the ends.
        policies: Who is archived.
        meter: Shows what waits and what was written.
        settings: The section [archive].
        timers: The deadlines, and the clocks.
        gaps: Counts what passes unarchived.
        close_s: The seconds that `close` may take.
    """

    log = Logger()

    def __init__(
        self,
        ledger: ILedger,
        stamps: IStamps,
        policies: IPolicies,
        meter: IMeter,
        settings: Settings,
        timers: ITimers,
        *,
        gaps: Gaps,
        close_s: float,
    ) -> None:
        self._ledger = ledger
        self._stamps = stamps
        self._policies = policies
        self._settings = settings
        self._timers = timers
        self._close_s = close_s
        self._end: ChainPosition | None = None
        self._places = ConversationIndex(CONVERSATIONS)
        terms: GroupCommitTerms[Entry] = GroupCommitTerms(
            "the archive's disk",
            Shares(settings.waiting_bytes, {"sender": settings.waiting_bytes // SENDERS}),
            group_max=GROUP,
            pace_s=settings.gather_ms / 1000.0,
            answer_s=settings.wait_s,
            on_trouble=self._heard,
        )
        self._queue: GroupCommit[Entry, None] = GroupCommit("archive", self._commit, terms, timers, meter)
        meter.gauge(
            "lyncpy_archive_waiting_bytes", "Size of what waits for the archive.", lambda: float(self.waiting_bytes)
        )
        self._gaps = gaps
        self._doubtful = DoubtfulRefusals()
        self._again: ITimer | None = None
        self.counts = Counts()
        self._kept = meter.counter("lyncpy_archive_entries_total", "Entries written to the archive")
        self._failed = meter.counter("lyncpy_archive_failures_total", "Messages that could not be archived")

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting_bytes(self) -> int:
        """Give the size of what is not written yet; beyond [archive] waiting_bytes nothing more is taken."""
        return self._queue.size

    # --- IArchive

    def wants(self, people: Collection[Aor], external: bool) -> bool:
        """Tell whether one of these people has a policy that demands archiving."""
        of = self._policies.policy_of
        if external:
            return any(of(person).archive_external for person in people)
        return any(of(person).archive_internal for person in people)

    async def archive(self, said: ConversationEvent) -> None:
        """Write an entry, or, out of critical mode, that it is missing; durable when this returns.

        Raises:
            Refused: 503, in critical mode, when it cannot be written; otherwise when not even
                the gap can be noted.
        """
        try:
            size = ENTRY_BYTES + len(said.body) + RECIPIENT_BYTES * len(said.recipients)
            await self._queue.add(said, size=size, owners={"sender": said.sender})
        except StoreUnavailable as error:
            await self._unarchived(said, error)

    # --- its life

    async def open(self) -> None:
        """Find the end of the chain, or begin one.

        Raises:
            StoreUnavailable: It cannot be read. A chain that is not whole is no reason not to start.
        """
        await self._gaps.open()
        try:
            end = await self._find_end()
            self.log.info("the archive goes on behind entry {point}", point=str(ChainPoint(end.serial, end.digest)))
        except ChainTorn as error:
            self._troubled(str(error))
        if self.gap.count:
            await self._told()

    async def close(self) -> None:
        """Write the entries that wait within `close_s`, or fail them.

        Raises:
            Unfinished: The disk did not take it in time.
        """
        left = await self._queue.close(self._close_s)
        if self._again is not None:
            self._again.cancel()
            self._again = None
        await self._gaps.close(GAP_CLOSE_S)
        if left:
            raise Unfinished(f"{left} messages are not known to be archived: the disk did not take them in time")

    @property
    def gap(self) -> Gap:
        """Give what passed unarchived and is not told in the chain yet."""
        return self._gaps.gap

    async def resume(self, author: str, reason: str) -> ChainPoint | None:
        """Resume a chain whose ends do not fit; an entry names the operator and the reason.

        Returns:
            The new end; None when nothing was torn.

        Raises:
            StoreUnavailable: It cannot be written, or was not within `wait_s`.
            Conflict: Something else was written meanwhile.
        """
        # No queue stands before this, which would give up a disk that hangs.
        done: Deferred[ChainPoint | None] = Deferred()
        task = Task(self._resume(author, reason), done.callback, done.errback)
        task.go_on()
        task.cancel_after(self._settings.wait_s, self._timers)
        try:
            return await done
        except CancelledError:
            raise CommitInDoubt(
                "the archive's disk does not answer: `archive status` says later whether the archive goes on"
            ) from None

    async def _resume(self, author: str, reason: str) -> ChainPoint | None:
        ends = await self._ledger.ends()
        tear = tear_of(self._stamps, ends) if ends is not None else ""
        if ends is None or not tear:
            return None
        said = ConversationEvent(
            self._timers.wall(),
            conversation="",
            kind=EntryKind.RESUMED,
            sender=kept_aor(author),
            recipients=(),
            content_type="text/plain; charset=utf-8",
            body=f"{tear}\n{reason}".encode("utf-8", "replace"),
        )
        line = model.link(model.next_of(ends), said)
        end = self._mark("end", ChainPoint(line.serial, line.digest))
        await self._ledger.append([line], model.places(said), end, ends.end)
        if not is_ours(self._stamps, "start", ends.start):
            await self._ledger.remove_until(self._mark("start", _point(ends.start)), ends.start)
        self._end = end
        self._healthy()
        return _point(end)

    async def purge(self, before: float) -> int:
        """Remove what is older from the front of the chain, a slice at a time; give the number of entries.

        Raises:
            StoreUnavailable: Some may have been removed.
        """
        total = 0
        while True:
            ends = await self._ledger.ends()
            if ends is None or not is_ours(self._stamps, "start", ends.start):
                return total
            old = model.over(await self._ledger.read_after(ends.start.serial, GROUP), before)
            if not old:
                return total
            start = self._mark("start", ChainPoint(old[-1].serial, old[-1].digest))
            # An entry that is written behind this must bring its places with it again.
            self._places.clear()
            try:
                await self._ledger.remove_until(start, ends.start)
            except Conflict:
                return total  # another purge is at it
            total += len(old)

    # --- writing

    def _commit(self, entries: Sequence[Entry]) -> "Deferred[Sequence[None]]":
        """Write a group; fails with StoreUnavailable when that failed, or may have."""
        done: Deferred[Sequence[None]] = Deferred()
        not_added = partial(self._not_added, done, alone=len(entries) == 1)
        Task(self._write(entries), done.callback, not_added).go_on()
        return done

    async def _write(self, entries: Sequence[Entry]) -> Sequence[None]:
        """Write a group behind the end of the chain, wherever that is: `lyncpy archive` may have written, or a second server."""
        group = [said for said in entries if said is not None]
        try:
            # Whatever fails: what was written, if anything, is asked before the next try.
            await uncontended(partial(self._add_behind, group))
        except Conflict:
            self._gaps.attempt = None
            raise StoreUnavailable("other programs write to the archive all the time") from None
        if self.counts.trouble:
            self._healthy()
        return [None] * len(entries)

    def _not_added(self, done: "Deferred[Sequence[None]]", failure: Failure, *, alone: bool) -> None:
        """Tell of a failed write, as StoreUnavailable; a bug is logged."""
        if failure.check(ChainTorn):
            failure = Failure(StoreUnavailable(str(failure.value)))
        elif not failure.check(StoreUnavailable) and alone:  # of a group, each is tried alone
            self.log.failure("writing to the archive failed", failure)
            failure = Failure(StoreUnavailable("the archive failed"))
        done.errback(failure)

    def _tell_gap(self) -> None:
        """Write an entry about lost messages, if there are some and no other write is under way."""
        self._again = None
        if self.gap.count and not len(self._queue):
            _ = self._told()

    def _told(self) -> "Deferred[None]":
        # When it fails it is tried again later.
        return self._queue.add(None).addErrback(lambda failure: failure.trap(StoreUnavailable) and None)

    async def _add_behind(self, group: list[ConversationEvent]) -> None:
        """Write a group behind the end as this knows it.

        Raises:
            Conflict: The end is another by now; nothing was written, and it is looked for next time.
        """
        self._gaps.attempt = None
        end = self._end or await self._find_end()
        self._end = None
        lost = self.gap
        batch = [_gap(self._timers.wall(), lost), *group] if lost.count else group
        if not batch:
            self._end = end
            return
        lines = model.chain(_point(end), batch)
        point = ChainPoint(lines[-1].serial, lines[-1].digest)
        mark = self._mark("end", point)
        await self._ready(point, lost.count)
        fresh = [(said, places) for said in batch if (places := self._places.fresh(said))]
        await self._ledger.append(lines, {place for _, places in fresh for place in places}, mark, end)
        self._end = mark
        self._gaps.settle(done=True)
        if self._doubtful.serial is not None:
            self._correct(self._doubtful.settled(lines[-1:]))
        self.counts.told += lost.count
        for said, _ in fresh:
            self._places.add_entry(said)
        self.counts.kept += len(group)
        self._kept.add(len(batch))

    async def _ready(self, point: ChainPoint, lost: int) -> None:
        """Note a write before it begins, so that a write without a result does not falsify the count.

        Raises:
            StoreUnavailable: Who waits has been told that it is not written, and so it must not be.
        """
        if lost:
            await self._gaps.doubted(point, lost)
        if self._queue.hangs:
            raise StoreUnavailable("the archive's disk does not answer")
        self._gaps.attempt = UncertainWrite(point.serial, point.digest.hex(), lost)

    async def _find_end(self) -> ChainPosition:
        """Give the end of the chain; begin one where there is none.

        Raises:
            Torn: The end is not the one that was sealed: what follows it would hide that.
        """
        ends = await self._ledger.ends()
        if ends is None:
            origin = ChainPoint(0, secrets.token_bytes(model.DIGEST_BYTES))
            self._end = self._mark("end", origin)
            await self._ledger.begin_chain(self._mark("start", origin), self._end)
            return self._end
        tear = tear_of(self._stamps, ends)
        if tear:
            raise ChainTorn(tear)
        doubt = self.gap.doubt
        if doubt is not None:
            self._gaps.resolve(await self._ledger.read_after(doubt.serial - 1, 1))
        refused = self._doubtful.serial
        if refused is not None:
            self._correct(self._doubtful.settled(await self._ledger.read_after(refused - 1, 1)))
        self._end = ends.end
        return ends.end

    def _mark(self, name: str, point: ChainPoint) -> ChainPosition:
        return ChainPosition(
            point.serial, point.digest, self._stamps.stamp(model.stamped_text(name, point.serial, point.digest))
        )

    # --- who waits

    async def _unarchived(self, said: ConversationEvent, error: StoreUnavailable) -> None:
        """Pass an unarchived message once its loss is noted; refuse it in critical mode."""
        self._failed.add()
        in_doubt = self._gaps.attempt if isinstance(error, CommitInDoubt) else None
        try:
            if self._settings.critical:
                raise error
            await self._gaps.lost(said.at, in_doubt=in_doubt is not None)
        except StoreUnavailable as why:
            self.counts.refused += 1
            if in_doubt is not None:
                self._doubtful.add(in_doubt, said)
            raise _refusal() from why
        self.counts.lost += 1

    def _correct(self, refused: Sequence[ConversationEvent]) -> None:
        """Have the archive say of refused messages that are in it that they were not delivered; nothing waits for that."""
        for said in refused:
            note = said.undelivered(self._timers.wall())
            if not self._queue.add_unawaited(note, (said.conversation, said.message_id, said.sender)):
                self.log.error(
                    "the archive lacks that message {message} of {conversation} was not delivered: too much waits for it",
                    message=said.message_id,
                    conversation=said.conversation,
                )

    def _heard(self, trouble: str) -> None:
        if trouble:
            self._troubled(trouble)

    def _troubled(self, why: str) -> None:
        """Log the first failure of a row: a full disk must not be filled by its own log."""
        if not self.counts.trouble:
            self.counts.trouble_since = self._timers.wall()
            then = "such messages are refused" if self._settings.critical else "messages pass unrecorded"
            self.log.error("the archive cannot be written: {reason}; until it works {then}", reason=why, then=then)
        self.counts.trouble = why
        if self._again is None:
            self._again = self._timers.later(AGAIN_S, self._tell_gap)

    def _healthy(self) -> None:
        if self.counts.trouble:
            self.counts.trouble = ""
            self.log.info("the archive works again")


class ChainTorn(Exception):
    """The end of the chain does not fit its stamp; an operator has to look at it."""


def is_ours(stamps: IStamps, name: str, mark: ChainPosition) -> bool:
    """Tell whether the server's key vouches for a mark."""
    stamp = stamps.stamp(model.stamped_text(name, mark.serial, mark.digest))
    return secrets.compare_digest(mark.stamp, stamp)


def tear_of(stamps: IStamps, ends: ChainEnds) -> str:
    """Explain how the ends do not fit, with the remedy; "" when they fit."""
    torn = [name for name, mark in (("start", ends.start), ("end", ends.end)) if not is_ours(stamps, name, mark)]
    if len(torn) == 2:
        return (
            f"the seals of the archive were not made with {stamps.key_named()}: bring back the key that belongs "
            "to this database and start again; if it is lost, `archive resume REASON` has the archive go on"
        )
    if torn:
        return (
            f"the seal of the archive's {torn[0]} was not made with {stamps.key_named()}, and that of its other end "
            "was: `archive verify` shows what is whole, `archive resume REASON` has the archive go on"
        )
    return model.tear_of(ends)


def _point(mark: ChainPosition) -> ChainPoint:
    return ChainPoint(mark.serial, mark.digest)


def _gap(at: float, gap: Gap) -> ConversationEvent:
    """Make the entry that tells of lost messages."""
    text = f"{gap.count} messages were passed on from {moment(gap.since)} to {moment(gap.until)}, and are not archived"
    return ConversationEvent(
        at, "", EntryKind.LOST, Aor(""), (), content_type="text/plain; charset=utf-8", body=text.encode()
    )


def _refusal() -> Refused:
    reason = "Instant messages must be archived here, and the archive cannot be written now. Try again later."
    return Refused(503, Diagnostics(1, reason), headers=[("Retry-After", "30")])
