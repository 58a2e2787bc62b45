"""How endpoints are named and what a registration is granted."""

import pytest

from lyncpy.contracts.names import Aor, Epid, Instance
from lyncpy.workloads.registrar import model

TERMS = model.Terms(default_s=7200, minimum_s=300, maximum_s=28800)


def test_an_instance_is_derived_from_the_epid() -> None:
    """The documented example: epid 01010101."""
    assert model.derived_instance(Epid("01010101")) == "4b1682a8-f968-5701-83fc-7c6741dc6697"


def test_a_gruu_carries_the_instance() -> None:
    """The documented example: its token is base64 of the GUID and two zero bytes."""
    gruu = model.gruu_of(Aor("sip:user@cosmo.local"), Instance("4b1682a8-f968-5701-83fc-7c6741dc6697"))
    assert gruu == "sip:user@cosmo.local;opaque=user:epid:qIIWS2j5AVeD_HxnQdxmlwAA;gruu"


@pytest.mark.parametrize(("wish", "granted"), [(None, 7200), (60, 300), (600, 600), (99999, 28800)])
def test_a_lifetime_stays_within_its_bounds(wish: int | None, granted: int) -> None:
    """A client gets what it asks for, within what the server allows."""
    assert model.granted(wish, TERMS) == granted


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
