"""The address book: the indexes of people and groups, kept up to date with the directory."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.directory import FoundGroups, FoundPeople, Group, IAddressBook, Person, SearchCondition
from lyncpy.contracts.facts import GroupsChanged, PersonChanged
from lyncpy.contracts.names import kept_aor
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.model.book import CHANGED_WORK, Book, BookForm
from lyncpy.workloads.directory.model.forms import GROUPS, PEOPLE, is_listed
from lyncpy.workloads.directory.model.query import query_of_conditions, query_of_text
from lyncpy.workloads.directory.people import People

T = TypeVar("T")

QUIET_S: Final = 2.0
"""An index is made anew when for so long nothing has changed: once behind a large pull, not again and again within it."""

PIECE: Final = 4_096
"""Words that are read in one turn at most; a millisecond is over before."""


@implementer(IAddressBook)
class AddressBook:
    """Finds people and groups; `person_changed` and `groups_changed` tell it what is new."""

    log = Logger()

    def __init__(self, people: People, groups: Groups, timers: ITimers) -> None:
        self._timers = timers
        self.people: Book[Person] = Book(BookForm(PEOPLE, lambda key: people.person(kept_aor(key)), is_listed))
        self.groups: Book[Group] = Book(BookForm(GROUPS, groups.group, lambda group: not group.hidden))
        self._parts: tuple[tuple[Book[Any], Callable[[], Sequence[Any]]], ...] = (  # Any: of people, and of groups
            (self.people, lambda: tuple(people.table().values())),
            (self.groups, lambda: tuple(groups.table().values())),
        )
        self._due = Deadline(timers, self._look)
        self._changes = 0
        self._waiting: dict[Deferred[None], None] = {}
        self._is_made = False
        self._is_busy = False
        self._closed = False

    def open(self) -> None:
        """Begin to make the indexes; what is asked before waits."""
        self._due.clear()
        spawn(self._renew(), self.log, "making the address book")

    def close(self) -> None:
        """Stop; what waits is answered by what is there."""
        self._closed = True
        self._due.clear()
        while self._waiting:
            self._release_one()

    # --- IAddressBook

    async def find_people(self, text: str, most: int) -> FoundPeople:
        """Find people by what somebody has typed."""
        await self._made()
        people = tuple(islice(self.people.find(query_of_text(text)), most + 1))
        return FoundPeople(people[:most], len(people) > most)

    async def find_matching(self, conditions: Sequence[SearchCondition], most: int) -> FoundPeople:
        """Find people for whom all conditions hold."""
        await self._made()
        people = tuple(islice(self.people.find(query_of_conditions(conditions)), most + 1))
        return FoundPeople(people[:most], len(people) > most)

    async def find_groups(self, text: str, most: int) -> FoundGroups:
        """Find groups by words of their name or address."""
        await self._made()
        groups = tuple(islice(self.groups.find(query_of_text(text)), most + 1))
        return FoundGroups(groups[:most], len(groups) > most)

    # --- what is new

    def person_changed(self, fact: PersonChanged) -> None:
        """Take up a person who has come, changed or gone."""
        self.people.note(fact.aor)
        self._arm()

    async def groups_changed(self, fact: GroupsChanged) -> None:
        """Take up groups that have come, changed or gone: of one fact there may be very many."""
        work = Slices(self._timers, PIECE)
        for key in fact.keys:
            self.groups.note(key)
            await work.spend(CHANGED_WORK)
        self._arm()

    def _arm(self) -> None:
        self._changes += 1
        if any(book.is_behind for book, _ in self._parts) and not (self._due.is_set or self._is_busy or self._closed):
            self._set()

    def _set(self) -> None:
        self._changes = 0
        self._due.set(QUIET_S)

    def _look(self) -> None:
        if self._changes or self._is_busy:
            self._set()
        else:
            spawn(self._renew(), self.log, "making the address book anew")

    async def _renew(self) -> None:
        """Make the indexes anew that are behind, at first all; never twice at once, for a book follows one renewal."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            for book, subjects in self._parts:
                if (book.is_behind or not self._is_made) and not self._closed:
                    await Slices(self._timers, PIECE).carry_out(book.renewing(subjects()))
        finally:
            self._is_busy = False
            self._is_made = True
            if self._waiting:
                spawn(self._answer(), self.log, "answering who has waited for the address book")
        self._arm()

    async def _answer(self) -> None:
        """Go on with those who have waited, one after the other: each searches at once, and that takes milliseconds."""
        work = Slices(self._timers, PIECE)
        while self._waiting:
            self._release_one()
            await work.spend()

    async def _made(self) -> None:
        if not (self._is_made or self._closed):
            made: Deferred[None] = Deferred(self._waiting.pop)
            self._waiting[made] = None
            await made

    def _release_one(self) -> None:
        made = next(iter(self._waiting))
        del self._waiting[made]
        made.callback(None)
