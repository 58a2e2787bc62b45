"""A whole server on a memory reactor, in a few milliseconds.

What runs is the assembly of `app/` over a store, records, a bus and a directory in memory,
with the real wire: its flows and streams read and write bytes. Only sockets, threads and
time are not real. Actors (`tests.kit.actors`) are its clients.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from lyncpy.app.assembly import ServerParts, inside
from lyncpy.app.backends import Backends
from lyncpy.app.config import check
from lyncpy.app.surroundings import Surroundings
from lyncpy.auth.ntlm import nt_hash
from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.volatile import MemoryRecordStore
from lyncpy.contracts.directory import IDirectoryPasswords, Person
from lyncpy.contracts.guests import GUEST_DOMAIN
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.ntlm import INtlmVerifier
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.workload import CommandCall, IUnit, OperatorRole, ShellCommand, Table
from lyncpy.core.node_lease import LeasedNode, OnlyNode
from lyncpy.core.timers import Timers
from lyncpy.core.unit import UnitGroup
from lyncpy.wire.stream import SipFactory
from lyncpy.workloads.admin.parser import Vocabulary
from lyncpy.workloads.admin.service import Admin
from lyncpy.workloads.admin.shell import Reply
from tests.kit.actors import Actor
from tests.kit.archive import FragileLedger, MemoryGapFile, PlainStamps
from tests.kit.certificates import issue
from tests.kit.deployment import WALL, Deployment, password_of, someone
from tests.kit.directory import PlainSeals
from tests.kit.fakes import FragileRecords, FragileStore, Fragility, awaited
from tests.kit.gateways import MemoryPeers
from tests.kit.guests import Guest, made_up
from tests.kit.hub import Hub
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import SameKey, key_of
from tests.kit.leases import FragileLeases
from tests.kit.meters import MemoryMeter
from tests.kit.network import Network
from tests.kit.results import result_of
from tests.kit.shell import author, nothing_to_reload, reply_of
from tests.kit.trace_files import MemoryHomer, MemoryTraceFiles
from tests.kit.volatile import FragileVolatileStore

DOMAIN: Final = "example.com"

STARTED_S: Final = 600.0


@cache
def shown_server() -> Shown:
    """Give the certificate that the server would show on its connections, and shows within SIP."""
    today = datetime.fromtimestamp(WALL, UTC)
    return Shown(issue(f"sip.{DOMAIN}", today=today, key=key_of("server")))


class Stage:
    """A server, the network before it, and a clock that plays move.

    What the server logs as an error fails the play, unless it was `expect`ed.

    Attributes:
        clock: The reactor.
        network: Between actors and the server.
        directory: Where people come from; a play may change them.
        disk: What keeps store and records; a play may break it.
        leases: What renews the lease of one of several servers, beside the disk.
        records: The call detail records, read past the disk.
        ledger: The archive's lines, read past the disk.
        exports: What has left the archive.
        traces: What was traced.
        homer: What was sent to Homer.
        peers: The gateways of the play, and the network to them.
        complaints: What the server logged at error or worse.
        settings: Sections and keys of lyncpy.toml, beside the least that is needed.
        actors: Everybody who ever stood on it.
        is_fenced: Whether it has ended because it is known dead to the others, and would begin anew.
        wants_to_end: Whether it has left the others in order, and would end.
    """

    steps: ClassVar[Sequence[float]] = (0.0,)
    """By how much the hosts' clocks are set in the middle of each time that passes, in turn."""

    def __init__(self, deployment: Deployment | None = None, /, **settings: Mapping[str, object]) -> None:
        """Start a server; each keyword is a section. Of a deployment that is given it is one of several."""
        self._is_alone = deployment is None
        self.deployment: Final = Deployment() if deployment is None else deployment
        self.clock: Final = self.deployment.clocks.new()
        self.network: Final = Network(self.clock)
        self.photos = self.deployment.photos
        self.passwords: IDirectoryPasswords | None = None
        self.ntlm: INtlmVerifier | None = None
        self.directory = self.deployment.directory
        self.disk: Final = Fragility()
        self.leases: Final = Fragility()
        self._stepped = 0.0
        self._steps = cycle(self.steps)
        self.store: Final = self.deployment.store
        self.records: Final = self.deployment.records
        self.ledger: Final = self.deployment.ledger
        self.exports: Final = self.deployment.exports
        self.gap_file: Final = MemoryGapFile()
        self.traces: Final = MemoryTraceFiles(self.wall)
        self.homer: Final = MemoryHomer()
        self.peers: Final = MemoryPeers(self.clock)
        self.complaints: Final = self.deployment.complaints
        # The shell's door is the only one that a server of `inside` opens by itself.
        least: dict[str, Mapping[str, object]] = {
            "sip": {"domain": DOMAIN},
            "admin": {"port": 0, "socket": ""},
            "im": {"record_counts_s": 1.0},  # plays look at records two seconds later
            "archive": {"gather_ms": 0},  # what is said is heard before time passes
        }
        self.settings: Final = {
            section: {**least.get(section, {}), **settings.get(section, {})} for section in {**least, **settings}
        }
        self.actors: Final[list[Actor]] = []
        self._dead: Final[list[ServerParts]] = []
        self._is_running = False
        self.deployment.joined()
        self._start()

    @classmethod
    @contextmanager
    def opened(cls, **settings: Mapping[str, object]) -> "Iterator[Stage]":
        """Give a stage for one play, and see to it that nothing complained at its end."""
        stage = cls(**settings)
        try:
            yield stage
        finally:
            stage.close()
        if stage.unexpected:
            raise AssertionError("\n".join(stage.unexpected))

    # --- the server

    def _start(self) -> None:
        self.node = NodeName(f"n{next(self.deployment.starts)}")
        self._is_running, self.is_fenced, self.wants_to_end = True, False, False
        self.timers = Timers(self.clock, self.wall)
        self.meter = MemoryMeter()
        self.bus = MemoryBus(self.node, self.clock) if self._is_alone else self._hub.bus(self.node, self.clock)
        config = check(Path("/nowhere/lyncpy.toml"), self.settings)
        leases = FragileLeases(self.deployment.nodes, self.leases)
        self.disk.is_over = leases.is_over
        nodes = self._nodes(leases, config.sections.pool.lease_s)
        back = Backends(
            nodes=nodes,
            units=(nodes,),
            store=FragileStore(self.store, self.disk),
            # Of one process alone they are gone with it.
            volatile=MemoryRecordStore(self.true_wall)
            if self._is_alone
            else FragileVolatileStore(self.deployment.volatile, self.disk, self.clock),
            records=FragileRecords(self.records, self.disk),
            bus=self.bus,
            meter=self.meter,
            directory=self.directory,
            photos=self.photos,
            passwords=self.passwords,
            ntlm=self.ntlm,
            seals=PlainSeals(),
            key_pairs=SameKey(),
            ledger=FragileLedger(self.ledger, self.disk),
            stamps=PlainStamps(),
            exports=self.exports,
            traces=self.traces,
            homer=self.homer,
            peers=self.peers,
            gap_file=self.gap_file,
        )
        self.inside: ServerParts = inside(
            config,
            self.node,
            back,
            self.timers,
            self.clock,
            nothing_to_reload,
            Surroundings(end=self._end),
            credentials=shown_server,
        )
        self.ground, self.entrance = self.inside.ground, self.inside.entrance
        self.house = UnitGroup(self.inside.units, self.clock)
        self._opening = Deferred.fromCoroutine(self.house.open())
        self.settle()
        _raise(self._opening)
        sip = config.sections.sip
        self.network.open(SipFactory(self.ground.flows, self.entrance.transactions, sip, self.timers, secure=False))

    def _nodes(self, leases: FragileLeases, lease_s: float) -> OnlyNode | LeasedNode:
        if self._is_alone:
            return OnlyNode(self.node, leases, "here")
        return LeasedNode(
            self.node,
            leases,
            f"host of {self.node}",
            bus=self.bus,
            timers=self.timers,
            lease_s=lease_s,
            is_connected=True,
            begin_anew=self._begin_anew,
        )

    def _begin_anew(self) -> None:
        """End, as a server does that is known dead; a play starts it."""
        self.is_fenced = True
        self.kill()

    def _end(self) -> None:
        """Note that the server has left the others, and would end; a play stops it."""
        self.wants_to_end = True

    @property
    def is_running(self) -> bool:
        """Whether the server runs."""
        return self._is_running

    def stop(self) -> None:
        """Stop the server in order: no new connections, the old ones closed, everything written."""
        self.network.close()
        closing = Deferred.fromCoroutine(self._stopped())
        self.passes(10)
        _raise(closing)
        self._has_ended()

    async def _stopped(self) -> None:
        await self.house.close()

    def kill(self) -> None:
        """End the server as `kill -9` does: nothing that was under way goes on, connections break."""
        self.network.close()
        for call in tuple(self.clock.getDelayedCalls()):  # the clock's own list, which every cancel shortens
            call.cancel()
        # Nobody of the dead server hears of the connections' end any more; the clients do.
        for line in self.network.lines:
            line.vanish()
        # Never collected: the end of what waits in it would wake it.
        self._dead.append(self.inside)
        self._has_ended()

    def _has_ended(self) -> None:
        self._is_running = False
        self._hub.leave(self.node)

    def freeze(self) -> None:
        """Stop the server as SIGSTOP does: it does nothing, and others are not told."""
        self.deployment.clocks.freeze(self.clock)

    def thaw(self) -> None:
        """Let it go on: what was due meanwhile is done now."""
        self.deployment.clocks.thaw(self.clock)
        self.settle()

    def start(self, *, clock_is_right: bool = True) -> None:
        """Start a server on what the last one has kept.

        Who starts one has its clock right within minutes: beyond that clients would be told that theirs is wrong.
        """
        if clock_is_right:
            stepped = self.deployment.stepped
            self._stepped = max(-STARTED_S, min(STARTED_S, self._stepped + stepped)) - stepped
        self._start()

    def unit(self, name: str) -> Any:  # Any: IUnit, or what it really is; a promise has no class
        """Give a unit of the server by its name."""
        units: Sequence[IUnit] = self.inside.units
        return next(unit for unit in units if unit.name == name)

    def close(self) -> None:
        """End the play: the server is stopped, unless it is dead, and nothing is left on the clock."""
        try:
            self.disk.broken = False
            self.disk.catch_up()
            if self._is_running:
                self.stop()
        finally:
            self.deployment.left()

    # --- time

    def wall(self) -> float:
        """Seconds since the epoch, as the server's host has them."""
        return self.true_wall() + self.deployment.stepped + self._stepped

    def true_wall(self) -> float:
        """Seconds since the epoch, as all others have them."""
        return self.deployment.true_wall()

    def step(self, seconds: float) -> None:
        """Set the clock of the server's host; no time passes, and nobody else's clock changes."""
        self._stepped += seconds

    def settle(self) -> None:
        """Let happen what happens at once."""
        self.deployment.clocks.settle()

    def passes(self, seconds: float) -> None:
        """Let time pass; each thing happens at its time. In its middle somebody may set the hosts' clocks."""
        if seconds >= 1.0:
            self.deployment.clocks.passes(seconds / 2)
            self.deployment.stepped += next(self._steps)
            self.deployment.clocks.passes(seconds / 2)
        else:
            self.deployment.clocks.passes(seconds)

    # --- people

    def someone(self, user: str, **facts: Any) -> Person:  # Any: the fields of Person
        """Give a person as the directory has him."""
        return someone(user, **facts)

    def changes(self, user: str, **facts: Any) -> None:  # Any: the fields of Person
        """Change what the directory says of somebody; the server learns of it with its next pull."""
        self.directory.people = [one for one in self.directory.people if one.key != f"key-{user}"]
        self.directory.people.append(self.someone(user, **facts))

    def sets_password(self, user: str, password: str) -> None:
        """Give somebody a new password, as an operator does; it counts at once."""
        result_of(awaited(self.ground.tables.secrets.set_hash(Aor(f"sip:{user}@{DOMAIN}"), nt_hash(password))))
        self.settle()

    def pulls(self) -> None:
        """Let time pass until the directory has been pulled."""
        self.passes(301)

    def actor(self, user: str, **how: Any) -> Actor:  # Any: see Actor
        """Give a device of somebody that has not signed in; each has its own address and epid."""
        device = next(self.deployment.devices)
        usual = {
            "password": password_of(user),
            "address": f"10.0.0.{device}",
            "number": device,
            "wall": self.true_wall,
            "domain": DOMAIN,
        }
        self.actors.append(Actor(self.network, user, passes=self.passes, **{**usual, **how}))
        return self.actors[-1]

    def guest(self, name: str, key: str = "", **how: Any) -> Guest:  # Any: see Actor
        """Give a device of somebody without an account, who knows this key of a conference."""
        device = next(self.deployment.devices)
        usual = {"password": key, "address": f"10.0.0.{device}", "number": device, "wall": self.true_wall}
        usual["user"] = made_up()
        guest = Guest(self.network, domain=GUEST_DOMAIN, passes=self.passes, name=name, **{**usual, **how})
        self.actors.append(guest)
        return guest

    def sign_in(self, *users: str) -> tuple[Actor, ...]:
        """Sign people in as their clients do, each on a device of his own."""
        actors = tuple(self.actor(user) for user in users)
        for actor in actors:
            actor.signs_in()
        return actors

    # --- what an operator sees

    def command(self, words: str, **args: str) -> Table:
        """Run a command of the shell."""
        found = self.unit("admin").words().longest_command(words.split())
        assert found is not None and found.name == words, words
        return self._answered(found, CommandCall(args, {}))

    def shell(self, line: str) -> Table:
        """Run a line of the shell, as an operator types it."""
        words: Vocabulary = self.unit("admin").words()
        use = words.parse(line)
        return self._answered(use.command, CommandCall(use.args, use.flags))

    def shell_of_all(self, line: str, wait_s: float = 0.0) -> Table:
        """Run a line as one shell over all servers does; time passes for those that do not answer."""
        admin = self.unit("admin")
        use = admin.words().parse(line)
        return self._ended(admin.everywhere.run(use.command, CommandCall(use.args, use.flags)), wait_s)

    def ask(self, line: str, role: OperatorRole = OperatorRole.DEVELOPER, said: str | None = None) -> Reply:
        """Give the answer to a line of the shell as its author sees it; `said` is the input."""
        admin: Admin = self.unit("admin")
        running = admin.shell.run_line(line, author(role), None, said)
        self.settle()
        return reply_of(running)

    def _answered(self, command: ShellCommand, asked: CommandCall) -> Table:
        """Run a command to its end, which may take some turns of the reactor."""
        return self._ended(command.run(asked))

    def _ended(self, work: Awaitable[Table], wait_s: float = 0.0) -> Table:
        tables: list[Table] = []

        async def run() -> None:
            tables.append(await work)

        running = Deferred.fromCoroutine(run())
        self.settle()
        if wait_s:
            self.passes(wait_s)
        _raise(running)
        return tables[0]

    def sessions(self, user: str = "") -> Sequence[SessionRecord]:
        """Give the call detail records, oldest first."""
        self.passes(2)

        found: Sequence[SessionRecord] = result_of(
            awaited(self.records.sessions(f"sip:{user}@{DOMAIN}" if user else ""))
        )
        return found[::-1]

    def tables(self) -> Mapping[str, int]:
        """Count what every table of the server holds."""
        ground, entrance = self.ground, self.entrance
        return {
            "connections": len(ground.flows.names()),
            "requests": len(entrance.transactions),
            "requests pending": entrance.transactions.pending,
            "requests sent": len(ground.outbound),
            "subscriptions": len(ground.notifier),
            "endpoints": len(ground.registrations.own),
            "homes held": len(ground.platform.writers),
            "watchings": self.metered("lyncpy_presence_watchings_count"),
            "changes gathered": self.metered("lyncpy_presence_gathered_count"),
            "changes owed": self.metered("lyncpy_presence_owed_count"),
            "watchers to note": self.metered("lyncpy_presence_subscribers_count"),
            "sessions": self.metered("lyncpy_im_sessions_count"),
            "invitations": self.metered("lyncpy_im_invitations_count"),
            "places in chats": self.metered("lyncpy_im_participants_count"),
            "calls into meetings": self.metered("lyncpy_conferencing_calls_count"),
            "lines to the archive": self.metered("lyncpy_im_archiving_count"),
            "records waiting": len(ground.recording),
            "contact lists followed": self.metered("lyncpy_contacts_lists_count"),
            "strangers": self.metered("lyncpy_core_unauthenticated_count"),
            "strangers' places": sum(
                ground.flows.places.is_stranger(one) for one in ground.flows.places.all_connections()
            ),
            "unread bytes": self.metered("lyncpy_wire_unread_bytes"),
            "flows at the gate": self.metered("lyncpy_core_gate_count"),
            "guests": len(entrance.anonymous_gate),
        }

    def metered(self, name: str) -> int:
        """Read a meter."""
        return int(self.meter.gauges[name]())

    def expect(self, *words: str) -> None:
        """Let complaints that contain any of these words be."""
        self.deployment.expected.extend(words)

    @property
    def _hub(self) -> Hub:
        return self.deployment.hub

    @property
    def unexpected(self) -> Sequence[str]:
        """Give the complaints that nobody expected."""
        return self.deployment.unexpected


def _raise(ended: "Deferred[None]") -> None:
    """Raise what a Deferred that must be done failed with."""
    results: list[object] = []
    _ = ended.addBoth(results.append)
    if not results:
        raise AssertionError("it takes too long")
    if isinstance(results[0], Failure):
        results[0].raiseException()
