"""What a Lync server exported is read, and what of it is not known is named."""

import base64
import io
import zipfile
from collections.abc import Callable

import pytest

from lyncpy.app import lync_archive
from lyncpy.app.lync_archive import ArchiveUnusable, is_archive, names, read_archive


def b64(text: str) -> str:
    """Write a text as the current family has it."""
    return base64.b64encode(text.encode()).decode()


CURRENT = f"""<?xml version="1.0" encoding="utf-8"?>
<DocItemSet xmlns="urn:schema:Microsoft.Rtc.Management.Xds.AppLayer.2008">
 <DocItem Name="urn:lcd:Alice@example.com"><Data><HomedResource>
  <ContactGroups>
   <ContactGroup Number="1" DisplayName="{b64("~")}"/>
   <ContactGroup Number="3" DisplayName="{b64("Fräunde")}" ExternalUri="{b64("<groupExtension/>")}"/>
   <ContactGroup Number="4" DisplayName="plain text!"/>
   <ContactGroup DisplayName="{b64("lost")}"/>
  </ContactGroups>
  <Contacts>
   <Contact Buddy="bob@example.com" DisplayName="{b64("Bob")}" Groups="1 3" Weird="x"/>
   <Contact Buddy="+15550100" Groups="3"/>
   <Contact DisplayName="{b64("nobody")}"/>
   <Contact Buddy="eve@example.net" Groups="x 4" SubscribePresence="0"><Extension/></Contact>
  </Contacts>
  <Containers>
   <Container ContainerNumber="400"><UserMember Member="Bob@example.com"/><DomainMember Member="example.net"/></Container>
   <Container ContainerNumber="x"><UserMember Member="bob@example.com"/></Container>
   <Container ContainerNumber="100"><UserMember/></Container>
  </Containers>
  <Conferences>
   <Conference ExternalConfId="ABCDEF12" Title="{b64("Monday")}" ExpiryTime="2031-01-01T00:00:00" Static="1" Locked="0"/>
   <Conference Title="x"/>
   <Conference ExternalConfId="ABCDEF13" ExpiryTime="soon"/>
   <Other/>
  </Conferences>
  <PromptedSubscribers><PromptedSubscriber/></PromptedSubscribers>
 </HomedResource></Data></DocItem>
 <DocItem Name="urn:cdd:13"><Data/></DocItem>
 <DocItem><Data><HomedResource/></Data></DocItem>
 <Other/>
</DocItemSet>"""

LEGACY = """<HomedResources xmlns="http://schemas.microsoft.com/RtcServer/2002/11/dbimpexp">
 <HomedResource UserAtHost="alice@example.com">
  <ContactGroups><ContactGroup Number="1" DisplayName="~"/><ContactGroup Number="2" DisplayName="Zm9v"/></ContactGroups>
  <Contacts><Contact Buddy="bob@example.com" SubscribePresence="1" Groups="2"/></Contacts>
 </HomedResource>
 <HomedResource><Contacts/></HomedResource>
 <Stranger/>
</HomedResources>"""


