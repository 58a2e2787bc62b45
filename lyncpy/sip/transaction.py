"""Three machines of RFC 3261 §17, as tables, for streams.

Each table says for each state which event leads where, and what is done on the way. An
event that a state does not list is ignored. On a stream nothing is sent twice, so the
timers A, E and G do not exist, and D, I, J and K are zero: a state that waits for one of
them is left in the same breath. What remains is patience: for the answer, and for what
may still come after it. The user of a machine performs its effects and calls `expire` at
its `deadline`.

States that RFC 6026 added for 2xx answers are included. Not here: headers and sending; and the fourth machine, of a
server without INVITE, of which nothing is left on a stream but its answer (`core/server_transactions.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.enums import IdentityEnum
from lyncpy.sip.headers import branch_and_sender
from lyncpy.sip.message import Request

LINGER_S: Final = 32.0
"""64 times T1: RFC 3261's patience for what comes late."""

COOKIE: Final = "z9hg4bk"
"""A branch that begins so, in any case, names its transaction (RFC 3261 §8.1.1.7)."""


class TransactionState(IdentityEnum):
    """Where a transaction is; the values are those of the RFCs' figures."""

    TRYING = "trying"
    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    """Ours: CANCEL was sent for it. Some clients never answer one, and send their 2xx later all the same."""

    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ABANDONED = "abandoned"
    """Ours: the user was told that nobody answered; somebody still may."""

    TERMINATED = "terminated"


class TransactionEvent(IdentityEnum):
    """What may happen to a transaction. Responses are received by a client and made by a server."""

    REQUEST = "the request again"
    ACK = "ACK"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    CANCEL = "the user cancels"
    EXPIRED = "time is up"
    LOST = "connection lost"


class TransactionEffect(IdentityEnum):
    """What its user has to do."""

    SEND = "send the response"
    RESEND = "send the last response again"
    TELL = "tell the user"
    TELL_LATE = "tell the user of a further 2xx"
    ACKNOWLEDGE = "send ACK"
    CANCEL = "send CANCEL"
    TIMEOUT = "give up"
    GONE = "tell that the connection is gone"
    END = "forget"


class StateDuration(IdentityEnum):
    """How long a state lasts by itself."""

    ANSWER = "until the answer is overdue"
    LINGER = "64*T1"
    ZERO = "no time at all, on a stream"
    EVER = "for ever"


Move = tuple[TransactionState, tuple[TransactionEffect, ...]]
_END: Final[Move] = (TransactionState.TERMINATED, (TransactionEffect.END,))
_LOST: Final[Move] = (TransactionState.TERMINATED, (TransactionEffect.GONE, TransactionEffect.END))


@dataclass(frozen=True, slots=True)
class Rules:
    """One machine: where it begins, its moves, and how long each state lasts."""

    name: str
    first: TransactionState
    moves: Mapping[TransactionState, Mapping[TransactionEvent, Move]]
    waits: Mapping[TransactionState, StateDuration]


# RFC 3261 figure 5, with RFC 6026 §8.4. CANCEL is sent also before a 1xx (against §9.1): on a
# stream it cannot overtake its INVITE, and there are clients that never send a 1xx.
_UNANSWERED: Final[Mapping[TransactionEvent, Move]] = {
    TransactionEvent.PROVISIONAL: (TransactionState.PROCEEDING, (TransactionEffect.TELL,)),
    TransactionEvent.SUCCESS: (TransactionState.ACCEPTED, (TransactionEffect.TELL,)),
    TransactionEvent.FAILURE: (
        TransactionState.COMPLETED,
        (TransactionEffect.ACKNOWLEDGE, TransactionEffect.TELL),
    ),
    TransactionEvent.CANCEL: (TransactionState.CANCELLING, (TransactionEffect.CANCEL,)),
    TransactionEvent.EXPIRED: (
        TransactionState.ABANDONED,
        (TransactionEffect.CANCEL, TransactionEffect.TIMEOUT),
    ),
    TransactionEvent.LOST: _LOST,
}
"""What becomes of an INVITE that has no final answer, with a provisional one or without."""

