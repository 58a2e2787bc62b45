"""The roads on which a message reaches a whole server, and what it costs there.

Each road sends one message as a client does, on a stage where people watch, talk and meet, and
lets it be changed just before it is signed. What is counted is the time of the processor until
everybody has heard of it: the server's, and a little of the actors'.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request, Response
from tests.kit.actors import BATCH_TYPE, MEMBERS_TYPE, PRESENCE, PUBLISH_TYPE, SELF, Actor
from tests.kit.costs import uncollected
from tests.kit.growth import Specimen, lines
from tests.kit.guests import Guest
from tests.kit.meetings import Seat, adding, asks_factory
from tests.kit.sip_client import SipClient
from tests.kit.stage import Stage

CORPUS: Final = Path(__file__).parents[1] / "corpus"
KEY: Final = "Secret12"

SIGNED: Final = frozenset({"from", "to", "call-id", "cseq", "via", "content-length", "authorization", "route"})
"""What the client writes itself: the rest of a head may grow."""

Change = Callable[[Request], Request]
Road = Callable[["Scene"], object]


class Complained(Exception):
    """The server logged an error: a client has made it stumble."""


class Scene:
    """A server that archives, with people who watch one another, talk, and meet a guest."""

    def __init__(self) -> None:
        """Let everybody come."""
        self.stage = Stage(
            policies={"archive_internal": True, "anonymous_participants": True},
            conferencing={"meeting_url": "https://meet.example.com"},
        )
        self.alice, self.bob, self.carol = self.stage.sign_in("alice", "bob", "carol")
        for watcher in (self.bob, self.carol):
            self.alice.allows(watcher, 400)
            watcher.watches(self.alice)
        self.talk, _ = self.alice.talks_to(self.bob)
        self.seat: Seat = self.carol.meets(
            policy="anonymous", extra=f"<msci:conference-key>{KEY}</msci:conference-key>"
        )
        self.zoe: Guest = self.stage.guest("Zoe", KEY)
        self.guest_seat = self.zoe.joins(self.seat.focus)
        self.stage.passes(2)

    def close(self) -> None:
        """End it; what a hostile client made of its own actors is no matter here."""
        self.stage.kill()

    def cost(self, road: str, change: Change) -> float:
        """Give the seconds of processor time that a message takes, changed so."""
        who, send = ROADS[road]
        with _changing(who(self).sip, change), uncollected():
            begun = time.process_time()
            with contextlib.suppress(
                AssertionError, LookupError, TypeError, ValueError, SyntaxError, RemoteProtocolError
            ):
                # Actors do not like all that they hear; the server has no reason to complain.
                send(self)
                self.stage.passes(1)
            took = time.process_time() - begun
        if self.stage.complaints:
            raise Complained(self.stage.complaints[0])
        return took

    def specimen(self, road: str) -> Specimen:
        """Give the message of a road as its client writes it."""
        found: list[Request] = []

        def look(request: Request) -> Request:
            found.append(request)
            return request

        self.cost(road, look)
        request = found[0]
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers if name.lower() not in SIGNED)
        return Specimen(head, request.body.decode("utf-8", "surrogateescape"))


def changed_to(specimen: Specimen) -> Change:
    """Give a change that puts a message's changed head and body into its place."""

    def change(request: Request) -> Request:
        kept = [(name, value) for name, value in request.headers if name.lower() in SIGNED]
        body = specimen.body.encode("utf-8", "surrogateescape")
        return Request(request.method, request.uri, Headers([*kept, *lines(specimen.head)]), body)

    return change


@contextmanager
def _changing(client: SipClient, change: Change) -> Iterator[None]:
    """Change the next request that a client writes."""
    written, todo = client.write, [change]

    def write(message: Request | Response, *, signed: bool = True) -> None:
        if isinstance(message, Request) and message.method not in ("ACK", "CANCEL") and todo:
            message = todo.pop()(message)
        written(message, signed=signed)

    client.write = write  # type: ignore[method-assign]  # for one message
    try:
        yield
    finally:
        del client.write


def _corpus(name: str, content_type: str = PUBLISH_TYPE) -> Road:
    return lambda scene: scene.alice.sip.service(content_type, (CORPUS / "presence" / f"{name}.xml").read_bytes())


def _batch(scene: Scene) -> object:
    fields = [("Require", "adhoclist, categoryList"), ("Supported", "eventlist")]
    body = (CORPUS / "presence" / "batch-subscribe.xml").read_bytes().replace(b"frank@", b"alice@")
    return scene.alice.sip.subscribe(PRESENCE, body, BATCH_TYPE, fields=fields)


