"""The shell's own words."""

import resource
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from twisted.logger import Logger

from lyncpy import __version__
from lyncpy.contracts.answers import FACTS, Shown, form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.records import ALWAYS, AuditRecord, IRecords
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    Offer,
    OperatorRole,
    OrderedWords,
    Reason,
    ShellCommand,
    Table,
)
from lyncpy.core import interpreter
from lyncpy.core.asking import asking
from lyncpy.core.conditions import told
from lyncpy.core.flags import count_flag, time_flag
from lyncpy.core.timestamps import moment
from lyncpy.workloads.admin.parser import Vocabulary, everywhere, usage, written
from lyncpy.workloads.admin.settings import Settings

COMMANDS: Final = ("command", "does", "role")
HELP: Final = form("command does role", facts="use? does? takes* flag* row* fact* count* role?")
"""Of `help`, and of any command with --help."""

STATUS: Final = form(
    facts="version interpreter started:time up:seconds processor_time:seconds memory_at_most_mib:number parts"
    " shell_connections:number condition*",
    has_more=True,
)

AUDIT_ROWS: Final = 10_000

STOP_DELAY_S: Final = 0.2
"""Between the answer to `shutdown` and the stop: time for the answer to leave."""


@dataclass(frozen=True, slots=True)
class ServerHandle:
    """What the shell knows of the server as a whole, and does with it."""

    reload: Callable[[], Awaitable[Sequence[str]]]
    """Gives sentences, raises with one."""

    stop: Callable[[], None]
    connections: Callable[[], int]
    """Counts those to the shell."""

    conditions: Callable[[], Sequence[Reason]]
    """Gives what is wrong with it."""


