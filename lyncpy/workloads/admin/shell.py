"""A line → a command: roles, records, bounds, and the answer as text.

Every line is recorded with its author before its answer is shown. One that may change
something is recorded before it runs, too, and does not run when that fails.
"""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from lyncpy.contracts.records import AuditRecord, IRecords
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandFailed, OperatorRole
from lyncpy.core.slices import Slices
from lyncpy.sip.plain import clean
from lyncpy.workloads.admin.commands import explained
from lyncpy.workloads.admin.everywhere import RunsCommand
from lyncpy.workloads.admin.parser import Misused, ParsedLine, Vocabulary
from lyncpy.workloads.admin.render import as_json, as_text, sentences
from lyncpy.workloads.admin.settings import Settings

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2

ROWS_AT_ONCE: Final = 200
"""Rows of a table measured, or written, in one turn of the reactor: some milliseconds."""

_OUTCOME_CHARS: Final = 500


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


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a line: clean text that ends in a newline, or is empty."""

    status: int
    out: str = ""
    err: str = ""
    then: AfterAnswer = AfterAnswer.GO_ON


class RunningLine:
    """A line under way."""

    def __init__(self) -> None:
        self.reply: Deferred[Reply] = Deferred()
        """Fires once and never fails."""

        self.stopped = ""
        """Why the command was stopped; empty when it was not."""

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

    def run_line(self, line: str, author: Author, width: int | None) -> RunningLine:
        """Run a line that is not blank.

        Args:
            line: As typed.
            author: Who typed it.
            width: Of the operator's terminal, in cells; None when there is none.
        """
        running = RunningLine()
        self._under_way.add(running)
        _ = Deferred.fromCoroutine(self._serve(line, author, width, running)).addBoth(self._ended, running)
        return running

    async def idle(self) -> None:
        """Wait until no line is under way."""
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

    async def _serve(self, line: str, author: Author, width: int | None, running: RunningLine) -> Reply:
        words, most = self._words(), self._settings.line_bytes
        # Of what is too long, no more is looked at than is recorded: the lexer costs a square.
        masked = words.masked(line[:most])
        if len(line) > most or len(line.encode(errors="replace")) > most:
            why = f"the line is longer than {most} bytes ([admin] line_bytes)"
            return await self._recorded(_failed(why, MISUSED), masked, author, why)
        try:
            use = words.parse(line)
        except Misused as error:
            return await self._recorded(_failed(str(error), MISUSED), masked, author, str(error))
        command = use.command
        if author.role < command.role:
            why = f"`{command.name}` is for the role {_role(command.role)}; this key is a {_role(author.role)}"
            return await self._recorded(_failed(why), masked, author, why)
        if command.role > OperatorRole.VIEWER and not use.help:
            trouble = await self.record(masked, author, "begun")
            if trouble:
                return _failed(f"not done, because it cannot be recorded: {trouble}")
        reply, outcome = await self._run(use, author, width, running)
        return await self._recorded(reply, masked, author, outcome)

    async def _run(self, use: ParsedLine, author: Author, width: int | None, running: RunningLine) -> tuple[Reply, str]:
        command = use.command
        try:
            then = AfterAnswer.GO_ON if use.help else _THEN.get(command.name, AfterAnswer.GO_ON)
            reply = await self._in_time(self._answered(use, author, width, then), running)
            return reply, " ".join(reply.err.split()) or "ok"
        except CommandFailed as error:
            return _failed(str(error)), str(error)
        except WorldUnavailable as error:
            return _failed(f"not possible now: {error}"), str(error)
        except CancelledError:
            why = running.stopped or "stopped"
            return _failed(why), why
        except Exception:  # noqa: BLE001 - a bug in one command must not end the session, nor show its inside
            self.log.failure("the command {command} failed", command=command.name)
            return _failed("internal error, see the log"), "internal error"

    async def _answered(self, use: ParsedLine, author: Author, width: int | None, then: AfterAnswer) -> Reply:
        """Run a command, and write what it gives; others have their turn while a long table is written."""
        if use.help:
            table = explained(use.command)
        else:
            call = CommandCall(args=use.args, flags=use.flags, author=author.name)
            table = await self._run_command(use.command, call)
        most, size, slices = self._settings.output_bytes, 0, Slices(self._timers, ROWS_AT_ONCE)
        pieces: list[str] = []
        for piece in as_json(table) if use.json else as_text(table, width, most):
            # A letter that cannot be encoded is written as an escape before.
            size += len(piece.encode())
            if size > most:
                why = f"the answer is longer than {most} bytes ([admin] output_bytes); ask for less"
                # Half a document is none.
                return _failed(why) if use.json else Reply(FAILED, "".join(pieces), f"{why}\n")
            pieces.append(piece)
            await slices.spend()
        if table.failed:
            return Reply(FAILED, "".join(pieces), f"{sentences(table.failed)}\n", then)
        return Reply(OK, "".join(pieces), then=then)

    async def _recorded(self, reply: Reply, masked: str, author: Author, outcome: str) -> Reply:
        trouble = await self.record(masked, author, outcome)
        if not trouble:
            return reply
        return Reply(reply.status, reply.out, f"{reply.err}warning: not recorded: {clean(trouble)}\n", reply.then)

    def _ended(self, reply: Any, running: RunningLine) -> None:  # Any: a Reply, or the Failure of a bug of ours
        self._under_way.discard(running)
        if not isinstance(reply, Reply):
            self.log.failure("a line could not be served", reply)
            reply = _failed("internal error, see the log")
        running.reply.callback(reply)


def _failed(why: str, status: int = FAILED) -> Reply:
    return Reply(status, err=f"{sentences(why)}\n")


def _role(role: OperatorRole) -> str:
    return role.name.lower()


def _also(reply: Reply, waiting: "Deferred[None]") -> Reply:
    waiting.callback(None)
    return reply


async def _coroutine(work: Awaitable[T]) -> T:
    """Make a coroutine of anything that can be awaited."""
    return await work
