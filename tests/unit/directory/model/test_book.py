"""Who is found in the address book by what is typed, and how it follows what changes."""

from dataclasses import replace
from itertools import islice

import pytest

from lyncpy.contracts.directory import Group, Person, Phone, SearchCondition
from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.workloads.directory.model import book as module
from lyncpy.workloads.directory.model.book import Book, BookForm
from lyncpy.workloads.directory.model.forms import GROUPS, PEOPLE, is_listed
from lyncpy.workloads.directory.model.query import Query, query_of_conditions, query_of_text
from tests.kit.costs import cpu

ANN = Person(
    Aor("sip:ann.smith@example.com"),
    "1",
    display_name="Smith, Ann",
    given_name="Ann",
    surname="Smith",
    mail="a.smith@mail.example.com",
    title="Senior Engineer",
    company="Contoso",
    department="Research & Development",
    office="B 2.17",
    phones=(Phone("work", "+49 (0)89 123-4567"), Phone("mobile", "+49 171 765 4321")),
    line="tel:+498912399;ext=899",
)
JOSE = Person(Aor("sip:jose@example.com"), "2", display_name="José María Núñez-O'Brien")
GONE = Person(Aor("sip:ann.gone@example.com"), "3", enabled=False, display_name="Ann Gone")


class Office:
    """A book of people."""

    def __init__(self, *people: Person) -> None:
        self.people = {person.aor: person for person in people}
        self.looked = 0
        self.book: Book[Person] = Book(BookForm(PEOPLE, self._person, is_listed))
        self.renew()

    def _person(self, key: str) -> Person | None:
        self.looked += 1
        return self.people.get(kept_aor(key))

    def renew(self) -> None:
        """Make the index."""
        for _ in self.book.renewing(tuple(self.people.values())):
            pass

    def puts(self, person: Person) -> None:
        """Add or change somebody."""
        self.people[person.aor] = person
        self.book.note(person.aor)

    def drops(self, person: Person) -> None:
        """Remove somebody."""
        del self.people[person.aor]
        self.book.note(person.aor)

    def finds(self, text: str) -> list[str]:
        """Search; give the parts of addresses before the @."""
        return self._names(query_of_text(text))

    def fits(self, **form: str) -> list[str]:
        """Search as a form does."""
        return self._names(query_of_conditions([SearchCondition(*one) for one in form.items()]))

    def _names(self, query: Query) -> list[str]:
        return [one.aor[4:].partition("@")[0] for one in islice(self.book.find(query), 5)]


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "smith ann",
        "Ann Smith",
        "smi an",
        "ÄNN",
        "ann.smith",
        "ann.smith@example.com",
        "sip:ann.smith@exa",
        "smith@example",
        "<ann.smith@example.com>",
        "mailto:a.smith@mail",
        "research",
        "development smith",
        "senior eng",
        "contoso ann",
        "2.17",
        "+49 89 1234567",
        "089 123 45",
        "0049 (89) 123",
        "4567",
        "ann 4567",
        "0171 765",
        "899",
        "tel:+498912399",
        "ann*",
        "smith, ann",
    ],
)
def test_people_are_found_as_one_types_them(text: str) -> None:
    """By name in any order and part, address, mail, department and the rest; phones by their beginning or end."""
    assert Office(ANN, JOSE, GONE).finds(text) == ["ann.smith"]


@pytest.mark.parametrize("text", ["jose", "nunez", "maria nun", "obrien", "o'brien", "brien", "O’Brien José", "NÚÑ"])
def test_accents_and_apostrophes_need_not_be_typed(text: str) -> None:
    """Also of people of whom nothing but the name that is shown is known."""
    assert Office(ANN, JOSE).finds(text) == ["jose"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "%",
        "@",
        "@example.com",
        "gone",
        "nn",
        "ann zed",
        "12",
        "ann@elsewhere",
        "sm@example.com",
        "000000",
        "\x00",
    ],
)
def test_nobody_else_is_found(text: str) -> None:
    """Nobody asks for everybody, and who is switched off is not found."""
    assert Office(ANN, JOSE, GONE).finds(text) == []


def test_hidden_people_are_not_found_and_contacts_are() -> None:
    """Contacts have no account here; they are found by any mail address."""
    contact = replace(JOSE, enabled=False, is_contact=True, other_mails=("pepe@fabrikam.test",))
    office = Office(replace(ANN, hidden=True), contact)
    assert (office.finds("ann"), office.finds("jose"), office.finds("pepe@fab")) == ([], ["jose"], ["jose"])
    office.puts(replace(contact, hidden=True))
    assert office.finds("jose") == []


