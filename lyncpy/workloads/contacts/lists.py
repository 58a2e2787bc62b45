"""The table of contact lists: the one place that writes them.

Lists are not kept in memory: one is read at sign-in and for each change, and an endpoint
that has it needs no more of it than the number it is at. Only what the directory has put
into the lists of those who are signed in is remembered, by reference, to tell them when it
is another.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.names import Aor, Epid, Version, aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.store import Conflict, IStore
from lyncpy.core.homes import Homes
from lyncpy.workloads.contacts.bodies import write_delta
from lyncpy.workloads.contacts.model import (
    Book,
    Change,
    Contact,
    ContactList,
    Decided,
    Delta,
    Generated,
    Group,
    Limits,
    No,
    SetContact,
    amends,
    decide,
)
from lyncpy.workloads.contacts.placing import place, regenerated
from lyncpy.workloads.contacts.shelves import Shelves

KIND: Final = "contacts"
TRIES: Final = 3

T = TypeVar("T")


class Declined(Exception):
    """A change was not made; `amends` tell a device how things stand."""

    def __init__(self, no: No, amends: Sequence[Delta]) -> None:
        """Keep the reason and the truth."""
        super().__init__(no.name)
        self.no = no
        self.amends = amends


@dataclass(frozen=True, slots=True)
class _Given:
    """What the directory has put into the list of a user who is signed in."""

    wanted: tuple[Generated, ...]
    """As the directory has it."""

    placed: Mapping[int, Generated]
    """As his devices show it."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A book as the store has it."""

    book: Book
    mark: str
    """Of the generated half that its number counts."""

    version: Version


class Lists:
    """Contact lists in the store, one writer of each at a time."""

    def __init__(self, store: IStore, bus: IBus, homes: Homes, limits: Limits, shelves: Shelves) -> None:
        """Take where lists are kept, whom to tell of changes, and what the directory puts into them."""
        self._store = store
        self._bus = bus
        self._homes = homes
        self._limits = limits
        self._shelves = shelves
        self._given: dict[Aor, _Given] = {}

    def __len__(self) -> int:
        return len(self._given)

    def hold(self, aor: Aor) -> AbstractAsyncContextManager[None]:
        """Keep a list as it is inside the block."""
        return self._homes.hold(KIND, aor)

    async def read(self, aor: Aor) -> Book:
        """Give a user's list; of one that was never written, the default group and what the directory puts into it."""
        return (await self._read(aor)).book

    async def change(self, aor: Aor, change: Change, by: Epid | None) -> Decided:
        """Make a change; it is durable, and told to all who listen, when this returns.

        Raises:
            Declined: A rule forbids it; nothing changed.
            Refused: 503, when other processes were first time and again.
        """

        def made(stored: _Stored) -> tuple[Decided, Book, Delta]:
            decided = decide(stored.book, change, self._limits)
            if isinstance(decided, No):
                raise Declined(decided, amends(stored.book, change))
            return decided, decided.book, decided.delta

        if isinstance(change, SetContact) and change.name == self._shelves.name_of(change.aor):
            # COMPAT pidgin-sipe 1.25: where the user gave no name, it sends the one that the contact has; kept, it
            # would hide every later one.
            change = replace(change, name="")
        async with self.hold(aor):
            return await self._written(aor, made, by)

    # --- the half that the directory makes

    async def arrived(self, aor: Aor) -> ContactList:
        """Give the whole list to a device that signs in; the list is held by the caller.

        From here on the user is told what the directory changes in it, until `left`.
        """
        return (await self._follow(aor)).shown()

    async def refresh(self, aor: Aor) -> None:
        """Tell a user's devices what the directory has changed, if it has.

        Raises:
            StoreUnavailable: Nothing was told; it is still to be done.
        """
        async with self.hold(aor):
            if self.is_outdated(aor):
                await self._follow(aor)

    def left(self, aor: Aor) -> None:
        """Forget a user whose last device is gone."""
        self._given.pop(aor, None)

    def signed_in(self) -> Sequence[Aor]:
        """Give the users who are told of changes."""
        return tuple(self._given)

    def is_outdated(self, aor: Aor) -> bool:
        """Tell whether the directory has something else for a list than his devices show."""
        given = self._given.get(aor)
        return given is not None and given.wanted != self._shelves.wanted(aor)

    async def _follow(self, aor: Aor) -> Book:
        """Bring a list to what the directory says now, count that, and tell it."""
        wanted = self._shelves.wanted(aor)
        given = self._given.get(aor)

        def regrown(stored: _Stored) -> tuple[Book, Book, Delta | None]:
            after = place(stored.book, wanted)
            if after.mark == stored.mark:
                return after, after, None
            after = replace(after, own=replace(after.own, delta_num=after.own.delta_num + 1))
            return after, after, regenerated(stored.book, after) if given is not None else _unknown(after)

        book = await self._written(aor, regrown, None)
        self._given[aor] = _Given(wanted, book.generated)
        return book

    # --- the store

    async def _written(self, aor: Aor, decide: Callable[[_Stored], tuple[T, Book, Delta | None]], by: Epid | None) -> T:
        """Read, decide, write, tell; again when another process was first. No delta: nothing is written."""
        for _ in range(TRIES):
            stored = await self._read(aor)
            result, book, delta = decide(stored)
            if delta is None:
                return result
            try:
                await self._store.write(KIND, aor, pack(book), stored.version)
            except Conflict:
                continue
            document = b"" if delta.is_unknown else write_delta(delta)
            self._bus.tell(ContactsChanged(aor, delta.number, document, by))
            return result
        raise Refused(503, Diagnostics(1, "Service unavailable"), headers=[("Retry-After", "5")])

    async def _read(self, aor: Aor) -> _Stored:
        """Read a list and put in what his devices show of the directory; where none does, what they would."""
        record = await self._store.read(KIND, aor)
        book, mark = (Book(aor), "") if record is None else unpack(record.value, aor)
        given = self._given.get(aor)
        book = place(book, self._shelves.wanted(aor)) if given is None else replace(book, generated=given.placed)
        return _Stored(book, mark, Version(0) if record is None else record.version)


def _unknown(book: Book) -> Delta:
    """Say that something changed while nobody looked."""
    return Delta(book.own.delta_num, book.own.delta_num - 1, is_unknown=True)


def pack(book: Book) -> bytes:
    """Write a list as it is stored: JSON that an operator can read. Of the generated half, only ids and a digest."""
    own = book.own
    return json.dumps(
        {
            "delta_num": own.delta_num,
            "groups": [[group.id, group.name, group.external_uri] for group in own.groups.values()],
            "contacts": [
                [c.aor, c.name, list(c.groups), c.subscribed, c.external_uri, c.extension]
                for c in own.contacts.values()
            ],
            "ids": dict(book.ids),
            "mark": book.mark,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def unpack(value: bytes, owner: Aor) -> tuple[Book, str]:
    """Read what `pack` wrote: the book without its generated half, and the digest of that."""
    stored: dict[str, Any] = json.loads(value)  # Any: json gives no types; the values below do
    groups = (Group(*row) for row in stored["groups"])
    people = (
        Contact(aor_of(aor), name, tuple(ids), subscribed, external_uri, extension)
        for aor, name, ids, subscribed, external_uri, extension in stored["contacts"]
    )
    own = ContactList(stored["delta_num"], {g.id: g for g in groups}, {c.aor: c for c in people})
    return Book(owner, own, stored.get("ids", {})), stored.get("mark", "")
