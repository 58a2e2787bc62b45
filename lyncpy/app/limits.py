"""What is used of each bound that is no table: rates, shares, throttles, quotas.

A bound is a `Limit`, which whoever keeps to it has under a name; with the tables they are found over the parts of the server
(`tables.py`), so that a new one has its meters by itself. `limits.toml` says of each setting that is a number and has no `Limit`
where else it is seen.
"""

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn

LOOK_S: Final = 5.0
"""After so long what is used is looked at anew, when somebody reads the meters."""

AT_ONCE: Final = 1
"""Each may walk over all connections."""

_FILE: Final = (Path(__file__).parent / "limits.toml").read_bytes().decode()


@cache
def elsewhere() -> Mapping[str, str]:
    """Give of settings without a `Limit` where they are seen: "section.key" → the meter, or why there is none."""
    found = tomllib.loads(_FILE)
    return {f"{section}.{key}": words for section, keys in found.items() for key, words in keys.items()}


class LimitMeters:
    """The meters of all bounds.

    Args:
        meter: Shows them.
        timers: The clock.
    """

    log = Logger()

    def __init__(self, meter: IMeter, timers: ITimers) -> None:
        self._timers = timers
        self._of: Mapping[str, Sequence[Limit]] = {}
        self._used: Mapping[tuple[str, ...], float] = {}
        self._looked_at: float | None = None
        meter.labelled_gauge(
            "lyncpy_app_limit_used_count",
            "What is used of a bound, by the fullest of all that have such a one; bytes, where it is of bytes. Some seconds old.",
            ("limit",),
            self._in_use,
        )
        meter.labelled_gauge(
            "lyncpy_app_limit_most_count",
            "How much a bound is; bytes, where it is of bytes.",
            ("limit",),
            lambda: {(name,): max(one.most for one in those) for name, those in self._of.items()},
        )
        meter.labelled_total(
            "lyncpy_app_limit_reached_total",
            "How often somebody came to a bound, and was refused, has to wait, or lost the oldest of theirs.",
            ("limit",),
            lambda: {(name,): float(sum(one.reached for one in those)) for name, those in self._of.items()},
        )

    async def know(self, limits: Sequence[Limit]) -> None:
        """Take the bounds that there are now."""
        found: dict[str, list[Limit]] = defaultdict(list)
        for one in limits:
            found[one.name].append(one)
        self._of = found
        await self._look()

    def _in_use(self) -> Mapping[tuple[str, ...], float]:
        if self._looked_at is not None and self._timers.now() - self._looked_at > LOOK_S:
            self._looked_at = self._timers.now()
            spawn(self._look(), self.log, "looking what is used of bounds")
        return self._used

    async def _look(self) -> None:
        slices, found = Slices(self._timers, AT_ONCE), dict[tuple[str, ...], float]()
        for name, those in list(self._of.items()):
            used = [value for value in (one.used() for one in those) if value is not None]
            if used:
                found[(name,)] = max(used)
            await slices.spend()
        self._used, self._looked_at = found, self._timers.now()
