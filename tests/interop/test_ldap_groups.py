"""Groups from a real OpenLDAP server and a real Active Directory: nested, changed, moved, removed."""

import itertools
from collections.abc import Iterator

import pytest

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_groups import GroupMapping
from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.contracts.facts import GroupsChanged
from lyncpy.contracts.names import Aor, aor_of
from tests.interop.test_active_directory import Branch
from tests.kit.directory import mapping_of
from tests.kit.office import Office, OpenOffice
from tests.kit.samba import Samba, reading
from tests.kit.slapd import SLAPD, SUFFIX, Slapd

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL = (aor_of(f"{name}@example.com") for name in ("alice", "bob", "carol"))

_numbers = itertools.count(1)


# --- OpenLDAP


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One server for this module; every test has a place of its own."""
    if not SLAPD.exists():
        pytest.skip("slapd is not installed")
    with Slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


class Place:
    """A part of the tree with people and groups, and pulls over it."""

    def __init__(self, slapd: Slapd, opened: OpenOffice) -> None:
        self.slapd = slapd
        self.top = f"ou=place {next(_numbers)},{SUFFIX}"
        self.people, self.groups = f"ou=people,{self.top}", f"ou=groups,{self.top}"
        for dn in (self.top, self.people, self.groups):
            slapd.do("add", dn, attributes={"objectClass": "organizationalUnit"})
        for uid in ("alice", "bob", "carol"):
            slapd.add(uid, ou=self.people)
        self._opened = opened
        self.office = self.reads()

    def reads(self, **settings: object) -> Office:
        """Give pulls with other settings."""
        return self._opened(self.slapd, **{"bases": [self.people], "group_bases": [self.groups], **settings})

    def group(self, name: str, *members: str, kind: str = "groupOfNames", **attributes: object) -> str:
        """Add a group and give its DN; members are logins, or DNs."""
        dn = f"cn={name},{self.groups}"
        each = [one if "=" in one else f"uid={one},{self.people}" for one in members]
        named: dict[str, object] = {
            "groupOfNames": {"member": each},
            "groupOfUniqueNames": {"uniqueMember": each},
            "posixGroup": {"memberUid": list(members), "gidNumber": "7"},
        }[kind]  # type: ignore[assignment]  # a table of tables
        self.slapd.do("add", dn, attributes={"objectClass": kind, **named, **attributes})
        return dn

    def members(self, name: str) -> list[Aor]:
        """Give who is in a group, as the server knows it."""
        return members(self.office, name)


def members(office: Office, name: str) -> list[Aor]:
    """Give who is in a group, by its name; nobody when it is not known."""
    group = office.groups.named(name)
    return [] if group is None else list(office.groups.members(group.key, 100))


@pytest.fixture
def place(slapd: Slapd, opened: OpenOffice) -> Place:
    """Give a place of the test's own."""
    return Place(slapd, opened)


def test_groups_of_all_kinds_and_groups_in_groups_are_known(place: Place) -> None:
    """By DN, by unique name, by login; in circles too; with their address."""
    inner = place.group("inner", "alice", kind="groupOfUniqueNames")
    mailed = ["groupOfNames", "extensibleObject"]
    outer = place.group("outer", inner, "bob", objectClass=mailed, mail="Outer@elsewhere.test")
    place.slapd.modify(inner, uniqueMember=[f"uid=alice,{place.people}", outer])
    place.group("unix", "carol", "stranger", kind="posixGroup", description="no mail")
    place.office.pull()
    assert place.members("outer") == place.members("inner") == [ALICE, BOB]
    assert place.members("unix") == [CAROL]
    assert [group.name for group in place.office.groups.groups_of(ALICE)] == ["inner", "outer"]
    mailbox = place.office.groups.by_mail("outer@elsewhere.test")
    assert mailbox is not None
    people, groups = place.office.groups.listed(mailbox)
    assert ([one.aor for one in people], [one.name for one in groups]) == ([BOB], ["inner"])


