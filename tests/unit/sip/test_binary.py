"""Base64 from outside: within its bound, or refused in words."""

import base64

import pytest

from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError


def test_what_was_written_is_read() -> None:
    """Also in lines, as XML has it, and none at all."""
    assert read_base64(base64.encodebytes(b"x" * 100).decode().replace("\n", "\r\n "), 200, "it") == b"x" * 100
    assert read_base64("", 0, "it") == b""


@pytest.mark.parametrize("text", ["!" * 20, "é" * 20, "QQ", "Q===", "QQ==QQ==", "\udc80"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    """Padding that is missing, or in the middle, too."""
    with pytest.raises(RemoteProtocolError, match="the token is no base64"):
        read_base64(text, 20, "the token")


def test_what_is_too_long_is_not_looked_at() -> None:
    """Whatever it is."""
    with pytest.raises(RemoteProtocolError, match="the token is too long"):
        read_base64("!" * 21, 20, "the token")
