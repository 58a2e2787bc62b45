"""Group commit: one queue in front of whatever makes things durable.

While a commit is under way what comes is gathered, and the next commit takes it all. The longer
a disk takes to sync, the more items share a commit, so that a disk that syncs 200 times a second
keeps thousands of them. A queue may have a pace as well: then what comes within a few milliseconds of a commit waits
for the next one, however quick the disk is; always, or while items have company.

An item is either *awaited* (`add`) or *written behind* (`add_unawaited`). One that is awaited waits for no
company: it goes at once when the queue is idle. One that is written behind may wait for others, and begins no
commit before its time; another's takes it along. When a commit fails, an awaited item fails with it, for its caller knows
best what to do then. A written-behind item stays, in its place, and is tried again, later each time; a
newer state of it takes the place of the one that still waits.

Every message that has to be durable passes here, so there is no more to it than it needs: no coroutine, and
a commit's deadline sets no timer of its own.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.group_commit import IGroupCommit
from lyncpy.contracts.meter import LATENCIES_S, IMeter
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.shares import TOTAL, Owners, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.core.commit_items import CommitItem, CommitQueue, CommitResults
from lyncpy.core.deadline import Deadline

T = TypeVar("T")
R = TypeVar("R")

GROUP_MAX: Final = 500
"""Items of one commit: bounds how long the first of them waits for the last."""

RETRY_S: Final = (1.0, 30.0)
"""When written-behind items are tried again after the first failure, and at the latest; it doubles in between."""

NOBODY: Final[Owners] = {}
"""The owners of an item that counts for the whole bound alone."""


class CommitInDoubt(StoreUnavailable):
    """The commit of the item had begun: the item may be durable all the same."""


@dataclass(frozen=True, slots=True)
class GroupCommitTerms(Generic[T]):
    """How a queue behaves."""

    subject: str
    """What the items wait for, as "the store": named in refusals."""

    bound: Shares
    """Of all that is not durable, in the sizes that are given with the items; one queue's own."""

    group_max: int = GROUP_MAX
    """Items of one commit."""

    pace_s: float = 0.0
    """Seconds from the beginning of one commit to that of the next, at least: what comes in a row shares commits."""

    paces_alone: bool = True
    """Whether that holds too after a commit of one item. Where it does not, one caller alone, who waits for each item
    before the next, is held up by nobody; and items that had company wait for as much again."""

    answer_s: float | None = None
    """Seconds after which a commit is taken to hang: awaited items fail, and new ones at once, until it ends."""

    on_trouble: Callable[[str], None] = lambda reason: None
    """Hears why a commit failed, each time; and "" when commits work again."""

    on_lost: Callable[[T, Failure], None] = lambda item, failure: None
    """Hears of a written-behind item that is given up, because the fault is its own."""


