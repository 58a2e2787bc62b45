"""`trace start`, `list`, `show`, `stop` and `export`."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from lyncpy import __version__
from lyncpy.contracts.answers import Shown, form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.tracing import IHomer, ITraceFiles
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    OperatorRole,
    Reason,
    ShellCommand,
    Table,
)
from lyncpy.core.flags import span_flag
from lyncpy.core.timestamps import moment
from lyncpy.workloads.tracing.model.entry import TraceEntry, TraceEntryKind, instant, merged, read_entries
from lyncpy.workloads.tracing.model.hep import HepSender, hep_packet
from lyncpy.workloads.tracing.model.ladder import draw
from lyncpy.workloads.tracing.model.pcapng import pcapng
from lyncpy.workloads.tracing.model.target import TraceTargetKind, target_of
from lyncpy.workloads.tracing.recorder import Recorder, TraceOrder
from lyncpy.workloads.tracing.settings import Settings

USUAL_S: Final = 600.0
"""How long a trace runs of which nobody says it."""

TOLD: Final = 3
"""Traces of a user that `why` names."""

FORMATS: Final = ("pcapng", "json", "hep")

_CLOCK: Final = slice(11, 23)
"""The part of a written time that a person reads: to the millisecond."""


class Commands:
    """The words of traces.

    Args:
        recorder: Those that run here.
        files: Those that are kept here.
        homer: Where traces can be sent.
        people: Who is known.
        locator: Who is signed in, for completion.
        settings: The section [tracing].
        timers: The clocks.
    """

    def __init__(
        self,
        recorder: Recorder,
        files: ITraceFiles,
        homer: IHomer,
        people: IPeople,
        locator: ILocator,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        self._recorder = recorder
        self._files = files
        self._homer = homer
        self._people = people
        self._locator = locator
        self._settings = settings
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of traces."""
        operator, name = OperatorRole.OPERATOR, Arg("trace", "a name that `trace list` shows", choices=self._names)
        return (
            self._starting(),
            ShellCommand(
                "trace list",
                "The traces that run or are kept.",
                self.list,
                form=form("trace of by began:time until:time state entries:number? lost:number? bytes:number"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "trace show",
                "A trace as a ladder: who said what to whom, and what changed, of all servers in order of time.",
                self.show,
                args=(name,),
                flags=(Flag("messages", "with each message, line by line"),),
                role=operator,
                form=form("at:time? node? ladder words"),
                reach=CommandReach.WHERE_IT_IS,
                finish=self.shown,
            ),
            ShellCommand(
                "trace stop",
                "End a trace before its time; what it has recorded is kept.",
                self.stop,
                args=(name,),
                role=operator,
                form=form("trace entries:number lost:number"),
                reach=CommandReach.WHERE_IT_IS,
            ),
            ShellCommand(
                "trace export",
                "Write a trace into a file in [tracing] folder, as pcapng for Wireshark or as JSON, or send it to Homer.",
                self.show,
                args=(name,),
                flags=(
                    Flag("as", "pcapng when left out; hep: to the Homer server of [tracing] homer", "|".join(FORMATS)),
                    Flag("print", "give the content too, for programs, in base64"),
                ),
                role=operator,
                form=form("file entries:number bytes:number content?"),
                reach=CommandReach.WHERE_IT_IS,
                finish=self.exported,
            ),
        )

    def _starting(self) -> ShellCommand:
        kinds = [one.value for one in TraceTargetKind]
        return ShellCommand(
            "trace start",
            "Record what concerns a user, an IP address, a Call-ID or a conference, at all servers, without what people say.",
            self.start,
            args=(
                Arg("kind", "what is traced: " + ", ".join(kinds), choices=lambda: kinds),
                Arg(
                    "value",
                    "alice@example.com, 192.0.2.1 or 192.0.2.0/24, a Call-ID, the id of a conference",
                    choices=self._users,
                ),
            ),
            flags=(
                Flag("for", "how long, as 30m; 10 minutes when left out", takes="SPAN"),
                Flag("bodies", "with what people say, but without passwords", role=OperatorRole.DEVELOPER),
                Flag("homer", "send it to the Homer server of [tracing] homer as it goes, too"),
            ),
            role=OperatorRole.OPERATOR,
            form=form("trace of until:time servers:number"),
            reach=CommandReach.EVERYWHERE,
            finish=self.started,
        )

    async def start(self, asked: CommandCall) -> Table:
        """Begin a trace here."""
        try:
            target = target_of(asked.args["kind"], asked.args["value"])
        except ValueError as error:
            raise CommandFailed(str(error)) from error
        span_s = span_flag(asked.flags, "for") or USUAL_S
        if span_s > self._settings.longest_s:
            raise CommandFailed(f"a trace runs for {self._settings.longest_s} s at most ([tracing] longest_s)")
        to_homer = "homer" in asked.flags
        self._need_homer(wanted=to_homer)
        name = f"{_slug(target.value)}-{asked.key}"
        order = TraceOrder(name, target, asked.author, span_s, "bodies" in asked.flags, to_homer)
        await self._recorder.start(order)
        until = self._timers.steady() + span_s
        return Table(("trace", "of", "until"), [(name, str(target), moment(until))])

    async def started(self, table: Table, asked: CommandCall) -> Table:
        """Make one row of what all servers have begun."""
        *_, name, of, until = table.rows[0]
        row = (name, of, until, len({row[0] for row in table.rows}) if len(table.columns) > 3 else 1)
        note = f"it ends by itself; look at it with: trace show {name}{self._unknown(asked)}"
        return replace(table, columns=("trace", "of", "until", "servers"), rows=[row], note=note)

    def _unknown(self, asked: CommandCall) -> str:
        """Say, of somebody who is nobody here, that there may be nothing to record; they may be about to come, so it runs all the same."""
        target = target_of(asked.args["kind"], asked.args["value"])
        if target.kind is not TraceTargetKind.USER or self._people.person(aor_of(target.value)) is not None:
            return ""
        return f"; nobody is known here as {bare(aor_of(target.value))} now: see `users`, or stop it if the address is mistyped"

    async def list(self, asked: CommandCall) -> Table:
        """List traces, the newest last."""
        rows: list[tuple[object, ...]] = []
        try:
            found = await self._files.files()
        except OSError as error:
            raise CommandFailed(f"the traces cannot be read: {error.strerror or error} ([tracing] folder)") from error
        for one in found:
            head = _head(one.head)
            trace = self._recorder.running.get(one.name)
            known = ("running", trace.entries, trace.lost) if trace is not None else ("ended", None, None)
            told = [str(head.get(key, "")) for key in ("of", "by", "began", "until")]
            rows.append((one.name, *told[:2], *(_second(at) for at in told[2:]), *known, one.size))
        columns = ("trace", "of", "by", "began", "until", "state", "entries", "lost", "bytes")
        return Table(columns, rows, note=f"{len(rows)} traces, {len(self._recorder.running)} of them run")

    async def stop(self, asked: CommandCall) -> Table:
        """End a trace here."""
        name = asked.args["trace"]
        trace = self._recorder.running.get(name)
        if trace is None:
            raise CommandFailed(f'no trace "{name[:80]}" runs; see: trace list')
        self._recorder.stop(name, f"stopped by {asked.author}")
        await self._recorder.flushed(name)
        return Table(("trace", "entries", "lost"), [(name, trace.entries, trace.lost)])

    async def show(self, asked: CommandCall) -> Table:
        """Give what this server has of a trace, as it is kept: a row for each entry."""
        name = asked.args["trace"]
        await self._recorder.flushed(name)
        try:
            lines = (await self._files.read(name)).splitlines()
        except OSError:
            raise CommandFailed(f'there is no trace "{name[:80]}"; see: trace list') from None
        return Table(("entry",), [(line.decode(),) for line in lines])

    async def shown(self, table: Table, asked: CommandCall) -> Table:
        """Draw what all servers have."""
        entries = _entries(table)
        ladder = draw(entries)
        rows: list[tuple[object, ...]] = [(None, None, *line.split(": ", 1)) for line in ladder.legend]
        rows.append((None, None, ladder.headings, ""))
        with_messages = "messages" in asked.flags
        for rung in ladder.rungs:
            at = instant(rung.entry.at)
            rows.append((Shown(at[_CLOCK], at), rung.entry.node, rung.drawing, rung.words))
            if with_messages and rung.entry.kind is TraceEntryKind.MESSAGE:
                rows += [(None, None, "", line) for line in rung.entry.text.rstrip().splitlines()]
        return replace(table, columns=("at", "node", "ladder", "words"), rows=rows, note=f"{len(entries)} entries")

    async def exported(self, table: Table, asked: CommandCall) -> Table:
        """Write what all servers have, here, or send it."""
        name, kind, entries = asked.args["trace"], asked.flags.get("as", FORMATS[0]), _entries(table)
        if kind not in FORMATS:
            raise CommandFailed(f'--as takes {", ".join(FORMATS)}, not "{kind[:80]}"')
        columns = ("file", "entries", "bytes", "content")
        if kind == "hep":
            return replace(table, columns=columns, rows=[self._sent(entries)])
        data = b"".join(pcapng(entries, f"lyncpy {__version__}")) if kind == "pcapng" else _document(name, entries)
        try:
            file = await self._files.export(f"{name}.export.{kind}", data)
        except OSError as error:
            raise CommandFailed(f"the file cannot be written: {error.strerror or error} ([tracing] folder)") from error
        content = b64encode(data).decode() if "print" in asked.flags else None
        return replace(table, columns=columns, rows=[(file, len(entries), len(data), content)])

    def _sent(self, entries: Sequence[TraceEntry]) -> tuple[object, ...]:
        """Send entries to Homer; give a row."""
        self._need_homer(wanted=True)
        sender = HepSender(self._settings.homer_agent, self._settings.homer_key)
        packets = [hep_packet(entry, sender) for entry in entries]
        sent = [packet for packet in packets if self._homer.send(packet)]
        if len(sent) < len(packets):
            why = self._homer.trouble() or "it does not take them fast enough"
            raise CommandFailed(f"{len(packets) - len(sent)} of {len(packets)} entries did not reach Homer: {why}")
        return self._settings.homer, len(sent), sum(map(len, sent)), None

    def _need_homer(self, *, wanted: bool) -> None:
        if wanted and not self._settings.homer:
            raise CommandFailed("there is no Homer server; [tracing] homer names one, as udp://HOST:9060")

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say, for `why`, which traces of a user there are: what came before a refusal, and after it, is in them."""
        try:
            found = await self._files.files()
        except OSError:
            return ()  # `trace list` says why
        names = [one.name for one in found if _head(one.head).get("of") == f"user {bare(aor)}"][-TOLD:]
        state = {name: "runs" if name in self._recorder.running else "is kept" for name in reversed(names)}
        return [Reason("trace", f"a trace of them {how}: trace show {name}", good=True) for name, how in state.items()]

    def _names(self) -> Sequence[str]:
        return sorted(self._recorder.running)

    def _users(self) -> Sequence[str]:
        return sorted({bare(endpoint.aor) for endpoint in self._locator.all_endpoints()})


def _entries(table: Table) -> Sequence[TraceEntry]:
    """Read the entries of all servers, whose names may stand before them."""
    return merged(read_entries(str(row[-1]).encode() for row in table.rows))


def _document(name: str, entries: Iterable[TraceEntry]) -> bytes:
    """Give a trace as one JSON document."""
    told = {"trace": name, "entries": [entry.fields() for entry in entries]}
    return json.dumps(told, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace") + b"\n"


def _slug(text: str) -> str:
    """Give what a file may be called after."""
    short = re.sub(r"[^a-z0-9]+", "-", text.removeprefix("sip:").lower()[:40])
    return short.strip("-") or "trace"


def _head(line: bytes) -> dict[str, Any]:  # Any: what a key says
    """Read the first line of a file; nothing where it was written by somebody else."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _second(at: str) -> str:
    """Give a written time to the second."""
    return f"{at[:19]}Z"
