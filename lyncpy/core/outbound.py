"""Requests that this server sends: client transactions over a flow known by its name.

Runs `sip.transaction`'s two client machines. Each call lives in one table under the
branch of the Via it was sent with, and is gone from it when its machine has ended.
"""

from collections.abc import Callable
from itertools import count
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import FlowSilent
from lyncpy.contracts.flows import CannotCarry, FlowGone, IFlows
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName, NodeName, node_of
from lyncpy.contracts.outbound import ICall, IOutbound, ResponseObserver
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Runner
from lyncpy.core.patience import SharedPatience
from lyncpy.core.prepared_calls import PreparedCall
from lyncpy.core.settings import Settings
from lyncpy.sip.dialog import MAX_FORWARDS
from lyncpy.sip.layout import layout_of
from lyncpy.sip.message import Headers, Request, Response, new_branch, response_to
from lyncpy.sip.prepared import Prepared
from lyncpy.sip.transaction import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    Transaction,
    TransactionEffect,
    TransactionEvent,
    answer_event,
)
from lyncpy.sip.uri import device_key

Hear = Callable[[Response], None]

_VIA: Final = layout_of(("via",))

PLAIN: Final = "p"
"""What the branch ends with of a request of whose positive answer nobody reads more than the status."""

MAGIC: Final = "z9hG4bK"
"""What a branch begins with (RFC 3261 §8.1.1.7)."""


class AnswersElsewhere(Protocol):
    """What `Outbound` needs of other nodes."""

    node: NodeName
    """This one: each branch names it, so that another one that has the flow knows whose an answer is."""

    def hand_back(self, node: NodeName, flow: FlowName, response: Response) -> None:
        """Give another node what a client has answered to it."""

    def was_silent(self, flow: FlowName) -> None:
        """Have another node look whether the client of its flow is there."""