@pytest.mark.parametrize("conditions", [[], [("givenName", " * ")]])
def test_a_form_that_nobody_has_filled_in_finds_nobody(conditions: list[tuple[str, str]]) -> None:
    """Nobody asks for everybody."""
    query = query_of_conditions([SearchCondition(*one) for one in conditions])
    assert list(Office(ANN).book.find(query)) == []


def test_what_has_changed_is_found_among_the_others() -> None:
    """At once, in the order of names; by what it was it is not found any more."""
    people = [Person(Aor(f"sip:{n}@example.com"), n, display_name=f"Person {n}") for n in "bdf"]
    office = Office(*people)
    for n in "age":
        office.puts(Person(Aor(f"sip:{n}@example.com"), n, display_name=f"Person {n}"))
    assert office.finds("person") == list("abdef")
    office.puts(replace(people[1], display_name="Somebody"))
    assert office.finds("person") == list("abefg")
    assert office.finds("some") == ["d"]
    office.drops(people[0])
    assert office.finds("person") == list("aefg")
    office.puts(replace(people[2], enabled=False))
    assert office.finds("person") == list("aeg")
    before = office.book.changes
    office.renew()
    assert (before, office.book.changes, len(office.book)) == (6, 0, 4)
    assert office.finds("person") == list("aeg")


def test_what_changes_while_an_index_is_made_is_not_lost() -> None:
    """The old one counts until the new one is there."""
    office = Office(ANN)
    work = office.book.renewing(tuple(office.people.values()))
    next(work)
    office.puts(JOSE)
    assert office.finds("jose") == ["jose"]
    office.drops(ANN)
    assert office.finds("ann") == []
    for _ in work:
        pass
    assert office.finds("jose") == ["jose"]
    assert office.finds("ann") == []
    assert office.book.changes == 2


