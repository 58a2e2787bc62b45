"""People, groups and the state of pulls in the store, so that a restart during an outage knows everybody."""

import base64
import json
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.directory import Group, Moment, Person, Phone, Skipped, TelephonyMode
from lyncpy.contracts.names import aor_of, kept_aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.seals import Seals
from lyncpy.contracts.store import IStore, Record
from lyncpy.core.versioned import NONE_YET, LastWriter, uncontended
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import parse_line
from lyncpy.workloads.directory.accounts import DISABLED
from lyncpy.workloads.directory.model.places import Urls, renamed_key, urls_of
from lyncpy.workloads.directory.owners import FormerAddress, Owner
from lyncpy.workloads.directory.secrets import KIND as SECRET
from lyncpy.workloads.directory.secrets import WAITING
from lyncpy.workloads.directory.stored_policies import POLICY, of_person

T = TypeVar("T")

Known = tuple[Person, Owner]
"""Somebody, and whose all that is theirs is."""

PERSON: Final = "person"
GROUP: Final = "group"
DIRECTORY: Final = "directory"
STATE: Final = "pull"
MOVES: Final = "moves"
FORM: Final = "owners"

OWNED: Final = (SECRET, "contacts", "board", "certificates", DISABLED)
"""Kinds of records whose key is an `OwnerId`. Conferences have keys of their own, and name their owner inside."""

KEYED: Final = ("places",)
"""Kinds of records whose key is the directory's key of a person."""

CONFERENCE: Final = "conference"

AT_ONCE: Final = 50
"""Writes under way at a time: enough for the store to commit many together, few beside what waits for it otherwise."""


_FACTS: Final = frozenset(fact.name for fact in fields(Person))


@dataclass(frozen=True, slots=True)
class PullState:
    """Where pulls stand."""

    urls: Urls = field(default_factory=dict)
    """The directories that people came from."""

    cookie: str = ""
    pulled_at: float = 0.0
    """Wall-clock seconds of the last pull that was carried out; 0: never."""

    full_at: float = 0.0
    """Of the last that read everything."""

    skipped: tuple[Skipped, ...] = ()


