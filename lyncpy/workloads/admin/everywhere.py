"""One shell over all servers of a deployment: whichever an operator's connection is at, each command says what it saw where.

What a command reaches is declared with it (`CommandReach`). One that each server answers for itself is asked of all at once, and the
rows get a column `node`; what all say alike stands there once, as of "all". One that is about something which a single
server has is done by that one. The store's are asked here alone. Roles and the audit are those of the server at which the
operator is; the others do what one of the deployment asks, and only commands that are declared so.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from secrets import token_hex
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.answers import Shown
from lyncpy.contracts.bus import BusTimeout
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import CommandPart, CommandProgress, MoreOfCommand, ProgressOfCommand, RunCommand
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.workload import CommandCall, CommandFailed, CommandReach, OperatorRole, ShellCommand, Table
from lyncpy.core.deadline import Deadlines
from lyncpy.core.nodes import ASKED_MOST
from lyncpy.core.platform import Platform
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import together
from lyncpy.workloads.admin.jobs import FollowedCommand, Jobs
from lyncpy.workloads.admin.render import ALL, NODE

LOOK_S: Final = 5.0
CHANGE_S: Final = 25.0
"""That another server has to answer, where the command looks and where it changes something."""

KEY_BYTES: Final = 3
"""Of what names one use of a command at all servers."""

PART_CHARS: Final = 100_000
"""Of an answer in one message; quoted once more it has at most twice as many bytes."""

KEPT_MOST: Final = 16
KEPT_S: Final = 30.0
"""Long answers of which the rest is waited for, and for how long."""

ROWS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one server gave."""

    node: str
    table: Table | None
    trouble: str = ""
    """Why there is no table."""

    is_silent: bool = False
    """Whether it has not answered, so that it is not known whether it did what was asked."""

    @property
    def is_good(self) -> bool:
        return self.table is not None and not self.table.failed


