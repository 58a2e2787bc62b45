"""A line → a command: roles, records, bounds, and the answer as text.

Every line is recorded with its author before its answer is shown. One that may change
something is recorded before it runs, too, and does not run when that fails.
"""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from lyncpy.contracts.answers import FACTS
from lyncpy.contracts.records import AuditRecord, IRecords
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandFailed, OperatorRole
from lyncpy.core.slices import Slices
from lyncpy.sip.plain import clean
from lyncpy.workloads.admin.commands import HELP, explained
from lyncpy.workloads.admin.everywhere import RunsCommand
from lyncpy.workloads.admin.parser import JSON, Misused, ParsedLine, Vocabulary
from lyncpy.workloads.admin.render import as_json, as_text, error_json, sentences
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.words import split

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2

ROWS_AT_ONCE: Final = 200
"""Rows of a table measured, or written, in one turn of the reactor: some milliseconds."""

PROGRESS_S: Final = 1.0
"""The least time between two lines that say how far a command is."""

_OUTCOME_CHARS: Final = 500


class Outcome(enum.Enum):
    """How a line ended, as programs are told."""

    OK = "ok"
    MISUSED = "misused"
    """It was not understood."""

    FORBIDDEN = "forbidden"
    """Its author's role is not enough."""

    FAILED = "failed"
    UNAVAILABLE = "unavailable"
    """Not possible now, as without the store."""

    STOPPED = "stopped"
    """Interrupted, or given up."""

    TOO_LONG = "too long"
    """There is more to show than is shown."""

    UNRECORDED = "unrecorded"
    """Not done, because it could not be recorded."""

    INTERNAL = "internal"


class AfterAnswer(enum.Enum):
    """What a session does when the answer is shown."""

    GO_ON = enum.auto()
    LEAVE = enum.auto()
    PYTHON = enum.auto()


