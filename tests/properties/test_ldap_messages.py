"""Whatever a directory sends in place of a notice: it is read, or refused in the one way, and costs what it is long."""

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.backends.ldap_messages import LdapMessage, read_message
from tests.kit.ldap_server import ber, done, entry, message

CONTROLS = ber(0xA0, ber(0x30, ber(4, b"1.3.6.1.4.1.4203.1.9.1.2") + ber(4, b"\x30\x03\x0a\x01\x03")))
WHOLE = (
    entry(7, "uid=alice,dc=x", "objectClass", b"top", b"person"),
    done(7, code=51, told="busy"),
    message(7, ber(0x79, ber(0x80, b"1.3.6") + ber(0x81, b"\xa1\x00"))),
    message(7, ber(0x64, ber(4, b"cn=x") + ber(0x30, b"")), CONTROLS),
)


def _read(data: bytes) -> LdapMessage | None:
    try:
        return read_message(data)
    except ValueError:
        return None


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    """Nothing else comes of them."""
    _read(data)
    _read(ber(0x30, data))
    _read(message(7, data))


@given(st.sampled_from(WHOLE), st.integers(min_value=0, max_value=300), st.binary(max_size=4))
def test_a_message_that_was_tampered_with_is_read_or_refused(whole: bytes, at: int, put: bytes) -> None:
    """Bytes changed, left out or put in."""
    at %= len(whole)
    _read(whole[:at] + put + whole[at + len(put) :])
    _read(whole[:at] + put + whole[at:])
    assert _read(whole[:at]) is None
    assert _read(whole) is not None
