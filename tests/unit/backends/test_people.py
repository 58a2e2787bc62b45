"""People from a TOML file."""

from datetime import datetime
from pathlib import Path

import pytest

from lyncpy.backends.people import PeopleFile, read_people
from lyncpy.contracts.directory import Moment, Phone, TelephonyMode
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.directory import Inline
from tests.kit.results import result_of

ALICE = """
[alice]
address = "alice@example.com"
display_name = "Alice  Liddell"
department = "Research"
manager = "sips:Bob@example.com:5061"
logins = ["alice", 'CONTOSO\\alice']
phones = { work = "+1 425 555 0100", mobile = ["+1", "+2"] }

[bob]
address = "sip:Bob@example.com"
enabled = false
"""


def test_a_table_is_a_person() -> None:
    """What stands in the table is known about the person."""
    alice, bob = read_people(ALICE.encode(), "people.toml", ("example.com",)).people
    assert (alice.aor, alice.display_name, alice.department, alice.enabled) == (
        "sip:alice@example.com",
        "Alice Liddell",
        "Research",
        True,
    )
    assert (alice.manager, bob.manager) == (bob.aor, "")
    assert alice.logins == ("alice", "CONTOSO\\alice")
    assert alice.phones == (Phone("work", "+1 425 555 0100"), Phone("mobile", "+1"), Phone("mobile", "+2"))
    assert (bob.aor, bob.enabled, bob.source) == ("sip:bob@example.com", False, "people.toml [bob]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[alice]\naddres = 'a@example.com'", r'table \[alice\]: unknown key "addres"; did you mean "address"\?'),
        ("[alice]\nzzz = 1", r'unknown key "zzz"; known are address'),
        ("[alice]\naddress = 7", r'table \[alice\]: key "address" must be text in quotes'),
        ("[alice]\nenabled = 'no'", r'key "enabled" must be true or false'),
        ("[alice]\nlogins = [1]", r'key "logins" must be text or a list'),
        ("[alice]\nphones = { fax = '1' }", r'key "phones" must be a table of work'),
        ("alice = 'a@example.com'", r'key "alice" stands outside a table'),
        ("[alice\n", r"line 1: a \] is missing"),
        ("[alice]\n[alice]\n", r"line 2, \[alice\]: the section stands there twice"),
    ],
)
def test_a_mistake_in_the_file_names_file_table_key_and_remedy(text: str, told: str) -> None:
    """Nothing of a file with a mistake is used; the sentence says where it is."""
    with pytest.raises(DirectoryUnavailable, match=told) as caught:
        read_people(text.encode(), "people.toml", ("example.com",))
    assert "people.toml" in str(caught.value)


def test_a_person_without_a_usable_address_is_skipped_and_the_rest_goes_on() -> None:
    """One bad address keeps nobody else out."""
    text = ALICE + "[carol]\ntitle = 'x'\n[dave]\naddress = 'dave@other.example'\n"
    pull = read_people(text.encode(), "people.toml", ("example.com",))
    assert len(pull.people) == 2
    assert [one.source for one in pull.skipped] == ["people.toml [carol]", "people.toml [dave]"]
    assert 'address = "user@example.com"' in pull.skipped[0].reason


def test_bytes_that_are_no_text_are_told_with_their_place() -> None:
    """A file saved in another encoding says so."""
    with pytest.raises(DirectoryUnavailable, match="line 2: a letter in another code page"):
        read_people(b"# \n\xff", "people.toml", ("example.com",))


def test_the_file_is_read_again_at_each_pull_and_an_unchanged_one_changes_nothing(tmp_path: Path) -> None:
    """An edit counts from the next pull on."""
    path = tmp_path / "people.toml"
    path.write_text(ALICE)
    directory = PeopleFile(path, ("example.com",), Inline())
    first = result_of(directory.pull(""))
    assert first.complete
    again = result_of(directory.pull(first.cookie))
    assert (again.complete, again.people, again.gone) == (False, (), frozenset())
    path.write_text(ALICE.replace("Research", "Sales"))
    assert result_of(directory.pull(first.cookie)).people[0].department == "Sales"


def test_a_domain_more_or_less_has_the_file_read_anew(tmp_path: Path) -> None:
    """Who is of a domain that is not ours any more is skipped, and named."""
    path = tmp_path / "people.toml"
    path.write_text(f'{ALICE}\n[olga]\naddress = "olga@example.org"\n')
    both = result_of(PeopleFile(path, ("example.com", "example.org"), Inline()).pull(""))
    assert {person.aor for person in both.people} == {
        "sip:alice@example.com",
        "sip:bob@example.com",
        "sip:olga@example.org",
    }
    one = result_of(PeopleFile(path, ("example.com",), Inline()).pull(both.cookie))
    assert one.complete
    assert "sip:olga@example.org" not in {person.aor for person in one.people}
    assert [skipped.reason for skipped in one.skipped] == [
        'the address "olga@example.org" is not in the domain "example.com" ([sip] domain)'
    ]


def test_a_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    """The sentence names the file and the setting."""
    with pytest.raises(DirectoryUnavailable, match=r"nobody.toml.*\[directory\] url.*No such file.*make it"):
        result_of(PeopleFile(tmp_path / "nobody.toml", ("example.com",), Inline()).pull(""))


