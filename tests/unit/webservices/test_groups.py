"""Who is in a group, as clients ask for it and are told."""

from dataclasses import replace

import pytest
from lxml import etree

from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.names import Aor
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.webservices.bodies.groups import ExpansionRequest, read_expansion, write_expansion
from lyncpy.workloads.webservices.model.expansion import Expansion, ResponseState, expansion
from tests.kit.directory import person
from tests.kit.enrollment import found, group_text, search_text

ALICE, BOB = person("alice", display_name="Alice & Co", mail="a@example.org"), person("bob")
TEAM = Group("team", "Team", Aor("sip:team@example.com"), frozenset({ALICE.key, BOB.key, "crew"}))
CREW = Group("crew", "Crew", mail="crew@example.org")
ASKED = ExpansionRequest("Ask", "urn:x", "team@example.com")


def groups_of(*groups: Group) -> Groups:
    """Give a table of groups, with Alice and Bob."""
    people = People()
    table = Groups(people)
    for one in (ALICE, BOB):
        people.put_person(one)
        table.know(one)
    for group in groups:
        table.put_group(group)
    return table


def _read(text: str) -> ExpansionRequest | None:
    return read_expansion(read_xml(text.encode()))


@pytest.mark.parametrize("operation", ["ExpandGroup", "QueryMembers", "x"])
def test_a_request_is_known_by_the_address_in_it(operation: str) -> None:
    """Whatever it is called, and however deep the address is in it."""
    said = group_text("team@example.com", operation, "urn:x")
    assert _read(said) == ExpansionRequest(operation, "urn:x", "team@example.com")
    deeper = said.replace("<groupMailAddress>", "<r><groupMailAddress>").replace("Address></", "Address></r></")
    assert _read(deeper) == ExpansionRequest(operation, "urn:x", "team@example.com")


@pytest.mark.parametrize(
    "text",
    [
        search_text("bob"),
        "<Ask/>",
        "<groupMailAddress>team@example.com</groupMailAddress>",
        group_text("team@example.com", "x" * 81),
    ],
)
def test_what_names_no_group_is_something_else(text: str) -> None:
    """Nor is what would be repeated at length."""
    assert _read(text) is None


@pytest.mark.parametrize(
    "mail", ["team@example.com", " Team@Example.com\n", "mailto:team@example.com", "SIP:team@example.com"]
)
def test_a_group_is_told_with_who_is_in_it(mail: str) -> None:
    """People and groups, those as such: each is asked about by itself."""
    told = expansion(groups_of(TEAM, CREW), mail, 3)
    assert told == Expansion(ResponseState.SUCCESS, [ALICE, BOB], [CREW])


@pytest.mark.parametrize("mail", ["", "team", "a@b@c", "<team@example.com>", "two words@example.com", "x" * 254 + "@y"])
def test_what_is_no_address_is_said_to_be_none(mail: str) -> None:
    """It is not looked for."""
    assert expansion(groups_of(TEAM), mail, 3) == Expansion(ResponseState.INVALID)


def test_a_group_that_nobody_may_find_is_not_found() -> None:
    """As one that there is not, and of two with one address neither."""
    missing = Expansion(ResponseState.NOT_FOUND)
    assert expansion(groups_of(TEAM), "crew@example.org", 3) == missing
    assert expansion(groups_of(replace(TEAM, hidden=True, is_closed=True)), "team@example.com", 3) == missing
    assert expansion(groups_of(CREW, replace(CREW, key="other")), "crew@example.org", 3) == missing


def test_a_closed_group_is_not_told() -> None:
    """Users see that there is one, and not who is in it."""
    assert expansion(groups_of(replace(TEAM, is_closed=True)), "team@example.com", 2) == Expansion(
        ResponseState.NOT_AUTHORIZED
    )


def test_a_group_that_is_too_large_is_not_told() -> None:
    """The client says so; nobody is told a part."""
    assert expansion(groups_of(TEAM), "team@example.com", 2) == Expansion(ResponseState.MEMBER_COUNT_LIMIT_EXCEEDED)


def _written(told: Expansion, asked: ExpansionRequest = ASKED) -> etree._Element:
    (body,) = found(etree.fromstring(write_expansion(asked, told)), "//*[local-name()='Body']")
    answer: etree._Element
    (answer,) = body
    return answer


def _entry(entry: etree._Element) -> dict[str | None, str | None]:
    return {one.findtext("{*}Name"): one.findtext("{*}Value") for one in entry.iterfind("{*}Attributes/{*}Attribute")}


def test_an_answer_is_called_after_its_request() -> None:
    """In the same namespace, also in none, and in one with marks that XML has."""
    for namespace in ("urn:x", "", "urn:x?a&b"):
        answer = _written(Expansion(ResponseState.NOT_FOUND), replace(ASKED, namespace=namespace))
        tag = f"{{{namespace}}}" if namespace else ""
        assert answer.tag == f"{tag}AskResponse"
        (result,) = answer
        assert [(one.tag, one.text) for one in result] == [(f"{tag}ResponseStatus", "NotFound")]
        assert result.tag == f"{tag}AskResult"


def test_members_are_told_as_the_address_book_tells_of_people() -> None:
    """With what is known of them; a group is told as one."""
    (result,) = _written(Expansion(ResponseState.SUCCESS, [ALICE, BOB], [CREW, TEAM, replace(CREW, mail="")]))
    status, items = result
    assert status.text == "Success"
    assert [_entry(one) for one in items] == [
        {"displayName": "Alice & Co", "msRTCSIP-PrimaryUserAddress": ALICE.aor, "mail": "a@example.org"},
        {"msRTCSIP-PrimaryUserAddress": BOB.aor},
        {"displayName": "Crew", "mail": "crew@example.org", "groupType": "8"},
        {"displayName": "Team", "mail": "team@example.com", "groupType": "8"},
        {"displayName": "Crew", "groupType": "8"},
    ]


def test_an_empty_group_is_told_too() -> None:
    """There is nobody in it."""
    (result,) = _written(Expansion(ResponseState.SUCCESS))
    assert [(one.tag.rpartition("}")[2], one.text, len(one)) for one in result] == [
        ("ResponseStatus", "Success", 0),
        ("Items", None, 0),
    ]


def test_a_person_s_name_does_no_harm() -> None:
    """Whatever a directory writes."""
    strange: Person = replace(BOB, display_name="</AbEntry><x>")
    (result,) = _written(Expansion(ResponseState.SUCCESS, [strange]))
    assert [_entry(one)["displayName"] for one in result[1]] == ["</AbEntry><x>"]
