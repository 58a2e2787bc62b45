"""The search over SIP: "Contact search" of a client without an address book service."""

import pytest

from lyncpy.contracts.directory import Person, Phone
from lyncpy.contracts.names import Aor
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Response
from lyncpy.workloads.directory.address_book import AddressBook
from lyncpy.workloads.directory.bodies import read_search
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.routes import Search
from tests.kit.hall import Device, Hall, tree

BOB = Person(
    Aor("sip:bob@contoso.test"),
    "bob",
    display_name="Bob <Builder>",
    given_name="Bob",
    surname="Müller",
    mail="b.mueller@corp.test",
    title="Boss",
    company="Contoso",
    office="1.01",
    phones=(Phone("mobile", "+1 556"), Phone("work", "+1 555")),
)
BEA = Person(Aor("sip:bea@contoso.test"), "bea", display_name="Bea", given_name="Bea", phones=(Phone("home", "+1 1"),))
GONE = Person(Aor("sip:bobby@contoso.test"), "bobby", enabled=False, given_name="Bobby")


def device(*people: Person) -> Device:
    """A device in a hall where people can be searched for."""
    hall, known = Hall(people), People()
    for person in people:
        known.put_person(person)
    book = AddressBook(known, Groups(known), hall.timers)
    book.open()
    hall.clock.pump([0.0] * 40)
    hall.operations.add_operations(Search(book).operations())
    return hall.device("alice")


def search(asking: Device, *conditions: tuple[str, str], most: str = "100") -> Response:
    """Search as the client does."""
    rows = "".join(f'<m:row m:attrib="{name}" m:value="{value}"/>' for name, value in conditions)
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">'
        f'<s:Body><m:directorySearch><m:filter m:href="#searchArray"/><m:maxResults>{most}</m:maxResults></m:directorySearch>'
        f'<m:Array m:id="searchArray">{rows}</m:Array></s:Body></s:Envelope>'
    )
    return asking.service("application/SOAP+xml", body.encode(), to="sip:contoso.test")


def found(response: Response) -> list[str]:
    """Give the addresses of an answer."""
    assert response.status == 200
    return [row.get("uri") for row in tree(response.body).findall("Body/Array/row")]


def test_finds_a_person_with_all_that_a_client_shows() -> None:
    """The work phone is the one shown; what is not known is left out."""
    response = search(device(BOB, BEA, GONE), ("givenName", "bo"))
    (row,) = tree(response.body).findall("Body/Array/row")
    assert dict(row.attrib) == {
        "uri": "sip:bob@contoso.test",
        "displayName": "Bob <Builder>",
        "title": "Boss",
        "office": "1.01",
        "phone": "+1 555",
        "company": "Contoso",
        "email": "b.mueller@corp.test",
    }
    assert tree(response.body).findtext("Body/directorySearch/moreAvailable") == "false"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([("givenName", "b")], ["sip:bea@contoso.test", "sip:bob@contoso.test"]),
        ([("givenName", "B*"), ("sn", "mü")], ["sip:bob@contoso.test"]),
        ([("msRTCSIP-PrimaryUserAddress", "sip:be")], ["sip:bea@contoso.test"]),
        ([("msRTCSIP-PrimaryUserAddress", "BOB@")], ["sip:bob@contoso.test"]),
        ([("mail", "b.m")], ["sip:bob@contoso.test"]),
        ([("company", "contoso")], ["sip:bob@contoso.test"]),
        ([("c", "DE")], []),
        ([("givenName", "zed")], []),
        ([("givenName", "bo"), ("c", "DE")], []),
        ([("givenName", "bo"), ("sn", "  ")], ["sip:bob@contoso.test"]),
        ([("givenName", "bo"), ("sn", "%%")], []),
        ([("telephoneNumber", "1 555")], ["sip:bob@contoso.test"]),
        ([("mobile", "55")], []),
        ([("mail", "mueller@corp")], []),
        ([("mail", "@corp.test")], []),
        ([("givenName", "mueller")], ["sip:bob@contoso.test"]),
        ([("sn", "bob muller")], ["sip:bob@contoso.test"]),
        ([("givenName", "mueller"), ("company", "contoso")], []),
    ],
)
def test_all_conditions_must_fit(conditions: list[tuple[str, str]], expected: list[str]) -> None:
    """A condition fits the beginning of a word, in either case, and of an address its beginning; one on an attribute we lack fits nobody."""
    assert found(search(device(BOB, BEA, GONE), *conditions)) == expected


