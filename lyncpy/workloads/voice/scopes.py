"""Which of several tables of the section [voice] is a user's: their own, a group's, a policy's, or that of everybody else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import IGroups, IPeople
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.policy import IPolicies

DEFAULT: Final = "default"
"""The table of everybody whom no other names."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose a table is."""

    members: Sequence[str] = ()
    """Users by address, groups by name, address or DN."""

    policies: Sequence[str] = ()
    """Of [policies]."""


@dataclass(frozen=True, slots=True)
class ChosenTable:
    """A user's table."""

    name: str
    why: str
    """In words for an operator."""


class Scopes:
    """Chooses tables; from memory, and anew each time.

    Args:
        people, groups, policies: Everybody, and what is theirs.
        meanings: Whom addresses in the section mean.
        place: Under which these are noted.
    """

    def __init__(self, people: IPeople, groups: IGroups, policies: IPolicies, meanings: IMeanings, place: str) -> None:
        self._place = place
        self._people = people
        self._groups = groups
        self._policies = policies
        self._meanings = meanings

    def choose(self, scopes: Mapping[str, Scope], aor: Aor) -> ChosenTable:
        """Choose the table of a user, the most telling first; of several that name them in the same way the first."""
        return (
            self._by_person(scopes, aor)
            or self._by_group(scopes, aor)
            or self._by_policy(scopes, aor)
            or ChosenTable(DEFAULT, "no other names them")
        )

    def note(self, scopes: Mapping[str, Scope]) -> None:
        """Note whom the addresses of the section mean, while they have them."""
        named = {aor_of(text) for scope in scopes.values() for text in scope.members if "@" in text}
        self._meanings.only(self._place, named)
        for aor in named:
            self._meanings.present_address(self._place, aor)

    def unknown(self, scope: Scope) -> Sequence[str]:
        """Give the members who are nobody, and no group."""
        return [
            text
            for text in scope.members
            if self._people.person(aor_of(text)) is None and self._groups.named(text) is None
        ]

    def _by_person(self, scopes: Mapping[str, Scope], aor: Aor) -> ChosenTable | None:
        for name, scope in scopes.items():
            for text in scope.members:
                if "@" in text and self._meanings.present_address(self._place, aor_of(text)) == aor:
                    return ChosenTable(name, f"it names {bare(aor)}")
        return None

    def _by_group(self, scopes: Mapping[str, Scope], aor: Aor) -> ChosenTable | None:
        mine = {group.key for group in self._groups.groups_of(aor)}
        for name, scope in scopes.items():
            for text in scope.members:
                group = self._groups.named(text)
                if group is not None and group.key in mine:
                    return ChosenTable(name, f'it names the group "{group.name}", which they are in')
        return None

    def _by_policy(self, scopes: Mapping[str, Scope], aor: Aor) -> ChosenTable | None:
        policy = self._policies.policy_of(aor).name
        found = next((name for name, scope in scopes.items() if policy in scope.policies), None)
        return None if found is None else ChosenTable(found, f"it names the policy {policy}, which is theirs")
