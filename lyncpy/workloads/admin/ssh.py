"""The SSH server: twisted.conch with everything taken away that a shell does not need.

Public keys only, and only with signatures that are good today; sessions only: no
forwarding, no subsystems, no agent. The name that a client gives itself means nothing: the
key says who they are.
"""

import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION, SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.contracts.complaints import Complaint
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.listening import ListeningPlace
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.timers import ITimer
from lyncpy.workloads.admin.channel import BROKEN, QUIET, Connection, ShellContext, User
from lyncpy.workloads.admin.keyring import SIGNATURES, AuthorizedKey, AuthorizedKeys, fingerprint
from lyncpy.workloads.admin.settings import Settings

CIPHERS: Final = [b"aes256-ctr", b"aes192-ctr", b"aes128-ctr"]
KEY_EXCHANGES: Final = [name for name in SSHServerTransport.supportedKeyExchanges if not name.endswith(b"sha1")]
MACS: Final = [b"hmac-sha2-512", b"hmac-sha2-256"]
FAREWELL_S: Final = 1.0
"""Between the end of a client's sessions and that of its connection, if it does not go by itself."""

KNOWN_NETWORKS: Final = 1024
"""Networks from which somebody was let in; they are remembered until the end of the process."""

COMPRESSIONS: Final = [b"none"]
"""What strangers send compressed could be small and become large."""

USER_SIGNATURES: Final = [name for names in SIGNATURES.values() for name in names]


@implementer(ICredentialsChecker)
class KeyChecker:
    """Lets in who holds an authorized key."""

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, keys: AuthorizedKeys) -> None:
        self._keys = keys

    def requestAvatarId(self, credentials: Any) -> Any:  # Any: one has attributes only; what comes back is an Admission
        """Give whom a key lets in.

        Raises:
            ValidPublicKey: The key would be good; the client has not yet signed with it.
            UnauthorizedLogin: It is not, or the signature is not.

        Spec: RFC 4252 §7, RFC 8332 §3.2.
        """
        admission = self._keys.holder_of(credentials.blob)
        if admission is None:
            raise UnauthorizedLogin("not authorized")
        if credentials.algName not in SIGNATURES[admission.kind]:
            raise UnauthorizedLogin("signature not accepted")
        if not credentials.signature:
            raise ValidPublicKey
        if not _is_signed(credentials, admission.blob):
            raise UnauthorizedLogin("signature wrong")
        return admission


def _is_signed(credentials: Any, blob: bytes) -> bool:  # Any: as above
    """Tell whether the signature is that of the key, made in the way that was named."""
    try:
        signed_with, _ = getNS(credentials.signature)
        key = Key.fromString(blob, "BLOB")
        return signed_with == credentials.algName and bool(key.verify(credentials.signature, credentials.sigData))
    except BROKEN:
        return False


@implementer(IRealm)
class Realm:
    """Gives a user for an admission."""

    def __init__(self, given: ShellContext) -> None:
        self._given = given

    def requestAvatar(self, avatarId: AuthorizedKey, mind: object, *interfaces: object) -> tuple[object, ...]:  # type: ignore[override]  # what names a user here is not bytes
        """Give the user of a connection."""
        return IConchUser, User(self._given, avatarId), lambda: None


class Login(SSHUserAuthServer):
    """Proves the key."""

    _log = QUIET

    def __init__(self, settings: Settings, reactor: Any) -> None:  # Any: as above
        self.loginTimeout = settings.login_s
        self.attemptsBeforeDisconnect = settings.login_tries
        self.clock = reactor

    def tryAuth(self, kind: bytes, user: bytes, data: bytes) -> Any:  # Any: as in Twisted, a Deferred of its own kind
        """Check a key, and log one that is not authorized."""
        return super().tryAuth(kind, user, data).addErrback(self._tell, data)

    def _tell(self, reason: Failure, data: bytes) -> Failure:
        if reason.check(UnauthorizedLogin) and isinstance(self.transport, Transport):
            try:
                key = fingerprint(getNS(data[1:], 2)[1])
            except BROKEN:
                key = "a broken key"
            self.transport.log.info(
                "{address} may not use the shell: {fingerprint} is {reason}",
                address=self.transport.address,
                fingerprint=key,
                reason=reason.getErrorMessage(),
            )
        return reason