def test_who_joins_and_leaves_is_known_with_the_next_pull(place: Place) -> None:
    """Only the changed group is read; it is told with those that hold it."""
    inner = place.group("inner", "alice")
    place.group("outer", inner)
    place.group("else", "carol")
    place.office.pull()
    place.office.facts.clear()
    place.slapd.modify(inner, member=[f"uid=bob,{place.people}", f"uid=carol,{place.people}"])
    outcome = place.office.pull()
    assert not outcome.complete
    assert [group.name for group in outcome.groups.changed] == ["inner"]
    assert place.members("outer") == [BOB, CAROL]
    (fact,) = [fact for fact in place.office.facts.told if isinstance(fact, GroupsChanged)]
    assert len(fact.keys) == 2


def test_a_removed_group_is_gone_with_the_next_pull(place: Place) -> None:
    """Without reading the others again."""
    for name in ("a", "b", "c", "d", "e"):
        dn = place.group(name, "alice")
    place.office.pull()
    place.slapd.delete(dn)
    outcome = place.office.pull()
    assert (outcome.complete, [group.name for group in outcome.groups.removed]) == (False, ["e"])


def test_whose_entry_is_renamed_stays_in_his_groups(place: Place) -> None:
    """OpenLDAP leaves the old name in the group; the directory's word counts until an administrator corrects it."""
    dn = place.group("team", "alice", "bob")
    place.office.pull()
    place.slapd.rename(f"uid=alice,{place.people}", "uid=alicia")
    assert place.office.pull().complete
    assert place.members("team") == [BOB]
    place.slapd.modify(dn, member=[f"uid=alicia,{place.people}", f"uid=bob,{place.people}"])
    place.office.pull()
    assert place.members("team") == [ALICE, BOB]


def test_people_whose_folder_was_moved_are_found_again(place: Place) -> None:
    """No entry of theirs shows it; their places are compared."""
    place.slapd.do("add", f"ou=new,{place.top}", attributes={"objectClass": "organizationalUnit"})
    office = place.reads(bases=[place.top])
    dn = place.group("team", "alice")
    office.pull()
    place.slapd.rename(place.people, "ou=people", under=f"ou=new,{place.top}")
    place.slapd.modify(dn, member=[f"uid=alice,ou=people,ou=new,{place.top}"])
    assert office.pull().complete
    assert members(office, "team") == [ALICE]


def test_a_group_that_was_moved_in_is_found(place: Place) -> None:
    """Its own mark is old; the groups are counted."""
    dn = place.group("team", "alice")
    place.slapd.rename(dn, "cn=team", under=place.people)
    place.office.pull()
    place.slapd.rename(f"cn=team,{place.people}", "cn=team", under=place.groups)
    place.office.pull()
    assert place.members("team") == [ALICE]


def test_groups_are_chosen_by_filters_or_not_read(place: Place) -> None:
    """A filter narrows them; none at all means none."""
    place.group("yes", "alice")
    place.group("no", "alice")
    office = place.reads(group_filters="(cn=y*)")
    office.pull()
    assert [group.name for group in office.groups.all_groups()] == ["yes"]
    office = place.reads(group_filters=[])
    office.pull()
    assert office.groups.all_groups() == ()


def test_too_many_groups_are_told_and_too_large_ones_left_out(place: Place) -> None:
    """Both sentences name their setting."""
    place.group("big", "alice", "bob", "carol")
    place.group("small", "alice")
    assert "groups_max" in place.reads(groups_max=1).trouble()
    office = place.reads(group_members_max=2)
    outcome = office.pull()
    assert [one.reason for one in outcome.changes.skipped] == [
        "the group has more than 2 members ([directory] group_members_max)"
    ]
    assert [group.name for group in office.groups.all_groups()] == ["small"]
    assert not office.pull().complete


# --- Active Directory


def ad_group(branch: Branch, name: str, *members: str) -> str:
    """Add a group to a branch; give its DN."""
    dn = f"CN={name},{branch.dn}"
    attributes = {"objectClass": "group", "sAMAccountName": f"{name}{branch.number}", "member": list(members)}
    branch.samba.do("add", dn, attributes=attributes)
    return dn


