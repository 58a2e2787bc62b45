"""What an LDAP server sends while a search goes on, read as far as notices of changes need it. Pure.

ldap3 reads whole answers, and one for each question; a search that does not end has none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Final

OCTETS: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_SET: Final = 0x31
_CONTROLS: Final = 0xA0
_NAME: Final = 0x80
_VALUE: Final = 0x81
_LENGTH_BYTES: Final = 4


class Operation(IntEnum):
    """What a message is, by its tag (RFC 4511 §4.2 to §4.13); others are of no interest."""

    ENTRY = 0x64
    DONE = 0x65
    EXTENDED = 0x78
    INTERMEDIATE = 0x79


_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})
_NONE: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LdapMessage:
    """One message."""

    operation: int
    dn: str = ""
    """Of an entry."""

    attributes: Mapping[str, tuple[bytes, ...]] = field(default_factory=lambda: _NONE)
    """Of an entry; names in lower case."""

    code: int = 0
    """Of a result (RFC 4511 §4.1.9)."""

    told: str = ""
    """What a result says beside its code."""

    value: bytes = field(default=b"", repr=False)
    """Of an intermediate response."""

    controls: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING)
    """Values by OID."""


def read_message(data: bytes) -> LdapMessage:
    """Read an LDAPMessage (RFC 4511 §4.1.1).

    Raises:
        ValueError: It is none.
    """
    tag, content, _ = read_value(data)
    _expect(tag, SEQUENCE)
    parts = list(values(content))
    if len(parts) < 2:
        raise ValueError("a message without an operation")
    _expect(parts[0][0], _INTEGER)
    operation, body = parts[1]
    controls = dict(_controls(parts[2][1])) if len(parts) > 2 and parts[2][0] == _CONTROLS else _NOTHING
    match operation:
        case Operation.ENTRY:
            dn, attributes = _first(body), _attributes(body)
            return LdapMessage(operation, dn.decode("utf-8", "replace"), attributes, controls=controls)
        case Operation.DONE | Operation.EXTENDED:
            fields = [value for _, value in values(body)]
            if len(fields) < 3:
                raise ValueError("a result that is too short")
            code = int.from_bytes(fields[0][:4], "big")
            return LdapMessage(operation, code=code, told=fields[2].decode("utf-8", "replace"), controls=controls)
        case Operation.INTERMEDIATE:
            told = dict(values(body))
            return LdapMessage(operation, value=told.get(_VALUE, b""), controls=controls)
        case _:
            return LdapMessage(operation)


def _attributes(body: bytes) -> Mapping[str, tuple[bytes, ...]]:
    parts = list(values(body))
    if len(parts) < 2:
        raise ValueError("an entry without attributes")
    found: dict[str, tuple[bytes, ...]] = {}
    for _, one in values(parts[1][1]):
        name = _first(one)
        found[name.decode("ascii", "replace").lower()] = tuple(
            value for tag, held in values(one) if tag == _SET for _, value in values(held)
        )
    return found


def _controls(content: bytes) -> Iterator[tuple[str, bytes]]:
    for _, one in values(content):
        fields = list(values(one))
        value = fields[-1][1] if len(fields) > 1 and fields[-1][0] == OCTETS else b""
        yield _first(one).decode("ascii", "replace"), value


def _first(content: bytes) -> bytes:
    tag, value, _ = read_value(content)
    _expect(tag, OCTETS)
    return value


def _expect(tag: int, wanted: int) -> None:
    if tag != wanted:
        raise ValueError(f"a value of the kind {tag} where one of {wanted} belongs")


def values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give what stands one after the other, each with its tag.

    Raises:
        ValueError: It is no BER.
    """
    at = 0
    while at < len(content):
        tag, value, at = read_value(content, at)
        yield tag, value


def read_value(data: bytes, at: int = 0) -> tuple[int, bytes, int]:
    """Read one value; give its tag, its content, and where the next begins.

    Raises:
        ValueError: It is no BER, or not whole.
    """
    if at + 2 > len(data):
        raise ValueError("a value that is cut")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= _LENGTH_BYTES:
            raise ValueError("a length that nothing has")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("a value that is cut")
    return tag, data[start : start + length], start + length
