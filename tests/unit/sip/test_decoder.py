"""Bytes → messages."""

import pytest

from lyncpy.sip import decoder
from lyncpy.sip.decoder import LONGEST_NAMES, USUAL_NAMES, Decoder, DecoderLimits, Garbled, Ping
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Request, Response

OPTIONS = b"OPTIONS sip:contoso.test SIP/2.0\r\n"
ESSENTIAL = b"Via: SIP/2.0/TLS a\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"


def one(data: bytes, limits: DecoderLimits | None = None) -> Request | Response | Garbled:
    """Decode exactly one message."""
    decoder = Decoder(limits)
    (item,) = decoder.feed(data)
    assert not isinstance(item, Ping)
    return item


def request(data: bytes) -> Request:
    """Decode exactly one request."""
    item = one(data)
    assert isinstance(item, Request)
    return item


def test_a_request_is_read() -> None:
    """Start line, headers and body are what was sent; the length has served its purpose."""
    read = request(b"MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 2\r\nSubject:  h\xc3\xa9 \r\n\r\nhi")
    assert (read.method, read.uri, read.body) == ("MESSAGE", "sip:a@b", b"hi")
    assert list(read.headers) == [("Subject", "hé")]
    assert read.headers.lines == ["Subject:  hé "]


def test_a_response_is_read() -> None:
    """The phrase is kept, also when there is none."""
    assert one(b"SIP/2.0 200 Very well\r\n\r\n") == Response(200, "Very well", request(OPTIONS + b"\r\n").headers)
    for line in (b"SIP/2.0 200 \r\n\r\n", b"sip/2.0 200\r\n\r\n"):
        read = one(line)
        assert isinstance(read, Response)
        assert (read.status, read.phrase) == (200, "")


def test_a_message_waits_for_its_body() -> None:
    """Nothing is given before the last byte, and nothing is held after it."""
    decoder = Decoder()
    assert decoder.idle
    assert decoder.feed(OPTIONS + b"l: 3\r\n\r\nab") == []
    assert not decoder.idle
    assert decoder.buffered == 2
    (read,) = decoder.feed(b"cOPT")
    assert isinstance(read, Request)
    assert read.body == b"abc"
    assert decoder.buffered == 3
    assert not decoder.idle


def test_keep_alives_between_messages_are_told() -> None:
    """Two line ends are a ping; one is an answer, known as such when something else follows."""
    decoder = Decoder()
    assert decoder.feed(b"\r\n\r\n") == [Ping()]
    assert decoder.feed(b"\r\n") == []
    assert decoder.idle
    assert decoder.feed(b"\r") == []
    assert decoder.feed(b"\n\r\n\n\r\n") == [Ping(), Ping()]
    (read,) = decoder.feed(b"\r\n" + OPTIONS + b"\r\n")[1:]
    assert isinstance(read, Request)


def test_a_lone_carriage_return_between_messages_loses_the_framing() -> None:
    """What no client sends is not guessed at."""
    with pytest.raises(RemoteProtocolError):
        Decoder().feed(b"\rOPTIONS")


def test_line_feeds_alone_end_lines_if_all_do() -> None:
    """A simple client, or a person with netcat, is understood."""
    read = request(b"OPTIONS sip:a@b SIP/2.0\nSubject: x\n y\nl: 1\n\nz")
    assert (list(read.headers), read.body) == ([("Subject", "x y")], b"z")


@pytest.mark.parametrize(
    "head",
    [
        OPTIONS + b"A: b\nContent-Length: 5\r\n\r\n",
        OPTIONS + b"A: b\rc\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\nA: b\r\n\n",
    ],
)
def test_mixed_line_ends_are_refused_and_lose_the_framing(head: bytes) -> None:
    """Two readers could see two messages, so nobody's reading is trusted."""
    decoder = Decoder()
    (item,) = decoder.feed(head + b"GARBAGE")
    assert isinstance(item, Garbled)
    assert item.status == 400
    assert item.request is not None
    assert not any("\r" in line or "\n" in line for line in item.request.headers.lines)
    assert decoder.lost is not None
    with pytest.raises(RemoteProtocolError):
        decoder.feed(b"")


