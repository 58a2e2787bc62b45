"""Verification: the whole chain is walked, a slice at a time, and the first thing that is wrong is named."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from lyncpy.contracts.archive import (
    ChainEnds,
    ChainPosition,
    ConversationEvent,
    EntryKind,
    ILedger,
    IStamps,
    LedgerLine,
    Place,
)
from lyncpy.workloads.archive import model
from lyncpy.workloads.archive.keeper import CONVERSATIONS
from lyncpy.workloads.archive.model import ChainBroken, ChainPoint, ConversationIndex
from lyncpy.workloads.archive.seals import is_ours

SLICE = 200
"""Lines that are in memory at once."""

ENTRY_BYTES = 200
"""What it costs to check an entry, beside its digest, as if it were so many bytes of that."""

LOST = "{} entries say that messages were passed on unarchived before them"


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of a verification."""

    checked: int
    """Entries that were found whole."""

    since: ChainPoint
    """Behind which entry it began."""

    until: ChainPoint
    """The last entry that was found whole."""

    broken: int | None = None
    """The first entry that is not; None: all are."""

    wrong: str = ""
    remarks: tuple[str, ...] = ()
    """What is whole and still worth a look."""


async def no_rest(count: int) -> None:
    """Go on at once: where nobody else waits for their turn."""


