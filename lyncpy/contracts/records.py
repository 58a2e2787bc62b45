"""Call detail records: rows with real columns that people query with SQL."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from zope.interface import Interface

ALWAYS: Final = float(2**40)
"""Later than any record."""


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
    """The callee's (for a fork: the user's); of a call that somebody else took, theirs, and a second record ends as "forwarded"."""

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
    """"bye", "cancelled", "rejected", "timed out", "connection lost", "signed out", "restart", "forwarded"."""

    user1_messages: int = 0
    """MESSAGE requests of the caller that the callee's endpoint answered 2xx."""

    user2_messages: int = 0
    messages_failed: int = 0
    node: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.session_id,)


@dataclass(frozen=True, slots=True)
class ConferenceRecord:
    """One occurrence of a conference, as Lync's Conferences keeps it. Times are seconds since the epoch, UTC."""

    instance: str
    """The row's key, a UUID of its own for each occurrence; a conference that goes on after a restart keeps it."""

    uri: str
    """The focus URI."""

    organizer: str
    """An address-of-record."""

    started_at: float
    ended_at: float | None = None
    end_reason: str = ""
    """Why it ended: a word of the focus, or "restart"; "" while it lasts."""

    node: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.instance,)


@dataclass(frozen=True, slots=True)
class ConferenceSessionRecord:
    """One SIP dialog with the focus or an MCU, as ConferenceSessionDetails keeps it."""

    session_id: str
    """A name of our own (UUID), the row's key."""

    instance: str
    """The conference's; "" for a dialog that was refused before there was one."""

    uri: str
    """The focus URI."""

    mcu_uri: str
    """The MCU's conference URI; "" is a dialog with the focus."""

    call_id: str
    from_tag: str
    to_tag: str
    user: str
    """An address-of-record; a guest's made-up one."""

    user_endpoint: str
    """+sip.instance UUID."""

    user_client: str
    """User-Agent."""

    content_type: str
    """Of the INVITE, without parameters."""

    invited_at: float
    answered_at: float | None = None
    """The final response, whichever it was."""

    ended_at: float | None = None
    internal: bool = True
    """A user of this enterprise; guests are not."""

    started_by_server: bool = False
    """True where the server invited (a dial-out), not the user."""

    ended_by_server: bool = False
    response_code: int | None = None
    diagnostic_id: int | None = None
    replaced_session: str = ""
    """The session_id of the dialog that this one took the place of."""

    referred_by: str = ""
    on_behalf_of: str = ""
    end_reason: str = ""
    """As of a session between two, or a word of the focus."""

    node: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.session_id,)


@dataclass(frozen=True, slots=True)
class FocusJoinRecord:
    """One stay of one device of a user in a conference, as FocusJoinsAndLeaves keeps it."""

    join_id: str
    """A name of our own (UUID), the row's key."""

    instance: str
    session_id: str
    """The dialog with the focus; "" where there is none."""

    user: str
    user_instance: str
    """Tells the devices of one user apart: the epid."""

    user_endpoint: str
    user_client: str
    role: str
    """"presenter", "attendee" or "": the one they had last."""

    joined_at: float
    left_at: float | None = None
    internal: bool = True
    node: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.join_id,)


@dataclass(frozen=True, slots=True)
class McuJoinRecord:
    """One stay of one device of a user in one medium of a conference, as McuJoinsAndLeaves keeps it."""

    join_id: str
    """A name of our own (UUID), the row's key."""

    instance: str
    session_id: str
    """The dialog with the MCU; "" where there is none."""

    mcu: str
    """The kind of the MCU: "chat"."""

    user: str
    user_instance: str
    user_client: str
    joined_at: float
    left_at: float | None = None
    from_pstn: bool = False
    node: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.join_id,)


@dataclass(frozen=True, slots=True)
class MessageCountRecord:
    """How many messages a user sent in a conference, as ConferenceMessageCount keeps it."""

    instance: str
    user: str
    messages: int
    counted_at: float
    """When this was so."""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row in its table."""
        return (self.instance, self.user)


ConferenceRow: TypeAlias = (
    ConferenceRecord | ConferenceSessionRecord | FocusJoinRecord | McuJoinRecord | MessageCountRecord
)
"""What is kept of conferences; `(type(row), row.key)` names a row among all."""

CallRecord: TypeAlias = SessionRecord | ConferenceRow
"""Call detail of any kind, named likewise."""


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
    """Call detail records and the audit, in tables for SQL. May raise StoreUnavailable."""

    def upsert(rows: Sequence[CallRecord]) -> Awaitable[None]:
        """Insert or replace rows, all of them or none; durable when it returns. Of two with one key the last counts."""

    def sessions(
        user: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False, until: float = ALWAYS
    ) -> Awaitable[Sequence[SessionRecord]]:
        """Give sessions that began from `since` on and before `until`, newest first; `user` is an address on either side."""

    def close_open_sessions(at: float) -> Awaitable[int]:
        """End every open session of nodes that are known dead, with reason "restart"; give their number."""

    def conferences(
        user: str = "", uri: str = "", since: float = 0.0, limit: int = 100, *, open_only: bool = False
    ) -> Awaitable[Sequence[ConferenceRecord]]:
        """Give conferences that began since then, newest first: those a user organised or took part in, or of one URI."""

    def conference_sessions(
        user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Awaitable[Sequence[ConferenceSessionRecord]]:
        """Give dialogs with focus and MCUs that began in this time, newest first: of a user, or within one conference."""

    def focus_joins(
        user: str = "", instance: str = "", since: float = 0.0, limit: int = 100, *, until: float = ALWAYS
    ) -> Awaitable[Sequence[FocusJoinRecord]]:
        """Give stays in conferences that began in this time, newest first."""

    def mcu_joins(
        user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Awaitable[Sequence[McuJoinRecord]]:
        """Give stays in media, newest first."""

    def message_counts(
        user: str = "", instance: str = "", since: float = 0.0, limit: int = 100
    ) -> Awaitable[Sequence[MessageCountRecord]]:
        """Give how many messages were sent by whom, the newest count first."""

    def close_open_conferences(at: float) -> Awaitable[int]:
        """End what nodes that are known dead left open: conferences (reason "restart"), their dialogs and stays.

        A conference that goes on is opened again by keeping its row. Gives the number of rows.
        """

    def audit(record: AuditRecord) -> Awaitable[None]:
        """Append; durable when it returns."""

    def audited(since: float = 0.0, limit: int = 100) -> Awaitable[Sequence[AuditRecord]]:
        """Give audit rows, newest first."""

    def purge(before: float) -> Awaitable[int]:
        """Remove sessions, and all that is kept of conferences, that ended before this time; give their number."""


class IRecording(Interface):
    """The queue of call records to the store. No caller waits for it, and no answer promises that a record is durable.

    What is noted is handed to the store a hundredth of a second later, together with all that was noted
    until then and while the store was busy: at `kill -9` what is lost is what came within that and the last
    two transactions, and the counts of sessions under way that were put off on purpose. An orderly end writes all.
    """

    def queue_record(record: CallRecord, *, within_s: float = 0.0) -> None:
        """Queue a record for writing, instead of an older state of it that still waits.

        `within_s`: how long a state that is soon another may wait, in seconds; a few milliseconds it always may.
        """

    def __len__() -> int:
        """Give how many records wait."""
