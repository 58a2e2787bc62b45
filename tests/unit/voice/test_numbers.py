"""Whom a number reaches."""

from dataclasses import replace

import pytest

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.voice.settings import Settings
from tests.kit.directory import person
from tests.kit.hall import FewPeople
from tests.kit.voice import numbers_of

ALICE = person("alice", line="tel:+15550100", private_line="tel:+15550199")
BOB = person("bob", line="tel:+15550100;ext=2")
GONE = person("gone", line="tel:+15550100", enabled=False)

CALLER = Aor("sip:carol@example.com")
PLANS = Settings.model_validate(
    {
        "dial_plans": {
            "default": {"rules": ({"pattern": r"^0(\d{3})$", "translation": "+15550$1"},)},
            "Branch": {"rules": ({"pattern": r"^(\d{4})$", "translation": "+1555$1"},)},
            "hers": {"rules": ({"pattern": r"^9$", "translation": "+15550100"},), "members": ("carol@example.com",)},
        }
    }
)


def reached(uri: str, *people: Person) -> str | None:
    """Give whom a URI reaches among these people."""
    return numbers_of(FewPeople(people or (ALICE, BOB, GONE)), "example.com", PLANS).callee(parse_uri(uri), CALLER)


@pytest.mark.parametrize(
    ("uri", "who"),
    [
        ("sip:+15550100@example.com;user=phone", ALICE),
        ("sip:+1-555-0100@EXAMPLE.com", ALICE),
        ("tel:+1(555)0100", ALICE),
        ("tel:+15550199", ALICE),
        ("sip:+15550100;ext=2@example.com;user=phone", BOB),
        ("sip:+15550100x2@example.com;user=phone", BOB),
        ("sip:0100;phone-context=branch@example.com;user=phone", ALICE),
        ("sip:0100;phone-context=BRANCH;ext=2@example.com;user=phone", BOB),
        ("sip:0100;phone-context=default@example.com;user=phone", ALICE),
        ("sip:9;phone-context=user-default@example.com;user=phone", ALICE),
        ("sip:9;phone-context=example.com@example.com;user=phone", ALICE),
        ("tel:9", ALICE),
        ("sip:W@example.com;user=phone", ALICE),
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


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("tel:+15550142", 4005),
        ("tel:+15550199;ext=1", 4005),
        ("sip:4711@example.com;user=phone", 14010),
        ("sip:0100;phone-context=nowhere@example.com;user=phone", 14010),
        ("sip:alice@example.com;user=phone", 14010),
    ],
)
def test_a_number_that_reaches_nobody_is_said_to_be_so(uri: str, number: int) -> None:
    """404, with the number that clients know: nobody has it, no rule makes one of it, or there is no such dial plan."""
    with pytest.raises(Refused) as refused:
        reached(uri)
    assert refused.value.status == 404
    assert refused.value.diagnostics is not None
    assert refused.value.diagnostics.error_id == number


def test_a_number_that_several_have_rings_none_of_them() -> None:
    """485: guessing between two would be worse."""
    with pytest.raises(Refused) as refused:
        reached("tel:+15550100", ALICE, replace(BOB, line="", private_line="tel:+15550100"))
    assert refused.value.status == 485
    assert refused.value.diagnostics is not None
    assert refused.value.diagnostics.error_id == 4009


@pytest.mark.parametrize(
    "uri",
    ["sip:a_b@example.com;user=phone", "sip:1;ext=x@example.com;user=phone", "sip:1;;x@example.com;user=phone"],
)
def test_what_nobody_could_dial_is_no_number(uri: str) -> None:
    """400."""
    with pytest.raises(RemoteProtocolError):
        reached(uri)
