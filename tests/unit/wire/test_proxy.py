"""The PROXY header: both versions, at every cut, and nothing else."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.wire.proxy import SIGNATURE, Malformed, ProxyHeader

GOOD = [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 5061\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 5061\r\n", "2001:db8::9"),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 65535\r\n", "203.0.113.9"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""),
    (SIGNATURE + b"\x20\x00\x00\x00", ""),
    (SIGNATURE + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 9, 192, 0, 2, 1]) + b"\x9c\x40\x13\xc5", "203.0.113.9"),
    (
        SIGNATURE + b"\x21\x21\x00\x27" + socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 + b"\0\1\0\2\3\0\0",
        "2001:db8::9",
    ),
]
BAD = [
    b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
    b"PROXY TCP6 2001:db8::1%\x1b[2J ::1 1 2\r\n",
    b"PROXY TCP6 2001:db8::1 ::1%1 1 2\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40000\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 70000\r\n",
    b"PROXY TCP4 2001:db8::9 2001:db8::1 1 2\r\n",
    b"PROXY TCP4 203.0.113.999 192.0.2.1 1 2\r\n",
    b"PROXY TCP4 203.0.113.9  192.0.2.1 1 2\r\n",
    b"PROXY SCTP4 203.0.113.9 192.0.2.1 1 2\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\n\r\n",
    b"PROXY " + b"x" * 200,
    b"OPTIONS sip:example.com SIP/2.0\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 20,
    SIGNATURE + b"\x11\x11\x00\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x12\x00\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x11\x00\x08" + b"\0" * 8,
    SIGNATURE + b"\x21\x11\xff\xff",
]


def _read(header: ProxyHeader, data: bytes) -> bytes:
    while header.wants and data:
        part, data = data[: header.wants], data[header.wants :]
        header.feed(part)
    return data


@pytest.mark.parametrize(("data", "address"), GOOD)
def test_both_versions_give_the_clients_address(data: bytes, address: str) -> None:
    """And not a byte of what follows is taken."""
    header = ProxyHeader()
    assert _read(header, data + b"\r\n what follows") == b"\r\n what follows"
    assert header.address == address
    assert (header.port in (1, 40_000)) == bool(address)


@pytest.mark.parametrize(("data", "address"), GOOD)
def test_it_may_come_byte_by_byte(data: bytes, address: str) -> None:
    """However the network cuts it."""
    header = ProxyHeader()
    for byte in data:
        assert header.address is None
        header.feed(bytes([byte]))
    assert header.address == address


@pytest.mark.parametrize("data", BAD)
def test_what_is_none_is_refused(data: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(Malformed):
        _read(ProxyHeader(), data)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda rest: SIGNATURE + rest)
    | st.binary(max_size=150).map(lambda rest: b"PROXY TCP4 " + rest)
)
def test_no_bytes_break_it(data: bytes) -> None:
    """Read, refused or waiting for more; never anything else, and never without end."""
    header = ProxyHeader()
    try:
        _read(header, data)
    except Malformed:
        return
    assert header.address is not None or 0 < header.wants <= 2048
