"""How long a MESSAGE takes at 50 a second, alone and while the server does something large for others."""

import select
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.utils import getProcessOutputAndValue

from bench import words
from bench.conference import Meeting
from bench.device import Device, connect
from bench.machine import free_port
from bench.people import DOMAIN, PASSWORD, user
from bench.probe import Probe, probing
from bench.rounds import Rounds
from bench.runs import run_all
from bench.server import Server, serving
from bench.sites import TEXT
from bench.table import OURS
from bench.targets import LATENCIES
from lyncpy.auth.ntlm import nt_hash
from tests.kit.slapd import PEOPLE, SLAPD, Slapd, ldif

PER_S: Final = 50.0
PAIRS: Final = 10
SAY_EACH_S: Final = 0.5
"""In the meeting that talks."""

CONTACTS: Final = 40

Going = Callable[[], bool]
"""Whether a load is still to go on."""

CREWS: Final = 10
"""Waves of sign-ins before the first to come returns."""


@dataclass(frozen=True, slots=True)
class Beside:
    """How much of everything."""

    seconds: float = 6.0
    """That each load lasts."""

    watchers: int = 1_000
    people: int = 20_000
    """In the directory."""

    archived: int = 5_000
    """Messages in the archive that is verified."""

    meeting: int = 250
    wave: int = 200
    batches: int = 200

    @property
    def users(self) -> int:
        """How many have passwords."""
        return 2 * PAIRS + CONTACTS + max(self.watchers + 1, self.meeting, self.batches, 2 * PAIRS) + CREWS * self.wave


@contextmanager
def latency_server(folder: Path, amounts: Beside) -> Iterator[Server]:
    """Run a server with defaults, its archive on, and its people in an LDAP server where there is one."""
    port = free_port()
    settings = ["policies.archive_internal=true", f"admin.port={port}"]
    with _directory(folder / "directory", amounts) as directory:
        if directory is not None:
            settings += [f"directory.url={directory.url}", "directory.insecure=true", f'directory.bases=["{PEOPLE}"]']
        people = amounts.users if directory is None else 1
        with serving(folder / "talking", people, gather_ms=50, more=settings) as server:
            (server.home / "admin_port").write_text(str(port), encoding="ascii")
            yield server


def _directory(folder: Path, amounts: Beside) -> Any:  # Any: a context manager of `Slapd`, or of None
    if not SLAPD.exists():
        return nullcontext()
    return _filled(folder, amounts)


@contextmanager
def _filled(folder: Path, amounts: Beside) -> Iterator[Slapd]:
    secret = f"\nsambaNTPassword: {nt_hash(PASSWORD).hex().upper()}"
    with Slapd(folder) as directory:
        directory.stop()
        directory.load(
            ldif(user(number)).replace(f"sip:{user(number)}@example.com", f"sip:{user(number)}@{DOMAIN}")
            + (secret if number < amounts.users else "")
            for number in range(amounts.people)
        )
        directory.start()
        yield directory


