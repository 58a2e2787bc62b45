"""The one writer of the chain: many entries in one write, each durable before its speaker is answered."""

import secrets
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.archive import (
    Addition,
    ChainPosition,
    ConversationEvent,
    EntryKind,
    IArchive,
    ILedger,
    IStamps,
    LedgerLine,
    Place,
)
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.store import Conflict
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import Unfinished
from lyncpy.core.group_commit import CommitInDoubt, GroupCommit, GroupCommitTerms
from lyncpy.core.tasks import Task
from lyncpy.core.versioned import uncontended
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.doubtful_refusals import DoubtfulRefusals
from lyncpy.workloads.archive.gaps import Gap, Gaps, UncertainWrite, told
from lyncpy.workloads.archive.model import ChainPoint, ConversationIndex
from lyncpy.workloads.archive.seals import ChainTorn, is_ours, sealed, tear_of
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

COMPANY_S: Final = 10.0
"""For how long somebody else who has written is taken to go on: until then the end is locked, and no write is in vain."""

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

    Attributes:
        places: What is in the index, as far as it is remembered; to be cleared where a purge may have removed it.
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
        self._alone_at = 0.0
        """Monotonic seconds until which others are taken to write, too."""

        self.places: Final = ConversationIndex(CONVERSATIONS)
        terms: GroupCommitTerms[Entry] = GroupCommitTerms(
            "the archive's disk",
            Shares(
                settings.waiting_bytes,
                {"sender": settings.waiting_bytes // SENDERS},
                {TOTAL: "archive.waiting_bytes", "sender": "archive.waiting_bytes_per_sender"},
            ),
            group_max=GROUP,
            pace_s=settings.gather_ms / 1000.0,
            answer_s=settings.wait_s,
            on_trouble=self._troubled,
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
        end = sealed(self._stamps, "end", ChainPoint(line.serial, line.digest))
        await self._ledger.append([line], model.places(said), end, ends.end)
        if not is_ours(self._stamps, "start", ends.start):
            await self._ledger.remove_until(sealed(self._stamps, "start", _point(ends.start)), ends.start)
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
            start = sealed(self._stamps, "start", ChainPoint(old[-1].serial, old[-1].digest))
            # An entry that is written behind this must bring its places with it again.
            self.places.clear()
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
            await uncontended(partial(self._add, group))
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

    def _add(self, group: list[ConversationEvent]) -> Coroutine[Any, Any, None]:  # Any: Python's own parameters
        """Write a group behind the end as this knows it; while others write, too, behind wherever it is.

        Raises:
            Conflict: The end is another by now; nothing was written, and the next try is one that has to succeed.
        """
        # What is missing is told behind an end that is known: whether that was done is looked for there.
        in_company = group and self._timers.now() < self._alone_at
        return self._add_in_company(group) if in_company else self._add_behind(group)

    async def _add_in_company(self, group: list[ConversationEvent]) -> None:
        """Write a group behind the end, which is locked meanwhile: others wait, and nobody has to try again."""
        self._gaps.attempt = None
        if self.gap.doubt is not None or self._doubtful.serial is not None:
            await self._find_end()
        self._end = None
        fresh = [(said, places) for said in group if (places := self.places.fresh(said))]
        lines: Sequence[LedgerLine] = ()
        torn = False

        def build(end: ChainPosition) -> Addition | None:
            # Perhaps in the store's thread: what this uses nobody else does while a group is being written.
            nonlocal lines, torn
            torn = not is_ours(self._stamps, "end", end)
            if torn or self._queue.hangs:
                return None
            lines = model.chain(_point(end), group)
            point = ChainPoint(lines[-1].serial, lines[-1].digest)
            self._gaps.attempt = UncertainWrite(point.serial, point.digest.hex(), 0)
            return Addition(lines, sealed(self._stamps, "end", point))

        try:
            end = await self._ledger.append_behind(build, {place for _, places in fresh for place in places})
        except Conflict:
            if torn:
                # The ends say how.
                await self._find_end()
            raise
        self._end = end
        self._note_added(group, lines, fresh)

    async def _add_behind(self, group: list[ConversationEvent]) -> None:
        """Write a group behind the end as this knows it.

        Raises:
            Conflict: The end is another by now; nothing was written, and it is looked for next time.
        """
        self._gaps.attempt = None
        end = self._end or await self._find_end()
        self._end = None
        lost = self.gap
        batch = [told(self._timers.wall(), lost), *group] if lost.count else group
        if not batch:
            self._end = end
            return
        lines = model.chain(_point(end), batch)
        point = ChainPoint(lines[-1].serial, lines[-1].digest)
        mark = sealed(self._stamps, "end", point)
        # Noted before it begins, so that a write without a result does not falsify the count.
        if lost.count:
            await self._gaps.doubted(point, lost.count)
        if self._queue.hangs:
            # Who waits has been told that it is not written, and so it must not be.
            raise StoreUnavailable("the archive's disk does not answer")
        self._gaps.attempt = UncertainWrite(point.serial, point.digest.hex(), lost.count)
        fresh = [(said, places) for said in batch if (places := self.places.fresh(said))]
        try:
            await self._ledger.append(lines, {place for _, places in fresh for place in places}, mark, end)
        except Conflict:
            self._alone_at = self._timers.now() + COMPANY_S
            raise
        self._end = mark
        if self._gaps.gap.doubt is not None:
            self._gaps.settle(done=True)
        self.counts.told += lost.count
        self._note_added(group, lines, fresh)

    def _note_added(
        self,
        group: Sequence[ConversationEvent],
        lines: Sequence[LedgerLine],
        fresh: Sequence[tuple[ConversationEvent, Collection[Place]]],
    ) -> None:
        if self._doubtful.serial is not None:
            self._correct(self._doubtful.settled(lines[-1:]))
        for said, _ in fresh:
            self.places.add_entry(said)
        self.counts.kept += len(group)
        self._kept.add(len(lines))

    async def _find_end(self) -> ChainPosition:
        """Give the end of the chain; begin one where there is none.

        Raises:
            Torn: The end is not the one that was sealed: what follows it would hide that.
        """
        ends = await self._ledger.ends()
        if ends is None:
            origin = ChainPoint(0, secrets.token_bytes(model.DIGEST_BYTES))
            self._end = sealed(self._stamps, "end", origin)
            await self._ledger.begin_chain(sealed(self._stamps, "start", origin), self._end)
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

    def _troubled(self, why: str) -> None:
        """Log the first failure of a row: a full disk must not be filled by its own log; "" is none."""
        if not why:
            return
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


def _point(mark: ChainPosition) -> ChainPoint:
    return ChainPoint(mark.serial, mark.digest)


def _refusal() -> Refused:
    reason = "Instant messages must be archived here, and the archive cannot be written now. Try again later."
    return Refused(503, Diagnostics(1, reason), headers=[("Retry-After", "30")])
