"""One user with one client, who writes and reads, talks and watches others all the time, and comes back as Lync does.

Like Lync, the client tries the next of the deployment's servers when a connection is lost or refused, waits as long as it is asked
to, and takes a server for gone that leaves a request unanswered. What it spends so by itself is counted: nobody can be back before.
"""

import secrets
import ssl
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.task import deferLater

from bench import words
from bench.conference import SENDER, join_chat, join_focus
from bench.device import Device, trusting
from bench.faults import documents
from bench.faults.cluster import Node
from bench.faults.history import Copy, Outcome, Read, Said, Truth, View, Write
from bench.line import open_line
from bench.people import DOMAIN, user
from bench.sip_client import Unexpected
from bench.text import Dialog, Heard

OFFLINE: Final = 18500
STATES: Final = (3500, 6500, 9500, 12500, 15500)
"""What somebody is in turn: they come back to one after more than 10 s, so that nothing old is taken for true."""

PATIENCE_S: Final = 8.0
"""How long a client waits for an answer before it takes the server for gone."""

PUT_OFF_S: Final = 1.0
"""How long it waits before it tries again, unless it is told how long; a part of it is chance."""

PAUSE_S: Final = 0.6
"""Between two things that somebody does."""

_FAILED: Final = (
    Unexpected,
    OSError,
    ssl.SSLError,
    ConnectionClosed,
    ConnectError,
    defer.TimeoutError,
    defer.CancelledError,
)


class Gone(Exception):
    """The client takes the server for gone, or has been told so."""


@dataclass(slots=True)
class History:
    """What all have done and seen; seconds since it was begun."""

    began: float = field(default_factory=time.monotonic)
    reads: list[Read] = field(default_factory=list)
    said: dict[str, list[Said]] = field(default_factory=dict)
    """By conference, or "im"."""

    copies: dict[str, list[Copy]] = field(default_factory=dict)
    truths: list[Truth] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    asked: list[tuple[Write, int]] = field(default_factory=list)
    """What was asked to be written, and of which server."""

    def now(self) -> float:
        """Give the time."""
        return time.monotonic() - self.began

    def wrote(self, write: Write, node: Node | None) -> None:
        """Keep it."""
        self.asked.append((write, -1 if node is None else node.number))

    def all_registers(self, dead_at: Mapping[int, float]) -> Sequence[Write | Read]:
        """Give all that was written and read; what a node was asked that was known dead from a time on may be done only before."""
        writes = [replace(one, until=dead_at.get(node, one.until)) for one, node in self.asked]
        return [*writes, *self.reads]


@dataclass(slots=True)
class Absence:
    """That somebody was away."""

    node: int
    """Whose server was lost to them."""

    lost_at: float
    back_at: float | None = None
    own_s: float = 0.0
    """What the client has spent by itself: waiting, or waiting for an answer."""

    tries: int = 0


