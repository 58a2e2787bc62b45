"""A shell without SSH: commands of a made-up workload, an author, and a seat that writes down."""

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.records import AuditRecord
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    Flag,
    Offer,
    OperatorRole,
    Reason,
    ShellCommand,
    Table,
)
from lyncpy.core.timers import Timers
from lyncpy.workloads.admin.service import Admin, ServerControl
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import Author, Reply, RunningLine, Shell
from tests.kit.fakes import awaited
from tests.kit.gatehouse import TablePeople
from tests.kit.memory import MemoryRecords
from tests.kit.platform import platform_of
from tests.kit.results import result_of

WALL = 1_780_000_000.0
PEOPLE = ("alice@example.com", "albert@example.com", "bob@example.com")
NASTY = "Zoë \x1b]0;pwned\x07\u202e 山"
"""A name as somebody who wants to play with terminals would choose it."""


class Weather:
    """A workload that only talks."""

    def __init__(self) -> None:
        self.slow: Deferred[None] = Deferred()
        self.done: list[str] = []
        self.stormy = False
        self.tell: Callable[[str], None] = print

    def offer(self) -> Offer:
        """Give its commands and reasons."""
        user = Arg("user", "an address", choices=lambda: PEOPLE)
        some = Arg("user", "an address; all when left out", required=False, choices=lambda: PEOPLE)
        return Offer(
            "weather",
            commands=(
                ShellCommand("users", "The people there are.", self.users, args=(some,)),
                ShellCommand(
                    "forecast show", "What will be.", self.users, form=form("user name age:number enabled:truth note?")
                ),
                ShellCommand(
                    "forecast set",
                    "Decide what will be.",
                    self.change,
                    args=(user,),
                    flags=(Flag("days", "for so many", takes="N"), Flag("dry-run", "do nothing")),
                    role=OperatorRole.OPERATOR,
                ),
                ShellCommand("lock", "Lock a user out.", self.change, args=(user, Arg("word", "a word", secret=True))),
                ShellCommand("slow", "Take for ever.", self.wait),
                ShellCommand("broken", "Fail unexpectedly.", self.fail),
                ShellCommand("half", "Do some of it.", self.half),
                ShellCommand("refuse", "Say no.", self.refuse),
                ShellCommand("flood", "Say very much.", self.flood),
                ShellCommand("who", "Who asks.", self.who),
                ShellCommand("tale", "Say it again.", self.tale, reads="a tale"),
                ShellCommand(
                    "whisper",
                    "Say it again.",
                    self.tale,
                    flags=(Flag("aloud", "say nothing"),),
                    reads="a word",
                    asks="A word",
                    unread_with=("aloud",),
                ),
            ),
            reasons=(self.why, self.why_not),
            views=(self.why_seen,),
            conditions=(self.storm,),
        )

    async def users(self, asked: CommandCall) -> Table:
        """Give people, one of them nasty."""
        rows = [
            (name, NASTY if name.startswith("bob") else "Nice", 7 * n, n > 0, None) for n, name in enumerate(PEOPLE)
        ]
        if "user" in asked.args:
            rows = [row for row in rows if row[0] == asked.args["user"]]
        return Table(("user", "name", "age", "enabled", "note"), rows, note=f"{len(rows)} people")

    async def change(self, asked: CommandCall) -> Table:
        """Write down that something was changed."""
        self.done.append(asked.args["user"])
        return Table((), (), note="changed")

    async def tale(self, asked: CommandCall) -> Table:
        """Give the input."""
        return Table((), (), note=asked.said)

    async def wait(self, asked: CommandCall) -> Table:
        """Wait until somebody lets it go on."""
        self.tell = asked.tell
        await self.slow
        return Table((), (), note="at last")

    async def half(self, asked: CommandCall) -> Table:
        """Show what was done, and say what was not."""
        return Table(("done",), [("this",)], failed="that was not done")

    async def fail(self, asked: CommandCall) -> Table:
        """Fail as a bug does."""
        raise RuntimeError("the inside shows")

    async def refuse(self, asked: CommandCall) -> Table:
        """Fail as a workload does."""
        raise CommandFailed("no such thing \x1b[31m; try another")

    async def flood(self, asked: CommandCall) -> Table:
        """Give more than any bound."""
        return Table(("line",), [("x" * 1000,)] * 1000)

    async def who(self, asked: CommandCall) -> Table:
        """Give who asks."""
        return Table(("author",), [(asked.author,)])

    def storm(self) -> Sequence[Reason]:
        """Give what is wrong with the whole, when something is."""
        return (Reason("weather", "a storm is near", good=False, remedy="go home"),) if self.stormy else ()

    async def why(self, aor: Aor) -> Sequence[Reason]:
        """Give a good finding, then a bad one."""
        return (
            Reason("presence", f"{aor} is shown as online", good=True),
            Reason("sign-in", "wrong password", good=False, remedy="set another"),
        )

    async def why_seen(self, aor: Aor, watcher: Aor) -> Sequence[Reason]:
        """Give a good finding, then a bad one."""
        return (
            Reason("level", f"{watcher} is a friend", good=True),
            Reason("state", f"{aor} is hidden", good=watcher.startswith("sip:al")),
        )

    async def why_not(self, aor: Aor) -> Sequence[Reason]:
        """Fail, by a fault of the world or of ours."""
        if self.stormy:
            raise StoreUnavailable("bring back the key that belongs to this database")
        raise RuntimeError("nothing is known")


