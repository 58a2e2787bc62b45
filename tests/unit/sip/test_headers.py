"""Typed views over header text."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import (
    CSeq,
    NameAddr,
    Via,
    parse_auth,
    parse_contact_list,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_via,
)


@pytest.mark.parametrize(
    ("text", "via"),
    [
        (
            "SIP/2.0/tls 10.0.0.1:46844;branch=z9hG4bK56;ms-received-port=1",
            Via("SIP", "2.0", "TLS", "10.0.0.1", 46844, {"branch": "z9hG4bK56", "ms-received-port": "1"}),
        ),
        ("SIP/2.0/TCP [::1]", Via("SIP", "2.0", "TCP", "[::1]", None)),
        ("SIP / 2.0 /UDP   my_pc : 5060 ; rport", Via("SIP", "2.0", "UDP", "my_pc", 5060, {"rport": ""})),
    ],
)
def test_a_via_is_read(text: str, via: Via) -> None:
    """Lower-case transports, blanks and underscores are fine."""
    assert parse_via(text) == via


def test_a_via_may_lack_its_branch() -> None:
    """Real clients send none within dialogs."""
    assert parse_via("SIP/2.0/TLS a").branch is None
    assert parse_via("SIP/2.0/TLS a;branch=b").branch == "b"


@pytest.mark.parametrize("text", ["", "SIP/2.0/TLS", "SIP/2.0 a", "a", "SIP/2.0/TLS a b", "SIP/2.0/TLS a:b;x"])
def test_a_broken_via_is_refused(text: str) -> None:
    """A Via without a place to answer to says nothing."""
    with pytest.raises(RemoteProtocolError):
        parse_via(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<sip:a@b>;tag=5;epid=ab", NameAddr("", "sip:a@b", {"tag": "5", "epid": "ab"})),
        ("sip:a@b;tag=5", NameAddr("", "sip:a@b", {"tag": "5"})),
        ("sip:a@b ; tag = 5", NameAddr("", "sip:a@b", {"tag": "5"})),
        ('"J \\"R\\" <x>" <sip:a@b;x?y>', NameAddr('J "R" <x>', "sip:a@b;x?y")),
        ('"J"<sip:a@b>', NameAddr("J", "sip:a@b")),
        ("caller<sip:a@b>", NameAddr("caller", "sip:a@b")),
        ("Zoë, Müller <sip:a@b>;x", NameAddr("Zoë, Müller", "sip:a@b", {"x": ""})),
        ("Z\udce9 < sip:a@b > ;tag=1", NameAddr("Z\udce9", "sip:a@b", {"tag": "1"})),
        ("*", NameAddr("", "*")),
        (
            '<sip:a@b>;+sip.instance="<urn:uuid:1>";proxy=replace',
            NameAddr("", "sip:a@b", {"+sip.instance": "<urn:uuid:1>", "proxy": "replace"}),
        ),
    ],
)
def test_an_address_is_read(text: str, address: NameAddr) -> None:
    """Display names come quoted, bare, in UTF-8 and in Latin-1."""
    assert parse_name_addr(text) == address


def test_an_address_gives_its_parameters() -> None:
    """Tag, epid and any other are asked for by name."""
    address = parse_name_addr("<sip:a@b>;TAG=5;Epid=ab;q=1")
    assert (address.tag, address.epid, address.get("Q"), address.get("z")) == ("5", "ab", "1", None)
    assert parse_name_addr("<sip:a@b>").tag is None
    assert parse_name_addr("<sip:a@b>").epid is None


@pytest.mark.parametrize(
    "text",
    [
        "", "<>", "<sip:a@b", "<sip:a@b> x", '"J" sip:a@b', '"J <sip:a@b>', "sip:a@b?c=d", "a b", "<sip:a\tb>", "a,b",
        "<sip:a@b>;tag=1, <sip:c@d>;tag=2", "sip:a@b;tag=1,sip:c@d", "<sip:a@b>;tag=1,", '<sip:a@b>;x="1,2",',
    ],
)  # fmt: skip
def test_a_broken_address_is_refused(text: str) -> None:
    """An address that can be read in two ways is not read."""
    with pytest.raises(RemoteProtocolError):
        parse_name_addr(text)


def test_a_list_of_contacts_is_read() -> None:
    """Several contacts may stand in one header."""
    contacts = parse_contact_list('"a, b" <sip:a@b>;q=1, sip:c@d')
    assert [contact.uri for contact in contacts] == ["sip:a@b", "sip:c@d"]
    assert parse_contact_list("") == ()


def test_a_sequence_number_is_read() -> None:
    """Leading zeros and several blanks are fine."""
    assert parse_cseq("0009  INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    assert parse_cseq(f"{2**31 - 1} X").number == 2**31 - 1


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE 1", "-1 A", "1 A B", f"{2**31} A", "9" * 5000 + " A", "² A", "1 (x)"]
)
def test_a_broken_sequence_number_is_refused(text: str) -> None:
    """A number that does not fit is none."""
    with pytest.raises(RemoteProtocolError):
        parse_cseq(text)


def test_seconds_are_bounded() -> None:
    """More than 32 bits hold is for ever; what is no number is refused."""
    assert parse_delta_seconds(" 0600 ") == 600
    assert parse_delta_seconds("9" * 30) == 2**32 - 1
    for text in ("", "x", "-1", "1.5"):
        with pytest.raises(RemoteProtocolError):
            parse_delta_seconds(text)


def test_credentials_are_read() -> None:
    """Quotes are undone, names are lower case, unquoted values are fine."""
    scheme, params = parse_auth('NTLM qop="auth", Realm="SIP Communications, Service",version=4, gssapi-data=""')
    assert scheme == "NTLM"
    assert params == {"qop": "auth", "realm": "SIP Communications, Service", "version": "4", "gssapi-data": ""}
    assert parse_auth("TLS-DSK") == ("TLS-DSK", {})


@pytest.mark.parametrize("text", ["", '"NTLM" a=b', 'NTLM a="b', "NTLM a=b, A=c"])
def test_broken_credentials_are_refused(text: str) -> None:
    """What is signed must not be a matter of taste."""
    with pytest.raises(RemoteProtocolError):
        parse_auth(text)
