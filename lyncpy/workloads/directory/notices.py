"""Pulls that are made early, because the directory has told that something changed.

A notice says that there is something to read and nothing more, so there is no queue of them: whatever comes until a pull
begins is read by that one. What is gathered for `GATHER_S` is one pull, and pulls that notices ask for take a tenth of the time
at most, however much changes and however many directories tell; the pull at the interval finds what no notice told.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.directory import DirectoryNotice, IDirectoryNotices
from lyncpy.contracts.refusal import DirectoryUnavailable, NoNotices, WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.workloads.directory.pull import PullResult
from lyncpy.workloads.directory.settings import DirectorySource

GATHER_S: Final = 1.0
"""From a notice to its pull, and until the next notice is heard: a change is often several."""

REST: Final = 9.0
"""So many times as long as such a pull took is none made after it."""

AGAIN_S: Final = 1.0
AGAIN_MOST_S: Final = 300.0
"""Until a lost connection is made again: twice as long after each that is lost soon after, up to that."""

STEADY_S: Final = 60.0
"""A connection that has lasted so long was none that is lost at once."""

SILENT_S: Final = 3600.0
"""Until a directory that does not tell of changes is asked again: it may have learned to."""


class PullsOnNotice:
    """The pulls that notices ask for, of all directories together: each reads all of them.

    Args:
        pull: Pulls; with an argument that says whether something may be gone.
        retry_s: Seconds after a pull that failed until the next.
        timers: Deadlines, and the monotonic clock.
    """

    log = Logger()

    def __init__(self, pull: Callable[[bool], Awaitable[PullResult]], retry_s: float, timers: ITimers) -> None:
        self._pull = pull
        self._retry_s = retry_s
        self._timers = timers
        self._due = Deadline(timers, self._begin)
        self._gone: set[str] = set()
        self._news = self._pulling = self._closed = False
        self._rests_until = 0.0

    def want(self, name: str, *, gone: bool) -> None:
        """Pull soon.

        Args:
            name: Of the directory that tells.
            gone: Whether something may be gone there.
        """
        if gone:
            self._gone.add(name)
        self._news = True
        self._arm()

    def close(self) -> None:
        """Pull no more."""
        self._closed = True
        self._due.clear()

    def _begin(self) -> None:
        self._pulling = True
        spawn(self._read(), self.log, "a pull that the directory asked for")

    async def _read(self) -> None:
        """Pull once for all that was told until now."""
        gone, self._gone, self._news = self._gone, set(), False
        began = self._timers.now()
        try:
            result = await self._pull(bool(gone))
        except WorldUnavailable:
            # Whoever pulls has noted it.
            self._gone |= gone
            self._news = True
            self._rests_until = self._timers.now() + self._retry_s
        else:
            # Whoever could not be read is tried again by the schedule; the next pull that a notice asks for counts there too.
            self._gone |= gone & result.silent
            now = self._timers.now()
            self._rests_until = now + REST * (now - began)
        finally:
            self._pulling = False
            self._arm()

    def _arm(self) -> None:
        if self._news and not self._pulling and not self._closed:
            self._due.set_first(max(GATHER_S, self._rests_until - self._timers.now()))


class Notices:
    """Hears what one directory tells, and has it pulled.

    Args:
        source: The directory; None: it tells nothing.
        pulls: Asked for pulls; shared by all directories.
        terms: What is set for this directory.
        timers: Deadlines, and the monotonic clock.
    """

    log = Logger()

    def __init__(
        self,
        source: IDirectoryNotices | None,
        pulls: PullsOnNotice,
        terms: DirectorySource,
        timers: ITimers,
    ) -> None:
        self._source = source
        self._pulls = pulls
        self._terms = terms
        self._timers = timers
        self._again = Deadline(timers, self._listen)
        self._told_by = ""
        self._reason = "a file does not tell of changes" if source is None else "it has not been asked yet"
        if source is not None and not terms.notices:
            self._reason = "[directory] notices is false"
        self._since = 0.0
        self._losses = 0
        self._has_told = self._closed = False

    @property
    def name(self) -> str:
        """The name of the directory; "" for the one that has none."""
        return self._terms.name

    @property
    def state(self) -> str:
        """How changes are found, for an operator."""
        return f"told by the server ({self._told_by})" if self._told_by else f"at the interval, because {self._reason}"

    def open(self) -> None:
        """Begin to listen."""
        if self._source is not None and self._terms.notices:
            self._listen()

    async def close(self) -> None:
        """Listen no more."""
        self._closed = True
        self._again.clear()
        if self._source is not None:
            await self._source.close()

    # --- hearing

    def _listen(self) -> None:
        spawn(self._hear(), self.log, "hearing of changes from the directory")

    async def _hear(self) -> None:
        """Wait for one notice."""
        assert self._source is not None
        delay_s = AGAIN_MOST_S  # after what should not happen, which is logged
        try:
            self._tell(await self._source.wait())
            delay_s = GATHER_S
        except NoNotices as no:
            delay_s = SILENT_S
            self._lose(str(no))
        except DirectoryUnavailable as error:
            # Only what told for a while was steady: who cannot be reached, or refuses the bind, never did.
            if self._told_by and self._timers.now() - self._since >= STEADY_S:
                self._losses = 0
            delay_s = min(AGAIN_S * 2**self._losses, AGAIN_MOST_S)
            self._losses = min(self._losses + 1, 16)
            self._lose(str(error))
        finally:
            if not self._closed:
                self._again.set(delay_s)

    def _tell(self, notice: DirectoryNotice) -> None:
        # What was changed while it did not tell is found by a pull alone; at a start one has just been made.
        was_lost = notice.is_first and self._has_told
        if notice.is_first:
            self._has_told = True
            self._since = self._timers.now()
            self._told_by, self._reason = notice.by, ""
            self.log.info("{url} tells of changes: {by}", url=self._terms.url, by=notice.by)
        self._pulls.want(self.name, gone=notice.gone or was_lost)

    def _lose(self, reason: str) -> None:
        if not self._closed and reason != self._reason:
            self.log.info("changes of the directory are found at the interval now: {reason}", reason=reason)
        self._told_by, self._reason = "", reason