TEAM = """
[[group]]
name = "Engineering"
address = "eng@example.com"
mail = "Eng@example.com"
members = ["alice", "Bob@example.com", "interns"]

[[group]]
name = "Interns"
mail = "Interns@example.org"
members = "zed"
"""


def test_a_group_names_people_and_groups() -> None:
    """By table, address or name; a name that means nobody is told, and the group is used."""
    pull = read_people((ALICE + TEAM).encode(), "people.toml", ("example.com",))
    assert pull.groups is not None
    team, interns = pull.groups
    assert (team.name, str(team.aor)) == ("Engineering", "sip:eng@example.com")
    assert team.members == {"alice", "bob", "group:interns"}
    assert interns.members == frozenset()
    assert (team.mail, interns.mail) == ("", "Interns@example.org")
    assert [(one.source, one.reason) for one in pull.skipped] == [
        ("people.toml [[group]] Interns", 'the group is used, but nobody and no group is called "zed"')
    ]


def test_somebody_may_be_called_group() -> None:
    """A table is a person."""
    pull = read_people(b"[group]\naddress = 'group@example.com'", "people.toml", ("example.com",))
    assert [person.key for person in pull.people] == ["group"]
    assert pull.groups == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[group]]\nnam = 'x'", r'table 1 of \[\[group\]\]: unknown key "nam"; did you mean "name"\?'),
        ("[[group]]\nname = 'x'\nmembers = 3", r'key "members" must be text or a list'),
        ("[[group]]\nname = 'x'\n[[group]]\nname = 'X'", r'two of \[\[group\]\] have the name "X"'),
        ("group = [1]", r"table 1 of \[\[group\]\]: each group is a table"),
    ],
)
def test_a_mistake_in_a_group_is_told_as_one_in_a_person(text: str, told: str) -> None:
    """Nothing of the file is used."""
    with pytest.raises(DirectoryUnavailable, match=told):
        read_people(text.encode(), "people.toml", ("example.com",))


@pytest.mark.parametrize("text", ["[[group]]\nmembers = []", "[[group]]\nname = 'x'\naddress = 'x@elsewhere.test'"])
def test_a_group_of_no_use_is_skipped(text: str) -> None:
    """It is named, and the people are used."""
    pull = read_people((ALICE + text).encode(), "people.toml", ("example.com",))
    assert (len(pull.people), pull.groups, len(pull.skipped)) == (2, (), 1)


@pytest.mark.parametrize(
    ("written", "second"),
    [
        ("2026-12-31", "2027-01-01T00:00:00+00:00"),
        ('"2026-12-31"', "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T18:00:00", "2026-12-31T18:00:00+00:00"),
        ("2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00+00:00"),
    ],
)
def test_somebodys_time_may_end(written: str, second: str) -> None:
    """A day counts to its end; without a zone it is UTC."""
    pull = read_people(f'[alice]\naddress = "alice@example.com"\nuntil = {written}\n'.encode(), "f", ("example.com",))
    assert pull.people[0].until == Moment(datetime.fromisoformat(second).timestamp(), "until")


def test_a_day_that_is_none_is_told() -> None:
    """With the key and what it should be."""
    with pytest.raises(DirectoryUnavailable, match='key "until" must be a day or a time'):
        read_people(b'[alice]\naddress = "alice@example.com"\nuntil = "soon"\n', "f", ("example.com",))


def test_somebody_may_have_to_change_the_password() -> None:
    """And who is switched off is so by a key that has a name."""
    text = b'[a]\naddress = "a@example.com"\nmust_change_password = true\n[b]\naddress = "b@example.com"\nenabled = false\n'
    first, second = read_people(text, "f", ("example.com",)).people
    assert first.must_change == Moment(0.0, "must_change_password")
    assert (second.enabled, second.barred) == (False, "enabled = false")


def test_a_contact_is_only_there_to_be_found() -> None:
    """Of any domain; a person may be hidden, and have more mail addresses."""
    text = "[ann]\naddress = 'ann@fabrikam.test'\ncontact = true\n[bob]\naddress = 'bob@example.com'\nhidden = true\nother_mails = 'b@x.test'\n"
    ann, bob = read_people(text.encode(), "people.toml", ("example.com",)).people
    assert (ann.aor, ann.is_contact, ann.enabled, ann.barred) == (
        "sip:ann@fabrikam.test",
        True,
        False,
        "contact = true",
    )
    assert (bob.hidden, bob.is_contact, bob.enabled, bob.other_mails) == (True, False, True, ("b@x.test",))


def test_people_have_numbers() -> None:
    """A line in any spelling, a private one, and how they are used; what is no number is left out and named."""
    text = (
        '[a]\naddress = "a@example.com"\nline = "+1 425 555 0100"\nprivate_line = "tel:+14255550101;ext=7"\n'
        'telephony = "dual"\n[b]\naddress = "b@example.com"\nline = "4711"\n'
    )
    pull = read_people(text.encode(), "people.toml", ("example.com",))
    first, second = pull.people
    assert (first.line, first.private_line) == ("tel:+14255550100", "tel:+14255550101;ext=7")
    assert first.telephony_mode is TelephonyMode.DUAL
    assert second.line == ""
    (skipped,) = pull.skipped
    assert (skipped.keeps, skipped.source, "4711" in skipped.reason) == (True, "people.toml [b]", True)