class DirectoryRecords:
    """The records of kind "person", "group" and "directory"."""

    log = Logger()

    def __init__(self, store: IStore, seals: Seals, listed: Callable[[str], str] = lambda number: "") -> None:
        self._store = store
        self._seals = seals
        self._listed = listed
        self._people = LastWriter(store, PERSON)
        self._groups = LastWriter(store, GROUP)
        self._directory = LastWriter(store, DIRECTORY)
        self.deleted: set[OwnerId] = set()
        """Owners whose data was deleted, as far as anything may still name them; known once `people` were read."""

    async def people(self, *, settle: bool = True) -> list[Known]:
        """Read the records of all owners, those who are held back too, in the order in which they got their addresses.

        Moves that were begun are brought to their end, in the store too if it is to `settle`. Of a record that cannot be read only
        its owner is known; the next full pull replaces it.
        """
        found: dict[OwnerId, Known] = {}
        self.deleted = set()
        for record in await self._people.scan():
            known = self._known(record)
            if known is not None:
                found[known[1].id] = known
        moves = await self._moves(found)
        found.update((known[1].id, known) for known in moves)
        if moves and settle:
            await self.write_people(moves)
            await self._directory.write(MOVES, None)
        return sorted(found.values(), key=lambda known: known[1].since)

    def writer(self, kind: str) -> LastWriter:
        """Give what knows which records of a kind, PERSON or GROUP, are there, and their versions."""
        return self._people if kind == PERSON else self._groups

    async def person(self, id_: OwnerId) -> Known | None:
        """Read an owner's record again; None: there is none any more, or all that was theirs is deleted."""
        record = await self._people.read(id_)
        return None if record is None else self._known(record)

    async def group(self, key: str) -> Group | None:
        """Read a group's record again; None: there is none any more."""
        record = await self._groups.read(key)
        return None if record is None else self._kept_group(record)

    def _known(self, record: Record) -> Known | None:
        id_ = OwnerId(record.key)
        try:
            fields: dict[str, Any] = json.loads(record.value)  # Any: JSON
            if fields.pop("deleted", False):
                self.deleted.add(id_)
                return None
            return self._read(fields, id_)
        except (ValueError, TypeError, KeyError) as error:
            self.log.warn("the kept record of {owner} cannot be read: {reason}", owner=id_, reason=str(error))
            # What is theirs stays theirs: the key is learned from whoever has the address at the next pull.
            aor = aor_of(id_.partition("#")[0])
            return Person(aor, "", enabled=False), Owner(id_, "", aor)

    async def _moves(self, found: Mapping[OwnerId, Known]) -> list[Known]:
        """Give the people of an interrupted exchange of addresses, as its durable note has them."""
        record = await self._directory.read(MOVES)
        if record is None:
            return []
        note: dict[str, Any] = json.loads(record.value)  # Any: JSON
        moved = []
        for id_, aor in note["moves"].items():
            # Whose data an operator has had deleted since is nowhere.
            if OwnerId(id_) not in found:
                continue
            person, owner = found[OwnerId(id_)]
            moved.append((replace(person, aor=kept_aor(aor)), owner.moved(kept_aor(aor), note["at"])))
        return moved

    async def move(self, people: Sequence[Known], at: float) -> None:
        """Write people who exchange addresses: all of them or none, even if the process dies meanwhile.

        A note of where everybody belongs is written first. From then on they are there, also
        for a server that starts anew.
        """
        note = {"at": at, "moves": {owner.id: person.aor for person, owner in people}}
        await self._directory.write(MOVES, json.dumps(note, ensure_ascii=False).encode())
        for chunk in chunks(people):
            await self.write_people(chunk)
        await self._directory.write(MOVES, None)

    async def settle(self) -> Sequence[OwnerId]:
        """Bring the exchange of addresses to its end in which another node was lost; give whom it was about."""
        record = await self._directory.read(MOVES)
        if record is None:
            return ()
        ids = [OwnerId(id_) for id_ in json.loads(record.value)["moves"]]
        found = {id_: known for id_ in ids if (known := await self.person(id_)) is not None}
        await self.write_people(await self._moves(found))
        await self._directory.write(MOVES, None)
        return ids

    async def groups(self) -> list[Group]:
        """Give every group that was kept; as of people."""
        found = [self._kept_group(record) for record in await self._groups.scan()]
        return [group for group in found if group is not None]

    def _kept_group(self, record: Record) -> Group | None:
        try:
            return _read_group(record.value, record.key)
        except (ValueError, TypeError, KeyError) as error:
            self.log.warn("the kept record of group {key} cannot be read: {reason}", key=record.key, reason=str(error))
            return None

    async def state(self) -> PullState:
        """Read the state of pulls; of a new store, the initial one."""
        record = await self._directory.read(STATE)
        if record is None:
            return PullState()
        try:
            fields = json.loads(record.value)
            skipped = tuple(Skipped(**one) for one in fields.pop("skipped"))
            if "url" in fields:  # of a server that kept them in one text
                fields["urls"] = urls_of(fields.pop("url"))
            return PullState(**fields, skipped=skipped)
        except (ValueError, TypeError, KeyError):
            self.log.warn("the kept state of the directory cannot be read; everything is pulled again")
            return PullState()

    async def keep_state(self, state: PullState) -> None:
        """Write the state of pulls."""
        await self._directory.write(STATE, json.dumps(asdict(state), separators=(",", ":")).encode())

    async def rename(self, state: PullState, new_names: Mapping[str, str]) -> PullState:
        """Give people and groups the keys that they have under new names of their directories; give the state of pulls after it.

        May be called again after it failed. Everything is read anew then.

        Args:
            state: The state of pulls before.
            new_names: By the names that these directories had.
        """

        def now(key: str) -> str:
            return renamed_key(key, state.urls.keys(), new_names) if key else key

        people = await self.people()
        moved = [
            (replace(person, key=now(owner.key)), replace(owner, key=now(owner.key)))
            for person, owner in people
            if owner.key != now(owner.key)
        ]
        groups = [group for group in await self.groups() if group.key != now(group.key)]
        keys = {owner.key for _, owner in people} | {group.key for group in groups}
        for chunk in chunks(moved):
            await self.write_people(chunk)
        for some in chunks(groups):
            # People files name members by keys.
            members = [frozenset(now(one) if one in keys else one for one in group.members) for group in some]
            await self.keep_groups(
                [
                    replace(group, key=now(group.key), members=theirs)
                    for group, theirs in zip(some, members, strict=True)
                ]
            )
            await self.drop_groups(some)
        for kind in KEYED:
            await self._rename_records(kind, now)
        urls = {new_names.get(name, name): url for name, url in state.urls.items()}
        state = replace(state, urls=urls, cookie="", skipped=())
        await self.keep_state(state)
        return state

    async def _rename_records(self, kind: str, now: Callable[[str], str]) -> None:
        """Give records of a kind the keys that people have now; each is there under one of the two at any time."""
        writer = LastWriter(self._store, kind)
        moved = [record for record in await writer.scan() if record.key != now(record.key)]
        for some in chunks(moved):
            await _each(writer, [(now(record.key), record.value) for record in some])
            await _each(writer, [(record.key, None) for record in some])

    async def write_people(self, people: Sequence[Known]) -> None:
        """Write the records of people."""
        await _each(self._people, [(owner.id, self._written(person, owner)) for person, owner in people])

    async def delete(self, owner: OwnerId) -> None:
        """Remove all data of an owner, then their record; may be called again after it failed.

        Conferences are removed by who keeps them.
        """
        for kind in OWNED:
            await LastWriter(self._store, kind).write(owner, None)
        await LastWriter(self._store, POLICY).write(of_person(owner), None)
        # An id that is an address may be meant by what an older server has written; it must stay known as gone.
        await self._people.write(owner, None if "#" in owner else b'{"deleted":true}')

    async def claim(self, people: Sequence[Known]) -> None:
        """Move passwords that were set for addresses to the new people who have these."""
        waiting = {record.key for record in await self._store.scan(SECRET, WAITING)}
        for person, owner in people:
            if f"{WAITING}{person.aor}" in waiting:
                await uncontended(partial(self._claim, f"{WAITING}{person.aor}", owner.id))

    async def _claim(self, key: str, owner: OwnerId) -> None:
        record = await self._store.read(SECRET, key)
        if record is None:
            return
        hash_ = self._seals.unseal(record.value, f"{SECRET}:{key}")
        theirs = await self._store.read(SECRET, owner)
        version = theirs.version if theirs is not None else NONE_YET
        # Before it is taken away it is durable here; the person is known only after both.
        await self._store.write(SECRET, owner, self._seals.seal(hash_, f"{SECRET}:{owner}"), version)
        await self._store.remove(SECRET, key, record.version)

    # --- a store of a server that knew people by their addresses

    async def adopt(self, known: Iterable[OwnerId], now: float) -> list[Known]:
        """Make owners of the addresses in a store that knew no owners, once; data of nobody who is known is held back.

        A record's key was the address; from now on it is the id of who had that address. A server that never knew
        anybody has passwords that were set for people to come: whoever gets the address first is who was meant.
        """
        form = await self._directory.read(FORM)
        if form is not None:
            return []
        found: list[Known] = []
        secrets = {record.key for record in await self._store.scan(SECRET)}
        lived = {record.key for kind in OWNED if kind != SECRET for record in await self._store.scan(kind)}
        lived |= {record.key.rpartition("/")[0] for record in await self._store.scan(CONFERENCE)}
        knew_nobody = not self._people.keys
        named = lived.union(key for key in secrets if not key.startswith(WAITING))
        for key in sorted(named.difference(known)):
            owner = Owner(OwnerId(key), "", aor_of(key))
            if not knew_nobody or (STATE in self._directory.keys and key in lived):
                owner = owner.removed("", now)
            found.append((Person(aor_of(key), "", enabled=False), owner))
        for chunk in chunks(found):
            await self.write_people(chunk)
        await self._directory.write(FORM, b'{"form":1}')
        return found

    async def keep_groups(self, groups: Sequence[Group]) -> None:
        """Write the records of groups."""
        await _each(self._groups, [(group.key, _written_group(group)) for group in groups])

    async def drop_groups(self, groups: Sequence[Group]) -> None:
        """Remove the records of groups."""
        await _each(self._groups, [(group.key, None) for group in groups])

    def _written(self, person: Person, owner: Owner) -> bytes:
        """Write a person as JSON without unknown facts; the hash is sealed, and left out of a person who is removed."""
        fields: dict[str, Any] = {name: value for name, value in asdict(replace(person, nt_hash=None)).items() if value}
        fields["enabled"] = person.enabled
        fields["phones"] = [[phone.kind, phone.number] for phone in person.phones]
        if person.nt_hash is not None and not owner.is_held:
            fields["nt_hash"] = base64.b64encode(self._seals.seal(person.nt_hash, f"{PERSON}:{owner.id}")).decode()
        if owner.since:
            fields["since"] = owner.since
        if owner.former:
            fields["former"] = [[one.aor, one.since, one.until] for one in owner.former]
        if owner.line is not None:
            fields["given_line"] = owner.line
        if owner.is_held:
            fields["removed_at"] = owner.removed_at
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")

    def _read(self, fields: dict[str, Any], id_: OwnerId) -> Known:  # Any: JSON
        sealed = fields.pop("nt_hash", None)
        former = tuple(FormerAddress(aor_of(aor), since, until) for aor, since, until in fields.pop("former", ()))
        since, removed_at = fields.pop("since", 0.0), fields.pop("removed_at", 0.0)
        # What the dial plan makes of them is not kept: the plan may be another one by now.
        phones = tuple(Phone(kind, number, self._listed(number)) for kind, number in fields.pop("phones", ()))
        fields["aor"] = aor_of(fields.get("aor") or id_)
        fields |= {name: tuple(fields.get(name, ())) for name in ("logins", "other_mails")}
        fields |= {one: Moment(**fields[one]) for one in ("begins", "until", "must_change") if one in fields}
        fields |= {name: _kept_line(fields.get(name, "")) for name in ("line", "private_line")}
        fields["telephony"] = TelephonyMode(fields.get("telephony", ""))
        # What a newer server has written besides is its own.
        facts = {name: value for name, value in fields.items() if name in _FACTS}
        person = Person(**{"key": "", **facts}, phones=phones, nt_hash=self._unsealed(sealed, id_))
        name = person.display_name if removed_at else ""
        given = fields.get("given_line")
        return person, Owner(id_, person.key, person.aor, since, former, removed_at, name, given)

    def _unsealed(self, sealed: str | None, id_: OwnerId) -> bytes | None:
        try:
            return self._seals.unseal(base64.b64decode(sealed), f"{PERSON}:{id_}") if sealed else None
        except StoreUnavailable as error:
            self.log.warn("the kept password of {owner} cannot be read: {reason}", owner=id_, reason=str(error))
            return None


