"""Whom the addresses in an operator's files mean: kept, so that a used address does not carry over what a file grants.

A policy or a token names an address, and meant who had it. When that person has another
address, it is theirs still; when they are gone, it is nobody's, also if somebody else has the
address by then. An operator who means the newcomer takes the line out, lets the server read
that, and writes it again.

Several servers read copies of one file, and note it in one record: what was noted first counts for all of them.
"""

import json
from collections.abc import Collection, Iterable
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import IMeanings, IOwners, OwnerId
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.store import IStore
from lyncpy.core.spawn import spawn
from lyncpy.core.versioned import NONE_YET, uncontended
from lyncpy.workloads.directory.records import DIRECTORY

_KEY: Final = "meanings"
NOTED_MOST: Final = 10_000
"""Addresses in files that are noted; more are taken as they are written."""


@implementer(IMeanings)
class Meanings:
    """One record of the store, wholly in memory. Bounded by what operators write, and by `NOTED_MOST`."""

    log = Logger()

    def __init__(self, store: IStore, owners: IOwners) -> None:
        self._store = store
        self._owners = owners
        self._noted: dict[str, dict[str, str]] = {}
        self._version = NONE_YET
        self._unwritten: dict[tuple[str, str], str | None] = {}
        """What is new here, by place and address: the owner; None: the address is not in the file any more."""

        self._is_open = self._is_writing = False

    async def open(self) -> None:
        """Read what was noted. Whatever is asked before is not noted.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        await self._read()
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
            self._save(place, aor, owner)
        return aor

    def only(self, place: str, aors: Collection[Aor]) -> None:
        """Forget the addresses that are not in a file any more."""
        noted = self._noted.get(place, {})
        gone = [aor for aor in noted if aor not in aors]
        for aor in gone:
            del noted[aor]
            self._save(place, aor, None)

    # --- Held, for the sweep

    def held(self) -> Iterable[str]:
        """Give the key of the one record."""
        return (_KEY,)

    def version_of(self, key: str) -> Version | None:
        """Give the version as it was read or written last; None: of no other record."""
        return self._version if key == _KEY else None

    async def renew(self, key: str) -> None:
        """Read again what other servers have noted; raises StoreUnavailable."""
        await self._read()

    # --- reading and writing

    async def _read(self) -> None:
        """Take what is stored, with what is new here: of two who note an address, the first is right."""
        record = await self._store.read(DIRECTORY, _KEY)
        noted: dict[str, dict[str, str]] = {} if record is None else json.loads(record.value)
        for (place, aor), owner in self._unwritten.items():
            if owner is None:
                noted.get(place, {}).pop(aor, None)
            else:
                noted.setdefault(place, {}).setdefault(aor, owner)
        self._noted, self._version = noted, NONE_YET if record is None else record.version

    def _save(self, place: str, aor: str, owner: str | None) -> None:
        self._unwritten[place, aor] = owner
        if not self._is_writing:
            self._is_writing = True
            spawn(self._written(), self.log, "noting whom a file means")

    async def _written(self) -> None:
        try:
            while self._unwritten:
                await uncontended(self._attempt)
        except WorldUnavailable as error:
            # It is written with the next one.
            self.log.warn("whom files mean is not kept now: {reason}", reason=str(error))
        finally:
            self._is_writing = False

    async def _attempt(self) -> None:
        await self._read()
        written = dict(self._unwritten)
        value = json.dumps(self._noted, ensure_ascii=False, separators=(",", ":")).encode()
        self._version = await self._store.write(DIRECTORY, _KEY, value, self._version)
        for name, owner in written.items():
            if self._unwritten.get(name) == owner:
                del self._unwritten[name]
