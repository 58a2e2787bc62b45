"""A whole server on a memory reactor, in a few milliseconds.

What runs is the assembly of `app/` over a store, records, a bus and a directory in memory,
with the real wire: its flows and streams read and write bytes. Only sockets, threads and
time are not real. Actors (`tests.kit.actors`) are its clients.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from lyncpy.app.assembly import ServerParts, inside
from lyncpy.app.backends import Backends
from lyncpy.app.config import check
from lyncpy.auth.ntlm import nt_hash
from lyncpy.backends.bus import MemoryBus
from lyncpy.contracts.directory import IDirectoryPasswords, Person
from lyncpy.contracts.guests import GUEST_DOMAIN
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.ntlm import INtlmVerifier
from lyncpy.contracts.records import SessionRecord
from lyncpy.contracts.workload import CommandCall, IUnit, ShellCommand, Table
from lyncpy.core.timers import Timers
from lyncpy.core.unit import UnitGroup
from lyncpy.wire.stream import SipFactory
from lyncpy.workloads.admin.parser import Vocabulary
from tests.kit.actors import Actor
from tests.kit.archive import FragileLedger, MemoryExports, MemoryGapFile, PlainStamps
from tests.kit.certificates import issue
from tests.kit.directory import FakeDirectory, FakePhotos, PlainSeals, person
from tests.kit.fakes import FragileRecords, FragileStore, Fragility, awaited
from tests.kit.guests import Guest, made_up
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import SameKey, key_of
from tests.kit.ledger import MemoryLedger
from tests.kit.logs import LogEar
from tests.kit.memory import MemoryRecords, MemoryStore
from tests.kit.meters import MemoryMeter
from tests.kit.network import Network
from tests.kit.results import result_of

DOMAIN: Final = "example.com"
WALL: Final = 1_784_548_800.0
"""Where the wall clock begins: 2026-07-20 12:00 UTC."""

STARTED_S: Final = 600.0

CAST: Final = ("alice", "bob", "carol", "dave", "erin", "frank", "mallory")
"""Everybody whom the directory knows at first; the password of each is `password_of` his name."""

TURNS: Final = 2_000
"""Turns of the reactor without time passing, after which something goes round in circles."""


def password_of(user: str) -> str:
    """Give somebody's password."""
    return f"{user}'s secret"


