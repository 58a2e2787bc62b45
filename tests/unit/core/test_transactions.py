"""Requests of clients: each is answered once, whatever else happens, and nothing of them stays."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs
from zope.interface.verify import verifyObject

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.facts import FlowClosed
from lyncpy.contracts.flows import ISink
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.networks import Relays
from lyncpy.core import lanes
from lyncpy.core.dispatch import TransactionUser
from lyncpy.core.outbound import Outbound
from lyncpy.core.settings import Settings
from lyncpy.core.transactions import Transactions
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Message, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, Template
from tests.kit.bus import ToldBus
from tests.kit.fakes import awaited
from tests.kit.flows import NoOtherNodes
from tests.kit.gatehouse import RecordedFlows, timers_of
from tests.kit.holdings import held
from tests.kit.meters import MemoryMeter
from tests.kit.outbound import unregistered

ALICE = FlowName("n/1")
BOB = FlowName("n/2")
CAROL = Aor("sip:carol@example.com")
BRANCH = "SIP/2.0/tls 10.0.0.1:4000;branch=z9hG4bKaa"
REFUSALS = "lyncpy_core_refusals_total"
NO_BRANCH = "SIP/2.0/tls 10.0.0.1:4000"
"""As the real client writes it in a dialog."""


class Desk:
    """A Dispatch that a test answers for: every arrival waits until the test says what becomes of it."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.answers: list[Deferred[Response | None]] = []
        self.at_once: Callable[[Arrival], Response | None] | None = None

    async def serve(self, arrival: Arrival) -> Response | None:
        """Wait for the test."""
        self.arrivals.append(arrival)
        if self.at_once is not None:
            return self.at_once(arrival)
        answer: Deferred[Response | None] = Deferred()
        self.answers.append(answer)
        return await answer

    def answer(self, status: int, number: int = -1) -> None:
        """Answer an arrival, the last one if not told otherwise."""
        self.answers[number].callback(response_to(self.arrivals[number].request, status))