class Transport(SSHServerTransport):
    """One client's connection."""

    _log = QUIET
    log = Logger()
    ourVersionString = b"SSH-2.0-lyncpy"
    supportedCiphers = CIPHERS
    supportedMACs = MACS
    supportedCompressions = COMPRESSIONS
    supportedKeyExchanges = KEY_EXCHANGES
    factory: Any  # Any: Server, as Twisted sets it
    transport: Any  # Any: a TCP connection, as Twisted sets it

    address = ""
    _timer: ITimer | None = None

    @property
    def _conch(self) -> Any:  # Any: conch's transport has no types
        return super()

    @property
    def is_admitted(self) -> bool:
        """Tell whether a key was proven."""
        return hasattr(self, "avatar")

    @property
    def stage(self) -> int:
        """Tell how far a stranger has come: nothing said, a version, keys exchanged."""
        return int(bool(self.gotVersion)) + int(self.sessionID is not None)

    def connectionMade(self) -> None:
        """Begin, with a bound on the time until the key is proven."""
        self.address = self.transport.getPeer().host
        self.transport.setTcpKeepAlive(1)
        given: ShellContext = self.factory.given
        self.factory.transports[self] = None
        self._timer = given.timers.later(given.settings.login_s, self.check_login)
        self._conch.connectionMade()

    def check_login(self) -> None:
        """Cut who has not proven a key by now."""
        if self.is_admitted:
            self.check_idle()
        else:
            self.transport.abortConnection()

    def check_idle(self) -> None:
        """Close when no key was pressed for long and no command is under way."""
        given: ShellContext = self.factory.given
        wait_s: float = given.settings.idle_s
        service = self.service
        if isinstance(service, Connection):
            left_s = service.input_at + wait_s - given.timers.now()
            if left_s <= 0 and not any(one.is_busy for one in service.sessions):
                self.farewell(f"\nNo key was pressed for {wait_s} s ([admin] idle_s): the shell is closed.\n")
                return
            wait_s = max(left_s, 1.0)
        self._timer = given.timers.later(wait_s, self.check_idle)

    def farewell(self, text: str) -> None:
        """Tell the operator at a terminal why the session ends, and end it.

        A client forgets what it was to show when it is told that the connection ends. So the
        sessions end first, which makes most clients go by themselves.
        """
        sessions = self.service.sessions if isinstance(self.service, Connection) else ()
        for session in sessions:
            session.write_error(text)
            session.finish(0)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.factory.given.timers.later(FAREWELL_S if sessions else 0, self._disconnect)

    def _disconnect(self) -> None:
        self._conch.sendDisconnect(DISCONNECT_BY_APPLICATION, b"the shell is closed")

    def dataReceived(self, data: bytes) -> None:
        """Process packets; disconnect a client that breaks the protocol, without a traceback before it has signed in."""
        try:
            self._conch.dataReceived(data)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's packet does to conch, the others stay
            if self.is_admitted:
                self.log.failure("the SSH connection of {address} failed", address=self.address)
            else:
                self.log.info(
                    "{address} does not speak SSH as it should: {reason}",
                    address=self.address,
                    reason=repr(error)[:200],
                )
            self.transport.abortConnection()

    def sendExtInfo(self, extensions: object) -> None:
        """Name the signature algorithms that are accepted; Twisted would name those of the host keys.

        Spec: RFC 8308 §3.1.
        """
        self._conch.sendExtInfo([(b"server-sig-algs", b",".join(USER_SIGNATURES))])

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Log nothing: a client's ordinary end of the connection is called an error, too."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Forget the connection, which is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._conch.connectionLost(reason)
        self.factory.lost(self)


