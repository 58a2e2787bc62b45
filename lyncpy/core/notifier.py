"""Subscriptions of clients to event packages: runs `sip.subscription` for any of them.

A workload answers a SUBSCRIBE with `accept` and speaks with `notify`; dialogs, lifetimes,
piggyback and best effort are settled here. Not here: who may subscribe, and what a
document says.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.bus import IBus, IListening, Interest, SharedInterest
from lyncpy.contracts.facts import EndpointGone, FlowClosed
from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.names import Aor, Epid, FlowName, aor_of, bare
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.deadline import Deadlines
from lyncpy.core.spawn import spawn
from lyncpy.sip import subscription as machine
from lyncpy.sip.message import Request, Response, new_tag, response_to
from lyncpy.sip.prepared import Prepared
from lyncpy.sip.subscription import Document, SubscriptionTerms

NO_DIALOG: Final = Diagnostics(2014, "Subscription dialog does not exist", public=True)
TOO_MANY: Final = Diagnostics(2012, "Category subscription limit exceeded")
ANSWER_S: Final = 30.0
"""How long a client may take to answer a NOTIFY."""

Key = tuple[FlowName, str, str]
"""Flow, Call-ID and our tag: two real clients may use the same Call-ID."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One subscription. The notifier owns it; `data` belongs to the workload that accepted it."""

    event: str
    """The event package, lower case, without parameters."""

    watcher: Aor
    epid: Epid
    flow: FlowName
    resource: Aor
    """Whom or what the SUBSCRIBE asked about."""

    machine: machine.SubscriptionMachine
    documents: int = 0
    """How many documents with numbers of their own it was sent; whoever writes them counts."""

    data: Any = None  # Any: each workload keeps its own kind of value
    newest: int = 0
    """`Arrival.order` of the last of its SUBSCRIBEs that came."""
    on_end: Callable[["Subscription"], None] | None = None

    key: Key = field(init=False)
    """Its name in the table."""

    def __post_init__(self) -> None:
        self.key = self.flow, self.machine.dialog.call_id, self.machine.dialog.local_tag