_THEN: Final = {"exit": AfterAnswer.LEAVE, "python": AfterAnswer.PYTHON}
"""Commands that concern the session itself."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who sits at the other end."""

    name: str
    """The key's name and fingerprint."""

    address: str
    role: OperatorRole
    kind: str = "key"
    """By what they are known: "key", "token" …"""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a line: clean text that ends in a newline, or is empty."""

    status: int
    out: str = ""
    err: str = ""
    then: AfterAnswer = AfterAnswer.GO_ON
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class LiveView:
    """Where what a line has to show before its answer is shown."""

    tell: Callable[[str], None]
    """Is given lines that say how far long work is, at most one each second."""

    show: Callable[["Reply"], None]
    """Is given an answer that is watched, each time."""


class RunningLine:
    """A line under way."""

    def __init__(self) -> None:
        self.reply: Deferred[Reply] = Deferred()
        """Fires once and never fails."""

        self.stopped = ""
        """Why the command was stopped; empty when it was not."""

        self.is_watch = False
        """Whether it is run again and again, until it is interrupted."""

        self._work: Deferred[Any] | None = None  # Any: a command's Table; only cancelled here

    def interrupt(self, why: str = "interrupted") -> None:
        """Stop the command; its effects so far stay. May be called at any time."""
        if not self.stopped and self._work is not None:
            self.stopped = why
            self._work.cancel()

    def working(self, work: "Deferred[Any] | None") -> None:
        """Say what an interruption stops."""
        self._work = work


class Shell:
    """Runs lines for authors."""

    log = Logger()

    def __init__(
        self,
        words: Callable[[], Vocabulary],
        records: IRecords,
        settings: Settings,
        timers: ITimers,
        run: RunsCommand,
    ) -> None:
        self._words = words
        self._run_command = run
        self._records = records
        self._settings = settings
        self._timers = timers
        self._under_way: set[RunningLine] = set()

    def __len__(self) -> int:
        """Count the lines under way."""
        return len(self._under_way)

    def reads(self, line: str) -> bool:
        """Tell whether a line is a command that reads from the input."""
        try:
            use = self._words().parse(line[: self._settings.line_bytes])
        except Misused:
            return False
        return bool(use.reads)

    def asks(self, line: str) -> str:
        """Give what a person at a prompt is to be asked for before a line is run; "": nothing."""
        try:
            return self._words().parse(line[: self._settings.line_bytes]).asks
        except Misused:
            return ""

    def run_line(
        self, line: str, author: Author, width: int | None, said: str | None = None, view: LiveView | None = None
    ) -> RunningLine:
        """Run a line that is not blank.

        Args:
            line: As typed.
            author: Who typed it.
            width: Of the operator's terminal, in cells; None when there is none.
            said: The input, for a command that reads some; None: there is none.
            view: Shows what comes before the answer; None: nobody looks.
        """
        running = RunningLine()
        self._under_way.add(running)
        serving = self._serve(line, author, LineSource(width, said, view), running)
        _ = Deferred.fromCoroutine(serving).addBoth(self._ended, running)
        return running

    async def idle(self) -> None:
        """Wait until no line is under way; what is only watched ends."""
        for running in list(self._under_way):
            if running.is_watch:
                running.interrupt()
        while self._under_way:
            # Another listener's Deferred: what it gives must stay what it gave.
            waiting: Deferred[None] = Deferred()
            _ = next(iter(self._under_way)).reply.addBoth(_also, waiting)
            await waiting

    async def record(self, command: str, author: Author, outcome: str) -> str:
        """Record a command in the audit; give the reason when that fails, else ""."""
        row = AuditRecord(
            at=self._timers.wall(),
            author=author.name,
            source=author.address,
            command=command[: self._settings.line_bytes],
            outcome=outcome[:_OUTCOME_CHARS],
        )
        try:
            await self._in_time(self._records.audit(row))
        except (WorldUnavailable, CancelledError) as error:
            self.log.warn("a command could not be recorded: {reason}", reason=str(error) or "it took too long")
            return str(error) or "it took too long"
        return ""

    async def _in_time(self, work: Awaitable[T], running: RunningLine | None = None) -> T:
        """Await, but not for ever; CancelledError when it takes too long or is interrupted."""
        stopping = running or RunningLine()
        deferred = Deferred.fromCoroutine(_coroutine(work))
        limit_s = self._settings.command_s
        stopping.working(deferred)
        timer = self._timers.later(
            limit_s, lambda: stopping.interrupt(f"given up after {limit_s} s ([admin] command_s)")
        )
        try:
            return await deferred
        finally:
            timer.cancel()
            stopping.working(None)

    async def _serve(self, line: str, author: Author, place: "LineSource", running: RunningLine) -> Reply:
        words, most = self._words(), self._settings.line_bytes
        # Of what is too long, no more is looked at than is recorded: the lexer costs a square.
        masked = words.masked(line[:most])
        answer = _Refusing(wants_json(line, most))
        if len(line) > most or len(line.encode(errors="replace")) > most:
            why = f"the line is longer than {most} bytes ([admin] line_bytes)"
            return await self._recorded(answer.no(why, Outcome.MISUSED), masked, author, why)
        try:
            use = words.parse(line)
            place.check(use)
        except Misused as error:
            return await self._recorded(answer.no(str(error), Outcome.MISUSED), masked, author, str(error))
        command = use.command
        answer = _Refusing(use.json, command.name)
        what, role = _asked_of(use)
        if author.role < role:
            why = f"`{what}` is for the role {_role(role)}; this {author.kind} has the role {_role(author.role)}"
            return await self._recorded(answer.no(why, Outcome.FORBIDDEN), masked, author, why)
        if command.role > OperatorRole.VIEWER and not use.help:
            trouble = await self.record(masked, author, "begun")
            if trouble:
                return answer.no(f"not done, because it cannot be recorded: {trouble}", Outcome.UNRECORDED)
        call = CommandCall(use.args, use.flags, author.name, said=place.said or "", tell=self._teller(place.view))
        running.is_watch = bool(use.watch_s) and not use.help
        reply = await (self._watched if running.is_watch else self._run)(use, call, place, running, answer)
        return await self._recorded(reply, masked, author, " ".join(reply.err.split()) or "ok")

    async def _watched(
        self, use: ParsedLine, call: CommandCall, place: "LineSource", running: RunningLine, answer: "_Refusing"
    ) -> Reply:
        """Run a command again and again, until somebody interrupts it; that is its end as any other."""
        while True:
            reply = await self._run(use, call, place, running, answer)
            if running.stopped:
                return Reply(OK)
            if place.view is not None:
                place.view.show(reply)
            pause: Deferred[None] = Deferred()
            running.working(pause)
            timer = self._timers.later(use.watch_s, partial(pause.callback, None))
            try:
                await pause
            except CancelledError:
                return Reply(OK)
            finally:
                timer.cancel()

    def _teller(self, view: LiveView | None) -> Callable[[str], None]:
        """Give what passes on how far a command is: at most one line each second, the first after one."""
        told_at = self._timers.now()
        tell_view = _nobody if view is None else view.tell

        def tell(progress: str) -> None:
            nonlocal told_at
            now = self._timers.now()
            if now - told_at >= PROGRESS_S:
                told_at = now
                tell_view(f"{sentences(progress)}\n")

        return tell

    async def _run(
        self, use: ParsedLine, call: CommandCall, place: "LineSource", running: RunningLine, answer: "_Refusing"
    ) -> Reply:
        command = use.command
        then = AfterAnswer.GO_ON if use.help else _THEN.get(command.name, AfterAnswer.GO_ON)
        try:
            return await self._in_time(self._answered(use, call, place.width, then, answer), running)
        except CommandFailed as error:
            return answer.no(str(error), Outcome.FAILED)
        except WorldUnavailable as error:
            return answer.no(f"not possible now: {error}", Outcome.UNAVAILABLE)
        except CancelledError:
            return answer.no(running.stopped or "stopped", Outcome.STOPPED)
        except Exception:  # noqa: BLE001 - a bug in one command must not end the session, nor show its inside
            self.log.failure("the command {command} failed", command=command.name)
            return answer.no("internal error, see the log", Outcome.INTERNAL)

    async def _answered(
        self, use: ParsedLine, call: CommandCall, width: int | None, then: AfterAnswer, answer: "_Refusing"
    ) -> Reply:
        """Run a command, and write what it gives; others have their turn while a long table is written."""
        name, has_form = ("help", HELP) if use.help else (use.command.name, use.command.form)
        table = explained(use.command) if use.help else await self._run_command(use.command, call)
        total = 0 if table.columns == FACTS else len(table.rows)
        if use.limit and total > use.limit:
            more = f"{use.limit} of {total} are shown (--limit)"
            note = f"{table.note}; {more}" if table.note else more
            counts = {**table.counts, "rows": total}
            table = replace(table, rows=table.rows[: use.limit], note=note, counts=counts)
        most, size, slices = self._settings.output_bytes, 0, Slices(self._timers, ROWS_AT_ONCE)
        pieces: list[str] = []
        for piece in as_json(table, name, has_form) if use.json else as_text(table, width, most):
            # A letter that cannot be encoded is written as an escape before.
            size += len(piece.encode())
            if size > most:
                why = f"the answer is longer than {most} bytes ([admin] output_bytes); ask for less"
                # Half a document is none.
                return answer.no(why, Outcome.TOO_LONG, "" if use.json else "".join(pieces))
            pieces.append(piece)
            await slices.spend()
        if table.failed:
            return Reply(FAILED, "".join(pieces), f"{sentences(table.failed)}\n", then, Outcome.FAILED)
        return Reply(OK, "".join(pieces), then=then)

    async def _recorded(self, reply: Reply, masked: str, author: Author, outcome: str) -> Reply:
        trouble = await self.record(masked, author, outcome)
        if not trouble:
            return reply
        return replace(reply, err=f"{reply.err}warning: not recorded: {clean(trouble)}\n")

    def _ended(self, reply: Any, running: RunningLine) -> None:  # Any: a Reply, or the Failure of a bug of ours
        self._under_way.discard(running)
        if not isinstance(reply, Reply):
            self.log.failure("a line could not be served", reply)
            reply = _Refusing(is_json=False).no("internal error, see the log", Outcome.INTERNAL)
        running.reply.callback(reply)


@dataclass(frozen=True, slots=True)
class _Refusing:
    """How a line is told that it has failed."""

    is_json: bool
    command: str = ""

    def no(self, why: str, outcome: Outcome, shown: str = "") -> Reply:
        """Say why; behind what there is to show."""
        out = error_json(self.command, outcome.value, why) if self.is_json else shown
        status = MISUSED if outcome is Outcome.MISUSED else FAILED
        return Reply(status, out, f"{sentences(why)}\n", outcome=outcome)


def wants_json(line: str, most: int) -> bool:
    """Tell whether a line that may be no command asks for JSON: in its words, or at its end, where a quote is open or it is too long."""
    flag = f"--{JSON.name}"
    return flag in split(line[:most]).words or line[-len(flag) - 1 :].split()[-1:] == [flag]


@dataclass(frozen=True, slots=True)
class LineSource:
    """Where a line is typed."""

    width: int | None
    said: str | None
    view: LiveView | None

    def check(self, use: ParsedLine) -> None:
        """Refuse a command that would wait for ever: it reads, and there is no input; or nobody could see what is watched.

        Raises:
            Misused: Says how it is given.
        """
        if use.help:
            return
        if use.reads and self.said is None:
            name = use.command.name
            instead = "".join(f", or give --{flag}" for flag in use.command.unread_with)
            raise Misused(f"`{name}` reads {use.reads} from the input: ssh HOST {name} … < FILE{instead}")
        if use.watch_s and (self.view is None or use.command.name in _THEN):
            raise Misused("nothing can be watched here; ask again instead")


def _asked_of(use: ParsedLine) -> tuple[str, OperatorRole]:
    """Give what of a line asks for the most, and the role that it is for."""
    found = [(use.command.name, use.command.role)]
    found += [
        (f"{use.command.name} --{flag.name}", flag.role)
        for flag in use.command.flags
        if flag.role is not None and flag.name in use.flags
    ]
    return max(found, key=lambda one: one[1])


def _nobody(progress: str) -> None:
    """Tell nobody."""


def _role(role: OperatorRole) -> str:
    return role.name.lower()


def _also(reply: Reply, waiting: "Deferred[None]") -> Reply:
    waiting.callback(None)
    return reply


async def _coroutine(work: Awaitable[T]) -> T:
    """Make a coroutine of anything that can be awaited."""
    return await work
