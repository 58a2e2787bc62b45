"""No bytes make the reader of Kerberos tokens do anything but read or refuse."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.backends.kerberos_tokens import TokenUnreadable, ticket_label
from tests.kit.ap_req import ap_req

WHOLE = ap_req("sip", "fe1.example.test")


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(token: bytes, bare: bool) -> None:
    """Bytes that begin as a token does."""
    with suppress(TokenUnreadable):
        ticket_label((b"\x6e" if bare else b"") + token)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_any_change_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    """A real one with some bytes that are others."""
    token = bytearray(WHOLE)
    for at, byte in changes:
        token[at] = byte
    with suppress(TokenUnreadable):
        ticket_label(bytes(token))
