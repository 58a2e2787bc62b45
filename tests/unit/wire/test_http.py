"""The HTTPS site's connections without sockets: what a browser's connection may cost, and how a bad request is told."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import formatEvent
from twisted.python.failure import Failure

from lyncpy.contracts.http import HttpAnswer, HttpAsked, plain
from lyncpy.contracts.networks import Relays
from lyncpy.core.timers import Timers
from lyncpy.wire.http import HttpFactory, HttpStream, PlainHttpFactory
from lyncpy.workloads.web.settings import Settings
from tests.kit.costs import ratio
from tests.kit.holdings import held
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter

HELLO = HttpAnswer(200, "text/plain; charset=utf-8", b"hello", headers=(("ETag", '"1"'),))


async def hello(asked: HttpAsked) -> HttpAnswer:
    """Answer everything alike."""
    return HELLO


async def never(asked: HttpAsked) -> HttpAnswer:
    """Think for ever."""
    await Deferred()
    return HELLO


class Door:
    """A door, and connections to it."""

    def __init__(
        self, serve: Callable[[HttpAsked], Awaitable[HttpAnswer]] = hello, **bounds: Any
    ) -> None:  # Any: settings
        self.clock = Clock()
        self.asked: list[HttpAsked] = []
        self.forgotten: list[str] = []
        self.meter = MemoryMeter()
        timers = Timers(self.clock, lambda: 1_700_000_000.0)

        async def recorded(asked: HttpAsked) -> HttpAnswer:
            self.asked.append(asked)
            return await serve(asked)

        self.factory = HttpFactory(
            recorded, Settings(**bounds), self.meter, timers, Relays(()), self.forgotten.append, plain
        )

    def connect(self, host: str = "192.0.2.1") -> "Browser":
        """Connect; refused when the door has no place."""
        address = IPv4Address("TCP", host, 40_000)
        stream = self.factory.buildProtocol(address)
        assert isinstance(stream, HttpStream), "turned away"
        return Browser(stream, self.clock, address)

    @property
    def unfinished(self) -> float:
        """What the requests that are not whole yet hold, as the meter has it."""
        return self.meter.gauges["lyncpy_wire_http_unfinished_bytes"]()

    def is_full_for(self, host: str) -> bool:
        """Tell whether one more from there is turned away."""
        return self.factory.buildProtocol(IPv4Address("TCP", host, 40_001)) is None


_Transport: Any = StringTransport  # Any: it has no types


class Transport(_Transport):  # type: ignore[misc]  # see above
    """A transport that is over when it was closed and the browser has said goodbye."""

    aborted = False

    def abortConnection(self) -> None:
        """Remember it."""
        self.aborted = True


class Browser:
    """The other side of a connection."""

    def __init__(self, stream: HttpStream, clock: Clock, address: IPv4Address) -> None:
        self.transport = Transport(peerAddress=address)
        self.stream = stream
        self.clock = clock
        stream.makeConnection(self.transport)

    def send(self, text: str | bytes) -> str:
        """Send bytes; give what came back since the last time."""
        self.stream.dataReceived(text.encode("latin-1") if isinstance(text, str) else text)
        return self.read()

    def get(self, target: str = "/", *lines: str, method: str = "GET") -> str:
        """Send a whole request without a body."""
        return self.send("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x.test", *lines, "", ""]))

    def read(self) -> str:
        """Give what came since the last time."""
        text: str = self.transport.value().decode("latin-1")
        self.transport.clear()
        return text

    @property
    def is_closed(self) -> bool:
        """Whether the server has said goodbye."""
        return bool(self.transport.disconnecting or self.transport.aborted)

    def leave(self) -> None:
        """Go."""
        self.stream.connectionLost(Failure(ConnectionDone()))


def test_a_request_is_answered_with_its_length_and_date() -> None:
    """What a workload says arrives, and the connection stays for the next request."""
    browser = Door().connect()
    first = browser.get("/a")
    assert first.startswith("HTTP/1.1 200 OK\r\n")
    assert "Content-Length: 5\r\n" in first
    assert "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n" in first
    assert first.endswith("\r\n\r\nhello")
    assert browser.get("/b").endswith("hello")
    assert not browser.is_closed


def test_what_was_asked_is_read_once_and_whole() -> None:
    """A workload sees the path without percent signs, the first of each query field, and headers by lower-case names."""
    door = Door()
    door.connect("192.0.2.9").get("/presence/%C3%A4nne@x.test.svg?size=12&size=13&x=", "X-One: a", "x-one: b")
    (asked,) = door.asked
    assert asked.path == "/presence/änne@x.test.svg"
    assert asked.query == {"size": "12", "x": ""}
    assert asked.headers["x-one"] == "a, b"
    assert (asked.host, asked.peer, asked.method) == ("x.test", "192.0.2.9", "GET")


def test_a_connection_has_one_name_from_its_first_request_to_its_end() -> None:
    """What somebody begins on one connection cannot be ended on another."""
    door = Door()
    first, other = door.connect(), door.connect()
    for browser in (first, other, first):
        browser.get("/")
    names = [asked.connection for asked in door.asked]
    assert names[0] == names[2] != names[1]
    first.leave()
    assert door.forgotten == names[:1]


@pytest.mark.parametrize(
    ("target", "line", "host"),
    [
        ("/", "Host: Meet.Example.TEST:8443", "meet.example.test"),
        ("/", "Host: [::1]:443", "[::1]"),
        ("https://meet.example.test:1/", "Host: other", "meet.example.test"),
    ],
)
def test_the_host_is_known_without_its_port(target: str, line: str, host: str) -> None:
    """One site may have several names."""
    door = Door()
    door.connect().send(f"GET {target} HTTP/1.1\r\n{line}\r\n\r\n")
    assert door.asked[0].host == host


def test_head_has_the_headers_and_no_body() -> None:
    """A program may ask how long an answer would be."""
    answer = Door().connect().get(method="HEAD")
    assert "Content-Length: 5\r\n" in answer
    assert answer.endswith("\r\n\r\n")


def test_not_modified_has_no_body_and_leaves_the_connection_usable() -> None:
    """A 304 never confuses where the next answer begins."""

    async def known(asked: HttpAsked) -> HttpAnswer:
        return HttpAnswer(304, headers=(("ETag", '"1"'),))

    browser = Door(known).connect()
    assert browser.get().endswith("\r\n\r\n")
    assert browser.get().startswith("HTTP/1.1 304 Not Modified\r\n")


def test_requests_in_one_piece_are_answered_in_order() -> None:
    """A browser need not wait for an answer before it asks again."""
    door = Door()
    door.connect().send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [asked.path for asked in door.asked] == ["/1", "/2"]


def test_a_body_is_read_whole_in_both_forms() -> None:
    """Content-Length and chunks give the same bytes."""
    door = Door()
    browser = door.connect()
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
    assert [asked.body for asked in door.asked] == [b"abc", b"abc"]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/xml"])
def test_a_body_is_read_as_nothing_but_bytes(kind: str) -> None:
    """Whatever form it says that it is: to read one costs more than to answer, and nobody asked for it."""
    door = Door()
    browser = door.connect()
    body = "--y\r\n" + "a=b&" * 1_000
    answer = browser.send(
        f"POST /?a=b HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    assert answer.endswith("hello")
    assert [(asked.path, asked.query, asked.body) for asked in door.asked] == [("/", {"a": "b"}, body.encode())]


HOSTILE = {
    "no request": ("hello\r\n\r\n", 400),
    "another protocol": ("REGISTER sip:x SIP/2.0\r\n\r\n", 400),
    "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a proxy's target": ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tunnel": ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bytes that are no text": ("GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a line break in the path": ("GET /a%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a zero in the path": ("GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a header without a colon": ("GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
    "two lengths": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length and chunks": (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a negative length": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "a broken chunk": ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "too many fields": (f"GET /?{'a=1&' * 40} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a long address": (f"GET /{'a' * 67_000}", 414),
    "a long header": (f"GET / HTTP/1.1\r\nHost: x\r\nA: {'a' * 67_000}", 431),
    "many headers": ("GET / HTTP/1.1\r\n" + "A: b\r\n" * 101, 431),
    "a large head": ("GET / HTTP/1.1\r\n" + f"A: {'b' * 4000}\r\n" * 25, 431),
    "a large body": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413),
    "a huge body": (f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * 400}\r\n\r\n", 413),
    "a body that waits to be asked for": (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n",
        413,
    ),
    "a large chunk": (
        f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n{'a' * 65537}\r\n",
        413,
    ),
}


def test_what_is_too_much_is_refused_as_its_address_refuses() -> None:
    """A program gets the form that it reads, with the path that it has asked for."""
    door = Door()
    door.factory.refusal = lambda path, status, sentence: HttpAnswer(status, "application/json", f'"{path}"'.encode())
    for text, _ in (HOSTILE["a large body"], HOSTILE["a large chunk"]):
        answer = door.connect().send(text.replace("POST /", "POST /api/users?x=1"))
        assert answer.startswith("HTTP/1.1 413 ")
        assert "Content-Type: application/json" in answer
        assert answer.endswith('"/api/users"')


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_too_much_or_unreadable_is_refused_in_plain_words_and_closed(what: str) -> None:
    """The answer says what is wrong, whole and once, and the workloads never hear of it."""
    text, status = HOSTILE[what]
    door = Door()
    browser = door.connect()
    with overheard() as events:
        answer = browser.send(text)
        # Whatever follows is not read as another request.
        answer += browser.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "Connection: close" in head
    assert f"Content-Length: {len(body)}" in head
    assert body.count("\n") == 2
    assert answer.count("HTTP/1.1") == 1
    assert browser.is_closed
    assert not door.asked
    assert not [event for event in events if event["log_level"].name in ("error", "critical")]


def test_any_cut_of_a_request_is_the_same_request() -> None:
    """Packets may end anywhere."""
    text = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    for cut in range(1, len(text)):
        door = Door()
        browser = door.connect()
        answer = browser.send(text[:cut]) + browser.send(text[cut:])
        assert answer.endswith("hello"), cut
        assert door.asked[0].body == b"abc"


def test_the_largest_ticket_of_kerberos_is_read_in_whatever_pieces() -> None:
    """Windows makes none of more than 48,000 bytes."""
    ticket = "Negotiate " + "YII" * 21_333 + "="
    text = f"GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: {ticket}\r\n\r\n".encode()
    for size in (len(text), 16_384, 1_000, 7):
        door = Door()
        browser = door.connect()
        for at in range(0, len(text), size):
            browser.send(text[at : at + size])
        assert [asked.headers["authorization"] for asked in door.asked] == [ticket]
        assert door.unfinished == 0


@pytest.mark.untraced
def test_a_line_that_drips_costs_no_more_than_its_length() -> None:
    """Who sends it a byte at a time has nothing read twice."""

    def dripping(size: int) -> Callable[[], object]:
        def drip() -> None:
            browser = Door(line_bytes=65_536, head_bytes=98_304).connect()
            browser.send("GET / HTTP/1.1\r\nA: ")
            for _ in range(size):
                browser.stream.dataReceived(b"a")

        return drip

    assert ratio(dripping, 60_000) < 9


def test_what_follows_a_request_waits_for_its_answer_in_whatever_pieces() -> None:
    """A body that comes with the head of its request is no line, also where that comes behind another request."""
    text = (
        b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nd\r\nef"
        b"GET /3 HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST /4 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nghi\r\n0\r\n\r\n"
    )
    for size in (*range(1, 60), len(text)):
        answers: list[Deferred[HttpAnswer]] = []

        async def later(asked: HttpAsked, waiting: list["Deferred[HttpAnswer]"] = answers) -> HttpAnswer:
            waiting.append(Deferred())
            return await waiting[-1]

        for serve in (hello, later):
            door = Door(serve)
            browser = door.connect()
            for at in range(0, len(text), size):
                browser.send(text[at : at + size])
            while answers:
                answers.pop().callback(HELLO)
            assert [(asked.path, asked.body) for asked in door.asked] == [
                ("/1", b"abc"),
                ("/2", b"d\r\nef"),
                ("/3", b""),
                ("/4", b"ghi"),
            ], (size, serve)
            assert door.unfinished == 0


@pytest.mark.parametrize(
    "begun",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nA: {'a' * 60_000}",
        "GET / HTTP/1.1\r\n" + f"A: {'a' * 20_000}\r\n" * 3,
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65000\r\n\r\n{'a' * 60_000}",
        f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nf000\r\n{'a' * 60_000}",
    ],
    ids=["a line", "a head", "a body", "a chunk"],
)
def test_unfinished_requests_have_a_bound_together(begun: str) -> None:
    """Who sends many of them loses their own; the operator is told which bound it is, and once."""
    door = Door(unfinished_bytes=1_048_576)
    before = held(door.factory)
    alone = door.connect("192.0.2.9")
    alone.send("GET /a HTTP/1.1\r\nHost: x\r\n" + f"A: {'a' * 30_000}")
    with overheard() as events:
        crowd = [door.connect("198.51.100.7") for _ in range(60)]
        for browser in crowd:
            browser.send(begun)
            assert 0 < door.unfinished <= 1_048_576
    (line,) = [formatEvent(event) for event in events]
    assert "[web] unfinished_bytes" in line
    stayed = [not browser.is_closed for browser in crowd]
    assert stayed == [False] * (60 - sum(stayed)) + [True] * sum(stayed)
    assert 14 <= sum(stayed) <= 17
    assert "hello" in alone.send("\r\n\r\n")
    for browser in (alone, *crowd):
        browser.leave()
    assert held(door.factory) == before
    assert door.unfinished == 0


def test_a_slow_request_ends_even_if_it_drips() -> None:
    """A byte now and then buys no time (slowloris)."""
    door = Door(request_s=20, close_s=5)
    browser = door.connect()
    browser.send("GET / HTTP/1.1\r\nHost: x\r\n")
    for _ in range(19):
        door.clock.advance(1)
        assert browser.send("A: b\r\n") == ""
    door.clock.advance(1)
    assert browser.read().startswith("HTTP/1.1 408 Request Timeout\r\n")
    assert browser.is_closed
    door.clock.advance(5)
    assert browser.transport.aborted


def test_who_says_nothing_is_closed_without_a_word() -> None:
    """A connection alone buys no time either, nor does a TLS handshake that never ends."""
    door = Door(request_s=20)
    browser = door.connect()
    door.clock.advance(20)
    assert browser.read() == ""
    assert browser.is_closed


def test_an_idle_connection_is_kept_for_a_while() -> None:
    """A browser may ask again within the time, and each request has its whole time anew."""
    door = Door(idle_s=60, request_s=20)
    browser = door.connect()
    browser.get()
    door.clock.advance(59)
    assert browser.get().endswith("hello")
    door.clock.advance(59)
    browser.send("GET / HTTP/1.1\r\n")
    door.clock.advance(19)
    assert browser.send("Host: x\r\n\r\n").endswith("hello")
    door.clock.advance(60)
    assert browser.is_closed


def test_an_answer_that_does_not_come_is_a_503() -> None:
    """A browser is told to try again when something inside hangs, and may ask for something else."""
    waiting: list[Deferred[HttpAnswer]] = []

    def slow(asked: HttpAsked) -> Deferred[HttpAnswer]:
        waiting.append(Deferred())
        return waiting[-1]

    door = Door(slow, answer_s=30)
    browser = door.connect()
    assert browser.get() == ""
    door.clock.advance(30)
    assert browser.read().startswith("HTTP/1.1 503 Service Unavailable\r\n")
    assert door.meter.count("lyncpy_wire_http_unanswered_total", status="503") == 1
    assert not browser.is_closed


def test_a_bug_is_a_500_without_its_traceback() -> None:
    """What went wrong is in the log, not on the page."""

    async def broken(asked: HttpAsked) -> HttpAnswer:
        raise ZeroDivisionError("secret")

    with overheard() as events:
        answer = Door(broken).connect().get()
    assert answer.startswith("HTTP/1.1 500 ")
    assert "secret" not in answer
    assert "ZeroDivision" not in answer
    assert any("log_failure" in event for event in events)


def test_a_browser_that_goes_ends_what_was_done_for_it() -> None:
    """Nobody works for a connection that is gone, and nothing is logged about it."""
    ended: list[bool] = []

    def slow(asked: HttpAsked) -> Deferred[HttpAnswer]:
        return Deferred(lambda _: ended.append(True))

    door = Door(slow)
    browser = door.connect()
    browser.get()
    with overheard() as events:
        browser.leave()
        door.clock.advance(1000)
    assert ended == [True]
    assert not [event for event in events if event["log_level"].name in ("error", "critical")]
    assert not browser.is_closed


def test_connections_are_bounded_in_all_and_for_each_address() -> None:
    """One more is turned away only where every connection has an answer coming."""
    door = Door(never, connections=3, connections_per_address=2)
    first = door.connect("192.0.2.1")
    busy = [first, door.connect("192.0.2.1")]
    for browser in busy:
        browser.get()
    assert door.is_full_for("192.0.2.1")
    busy.append(door.connect("192.0.2.2"))
    busy[-1].get()
    assert door.is_full_for("192.0.2.3")
    first.leave()
    assert not door.is_full_for("192.0.2.1")
    assert door.meter.count("lyncpy_wire_http_turned_away_total", bound="address") == 1
    assert door.meter.count("lyncpy_wire_http_turned_away_total", bound="total") == 1


def test_idle_connections_make_room() -> None:
    """Whoever holds places and asks nothing loses them to who asks; the one who is alone at their address stays."""
    door = Door(connections=20, connections_per_address=8)
    alone = door.connect("192.0.2.9")
    crowd = [door.connect(f"198.51.100.{number % 5}") for number in range(200)]
    late = door.connect("203.0.113.1")
    assert late.get().startswith("HTTP/1.1 200 ")
    assert not alone.transport.aborted
    assert sum(not browser.transport.aborted for browser in crowd) == 18
    assert door.meter.count("lyncpy_wire_http_turned_away_total", bound="total") == 0


def test_a_relay_tells_for_whom_a_browser_is() -> None:
    """The client's address is what a resource sees and what counts."""
    door = Door(connections_per_address=2)
    door.factory.relays = Relays(["192.0.2.200"])
    before = held(door.factory)
    browsers = [door.connect("192.0.2.200") for _ in range(4)]
    for number, browser in enumerate(browsers):
        assert browser.stream.preamble is not None
        assert browser.stream.relayed(f"203.0.113.{number}", 40_000)
        browser.get()
    assert [asked.peer for asked in door.asked] == [f"203.0.113.{number}" for number in range(4)]
    for browser in browsers:
        browser.leave()
    assert held(door.factory) == before


