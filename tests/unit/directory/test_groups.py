"""Groups of the directory: who is in them, however they hold one another."""

from dataclasses import replace

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from tests.kit.directory import person
from tests.kit.holdings import held

ALICE, BOB, CAROL = (person(name, logins=(name, f"corp-{name}")) for name in ("alice", "bob", "carol"))
DAVE = person("dave", enabled=False)
ERIN = person("erin", hidden=True)
FRANK = person("frank", enabled=False, is_contact=True)


def group(name: str, *members: str, aor: str = "") -> Group:
    """Give a group at cn=NAME,dc=x."""
    return Group(f"key-{name}", name, Aor(aor), frozenset(members), f"CN={name}, DC=x")


def table(*groups: Group) -> Groups:
    """Give a table of groups, with Alice, Bob, Carol, Dave who is disabled, Erin who is hidden and Frank who has no account."""
    people = People()
    found = Groups(people)
    for one in (ALICE, BOB, CAROL, DAVE, ERIN, FRANK):
        people.put_person(one)
        found.know(one)
    for each in groups:
        found.put_group(each)
    return found


def names(groups: object) -> list[str]:
    """Give the names of groups."""
    return [one.name for one in groups]  # type: ignore[attr-defined]  # whichever sequence


def test_members_are_found_by_key_place_and_login() -> None:
    """However the directory names them."""
    found = table(group("g", ALICE.key, "uid=bob", "uid:corp-carol"))
    assert found.members("key-g", 10) == [ALICE.aor, BOB.aor, CAROL.aor]


def test_who_is_disabled_or_unknown_is_left_out() -> None:
    """Nobody invites them."""
    assert table(group("g", DAVE.key, "uid=stranger", ALICE.key)).members("key-g", 10) == [ALICE.aor]


def test_groups_in_groups_count_in_circles_too() -> None:
    """Each person once, and the search ends."""
    found = table(group("a", "cn=b,dc=x", ALICE.key), group("b", "key-c", ALICE.key, BOB.key), group("c", "key-a"))
    for key in ("key-a", "key-b", "key-c"):
        assert found.members(key, 10) == [ALICE.aor, BOB.aor]
    assert names(found.groups_of(BOB.aor)) == ["a", "b", "c"]
    assert found.groups_of(CAROL.aor) == []


def test_no_more_members_are_given_than_asked_for() -> None:
    """Whoever asks for one more than he can bear knows that there are too many."""
    assert len(table(group("g", ALICE.key, BOB.key, CAROL.key)).members("key-g", 2)) == 2


def test_an_unknown_group_has_nobody() -> None:
    """It may have been removed a moment ago."""
    assert table().members("key-g", 10) == []
    assert table().group("key-g") is None


def test_a_login_that_two_have_means_nobody() -> None:
    """A right is not given to whoever comes first."""
    found = table(group("g", "uid:x"))
    for one in (ALICE, BOB):
        found.know(person(one.aor[4:].partition("@")[0], logins=("x",)))
    assert found.members("key-g", 10) == []


def test_who_is_forgotten_is_in_no_group_and_may_come_back() -> None:
    """People come and go without their groups being read again."""
    found = table(group("g", ALICE.key))
    found.remove_person(ALICE.aor)
    assert (found.members("key-g", 10), found.groups_of(ALICE.aor)) == ([], [])
    found.know(ALICE)
    assert names(found.groups_of(ALICE.aor)) == ["g"]


@pytest.mark.parametrize("text", ["Choir", "choir ", "choir@example.com", "SIP:Choir@example.com", "cn=choir,dc=x"])
def test_a_group_is_found_by_what_people_call_it(text: str) -> None:
    """Name, address or DN, letters of either case."""
    found = table(group("Choir", aor="sip:choir@example.com")).named(text)
    assert found is not None
    assert found.key == "key-Choir"


def test_a_name_that_two_groups_have_means_neither() -> None:
    """Their DNs do."""
    one, other = group("a"), Group("other", "A", Aor(""), frozenset(), "cn=a,ou=y")
    found = table(one, other)
    assert found.named("a") is None
    assert found.named("CN=A,OU=Y") == other
    assert found.named("nothing") is None