def _contact(scene: Scene) -> object:
    extension = '<contactSettings xmlns="urn:c" contactId="1"><contactDisplayName/></contactSettings>'
    fields = (
        ("displayName", "Dave"), ("groups", "1"), ("subscribed", "true"), ("URI", "sip:dave@example.com"),
        ("externalURI", ""), ("contactExtension", extension),
    )  # fmt: skip
    return scene.alice.changes_contacts("setContact", *fields)


def _first_im(scene: Scene) -> object:
    return scene.seat.invites(scene.bob.aor)


def _alternatives(scene: Scene) -> object:
    body = (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\n--b--\r\n"
    )
    return scene.talk.says(body, 'multipart/alternative; boundary="b"')


def _searched(scene: Scene) -> object:
    scene.talk.says("<html><p>hello <b title='x'>you</b> &amp; all<!-- there --></html>", "text/html; charset=utf-8")
    return scene.stage.shell("archive search alice@example.com --text hello")


def _notification(seat: Seat) -> object:
    data = '<n:data xmlns:n="urn:n"><n:one n:two="3">four</n:one></n:data>'
    info = (
        '<modifyConference><ci:conference-info xmlns:ci="urn:ietf:params:xml:ns:conference-info" entity="'
        f'{seat.focus}"><ci:conference-description><ci:subject>new</ci:subject>'
        f"<ci:notification-data>{data}</ci:notification-data></ci:conference-description></ci:conference-info></modifyConference>"
    )
    return seat.commands(info)


def _old(operation: str, inner: str) -> Road:
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">'
        f"<s:Body><m:{operation}>{inner}</m:{operation}></s:Body></s:Envelope>"
    )
    return lambda scene: scene.alice.sip.service("application/SOAP+xml", body.encode())


def _alice(scene: Scene) -> Actor:
    return scene.alice


def _carol(scene: Scene) -> Actor:
    return scene.carol


def _zoe(scene: Scene) -> Actor:
    return scene.zoe


_BODIES: Final = ("note", "state-meeting", "contact-card", "device", "working-hours", "routing", "other-options")

ROADS: Final[dict[str, tuple[Callable[[Scene], Actor], Road]]] = {
    **{f"publish {name}": (_alice, _corpus(name)) for name in _BODIES},
    "members": (_alice, _corpus("set-members-user", MEMBERS_TYPE)),
    "roaming": (
        _alice,
        lambda scene: scene.alice.sip.subscribe(
            SELF, (CORPUS / "presence/roaming-list.xml").read_bytes(), "application/vnd-microsoft-roaming-self+xml"
        ),
    ),
    "batch": (_alice, _batch),
    "contact": (_alice, _contact),
    "group": (_alice, lambda scene: scene.alice.adds_group("Work")),
    "search": (_alice, lambda scene: scene.alice.searches("Bob")),
    "set presence": (
        _alice,
        _old(
            "setPresence",
            '<m:presentity><m:availability m:aggregate="300"/><m:activity m:aggregate="400"/></m:presentity>',
        ),
    ),
    "get presence": (_alice, _old("getPresence", '<m:presentity m:uri="sip:bob@example.com"/>')),
    "factory": (
        _carol,
        lambda scene: asks_factory(scene.carol.sip, adding(subject="new", extra="<msci:x><msci:y/></msci:x>")),
    ),
    "notification data": (_carol, lambda scene: _notification(scene.seat)),
    "first im": (_carol, _first_im),
    "invite": (_alice, lambda scene: scene.alice.invites(scene.carol, "hello")),
    "message": (_alice, lambda scene: scene.talk.says("hello")),
    "page": (_alice, lambda scene: scene.alice.pages(scene.carol, "hello")),
    "alternatives": (_alice, _alternatives),
    "archive search": (_alice, _searched),
    "typing": (_alice, lambda scene: scene.talk.types()),
    "chat": (_carol, lambda scene: scene.seat.says("hello")),
    "lock": (_carol, lambda scene: scene.seat.locks()),
    "options": (_alice, lambda scene: scene.alice.sip.ask(scene.alice.sip.request("OPTIONS", scene.bob.aor))),
    "register": (_alice, lambda scene: scene.alice.sip.register()),
    "guest's typing": (_zoe, lambda scene: scene.guest_seat.chat and scene.guest_seat.chat.types()),
    "guest's text": (_zoe, lambda scene: scene.guest_seat.says("hello")),
    "guest's command": (_zoe, lambda scene: scene.guest_seat.locks()),
    "guest's change": (_zoe, lambda scene: _notification(scene.guest_seat)),
    "guest's knock": (_zoe, lambda scene: scene.zoe.seat(scene.seat.focus).knocks()),
}
"""By name: who sends, and what."""


def sender_of(scene: Scene, road: str) -> Any:  # Any: an Actor
    """Give who sends on a road."""
    return ROADS[road][0](scene)