TARGETS = (
    "https://[::1/", "http://[", "https://]/", "https://[::1]]/", "https://[v1.x]/", "https://a:b@[::1/", "//[::1/",
    "https://x:99999999/", "https://\u2100/", "*", "x:443", "/%zz", "/%ff", "/\x1b[31m", "/?%ff=%ff", "https://[::1]:x/",
)  # fmt: skip
HOSTS = ("x", "[::1", "[::1]", "]", "x:port", "x y", "x\x1b[31m", "a,b", "[::1]:443", "x@y", "", "x:1:2", "[]", "%zz")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("host", HOSTS)
def test_an_address_that_is_none_is_answered_and_never_a_bug(target: str, host: str) -> None:
    """Whatever stands in the request line and in Host: one whole answer below 500, and no traceback."""
    door = Door()
    with overheard() as events:
        browser = door.connect()
        said = browser.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert 200 <= int(said.split(" ", 2)[1]) < 500
    assert not [event for event in events if event["log_level"].name in ("error", "critical")]


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_of_a_head_are_a_bug(target: bytes, name: bytes, value: bytes) -> None:
    """Any bytes where an address, a header's name and its value would be."""
    door = Door()
    with overheard() as events:
        browser = door.connect()
        said = browser.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + name + b": " + value + b"\r\n\r\n\r\n\r\n")
    assert not said or 200 <= int(said.split(" ", 2)[1]) < 500
    assert not [event for event in events if event["log_level"].name in ("error", "critical")]


