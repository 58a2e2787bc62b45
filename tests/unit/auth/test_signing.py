"""The signed text against every string that was captured from real clients and servers."""

import pytest

from lyncpy.auth.signing import signed_fields
from lyncpy.sip.message import Headers, Request, Response

ALICE = "<sip:alice@contoso.test>"


def request(method: str, **fields: str) -> Request:
    """A request with these header fields; underscores stand for hyphens."""
    return Request(method, "sip:x", Headers([(name.replace("_", "-"), value) for name, value in fields.items()]))


def response(status: int, **fields: str) -> Response:
    """A response with these header fields."""
    return Response(status, "", Headers([(name.replace("_", "-"), value) for name, value in fields.items()]))


def test_signs_a_register_of_version_4() -> None:
    """The REGISTER of the capture: a To without tag, no Expires, nobody asserted."""
    message = request(
        "REGISTER",
        From=f"{ALICE};tag=620221837;epid=abb2cb12b77f",
        To=ALICE,
        CSeq="3 REGISTER",
        Call_ID="3133gCA7Da83CCiBADBm5451tB479b44B0xD979x",
    )
    expected = "<3133gCA7Da83CCiBADBm5451tB479b44B0xD979x><3><REGISTER><sip:alice@contoso.test><620221837><sip:alice@contoso.test><><><><>"
    assert signed_fields(message, 4) == expected


@pytest.mark.parametrize("version", [3, 4])
def test_signs_a_200_with_tag_expires_and_status(version: int) -> None:
    """The 200 of the capture; versions 3 and 4 sign the same text."""
    message = response(
        200,
        From=f"{ALICE};tag=620221837;epid=abb2cb12b77f",
        To=f"{ALICE};tag=srv2483664B",
        CSeq="3 REGISTER",
        Call_ID="c",
        Expires="7200",
    )
    expected = "<c><3><REGISTER><sip:alice@contoso.test><620221837><sip:alice@contoso.test><srv2483664B><><><7200><200>"
    assert signed_fields(message, version) == expected


def test_signs_a_subscribe_that_ends() -> None:
    """The SUBSCRIBE of the capture: "Expires: 0" is a value, not its absence."""
    message = request(
        "SUBSCRIBE", From=f"{ALICE};tag=4276752809", To=ALICE, CSeq="1 SUBSCRIBE", Call_ID="DB86", Expires="0"
    )
    expected = "<DB86><1><SUBSCRIBE><sip:alice@contoso.test><4276752809><sip:alice@contoso.test><><><><0>"
    assert signed_fields(message, 4) == expected


def test_leaves_out_the_to_uri_in_version_2() -> None:
    """A 200 that a Communicator 2005 has taken: neither To-URI nor asserted identity."""
    message = response(
        200,
        From='"Gabriel" <sip:gabriel@ocs.provo.novell.com>;tag=2947328781;epid=1',
        To="<sip:gabriel@ocs.provo.novell.com>;tag=B816D65C2300A32CFA6D371F2AF537FD",
        CSeq="3 REGISTER",
        Call_ID="8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx",
        Expires="900",
        P_Asserted_Identity="<sip:ignored@x>",
    )
    assert signed_fields(message, 2) == (
        "<8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx><3><REGISTER><sip:gabriel@ocs.provo.novell.com><2947328781>"
        "<B816D65C2300A32CFA6D371F2AF537FD><900><200>"
    )


def test_signs_both_asserted_uris() -> None:
    """A MESSAGE of a user with a phone number, as a real client verified it."""
    message = request(
        "MESSAGE",
        From='"Bob" <sip:bob@contoso.test>;tag=b1',
        To=f"{ALICE};tag=zz",
        CSeq="1 MESSAGE",
        Call_ID="cid-pai",
        P_Asserted_Identity='"Bob" <sip:bob@contoso.test>,<tel:+15551234>',
    )
    assert signed_fields(message, 4) == (
        "<cid-pai><1><MESSAGE><sip:bob@contoso.test><b1><sip:alice@contoso.test><zz><sip:bob@contoso.test><tel:+15551234><>"
    )


def test_keeps_the_letters_of_a_uri() -> None:
    """A 180 of the trace: "SIP:" in capitals is signed in capitals."""
    message = response(
        180,
        From="<sip:sender@company.com>;tag=2420628112",
        To="<sip:recipient@company.com>;tag=7aee15546a",
        CSeq="1 INVITE",
        Call_ID="c",
        P_Asserted_Identity='"R" <SIP:recipient@company.com>',
    )
    assert signed_fields(message, 4) == (
        "<c><1><INVITE><sip:sender@company.com><2420628112><sip:recipient@company.com><7aee15546a>"
        "<SIP:recipient@company.com><><><180>"
    )


@pytest.mark.parametrize(
    ("name", "value", "signed"),
    [
        ("P_Preferred_Identity", "<sip:a@b>, <tel:1>", "<sip:a@b><tel:1>"),
        ("P_Asserted_Identity", "tel:+1555", "<><tel:+1555>"),
        ("P_Asserted_Identity", "<tel:+1>,<tel:+2>,<sip:a@b>,<sip:c@d>", "<sip:a@b><tel:+1>"),
        ("P_Asserted_Identity", "sip:a@b", "<><>"),
        ("P_Asserted_Identity", '"x" <mailto:a@b>', "<><>"),
    ],
)
def test_finds_the_asserted_uris(name: str, value: str, signed: str) -> None:
    """The first sip and the first tel URI in brackets count; a bare tel URI does too."""
    assert signed_fields(request("INFO", **{name: value}), 4) == f"<><><INFO><><><><>{signed}<>"


@pytest.mark.parametrize(
    ("value", "uri", "tag"),
    [
        ("sip:a@b;tag=1", "sip:a@b", "1"),
        ("<sip:a@b;tag=inner>;epid=2;tag=1", "sip:a@b;tag=inner", "1"),
        ("<sip:a@b> ; Tag = 1 ;x", "sip:a@b", "1"),
        ("<sip:a@b>;mytag=2", "sip:a@b", ""),
        ("", "", ""),
        ("<sip:a@b", "sip:a@b", ""),
    ],
)
def test_takes_uri_and_tag_as_they_appear(value: str, uri: str, tag: str) -> None:
    """Parameters inside of the brackets belong to the URI, and broken values are just text."""
    assert signed_fields(request("INFO", From=value), 2) == f"<><><INFO><{uri}><{tag}><><>"


def test_signs_the_method_that_a_response_answers() -> None:
    """A response's method comes from CSeq, a request's from its first line."""
    assert signed_fields(response(487, CSeq="2 INVITE"), 2) == "<><2><INVITE><><><><><487>"
    assert signed_fields(request("ACK", CSeq="2 INVITE"), 2) == "<><2><ACK><><><><>"
