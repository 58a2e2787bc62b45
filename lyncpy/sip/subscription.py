"""The notifier's machine of one subscription (RFC 6665 §4.2), with Microsoft's three extensions.

- *Piggyback*: the first notification is the body of the 200 to the SUBSCRIBE.
- *Best effort*: later ones are BENOTIFY, which nobody answers.
- *Autoextend*: each notification restarts the subscription's time.

The machine decides and builds; whoever owns it sends. Not here: who may subscribe, and
what a document says.

Spec: RFC 6665 §4.2; [MS-SIP], best effort NOTIFY, piggyback first NOTIFY, subscription auto-extension.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from typing import Final

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.enums import IdentityEnum
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import remembered
from lyncpy.sip.headers import split_list
from lyncpy.sip.interned import interned
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.prepared import Prepared, Template

BENOTIFY: Final = "ms-benotify"
PIGGYBACK: Final = "ms-piggyback-first-notify"
AUTOEXTEND: Final = "com.microsoft.autoextend"

_WAYS: Final = tuple(
    frozenset(ways) for count in (3, 2, 1, 0) for ways in combinations((BENOTIFY, PIGGYBACK, AUTOEXTEND), count)
)
"""What a subscriber may support, most of it first: one value for all who support the same."""

_WAYS_IN: Final = {ways: ways for ways in _WAYS}

_OVER: Final = "terminated;expires=0"
_SAME_EVERY_TIME: Final = frozenset({BENOTIFY, AUTOEXTEND})

FATAL: Final = frozenset({404, 405, 408, 410, 416, 430, *range(480, 486), 489, 501, 604})
"""Answers to a NOTIFY after which its subscription is no more (RFC 6665 §4.2.2; 430: the flow is gone)."""


class SubscriptionState(IdentityEnum):
    """The life of a subscription. None is ever pending here: consent is a matter of what a document shows."""

    NEW = "new"
    ACTIVE = "active"
    TERMINATED = "terminated"


class SubscriptionEvent(IdentityEnum):
    """What may happen to a subscription."""

    SUBSCRIBE = "SUBSCRIBE, Expires > 0"
    UNSUBSCRIBE = "SUBSCRIBE, Expires = 0"
    CHANGE = "there is something new"
    CLOSE = "the notifier ends it"
    EXPIRED = "time is up"
    REFUSED = "the subscriber refused a NOTIFY"
    LOST = "connection lost"


class Step(IdentityEnum):
    """What a move does."""

    GRANT = "answer the SUBSCRIBE"
    NOTIFY = "notify"
    END = "forget"


class SubscriptionEndReason(IdentityEnum):
    """Why a subscription is over; the values are what the log says."""

    POLLED = "polled"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"
    REFUSED = "refused"
    DEACTIVATED = "deactivated"
    """The notifier ended it (RFC 6665 §4.1.3): the subscriber may subscribe anew."""

    CONNECTION_LOST = "connection lost"


Move = tuple[SubscriptionState, tuple[Step, ...]]

SUBSCRIPTION: Final[Mapping[SubscriptionState, Mapping[SubscriptionEvent, Move]]] = {
    SubscriptionState.NEW: {
        SubscriptionEvent.SUBSCRIBE: (SubscriptionState.ACTIVE, (Step.GRANT,)),
        SubscriptionEvent.UNSUBSCRIBE: (SubscriptionState.TERMINATED, (Step.GRANT, Step.END)),  # a poll
    },
    SubscriptionState.ACTIVE: {
        SubscriptionEvent.SUBSCRIBE: (SubscriptionState.ACTIVE, (Step.GRANT,)),
        SubscriptionEvent.UNSUBSCRIBE: (SubscriptionState.TERMINATED, (Step.GRANT, Step.END)),
        SubscriptionEvent.CHANGE: (SubscriptionState.ACTIVE, (Step.NOTIFY,)),
        SubscriptionEvent.CLOSE: (SubscriptionState.TERMINATED, (Step.NOTIFY, Step.END)),
        SubscriptionEvent.EXPIRED: (SubscriptionState.TERMINATED, (Step.NOTIFY, Step.END)),
        SubscriptionEvent.REFUSED: (SubscriptionState.TERMINATED, (Step.END,)),
        SubscriptionEvent.LOST: (SubscriptionState.TERMINATED, (Step.END,)),
    },
    SubscriptionState.TERMINATED: {},
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a notification carries; workloads make one for each audience and share it."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SubscriptionTerms:
    """How long a notifier lets a subscription last; `once` makes every one a poll."""

    default_s: int
    minimum_s: int
    maximum_s: int
    once: bool = False


class TooBrief(RemoteProtocolError):
    """423: the asked duration is less than the minimum, which goes into Min-Expires."""

    def __init__(self, minimum_s: int) -> None:
        super().__init__(f"a subscription lasts at least {minimum_s} seconds", 423)
        self.minimum_s = minimum_s


@dataclass(frozen=True, slots=True)
class Grant:
    """Answer the SUBSCRIBE with 200, these headers and this body.

    To tag and Contact are not among the headers: the tag is the dialog's, the Contact the server's.
    """

    headers: tuple[tuple[str, str], ...]
    body: Document | None = None


@dataclass(frozen=True, slots=True)
class SendNotify:
    """Send this request in the dialog. A NOTIFY is answered, a BENOTIFY is not."""

    request: Request


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """Forget the subscription. Comes once, as the last effect of all."""

    reason: SubscriptionEndReason


Effect = Grant | SendNotify | SubscriptionEnded


class SubscriptionMachine:
    """One subscription as its notifier sees it.

    Attributes:
        dialog: Between the subscriber and us; its key finds the subscription again.
        event: The Event header as the subscriber wrote it, `id` and all.
        state: New, active or terminated.

    Args:
        request: The SUBSCRIBE.
        local_tag: Our side of the dialog.
        contact: The Contact value of notifications; "" leaves it out.
        shared: What else stands in the answers to SUBSCRIBE and in every notification.
    """

    __slots__ = (
        "_contact", "_duration_s", "_last", "_shared", "_template", "_until", "_ways", "dialog", "event", "state",
    )  # fmt: skip

    def __init__(self, request: Request, local_tag: str, contact: str, shared: Sequence[tuple[str, str]]) -> None:
        self._contact = contact
        self._shared = shared
        self._last: tuple[str, str, Headers] | None = None
        self._template: tuple[str, Template] | None = None
        """A content type and all that its notifications share; kept until the subscriber says something."""

        self.dialog = Dialog.from_request(request, local_tag)
        self.event = interned(request.headers.get("Event") or "")
        self.state = SubscriptionState.NEW
        self._ways: frozenset[str] = frozenset()
        self._duration_s = 0
        self._until: float | None = None

    def deadline(self) -> float | None:
        """Give the monotonic seconds of its end; None before the beginning and after the end."""
        return self._until

    def remaining_s(self, now: float) -> int:
        """Give the whole seconds left; 0 when it is not active."""
        return 0 if self._until is None else max(0, ceil(self._until - now))

    def subscribe(
        self, request: Request, terms: SubscriptionTerms, document: Document | None, now: float
    ) -> tuple[Effect, ...]:
        """Process the first SUBSCRIBE, a refresh or the end.

        Args:
            document: The whole state now, if there is something to say: piggybacked if the
                subscriber can take that, else notified right after the answer.

        Raises:
            TooBrief: 423.
            RemoteProtocolError: 481 or 500, see `Dialog.receive`; 481 also when it has ended.

        Spec: RFC 6665 §4.2.1.
        """
        if self.state is SubscriptionState.TERMINATED:
            raise RemoteProtocolError("the subscription has ended", 481)
        duration_s = granted_s(request.expires, terms)
        if self.state is not SubscriptionState.NEW:
            self.dialog.receive(request)
            self._template = None
        event = SubscriptionEvent.SUBSCRIBE if duration_s else SubscriptionEvent.UNSUBSCRIBE
        is_poll = self.state is SubscriptionState.NEW
        reason = SubscriptionEndReason.POLLED if is_poll else SubscriptionEndReason.UNSUBSCRIBED
        steps = self._move(event)
        # COMPAT pidgin-sipe 1.25: the SUBSCRIBE that ends it all names no extensions.
        self._ways = ways_of(request) or self._ways
        self._duration_s = duration_s
        self._until = now + duration_s if duration_s else None
        effects: list[Effect] = [self._grant(document, now)]
        if document is not None and PIGGYBACK not in self._ways:
            effects.append(self._notify(document, self._state_now(now)))
        if Step.END in steps:
            effects.append(SubscriptionEnded(reason))
        return tuple(effects)

    def notify(self, document: Document, now: float) -> tuple[Effect, ...]:
        """Tell the subscriber something new; nothing when it has ended.

        Spec: RFC 6665 §4.2.2; [MS-SIP]: with autoextend its time starts again.
        """
        if not self._move(SubscriptionEvent.CHANGE):
            return ()
        if AUTOEXTEND in self._ways:
            self._until = now + self._duration_s
            return (self._notify(document, f"active;expires={self._duration_s}"),)
        return (self._notify(document, self._state_now(now)),)

    def prepare(self, document: Document, now: float) -> Prepared | None:
        """Do what `notify` does, without reading and writing again what all notifications share.

        None, and nothing has happened, unless the subscription is active and its subscriber
        takes BENOTIFY and autoextend, as all of Microsoft's do: only then nothing but number
        and body differs from one notification to the next.
        """
        if self.state is not SubscriptionState.ACTIVE or not self._ways >= _SAME_EVERY_TIME:
            return None
        known = self._template
        if known is None or known[0] != document.content_type:
            lines = self._lines(f"active;expires={self._duration_s}", document.content_type)
            known = self._template = (document.content_type, Template(self.dialog.outline("BENOTIFY", lines)))
            self._last = None  # the template has it, and there are many subscriptions
        self._until = now + self._duration_s
        return Prepared(known[1], self.dialog.take_seq(), document.body)

    def terminate(self) -> tuple[Effect, ...]:
        """End it from our side and tell the subscriber, who may subscribe anew."""
        return self._end(
            SubscriptionEvent.CLOSE, SubscriptionEndReason.DEACTIVATED, "terminated;reason=deactivated;expires=0"
        )

    def expire(self, now: float) -> tuple[Effect, ...]:
        """End it and tell the subscriber, if its time is up."""
        if self._until is None or now < self._until:
            return ()
        return self._end(
            SubscriptionEvent.EXPIRED, SubscriptionEndReason.EXPIRED, "terminated;reason=timeout;expires=0"
        )

    def answered(self, status: int) -> tuple[Effect, ...]:
        """Process the final answer to a NOTIFY: a refusal for good ends the subscription.

        Spec: RFC 6665 §4.2.2.
        """
        return self._end(SubscriptionEvent.REFUSED, SubscriptionEndReason.REFUSED) if status in FATAL else ()

    def lost(self) -> tuple[Effect, ...]:
        """End it because the subscriber's connection is gone; nothing is sent."""
        return self._end(SubscriptionEvent.LOST, SubscriptionEndReason.CONNECTION_LOST)

    def _move(self, event: SubscriptionEvent) -> tuple[Step, ...]:
        state, steps = SUBSCRIPTION[self.state].get(event, (self.state, ()))
        self.state = state
        return steps

    def _end(self, event: SubscriptionEvent, reason: SubscriptionEndReason, last_words: str = "") -> tuple[Effect, ...]:
        steps = self._move(event)
        if Step.END not in steps:
            return ()
        self._until = None
        if Step.NOTIFY in steps:
            return self._notify(None, last_words), SubscriptionEnded(reason)
        return (SubscriptionEnded(reason),)

    def _state_now(self, now: float) -> str:
        if self.state is SubscriptionState.ACTIVE:
            return f"active;expires={self.remaining_s(now)}"
        return _OVER

    def _grant(self, document: Document | None, now: float) -> Grant:
        left_s = self.remaining_s(now)
        is_active = self.state is SubscriptionState.ACTIVE
        headers = [
            ("Event", self.event),
            ("Expires", str(left_s)),
            ("subscription-state", f"active;expires={left_s}" if is_active else _OVER),
            # One a line: a real client compares whole values.
            *[("Supported", way) for way in (BENOTIFY, PIGGYBACK, AUTOEXTEND) if way in self._ways],
            *self._shared,
        ]
        if document is None or PIGGYBACK not in self._ways:
            return Grant(tuple(headers))
        # The notification that the answer carries uses up a number of the dialog.
        headers.append(("ms-piggyback-cseq", str(self.dialog.take_seq())))
        return Grant(tuple(headers), document)

    def _notify(self, document: Document | None, state: str) -> SendNotify:
        method = "BENOTIFY" if BENOTIFY in self._ways else "NOTIFY"
        lines = self._lines(state, "" if document is None else document.content_type)
        return SendNotify(self.dialog.next_request(method, lines, b"" if document is None else document.body))

    def _lines(self, state: str, content_type: str) -> Headers:
        """Give what stands in a notification besides the dialog's: mostly the same as in the one before."""
        last = self._last
        if last is None or last[0] != state or last[1] != content_type:
            lines = [("Event", self.event), ("subscription-state", state), *self._shared]
            if self._contact:
                lines.append(("Contact", self._contact))
            if content_type:
                lines.append(("Content-Type", content_type))
            last = self._last = (state, content_type, Headers(lines))
        return last[2]


def ways_of(request: Request) -> frozenset[str]:
    """Give which of the three extensions the subscriber supports."""
    return _WAYS_IN[_WAYS[-1].union(*map(_ways_in, request.headers.get_all("Supported")))]


@remembered
def _ways_in(value: str) -> frozenset[str]:
    return _WAYS[0].intersection(token.lower() for token in split_list(value))


def granted_s(asked_s: int | None, terms: SubscriptionTerms) -> int:
    """Give the seconds that a subscription lasts; 0 is a poll or the end.

    Raises:
        TooBrief: Less was asked than the terms allow, and not nothing.

    Spec: RFC 6665 §4.2.1.1: what is granted is never longer than what was asked.
    """
    if asked_s == 0 or terms.once:
        return 0
    if asked_s is None:
        return terms.default_s
    if asked_s < terms.minimum_s:
        raise TooBrief(terms.minimum_s)
    return min(asked_s, terms.maximum_s)