@pytest.mark.parametrize(
    ("shown", "conditions", "is_found"),
    [
        ("Alice Adler", [("givenName", "ali"), ("sn", "ad")], True),
        ("Alice Adler", [("sn", "ali")], True),  # the form says otherwise, but there is nobody else
        ("Anna Maria van Dyck", [("givenName", "Anna Maria"), ("sn", "van d")], True),
        ("Anna Maria van Dyck", [("sn", "dyck")], True),
        ("Adler, Alice", [("givenName", "alice"), ("sn", "adler")], True),
        ("Adler, Alice", [("givenName", "adler")], True),
        ("Adler, Alice", [("givenName", "zed")], False),
        ("Prince", [("givenName", "pri")], True),
        ("Prince", [("sn", "pri")], True),
        ("", [("sn", "a")], False),
    ],
)
def test_finds_by_parts_of_the_name_that_is_shown(
    shown: str, conditions: list[tuple[str, str]], *, is_found: bool
) -> None:
    """A people file need not say which part is which; clients ask for first and last name."""
    person = Person(Aor("sip:x@contoso.test"), "x", display_name=shown)
    assert (found(search(device(person), *conditions)) == ["sip:x@contoso.test"]) is is_found


def test_says_when_there_are_more() -> None:
    """A client that asked for one is told that it did not see all."""
    response = search(device(BOB, BEA), ("givenName", "b"), most="1")
    assert len(found(response)) == 1
    assert tree(response.body).findtext("Body/directorySearch/moreAvailable") == "true"


@pytest.mark.parametrize(
    ("conditions", "most", "status"),
    [
        ([], "100", 400),
        ([("givenName", " * ")], "100", 400),
        ([("givenName", "b")], "many", 400),
        ([("givenName", "b")] * 17, "100", 413),
        ([("givenName", "b" * 300)], "100", 413),
    ],
)
def test_refuses_what_is_no_search(conditions: list[tuple[str, str]], most: str, status: int) -> None:
    """Everybody is not given to anybody, and a form has few fields."""
    assert search(device(BOB), *conditions, most=most).status == status


def test_refuses_soap_without_a_search() -> None:
    """A body that says nothing of a search is the client's fault."""
    with pytest.raises(RemoteProtocolError, match="no directorySearch"):
        read_search(b"<e><Body/></e>", 1)


def test_the_person_whom_an_address_names_comes_first() -> None:
    """A client that asks for one, to show who that is, gets nobody whose address only begins so."""
    other = Person(Aor("sip:bob@contoso.test.example"), "other", display_name="Adam")
    response = search(device(other, BOB), ("msRTCSIP-PrimaryUserAddress", "sip:bob@contoso.test"), most="1")
    assert found(response) == ["sip:bob@contoso.test"]
    assert found(search(device(other), ("msRTCSIP-PrimaryUserAddress", "sip:bob@other.test"))) == []


def test_whoever_has_the_very_name_comes_before_whose_name_begins_so() -> None:
    """And these before others; equal ones by name."""
    people = [
        Person(Aor(f"sip:{n}@contoso.test"), n, display_name=name, department=department)
        for n, name, department in (
            ("1", "Anna Adams", ""),
            ("2", "Ann Zorn", ""),
            ("3", "Bea Beer", "Annual Accounts"),
            ("4", "Anna Abel", ""),
        )
    ]
    assert found(search(device(*people), ("sn", "ann"))) == [f"sip:{n}@contoso.test" for n in "2413"]
