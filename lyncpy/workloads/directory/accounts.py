"""People who are kept in the store, beside those whom the directory has; and who is disabled there, whoever has them.

A record of kind "account" is one person, by the address under which they were added; what it says are the names and values of a
people file. One of kind "disabled" says that an operator has disabled somebody, by their `OwnerId`: it counts as long as it is
there, whatever the directory says.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import KEPT_HERE, NAME_ENDS, Person, Skipped
from lyncpy.contracts.names import bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.person_form import ADDRESS, FieldUnusable, read_person
from lyncpy.contracts.store import Conflict, IStore, Record
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.core.versioned import NONE_YET, LastWriter

ACCOUNT: Final = "account"
DISABLED: Final = "disabled"

Table = Mapping[str, object]
"""Names and values, as in a people file."""

_BY: Final = "user disable"
_ID_BYTES: Final = 6
_NAMESAKES_MOST: Final = 20
"""People who were added under one address, and have others now."""

_AT_ONCE: Final = 200


class AddressTaken(Exception):
    """Another server has added somebody with this address."""


@dataclass(frozen=True, slots=True)
class Disabling:
    """That somebody is disabled here."""

    by: str
    at: float
    """Seconds since the epoch."""

    reason: str = ""

    @property
    def words(self) -> str:
        """Say so to an operator."""
        when = f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"{_BY} by {self.by} at {when}{f': {self.reason}' if self.reason else ''}"


def is_disabled_here(person: Person) -> bool:
    """Tell whether an operator has disabled somebody, whom the directory would let in."""
    return person.barred.startswith(f"{_BY} ")


def with_disabling(person: Person, disabling: Disabling | None) -> Person:
    """Give a person as they are with or without having been disabled here; what the directory has against them stays said."""
    if disabling is not None and (person.enabled or person.is_out_of_time or is_disabled_here(person)):
        return replace(person, enabled=False, is_out_of_time=False, barred=disabling.words)
    if disabling is None and is_disabled_here(person):
        return replace(person, enabled=True, barred="")
    return person


@dataclass(frozen=True, slots=True)
class KeptPeople:
    """Everybody who is kept in the store, and the records that cannot be used."""

    people: tuple[Person, ...]
    skipped: tuple[Skipped, ...]


class Accounts:
    """Reads and writes the records.

    Args:
        store: Where they are.
        domains: Of addresses here.
        timers: Lets others have their turn.
    """

    log = Logger()

    def __init__(self, store: IStore, domains: tuple[str, ...], timers: ITimers) -> None:
        self._store = store
        self._domains = domains
        self._timers = timers

    async def everybody(self) -> KeptPeople:
        """Read all of them."""
        people, skipped = list[Person](), list[Skipped]()
        slices = Slices(self._timers, _AT_ONCE)
        for record in await self._store.scan(ACCOUNT):
            found = self._read(record)
            (people if isinstance(found, Person) else skipped).append(found)  # type: ignore[arg-type]  # one of the two
            await slices.spend()
        return KeptPeople(tuple(people), tuple(skipped))

    def _read(self, record: Record) -> Person | Skipped:
        source = _source(record.key)
        try:
            id_, table = _unpacked(record.value)
        except (ValueError, TypeError, KeyError) as error:
            return Skipped(source, f"the record cannot be read: {error}", key=_key(record.key, ""))
        try:
            return self.person(table, _key(record.key, id_))
        except (FieldUnusable, BadDirectoryEntry) as error:
            # As of a domain that the settings do not name any more.
            return Skipped(source, str(error), key=_key(record.key, id_))

    def person(self, table: Table, key: str = "") -> Person:
        """Make a person of names and values.

        Raises:
            FieldUnusable, BadDirectoryEntry: As `read_person` does.
        """
        return read_person(table, key, _source(record_of(key)) if key else "", self._domains, _unusable)

    async def add(self, table: Table) -> Person:
        """Write somebody new; give them with their key, which nobody has had before.

        Raises:
            AddressTaken: Another server was first.
            FieldUnusable, BadDirectoryEntry: They cannot be used.
        """
        address = bare(self.person(table).aor)
        id_ = secrets.token_hex(_ID_BYTES)
        value = _packed(id_, {**table, ADDRESS: address})
        for name in _names(address):
            try:
                await self._store.write(ACCOUNT, name, value, NONE_YET)
                return self.person(table, _key(name, id_))
            except Conflict:
                record = await self._store.read(ACCOUNT, name)
            if record is not None and self._has(record, address):
                raise AddressTaken(f"{address} was added by another server at this moment")
        raise AddressTaken(f"too many people were added as {address} who have other addresses now")

    def _has(self, record: Record, address: str) -> bool:
        """Tell whether a record is that of who has an address; one that cannot be read is."""
        found = self._read(record)
        return not isinstance(found, Person) or bare(found.aor) == address

    async def table(self, person: Person) -> Table | None:
        """Give what is kept of somebody; None: nothing is any more."""
        record = await self._store.read(ACCOUNT, record_of(person.key))
        if record is None:
            return None
        id_, table = _unpacked(record.value)
        return table if _key(record.key, id_) == person.key else None

    async def write(self, person: Person, table: Table) -> None:
        """Write what is kept of somebody; the last writer is right."""
        name, _, id_ = _named(person.key).rpartition("#")
        await LastWriter(self._store, ACCOUNT).write(name, _packed(id_, table))

    async def remove(self, person: Person) -> None:
        """Keep somebody no more."""
        await LastWriter(self._store, ACCOUNT).write(record_of(person.key), None)

    async def disablings(self) -> Mapping[OwnerId, Disabling]:
        """Give who is disabled here."""
        found: dict[OwnerId, Disabling] = {}
        for record in await self._store.scan(DISABLED):
            found[OwnerId(record.key)] = _disabling(record.value)
        return found

    async def disabling(self, owner: OwnerId) -> Disabling | None:
        """Say whether somebody is disabled here."""
        return await disabling_of(self._store, owner)

    async def disable(self, owner: OwnerId, disabling: Disabling | None) -> None:
        """Disable somebody here, or (None) disable them no more."""
        value = None if disabling is None else json.dumps(asdict(disabling), ensure_ascii=False).encode()
        await LastWriter(self._store, DISABLED).write(owner, value)


async def disabling_of(store: IStore, owner: OwnerId) -> Disabling | None:
    """Read whether somebody is disabled here."""
    record = await store.read(DISABLED, owner)
    return None if record is None else _disabling(record.value)


def kept_keys(people: Collection[Person]) -> Iterator[str]:
    """Give the keys of those people who are kept here."""
    return (one.key for one in people if one.is_kept_here)


def _unusable(sentence: str) -> None:
    raise FieldUnusable(sentence)


def _disabling(value: bytes) -> Disabling:
    try:
        return Disabling(**json.loads(value))
    except (ValueError, TypeError):
        # Whoever cannot be told why is disabled all the same.
        return Disabling("a record that cannot be read", 0.0)


def _names(address: str) -> Sequence[str]:
    return (address, *(f"{address}#{number}" for number in range(2, _NAMESAKES_MOST)))


def _key(record: str, id_: str) -> str:
    return f"{KEPT_HERE}{NAME_ENDS}{record}#{id_}"


def _named(key: str) -> str:
    return key.removeprefix(f"{KEPT_HERE}{NAME_ENDS}")


def record_of(key: str) -> str:
    """Give the key of the record of who has a key."""
    return _named(key).rpartition("#")[0]


def _source(record: str) -> str:
    return f"the store, added as {record}"


def _packed(id_: str, table: Table) -> bytes:
    return json.dumps({"id": id_, "person": dict(table)}, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _unpacked(value: bytes) -> tuple[str, Table]:
    found = json.loads(value)
    return str(found["id"]), dict(found["person"])
