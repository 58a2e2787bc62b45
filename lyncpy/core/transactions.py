"""Requests that come in, each for its server transaction (`core/server_transactions.py`).

This is what the wire talks to (`ISink`). Repeated requests are absorbed, CANCEL is matched, the ACK of a failure ends
here, what is broken is refused. Everything else goes to `Dispatch`, whose one answer goes back.

Keyed by flow, since real clients that start in the same second choose the same Call-IDs.
"""

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import FlowClosed, FlowDrained
from lyncpy.contracts.flows import FlowGone, IFlows, ISink
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.networks import Relays, network_of
from lyncpy.contracts.refusal import NOTHING_TO_CANCEL, Diagnostics, Refused, explained
from lyncpy.contracts.timers import ITimers
from lyncpy.core.answers import METERED, OTHER, AnswerMeter
from lyncpy.core.dispatch import TransactionUser
from lyncpy.core.intake import Intake
from lyncpy.core.refusals import LastRefusals
from lyncpy.core.server_transactions import FlowRequests, InviteServerTransaction, Serving, unavailable
from lyncpy.core.settings import Settings
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.essentials import read_essentials
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.transaction import Key, server_key

ENDING: Final = frozenset({"BYE", "PRACK"})
"""What the server takes, beside ACK and CANCEL, while it ends: they bring to an end what is under way."""


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
        self._source = source
        self._wire = flows
        self._gate = user.gate
        self._outbound = user.outbound
        self._bus = bus
        self._flows: dict[FlowName, FlowRequests] = {}
        self._relays = relays
        self._ending = False
        self._intake = Intake(flows, self._begin, self._refuse, settings, timers, meter)
        self.states: Final = self._intake.states
        self.refusals: Final = LastRefusals(timers)
        self._answers = AnswerMeter(meter, self.refusals)
        self._serving = Serving(user.dispatch, self._intake, flows, timers, settings, source, self._answers)
        help_ = "Requests that came in, by method."
        self._counters = {name: meter.counter("lyncpy_core_requests_total", help_, method=name) for name in METERED}
        self._others = meter.counter("lyncpy_core_requests_total", help_, method=OTHER)
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

    def is_asked(self, flow: FlowName) -> bool:
        """Tell whether a client waits for an answer."""
        known = self._flows.get(flow)
        return known is not None and (known.queue.pending > 0 or known.queue.size > 0)

    def opened(self, flow: FlowName, peer: str, secure: bool) -> None:
        """Note that a connection is ready: TCP accepted, TLS handshake done."""
        place = flow if peer in self._relays else network_of(peer)
        self._flows[flow] = FlowRequests(flow, peer, self._intake.opened(flow, place))
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
            self._reply(flow, message, Refused(status, Diagnostics(1018, reason)).response(message))

    def drained(self, flow: FlowName) -> None:
        """Tell that a connection has room again, for those who put something off."""
        self._bus.tell_here(FlowDrained(flow))

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
        self._bus.tell_here(FlowClosed(flow, reason))

    def _request(self, flow: FlowRequests, request: Request) -> None:
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
            self._reply(flow, request, unavailable(request))

    def _begin(self, name: FlowName, key: Key, request: Request) -> None:
        """Begin a request for which the intake has room."""
        flow = self._flows.get(name)
        if flow is None:
            return
        if request.method == "ACK":
            self._serving.pass_on(flow, request)
        else:
            self._serving.begin(flow, key, request)

    def _ack(self, flow: FlowRequests, key: Key, request: Request) -> None:
        transaction = flow.transactions.get(key)
        if isinstance(transaction, InviteServerTransaction) and not transaction.acknowledge():
            return
        # For a 2xx, or for an INVITE that is long forgotten: whoever keeps the dialog knows.
        # It ends the other side's waiting, and so it does not wait behind what may wait for that.
        if self._intake.take_at_once(flow.queue):
            self._serving.pass_on(flow, request)
        else:
            self._intake.admit_or_queue(flow.queue, ("ACK", *key[1:]), request)

    def _refuse(self, name: FlowName, key: Key, request: Request) -> None:
        """Refuse an INVITE for which the intake has no room."""
        self._refused.add()
        flow = self._flows.get(name)
        # Once a connection: the meter counts the others, and a flood must not fill the log.
        if flow is not None and not flow.complained:
            flow.complained = True
            self.log.warn("{method} on {flow} refused: too many ring already", method=request.method, flow=name)
        self._refuse_now(name, request)

    def _cancel(self, flow: FlowRequests, request: Request) -> None:
        """Cancel an INVITE (RFC 3261 §9.2). The INVITE's own answer, a 487, comes from whoever answers it."""
        key = server_key(request, "INVITE")
        transaction = flow.transactions.get(key)
        invite = self._intake.withdraw(flow.queue, key) if transaction is None else None
        if invite is not None:
            self._reply(flow.name, request, response_to(request, 200))
            self._reply(flow.name, invite, response_to(invite, 487))
            return
        if not isinstance(transaction, InviteServerTransaction):
            self._reply(flow.name, request, Refused(481, NOTHING_TO_CANCEL).response(request))
            return
        self._reply(flow.name, request, response_to(request, 200))
        transaction.cancel()

    def _reply(self, flow: FlowName, request: Request, response: Response) -> None:
        """Answer without a transaction: nothing is remembered, but what was refused is counted."""
        leaving = explained(response, self._source)
        if response.status >= 300:
            self._answers.refused(request, leaving, is_ours=True)
        try:
            self._wire.send(flow, leaving)
        except FlowGone:
            self.log.debug("no answer on {flow}: it is gone", flow=flow)


def _checked_key(request: Request) -> Key:
    """Name the transaction of a request, and read what a name with a branch does not need.

    Whoever answers later need not fear a broken header.
    """
    read_essentials(request)
    return server_key(request)
