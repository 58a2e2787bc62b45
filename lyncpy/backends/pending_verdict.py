"""A verdict on somebody's password that another server is asked for.

Whoever waits may go before it is asked, and then it is not asked. Once it is, there is a verdict whoever goes, for that
server counts what it was asked, and so must we.
"""

from typing import Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.refusal import DirectoryUnavailable

T = TypeVar("T")


class PendingVerdict(Generic[T]):
    """One question and who waits for its answer."""

    log = Logger()

    def __init__(self) -> None:
        self._waiting: Deferred[T] = Deferred()
        self._is_asked = self._is_dropped = False

    @property
    def is_over(self) -> bool:
        """Whether whoever waited has been told."""
        return self._waiting.called

    def begin(self) -> bool:
        """Note that the server is asked now, in any thread; tell whether anybody wants to know."""
        # Here first this flag and then the other, in `wait` the other way round: at least one of them sees the other.
        self._is_asked = True
        return not self._is_dropped

    async def wait(self) -> T:
        """Wait for the verdict.

        Raises:
            CancelledError: The caller went before the server was asked.
        """
        while True:
            try:
                return await self._waiting
            except CancelledError:
                self._is_dropped = True
                if not self._is_asked:
                    raise
                self._waiting = Deferred()

    def conclude(self, outcome: T | Failure) -> None:
        """Tell who waits, if anybody still does; a Failure is raised there."""
        if not self.is_over:
            self._waiting.callback(outcome)  # a Failure becomes an error
        elif isinstance(outcome, Failure) and not outcome.check(DirectoryUnavailable, CancelledError):
            self.log.failure("a question that nobody waits for failed", failure=outcome)
