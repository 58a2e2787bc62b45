"""From where people sign in: their devices' places, which outlive a restart.

A place is a network address, for IPv6 its /64: whoever has one address there has them all. What
somebody has signed in from before is a *known* place, and the device a known device; guesses made
elsewhere never count there. Known places are kept for `KEPT_DAYS` after they were used last.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import LastWriter

KIND: Final = "places"

DEVICES: Final = 16
"""Known devices of one user; a further one takes the place of the one that was used longest ago."""

USERS: Final = 250_000
"""Users whose places are in memory; some 400 bytes each."""

GATHER_S: Final = 1.0
"""Seconds after which a sign-in is written at the latest; nobody waits for it, and after a restart all come at once."""

KEPT_DAYS: Final = 90
DAY_S: Final = 86_400.0

Device = tuple[str, str]
"""A place and the device's epid; the epid is "" for a browser."""


@implementer(IUnit)
class KnownNetworks:
    """The networks from which each person has signed in, by the directory's key: a new address of theirs keeps them.

    Args:
        on_known: Hears, at the start, of each network that is known from before.
    """

    log = Logger()
    name = "places"

    def __init__(self, store: IStore, timers: ITimers, on_known: Callable[[str], None]) -> None:
        self._on_known = on_known
        self._records = LastWriter(store, KIND)
        self._timers = timers
        self._gathering = Deadline(timers, self._write_due)
        self._known: OrderedDict[str, dict[Device, int]] = OrderedDict()
        """Key → device → day of its last sign-in, the latest last."""
        self._due: dict[str, None] = {}
        """Whose record is to be written; those of one moment share a commit."""
        self._writing: set[str] = set()

    def __len__(self) -> int:
        """Give the number of users with a known place."""
        return len(self._known)

    async def open(self) -> None:
        """Read the known networks that are not too old. A record that cannot be read is left out, and written anew."""
        oldest = int(self._timers.past() // DAY_S) - KEPT_DAYS
        for record in await self._records.scan():
            devices = {device: day for device, day in _read(record.value) if day >= oldest}
            if devices and len(self._known) < USERS:
                self._known[record.key] = devices
            else:
                await self._forget(record.key)
        for place in {place for devices in self._known.values() for place, _ in devices}:
            self._on_known(place)

    async def close(self) -> None:
        """Write what was learned just now, but wait no longer for that than usual: nobody was promised it."""
        self._gathering.clear()
        due, self._due = self._due, {}
        # All at once: they share a commit.
        writing = gatherResults([Deferred.fromCoroutine(self._written(key)) for key in due], consumeErrors=True)
        late = self._timers.later(GATHER_S, writing.cancel)
        await writing.addErrback(lambda failure: self.log.debug("known places are not kept", log_failure=failure))
        late.cancel()

    def knows(self, key: str, place: str, epid: str | None = None) -> bool:
        """Tell whether a person has signed in from a network, with this device if one is given."""
        devices = self._known.get(key, {})
        if epid is not None:
            return (place, epid) in devices
        return any(where == place for where, _ in devices)

    def learn(self, key: str, place: str, epid: str) -> None:
        """Note a sign-in. It is written soon after, at most once a day for each network and device."""
        # A clock ahead must not make places immortal, nor one behind forget them.
        today, device = int(self._timers.past() // DAY_S), (place, epid)
        devices = self._known.setdefault(key, {})
        self._known.move_to_end(key)
        is_new = devices.pop(device, None) != today
        devices[device] = today
        if len(devices) > DEVICES:
            del devices[next(iter(devices))]
        if len(self._known) > USERS:
            self._known.popitem(last=False)
        if is_new:
            self._write(key)

    def _write_due(self) -> None:
        """Write the records of all who have signed in from somewhere new; of one that is under way, later."""
        due, self._due = self._due, {}
        for key in due:
            if key in self._writing:
                self._write(key)
            else:
                spawn(self._written(key), self.log, "keeping a known place")

    def _write(self, key: str) -> None:
        self._due[key] = None
        self._gathering.set_first(GATHER_S)

    async def _written(self, key: str) -> None:
        self._writing.add(key)
        try:
            await self._put(key)
        except StoreUnavailable as error:
            self.log.debug("a known place of {key} is not kept: {reason}", key=key, reason=error)
        finally:
            self._writing.discard(key)

    async def _put(self, key: str) -> None:
        value = json.dumps([[*device, day] for device, day in self._known.get(key, {}).items()]).encode()
        await self._records.write(key, value)

    async def _forget(self, key: str) -> None:
        try:
            await self._records.write(key, None)
        except StoreUnavailable as error:
            self.log.debug("old places of {key} stay: {reason}", key=key, reason=error)


def _read(value: bytes) -> Iterator[tuple[Device, int]]:
    try:
        for place, epid, day in json.loads(value):
            yield (str(place), str(epid)), int(day)
    except (ValueError, TypeError):
        return
