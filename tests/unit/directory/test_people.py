"""Finding people by address and by login."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from pytest import MonkeyPatch

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.workloads.directory.people import People, SharedNumber
from tests.kit.directory import person
from tests.kit.holdings import held

ALICE = person("alice", logins=("ALiddell", "CONTOSO\\aliddell", "alice@corp.example"))
BOB = person("bob", logins=("bobby",))


@pytest.fixture
def people() -> People:
    """Alice with several logins, Bob with one."""
    people = People()
    people.put_person(ALICE)
    people.put_person(BOB)
    return people


@pytest.mark.parametrize(
    ("domain", "user"),
    [
        ("", "alice@example.com"),
        ("", "sip:Alice@example.com"),
        ("example.com", "alice"),
        ("", "aliddell"),
        ("contoso", "ALIDDELL"),
        ("", "CONTOSO\\aliddell"),
        ("WORKGROUP", "aliddell"),
        ("", "alice@corp.example"),
        ("corp.example", "alice"),
        ("", "alice"),
        ("ANY", "alice"),
    ],
)
def test_every_way_to_name_alice_finds_her(people: People, domain: str, user: str) -> None:
    """Address, UPN, account name with and without domain, in any case."""
    assert people.by_login(domain, user) == ALICE


@pytest.mark.parametrize(("domain", "user"), [("", ""), ("", "mallory"), ("", "alice@other.example"), ("x", "@")])
def test_nobody_is_found_by_another_name(people: People, domain: str, user: str) -> None:
    """What nobody is called signs in nobody."""
    assert people.by_login(domain, user) is None


def test_a_login_of_two_people_signs_in_neither_and_is_named(people: People) -> None:
    """Guessing between two would be worse than refusing both; their addresses still work."""
    carol = person("carol", logins=("BOBBY", "FABRIKAM\\bobby"))
    people.put_person(carol)
    assert people.by_login("", "bobby") is None
    assert people.by_login("FABRIKAM", "bobby") == carol
    assert [(one.login, one.people) for one in people.ambiguous()] == [("bobby", (BOB.aor, carol.aor))]


def test_a_login_counts_more_than_part_of_an_address(people: People) -> None:
    """Carol's own login is hers, also when Bob's address begins with it."""
    carol = person("carol", logins=("bob",))
    people.put_person(carol)
    assert people.by_login("", "bob") == carol


def test_people_are_found_by_their_numbers(people: People) -> None:
    """By the line and by the private one; several who have the same number are all there, and who changes it is no more."""
    people.put_person(replace(ALICE, line="tel:+1", private_line="tel:+2"))
    people.put_person(replace(BOB, line="tel:+2"))
    assert [one.aor for one in people.by_number("tel:+1")] == [ALICE.aor]
    assert [one.aor for one in people.by_number("tel:+2")] == [ALICE.aor, BOB.aor]
    assert people.shared_numbers() == (SharedNumber("tel:+2", (ALICE.aor, BOB.aor)),)
    people.put_person(replace(ALICE, line="tel:+3"))
    assert people.by_number("tel:+1") == []
    assert [one.aor for one in people.by_number("tel:+2")] == [BOB.aor]
    assert people.shared_numbers() == ()


def test_a_person_who_is_dropped_leaves_nothing_behind(people: People) -> None:
    """Neither address nor login finds him, and the index does not grow."""
    people.drop(ALICE.aor)
    people.drop(ALICE.aor)
    assert people.person(ALICE.aor) is None
    assert people.by_login("CONTOSO", "aliddell") is None
    assert people.everybody() == (BOB,)
    people.drop(BOB.aor)
    assert people.everybody() == ()
    assert held(people) == {}


def test_the_nearest_address_is_suggested(people: People) -> None:
    """A typing mistake is recognised."""
    assert people.near(Aor("sip:alcie@example.com"))[0] == "alice@example.com"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("alcie@example.com", "alice@example.com"),
        ("alce@example.com", "alice@example.com"),
        ("aliice@example.com", "alice@example.com"),
        ("slice@example.com", "alice@example.com"),
        ("alice@exampel.com", "alice@example.com"),
        ("alicee@example.co", "alice@example.com"),
        ("nobody-at-all@elsewhere.org", None),
    ],
)
def test_slips_of_a_finger_are_recognised_among_many(asked: str, meant: str | None) -> None:
    """A letter wrong, missing, too many, exchanged; another domain. Not everybody is compared."""
    people = People()
    people.put_person(person("alice"))
    for number in range(3_000):
        people.put_person(person(f"zz{number:06}"))
    compared = list[int]()
    matches = difflib.get_close_matches

    def counted(word: str, among: Sequence[str], *more: Any) -> list[str]:
        compared.append(len(among))
        return matches(word, among, *more)

    with MonkeyPatch.context() as patch:
        patch.setattr(difflib, "get_close_matches", counted)
        assert next(iter(people.near(aor_of(asked))), None) == meant
    assert max(compared) < 200


@pytest.mark.untraced
def test_everybody_is_in_order_whoever_comes_and_goes() -> None:
    """Few changes are put in their places, many are sorted."""
    people, random = People(), Random(1)
    for _ in range(60):
        for _ in range(random.choice((1, 3, 300))):
            name = f"p{random.randrange(500):03}"
            if random.random() < 0.6:
                people.put_person(person(name, logins=(name, f"l{random.randrange(300)}")))
            else:
                people.drop(aor_of(f"{name}@example.com"))
        assert [one.aor for one in people.everybody()] == sorted(people.table())
        assert set(people.everybody()) == set(people.table().values())
        logins = Counter(login for one in people.everybody() for login in one.logins)
        assert [one.login for one in people.ambiguous()] == sorted(login for login, many in logins.items() if many > 1)