class Latency:
    """Puts loads on the server, one after the other, while a process of its own talks."""

    def __init__(self, rounds: Rounds, server: Server, amounts: Beside) -> None:
        self._rounds = rounds
        self._reactor = rounds.reactor
        self._server = server
        self._amounts = amounts
        first = 2 * PAIRS
        self._contacts = [f"sip:{user(number)}@{DOMAIN}" for number in range(first, first + CONTACTS)]
        self._free = first + CONTACTS
        self._devices: list[Device] = []

    async def run(self) -> None:
        """Measure beside each of `LATENCIES`."""
        await self._archive()
        loads: dict[str, Callable[[Probe], Awaitable[None]]] = {
            "alone": self._alone,
            "watchers": self._watchers,
            "pull": self._pull,
            "verify": self._verify,
            "meeting": self._meeting,
            "wave": self._wave,
            "batches": self._batches,
        }
        with probing(self._server.port, self._server.ca, PAIRS, PER_S) as probe:
            await self._grow(max(self._amounts.watchers + 1, self._amounts.meeting))
            for key, name in LATENCIES:
                self._rounds.say(f"a MESSAGE {PER_S:.0f} times a second, {name}")
                await self._rounds.breathe()
                await loads[key](probe)
        await self._leave(self._devices)

    # The loads.

    async def _alone(self, probe: Probe) -> None:
        await self._beside(probe, "alone", lambda going: deferLater(self._reactor, self._amounts.seconds))

    async def _watchers(self, probe: Probe) -> None:
        publisher, *watchers = self._devices[: self._amounts.watchers + 1]
        await publisher.publish(3500)
        for watcher in watchers:
            await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))

        async def publish(going: Going) -> None:
            while going():
                await publisher.publish((3500, 6500)[publisher.versions % 2])
                await deferLater(self._reactor, 1.0)

        await self._beside(probe, "watchers", publish)

    async def _pull(self, probe: Probe) -> None:
        if SLAPD.exists():
            await self._shell(probe, "pull", "directory pull --full")
        else:
            self._rounds.say("without the directory's pull: slapd is not installed (apt-get install slapd)")

    async def _verify(self, probe: Probe) -> None:
        await self._shell(probe, "verify", "archive verify")

    async def _meeting(self, probe: Probe) -> None:
        meeting = Meeting(self._reactor, self._server, self._devices[: self._amounts.meeting])
        await meeting.gather()

        async def talk(going: Going) -> None:
            while going():
                began = time.monotonic()
                await meeting.talk(1)
                await deferLater(self._reactor, max(0.0, SAY_EACH_S - (time.monotonic() - began)))

        await self._beside(probe, "meeting", talk)
        await meeting.leave()

    async def _wave(self, probe: Probe) -> None:
        first = self._free + len(self._devices)
        wave = self._amounts.wave
        # Each wave is another crew: what the server forgets of one that has left must not meet what it says anew.
        crews = cycle([range(at, at + wave) for at in range(first, first + CREWS * wave, wave)])

        async def waves(going: Going) -> None:
            while going():
                fresh: list[Device] = []

                async def sign_in(number: int, fresh: list[Device] = fresh) -> None:
                    device = await connect(self._reactor, self._server, number)
                    fresh.append(device)
                    await device.register()
                    await device.settle(self._contacts)

                await run_all(next(crews), sign_in, self._amounts.wave)
                await self._leave(fresh)

        await self._beside(probe, "wave", waves)

    async def _batches(self, probe: Probe) -> None:
        who = self._devices[: self._amounts.batches]

        async def ask(going: Going) -> None:
            while going():
                began = time.monotonic()
                await run_all(
                    who, lambda device: device.subscribe("presence", words.watch(device.uri, self._contacts)), len(who)
                )
                await deferLater(self._reactor, max(0.0, 1.0 - (time.monotonic() - began)))

        await self._beside(probe, "batches", ask)

    # How it is done.

    async def _beside(self, probe: Probe, key: str, load: Callable[[Going], Awaitable[Any]]) -> None:  # Any: nothing
        until = time.monotonic() + self._amounts.seconds
        probe.begin(self._amounts.seconds)
        loading = Deferred.fromCoroutine(_awaited(load(lambda: time.monotonic() < until)))
        await self._when_readable(probe)
        self._rounds.value(f"latency-{key}", OURS, "ms", *probe.delays_ms())
        await loading

    async def _when_readable(self, probe: Probe) -> None:
        """Wait for the probe without keeping this process from its own work."""
        there: Deferred[None] = Deferred()
        reactor = self._reactor

        def look() -> None:
            if _is_readable(probe.output):
                there.callback(None)
                looking.stop()

        looking = LoopingCall(look)
        looking.clock = reactor
        _ = looking.start(0.05, now=False).addErrback(there.errback)
        await there

    async def _shell(self, probe: Probe, key: str, command: str) -> None:
        ssh = shutil.which("ssh")
        if ssh is None:
            self._rounds.say(f"without `{command}`: ssh is not installed")
            return
        port = (self._server.home / "admin_port").read_text(encoding="ascii")
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        arguments = ["-F", "none", *(word for option in options for word in ("-o", option)), "-p", port]
        arguments += ["-i", str(self._server.home / "admin_key"), "admin@127.0.0.1", command]

        async def again(going: Going) -> None:
            while going():
                out, err, status = await getProcessOutputAndValue(ssh, arguments, reactor=self._reactor)
                if status:
                    raise RuntimeError(f"`{command}` failed: {out!r} {err!r}")

        await self._beside(probe, key, again)

    async def _archive(self) -> None:
        """Have something in the archive."""
        self._rounds.say(f"{self._amounts.archived} messages are archived")
        await self._grow(2 * PAIRS)
        talks = [
            (one, await one.invite(other.uri))
            for one, other in zip(self._devices[:PAIRS], self._devices[PAIRS : 2 * PAIRS], strict=True)
        ]
        each = -(-self._amounts.archived // PAIRS)

        async def talk(number: int) -> None:
            device, dialog = talks[number]
            for _ in range(each):
                await device.say(dialog, TEXT)

        await run_all(range(PAIRS), talk, PAIRS)

    async def _grow(self, count: int) -> None:
        for number in range(len(self._devices), count):
            device = await connect(self._reactor, self._server, self._free + number)
            await device.register()
            self._devices.append(device)

    async def _leave(self, devices: Sequence[Device]) -> None:
        for device in devices:
            device.leave()
        await gatherResults([device.lost for device in devices])


async def _awaited(work: Awaitable[Any]) -> Any:  # Any: nobody looks at it
    return await work


def _is_readable(stream: Any) -> bool:  # Any: a file
    return bool(select.select([stream], [], [], 0)[0])
