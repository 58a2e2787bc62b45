"""Messages → bytes."""

import pytest

from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Headers, Request, Response


def test_a_request_leaves_in_the_one_form_a_strict_client_reads() -> None:
    """Long names, one blank in CSeq, and the right length."""
    headers = Headers([("v", "SIP/2.0/TLS a"), ("CSeq", " 1 \t INFO "), ("Content-Length", "99"), ("s", "é\udce9")])
    assert encode(Request("INFO", "sip:a@b", headers, b"hi")) == (
        b"INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nCSeq: 1 INFO\r\nSubject: \xc3\xa9\xe9\r\n"
        b"Content-Length: 2\r\n\r\nhi"
    )


def test_a_response_always_has_a_phrase_and_a_length() -> None:
    """A real client hangs for ever without them."""
    assert encode(Response(200, "", Headers())) == b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert encode(Response(200, "Fine", Headers())).startswith(b"SIP/2.0 200 Fine\r\n")


def test_a_nul_does_not_reach_a_client() -> None:
    """It would end the head for a client that reads C strings."""
    assert b"\0" not in encode(Response(200, "OK", Headers([("Subject", 'a"\\\0"')])))


@pytest.mark.parametrize(
    "message",
    [
        Response(200, "OK\r\nInjected: yes", Headers()),
        Response(200, "OK", Headers([("Subject", "a\nInjected: yes")])),
        Request("INFO", "sip:a@b\r", Headers()),
        Response(200, "OK", Headers([("Subject", "\ud800")])),
    ],
)
def test_what_would_break_a_line_is_our_bug(message: Request | Response) -> None:
    """No value, wherever it came from, adds a header."""
    with pytest.raises(LocalProtocolError):
        encode(message)
