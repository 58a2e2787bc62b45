"""What another server is asked is answered, or its loss is known: nobody waits for an answer that cannot come any more."""

from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.bus import SENT_MOST
from lyncpy.contracts.names import FlowName, NodeName, aor_of, epid_of
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.dispatch import Dispatch
from lyncpy.core.node_channel import GIVE_UP_S, NodeChannels
from lyncpy.core.relay import Relay, RelayedRequests
from lyncpy.core.timers import Timers
from lyncpy.core.under_way import UNDER_WAY_BYTES
from lyncpy.sip.message import Headers, Request, Response, response_to
from tests.kit.clocks import Clocks
from tests.kit.hub import Hub
from tests.kit.owners import AddressOwners
from tests.kit.results import started

HERE, THERE = NodeName("here"), NodeName("there")


class Admits:
    """Everybody."""

    async def admit(self, arrival: Arrival) -> Arrival:
        """Let them in."""
        return arrival


class Home:
    """A server that is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.pending: dict[str, Deferred[Response]] = {}
        self.cancelled: list[str] = []

    async def answer(self, arrival: Arrival) -> Response | None:
        """Wait to be told."""
        name = arrival.request.call_id
        waiting = self.pending[name] = Deferred()
        arrival.on_cancel(lambda: self.cancelled.append(name))
        return await waiting

    def choose(self, arrival: Arrival) -> Route:
        """Give the only road."""
        return Route(arrival.request.method, self.answer)

    choose_here = choose


class Two:
    """A server that asks and one that is asked."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.hub = Hub()
        self.home = Home()
        clocks = {node: self.clocks.new() for node in (HERE, THERE)}
        self.timers = {node: Timers(clock, clock.seconds) for node, clock in clocks.items()}
        self.channels = {
            node: NodeChannels(self.hub.bus(node, clock), self.timers[node], lambda name: True)
            for node, clock in clocks.items()
        }
        self.relay = Relay(
            self.channels[HERE],
            self.timers[HERE],
            lambda node: True,
            lambda node, flow: self.noted.append((node, flow)),
        )
        dispatch = Dispatch(Admits(), self.home, AddressOwners())
        self.relayed = RelayedRequests(self.channels[THERE], dispatch, self.timers[THERE], 300.0)
        self.answers: dict[str, int] = {}
        self.noted: list[tuple[NodeName, FlowName]] = []

    def asks(self, name: str, method: str = "INFO") -> None:
        """Ask, and keep the status of the answer."""
        request = request_of(name, method)
        who = Identity(aor_of("sip:alice@example.com"), epid_of("e1"), "NTLM")
        arrival = Arrival(request, FlowName(f"{HERE}/1"), "127.0.0.1", 0.0, who)
        _ = started(self.relay.ask(THERE, arrival)).addCallbacks(
            lambda answer: self._note(name, answer.status), lambda failure: self._failed(name, failure.value)
        )
        self.clocks.passes(0.1)

    def _note(self, name: str, status: int) -> None:
        assert name not in self.answers
        self.answers[name] = status

    def _failed(self, name: str, error: BaseException) -> None:
        assert isinstance(error, Refused)
        self._note(name, error.status)

    def answers_to(self, name: str, body: bytes = b"") -> None:
        """Have the home answer."""
        response = response_to(request_of(name, "INFO"), 200)
        self.home.pending.pop(name).callback(response.edited(body=body))
        self.clocks.passes(0.1)


def request_of(name: str, method: str) -> Request:
    """Write a request."""
    lines = [("From", "<sip:alice@example.com>;tag=1"), ("To", "<sip:bob@example.com>;tag=2"), ("Call-ID", name)]
    return Request(
        method,
        "sip:bob@example.com",
        Headers([("Via", "SIP/2.0/TLS x;branch=z9hG4bK1"), *lines, ("CSeq", f"1 {method}")]),
    )


@pytest.fixture
def two() -> Iterator[Two]:
    """Two servers; at the end nobody waits for anything."""
    two = Two()
    yield two
    assert (len(two.relay), len(two.relayed)) == (0, 0)


def test_what_is_asked_is_answered(two: Two) -> None:
    """The answer comes back to whoever asked."""
    two.asks("1")
    assert two.noted == [(THERE, FlowName(f"{HERE}/1"))]
    two.answers_to("1")
    assert two.answers == {"1": 200}


def test_what_was_asked_of_whoever_gave_this_server_up_is_lost(two: Two) -> None:
    """Answers are lost there when they could not be brought for long, and this server, which had nothing to wait for, hears of it.

    What it asks thereafter is no part of that.
    """
    two.asks("1", "INVITE")
    two.asks("2", "INVITE")
    two.hub.loses = lambda sender, receiver, said: receiver == HERE
    two.answers_to("2")
    two.clocks.passes(GIVE_UP_S + 10)
    assert (two.answers, two.home.cancelled) == ({}, ["1"])
    two.hub.loses = lambda sender, receiver, said: False
    two.asks("3")
    assert two.answers == {"1": 504, "2": 504}
    two.answers_to("3")
    two.answers_to("1")
    assert two.answers == {"1": 504, "2": 504, "3": 200}


def test_what_whoever_gives_up_has_asked_is_cancelled(two: Two) -> None:
    """The one that asks has given the other one up, and does not wait any more; the other one hears of it by what comes next."""
    two.asks("1", "INVITE")
    two.hub.loses = lambda sender, receiver, said: sender == THERE
    two.asks("2", "INVITE")
    two.clocks.passes(GIVE_UP_S + 10)
    assert (two.answers, two.home.cancelled) == ({"1": 504, "2": 504}, [])
    two.hub.loses = lambda sender, receiver, said: False
    two.asks("3")
    assert two.home.cancelled == ["1", "2"]
    for name in "123":
        two.answers_to(name)
    assert two.answers == {"1": 504, "2": 504, "3": 200}


def test_an_answer_that_is_too_large_to_be_brought_is_said_to_be(two: Two) -> None:
    """Whoever asked is not left waiting."""
    two.asks("1")
    two.answers_to("1", b"x" * SENT_MOST)
    assert two.answers == {"1": 504}


def test_an_answer_for_which_there_is_no_room_is_said_to_be_lost(two: Two) -> None:
    """So much is under way that nothing large can be sent: that can."""
    two.asks("1")
    two.hub.loses = lambda sender, receiver, said: receiver == HERE
    size = 500_000
    sent = [two.channels[THERE].send(HERE, "other", b"x" * size) for _ in range(1 + UNDER_WAY_BYTES // size)]
    assert sent[-1] is False
    two.answers_to("1", b"x" * size)
    two.hub.loses = lambda sender, receiver, said: False
    two.clocks.passes(20)
    assert two.answers == {"1": 504}
