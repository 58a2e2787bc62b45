"""Call detail records: rows with real columns that people query with SQL."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from zope.interface import Interface


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One SIP session between two users, as Lync's SessionDetails keeps it. Times are seconds since the epoch, UTC."""

    session_id: str
    """A name of our own (UUID), the row's key."""

    call_id: str
    from_tag: str
    to_tag: str
    conversation_id: str
    """Ms-Conversation-ID of the INVITE, or ""."""

    user1: str
    """The caller's address-of-record."""

    user2: str
    """The callee's (for a fork: the user's)."""

    user1_endpoint: str
    """+sip.instance UUID."""

    user2_endpoint: str
    """Of the endpoint that answered; "" before and when none did."""

    user1_client: str
    """User-Agent."""

    user2_client: str
    media: str
    """Space separated: im audio video data appsharing filetransfer."""

    invited_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    response_code: int | None = None
    diagnostic_id: int | None = None
    ended_by: str = ""
    """"user1", "user2", "server" or "" while it lasts."""

    end_reason: str = ""
    """"bye", "cancelled", "rejected", "timed out", "connection lost", "signed out", "restart"."""

    user1_messages: int = 0
    """MESSAGE requests of the caller that the callee's endpoint answered 2xx."""

    user2_messages: int = 0
    messages_failed: int = 0
    node: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One command of an operator, or one change of a setting."""

    at: float
    author: str
    """The key's name and fingerprint, or "console"."""

    source: str
    """The remote address."""

    command: str
    """As typed, secrets masked."""

    outcome: str
    """"ok", or the error's sentence."""


class IRecords(Interface):
    """What happened, for people: kept in tables that SQL reads. May raise StoreUnavailable."""

    def keep_session(record: SessionRecord) -> Awaitable[None]:
        """Insert or replace the row of this session; durable when it returns."""

    def sessions(
        user: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Awaitable[Sequence[SessionRecord]]:
        """Give sessions, newest first; `user` is an address-of-record on either side."""

    def close_open_sessions(node: str, at: float) -> Awaitable[int]:
        """End every open session that another start of this server left, with reason "restart"; give their number."""

    def audit(record: AuditRecord) -> Awaitable[None]:
        """Append; durable when it returns."""

    def audited(since: float = 0.0, limit: int = 100) -> Awaitable[Sequence[AuditRecord]]:
        """Give audit rows, newest first."""

    def purge(before: float) -> Awaitable[int]:
        """Remove sessions that ended before this time; give their number."""