INVITE_CLIENT: Final = Rules(
    "INVITE client",
    TransactionState.CALLING,
    {
        TransactionState.CALLING: _UNANSWERED,
        TransactionState.PROCEEDING: _UNANSWERED,
        TransactionState.CANCELLING: {
            TransactionEvent.PROVISIONAL: (TransactionState.CANCELLING, (TransactionEffect.TELL,)),
            TransactionEvent.SUCCESS: (TransactionState.ACCEPTED, (TransactionEffect.TELL,)),
            TransactionEvent.FAILURE: (
                TransactionState.COMPLETED,
                (TransactionEffect.ACKNOWLEDGE, TransactionEffect.TELL),
            ),
            TransactionEvent.EXPIRED: (TransactionState.ABANDONED, (TransactionEffect.TIMEOUT,)),
            TransactionEvent.LOST: _LOST,
        },
        TransactionState.ACCEPTED: {
            TransactionEvent.SUCCESS: (TransactionState.ACCEPTED, (TransactionEffect.TELL_LATE,)),
            TransactionEvent.EXPIRED: _END,
            TransactionEvent.LOST: _END,
        },
        TransactionState.ABANDONED: {
            TransactionEvent.SUCCESS: (TransactionState.ABANDONED, (TransactionEffect.TELL_LATE,)),
            TransactionEvent.FAILURE: (TransactionState.COMPLETED, (TransactionEffect.ACKNOWLEDGE,)),
            TransactionEvent.EXPIRED: _END,
            TransactionEvent.LOST: _END,
        },
        TransactionState.COMPLETED: {TransactionEvent.EXPIRED: _END, TransactionEvent.LOST: _END},
        TransactionState.TERMINATED: {},
    },
    {
        TransactionState.CALLING: StateDuration.ANSWER,
        TransactionState.PROCEEDING: StateDuration.ANSWER,
        TransactionState.CANCELLING: StateDuration.LINGER,  # §9.1
        TransactionState.ACCEPTED: StateDuration.LINGER,  # timer M
        TransactionState.ABANDONED: StateDuration.LINGER,
        TransactionState.COMPLETED: StateDuration.ZERO,  # timer D
        TransactionState.TERMINATED: StateDuration.EVER,
    },
)

# RFC 3261 figure 6.
NON_INVITE_CLIENT: Final = Rules(
    "non-INVITE client",
    TransactionState.TRYING,
    {
        TransactionState.TRYING: {
            TransactionEvent.PROVISIONAL: (TransactionState.PROCEEDING, (TransactionEffect.TELL,)),
            TransactionEvent.SUCCESS: (TransactionState.COMPLETED, (TransactionEffect.TELL,)),
            TransactionEvent.FAILURE: (TransactionState.COMPLETED, (TransactionEffect.TELL,)),
            TransactionEvent.EXPIRED: (TransactionState.TERMINATED, (TransactionEffect.TIMEOUT, TransactionEffect.END)),
            TransactionEvent.LOST: _LOST,
        },
        TransactionState.PROCEEDING: {
            TransactionEvent.PROVISIONAL: (TransactionState.PROCEEDING, (TransactionEffect.TELL,)),
            TransactionEvent.SUCCESS: (TransactionState.COMPLETED, (TransactionEffect.TELL,)),
            TransactionEvent.FAILURE: (TransactionState.COMPLETED, (TransactionEffect.TELL,)),
            TransactionEvent.EXPIRED: (TransactionState.TERMINATED, (TransactionEffect.TIMEOUT, TransactionEffect.END)),
            TransactionEvent.LOST: _LOST,
        },
        TransactionState.COMPLETED: {TransactionEvent.EXPIRED: _END, TransactionEvent.LOST: _END},
        TransactionState.TERMINATED: {},
    },
    {
        TransactionState.TRYING: StateDuration.ANSWER,  # timer F
        TransactionState.PROCEEDING: StateDuration.ANSWER,
        TransactionState.COMPLETED: StateDuration.ZERO,  # timer K
        TransactionState.TERMINATED: StateDuration.EVER,
    },
)

