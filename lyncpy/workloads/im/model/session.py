"""A session between two users: who, since when, how many messages, how it ended. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.records import SessionRecord
from lyncpy.sip.headers import first_of_list
from lyncpy.sip.message import Request, Response
from lyncpy.sip.sdp import media_of

CANCELLED: Final = "cancelled"

ENDED_BY_STATUS: Final = {487: CANCELLED, 408: "timed out", 430: "connection lost"}
"""How an invitation ended that was not accepted, where its status tells; else it was rejected."""


EARLY_MAXIMUM: Final = 64
"""Early dialogs of one invitation that are noted; in a further one, requests go by their Request-URI alone."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two participants."""

    aor: Aor
    epid: Epid
    tag: str
    cseq: int = 0
    """The highest CSeq number that this side has sent in the dialog."""


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """What the archive's policy said of the people in a conversation when it was asked last."""

    demands: bool
    """Whether what they say has to be archived."""

    edition: int
    """Of all policies, when it was asked; see `Archiving.edition`."""


@dataclass(frozen=True, slots=True)
class Session:
    """A dialog between two users. `record` is what its call detail record says now."""

    record: SessionRecord
    caller: Side
    callee: Side
    answered: bool = False
    is_despite: bool = False
    """Whether its caller had blocked the other one already, and wanted to speak to them all the same."""

    early: tuple[Side, ...] = ()
    """The early dialogs: devices of the callee that have said something while none of them has accepted."""

    policy: ArchivePolicy | None = None
    """Of the two; None: it has not been asked yet."""

    def at_callee(self, tag: str) -> Side | None:
        """Give the side of the callee that has this tag; None: this tag is of a device that did not get the call.

        While nobody has accepted, an unknown tag is that of a device which is not known yet.
        """
        if self.answered:
            return self.callee if self.callee.tag in ("", tag) else None
        return next((side for side in self.early if side.tag == tag), Side(self.callee.aor, Epid(""), tag))

    def other(self, side: Side) -> Side:
        """Give the other side."""
        return self.callee if side.tag == self.caller.tag else self.caller


def answered(session: Session, response: Response, epid: Epid, instance: str, at: float) -> Session:
    """Note that the callee's endpoint accepted."""
    record = replace(
        session.record,
        to_tag=response.to.tag or "",
        user2_endpoint=instance,
        user2_client=response.headers.get("User-Agent") or session.record.user2_client,
        answered_at=at,
        response_code=response.status,
    )
    tag = response.to.tag or ""
    # What this device has said before it accepted has used up sequence numbers.
    spoken = next((side.cseq for side in session.early if side.tag == tag), session.callee.cseq)
    callee = replace(session.callee, epid=epid, tag=tag, cseq=spoken)
    return replace(session, record=record, callee=callee, answered=True, early=())


def sides(session: Session, from_tag: str, to_tag: str) -> tuple[Side, Side] | None:
    """Say who speaks in a dialog of this session, and to whom; None: it has no such dialog.

    Several devices of the callee may be in an early dialog each, with tags of their own, until
    one of them has accepted.

    Spec: RFC 3261 §12.1, §13.2.2.4.
    """
    if from_tag == session.caller.tag:
        callee = session.at_callee(to_tag)
        return None if callee is None else (session.caller, callee)
    callee = session.at_callee(from_tag)
    return None if callee is None else (callee, session.caller)


def heard_early(session: Session, side: Side) -> Session:
    """Note that a device of the callee is in an early dialog; of too many, the last ones are not noted."""
    if session.answered or len(session.early) >= EARLY_MAXIMUM or any(one.tag == side.tag for one in session.early):
        return session
    return replace(session, early=(*session.early, side))


def refused(session: Session, response: Response, at: float, *, by_server: bool = False) -> Session:
    """Note that nobody accepted, and why; `by_server` when no endpoint has said so."""
    reason = ENDED_BY_STATUS.get(response.status, "rejected")
    record = replace(
        session.record,
        answered_at=at,
        ended_at=at,
        response_code=response.status,
        diagnostic_id=diagnostic_id(response),
        ended_by="user1" if response.status == 487 else "user2" if reason == "rejected" and not by_server else "server",
        end_reason=reason,
    )
    return replace(session, record=record)


def ended(session: Session, by: str, reason: str, at: float, message: Request | Response | None = None) -> Session:
    """Note the end; `by` is "user1", "user2" or "server". A BYE may carry the client's diagnostics."""
    found = diagnostic_id(message) if message is not None else None
    record = replace(
        session.record,
        ended_at=at,
        ended_by=by,
        end_reason=reason,
        diagnostic_id=session.record.diagnostic_id if found is None else found,
    )
    return replace(session, record=record)


def passed(session: Session, side: Side, request: Request) -> Session:
    """Note that a side sent a request in the dialog."""
    number = request.cseq.number
    if number <= side.cseq:
        return session
    moved = replace(side, cseq=number)
    if side.tag == session.caller.tag:
        return replace(session, caller=moved)
    if not session.answered:
        return replace(session, early=tuple(moved if one.tag == side.tag else one for one in session.early))
    return replace(session, callee=moved)


def counted(session: Session, side_tag: str, *, delivered: bool) -> Session:
    """Count a MESSAGE: delivered when the receiver's own 2xx came."""
    record = session.record
    if not delivered:
        record = replace(record, messages_failed=record.messages_failed + 1)
    elif side_tag == session.caller.tag:
        record = replace(record, user1_messages=record.user1_messages + 1)
    else:
        record = replace(record, user2_messages=record.user2_messages + 1)
    return replace(session, record=record)


def media(request: Request) -> str:
    """Say which media an invitation offers, as the record's column has it."""
    if request.method == "MESSAGE":
        return "im"
    words = (
        media_of(request.body)
        if request.content_type in ("application/sdp", "multipart/alternative", "multipart/mixed")
        else frozenset()
    )
    return " ".join(sorted(words))


def tells_of_referral(request: Request) -> bool:
    """Tell whether this is the notification that a REFER in the same dialog asks for (RFC 3515 §2.4.4)."""
    return request.method == "NOTIFY" and request.event == "refer" and request.content_type == "message/sipfrag"


def diagnostic_id(message: Request | Response) -> int | None:
    """Give the error id of the diagnostics that a message carries ([MS-OCER] 2.2.1).

    One of more than nine digits is none: not every database could keep it, and Microsoft's have up to six.
    """
    for name in ("ms-diagnostics", "ms-diagnostics-public", "ms-client-diagnostics"):
        text = message.headers.get(name)
        if text is not None:
            number = first_of_list(text)[0].split(";", 1)[0].split(".", 1)[0].strip()
            if number.isascii() and number.isdigit() and len(number) <= 9:
                return int(number)
    return None
