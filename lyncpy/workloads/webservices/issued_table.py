"""What was issued to each person, in the store: one record of kind "certificates" for each owner."""

from collections.abc import Callable
from typing import Final

from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.store import IStore
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.versioned import NONE_YET, uncontended
from lyncpy.workloads.webservices.model.issued import Issued, pack, unpack

KIND: Final = "certificates"


class IssuedTable:
    """Reads and changes records; nothing is kept in memory."""

    def __init__(self, store: IStore, writers: KeyedLock) -> None:
        self._store = store
        self._writers = writers
        self.endings = 0
        """How often this process has ended tickets: whoever was admitted by a record that was read before counts no more."""

    async def read(self, owner: OwnerId) -> Issued:
        """Give what was issued to somebody."""
        record = await self._store.read(KIND, owner)
        return unpack(None if record is None else record.value)

    async def change(self, owner: OwnerId, decide: Callable[[Issued], Issued]) -> Issued:
        """Change what was issued to somebody, and give it; durable when it returns.

        Args:
            decide: Gives the new value, or the very same one when nothing is to be written; what it raises ends the change.
        """

        async def attempt() -> Issued:
            record = await self._store.read(KIND, owner)
            before = unpack(None if record is None else record.value)
            after = decide(before)
            if after is not before:
                try:
                    await self._store.write(KIND, owner, pack(after), NONE_YET if record is None else record.version)
                finally:
                    # Not before: who is admitted while it is written is admitted by the record that ends. And also
                    # where it fails: it may be written all the same.
                    self.endings += after.round != before.round
            return after

        async with self._writers.hold(KIND, owner):
            return await uncontended(attempt)
