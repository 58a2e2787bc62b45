"""An XMPP client: registers itself, signs in with SCRAM-SHA-1, talks with receipts, watches and is watched."""

import base64
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from twisted.internet.defer import Deferred

from bench.line import Line, open_line
from bench.peers.process import Running
from bench.people import DOMAIN, PASSWORD, user
from bench.runs import run_all
from bench.sip_client import Unexpected

_OPEN: Final = (
    f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
_RECEIPT: Final = "urn:xmpp:receipts"


@dataclass(slots=True)
class Stanza:
    """One stanza: its name, its attributes, and of what is in it names and attributes, flat."""

    name: str
    attributes: dict[str, str]
    inner: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    def has(self, name: str) -> bool:
        """Tell whether an element of this name is in it."""
        return any(one == name for one, _ in self.inner)


class Chatter:
    """A user of an XMPP server, with one resource.

    Attributes:
        watched: Called with each presence of somebody else.
    """

    def __init__(self, line: Line, number: int) -> None:
        """Take the number of the user."""
        self.jid: Final = f"{user(number)}@{DOMAIN}"
        self.uri = f"{self.jid}/bench"
        self.line: Final = line
        self.watched: Callable[[], None] = _nothing
        self.lost: Deferred[None] = Deferred()
        self._name = user(number)
        self._waiting: Deferred[Stanza] | None = None
        self._asked: dict[str, Deferred[Stanza]] = {}
        self._states = 0
        self._count = 0
        self._restart()
        line.heard, line.ended = self._read, self._ended

    # What loads do.

    async def enrol(self) -> None:
        """Make an account, in-band (XEP-0077)."""
        await self._stream()
        query = f"<username>{self._name}</username><password>{PASSWORD}</password>"
        await self._iq(f"<query xmlns='jabber:iq:register'>{query.replace(chr(39), '&apos;')}</query>")

    async def register(self) -> None:
        """Sign in: SCRAM-SHA-1, a resource, the first presence."""
        await self._stream()
        await self._scram()
        await self._stream()
        await self._iq("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind>")
        self._write("<presence/>")
        # Until it is answered, what the first presence costs is still to come.
        await self._iq("<query xmlns='jabber:iq:roster'/>", "get")

    def saying(self, to: str, text: str) -> "Deferred[Stanza]":
        """Say something; fires when the other client says that it has it (XEP-0184)."""
        self._count += 1
        key = f"m{self._count}"
        receipt: Deferred[Stanza] = Deferred()
        self._asked[key] = receipt
        self._write(
            f"<message to='{to}' id='{key}' type='chat'><body>{text}</body><request xmlns='{_RECEIPT}'/></message>"
        )
        return receipt

    def watch(self, other: "Chatter") -> None:
        """Subscribe to somebody's presence, who allows it."""
        self._write(f"<presence to='{other.jid}' type='subscribe'/>")

    def publish(self) -> None:
        """Show another state."""
        self._states += 1
        self._write(f"<presence><show>{'away' if self._states % 2 else 'dnd'}</show></presence>")

    def leave(self) -> None:
        """Close the connection."""
        self.line.close()

    # How it is done.

    async def _stream(self) -> None:
        self._restart()
        self._waiting = Deferred()
        self.line.write(_OPEN.encode())
        features = await self._waiting
        if not features.name.endswith("features"):
            raise Unexpected(f"no features: {features}")

    async def _scram(self) -> None:
        nonce = secrets.token_hex(12)
        first = f"n={self._name},r={nonce}"
        challenge = await self._step(
            f"<auth xmlns='{_SASL}' mechanism='SCRAM-SHA-1'>{_b64('n,,' + first)}</auth>", "challenge"
        )
        server_first = base64.b64decode(challenge.text).decode()
        given = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), base64.b64decode(given["s"]), int(given["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha1")
        last = f"c=biws,r={given['r']}"
        text = f"{first},{server_first},{last}".encode()
        signature = hmac.digest(hashlib.sha1(client_key, usedforsecurity=False).digest(), text, "sha1")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        answer = _b64(f"{last},p={base64.b64encode(proof).decode()}")
        success = await self._step(f"<response xmlns='{_SASL}'>{answer}</response>", "success")
        verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha1"), text, "sha1")
        if base64.b64decode(success.text) != b"v=" + base64.b64encode(verifier):
            raise Unexpected("the server does not know the password")

    async def _step(self, text: str, wanted: str) -> Stanza:
        self._waiting = Deferred()
        self._write(text)
        answer = await self._waiting
        if answer.name != wanted:
            raise Unexpected(f"not {wanted} but {answer}")
        return answer

    async def _iq(self, inner: str, kind: str = "set") -> Stanza:
        self._count += 1
        key = f"i{self._count}"
        asked: Deferred[Stanza] = Deferred()
        self._asked[key] = asked
        self._write(f"<iq type='{kind}' id='{key}'>{inner}</iq>")
        answer = await asked
        if answer.attributes.get("type") != "result":
            raise Unexpected(f"{inner} was answered with {answer}")
        return answer

    def _write(self, text: str) -> None:
        self.line.write(text.encode())

    def _restart(self) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser
        self._depth = 0
        self._stanza: Stanza | None = None

    def _read(self, data: bytes) -> None:
        self._parser.Parse(data)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._stanza = Stanza(name, attributes)
        elif self._stanza is not None:
            self._stanza.inner.append((name, attributes))

    def _text(self, text: str) -> None:
        if self._stanza is not None and self._depth == 2:
            self._stanza.text += text

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._stanza is not None:
            stanza, self._stanza = self._stanza, None
            self._hear(stanza)

    def _hear(self, stanza: Stanza) -> None:
        match stanza.name:
            case "message":
                self._hear_message(stanza)
            case "presence":
                self._hear_presence(stanza)
            case "iq":
                if stanza.attributes.get("type") in ("result", "error"):
                    asked = self._asked.pop(stanza.attributes.get("id", ""), None)
                    if asked is not None:
                        asked.callback(stanza)
            case _:
                waiting, self._waiting = self._waiting, None
                if waiting is None:
                    raise Unexpected(f"nobody waits for {stanza}")
                waiting.callback(stanza)

    def _hear_message(self, stanza: Stanza) -> None:
        for name, attributes in stanza.inner:
            if name == "received":
                asked = self._asked.pop(attributes.get("id", ""), None)
                if asked is not None:
                    asked.callback(stanza)
            elif name == "request":
                self._write(
                    f"<message to='{stanza.attributes['from']}' id='r{stanza.attributes['id']}' type='chat'>"
                    f"<received xmlns='{_RECEIPT}' id='{stanza.attributes['id']}'/></message>"
                )

    def _hear_presence(self, stanza: Stanza) -> None:
        if stanza.attributes.get("type") == "subscribe":
            self._write(f"<presence to='{stanza.attributes['from']}' type='subscribed'/>")
        elif stanza.has("show"):
            self.watched()

    def _ended(self) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.errback(Unexpected("the connection was lost"))
        self.lost.callback(None)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _nothing() -> None:
    pass


async def stream_in(
    reactor: Any, server: Running, context: ssl.SSLContext, number: int
) -> Chatter:  # Any: as in `Line`
    """Open a connection for a user, its TLS handshake done."""
    line = open_line(reactor, server.port, context, "127.0.0.1")
    chatter = Chatter(line, number)
    await line.shake_hands()
    return chatter


async def enrol(reactor: Any, server: Running, people: int) -> None:  # Any: as in `Line`
    """Have so many accounts made, by who is to have them."""
    context = ssl.create_default_context(cafile=str(server.ca))

    async def one(number: int) -> None:
        chatter = await stream_in(reactor, server, context, number)
        await chatter.enrol()
        chatter.leave()

    await run_all(range(people), one)
