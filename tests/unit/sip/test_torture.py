"""The torture messages of RFC 4475, each by its name, on a stream.

The RFC leaves many of them to the reader's temper. Ours: what can be read in one way only
is read; what two readers could read in two ways is refused; what cannot be framed ends
the stream. Nothing ever fails in another way.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from lyncpy.sip.body import read_multipart
from lyncpy.sip.decoder import Decoder, Garbled, Item, Ping
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import NameAddr, parse_auth, parse_contact_list, parse_name_addr, parse_via, split_list
from lyncpy.sip.message import Request, Response
from lyncpy.sip.uri import parse_uri

CORPUS = Path(__file__).parents[2] / "corpus" / "torture"

Expected = dict[str, object]


def decode(name: str) -> tuple[list[Item], Decoder]:
    """Decode one file of the corpus."""
    decoder = Decoder()
    return decoder.feed((CORPUS / f"{name}.dat").read_bytes()), decoder


def request(name: str) -> Request:
    """Decode a file that is exactly one request."""
    (item,), decoder = decode(name)
    assert isinstance(item, Request)
    assert decoder.lost is None
    assert decoder.idle
    return item


def response(name: str) -> Response:
    """Decode a file that is exactly one response."""
    (item,), _ = decode(name)
    assert isinstance(item, Response)
    return item


def contacts(name: str) -> list[NameAddr]:
    """Read all Contact values of a file."""
    return [contact for text in request(name).headers.get_all("Contact") for contact in parse_contact_list(text)]


# Every view that has to hold, for the messages that are read.
READ: dict[str, Expected] = {
    "wsinv": {
        "method": "INVITE",
        "call_id": "wsinv.ndaksdj@192.0.2.1",
        "max_forwards": 68,
        "cseq.number": 9,
        "cseq.method": "INVITE",
        "to.uri": "sip:vivekg@chair-dnrc.example.com",
        "to.tag": "1918181833n",
        "from_.display": 'J Rosenberg \\"',
        "from_.uri": "sip:jdrosen@example.com",
        "from_.tag": "98asjd8",
        "via.transport": "UDP",
        "via.host": "192.0.2.2",
        "via.branch": "390skdjuw",
        "content_type": "application/sdp",
        "target.user": "vivekg",
    },
    "intmeth": {
        "method": "!interesting-Method0123456789_*+`.%indeed'~",
        "cseq.method": "!interesting-Method0123456789_*+`.%indeed'~",
        "target.user": "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
        "target.host": "example.com",
        "to.display": "BEL:\x07 NUL:\x00 DEL:\x7f",
        "from_.display": "token1~` token2'+_ token3*%!.-",
        "from_.tag": "_token~1'+`*%!-.",
        "call_id": "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        "via.branch": "z9hG4bK-.!%66*_+`'~",
        "max_forwards": 255,
    },
    "esc01": {
        "target.user": "sips%3Auser%40example.com",
        "target.aor": "sip:sips%3auser%40example.com@example.net",
        "to.uri": "sip:%75se%72@example.com",
        "from_.uri": "sip:I%20have%20spaces@example.net",
    },
    "escnull": {"to.uri": "sip:null-%00-null@example.com", "cseq.number": 14398234},
    "esc02": {"method": "RE%47IST%45R", "to.display": "%Z%45", "from_.display": "%Z%45"},
    "lwsdisp": {"from_.display": "caller", "from_.uri": "sip:caller@example.com", "from_.tag": "323"},
    "longreq": {"cseq.number": 3882340, "via.host": "sip33.example.com", "max_forwards": 70},
    "semiuri": {"target.user": "user;par=u%40example.net", "target.host": "example.com"},
    "transports": {"via.transport": "UDP", "call_id": "transports.kijh4akdnaqjkwendsasfdj"},
    "mpart01": {"method": "MESSAGE", "content_type": "multipart/mixed", "body.__len__": 553},
    # Invalid for some reader, but with only one way to read it:
    "escruri": {"target.headers": "Route=%3Csip:example.com%3E"},
    "baddate": {"headers.date": "Fri, 01 Jan 2010 16:00:00 EST"},
    "badaspec": {"to.uri": "sip:t.watson@example.org", "to.display": "Watson, Thomas"},
    "baddn": {"from_.display": "Bell, Alexander", "to.uri": "sip:t.watson@example.org"},
    # Well-formed; what they ask for is refused by others, or is no trouble here:
    "badbranch": {"via.branch": "z9hG4bK"},
    "unksm2": {"to.uri": "isbn:2983792873", "target.host": "example.com"},
    "bext01": {"headers.require": "nothingSupportsThis, nothingSupportsThisEither"},
    "invut": {"content_type": "application/unknownformat"},
    "regaut01": {"headers.authorization": "NoOneKnowsThisScheme opaque-data=here"},
    "zeromf": {"max_forwards": 0},
    "cparam01": {},
    "cparam02": {},
    "regescrt": {},
    "sdp01": {"headers.accept": "text/nobodyKnowsThis"},
}

RESPONSES: dict[str, Expected] = {
    "unreason": {"status": 200, "phrase": "= 2**3 * 5**2 но сто девяносто девять - простое", "to.tag": "2229"},
    "noreason": {"status": 100, "phrase": "", "cseq.number": 35},
    "bcast": {"status": 200, "via.host": "192.0.2.198"},
}

# The first view that refuses them, with what status.
REFUSED: dict[str, tuple[str, int]] = {
    "badinv01": ("via", 400),
    "scalar02": ("cseq", 400),
    "scalarlg": ("cseq", 400),
    "quotbal": ("to", 400),
    "mismatch01": ("cseq", 400),
    "mismatch02": ("cseq", 400),
    "insuf": ("call_id", 400),
    "unkscm": ("target", 416),
    "novelsc": ("target", 416),
    "multi01": ("from_", 400),
}

# Framed but unreadable, and whether the stream goes on after them.
GARBLED: dict[str, tuple[int, bool]] = {
    "ltgtruri": (400, True),
    "lwsruri": (400, True),
    "lwsstart": (400, True),
    "trws": (400, True),
    "badvers": (505, True),
    "bigcode": (400, True),
    "ncl": (400, False),
    "mcl01": (400, False),
    "inv2543": (400, False),  # a datagram's: on a stream, a body needs its length
}

OTHERS = {"dblreq", "clerr", "regbadct"}


def look(message: object, path: str) -> object:
    """Follow `to.tag`, or `headers.date` for a header's text."""
    for step in path.split("."):
        if isinstance(message, Request | Response) and step == "headers":
            return message.headers.get(path.removeprefix("headers."))
        message = len(message) if step == "__len__" else getattr(message, step)  # type: ignore[arg-type]  # bytes
    return message


