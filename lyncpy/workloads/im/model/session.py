"""A session between two users: its sides, its states, and what its call detail record says; pure.

A session is a value: each function returns it as it is afterwards. `at` is wall-clock seconds, for the
record; `now` is monotonic seconds, for its `deadline`. What changes with each request in it, its counts and
the sequence numbers of its sides, are plain counters that all its values share: a message writes no new value.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lyncpy.contracts.facts import EndpointGoneReason
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, bare
from lyncpy.contracts.records import SessionRecord
from lyncpy.sip.headers import first_of_list
from lyncpy.sip.message import Request, Response
from lyncpy.sip.sdp import media_of

EARLY_MAXIMUM: Final = 64
"""Early dialogs of one invitation that are noted; in a further one, requests go by their Request-URI alone."""


class SessionState(enum.Enum):
    """Where a session is."""

    INVITED = "invited"
    """Nobody has accepted; devices of the callee may be in early dialogs (RFC 3261 §12.1)."""

    ESTABLISHED = "established"
    TERMINATED = "terminated"


class SessionEvent(enum.Enum):
    """What may happen to a session."""

    ACCEPTED = "2xx to the INVITE"
    REFUSED = "3xx-6xx to the INVITE"
    ENDED = "BYE, or the server ends it"
    EXPIRED = "nothing sent for too long"


SESSION: Final[Mapping[SessionState, Mapping[SessionEvent, SessionState]]] = {
    SessionState.INVITED: {
        SessionEvent.ACCEPTED: SessionState.ESTABLISHED,
        SessionEvent.REFUSED: SessionState.TERMINATED,
        SessionEvent.ENDED: SessionState.TERMINATED,
        SessionEvent.EXPIRED: SessionState.TERMINATED,
    },
    SessionState.ESTABLISHED: {
        SessionEvent.ENDED: SessionState.TERMINATED,
        SessionEvent.EXPIRED: SessionState.TERMINATED,
    },
    SessionState.TERMINATED: {},
}
"""The states of a session (RFC 3261 §12, §13): of the whole invitation, whatever early dialogs its fork has."""

# Asked for several times for each message: a member of an Enum costs 0.1 µs in Python 3.11, a name does not.
_ESTABLISHED: Final = SessionState.ESTABLISHED


class EndedBy(enum.Enum):
    """Who ended a session; the value is the word in its call detail record."""

    CALLER = "user1"
    CALLEE = "user2"
    SERVER = "server"


class EndReason(enum.Enum):
    """Why a session ended; the value is the word in its call detail record."""

    BYE = "bye"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    TIMED_OUT = "timed out"
    CONNECTION_LOST = "connection lost"
    IDLE = "idle"
    BLOCKED = "blocked"
    OPERATOR = "operator"
    RESTART = "restart"
    SINGLE_MESSAGE = "single message"
    """It was a message without a dialog."""

    FORWARDED = "forwarded"
    """Somebody else took the call, whose record has the same Call-ID."""

    CONFERENCE_INVITATION = "conference invitation"
    """It was an accepted invitation to a conference, whose dialog ends with its answer."""


FORWARDED: Final = 181
"""Call Is Being Forwarded: what the record of who was called has as its answer where somebody else took the call."""

REFUSALS: Final[Mapping[int, EndReason]] = {
    408: EndReason.TIMED_OUT,
    430: EndReason.CONNECTION_LOST,
    487: EndReason.CANCELLED,
}
"""Why an invitation was not accepted, where its status tells; else it was rejected."""


@dataclass(slots=True)
class Side:
    """One of the two sides of a session; only its counter changes."""

    aor: Aor
    epid: Epid
    tag: str
    cseq: int = 0
    """The highest CSeq number that this side has sent in the dialog."""


@dataclass(slots=True)
class MessageCounts:
    """The messages of a session so far: counted at each, read when its record is written."""

    of_caller: int = 0
    of_callee: int = 0
    """Delivered, each: the receiver's own 2xx has come."""

    failed: int = 0
    last_at: float = 0.0
    """When the last one was counted, in monotonic seconds; 0: none was."""

    is_news: bool = False
    """Whether one was counted that waits for being recorded; see `Sessions.count`."""


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """The answer of the archive's policy about the people in a conversation."""

    demands: bool
    """Whether their messages have to be archived."""

    edition: int
    """The edition of policies when it was asked; see `Archiving.edition`."""


