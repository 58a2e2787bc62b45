"""Which media a session offers."""

import pytest

from lyncpy.sip.sdp import media_of


@pytest.mark.parametrize(
    ("lines", "media"),
    [
        (b"v=0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n", {"im"}),
        (b"v=0\r\nm=x-ms-message 5060 sip sip:a@b\r\n", {"im"}),
        (b"m=audio 4 RTP/SAVP 0\nm=video 5 RTP/SAVP 1\nm=main-video 6 x\n", {"audio", "video"}),
        (b"m=applicationsharing 4 TCP/RTP/AVP 127\r\n", {"appsharing"}),
        (b"m=data 6901 TCP 1\r\n", {"data"}),
        (b"m=audio 0 RTP/AVP 0\r\nm=video\r\n m=audio 4 x\r\nxm=audio 1 x\r\n", set()),
        (b"\xff\xfe\0", set()),
        (b"", set()),
    ],
)
def test_media_are_named(lines: bytes, media: set[str]) -> None:
    """Refused and unknown media do not count."""
    assert media_of(lines) == media


def test_only_a_sane_length_is_read() -> None:
    """A description of a megabyte is not one."""
    assert media_of(b"x" * 70_000 + b"\r\nm=audio 4 RTP/AVP 0") == frozenset()
