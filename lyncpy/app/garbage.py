"""When Python looks for garbage: what reference counts alone do not free.

The collector stops everybody. By itself it looks through all that has survived whenever that has
grown by a quarter: with the objects of ten thousand devices this takes seconds, again and again while they sign in.
But what lives for longer than a request lives for long, and ends without a circle: sixteen
hundred sign-ins with their ends leave one or two objects each. So what survives one look at the young is looked at no
more, and all of it once a day, in a minute in which next to nobody says anything; or, whatever is said, when so
much has survived, or the process has become so much larger, that it may be garbage which somebody makes on purpose.
"""

import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline

YOUNG: Final = 3_000
"""Objects made and not freed before those are looked at: two or three milliseconds."""

_UNUSED: Final = 10
"""Looks at the young before Python looks at their survivors, of which there are none."""

_ALL: Final = 2
"""The generation of a look through everything."""

LOOK_S: Final = 60.0
"""Between two questions whether it is quiet."""

QUIET_MESSAGES: Final = 60
"""Messages in such a time, of all clients, up to which nobody is held up whom it would bother."""

EACH_S: Final = 86_400.0
LATEST_S: Final = 7 * EACH_S
"""When all is looked through although it is not quiet."""

GROWN: Final = 2_000_000
"""Objects more than after the last look through all with which it is not waited for: a few hundred mebibytes at most.
Ten thousand devices that sign in make about as many."""

GROWN_BYTES: Final = 1 << 30
"""Bytes more than after the last look through all with which it is not waited for: a few objects may hold large texts.
Ten thousand devices that sign in take some 600 MiB."""

STATM: Final = Path("/proc/self/statm")
"""Where Linux tells the size of this process in pages; its second number is those that are in memory: proc_pid_statm(5)."""

COUNTED_S: Final = 600.0
"""Between two counts of them: a count of two million takes some ten milliseconds."""


def resident_bytes(statm: Path = STATM) -> int:
    """Give how much of this process is in memory; 0 where the system does not tell."""
    try:
        return int(statm.read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


class Garbage:
    """Looks for garbage as a server should, from `begin` on; before that, at the start, not at all.

    Args:
        timers: The clock.
        messages: Gives the number of messages received since the start.
        resident: Gives the bytes that this process has in memory, 0 where that is not known.
    """

    log = Logger()

    def __init__(self, timers: ITimers, messages: Callable[[], int], resident: Callable[[], int]) -> None:
        self._timers = timers
        self._messages = messages
        self._resident = resident
        self._heard = 0
        self._since = 0.0
        self._counted_at = 0.0
        self._kept = 0
        """Objects that were left after the last look through all."""

        self._kept_bytes = 0
        """How much was in memory then."""

        self._next_look = Deadline(timers, self._look)
        self._before = gc.get_threshold()
        # What is built at the start, the whole directory for one, is no garbage, and was looked through many times.
        gc.disable()

    def begin(self) -> None:
        """Begin; what was built until now lives as long as the process."""
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, _UNUSED, _UNUSED)
        gc.callbacks.append(self._looked)
        self._counted_at = self._timers.now()
        self._note_kept()
        self._look_later()

    def restore(self) -> None:
        """Leave the collector as it was."""
        if self._next_look.is_set:
            self._next_look.clear()
            gc.callbacks.remove(self._looked)
            gc.set_threshold(*self._before)
            gc.unfreeze()

    def _looked(self, phase: str, info: dict[str, Any]) -> None:  # Any: numbers
        if phase == "stop" and info["generation"] < _ALL:
            gc.freeze()

    def _look_later(self) -> None:
        self._heard = self._messages()
        self._next_look.set(LOOK_S)

    def _look(self) -> None:
        age_s = self._timers.now() - self._since
        is_quiet = self._messages() - self._heard <= QUIET_MESSAGES
        if (age_s >= EACH_S and (is_quiet or age_s >= LATEST_S)) or self._has_grown():
            self._look_through()
        self._look_later()

    def _has_grown(self) -> bool:
        if self._resident() > self._kept_bytes + GROWN_BYTES:
            return True
        now = self._timers.now()
        if now - self._counted_at < COUNTED_S:
            return False
        self._counted_at = now
        return gc.get_freeze_count() > self._kept + GROWN

    def _look_through(self) -> None:
        began = self._timers.now()
        gc.unfreeze()
        found = gc.collect()
        gc.freeze()
        self._note_kept()
        self.log.info(
            "memory was looked through in {took_s} s, {count} objects were garbage",
            took_s=round(self._since - began, 2),
            count=found,
        )

    def _note_kept(self) -> None:
        self._since = self._timers.now()
        self._kept = gc.get_freeze_count()
        self._kept_bytes = self._resident()
