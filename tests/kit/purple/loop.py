"""GLib's main loop, lent to libpurple as its event loop."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.kit.purple.native import address_of, call, function, glib, table

IN, OUT, BROKEN = 1, 4, 8 | 16
"""Conditions as GLib counts them; broken is an error or the end."""

READ, WRITE = 1, 2
"""Conditions as libpurple counts them."""


@dataclass(frozen=True, slots=True)
class _Watch:
    function: int
    data: int | None


class Loop:
    """Runs everything; the process has this one thread."""

    def __init__(self) -> None:
        self._loop = glib.g_main_loop_new(None, 0)
        self._numbers = itertools.count(1)
        self._later: Final[dict[int, Callable[[], object]]] = {}
        self._watches: Final[dict[int, _Watch]] = {}
        self._sources: Final[dict[int, int]] = {}
        self._on_time = function("int(pointer)", self._fire)
        self._on_input = function("int(int, int, pointer)", self._input)

    def run(self) -> None:
        """Run until `quit`."""
        glib.g_main_loop_run(self._loop)

    def quit(self) -> None:
        """End `run`."""
        glib.g_main_loop_quit(self._loop)

    def later(self, task: Callable[[], object], delay_ms: int = 0) -> None:
        """Call outside of whatever libpurple is doing now."""
        number = next(self._numbers)
        self._later[number] = task
        glib.g_timeout_add(delay_ms, self._on_time, number)

    def read(self, descriptor: int, heard: Callable[[], bool]) -> None:
        """Call whenever there is something to read, until that gives False."""
        glib.g_unix_fd_add(descriptor, IN | BROKEN, function("int(int, int, pointer)", lambda *_: int(heard())), None)

    def operations(self) -> int:
        """Give libpurple's view of this loop."""
        return table(
            "timeout_add timeout_remove input_add input_remove input_get_error timeout_add_seconds",
            timeout_add=address_of(glib.g_timeout_add),
            timeout_remove=address_of(glib.g_source_remove),
            input_add=function("uint(int, int, pointer, pointer)", self._add),
            input_remove=function("int(uint)", self._remove),
        )

    def _fire(self, number: int) -> int:
        self._later.pop(number)()
        return 0

    def _add(self, descriptor: int, condition: int, called: int, data: int | None) -> int:
        wanted = (IN | BROKEN if condition & READ else 0) | (OUT | BROKEN if condition & WRITE else 0)
        number = next(self._numbers)
        self._watches[number] = _Watch(called, data)
        source: int = glib.g_unix_fd_add(descriptor, wanted, self._on_input, number)
        self._sources[source] = number
        return source

    def _remove(self, source: int) -> int:
        self._watches.pop(self._sources.pop(source, 0), None)
        removed: int = glib.g_source_remove(source)
        return removed

    def _input(self, descriptor: int, found: int, number: int) -> int:
        watch = self._watches.get(number)
        if watch is None:
            return 0
        condition = (READ if found & (IN | BROKEN) else 0) | (WRITE if found & (OUT | BROKEN) else 0)
        call(watch.function, "void(pointer, int, int)", watch.data, descriptor, condition)
        return int(number in self._watches)
