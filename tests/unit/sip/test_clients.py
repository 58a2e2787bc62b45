"""What real clients say, and how it is understood."""

from pathlib import Path

import pytest

from lyncpy.sip.decoder import Decoder
from lyncpy.sip.encoder import encode
from lyncpy.sip.headers import parse_auth, parse_contact_list, parse_via, split_list
from lyncpy.sip.markup import attr, children, read_xml
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.sdp import media_of

CORPUS = Path(__file__).parents[2] / "corpus" / "clients"
NAMES = sorted(path.stem for path in CORPUS.glob("*.sip"))
VIEWS = ("via", "from_", "to", "call_id", "cseq", "max_forwards", "expires", "event", "content_type")


def heard(name: str) -> Request | Response:
    """Decode one message of the corpus."""
    decoder = Decoder()
    (item,) = decoder.feed((CORPUS / f"{name}.sip").read_bytes())
    assert isinstance(item, Request | Response)
    assert decoder.idle
    return item


@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_understood(name: str) -> None:
    """Every view of every recorded message holds, and the message leaves as it came."""
    message = heard(name)
    for view in VIEWS:
        getattr(message, view)
    assert message.from_.epid
    assert Decoder().feed(encode(message)) == [message]
    if isinstance(message, Request):
        assert message.target.host
        assert Decoder().feed(encode(response_to(message, 200)))


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_client_leaves_as_it_came(name: str) -> None:
    """Signatures cover text as it appeared, so no text is touched."""
    head, _, body = (CORPUS / f"{name}.sip").read_bytes().partition(b"\r\n\r\n")
    left, _, left_body = encode(heard(name)).partition(b"\r\n\r\n")
    came = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"cseq"))]
    assert [line for line in left.split(b"\r\n") if not line.startswith((b"Content-Length", b"CSeq"))] == came
    assert left_body == body


def test_a_registration_names_its_endpoint() -> None:
    """The contact carries methods, an instance and the wish to be found at its address."""
    for name, instance in (
        ("pidgin-register", "<urn:uuid:0e324752-e1ab-56eb-8f4a-267c85a97459>"),
        ("lync-2013-register", "<urn:uuid:4B1682A8-F968-5701-83FC-7C6741DC6697>"),
    ):
        (contact,) = parse_contact_list(heard(name).headers.get("Contact") or "")
        assert contact.get("+sip.instance") == instance
        assert contact.get("proxy") == "replace"
        assert "BENOTIFY" in (contact.get("methods") or "")
        assert "ms-opaque=" in contact.uri


def test_a_sign_off_asks_for_no_time() -> None:
    """A client that leaves says so with Expires: 0."""
    assert heard("pidgin-sign-off").expires == 0


def test_supported_comes_in_one_line_or_many() -> None:
    """Both ways give the same words."""
    words = [word for text in heard("lync-2013-register").headers.get_all("Supported") for word in split_list(text)]
    assert words == [
        "gruu-10",
        "adhoclist",
        "msrtc-event-categories",
        "ms-forking",
        "ms-cluster-failover",
        "ms-userservices-state-notification",
    ]
    assert len(heard("pidgin-subscribe").headers.get_all("supported")) == 3


def test_a_dialog_may_come_without_a_branch() -> None:
    """The Via of a client says no more than where it is."""
    for name in ("pidgin-invite", "pidgin-message", "lync-2013-invite"):
        via = heard(name).via
        assert (via.transport, via.branch) == ("TLS", None)


def test_an_invitation_offers_messages() -> None:
    """Both clients invite to a conversation in text."""
    for name in ("pidgin-invite", "pidgin-answer", "lync-2013-invite"):
        assert media_of(heard(name).body) == {"im"}
    assert heard("lync-2013-invite").headers.get("Subject") == "Kaffee um ½ 4?"
    assert heard("lync-2013-invite").from_.display == "Bob Müller"


def test_interleaved_vias_keep_their_order() -> None:
    """A path is the same wherever its headers stand."""
    vias = [
        parse_via(text) for value in heard("lync-2013-forwarded").headers.get_all("Via") for text in split_list(value)
    ]
    assert [via.host for via in vias] == ["10.0.0.1", "10.0.0.7", "192.168.1.40"]
    assert vias[0].params["ms-internal-info"] == "aXoQ,7;x"
    assert heard("lync-2013-forwarded").from_.display == "Zo\udceb Dupont"


def test_signatures_are_read_from_each_header() -> None:
    """Clients sign in Authorization or Proxy-Authorization, servers in Authentication-Info."""
    for name, header, number in (
        ("pidgin-invite", "Authorization", "cnum"),
        ("lync-2013-invite", "Proxy-Authorization", "cnum"),
        ("lync-2013-forwarded", "Authentication-Info", "snum"),
    ):
        scheme, params = parse_auth(heard(name).headers.get(header) or "")
        assert scheme == "NTLM"
        assert params[number].isdigit()
        assert params["realm"] == "SIP Communications Service"


def test_a_publication_is_read() -> None:
    """Its body is a document that names the categories."""
    root = read_xml(heard("lync-2013-publish").body)
    (publication,) = children(children(root, "publications")[0], "publication")
    assert attr(publication, "categoryname") == "device"