class Server(SSHFactory):
    """The port, and the connections over it."""

    _log = QUIET
    log = Logger()
    noisy = False
    protocol = Transport

    def __init__(self, given: ShellContext, host_keys: Sequence[Key]) -> None:
        self.given = given
        self.transports: dict[Transport, None] = {}
        """Every connection, in the order in which they came."""

        self._known: dict[str, None] = {}
        """Networks from which somebody was let in."""

        self._made_room = Complaint(given.timers)
        self.portal = Portal(Realm(given), [KeyChecker(given.keys)])
        self.privateKeys = {key.sshType(): key for key in host_keys}
        self.publicKeys = {kind: key.public() for kind, key in self.privateKeys.items()}
        settings = given.settings
        # Any: Twisted thinks of classes, but calls whatever stands here
        self.services: Any = {
            b"ssh-userauth": lambda: Login(settings, given.reactor),
            b"ssh-connection": lambda: Connection(settings),
        }
        self._port: Any = None  # Any: IListeningPort
        self._emptied: Deferred[None] | None = None
        self.limits: Final = {one.name: one for one in self._bounds()}

    def _bounds(self) -> Iterator[Limit]:
        settings, transports = self.given.settings, self.transports
        yield Limit("admin.connections", settings.connections, lambda: sum(one.is_admitted for one in transports))
        yield Limit("admin.strangers", settings.strangers, lambda: sum(not one.is_admitted for one in transports))
        yield Limit(
            "admin.sessions_per_connection",
            settings.sessions_per_connection,
            lambda: max(map(_sessions_of, transports), default=0),
        )

    def listen(self) -> int:
        """Open the port; give its number.

        Raises:
            CannotListen: With a sentence that names the setting.
        """
        settings, reactor = self.given.settings, self.given.reactor
        place = ListeningPlace("admin", "port", "host", settings.host, settings.port)
        descriptor = self.given.handed.get(place.setting)
        try:
            if descriptor is None:
                self._port = reactor.listenTCP(settings.port, self, interface=settings.host)
            else:
                with socket.socket(fileno=os.dup(descriptor)) as listening:
                    self._port = reactor.adoptStreamPort(descriptor, listening.family, self)
        except CannotListenError as error:
            code = getattr(error.socketError, "errno", None)
            raise CannotListen(place.objection(code, error.socketError)) from None
        return int(self._port.getHost().port)

    async def stop(self) -> None:
        """Refuse new connections."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)

    async def empty(self, within_s: float) -> None:
        """End every connection; abort those that do not end in time."""
        for transport in list(self.transports):
            transport.farewell("\nThe server ends.\n")
        if self.transports:
            self._emptied = Deferred()
            timer = self.given.timers.later(within_s, self._cut)
            await self._emptied
            timer.cancel()

    def _cut(self) -> None:
        for transport in list(self.transports):
            transport.transport.abortConnection()

    def lost(self, transport: Transport) -> None:
        """Forget a connection."""
        self.transports.pop(transport, None)
        if not self.transports and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def buildProtocol(self, addr: IAddress | None) -> Any:  # Any: what Twisted's own type cannot name
        """Accept a connection. Of too many strangers one is closed, so that there is always room for an operator."""
        strangers = [one for one in self.transports if not one.is_admitted]
        if len(strangers) >= self.given.settings.strangers:
            self.limits["admin.strangers"].hit()
            self._make_room(strangers)
        transport = super().buildProtocol(addr)
        # Spec: RFC 8332 §3.1: "ssh-rsa" is a signature with SHA-1.
        transport.supportedPublicKeys = [name for name in transport.supportedPublicKeys if name != b"ssh-rsa"]
        return transport

    def _make_room(self, strangers: Sequence[Transport]) -> None:
        """Cut the stranger who is least likely to be an operator.

        Nobody was let in from there before; of the same, who has said least; of these, one of the address
        with the most connections; of these, the oldest.
        """
        crowds = Counter(network_of(one.address) for one in strangers)

        def likelihood(one: Transport) -> tuple[bool, int, int]:
            network = network_of(one.address)
            return network in self._known, one.stage, -crowds[network]

        least = min(strangers, key=likelihood)  # the first of equals: they are in the order in which they came
        if self._made_room.happened():
            self.log.warn(
                "strangers make room at the shell ([admin] strangers): {address} was cut, {count} in all",
                address=least.address,
                count=self._made_room.total,
            )
        self.transports.pop(least, None)
        least.transport.abortConnection()

    def admitted(self, transport: Transport) -> None:
        """Admit a connection whose key was proven; of too many, close the one that was idle for longest."""
        network = network_of(transport.address)
        self._known.pop(network, None)
        self._known[network] = None
        if len(self._known) > KNOWN_NETWORKS:
            del self._known[next(iter(self._known))]
        inside = {one: one.service for one in self.transports if isinstance(one.service, Connection)}
        if len(inside) <= self.given.settings.connections:
            return
        idle = {
            one: service.input_at for one, service in inside.items() if not any(s.is_busy for s in service.sessions)
        }
        idle.pop(transport, None)
        self.limits["admin.connections"].hit()
        leaves = min(idle, key=lambda one: idle[one], default=transport)
        self.log.warn("the shell is full ([admin] connections): {address} is sent away", address=leaves.address)
        leaves.farewell("\nThe shell is full ([admin] connections): somebody else came in.\n")

    def getService(self, transport: Any, service: bytes) -> Any:  # Any: a maker of a service, or None
        """Give what makes a service; what there is not is None instead of an error."""
        if service == b"ssh-userauth" and not transport.is_admitted:
            return self.services[service]
        return self.services.get(service) if transport.is_admitted and service != b"ssh-userauth" else None


class CannotListen(Exception):
    """The port cannot be opened; the sentence names the setting and the remedy."""


def _sessions_of(transport: Transport) -> int:
    service = transport.service
    return len(service.sessions) if isinstance(service, Connection) else 0