class Everywhere:
    """Runs commands where they belong, and those that other servers ask for.

    Args:
        platform: The bus, the other servers, the clock.
        command: Gives a command by its name.
        most: Characters that an answer may have.
        absent: Gives sentences about servers that should be there; None: there need be none but this one.
    """

    log = Logger()

    def __init__(
        self,
        platform: Platform,
        command: Callable[[str], ShellCommand | None],
        most: int,
        absent: Callable[[], Sequence[str]] | None,
    ) -> None:
        self._node, self._nodes, self._bus = platform.node, platform.nodes, platform.bus
        self._timers = platform.timers
        self._command = command
        self._most = most
        self._absent = absent
        self._numbers = count(1)
        self.jobs: Final = Jobs(platform.timers)
        self._kept: dict[int, Sequence[str]] = {}
        self._until: Deadlines[int] = Deadlines(platform.timers, self._forget)
        platform.bus.answer(RunCommand, self._asked)
        platform.bus.answer(MoreOfCommand, self._rest)
        platform.bus.answer(ProgressOfCommand, self._how_far)

    async def run(self, command: ShellCommand, call: CommandCall) -> Table:
        """Run a command wherever it has to be, and make one answer of what was given; raises CommandFailed."""
        call = replace(call, key=token_hex(KEY_BYTES))
        table = await self._run(command, call)
        return table if command.finish is None else await command.finish(table, call)

    async def _run(self, command: ShellCommand, call: CommandCall) -> Table:
        heard = {one.name for one in self._bus.others()} | {one.name for one in self._nodes.others()}
        if command.reach is CommandReach.HERE or (not heard and self._absent is None):
            return await self.jobs.run(command, call)
        others = sorted(heard)
        answers = await self._all(command, replace(call, alone=False), others[:ASKED_MOST])
        if command.reach is CommandReach.WHERE_IT_IS:
            good = [one for one in answers if one.is_good]
            if not good:
                try:
                    return _with_silence(await self.jobs.run(command, call), answers)
                except CommandFailed as error:
                    raise CommandFailed("; ".join([str(error), *_silences(answers)])) from error
            answers = [one for one in answers if one.is_good or one.is_silent]
        absent = [*(self._absent() if self._absent is not None else ())]
        if len(others) > ASKED_MOST:
            absent.append(f"{len(others) - ASKED_MOST} more servers were not asked")
        return joined(answers, absent)

    async def each(self, command: ShellCommand, call: CommandCall) -> list[tuple[str, Table | None, str]]:
        """Run a command wherever it has to be; give each server, its own answer, and why it has none."""
        others = sorted({one.name for one in self._bus.others()} | {one.name for one in self._nodes.others()})
        if command.reach is CommandReach.HERE:
            others = []
        answers = await self._all(command, replace(call, alone=not others), others[:ASKED_MOST])
        absent = self._absent() if self._absent is not None and command.reach is not CommandReach.HERE else ()
        return [*((one.node, one.table, one.trouble) for one in answers), *(("", None, one) for one in absent)]

    async def _all(self, command: ShellCommand, call: CommandCall, others: Sequence[NodeName]) -> list[_Answer]:
        """Ask all at once, this one first."""
        followed = FollowedCommand(self._bus, self._timers, call)
        here = replace(call, tell=partial(followed.told_by, self._node)) if others else call
        return await together(
            self._here(command, here), *(self._there(node, command, call, followed) for node in others)
        )

    async def _here(self, command: ShellCommand, call: CommandCall) -> _Answer:
        try:
            return _Answer(self._node, await self.jobs.run(command, call))
        except (CommandFailed, WorldUnavailable) as error:
            return _Answer(self._node, None, str(error))

    async def _there(
        self, node: NodeName, command: ShellCommand, call: CommandCall, followed: FollowedCommand
    ) -> _Answer:
        within_s = command.patience_s or (LOOK_S if command.role is OperatorRole.VIEWER else CHANGE_S)
        question = RunCommand(
            command.name, json.dumps(dict(call.args)), json.dumps(dict(call.flags)), call.author, call.key
        )
        try:
            part: CommandPart = await followed.awaited(node, self._bus.ask(node, question, within_s))
            texts, number = [part.text], 1
            while number < part.parts and sum(map(len, texts)) <= self._most:
                more: CommandPart = await self._bus.ask(node, MoreOfCommand(part.handle, number), within_s)
                texts.append(more.text)
                number += 1
            return await self._read(node, "".join(texts))
        except BusTimeout as error:
            return _Answer(node, None, f"it has not answered: {error}", is_silent=True)
        except (KeyError, TypeError, ValueError) as error:
            return _Answer(node, None, f"its answer cannot be read: {error}", is_silent=True)

    async def _read(self, node: NodeName, text: str) -> _Answer:
        head, *lines = text.split("\n")
        told = json.loads(head)
        if told["trouble"]:
            return _Answer(node, None, str(told["trouble"]))
        columns = tuple(str(one) for one in told["columns"])
        slices = Slices(self._timers, ROWS_AT_ONCE)
        rows: list[tuple[object, ...]] = []
        for line in lines:
            row = tuple(map(_cell, json.loads(line)))
            if len(row) != len(columns):
                raise ValueError("a row is not as long as the others")
            rows.append(row)
            await slices.spend()
        # A server of another version tells none.
        counts = {str(name): int(value) for name, value in dict(told.get("counts", {})).items()}
        return _Answer(node, Table(columns, rows, str(told["note"]), str(told["failed"]), counts))

    # --- for others

    async def _asked(self, question: RunCommand) -> CommandPart:
        """Run a command that another server asks for; give the first part of the answer."""
        command = self._command(question.name)
        if command is None or command.reach is CommandReach.HERE:
            return _part({"trouble": f'there is no command "{question.name[:80]}" for others here'})
        args, flags = _words(question.args), _words(question.flags)
        call = CommandCall(args, flags, question.author, alone=False, key=question.key)
        if command.role > OperatorRole.VIEWER:
            self.log.info("{author} does: {command}", author=question.author, command=command.name)
        answer = await self._here(command, call)
        if answer.table is None:
            return _part({"trouble": answer.trouble})
        return self._first(await self._written(answer.table))

    async def _how_far(self, question: ProgressOfCommand) -> CommandProgress:
        return CommandProgress(self.jobs.said(question.key))

    async def _written(self, table: Table) -> str:
        slices = Slices(self._timers, ROWS_AT_ONCE)
        head: dict[str, object] = {"trouble": "", "columns": table.columns, "note": table.note, "failed": table.failed}
        head["counts"] = dict(table.counts)
        lines, size = [json.dumps(head)], 0
        for row in table.rows:
            lines.append(json.dumps(row, default=_packed))
            size += len(lines[-1])
            if size > self._most:
                return json.dumps({"trouble": f"the answer is longer than {self._most} bytes ([admin] output_bytes)"})
            await slices.spend()
        return "\n".join(lines)

    def _first(self, text: str) -> CommandPart:
        parts = [text[start : start + PART_CHARS] for start in range(0, len(text), PART_CHARS)]
        if len(parts) == 1:
            return CommandPart(text, 0, 1)
        handle = next(self._numbers)
        self._kept[handle] = parts
        self._until.set(handle, KEPT_S)
        while len(self._kept) > KEPT_MOST:
            oldest = next(iter(self._kept))
            self._until.clear(oldest)
            self._forget(oldest)
        return CommandPart(parts[0], handle, len(parts))

    async def _rest(self, question: MoreOfCommand) -> CommandPart:
        parts = self._kept.get(question.handle, ())
        if not 0 <= question.part < len(parts):
            return CommandPart("", 0, 0)
        if question.part == len(parts) - 1:
            self._until.clear(question.handle)
            self._forget(question.handle)
        return CommandPart(parts[question.part], question.handle, len(parts))

    def _forget(self, handle: int) -> None:
        self._kept.pop(handle, None)


