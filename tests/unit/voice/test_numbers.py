"""Whom a number reaches."""

from dataclasses import replace

import pytest

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.voice.numbers import Numbers
from tests.kit.directory import person
from tests.kit.hall import FewPeople

ALICE = person("alice", line="tel:+15550100", private_line="tel:+15550199")
BOB = person("bob", line="tel:+15550100;ext=2")
GONE = person("gone", line="tel:+15550100", enabled=False)


def reached(uri: str, *people: Person) -> str | None:
    """Give whom a URI reaches among these people."""
    return Numbers(FewPeople(people or (ALICE, BOB, GONE)), ["example.com"]).callee(parse_uri(uri))


@pytest.mark.parametrize(
    ("uri", "who"),
    [
        ("sip:+15550100@example.com;user=phone", ALICE),
        ("sip:+1-555-0100@EXAMPLE.com", ALICE),
        ("tel:+1(555)0100", ALICE),
        ("tel:+15550199", ALICE),
        ("sip:+15550100;ext=2@example.com;user=phone", BOB),
    ],
)
def test_a_number_reaches_who_has_it(uri: str, who: Person) -> None:
    """In each spelling; a private line too, and nobody who is switched off."""
    assert reached(uri) == who.aor


@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice@example.com",
        "sip:+15550100@elsewhere.example;user=phone",
        "sip:+15550100@example.com;gruu;opaque=user:epid:x",
        "sip:4711@example.com",
    ],
)
def test_other_uris_name_somebody_by_address(uri: str) -> None:
    """Addresses, devices, and what is another domain's."""
    assert reached(uri) is None


def test_an_address_of_digits_is_its_holder_s() -> None:
    """Unless the caller says that a number is meant."""
    odd = replace(ALICE, aor=Aor("sip:+15550100@example.com"), line="tel:+1")
    assert reached("sip:+15550100@example.com", odd, BOB) is None
    with pytest.raises(Refused):
        reached("sip:+15550100@example.com;user=phone", odd, BOB)


@pytest.mark.parametrize("uri", ["tel:+15550142", "sip:4711@example.com;user=phone", "tel:+15550199;ext=1"])
def test_a_number_that_nobody_has_is_said_to_be_so(uri: str) -> None:
    """404, with the number that clients know."""
    with pytest.raises(Refused) as refused:
        reached(uri)
    assert refused.value.status == 404
    assert refused.value.diagnostics is not None
    assert refused.value.diagnostics.error_id == 4005


def test_a_number_that_several_have_rings_none_of_them() -> None:
    """485: guessing between two would be worse."""
    with pytest.raises(Refused) as refused:
        reached("tel:+15550100", ALICE, replace(BOB, line="", private_line="tel:+15550100"))
    assert refused.value.status == 485
    assert refused.value.diagnostics is not None
    assert refused.value.diagnostics.error_id == 4009


def test_what_says_that_it_is_a_number_has_to_be_one() -> None:
    """400, and not somebody of that name."""
    with pytest.raises(RemoteProtocolError):
        reached("sip:alice@example.com;user=phone")