def test_groups_of_active_directory_are_followed(samba: Samba, opened: OpenOffice) -> None:
    """Nested, changed by its numbers, with people who are moved: Active Directory renames them in their groups."""
    branch = Branch(samba, 1)
    office = opened(samba, **reading(samba, bases=[branch.dn]))
    inner = ad_group(branch, "Inner", branch.alice)
    ad_group(branch, "Outer", inner, branch.bob)
    office.pull()
    assert members(office, "Outer") == [ALICE, BOB]

    samba.modify(inner, member=[branch.alice, branch.carol])
    outcome = office.pull()
    assert not outcome.complete
    assert [group.name for group in outcome.groups.changed] == ["Inner"]
    assert members(office, "Outer") == [ALICE, BOB, CAROL]

    samba.add_ou(f"OU=Elsewhere,{branch.dn}")
    samba.rename(branch.alice, "CN=Alicia", under=f"OU=Elsewhere,{branch.dn}")
    office.pull()
    assert members(office, "Inner") == [ALICE, CAROL]

    samba.rename(f"OU=Elsewhere,{branch.dn}", "OU=Nowhere")
    office.pull()
    assert members(office, "Inner") == [ALICE, CAROL]

    samba.delete(inner)
    assert [group.name for group in office.pull().groups.removed] == ["Inner"]
    assert members(office, "Outer") == [BOB]


def test_a_renamed_group_of_active_directory_stays_in_the_groups_that_hold_it(samba: Samba, opened: OpenOffice) -> None:
    """It is called by its new name there, though those groups count as unchanged; so with the folder it stands in."""
    branch = Branch(samba, 2)
    office = opened(samba, **reading(samba, bases=[branch.dn]))
    folder = samba.add_ou(f"OU=Teams,{branch.dn}")
    inner = f"CN=Inner,{folder}"
    samba.do("add", inner, attributes={"objectClass": "group", "sAMAccountName": "Inner2", "member": [branch.alice]})
    middle = ad_group(branch, "Middle", inner)
    ad_group(branch, "Outer", middle, branch.bob)
    office.pull()
    assert members(office, "Outer") == [ALICE, BOB]

    samba.rename(inner, r"CN=Inner\, renamed")
    office.pull()
    assert members(office, "Outer") == [ALICE, BOB]

    samba.rename(folder, "OU=Crews")
    office.pull()
    assert members(office, "Outer") == [ALICE, BOB]

    samba.rename(middle, "CN=Centre")
    office.pull()
    assert members(office, "Outer") == [ALICE, BOB]
    assert not office.pull().complete


def test_members_that_active_directory_gives_in_pieces_are_all_known(samba: Samba, opened: OpenOffice) -> None:
    """Windows gives no more than 1,500 at once, unasked; Samba gives pieces that are asked for, in the same words."""
    ou = Branch(samba, 3).dn
    samba.load((f"crowd{n}" for n in range(160)), ou)
    each = [f"CN=crowd{n},{ou}" for n in range(160)]
    samba.do("add", f"CN=All,{ou}", attributes={"objectClass": "group", "sAMAccountName": "All", "member": each})
    office = opened(samba, **reading(samba, bases=[ou]))
    office.pull()
    (group,) = office.groups.all_groups()
    assert len(office.groups.members(group.key, 2_000)) == 160

    asked: list[str] = []
    with LdapConnection(office.directory.access()) as link:

        def more(dn: str, name: str) -> Raw:
            asked.append(name)
            # A piece that says where it ends, as Windows' do; the last one is what is left.
            return link.entry(dn, (name if len(asked) == 3 else name.replace("*", str(50 * len(asked) + 49)),))

        raw = {**link.entry(group.source, ("cn", "objectGUID")), **link.entry(group.source, ("member;range=0-49",))}
        read = GroupMapping(mapping_of("activedirectory"), 5_000).group(raw, group.source, more)
    assert asked == ["member;range=50-*", "member;range=100-*", "member;range=150-*"]
    assert read.members == group.members