def test_what_is_beside_the_index_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that people are found by what they were, until the index is made anew; who is gone is not."""
    monkeypatch.setattr(module, "BESIDE_MOST", 1)
    office = Office(ANN, JOSE)
    assert not office.book.is_behind
    office.puts(replace(ANN, display_name="Smith, Anna"))
    assert office.book.is_behind
    office.puts(replace(JOSE, display_name="Pepe"))
    assert (office.finds("anna"), office.finds("pepe"), office.finds("jose")) == (["ann.smith"], [], ["jose"])
    office.drops(JOSE)
    assert office.finds("jose") == []


def test_groups_are_found_by_name_and_address() -> None:
    """A group has no more."""
    groups = {
        one.key: one for one in (Group("1", "Sales Team", Aor("sip:sell@example.com")), Group("2", "Sales North"))
    }
    book: Book[Group] = Book(BookForm(GROUPS, groups.get, lambda _: True))
    for _ in book.renewing(tuple(groups.values())):
        pass

    def found(text: str) -> list[str]:
        return [group.name for group in book.find(query_of_text(text))]

    assert found("sales") == ["Sales North", "Sales Team"]
    assert found("team sal") == ["Sales Team"]
    assert found("sell") == ["Sales Team"]
    assert found("sell@example.com") == ["Sales Team"]
    assert book.bytes_used() > 0


def test_the_first_are_given_without_the_others() -> None:
    """Whoever wants a few does not wait for all."""
    office = Office(*(Person(Aor(f"sip:p{n:04}@example.com"), str(n), display_name=f"P {n:04}") for n in range(600)))
    first = islice(office.book.find(query_of_text("p")), 3)
    assert [one.display_name for one in first] == ["P 0000", "P 0001", "P 0002"]


@pytest.mark.parametrize(
    "text",
    [
        "ann.smith@exa",
        "smith@example.com",
        ".smith@example.com",
        "ann @example.com",
        "sip:ann.smith@",
        "SMITH@mail.exa",
    ],
)
def test_an_address_is_found_from_any_word_of_it_on(text: str) -> None:
    """With the domain, or the beginning of it; in the order in which it is spelt."""
    assert Office(ANN, JOSE).finds(text) == ["ann.smith"]


@pytest.mark.parametrize(
    "text", ["smith.ann@example.com", "an@example.com", "ann@example.com", "jose @mail.example.com"]
)
def test_an_address_that_is_spelt_otherwise_is_not_found(text: str) -> None:
    """The same words are not enough."""
    assert Office(ANN, JOSE).finds(text) == []


def test_a_form_has_the_beginning_of_an_address() -> None:
    """Of the whole one; the same one stands first."""
    office = Office(ANN, replace(ANN, aor=Aor("sip:other@example.com"), mail="a.smith@mail"))
    assert office.fits(mail="a.smith@mail") == ["other", "ann.smith"]
    assert office.fits(mail="a.smith@mail.") == office.fits(mail="sip:a.smith@MAIL.*") == ["ann.smith"]
    assert office.fits(mail="smith@mail") == office.fits(mail="@mail") == office.fits(mail="smith") == []
    assert office.fits(mail="a", title="senior") == ["ann.smith", "other"]


def test_addresses_of_any_bytes_are_taken_up() -> None:
    """A directory has them that are no UTF-8, without an @, and longer than anybody types."""
    long = "x" * 300
    office = Office(replace(ANN, mail="m\udcfc.ller@example.com", other_mails=("nowhere.else", f"{long}@example.com")))
    for text in ("m.ller@exa", "ller@example", f"{long}@example.com"):
        assert office.finds(text) == ["ann.smith"], text
    assert office.fits(mail="nowhere.e") == office.fits(mail="m") == ["ann.smith"]


def many(count: int) -> list[Person]:
    """People whose addresses have the same words, nearly."""
    return [
        Person(
            Aor(f"sip:u.{n}.v@x.test"), str(n), display_name=f"Smith {n}", surname="Smith", mail=f"u.{n}.v@mail.x.test"
        )
        for n in range(count)
    ]


@pytest.mark.untraced
@pytest.mark.parametrize(
    "text", ["u@nosuch", "u@x.test", "u.v@x.test", "v.u@x.test", "smith u@x", "1.v@nosuch", "v@mail.x.tes smith zzz"]
)
def test_a_search_that_finds_nobody_looks_at_nobody(text: str) -> None:
    """However many have the words, in another order or behind another @."""
    office = Office(*many(2_000))
    office.looked = 0
    assert office.finds(text) == []
    assert office.looked == 0


@pytest.mark.untraced
@pytest.mark.parametrize("value", ["u", "u.1", "v@x.test", "u.1.v@x", "u.1.v@mail.x.test"])
def test_a_form_looks_at_those_alone_whom_it_finds(value: str) -> None:
    """Also where it is compared with the whole address first."""
    office = Office(*many(2_000))
    office.looked = 0
    found = office.fits(mail=value)
    assert office.looked == len(found) <= 5


def test_who_is_not_listed_costs_nothing() -> None:
    """Two thousand former people of one name; one who comes back is found."""
    office = Office(*(replace(one, enabled=False) for one in many(2_000)))
    office.looked = 0
    assert (office.finds("smith"), office.looked, len(office.book)) == ([], 0, 0)
    office.puts(many(8)[7])
    assert office.finds("smith") == ["u.7.v"]


def test_while_very_many_are_switched_off_a_search_looks_at_some() -> None:
    """Until the index is made anew, which is soon."""
    office = Office(*many(6 * module.REFUSED_MOST))
    for one in many(6 * module.REFUSED_MOST - 1):
        office.puts(replace(one, enabled=False))
    office.looked = 0
    assert office.finds("smith") == []
    assert office.looked <= 3 * module.REFUSED_MOST
    office.renew()
    assert office.finds("smith") == [f"u.{6 * module.REFUSED_MOST - 1}.v"]


def test_what_changed_again_beside_a_full_book_is_found_as_it_is() -> None:
    """Whose words are kept beside the index has them kept up to date, however many more have changed."""
    office = Office(*many(2 * module.BESIDE_MOST))
    for one in many(2 * module.BESIDE_MOST):
        office.puts(replace(one, display_name="Jones", surname=""))
    assert office.book.is_behind
    office.puts(replace(many(1)[0], display_name="Brown"))
    assert (office.finds("brown"), len(office.finds("jones"))) == (["u.0.v"], 5)


def test_what_a_large_pull_changes_while_an_index_is_made_is_taken_up_in_pieces() -> None:
    """However much has changed meanwhile: between two pieces others have their turn, and what comes then is not lost."""
    office = Office(*many(20))
    work = office.book.renewing(tuple(office.people.values()))
    next(work)
    for one in many(3 * module.BESIDE_MOST):
        office.puts(replace(one, display_name="Jones", surname=""))
    looked: list[int] = []
    office.looked = 0
    ended = False
    while not ended:
        ended = next(work, None) is None
        looked.append(office.looked)
        if len(looked) == 40:
            office.puts(replace(many(1)[0], display_name="Brown"))
        office.looked = 0
    assert max(looked) <= module.CHANGED_PIECE
    assert office.book.is_behind
    assert (office.finds("brown"), len(office.finds("jones"))) == (["u.0.v"], 5)


def test_a_search_does_not_look_through_what_only_waits_for_the_index() -> None:
    """A hundred thousand who have changed cost a question no more than a thousand."""
    office = Office(*many(10))
    for one in many(module.BESIDE_MOST):
        office.puts(one)
    few = cpu(lambda: office.finds("jones"), 5)
    for number in range(100_000):
        office.book.note(f"sip:other{number}@x.test")
    assert office.book.changes == 100_000 + module.BESIDE_MOST
    many_more = cpu(lambda: office.finds("jones"), 5)
    assert many_more < 4 * few