def test_a_group_is_found_by_its_address() -> None:
    """As an invitation names it."""
    choir = group("Choir", aor="sip:choir@example.com")
    assert table(choir).by_address(choir.aor) == choir
    assert table(choir).by_address(ALICE.aor) is None


@pytest.mark.parametrize("text", ["Choir@example.org", "choir@EXAMPLE.org", "sing@example.com", "Sing@Example.com"])
def test_a_group_is_found_by_its_mail_address(text: str) -> None:
    """Or by the one that it is invited under, which is most groups' mail address too."""
    choir = replace(group("Choir", aor="sip:sing@example.com"), mail="choir@example.org")
    assert table(choir).by_mail(text) == choir
    assert table(choir).named(text) == choir


def test_a_mail_address_of_several_groups_is_none_s() -> None:
    """Nor is one that nobody has."""
    found = table(*(replace(group(name), mail="both@example.org") for name in ("a", "b")))
    assert found.by_mail("both@example.org") is None
    assert found.by_mail("nothing@example.org") is None
    assert found.by_mail("") is None


def test_whom_somebody_reports_to_is_known_in_both_directions() -> None:
    """By the place of the manager's entry, or by the address; a stranger is nobody, and a name that two have means neither."""
    found = table()
    for name, manager in (("bob", place_of(ALICE.source)), ("carol", ALICE.aor), ("dave", "cn=gone,dc=x")):
        found.know(replace(person(name), manager=manager))
    bob, dave = replace(BOB, manager=place_of(ALICE.source)), replace(DAVE, manager="cn=gone,dc=x")
    assert found.manager(bob) == ALICE
    assert found.manager(dave) is found.manager(ALICE) is None
    assert found.reports(ALICE) == [BOB.aor, CAROL.aor]
    found.know(CAROL)
    assert found.reports(ALICE) == [BOB.aor]
    found.know(replace(CAROL, source=ALICE.source))
    assert (found.manager(bob), found.reports(ALICE)) == (None, [])


def test_what_is_dropped_leaves_nothing_behind() -> None:
    """The indexes are as large as what they index."""
    found = table(
        replace(group("a", "key-b", ALICE.key, aor="sip:a@example.com"), mail="a@example.org"), group("b", BOB.key)
    )
    found.put_group(group("a", CAROL.key))
    found.know(replace(BOB, manager=ALICE.aor))
    assert found.by_address(Aor("sip:a@example.com")) is None
    assert names(found.groups_of(ALICE.aor)) == []
    for key in ("key-a", "key-b", "key-b"):
        found.drop(key)
    for one in (ALICE, BOB, CAROL, DAVE, ERIN, FRANK):
        found.remove_person(one.aor)
    assert held(found) == {}
    assert (len(found), found.all_groups()) == (0, ())


def test_groups_around_a_group_are_those_that_hold_it() -> None:
    """What changes in a group changes in them."""
    found = table(group("a", "key-b"), group("b", "key-c"), group("c"), group("d"))
    assert found.around(["key-c"]) == {"key-a", "key-b", "key-c"}
    assert found.around(["gone"]) == {"gone"}


def test_what_a_group_names_itself_is_told() -> None:
    """An operator sees the groups in it, and names that mean nobody here."""
    found = table(group("a", "key-b", ALICE.key, "uid=stranger"), group("b"))
    inner, strange = found.direct(found.table()["key-a"])
    assert (names(inner), strange) == (["b"], ["uid=stranger"])


def test_of_a_group_users_are_told_what_it_names_itself() -> None:
    """Whom and what they may find, by name; who is named twice is told once, and what is in a group within it is not."""
    found = table(
        group("a", "cn=c,dc=x", "key-b", "key-b", "key-h", "uid=stranger", "uid=bob", BOB.key, ALICE.key),
        group("b", CAROL.key, "key-a"),
        group("c"),
        replace(group("h"), hidden=True),
        group("d", DAVE.key, ERIN.key, FRANK.key),
    )
    people, groups = found.listed(found.table()["key-a"])
    assert ([one.aor for one in people], names(groups)) == ([ALICE.aor, BOB.aor], ["b", "c"])
    people, groups = found.listed(found.table()["key-d"])
    assert ([one.aor for one in people], names(groups)) == ([FRANK.aor], [])
