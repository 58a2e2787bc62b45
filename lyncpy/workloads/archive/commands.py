"""The archive's words in the admin shell.

Whoever reads what others said leaves a trace: the shell records commands of this role before
they are begun, and refuses them when it cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.answers import FACTS, Shown, form
from lyncpy.contracts.archive import ILedger
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import bare
from lyncpy.contracts.owners import IOwners, Span
from lyncpy.contracts.store import Conflict
from lyncpy.contracts.timers import ITimers
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
from lyncpy.core.choices import addresses
from lyncpy.core.flags import count_flag, time_flag
from lyncpy.core.spans import AS_WRITTEN, as_written, named, spans_of
from lyncpy.core.timestamps import moment
from lyncpy.workloads.archive.auditor import Auditor, AuditResult
from lyncpy.workloads.archive.bodies import ArchivedText, plain_text
from lyncpy.workloads.archive.exporter import FORMATS, Exporter
from lyncpy.workloads.archive.gaps import Gap
from lyncpy.workloads.archive.keeper import Keeper
from lyncpy.workloads.archive.model import ChainPoint, name_of, point_of
from lyncpy.workloads.archive.reader import ArchiveQuery, ArchiveReader
from lyncpy.workloads.archive.settings import Settings

STATUS: Final = form(
    facts="works:truth trouble? critical:truth kept_days:number? entries:number? purged:number? last_entry? "
    "written_since_the_start:number waiting:number bytes_waiting:number bytes_waiting_at_most:number "
    "refused_since_the_start:number passed_unarchived_since_the_start:number "
    "passed_unarchived_told_in_the_archive_since_the_start:number "
    "passed_unarchived_not_told_there_yet:number"
)

MOST: Final = 10_000
"""Entries that a search shows."""

_PLAIN: Final = str.maketrans({":": "", "T": "-", "Z": ""})
"""Makes a time a part of a folder's name."""

RECIPIENTS: Final = 5
"""Names in a row of the table; the rest is a number."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the words speak of."""

    ledger: ILedger
    keeper: Keeper
    auditor: Auditor
    reader: ArchiveReader
    exporter: Exporter
    people: IPeople
    owners: IOwners


