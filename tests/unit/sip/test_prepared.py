"""Notifications that are written ahead: the same bytes as those that are written each time."""

from typing import Any

import pytest

from lyncpy.sip.decoder import Decoder
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, PreparedResponse, Template
from lyncpy.sip.subscription import Document, SendNotify, SubscriptionMachine, SubscriptionTerms

TERMS = SubscriptionTerms(default_s=28_800, minimum_s=300, maximum_s=43_200)
VIA = "Via: SIP/2.0/TLS sip.example.com:5061;branch=z9hG4bK1"
SIGNATURE = 'Authentication-Info: NTLM rspauth="00", srand="1", snum="1"'
LYNC = ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")
STATE = Document("application/msrtc-event-categories+xml", "<state>zoë</state>".encode())
OTHER = Document("multipart/related; boundary=x", b"<list/>")


def subscribe(
    *more: tuple[str, str], number: int = 1, tag: str = "", supported: tuple[str, ...] = LYNC, contact: str = "home"
) -> Request:
    """A SUBSCRIBE as a real client writes it."""
    return Request(
        "SUBSCRIBE",
        "sip:zoe@example.com",
        Headers(
            [
                ("From", '"Zoë \udcff" <sip:zoe@example.com>;tag=a;epid=01'),
                ("To", "<sip:zoe@example.com>" + (f";tag={tag}" if tag else "")),
                ("Call-ID", "c1"),
                ("CSeq", f"{number} SUBSCRIBE"),
                ("Event", "presence"),
                ("Contact", f"<sip:zoe@example.com;opaque=user:epid:{contact};gruu>"),
                *(("Supported", word) for word in supported),
                *more,
            ]
        ),
    )


def begun(*more: tuple[str, str], supported: tuple[str, ...] = LYNC) -> SubscriptionMachine:
    """A subscription that has begun."""
    request = subscribe(*more, supported=supported)
    machine = SubscriptionMachine(request, "s", "<sip:sip.example.com:5061;transport=tls>", ())
    machine.subscribe(request, TERMS, STATE, 1000.1)
    return machine


def slowly(machine: SubscriptionMachine, document: Document, now: float) -> bytes:
    """The next notification, written line by line."""
    [effect] = machine.notify(document, now)
    assert isinstance(effect, SendNotify)
    last = SIGNATURE.partition(": ")
    via = VIA.partition(": ")
    return encode(effect.request.edited(first=[(via[0], via[2])], last=[(last[0], last[2])]))


def filled(machine: SubscriptionMachine, document: Document, now: float) -> Prepared:
    """The next notification, written ahead."""
    prepared = machine.prepare(document, now)
    assert prepared is not None
    prepared.vias = VIA
    prepared.signature = f"{SIGNATURE}\r\n"
    return prepared


def same(one: SubscriptionMachine, other: SubscriptionMachine, now: float, document: Document = STATE) -> None:
    """Have two subscriptions with the same history say the same."""
    assert filled(one, document, now).encoded() == slowly(other, document, now)
    assert one.deadline() == other.deadline()


@pytest.mark.parametrize(
    "more",
    [
        (),
        (("Record-Route", "<sip:edge.example.com;lr>"), ("Record-Route", "<sip:in.example.com;lr>")),
        (("Record-Route", "<sip:strict.example.com>"),),
    ],
)
def test_is_the_same_to_the_byte(more: tuple[tuple[str, str], ...]) -> None:
    """A client cannot tell how a notification was written, whatever its name, its way and what it is told."""
    one, other = begun(*more), begun(*more)
    same(one, other, 1001.7)
    same(one, other, 1002.3)
    same(one, other, 1002.3, OTHER)
    same(one, other, 1e7 + 0.1)


