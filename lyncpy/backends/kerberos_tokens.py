"""What can be read of a Kerberos token without a key: for which service it is, and which key would open it.

Tokens come from strangers. Nothing here decides who somebody is; it says, in words, why a ticket was refused.

Spec: RFC 4120 §5.3, §5.5.1; RFC 4121 §4.1.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

_MARK: Final = bytes.fromhex("06092a864886f712010202") + b"\x01\x00"
"""The object identifier of Kerberos in GSS-API and the word that says that an AP-REQ follows; within SPNEGO too."""

_AP_REQ, _TICKET, _SEQUENCE, _INTEGER, _STRING = 0x6E, 0x61, 0x30, 0x02, 0x1B
_LONG: Final = 0x80
_NAME_PARTS: Final = 8

ENCRYPTIONS: Final = {
    1: "des-cbc-crc",
    3: "des-cbc-md5",
    16: "des3-cbc-sha1",
    17: "aes128-cts-hmac-sha1-96",
    18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192",
    23: "arcfour-hmac",
    24: "arcfour-hmac-exp",
}
"""Names of encryption types, by number (IANA, "Kerberos Encryption Type Numbers")."""


WEAK: Final = frozenset({1, 3, 16, 23, 24})
"""Those that today's Kerberos libraries refuse, or will."""


def encryption_name(number: int) -> str:
    """Give the name of an encryption type."""
    return ENCRYPTIONS.get(number, f"encryption type {number}")


class TokenUnreadable(ValueError):
    """This is no token of Kerberos."""


@dataclass(frozen=True, slots=True)
class TicketLabel:
    """What stands on a ticket in clear."""

    service: str
    """`sip/fe1.example.test`."""

    realm: str
    version: int
    """Of the key that it is encrypted with; 0: it does not say."""

    encryption: int


class _Item(NamedTuple):
    tag: int
    content: bytes


def ticket_label(token: bytes) -> TicketLabel:
    """Read what stands on the ticket in a token.

    Raises:
        TokenUnreadable: There is none in it.
    """
    at = 0 if token[:1] == bytes([_AP_REQ]) else token.find(_MARK) + len(_MARK)
    if at < len(_MARK) and token[:1] != bytes([_AP_REQ]):
        raise TokenUnreadable("no Kerberos ticket is in it")
    request = _fields(_inside(_item(token[at:])[0], _AP_REQ))
    ticket = _fields(_inside(_item(request[3])[0], _TICKET))
    name = _fields(_inside(_item(ticket[2])[0], _SEQUENCE))
    sealed = _fields(_inside(_item(ticket[3])[0], _SEQUENCE))
    parts = _items(_inside(_item(name[1])[0], _SEQUENCE))
    if len(parts) > _NAME_PARTS:
        raise TokenUnreadable("the name of its service is too long")
    return TicketLabel(
        "/".join(_text(part) for part in parts),
        _text(_item(ticket[1])[0]),
        _number(sealed[1]) if 1 in sealed else 0,
        _number(sealed[0]),
    )


class _Fields(dict[int, bytes]):
    """The fields of a SEQUENCE by their numbers."""

    def __missing__(self, number: int) -> bytes:
        raise TokenUnreadable(f"field {number} is missing")


def _fields(content: bytes) -> _Fields:
    (whole,) = _items(content)[:1] or (_Item(0, b""),)
    # An AP-REQ and a ticket are tagged SEQUENCEs; names and what is sealed were opened before.
    items = _items(whole.content) if whole.tag == _SEQUENCE else _items(content)
    return _Fields({item.tag & 0x1F: item.content for item in items if item.tag & 0xE0 == 0xA0})


def _inside(item: _Item, tag: int) -> bytes:
    if item.tag != tag:
        raise TokenUnreadable(f"tag {item.tag:#x} stands where {tag:#x} has to")
    return item.content


def _items(content: bytes) -> list[_Item]:
    found = []
    while content:
        item, content = _item(content)
        found.append(item)
        if len(found) > 2 * _NAME_PARTS:
            raise TokenUnreadable("it has too many fields")
    return found


def _item(content: bytes) -> tuple[_Item, bytes]:
    """Read one value of DER; give it and what follows."""
    if len(content) < 2:
        raise TokenUnreadable("it ends too early")
    length, begin = content[1], 2
    if length & _LONG:
        begin += length & 0x7F
        if not 2 < begin <= 6:
            raise TokenUnreadable("a length in it is none")
        length = int.from_bytes(content[2:begin], "big")
    end = begin + length
    if end > len(content):
        raise TokenUnreadable("it ends too early")
    return _Item(content[0], content[begin:end]), content[end:]


def _text(item: _Item) -> str:
    return _inside(item, _STRING).decode("utf-8", "replace")


def _number(content: bytes) -> int:
    value = _inside(_item(content)[0], _INTEGER)
    if not 0 < len(value) <= 5:
        raise TokenUnreadable("a number in it is too long")
    return int.from_bytes(value, "big", signed=True)
