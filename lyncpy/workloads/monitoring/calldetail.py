"""`cdr USER`: what a user took part in, from the call detail records."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import IOwners, Span
from lyncpy.contracts.records import (
    ConferenceRecord,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecords,
    MessageCountRecord,
    SessionRecord,
)
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, ShellCommand, Table
from lyncpy.core.flags import count_flag, time_flag
from lyncpy.core.spans import AS_WRITTEN, as_written, named, newest, spans_of
from lyncpy.core.timestamps import moment

MOST: Final = 10_000
COLUMNS: Final = ("began", "ended", "what", "with", "as", "result", "sent", "received", "media", "client")

Row = tuple[float, tuple[object, ...]]
"""When it began, and the row of the table without that."""


class CallDetail:
    """Sessions between two users and stays in conferences, as one list."""

    def __init__(self, records: IRecords, locator: ILocator, owners: IOwners, timers: ITimers) -> None:
        self._records = records
        self._owners = owners
        self._locator = locator
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell command of call records."""
        user = Arg(
            "user", "an address, as alice@example.com; of whoever has it now, or had it last", choices=self._users
        )
        since = Flag("since", "only what began since: 30m, 2h, 7d, or a day as 2026-05-31", takes="WHEN")
        limit = Flag("limit", f"at most so many, the newest; 100 when left out, {MOST} at most", takes="N")
        return (
            ShellCommand(
                "cdr",
                "What a user took part in, from the call detail records; the newest first.",
                self.cdr,
                args=(user,),
                flags=(since, limit, as_written("what is kept")),
                form=form("began:time ended:time? what with as result sent:number? received:number? media client"),
            ),
        )

    async def cdr(self, asked: CommandCall) -> Table:
        """List a user's sessions, their stays in conferences, and their attempts to join that failed."""
        spans = spans_of(self._owners, asked.args["user"], written=AS_WRITTEN in asked.flags)
        since = time_flag(asked.flags, "since", self._timers.wall())
        limit = count_flag(asked.flags, "limit", MOST)
        try:
            found = await newest(spans, limit, self._within, since)
        except StoreUnavailable as error:
            raise CommandFailed(f"the records cannot be read now: {error}") from error
        found.sort(key=lambda row: -row[0])
        rows = [(moment(began), *rest) for began, rest in found[:limit]]
        return Table(COLUMNS, rows, note=f"{len(rows)} records{named(spans)}")

    async def _within(self, span: Span, limit: int) -> Sequence[Row]:
        """Give what began while an address was somebody's, at most so many of each kind, the newest."""
        talks = await self._records.sessions(span.aor, span.since, limit, until=span.until)
        return [*(_session(one, span.aor) for one in talks), *await self._stays(span, limit)]

    async def _stays(self, span: Span, limit: int) -> Sequence[Row]:
        """Give the user's part in conferences."""
        records, user, since, until = self._records, span.aor, span.since, span.until
        stays = await records.focus_joins(user, since=since, limit=limit, until=until)
        counts = await records.message_counts(user, limit=MOST) if stays else ()
        # A conference began before they came; all of theirs that were under way then are asked for.
        meetings = await records.conferences(user, limit=MOST) if stays else ()
        uris = {meeting.instance: meeting for meeting in meetings}
        sent = {count.instance: count for count in counts}
        refused = [
            _refused(one)
            for one in await records.conference_sessions(user, since=since, limit=limit, until=until)
            if one.response_code is not None and one.response_code >= 300
        ]
        return [*(_stay(stay, uris.get(stay.instance), sent.get(stay.instance)) for stay in stays), *refused]

    def _users(self) -> Sequence[str]:
        return sorted({bare(endpoint.aor) for endpoint in self._locator.all_endpoints()})


def _session(record: SessionRecord, user: Aor) -> Row:
    part, other, mine, theirs, client = (
        ("caller", record.user2, record.user1_messages, record.user2_messages, record.user1_client)
        if record.user1 == user
        else ("callee", record.user1, record.user2_messages, record.user1_messages, record.user2_client)
    )
    return record.invited_at, (
        _ended(record.ended_at),
        "session",
        bare(other),
        part,
        f"{record.end_reason} {record.response_code or ''}".strip(),
        mine,
        theirs,
        record.media,
        client,
    )


def _stay(stay: FocusJoinRecord, meeting: ConferenceRecord | None, count: MessageCountRecord | None) -> Row:
    return stay.joined_at, (
        _ended(stay.left_at),
        "conference",
        meeting.uri if meeting is not None else stay.instance,
        stay.role,
        meeting.end_reason if meeting is not None else "",
        count.messages if count is not None else 0,
        None,
        "",
        stay.user_client,
    )


def _refused(record: ConferenceSessionRecord) -> Row:
    return record.invited_at, (
        _ended(record.ended_at),
        "conference" if not record.mcu_uri else "conference medium",
        record.mcu_uri or record.uri,
        "",
        f"{record.end_reason} {record.response_code} {record.diagnostic_id or ''}".strip(),
        None,
        None,
        "",
        record.user_client,
    )


def _ended(at: float | None) -> str | None:
    return None if at is None else moment(at)
