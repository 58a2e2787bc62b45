"""What holds for every byte stream and every message."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lyncpy.sip.decoder import Decoder, DecoderLimits, Garbled, Item, Ping
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Message, Request, Response, response_to
from tests.kit.strategies import cuts, messages, requests, unread_fields

# Whole messages are big draws; on a busy machine that looks like a bad strategy.
unhurried = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

SMALL = DecoderLimits(line_bytes=60, head_bytes=400, headers=12, body_bytes=50)

fragments = st.lists(
    st.one_of(
        messages.map(encode),
        st.binary(max_size=30),
        st.sampled_from(
            [
                b"\r\n",
                b"\r\n\r\n",
                b"\n",
                b"\r",
                b" ",
                b"OPTIONS sip:a@b SIP/2.0\r\n",
                b"OPTIONS sip:a@b SIP/2.0\n",
                b"SIP/2.0 200 OK\r\n",
                b"SIP/2.0 99 No\r\n",
                b"Content-Length: 3\r\n",
                b"l: 70\r\n",
                b"l: -1\r\n",
                b"Subject: a\r\n b\r\n",
                b"no colon\r\n",
                b"X: \n",
                b"c: text/plain\r\n",
                b"Content-Length: 3\r\n\r\nabc",
            ]
        ),
    ),
    max_size=6,
).map(b"".join)


def decoded(chunks: list[bytes], limits: DecoderLimits) -> tuple[list[Item], str | None, bool, int]:
    """Feed chunks until the framing is lost; give all items, why it was lost, and what is left."""
    decoder = Decoder(limits)
    items: list[Item] = []
    for chunk in chunks:
        try:
            items += decoder.feed(chunk)
        except RemoteProtocolError:
            break
    return items, decoder.lost.reason if decoder.lost else None, decoder.idle, decoder.buffered


@unhurried
@given(st.one_of(st.binary(max_size=300), fragments))
def test_any_bytes_give_messages_or_a_protocol_error(data: bytes) -> None:
    """Whatever arrives, a stream gives messages, keep-alives and refusals, or is closed."""
    items, _, _, buffered = decoded([data], SMALL)
    assert all(isinstance(item, Request | Response | Ping | Garbled) for item in items)
    assert buffered <= len(data)


@unhurried
@given(fragments, st.data())
def test_any_cut_gives_the_same_messages(data: bytes, draw: st.DataObject) -> None:
    """How the network cuts a stream changes nothing."""
    chunks = draw.draw(cuts(data))
    whole = decoded([data], SMALL)
    assert decoded(chunks, SMALL) == whole
    assert decoded([data[at : at + 1] for at in range(len(data))], SMALL) == whole


@unhurried
@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    """A message survives the wire unchanged."""
    decoder = Decoder()
    assert decoder.feed(encode(message)) == [message]
    assert decoder.idle


@unhurried
@given(st.lists(messages, max_size=4))
def test_messages_keep_their_order_and_their_borders(sent: list[Message]) -> None:
    """Many messages in one piece are as many messages."""
    assert Decoder().feed(b"".join(map(encode, sent))) == sent


@unhurried
@given(requests(), unread_fields, st.sampled_from(["", " ", "  ", "\t"]))
def test_an_unread_header_survives_a_forward_byte_for_byte(
    request: Request, field: tuple[str, str], blanks: str
) -> None:
    """A proxy hands on what it does not know exactly as it came."""
    line = f"{field[0]}:{blanks}{field[1]}".encode("utf-8", "surrogateescape")
    start, _, rest = encode(request).partition(b"\r\n")
    arrived = Decoder().feed(b"\r\n".join((start, line, rest)))[0]
    assert isinstance(arrived, Request)
    forwarded = arrived.edited(
        uri="sip:127.0.0.1:5061",
        first=[("Via", "SIP/2.0/TLS lync.contoso.test;branch=z9hG4bK1")],
        put=[("Max-Forwards", "69")],
        drop_first="Route",
    )
    assert line in encode(forwarded).split(b"\r\n")


@unhurried
@given(requests(), st.integers(200, 699))
def test_every_request_can_be_answered(request: Request, status: int) -> None:
    """An answer has the essential headers of its request, and a To tag."""
    response = response_to(request, status)
    assert [response.headers.get_all(name) for name in ("Via", "From", "Call-ID", "CSeq")] == [
        request.headers.get_all(name) for name in ("Via", "From", "Call-ID", "CSeq")
    ]
    assert response.to.tag is not None
    assert response.to.uri == request.to.uri
    assert Decoder().feed(encode(response)) == [response]


@unhurried
@given(messages)
def test_views_of_a_valid_message_can_be_read(message: Message) -> None:
    """The essential headers of every valid message are understood."""
    assert message.from_.uri
    assert message.to.uri
    assert message.via.protocol == "SIP"
    assert message.cseq.number >= 0
    if isinstance(message, Request):
        assert message.target.scheme in ("sip", "sips", "tel")


@unhurried
@given(st.binary(max_size=80))
def test_views_of_any_text_give_values_or_a_protocol_error(data: bytes) -> None:
    """A header that says nothing is the sender's fault, and never a crash."""
    text = data.replace(b"\r", b"").replace(b"\n", b"").decode("utf-8", "surrogateescape")
    names = ("Via", "From", "To", "Call-ID", "CSeq", "Event", "Content-Type", "Max-Forwards", "Expires")
    request = Request("INFO", text, Headers([(name, text) for name in names]))
    for view in ("via", "from_", "to", "call_id", "cseq", "event", "content_type", "max_forwards", "expires", "target"):
        try:
            getattr(request, view)
        except RemoteProtocolError as error:
            assert error.reason and 400 <= error.status < 500
    response_to(request, 400)
