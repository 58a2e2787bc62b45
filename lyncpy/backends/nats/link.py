"""One connection to any server of a NATS cluster, kept up: made again elsewhere when it is lost, with what was subscribed.

Nothing waits for it. What is published while there is none is lost, and whoever published is told so.
"""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.backends.nats import frames
from lyncpy.backends.nats.address import ServerAddress
from lyncpy.backends.nats.credentials import SecretUnusable
from lyncpy.backends.nats.frames import ReceivedMessage
from lyncpy.backends.nats.servers import Approach, Servers
from lyncpy.backends.nats.session import NatsSession
from lyncpy.backends.nats.settings import Settings
from lyncpy.backends.nats.wire import Wire
from lyncpy.backends.threads import Threads
from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.timers import ITimer, ITimers

CONNECT_S: Final = 5.0
"""From the first packet until a server has taken us; then another one is tried."""

PROBE_S: Final = 10.0
"""From one PING to the next; a server that answers none is left after three times as long."""

CLOSE_S: Final = 2.0
"""That the last words may take to leave."""

Hear = Callable[[ReceivedMessage], None]


class NatsLink:
    """Publishes and subscribes, over whichever server answers.

    Args:
        node: This process, as the operator of the NATS servers sees it.
        settings: The section [bus].
        home: The folder that relative paths start from.
        reactor: Connects.
        timers: When to try again, and to ask whether a server is there.
        on_ready: Called when messages can be published again.
        on_lost: Called when they cannot any more.
    """

    log = Logger()

    def __init__(
        self,
        node: NodeName,
        settings: Settings,
        home: Path,
        reactor: Any,  # Any: a reactor is several interfaces
        timers: ITimers,
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._servers = Servers(node, settings, home)
        self._pending_bytes = settings.pending_bytes
        self._reactor = reactor
        self._timers = timers
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._numbers = count(1)
        self._subscribed: dict[int, tuple[str, Hear, str]] = {}
        self._wire: Wire | None = None
        self._timer: ITimer | None = None
        self._closed: Deferred[None] | None = None
        self._is_closing = False
        self._first_tries: Deferred[None] | None = Deferred()
        self._threads = Threads(reactor, "bus")
        self._is_reading = False
        self._server = ""
        self._trouble = "it was not tried yet"
        self._lost_at = timers.now()
        self._asked_at: float | None = None
        self._complaint = Complaint(timers)
        self._payload_most = 0
        self.refused = ""
        """What the server that has us has refused last."""

        self.round_trip_s = 0.0
        """From a PING to its PONG, of the last that was measured; of several that are open the first is."""

        self.connections = 0
        """How often a server has taken us."""

    # --- what it is for

    @property
    def is_ready(self) -> bool:
        """Whether what is published goes anywhere."""
        return self._wire is not None and self._wire.is_ready

    @property
    def server(self) -> str:
        """HOST:PORT of the server that has us; "" when none has."""
        return self._server if self.is_ready else ""

    @property
    def known(self) -> Sequence[ServerAddress]:
        """Give the servers that may be tried: those of the url, and those that one of them has told."""
        return self._servers.known

    @property
    def trouble(self) -> str:
        """Why no server has us; "" when one has."""
        return "" if self.is_ready else self._trouble

    def publish(self, subject: str, payload: bytes, reply: str = "", *, is_repeated: bool = False) -> bool:
        """Publish a message; False: it is lost, for no server has us, or this one does not take it.

        One that is repeated when it was lost leaves room for those that are not.
        """
        wire = self._wire
        if wire is None or not wire.is_ready or not wire.has_room(len(payload), is_repeated=is_repeated):
            return False
        # It would end the connection for a larger one.
        if len(payload) > self._payload_most:
            return False
        wire.send(frames.publish(subject, payload, reply))
        return True

    def subscribe(self, pattern: str, hear: Hear, group: str = "") -> int:
        """Have `hear` called with every message that a pattern matches, from now on; it never fails. Give its number."""
        number = next(self._numbers)
        self._subscribed[number] = (pattern, hear, group)
        if self._wire is not None and self._wire.is_ready:
            self._wire.send(frames.subscribe(pattern, number, group))
        return number

    def unsubscribe(self, number: int) -> None:
        """Hear no more."""
        del self._subscribed[number]
        if self._wire is not None and self._wire.is_ready:
            self._wire.send(frames.unsubscribe(number))

    # --- its life

    async def open(self) -> None:
        """Connect; this ends when a server has taken us, or each was tried once in vain: then it goes on by itself."""
        tried = self._first_tries
        assert tried is not None
        self._try_next()
        await tried

    async def close(self) -> None:
        """Say what is still to be said, within a bound, and disconnect."""
        self._is_closing = True
        self._clear_timer()
        first, self._first_tries = self._first_tries, None
        if first is not None and not first.called:
            first.callback(None)
        stopped = self._threads.stop()
        if not self._is_reading:
            await stopped
        if self._wire is None:
            return
        self._closed = Deferred()
        wire = self._wire
        late = self._timers.later(CLOSE_S, wire.abort)
        wire.leave()
        await self._closed
        late.cancel()

    # --- connecting

    def _try_next(self) -> None:
        """Try the next server, or all of them again after a pause."""
        # Whatever goes wrong with one, there is a next.
        self._arm(CONNECT_S, self._try_next)
        if self._is_reading:
            # What hangs there would gather in the thread.
            self._trouble = "the files that [bus] names are not read yet: the disk that they are on does not answer"
            self._tried()
            return
        self._is_reading = True
        place = self._servers.next()
        reading = self._threads.call_in_thread(self._servers.approach(place))
        _ = reading.addBoth(self._has_read, place).addErrback(self._in_vain)

    def _has_read(self, found: Approach | Failure, place: ServerAddress) -> None:
        self._is_reading = False
        if self._is_closing:
            return
        if isinstance(found, Failure):
            if not found.check(SecretUnusable):
                self.log.failure("the files that [bus] names could not be read", failure=found)
            self._failed(place, found.getErrorMessage())
            return
        wire = Wire(self, place, NatsSession(found.terms), found.checked, self._pending_bytes)
        factory = Factory.forProtocol(lambda: wire)
        factory.noisy = False
        wire.connecting = _endpoint(self._reactor, place).connect(factory)
        self._wire = wire
        self._arm(CONNECT_S, lambda: self._late(wire))
        _ = wire.connecting.addErrback(
            lambda why: self.lost(wire, wire.reason or why.getErrorMessage() or repr(why.value))
        )

    def _in_vain(self, failure: Failure) -> None:
        """Log a fault of our own; the next server is tried after CONNECT_S."""
        self.log.failure("a NATS server could not be tried", failure=failure)

    def _late(self, wire: Wire) -> None:
        wire.reason = wire.reason or f"it has not taken us within {CONNECT_S:.0f} s"
        wire.abort()

    def _failed(self, place: ServerAddress, reason: str) -> None:
        """Try elsewhere, at once where there is another server, else after a pause."""
        self._trouble = f"{place}: {reason}"
        if self._is_closing:
            return
        if not self._servers.is_round_over:
            self._arm(0.0, self._try_next)
            return
        self._tried()
        self._arm(self._servers.pause(), self._try_next)

    def _tried(self) -> None:
        first, self._first_tries = self._first_tries, None
        if first is None:
            return
        if not self.is_ready:
            self.log.error(
                "[bus] url: no NATS server takes this one: {reason}; it is tried again", reason=self._trouble
            )
        first.callback(None)

    # --- what a wire says

    def ready(self, wire: Wire, info: frames.ServerInfo, *, is_vouched: bool) -> None:
        """Go on with what was subscribed."""
        if self._is_closing:
            return
        self._server = str(wire.place)
        self.connections += 1
        self._payload_most = info.max_payload
        self.refused = ""
        self.cluster(wire, info, is_vouched=is_vouched)
        if not wire.is_ready:
            return
        for number, (pattern, _, group) in self._subscribed.items():
            wire.send(frames.subscribe(pattern, number, group))
        self.log.info(
            "the bus is NATS {version} at {server}, after {took_s:.1f} s",
            version=info.version,
            server=self._server,
            took_s=self._timers.now() - self._lost_at,
        )
        self._arm(PROBE_S, self._probe)
        self._on_ready()
        self._tried()

    def cluster(self, wire: Wire, info: frames.ServerInfo, *, is_vouched: bool) -> None:
        """Remember where else to connect; leave a server that is about to end."""
        self._servers.told(info.connect_urls, are_vouched=is_vouched)
        if info.is_leaving:
            wire.reason = "it is about to end"
            self._arm(CLOSE_S, wire.abort)
            wire.leave()

    def deliver(self, delivery: ReceivedMessage) -> None:
        """Give a message to who subscribed; one that was on its way when they unsubscribed is dropped."""
        found = self._subscribed.get(delivery.subscription)
        if found is not None:
            found[1](delivery)

    def complaint(self, wire: Wire, text: str) -> None:
        """Log what the server refuses, once in a while: it says so of each message that we may not publish."""
        self.refused = text
        if self._complaint.happened():
            self.log.warn("the NATS server {server} says: {reason}", server=str(wire.place), reason=text)

    def answered(self) -> None:
        """Note that the server is there, and that the connection has held: one that ends at once is not tried again at once."""
        self._servers.held()
        if self._asked_at is not None:
            self.round_trip_s, self._asked_at = self._timers.now() - self._asked_at, None

    def lost(self, wire: Wire, reason: str) -> None:
        """Go elsewhere."""
        if self._wire is not wire:
            return
        was_ready, self._wire, self._asked_at = wire.was_ready, None, None
        self._clear_timer()
        if was_ready:
            self._lost_at = self._timers.now()
            self._servers.begin_anew()
            if not self._is_closing:
                self.log.warn("the bus has lost {server}: {reason}", server=self._server, reason=reason)
            self._on_lost()
        if self._closed is not None:
            self._closed.callback(None)
        self._failed(wire.place, reason)

    def _probe(self) -> None:
        wire = self._wire
        if wire is not None:
            if self._asked_at is None:
                self._asked_at = self._timers.now()
            self._arm(PROBE_S, self._probe)
            wire.probe()

    def _arm(self, delay_s: float, call: Callable[[], None]) -> None:
        self._clear_timer()
        self._timer = self._timers.later(delay_s, call)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _endpoint(
    reactor: Any, place: ServerAddress
) -> HostnameEndpoint | TCP4ClientEndpoint:  # Any: of several interfaces
    # The one for names connects to none that IDNA refuses; such are looked up as they stand.
    kind = TCP4ClientEndpoint if place.is_plain_name else HostnameEndpoint
    return kind(reactor, place.host, place.port, timeout=CONNECT_S)
