"""One connection to one NATS server: what is said on it, in which order, and what becomes of what comes.

Pure: bytes come in, effects come out. Whoever keeps the socket carries them out in order.

Spec: docs.nats.io, "Client Protocol", and "TLS" for the two ways in which TLS begins.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.backends.nats import frames
from lyncpy.backends.nats.credentials import Credentials
from lyncpy.backends.nats.frames import (
    Frame,
    FrameDecoder,
    NotNats,
    ReceivedMessage,
    ServerError,
    ServerInfo,
    ServerPing,
    ServerPong,
)

PROBES_MOST: Final = 2
"""PINGs without an answer, after which a server is taken for gone."""


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What holds for a connection."""

    name: str
    """What an operator of the NATS server sees of us."""

    credentials: Credentials
    needs_tls: bool = False
    """Whether nothing is said of us without TLS."""

    tls_first: bool = False
    """Whether TLS begins before the server has said a word."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS, check the server's certificate, and call `secured`."""


@dataclass(frozen=True, slots=True)
class BecomeReady:
    """The server has taken us: subscribe, and publish from now on."""

    info: ServerInfo
    is_vouched: bool = True
    """Whether nobody between us could have written it: it came over TLS, or there is none."""


@dataclass(frozen=True, slots=True)
class NoteCluster:
    """The servers of the cluster have changed, or this one is about to end."""

    info: ServerInfo


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give a message to the one who subscribed."""

    delivery: ReceivedMessage


@dataclass(frozen=True, slots=True)
class NoteAnswered:
    """The server has answered a PING."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the connection in order: the server has read all that was sent."""


@dataclass(frozen=True, slots=True)
class NoteComplaint:
    """The server refuses something; it ends the connection by itself where it means to."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection: nothing can be said on it any more."""

    reason: str


Effect = Send | StartTls | BecomeReady | NoteCluster | Deliver | NoteAnswered | NoteComplaint | Leave | Close


class _State(enum.Enum):
    AWAITS_TLS = enum.auto()
    AWAITS_INFO = enum.auto()
    AWAITS_PONG = enum.auto()
    READY = enum.auto()
    LEAVING = enum.auto()
    CLOSED = enum.auto()


class NatsSession:
    """The machine of one connection; it ends with `Close`, after which it says nothing more."""

    def __init__(self, terms: SessionTerms) -> None:
        self._terms = terms
        self._decoder = FrameDecoder()
        self._info: ServerInfo | None = None
        self._is_secure = False
        self._is_vouched = True
        self._state = _State.AWAITS_TLS if terms.tls_first else _State.AWAITS_INFO
        self._probes = 0

    @property
    def is_ready(self) -> bool:
        """Whether something can be published."""
        return self._state is _State.READY

    @property
    def _is_closed(self) -> bool:
        return self._state is _State.CLOSED

    def begin(self) -> Sequence[Effect]:
        """Give what is done as soon as there is a connection."""
        return (StartTls(),) if self._terms.tls_first else ()

    def secured(self) -> Sequence[Effect]:
        """Go on over TLS."""
        self._is_secure = True
        if self._info is None:
            self._state = _State.AWAITS_INFO
            return ()
        return self._greet(self._info)

    def received(self, data: bytes) -> Sequence[Effect]:
        """Give what is to be done about bytes of the server."""
        if self._is_closed:
            return ()
        effects: list[Effect] = []
        found = self._decoder.feed(data)
        for number, frame in enumerate(found, 1):
            effects += self._about(frame)
            if self._is_closed:
                break
            if self._state is _State.AWAITS_TLS and (number < len(found) or len(self._decoder)):
                # Somebody between us could have put it there, to be read as if it had come over TLS.
                return self._close("it has said more than INFO before TLS")
        return effects

    def probe(self) -> Sequence[Effect]:
        """Ask whether the server is there; to be called at regular times."""
        if self._state is not _State.READY:
            return ()
        if self._probes >= PROBES_MOST:
            return self._close("it answers no PING")
        self._probes += 1
        return (Send(frames.PING),)

    def leave(self) -> bytes:
        """Give what is said last, after all that was published; b"": there is nothing to wait for.

        A socket that is closed while something is unread resets the connection, and what the server has not
        read by then is lost. So it is asked for an answer, which is `Leave`; to be called once.
        """
        if self._state is not _State.READY:
            return b""
        self._state = _State.LEAVING
        self._probes += 1
        return frames.PING

    def _about(self, frame: Frame) -> Sequence[Effect]:
        if isinstance(frame, NotNats):
            return self._close(frame.reason)
        if isinstance(frame, ServerPing):
            return (Send(frames.PONG),)
        if isinstance(frame, ServerInfo):
            return self._told(frame)
        if self._state in (_State.READY, _State.LEAVING):
            return self._when_ready(frame)
        if isinstance(frame, ServerError):
            return self._close(frame.text)
        if isinstance(frame, ServerPong) and self._state is _State.AWAITS_PONG and self._info is not None:
            self._state = _State.READY
            return (BecomeReady(self._info, self._is_vouched),)
        return ()

    def _when_ready(self, frame: Frame) -> Sequence[Effect]:
        if isinstance(frame, ReceivedMessage):
            return (Deliver(frame),)
        if isinstance(frame, ServerPong):
            # Each PING has an answer of its own, in order.
            self._probes = max(0, self._probes - 1)
            return (Leave(),) if self._state is _State.LEAVING and not self._probes else (NoteAnswered(),)
        return (NoteComplaint(frame.text),) if isinstance(frame, ServerError) else ()

    def _told(self, info: ServerInfo) -> Sequence[Effect]:
        self._info = info
        if self._state is not _State.AWAITS_INFO:
            return (NoteCluster(info),)
        if self._is_secure or not (self._terms.needs_tls or info.requires_tls):
            return self._greet(info)
        if not (info.requires_tls or info.offers_tls):
            return self._close("it offers no TLS, without which nothing is said to it")
        self._state, self._is_vouched = _State.AWAITS_TLS, False
        return (StartTls(),)

    def _greet(self, info: ServerInfo) -> Sequence[Effect]:
        credentials = self._terms.credentials
        if credentials.nkey is not None and not info.nonce:
            return self._close("it has no nkeys: it gives nothing to sign")
        options: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "tls_required": self._is_secure,
            "name": self._terms.name,
            "lang": "python-lyncpy",
            "version": "1",
            "protocol": 1,
            # What we publish we have heard ourselves.
            "echo": False,
            "headers": info.takes_headers,
            "no_responders": info.takes_headers,
            **credentials.answer(info.nonce),
        }
        self._state = _State.AWAITS_PONG
        return (Send(frames.connect(options) + frames.PING),)

    def _close(self, reason: str) -> Sequence[Effect]:
        self._state = _State.CLOSED
        return (Close(reason),)