class DeafRecords(MemoryRecords):
    """Records whose store is gone."""

    def audit(self, record: AuditRecord) -> Deferred[None]:
        """Fail."""
        return fail(StoreUnavailable("the disk is full"))


class NoReactor:
    """Counts stops."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        """Count."""
        self.stops += 1


async def nothing_to_reload() -> Sequence[str]:
    """Do what `reload` does where there is no file with settings."""
    return ()


class Parlour:
    """An Admin that is not open, with its parts in reach."""

    def __init__(
        self,
        records: MemoryRecords | None = None,
        reload: Callable[[], Sequence[str]] = lambda: ["the certificate is new"],
        **settings: object,
    ) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: WALL + self.clock.seconds())
        self.weather = Weather()
        self.records = records if records is not None else MemoryRecords()
        self.reactor = NoReactor()
        self.settings = Settings.model_validate({"socket": "", **settings})
        people = TablePeople(*(Person(aor_of(one), one) for one in PEOPLE))
        self.platform = platform_of(self.clock, timers=self.timers, records=self.records, people=people)

        async def reloading() -> Sequence[str]:
            return reload()

        offers = [self.weather.offer()]
        self.admin = Admin(
            self.platform, offers, Path(), self.settings, self.reactor, ServerControl(reloading, self.weather.storm), {}
        )
        self.shell = Shell(self.admin.words, self.records, self.settings, self.timers, run_here)

    def begin(self, line: str, role: OperatorRole = OperatorRole.DEVELOPER, width: int | None = None) -> RunningLine:
        """Run a line."""
        return self.shell.run_line(line, author(role), width)

    def ask(self, line: str, role: OperatorRole = OperatorRole.DEVELOPER, width: int | None = None) -> Reply:
        """Run a line that is answered at once."""
        return reply_of(self.begin(line, role, width))

    def audited(self) -> list[tuple[str, str]]:
        """Give what was recorded, the oldest first: command and outcome."""
        return [(row.command, row.outcome) for row in self.records_kept()][::-1]

    def records_kept(self) -> Sequence[AuditRecord]:
        """Give the rows as they are."""
        return rows_of(self.records)


async def run_here(command: ShellCommand, call: CommandCall) -> Table:
    """Run a command at this server alone."""
    table: Table = await command.run(call)
    return table


def author(role: OperatorRole) -> Author:
    """Give somebody with a role."""
    return Author("ops@desk SHA256:abc", "192.0.2.1", role)


def reply_of(running: RunningLine) -> Reply:
    """Give the answer that is there."""
    replies: list[Reply] = []

    def keep(reply: Reply) -> Reply:
        replies.append(reply)
        return reply

    _ = running.reply.addCallback(keep)
    assert replies, "the command is still under way"
    return replies[0]


def rows_of(records: MemoryRecords) -> Sequence[AuditRecord]:
    """Give what was recorded, the newest first."""
    rows: Sequence[AuditRecord] = result_of(awaited(records.audited(limit=10_000)))
    return rows
