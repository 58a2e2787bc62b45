"""The table of groups: every group whom this server knows, in memory, and who is in it; and who reports to whom.

A group names its members as the directory writes them, and the two come apart at any time:
a member may be unknown today and known tomorrow. So nothing is resolved when a group is
kept; two indexes lead from a name to whom it means, and from a name to the groups that hold
it. Each question is answered by following them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from zope.interface import implementer

from lyncpy.contracts.directory import Group, IGroups, IPeople, Person
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor, aor_of, kept_aor
from lyncpy.core.set_index import remove_member
from lyncpy.workloads.directory.model.forms import PEOPLE, is_listed


@implementer(IGroups)
class Groups:
    """All groups, and an index of the names of their members. Written by `Pulls` alone, whose bounds are its own.

    Args:
        people: Says who is known and enabled.
    """

    def __init__(self, people: IPeople) -> None:
        self._people = people
        self._groups: dict[str, Group] = {}
        self._named: dict[str, set[str]] = defaultdict(set)
        self._holders: dict[str, set[str]] = defaultdict(set)
        self._means: dict[str, set[Aor]] = defaultdict(set)
        self._inner: dict[str, str] = {}
        self._known: dict[Aor, frozenset[str]] = {}
        self._reports: dict[str, set[Aor]] = defaultdict(set)
        self._managers: dict[Aor, str] = {}
        self._sorted: tuple[Group, ...] | None = ()

    def __len__(self) -> int:
        return len(self._groups)

    # --- IGroups

    def all_groups(self) -> Sequence[Group]:
        """Give every group, by name."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._groups.values(), key=_order))
        return self._sorted

    def group(self, key: str) -> Group | None:
        """Give the group with this key."""
        return self._groups.get(key)

    def named(self, text: str) -> Group | None:
        """Give the group that is called so: by an address, source, or name; None when several fit."""
        keys = (self._named.get(name) for name in meanings_of(text))
        return self._only(next(filter(None, keys), ()))

    def by_address(self, aor: Aor) -> Group | None:
        """Give the group that is invited under this address; None when several fit."""
        return self._only(self._named.get(aor, ()))

    def by_mail(self, mail: str) -> Group | None:
        """Give the group with this mail address, else the one that is invited under it; None when several fit."""
        return self._only(self._named.get(_mail_name(mail), ()) or self._named.get(aor_of(mail), ()))

    def listed(self, group: Group) -> tuple[Sequence[Person], Sequence[Group]]:
        """Give the people and groups that a group names itself, as far as users may find them, by name."""
        named = {person.aor: person for person in map(self._one, group.members) if person is not None}
        inner = {self._inner[name] for name in group.members if name in self._inner}
        people = (person for person in named.values() if is_listed(person))
        groups = (one for one in map(self._groups.__getitem__, inner) if not one.hidden)
        return sorted(people, key=lambda one: (PEOPLE.order(one), one.aor)), sorted(groups, key=_order)

    def groups_of(self, aor: Aor) -> Sequence[Group]:
        """Give the groups that a person is in, directly or through others, by name."""
        return sorted((self._groups[key] for key in self._above(self._known.get(aor, ()))), key=_order)

    def members(self, key: str, limit: int) -> Sequence[Aor]:
        """Give the enabled people of a group and of the groups in it, by address, at most `limit`."""
        found: set[Aor] = set()
        for group in self._below(key):
            for aor in self._people_of(group):
                if len(found) >= limit:
                    return sorted(found)
                found.add(aor)
        return sorted(found)

    # --- for the workload

    def table(self) -> Mapping[str, Group]:
        """Give every group by its key, to read."""
        return MappingProxyType(self._groups)

    def put_group(self, group: Group) -> None:
        """Add a group or put it in the place of its former self."""
        self.drop(group.key)
        self._groups[group.key] = group
        for name in names_of(group):
            self._named[name].add(group.key)
        for name in group.members:
            self._holders[name].add(group.key)
        for name in _names_of_group(group):
            self._inner[name] = group.key
        self._sorted = None

    def drop(self, key: str) -> None:
        """Remove a group, if it is there."""
        group = self._groups.pop(key, None)
        if group is None:
            return
        for name in names_of(group):
            remove_member(self._named, name, key)
        for name in group.members:
            remove_member(self._holders, name, key)
        for name in _names_of_group(group):
            if self._inner.get(name) == key:
                del self._inner[name]
        self._sorted = None

    def know(self, person: Person) -> None:
        """Replace the names under which groups may list a person."""
        self.remove_person(person.aor)
        names = _names_of_person(person)
        self._known[person.aor] = names
        for name in names:
            self._means[name].add(person.aor)
        if person.manager:
            self._managers[person.aor] = person.manager
            self._reports[person.manager].add(person.aor)

    def remove_person(self, aor: Aor) -> None:
        """Remove a person who left the directory from the index of names."""
        for name in self._known.pop(aor, ()):
            remove_member(self._means, name, aor)
        manager = self._managers.pop(aor, None)
        if manager is not None:
            remove_member(self._reports, manager, aor)

    def manager(self, person: Person) -> Person | None:
        """Give whom a person reports to; None where the directory names nobody, or nobody who is known here."""
        return self._manager(person.manager) if person.manager else None

    def reports(self, person: Person) -> Sequence[Aor]:
        """Give who reports to a person, by address."""
        names = (*_names_of_person(person), person.aor)
        # A name that several have is nobody's, and one by which somebody is really known comes first.
        named = [name for name in names if name in self._reports and self._manager(name) == person]
        return sorted({aor for name in named for aor in self._reports[name]})

    def around(self, keys: Iterable[str]) -> frozenset[str]:
        """Give groups and all groups that contain them, directly or through others."""
        found: set[str] = set(keys)
        for key in tuple(found):
            group = self._groups.get(key)
            if group is not None:
                found |= self._above(_names_of_group(group))
        return frozenset(found)

    def direct(self, group: Group) -> tuple[Sequence[Group], Sequence[str]]:
        """Give the groups that a group lists itself, and the names in it that nobody has."""
        inner = [self._groups[self._inner[name]] for name in group.members if name in self._inner]
        strange = [name for name in group.members if name not in self._inner and self._one(name) is None]
        return sorted(inner, key=_order), sorted(strange)

    # --- inside

    def _only(self, keys: Iterable[str]) -> Group | None:
        found = tuple(keys)
        return self._groups[found[0]] if len(found) == 1 else None

    def _above(self, names: Iterable[str]) -> set[str]:
        """Give the keys of all groups that list one of these names, and of the groups that contain them."""
        found: set[str] = set()
        ahead = list(names)
        while ahead:
            for key in self._holders.get(ahead.pop(), ()):
                if key not in found:
                    found.add(key)
                    ahead += _names_of_group(self._groups[key])
        return found

    def _below(self, key: str) -> Iterator[Group]:
        """Give a group and all groups in it, each once."""
        seen = {key}
        ahead = [key]
        while ahead:
            group = self._groups.get(ahead.pop())
            if group is None:
                continue
            yield group
            inner = {self._inner[name] for name in group.members if name in self._inner} - seen
            seen |= inner
            ahead += inner

    def _people_of(self, group: Group) -> Iterator[Aor]:
        for name in group.members:
            person = self._one(name)
            if person is not None and person.enabled:
                yield person.aor

    def _manager(self, name: str) -> Person | None:
        return self._one(name) or self._people.person(kept_aor(name))

    def _one(self, name: str) -> Person | None:
        """Find the person with a name; a login of several people is nobody's."""
        aors = self._means.get(name, ())
        return self._people.person(next(iter(aors))) if len(aors) == 1 else None


def _order(group: Group) -> tuple[str, str]:
    return group.name.lower(), group.key


def meanings_of(text: str) -> tuple[str, ...]:
    """Give what a text may mean of `names_of` a group, what counts first at the beginning."""
    text = text.strip()
    return aor_of(text), _mail_name(text), place_of(text), text.lower()


def names_of(group: Group) -> set[str]:
    """Give what an operator or a setting may call a group; none of the four kinds looks like another."""
    names = (group.name.strip().lower(), str(group.aor), place_of(group.source), _mail_name(group.mail))
    return {name for name in names if name}


def _mail_name(mail: str) -> str:
    return f"mailto:{mail.lower()}" if mail else ""


def _names_of_group(group: Group) -> tuple[str, ...]:
    return (group.key, place_of(group.source)) if group.source else (group.key,)


def _names_of_person(person: Person) -> frozenset[str]:
    logins = (f"uid:{login.strip().lower()}" for login in person.logins)
    return frozenset(name for name in (person.key, place_of(person.source), *logins) if name)
