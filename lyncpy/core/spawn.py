"""Starting a coroutine that nobody awaits."""

from collections.abc import Coroutine
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.core.tasks import Task


def spawn(work: Coroutine[Any, Any, None], log: Logger, what: str) -> None:
    """Run a coroutine; if it fails, log what failed, so that no error is lost."""

    def failed(failure: Failure) -> None:
        log.failure("{what} failed", failure=failure, what=what)

    Task(work, _ended, failed).go_on()


def _ended(result: None) -> None:
    """Nobody awaits it."""
