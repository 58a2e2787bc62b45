"""Telephone numbers: what they say, and which are the same."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import TelephoneNumber, number_in, parse_line, parse_number
from lyncpy.sip.uri import parse_uri


def tel(text: str) -> TelephoneNumber:
    """Read a tel URI."""
    scheme, _, number = text.partition(":")
    return parse_number(number if scheme.lower() == "tel" else text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        ("TEL:+1(201)555.0123", "tel:+12015550123"),
        ("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.com"),
        ("tel:7042;phone-context=Example.COM.", "tel:7042;phone-context=example.com"),
        ("tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555"),
        ("tel:+14255550100;ext=1-00", "tel:+14255550100;ext=100"),
        ("tel:*a1#;phone-context=x", "tel:*A1#;phone-context=x"),
        ("tel:+1;Vnd.x=1".replace(".", "-"), "tel:+1;vnd-x=1"),
        ("tel:+1;b;a=Z;ext=5", "tel:+1;ext=5;a=z;b"),
        ("tel:5;phone-context=US-Redmond_(2)", "tel:5;phone-context=us-redmond_(2)"),
    ],
)
def test_a_number_has_one_normal_form(text: str, normal: str) -> None:
    """Separators say nothing, parameters stand in order, and letters have one case (RFC 3966 §5)."""
    assert tel(text).uri == normal
    assert tel(normal) == tel(text)


@pytest.mark.parametrize(
    "text",
    [
        "tel:",
        "tel:+",
        "sip:+1",
        "tel:12x",
        "tel:+1A",
        "tel:1;ext=x",
        "tel:1;phone-context=a;phone-context=b",
        "tel:1;phone-context=-",
        "tel:+1;phone-context=x",
        "tel:1;=5",
        "tel:1;a=é",
        "tel:1;ext=" + "1" * 41,
        "tel:" + "1" * 41,
        "tel:1;a=" + "1" * 300,
        "tel:1;;ext=1",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    """Garbled numbers are said to be so, and never guessed at."""
    with pytest.raises(RemoteProtocolError):
        tel(text)


def test_an_extension_makes_another_number() -> None:
    """The switchboard's number is not that of somebody behind it."""
    assert tel("tel:+14255550100") != tel("tel:+14255550100;ext=100")
    assert tel("tel:+14255550100").is_global
    assert not tel("tel:100;phone-context=x").is_global
    assert str(TelephoneNumber("+1", "5")) == "+1;ext=5"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("sip:+15550100@example.com;user=phone", "+15550100"),
        ("sip:%2B1555-0100@example.com;user=PHONE", "+15550100"),
        ("sip:+15550100;ext=12@example.com;user=phone", "+15550100;ext=12"),
        ("sip:5550100;phone-context=office@example.com;user=phone", "5550100;phone-context=office"),
        ("sip:+15550100@example.com", "+15550100"),
        ("sip:+15550100;ext=1@example.com", "+15550100;ext=1"),
        ("tel:5550100;phone-context=office", "5550100;phone-context=office"),
        ("tel:+1;isub=1;x", "+1;isub=1;x"),
    ],
)
def test_a_uri_names_a_number(text: str, number: str) -> None:
    """As clients write them: with `user=phone`, as a tel URI, or with + before the @."""
    assert str(number_in(parse_uri(text))) == number


@pytest.mark.parametrize("text", ["sip:alice@example.com", "sip:5550100@example.com", "sip:example.com", "sip:+@a"])
def test_an_address_is_no_number(text: str) -> None:
    """Somebody may have an address of digits; who means a number says so."""
    assert number_in(parse_uri(text)) is None


def test_who_says_number_has_to_give_one() -> None:
    """`user=phone` with a name before the @ is refused."""
    with pytest.raises(RemoteProtocolError, match="telephone number"):
        number_in(parse_uri("sip:alice@example.com;user=phone"))


@pytest.mark.parametrize(
    "text", ["+1 425 555 0100", "tel:+14255550100", "Tel: +1 (425) 555-0100", "+1\u00a0425 5550100"]
)
def test_operators_write_lines_as_they_like(text: str) -> None:
    """A line is a global number, however it is written."""
    assert parse_line(text) == TelephoneNumber("+14255550100")


@pytest.mark.parametrize("text", ["tel:100", "sip:a@b", "", "tel:+1;x=1", "425 555 0100"])
def test_a_line_means_the_same_everywhere(text: str) -> None:
    """What is no number, or one of some place only, is nobody's line."""
    with pytest.raises(RemoteProtocolError):
        parse_line(text)


def test_an_empty_number_is_none() -> None:
    """There is nothing to dial."""
    with pytest.raises(RemoteProtocolError):
        parse_number("")
