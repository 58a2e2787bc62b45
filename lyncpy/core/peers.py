"""Requests to and from servers of others: the transactions of RFC 3261 §17 over datagrams and kept connections.

What clients ask is another room's (`core/transactions.py`): they are many, sign in, and are on streams alone.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.outbound import ICall
from lyncpy.contracts.peers import IPeerWire, PeerPlace, PeerUnreachable
from lyncpy.contracts.refusal import NOTHING_TO_CANCEL, Refused, translated
from lyncpy.contracts.timers import ITimers
from lyncpy.core.answers import BY_ENDPOINT
from lyncpy.core.deadline import Runner
from lyncpy.core.tasks import Task
from lyncpy.sip.dialog import MAX_FORWARDS
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response, new_branch, response_to
from lyncpy.sip.peer_transaction import Effects, PeerClient, PeerServer
from lyncpy.sip.transaction import Key, TransactionEffect, server_key

UNDER_WAY_MOST: Final = 20_000
"""Transactions with other servers, those included that are over and may come again: a thousand calls, and what is said in them."""

OF_ONE_MOST: Final = 5_000
"""The same from one of their addresses."""

Hear = Callable[[Response], None]


class PeerUser(Protocol):
    """Answers what other servers ask."""

    def serve(self, asked: "PeerArrival") -> Coroutine[Any, Any, Response]:
        """Give the one final answer; may raise what `Dispatch` translates."""

    def acknowledged(self, ack: Request) -> None:
        """Process the ACK of an acceptance."""

    def unacknowledged(self, request: Request) -> None:
        """Process that nobody acknowledges an acceptance: the call is lost."""


class PeerTransactions:
    """Every transaction with another server. One per process.

    Args:
        wire: Sends, and hears.
        timers: The deadlines.
        meter: Counts.
        sent_by: Our host and port, as Via says them.
    """

    log = Logger()

    def __init__(self, wire: IPeerWire, timers: ITimers, meter: IMeter, sent_by: Callable[[], str]) -> None:
        self.wire: Final = wire
        self.timers: Final = timers
        self._sent_by = sent_by
        self._calls: dict[str, PeerCall] = {}
        self._asked: dict[tuple[PeerPlace, Key], PeerArrival] = {}
        self._of_address: dict[str, int] = {}
        self._user: PeerUser | None = None
        self._known: Callable[[str], bool] = _nobody
        meter.gauge(
            "lyncpy_core_peer_transactions_count",
            "Requests to and from gateways, those that are over included.",
            self.__len__,
        )
        self._meter = meter
        self._strays = meter.counter("lyncpy_core_peer_strays_total", "Answers of gateways to what nobody asked.")
        self._refused = meter.counter(
            "lyncpy_core_peer_refused_total",
            "Requests to and from gateways that were refused: too many were under way.",
        )
        wire.hear_with(self)

    def __len__(self) -> int:
        return len(self._calls) + len(self._asked)

    def serve_with(self, user: PeerUser, known: Callable[[str], bool]) -> None:
        """Set who answers, and whose addresses may send."""
        self._user, self._known = user, known

    # --- what we ask

    def ask(
        self,
        place: PeerPlace,
        request: Request,
        *,
        answer_s: float,
        ringing_s: float = 0.0,
        on_provisional: Hear | None = None,
        on_late: Hear | None = None,
    ) -> "PeerCall":
        """Send a request with a new topmost Via; its final answer, or a local 408, 430 or 503.

        Args:
            answer_s: Seconds until something has to be heard.
            ringing_s: Seconds that an INVITE may ring then.
            on_provisional: Hears of 1xx but 100.
            on_late: Hears of each 2xx to an INVITE that comes again, or after its final answer.
        """
        call = PeerCall(self, place, request, (answer_s, ringing_s), on_provisional, on_late)
        if len(self) >= UNDER_WAY_MOST:
            self._refused.add()
            call.refuse(503)
            return call
        self._calls[call.branch] = call
        call.begin()
        return call

    def send_ack(self, place: PeerPlace, ack: Request) -> None:
        """Acknowledge an acceptance: a request of its own, without an answer."""
        try:
            self.wire.send(place, self.with_via(place, ack, new_branch()))
        except (PeerUnreachable, LocalProtocolError) as error:
            self.log.debug("no ACK for {place}: {reason}", place=str(place), reason=str(error))

    def with_via(self, place: PeerPlace, request: Request, branch: str) -> Request:
        """Give the request with our Via on top (RFC 3581: answers are to come back to where it came from)."""
        via = f"SIP/2.0/{place.transport.upper()} {self._sent_by()};branch={branch};rport"
        return request.edited(first=[("Via", via)])

    def drop_call(self, call: "PeerCall") -> None:
        """Forget what was asked."""
        self._calls.pop(call.branch, None)

    # --- what is heard

    def is_known(self, address: str) -> bool:
        """Tell whether anybody may send from an address."""
        return self._known(address)

    def lost(self, place: PeerPlace, reason: str) -> None:
        """Fail all that was asked over a connection that is gone."""
        self.log.info("{place} is lost: {reason}", place=str(place), reason=reason)
        for call in [one for one in self._calls.values() if one.place == place]:
            call.lose()

    def arrived(self, message: Request | Response, origin: PeerPlace) -> None:
        """Handle a whole message. One that cannot be read is refused, or dropped."""
        try:
            if isinstance(message, Response):
                self._answered(message)
            else:
                self._request(message, origin)
        except RemoteProtocolError as error:
            self.log.debug("{place} breaks the protocol: {reason}", place=str(origin), reason=error.reason)
            if isinstance(message, Request) and message.method != "ACK":
                self._reply(origin, self._counted(translated(error)).response(message))

    def _answered(self, response: Response) -> None:
        call = self._calls.get(response.via.branch or "")
        if call is None or call.request.method != response.cseq.method:
            self._strays.add()  # the answer to a CANCEL, too, which says nothing that the INVITE's does not
            return
        _ = response.to
        call.receive(response.edited(drop_first="Via"))

    def _request(self, request: Request, origin: PeerPlace) -> None:
        _ = request.call_id, request.from_, request.to, request.cseq, request.via, request.max_forwards
        name = origin, server_key(request)
        known = self._asked.get(name)
        if request.method == "ACK":
            if known is not None and not known.acknowledge():
                return
            if self._user is not None:
                self._user.acknowledged(request)
        elif request.method == "CANCEL":
            self._cancel(request, origin)
        elif known is not None:
            known.repeat()
        elif self._user is None or not self._has_room(origin):
            self._refused.add()
            self._reply(origin, self._counted(Refused(503, headers=[("Retry-After", "10")])).response(request))
        else:
            self._begin(PeerArrival(self, request, origin, name), self._user)

    def _has_room(self, origin: PeerPlace) -> bool:
        return len(self) < UNDER_WAY_MOST and self._of_address.get(origin.address, 0) < OF_ONE_MOST

    def _begin(self, asked: "PeerArrival", user: PeerUser) -> None:
        self._asked[asked.name] = asked
        address = asked.origin.address
        self._of_address[address] = self._of_address.get(address, 0) + 1
        Task(user.serve(asked), partial(self._served, asked), partial(self._failed, asked)).go_on()

    def _served(self, asked: "PeerArrival", response: Response) -> None:
        if response.status >= 300:
            self._count(response.status, BY_ENDPOINT)
        asked.respond(response)

    def _failed(self, asked: "PeerArrival", failure: Failure) -> None:
        """Refuse what could not be served, as `Dispatch` does; a bug becomes a 500, which the log explains."""
        error = failure.value
        refused = translated(error if isinstance(error, Exception) else RuntimeError())
        if refused.status == 500 and not isinstance(error, RemoteProtocolError):
            method, place = asked.request.method, str(asked.origin)
            self.log.failure("{method} of {place} failed", failure=failure, method=method, place=place)
        asked.respond(self._counted(refused).response(asked.request))

    def _cancel(self, request: Request, origin: PeerPlace) -> None:
        invited = self._asked.get((origin, server_key(request, "INVITE")))
        if invited is None:
            self._reply(origin, self._counted(Refused(481, NOTHING_TO_CANCEL)).response(request))
            return
        self._reply(origin, response_to(request, 200))
        invited.cancel()

    def drop_asked(self, asked: "PeerArrival") -> None:
        """Forget what was answered."""
        if self._asked.pop(asked.name, None) is not None:
            address = asked.origin.address
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def unacknowledged(self, request: Request) -> None:
        """Tell that a call that was accepted is lost."""
        if self._user is not None:
            self._user.unacknowledged(request)

    def _counted(self, refused: Refused) -> Refused:
        """Count what is refused here, before it is written."""
        self._count(refused.status, "" if refused.diagnostics is None else str(refused.diagnostics.error_id))
        return refused

    def _count(self, status: int, diagnostics: str) -> None:
        self._meter.counter(
            "lyncpy_core_peer_refusals_total",
            'Requests of gateways refused, by status and ms-diagnostics; "endpoint": whom they asked for refused them.',
            status=str(status),
            diagnostics=diagnostics,
        ).add()

    def _reply(self, origin: PeerPlace, response: Response) -> None:
        try:
            self.wire.send(origin, response)
        except (PeerUnreachable, LocalProtocolError) as error:
            self.log.debug("no answer to {place}: {reason}", place=str(origin), reason=str(error))


def _nobody(address: str) -> bool:
    """Know nobody."""
    return False


@implementer(ICall)
class PeerCall(Runner):
    """A request of ours under way to another server."""

    __slots__ = ("_on_late", "_on_provisional", "_peers", "_sent", "branch", "final", "local", "place", "request")

    def __init__(
        self,
        peers: PeerTransactions,
        place: PeerPlace,
        request: Request,
        patience: tuple[float, float],
        on_provisional: Hear | None,
        on_late: Hear | None,
    ) -> None:
        machine = PeerClient(
            peers.timers.now(),
            invites=request.method == "INVITE",
            reliable=place.is_reliable,
            answer_s=patience[0],
            ringing_s=patience[1],
        )
        super().__init__(machine, peers.timers)
        self.place = place
        self.request = request
        self.branch = new_branch()
        self.local = False
        self.final: Deferred[Response] = Deferred(lambda final: self.cancel())
        self._peers = peers
        self._sent = peers.with_via(place, request, self.branch)
        self._on_provisional = on_provisional
        self._on_late = on_late

    def begin(self) -> None:
        """Send it, and wait."""
        self.watch()
        self._send(self._sent)

    def receive(self, response: Response) -> None:
        """Process a response, without our Via."""
        self.perform(self._machine.receive(response.status, self._timers.now()), response)

    def cancel(self, reason: str | None = None) -> None:
        """Cancel an INVITE that has no final answer; may be called at any time."""
        self.perform(self._machine.cancel(self._timers.now()), reason=reason)

    def abandon(self) -> None:
        """Answer as if the other server were gone, and cancel."""
        self._on_provisional = None
        self._answer_locally(430)
        self.cancel()

    def lose(self) -> None:
        """Fail: the connection is gone."""
        self.stop()
        self._peers.drop_call(self)
        self._answer_locally(430)
        self._on_provisional = self._on_late = None

    def refuse(self, status: int) -> None:
        """Answer without having sent anything."""
        self.stop()
        self._answer_locally(status)

    def perform(self, effects: Effects, response: Response | None = None, reason: str | None = None) -> None:
        """Perform the effects of the machine; see `Runner`."""
        self.watch()
        for effect in effects:
            self._do(effect, response, reason)

    def _do(self, effect: TransactionEffect, response: Response | None, reason: str | None) -> None:
        match effect:
            case TransactionEffect.RESEND:
                self._send(self._sent)
            case TransactionEffect.TELL if response is not None:
                self._tell(response)
            case TransactionEffect.TELL_LATE if response is not None:
                if self._on_late is not None:
                    self._on_late(response)
            case TransactionEffect.ACKNOWLEDGE if response is not None:
                to = response.headers.get("To") or ""
                self._send(self._same_branch("ACK", put=[("To", to)]))
            case TransactionEffect.CANCEL:
                self._send(self._same_branch("CANCEL", last=[("Reason", reason)] if reason else []))
            case TransactionEffect.TIMEOUT:
                self._answer_locally(408)
            case TransactionEffect.END:
                self._peers.drop_call(self)
                self._on_provisional = self._on_late = None
            case _:  # pragma: no cover - the machine of a client gives no other
                raise AssertionError(f"no effect of a client: {effect}")

    def _tell(self, response: Response) -> None:
        if response.status >= 200:
            if not self.final.called:
                self.final.callback(response)
        elif response.status > 100 and self._on_provisional is not None:
            self._on_provisional(response)

    def _answer_locally(self, status: int) -> None:
        if not self.final.called:
            self.local = True
            self.final.callback(response_to(self.request, status))

    def _send(self, request: Request) -> None:
        try:
            self._peers.wire.send(self.place, request)
        except (PeerUnreachable, LocalProtocolError):
            self.lose()

    def _same_branch(
        self, method: str, *, put: list[tuple[str, str]] | None = None, last: list[tuple[str, str]] | None = None
    ) -> Request:
        """Build the ACK for a failure, or the CANCEL (RFC 3261 §9.1, §17.1.1.3)."""
        invite = self._sent
        headers = [("Via", invite.headers.get("Via") or ""), ("Max-Forwards", MAX_FORWARDS)]
        for name in ("Route", "From", "To", "Call-ID"):
            headers += [(name, value) for value in invite.headers.get_all(name)]
        headers.append(("CSeq", f"{invite.cseq.number} {method}"))
        return Request(method, invite.uri, Headers(headers).edited(put=put or [], last=last or []))


class PeerArrival(Runner):
    """A request of another server, until nothing of it can come again."""

    __slots__ = ("_cancelled", "_last", "_on_cancel", "_peers", "name", "origin", "request")

    def __init__(
        self, peers: PeerTransactions, request: Request, origin: PeerPlace, name: tuple[PeerPlace, Key]
    ) -> None:
        machine = PeerServer(invites=request.method == "INVITE", reliable=origin.is_reliable)
        super().__init__(machine, peers.timers)
        self.request = request
        self.origin = origin
        self.name = name
        self._peers = peers
        self._last: Response | None = None
        self._cancelled = False
        self._on_cancel: Callable[[], None] | None = None

    def provisional(self, response: Response) -> None:
        """Send a 1xx."""
        self.respond(response)

    def respond(self, response: Response) -> None:
        """Answer; a second final answer is dropped."""
        effects = self._machine.respond(response.status, self._timers.now())
        if effects:
            self._last = response
        self.perform(effects)

    def repeat(self) -> None:
        """Process the request when it comes again."""
        self.perform(self._machine.repeat())

    def acknowledge(self) -> bool:
        """Process the ACK; tell whether it is that of an acceptance."""
        self.perform(self._machine.acknowledge(self._timers.now()))
        return self._last is not None and self._last.status < 300

    def on_cancel(self, hear: Callable[[], None]) -> None:
        """Call once when the INVITE is cancelled; at once if it is."""
        self._on_cancel = hear
        if self._cancelled:
            hear()

    def cancel(self) -> None:
        """Tell that nobody wants the answer any more."""
        if not self._cancelled and (self._last is None or self._last.status < 200):
            self._cancelled = True
            if self._on_cancel is not None:
                self._on_cancel()

    def perform(self, effects: Effects) -> None:
        """Perform the effects of the machine; see `Runner`."""
        self.watch()
        for effect in effects:
            match effect:
                case TransactionEffect.SEND | TransactionEffect.RESEND:
                    self._send()
                case TransactionEffect.TIMEOUT:
                    self._peers.unacknowledged(self.request)
                case TransactionEffect.END:
                    self._peers.drop_asked(self)
                    self._on_cancel = None
                case _:  # pragma: no cover - the machine of a server gives no other
                    raise AssertionError(f"no effect of a server: {effect}")

    def _send(self) -> None:
        if self._last is None:
            return
        try:
            self._peers.wire.send(self.origin, self._last)
        except (PeerUnreachable, LocalProtocolError) as error:
            self._peers.log.debug("no answer to {place}: {reason}", place=str(self.origin), reason=str(error))
