"""One request and its answer: server transactions.

What RFC 3261 §17.2.2 says of a non-INVITE server comes to little on a stream: a final answer, its absence or the loss of
the connection ends it, since what left has arrived and timer J is zero. So one of these is a row in the table of its
connection, and all share the timer of their patience. An INVITE has provisional answers to repeat, an ACK to wait for and is
remembered for a while: it has the machine of `sip.transaction`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.flows import FlowGone, IFlows
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.refusal import Diagnostics, Refused, explained
from lyncpy.contracts.timers import ITimers
from lyncpy.core.answers import AnswerMeter
from lyncpy.core.deadline import Runner
from lyncpy.core.dispatch import DispatchForTransactions
from lyncpy.core.intake import Intake
from lyncpy.core.patience import SharedPatience
from lyncpy.core.request_shares import Queue
from lyncpy.core.settings import Settings
from lyncpy.core.tasks import Task
from lyncpy.sip.errors import LocalProtocolError
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.prepared import PreparedResponse
from lyncpy.sip.transaction import (
    INVITE_SERVER,
    Key,
    Transaction,
    TransactionEffect,
    TransactionEvent,
    TransactionState,
    answer_event,
)

UNAVAILABLE: Final = Diagnostics(1, "Service unavailable")

RETRY_AFTER_S: Final = "5"

CREDENTIALS: Final = ("Authorization", "Proxy-Authorization")


class FlowRequests:
    """The state of one connection: its address and its transactions."""

    __slots__ = ("complained", "name", "peer", "queue", "transactions")

    def __init__(self, name: FlowName, peer: str, queue: Queue) -> None:
        self.name = name
        self.peer = peer
        self.queue = queue
        self.transactions: dict[Key, ServerTransaction] = {}
        self.complained = False


class Serving:
    """Has requests served, each by a coroutine, which counts as pending until it has ended.

    Args:
        dispatch: Answers requests.
        intake: Counts what is under way.
        flows: Where answers go.
        timers: The deadlines.
        settings: How long an answer may take.
        source: This server's host name, for who wants to know who refused.
        answers: Counts them.
    """

    def __init__(
        self,
        dispatch: DispatchForTransactions,
        intake: Intake,
        flows: IFlows,
        timers: ITimers,
        settings: Settings,
        source: str,
        answers: AnswerMeter,
    ) -> None:
        self.answers: Final = answers
        self.flows: Final = flows
        self.timers: Final = timers
        self.settings: Final = settings
        self.source: Final = source
        self.patience: Final = SharedPatience[ServerTransaction](
            timers, settings.answer_timeout_s, ServerTransaction.time_out
        )
        """Of all requests but INVITEs."""

        self._dispatch = dispatch
        self._intake = intake

    def begin(self, flow: FlowRequests, key: Key, request: Request) -> None:
        """Begin the transaction of a request."""
        kind = InviteServerTransaction if request.method == "INVITE" else ServerTransaction
        kind(self, flow, key, request).begin()

    def pass_on(self, flow: FlowRequests, ack: Request) -> None:
        """Serve the ACK of an acceptance, which has no answer."""
        arrival = Arrival(ack, flow.name, flow.peer, self.timers.now())

        def served(_: object) -> None:
            self.served(flow, arrival)

        self.serve(flow, arrival, served, served).cancel_after(self.settings.answer_timeout_s, self.timers)

    def serve(
        self,
        flow: FlowRequests,
        arrival: Arrival,
        answered: Callable[[Response | None], None],
        failed: Callable[[Failure], None],
    ) -> Task[Response | None]:
        """Start the coroutine of one request; whatever becomes of the flow, it is pending until `served`."""
        self._intake.begun(flow.queue, arrival.request)
        task = Task(self._dispatch.serve(arrival), answered, failed, arrival.request)
        task.go_on()
        return task

    def served(self, flow: FlowRequests, arrival: Arrival) -> None:
        """Count a request that has ended."""
        who = arrival.who
        if who is not None and not who.guest and arrival.request.method == "REGISTER":
            self._intake.belongs(flow.queue, who.aor)
        self._intake.served(flow.queue, arrival.request)


class ServerTransaction:
    """One request that is no INVITE, until it has its answer.

    Attributes:
        request: As it came.
        due: Monotonic seconds at which its answer is overdue.
    """

    log = Logger()

    def __init__(self, serving: Serving, flow: FlowRequests, key: Key, request: Request) -> None:
        self.request = request
        self.due = 0.0
        self._serving = serving
        self._flow = flow
        self._key = key
        self._now = now = serving.timers.now()
        self._arrival = Arrival(request, flow.name, flow.peer, now, None, self._provisional)
        self._response: Response | None = None
        self._task: Task[Response | None] | None = None
        self._is_over = False

    def begin(self) -> None:
        """Start to answer the request."""
        self._flow.transactions[self._key] = self
        task = self._serving.serve(self._flow, self._arrival, self._answered, self._failed)
        if task.is_over:
            return  # most are answered in the same breath, and need no deadline
        self._task = task
        if self._is_over:  # the flow was lost under it
            task.cancel_after(self._serving.settings.answer_timeout_s, self._serving.timers)
        else:
            self._wait()

    def is_signed_anew(self, request: Request) -> bool:
        """Tell whether this is no repetition, but the next try after our challenge.

        Of what has its final answer nothing is left, so that the next try is a new request anyway.
        """
        return False

    def repeat(self) -> None:
        """Answer a repeated request with the last response, if there is one (RFC 3261 §17.2.2)."""
        if self._response is not None:
            self._write(self._response)

    def give_up(self) -> bool:
        """Answer with 503 because the server ends, unless an answer was given; give whether it was missing."""
        if self.is_answered:
            return False
        self._finish(unavailable(self.request))
        self._abandon(0.0)
        return True

    def lose(self) -> None:
        """End the transaction: the connection is gone, and nobody waits for the answer."""
        if not self._is_over:
            self._forget()
            # What it began goes on for a while, though nobody hears the answer: a stored thing must not stop half-way.
            self._abandon(self._serving.settings.answer_timeout_s)

    def time_out(self) -> None:
        """Answer in place of who was to answer: they have taken too long."""
        self._forget()
        self._refuse_overdue()

    @property
    def is_answered(self) -> bool:
        """Tell whether the final answer was given, or cannot be given any more."""
        return self._is_over

    def _wait(self) -> None:
        self._serving.patience.add(self, self._now)

    def _provisional(self, response: Response) -> None:
        if not self._is_over:
            self._send(response)

    def _finish(self, response: Response) -> None:
        """Give the final answer, unless one was given."""
        if not self._is_over:
            self._forget()
            self._send(response)

    def _answered(self, response: Response | None) -> None:
        self._task = None
        self._serving.served(self._flow, self._arrival)
        if response is None or response.status < 200:
            self.log.error("{method} got no final answer", method=self.request.method)
            response = response_to(self.request, 500)
        self._finish(response)

    def _failed(self, failure: Failure) -> None:
        self._task = None
        self._serving.served(self._flow, self._arrival)
        if not self.is_answered:
            self.log.failure("{method} on {flow} failed", failure, method=self.request.method, flow=self._flow.name)
        self._finish(response_to(self.request, 500))

    def _send(self, response: Response) -> None:
        # What an endpoint has accepted is passed on as it was prepared.
        serving = self._serving
        is_prepared = isinstance(response, PreparedResponse)
        self._response = leaving = response if is_prepared else explained(response, serving.source)
        if response.status >= 200:
            serving.answers.answered(self.request.method, serving.timers.now() - self._now)
            if response.status >= 300:
                serving.answers.refused(
                    self.request, leaving, is_ours=not is_prepared and "server" in response.headers.layout.places
                )
        self._write(leaving)

    def _write(self, response: Response) -> None:
        try:
            self._serving.flows.send(self._flow.name, response)
        except FlowGone:
            self.lose()
        except LocalProtocolError:
            self.log.failure("an answer to {method} cannot be written", method=self.request.method)
            if response.status >= 200:
                # Of our own it says nothing but the status; the rest comes from the request, as it came.
                self._response = explained(response_to(self.request, 500), self._serving.source)
                self._serving.answers.refused(self.request, self._response, is_ours=True)
                with suppress(FlowGone):  # it may be too much for a connection that is not read; then it is closed
                    self._serving.flows.send(self._flow.name, self._response)

    def _refuse_overdue(self) -> None:
        self.log.error("{method} on {flow} was not answered in time", method=self.request.method, flow=self._flow.name)
        self._send(Refused(504, UNAVAILABLE).response(self.request))
        self._abandon(0.0)

    def _abandon(self, patience_s: float) -> None:
        """Tell the coroutine that nobody waits for its answer, and cancel it if it does not end by itself.

        It is not ended at once: it may have written, and not yet told anybody. It is told in
        a later turn: many may be abandoned in this one, and none must keep the others.
        """
        self._serving.timers.later(0.0, self._arrival.cancel)
        if self._task is not None:
            self._task.cancel_after(patience_s, self._serving.timers)

    def _forget(self) -> None:
        self._is_over = True
        self._serving.patience.ended(self)
        del self._flow.transactions[self._key]
        # It holds us and we hold it: a circle would wait for the garbage collector.
        self._arrival.provisional = _hear_nothing


class InviteServerTransaction(ServerTransaction, Runner):
    """An INVITE and its answers: performs the effects of its machine."""

    def __init__(self, serving: Serving, flow: FlowRequests, key: Key, request: Request) -> None:
        ServerTransaction.__init__(self, serving, flow, key, request)
        settings = serving.settings
        machine = Transaction(
            INVITE_SERVER, self._now, answer_s=settings.invite_timeout_s, linger_s=settings.transaction_timeout_s
        )
        Runner.__init__(self, machine, serving.timers)

    def is_signed_anew(self, request: Request) -> bool:
        """Tell whether this is no repetition, but the next try after our challenge.

        COMPAT pidgin-sipe 1.25: it signs the same request anew, with the same CSeq, against RFC 3261 §22.2.
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

    def lose(self) -> None:
        """End the transaction: the connection is gone, and nobody waits for the answer."""
        self._receive(TransactionEvent.LOST)

    @property
    def is_answered(self) -> bool:
        """Tell whether the final answer was given, or cannot be given any more."""
        return self._machine.state is not TransactionState.PROCEEDING

    def _wait(self) -> None:
        self.watch()

    def _provisional(self, response: Response) -> None:
        self._receive(TransactionEvent.PROVISIONAL, response)

    def _finish(self, response: Response) -> None:
        self._receive(answer_event(response.status), response)

    def _receive(self, event: TransactionEvent, response: Response | None = None) -> None:
        self.perform(self._machine.receive(event, self._timers.now()), response)

    def perform(self, effects: tuple[TransactionEffect, ...], response: Response | None = None) -> None:
        """Perform the effects of the server transaction; see `Runner`."""
        for effect in effects:
            self._do(effect, response)
        self.watch()

    def _do(self, effect: TransactionEffect, response: Response | None) -> None:
        match effect:
            case TransactionEffect.SEND if response is not None:
                self._send(response)
            case TransactionEffect.END:
                self._forget()
            case TransactionEffect.RESEND:
                ServerTransaction.repeat(self)
            case TransactionEffect.TIMEOUT:
                self._refuse_overdue()
            case TransactionEffect.GONE:
                self._abandon(self._serving.settings.answer_timeout_s)
            case _:  # pragma: no cover - no table gives it
                raise AssertionError(f"no effect of a server: {effect}")


def unavailable(request: Request) -> Response:
    """Refuse a request for now."""
    return Refused(503, UNAVAILABLE, headers=[("Retry-After", RETRY_AFTER_S)]).response(request)


def _hear_nothing(response: Response) -> None:
    """Ignore a provisional response: nobody waits for it any more."""
