"""Starting a coroutine that nobody awaits."""

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


def spawn(work: Coroutine[Any, Any, None], log: Logger, what: str) -> None:
    """Run a coroutine; if it fails, log what failed, so that no error is lost."""

    def failed(failure: Failure) -> None:
        log.failure("{what} failed", failure=failure, what=what)

    _ = Deferred.fromCoroutine(work).addErrback(failed)
