"""A head that is known is read to the same message as one that nobody has seen, and what is not known is not taken for it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lyncpy.sip.decoder import Decoder, DecoderLimits, Item
from lyncpy.sip.errors import RemoteProtocolError
from tests.kit.soak import many

LIMITS = DecoderLimits(line_bytes=400, head_bytes=900, headers=20, body_bytes=40)

START = st.sampled_from(["MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK"])
NUMBER = st.sampled_from(["1", "2", "007", "", " 3", "4\r", "5\n", "6\r\n Folded:", "7\r\nCSeq: 8"])
VIA = st.sampled_from(
    [
        "Via: SIP/2.0/TLS 10.0.0.1",
        "v: SIP/2.0/TLS 10.0.0.1",
        "Via :x",
        "Via: a\r\nVia: b",
        "Via: zo\xeb",
        "Via: " + "x" * 390,
        "X",
    ]
)
LENGTH = st.sampled_from(
    [
        "Content-Length: 5",
        "Content-Length: 0",
        "Content-Length: 41",
        "Content-Length: 99999",
        "Content-Length: x",
        "l: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Subject: none",
    ]
)
TEXT = st.sampled_from(
    ["From: <sip:alice@example.com>;tag=a", "From: <sip:alice@example.com>;tag=b", "f: <sip:a@b>", "", "\tfolded"]
)
BODY = st.sampled_from([b"hello", b"", b"hell", b"\r\n\r\nx", b"hello" * 9])
END = st.sampled_from(["\r\n\r\n", "\r\n\r\n\r\n", "\n\n", "\r\n\n"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One message: most of the time the usual one."""

    def part(usual: str, others: st.SearchStrategy[str]) -> str:
        return draw(others) if draw(st.integers(0, 9)) == 0 else usual

    start = draw(START)
    lines = [
        start,
        part("Via: SIP/2.0/TLS 10.0.0.1", VIA),
        part("From: <sip:alice@example.com>;tag=a", TEXT),
        f"CSeq: {draw(st.integers(1, 99))} MESSAGE" if draw(st.integers(0, 9)) else f"CSeq: {draw(NUMBER)} MESSAGE",
        "Call-ID: c",
        part("Content-Length: 5", LENGTH),
    ]
    body = draw(BODY) if draw(st.integers(0, 9)) == 0 else b"hello"
    return ("\r\n".join(lines) + part("\r\n\r\n", END)).encode("latin-1") + body


def read(data: bytes, cuts: list[int]) -> tuple[list[Item], bool]:
    """What a decoder makes of bytes that come in pieces, and whether the framing is lost."""
    decoder = Decoder(LIMITS)
    items: list[Item] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        try:
            items += decoder.feed(data[begin:end])
        except RemoteProtocolError:
            return items, True
    return items, decoder.lost is not None


@settings(max_examples=many(300))
@given(st.lists(messages(), min_size=1, max_size=9), st.integers(1, 80))
def test_known_heads_are_read_as_others_are(parts: list[bytes], size: int) -> None:
    """Each message for itself, all at once, and in small pieces, of which no head is known: the same comes of it."""
    data = b"".join(parts)
    ends = [sum(map(len, parts[:count])) for count in range(1, len(parts))]
    unknown = read(data, list(range(size, len(data), size)))
    assert read(data, ends) == unknown
    assert read(data, []) == unknown
