"""Many are asked the same: each answers, refuses, is silent or gone, and nothing of it stays."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.names import FlowName
from lyncpy.core.outbound import Outbound
from lyncpy.core.settings import Settings
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, Template, lines_of
from tests.kit.bus import ToldBus
from tests.kit.flows import NoOtherNodes
from tests.kit.gatehouse import RecordedFlows, timers_of
from tests.kit.holdings import held
from tests.kit.meters import MemoryMeter
from tests.kit.outbound import unregistered

BOB, CAROL = FlowName("n/1"), FlowName("n/2")
LINES = Headers([("Ms-Sender", "<sip:alice@x>"), ("Content-Type", "text/plain")])


class Hall:
    """An Outbound, and who was asked by it."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.flows = RecordedFlows()
        self.meter = MemoryMeter()
        self.timers = timers_of(self.clock)
        self.outbound = Outbound(
            self.flows,
            ToldBus(),
            self.timers,
            Settings(**limits),
            self.meter,
            sent_by="fe1:5061",
            contact=unregistered,
            elsewhere=NoOtherNodes(),
        )
        self.heard: list[tuple[str, int, bool]] = []
        self.dialogs: dict[FlowName, Dialog] = {}

    def ask(self, flow: FlowName = BOB, timeout: float = 20.0) -> None:
        """Ask one of many."""
        dialog = self.dialogs.setdefault(
            flow,
            Dialog(call_id=f"c-{flow}", local="<sip:chat>;tag=l", remote=f"<sip:{flow}>;tag=r", target=f"sip:{flow}"),
        )
        prepared = Prepared(
            Template(dialog.outline("MESSAGE", Headers())), dialog.take_seq(), b"hello", lines_of(LINES)
        )

        def hear(response: Response, *, local: bool) -> None:
            self.heard.append((flow, response.status, local))

        self.outbound.send_prepared(flow, prepared, hear, timeout=timeout)

    def sent(self, number: int = -1) -> Request:
        """What left, as a value."""
        message = self.flows.sent[number][1]
        assert isinstance(message, Request)
        return message

    def answer(self, status: int, to: Request, flow: FlowName = BOB) -> None:
        """A client answers."""
        self.outbound.receive_response(flow, response_to(to, status))

    def is_empty(self) -> bool:
        """Whether nothing is remembered but how long one waits, and no deadline is ahead but the one that all share."""
        return len(self.outbound) == 0 and sum(held(self.outbound).values()) <= 1 and len(self.timers) <= 1


def _options() -> Request:
    names = ("From", "<sip:chat>;tag=l"), ("To", "<sip:bob>"), ("Call-ID", "o"), ("CSeq", "1 OPTIONS")
    return Request("OPTIONS", "sip:bob", Headers(names))


@pytest.fixture
def hall() -> Hall:
    """An idle one."""
    return Hall()


def test_it_leaves_as_the_same_request_would() -> None:
    """Byte for byte, lines of its own and body and all."""
    dialog = Dialog(call_id="c", local="<sip:chat>;tag=l", remote="<sip:bob>;tag=r", target="sip:bob")
    prepared = Prepared(Template(dialog.outline("MESSAGE", Headers())), 1, b"hello", lines_of(LINES))
    prepared.vias = "Via: SIP/2.0/TLS fe1:5061;branch=z9hG4bKx"
    plain = dialog.next_request("MESSAGE", LINES, b"hello").plus(
        first=Headers([("Via", "SIP/2.0/TLS fe1:5061;branch=z9hG4bKx")])
    )
    assert prepared.encoded() == encode(plain)
    assert prepared.request() == plain


@pytest.mark.parametrize(("name", "value"), [("Subject", "a\r\nb"), ("Expires", "1"), ("Content-Length", "1")])
def test_lines_that_would_break_it_are_refused(name: str, value: str) -> None:
    """Neither the framing nor what is signed can be changed by them."""
    with pytest.raises(LocalProtocolError):
        lines_of(Headers([(name, value)]))


@pytest.mark.parametrize("status", [200, 480, 603])
def test_an_answer_is_heard(hall: Hall, status: int) -> None:
    """Once, and nothing is left."""
    hall.ask()
    hall.answer(100, hall.sent())
    assert hall.heard == []
    hall.answer(status, hall.sent())
    hall.answer(status, hall.sent())
    assert hall.heard == [(BOB, status, False)]
    assert hall.is_empty()


