"""How endpoints are named and what a registration is granted."""

import pytest

from lyncpy.contracts.names import Aor, Epid, Instance
from lyncpy.workloads.registrar import model

TERMS = model.RegistrationTerms(default_s=7200, minimum_s=300, maximum_s=28800)


def test_an_instance_is_derived_from_the_epid() -> None:
    """The documented example: epid 01010101."""
    assert model.derived_instance(Epid("01010101")) == "4b1682a8-f968-5701-83fc-7c6741dc6697"


def test_a_gruu_carries_the_instance() -> None:
    """The documented example: its token is base64 of the GUID and two zero bytes."""
    gruu = model.gruu_of(Aor("sip:user@cosmo.local"), Instance("4b1682a8-f968-5701-83fc-7c6741dc6697"))
    assert gruu == "sip:user@cosmo.local;opaque=user:epid:qIIWS2j5AVeD_HxnQdxmlwAA;gruu"


@pytest.mark.parametrize(("requested", "granted"), [(None, 7200), (60, 300), (600, 600), (99999, 28800)])
def test_a_lifetime_stays_within_its_bounds(requested: int | None, granted: int) -> None:
    """A client gets what it asks for, within what the server allows."""
    assert model.granted(requested, TERMS) == granted
    # The keys end before, and then the client has to come.
    assert model.granted(requested, TERMS, 200.5) == 200
    assert model.granted(requested, TERMS, -1.0) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Alice Adler", '"Alice Adler"<sip:a@x>;tag=1;epid=e'),
        ('Al "Ace" \\ B', '"Al \\"Ace\\" \\\\ B"<sip:a@x>;tag=1;epid=e'),
        ("Al\r\nVia: evil", '"Al Via: evil"<sip:a@x>;tag=1;epid=e'),
        ("", "<sip:a@x>;tag=1;epid=e"),
    ],
)
def test_a_display_name_cannot_break_its_header(name: str, value: str) -> None:
    """A directory's text is quoted, and a line end is a blank."""
    assert model.display(name, Aor("sip:a@x"), "1", "e") == value


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("sip:10.0.0.7:5061", "sip:192.0.2.9:40000;ms-received-cid=1A00"),
        (
            "sip:10.0.0.7;transport=tls;ms-opaque=ab12",
            "sip:192.0.2.9:40000;transport=tls;ms-opaque=ab12;ms-received-cid=1A00",
        ),
        ("sips:anne@10.0.0.7", "sips:anne@192.0.2.9:40000;ms-received-cid=1A00"),
        ("sip:10.0.0.7;ms-received-cid=0", "sip:192.0.2.9:40000;ms-received-cid=1A00"),
        ("tel:+15551234", "tel:+15551234"),
    ],
)
def test_a_contact_is_put_where_its_connection_comes_from(written: str, seen: str) -> None:
    """All else that the client wrote stays; a telephone number has no place (RFC 3966)."""
    assert model.replaced(written, "192.0.2.9", 40000, "1A00") == seen


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    """Spec: RFC 3261 §25.1, IPv6reference."""
    assert model.replaced("sip:10.0.0.7", "2001:db8::9", 5061, "1A00") == "sip:[2001:db8::9]:5061;ms-received-cid=1A00"
