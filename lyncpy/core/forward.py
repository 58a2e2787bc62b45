"""The proxy: fork to endpoints, the best answer, CANCEL, Record-Route (RFC 3261 §16).

What is passed on keeps its text; only what belongs to the hop changes: Via (by
`IOutbound`), Max-Forwards, Route, and what `sip.trust` says of people and servers: of
that, the receiver hears this server's word and no user's.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor
from lyncpy.contracts.outbound import ICall, IOutbound
from lyncpy.contracts.refusal import TOO_MANY_HOPS, Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.asserted_identity import AssertedIdentity
from lyncpy.core.called_as import CalledAs
from lyncpy.core.spawn import spawn
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import TOKEN
from lyncpy.sip.message import SERVER, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, PreparedResponse, Template
from lyncpy.sip.trust import CHALLENGES

ONWARD_DROPPED: Final = ("Route", "Record-Route")
UPSTREAM_DROPPED: Final = ("Via", "Record-Route")
"""Where a message goes is said by the servers on its way, and there is only this one."""

LOCKED: Final = Diagnostics(1, "The recipient's device asked for credentials, which only a server may do")
"""In place of a challenge: a client signs for whoever asks, so another client must not."""

LEAST_HELPFUL: Final = (430, 408, 487, 480)
"""Failures that say the least about why, worst first; any other answer of a branch is better."""

ENDS_ALL: Final = frozenset({600, 605})
"""Refusals that speak for all of a user's endpoints ([MS-OCER]: 605 is "decline everywhere")."""

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Why a device rings no more (RFC 3326)."""

MEANWHILE_S: Final = 10.0
"""How long the BYE for a late answer may take."""


@dataclass(frozen=True, slots=True)
class RingTimes:
    """How long endpoints may take, in seconds."""

    silent_s: float
    """Until the first provisional or final answer of any endpoint."""

    ringing_s: float
    """From then on."""


class ForkResult(NamedTuple):
    """The one answer of all branches, ready for the sender."""

    response: Response
    endpoint: Endpoint | None
    """Who gave it; None: it was made here."""


class OnEarly(Protocol):
    """Whoever wants to know of the early dialogs of a fork."""

    def __call__(self, tag: str, endpoint: Endpoint, give_up: Callable[[], None]) -> None:
        """Note that `endpoint` has answered provisionally with this To tag; `give_up` cancels its branch alone."""


@dataclass(frozen=True, slots=True)
class Retargeting:
    """How a call comes to those who are rung."""

    history: str = ""
    """The value of History-Info, which they and the caller are told; "": that it was sent to its own target."""

    fields: Sequence[tuple[str, str]] = ()
    """Further fields of what those are sent who are rung."""

    for_another: bool = False
    """Whether they are rung in place of somebody else."""

    ends_all: frozenset[int] = ENDS_ALL
    """Refusals of one endpoint that end the ringing of all."""


AS_CALLED: Final = Retargeting()


class _Waits:
    """The calls under way to each user's endpoints, by the sender that waits for their answer."""

    def __init__(self) -> None:
        self._calls: dict[Aor, dict[ICall, Aor]] = {}

    def add(self, asked: Aor, call: ICall, sender: Aor) -> None:
        calls = self._calls.get(asked)
        if calls is None:
            calls = self._calls[asked] = {}
        calls[call] = sender

    def remove(self, asked: Aor, call: ICall) -> None:
        calls = self._calls[asked]
        del calls[call]
        if not calls:
            del self._calls[asked]

    def senders(self, asked: Aor) -> frozenset[Aor]:
        return frozenset(self._calls.get(asked, {}).values())

    def of(self, asked: Aor, senders: Container[Aor]) -> Sequence[ICall]:
        return tuple([call for call, waiting in self._calls.get(asked, {}).items() if waiting in senders])