class Auditor:
    """Verifies the chain. Trusts the server's key, and nothing that is in the database.

    Args:
        ledger: The lines to be verified.
        stamps: Verifies the signatures of the marks.
        rest: Lets others run; called with the number of bytes that were read.
    """

    def __init__(self, ledger: ILedger, stamps: IStamps, rest: Callable[[int], Awaitable[None]] = no_rest) -> None:
        self._ledger = ledger
        self._stamps = stamps
        self._rest = rest

    async def verify(
        self, since: ChainPoint | None = None, progress: Callable[[ChainPoint, int], None] = lambda point, end: None
    ) -> AuditResult:
        """Walk the chain to its end of now.

        Args:
            since: An entry that was noted earlier: it must still be the same, and what is behind it is verified.
                Otherwise all is.
            progress: Called after each slice with the last entry that is whole, and the serial of the last one of all.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        return await _Walk(self._ledger, self._stamps, self._rest, progress).go(since)


class _Walk:
    """One verification."""

    def __init__(
        self,
        ledger: ILedger,
        stamps: IStamps,
        rest: Callable[[int], Awaitable[None]],
        progress: Callable[[ChainPoint, int], None],
    ) -> None:
        self._ledger = ledger
        self._stamps = stamps
        self._rest = rest
        self._progress = progress
        self._places = ConversationIndex(CONVERSATIONS)
        self._lost = 0
        self._checked = 0
        self._since = self._point = ChainPoint(0, b"")

    async def go(self, since: ChainPoint | None) -> AuditResult:
        broken: ChainBroken | None = None
        try:
            await self._walk(since)
        except ChainBroken as found:
            broken = found
        remarks = (LOST.format(self._lost),) if self._lost else ()
        if broken is None:
            return AuditResult(self._checked, self._since, self._point, remarks=remarks)
        return AuditResult(self._checked, self._since, self._point, broken.serial, broken.wrong, remarks)

    async def _walk(self, since: ChainPoint | None) -> None:
        ends = await self._ledger.ends()
        # An archive in which nothing was written is whole, unless somebody has noted an entry of it.
        if ends is None:
            if since is not None:
                raise ChainBroken(since.serial, "is missing: there is no archive")
            return
        self._point = self._since = self._start(ends) if since is None else await self._noted(since, ends)
        if not is_ours(self._stamps, "end", ends.end):
            raise ChainBroken(
                ends.end.serial,
                f"the seal of the last entry does not fit: it was not made with {self._stamps.key_named()}",
            )
        tear = model.tear_of(ends)
        while self._point.serial < ends.end.serial:
            lines = await self._ledger.read_after(self._point.serial, SLICE)
            # A purge may remove lines between two reads; it moves the start, and that is no gap.
            if not lines and await self._purged_meanwhile():
                continue
            if not lines:
                raise ChainBroken(
                    self._point.serial + 1, f"is missing, and all up to {ends.end.serial}, the last one sealed"
                )
            await self._check(lines, ends.end)
            self._progress(self._point, ends.end.serial)
        if self._point.digest != ends.end.digest:
            raise ChainBroken(self._point.serial, "is not the one that was sealed as the last")
        # A tear is behind the stamped end; it is told last, so that all entries before it are checked.
        if tear:
            raise ChainBroken(ends.end.serial + 1, tear)

    def _start(self, ends: ChainEnds) -> ChainPoint:
        if not is_ours(self._stamps, "start", ends.start):
            raise ChainBroken(
                ends.start.serial + 1,
                f"the seal of the beginning does not fit: it was not made with {self._stamps.key_named()}",
            )
        return ChainPoint(ends.start.serial, ends.start.digest)

    async def _noted(self, since: ChainPoint, ends: ChainEnds) -> ChainPoint:
        """Check that a noted entry is still the same."""
        if since.serial > ends.end.serial:
            raise ChainBroken(since.serial, f"is missing: the archive ends with {ends.end.serial}")
        if since.serial <= ends.start.serial:
            start = self._start(ends)
            if since.serial == start.serial and since.digest != start.digest:
                raise ChainBroken(since.serial, "is not the one that was noted")
            return start
        lines = await self._ledger.read_after(since.serial - 1, 1)
        if not lines or lines[0].serial != since.serial:
            raise ChainBroken(since.serial, "is missing")
        if lines[0].digest != since.digest:
            raise ChainBroken(since.serial, "is not the one that was noted")
        return since

    async def _check(self, lines: Sequence[LedgerLine], end: ChainPosition) -> None:
        """Check a slice, and move on."""
        found: list[tuple[int, ConversationEvent]] = []
        broken: ChainBroken | None = None
        for line in lines:
            if self._point.serial >= end.serial:
                break
            await self._rest(len(line.head) + len(line.body) + ENTRY_BYTES)
            try:
                entry = model.follow(self._point, line)
                if line.kind == EntryKind.RESUMED:
                    raise ChainBroken(line.serial, _resumed(line))
            except ChainBroken as error:
                broken = error
                break
            self._point = ChainPoint(line.serial, line.digest)
            self._checked += 1
            self._lost += line.kind == EntryKind.LOST
            found.append((line.serial, entry.said))
        await self._check_places(found)
        if broken is not None and not await self._purged_meanwhile():
            raise broken

    async def _purged_meanwhile(self) -> bool:
        """Tell whether the missing entries were purged during the walk; then go on behind them."""
        ends = await self._ledger.ends()
        if ends is None or ends.start.serial <= self._point.serial:
            return False
        self._point = self._start(ends)
        return True

    async def _check_places(self, found: Sequence[tuple[int, ConversationEvent]]) -> None:
        """Check that the index has these entries; a search would not find them else."""
        fresh = [(serial, self._places.fresh(said)) for serial, said in found]
        wanted = frozenset[Place]().union(*(places for _, places in fresh))
        missing = frozenset(await self._ledger.misplaced(wanted)) if wanted else frozenset()
        for serial, places in fresh:
            if missing & places and not await self._is_purged(serial):
                raise ChainBroken(
                    serial, f"is not in the index of {min(missing & places)[0]}: a search would not find it"
                )
        for _, said in found:
            self._places.add_entry(said)

    async def _is_purged(self, serial: int) -> bool:
        ends = await self._ledger.ends()
        return ends is not None and ends.start.serial >= serial


def _resumed(line: LedgerLine) -> str:
    """Remark an operator's resumption of the chain: an intruder could have an operator's key, so it excuses nothing."""
    why = line.body.decode("utf-8", "replace").replace("\n", "; ")[:300]
    return (
        f"says that an operator let the archive go on over a tear ({why}); what is behind it is verified "
        f"with --from {ChainPoint(line.serial, line.digest)}"
    )
