"""What `twistd lyncpy` loads: options, and the service. The only module that names the reactor."""

import datetime
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from twisted.application.service import IService
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger, globalLogPublisher
from twisted.python import usage

from lyncpy import __version__
from lyncpy.app.assembly import BuiltServer, build
from lyncpy.app.check import distant_findings, local_findings, standing_findings
from lyncpy.app.config import SECTIONS, Config, ConfigError, load
from lyncpy.app.gap_files import rescue_gaps
from lyncpy.app.garbage import Garbage, resident_bytes
from lyncpy.app.json_log import JOURNAL, Journal, JsonLog, is_journaled
from lyncpy.app.large_pages import collapse
from lyncpy.app.log import begin, quieten
from lyncpy.app.log_levels import LogLevels
from lyncpy.app.parent import END_S, Children, ParentService, commands
from lyncpy.app.process import ParentLine, handed_down, say
from lyncpy.app.service_manager import ServiceManager
from lyncpy.app.supervision import Supervision
from lyncpy.backends.threads import Threads
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import WorldUnavailable
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core import interpreter
from lyncpy.core.spawn import spawn
from lyncpy.core.timers import Timers, host_clock, steady
from lyncpy.core.unit import HouseService, ender
from lyncpy.wire.certificate import CertificateUnusable
from lyncpy.wire.polling import with_known_contexts

Look = Callable[[Config], Awaitable[Sequence[Finding]]]
"""Looks at what settings name; gives what is bad."""

GATHER_S: Final = 5.0
"""The least seconds between two reloads because of SIGHUP."""


class Options(usage.Options):
    """The words of `twistd lyncpy`."""

    synopsis = "[--config FILE] [--set section.key=value ...]"
    longdesc = "Serves Lync, Communicator and Skype for Business clients. Make a configuration with: lyncpy init DIR"
    optParameters = [["config", "c", "lyncpy.toml", "the configuration file"]]  # noqa: RUF012 - as Twisted reads it

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's options have no types
        self["set"] = []

    def opt_set(self, text: str) -> None:
        """Override one setting of the file: section.key=value; may be given again."""
        self["set"].append(text)


