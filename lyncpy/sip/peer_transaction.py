"""Transactions with servers of others, over UDP too: the machines of RFC 3261 §17 with all of their timers.

Those of `sip.transaction` are for clients of ours, on streams. Between servers, datagrams are lost: a request is sent
again until something is heard (timers A and E), a refusal until it is acknowledged (G), an acceptance on streams as well
(§13.3.1.4), and what was answered is remembered for what comes again (D, I, J, K). On a stream the latter are zero. The
user of a machine performs its effects in order, and calls `expire` at its `deadline`.

Spec: RFC 3261 §13.3.1.4, §17.1, §17.2; RFC 6026.
"""

from typing import Final

from lyncpy.sip.enums import IdentityEnum
from lyncpy.sip.transaction import LINGER_S, TransactionEffect

T1_S: Final = 0.5
"""Seconds that an answer is thought to take, there and back."""

T2_S: Final = 4.0
"""Most seconds from one repetition to the next, but for an INVITE."""

T4_S: Final = 5.0
"""Seconds that a datagram may be under way."""

Effects = tuple[TransactionEffect, ...]


class PeerState(IdentityEnum):
    """Where a transaction is."""

    ASKING = "nothing was heard"
    PROCEEDING = "a provisional answer"
    ACCEPTED = "2xx to an INVITE"
    REFUSED = "refused, not acknowledged"
    CONFIRMED = "refused, and acknowledged"
    ANSWERED = "over, but what comes again is known"
    ENDED = "over"


class _Machine:
    """What both sides have in common: when something is sent again, and when the state ends.

    Attributes:
        state: Where it is.
    """

    __slots__ = ("_again_at", "_ends_at", "_interval_s", "_invites", "_most_s", "_reliable", "state")

    def __init__(self, *, invites: bool, reliable: bool) -> None:
        self.state = PeerState.ASKING
        self._invites = invites
        self._reliable = reliable
        self._ends_at: float | None = None
        self._again_at: float | None = None
        self._interval_s = T1_S
        self._most_s = T2_S

    def deadline(self) -> float | None:
        """Give the monotonic seconds of the next `expire`; None: there is none."""
        due = [at for at in (self._again_at, self._ends_at) if at is not None]
        return min(due) if due else None

    def expire(self, now: float) -> Effects:
        """Do what time does: something is sent again, or the state ends."""
        if self._ends_at is not None and now >= self._ends_at:
            return self._ended(now)
        if self._again_at is None or now < self._again_at:
            return ()
        self._interval_s = min(2 * self._interval_s, self._most_s)
        self._again_at = now + self._interval_s
        return (TransactionEffect.RESEND,)

    def _ended(self, now: float) -> Effects:
        raise NotImplementedError  # pragma: no cover - both sides have theirs

    def _repeat(self, now: float, most_s: float = T2_S) -> None:
        """Send again from now on, at growing distances."""
        self._interval_s, self._most_s = T1_S, most_s
        self._again_at = now + T1_S

    def _rest(self, state: PeerState, ends_at: float | None) -> None:
        """Send nothing again; wait for the end of this state."""
        self.state, self._again_at, self._ends_at = state, None, ends_at

    def _end(self) -> Effects:
        self._rest(PeerState.ENDED, None)
        return (TransactionEffect.END,)