def _kept_line(text: str) -> str:
    """Give a line in its normal form; a server of before kept it as the directory had it."""
    try:
        return parse_line(text).uri if text else ""
    except RemoteProtocolError:
        return ""


async def _each(records: LastWriter, changes: Sequence[tuple[str, bytes | None]]) -> None:
    """Write all at once, wait for every one, and raise the first error.

    Another process that pulled the same is no trouble: the directory's word is the same whoever brings it.
    """
    await together([records.write(key, value) for key, value in changes])


async def together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:  # Any: of no interest
    """Have several things done at once; wait for every one, and raise the first error."""
    found: list[T] = []
    for _, result in await DeferredList([Deferred.fromCoroutine(one) for one in works], consumeErrors=True):
        if isinstance(result, Failure):
            result.raiseException()
        found.append(result)
    return found


def _written_group(group: Group) -> bytes:
    fields: dict[str, Any] = {"name": group.name, "aor": group.aor, "source": group.source}  # Any: JSON
    fields["members"] = sorted(group.members)
    fields |= {"hidden": True} if group.hidden else {}
    fields |= {"mail": group.mail} if group.mail else {}
    fields |= {"closed": True} if group.is_closed else {}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _read_group(value: bytes, key: str) -> Group:
    fields: dict[str, Any] = json.loads(value)  # Any: JSON
    members, hidden = frozenset(fields["members"]), bool(fields.get("hidden"))
    mail, closed = str(fields.get("mail", "")), bool(fields.get("closed"))
    return Group(key, fields["name"], kept_aor(fields["aor"]), members, fields["source"], hidden, mail, closed)


def chunks(several: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into pieces of at most AT_ONCE."""
    for start in range(0, len(several), AT_ONCE):
        yield several[start : start + AT_ONCE]
