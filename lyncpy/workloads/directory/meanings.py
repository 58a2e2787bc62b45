"""Whom the addresses in an operator's files mean: kept, so that a used address does not carry over what a file grants.

A policy or a token names an address, and meant who had it. When that person has another
address, it is theirs still; when they are gone, it is nobody's, also if somebody else has the
address by then. An operator who means the newcomer takes the line out, lets the server read
that, and writes it again.
"""

import json
from collections.abc import Collection
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IMeanings, IOwners, OwnerId
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import LastWriter
from lyncpy.workloads.directory.records import DIRECTORY

_KEY: Final = "meanings"
NOTED_MOST: Final = 10_000
"""Addresses in files that are noted; more are taken as they are written."""


@implementer(IMeanings)
class Meanings:
    """One record of the store, wholly in memory. Bounded by what operators write, and by `NOTED_MOST`."""

    log = Logger()

    def __init__(self, store: IStore, owners: IOwners) -> None:
        self._records = LastWriter(store, DIRECTORY)
        self._owners = owners
        self._noted: dict[str, dict[str, str]] = {}
        self._is_open = self._is_writing = self._is_new = False

    async def open(self) -> None:
        """Read what was noted. Whatever is asked before is not noted.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        record = await self._records.read(_KEY)
        if record is not None:
            self._noted = json.loads(record.value)
        self._is_open = True

    def present_address(self, place: str, aor: Aor) -> Aor | None:
        """Give the present address of the person that an address in a file means; None if they left the directory."""
        noted = self._noted.get(place, {}).get(aor)
        if noted is not None:
            present: Aor | None = self._owners.address(OwnerId(noted))
            return present
        owner = self._owners.owner(aor)
        if owner and self._is_open and sum(map(len, self._noted.values())) < NOTED_MOST:
            self._noted.setdefault(place, {})[aor] = owner
            self._save()
        return aor

    def only(self, place: str, aors: Collection[Aor]) -> None:
        """Forget the addresses that are not in a file any more."""
        noted = self._noted.get(place, {})
        gone = [aor for aor in noted if aor not in aors]
        for aor in gone:
            del noted[aor]
        if gone:
            self._save()

    def _save(self) -> None:
        self._is_new = True
        if not self._is_writing:
            self._is_writing = True
            spawn(self._written(), self.log, "noting whom a file means")

    async def _written(self) -> None:
        try:
            while self._is_new:
                self._is_new = False
                value = json.dumps(self._noted, ensure_ascii=False, separators=(",", ":")).encode()
                await self._records.write(_KEY, value)
        except WorldUnavailable as error:
            self._is_new = True  # with the next one
            self.log.warn("whom files mean is not kept now: {reason}", reason=str(error))
        finally:
            self._is_writing = False
