"""Requests that come in: server transactions, and the coroutine of each.

Runs `sip.transaction`'s two server machines and is what the wire talks to (`ISink`).
Repeated requests are absorbed, CANCEL is matched, the ACK of a failure ends here, what is
broken is refused. Everything else goes to `Dispatch`, whose one answer goes back.

Keyed by flow, since real clients that start in the same second choose the same Call-IDs.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.flows import FlowGone, IFlows, ISink
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.contracts.refusal import Diagnostics, Refused, explained
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.core.deadline import Runner
from lyncpy.core.dispatch import TransactionUser
from lyncpy.core.intake import Intake
from lyncpy.core.request_shares import Queue
from lyncpy.core.settings import Settings
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.prepared import PreparedResponse
from lyncpy.sip.transaction import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Key,
    Transaction,
    TransactionEffect,
    TransactionEvent,
    TransactionState,
    answer_event,
    server_key,
)

METERED: Final = frozenset(
    {"REGISTER", "SUBSCRIBE", "SERVICE", "INVITE", "ACK", "MESSAGE", "INFO", "BYE", "CANCEL", "OPTIONS", "NOTIFY"}
)
"""Methods with a counter of their own; all others share one, so that a stranger cannot make counters."""

CREDENTIALS: Final = ("Authorization", "Proxy-Authorization")

RETRY_AFTER_S: Final = "5"

ENDING: Final = frozenset({"BYE", "PRACK"})
"""What the server takes, beside ACK and CANCEL, while it ends: they bring to an end what is under way."""

UNAVAILABLE: Final = Diagnostics(1, "Service unavailable")

# As names of this module: an enumeration looks its members up in Python, five times for each request.
_SEND: Final = TransactionEffect.SEND
_RESEND: Final = TransactionEffect.RESEND
_TIMEOUT: Final = TransactionEffect.TIMEOUT
_GONE: Final = TransactionEffect.GONE
_END: Final = TransactionEffect.END


class _FlowRequests:
    """The state of one connection: its address and its transactions."""

    __slots__ = ("complained", "name", "peer", "queue", "transactions")

    def __init__(self, name: FlowName, peer: str, queue: Queue) -> None:
        self.name = name
        self.peer = peer
        self.queue = queue
        self.transactions: dict[Key, ServerTransaction] = {}
        self.complained = False


@implementer(ISink)
class Transactions:
    """The server transactions of every flow.

    Args:
        flows: Where answers go.
        user: Answers the requests, and receives the responses.
        bus: Told of flows that are gone.
        timers: The deadlines.
        settings: The bounds of the table, and its patience.
        meter: Counts requests, refusals and what is pending.
        source: This server's host name, for who wants to know who refused.
        relays: Whose address is many people's, and has no share of its own.
    """

    log = Logger()

    def __init__(
        self,
        flows: IFlows,
        user: TransactionUser,
        bus: IBus,
        timers: ITimers,
        settings: Settings,
        meter: IMeter,
        *,
        source: str,
        relays: Relays,
    ) -> None:
        self.source: Final = source
        self.flows: Final = flows
        self.timers: Final = timers
        self.settings: Final = settings
        self._dispatch = user.dispatch
        self._gate = user.gate
        self._outbound = user.outbound
        self._bus = bus
        self._flows: dict[FlowName, _FlowRequests] = {}
        self._relays = relays
        self._ending = False
        self._intake = Intake(flows, self._begin, self._refuse, settings, timers, meter)
        self.states: Final = self._intake.states
        help_ = "Requests that came in, by method."
        self._counters = {name: meter.counter("lyncpy_core_requests_total", help_, method=name) for name in METERED}
        self._others = meter.counter("lyncpy_core_requests_total", help_, method="other")
        self._repeated = meter.counter("lyncpy_core_requests_repeated_total", "Requests that came again.")
        self._refused = meter.counter("lyncpy_core_requests_refused_total", "INVITEs refused: too many rang already.")
        self._broken = meter.counter("lyncpy_core_messages_broken_total", "Messages that could not be read.")
        meter.gauge("lyncpy_core_flows_count", "Client connections.", lambda: len(self._flows))
        meter.gauge("lyncpy_core_transactions_count", "Server transactions, answered ones included.", lambda: len(self))

    def __len__(self) -> int:
        """Give the number of server transactions, remembered ones included."""
        return sum(len(flow.transactions) for flow in self._flows.values())

    @property
    def pending(self) -> int:
        """Give the number of requests that wait for their answer."""
        return self._intake.pending

    def opened(self, flow: FlowName, peer: str, secure: bool) -> None:
        """Note that a connection is ready: TCP accepted, TLS handshake done."""
        place = flow if peer in self._relays else network_of(peer)
        self._flows[flow] = _FlowRequests(flow, peer, self._intake.opened(flow, place))
        self._gate.opened(flow, peer, secure=secure)

    def arrived(self, flow: FlowName, message: Request | Response) -> None:
        """Handle a whole message."""
        known = self._flows.get(flow)
        if known is None:
            return
        try:
            if isinstance(message, Request):
                self._request(known, message)
            else:
                self._response(flow, message)
        except RemoteProtocolError as error:
            self.garbled(flow, message, error.status, error.reason)

    def _response(self, flow: FlowName, response: Response) -> None:
        ask = self._outbound.repeated(flow, response)  # first: then it is verified with less effort
        if not self._gate.accepts_response(flow, response):
            return
        if ask is not None:
            ask.receive_response(response)
        else:
            self._outbound.receive_response(flow, response)

    def garbled(self, flow: FlowName, message: Request | Response | None, status: int, reason: str) -> None:
        """Answer a malformed message with `status`, whatever of its headers is missing; framing is intact.

        An ACK and a response are never answered.

        Spec: RFC 3261 §8.2.6.2; RFC 4475 §3.3.1.
        """
        self._broken.add()
        self.log.debug("broken message on {flow}: {reason}", flow=flow, reason=reason)
        if isinstance(message, Request) and message.method != "ACK":
            self._reply(flow, Refused(status, Diagnostics(1018, reason)).response(message))

    def drained(self, flow: FlowName) -> None:
        """Tell on the bus that a connection has room again, for those who put something off."""
        self._bus.tell(FlowDrained(flow))

    def closed(self, flow: FlowName, reason: str) -> None:
        """Forget a connection that is gone: its requests are cancelled, requests to it fail, its tables are removed."""
        known = self._flows.pop(flow, None)
        if known is None:
            return
        self._intake.closed(known.queue)
        for transaction in tuple(known.transactions.values()):
            transaction.lose()
        self._outbound.closed(flow)
        self._gate.closed(flow)
        self._bus.tell(FlowClosed(flow, reason))

    def _request(self, flow: _FlowRequests, request: Request) -> None:
        self._counters.get(request.method, self._others).add()
        key = _checked_key(request)
        match request.method:
            case "ACK":
                self._ack(flow, key, request)
                return
            case "CANCEL":
                self._cancel(flow, request)
                return
        old = flow.transactions.get(key)
        if old is not None and not old.is_signed_anew(request):
            self._repeated.add()
            old.repeat()
            return
        if old is not None:
            old.lose()
        if self._ending and request.method not in ENDING:
            self._refuse_now(flow.name, request)
        else:
            self._intake.admit_or_queue(flow.queue, key, request)

    def drain(self, done: Callable[[], None]) -> None:
        """Refuse new and waiting requests from now on; call a function once nothing is pending."""
        self._ending = True
        for flow in tuple(self._flows.values()):
            for request in self._intake.withdraw_all(flow.queue):
                self._refuse_now(flow.name, request)
        self._intake.when_idle(done)

    def give_up(self) -> int:
        """Refuse what is still under way; give the number of requests."""
        under_way = [one for flow in self._flows.values() for one in flow.transactions.values()]
        return sum([one.give_up() for one in under_way])

    def _refuse_now(self, flow: FlowName, request: Request) -> None:
        if request.method != "ACK":
            refused = Refused(503, UNAVAILABLE, headers=[("Retry-After", RETRY_AFTER_S)])
            self._reply(flow, refused.response(request))

    def _begin(self, name: FlowName, key: Key, request: Request) -> None:
        """Begin a request for which the intake has room."""
        flow = self._flows.get(name)
        if flow is None:
            return
        if request.method == "ACK":
            self._pass_on(flow, request)
        else:
            ServerTransaction(self, flow, key, request).begin()

    def _ack(self, flow: _FlowRequests, key: Key, request: Request) -> None:
        transaction = flow.transactions.get(key)
        if transaction is not None and not transaction.acknowledge():
            return
        # For a 2xx, or for an INVITE that is long forgotten: whoever keeps the dialog knows.
        # It ends the other side's waiting, and so it does not wait behind what may wait for that.
        if self._intake.take_at_once(flow.queue):
            self._pass_on(flow, request)
        else:
            self._intake.admit_or_queue(flow.queue, ("ACK", *key[1:]), request)

    def _pass_on(self, flow: _FlowRequests, ack: Request) -> None:
        arrival = self.arrival(flow, ack)
        self.end_after(
            self.serve(flow, arrival).addBoth(lambda _: self.served(flow, arrival)), self.settings.answer_timeout_s
        )

    def _refuse(self, name: FlowName, key: Key, request: Request) -> None:
        """Refuse an INVITE for which the intake has no room."""
        self._refused.add()
        flow = self._flows.get(name)
        # Once a connection: the meter counts the others, and a flood must not fill the log.
        if flow is not None and not flow.complained:
            flow.complained = True
            self.log.warn("{method} on {flow} refused: too many ring already", method=request.method, flow=name)
        self._refuse_now(name, request)

    def _cancel(self, flow: _FlowRequests, request: Request) -> None:
        """Cancel an INVITE (RFC 3261 §9.2). The INVITE's own answer, a 487, comes from whoever answers it."""
        key = server_key(request, "INVITE")
        transaction = flow.transactions.get(key)
        invite = self._intake.withdraw(flow.queue, key) if transaction is None else None
        if invite is not None:
            self._reply(flow.name, response_to(request, 200))
            self._reply(flow.name, response_to(invite, 487))
            return
        if transaction is None:
            self._reply(flow.name, Refused(481, Diagnostics(1018, "Nothing to cancel")).response(request))
            return
        self._reply(flow.name, response_to(request, 200))
        transaction.cancel()

    def _reply(self, flow: FlowName, response: Response) -> None:
        """Answer without a transaction: nothing is remembered."""
        try:
            self.flows.send(flow, explained(response, self.source))
        except FlowGone:
            self.log.debug("no answer on {flow}: it is gone", flow=flow)

    def arrival(
        self, flow: _FlowRequests, request: Request, provisional: Callable[[Response], None] | None = None
    ) -> Arrival:
        """Make the arrival of a request."""
        arrival = Arrival(request, flow.name, flow.peer, self.timers.now())
        if provisional is not None:
            arrival.provisional = provisional
        return arrival

    def serve(self, flow: _FlowRequests, arrival: Arrival) -> "Deferred[Response | None]":
        """Start the coroutine of one request; it counts as pending until `served`, whatever becomes of the flow."""
        self._intake.begun(flow.queue, arrival.request)
        return Deferred.fromCoroutine(self._dispatch.serve(arrival))

    def end_after(self, running: "Deferred[Any]", patience_s: float) -> None:  # Any: whatever it gives
        """End a coroutine that does not end by itself in time."""
        if not running.called:
            end = self.timers.later(patience_s, running.cancel)
            _ = running.addBoth(_cancelling(end))

    def served(self, flow: _FlowRequests, arrival: Arrival) -> None:
        """Count a request that has ended."""
        who = arrival.who
        if who is not None and not who.guest and arrival.request.method == "REGISTER":
            self._intake.belongs(flow.queue, who.aor)
        self._intake.served(flow.queue, arrival.request)


