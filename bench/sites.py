"""One way to ask each server for the same: who signs in, who talks to whom, who watches whom.

A site is a running server with its clients; what is compared runs over sites and does not know
which server it is.
"""

import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bench import words
from bench.device import Device, connect, trusting
from bench.peers.kamailio import Phone, call_in
from bench.peers.process import Running
from bench.peers.xmpp import Chatter, stream_in
from bench.server import Server
from bench.sip_client import Unexpected
from bench.text import Heard

TEXT: Final = b"Shall we have lunch at half past twelve? The place at the corner has soup today."
SETTLE_S: Final = 0.3

Say = Callable[[], "Deferred[Any]"]  # Any: an answer of the site's own kind
"""Says something in a session; fires when the answer is back."""


class Client(Protocol):
    """One client of a site."""

    uri: str
    lost: "Deferred[None]"

    def leave(self) -> None:
        """Close its connection."""


class Site(Protocol):
    """A server and its clients.

    Attributes:
        name: As it is printed.
        clients: Who is signed in, by number.
    """

    name: str
    clients: list[Any]  # Any: clients of the site's own kind

    def cpu_s(self) -> float:
        """Give the processor time of the server."""

    def resident_bytes(self) -> int:
        """Give the memory of the server."""

    async def connected(self, number: int) -> Any:  # Any: as above
        """Give a connection for a user, its TLS handshake done."""

    async def sign_in(self, client: Any) -> None:  # Any: as above
        """Prove the password and be reachable."""

    async def refresh(self, client: Any) -> None:  # Any: as above
        """Renew the registration."""

    async def pair(self, one: Any, other: Any) -> Say:  # Any: as above
        """Begin a session."""

    async def watch(self, watchers: Sequence[Any], publisher: Any) -> None:  # Any: as above
        """Have them watch somebody."""

    def listen(self, client: Any, told: Callable[[], None]) -> None:  # Any: as above
        """Call this with each state of somebody that the client is told."""

    async def publish(self, client: Any) -> None:  # Any: as above
        """Show another state."""


class _Site:
    has_refresh = True
    is_told_himself = False

    def __init__(self, name: str, reactor: Any, server: Server | Running) -> None:  # Any: several interfaces
        self.name = name
        self.clients: list[Any] = []  # Any: clients of the site's own kind
        self._reactor = reactor
        self._server = server
        self._context: ssl.SSLContext = trusting(server.ca)

    def cpu_s(self) -> float:
        return self._server.cpu_s()

    def resident_bytes(self) -> int:
        return self._server.resident_bytes()

    async def _pause(self) -> None:
        await deferLater(self._reactor, SETTLE_S)


class LyncpySite(_Site):
    """The server that this is about."""

    def __init__(self, name: str, reactor: Any, server: Server) -> None:  # Any: as above
        super().__init__(name, reactor, server)
        self.server = server

    async def connected(self, number: int) -> Device:
        return await connect(self._reactor, self.server, number)

    async def sign_in(self, client: Device) -> None:
        await client.register()

    async def refresh(self, client: Device) -> None:
        await client.refresh()

    async def pair(self, one: Device, other: Device) -> Say:
        dialog = await one.invite(other.uri)
        return lambda: one.asking(dialog, "MESSAGE", "", TEXT, "text/plain").addCallback(_good)

    async def watch(self, watchers: Sequence[Device], publisher: Device) -> None:
        if not publisher.has_published:
            await publisher.subscribe("vnd-microsoft-roaming-self", words.ROAMING)
            await publisher.publish(3500)
        for watcher in watchers:
            await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))

    def listen(self, client: Device, told: Callable[[], None]) -> None:
        client.notified = lambda heard: told()

    async def publish(self, client: Device) -> None:
        await client.publish((3500, 6500)[client.versions % 2])


class KamailioSite(_Site):
    """Kamailio."""

    async def connected(self, number: int) -> Phone:
        assert isinstance(self._server, Running), "a peer"
        return await call_in(self._reactor, self._server, self._context, number)

    async def sign_in(self, client: Phone) -> None:
        await client.register()

    async def refresh(self, client: Phone) -> None:
        # Its challenge holds for five minutes by default, and a registration for an hour: a refresh is challenged anew.
        await client.register()

    async def pair(self, one: Phone, other: Phone) -> Say:
        dialog = await one.invite(other.uri)
        return lambda: one.asking(dialog, "MESSAGE", "", TEXT, "text/plain").addCallback(_good)

    async def watch(self, watchers: Sequence[Phone], publisher: Phone) -> None:
        await publisher.publish()
        for watcher in watchers:
            await watcher.watch(publisher.uri)
        await self._pause()

    def listen(self, client: Phone, told: Callable[[], None]) -> None:
        client.notified = lambda heard: told()

    async def publish(self, client: Phone) -> None:
        await client.publish()


class XmppSite(_Site):
    """ejabberd or Prosody."""

    has_refresh = False

    async def connected(self, number: int) -> Chatter:
        assert isinstance(self._server, Running), "a peer"
        return await stream_in(self._reactor, self._server, self._context, number)

    async def sign_in(self, client: Chatter) -> None:
        await client.register()

    async def refresh(self, client: Chatter) -> None:
        raise NotImplementedError("XMPP has no registration to renew")

    async def pair(self, one: Chatter, other: Chatter) -> Say:
        return lambda: one.saying(other.uri, TEXT.decode())

    async def watch(self, watchers: Sequence[Chatter], publisher: Chatter) -> None:
        for watcher in watchers:
            watcher.watch(publisher)
        await self._pause()
        await self._pause()

    def listen(self, client: Chatter, told: Callable[[], None]) -> None:
        client.watched = told

    async def publish(self, client: Chatter) -> None:
        client.publish()


def _good(answer: Heard) -> Heard:
    if answer.status != 200:
        raise Unexpected(f"a MESSAGE was answered with {answer!r}")
    return answer