class Commands:
    """`help`, `why`, `status`, `audit`, `reload`, `shutdown`, `python`, `exit`."""

    log = Logger()

    def __init__(
        self,
        offers: Callable[[], Sequence[Offer]],
        records: IRecords,
        server: ServerHandle,
        people: IPeople,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        self._offers = offers
        self._records = records
        self._server = server
        self._people = people
        self._settings = settings
        self._timers = timers
        self._since = timers.now()

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        command = Arg("command", "a command, or the first word of several; all when left out", required=False)
        word = Arg("word", "its second word", required=False)
        user = Arg("user", "an address, as alice@example.com", choices=self._users)
        watcher = Arg(
            "watcher",
            "an address: what this one is shown of USER",
            required=False,
            choices=self._users,
            after="as seen by",
        )
        seen_by = Flag("seen-by", "the same in one word: what WATCHER is shown of USER", takes="WATCHER")
        since = Flag("since", "only what is newer: 30m, 2h, 7d, or a day as 2026-05-31", takes="WHEN")
        until = Flag("until", "only what is older", takes="WHEN")
        by = Flag("by", "only what an author gave whose name or address has this in it", takes="WHO")
        of = Flag("command", "only commands that begin with these words", takes="WORDS")
        limit = Flag("limit", f"at most so many, the newest; 100 when left out, {AUDIT_ROWS} at most", takes="N")
        operator, developer = OperatorRole.OPERATOR, OperatorRole.DEVELOPER
        return (
            ShellCommand(
                "help", "The commands there are, or how one is used.", self.help, args=(command, word), form=HELP
            ),
            ShellCommand(
                "why",
                "Why a user cannot sign in, or why they are shown as they are, to themselves or another; trouble first.",
                self.why,
                args=(user, watcher),
                flags=(seen_by,),
                form=form("state concern finding remedy"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand("status", "How the server is.", self.status, form=STATUS, reach=CommandReach.EVERYWHERE),
            ShellCommand(
                "audit",
                "Who has asked for what, the newest first.",
                self.audit,
                flags=(since, until, by, of, limit),
                form=form("at:time author from command outcome"),
            ),
            ShellCommand(
                "reload",
                "Read the configuration and the certificates again.",
                self.reload,
                role=operator,
                form=form("done"),
                reach=CommandReach.EVERYWHERE,
            ),
            ShellCommand(
                "shutdown",
                "End the server of this machine, with all its processes, at once.",
                self.shutdown,
                role=operator,
            ),
            ShellCommand(
                "python", "A Python prompt inside the server: ssh -t HOST python", self.python, role=developer
            ),
            ShellCommand("exit", "Leave the shell; so does Ctrl-D.", self.exit),
        )

    def _words(self) -> Vocabulary:
        return Vocabulary([command for offer in self._offers() for command in offer.commands])

    async def help(self, asked: CommandCall) -> Table:
        """List the commands, or explain one."""
        words = self._words()
        named = [word for name in ("command", "word") for word in asked.args.get(name, "").split()]
        if not named:
            rows = [(one.name, one.help, one.role.name.lower()) for one in words.all_commands()]
            return Table(COMMANDS, rows, note="`help COMMAND` tells how one is used")
        command = words.longest_command(named)
        if command is not None and command.name.split() == named:
            return explained(command)
        group = [one for one in words.all_commands() if one.name.split()[: len(named)] == named]
        if not group:
            raise CommandFailed(f'there is no command "{" ".join(named)[:80]}"; `help` lists all')
        return Table(COMMANDS, [(o.name, o.help, o.role.name.lower()) for o in group])

    async def why(self, asked: CommandCall) -> Table:
        """Ask every workload about a user."""
        aor = _address(asked.args["user"])
        watcher = asked.args.get("watcher") or asked.flags.get("seen-by")
        if watcher is not None:
            return await self._why_seen(aor, _address(watcher))
        found = await self._asked((offer.name, partial(ask, aor)) for offer in self._offers() for ask in offer.reasons)
        found += self._server.conditions()
        found.sort(key=lambda reason: reason.good)
        bad = sum(not reason.good for reason in found)
        note = f"{bad} of {len(found)} findings need a look" if bad else "nothing stands in their way"
        return _reasons(found, note if found else "nobody knows anything of them", self._stranger(aor))

    def _stranger(self, *named: Aor) -> str:
        """Say who of these is not known at all; "": everybody is. What is found of them says more."""
        strange = [bare(aor) for aor in named if self._people.person(aor) is None]
        return f"nobody is known as {' or '.join(strange)}" if strange else ""

    async def _why_seen(self, aor: Aor, watcher: Aor) -> Table:
        """Collect the findings about a user as a watcher sees them, in the order in which they follow from one another."""
        asks = ((offer.name, partial(ask, aor, watcher)) for offer in self._offers() for ask in offer.views)
        found = await self._asked(asks)
        bad = sum(not reason.good for reason in found)
        note = f"{bad} of {len(found)} findings hide something" if bad else f"nothing hides them from {bare(watcher)}"
        return _reasons(found, note if found else "nobody knows anything of them", self._stranger(aor, watcher))

    async def _asked(self, asks: Iterable[tuple[str, Callable[[], Awaitable[Sequence[Reason]]]]]) -> list[Reason]:
        """Collect findings, each with the name of its workload."""
        found: list[Reason] = []
        for name, ask in asks:
            with asking(name, found, self.log):
                found += await ask()
        return found

    async def status(self, asked: CommandCall) -> Table:
        """Tell how the server is."""
        up_s = self._timers.now() - self._since
        used = resource.getrusage(resource.RUSAGE_SELF)
        rows: list[tuple[object, ...]] = [
            ("version", __version__),
            ("interpreter", interpreter.description()),
            ("started", moment(self._timers.wall() - up_s)),
            ("up", _span(up_s)),
            ("processor time", _span(used.ru_utime + used.ru_stime)),
            ("memory at most, MiB", used.ru_maxrss // 1024),
            ("parts", ", ".join(offer.name for offer in self._offers())),
            ("shell connections", self._server.connections()),
            *(row for offer in self._offers() for states in offer.states for row in states()),
        ]
        rows += [("condition", f"{one.concern}: {told(one)}") for one in self._server.conditions()]
        return Table(FACTS, rows)

    async def audit(self, asked: CommandCall) -> Table:
        """List the commands that were given, with their authors."""
        flags, now = asked.flags, self._timers.wall()
        limit = count_flag(flags, "limit", AUDIT_ROWS)
        since, until = time_flag(flags, "since", now), time_flag(flags, "until", now, ALWAYS)
        is_chosen = bool({"until", "by", "command"} & flags.keys())
        found = await self._records.audited(since=since, limit=AUDIT_ROWS if is_chosen else limit)
        rows = [one for one in found if one.at < until and _fits(one, flags.get("by", ""), flags.get("command", ""))]
        # What is chosen from is the newest of all; there may be older ones that fit.
        is_all = not is_chosen or len(found) < AUDIT_ROWS
        note = "" if is_all or len(rows) > limit else f"looked for among the newest {AUDIT_ROWS}; --since narrows them"
        return Table(
            ("at", "author", "from", "command", "outcome"),
            [(moment(one.at), one.author, one.source, one.command, one.outcome) for one in rows[:limit]],
            note=note,
        )

    async def reload(self, asked: CommandCall) -> Table:
        """Read the configuration again."""
        try:
            sentences = await self._server.reload()
        except CommandFailed:
            raise  # a configuration that cannot be used: whoever asked is told why, and needs no traceback
        except Exception as error:
            self.log.failure("the configuration was not reloaded")
            raise CommandFailed(f"nothing was changed: {error or type(error).__name__}") from error
        return Table(("done",), [(sentence,) for sentence in sentences], note="reloaded")

    async def shutdown(self, asked: CommandCall) -> Table:
        """End the server when this is answered."""
        self._timers.later(STOP_DELAY_S, self._server.stop)
        return Table((), (), note="shutting down")

    async def python(self, asked: CommandCall) -> Table:
        """Let the session begin a Python prompt."""
        if not self._settings.python_prompt:
            raise CommandFailed("there is no Python prompt here; [admin] python_prompt = true allows it to developers")
        return Table((), ())

    async def exit(self, asked: CommandCall) -> Table:
        """Let the session end."""
        return Table((), ())

    def _users(self) -> Sequence[str]:
        """Give the users whom the others' commands speak of."""
        args = [arg for offer in self._offers() for command in offer.commands for arg in command.args]
        found = [
            choices()
            for choices in {arg.choices for arg in args if arg.name == "user"}
            if choices not in (None, self._users)
        ]
        # Whoever has everybody has them in order; to gather them once more would take a while.
        everybody = max((some for some in found if isinstance(some, OrderedWords)), key=len, default=())
        return everybody or sorted({one for some in found for one in some})


def _fits(one: AuditRecord, by: str, command: str) -> bool:
    """Tell whether a row is of this author or place, and of a command that begins so."""
    words, wanted = one.command.lower().split(), command.lower().split()
    who = f"{one.author} {one.source}".lower()
    return by.lower() in who and words[: len(wanted)] == wanted


def _address(text: str) -> Aor:
    if "@" not in text.strip("@"):
        raise CommandFailed(f'"{text[:80]}" is not an address; write it as alice@example.com')
    return aor_of(text)


def _reasons(found: Iterable[Reason], note: str, failed: str) -> Table:
    rows = [("ok" if one.good else "trouble", one.concern, one.finding, one.remedy) for one in found]
    return Table(("state", "concern", "finding", "remedy"), rows, note=note, failed=failed)


def explained(command: ShellCommand) -> Table:
    """Tell how a command is used: its declaration is its help."""
    rows: list[tuple[object, ...]] = [("use", usage(command)), ("does", command.help)]
    rows += [("takes", f"{arg.name.upper()}: {arg.help}") for arg in command.args]
    rows += [
        ("flag", f"{written(flag)}: {flag.help}{_for_whom(flag)}") for flag in (*command.flags, *everywhere(command))
    ]
    answer = command.form
    rows += [("row", f"{one.name}: {one.words}") for one in answer.rows]
    rows += [("fact", f"{one.name}: {one.words}") for one in answer.facts]
    rows += [("count", name) for name in answer.counts]
    return Table(FACTS, [*rows, ("role", command.role.name.lower())])


def _for_whom(flag: Flag) -> str:
    return "" if flag.role is None else f" (for the role {flag.role.name.lower()})"


def _span(seconds: float) -> Shown:
    return Shown(duration(seconds), round(seconds, 3))


def duration(seconds: float) -> str:
    """Write a time span: `3 days, 4:05:06`."""
    return str(timedelta(seconds=round(seconds)))
