"""Whose policy is which, and when that changes."""

from typing import Any

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.facts import GroupsChanged, PersonChanged, PoliciesChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.policies import FIELDS, Policies, why
from lyncpy.workloads.directory.policy_settings import NamedPolicy, PoliciesSettings
from tests.kit.directory import Facts, person
from tests.kit.holdings import held
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressMeanings

ALICE, BOB, CAROL = (person(name) for name in ("alice", "bob", "carol"))
BOARD = Group("b", "Board", Aor("sip:board@example.com"), frozenset({BOB.key}), "cn=board")
ALL = Group("a", "All", Aor(""), frozenset({"b", CAROL.key}), "cn=all")


def settings(**section: Any) -> PoliciesSettings:
    """Read a section as the file has it."""
    return PoliciesSettings.model_validate(section)


class Desk:
    """Policies over Alice, Bob of the board, and Carol, who is with the board in All."""

    def __init__(self, **section: Any) -> None:
        people = People()
        self.groups = Groups(people)
        for one in (ALICE, BOB, CAROL):
            people.put_person(one)
            self.groups.know(one)
        for group in (BOARD, ALL):
            self.groups.put_group(group)
        self.people = people
        self.facts = Facts()
        self.policies = Policies(
            settings(**section),
            people,
            self.groups,
            self.facts,
            AddressMeanings(),
            people.owners,
            MemoryStore(lambda: 0.0),
        )

    def of(self, *aors: Aor) -> list[str]:
        """Give the names of policies."""
        return [self.policies.policy_of(aor).name for aor in aors]

    @property
    def told(self) -> int:
        """Count what was told, and forget it."""
        count = sum(isinstance(fact, PoliciesChanged) for fact in self.facts.told)
        self.facts.clear()
        return count


def test_without_tables_everybody_has_the_defaults() -> None:
    """Those of the section, and of the code where it says nothing."""
    assert Desk().policies.policy_of(ALICE.aor) == Policy()
    assert Desk(meeting_size=12).policies.policy_of(ALICE.aor) == Policy(meeting_size=12)


def test_the_section_has_all_that_a_policy_decides() -> None:
    """A field that is added to policies can be set, for all and for some, and has the same default."""
    assert set(PoliciesSettings.model_fields) == set(FIELDS)
    assert set(NamedPolicy.model_fields) == {*FIELDS, "members"}
    assert all(field.default == getattr(Policy(), name) for name, field in PoliciesSettings.model_fields.items())


def test_the_first_table_that_names_a_user_is_his() -> None:
    """By address or by a group, also one within a group; what it leaves out is as in the section."""
    desk = Desk(
        meeting_size=9,
        first={"members": ["ALICE@example.com", "board@example.com"], "privacy_mode": True},
        second={"members": "all", "meeting_size": 5},
    )
    assert desk.of(ALICE.aor, BOB.aor, CAROL.aor) == ["first", "first", "second"]
    assert desk.policies.policy_of(BOB.aor) == Policy(name="first", privacy_mode=True, meeting_size=9)
    assert desk.policies.policy_of(CAROL.aor).meeting_size == 5
    assert [policy.name for policy in desk.policies.all_policies()] == ["first", "second", "default"]


def test_a_stranger_has_the_default_and_is_not_remembered() -> None:
    """Names from outside do not fill the memory, and no address that is not somebody's gets a policy."""
    desk = Desk(first={"members": ["zed@example.com"], "privacy_mode": True})
    assert desk.of(Aor("sip:yan@example.com")) == ["default"]
    before = held(desk.policies)
    assert desk.of(Aor("sip:zed@example.com")) == ["default"]
    assert held(desk.policies) == before
    assert [member.is_unknown for member in desk.policies.members("first")] == [True]


def test_a_policy_says_why_it_is_somebodys() -> None:
    """An operator reads the table and the entry that it came by."""
    desk = Desk(first={"members": ["alice@example.com", "Board"]})
    reasons = [why(desk.policies.chosen(one.aor)) for one in (ALICE, BOB, CAROL)]
    assert reasons == [
        "[policies.first] names alice@example.com",
        '[policies.first] names the group "Board", which they are in',
        "no policy names them, so they have the default",
    ]


def test_other_policies_count_at_once_and_are_told() -> None:
    """`reload` changes them; one that changes nothing is not told."""
    desk = Desk(first={"members": ["Board"]})
    assert desk.of(BOB.aor) == ["first"]
    assert not desk.policies.adopt(settings(first={"members": ["Board"]}))
    assert desk.told == 0
    assert desk.policies.adopt(settings(second={"members": ["Board"], "privacy_mode": True}))
    assert desk.policies.policy_of(BOB.aor) == Policy(name="second", privacy_mode=True)
    assert desk.told == 1


def test_who_comes_into_a_group_has_its_policy() -> None:
    """Told when a group that a policy names has changed, or one within it; not for others."""
    desk = Desk(first={"members": ["All"]})
    assert desk.of(ALICE.aor, BOB.aor) == ["default", "first"]
    desk.groups.put_group(Group("b", "Board", Aor(""), frozenset({ALICE.key}), "cn=board"))
    desk.policies.groups_changed(GroupsChanged(desk.groups.around(["b"])))
    assert desk.of(ALICE.aor, BOB.aor) == ["first", "default"]
    assert desk.told == 1
    desk.policies.groups_changed(GroupsChanged(frozenset({"other"})))
    assert desk.told == 0


@pytest.mark.parametrize("name", ["Board", "Elders"])
def test_a_group_that_is_gone_or_comes_under_a_name_changes_policies(name: str) -> None:
    """Names are looked up anew whenever groups change."""
    desk = Desk(first={"members": [name]})
    desk.of(BOB.aor)
    desk.groups.drop("b")
    desk.groups.put_group(Group("e", "Elders", Aor(""), frozenset({ALICE.key}), "cn=elders"))
    desk.policies.groups_changed(GroupsChanged(frozenset({"b", "e"})))
    assert desk.of(ALICE.aor, BOB.aor) == [("first" if name == "Elders" else "default"), "default"]
    assert desk.told == 1


def test_a_person_whom_groups_know_by_another_name_is_looked_at_again() -> None:
    """It is told only where his policy is another."""
    desk = Desk(first={"members": ["Board"]})
    desk.of(BOB.aor)
    desk.policies.person_changed(PersonChanged.from_person(BOB))
    assert desk.told == 0
    moved = person("bob", key="other")
    desk.people.put_person(moved)
    desk.groups.know(moved)
    desk.policies.person_changed(PersonChanged.from_person(moved))
    assert desk.of(BOB.aor) == ["default"]
    assert desk.told == 1


def test_a_table_of_defaults_is_refused() -> None:
    """There is one place for them."""
    with pytest.raises(ValueError, match=r"defaults stand in \[policies\] itself"):
        settings(default={"members": []})


def test_rules_for_clients_are_read_with_the_settings() -> None:
    """Those of a table replace those of the section; a mistake is found at the start."""
    desk = Desk(clients="block OC < 4", board={"members": ["Board"], "clients": ["  allow * "]})
    assert desk.policies.policy_of(ALICE.aor).clients == ("block OC < 4",)
    assert desk.policies.policy_of(BOB.aor).clients == ("allow *",)
    with pytest.raises(ValueError, match="is no rule for clients"):
        settings(clients=["deny OC"])
    with pytest.raises(ValueError, match="at most 100"):
        settings(clients=["block OC"] * 101)
