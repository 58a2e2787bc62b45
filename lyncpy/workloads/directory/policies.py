"""IPolicies: which policy is whose, by the section [policies] and the groups of the directory."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import Group, IGroups, IPeople
from lyncpy.contracts.facts import GroupsChanged, PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.workloads.directory.policy_settings import PoliciesSettings

PLACE: Final = "policies"

FIELDS: Final = tuple(field.name for field in fields(Policy) if field.name != "name")
"""What a policy decides."""


@dataclass(frozen=True, slots=True)
class PolicyMember:
    """One entry of a policy's `members`, with the person or group that it means now."""

    text: str
    aor: Aor | None = None
    group: Group | None = None

    @property
    def is_unknown(self) -> bool:
        """Tell whether the name fits no person and no group."""
        return self.aor is None and self.group is None


DEFAULT: Final = Policy().name
"""The policy of everybody whom no other names."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A person's policy, and why it is theirs."""

    policy: Policy
    member: PolicyMember | None = None
    """Through which they have it; None: no policy names them."""


@implementer(IPolicies)
class Policies:
    """The policy of each person, from memory; an answer is kept until the person, a group or the settings change.

    Args:
        settings: The section [policies].
        people, groups: Everybody.
        bus: Tells of changes.
        meanings: Whom addresses in the section mean.
    """

    log = Logger()

    def __init__(
        self,
        settings: PoliciesSettings,
        people: IPeople,
        groups: IGroups,
        bus: IBus,
        meanings: IMeanings,
    ) -> None:
        self._meanings = meanings
        self._settings = settings
        self._people = people
        self._groups = groups
        self._bus = bus
        self._policies = _policies(settings)
        self._texts: frozenset[Aor] | None = None
        self._chosen: dict[Aor, Policy] = {}
        self._members: dict[str, tuple[PolicyMember, ...]] = {}

    # --- IPolicies

    def policy_of(self, aor: Aor) -> Policy:
        """Give a user's policy; the default for who is not known."""
        known = self._chosen.get(aor)
        if known is None:
            known = self.chosen(aor).policy
            if self._people.person(aor) is not None:  # strangers' names must not fill the memory
                self._chosen[aor] = known
        return known

    # --- for the workload and for operators

    def all_policies(self) -> Sequence[Policy]:
        """Give the policies in their order; "default", which is of everybody else, comes last."""
        return tuple(self._policies.values())

    def chosen(self, aor: Aor) -> Chosen:
        """Choose a user's policy, and tell why: the first that names them or a group that they are in."""
        mine = {group.key for group in self._groups.groups_of(aor)}
        for name in self._settings.named:
            for member in self.members(name):
                if member.aor == aor or (member.group is not None and member.group.key in mine):
                    return Chosen(self._policies[name], member)
        return Chosen(self._policies[DEFAULT])

    def members(self, name: str) -> Sequence[PolicyMember]:
        """Give the people and groups that a policy names, as the directory stands now."""
        found = self._members.get(name)
        if found is None:
            named = self._settings.named.get(name)
            found = self._members[name] = tuple(map(self._member, named.members if named is not None else ()))
        return found

    def adopt(self, settings: PoliciesSettings) -> bool:
        """Put other policies in force; tell whether they differ."""
        if settings == self._settings:
            return False
        self._settings = settings
        self._policies = _policies(settings)
        self._texts = None
        self._meanings.only(PLACE, self._named())
        self._forget()
        self.note_meanings()
        self._bus.tell(PoliciesChanged())
        return True

    def groups_changed(self, fact: GroupsChanged) -> None:
        """Look up the members of the policies' groups anew; a name may mean another group than before."""
        before = {member.group.key for name in self._settings.named for member in self.members(name) if member.group}
        self._forget()
        now = {member.group.key for name in self._settings.named for member in self.members(name) if member.group}
        if (before | now) & fact.keys:
            self._bus.tell(PoliciesChanged())

    def person_changed(self, fact: PersonChanged) -> None:
        """Look whether a person's policy is still theirs: groups may know them by another name."""
        before = self._chosen.pop(fact.aor, None)
        self._members.clear()
        if fact.is_known and fact.aor in self._named():
            self.note_meanings()
        if before is not None and self.policy_of(fact.aor) != before:
            self._bus.tell(PoliciesChanged())

    def note_meanings(self) -> None:
        """Look up the people of all policies, so that they are noted while they have the addresses."""
        for name in self._settings.named:
            self.members(name)

    def _named(self) -> frozenset[Aor]:
        """Give the addresses that policies name."""
        if self._texts is None:
            named = self._settings.named.values()
            self._texts = frozenset(aor_of(text) for one in named for text in one.members)
        return self._texts

    def _forget(self) -> None:
        self._chosen.clear()
        self._members.clear()

    def _member(self, text: str) -> PolicyMember:
        aor = self._meanings.present_address(PLACE, aor_of(text))
        if aor is not None and self._people.person(aor) is not None:
            return PolicyMember(text, aor=aor)
        return PolicyMember(text, group=self._groups.named(text))


def why(chosen: Chosen) -> str:
    """Say why a policy is somebody's, in words for an operator."""
    member = chosen.member
    if member is None:
        return "no policy names them, so they have the default"
    section = f"[policies.{chosen.policy.name}]"
    if member.aor is not None:
        return f"{section} names {bare(member.aor)}"
    return f'{section} names the group "{member.text}", which they are in'


def _policies(settings: PoliciesSettings) -> dict[str, Policy]:
    """Give policies by name; what one leaves out is as in the section itself."""
    default = Policy(**{field: getattr(settings, field) for field in FIELDS})
    policies = {}
    for name, one in settings.named.items():
        given = {field: getattr(one, field) for field in FIELDS if getattr(one, field) is not None}
        policies[name] = Policy(**{**{field: getattr(default, field) for field in FIELDS}, **given, "name": name})
    return {**policies, default.name: default}
