"""Bodies of the chat, read and written."""

import pytest

from lyncpy.contracts.mcu import DeliveryFailure, FailureKind
from lyncpy.sip.decoder import Decoder
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.bodies import write_report


@pytest.mark.parametrize(
    ("sdp", "types"),
    [
        (b"m=message 5060 sip null\r\na=accept-types:text/plain TEXT/HTML\r\n", {"text/plain", "text/html"}),
        (b"a=Accept-Types: text/plain\n", {"text/plain"}),
        (b"m=message 5060 sip null\r\n", set()),
        (b"a=accept-types:\xff\xfe\r\n", {"\ufffd\ufffd"}),
    ],
)
def test_what_somebody_can_show_is_read(sdp: bytes, types: set[str]) -> None:
    """Whatever the letters' case and the line ends."""
    assert bodies.accept_types(sdp) == types


def _invite(*fields: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:b@x", Headers(fields))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([], None),
        ([("ms-text-format", "text/plain; charset=UTF-8;msgr=x")], None),
        ([("ms-text-format", "text/plain; ms-body=aGkgYm9sZA==")], ("text/plain", b"hi bold")),
        ([("Ms-Text-Format", 'text/plain;MS-BODY="aGkgYm9sZA"')], ("text/plain", b"hi bold")),
        ([("ms-im-format", "text/rtf; charset=UTF-8; ms-body=aGk=")], ("text/rtf;charset=UTF-8", b"hi")),
        (
            [("ms-im-format", "text/rtf; ms-body=cg=="), ("ms-text-format", "text/plain; ms-body=cA==")],
            ("text/plain", b"p"),
        ),
        ([("ms-text-format", "text/plain; ms-body=SGVs bG8=")], ("text/plain", b"Hello")),
        ([("ms-text-format", "text/plain; ms-body=SGVs\tbG8")], ("text/plain", b"Hello")),
        ([("ms-text-format", "text/plain; ms-body=a")], ("text/plain", b"a")),
        ([("ms-text-format", "text/plain; ms-body=a b!")], ("text/plain", b"a b!")),
    ],
)
def test_a_text_in_an_invitation_is_found(fields: list[tuple[str, str]], text: tuple[str, bytes] | None) -> None:
    """The plain form where there are two; what is not base64 as it is written, so that nothing hides from the archive."""
    assert bodies.first_text(_invite(*fields)) == text


def test_a_text_in_a_folded_header_is_found() -> None:
    """RFC 3261 §7.3.1: as it comes over the wire."""
    lines = (
        "INVITE sip:b@x SIP/2.0",
        "ms-text-format: text/plain; ms-body=SGVs",
        "  bG8=",
        "Content-Length: 0",
        "",
        "",
    )
    (invite,) = Decoder().feed("\r\n".join(lines).encode())
    assert isinstance(invite, Request)
    assert bodies.first_text(invite) == ("text/plain", b"Hello")


def test_alternatives_without_an_end_cannot_be_chosen_from() -> None:
    """They are refused before anybody gets them."""
    with pytest.raises(RemoteProtocolError):
        bodies.check_shown('multipart/alternative; boundary="b"', b"--b\r\n\r\nx")


def test_a_part_without_a_type_is_plain_text() -> None:
    """RFC 2046 §5.1."""
    body = b"--b\r\n\r\nplain\r\n--b--\r\n"
    shown = bodies.shown_as('multipart/alternative; boundary="b"', body, frozenset({"text/html"}))
    assert shown == ("text/plain", b"plain")


def test_a_report_names_who_did_not_get_it() -> None:
    """As the specification writes it."""
    failed = [
        ("sip:bob@contoso.com", DeliveryFailure(FailureKind.SILENT, 408, '6001;reason="Request Timeout"')),
        ("sip:c&d@contoso.com", DeliveryFailure(FailureKind.REFUSED, 480)),
    ]
    assert write_report(2, failed).decode() == (
        '<imdn xmlns="http://schemas.microsoft.com/rtc/2005/08/imdn"><message-id>2</message-id>'
        '<recipient uri="&lt;sip:bob@contoso.com&gt;"><status>408</status>'
        '<entry><key>ms-diagnostics</key><value>6001;reason="Request Timeout"</value></entry></recipient>'
        '<recipient uri="&lt;sip:c&amp;d@contoso.com&gt;"><status>480</status></recipient></imdn>'
    )


def test_a_report_without_recipients_says_that_all_have_it() -> None:
    """[MS-CONFIM] 2.2.3."""
    assert write_report(7, ()) == (
        b'<imdn xmlns="http://schemas.microsoft.com/rtc/2005/08/imdn"><message-id>7</message-id></imdn>'
    )
