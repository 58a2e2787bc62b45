"""The groups that the directory generates in contact lists: one for each department, and groups of the directory.

One `Generated` serves everybody who has it, and is made anew only when one of its members, or
the group, has changed: to find that nothing is new for a user, a few references are compared.
"""

import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lyncpy.contracts.directory import Group, IGroups, IPeople, Person
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor, bare
from lyncpy.core.set_index import remove_member
from lyncpy.sip.text import one_line
from lyncpy.workloads.contacts.model import (
    GROUP_ID_MAXIMUM,
    LAST_ID,
    ContactBook,
    ContactGroup,
    Delta,
    Generated,
    difference,
)
from lyncpy.workloads.contacts.settings import Settings

DEPARTMENT: Final = "department"
"""Key of the group of a user's department: one who moves keeps the group, with another name and other members."""

NAME_LONGEST: Final = 200
"""Characters of a group's name; no client shows more."""


class GeneratedGroups:
    """The generated groups of each user, computed by `load`. Bounded by the people and groups of the directory."""

    def __init__(self, people: IPeople, groups: IGroups, settings: Settings) -> None:
        self._people = people
        self._groups = groups
        self._settings = settings
        self._department_of: dict[Aor, str] = {}
        self._departments: dict[str, set[Aor]] = defaultdict(set)
        self._for_all: tuple[Group, ...] = ()
        self._for_members: dict[str, Group] = {}
        self._made: dict[str, Generated] = {}

    def load(self) -> None:
        """Read all people and groups of the directory."""
        for person in self._people.everybody():
            self._file(person.aor, person)
        self.groups_changed(group.key for group in self._groups.all_groups())

    # --- what is in a list

    def wanted(self, aor: Aor) -> tuple[Generated, ...]:
        """Give the groups that belong into a user's list, the most important first; none for a disabled user."""
        found = [one for one in self._all_of(aor) if self._fits(one, aor)]
        return tuple(found[: self._settings.generated_groups])

    def name_of(self, aor: Aor) -> str:
        """Give the display name that the directory has for an address; "" when it has none."""
        person = self._people.person(aor)
        return "" if person is None else person.display_name

    def left_out(self, aor: Aor) -> Sequence[str]:
        """Give the names of groups that are missing in a user's list because they are too large, or the list is full."""
        wanted = self.wanted(aor)
        return [one.name for one in self._all_of(aor) if one not in wanted and one.members - {aor}]

    def _all_of(self, aor: Aor) -> list[Generated]:
        person = self._people.person(aor)
        if person is None or not person.enabled:
            return []
        found = []
        department = self._department_of.get(aor)
        if self._settings.department_group and department is not None:
            found.append(self._department(department))
        found += [self._group(group) for group in self._for_all]
        if self._for_members:
            everywhere = {group.key for group in self._for_all}
            mine = (group.key for group in self._groups.groups_of(aor))
            found += [
                self._group(self._for_members[key])
                for key in mine
                if key in self._for_members and key not in everywhere
            ]
        return found

    def _fits(self, one: Generated, aor: Aor) -> bool:
        """Tell whether a group is neither too large nor empty for this user."""
        return len(one.members) <= self._settings.generated_members and one.members != {aor} and bool(one.members)

    # --- what changes

    def person_changed(self, aor: Aor) -> None:
        """Forget the groups with a person in them, and note the person's department."""
        self._file(aor, self._people.person(aor))
        around = {group.key for group in self._groups.groups_of(aor)}
        most = self._settings.generated_members
        # Of a group that is too large, not everybody is known.
        self._forget(
            key for key, one in self._made.items() if key in around or aor in one.members or len(one.members) > most
        )

    def groups_changed(self, keys: Iterable[str]) -> None:
        """Read groups again, and forget what was made of them."""
        everywhere = {group.key: group for group in self._for_all}
        names = self._settings.directory_groups, self._settings.directory_groups_for_all
        for key in keys:
            group = self._groups.group(key)
            for patterns, found in zip(names, (self._for_members, everywhere), strict=True):
                found.pop(key, None)
                if group is not None and _is_meant(group, patterns):
                    found[key] = group
            self._made.pop(key, None)
        self._for_all = tuple(sorted(everywhere.values(), key=lambda group: (group.name.lower(), group.key)))

    def _file(self, aor: Aor, person: Person | None) -> None:
        """Move a person to the group of their department."""
        department = _department_key(person)
        before = self._department_of.get(aor)
        self._forget(f"{DEPARTMENT}:{one}" for one in (before, department) if one is not None)
        if before is not None:
            remove_member(self._departments, before, aor)
            del self._department_of[aor]
        if department is not None:
            self._departments[department].add(aor)
            self._department_of[aor] = department

    def _forget(self, keys: Iterable[str]) -> None:
        for key in tuple(keys):
            self._made.pop(key, None)

    # --- making

    def _department(self, department: str) -> Generated:
        key = f"{DEPARTMENT}:{department}"
        made = self._made.get(key)
        if made is None:
            members = frozenset(self._departments[department])
            person = self._people.person(min(members))
            name = department if person is None else person.department
            made = self._made[key] = Generated(DEPARTMENT, _shown(name), members)
        return made

    def _group(self, group: Group) -> Generated:
        made = self._made.get(group.key)
        if made is None:
            members = self._groups.members(group.key, self._settings.generated_members + 1)
            made = self._made[group.key] = Generated(f"group:{group.key}", _shown(group.name), frozenset(members))
        return made


