"""Requests, responses and their headers."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import CSeq, Origin
from lyncpy.sip.message import (
    Headers,
    Request,
    Response,
    new_branch,
    new_call_id,
    new_tag,
    phrase_of,
    response_to,
)
from lyncpy.sip.view import view

FIELDS = [
    ("Via", "SIP/2.0/TLS a;branch=1, SIP/2.0/TLS b"),
    ("v", "SIP/2.0/TLS c"),
    ("FROM", '"Alice" <sip:alice@contoso.test>;tag=1;epid=e'),
    ("to", "<sip:bob@contoso.test>"),
    ("Call-ID", "call"),
    ("CSeq", "7 INVITE"),
    ("Supported", "a"),
    ("Supported", "b"),
    ("Max-Forwards", "70"),
]


def invite(*extra: tuple[str, str], body: bytes = b"") -> Request:
    """Make an INVITE with more headers."""
    return Request("INVITE", "sip:bob@contoso.test;gruu", Headers([*FIELDS, *extra]), body)


def bad(name: str, value: str) -> Request:
    """Make an INVITE whose header of this name says something else."""
    return Request("INVITE", "x", Headers(FIELDS).edited(put=[(name, value)]))


@pytest.mark.parametrize(
    "to", ["<sip:bob@b>", '"Bob" <sip:bob@b>;epid=1', "sip:bob@b", "<sip:bob@b>;tag=t", "<sip:bob@b"]
)
@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize("tag", [None, "ours"])
def test_what_an_answer_says_of_its_dialog_is_what_stands_in_it(to: str, read: bool, tag: str | None) -> None:
    """Whether or not it is known from the request: it is signed, and the client reads the lines."""
    request = invite().edited(put=[("To", to)])
    if read:
        assert request.dialog_text
    answer = response_to(request, 200, to_tag=tag)
    assert answer.dialog_text == Response(200, "OK", answer.headers).dialog_text


def test_headers_are_found_in_any_case_and_in_order() -> None:
    """Names are compared without case; repeated headers are all given."""
    headers = Headers(FIELDS)
    assert headers.get("call-id") == "call"
    assert headers.get("VIA") == "SIP/2.0/TLS a;branch=1, SIP/2.0/TLS b"
    assert headers.get("Absent") is None
    assert headers.get_all("supported") == ("a", "b")
    assert headers.get_all("Absent") == ()
    assert "f" in headers
    assert "Absent" not in headers
    assert len(headers) == 9
    assert list(headers)[:3] == [FIELDS[0], ("Via", "SIP/2.0/TLS c"), FIELDS[2]]
    assert repr(Headers([("Ax", "b")])) == "Headers([('Ax', 'b')])"


def test_headers_are_equal_when_they_say_the_same() -> None:
    """Case of names and outer blanks do not matter; order does."""
    one, two = Headers([("Via", "a"), ("To", "b")]), Headers([("VIA", " a "), ("t", "b")])
    assert one == two
    assert hash(one) == hash(two)
    assert one != Headers([("To", "b"), ("Via", "a")])
    assert one != Headers([("Via", "a"), ("To", "c")])
    assert one != "Via"


def test_a_changed_header_stays_in_its_place() -> None:
    """Only what is named changes; everything else keeps its line."""
    headers = Headers([("Ax", "1"), ("Bx", "2"), ("ax", "3"), ("Cx", "4"), ("Dx", "5")])
    edited = headers.edited(
        drop=["Cx"], put=[("Ax", "x"), ("Ax", "y"), ("Ex", "z")], first=[("Fx", "0"), ("Gx", "0")], last=[("Hx", "9")]
    )
    assert list(edited) == [
        ("Fx", "0"), ("Gx", "0"), ("Ax", "x"), ("Ax", "y"), ("Bx", "2"), ("Dx", "5"), ("Ex", "z"), ("Hx", "9"),
    ]  # fmt: skip
    assert len(headers) == 5


def test_the_topmost_value_alone_is_dropped() -> None:
    """Of several Vias in one line only the first goes, and only once."""
    once = Headers(FIELDS).edited(drop_first="Via")
    assert once.get_all("Via") == ("SIP/2.0/TLS b", "SIP/2.0/TLS c")
    twice = once.edited(drop_first="v", first=[("Via", "new")])
    assert twice.get_all("Via") == ("new", "SIP/2.0/TLS c")
    assert len(Headers().edited(drop_first="Route")) == 0


def test_a_request_is_understood() -> None:
    """The usual headers have typed views, computed once."""
    request = invite(("Event", "Presence;id=1"), ("c", "Application/SDP ; charset=x"), ("Expires", "0"))
    assert request.via.branch == "1"
    assert request.from_.tag == "1"
    assert request.to.uri == "sip:bob@contoso.test"
    assert request.call_id == "call"
    assert request.cseq == CSeq(7, "INVITE")
    assert request.cseq is request.cseq
    assert request.event == "presence"
    assert request.content_type == "application/sdp"
    assert request.max_forwards == 70
    assert request.expires == 0
    assert request.target.is_gruu
    assert isinstance(Request.via, view)


def test_absent_headers_have_a_neutral_view() -> None:
    """What need not be there is empty or None."""
    response = Response(200, "OK", Headers())
    assert (response.event, response.content_type, response.max_forwards, response.expires) == ("", "", None, None)


@pytest.mark.parametrize(
    ("attribute", "name", "value"),
    [
        ("via", "Via", "nonsense"),
        ("via", "Via", ""),
        ("from_", "From", ""),
        ("to", "To", "<sip:a"),
        ("call_id", "Call-ID", ""),
        ("cseq", "CSeq", "x INVITE"),
        ("cseq", "CSeq", "1 BYE"),
        ("max_forwards", "Max-Forwards", "256"),
        ("max_forwards", "Max-Forwards", "-1"),
        ("expires", "Expires", "soon"),
        ("target", "Request-URI", ""),
    ],
)
def test_a_broken_header_is_named(attribute: str, name: str, value: str) -> None:
    """The sender is told which header was wrong."""
    with pytest.raises(RemoteProtocolError, match=f"^{name}: ") as error:
        getattr(bad(name, value), attribute)
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("from_", ("f", "<sip:c@d>")),
        ("to", ("To", "<sip:c@d>")),
        ("call_id", ("i", "x")),
        ("cseq", ("CSeq", "8 INVITE")),
        ("max_forwards", ("Max-Forwards", "1")),
    ],
)
def test_a_header_that_may_come_once_is_refused_twice(attribute: str, field: tuple[str, str]) -> None:
    """Of two From headers one might be signed and the other believed."""
    with pytest.raises(RemoteProtocolError, match="twice"):
        getattr(invite(field), attribute)


def test_another_scheme_in_the_request_uri_has_its_own_status() -> None:
    """416 is what the sender has to hear."""
    with pytest.raises(RemoteProtocolError) as error:
        _ = Request("INVITE", "urn:x:y", Headers()).target
    assert error.value.status == 416


def test_a_response_repeats_what_identifies_the_request() -> None:
    """Via, From, To, Call-ID and CSeq come back, and the To gets a tag."""
    response = response_to(invite(), 200, headers=[("Expires", "60")], content_type="text/plain", body=b"x")
    assert (response.status, response.phrase, response.body) == (200, "OK", b"x")
    assert response.headers.get_all("Via") == invite().headers.get_all("Via")
    assert response.cseq == CSeq(7, "INVITE")
    assert response.to.tag
    assert list(response.headers)[-3:] == [("Expires", "60"), ("Server", "RTC/5.0"), ("Content-Type", "text/plain")]
    assert "Max-Forwards" not in response.headers


def test_the_to_tag_is_given_fresh_or_kept() -> None:
    """A dialog's tag is the one we chose, the one there was, or a new one for a final answer."""
    assert response_to(invite(), 200, to_tag="t").to.tag == "t"
    assert response_to(invite(), 180, to_tag="t").to.tag == "t"
    assert response_to(invite(), 100).to.tag is None
    tagged = bad("To", "sip:a@b;tag=old")
    assert response_to(tagged, 404, to_tag="t").to.tag == "old"
    assert response_to(bad("To", "sip:a@b"), 404, to_tag="t").to.tag == "t"