def test_closing_ends_every_connection_within_its_time() -> None:
    """A server that stops waits for no browser longer than it says."""
    door = Door(close_s=5)
    browsers = [door.connect(), door.connect()]
    closing = Deferred.fromCoroutine(door.factory.close_all())
    browsers[0].leave()
    assert not closing.called
    door.clock.advance(5)
    assert browsers[1].transport.aborted
    browsers[1].leave()
    assert closing.called


def test_credentials_are_in_no_log_line() -> None:
    """Neither a header nor a query is ever written down."""
    with overheard() as events:
        Door().connect().get("/a?token=sesame", "Authorization: Basic c2VzYW1l")
    assert events
    assert "sesame" not in str(events)
    assert "c2VzYW1l" not in str(events)


def _plain(door: Door, host: str = "192.0.2.1") -> Browser:
    """Connect without TLS."""
    address = IPv4Address("TCP", host, 40_000)
    stream = PlainHttpFactory(door.factory).buildProtocol(address)
    assert isinstance(stream, HttpStream), "turned away"
    return Browser(stream, door.clock, address)


def test_a_request_without_tls_is_known_as_such() -> None:
    """Its connection counts among all others."""
    door = Door(connections_per_address=1)
    browser = _plain(door)
    assert browser.get("/").endswith("hello")
    door.connect("192.0.2.2").get("/")
    assert [asked.is_secure for asked in door.asked] == [False, True]
    browser.send("GET / HTTP/1.1\r\n")
    assert PlainHttpFactory(door.factory).buildProtocol(IPv4Address("TCP", "192.0.2.1", 40_001)) is not None
    assert browser.is_closed


