"""What passes between a client and a gateway."""

from lyncpy.sip.message import Headers, Request
from lyncpy.workloads.voice.model.gateway_messages import ALLOWED, OutwardInvite, outward, passed

GIVEN = OutwardInvite("sip:0049@gw", "+1425", "sip.example.com", "sip:sip.example.com:5068", "call", "tag")


def invite(*fields: tuple[str, str]) -> Request:
    """A client's INVITE with these fields."""
    own = [("From", '"Alice" <sip:alice@example.com>;tag=a;epid=b'), ("CSeq", "7 INVITE"), ("Ms-Conversation-ID", "x")]
    return Request("INVITE", "sip:+49@example.com", Headers([*own, *fields]), b"v=0")


def test_only_what_a_call_needs_passes() -> None:
    """Extensions of which both ends speak for themselves."""
    fields = [
        ("Supported", "100REL, ms-early-media"),
        ("Supported", "timer,replaces"),
        ("Require", "ms-something"),
        ("Session-Expires", "1800;refresher=uac"),
        ("Content-Type", "application/sdp"),
        ("User-Agent", "UCCAPI/15"),
    ]
    assert passed(invite(*fields)) == [
        ("Session-Expires", "1800;refresher=uac"),
        ("Content-Type", "application/sdp"),
        ("Supported", "100REL, timer"),
    ]


def test_a_gateway_is_told_whose_call_it_is() -> None:
    """By number; the hop is counted, and the CSeq number is the client's."""
    made = outward(invite(("Max-Forwards", "20")), GIVEN)
    assert dict(made.headers) == {
        "Max-Forwards": "19",
        "From": "<sip:+1425@sip.example.com;user=phone>;tag=tag",
        "To": "<sip:0049@gw>",
        "Call-ID": "call",
        "CSeq": "7 INVITE",
        "Contact": "<sip:sip.example.com:5068>",
        "Allow": ALLOWED,
        "P-Asserted-Identity": "<sip:+1425@sip.example.com;user=phone>",
    }
    assert (made.uri, made.body) == ("sip:0049@gw", b"v=0")


def test_of_who_is_hidden_nothing_is_told() -> None:
    """RFC 3325 §7: beyond the border nobody is asserted."""
    made = outward(invite(), OutwardInvite("sip:0049@gw", "", "sip.example.com", "sip:c", "call", "tag"))
    assert made.headers.get("From") == '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=tag'
    assert made.headers.get("Privacy") == "id"
    assert "P-Asserted-Identity" not in made.headers
    assert made.headers.get("Max-Forwards") == "70"