class Forward:
    """Passes requests on to endpoints. Keeps nothing between calls but what each call needs.

    Args:
        outbound: Sends requests.
        record_route: The URI (with `lr`) that keeps this server in the path of dialogs.
        asserted_identity: Asserts who sent a request.
        timers: The deadlines.
        called_as: Marks the dialogs of those who are rung in place of another.
    """

    def __init__(
        self,
        outbound: IOutbound,
        record_route: str,
        asserted_identity: AssertedIdentity,
        timers: ITimers,
        called_as: CalledAs,
    ) -> None:
        self._outbound = outbound
        self._route = record_route
        self._record_route = f"<{record_route}>"
        self.called_as: Final = called_as
        self._asserted_identity = asserted_identity
        self._timers = timers
        self._waits = _Waits()

    def waiting(self, asked: Aor) -> frozenset[Aor]:
        """Give who waits for an answer of a user's endpoints."""
        return self._waits.senders(asked)

    def referrer(self, arrival: Arrival) -> Aor | None:
        """Give who has referred the sender of a request, where it says so and that is true."""
        return self._asserted_identity.referrer(arrival.request.headers, arrival.sender.aor)

    def part(self, asked: Aor, senders: Container[Aor]) -> None:
        """Answer the pending calls of these senders to a user as if the user's endpoints were gone; they ring no more."""
        for call in self._waits.of(asked, senders):
            call.abandon()

    async def fork(
        self, arrival: Arrival, endpoints: Sequence[Endpoint], patience: RingTimes, on_early: OnEarly | None = None
    ) -> ForkResult:
        """Ask all endpoints at once; the first 2xx wins, and the others are cancelled.

        Args:
            endpoints: At least one.
            on_early: Hears of each provisional answer that makes an early dialog, before it is passed on.

        Raises:
            Refused: 483 when the request has been passed on too often.
        """
        return await self.branch(arrival, endpoints, patience, on_early).run()

    def branch(
        self,
        arrival: Arrival,
        endpoints: Sequence[Endpoint],
        patience: RingTimes,
        on_early: OnEarly | None = None,
        retargeting: Retargeting = AS_CALLED,
    ) -> "Fork":
        """Prepare to ask the endpoints of one user, perhaps one of several who are rung; arguments and errors are those of `fork`."""
        request = self._onward(arrival)
        history: Sequence[tuple[str, str]] = ()
        if request.method == "INVITE":
            # Spec: RFC 4244 §4.3.1, RFC 7044 §10: where the request was sent to, before it was retargeted.
            history = (("History-Info", retargeting.history) if retargeting.history else _history(request),)
            request = request.edited(last=[*history, *retargeting.fields])
        if retargeting.for_another:
            route = self.called_as.marked(self._route, request, endpoints[0].aor)
            request = request.edited(put=[("Record-Route", f"<{route}>")])
        upstream = partial(self._upstream, history=history)
        return Fork(
            self._outbound,
            self._timers,
            arrival,
            upstream,
            on_early,
            self._waits,
            (request, endpoints, patience),
            retargeting.ends_all,
        )

    async def pass_on(self, arrival: Arrival, endpoint: Endpoint, timeout: float, *, call_id: str = "") -> ForkResult:
        """Ask one endpoint within a dialog; its answer, or a 430 or 408 of our own.

        Args:
            call_id: By which the endpoint knows the dialog; "": as the sender does.
        """
        request, sender = arrival.request, arrival.sender.aor
        call = (self._ask_to_change if request.method == "INVITE" else self._ask)(arrival, endpoint, timeout, call_id)
        self._waits.add(endpoint.aor, call, sender)
        try:
            response = await call.final
        finally:
            self._waits.remove(endpoint.aor, call)
        if request.method == "REFER" and 200 <= response.status < 300:
            self._asserted_identity.referred(sender, endpoint.aor)
        return _outcome(request, response, endpoint, local=call.local, upstream=self._answer)

    def _ask_to_change(self, arrival: Arrival, endpoint: Endpoint, timeout: float, call_id: str) -> ICall:
        """Pass a re-INVITE on: it may ring, and be cancelled."""

        def on_provisional(response: Response) -> None:
            if response.status > 100:  # a 100 is for the hop
                arrival.provisional(self._upstream(arrival.request, response, endpoint))

        onward = self._onward(arrival, endpoint.contact, call_id)
        call: ICall = self._outbound.send_request(endpoint.flow, onward, timeout=timeout, on_provisional=on_provisional)
        arrival.on_cancel(call.cancel)
        return call

    def _ask(self, arrival: Arrival, endpoint: Endpoint, timeout: float, call_id: str) -> ICall:
        """Pass any other request on. What it becomes follows from the lines that it shares with those before it."""
        request, sender = arrival.request, arrival.sender.aor
        find = partial(self._template, arrival, endpoint.contact, call_id)
        if request.shared is None:
            template = find()
        else:
            dropped = self._asserted_identity.unbacked(request.headers, sender)
            given = endpoint.contact, call_id, self._asserted_identity.identity(sender), dropped
            template = request.shared.found("onward", given, find)
        prepared = Prepared(template, request.cseq.number, request.body, vias=request.vias)
        return self._outbound.ask_prepared(endpoint.flow, prepared, timeout=timeout)

    def pass_ack(self, arrival: Arrival, endpoint: Endpoint, *, call_id: str = "") -> None:
        """Pass an ACK on; nobody can be told when it does not arrive."""
        try:
            self._outbound.send_unanswered(endpoint.flow, self._onward(arrival, endpoint.contact, call_id))
        except (FlowGone, Refused):
            return

    def _onward(self, arrival: Arrival, uri: str | None = None, call_id: str = "") -> Request:
        request, sender = arrival.request, arrival.sender.aor
        left = request.max_forwards
        if left is not None and left <= 0:
            raise Refused(483, TOO_MANY_HOPS)
        put = [("Max-Forwards", str(69 if left is None else left - 1))]
        if call_id and call_id != request.call_id:
            put.append(("Call-ID", call_id))
        first = [("Record-Route", self._record_route)] if request.method == "INVITE" else []
        # Nobody answers an ACK or looks whose it is.
        last = [("P-Asserted-Identity", self._asserted_identity.identity(sender))] if request.method != "ACK" else []
        drop = (*ONWARD_DROPPED, *self._asserted_identity.unbacked(request.headers, sender))
        return request.edited(uri=uri, drop=drop, put=put, first=first, last=last)

    def _template(self, arrival: Arrival, uri: str, call_id: str) -> Template:
        onward = self._onward(arrival, uri, call_id)
        return Template(onward.edited(drop=["Via"]))

    def _answer(self, request: Request, response: Response, endpoint: Endpoint) -> Response:
        """Make an acceptance from an endpoint fit the request, as `_upstream` does; with the lines of both it is known."""
        if request.shared is None or response.shared is None or response.status >= 300:
            return self._upstream(request, response, endpoint)
        dropped = self._asserted_identity.unbacked(response.headers, endpoint.aor)
        given = request.shared, self._asserted_identity.identity(endpoint.aor), dropped

        def find() -> Template:
            upstream = self._upstream(request, response, endpoint)
            return Template(upstream.edited(drop=["Via"], last=[("Server", SERVER)]))

        template = response.shared.found("upstream", given, find)
        return PreparedResponse(template, request.cseq.number, response.body, request.vias)

    def _upstream(
        self, request: Request, response: Response, endpoint: Endpoint, history: Sequence[tuple[str, str]] = ()
    ) -> Response:
        """Make an endpoint's answer fit the request that it answers, whatever the endpoint wrote."""
        if response.status in CHALLENGES:
            return Refused(480, LOCKED).response(request)
        own = request.headers
        put = [(name, value) for name in ("From", "Call-ID", "CSeq") if (value := own.get(name)) is not None]
        put.append(("To", _to(request, response)))
        dialog = request.method == "INVITE" and response.status > 100 and response.status < 300
        first = [("Via", value) for value in own.get_all("Via")]
        if dialog:
            first.append(("Record-Route", self._record_route))
        drop = (*UPSTREAM_DROPPED, *self._asserted_identity.unbacked(response.headers, endpoint.aor))
        last = [("P-Asserted-Identity", self._asserted_identity.identity(endpoint.aor))]
        if request.method == "INVITE" and request.to.tag is None and _wants_history(request):
            last.extend(history or (_history(request),))
        return response.edited(drop=drop, put=put, first=first, last=last)