@pytest.mark.parametrize("pieces", [1, 7, 100])
def test_a_relay_without_tls_tells_the_client(pieces: int) -> None:
    """Its header may come in pieces, and with the request behind it."""
    door = Door()
    door.factory.relays = Relays(["192.0.2.200"], send_proxy=True)
    browser = _plain(door, "192.0.2.200")
    text = "PROXY TCP4 192.0.2.7 192.0.2.200 40000 80\r\nGET / HTTP/1.1\r\nHost: x.test\r\n\r\n"
    said = "".join(browser.send(text[start : start + pieces]) for start in range(0, len(text), pieces))
    assert said.endswith("hello")
    assert door.asked[0].peer == "192.0.2.7"


def test_a_relay_without_its_header_is_cut() -> None:
    """As is one whose client has no room left."""
    door = Door(connections_per_address=1)
    door.factory.relays = Relays(["192.0.2.200"], send_proxy=True)
    browser = _plain(door, "192.0.2.200")
    with overheard() as events:
        assert browser.send("GET / HTTP/1.1\r\nHost: x.test\r\n\r\n") == ""
    assert browser.is_closed
    assert any("cut" in str(event.get("log_format")) for event in events)

    async def busy(asked: HttpAsked) -> HttpAnswer:
        return await never(asked)

    full = Door(busy, connections_per_address=1)
    full.factory.relays = Relays(["192.0.2.200"], send_proxy=True)
    full.connect("192.0.2.7").get("/")
    late = _plain(full, "192.0.2.200")
    assert late.send("PROXY TCP4 192.0.2.7 192.0.2.200 40000 80\r\nGET / HTTP/1.1\r\n") == ""
    assert late.is_closed