@implementer(IUnit)
class Notifier:
    """Every subscription of this process; bounded in total, per connection and per user.

    Args:
        outbound: Sends NOTIFY requests.
        bus: Tells of connections and endpoints that are gone.
        contact: The URI at which this server receives requests in the dialogs.
        timers: The deadlines.
        per_flow, total, per_user: The bounds.
    """

    name = "notifier"
    log = Logger()

    def __init__(
        self,
        outbound: IOutbound,
        bus: IBus,
        contact: str,
        timers: ITimers,
        *,
        per_flow: int,
        per_user: int,
        total: int,
    ) -> None:
        self._outbound = outbound
        self._bus = bus
        self._contact = f"<{contact}>"
        self._timers = timers
        self._shares = Shares(
            total,
            {"flow": per_flow, "user": per_user},
            {
                TOTAL: "limits.subscriptions_total",
                "flow": "limits.subscriptions_per_flow",
                "user": "limits.subscriptions_per_user",
            },
        )
        self._subscriptions: dict[Key, Subscription] = {}
        self._expiries: Deadlines[Key] = Deadlines(timers, self._due)
        self._on_flow: dict[FlowName, set[Key]] = {}
        self._of: dict[tuple[str, Aor], tuple[Subscription, ...]] = {}
        """(event, watcher) → their subscriptions, the oldest first: nearly always one, and [limits] bounds them."""

        self.subscribers: Final[dict[str, Interest]] = {}
        """Who has a subscription here, of each package of which somebody wants to know it from the start."""

        self._watchers: Final = SharedInterest()
        """Whose devices have subscriptions here, also those that are signed in at other nodes."""

        self._listening: tuple[IListening, ...] = ()

    def __len__(self) -> int:
        return len(self._subscriptions)

    async def open(self) -> None:
        """Listen for connections and endpoints that are gone."""
        self._listening = (
            self._bus.listen(FlowClosed, self._flow_closed),
            self._bus.listen(EndpointGone, self._endpoint_gone, self._watchers),
        )

    async def close(self) -> None:
        """Stop listening; the clients learn by the end of their connections."""
        for listening in self._listening:
            listening.stop()

    # --- for workloads

    def continued(self, arrival: Arrival) -> Subscription | None:
        """Give the subscription that a SUBSCRIBE continues; None for a new one.

        Raises:
            Refused: 481, it continues one that does not exist, or is of another package.
        """
        request = arrival.request
        if not request.to.tag:
            return None
        found = self._subscriptions.get((arrival.flow, request.call_id, request.to.tag)) or self._mixed_up(arrival)
        # A dialog may have several subscriptions (RFC 6665 §4.5.2); here each has its own, of one package.
        if found is None or found.event != request.event:
            raise Refused(481, NO_DIALOG)
        return found

    def _mixed_up(self, arrival: Arrival) -> Subscription | None:
        """Find the subscription that a client means which has taken two of its dialogs for one.

        COMPAT pidgin-sipe 1.25: when it subscribes to a second contact before the first answer
        is there, it goes on with the first dialog's Call-ID and the second one's tags. With a 481
        it would never see that contact. Our tag is enough to know what is meant.
        """
        request = arrival.request
        mine = [self._subscriptions[key] for key in self._on_flow.get(arrival.flow, ())]
        same = [one for one in mine if one.event == request.event]
        if not any(one.machine.dialog.call_id == request.call_id for one in same):
            return None
        return next((one for one in same if one.machine.dialog.local_tag == request.to.tag), None)

    def accept(
        self,
        arrival: Arrival,
        event: str,
        terms: SubscriptionTerms,
        document: Document | None,
        *,
        data: Any = None,  # Any: see Subscription.data
        on_end: Callable[[Subscription], None] | None = None,
        contact: str = "",
        shared: Sequence[tuple[str, str]] = (),
    ) -> tuple[Subscription | None, Response]:
        """Answer a SUBSCRIBE that is allowed: a new one, a refresh, an end or a poll.

        Args:
            arrival: The SUBSCRIBE.
            event: The package's name as in `Subscription.event`.
            terms: How long it may last; less than its minimum is refused with 423.
            document: The whole state now; it rides in the 200 if the client can take that.
            data: Kept with a new subscription; a refresh keeps what is there.
            on_end: Called once when the subscription is over, for whatever reason.
            contact: The Contact value of whom the client's requests within the dialog go to; "": the server.
            shared: Added to the 200 and to each notification of a new subscription.

        Returns:
            The subscription, or None when nothing continues; and the 200.

        Raises:
            Refused: 481 for an unknown dialog, 423 for too brief a time, 503 (2012) when
                there are too many.

        Spec: RFC 6665 §4.2.1; [MS-SIP] piggyback and best effort.
        """
        known = self.continued(arrival)
        contact = contact or self._contact
        found = known if known is not None else self._new(arrival, event, data, on_end, contact, shared, new_tag())
        now = self._timers.now()
        try:
            effects = found.machine.subscribe(_in_its_dialog(found, arrival), terms, document, now)
        except machine.TooBrief as brief:
            raise Refused(423, headers=[("Min-Expires", str(brief.minimum_s))]) from brief
        grant = next(effect for effect in effects if isinstance(effect, machine.Grant))
        ended = effects[-1] if isinstance(effects[-1], machine.SubscriptionEnded) else None  # it comes last
        if ended is None and known is None:
            self._add(found)
            # Its sender may have vanished while the workload read, and then nothing else would end it.
            arrival.on_cancel(partial(self._lose_later, found))
        for effect in effects:
            if isinstance(effect, machine.SendNotify):
                # After the 200, which leaves in this turn: a client cannot place what precedes it.
                self._timers.later(0, lambda request=effect.request: self._send(found, request))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        if ended is not None:
            self._drop(found, ended.reason.value)
        else:
            self._watch(found)
        return (None if ended is not None else found), self._granted(
            arrival.request, found, grant, [("Contact", contact), *grant.headers]
        )

    def go_on(
        self, arrival: Arrival, event: str, terms: SubscriptionTerms, dialog: tuple[str, int],
        on_end: Callable[[Subscription], None], contact: str,
    ) -> Subscription:  # fmt: skip
        """Go on with a subscription that another node has accepted, and which is lost with it; nothing is told.

        Args:
            arrival: Its first SUBSCRIBE.
            event: The package's name.
            terms: How long it may last, from now on.
            dialog: Our tag, and the CSeq number that was used last.
            on_end: As of `accept`.
            contact: As of `accept`.

        Raises:
            Refused: 503 (2012), there are too many.
        """
        tag, seq = dialog
        found = self._new(arrival, event, None, on_end, contact, (), tag)
        found.machine.subscribe(arrival.request, terms, None, self._timers.now())
        found.machine.dialog.local_seq = seq
        self._add(found)
        self._watch(found)
        return found

    def notify(self, subscription: Subscription, document: Document) -> None:
        """Tell a subscriber something new; nothing happens when the subscription is over."""
        prepared = subscription.machine.prepare(document, self._timers.now())
        if prepared is not None:
            self._tell(subscription, prepared)
            return
        for effect in subscription.machine.notify(document, self._timers.now()):
            if isinstance(effect, machine.SendNotify):
                self._send(subscription, effect.request)

    def is_full(self, subscription: Subscription) -> bool:
        """Tell whether its connection has enough to send: what may be overtaken by newer news should wait.

        `FlowDrained` is told on the bus when it need wait no longer.
        """
        return self._outbound.is_full(subscription.flow)

    def subscriptions_of(self, event: str, watcher: Aor) -> tuple[Subscription, ...]:
        """Give a user's own subscriptions of an event: one for each of their endpoints that has one."""
        return self._of.get((event, watcher), ())

    def end_subscription(self, subscription: Subscription, reason: str, *, is_told: bool = True) -> None:
        """End a subscription from here and tell the client, who may subscribe anew.

        Args:
            subscription: Which.
            reason: In words, for the log.
            is_told: Whether the client is told; not where another node goes on with it.
        """
        self.log.debug(
            "{event} of {aor} is ended here: {reason}",
            event=subscription.event,
            aor=subscription.watcher,
            reason=reason,
        )
        ended = subscription.machine
        self._perform(subscription, ended.terminate() if is_told else ended.lost())

    # --- inside

    def _new(
        self,
        arrival: Arrival,
        event: str,
        data: object,
        on_end: Callable[[Subscription], None] | None,
        contact: str,
        shared: Sequence[tuple[str, str]],
        tag: str,
    ) -> Subscription:
        if self._shares.excess({"flow": arrival.flow, "user": arrival.sender.aor}):
            raise Refused(503, TOO_MANY, headers=[("Retry-After", "60")])
        sender = arrival.sender
        return Subscription(
            event=event,
            watcher=sender.aor,
            epid=sender.epid,
            flow=arrival.flow,
            resource=aor_of(arrival.request.to.uri),
            machine=machine.SubscriptionMachine(arrival.request, tag, contact, shared),
            data=data,
            on_end=on_end,
        )

    def _granted(
        self, request: Request, found: Subscription, grant: machine.Grant, headers: Iterable[tuple[str, str]]
    ) -> Response:
        body = grant.body
        return response_to(
            request,
            200,
            to_tag=found.machine.dialog.local_tag,
            headers=headers,
            content_type=None if body is None else body.content_type,
            body=b"" if body is None else body.body,
        )

    def _add(self, found: Subscription) -> None:
        if found.key not in self._subscriptions:
            self._shares.add({"flow": found.flow, "user": found.watcher})
            self._watchers.add(found.watcher)
            _note(self._bus, found, "was granted")
        self._subscriptions[found.key] = found
        self._on_flow.setdefault(found.flow, set()).add(found.key)
        mine = self._of.get((found.event, found.watcher), ())
        if found not in mine:
            self._of[found.event, found.watcher] = (*mine, found)
            if found.event in self.subscribers:
                self.subscribers[found.event].add(found.watcher)

    def _lose_later(self, found: Subscription) -> None:
        """End it, but not before the workload that has just accepted it has entered it into a table of its own."""
        self._timers.later(0.0, lambda: self._perform(found, found.machine.lost()))

    def _drop(self, found: Subscription, reason: str) -> None:
        """Forget a subscription; what was never kept is not told about."""
        self._expiries.clear(found.key)
        if self._subscriptions.pop(found.key, None) is None:
            return
        _note(self._bus, found, "is over: ", reason)
        self._shares.release({"flow": found.flow, "user": found.watcher})
        self._watchers.discard(found.watcher)
        keys = self._on_flow[found.flow]
        keys.discard(found.key)
        if not keys:
            del self._on_flow[found.flow]
        mine = tuple(one for one in self._of.pop((found.event, found.watcher)) if one is not found)
        if mine:
            self._of[found.event, found.watcher] = mine
        elif found.event in self.subscribers:
            self.subscribers[found.event].discard(found.watcher)
        if found.on_end is not None:
            found.on_end(found)

    def _watch(self, found: Subscription) -> None:
        until = found.machine.deadline()
        self._expiries.set(found.key, None if until is None else max(0.0, until - self._timers.now()))

    def _due(self, key: Key) -> None:
        """End the subscription whose time is up, unless notifications have extended it meanwhile."""
        found = self._subscriptions.get(key)
        if found is None:
            return
        until = found.machine.deadline()
        now = self._timers.now()
        # A float's hair early is in time: else a timer of nothing at all would be set.
        effects = found.machine.expire(until if until is not None and 0 < until - now < 1e-3 else now)
        if effects:
            self._perform(found, effects)
        else:
            self._watch(found)

    def _perform(self, found: Subscription, effects: Sequence[machine.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, machine.SendNotify):
                self._send(found, effect.request)
            elif isinstance(effect, machine.SubscriptionEnded):
                self.log.debug(
                    "{event} of {aor} ended: {reason}", event=found.event, aor=found.watcher, reason=effect.reason.value
                )
                self._drop(found, effect.reason.value)

    def _send(self, found: Subscription, request: Request) -> None:
        if request.method == "BENOTIFY":
            self._tell(found, request)
        else:
            spawn(self._await_answer(found, request), self.log, "a notification")

    def _tell(self, found: Subscription, request: Request | Prepared) -> None:
        try:
            self._outbound.send_unanswered(found.flow, request)
        except FlowGone:
            self._perform(found, found.machine.lost())

    async def _await_answer(self, found: Subscription, request: Request) -> None:
        response = await self._outbound.send_request(found.flow, request, timeout=ANSWER_S).final
        self._perform(found, found.machine.answered(response.status))

    def _flow_closed(self, fact: FlowClosed) -> None:
        for key in tuple(self._on_flow.get(fact.flow, ())):
            found = self._subscriptions[key]
            self._perform(found, found.machine.lost())

    def _endpoint_gone(self, fact: EndpointGone) -> None:
        for key in tuple(self._on_flow.get(fact.flow, ())):
            found = self._subscriptions[key]
            if found.watcher == fact.aor and found.epid == fact.epid:
                self._perform(found, found.machine.lost())


def _note(bus: IBus, found: Subscription, what: str, why: str = "") -> None:
    """Tell whoever traces the subscriber what has become of a subscription."""
    bus.note(lambda: _words(found, what + why), found.watcher)


def _words(found: Subscription, what: str) -> str:
    of = "" if found.resource == found.watcher else f" of {bare(found.resource)}"
    return f"the subscription of {bare(found.watcher)} to {found.event}{of}, device {found.epid.written}, {what}"


def _in_its_dialog(found: Subscription, arrival: Arrival) -> Request:
    """Return a SUBSCRIBE that fits its dialog: requests that overtook each other are in order, and mixed-up dialogs put right.

    What a workload has to read first takes its time: of two SUBSCRIBEs that came in order the second
    may be ready first. And whoever takes two dialogs for one (see `Notifier._mixed_up`) counts for both.
    """
    request, dialog = arrival.request, found.machine.dialog
    is_mixed_up = request.call_id != dialog.call_id
    latest = dialog.remote_seq or 0
    put = [("Call-ID", dialog.call_id)] if is_mixed_up else []
    if request.cseq.number < latest and (is_mixed_up or arrival.order < found.newest):
        put.append(("CSeq", f"{latest} SUBSCRIBE"))
    found.newest = max(found.newest, arrival.order)
    return request.edited(put=put) if put else request