def _department_key(person: Person | None) -> str | None:
    """Give what all ways of writing a person's department have in common; None where they are in no group of one."""
    if person is None or not person.enabled:
        return None
    return " ".join(person.department.split()).lower() or None


def _is_meant(group: Group, patterns: Iterable[str]) -> bool:
    names = (group.name.lower(), bare(group.aor), place_of(group.source))
    return any(
        fnmatch.fnmatchcase(name, form)
        for one in patterns
        for form in (one.lower(), place_of(one))
        for name in names
        if name
    )


def _shown(name: str) -> str:
    """Give a group's name for a client: one that begins with `~` would be shown as "Other Contacts"."""
    return one_line(name).lstrip("~ ")[:NAME_LONGEST] or "?"


# --- their places in a list; pure


def place(book: ContactBook, wanted: Sequence[Generated]) -> ContactBook:
    """Put generated groups into a list, in place of those that are there.

    Each keeps the id that it had; a new one gets the highest free id, so that they and the
    user's own groups, which begin below, seldom meet. When there is none, it is left out.
    A group whose name the user has given to a group of their own gets a suffix: to a client, two
    groups of one name are one.
    """
    if not wanted and not book.generated:
        return book
    ids = dict(book.ids)
    taken = {group.name.casefold() for group in book.own.groups.values()}
    placed: dict[int, Generated] = {}
    for one in wanted:
        id_ = ids.get(one.key)
        if id_ is None or id_ in book.own.groups or id_ in placed:
            id_ = _free_high_id(book.own.groups, ids, {other.key for other in wanted})
            if id_ is None:
                continue
            ids = {key: known for key, known in ids.items() if known != id_ and key != one.key}
            ids[one.key] = id_
        name = _distinct(one.name, taken)
        taken.add(name.casefold())
        placed[id_] = one if name == one.name else replace(one, name=name)
    return replace(book, ids=ids, generated=placed)


def regenerated(before: ContactBook, after: ContactBook) -> Delta:
    """Give the delta by which devices change the generated groups of a list."""
    ids = before.generated.keys() | after.generated.keys()
    other = [id_ for id_ in ids if before.generated.get(id_) != after.generated.get(id_)]
    halves = [book.generated[id_].members for book in (before, after) for id_ in other if id_ in book.generated]
    return difference(before, after, frozenset[Aor]().union(*halves), other)


def _free_high_id(own: Mapping[int, ContactGroup], ids: Mapping[str, int], wanted: set[str]) -> int | None:
    """Choose an id for a generated group: a free one, else that of a group that is gone, the longest gone first."""
    kept = {*own, *ids.values()}
    free = (id_ for id_ in (*range(GROUP_ID_MAXIMUM, 0, -1), LAST_ID) if id_ not in kept)
    gone = (id_ for key, id_ in ids.items() if key not in wanted and id_ not in own)
    return next(free, None) or next(gone, None)


def _distinct(name: str, taken: set[str]) -> str:
    choices = (name, f"{name} (directory)", *(f"{name} ({number})" for number in range(2, LAST_ID + 3)))
    return next(choice for choice in choices if choice.casefold() not in taken)
