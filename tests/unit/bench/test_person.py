"""A person of `scripts/faults` lives on, whatever is refused to them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bench.faults import person as of_person
from bench.faults.cluster import Node
from bench.faults.person import History, Person
from bench.sip_client import Unexpected
from bench.text import Dialog, Heard

FOCUS = "sip:user00000@bench.test;gruu;opaque=app:conf:focus:id:A"


def heard(status: int) -> Heard:
    """An answer without a body."""
    return Heard(f"SIP/2.0 {status} So\r\nms-diagnostics: 1", b"")


class Line:
    """A connection that is there."""

    def shake_hands(self) -> Deferred[None]:
        """Nothing is to be done."""
        return succeed(None)


class Server:
    """What answers: 200, but to what is refused, with these statuses, one after the other."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refused: dict[str, list[int]] = {}

    async def answer(self, what: str) -> Heard:
        """Note that something is asked for, and answer it."""
        self.asked.append(what)
        if statuses := self.refused.get(what):
            raise Unexpected(what, heard(statuses.pop(0)))
        return heard(200)


class Client:
    """A device at that server."""

    def __init__(self, server: Server) -> None:
        self.uri = "sip:user00000@bench.test"
        self.lost: Deferred[None] = Deferred()
        self.has_published = False
        self.told: Callable[[Heard], None] = lambda _: None
        self.notified = self.told
        self._server = server

    async def register(self) -> None:
        """Sign in."""
        await self._server.answer("register")

    async def subscribe(self, event: str, body: str, expires: int | None = None) -> Heard:
        """Ask for what there is."""
        return await self._server.answer(event)

    async def publish(self, availability: int) -> None:
        """Publish a state."""
        await self._server.answer("publish")
        self.has_published = True

    async def invite(self, uri: str) -> Dialog:
        """Begin to talk."""
        await self._server.answer("invite")
        return self.dialog(uri)

    async def asking(self, dialog: Dialog, method: str, lines: str, body: bytes, kind: str) -> Heard:
        """Ask for whatever it is."""
        return await self._server.answer(body.decode() if method == "MESSAGE" else method)

    def dialog(self, uri: str) -> Dialog:
        """Begin a dialog."""
        return Dialog(self.uri, uri)

    def leave(self) -> None:
        """Close the connection."""


class Life:
    """A person who is signed in at a server that answers as it is told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.server, self.clock = Server(), Clock()

        async def join(device: Client, focus: str) -> Dialog:
            await self.server.answer("join")
            return device.dialog(focus)

        patch.setattr(of_person, "open_line", lambda *_: Line())
        patch.setattr(of_person, "trusting", lambda _: None)
        patch.setattr(of_person, "Device", lambda *_: Client(self.server))
        patch.setattr(of_person, "join_focus", join)
        patch.setattr(of_person, "join_chat", join)
        node = cast(Node, SimpleNamespace(number=0, port=1, ca=None))
        self.person = Person(self.clock, 0, [node], [1, 2, 3], History())
        self.person.conference = FOCUS
        self.over = Deferred.fromCoroutine(self.person.live())

    def does(self, count: int) -> list[str]:
        """Give what is asked for while so many pauses pass."""
        before = len(self.server.asked)
        for _ in range(count):
            self.clock.advance(2 * of_person.PAUSE_S)
        return self.server.asked[before:]


def test_who_is_refused_in_a_meeting_goes_on_and_tries_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that loses its store refuses to let people in: they are still there, and come in later."""
    life = Life(monkeypatch)
    assert life.person.is_in
    life.server.refused = {"chat user00000 4": [503], "join": [503, 503]}
    done = life.does(40)
    assert not life.over.called
    assert sum(one.startswith("chat") for one in done) > 2
    assert len(life.person.failures) == 3
    assert life.person.is_in


def test_who_cannot_ask_what_was_published_meanwhile_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their publication is an old one, and what there is cannot be read: both are refusals, and no end."""
    life = Life(monkeypatch)
    life.server.refused = {"publish": [409], "vnd-microsoft-roaming-self": [503]}
    done = life.does(40)
    assert not life.over.called
    assert done.count("publish") > 2
    assert life.person.is_in


def test_what_was_heard_in_a_meeting_is_told_while_somebody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be waited for; who was refused is out of the chat, and hears nothing."""
    life = Life(monkeypatch)
    device = life.person.device
    assert device is not None
    for text in ("chat user00001 4", "im user00001 5"):
        device.told(Heard("MESSAGE sip:user00000@bench.test SIP/2.0", text.encode()))
    told = life.person.stay(7.0)
    assert told is not None
    assert (told[0], told[1].listener, told[1].until) == (FOCUS, "user00000", 7.0)
    assert told[1].texts == ("chat user00001 4",)
    life.server.refused = {"chat user00000 4": [503], "join": [503]}
    life.does(5)
    assert life.person.stay(7.0) is None
