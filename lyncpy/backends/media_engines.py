"""IMediaEngines: the engines of this machine, each behind a Unix socket. One that dies is connected to again; its calls are over, and told so."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IReactorUNIX, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.media_settings import Settings
from lyncpy.contracts.media import (
    IMediaCall,
    IMediaEngines,
    IMediaListener,
    LegTerms,
    MediaUnavailable,
)
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.media.model.control import Control, Happening, Settled
from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
    Answer,
    Connect,
    Declined,
    Digit,
    End,
    Ended,
    FormError,
    LegFigures,
    LegWish,
    LocalLeg,
    Measure,
    Measured,
    MediaPing,
    Question,
    Ready,
    RemoteLeg,
)

ANSWER_S: Final = 15.0
"""From a question to its answer; an engine that takes longer is given up with all of its calls."""

BEAT_S: Final = 5.0
"""From one look whether an engine lives to the next."""

PAUSE_S: Final = 3.0
"""From a connection that failed, or was lost, to the next try."""

CONNECT_S: Final = 5

_REMEDY: Final = "start it, or see what its log says (docs/media.md)"


class _EngineLine(Protocol):
    """The connection to an engine."""

    def __init__(self, engine: "_Engine") -> None:
        self._engine = engine

    def dataReceived(self, data: bytes) -> None:
        """Give on what it says."""
        self._engine.hear(self, data)

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008 - Twisted's signature
        """Tell that it is gone."""
        self._engine.lost(self, "it has closed the connection")

    def abort(self) -> None:
        """End it at once."""
        transport: Any = self.transport  # Any: of a Unix socket
        transport.abortConnection()


@implementer(IMediaCall)
class _MediaCall:
    def __init__(self, engine: "_Engine", name: str, local: Sequence[LocalLeg]) -> None:
        self._engine = engine
        self._name = name
        self.local = local

    async def connect(self, leg: int, remote: RemoteLeg) -> None:
        """See the promise."""
        await self._asked(Connect(self._name, leg, remote))

    async def figures(self) -> Sequence[LegFigures]:
        """See the promise."""
        return cast(Measured, await self._asked(Measure(self._name))).legs

    async def hang_up(self) -> Sequence[LegFigures]:
        """See the promise."""
        self._engine.forget(self._name)
        try:
            return cast(Measured, await self._asked(End(self._name))).legs
        except MediaUnavailable:
            return ()

    async def _asked(self, question: Connect | Measure | End) -> Answer:
        if not self._engine.has(self._name):
            raise MediaUnavailable("the call is over: its media engine has lost it")
        return await self._engine.ask(question)


class _Engine:
    """One engine: its connection, and the calls that it has."""

    log = Logger()

    def __init__(self, path: Path, reactor: IReactorUNIX, timers: ITimers) -> None:
        self.path = path
        self.trouble = "it has not answered yet"
        self.deaths = 0
        self._reactor = reactor
        self._timers = timers
        self._control = Control()
        self._line: _EngineLine | None = None
        self._waiting: dict[int, tuple[Question, Deferred[Answer]]] = {}
        self._listeners: dict[str, IMediaListener] = {}
        self._next: ITimer | None = None
        self._is_closed = False

    @property
    def calls(self) -> int:
        """How many calls it has."""
        return len(self._control.calls)

    @property
    def room(self) -> int:
        """How many calls more it takes; 0 where it is not there."""
        return self._control.room

    def has(self, name: str) -> bool:
        """Tell whether it has a call of this name."""
        return name in self._control.calls

    def forget(self, name: str) -> None:
        """Tell nobody of a call any more."""
        self._listeners.pop(name, None)

    def begin(self) -> None:
        """Connect to it, and do so again whenever the connection is lost."""
        self._next = None
        endpoint = UNIXClientEndpoint(self._reactor, str(self.path), timeout=CONNECT_S)
        made: Any = endpoint.connect(Factory.forProtocol(lambda: _EngineLine(self)))  # Any: the protocol
        _ = made.addCallbacks(self._connected, self._unreached)

    def close(self) -> None:
        """Let it go, with its calls."""
        self._is_closed = True
        if self._next is not None:
            self._next.cancel()
        if self._line is not None:
            self._break("the server ends")

    def _connected(self, line: _EngineLine) -> None:
        self._line = line
        if self._is_closed:
            line.abort()

    def _unreached(self, failure: Failure) -> None:
        self._again(failure.getErrorMessage())

    def _again(self, trouble: str) -> None:
        if not self._is_closed:
            if trouble != self.trouble:
                self.log.warn("the media engine at {path} is not there: {reason}", path=str(self.path), reason=trouble)
            self.trouble = trouble
            self._next = self._timers.later(PAUSE_S, self.begin)

    def lost(self, line: _EngineLine, reason: str) -> None:
        """Hear that a connection is gone: all that was under way on it is over."""
        if line is not self._line:
            return
        waiting, listeners = tuple(self._waiting.values()), tuple(self._listeners.values())
        self._line, self._control = None, Control()
        self._waiting.clear()
        self._listeners.clear()
        if self._next is not None:
            self._next.cancel()
        self.deaths += 1
        self._again(reason)
        words = f"the media engine at {self.path} is gone: {reason}"
        for _, one in waiting:
            one.errback(MediaUnavailable(words))
        for listener in listeners:
            listener.lost(words)

    def _break(self, reason: str) -> None:
        line = self._line
        if line is not None:
            self.lost(line, reason)
            line.abort()

    def hear(self, line: _EngineLine, data: bytes) -> None:
        """Take what it says."""
        if self._line is None and not self._is_closed:
            # It speaks before Twisted has said that there is a connection.
            self._line = line
        if line is not self._line:
            return
        try:
            happenings = self._control.hear(data)
        except FormError as error:
            self._break(f"it said what cannot be: {error}")
            return
        for one in happenings:
            # Whoever was told of the one before may have closed it.
            if line is self._line:
                self._happened(one)

    def _happened(self, one: Happening) -> None:
        if isinstance(one, Ready):
            self.log.info("the media engine at {path} takes {calls} calls", path=str(self.path), calls=one.calls_most)
            self.trouble = ""
            self._next = self._timers.later(BEAT_S, self._beat)
        elif isinstance(one, Settled):
            question, waiting = self._waiting.pop(one.number)
            is_wanted = not waiting.called
            waiting.callback(one.answer)
            if isinstance(question, Allocate) and isinstance(one.answer, Allocated) and not is_wanted:
                _ = self._sent(End(question.call)).addErrback(lambda _: None)
        elif isinstance(one, Ended):
            listener = self._listeners.pop(one.call, None)
            if listener is not None:
                listener.lost(one.reason)
        else:
            self._told(one.call, one)

    def _told(self, call: str, one: Any) -> None:  # Any: what tells of a leg
        listener = self._listeners.get(call)
        if listener is None:
            return
        if isinstance(one, Digit):
            listener.dialled(one.leg, one.digit)
        else:
            listener.reached(one.leg)

    def _beat(self) -> None:
        self._next = self._timers.later(BEAT_S, self._beat)
        _ = self._sent(MediaPing()).addErrback(lambda _: None)

    async def ask(self, question: Question) -> Answer:
        """Ask, and give the answer.

        Raises:
            MediaUnavailable: It declines, or is gone before it has answered.
        """
        answer = await self._sent(question)
        if isinstance(answer, Declined):
            raise MediaUnavailable(f"the media engine at {self.path} declines: {answer.reason}")
        return answer

    def _sent(self, question: Question) -> "Deferred[Answer]":
        if self._line is None or self._control.ready is None:
            raise MediaUnavailable(f"the media engine at {self.path} is not there: {self.trouble}")
        number, data = self._control.ask(question)
        waiting: Deferred[Answer] = Deferred()
        self._waiting[number] = question, waiting
        late = self._timers.later(ANSWER_S, lambda: self._break(f"it has not answered for {ANSWER_S:.0f} s"))

        def answered(outcome: Any) -> Any:  # Any: an answer, or a Failure
            late.cancel()
            return outcome

        _ = waiting.addBoth(answered)
        cast(ITransport, self._line.transport).write(data)
        return waiting

    async def allocate(self, wishes: Sequence[LegWish], listener: IMediaListener) -> IMediaCall:
        """Begin a call; see the promise. Whoever stops waiting has it ended."""
        name = secrets.token_hex(8)
        answer = cast(Allocated, await self.ask(Allocate(name, tuple(wishes))))
        self._listeners[name] = listener
        return _MediaCall(self, name, answer.legs)


@implementer(IMediaEngines, IUnit)
class MediaEngines:
    """All engines that the settings name.

    Args:
        paths: Their sockets.
        settings: The section.
        reactor: Connects.
        timers: Limit how long an engine may be silent.
        meter: Shows how many there are, and their calls.
    """

    name = "media"

    def __init__(
        self, paths: Sequence[Path], settings: Settings, reactor: IReactorUNIX, timers: ITimers, meter: IMeter
    ) -> None:
        self._settings = settings
        self._engines = tuple(_Engine(path, reactor, timers) for path in paths)
        self._refused = meter.counter("lyncpy_media_refused_total", "Calls that no media engine could take.")
        meter.gauge("lyncpy_media_engines_count", "Media engines that are there.", lambda: len(self._living))
        meter.gauge(
            "lyncpy_media_calls_count", "Calls in media engines.", lambda: sum(one.calls for one in self._engines)
        )
        meter.total(
            "lyncpy_media_lost_engines_total",
            "Times that a media engine was lost, with its calls.",
            lambda: sum(one.deaths for one in self._engines),
        )

    @property
    def _living(self) -> Sequence[_Engine]:
        return [one for one in self._engines if not one.trouble]

    async def open(self) -> None:
        """Connect to all; nobody waits for it."""
        for one in self._engines:
            one.begin()

    async def close(self) -> None:
        """End all calls, and let the engines go."""
        for one in self._engines:
            one.close()

    async def begin(self, legs: Sequence[LegTerms], listener: IMediaListener) -> IMediaCall:
        """See the promise."""
        wishes = tuple(map(self._wish, legs))
        trouble = "[media] engines names none" if not self._engines else "no media engine is there that has room"
        for engine in sorted(self._living, key=lambda one: one.calls):
            if engine.room > 0:
                try:
                    return await engine.allocate(wishes, listener)
                except MediaUnavailable as error:
                    trouble = str(error)
        self._refused.add()
        raise MediaUnavailable(trouble)

    def _wish(self, terms: LegTerms) -> LegWish:
        settings = self._settings
        address = settings.client_address
        if not terms.faces_clients:
            address = settings.gateway_address or address
        return LegWish(
            address,
            settings.port_lowest,
            settings.port_highest,
            ice=terms.ice,
            secure=terms.secure,
            controlling=terms.controlling,
        )

    def conditions(self) -> Sequence[Reason]:
        """Say which engines are not there."""
        return [
            Reason(
                "media",
                f"the media engine at {one.path} is not there: {one.trouble}",
                good=False,
                remedy=_REMEDY,
                key=str(one.path),
            )
            for one in self._engines
            if one.trouble
        ]

    def states(self) -> Sequence[tuple[str, object]]:
        """Say how many engines are there, and what they have."""
        if not self._engines:
            return ()
        return (
            ("media engines", f"{len(self._living)} of {len(self._engines)}"),
            ("calls in media engines", sum(one.calls for one in self._engines)),
        )
