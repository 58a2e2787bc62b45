"""The shell's life."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.workload import CommandCall, IWorkload, Offer, OperatorRole, Reason, ShellCommand
from lyncpy.core.platform import Platform
from lyncpy.workloads.admin.api import Api
from lyncpy.workloads.admin.channel import ShellContext
from lyncpy.workloads.admin.commands import Commands, ServerHandle
from lyncpy.workloads.admin.console.gathered import Gathering, NodeAnswer
from lyncpy.workloads.admin.console.service import Console
from lyncpy.workloads.admin.console.tickets import ConsoleTickets
from lyncpy.workloads.admin.everywhere import Everywhere
from lyncpy.workloads.admin.keyring import ROLE_NAMES, AuthorizedKeys, host_keys
from lyncpy.workloads.admin.local import LocalDoor
from lyncpy.workloads.admin.parser import HELP, JSON, Vocabulary
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import Shell
from lyncpy.workloads.admin.ssh import Server
from lyncpy.workloads.admin.token_door import TokenDoor
from lyncpy.workloads.admin.tokens import OperatorTokens

LAST_COMMANDS_S: Final = 3.0
LAST_BYTES_S: Final = 2.0
"""How long closing waits for commands under way, and for answers to leave."""


@dataclass(frozen=True, slots=True)
class ServerControl:
    """What the shell may do to the server, and what it is told of it."""

    reload: Callable[[], Awaitable[Sequence[str]]]
    """What `reload` does; gives sentences, raises with one."""

    conditions: Callable[[], Sequence[Reason]] = tuple
    """Gives what is wrong with the server itself."""

    stop: Callable[[], None] | None = None
    """What `shutdown` does; None: the reactor is stopped."""

    absent: Callable[[], Sequence[str]] | None = None
    """Gives sentences about processes of this machine that should be there; None: it is to have one alone."""

    site: str = ""
    """The address of the web site; "": there is none."""

    organisation: str = ""
    """Whose server it is, for pages."""

    handed: Mapping[str, int] = field(default_factory=dict)
    """Ports that are open already: setting → the number of the file."""


@implementer(IWorkload)
class Admin:
    """The administrators' shell, over SSH.

    Args:
        platform: The server's; every command is recorded.
        offers: Every other workload's.
        home: The folder that relative paths start from.
        settings: The section [admin].
        reactor: Listens and, for `shutdown`, stops.
        control: What `reload` and `shutdown` do.
        names: What the Python prompt knows, this workload beside it.
    """

    name = "admin"
    log = Logger()

    def __init__(
        self,
        platform: Platform,
        offers: Sequence[Offer],
        home: Path,
        settings: Settings,
        reactor: Any,  # Any: a reactor is several interfaces
        control: ServerControl,
        names: Mapping[str, object],
    ) -> None:
        records, timers = platform.records, platform.timers
        self._home = home
        self._settings = settings
        self._timers = timers
        self._reactor = reactor
        self.everywhere: Final = Everywhere(platform, self._command, settings.output_bytes, control.absent)
        self.shell = Shell(self.words, records, settings, timers, self.everywhere.run)
        self._keys = AuthorizedKeys(home / settings.authorized_keys, ROLE_NAMES[settings.default_role])
        self._names: Mapping[str, object] = {**names, self.name: self}
        self.server: Server | None = None
        """The SSH server while it is open."""

        self._local: LocalDoor | None = None
        self.port = 0
        """The port as it is opened; 0 when there is none."""

        self._handed = control.handed
        server = ServerHandle(control.reload, control.stop or reactor.stop, self._connections, control.conditions)
        commands = Commands(self.offers, records, server, platform.people, settings, timers)
        tokens = OperatorTokens(platform.store, timers)
        door = TokenDoor(tokens.holder, timers)
        api = Api(self.shell, self.words, door)
        tickets = ConsoleTickets(platform.store, tokens, settings, timers, control.site)
        gathering = Gathering(self._asked_of_all, timers)
        console = Console(tickets, door, gathering, self.shell.record, settings, control.organisation, timers)
        self.offer = Offer(
            self.name,
            commands=(*commands.declared(), *self.everywhere.jobs.commands(), *tokens.commands(), *tickets.commands()),
            resources=(*api.resources(), *console.resources()),
        )
        self._offers = (*offers, self.offer)

    def offers(self) -> Sequence[Offer]:
        """Give every offer, one's own included."""
        return self._offers

    def words(self) -> Vocabulary:
        """Give every command."""
        return Vocabulary(self._commands())

    def _command(self, name: str) -> ShellCommand | None:
        return next((command for command in self._commands() if command.name == name), None)

    async def open(self) -> None:
        """Listen.

        Raises:
            CannotListen, HostKeysUnusable: With a sentence that names setting and remedy.
            ValueError: Two workloads declare the same word, which is our bug.
        """
        _check(self._commands())
        given = ShellContext(
            self.shell,
            self.words,
            self._keys,
            self._names,
            self._settings,
            self._timers,
            self._reactor,
            self._handed,
        )
        if self._settings.socket:
            local = LocalDoor(given, self._home / self._settings.socket)
            local.listen()
            self._local = local
        if not self._settings.port:
            return
        server = Server(given, host_keys(self._home / self._settings.host_key_folder))
        self.port = server.listen()
        self.server = server
        self._keys.ring()  # so that the log tells now what is wrong with the file
        self.log.info("the shell listens on {host}:{port}", host=self._settings.host, port=self.port)

    async def close(self) -> None:
        """Refuse new lines, wait until those under way are answered, then close all sessions."""
        doors = [one for one in (self.server, self._local) if one is not None]
        self.server = self._local = None
        if not doors:
            return
        for door in doors:
            await door.stop()
        waiting = Deferred.fromCoroutine(self.shell.idle())
        # What is not done in time goes on to its own bound; nobody waits for its answer any more.
        timer = self._timers.later(LAST_COMMANDS_S, waiting.cancel)
        await waiting.addErrback(lambda _: None)
        timer.cancel()
        for door in doors:
            await door.empty(LAST_BYTES_S)

    async def _asked_of_all(self, name: str, flags: Mapping[str, str]) -> Sequence[NodeAnswer]:
        """Ask all servers what a command of a viewer's answers, for the console."""
        command = self._command(name)
        assert command is not None  # the console asks for commands that there are
        assert command.role is OperatorRole.VIEWER  # it only looks
        return await self.everywhere.each(command, CommandCall({}, flags, "console"))

    def _commands(self) -> Sequence[ShellCommand]:
        return [command for offer in self.offers() for command in offer.commands]

    def _connections(self) -> int:
        local = len(self._local.sessions) if self._local is not None else 0
        return local + (len(self.server.transports) if self.server is not None else 0)


def _check(commands: Sequence[ShellCommand]) -> None:
    """Refuse commands that hide one another, or a flag that every command has."""
    names = [command.name for command in commands]
    twice = sorted({name for name in names if names.count(name) > 1})
    reserved = {flag.name for flag in (JSON, HELP)}
    taken = [command.name for command in commands if reserved & {flag.name for flag in command.flags}]
    if twice or taken:
        raise ValueError(f"commands declared twice: {twice}; with a flag that every command has: {taken}")