def test_a_request_without_essentials_can_still_be_answered() -> None:
    """What is there is copied; what is broken stays so."""
    answer = response_to(Request("X", "sip:a", Headers()), 400, phrase="No")
    assert list(answer.headers) == [("Server", "RTC/5.0")]
    assert response_to(bad("To", "<broken"), 400).headers.get("To") == "<broken"


SEEN = ";received=192.0.2.7;ms-received-port=4711;ms-received-cid=2600"


@pytest.mark.parametrize(
    ("via", "seen"),
    [
        ("SIP/2.0/TLS 10.1.2.3:5061;branch=z9", f"SIP/2.0/TLS 10.1.2.3:5061;branch=z9{SEEN}"),
        ("SIP/2.0/tls 10.1.2.3:5061", f"SIP/2.0/tls 10.1.2.3:5061{SEEN}"),
        ("SIP/2.0/TLS h;branch=z9, SIP/2.0/TLS p", f"SIP/2.0/TLS h;branch=z9{SEEN}, SIP/2.0/TLS p"),
        ("SIP/2.0/TLS h;received=1.1.1.1;branch=z9;ms-received-port=1", f"SIP/2.0/TLS h;branch=z9{SEEN}"),
        ("SIP/2.0/TLS h;MS-Received-Cid=AA;Received = 1.1.1.1 ;branch=z9", f"SIP/2.0/TLS h;branch=z9{SEEN}"),
        ("SIP/2.0/TLS h;rport;branch=z9", f"SIP/2.0/TLS h;rport=4711;branch=z9{SEEN}"),
        ("SIP/2.0/TLS h;branch=z9;rport", f"SIP/2.0/TLS h;branch=z9;rport=4711{SEEN}"),
        ("SIP/2.0/TLS h;branch=z9;", f"SIP/2.0/TLS h;branch=z9{SEEN}"),
        ("rubbish", f"rubbish{SEEN}"),
    ],
)
def test_a_request_says_where_it_came_from(via: str, seen: str) -> None:
    """The topmost Via, and no other, has the address that was seen, whatever the client claimed of itself."""
    fields = [("To", "<sip:a@b>"), ("Via", via), ("Via", "SIP/2.0/TLS other")]
    arrived = Request("MESSAGE", "sip:a@b", Headers(fields), b"x")
    _ = via == "rubbish" or arrived.via
    arrived.mark(Origin("192.0.2.7", 4711, "2600"))
    assert arrived.headers.get_all("Via") == (seen, "SIP/2.0/TLS other")
    assert (arrived.headers.get("To"), arrived.body) == ("<sip:a@b>", b"x")
    assert response_to(arrived, 200).headers.get_all("Via")[0] == seen
    assert via == "rubbish" or arrived.via.params["received"] == "192.0.2.7"  # also if it was read before