def test_messages_before_a_loss_are_delivered() -> None:
    """A client's last words are heard before the connection closes."""
    decoder = Decoder()
    (read,) = decoder.feed(OPTIONS + b"\r\nGET / HTTP/1.1\r\n\r\n")
    assert isinstance(read, Request)
    assert decoder.lost is not None
    assert decoder.buffered == 0
    with pytest.raises(RemoteProtocolError, match="not SIP"):
        decoder.feed(b"more")


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/1.1", b"\x16\x03\x01", b"OPTIONS sip:a@b", b"OPTIONS", b"(x) sip:a@b SIP/2.0", b"HTTP/1.1 200 OK"],
)
def test_what_is_not_sip_loses_the_framing(start: bytes) -> None:
    """Another protocol on this port ends the connection."""
    with pytest.raises(RemoteProtocolError):
        Decoder().feed(start + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"OPTIONS sip:a@b SIP/3.0", 505),
        (b"OPTIONS  sip:a@b SIP/2.0", 400),
        (b" OPTIONS sip:a@b SIP/2.0", 400),
        (b"OPTIONS sip:a@b SIP/2.0 ", 400),
        (b"OPTIONS sip:a b SIP/2.0", 400),
        (b"OPTIONS <sip:a@b> SIP/2.0", 400),
        (b"OPTIONS alice SIP/2.0", 400),
        (b"OPTIONS SIP/2.0", 400),
    ],
)
def test_a_bad_request_line_can_be_answered(start: bytes, status: int) -> None:
    """The request is refused, its body skipped, and the next one read."""
    decoder = Decoder()
    bad, good = decoder.feed(start + b"\r\n" + ESSENTIAL + b"l: 4\r\n\r\nbody" + OPTIONS + b"\r\n")
    assert isinstance(bad, Garbled)
    assert bad.status == status
    assert bad.request is not None
    assert bad.request.method == "OPTIONS"
    assert bad.request.call_id == "c"
    assert isinstance(good, Request)


def test_an_unusual_but_right_request_line_is_read() -> None:
    """Methods nobody knows and a lower-case version are fine."""
    read = request(b"!odd.Method% urn:service:sos sip/2.0\r\n\r\n")
    assert (read.method, read.uri) == ("!odd.Method%", "urn:service:sos")


@pytest.mark.parametrize(
    "start", [b"SIP/3.0 200 OK", b"SIP/2.0 99 x", b"SIP/2.0 4294967301 x", b"SIP/2.0 2x0 y", b"SIP/"]
)
def test_a_bad_response_has_nobody_to_answer(start: bytes) -> None:
    """It is passed over."""
    item = one(start + b"\r\n" + ESSENTIAL + b"\r\n")
    assert isinstance(item, Garbled)
    assert item.request is None


def test_a_line_that_is_no_header_spoils_its_message_only() -> None:
    """The others still say whom to answer."""
    item = one(OPTIONS + b"no colon\r\n" + ESSENTIAL + b"\r\n")
    assert isinstance(item, Garbled)
    assert item.request is not None
    assert item.request.call_id == "c"
    assert "no colon" in item.reason


def test_lengths_that_agree_are_one_length() -> None:
    """The same length twice, or with zeros before it, is no riddle."""
    assert request(OPTIONS + b"l: 1\r\nContent-Length: 0001\r\n\r\nx").body == b"x"


@pytest.mark.parametrize(
    "lines",
    [b"l: 1\r\nl: 2", b"l: -1", b"l: 1, 1", b"l:", b"l: x", b"l: \xc2\xb2", b"l: " + b"9" * 13, b"c: text/plain"],
)
def test_a_body_of_unknown_length_is_refused_and_loses_the_framing(lines: bytes) -> None:
    """A body must never be taken for the next request."""
    decoder = Decoder()
    (item,) = decoder.feed(OPTIONS + ESSENTIAL + lines + b"\r\n\r\nx" + OPTIONS + b"\r\n")
    assert isinstance(item, Garbled)
    assert (item.status, item.request and item.request.call_id) == (400, "c")
    assert decoder.lost is not None


def test_a_body_over_the_bound_is_skipped_without_being_held() -> None:
    """The sender is told, and the stream goes on after the body."""
    decoder = Decoder(DecoderLimits(body_bytes=10))
    (item,) = decoder.feed(OPTIONS + b"l: 100000\r\n\r\n" + b"x" * 50)
    assert isinstance(item, Garbled)
    assert item.status == 413
    assert not decoder.idle
    assert decoder.feed(b"x" * 99_949) == []
    assert decoder.buffered == 0
    assert not decoder.idle
    (good,) = decoder.feed(b"x" + OPTIONS + b"l: 10\r\n\r\n" + b"y" * 10)
    assert isinstance(good, Request)
    assert decoder.idle


