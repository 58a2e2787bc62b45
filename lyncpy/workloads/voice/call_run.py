"""One call on its way to somebody who answers: does what the walk through its plan says.

Each of those who ring is a leg: all devices of one user, or a telephone. What a leg answers is given to the walk, and
what the walk then wants is done, in order.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.refusal import Diagnostics, Refused, WorldUnavailable, translated
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.forward import ELSEWHERE, ForkResult
from lyncpy.core.spawn import spawn
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.voice.model.call_rules import DEVICES, Target, TargetKind, target_of
from lyncpy.workloads.voice.model.call_walk import (
    FORWARDED,
    NO_RESPONSE,
    PROGRESS,
    REDIRECT,
    Accept,
    CallEffect,
    CancelRinging,
    HangUp,
    Moved,
    Progress,
    Refuse,
    Ring,
    answered,
    expire,
    given_up,
)
from lyncpy.workloads.voice.trunks import Leg

TOLD: Final[Mapping[int, Diagnostics]] = {
    one.error_id: one
    for one in (
        Diagnostics(13000, "Call to self loop"),
        Diagnostics(13002, "The routing rules did not result in a final response"),
        Diagnostics(13004, "Request was proxied to one or more registered endpoints"),
        Diagnostics(13005, "Request was proxied to one or more additional targets"),
        Diagnostics(13006, "Request was forwarded, any previous branches were cancelled"),
        Diagnostics(13007, "Request was proxied to an application"),
    )
}
"""What callers are told of what the walk says ([MS-OCER] 6)."""

HIDDEN: Final = Diagnostics(13008, "Diagnostic headers were removed for privacy")
"""In place of what a telephone's network says: that the call went to one, and to which, is the user's affair."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a call has come to somebody who is to ring."""

    target: Target
    via: tuple[Target, ...] = ()
    """Who has diverted it on its way, by an answer; the first is whom it was sent to by the rules."""

    diversion: str = ""
    """Why it is diverted, as Diversion says it (RFC 5806); "": whoever rang before rings still."""


MakesLegs = Callable[[Way], Awaitable[Leg]]
"""Prepares to ring somebody; raises Refused where they cannot be rung."""


