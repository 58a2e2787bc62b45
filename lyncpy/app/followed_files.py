"""Files that are looked at all the time: what has changed there is taken up, unless it is worse than what is in use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.file_stamp import Stamp
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn

LOOK_S: Final = 10.0
"""Seconds between two looks at the files. What changes from one look to the next is being written, and is left alone."""

ANYWAY: Final = "the one in use stays; mend the files, or run `reload` to use them as they are"
MEND: Final = "the one in use stays; mend the files, and they are taken up by themselves"

T = TypeVar("T")


class InThread(Protocol):
    """Does in a thread what blocks."""

    def __call__(self, call: Callable[[], Any], /) -> Deferred[Any]:  # Any: each call has its own result
        """Call, and give the result in the reactor."""


class IFollowed(Protocol[T]):
    """What was read from files, and is in use."""

    stamp: Stamp
    """Of the files, from before they were read."""

    def seen(self) -> Stamp:
        """Look at the files, without reading them; it is done in a thread."""

    def read(self) -> T:
        """Read the files; nothing changes. It is done in a thread."""

    def adopt(self, found: T, stamp: Stamp, /) -> None:
        """Use what was read from now on."""


def _none(_: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Following(Generic[T]):
    """What is followed, and what it takes to be taken up."""

    concern: str
    """Of the condition that says that something was not taken up."""

    what: str
    """What people call the files: "the file of the icon"."""

    followed: IFollowed[T]
    unusable: type[Exception]
    """What `read` and `adopt` raise of files that cannot be used; its sentence names the setting."""

    objections: Callable[[T], Sequence[str]] = _none
    """Says in what something that can be used is worse than what is in use: sentences."""


@implementer(IUnit)
class FollowedFiles(Generic[T]):
    """Takes up what is new in files; who put it there has to tell nobody.

    Args:
        following: What is in use.
        in_thread: Does what blocks.
        timers: The deadlines.
    """

    log = Logger()

    def __init__(self, following: Following[T], in_thread: InThread, timers: ITimers) -> None:
        self.name = following.what
        self._following = following
        self._followed = following.followed
        self._in_thread = in_thread
        self._next = Deadline(timers, self._begin)
        self._seen: Stamp = ()
        """Of the last look."""

        self._refused: Reason | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Begin."""
        self._next.set(LOOK_S)

    async def close(self) -> None:
        """Stop."""
        self._is_closed = True
        self._next.clear()

    def conditions(self) -> Sequence[Reason]:
        """Say why what is in the files is not in use."""
        # Whoever reloads uses them as they are.
        is_refused = self._refused is not None and self._seen != self._followed.stamp
        return (self._refused,) if self._refused is not None and is_refused else ()

    def reload(self) -> None:
        """Take up at once whatever can be used, for who asks for it; of what cannot, there is a condition."""
        self._seen = self._followed.seen()
        if self._seen != self._followed.stamp:
            self._judge(self._read(), self._seen, is_asked=True)

    def _begin(self) -> None:
        spawn(self._look(), self.log, f"looking at {self.name}")

    async def _look(self) -> None:
        try:
            stamp = await self._in_thread(self._followed.seen)
            last, self._seen = self._seen, stamp
            if stamp == self._followed.stamp:
                self._refused = None
            elif stamp == last:
                # Also what was refused before: one that had not begun may have by now.
                self._judge(await self._in_thread(self._read), stamp)
        finally:
            if not self._is_closed:
                self._next.set(LOOK_S)

    def _read(self) -> tuple[T] | Exception:
        try:
            return (self._followed.read(),)
        except self._following.unusable as error:
            return error

    def _judge(self, found: tuple[T] | Exception, stamp: Stamp, *, is_asked: bool = False) -> None:
        if self._is_closed or stamp == self._followed.stamp:
            return
        self._refused = None
        if isinstance(found, Exception):
            self._refuse(str(found), MEND)
            return
        faults = () if is_asked else self._following.objections(found[0])
        if faults:
            self._refuse("; ".join(faults), ANYWAY)
            return
        try:
            self._followed.adopt(found[0], stamp)
        except self._following.unusable as error:
            self._refuse(str(error), MEND)

    def _refuse(self, why: str, remedy: str) -> None:
        finding = f"{self._following.what} changed, and what is there is not used: {why}"
        self._refused = Reason(self._following.concern, finding, good=False, remedy=remedy, key="refused")