class Reloader:
    """Reads the configuration again, all of it or nothing; for SIGHUP and for the shell.

    Args:
        config: The settings in force.
        overrides: Settings of the command line, which replace those of the file.
        here: Gives what is wrong on this machine; a start refuses by it.
        elsewhere: Gives what is wrong with other machines, which may be slow or silent.
        manager: Told when a reload because of SIGHUP begins and ends.
    """

    log = Logger()

    def __init__(
        self,
        config: Config,
        overrides: Sequence[str],
        here: Look,
        elsewhere: Look,
        manager: ServiceManager,
    ) -> None:
        self.manager: Final = manager
        self._config = config
        self._overrides = overrides
        self._here = here
        self._elsewhere = elsewhere
        self._reloading = DeferredLock()
        self._asking = DeferredLock()
        self.built: BuiltServer | None = None
        self._timer: ITimer | None = None
        self._next = 0.0
        self._pulling = self._again = False
        self._renumbers = False
        """Whether all people are to be read anew, for what a dial plan makes of their numbers."""

    async def _taken_up(self) -> tuple[Config | None, Sequence[str]]:
        """Apply the settings that can change while the server runs; give sentences about the others, and about what is wrong here.

        Nobody elsewhere is waited for: a certificate must not end because an LDAP server is silent. At most one waits
        for the one that is at it; of what is asked behind that, None is given with a sentence.

        Raises:
            ConfigError, CertificateUnusable: Nothing has changed.
        """
        if self._reloading.waiting:
            # It has read nothing yet.
            return None, ("a reload that waits reads it as well",)
        await self._reloading.acquire()
        try:
            fresh = load(self._config.file, self._overrides)
            found = await self._here(fresh)
            refuse(found)
            return fresh, [*self._applied(fresh), *map(_look_at, found)]
        finally:
            self._reloading.release()

    async def _asked(self, fresh: Config | None) -> Sequence[str]:
        """Ask other machines, when it was applied; give sentences about what is wrong. At most one waits, as above."""
        if fresh is None:
            return ()
        if self._asking.waiting:
            return ("other machines are not asked: two reloads are at it; `lyncpy check` asks them now",)
        await self._asking.acquire()
        try:
            return [*map(_look_at, await self._elsewhere(fresh))]
        finally:
            self._asking.release()

    def _applied(self, fresh: Config) -> Sequence[str]:
        if self.built is None:
            return ()
        said = list(self.built.listener.reload())
        said.append("certificate and key were read again; new connections use them")
        if self.built.inside.ground.tables.policies.adopt(fresh.sections.policies):
            said.append("[policies] has changed and counts from now on")
        if self.built.inside.workloads.voice.adopt(fresh.sections.voice):
            said.append("[voice] has changed and counts from now on")
            self._renumbers = True
        if fresh.sections.directories != self._config.sections.directories:
            said.append(f"[[directory]] has changed in {fresh.file.name}; it counts from the next start")
        for name in SECTIONS:
            if name in ("policies", "voice"):
                continue
            old, new = getattr(self._config.sections, name), getattr(fresh.sections, name)
            changed = [key for key in type(new).model_fields if getattr(old, key) != getattr(new, key)]
            said += [
                f"[{name}] {key} has changed in {fresh.file.name}; it counts from the next start" for key in changed
            ]
        self._pull(self.built)
        said.append("a pull of the directory has begun")
        self.built.look_at(fresh)
        return said

    def _pull(self, built: BuiltServer) -> None:
        """Pull the directory; behind a pull under way once more, however often that is asked."""
        self._again = self._pulling
        if self._pulling:
            return
        self._pulling = True
        whole, self._renumbers = self._renumbers, False
        pulling = Deferred.fromCoroutine(built.inside.workloads.directory.pulls.pull(full=whole))
        _ = pulling.addErrback(lambda failure: self.log.failure("pull failed", failure=failure)).addBoth(
            self._pulled, built
        )

    def _pulled(self, _: object, built: BuiltServer) -> None:
        self._pulling = False
        if self._again:
            self._pull(built)

    async def on_command(self) -> Sequence[str]:
        """Reload for an operator; give the sentences of the result.

        Raises:
            CommandFailed: What was read cannot be used; nothing has changed.
        """
        try:
            fresh, said = await self._taken_up()
        except (ConfigError, CertificateUnusable) as error:
            raise CommandFailed(f"nothing was changed: {error}") from None
        return [*said, *await self._asked(fresh)]

    def on_signal(self) -> None:
        """Reload now or soon, once for all signals of a moment: a script may send hundreds."""
        if self.built is None or self._timer is not None:
            return
        timers = self.built.inside.ground.timers
        self._timer = timers.later(max(0.0, self._next - timers.now()), self._on_time)

    def _on_time(self) -> None:
        """Begin to reload; the sentences or the error are logged."""
        self._timer = None
        self.manager.reloading()
        if self.built is not None:
            self._next = self.built.inside.ground.timers.now() + GATHER_S
        spawn(self._tell(), self.log, "reading the configuration again")

    async def _tell(self) -> None:
        try:
            fresh, said = await self._taken_up()
        except (ConfigError, CertificateUnusable) as error:
            self.log.error("reload refused, nothing has changed: {reason}", reason=str(error))
            return
        finally:
            self.manager.reloaded()
        self._say(said)
        self._say(await self._asked(fresh))

    def _say(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            self.log.info("reload: {sentence}", sentence=sentence)


def _look_at(found: Finding) -> str:
    return f"look at this: {found.sentence}"


def makeService(options: Options) -> IService:
    """Build the house from the options; it is opened when twistd starts the service."""
    from twisted.internet import reactor as the_reactor

    reactor: Any = the_reactor  # Any: the reactor module has no types
    # Before anything is scheduled: no deadline of this process may go by a clock that can be set.
    steady(reactor)
    with_known_contexts(reactor)
    # Whatever is written from here on, twistd's log file included, is nobody's business but ours and our group's.
    os.umask(os.umask(0o077) | 0o027)
    manager = ServiceManager(os.environ)
    given = handed_down(os.environ)
    try:
        config = load(Path(options["config"]), options["set"])
        # Of several processes the parent has opened the ports, and looked at them before.
        looks = local_findings if given is None else standing_findings
        doubts = [one for one in looks(config, _now()) if not one.good]
        refuse(doubts)
        if given is None:
            for sentence in rescue_gaps(config):
                Reloader.log.warn("{sentence}", sentence=sentence)
        if given is None and config.sections.pool.processes > 1:
            return _parent(config, options, manager, reactor)
        here, elsewhere = Threads(reactor, "reload"), Threads(reactor, "reload-elsewhere")
        reload = Reloader(config, options["set"], _looking(here, looks), _looking(elsewhere, distant_findings), manager)
        log = _Log(config, number=0 if given is None else given.number, is_on_output=_writes_on_output(options))
        parent = None if given is None else ParentLine(given, reactor, _commands(reactor, reload, log))
        built = reload.built = build(config, reactor, host_clock, reload.on_command, doubts, parent, log.levels)
    except (ConfigError, CertificateUnusable, WorldUnavailable) as error:
        if given is not None:
            say(failed=str(error))
        sys.stderr.write(f"lyncpy cannot start:\n{error}\n")
        # Whoever restarts what has failed is told where that mends nothing (sysexits.h).
        raise SystemExit(1 if isinstance(error, WorldUnavailable) else os.EX_CONFIG) from None

    def end() -> None:
        manager.stopping()
        _stop(reactor, reload)

    _take_signals(reactor, [log.reopen, reload.on_signal], end)
    return _server(built, parent, log, manager, reactor)


def _server(
    built: BuiltServer,
    parent: ParentLine | None,
    log: "_Log",
    manager: ServiceManager,
    reactor: Any,  # Any: as above
) -> IService:
    """Build the service of a server, alone or one of several processes."""
    ground = built.inside.ground
    garbage = Garbage(ground.timers, lambda: ground.flows.messages_in, resident_bytes)

    def ready() -> None:
        garbage.begin()
        manager.ready(ground.timers)
        spawn(_use_large_pages(ground.timers), Reloader.log, "putting memory into large pages")
        if parent is None:
            _say_ready()
        else:
            say(ready=True)

    # A store's thread that has an answer waits for the reactor's thread to let go; at Python's own
    # 5 ms a busy reactor would make every durable write wait for that long.
    sys.setswitchinterval(0.0005)
    service: IService = HouseService(
        built.house,
        ender(reactor),
        on_start=log.begin,
        on_ready=ready,
        on_failed=lambda reason: None if parent is None else say(failed=reason),
    )
    if parent is not None:
        # What a terminal's Ctrl-C hits is the parent, which tells all.
        with suppress(PermissionError):
            os.setsid()
        say(node=str(ground.platform.node))
        reactor.callWhenRunning(parent.begin)
    return service


def _parent(config: Config, options: Options, manager: ServiceManager, reactor: Any) -> IService:  # Any: as above
    """Build what keeps several processes running; it is no server itself."""
    end, timers = ender(reactor), Timers(reactor, host_clock)
    log = _Log(config, number=0, is_on_output=_writes_on_output(options))

    def on_ready() -> None:
        manager.ready(timers)
        _say_ready()

    def on_end(status: int) -> None:
        service.over()
        end(status)

    started_with = commands(config, options["set"], getattr(options, "parent", None) or {})
    supervision = Supervision(len(started_with), END_S)
    children = Children(supervision, timers, started_with, reactor, on_ready, on_end)

    def stop() -> None:
        manager.stopping()
        try:
            reactor.stop()
        except ReactorNotRunning:
            children.shut_down()

    service = ParentService(config.places, children, log.begin)
    _take_signals(reactor, [log.reopen, children.reload], stop)
    found: IService = service
    return found


def _commands(reactor: Any, reload: Reloader, log: "_Log") -> Mapping[str, Callable[[], None]]:  # Any: as above
    """Give what this process does at each word of its parent; it may hear "end" more than once."""

    def end() -> None:
        with suppress(ReactorNotRunning):
            reactor.stop()

    def read_again() -> None:
        log.reopen()
        reload.on_signal()

    return {"end": end, "hasten": partial(_stop, reactor, reload), "reload": read_again}


def _take_signals(
    reactor: Any,  # Any: as above
    on_hang_up: Sequence[Callable[[], None]],
    on_end: Callable[[], None],
) -> None:
    """Set up the signals, once the reactor runs, and has set up its own."""

    def hang_up(number: int, frame: FrameType | None) -> None:
        for call in on_hang_up:
            reactor.callFromThread(call)

    def end(number: int, frame: FrameType | None) -> None:
        # twistd's own handler ends the process by the signal, once more, after all is closed; an
        # orderly end has status 0.
        reactor.callFromThread(on_end)

    def take() -> None:
        signal.signal(signal.SIGHUP, hang_up)
        for number in (signal.SIGTERM, signal.SIGINT):
            # What a shell has set to be ignored, for a job in the background, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, end)

    reactor.callWhenRunning(take)


def _say_ready() -> None:
    # Not through the log: whoever waits for this line reads it as it is.
    out = sys.__stdout__
    if out is not None:
        out.write("lyncpy is ready\n")
        out.flush()


async def _use_large_pages(timers: ITimers) -> None:
    """Begin with what was built until now, and go on behind what clients ask."""
    count = await collapse(timers)
    Reloader.log.debug("{count} MiB are in large pages", count=count >> 20)


def refuse(found: Iterable[Finding]) -> None:
    """Refuse settings with which no server can start.

    Raises:
        ConfigError: With the sentence of everything that stands in the way, not only the first.
    """
    stops = [one.sentence for one in found if one.stops]
    if stops:
        raise ConfigError(stops)


def _looking(threads: Threads, look: Callable[[Config, datetime.datetime], Iterable[Finding]]) -> Look:
    """Look in a thread; what is good is left out."""
    return lambda fresh: threads.call_in_thread(lambda: [one for one in look(fresh, _now()) if not one.good])


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(host_clock(), datetime.UTC)


class _Log:
    """Where the log goes.

    Args:
        config: The section [log].
        number: Of one of several processes; each line of its begins with it. 0: it is alone, or their parent.
        is_on_output: Whether twistd writes it to standard output; else to a file, or to syslog.
    """

    def __init__(self, config: Config, *, number: int, is_on_output: bool) -> None:
        self._mark = f"{number}: " if number else ""
        self.levels: Final = LogLevels(config.sections.log.level)
        self._settings = config.sections.log
        self._file = config.path(self._settings.json_file) if self._settings.json_file else None
        self._is_on_output = is_on_output
        self._json: JsonLog | None = None

    def begin(self) -> None:
        """Set up the log: twistd has done its own part, and nothing of ours has opened yet."""
        told = self.levels.predicate
        is_journaled_now = self._is_on_output and is_journaled(os.environ.get("JOURNAL_STREAM", ""), 1)
        quieten(told, globalLogPublisher, Journal(JOURNAL) if is_journaled_now else None, self._mark)
        if self._file is not None:
            self._json = JsonLog(self._file)
            begin(told, globalLogPublisher, self._json)
        Reloader.log.info(
            "lyncpy {version} runs on {interpreter}", version=__version__, interpreter=interpreter.description()
        )

    def reopen(self) -> None:
        """Begin a new file, where one has been moved away."""
        if self._json is not None:
            self._json.reopen()


def _writes_on_output(options: Options) -> bool:
    """Tell whether twistd was started so that its log is on standard output."""
    twistd: Mapping[str, object] = options.parent or {}
    return bool(twistd.get("nodaemon")) and not twistd.get("syslog") and twistd.get("logfile") in (None, "-")


def _stop(reactor: Any, reload: Reloader) -> None:  # Any: as above
    """Stop, and leave other servers in order before; whoever is asked again waits for less: an impatient operator presses Ctrl-C twice."""
    drain = reload.built.inside.drain if reload.built is not None else None
    if drain is not None and drain.drain_s and not drain.departure.is_leaving and not drain.objection():
        drain.begin()
        return
    try:
        reactor.stop()
    except ReactorNotRunning:
        if reload.built is not None:
            reload.built.inside.entrance.draining.hasten()
