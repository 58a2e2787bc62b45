"""What the directory puts into contact lists, by settings."""

from typing import Any

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.workloads.contacts.generated_groups import GeneratedGroups
from lyncpy.workloads.contacts.settings import Settings
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from tests.kit.directory import person
from tests.kit.holdings import held

ALICE, BOB = person("alice", department="Research"), person("bob", department=" research ")
CAROL, DAVE = person("carol", department="Sales"), person("dave", department="Sales", enabled=False)
ERIN = person("erin")


class Office:
    """Shelves over a few people; changes are told as the directory tells them."""

    def __init__(self, *groups: Group, **settings: Any) -> None:
        self.people = People()
        self.groups = Groups(self.people)
        for one in (ALICE, BOB, CAROL, DAVE, ERIN):
            self.people.put_person(one)
            self.groups.know(one)
        for group in groups:
            self.groups.put_group(group)
        self.generated_groups = GeneratedGroups(self.people, self.groups, Settings(**settings))
        self.generated_groups.load()

    def changes(self, user: str, **facts: Any) -> None:
        """Put somebody in the place of their former self."""
        new = person(user, **facts)
        self.people.put_person(new)
        self.groups.know(new)
        self.generated_groups.person_changed(new.aor)

    def loses(self, aor: Aor) -> None:
        """Remove somebody."""
        self.people.drop(aor)
        self.groups.remove_person(aor)
        self.generated_groups.person_changed(aor)

    def regroups(self, group: Group) -> None:
        """Change a group."""
        self.groups.put_group(group)
        self.generated_groups.groups_changed(self.groups.around([group.key]))

    def of(self, aor: Aor) -> dict[str, list[str]]:
        """Give a user's groups: who is in which."""
        return {
            one.name: sorted(aor[4:].partition("@")[0] for aor in one.members)
            for one in self.generated_groups.wanted(aor)
        }


def group(key: str, *users: str, **facts: Any) -> Group:
    """Give a group of users."""
    return Group(**{"key": key, "name": key, "members": frozenset(f"key-{user}" for user in users), **facts})


def test_nothing_is_made_without_settings() -> None:
    """An administrator asks for it."""
    assert Office(group("Team", "alice", "bob")).of(ALICE.aor) == {}


def test_people_of_one_department_have_one_another() -> None:
    """However it is written; who is alone, disabled, in no department or unknown has no group."""
    office = Office(department_group=True)
    assert office.of(ALICE.aor) == office.of(BOB.aor) == {"Research": ["alice", "bob"]}
    assert office.generated_groups.wanted(ALICE.aor)[0] is office.generated_groups.wanted(BOB.aor)[0]
    for aor in (CAROL.aor, DAVE.aor, ERIN.aor, Aor("sip:zed@example.com")):
        assert office.of(aor) == {}


def test_a_department_follows_its_people() -> None:
    """Who moves, is disabled, enabled, renamed or removed."""
    office = Office(department_group=True)
    office.of(ALICE.aor)
    office.changes("bob", department="Sales")
    assert (office.of(ALICE.aor), office.of(CAROL.aor)) == ({}, {"Sales": ["bob", "carol"]})
    office.changes("dave", department="Sales")
    assert office.of(BOB.aor) == {"Sales": ["bob", "carol", "dave"]}
    office.changes("dave", department="Sales", enabled=False)
    office.loses(BOB.aor)
    assert office.of(CAROL.aor) == {}
    straight = Office(department_group=True)
    straight.changes("dave", department="Sales", enabled=False)
    straight.loses(BOB.aor)
    assert (straight.of(ALICE.aor), straight.of(CAROL.aor)) == ({}, {})
    assert held(office.generated_groups) == held(straight.generated_groups)


def test_members_have_the_groups_that_are_named() -> None:
    """By name, pattern, address or DN, also through a group within a group; nobody else has them."""
    groups = (
        group("Project X", "alice", "bob"),
        group("Project Y", "carol", members=frozenset({"Project X", "key-carol"})),
        group("Mail", "bob", "erin", aor=Aor("sip:list@example.com")),
        group("Place", "bob", "erin", source="CN=Place, OU=x"),
        group("Other", "alice", "bob"),
    )
    office = Office(*groups, directory_groups=["project *", "list@example.com", "cn=place,ou=x"])
    assert office.of(ALICE.aor) == {"Project X": ["alice", "bob"], "Project Y": ["alice", "bob", "carol"]}
    assert list(office.of(BOB.aor)) == ["Mail", "Place", "Project X", "Project Y"]
    assert list(office.of(CAROL.aor)) == ["Project Y"]


def test_groups_for_all_are_everybodys() -> None:
    """First, and once, also for who is in them."""
    office = Office(
        group("Help Desk", "erin", "bob"),
        group("A", "bob", "alice"),
        directory_groups_for_all="help desk",
        directory_groups="*",
    )
    assert list(office.of(CAROL.aor)) == ["Help Desk"]
    assert list(office.of(BOB.aor)) == ["Help Desk", "A"]


def test_groups_follow_the_directory() -> None:
    """Members come and go, groups are renamed and removed, and a name comes to be meant."""
    office = Office(group("Team", "alice", "bob"), directory_groups="Team")
    office.of(ALICE.aor)
    office.regroups(group("Team", "alice", "erin"))
    assert office.of(ALICE.aor) == {"Team": ["alice", "erin"]}
    office.changes("erin", enabled=False)
    assert office.of(ALICE.aor) == {}
    office.changes("erin")
    assert office.of(ALICE.aor) == {"Team": ["alice", "erin"]}
    office.loses(ERIN.aor)
    assert office.of(ALICE.aor) == {}
    office.regroups(group("Team", "alice", "bob", name="Crew"))
    assert office.of(ALICE.aor) == {}
    office.regroups(group("New", "alice", "bob", name="team"))
    assert office.of(ALICE.aor) == {"team": ["alice", "bob"]}
    office.groups.drop("New")
    office.generated_groups.groups_changed(["New"])
    assert office.of(ALICE.aor) == {}


def test_too_many_and_too_large_groups_are_left_out_and_named() -> None:
    """The department first; what is left out can be told."""
    groups = [group(name, "alice", "bob") for name in ("A", "B", "C")]
    office = Office(
        *groups,
        group("Big", "alice", "bob", "carol", "erin"),
        department_group=True,
        directory_groups="*",
        generated_groups=3,
        generated_members=2,
    )
    assert list(office.of(ALICE.aor)) == ["Research", "A", "B"]
    assert office.generated_groups.left_out(ALICE.aor) == ["Big", "C"]


def test_names_are_such_that_clients_can_show_them() -> None:
    """One that begins with ~ would be shown as "Other Contacts"; one without letters would be none."""
    office = Office(group("~ Pilots", "alice", "bob"), group("~", "alice", "bob"), directory_groups="*")
    assert list(office.of(ALICE.aor)) == ["?", "Pilots"]


def test_the_directorys_name_of_somebody() -> None:
    """Empty for who is unknown."""
    office = Office()
    office.changes("erin", display_name="Erin E.")
    assert office.generated_groups.name_of(ERIN.aor) == "Erin E."
    assert office.generated_groups.name_of(Aor("sip:zed@example.com")) == ""
