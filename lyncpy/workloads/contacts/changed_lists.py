"""Contact lists in memory: those that devices have changed last, and the versions of those that they show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lyncpy.contracts.bounded_cache import BoundedCache
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import IOwners, OwnerId, resolve
from lyncpy.core.versioned import Entry
from lyncpy.workloads.contacts.model import ContactBook, letters

CHANGED_BYTES: Final = 16_777_216
"""Of all lists that are kept because a device has changed them: some hundred with 250 contacts each."""

CONTACT_BYTES: Final = 500
"""A contact takes so much beside its texts."""

Row = list[Any]  # Any: JSON
"""A contact as it is stored."""


@dataclass(frozen=True, slots=True)
class ListNames:
    """The owners of the addresses in a list."""

    meant: Mapping[Aor, OwnerId] = field(default_factory=dict)
    """Present address → owner."""

    asleep: tuple[tuple[Row, OwnerId], ...] = ()
    """Contacts who are gone and whose address is another's now; they are not shown until they return."""


@dataclass(frozen=True, slots=True)
class StoredList:
    """A book as the store has it."""

    book: ContactBook
    mark: str = ""
    """The digest of the generated half to which the list's number belongs."""

    names: ListNames = ListNames()
    former: ContactBook | None = None
    """The book with the stored addresses, where people in it have others now; else None."""


class ChangedLists:
    """The lists that devices have changed last, until their users are gone or many others have changed theirs.

    Who has which address, and what the directory puts into a list, is asked each time.
    """

    def __init__(self, owners: IOwners, placed: Callable[[StoredList], StoredList]) -> None:
        """Create an empty cache.

        Args:
            owners: Gives the owner of an address.
            placed: Puts the generated groups into a list, as its user's devices show them.
        """
        self._owners = owners
        self._placed = placed
        self._kept: BoundedCache[Aor, Entry[StoredList] | None] = BoundedCache(CHANGED_BYTES, _size)
        """None: it is to be read yet."""

        self.versions: dict[Aor, Version] = {}
        """Those of the lists that devices show, as they were read or written last."""

    def begin(self, key: Aor) -> None:
        """Note that a device changes a list: from now on it is kept."""
        if key not in self._kept:
            self._kept.put(key, None)

    def get(self, key: Aor) -> Entry[StoredList] | None:
        """Give a list that is kept, unless somebody in it, or its user, has another address now."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        meant, owners = entry.value.names.meant, self._owners
        if entry.record != owners.owner(key):
            return None
        # Nearly always all of them are who they were.
        if not owners.have(meant) and any(resolve(owners, aor, one) != aor for aor, one in meant.items()):
            return None
        return Entry(self._placed(entry.value), entry.record, entry.version)

    def put(self, key: Aor, entry: Entry[StoredList]) -> None:
        """Keep a list, if a device changes it, and nobody in it is asleep or has moved."""
        if key in self.versions:
            self.versions[key] = entry.version
        if key in self._kept:
            stored = entry.value
            self._kept.put(key, None if stored.former is not None or stored.names.asleep else entry)

    def number(self, key: Aor) -> int | None:
        """Give the number of a list that is kept; None: none is."""
        entry = self._kept.get(key)
        return None if entry is None else entry.value.book.own.delta_num

    def reread(self, key: Aor) -> None:
        """Have a list that is kept be read when it is asked for next."""
        if key in self._kept:
            self._kept.put(key, None)

    def discard(self, key: Aor) -> None:
        """Forget a list."""
        self._kept.forget(key)
        self.versions.pop(key, None)


def _size(_: Aor, entry: Entry[StoredList] | None) -> int:
    if entry is None:
        return CONTACT_BYTES
    own = entry.value.book.own
    return CONTACT_BYTES * (1 + len(own.groups) + len(own.contacts)) + 4 * letters(own)