class OpenGate:
    """A gate that believes everything, but for a test that says otherwise."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.believes = True

    def opened(self, flow: FlowName, peer: str, *, secure: bool) -> None:
        """Write it down."""
        self.told.append(("opened", flow, peer, str(secure)))

    def accepts_response(self, flow: FlowName, response: Response) -> bool:
        """Believe it."""
        return self.believes

    def closed(self, flow: FlowName) -> None:
        """Write it down."""
        self.told.append(("closed", flow))


class Hall:
    """Transactions and what surrounds it, with two open flows."""

    def __init__(self, **limits: Any) -> None:  # Any: the section [limits]
        self.clock = Clock()
        self.timers = timers_of(self.clock)
        self.flows = RecordedFlows()
        self.meter = MemoryMeter()
        self.desk = Desk()
        self.gate = OpenGate()
        self.bus = ToldBus()
        settings = Settings(**limits)
        self.outbound = Outbound(
            self.flows,
            self.bus,
            self.timers,
            settings,
            self.meter,
            sent_by="fe1.example.com:5061",
            contact=unregistered,
            elsewhere=NoOtherNodes(),
        )
        self.sink = Transactions(
            self.flows,
            TransactionUser(self.desk, self.gate, self.outbound),
            self.bus,
            self.timers,
            settings,
            self.meter,
            source="fe1.example.com",
            relays=Relays(()),
        )
        self.sink.opened(ALICE, "10.0.0.1", True)
        self.sink.opened(BOB, "10.0.0.2", False)

    def says(self, method: str = "MESSAGE", **changes: str) -> Request:
        """Alice sends a request."""
        return self.takes(ALICE, request(method, **changes))

    def takes(self, flow: FlowName, said: Request) -> Request:
        """A client sends this request."""
        self.sink.arrived(flow, said)
        return said

    def heard(self, flow: FlowName = ALICE) -> list[int]:
        """The statuses a client got."""
        return [message.status for to, message in self.flows.sent if to == flow and isinstance(message, Response)]

    def last(self) -> Response:
        """The last response that left."""
        message: Message = self.flows.sent[-1][1]
        assert isinstance(message, Response)
        return message

    def is_empty(self) -> bool:
        """Whether no table holds anything and no deadline is ahead but the one that all requests share."""
        return (len(self.sink), self.sink.pending, len(self.outbound)) == (0, 0, 0) and len(self.timers) <= 1


def request(method: str = "MESSAGE", **changes: str) -> Request:
    """A request; `via`, `cseq`, `call_id`, `authorization` may differ, and "" leaves a header away."""
    lines = [
        ("Via", changes.get("via", BRANCH)),
        ("From", changes.get("from_", "<sip:alice@example.com>;tag=a;epid=01")),
        ("To", changes.get("to", "<sip:bob@example.com>")),
        ("Call-ID", changes.get("call_id", "c1")),
        ("CSeq", changes.get("cseq", f"1 {method}")),
        ("Authorization", changes.get("authorization", "NTLM 1")),
    ]
    return Request(method, "sip:bob@example.com", Headers([(name, value) for name, value in lines if value]))


@pytest.fixture
def hall() -> Hall:
    """A hall with the usual bounds."""
    return Hall()


@pytest.fixture
def events() -> Iterator[Sequence[LogEvent]]:
    """What is logged while the test runs."""
    with capturedLogs() as found:
        yield found


def test_keeps_its_promise(hall: Hall) -> None:
    """It is what the wire expects."""
    assert verifyObject(ISink, hall.sink)


def test_a_request_is_served_once_and_answered(hall: Hall) -> None:
    """What arrives carries who sent it and when; the answer leaves on its flow; nothing stays."""
    hall.clock.advance(3)
    said = hall.says()
    [arrival] = hall.desk.arrivals
    assert (arrival.request, arrival.flow, arrival.peer, arrival.at) == (said, ALICE, "10.0.0.1", 3.0)
    assert hall.heard() == []
    assert hall.sink.pending == 1
    hall.desk.answer(200)
    assert hall.heard() == [200]
    assert hall.is_empty()


def test_an_answer_at_once_needs_no_deadline(hall: Hall) -> None:
    """Most requests are answered in the same breath."""
    hall.desk.at_once = lambda arrival: response_to(arrival.request, 200)
    hall.says()
    assert hall.heard() == [200]
    assert hall.is_empty()


@pytest.mark.parametrize("via", [BRANCH, NO_BRANCH])
def test_a_repetition_is_absorbed(hall: Hall, via: str) -> None:
    """While the first waits, the same request again is neither served nor refused."""
    hall.says(via=via)
    hall.says(via=via)
    assert len(hall.desk.arrivals) == 1
    hall.desk.answer(200)
    assert hall.heard() == [200]
    assert hall.meter.count("lyncpy_core_requests_repeated_total") == 1


def test_two_clients_may_use_the_same_names(hall: Hall) -> None:
    """Real clients that start in the same second choose the same Call-IDs, tags and branches."""
    hall.says("INVITE", via=NO_BRANCH)
    hall.takes(BOB, request("INVITE", via=NO_BRANCH))
    assert len(hall.desk.arrivals) == 2
    hall.desk.answer(480, 0)
    hall.desk.answer(200, 1)
    assert (hall.heard(ALICE), hall.heard(BOB)) == ([480], [200])


def test_requests_of_a_dialog_without_branches_are_told_apart(hall: Hall) -> None:
    """MESSAGEs that do not wait for each other differ by their number alone."""
    hall.says(via=NO_BRANCH, cseq="2 MESSAGE")
    hall.says(via=NO_BRANCH, cseq="3 MESSAGE")
    hall.desk.answer(200, 1)
    hall.desk.answer(200, 0)
    assert [str(message.cseq) for _, message in hall.flows.sent] == ["3 MESSAGE", "2 MESSAGE"]


def test_a_repeated_invite_is_answered_from_memory(hall: Hall) -> None:
    """Ringing, then the answer, is said again to whoever asks again; nobody's phone rings twice."""
    said = hall.says("INVITE")
    hall.says("INVITE")
    assert hall.heard() == []
    hall.desk.arrivals[0].provisional(response_to(said, 180))
    hall.says("INVITE")
    hall.desk.answer(200)
    hall.says("INVITE")
    assert hall.heard() == [180, 180, 200, 200]
    assert len(hall.desk.arrivals) == 1


def test_another_request_that_comes_again_hears_its_provisional_answer_again(hall: Hall) -> None:
    """RFC 3261 §17.2.2: nothing before there is one, and nothing of it once it was answered; an ACK says nothing to it."""
    said = hall.says("INFO", via=BRANCH)
    hall.says("INFO", via=BRANCH)
    hall.desk.arrivals[0].provisional(response_to(said, 182))
    hall.says("INFO", via=BRANCH)
    hall.desk.answer(486)
    hall.desk.arrivals[0].provisional(response_to(said, 182))
    assert hall.heard() == [182, 182, 486]
    assert hall.is_empty()


