"""Searches as clients write them, and answers as they read them."""

from urllib.parse import unquote

import pytest
from lxml import etree

from lyncpy.contracts.directory import Group, Person, Phone, SearchCondition
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.photos import PhotoFacts
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.webservices.bodies.address_book import (
    AddressBookQuery,
    photo_path,
    read_address_book_query,
    read_photo_path,
    wants_photos,
    words_for_groups,
    write_address_book_answer,
)
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from tests.kit.enrollment import found, search_text

NAMES = "displayName,msRTCSIP-PrimaryUserAddress,telephoneNumber,photoRelPath"
BOB = Person(
    Aor("sip:bob@example.test"),
    "1",
    display_name="Bob & Co",
    given_name="Bob",
    surname="Brandt",
    title="Engineer",
    mail="b@example.test",
    company="Example",
    department="Research",
    office="7",
    phones=(Phone("work", "+1 555"), Phone("work", "+1 556"), Phone("mobile", "+1 557"), Phone("fax", "1")),
)


def _read(text: str) -> AddressBookQuery:
    return read_address_book_query(read_xml(text.encode()))


def _refusal(text: str) -> str:
    with pytest.raises(ServiceRefused) as refused:
        _read(text)
    return refused.value.reason


def test_conditions_are_read() -> None:
    """As the form of a client writes them."""
    query = _read(search_text(conditions={"givenName": " Bob ", "sn": "B"}, names=NAMES, most="1"))
    assert query.conditions == (SearchCondition("givenName", "Bob"), SearchCondition("sn", "B"))
    assert (query.text, query.most) == ("", 1)
    assert query.wanted == {"displayname", "msrtcsip-primaryuseraddress", "telephonenumber", "photorelpath"}


def test_a_text_is_read() -> None:
    """As the one field of a client writes it; who says no number gets as many as there may be."""
    query = _read(search_text("bob br"))
    assert (query.text, query.conditions, query.most, query.wanted) == ("bob br", (), 100, frozenset())
    assert _read(search_text("x", most="5000")).most == 100
    assert _read(search_text("x", most="0")).most == 1
    assert _read(search_text("x").replace("Metadata", "Nothing")).most == 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (search_text("x").replace("SearchAbEntry", "Other"), "groupMailAddress, and not with Other"),
        (search_text("x").replace("AbEntryRequest", "Other"), "no AbEntryRequest"),
        (search_text(""), "needs a text"),
        (search_text(" * "), "needs a text"),
        (search_text(conditions={"sn": ""}), "needs a text"),
        (search_text("x" * 257), "more than 256 letters"),
        (search_text(conditions={"sn": "x" * 257}), "more than 256 letters"),
        (search_text(conditions={f"a{number}": "x" for number in range(17)}), "more than 16 conditions"),
        (search_text("x", most="many"), "no number"),
        (search_text("x", most="²"), "no number"),
    ],
)
def test_what_is_no_search_is_refused(text: str, words: str) -> None:
    """Nobody asks for everybody."""
    assert words in _refusal(text)


def _said(wanted: frozenset[str]) -> dict[str, list[str]]:
    root = etree.fromstring(write_address_book_answer([BOB], wanted))
    (attributes,) = found(root, "//*[local-name()='AbEntry']/*[local-name()='Attributes']")
    return {
        one.findtext("{*}Name"): [value.text for value in one.iterfind("{*}Value")]
        or [value.text for value in one.iterfind("{*}Values/{*}string")]
        for one in attributes
    }


def test_an_answer_says_what_is_wanted_and_known() -> None:
    """The address always; numbers as a list."""
    assert _said(frozenset({"displayname", "telephonenumber", "photorelpath", "homephone"})) == {
        "displayName": ["Bob & Co"],
        "msRTCSIP-PrimaryUserAddress": ["sip:bob@example.test"],
        "telephoneNumber": ["+1 555", "+1 556"],
    }
    everything = _said(frozenset())
    assert everything["mobile"] == ["+1 557"]
    assert everything["physicalDeliveryOfficeName"] == ["7"]
    assert len(everything) == 11


def test_groups_are_looked_for_where_a_client_shows_them() -> None:
    """By a text, or by a form that asks for what a group has."""
    names = f"{NAMES},groupType"
    assert words_for_groups(_read(search_text("team", names=names))) == "team"
    assert words_for_groups(_read(search_text(conditions={"displayName": "te", "Mail": "am"}, names=names))) == "te am"
    assert words_for_groups(_read(search_text(conditions={"sn": "te", "mail": "am"}, names=names))) == ""
    assert words_for_groups(_read(search_text("team", names=NAMES))) == ""
    assert words_for_groups(_read(search_text("team"))) == ""


def test_groups_stand_behind_people() -> None:
    """As what they are."""
    team = Group("1", "Team", Aor("sip:team@example.test"))
    told = write_address_book_answer([BOB], frozenset({"displayname", "grouptype"}), groups=[team]).decode()
    assert told.index("Bob") < told.index("Team")
    assert "<Name>groupType</Name><Value>8</Value>" in told[told.index("Team") :]
    assert "groupType" not in told[: told.index("Team")]


def test_nobody_is_an_answer_too() -> None:
    """With no entries."""
    root = etree.fromstring(write_address_book_answer([], frozenset()))
    assert found(root, "//*[local-name()='SearchAbEntryResult']/*/*") == []


def test_photos_are_told_where_they_are_wanted() -> None:
    """With where they are, a hash to compare and their size."""
    digest = "0123456789abcdef" * 2
    told = write_address_book_answer((BOB,), frozenset(), {BOB.aor: PhotoFacts(digest, 9)}).decode()
    for name, value in (("RelPath", f"bob@example.test.{digest}.photo"), ("Hash", digest), ("Size", "9")):
        assert f"<Name>Photo{name}</Name><Value>{value}</Value>" in told
    assert "Photo" not in write_address_book_answer((BOB,), frozenset()).decode()
    assert wants_photos(frozenset())
    assert wants_photos(frozenset({"photohash", "sn"}))
    assert not wants_photos(frozenset({"sn"}))


def test_the_path_of_a_photo_is_read_as_it_was_written() -> None:
    """Percent-encoding is undone before; what is no such path means nobody."""
    digest = "a" * 32
    for address in ("bob@example.test", "o'neil+x%2f@example.test", "ü.v@example.test"):
        aor = aor_of(address)
        assert read_photo_path(unquote(photo_path(aor, digest))) == (aor, digest)
    for path in ("", "x", f"{digest}.photo", f".{digest}.photo", f"../b@x.{digest}.photo", f"b@x.{digest}.jpg"):
        assert read_photo_path(path) is None