@dataclass(frozen=True, slots=True)
class Session:
    """A dialog between two users, or an invitation to one."""

    record: SessionRecord
    """Its call detail record as it is now, but for the counts: `recorded` has these, too."""

    caller: Side
    callee: Side
    active_at: float
    """When it began or was accepted, the later of both, in monotonic seconds."""

    idle_s: float
    """Seconds after `active_at`, or its last message, at which it ends by itself."""

    state: SessionState = SessionState.INVITED
    is_despite: bool = False
    """Whether its caller had blocked the callee already when they invited them."""

    early: tuple[Side, ...] = ()
    """The early dialogs: devices of the callee that have sent something while none of them has accepted."""

    policy: ArchivePolicy | None = None
    """The archive's policy for the two; None: it has not been asked yet."""

    counts: MessageCounts = field(default_factory=MessageCounts)
    """Of all values of this session the same object."""

    @property
    def answered(self) -> bool:
        """Whether somebody has accepted, and it has not ended."""
        return self.state is _ESTABLISHED

    def at_callee(self, tag: str) -> Side | None:
        """Return the callee's side with this tag; None: the tag is that of a device that did not get the call.

        While nobody has accepted, an unknown tag is that of a device which is not known yet.
        """
        if self.answered:
            return self.callee if self.callee.tag in ("", tag) else None
        return next((side for side in self.early if side.tag == tag), Side(self.callee.aor, Epid(""), tag))

    def other(self, side: Side) -> Side:
        """Return the other side."""
        return self.callee if side.tag == self.caller.tag else self.caller

    def ender(self, side: Side) -> EndedBy:
        """Return who has ended it when one of its sides did."""
        return EndedBy.CALLER if side.tag == self.caller.tag else EndedBy.CALLEE


def receive(session: Session, event: SessionEvent) -> Session:
    """Make the move of an event; a session without such a move stays as it is."""
    state = SESSION[session.state].get(event, session.state)
    return session if state is session.state else replace(session, state=state)


def deadline(session: Session) -> float:
    """Return when `expire` ends the session unless something is sent in it, in monotonic seconds."""
    return max(session.active_at, session.counts.last_at) + session.idle_s


def expire(session: Session, now: float, at: float) -> Session:
    """End a session whose deadline has come; before that, return it as it is."""
    if now < deadline(session):
        return session
    return receive(_ended(session, EndedBy.SERVER, EndReason.IDLE.value, at), SessionEvent.EXPIRED)


def accepted(session: Session, response: Response, device: Endpoint, at: float, now: float) -> Session:
    """Note that a device accepted the invitation: of the callee, or of somebody who was called in their place."""
    record = replace(
        session.record,
        to_tag=response.to.tag or "",
        user2=device.aor,
        user2_endpoint=device.instance,
        user2_client=response.headers.get("User-Agent") or session.record.user2_client,
        answered_at=at,
        response_code=response.status,
    )
    tag = response.to.tag or ""
    # Requests of this device before it accepted have used up sequence numbers.
    spoken = next((side.cseq for side in session.early if side.tag == tag), session.callee.cseq)
    callee = replace(session.callee, aor=device.aor, epid=device.epid, tag=tag, cseq=spoken)
    after = replace(session, record=record, callee=callee, active_at=now, early=())
    return receive(after, SessionEvent.ACCEPTED)


def taken(session: Session, session_id: str, at: float) -> SessionRecord:
    """Return the record of an invitation of which somebody else than who was called has made a session of their own.

    Args:
        session_id: Of this record; the session goes on with its own.
    """
    record = replace(session.record, session_id=session_id, response_code=FORWARDED)
    return _ended(replace(session, record=record), EndedBy.CALLEE, EndReason.FORWARDED.value, at).record


def sides(session: Session, from_tag: str, to_tag: str) -> tuple[Side, Side] | None:
    """Return the sending and the receiving side of a dialog in this session; None: it has no such dialog.

    Several devices of the callee may be in an early dialog each, with tags of their own, until
    one of them has accepted.

    Spec: RFC 3261 §12.1, §13.2.2.4.
    """
    # Either side may send; the caller's tag alone never changes.
    if from_tag == session.caller.tag:
        callee = session.at_callee(to_tag)
        return None if callee is None else (session.caller, callee)
    callee = session.at_callee(from_tag)
    return None if callee is None else (callee, session.caller)


def heard_early(session: Session, side: Side) -> Session:
    """Note that a device of the callee is in an early dialog; beyond `EARLY_MAXIMUM` none is noted."""
    if session.answered or len(session.early) >= EARLY_MAXIMUM or any(one.tag == side.tag for one in session.early):
        return session
    return replace(session, early=(*session.early, side))


