"""Requests to clients: answered, refused, given up, cancelled; and nothing of them stays."""

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import ICall, IOutbound
from lyncpy.core.outbound import Outbound
from lyncpy.core.settings import Settings
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, Template
from tests.kit.bus import ToldBus
from tests.kit.flows import NoOtherNodes
from tests.kit.gatehouse import RecordedFlows, timers_of
from tests.kit.holdings import held
from tests.kit.meters import MemoryMeter
from tests.kit.outbound import unregistered

BOB = FlowName("n/1")
CAROL = FlowName("n/2")


class Hall:
    """An Outbound and what surrounds it."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.flows = RecordedFlows()
        self.meter = MemoryMeter()
        self.bus = ToldBus()
        self.outbound = Outbound(
            self.flows,
            self.bus,
            timers_of(self.clock),
            Settings(**limits),
            self.meter,
            sent_by="fe1.example.com:5061",
            contact=unregistered,
            elsewhere=NoOtherNodes(),
        )
        self.provisional: list[int] = []
        self.late: list[int] = []

    def start(self, method: str = "MESSAGE", flow: FlowName = BOB, timeout: float = 10.0) -> ICall:
        """Send a request, and remember what comes before and after its answer."""
        return self.outbound.send_request(
            flow,
            request(method),
            timeout=timeout,
            on_provisional=lambda response: self.provisional.append(response.status),
            on_late=lambda response: self.late.append(response.status),
        )

    def sent(self) -> Request:
        """The last message that left."""
        message = self.flows.sent[-1][1]
        assert isinstance(message, Request)
        return message

    def answer(self, status: int, to: Request | None = None, flow: FlowName = BOB) -> None:
        """The client answers the last request, or an earlier one."""
        self.outbound.receive_response(flow, response_to(to or self.sent(), status, to_tag="b"))

    def is_empty(self) -> bool:
        """Whether nothing is remembered and no deadline is ahead."""
        return held(self.outbound) == {} and not len(self.outbound.timers)  # type: ignore[arg-type]  # the wheel has a length


def request(method: str = "MESSAGE") -> Request:
    """A request on its way through the server: one Via is on it already."""
    return Request(
        method,
        "sip:bob@10.0.0.2:5000",
        Headers(
            [
                ("Via", "SIP/2.0/TLS 10.0.0.1:4000"),
                ("Max-Forwards", "69"),
                ("Route", "<sip:p1.example.com;lr>"),
                ("From", "<sip:alice@example.com>;tag=a"),
                ("To", "<sip:bob@example.com>"),
                ("Call-ID", "c1"),
                ("CSeq", f"7 {method}"),
                ("Contact", "<sip:alice@h>"),
            ]
        ),
        b"hello",
    )


def final(call: ICall) -> Response | None:
    """The final response, if it is there."""
    found: list[Response] = []

    def look(response: Response) -> Response:
        found.append(response)
        return response

    assert isinstance(call.final, Deferred)
    _ = call.final.addCallback(look)
    return found[0] if found else None


@pytest.fixture
def hall() -> Hall:
    """An Outbound with the usual bounds."""
    return Hall()


def test_keeps_its_promises(hall: Hall) -> None:
    """It is what the contracts say."""
    assert verifyObject(IOutbound, hall.outbound)
    assert verifyObject(ICall, hall.start())


def test_a_message_leaves_with_our_via_and_its_answer_returns_without(hall: Hall) -> None:
    """What the sender gets back has the sender's Via on top."""
    call = hall.start()
    sent = hall.sent()
    assert hall.flows.sent[-1][0] == BOB
    assert (sent.via.transport, sent.via.host, sent.via.port) == ("TLS", "fe1.example.com", 5061)
    assert (sent.via.branch or "").startswith("z9hG4bK")
    assert (sent.headers.get_all("Via")[1:], sent.body) == (("SIP/2.0/TLS 10.0.0.1:4000",), b"hello")
    hall.answer(202)
    answer = final(call)
    assert answer is not None
    assert (answer.status, answer.headers.get_all("Via")) == (202, ("SIP/2.0/TLS 10.0.0.1:4000",))
    assert not call.local
    assert hall.is_empty()


def test_each_request_has_a_branch_of_its_own(hall: Hall) -> None:
    """Two requests to one client are told apart, whichever is answered first."""
    first, one = hall.start(), hall.sent()
    second, two = hall.start(), hall.sent()
    hall.answer(200, two)
    hall.answer(481, one)
    assert [answer.status for answer in (final(first), final(second)) if answer] == [481, 200]