class PeerClient(_Machine):
    """A request of ours to another server (RFC 3261 §17.1).

    Args:
        now: Monotonic seconds at which the request was sent.
        invites: Whether it is an INVITE.
        reliable: Whether it was sent over a stream.
        answer_s: Seconds until something has to be heard: of an INVITE anything, of others the final answer (B, F).
        ringing_s: Seconds from the first provisional answer to an INVITE until it is given up (C).
    """

    __slots__ = ("_cancelled", "_ringing_s", "_told")

    def __init__(
        self, now: float, *, invites: bool, reliable: bool, answer_s: float, ringing_s: float = LINGER_S
    ) -> None:
        super().__init__(invites=invites, reliable=reliable)
        self._ringing_s = ringing_s
        self._cancelled = False
        self._told = False
        self._ends_at = now + answer_s
        if not reliable:
            self._repeat(now, most_s=LINGER_S if invites else T2_S)

    def receive(self, status: int, now: float) -> Effects:
        """Process a response."""
        if self.state in (PeerState.ASKING, PeerState.PROCEEDING):
            return self._receive_first(status, now)
        if self.state is PeerState.ACCEPTED and 200 <= status < 300:
            return (TransactionEffect.TELL_LATE,)
        if self.state is PeerState.ANSWERED and self._invites and status >= 300:
            return (TransactionEffect.ACKNOWLEDGE,)
        return ()

    def _receive_first(self, status: int, now: float) -> Effects:
        if status < 200:
            return self._provisional(now)
        tell = () if self._told else (TransactionEffect.TELL,)
        if self._invites and status < 300:
            self._rest(PeerState.ACCEPTED, now + LINGER_S)
            return tell or (TransactionEffect.TELL_LATE,)
        effects = ((TransactionEffect.ACKNOWLEDGE,) if self._invites else ()) + tell
        if self._reliable:
            return effects + self._end()
        self._rest(PeerState.ANSWERED, now + (LINGER_S if self._invites else T4_S))
        return effects

    def _provisional(self, now: float) -> Effects:
        is_first, self.state = self.state is PeerState.ASKING, PeerState.PROCEEDING
        if not self._invites:
            if self._again_at is not None:
                self._interval_s = T2_S
            return (TransactionEffect.TELL,)
        self._again_at = None
        if self._cancelled:
            return (TransactionEffect.CANCEL,) if is_first else ()
        if is_first:
            self._ends_at = now + self._ringing_s
        return (TransactionEffect.TELL,)

    def cancel(self, now: float) -> Effects:
        """Want no answer any more: CANCEL is sent as soon as something was heard (§9.1). May be called at any time."""
        if not self._invites or self._cancelled or self.state not in (PeerState.ASKING, PeerState.PROCEEDING):
            return ()
        self._cancelled = True
        if self.state is PeerState.ASKING:
            return ()
        self._ends_at = now + LINGER_S
        return (TransactionEffect.CANCEL,)

    def _ended(self, now: float) -> Effects:
        if self.state is PeerState.PROCEEDING and self._invites and not self._cancelled:
            self._cancelled = self._told = True
            self._ends_at = now + LINGER_S
            return TransactionEffect.TIMEOUT, TransactionEffect.CANCEL
        is_silent = self.state in (PeerState.ASKING, PeerState.PROCEEDING) and not self._told
        return ((TransactionEffect.TIMEOUT,) if is_silent else ()) + self._end()


class PeerServer(_Machine):
    """A request of another server to us (RFC 3261 §17.2)."""

    __slots__ = ()

    def repeat(self) -> Effects:
        """Process the request when it comes again."""
        known = (PeerState.PROCEEDING, PeerState.REFUSED, PeerState.ANSWERED)
        return (TransactionEffect.RESEND,) if self.state in known else ()

    def respond(self, status: int, now: float) -> Effects:
        """Answer; a second final answer is dropped."""
        if self.state not in (PeerState.ASKING, PeerState.PROCEEDING):
            return ()
        if status < 200:
            self.state = PeerState.PROCEEDING
            return (TransactionEffect.SEND,)
        if not self._invites:
            if self._reliable:
                return (TransactionEffect.SEND, *self._end())
            self._rest(PeerState.ANSWERED, now + LINGER_S)
            return (TransactionEffect.SEND,)
        self._rest(PeerState.ACCEPTED if status < 300 else PeerState.REFUSED, now + LINGER_S)
        if status < 300 or not self._reliable:
            self._repeat(now)
        return (TransactionEffect.SEND,)

    def acknowledge(self, now: float) -> Effects:
        """Process the ACK of the final answer to an INVITE: nothing is sent again."""
        if self.state is PeerState.ACCEPTED:
            self._again_at = None
        elif self.state is PeerState.REFUSED:
            if self._reliable:
                return self._end()
            self._rest(PeerState.CONFIRMED, now + T4_S)
        return ()

    def _ended(self, now: float) -> Effects:
        # Nobody has acknowledged: of a call that was accepted its user has to know (§13.3.1.4).
        is_lost = self.state is PeerState.ACCEPTED and self._again_at is not None
        return ((TransactionEffect.TIMEOUT,) if is_lost else ()) + self._end()
