"""People, groups and the state of pulls in the store, so that a restart during an outage knows everybody."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.directory import Group, Moment, Person, Phone, Skipped
from lyncpy.contracts.names import Aor, Version, aor_of, kept_aor
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict, IStore
from lyncpy.workloads.directory.secrets import Seals

T = TypeVar("T")

PERSON: Final = "person"
GROUP: Final = "group"
DIRECTORY: Final = "directory"
STATE: Final = "pull"

AT_ONCE: Final = 200
"""Writes under way at a time: enough for the store to commit many together, few beside what waits for it otherwise."""


@dataclass(frozen=True, slots=True)
class State:
    """Where pulls stand."""

    url: str = ""
    """The directory that people came from."""

    cookie: str = ""
    pulled_at: float = 0.0
    """Wall-clock seconds of the last pull that was carried out; 0: never."""

    full_at: float = 0.0
    """Of the last that read everything."""

    skipped: tuple[Skipped, ...] = ()


class Kept:
    """The records of kind "person", "group" and "directory", and their versions."""

    log = Logger()

    def __init__(self, store: IStore, seals: Seals) -> None:
        """Read nothing yet."""
        self._store = store
        self._seals = seals
        self._versions: dict[tuple[str, str], Version] = {}
        self._state_version = Version(0)

    async def people(self) -> list[Person]:
        """Give everybody who was kept. A record that cannot be read is left out and named; the next full pull replaces it."""
        people = []
        for record in await self._store.scan(PERSON):
            aor = aor_of(record.key)
            self._versions[PERSON, aor] = record.version
            try:
                people.append(self._read(record.value, aor))
            except (ValueError, TypeError, KeyError, StoreUnavailable) as error:
                self.log.warn("the kept record of {aor} cannot be read: {reason}", aor=aor, reason=str(error))
        return people

    async def groups(self) -> list[Group]:
        """Give every group that was kept; as of people."""
        groups = []
        for record in await self._store.scan(GROUP):
            self._versions[GROUP, record.key] = record.version
            try:
                groups.append(_read_group(record.value, record.key))
            except (ValueError, TypeError, KeyError) as error:
                self.log.warn(
                    "the kept record of group {key} cannot be read: {reason}", key=record.key, reason=str(error)
                )
        return groups

    async def state(self) -> State:
        """Give the state that was kept, or the first one."""
        record = await self._store.read(DIRECTORY, STATE)
        if record is None:
            return State()
        self._state_version = record.version
        try:
            fields = json.loads(record.value)
            skipped = tuple(Skipped(**one) for one in fields.pop("skipped"))
            return State(**fields, skipped=skipped)
        except (ValueError, TypeError, KeyError):
            self.log.warn("the kept state of the directory cannot be read; everything is pulled again")
            return State()

    async def keep_state(self, state: State) -> None:
        """Write where pulls stand."""
        value = json.dumps(asdict(state), separators=(",", ":")).encode()
        try:
            self._state_version = await self._store.write(DIRECTORY, STATE, value, self._state_version)
        except Conflict:
            record = await self._store.read(DIRECTORY, STATE)
            version = record.version if record is not None else Version(0)
            self._state_version = await self._store.write(DIRECTORY, STATE, value, version)

    async def keep(self, people: Sequence[Person]) -> None:
        """Write people."""
        await self._each(PERSON, [(person.aor, self._written(person)) for person in people])

    async def drop(self, people: Sequence[Person]) -> None:
        """Remove people."""
        await self._each(PERSON, [(person.aor, None) for person in people])

    async def keep_groups(self, groups: Sequence[Group]) -> None:
        """Write groups."""
        await self._each(GROUP, [(group.key, _written_group(group)) for group in groups])

    async def drop_groups(self, groups: Sequence[Group]) -> None:
        """Remove groups."""
        await self._each(GROUP, [(group.key, None) for group in groups])

    async def _each(self, kind: str, changes: Sequence[tuple[str, bytes | None]]) -> None:
        """Write all at once, wait for every one, and raise the first error."""
        writes = [Deferred.fromCoroutine(self._put(kind, key, value)) for key, value in changes]
        for _, result in await DeferredList(writes, consumeErrors=True):
            if isinstance(result, Failure):
                result.raiseException()

    async def _put(self, kind: str, key: str, value: bytes | None) -> None:
        try:
            await self._put_once(kind, key, value)
        except Conflict:
            # Another process pulled the same; the directory's word is the same whoever brings it.
            record = await self._store.read(kind, key)
            self._versions[kind, key] = record.version if record is not None else Version(0)
            await self._put_once(kind, key, value)

    async def _put_once(self, kind: str, key: str, value: bytes | None) -> None:
        version = self._versions.get((kind, key), Version(0))
        if value is None:
            await self._store.remove(kind, key, version)
            self._versions.pop((kind, key), None)
        else:
            self._versions[kind, key] = await self._store.write(kind, key, value, version)

    def _written(self, person: Person) -> bytes:
        """Give a person as JSON without what is not known; the hash is sealed."""
        fields: dict[str, Any] = {name: value for name, value in asdict(replace(person, nt_hash=None)).items() if value}
        fields["enabled"] = person.enabled
        fields["phones"] = [[phone.kind, phone.number] for phone in person.phones]
        if person.nt_hash is not None:
            fields["nt_hash"] = base64.b64encode(self._seals.seal(person.nt_hash, f"{PERSON}:{person.aor}")).decode()
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")

    def _read(self, value: bytes, aor: Aor) -> Person:
        fields: dict[str, Any] = json.loads(value)  # Any: JSON
        sealed = fields.pop("nt_hash", None)
        nt_hash = self._seals.unseal(base64.b64decode(sealed), f"{PERSON}:{aor}") if sealed else None
        phones = tuple(Phone(kind, number) for kind, number in fields.pop("phones", ()))
        fields |= {name: Moment(**fields[name]) for name in ("begins", "until", "must_change") if name in fields}
        return Person(
            **{**fields, "aor": aor, "logins": tuple(fields.get("logins", ()))}, phones=phones, nt_hash=nt_hash
        )


def _written_group(group: Group) -> bytes:
    fields = {"name": group.name, "aor": group.aor, "members": sorted(group.members), "source": group.source}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _read_group(value: bytes, key: str) -> Group:
    fields: dict[str, Any] = json.loads(value)  # Any: JSON
    return Group(key, fields["name"], kept_aor(fields["aor"]), frozenset(fields["members"]), fields["source"])


def chunks(several: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into pieces of at most AT_ONCE."""
    for start in range(0, len(several), AT_ONCE):
        yield several[start : start + AT_ONCE]