class Commands:
    """`archive status`, `verify`, `search`, `export` and `resume`."""

    def __init__(self, rooms: Rooms, settings: Settings, timers: ITimers) -> None:
        self._rooms = rooms
        self._settings = settings
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of the archive."""
        operator = OperatorRole.OPERATOR
        person = Arg("user", "an address, as alice@example.com", choices=self._users)
        what = Arg(
            "what", "an address, or the name of a conversation as `archive search` shows it", choices=self._users
        )
        since = Flag("since", "only what is newer: 30m, 2h, 7d, or a day as 2026-05-31", takes="WHEN")
        until = Flag("until", "only what is older", takes="WHEN")
        other = Flag("with", "only where this address takes part too", takes="USER")
        conversation = Flag("conversation", "only of this conversation", takes="NAME")
        text = Flag("text", "only what contains this", takes="TEXT")
        written = as_written("what was said")
        limit = Flag("limit", f"at most so many, the newest; 100 when left out, {MOST} at most", takes="N")
        files = Flag(
            "format", "eml: one mail for each conversation; json: all entries, one a line", takes="|".join(FORMATS)
        )
        to = Flag("to", "the name of a new folder below [archive] export_folder", takes="NAME")
        start = Flag(
            "from", "verify only what is behind this entry, which must still be the same", takes="SERIAL:DIGEST"
        )
        return (
            ShellCommand(
                "archive status",
                "Whether the archive works, and where it ends.",
                self.status,
                reach=CommandReach.EVERYWHERE,
                form=STATUS,
            ),
            ShellCommand(
                "archive verify",
                "Find what was removed from the archive or altered.",
                self.verify,
                flags=(start,),
                role=operator,
                form=form(facts="entries:number behind last_entry remark*"),
            ),
            ShellCommand(
                "archive search",
                "What a user said and heard, where it is archived.",
                self.search,
                args=(person,),
                flags=(since, until, other, conversation, text, limit, written),
                role=operator,
                form=form("entry:number at:time kind from to conversation text"),
            ),
            ShellCommand(
                "archive export",
                "Write what is archived of a user, or of a conversation, into files.",
                self.export,
                args=(what,),
                flags=(files, to, since, until, other, written),
                role=operator,
                form=form("folder files:number conversations:number entries:number"),
            ),
            self._resuming(),
        )

    def _resuming(self) -> ShellCommand:
        why = Arg("reason", "what was found, in quotes; it becomes an entry of the archive")
        return ShellCommand(
            "archive resume",
            "Go on archiving although the archive's end does not fit its seal; verify it before.",
            self.resume,
            args=(why,),
            role=OperatorRole.OPERATOR,
            form=form("last_entry"),
        )

    async def status(self, asked: CommandCall) -> Table:
        """Tell how the archive is."""
        counts, settings = self._rooms.keeper.counts, self._settings
        critical = "are refused" if settings.critical else "pass unarchived"
        ends = await self._rooms.ledger.ends()
        rows: list[tuple[object, ...]] = [
            ("works", not counts.trouble),
            *([("trouble", f"since {moment(counts.trouble_since)}: {counts.trouble}")] if counts.trouble else []),
            ("critical", Shown(f"when it does not work, messages {critical}", settings.critical)),
            ("kept, days", Shown(str(settings.keep_days or "ever"), settings.keep_days or None)),
        ]
        if ends is not None:
            rows += [
                ("entries", ends.end.serial - ends.start.serial),
                ("purged", ends.start.serial),
                ("last entry", str(ChainPoint(ends.end.serial, ends.end.digest))),
            ]
        rows += [
            ("written since the start", counts.kept),
            ("waiting", len(self._rooms.keeper)),
            ("bytes waiting", self._rooms.keeper.waiting_bytes),
            ("bytes waiting, at most", settings.waiting_bytes),
            ("refused since the start", counts.refused),
            ("passed unarchived since the start", counts.lost),
            ("passed unarchived, told in the archive since the start", counts.told),
            ("passed unarchived, not told there yet", _missing(self._rooms.keeper.gap)),
        ]
        return Table(FACTS, rows, note="note the last entry elsewhere: `archive verify --from` finds it again")

    async def verify(self, asked: CommandCall) -> Table:
        """Verify the chain of entries."""
        since = None
        if "from" in asked.flags:
            try:
                since = point_of(asked.flags["from"])
            except ValueError:
                raise CommandFailed("--from takes SERIAL:DIGEST, as `archive status` shows the last entry") from None
        verdict = await self._rooms.auditor.verify(
            since, lambda point, end: asked.tell(f"{point.serial} of {end} entries are whole")
        )
        if verdict.broken is not None:
            raise CommandFailed(wrong(verdict))
        return Table(FACTS, findings(verdict), note="nothing was removed or altered")

    async def search(self, asked: CommandCall) -> Table:
        """Show a user's newest entries."""
        limit = count_flag(asked.flags, "limit", MOST)
        terms = self._terms(asked, person=asked.args["user"], conversation=asked.flags.get("conversation", ""))
        found = await self._rooms.reader.newest(terms, limit)
        if not found.entries and terms.conversation and found.all_seen:
            raise CommandFailed(f'nothing of "{asked.flags["conversation"][:80]}" is archived that fits')
        note = f"{len(found.entries)} entries" + ("" if found.all_seen else "; older ones were not looked at")
        note += named(terms.person)
        columns = ("entry", "at", "kind", "from", "to", "conversation", "text")
        return Table(columns, [_row(kept) for kept in found.entries], note=note)

    async def export(self, asked: CommandCall) -> Table:
        """Export entries as files."""
        files, name = asked.flags.get("format", "eml"), asked.flags.get("to", "")
        if files not in FORMATS:
            raise CommandFailed(f'--format is {" or ".join(FORMATS)}, not "{files[:80]}"')
        what = asked.args["what"]
        if await self._rooms.reader.is_conversation(what):
            terms = self._terms(asked, person="", conversation=what)
        else:
            terms = self._terms(asked, person=what, conversation="")
        name = name or f"export-{moment(self._timers.wall()).translate(_PLAIN)}"
        try:
            done = await self._rooms.exporter.export(terms, files, name, asked.tell)
        except (ValueError, OSError) as error:
            raise CommandFailed(f"not exported: {error}") from error
        rows = [(done.folder, done.files, done.conversations, done.entries)]
        return Table(
            ("folder", "files", "conversations", "entries"),
            rows,
            note="only the server's user can read them" + named(terms.person),
        )

    async def resume(self, asked: CommandCall) -> Table:
        """Let a torn chain go on."""
        try:
            end = await self._rooms.keeper.resume(asked.author, asked.args["reason"])
        except Conflict as error:
            raise CommandFailed(f"something else was written meanwhile; try again: {error}") from error
        if end is None:
            raise CommandFailed("the archive fits its seal; there is nothing to resume")
        return Table(
            ("last_entry",), [(str(end),)], note="messages are archived again; `archive verify` still tells of it"
        )

    def _terms(self, asked: CommandCall, *, person: str, conversation: str) -> ArchiveQuery:
        flags, now = asked.flags, self._timers.wall()
        for address in (person, flags.get("with", "")):
            if address and "@" not in address.strip("@"):
                raise CommandFailed(f'"{address[:80]}" is neither an address nor a conversation that is archived')
        return ArchiveQuery(
            person=self._spans(asked, person),
            other=self._spans(asked, flags.get("with", "")),
            conversation=name_of(conversation),
            since=time_flag(flags, "since", now),
            until=time_flag(flags, "until", now, ArchiveQuery().until),
            text=flags.get("text", ""),
        )

    def _spans(self, asked: CommandCall, text: str) -> Sequence[Span]:
        """Give under which addresses who is named is found: entries are kept under the address of their time."""
        return spans_of(self._rooms.owners, text, written=AS_WRITTEN in asked.flags) if text else ()

    def _users(self) -> Sequence[str]:
        return addresses(self._rooms.people)


def wrong(verdict: AuditResult) -> str:
    """Give the sentence for what a verification found."""
    return (
        f"the archive is not whole: entry {verdict.broken} {verdict.wrong}; "
        f"{verdict.checked} entries up to {verdict.until} are whole"
    )


def findings(verdict: AuditResult) -> list[tuple[object, ...]]:
    """Tell of a chain that is whole."""
    return [
        ("entries", verdict.checked),
        ("behind", str(verdict.since)),
        ("last entry", str(verdict.until)),
        *(("remark", remark) for remark in verdict.remarks),
    ]


def _row(kept: ArchivedText) -> tuple[object, ...]:
    said = kept.said
    names = [bare(one) for one in said.recipients[:RECIPIENTS]]
    more = len(said.recipients) - RECIPIENTS
    to = " ".join([*names, f"and {more} more"] if more > 0 else names)
    return (
        kept.line.serial,
        moment(said.at),
        said.kind,
        bare(said.sender),
        to,
        kept.line.conversation,
        plain_text(said),
    )


def _missing(gap: Gap) -> Shown:
    """Say how many messages are missing, and of which time."""
    words = f"{gap.count}, from {moment(gap.since)} to {moment(gap.until)}" if gap.count else "0"
    return Shown(words, gap.count)