def test_a_provisional_after_the_answer_is_dropped(hall: Hall) -> None:
    """A branch that rings when another was answered is not heard."""
    said = hall.says("INVITE")
    hall.desk.answer(200)
    hall.desk.arrivals[0].provisional(response_to(said, 180))
    assert hall.heard() == [200]


@pytest.mark.parametrize("passed_on", [False, True])
def test_what_is_said_again_is_said_in_the_same_words(hall: Hall, passed_on: bool) -> None:
    """A refusal names its source once, and an endpoint's has no reason of ours, however often it leaves."""
    asked = hall.says("INVITE")
    refusal = response_to(asked, 486)
    hall.desk.answers[0].callback(refusal.edited(drop=["Server"]) if passed_on else refusal)
    said = hall.last()
    assert len(said.headers.get_all("Server")) == 1
    assert ("ms-diagnostics" in said.headers) is not passed_on
    for _ in range(2):
        hall.says("INVITE")
        assert hall.last() == said
    assert hall.heard().count(486) == 3


def test_a_message_that_is_signed_anew_is_served_again(hall: Hall) -> None:
    """The real client answers a 401 with the same request, same number, signed: no repetition."""
    for method in ("MESSAGE", "INVITE"):
        hall.says(method, via=NO_BRANCH, authorization="")
        hall.desk.answer(401)
        hall.says(method, via=NO_BRANCH, authorization="NTLM 2")
        hall.desk.answer(200)
    assert hall.heard() == [401, 200, 401, 200]


def test_an_ack_of_a_failure_ends_here(hall: Hall) -> None:
    """It belongs to the transaction; nobody else sees it."""
    hall.says("INVITE", via=NO_BRANCH)
    hall.desk.answer(480)
    assert len(hall.sink) == 1
    hall.says("ACK", via=NO_BRANCH)
    assert len(hall.desk.arrivals) == 1
    assert hall.is_empty()


def test_a_failed_invite_without_an_ack_is_forgotten(hall: Hall) -> None:
    """The real client sends none; after 32 seconds nothing is left of it."""
    hall.says("INVITE", via=NO_BRANCH)
    hall.desk.answer(480)
    hall.clock.advance(32)
    assert hall.is_empty()


@pytest.mark.parametrize("via", ["SIP/2.0/tls 10.0.0.1:4000;branch=z9hG4bKother", NO_BRANCH])
def test_an_ack_of_an_acceptance_is_passed_on(hall: Hall, via: str) -> None:
    """It belongs to the dialog, whether its Via names a branch or not; it has no answer."""
    hall.says("INVITE", via=NO_BRANCH)
    hall.desk.answer(200)
    hall.says("ACK", via=via)
    assert [arrival.request.method for arrival in hall.desk.arrivals] == ["INVITE", "ACK"]
    hall.desk.answers[-1].callback(None)
    assert hall.heard() == [200]
    hall.clock.advance(32)
    assert hall.is_empty()


def test_an_ack_that_hangs_is_ended(hall: Hall) -> None:
    """Nothing waits for ever, not even what nobody waits for."""
    hall.says("ACK")
    hall.clock.advance(60)
    assert len(hall.desk.answers) == 1
    assert hall.is_empty()


def test_a_cancel_is_answered_and_told(hall: Hall) -> None:
    """CANCEL gets its own 200 at once; the INVITE's answer comes from whoever answers it."""
    told: list[str] = []
    hall.says("INVITE", via=NO_BRANCH)
    hall.desk.arrivals[0].on_cancel(lambda: told.append("cancelled"))
    hall.says("CANCEL", via=NO_BRANCH)
    assert (hall.heard(), told) == ([200], ["cancelled"])
    assert str(hall.last().cseq) == "1 CANCEL"
    hall.desk.answer(487)
    assert hall.heard() == [200, 487]
    assert len(hall.desk.arrivals) == 1


def test_a_cancel_that_comes_too_late_changes_nothing(hall: Hall) -> None:
    """The INVITE that was answered stays answered."""
    told: list[str] = []
    hall.says("INVITE")
    hall.desk.arrivals[0].on_cancel(lambda: told.append("cancelled"))
    hall.desk.answer(200)
    hall.says("CANCEL")
    assert (hall.heard(), told) == ([200, 200], [])


def test_a_cancel_of_nothing_is_refused(hall: Hall) -> None:
    """481 says that there is no such INVITE; one client cannot cancel another's."""
    hall.says("INVITE")
    hall.takes(BOB, request("CANCEL"))
    assert hall.heard(BOB) == [481]
    assert hall.meter.count(REFUSALS, status="481", diagnostics="1018") == 1