@implementer(IOutbound)
class Outbound:
    """Every request under way to a client.

    Args:
        flows: Where it is sent.
        timers: The deadlines.
        settings: The bounds of the table.
        meter: Counts what is under way and what nobody answered.
        sent_by: Our host and port, as the Via says it: "sip.example.com:5061".
        contact: Gives the registered Contact of whom a `uri.device_key` names, if it was registered over
            this flow, else None. Requests for a GRUU are addressed to that, whoever wrote them: a GRUU
            means something to us alone, and clients know themselves by their own Contact.
        elsewhere: Gives other nodes what a client has answered to them.
    """

    log = Logger()

    def __init__(
        self,
        flows: IFlows,
        bus: IBus,
        timers: ITimers,
        settings: Settings,
        meter: IMeter,
        *,
        sent_by: str,
        contact: Callable[[FlowName, str], str | None],
        elsewhere: AnswersElsewhere,
    ) -> None:
        self.flows: Final = flows
        self.is_full: Final = flows.is_full
        """See the promise; it is asked for each watcher of each change."""

        self.timers: Final = timers
        self.settings: Final = settings
        self._bus = bus
        self._contact = contact
        self._via = f"SIP/2.0/TLS {sent_by};branch="
        # A branch that nobody answers has to be nobody else's, and need not be hard to guess.
        self._own = f"{MAGIC}{elsewhere.node}."
        self._told = f"Via: {self._via}{self._new_branch()}."
        self._branch = self._told.rpartition("=")[2]
        self._node = elsewhere.node
        self._hand_back: Final = elsewhere.hand_back
        self._was_silent: Final = elsewhere.was_silent
        self._tellings = count(1)
        self._calls: dict[str, OutboundTransaction | PreparedCall] = {}
        self._of_flow: dict[FlowName, dict[str, OutboundTransaction | PreparedCall]] = {}
        self._patience: dict[float, SharedPatience[PreparedCall]] = {}
        """By seconds: settings of those who ask, so these are few."""

        self.silent: Final = meter.counter(
            "lyncpy_core_sent_unanswered_total", "Requests that no client answered in time."
        )
        self._refused = meter.counter("lyncpy_core_sent_refused_total", "Requests not sent: the table was full.")
        self._limits = (
            Limit(
                "limits.sent_per_flow",
                self.settings.sent_per_flow,
                lambda: max(map(len, self._of_flow.values()), default=0),
            ),
            Limit("limits.sent_total", self.settings.sent_total, lambda: len(self._calls)),
        )
        meter.gauge("lyncpy_core_sent_pending_count", "Requests under way to clients.", lambda: len(self._calls))

    def _new_branch(self) -> str:
        return self._own + new_branch().removeprefix(MAGIC)

    def __len__(self) -> int:
        """Give the number of requests under way, remembered ones included."""
        return len(self._calls)

    def is_asking(self, flow: FlowName) -> bool:
        """Tell whether a request to a client waits for its answer."""
        return any(
            isinstance(call, PreparedCall) or not call.final.called for call in self._of_flow.get(flow, {}).values()
        )

    def send_request(
        self,
        flow: FlowName,
        request: Request,
        *,
        timeout: float,
        on_provisional: Hear | None = None,
        on_late: Hear | None = None,
    ) -> ICall:
        """Send `request` with a new topmost Via and match its answers by that Via's branch.

        A full table is answered with a local 503.
        """
        call = OutboundTransaction(
            self, flow, self.addressed(flow, request), self._new_branch(), timeout, on_provisional, on_late
        )
        here = self._room_on(flow, request.method)
        if here is None:
            call.refuse()
            return call
        self._calls[call.branch] = here[call.branch] = call
        call.begin()
        return call

    def ask_prepared(self, flow: FlowName, prepared: Prepared, *, timeout: float) -> ICall:
        """Send a prepared request whose final response is awaited; see the promise."""
        return self._begin_prepared(flow, prepared, None, timeout)

    def send_prepared(self, flow: FlowName, prepared: Prepared, hear: ResponseObserver, *, timeout: float) -> None:
        """Send a prepared request; `hear` gets its final response; see the promise."""
        _ = self._begin_prepared(flow, prepared, hear, timeout)

    def _begin_prepared(
        self, flow: FlowName, prepared: Prepared, hear: ResponseObserver | None, timeout: float
    ) -> PreparedCall:
        """Send a prepared request; where there is no room for it, it has its 503 at once."""
        here = self._room_on(flow, prepared.template.method)
        patience = self._patience.get(timeout)
        if patience is None:
            patience = self._patience[timeout] = SharedPatience(self.timers, timeout, self._overdue)
        if here is None:
            unsent = PreparedCall(flow, "", prepared, hear, patience, _forget_nothing)
            unsent.fail(503)
            return unsent
        # Of what is heard by one who wants to know that it has arrived, an answer says no more between nodes.
        number = f"{next(self._tellings)}{PLAIN if hear is not None else ''}"
        own = f"{self._told}{number}"
        prepared.vias = f"{own}\r\n{prepared.vias}" if prepared.vias else own
        self.address(flow, prepared)
        call = PreparedCall(flow, f"{self._branch}{number}", prepared, hear, patience, self.drop_call)
        self._calls[call.branch] = here[call.branch] = call
        patience.add(call, self.timers.now())
        try:
            self.flows.send(flow, prepared)
        except CannotCarry:
            call.fail(513)
        except FlowGone:
            call.lose()
        return call

    def _overdue(self, call: PreparedCall) -> None:
        self.was_silent(call.flow)
        call.fail(408)

    def was_silent(self, flow: FlowName) -> None:
        """Tell that a request was not answered in time: its client may not be there any more."""
        self.silent.add()
        if node_of(flow) == self._node:
            self._bus.tell_here(FlowSilent(flow))
        else:
            self._was_silent(flow)

    def _room_on(self, flow: FlowName, method: str) -> "dict[str, OutboundTransaction | PreparedCall] | None":
        """Give the table of calls on a flow, if one more may begin."""
        here = self._of_flow.get(flow)
        if here is None:
            here = self._of_flow[flow] = {}
        if len(here) < self.settings.sent_per_flow and len(self._calls) < self.settings.sent_total:
            return here
        self._refused.add()
        (self._limits[0] if len(here) >= self.settings.sent_per_flow else self._limits[1]).hit()
        self.log.warn("{method} not sent on {flow}: too many are under way", method=method, flow=flow)
        self._tidy(flow)
        return None

    def send_unanswered(self, flow: FlowName, request: Request | Prepared) -> None:
        """Send a request that has no answer (BENOTIFY, ACK) with a new topmost Via.

        Raises:
            FlowGone: Nothing was sent.

        Spec: RFC 3261 §8.1.1.7: a branch is unique across space and time.
        """
        via = f"{self._told}{next(self._tellings)}"
        if isinstance(request, Prepared):
            request.vias = via
            self.address(flow, request)
            self.flows.send(flow, request)
        else:
            request = self.addressed(flow, request)
            self.flows.send(flow, request.plus(first=Headers.of_lines(_VIA, [via])))

    def address(self, flow: FlowName, prepared: Prepared) -> None:
        """Address a prepared request as `addressed` does; each time anew, for the Contact may be another since the last."""
        template = prepared.template
        if template.device:
            prepared.uri = self._contact(flow, template.device) or template.uri

    def done(self, flow: FlowName, branch: str, status: int) -> None:
        """Process what another node says of an answer of which no more is wanted than that it is one."""
        call = self._calls.get(branch)
        if isinstance(call, PreparedCall) and call.flow == flow and branch.endswith(PLAIN):
            call.receive_response(Response(status, "OK", Headers()))

    def addressed(self, flow: FlowName, request: Request) -> Request:
        """Address a request to the Contact that its receiver has registered here, if it names them by their GRUU.

        Spec: RFC 5627 §5.1 (the registrar translates); RFC 3261 §16.5.
        """
        key = device_key(request.uri)
        contact = self._contact(flow, key) if key else None
        return request if contact is None else request.plus(uri=contact)

    def repeated(self, flow: FlowName, response: Response) -> PreparedCall | None:
        """Give what this answers, if that was asked of many and the answer repeats it word for word.

        Thousands of these come at once. Nothing of such an answer needs to be read to know whose
        it is; whether it may be believed is for the gate to say.
        """
        headers = response.headers
        place = headers.layout.places.get("via")
        if place is None:
            return None
        call = self._calls.get(headers.lines[place].rpartition(";branch=")[2])
        if isinstance(call, PreparedCall) and call.flow == flow and call.prepared.is_answered_by(response):
            return call
        return None

    def receive_response(self, flow: FlowName, response: Response) -> None:
        """Process a client's response; one that belongs to no request is dropped.

        A branch is only good on the flow it was sent on: another client cannot answer.

        Raises:
            RemoteProtocolError: A header that has to be read is broken.

        Spec: RFC 3261 §17.1.3.
        """
        branch = response.via.branch or ""
        call = self._calls.get(branch)
        if call is None and (asked := _node_in(branch)) and not branch.startswith(self._own):
            self._hand_back(asked, flow, response)
            return
        if call is None or call.flow != flow or response.cseq.method != call.request.method:
            # Answers to CANCEL come here, too: they say nothing that the INVITE's answer does not.
            self.log.debug("dropped a stray {status} on {flow}", status=response.status, flow=flow)
            return
        _ = response.to  # whoever awaits it need not fear a broken one
        call.receive_response(response)

    def closed(self, flow: FlowName) -> None:
        """End everything under way on a flow that is gone: each gets its local 430."""
        for call in tuple(self._of_flow.get(flow, {}).values()):
            call.lose()

    def with_via(self, request: Request, branch: str) -> Request:
        """Give the request with our Via on top."""
        return request.plus(first=Headers.of_lines(_VIA, [f"Via: {self._via}{branch}"]))

    def via_of(self, branch: str) -> tuple[str, str]:
        """Give our Via as a header."""
        return "Via", self._via + branch

    def drop_call(self, call: "OutboundTransaction | PreparedCall") -> None:
        """Remove a call from the table."""
        branch, here = call.branch, self._of_flow[call.flow]
        del self._calls[branch]
        del here[branch]
        if not here:
            del self._of_flow[call.flow]

    def _tidy(self, flow: FlowName) -> None:
        if not self._of_flow.get(flow, True):
            del self._of_flow[flow]