@implementer(IGroupCommit)
class GroupCommit(Generic[T, R]):
    """A queue whose items are committed in groups. At most one commit is under way; items are committed in the order in which they came.

    Args:
        name: In the names of the meters, as "store_write".
        commit: See `contracts.group_commit.Commit`.
        terms: How it behaves.
        timers: The deadlines, and the clock of the ages.
        meter: Shows how many items wait, and for how long.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        commit: Callable[[Sequence[T]], Deferred[Sequence[R]]],
        terms: GroupCommitTerms[T],
        timers: ITimers,
        meter: IMeter,
    ) -> None:
        self._name = name
        self._commit = commit
        self._terms = terms
        self._bound = terms.bound
        self._timers = timers
        self._waiting: CommitQueue[T, R] = CommitQueue()
        self._alone: deque[CommitItem[T, R]] = deque()
        """Items of a group of which one was at fault: each gets a commit of its own."""
        self._under_way: Sequence[CommitItem[T, R]] = ()
        self._since = -terms.pace_s
        """When the last commit began."""
        self._had_company = False
        """Whether it was one of several items."""
        self._outcome: Sequence[R] | Failure | None = None
        """What came of it; None: that is waited for."""
        self._answers: CommitResults[T, R] = CommitResults(timers, self._turn)
        self._busy = False
        self._is_turning = False
        self.hangs = False
        """Whether the commit under way has taken longer than `answer_s`."""
        self._is_open = True
        self._trouble = ""
        self._retry_s = RETRY_S[0]
        self._is_due = False
        """Whether the time of something that is written behind has come."""
        self._due = 0.0
        """When it comes, if a time is set."""
        self._gathering = Deadline(timers, self._time_has_come)
        self._late = Deadline(timers, self._look)
        self._idle: list[Deferred[None]] = []
        meter.gauge(f"lyncpy_{name}_waiting_count", f"Items that wait for {terms.subject}.", lambda: float(len(self)))
        meter.gauge(f"lyncpy_{name}_oldest_seconds", "Age of the oldest of them.", self.oldest_s)
        self._commits = meter.counter(f"lyncpy_{name}_commits_total", f"Groups of items sent to {terms.subject}.")
        self._failures = meter.counter(f"lyncpy_{name}_commit_failures_total", "Groups of items that failed there.")
        self._seconds = meter.histogram(
            f"lyncpy_{name}_commit_seconds", f"Seconds in which {terms.subject} took a group of items.", LATENCIES_S
        )

    def __len__(self) -> int:
        return len(self._waiting.entries) + len(self._alone) + len(self._under_way)

    @property
    def size(self) -> int:
        """How much of the bound is taken."""
        return len(self._bound)

    def oldest_s(self) -> float:
        """Give how long the oldest item has waited, in seconds; 0 when none waits."""
        firsts = (self._under_way, self._alone, self._waiting.entries)
        return max((self._timers.now() - some[0].since for some in firsts if some), default=0.0)

    def items(self) -> Sequence[T]:
        """Give the items that are not durable yet."""
        return [entry.item for some in (self._under_way, self._alone, self._waiting.entries) for entry in some]

    def add(self, item: T, *, size: int = 1, owners: Owners | None = None) -> "Deferred[R]":
        """Queue an item; its result comes when it is durable. See the promise.

        Fails with InDoubt when its commit had begun.

        Args:
            item: Goes to the commit.
            size: How much of the bound it takes.
            owners: Whose shares it takes.
        """
        owners = owners or NOBODY
        if self.hangs or not self._is_open or self._bound.reserve(owners, size):
            return fail(StoreUnavailable(self._refusal(owners, size)))
        answer: Deferred[R] = Deferred()
        self._waiting.append(CommitItem(item, self._timers.now(), size, owners, None, answer))
        if not self._busy:
            pause_s = self._pause_s()
            if pause_s > 0.0:
                self._begin_within(pause_s)
            else:
                self._begin()
        return answer

    def add_unawaited(self, item: T, key: Hashable, *, within_s: float = 0.0, owners: Owners | None = None) -> bool:
        """Queue an item for which no caller waits; it is tried again until it is durable.

        Args:
            item: The newest state; one with the same key that still waits is not committed any more.
            key: Names the item.
            within_s: How long it may wait for a newer state, in seconds; any other commit takes it along.
            owners: Whose shares it takes.

        Returns:
            Whether it was taken; it is not when the queue is closed, or full for one of its owners.
        """
        owners = owners or NOBODY
        entry = self._waiting.newest.get(key)
        if entry is not None:
            entry.item = item
        elif not self._is_open or self._bound.excess(owners):
            return False
        else:
            self._bound.add(owners, 1)
            self._waiting.append(CommitItem(item, self._timers.now(), 1, owners, key, None))
        self._begin_within(max(within_s, self._retry_s if self._trouble else 0.0))
        return True

    async def close(self, within_s: float) -> int:
        """Refuse new items and commit those that wait; give the number that is not durable. See the promise.

        What fails now is not tried again. `items` gives what is left.
        """
        self._is_open = False
        self._time_has_come()
        if self._busy:
            done: Deferred[None] = Deferred()
            self._idle.append(done)
            late = self._timers.later(within_s, lambda: None if done.called else done.callback(None))
            await done
            late.cancel()
        self._gathering.clear()
        self._late.clear()
        left = len(self)
        if self._busy:
            self._refuse_awaited(f"{self._terms.subject} did not take it within {within_s:g} s")
        return left

    # --- the next commit

    def _refusal(self, owners: Owners, size: int) -> str:
        """Say why no more is taken of these owners."""
        if self.hangs:
            return f"{self._terms.subject} does not answer"
        if not self._is_open:
            return f"{self._terms.subject} is closed"
        excess = self._bound.excess(owners, size)
        return f"too much {'' if excess == TOTAL else f'of one {excess} '}waits for {self._terms.subject}"

    def _begin_within(self, delay_s: float) -> None:
        """Have what is written behind committed after so many seconds, at the latest."""
        if delay_s <= 0.0:
            self._time_has_come()
            return
        due = self._timers.now() + delay_s
        if not self._gathering.is_set or due < self._due:
            self._due = due
            self._gathering.set(delay_s)

    def _pause_s(self) -> float:
        """Give how long what somebody waits for has to wait for others, because a commit began just now."""
        terms = self._terms
        pace_s = terms.pace_s
        if not pace_s or not (self._had_company or terms.paces_alone):
            return 0.0
        if not self._is_open or len(self._waiting.entries) >= terms.group_max:
            return 0.0
        return self._since + pace_s - self._timers.now()

    def _time_has_come(self) -> None:
        self._is_due = True
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        """Commit group after group, until nothing is left that should go now."""
        self._busy = self._is_turning = True
        self._start()
        self._turn()

    def _start(self) -> None:
        """Send the next group off; nothing is under way if there is none."""
        waiting = self._waiting
        group = [self._alone.popleft()] if self._alone else waiting.take(self._terms.group_max)
        if not waiting.entries:
            self._is_due = False
            self._gathering.clear()
        self._under_way = group
        self._outcome = None
        if not group:
            return
        self._commits.add()
        self._since = self._timers.now()
        self._had_company = len(group) > 1
        if self._terms.answer_s is not None:
            self._late.set_first(self._terms.answer_s)
        try:
            committing = self._commit([entry.item for entry in group])
        except Exception:  # noqa: BLE001 - its bug is a failed commit, and stops no other
            committing = fail()
        _ = committing.addBoth(self._came)

    def _start_next(self) -> None:
        """Begin the next commit, unless only items are left whose time has not come, or that failed just now."""
        pause_s = 0.0
        if self._waiting.awaited and not self._alone and not self._is_due:
            pause_s = self._pause_s()
        if pause_s > 0.0:
            self._begin_within(pause_s)
        elif self._alone or self._waiting.awaited or (self._is_due and not self._trouble):
            self._start()
            return
        self._under_way, self._outcome = (), None

    def _came(self, outcome: Sequence[R] | Failure) -> None:
        group = self._under_way
        if not isinstance(outcome, Failure) and len(outcome) != len(group):
            outcome = Failure(ValueError(f"{len(outcome)} results for {len(group)} items"))
        self._seconds.observe(self._timers.now() - self._since)
        self._outcome = outcome
        # What comes at once is met by the turn that has sent it off; callers of the group before are told first.
        if not self._is_turning and not self._answers.waiting:
            self._turn()

    def _turn(self) -> None:
        """Settle what has come and go on, as long as nothing has to be waited for."""
        self._is_turning = True
        while True:
            all_told = not self._answers.waiting or self._answers.tell()
            # A caller may have added items just now, and nothing else would begin their commit.
            if not self._under_way and (self._waiting.entries or self._alone):
                self._start_next()
            if not all_told or (self._under_way and self._outcome is None):
                self._is_turning = False
                return
            if self._outcome is None:
                break
            self._settle(self._under_way, self._outcome)
        self._is_turning = self._busy = False
        if self._idle or self._waiting.entries:
            self._rest()

    def _settle(self, group: Sequence[CommitItem[T, R]], outcome: Sequence[R] | Failure) -> None:
        """Begin the next commit, now that it is known what came of one."""
        self._under_way = ()
        self.hangs = False
        if isinstance(outcome, Failure):
            # The group is split or kept, see `_failed`; the next commit must not wait for that.
            self._failed(group, outcome)
        else:
            self._worked(group)
            self._answers.waiting.extend(zip(group, outcome, strict=True))
        # First the next commit, then the callers: they run while the disk works.
        if self._waiting.entries or self._alone:
            self._start_next()
        else:
            self._outcome = None

    def _rest(self) -> None:
        """Tell who waits for the end; what failed just now is tried again later."""
        if self._waiting.entries and self._is_open and self._trouble:
            self._begin_within(self._retry_s)
            self._retry_s = min(self._retry_s * 2.0, RETRY_S[1])
        idle, self._idle = self._idle, []
        for done in idle:
            if not done.called:
                done.callback(None)

    # --- what came of one

    def _worked(self, group: Sequence[CommitItem[T, R]]) -> None:
        self._release(group)
        if self._trouble:
            self._trouble, self._retry_s = "", RETRY_S[0]
            _tell(self.log, self._terms.on_trouble, "")

    def _failed(self, group: Sequence[CommitItem[T, R]], failure: Failure) -> None:
        if failure.check(StoreUnavailable):
            self._failures.add()
            self._trouble = str(failure.value) or "it failed"
            for entry in group:
                self._fail(entry, Failure(CommitInDoubt(self._trouble)))
            self._release(self._waiting.take_back([entry for entry in group if entry.answer is None]))
            _tell(self.log, self._terms.on_trouble, self._trouble)
        elif len(group) > 1:
            # One item is at fault, and nothing was done: each gets a commit of its own, in order.
            self._alone.extend(group)
        elif group[0].answer is not None:
            self._fail(group[0], failure)
        else:
            self._release(group)
            _tell(self.log, self._terms.on_lost, group[0].item, failure)

    def _fail(self, entry: CommitItem[T, R], failure: Failure) -> None:
        """Fail an item's caller, and forget the item."""
        if entry.answer is not None:
            self._bound.release(entry.owners, entry.size)
            if not entry.answer.called:
                entry.answer.errback(failure)

    def _release(self, entries: Sequence[CommitItem[T, R]]) -> None:
        nobodys = 0
        for entry in entries:
            if entry.owners:
                self._bound.release(entry.owners, entry.size)
            else:
                nobodys += entry.size
        if nobodys:
            self._bound.release(NOBODY, nobodys)

    # --- a commit that hangs

    def _look(self) -> None:
        """Give up a commit that has taken too long. The deadline is that of the first one since it was set last."""
        answer_s = self._terms.answer_s
        if not self._under_way or self._outcome is not None or answer_s is None:
            return
        left_s = self._since + answer_s - self._timers.now()
        if left_s > 0.0:
            self._late.set(left_s)
            return
        # Nobody waits any longer; what is under way may be done all the same.
        self.hangs = True
        self._trouble = f"{self._terms.subject} does not answer"
        self._refuse_awaited(self._trouble)
        _tell(self.log, self._terms.on_trouble, self._trouble)

    def _refuse_awaited(self, reason: str) -> None:
        """Fail all items for which a caller waits, in order; the commit under way keeps its items until it ends."""
        others = [*(entry for entry in self._alone if entry.answer is not None), *self._waiting.take_awaited()]
        self._alone = deque(entry for entry in self._alone if entry.answer is None)
        for entry in self._under_way:
            if entry.answer is not None and not entry.answer.called:
                entry.answer.errback(CommitInDoubt(reason))
        for entry in others:
            self._fail(entry, Failure(StoreUnavailable(reason)))


def _tell(log: Logger, hear: Callable[..., None], *news: object) -> None:
    try:
        hear(*news)
    except Exception:  # noqa: BLE001 - a bug of who hears must stop no commit
        log.failure("who hears of a group commit failed")
