"""What a server sends while a search goes on: read as it is, and refused where it is none."""

import pytest

from lyncpy.backends.ldap_messages import LdapMessage, Operation, read_message
from tests.kit.ldap_server import ber, done, entry, message


def test_an_entry_is_read_with_its_values_and_controls() -> None:
    """Whatever else stands in it."""
    control = ber(0x30, ber(4, b"1.2.3") + ber(1, b"\xff") + ber(4, b"value"))
    bare = ber(0x30, ber(4, b"4.5"))
    attribute = ber(0x30, ber(4, b"objectClass") + ber(0x31, ber(4, b"top") + ber(4, b"person")))
    body = ber(0x64, ber(4, "cn=é".encode()) + ber(0x30, attribute))
    read = read_message(message(7, body, ber(0xA0, control + bare)))
    assert (read.operation, read.dn) == (Operation.ENTRY, "cn=é")
    assert dict(read.attributes) == {"objectclass": (b"top", b"person")}
    assert dict(read.controls) == {"1.2.3": b"value", "4.5": b""}


def test_a_result_says_its_code_and_why() -> None:
    """A number above a byte too."""
    body = ber(0x65, ber(10, b"\x10\x00") + ber(4, b"") + ber(4, b"again"))
    assert read_message(message(7, body)) == LdapMessage(Operation.DONE, code=4096, told="again")


def test_an_intermediate_response_is_read_with_its_value() -> None:
    """Or without."""
    assert read_message(message(7, ber(0x79, ber(0x80, b"1.2") + ber(0x81, b"x")))).value == b"x"
    assert read_message(message(7, ber(0x79, ber(0x80, b"1.2")))).value == b""


def test_what_is_of_no_interest_is_passed_over() -> None:
    """A reference to another server; short and long lengths are the same."""
    assert read_message(message(7, ber(0x73, ber(4, b"ldap://x")))).operation == 0x73
    assert read_message(b"\x30\x07\x02\x01\x07\x73\x02\x04\x00").operation == 0x73


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        b"HTTP/1.1 200 OK",
        ber(0x30, b""),
        ber(0x30, ber(2, b"\1")),
        ber(0x30, ber(4, b"\1") + ber(0x65, b"")),
        message(1, ber(0x65, b"")),
        message(1, ber(0x64, b"")),
        message(1, ber(0x64, ber(4, b"cn=x"))),
        message(1, ber(0x64, ber(2, b"cn=x") + ber(0x30, b""))),
        message(1, ber(0x64, ber(4, b"cn=x") + ber(0x30, ber(0x30, ber(2, b""))))),
        message(1, ber(0x73, b""), ber(0xA0, ber(0x30, b""))),
        b"\x30\x80",
        b"\x30\x85\0\0\0\0\0",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x82\x01",
        done(1)[:-1],
        entry(1, "cn=x", "mail", b"a")[:20],
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Nothing else comes of it."""
    with pytest.raises(ValueError, match=r"value|message|result|entry|length"):
        read_message(data)