@pytest.mark.parametrize(
    "broken", [{"cseq": "x MESSAGE"}, {"cseq": "1 INFO"}, {"to": "<sip:bob"}, {"from_": "<>"}, {"via": "SIP/2.0"}]
)
def test_a_broken_request_is_refused(hall: Hall, broken: dict[str, str]) -> None:
    """A header that cannot be read is answered 400 with the reason, as long as the sender can place it."""
    hall.says("MESSAGE", **broken)
    assert hall.heard() == [400]
    assert (hall.last().headers.get("ms-diagnostics") or "").startswith("1018;")
    assert hall.desk.arrivals == []
    assert hall.is_empty()


@pytest.mark.parametrize("missing", ["via", "from_", "to", "call_id", "cseq"])
def test_a_request_that_names_too_little_is_refused(hall: Hall, missing: str) -> None:
    """Its sender hears what is missing, though the answer has no more than the request had."""
    hall.says("MESSAGE", **{missing: ""})
    assert hall.heard() == [400]
    assert hall.meter.count("lyncpy_core_messages_broken_total") == 1
    assert hall.meter.count(REFUSALS, status="400", diagnostics="1018") == 1


def test_a_broken_ack_or_response_is_ignored(hall: Hall) -> None:
    """What has no answer gets none, not even a refusal."""
    hall.says("ACK", to="<sip:bob")
    hall.sink.arrived(ALICE, Response(200, "OK", Headers([("Via", "x")])))
    hall.sink.garbled(ALICE, request("ACK"), 400, "bad")
    hall.sink.garbled(ALICE, None, 400, "bad")
    assert hall.flows.sent == []


def test_a_garbled_request_is_refused_with_its_status(hall: Hall) -> None:
    """The decoder says what was wrong; the client reads it."""
    hall.sink.garbled(ALICE, request(), 513, "too large")
    assert hall.heard() == [513]
    hall.flows.close_flow(ALICE, "test")
    hall.sink.garbled(ALICE, request(), 513, "too large")
    assert hall.heard() == [513]


def burst(hall: Hall, flow: FlowName, count: int, method: str = "MESSAGE", start: int = 1) -> None:
    """A client sends many requests at once."""
    for number in range(start, start + count):
        hall.takes(flow, request(method, via=NO_BRANCH, cseq=f"{number} {method}"))


def numbers(hall: Hall) -> list[int]:
    """The CSeq numbers of what began, in order."""
    return [arrival.request.cseq.number for arrival in hall.desk.arrivals]


def test_who_is_quick_waits_and_is_not_refused() -> None:
    """Beyond the bound requests wait for their turn, in order; each is answered, and nothing stays."""
    hall = Hall(pending_per_flow=2)
    burst(hall, ALICE, 5)
    assert (numbers(hall), hall.heard()) == ([1, 2], [])
    for number in range(5):
        hall.desk.answer(200, number)
    assert (numbers(hall), hall.heard()) == ([1, 2, 3, 4, 5], [200] * 5)
    assert hall.is_empty()