# RFC 3261 figure 7, with RFC 6026 §8.2. A client that never acknowledges a failure is common
# enough: its transaction ends by itself, silently.
INVITE_SERVER: Final = Rules(
    "INVITE server",
    TransactionState.PROCEEDING,
    {
        TransactionState.PROCEEDING: {
            TransactionEvent.REQUEST: (TransactionState.PROCEEDING, (TransactionEffect.RESEND,)),
            TransactionEvent.PROVISIONAL: (TransactionState.PROCEEDING, (TransactionEffect.SEND,)),
            TransactionEvent.SUCCESS: (TransactionState.ACCEPTED, (TransactionEffect.SEND,)),
            TransactionEvent.FAILURE: (TransactionState.COMPLETED, (TransactionEffect.SEND,)),
            TransactionEvent.EXPIRED: (TransactionState.COMPLETED, (TransactionEffect.TIMEOUT,)),
            TransactionEvent.LOST: _LOST,
        },
        TransactionState.ACCEPTED: {
            TransactionEvent.REQUEST: (TransactionState.ACCEPTED, (TransactionEffect.RESEND,)),
            TransactionEvent.ACK: (TransactionState.ACCEPTED, (TransactionEffect.TELL,)),
            TransactionEvent.EXPIRED: _END,
            TransactionEvent.LOST: _END,
        },
        TransactionState.COMPLETED: {
            TransactionEvent.REQUEST: (TransactionState.COMPLETED, (TransactionEffect.RESEND,)),
            TransactionEvent.ACK: (TransactionState.CONFIRMED, ()),
            TransactionEvent.EXPIRED: _END,
            TransactionEvent.LOST: _END,
        },
        TransactionState.CONFIRMED: {TransactionEvent.EXPIRED: _END, TransactionEvent.LOST: _END},
        TransactionState.TERMINATED: {},
    },
    {
        TransactionState.PROCEEDING: StateDuration.ANSWER,
        TransactionState.ACCEPTED: StateDuration.LINGER,  # timer L
        TransactionState.COMPLETED: StateDuration.LINGER,  # timer H
        TransactionState.CONFIRMED: StateDuration.ZERO,  # timer I
        TransactionState.TERMINATED: StateDuration.EVER,
    },
)

ALL_RULES: Final = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER)


class Transaction:
    """One transaction: looks its moves up in its rules.

    Args:
        rules: One of the three tables.
        now: Monotonic seconds at which it began.
        answer_s: Seconds after which the final response is overdue, counted from the beginning;
            a provisional response does not prolong it.
        linger_s: Seconds for which an answered INVITE is remembered.
    """

    __slots__ = ("_deadline", "_linger_s", "_overdue_at", "_rules", "state")

    def __init__(self, rules: Rules, now: float, *, answer_s: float, linger_s: float = LINGER_S) -> None:
        self.state = rules.first
        self._rules = rules
        self._overdue_at = now + answer_s
        self._linger_s = linger_s
        self._deadline: float | None = self._overdue_at

    def receive(self, event: TransactionEvent, now: float) -> tuple[TransactionEffect, ...]:
        """Make the move of this event; the effects are to be performed in order."""
        move = self._rules.moves[self.state].get(event)
        if move is None:
            return ()
        state, effects = move
        if state is self.state:
            return effects
        self.state = state
        wait = self._rules.waits[state]
        if wait is StateDuration.ZERO:
            return effects + self.receive(TransactionEvent.EXPIRED, now)
        if wait is StateDuration.EVER:
            self._deadline = None
        else:
            self._deadline = self._overdue_at if wait is StateDuration.ANSWER else now + self._linger_s
        return effects

    def expire(self, now: float) -> tuple[TransactionEffect, ...]:
        """Make the move that time makes, if its deadline has come."""
        if self._deadline is None or now < self._deadline:
            return ()
        return self.receive(TransactionEvent.EXPIRED, now)

    def deadline(self) -> float | None:
        """Give the monotonic seconds of the next `expire`; None when it has ended."""
        return self._deadline


def answer_event(status: int) -> TransactionEvent:
    """Give the event that a response of this status is."""
    if status < 200:
        return TransactionEvent.PROVISIONAL
    return TransactionEvent.SUCCESS if status < 300 else TransactionEvent.FAILURE


Key = tuple[str, str, str]


def server_key(request: Request, method: str | None = None) -> Key:
    """Name the server transaction that a request belongs to, within its connection.

    A branch with the magic cookie names it, with the sent-by of its Via; without one,
    Call-ID, CSeq number and From tag do. An ACK names its INVITE's.

    The Call-ID alone names nothing: real clients that start in the same second choose the
    same ones. Hence the caller keeps a table for each connection.

    Args:
        method: Of the transaction looked for, if not the request's own: INVITE for a CANCEL.

    Raises:
        RemoteProtocolError: A header that the name is made of is broken.

    Spec: RFC 3261 §17.2.3.
    """
    wanted = method or ("INVITE" if request.method == "ACK" else request.method)
    layout = request.headers.layout
    found = branch_and_sender(request.headers.lines[layout.places["via"]]) if "via" in layout.places else None
    if found is None:
        via = request.via
        found = via.branch or "", f"{via.host}:{via.port or ''}"
    branch = found[0]
    if branch[: len(COOKIE)].lower() == COOKIE and len(branch) > len(COOKIE):
        return wanted, *found
    # COMPAT pidgin-sipe 1.25: every request of a dialog has a Via without a branch.
    return wanted, f"{request.call_id} {request.cseq.number}", request.from_.tag or ""
