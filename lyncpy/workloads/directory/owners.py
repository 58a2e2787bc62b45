"""Who somebody is: the directory's key, and which addresses they had and have.

An `Owner` is made when a key is seen first, and stays the same through every address that
the key gets. Who is removed is held back: nobody finds what is theirs until the key comes
back, whatever its address is then, or the time is over and it is deleted.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import NOBODY, IOwners, OwnerId, Span
from lyncpy.core.set_index import remove_member

FORMER_MOST: Final = 32
"""Former addresses that are remembered of one owner; of more, the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class FormerAddress:
    """An address that somebody had. Times are wall-clock seconds."""

    aor: Aor
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Owner:
    """A person whom the directory has named, with their addresses now and before."""

    id: OwnerId
    key: str
    """The directory's key. "" where it is not known: of who is present, because their record cannot be read, so
    that whoever has the address at the next pull is they; of who is held, because they were gone before keys counted."""

    aor: Aor
    """The present address, or the last one."""

    since: float = 0.0
    """When they got it, in wall-clock seconds; 0: before anybody noted it."""

    former: tuple[FormerAddress, ...] = ()
    """Oldest first."""

    removed_at: float = 0.0
    """When they left the directory, in wall-clock seconds; 0: they are in it."""

    name: str = ""
    """For an operator, of who is removed."""

    line: str | None = None
    """The line that an operator gave them, "" for none; None: as the directory says."""

    @property
    def is_held(self) -> bool:
        """Whether they left the directory, and their data waits for them."""
        return self.removed_at > 0.0

    def moved(self, aor: Aor, now: float) -> "Owner":
        """Return the owner with another address; one who was removed comes back with it."""
        if aor == self.aor and not self.is_held:
            return self
        past = FormerAddress(self.aor, self.since, self.removed_at or now)
        return replace(self, aor=aor, since=now, former=(*self.former, past)[-FORMER_MOST:], removed_at=0.0, name="")

    def removed(self, name: str, now: float) -> "Owner":
        """Return the owner as one who has left the directory: their data is held back."""
        return replace(self, removed_at=max(now, 1.0), name=name)

    def spans(self) -> tuple[FormerAddress, ...]:
        """Give all addresses with the times at which they were theirs, oldest first; the present one has no end."""
        return (*self.former, FormerAddress(self.aor, self.since, self.removed_at or float(2**40)))


def lined(person: Person, owner: Owner | None) -> Person:
    """Give a person, as the directory has them, with the line that they were given."""
    if owner is None or owner.line is None:
        return person
    return replace(person, line=owner.line, listed_line=person.line)


def dialled(person: Person, listed: Callable[[str], str]) -> Person:
    """Give a person with the tel URIs of their phones; what the directory writes stays beside them.

    Args:
        listed: Gives the tel URI that the dial plan makes of a number, "" where it makes none.
    """
    phones = tuple(replace(phone, uri=listed(phone.number)) for phone in person.phones)
    return person if phones == person.phones else replace(person, phones=phones)


