"""Asking rooms one after the other: one that cannot answer keeps nobody from the answers of the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.workload import Reason

UNASKED: Final = "asking"
"""The key of the reason that a room cannot be asked."""


@contextmanager
def asking(name: str, found: list[Reason], log: Logger, *, is_told: bool = False) -> Iterator[None]:
    """Let a room be asked inside; where that fails, find that it cannot be asked.

    Args:
        name: The room's.
        found: Hears of the failure.
        log: Hears of a bug, with its traceback.
        is_told: Whether that has been logged before.
    """
    try:
        yield
    except WorldUnavailable as error:
        found.append(Reason(name, f"not known now: {error}", good=False, key=UNASKED))
    except Exception:  # noqa: BLE001 - the operator needs the findings of the others now
        if not is_told:
            log.failure("{name} could not be asked", name=name)
        found.append(Reason(name, "cannot be asked: internal error, see the log", good=False, key=UNASKED))