def refused(session: Session, response: Response, at: float, *, by_server: bool = False) -> Session:
    """Note that nobody accepted the invitation, and why.

    Args:
        by_server: Whether no endpoint sent this response: it was made here.
    """
    reason = REFUSALS.get(response.status, EndReason.REJECTED)
    if reason is EndReason.CANCELLED:
        by = EndedBy.CALLER
    else:
        by = EndedBy.CALLEE if reason is EndReason.REJECTED and not by_server else EndedBy.SERVER
    record = replace(
        session.record,
        answered_at=at,
        ended_at=at,
        response_code=response.status,
        diagnostic_id=diagnostic_id(response),
        ended_by=by.value,
        end_reason=reason.value,
    )
    return receive(replace(session, record=record), SessionEvent.REFUSED)


def ended(
    session: Session,
    by: EndedBy,
    reason: EndReason | EndpointGoneReason,
    at: float,
    message: Request | Response | None = None,
) -> Session:
    """Note the end of a session.

    Args:
        reason: Why it ended, or why the endpoint is gone with which it ended.
        message: The BYE, which may carry the client's diagnostics.
    """
    after = _ended(session, by, reason.value, at)
    found = diagnostic_id(message) if message is not None else None
    if found is not None:
        after = replace(after, record=replace(after.record, diagnostic_id=found))
    return receive(after, SessionEvent.ENDED)


def _ended(session: Session, by: EndedBy, reason: str, at: float) -> Session:
    return replace(session, record=replace(session.record, ended_at=at, ended_by=by.value, end_reason=reason))


def note_sent(side: Side, request: Request) -> None:
    """Note that a side sent a request in the dialog."""
    # The number is needed for the BYE that the server may have to send for this side (RFC 3261 §12.2.1.1).
    number = request.cseq.number
    if number > side.cseq:
        side.cseq = number


def count(session: Session, side_tag: str, now: float, *, delivered: bool) -> None:
    """Count a MESSAGE of a side; it is delivered when the receiver's own 2xx has come."""
    counts = session.counts
    counts.last_at = now
    if not delivered:
        counts.failed += 1
    elif side_tag == session.caller.tag:
        counts.of_caller += 1
    else:
        counts.of_callee += 1


def recorded(session: Session) -> SessionRecord:
    """Return the call detail record of a session as it is now."""
    counts = session.counts
    return replace(
        session.record,
        user1_messages=counts.of_caller,
        user2_messages=counts.of_callee,
        messages_failed=counts.failed,
    )


def ending(session: Session) -> str:
    """Say in words why a session is over, and by whom."""
    record = session.record
    by = {
        EndedBy.CALLER.value: f" by {bare(session.caller.aor)}",
        EndedBy.CALLEE.value: f" by {bare(session.callee.aor)}",
        EndedBy.SERVER.value: " by the server",
    }.get(record.ended_by, "")
    number = f", {record.response_code}" if (record.response_code or 0) >= 300 else ""
    return f"is over{by}: {record.end_reason or 'no reason is known'}{number}"


def media(request: Request) -> str:
    """Return the media that an invitation offers, as in the record's column: sorted, with spaces between."""
    if request.method == "MESSAGE":
        return "im"
    words = (
        media_of(request.body)
        if request.content_type in ("application/sdp", "multipart/alternative", "multipart/mixed")
        else frozenset()
    )
    return " ".join(sorted(words))


def is_call(session: Session, request: Request) -> bool:
    """Tell whether an invitation is a call to a user: with audio or video, and not to one device alone."""
    words = session.record.media.split()
    return ("audio" in words or "video" in words) and not request.target.is_gruu


def tells_of_referral(request: Request) -> bool:
    """Tell whether this is the notification that a REFER in the same dialog asks for (RFC 3515 §2.4.4)."""
    return request.method == "NOTIFY" and request.event == "refer" and request.content_type == "message/sipfrag"


def diagnostic_id(message: Request | Response) -> int | None:
    """Read the error id of the diagnostics that a message carries; None: it carries none ([MS-OCER] 2.2.1).

    A number of more than nine digits is none: not every database could store it, and Microsoft's have up to six.
    """
    for name in ("ms-diagnostics", "ms-diagnostics-public", "ms-client-diagnostics"):
        text = message.headers.get(name)
        if text is not None:
            number = first_of_list(text)[0].split(";", 1)[0].split(".", 1)[0].strip()
            if number.isascii() and number.isdigit() and len(number) <= 9:
                return int(number)
    return None