def test_what_waits_for_its_kind_is_not_overtaken_by_what_came_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wait for the turn of their kind; when it comes messages have taken their room, for which a fourth waits already."""
    monkeypatch.setattr(lanes, "AT_ONCE_S", 0.0)
    hall = Hall(pending_per_flow=2)
    burst(hall, ALICE, 3, "SUBSCRIBE")
    burst(hall, ALICE, 2, "MESSAGE", start=11)
    burst(hall, ALICE, 1, "SUBSCRIBE", start=4)
    assert numbers(hall) == [11, 12]
    hall.clock.pump([0.0] * 3)
    for number in range(6):
        hall.desk.answer(200, number)
        hall.clock.pump([0.0] * 3)
    assert (numbers(hall), hall.heard()) == ([11, 12, 1, 2, 3, 4], [200] * 6)
    assert hall.is_empty()


@pytest.mark.untraced
def test_many_that_are_answered_at_once_are_not_too_deep_for_the_interpreter() -> None:
    """Ten thousand wait behind one; when it ends each begins and ends in its turn, a few in each turn of the reactor."""
    hall = Hall(pending_per_flow=1, waiting_bytes_per_flow=16_000_000, requests_burst=20_000.0)
    burst(hall, ALICE, 10_000)
    hall.desk.at_once = lambda arrival: response_to(arrival.request, 200)
    hall.desk.answer(200, 0)
    hall.clock.pump([0.0] * 300)
    assert hall.heard() == [200] * 10_000
    assert hall.is_empty()


def test_who_has_too_much_waiting_is_not_read_from() -> None:
    """A flood costs so many bytes and no more; when half of it is done its connection is read from again."""
    hall = Hall(pending_per_flow=1, waiting_bytes_per_flow=16_384)
    burst(hall, ALICE, 30)
    assert hall.flows.held == {ALICE}
    was_held = []
    for number in range(30):
        was_held.append(ALICE in hall.flows.held)
        hall.desk.answer(200, number)
    assert was_held == sorted(was_held, reverse=True)
    assert 15 < sum(was_held) < 30
    assert hall.heard() == [200] * 30


def test_all_that_waits_has_a_bound_in_total() -> None:
    """When many wait, each who has something waiting is read from no more, and nobody else."""
    hall = Hall(pending_per_flow=1, waiting_bytes=1_048_576, waiting_bytes_per_flow=16_777_216)
    burst(hall, ALICE, 1_000)
    assert hall.flows.held == {ALICE}
    burst(hall, BOB, 2)
    assert hall.flows.held == {ALICE, BOB}
    hall.sink.closed(ALICE, "gone")
    for number in (1, 2):
        hall.desk.answer(200, number)
    assert hall.flows.held == {ALICE}
    assert hall.heard(BOB) == [200, 200]


def test_what_ends_something_does_not_wait(hall: Hall) -> None:
    """Responses, CANCELs and ACKs of who waits are heard: two who wait for each other's answers go on."""
    hall = Hall(pending_per_flow=1)
    hall.says("INVITE", via=BRANCH)
    burst(hall, ALICE, 3)
    heard: list[Response] = []
    final = hall.outbound.send_request(ALICE, request("INFO"), timeout=30.0).final
    _ = Deferred.fromCoroutine(awaited(final)).addCallback(heard.append)
    asked = hall.flows.sent[-1][1]
    assert isinstance(asked, Request)
    hall.sink.arrived(ALICE, response_to(asked, 200))
    assert [response.status for response in heard] == [200]
    hall.says("ACK", call_id="another", via=BRANCH.replace("aa", "bb"))
    assert [arrival.request.method for arrival in hall.desk.arrivals] == ["INVITE", "MESSAGE", "ACK"]
    cancelled: list[bool] = []
    hall.desk.arrivals[0].on_cancel(lambda: cancelled.append(True))
    hall.says("CANCEL", via=BRANCH)
    assert (hall.heard(), cancelled) == ([200], [True])


def test_an_invite_that_waits_can_be_cancelled() -> None:
    """It never rings: 487, as if it had."""
    hall = Hall(pending_per_flow=1)
    burst(hall, ALICE, 2, "INVITE")
    hall.takes(ALICE, request("CANCEL", via=NO_BRANCH, cseq="2 CANCEL"))
    assert hall.heard() == [200, 487]
    hall.desk.answer(486, 0)
    assert numbers(hall) == [1]


def test_invitations_that_ring_have_a_bound_of_their_own() -> None:
    """One more waits for some seconds and is refused with 503 then; messages go on, and room is made by answers."""
    hall = Hall(pending_per_flow=2)
    burst(hall, ALICE, 4, "INVITE")
    burst(hall, ALICE, 1, start=5)
    assert numbers(hall) == [1, 2, 5]
    hall.desk.answer(486, 0)
    assert numbers(hall) == [1, 2, 5, 3]
    hall.clock.advance(5)
    assert hall.heard() == [486, 503]
    assert hall.last().headers.get("Retry-After") == "5"
    assert hall.meter.count(REFUSALS, status="503", diagnostics="1") == 1


def test_one_that_came_again_while_it_waits_is_one() -> None:
    """A repetition of what waits begins once."""
    hall = Hall(pending_per_flow=1)
    burst(hall, ALICE, 2)
    burst(hall, ALICE, 2)
    hall.desk.answer(200, 0)
    hall.desk.answer(200, 1)
    assert numbers(hall) == [1, 2]


def test_a_full_house_makes_the_heaviest_wait() -> None:
    """Who has much under way waits; who has little gets in, until there is no room at all."""
    hall = Hall(pending_total=8)
    burst(hall, ALICE, 12)
    assert len(hall.desk.arrivals) == 8
    burst(hall, BOB, 3)
    assert [arrival.flow for arrival in hall.desk.arrivals].count(BOB) == 2
    for number in range(15):
        hall.desk.answer(200, number)
    assert (hall.heard(ALICE), hall.heard(BOB)) == ([200] * 12, [200] * 3)
    assert hall.is_empty()