def test_a_broken_via_is_not_mended() -> None:
    """Whoever writes parameters without names hears that, though what was seen is written after them (RFC 4475 §3.1.2.1)."""
    request = Request("INVITE", "sip:a@b", Headers([("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,")]))
    request.mark(Origin("192.0.2.7", 4711, "2600"))
    with pytest.raises(RemoteProtocolError):
        _ = request.via


def test_what_came_from_nowhere_stays_as_it_is() -> None:
    """Without a Via, or without an address, there is nothing to say."""
    bare = Request("MESSAGE", "sip:a@b", Headers([("To", "<sip:a@b>")]))
    bare.mark(Origin("192.0.2.7", 1, "100"))
    assert list(bare.headers) == [("To", "<sip:a@b>")]
    request = invite()
    request.mark(Origin("", 0, "100"))
    assert request == invite()


def test_messages_are_edited_by_copy() -> None:
    """The original stays what it was, with its views."""
    request = invite(body=b"x")
    edited = request.edited(uri="sip:new", body=b"", put=[("To", "<sip:c@d>")])
    assert (edited.uri, edited.body, edited.to.uri) == ("sip:new", b"", "sip:c@d")
    assert request.edited(drop=["Max-Forwards"]).uri == request.uri
    assert request.edited().body == b"x"
    response = Response(200, "OK", Headers(FIELDS), b"x").edited(drop_first="Via", last=[("Ax", "b")])
    assert (response.status, response.body, response.via.host) == (200, b"x", "b")
    assert response.edited(body=b"y").body == b"y"


