"""Bytes of a NATS server, as it writes them and as nobody should."""

import json

import pytest

from lyncpy.backends.nats import frames
from lyncpy.backends.nats.frames import (
    LINE_BYTES,
    PAYLOAD_BYTES,
    Acknowledged,
    Frame,
    FrameDecoder,
    NotNats,
    ReceivedMessage,
    ServerError,
    ServerInfo,
    ServerPing,
    ServerPong,
    is_subject,
)

INFO = (
    b'INFO {"server_id":"NA","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576,"nonce":"abc",'
    b'"auth_required":true,"tls_required":true,"tls_available":true,"ldm":true,"connect_urls":["10.0.0.1:4222",7]} \r\n'
)
READ = ServerInfo("2.9.10", 1048576, "abc", True, True, True, True, ("10.0.0.1:4222",))


def test_reads_what_a_server_says() -> None:
    """All at once; verbs may have any case."""
    data = INFO + b"PING\r\npong\r\n+OK\r\n-ERR 'Stale Connection'\r\nMSG a.b 9 2\r\nhi\r\nMSG a 12 re.ply 0\r\n\r\n"
    assert FrameDecoder().feed(data) == [
        READ,
        ServerPing(),
        ServerPong(),
        Acknowledged(),
        ServerError("Stale Connection"),
        ReceivedMessage("a.b", 9, "", b"hi"),
        ReceivedMessage("a", 12, "re.ply", b""),
    ]


def test_bytes_may_come_one_by_one() -> None:
    """A message whose bytes look like lines is one message."""
    decoder = FrameDecoder()
    found: list[Frame] = []
    for byte in b"MSG a 1 r 8\r\nPING\r\n\r\n\r\nPING\r\n":
        found += decoder.feed(bytes([byte]))
    assert found == [ReceivedMessage("a", 1, "r", b"PING\r\n\r\n"), ServerPing()]
    assert len(decoder) == 0


def test_headers_are_read_over_and_a_status_is_seen() -> None:
    """503: nobody listens there. Others' headers say nothing to us."""
    head = b"NATS/1.0 503\r\n\r\n"
    other = b"NATS/1.0\r\nA: b\r\n\r\n"
    data = b"HMSG a 1 %d %d\r\n%b\r\n" % (len(head), len(head), head)
    data += b"HMSG a 1 r %d %d\r\n%bhi\r\n" % (len(other), len(other) + 2, other)
    assert FrameDecoder().feed(data) == [ReceivedMessage("a", 1, "", b"", 503), ReceivedMessage("a", 1, "r", b"hi")]


def test_what_an_info_does_not_say_is_not_so() -> None:
    """Nor what it says of another kind; a server that allows nothing, or too much, allows what is usual."""
    told = {"version": 7, "max_payload": "big", "tls_required": 1, "connect_urls": "a"}
    assert FrameDecoder().feed(b"INFO " + json.dumps(told).encode() + b"\r\n") == [ServerInfo()]
    assert FrameDecoder().feed(b'INFO {"max_payload":99999999}\r\n') == [ServerInfo()]
    assert FrameDecoder().feed(b'INFO {"max_payload":100}\r\n') == [ServerInfo(max_payload=100)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "is no line of NATS"),
        (b"INFO {\r\n", "INFO is not JSON"),
        (b"INFO " + b"[" * 30_000 + b"\r\n", "INFO is not JSON"),
        (b"INFO []\r\n", "INFO is no object"),
        (b"MSG a 1\r\n", "a message has 2 words in its line"),
        (b"MSG a x 1\r\n", "is no number"),
        (b"MSG a 1 -1\r\n", "is no number"),
        (b"MSG a 1 9999999999999999\r\n", "is no number"),
        (b"MSG \xff 1 1\r\n", "is not UTF-8"),
        (b"HMSG a 1 20 10\r\n", "more headers than bytes"),
        (b"MSG a 1 1\r\nabc", "does not end where it said"),
        (b"HMSG a 1 8 8\r\nNATS/2.0\r\n", "another version than NATS/1.0"),
        (b"PING" * LINE_BYTES, f"longer than {LINE_BYTES} bytes"),
        (b"INFO " + b" " * LINE_BYTES, f"longer than {LINE_BYTES} bytes"),
    ],
)
def test_what_is_no_nats_ends_the_reading(data: bytes, words: str) -> None:
    """With a reason, after what was in order; nothing is kept of it, and nothing that follows is read."""
    decoder = FrameDecoder()
    ping, garbled = decoder.feed(b"PING\r\n" + data)
    assert ping == ServerPing()
    assert isinstance(garbled, NotNats) and words in garbled.reason
    assert len(decoder) == 0
    assert decoder.feed(b"PING\r\n") == ()


def test_a_line_may_have_its_bound() -> None:
    """However it is cut."""
    line = b"-ERR " + b"x" * (LINE_BYTES - 5)
    decoder = FrameDecoder()
    assert decoder.feed(line + b"\r") == []
    assert decoder.feed(b"\n") == [ServerError("x" * (LINE_BYTES - 5))]


def test_a_subject_may_be_as_long_as_a_server_takes_it() -> None:
    """A server bounds what is published at 4,096 bytes; our subscription's number makes the line of it longer."""
    subject = "a" * 4_090
    assert FrameDecoder().feed(f"MSG {subject} 123456789 1\r\nx\r\n".encode()) == [
        ReceivedMessage(subject, 123456789, "", b"x")
    ]


@pytest.mark.parametrize("step", [1_000_000, PAYLOAD_BYTES * 2])
def test_a_message_that_is_too_large_is_read_over(step: int) -> None:
    """It comes without its bytes, of which none are kept; what looks like a line in it is none."""
    size = PAYLOAD_BYTES + 1
    stream = b"PING\r\nMSG a.b 7 r %d\r\n%b\r\nPONG\r\n" % (size, b"\r\n" + b"x" * (size - 8) + b"PING\r\n")
    decoder = FrameDecoder()
    found: list[Frame] = []
    for begin in range(0, len(stream), step):
        found += decoder.feed(stream[begin : begin + step])
        assert len(decoder) == 0
    assert found == [ServerPing(), ReceivedMessage("a.b", 7, "r", b""), ServerPong()]


@pytest.mark.parametrize("text", ["", "a.", ".a", "a..b", "a b", "a\r\nPUB x", "a.*", "a.>", "a\x00"])
def test_what_cannot_be_published_to_is_known(text: str) -> None:
    """An empty token, a wildcard, a space or the end of a line."""
    assert not is_subject(text)
    assert is_subject("lyncpy.fact.BoardChanged.-")


def test_commands_are_written_as_a_server_reads_them() -> None:
    """Sizes count bytes."""
    assert frames.publish("a", "ü".encode(), "r") == b"PUB a r 2\r\n\xc3\xbc\r\n"
    assert frames.publish("a", b"") == b"PUB a  0\r\n\r\n"
    assert frames.subscribe("a.>", 3) == b"SUB a.> 3\r\n"
    assert frames.subscribe("a.>", 3, "any") == b"SUB a.> any 3\r\n"
    assert frames.unsubscribe(3) == b"UNSUB 3\r\n"
    assert frames.connect({"echo": False}) == b'CONNECT {"echo":false}\r\n'