def test_silence_becomes_a_local_408(hall: Hall) -> None:
    """A client that does not answer in the given time is given up, and counted."""
    call = hall.start(timeout=10)
    hall.clock.advance(9.9)
    assert final(call) is None
    hall.clock.advance(0.2)
    answer = final(call)
    assert answer is not None
    assert (answer.status, call.local) == (408, True)
    assert answer.headers.get_all("Via") == ("SIP/2.0/TLS 10.0.0.1:4000",)
    assert hall.meter.count("lyncpy_core_sent_unanswered_total") == 1
    assert hall.is_empty()


def test_a_lost_connection_becomes_a_local_430(hall: Hall) -> None:
    """Everything under way on the connection fails; other connections are not touched."""
    lost, lost_too, kept = hall.start(), hall.start("INVITE"), hall.start(flow=CAROL)
    hall.outbound.closed(BOB)
    assert [(answer.status if answer else None) for answer in map(final, (lost, lost_too, kept))] == [430, 430, None]
    assert lost.local
    assert len(hall.outbound) == 1
    hall.outbound.closed(CAROL)
    assert hall.is_empty()


def test_a_connection_that_is_gone_already_becomes_a_local_430(hall: Hall) -> None:
    """Sending to nobody fails at once and without an exception."""
    hall.flows.close_flow(BOB, "test")
    call = hall.start()
    answer = final(call)
    assert answer is not None
    assert (answer.status, call.local) == (430, True)
    assert hall.is_empty()


def test_telling_has_no_answer(hall: Hall) -> None:
    """BENOTIFY and ACK leave with a Via of ours, and nothing is remembered."""
    hall.outbound.send_unanswered(BOB, request("BENOTIFY"))
    assert hall.sent().via.host == "fe1.example.com"
    assert hall.is_empty()
    hall.flows.close_flow(BOB, "test")
    with pytest.raises(FlowGone):
        hall.outbound.send_unanswered(BOB, request("ACK"))


def test_provisional_responses_are_passed_up(hall: Hall) -> None:
    """Ringing is heard as often as it comes, and keeps nobody waiting longer."""
    call = hall.start("INVITE", timeout=10)
    invite = hall.sent()
    hall.answer(100, invite)
    hall.answer(180, invite)
    assert hall.provisional == [100, 180]
    hall.clock.advance(10)
    answer = final(call)
    assert answer is not None
    assert answer.status == 408


def test_a_refused_invite_is_acknowledged_here(hall: Hall) -> None:
    """RFC 3261 §17.1.1.3: the ACK has the INVITE's branch, route and number, and the answer's To."""
    call = hall.start("INVITE")
    invite = hall.sent()
    hall.answer(486, invite)
    ack = hall.sent()
    assert (ack.method, ack.uri, ack.body) == ("ACK", invite.uri, b"")
    assert list(ack.headers) == [
        ("Via", invite.headers.get_all("Via")[0]),
        ("Max-Forwards", "70"),
        ("Route", "<sip:p1.example.com;lr>"),
        ("From", "<sip:alice@example.com>;tag=a"),
        ("To", "<sip:bob@example.com>;tag=b"),
        ("Call-ID", "c1"),
        ("CSeq", "7 ACK"),
    ]
    answer = final(call)
    assert answer is not None
    assert answer.status == 486
    assert hall.is_empty()


def test_a_second_acceptance_is_heard_late(hall: Hall) -> None:
    """The second 2xx of a fork is told apart for 32 seconds; then all is forgotten."""
    call = hall.start("INVITE")
    invite = hall.sent()
    hall.answer(200, invite)
    assert len(hall.flows.sent) == 1
    answer = final(call)
    assert answer is not None
    assert answer.status == 200
    hall.answer(200, invite)
    assert hall.late == [200]
    hall.clock.advance(32)
    assert hall.is_empty()
    hall.answer(200, invite)
    assert hall.late == [200]


def test_a_late_acceptance_nobody_asked_for_is_dropped(hall: Hall) -> None:
    """Whoever does not care for late answers gets none."""
    hall.outbound.send_request(BOB, request("INVITE"), timeout=10)
    invite = hall.sent()
    hall.answer(180, invite)
    hall.answer(200, invite)
    hall.answer(200, invite)
    assert hall.provisional == hall.late == []


def test_an_answer_that_names_nobody_is_none(hall: Hall) -> None:
    """Whoever awaits an answer can read whom it is from."""
    call = hall.start()
    answer = response_to(hall.sent(), 200).edited(put=[("To", '"Bob <sip:bob@example.com>')])
    with pytest.raises(RemoteProtocolError):
        hall.outbound.receive_response(BOB, answer)
    assert (call.local, len(hall.outbound)) == (False, 1)