def packed(content: bytes, name: str = "DocItemSet.xml") -> bytes:
    """Make an archive as the cmdlet does."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "data", [CURRENT.encode(), b"\xef\xbb\xbf" + CURRENT.encode(), CURRENT.encode("utf-16"), packed(CURRENT.encode())]
)
def test_an_archive_of_the_current_family_is_read(data: bytes) -> None:
    """Texts in base64, groups as numbers, levels as containers; in an archive or out of it, in either encoding."""
    assert is_archive(data)
    found = read_archive(data)
    (alice,) = found.document().people
    assert alice.address == "alice@example.com"
    assert [(one.id, one.name, one.external) for one in alice.groups] == [
        (1, "~", ""),
        (3, "Fräunde", "<groupExtension/>"),
        (4, "plain text!", ""),
    ]
    assert [(one.address, one.name, one.groups, one.subscribed) for one in alice.contacts] == [
        ("bob@example.com", "Bob", (1, 3), True),
        ("tel:+15550100", "", (3,), True),
        ("eve@example.net", "", (4,), False),
    ]
    assert [(one.container, [m.value for m in one.members]) for one in alice.levels] == [(400, ["bob@example.com"])]
    (meeting,) = alice.conferences
    assert (meeting.id, meeting.subject, meeting.static, meeting.expires) == ("ABCDEF12", "Monday", True, 1924992000.0)


def test_nothing_is_lost_in_silence() -> None:
    """What nobody knows is counted by its name, what cannot be used is told with whose it is."""
    found = read_archive(CURRENT.encode())
    assert dict(found.unknown) == {
        "Contact@Weird": 1,
        "Contact/Extension": 1,
        "Container/DomainMember": 1,
        "Conference@Locked": 1,
        "Conferences/Other": 1,
        "HomedResource/PromptedSubscribers": 1,
        "DocItem urn:cdd": 1,
        "Other": 1,
    }
    assert sorted(found.unusable) == [
        "HomedResource: it does not say whose it is",
        'alice@example.com: a conference: ABCDEF13: ExpiryTime "soon" is no time',
        "alice@example.com: a conference: it has no ExternalConfId",
        "alice@example.com: a contact: it does not say who it is",
        "alice@example.com: a container: it has no number",
        "alice@example.com: a member of container 100: it does not say who it is",
        'alice@example.com: the group "lost": its number or its name is missing',
    ]
    assert next(names(found.unknown)) == "Conference@Locked: 1 times"


def test_what_dbimpexp_wrote_is_read() -> None:
    """Texts stand there as they are, also those that look like base64."""
    found = read_archive(LEGACY.encode("utf-16"))
    (alice,) = found.document().people
    assert [one.name for one in alice.groups] == ["~", "Zm9v"]
    assert alice.contacts[0].groups == (2,)
    assert found.unusable == ["HomedResource: it does not say whose it is"]
    assert dict(found.unknown) == {"HomedResources/Stranger": 1}


def test_several_documents_of_one_person_are_one() -> None:
    """An export may have more than one for each."""
    two = CURRENT.replace(
        "</DocItemSet>",
        CURRENT[CURRENT.index(" <DocItem Name") : CURRENT.index(' <DocItem Name="urn:cdd')] + "</DocItemSet>",
    )
    (alice,) = read_archive(two.encode()).document().people
    assert len(alice.contacts) == 6


def test_rows_of_the_database_are_read() -> None:
    """The way for meetings, of which no export tells."""
    rows = "UserAtHost,ExternalConfId,Title,ExpiryTime,Locked\r\nalice@example.com,ABCDEF12,Monday,NULL,1\r\n,ABCDEF13,,,\r\n"
    assert is_archive(rows.encode())
    found = read_archive(rows.encode())
    (alice,) = found.document().people
    assert (alice.conferences[0].id, alice.conferences[0].expires) == ("ABCDEF12", None)
    assert dict(found.unknown) == {"Conference@Locked": 1}
    assert found.unusable == ["somebody: a conference: it does not say whose it is"]


def _many_parts() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(200):
            archive.writestr(str(number), "")
    return file.getvalue()


def _encrypted() -> bytes:
    data = bytearray(packed(b"<DocItemSet/>"))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.rindex(mark)
        data[at + place] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: b"PK\3\4 no archive", "cannot be unpacked"),
        (lambda: packed(b"<x/>", "other.xml"), "has no DocItemSet.xml"),
        (lambda: packed(CURRENT.encode())[:-30], "cannot be unpacked"),
        (_many_parts, "more than 100 parts"),
        (_encrypted, "is encrypted"),
        (lambda: packed(b"<x>" + b" " * 5_000_000 + b"</x>"), "is longer than 1 MiB: export fewer people"),
        (lambda: b"<DocItemSet>" + b"<x/>" * 20_000 + b"</DocItemSet>", "too many elements: export fewer people"),
        (lambda: b"<Bomb/>", "its root is Bomb"),
        (lambda: b"<a><b></a>", "not well-formed"),
        (lambda: b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "cannot be read"),
        (lambda: b"<x>" * 100 + b"</x>" * 100, "too deep"),
        (lambda: b"ExternalConfId\r\nx", "neither XML nor rows"),
        (lambda: b'UserAtHost,ExternalConfId\r\n"x', "its rows cannot be read"),
    ],
)
def test_what_is_hostile_or_no_export_is_refused_in_words(
    make: Callable[[], bytes], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bombs are unpacked no further than to the bound."""
    monkeypatch.setattr(lync_archive, "XML_BYTES", 1 << 20)
    monkeypatch.setattr(lync_archive, "NODES", 1000)
    with pytest.raises(ArchiveUnusable, match=says):
        read_archive(make())


def test_json_is_no_export() -> None:
    """It is of the form of this server."""
    assert not is_archive(b'{"form": "lyncpy people 1"}')
    assert not is_archive(b"")
