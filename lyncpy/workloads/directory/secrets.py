"""ISecrets: the NT hashes of people, sealed in the store, or from the directory."""

from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.facts import SecretChanged
from lyncpy.contracts.names import Aor, Version, bare, kept_aor
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.seals import Seals
from lyncpy.contracts.store import IStore
from lyncpy.core.versioned import uncontended

KIND: Final = "secret"
WAITING: Final = "waiting:"
"""Begins the key of a password that waits for the first person who gets an address; no `OwnerId` begins so."""

NT_HASH_BYTES: Final = 16


class AddressLeft(Exception):
    """A password cannot be set for an address whose holder has left it."""


@implementer(ISecrets)
class StoredSecrets:
    """One record for each person whose password was set here; nothing is kept in memory.

    The store is read at each sign-in, so that a password set by another process counts at
    once.

    Args:
        store: Where the records are.
        people: Those whose directory may have hashes.
        bus: Tells of changes.
        seals: Encrypts the records.
        owners: Whose an address is.
    """

    log = Logger()

    def __init__(self, store: IStore, people: IPeople, bus: IBus, seals: Seals, owners: IOwners) -> None:
        self._store = store
        self._people = people
        self._bus = bus
        self._seals = seals
        self._owners = owners
        self._decoy: bytes | None = None

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Give the hash that was set here, else the directory's."""
        person, owner = self._people.person(aor), self._owners.owner(aor)
        # Of nobody a record is read that there is not.
        record = await self._store.read(KIND, owner or WAITING)
        if record is not None:
            return self._seals.unseal(record.value, f"{KIND}:{owner}")
        # Who has no record takes as long as who has one: nobody can tell by the time who has none.
        if self._decoy is None:
            self._decoy = self._seals.seal(bytes(NT_HASH_BYTES), KIND)
        self._seals.unseal(self._decoy, KIND)
        return person.nt_hash if person is not None else None

    async def kept(self) -> tuple[Aor, ...]:
        """Give the users whose password was set here, by address; those who left the directory are left out."""
        found = []
        for record in await self._store.scan(KIND):
            aor: Aor | None = self._owners.address(OwnerId(record.key))
            if record.key.startswith(WAITING):
                aor = kept_aor(record.key.removeprefix(WAITING))
            if aor is not None:
                found.append(aor)
        return tuple(sorted(found))

    def _owner_for(self, aor: Aor) -> OwnerId:
        """Give under whom the hash of an address is kept."""
        owner = self._owners.owner(aor)
        if owner:
            return owner
        if self._owners.meant(aor):
            raise AddressLeft(f"nobody has the address {bare(aor)} any more; `why {bare(aor)}` says who had it")
        return OwnerId(f"{WAITING}{aor}")

    async def set_hash(self, aor: Aor, nt_hash: bytes | None) -> None:
        """Set or remove the hash; the last of two writers wins.

        For an address that nobody ever had, it waits for the first person who gets it.

        Raises:
            AddressLeft: Nobody has the address any more, and whoever gets it next is another.
        """
        if nt_hash is not None and len(nt_hash) != NT_HASH_BYTES:
            raise ValueError("an NT hash has 16 bytes")
        owner = self._owner_for(aor)
        sealed = None if nt_hash is None else self._seals.seal(nt_hash, f"{KIND}:{owner}")

        async def attempt() -> None:
            record = await self._store.read(KIND, owner)
            version = record.version if record is not None else Version(0)
            if sealed is None:
                await self._store.remove(KIND, owner, version)
            else:
                await self._store.write(KIND, owner, sealed, version)

        await uncontended(attempt)
        self.log.info("the password of {aor} was {deed}", aor=aor, deed="set" if nt_hash is not None else "removed")
        self._bus.tell(SecretChanged(aor))