def test_a_head_over_the_bound_loses_the_framing() -> None:
    """Nobody fills the memory with a head that never ends, however it is cut."""
    limits = DecoderLimits(head_bytes=100)
    exact = OPTIONS + b"A: " + b"x" * (100 - len(OPTIONS) - 3)
    assert isinstance(one(exact + b"\r\n\r\n", limits), Request)
    for data in (exact + b"x\r\n\r\n", exact + b"xxxx", b"x" * 104):
        with pytest.raises(RemoteProtocolError, match="too long"):
            Decoder(limits).feed(data)
    assert Decoder(limits).feed(exact + b"\r\n\r") == []


def test_a_line_over_the_bound_spoils_its_message() -> None:
    """A single line may not be as long as a head, not even when it is folded."""
    limits = DecoderLimits(line_bytes=50)
    for line in (b"A: " + b"x" * 50, b"A: " + b"x" * 30 + b"\r\n " + b"x" * 30):
        item = one(OPTIONS + line + b"\r\n\r\n", limits)
        assert isinstance(item, Garbled)
        assert item.status == 400
    assert isinstance(one(OPTIONS + b"Ab: " + b"x" * 46 + b"\r\n\r\n", limits), Request)


def test_the_largest_ticket_of_kerberos_fits_into_a_line() -> None:
    """Windows makes none of more than 48,000 bytes."""
    line = (
        b'Authorization: Kerberos qop="auth", gssapi-data="'
        + b"A" * 64_000
        + b'", targetname="sip/fe1.contoso.test"\r\n'
    )
    assert isinstance(one(OPTIONS + line + b"\r\n", DecoderLimits()), Request)


def test_too_many_lines_lose_the_framing() -> None:
    """A head of a thousand little lines is an attack."""
    limits = DecoderLimits(headers=3)
    assert isinstance(one(OPTIONS + b"A:b\r\n" * 3 + b"\r\n", limits), Request)
    with pytest.raises(RemoteProtocolError, match="too many"):
        Decoder(limits).feed(OPTIONS + b"A:b\r\n" * 4 + b"\r\n")


def test_a_stream_byte_by_byte_is_not_read_again_and_again() -> None:
    """A client that trickles costs no more than its bytes."""
    decoder = Decoder()
    data = OPTIONS + b"A: " + b"x" * 30_000 + b"\r\n" + b"B: y\r\n" * 200 + b"\r\n"
    items = [item for at in range(len(data)) for item in decoder.feed(data[at : at + 1])]
    assert len(items) == 1


def test_bytes_that_are_no_utf_8_are_kept() -> None:
    """A name in Latin-1 passes through as it came."""
    read = request(OPTIONS + b"From: Zo\xeb <sip:a@b>\r\n\r\n")
    assert read.from_.display.encode("utf-8", "surrogateescape") == b"Zo\xeb"


def test_names_that_came_lately_are_known_to_all_connections() -> None:
    """Of each method and number of fields, as some programs spell them: there are few."""
    USUAL_NAMES.clear()
    spellings = [b"Subject: x\r\n", b"SUBJECT: x\r\n", b"subject: x\r\n", b"s: x\r\n", b"Supported: x\r\n"]
    read = [request(OPTIONS + line + b"X-A: b\r\nContent-Length: 0\r\n\r\n") for line in (*spellings, spellings[-1])]
    assert [next(iter(one.headers))[0] for one in read] == [
        "Subject",
        "SUBJECT",
        "subject",
        "Subject",
        "Supported",
        "Supported",
    ]
    (kind,) = USUAL_NAMES
    assert kind == ("OPTIONS", 3)
    assert [names.spelt[0] for names in USUAL_NAMES[kind]] == ["Supported:", "Subject:", "subject:", "SUBJECT:"]


def test_names_that_strangers_invent_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in length; what is not remembered is read each time."""
    USUAL_NAMES.clear()
    monkeypatch.setattr(decoder, "KEPT_KINDS", 2)
    for method in (b"A", b"B", b"C"):
        assert request(method + OPTIONS[7:] + ESSENTIAL + b"\r\n").method == method.decode()
    assert list(USUAL_NAMES) == [("C", 5)]
    for _ in range(2):
        assert len(request(OPTIONS + b"X-" + b"y" * LONGEST_NAMES + b": z\r\n\r\n").headers) == 1
        assert len(request(b"Y" * LONGEST_NAMES + OPTIONS[7:] + b"X-A: z\r\n\r\n").headers) == 1
    assert list(USUAL_NAMES) == [("C", 5)]
