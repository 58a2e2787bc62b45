"""Whether the NATS servers take this one: an operator's look at the bus, before a start. Blocks."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from OpenSSL import SSL

from lyncpy.backends.nats import frames
from lyncpy.backends.nats.address import ServerAddress
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import SecretUnusable
from lyncpy.backends.nats.servers import Approach, Servers
from lyncpy.backends.nats.session import (
    BecomeReady,
    Close,
    Effect,
    NatsSession,
    NoteAnswered,
    NoteCluster,
    NoteComplaint,
    Send,
    StartTls,
)
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.secret_file import space_around
from lyncpy.sip.text import shown

T = TypeVar("T")

ANSWER_S: Final = 5.0
"""That one server may take, as a whole."""

CHUNK: Final = 16_384


def examined(settings: Settings, home: Path) -> Iterator[Finding]:
    """Connect to each server of [bus] url with what proves us, as a start does, and say whether it takes us and what is wrong."""
    servers = Servers(NodeName("check"), settings, home)
    for place in servers.known:
        try:
            approach = servers.approach(place)()
        except SecretUnusable as error:
            yield Finding(good=False, sentence=f"[bus]: {error}")
            return
        if isinstance(approach.authorities, AuthoritiesUnusable):
            yield Finding(good=False, sentence=f"[bus]: {approach.authorities}")
            return
        yield _Visit(place, approach, approach.authorities, settings).finding()


class _Refused(Exception):
    """It does not take us; the sentence says which setting is to be looked at."""


class _Visit:
    """One connection, until the server has taken us and what we may do is known."""

    def __init__(self, place: ServerAddress, approach: Approach, checked: CheckedServer, settings: Settings) -> None:
        self._place = place
        self._approach = approach
        self._checked = checked
        self._settings = settings
        self._session = NatsSession(approach.terms)
        self._wire: _Plain | _Tls | None = None
        self._version = self._complaint = ""
        self._is_known = self._is_done = False
        """Whether it has said INFO, and all that is asked."""
        self._is_late = threading.Event()
        """Whether its time is over."""

    def finding(self) -> Finding:
        """Give what is found."""
        try:
            with socket.create_connection(self._place, ANSWER_S) as connection, self._within(ANSWER_S, connection):
                self._wire = _Plain(connection)
                self._perform(self._session.begin())
                while not self._is_done:
                    self._go_on(self._wire.receive())
        except (_Refused, OSError, SSL.Error) as error:
            return Finding(good=False, sentence=self._objection(error))
        if self._complaint:
            return Finding(
                good=False,
                sentence=f"[bus] url: {self._place} takes this server and refuses something: {shown(self._complaint)};"
                f' let its user publish and subscribe to "{self._settings.subject}.>"',
            )
        how = "over TLS" if isinstance(self._wire, _Tls) else "without TLS"
        return Finding(
            good=True, sentence=f"[bus] url: NATS {shown(self._version)} at {self._place} takes this server, {how}"
        )

    @contextlib.contextmanager
    def _within(self, limit_s: float, connection: socket.socket) -> Iterator[None]:
        """Break a connection off after a time: the timeout of a socket begins anew with each byte."""

        def end() -> None:
            self._is_late.set()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(limit_s, end)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _objection(self, error: Exception) -> str:
        if isinstance(error, _Refused):
            return str(error)
        if self._checked.objection:
            setting = "ca_file" if "not trusted" in self._checked.objection else "url"
            return f"[bus] {setting}: {self._place}: {self._checked.objection}"
        if isinstance(error, SSL.Error):
            return f'[bus] url: {self._place}: it does not speak TLS as it has to; "?tls=first" is for servers that begin with it'
        # What comes for a connection that was broken off ends it in other words, now and then.
        told = (None if self._is_late.is_set() else getattr(error, "strerror", None)) or "it says nothing"
        return f"[bus] url: {self._place}: {told}; does nats-server run there? Start it, or correct host and port in the url"

    def _go_on(self, data: bytes) -> None:
        if not data:
            if self._is_known:
                raise _Refused(f"[bus] url: {self._place}: it has closed the connection, or does not answer in time")
            raise OSError
        self._perform(self._session.received(data))

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect.data)
            elif isinstance(effect, StartTls):
                self._start_tls()
            elif isinstance(effect, BecomeReady):
                self._version = effect.info.version
                self._try_out()
            elif isinstance(effect, NoteComplaint):
                self._complaint = self._complaint or effect.text
            elif isinstance(effect, NoteAnswered):
                self._is_done = True
            elif isinstance(effect, Close):
                raise _Refused(self._told(effect.reason))
            elif isinstance(effect, NoteCluster):
                self._version = effect.info.version

    def _send(self, data: bytes) -> None:
        assert self._wire is not None
        self._is_known = True
        self._wire.send(data)

    def _start_tls(self) -> None:
        assert isinstance(self._wire, _Plain)
        self._wire = _Tls(self._wire.connection, self._checked)
        self._wire.begin()
        self._perform(self._session.secured())

    def _try_out(self) -> None:
        """Subscribe and publish as a server does; whatever is refused is said before the next PONG."""
        prefix = self._settings.subject
        self._send(frames.subscribe(f"{prefix}.>", 1) + frames.publish(f"{prefix}.check", b""))
        self._perform(self._session.probe())

    def _told(self, reason: str) -> str:
        place, credentials = self._place, self._approach.terms.credentials
        if "Authorization" in reason or "Authentication" in reason:
            if credentials.nkey is not None:
                return f"[bus] nkey_file: {place} knows no user with the nkey {credentials.nkey.public}"
            if credentials.user:
                space = space_around(credentials.password, "[bus] password_file")
                sentence = f"[bus] password_file: {place} knows no user {shown(credentials.user)} with this password"
                return f"{sentence}; {space}" if space else sentence
            return f"[bus] url: {place} wants to know who this is: set a user in url and password_file, or nkey_file"
        if "nkeys" in reason:
            return f"[bus] nkey_file: {place}: {reason}"
        if "no TLS" in reason:
            return f"[bus] url: {place}: {reason}: give it a certificate"
        hint = "" if self._is_known else "; does nats-server run there? Start it, or correct host and port in the url"
        return f"[bus] url: {place}: {shown(reason)}{hint}"


class _Plain:
    """A connection without TLS."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def receive(self) -> bytes:
        """Give what comes; b"": nothing comes any more."""
        return self.connection.recv(CHUNK)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.connection.sendall(data)


class _Tls:
    """The same over TLS; the name in the certificate is checked as it is at a start."""

    def __init__(self, connection: socket.socket, checked: CheckedServer) -> None:
        self._connection = connection
        self._tls = checked.clientConnectionForTLS(None)
        self._tls.set_connect_state()

    def begin(self) -> None:
        """Shake hands; raises SSL.Error, or OSError."""
        self._whole(self._tls.do_handshake)

    def receive(self) -> bytes:
        """Give what comes; b"": nothing comes any more."""
        try:
            return self._whole(lambda: self._tls.recv(CHUNK))
        except SSL.ZeroReturnError:
            return b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._whole(lambda: self._tls.sendall(data))

    def _whole(self, call: Callable[[], T]) -> T:
        while True:
            try:
                result = call()
            except SSL.WantReadError:
                self._flush()
                data = self._connection.recv(CHUNK)
                if not data:
                    raise OSError from None
                self._tls.bio_write(data)
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self._connection.sendall(self._tls.bio_read(CHUNK))
