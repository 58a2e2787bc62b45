"""What stands on a ticket in clear, of any token; no token is anything but read or refused."""

import pytest

from lyncpy.backends.kerberos_tokens import TicketLabel, TokenUnreadable, encryption_name, ticket_label

OID = bytes.fromhex("06092a864886f712010202") + b"\x01\x00"


def der(tag: int, *parts: bytes) -> bytes:
    """Write one value."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def number(value: int) -> bytes:
    """Write a number."""
    return der(0x02, value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big", signed=True))


def sealed(encryption: int, version: int | None) -> bytes:
    """Write what is encrypted."""
    kvno = b"" if version is None else der(0xA1, number(version))
    return der(0x30, der(0xA0, number(encryption)), kvno, der(0xA2, der(0x04, b"x" * 200)))


def ap_req(*service: str, realm: str = "EXAMPLE.TEST", encryption: int = 18, version: int | None = 3) -> bytes:
    """Write an AP-REQ."""
    names = der(0x30, *(der(0x1B, part.encode()) for part in service))
    name = der(0x30, der(0xA0, number(2)), der(0xA1, names))
    ticket = der(
        0x61,
        der(
            0x30,
            der(0xA0, number(5)),
            der(0xA1, der(0x1B, realm.encode())),
            der(0xA2, name),
            der(0xA3, sealed(encryption, version)),
        ),
    )
    head = (der(0xA0, number(5)), der(0xA1, number(14)), der(0xA2, der(0x03, bytes(5))))
    return der(0x6E, der(0x30, *head, der(0xA3, ticket), der(0xA4, sealed(encryption, None))))


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
