"""The documents of the contact list, as clients write and read them."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.soap import read_operation
from lyncpy.workloads.contacts.bodies import (
    read_change,
    write_answer,
    write_delta,
    write_list,
)
from lyncpy.workloads.contacts.model import (
    AddGroup,
    Change,
    Contact,
    ContactGroup,
    ContactList,
    DeleteContact,
    DeleteGroup,
    Delta,
    ModifyGroup,
    SetContact,
)
from tests.kit.hall import tree

ZED = Aor("sip:zed@contoso.test")


def soap(operation: str) -> bytes:
    """Wrap an operation as the client does."""
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        f' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>{operation}</s:Body></s:Envelope>'
    ).encode()


def read(operation: str) -> Change:
    """Read one operation."""
    return read_change(read_operation(soap(operation)))


def test_an_operation_that_is_not_one_of_the_list_is_refused() -> None:
    """What routes do not know does not come here; whoever calls it with something else is told so."""
    with pytest.raises(RemoteProtocolError, match="no operation of the contact list"):
        read("<m:renameContact/>")


def test_reads_set_contact() -> None:
    """A contact with a name, put into two groups."""
    assert read(
        "<m:setContact><m:displayName>Zed &amp; Co</m:displayName><m:groups>9 2</m:groups><m:subscribed>true</m:subscribed>"
        "<m:URI>sip:Zed@Contoso.test</m:URI><m:externalURI /><m:deltaNum>9</m:deltaNum></m:setContact>"
    ) == SetContact(ZED, "Zed & Co", (9, 2))


def test_an_alias_that_is_the_address_is_none() -> None:
    """The client sends the address when the user gave no name; that is not a name to keep."""
    change = read(
        "<m:setContact><m:displayName>sip:zed@contoso.test</m:displayName><m:URI>sip:zed@contoso.test</m:URI></m:setContact>"
    )
    assert change == SetContact(ZED, "", ())


def test_reads_an_offline_contact_with_an_extension() -> None:
    """What a client keeps with a contact comes back as it was, with its namespaces."""
    change = read(
        "<m:setContact><m:URI>zed@contoso.test</m:URI><m:subscribed>false</m:subscribed><m:contactExtension>"
        '<c:contactSettings xmlns:c="urn:c" contactId="1"><c:p>&lt;</c:p></c:contactSettings></m:contactExtension></m:setContact>'
    )
    assert isinstance(change, SetContact)
    assert not change.subscribed
    assert change.extension is not None
    written = tree(write_list(ContactList(contacts={ZED: Contact(ZED, extension=change.extension)})))
    assert written.findtext("contact/contactExtension/contactSettings/p") == "<"


def test_reads_the_other_changes() -> None:
    """Removal, and what is done with groups."""
    assert read("<m:deleteContact><m:URI>sip:zed@contoso.test</m:URI></m:deleteContact>") == DeleteContact(ZED)
    assert read("<m:addGroup><m:name>Work</m:name><m:externalURI/></m:addGroup>") == AddGroup("Work")
    assert read("<m:modifyGroup><m:groupID>3</m:groupID><m:name>W</m:name></m:modifyGroup>") == ModifyGroup(3, "W")
    assert read("<m:deleteGroup><m:groupID>3</m:groupID></m:deleteGroup>") == DeleteGroup(3)


@pytest.mark.parametrize(
    "operation",
    [
        "",
        "<m:setContact/>",
        "<m:setContact><m:URI>sip:contoso.test</m:URI></m:setContact>",
        "<m:setContact><m:URI>sip:a@b&gt;&lt;</m:URI></m:setContact>",
        "<m:setContact><m:URI>sip:a@b.test</m:URI><m:groups>1 x</m:groups></m:setContact>",
        "<m:setContact><m:URI>sip:a@b.test</m:URI><m:groups>²</m:groups></m:setContact>",
        f"<m:setContact><m:URI>sip:a@b.test</m:URI><m:displayName>{'n' * 513}</m:displayName></m:setContact>",
        "<m:addGroup><m:name> </m:name></m:addGroup>",
        "<m:deleteGroup/>",
        "<m:deleteGroup><m:groupID>1 2</m:groupID></m:deleteGroup>",
    ],
)
def test_refuses_what_makes_no_sense(operation: str) -> None:
    """A broken change is refused as the client's fault."""
    with pytest.raises(RemoteProtocolError):
        read(operation)


def test_the_list_names_contacts_without_scheme_and_the_delta_with_it() -> None:
    """The client puts `sip:` before every address of a list, and none before those of a delta."""
    bob = Contact(Aor("sip:bob@contoso.test"), 'B"o<b', (1, 2), external_uri="x&y")
    contacts = ContactList(7, {1: ContactGroup(1, "~"), 2: ContactGroup(2, "Work & Co")}, {bob.aor: bob})
    full = tree(write_list(contacts))
    assert full.get("deltaNum") == "7"
    assert [(g.get("id"), g.get("name"), g.get("externalURI")) for g in full.findall("group")] == [
        ("1", "~", ""),
        ("2", "Work & Co", ""),
    ]
    assert dict(full.find("contact").attrib) == {
        "uri": "bob@contoso.test",
        "name": 'B"o<b',
        "groups": "1 2",
        "subscribed": "true",
        "externalURI": "x&y",
    }
    delta = tree(write_delta(Delta(8, 7, added_contacts=(bob,), deleted_contacts=(ZED,))))
    assert (delta.get("deltaNum"), delta.get("prevDeltaNum")) == ("8", "7")
    assert delta.find("addedContact").get("uri") == "sip:bob@contoso.test"
    assert delta.find("deletedContact").get("uri") == "sip:zed@contoso.test"


def test_a_delta_is_written_in_the_order_of_the_specification() -> None:
    """A reader that works from top to bottom finds groups before the contacts in them."""
    group, contact = ContactGroup(2, "a"), Contact(ZED)
    delta = Delta(2, 1, (group,), (group,), (contact,), (contact,), (3,), (ZED,))
    assert [element.tag for element in tree(write_delta(delta))] == [
        "addedGroup",
        "modifiedGroup",
        "addedContact",
        "modifiedContact",
        "deletedGroup",
        "deletedContact",
    ]


def test_the_answer_to_add_group_names_the_id() -> None:
    """Without the id the client forgets whom it was adding."""
    body = write_answer(Delta(2, 1, added_groups=(ContactGroup(9, "New"),)))
    assert tree(body).findtext("Body/addGroup/groupID") == "9"