class CallRun:
    """One call.

    Args:
        arrival: The INVITE.
        timers: The clock.
        makes: Prepares the legs.
        resolved: Gives the person whose number a telephone has.
        moved: Where the call begins, and what is to be done first.
    """

    log = Logger()

    def __init__(
        self, arrival: Arrival, timers: ITimers, makes: MakesLegs, resolved: Callable[[Target], Target], moved: Moved
    ) -> None:
        self._arrival = arrival
        self._timers = timers
        self._makes = makes
        self._resolved = resolved
        self._walk, self._first = moved
        self._legs: dict[Target, Leg] = {}
        """Of those who ring, and who has accepted."""

        self._outcomes: dict[Target, ForkResult] = {}
        """Of those who have answered by themselves."""

        self._via: dict[Target, tuple[Target, ...]] = {}
        """Through whom a call has come to somebody whom an endpoint has named."""

        self._untold: set[int] = set()
        self._effects: deque[tuple[CallEffect, bool]] = deque()
        self._is_busy = False
        self._deadline = Deadline(timers, self._expire)
        self._done: Deferred[ForkResult] = Deferred()

    async def run(self) -> ForkResult:
        """Have it ring; give its one answer. May be called once."""
        # Before any leg hears of it: a leg that is given up must not be taken for one that refuses.
        self._arrival.on_cancel(self._give_up)
        try:
            if not self._done.called:
                self._move((self._walk, self._first))
            return await self._done
        finally:
            self._deadline.clear()
            self._arrival.forget(self._give_up)

    # --- what happens

    def _expire(self) -> None:
        self._move(expire(self._walk, self._timers.now()))

    def _give_up(self) -> None:
        if not self._done.called:
            self._move(given_up(self._walk))
            self._done.callback(ForkResult(response_to(self._arrival.request, 487), None))

    async def _ring(self, way: Way) -> None:
        """Ring somebody until they answer, or until they are given up."""
        target, request = way.target, self._arrival.request
        try:
            leg = await self._makes(way)
            if target not in self._walk.ringing:  # they were given up before they could be rung
                return
            self._legs[target] = leg
            self._tell_progress()
            outcome = await leg.run()
        except (Refused, WorldUnavailable, RemoteProtocolError) as error:
            outcome = ForkResult(_unreachable(target, translated(error)).response(request), None)
        if target not in self._walk.ringing:
            return
        self._outcomes[target] = outcome
        contact = self._contact(way, outcome.response)
        self._move(answered(self._walk, target, outcome.response.status, self._timers.now(), contact=contact))

    def _contact(self, way: Way, response: Response) -> Target | None:
        """Give to whom an endpoint diverts the call; None: to nobody."""
        if response.status != REDIRECT:
            return None
        try:
            contacts = response.contacts
        except RemoteProtocolError:
            return None
        contact = target_of(contacts[0].uri) if contacts else None
        if contact is None:
            return None
        contact = self._resolved(contact)
        self._via.setdefault(contact, (*way.via, way.target))
        return contact

    # --- what is done

    def _move(self, moved: Moved) -> None:
        """Go where the walk goes, and do what it wants; what that brings about comes behind it."""
        self._walk, effects = moved
        is_answered = any(isinstance(effect, Accept) for effect in effects)
        self._effects.extend((effect, is_answered) for effect in effects)
        if self._is_busy:
            return
        self._is_busy = True
        while self._effects:
            self._do(*self._effects.popleft())
        self._is_busy = False
        if self._walk.deadline is None:
            self._deadline.clear()
        else:
            self._deadline.set(max(self._walk.deadline - self._timers.now(), 0.0))

    def _do(self, effect: CallEffect, is_answered: bool) -> None:
        match effect:
            case Ring(target):
                spawn(self._ring(self._way(target)), self.log, "ringing somebody")
            case CancelRinging(target):
                if (leg := self._legs.pop(target, None)) is not None:
                    leg.give_up(ELSEWHERE if is_answered else None)
            case HangUp(target):
                if (leg := self._legs.pop(target, None)) is not None:
                    leg.hang_up()
            case Progress(error_id):
                self._untold.add(error_id)
                self._tell_progress()
            case Accept(target):
                self._finish(self._outcomes[target])
            case Refuse(status, error_id):
                self._finish(self._refusal(status, error_id))

    def _finish(self, outcome: ForkResult) -> None:
        if not self._done.called:
            self._done.callback(outcome)

    def _tell_progress(self) -> None:
        """Tell the caller what goes on, as soon as it is true."""
        rung = {PROGRESS[target.kind] for target in self._legs if target in self._walk.ringing}
        for error_id in sorted(self._untold & (rung | {FORWARDED})):
            self._untold.discard(error_id)
            headers = [TOLD[error_id].header()]
            report = response_to(self._arrival.request, 101, phrase="Progress Report", headers=headers)
            self._arrival.provisional(report)

    def _way(self, target: Target) -> Way:
        return Way(target, self._via.get(target, ()), self._diversion(target))

    def _diversion(self, target: Target) -> str:
        """Say why somebody rings and the user does not, in the words of RFC 5806."""
        if target in self._via:
            return "deflection"
        if target == DEVICES or DEVICES in self._walk.ringing:
            return ""
        own = self._outcomes.get(DEVICES)
        if own is None:
            return "no-answer" if DEVICES in self._walk.called else "unconditional"
        return (
            "user-busy" if own.response.status in (486, 600) else "unavailable" if own.endpoint is None else "no-answer"
        )

    def _refusal(self, status: int, error_id: int) -> ForkResult:
        """Give the answer to the caller: that of somebody, as they gave it, or one made here."""
        if error_id == NO_RESPONSE:
            said = self._own_refusal()
        else:
            said = next(((one, got) for one, got in self._outcomes.items() if got.response.status == status), None)
        if said is None:
            made = Refused(status, TOLD[error_id or NO_RESPONSE])
            return ForkResult(made.response(self._arrival.request), None)
        target, outcome = said
        if target.kind is TargetKind.NUMBER and outcome.endpoint is not None:
            return ForkResult(Refused(outcome.response.status, HIDDEN).response(self._arrival.request), None)
        return outcome

    def _own_refusal(self) -> tuple[Target, ForkResult] | None:
        """Give what says most where everybody's answer says little: the user's devices, or what keeps a telephone from being called."""
        own = self._outcomes.get(DEVICES)
        if own is not None and (own.endpoint is not None or self._walk.called == {DEVICES}):
            return DEVICES, own
        return next(((one, got) for one, got in self._outcomes.items() if one.kind is TargetKind.NUMBER), None)


def _unreachable(target: Target, no: Refused) -> Refused:
    """Say that somebody cannot be rung: of others than the user, what they are is not the caller's affair."""
    return no if target == DEVICES or no.status == 483 or no.status >= 500 else Refused(480, no.diagnostics)
