"""What the attributes of an LDAP group mean."""

import pytest

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_groups import GroupMapping
from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import Group
from tests.kit.directory import mapping_of

DN = "CN=Team,DC=x"


def read(raw: dict[str, list[bytes]], pages: dict[str, Raw] | None = None, most: int = 100) -> Group:
    """Read an entry; more of it is in `pages`, by attribute."""
    mapping = GroupMapping(mapping_of("openldap"), most)
    given = {"cn": [b"Team"], "entryuuid": [b"K"], **raw}
    return mapping.group(given, DN, lambda dn, name: (pages or {})[name])


def test_members_are_named_as_the_directory_does() -> None:
    """By DN in one form, or by login."""
    group = read(
        {
            "member": [b"CN=Alice , DC=x"],
            "uniquemember": [b"uid=bob,dc=x#'0101'B", b"uid=c#1,dc=x"],
            "memberuid": [b"Carol"],
        }
    )
    assert group.members == {"cn=alice,dc=x", "uid=bob,dc=x", "uid=c#1,dc=x", "uid:carol"}
    assert (group.key, group.source) == ("k", DN)


def test_a_groups_name_and_address() -> None:
    """DisplayName comes first; an address counts if it is of our domain."""
    group = read({"displayname": [b" The  Team "], "mail": [b"team@elsewhere.test", b"Team@example.com"]})
    assert (group.name, group.aor) == ("The Team", "sip:team@example.com")
    assert read({"mail": [b"nonsense"]}).aor == ""


def test_a_group_may_be_hidden() -> None:
    """As a person."""
    assert read({"msexchhidefromaddresslists": [b"TRUE"]}).hidden
    assert not read({}).hidden


def test_a_group_has_a_mail_address_of_any_domain() -> None:
    """Kept where it is not the address that it is invited under already."""
    assert read({"mail": [b"Team@elsewhere.test"]}).mail == "Team@elsewhere.test"
    assert read({"mail": [b"Team@example.com"]}).mail == ""
    assert read({"mail": [b"nonsense", b"x@" + b"y" * 300]}).mail == ""


def test_the_members_of_a_group_may_be_closed() -> None:
    """As Exchange's administrators say it."""
    assert read({"hidedlmembership": [b"TRUE"]}).is_closed
    assert not read({"hidedlmembership": [b"FALSE"]}).is_closed
    assert not read({}).is_closed


def test_a_group_without_a_name_is_of_no_use() -> None:
    """The reason is told."""
    with pytest.raises(BadDirectoryEntry, match="no name"):
        read({"cn": [b" "]})


def test_members_that_come_in_pieces_are_all_read() -> None:
    """Active Directory gives 1,500 at once."""
    pages: dict[str, Raw] = {
        "member;range=2-*": {"member;range=2-3": [b"cn=c", b"cn=d"]},
        "member;range=4-*": {"member;range=4-*": [b"cn=e"]},
    }
    group = read({"member": [], "member;range=0-1": [b"cn=a", b"cn=b"]}, pages)
    assert group.members == {"cn=a", "cn=b", "cn=c", "cn=d", "cn=e"}


def test_a_piece_that_is_not_there_ends_the_reading() -> None:
    """Members may have been removed meanwhile; nothing is asked for ever."""
    assert read({"member;range=0-0": [b"cn=a"]}, {"member;range=1-*": {}}).members == {"cn=a"}


def test_too_many_members_are_refused() -> None:
    """The sentence names the setting."""
    with pytest.raises(BadDirectoryEntry, match=r"more than 2 members .*group_members_max"):
        read({"member": [b"cn=a", b"cn=b", b"cn=c"]}, most=2)
