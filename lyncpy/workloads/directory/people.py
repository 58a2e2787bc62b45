"""The table of people: everybody whom this server knows, in memory, found by address and by login."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from zope.interface import implementer

from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.names import Aor, aor_of, bare


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A login that more than one person has; it signs in nobody."""

    login: str
    people: tuple[Aor, ...]


@implementer(IPeople)
class People:
    """Everybody, by address and by login. Written by `Pulls` alone; bounded by what the directory may give."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._people: dict[Aor, Person] = {}
        self._logins: dict[str, set[Aor]] = defaultdict(set)
        self._locals: dict[str, set[Aor]] = defaultdict(set)
        self._sorted: tuple[Person, ...] | None = ()

    def __len__(self) -> int:
        return len(self._people)

    # --- IPeople

    def person(self, aor: Aor) -> Person | None:
        """Give the person with this address, disabled ones too."""
        return self._people.get(aor)

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

    def all(self) -> Sequence[Person]:
        """Give everybody, by address."""
        if self._sorted is None:
            self._sorted = tuple(self._people[aor] for aor in sorted(self._people))
        return self._sorted

    # --- for the workload

    def table(self) -> Mapping[Aor, Person]:
        """Give everybody by address, to read."""
        return MappingProxyType(self._people)

    def keep(self, person: Person) -> None:
        """Add a person or put him in the place of his former self."""
        self.drop(person.aor)
        self._people[person.aor] = person
        for login in _logins(person):
            self._logins[login].add(person.aor)
        self._locals[_local(person.aor)].add(person.aor)
        self._sorted = None

    def drop(self, aor: Aor) -> None:
        """Remove a person, if he is there."""
        person = self._people.pop(aor, None)
        if person is None:
            return
        for login in _logins(person):
            _take(self._logins, login, aor)
        _take(self._locals, _local(aor), aor)
        self._sorted = None

    def ambiguous(self) -> tuple[Ambiguous, ...]:
        """Give the logins that more than one person has."""
        return tuple(
            Ambiguous(login, tuple(sorted(who))) for login, who in sorted(self._logins.items()) if len(who) > 1
        )

    def named(self, text: str) -> Person | None:
        """Give the person whom an operator means: an address with or without `sip:`, or a login."""
        return self._people.get(aor_of(text)) or self.by_login("", text)

    def near(self, aor: Aor, most: int = 3) -> list[str]:
        """Give addresses that look like this one, the nearest first, without scheme."""
        return [bare(one) for one in difflib.get_close_matches(aor, self._people, most, 0.75)]

    def _only(self, found: Iterable[Aor]) -> Person | None:
        """Give the person of a set of one."""
        aors = tuple(found)
        return self._people[aors[0]] if len(aors) == 1 else None


def _logins(person: Person) -> set[str]:
    return {login.strip().lower() for login in person.logins}


def _local(aor: Aor) -> str:
    return bare(aor).partition("@")[0]


def _take(index: dict[str, set[Aor]], name: str, aor: Aor) -> None:
    index[name].discard(aor)
    if not index[name]:
        del index[name]
