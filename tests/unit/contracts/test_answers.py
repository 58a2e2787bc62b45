"""The forms of answers."""

import pytest

from lyncpy.contracts.answers import Field, FieldKind, facts_of, form, name_of
from tests.kit.forms import objections

PEOPLE = form("user enabled:truth since:time? age:number", facts="name phone*", counts="people")


def test_a_form_is_read_from_words() -> None:
    """A name, what stands there, and whether it may be missing or there are several."""
    assert PEOPLE.rows[0] == Field("user", FieldKind.TEXT)
    assert PEOPLE.rows[2] == Field("since", FieldKind.TIME, may_be_null=True)
    assert PEOPLE.facts[1] == Field("phone", FieldKind.TEXT, is_list=True)
    assert [one.words for one in (*PEOPLE.rows[1:3], PEOPLE.facts[1])] == ["truth", "time or null", "a list of text"]


@pytest.mark.parametrize("words", ["User", "a b:colour", "two words:", "up,", "1st"])
def test_what_is_no_field_is_refused(words: str) -> None:
    """No key has blanks or capitals."""
    with pytest.raises(ValueError, match=r"is no field|is not a valid FieldKind"):
        form(words)


def document(**other: object) -> dict[str, object]:
    """Give a document that fits."""
    row = {"user": "alice", "enabled": True, "since": "2026-05-31T12:00:00Z", "age": 7}
    facts = {"name": "Alice", "phone": ["1"]}
    counts = {"rows": 1, "people": 3}
    return {
        "command": "users",
        "ok": True,
        "rows": [row],
        "facts": facts,
        "counts": counts,
        "note": "",
        "error": None,
    } | other


def test_a_document_is_compared_with_the_schema() -> None:
    """One that fits has nothing against it, and each fault is found."""
    schema = PEOPLE.schema("users")
    assert list(objections(schema, document())) == []
    assert list(objections(schema, document(ok=False, facts={}, error={"kind": "failed", "message": "no"}))) == []
    row = {"user": "alice", "enabled": True, "since": None, "age": 7}
    faults = [
        document(command="other"),
        document(rows=[{**row, "since": "2026-05-31 12:00:00 UTC"}]),
        document(rows=[{**row, "enabled": "yes"}]),
        document(rows=[{**row, "more": 1}]),
        document(rows=[{"user": "alice"}]),
        document(facts={"name": "Alice"}),
        document(counts={"people": 3}),
        document(error={"message": "no"}),
        document(note=None),
    ]
    assert all(list(objections(schema, one)) for one in faults)
    assert list(objections(schema, document(rows=[row]))) == []


def test_what_rooms_add_fits_where_it_is_said_so() -> None:
    """The state of a server has more than one room says."""
    open_form = form(facts="version", has_more=True).schema("status")
    facts = {"version": "1", "waiting": 3}
    told = {
        "command": "status",
        "ok": True,
        "rows": [],
        "facts": facts,
        "counts": {"rows": 0},
        "note": "",
        "error": None,
    }
    assert list(objections(open_form, told)) == []


def test_labels_become_names() -> None:
    """Facts that are told several times are a list; what nobody told is there all the same."""
    assert name_of("memory at most, MiB") == "memory_at_most_mib"
    rows = [("Name", "Alice"), ("phone", "1"), ("phone", "2"), ("other", 3)]
    assert facts_of(rows, form(facts="name phone* mail?").facts) == {
        "name": "Alice",
        "phone": ["1", "2"],
        "mail": None,
        "other": 3,
    }