def test_follows_the_client_to_another_address() -> None:
    """After a refresh with another Contact and another duration, notifications go there and say so."""
    one, other = begun(), begun()
    same(one, other, 1001.0)
    for machine in (one, other):
        request = subscribe(("Expires", "600"), number=2, tag="s", contact="office")
        machine.subscribe(request, TERMS, None, 1002.0)
    same(one, other, 1003.0)
    text = filled(one, STATE, 1004.0).encoded()
    assert text.startswith(b"BENOTIFY sip:zoe@example.com;opaque=user:epid:office;gruu SIP/2.0\r\n")
    assert b"subscription-state: active;expires=600\r\n" in text


def test_numbers_go_on_between_both_ways() -> None:
    """Whichever way a notification is written, its number is one higher."""
    machine = begun()
    first = filled(machine, STATE, 1001.0).request()
    second = slowly(machine, STATE, 1002.0)
    third = filled(machine, OTHER, 1003.0)
    assert first.cseq.number == 2, "1 went with the answer to the SUBSCRIBE"
    assert b"\r\nCSeq: 3 BENOTIFY\r\n" in second
    assert third.number == 4


@pytest.mark.parametrize("supported", [(), LYNC[:1], LYNC[1:], ("ms-piggyback-first-notify",)])
def test_is_for_those_only_who_are_told_the_same_each_time(supported: tuple[str, ...]) -> None:
    """Who answers notifications, or whose time runs down, gets each written anew."""
    machine = begun(supported=supported)
    before = machine.dialog.local_seq, machine.deadline()
    assert machine.prepare(STATE, 1001.0) is None
    assert (machine.dialog.local_seq, machine.deadline()) == before


def test_nothing_is_said_after_the_end() -> None:
    """A subscription that is over has nothing prepared."""
    machine = begun()
    filled(machine, STATE, 1001.0)
    machine.lost()
    assert machine.prepare(STATE, 1002.0) is None


def test_can_be_read_as_a_message() -> None:
    """The value has the same headers, number and body as the bytes."""
    prepared = filled(begun(), STATE, 1001.0)
    request = prepared.request()
    assert (request.method, request.event, request.body) == ("BENOTIFY", "presence", STATE.body)
    assert encode(request) == prepared.encoded()


@pytest.mark.parametrize("name", ["Via", "Content-Length"])
def test_what_each_message_brings_along_cannot_be_prepared(name: str) -> None:
    """It is our error, found at once."""
    request = Request("BENOTIFY", "sip:a@b.c", Headers([("CSeq", "0 BENOTIFY"), (name, "1")]))
    with pytest.raises(LocalProtocolError):
        Template(request)


def test_a_line_break_in_a_line_is_found() -> None:
    """Nobody can put a header of his own into what others are told."""
    with pytest.raises(LocalProtocolError):
        Template(Request("BENOTIFY", "sip:a@b.c", Headers([("CSeq", "0 BENOTIFY"), ("Event", "x\r\nEvil: 1")])))


def asked() -> Prepared:
    """A message to one of many, as it left."""
    dialog = Dialog(call_id="c", local="<sip:chat>;tag=l", remote="<sip:bob>;tag=r", target="sip:bob")
    prepared = Prepared(Template(dialog.outline("MESSAGE", Headers())), 7, b"hello", "Content-Type: text/plain\r\n")
    prepared.vias = VIA
    return prepared


def test_an_answer_that_repeats_all_is_known_for_one() -> None:
    """What a client only repeats is not read again, and what is known of it is what would be read."""
    prepared = asked()
    answer = response_to(prepared.request(), 200, headers=[("User-Agent", "x")])
    assert prepared.is_answered_by(answer)
    assert (
        answer.dialog_text == response_to(prepared.request(), 200).dialog_text == ("c", "sip:chat", "l", "sip:bob", "r")
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"put": [("Via", f"{VIA[5:]};received=192.0.2.1")]},
        {"first": [("Via", VIA[5:])]},
        {"drop": ["Via"]},
        {"put": [("CSeq", "8 MESSAGE")]},
        {"put": [("CSeq", "7 INFO")]},
        {"last": [("CSeq", "7 MESSAGE")]},
        {"drop": ["CSeq"]},
        {"put": [("To", "<sip:bob>;tag=other")]},
        {"put": [("To", "<sip:bob>;tag=r;epid=1")]},
        {"last": [("To", "<sip:bob>;tag=r")]},
        {"put": [("From", "<sip:chat>")]},
        {"put": [("Call-ID", "C")]},
        {"drop": ["Call-ID"]},
    ],
)
def test_an_answer_that_says_anything_else_is_read(changes: dict[str, Any]) -> None:  # Any: what `edited` takes
    """One letter more, or a line that comes twice or not at all: then nothing is taken as known."""
    answer = response_to(asked().request(), 200).edited(**changes)
    assert not asked().is_answered_by(answer)
    again = Response(200, "OK", answer.headers)
    assert answer.dialog_text == again.dialog_text