def _node_in(branch: str) -> NodeName | None:
    """Give the node whose transaction a branch names; None: it is no server's of ours."""
    node, dot, _ = branch.removeprefix(MAGIC).partition(".")
    return NodeName(node) if dot and branch.startswith(MAGIC) else None


def _forget_nothing(call: PreparedCall) -> None:
    """Do nothing: it is in no table."""


@implementer(ICall)
class OutboundTransaction(Runner):
    """One client transaction under way: performs the effects of its machine."""

    __slots__ = (
        "_on_late", "_on_provisional", "_outbound", "branch", "final", "flow", "local", "request",
    )  # fmt: skip

    def __init__(
        self,
        outbound: Outbound,
        flow: FlowName,
        request: Request,
        branch: str,
        timeout: float,
        on_provisional: Hear | None,
        on_late: Hear | None,
    ) -> None:
        rules = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        linger_s = outbound.settings.transaction_timeout_s
        machine = Transaction(rules, outbound.timers.now(), answer_s=timeout, linger_s=linger_s)
        super().__init__(machine, outbound.timers)
        self.branch = branch
        self.flow = flow
        self.request = request
        self.local = False
        # Whoever awaits the answer may be cancelled; then nobody needs the INVITE any more.
        self.final: Deferred[Response] = Deferred(lambda final: self.cancel())
        self._outbound = outbound
        self._on_provisional = on_provisional
        self._on_late = on_late

    def begin(self) -> None:
        """Send the request and wait."""
        try:
            self._outbound.flows.send(self.flow, self._outbound.with_via(self.request, self.branch))
        except CannotCarry:
            self.answer_locally(513)
            self.lose()
        except FlowGone:
            self.lose()
        else:
            self.watch()

    def cancel(self, reason: str | None = None) -> None:
        """Send CANCEL for an INVITE whose final response has not come; may be called at any time."""
        self._receive(TransactionEvent.CANCEL, reason=reason)

    def abandon(self) -> None:
        """Answer as if the flow were gone, and have the peer of an INVITE ring no more."""
        self._on_provisional = None
        self.answer_locally(430)
        self.cancel()

    def receive_response(self, response: Response) -> None:
        """Process a response, our Via on top."""
        self._receive(answer_event(response.status), response.edited(drop_first="Via"))

    def lose(self) -> None:
        """Fail all calls on a connection that is gone."""
        self._receive(TransactionEvent.LOST)

    def refuse(self) -> None:
        """Answer without having sent anything; later verbs do nothing."""
        self._machine.receive(TransactionEvent.LOST, self._outbound.timers.now())
        self._tell_nobody()
        self.answer_locally(503)

    def answer_locally(self, status: int) -> None:
        """Answer in the peer's place."""
        if not self.final.called:
            self.local = True
            self.final.callback(response_to(self.request, status))

    def _receive(self, event: TransactionEvent, response: Response | None = None, reason: str | None = None) -> None:
        self.perform(self._machine.receive(event, self._timers.now()), response, reason)

    def perform(
        self, effects: tuple[TransactionEffect, ...], response: Response | None = None, reason: str | None = None
    ) -> None:
        """Perform the effects of the client transaction; see `Runner`."""
        self.watch()
        for effect in effects:
            self._do(effect, response, reason)

    def _do(self, effect: TransactionEffect, response: Response | None, reason: str | None) -> None:
        match effect:
            case TransactionEffect.TELL if response is not None:
                self._tell(response)
            # Another branch of a fork accepted too: that dialog has to be acknowledged and ended (RFC 3261 §13.2.2.4).
            case TransactionEffect.TELL_LATE if response is not None:
                if self._on_late is not None:
                    self._on_late(response)
            # For a failed INVITE the ACK belongs to the transaction, with the To tag of the answer (RFC 3261 §17.1.1.3).
            case TransactionEffect.ACKNOWLEDGE if response is not None:
                to = response.headers.get("To") or ""
                self._send(self._same_branch("ACK", put=(("To", to),)))
            case TransactionEffect.CANCEL:
                self._send(self._same_branch("CANCEL", last=(("Reason", reason),) if reason else ()))
            # Silence and a lost connection are answers too: 408 (RFC 3261 §8.1.3.1) and 430 (RFC 5626 §11.5).
            case TransactionEffect.TIMEOUT:
                self._outbound.was_silent(self.flow)
                self.answer_locally(408)
            case TransactionEffect.GONE:
                self.answer_locally(430)
            case TransactionEffect.END:
                self._tell_nobody()
                self._outbound.drop_call(self)
            case _:  # pragma: no cover - no table gives it
                raise AssertionError(f"no effect of a client: {effect}")

    def _tell(self, response: Response) -> None:
        if response.status < 200:
            if self._on_provisional is not None:
                self._on_provisional(response)
        elif not self.final.called:
            self.final.callback(response)
        elif response.status < 300 and self._on_late is not None:
            self._on_late(response)

    def _tell_nobody(self) -> None:
        # Who hears of an answer refers to whom they have asked: a circle would wait for the garbage collector.
        self._on_provisional = self._on_late = None

    def _send(self, request: Request) -> None:
        try:
            self._outbound.flows.send(self.flow, request)
        except FlowGone:
            self._receive(TransactionEvent.LOST)

    def _same_branch(
        self, method: str, *, put: tuple[tuple[str, str], ...] = (), last: tuple[tuple[str, str], ...] = ()
    ) -> Request:
        """Build the ACK for a failure, or the CANCEL: one hop, the INVITE's branch and route.

        Spec: RFC 3261 §9.1, §17.1.1.3.
        """
        invite = self.request
        headers = [self._outbound.via_of(self.branch), ("Max-Forwards", MAX_FORWARDS)]
        for name in ("Route", "From", "To", "Call-ID"):
            headers += [(name, value) for value in invite.headers.get_all(name)]
        headers.append(("CSeq", f"{invite.cseq.number} {method}"))
        return Request(method, invite.uri, Headers(headers).edited(put=put, last=last))