def signs_in(hall: Hall, aor: Aor, flow: FlowName) -> None:
    """A connection is opened, and somebody signs in on it."""
    hall.sink.opened(flow, "10.0.0.9", True)
    before = len(hall.desk.arrivals)
    hall.takes(flow, request("REGISTER"))
    if len(hall.desk.arrivals) > before:
        hall.desk.arrivals[before].who = Identity(aor, Epid("e1"), "NTLM")
        hall.desk.answer(200, before)


def flow_of(number: int) -> FlowName:
    """Name a connection."""
    return FlowName(f"n/{100 + number}")


def test_a_user_has_a_share_of_what_is_under_way() -> None:
    """Whoever has many connections waits behind themselves, in each connection's order; nobody else notices."""
    hall = Hall(pending_per_flow=4, pending_per_user=6, pending_total=1_000)
    for number in range(5):
        signs_in(hall, CAROL, flow_of(number))
    before = len(hall.desk.arrivals)
    for number in range(5):
        burst(hall, flow_of(number), 4, start=10 * number + 1)
    assert len(hall.desk.arrivals) - before == 6
    burst(hall, BOB, 4)
    assert [arrival.flow for arrival in hall.desk.arrivals].count(BOB) == 4
    for number in range(before, before + 24):
        hall.desk.answer(200, number)
    assert [hall.heard(flow_of(number)) for number in range(5)] == [[200] * 5] * 5
    for flow in (ALICE, BOB, *map(flow_of, range(5))):
        hall.sink.closed(flow, "gone")
    assert hall.is_empty()
    assert held(hall.sink, "Intake") == {}


def test_strangers_of_one_address_have_one_share() -> None:
    """However many connections they open; whoever signs in on one of them has their own from then on."""
    hall = Hall(pending_per_flow=4, pending_per_user=4)
    for number in range(3):
        hall.sink.opened(flow_of(number), "10.0.0.9", True)
    burst(hall, flow_of(0), 3, "OPTIONS", 10)
    hall.takes(flow_of(1), request("REGISTER"))
    burst(hall, flow_of(1), 2, start=20)
    burst(hall, flow_of(2), 2, "OPTIONS", 30)
    assert numbers(hall)[:4] == [10, 11, 12, 1]
    assert len(hall.desk.arrivals) == 4
    hall.desk.arrivals[3].who = Identity(CAROL, Epid("e1"), "NTLM")
    hall.desk.answer(200, 3)  # of what waited, hers counts no more for the address
    assert sorted(numbers(hall)[4:]) == [20, 21, 30]
    assert hall.heard(flow_of(1)) == [200]


def test_a_user_s_ringing_invites_have_a_share_too() -> None:
    """One more than it waits for some seconds and is refused; messages of the same user go on."""
    hall = Hall(pending_per_flow=4, pending_per_user=3)
    for number in range(2):
        signs_in(hall, CAROL, flow_of(number))
    before = len(hall.desk.arrivals)
    for number in range(2):
        burst(hall, flow_of(number), 2, "INVITE", 10 * number + 10)
    burst(hall, flow_of(1), 1, start=30)
    assert numbers(hall)[before:] == [10, 11, 20, 30]
    hall.clock.advance(5)
    assert hall.heard(flow_of(1))[-1] == 503


def test_what_waits_of_one_user_has_a_share_of_the_bytes() -> None:
    """A sixteenth: their connections are read from no more, those of others are."""
    hall = Hall(pending_per_flow=1, waiting_bytes=1_048_576, waiting_bytes_per_flow=1_000_000)
    for number in range(3):
        signs_in(hall, CAROL, flow_of(number))
    for number, count in enumerate((30, 60, 60)):
        burst(hall, flow_of(number), count, start=1)
    assert hall.flows.held == {flow_of(1), flow_of(2)}
    burst(hall, BOB, 20)
    assert BOB not in hall.flows.held


def test_who_is_too_fast_is_slowed() -> None:
    """Past its burst a connection's requests begin as the rate has it, all of them, and in order; nobody else waits."""
    hall = Hall(requests_per_s=2.0, requests_burst=10.0)
    burst(hall, ALICE, 16)
    assert numbers(hall) == list(range(1, 11))
    burst(hall, BOB, 1, start=100)
    hall.clock.pump([0.125] * 8)
    assert numbers(hall) == [*range(1, 11), 100, 11, 12]
    hall.clock.pump([0.125] * 16)
    assert numbers(hall) == [*range(1, 11), 100, *range(11, 17)]
    for number in range(17):
        hall.desk.answer(200, number)
    assert hall.is_empty()


