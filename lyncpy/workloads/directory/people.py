"""The table of people: everybody whom this server knows, in memory, found by address and by login."""

import difflib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor, aor_of, bare, kept_aor
from lyncpy.core.set_index import remove_member
from lyncpy.workloads.directory.owners import Owners

AT_ONCE: Final = 1000
"""People looked at in one turn of the reactor, about a millisecond: everybody else's messages go on in between."""

_NEAR_MOST: Final = 3
"""Addresses that are suggested; more would be guesses."""

_LETTERS: Final = 96
"""Of an address that is looked for; what is longer was not mistyped."""

_BESIDE: Final = 25
_SAME_NAME: Final = 25
"""How many are compared who stand beside an address in order, and who have one name in several domains."""

_FEW: Final = 200
"""People put in order one by one, each by moving half a megabyte; for more, all are sorted."""

_AOR: Final = attrgetter("aor")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789._-"


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A login that more than one person has; it signs in nobody."""

    login: str
    people: tuple[Aor, ...]


@dataclass(frozen=True, slots=True)
class SharedNumber:
    """A number that more than one person has; it rings nobody."""

    uri: str
    people: tuple[Aor, ...]


@implementer(IPeople)
class People:
    """Everybody, by address and by login. Written by `Pulls` alone; bounded by what the directory may give."""

    def __init__(self) -> None:
        self.owners = Owners()
        """Whose an address is and was; also of who is removed."""

        self._people: dict[Aor, Person] = {}
        self.person: Final[Callable[[Aor], Person | None]] = self._people.get
        """Gives the person with this address, disabled ones too. It is asked for each name of each list, so that it is
        the table's own look-up."""

        self._logins: dict[str, set[Aor]] = defaultdict(set)
        self._locals: dict[str, set[Aor]] = defaultdict(set)
        self._numbers: dict[str, set[Aor]] = defaultdict(set)
        self._sorted: tuple[Person, ...] | None = ()
        self._order: list[Person] = []
        self._touched: set[Aor] = set()  # those for whom `_order` is not right any more
        self._shared_numbers: set[str] = set()
        self._shared: set[str] = set()  # logins that more than one person has

    def __len__(self) -> int:
        return len(self._people)

    # --- IPeople

    def by_login(self, domain: str, user: str) -> Person | None:
        r"""Give the person whom a client names at sign-in.

        The most telling name is tried first: `domain\user`, the address, `user@domain`,
        `user`, and at last the part of an address before the @, which nobody need have
        been given as a login. Somebody else's name of a more telling kind is never passed over.
        """
        user, domain = user.strip().lower(), domain.strip().lower()
        user = user.removeprefix("sip:")
        if not user:
            return None
        if "\\" in user and not domain:
            domain, _, user = user.partition("\\")
        if domain and (found := self._logins.get(f"{domain}\\{user}")):
            return self._only(found)
        if "@" in user:
            return self._people.get(aor_of(user)) or self._only(self._logins.get(user, ()))
        if domain and (
            person := self._people.get(aor_of(f"{user}@{domain}"))
            or self._only(self._logins.get(f"{user}@{domain}", ()))
        ):
            return person
        return self._only(self._logins.get(user) or self._locals.get(user) or ())

    def by_number(self, uri: str) -> Sequence[Person]:
        """Give everybody whose line or private line this is, by address; disabled ones too."""
        return [self._people[aor] for aor in sorted(self._numbers.get(uri, ()))]

    def everybody(self) -> Sequence[Person]:
        """Give everybody, by address."""
        if self._sorted is None:
            if len(self._touched) > _FEW:
                self._order = sorted(self._people.values(), key=_AOR)
            else:
                for aor in self._touched:
                    self._place(aor)
            self._touched.clear()
            self._sorted = tuple(self._order)
        return self._sorted

    def _place(self, aor: Aor) -> None:
        """Insert a person into the sorted list, or remove them from it."""
        at, person = bisect_left(self._order, aor, key=_AOR), self._people.get(aor)
        there = at < len(self._order) and self._order[at].aor == aor
        self._order[at : at + there] = () if person is None else (person,)

    # --- for the workload

    def table(self) -> Mapping[Aor, Person]:
        """Give everybody by address, to read."""
        return MappingProxyType(self._people)

    def put_person(self, person: Person) -> None:
        """Add or replace a person."""
        self.drop(person.aor)
        self._people[person.aor] = person
        for login in _logins(person):
            who = self._logins[login]
            who.add(person.aor)
            if len(who) > 1:
                self._shared.add(login)
        self._locals[_local(person.aor)].add(person.aor)
        for uri in _numbers(person):
            who = self._numbers[uri]
            who.add(person.aor)
            if len(who) > 1:
                self._shared_numbers.add(uri)
        self._changed(person.aor)

    def drop(self, aor: Aor) -> None:
        """Remove a person, if they are there."""
        person = self._people.pop(aor, None)
        if person is None:
            return
        for login in _logins(person):
            remove_member(self._logins, login, aor)
            if len(self._logins.get(login, ())) < 2:
                self._shared.discard(login)
        remove_member(self._locals, _local(aor), aor)
        for uri in _numbers(person):
            remove_member(self._numbers, uri, aor)
            if len(self._numbers.get(uri, ())) < 2:
                self._shared_numbers.discard(uri)
        self._changed(aor)

    def _changed(self, aor: Aor) -> None:
        self._sorted = None
        self._touched.add(aor)

    def ambiguous(self) -> tuple[Ambiguous, ...]:
        """Give the logins that more than one person has."""
        return tuple(Ambiguous(login, tuple(sorted(self._logins[login]))) for login in sorted(self._shared))

    def shared_numbers(self) -> tuple[SharedNumber, ...]:
        """Give the numbers that more than one person has."""
        return tuple(SharedNumber(uri, tuple(sorted(self._numbers[uri]))) for uri in sorted(self._shared_numbers))

    def named(self, text: str) -> Person | None:
        """Give the person whom an operator means: an address with or without `sip:`, or a login."""
        return self._people.get(aor_of(text)) or self.by_login("", text)

    def namesakes(self, text: str) -> list[str]:
        """Give the addresses, without scheme, of the first of all who have a name that `named` took for nobody's: several have it."""
        name = text.strip().lower()
        found = {*self._logins.get(name, ()), *self._locals.get(name, ())}
        return [bare(aor) for aor in sorted(found)[:_NEAR_MOST]]

    def near(self, aor: Aor) -> list[str]:
        """Give the addresses that are most like this one, three at most, the nearest first, without scheme.

        Of all people only those are compared who can be near: with one letter wrong, missing,
        too many or exchanged before the @, with another domain, or beside it in order.
        """
        aor = kept_aor(aor[:_LETTERS])
        near = set(self._beside(aor))
        for name in _misspelt(_local(aor)):
            near.update(islice(self._locals.get(name, ()), _SAME_NAME))
        return [bare(one) for one in difflib.get_close_matches(aor, sorted(near), _NEAR_MOST, 0.75)]

    def _beside(self, aor: Aor) -> Iterator[Aor]:
        """Give the neighbours of an address in alphabetical order."""
        people = self.everybody()
        at = bisect_left(people, aor, key=_AOR)
        return map(_AOR, people[max(0, at - _BESIDE) : at + _BESIDE])

    def _only(self, found: Iterable[Aor]) -> Person | None:
        """Give the person, if exactly one address was found."""
        aors = tuple(found)
        return self._people[aors[0]] if len(aors) == 1 else None


def _misspelt(name: str) -> Iterator[str]:
    """Yield a name, and the names that one typing error makes of it."""
    yield name
    for at in range(len(name) + 1):
        head, tail = name[:at], name[at:]
        if tail:
            yield head + tail[1:]
            yield head + tail[1:2] + tail[:1] + tail[2:]
        for letter in _ALPHABET:
            yield head + letter + tail
            yield head + letter + tail[1:]


def _logins(person: Person) -> set[str]:
    return {login.strip().lower() for login in person.logins}


def _numbers(person: Person) -> set[str]:
    return {person.line, person.private_line} - {""}


def _local(aor: Aor) -> str:
    return bare(aor).partition("@")[0]