def test_every_status_has_a_phrase() -> None:
    """A phrase is never empty."""
    assert phrase_of(430) == "Flow Failed"
    assert phrase_of(299) == "OK"
    assert phrase_of(999) == "Unknown"
    assert all(phrase_of(status) for status in range(1000))


def test_names_are_fresh() -> None:
    """Tags, branches and call ids never repeat."""
    assert new_tag() != new_tag()
    assert new_branch().startswith("z9hG4bK")
    assert new_call_id() != new_call_id()


def test_a_request_with_headers_added_remembers_whose_dialog_it_is() -> None:
    """A Via on top and a signature at the end leave the rest as it was; what signatures cover is not read again."""
    request = invite()
    assert request.dialog_text == ("call", "sip:alice@contoso.test", "1", "sip:bob@contoso.test", "")
    sent = request.plus(first=Headers([("Via", "own")]), last=Headers([("X-Signed", "yes")]))
    assert sent.dialog_text is request.dialog_text
    assert list(sent.headers) == [("Via", "own"), *request.headers, ("X-Signed", "yes")]
    assert (sent.method, sent.uri, sent.body) == ("INVITE", request.uri, b"")
    other = invite().plus(method="INFO", body=b"x")
    assert (other.method, other.body, other.headers) == ("INFO", b"x", request.headers)


def test_a_response_with_headers_added_keeps_the_rest() -> None:
    """What comes last is added to what was there."""
    response = response_to(invite(), 486, to_tag="t")
    signed = response.plus(last=Headers([("X-Signed", "yes")]))
    assert list(signed.headers) == [*response.headers, ("X-Signed", "yes")]
    assert (signed.status, signed.phrase, signed.body) == (486, "Busy Here", b"")


def test_dialog_text_of_a_message_that_lacks_it_is_empty() -> None:
    """Signatures of such a message cover empty fields."""
    assert Request("INFO", "x", Headers()).dialog_text == ("", "", "", "", "")


def test_the_same_line_of_the_same_connection_is_marked_alike() -> None:
    """The next request of a dialog has the same Via, and one that has another, however long, has its own mark."""
    origin, other = Origin("192.0.2.7", 4711, "2600"), Origin("192.0.2.8", 1, "100")
    lines = ["Via: SIP/2.0/TLS 10.0.0.1", "Via: SIP/2.0/TLS 10.0.0.2", f"Via: SIP/2.0/TLS 10.0.0.3;x={'y' * 300}"]
    for line in [*lines, *lines, lines[0], lines[0]]:
        assert origin.on(line) == f"{line};received=192.0.2.7;ms-received-port=4711;ms-received-cid=2600"
        assert other.on(line) == f"{line};received=192.0.2.8;ms-received-port=1;ms-received-cid=100"


def test_all_contacts_are_read_once() -> None:
    """Of each field, and of each of its values."""
    fields = [("Contact", "<sip:a@x>, <sip:b@x>;expires=3"), ("Contact", "*")]
    request = Request("REGISTER", "sip:x", Headers(fields))
    assert [(one.uri, one.get("expires")) for one in request.contacts] == [
        ("sip:a@x", None),
        ("sip:b@x", "3"),
        ("*", None),
    ]
    assert request.contacts is request.contacts
    assert Request("REGISTER", "sip:x", Headers()).contacts == ()