def test_a_connection_that_is_lost_takes_what_waits_with_it() -> None:
    """Nothing of it begins afterwards, and nothing is left."""
    hall = Hall(pending_per_flow=1)
    burst(hall, ALICE, 2, "INVITE", 4)
    burst(hall, ALICE, 3)
    hall.sink.closed(ALICE, "gone")
    hall.desk.answer(200, 0)
    hall.desk.answer(200, 1)
    hall.clock.advance(60)
    assert numbers(hall) == [4, 1]
    assert hall.is_empty()


def test_a_request_nobody_answers_gets_504(hall: Hall, events: Sequence[LogEvent]) -> None:
    """Whatever hangs inside, the client is told before it gives up by itself, and what hangs is ended."""
    told: list[str] = []
    hall.says()
    hall.desk.arrivals[0].on_cancel(lambda: told.append("cancelled"))
    hall.clock.advance(50)
    hall.clock.advance(0)
    assert (hall.heard(), told) == ([504], ["cancelled"])
    assert hall.is_empty()
    assert any(event["log_format"].endswith("not answered in time") for event in events)


def test_an_answer_that_comes_too_late_is_dropped(hall: Hall) -> None:
    """The client has its answer; a second one would be a lie."""
    hall.says("INVITE")
    hall.desk.arrivals[0].on_cancel(lambda: hall.desk.answer(487))
    hall.clock.advance(300)
    assert hall.heard() == [504]
    hall.clock.advance(33)
    assert hall.is_empty()


