"""Conferences that other processes have made, modified or deleted: all of them are in memory, and stay as the store has them.

Of those whose organizers are signed in here, or whose meetings run here, it is heard at once; of all others the sweep finds it, and
whoever begins a meeting, asks for an unknown one or lets a guest in has it read first.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.facts import ConferenceChanged, Fact
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import NONE_YET, Entry, VersionedTable
from lyncpy.workloads.conferencing.model.conference import Conference, key_of

AGAIN_S: Final = 5.0
"""How soon a conference is read again of which strangers ask."""

LOOKED_AT_MOST: Final = 1_000
"""Those of which it is remembered that they were."""

READING_MOST: Final = 16
"""Those that are read at once; of others it counts what is known."""

NEVER: Final = float("-inf")

Hear = Callable[[Conference, Conference | None], None]


class Cache(Protocol):
    """All conferences in memory."""

    def keys(self) -> Iterable[str]:
        """Give the keys of all of them."""

    def get(self, key: str) -> Entry[Conference | None] | None:
        """Give the entry of a conference as it was read or written last."""


class OthersConferences:
    """Reads again what others have written, and tells them what was written here.

    Args:
        table: The conferences.
        cache: The same, in memory.
        hear: Is called with a conference before and after it was changed, here or elsewhere; None: it was deleted.
        tell: Tells all processes.
        timers: The clock.
    """

    log = Logger()

    def __init__(
        self,
        table: VersionedTable[str, Conference | None],
        cache: Cache,
        hear: Hear,
        tell: Callable[[Fact], None],
        timers: ITimers,
    ) -> None:
        self._timers = timers
        self._looked_at: OrderedDict[str, float] = OrderedDict()
        self._reading: set[str] = set()
        self._table = table
        self._cache = cache
        self._hear = hear
        self._tell = tell

    def tell(self, before: Conference | None, after: Conference | None) -> None:
        """Tell that a conference was made, modified or deleted here; None: there was none, or is none any more."""
        changed = before or after
        if before is not None:
            self._hear(before, after)
        if changed is not None:
            version = self.version_of(changed.key)
            for aor in dict.fromkeys((changed.organizer, changed.place)):
                self._tell(ConferenceChanged(changed.key, version, aor))

    async def heard(self, fact: ConferenceChanged) -> None:
        """Read a conference that another process has changed; one that is not newer than what is known stays."""
        version = self.version_of(fact.key)
        if fact.version > version or (version and not fact.version):
            await self.renew(fact.key)

    def held(self) -> Iterable[str]:
        """Give the records of all conferences."""
        return self._cache.keys()

    def version_of(self, key: str) -> Version:
        """Give the version of a conference; 0: there is none, as far as is known here."""
        entry = self._cache.get(key)
        return NONE_YET if entry is None else entry.version

    def kept(self, key: str) -> Conference | None:
        """Give a conference under the key of its record, as far as it is known here, whatever became of its organizer."""
        entry = self._cache.get(key)
        return None if entry is None else entry.value

    async def learn(self, aor: Aor, id_: str, find: Callable[[Aor, str], Conference | None]) -> Conference | None:
        """Find a conference; one that is not known here is read, for another server may just have made it.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        found = find(aor, id_)
        if found is None and id_:
            await self.renew(key_of(aor, id_))
            found = find(aor, id_)
        return found

    def is_asked_for(self, key: str) -> bool:
        """Have a conference read again of which strangers ask, unless that was done lately; tell whether one that is not known is being read.

        Where nobody is who shows it, it is not heard of here that it was made or changed.
        """
        now = self._timers.now()
        if key in self._reading:
            return self.kept(key) is None
        if now - self._looked_at.get(key, NEVER) < AGAIN_S or len(self._reading) >= READING_MOST:
            return False
        self._looked_at.pop(key, None)
        self._looked_at[key] = now
        if len(self._looked_at) > LOOKED_AT_MOST:
            self._looked_at.popitem(last=False)
        self._reading.add(key)
        spawn(self._look(key), self.log, "reading a conference of which a guest asks")
        return self.kept(key) is None

    async def _look(self, key: str) -> None:
        try:
            await self.renew(key)
        except (StoreUnavailable, Refused) as error:
            self.log.debug("{key} is not read: {reason}", key=key, reason=str(error))
        finally:
            self._reading.discard(key)

    async def renew(self, key: str) -> None:
        """Read a conference again; a meeting that runs hears how it differs.

        Raises:
            StoreUnavailable: It stays as it was.
            Refused: 503, too many of the organizer's conferences are being written.
        """
        entry = self._cache.get(key)
        if entry is None:
            # Whose it is, who writes it holds.
            await self._table.reload(key)
            entry = self._cache.get(key)
        if entry is None or entry.value is None:
            return
        before = entry.value
        async with self._table.hold(before.organizer):
            await self._table.reload(key)
        after = self._table.peek(key)
        if after != before:
            self._hear(before, after)
