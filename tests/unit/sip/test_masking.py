"""What a message loses before it is kept: secrets always, what people say unless a developer wants it."""

import pytest

from lyncpy.sip.decoder import Decoder
from lyncpy.sip.masking import masked, masked_line, masked_text
from lyncpy.sip.message import Request

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.com>;tag=1;epid=aa\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Ms-Text-Format: text/plain; charset=UTF-8;ms-body=aGVsbG8=\r\n"
    b'Proxy-Authorization: NTLM qop="auth", realm="SIP Communications Service", opaque="0A", response="01000000a1b2"\r\n'
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 25\r\n\r\n"
    b"v=0\r\na=ice-pwd:verysecret"
)


def read(text: str) -> Request:
    """Read what was masked as SIP."""
    (message,) = Decoder().feed(text.encode())
    assert isinstance(message, Request)
    return message


def test_a_body_is_left_out_and_its_length_is_told() -> None:
    """What is left is SIP still, whose length is true."""
    text = masked(INVITE)
    assert "verysecret" not in text
    assert "v=0" not in text
    message = read(text)
    assert message.body == b""
    assert message.headers.get("X-Lyncpy-Body-Bytes") == "25"
    assert message.headers.get("Call-ID") == "c1"


def test_who_asks_for_the_body_gets_it_without_its_secrets() -> None:
    """A developer reads what was said, and nobody's password."""
    message = read(masked(INVITE, with_body=True))
    assert message.body == b"v=0\r\na=ice-pwd:***"
    assert message.headers.get("Ms-Text-Format") == "text/plain; charset=UTF-8;ms-body=aGVsbG8="


def test_a_message_without_a_body_is_as_it_was_but_for_its_secrets() -> None:
    """Nothing is said of a body that there is not."""
    text = masked(b"ACK sip:bob:word@example.com SIP/2.0\r\nCall-ID: c1\r\n\r\n")
    assert text == "ACK sip:bob:***@example.com SIP/2.0\r\nCall-ID: c1\r\nContent-Length: 0\r\n\r\n"


def test_a_body_is_cut_where_it_is_too_long() -> None:
    """The length that is told is that of what is left."""
    text = masked(b"MESSAGE sip:b@x SIP/2.0\r\n\r\n" + b"x" * 100, with_body=True, most=10)
    assert text.endswith("Content-Length: 10\r\n\r\nxxxxxxxxxx")


def test_bytes_that_are_no_text_are_written_as_escapes() -> None:
    """Whatever a client sends can be kept."""
    assert "\\xff" in masked(b"MESSAGE sip:b@x SIP/2.0\r\nSubject2: \xff\r\n\r\n\xff", with_body=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'Authorization: NTLM qop="auth", realm="R", targetname="srv", gssapi-data="TlRMTVNTUAAD", version=4',
            'Authorization: NTLM qop="auth", realm="R", targetname="srv", gssapi-data="***", version=4',
        ),
        ('Authorization: Kerberos gssapi-data=""', 'Authorization: Kerberos gssapi-data=""'),
        ('WWW-Authenticate: Digest realm="R", nonce="abc"', 'WWW-Authenticate: Digest realm="R", nonce="***"'),
        ('Authentication-Info: rspauth="0102", snum="3"', 'Authentication-Info: rspauth="***", snum="3"'),
        ("Authentication-Info: qop=auth,rspauth=0102", 'Authentication-Info: qop=auth,rspauth="***"'),
        ("Authorization: Bearer abcdef", "Authorization: Bearer ***"),
        ("X-Web-Ticket: abc", "X-Web-Ticket: ***"),
        ("Subject: dinner", "Subject: ***"),
        ("Contact: <sip:a@b;token=abc;x=y>", "Contact: <sip:a@b;token=***;x=y>"),
        ("From: <sip:a:pw@b>;tag=1", "From: <sip:a:***@b>;tag=1"),
        ("no colon", "no colon"),
    ],
)
def test_a_line_loses_its_secrets(line: str, expected: str) -> None:
    """Schemes, realms and targets stay: they say why somebody cannot sign in."""
    assert masked_line(line) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<wsse:Password Type="t">hunter2</wsse:Password>', '<wsse:Password Type="t">***</wsse:Password>'),
        ("<passcode>1234</passcode><a>b</a>", "<passcode>***</passcode><a>b</a>"),
        ('{"password": "hunter2", "a": 1}', '{"password": "***", "a": 1}'),
        ("a=crypto:1 AES inline:abcd|2^31", "a=crypto:1 AES inline:***"),
        ("nothing to hide", "nothing to hide"),
        ("x=1&token=abc&y=2", "x=1&token=***&y=2"),
    ],
)
def test_text_of_any_form_loses_what_its_names_call_secret(text: str, expected: str) -> None:
    """XML, JSON, SDP and parameters alike."""
    assert masked_text(text) == expected
