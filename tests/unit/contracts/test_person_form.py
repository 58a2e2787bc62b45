"""A person as a table of names and values."""

import pytest

from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import Moment, Phone
from lyncpy.contracts.person_form import KEYS, FieldUnusable, read_person, typed
from lyncpy.core.timestamps import moment

DOMAINS = ("example.com",)
WRONG: list[str] = []


def test_a_table_is_a_person() -> None:
    """With all that it says, and nothing else."""
    table = {
        "address": "Nora@example.com",
        "phones": {"work": "+1", "mobile": ["+2", " "]},
        "logins": "nb",
        "until": "2030-01-01T00:00:00Z",
        "must_change_password": True,
        "title": "Po\x00et",
    }
    person = read_person(table, "k", "s", DOMAINS, WRONG.append)
    assert (person.aor, person.key, person.source, person.title) == ("sip:nora@example.com", "k", "s", "Poet")
    assert person.phones == (Phone("work", "+1"), Phone("mobile", "+2"))
    assert (person.logins, person.until) == (("nb",), Moment(1893456000.0, "until"))
    assert person.must_change == Moment(0.0, "must_change_password")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("titel", "x"),
        ("title", 5),
        ("hidden", "yes"),
        ("until", "soon"),
        ("until", 5),
        ("logins", [5]),
        ("phones", {"fax": "+1"}),
        ("phones", "+1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(name: str, value: object) -> None:
    """With what it has to be."""
    with pytest.raises(FieldUnusable, match=name):
        read_person({"address": "nora@example.com", name: value}, "k", "s", DOMAINS, WRONG.append)


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_every_day_can_be_written_down(text: str) -> None:
    """Directories write the last one for "never"."""
    until = read_person({"address": "nora@example.com", "until": text}, "k", "s", DOMAINS, WRONG.append).until
    assert until is not None
    assert moment(until.at)[:4] in ("9999", "1000")


def test_an_address_of_elsewhere_is_only_for_who_is_to_be_found() -> None:
    """And nobody is without one."""
    for table in ({}, {"address": "n@elsewhere.test"}, {"address": "n@elsewhere.test", "enabled": False}):
        with pytest.raises(BadDirectoryEntry):
            read_person(table, "k", "s", DOMAINS, WRONG.append)
    found = read_person({"address": "n@elsewhere.test", "contact": True}, "k", "s", DOMAINS, WRONG.append)
    assert (found.is_contact, found.enabled) == (True, False)


def test_texts_are_read_by_the_kind_of_their_name() -> None:
    """Of each name that a table may have."""
    assert [typed(name, "no") for name in ("hidden", "title")] == [False, "no"]
    assert typed("logins", "a; b;") == ["a", "b"]
    assert {typed(name, "yes") == "yes" for name in KEYS} == {True, False}
    with pytest.raises(FieldUnusable, match="yes or no"):
        typed("hidden", "perhaps")