class Person:
    """One of them.

    Args:
        reactor: The one.
        number: Theirs.
        nodes: The servers, in the order in which this client tries them.
        watched: The numbers of whom they watch.
        history: Where all is kept.
    """

    def __init__(
        self, reactor: Any, number: int, nodes: Sequence[Node], watched: Sequence[int], history: History
    ) -> None:  # Any: several interfaces at once
        self.number: Final = number
        self.name: Final = user(number)
        self.uri: Final = f"sip:{self.name}@{DOMAIN}"
        self.history = history
        self.absences: list[Absence] = []
        self.node: Node | None = None
        """Where they are signed in."""

        self.conference = ""
        self.failures: list[str] = []
        self._reactor = reactor
        self._nodes = nodes
        self._watched = watched
        self._tries = 0
        self._is_over = False
        self._device: Device | None = None
        self._availability = self._confirmed = STATES[0]
        """What was published last, and what was acknowledged last."""

        self._talks: dict[str, Dialog] = {}
        self._heard: list[str] = []
        self._since = 0.0
        self._count = 0
        self._note_version = 0

    # --- their life

    async def live(self) -> None:
        """Sign in, and come back, until it is over."""
        while not self._is_over:
            try:
                await self._come()
            except (*_FAILED, Gone) as error:
                self._leave()
                await self._put_off(error)
                continue
            try:
                while not self._is_over:
                    await self._do_something()
                    await self.sleep(PAUSE_S * (0.5 + secrets.randbelow(1000) / 1000))
            except Gone:
                pass
            self._lose()
        self._leave()

    def end(self) -> None:
        """Do nothing more."""
        self._is_over = True

    @property
    def is_in(self) -> bool:
        """Whether they are signed in as far as their client knows."""
        return self.node is not None

    def stay(self, until: float) -> tuple[str, Copy] | None:
        """Give the conference in which they are, and what they have heard there, who surely were there until then; None: in none."""
        if not self.conference or not self._since:
            return None
        return self.conference, Copy(self.name, tuple(self._heard), self._since, until)

    @property
    def device(self) -> Device | None:
        """Their client's connection."""
        return self._device

    def absent(self, node: Node) -> None:
        """Note that somebody's server is lost now, whenever the client finds out."""
        if self.node is node:
            self.absences.append(Absence(node.number, self.history.now()))
            # Nobody can know yet whether their server will do something more.
            self._true(OFFLINE, self._confirmed, self._availability)
            # Nor does anybody tell them what others do and say; who said it is told so. That lasts as long as their absence, which
            # is judged by itself.
            self._end_stay()
            for other in self._watched:
                self._sees(other, None)

    async def _come(self) -> None:
        node = self._nodes[self._tries % len(self._nodes)]
        self._tries += 1
        if self._is_lost:
            self.absences[-1].tries += 1
        line = open_line(self._reactor, node.port, trusting(node.ca), "127.0.0.1")
        device = self._device = Device(line, self.number, None)
        device.told = self._hear
        device.notified = self._see
        await self._patient(line.shake_hands())
        self._true(OFFLINE, self._availability)
        await self._patient(device.register())
        await self._patient(device.subscribe("vnd-microsoft-roaming-self", words.ROAMING))
        await self._watch(device)
        await self._publish(self._availability)
        self.node = node
        if self.conference:
            await self._join(device)
        if self._is_lost:
            self.absences[-1].back_at = self.history.now()
            self._true(self._availability)

    @property
    def _is_lost(self) -> bool:
        """Whether their server is lost, and they are at no other yet."""
        return bool(self.absences) and self.absences[-1].back_at is None

    def _lose(self) -> None:
        """Be without a server, and note it, if nobody has."""
        node, self.node = self.node, None
        if node is not None and not self._is_over and not self._is_lost:
            self.absences.append(Absence(node.number, self.history.now()))
        self._leave()

    def _leave(self) -> None:
        device, self._device = self._device, None
        self.node = None
        self._talks.clear()
        if self._heard or self._since:
            self._end_stay()
        if device is not None:
            device.told = device.notified = _ignore
            device.leave()
        self._true(OFFLINE)
        for other in self._watched:
            self._sees(other, None)

    async def _put_off(self, error: BaseException) -> None:
        answer = error.answer if isinstance(error, Unexpected) else None
        asked = answer.get("Retry-After").partition(";")[0].strip() if answer is not None else ""
        # Whoever is refused by a closed port tries the next at once, as RFC 3263 has it.
        wait_s = float(asked) if asked.isdigit() else PUT_OFF_S
        if isinstance(error, ConnectionRefusedError) and self._tries % len(self._nodes):
            wait_s = 0.1
        wait_s *= 0.5 + secrets.randbelow(1000) / 1000
        self._owe(wait_s)
        await self.sleep(wait_s)

    def _owe(self, seconds: float) -> None:
        if self.absences and self.absences[-1].back_at is None:
            self.absences[-1].own_s += seconds

    # --- what they do

    async def _do_something(self) -> None:
        self._count += 1
        device = self._device
        if device is None or device.lost.called:
            raise Gone
        await (self._note, self._contact, self._change, self._say, self._chat, self._read)[self._count % 6]()

    async def _note(self) -> None:
        """Write a note, or remove it."""
        value = None if self._count % 5 == 0 else f"{self.name} {self._count}"
        key = f"the note of {self.name}"
        body = documents.note(self.uri, value, self._note_version)
        answer = await self._write(key, value, body, words.PUBLISH_TYPE)
        if answer is not None and answer.status == 200:
            _, self._note_version = documents.note_of(answer.body)
        elif answer is not None and answer.status == 409:
            await self._read()

    async def _contact(self) -> None:
        """Add somebody to the list, or remove them."""
        other = f"user{90000 + self._count % 4}@{DOMAIN}"
        value = "there" if self._count % 3 else None
        body, kind = documents.contact_there(other) if value else documents.contact_gone(other)
        _ = await self._write(f"{other} in the list of {self.name}", value, body, kind)

    async def _change(self) -> None:
        """Be available, busy, away ..."""
        await self._publish(STATES[(STATES.index(self._availability) + 1) % len(STATES)])

    async def _publish(self, availability: int) -> None:
        device = self._device
        assert device is not None
        self._availability = availability
        # Of who publishes at a server that is lost, and has not noticed, others are told that they are gone.
        gone = () if device.has_published and not self._is_lost else (OFFLINE,)
        self._true(self._confirmed, availability, *gone)
        for _ in range(3):
            try:
                await self._patient(device.publish(availability))
            except Unexpected as error:
                if error.answer is None:
                    raise Gone from error
                is_older = error.answer.status == 409
                # Another has published meanwhile: what there is is asked for anew.
                if is_older and await self._ask(device, "vnd-microsoft-roaming-self", words.ROAMING) is not None:
                    continue
                self._failed(error)
                if not device.has_published:
                    raise
                return
            self._confirmed = availability
            self._true(availability, *((OFFLINE,) if self._is_lost else ()))
            return

    async def _say(self) -> None:
        """Say something to the next one."""
        device, other = self._device, f"sip:{user(self._watched[0])}@{DOMAIN}"
        assert device is not None
        text = f"im {self.name} {self._count}"
        try:
            if "im" not in self._talks:
                self._talks["im"] = await self._patient(device.invite(other))
            await self._said("im", text, self._talks["im"], 200)
        except Unexpected as error:
            self._talks.pop("im", None)
            self._failed(error)

    async def _chat(self) -> None:
        """Say something in the meeting."""
        if not self.conference or self._device is None:
            return
        try:
            if "chat" not in self._talks:
                await self._join(self._device)
            # Who was refused tries it the next time.
            if (talk := self._talks.get("chat")) is not None:
                await self._said(self.conference, f"chat {self.name} {self._count}", talk, 202)
        except Unexpected as error:
            self._failed(error)
            self._end_stay()
            self._talks.pop("chat", None)

    async def _join(self, device: Device) -> None:
        try:
            await self._patient(join_focus(device, self.conference))
            self._talks["chat"] = await self._patient(join_chat(device, self.conference))
        except Unexpected as error:
            if error.answer is None:
                raise
            self._failed(error)
            return
        self._heard, self._since = [], self.history.now()

    async def _said(self, where: str, text: str, dialog: Dialog, want: int) -> None:
        assert self._device is not None
        began, outcome = self.history.now(), Outcome.UNKNOWN
        lines = SENDER if want == 202 else ""
        try:
            answer = await self._patient(
                self._device.asking(dialog, "MESSAGE", lines, text.encode(), "text/plain; charset=UTF-8")
            )
            outcome = _outcome(answer.status)
            if answer.status >= 300:
                raise Unexpected(f"{text} was answered with {answer.start}", answer)
        finally:
            self.history.said.setdefault(where, []).append(Said(self.name, text, began, self.history.now(), outcome))

    async def _read(self) -> None:
        """Read the list and the note, as a client that signs in does."""
        device = self._device
        assert device is not None
        began = self.history.now()
        self_ = await self._ask(device, "vnd-microsoft-roaming-self", words.ROAMING)
        if self_ is not None:
            text, self._note_version = documents.note_of(self_.body)
            self.history.reads.append(Read(f"the note of {self.name}", text, began, self.history.now()))
        began = self.history.now()
        listed = await self._ask(device, "vnd-microsoft-roaming-contacts", "")
        if listed is not None:
            there = documents.contacts_of(listed.body)
            for number in range(4):
                other = f"user{90000 + number}@{DOMAIN}"
                self.history.reads.append(
                    Read(
                        f"{other} in the list of {self.name}",
                        "there" if other in there else None,
                        began,
                        self.history.now(),
                    )
                )

    async def look_again(self) -> None:
        """Sign in once more, at another server, and read it for the last time."""
        self._is_over = False
        for _ in self._nodes:
            try:
                await self._come()
                await self._read()
                break
            except (*_FAILED, Gone) as error:
                self._leave()
                await self._put_off(error)
        self._is_over = True
        self._leave()

    async def _ask(self, device: Device, event: str, body: str) -> Heard | None:
        try:
            heard: Heard = await self._patient(device.subscribe(event, body, expires=0))
        except Unexpected as error:
            if error.answer is None:
                raise Gone from error
            self._failed(error)
            return None
        return heard

    async def _write(self, key: str, value: str | None, body: str, kind: str) -> Heard | None:
        """Ask for something to be written, and keep what came of it."""
        device = self._device
        assert device is not None
        began, outcome = self.history.now(), Outcome.UNKNOWN
        try:
            answer: Heard = await self._patient(
                device.asking(device.dialog(self.uri), "SERVICE", "", body.encode(), kind)
            )
            outcome = _outcome(answer.status)
            if outcome is not Outcome.DONE:
                self.failures.append(answer.start)
        except Unexpected as error:
            raise Gone from error
        finally:
            self.history.wrote(Write(key, value, began, self.history.now(), outcome), self.node)
        return answer

    # --- what they hear and see

    def _hear(self, message: Heard) -> None:
        text = message.body.decode("utf-8", "replace")
        if text.startswith("chat "):
            self._heard.append(text)

    def _end_stay(self) -> None:
        if (stay := self.stay(self.history.now() - PATIENCE_S)) is not None:
            self.history.copies.setdefault(stay[0], []).append(stay[1])
        self._heard, self._since = [], 0.0

    async def _watch(self, device: Device) -> None:
        body = words.watch(self.uri, [f"sip:{user(one)}@{DOMAIN}" for one in self._watched])
        self._see(await self._patient(device.subscribe("presence", body)))

    def _see(self, notified: Heard) -> None:
        for name, value in documents.states_of(notified.body):
            number = int(name.removeprefix("sip:user").partition("@")[0])
            self._sees(number, OFFLINE if value >= 18000 or value == 0 else value)

    def _sees(self, other: int, value: int | None) -> None:
        self.history.views.append(View(self.name, user(other), self.history.now(), value))

    def _true(self, *values: int) -> None:
        self.history.truths.append(Truth(self.name, self.history.now(), frozenset(values)))

    def _failed(self, error: Unexpected) -> None:
        """Note what was refused; who is talked to may be what does not answer, and not the server."""
        said = error.answer
        self.failures.append(f"{said.start} {said.get('ms-diagnostics')}" if said is not None else "no answer")

    # --- waiting

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await deferLater(self._reactor, seconds)

    async def _patient(self, asked: Awaitable[Any]) -> Any:  # Any: what was asked for
        """Wait for an answer no longer than clients do."""
        began = time.monotonic()
        waiting = asked if isinstance(asked, Deferred) else Deferred.fromCoroutine(asked)  # type: ignore[arg-type]
        _ = waiting.addTimeout(PATIENCE_S, self._reactor)
        try:
            return await waiting
        except (defer.TimeoutError, defer.CancelledError) as error:
            self._owe(time.monotonic() - began)
            raise Unexpected("nothing was answered") from error


def _outcome(status: int) -> Outcome:
    """Say what an answer leaves open: where a store fails, it may have written what it could not say."""
    if status < 300:
        return Outcome.DONE
    return Outcome.UNKNOWN if status >= 500 or status == 408 else Outcome.REFUSED


def _ignore(heard: Heard) -> None:
    pass