@implementer(IOwners)
class Owners:
    """All owners, by id, key and address. Bounded by what the directory may give, and who left it lately.

    Attributes:
        forward_s: Seconds for which a request to a former address is passed on.
        now: Gives the time.
    """

    def __init__(self) -> None:
        self.forward_s = 0.0
        self.now: Callable[[], float] = float
        self._owners: dict[OwnerId, Owner] = {}
        self._keys: dict[str, OwnerId] = {}
        self._holders: dict[Aor, OwnerId] = {}
        self._pasts: dict[Aor, set[OwnerId]] = defaultdict(set)
        self._held: dict[OwnerId, Owner] = {}
        self._deleted: set[OwnerId] = set()

    def __len__(self) -> int:
        return len(self._owners)

    # --- IOwners

    def owner(self, aor: Aor) -> OwnerId:
        """Give the owner who has this address now."""
        return self._holders.get(aor, NOBODY)

    def meant(self, aor: Aor) -> OwnerId:
        """Give the owner that an address means to whoever names it now."""
        holder = self._holders.get(aor)
        if holder is not None:
            return holder
        last = self.last(aor)
        return NOBODY if last is None else last.id

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the present address of who is in the directory."""
        found = self._owners.get(owner)
        return None if found is None or found.is_held else found.aor

    def keeps(self, owner: OwnerId) -> bool:
        """Tell whether somebody is in the directory or held back."""
        return owner in self._owners

    def have(self, named: Mapping[Aor, OwnerId]) -> bool:
        """Tell whether each of these addresses is that owner's now."""
        return named.items() <= self._holders.items()

    def knows(self, owner: OwnerId) -> bool:
        """Tell whether an owner is known, present or former."""
        return owner in self._owners or owner in self._deleted

    def led_to(self, aor: Aor) -> Aor | None:
        """Give the present address of the owner who left this one, as long as requests for it are led on; None after that."""
        if not self._pasts or aor in self._holders:
            return None
        last = self.last(aor)
        if last is None or last.is_held or _left(last, aor) + self.forward_s <= self.now():
            return None
        return last.aor

    def spans(self, owner: OwnerId) -> Sequence[Span]:
        """Give all addresses of somebody, and when each was theirs."""
        found = self._owners.get(owner)
        return () if found is None else tuple(Span(one.aor, one.since, one.until) for one in found.spans())

    # --- for the workload

    def by_id(self, owner: OwnerId) -> Owner | None:
        """Give an owner by id."""
        return self._owners.get(owner)

    def keyed(self, key: str) -> Owner | None:
        """Give the owner with this key of the directory."""
        found = self._keys.get(key)
        return None if found is None else self._owners[found]

    def last(self, aor: Aor) -> Owner | None:
        """Give the last former holder of an address; None when it has none."""
        pasts = self._pasts.get(aor)
        return None if not pasts else max((self._owners[one] for one in pasts), key=lambda one: _left(one, aor))

    def had(self, aor: Aor) -> Sequence[Owner]:
        """Give all former holders of an address, the last one first."""
        pasts = [self._owners[one] for one in self._pasts.get(aor, ())]
        return sorted(pasts, key=lambda one: _left(one, aor), reverse=True)

    def has_past(self, aor: Aor) -> bool:
        """Tell whether an address has a former holder."""
        return aor in self._pasts

    def everybody(self) -> Sequence[Owner]:
        """Give all owners, those who are held back too."""
        return tuple(self._owners.values())

    def keys(self) -> Collection[str]:
        """Give every key of the directory that is known."""
        return self._keys.keys()

    def held_back(self) -> Sequence[Owner]:
        """Give the owners who left the directory and whose data is held back, the longest first."""
        return sorted(self._held.values(), key=lambda one: (one.removed_at, one.id))

    def made(self, person: Person, now: float) -> Owner:
        """Give the owner of a person of the directory: the one with their key, moved or restored if need be, or a new one."""
        known = self.keyed(person.key)
        if known is not None:
            return known.moved(person.aor, now)
        nameless = self._owners.get(self.owner(person.aor))
        if nameless is not None and not nameless.key:
            return replace(nameless, key=person.key)
        # The same key under the same address gives the same id, also after a pull that was cut off half-way.
        digest = hashlib.sha256(person.key.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        first = id_ = OwnerId(f"{bare(person.aor)}#{digest}")
        count = 1
        while self.knows(id_):
            count += 1
            id_ = OwnerId(f"{first}-{count}")
        return Owner(id_, person.key, person.aor, now)

    def put_owner(self, owner: Owner) -> None:
        """Add an owner or put them in the place of their former self."""
        self.drop(owner.id)
        self._owners[owner.id] = owner
        if owner.key:
            self._keys[owner.key] = owner.id
        for one in owner.former:
            if one.aor != owner.aor or owner.is_held:
                self._pasts[one.aor].add(owner.id)
        if owner.is_held:
            self._held[owner.id] = owner
            self._pasts[owner.aor].add(owner.id)
        else:
            self._holders[owner.aor] = owner.id

    def drop(self, owner: OwnerId) -> None:
        """Remove an owner, if they are there."""
        found = self._owners.pop(owner, None)
        if found is None:
            return
        self._held.pop(owner, None)
        # Key and address may be another owner's by now: only what is still theirs is removed.
        if self._keys.get(found.key) == owner:
            del self._keys[found.key]
        if self._holders.get(found.aor) == owner:
            del self._holders[found.aor]
        for aor in {found.aor, *(one.aor for one in found.former)}:
            remove_member(self._pasts, aor, owner)

    def delete(self, owners: Iterable[OwnerId]) -> None:
        """Remove owners for good; that there were such is remembered."""
        for owner in owners:
            self.drop(owner)
            self._deleted.add(owner)


def _left(owner: Owner, aor: Aor) -> float:
    """Give the time at which an owner left an address."""
    if owner.is_held and owner.aor == aor:
        return owner.removed_at
    return max((one.until for one in owner.former if one.aor == aor), default=0.0)
