"""IPolicies: which policy is whose, by the section [policies] and the groups of the directory."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import Group, IGroups, IPeople
from lyncpy.contracts.facts import GroupsChanged, PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import IMeanings, IOwners
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.store import IStore
from lyncpy.workloads.directory.policy_settings import PoliciesSettings
from lyncpy.workloads.directory.stored_policies import (
    EVERYBODY,
    StoredPolicies,
    Values,
    of_group,
    of_person,
    subject_of,
)

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
class ChosenPolicy:
    """A person's policy, and why it is theirs."""

    policy: Policy
    member: PolicyMember | None = None
    """Through which they have it; None: no policy names them."""


@dataclass(frozen=True, slots=True)
class PolicyLayer:
    """One place that may decide a value."""

    source: str
    """Where it is: "store" or "file"."""

    why: str
    """Why it counts for somebody, for an operator."""

    values: Values
    """What it decides."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A value of somebody's policy, and what decided it."""

    field: str
    value: Any  # Any: what the field has
    layer: PolicyLayer
    overruled: tuple[PolicyLayer, ...]
    """Others that say something of it and come later."""


@implementer(IPolicies)
class Policies:
    """The policy of each person, from memory; an answer is kept until the person, a group or the settings change.

    Args:
        settings: The section [policies].
        people, groups: Everybody.
        bus: Tells of changes.
        meanings: Whom addresses in the section mean.
        owners: Whose what is kept in the store is.
        store: Where policies are kept that were set in the shell.
    """

    log = Logger()

    def __init__(
        self,
        settings: PoliciesSettings,
        people: IPeople,
        groups: IGroups,
        bus: IBus,
        meanings: IMeanings,
        owners: IOwners,
        store: IStore,
    ) -> None:
        self._meanings = meanings
        self._owners = owners
        self.stored = StoredPolicies(store, self._renewed)
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
            known = self._policy(aor)
            if self._people.person(aor) is not None:  # strangers' names must not fill the memory
                self._chosen[aor] = known
        return known

    def _policy(self, aor: Aor) -> Policy:
        values = {one.field: one.value for one in self.explained(aor)}
        return Policy(**{**values, "clients": tuple(values["clients"])}, name=self.chosen(aor).policy.name)

    # --- for the workload and for operators

    def explained(self, aor: Aor) -> Sequence[Decided]:
        """Say of each value of a user's policy what decides it, and what else would."""
        layers = self._layers(aor)
        found = []
        for field in FIELDS:
            saying = [layer for layer in layers if field in layer.values]
            found.append(Decided(field, saying[0].values[field], saying[0], tuple(saying[1:])))
        return found

    def _layers(self, aor: Aor) -> Sequence[PolicyLayer]:
        """Give the places that may decide something for a user, those first that count first."""
        layers = [PolicyLayer("store", f"set for {bare(aor)}", self.stored.set_for(of_person(self._owners.owner(aor))))]
        layers += [
            PolicyLayer(
                "store",
                f'set for the group "{group.name}", which they are in',
                self.stored.set_for(of_group(group.key)),
            )
            for group in self._groups.groups_of(aor)
        ]
        chosen = self.chosen(aor)
        if chosen.member is not None:
            layers.append(PolicyLayer("file", why(chosen), _given(self._settings, chosen.policy.name)))
        layers.append(PolicyLayer("store", "set for everybody", self.stored.set_for(EVERYBODY)))
        usual = {field: getattr(self._settings, field) for field in FIELDS}
        said = {field: value for field, value in usual.items() if field in self._settings.model_fields_set}
        layers.append(PolicyLayer("file", "[policies] says so", said))
        layers.append(PolicyLayer("default", "nothing else is said", usual))
        return layers

    async def set_values(self, key: str, values: Values) -> None:
        """Keep what is set for a person, a group or everybody, and put it in force; durable when this returns."""
        await self.stored.write(key, values)
        self._chosen.clear()
        self._bus.tell(PoliciesChanged())

    def _renewed(self) -> None:
        """Put in force what another server has set; to all others that one tells it itself."""
        self._chosen.clear()
        self._bus.tell_here(PoliciesChanged())

    def all_policies(self) -> Sequence[Policy]:
        """Give the policies in their order; "default", which is of everybody else, comes last."""
        return tuple(self._policies.values())

    def chosen(self, aor: Aor) -> ChosenPolicy:
        """Choose a user's policy, and tell why: the first that names them or a group that they are in."""
        mine = {group.key for group in self._groups.groups_of(aor)}
        for name in self._settings.named:
            for member in self.members(name):
                if member.aor == aor or (member.group is not None and member.group.key in mine):
                    return ChosenPolicy(self._policies[name], member)
        return ChosenPolicy(self._policies[DEFAULT])

    def members(self, name: str) -> Sequence[PolicyMember]:
        """Give the people and groups that a policy names, as the directory stands now."""
        found = self._members.get(name)
        if found is None:
            named = self._settings.named.get(name)
            found = self._members[name] = tuple(map(self._member, named.members if named is not None else ()))
        return found

    def strange_members(self) -> Sequence[tuple[str, str]]:
        """Give whom the settings name and who is nobody: policy and text."""
        return [(name, one.text) for name in self._settings.named for one in self.members(name) if one.is_unknown]

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
        before = self._group_keys()
        self._forget()
        if (before | self._group_keys()) & fact.keys:
            self._bus.tell(PoliciesChanged())

    def _group_keys(self) -> set[str]:
        """Give the groups of which membership decides something."""
        named = {member.group.key for name in self._settings.named for member in self.members(name) if member.group}
        return named | {key for one in self.stored.everything() if (key := subject_of(one).group) is not None}

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


def why(chosen: ChosenPolicy) -> str:
    """Say why a policy is somebody's, in words for an operator."""
    member = chosen.member
    if member is None:
        return "no policy names them, so they have the default"
    section = f"[policies.{chosen.policy.name}]"
    if member.aor is not None:
        return f"{section} names {bare(member.aor)}"
    return f'{section} names the group "{member.text}", which they are in'


def _given(settings: PoliciesSettings, name: str) -> Values:
    """Give what a table of the settings says itself."""
    one = settings.named[name]
    return {field: value for field in FIELDS if (value := getattr(one, field)) is not None}


def _policies(settings: PoliciesSettings) -> dict[str, Policy]:
    """Give policies by name; what one leaves out is as in the section itself."""
    default = Policy(**{field: getattr(settings, field) for field in FIELDS})
    policies = {}
    for name, one in settings.named.items():
        given = {field: getattr(one, field) for field in FIELDS if getattr(one, field) is not None}
        policies[name] = Policy(**{**{field: getattr(default, field) for field in FIELDS}, **given, "name": name})
    return {**policies, default.name: default}
