"""Sessions, for operators."""

from collections.abc import Sequence
from datetime import UTC, datetime

from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.records import IRecords, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import Arg, Asked, Command, CommandFailed, Flag, Table
from lyncpy.workloads.im.sessions import Sessions

COLUMNS = ("session", "from", "to", "began", "state", "messages_from", "messages_to", "failed", "media", "clients")
MOST = 10_000


class Commands:
    """What goes on, and what went on."""

    def __init__(self, sessions: Sessions, records: IRecords) -> None:
        """Take the table of sessions under way and the records of those that ended."""
        self._sessions = sessions
        self._records = records

    def words(self) -> tuple[Command, ...]:
        """Give the commands."""
        user = Arg("user", "an address; all when left out", required=False, choices=self._talking)
        past = Flag("past", "the newest N that ended, from the call detail records", takes="N")
        return (Command("sessions", "Who talks with whom now.", self.sessions, args=(user,), flags=(past,)),)

    async def sessions(self, asked: Asked) -> Table:
        """List sessions under way, or past ones."""
        user = asked.args.get("user", "")
        aor = aor_of(user) if user else Aor("")
        if "past" in asked.flags:
            found = await self._past(aor, asked.flags["past"])
        else:
            found = [s.record for s in (self._sessions.of(aor) if aor else self._sessions.all())]
        return Table(COLUMNS, [_row(record) for record in found], note=f"{len(found)} sessions")

    async def _past(self, aor: Aor, text: str) -> Sequence[SessionRecord]:
        if not text.isdigit() or not 0 < int(text) <= MOST:
            raise CommandFailed(f'--past takes a whole number from 1 to {MOST}, not "{text[:80]}"')
        try:
            return await self._records.sessions(user=aor, limit=int(text))
        except StoreUnavailable as error:
            raise CommandFailed(f"the records cannot be read now: {error}") from error

    def _talking(self) -> Sequence[str]:
        return sorted({bare(side.aor) for s in self._sessions.all() for side in (s.caller, s.callee)})


def _row(record: SessionRecord) -> tuple[object, ...]:
    if record.ended_at is not None:
        state = f"{record.end_reason} {record.response_code or ''}".strip()
    else:
        state = "talking" if record.answered_at is not None else "ringing"
    return (
        record.session_id[:8],
        bare(record.user1),
        bare(record.user2),
        datetime.fromtimestamp(record.invited_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        state,
        record.user1_messages,
        record.user2_messages,
        record.messages_failed,
        record.media,
        f"{record.user1_client} / {record.user2_client}",
    )