def test_an_invite_is_cancelled_at_once(hall: Hall) -> None:
    """CANCEL leaves with the INVITE's branch and number, also before a provisional response."""
    call = hall.start("INVITE")
    invite = hall.sent()
    call.cancel('SIP;cause=200;text="Call completed elsewhere"')
    call.cancel()
    cancel = hall.sent()
    assert len(hall.flows.sent) == 2
    assert (cancel.method, cancel.uri) == ("CANCEL", invite.uri)
    assert list(cancel.headers) == [
        ("Via", invite.headers.get_all("Via")[0]),
        ("Max-Forwards", "70"),
        ("Route", "<sip:p1.example.com;lr>"),
        ("From", "<sip:alice@example.com>;tag=a"),
        ("To", "<sip:bob@example.com>"),
        ("Call-ID", "c1"),
        ("CSeq", "7 CANCEL"),
        ("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),
    ]
    hall.answer(200, cancel)
    assert final(call) is None
    hall.answer(487, invite)
    answer = final(call)
    assert answer is not None
    assert answer.status == 487
    assert hall.is_empty()


def test_a_client_that_ignores_a_cancel_is_heard_when_it_accepts(hall: Hall) -> None:
    """Real clients answer 200 ten seconds after the CANCEL; the caller has to end that dialog."""
    call = hall.start("INVITE", timeout=60)
    invite = hall.sent()
    call.cancel()
    hall.clock.advance(10)
    hall.answer(200, invite)
    answer = final(call)
    assert answer is not None
    assert (answer.status, call.local) == (200, False)


def test_a_client_that_ignores_a_cancel_is_given_up_after_32_seconds(hall: Hall) -> None:
    """Nothing is waited for for ever; a 200 after that is heard late."""
    call = hall.start("INVITE", timeout=300)
    invite = hall.sent()
    call.cancel()
    hall.clock.advance(32)
    answer = final(call)
    assert answer is not None
    assert (answer.status, call.local) == (408, True)
    hall.answer(200, invite)
    assert hall.late == [200]
    hall.clock.advance(33)
    assert hall.is_empty()


def test_giving_up_an_invite_cancels_it(hall: Hall) -> None:
    """A phone must not go on ringing for a caller who was told that nobody answers."""
    hall.start("INVITE", timeout=10)
    hall.clock.advance(10)
    assert hall.sent().method == "CANCEL"
    hall.clock.advance(32)
    assert hall.is_empty()


def test_cancelling_anything_else_does_nothing(hall: Hall) -> None:
    """CANCEL is for an INVITE that is under way."""
    message = hall.start()
    message.cancel()
    accepted = hall.start("INVITE")
    hall.answer(200)
    accepted.cancel()
    assert [sent.method for _, sent in hall.flows.sent if isinstance(sent, Request)] == ["MESSAGE", "INVITE"]


def test_a_connection_that_ends_under_a_cancel_fails_the_call(hall: Hall) -> None:
    """The wire may know before the hall does."""
    call = hall.start("INVITE")
    hall.flows.close_flow(BOB, "test")
    call.cancel()
    answer = final(call)
    assert answer is not None
    assert answer.status == 430
    assert hall.is_empty()


def test_whoever_stops_waiting_cancels_the_invite(hall: Hall) -> None:
    """A coroutine that is cancelled while it awaits the answer leaves no phone ringing."""
    call = hall.start("INVITE")
    invite = hall.sent()
    failures: list[object] = []
    assert isinstance(call.final, Deferred)
    _ = call.final.addErrback(lambda failure: failures.append(failure.type))
    call.final.cancel()
    assert hall.sent().method == "CANCEL"
    assert failures == [CancelledError]
    hall.answer(487, invite)
    assert hall.is_empty()


def test_whoever_stopped_waiting_is_not_told_of_silence(hall: Hall) -> None:
    """The answer that nobody awaits any more ends nowhere, and does no harm."""
    call = hall.start("INVITE")
    assert isinstance(call.final, Deferred)
    _ = call.final.addErrback(lambda failure: None)
    call.final.cancel()
    hall.clock.advance(32)
    hall.answer(200, hall.flows.sent[0][1])  # type: ignore[arg-type]  # the INVITE
    hall.clock.advance(33)
    assert hall.late == [200]
    assert hall.is_empty()


def test_only_the_asked_client_may_answer(hall: Hall) -> None:
    """A response from another connection, for another method or without a branch is dropped."""
    call = hall.start()
    sent = hall.sent()
    hall.answer(200, sent, flow=CAROL)
    other = response_to(sent, 200)
    hall.outbound.receive_response(BOB, other.edited(put=[("CSeq", "7 INVITE")]))
    hall.outbound.receive_response(BOB, other.edited(drop=["Via"], first=[("Via", "SIP/2.0/TLS h")]))
    assert final(call) is None
    with pytest.raises(RemoteProtocolError):
        hall.outbound.receive_response(BOB, other.edited(drop=["Via"]))


@pytest.mark.parametrize("limits", [{"sent_per_flow": 2}, {"sent_total": 2}])
def test_a_full_table_refuses_what_is_next(limits: dict[str, int]) -> None:
    """More than the bound is answered 503 here, at once, and takes nothing from those under way."""
    hall = Hall(**limits)
    hall.start()
    hall.start()
    call = hall.start()
    answer = final(call)
    assert answer is not None
    assert (answer.status, call.local, len(hall.flows.sent)) == (503, True, 2)
    assert hall.meter.count("lyncpy_core_sent_refused_total") == 1
    other = final(hall.start(flow=CAROL))
    assert (other is None) == ("sent_per_flow" in limits)
    hall.outbound.closed(BOB)
    hall.outbound.closed(CAROL)
    assert hall.is_empty()


def test_what_was_refused_cannot_be_cancelled() -> None:
    """No CANCEL leaves for an INVITE that never did."""
    hall = Hall(sent_total=1)
    hall.start()
    hall.start("INVITE").cancel()
    assert len(hall.flows.sent) == 1


def test_the_meter_reads_the_table(hall: Hall) -> None:
    """An operator sees how much is under way."""
    hall.start()
    assert hall.meter.gauges["lyncpy_core_sent_pending_count"]() == 1


GRUU = "sip:bob@example.com;opaque=user:epid:AAAA;gruu"
FIRST = "sip:10.0.0.2:5000;transport=tls;ms-opaque=d347"
LATER = "sip:10.0.0.2:6000;transport=tls;ms-opaque=d348"


class Registered(Hall):
    """One that knows what Bob has registered over his connection."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts = {(BOB, GRUU): FIRST}
        self.outbound = Outbound(
            self.flows,
            self.bus,
            timers_of(self.clock),
            Settings(),
            self.meter,
            sent_by="fe1.example.com:5061",
            contact=lambda flow, key: self.contacts.get((flow, key)),
            elsewhere=NoOtherNodes(),
        )

    def sends(self, how: str, uri: str, flow: FlowName = BOB) -> str:
        """Send something in one of the ways that there are; give the Request-URI with which it left."""
        said = request().edited(uri=uri, drop=["Via"])
        match how:
            case "start":
                self.outbound.send_request(flow, said, timeout=1.0)
            case "tell":
                self.outbound.send_unanswered(flow, said)
            case "tell prepared":
                self.outbound.send_unanswered(flow, Prepared(Template(said), 1, b""))
            case "ask":
                self.outbound.send_prepared(
                    flow, Prepared(Template(said), 1, b""), lambda response, *, local: None, timeout=1.0
                )
        return self.sent().uri


@pytest.mark.parametrize("how", ["start", "tell", "tell prepared", "ask"])
def test_what_is_for_a_device_is_addressed_to_its_registered_contact(how: str) -> None:
    """A client knows itself by its Contact; the GRUU is translated on every way out (RFC 5627 §5.1)."""
    hall = Registered()
    assert hall.sends(how, GRUU) == FIRST
    assert hall.sends(how, "sip:Bob@EXAMPLE.com;gruu;opaque=user:epid:AAAA") == FIRST


@pytest.mark.parametrize("how", ["start", "tell", "tell prepared", "ask"])
@pytest.mark.parametrize("uri", ["sip:bob@10.0.0.2:5000", "sip:carol@example.com;opaque=user:epid:AAAA;gruu"])
def test_any_other_address_stays(how: str, uri: str) -> None:
    """A Contact of the dialog's own, and a name that nobody has registered here."""
    assert Registered().sends(how, uri) == uri


@pytest.mark.parametrize("how", ["start", "tell", "tell prepared", "ask"])
def test_nobody_learns_where_somebody_else_is(how: str) -> None:
    """Who gives another's GRUU as their own Contact is not told what that one has registered."""
    assert Registered().sends(how, GRUU, CAROL) == GRUU


def test_a_contact_that_is_new_is_followed_at_once() -> None:
    """What was prepared before a REGISTER with another Contact leaves with the new one."""
    hall = Registered()
    template = Template(request().edited(uri=GRUU, drop=["Via"]))
    for contact in (FIRST, LATER):
        hall.contacts[BOB, GRUU] = contact
        hall.outbound.send_unanswered(BOB, Prepared(template, 1, b""))
        assert hall.sent().uri == contact


def test_the_cancel_and_the_ack_go_where_the_invite_went() -> None:
    """They are matched by their Request-URI, too (RFC 3261 §9.1)."""
    hall = Registered()
    call = hall.outbound.send_request(BOB, request("INVITE").edited(uri=GRUU), timeout=5.0)
    invite = hall.sent()
    hall.answer(180, invite)
    call.cancel()
    assert (hall.sent().method, hall.sent().uri) == ("CANCEL", FIRST)
    hall.answer(487, invite)
    assert (hall.sent().method, hall.sent().uri) == ("ACK", FIRST)