def _history(request: Request) -> tuple[str, str]:
    """Write the History-Info of a retargeted request: the address to which it was sent before (RFC 7044)."""
    return "History-Info", f"<{request.uri}>;index=1"


def _wants_history(request: Request) -> bool:
    """Tell whether a caller is to hear in answers, too, where its request went (RFC 7044 §9.1, §10.3)."""
    return any("histinfo" in value.lower() for value in request.headers.get_all("Supported"))


def _to(request: Request, response: Response) -> str:
    """Give the To of a response: the request's, and of the endpoint no more than its tag and its epid.

    Client: it finds the conversation by the address that stands here.
    Spec: RFC 3261 §8.2.6.2.
    """
    asked, answered = request.headers.get("To") or "", response.headers.get("To") or ""
    if request.to.tag:
        return asked
    if answered.startswith(asked) and answered[len(asked) : len(asked) + 1] in ("", ";"):
        return answered
    made = "".join(
        f";{name}={value}" for name in ("tag", "epid") if TOKEN.fullmatch(value := response.to.get(name) or "")
    )
    return asked + made


class Fork:
    """One request at several endpoints; lives until the last branch has answered."""

    log = Logger()

    def __init__(
        self,
        outbound: IOutbound,
        timers: ITimers,
        arrival: Arrival,
        upstream: Callable[[Request, Response, Endpoint], Response],
        on_early: OnEarly | None,
        waits: _Waits,
        asked: tuple[Request, Sequence[Endpoint], RingTimes],
        ends_all: frozenset[int],
    ) -> None:
        self._waits = waits
        self._request, self._endpoints, self._patience = asked
        self._ends_all = ends_all
        self._outbound = outbound
        self._on_early = on_early
        self._timers = timers
        self._arrival = arrival
        self._upstream = upstream
        self._calls: list[ICall] = []
        self._answers: list[ForkResult] = []
        self._pending = 0
        self._ringing = False
        self._done: Deferred[ForkResult] = Deferred()
        self._accepted: tuple[Request, Response, Endpoint] | None = None

    async def run(self) -> ForkResult:
        """Ask all, and give the one answer. May be called once."""
        self._pending = len(self._endpoints)
        self._arrival.on_cancel(self._cancelled)
        if self._done.called:  # given up before anybody was asked
            return await self._done
        silence = self._timers.later(self._patience.silent_s, self._silent)
        try:
            for endpoint in self._endpoints:
                self._begin(self._request, endpoint, self._patience)
            return await self._done
        finally:
            silence.cancel()
            self._arrival.forget(self._cancelled)

    def _begin(self, request: Request, endpoint: Endpoint, patience: RingTimes) -> None:
        branch = request.edited(uri=endpoint.contact)
        # Called later than `send_request` returns: an answer comes in a later turn.
        call: ICall = self._outbound.send_request(
            endpoint.flow,
            branch,
            timeout=patience.ringing_s if request.method == "INVITE" else patience.silent_s,
            on_provisional=lambda response: self._provisional(response, endpoint, call.cancel),
            on_late=lambda response: self._unwanted(branch, response, endpoint),
        )
        self._calls.append(call)
        spawn(self._follow(call, branch, endpoint), self.log, "a branch of a fork")

    async def _follow(self, call: ICall, branch: Request, endpoint: Endpoint) -> None:
        self._waits.add(endpoint.aor, call, self._arrival.sender.aor)
        try:
            response = await call.final
        finally:
            self._waits.remove(endpoint.aor, call)
        self._pending -= 1
        outcome = _outcome(self._arrival.request, response, endpoint, local=call.local, upstream=self._upstream)
        if self._done.called:
            if 200 <= response.status < 300:
                self._unwanted(branch, response, endpoint)
            return
        self._answers.append(outcome)
        if 200 <= response.status < 300:
            self._accepted = branch, response, endpoint
            self._finish(outcome)
        elif response.status in self._ends_all:
            self._finish(outcome)
        elif self._pending == 0:
            self._finish(best(self._answers))

    def _provisional(self, response: Response, endpoint: Endpoint, give_up: Callable[[], None]) -> None:
        if response.status == 100 or self._done.called:
            return
        self._ringing = True
        passed = self._upstream(self._arrival.request, response, endpoint)
        tag = passed.to.tag
        if tag and self._on_early is not None:
            self._on_early(tag, endpoint, give_up)
        self._arrival.provisional(passed)

    def _silent(self) -> None:
        if not self._ringing and not self._done.called:
            self._finish(best([*self._answers, timed_out(self._arrival.request)]))

    def _cancelled(self) -> None:
        self.give_up()

    def give_up(self, reason: str | None = None) -> None:
        """Answer 487; those who ring get a CANCEL with this reason. May be called at any time."""
        if not self._done.called:
            self._finish(ForkResult(response_to(self._arrival.request, 487), None), reason)

    def hang_up(self) -> None:
        """End the dialog with the endpoint that has accepted, which the sender does not want."""
        if self._accepted is not None:
            self._unwanted(*self._accepted)

    def _finish(self, outcome: ForkResult, reason: str | None = None) -> None:
        self._done.callback(outcome)
        for call in self._calls:
            call.cancel(ELSEWHERE if outcome.response.status < 300 else reason)

    def _unwanted(self, branch: Request, response: Response, endpoint: Endpoint) -> None:
        """Acknowledge the 2xx of a second endpoint that accepted, then end that dialog at once (RFC 3261 §13.2.2.4).

        Client: real ones accept up to ten seconds late and do not answer a CANCEL.
        """
        if branch.method != "INVITE":
            return
        try:
            dialog = Dialog.from_response(branch, response)
            self._outbound.send_unanswered(endpoint.flow, dialog.ack(branch).edited(uri=endpoint.contact))
            bye = dialog.next_request("BYE").edited(uri=endpoint.contact)
            self._outbound.send_request(endpoint.flow, bye, timeout=MEANWHILE_S)
        except FlowGone:
            return
        except RemoteProtocolError as error:  # a 2xx that makes no dialog; then there is none to end
            self.log.debug("{flow} accepted in vain: {reason}", flow=endpoint.flow, reason=error.reason)


def _outcome(
    request: Request,
    response: Response,
    endpoint: Endpoint,
    *,
    local: bool,
    upstream: Callable[[Request, Response, Endpoint], Response],
) -> ForkResult:
    if not local:
        return ForkResult(upstream(request, response, endpoint), endpoint)
    if response.status == 408:
        return timed_out(request)
    return ForkResult(Refused(430, Diagnostics(1006, "Error routing on client connection")).response(request), None)


def timed_out(request: Request) -> ForkResult:
    """Give the response when no endpoint answered in time."""
    return ForkResult(
        Refused(408, Diagnostics(13002, "The routing rules did not result in a final response")).response(request), None
    )


def best(answers: Sequence[ForkResult]) -> ForkResult:
    """Choose among failed branches (RFC 3261 §16.7 step 6): the most telling, 6xx before the others."""

    def worth(outcome: ForkResult) -> tuple[int, int]:
        status = outcome.response.status
        if status in LEAST_HELPFUL:
            return (0, LEAST_HELPFUL.index(status))
        return (2 if status >= 600 else 1, -status)

    return max(answers, key=worth)
