"""The search over SIP: "Contact search" of a client without an address book service."""

import pytest

from lyncpy.contracts.directory import Person, Phone
from lyncpy.contracts.names import Aor
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Response
from lyncpy.workloads.directory import routes
from lyncpy.workloads.directory.bodies import read_search
from lyncpy.workloads.directory.routes import Search
from lyncpy.workloads.directory.search import SearchCondition, finder, in_order
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
    hall = Hall(people)
    hall.operations.add_operations(Search(hall.people, hall.timers).operations())
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
    ],
)
def test_all_conditions_must_fit(conditions: list[tuple[str, str]], expected: list[str]) -> None:
    """A condition fits the beginning of a value, in either case; one on an attribute we lack fits nobody."""
    assert found(search(device(BOB, BEA, GONE), *conditions)) == expected


@pytest.mark.parametrize(
    ("shown", "conditions", "is_found"),
    [
        ("Alice Adler", [("givenName", "ali"), ("sn", "ad")], True),
        ("Alice Adler", [("sn", "ali")], False),
        ("Anna Maria van Dyck", [("givenName", "Anna Maria"), ("sn", "van d")], True),
        ("Anna Maria van Dyck", [("sn", "dyck")], True),
        ("Adler, Alice", [("givenName", "alice"), ("sn", "adler")], True),
        ("Adler, Alice", [("givenName", "adler")], False),
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


def test_many_people_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search through a large directory lets other messages through; no number of results is asked of us."""
    monkeypatch.setattr(routes, "AT_ONCE", 2)
    people = [Person(Aor(f"sip:p{n}@contoso.test"), str(n), given_name="P" if n != 3 else "X") for n in range(7)]
    assert len(found(search(device(*people), ("givenName", "p"), most=""))) == 6
    assert len(found(search(device(*people), ("givenName", "p"), most="2"))) == 2


def test_results_stand_in_the_order_of_names() -> None:
    """As a reader looks for them."""
    assert in_order([BOB, BEA]) == [BEA, BOB]
    assert not finder([SearchCondition("givenName", "bobby")])(GONE)