def test_the_corpus_is_whole() -> None:
    """Every message of the RFC is here, and every one is looked at."""
    names = {path.stem for path in CORPUS.glob("*.dat")}
    assert names == {*READ, *RESPONSES, *REFUSED, *GARBLED, *OTHERS}
    assert len(names) == 49


@pytest.mark.parametrize("name", READ)
def test_a_message_that_can_be_read_is_read(name: str) -> None:
    """What the message says is what the views give, and it leaves as it came."""
    message = request(name)
    assert {path: look(message, path) for path in READ[name]} == READ[name]
    for view in ("via", "from_", "to", "call_id", "cseq", "max_forwards", "expires", "event", "content_type", "target"):
        getattr(message, view)
    if name != "intmeth":  # its NUL is kept from clients
        assert Decoder().feed(encode(message)) == [message]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_that_can_be_read_is_read(name: str) -> None:
    """What the response says is what the views give."""
    message = response(name)
    assert {path: look(message, path) for path in RESPONSES[name]} == RESPONSES[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_with_a_broken_header_is_refused_when_that_is_read(name: str) -> None:
    """The stream goes on; whoever needs the header refuses the message."""
    (item,), decoder = decode(name)
    view, status = REFUSED[name]
    with pytest.raises(RemoteProtocolError) as error:
        getattr(item, view)
    assert error.value.status == status
    assert decoder.lost is None


@pytest.mark.parametrize("name", GARBLED)
def test_a_message_that_cannot_be_read_is_refused(name: str) -> None:
    """Its sender is answered; without a trustworthy length the stream ends."""
    (item,), decoder = decode(name)
    status, goes_on = GARBLED[name]
    assert isinstance(item, Garbled)
    assert item.status == status
    assert (decoder.lost is None) == goes_on
    assert decoder.idle
    if name == "bigcode":
        assert item.request is None
    else:
        assert item.request is not None
        assert item.request.call_id.startswith(name)


def test_dblreq_is_two_requests() -> None:
    """On a stream the second request is one; what follows its length is not SIP."""
    items, decoder = decode("dblreq")
    assert [getattr(item, "method", item) for item in items] == ["REGISTER", Ping(), "INVITE"]
    assert decoder.lost is not None


def test_clerr_waits_for_the_rest_of_its_body() -> None:
    """A length beyond what came is no error on a stream."""
    items, decoder = decode("clerr")
    assert items == []
    assert not decoder.idle


def test_regbadct_has_a_contact_that_could_be_two_things() -> None:
    """A bare address with a question mark is refused."""
    with pytest.raises(RemoteProtocolError):
        contacts("regbadct")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        (
            "escnull",
            lambda: (
                [c.uri for c in contacts("escnull")] == ["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]
            ),
        ),
        ("esc01", lambda: parse_uri(contacts("esc01")[0].uri).aor == "sip:caller@host5.example.net"),
        (
            "cparam01",
            lambda: contacts("cparam01") == [NameAddr("", "sip:+19725552222@gw1.example.net", {"unknownparam": ""})],
        ),
        ("cparam02", lambda: contacts("cparam02") == [NameAddr("", "sip:+19725552222@gw1.example.net;unknownparam")]),
        ("regescrt", lambda: parse_uri(contacts("regescrt")[0].uri).headers == "Route=%3Csip:sip.example.com%3E"),
        (
            "regaut01",
            lambda: parse_auth(request("regaut01").headers.get("Authorization") or "")[1] == {"opaque-data": "here"},
        ),
    ],
)
def test_contacts_and_credentials_are_read(name: str, check: Callable[[], bool]) -> None:
    """Parameters belong to the header or to the URI, as the brackets say."""
    assert check(), name


def test_wsinv_has_three_vias_and_one_contact() -> None:
    """Folded, comma-separated and compact headers are read in their order."""
    message = request("wsinv")
    vias = [parse_via(text) for value in message.headers.get_all("Via") for text in split_list(value)]
    assert [(via.transport, via.host, via.branch) for via in vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    contact = parse_name_addr(message.headers.get("Contact") or "")
    assert contact == NameAddr(
        'Quoted string ""', "sip:jdrosen@example.com", {"newparam": "newvalue", "secondparam": "", "q": "0.33"}
    )
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"


def test_longreq_has_all_its_vias() -> None:
    """A long path is a path."""
    message = request("longreq")
    assert len([text for value in message.headers.get_all("Via") for text in split_list(value)]) == 34
    assert message.target.user == "user"


def test_mpart01_has_a_text_and_a_binary_part() -> None:
    """A binary body passes unchanged."""
    message = request("mpart01")
    parts = read_multipart(message.body, message.headers.get("Content-Type") or "")
    assert [part.content_type for part in parts] == ["text/plain", "application/octet-stream"]
    assert parts[0].body == b"Hello"
    assert b"\0" in parts[1].body
