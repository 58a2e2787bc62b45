"""What stands on a ticket in clear, of any token; no token is anything but read or refused."""

import pytest

from lyncpy.backends.kerberos_tokens import TicketLabel, TokenUnreadable, encryption_name, ticket_label
from tests.kit.ap_req import ap_req, der

OID = bytes.fromhex("06092a864886f712010202") + b"\x01\x00"


@pytest.mark.parametrize("before", [b"", der(0x60, OID)[:2] + OID, b"\x60\x82\x02\x00spnego" + OID])
def test_reads_the_label_of_a_ticket(before: bytes) -> None:
    """Bare, within GSS-API, and within SPNEGO."""
    assert ticket_label(before + ap_req("sip", "fe1.x")) == TicketLabel("sip/fe1.x", "EXAMPLE.TEST", 3, 18)


def test_a_ticket_need_not_say_a_version() -> None:
    """Then it is 0."""
    assert ticket_label(ap_req("sip", "fe1.x", version=None, encryption=-5)) == TicketLabel(
        "sip/fe1.x", "EXAMPLE.TEST", 0, -5
    )


@pytest.mark.parametrize("cut", range(0, 320, 3))
def test_a_cut_token_is_refused(cut: int) -> None:
    """Wherever it is cut."""
    with pytest.raises(TokenUnreadable):
        ticket_label(ap_req("sip", "fe1.x")[: cut % len(ap_req("sip", "fe1.x"))])


@pytest.mark.parametrize(
    "token",
    [
        b"NTLMSSP\0",
        OID,
        b"\x6e\x84\xff\xff\xff\xff",
        b"\x6e\x80",
        b"\x6e\x88" + bytes(8),
        ap_req(*"abcdefghi"),
        ap_req(*("a" * 20)),
        ap_req("sip", "x", encryption=1 << 60),
        ap_req("sip", "x").replace(b"\x1b\x03sip", b"\x04\x03sip"),
        der(0x6E, der(0x30)),
        der(0x6E),
    ],
)
def test_what_is_no_token_is_refused(token: bytes) -> None:
    """Each with words."""
    with pytest.raises(TokenUnreadable) as refused:
        ticket_label(token)
    assert str(refused.value)


def test_encryptions_have_names() -> None:
    """Also those that nobody knows."""
    assert encryption_name(18) == "aes256-cts-hmac-sha1-96"
    assert encryption_name(99) == "encryption type 99"
