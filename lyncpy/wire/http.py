"""Bytes of a browser's connection → one request → one answer.

Twisted reads the grammar of HTTP/1.1; what is here are the bounds. Every connection has
exactly one deadline at any time: for the request to be there, for its answer, for the next
request, or for its end.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from io import BytesIO
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefusal, phrase_of
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.contracts.strangers import StrangersByNetwork
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.wire.http_bounds import HttpBounds, place_limits
from lyncpy.wire.http_target import UnreadableTarget, host_of, target_of
from lyncpy.wire.http_unfinished import PartialLine, UnfinishedRequests
from lyncpy.wire.proxy import ProxyHeader, read_preamble

Serve = Callable[[HttpAsked], Awaitable[HttpAnswer]]
"""Answers one request; raises nothing but a bug."""


_Request: Any = http.Request
_Channel: Any = http.HTTPChannel
# Any: Twisted's methods have no types; as they are, each call of one would have to be excused.


class Exchange(_Request):  # type: ignore[misc]  # see above
    """One request and its answer."""

    channel: "HttpStream"
    answering: "Deferred[HttpAnswer] | None" = None

    def gotLength(self, length: int | None) -> None:
        """Keep the body in memory, which its bound allows; Twisted would make a file of one whose size is not told."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Add a piece of the body within its bound: a chunked body does not say its size before."""
        if self.content.tell() + len(data) > self.channel.bounds.body_bytes:
            self.channel.refuse(413, "the body is too large")
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Process a request that is whole. Twisted would read its body as a form, if it says that it is one; nothing here wants that."""
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.process()

    def process(self) -> None:
        """Start to answer the request."""
        channel = self.channel
        try:
            asked = self._asked()
        except UnreadableTarget as error:
            channel.refuse(400, str(error))
            return
        answering = self.answering = Deferred.fromCoroutine(_answered(channel.site.serve, asked))
        channel.await_answer(answering)
        _ = answering.addCallbacks(self._say, self._fail)

    def connectionLost(self, reason: Failure) -> None:
        """Cancel the answer: nobody waits for it any more."""
        super().connectionLost(reason)
        if self.answering is not None:
            self.answering.cancel()

    def _asked(self) -> HttpAsked:
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) > 1 or (not hosts and self.clientproto == b"HTTP/1.1"):
            raise UnreadableTarget("a request names exactly one Host")
        path, query, authority = target_of(self.uri)
        headers = {
            name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
            for name, values in self.requestHeaders.getAllRawHeaders()
        }
        return HttpAsked(
            method=self.method.decode("latin-1"),
            host=host_of(authority or (hosts[0].decode("latin-1") if hosts else "")),
            path=path,
            query=query,
            headers=headers,
            body=self.content.read(),
            peer=self.channel.peer,
            connection=self.channel.name,
            is_secure=self.channel.is_secure,
            certificate=self.channel.certificate(),
        )

    def _say(self, answer: HttpAnswer) -> None:
        if self._disconnected:
            return
        channel = self.channel
        self.setResponseCode(answer.status, phrase_of(answer.status).encode())
        self.responseHeaders.setRawHeaders(b"Date", [http.datetimeToString(channel.site.timers.wall())])
        if answer.content_type:
            self.responseHeaders.setRawHeaders(b"Content-Type", [answer.content_type.encode()])
        if answer.status not in http.NO_BODY_CODES:
            self.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % len(answer.body)])
        for name, value in answer.headers:
            self.responseHeaders.addRawHeader(name.encode(), value.encode("utf-8"))
        # The path alone: a query or a header may hold what is nobody's business.
        channel.log.debug(
            "{address} {method} {target}: {status}",
            address=channel.peer,
            method=self.method.decode("latin-1")[:20],
            target=self.path.decode("latin-1")[:80],
            status=answer.status,
        )
        self.write(answer.body)
        self.finish()

    def _fail(self, failure: Failure) -> None:
        if self._disconnected:
            return
        if not failure.check(CancelledError):
            self.channel.log.failure("a request was not answered", failure=failure)
        slow = failure.check(CancelledError) is not None
        status, words = (503, "this takes too long, try again later") if slow else (500, "the server failed")
        self.channel.site.count_unanswered(status)
        self._say(self.channel.site.refusal(self.path.decode("latin-1"), status, words))


class HttpStream(_Channel):  # type: ignore[misc]  # see above
    """One browser's connection, from its acceptance to its end."""

    log = Logger()
    requestFactory = Exchange

    def __init__(self, site: "HttpFactory", peer: str, *, is_relayed: bool, is_secure: bool) -> None:
        super().__init__()
        self.site = site
        self.bounds = site.bounds
        self.name = f"http/{next(site.numbers)}"
        self.peer = peer
        self.is_relayed = is_relayed
        self.is_secure = is_secure
        self.preamble = ProxyHeader() if is_relayed and site.relays.send_proxy else None
        """A relay's PROXY header, until its transport has read it."""
        self.MAX_LENGTH = site.bounds.line_bytes
        # Both are counted here, where more than a bare 400 can be said; Twisted's own counts only stand behind.
        self.maxHeaders = site.bounds.headers + 1
        self.totalHeadersSize = site.bounds.head_bytes + site.bounds.line_bytes
        self._line = PartialLine()
        self._head_bytes = 0
        self._head_lines = 0
        self._body_bytes = 0
        self._answering = False
        self._between = False
        """Waiting for the next request, of which nothing has come yet."""
        self._heard = False
        """Something of the current request has come."""
        self._over = False
        self._target = ""
        """The path of the request, as soon as its line has come."""

        self._timer: ITimer | None = None

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Count the connection, and wait for the first request."""
        super().connectionMade()
        self.site.entered(self)
        self._wait(self.bounds.request_s, self._on_slow_request)

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless nothing more is wanted."""
        if self.preamble is not None and not self.is_secure:
            data = read_preamble(self, self.preamble, data, self.abort) or b""
        if self._over or not data:
            return
        self._heard = True
        if self._between:
            self._between = False
            self._wait(self.bounds.request_s, self._on_slow_request)
        if self.line_mode:
            end = data.rfind(b"\n") + 1
            if end:
                self._line.add(data[:end])
                super().dataReceived(self._line.pop_all())
            self._line.add(data[end:])
            if self.line_mode and self._line.size > self.bounds.line_bytes:
                self.lineLengthExceeded(b"")
        else:
            super().dataReceived(data)
        # What stands behind a head is its body, and behind a whole request what waits for that one's answer.
        while self._line.size and not self.line_mode and not self._over:
            super().dataReceived(self._line.pop_all())
        unfinished = 0 if self._answering or self._over else self._line.size + self._head_bytes + self._body_bytes
        self.site.unfinished.holds(self, unfinished)

    def lineReceived(self, line: bytes) -> None:
        """Read a line of a head, within its bounds."""
        if self._over:
            return
        self._head_bytes += len(line) + 2
        self._head_lines += 1
        if self._head_lines == 1:
            self._target = line.decode("latin-1").partition(" ")[2].partition(" ")[0].partition("?")[0]
        if self._head_bytes > self.bounds.head_bytes or self._head_lines > self.bounds.headers + 1:
            self.refuse(431, "the head of the request is too large")
            return
        super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """Read a piece of a body, or of a request that comes before the last one is answered."""
        if self._over:
            return
        if not self._answering:
            self._body_bytes += len(data)
        super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a request with a line that does not end."""
        if self._head_lines:
            self.refuse(431, "a header line of the request is too long")
        else:
            self.refuse(414, "the address is too long")

    def allHeadersReceived(self) -> None:
        """Look at what the head says of the body, before the client is told to go on."""
        if self._over:
            return
        if self.length is not None and self.length > self.bounds.body_bytes:
            self.refuse(413, "the body is too large")
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Process a request that is whole."""
        if not self._over:
            self._head_bytes = self._head_lines = self._body_bytes = 0
            self._answering = True
            self._stop_waiting()
            self.site.is_busy(self)
            super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:
        """Go on after an answer; the next request may be there already."""
        self._between, self._heard, self._answering = True, False, False
        self.site.is_idle(self)
        self._wait(self.bounds.idle_s, self.loseConnection)
        super().requestDone(request)

    def loseConnection(self) -> None:
        """Send what is left and say goodbye, but not for ever."""
        self._over = True
        self._wait(self.bounds.close_s, self.abort)
        super().loseConnection()

    def connectionLost(self, reason: Failure) -> None:
        """Stop counting the connection."""
        self._over = True
        self._line.pop_all()
        self._stop_waiting()
        self.site.connection_ended(self)
        super().connectionLost(reason)

    def _respondToBadRequestAndDisconnect(self) -> None:
        # This is how Twisted says that it cannot read a request; without this method it says so in fewer words.
        self.refuse(400, "this is no HTTP request")

    # What the transport of a relay's connection calls.

    def relayed(self, address: str, port: int) -> bool:
        """Note the client that a relay names ("": the relay itself); False: that address has no room."""
        self.preamble = None
        return not address or self.site.move_to(self, address)

    def malformed(self, reason: str) -> None:
        """Log that a relay's header is malformed: an operator has to know."""
        self.log.warn(
            "browser's connection from relay {address} cut: {reason} ([sip] relays, relays_send_proxy)",
            address=self.peer,
            reason=reason,
        )
        self.abort()

    # What the exchange and the door call.

    def certificate(self) -> str:
        """Give whose certificate was shown; "": nobody is asked for one here."""
        return ""

    def await_answer(self, answering: "Deferred[HttpAnswer]") -> None:
        """Give an answer its time."""
        self._wait(self.bounds.answer_s, answering.cancel)

    def refuse(self, status: int, sentence: str) -> None:
        """Answer what cannot be read or is too much, and close: nobody knows where the next request begins."""
        if self._over:
            return
        self.site.count_refusal(status)
        answer = self.site.refusal(self._target, status, sentence)
        head = (
            f"HTTP/1.1 {status} {phrase_of(status)}\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + answer.body)
        self.loseConnection()

    def abort(self) -> None:
        """Close the connection at once."""
        self._over = True
        self.transport.abortConnection()

    def _on_slow_request(self) -> None:
        if self._heard:
            self.refuse(408, "the request took too long")
        else:
            self.loseConnection()

    def _wait(self, delay_s: float, then: Callable[[], object]) -> None:
        self._stop_waiting()

        def over() -> None:
            self._timer = None
            then()

        self._timer = self.site.timers.later(delay_s, over)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpFactory(Factory):
    """All connections of the site, within their bounds.

    For one more than there may be, an idle one makes room: of the address with the most, the one that
    came first. One is refused only where all are being answered.

    Args:
        serve: Answers requests.
        bounds: The settings.
        relays: Of whose connections the client's address is told.
        forget: Is told the name of each connection that is over.
        refusal: Writes what the site is not even asked.
    """

    noisy = False

    def __init__(
        self,
        serve: Serve,
        bounds: HttpBounds,
        meter: IMeter,
        timers: ITimers,
        relays: Relays,
        forget: Callable[[str], None],
        refusal: HttpRefusal,
    ) -> None:
        self.serve = serve
        self.refusal = refusal
        self._forget = forget
        self.bounds = bounds
        self.timers = timers
        self.relays = relays
        self.connections = bounds.connections
        """How many there may be; fewer than the setting says where the system allows fewer open files."""

        self.numbers = count(1)  # of the connections, each once
        self._meter = meter
        self._streams: set[HttpStream] = set()
        self._addresses: Counter[str] = Counter()
        self._idle: StrangersByNetwork[HttpStream] = StrangersByNetwork()
        self.unfinished = UnfinishedRequests(bounds.unfinished_bytes, meter, timers)
        self._emptied: Deferred[None] | None = None
        self._limits = place_limits(bounds, self._streams, self._addresses, lambda: self.connections)
        meter.gauge("lyncpy_wire_http_connections_count", "Connections of browsers.", lambda: float(len(self._streams)))

    def buildProtocol(self, addr: IAddress | None) -> Any:  # Any: a protocol that Twisted's own type cannot name
        """Give a new connection its stream; None closes it."""
        return self.stream(addr, is_secure=True)

    def stream(
        self, addr: IAddress | None, *, is_secure: bool, kind: type[HttpStream] = HttpStream
    ) -> HttpStream | None:
        """Give a new connection of either kind its stream; None closes it."""
        peer = str(getattr(addr, "host", "")).removeprefix("::ffff:")
        is_relayed = peer in self.relays
        if not is_relayed and not self._has_room_at(peer):
            return None
        if len(self._streams) >= self.connections and not self._make_room(self._idle.first_to_go(), "total"):
            return None
        return kind(self, peer, is_relayed=is_relayed, is_secure=is_secure)

    def move_to(self, stream: HttpStream, peer: str) -> bool:
        """Count a relayed connection for the client that its relay names; False: that address has no room."""
        if not self._has_room_at(peer):
            return False
        stream.peer, stream.is_relayed = peer, False
        self._addresses[network_of(peer)] += 1
        self._idle.add(stream, network_of(peer))
        return True

    def is_busy(self, stream: HttpStream) -> None:
        """Note that a request is being answered: its connection is not closed for others."""
        self._idle.remove(stream)

    def is_idle(self, stream: HttpStream) -> None:
        """Note that the request is answered."""
        if stream in self._streams:
            self._idle.add(stream, network_of(stream.peer))

    def _has_room_at(self, peer: str) -> bool:
        network = network_of(peer)
        full = self._addresses[network] >= self.bounds.connections_per_address
        return not full or self._make_room(self._idle.eldest(network), "address")

    def _make_room(self, stream: HttpStream | None, bound: str) -> bool:
        self._limits[bound].hit()
        if stream is None:
            self._meter.counter(
                "lyncpy_wire_http_turned_away_total", "Connections of browsers that found no place.", bound=bound
            ).add()
            return False
        self._meter.counter(
            "lyncpy_wire_http_made_room_total", "Idle connections of browsers that made room for others.", bound=bound
        ).add()
        self.connection_ended(stream)
        stream.abort()
        return True

    def count_refusal(self, status: int) -> None:
        """Count a request that was refused unread."""
        self._meter.counter(
            "lyncpy_wire_http_unreadable_total", "Requests that were refused before they were read.", status=str(status)
        ).add()

    def count_unanswered(self, status: int) -> None:
        """Count a request that nobody answered: 503, not in time; 500, it failed."""
        self._meter.counter("lyncpy_wire_http_unanswered_total", "Requests nobody answered.", status=str(status)).add()

    def entered(self, stream: HttpStream) -> None:
        """Count a connection."""
        self._streams.add(stream)
        self._idle.add(stream, network_of(stream.peer))
        if not stream.is_relayed:
            self._addresses[network_of(stream.peer)] += 1

    def connection_ended(self, stream: HttpStream) -> None:
        """Stop counting a connection that is over."""
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        self._forget(stream.name)
        self._idle.remove(stream)
        self.unfinished.holds(stream, 0)
        network = network_of(stream.peer)
        if not stream.is_relayed:
            self._addresses[network] -= 1
        if not self._addresses[network]:
            del self._addresses[network]
        if self._emptied is not None and not self._streams:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    async def close_all(self) -> None:
        """End every connection; `close_s` bounds it."""
        if not self._streams:
            return
        emptied: Deferred[None] = Deferred()
        self._emptied = emptied
        for stream in tuple(self._streams):
            stream.loseConnection()
        await emptied


class PlainHttpFactory(Factory):
    """The connections without TLS; they count among all others of the site."""

    noisy = False

    def __init__(self, site: HttpFactory) -> None:
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> Any:  # Any: as above
        """Give a new connection its stream; None closes it."""
        return self._site.stream(addr, is_secure=False)


async def _answered(serve: Serve, asked: HttpAsked) -> HttpAnswer:
    return await serve(asked)
