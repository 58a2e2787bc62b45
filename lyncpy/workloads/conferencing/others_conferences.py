"""Conferences that other processes have made, modified or deleted: all of them are in memory, and stay as the store has them."""

from collections.abc import Callable, Iterable
from typing import Protocol

from lyncpy.contracts.facts import ConferenceChanged, Fact
from lyncpy.contracts.names import Version
from lyncpy.core.versioned import NONE_YET, Entry, VersionedTable
from lyncpy.workloads.conferencing.model.conference import Conference

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
    """

    def __init__(
        self,
        table: VersionedTable[str, Conference | None],
        cache: Cache,
        hear: Hear,
        tell: Callable[[Fact], None],
    ) -> None:
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
            self._tell(ConferenceChanged(changed.key, self.version_of(changed.key)))

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
