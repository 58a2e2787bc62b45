"""A head that comes again is known by its bytes; whatever differs in it is read anew."""

import pytest

from lyncpy.sip.decoder import Decoder, DecoderLimits, Garbled
from lyncpy.sip.message import Request, Response

FIRST = "MESSAGE sip:bob@example.com SIP/2.0"


def head(number: int, start: str = FIRST, more: str = "", length: str = "Content-Length: 2") -> bytes:
    """A message of a talk."""
    lines = [
        start,
        "Via: SIP/2.0/TLS 10.0.0.1",
        "From: <sip:alice@example.com>;tag=a",
        f"CSeq: {number} MESSAGE",
        *more.split("|"),
    ]
    return "\r\n".join([*[line for line in lines if line], length, "\r\nhi"]).encode()


def after_two(decoder: Decoder, start: str = FIRST) -> None:
    """The head has come twice."""
    for number in (1, 2):
        assert len(decoder.feed(head(number, start))) == 1


@pytest.mark.parametrize("start", [FIRST, "SIP/2.0 200 OK"])
def test_the_third_of_a_talk_is_read_by_what_varies(start: str) -> None:
    """It says the same as it would have if it had been the first, and shares what is known of the others."""
    decoder = Decoder()
    after_two(decoder, start)
    together = decoder.feed(head(3, start) + head(4, start))
    [alone] = Decoder().feed(head(4, start))
    assert together[1] == alone
    third, fourth = together
    assert isinstance(third, Request | Response)
    assert isinstance(fourth, Request | Response)
    assert (third.cseq.number, fourth.cseq.number, fourth.body) == (3, 4, b"hi")
    assert third.shared is fourth.shared is not None


@pytest.mark.parametrize(
    "other",
    [
        head(3, "MESSAGE sip:carol@example.com SIP/2.0"),
        head(3, more="Subject: more"),
        head(3).replace(b"tag=a", b"tag=b"),
        head(3).replace(b"CSeq", b"cseq"),
        head(3).replace(b"10.0.0.1", b"10.0.0.1\r\n folded"),
        head(3, length="Content-Length: 2\r\nX: y"),
        b"\r\n\r\n" + head(3),
    ],
)
def test_another_head_is_read_line_by_line(other: bytes) -> None:
    """Whatever the difference is, it is seen."""
    decoder = Decoder()
    after_two(decoder)
    assert decoder.feed(other) == Decoder().feed(other)


@pytest.mark.parametrize("cut", [1, 60, -1])
def test_one_that_comes_in_pieces_is_waited_for(cut: int) -> None:
    """Its body may be under way, or half of its head."""
    decoder = Decoder()
    after_two(decoder)
    assert decoder.feed(head(3)[:cut]) == []
    assert decoder.feed(head(3)[cut:]) == Decoder().feed(head(3))
    assert decoder.feed(head(4)) == Decoder().feed(head(4))


@pytest.mark.parametrize("length", ["Content-Length: two", "Content-Length: 9"])
def test_bounds_and_errors_are_those_of_any_message(length: str) -> None:
    """A body that is too long is refused, and without a length nobody knows where the next message begins."""
    decoder = Decoder(DecoderLimits(body_bytes=8))
    after_two(decoder)
    [refused] = decoder.feed(head(3, length=length))
    assert isinstance(refused, Garbled)
    assert refused.request is not None
    assert refused.request.cseq.number == 3


def test_a_line_break_that_is_none_is_seen() -> None:
    """Two readers could see two different messages."""
    decoder = Decoder()
    after_two(decoder)
    [refused] = decoder.feed(head(3).replace(b"10.0.0.1", b"10.0.0.1\nX: y"))
    assert isinstance(refused, Garbled)
    assert decoder.lost is not None


@pytest.mark.parametrize("more", ["s: lunch", "Subject : lunch", "Content-Length: 2"])
def test_a_head_that_is_written_in_another_way_is_read_each_time(more: str) -> None:
    """Compact names become long ones, and of two lengths both have to be looked at."""
    decoder, unknown = Decoder(), []
    for number in range(1, 5):
        assert decoder.feed(head(number, more=more)) == (unknown := Decoder().feed(head(number, more=more)))
    assert isinstance(unknown[0], Request)