def _checked_key(request: Request) -> Key:
    """Name the transaction of a request, and read what a name with a branch does not need.

    Whoever answers later need not fear a broken header.
    """
    _ = request.call_id, request.cseq, request.from_, request.to
    return server_key(request)


class ServerTransaction(Runner):
    """One request and its answer: performs the effects of its machine."""

    __slots__ = (
        "_arrival", "_flow", "_key", "_response", "_running", "_transactions", "request",
    )  # fmt: skip

    log = Logger()

    def __init__(self, transactions: Transactions, flow: _FlowRequests, key: Key, request: Request) -> None:
        settings = transactions.settings
        is_invite = request.method == "INVITE"
        self.request = request
        self._transactions = transactions
        self._flow = flow
        self._key = key
        machine = Transaction(
            INVITE_SERVER if is_invite else NON_INVITE_SERVER,
            transactions.timers.now(),
            answer_s=settings.invite_timeout_s if is_invite else settings.answer_timeout_s,
            linger_s=settings.transaction_timeout_s,
        )
        super().__init__(machine, transactions.timers)
        self._arrival = transactions.arrival(flow, request, self._provisional)
        self._response: Response | None = None
        self._running: Deferred[None] | None = None

    def begin(self) -> None:
        """Start to answer the request."""
        self._flow.transactions[self._key] = self
        serving = self._transactions.serve(self._flow, self._arrival)
        self._running = serving.addCallbacks(self._answered, self._failed)
        if self._machine.state is TransactionState.TERMINATED:
            # Answered, or the flow was lost under it; then it may still be running.
            self._transactions.end_after(self._running, self._transactions.settings.answer_timeout_s)
        # Not earlier: most requests are answered in the same breath, and need no deadline.
        self.watch()

    def is_signed_anew(self, request: Request) -> bool:
        """Tell whether this is no repetition, but the next try after our challenge.

        COMPAT pidgin-sipe 1.25: it signs the same message anew, with the same CSeq, against RFC 3261 §22.2.
        """
        if self._response is None or self._response.status not in (401, 407):
            return False
        return any(request.headers.get_all(name) != self.request.headers.get_all(name) for name in CREDENTIALS)

    def repeat(self) -> None:
        """Answer a repeated request from memory, if there is an answer."""
        self._receive(TransactionEvent.REQUEST)

    def acknowledge(self) -> bool:
        """Process an ACK; tell whether it is for a 2xx, and has to be passed on."""
        effects = self._machine.receive(TransactionEvent.ACK, self._timers.now())
        self.perform(tuple(effect for effect in effects if effect is not TransactionEffect.TELL))
        return TransactionEffect.TELL in effects

    def cancel(self) -> None:
        """Cancel the request; this changes nothing once the final answer was given."""
        if self._machine.state is TransactionState.PROCEEDING:
            self._arrival.cancel()

    def give_up(self) -> bool:
        """Answer with 503 because the server ends, unless an answer was given; give whether it was missing."""
        if self._machine.state not in (TransactionState.TRYING, TransactionState.PROCEEDING):
            return False
        refused = Refused(503, UNAVAILABLE, headers=[("Retry-After", RETRY_AFTER_S)])
        self._receive(answer_event(503), refused.response(self.request))
        self._abandon(0.0)
        return True

    def lose(self) -> None:
        """End the transaction: the connection is gone, and nobody waits for the answer."""
        self._receive(TransactionEvent.LOST)

    def _provisional(self, response: Response) -> None:
        self._receive(TransactionEvent.PROVISIONAL, response)

    def _answered(self, response: Response | None) -> None:
        self._transactions.served(self._flow, self._arrival)
        if response is None or response.status < 200:
            self.log.error("{method} got no final answer", method=self.request.method)
            response = response_to(self.request, 500)
        self._receive(answer_event(response.status), response)

    def _failed(self, failure: Failure) -> None:
        self._transactions.served(self._flow, self._arrival)
        if self._machine.state in (TransactionState.TRYING, TransactionState.PROCEEDING):
            self.log.failure("{method} on {flow} failed", failure, method=self.request.method, flow=self._flow.name)
        self._receive(TransactionEvent.FAILURE, response_to(self.request, 500))

    def _receive(self, event: TransactionEvent, response: Response | None = None) -> None:
        self.perform(self._machine.receive(event, self._timers.now()), response)

    def perform(self, effects: tuple[TransactionEffect, ...], response: Response | None = None) -> None:
        """Perform the effects of the server transaction; see `Runner`."""
        for effect in effects:
            self._do(effect, response)
        if self._running is not None:
            self.watch()

    def _do(self, effect: TransactionEffect, response: Response | None) -> None:
        if effect is _SEND and response is not None:
            self._send(response)
        elif effect is _END:
            self._forget()
        # A retransmitted request gets the last response again, if there is one (RFC 3261 §17.2.2).
        elif effect is _RESEND:
            if self._response is not None:
                self._write(self._response)
        elif effect is _TIMEOUT:
            self.log.error(
                "{method} on {flow} was not answered in time", method=self.request.method, flow=self._flow.name
            )
            self._send(Refused(504, UNAVAILABLE).response(self.request))
            self._abandon(0.0)
        # What it began goes on for a while, though nobody hears the answer: a stored thing must not stop half-way.
        elif effect is _GONE:
            self._abandon(self._transactions.settings.answer_timeout_s)
        else:  # pragma: no cover - no table gives it
            raise AssertionError(f"no effect of a server: {effect}")

    def _send(self, response: Response) -> None:
        # What an endpoint has accepted is passed on as it was prepared.
        is_prepared = isinstance(response, PreparedResponse)
        self._response = response if is_prepared else explained(response, self._transactions.source)
        self._write(self._response)

    def _write(self, response: Response) -> None:
        try:
            self._transactions.flows.send(self._flow.name, response)
        except FlowGone:
            self._receive(TransactionEvent.LOST)
        except LocalProtocolError:
            self.log.failure("an answer to {method} cannot be written", method=self.request.method)
            if response.status >= 200:
                # Of our own it says nothing but the status; the rest comes from the request, as it came.
                self._response = explained(response_to(self.request, 500), self._transactions.source)
                self._transactions.flows.send(self._flow.name, self._response)

    def _abandon(self, patience_s: float) -> None:
        """Tell the coroutine that nobody waits for its answer, and cancel it if it does not end by itself.

        It is not ended at once: it may have written, and not yet told anybody. It is told in
        a later turn: many may be abandoned in this one, and none must keep the others.
        """
        self._timers.later(0.0, self._arrival.cancel)
        if self._running is not None:
            self._transactions.end_after(self._running, patience_s)

    def _forget(self) -> None:
        del self._flow.transactions[self._key]
        # It holds us and we hold it: a circle would wait for the garbage collector.
        self._arrival.provisional = _hear_nothing


def _hear_nothing(response: Response) -> None:
    """Ignore a provisional response: nobody waits for it any more."""


def _cancelling(end: ITimer) -> Callable[[Any], Any]:  # Any: a result on its way through
    def cancel(result: Any) -> Any:
        end.cancel()
        return result

    return cancel