class StageClock(MemoryReactorClock):
    """A reactor in memory; it is quick where nothing but time passes: stories of a month have a million deadlines."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kw: object) -> DelayedCall:  # noqa: A002  # Any: whatever is called
        """Call later; the calls are always in order."""
        at = self.seconds() + delay
        call = DelayedCall(at, callable, args, kw, self.calls.remove, lambda _: self.calls.sort(key=_AT), self.seconds)
        insort(self.calls, call, key=_AT)
        return call

    def advance(self, amount: float) -> None:
        """Move, and call whatever is due by then."""
        now = self.rightNow = self.rightNow + amount
        calls = self.calls
        while calls and calls[0].getTime() <= now:
            call = calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)

    @property
    def due(self) -> float:
        """Give when something is to be called next."""
        return float(self.calls[0].getTime()) if self.calls else inf


_AT: Final = DelayedCall.getTime


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
        records: The call detail records, read past the disk.
        ledger: The archive's lines, read past the disk.
        exports: What has left the archive.
        complaints: What the server logged at error or worse.
        settings: Sections and keys of lyncpy.toml, beside the least that is needed.
        actors: Everybody who ever stood on it.
    """

    steps: ClassVar[Sequence[float]] = (0.0,)
    """By how much the host's clock is set in the middle of each time that passes, in turn."""

    def __init__(self, **settings: Mapping[str, object]) -> None:
        """Start a server; each keyword is a section."""
        self.clock: Final = StageClock()  # type: ignore[no-untyped-call]  # Twisted's has no types
        self.network: Final = Network(self.clock)
        self.photos = FakePhotos()
        self.passwords: IDirectoryPasswords | None = None
        self.ntlm: INtlmVerifier | None = None
        self.directory = FakeDirectory(*(self.someone(user) for user in CAST))
        self.disk: Final = Fragility()
        self._stepped = 0.0
        self._steps = cycle(self.steps)
        self.store: Final = MemoryStore(self.true_wall)
        self.records: Final = MemoryRecords()
        self.ledger: Final = MemoryLedger()
        self.exports: Final = MemoryExports()
        self.gap_file: Final = MemoryGapFile()
        self.complaints: Final[list[str]] = []
        # The shell's door is the only one that a server of `inside` opens by itself.
        least: dict[str, Mapping[str, object]] = {
            "sip": {"domain": DOMAIN},
            "admin": {"port": 0},
            "im": {"record_counts_s": 1.0},  # plays look at records two seconds later
            "archive": {"gather_ms": 0},  # what is said is heard before time passes
        }
        self.settings: Final = {
            section: {**least.get(section, {}), **settings.get(section, {})} for section in {**least, **settings}
        }
        self.actors: Final[list[Actor]] = []
        self._expected: list[str] = []
        self._starts = 0
        self._dead: Final[list[ServerParts]] = []
        self._devices = 0
        self._ear: Final = LogEar(self._hear_log)
        globalLogPublisher.addObserver(self._ear)
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
        self._starts += 1
        node = NodeName(f"n{self._starts}")
        self.timers = Timers(self.clock, self.wall)
        self.meter = MemoryMeter()
        config = check(Path("/nowhere/lyncpy.toml"), self.settings)
        back = Backends(
            store=FragileStore(self.store, self.disk),
            records=FragileRecords(self.records, self.disk),
            bus=MemoryBus(node, self.clock),
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
            gap_file=self.gap_file,
        )
        self.inside: ServerParts = inside(
            config, node, back, self.timers, self.clock, lambda: (), credentials=shown_server
        )
        self.ground, self.entrance = self.inside.ground, self.inside.entrance
        self.house = UnitGroup(self.inside.units, self.clock)
        self._opening = Deferred.fromCoroutine(self.house.open())
        self.settle()
        _raise(self._opening)
        sip = config.sections.sip
        self.network.open(SipFactory(self.ground.flows, self.entrance.transactions, sip, self.timers, secure=False))

    def stop(self) -> None:
        """Stop the server in order: no new connections, the old ones closed, everything written."""
        self.network.close()
        closing = Deferred.fromCoroutine(self._stopped())
        self.passes(10)
        _raise(closing)

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

    def start(self, *, clock_is_right: bool = True) -> None:
        """Start a server on what the last one has kept.

        Who starts one has its clock right within minutes: beyond that clients would be told that theirs is wrong.
        """
        if clock_is_right:
            self._stepped = max(-STARTED_S, min(STARTED_S, self._stepped))
        self._start()

    def unit(self, name: str) -> Any:  # Any: IUnit, or what it really is; a promise has no class
        """Give a unit of the server by its name."""
        units: Sequence[IUnit] = self.inside.units
        return next(unit for unit in units if unit.name == name)

    def close(self) -> None:
        """End the play: the server is stopped, and nothing is left on the clock."""
        try:
            self.disk.broken = False
            self.disk.catch_up()
            self.stop()
        finally:
            globalLogPublisher.removeObserver(self._ear)

    # --- time

    def wall(self) -> float:
        """Seconds since the epoch, as the server's host has them."""
        return self.true_wall() + self._stepped

    def true_wall(self) -> float:
        """Seconds since the epoch, as all others have them."""
        return WALL + float(self.clock.seconds())

    def step(self, seconds: float) -> None:
        """Set the clock of the server's host; no time passes, and nobody else's clock changes."""
        self._stepped += seconds

    def settle(self) -> None:
        """Let happen what happens at once."""
        for _ in range(TURNS):
            if self.clock.due > self.clock.rightNow:
                return
            self.clock.advance(0)
        raise AssertionError("something goes round in circles")

    def passes(self, seconds: float) -> None:
        """Let time pass; each thing happens at its time. In its middle somebody may set the host's clock."""
        if seconds >= 1.0:
            self._pass(seconds / 2)
            self.step(next(self._steps))
            self._pass(seconds / 2)
        else:
            self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        end = float(self.clock.seconds()) + seconds
        self.settle()
        while (due := self.clock.due) <= end:
            self.clock.advance(max(0.0, due - self.clock.rightNow))
            self.settle()
        self.clock.advance(max(0.0, end - float(self.clock.seconds())))
        self.settle()

    # --- people

    def someone(self, user: str, **facts: Any) -> Person:  # Any: the fields of Person
        """Give a person as the directory has him."""
        known: dict[str, Any] = {"display_name": user.title(), "nt_hash": nt_hash(password_of(user)), **facts}
        return person(user, **known)

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
        self._devices += 1
        usual = {
            "password": password_of(user),
            "address": f"10.0.0.{self._devices}",
            "number": self._devices,
            "wall": self.true_wall,
            "domain": DOMAIN,
        }
        self.actors.append(Actor(self.network, user, passes=self.passes, **{**usual, **how}))
        return self.actors[-1]

    def guest(self, name: str, key: str = "", **how: Any) -> Guest:  # Any: see Actor
        """Give a device of somebody without an account, who knows this key of a conference."""
        self._devices += 1
        usual = {"password": key, "address": f"10.0.0.{self._devices}", "number": self._devices, "wall": self.true_wall}
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
        found: ShellCommand = next(
            one
            for unit in self.inside.units
            for one in (unit.offer.commands if hasattr(unit, "offer") else ())
            if one.name == words
        )
        return self._answered(found, CommandCall(args, {}))

    def shell(self, line: str) -> Table:
        """Run a line of the shell, as an operator types it."""
        words: Vocabulary = self.unit("admin").words()
        use = words.parse(line)
        return self._answered(use.command, CommandCall(use.args, use.flags))

    def _answered(self, command: ShellCommand, asked: CommandCall) -> Table:
        """Run a command to its end, which may take some turns of the reactor."""
        tables: list[Table] = []

        async def run() -> None:
            tables.append(await command.run(asked))

        running = Deferred.fromCoroutine(run())
        self.settle()
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
            "endpoints": len(ground.bindings),
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
        self._expected += words

    @property
    def unexpected(self) -> Sequence[str]:
        """Give the complaints that nobody expected."""
        return [one for one in self.complaints if not any(words in one for words in self._expected)]

    def _hear_log(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.error:
            failure = event.get("log_failure")
            text = failure.getTraceback() if isinstance(failure, Failure) else ""
            self.complaints.append(f"{formatEvent(event)}\n{text}".strip())


def _raise(ended: "Deferred[None]") -> None:
    """Raise what a Deferred that must be done failed with."""
    results: list[object] = []
    _ = ended.addBoth(results.append)
    if not results:
        raise AssertionError("it takes too long")
    if isinstance(results[0], Failure):
        results[0].raiseException()