def test_only_the_one_who_was_asked_can_answer(hall: Hall) -> None:
    """Another connection cannot, though it may guess the branch."""
    hall.ask()
    hall.answer(200, hall.sent(), CAROL)
    assert hall.heard == []


def test_only_an_answer_in_the_same_words_is_known_without_reading_it(hall: Hall) -> None:
    """Of another connection, or in other words, it has to be looked at; then it counts as much."""
    hall.ask()
    answer = response_to(hall.sent(), 200)
    assert hall.outbound.repeated(BOB, answer) is not None
    assert hall.outbound.repeated(CAROL, answer) is None
    assert hall.outbound.repeated(BOB, answer.edited(drop=["Via"])) is None
    assert hall.outbound.repeated(BOB, answer.edited(put=[("Via", "SIP/2.0/TLS fe1:5061;branch=z9hG4bKother")])) is None
    other = answer.edited(put=[("Via", f"{answer.headers.get('Via')};received=192.0.2.1")])
    assert hall.outbound.repeated(BOB, other) is None
    hall.outbound.receive_response(BOB, other)
    assert hall.heard == [(BOB, 200, False)]
    assert hall.outbound.repeated(BOB, answer) is None, "it is answered"


def test_an_answer_to_something_else_is_none_of_these(hall: Hall) -> None:
    """What was asked of one alone has a machine of its own."""
    hall.outbound.send_request(BOB, _options(), timeout=5)
    assert hall.outbound.repeated(BOB, response_to(hall.sent(), 200)) is None


def test_silence_ends_at_its_time(hall: Hall) -> None:
    """Each that is not answered fails when its own time is up; one timer serves all."""
    hall.ask()
    hall.clock.advance(5)
    hall.ask(CAROL)
    assert len(hall.timers) == 1
    hall.clock.advance(15)
    assert hall.heard == [(BOB, 408, True)]
    hall.clock.advance(4.5)
    assert len(hall.heard) == 1
    hall.clock.advance(1)
    assert hall.heard[1:] == [(CAROL, 408, True)]
    assert hall.is_empty()
    assert hall.meter.count("lyncpy_core_sent_unanswered_total") == 2


def test_answers_in_any_order_leave_nothing(hall: Hall) -> None:
    """Who is behind a silent one is forgotten with it, at the latest."""
    for _ in range(5):
        hall.ask()
    for number in (3, 1, 4, 0):
        hall.answer(200, hall.sent(number))
    assert [status for _, status, _ in hall.heard] == [200] * 4
    hall.clock.advance(21)
    assert hall.heard[4:] == [(BOB, 408, True)]
    assert hall.is_empty()


def test_a_lost_connection_ends_what_is_under_way_on_it(hall: Hall) -> None:
    """430 for each, at once; others go on."""
    hall.ask()
    hall.ask()
    hall.ask(CAROL)
    hall.outbound.closed(BOB)
    assert hall.heard == [(BOB, 430, True)] * 2
    hall.answer(200, hall.sent(), CAROL)
    assert hall.is_empty()


def test_a_connection_that_is_gone_already(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is heard at once."""

    def gone(flow: FlowName, message: object) -> None:
        raise FlowGone(flow)

    monkeypatch.setattr(hall.flows, "send", gone)
    hall.ask()
    assert hall.heard == [(BOB, 430, True)]
    assert hall.is_empty()


def test_the_table_is_full() -> None:
    """One more is not sent; whoever asked hears 503."""
    hall = Hall(sent_per_flow=1)
    hall.ask()
    hall.ask()
    assert hall.heard == [(BOB, 503, True)]
    assert len(hall.flows.sent) == 1


def test_who_asks_again_when_he_hears_is_served(hall: Hall) -> None:
    """A silence that leads to the next question does not confuse the deadlines."""
    dialog = Dialog(call_id="c", local="<sip:chat>;tag=l", remote="<sip:bob>;tag=r", target="sip:bob")
    template = Template(dialog.outline("MESSAGE", Headers()))
    heard: list[int] = []

    def hear(response: Response, *, local: bool) -> None:
        heard.append(response.status)
        if len(heard) < 3:
            hall.outbound.send_prepared(BOB, Prepared(template, dialog.take_seq(), b""), hear, timeout=20.0)

    hall.outbound.send_prepared(BOB, Prepared(template, dialog.take_seq(), b""), hear, timeout=20.0)
    hall.clock.pump([20.5] * 3)
    assert heard == [408] * 3
    assert hall.is_empty()