def test_an_answer_that_cannot_be_written_is_a_bug_and_becomes_500(
    hall: Hall, events: Sequence[LogEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does not wait for ever for something that cannot leave."""
    send = hall.flows.send

    def write_and_send(flow: FlowName, message: Message) -> None:
        encode(message)
        send(flow, message)

    monkeypatch.setattr(hall.flows, "send", write_and_send)
    hall.desk.at_once = lambda arrival: response_to(arrival.request, 200, headers=[("X", "a\r\nb: c")])
    hall.says()
    assert hall.heard() == [500]
    assert hall.meter.count(REFUSALS, status="500", diagnostics="0") == 1
    assert [event["log_level"].name for event in events] == ["critical"]
    assert hall.is_empty()


def test_no_answer_at_all_is_a_bug_and_becomes_500(hall: Hall, events: Sequence[LogEvent]) -> None:
    """None, a provisional as the last word, or an exception: the client hears 500 and the log says why."""
    hall.says()
    hall.desk.answers[-1].callback(None)
    hall.says()
    hall.desk.answer(180)
    hall.says()
    hall.desk.answers[-1].errback(ZeroDivisionError())
    assert hall.heard() == [500, 500, 500]
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert hall.is_empty()


def test_a_lost_connection_leaves_nothing_behind(hall: Hall) -> None:
    """Arrivals are cancelled, what was under way to the client fails, every table is empty, and the house is told."""
    told: list[str] = []
    hall.says("INVITE")
    hall.says("MESSAGE", via=NO_BRANCH)
    hall.says("INVITE", via=NO_BRANCH, call_id="c2")
    hall.desk.answer(200)
    for arrival in hall.desk.arrivals[:2]:
        arrival.on_cancel(lambda: told.append("cancelled"))
    call = hall.outbound.send_request(ALICE, request("NOTIFY"), timeout=60)
    hall.flows.close_flow(ALICE, "test")
    hall.sink.closed(ALICE, "connection lost")
    assert told == []
    hall.clock.advance(0)
    assert told == ["cancelled", "cancelled"]
    assert call.local
    assert hall.bus.facts == [FlowClosed(ALICE, "connection lost")]
    assert hall.gate.told[-1] == ("closed", ALICE)
    assert (len(hall.sink), len(hall.outbound)) == (0, 0)
    hall.desk.answer(487, 0)
    hall.desk.answer(200, 1)
    assert hall.is_empty()
    assert hall.heard() == [200]


def test_what_hangs_behind_a_lost_connection_is_ended(hall: Hall) -> None:
    """A coroutine may finish what it wrote, but not for ever."""
    hall.says()
    hall.sink.closed(ALICE, "connection lost")
    hall.clock.advance(40)
    assert hall.sink.pending == 1
    hall.clock.advance(11)
    assert hall.is_empty()


def test_one_that_fails_to_hear_of_a_lost_connection_harms_no_other(hall: Hall, events: Sequence[LogEvent]) -> None:
    """A bug of one listener is logged; all others are told, and all tables are emptied."""
    told: list[str] = []
    hall.says(via=NO_BRANCH, cseq="1 MESSAGE")
    hall.says(via=NO_BRANCH, cseq="2 MESSAGE")
    hall.desk.arrivals[0].on_cancel(lambda: [][1])
    hall.desk.arrivals[1].on_cancel(lambda: told.append("cancelled"))
    hall.sink.closed(ALICE, "connection lost")
    hall.clock.advance(0)
    assert told == ["cancelled"]
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [IndexError]
    hall.clock.advance(51)
    assert hall.is_empty()


def test_a_connection_that_is_lost_while_a_request_begins_leaves_nothing(hall: Hall) -> None:
    """Whoever answers may close the connection, and wait for something afterwards."""
    waiting: Deferred[Response | None] = Deferred()

    async def serve(arrival: Arrival) -> Response | None:
        hall.sink.closed(ALICE, "too many tries")
        return await waiting

    hall.desk.serve = serve  # type: ignore[method-assign]  # this once
    hall.says()
    assert (len(hall.sink), hall.sink.pending) == (0, 1)
    hall.clock.advance(51)
    assert hall.is_empty()


def test_a_connection_is_lost_once(hall: Hall) -> None:
    """A flow that nobody knows is not told about, and what it says is not heard."""
    hall.sink.closed(ALICE, "connection lost")
    hall.sink.closed(ALICE, "connection lost")
    hall.says()
    assert len(hall.bus.facts) == 1
    assert hall.desk.arrivals == []


def test_a_connection_that_ends_under_an_answer_is_not_waited_for(hall: Hall) -> None:
    """The wire may know before the hall does."""
    hall.says("INVITE")
    hall.flows.close_flow(ALICE, "test")
    hall.desk.answer(200)
    assert hall.is_empty()


def test_the_gate_hears_of_connections(hall: Hall) -> None:
    """Who connects is told with his address, and whether the connection is secret."""
    assert hall.gate.told == [("opened", ALICE, "10.0.0.1", "True"), ("opened", BOB, "10.0.0.2", "False")]


def test_responses_are_believed_only_if_the_gate_says_so(hall: Hall) -> None:
    """A response with a wrong signature answers nothing."""
    hall.outbound.send_request(BOB, request(), timeout=60)
    sent = hall.flows.sent[-1][1]
    assert isinstance(sent, Request)
    hall.gate.believes = False
    hall.sink.arrived(BOB, response_to(sent, 200))
    assert len(hall.outbound) == 1
    hall.gate.believes = True
    hall.sink.arrived(BOB, response_to(sent, 200))
    assert len(hall.outbound) == 0


def test_answers_of_many_are_believed_only_if_the_gate_says_so(hall: Hall) -> None:
    """That an answer repeats what was asked word for word proves nothing: anybody can repeat."""
    dialog = Dialog(call_id="c", local="<sip:chat>;tag=l", remote="<sip:bob>;tag=r", target="sip:bob")
    heard: list[int] = []

    def hear(response: Response, *, local: bool) -> None:
        heard.append(response.status)

    hall.outbound.send_prepared(BOB, Prepared(Template(dialog.outline("MESSAGE", Headers())), 1, b""), hear, timeout=60)
    sent = hall.flows.sent[-1][1]
    assert isinstance(sent, Request)
    hall.gate.believes = False
    hall.sink.arrived(BOB, response_to(sent, 200))
    assert (heard, len(hall.outbound)) == ([], 1)
    hall.gate.believes = True
    hall.sink.arrived(BOB, response_to(sent, 180))
    hall.sink.arrived(BOB, response_to(sent, 200))
    hall.sink.arrived(BOB, response_to(sent, 200))
    assert (heard, len(hall.outbound)) == ([200], 0)


def test_requests_are_counted_by_method(hall: Hall) -> None:
    """An operator sees what comes in; a stranger's inventions share one counter."""
    hall.says("MESSAGE")
    hall.says("FOO")
    hall.says("BAR")
    assert hall.meter.count("lyncpy_core_requests_total", method="MESSAGE") == 1
    assert hall.meter.count("lyncpy_core_requests_total", method="other") == 2
    assert {name: read() for name, read in hall.meter.gauges.items()} == {
        "lyncpy_core_sent_pending_count": 0,
        "lyncpy_core_flows_count": 2,
        "lyncpy_core_requests_pending_count": 3,
        "lyncpy_core_requests_waiting_bytes": 0,
        "lyncpy_core_loop_delay_seconds": 0,
        "lyncpy_core_presence_lane_waiting_count": 0,
        "lyncpy_core_presence_lane_delay_seconds": 0,
        "lyncpy_core_sign_in_lane_waiting_count": 0,
        "lyncpy_core_sign_in_lane_delay_seconds": 0,
        "lyncpy_core_transactions_count": 3,
    }
