"""Sessions, for operators."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.names import Aor, aor_of, bare, epid_of
from lyncpy.contracts.owners import IOwners, Span
from lyncpy.contracts.records import IRecords, SessionRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    OperatorRole,
    ShellCommand,
    Table,
)
from lyncpy.core.spans import AS_WRITTEN, as_written, named, newest, spans_of
from lyncpy.core.timestamps import moment
from lyncpy.workloads.im.model.session import Session, recorded
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.termination import ToldOfEnd

COLUMNS = ("session", "from", "to", "began", "state", "messages_from", "messages_to", "failed", "media", "clients")
MOST = 10_000
SHORT: Final = 8
"""Characters of a session's id that are shown."""

EndsSession = Callable[[Session], Awaitable[Sequence[ToldOfEnd]]]
"""Ends a session."""


class Commands:
    """Lists sessions under way, and past ones; ends them."""

    def __init__(self, sessions: Sessions, records: IRecords, owners: IOwners, end: EndsSession) -> None:
        self._sessions = sessions
        self._end = end
        self._records = records
        self._owners = owners

    def words(self) -> tuple[ShellCommand, ...]:
        """Return the commands."""
        user = Arg("user", "an address; all when left out", required=False, choices=self._talking)
        past = Flag("past", "the newest N that ended, from the call detail records", takes="N")
        return (
            ShellCommand(
                "sessions",
                "Who talks with whom now.",
                self.sessions,
                args=(user,),
                flags=(past, as_written("what there is")),
                reach=CommandReach.EVERYWHERE,
                form=form(
                    "session from to began:time state messages_from:number messages_to:number failed:number media clients"
                ),
            ),
            ShellCommand(
                "session end",
                "End a session, all of a user or all of one of their devices, and say who is told what; one that rings is cancelled.",
                self.end,
                args=(
                    Arg(
                        "target",
                        "a session as `sessions` calls it, an address, or a device as ADDRESS/EPID",
                        choices=self._targets,
                    ),
                ),
                role=OperatorRole.OPERATOR,
                reach=CommandReach.WHERE_IT_IS,
                form=form("session user epid told", counts="ended"),
            ),
        )

    async def end(self, asked: CommandCall) -> Table:
        """End what is named."""
        ended = [(one, await self._end(one)) for one in self._named(asked.args["target"])]
        rows = [
            (
                one.record.session_id[:SHORT],
                bare(told.side.aor),
                told.side.epid,
                told.what or "nothing: the device is gone",
            )
            for one, tellings in ended
            for told in tellings
        ]
        count = sum(bool(tellings) for _, tellings in ended)
        return Table(("session", "user", "epid", "told"), rows, note=f"{count} ended", counts={"ended": count})

    def _named(self, target: str) -> Sequence[Session]:
        """Give the sessions that an operator means.

        Raises:
            CommandFailed: There is none, or the id is that of several.
        """
        address, slash, epid = target.partition("/")
        if "@" in address:
            found = self._sessions.sessions_of(aor_of(address), epid_of(epid) if slash else None)
        else:
            found = [one for one in self._sessions.all_sessions() if one.record.session_id.startswith(target)]
            if len(found) > 1:
                raise CommandFailed(f'{len(found)} sessions begin with "{target[:80]}"; write more of its id')
        if not found:
            raise CommandFailed(f'"{target[:80]}" is in no session; see: sessions')
        return found

    async def sessions(self, asked: CommandCall) -> Table:
        """List sessions under way, or past ones."""
        user = asked.args.get("user", "")
        # A span of nobody: the records of all users.
        spans = spans_of(self._owners, user, written=AS_WRITTEN in asked.flags) if user else (Span(Aor("")),)
        if "past" in asked.flags:
            found = await self._past(spans, asked.flags["past"])
        elif user:
            found = [record for span in spans for record in self._of(span)]
        else:
            found = [recorded(one) for one in self._sessions.all_sessions()]
        return Table(COLUMNS, [_row(record) for record in found], note=f"{len(found)} sessions{named(spans)}")

    def _of(self, span: Span) -> list[SessionRecord]:
        records = (recorded(one) for one in self._sessions.sessions_of(span.aor))
        return [record for record in records if span.since <= record.invited_at < span.until]

    async def _past(self, spans: Sequence[Span], text: str) -> list[SessionRecord]:
        if not text.isdecimal() or not 0 < int(text[:9]) <= MOST:
            raise CommandFailed(f'--past takes a whole number from 1 to {MOST}, not "{text[:80]}"')
        try:
            return (await newest(spans, int(text), self._kept))[: int(text)]
        except StoreUnavailable as error:
            raise CommandFailed(f"the records cannot be read now: {error}") from error

    async def _kept(self, span: Span, limit: int) -> Sequence[SessionRecord]:
        found: Sequence[SessionRecord] = await self._records.sessions(span.aor, span.since, limit, until=span.until)
        return found

    def _targets(self) -> Sequence[str]:
        return [*self._talking(), *(one.record.session_id[:SHORT] for one in self._sessions.all_sessions())]

    def _talking(self) -> Sequence[str]:
        return sorted({bare(side.aor) for s in self._sessions.all_sessions() for side in (s.caller, s.callee)})


def _row(record: SessionRecord) -> tuple[object, ...]:
    if record.ended_at is not None:
        state = f"{record.end_reason} {record.response_code or ''}".strip()
    else:
        state = "talking" if record.answered_at is not None else "ringing"
    return (
        record.session_id[:SHORT],
        bare(record.user1),
        bare(record.user2),
        moment(record.invited_at),
        state,
        record.user1_messages,
        record.user2_messages,
        record.messages_failed,
        record.media,
        f"{record.user1_client} / {record.user2_client}",
    )