def joined(answers: Sequence[_Answer], absent: Sequence[str] = ()) -> Table:
    """Make one table of what several servers gave; raises CommandFailed where all say that it cannot be done, and why alike."""
    given = [(one.node, one.table) for one in answers if one.table is not None]
    troubles = {one.trouble for one in answers}
    if not given and len(troubles) == 1 and not any(one.is_silent for one in answers):
        raise CommandFailed(troubles.pop())
    missing = [f"{one.node}: {one.trouble}" for one in answers if one.table is None]
    columns = next((table.columns for _, table in given), ())
    failed = _said((node, table.failed) for node, table in given)
    return Table(
        (NODE, *columns) if columns else (),
        _rows(given, columns),
        note=_said((node, table.note) for node, table in given),
        failed="; ".join([*([failed] if failed else ()), *missing, *absent]),
        counts=_sums(table.counts for _, table in given),
    )


def _sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up what several servers have counted, each for itself."""
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return dict(found)


def _packed(cell: object) -> object:
    if isinstance(cell, Shown):
        return {"words": cell.words, "value": cell.value}
    return str(cell)


def _cell(found: object) -> object:
    """Read a cell of another server."""
    if isinstance(found, dict):
        return Shown(str(found["words"]), _cell(found["value"]))
    return tuple(map(_cell, found)) if isinstance(found, list) else found


def _rows(given: Sequence[tuple[str, Table]], columns: tuple[str, ...]) -> list[tuple[object, ...]]:
    """Give the rows behind the names of their servers: once what all have, where the first has it."""
    common = set(given[0][1].rows) if len(given) > 1 else set()
    for _, table in given[1:]:
        common &= set(table.rows)
    rows: list[tuple[object, ...]] = []
    for number, (node, table) in enumerate(given):
        # Of another version a table may have other columns.
        at = [table.columns.index(name) if name in table.columns else -1 for name in columns]
        for row in table.rows:
            if row not in common:
                rows.append((node, *(row[place] if place >= 0 else None for place in at)))
            elif not number:
                rows.append((ALL, *row))
    return rows


def _said(sentences: Iterable[tuple[str, str]]) -> str:
    """Give what is said: once where all say the same, else with the names."""
    said = [(node, sentence) for node, sentence in sentences if sentence]
    different = {sentence for _, sentence in said}
    if len(different) == 1:
        return different.pop()
    return "; ".join(f"{node}: {sentence}" for node, sentence in said)


def _with_silence(table: Table, answers: Sequence[_Answer]) -> Table:
    """Add to an answer which servers have not answered."""
    silent = _silences(answers)
    if not silent:
        return table
    return replace(table, failed="; ".join([*([table.failed] if table.failed else ()), *silent]))


def _silences(answers: Sequence[_Answer]) -> list[str]:
    """Say who has not answered."""
    return [f"{one.node}: {one.trouble}" for one in answers if one.is_silent]


def _part(head: dict[str, Any]) -> CommandPart:  # Any: what a key says
    return CommandPart(json.dumps(head), 0, 1)


def _words(text: str) -> dict[str, str]:
    found = json.loads(text)
    return {str(name): str(value) for name, value in found.items()}


RunsCommand = Callable[[ShellCommand, CommandCall], Awaitable[Table]]
"""Runs a command, wherever that is."""