def test_the_second_answer_of_a_dialog_is_known_by_its_lines() -> None:
    """What the first has repeated need not be looked for in those that have the very same lines; others are looked at."""
    decoder, template = Decoder(), asked().template

    def answer(number: int, to: str = "<sip:bob>;tag=r") -> tuple[Prepared, Response]:
        prepared = Prepared(template, number, b"", vias=VIA)
        said = encode(response_to(prepared.request(), 200).edited(put=[("To", to)]))
        [heard] = decoder.feed(said)
        assert isinstance(heard, Response)
        return prepared, heard

    for number in (7, 8, 9):
        prepared, heard = answer(number)
        assert prepared.is_answered_by(heard)
        assert template.answered is heard.shared is not None
    prepared, heard = answer(10, "<sip:bob>;tag=other")
    assert not prepared.is_answered_by(heard)
    prepared, heard = answer(11)
    assert not Prepared(template, 12, b"", vias=VIA).is_answered_by(heard)
    assert prepared.is_answered_by(heard)


VIAS = [("Via", "SIP/2.0/TLS 192.0.2.7:40000"), ("Via", "SIP/2.0/TLS 192.0.2.8:5061;branch=\0x")]


@pytest.mark.parametrize("vias", [VIAS[:1], VIAS, []])
def test_a_response_is_written_ahead(vias: list[tuple[str, str]]) -> None:
    """The same bytes as those of a value, whatever Via lines it has to repeat; and it can be read as one."""
    asked = subscribe().edited(first=vias)
    answer = response_to(asked, 200, to_tag="b", phrase="Fine", body=b"x", content_type="text/plain")
    prepared = PreparedResponse(Template(answer.edited(drop=["Via"])), 1, b"x", asked.vias)
    if vias:
        assert prepared.encoded() == encode(answer)
    assert (prepared.status, prepared.phrase, prepared.body) == (200, "Fine", b"x")
    assert prepared.to.tag == "b"
    assert prepared.headers.get_all("Via") == tuple(value.replace("\0", "?") for _, value in vias)


def test_the_signer_is_told_what_is_signed() -> None:
    """Identity and Expires are signed, too."""
    identity, preferred = (
        ("P-Asserted-Identity", "<sip:zoe@example.com>"),
        ("P-Preferred-Identity", "<sip:z@example.com>"),
    )
    template = Template(subscribe(identity, preferred, ("Expires", "30")))
    assert (template.asserted, template.expires, template.status) == (identity[1], "30", 0)
    assert Template(subscribe(preferred)).asserted == preferred[1]
    assert Template(response_to(subscribe(), 202)).status == 202


def test_who_says_it_is_as_the_server_vouches_for_them() -> None:
    """What a client writes in From may be anything; what the server sends by itself has no other name."""
    headers = Headers(
        [("From", '"Zoë" <sip:zoe@example.com>;tag=a'), ("To", "<sip:b@c>"), ("Call-ID", "1"), ("CSeq", "1 INFO")]
    )
    plain = Request("INFO", "sip:b@c", headers)
    assert Template(plain).speaker == '"Zoë" <sip:zoe@example.com>'
    vouched = plain.edited(last=[("P-Asserted-Identity", "<sip:yan@example.com>")])
    assert Template(vouched).speaker == "<sip:yan@example.com>"
